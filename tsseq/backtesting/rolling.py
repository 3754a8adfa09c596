"""Forecasts from many cutoffs, each made with what was known at the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone

from tsseq.backtesting.result import NAIVE, BacktestResult, naive_scales
from tsseq.data.calendar import season_length, stamps_like
from tsseq.data.panel import Frame, Panel
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.estimators.base import BaseForecaster, as_forecaster
from tsseq.estimators.forecaster import Forecaster
from tsseq.estimators.naive import Drift, LastValue, Mean, SeasonalNaive


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
    everyone: dict[str, BaseForecaster] = {**_naive_forecasters(first, panel), **models}
    tasks = []
    for name, model in everyone.items():
        own = model.read(frame)
        own_levels = levels if model.has_quantiles else None
        model = clone(model) if refit or window is not None else model
        tasks += [(name, model, own, fold, window, own_levels) for fold in _folds(cutoffs, refit)]
    parts = Parallel(n_jobs=n_jobs)(delayed(_run_fold)(*task) for task in tasks)
    forecasts = pd.concat([part for part, _ in parts], ignore_index=True)
    forecasts["model"] = pd.Categorical(forecasts["model"], categories=list(everyone))
    fits = pd.DataFrame([fit for _, fit in parts])
    scales = naive_scales(panel.before(cutoffs[0]), _season(panel))
    return BacktestResult(_with_actual(forecasts, panel), fits, scales, first.horizon, _stride(panel, cutoffs))


def rolling_forecasts(
    model: BaseForecaster, frame: Frame, cutoffs: Any, *, refit: bool | int = False, window: int | None = None
) -> pd.DataFrame:
    """Forecasts of one model at past cutoffs, without naive ones or scores; see `backtest` for the parameters."""
    panel = model.read(frame)
    stamps = stamps_like(panel.times, cutoffs).sort_values()
    model = clone(model) if refit or window is not None else model
    parts = [_run_fold("", model, panel, fold, window, None)[0] for fold in _folds(stamps, refit)]
    return _with_actual(pd.concat(parts, ignore_index=True), panel).drop(columns="model")


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


def _naive_forecasters(first: Forecaster, panel: Panel) -> dict[str, Forecaster]:
    """The naive forecasts, reading the same columns as ``first``."""
    season = _season(panel)
    named: dict[str, Any] = {"last_value": LastValue(), "drift": Drift(), "mean": Mean()}
    if 1 < season <= first.context_length:
        named["seasonal_naive"] = SeasonalNaive(season)
    shared: dict[str, Any] = {"target": list(panel.schema.target), "calendar": first.calendar}
    columns: dict[str, Any] = {"id_column": first.id_column, "time_column": first.time_column}
    return {
        name: Forecaster(naive, first.horizon, first.context_length, **shared, **columns)
        for name, naive in named.items()
    }


def _season(panel: Panel) -> int:
    return season_length(panel.rules[0], panel.times)


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


def _run_fold(
    name: str,
    model: BaseForecaster,
    panel: Panel,
    cutoffs: pd.Index,
    window: int | None,
    levels: Sequence[float] | None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fit on what was known at the first cutoff of the fold, unless that was done; forecast at all of them."""
    usable = getattr(model, "fitted_until_", None) is not None and model.fitted_until_ <= cutoffs[0]
    if not usable:
        known = panel.before(cutoffs[0])
        known = known if window is None else known.tail(window)
        needed = model.lead.context_length + model.lead.horizon
        model = clone(model).fit(known.of_length(needed) if len(known) > 1 else known)
    found = model.predict_at(panel, cutoffs, levels)
    found.insert(0, "model", name)
    fit = {"model": name, "first_cutoff": cutoffs[0], "n_cutoffs": len(cutoffs)}
    return found, fit | {"fitted_until": model.fitted_until_, "fitted": "before" if usable else "here"}


def _with_actual(forecasts: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Add what happened: NaN where the frame ends before."""
    if "id" in forecasts:
        own = pd.MultiIndex.from_arrays([panel.ids.take(panel.series_of_row), panel.times])
        rows = own.get_indexer(pd.MultiIndex.from_frame(forecasts[["id", "time"]]))
    else:
        rows = panel.times.get_indexer(pd.Index(forecasts["time"]))
    columns = pd.Index(panel.schema.target).get_indexer(pd.Index(forecasts["target"]))
    actual = np.where(rows >= 0, panel.values[rows, columns], np.nan)
    forecasts.insert(forecasts.columns.get_loc("forecast"), "actual", actual)
    return forecasts


def _stride(panel: Panel, cutoffs: pd.Index) -> int:
    """Rows between neighbouring cutoffs; they tell how far forecast errors overlap."""
    at = panel.times.unique().sort_values().get_indexer(cutoffs)
    return int(np.median(np.diff(at))) if len(at) > 1 else 1
