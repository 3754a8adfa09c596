"""What `audit` asks of a forecaster: a fit on the rows up to a first cutoff, and forecasts from other frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from tsseq.data.panel import Frame, Panel
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.evaluation.perturb import poisoned
from tsseq.forecasting.base import BaseForecaster, as_forecaster

MOST_CUTOFFS = 250
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A forecaster fitted on the rows up to the first cutoff, and what it is asked.

    Attributes
    ----------
    model : the fitted clone.
    frame, panel : the whole history, as given and as read.
    cutoffs : those at which the future is poisoned.
    later : consecutive cutoffs from the first one.
    forecasts : forecasts at all later cutoffs, as `judged` lays them out.
    seed : of what is drawn.
    levels : quantile levels that are forecast too.
    """

    model: BaseForecaster
    frame: Frame
    panel: Panel
    cutoffs: pd.Index
    later: pd.Index
    forecasts: pd.DataFrame
    seed: int
    levels: list[float] | None

    @classmethod
    def of(cls, forecaster: BaseForecaster, frame: Frame, n_cutoffs: int, seed: int) -> Case:
        """Fit a clone, whose own seed becomes ``seed`` where it is None; errors are those of the forecaster itself."""
        model = clone(as_forecaster(forecaster))
        params = model.get_params()
        model.set_params(**{name: seed for name in seeds_of(model) if params[name] is None})
        panel = model.to_panel(frame)
        later = _consecutive(panel, model.task.context_length, model.task.horizon, n_cutoffs)
        cutoffs = later[np.unique(np.linspace(0, len(later) - 1, n_cutoffs).astype(int))]
        fitted_to(model, panel, later[0])
        table = judged(model.predict_at(frame, later), panel)
        return cls(model, frame, panel, cutoffs, later, table, seed, _levels(model, frame, cutoffs))

    def ask(self, cutoffs: Any, frame: Frame | None = None, model: BaseForecaster | None = None) -> Array:
        """(n, 1 + Q) forecasts and their quantiles."""
        found = (model or self.model).predict_at(self.frame if frame is None else frame, cutoffs, self.levels)
        return found[["forecast", *[f"q{level:g}" for level in self.levels or ()]]].to_numpy(dtype=np.float64)

    def poisoned(self, cutoff: Any, kind: str) -> Frame:
        """The frame with another future."""
        return poisoned(self.frame, self.panel.schema, self.model.task.horizon, cutoff, kind)


def seeds_of(model: BaseForecaster) -> list[str]:
    """Names of the parameters that make a fit repeatable."""
    return [name for name in model.get_params() if name.rpartition("__")[2] in ("seed", "random_state")]


def fitted_to(model: BaseForecaster, panel: Panel, cutoff: Any) -> BaseForecaster:
    """Fit on the rows up to ``cutoff``, without series that are too short by then."""
    known = panel.before(cutoff)
    needed = model.task.context_length + model.task.horizon
    return model.fit(known.with_min_length(needed) if len(known) > 1 else known)


def _consecutive(panel: Panel, length: int, horizon: int, n_cutoffs: int) -> pd.Index:
    """Cutoffs after two thirds of the timestamps, at which some series has a whole context."""
    stamps = panel.times.unique().sort_values()
    first, last = max(2 * len(stamps) // 3, length + horizon - 1), len(stamps) - 1 - horizon
    position = np.arange(len(panel.times)) - panel.indptr[panel.series_of_row]
    usable = panel.times[position >= length - 1].unique().sort_values()
    found = usable[(usable >= stamps[min(first, len(stamps) - 1)]) & (usable <= stamps[max(last, 0)])]
    if last < first or len(found) < n_cutoffs:
        raise NotEnoughHistory(f"{len(stamps)} timestamps leave no room for {n_cutoffs} cutoffs after a first fit.")
    return found[: max(MOST_CUTOFFS, n_cutoffs)]


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
    """Add the last value, what happened, the mean absolute change over each step, and errors in units of it."""
    last, actual = _observed(table, "cutoff", panel), _observed(table, "time", panel)
    table = table.assign(last=last, actual=actual, unit=np.abs(actual - last))
    keys = [name for name in ("id", "target", "step") if name in table]
    unit = table.groupby(keys, observed=True)["unit"].transform("mean")
    table["unit"] = unit.where(unit > 0)
    table["error"] = (table["actual"] - table["forecast"]).abs() / table["unit"]
    table["naive"] = (table["actual"] - table["last"]).abs() / table["unit"]
    return table


def _observed(table: pd.DataFrame, column: str, panel: Panel) -> Array:
    """(n,) values of the targets at the timestamps in ``column``; NaN where there are none."""
    if "id" in table:
        own = pd.MultiIndex.from_arrays([panel.ids.take(panel.series_of_row), panel.times])
        rows = own.get_indexer(pd.MultiIndex.from_frame(table[["id", column]]))
    else:
        rows = panel.times.get_indexer(pd.Index(table[column]))
    targets = pd.Index(panel.schema.target).get_indexer(pd.Index(table["target"]))
    return np.where(rows >= 0, panel.values[rows, targets], np.nan)


def skill(table: pd.DataFrame) -> float:
    """``1 - MAE / MAE`` of the last value; 0 where nothing moves."""
    naive = float(table["naive"].mean())
    return 1 - float(table["error"].mean()) / naive if naive > 0 else 0.0
