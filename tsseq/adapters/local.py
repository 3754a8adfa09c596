"""Models of single series from sktime, statsforecast and skforecast, as regressors over rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from tsseq.arguments import check_levels
from tsseq.data.windows import RowNeeds
from tsseq.errors import ConfigError, DataError
from tsseq.forecasting.naive import ContextRegressor
from tsseq.typing import Array, Index

Run: TypeAlias = Callable[[Any, Array, int, Sequence[float]], Array]


class LocalModel(ContextRegressor):
    """A model of one series, fitted anew on the context of every forecast: ETS, Theta, ARIMA, ...

    In a `Forecaster` it stands beside networks and naive forecasts in a `tsseq.backtest`, goes into a
    `ConformalForecaster` or an `EnsembleForecaster`, and forecasts frames of any shape. Every forecast is made by a
    copy of the model that is fitted on the last ``context_length`` rows up to the origin, or on as many as there are:
    `fit` learns nothing, and the model sees values, without timestamps or covariates.

    Parameters
    ----------
    model : forecaster of sktime, model of statsforecast, or forecaster of skforecast
        Not fitted, such as ``statsforecast.models.AutoETS(season_length=12)``,
        ``sktime.forecasting.theta.ThetaForecaster(sp=12)`` or
        ``skforecast.recursive.ForecasterRecursive(estimator=Ridge(), lags=12)``; it is not changed.

    Attributes
    ----------
    layout_ : Layout
        How rows are laid out.
    n_features_in_ : int
        Columns of a row.

    Raises
    ------
    ConfigError
        The model is of none of these libraries.

    Examples
    --------
    Anything with one of their three interfaces will do; this one has that of statsforecast:

    >>> import numpy as np
    >>> from tsseq import Forecaster, load_sample
    >>> from tsseq.adapters import LocalModel
    >>> class LastChange:
    ...     def forecast(self, y, h):
    ...         return {"mean": y[-1] + (y[-1] - y[-2]) * np.arange(1, h + 1)}
    >>> model = Forecaster(LocalModel(LastChange()), horizon=2, context_length=24)
    >>> model.fit(load_sample("airline")).predict()["passengers"].tolist()
    [474.0, 516.0]
    """

    row_needs = RowNeeds(reads_windows=True, short_contexts=True, scaling="none")

    def __init__(self, model: Any) -> None:
        self.model = model

    def _check(self) -> None:
        _library_of(self.model)

    def _continue(self, context: Array, steps: Index) -> Array:
        return self._run(context, len(steps), [])[..., 0]

    @available_if(lambda self: _has_quantiles(self.model))
    def predict_quantiles(self, X: Any, levels: Sequence[float]) -> Array:
        """Quantiles by the model's own intervals; only there where it has some.

        Parameters
        ----------
        X : Windows or array of shape (n, context_length)
            Rows as in `fit`.
        levels : sequence of float
            Quantile levels in 0..1.

        Returns
        -------
        ndarray of shape (n, horizon * n_targets, len(levels))
            In the units of ``X``.

        Raises
        ------
        ConfigError
            A level is not between 0 and 1.
        """
        check_is_fitted(self)
        check_levels(levels)
        quantiles = self._run(self._contexts(X), self.layout_.horizon, levels)[..., 1:]  # (n * n_targets, H, Q)
        steps = quantiles.reshape(-1, self.layout_.n_targets, self.layout_.horizon, len(levels)).swapaxes(1, 2)
        return steps.reshape(len(steps), -1, len(levels))

    def _run(self, context: Array, horizon: int, levels: Sequence[float]) -> Array:
        """(n, L) -> (n, H, 1 + Q) point forecasts and quantiles."""
        run = _library_of(self.model)
        values = np.empty((len(context), horizon, 1 + len(levels)))
        for row, answer in zip(context, values):
            observed = row[np.argmax(np.isfinite(row)) :]  # without the rows before the series begins
            if np.isnan(observed).any():
                what = f"{int(np.isnan(observed).sum())} values are missing in a context of {type(self.model).__name__}"
                raise DataError(f"{what}; fill them first, as with frame.interpolate() or tsseq.regularize.")
            answer[:] = run(deepcopy(self.model), observed, horizon, levels)
        return values


def _library_of(model: Any) -> Run:
    """What fits a model and forecasts, by the interface that it has."""
    if isinstance(model, type):
        raise ConfigError(f"model={model.__name__} is a class; write {model.__name__}(...).")
    for method, argument, run in (
        ("forecast", "h", _statsforecast),
        ("predict", "fh", _sktime),
        ("predict", "steps", _skforecast),
    ):
        if argument in inspect.signature(getattr(model, method, lambda: None)).parameters:
            return run
    raise ConfigError(f"a forecaster of sktime, statsforecast or skforecast was needed, not {model!r}.")


def _has_quantiles(model: Any) -> bool:
    run = _library_of(model)
    if run is _statsforecast:
        return "level" in inspect.signature(model.forecast).parameters
    return bool(model.get_tag("capability:pred_int", False)) if run is _sktime else hasattr(model, "predict_quantiles")


def _statsforecast(model: Any, y: Array, horizon: int, levels: Sequence[float]) -> Array:
    """(H, 1 + Q); the ends of central intervals are its quantiles."""
    shares = {level: round(100 * abs(2 * level - 1), 6) for level in levels}
    options = {"level": sorted(set(shares.values()) - {0.0})} if set(shares.values()) - {0.0} else {}
    answer = model.forecast(y=y, h=horizon, **options)
    names = [f"{'lo' if level < 0.5 else 'hi'}-{share}" if share else "mean" for level, share in shares.items()]
    return np.column_stack([answer[name] for name in ["mean", *names]])


def _sktime(model: Any, y: Array, horizon: int, levels: Sequence[float]) -> Array:
    """(H, 1 + Q)."""
    steps = np.arange(1, horizon + 1)
    model.fit(pd.Series(y, name="y"), fh=steps)
    point = np.asarray(model.predict(fh=steps), dtype=float).reshape(horizon, 1)
    return np.hstack([point, model.predict_quantiles(fh=steps, alpha=list(levels))]) if len(levels) else point


def _skforecast(model: Any, y: Array, horizon: int, levels: Sequence[float]) -> Array:
    """(H, 1 + Q)."""
    model.fit(y=pd.Series(y, name="y"), **({"store_in_sample_residuals": True} if len(levels) else {}))
    point = np.asarray(model.predict(steps=horizon), dtype=float).reshape(horizon, 1)
    return np.hstack([point, model.predict_quantiles(steps=horizon, quantiles=list(levels))]) if len(levels) else point
