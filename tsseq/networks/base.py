"""Network: hyper-parameters that build a torch module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.hints import RejectsForeignNames, documented
from tsseq.networks.batch import Batch


@dataclass(eq=False, repr=False, kw_only=True)
class StartOptions:
    """What a network begins with.

    Parameters
    ----------
    line : bool or None, default None
        Whether the network learns only what a line does not forecast: the ridge regression of the horizon on the row.
        With None it is trained with and without, and what forecasts the validation rows better is kept; without
        validation rows, there is no line.
    series_embedding : bool or None, default None
        Whether the network learns a vector for each series, so that series may differ in character. None is yes for 2
        to 1,000 series (or targets that are series of their own) with at least 100 training windows each, unless lines
        of their own forecast the validation rows worse than a common one.
    """

    line: bool | None = None
    series_embedding: bool | None = None


@documented
@dataclass(eq=False, repr=False)
class Network(RejectsForeignNames, StartOptions, BaseEstimator, ABC):
    """Hyper-parameters of an architecture, as a small estimator that builds a torch module; abstract.

    Attributes
    ----------
    learning_rate : float
        Rate that suits the network, used where `Training` has none (default: 1e-3); a class attribute.

    Notes
    -----
    To write a network of your own, derive a class whose constructor only stores hyper-parameters, as a dataclass
    does, and whose `build` returns a torch module. The module's ``forward(batch)`` is given a `Batch` and returns
    either

    - ``params``, a tensor (B, H, C, n_params): H is ``layout.horizon``, C ``layout.n_targets``; the head says what
      the ``n_params`` numbers of each value mean; or
    - ``(params, penalty)``: in training, ``penalty``, a scalar or a tensor (B,), is added to the loss (a
      regulariser, a reconstruction error). It is ignored elsewhere.

    What the module must keep to:

    - The context of a batch may be shorter than ``layout.context_length``, never longer: series that begin late come
      without the rows before they begin. A module with an attribute ``unit`` is given contexts whose length is a
      multiple of it, wherever the series is long enough.
    - Values are scaled already, and 0 where missing; ``batch.observed`` says where.
    - Nothing is stored during ``forward``, and no row of a batch reads another.
    - Categories are channels of numbers by then, and need nothing.

    If the module also has ``attention(batch)``, which returns how much every step of the horizon looks at every row of
    the context, (B, H, L), the network says so by ``has_attention``. A module that reads its own forecasts is an
    `Autoregressive`. `tsseq.networks.layers` has blocks to build on.

    Examples
    --------
    A network and a head of one's own (`Head` says what a head needs): a GRU over single rows, and the expectile, which
    is the mean if errors above and below count alike.

    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> from torch import nn
    >>> from tsseq import Head, Network, NeuralRegressor, Training
    >>> class Module(nn.Module):
    ...     def __init__(self, hidden_size, layout, n_params):
    ...         super().__init__()
    ...         self.shape = (layout.horizon, layout.n_targets, n_params)
    ...         self.cell = nn.GRU(layout.n_targets, hidden_size, batch_first=True)
    ...         self.read = nn.Linear(hidden_size, layout.n_outputs * n_params)
    ...     def forward(self, batch):
    ...         _, state = self.cell(batch.values.target)  # (1, B, hidden)
    ...         return self.read(state[0]).unflatten(1, self.shape)
    >>> @dataclass(eq=False, repr=False)
    ... class Small(Network):
    ...     hidden_size: int = 8
    ...     def build(self, layout, n_params):
    ...         return Module(self.hidden_size, layout, n_params)
    >>> @dataclass(eq=False, repr=False)
    ... class Expectile(Head):
    ...     level: float = 0.5
    ...     n_params = 1
    ...     def loss(self, params, target, loc, scale):
    ...         error = target - params[..., 0]
    ...         return (self.level - (error < 0).float()).abs() * error.square()
    ...     def mean(self, params):
    ...         return params[..., 0]
    >>> X, y = np.random.default_rng(0).normal(size=(2, 200, 6))
    >>> training = Training(max_epochs=2, learning_rate=0.01, verbose=False)
    >>> model = NeuralRegressor(Small(), Expectile(0.9), training).fit(X, y[:, 0])
    >>> bool((model.predict(X) > y[:, 0]).mean() > 0.6)  # most values lie below
    True
    """

    load_argument: ClassVar[str] = "networks"  # of `tsseq.load`, for classes of your own
    learning_rate: ClassVar[float] = 1e-3

    @property
    def has_attention(self) -> bool:
        """Whether the module that `build` makes has ``attention``."""
        return False

    @abstractmethod
    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module.

        Parameters
        ----------
        layout : Layout
            Sizes of the rows: rows of context and horizon, channels of targets and covariates.
        n_params : int
            Outputs per value that is forecast, as many as the head asks for.

        Returns
        -------
        torch.nn.Module
            A module whose ``forward(batch)`` gives (B, horizon, n_targets, n_params).
        """


class Autoregressive(nn.Module, ABC):
    """A module that reads its own forecasts; abstract.

    Examples
    --------
    Every step is a linear map of the one before, for one target; paths go on from what was drawn.

    >>> import torch
    >>> from torch import nn
    >>> from tsseq import Layout
    >>> from tsseq.networks import Autoregressive
    >>> from tsseq.networks.batch import unflatten
    >>> class Walk(Autoregressive):
    ...     def __init__(self, layout, n_params):
    ...         super().__init__()
    ...         self.horizon, self.step = layout.horizon, nn.Linear(1, n_params)
    ...     def forward(self, batch, draw=None, copies=1):
    ...         value = batch.values.target[:, -1:].repeat_interleave(copies, dim=0)  # (B * copies, 1, 1)
    ...         steps = []
    ...         for first in range(self.horizon):
    ...             steps.append(self.step(value)[:, :, None])  # (B * copies, 1, 1, n_params)
    ...             value = steps[-1][..., 0] if draw is None else draw(steps[-1], first)
    ...         return torch.cat(steps, dim=1)
    >>> layout = Layout(context_length=24, horizon=6)
    >>> batch = unflatten(torch.zeros(4, 24), layout, torch.zeros(4), torch.zeros(4, 1), torch.ones(4, 1))
    >>> Walk(layout, n_params=2)(batch, copies=3).shape
    torch.Size([12, 6, 1, 2])
    """

    @abstractmethod
    def forward(self, batch: Batch, draw: Callable[[Tensor, int], Tensor] | None = None, copies: int = 1) -> Tensor:
        """Decode the horizon step by step, or segment by segment.

        Parameters
        ----------
        batch : Batch
            With ``batch.future`` in training, its true values may be read instead of the forecasts.
        draw : callable, optional
            ``draw(params, first)`` gives the values (B * copies, h, C) to read next for params
            (B * copies, h, C, n_params), those of the steps from ``first`` on. None takes the first parameter.
        copies : int, default 1
            Paths to decode for every series.

        Returns
        -------
        Tensor
            Parameters (B * copies, H, C, n_params), all copies of a series one after another.
        """
