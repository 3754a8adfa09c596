"""A Transformer encoder over overlapping patches of one series."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch
from tsseq.networks.layers import Others, attention_options


class PatchTST(Network):
    """Patched, channel-independent Transformer encoder (Nie et al. 2023, A Time Series is Worth 64 Words).

    Every target is cut into overlapping patches, which are embedded, placed by learnt positions and attend to each
    other; one linear map reads the horizon off all of them. Targets share all weights and do not see each other.
    Covariates, those known over the horizon too, are added through one linear map. The paper normalises over the
    batch; here every patch is normalised by itself, so that no forecast depends on what else is forecast with it.

    Parameters
    ----------
    patch_length, stride : rows per patch and between the starts of two, at most the context.
    hidden_size, n_heads : width of a patch's embedding; attention heads, which must divide it.
    n_layers, feedforward_size : encoder layers; hidden units of the network that each applies to every patch.
    dropout : share of embeddings, attention and hidden units dropped in training.
    """

    def __init__(
        self,
        patch_length: int = 16,
        stride: int = 8,
        hidden_size: int = 64,
        n_heads: int = 4,
        n_layers: int = 2,
        feedforward_size: int = 128,
        dropout: float = 0.3,
    ) -> None:
        self.patch_length = patch_length
        self.stride = stride
        self.hidden_size = hidden_size
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.feedforward_size = feedforward_size
        self.dropout = dropout

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        return _PatchTSTNet(self, layout, n_params)


def patches(values: Tensor, length: int, stride: int) -> Tensor:
    """Overlapping patches (B, n, C * length) of (B, L, C), whose last row is first repeated ``stride`` times."""
    longer = torch.cat([values, values[:, -1:].expand(-1, stride, -1)], dim=1)
    return longer.unfold(1, length, stride).flatten(2)


class _PatchTSTNet(nn.Module):
    def __init__(self, given: PatchTST, layout: Layout, n_params: int) -> None:
        super().__init__()
        size, rows = given.hidden_size, layout.context_length
        self.length, self.stride = min(given.patch_length, rows), min(given.stride, rows)
        self.unit, self.rows = self.stride, rows
        self.missing = layout.missing
        self.out = (layout.horizon, n_params)
        n_patches = (rows - self.length) // self.stride + 2
        self.embed = nn.Linear(self.length * (1 + layout.missing), size)
        self.positions = nn.Parameter(0.02 * torch.randn(n_patches, size))
        options = attention_options(size, given.n_heads, given.feedforward_size, given.dropout)
        options |= {"activation": "gelu", "norm_first": True}
        layers = [nn.TransformerEncoderLayer(**options) for _ in range(given.n_layers)]
        self.encoder = nn.Sequential(nn.Dropout(given.dropout), *layers, nn.LayerNorm(size))
        self.read = nn.Linear(n_patches * size, layout.horizon * n_params)
        self.others = Others(layout, n_params)

    def forward(self, batch: Batch) -> Tensor:
        target, observed = batch.values.target, batch.observed.target
        values = torch.stack([target, observed] if self.missing else [target], dim=3)  # (B, L, C, 1 or 2)
        cut = patches(self._filled(values.transpose(1, 2).flatten(0, 1)), self.length, self.stride)
        encoded = self.encoder(self.embed(cut) + self.positions[-cut.shape[1] :])  # (B * C, n, hidden)
        encoded = pad(encoded, (0, 0, len(self.positions) - cut.shape[1], 0))  # (B * C, n_patches, hidden)
        found = self.read(encoded.flatten(1)).unflatten(1, self.out)  # (B * C, H, n_params)
        return found.unflatten(0, (len(target), -1)).transpose(1, 2) + self.others(batch)  # (B, H, C, n_params)

    def _filled(self, values: Tensor) -> Tensor:
        """Zeros in front of a shorter context (B, L, C), so that its patches start where those of a whole one do."""
        rows = values.shape[1]
        whole = min(-(-rows // self.stride) * self.stride, self.rows)  # as contexts count in units
        needed = max(whole, self.length)
        return pad(values, (0, 0, needed - rows + (self.rows - needed) % self.stride, 0))
