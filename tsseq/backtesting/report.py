"""What a backtest found, on one page that can be mailed and read without a network."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import tsseq
from tsseq.backtesting import charts, page
from tsseq.backtesting.page import number, percent, probability, stamp
from tsseq.backtesting.result import NAIVE, BacktestResult
from tsseq.backtesting.simulate import Book
from tsseq.errors import ConfigError, DataError

_SIGNIFICANT = 0.05
_FEW_CUTOFFS = 30
_EXECUTION = {
    "next_open": "orders fill at the open after the decision",
    "next_close": "orders fill at the close after the decision",
    "close": "orders fill at the very close that decided them",
    "same_bar": "orders earn the bar that decided them, which nobody can",
}
_FITTED = {"here": "for this backtest", "before": "beforehand"}
_TITLES = {
    "cagr": "Annual growth (CAGR)",
    "value_at_risk": "Value at risk, 5 %",
    "conditional_value_at_risk": "Mean of the worst 5 %",
}
_RATIOS = ("sharpe", "sortino", "calmar", "omega", "tail_ratio")


def report(
    result: BacktestResult,
    book: Book | None = None,
    path: str | os.PathLike[str] = "report.html",
    *,
    title: str = "Backtest",
) -> Path:
    """Write a backtest, and the book traded on it, to one HTML file that loads nothing from elsewhere.

    It begins with a verdict: a model beats the last value if the one-sided Diebold-Mariano p-value of
    ``result.compare(alternative="less")`` is below 0.05.

    Parameters
    ----------
    result : what `tsseq.backtest` returned.
    book : what `tsseq.simulate` returned for weights made from these forecasts; None leaves money out. Statistics are
        annualised with the number of bars in a year that its dates suggest.
    path : the file to write. It appears, or is replaced, only once it is complete.
    title : heading of the page.

    Returns
    -------
    The path of the file, about 5 MB large, most of it plotly.js.

    Raises
    ------
    DataError : no forecast can be scored, since nothing that was forecast has happened.
    ConfigError : the folder of ``path`` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ConfigError(f"There is no folder {str(path.parent)!r} to write {path.name!r} into. Create it first.")
    if result.common().empty:
        raise DataError("No forecast has a known actual value, so there is nothing to report. Choose earlier cutoffs.")
    content = page.document(title, _content(result, book, title))
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _content(result: BacktestResult, book: Book | None, title: str) -> Iterator[str]:
    scores, tests = result.scores, _tests(result)
    verdict, good = _verdict(scores, tests)
    yield page.text(title, tag="h1")
    yield page.text(_subtitle(result), "note")
    yield page.text(verdict, "verdict good" if good else "verdict")
    yield page.section("Scores", _scores(result, scores, tests))
    yield page.section("Error by step", _by_step(result))
    yield page.section("Forecasts against what happened", _forecasts(result))
    if book is not None:
        yield page.section("In money", _money(book))
    yield page.section("How this was made", _method(result, book))
    yield page.caveat_box("Caveats", _caveats(result, book))
    yield page.text(f"Made with tsseq {tsseq.__version__}.", tag="footer")


def _tests(result: BacktestResult) -> "pd.Series[float]":
    """One-sided p-values against the last value; none where there are too few cutoffs to test."""
    try:
        return result.compare(alternative="less")["p_value"]
    except DataError:
        return pd.Series(dtype=float)


def _verdict(scores: pd.DataFrame, tests: "pd.Series[float]") -> tuple[str, bool]:
    """One sentence in plain words, and whether it is good news."""
    models = [name for name in scores.index if name not in NAIVE]
    p_values = tests.reindex(models)
    if p_values.isna().all():
        return (
            "Whether any model beats repeating the last value cannot be told: the cutoffs are too few for a test.",
            False,
        )
    winners = p_values.index[p_values < _SIGNIFICANT].tolist()
    best = scores.loc[winners or models, "MASE"].idxmin()
    gain = 1 - scores.loc[best, "MASE"] / scores.loc[NAIVE[0], "MASE"]
    size = f"{percent(abs(gain), 1)} {'smaller' if gain >= 0 else 'larger'}"
    p_value = "p = " + probability(p_values[best])
    if not winners:
        luck = ", which may well be luck" if gain >= 0 else ""
        return (
            f"No model beats repeating the last value: the errors of the closest, {best}, are {size}{luck} ({p_value}).",
            False,
        )
    simple = scores.loc[[name for name in scores.index if name in NAIVE], "MASE"]
    but = (
        f"; but {simple.idxmin()}, which learns nothing, does better still"
        if simple.min() < scores.loc[best, "MASE"]
        else ""
    )
    whose = "its errors are" if len(winners) == 1 else f"the errors of the best, {best}, are"
    verb = "beats" if len(winners) == 1 else "beat"
    return (
        f"{_and(winners)} {verb} repeating the last value: {whose} {size}, more than luck explains ({p_value}){but}.",
        not but,
    )


