"""Heads: what the numbers of the last layer mean.

A head turns parameters ``params`` (B, H, C, n_params) into a loss, a point forecast, quantiles and samples, all in
the units in which the network works: scaled targets.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import special, stats
from sklearn.base import BaseEstimator
from torch import Tensor, distributions
from torch.nn import functional

from tsseq.errors import ConfigError
from tsseq.naming import KnowsOtherNames

SMALLEST = 1e-3


class Head(KnowsOtherNames, BaseEstimator, ABC):
    """Meaning of the last layer; abstract.

    ``scalings`` are the scalings of targets that it can be used with, ``lowest`` is the smallest target that it allows.
    ``clips`` says that targets are numbers, of which training cuts off the extreme ones.
    """

    scalings: ClassVar[tuple[str, ...]] = ("last", "standard", "mean", "none")
    lowest: ClassVar[float] = -math.inf
    clips: ClassVar[bool] = True

    @property
    @abstractmethod
    def n_params(self) -> int:
        """Numbers that the last layer gives for every value forecast."""

    @abstractmethod
    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Loss (B, H, C) of every value; ``target`` (B, H, C) is scaled by ``loc, scale`` (B, C)."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Point forecast (B, H, C)."""

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """Quantiles (B, H, C, len(levels)), never crossing; ``scale`` (B, C) is that of the windows."""
        raise ConfigError(f"{type(self).__name__} has no quantiles; use head=Quantiles([...]), Normal() or StudentT().")


class Point(Head):
    """A point forecast.

    Parameters
    ----------
    loss_name : "mse" (the forecast is a mean), "mae" (a median) or "huber".
    """

    n_params = 1

    def __init__(self, loss_name: str = "mae") -> None:
        self.loss_name = loss_name

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        losses: dict[str, Any] = {"mse": functional.mse_loss, "mae": functional.l1_loss, "huber": functional.huber_loss}
        if self.loss_name not in losses:
            raise ConfigError(f"Point({self.loss_name!r}) is unknown; it is one of {', '.join(map(repr, losses))}.")
        return losses[self.loss_name](self.mean(params), target, reduction="none")

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
        trained = np.array(self.trained)
        asked = np.asarray(levels, dtype=float)
        if (asked < trained[0]).any() or (asked > trained[-1]).any():
            found = f"levels={list(levels)} go beyond the trained ones, {trained.tolist()}"
            raise ConfigError(f"{found}; train them with head=Quantiles(...).")
        above = np.clip(np.searchsorted(trained, asked), 1, max(len(trained) - 1, 1))
        if len(trained) == 1:
            return self._values(params).expand(*params.shape[:-1], len(asked))
        share = torch.tensor((asked - trained[above - 1]) / (trained[above] - trained[above - 1]), dtype=params.dtype)
        values = self._values(params)
        return torch.lerp(values[..., above - 1], values[..., above], share.to(params.device))

    def _values(self, params: Tensor) -> Tensor:
        middle = self.trained.index(0.5)
        steps = functional.softplus(params)
        below = -steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        median = params[..., middle : middle + 1]
        return torch.cat([median + below, median, median + steps[..., middle + 1 :].cumsum(-1)], dim=-1)


class Normal(Head):
    """Normal distribution; trained with its negative log-likelihood."""

    n_params = 2

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        return -self._distribution(params).log_prob(target)

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return params[..., 0]

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """See `Head`."""
        standard = torch.tensor(special.ndtri(_checked(levels)), dtype=params.dtype, device=params.device)
        found = self._distribution(params)
        return found.loc[..., None] + found.scale[..., None] * standard

    def sample(self, params: Tensor, n: int, scale: Tensor) -> Tensor:
        """Draws (n, B, H, C), independent between steps."""
        return self._distribution(params).sample((n,))

    def _distribution(self, params: Tensor) -> distributions.Normal:
        return distributions.Normal(params[..., 0], functional.softplus(params[..., 1]) + SMALLEST)


