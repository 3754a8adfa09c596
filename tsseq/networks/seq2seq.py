"""Encoder and decoder of recurrent cells, with attention, that read their own forecasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.base import Autoregressive, Network
from tsseq.networks.batch import Batch
from tsseq.networks.layers import coming, history, n_history, positions, segments, spread
from tsseq.networks.recurrent import each, merged

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
ATTENTION = (None, "additive", "dot", "general")


class Seq2Seq(Network):
    """Encoder-decoder of recurrent cells (Sutskever et al. 2014), with attention if wanted.

    The encoder runs over segments of the context, embedded by a linear layer and placed by sines and cosines. Its last
    state starts the decoder, which takes a step for every segment of the horizon: in go the segment before, as it was
    or as it was forecast, and the known covariates; the forecast is read off its state. With attention, the state is
    compared with that of every segment of the context, and the mean of these, weighted by the softmax of the scores,
    is read as well (Luong et al. 2015, section 3.1).

    With a distribution as head, ``segment_length=None`` and ``teacher_forcing=1`` this is DeepAR (Salinas et al.
    2020): its quantiles come from sampled paths. Steps within one segment are drawn independently.

    Parameters
    ----------
    cell : "rnn", "lstm" or "gru".
    hidden_size, n_layers : width of the states; recurrent layers on top of each other.
    dropout : share of the state dropped before the last layer, and between recurrent layers, in training.
    bidirectional : let the encoder read the context in both directions.
    attention : how query q (decoder) and key k (encoder) are scored: None for no attention, "additive" for
        ``v . tanh(W q + U k)`` (Bahdanau et al. 2015), "dot" for ``q . k``, "general" for ``q . W k`` (Luong et al.
        2015).
    teacher_forcing : in training step i, the decoder reads true values instead of its own with probability
        ``teacher_forcing ** i`` (Bengio et al. 2015, exponential decay): 1 is always, 0 never.
    segment_length : rows per segment, at most the context; None decodes single rows.
    """

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 128,
        n_layers: int = 1,
        dropout: float = 0.3,
        bidirectional: bool = False,
        attention: str | None = "general",
        teacher_forcing: float = 0.99,
        segment_length: int | None = 24,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.attention = attention
        self.teacher_forcing = teacher_forcing
        self.segment_length = segment_length

    @property
    def has_attention(self) -> bool:
        """See `Network`."""
        return self.attention is not None

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        if self.cell not in CELLS:
            raise ConfigError(f"cell={self.cell!r} is unknown; it is one of {', '.join(map(repr, CELLS))}.")
        if not 0 <= self.teacher_forcing <= 1:
            raise ConfigError(f"teacher_forcing={self.teacher_forcing!r} must lie in 0..1.")
        if self.attention not in ATTENTION:
            raise ConfigError(
                f"attention={self.attention!r} is unknown; it is one of {', '.join(map(repr, ATTENTION))}."
            )
        return _Seq2SeqNet(self, layout, n_params)


class _Attention(nn.Module):
    """Scores of queries (B, m, hidden) against keys (B, n, hidden)."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(size, size, bias=False) if kind != "dot" else nn.Identity()
        self.query = nn.Linear(size, size) if kind == "additive" else nn.Identity()
        self.score = nn.Linear(size, 1, bias=False) if kind == "additive" else None

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        """Weights (B, m, n)."""
        query, keys = self.query(query), self.key(memory)
        if self.score is None:
            return (query @ keys.mT).softmax(dim=2)
        hidden = (query[:, :, None] + keys[:, None]).tanh()  # (B, m, n, hidden)
        weights: Tensor = self.score(hidden).squeeze(3).softmax(dim=2)
        return weights


