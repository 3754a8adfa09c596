"""One linear map from the row to the horizon."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch
from tsseq.networks.layers import whole_row


class Linear(Network):
    """One linear map from everything in a row to the horizon.

    With the last value subtracted, as `Forecaster` does by default, this is NLinear (Zeng et al. 2023, Are
    Transformers Effective for Time Series Forecasting?).
    """

    learning_rate = 1e-2

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        return _LinearNet(layout, n_params)


class _LinearNet(nn.Module):
    def __init__(self, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.shape = (layout.horizon, layout.n_targets, n_params)
        self.layout = layout
        self.map = nn.Linear(layout.width * (1 + layout.missing), layout.n_outputs * n_params)

    def forward(self, batch: Batch) -> Tensor:
        row = torch.cat(whole_row(batch, self.layout), dim=1)  # (B, width)
        return self.map(row).unflatten(1, self.shape)  # (B, H, C, n_params)
