"""Recurrent cells of the literature that torch lacks, called as `torch.nn.LSTM` and `torch.nn.GRU` are.

In all equations x is the input, h the output, s the logistic function, * a product element by element. What is
learnt is uniform between +-1 / sqrt(hidden_size) at first, as in torch.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from tsseq.errors import ConfigError
from tsseq.hints import documented

State: TypeAlias = Tensor | tuple[Tensor, ...]


class _Direction(nn.Module):
    """One layer read in one direction: ``n_blocks`` blocks of gates and candidates; abstract.

    `advance` takes one step. What the inputs add to every block is known before the first one, and comes out of a
    single product over all times.
    """

    n_blocks: ClassVar[int]
    n_states: ClassVar[int]

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(self.n_blocks * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(self.n_blocks * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(self.n_blocks * hidden_size))

    def advance(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step from ``state``, (B, hidden) each; ``inputs`` (B, n_blocks * hidden) is W x + b."""
        raise AssertionError("abstract")

    def forward(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(B, T, input_size) -> outputs (B, T, hidden) and the state after the last of them."""
        outputs = []
        for step in linear(inputs, self.weight_ih, self.bias).unbind(1):  # T of (B, n_blocks * hidden)
            state = self.advance(step, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state


class _PeepholeDirection(_Direction):
    n_blocks, n_states = 4, 2

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.peepholes = nn.Parameter(torch.empty(3, hidden_size))  # of the gates i, f, o

    def advance(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step of `PeepholeLSTM`."""
        output, cell = state
        i, f, g, o = (inputs + linear(output, self.weight_hh)).chunk(4, dim=1)  # (B, hidden) each
        peep_i, peep_f, peep_o = self.peepholes
        cell = torch.sigmoid(f + peep_f * cell) * cell + torch.sigmoid(i + peep_i * cell) * torch.tanh(g)
        return torch.sigmoid(o + peep_o * cell) * torch.tanh(cell), cell


class _ChoDirection(_Direction):
    n_blocks, n_states = 3, 1

    def advance(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step of `ChoGRU`."""
        (output,), size = state, len(self.bias) // 3
        gates = torch.sigmoid(inputs[:, : 2 * size] + linear(output, self.weight_hh[: 2 * size]))
        r, z = gates.chunk(2, dim=1)  # (B, hidden) each
        candidate = torch.tanh(inputs[:, 2 * size :] + linear(r * output, self.weight_hh[2 * size :]))
        return (z * output + (1 - z) * candidate,)


class _Layers(nn.Module):
    """Layers on top of each other, each read in one direction or in both; abstract.

    Parameters
    ----------
    input_size : int
        Width of the inputs.
    hidden_size : int
        Width of the state.
    num_layers : int, default 1
        Layers; each reads the outputs of the one below.
    batch_first : bool, default True
        Whether inputs and outputs are (batch, time, channel); otherwise they are (time, batch, channel).
    dropout : float, default 0.0
        Share of the outputs dropped between layers, in training.
    bidirectional : bool, default False
        Whether a second cell reads every layer's inputs from the end; the outputs lie side by side.

    Raises
    ------
    ConfigError
        ``hidden_size`` or ``num_layers`` is below 1.
    """

    direction: ClassVar[type[_Direction]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        if min(hidden_size, num_layers) < 1:
            raise ConfigError(f"hidden_size={hidden_size} and num_layers={num_layers} must be at least 1.")
        self.hidden_size, self.batch_first, self.dropout = hidden_size, batch_first, dropout
        self.ways = 2 if bidirectional else 1
        self.cells = nn.ModuleList()  # layer by layer: forwards, then backwards
        for k in range(num_layers * self.ways):
            self.cells.append(self.direction(hidden_size * self.ways if k >= self.ways else input_size, hidden_size))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run over the inputs.

        Parameters
        ----------
        inputs : Tensor
            (B, T, input_size).
        state : Tensor or tuple of Tensor, optional
            Where to start, (num_layers * directions, B, hidden) each; None is zeros.

        Returns
        -------
        outputs : Tensor
            (B, T, directions * hidden) of the last layer.
        state : Tensor or tuple of Tensor
            The last one of every layer and direction, (num_layers * directions, B, hidden) each.
        """
        outputs = inputs if self.batch_first else inputs.transpose(0, 1)
        size = (len(self.cells), len(outputs), self.hidden_size)
        if state is None:
            state = (inputs.new_zeros(size),) * self.direction.n_states
        starts = list(zip(*((state,) if isinstance(state, Tensor) else state), strict=True))
        ends = []
        for first in range(0, len(self.cells), self.ways):
            if first:
                outputs = dropout(outputs, self.dropout, self.training)
            forwards, last = self.cells[first](outputs, starts[first])
            ends.append(last)
            if self.ways == 2:
                backwards, last = self.cells[first + 1](outputs.flip(1), starts[first + 1])
                ends.append(last)
                forwards = torch.cat([forwards, backwards.flip(1)], dim=2)
            outputs = forwards  # (B, T, directions * hidden)
        states = tuple(map(torch.stack, zip(*ends, strict=True)))  # (layers * directions, B, hidden) each
        return outputs if self.batch_first else outputs.transpose(0, 1), states if len(states) > 1 else states[0]


@documented
class PeepholeLSTM(_Layers):
    """LSTM whose gates see the cell state (Gers and Schmidhuber 2000).

    From Recurrent Nets that Time and Count; also Gers, Schraudolph and Schmidhuber 2002, Learning Precise Timing with
    LSTM Recurrent Networks.

    The input and the forget gate see the state before the step, the output gate the one after it, each cell its own::

        i = s(W_i x + U_i h + p_i * c + b_i)
        f = s(W_f x + U_f h + p_f * c + b_f)
        c = f * c + i * tanh(W_g x + U_g h + b_g)
        o = s(W_o x + U_o h + p_o * c + b_o)          with the new c
        h = o * tanh(c)

    With p = 0 it is `torch.nn.LSTM`, whose two biases act as their sum. The state is (h, c).

    Examples
    --------
    >>> import torch
    >>> outputs, (h, c) = PeepholeLSTM(3, 8)(torch.zeros(2, 5, 3))
    >>> outputs.shape, h.shape
    (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """

    direction = _PeepholeDirection


@documented
class ChoGRU(_Layers):
    """GRU that resets the state before the matrix product (Cho et al. 2014).

    From Learning Phrase Representations using RNN Encoder-Decoder, equations 5 to 8, with biases::

        r = s(W_r x + U_r h + b_r)
        z = s(W_z x + U_z h + b_z)
        h = z * h + (1 - z) * tanh(W x + U (r * h) + b)

    `torch.nn.GRU` resets after the product, r * (U h + b_h), which lets all products of a step be one. The state is h.

    Examples
    --------
    >>> import torch
    >>> outputs, h = ChoGRU(3, 8, num_layers=2)(torch.zeros(2, 5, 3))
    >>> outputs.shape, h.shape
    (torch.Size([2, 5, 8]), torch.Size([2, 2, 8]))
    """

    direction = _ChoDirection