def _subtitle(result: BacktestResult) -> str:
    forecasts = result.forecasts
    cutoffs, ids = forecasts["cutoff"], _ids(result)
    series = f" of {len(ids)} series" if len(ids) > 1 else ""
    span = f"from {_count(cutoffs.nunique(), 'cutoff')}, {stamp(cutoffs.min())} to {stamp(cutoffs.max())}"
    return f"Forecasts of {_and(_targets(result))}{series}, {_count(result.horizon, 'row')} ahead, {span}."


def _scores(result: BacktestResult, scores: pd.DataFrame, tests: "pd.Series[float]") -> Iterator[str]:
    rows = [
        [
            str(name),
            *(percent(row[c], 1) if c in ("skill", "coverage") else number(row[c]) for c in scores),
            probability(tests.get(name, np.nan)),
        ]
        for name, row in scores.iterrows()
    ]
    naive = [row for row in rows if row[0] in NAIVE]
    groups = {"Naive forecasts, which learn nothing": naive, "Models": [row for row in rows if row[0] not in NAIVE]}
    yield page.table(["", *scores, "p"], groups)
    unit = f"the units of {_and(_targets(result))}"
    words = (
        f"MAE and RMSE: mean absolute and root mean squared error, in {unit}. MASE: absolute error as a multiple "
        "of the mean change from one row, or one season, to the next before the first cutoff. sMAPE: symmetric percentage error, 0 to 200. Skill: 1 − MAE / MAE of "
        "last_value; above 0 % is better. p: one-sided Diebold-Mariano test; how often luck alone would look "
        f"this much better than last_value. Below {_SIGNIFICANT} counts as better."
    )
    if "pinball" in scores:
        levels = [float(column[1:]) for column in result.forecasts if column.startswith("q")]
        words += (
            f" Pinball: mean quantile loss, in {unit}; smaller is better. Coverage: values between the quantiles {min(levels):g} and "
            f"{max(levels):g}; {percent(max(levels) - min(levels), 0)} were wanted."
        )
    yield page.text(words, "note")


def _by_step(result: BacktestResult) -> Iterator[str]:
    table = result.by("step")["MAE"]
    errors = {str(name): table.xs(name, level="model") for name in result.scores.index}
    figure, hidden = charts.error_by_step(errors, _and(_targets(result)))
    caption = "Mean absolute error of all forecasts so many rows ahead. A click on a name hides or shows its line."
    if hidden:
        caption += f" Hidden until then, since {'it is' if len(hidden) == 1 else 'they are'} far above the rest: {_and(hidden)}."
    if len(_ids(result)) > 1:
        caption += " It mixes the units of all series: large ones weigh most."
    yield page.plot(figure, "Mean absolute error by step", caption)


def _forecasts(result: BacktestResult) -> Iterator[str]:
    forecasts, ids, targets = result.forecasts, _ids(result), _targets(result)
    shown = forecasts[forecasts["target"].astype(str) == targets[0]]
    chosen = []
    if len(ids) > 1:
        shown = shown[shown["id"] == ids[0]]
        chosen.append(f"{ids[0]}, the first of {len(ids)} series")
    if len(targets) > 1:
        chosen.append(f"{targets[0]}, the first of {len(targets)} targets")
    if chosen:
        yield page.text(f"Shown: {'; '.join(chosen)}.")
    band = (
        " The band lies between the lowest and the highest quantile."
        if any(c.startswith("q") for c in forecasts)
        else ""
    )
    caption = (
        f"The last known values, and forecasts from a few cutoffs; each begins at the value it was made from.{band}"
    )
    label = f"Forecasts of {targets[0]} beside the actual values"
    yield page.plot(charts.forecasts_and_truth(shown, result.horizon, result.step), label, caption)


