"""A search for the parameters of a forecaster that never sees the last rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import joblib
import numpy as np
import pandas as pd
from sklearn.base import clone

from tsseq.arguments import Range, check_levels, check_value
from tsseq.data.panel import Frame, Panel
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.evaluation.result import BacktestResult
from tsseq.evaluation.search import (
    Fold,
    Search,
    Space,
    begin,
    draw_trial,
    finished,
    load_optuna,
    open_study,
    run_trials,
)
from tsseq.evaluation.splits import WalkForward, row_keys
from tsseq.forecasting.base import BaseForecaster, as_forecaster
from tsseq.hints import rejects_foreign_names
from tsseq.metrics import metrics_for
from tsseq.resampling.trials import Trials

Scoring: TypeAlias = str | Callable[[BacktestResult], float] | None


@dataclass(frozen=True, repr=False)
class Tuned:
    """What `tsseq.tune` found.

    Attributes
    ----------
    forecaster : BaseForecaster
        The forecaster with the best parameters, not fitted.
    params : dict of str to object
        The best parameters; empty if none is better than those that the forecaster had.
    score : float
        Mean of their scores over the folds: the best of many, so too good. What they are worth, the rows that were held
        back can tell.
    scoring : str
        What was scored.
    table : DataFrame
        A row per trial, and first one called "default", the forecaster as it was: ``state`` ("complete", "pruned" or
        "failed"), mean ``score`` (missing unless complete), the parameters, the score of each fold, and the ``error``.
    until : timestamp
        The last row that was seen.
    cutoffs : Index
        Origins of all forecasts of the rows that were held back:
        ``backtest({"tuned": tuned.forecaster, "default": forecaster}, frame, tuned.cutoffs)``.
    study : optuna.Study
        The study, for Optuna's own tables and plots.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample, tune
    >>> tuned = tune(Forecaster(Ridge(), 6, 12, log=True), load_sample("airline"), {"context_length": [12, 24]}, 2)
    >>> tuned.params, tuned.trials
    ({'context_length': 24}, Trials(count=3, mean=nan, variance=nan))
    """

    forecaster: BaseForecaster
    params: dict[str, Any]
    score: float
    scoring: str
    table: pd.DataFrame
    until: Any
    cutoffs: pd.Index
    study: Any

    def __repr__(self) -> str:
        states = ", ".join(f"{n} {state}" for state, n in Counter(self.table["state"][1:]).items())
        default = f"default {self.table['score'].iloc[0]:.4g}"
        return f"Tuned({self.scoring} {self.score:.4g} ({default}), {states}; until {self.until}; {self.params})"

    @property
    def trials(self) -> Trials:
        """Ledger of all that was tried, pruned trials and earlier sessions of the study too, to be joined with others.

        ``report(result, book, trials=tuned.trials)`` and ``book.compare(tuned.trials)`` allow for them.
        """
        return Trials(len(self.table))


@rejects_foreign_names
def tune(
    forecaster: BaseForecaster,
    frame: Frame,
    space: Mapping[str, Any],
    n_trials: int = 50,
    *,
    cv: WalkForward | None = None,
    scoring: Scoring = None,
    levels: Sequence[float] | None = None,
    test_size: int | None = None,
    study: Any = None,
    seed: int = 0,
    n_jobs: int | None = None,
) -> Tuned:
    """Search for the parameters whose forecasts are best at past cutoffs, without a look at the last rows.

    Each trial fits the forecaster with other parameters on the training rows of every fold, and forecasts from every
    row of the block that follows: the same rows for all trials, whatever their context. After each fold, a trial whose
    mean is worse than the median of the trials before it at that fold is given up (pruned). The forecaster as it is
    takes part first, outside of the study, and stays if nothing is better.

    It needs ``pip install tsseq[tune]``.

    Parameters
    ----------
    forecaster : BaseForecaster
        Any forecaster of frames; it is not changed.
    frame : Series or DataFrame
        The whole history, in any shape that ``fit`` takes. Its last ``test_size`` timestamps are cut off first.
    space : mapping of str to tuple, list or distribution
        By the name of a parameter, as in ``forecaster.get_params()``: ``(1, 8)`` for whole numbers, ``(0.0, 0.5)`` for
        numbers, ``(1e-4, 1e-1, "log")`` for those that are searched by their logarithm, a list of choices of any kind,
        or a distribution of Optuna.
    n_trials : int, default 50
        Trials in all, those that the study had before included.
    cv : WalkForward, optional
        The folds; ``context_length`` is not needed, and blocks with the training rows of the one before are one fold.
        Default: 4 blocks at the end of what is seen, each of a tenth of the timestamps and a horizon at least.
    scoring : str or callable, optional
        A column of `BacktestResult.scores` that is better when it is lower or higher, or a function of a
        `BacktestResult` with a single fold and the model "model", the higher the better. Default: MASE, of categories
        the log loss.
    levels : sequence of float, optional
        Quantile levels in 0..1 to forecast, for scores such as "pinball". Default: none.
    test_size : int, optional
        Timestamps at the end that no trial sees; 0 for a frame whose last rows were cut off before. Default: about as
        many as in a block of ``cv``.
    study : optuna.Study, str or path-like, optional
        The file that keeps the trials, made if it is not there: a search that was stopped goes on from it, and ends as
        one that was not (killed while it writes, it then waits half a minute). One process uses it at a time. Or a
        study of your own, with its storage, sampler and pruner, for which Optuna's promises hold. Default: in memory.
    seed : int, default 0
        Seed of the draws; the same one gives the same search, as far as fits have seeds of their own. A study of your
        own draws by its own sampler.
    n_jobs : int, optional
        Trials that run side by side, through joblib; so many are drawn at a time, so that another number gives another
        search. Default: 1, or as ``joblib.parallel_config`` says.

    Returns
    -------
    Tuned
        The forecaster with the best parameters, all trials, and the cutoffs that are left to judge it at.

    Raises
    ------
    ConfigError
        An argument makes no sense, the study is of another search, or Optuna is not installed.
    NotEnoughHistory
        There are too few timestamps for the folds.
    DataError
        The frame does not hold what is needed.

    Notes
    -----
    A trial whose fit or forecast fails, by a context that is too long, say, counts as failed, and the search goes on.
    Series without so many rows at a cutoff as a context needs are left out of its forecasts, so that among young series
    long contexts are scored on the older ones. Whoever searches again after a look at the rows held back has seen them.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, backtest, load_sample, tune
    >>> air, model = load_sample("airline"), Forecaster(Ridge(), 6, 6, log=True)
    >>> tuned = tune(model, air, {"context_length": (6, 24), "regressor__alpha": (1e-3, 10.0, "log")}, 6, test_size=36)
    >>> str(tuned.until.date()), len(tuned.table)
    ('1957-12-01', 7)
    >>> result = backtest({"tuned": tuned.forecaster, "default": model}, air, tuned.cutoffs)
    >>> bool(result.scores.loc["tuned", "MAE"] <= result.scores.loc["default", "MAE"])
    True
    """
    optuna = load_optuna()
    check_value("n_trials", n_trials)
    check_value("n_jobs", n_jobs)
    check_value("seed", seed, allowed=Range(0, 2**63 - 1))
    if levels is not None:
        check_levels(levels)
    searched = Space.of(optuna, as_forecaster(forecaster), space)
    seen, until, cutoffs, cv = _hold_back(forecaster, frame, cv, test_size)
    panel = forecaster.to_panel(seen)
    metric, direction = _metric(panel, scoring, levels)
    search = Search(clone(forecaster), panel, _folds(cv, panel.stamps, forecaster.task.horizon), metric, levels)
    is_given = isinstance(study, optuna.Study)
    study = study if is_given else open_study(optuna, study, direction)
    default = begin(study, search, direction, str(searched.distributions))
    with joblib.Parallel(n_jobs=n_jobs) as parallel:
        while (n_done := len(finished(study))) < n_trials:
            numbers = range(n_done, min(n_done + joblib.effective_n_jobs(n_jobs), n_trials))
            trials = [draw_trial(optuna, study, searched, None if is_given else (seed, number)) for number in numbers]
            run_trials(optuna, study, search, trials, parallel)
    table = _table(forecaster, study, list(space), default)
    scores = table["score"].to_numpy(dtype=float)
    best = int(np.nanargmin(scores) if direction == "minimize" else np.nanargmax(scores))
    params = searched.values(finished(study)[best - 1].params) if best else {}
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", "score")
    chosen = clone(forecaster).set_params(**params)
    return Tuned(chosen, params, float(scores[best]), name, table, until, cutoffs, study)


def _hold_back(
    forecaster: BaseForecaster, frame: Frame, cv: WalkForward | None, test_size: int | None
) -> tuple[Frame, Any, pd.Index, WalkForward]:
    """The rows that trials see, the last timestamp of these, the origins that are left, and the folds."""
    if cv is not None and not isinstance(cv, WalkForward):
        raise ConfigError(f"cv={cv!r} must be a WalkForward, so that every trial is tested on what came later.")
    if not isinstance(frame, (pd.Series, pd.DataFrame)):
        raise ConfigError(f"a Series or DataFrame was needed, not {type(frame).__name__}.")
    times, horizon = row_keys(frame, forecaster.task.schema)[1], forecaster.task.horizon
    stamps = times.unique().sort_values()
    block = len(stamps) // 10 if cv is None else cv.test_size or len(stamps) // ((cv.n_splits or 5) + 2)
    size = block if test_size is None else test_size
    check_value("test_size", size, allowed=Range(0, 10**9))
    if size >= len(stamps):
        raise NotEnoughHistory(f"test_size={size} leaves none of {len(stamps)} timestamps to learn from.")
    first = len(stamps) - size - 1
    cv = WalkForward(4, test_size=max(horizon, block)) if cv is None else cv
    return frame[np.asarray(times <= stamps[first])], stamps[first], stamps[first : len(stamps) - horizon], cv


def _folds(cv: WalkForward, stamps: pd.Index, horizon: int) -> list[Fold]:
    """The folds in timestamps; blocks that share their training rows are one."""
    folds: list[Fold] = []
    split = replace(cv, context_length=0, id_column=None, time_column=None).split(pd.Series(0.0, stamps))
    for train, test in split:
        if len(test) < horizon:
            blocks = f"test blocks of {len(test)} timestamps hold no forecast of horizon={horizon}"
            raise ConfigError(f"{blocks}; raise test_size of cv.")
        first, last, end = stamps[train[0]], stamps[train[-1]], stamps[test[-1]]
        cutoffs = stamps[test[0] - 1 : test[-1] - horizon + 1]
        if folds and (folds[-1].first, folds[-1].last) == (first, last):
            cutoffs = folds.pop().cutoffs.append(cutoffs)
        folds.append(Fold(first, last, cutoffs, end))
    return folds


def _metric(panel: Panel, scoring: Scoring, levels: Sequence[float] | None) -> tuple[Any, str]:
    """What is scored, and Optuna's word for which is better."""
    if callable(scoring):
        return scoring, "maximize"
    metrics = metrics_for(levels or (), 0 if panel.classes is None else panel.n_classes)
    usable = {name: metric for name, metric in metrics.items() if metric.higher_is_better is not None}
    name = scoring or ("MASE" if panel.classes is None else "log_loss")
    if name not in usable:
        more = "" if levels or panel.classes is not None else "; with levels=[...] also pinball and CRPS"
        raise ConfigError(f"scoring={name!r} must be a function, or one of {', '.join(usable)}{more}.")
    return name, "maximize" if usable[name].higher_is_better else "minimize"


def _table(forecaster: BaseForecaster, study: Any, names: Sequence[str], default: Sequence[float]) -> pd.DataFrame:
    """A row per trial, and before them one of the forecaster as it is."""
    values = forecaster.get_params()
    known = {name: values[name] for name in names}
    rows = [{"state": "complete", "score": float(np.mean(default)), **known, **_by_fold(default), "error": ""}]
    for trial in finished(study):
        state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
        score = trial.value if state == "complete" else np.nan
        folds = _by_fold(trial.user_attrs.get("scores", ()))
        rows.append(
            {"state": state, "score": score, **trial.params, **folds, "error": trial.user_attrs.get("error", "")}
        )
    index = pd.Index(["default", *(trial.number for trial in finished(study))], dtype=object, name="trial")
    columns = ["state", "score", *names, *_by_fold(default), "error"]
    return pd.DataFrame(rows, index, columns)


def _by_fold(scores: Sequence[float]) -> dict[str, float]:
    return {f"fold_{k}": score for k, score in enumerate(scores, 1)}
