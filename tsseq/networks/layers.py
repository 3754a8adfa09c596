"""Blocks that networks share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from tsseq.data.rows import Layout
from tsseq.networks.batch import Batch


def n_history(layout: Layout) -> int:
    """Channels of `history`."""
    channels = layout.n_targets + layout.n_past + layout.n_known
    return channels * (2 if layout.missing else 1)


def history(batch: Batch, layout: Layout) -> Tensor:
    """(B, L, C) everything about the context that changes over time; with missing values, also what was observed."""
    parts = [batch.values, batch.observed] if layout.missing else [batch.values]
    blocks = [block for part in parts for block in (part.target, part.past, part.known[:, : layout.context_length])]
    return torch.cat(blocks, dim=2)  # (B, L, C)


def coming(batch: Batch, layout: Layout) -> Tensor:
    """(B, H, C_known) covariates known over the horizon."""
    return batch.values.known[:, layout.context_length :]


def segments(values: Tensor, length: int, front: bool) -> Tensor:
    """Cut (B, T, C) into segments of ``length`` rows, (B, n, length * C); zeros fill the front or the back."""
    lacking = -values.shape[1] % length
    filled = pad(values, (0, 0, lacking, 0) if front else (0, 0, 0, lacking))
    return filled.unflatten(1, (-1, length)).flatten(2)  # (B, n, length * C)