def _money(book: Book) -> Iterator[str]:
    for words in book.caveats:
        yield page.text(words, "warning")
    bars = _bars_per_year(pd.DatetimeIndex(book.returns.index))
    net = book.stats(bars)
    parts = {"After costs": net, "Before costs": replace(book, returns=book.gross_returns).stats(bars)}
    parts["Buy and hold"] = replace(book, returns=book.benchmark).stats(bars).drop(["turnover", "exposure"])
    values = pd.DataFrame(parts).reindex(net.index)
    returned = {name: percent(values.loc["total_return", name]) for name in parts}
    yield page.text(
        f"After costs the strategy returned {returned['After costs']}; buying and holding returned {returned['Buy and hold']}."
    )
    rows = [[_statistic(name), *(_money_figure(name, value) for value in row)] for name, row in values.iterrows()]
    yield page.table(["", *parts], {"": rows})
    yield page.text(
        f"Annual figures count {bars} bars to the year. Turnover is the value traded in a year, bought and sold, as a multiple of "
        "equity; exposure is the mean share of equity in the market. Ratios take a risk-free rate of 0.",
        "note",
    )
    for heading, figure in (
        ("Equity", charts.equity(book)),
        ("Drawdown", charts.drawdowns(book)),
        ("Monthly returns after costs, in %", charts.monthly_returns(book)),
        ("Turnover", charts.turnover(book)),
    ):
        yield page.text(heading, tag="h3")
        yield page.plot(figure, heading)


def _method(result: BacktestResult, book: Book | None) -> Iterator[str]:
    forecasts, cutoffs = result.forecasts, result.forecasts["cutoff"]
    models = forecasts["model"].nunique()
    made, scored = forecasts.groupby("model", observed=True).size().max(), len(result.common()) // models
    facts = {
        "Cutoffs": f"{cutoffs.nunique()}, the first {stamp(cutoffs.min())}, the last {stamp(cutoffs.max())}",
        "Between cutoffs": _count(result.step, "row"),
        "Horizon": _count(result.horizon, "row"),
        "Scored": f"{scored:,} of {made:,} forecasts per model: those whose value is known and that every model made",
    }
    if len(_ids(result)) > 1:
        facts["Series"] = f"{len(_ids(result))}"
    if book is not None:
        traded = float(book.turnover.sum())
        rate = float(book.costs_paid.sum()) / traded if traded else 0.0
        facts["Execution"] = f"{book.execution}: {_EXECUTION[book.execution]}"
        facts["Costs"] = f"{number(1e4 * rate)} basis points of the value traded" if traded else "nothing was traded"
    yield page.definitions(facts)
    fits = [
        [str(name), f"{len(own)}", _and([_FITTED[how] for how in own["fitted"].unique()]), _span(own["fitted_until"])]
        for name, own in result.fits.groupby("model", sort=False)
    ]
    yield page.table(["", "fits", "fitted", "last row seen"], {"": fits})


def _caveats(result: BacktestResult, book: Book | None) -> Iterator[str]:
    n_cutoffs, n_models = result.forecasts["cutoff"].nunique(), result.forecasts["model"].nunique()
    trials = sum(name not in NAIVE for name in result.forecasts["model"].unique())
    if book is not None:
        yield from book.caveats
    if len(_ids(result)) > 1:
        yield "The universe is fixed: series that ended or were dropped before the data were collected are missing, which flatters (survivorship bias)."
    if n_cutoffs < _FEW_CUTOFFS:
        yield f"{_count(n_cutoffs, 'cutoff')} tell little: a real difference may go unnoticed, and the p-values are rough."
    if trials > 1:
        yield f"{trials} models were tried and their p-values are not corrected for it: among many, one looks good by luck."
    if len(result.common()) < len(result.forecasts):
        yield f"{len(result.forecasts) - len(result.common()):,} forecasts by {n_models} models are not scored: their value is unknown or a model lacks it."
    yield "Settings that were chosen after a look at these cutoffs make the scores too good."
    if book is not None:
        if book.turnover.sum() > 0 and book.costs_paid.sum() == 0:
            yield "No costs were charged."
        yield "Cash earns nothing, borrowing money or shares costs nothing, and orders of any size move no price. Buy and hold pays no costs."


def _bars_per_year(times: pd.DatetimeIndex) -> int:
    """How many bars a year has, from the usual distance between them; 252 where there is only one."""
    if len(times) < 2:
        return 252
    gap = float(np.median(np.diff(times.to_numpy()) / np.timedelta64(1, "D")))
    days = 365 if (times.dayofweek >= 5).any() else 252
    if gap < 1:
        return round(days * len(times) / times.normalize().nunique())
    return days if gap < 4 else round(365.25 / gap)


def _statistic(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def _money_figure(name: str, value: float) -> str:
    if name == "turnover":
        return number(value) + (" ×" if np.isfinite(value) else "")
    return number(value) if name in _RATIOS else percent(value)


def _ids(result: BacktestResult) -> list[str]:
    """All ids in their own order; none for a single series without one."""
    return list(result.forecasts["id"].unique()) if "id" in result.forecasts else []


def _targets(result: BacktestResult) -> list[str]:
    return [str(name) for name in result.forecasts["target"].unique()]


def _span(times: "pd.Series[pd.Timestamp]") -> str:
    first, last = stamp(times.min()), stamp(times.max())
    return first if first == last else f"{first} to {last}"


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def _and(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
