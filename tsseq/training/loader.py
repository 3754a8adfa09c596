"""Batches of windows, gathered by index on the device that trains or predicts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsseq.data.layout import Store, gather_rows
from tsseq.data.windows import Windows
from tsseq.networks.batch import Batch, unflatten
from tsseq.typing import Index

LARGEST = float(np.finfo(np.float32).max)
LEAST_STEPS = 50
LEAST_BATCH = 16


class TorchOps:
    """`tsseq.data.layout.Ops` on tensors."""

    def windows(self, flat: Tensor, start: Tensor, width: int) -> Tensor:
        return flat.unfold(0, width, 1).index_select(0, start)

    def join(self, blocks: list[Tensor]) -> Tensor:
        return torch.cat([block.float() for block in blocks], dim=-1)  # while a block is in the cache

    def last_before(self, bounds: Tensor, places: Tensor) -> Tensor:
        return torch.searchsorted(bounds, places, right=True) - 1


class DeviceRows:
    """Windows as tensors on a device, gathered there.

    Parameters
    ----------
    windows : Windows
        The rows.
    device : torch.device
        Where they are gathered.
    """

    def __init__(self, windows: Windows, device: torch.device) -> None:
        self.layout, self.device, self.sizes, self.n = windows.layout, device, windows.sizes, len(windows)
        exact = device.type == "cpu"  # elsewhere float64 is slow, or missing
        store, kind = (windows.store, np.float64) if exact else (single_store(windows), np.float32)
        arrays = {name: torch.as_tensor(array, device=device) for name, array in zip(store._fields[:-1], store)}
        self.store = Store(units=store.units, **arrays)
        units = windows.store.loc, windows.store.scale
        self.loc, self.scale = (torch.as_tensor(array.astype(kind, copy=False), device=device) for array in units)
        y = None if windows.y is None else windows.y.astype(kind, copy=False)
        self.y = None if y is None else torch.as_tensor(y, device=device)
        counts = windows.weight, windows.panel.weight
        self.counts = [None if x is None else torch.as_tensor(x.astype(kind), device=device) for x in counts]
        self.complete, self.adaptive = is_complete(windows), windows.scaling.kind == "adaptive"
        self.weighted = self.adaptive or bool((windows.scaling.weight != 1.0).any())

    def batch(self, rows: Tensor, training: bool) -> tuple[Batch, Tensor, Tensor | None]:
        """-> what the network reads, the scaled targets (B, H, C), NaN where missing, and what errors count (B, 1, C).

        The last is None if all errors count 1.
        """
        x, y = gather_rows(self.store, self.layout, self.sizes, rows, TorchOps())
        x = x.float()
        y = y if self.y is None else self.y[rows]
        target = y.float().unflatten(1, (self.layout.horizon, self.layout.n_targets))  # (B, H, C)
        loc, scale = self.loc[rows].float(), self.scale[rows].float()
        missing = -1.0 if self.layout.n_classes else 0.0  # a class that is missing is none of them
        future = (target if self.complete else target.nan_to_num(missing)) if training else None
        series = TorchOps().last_before(self.store.bounds, self.store.end[rows])  # (B,)
        units = self.store.codes[series], loc, scale
        weight = self._weight(rows, series) if self.weighted else None
        complete = self.complete or (not training and math.isfinite(x.sum()))  # what is to come is missing
        return unflatten(x, self.layout, *units, future, complete), target, weight

    def _weight(self, rows: Tensor, series: Tensor) -> Tensor:
        """(B, 1, C) what errors count; in the unit of their series, also where each window has a scale of its own."""
        weight: Tensor = self.store.weight[series]
        weight = weight * self.scale[rows] if self.adaptive else weight
        return weight.float()[:, None]

    def sample_weight(self, rows: Tensor) -> Tensor | None:
        """(B, H, 1) or (B, 1, 1) what target values count: the weights of their windows and rows; None if all are 1."""
        own, by_row = self.counts
        weight = None if own is None else own[rows].float()[:, None]
        if by_row is not None:
            first = self.store.end[rows] % self.sizes[0] + 1
            steps = TorchOps().windows(by_row, first, self.layout.horizon).float()  # (B, H)
            weight = steps if weight is None else steps * weight
        return None if weight is None else weight[:, :, None]


def single_store(windows: Windows) -> Store:
    """The arrays that rows are gathered from in float32.

    The mean of every series is subtracted from its targets and locations before, and covariates are standardised, so
    that no high level blurs changes.
    """
    store, panel = windows.store, windows.panel
    flat, total = windows.flat.copy(), len(panel.times)
    for channel, unit in enumerate(store.units, panel.n_targets):
        if unit is not None:
            flat[channel * total : (channel + 1) * total] -= unit[0]
            flat[channel * total : (channel + 1) * total] /= unit[1]
    targets = flat[: total * panel.n_targets].reshape(panel.n_targets, -1)  # (C, T)
    observed = np.isfinite(targets)
    sums, counts = (
        np.add.reduceat(values, panel.indptr[:-1], axis=1)
        for values in (np.where(observed, targets, 0.0), observed.astype(np.int64))
    )
    level = sums / np.maximum(counts, 1)  # (C, S)
    targets -= np.repeat(level, panel.lengths, axis=1)
    columns = (windows.end // total)[:, None] + np.arange(windows.layout.n_targets)
    loc = store.loc - level[columns, windows.series[:, None]]
    numbers = {"flat": flat, "loc": loc, "scale": store.scale, "weight": store.weight}
    singles = {name: array.astype(np.float32) for name, array in numbers.items()}
    return store._replace(**singles, units=(None,) * len(store.units))


def is_complete(windows: Windows) -> bool:
    """Whether every value, covariates and targets included, is finite once it is scaled to float32."""
    store = windows.store
    units = [unit for unit in store.units if unit is not None]
    unit = min([store.scale.min(initial=1.0), *(spread for _, spread in units)])
    values = [windows.flat, np.array([centre for centre, _ in units])] + ([] if windows.y is None else [windows.y])
    return all(2 * max(x.max(initial=0.0), -x.min(initial=0.0)) < LARGEST * min(unit, 1.0) for x in values)


class Shard(NamedTuple):
    """One rank's share of a batch.

    Attributes
    ----------
    batch : Batch
        What the network reads.
    target : Tensor of shape (B, H, C)
        What it should forecast.
    observed : Tensor of shape (B, H, C) or None
        Which targets are observed, and count; None if all do.
    weight : Tensor of shape (B, 1, C) or None
        What an error counts; None if all count 1.
    sample_weight : Tensor of shape (B, H, 1) or (B, 1, 1) or None
        How often a target value counts; None if all count once.
    share : float
        Rows on this rank times world size over rows in the batch; 0 for a dummy batch on a rank without rows.
    """

    batch: Batch
    target: Tensor
    observed: Tensor | None
    weight: Tensor | None
    sample_weight: Tensor | None
    share: float


class Loader:
    """Batches of some rows, in the same number on every rank.

    Training rows are shuffled anew in every epoch, from ``seed`` and the epoch alone, and divided between ranks; each
    is seen once, or several times where `epoch_plan` asks for more steps than they fill. Without a seed, rows come in
    order.
    """

    def __init__(
        self, rows: DeviceRows, index: Index, batch_size: int, seed: int | None, rank: int = 0, world: int = 1
    ) -> None:
        self.rows, self.index, self.seed, self.rank, self.world = rows, index, seed, rank, world
        n = len(index)
        self.batch_size, self.steps = (batch_size, -(-n // batch_size)) if seed is None else epoch_plan(n, batch_size)
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Shard]:
        order = torch.as_tensor(self._order(), device=self.rows.device)
        self.epoch += 1
        for first in range(0, self.steps * self.batch_size, self.batch_size):
            whole = order[first : first + self.batch_size]
            shard = whole[self.rank :: self.world]
            rows = shard if len(shard) else whole[:1]
            batch, target, weight = self.rows.batch(rows, self.seed is not None)
            observed, sample_weight = None if self.rows.complete else target.isfinite(), self.rows.sample_weight(rows)
            if sample_weight is not None:
                observed = target.isfinite() & (sample_weight > 0)
            share = len(shard) * self.world / len(whole)
            yield Shard(batch, target, observed, weight, sample_weight, share)

    def _order(self) -> Index:
        if self.seed is None:
            return self.index
        random = np.random.default_rng([self.seed, self.epoch])
        if self.steps == -(-len(self.index) // self.batch_size):
            return random.permutation(self.index)
        needed = self.steps * self.batch_size
        passes = range(-(-needed // len(self.index)))
        return np.concatenate([random.permutation(self.index) for _ in passes])[:needed]


def prediction_batches(windows: Windows, device: torch.device, size: int) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of one size and the numbers of their rows, in order; the last one is filled up with the last row.

    So what is predicted for a row does not depend on how many are predicted with it.
    """
    rows = DeviceRows(windows, device)
    for first in range(0, rows.n, size):
        numbers = torch.arange(first, first + size, device=device).clamp(max=rows.n - 1)
        yield rows.batch(numbers, training=False)[0], numbers


def epoch_plan(n: int, batch_size: int) -> tuple[int, int]:
    """Batch size and steps of an epoch over ``n`` rows: at least 50 steps, of at least 16 rows where possible.

    >>> epoch_plan(100_000, 256), epoch_plan(2_000, 256), epoch_plan(100, 256)
    ((256, 391), (40, 50), (16, 50))
    """
    size = min(batch_size, max(-(-n // LEAST_STEPS), LEAST_BATCH))
    return size, max(-(-n // size), LEAST_STEPS)
