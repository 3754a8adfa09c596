"""What a backtest found, on one page that can be mailed and read without a network."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import tsseq
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation.result import NAIVE, BacktestResult
from tsseq.reporting import charts, sections
from tsseq.reporting import html as page
from tsseq.reporting.html import count, joined, number, percent, probability, span
from tsseq.trading.book import Book
from tsseq.trading.statistics.deflated_sharpe import Trials

_SIGNIFICANT = 0.05
_SCORES = ("MAE", "RMSE", "MASE", "sMAPE", "skill", "direction", "pinball", "coverage")
_SHARES = ("skill", "direction", "coverage")
_FEW_CUTOFFS = 30
_EXECUTION = {
    "next_open": "orders fill at the open after the decision",
    "next_close": "orders fill at the close after the decision",
    "close": "orders fill at the very close that decided them",
    "same_bar": "orders earn the bar that decided them, which nobody can",
}
_FITTED = {"here": "in the backtest", "before": "before it"}
_RATIOS = ("sharpe", "sortino", "calmar", "omega", "tail_ratio")
_TITLES = {
    "cagr": "Annual growth (CAGR)",
    "value_at_risk": "Value at risk, 5\u00a0%",
    "conditional_value_at_risk": "Mean of the worst 5\u00a0%",
}


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
    result : what `tsseq.backtest` returned.
    book : what `tsseq.simulate` returned for weights made from these forecasts; None leaves money out. Statistics are
        annualised with the number of bars in a year that its dates suggest.
    path : the file to write. It appears, or is replaced, only once it is complete.
    title : heading of the page.
    audit : what `tsseq.audit` found, shown as a section.
    trials : the ledger of everything that was tried on these prices (``sweep(...).attrs["trials"]``); the caveats then
        say what luck alone would have shown.

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
        raise ConfigError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into; create it first.")
    if result.common().empty:
        raise DataError("no forecast has a known actual value, so there is nothing to report; choose earlier cutoffs.")
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
    scores, p_values = result.scores, _p_values(result)
    verdict, good = _verdict(scores, p_values)
    yield page.text(title, tag="h1")
    yield page.text(_subtitle(result), "note")
    yield page.text(verdict, "verdict good" if good else "verdict")
    yield page.section("Scores", _scores(result, scores, p_values))
    yield page.section("Error by step", _by_step(result))
    yield page.section("Forecasts against what happened", _forecasts(result))
    if book is not None:
        yield page.section("In money", _money(book))
    if audit is not None:
        yield page.section("Audit", sections.audit(audit))
    yield page.section("How this was made", _method(result, book))
    yield page.caveat_box("Caveats", [*_caveats(result, book), *_luck(book, trials)])
    yield page.text(f"Made with tsseq {tsseq.__version__}.", tag="footer")


def _p_values(result: BacktestResult) -> "pd.Series[float]":
    """One-sided p-values against the last value; none where there are too few cutoffs to test."""
    try:
        return result.compare(alternative="less")["p_value"]
    except DataError:
        return pd.Series(dtype=float)


def _verdict(scores: pd.DataFrame, p_values: "pd.Series[float]") -> tuple[str, bool]:
    """One sentence in plain words, and whether it is good news."""
    errors = {str(name): float(error) for name, error in scores["MASE"].items()}
    own = {name: float(p_values.get(name, np.nan)) for name in errors if name not in NAIVE}
    if np.isnan(list(own.values())).all():
        return "It cannot be told whether any model beats repeating the last value: too few cutoffs for a test.", False
    winners = [name for name, p_value in own.items() if p_value < _SIGNIFICANT]
    best = min(winners or own, key=lambda name: errors[name])
    gain = 1 - errors[best] / errors[NAIVE[0]]
    size = f"{percent(abs(gain), 1)} {'smaller' if gain >= 0 else 'larger'}"
    p_value = probability(own[best], "p")
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


def _scores(result: BacktestResult, scores: pd.DataFrame, p_values: "pd.Series[float]") -> Iterator[str]:
    scores = scores[[name for name in _SCORES if name in scores]]
    rows = {
        str(name): [percent(v, 1) if c in _SHARES else number(v) for c, v in zip(scores, row)]
        for name, row in zip(scores.index, scores.to_numpy(dtype=float))
    }
    sure = result.intervals("skill")[["lower", "upper"]]
    ends = {str(name): _between(*row) for name, row in zip(sure.index, sure.to_numpy())}
    cells = [[name, *row, ends[name], probability(p_values.get(name, np.nan))] for name, row in rows.items()]
    naive, own = ([row for row in cells if (row[0] in NAIVE) is known] for known in (True, False))
    header = ["", *map(str, scores), "skill, 95\u00a0%", "p"]
    yield page.table(header, {"Naive forecasts, which learn nothing": naive, "Models": own})
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
    table = result.by("step")["MAE"]
    errors = {str(name): table.xs(name, level="model") for name in result.scores.index}
    figure, hidden = charts.error_by_step(errors, joined(_targets(result)))
    caption = "Mean absolute error of the forecasts so many rows ahead. A click on a name hides or shows its line."
    if hidden:
        caption += f" Far above the rest, and hidden until then: {joined(hidden)}."
    if len(_ids(result)) > 1:
        caption += " It mixes the units of all series: those with large values weigh most."
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
    figure = charts.forecasts_and_truth(shown, result.horizon, result.step)
    caption = "The last known values, and forecasts from some of the cutoffs, each begun at the value it set out from."
    if levels := charts.levels(forecasts):
        caption += f" The band lies between the quantiles {levels[0]:g} and {levels[-1]:g}."
    yield page.plot(figure, f"Forecasts of {targets[0]} beside the actual values", caption)


def _money(book: Book) -> Iterator[str]:
    for words in book.caveats:
        yield page.text(words, "warning")
    bars = _bars_per_year(pd.DatetimeIndex(book.returns.index))
    net, gross = book.stats(bars), replace(book, returns=book.gross_returns).stats(bars)
    passive = replace(book, returns=book.benchmark).stats(bars).drop(["turnover", "exposure"]).reindex(net.index)
    made, held = percent(net["total_return"]), percent(passive["total_return"])
    yield page.text(f"After costs the strategy returned {made}; buying and holding returned {held}.")
    names = [str(name) for name in net.index]
    rows = [[_title(name), *(_money_figure(name, part[name]) for part in (net, gross, passive))] for name in names]
    yield page.table(["", "After costs", "Before costs", "Buy and hold"], {"": rows})
    yield page.text(
        f"Annual figures count {bars} bars to the year. Turnover is what is bought and sold in a year as a multiple of "
        "equity; exposure is the mean share of equity in the market. Ratios take a risk-free rate of 0.",
        "note",
    )
    for heading, figure, least_width in (
        ("Equity", charts.equity(book), 0),
        ("Drawdown", charts.drawdowns(book), 0),
        ("Monthly returns after costs, in %", charts.monthly_returns(book), 560),
        ("Turnover by month", charts.turnover(book), 0),
    ):
        yield page.text(heading, tag="h3")
        yield page.plot(figure, heading, least_width=least_width)
    yield from sections.costs(book, bars)


def _method(result: BacktestResult, book: Book | None) -> Iterator[str]:
    forecasts, cutoffs, n_series = result.forecasts, result.forecasts["cutoff"], len(_ids(result))
    made = forecasts.groupby("model", observed=True).size().max()
    scored = len(result.common()) // forecasts["model"].nunique()
    facts = {
        "Cutoffs": f"{cutoffs.nunique():,}: {span(cutoffs)}, {count(result.step, 'row')} apart",
        "Horizon": count(result.horizon, "row"),
        "Scored": f"{scored:,} of {made:,} forecasts per model: the value is known, and every model has forecast it",
    }
    if n_series > 1:
        facts["Series"] = f"{n_series}"
    if book is not None:
        traded = float(book.turnover.sum())
        facts["Execution"] = f"{book.execution}: {_EXECUTION[book.execution]}"
        facts["Costs"] = "nothing was traded"
        if traded > 0:
            rate = 1e4 * float(book.costs_paid.sum()) / traded
            facts["Costs"] = f"{rate:.4g} basis points of what is bought or sold"
    yield page.definitions(facts)
    fits = [
        [str(name), f"{len(own)}", joined([_FITTED[how] for how in own["fitted"].unique()]), span(own["fitted_until"])]
        for name, own in result.fits.groupby("model", sort=False)
    ]
    yield page.table(["", "Fits", "Fitted", "Last row seen"], {"": fits}, "words")


def _caveats(result: BacktestResult, book: Book | None) -> Iterator[str]:
    models, n_cutoffs = result.forecasts["model"].unique(), result.forecasts["cutoff"].nunique()
    n_own, unscored = sum(name not in NAIVE for name in models), len(result.forecasts) - len(result.common())
    if book is not None:
        yield from book.caveats
    if len(_ids(result)) > 1:
        yield (
            "The universe is fixed: series that ended before the data were collected are not in it, so what is left "
            "looks better than it was (survivorship bias)."
        )
    if n_cutoffs < _FEW_CUTOFFS:
        yield f"{count(n_cutoffs, 'cutoff')}: too little to notice any but large differences, and p is rough."
    if n_own > 1:
        yield f"{n_own} models were tried, and p is not corrected for it: among many, one looks good by luck."
    if unscored:
        yield f"{unscored:,} forecasts are not scored: their value is unknown, or a model has not forecast it."
    yield "Settings that were chosen after a look at these cutoffs make the scores too good."
    if book is not None:
        yield "A strategy can beat buying and holding by luck: the verdict is on the forecasts, not on its return."
        if book.turnover.sum() > 0 and book.costs_paid.sum() == 0:
            yield "No costs were charged."
        yield (
            "Cash earns nothing, borrowing money or shares costs nothing, and orders of any size move no price. Buying "
            "and holding pays no costs. Dividends count as far as the prices are adjusted for them."
        )


def _luck(book: Book | None, trials: Trials | None) -> Iterator[str]:
    if book is not None:
        yield from sections.luck(book, trials, _bars_per_year(pd.DatetimeIndex(book.returns.index)))


def _bars_per_year(times: pd.DatetimeIndex) -> int:
    """How many bars a year has, from the usual distance between them; 252 where there is only one."""
    if len(times) < 2:
        return 252
    gap = float(np.median(np.diff(times.to_numpy()) / np.timedelta64(1, "D")))
    days = 365 if (times.dayofweek >= 5).any() else 252
    if gap < 1:
        return round(days * len(times) / times.normalize().nunique())
    return days if gap < 4 else round(365.25 / gap)


def _title(statistic: str) -> str:
    return _TITLES.get(statistic, statistic.replace("_", " ").capitalize())


def _money_figure(statistic: str, value: float) -> str:
    if statistic == "turnover" and np.isfinite(value):
        return f"{number(value)} ×"
    return number(value) if statistic in _RATIOS else percent(value)


def _ids(result: BacktestResult) -> list[str]:
    """The ids, in the order of the frame; none for a single series without one."""
    return list(result.forecasts["id"].unique()) if "id" in result.forecasts else []


def _targets(result: BacktestResult) -> list[str]:
    return [str(name) for name in result.forecasts["target"].unique()]
