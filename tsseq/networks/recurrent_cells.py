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

    def advance(self, given: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step from ``state``, (B, hidden) each; ``given`` (B, n_blocks * hidden) is W x + b."""
        raise AssertionError("abstract")

    def forward(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(B, T, input_size) -> outputs (B, T, hidden) and the state after the last of them."""
        outputs = []
        for given in linear(inputs, self.weight_ih, self.bias).unbind(1):  # T of (B, n_blocks * hidden)
            state = self.advance(given, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state


class _PeepholeDirection(_Direction):
    n_blocks, n_states = 4, 2

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.peepholes = nn.Parameter(torch.empty(3, hidden_size))  # of the gates i, f, o

    def advance(self, given: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """See `PeepholeLSTM`."""
        output, cell = state
        i, f, g, o = (given + linear(output, self.weight_hh)).chunk(4, dim=1)  # (B, hidden) each
        peep_i, peep_f, peep_o = self.peepholes
        cell = torch.sigmoid(f + peep_f * cell) * cell + torch.sigmoid(i + peep_i * cell) * torch.tanh(g)
        return torch.sigmoid(o + peep_o * cell) * torch.tanh(cell), cell


class _ChoDirection(_Direction):
    n_blocks, n_states = 3, 1

    def advance(self, given: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """See `ChoGRU`."""
        (output,), size = state, len(self.bias) // 3
        gates = torch.sigmoid(given[:, : 2 * size] + linear(output, self.weight_hh[: 2 * size]))
        r, z = gates.chunk(2, dim=1)  # (B, hidden) each
        candidate = torch.tanh(given[:, 2 * size :] + linear(r * output, self.weight_hh[2 * size :]))
        return (z * output + (1 - z) * candidate,)


class _Layers(nn.Module):
    """Layers on top of each other, each read in one direction or in both; abstract.

    Parameters
    ----------
    input_size, hidden_size : width of the inputs and of the state.
    num_layers : layers; each reads the outputs of the one below.
    batch_first : inputs and outputs are (batch, time, channel); else (time, batch, channel).
    dropout : share of the outputs dropped between layers, in training.
    bidirectional : a second cell reads every layer's inputs from the end, and the outputs lie side by side.
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
        """Run over ``inputs`` (B, T, input_size).

        Parameters
        ----------
        inputs : (B, T, input_size).
        state : where to start, (num_layers * directions, B, hidden) or a tuple of such; None is zeros.

        Returns
        -------
        Outputs of the last layer (B, T, directions * hidden), and the last state of every layer and direction.
        """
        outputs = inputs if self.batch_first else inputs.transpose(0, 1)
        size = (len(self.cells), len(outputs), self.hidden_size)
        if state is None:
            state = (inputs.new_zeros(size),) * self.direction.n_states
        before = list(zip(*((state,) if isinstance(state, Tensor) else state), strict=True))
        after = []
        for first in range(0, len(self.cells), self.ways):
            if first:
                outputs = dropout(outputs, self.dropout, self.training)
            forwards, last = self.cells[first](outputs, before[first])
            after.append(last)
            if self.ways == 2:
                backwards, last = self.cells[first + 1](outputs.flip(1), before[first + 1])
                after.append(last)
                forwards = torch.cat([forwards, backwards.flip(1)], dim=2)
            outputs = forwards  # (B, T, directions * hidden)
        found = tuple(torch.stack(part) for part in zip(*after, strict=True))  # (layers * directions, B, hidden) each
        return outputs if self.batch_first else outputs.transpose(0, 1), found if len(found) > 1 else found[0]


class PeepholeLSTM(_Layers):
    """LSTM whose gates see the cell state (Gers and Schmidhuber 2000, Recurrent Nets that Time and Count; Gers,
    Schraudolph and Schmidhuber 2002, Learning Precise Timing with LSTM Recurrent Networks).

    The input and the forget gate see the state before the step, the output gate the one after it, each cell its own::

        i = s(W_i x + U_i h + p_i * c + b_i)
        f = s(W_f x + U_f h + p_f * c + b_f)
        c = f * c + i * tanh(W_g x + U_g h + b_g)
        o = s(W_o x + U_o h + p_o * c + b_o)          with the new c
        h = o * tanh(c)

    With p = 0 it is `torch.nn.LSTM`, whose two biases act as their sum. The state is (h, c).
    """

    direction = _PeepholeDirection


class ChoGRU(_Layers):
    """GRU that resets the state before the matrix product (Cho et al. 2014, Learning Phrase Representations using RNN
    Encoder-Decoder, equations 5 to 8, with biases)::

        r = s(W_r x + U_r h + b_r)
        z = s(W_z x + U_z h + b_z)
        h = z * h + (1 - z) * tanh(W x + U (r * h) + b)

    `torch.nn.GRU` resets after the product, r * (U h + b_h), which lets all products of a step be one. The state is h.
    """

    direction = _ChoDirection
