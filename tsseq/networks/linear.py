"""Linear maps from the context to the horizon: of the whole row, or of its trend and remainder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from tsseq.data.layout import Layout
from tsseq.hints import documented
from tsseq.networks.base import Network, StartOptions
from tsseq.networks.batch import Batch
from tsseq.networks.layers import CovariateLinear, flatten_row


@documented
class Linear(Network):
    """One linear map from everything in a row to the horizon.

    With the last value subtracted, as `Forecaster` does by default, this is NLinear (Zeng et al. 2023, Are
    Transformers Effective for Time Series Forecasting?).

    Examples
    --------
    >>> import numpy as np
    >>> from tsseq import Linear, NeuralRegressor, Training
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> y = X @ [1.0, 2.0, 0.0, -1.0]
    >>> round(NeuralRegressor(Linear(), training=Training(verbose=False)).fit(X, y).score(X, y), 1)
    1.0
    """

    learning_rate = 1e-2

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _LinearNet(layout, n_params)


class _LinearNet(nn.Module):
    def __init__(self, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.shape = (layout.horizon, layout.n_targets, n_params)
        self.layout = layout
        self.map = nn.Linear(layout.width * (1 + layout.missing), layout.n_outputs * n_params)

    def forward(self, batch: Batch) -> Tensor:
        row = torch.cat(flatten_row(batch, self.layout), dim=1)  # (B, width)
        return torch.unflatten(self.map(row), 1, self.shape)  # (B, H, C, n_params)


@dataclass(eq=False, repr=False)
class DLinearOptions(StartOptions):
    """Hyper-parameters of `DLinear`.

    Parameters
    ----------
    kernel_size : int, default 25
        Rows of the moving average; beyond its ends the context is continued by its first and last value.
    """

    kernel_size: int = 25


@documented
class DLinear(DLinearOptions, Network):
    """One linear map of the moving average of the context and one of the remainder (Zeng et al. 2023).

    All targets share both maps. Covariates go through a linear map of their own.

    Examples
    --------
    >>> from tsseq import DLinear, Layout
    >>> module = DLinear(kernel_size=5).build(Layout(context_length=24, horizon=6), n_params=1)
    >>> sum(weights.numel() for weights in module.parameters())  # 2 maps of 24 * 6 weights and 6 biases
    300
    """

    learning_rate = 1e-2

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _DLinearNet(self, layout, n_params)


def moving_average(values: Tensor, size: int) -> Tensor:
    """Centred mean of ``size`` rows of (B, C, L), of the same shape."""
    return avg_pool1d(pad(values, ((size - 1) // 2, size // 2), mode="replicate"), size, stride=1)


class _DLinearNet(nn.Module):
    def __init__(self, spec: DLinear, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.kernel_size, self.rows, self.target_width = spec.kernel_size, layout.context_length, layout.target_width
        self.shape = (layout.horizon, n_params)
        self.trend = nn.Linear(self.rows * self.target_width, layout.horizon * n_params)
        self.remainder = nn.Linear(self.rows * self.target_width, layout.horizon * n_params)
        self.others = CovariateLinear(layout, n_params)

    def forward(self, batch: Batch) -> Tensor:
        values = batch.values.target.mT  # (B, C, L)
        trend = moving_average(values, self.kernel_size)
        parts = (pad(part, (self.rows - values.shape[2], 0)) for part in (trend, values - trend))
        trend, remainder = (
            part.unflatten(1, (-1, self.target_width)).flatten(2) for part in parts
        )  # (B, C, width * L)
        params = self.trend(trend) + self.remainder(remainder)  # (B, C, H * n_params)
        covariates: Tensor = self.others(batch)  # (B, H, C, n_params)
        return torch.unflatten(params, 2, self.shape).transpose(1, 2) + covariates
