"""The Transformer: an encoder over the context, a decoder over all steps of the horizon at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch
from tsseq.networks.layers import attention_options, coming, history, n_history, positions, segments, spread


class Transformer(Network):
    """Encoder and decoder with multi-head attention (Vaswani et al. 2017, Attention Is All You Need).

    Tokens are segments of the context and of the horizon, placed by sines and cosines. A token of the horizon holds
    its position and its known covariates, attends to all others and to the context, and is read off by a linear layer.
    The horizon comes out in one pass, and nothing is masked: its tokens hold only what is known at the origin, so
    that none can give a later value away.

    Parameters
    ----------
    hidden_size, n_heads : width of a token; attention heads, which must divide it.
    n_layers, feedforward_size : layers of the encoder and of the decoder; hidden units of the network that each
        applies to every token.
    dropout : share of tokens, attention and hidden units dropped in training.
    norm_first : normalise before each block, which trains more steadily, instead of after it, as the paper does.
    segment_length : rows per token, at most the context; None makes a token of every row.
    """

    def __init__(
        self,
        hidden_size: int = 64,
        n_heads: int = 4,
        n_layers: int = 2,
        feedforward_size: int = 128,
        dropout: float = 0.1,
        norm_first: bool = True,
        segment_length: int | None = 24,
    ) -> None:
        self.hidden_size = hidden_size
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.feedforward_size = feedforward_size
        self.dropout = dropout
        self.norm_first = norm_first
        self.segment_length = segment_length

    @property
    def has_attention(self) -> bool:
        """See `Network`."""
        return True

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        return _TransformerNet(self, layout, n_params)


class _TransformerNet(nn.Module):
    places: Tensor

    def __init__(self, given: Transformer, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.layout = layout
        size, length = given.hidden_size, min(given.segment_length or 1, layout.context_length)
        self.length, self.ahead, self.unit = length, min(length, layout.horizon), length
        self.out = (self.ahead, layout.n_targets, n_params)
        self.n_read, n_ahead = -(-layout.context_length // length), -(-layout.horizon // self.ahead)
        self.register_buffer("places", positions(self.n_read + n_ahead, size), persistent=False)
        self.embed = nn.Linear(length * n_history(layout), size)
        self.known = nn.Linear(self.ahead * layout.n_known, size) if layout.n_known else None
        self.static = nn.Linear(layout.n_static, size, bias=False) if layout.n_static else None
        self.drop = nn.Dropout(given.dropout)
        options = attention_options(size, given.n_heads, given.feedforward_size, given.dropout)
        options["norm_first"] = given.norm_first
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(**options) for _ in range(given.n_layers))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(**options) for _ in range(given.n_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(size) if given.norm_first else nn.Identity() for _ in range(2))
        self.read = nn.Linear(size, self.ahead * layout.n_targets * n_params)

    def forward(self, batch: Batch) -> Tensor:
        context, horizon = self._encoded(batch)
        for layer in self.decoder:
            horizon = layer(horizon, context)
        values = self.read(self.norms[1](horizon))  # (B, m, ahead * C * n_params)
        return values.unflatten(2, self.out).flatten(1, 2)[:, : self.layout.horizon]  # (B, H, C, n_params)

    def attention(self, batch: Batch) -> Tensor:
        """(B, H, L) attention of the last layer of the decoder to the context, mean of its heads."""
        context, horizon = self._encoded(batch)
        for layer in self.decoder[:-1]:
            horizon = layer(horizon, context)
        last: Any = self.decoder[-1]
        own = last.norm1(horizon) if last.norm_first else horizon
        own = horizon + last.self_attn(own, own, own)[0]
        query = last.norm2(own) if last.norm_first else last.norm1(own)
        weights = last.multihead_attn(query, context, context, need_weights=True)[1]  # (B, m, n)
        return spread(weights, batch, self.length, self.ahead, self.layout.horizon)

    def _encoded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Encoded segments of the context (B, n, hidden), and the segments of the horizon (B, m, hidden)."""
        context = self.embed(segments(history(batch, self.layout), self.length, front=True))  # (B, n, hidden)
        n, m = context.shape[1], len(self.places) - self.n_read
        horizon = context.new_zeros(len(context), m, context.shape[2])  # (B, m, hidden)
        if self.known is not None:
            horizon = self.known(segments(coming(batch, self.layout), self.ahead, front=False))
        tokens = torch.cat([context, horizon], dim=1) + self.places[-(n + m) :]
        if self.static is not None:
            tokens = tokens + self.static(batch.values.static)[:, None]
        context, horizon = self.drop(tokens).tensor_split([n], dim=1)
        for layer in self.encoder:
            context = layer(context)
        return self.norms[0](context), horizon
