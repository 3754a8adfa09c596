"""Quantiles that cannot cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsseq.arguments import check_levels
from tsseq.errors import ConfigError
from tsseq.heads.base import Head


@dataclass(eq=False, repr=False)
class Quantiles(Head):
    """Quantiles that cannot cross: the median and, outwards from it, positive steps.

    Trained with the pinball loss. Levels inside the trained range are interpolated; the point forecast is the median.

    Parameters
    ----------
    levels : sequence of float, default (0.1, 0.5, 0.9)
        Quantile levels between 0 and 1 to train; 0.5 is always added.

    Examples
    --------
    >>> from tsseq import LinearForecaster, Quantiles, Training, load_sample
    >>> model = LinearForecaster(2, 24, head=Quantiles([0.1, 0.9]), training=Training(max_steps=5, verbose=False))
    >>> model.fit(load_sample("airline")).predict(levels=[0.2, 0.8]).columns.tolist()
    ['passengers', 'passengers_q0.2', 'passengers_q0.8']
    """

    levels: Sequence[float] = (0.1, 0.5, 0.9)

    @property
    def trained_levels(self) -> list[float]:
        """The sorted levels, with the median; a ConfigError if one is not between 0 and 1."""
        check_levels(self.levels)
        return sorted({0.5, *map(float, self.levels)})

    @property
    def n_params(self) -> int:
        """One number per trained level."""
        return len(self.trained_levels)

    @property
    def location(self) -> int:
        """The median's place."""
        return self.trained_levels.index(0.5)

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Pinball loss (B, H, C), mean over the levels."""
        error = target[..., None] - self._values(params)  # (B, H, C, Q)
        levels = torch.tensor(self.trained_levels, dtype=error.dtype, device=error.device)
        return torch.maximum(levels * error, (levels - 1) * error).mean(-1)

    def mean(self, params: Tensor) -> Tensor:
        """The median, (B, H, C)."""
        return self._values(params)[..., self.location]

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """Quantiles (B, H, C, Q); a level outside of the trained range is a ConfigError."""
        check_levels(levels)
        trained, numbers = self.trained_levels, np.asarray(levels, dtype=float)
        if (numbers < trained[0]).any() or (numbers > trained[-1]).any():
            problem = f"levels={list(levels)} go beyond the trained ones, {trained}"
            raise ConfigError(f"{problem}; train them with head=Quantiles(...).")
        return super().quantiles(params, levels, scale)

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Values (..., B, H, C) on straight lines between the trained levels, and on from the outermost two."""
        values, trained = self._values(params), params.new_tensor(self.trained_levels)
        if len(trained) == 1:
            return values[..., 0].expand_as(level)
        values = values.expand(*level.shape, len(trained))  # (..., B, H, C, Q)
        above = torch.ones_like(level, dtype=torch.int64)  # (..., B, H, C)
        for inner in trained[1:-1]:
            above = above + (level > inner)
        share = (level - trained[above - 1]) / (trained[above] - trained[above - 1])
        low, high = (values.gather(-1, index[..., None])[..., 0] for index in (above - 1, above))
        return torch.lerp(low, high, share)

    def _values(self, params: Tensor) -> Tensor:
        middle = self.location
        steps = functional.softplus(params)
        below = -steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        median = params[..., middle : middle + 1]
        return torch.cat([median + below, median, median + steps[..., middle + 1 :].cumsum(-1)], dim=-1)
