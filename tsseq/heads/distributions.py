"""Heads that are probability distributions, trained by their likelihood."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor, distributions
from torch.nn import functional

from tsseq.heads.base import Head

Numbers: TypeAlias = NDArray[Any]

SMALLEST = 1e-3
LEAST = 1e-2  # of a forecast in scaled units that has a logarithm


def _deviation(params: Tensor) -> Tensor:
    return functional.softplus(params[..., 1]) + SMALLEST


class _Distribution(Head):
    """Trained with the negative log-likelihood; abstract."""

    @abstractmethod
    def _distribution(self, params: Tensor) -> Any:
        """The distribution of the scaled targets."""

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Negative log-likelihood (B, H, C)."""
        return torch.neg(self._distribution(params).log_prob(target))

    def mean(self, params: Tensor) -> Tensor:
        """The first parameter, (B, H, C)."""
        return params[..., 0]


class Normal(_Distribution):
    """Normal distribution.

    Examples
    --------
    >>> from tsseq import LinearForecaster, Normal, Training, load_sample
    >>> model = LinearForecaster(2, 24, head=Normal(), training=Training(max_steps=5, verbose=False))
    >>> model.fit(load_sample("airline")).predict(levels=[0.1, 0.9]).columns.tolist()
    ['passengers', 'passengers_q0.1', 'passengers_q0.9']
    """

    n_params = 2

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Values (..., B, H, C) at probabilities ``level``."""
        standard: Tensor = torch.special.ndtri(level)
        return params[..., 0] + _deviation(params) * standard

    def _distribution(self, params: Tensor) -> distributions.Normal:
        return distributions.Normal(params[..., 0], _deviation(params), validate_args=False)


class LogNormal(_Distribution):
    """Lognormal distribution, for amounts above 0 that vary in proportion; with ``scaling="mean"`` or "none".

    The logarithm of the scaled target is normal; the point forecast is the mean of the target itself.

    Examples
    --------
    >>> from tsseq import LinearForecaster, LogNormal, Training, load_sample
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = LinearForecaster(2, 24, scaling="mean", head=LogNormal(), training=training)
    >>> bool((model.fit(load_sample("airline")).predict(levels=[0.01]) > 0).all(axis=None))
    True
    """

    n_params = 2
    scalings = ("mean", "none")
    lowest = 1e-12

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Negative log-likelihood (B, H, C)."""
        return super().loss(params, target.clamp(min=self.lowest), loc, scale)

    def link(self, forecast: Tensor) -> Tensor:
        """The location parameter at which the head forecasts a given value: the logarithm.

        Parameters
        ----------
        forecast : Tensor
            (B, H, C) forecasts, scaled; taken as at least 0.01.

        Returns
        -------
        Tensor
            (B, H, C).
        """
        return forecast.clamp(min=LEAST).log()

    def mean(self, params: Tensor) -> Tensor:
        """The mean of the distribution, (B, H, C)."""
        return self._distribution(params).mean

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Values (..., B, H, C) at probabilities ``level``."""
        return Normal().icdf(params, level, scale).exp()

    def _distribution(self, params: Tensor) -> distributions.LogNormal:
        return distributions.LogNormal(params[..., 0], _deviation(params), validate_args=False)


class StudentT(Head):
    """Student's t with its own degrees of freedom (above 2) for every value; for heavy tails, such as returns.

    Examples
    --------
    >>> from tsseq import LinearForecaster, StudentT, Training, load_sample
    >>> model = LinearForecaster(2, 24, head=StudentT(), training=Training(max_steps=5, verbose=False))
    >>> model.fit(load_sample("airline")).predict(levels=[0.1, 0.9]).columns.tolist()
    ['passengers', 'passengers_q0.1', 'passengers_q0.9']
    """

    n_params = 3

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Negative log-likelihood (B, H, C), written out: torch's refuses NaN before a fit can say that it diverged."""
        freedom, unit = self._freedom(params), _deviation(params)
        half = (freedom + 1) / 2
        height = half.lgamma() - (freedom / 2).lgamma() - (freedom * math.pi).log() / 2 - unit.log()
        return half * (((target - params[..., 0]) / unit).square() / freedom).log1p() - height

    def mean(self, params: Tensor) -> Tensor:
        """The first parameter, (B, H, C)."""
        return params[..., 0]

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Values (..., B, H, C) at probabilities ``level``."""
        standard = special.stdtrit(self._freedom(params).cpu().double().numpy(), level.cpu().double().numpy())
        quantiles = torch.as_tensor(standard, dtype=params.dtype).to(params.device)
        return params[..., 0] + _deviation(params) * quantiles

    def _freedom(self, params: Tensor) -> Tensor:
        return 2.0 + SMALLEST + functional.softplus(params[..., 2])


class Bernoulli(_Distribution):
    """Probability that a target of 0 and 1 is 1, such as an up day; with ``scaling="none"``.

    Examples
    --------
    >>> from tsseq import Bernoulli, LinearForecaster, Training, load_sample
    >>> months = load_sample("airline")
    >>> rises = (months.diff() > 0).astype(float)
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = LinearForecaster(2, 24, scaling="none", head=Bernoulli(), training=training)
    >>> bool(model.fit(rises).predict()["passengers"].between(0, 1).all())
    True
    """

    n_params = 1
    scalings = ("none",)
    lowest, highest = 0.0, 1.0

    def link(self, forecast: Tensor) -> Tensor:
        """The location parameter at which the head forecasts a given value: the logit.

        Parameters
        ----------
        forecast : Tensor
            (B, H, C) forecasts, scaled; taken as from 0.01 to 0.99.

        Returns
        -------
        Tensor
            (B, H, C).
        """
        return forecast.clamp(LEAST, 1 - LEAST).logit()

    def mean(self, params: Tensor) -> Tensor:
        """The probability of a 1, (B, H, C)."""
        return params[..., 0].sigmoid()

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """0 or 1 at probabilities ``level``, (..., B, H, C)."""
        return (level > 1 - self.mean(params)).to(params.dtype)

    def _distribution(self, params: Tensor) -> distributions.Bernoulli:
        return distributions.Bernoulli(logits=params[..., 0], validate_args=False)


class _CountDistribution(Head):
    """Distributions of counts 0, 1, 2, ...; abstract. A scale may divide counts, but nothing may be subtracted."""

    scalings = ("mean", "none")
    lowest = 0.0

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Negative log-likelihood (B, H, C) of the counts, in units of the data."""
        unit = scale[:, None]
        return torch.neg(self._distribution(params, unit).log_prob((target * unit).round().clamp(min=0.0)))

    def link(self, forecast: Tensor) -> Tensor:
        """The location parameter at which the head forecasts a given value: the number whose softplus it is.

        Parameters
        ----------
        forecast : Tensor
            (B, H, C) forecasts, scaled; taken as at least 0.01.

        Returns
        -------
        Tensor
            (B, H, C).
        """
        forecast = forecast.clamp(min=LEAST)
        return forecast + (-torch.expm1(-forecast)).log()

    def mean(self, params: Tensor) -> Tensor:
        """The mean, (B, H, C)."""
        return functional.softplus(params[..., 0])

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Values (..., B, H, C) at probabilities ``level``; whole numbers in units of the data."""
        unit = scale[:, None].cpu().double()  # (B, 1, C)
        counts = self._ppf(params.cpu().double().numpy(), level.cpu().double().numpy(), unit.numpy())
        values = torch.as_tensor(counts) / unit
        return values if params.device.type == "cpu" else values.to(params.dtype).to(params.device)

    @abstractmethod
    def _distribution(self, params: Tensor, unit: Tensor) -> Any:
        """Distribution of the counts themselves."""

    @abstractmethod
    def _ppf(self, params: Numbers, level: Numbers, unit: Numbers) -> Numbers:
        """Quantiles (..., B, H, C) of the counts; ``params`` (B, H, C, n_params), ``unit`` (B, 1, C)."""


class Poisson(_CountDistribution):
    """Poisson distribution, for counts whose variance equals their mean; with ``scaling="mean"`` or "none".

    Examples
    --------
    >>> from tsseq import LinearForecaster, Poisson, Training, load_sample
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = LinearForecaster(2, 24, scaling="mean", head=Poisson(), training=training)
    >>> quantiles = model.fit(load_sample("airline")).predict(levels=[0.9])["passengers_q0.9"]
    >>> bool(((quantiles - quantiles.round()).abs() < 1e-9).all())
    True
    """

    n_params = 1

    def _distribution(self, params: Tensor, unit: Tensor) -> distributions.Poisson:
        return distributions.Poisson(self.mean(params) * unit + SMALLEST, validate_args=False)

    def _ppf(self, params: Numbers, level: Numbers, unit: Numbers) -> Numbers:
        return np.asarray(stats.poisson.ppf(level, np.logaddexp(0, params[..., 0]) * unit + SMALLEST))


class NegativeBinomial(_CountDistribution):
    """Negative binomial distribution, for counts that vary more than their mean (as in DeepAR: Salinas et al. 2020).

    With mean m and dispersion a, the variance is ``m + a * m ** 2``. Use ``scaling="mean"`` or "none".

    Examples
    --------
    >>> from tsseq import LinearForecaster, NegativeBinomial, Training, load_sample
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = LinearForecaster(2, 24, scaling="mean", head=NegativeBinomial(), training=training)
    >>> model.fit(load_sample("airline")).predict(levels=[0.5]).shape
    (2, 2)
    """

    n_params = 2

    def _distribution(self, params: Tensor, unit: Tensor) -> distributions.NegativeBinomial:
        mean, dispersion = self.mean(params) * unit + SMALLEST, functional.softplus(params[..., 1]) + SMALLEST
        logits = (mean * dispersion).log()
        return distributions.NegativeBinomial(1 / dispersion, logits=logits, validate_args=False)

    def _ppf(self, params: Numbers, level: Numbers, unit: Numbers) -> Numbers:
        mean = np.logaddexp(0, params[..., 0]) * unit + SMALLEST
        number = 1 / (np.logaddexp(0, params[..., 1]) + SMALLEST)
        return np.asarray(stats.nbinom.ppf(level, number, number / (number + mean)))
