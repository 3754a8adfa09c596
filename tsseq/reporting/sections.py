"""Sections of the report beside the backtest itself: what costs leave, what an audit found, how many were tried."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tsseq.reporting import html as page
from tsseq.reporting.html import number, percent
from tsseq.trading.book import Book
from tsseq.trading.costs import break_even_cost, cost_sweep
from tsseq.trading.statistics.deflated_sharpe import Trials, deflated_sharpe


def costs(book: Book, bars: int) -> Iterator[str]:
    """What would be left at other costs."""
    if not book.turnover.sum() > 0:
        return
    table = cost_sweep(book, periods_per_year=bars)
    rows = [
        [f"{level:g}", percent(row["total_return"]), percent(row["cagr"]), number(row["sharpe"])]
        for level, row in table.iterrows()
    ]
    yield page.text("At other costs", tag="h3")
    header = ["Basis points per unit traded", "Total return", "Annual growth (CAGR)", "Sharpe"]
    yield page.table(header, {"": rows})
    limit = break_even_cost(book)
    left = "Before costs nothing is earned." if np.isnan(limit) else f"At {limit:.3g} basis points nothing is left."
    yield page.text(f"{left} Costs of the book itself are replaced; interest and borrowing stay.", "note")


def audit(findings: pd.DataFrame) -> Iterator[str]:
    """A row for every check of `tsseq.audit`."""
    rows = []
    for _, row in findings.iterrows():
        verdict = "not asked" if pd.isna(row["passed"]) else "passed" if row["passed"] else str(row["kind"])
        value = number(np.nan if pd.isna(row["value"]) else float(row["value"]))
        rows.append([str(row["check"]), verdict, value, str(row["meaning"])])
    yield page.table(["Check", "", "Value", "What it means"], {"": rows}, "words")


def luck(book: Book, trials: Trials | None, bars: int) -> Iterator[str]:
    """What the number of trials makes of the Sharpe ratio, for the caveats."""
    if trials is None:
        yield "How many rules and settings were tried is not known here; the best of many looks good by luck."
    elif trials.count < 2:
        yield "One trial was made, so that nothing was picked among several."
    else:
        share = deflated_sharpe(book.returns, trials, periods_per_year=bars)
        yield (
            f"{trials.count:,} trials were made. The probability that the Sharpe ratio is above what the best of them "
            f"would show by luck alone is {percent(share, 0)} (deflated Sharpe ratio)."
        )
