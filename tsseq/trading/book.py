"""What a simulation costs and what it gives: :class:`Costs`, :class:`Book` and :class:`Account`."""

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from tsseq.errors import ConfigError
from tsseq.trading.price_table import listed
from tsseq.trading.statistics.returns import STATISTICS, total_return

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Costs:
    """What trading and holding costs, mostly in basis points (1 bp = 0.01 %).

    Attributes
    ----------
    bps
        Fee per unit of traded value. Buying for 100 and selling for 100 pays twice.
    slippage_bps
        How much worse than the price an order fills.
    fixed
        Fee per order, as a fraction of the starting capital: 5 dollars of 100,000 are 0.00005.
    borrow_bps
        Per year of 365 days, on what is held short and on cash that is owed (on top of ``cash_rate``).

    Examples
    --------
    >>> Costs(bps=5, slippage_bps=2).rate
    0.0007
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


@dataclass(frozen=True, eq=False, repr=False)
class Account:
    """Shares and cash behind a :class:`Book`: ``cash + positions.sum(axis=1)`` is its equity on every bar.

    Amounts are fractions of the starting capital, which is 1.0; with a capital of C, multiply them by C.

    Attributes
    ----------
    shares, positions
        Number and value of the shares held at each close, dates x assets; negative ones are short.
    cash
        At each close; negative where it is owed.
    trades
        One row per order: ``date, asset, shares`` (negative for a sale), ``price`` (with slippage) and ``fee``.
    fees
        Sum of the fees of each bar's trades. Slippage is in their prices, not here.
    """

    shares: pd.DataFrame
    positions: pd.DataFrame
    cash: "pd.Series[float]"
    trades: pd.DataFrame
    fees: "pd.Series[float]"

    def __repr__(self) -> str:
        return f"Account({len(self.trades)} trades, fees={self.fees.sum():.6f})"


@dataclass(frozen=True, eq=False, repr=False)
class Book:
    """What holding the weights would have earned, one row per bar from the first decision on.

    Attributes
    ----------
    returns, gross_returns
        Return of each bar, close to close, after and before costs of trading.
    equity
        Compounded ``returns`` of a capital that is 1.0 before the first of them.
    turnover
        Two-way traded value of each bar as a fraction of equity: from all cash to fully invested is 1, from long to
        short is 2.
    costs_paid
        Costs of trading as a fraction of the equity at the fill, ``costs.rate * turnover`` and the fixed fees:
        ``1 + returns == (1 + gross_returns) * (1 - costs_paid)``. Interest and borrowing are in both returns.
    weights
        Positions at each close as fractions of equity, after drift; the rest is cash.
    benchmark
        Returns of the same assets bought in equal parts at the first fill and held, without costs.
    execution
        When a decision was filled.
    caveats
        What makes these figures better than a trader's, and which assets ended while they were held.
    account
        Shares, cash, trades and fees with ``engine="shares"``, else None.
    """

    returns: "pd.Series[float]"
    gross_returns: "pd.Series[float]"
    equity: "pd.Series[float]"
    turnover: "pd.Series[float]"
    costs_paid: "pd.Series[float]"
    weights: pd.DataFrame
    benchmark: "pd.Series[float]"
    execution: str
    caveats: tuple[str, ...]
    account: Account | None = None

    def __repr__(self) -> str:
        span = f"{listed(self.returns.index[:1])}..{listed(self.returns.index[-1:])}"
        return f"Book({span}, execution={self.execution!r}, total_return={total_return(self.returns):.4f})"

    def stats(self, periods_per_year: int = 252) -> "pd.Series[float]":
        """Return all of :data:`~tsseq.trading.statistics.returns.STATISTICS` of the net returns, turnover and exposure.

        ``turnover`` is two-way and per year, ``exposure`` the mean sum of the absolute weights.
        """
        values = statistics(self.returns, periods_per_year)
        values["turnover"] = float(self.turnover.mean()) * periods_per_year
        values["exposure"] = float(self.weights.abs().sum(axis=1).mean())
        return pd.Series(values)

    def plot(self) -> "Axes":
        """Draw the equity after and before costs beside buy and hold; returns the axes, with the caveats as title."""
        import matplotlib.pyplot as plt

        axes = plt.subplots()[1]
        for label, returns in (("net", self.returns), ("gross", self.gross_returns), ("buy and hold", self.benchmark)):
            axes.plot(returns.index, (1 + returns).cumprod(), label=label)
        axes.set(ylabel="equity", title="\n".join(self.caveats))
        axes.legend()
        return axes


def statistics(returns: "pd.Series[float]", periods_per_year: int = 252) -> dict[str, float]:
    """All of ``STATISTICS`` of a return series, by name."""
    return {
        name: function(returns, periods_per_year=periods_per_year)
        if "periods_per_year" in inspect.signature(function).parameters
        else function(returns)
        for name, function in STATISTICS.items()
    }
