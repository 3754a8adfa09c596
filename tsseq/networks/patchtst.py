"""A Transformer encoder over overlapping patches of each series."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.hints import documented
from tsseq.networks.base import Network, StartOptions
from tsseq.networks.batch import Batch
from tsseq.networks.layers import CovariateLinear, attention_options


@dataclass(eq=False, repr=False)
class PatchTSTOptions(StartOptions):
    """Hyper-parameters of `PatchTST`.

    Parameters
    ----------
    patch_length : int, default 16
        Rows per patch, at most the context.
    stride : int, default 8
        Rows between the starts of two patches, at most the context.
    hidden_size : int, default 64
        Width of an embedded patch.
    n_heads : int, default 4
        Attention heads, which must divide ``hidden_size``.
    n_layers : int, default 2
        Layers of the encoder.
    feedforward_size : int, default 128
        Hidden units of the network that each layer applies to every patch.
    dropout : float, default 0.3
        Share of embeddings, attention and hidden units dropped in training.
    """

    patch_length: int = 16
    stride: int = 8
    hidden_size: int = 64
    n_heads: int = 4
    n_layers: int = 2
    feedforward_size: int = 128
    dropout: float = 0.3


@documented
class PatchTST(PatchTSTOptions, Network):
    """Patched, channel-independent Transformer encoder (Nie et al. 2023, A Time Series is Worth 64 Words).

    Every target is cut into overlapping patches, which are embedded, placed by learnt positions and attend to each
    other; one linear map reads the horizon off all of them. Targets share all weights and do not see each other.
    Covariates, those known over the horizon too, are added through one linear map. The paper normalises over the
    batch; here every patch is normalised by itself, so that no forecast depends on what else is forecast with it.

    Examples
    --------
    >>> from tsseq import Layout, PatchTST
    >>> module = PatchTST(patch_length=12, stride=6).build(Layout(context_length=48, horizon=6), n_params=1)
    >>> module.positions.shape  # patches, hidden_size
    torch.Size([8, 64])
    """

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _PatchTSTNet(self, layout, n_params)


def patches(values: Tensor, length: int, stride: int) -> Tensor:
    """Overlapping patches (B, n, C * length) of (B, L, C), whose last row is first repeated ``stride`` times."""
    longer = torch.cat([values, values[:, -1:].expand(-1, stride, -1)], dim=1)
    return longer.unfold(1, length, stride).flatten(2)


class _PatchTSTNet(nn.Module):
    def __init__(self, spec: PatchTST, layout: Layout, n_params: int) -> None:
        super().__init__()
        size, rows = spec.hidden_size, layout.context_length
        self.length, self.stride = min(spec.patch_length, rows), min(spec.stride, rows)
        self.unit, self.rows = self.stride, rows
        self.missing, self.target_width = layout.missing, layout.target_width
        self.shape = (layout.horizon, n_params)
        n_patches = (rows - self.length) // self.stride + 2
        self.embed = nn.Linear(self.length * self.target_width * (1 + layout.missing), size)
        self.positions = nn.Parameter(0.02 * torch.randn(n_patches, size))
        options = attention_options(size, spec.n_heads, spec.feedforward_size, spec.dropout)
        options |= {"activation": "gelu", "norm_first": True}
        layers = [nn.TransformerEncoderLayer(**options) for _ in range(spec.n_layers)]
        self.encoder = nn.Sequential(nn.Dropout(spec.dropout), *layers, nn.LayerNorm(size))
        self.read = nn.Linear(n_patches * size, layout.horizon * n_params)
        self.others = CovariateLinear(layout, n_params)

    def forward(self, batch: Batch) -> Tensor:
        channels = batch.values.target, batch.observed.target
        target, observed = (source.unflatten(2, (-1, self.target_width)) for source in channels)
        values = torch.cat([target, observed], dim=3) if self.missing else target  # (B, L, C, width or twice as many)
        inputs = patches(self._fill_front(values.transpose(1, 2).flatten(0, 1)), self.length, self.stride)
        encoded = self.encoder(self.embed(inputs) + self.positions[-inputs.shape[1] :])  # (B * C, n, hidden)
        encoded = pad(encoded, (0, 0, len(self.positions) - inputs.shape[1], 0))  # (B * C, n_patches, hidden)
        params = self.read(encoded.flatten(1)).unflatten(1, self.shape)  # (B * C, H, n_params)
        covariates: Tensor = self.others(batch)  # (B, H, C, n_params)
        return torch.unflatten(params, 0, (len(target), -1)).transpose(1, 2) + covariates

    def _fill_front(self, values: Tensor) -> Tensor:
        """Zeros in front of a shorter context (B, L, C), so that its patches start where those of a whole one do."""
        rows = values.shape[1]
        whole = min(-(-rows // self.stride) * self.stride, self.rows)  # as contexts count in units
        needed = max(whole, self.length)
        return pad(values, (0, 0, needed - rows + (self.rows - needed) % self.stride, 0))
