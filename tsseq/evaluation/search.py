"""A search by Optuna: what may be tried, how a trial is scored, and a study that can be gone on with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any, NamedTuple, Self

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from tsseq.data.panel import Panel
from tsseq.errors import ConfigError, NotEnoughHistory, TsseqError
from tsseq.evaluation.backtest import backtest
from tsseq.evaluation.result import BacktestResult
from tsseq.forecasting.base import BaseForecaster

MODEL = "model"  # what a backtest calls the forecaster
_PLAIN = (str, int, float, bool, type(None))  # choices that a study can keep
_ANSWERS = ("horizon", "target")  # parameters that change what is scored


class Fold(NamedTuple):
    """First and last timestamp to train on, the origins to forecast from, and the last row that may be known."""

    first: Any
    last: Any
    cutoffs: pd.Index
    end: Any


@dataclass(frozen=True)
class Search:
    """What all trials share, and how one is scored."""

    forecaster: BaseForecaster
    panel: Panel
    folds: list[Fold]
    scoring: str | Callable[[BacktestResult], float]
    levels: Sequence[float] | None

    def score(self, params: Mapping[str, Any], fold: Fold) -> float:
        """Fit with these parameters on the training rows of a fold, and score the forecasts of what follows."""
        model = clone(self.forecaster).set_params(**params)
        times = self.panel.times
        rows = self.panel.select(np.asarray((times >= fold.first) & (times <= fold.last)))
        model.fit(rows.with_min_length(model.task.n_rows) if len(rows) > 1 else rows)
        known: Any = self.panel.before(fold.end)
        result = backtest({MODEL: model}, known, fold.cutoffs, levels=self.levels)
        return float(self.scoring(result) if callable(self.scoring) else result.scores.at[MODEL, self.scoring])

    def attempt(self, params: Mapping[str, Any], fold: Fold) -> tuple[float, str]:
        """The score, or NaN and why there is none."""
        try:
            score = self.score(params, fold)
        except (TsseqError, ValueError, ArithmeticError) as error:
            return np.nan, str(error)
        return score, "" if np.isfinite(score) else f"the score is {score}"


def load_optuna() -> Any:
    """Import the library, or say how to install it."""
    try:
        return import_module("optuna")
    except ImportError as error:
        raise ConfigError("tune needs the library Optuna: pip install 'tsseq[tune]'.") from error


class Space(NamedTuple):
    """Distributions of Optuna by parameter, and what stands behind choices that a study cannot keep."""

    distributions: dict[str, Any]
    choices: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, optuna: Any, forecaster: BaseForecaster, space: Mapping[str, Any]) -> Self:
        """Read the ranges and lists of `tsseq.tune`, of parameters that the forecaster has."""
        if not isinstance(space, Mapping) or not space:
            example = "{'context_length': (12, 48)}"
            raise ConfigError(f"space={space!r} must map names of parameters to values, as {example}.")
        kinds, parameters = optuna.distributions, forecaster.get_params()
        for name in space:
            _check_name(forecaster, name, parameters)
        lists = {name: values for name, values in space.items() if isinstance(values, list)}
        choices = {
            name: {repr(value): value for value in lists[name] if not isinstance(value, _PLAIN)} for name in lists
        }
        return cls({name: _distribution(kinds, name, values) for name, values in space.items()}, choices)

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a trial with the values that its choices stand for."""
        return {name: self.choices.get(name, {}).get(value, value) for name, value in params.items()}


def _check_name(forecaster: BaseForecaster, name: str, parameters: Mapping[str, Any]) -> None:
    if name.rpartition("__")[2] in _ANSWERS:
        raise ConfigError(f"space has {name!r}, which changes what is forecast, so that scores cannot be compared.")
    if name in parameters:
        return
    outer = name.rpartition("__")[0]
    near = get_close_matches(name, parameters, 1, 0.5)
    advice = f"; did you mean {near[0]!r}?" if near else "; get_params() lists them."
    advice = f": its {outer} is None; give it one first." if outer and parameters.get(outer, "") is None else advice
    raise ConfigError(f"{type(forecaster).__name__} has no parameter {name!r}{advice}")


def _distribution(kinds: Any, name: str, values: Any) -> Any:
    if isinstance(values, kinds.BaseDistribution):
        return values
    if isinstance(values, list) and values:
        return kinds.CategoricalDistribution([value if isinstance(value, _PLAIN) else repr(value) for value in values])
    ends, scale = (values[:2], values[2:]) if isinstance(values, tuple) else ((), ())
    if len(ends) == 2 and all(isinstance(end, Real) for end in ends) and scale in ((), ("log",)) and ends[0] <= ends[1]:
        whole = all(isinstance(end, Integral) for end in ends)
        if not scale or ends[0] > 0:
            return (kinds.IntDistribution if whole else kinds.FloatDistribution)(*ends, log=bool(scale))
    needed = "(low, high), (low, high, 'log') with low above 0, a list of choices, or a distribution of Optuna"
    raise ConfigError(f"space[{name!r}]={values!r} must be {needed}.")