class _Seq2SeqNet(Autoregressive):
    places: Tensor
    forced: Tensor

    def __init__(self, given: Seq2Seq, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.layout, self.decay = layout, given.teacher_forcing
        size, length = given.hidden_size, min(given.segment_length or 1, layout.context_length)
        self.length, self.ahead, self.unit = length, min(length, layout.horizon), length
        self.out = (self.ahead, layout.n_targets, n_params)
        self.n_read, self.n_ahead = -(-layout.context_length // length), -(-layout.horizon // self.ahead)
        self.register_buffer("places", positions(self.n_read + self.n_ahead, size), persistent=False)
        self.register_buffer("forced", torch.tensor(1.0 if given.teacher_forcing else 0.0), persistent=False)
        cell: dict[str, Any] = {"num_layers": given.n_layers, "batch_first": True}
        cell["dropout"] = given.dropout if given.n_layers > 1 else 0.0
        self.embed = nn.Linear(length * n_history(layout), size)
        self.static = nn.Linear(layout.n_static, size, bias=False) if layout.n_static else None
        self.encoder = CELLS[given.cell](size, size, bidirectional=given.bidirectional, **cell)
        self.merge = nn.Linear(2 * size, size) if given.bidirectional else None
        self.before = nn.Linear(self.ahead * layout.n_targets, size)
        self.known = nn.Linear(self.ahead * layout.n_known, size, bias=False) if layout.n_known else None
        self.decoder = CELLS[given.cell](size, size, **cell)
        self.attend = _Attention(given.attention, size) if given.attention else None
        self.join = nn.Linear(2 * size, size) if given.attention else None
        self.read = nn.Sequential(nn.Dropout(given.dropout), nn.Linear(size, self.ahead * layout.n_targets * n_params))

    def forward(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None, copies: int = 1) -> Tensor:
        """See `Autoregressive`."""
        memory, state = self._encoded(batch)
        around = self._around(batch)  # (B, m, hidden)
        before = segments(batch.values.target[:, -self.ahead :], self.ahead, front=True)  # (B, 1, ahead * C)
        if self.training and batch.future is not None and self._forces():
            truth = segments(batch.future, self.ahead, front=False)  # (B, m, ahead * C)
            given = torch.cat([before, truth[:, :-1]], dim=1)
            found = self.read(self._decoded(given, around, memory, state)[0])  # (B, m, ahead * C * n_params)
            return found.unflatten(2, self.out).flatten(1, 2)[:, : self.layout.horizon]
        state = each(state, lambda part: part.repeat_interleave(copies, dim=1).contiguous())
        before, around = (x.repeat_interleave(copies, dim=0) for x in (before, around))
        found = []
        for step in range(self.n_ahead):
            decoded, state = self._decoded(before, around[:, step : step + 1], memory, state)
            found.append(self.read(decoded).unflatten(2, self.out).squeeze(1))  # (B, ahead, C, n_params)
            within = found[-1][:, : self.layout.horizon - step * self.ahead]
            own = within[..., 0] if draw is None else draw(within, step * self.ahead)
            before = segments(own.to(decoded.dtype), self.ahead, front=False)  # (B, 1, ahead * C)
        return torch.cat(found, dim=1)[:, : self.layout.horizon]  # (B, H, C, n_params)

    def attention(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None) -> Tensor:
        """(B, H, L) attention to the context, while what ``draw`` says is fed back."""
        assert self.attend is not None
        memory, state = self._encoded(batch)
        params = self(batch, draw)  # (B, H, C, n_params)
        values = params[..., 0] if draw is None else draw(params, 0)  # (B, H, C)
        own = segments(values, self.ahead, front=False)[:, :-1]
        last = segments(batch.values.target[:, -self.ahead :], self.ahead, front=True)
        inputs = self.before(torch.cat([last, own], dim=1)) + self._around(batch)
        weights = self.attend(self.decoder(inputs, state)[0], memory)  # (B, m, n)
        return spread(weights, batch, self.length, self.ahead, self.layout.horizon)

    def _encoded(self, batch: Batch) -> tuple[Tensor, Any]:
        """States of all segments of the context (B, n, hidden), and the last one, to start the decoder."""
        inputs = self.embed(segments(history(batch, self.layout), self.length, front=True))  # (B, n, hidden)
        inputs = inputs + self.places[self.n_read - inputs.shape[1] : self.n_read] + self._static(batch)
        memory, state = self.encoder(inputs)
        if self.merge is None:
            return memory, state
        return self.merge(memory), merged(state, self.merge)

    def _around(self, batch: Batch) -> Tensor:
        """(B, m, hidden) what the decoder knows of every segment beforehand: place, covariates, static."""
        around = self.places[self.n_read :] + self._static(batch)  # (B, m, hidden)
        if self.known is not None:
            around = around + self.known(segments(coming(batch, self.layout), self.ahead, front=False))
        return around.expand(len(batch.loc), -1, -1)

    def _static(self, batch: Batch) -> Tensor:
        size = self.places.shape[1]
        return batch.loc.new_zeros(1, 1, size) if self.static is None else self.static(batch.values.static)[:, None]

    def _decoded(self, before: Tensor, around: Tensor, memory: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Run the decoder over segments (B * copies, m, ...); ``memory`` is (B, n, hidden)."""
        outputs, state = self.decoder(self.before(before) + around, state)  # (B * copies, m, hidden)
        if self.attend is None or self.join is None:
            return outputs, state
        query = outputs.reshape(len(memory), -1, outputs.shape[2])  # (B, copies * m, hidden)
        context = (self.attend(query, memory) @ memory).reshape(outputs.shape)
        return self.join(torch.cat([context, outputs], dim=2)).tanh(), state

    def _forces(self) -> bool:
        """Draw whether this batch is teacher-forced, and lower the share of the next one."""
        forces = bool(torch.rand(()) < self.forced)
        self.forced *= self.decay
        return forces
