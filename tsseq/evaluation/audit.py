"""Checks that try to catch a forecaster looking ahead, or forecasting nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsseq.data.panel import Frame, Panel
from tsseq.data.tidy import tidy_columns
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.evaluation.backtest import fit_until
from tsseq.evaluation.perturb import KINDS, halved, poisoned, shuffled
from tsseq.evaluation.significance import diebold_mariano
from tsseq.forecasting.base import BaseForecaster, as_forecaster, check_size, seed_names
from tsseq.typing import Array

RESCALED, COPY, LAGGED, CHANCE, BETTER, UNSTABLE = 1e-6, 0.1, 0.95, 0.01, 0.05, 0.5
MOST_CUTOFFS = 250


def audit(forecaster: BaseForecaster, frame: Frame, n_cutoffs: int = 5, seed: int = 0) -> pd.DataFrame:
    """Try to catch a forecaster looking ahead, or forecasting nothing.

    A clone is fitted on the rows up to a first cutoff, after two thirds of the timestamps. Then the future is poisoned,
    the past rescaled, returns shuffled and seeds changed. That takes 3 fits, and 2 more for a model with a seed.

    Checks of kind "leak", which an honest forecaster passes:

    - "future at a cutoff": rows after a cutoff are replaced by NaN, by 1e30 and by noise; no bit of a forecast made at
      it may change. Known covariates are replaced after the horizon.
    - "future between cutoffs": the same with noise, in one call for all cutoffs, for those before the noise.
    - "future in fit": the same for a forecaster fitted on the rows up to the first cutoff, with noise after it in the
      frame.
    - "rescaled history": a 2:1 split that comes later halves all prices known today; forecasts have to halve. Promised
      with ``log=True`` only. Without it, a difference is reported and neither passed nor failed.
    - "shuffled returns": fitted on a frame whose changes are in random order, the model may not beat the last value
      with a p-value below 0.01 (Diebold and Mariano); luck does so in one of a hundred audits.

    Checks of kind "finding", which tell what the forecasts are worth:

    - "copy of the last value": forecasts one row ahead differ from it by less than 0.1 of the mean absolute change.
    - "lags the last change": forecasts move as the last value did (correlation above 0.95), and are not better than it
      with a p-value below 0.05.
    - "spread over seeds": the deviation over three seeds is more than half of the mean absolute change.

    Parameters
    ----------
    forecaster : BaseForecaster
        Any forecaster of frames; it is not changed, and a fit of it is not used.
    frame : Series or DataFrame
        The whole history, in any shape that ``fit`` takes; it is not changed.
    n_cutoffs : int
        Cutoffs at which the future is poisoned; the findings rest on up to 250 of them in a row. Default: 5.
    seed : int
        Seed of the shuffle, and of models whose own seed is None. Default: 0.

    Returns
    -------
    DataFrame
        One row per check: ``check, kind, passed, value, meaning``; ``passed`` is missing where a check does not apply.

    Raises
    ------
    ConfigError
        It is not a forecaster of frames, or ``n_cutoffs`` is below 1.
    NotEnoughHistory
        The frame leaves no room for the cutoffs after a first fit.

    Examples
    --------
    >>> from tsseq import Forecaster, LastValue, load_sample
    >>> table = audit(Forecaster(LastValue(), 3, 24, log=True), load_sample("airline"))
    >>> table.set_index("check")["passed"]
    check
    future at a cutoff         True
    future between cutoffs     True
    future in fit              True
    rescaled history           True
    shuffled returns           True
    copy of the last value    False
    lags the last change      False
    spread over seeds          <NA>
    Name: passed, dtype: boolean
    """
    check_size("n_cutoffs", n_cutoffs)
    case = _Case.of(forecaster, frame, n_cutoffs, seed)
    rows = []
    for name, (kind, check) in CHECKS.items():
        try:
            verdict = check(case)
        except (ValueError, ArithmeticError) as error:  # without the changes, the same forecasts came out
            passed = False if name.startswith("future") else None
            verdict = _Verdict(passed, np.nan, f"an error, which the frame as it is does not cause: {error}")
        rows.append({"check": name, "kind": kind, **verdict._asdict()})
    return pd.DataFrame(rows).astype({"passed": "boolean", "value": float})


class _Verdict(NamedTuple):
    passed: bool | None
    value: float
    meaning: str


@dataclass(frozen=True)
class _Case:
    """A forecaster fitted on the rows up to the first cutoff, and what the checks ask of it.

    Attributes
    ----------
    model : BaseForecaster
        The fitted clone.
    frame : Series or DataFrame
        The whole history.
    panel : Panel
        The same, as the model reads it.
    cutoffs : Index
        Cutoffs at which the future is poisoned.
    consecutive : Index
        Neighbouring cutoffs from the first one.
    forecasts : DataFrame
        Forecasts at the consecutive cutoffs, as `_judged` lays them out.
    seed : int
        Seed of random changes.
    levels : list of float or None
        Quantile levels that are forecast too.
    """

    model: BaseForecaster
    frame: Frame
    panel: Panel
    cutoffs: pd.Index
    consecutive: pd.Index
    forecasts: pd.DataFrame
    seed: int
    levels: list[float] | None

    @classmethod
    def of(cls, forecaster: BaseForecaster, frame: Frame, n_cutoffs: int, seed: int) -> _Case:
        """Fit a clone, whose own seed becomes ``seed`` where it is None; errors are those of the forecaster itself."""
        model = clone(as_forecaster(forecaster))
        params = model.get_params()
        model.set_params(**{name: seed for name in seed_names(model) if params[name] is None})
        panel = model.to_panel(frame)
        consecutive = _consecutive(panel, model.task.context_length, model.task.horizon, n_cutoffs)
        cutoffs = consecutive[np.unique(np.linspace(0, len(consecutive) - 1, n_cutoffs).astype(int))]
        fit_until(model, panel, consecutive[0])
        table = _judged(model.predict_at(frame, consecutive), panel)
        return cls(model, frame, panel, cutoffs, consecutive, table, seed, _levels(model, frame, cutoffs))

    def ask(self, cutoffs: Any, frame: Frame | None = None, model: BaseForecaster | None = None) -> Array:
        """(n, 1 + Q) forecasts and their quantiles."""
        table = (model or self.model).predict_at(self.frame if frame is None else frame, cutoffs, self.levels)
        columns = ["forecast", *[f"q{level:g}" for level in self.levels or ()]]
        return np.asarray(table[columns].to_numpy(dtype=np.float64))

    def poisoned(self, cutoff: Any, kind: str) -> Frame:
        """The frame with another future."""
        return poisoned(self.frame, self.panel.schema, self.model.task.horizon, cutoff, kind)


def _consecutive(panel: Panel, length: int, horizon: int, n_cutoffs: int) -> pd.Index:
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


def _judged(table: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Add the last value, what happened, the mean absolute change over each step, and errors in units of it."""
    names = tidy_columns(table)
    last, actual = (_observed(table, names.id, time, panel) for time in ("cutoff", names.time))
    table = table.assign(last=last, naive=np.abs(actual - last), error=np.abs(actual - table["forecast"]))
    unit = table.groupby([*_series_keys(table), "step"], observed=True)["naive"].transform("mean")
    table["unit"] = unit.where(unit > 0)
    table[["error", "naive"]] = table[["error", "naive"]].div(table["unit"], axis=0)
    return table


