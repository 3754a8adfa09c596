"""Encoder and decoder of recurrent cells, with attention, that read their own forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tsseq.arguments import check_values
from tsseq.data.layout import Layout
from tsseq.hints import documented
from tsseq.networks.base import Network, StartOptions
from tsseq.networks.batch import Batch
from tsseq.networks.decoding import Memory, StepDecoder
from tsseq.networks.layers import (
    before_context,
    context_places,
    future_known,
    history,
    n_history,
    n_segments,
    positions,
    run_ragged,
    segments,
)
from tsseq.networks.recurrent import merge_directions

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(eq=False, repr=False)
class Seq2SeqOptions(StartOptions):
    """Hyper-parameters of `Seq2Seq`.

    Parameters
    ----------
    cell : {"gru", "lstm", "rnn"}, default "gru"
        Recurrent cell of encoder and decoder.
    hidden_size : int, default 128
        Width of the states.
    n_layers : int, default 1
        Recurrent layers on top of each other.
    dropout : float, default 0.3
        Share of the state dropped before the last layer, and between recurrent layers, in training.
    bidirectional : bool, default False
        Whether the encoder reads the context in both directions.
    attention : {"general", "additive", "dot"} or None, default "general"
        Score of query q (decoder) and key k (encoder): "additive" is ``v . tanh(W q + U k)`` (Bahdanau et al. 2015),
        "dot" ``q . k``, "general" ``q . W k`` (Luong et al. 2015); None is no attention.
    teacher_forcing : float, default 0.99
        In training step i, the decoder reads true values instead of its own with probability
        ``teacher_forcing ** i`` (Bengio et al. 2015, exponential decay): 1 is always, 0 never.
    segment_length : int or None, default 24
        Rows per segment, at most the context; None decodes single rows.
    """

    cell: str = "gru"
    hidden_size: int = 128
    n_layers: int = 1
    dropout: float = 0.3
    bidirectional: bool = False
    attention: str | None = "general"
    teacher_forcing: float = 0.99
    segment_length: int | None = 24


@documented
class Seq2Seq(Seq2SeqOptions, Network):
    """Encoder-decoder of recurrent cells (Sutskever et al. 2014), with attention if wanted.

    The encoder runs over segments of the context, embedded by a linear layer and placed by sines and cosines. Its last
    state starts the decoder, which takes a step for every segment of the horizon: its inputs are the segment before, as
    it was or as it was forecast, and the known covariates; the forecast is read off its state. With attention, the
    state is compared with that of every segment of the context, and the mean of these, weighted by the softmax of the
    scores, is read as well (Luong et al. 2015, section 3.1).

    With a distribution as head, ``segment_length=None`` and ``teacher_forcing=1`` this is DeepAR (Salinas et al.
    2020): its quantiles come from sampled paths. Steps within one segment are drawn independently.

    Examples
    --------
    >>> from tsseq import Layout, Seq2Seq
    >>> module = Seq2Seq("lstm", attention=None).build(Layout(context_length=48, horizon=6), n_params=1)
    >>> module.decoder
    LSTM(128, 128, batch_first=True)
    """

    @property
    def has_attention(self) -> bool:
        """Whether ``attention`` is given."""
        return self.attention is not None

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        check_values(self)
        return _Seq2SeqNet(self, layout, n_params)

    def build_transducer(self, layout: Layout, n_params: int) -> StepDecoder:
        """Make a module that writes symbol by symbol, for `NeuralTransducer`; in training it reads the true ones.

        Parameters
        ----------
        layout : Layout
            Sizes of the rows, as in `build`.
        n_params : int
            Symbols to choose from.

        Returns
        -------
        StepDecoder
            Segments of one step in the horizon; in the context they are as long as ``segment_length`` says.
        """
        check_values(self)
        return _Seq2SeqNet(self, layout, n_params, transduces=True)


class _Attention(nn.Module):
    """Weights (B, m, n) of keys (B, n, hidden) for queries (B, m, hidden); 0 for those that are ``absent`` (B, n)."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size, bias=False) if kind != "dot" else nn.Identity()
        self.query = nn.Linear(size, size) if kind == "additive" else nn.Identity()
        self.score = nn.Linear(size, 1, bias=False) if kind == "additive" else None

    def forward(self, query: Tensor, memory: Tensor, absent: Tensor | None = None) -> Tensor:
        query, keys = self.query(query), self.key(memory)
        if self.score is None:
            scores = query @ keys.mT  # (B, m, n)
        else:
            scores = self.score((query[:, :, None] + keys[:, None]).tanh()).squeeze(3)  # of (B, m, n, hidden)
        if absent is not None:
            scores = scores.masked_fill(absent[:, None], -torch.inf)
        return torch.softmax(scores, dim=2)


