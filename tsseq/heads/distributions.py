"""Heads that are probability distributions, trained by their likelihood."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor, distributions
from torch.nn import functional

from tsseq.heads.base import Head

SMALLEST = 1e-3


def _deviation(params: Tensor) -> Tensor:
    return functional.softplus(params[..., 1]) + SMALLEST


class _Distribution(Head):
    """Trained with the negative log-likelihood; abstract."""

    @abstractmethod
    def _distribution(self, params: Tensor) -> Any:
        """The distribution of the scaled targets."""

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        return -self._distribution(params).log_prob(target)

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return params[..., 0]


class Normal(_Distribution):
    """Normal distribution."""

    n_params = 2

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        found = self._distribution(params)
        return found.loc + found.scale * torch.special.ndtri(level)

    def _distribution(self, params: Tensor) -> distributions.Normal:
        return distributions.Normal(params[..., 0], _deviation(params), validate_args=False)


class LogNormal(_Distribution):
    """Lognormal distribution, for amounts above 0 that vary in proportion; with ``scaling="mean"`` or "none".

    The logarithm of the scaled target is normal; the point forecast is the mean of the target itself.
    """

    n_params = 2
    scalings = ("mean", "none")
    lowest = 1e-12

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        return super().loss(params, target.clamp(min=self.lowest), loc, scale)

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return self._distribution(params).mean

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        return Normal().icdf(params, level, scale).exp()

    def _distribution(self, params: Tensor) -> distributions.LogNormal:
        return distributions.LogNormal(params[..., 0], _deviation(params), validate_args=False)


class StudentT(Head):
    """Student's t with its own degrees of freedom (above 2) for every value; for heavy tails, such as returns."""

    n_params = 3

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`; written out, since torch's own refuses NaN before a fit can say that it diverged."""
        freedom, unit = self._freedom(params), _deviation(params)
        half = (freedom + 1) / 2
        height = half.lgamma() - (freedom / 2).lgamma() - (freedom * math.pi).log() / 2 - unit.log()
        return half * (((target - params[..., 0]) / unit).square() / freedom).log1p() - height

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return params[..., 0]

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        standard = special.stdtrit(self._freedom(params).double().cpu().numpy(), level.double().cpu().numpy())
        found = torch.as_tensor(standard, dtype=params.dtype, device=params.device)
        return params[..., 0] + _deviation(params) * found

    def _freedom(self, params: Tensor) -> Tensor:
        return 2.0 + SMALLEST + functional.softplus(params[..., 2])


class Bernoulli(_Distribution):
    """Probability that a target of 0 and 1 is 1, such as an up day; with ``scaling="none"``."""

    n_params = 1
    scalings = ("none",)
    lowest, highest = 0.0, 1.0

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`; the probability of a 1."""
        return params[..., 0].sigmoid()

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        return (level > 1 - self.mean(params)).to(params.dtype)

    def _distribution(self, params: Tensor) -> distributions.Bernoulli:
        return distributions.Bernoulli(logits=params[..., 0], validate_args=False)


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

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """See `Head`; in units of the data they are whole numbers."""
        unit = scale[:, None].double()  # (B, 1, C)
        counts = self._ppf(params.double().cpu().numpy(), level.double().cpu().numpy(), unit.cpu().numpy())
        return torch.as_tensor(counts, device=params.device) / unit

    @abstractmethod
    def _distribution(self, params: Tensor, unit: Tensor) -> Any:
        """Distribution of the counts themselves."""

    @abstractmethod
    def _ppf(self, params: np.ndarray, level: np.ndarray, unit: np.ndarray) -> np.ndarray:
        """Quantiles (..., B, H, C) of the counts; ``params`` (B, H, C, n_params), ``unit`` (B, 1, C)."""


class Poisson(_Counts):
    """Poisson distribution, for counts whose variance equals their mean; with ``scaling="mean"`` or "none"."""

    n_params = 1

    def _distribution(self, params: Tensor, unit: Tensor) -> distributions.Poisson:
        return distributions.Poisson(self.mean(params) * unit + SMALLEST, validate_args=False)

    def _ppf(self, params: np.ndarray, level: np.ndarray, unit: np.ndarray) -> np.ndarray:
        return stats.poisson.ppf(level, np.logaddexp(0, params[..., 0]) * unit + SMALLEST)


class NegativeBinomial(_Counts):
    """Negative binomial distribution, for counts that vary more than their mean (as in DeepAR: Salinas et al. 2020).

    With mean m and dispersion a, the variance is ``m + a * m ** 2``. Use ``scaling="mean"`` or "none".
    """

    n_params = 2

    def _distribution(self, params: Tensor, unit: Tensor) -> distributions.NegativeBinomial:
        mean, dispersion = self.mean(params) * unit + SMALLEST, functional.softplus(params[..., 1]) + SMALLEST
        logits = (mean * dispersion).log()
        return distributions.NegativeBinomial(1 / dispersion, logits=logits, validate_args=False)

    def _ppf(self, params: np.ndarray, level: np.ndarray, unit: np.ndarray) -> np.ndarray:
        mean = np.logaddexp(0, params[..., 0]) * unit + SMALLEST
        number = 1 / (np.logaddexp(0, params[..., 1]) + SMALLEST)
        return stats.nbinom.ppf(level, number, number / (number + mean))
