"""Forecasts from many cutoffs, each made with what was known at the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone

from tsseq.data.panel import Frame, Panel
from tsseq.data.timestamps import stamps_like
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.evaluation.naives import naive_forecasts, season_of
from tsseq.evaluation.result import NAIVE, BacktestResult, naive_scales
from tsseq.evaluation.tables import Made, forecast_table
from tsseq.forecasting.base import BaseForecaster, as_forecaster
from tsseq.forecasting.forecaster import Forecaster


def backtest(
    models: BaseForecaster | Mapping[str, BaseForecaster],
    frame: Frame,
    cutoffs: Any = None,
    *,
    n_cutoffs: int | None = None,
    step: int | None = None,
    refit: bool | int = False,
    window: int | None = None,
    levels: Sequence[float] | None = None,
    n_jobs: int | None = None,
) -> BacktestResult:
    """Compare forecasters at past cutoffs; naive forecasts always take part.

    Parameters
    ----------
    models : forecasters by name, of one horizon. They are not changed.
    frame : the whole history.
    cutoffs : timestamps of the origins; or None for ``n_cutoffs`` (20) of them, ``step`` rows apart (the horizon unless
        told), the last one a horizon before the end.
    refit : False fits each model once, on the rows up to the first cutoff, unless it was fitted no later than that;
        True fits at every cutoff, a number k at every k-th. Every fit starts anew.
    window : rows of every series to fit on (a sliding window); None takes all rows up to the cutoff.
    levels : quantile levels to forecast with models that have them.
    n_jobs : fits that run side by side, through joblib.

    Returns
    -------
    A `BacktestResult`: forecasts, scores, comparisons, and which fit made which forecast.
    """
    models = {type(models).__name__: models} if isinstance(models, BaseForecaster) else dict(models)
    first = _leader(models)
    panel = first.read(frame)
    cutoffs = _cutoffs(panel, first, cutoffs, n_cutoffs, step)
    folds = _folds(cutoffs, refit)
    made = naive_forecasts(panel, cutoffs, first.context_length, first.horizon)
    fits = [_fit(part.name, fold, fold[0], "here") for part in made for fold in folds]
    tasks = [
        _task(name, model, panel if model.lead is first else model.read(frame), refit, window, levels)
        for name, model in models.items()
    ]
    parts = Parallel(n_jobs=n_jobs)(delayed(_run_fold)(task, fold) for task in tasks for fold in folds)
    for k, task in enumerate(tasks):
        own = parts[k * len(folds) : (k + 1) * len(folds)]
        made.append(_joined(task, own))
        fits += [part.fit for part in own]
    scales, stride = naive_scales(panel, season_of(panel), cutoffs[0]), _stride(panel, cutoffs)
    sizes = scales["absolute"], first.horizon, stride, scales["squared"]
    return BacktestResult(forecast_table(made), pd.DataFrame(fits), *sizes)


def rolling_forecasts(
    model: BaseForecaster, frame: Frame, cutoffs: Any, *, refit: bool | int = False, window: int | None = None
) -> pd.DataFrame:
    """Forecasts of one model at past cutoffs, without naive ones or scores; see `backtest` for the parameters."""
    task = _task("", model, model.read(frame), refit, window, None)
    stamps = stamps_like(task.panel.times, cutoffs).sort_values()
    parts = [_run_fold(task, fold) for fold in _folds(stamps, refit)]
    return forecast_table([_joined(task, parts)]).drop(columns="model")


def _leader(models: Mapping[str, BaseForecaster]) -> Forecaster:
    """The columns and sizes of the first model; all have its horizon and target."""
    if not models:
        raise ConfigError("no models were given.")
    taken = [name for name in models if name in NAIVE]
    if taken:
        raise ConfigError(f"the names {', '.join(NAIVE)} belong to the naive forecasts; rename {taken[0]!r}.")
    leads = {name: as_forecaster(model).lead for name, model in models.items()}
    first = next(iter(leads.values()))
    for name, lead in leads.items():
        if lead.horizon != first.horizon or lead.schema.target != first.schema.target:
            found = f"{name!r} has horizon={lead.horizon} and target={lead.target!r}"
            raise ConfigError(
                f"models are compared on one horizon and target: {found}, not {first.horizon} and {first.target!r}."
            )
    return first


def _cutoffs(panel: Panel, first: Forecaster, cutoffs: Any, n_cutoffs: int | None, step: int | None) -> pd.Index:
    if cutoffs is not None:
        if n_cutoffs is not None or step is not None:
            raise ConfigError("give cutoffs, or n_cutoffs and step, not both.")
        return stamps_like(panel.times, cutoffs).sort_values()
    n_cutoffs, step = 20 if n_cutoffs is None else n_cutoffs, first.horizon if step is None else step
    if n_cutoffs < 1 or step < 1:
        raise ConfigError(f"n_cutoffs={n_cutoffs} and step={step} must be at least 1.")
    stamps = panel.times.unique().sort_values()
    last, needed = len(stamps) - 1 - first.horizon, first.context_length + first.horizon - 1
    if last - step * (n_cutoffs - 1) < needed:
        most = max(0, (last - needed) // step + 1)
        raise NotEnoughHistory(f"{len(stamps)} timestamps leave room for {most} cutoffs {step} apart, not {n_cutoffs}.")
    return stamps[last - step * (n_cutoffs - 1) : last + 1 : step]


def _folds(cutoffs: pd.Index, refit: bool | int) -> list[pd.Index]:
    """Cutoffs grouped by the fit that serves them."""
    every = len(cutoffs) if refit is False else int(refit)
    if every < 1:
        raise ConfigError(f"refit={refit!r} must be False, True or a whole number of at least 1.")
    return [cutoffs[start : start + every] for start in range(0, len(cutoffs), every)]


class _Task(NamedTuple):
    """One model, what it reads, and what is asked of it."""

    name: str
    model: BaseForecaster
    panel: Panel
    window: int | None
    levels: Sequence[float] | None


class _Part(NamedTuple):
    """Forecasts of one fold (n, H, targets, 1 + Q), the rows of their origins (n,), and the fit that made them."""

    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    fit: dict[str, Any]


def _task(
    name: str,
    model: BaseForecaster,
    panel: Panel,
    refit: bool | int,
    window: int | None,
    levels: Sequence[float] | None,
) -> _Task:
    own_levels = levels if levels is not None and model.has_quantiles else None
    return _Task(name, clone(model) if refit or window is not None else model, panel, window, own_levels)


def _run_fold(task: _Task, cutoffs: pd.Index) -> _Part:
    """Fit on what was known at the first cutoff of the fold, unless that was done; forecast at all of them."""
    name, model, panel, window, levels = task
    usable = getattr(model, "fitted_until_", None) is not None and model.fitted_until_ <= cutoffs[0]
    if not usable:
        known = panel.before(cutoffs[0])
        known = known if window is None else known.tail(window)
        needed = model.lead.context_length + model.lead.horizon
        model = clone(model).fit(known.with_min_length(needed) if len(known) > 1 else known)
    coming, origins, values = model.arrays_at(panel, cutoffs, levels)
    rows = origins - model.lead.horizon * (np.searchsorted(coming.indptr, origins, side="right") - 1)
    return _Part(rows, values, _fit(name, cutoffs, model.fitted_until_, "before" if usable else "here"))


def _fit(name: str, cutoffs: pd.Index, until: Any, fitted: str) -> dict[str, Any]:
    served = {"model": name, "first_cutoff": cutoffs[0], "n_cutoffs": len(cutoffs)}
    return served | {"fitted_until": until, "fitted": fitted}


def _joined(task: _Task, parts: Sequence[_Part]) -> Made:
    """The folds of one model as one."""
    rows = np.concatenate([part.rows for part in parts])
    values = np.concatenate([part.values for part in parts])
    return Made.of(task.name, task.panel, rows, values, task.levels)


def _stride(panel: Panel, cutoffs: pd.Index) -> int:
    """Rows between neighbouring cutoffs; they tell how far forecast errors overlap."""
    at = panel.times.unique().sort_values().get_indexer(cutoffs)
    return int(np.median(np.diff(at))) if len(at) > 1 else 1
