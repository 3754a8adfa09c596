"""NeuralRegressor: a network, a head and a way to train it, as a scikit-learn regressor over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from tsseq.data.layout import Layout
from tsseq.data.sobol import even_levels
from tsseq.data.windows import Windows, layout_of
from tsseq.errors import ConfigError, DataError
from tsseq.heads import Head, Point
from tsseq.hints import RejectsForeignNames
from tsseq.networks import LSTM, Network
from tsseq.networks.base import Autoregressive
from tsseq.training.loader import Rows, blocks
from tsseq.training.settings import Training

PATHS_AT_ONCE = 32


def _has_quantiles(regressor: NeuralRegressor) -> bool:
    return regressor.head is not None and type(regressor.head).icdf is not Head.icdf


def _has_attention(regressor: NeuralRegressor) -> bool:
    return regressor.network is not None and regressor.network.has_attention


class NeuralRegressor(RejectsForeignNames, RegressorMixin, BaseEstimator):
    """Train a sequence model on rows: windows of time series, or any table of numbers.

    Parameters
    ----------
    network : the architecture; None is `LSTM`.
    head : what its last layer means; None is ``Point()``, which forecasts the mean.
    training : how it is trained; None is ``Training()``.
    layout : how a row of a plain array divides into channels; None takes it from `Windows`, or else reads the row as
        one series with as many outputs as y has columns.

    Attributes
    ----------
    network_ : the trained torch module.
    head_ : the head in use.
    layout_ : the layout of a row.
    history_ : DataFrame with ``train_loss`` and ``val_loss`` per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from tsseq import NeuralRegressor, Training
    >>> from tsseq.networks import Linear
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> y = X @ [1.0, 2.0, 0.0, -1.0]
    >>> model = NeuralRegressor(Linear(), training=Training(verbose=False)).fit(X, y)
    >>> round(model.score(X, y), 1)
    1.0
    """

    reads_windows = True
    reads_short_contexts = True

    @property
    def reads_still_contexts(self) -> bool:
        """Whether a context that never moves is forecast too: counts of 0, and days that were all up, may change."""
        return self.head is not None and "last" not in self.head.scalings

    def __init__(
        self,
        network: Network | None = None,
        head: Head | None = None,
        training: Training | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.network = network
        self.head = head
        self.training = training
        self.layout = layout

    def fit(self, X: Any, y: Any) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : Windows, or an array (n, n_features).
        y : the windows' ``targets()``, or an array (n,) or (n, n_outputs) in the order (horizon, target).

        Raises
        ------
        ConfigError : layout and data do not fit, or a parameter makes no sense.
        TrainingDivergedError : the loss became NaN or infinite.
        """
        from tsseq.training.fitting import fit_network

        if isinstance(X, Windows):
            self.n_features_in_ = X.shape[1]
        else:
            X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        self.layout_ = layout_of(X, y) if self.layout is None else self.layout
        self.head_ = Point() if self.head is None else clone(self.head)
        self._check(X, y)
        network = LSTM() if self.network is None else self.network
        training = Training() if self.training is None else self.training
        self.one_output_ = y.ndim == 1
        self.network_, losses = fit_network(network, self.head_, training, X, y, self.layout_)
        self.history_ = pd.DataFrame(
            {name: pd.Series(values, dtype=float) for name, values in losses.items()}
        ).rename_axis("epoch")
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Point forecasts (n, horizon * n_targets), or (n,) if y was one column; scaled as X is."""
        found = self._through(X, lambda params, batch: self.head_.mean(params))
        return found.reshape(-1) if self.one_output_ else found.reshape(len(found), -1)

    @available_if(_has_quantiles)
    def predict_quantiles(self, X: Any, levels: Sequence[float]) -> NDArray[np.float64]:
        """Quantiles (n, horizon * n_targets, len(levels)); only there when the head has them.

        Those of a network that reads its own forecasts are of 256 paths.
        """
        check_is_fitted(self, "network_")
        if not isinstance(self.network_.core, Autoregressive):
            found = self._through(X, lambda params, batch: self.head_.quantiles(params, levels, batch.scale))
            return found.reshape(len(found), self.layout_.n_outputs, len(levels))
        self.head_.quantiles(torch.zeros(1, 1, 1, self.head_.n_params), levels, torch.ones(1, 1))  # checks the levels
        paths = self.sample(X, even_levels(self.layout_.n_outputs)[:, None])
        found = np.quantile(paths, levels, axis=0)  # (Q, n, steps)
        return np.moveaxis(found, 0, -1)

    @available_if(_has_quantiles)
    def sample(self, X: Any, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Paths (n_paths, n, horizon * n_targets), scaled as X is; only there when the head has quantiles.

        Parameters
        ----------
        X : Windows, or an array (n, n_features).
        level : uniform random numbers (n_paths, n, horizon * n_targets) in 0..1; (n_paths, 1, ...) are shared by all
            rows. A network that reads its own forecasts goes on from each draw; any other joins its steps as those of
            a random walk are joined.
        """
        check_is_fitted(self, "network_")
        shape = (self.layout_.horizon, self.layout_.n_targets)
        drawn = torch.tensor(level, dtype=torch.float32).clamp(1e-6, 1 - 1e-6).unflatten(2, shape)
        drawn = drawn.expand(-1, len(X), -1, -1)  # (n_paths, n, H, C)
        parts = []
        for paths in drawn.split(PATHS_AT_ONCE):
            parts.append(self._run(X, lambda batch, rows, paths=paths: self.network_.sample(batch, paths[:, rows]), 1))
        return np.concatenate(parts).reshape(len(level), len(X), -1)

    @available_if(_has_attention)
    def attention(self, X: Any) -> NDArray[np.float64]:
        """How much every step looks at every row of the context: (n, horizon, context_length), each step's sum is 1."""
        return self._run(X, lambda batch, rows: self.network_.attention(batch))

    def _through(self, X: Any, read: Any) -> NDArray[np.float64]:
        """Run the network over all rows and ``read`` its parameters."""
        return self._run(X, lambda batch, rows: read(self.network_(batch).float(), batch))

    def _run(self, X: Any, function: Any, axis: int = 0) -> NDArray[np.float64]:
        """Call ``function(batch, rows)`` on all rows, a few at a time, and join what it returns along ``axis``."""
        check_is_fitted(self, "network_")
        if not isinstance(X, Windows):
            X = validate_data(self, X, reset=False, dtype=np.float64)
        every = Rows(X, None, self.layout_, torch.device("cpu"))
        with torch.inference_mode():
            parts = [function(batch, rows) for batch, rows in blocks(every)]
        return torch.cat(parts, dim=axis).narrow(axis, 0, len(X)).double().numpy()

    def _check(self, X: Any, y: Any) -> None:
        columns = 1 if y.ndim == 1 else y.shape[1]
        if (X.shape[1], columns) != (self.layout_.width, self.layout_.n_outputs):
            wanted = f"{self.layout_.width} columns of X and {self.layout_.n_outputs} of y"
            raise ConfigError(f"{self.layout_} needs {wanted}; there are {X.shape[1]} and {columns}.")
        name, kind = type(self.head_).__name__, X.scaling.kind if isinstance(X, Windows) else "none"
        if kind not in self.head_.scalings:
            raise ConfigError(f"head={name} needs scaling={' or '.join(map(repr, self.head_.scalings))}, not {kind!r}.")
        if (
            isinstance(self.head_, Point)
            and self.head_.loss_name == "smape"
            and isinstance(X, Windows)
            and X.scaling.log
        ):
            raise ConfigError("Point('smape') is no error of logarithms; with log=True, 'mae' is relative already.")
        if self.head_.lowest > -np.inf and np.nanmin(y) < self.head_.lowest:
            raise DataError(f"head={name} needs targets of at least {self.head_.lowest:g}; there is {np.nanmin(y):g}.")
        if self.head_.highest < np.inf and np.nanmax(y) > self.head_.highest:
            raise DataError(f"head={name} needs targets of at most {self.head_.highest:g}; there is {np.nanmax(y):g}.")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