def open_study(optuna: Any, path: str | PathLike[str] | None, direction: str) -> Any:
    """A new study, or the one in a file, whose trials that were under way are given up."""
    backend, storage = optuna.storages.journal, None
    if path is not None:
        if not isinstance(path, (str, PathLike)):
            raise ConfigError(f"study={path!r} must be a study of Optuna or the path of a file.")
        storage = backend.JournalStorage(backend.JournalFileBackend(fspath(path)))
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it tells of every study that it makes
    try:
        options: dict[str, Any] = {"study_name": "tune", "direction": direction, "load_if_exists": True}
        study = optuna.create_study(storage=storage, pruner=optuna.pruners.MedianPruner(), **options)
    finally:
        optuna.logging.set_verbosity(level)
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def begin(study: Any, search: Search, direction: str, space: str) -> list[float]:
    """Scores of the forecaster as it is; refuse a study whose trials were scored otherwise."""
    if study.direction.name.lower() != direction:
        what = f"the study is to {study.direction.name.lower()}, and the score is one to {direction}"
        raise ConfigError(f"{what}: optuna.create_study(direction={direction!r}).")
    scoring = getattr(search.scoring, "__qualname__", search.scoring)
    model = re.sub(" at 0x[0-9a-f]+", "", BaseEstimator.__repr__(search.forecaster, N_CHAR_MAX=10**6))
    content = search.panel.values, search.panel.indptr, str(search.folds), model, scoring, search.levels, space
    identity = joblib.hash(content)
    if study.user_attrs.get("search", identity) != identity:
        other = "another forecaster, space, scoring or cv, or other rows"
        raise ConfigError(f"the study is of another search: it was begun with {other}. Name another file.")
    if "default" not in study.user_attrs:
        try:
            scores = [search.score({}, fold) for fold in search.folds]
        except NotEnoughHistory as error:
            raise NotEnoughHistory(f"a fold of cv leaves too little to train on: {error}") from error
        if not np.isfinite(scores).all():
            raise ConfigError(f"{scoring} of the forecaster as it is is {scores}; choose another scoring.")
        study.set_user_attr("default", scores)
        study.set_user_attr("search", identity)
    return list(study.user_attrs["default"])


def draw_trial(optuna: Any, study: Any, space: Space, seeds: tuple[int, int] | None) -> tuple[Any, dict[str, Any]]:
    """A new trial and its parameters, drawn by the study's sampler, or with seeds by one of its own.

    Seeded trial by trial, a search that was stopped draws the same as one that was not.
    """
    if seeds is not None:
        seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
        study.sampler = optuna.samplers.TPESampler(seed=seed)
    trial = study.ask(space.distributions)
    return trial, space.values(trial.params)


def run_trials(
    optuna: Any, study: Any, search: Search, trials: Sequence[tuple[Any, dict[str, Any]]], parallel: joblib.Parallel
) -> None:
    """Score trials side by side, fold by fold, without those that are pruned or fail, and tell the study."""
    states = optuna.trial.TrialState
    ends: dict[int, Any] = {trial.number: states.COMPLETE for trial, _ in trials}
    scores: dict[int, list[float]] = {trial.number: [] for trial, _ in trials}
    for k, fold in enumerate(search.folds):
        left = [(trial, params) for trial, params in trials if ends[trial.number] == states.COMPLETE]
        calls = (joblib.delayed(search.attempt)(params, fold) for _, params in left)
        for (trial, _), (score, error) in zip(left, parallel(calls)):
            if error:
                trial.set_user_attr("error", error)
                ends[trial.number] = states.FAIL
                continue
            scores[trial.number].append(score)
            trial.report(float(np.mean(scores[trial.number])), k)
            if k + 1 < len(search.folds) and trial.should_prune():
                ends[trial.number] = states.PRUNED
    for trial, _ in trials:
        trial.set_user_attr("scores", scores[trial.number])
        complete = ends[trial.number] == states.COMPLETE
        with suppress(RuntimeError):  # samplers that have nothing left stop `study.optimize`, which this is not
            study.tell(trial, float(np.mean(scores[trial.number])) if complete else None, ends[trial.number])


def finished(study: Any) -> list[Any]:
    """Trials that ended by themselves, in their order."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return [trial for trial in trials if trial.state.name != "FAIL" or "error" in trial.user_attrs]
