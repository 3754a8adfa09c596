"""What a simulation returns: a `Book` of returns, the `Account` behind it, and what other costs would leave of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from tsseq.plotting.equity import plot_equity
from tsseq.resampling.trials import Trials
from tsseq.trading.costs import Costs
from tsseq.trading.price_table import listed
from tsseq.trading.statistics.against_benchmark import against_benchmark
from tsseq.trading.statistics.relative import exposure, turnover
from tsseq.trading.statistics.returns import cash_returns, statistics_of, total_return

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Account:
    """Shares and cash behind a `Book`: ``cash + positions.sum(axis=1)`` is its equity on every bar.

    Amounts are in the unit of ``simulate(capital=)``; without it they are fractions of the starting capital.

    Attributes
    ----------
    shares : DataFrame of shape (T, N)
        Number of shares held at each close; negative ones are short.
    positions : DataFrame of shape (T, N)
        Value of these shares.
    cash : Series of shape (T,)
        At each close; negative where it is owed.
    trades : DataFrame
        One row per order: ``date, asset, shares`` (negative for a sale), ``price`` (with slippage) and ``fee``.
    fees : Series of shape (T,)
        Sum of the fees of each bar's trades. Slippage is in their prices, not here.

    Examples
    --------
    >>> from tsseq import simulate
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> prices = pd.Series([10.0, 10.0, 12.0], days)
    >>> account = simulate(pd.Series([0.5], days[:1]), prices, engine="shares").account
    >>> account, account.shares["close"].tolist(), account.cash.tolist()
    (Account(1 trades, fees=0.000000), [0.0, 0.05, 0.05], [1.0, 0.5, 0.5])
    """

    shares: pd.DataFrame
    positions: pd.DataFrame
    cash: pd.Series[float]
    trades: pd.DataFrame
    fees: pd.Series[float]

    def __repr__(self) -> str:
        return f"Account({len(self.trades)} trades, fees={self.fees.sum():.6f})"


@dataclass(frozen=True, eq=False, repr=False)
class Book:
    """What holding the weights would have earned, one row per bar from the first decision on, and what it assumes.

    Attributes
    ----------
    returns : Series of shape (T,)
        Return of each bar, close to close, after costs of trading.
    gross_returns : Series of shape (T,)
        The same before costs of trading. Interest and borrowing are in both.
    equity : Series of shape (T,)
        Compounded ``returns`` of a capital that is 1.0 before the first of them.
    turnover : Series of shape (T,)
        Two-way traded value of each bar as a fraction of equity: from all cash to fully invested is 1, from long to
        short is 2.
    costs_paid : Series of shape (T,)
        Costs of trading as a fraction of the equity at the fill:
        ``1 + returns == (1 + gross_returns) * (1 - costs_paid)``.
    weights : DataFrame of shape (T, N)
        Positions at each close as fractions of equity, after drift; the rest is cash.
    benchmark : Series of shape (T,)
        Returns of what ``simulate(benchmark=)`` names, invested from the first fill on, without costs; its name is what
        reports call it.
    caveats : tuple of str
        What makes these figures better than a trader's, and which assets ended while they were held.
    execution : str
        When a decision was filled.
    costs : Costs
        What trading and borrowing cost.
    cash_rate : float
        Yearly interest on cash.
    leverage : float
        Multiple of the weights.
    engine : str
        "returns" or "shares".
    price : str
        The field that was traded, such as "close".
    periods_per_year : int
        Bars in a year, from the dates of the prices: 252 for trading days, 365 for every day, 52 weekly, 12 monthly.
    delisting_return : float
        Return of assets whose prices ended, on their last price.
    capital : float or None
        Money at the start; None is 1, of which amounts are fractions.
    lot_size : float or None
        Shares in the smallest order; None if shares can be divided.
    account : Account or None
        Shares, cash, trades and fees with ``engine="shares"``.

    Examples
    --------
    >>> from tsseq import Costs, simulate
    >>> weeks = pd.date_range("2024-01-05", periods=4, freq="W-FRI")
    >>> prices = pd.Series([10.0, 10.0, 11.0, 12.0], weeks)
    >>> book = simulate(pd.Series([1.0], weeks[:1]), prices, costs=Costs(bps=100))
    >>> book
    Book(2024-01-05..2024-01-26, execution='next_close', total_return=0.1880)
    >>> book.costs.rate, book.periods_per_year, book.stats()["turnover"].round(1).item()
    (0.01, 52, 13.0)
    """

    returns: pd.Series[float]
    gross_returns: pd.Series[float]
    equity: pd.Series[float]
    turnover: pd.Series[float]
    costs_paid: pd.Series[float]
    weights: pd.DataFrame
    benchmark: pd.Series[float]
    caveats: tuple[str, ...]
    execution: str
    costs: Costs
    cash_rate: float
    leverage: float
    engine: str
    price: str
    periods_per_year: int
    delisting_return: float = 0.0
    capital: float | None = None
    lot_size: float | None = None
    account: Account | None = None

    def __repr__(self) -> str:
        dates = f"{listed(self.returns.index[:1])}..{listed(self.returns.index[-1:])}"
        return f"Book({dates}, execution={self.execution!r}, total_return={total_return(self.returns):.4f})"

    def _repr_html_(self) -> str:
        table = self.stats().to_frame("after costs").to_html(float_format="{:.4g}".format)
        return f"<p>{html.escape(repr(self))}</p>{table}"

    def stats(self, periods_per_year: int | None = None, risk_free: float | None = None) -> pd.Series[float]:
        """Compute all statistics of the net returns, turnover and exposure.

        Parameters
        ----------
        periods_per_year : int, optional
            Bars in a year. Default: ``book.periods_per_year``.
        risk_free : float, optional
            Interest per year beyond which the Sharpe and Sortino ratios count returns, by calendar days as on cash.
            Default: ``book.cash_rate``, so that holding cash is no achievement.

        Returns
        -------
        Series
            `tsseq.trading.statistics.STATISTICS` by name, then ``turnover``, two-way and per year, and ``exposure``,
            the mean sum of the absolute weights.
        """
        per_year = self.periods_per_year if periods_per_year is None else periods_per_year
        riskless = cash_returns(self.weights.index, self.cash_rate if risk_free is None else risk_free)
        held = {"turnover": turnover(self.turnover, periods_per_year=per_year), "exposure": exposure(self.weights)}
        return pd.Series(statistics_of(self.returns, risk_free=riskless, periods_per_year=per_year) | held)

    def compare(
        self, trials: Trials | None = None, *, level: float = 0.95, n_samples: int = 2000, seed: int = 0
    ) -> pd.Series[float]:
        """Compare the net returns with those of the benchmark: did the book earn more, and is that more than luck?

        The benchmark pays no costs. Annual figures count the book's own bars to the year, and alpha is beyond the
        interest on cash. How the tests are made: `tsseq.trading.statistics.against_benchmark`.

        Parameters
        ----------
        trials : Trials, optional
            Everything that was tried before this book was chosen, as ``sweep(...).attrs["trials"]``, perhaps joined
            with more; beside the same benchmark as the book's. Default: nothing else was.
        level : float, default 0.95
            Of the interval of ``difference``.
        n_samples : int, default 2000
            Bootstrap samples.
        seed : int, default 0
            Seed of the bootstrap.

        Returns
        -------
        Series
            ``difference`` (growth beyond the benchmark, a fraction per year, with the sign of the difference of final
            equities), the ends ``lower`` and ``upper`` of its interval, ``p_value`` (one-sided, small if the book earns
            more), ``adjusted_p`` (the same, allowing for all trials), ``alpha``, ``beta``, ``information_ratio``,
            ``tracking_error``, ``hit_rate`` and ``deflated_sharpe`` of the returns beyond the benchmark. NaN where a
            figure is not defined: the tests below 20 bars, the last without the series of a ledger.

        Raises
        ------
        ConfigError
            The level is not between 0 and 1, or there are no samples.

        Examples
        --------
        >>> from tsseq import simulate
        >>> days = pd.date_range("2024-01-01", periods=300)
        >>> prices = pd.Series(100 + np.sin(np.arange(300)), days, name="close")
        >>> rises = np.sign(-prices.diff()).clip(lower=0).iloc[1:]
        >>> book = simulate(rises, prices)
        >>> book.compare()[["difference", "p_value", "adjusted_p"]].round(4).to_dict()
        {'difference': 0.6159, 'p_value': 0.0005, 'adjusted_p': 0.0005}
        """
        figures = against_benchmark(
            self.returns,
            self.benchmark,
            trials,
            risk_free=cash_returns(self.weights.index, self.cash_rate),
            level=level,
            n_samples=n_samples,
            seed=seed,
            periods_per_year=self.periods_per_year,
        )
        return pd.Series(figures)

    def plot(self) -> Axes:
        """Draw what was earned after and before costs beside the benchmark, and below it the drawdowns.

        Lines that lie on one another are drawn once, under all their names; caveats stand below.

        Returns
        -------
        matplotlib.axes.Axes
            Those of the equity, in percent of the capital; ``axes.figure.axes[1]`` are those of the drawdown. Nothing
            is shown or saved: ``book.plot().figure.savefig(path)`` writes a PNG.
        """
        returns = drawn_returns(self)
        totals = {name: f"{100 * total_return(returns[name]):+.1f} %" for name in returns if name != "before costs"}
        title = ", ".join(f"{total} {name}" for name, total in totals.items()).replace("-", "\u2212")
        return plot_equity(returns, title, " ".join(self.caveats))


def drawn_returns(book: Book) -> dict[str, pd.Series[float]]:
    """Returns after costs, before costs (where there are any) and of the benchmark, by name."""
    before = {"before costs": book.gross_returns} if book.costs_paid.any() else {}
    return {"after costs": book.returns} | before | {str(book.benchmark.name): book.benchmark}


def cost_sweep(
    book: Book, bps: Sequence[float] = (0, 1, 2, 5, 10, 20, 50), *, periods_per_year: int | None = None
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
    gross, traded = book.gross_returns, book.turnover.to_numpy()[:, None]
    nets = {level: (1 + gross) * (1 - Costs(bps=level).paid(traded)) - 1 for level in bps}
    riskless = cash_returns(book.weights.index, book.cash_rate)
    rows = {level: statistics_of(net, risk_free=riskless, periods_per_year=per_year) for level, net in nets.items()}
    columns = ["total_return", "cagr", "sharpe"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("bps")


def break_even_cost(book: Book) -> float:
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
