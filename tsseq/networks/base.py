"""Network: hyper-parameters that build a torch module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.hints import KnowsOtherNames
from tsseq.networks.batch import Batch


class Network(KnowsOtherNames, BaseEstimator, ABC):
    """Small estimator of hyper-parameters; its constructor only stores them.

    A network is one file: a final subclass whose `build` returns a module with
    ``forward(batch: Batch) -> (B, H, C_target, n_params)``. ``learning_rate`` is what suits it unless told otherwise.
    A module works with a batch whose context is shorter than that of its layout; if it has ``unit``, rows of such a
    context count in units of so many. One that has ``attention(batch) -> (B, H, L)`` says how much every step of the
    horizon looks at every row of the context, or ``attention(batch, draw)`` if it is `Autoregressive`;
    ``has_attention`` tells of it in advance.
    """

    load_argument: ClassVar[str] = "networks"  # of `tsseq.load`, for classes of your own
    learning_rate: ClassVar[float] = 1e-3

    @property
    def has_attention(self) -> bool:
        """Whether the module that `build` makes has ``attention``."""
        return False

    @abstractmethod
    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module for rows of ``layout``; its last layer has ``n_params`` outputs per value forecast."""


class Autoregressive(nn.Module, ABC):
    """A module that reads its own forecasts; abstract."""

    @abstractmethod
    def forward(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None, copies: int = 1) -> Tensor:
        """-> parameters (B * copies, H, C, n_params), ``copies`` of every series one after another.

        ``draw(params, first)`` says which values (B * copies, h, C) go with params (B * copies, h, C, n_params), those
        of the steps from ``first`` on; None takes the first parameter. With ``batch.future`` in training, the true
        values may be read instead.
        """
