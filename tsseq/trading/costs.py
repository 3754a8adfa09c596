"""What costs can a book bear?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from tsseq.trading.book import Book
from tsseq.trading.statistics.returns import cagr, sharpe, total_return


def cost_sweep(
    book: Book, bps: Sequence[float] = (0, 1, 2, 5, 10, 20, 50), *, periods_per_year: int = 252
) -> pd.DataFrame:
    """Total return, growth and Sharpe ratio of a book as if each unit traded had cost so many basis points.

    ``1 + r = (1 + gross) * (1 - bps / 10_000 * turnover)``: exact for ``engine="returns"``, whose turnover does not
    depend on costs. Costs that the book itself had, fixed fees among them, are replaced; interest and borrowing stay.
    Fee and slippage together are what ``bps`` stands for.

    Returns
    -------
    DataFrame
        Index ``bps``; ``total_return``, ``cagr`` and ``sharpe``.

    Examples
    --------
    >>> from tsseq import simulate
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> book = simulate(pd.Series([1.0], days[:1]), pd.Series([1.0, 1.01, 1.02], days), execution="close")
    >>> cost_sweep(book, [0, 100])["total_return"].round(4).to_dict()
    {0: 0.02, 100: 0.0098}
    """
    rows = {}
    for level in bps:
        net = _net(book, level)
        rows[level] = {
            "total_return": total_return(net),
            "cagr": cagr(net, periods_per_year=periods_per_year),
            "sharpe": sharpe(net, periods_per_year=periods_per_year),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("bps")


def break_even_cost(book: Book) -> float:
    """Basis points per unit traded at which nothing is left of the total return.

    NaN for a book that never trades or that earns nothing before costs.

    Examples
    --------
    >>> from tsseq import simulate
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> book = simulate(pd.Series([1.0], days[:1]), pd.Series([1.0, 1.25], days), execution="close")
    >>> round(break_even_cost(book), 6)
    2000.0
    """
    largest = float(book.turnover.max())
    earned = float(np.log1p(book.gross_returns).sum())
    if not (largest > 0 and earned > 0):
        return np.nan
    traded = book.turnover.to_numpy()[book.turnover > 0]
    # Just below the cost that would take all the equity of one bar, the loss is larger than any gain.
    return float(
        1e4 * brentq(lambda rate: earned + np.log1p(-rate * traded).sum(), 0.0, (1 - 1e-15) / largest, xtol=1e-18)
    )


def _net(book: Book, bps: float) -> "pd.Series[float]":
    return (1 + book.gross_returns) * (1 - bps / 10_000 * book.turnover) - 1
