"""Forecaster: frames in, frames out, around any regressor over rows."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted

from tsseq.data.calendar import Calendar
from tsseq.data.panel import Frame, Panel, read_known
from tsseq.data.scaling import Scaling
from tsseq.data.schema import Names, Schema
from tsseq.data.windows import Layout, Windows, check_context
from tsseq.errors import ConfigError, DataError
from tsseq.estimators.naive import LastValue
from tsseq.naming import KnowsOtherNames

Array = NDArray[np.float64]


class Forecaster(KnowsOtherNames, MetaEstimatorMixin, BaseEstimator):
    """Forecast the columns of a frame with any scikit-learn regressor, or with a `NeuralRegressor`.

    A row of the regressor's X is a window: the last ``context_length`` values (and covariates), its y the next
    ``horizon`` values, both in units of the window's own past.

    Parameters
    ----------
    regressor : any regressor; with ``horizon > 1`` one that takes a y of several columns.
    horizon : rows to forecast.
    context_length : rows of history that a forecast reads.
    target : column or columns to forecast; may be left out when there is only one, or one named "y".
    past, known, static : covariates known up to the origin, through the horizon, or with one value per series.
    id_column, time_column : names of these columns in a long frame (``unique_id`` and ``ds`` are recognised).
    calendar : how timestamps follow one another: a pandas offset or its alias, an exchange code ("XNYS"), or a dict
        of codes by id. None learns the step from the index.
    multivariate : "independent" makes every target a series of its own that shares the model; "joint" puts all of
        them in one row.
    scaling : "last" subtracts the last value and divides by one number per series, learnt in `fit`; "standard" and
        "mean" take mean and deviation, or mean size, of each context; "none".
    log : model logarithms. Prices then become log returns relative to the origin, and the point forecast is the
        median of the price where the regressor forecasts the mean of its logarithm.

    Attributes
    ----------
    regressor_ : the fitted regressor.
    scaling_ : what was learnt for scaling, on the rows given to `fit`.
    fitted_until_ : the last timestamp seen in `fit`.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample
    >>> air = load_sample("airline")
    >>> Forecaster(Ridge(), horizon=3, context_length=24, log=True).fit(air).predict().round(0)
                passengers
    1961-01-01       451.0
    1961-02-01       425.0
    1961-03-01       469.0
    """

    def __init__(
        self,
        regressor: Any,
        horizon: int,
        context_length: int,
        *,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        calendar: Calendar = None,
        multivariate: str = "independent",
        scaling: str = "last",
        log: bool = False,
    ) -> None:
        self.regressor = regressor
        self.horizon = horizon
        self.context_length = context_length
        self.target = target
        self.past = past
        self.known = known
        self.static = static
        self.id_column = id_column
        self.time_column = time_column
        self.calendar = calendar
        self.multivariate = multivariate
        self.scaling = scaling
        self.log = log

    def fit(self, frame: Frame | Panel, y: None = None) -> Self:
        """Learn from every window of ``frame``.

        Parameters
        ----------
        frame : a Series, a DataFrame with one series, a panel with a MultiIndex (id, time), a long frame with id and
            time columns, or what yfinance returns.
        y : only for pipelines; the target is a column of ``frame``.

        Raises
        ------
        DataError : the frame does not hold what is needed; the message names the first culprits.
        NotEnoughHistory : a series is shorter than ``context_length + horizon``.
        """
        if y is not None:
            raise ConfigError("the target is a column of the frame; fit takes no y.")
        windows = self.windows(frame)
        self.regressor_ = self._new_regressor()
        self._fit_regressor(windows)
        self.scaling_ = windows.scaling
        self.layout_ = windows.layout
        self.schema_ = windows.panel.schema
        self.panel_ = windows.panel.tail(self.context_length)
        self.fitted_until_ = windows.panel.times.max()
        return self

    def windows(self, frame: Frame | Panel) -> Windows:
        """The training rows of ``frame``: a lazy X whose ``targets()`` is y, for use with scikit-learn directly."""
        self._check_parameters()
        panel = self.read(frame)
        roles = panel.schema
        joint = self.multivariate == "joint"
        sizes = (len(roles.target) if joint else 1, len(roles.past), len(roles.known), len(roles.static))
        missing = bool(np.isnan(panel.values).any() or np.isnan(panel.static).any())
        layout = Layout(self.context_length, self.horizon, *sizes, missing)
        scaling = Scaling.learn(panel, self.scaling, self.log, self.horizon)
        return Windows.of(panel, layout, scaling)

    def read(self, frame: Frame | Panel) -> Panel:
        """Order and check a frame, as `fit` and `predict` do; a `Panel` that was read before passes as it is."""
        if isinstance(frame, Panel):
            return frame
        schema = self._schema()
        fitted = getattr(self, "schema_", schema)
        return Panel.from_frame(frame, replace(schema, target=schema.target or fitted.target), self.calendar)

    def predict(
        self,
        frame: Frame | Panel | None = None,
        *,
        steps: int | None = None,
        levels: Sequence[float] | None = None,
        future: Frame | None = None,
    ) -> pd.DataFrame:
        """Forecast the rows after the end of every series.

        Parameters
        ----------
        frame : history to forecast from; None means the frame given to `fit`.
        steps : rows to forecast, ``horizon`` unless told. Beyond it, each block of forecasts is appended as history.
        levels : quantile levels in 0..1; each adds a column ``<target>_q<level>``.
        future : the known covariates of the rows to come, as `make_future_frame` lays them out; more rows do no harm.

        Returns
        -------
        A frame of the shape that went in, with the next timestamps; the forecast bears the target's name.
        """
        panel = self._history(frame)
        check_context(panel, self.context_length)
        steps = self.horizon if steps is None else steps
        self._check_steps(steps, levels)
        n_blocks = -(-steps // self.horizon)
        coming = panel.tail(self.context_length).extend(n_blocks * self.horizon)
        coming = self._with_known(coming, n_blocks * self.horizon, future)
        origins = coming.indptr[1:] - n_blocks * self.horizon - 1
        found = []
        for block in range(n_blocks):
            at = origins + block * self.horizon
            found.append(self._forecast(Windows.of(coming, self.layout_, self.scaling_, at), levels))
            coming = self._appended(coming, at, found[-1][..., 0])
        forecasts = np.concatenate(found, axis=1)[:, :steps]  # (S, steps, targets, 1 + Q)
        rows = (origins[:, None] + np.arange(1, steps + 1)).ravel()
        return coming.to_frame(rows, self._columns(forecasts, levels))

    def predict_at(self, frame: Frame | Panel, cutoffs: Any, levels: Sequence[float] | None = None) -> pd.DataFrame:
        """Forecast from many origins in one pass, each knowing only the rows up to itself.

        Parameters
        ----------
        frame : history and what came after it; nothing after a cutoff is read but known covariates.
        cutoffs : timestamps of the origins. A series takes part in those at which it has a row and a whole context.
        levels : quantile levels, as in `predict`.

        Returns
        -------
        One row per (id, cutoff, step, target), with the columns ``[id,] cutoff, time, step, target, forecast`` and a
        column ``q<level>`` for every level.
        """
        panel = self._history(frame)
        cutoffs = pd.Index([cutoffs] if np.ndim(cutoffs) == 0 else cutoffs)
        panel = self._blind_after(panel, cutoffs.max())
        position = np.arange(len(panel.times)) - panel.indptr[panel.series_of_row]
        rows = np.flatnonzero(panel.times.isin(cutoffs) & (position >= self.context_length - 1))
        lost = cutoffs.difference(panel.times.take(rows))
        if len(lost):
            raise DataError(f"{len(lost)} cutoffs have no series with {self.context_length} rows up to them (first: {lost[0]}).")
        origins = rows + self.horizon * panel.series_of_row[rows]
        coming = panel.extend(self.horizon)
        self._check_known(coming, (origins[:, None] + np.arange(1, self.horizon + 1)).ravel(), "predict_at")
        forecasts = self._forecast(Windows.of(coming, self.layout_, self.scaling_, origins), levels)
        return self._tidy(coming, origins, forecasts, levels)

    def score(self, frame: Frame | Panel, y: None = None) -> float:
        """Skill against repeating the last value: ``1 - MAE / MAE_naive`` over all windows of ``frame``.

        Errors count in units of each series' own scale (of its logarithm with ``log=True``), so that no series
        dominates. 0 is as good as the last value, 1 is perfect.
        """
        panel = self._history(frame)
        windows = Windows.of(panel, self.layout_, self.scaling_)
        actual = np.asarray(windows.targets()).reshape(len(windows), -1)
        forecast = np.asarray(self.regressor_.predict(windows)).reshape(actual.shape)
        naive = LastValue().fit(windows, windows.targets()).predict(windows).reshape(actual.shape)
        return float(1 - np.nanmean(np.abs(actual - forecast)) / np.nanmean(np.abs(actual - naive)))

    def make_future_frame(self, frame: Frame | Panel | None = None, steps: int | None = None) -> pd.DataFrame:
        """The rows to come, with the known covariates left empty: fill them in and give them to ``predict(future=)``."""
        panel = self._history(frame)
        steps = -(-(self.horizon if steps is None else steps) // self.horizon) * self.horizon
        coming = panel.tail(1).extend(steps)
        rows = (coming.indptr[1:, None] - steps + np.arange(steps)).ravel()
        return coming.to_frame(rows, {name: np.full(len(rows), np.nan) for name in coming.schema.known})

    @property
    def history_(self) -> pd.DataFrame:
        """Loss per epoch of a regressor that records it."""
        return self.regressor_.history_

    def _new_regressor(self) -> Any:
        """The regressor to fit: the one hook of the named forecasters."""
        return clone(self.regressor)

    def _schema(self) -> Schema:
        return Schema.of(self.target, self.past, self.known, self.static, self.id_column, self.time_column)

    def _check_parameters(self) -> None:
        for name in ("horizon", "context_length"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ConfigError(f"{name}={value!r} must be a whole number of at least 1.")
        if self.multivariate not in ("independent", "joint"):
            raise ConfigError(f"multivariate={self.multivariate!r} must be 'independent' or 'joint'.")

    def _fit_regressor(self, windows: Windows) -> None:
        """Leave out windows that teach nothing and, for regressors that need whole rows of y, incomplete ones."""
        keep = windows.trainable()
        if not getattr(self.regressor_, "reads_windows", False):
            whole = np.concatenate([np.isfinite(y).all(axis=1) for _, y in windows.chunks()])
            if not whole.all():
                what = f"{int((~whole).sum())} of {len(whole)} training windows have missing targets and are left out"
                warnings.warn(f"{what}, since {type(self.regressor_).__name__} needs whole ones.", stacklevel=3)
            keep = keep & whole if (keep & whole).any() else whole
        windows = windows[keep] if keep.any() else windows
        try:
            self.regressor_.fit(windows, windows.targets())
        except ValueError as error:
            self._explain(error, windows)
            raise

    def _explain(self, error: ValueError, windows: Windows) -> None:
        """Turn a regressor's refusal of missing values or of several outputs into advice in our words."""
        name = type(self.regressor_).__name__
        if "NaN" in str(error) and any(np.isnan(X).any() for X, _ in windows.chunks()):
            advice = f"use make_pipeline(SimpleImputer(), {name}()) as the regressor, or a neural forecaster"
            raise DataError(f"{name} takes no missing values, and some contexts have them; {advice}.") from error
        if "1d array" in str(error) and windows.layout.n_outputs > 1:
            advice = f"wrap it: MultiOutputRegressor({name}())"
            raise ConfigError(f"{name} predicts one number, and {windows.layout.n_outputs} are needed; {advice}.") from error

    def _history(self, frame: Frame | Panel | None) -> Panel:
        check_is_fitted(self, "regressor_")
        if frame is None:
            return self.panel_
        panel = self.read(frame)
        if panel.schema.dynamic != self.schema_.dynamic:
            raise DataError(f"fitted on the columns {self.schema_.dynamic}, asked to predict from {panel.schema.dynamic}.")
        return panel

    def _check_steps(self, steps: int, levels: Sequence[float] | None) -> None:
        if steps < 1:
            raise ConfigError(f"steps={steps} must be at least 1.")
        if steps > self.horizon and self.schema_.past:
            named = ", ".join(map(str, self.schema_.past))
            raise ConfigError(f"steps={steps} goes beyond horizon={self.horizon}, where the past covariates {named} are unknown.")
        if steps > self.horizon and levels is not None:
            raise ConfigError(f"quantiles end at horizon={self.horizon}: beyond it they would be too narrow. Raise horizon.")

    def _with_known(self, coming: Panel, steps: int, future: Frame | None) -> Panel:
        """Write the known covariates of ``future`` into the last ``steps`` rows of every series."""
        names = coming.schema.known
        if not names:
            if future is not None:
                raise ConfigError("future= holds known covariates; name them with known= first.")
            return coming
        rows = (coming.indptr[1:, None] - steps + np.arange(steps)).ravel()
        values = coming.values.copy()
        if future is not None:
            values[rows, -len(names) :] = read_known(future, coming, rows)
        filled = replace(coming, values=values)
        self._check_known(filled, rows, "predict(future=...)")
        return filled

    def _check_known(self, panel: Panel, rows: NDArray[np.int64], where: str) -> None:
        """Known covariates must be there in the future ``rows``."""
        names = panel.schema.known
        if not names:
            return
        empty = np.argwhere(np.isnan(panel.values[rows][:, -len(names) :]))
        if len(empty):
            row, column = rows[empty[0, 0]], names[empty[0, 1]]
            series = panel.ids[np.searchsorted(panel.indptr, row, side="right") - 1]
            place = f"{panel.times[row]}" if series is None else f"{series!r} {panel.times[row]}"
            advice = "make_future_frame() gives the frame to fill"
            raise DataError(f"{where} needs the known covariates of {len(rows)} coming rows; {len(empty)} values are missing (first: {column!r} at {place}); {advice}.")

    def _blind_after(self, panel: Panel, cutoff: Any) -> Panel:
        """Targets and past covariates dated after ``cutoff`` become missing."""
        values = panel.values.copy()
        values[np.asarray(panel.times > cutoff), : len(panel.schema.target + panel.schema.past)] = np.nan
        return replace(panel, values=values)

    def _forecast(self, windows: Windows, levels: Sequence[float] | None) -> Array:
        """-> (n_origins, horizon, targets, 1 + Q) in the data's units: point forecast, then quantiles."""
        empty = np.flatnonzero(~np.isfinite(windows.affine.loc).all(axis=1))
        if len(empty):
            name, time = windows.panel.ids[windows.series[empty[0]]], windows.panel.times[windows.origin[empty[0]]]
            raise DataError(f"{len(empty)} contexts hold no observed target (first: the one of {name!r} ending {time}).")
        scaled = self._predicted(windows, levels)  # (n, H * K, 1 + Q)
        layout = self.layout_
        steps = scaled.reshape(len(windows), layout.horizon, layout.n_targets, -1)
        values = windows.affine.undo(steps)
        values = np.exp(values) if self.log else values
        n_channels = len(windows.panel.schema.target) if layout.n_targets == 1 else 1
        by_channel = values.reshape(n_channels, -1, layout.horizon, layout.n_targets, values.shape[-1])
        return np.moveaxis(by_channel, 0, 2).reshape(by_channel.shape[1], layout.horizon, -1, values.shape[-1])

    def _predicted(self, windows: Windows, levels: Sequence[float] | None) -> Array:
        """Scaled predictions (n, horizon * n_targets, 1 + Q)."""
        try:
            point = np.asarray(self.regressor_.predict(windows), dtype=np.float64).reshape(len(windows), -1, 1)
        except ValueError as error:
            self._explain(error, windows)
            raise
        if levels is None:
            return point
        if not hasattr(self.regressor_, "predict_quantiles"):
            name = type(self.regressor_).__name__
            raise ConfigError(f"{name} has no quantiles; use a neural forecaster with head=Quantiles(...).")
        return np.concatenate([point, self.regressor_.predict_quantiles(windows, levels)], axis=-1)

    def _appended(self, panel: Panel, origins: NDArray[np.int64], forecasts: Array) -> Panel:
        """Write forecasts (S, horizon, targets) into the rows after ``origins``, as if they had been observed."""
        values = panel.values.copy()
        rows = origins[:, None] + np.arange(1, self.horizon + 1)
        values[rows, : forecasts.shape[2]] = forecasts
        return replace(panel, values=values)

    def _columns(self, forecasts: Array, levels: Iterable[float] | None) -> dict[Hashable, Array]:
        """Named columns from (n, steps, targets, 1 + Q)."""
        flat = forecasts.reshape(-1, *forecasts.shape[2:])
        columns: dict[Hashable, Array] = {}
        for k, target in enumerate(self.schema_.target):
            columns[target] = flat[:, k, 0]
            for q, level in enumerate(levels or ()):
                columns[f"{target}_q{level:g}"] = flat[:, k, q + 1]
        return columns

    def _tidy(self, panel: Panel, origins: NDArray[np.int64], forecasts: Array, levels: Sequence[float] | None) -> pd.DataFrame:
        """One row per (id, cutoff, step, target); series in the order of the frame."""
        series = np.searchsorted(panel.indptr, origins, side="right") - 1
        order = np.lexsort((origins, panel.rank[series]))
        origins, series, forecasts = origins[order], series[order], forecasts[order]
        n, horizon, n_targets, _ = forecasts.shape
        each, step = horizon * n_targets, np.arange(1, horizon + 1)
        ids = {} if panel.form.kind == "single" or panel.ids[0] is None else {"id": panel.ids.take(series.repeat(each)).array}
        columns = {
            **ids,
            "cutoff": panel.times.take(origins.repeat(each)).array,
            "time": panel.times.take((origins[:, None] + step).ravel().repeat(n_targets)).array,
            "step": np.tile(step.repeat(n_targets), n),
            "target": pd.Categorical.from_codes(np.tile(np.arange(n_targets), n * horizon), list(self.schema_.target)),
            "forecast": forecasts[..., 0].ravel(),
        }
        return pd.DataFrame(columns | {f"q{level:g}": forecasts[..., q + 1].ravel() for q, level in enumerate(levels or ())})

