"""Rows become named tensors here, and nowhere else."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsseq.data.layout import Layout


class Channels(NamedTuple):
    """The parts of a row, axes (batch, time, channel).

    Attributes
    ----------
    target : (B, L, C_target).
    past : (B, L, C_past).
    known : (B, L + H, C_known).
    static : (B, C_static).
    """

    target: Tensor
    past: Tensor
    known: Tensor
    static: Tensor


class Batch(NamedTuple):
    """What a network reads.

    Attributes
    ----------
    values : scaled values, 0 where missing.
    observed : 1 where a value was observed, 0 where it is missing; shapes as in ``values``.
    codes : (B,) number of the series among those seen in training; 0 is unknown.
    loc, scale : (B, C_target) of the window.
    future : (B, H, C_target) the targets to come, for teacher forcing; None except in training.
    """

    values: Channels
    observed: Channels
    codes: Tensor
    loc: Tensor
    scale: Tensor
    future: Tensor | None = None


def unflatten(
    row: Tensor, layout: Layout, codes: Tensor, loc: Tensor, scale: Tensor, future: Tensor | None = None
) -> Batch:
    """Read rows (B, width) laid out as `Layout` says; NaN becomes 0 and is marked as not observed."""
    seen = row.isfinite()
    values = torch.where(seen, row, 0.0)
    return Batch(_channels(values, layout), _channels(seen.to(row.dtype), layout), codes, loc, scale, future)


def _channels(row: Tensor, layout: Layout) -> Channels:
    length, both = layout.context_length, layout.context_length + layout.horizon
    widths = [length * layout.n_targets, length * layout.n_past, both * layout.n_known, layout.n_static]
    target, past, known, static = row.split(widths, dim=1)
    return Channels(
        target.unflatten(1, (layout.n_targets, length)).mT,  # (B, L, C)
        past.reshape(len(row), layout.n_past, length).mT,
        known.reshape(len(row), layout.n_known, both).mT,
        static,
    )


def absent(batch: Batch) -> Tensor:
    """(B,) leading rows of the context at which nothing at all is observed: they lie before the series begins."""
    seen, length = batch.observed, batch.observed.target.shape[1]
    rows = torch.cat([seen.target, seen.past, seen.known[:, :length]], dim=2).any(dim=2)  # (B, L)
    return (rows.cumsum(dim=1) == 0).sum(dim=1)


def shortened(batch: Batch, rows: Tensor, n: int) -> Batch:
    """The series ``rows`` (b,) of a batch without the first ``n`` rows of their context."""

    def cut(part: Channels) -> Channels:
        return Channels(part.target[rows, n:], part.past[rows, n:], part.known[rows, n:], part.static[rows])

    future = None if batch.future is None else batch.future[rows]
    rest = (batch.codes[rows], batch.loc[rows], batch.scale[rows], future)
    return Batch(cut(batch.values), cut(batch.observed), *rest)