def _series_keys(table: pd.DataFrame) -> list[Hashable]:
    """Columns that tell one series and target from another."""
    names = tidy_columns(table)
    return ["target"] if names.id is None else [names.id, "target"]


def _observed(table: pd.DataFrame, ids: Hashable | None, times: Hashable, panel: Panel) -> Array:
    """(n,) values of the targets at the ids and timestamps of two columns; NaN where there are none."""
    index, wanted = panel.times, pd.Index(table[times])
    if ids is not None:
        index = pd.MultiIndex.from_arrays([panel.ids.take(panel.series_of_row), panel.times])
        wanted = pd.MultiIndex.from_frame(table[[ids, times]])
    rows = index.get_indexer(wanted)
    targets = pd.Index(panel.schema.target).get_indexer(pd.Index(table["target"]))
    return np.where(rows >= 0, panel.values[rows, targets], np.nan)


def _skill(table: pd.DataFrame) -> float:
    """``1 - MAE / MAE`` of the last value; 0 where nothing moves."""
    naive = float(table["naive"].mean())
    return 1 - float(table["error"].mean()) / naive if naive > 0 else 0.0


def _losses(table: pd.DataFrame) -> pd.DataFrame:
    """Mean errors of the forecasts and of the last value at every cutoff."""
    return table.dropna(subset=["error", "naive"]).groupby("cutoff")[["error", "naive"]].mean()