class StudentT(Head):
    """Student's t with its own degrees of freedom (above 2) for every value; for heavy tails, such as returns."""

    n_params = 3

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        return -self._distribution(params).log_prob(target)

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return params[..., 0]

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """See `Head`."""
        found = self._distribution(params)
        freedom = found.df.double().cpu().numpy()[..., None]
        standard = torch.tensor(special.stdtrit(freedom, _checked(levels)), dtype=params.dtype, device=params.device)
        return found.loc[..., None] + found.scale[..., None] * standard

    def sample(self, params: Tensor, n: int, scale: Tensor) -> Tensor:
        """Draws (n, B, H, C), independent between steps."""
        return self._distribution(params).sample((n,))

    def _distribution(self, params: Tensor) -> distributions.StudentT:
        freedom = 2.0 + SMALLEST + functional.softplus(params[..., 2])
        return distributions.StudentT(freedom, params[..., 0], functional.softplus(params[..., 1]) + SMALLEST)


class _Counts(Head):
    """Distributions of counts 0, 1, 2, ...; abstract. A scale may divide counts, but nothing may be subtracted."""

    scalings = ("mean", "none")
    lowest = 0.0

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        unit = scale[:, None]
        return -self._distribution(params, unit).log_prob((target * unit).round().clamp(min=0.0))

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return functional.softplus(params[..., 0])

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """See `Head`; in units of the data they are whole numbers."""
        unit = scale[:, None, :, None]
        counts = self._ppf(params.double().cpu().numpy()[..., None, :], _checked(levels), unit.double().cpu().numpy())
        return torch.tensor(counts, device=params.device, dtype=torch.float64) / unit.double()

    def sample(self, params: Tensor, n: int, scale: Tensor) -> Tensor:
        """Draws (n, B, H, C), independent between steps."""
        unit = scale[:, None]
        return self._distribution(params, unit).sample((n,)) / unit

    @abstractmethod
    def _distribution(self, params: Tensor, unit: Tensor) -> Any:
        """Distribution of the counts themselves."""

    @abstractmethod
    def _ppf(self, params: np.ndarray, levels: np.ndarray, unit: np.ndarray) -> np.ndarray:
        """Quantiles of the counts; ``params`` (B, H, C, 1, n_params), ``unit`` (B, 1, C, 1)."""


class Poisson(_Counts):
    """Poisson distribution, for counts whose variance equals their mean; with ``scaling="mean"`` or "none"."""

    n_params = 1

    def _distribution(self, params: Tensor, unit: Tensor) -> distributions.Poisson:
        return distributions.Poisson(self.mean(params) * unit + SMALLEST, validate_args=False)

    def _ppf(self, params: np.ndarray, levels: np.ndarray, unit: np.ndarray) -> np.ndarray:
        return stats.poisson.ppf(levels, np.logaddexp(0, params[..., 0]) * unit + SMALLEST)


class NegativeBinomial(_Counts):
    """Negative binomial distribution, for counts that vary more than their mean (as in DeepAR: Salinas et al. 2020).

    With mean m and dispersion a, the variance is ``m + a * m ** 2``. Use ``scaling="mean"`` or "none".
    """

    n_params = 2

    def _distribution(self, params: Tensor, unit: Tensor) -> distributions.NegativeBinomial:
        mean, dispersion = self.mean(params) * unit + SMALLEST, functional.softplus(params[..., 1]) + SMALLEST
        logits = (mean * dispersion).log()
        return distributions.NegativeBinomial(1 / dispersion, logits=logits, validate_args=False)

    def _ppf(self, params: np.ndarray, levels: np.ndarray, unit: np.ndarray) -> np.ndarray:
        mean = np.logaddexp(0, params[..., 0]) * unit + SMALLEST
        number = 1 / (np.logaddexp(0, params[..., 1]) + SMALLEST)
        return stats.nbinom.ppf(levels, number, number / (number + mean))


def _checked(levels: Sequence[float]) -> np.ndarray:
    asked = np.asarray(levels, dtype=float)
    if not ((asked > 0) & (asked < 1)).all():
        raise ConfigError(f"levels={list(levels)} must lie between 0 and 1.")
    return asked
