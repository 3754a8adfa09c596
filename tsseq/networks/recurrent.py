"""Recurrent networks over segments of the context, with all steps of the horizon decoded in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsseq.arguments import check_values
from tsseq.data.layout import Layout
from tsseq.hints import documented
from tsseq.networks import recurrent_cells as cells
from tsseq.networks.base import Network, StartOptions
from tsseq.networks.batch import Batch
from tsseq.networks.decoding import map_state
from tsseq.networks.layers import future_known, history, n_history, n_segments, run_ragged, segments
from tsseq.networks.readouts import Encoder

FORGET_BIAS = 2.0


@dataclass(eq=False, repr=False)
class RecurrentOptions(StartOptions):
    """Hyper-parameters of recurrent networks.

    Parameters
    ----------
    hidden_size : int, default 128
        Width of the state and of the embedded segments.
    n_layers : int, default 1
        Recurrent layers on top of each other.
    dropout : float, default 0.3
        Share of the state dropped before the last layer, and between recurrent layers, in training.
    bidirectional : bool, default False
        Whether to read the context in both directions; both last states are merged for decoding.
    segment_length : int or None, default 24
        Rows per segment, at most the context; None runs the cell over single rows.

    Notes
    -----
    The context is cut into segments, each embedded by a linear layer; the cell runs over them (SegRNN: Lin et al.
    2023). For every segment of the horizon, the cell then takes one step from the last state, with a learnt embedding
    of that segment (and its known covariates) as input; a linear layer reads the forecast off. No forecast depends on
    another.
    """

    hidden_size: int = 128
    n_layers: int = 1
    dropout: float = 0.3
    bidirectional: bool = False
    segment_length: int | None = 24


@dataclass(eq=False, repr=False)
class RNNOptions(RecurrentOptions):
    """Hyper-parameters of `RNN`.

    Parameters
    ----------
    nonlinearity : {"tanh", "relu"}, default "tanh"
        What a unit makes of its input.
    """

    nonlinearity: str = "tanh"


class _Recurrent(RecurrentOptions, Network):
    cell: ClassVar[Any]

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        check_values(self)
        return _RecurrentNet(self, layout, n_params)

    def build_encoder(self, layout: Layout) -> Encoder:
        """Make a module of the states alone, for classifiers.

        Parameters
        ----------
        layout : Layout
            Sizes of the rows, as in `build`.

        Returns
        -------
        Encoder
            A module whose ``forward(batch)`` gives the states (B, n, size) after each of n segments.
        """
        check_values(self)
        return _RecurrentEncoder(self, layout)


@documented
class RNN(RNNOptions, _Recurrent):
    """Simple recurrent network (Elman 1990): h = f(W x + U h + b), f the hyperbolic tangent or max(0, x).

    Examples
    --------
    >>> from tsseq import RNN, Layout
    >>> RNN(hidden_size=8).build(Layout(context_length=48, horizon=6), n_params=1).encoder.cell
    RNN(8, 8, batch_first=True)
    """

    cell = nn.RNN


@documented
class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), with a forget gate (Gers et al. 2000).

    i, f, o = s(W x + U h + b), a block of W, U and b each; c = f * c + i * tanh(W x + U h + b); h = o * tanh(c).
    Forget gates are open at first (Jozefowicz et al. 2015).

    Examples
    --------
    >>> from tsseq import LSTM, Layout
    >>> LSTM(64, n_layers=2).build(Layout(context_length=48, horizon=6), n_params=1).encoder.cell
    LSTM(64, 64, num_layers=2, batch_first=True, dropout=0.3)
    """

    cell = nn.LSTM


@documented
class PeepholeLSTM(_Recurrent):
    """Long short-term memory whose gates see the cell state (Gers and Schmidhuber 2000).

    i, f = s(W x + U h + p * c + b), with a vector p for each gate; c = f * c + i * tanh(W x + U h + b);
    o = s(W x + U h + p * c + b) with the new c; h = o * tanh(c).

    Examples
    --------
    >>> from tsseq import Layout, PeepholeLSTM
    >>> module = PeepholeLSTM(hidden_size=8).build(Layout(context_length=48, horizon=6), n_params=1)
    >>> module.encoder.cell.cells[0].peepholes.shape
    torch.Size([3, 8])
    """

    cell = cells.PeepholeLSTM


@documented
class GRU(_Recurrent):
    """Gated recurrent unit, as in cuDNN and torch: the state is reset after its matrix product.

    r, z = s(W x + U h + b), a block of W, U and b each; h = z * h + (1 - z) * tanh(W x + b + r * (U h + b_h)).
    `ChoGRU` resets before the product, as the paper does; this one is faster.

    Examples
    --------
    >>> from tsseq import GRU, Layout
    >>> GRU(16, bidirectional=True).build(Layout(context_length=48, horizon=6), n_params=1).encoder.cell
    GRU(16, 16, batch_first=True, bidirectional=True)
    """

    cell = nn.GRU


