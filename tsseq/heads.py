"""Heads: what the numbers of the last layer mean.

A head turns parameters ``params`` (B, H, C, n_params) into a loss, a point forecast, quantiles and samples, all in
the units in which the network works: scaled targets. Distributions are in `tsseq.distributions`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor
from torch.nn import functional

from tsseq.errors import ConfigError
from tsseq.naming import KnowsOtherNames


class Head(KnowsOtherNames, BaseEstimator, ABC):
    """Meaning of the last layer; abstract.

    A subclass gives a loss and a point forecast; with `icdf` it has quantiles and samples too.

    ``scalings`` are the scalings of targets that it can be used with, ``lowest`` and ``highest`` bound the targets that
    it allows. ``weighted`` says whether errors of all series count in their standard deviations.
    """

    scalings: ClassVar[tuple[str, ...]] = ("last", "standard", "mean", "none")
    lowest: ClassVar[float] = -math.inf
    highest: ClassVar[float] = math.inf

    @property
    @abstractmethod
    def n_params(self) -> int:
        """Numbers that the last layer gives for every value forecast."""

    @property
    def weighted(self) -> bool:
        """See `Head`."""
        return True

    @abstractmethod
    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Loss (B, H, C) of every value; ``target`` (B, H, C) is scaled by ``loc, scale`` (B, C)."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Point forecast (B, H, C)."""

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Values (..., B, H, C) that are not exceeded with probability ``level`` (..., B, H, C), which is in 0..1.

        ``scale`` (B, C) is that of the windows.
        """
        raise ConfigError(f"{type(self).__name__} has no quantiles; use head=Quantiles([...]), Normal() or StudentT().")

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """Quantiles (B, H, C, len(levels)), never crossing; ``scale`` (B, C) is that of the windows."""
        asked = np.asarray(levels, dtype=float)
        if not ((asked > 0) & (asked < 1)).all():
            raise ConfigError(f"levels={list(levels)} must lie between 0 and 1.")
        level = params.new_tensor(asked).reshape(-1, 1, 1, 1).expand(-1, *params.shape[:-1])  # (Q, B, H, C)
        return self.icdf(params, level, scale).movedim(0, -1)

    def sample(self, params: Tensor, n: int, scale: Tensor) -> Tensor:
        """Draws (n, B, H, C), independent of one another."""
        return self.icdf(params, torch.rand(n, *params.shape[:-1], device=params.device).clamp(1e-6, 1 - 1e-6), scale)


class Point(Head):
    """A point forecast.

    Parameters
    ----------
    loss_name : "mae" (the forecast is a median), "mse" (a mean) or "huber", in standard deviations of each series;
        "mase", the absolute error in each series' own typical change over the horizon, so that all series count alike;
        or "smape", ``|y - f| / (|y| + |f|)`` in units of the data.
    """

    n_params = 1

    def __init__(self, loss_name: str = "mae") -> None:
        self.loss_name = loss_name

    @property
    def weighted(self) -> bool:
        """See `Head`."""
        return self.loss_name not in ("mase", "smape")

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        losses: dict[str, Any] = {"mae": functional.l1_loss, "mse": functional.mse_loss, "huber": functional.huber_loss}
        losses["mase"] = functional.l1_loss
        found = self.mean(params)
        if self.loss_name == "smape":
            unit, zero = scale[:, None], loc[:, None]  # (B, 1, C)
            size = (target * unit + zero).abs() + (found * unit + zero).abs()
            return ((target - found) * unit).abs() / size.clamp(min=1e-12)
        if self.loss_name not in losses:
            known = ", ".join(map(repr, [*losses, "smape"]))
            raise ConfigError(f"Point({self.loss_name!r}) is unknown; it is one of {known}.")
        return losses[self.loss_name](found, target, reduction="none")

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return params[..., 0]


class Quantiles(Head):
    """Quantiles that cannot cross: the median and, outwards from it, positive steps.

    Trained with the pinball loss. Levels inside the trained range are interpolated; the point forecast is the median.

    Parameters
    ----------
    levels : quantile levels in 0..1 to train; 0.5 is always added.
    """

    def __init__(self, levels: Sequence[float] = (0.1, 0.5, 0.9)) -> None:
        self.levels = levels

    @property
    def trained(self) -> list[float]:
        """The sorted levels, with the median."""
        levels = sorted({0.5, *map(float, self.levels)})
        if not 0 < levels[0] <= levels[-1] < 1:
            raise ConfigError(f"levels={self.levels} must lie between 0 and 1.")
        return levels

    @property
    def n_params(self) -> int:
        """See `Head`."""
        return len(self.trained)

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        error = target[..., None] - self._values(params)  # (B, H, C, Q)
        levels = torch.tensor(self.trained, dtype=error.dtype, device=error.device)
        return torch.maximum(levels * error, (levels - 1) * error).mean(-1)

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return self._values(params)[..., self.trained.index(0.5)]

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """See `Head`; a level outside the trained range is a ConfigError."""
        trained, asked = self.trained, np.asarray(levels, dtype=float)
        if (asked < trained[0]).any() or (asked > trained[-1]).any():
            found = f"levels={list(levels)} go beyond the trained ones, {trained}"
            raise ConfigError(f"{found}; train them with head=Quantiles(...).")
        return super().quantiles(params, levels, scale)

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """See `Head`; straight lines between the trained levels, and on from the outermost two."""
        values, trained = self._values(params), params.new_tensor(self.trained)
        if len(trained) == 1:
            return values[..., 0].expand_as(level)
        values = values.expand(*level.shape, len(trained))  # (..., B, H, C, Q)
        above = torch.searchsorted(trained, level.contiguous()).clamp(1, len(trained) - 1)  # (..., B, H, C)
        share = (level - trained[above - 1]) / (trained[above] - trained[above - 1])
        low, high = (values.gather(-1, index[..., None])[..., 0] for index in (above - 1, above))
        return torch.lerp(low, high, share)

    def _values(self, params: Tensor) -> Tensor:
        middle = self.trained.index(0.5)
        steps = functional.softplus(params)
        below = -steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        median = params[..., middle : middle + 1]
        return torch.cat([median + below, median, median + steps[..., middle + 1 :].cumsum(-1)], dim=-1)
