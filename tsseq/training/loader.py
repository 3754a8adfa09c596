"""Windows become batches by index: whole batches at a time, on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsseq.data.layout import Layout, Store, gather_rows
from tsseq.data.windows import Targets, Windows
from tsseq.networks.batch import Batch, unflatten

LEAST_STEPS = 50
LEAST_BATCH = 16
ROWS_AT_ONCE = 256


class TorchOps:
    """`tsseq.data.layout.Ops` on tensors."""

    def windows(self, flat: Tensor, start: Tensor, width: int) -> Tensor:
        """See `Ops`."""
        return flat.unfold(0, width, 1).index_select(0, start)

    def join(self, blocks: list[Tensor]) -> Tensor:
        """See `Ops`."""
        return torch.cat(blocks, dim=-1)


class Rows:
    """Rows of X and y as tensors on a device: from `Windows`, gathered there; else from plain arrays.

    Parameters
    ----------
    X : Windows, or an array (n, width).
    y : its Targets, an array (n, n_outputs) or (n,), or None when there is nothing to learn.
    layout : layout of the rows of X.
    """

    def __init__(self, X: Any, y: Any, layout: Layout, device: torch.device) -> None:
        self.layout, self.device, self.n = layout, device, len(X)
        self.sizes = X.sizes if isinstance(X, Windows) else (0, 0, 0)
        self.store: Store | None = None
        self.table: Any = None
        self.given: Tensor | None = None
        if isinstance(X, Windows):
            self.store = Store(*(torch.as_tensor(part, device=device) for part in X.store))
            self.codes = torch.as_tensor(X.codes, device=device)
        else:
            self.table = torch.tensor(np.asarray(X), dtype=torch.float32, device=device)
        if y is not None and not isinstance(y, Targets):
            self.given = torch.tensor(np.asarray(y), dtype=torch.float32, device=device).reshape(self.n, -1)

    def batch(self, rows: Tensor, training: bool) -> tuple[Batch, Tensor | None]:
        """-> what the network reads, and the scaled targets (B, H, C), NaN where missing (None without y)."""
        shape = (len(rows), self.layout.horizon, self.layout.n_targets)
        if self.store is not None:
            x, y = gather_rows(self.store, self.layout, self.sizes, rows, TorchOps())
            x, y = x.float(), y.float()
            codes, loc, scale = self.codes[rows], self.store.loc[rows].float(), self.store.scale[rows].float()
        else:
            x, y = self.table[rows], None
            codes = torch.zeros(len(rows), dtype=torch.long, device=self.device)
            loc, scale = x.new_zeros(len(rows), shape[2]), x.new_ones(len(rows), shape[2])
        y = y if self.given is None else self.given[rows]
        target = None if y is None else y.reshape(shape)
        future = None if target is None or not training else target.nan_to_num(0.0)
        return unflatten(x, self.layout, codes, loc, scale, future), target

    def weight(self, rows: Tensor) -> Tensor:
        """(B, 1, C) what an error counts."""
        if self.store is None:
            return torch.ones(len(rows), 1, self.layout.n_targets, device=self.device)
        return self.store.weight[rows].float()[:, None]


class Piece(NamedTuple):
    """One rank's share of a batch.

    Attributes
    ----------
    batch, target : what the network reads, and what it should forecast.
    weight : (B, 1, C) what an error counts.
    share : size relative to an even share; 0 for a stand-in where a rank has no rows.
    """

    batch: Batch
    target: Any
    weight: Tensor
    share: float


class Loader:
    """Batches of some rows, in the same number on every rank.

    Training rows are shuffled anew in every epoch, from ``seed`` and the epoch alone, and divided between ranks; each
    is seen once, or several times where `plan` asks for more steps than they fill. Without a seed, rows come in order.
    """

    def __init__(
        self, rows: Rows, index: np.ndarray, batch_size: int, seed: int | None, rank: int = 0, world: int = 1
    ) -> None:
        self.rows, self.index, self.seed, self.rank, self.world = rows, index, seed, rank, world
        n = len(index)
        self.batch_size, self.steps = (batch_size, -(-n // batch_size)) if seed is None else plan(n, batch_size)
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Piece]:
        order = self._order()
        self.epoch += 1
        for first in range(0, self.steps * self.batch_size, self.batch_size):
            whole = order[first : first + self.batch_size]
            own = whole[self.rank :: self.world]
            chosen = torch.as_tensor(own if len(own) else whole[:1], device=self.rows.device)
            batch, target = self.rows.batch(chosen, self.seed is not None)
            yield Piece(batch, target, self.rows.weight(chosen), len(own) * self.world / len(whole))

    def _order(self) -> np.ndarray:
        if self.seed is None:
            return self.index
        once = self.steps == -(-len(self.index) // self.batch_size)
        needed = len(self.index) if once else self.steps * self.batch_size
        random = np.random.default_rng([self.seed, self.epoch])
        passes = -(-needed // len(self.index))
        return np.concatenate([random.permutation(self.index) for _ in range(passes)])[:needed]


def blocks(rows: Rows) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of one size and the numbers of their rows, in order; the last one is filled up with the last row.

    So what is predicted for a row does not depend on how many are predicted with it.
    """
    for first in range(0, rows.n, ROWS_AT_ONCE):
        chosen = torch.arange(first, first + ROWS_AT_ONCE, device=rows.device).clamp(max=rows.n - 1)
        yield rows.batch(chosen, training=False)[0], chosen


def plan(n: int, batch_size: int) -> tuple[int, int]:
    """Batch size and steps of an epoch over ``n`` rows: at least 50 steps, of at least 16 rows unless told smaller.

    >>> plan(100_000, 256), plan(2_000, 256), plan(100, 256)
    ((256, 391), (40, 50), (16, 50))
    """
    size = min(batch_size, max(-(-n // LEAST_STEPS), LEAST_BATCH))
    return size, max(-(-n // size), LEAST_STEPS)
