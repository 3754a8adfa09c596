"""Linear maps of the trend and of what remains."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from tsseq.data.layout import Layout
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch
from tsseq.networks.layers import Others


class DLinear(Network):
    """One linear map of the moving average of the context and one of the remainder (Zeng et al. 2023).

    All targets share both maps. Covariates go through a linear map of their own.

    Parameters
    ----------
    kernel_size : rows of the moving average; beyond its ends the context is continued by its first and last value.
    """

    learning_rate = 1e-2

    def __init__(self, kernel_size: int = 25) -> None:
        self.kernel_size = kernel_size

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        return _DLinearNet(self, layout, n_params)


def moving_average(values: Tensor, size: int) -> Tensor:
    """Centred mean of ``size`` rows of (B, C, L), of the same shape."""
    return avg_pool1d(pad(values, ((size - 1) // 2, size // 2), mode="replicate"), size, stride=1)


class _DLinearNet(nn.Module):
    def __init__(self, given: DLinear, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.kernel_size = given.kernel_size
        self.shape = (layout.horizon, n_params)
        self.trend = nn.Linear(layout.context_length, layout.horizon * n_params)
        self.remainder = nn.Linear(layout.context_length, layout.horizon * n_params)
        self.others = Others(layout, n_params)

    def forward(self, batch: Batch) -> Tensor:
        values = batch.values.target.mT  # (B, C, L)
        trend = moving_average(values, self.kernel_size)
        lacking = (self.trend.in_features - values.shape[2], 0)
        found = self.trend(pad(trend, lacking)) + self.remainder(pad(values - trend, lacking))  # (B, C, H * n_params)
        return found.unflatten(2, self.shape).transpose(1, 2) + self.others(batch)  # (B, H, C, n_params)
