"""Decoders that take one step after another, and the search for what they most probably write."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tsseq.data.layout import Layout
from tsseq.errors import DataError
from tsseq.networks.base import Autoregressive
from tsseq.networks.batch import Batch
from tsseq.networks.layers import expand_attention, segments


class Memory(NamedTuple):
    """What a decoder reads at every step.

    Attributes
    ----------
    states : Tensor of shape (B, n, hidden)
        Those of the segments of the context.
    absent : Tensor of shape (B, n) or None
        Segments before the context begins; None if there are none.
    tokens : Tensor of shape (B, m, hidden)
        What is known of every segment of the horizon beforehand.
    """

    states: Tensor
    absent: Tensor | None
    tokens: Tensor


class StepDecoder(Autoregressive):
    """An encoder of the context, and a decoder of the horizon that reads what it wrote; abstract.

    Attributes
    ----------
    layout : Layout
        Sizes of a row.
    length : int
        Rows per segment of the context.
    horizon_segment : int
        Steps per segment of the horizon.
    """

    layout: Layout
    length: int
    horizon_segment: int

    @abstractmethod
    def encode(self, batch: Batch) -> tuple[Memory, Any]:
        """What the decoder reads, and its first state: tensors (..., B, hidden), alone or in a tuple."""

    @abstractmethod
    def decode(self, before: Tensor, memory: Memory, state: Any, first: int) -> tuple[Tensor, Any]:
        """Parameters (B', m * segment, C, n_params) of m segments from ``first`` on, and the state after them.

        ``before`` (B', m, segment * C) is what was written in the segment before each; B' is B or a multiple of it,
        rows of one context one after another.
        """

    @abstractmethod
    def weights(self, before: Tensor, memory: Memory, state: Any) -> Tensor:
        """(B, m, n) attention of all segments of the horizon to those of the context."""

    def forces(self) -> bool:
        """Whether this batch of the training reads true values."""
        return True

    def forward(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None, copies: int = 1) -> Tensor:
        """(B * copies, H, C, n_params), as `Autoregressive` has it."""
        (memory, state), before, horizon = self.encode(batch), self.first(batch), self.layout.horizon
        if self.training and batch.future is not None and self.forces():
            truth = segments(batch.future, self.horizon_segment, front=False)  # (B, m, segment * C)
            return self.decode(torch.cat([before, truth[:, :-1]], dim=1), memory, state, 0)[0][:, :horizon]
        state = map_state(state, lambda tensor: tensor.repeat_interleave(copies, dim=-2).contiguous())
        before, blocks = before.repeat_interleave(copies, dim=0), []
        for first in range(0, horizon, self.horizon_segment):
            params, state = self.decode(before, memory, state, first // self.horizon_segment)
            blocks.append(params[:, : horizon - first])  # (B, segment, C, n_params)
            values = blocks[-1][..., 0] if draw is None else draw(blocks[-1], first)
            before = segments(values.to(params.dtype), self.horizon_segment, front=False)  # (B, 1, segment * C)
        return torch.cat(blocks, dim=1)

    def attention(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None) -> Tensor:
        """(B, H, L) attention to the context, while the values that ``draw`` gives are read next."""
        params = self(batch, draw)  # (B, H, C, n_params)
        values = params[..., 0] if draw is None else draw(params, 0)  # (B, H, C)
        before = torch.cat([self.first(batch), segments(values, self.horizon_segment, front=False)[:, :-1]], dim=1)
        weights = self.weights(before, *self.encode(batch))  # (B, m, n)
        return expand_attention(weights, batch, self.length, self.horizon_segment, self.layout.horizon)

    def first(self, batch: Batch) -> Tensor:
        """(B, 1, segment * C) the last targets of the context, as many as a segment of the horizon has."""
        return segments(batch.values.target[:, -self.horizon_segment :], self.horizon_segment, front=True)


def map_state(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to a state, or to both tensors of an LSTM's."""
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)


def checked_logits(logits: Tensor) -> Tensor:
    """Refuse logits that are NaN or infinite: the largest of them would be taken all the same.

    Parameters
    ----------
    logits : Tensor
        Of any shape.

    Returns
    -------
    Tensor
        The same.

    Raises
    ------
    DataError
        Some are NaN or infinite.
    """
    if not logits.isfinite().all():
        raise DataError("no symbol is the most probable one: weights are NaN or infinite, or a sequence holds such.")
    return logits


def beam_search(core: StepDecoder, vectors: Callable[[Tensor], Tensor], width: int, batch: Batch) -> Tensor:
    """Look for the most probable sequences of classes, the last of which is the end.

    Parameters
    ----------
    core : StepDecoder
        Gives the logits of classes, of single steps of one target.
    vectors : callable
        Vectors (b, 1, width) of classes (b, 1, 1).
    width : int
        How many beginnings are followed; 1 is greedy.
    batch : Batch
        Contexts.

    Returns
    -------
    Tensor of shape (B, H)
        Classes; the end from where it was reached.

    Raises
    ------
    DataError
        Logits are NaN or infinite.
    """
    memory, state = core.encode(batch)
    state = map_state(state, lambda tensor: tensor.repeat_interleave(width, dim=-2).contiguous())
    before, n = core.first(batch).repeat_interleave(width, dim=0), len(batch.loc)
    scores = before.new_full((n, width), -torch.inf)
    scores[:, 0] = 0.0
    codes = torch.empty(n, width, 0, dtype=torch.long, device=before.device)
    ended = torch.zeros(n, width, dtype=torch.bool, device=before.device)
    origins = torch.arange(n, device=before.device)[:, None] * width  # (B, 1)
    for step in range(core.layout.horizon):
        params, state = core.decode(before, memory, state, step)
        logits = checked_logits(params.float().sum(dim=2))
        chances = logits.log_softmax(dim=2).unflatten(0, (n, width)).squeeze(2)  # (B, width, K)
        end = chances.shape[2] - 1
        stays = torch.full_like(chances[0, 0], -torch.inf)
        stays[end] = 0.0
        totals = scores[:, :, None] + torch.where(ended[:, :, None], stays, chances)
        scores, places = totals.flatten(1).topk(width)  # (B, width)
        parents, symbols = places // (end + 1), places % (end + 1)
        codes = torch.cat([codes.gather(1, parents[:, :, None].expand_as(codes)), symbols[:, :, None]], dim=2)
        ended = ended.gather(1, parents) | (symbols == end)
        rows = (origins + parents).flatten()
        state = map_state(state, partial(torch.index_select, dim=-2, index=rows))
        before = vectors(symbols.reshape(-1, 1, 1).to(before.dtype))
        if ended.all():
            break
    best = codes[:, 0]
    return torch.nn.functional.pad(best, (0, core.layout.horizon - best.shape[1]), value=end)
