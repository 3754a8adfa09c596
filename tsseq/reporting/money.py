"""Sections of the report about a book: what it returned, at which costs, and what it takes for granted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tsseq.reporting import charts
from tsseq.reporting import html as page
from tsseq.reporting.html import number, percent
from tsseq.resampling.trials import Trials
from tsseq.trading.book import Book, break_even_cost, cost_sweep
from tsseq.trading.execution import EXECUTIONS
from tsseq.trading.statistics.deflated_sharpe import deflated_sharpe

_RATIOS = ("sharpe", "sortino", "calmar", "omega", "tail_ratio")
_TITLES = {
    "cagr": "Annual growth (CAGR)",
    "value_at_risk": "Value at risk, 5\u00a0%",
    "conditional_value_at_risk": "Mean of the worst 5\u00a0%",
}


def money(book: Book) -> Iterator[str]:
    """Statistics and charts of a book, and what other costs would leave."""
    for words in book.caveats:
        yield page.text(words, "warning")
    net, gross = book.stats(), replace(book, returns=book.gross_returns).stats()
    passive = replace(book, returns=book.benchmark).stats().drop(["turnover", "exposure"]).reindex(net.index)
    ours, theirs = percent(net["total_return"]), percent(passive["total_return"])
    yield page.text(f"After costs the strategy returned {ours}; buying and holding returned {theirs}.")
    rows = []
    for name in map(str, net.index):
        title = _TITLES.get(name, name.replace("_", " ").capitalize())
        rows.append([title, *(_figure(name, stats[name]) for stats in (net, gross, passive))])
    yield page.table(["", "After costs", "Before costs", "Buy and hold"], {"": rows})
    bars = book.periods_per_year
    words = (
        f"Annual figures count {bars} bars to the year. Turnover is what is bought and sold in a year as a multiple of "
        "equity; exposure is the mean share of equity in the market. Ratios take a risk-free rate of 0."
    )
    yield page.text(words, "note")
    for heading, figure, least_width in (
        ("Equity", charts.equity(book), 0),
        ("Drawdown", charts.drawdowns(book), 0),
        ("Monthly returns after costs, in %", charts.monthly_returns(book), 560),
        ("Turnover by month", charts.turnover(book), 0),
    ):
        yield page.text(heading, tag="h3")
        yield page.plot(figure, heading, least_width=least_width)
    if book.turnover.sum() > 0:
        yield from _other_costs(book)


def _figure(statistic: str, value: float) -> str:
    if statistic == "turnover" and np.isfinite(value):
        return f"{number(value)} ×"
    return number(value) if statistic in _RATIOS else percent(value)


def _other_costs(book: Book) -> Iterator[str]:
    rows = [
        [f"{level:g}", percent(row["total_return"]), percent(row["cagr"]), number(row["sharpe"])]
        for level, row in cost_sweep(book).iterrows()
    ]
    yield page.text("At other costs", tag="h3")
    yield page.table(["Basis points per unit traded", "Total return", "Annual growth (CAGR)", "Sharpe"], {"": rows})
    limit = break_even_cost(book)
    words = "Before costs nothing is earned." if np.isnan(limit) else f"At {limit:.3g} basis points nothing is left."
    yield page.text(f"{words} Costs of the book itself are replaced; interest and borrowing stay.", "note")


def facts(book: Book) -> dict[str, str]:
    """How the book was made, by term."""
    traded, costs = float(book.turnover.sum()), "nothing was traded"
    if traded > 0:
        costs = f"{1e4 * float(book.costs_paid.sum()) / traded:.4g} basis points of what is bought or sold"
    terms = {"Execution": f"{book.execution}: {EXECUTIONS[book.execution].words}", "Costs": costs}
    if book.leverage != 1:
        terms["Leverage"] = f"weights times {book.leverage:g}"
    if book.account is not None:
        terms["Account"] = "counted in shares and cash; purchases are scaled down to the cash there is"
    return terms


def caveats(book: Book, trials: Trials | None) -> Iterator[str]:
    """What makes the figures of a book better than a trader's, from its own assumptions and the number of trials."""
    yield "A strategy can beat buying and holding by luck: the verdict is on the forecasts, not on its return."
    if book.turnover.sum() > 0 and book.costs_paid.sum() == 0:
        yield "No costs were charged."
    dividends = f"Dividends count as far as the prices ({book.price}) are adjusted for them."
    yield f"{book.costs.assumptions(book.cash_rate)} Buying and holding pays no costs. {dividends}"
    if trials is None:
        yield "How many rules and settings were tried is not known here; the best of many looks good by luck."
    elif trials.count < 2:
        yield "One trial was made, so that nothing was picked among several."
    else:
        share = deflated_sharpe(book.returns, trials, periods_per_year=book.periods_per_year)
        yield (
            f"{trials.count:,} trials were made. The probability that the Sharpe ratio is above what the best of them "
            f"would show by luck alone is {percent(share, 0)} (deflated Sharpe ratio)."
        )
