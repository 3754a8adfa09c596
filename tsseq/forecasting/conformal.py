"""Quantiles, and sets of categories, from the errors that forecasters made on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from tsseq.arguments import check_levels, check_value
from tsseq.data.layout import Layout
from tsseq.data.panel import Frame, Panel, followed
from tsseq.data.scaling import Scaling, logged
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.forecasting.base import BaseForecaster, History, Task, as_forecaster, check_fit_call
from tsseq.forecasting.forecasts import Forecasts
from tsseq.forecasting.rows import Levels, check_finite
from tsseq.hints import rejects_foreign_names
from tsseq.persistence.state import State, check_arrays
from tsseq.typing import Array, Index

BLUR = 0.05  # of probabilities: wider than they move when a forecaster is fitted again


class ConformalForecaster(BaseForecaster):
    """Put quantiles around any forecaster: split-conformal intervals, one width per step ahead.

    A clone of the forecaster is fitted on the rows before the last ``n_calibration`` origins and forecasts at these.
    Its absolute errors, in units of each series' typical change over the horizon, are pooled over series. Level 0.9 is
    the upper end of the interval that covers 80 %: the point forecast plus the ``ceil((n + 1) * 0.8)``-th smallest of
    n errors (Lei et al., 2018, Distribution-free predictive inference for regression). Intervals are symmetric around
    the point forecast, in logarithms under ``log=True``; quantiles that the forecaster has itself are not used.

    Of a target of categories, level 0.9 is a set of them that holds 90 % of what comes: the most probable one, and all
    whose ``1 - p`` is at most the ``ceil((n + 1) * 0.9)``-th smallest of the n that came (Sadinle et al., 2019, Least
    ambiguous set-valued classifiers). Sets are small where the forecaster is sure; one that is right more often than
    the level holds more than that. The limit moves by up to 0.05 from row to row, as if at random, but always alike for
    a series, time and step: rows of equal probabilities would otherwise hold too much or too little.

    Coverage holds on average over series and time, as far as errors to come are like those on the calibration rows.
    Neighbouring origins share most of their rows, so that 50 of them tell less than 50 independent errors.

    Parameters
    ----------
    forecaster : forecaster
        What makes the point forecasts: `Forecaster`, `LSTMForecaster`, `EnsembleForecaster`, ...
    n_calibration : int
        Origins held out. One series needs 4 of them for levels 0.1 and 0.9, 49 for 0.01 and 0.99.
    refit : bool
        Fit the forecaster again on all rows, so that the point forecasts are its own; the guarantee is then approximate
        (the errors are those of a fit on fewer rows). False keeps the first fit, and the guarantee.
    rolling : bool
        Take the errors at the ``n_calibration`` origins before each cutoff, from the frame at hand and without a new
        fit, so that widths follow the times. The frame must reach back
        ``context_length + horizon + n_calibration - 1`` rows.

    Attributes
    ----------
    forecaster_ : forecaster
        The fitted one that makes the point forecasts.
    scores_ : ndarray of shape (n, horizon, targets)
        Sorted absolute errors on the calibration rows, in units of ``scaling_``. Of categories, 1 less the probability
        of the one that came (and up to 0.05 less), and 0 where it was the most probable one.
    scaling_ : Scaling
        Typical change of each series, learnt before the calibration rows. A series that was not there is measured by
        its own context; one that has never varied gets intervals without width.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import ConformalForecaster, Forecaster, load_sample
    >>> model = ConformalForecaster(Forecaster(Ridge(), 2, 24, log=True), n_calibration=40)
    >>> model.fit(load_sample("airline")).predict(levels=[0.1, 0.9]).round(0)
                passengers  passengers_q0.1  passengers_q0.9
    month
    1961-01-01       454.0            431.0            478.0
    1961-02-01       424.0            398.0            453.0

    A set of categories is a column of booleans for each of them:

    >>> from sklearn.linear_model import LogisticRegression
    >>> signs = load_sample("airline")["passengers"].diff().gt(0).map({True: "up", False: "down"})
    >>> model = ConformalForecaster(Forecaster(LogisticRegression(max_iter=1000), 1, 12), n_calibration=40)
    >>> model.fit(signs).predict(levels=[0.9])
               passengers  passengers_set0.9_down  passengers_set0.9_up
    month
    1961-01-01         up                   False                  True
    """

    def __init__(self, forecaster: Any, n_calibration: int = 50, *, refit: bool = True, rolling: bool = False) -> None:
        self.forecaster = forecaster
        self.n_calibration = n_calibration
        self.refit = refit
        self.rolling = rolling

    @property
    def has_quantiles(self) -> bool:
        return True

    @property
    def _inner(self) -> BaseForecaster:
        """The fitted forecaster, or before `fit` the one given."""
        return as_forecaster(getattr(self, "forecaster_", self.forecaster))

    @property
    def task(self) -> Task:
        return self._inner.task

    @property
    def models_logs(self) -> bool:
        return self._inner.models_logs

    def to_panel(self, frame: Frame | Panel) -> Panel:
        return self._inner.to_panel(frame)

    @rejects_foreign_names
    def make_future_frame(self, frame: History = None, steps: int | None = None) -> pd.DataFrame:
        return self._inner.make_future_frame(self._history(frame), steps)

    def check_parameters(self) -> None:
        check_value("n_calibration", self.n_calibration)
        as_forecaster(self.forecaster).check_parameters()

    @rejects_foreign_names
    def fit(self, frame: Frame | Panel, y: None = None) -> Self:
        """Fit the forecaster, and keep the errors that it made on the calibration rows; see `Forecaster.fit`."""
        check_fit_call(y)
        self.check_parameters()
        inner = clone(self.forecaster)
        panel = inner.to_panel(frame)
        horizon, length = int(inner.task.horizon), int(inner.task.context_length)
        held_out, stamps = self.n_calibration + horizon - 1, panel.stamps
        before = panel.before(stamps[max(len(stamps) - 1 - held_out, 0)])
        if (before.lengths < length + horizon).all():
            problem = f"n_calibration={self.n_calibration} holds out the last {held_out} of {len(stamps)} rows"
            needed = f"{length + horizon} (context_length + horizon) are needed before them"
            raise NotEnoughHistory(f"{problem}, and {needed}. Lower n_calibration, or pass more rows.")
        inner.fit(before := before.with_min_length(length + horizon))  # without series that are too short for it
        self.layout_ = Layout(length, horizon, panel.n_targets)
        self.scaling_ = Scaling.learn(before, "last", inner.models_logs, horizon)
        self.scores_ = np.sort(self._scores(inner, panel, stamps[-1 - held_out : -horizon])[0], axis=0)
        self.forecaster_ = clone(inner).fit(panel) if self.refit else inner
        self.panel_ = self._end_of(panel)
        self.fitted_until_ = panel.times.max()
        return self

    @rejects_foreign_names
    def update(self, newer: Frame | Panel, *, training: Any = None, freeze: Sequence[str] = ()) -> Self:
        """Update the forecaster inside; see `Forecaster.update`.

        The errors of the calibration rows stay, unless ``rolling=True`` takes those of recent origins.
        """
        panel = self._history(newer)
        inner = deepcopy(self.forecaster_).update(panel, training=training, freeze=freeze)
        panel = panel.with_classes(self.panel_.classes)
        categories = inner.panel_.categories
        whole = followed(self.panel_.recoded(categories), panel.recoded(categories))
        whole = whole.chosen(whole.ids.isin(inner.panel_.ids))
        self.scaling_ = self.scaling_.extended(whole.with_min_length(inner.task.n_rows), self.layout_.horizon)
        self.forecaster_, self.panel_ = inner, self._end_of(whole)
        self.fitted_until_ = inner.fitted_until_
        return self

    def _end_of(self, panel: Panel) -> Panel:
        """The last contexts; with ``rolling``, all rows since the first origin that they are judged by."""
        if not self.rolling:
            return panel.tail(self.layout_.context_length)
        end = panel.tail(self.layout_.context_length + self.n_calibration + self.layout_.horizon - 1)
        return panel.select(np.asarray(panel.times >= end.times.min()))

    def forecast(
        self, frame: History = None, steps: int | None = None, levels: Levels = None, future: Frame | None = None
    ) -> Forecasts:
        panel = self._history(frame)
        return self._with_quantiles(panel, self.forecaster_.forecast(panel, steps, None, future), levels)

    def forecast_at(self, frame: Frame | Panel, cutoffs: Any, levels: Levels = None) -> Forecasts:
        panel = self._history(frame)
        return self._with_quantiles(panel, self.forecaster_.forecast_at(panel, cutoffs), levels)

    def _scores(self, inner: BaseForecaster, panel: Panel, cutoffs: Any) -> tuple[Array, pd.Index]:
        """(n, horizon, targets) absolute errors in units of each series, NaN where one is missing; (n,) origins.

        Of categories, how strange the one that came was; one that the forecaster does not know has no probability.
        """
        forecasts = inner.forecast_at(panel, cutoffs)
        origins = forecasts.panel.times.take(forecasts.origins)
        if panel.classes is not None:
            _check_probabilities(forecasts, inner)
            forecasts = replace(forecasts.with_classes(panel.classes), panel=panel.extend(inner.task.horizon))
            strange, came = _strangeness(forecasts), forecasts.actual
            place = np.where(np.isfinite(came), came, 0).astype(np.int64)[..., None]
            return np.where(np.isfinite(came), np.take_along_axis(strange, place, axis=-1)[..., 0], np.nan), origins
        actual = logged(forecasts.panel, inner.models_logs, None)[forecasts.rows]  # (n, horizon, targets)
        point = np.log(forecasts.point) if inner.models_logs else forecasts.point
        unit = self._unit(forecasts)[:, None, :]
        errors = np.abs(actual - point) / np.where(unit > 0, unit, 1.0)
        scores = np.where(unit > 0, errors, np.where((unit > 0).any(axis=0), np.nan, 0.0 * errors))
        return scores, origins

    def _recent(self, panel: Panel, cutoffs: pd.Index) -> tuple[list[Array], Index]:
        """Sorted scores of the origins whose targets end before some of the ``cutoffs`` (n,); (n,) which ones."""
        horizon, length, stamps = self.layout_.horizon, self.layout_.context_length, panel.stamps
        first = panel.times.take(panel.indptr[:-1][panel.lengths >= length] + length - 1).min()
        last = stamps.get_indexer(cutoffs) - horizon  # (n,) the newest origin that each cutoff may judge
        begin = max(last.min() - self.n_calibration + 1, int(stamps.searchsorted(first)))
        if last.min() < begin:
            needed = f"rolling=True needs {length + horizon} rows or more before each cutoff"
            raise NotEnoughHistory(f"{needed}, and better {length + horizon + self.n_calibration - 1}.")
        scores, origins = self._scores(as_forecaster(self.forecaster_), panel, stamps[begin : last.max() + 1])
        order = np.argsort(origins, kind="stable")
        scores, place = scores[order], stamps.get_indexer(origins)[order]
        newest, which = np.unique(last, return_inverse=True)
        start, end = (np.searchsorted(place, newest - lag, "right") for lag in (self.n_calibration, 0))
        return [np.sort(scores[a:b], axis=0) for a, b in zip(start, end)], which

    def _unit(self, forecasts: Forecasts) -> Array:
        """(n, targets) typical change of the series at each origin; 0 if neither training nor context ever varies."""
        windows = Windows.of(forecasts.panel, self.layout_, self.scaling_, forecasts.origins)
        code = windows.codes[:, None]  # 0 is a series that was not there
        varied = (code > 0) & (self.scaling_.scale[np.maximum(code[:, 0] - 1, 0)] > 0)
        return np.where(varied | windows.affine.varies, windows.series_scale, 0.0)

    def _with_quantiles(self, panel: Panel, forecasts: Forecasts, levels: Levels) -> Forecasts:
        if levels is None:
            return forecasts
        end = self.layout_.horizon
        if forecasts.values.shape[1] > end:
            raise ConfigError(f"levels end at horizon={end}: nothing was calibrated beyond it. Raise horizon.")
        scores, which = [self.scores_], np.zeros(len(forecasts.values), dtype=np.int64)
        if self.rolling:
            scores, which = self._recent(panel, forecasts.panel.times.take(forecasts.origins))
        check_levels(levels)
        level = np.asarray(levels, dtype=np.float64)
        with_sets = forecasts.panel.classes is not None
        covered = level if with_sets else np.abs(2 * level - 1)
        edges = np.stack([_edges(sample, covered, levels) for sample in scores])[which, : forecasts.values.shape[1]]
        values = self._sets(forecasts, edges) if with_sets else self._bands(forecasts, np.sign(level - 0.5) * edges)
        check_finite(forecasts.panel, forecasts.origins, values)
        return replace(forecasts, values=np.concatenate([forecasts.values, values], axis=-1), levels=tuple(levels))

    def _bands(self, forecasts: Forecasts, edges: Array) -> Array:
        """(n, steps, targets, Q) quantiles, ``edges`` from the point forecast in units of the series."""
        point, reach = forecasts.values, self._unit(forecasts)[:, None, :, None] * edges
        return np.asarray(point * np.exp(reach) if self.forecaster_.models_logs else point + reach)

    def _sets(self, forecasts: Forecasts, edges: Array) -> Array:
        """(n, steps, 1, Q * K) whether each category is in the set of each level: no stranger than its edge."""
        _check_probabilities(forecasts, self.forecaster_)
        members = _strangeness(forecasts)[..., None, :] <= edges[..., None]  # (n, steps, 1, Q, K)
        return members.reshape(*members.shape[:3], -1).astype(np.float64)

    def to_state(self) -> State:
        check_is_fitted(self, "fitted_until_")
        parts = {"panel": self.panel_, "scaling": self.scaling_, "forecaster": self.forecaster_}
        states = {name: part.to_state() for name, part in parts.items()}
        return State(type(self), {"parameters": self}, {"scores": self.scores_}, states)

    @classmethod
    def from_state(cls, state: State) -> Self:
        state.check_names("parameters", parts=("panel", "scaling", "forecaster"))
        model: Self = state.value("parameters", cls)
        model.check_parameters()
        panel, inner = state.part("panel", Panel), state.part("forecaster", BaseForecaster)
        model.layout_ = Layout(inner.layout_.context_length, inner.layout_.horizon, len(panel.schema.target))
        scores = state.arrays["scores"]
        check_arrays(state.arrays, {"scores": (len(scores), model.layout_.horizon, model.layout_.n_targets)})
        model.scaling_ = state.part("scaling", Scaling)
        model.scaling_.check_panel(panel)
        if inner.panel_.schema != panel.schema:
            raise ValueError("the forecaster inside does not forecast the same columns")
        model.scores_, model.forecaster_ = scores, inner
        model.panel_, model.fitted_until_ = panel, panel.times.max()
        return model


def _edges(scores: Array, covered: Array, levels: Any) -> Array:
    """(horizon, targets, Q) what sorted scores (n, horizon, targets) do not exceed, with the chances ``covered`` (Q,).

    That is 0 for a chance of 0.
    """
    n = np.isfinite(scores).sum(axis=0)
    rank = np.ceil(np.round((n + 1) * covered[:, None, None], 9)).astype(np.int64)  # (Q, horizon, targets)
    if (rank > n).any():
        needed = f"{np.ceil(np.round(covered.max() / (1 - covered.max()), 6)):.0f} errors for every step"
        raise ConfigError(f"levels={levels} need {needed}, and there are {n.min()}. Raise n_calibration.")
    edges = np.where(rank > 0, np.take_along_axis(scores, np.maximum(rank - 1, 0), axis=0), 0.0)
    return np.moveaxis(edges, 0, -1)


def _check_probabilities(forecasts: Forecasts, inner: BaseForecaster) -> None:
    if not forecasts.has_probabilities:
        what = f"sets of categories are made of probabilities, which {type(inner).__name__} does not give here"
        raise ConfigError(f"{what}; use a classifier with predict_proba or a neural forecaster.")


def _strangeness(forecasts: Forecasts) -> Array:
    """(n, steps, 1, K) 1 less the probability of each category, less a random share of 0.05; 0 for the likeliest.

    Where rows have equal probabilities, the random share, which is one for a row, lets some of them in and others not;
    else sets would hold too much or too little.
    """
    probabilities = forecasts.probabilities
    likeliest = np.arange(probabilities.shape[-1]) == probabilities.argmax(axis=-1)[..., None]
    return np.where(likeliest, 0.0, 1.0 - probabilities - BLUR * _shares(forecasts)[..., None, None])


def _shares(forecasts: Forecasts) -> Array:
    """(n, steps) numbers in 0..1 as if drawn at random, hashes of series, origin and step: alike in any company."""
    panel, origins = forecasts.panel, forecasts.origins
    times = panel.times.as_unit("us") if isinstance(panel.times, pd.DatetimeIndex) else panel.times
    stamps = np.asarray(getattr(times, "asi8", times), dtype=np.int64)[origins].astype(np.uint64)
    names = np.array([str(name) for name in panel.ids], dtype=object)  # pandas' own texts differ between its versions
    ids = pd.util.hash_array(names)[panel.series_of(origins)]
    steps = pd.util.hash_array(np.arange(1, forecasts.values.shape[1] + 1, dtype=np.uint64))
    keys = (pd.util.hash_array(stamps) ^ ids)[:, None] ^ steps
    return np.asarray(pd.util.hash_array(keys.ravel()).reshape(keys.shape) / 2.0**64)
