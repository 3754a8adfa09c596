"""RNN, LSTM and GRU over segments of the context, with all steps of the horizon decoded in parallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.hints import with_parameters
from tsseq.networks import recurrent_cells as cells
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch
from tsseq.networks.layers import coming, history, n_history, segments
from tsseq.networks.readouts import Encoder

FORGET_BIAS = 2.0


class _Recurrent(Network):
    """Recurrent network over segments of the context (SegRNN: Lin et al. 2023).

    The context is cut into segments, each embedded by a linear layer; the cell runs over them. For every segment of
    the horizon, the cell then takes one step from the last state, with a learnt embedding of that segment (and its
    known covariates) as input; a linear layer reads the forecast off. No forecast depends on another.

    Parameters
    ----------
    hidden_size : width of the state and of the embeddings.
    n_layers : recurrent layers on top of each other.
    dropout : share of the state dropped before the last layer, and between recurrent layers, in training.
    bidirectional : read the context in both directions; both last states are merged for decoding.
    segment_length : rows per segment, at most the context; None runs the cell over single rows.
    """

    cell: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        cls.__doc__ = with_parameters(cls, _Recurrent)

    def __init__(
        self,
        hidden_size: int = 128,
        n_layers: int = 1,
        dropout: float = 0.3,
        bidirectional: bool = False,
        segment_length: int | None = 24,
    ) -> None:
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.segment_length = segment_length

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        return _RecurrentNet(self, layout, n_params)

    def build_encoder(self, layout: Layout) -> Encoder:
        """See `HasStates`."""
        return _RecurrentEncoder(self, layout)


class RNN(_Recurrent):
    """Simple recurrent network with tanh units (Elman 1990): h = tanh(W x + U h + b)."""

    cell = nn.RNN


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), with a forget gate (Gers et al. 2000).

    i, f, o = s(W x + U h + b), a block of W, U and b each; c = f * c + i * tanh(W x + U h + b); h = o * tanh(c).
    """

    cell = nn.LSTM


class PeepholeLSTM(_Recurrent):
    """Long short-term memory whose gates see the cell state (Gers and Schmidhuber 2000).

    `LSTM` with a term p * c more in every gate: see `tsseq.networks.recurrent_cells.PeepholeLSTM`.
    """

    cell = cells.PeepholeLSTM


class GRU(_Recurrent):
    """Gated recurrent unit, as in cuDNN and torch: the state is reset after its matrix product.

    r, z = s(W x + U h + b), a block of W, U and b each; h = z * h + (1 - z) * tanh(W x + b + r * (U h + b_h)).
    `ChoGRU` resets before the product, as the paper does; this one is faster.
    """

    cell = nn.GRU


class ChoGRU(_Recurrent):
    """Gated recurrent unit as in its paper (Cho et al. 2014): the state is reset before its matrix product.

    `GRU`, but for h = z * h + (1 - z) * tanh(W x + U (r * h) + b); see `tsseq.networks.recurrent_cells.ChoGRU`.
    """

    cell = cells.ChoGRU


class _RecurrentEncoder(Encoder):
    """The states of the last layer, those of both directions side by side."""

    def __init__(self, given: _Recurrent, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.length = min(given.segment_length or 1, layout.context_length)
        self.size, self.dropout = given.hidden_size * (1 + given.bidirectional), given.dropout
        self.embed = nn.Linear(self.length * n_history(layout), given.hidden_size)
        self.static = nn.Linear(layout.n_static, given.hidden_size, bias=False) if layout.n_static else None
        self.cell = _cell(given, given.bidirectional)

    def forward(self, batch: Batch) -> Tensor:
        states, _ = self.run(batch)
        return states

    def run(self, batch: Batch) -> tuple[Tensor, Any]:
        """-> all states, and the last one of every layer and direction as the cell hands it on."""
        inputs = self.embed(segments(history(batch, self.layout), self.length, front=True))  # (B, n, hidden)
        if self.static is not None:
            inputs = inputs + self.static(batch.values.static)[:, None]
        states, last = self.cell(inputs)  # (B, n, size)
        return states, last


def _cell(given: _Recurrent, bidirectional: bool) -> Any:
    size, between = given.hidden_size, given.dropout if given.n_layers > 1 else 0.0
    cell = given.cell(size, size, given.n_layers, batch_first=True, dropout=between, bidirectional=bidirectional)
    _remember(cell)
    return cell


class _RecurrentNet(nn.Module):
    def __init__(self, given: _Recurrent, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.layout = layout
        self.encoder = _RecurrentEncoder(given, layout)
        size, self.unit = given.hidden_size, self.encoder.length
        self.ahead = min(self.encoder.length, layout.horizon)
        self.out = (self.ahead, layout.n_targets, n_params)
        self.known = nn.Linear(self.ahead * layout.n_known, size, bias=False) if layout.n_known else None
        self.merge = nn.Linear(2 * size, size) if given.bidirectional else None
        self.decoder = _cell(given, bidirectional=False) if given.bidirectional else self.encoder.cell
        self.steps = nn.Parameter(torch.randn(-(-layout.horizon // self.ahead), size))
        self.read = nn.Sequential(nn.Dropout(given.dropout), nn.Linear(size, self.ahead * layout.n_targets * n_params))

    def forward(self, batch: Batch) -> Tensor:
        _, state = self.encoder.run(batch)
        steps = self.steps.expand(len(batch.loc), -1, -1)  # (B, m, hidden)
        if self.known is not None:
            steps = steps + self.known(segments(coming(batch, self.layout), self.ahead, front=False))
        if self.merge is not None:
            state = merged(state, self.merge)
        state = each(state, lambda part: part.repeat_interleave(len(self.steps), dim=1).contiguous())
        decoded, _ = self.decoder(steps.flatten(0, 1)[:, None], state)  # (B * m, 1, hidden)
        values = self.read(decoded.unflatten(0, steps.shape[:2]).squeeze(2))  # (B, m, ahead * C * n_params)
        return values.unflatten(2, self.out).flatten(1, 2)[:, : self.layout.horizon]  # (B, H, C, n_params)


def each(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to a state, or to both parts of an LSTM's."""
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)


def merged(state: Any, merge: nn.Module) -> Any:
    """States of two directions (layers * 2, B, hidden) as one, (layers, B, hidden)."""
    return each(state, lambda part: merge(part.unflatten(0, (-1, 2)).movedim(1, 2).flatten(2)))


def _remember(cell: nn.RNNBase) -> None:
    """Let an LSTM start with open forget gates (Jozefowicz et al. 2015); torch's start half closed."""
    for name, bias in cell.named_parameters():
        if isinstance(cell, nn.LSTM) and name.startswith("bias_ih"):
            bias.data.unflatten(0, (4, -1))[1] += FORGET_BIAS  # gates: input, forget, cell, output
