"""Heads: what the numbers of the last layer mean.

A head turns parameters ``params`` (B, H, C, n_params) into a loss, a point forecast, quantiles and samples, all in
the units in which the network works: scaled targets. Distributions are in `tsseq.heads.distributions`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from tsseq.errors import ConfigError
from tsseq.hints import KnowsOtherNames


class Head(KnowsOtherNames, BaseEstimator, ABC):
    """Meaning of the last layer; abstract.

    A subclass gives a loss and a point forecast; with `icdf` it has quantiles and samples too.

    ``scalings`` are the scalings of targets that it can be used with, ``lowest`` and ``highest`` bound the targets that
    it allows. ``weighted`` says whether errors of all series count in their standard deviations.
    """

    load_argument: ClassVar[str] = "heads"  # of `tsseq.load`, for classes of your own
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
