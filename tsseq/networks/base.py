"""Network: hyper-parameters that build a torch module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from sklearn.base import BaseEstimator
from torch import nn

from tsseq.data.rows import Layout
from tsseq.naming import KnowsOtherNames


class Network(KnowsOtherNames, BaseEstimator, ABC):
    """Small estimator of hyper-parameters; its constructor only stores them.

    A network is one file: a final subclass whose `build` returns a module with
    ``forward(batch: Batch) -> (B, H, C_target, n_params)``. ``learning_rate`` is what suits it unless told otherwise.
    """

    learning_rate: ClassVar[float] = 1e-3

    @abstractmethod
    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module for rows of ``layout``; its last layer has ``n_params`` outputs per value forecast."""
