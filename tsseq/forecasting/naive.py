"""Naive forecasts as regressors over rows: what every model has to beat.

They read the target's context at the head of a row (see `tsseq.data.layout.Layout`) and ignore covariates. As rows
shift and stretch, so do these forecasts; they can stand in any `Forecaster`.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from tsseq.arguments import check_values
from tsseq.data.layout import Layout
from tsseq.data.windows import RowNeeds, Windows
from tsseq.errors import ConfigError
from tsseq.persistence.state import State, check_arrays
from tsseq.typing import Array, Index


class ContextRegressor(RegressorMixin, BaseEstimator):
    """Reads the context of each row; abstract. A subclass says what follows it."""

    row_needs = RowNeeds(reads_windows=True)
    pretrained_until = None  # on nothing: a rule

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Remember the layout of the rows; nothing else is learnt.

        Parameters
        ----------
        X : Windows or array of shape (n, context_length)
            Rows whose first columns are the context of the targets.
        y : Targets or array of shape (n,) or (n, horizon)
            Only looked at for its shape.
        sample_weight : None or array of shape (n,)
            Ignored: there is nothing to weigh.

        Returns
        -------
        self
            Fitted.
        """
        if isinstance(X, Windows):
            self.layout_ = X.layout
        else:
            X, y = validate_data(self, X, y, multi_output=True, ensure_all_finite="allow-nan")
            self.layout_ = Layout(X.shape[1], 1 if y.ndim == 1 else y.shape[1])
        self.n_features_in_ = X.shape[1]
        self._check()
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Do what `fit` does, since nothing is learnt.

        Parameters
        ----------
        X : Windows or array of shape (n, context_length)
            Rows as in `fit`.
        y : Targets or array of shape (n,) or (n, horizon)
            Only looked at for its shape.
        sample_weight : None or array of shape (n,)
            Ignored.

        Returns
        -------
        self
            Fitted.
        """
        return self.fit(X, y)

    def predict(self, X: Any) -> Array:
        """Forecast every row.

        Parameters
        ----------
        X : Windows or array of shape (n, context_length)
            Rows as in `fit`.

        Returns
        -------
        ndarray of shape (n, horizon * n_targets) or (n,)
            In the units of ``X``.
        """
        check_is_fitted(self)
        layout, context = self.layout_, self._contexts(X)
        forecast = self._continue(context, np.arange(1, layout.horizon + 1))  # (n * n_targets, H)
        steps = forecast.reshape(-1, layout.n_targets, layout.horizon).swapaxes(1, 2)
        return steps.reshape(len(steps), -1) if layout.n_outputs > 1 else steps.reshape(-1)

    def _contexts(self, X: Any) -> Array:
        """(n * n_targets, L) the past of every target."""
        if not isinstance(X, Windows):
            X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        rows = np.asarray(X)[:, : self.layout_.n_targets * self.layout_.context_length]
        return rows.reshape(-1, self.layout_.context_length)

    def _check(self) -> None:
        """Refuse parameters that do not go with the layout."""

    def _continue(self, context: Array, steps: Index) -> Array:
        raise AssertionError("abstract")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags

    def to_state(self) -> State:
        """The layout of the rows, for a model file.

        Returns
        -------
        State
            Its parameters and the layout.
        """
        return State(type(self), {"parameters": self, "layout": self.layout_})

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Make the regressor of a model file again.

        Parameters
        ----------
        state : State
            What `to_state` gave, as far as it was read from a file: nothing in it is trusted.

        Returns
        -------
        Self
            Fitted.

        Raises
        ------
        ValueError
            If parts are missing, or do not fit together.
        """
        check_arrays(state.arrays, {})
        model: Self = state.value("parameters", cls)
        state.check_names("parameters", "layout")
        model.layout_ = state.value("layout", Layout)
        check_values(model.layout_)
        model.n_features_in_ = model.layout_.width
        model._check()
        return model


