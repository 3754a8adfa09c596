"""Forecasts from past cutoffs, each made with what was known at the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone

from tsseq.arguments import check_levels, check_value
from tsseq.data.panel import Frame, Panel
from tsseq.data.tidy import NAIVE
from tsseq.data.timestamps import Refit, fit_numbers, stamps_like
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.evaluation.foreknowledge import explained_shares, foreknown, in_words, suspects
from tsseq.evaluation.naive_classes import naive_classes
from tsseq.evaluation.preparation import Preparation, Prepare, cut_views, revised
from tsseq.evaluation.pretrained import seen_until
from tsseq.evaluation.result import BacktestResult, naive_scales
from tsseq.forecasting.base import BaseForecaster, Task, as_forecaster
from tsseq.forecasting.forecasts import Forecasts, forecast_table
from tsseq.forecasting.naive import Drift, LastValue, Mean, SeasonalNaive
from tsseq.forecasting.rows import Levels
from tsseq.hints import rejects_foreign_names
from tsseq.typing import Array, Index

CHUNK = 4096  # contexts at a time, so that they stay in the cache
_Run: TypeAlias = tuple[dict[str, Any], Index, Array, tuple[float, ...]]  # record, origins, values, levels


@rejects_foreign_names
def backtest(
    models: BaseForecaster | Mapping[str, BaseForecaster] | Sequence[BaseForecaster],
    frame: Frame,
    cutoffs: Any = None,
    *,
    n_cutoffs: int | None = None,
    stride: int | None = None,
    refit: Refit = False,
    max_train_size: int | None = None,
    levels: Sequence[float] | None = None,
    n_jobs: int | None = None,
    prepare: Prepare | None = None,
) -> BacktestResult:
    """Compare forecasters at past cutoffs; naive forecasts always take part.

    Those of numbers read contexts: the last value, drift, mean, and the last season. Those of categories are the last
    one, and by their counts in all rows up to the cutoff, one added to each, how often each came ("frequencies") and
    what came after the last one ("markov", a chain of first order).

    What a model has seen is known of its rows only: that a column of the frame holds the future, that series which
    failed were left out, that figures were restated later, or that a model was trained elsewhere on these very years
    does not show. Features are safe where ``prepare`` makes them; `tsseq.audit` looks for the rest of it, and
    `BacktestResult.suspicions` tells what is too good to be true.

    Parameters
    ----------
    models : forecaster, mapping of str to forecaster, or sequence of forecaster
        Forecasters by name, of one horizon and target; without names they are called after their class, and numbered
        where it occurs again. They are not changed.
    frame : Series or DataFrame
        The whole history, of any accepted shape; with ``prepare`` the raw one.
    cutoffs : sequence of timestamps, optional
        The origins; default: ``n_cutoffs`` of them, ``stride`` rows apart, the last one a horizon before the end.
        After origins closer to the end only the known rows are scored; the printed result counts such origins.
    n_cutoffs : int, optional
        Number of origins; default: 20.
    stride : int, optional
        Rows between neighbouring origins; default: the horizon.
    refit : bool, int, str or pandas.DateOffset
        False fits each model once, on the rows up to the first cutoff, unless it was fitted no later than that; True
        fits at every cutoff, a number k at every k-th. A pandas offset or its alias fits at the first cutoff of each
        new period: "YE" of each calendar year, "QE" of each quarter, "W-FRI" of each week that ends on a Friday, in
        the time zone of the frame; "90D" or ``DateOffset(months=6)`` so long after the first one. Every fit starts
        anew. "update" fits once and then goes on (`Forecaster.update`) with the rows since, at every cutoff; so do
        "update 5" at every fifth and "update QE" in each quarter. A model that was fitted before goes on from there.
    max_train_size : int, optional
        Rows of every series to fit on (a sliding window); default: all rows up to the cutoff.
    levels : sequence of float, optional
        Quantile levels in 0..1, or levels of sets of categories, to forecast with models that have them.
    n_jobs : int, optional
        Fits that run side by side, through joblib; default: 1.
    prepare : callable, optional
        Makes the frame of the models of a raw one: adds features, say. It is called on the whole raw frame, whose
        values are what happened, and once per cutoff on a copy that ends there: fits and forecasts know nothing else.
        Known covariates keep their next ``horizon`` rows, in which other columns repeat their last value. It may
        leave out rows, but not move timestamps. Prices that it carries forward over a halt (`tsseq.regularize`) count
        as known at cutoffs inside it, though nobody knew that the series would go on. If it is slow, so is the
        backtest. Default: the frame as it is.

    Returns
    -------
    BacktestResult
        Forecasts, scores, comparisons, and which fit made which forecast.

    Raises
    ------
    ConfigError
        Models differ in horizon or target, or arguments exclude one another.
    NotEnoughHistory
        The frame is too short for so many cutoffs.
    DataError
        The frame does not hold what is needed, or does so only with what ``prepare`` reads after a cutoff.

    Warns
    -----
    UserWarning
        ``prepare`` looks ahead: what it makes of the rows up to a cutoff is another if later rows are there.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, backtest, load_sample
    >>> model = Forecaster(Ridge(), horizon=6, context_length=24, log=True)
    >>> result = backtest({"ridge": model}, load_sample("airline"), n_cutoffs=8)
    >>> result.scores["MAE"].round(1).sort_values().index[0]
    'ridge'
    """
    models = _by_name(models)
    leader = _leader(models)
    if levels is not None:
        check_levels(levels)
    check_value("n_jobs", n_jobs)
    if max_train_size is not None:
        check_value("max_train_size", max_train_size)
    horizon = leader.task.horizon
    preparation = None if prepare is None else Preparation.of(frame, prepare, list(models.values()))
    frame = frame if preparation is None else preparation.whole()
    panel = leader.to_panel(frame)
    cutoffs = _cutoffs(panel, leader.task, cutoffs, n_cutoffs, stride)
    updates, when = _updates(refit)
    folds = _folds(cutoffs, when)
    panels = {name: panel if model is leader else model.to_panel(frame) for name, model in models.items()}
    nothing: tuple[dict[str, dict[Any, Panel]], list[str]] = {name: {} for name in models}, []
    views, changed = nothing if preparation is None else cut_views(preparation, models, panels, cutoffs)
    seen = next(iter(views.values()))
    sizes = leader.task.context_length, horizon
    forecasts = {
        name: revised(naive, cutoffs, seen, partial(_naive_forecast, name, *sizes, panel))
        for name, naive in naive_forecasts(panel, cutoffs, *sizes).items()
    }
    fits = [_fit_record(name, fold, fold[0], "here") for name in forecasts for fold in folds]
    fresh = (bool(refit) and not updates) or max_train_size is not None
    jobs = [(name, clone(model) if fresh else model, panels[name], views[name]) for name, model in models.items()]
    jobs.sort(key=lambda job: _trains_network(job[1]))  # what another model refuses comes before a long fit
    chains = [folds] if updates else [[fold] for fold in folds]  # of fits that build on one another
    calls = (delayed(_run_folds)(*job, chain, max_train_size, levels) for job in jobs for chain in chains)
    runs = [run for chain in Parallel(n_jobs=n_jobs)(calls) for run in chain]
    runs.sort(key=lambda run: list(models).index(run[0]["model"]))
    extended = next(iter(forecasts.values())).panel
    for k, (name, own) in enumerate(panels.items()):
        own_runs = runs[k * len(folds) : (k + 1) * len(folds)]
        forecasts[name] = _joined(own_runs, extended if own is panel else own.extend(horizon))
        fits += [run[0] for run in own_runs]
    first = seen.get(cutoffs[0], panel)
    scales, at = naive_scales(first, panel.rules[0].season_length, cutoffs[0]), panel.stamps.get_indexer(cutoffs)
    apart = int(np.median(np.diff(at))) if len(at) > 1 else 1  # rows between neighbours: how far errors overlap
    table, shares = forecast_table(forecasts), explained_shares(panel, horizon) if panel.classes is None else None
    units = scales["absolute"], horizon, apart, scales["squared"]
    schemas = {view.schema: view for view in panels.values()}
    hints = tuple(hint for view in schemas.values() for hint in _hints(view, changed, horizon))
    return BacktestResult(table, pd.DataFrame(fits), *units, explained=shares, hints=hints)


def _hints(panel: Panel, changed: Sequence[str], horizon: int) -> list[str]:
    """Targets that are made of later rows, and covariates that know more of the next changes than they can."""
    targets = [str(name) for name in panel.schema.target if str(name) in changed]
    why = "is made of rows that come later, so what forecasts are compared with is not what happened"
    hints = [f"{', '.join(targets)} {why}."] if targets else []
    covariates = panel.schema.covariates + panel.schema.static if panel.classes is None else ()
    knowing = suspects(foreknown(panel, horizon)) if covariates else pd.DataFrame()
    start = "Covariates know the next change beyond the target's own past"
    return hints if knowing.empty else [*hints, f"{start}; correlations: {in_words(knowing)}."]


@rejects_foreign_names
def rolling_forecasts(
    model: BaseForecaster,
    frame: Frame,
    cutoffs: Any = None,
    *,
    n_cutoffs: int | None = None,
    stride: int | None = None,
    refit: Refit = False,
    max_train_size: int | None = None,
    prepare: Prepare | None = None,
) -> pd.DataFrame:
    """Forecasts of one model at past cutoffs, without naive ones or scores.

    Parameters
    ----------
    model : forecaster
        It is not changed.
    frame : Series or DataFrame
        The whole history, of any accepted shape; with ``prepare`` the raw one.
    cutoffs : sequence of timestamps, optional
        The origins; default: ``n_cutoffs`` of them, as in `backtest`.
    n_cutoffs : int, optional
        Number of origins; default: 20.
    stride : int, optional
        Rows between neighbouring origins; default: the horizon.
    refit : bool, int, str or pandas.DateOffset
        When to fit, as in `backtest`.
    max_train_size : int, optional
        Rows of every series to fit on; default: all rows up to the cutoff.
    prepare : callable, optional
        Makes the frame of the model of a raw one, as in `backtest`.

    Returns
    -------
    DataFrame
        As `BacktestResult.forecasts`, without the column ``model``.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample, rolling_forecasts
    >>> model = Forecaster(Ridge(), horizon=2, context_length=24, log=True)
    >>> rolling_forecasts(model, load_sample("airline"), ["1959-12-01"]).columns.tolist()
    ['cutoff', 'month', 'step', 'target', 'actual', 'forecast']
    """
    preparation = None if prepare is None else Preparation.of(frame, prepare, [as_forecaster(model)])
    panel = as_forecaster(model).to_panel(frame if preparation is None else preparation.whole())
    stamps = _cutoffs(panel, model.task, cutoffs, n_cutoffs, stride)
    views = {} if preparation is None else cut_views(preparation, {"": model}, {"": panel}, stamps)[0][""]
    updates, when = _updates(refit)
    model = clone(model) if (refit and not updates) or max_train_size is not None else model
    folds = _folds(stamps, when)
    chains = [folds] if updates else [[fold] for fold in folds]
    runs = [run for chain in chains for run in _run_folds("", model, panel, views, chain, max_train_size, None)]
    return forecast_table({"": _joined(runs, panel.extend(model.task.horizon))}).drop(columns="model")


def naive_forecasts(panel: Panel, cutoffs: pd.Index, context_length: int, horizon: int) -> dict[str, Forecasts]:
    """Forecasts of all naive models at all cutoffs, wherever a series has a row and a whole context.

    They are read straight from the panel, since naive models learn nothing.
    """
    if panel.classes is not None:
        return naive_classes(panel, cutoffs, context_length, horizon)
    rows = panel.rows_at(cutoffs, context_length)
    season, sizes = panel.rules[0].season_length, (np.zeros((1, context_length)), np.zeros((1, horizon)))
    models: dict[str, Any] = {"last_value": LastValue(), "drift": Drift(), "mean": Mean()}
    models |= {"seasonal_naive": SeasonalNaive(season)} if 1 < season <= context_length else {}
    models = {name: model.fit(*sizes) for name, model in models.items()}
    values = {name: np.empty((len(rows), horizon, panel.n_targets, 1)) for name in models}
    for k in range(panel.n_targets):
        series = np.ascontiguousarray(panel.values[:, k])
        contexts = np.lib.stride_tricks.sliding_window_view(series, context_length)
        for first in range(0, len(rows), CHUNK):
            part = slice(first, first + CHUNK)
            context = contexts[rows[part] - (context_length - 1)]  # (n, L)
            last = values["last_value"][part, :, k, 0] = _continued(models["last_value"], context, horizon)
            context -= last[:, :1]  # a constant is then continued as it is, to the last bit
            for name in list(models)[1:]:
                values[name][part, :, k, 0] = last + _continued(models[name], context, horizon)
    extended, origins = panel.extend(horizon), rows + horizon * panel.series_of(rows)
    return {name: Forecasts(extended, origins, array) for name, array in values.items()}


def _naive_forecast(
    name: str, context_length: int, horizon: int, whole: Panel, panel: Panel, cutoffs: pd.Index
) -> Forecasts:
    return naive_forecasts(panel, cutoffs, context_length, horizon)[name].with_classes(whole.classes)


def _continued(model: Any, context: Array, horizon: int) -> Array:
    """(n, L) -> (n, H)."""
    return np.asarray(model.predict(context)).reshape(len(context), horizon)


def _by_name(models: Any) -> dict[str, BaseForecaster]:
    """Models under their names, or after their classes."""
    if isinstance(models, Mapping):
        return dict(models)
    if isinstance(models, (pd.Series, pd.DataFrame)):
        raise ConfigError("models come first, then the frame: backtest(models, frame).")
    single = isinstance(models, BaseForecaster) or not isinstance(models, Sequence)
    named: dict[str, BaseForecaster] = {}
    for model in [models] if single else models:
        kind = type(as_forecaster(model)).__name__
        n = sum(name.partition("_")[0] == kind for name in named)
        named[f"{kind}_{n + 1}" if n else kind] = model
    return named


def _leader(models: Mapping[str, BaseForecaster]) -> BaseForecaster:
    """The first model; all have its horizon and target."""
    if not isinstance(models, Mapping):
        raise ConfigError(f"a forecaster, or a mapping of forecasters by name, was needed, not {models!r}.")
    if not models:
        raise ConfigError("no models were given.")
    taken = [name for name in models if name in NAIVE]
    if taken:
        raise ConfigError(f"the names {', '.join(NAIVE)} belong to the naive forecasts; rename {taken[0]!r}.")
    leader = as_forecaster(next(iter(models.values())))
    horizon, target = leader.task.horizon, leader.task.schema.target
    for name, model in models.items():
        task = as_forecaster(model).task
        if (task.horizon, task.schema.target) != (horizon, target):
            what = f"{name!r} has horizon={task.horizon} and target={task.schema.target!r}"
            raise ConfigError(f"models are compared on one horizon and target: {what}, not {horizon} and {target!r}.")
    return leader


def _cutoffs(panel: Panel, task: Task, cutoffs: Any, n_cutoffs: int | None, stride: int | None) -> pd.Index:
    if cutoffs is not None:
        if n_cutoffs is not None or stride is not None:
            raise ConfigError("give cutoffs, or n_cutoffs and stride, not both.")
        return stamps_like(panel.times, cutoffs).sort_values()
    n_cutoffs, stride = 20 if n_cutoffs is None else n_cutoffs, task.horizon if stride is None else stride
    check_value("n_cutoffs", n_cutoffs)
    check_value("stride", stride)
    stamps = panel.stamps
    last, needed = len(stamps) - 1 - task.horizon, task.n_rows - 1
    if last - stride * (n_cutoffs - 1) < needed:
        most = max(0, (last - needed) // stride + 1)
        room = f"{len(stamps)} timestamps leave room for {most} cutoffs"
        raise NotEnoughHistory(f"{room} {stride} apart, not {n_cutoffs}.")
    return stamps[last - stride * (n_cutoffs - 1) : last + 1 : stride]


def _updates(refit: Refit) -> tuple[bool, Refit]:
    """Whether later fits go on from the first one, and when there are some.

    >>> _updates("update"), _updates("update 4"), _updates("update QE"), _updates("QE")
    ((True, True), (True, 4), (True, 'QE'), (False, 'QE'))
    """
    word, _, when = refit.partition(" ") if isinstance(refit, str) else ("", "", "")
    if word != "update":
        return False, refit
    return True, int(when) if when.isdecimal() else when or True


def _folds(cutoffs: pd.Index, refit: Refit) -> list[pd.Index]:
    """Cutoffs grouped by the fit that serves them."""
    numbers = fit_numbers(cutoffs, refit)
    return [cutoffs[numbers == number] for number in np.unique(numbers)]


def fit_until(model: BaseForecaster, panel: Panel, cutoff: Any, max_train_size: int | None = None) -> BaseForecaster:
    """Fit on the rows up to ``cutoff``, without series that are too short by then."""
    known = panel.before(cutoff)
    known = known if max_train_size is None else known.tail(max_train_size)
    return model.fit(known.with_min_length(model.task.n_rows) if len(known) > 1 else known)


def _trains_network(model: BaseForecaster) -> bool:
    return any(name.rpartition("__")[2] == "training" for name in model.get_params())


def update_until(model: BaseForecaster, panel: Panel, cutoff: Any) -> BaseForecaster:
    """Go on with the rows up to ``cutoff`` that the model has not seen, unless they complete no window."""
    known = panel.before(cutoff)
    stranger = ~known.ids.isin(model.panel_.ids)
    newer = known.select(np.asarray(known.times > model.fitted_until_) | stranger[known.series_of_row])
    newer = newer.with_min_length(1)
    if len(newer):
        with suppress(NotEnoughHistory):
            model.update(newer)
    return model


def _run_folds(
    name: str,
    model: BaseForecaster,
    panel: Panel,
    views: Mapping[Any, Panel],
    folds: Sequence[pd.Index],
    max_train_size: int | None,
    levels: Levels,
) -> list[_Run]:
    """Fit on what was known at the first cutoff, unless that was done, and go on at the first one of every later fold.

    ``views`` are what was there to see at some cutoffs, where it is not what the panel has up to then.

    Returns, of every fold, the record of the fit, the origins and their values, without the panel, which all share.
    """
    start = folds[0][0]
    usable = getattr(model, "fitted_until_", None) is not None and model.fitted_until_ <= start
    if not usable:
        model = fit_until(clone(model), views.get(start, panel), start, max_train_size)
    elif len(folds) > 1:
        model = deepcopy(model)
    runs = [_run_fold(name, model, panel, views, folds[0], levels, "before" if usable else "here")]
    for fold in folds[1:]:
        model = update_until(model, views.get(fold[0], panel), fold[0])
        runs.append(_run_fold(name, model, panel, views, fold, levels, "updated"))
    return runs


def _run_fold(
    name: str,
    model: BaseForecaster,
    panel: Panel,
    views: Mapping[Any, Panel],
    cutoffs: pd.Index,
    levels: Levels,
    fitted: str,
) -> _Run:
    """Forecast at all cutoffs of a fold."""
    levels = levels if levels is not None and model.has_quantiles else None

    def forecast(view: Panel, cutoffs: pd.Index) -> Forecasts:
        return model.forecast_at(view, cutoffs, levels).with_classes(panel.classes)

    forecasts = revised(forecast(panel, cutoffs), cutoffs, views, forecast)
    until = seen_until(model)
    elsewhere = pd.isna(until) or until > cutoffs[0]
    record = _fit_record(name, cutoffs, until, "elsewhere" if elsewhere else fitted)
    return record, forecasts.origins, forecasts.values, forecasts.levels


def _joined(runs: Sequence[_Run], extended: Panel) -> Forecasts:
    """The folds of one model as one."""
    _, origins, values, levels = zip(*runs)
    return Forecasts(extended, np.concatenate(origins), np.concatenate(values), levels[0])


def _fit_record(name: str, cutoffs: pd.Index, until: Any, fitted: str) -> dict[str, Any]:
    served = {"model": name, "first_cutoff": cutoffs[0], "n_cutoffs": len(cutoffs)}
    return served | {"fitted_until": until, "fitted": fitted}
