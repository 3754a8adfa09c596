"""Checks of the audit that a forecaster passes unless it looks ahead."""

from __future__ import annotations

from itertools import product

import numpy as np
from sklearn.base import clone

from tsseq.evaluation.backtest import fit_until
from tsseq.evaluation.checks.case import Case, Check, Verdict, judged, losses_of, skill
from tsseq.evaluation.perturb import KINDS, halved
from tsseq.evaluation.preparation import changed_parts, is_carried
from tsseq.evaluation.significance import diebold_mariano
from tsseq.typing import Array

RESCALED, CHANCE = 1e-6, 0.01
NO_TARGET = "the raw frame has no column of the target, which prepare makes"


def _n_different(expected: Array, forecasts: Array) -> int:
    """How many forecasts (rows) differ in some bit."""
    if expected.shape != forecasts.shape:
        return max(len(expected), len(forecasts))
    return int((expected.view(np.int64) != forecasts.view(np.int64)).reshape(len(expected), -1).any(axis=1).sum())


def _future_at_a_cutoff(case: Case) -> Verdict:
    """Each kind of poison after each cutoff."""
    total = 0
    kinds: dict[str, None] = {}
    for cutoff in case.cutoffs:
        expected = case.ask([cutoff])
        for kind in KINDS:
            changed = _n_different(expected, case.ask([cutoff], case.poisoned(cutoff, kind)))
            total += changed
            kinds |= {kind: None} if changed else {}
    poisons = f" ({', '.join(kinds)})" if kinds else ": the forecaster does not look ahead"
    unchecked = "" if case.preparation else " (what was put into the frame before is not checked: pass prepare=)"
    return Verdict(total == 0, total, f"{total} forecasts changed with rows after their cutoff{poisons}{unchecked}")


def _future_between_cutoffs(case: Case) -> Verdict:
    """Noise after each cutoff but the last, all forecasts made at once."""
    made_at = case.model.predict_at(case.frame, case.cutoffs)["cutoff"]
    expected, changed = case.ask(case.cutoffs), 0
    for cutoff in case.cutoffs[:-1]:
        forecasts = case.ask(case.cutoffs, case.poisoned(cutoff, "noise"))
        early = (made_at <= cutoff).to_numpy()
        changed += _n_different(expected[early], forecasts[early])
    meaning = f"{changed} forecasts changed with rows up to a later cutoff in the same call"
    return Verdict(changed == 0, changed, meaning)


def _future_in_fit(case: Case) -> Verdict:
    """Fitted on the rows up to the first cutoff of a frame that was read with noise after it."""
    first = case.consecutive[0]
    panel = clone(case.model).to_panel(case.poisoned(first, "noise"))
    model = fit_until(clone(case.model), panel, first)
    changed = _n_different(case.ask([first]), case.ask([first], model=model))
    return Verdict(changed == 0, changed, f"{changed} forecasts changed with rows that came after those of fit")


def _future_in_prepare(case: Case) -> Verdict:
    """What is made of raw frames that end at a cutoff, or go on otherwise."""
    if case.preparation is None:
        return Verdict(None, np.nan, "not checked: whether columns know the future; pass the raw frame and prepare=")
    changed: dict[str, int] = {}
    failures: dict[str, ValueError] = {}
    for cutoff, kind in product(case.cutoffs, ("cut", *KINDS)):
        try:
            frame = case.preparation.at(cutoff) if kind == "cut" else case.preparation.poisoned(cutoff, kind)
            panel = case.model.to_panel(frame)
        except ValueError as error:
            failures.setdefault(kind, error)
        else:
            horizon = case.model.task.horizon if kind == "cut" else 0  # rows of poison may be left out
            parts = changed_parts(case.panel, panel, cutoff, horizon)
            if parts and is_carried(case.preparation, case.model, case.panel, cutoff, kind):
                continue
            for part in parts:
                changed[part] = changed.get(part, 0) + 1
    if changed:
        again = case.model.to_panel(case.preparation.whole())
        if any(changed_parts(case.panel, again, cutoff, 0) for cutoff in case.cutoffs):
            return Verdict(False, np.nan, "prepare makes something else of the same frame each time; it needs a seed")
        what = "what it makes of rows up to a cutoff is another once later ones are cut off or replaced"
        return Verdict(False, max(changed.values()), f"prepare looks ahead: {what} ({', '.join(changed)})")
    if "cut" in failures:
        return Verdict(False, np.nan, f"what can be made of the raw frame at a cutoff is of no use: {failures['cut']}")
    but = f"; it fails where they are replaced: {next(iter(failures.values()))}" if failures else ""
    return Verdict(True, 0.0, f"rows up to a cutoff stay as they are when later raw ones are cut off{but}")


def _rescaled_history(case: Case) -> Verdict:
    """Prices known at the last cutoff are halved."""
    expected = case.ask(case.cutoffs)
    frame = case.remade(lambda frame, schema: halved(frame, schema, case.cutoffs[-1]))
    if frame is None:
        return Verdict(None, np.nan, NO_TARGET)
    doubled = 2 * case.ask(case.cutoffs, frame)
    size = np.abs(expected)
    value = float(np.max(np.abs(doubled - expected) / np.where(size > 0, size, 1.0)))
    if value <= RESCALED:
        return Verdict(True, value, "forecasts of returns do not know of later splits")
    if case.model.models_logs:
        return Verdict(False, value, "a later split changes forecasts that log=True should prevent")
    return Verdict(None, value, "a later split changes forecasts (log=True would prevent it)")


def _shuffled_returns(case: Case) -> Verdict:
    """A fit on changes in random order, against the last value."""
    if case.shuffled_fit is None:
        return Verdict(None, np.nan, NO_TARGET)
    (model, frame, panel), horizon = case.shuffled_fit, case.model.task.horizon
    table = judged(model.predict_at(frame, case.consecutive), panel)
    losses = losses_of(table)
    if len(losses) <= 2 * horizon:
        return Verdict(None, np.nan, f"{len(losses)} cutoffs are too few to tell skill over {horizon} rows from luck")
    p_value = diebold_mariano(losses["error"], losses["naive"], horizon, "less").p_value
    leaks, value = p_value < CHANCE, skill(table)
    end = ": it knows what it cannot know" if leaks else ", as by chance"
    return Verdict(not leaks, value, f"skill {value:.3f} on returns in random order, p-value {p_value:.3f}{end}")


LEAK_CHECKS: dict[str, Check] = {
    "future at a cutoff": _future_at_a_cutoff,
    "future between cutoffs": _future_between_cutoffs,
    "future in fit": _future_in_fit,
    "future in prepare": _future_in_prepare,
    "rescaled history": _rescaled_history,
    "shuffled returns": _shuffled_returns,
}
