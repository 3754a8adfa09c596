"""Blocks that networks share: inputs cut into segments, positions, attention, a linear map of covariates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.batch import Batch, n_leading_missing


def n_history(layout: Layout) -> int:
    """Number of channels of `history`.

    Parameters
    ----------
    layout : Layout
        Sizes of a row.

    Returns
    -------
    int
        Channels that change over time; twice as many if rows may have missing values.

    Examples
    --------
    >>> n_history(Layout(12, 3, n_targets=2, n_known=1, missing=True))
    6
    """
    channels = layout.n_target_channels + layout.n_past + layout.n_known
    return channels * (2 if layout.missing else 1)


def history(batch: Batch, layout: Layout) -> Tensor:
    """Everything about the context that changes over time; with missing values, also what was observed.

    Parameters
    ----------
    batch : Batch
        Windows.
    layout : Layout
        Sizes of a row.

    Returns
    -------
    Tensor
        (B, L, n_history(layout)).
    """
    sources = [batch.values, batch.observed] if layout.missing else [batch.values]
    length = batch.values.target.shape[1]  # unlike the layout's where a context is longer or shorter than in training
    blocks = [block for source in sources for block in (source.target, source.past, source.known[:, :length])]
    return torch.cat(blocks, dim=2)  # (B, L, C)


def future_known(batch: Batch, layout: Layout) -> Tensor:
    """Covariates known over the horizon.

    Parameters
    ----------
    batch : Batch
        Windows.
    layout : Layout
        Sizes of a row.

    Returns
    -------
    Tensor
        (B, H, C_known).
    """
    return batch.values.known[:, -layout.horizon :]


def segments(values: Tensor, length: int, front: bool) -> Tensor:
    """Cut a stretch of time into segments.

    Parameters
    ----------
    values : Tensor
        (B, T, C).
    length : int
        Rows per segment.
    front : bool
        Whether zeros fill up the first segment in front; otherwise they fill up the last one at its end.

    Returns
    -------
    Tensor
        (B, n, length * C), n segments.

    Examples
    --------
    >>> import torch
    >>> segments(torch.tensor([[[1], [2], [3]]]), 2, front=True)
    tensor([[[0, 1],
             [2, 3]]])
    """
    lacking = -values.shape[1] % length
    whole = pad(values, (0, 0, lacking, 0) if front else (0, 0, 0, lacking))
    return torch.unflatten(whole, 1, (-1, length)).flatten(2)  # (B, n, length * C)


def n_segments(batch: Batch, length: int) -> Tensor:
    """Segments of each context, without those before it begins.

    Parameters
    ----------
    batch : Batch
        Windows, with ``n_missing``.
    length : int
        Rows per segment.

    Returns
    -------
    Tensor
        (B,), at least 1.
    """
    assert batch.n_missing is not None
    return ((batch.values.target.shape[1] - batch.n_missing + length - 1) // length).clamp(min=1)


def run_ragged(cell: nn.RNNBase, inputs: Tensor, counts: Tensor) -> tuple[Tensor, Any]:
    """Run a cell of torch over sequences of unequal length, as it would run over each alone.

    Parameters
    ----------
    cell : RNN, GRU or LSTM of torch
        With the batch as its first axis.
    inputs : Tensor
        (B, n, hidden), of which the last ones are read.
    counts : Tensor
        (B,) how many of them, at least 1.

    Returns
    -------
    states : Tensor
        (B, n, size), zero before the first step.
    last : Tensor or tuple of Tensor
        The last state of every layer and direction.
    """
    n = inputs.shape[1]
    steps, lead = torch.arange(n, device=inputs.device), (n - counts)[:, None]
    rows = torch.arange(len(inputs), device=inputs.device)[:, None]
    packed = pack_padded_sequence(inputs[rows, (steps + lead) % n], counts.cpu(), True, enforce_sorted=False)
    outputs, last = cell(packed)
    states, _ = pad_packed_sequence(outputs, batch_first=True, total_length=n)
    return states[rows, (steps - lead) % n], last


def positions(n: int, size: int) -> Tensor:
    """Sines in even and cosines in odd columns, ever slower (Vaswani et al. 2017, section 3.5).

    Parameters
    ----------
    n : int
        Positions.
    size : int
        Columns.

    Returns
    -------
    Tensor
        (n, size).

    Examples
    --------
    >>> positions(2, 2)
    tensor([[0.0000, 1.0000],
            [0.8415, 0.5403]])
    """
    angles = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, size, 2) / size)  # (n, size / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :size]


def before_context(n: int, counts: Tensor) -> Tensor:
    """Which of ``n`` segments lie before a context begins that has ``counts`` (B,) of them, (B, n)."""
    return torch.arange(n, device=counts.device) < (n - counts)[:, None]


def context_places(places: Tensor, n: int, counts: Tensor | None, last: int | None) -> Tensor:
    """Positions of the segments of a context, counted from its beginning, or up to a fixed end.

    Parameters
    ----------
    places : Tensor
        (m, size) positions.
    n : int
        Segments, those before the contexts begin included.
    counts : Tensor or None
        (B,) segments of each context; None if all have n.
    last : int or None
        Where contexts end; None if they all begin at 0.

    Returns
    -------
    Tensor
        (n, size) or (B, n, size).
    """
    if last is not None:
        return places[last - n : last]
    if counts is None:
        return places[:n]
    return places[(torch.arange(n, device=counts.device) - (n - counts)[:, None]).clamp(min=0)]


def attention_options(hidden_size: int, n_heads: int, feedforward_size: int, dropout: float) -> dict[str, Any]:
    """Arguments of torch's Transformer layers.

    Parameters
    ----------
    hidden_size : int
        Width of a token.
    n_heads : int
        Attention heads.
    feedforward_size : int
        Hidden units of the network that a layer applies to every token.
    dropout : float
        Share of attention and hidden units dropped in training.

    Returns
    -------
    dict
        Keyword arguments.

    Raises
    ------
    ConfigError
        The heads do not divide the width.
    """
    if hidden_size % n_heads:
        raise ConfigError(f"hidden_size={hidden_size} must be a multiple of n_heads={n_heads}.")
    sizes = {"d_model": hidden_size, "nhead": n_heads, "dim_feedforward": feedforward_size}
    return {**sizes, "dropout": dropout, "batch_first": True}


def flatten_row(batch: Batch, layout: Layout) -> list[Tensor]:
    """Flat blocks of a row: target, past, known and static; with missing values, also what was observed.

    Parameters
    ----------
    batch : Batch
        Windows; rows that a shorter context lacks are 0.
    layout : Layout
        Sizes of a row.

    Returns
    -------
    list of Tensor
        (B, ...), as wide together as a row, or twice as wide with missing values.
    """
    lacking = layout.context_length - batch.values.target.shape[1]
    blocks = [*batch.values, *batch.observed] if layout.missing else [*batch.values]
    return [(pad(block, (0, 0, lacking, 0)) if block.dim() == 3 else block).flatten(1) for block in blocks]


def expand_attention(weights: Tensor, batch: Batch, length: int, horizon_segment: int, horizon: int) -> Tensor:
    """Attention between segments as attention of steps to rows.

    Rows of a segment share its weight equally, without those before the series begins.

    Parameters
    ----------
    weights : Tensor
        (B, m, n) attention of m segments of the horizon to n of the context.
    batch : Batch
        Windows.
    length : int
        Rows per segment of the context, the first of which is filled up in front.
    horizon_segment : int
        Steps per segment of the horizon, the last of which is filled up at its end.
    horizon : int
        Steps of the horizon, H.

    Returns
    -------
    Tensor
        (B, H, L).
    """
    n_rows = batch.values.target.shape[1]
    exists = torch.arange(n_rows, device=weights.device) >= n_leading_missing(batch)[:, None]  # (B, L)
    mask = exists.to(weights.dtype)
    counts = segments(mask[..., None], length, front=True).sum(dim=2)  # (B, n)
    shares = weights / counts.clamp(min=1)[:, None]  # (B, m, n)
    by_row = shares.repeat_interleave(length, dim=2)[:, :, -n_rows:] * mask[:, None]  # (B, m, L)
    return by_row.repeat_interleave(horizon_segment, dim=1)[:, :horizon]


class CovariateLinear(nn.Module):
    """One linear map to the horizon, (B, H, C, n_params), from everything in a row but the values of the targets.

    Parameters
    ----------
    layout : Layout
        Sizes of a row.
    n_params : int
        Outputs per value that is forecast.
    """

    def __init__(self, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.shape = (layout.horizon, layout.n_targets, n_params)
        self.layout = layout
        width = layout.width * (1 + layout.missing) - layout.context_length * layout.n_target_channels
        self.map = nn.Linear(width, layout.n_outputs * n_params, bias=False) if width else None

    def forward(self, batch: Batch) -> Tensor:
        """Map covariates and what was observed; zeros if a row has only targets."""
        if self.map is None:
            return batch.loc.new_zeros(len(batch.loc), *self.shape)
        row = torch.cat(flatten_row(batch, self.layout)[1:], dim=1)  # (B, width)
        return torch.unflatten(self.map(row), 1, self.shape)
