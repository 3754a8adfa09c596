"""What all forecasters of frames share: from `Forecasts` to frames and tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from tsseq.data.panel import Frame, Panel
from tsseq.data.schema import Schema
from tsseq.data.timestamps import Calendar
from tsseq.errors import ConfigError
from tsseq.forecasting.forecasts import Forecasts
from tsseq.forecasting.rows import Levels
from tsseq.hints import RejectsForeignNames, rejects_foreign_names
from tsseq.persistence.state import State, save_model
from tsseq.plotting.forecasts import draw_forecasts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History: TypeAlias = Frame | Panel | None
BANDS = (0.1, 0.25, 0.75, 0.9)


class Task(NamedTuple):
    """What is forecast, from what.

    Attributes
    ----------
    horizon, context_length : int
        Rows to forecast, and rows of history that a forecast reads.
    schema : Schema
        Roles of the columns, as far as the parameters say.
    calendar : str, pandas.DateOffset, TimeRule, mapping or None
        How timestamps follow one another.
    """

    horizon: int
    context_length: int
    schema: Schema
    calendar: Calendar

    @property
    def n_rows(self) -> int:
        """Rows of the shortest series that can be fitted on."""
        return self.context_length + self.horizon


class BaseForecaster(RejectsForeignNames, MetaEstimatorMixin, BaseEstimator):
    """Frames in, frames out; abstract.

    A subclass has `task`, `fit`, `forecast` and `forecast_at`.

    Attributes
    ----------
    fitted_until_ : timestamp
        The last one seen in `fit`.
    panel_ : Panel
        The end of the frame given to `fit`, as much as a forecast or `update` reads.

    Examples
    --------
    >>> from tsseq import Forecaster, SeasonalNaive
    >>> from tsseq.forecasting import BaseForecaster
    >>> model = Forecaster(SeasonalNaive(12), horizon=2, context_length=24)
    >>> isinstance(model, BaseForecaster), model.has_quantiles, model.task.n_rows
    (True, False, 26)
    """

    fitted_until_: Any
    panel_: Panel

    @property
    def task(self) -> Task:
        """What is forecast, from what."""
        raise AssertionError("abstract")

    @property
    def has_quantiles(self) -> bool:
        """Whether ``levels`` can be asked for."""
        raise AssertionError("abstract")

    @property
    def models_logs(self) -> bool:
        """Whether logarithms are what is forecast, so that forecasts stay above 0."""
        raise AssertionError("abstract")

    def check_parameters(self) -> None:
        """Refuse parameters that make no sense, as `fit` does."""
        raise AssertionError("abstract")

    def to_panel(self, frame: Frame | Panel) -> Panel:
        """Order and check a frame, as `fit` and `predict` do; a `Panel` passes as it is.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            Of any accepted shape.

        Returns
        -------
        Panel
            After `fit`, with its time rules and categorical columns.

        Raises
        ------
        DataError
            The frame does not hold what is needed.
        """
        raise AssertionError("abstract")

    def fit(self, frame: Frame | Panel, y: None = None) -> Self:
        """Learn from every window of a frame.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            Of any accepted shape.
        y : None
            Only for pipelines; the target is a column of ``frame``.

        Returns
        -------
        self
            Fitted.
        """
        raise AssertionError("abstract")

    def update(self, newer: Frame | Panel, *, training: Any = None, freeze: Sequence[str] = ()) -> Self:
        """Go on from what was learnt, with rows that came since; scales and a line beside a network stay.

        Learnt from are the windows that the new rows complete: contexts, and the first rows of horizons, may lie in the
        rows that were there before, as far as these lead up to the new ones without a gap. New series and new
        categories are taken in; a series that is still too short is not. A network trains at a lower rate (see
        `NeuralRegressor.partial_fit`). If it fails, the forecaster stays as it was.

        Parameters
        ----------
        newer : Series, DataFrame or Panel
            The new rows, of the columns in `fit`. Rows that were there before take the place of these, and are learnt
            from again.
        training : Training, optional
            How a network trains this time; default: as in `fit`, at 0.3 times the learning rate.
        freeze : sequence of str, default ()
            Parts of a network to leave as they are, as in `NeuralRegressor.partial_fit`.

        Returns
        -------
        self
            It forecasts from the end of the new rows.

        Raises
        ------
        ConfigError
            The regressor cannot go on from what it has learnt, or ``freeze`` names what is not there.
        DataError
            The frame does not hold what is needed.
        NotEnoughHistory
            The new rows complete no window.
        """
        raise AssertionError("abstract")

    def forecast(
        self, frame: History = None, steps: int | None = None, levels: Levels = None, future: Frame | None = None
    ) -> Forecasts:
        """What `predict` lays out, as arrays: one origin per series, the last observed row.

        Parameters
        ----------
        frame : Series, DataFrame or Panel, optional
            History to forecast from; default: the frame of `fit`.
        steps : int, optional
            Rows to forecast; default: ``horizon``.
        levels : sequence of float, optional
            Quantile levels in 0..1; default: point forecasts only.
        future : DataFrame, optional
            Known covariates of the rows to come, as in `predict`.

        Returns
        -------
        Forecasts
            In the data's units.

        Raises
        ------
        DataError
            The frame or the future does not hold what is needed.
        ConfigError
            There are no such steps or quantiles.
        """
        raise AssertionError("abstract")

    def forecast_at(self, frame: Frame | Panel, cutoffs: Any, levels: Levels = None) -> Forecasts:
        """What `predict_at` lays out, as arrays.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            History and what came after it, as in `predict_at`.
        cutoffs : timestamp or sequence of timestamps
            The origins, as in `predict_at`.
        levels : sequence of float, optional
            Quantile levels in 0..1; default: point forecasts only.

        Returns
        -------
        Forecasts
            In the data's units; its panel is that of ``frame`` with ``horizon`` rows more in every series.

        Raises
        ------
        DataError
            No series has a whole context at some cutoff, or known covariates are missing after one.
        ConfigError
            There are no such quantiles.
        """
        raise AssertionError("abstract")

    def make_future_frame(self, frame: History = None, steps: int | None = None) -> pd.DataFrame:
        """The rows to come with empty known covariates: fill them in and give them to ``predict(future=)``.

        Parameters
        ----------
        frame : Series, DataFrame or Panel, optional
            History that ends before the rows to come; default: the frame given to `fit`.
        steps : int, optional
            Rows to forecast; default: ``horizon``. They are rounded up to whole blocks of ``horizon`` rows.

        Returns
        -------
        DataFrame
            In the shape of the frame, one column per known covariate.
        """
        raise AssertionError("abstract")

    def _history(self, frame: History) -> Panel:
        """What to forecast from: ``frame``, or the end of the frame given to `fit`."""
        check_is_fitted(self, "fitted_until_")
        return self.panel_ if frame is None else self.to_panel(frame)

    @rejects_foreign_names
    def predict(
        self,
        frame: History = None,
        *,
        steps: int | None = None,
        levels: Levels = None,
        future: Frame | None = None,
        proba: bool = False,
    ) -> pd.DataFrame | Any:
        """Forecast the rows after the end of every series.

        Parameters
        ----------
        frame : Series, DataFrame or Panel, optional
            History to forecast from; default: the frame given to `fit`.
        steps : int, optional
            Rows to forecast; default: ``horizon``. Beyond it, each block of forecasts is appended as history.
        levels : sequence of float, optional
            Quantile levels in 0..1; each adds a column ``<target>_q<level>``. For a target of categories, of which
            `ConformalForecaster` makes sets: the share of what comes that a set shall hold, 0.9 for 90 %. Each adds a
            boolean column ``<target>_set<level>_<category>`` for every category: whether it is in the set.
        future : DataFrame, optional
            The known covariates of the rows to come, as `make_future_frame` lays them out: up to the end of the last
            block of ``horizon`` rows. More rows do no harm.
        proba : bool, default False
            For a target of categories, of which the most probable one is forecast: whether to add the probability of
            each as a column ``<target>_p_<category>``. Beyond the horizon they are shares of 256 paths.

        Returns
        -------
        DataFrame or Series
            In the shape that went in, with the next timestamps; the forecast bears the target's name. A Series comes
            back as a Series, with quantiles as a DataFrame.

        Raises
        ------
        DataError
            The frame or the future does not hold what is needed.
        ConfigError
            There are no such steps, quantiles or probabilities.
        """
        return self.forecast(frame, steps, levels, future).frame(proba)

    @rejects_foreign_names
    def predict_at(
        self, frame: Frame | Panel, cutoffs: Any, levels: Levels = None, *, proba: bool = False
    ) -> pd.DataFrame:
        """Forecast from many origins in one pass, each knowing only the rows up to itself.

        Parameters
        ----------
        frame : Series, DataFrame or Panel
            History and what came after it; nothing after a cutoff is read but known covariates.
        cutoffs : timestamp or sequence of timestamps
            The origins. A series takes part in those at which it has a row and a whole context.
        levels : sequence of float, optional
            Quantile levels, as in `predict`.
        proba : bool, default False
            For a target of categories: whether to add their probabilities, as columns ``p_<category>``.

        Returns
        -------
        DataFrame
            One row per (id, cutoff, step, target), with the columns ``[id,] cutoff, time, step, target, forecast`` and
            a column ``q<level>`` for every level; of categories, columns ``set<level>_<category>``. Ids and times bear
            the frame's own names; ``unique_id`` and ``ds`` where it has none.

        Raises
        ------
        DataError
            No series has a whole context at some cutoff.
        """
        return self.forecast_at(frame, cutoffs, levels).table(proba)

    def plot(
        self,
        frame: History = None,
        *,
        steps: int | None = None,
        levels: Levels = None,
        future: Frame | None = None,
        last: int = 120,
        max_series: int = 9,
    ) -> Axes:
        """Draw the end of every series and its forecast, with bands where there are quantiles or categories.

        Parameters
        ----------
        frame : Series, DataFrame or Panel, optional
            History to forecast from; default: the end of the frame given to `fit`, as much as a forecast reads.
        steps : int, optional
            Rows to forecast, as in `predict`; default: ``horizon``.
        levels : sequence of float, optional
            Quantile levels in 0..1, drawn as bands between opposite ones; default: those that were trained, or 0.1,
            0.25, 0.75 and 0.9, where the forecaster has quantiles and ``steps`` is not given. An empty one: no bands.
        future : DataFrame, optional
            Known covariates of the rows to come, as in `predict`.
        last : int
            Rows of history to draw, as far as there are so many. Default: 120.
        max_series : int
            Axes to draw at most, one for each series and target; the figure says how many are left out. Default: 9.

        Returns
        -------
        matplotlib.axes.Axes
            Those of the first series; nothing is shown or saved. ``axes.figure.savefig(path)`` writes the picture.

        Raises
        ------
        DataError
            The frame or the future does not hold what is needed.
        ConfigError
            There are no such steps or quantiles, or ``last`` or ``max_series`` is below 1.
        """
        panel = self._history(frame)
        if levels is None and steps is None and self.has_quantiles and panel.classes is None:
            levels = self._band_levels
        forecasts = self.forecast(frame, steps, levels or None, future)
        columns = {name: panel.values[:, k] for k, name in enumerate(panel.schema.target)}
        if panel.classes is not None:
            columns = {name: panel.classes.column(codes) for name, codes in columns.items()}
        history = panel.to_frame(np.arange(len(panel.times)), columns)
        frame = forecasts.frame(proba=forecasts.has_probabilities)
        return draw_forecasts(history, {"forecast": frame}, panel.schema, last, max_series)

    @property
    def _band_levels(self) -> Sequence[float]:
        """The levels that `plot` draws, of a forecaster that has quantiles."""
        return BANDS

    def summary(self) -> pd.Series[Any]:
        """Tell what was fitted.

        Returns
        -------
        Series
            What is forecast and from how many rows, how many series there were, and the last timestamp seen; of a
            network also its number of weights, how many epochs it was trained for, and its best loss.

        Raises
        ------
        NotFittedError
            Before `fit`.

        Examples
        --------
        >>> from tsseq import LinearForecaster, Training, load_sample
        >>> model = LinearForecaster(3, 24, training=Training(max_steps=5, verbose=False))
        >>> model.fit(load_sample("airline")).summary()[["target", "horizon", "until", "weights"]].tolist()
        ['passengers', 3, Timestamp('1960-12-01 00:00:00'), 75]
        """
        check_is_fitted(self, "fitted_until_")
        target = ", ".join(map(str, self.panel_.schema.target))
        facts = {"model": type(self).__name__, "target": target, "horizon": self.task.horizon}
        facts |= {"context": self.task.context_length, "series": len(self.panel_), "until": self.fitted_until_}
        return pd.Series(facts | getattr(getattr(self, "regressor_", None), "facts", {}), dtype=object)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted forecaster to a file without pickle; `tsseq.load` reads it.

        Parameters
        ----------
        path : str or path-like
            The file; one that is there is replaced in one step.

        Raises
        ------
        ConfigError
            If the forecaster holds something that a model file has no place for; a file that is there stays as it is.
        OSError
            If the file cannot be written.
        NotFittedError
            Before `fit`.
        """
        save_model(self, path)

    def to_state(self) -> State:
        """Everything that was learnt, for a model file.

        Returns
        -------
        State
            Parameters, and the states of panel, scaling and what is inside.

        Raises
        ------
        ConfigError
            If a regressor inside is neither neural nor naive.
        NotFittedError
            Before `fit`.
        """
        raise AssertionError("abstract")

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Make the forecaster of a model file again.

        Parameters
        ----------
        state : State
            What `to_state` gave, as far as it was read from a file: nothing in it is trusted.

        Returns
        -------
        Self
            Fitted; it forecasts the same bits.

        Raises
        ------
        ValueError
            If parts are missing, or do not fit together.
        """
        raise AssertionError("abstract")


def check_fit_call(y: Any) -> None:
    """Refuse a second argument of `fit`, a pipeline behind a scaler, and the best of a search without scores.

    Nothing undoes what a step of a pipeline does to the target, so that forecasts would come in scaled units. A search
    whose fits or scores all failed takes its first setting for the best one and fits that: only here can it be told.
    """
    if y is not None:
        raise ConfigError("the target is a column of the frame; fit takes no y.")
    caller = sys._getframe(3).f_locals.get("self")
    best_score = getattr(caller, "best_score_", None)
    if isinstance(best_score, float) and np.isnan(best_score):
        scoring = getattr(caller, "scoring", None)
        if isinstance(scoring, str):
            what = f"scoring={scoring!r} needs a y, and frames have none"
            advice = "leave it out (the skill), or pass tsseq.evaluation.frame_scorer(sklearn.metrics....)"
            raise ConfigError(f"{what}; {advice}.")
        why = "each setting failed in some split, so that none is the best; error_score='raise' shows where"
        advice = "A test block and its context (WalkForward(context_length=...)) must hold a window of every series"
        raise ConfigError(f"the scores of {type(caller).__name__} are NaN: {why}. {advice}.")
    for name, step in caller.steps[:-1] if isinstance(caller, Pipeline) else ():
        if hasattr(step, "inverse_transform") and not isinstance(step, FunctionTransformer):
            advice = f"for a regressor's own scaler write Forecaster(make_pipeline({step!r}, ...))"
            what = f"the pipeline scales the target with {name!r} and would forecast in its units"
            raise ConfigError(f"{what}. Forecasters scale by themselves (scaling=...); {advice}.")


def as_forecaster(candidate: Any) -> BaseForecaster:
    """``candidate`` itself, or a ConfigError if it does not forecast frames."""
    if not isinstance(candidate, BaseForecaster):
        name = type(candidate).__name__
        rows = not isinstance(candidate, type) and hasattr(candidate, "fit") and hasattr(candidate, "predict")
        what = f"Forecaster({name}(), horizon, context_length)" if rows else "Forecaster(Ridge(), 5, 60)"
        content = name if isinstance(candidate, (pd.Series, pd.DataFrame, np.ndarray)) else repr(candidate)
        raise ConfigError(f"a forecaster such as {what} was needed, not {content}.")
    return candidate


def seed_names(model: BaseForecaster) -> list[str]:
    """Names of the parameters that make a fit repeatable."""
    return [name for name in model.get_params() if name.rpartition("__")[2] in ("seed", "random_state")]
