"""A fitted forecaster, its frame and its forecasts: what the checks of the audit ask."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsseq.data.frames import as_pandas, parse_frame
from tsseq.data.panel import Frame, Panel
from tsseq.data.schema import Schema
from tsseq.data.tidy import tidy_columns
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.evaluation.backtest import fit_until
from tsseq.evaluation.perturb import poisoned, shuffled
from tsseq.evaluation.preparation import Preparation, Prepare
from tsseq.forecasting.base import BaseForecaster, as_forecaster, seed_names
from tsseq.typing import Array

MOST_CUTOFFS = 250


class Verdict(NamedTuple):
    """What a check says.

    Attributes
    ----------
    passed : bool or None
        None where the check does not apply, or only tells something.
    value : float
        What was measured.
    meaning : str
        The same in words.

    Examples
    --------
    >>> Verdict(True, 0.0, "0 forecasts changed").passed
    True
    """

    passed: bool | None
    value: float
    meaning: str


@dataclass(frozen=True)
class Case:
    """A forecaster fitted on the rows up to the first cutoff, and what the checks ask of it.

    Attributes
    ----------
    model : BaseForecaster
        The fitted clone.
    frame : Series or DataFrame
        The whole history, as the model is fitted on it.
    panel : Panel
        The same, as the model reads it.
    cutoffs : Index
        Cutoffs at which the future is poisoned.
    consecutive : Index
        Neighbouring cutoffs from the first one.
    forecasts : DataFrame
        Forecasts at the consecutive cutoffs, as `judged` lays them out.
    seed : int
        Seed of random changes.
    levels : list of float or None
        Quantile levels that are forecast too.
    preparation : Preparation or None
        The raw frame, and what makes the frame of it; None if there is no other frame.

    Examples
    --------
    >>> from tsseq import Forecaster, LastValue, load_sample
    >>> case = Case.of(Forecaster(LastValue(), 3, 24), load_sample("airline"), n_cutoffs=2, seed=0, prepare=None)
    >>> len(case.consecutive), case.ask(case.cutoffs).shape
    (45, (6, 1))
    """

    model: BaseForecaster
    frame: Frame
    panel: Panel
    cutoffs: pd.Index
    consecutive: pd.Index
    forecasts: pd.DataFrame
    seed: int
    levels: list[float] | None
    preparation: Preparation | None

    @classmethod
    def of(cls, forecaster: BaseForecaster, frame: Frame, n_cutoffs: int, seed: int, prepare: Prepare | None) -> Case:
        """Fit a clone; errors are those of the forecaster itself.

        Parameters
        ----------
        forecaster : BaseForecaster
            Its own seed becomes ``seed`` where it is None.
        frame : Series or DataFrame
            The whole history.
        n_cutoffs : int
            Cutoffs at which the future is poisoned.
        seed : int
            Seed of random changes.
        prepare : callable or None
            Makes the frame of the model of ``frame``.

        Returns
        -------
        Case
            Fitted on the rows up to the first cutoff.
        """
        model = clone(as_forecaster(forecaster))
        params = model.get_params()
        model.set_params(**{name: seed for name in seed_names(model) if params[name] is None})
        preparation = None if prepare is None else Preparation.of(frame, prepare, [model])
        frame = as_pandas(frame if preparation is None else preparation.whole())
        panel = model.to_panel(frame)
        if panel.classes is not None:
            what = f"the target {panel.schema.target[0]!r} holds categories, and the audit is of numbers"
            raise ConfigError(f"{what}: it rescales them. Compare with tsseq.backtest.")
        consecutive = _consecutive_cutoffs(panel, model.task.context_length, model.task.horizon, n_cutoffs)
        cutoffs = consecutive[np.unique(np.linspace(0, len(consecutive) - 1, n_cutoffs).astype(int))]
        fit_until(model, panel, consecutive[0])
        table = judged(model.predict_at(frame, consecutive), panel)
        levels = _levels(model, frame, cutoffs)
        if preparation is not None:
            preparation = replace(preparation, schema=replace(preparation.schema, target=panel.schema.target))
        return cls(model, frame, panel, cutoffs, consecutive, table, seed, levels, preparation)

    def ask(self, cutoffs: Any, frame: Frame | None = None, model: BaseForecaster | None = None) -> Array:
        """Forecasts and their quantiles.

        Parameters
        ----------
        cutoffs : sequence of timestamps
            The origins.
        frame : Series or DataFrame, optional
            Another frame than that of the case.
        model : BaseForecaster, optional
            Another model than that of the case.

        Returns
        -------
        ndarray of shape (n, 1 + Q)
            One row per series, cutoff, step and target.
        """
        table = (model or self.model).predict_at(self.frame if frame is None else frame, cutoffs, self.levels)
        columns = ["forecast", *[f"q{level:g}" for level in self.levels or ()]]
        return np.asarray(table[columns].to_numpy(dtype=np.float64))

    def poisoned(self, cutoff: Any, kind: str) -> Frame:
        """The frame of the model with another future, as `tsseq.evaluation.perturb.poisoned` makes it.

        Parameters
        ----------
        cutoff : timestamp
            The last row that stays as it is.
        kind : {"missing", "huge", "noise"}
            What comes after it.

        Returns
        -------
        Series or DataFrame
            In the same shape.
        """
        return poisoned(self.frame, self.panel.schema, self.model.task.horizon, cutoff, kind)

    def remade(self, change: Callable[[Frame, Schema], Frame]) -> Frame | None:
        """The frame of the model after a change of its targets.

        Parameters
        ----------
        change : callable
            Makes another frame of one and its schema.

        Returns
        -------
        Series or DataFrame or None
            Made of the changed raw frame where there is one; None if that has no such targets.
        """
        if self.preparation is None:
            return change(self.frame, self.panel.schema)
        raw, schema = self.preparation.raw, self.preparation.schema
        if not set(schema.target) <= set(parse_frame(raw, schema).columns):
            return None
        return self.preparation.made_of(change(raw, schema), "changed in its targets")

    @cached_property
    def shuffled_fit(self) -> tuple[BaseForecaster, Frame, Panel] | None:
        """A fit on changes in random order, the frame with them, and its panel; None if the raw frame has no target."""
        frame = self.remade(lambda frame, schema: shuffled(frame, schema, self.seed))
        if frame is None:
            return None
        panel = self.model.to_panel(frame)
        return fit_until(clone(self.model), panel, self.consecutive[0]), frame, panel


Check: TypeAlias = Callable[[Case], Verdict]


def _consecutive_cutoffs(panel: Panel, length: int, horizon: int, n_cutoffs: int) -> pd.Index:
    """Cutoffs after two thirds of the timestamps, at which some series has a whole context."""
    stamps = panel.stamps
    first, last = max(2 * len(stamps) // 3, length + horizon - 1), len(stamps) - 1 - horizon
    usable = panel.times[panel.position >= length - 1].unique().sort_values()
    cutoffs = usable[(usable >= stamps[min(first, len(stamps) - 1)]) & (usable <= stamps[max(last, 0)])]
    if last < first or len(cutoffs) < n_cutoffs:
        raise NotEnoughHistory(f"{len(stamps)} timestamps leave no room for {n_cutoffs} cutoffs after a first fit.")
    return cutoffs[: max(MOST_CUTOFFS, n_cutoffs)]


def _levels(model: BaseForecaster, frame: Frame, cutoffs: pd.Index) -> list[float] | None:
    """Quantile levels that a fitted model can forecast; None if there are none."""
    if not model.has_quantiles:
        return None
    try:
        model.predict_at(frame, cutoffs[:1], [0.25, 0.75])
    except ConfigError:  # trained on narrower ones, or calibrated on too few errors
        return None
    return [0.25, 0.75]


def judged(table: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Set forecasts beside what happened.

    Parameters
    ----------
    table : DataFrame
        What `Forecaster.predict_at` returned.
    panel : Panel
        The whole history.

    Returns
    -------
    DataFrame
        With columns "last" (the value forecasts set out from), "actual", "unit" (the mean absolute change over each
        step), and "error" and "naive" (that of the last value) in units of it.
    """
    names = tidy_columns(table)
    last, actual = (_observed_targets(table, names.id, time, panel) for time in ("cutoff", names.time))
    table = table.assign(
        last=last, actual=actual, naive=np.abs(actual - last), error=np.abs(actual - table["forecast"])
    )
    unit = table.groupby([*series_keys(table), "step"], observed=True)["naive"].transform("mean")
    table["unit"] = unit.where(unit > 0)
    table[["error", "naive"]] = table[["error", "naive"]].div(table["unit"], axis=0)
    return table