class _Seq2SeqNet(StepDecoder):
    places: Tensor
    forced: Tensor
    reads_ragged = True

    def __init__(self, spec: Seq2Seq, layout: Layout, n_params: int, transduces: bool = False) -> None:
        super().__init__()
        self.layout, self.decay, self.transduces = layout, 1.0 if transduces else spec.teacher_forcing, transduces
        size, length = spec.hidden_size, min(spec.segment_length or 1, layout.context_length)
        self.length, self.unit = length, length
        self.horizon_segment = 1 if transduces else min(length, layout.horizon)
        self.shape = (self.horizon_segment, layout.n_targets, n_params)
        self.n_context, self.n_horizon = -(-layout.context_length // length), -(-layout.horizon // self.horizon_segment)
        self.register_buffer("places", positions(self.n_context + self.n_horizon, size), persistent=False)
        self.register_buffer("forced", torch.tensor(1.0 if self.decay else 0.0), persistent=False)
        options: dict[str, Any] = {"num_layers": spec.n_layers, "batch_first": True}
        options["dropout"] = spec.dropout if spec.n_layers > 1 else 0.0
        self.embed = nn.Linear(length * n_history(layout), size)
        self.static = nn.Linear(layout.n_static, size, bias=False) if layout.n_static else None
        self.encoder = CELLS[spec.cell](size, size, bidirectional=spec.bidirectional, **options)
        self.merge = nn.Linear(2 * size, size) if spec.bidirectional else None
        self.before = nn.Linear(self.horizon_segment * layout.n_target_channels, size)
        self.known = nn.Linear(self.horizon_segment * layout.n_known, size, bias=False) if layout.n_known else None
        self.decoder = CELLS[spec.cell](size, size, **options)
        self.attend = _Attention(spec.attention, size) if spec.attention else None
        self.join = nn.Linear(2 * size, size) if spec.attention else None
        n_outputs = self.horizon_segment * layout.n_targets * n_params
        self.read = nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(size, n_outputs))

    def encode(self, batch: Batch) -> tuple[Memory, Any]:
        """States of all segments of the context, and the last one, to start the decoder."""
        inputs = self.embed(segments(history(batch, self.layout), self.length, front=True))  # (B, n, hidden)
        counts = None if batch.n_missing is None else n_segments(batch, self.length)  # (B,)
        places = context_places(self.places, inputs.shape[1], counts, None if self.transduces else self.n_context)
        inputs = inputs + places + self._static(batch)
        states, state = self.encoder(inputs) if counts is None else run_ragged(self.encoder, inputs, counts)
        if self.merge is not None:
            states, state = self.merge(states), merge_directions(state, self.merge)
        absent = None if counts is None else before_context(inputs.shape[1], counts)
        return Memory(states, absent, self._tokens(batch)), state

    def decode(self, before: Tensor, memory: Memory, state: Any, first: int) -> tuple[Tensor, Any]:
        """Parameters of some segments, and the state after them, as `StepDecoder` has it."""
        outputs, state = self.decoder(self._inputs(before, memory, first), state)  # (B * copies, m, hidden)
        if self.attend is not None and self.join is not None:
            query = outputs.reshape(len(memory.states), -1, outputs.shape[2])  # (B, copies * m, hidden)
            context = (self.attend(query, memory.states, memory.absent) @ memory.states).reshape(outputs.shape)
            outputs = self.join(torch.cat([context, outputs], dim=2)).tanh()
        return torch.unflatten(self.read(outputs), 2, self.shape).flatten(1, 2), state

    def weights(self, before: Tensor, memory: Memory, state: Any) -> Tensor:
        """(B, m, n) attention to the segments of the context."""
        assert self.attend is not None
        weights: Tensor = self.attend(
            self.decoder(self._inputs(before, memory, 0), state)[0], memory.states, memory.absent
        )
        return weights

    def forces(self) -> bool:
        """Draw whether this batch is teacher-forced, and lower the share of the next one."""
        forces = bool(torch.rand(()) < self.forced)
        self.forced *= self.decay
        return forces

    def _inputs(self, before: Tensor, memory: Memory, first: int) -> Tensor:
        """(B', m, hidden) what the decoder reads from segment ``first`` on."""
        tokens = memory.tokens[:, first : first + before.shape[1]]
        inputs: Tensor = self.before(before) + tokens.repeat_interleave(len(before) // len(tokens), dim=0)
        return inputs

    def _tokens(self, batch: Batch) -> Tensor:
        """(B, m, hidden) what the decoder knows of every segment beforehand: position, covariates, static."""
        places = self.places[: self.n_horizon] if self.transduces else self.places[self.n_context :]
        tokens = places + self._static(batch)  # (B, m, hidden)
        if self.known is not None:
            tokens = tokens + self.known(segments(future_known(batch, self.layout), self.horizon_segment, front=False))
        return tokens.expand(len(batch.loc), -1, -1)

    def _static(self, batch: Batch) -> Tensor:
        size = self.places.shape[1]
        return batch.loc.new_zeros(1, 1, size) if self.static is None else self.static(batch.values.static)[:, None]
