"""Blocks that networks share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.batch import Batch, absent


def n_history(layout: Layout) -> int:
    """Channels of `history`."""
    channels = layout.n_targets + layout.n_past + layout.n_known
    return channels * (2 if layout.missing else 1)


def history(batch: Batch, layout: Layout) -> Tensor:
    """(B, L, C) everything about the context that changes over time; with missing values, also what was observed."""
    parts = [batch.values, batch.observed] if layout.missing else [batch.values]
    length = batch.values.target.shape[1]  # unlike the layout's where a context is longer or shorter than in training
    blocks = [block for part in parts for block in (part.target, part.past, part.known[:, :length])]
    return torch.cat(blocks, dim=2)  # (B, L, C)


def coming(batch: Batch, layout: Layout) -> Tensor:
    """(B, H, C_known) covariates known over the horizon."""
    return batch.values.known[:, -layout.horizon :]


def segments(values: Tensor, length: int, front: bool) -> Tensor:
    """Cut (B, T, C) into segments of ``length`` rows, (B, n, length * C); zeros fill the front or the back."""
    lacking = -values.shape[1] % length
    filled = pad(values, (0, 0, lacking, 0) if front else (0, 0, 0, lacking))
    return filled.unflatten(1, (-1, length)).flatten(2)  # (B, n, length * C)


def positions(n: int, size: int) -> Tensor:
    """(n, size) sines in even and cosines in odd columns, ever slower (Vaswani et al. 2017, section 3.5)."""
    angles = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, size, 2) / size)  # (n, size / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :size]


def attention_options(hidden_size: int, n_heads: int, feedforward_size: int, dropout: float) -> dict[str, Any]:
    """What torch's Transformer layers are called with; heads that do not divide the width are a ConfigError."""
    if n_heads < 1 or hidden_size % n_heads:
        raise ConfigError(f"hidden_size={hidden_size} must be a multiple of n_heads={n_heads}.")
    sizes = {"d_model": hidden_size, "nhead": n_heads, "dim_feedforward": feedforward_size}
    return {**sizes, "dropout": dropout, "batch_first": True}


def whole_row(batch: Batch, layout: Layout) -> list[Tensor]:
    """The row again, flat: values of target, past, known and static; with missing values, also what was observed.

    Rows that a shorter context lacks are 0.
    """
    lacking = layout.context_length - batch.values.target.shape[1]
    blocks = [*batch.values, *batch.observed] if layout.missing else [*batch.values]
    return [(pad(x, (0, 0, lacking, 0)) if x.dim() == 3 else x).flatten(1) for x in blocks]


def spread(weights: Tensor, batch: Batch, length: int, ahead: int, horizon: int) -> Tensor:
    """Attention between segments (B, m, n) as attention of steps to rows, (B, H, L).

    ``length`` rows make a segment of the context, whose front is filled, ``ahead`` steps one of the horizon. Rows of a
    segment share alike, but for those before the series begins, which get nothing.
    """
    rows = batch.values.target.shape[1]
    there = (torch.arange(rows, device=weights.device) >= absent(batch)[:, None]).to(weights.dtype)  # (B, L)
    counts = segments(there[..., None], length, front=True).sum(dim=2)  # (B, n)
    each = (weights / counts.clamp(min=1)[:, None]).repeat_interleave(length, dim=2)[:, :, -rows:]  # (B, m, L)
    return (each * there[:, None]).repeat_interleave(ahead, dim=1)[:, :horizon]


class Others(nn.Module):
    """One linear map to the horizon, (B, H, C, n_params), from everything in a row but the values of the targets."""

    def __init__(self, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.shape = (layout.horizon, layout.n_targets, n_params)
        self.layout = layout
        width = layout.width * (1 + layout.missing) - layout.context_length * layout.n_targets
        self.map = nn.Linear(width, layout.n_outputs * n_params, bias=False) if width else None

    def forward(self, batch: Batch) -> Tensor:
        """See the class; zeros if there is nothing else."""
        if self.map is None:
            return batch.loc.new_zeros(len(batch.loc), *self.shape)
        row = torch.cat(whole_row(batch, self.layout)[1:], dim=1)  # (B, width)
        return self.map(row).unflatten(1, self.shape)