def _n_different(expected: Array, forecasts: Array) -> int:
    """How many forecasts (rows) differ in some bit."""
    if expected.shape != forecasts.shape:
        return max(len(expected), len(forecasts))
    return int((expected.view(np.int64) != forecasts.view(np.int64)).reshape(len(expected), -1).any(axis=1).sum())


def _future_at_a_cutoff(case: _Case) -> _Verdict:
    """Each kind of poison after each cutoff."""
    total = 0
    kinds: dict[str, None] = {}
    for cutoff in case.cutoffs:
        expected = case.ask([cutoff])
        for kind in KINDS:
            changed = _n_different(expected, case.ask([cutoff], case.poisoned(cutoff, kind)))
            total += changed
            kinds |= {kind: None} if changed else {}
    poisons = f" ({', '.join(kinds)})" if kinds else ": it does not look ahead"
    return _Verdict(total == 0, total, f"{total} forecasts changed with rows after their cutoff{poisons}")


def _future_between_cutoffs(case: _Case) -> _Verdict:
    """Noise after each cutoff but the last, all forecasts made at once."""
    made_at = case.model.predict_at(case.frame, case.cutoffs)["cutoff"]
    expected, changed = case.ask(case.cutoffs), 0
    for cutoff in case.cutoffs[:-1]:
        forecasts = case.ask(case.cutoffs, case.poisoned(cutoff, "noise"))
        early = (made_at <= cutoff).to_numpy()
        changed += _n_different(expected[early], forecasts[early])
    meaning = f"{changed} forecasts changed with rows up to a later cutoff in the same call"
    return _Verdict(changed == 0, changed, meaning)


def _future_in_fit(case: _Case) -> _Verdict:
    """Fitted on the rows up to the first cutoff of a frame that was read with noise after it."""
    first = case.consecutive[0]
    panel = clone(case.model).to_panel(case.poisoned(first, "noise"))
    model = fit_until(clone(case.model), panel, first)
    changed = _n_different(case.ask([first]), case.ask([first], model=model))
    return _Verdict(changed == 0, changed, f"{changed} forecasts changed with rows that came after those of fit")


def _rescaled_history(case: _Case) -> _Verdict:
    """Prices known at the last cutoff are halved."""
    expected = case.ask(case.cutoffs)
    doubled = 2 * case.ask(case.cutoffs, halved(case.frame, case.panel.schema, case.cutoffs[-1]))
    size = np.abs(expected)
    value = float(np.max(np.abs(doubled - expected) / np.where(size > 0, size, 1.0)))
    if value <= RESCALED:
        return _Verdict(True, value, "forecasts of returns do not know of later splits")
    if case.model.models_logs:
        return _Verdict(False, value, "a later split changes forecasts that log=True should prevent")
    return _Verdict(None, value, "a later split changes forecasts (log=True would prevent it)")


