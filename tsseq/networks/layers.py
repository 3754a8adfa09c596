"""Blocks that networks share: inputs cut into segments, positions, attention, a linear map of covariates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.batch import Batch, n_leading_missing


def n_history(layout: Layout) -> int:
    """Number of channels of `history`."""
    channels = layout.n_targets + layout.n_past + layout.n_known
    return channels * (2 if layout.missing else 1)


def history(batch: Batch, layout: Layout) -> Tensor:
    """(B, L, C) everything about the context that changes over time; with missing values, also what was observed."""
    sources = [batch.values, batch.observed] if layout.missing else [batch.values]
    length = batch.values.target.shape[1]  # unlike the layout's where a context is longer or shorter than in training
    blocks = [block for source in sources for block in (source.target, source.past, source.known[:, :length])]
    return torch.cat(blocks, dim=2)  # (B, L, C)


def future_known(batch: Batch, layout: Layout) -> Tensor:
    """(B, H, C_known) covariates known over the horizon."""
    return batch.values.known[:, -layout.horizon :]


def segments(values: Tensor, length: int, front: bool) -> Tensor:
    """Cut (B, T, C) into segments of ``length`` rows, (B, n, length * C); zeros fill the front or the back."""
    lacking = -values.shape[1] % length
    whole = pad(values, (0, 0, lacking, 0) if front else (0, 0, 0, lacking))
    return torch.unflatten(whole, 1, (-1, length)).flatten(2)  # (B, n, length * C)


def positions(n: int, size: int) -> Tensor:
    """(n, size) sines in even and cosines in odd columns, ever slower (Vaswani et al. 2017, section 3.5)."""
    angles = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, size, 2) / size)  # (n, size / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :size]


def attention_options(hidden_size: int, n_heads: int, feedforward_size: int, dropout: float) -> dict[str, Any]:
    """Arguments of torch's Transformer layers; a ConfigError unless the heads divide the width."""
    if n_heads < 1 or hidden_size % n_heads:
        raise ConfigError(f"hidden_size={hidden_size} must be a multiple of n_heads={n_heads}.")
    sizes = {"d_model": hidden_size, "nhead": n_heads, "dim_feedforward": feedforward_size}
    return {**sizes, "dropout": dropout, "batch_first": True}


def flatten_row(batch: Batch, layout: Layout) -> list[Tensor]:
    """Flat blocks (B, ...) of a row: target, past, known and static; with missing values, also what was observed.

    Rows that a shorter context lacks are 0.
    """
    lacking = layout.context_length - batch.values.target.shape[1]
    blocks = [*batch.values, *batch.observed] if layout.missing else [*batch.values]
    return [(pad(block, (0, 0, lacking, 0)) if block.dim() == 3 else block).flatten(1) for block in blocks]


def expand_attention(weights: Tensor, batch: Batch, length: int, horizon_segment: int, horizon: int) -> Tensor:
    """Attention between segments (B, m, n) as attention of steps to rows, (B, H, L).

    A segment of the context has ``length`` rows, the first one filled up in front; one of the horizon has
    ``horizon_segment`` steps. Rows of a segment share its weight equally, without those before the series begins.
    """
    n_rows = batch.values.target.shape[1]
    exists = torch.arange(n_rows, device=weights.device) >= n_leading_missing(batch)[:, None]  # (B, L)
    mask = exists.to(weights.dtype)
    counts = segments(mask[..., None], length, front=True).sum(dim=2)  # (B, n)
    shares = weights / counts.clamp(min=1)[:, None]  # (B, m, n)
    by_row = shares.repeat_interleave(length, dim=2)[:, :, -n_rows:] * mask[:, None]  # (B, m, L)
    return by_row.repeat_interleave(horizon_segment, dim=1)[:, :horizon]


class CovariateLinear(nn.Module):
    """One linear map to the horizon, (B, H, C, n_params), from everything in a row but the values of the targets."""

    def __init__(self, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.shape = (layout.horizon, layout.n_targets, n_params)
        self.layout = layout
        width = layout.width * (1 + layout.missing) - layout.context_length * layout.n_targets
        self.map = nn.Linear(width, layout.n_outputs * n_params, bias=False) if width else None

    def forward(self, batch: Batch) -> Tensor:
        """Map covariates and what was observed; zeros if a row has only targets."""
        if self.map is None:
            return batch.loc.new_zeros(len(batch.loc), *self.shape)
        row = torch.cat(flatten_row(batch, self.layout)[1:], dim=1)  # (B, width)
        return torch.unflatten(self.map(row), 1, self.shape)
