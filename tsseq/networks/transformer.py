"""The Transformer: an encoder over the context, a decoder over all steps of the horizon at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tsseq.arguments import check_values
from tsseq.data.layout import Layout
from tsseq.hints import documented
from tsseq.networks import layers
from tsseq.networks.base import Network, StartOptions
from tsseq.networks.batch import Batch
from tsseq.networks.decoding import Memory, StepDecoder


@dataclass(eq=False, repr=False)
class TransformerOptions(StartOptions):
    """Hyper-parameters of `Transformer`.

    Parameters
    ----------
    hidden_size : int, default 64
        Width of a token.
    n_heads : int, default 4
        Attention heads, which must divide ``hidden_size``.
    n_layers : int, default 2
        Layers of the encoder, and as many of the decoder.
    feedforward_size : int, default 128
        Hidden units of the network that each layer applies to every token.
    dropout : float, default 0.1
        Share of tokens, attention and hidden units dropped in training.
    norm_first : bool, default True
        Whether to normalise before each block, which trains more steadily, instead of after it, as the paper does.
    segment_length : int or None, default 24
        Rows per token, at most the context; None makes a token of every row.
    activation : {"relu", "gelu"}, default "relu"
        What a hidden unit of the feedforward networks makes of its input.
    """

    hidden_size: int = 64
    n_heads: int = 4
    n_layers: int = 2
    feedforward_size: int = 128
    dropout: float = 0.1
    norm_first: bool = True
    segment_length: int | None = 24
    activation: str = "relu"


@documented
class Transformer(TransformerOptions, Network):
    """Encoder and decoder with multi-head attention (Vaswani et al. 2017, Attention Is All You Need).

    Tokens are segments of the context and of the horizon, placed by sines and cosines. A token of the horizon holds
    its position and its known covariates, attends to all others and to the context, and is read off by a linear layer.
    The horizon comes out in one pass, and nothing is masked: its tokens hold only what is known at the origin, so
    that none can give a later value away.

    Examples
    --------
    >>> from tsseq import Layout, Transformer
    >>> module = Transformer(hidden_size=16, n_layers=1).build(Layout(context_length=48, horizon=6), n_params=1)
    >>> module.encoder[0].self_attn.num_heads
    4
    """

    @property
    def has_attention(self) -> bool:
        """True."""
        return True

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        check_values(self)
        return _TransformerNet(self, layout, n_params)

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
            Every step of the horizon attends to those before it; segments of the context are as long as
            ``segment_length`` says.
        """
        check_values(self)
        return _CausalNet(self, layout, n_params)