def _shuffled_returns(case: _Case) -> _Verdict:
    """A fit on changes in random order, against the last value."""
    frame = shuffled(case.frame, case.panel.schema, case.seed)
    panel, horizon = case.model.to_panel(frame), case.model.task.horizon
    model = fit_until(clone(case.model), panel, case.consecutive[0])
    table = _judged(model.predict_at(frame, case.consecutive), panel)
    losses = _losses(table)
    if len(losses) <= 2 * horizon:
        return _Verdict(None, np.nan, f"{len(losses)} cutoffs are too few to tell skill over {horizon} rows from luck")
    p_value = diebold_mariano(losses["error"], losses["naive"], horizon, "less").p_value
    leaks, skill = p_value < CHANCE, _skill(table)
    end = ": it knows what it cannot know" if leaks else ", as by chance"
    return _Verdict(not leaks, skill, f"skill {skill:.3f} on returns in random order, p-value {p_value:.3f}{end}")


def _copy_of_the_last_value(case: _Case) -> _Verdict:
    """How far forecasts one row ahead are from the last value."""
    table = case.forecasts.query("step == 1")
    value = float((table["forecast"] - table["last"]).abs().div(table["unit"]).mean())
    end = ": this forecast is yesterday's value" if value < COPY else ""
    meaning = f"forecasts one row ahead differ from the last value by {value:.2f} of the mean absolute change{end}"
    return _Verdict(value >= COPY, value, meaning)


def _lags_the_last_change(case: _Case) -> _Verdict:
    """Whether forecasts move as the last value has just moved, without being better than it."""
    table = case.forecasts.query("step == 1")
    changes = table.groupby(_series_keys(table), observed=True)[["forecast", "last"]].diff()
    changes = changes.div(table["unit"], axis=0).dropna()
    if len(changes) < 3 or (changes.std() == 0).any():
        return _Verdict(None, np.nan, "forecasts or values do not move")
    value = float(changes.corr().iloc[0, 1])
    losses = _losses(table)
    better = len(losses) > 1 and diebold_mariano(losses["error"], losses["naive"], 1, "less").p_value < BETTER
    lags = value > LAGGED and not better
    meaning = f"changes of forecasts and the last observed change correlate by {value:.2f}"
    end = ": this forecast is yesterday's value" if lags else ""
    return _Verdict(not lags, value, f"{meaning}, skill one row ahead is {_skill(table):.3f}{end}")


def _spread_over_seeds(case: _Case) -> _Verdict:
    """Two more fits with other seeds."""
    params, names = case.model.get_params(), seed_names(case.model)
    if not names:
        return _Verdict(None, np.nan, "the model has no parameter called seed or random_state")
    forecasts = [case.forecasts["forecast"]]
    for k in (1, 2):
        seeds = {name: params[name] + 1000 * k if isinstance(params[name], int) else k for name in names}
        model = fit_until(clone(case.model).set_params(**seeds), case.panel, case.consecutive[0])
        forecasts.append(model.predict_at(case.frame, case.consecutive)["forecast"])
    value = float(np.nanmean(np.std(forecasts, axis=0) / case.forecasts["unit"].to_numpy()))
    return _Verdict(value <= UNSTABLE, value, f"seeds move forecasts by {value:.2f} of the mean absolute change")


CHECKS: dict[str, tuple[str, Callable[[_Case], _Verdict]]] = {
    "future at a cutoff": ("leak", _future_at_a_cutoff),
    "future between cutoffs": ("leak", _future_between_cutoffs),
    "future in fit": ("leak", _future_in_fit),
    "rescaled history": ("leak", _rescaled_history),
    "shuffled returns": ("leak", _shuffled_returns),
    "copy of the last value": ("finding", _copy_of_the_last_value),
    "lags the last change": ("finding", _lags_the_last_change),
    "spread over seeds": ("finding", _spread_over_seeds),
}
