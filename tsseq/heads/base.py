"""Head: the meaning of a network's last layer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from tsseq.arguments import check_levels
from tsseq.errors import ConfigError, DataError
from tsseq.hints import RejectsForeignNames


@dataclass(eq=False, repr=False)
class Head(RejectsForeignNames, BaseEstimator, ABC):
    """Meaning of the last layer of a network: its loss, point forecast, quantiles and samples; abstract.

    Attributes
    ----------
    scalings : tuple of str
        Scalings of the targets that the head can be used with, the one that suits it best first; a class attribute.
    lowest : float
        Smallest target that it allows, in units of the data (default: no bound); a class attribute.
    highest : float
        Largest target that it allows, in units of the data (default: no bound); a class attribute.

    Notes
    -----
    To write a head of your own, derive a class whose constructor only stores hyper-parameters, as a dataclass does,
    and give it

    - ``n_params``, a class attribute or a property: how many numbers the network gives for every value forecast;
    - ``loss(params, target, loc, scale)``: what training makes small, for every value;
    - ``mean(params)``: the point forecast;
    - ``icdf(params, level, scale)``, if it is a distribution: quantiles, samples and paths follow from it;
    - ``link(forecast)``, if its first parameter is not the forecast itself, and ``location``, if another one is.

    ``params`` is (B, H, C, n_params), real numbers without bounds: windows, steps of the horizon, targets. Targets and
    forecasts (B, H, C) are scaled: ``target * scale + loc`` is in units of the data, with ``loc`` and ``scale`` (B, C).
    A missing target is 0 there, and its loss does not count.

    Examples
    --------
    The logistic distribution, whose quantiles are known in closed form (`Network` has an example of both):

    >>> from tsseq import Head, LinearForecaster, Training, load_sample
    >>> class Logistic(Head):
    ...     n_params = 2
    ...     def loss(self, params, target, loc, scale):
    ...         z = (target - params[..., 0]) / params[..., 1].exp()
    ...         return z + 2 * (-z).exp().log1p() + params[..., 1]
    ...     def mean(self, params):
    ...         return params[..., 0]
    ...     def icdf(self, params, level, scale):
    ...         return params[..., 0] + params[..., 1].exp() * level.logit()
    >>> model = LinearForecaster(2, 24, head=Logistic(), training=Training(max_steps=5, verbose=False))
    >>> model.fit(load_sample("airline")).predict(levels=[0.1, 0.9]).columns.tolist()
    ['passengers', 'passengers_q0.1', 'passengers_q0.9']
    """

    load_argument: ClassVar[str] = "heads"  # of `tsseq.load`, for classes of your own
    scalings: ClassVar[tuple[str, ...]] = ("last", "adaptive", "standard", "mean", "none")
    lowest: ClassVar[float] = -math.inf
    highest: ClassVar[float] = math.inf

    @property
    @abstractmethod
    def n_params(self) -> int:
        """Numbers that the last layer gives for every value forecast."""

    @property
    def weighted(self) -> bool:
        """Whether an error counts in standard deviations of its series, not in those of the scaled targets."""
        return True

    @abstractmethod
    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Loss of every value, which training makes small.

        Parameters
        ----------
        params : Tensor
            (B, H, C, n_params) from the last layer.
        target : Tensor
            (B, H, C) scaled targets.
        loc : Tensor
            (B, C) location of the targets, in units of the data.
        scale : Tensor
            (B, C) scale of the targets, in units of the data.

        Returns
        -------
        Tensor
            (B, H, C).
        """

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Point forecast.

        Parameters
        ----------
        params : Tensor
            (B, H, C, n_params) from the last layer.

        Returns
        -------
        Tensor
            (B, H, C), scaled.
        """

    @property
    def location(self) -> int:
        """Which of the parameters says where the forecast lies (default: the first)."""
        return 0

    def link(self, forecast: Tensor) -> Tensor:
        """The location parameter at which a head forecasts a given value: the value itself, unless a head says more.

        Parameters
        ----------
        forecast : Tensor
            (B, H, C) forecasts, scaled.

        Returns
        -------
        Tensor
            (B, H, C).
        """
        return forecast

    def shift(self, params: Tensor, forecast: Tensor, share: Tensor) -> Tensor:
        """Move parameters, so that those whose location is 0 forecast a given value.

        Parameters
        ----------
        params : Tensor
            (B, H, C, n_params) from the last layer.
        forecast : Tensor
            (B, H, C), scaled; the forecast of a line, beside which a network learns the rest.
        share : Tensor
            A number that the location is multiplied by before.

        Returns
        -------
        Tensor
            (B, H, C, n_params).
        """
        location = params[..., self.location] * share + self.link(forecast)
        if self.n_params == 1:
            return location[..., None]
        place = torch.arange(self.n_params, device=params.device) == self.location
        return torch.where(place, location[..., None], params)

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Values that are not exceeded with a given probability, the inverse of the distribution function.

        Parameters
        ----------
        params : Tensor
            (B, H, C, n_params) from the last layer.
        level : Tensor
            (..., B, H, C) probabilities in 0..1.
        scale : Tensor
            (B, C) scale of the targets, in units of the data.

        Returns
        -------
        Tensor
            (..., B, H, C), scaled.

        Raises
        ------
        ConfigError
            The head is not a distribution.
        """
        raise ConfigError(f"{type(self).__name__} has no quantiles; use head=Quantiles([...]), Normal() or StudentT().")

    def quantiles(self, params: Tensor, levels: Sequence[float], scale: Tensor) -> Tensor:
        """Quantiles, which never cross.

        Parameters
        ----------
        params : Tensor
            (B, H, C, n_params) from the last layer.
        levels : sequence of float
            Q levels between 0 and 1.
        scale : Tensor
            (B, C) scale of the targets, in units of the data.

        Returns
        -------
        Tensor
            (B, H, C, Q), scaled.

        Raises
        ------
        ConfigError
            A level is not between 0 and 1, or the head has no quantiles.
        """
        check_levels(levels)
        numbers = params.new_tensor(np.asarray(levels, dtype=float))
        level = numbers.reshape(-1, 1, 1, 1).expand(-1, *params.shape[:-1])  # (Q, B, H, C)
        return self.icdf(params, level, scale).movedim(0, -1)

    def sample(self, params: Tensor, n: int, scale: Tensor) -> Tensor:
        """Draws, independent of one another.

        Parameters
        ----------
        params : Tensor
            (B, H, C, n_params) from the last layer.
        n : int
            Number of draws.
        scale : Tensor
            (B, C) scale of the targets, in units of the data.

        Returns
        -------
        Tensor
            (n, B, H, C), scaled.
        """
        return self.icdf(params, torch.rand(n, *params.shape[:-1], device=params.device).clamp(1e-6, 1 - 1e-6), scale)

    def check(self, kind: str, log: bool, lowest: float, highest: float) -> None:
        """Refuse targets that the head has no meaning for.

        Parameters
        ----------
        kind : str
            How the targets are scaled: "last", "adaptive", "standard", "mean" or "none".
        log : bool
            Whether they are logarithms.
        lowest : float
            Smallest target.
        highest : float
            Largest target.

        Raises
        ------
        ConfigError
            The head cannot be used with this scaling, or with logarithms.
        DataError
            A target lies outside of the bounds of the head.
        """
        name = type(self).__name__
        if kind not in self.scalings:
            raise ConfigError(f"head={name} needs scaling={' or '.join(map(repr, self.scalings))}, not {kind!r}.")
        if lowest < self.lowest:
            raise DataError(f"head={name} needs targets of at least {self.lowest:g}; there is {lowest:g}.")
        if highest > self.highest:
            raise DataError(f"head={name} needs targets of at most {self.highest:g}; there is {highest:g}.")
