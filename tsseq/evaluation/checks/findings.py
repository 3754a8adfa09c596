"""Checks of the audit that tell what forecasts and data are worth."""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy

import numpy as np
from sklearn.base import clone

from tsseq.data.tidy import NAIVE, tidy_columns
from tsseq.data.timestamps import stamps_like
from tsseq.evaluation.backtest import fit_until
from tsseq.evaluation.checks.case import Case, Check, Verdict, losses_of, series_keys, skill
from tsseq.evaluation.foreknowledge import explained_shares, foreknown, in_words, suspects
from tsseq.evaluation.pretrained import declaration, forecasters_in, is_declared
from tsseq.evaluation.scores import AlignedForecasts, key_columns
from tsseq.evaluation.significance import diebold_mariano
from tsseq.evaluation.too_good import price_like, too_good
from tsseq.forecasting.base import seed_names
from tsseq.typing import Array

COPY, LAGGED, BETTER, UNSTABLE = 0.1, 0.95, 0.05, 0.5


def _copy_of_the_last_value(case: Case) -> Verdict:
    """How far forecasts one row ahead are from the last value."""
    table = case.forecasts.query("step == 1")
    value = float((table["forecast"] - table["last"]).abs().div(table["unit"]).mean())
    end = ": this forecast is yesterday's value" if value < COPY else ""
    meaning = f"forecasts one row ahead differ from the last value by {value:.2f} of the mean absolute change{end}"
    return Verdict(value >= COPY, value, meaning)


def _lags_the_last_change(case: Case) -> Verdict:
    """Whether forecasts move as the last value has just moved, without being better than it."""
    table = case.forecasts.query("step == 1")
    changes = table.groupby(series_keys(table), observed=True)[["forecast", "last"]].diff()
    changes = changes.div(table["unit"], axis=0).dropna()
    if len(changes) < 3 or (changes.std() == 0).any():
        return Verdict(None, np.nan, "forecasts or values do not move")
    value = float(changes.corr().iloc[0, 1])
    losses = losses_of(table)
    better = len(losses) > 1 and diebold_mariano(losses["error"], losses["naive"], 1, "less").p_value < BETTER
    lags = value > LAGGED and not better
    meaning = f"changes of forecasts and the last observed change correlate by {value:.2f}"
    end = ": this forecast is yesterday's value" if lags else ""
    return Verdict(not lags, value, f"{meaning}, skill one row ahead is {skill(table):.3f}{end}")


def _spread_over_seeds(case: Case) -> Verdict:
    """Two more fits with other seeds."""
    params, names = case.model.get_params(), seed_names(case.model)
    if not names:
        return Verdict(None, np.nan, "the model has no parameter called seed or random_state")
    forecasts = [case.forecasts["forecast"]]
    for k in (1, 2):
        seeds = {name: params[name] + 1000 * k if isinstance(params[name], int) else k for name in names}
        model = fit_until(clone(case.model).set_params(**seeds), case.panel, case.consecutive[0])
        forecasts.append(model.predict_at(case.frame, case.consecutive)["forecast"])
    value = float(np.nanmean(np.std(forecasts, axis=0) / case.forecasts["unit"].to_numpy()))
    return Verdict(value <= UNSTABLE, value, f"seeds move forecasts by {value:.2f} of the mean absolute change")


def _covariates_know_the_next_change(case: Case) -> Verdict:
    """Correlation of covariates with the next changes, beyond the target's own past."""
    table = foreknown(case.panel, case.model.task.horizon)
    if table.empty:
        return Verdict(None, np.nan, "there are no covariates that are numbers")
    knowing = suspects(table)
    shown = table.drop_duplicates("covariate")[:3] if knowing.empty else knowing
    words = "correlation with the next change beyond the target's own past"
    end = "" if knowing.empty else ": look for the future in the data"
    return Verdict(knowing.empty, float(shown["correlation"].abs().max()), f"{words}: {in_words(shown)}{end}")


def _too_good_to_be_true(case: Case) -> Verdict:
    """Direction, errors and information coefficient against what prices allow."""
    table = case.forecasts.dropna(subset=["actual", "last", "forecast"])
    roles, shares = key_columns(tidy_columns(table)), explained_shares(case.panel, case.model.task.horizon)
    keys = table[list(roles.values())].set_axis(list(roles), axis=1).reset_index(drop=True)
    inputs: dict[Hashable, Array] = {name: table[name].to_numpy(np.float64) for name in ("actual", "last")}
    inputs["mase_scale"] = table["unit"].to_numpy(np.float64)
    inputs["forecast"] = np.stack([inputs["last"], table["forecast"].to_numpy(np.float64)])
    sentences = too_good(AlignedForecasts([NAIVE[0], "the model"], 0, keys, inputs, []), shares, stride=1)
    value = skill(case.forecasts)
    if not sentences and price_like(shares).empty:
        what = f"in hindsight, {100 * shares['known'].min():.0f} % of its changes or more could be known"
        return Verdict(None, value, f"the target is not like a price: {what}")
    end = "; ".join(sentences) if sentences else "no better than prices allow"
    return Verdict(not sentences, value, f"skill {value:.3f}: {end}")


def _fit_depends_on_its_data(case: Case) -> Verdict:
    """The regressors of a fit on shuffled returns in the place of those of the model."""
    if case.shuffled_fit is None:
        return Verdict(None, np.nan, "the raw frame has no column of the target, which prepare makes")
    first, differences = case.consecutive[0], []
    for part, other in zip(forecasters_in(case.model), forecasters_in(case.shuffled_fit[0])):
        until = declaration(part)
        if until is not None and stamps_like(case.panel.times, [until])[0] > first:
            return Verdict(False, np.nan, f"it says that it was trained on rows up to {until}, which is after {first}")
        if not is_declared(part):
            swapped = copy(part)
            swapped.regressor_ = other.regressor_
            forecasts = [model.forecast_at(case.frame, case.cutoffs).values for model in (part, swapped)]
            differences.append(float(np.mean(forecasts[0] != forecasts[1])))
    if not differences:
        return Verdict(None, np.nan, "it declares that no data of these years were learnt from")
    value = min(differences)
    same = "fitted on returns in random order, it forecasts the same bits: a fixed rule, or trained elsewhere"
    meaning = f"{same}; the last row it has seen is unknown" if value == 0 else "another fit forecasts otherwise"
    return Verdict(value > 0, value, meaning)


FINDING_CHECKS: dict[str, Check] = {
    "copy of the last value": _copy_of_the_last_value,
    "lags the last change": _lags_the_last_change,
    "spread over seeds": _spread_over_seeds,
    "fit depends on its data": _fit_depends_on_its_data,
    "covariates know the next change": _covariates_know_the_next_change,
    "too good to be true": _too_good_to_be_true,
}
