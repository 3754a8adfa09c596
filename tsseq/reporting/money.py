"""What the page says of a book: what it returned beside its benchmark, at which costs, and what it assumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tsseq.reporting import charts
from tsseq.reporting.tables import Formats, shade, styled
from tsseq.reporting.verdicts import coincidences, holding
from tsseq.reporting.wording import between, percent, probability, ratio, stamp
from tsseq.resampling.trials import Trials
from tsseq.trading.book import Book, break_even_cost, cost_sweep
from tsseq.trading.execution import EXECUTIONS
from tsseq.trading.statistics import drawdown_table, total_return

_RATIOS = ("sharpe", "sortino", "calmar", "omega", "tail_ratio")
_FEW = 20  # bars; of fewer, a Sharpe ratio is noise
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TITLES = {
    "cagr": "Annual growth (CAGR)",
    "value_at_risk": "Value at risk, 5\u00a0%",
    "conditional_value_at_risk": "Mean of the worst 5\u00a0%",
}
_AGAINST: dict[str, tuple[str, Callable[[float], str], str]] = {
    "difference": ("Difference a year", percent, "growth beyond the benchmark"),
    "p_value": ("p", probability, "how often luck alone earns as much, if this were the only trial"),
    "adjusted_p": ("p, adjusted", probability, "the same for the best of all trials, as in the verdict"),
    "alpha": ("Alpha", percent, "yearly return that beta does not explain"),
    "beta": ("Beta", ratio, "slope of the returns on those of the benchmark"),
    "information_ratio": ("Information ratio", ratio, "mean over deviation of the difference, annual"),
    "tracking_error": ("Tracking error", percent, "annual deviation of the difference"),
    "hit_rate": (
        "Hit rate",
        percent,
        "bars on which it earned more than the benchmark, of those that differ",
    ),
    "deflated_sharpe": (
        "Deflated Sharpe",
        partial(percent, digits=0),
        "probability that the Sharpe ratio of the difference is above what the best of all trials shows by luck alone",
    ),
}


def money_section(book: Book, comparison: pd.Series[float]) -> dict[str, Any]:
    """Statistics, charts and tables of a book, and what other costs would leave."""
    years = -(-_FEW // book.periods_per_year)
    window = min(years * book.periods_per_year, len(book.returns) // 2)
    span = "a year" if years == 1 else f"{years} years"
    short = "" if window == years * book.periods_per_year else f", since the book is too short for {span}"
    traded = _monthly(book.turnover, "sum")
    return {
        "warnings": book.caveats,
        "summary": _summary(book),
        "table": _statistics(book),
        "against": _against(comparison),
        "benchmark": str(book.benchmark.name),
        "bars": book.periods_per_year,
        "cash_rate": percent(book.cash_rate),
        "equity": charts.equity(book),
        "drawdowns": charts.drawdowns(book),
        "worst": _worst_drawdowns(book),
        "returns": _returns_by_year(book),
        "rolling": charts.rolling_sharpe(book, window) if window >= _FEW else None,
        "window": f"Over {window} bars at a time{short}." if short else f"Over {span} at a time.",
        "turnover": charts.turnover(traded) if (traded > 0).sum() > 2 else None,
        "costs": _other_costs(book) if book.turnover.any() else None,
    }


def _summary(book: Book) -> str:
    ours, theirs = percent(total_return(book.returns)), percent(total_return(book.benchmark))
    returned = f"After costs the strategy returned {ours}; {holding(str(book.benchmark.name))} returned {theirs}."
    return " ".join([returned, *coincidences(book)])


def _statistics(book: Book) -> Any:
    """All statistics after and before costs, and those of the benchmark."""
    net, gross = book.stats(), replace(book, returns=book.gross_returns).stats()
    passive = replace(book, returns=book.benchmark).stats().drop(["turnover", "exposure"]).reindex(net.index)
    title = {name: _TITLES.get(name, name.replace("_", " ").capitalize()) for name in net.index}
    columns = {"After costs": net, _column(book): passive, "Before costs": gross}
    formats: Formats = {title[name]: ratio if name in _RATIOS else percent for name in net.index}
    formats["Turnover"] = lambda value: f"{ratio(value, 1)} ×"
    return styled("money", pd.DataFrame(columns).rename(title), formats, axis=0)


def _column(book: Book) -> str:
    """The benchmark as the head of a column."""
    name = str(book.benchmark.name)
    return name[:1].upper() + name[1:]


def _against(comparison: pd.Series[float]) -> Any:
    """Statistics of the returns beside those of the benchmark."""
    rows = {title: [words(comparison[name]), meaning] for name, (title, words, meaning) in _AGAINST.items()}
    rows["Difference a year"][1] += f"; 95\u00a0%: {between(comparison['lower'], comparison['upper'])}"
    return styled("against", pd.DataFrame.from_dict(rows, orient="index", columns=["After costs", "What it is"]), {})


def _monthly(values: pd.Series[float], how: Any) -> pd.Series[float]:
    """A figure per month, indexed by its first day."""
    index = pd.DatetimeIndex(values.index)
    months = pd.DatetimeIndex(index.tz_localize(None).to_period("M").to_timestamp())
    return values.groupby(months).agg(how)


def _returns_by_year(book: Book) -> Any:
    """Net returns by year beside the benchmark's, and by month."""
    year = pd.DatetimeIndex(book.returns.index).year
    ours, theirs = (returns.groupby(year).agg(total_return) for returns in (book.returns, book.benchmark))
    monthly = _monthly(book.returns, total_return)
    dates = pd.DatetimeIndex(monthly.index)
    months = monthly.groupby([dates.year, dates.month]).sum().unstack().reindex(columns=range(1, 13))
    bound = float(np.nanquantile(monthly.abs(), 0.95)) or 1.0  # one wild month must not bleach all others
    years = pd.DataFrame({"After costs": ours, _column(book): theirs, "Difference": ours - theirs})
    months = months.set_axis(list(_MONTHS), axis=1) if book.periods_per_year >= len(_MONTHS) else months[[]]
    table = pd.concat([years, months], axis=1).set_axis(years.index.map(str))
    formats: Formats = dict.fromkeys(table, lambda value: ratio(100 * value, 1))
    return styled("returns", table, formats).map(lambda value: shade(value, bound), subset=list(months))


