"""Batch: the named tensors that networks read, and how rows become one."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsseq.data.layout import Layout


class Channels(NamedTuple):
    """The channels of a batch by their role; axes are (batch, time, channel).

    Attributes
    ----------
    target : Tensor
        (B, L, C_target) targets over the context; where they are categories, their learnt vectors, ``target_width``
        channels for each target.
    past : Tensor
        (B, L, C_past) covariates known up to the origin.
    known : Tensor
        (B, L + H, C_known) covariates known through the horizon.
    static : Tensor
        (B, C_static) covariates with one value per series.

    Examples
    --------
    >>> import torch
    >>> Channels(torch.ones(1, 3, 1), *(torch.empty(1, 3, 0),) * 2, torch.empty(1, 0)).target.shape
    torch.Size([1, 3, 1])
    """

    target: Tensor
    past: Tensor
    known: Tensor
    static: Tensor


class Batch(NamedTuple):
    """The input of a network: B windows, with a context of L rows and a horizon of H.

    Attributes
    ----------
    values : Channels
        Scaled values, 0 where missing.
    observed : Channels
        1 where a value was observed, 0 where it is missing; shapes as in ``values``.
    codes : Tensor
        (B,) number of the series among those seen in training; 0 is unknown.
    loc : Tensor
        (B, C_target) location that was subtracted from the targets, in units of the data.
    scale : Tensor
        (B, C_target) scale that the targets were divided by, in units of the data.
    future : Tensor or None
        (B, H, C_target) scaled targets of the horizon, for teacher forcing; None except in training.
    n_missing : Tensor or None
        (B,) leading rows of the context at which nothing is observed, for modules that read contexts of unequal length
        together (``reads_ragged``); None for all others, and where all contexts are whole.

    Notes
    -----
    A network of one's own reads ``values.target`` for the history, ``values.known[:, -H:]`` for what is known about
    the horizon, and ``observed`` where it should tell a missing value from 0. L may be shorter than
    ``layout.context_length``.

    Examples
    --------
    >>> import torch
    >>> from tsseq import Layout
    >>> row = torch.tensor([[1.0, float("nan"), 3.0]])
    >>> batch = unflatten(row, Layout(3, 1), torch.zeros(1), torch.zeros(1, 1), torch.ones(1, 1))
    >>> batch.values.target[0, :, 0], batch.observed.target[0, :, 0]
    (tensor([1., 0., 3.]), tensor([1., 0., 1.]))
    """

    values: Channels
    observed: Channels
    codes: Tensor
    loc: Tensor
    scale: Tensor
    future: Tensor | None = None
    n_missing: Tensor | None = None


def unflatten(
    row: Tensor,
    layout: Layout,
    codes: Tensor,
    loc: Tensor,
    scale: Tensor,
    future: Tensor | None = None,
    complete: bool = False,
) -> Batch:
    """Read flat rows as a batch; NaN becomes 0 and is marked as not observed.

    Parameters
    ----------
    row : Tensor
        (B, width) rows, channel by channel: targets, past, known, static.
    layout : Layout
        Sizes of a row.
    codes : Tensor
        (B,) number of each series.
    loc : Tensor
        (B, C_target) location of the targets.
    scale : Tensor
        (B, C_target) scale of the targets.
    future : Tensor, optional
        (B, H, C_target) scaled targets of the horizon.
    complete : bool, default False
        Whether the rows are known to have no missing value.

    Returns
    -------
    Batch
        The rows, with axes (batch, time, channel).
    """
    if complete:
        values, mask = row, torch.ones_like(row)
    else:
        observed = row.isfinite()
        values, mask = torch.where(observed, row, 0.0), observed.to(row.dtype)
    return Batch(_channels(values, layout), _channels(mask, layout), codes, loc, scale, future)


def _channels(row: Tensor, layout: Layout) -> Channels:
    context, both = layout.context_length, layout.context_length + layout.horizon
    widths = [context * layout.n_targets, context * layout.n_past, both * layout.n_known, layout.n_static]
    target, past, known, static = torch.split(row, widths, dim=1)
    return Channels(
        torch.unflatten(target, 1, (layout.n_targets, context)).mT,  # (B, L, C)
        past.reshape(len(row), layout.n_past, context).mT,
        known.reshape(len(row), layout.n_known, both).mT,
        static,
    )


def n_leading_missing(batch: Batch) -> Tensor:
    """(B,) leading rows of the context at which nothing at all is observed: they lie before the series begins."""
    observed, length = batch.observed, batch.observed.target.shape[1]
    first = torch.cat([observed.target[:, 0], observed.past[:, 0], observed.known[:, 0]], dim=1)
    if first.any(dim=1).all():
        return first.new_zeros(len(first), dtype=torch.int64)
    rows = torch.cat([observed.target, observed.past, observed.known[:, :length]], dim=2).any(dim=2)  # (B, L)
    return (rows.cumsum(dim=1) == 0).sum(dim=1)


def drop_leading(batch: Batch, rows: Tensor, n: int) -> Batch:
    """The series ``rows`` (b,) of a batch without the first ``n`` rows of their context."""

    def shorter(channels: Channels) -> Channels:
        target, past, known, static = channels
        return Channels(target[rows, n:], past[rows, n:], known[rows, n:], static[rows])

    future = None if batch.future is None else batch.future[rows]
    units = (batch.codes[rows], batch.loc[rows], batch.scale[rows])
    return Batch(shorter(batch.values), shorter(batch.observed), *units, future)
