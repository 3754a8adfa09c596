"""Batches of windows, gathered by index on the device that trains or predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsseq.data.layout import Store, gather_rows
from tsseq.data.windows import Windows
from tsseq.networks.batch import Batch, unflatten
from tsseq.typing import Index

LEAST_STEPS = 50
LEAST_BATCH = 16
ROWS_AT_ONCE = 256


class TorchOps:
    """`tsseq.data.layout.Ops` on tensors."""

    def windows(self, flat: Tensor, start: Tensor, width: int) -> Tensor:
        return flat.unfold(0, width, 1).index_select(0, start)

    def join(self, blocks: list[Tensor]) -> Tensor:
        return torch.cat(blocks, dim=-1)

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
        self.store = Store(*(torch.as_tensor(array, device=device) for array in windows.store))
        self.y = None if windows.y is None else torch.as_tensor(windows.y, device=device)

    def batch(self, rows: Tensor, training: bool) -> tuple[Batch, Tensor]:
        """-> what the network reads, and the scaled targets (B, H, C), NaN where missing."""
        x, y = gather_rows(self.store, self.layout, self.sizes, rows, TorchOps())
        y = y if self.y is None else self.y[rows]
        target = y.float().unflatten(1, (self.layout.horizon, self.layout.n_targets))  # (B, H, C)
        loc, scale = self.store.loc[rows].float(), self.store.scale[rows].float()
        future = target.nan_to_num(0.0) if training else None
        return unflatten(x.float(), self.layout, self.store.codes[self._series(rows)], loc, scale, future), target

    def weight(self, rows: Tensor) -> Tensor:
        """(B, C) what errors count."""
        weight: Tensor = self.store.weight[self._series(rows)]
        return weight

    def _series(self, rows: Tensor) -> Tensor:
        """(B,) which series of which target every window is."""
        return TorchOps().last_before(self.store.bounds, self.store.end[rows])


class Shard(NamedTuple):
    """One rank's share of a batch.

    Attributes
    ----------
    batch : Batch
        What the network reads.
    target : Tensor of shape (B, H, C)
        What it should forecast.
    weight : Tensor of shape (B, 1, C)
        What an error counts.
    share : float
        Rows on this rank times world size over rows in the batch; 0 for a dummy batch on a rank without rows.
    """

    batch: Batch
    target: Tensor
    weight: Tensor
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
        order = self._order()
        self.epoch += 1
        for first in range(0, self.steps * self.batch_size, self.batch_size):
            whole = order[first : first + self.batch_size]
            shard = whole[self.rank :: self.world]
            rows = torch.as_tensor(shard if len(shard) else whole[:1], device=self.rows.device)
            batch, target = self.rows.batch(rows, self.seed is not None)
            weight = self.rows.weight(rows).float()[:, None]  # (B, 1, C)
            yield Shard(batch, target, weight, len(shard) * self.world / len(whole))

    def _order(self) -> Index:
        if self.seed is None:
            return self.index
        random = np.random.default_rng([self.seed, self.epoch])
        if self.steps == -(-len(self.index) // self.batch_size):
            return random.permutation(self.index)
        needed = self.steps * self.batch_size
        passes = range(-(-needed // len(self.index)))
        return np.concatenate([random.permutation(self.index) for _ in passes])[:needed]


def prediction_batches(windows: Windows, device: torch.device) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of one size and the numbers of their rows, in order; the last one is filled up with the last row.

    So what is predicted for a row does not depend on how many are predicted with it.
    """
    rows = DeviceRows(windows, device)
    for first in range(0, rows.n, ROWS_AT_ONCE):
        numbers = torch.arange(first, first + ROWS_AT_ONCE, device=device).clamp(max=rows.n - 1)
        yield rows.batch(numbers, training=False)[0], numbers


def epoch_plan(n: int, batch_size: int) -> tuple[int, int]:
    """Batch size and steps of an epoch over ``n`` rows: at least 50 steps, of at least 16 rows where possible.

    >>> epoch_plan(100_000, 256), epoch_plan(2_000, 256), epoch_plan(100, 256)
    ((256, 391), (40, 50), (16, 50))
    """
    size = min(batch_size, max(-(-n // LEAST_STEPS), LEAST_BATCH))
    return size, max(-(-n // size), LEAST_STEPS)