class LastValue(ContextRegressor):
    """Repeat the last observed value: the random walk, and the naive forecast that scores are measured against.

    It also repeats categories.

    Examples
    --------
    >>> from tsseq import LastValue
    >>> LastValue().fit([[1.0, 2.0]], [[0.0, 0.0]]).predict([[3.0, 5.0]])
    array([[5., 5.]])
    """

    row_needs = RowNeeds(reads_windows=True, classes=True)

    def _continue(self, context: Array, steps: Index) -> Array:
        return np.repeat(_last_observed(context)[0][:, None], len(steps), axis=1)


class SeasonalNaive(ContextRegressor):
    """Repeat the last season, of numbers or of categories.

    Parameters
    ----------
    season_length : int
        Rows in a season, at most the context length.

    Examples
    --------
    >>> from tsseq import SeasonalNaive
    >>> SeasonalNaive(2).fit([[1.0, 2.0, 3.0]], [[0.0] * 3]).predict([[7.0, 8.0, 9.0]])
    array([[8., 9., 8.]])
    """

    row_needs = RowNeeds(reads_windows=True, classes=True)

    def __init__(self, season_length: int = 1) -> None:
        self.season_length = season_length

    def _check(self) -> None:
        length = self.layout_.context_length
        if not isinstance(self.season_length, (int, np.integer)) or not 1 <= self.season_length <= length:
            wanted = f"must be 1 to context_length={length}; raise context_length"
            raise ConfigError(f"season_length={self.season_length} {wanted}.")

    def _continue(self, context: Array, steps: Index) -> Array:
        season = self.season_length
        lacking = -context.shape[1] % season
        padded = np.pad(context, ((0, 0), (lacking, 0)), constant_values=np.nan)
        by_phase = padded.reshape(len(context), -1, season).swapaxes(1, 2)  # (n, season, seasons)
        last = _last_observed(by_phase.reshape(len(context) * season, -1))[0].reshape(-1, season)
        last = np.where(np.isnan(last), _last_observed(context)[0][:, None], last)
        return last[:, (steps - 1) % season]


class Drift(ContextRegressor):
    """Go on by the average change over the context: the line through its first and last value.

    Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2.

    Examples
    --------
    >>> from tsseq import Drift
    >>> Drift().fit([[1.0, 2.0]], [[0.0, 0.0]]).predict([[3.0, 5.0]])
    array([[7., 9.]])
    """

    def _continue(self, context: Array, steps: Index) -> Array:
        last, since = _last_observed(context)
        first, until = _last_observed(context[:, ::-1])
        rows_between = context.shape[1] - 1 - since - until
        slope = (last - first) / np.maximum(rows_between, 1)
        return np.asarray(last[:, None] + slope[:, None] * (since[:, None] + steps))


class Mean(ContextRegressor):
    """The mean of the context.

    Examples
    --------
    >>> from tsseq import Mean
    >>> Mean().fit([[1.0, 2.0]], [[0.0, 0.0]]).predict([[3.0, 5.0]])
    array([[4., 4.]])
    """

    def _continue(self, context: Array, steps: Index) -> Array:
        observed = np.isfinite(context)
        if observed.all():
            return np.repeat(context.sum(axis=1, keepdims=True) / context.shape[1], len(steps), axis=1)
        counts = np.where(observed.any(axis=1), observed.sum(axis=1), np.nan)
        mean = np.where(observed, context, 0.0).sum(axis=1) / counts
        return np.repeat(mean[:, None], len(steps), axis=1)


def _last_observed(context: Array) -> tuple[Array, Index]:
    """(n, L) -> the last observed value (n,), NaN if there is none, and how many rows after it are missing (n,)."""
    if np.isfinite(context[:, -1]).all():
        return context[:, -1].copy(), np.zeros(len(context), dtype=np.int64)
    since = np.isfinite(context)[:, ::-1].argmax(axis=1)
    return context[np.arange(len(context)), context.shape[1] - 1 - since], since