def series_keys(table: pd.DataFrame) -> list[Hashable]:
    """Name the columns that tell one series and target from another.

    Parameters
    ----------
    table : DataFrame
        A tidy table of forecasts.

    Returns
    -------
    list of hashable
        The id, if there is one, and "target".
    """
    names = tidy_columns(table)
    return ["target"] if names.id is None else [names.id, "target"]


def _observed_targets(table: pd.DataFrame, ids: Hashable | None, times: Hashable, panel: Panel) -> Array:
    """(n,) values of the targets at the ids and timestamps of two columns; NaN where there are none."""
    index, wanted = panel.times, pd.Index(table[times])
    if ids is not None:
        index = pd.MultiIndex.from_arrays([panel.ids.take(panel.series_of_row), panel.times])
        wanted = pd.MultiIndex.from_frame(table[[ids, times]])
    rows = index.get_indexer(wanted)
    targets = pd.Index(panel.schema.target).get_indexer(pd.Index(table["target"]))
    return np.where(rows >= 0, panel.values[rows, targets], np.nan)


def skill(table: pd.DataFrame) -> float:
    """``1 - MAE / MAE`` of the last value; 0 where nothing moves.

    Parameters
    ----------
    table : DataFrame
        As `judged` lays it out.

    Returns
    -------
    float
        At most 1.
    """
    naive = float(table["naive"].mean())
    return 1 - float(table["error"].mean()) / naive if naive > 0 else 0.0


def losses_of(table: pd.DataFrame) -> pd.DataFrame:
    """Mean errors of the forecasts and of the last value at every cutoff.

    Parameters
    ----------
    table : DataFrame
        As `judged` lays it out.

    Returns
    -------
    DataFrame
        Columns "error" and "naive", index cutoff.
    """
    return table.dropna(subset=["error", "naive"]).groupby("cutoff")[["error", "naive"]].mean()
