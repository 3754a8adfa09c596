"""Costs of trading and holding, and what a book would have earned at other costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from tsseq.errors import ConfigError
from tsseq.trading.statistics.returns import cagr, sharpe, total_return
from tsseq.typing import Array


@dataclass(frozen=True)
class Costs:
    """What trading and holding costs, mostly in basis points (1 bp = 0.01 %).

    Values of trades are multiples of the starting capital, positive for purchases and negative for sales. Both engines
    charge `slippage` and `fees`: a subclass that overrides one of them, and `proportional`, is another cost model.

    Parameters
    ----------
    bps : float, default 0
        Fee per unit of traded value. Buying for 100 and selling for 100 pays twice.
    slippage_bps : float, default 0
        How much worse than the price an order fills.
    fixed : float, default 0
        Fee per order, as a fraction of the starting capital: 5 dollars of 100,000 are 0.00005.
    borrow_bps : float, default 0
        Per year of 365 days, on what is held short and on cash that is owed (on top of ``cash_rate``).

    Attributes
    ----------
    rate : float
        Fee and slippage as a fraction of the traded value.
    proportional : bool
        Whether a trade of twice the value costs twice as much, so that the size of the equity does not matter.

    Raises
    ------
    ConfigError
        A cost is negative or not a number.

    Examples
    --------
    >>> from tsseq import Costs
    >>> costs = Costs(bps=5, slippage_bps=2)
    >>> costs.rate, costs.paid(np.array([1.0, -0.5])).round(6).item()
    (0.0007, 0.00105)
    """

    bps: float = 0.0
    slippage_bps: float = 0.0
    fixed: float = 0.0
    borrow_bps: float = 0.0

    def __post_init__(self) -> None:
        if not all(value >= 0 for value in (self.bps, self.slippage_bps, self.fixed, self.borrow_bps)):
            raise ConfigError(f"{self}: costs must be numbers >= 0, in basis points (fixed: of the starting capital).")

    @property
    def rate(self) -> float:
        """Fee and slippage as a fraction of the traded value."""
        return (self.bps + self.slippage_bps) / 10_000

    @property
    def proportional(self) -> bool:
        """Whether a trade of twice the value costs twice as much, so that the size of the equity does not matter."""
        return not self.fixed

    def slippage(self, value: Array) -> Array:
        """Value lost by filling at a worse price.

        Parameters
        ----------
        value : ndarray
            Values of trades at the price before slippage, of any shape.

        Returns
        -------
        ndarray
            Losses of the same shape, 0 or more.
        """
        return np.abs(value) * (self.slippage_bps / 10_000)

    def fees(self, value: Array) -> Array:
        """Fees of trades.

        Parameters
        ----------
        value : ndarray
            Values of trades, of any shape; 0 is no order and costs nothing.

        Returns
        -------
        ndarray
            Fees of the same shape.
        """
        fees = np.abs(value) * (self.bps / 10_000)
        return fees + self.fixed * (value != 0) if self.fixed else fees

    def paid(self, value: Array) -> Array:
        """Slippage and fees of the trades of a bar together, as ``engine="returns"`` and `cost_sweep` charge them.

        Parameters
        ----------
        value : ndarray of shape (..., N)
            Values of the trades in N assets.

        Returns
        -------
        ndarray of shape (...)
            Their costs.
        """
        return over_assets(self.slippage(value) + self.fees(value))

    def outlay(self, value: Array) -> Array:
        """Cash that trades take, as ``engine="shares"`` charges them: fees count what is filled, with slippage.

        Parameters
        ----------
        value : ndarray
            Values of trades at the price before slippage, of any shape.

        Returns
        -------
        ndarray
            Cash paid for each purchase, and minus the cash received for each sale.
        """
        filled = value + self.slippage(value)
        return filled + self.fees(filled)

    def affordable(self, purchases: Array, room: Array) -> Array:
        """Factors that shrink purchases until the cash at hand pays for them.

        Exact for costs in proportion to the value and for fixed ones. Where larger trades cost more per unit, some cash
        is left.

        Parameters
        ----------
        purchases : ndarray of shape (K, N)
            Values that K accounts want to buy of N assets.
        room : ndarray of shape (K,)
            Cash that each account may spend.

        Returns
        -------
        ndarray of shape (K,)
            Factors in 0..1.
        """
        fixed = self.fixed * np.count_nonzero(purchases, axis=1)
        needed = over_assets(self.outlay(purchases)) - fixed
        budget = np.maximum(room - fixed, 0.0)
        return np.where(needed > budget, budget / np.where(needed > 0, needed, 1.0), 1.0)

    def has_interest(self, cash_rate: float) -> bool:
        """Whether holding earns or costs anything.

        Parameters
        ----------
        cash_rate : float
            Yearly interest on cash.

        Returns
        -------
        bool
            False if `interest` is always 0.
        """
        return bool(cash_rate or self.borrow_bps)

    def interest(self, cash: Array, short: Array, cash_rate: float) -> Array:
        """Interest on cash, less what borrowing money and shares costs.

        Parameters
        ----------
        cash : ndarray
            Cash of any shape; negative where it is owed.
        short : ndarray
            Value of the shares held short, of the same shape and not negative.
        cash_rate : float
            Yearly interest on cash, also due on cash that is owed.

        Returns
        -------
        ndarray
            Per year of 365 days, of the same shape.
        """
        return cash_rate * cash - self.borrow_bps / 10_000 * (short + np.maximum(-cash, 0.0))

    def assumptions(self, cash_rate: float) -> str:
        """State in one sentence what cash, borrowing and size cost a book; reports print it.

        Parameters
        ----------
        cash_rate : float
            Yearly interest on cash, as `simulate` takes it.

        Returns
        -------
        str
            A sentence.

        Examples
        --------
        >>> Costs().assumptions(0.0)
        'Cash earns nothing, borrowing money or shares costs nothing, and orders of any size move no price.'
        >>> Costs(borrow_bps=300).assumptions(0.05)
        'Cash earns 5 % a year, borrowed money costs 8 % and borrowed shares 3 %, and orders of any size move no price.'
        """
        shares = self.borrow_bps / 100
        money = 100 * cash_rate + shares
        borrowing = (
            f"borrowed money costs {money:.4g} % and borrowed shares {f'{shares:.4g} %' if shares else 'nothing'}"
        )
        return (
            f"Cash earns {f'{100 * cash_rate:.4g} % a year' if cash_rate else 'nothing'}, "
            f"{borrowing if self.has_interest(cash_rate) else 'borrowing money or shares costs nothing'}, "
            "and orders of any size move no price."
        )


def over_assets(values: Array) -> Array:
    """Sum (...) over the last axis of (..., N), the assets; adding up one alone would cost more than all else."""
    return np.asarray(values[..., 0] if values.shape[-1] == 1 else values.sum(axis=-1))


class BookFigures(Protocol):
    """What a sweep of costs reads of a `Book`: returns before costs, turnover, and bars in a year."""

    @property
    def gross_returns(self) -> pd.Series[float]:
        """Returns of each bar before costs of trading."""

    @property
    def turnover(self) -> pd.Series[float]:
        """Traded value of each bar as a fraction of equity."""

    @property
    def periods_per_year(self) -> int:
        """Bars in a year."""


def cost_sweep(
    book: BookFigures, bps: Sequence[float] = (0, 1, 2, 5, 10, 20, 50), *, periods_per_year: int | None = None
) -> pd.DataFrame:
    """Total return, growth and Sharpe ratio of a book as if each unit traded had cost so many basis points.

    ``1 + r = (1 + gross) * (1 - paid)`` with the costs of ``Costs(bps=...)`` on the book's turnover: exact for
    ``engine="returns"``, whose turnover does not depend on costs. Costs that the book itself had, fixed fees among
    them, are replaced; interest and borrowing stay. Fee and slippage together are what ``bps`` stands for.

    Parameters
    ----------
    book : Book
        As `simulate` returns it.
    bps : sequence of float, default (0, 1, 2, 5, 10, 20, 50)
        Costs to try, in basis points of the traded value.
    periods_per_year : int, optional
        Bars in a year. Default: those of the book.

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
    per_year = book.periods_per_year if periods_per_year is None else periods_per_year
    rows = {}
    for level in bps:
        net = (1 + book.gross_returns) * (1 - Costs(bps=level).paid(book.turnover.to_numpy()[:, None])) - 1
        rows[level] = {
            "total_return": total_return(net),
            "cagr": cagr(net, periods_per_year=per_year),
            "sharpe": sharpe(net, periods_per_year=per_year),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("bps")


def break_even_cost(book: BookFigures) -> float:
    """Basis points per unit traded at which nothing is left of the total return.

    Parameters
    ----------
    book : Book
        As `simulate` returns it.

    Returns
    -------
    float
        Fee and slippage together, in basis points of the traded value, as `cost_sweep` charges them. NaN for a book
        that never trades or that earns nothing before costs.

    Examples
    --------
    >>> from tsseq import simulate
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> book = simulate(pd.Series([1.0], days[:1]), pd.Series([1.0, 1.25], days), execution="close")
    >>> round(break_even_cost(book), 6)
    2000.0
    """
    traded = book.turnover.to_numpy()[:, None]
    earned = float(np.log1p(book.gross_returns).sum())
    if not (traded.max() > 0 and earned > 0):
        return np.nan

    def left(bps: float) -> float:
        """Logarithm of the final equity; a bar that costs all of it leaves next to nothing."""
        return earned + float(np.log(np.maximum(1 - Costs(bps=bps).paid(traded), 1e-300)).sum())

    highest = 1.0
    while left(highest) > 0:
        highest *= 2
    return float(brentq(left, 0.0, highest, xtol=1e-14))
