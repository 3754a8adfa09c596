"""One self-contained HTML page on a backtest, and on the book traded on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tsseq
from tsseq.data.tidy import NAIVE, tidy_columns
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation.result import BacktestResult
from tsseq.metrics import metrics_for
from tsseq.reporting import charts, money
from tsseq.reporting import html as page
from tsseq.reporting.html import count, joined, number, percent, probability, span
from tsseq.resampling.trials import Trials
from tsseq.trading.book import Book

_SIGNIFICANT = 0.05
_FEW_CUTOFFS = 30
_FITTED = {"here": "in the backtest", "before": "before it", "elsewhere": "elsewhere"}


def report(
    result: BacktestResult,
    book: Book | None = None,
    path: str | os.PathLike[str] = "report.html",
    *,
    title: str = "Backtest",
    audit: pd.DataFrame | None = None,
    trials: Trials | None = None,
) -> Path:
    """Write a backtest, and the book traded on it, to one HTML file that loads nothing from elsewhere.

    It begins with a verdict: a model beats the last value if the one-sided Diebold-Mariano p-value of
    ``result.compare(alternative="less")`` is below 0.05.

    Parameters
    ----------
    result : BacktestResult
        What `tsseq.backtest` returned.
    book : Book, optional
        What `tsseq.simulate` returned for weights made from these forecasts; None leaves money out. Costs, rates and
        bars in a year are those that it was made with.
    path : str or path, default "report.html"
        The file to write. It appears, or is replaced, only once it is complete.
    title : str, default "Backtest"
        Heading of the page.
    audit : DataFrame, optional
        What `tsseq.audit` found, shown as a section.
    trials : Trials, optional
        The ledger of everything that was tried on these prices (``sweep(...).attrs["trials"]``); the caveats then
        say what luck alone would have shown.

    Returns
    -------
    pathlib.Path
        The file, about 5 MB large, most of it plotly.js.

    Raises
    ------
    DataError
        No forecast can be scored, since nothing that was forecast has happened.
    ConfigError
        The folder of ``path`` does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, backtest, load_sample
    >>> result = backtest({"ridge": Forecaster(Ridge(), 3, 12)}, load_sample("airline"), n_cutoffs=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report(result, path=f"{folder}/airline.html", title="Airline").name
    'airline.html'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into; create it first.")
    content = page.document(title, _content(result, book, title, audit, trials))
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _content(
    result: BacktestResult, book: Book | None, title: str, audit: pd.DataFrame | None, trials: Trials | None
) -> Iterator[str]:
    n_scored = len(result.common())
    if not n_scored:
        raise DataError("no forecast has a known actual value, so there is nothing to report; choose earlier cutoffs.")
    scores, p_values = result.scores, _p_values(result)
    verdict, good = _verdict(scores, p_values)
    yield page.text(title, tag="h1")
    yield page.text(_subtitle(result), "note")
    yield page.text(verdict, "verdict good" if good else "verdict")
    yield page.section("Scores", _scores(result, scores, p_values))
    yield page.section("Error by step", _by_step(result))
    yield page.section("Forecasts against what happened", _forecasts(result))
    if book is not None:
        yield page.section("In money", money.money(book))
    if audit is not None:
        yield page.section("Audit", _audit(audit))
    yield page.section("How this was made", _method(result, book, n_scored))
    yield page.section("Caveats", [page.bullets(_caveats(result, book, trials, n_scored))], "caveats")
    yield page.text(f"Made with tsseq {tsseq.__version__}.", tag="footer")


def _p_values(result: BacktestResult) -> pd.Series[float]:
    """One-sided p-values against the last value; none where there are too few cutoffs to test."""
    try:
        return result.compare(alternative="less")["p_value"]
    except DataError:
        return pd.Series(dtype=float)


def _verdict(scores: pd.DataFrame, p_values: pd.Series[float]) -> tuple[str, bool]:
    """One sentence in plain words, and whether it is good news."""
    errors = {str(name): float(error) for name, error in scores["MASE"].items()}
    tests = {name: float(p_values.get(name, np.nan)) for name in errors if name not in NAIVE}
    if np.isnan(list(tests.values())).all():
        return "It cannot be told whether any model beats repeating the last value: too few cutoffs for a test.", False
    winners = [name for name, p_value in tests.items() if p_value < _SIGNIFICANT]
    best = min(winners or tests, key=lambda name: errors[name])
    gain = 1 - errors[best] / errors[NAIVE[0]]
    size = f"{percent(abs(gain), 1)} {'smaller' if gain >= 0 else 'larger'}"
    p_value = probability(tests[best], "p")
    if not winners:
        luck = ", which may well be luck" if gain >= 0 else ""
        words = f"the errors of the closest, {best}, are {size}{luck} ({p_value})."
        return f"No model beats repeating the last value: {words}", False
    simple = min((name for name in errors if name in NAIVE), key=lambda name: errors[name])
    but = f"; but {simple}, which learns nothing, does better still" if errors[simple] < errors[best] else ""
    verb, whose = ("beats", "its errors") if len(winners) == 1 else ("beat", f"the errors of the best, {best},")
    words = f"{whose} are {size}, more than luck explains ({p_value}){but}."
    return f"{joined(winners)} {verb} repeating the last value: {words}", not but


def _subtitle(result: BacktestResult) -> str:
    cutoffs, n_series = result.forecasts["cutoff"], len(_ids(result))
    series = f" of {n_series} series" if n_series > 1 else ""
    where = f"{count(result.horizon, 'row')} ahead, from {count(cutoffs.nunique(), 'cutoff')}, {span(cutoffs)}"
    return f"Forecasts of {joined(_targets(result))}{series}, {where}."


def _scores(result: BacktestResult, scores: pd.DataFrame, p_values: pd.Series[float]) -> Iterator[str]:
    metrics = {name: metric for name, metric in metrics_for(charts.levels(result.forecasts)).items() if metric.headline}
    intervals = result.intervals("skill")[["lower", "upper"]]
    naive: list[list[str]] = []
    models: list[list[str]] = []
    for name, row in scores[list(metrics)].astype(float).iterrows():
        cells = [percent(row[c], 1) if metrics[c].percent else number(row[c]) for c in metrics]
        test = [_between(*intervals.loc[name]), probability(p_values.get(name, np.nan))]
        (naive if name in NAIVE else models).append([str(name), *cells, *test])
    header = ["", *metrics, "skill, 95\u00a0%", "p"]
    yield page.table(header, {"Naive forecasts, which learn nothing": naive, "Models": models})
    unit = f"the unit of {joined(_targets(result))}"
    words = (
        f"MAE and RMSE: mean absolute and root mean squared error, in {unit}. MASE: absolute error as a multiple of "
        "the mean change from one row, or one season, to the next before the first cutoff. sMAPE: symmetric percentage "
        "error, 0 to 200. Skill: 1 − MAE / MAE of last_value; above 0 % is better; 95 %: its interval, by a bootstrap "
        "of neighbouring cutoffs together. Direction: how often the sign of the change was right. p: one-sided "
        "Diebold-Mariano test of the errors scaled as in MASE, as is the verdict; how often luck alone would look this "
        f"much better than last_value. Below {_SIGNIFICANT} counts as better."
    )
    if levels := charts.levels(result.forecasts):
        low, high = levels[0], levels[-1]
        words += (
            f" Pinball: mean quantile loss, in {unit}; smaller is better. Coverage: values between the quantiles "
            f"{low:g} and {high:g}, where {percent(high - low, 0)} should be."
        )
    yield page.text(words, "note")


def _between(lower: float, upper: float) -> str:
    digits = 1 if max(abs(lower), abs(upper)) < 1 else 0
    return f"{percent(lower, digits)[:-2]} to {percent(upper, digits)}"


def _by_step(result: BacktestResult) -> Iterator[str]:
    table = result.by("step")["MAE"].unstack("model", sort=False)
    figure, hidden = charts.error_by_step({str(name): errors for name, errors in table.items()}, _targets(result))
    caption = "Mean absolute error of the forecasts so many rows ahead. A click on a name hides or shows its line."
    if hidden:
        caption += f" Far above the rest, and hidden until then: {joined(hidden)}."
    if len(_ids(result)) > 1:
        caption += " It mixes the units of all series: those with large values weigh most."
    yield page.plot(figure, "Mean absolute error by step", caption)


def _forecasts(result: BacktestResult) -> Iterator[str]:
    forecasts, ids, targets = result.forecasts, _ids(result), _targets(result)
    columns = tidy_columns(forecasts)
    rows = forecasts[forecasts["target"].astype(str) == targets[0]]
    choices = []
    if len(ids) > 1:
        rows = rows[rows[columns.id] == ids[0]]
        choices.append(f"{ids[0]}, the first of {len(ids)} series")
    if len(targets) > 1:
        choices.append(f"{targets[0]}, the first of {len(targets)} targets")
    if choices:
        yield page.text(f"Shown: {'; '.join(choices)}.")
    figure = charts.forecasts_and_truth(rows, result.horizon, result.stride)
    caption = "The last known values, and forecasts from some of the cutoffs, each begun at the value it set out from."
    if levels := charts.levels(forecasts):
        caption += f" The band lies between the quantiles {levels[0]:g} and {levels[-1]:g}."
    yield page.plot(figure, f"Forecasts of {targets[0]} beside the actual values", caption)


def _audit(findings: pd.DataFrame) -> Iterator[str]:
    """A row for every check of `tsseq.audit`."""
    rows = []
    for _, row in findings.iterrows():
        verdict = "not asked" if pd.isna(row["passed"]) else "passed" if row["passed"] else str(row["kind"])
        value = number(np.nan if pd.isna(row["value"]) else float(row["value"]))
        rows.append([str(row["check"]), verdict, value, str(row["meaning"])])
    yield page.table(["Check", "", "Value", "What it means"], {"": rows}, "words")


def _method(result: BacktestResult, book: Book | None, n_scored: int) -> Iterator[str]:
    forecasts, cutoffs, n_series = result.forecasts, result.forecasts["cutoff"], len(_ids(result))
    sizes = forecasts.groupby("model", observed=True).size()
    condition = "the value is known, and every model has forecast it"
    facts = {
        "Cutoffs": f"{cutoffs.nunique():,}: {span(cutoffs)}, {count(result.stride, 'row')} apart",
        "Horizon": count(result.horizon, "row"),
        "Scored": f"{n_scored // len(sizes):,} of {sizes.max():,} forecasts per model: {condition}",
    }
    if n_series > 1:
        facts["Series"] = f"{n_series}"
    yield page.definitions(facts | ({} if book is None else money.facts(book)))
    fits = [
        [str(name), f"{len(fit)}", joined([_FITTED[how] for how in fit["fitted"].unique()]), _seen(fit["fitted_until"])]
        for name, fit in result.fits.groupby("model", sort=False)
    ]
    yield page.table(["", "Fits", "Fitted", "Last row seen"], {"": fits}, "words")


def _seen(until: pd.Series[Any]) -> str:
    return "unknown" if until.isna().any() else span(until)


def _caveats(result: BacktestResult, book: Book | None, trials: Trials | None, n_scored: int) -> Iterator[str]:
    models, n_cutoffs = result.forecasts["model"].unique(), result.forecasts["cutoff"].nunique()
    n_models, n_unscored = sum(name not in NAIVE for name in models), len(result.forecasts) - n_scored
    if book is not None:
        yield from book.caveats
    if len(_ids(result)) > 1:
        yield (
            "The universe is fixed: series that ended before the data were collected are not in it, so what is left "
            "looks better than it was (survivorship bias)."
        )
    if n_cutoffs < _FEW_CUTOFFS:
        yield f"{count(n_cutoffs, 'cutoff')}: too little to notice any but large differences, and p is rough."
    if n_models > 1:
        yield f"{n_models} models were tried, and p is not corrected for it: among many, one looks good by luck."
    if n_unscored:
        yield f"{n_unscored:,} forecasts are not scored: their value is unknown, or a model has not forecast it."
    yield "Settings that were chosen after a look at these cutoffs make the scores too good."
    if book is not None:
        yield from money.caveats(book, trials)


def _ids(result: BacktestResult) -> list[str]:
    """The ids, in the order of the frame; none for a single series without one."""
    column = tidy_columns(result.forecasts).id
    return [] if column is None else list(result.forecasts[column].unique())


def _targets(result: BacktestResult) -> list[str]:
    return [str(name) for name in result.forecasts["target"].unique()]
