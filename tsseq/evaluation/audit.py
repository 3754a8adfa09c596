"""Does a forecaster look ahead, and does it forecast at all? A table of checks that try to catch it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsseq.data.panel import Frame
from tsseq.evaluation.audit_case import Array, Case, fitted_to, judged, seeds_of, skill
from tsseq.evaluation.perturb import KINDS, halved, shuffled
from tsseq.evaluation.significance import diebold_mariano
from tsseq.forecasting.base import BaseForecaster, check_size

RESCALED, COPY, LAGGED, CHANCE, BETTER, UNSTABLE = 1e-6, 0.1, 0.95, 0.01, 0.05, 0.5


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
    forecaster : any forecaster of frames; it is not changed, and a fit of it is not used.
    frame : the whole history, as for `backtest`; it is not changed.
    n_cutoffs : cutoffs at which the future is poisoned; the findings rest on up to 250 of them in a row.
    seed : of the shuffle, and of models whose own seed is None.

    Returns
    -------
    One row per check: ``check, kind, passed, value, meaning``; ``passed`` is missing where a check does not apply.

    Examples
    --------
    >>> from tsseq import Forecaster, LastValue, load_sample
    >>> found = audit(Forecaster(LastValue(), 3, 24, log=True), load_sample("airline"))
    >>> found.set_index("check")["passed"]
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
    case = Case.of(forecaster, frame, n_cutoffs, seed)
    rows = []
    for name, (kind, check) in CHECKS.items():
        try:
            found = check(case)
        except (ValueError, ArithmeticError) as error:  # without the changes, the same forecasts came out
            failed = False if name.startswith("future") else None
            found = Verdict(failed, np.nan, f"an error, which the frame as it is does not cause: {error}")
        rows.append({"check": name, "kind": kind, **found._asdict()})
    return pd.DataFrame(rows).astype({"passed": "boolean", "value": float})


class Verdict(NamedTuple):
    """What a check found."""

    passed: bool | None
    value: float
    meaning: str


def _future_at_a_cutoff(case: Case) -> Verdict:
    """Each kind of poison after each cutoff."""
    changed = 0
    kinds: list[str] = []
    for cutoff in case.cutoffs:
        truth = case.ask([cutoff])
        for kind in KINDS:
            found = _differing(truth, case.ask([cutoff], case.poisoned(cutoff, kind)))
            changed, kinds = changed + found, kinds + [kind] * bool(found)
    what = f"{changed} forecasts changed with rows after their cutoff"
    poisons = f" ({', '.join(dict.fromkeys(kinds))})" if kinds else ": it does not look ahead"
    return Verdict(changed == 0, changed, what + poisons)


def _future_between_cutoffs(case: Case) -> Verdict:
    """Noise after each cutoff but the last, all forecasts made at once."""
    table = case.model.predict_at(case.frame, case.cutoffs)
    truth, changed = case.ask(case.cutoffs), 0
    for cutoff in case.cutoffs[:-1]:
        found = case.ask(case.cutoffs, case.poisoned(cutoff, "noise"))
        early = (table["cutoff"] <= cutoff).to_numpy()
        changed += _differing(truth[early], found[early])
    return Verdict(
        changed == 0, changed, f"{changed} forecasts changed with rows up to a later cutoff in the same call"
    )


def _future_in_fit(case: Case) -> Verdict:
    """Fitted on the rows up to the first cutoff of a frame that was read with noise after it."""
    first = case.later[0]
    bad = case.poisoned(first, "noise")
    other = fitted_to(clone(case.model), clone(case.model).to_panel(bad), first)
    changed = _differing(case.ask([first]), case.ask([first], model=other))
    return Verdict(changed == 0, changed, f"{changed} forecasts changed with rows that came after those of fit")


def _rescaled_history(case: Case) -> Verdict:
    """Prices known at the last cutoff are halved."""
    truth = case.ask(case.cutoffs)
    found = 2 * case.ask(case.cutoffs, halved(case.frame, case.panel.schema, case.cutoffs[-1]))
    size = np.abs(truth)
    value = float(np.max(np.abs(found - truth) / np.where(size > 0, size, 1.0)))
    same = value <= RESCALED
    promised = " that log=True should prevent" if case.model.models_logs else " (log=True would prevent it)"
    what = "forecasts of returns do not know of later splits" if same else f"a later split changes forecasts{promised}"
    return Verdict(same if same or case.model.models_logs else None, value, what)


def _shuffled_returns(case: Case) -> Verdict:
    """A fit on changes in random order, against the last value."""
    frame = shuffled(case.frame, case.panel.schema, case.seed)
    panel, horizon = case.model.to_panel(frame), case.model.task.horizon
    model = fitted_to(clone(case.model), panel, case.later[0])
    table = judged(model.predict_at(frame, case.later), panel)
    losses = _losses(table)
    if len(losses) <= 2 * horizon:
        return Verdict(None, np.nan, f"{len(losses)} cutoffs are too few to tell skill over {horizon} rows from luck")
    test = diebold_mariano(losses["error"], losses["naive"], horizon, "less")
    what = f"skill {skill(table):.3f} on returns in random order, p-value {test.p_value:.3f}"
    leaks = test.p_value < CHANCE
    return Verdict(not leaks, skill(table), what + (": it knows what it cannot know" if leaks else ", as by chance"))


def _losses(table: pd.DataFrame) -> pd.DataFrame:
    """Mean errors of the forecasts and of the last value at every cutoff."""
    return table.dropna(subset=["error", "naive"]).groupby("cutoff")[["error", "naive"]].mean()


def _copy_of_the_last_value(case: Case) -> Verdict:
    """How far forecasts one row ahead are from the last value."""
    table = case.forecasts.query("step == 1")
    value = float((table["forecast"] - table["last"]).abs().div(table["unit"]).mean())
    what = f"forecasts one row ahead differ from the last value by {value:.2f} of the mean absolute change"
    return Verdict(value >= COPY, value, what + (": this forecast is yesterday's value" if value < COPY else ""))


def _lags_the_last_change(case: Case) -> Verdict:
    """Whether forecasts move as the last value has just moved, without being better than it."""
    table = case.forecasts.query("step == 1")
    keys = [name for name in ("id", "target") if name in table]
    moves = table.groupby(keys, observed=True)[["forecast", "last"]].diff().div(table["unit"], axis=0).dropna()
    if len(moves) < 3 or (moves.std() == 0).any():
        return Verdict(None, np.nan, "forecasts or values do not move")
    value = float(moves.corr().iloc[0, 1])
    losses = _losses(table)
    better = len(losses) > 1 and diebold_mariano(losses["error"], losses["naive"], 1, "less").p_value < BETTER
    what = f"changes of forecasts and the last observed change correlate by {value:.2f}"
    lags = value > LAGGED and not better
    copied = ": this forecast is yesterday's value" if lags else ""
    return Verdict(not lags, value, f"{what}, skill one row ahead is {skill(table):.3f}{copied}")


def _spread_over_seeds(case: Case) -> Verdict:
    """Two more fits with other seeds."""
    params = case.model.get_params()
    own = {name: params[name] for name in seeds_of(case.model)}
    if not own:
        return Verdict(None, np.nan, "the model has no parameter called seed or random_state")
    found = [case.forecasts["forecast"]]
    for k in (1, 2):
        seeds = {name: value + 1000 * k if isinstance(value, int) else k for name, value in own.items()}
        model = fitted_to(clone(case.model).set_params(**seeds), case.panel, case.later[0])
        found.append(model.predict_at(case.frame, case.later)["forecast"])
    spread = np.std(found, axis=0) / case.forecasts["unit"].to_numpy()
    value = float(np.nanmean(spread))
    return Verdict(value <= UNSTABLE, value, f"seeds move forecasts by {value:.2f} of the mean absolute change")


CHECKS: dict[str, tuple[str, Callable[[Case], Verdict]]] = {
    "future at a cutoff": ("leak", _future_at_a_cutoff),
    "future between cutoffs": ("leak", _future_between_cutoffs),
    "future in fit": ("leak", _future_in_fit),
    "rescaled history": ("leak", _rescaled_history),
    "shuffled returns": ("leak", _shuffled_returns),
    "copy of the last value": ("finding", _copy_of_the_last_value),
    "lags the last change": ("finding", _lags_the_last_change),
    "spread over seeds": ("finding", _spread_over_seeds),
}


def _differing(truth: Array, found: Array) -> int:
    """How many forecasts (rows) differ in some bit."""
    if truth.shape != found.shape:
        return max(len(truth), len(found))
    return int((truth.view(np.int64) != found.view(np.int64)).reshape(len(truth), -1).any(axis=1).sum())