def _worst_drawdowns(book: Book) -> Any:
    """The five deepest drawdowns after costs; None if there was none."""
    table = drawdown_table(book.returns)
    if table.empty:
        return None
    table[["start", "trough"]] = table[["start", "trough"]].map(stamp)
    table["end"] = ["not yet" if pd.isna(end) else stamp(end) for end in table["end"]]
    table = table.set_axis(["Depth", "Peak", "Trough", "Recovered", "Bars"], axis=1).set_axis(range(1, len(table) + 1))
    return styled("drawdowns", table, {"Depth": percent})


def _other_costs(book: Book) -> dict[str, Any]:
    table = cost_sweep(book).rename(index="{:g}".format)
    table.columns = ["Total return", "Annual growth (CAGR)", "Sharpe"]
    formats: Formats = {"Total return": percent, "Annual growth (CAGR)": percent, "Sharpe": ratio}
    limit = break_even_cost(book)
    words = "Before costs nothing is earned." if np.isnan(limit) else f"At {limit:.3g} basis points nothing is left."
    return {"table": styled("costs", table, formats), "limit": words}


def facts(book: Book) -> dict[str, str]:
    """How the book was made, by term."""
    traded, costs = float(book.turnover.sum()), "nothing was traded"
    if traded > 0:
        costs = f"{1e4 * float(book.costs_paid.sum()) / traded:.4g} basis points of what is bought or sold"
    terms = {"Execution": f"{book.execution}: {EXECUTIONS[book.execution].words}", "Costs": costs}
    terms["Benchmark"] = str(book.benchmark.name)
    if book.leverage != 1:
        terms["Leverage"] = f"weights times {book.leverage:g}"
    if book.account is not None:
        terms["Account"] = "counted in shares and cash; purchases are scaled down to the cash there is"
    return terms


def caveats(book: Book, trials: Trials | None) -> Iterator[str]:
    """What makes the figures of a book better than a trader's, from its own assumptions and the number of trials."""
    if book.turnover.sum() > 0 and book.costs_paid.sum() == 0:
        yield "No costs were charged."
    dividends = f"Dividends count as far as the prices ({book.price}) are adjusted for them."
    yield f"{book.costs.assumptions(book.cash_rate)} The benchmark pays no costs. {dividends}"
    if trials is None:
        yield "How many rules and settings were tried is not known here; the best of many looks good by luck."
    elif trials.count < 2:
        yield "One trial was made, so that nothing was picked among several."
    else:
        yield f"{trials.count:,} trials were made, as far as is known here; the adjusted p of the money allows for all."


def doubt(book: Book) -> str:
    """Doubt in a book that never traded, or at prices that nobody could have; none in an honest one.

    >>> from tsseq import simulate
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> doubt(simulate(pd.Series([1.0], days[:1]), pd.Series([1.0, 2.0, 1.0], days), execution="same_bar"))
    'It looks ahead'
    """
    if not book.turnover.any():
        return "It never traded"
    if EXECUTIONS[book.execution].delay:
        return ""
    return "It looks ahead" if book.execution == "same_bar" else "It fills at the deciding close"
