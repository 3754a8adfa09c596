"""What the page says of the forecasts: scores, errors by step, series, audit, fits and caveats."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from tsseq.data.tidy import NAIVE, YARDSTICKS, tidy_columns
from tsseq.errors import DataError
from tsseq.evaluation.result import BacktestResult
from tsseq.evaluation.significance import SIGNIFICANT
from tsseq.metrics import metrics_for
from tsseq.reporting import charts
from tsseq.reporting.tables import Formats, marked, styled
from tsseq.reporting.verdicts import copies, missed_levels
from tsseq.reporting.wording import between, count, joined, number, percent, probability, span

FEW_CUTOFFS = 30
_FITTED = {"here": "in the backtest", "before": "before it", "elsewhere": "elsewhere"}
_MOST_SERIES, _EXTREMES = 40, 10
_FORMATS: Formats = {"sMAPE": lambda value: f"{number(value)}\u00a0%"}


def p_values(result: BacktestResult) -> pd.Series[float]:
    """One-sided p-values against the naive forecast; none where there are too few cutoffs to test."""
    try:
        return result.compare(alternative="less")["p_value"]
    except DataError:
        return pd.Series(dtype=float)


def subtitle(result: BacktestResult) -> str:
    """Say what was forecast, how far, how often and when."""
    cutoffs, n_series = result.forecasts["cutoff"], len(series_ids(result))
    series = f" of {n_series} series" if n_series > 1 else ""
    where = f"{count(result.horizon, 'row')} ahead, from {count(cutoffs.nunique(), 'cutoff')}, {span(cutoffs)}"
    return f"Forecasts of {joined(_targets(result))}{series}, {where}."


def scores_section(result: BacktestResult, scores: pd.DataFrame, tests: pd.Series[float]) -> dict[str, Any]:
    """All scores, with those that decide first, and what they mean."""
    columns = tidy_columns(result.forecasts)
    n_classes = 0 if columns.classes is None else len(columns.classes)
    levels = [*charts.levels(result.forecasts), *columns.sets]
    metrics = {name: metric for name, metric in metrics_for(levels, n_classes).items() if metric.headline}
    names = ["skill", *(name for name in ("MASE", "direction", "log_loss", "accuracy") if name in metrics)]
    names += [name for name in metrics if name not in names]
    table = scores[names].astype(float)
    ends = result.intervals("skill")[["lower", "upper"]]
    table.insert(1, "p", tests.reindex(table.index).to_numpy())
    table.insert(2, "95\u00a0%", [between(*ends.loc[name]) if ends.loc[name].any() else "–" for name in table.index])
    shares = {name: percent for name in names if metrics[name].percent}
    formats: Formats = dict.fromkeys(names, number) | shares | _FORMATS | {"p": probability}
    level, notes = _coverage_notes(result)
    marks = {(name, column): "naive" for name in table.index if name in NAIVE for column in table}
    marks |= {(name, "coverage"): "missed" for name in notes}
    pooled = " of all series" if len(series_ids(result)) > 1 else ""
    terms = _terms(result, pooled, level) if columns.classes is None else _class_terms(columns.sets)
    return {
        "table": marked(styled("scores", table, {name: formats[name] for name in [*names, "p"]}), marks),
        "sentences": [*notes.values(), *copies(result.forecasts)],
        "terms": {term: words for term, words in terms.items() if term.split(",")[0] in table},
    }


def _coverage_notes(result: BacktestResult) -> tuple[float, dict[str, str]]:
    """The share that the widest band should hold, and what is said of models whose band does not."""
    levels = charts.levels(result.forecasts)
    level = levels[-1] - levels[0] if levels else np.nan
    if len(levels) < 2 or result.forecasts["cutoff"].nunique() < FEW_CUTOFFS:
        return level, {}
    return level, missed_levels(result.intervals("coverage").dropna(), level)


def _terms(result: BacktestResult, pooled: str, level: float) -> dict[str, str]:
    unit = f"in the unit of {joined(_targets(result))}"
    largest = "; series with large values weigh most" if pooled else ""
    return {
        "skill": f"1 − MAE / MAE of last_value; above 0\u00a0% is better{largest}",
        "95\u00a0%": "interval of the skill, by a bootstrap of neighbouring cutoffs together",
        "p": "one-sided Diebold-Mariano test of the errors scaled as in MASE, as is the verdict: how often luck alone "
        f"would look this much better than last_value; below {SIGNIFICANT} counts as better",
        "MASE": "absolute error as a multiple of the mean change from one row, or one season, to the next before the "
        "first cutoff",
        "direction": "how often the sign of the change was right",
        "MAE, RMSE": f"mean absolute and root mean squared error{pooled}, {unit}{largest}",
        "sMAPE": "symmetric percentage error, 0 to 200",
        "pinball": f"mean quantile loss, {unit}; smaller is better",
        "coverage": f"values within the widest band, where {percent(level, 0)} should be; bold where the difference is "
        f"more than chance explains (from {FEW_CUTOFFS} cutoffs on)",
    }


def _class_terms(levels: Sequence[float]) -> dict[str, str]:
    share = percent(levels[-1], 0) if levels else ""
    return {
        "skill": "1 − log loss / log loss of the frequencies; above 0\u00a0% is better",
        "95\u00a0%": "interval of the skill, by a bootstrap of neighbouring cutoffs together",
        "p": "one-sided Diebold-Mariano test of the log loss, as is the verdict: how often luck alone would look this "
        f"much better than the frequencies; below {SIGNIFICANT} counts as better",
        "log_loss": "mean of −log p, p the probability of what came; smaller is better",
        "accuracy, balanced_accuracy": "how often the most probable category came; the same for each category, and the "
        "mean of that",
        "Brier": "mean squared distance of the probabilities from what came, 0 or 1; smaller is better",
        "coverage, set_size": f"how often the set that should hold {share} of what comes did; categories in it",
    }


def steps_section(result: BacktestResult) -> dict[str, Any]:
    """Skill by step."""
    figure, hidden = charts.skill_by_step(result.by("step")["skill"].unstack("model")[list(result.scores.index)])
    caption = f"Skill of the forecasts so many rows ahead: above 0 is better than {YARDSTICKS[result.benchmark]}."
    if hidden:
        caption += f" Far below the rest, and hidden until a click on its name: {joined(hidden)}."
    return {"figure": figure, "caption": caption}


def series_section(result: BacktestResult, model: str) -> dict[str, Any]:
    """Forecasts of each series, from the most to the least skilful of a model, and a table of the best and worst."""
    forecasts, targets = result.forecasts, _targets(result)
    role = "id" if len(series_ids(result)) > 1 else "target"
    column = tidy_columns(forecasts).id if role == "id" else "target"
    if role == "id":
        forecasts = forecasts[forecasts["target"].astype(str) == targets[0]]
    unit = targets[0] if role == "id" or len(targets) == 1 else ""
    ranking = result.by(role).xs(model, level="model").sort_values("skill", ascending=False, kind="stable")
    shown = _shown(list(ranking.index))
    groups, classes = forecasts.groupby(column, observed=True), tidy_columns(forecasts).classes
    caption = "The last known values, and forecasts from some of the cutoffs, each begun at the value it set out from."
    if levels := charts.levels(forecasts):
        caption += f" The band lies between the quantiles {levels[0]:g} and {levels[-1]:g}."
    if classes is not None:
        caption = f"Probabilities that {model} gave, a step ahead; the squares on top are what came."
    several = len(ranking) > 1
    return {
        "figures": [
            charts.forecasts_and_truth(groups.get_group(name), result, unit)
            if classes is None
            else charts.chances_and_truth(groups.get_group(name), model, classes)
            for name in shown
        ],
        "caption": caption,
        "role": "Series" if role == "id" else "Target",
        "choices": [f"{name} (skill {percent(ranking.loc[name, 'skill'])})" for name in shown] if several else [],
        "selected": len(shown) // 2,
        "n": len(ranking),
        "table": _best_and_worst(ranking) if several else None,
    }


def _best_and_worst(ranking: pd.DataFrame) -> Styler:
    """The first and last rows of a ranking, or all if they are few, with a line between."""
    formats: Formats = {"skill": percent, "MASE": number, "direction": percent, "log_loss": number, "accuracy": percent}
    formats = {name: formats[name] for name in formats if name in ranking}
    table = ranking[list(formats)].astype(float).set_axis(ranking.index.map(str))
    ends = table.iloc[np.r_[:5, -5:0]] if len(table) > 10 else table
    styler = styled("series", ends, formats)
    return marked(styler, {(ends.index[5], "skill"): "worst"}) if len(ends) < len(table) else styler


def _shown(ranking: list[Any]) -> list[Any]:
    """Series that can be looked at: all, or the best, the middle one and the worst of very many."""
    if len(ranking) <= _MOST_SERIES:
        return ranking
    return [*ranking[:_EXTREMES], ranking[len(ranking) // 2], *ranking[-_EXTREMES:]]


def audit_section(findings: pd.DataFrame) -> dict[str, Any]:
    """A row for every check of `tsseq.audit`."""
    passed = findings["passed"].astype("boolean")
    verdicts = findings["kind"].astype(str).mask(passed.fillna(False), "passed").mask(passed.isna(), "not asked")
    table = pd.DataFrame({"": verdicts, "What it means": findings["meaning"]}).set_axis(findings["check"].astype(str))
    marks: dict[tuple[Hashable, Hashable], str] = {
        (check, ""): "missed" for check in table.index[passed.eq(False).fillna(False)]
    }
    return {"table": marked(styled("audit", table, {}), marks)}


def leaks(findings: pd.DataFrame | None) -> list[str]:
    """Say which checks of an audit found a leak, or covariates that know the future.

    That a later split changes forecasts is also true of honest ones whose covariates are prices.
    """
    if findings is None:
        return []
    grave = (findings["kind"] == "leak") & (findings["check"] != "rescaled history")
    grave |= findings["check"] == "covariates know the next change"
    failed = findings[grave & ~findings["passed"].astype("boolean").fillna(True)]
    return [f"Audit, {check}: {words}." for check, words in zip(failed["check"], failed["meaning"])]


def method_section(result: BacktestResult) -> dict[str, Any]:
    """Cutoffs, what could be scored, and which fits made the forecasts."""
    forecasts, cutoffs, n_series = result.forecasts, result.forecasts["cutoff"], len(series_ids(result))
    n_models = forecasts["model"].nunique()
    most = forecasts.groupby("model", observed=True).size().max()
    condition = "the value is known, and every model has forecast it"
    facts = {
        "Cutoffs": f"{cutoffs.nunique():,}: {span(cutoffs)}, {count(result.stride, 'row')} apart",
        "Horizon": count(result.horizon, "row"),
        "Scored": f"{len(result.common()) // n_models:,} of {most:,} forecasts per model: {condition}",
    }
    if n_series > 1:
        facts["Series"] = f"{n_series}"
    fits = {
        str(name): [len(fit), joined([_FITTED[how] for how in fit["fitted"].unique()]), span(fit["fitted_until"])]
        for name, fit in result.fits.groupby("model", sort=False)
    }
    table = pd.DataFrame.from_dict(fits, orient="index", columns=["Fits", "Fitted", "Last row seen"])
    return {"facts": facts, "fits": styled("fits", table, {})}


def caveats(result: BacktestResult) -> Iterator[str]:
    """What makes the scores look better, or surer, than they are."""
    models, n_cutoffs = result.forecasts["model"].unique(), result.forecasts["cutoff"].nunique()
    n_models, n_unscored = sum(name not in NAIVE for name in models), len(result.forecasts) - len(result.common())
    if len(series_ids(result)) > 1:
        yield (
            "The universe is fixed: series that ended before the data were collected are not in it, so what is left "
            "looks better than it was (survivorship bias)."
        )
    if n_cutoffs < FEW_CUTOFFS:
        yield f"{count(n_cutoffs, 'cutoff')}: too little to notice any but large differences, and p is rough."
    if n_models > 1:
        yield f"{n_models} models were tried, and the p of the scores does not allow for it: one looks good by luck."
    if n_unscored:
        yield f"{n_unscored:,} forecasts are not scored: their value is unknown, or a model has not forecast it."
    yield "Settings that were chosen after a look at these cutoffs make the scores too good."


def series_ids(result: BacktestResult) -> list[Any]:
    """The ids, in the order of the frame; none for a single series without one."""
    column = tidy_columns(result.forecasts).id
    return [] if column is None else list(result.forecasts[column].unique())


def _targets(result: BacktestResult) -> list[str]:
    return [str(name) for name in result.forecasts["target"].unique()]