class _TransformerNet(nn.Module):
    places: Tensor

    def __init__(self, spec: Transformer, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.layout = layout
        size, length = spec.hidden_size, min(spec.segment_length or 1, layout.context_length)
        self.length, self.horizon_segment, self.unit = length, min(length, layout.horizon), length
        self.shape = (self.horizon_segment, layout.n_targets, n_params)
        self.n_context, n_horizon = -(-layout.context_length // length), -(-layout.horizon // self.horizon_segment)
        self.register_buffer("places", layers.positions(self.n_context + n_horizon, size), persistent=False)
        self.embed = nn.Linear(length * layers.n_history(layout), size)
        self.known = nn.Linear(self.horizon_segment * layout.n_known, size) if layout.n_known else None
        self.static = nn.Linear(layout.n_static, size, bias=False) if layout.n_static else None
        self.drop = nn.Dropout(spec.dropout)
        options = layers.attention_options(size, spec.n_heads, spec.feedforward_size, spec.dropout)
        options |= {"norm_first": spec.norm_first, "activation": spec.activation}
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(**options) for _ in range(spec.n_layers))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(**options) for _ in range(spec.n_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(size) if spec.norm_first else nn.Identity() for _ in range(2))
        self.read = nn.Linear(size, self.horizon_segment * layout.n_targets * n_params)

    def forward(self, batch: Batch) -> Tensor:
        context, horizon = self._encode(batch)
        for layer in self.decoder:
            horizon = layer(horizon, context)
        params = self.read(self.norms[1](horizon))  # (B, m, segment * C * n_params)
        return torch.unflatten(params, 2, self.shape).flatten(1, 2)[:, : self.layout.horizon]  # (B, H, C, n_params)

    def attention(self, batch: Batch) -> Tensor:
        """(B, H, L) attention of the last layer of the decoder to the context, mean of its heads."""
        context, horizon = self._encode(batch)
        for layer in self.decoder[:-1]:
            horizon = layer(horizon, context)
        weights = attention_of(self.decoder[-1], horizon, context)  # (B, m, n)
        return layers.expand_attention(weights, batch, self.length, self.horizon_segment, self.layout.horizon)

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Encoded segments of the context (B, n, hidden), and the segments of the horizon (B, m, hidden)."""
        context = self.embed(layers.segments(layers.history(batch, self.layout), self.length, front=True))
        n, m = context.shape[1], len(self.places) - self.n_context
        horizon = context.new_zeros(len(context), m, context.shape[2])  # (B, m, hidden)
        if self.known is not None:
            known = layers.future_known(batch, self.layout)
            horizon = self.known(layers.segments(known, self.horizon_segment, front=False))
        tokens = torch.cat([context, horizon], dim=1) + self.places[-(n + m) :]
        if self.static is not None:
            tokens = tokens + self.static(batch.values.static)[:, None]
        context, horizon = self.drop(tokens).tensor_split([n], dim=1)
        for layer in self.encoder:
            context = layer(context)
        return self.norms[0](context), horizon


class _CausalNet(StepDecoder):
    places: Tensor
    reads_ragged = True

    def __init__(self, spec: Transformer, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.layout, self.horizon_segment, size = layout, 1, spec.hidden_size
        self.length = self.unit = min(spec.segment_length or 1, layout.context_length)
        n_places = max(-(-layout.context_length // self.length), layout.horizon)
        self.register_buffer("places", layers.positions(n_places, size), persistent=False)
        self.embed = nn.Linear(self.length * layers.n_history(layout), size)
        self.before = nn.Linear(layout.n_target_channels, size)
        self.drop = nn.Dropout(spec.dropout)
        options = layers.attention_options(size, spec.n_heads, spec.feedforward_size, spec.dropout)
        options |= {"norm_first": spec.norm_first, "activation": spec.activation}
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(**options) for _ in range(spec.n_layers))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(**options) for _ in range(spec.n_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(size) if spec.norm_first else nn.Identity() for _ in range(2))
        self.read, self.shape = nn.Linear(size, layout.n_targets * n_params), (layout.n_targets, n_params)

    def encode(self, batch: Batch) -> tuple[Memory, Any]:
        """Encoded segments of the context; the state is the tokens of what was written, none yet."""
        context = self.embed(layers.segments(layers.history(batch, self.layout), self.length, front=True))
        n, counts = context.shape[1], None
        if batch.n_missing is not None:
            counts = layers.n_segments(batch, self.length)
        context = self.drop(context + layers.context_places(self.places, n, counts, None))  # (B, n, hidden)
        absent = None if counts is None else layers.before_context(n, counts)
        for layer in self.encoder:
            context = layer(context, src_key_padding_mask=absent)
        tokens = self.places[: self.layout.horizon].expand(len(context), -1, -1)
        return Memory(self.norms[0](context), absent, tokens), context.new_zeros(0, len(context), context.shape[2])

    def decode(self, before: Tensor, memory: Memory, state: Any, first: int) -> tuple[Tensor, Any]:
        """Parameters of some steps, and the tokens up to them, as `StepDecoder` has it."""
        tokens = self._tokens(before, memory, state, first)  # (B', t, hidden)
        horizon = self._layers(tokens, memory, len(self.decoder))
        params = self.read(self.norms[1](horizon[:, -before.shape[1] :]))  # (B', m, C * n_params)
        return torch.unflatten(params, 2, self.shape), tokens.transpose(0, 1)

    def weights(self, before: Tensor, memory: Memory, state: Any) -> Tensor:
        """(B, m, n) attention of the last layer of the decoder to the context, mean of its heads."""
        horizon = self._layers(self._tokens(before, memory, state, 0), memory, len(self.decoder) - 1)
        return attention_of(self.decoder[-1], horizon, memory.states, _causal(horizon), memory.absent)

    def _tokens(self, before: Tensor, memory: Memory, state: Tensor, first: int) -> Tensor:
        """(B', t, hidden) tokens of all steps so far."""
        places = memory.tokens[:1, first : first + before.shape[1]]
        return torch.cat([state.transpose(0, 1), self.drop(self.before(before) + places)], dim=1)

    def _layers(self, tokens: Tensor, memory: Memory, n: int) -> Tensor:
        """(B', t, hidden) after the first ``n`` layers of the decoder."""
        copies, mask = len(tokens) // len(memory.states), _causal(tokens)
        context = memory.states.repeat_interleave(copies, dim=0)
        absent = None if memory.absent is None else memory.absent.repeat_interleave(copies, dim=0)
        for layer in [*self.decoder][:n]:
            tokens = layer(tokens, context, tgt_mask=mask, memory_key_padding_mask=absent)
        return tokens


def _causal(tokens: Tensor) -> Tensor:
    """(t, t) which tokens lie ahead of a token (B, t, hidden)."""
    n = tokens.shape[1]
    return torch.ones(n, n, dtype=torch.bool, device=tokens.device).triu(1)


def attention_of(
    layer: Any, horizon: Tensor, context: Tensor, mask: Tensor | None = None, absent: Tensor | None = None
) -> Tensor:
    """(B, m, n) attention of a layer of torch's decoder to the context, mean of its heads."""
    tokens = layer.norm1(horizon) if layer.norm_first else horizon
    tokens = horizon + layer.self_attn(tokens, tokens, tokens, attn_mask=mask)[0]
    query = layer.norm2(tokens) if layer.norm_first else layer.norm1(tokens)
    weights: Tensor = layer.multihead_attn(query, context, context, absent, need_weights=True)[1]
    return weights