@documented
class ChoGRU(_Recurrent):
    """Gated recurrent unit as in its paper (Cho et al. 2014): the state is reset before its matrix product.

    r, z = s(W x + U h + b), a block of W, U and b each; h = z * h + (1 - z) * tanh(W x + U (r * h) + b). `GRU` resets
    after the product.

    Examples
    --------
    >>> from tsseq import ChoGRU, Layout
    >>> module = ChoGRU(hidden_size=8).build(Layout(context_length=48, horizon=6), n_params=1)
    >>> module.encoder.cell.cells[0].weight_hh.shape
    torch.Size([24, 8])
    """

    cell = cells.ChoGRU


class _RecurrentEncoder(Encoder):
    """The states of the last layer, those of both directions side by side."""

    def __init__(self, spec: _Recurrent, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.length = min(spec.segment_length or 1, layout.context_length)
        self.size, self.dropout = spec.hidden_size * (1 + spec.bidirectional), spec.dropout
        self.embed = nn.Linear(self.length * n_history(layout), spec.hidden_size)
        self.static = nn.Linear(layout.n_static, spec.hidden_size, bias=False) if layout.n_static else None
        self.cell = _cell(spec, spec.bidirectional)
        self.reads_ragged = isinstance(self.cell, nn.RNNBase)

    def forward(self, batch: Batch) -> Tensor:
        return self.run(batch)[0]

    def run(self, batch: Batch) -> tuple[Tensor, Any]:
        """All states (B, n, size), and the last one of every layer and direction as the cell hands it on."""
        inputs = self.embed(segments(history(batch, self.layout), self.length, front=True))  # (B, n, hidden)
        if self.static is not None:
            inputs = inputs + self.static(batch.values.static)[:, None]
        if batch.n_missing is not None:
            return run_ragged(self.cell, inputs, n_segments(batch, self.length))
        states, last = self.cell(inputs)  # (B, n, size)
        return states, last


def _cell(spec: _Recurrent, bidirectional: bool) -> Any:
    """A new cell; an LSTM starts with open forget gates (Jozefowicz et al. 2015), torch's start half closed."""
    size, between = spec.hidden_size, spec.dropout if spec.n_layers > 1 else 0.0
    options: dict[str, Any] = {"nonlinearity": spec.nonlinearity} if isinstance(spec, RNN) else {}
    options |= {"batch_first": True, "dropout": between, "bidirectional": bidirectional}
    cell = spec.cell(size, size, spec.n_layers, **options)
    for name, bias in cell.named_parameters():
        if isinstance(cell, nn.LSTM) and name.startswith("bias_ih"):
            torch.unflatten(bias.data, 0, (4, -1))[1] += FORGET_BIAS  # gates: input, forget, cell, output
    return cell


class _RecurrentNet(nn.Module):
    def __init__(self, spec: _Recurrent, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.layout = layout
        self.encoder = _RecurrentEncoder(spec, layout)
        size, self.unit = spec.hidden_size, self.encoder.length
        self.horizon_segment = min(self.encoder.length, layout.horizon)
        self.shape = (self.horizon_segment, layout.n_targets, n_params)
        self.known = nn.Linear(self.horizon_segment * layout.n_known, size, bias=False) if layout.n_known else None
        self.merge = nn.Linear(2 * size, size) if spec.bidirectional else None
        self.decoder = _cell(spec, bidirectional=False) if spec.bidirectional else self.encoder.cell
        self.steps = nn.Parameter(torch.randn(-(-layout.horizon // self.horizon_segment), size))
        n_outputs = self.horizon_segment * layout.n_targets * n_params
        self.read = nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(size, n_outputs))

    def forward(self, batch: Batch) -> Tensor:
        _, state = self.encoder.run(batch)
        steps = self.steps.expand(len(batch.loc), -1, -1)  # (B, m, hidden)
        if self.known is not None:
            steps = steps + self.known(segments(future_known(batch, self.layout), self.horizon_segment, front=False))
        if self.merge is not None:
            state = merge_directions(state, self.merge)
        state = map_state(state, lambda tensor: tensor.repeat_interleave(len(self.steps), dim=1).contiguous())
        outputs, _ = self.decoder(steps.flatten(0, 1)[:, None], state)  # (B * m, 1, hidden)
        params: Tensor = self.read(outputs.unflatten(0, steps.shape[:2]).squeeze(2))  # (B, m, segment * C * n_params)
        return torch.unflatten(params, 2, self.shape).flatten(1, 2)[:, : self.layout.horizon]  # (B, H, C, n_params)


def merge_directions(state: Any, merge: nn.Module) -> Any:
    """States of two directions (layers * 2, B, hidden) as one, (layers, B, hidden)."""
    return map_state(state, lambda tensor: merge(torch.unflatten(tensor, 0, (-1, 2)).movedim(1, 2).flatten(2)))
