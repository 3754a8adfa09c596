"""Forecaster: frames in, frames out, around any regressor over rows."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from tsseq.arguments import Range, check_levels, check_memory, check_value, check_values
from tsseq.data.columns import joined_categories
from tsseq.data.layout import Layout
from tsseq.data.panel import Frame, Panel, followed
from tsseq.data.scaling import Scaling
from tsseq.data.schema import Names, Schema
from tsseq.data.timestamps import Calendar, stamps_like
from tsseq.data.windows import RowNeeds, Windows, check_layout, check_length, layout_for
from tsseq.errors import ConfigError, DataError
from tsseq.forecasting.base import BaseForecaster, History, Task, check_fit_call
from tsseq.forecasting.forecasts import Forecasts
from tsseq.forecasting.rollout import Rollout, check_known, with_known
from tsseq.forecasting.rows import Levels, accuracy, fit_rows, forecast_rows, skill
from tsseq.hints import documented, rejects_foreign_names
from tsseq.persistence.state import State, check_arrays
from tsseq.plotting import plot_attention, plot_history

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes


def _has(*methods: str) -> Callable[[Forecaster], bool]:
    return lambda forecaster: any(hasattr(forecaster._current_regressor(), method) for method in methods)


@dataclass(eq=False, repr=False, kw_only=True)
class FrameOptions:
    """How a forecaster reads frames.

    Parameters
    ----------
    target : column name or list of column names, optional
        What to forecast; may be left out when there is only one column, or one named "y". A single column may also hold
        categories: text that does not read as numbers, booleans, or dtype category. Networks then forecast their
        probabilities by the head `Categorical`, any other regressor is a classifier with ``predict_proba``, and neither
        ``scaling`` nor ``log`` applies. What `fit` has not seen counts as missing.
    past : column name or list of column names, optional
        Covariates known up to the origin: numbers, or categories (text, or dtype category). A category that `fit` has
        not seen counts as unknown, like a missing one, and adds nothing to a forecast.
    known : column name or list of column names, optional
        Covariates known through the horizon, numbers or categories. "calendar", alone or among other names, stands for
        hour, weekday, season and holidays, computed from the timestamps, unless the frame has a column of that name.
    static : column name or list of column names, optional
        Covariates with one value per series, numbers or categories. May name the id: networks then learn a vector for
        every series. Statics in a frame of their own are merged first: ``frame.merge(statics, on="unique_id")``, or
        ``frame.join(statics)`` where ids are in the index.
    id_column : column name, optional
        Column of a long frame that names the series (default: ``unique_id``, if there is one).
    time_column : column name, optional
        Column of a long frame that has the timestamps (default: ``ds``, if there is one beside ids or numbered rows).
    calendar : str, pandas offset, time rule or dict, optional
        How timestamps follow one another: a pandas offset or its alias, an exchange code ("XNYS"), a rule of
        `tsseq.data.time_rules`, or a dict of codes by id. None learns the step from the index. "rows" takes consecutive
        rows for neighbours, whatever their timestamps, for series with pauses (sessions, shifts): timestamps to come
        then go on by the median step between rows, over weekdays only where that is a day and no row is on a weekend.
        In a frame with a column per series, rows without a value are none of that series.
    multivariate : {"independent", "joint"}, default "independent"
        "independent" makes every target a series of its own that shares the model; "joint" puts all of them in one
        row.
    scaling : {"last", "adaptive", "standard", "mean", "none"} or None, default None
        "last" subtracts the last value and divides by one number per series, learnt in `fit`; "adaptive" does so by
        that number blended with the same measure of the context, for series whose amplitude drifts; "standard" and
        "mean" take mean and deviation, or mean size, of each context; "none" leaves values as they are. None is
        "last", or the scaling that suits a head which does not go with it.
    weight : column name, optional
        Column that says how much the row counts in training, 0 or more: the loss of every target value is multiplied by
        the weight of its own row, so that 2 is as if the row were there twice, and with 0 it is no target (though it
        is still read as context). Only the ratios of weights matter. Scales are learnt from all rows alike. Other
        regressors than networks take the mean weight of a window's targets. Forecasts do without the column.
    log : bool, default False
        Whether to model logarithms. Prices then become log returns relative to the origin, and the point forecast is
        the median of the price where the regressor forecasts the mean of its logarithm.
    """

    target: Names = None
    past: Names = None
    known: Names = None
    static: Names = None
    weight: Hashable | None = None
    id_column: Hashable | None = None
    time_column: Hashable | None = None
    calendar: Calendar = None
    multivariate: str = "independent"
    scaling: str | None = None
    log: bool = False


@documented
@dataclass(eq=False, repr=False)
class Forecaster(FrameOptions, BaseForecaster):
    """Forecast the columns of a frame with any scikit-learn regressor, or with a `NeuralRegressor`.

    A row of the regressor's X is a window: the last ``context_length`` values (and covariates), its y the next
    ``horizon`` values, both in units of the window's own past. Of a target of categories, X has the codes, then columns
    of 0 and 1 for each category, and y the codes.

    Parameters
    ----------
    regressor : regressor or classifier
        Any scikit-learn regressor; with ``horizon > 1`` one that takes a y of several columns. For a target of
        categories, a classifier with ``predict_proba``.
    horizon : int
        Rows to forecast.
    context_length : int
        Rows of history that a forecast reads.

    Attributes
    ----------
    regressor_ : regressor
        The fitted regressor.
    scaling_ : Scaling
        Location and scale of the targets and covariates, learnt on the rows given to `fit`.
    fitted_until_ : Timestamp, Period or int
        The last timestamp seen in `fit`.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample
    >>> air = load_sample("airline")
    >>> Forecaster(Ridge(), horizon=3, context_length=24, log=True).fit(air).predict().round(0)
                passengers
    month
    1961-01-01       453.0
    1961-02-01       425.0
    1961-03-01       473.0

    A column of categories:

    >>> from sklearn.linear_model import LogisticRegression
    >>> months = (air["passengers"].diff() > 0).map({True: "up", False: "down"})
    >>> model = Forecaster(LogisticRegression(max_iter=1000), horizon=1, context_length=24).fit(months)
    >>> model.predict(proba=True).round(2)
               passengers  passengers_p_down  passengers_p_up
    month
    1961-01-01         up               0.06             0.94
    """

    regressor: Any
    horizon: int
    context_length: int

    @rejects_foreign_names
    def fit(self, frame: Frame | Panel, y: None = None) -> Self:
        """Learn from every window of a frame.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            A Series, a DataFrame with one series, a panel with a MultiIndex (id, time), a long frame with id and time
            columns, what yfinance returns, or one column of closes per ticker. Frames of polars, Arrow or DuckDB, or of
            any library with the Arrow interface, are read as long frames, and answered with frames of pandas.
        y : None
            Only for pipelines; the target is a column of ``frame``.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        ConfigError
            A parameter makes no sense.
        DataError
            The frame does not hold what is needed; the message names the first culprits.
        NotEnoughHistory
            A series is shorter than ``context_length + horizon``.
        """
        check_fit_call(y)
        regressor = self._new_regressor()
        windows = self.windows(frame)
        n_dropped = fit_rows(regressor, windows)
        if n_dropped:
            what = f"{n_dropped} of {len(windows)} training windows lack some target and are left out"
            warnings.warn(f"{what}, since {type(regressor).__name__} needs complete ones.", stacklevel=3)
        self.regressor_ = regressor
        self.scaling_, self.layout_ = windows.scaling, windows.layout
        self.schema_ = windows.panel.schema
        self.panel_ = windows.panel.tail(self.task.n_rows - 1)
        self.fitted_until_ = windows.panel.times.max()
        return self

    @rejects_foreign_names
    def update(self, newer: Frame | Panel, *, training: Any = None, freeze: Sequence[str] = ()) -> Self:
        check_is_fitted(self, "regressor_")
        regressor, options = deepcopy(self.regressor_), {"training": training, "freeze": freeze}
        name = type(regressor).__name__
        if not hasattr(regressor, "partial_fit"):
            what = f"{name} cannot go on from what it has learnt (it has no partial_fit)"
            raise ConfigError(f"{what}; fit it anew on the whole frame, or use a neural forecaster.")
        if "freeze" not in inspect.signature(regressor.partial_fit).parameters:
            if training is not None or freeze:
                raise ConfigError(f"training= and freeze= are for networks, and the regressor is {name}.")
            options = {}
        windows, whole = self._newer_windows(newer)
        if whole.times.max() < self.fitted_until_:
            ends = f"the newer rows end at {whole.times.max()}, and those that were fitted on at {self.fitted_until_}"
            raise DataError(f"{ends}; an update goes on from there. Pass the rows since.")
        fit_rows(regressor, windows, partial(regressor.partial_fit, **options))
        self.regressor_, self.scaling_, self.layout_ = regressor, windows.scaling, windows.layout
        n_rows = self.layout_.context_length + self.layout_.horizon - 1
        self.panel_, self.fitted_until_ = whole.tail(n_rows), whole.times.max()
        return self

    def _newer_windows(self, newer: Frame | Panel) -> tuple[Windows, Panel]:
        """The windows that new rows complete, and these rows after those that were there."""
        panel, layout, needs = self._with_columns(newer), self.layout_, RowNeeds.of(self.regressor_)
        panel = panel.with_observed_categories().with_checked_weight(self.weight)
        categories = self.panel_.categories
        if needs.reads_windows:
            categories = joined_categories(categories, panel.categories)
        if self.panel_.classes is not None and panel.classes is not None:
            new = panel.classes.values.difference(self.panel_.classes.values)
            if len(new):
                what = f"{len(new)} categories of {self.schema_.target[0]!r} were not there in fit (first: {new[0]!r})"
                raise DataError(f"{what}; an update learns of no new ones. Fit anew on the whole frame.")
        panel = panel.with_classes(self.panel_.classes)
        whole = followed(self.panel_.recoded(categories), panel.recoded(categories))
        layout = replace(layout, categories=whole.n_categories) if needs.reads_windows else layout
        renewed, n_rows = whole.chosen(whole.ids.isin(panel.ids)), layout.context_length + layout.horizon
        complete = renewed.with_min_length(n_rows)
        if not len(complete):
            check_length(renewed, n_rows, "context_length + horizon")
        if not needs.short_contexts:  # a new series that is too short is not forecast either
            whole = whole.chosen(whole.ids.isin(self.panel_.ids) | whole.ids.isin(complete.ids))
        return Windows.of(complete, layout, self.scaling_.extended(complete, layout.horizon)), whole

    def windows(self, frame: Frame | Panel) -> Windows:
        """The training rows of a frame: a lazy X whose ``targets()`` is y, for use with scikit-learn directly.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            Of any accepted shape.

        Returns
        -------
        Windows
            All windows, also those that `fit` leaves out.

        Raises
        ------
        DataError
            The frame does not hold what is needed.
        """
        needs = RowNeeds.of(self._new_regressor())
        self.check_parameters()
        panel = frame if isinstance(frame, Panel) else Panel.from_frame(frame, self.task.schema, self.calendar)
        panel = panel.with_observed_categories().with_checked_weight(self.weight)
        sizes = int(self.context_length), int(self.horizon)
        layout = layout_for(panel, *sizes, self.multivariate == "joint", needs.reads_windows)
        check_length(panel, self.task.n_rows, "context_length + horizon")
        kind = needs.scaling if self.scaling is None else self.scaling
        if panel.classes is not None:
            self._check_classes(f"the target {panel.schema.target[0]!r}", panel.classes.values.tolist(), needs)
            kind = "none"
        elif needs.classes and not needs.reads_windows:
            what = f"{type(self._new_regressor()).__name__} forecasts categories, and the target holds numbers"
            raise ConfigError(f"{what}: use a regressor, or make categories of them, as by .astype('category').")
        return Windows.of(panel, layout, Scaling.learn(panel, kind, self.log, layout.horizon))

    def _check_classes(self, target: str, names: list[Any], needs: RowNeeds) -> None:
        """Refuse what makes no sense for a target of categories."""
        if not needs.classes:
            regressor = self._new_regressor()
            head = getattr(regressor, "head", None)
            what = type(regressor).__name__ if head is None else f"head={type(head).__name__}"
            advice = "use a classifier with predict_proba, or a neural forecaster without a head"
            numbers = "or make numbers of it, as by .astype(float)"
            raise ConfigError(f"{target} holds categories, and {what} forecasts numbers: {advice}; {numbers}.")
        if self.log or self.scaling not in (None, "none"):
            option = "log=True" if self.log else f"scaling={self.scaling!r}"
            raise ConfigError(f"{target} holds categories, and {option} is for numbers; leave it out.")
        if len(names) < 2:
            seen = f"only {names[0]!r}" if names else "none"
            raise DataError(f"{target} holds categories, and {seen} in the rows to fit on; at least two are needed.")

    def to_panel(self, frame: Frame | Panel) -> Panel:
        if isinstance(frame, Panel):
            return frame
        schema, like = self.task.schema, None
        if hasattr(self, "panel_"):
            schema, like = replace(schema, target=self.schema_.target), self.panel_
        return Panel.from_frame(frame, schema, self.calendar, like)

    def forecast(
        self, frame: History = None, steps: int | None = None, levels: Levels = None, future: Frame | None = None
    ) -> Forecasts:
        self._check_levels(levels)
        rollout = self._rollout(frame, steps, future, quantiles=levels is not None)
        values = rollout.forecast(self.regressor_, levels)
        return Forecasts(rollout.panel, rollout.origins, values, tuple(() if levels is None else levels))

    @available_if(_has("sample", "predict_proba"))
    @rejects_foreign_names
    def sample(
        self,
        frame: History = None,
        n_paths: int = 100,
        *,
        steps: int | None = None,
        future: Frame | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> pd.DataFrame:
        """Draw paths of the rows after the end of every series; only there when the head is a distribution.

        Series are drawn independently of one another. A network that reads its own forecasts (`Seq2Seq`) goes on from
        every value drawn; any other does so from block to block of ``horizon`` rows, within which steps are joined as
        those of a random walk. Categories have no order to be joined in: within a block they are drawn by their own
        probabilities, so that ``horizon=1`` or a `Seq2Seq` over single rows generates text.

        Parameters
        ----------
        frame : Series, DataFrame or Panel, optional
            History to forecast from; default: the frame of `fit`.
        n_paths : int
            Paths per series.
        steps : int, optional
            Rows per path; default: ``horizon``.
        future : DataFrame, optional
            Known covariates of the rows to come, as in `predict`.
        seed : int
            Seed of the draws; the same one gives the same paths.
        temperature : float, default 1.0
            For categories, 0.001 to 1,000: their probabilities are raised to 1 / temperature, so that below 1 likely
            ones are drawn more often.
        top_k : int, optional
            For categories: only so many most probable ones are drawn; default: all.

        Returns
        -------
        DataFrame
            Laid out as that of `predict`, with columns ``<target>_path<k>``, k = 0..n_paths - 1, in the data's units.

        Raises
        ------
        DataError
            The frame or the future does not hold what is needed.
        ConfigError
            There are no such steps or numbers of paths.
        """
        check_value("n_paths", n_paths)
        check_value("seed", seed, allowed=Range(0, np.inf))
        rollout = self._rollout(frame, steps, future, quantiles=True)
        n_values = n_paths * len(rollout.origins) * rollout.steps * rollout.panel.n_targets
        check_memory(f"n_paths={n_paths}", 16.0 * n_values, "Draw fewer paths")
        classes = rollout.panel.classes
        if classes is None and (temperature, top_k) != (1.0, None):
            raise ConfigError("temperature= and top_k= are for targets of categories, and the target holds numbers.")
        check_value("temperature", temperature)
        check_value("top_k", top_k)
        rollout = replace(rollout, temperature=temperature, top_k=top_k)
        paths = rollout.sample(self.regressor_, n_paths, seed)  # (n_paths, S, steps, targets)
        columns: dict[Hashable, Any] = {}
        for k, name in enumerate(rollout.panel.schema.target):
            for path, values in enumerate(paths[..., k]):
                codes = values.ravel()
                columns[f"{name}_path{path}"] = codes if classes is None else classes.column(codes)
        return rollout.panel.to_frame(rollout.panel.steps_after(rollout.origins, rollout.steps).ravel(), columns)

    @available_if(_has("attention"))
    @rejects_foreign_names
    def attention_weights(self, frame: History = None, *, future: Frame | None = None) -> pd.DataFrame:
        """How much each step of the forecast looks at each row of its context; only there for networks with attention.

        Parameters
        ----------
        frame : Series, DataFrame or Panel, optional
            History to forecast from; default: the frame given to `fit`.
        future : DataFrame, optional
            Known covariates of the rows to come, as in `predict`.

        Returns
        -------
        DataFrame
            One row per (id, target, step, row of the context), with the columns ``[id,] [target,] time, step,
            context_time, weight``. The weights of a step sum to 1; rows of one segment share alike.
        """
        return self._rollout(frame, None, future).attention_table(self.regressor_)

    @available_if(_has("attention"))
    def plot_attention(self, frame: History = None, *, future: Frame | None = None, max_series: int = 9) -> Axes:
        """Draw what `attention_weights` returns: which rows of its context each step looks at.

        Parameters
        ----------
        frame : Series, DataFrame or Panel, optional
            History to forecast from; default: the frame given to `fit`.
        future : DataFrame, optional
            Known covariates of the rows to come, as in `predict`.
        max_series : int
            Axes to draw at most, one for each series and target; the figure says how many are left out. Default: 9.

        Returns
        -------
        matplotlib.axes.Axes
            Those of the first series. Across are rows of the context, 0 for the last known one; down are steps.
        """
        return plot_attention(self.attention_weights(frame, future=future), max_series=max_series)

    def plot_history(self) -> Axes:
        """Draw the losses of ``history_``, epoch by epoch, and mark the best one.

        Returns
        -------
        matplotlib.axes.Axes
            Nothing is shown or saved.

        Raises
        ------
        ConfigError
            The regressor records no losses.
        """
        check_is_fitted(self, "regressor_")
        if not hasattr(self.regressor_, "history_"):
            raise ConfigError(f"{type(self.regressor_).__name__} records no losses; neural forecasters do.")
        return plot_history(self.history_)

    @available_if(_has("to_module"))
    def to_module(self, levels: Sequence[float] = ()) -> Any:
        """The fitted network, with its scaling inside, as a torch module of plain tensors; only there for networks.

        For captum, shap and all else that works on torch modules: ``module(target)`` forecasts from values (B, L, C) as
        they stand in a frame; `TensorModule.forward` says how covariates go in.

        Parameters
        ----------
        levels : sequence of float, default ()
            Quantile levels in 0..1 that it forecasts; default: point forecasts.

        Returns
        -------
        TensorModule
            Forecasts (B, H, C), with levels (B, H, C, Q), in the data's units; a copy, on the CPU.

        Raises
        ------
        ConfigError
            The target holds categories, or such quantiles cannot be computed.
        """
        check_is_fitted(self, "regressor_")
        self._check_levels(levels or None)
        return self.regressor_.to_module(levels, self.scaling_)

    @available_if(_has("to_module"))
    def to_onnx(self, path: str | PathLike[str], levels: Sequence[float] = ()) -> None:
        """Write the fitted network, with its scaling inside, to a file for onnxruntime; only there for networks.

        Needs ``pip install 'tsseq[onnx]'``. The inputs are those of `to_module`, by name and in float64 (``series`` in
        int64, where there are several); the output is ``forecast``. Batches may have any size. Contexts must be whole:
        NaN is a missing value, but none may begin with rows that are missing altogether.

        Parameters
        ----------
        path : str or path-like
            The file.
        levels : sequence of float, default ()
            Quantile levels in 0..1 that it forecasts; default: point forecasts.

        Raises
        ------
        ConfigError
            The packages are not installed, or the network or the head has a step without a form in ONNX.
        """
        self.to_module(levels).to_onnx(path)

    def forecast_at(self, frame: Frame | Panel, cutoffs: Any, levels: Levels = None) -> Forecasts:
        self._check_levels(levels)
        panel, windows = self._windows_at(frame, cutoffs)
        values = forecast_rows(self.regressor_, windows, levels)
        origins = windows.origin[: len(windows) // windows.n_channels]
        return Forecasts(panel, origins, values, tuple(() if levels is None else levels))

    def windows_at(self, frame: Frame | Panel, cutoffs: Any) -> Windows:
        """The rows that `predict_at` forecasts from: a lazy X for ``regressor_.predict``, whose forecasts are scaled.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            History and what came after it, as in `predict_at`.
        cutoffs : timestamp or sequence of timestamps
            The origins, as in `predict_at`.

        Returns
        -------
        Windows
            Those at all origins for the first target, then for the second; without what is dated after the last cutoff,
            but for known covariates.

        Raises
        ------
        DataError
            No series has a whole context at some cutoff, or known covariates are missing after one.
        """
        return self._windows_at(frame, cutoffs)[1]

    def _windows_at(self, frame: Frame | Panel, cutoffs: Any) -> tuple[Panel, Windows]:
        """The history with a horizon more, and the windows at cutoffs, which see nothing beyond the last one."""
        panel, layout = self._history(frame), self.layout_
        cutoffs = stamps_like(panel.times, cutoffs)
        rows = panel.rows_at(cutoffs, layout.context_length)
        strange = cutoffs.difference(panel.times)
        if len(strange):
            before = panel.stamps[panel.stamps < strange[0]]
            nearest = "" if not len(before) else f", the last row before it is {before[-1]}"
            raise DataError(f"{len(strange)} cutoffs are no rows of the frame (first: {strange[0]}{nearest}).")
        without_context = cutoffs.difference(panel.times.take(rows))
        if len(without_context):
            needed = f"series with {layout.context_length} rows up to them"
            raise DataError(f"{len(without_context)} cutoffs have no {needed} (first: {without_context[0]}).")
        origins = rows + layout.horizon * panel.series_of(rows)
        panel = panel.extend(layout.horizon)
        check_known(panel, panel.steps_after(origins, layout.horizon).ravel(), "predict_at")
        unknown = slice(0, len(panel.schema.target + panel.schema.past))
        blanked = panel.with_values(np.asarray(panel.times > cutoffs.max()), unknown, np.nan)
        return panel, Windows.of(blanked, layout, self.scaling_, origins)

    def score(self, frame: Frame | Panel, y: None = None) -> float:
        """Skill against repeating the last value: ``1 - MAE / MAE_naive`` over all windows of ``frame``.

        Errors count in units of each series' own scale (of its logarithm with ``log=True``), so that no series
        dominates. 0 is as good as the last value, 1 is perfect. Of categories it is the share that is right.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            Of any accepted shape; a whole window or more of every series.
        y : None
            Only for scikit-learn; the target is a column of ``frame``.

        Returns
        -------
        float
            At most 1; below 0 where the last value is better.

        Raises
        ------
        DataError
            The frame does not hold what is needed.
        NotEnoughHistory
            A series is shorter than ``context_length + horizon``.
        """
        panel = self._history(frame)
        windows = Windows.of(panel, self.layout_, self.scaling_)
        return skill(self.regressor_, windows) if panel.classes is None else accuracy(self.regressor_, windows)

    @rejects_foreign_names
    def make_future_frame(self, frame: History = None, steps: int | None = None) -> pd.DataFrame:
        panel, horizon = self._history(frame), self.layout_.horizon
        steps = horizon if steps is None else steps
        check_value("steps", steps)
        steps = -(-steps // horizon) * horizon
        extended = panel.tail(1).extend(steps)
        rows = extended.steps_after(extended.indptr[1:] - steps - 1, steps).ravel()
        empty = {name: None if name in extended.category_of else np.nan for name in extended.schema.known}
        return extended.to_frame(rows, {name: np.full(len(rows), value) for name, value in empty.items()})

    @property
    def task(self) -> Task:
        roles = self.target, self.past, self.known, self.static, self.id_column, self.time_column
        schema = Schema.of(*roles, self.weight)
        return Task(self.horizon, self.context_length, schema, self.calendar)

    @property
    def has_quantiles(self) -> bool:
        return hasattr(self._current_regressor(), "predict_quantiles")

    @property
    def _band_levels(self) -> Sequence[float]:
        return getattr(self.regressor_.head_, "trained_levels", super()._band_levels)

    @property
    def models_logs(self) -> bool:
        return self.log

    @property
    def history_(self) -> pd.DataFrame:
        """Loss per epoch of a regressor that records it."""
        return self.regressor_.history_

    def _new_regressor(self) -> Any:
        """The regressor to fit: the one hook of the named forecasters."""
        regressor = self.regressor
        if isinstance(regressor, type) or not hasattr(regressor, "fit") or isinstance(regressor, BaseForecaster):
            advice = f"; write NeuralRegressor({regressor!r})" if hasattr(regressor, "build") else ""
            advice = "; it forecasts by itself" if isinstance(regressor, BaseForecaster) else advice
            raise ConfigError(f"a regressor such as Ridge() was needed, not {regressor!r}{advice}.")
        return clone(regressor)

    def _check_levels(self, levels: Levels) -> None:
        """Refuse levels that are none, and levels of a forecaster that has no quantiles."""
        if levels is None:
            return
        check_levels(levels)
        if getattr(vars(self).get("panel_"), "classes", None) is not None:
            raise ConfigError(
                "the target holds categories: use predict(proba=True), or ConformalForecaster(...) for sets."
            )
        if not self.has_quantiles:
            inside = "" if self.regressor is None else f"({type(self.regressor).__name__}())"
            advice = "wrap it in ConformalForecaster(...), or use a neural forecaster with head=Quantiles([...])"
            raise ConfigError(f"{type(self).__name__}{inside} has no quantiles; {advice}.")

    def _current_regressor(self) -> Any:
        """The fitted regressor, or before `fit` the one to come."""
        return self.regressor_ if hasattr(self, "regressor_") else self._new_regressor()

    def check_parameters(self) -> None:
        check_values(self)

    def _history(self, frame: History) -> Panel:
        return self._with_columns(frame).recoded(self.panel_.categories).with_classes(self.panel_.classes)

    def _with_columns(self, frame: History) -> Panel:
        """``frame``, or the end of the frame given to `fit`, if it has the columns of `fit`."""
        panel = super()._history(frame)
        fitted, present = self.schema_.dynamic, panel.schema.dynamic
        if present != fitted:
            raise DataError(f"fitted on the columns {fitted}, asked to predict from {present}.")
        return panel

    def _rollout(self, frame: History, steps: int | None, future: Frame | None, *, quantiles: bool = False) -> Rollout:
        """Look ``steps`` rows beyond the end of every series; ``future`` holds the known covariates to come.

        Steps that cannot be known are refused: beyond the horizon, past covariates and some quantiles are not.
        """
        check_is_fitted(self, "regressor_")
        length, horizon, past = self.layout_.context_length, self.layout_.horizon, self.schema_.past
        steps = horizon if steps is None else steps
        check_value("steps", steps)
        if steps > horizon and past:
            beyond = f"steps={steps} goes beyond horizon={horizon}, where the past covariates"
            raise ConfigError(f"{beyond} {', '.join(map(str, past))} are unknown.")
        draws = hasattr(self.regressor_, "sample") or hasattr(self.regressor_, "predict_proba")
        if steps > horizon and quantiles and not draws:
            raise ConfigError(f"quantiles end at horizon={horizon}: beyond it they would be too narrow. Raise horizon.")
        panel = self._history(frame)
        if not RowNeeds.of(self.regressor_).short_contexts:
            check_length(panel, length, "context_length")
        history, n_rows = panel.tail(length), -(-steps // horizon) * horizon
        n_values = len(panel) * (length + n_rows) * panel.values.shape[1]
        check_memory(f"steps={steps} of {len(panel)} series", 16.0 * n_values, "Forecast fewer at a time")
        extended = with_known(history.extend(n_rows), n_rows, future).left_padded(length + n_rows)
        origins = extended.indptr[1:] - n_rows - 1
        return Rollout(extended, origins, history.lengths, steps, self.layout_, self.scaling_)

    def to_state(self) -> State:
        check_is_fitted(self, "fitted_until_")
        if not hasattr(self.regressor_, "to_state"):
            kind = f"Forecaster({type(self.regressor_).__name__}) is left to joblib or pickle"
            raise ConfigError(f"model files hold neural and naive forecasters; {kind}, which run code when loaded.")
        parts = {"panel": self.panel_, "scaling": self.scaling_, "regressor": self.regressor_}
        config = {"parameters": self, "layout": self.layout_}
        return State(type(self), config, parts={name: part.to_state() for name, part in parts.items()})

    @classmethod
    def from_state(cls, state: State) -> Self:
        check_arrays(state.arrays, {})
        state.check_names("parameters", "layout", parts=("panel", "scaling", "regressor"))
        model: Self = state.value("parameters", cls)
        model.check_parameters()
        panel, layout = state.part("panel", Panel), state.value("layout", Layout)
        check_layout(layout, panel)
        model.scaling_ = state.part("scaling", Scaling)
        model.scaling_.check_panel(panel)
        model.regressor_ = state.part("regressor", RegressorMixin)
        rows = model.regressor_.layout_
        if (rows.width, rows.n_outputs, rows.categories) != (layout.width, layout.n_outputs, layout.categories):
            raise ValueError(f"{rows} and {layout} describe different rows")
        model.layout_, model.schema_, model.panel_ = layout, panel.schema, panel
        model.fitted_until_ = panel.times.max()
        return model
