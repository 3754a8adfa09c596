"""Encoder and decoder of recurrent cells, with attention, that read their own forecasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.hints import documented
from tsseq.networks.base import Autoregressive, Network, StartOptions
from tsseq.networks.batch import Batch
from tsseq.networks.layers import expand_attention, future_known, history, n_history, positions, segments
from tsseq.networks.recurrent import map_state, merge_directions

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
ATTENTION = (None, "additive", "dot", "general")


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
        """Make a new module; a ConfigError if a parameter has a value that it does not know."""
        if self.cell not in CELLS:
            raise ConfigError(f"cell={self.cell!r} is unknown; it is one of {', '.join(map(repr, CELLS))}.")
        if not 0 <= self.teacher_forcing <= 1:
            raise ConfigError(f"teacher_forcing={self.teacher_forcing!r} must lie in 0..1.")
        if self.attention not in ATTENTION:
            known = ", ".join(map(repr, ATTENTION))
            raise ConfigError(f"attention={self.attention!r} is unknown; it is one of {known}.")
        return _Seq2SeqNet(self, layout, n_params)


class _Attention(nn.Module):
    """Weights (B, m, n) of keys (B, n, hidden) for queries (B, m, hidden)."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size, bias=False) if kind != "dot" else nn.Identity()
        self.query = nn.Linear(size, size) if kind == "additive" else nn.Identity()
        self.score = nn.Linear(size, 1, bias=False) if kind == "additive" else None

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        query, keys = self.query(query), self.key(memory)
        if self.score is None:
            return torch.softmax(query @ keys.mT, dim=2)
        hidden = (query[:, :, None] + keys[:, None]).tanh()  # (B, m, n, hidden)
        return torch.softmax(self.score(hidden).squeeze(3), dim=2)


class _Seq2SeqNet(Autoregressive):
    places: Tensor
    forced: Tensor

    def __init__(self, spec: Seq2Seq, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.layout, self.decay = layout, spec.teacher_forcing
        size, length = spec.hidden_size, min(spec.segment_length or 1, layout.context_length)
        self.length, self.horizon_segment, self.unit = length, min(length, layout.horizon), length
        self.shape = (self.horizon_segment, layout.n_targets, n_params)
        self.n_context, self.n_horizon = -(-layout.context_length // length), -(-layout.horizon // self.horizon_segment)
        self.register_buffer("places", positions(self.n_context + self.n_horizon, size), persistent=False)
        self.register_buffer("forced", torch.tensor(1.0 if spec.teacher_forcing else 0.0), persistent=False)
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

    def forward(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None, copies: int = 1) -> Tensor:
        memory, state = self._encode(batch)
        tokens = self._tokens(batch)  # (B, m, hidden)
        before = self._last_segment(batch)  # (B, 1, segment * C)
        if self.training and batch.future is not None and self._draw_forcing():
            truth = segments(batch.future, self.horizon_segment, front=False)  # (B, m, segment * C)
            before = torch.cat([before, truth[:, :-1]], dim=1)
            params = self.read(self._decode(before, tokens, memory, state)[0])  # (B, m, segment * C * n_params)
            return torch.unflatten(params, 2, self.shape).flatten(1, 2)[:, : self.layout.horizon]
        state = map_state(state, lambda tensor: tensor.repeat_interleave(copies, dim=1).contiguous())
        before, tokens = (tensor.repeat_interleave(copies, dim=0) for tensor in (before, tokens))
        blocks = []
        for segment in range(self.n_horizon):
            output, state = self._decode(before, tokens[:, segment : segment + 1], memory, state)
            blocks.append(torch.unflatten(self.read(output), 2, self.shape).squeeze(1))  # (B, segment, C, n_params)
            first = segment * self.horizon_segment
            params = blocks[-1][:, : self.layout.horizon - first]
            values = params[..., 0] if draw is None else draw(params, first)
            before = segments(values.to(output.dtype), self.horizon_segment, front=False)  # (B, 1, segment * C)
        return torch.cat(blocks, dim=1)[:, : self.layout.horizon]  # (B, H, C, n_params)

    def attention(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None) -> Tensor:
        """(B, H, L) attention to the context, while the values that ``draw`` gives are read next."""
        assert self.attend is not None
        memory, state = self._encode(batch)
        params = self(batch, draw)  # (B, H, C, n_params)
        values = params[..., 0] if draw is None else draw(params, 0)  # (B, H, C)
        forecasts = segments(values, self.horizon_segment, front=False)[:, :-1]
        inputs = self.before(torch.cat([self._last_segment(batch), forecasts], dim=1)) + self._tokens(batch)
        weights = self.attend(self.decoder(inputs, state)[0], memory)  # (B, m, n)
        return expand_attention(weights, batch, self.length, self.horizon_segment, self.layout.horizon)

    def _encode(self, batch: Batch) -> tuple[Tensor, Any]:
        """States of all segments of the context (B, n, hidden), and the last one, to start the decoder."""
        inputs = self.embed(segments(history(batch, self.layout), self.length, front=True))  # (B, n, hidden)
        inputs = inputs + self.places[self.n_context - inputs.shape[1] : self.n_context] + self._static(batch)
        memory, state = self.encoder(inputs)
        if self.merge is None:
            return memory, state
        return self.merge(memory), merge_directions(state, self.merge)

    def _tokens(self, batch: Batch) -> Tensor:
        """(B, m, hidden) what the decoder knows of every segment beforehand: position, covariates, static."""
        tokens = self.places[self.n_context :] + self._static(batch)  # (B, m, hidden)
        if self.known is not None:
            tokens = tokens + self.known(segments(future_known(batch, self.layout), self.horizon_segment, front=False))
        return tokens.expand(len(batch.loc), -1, -1)

    def _static(self, batch: Batch) -> Tensor:
        size = self.places.shape[1]
        return batch.loc.new_zeros(1, 1, size) if self.static is None else self.static(batch.values.static)[:, None]

    def _last_segment(self, batch: Batch) -> Tensor:
        """(B, 1, segment * C) the last targets of the context, as many as a segment of the horizon has."""
        return segments(batch.values.target[:, -self.horizon_segment :], self.horizon_segment, front=True)

    def _decode(self, before: Tensor, tokens: Tensor, memory: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Run the decoder over segments (B * copies, m, ...); ``memory`` is (B, n, hidden)."""
        outputs, state = self.decoder(self.before(before) + tokens, state)  # (B * copies, m, hidden)
        if self.attend is None or self.join is None:
            return outputs, state
        query = outputs.reshape(len(memory), -1, outputs.shape[2])  # (B, copies * m, hidden)
        context = (self.attend(query, memory) @ memory).reshape(outputs.shape)
        return self.join(torch.cat([context, outputs], dim=2)).tanh(), state

    def _draw_forcing(self) -> bool:
        """Draw whether this batch is teacher-forced, and lower the share of the next one."""
        forces = bool(torch.rand(()) < self.forced)
        self.forced *= self.decay
        return forces
