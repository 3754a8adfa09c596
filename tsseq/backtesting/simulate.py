"""Simulate holding a portfolio: weights and prices in, a :class:`Book` of returns out."""

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.backtesting.performance import STATISTICS, total_return
from tsseq.backtesting.prices import PriceFrame, PriceTable, listed, read_prices, to_floats
from tsseq.errors import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

_CAVEATS = {
    "next_open": (),
    "next_close": (),
    "close": ("execution='close': orders fill at the very close that decided them, which hardly anyone can trade.",),
    "same_bar": (
        "LOOKS AHEAD: execution='same_bar' earns the bar that made the decision. Nobody can trade this; it only shows "
        "what a look-ahead error is worth.",
    ),
}


@dataclass(frozen=True)
class Costs:
    """Costs per unit of traded value, in basis points (1 bp = 0.01 %). Buying for 100 and selling for 100 pays twice.

    Examples
    --------
    >>> Costs(bps=5, slippage_bps=2).rate
    0.0007
    """

    bps: float = 0.0
    slippage_bps: float = 0.0

    def __post_init__(self) -> None:
        if not (self.bps >= 0 and self.slippage_bps >= 0):
            raise ConfigError(f"{self}: costs must be numbers >= 0, in basis points.")

    @property
    def rate(self) -> float:
        """Both costs as a fraction of the traded value."""
        return (self.bps + self.slippage_bps) / 10_000


@dataclass(frozen=True, eq=False, repr=False)
class Book:
    """What holding the weights would have earned, one row per bar from the first decision on.

    Attributes
    ----------
    returns, gross_returns
        Return of each bar, close to close, after and before costs.
    equity
        Compounded ``returns`` of a capital that is 1.0 before the first of them.
    turnover
        Two-way traded value of each bar as a fraction of equity: from all cash to fully invested is 1, from long to
        short is 2.
    costs_paid
        ``costs.rate * turnover``: ``1 + returns == (1 + gross_returns) * (1 - costs_paid)``.
    weights
        Positions at each close as fractions of equity, after drift; the rest is cash.
    benchmark
        Returns of the same assets bought in equal parts at the first fill and held, without costs.
    execution
        When a decision was filled.
    caveats
        What makes these figures better than a trader's.
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

    def __repr__(self) -> str:
        span = f"{listed(self.returns.index[:1])}..{listed(self.returns.index[-1:])}"
        return f"Book({span}, execution={self.execution!r}, total_return={total_return(self.returns):.4f})"

    def stats(self, periods_per_year: int = 252) -> "pd.Series[float]":
        """Return all of :data:`~tsseq.backtesting.performance.STATISTICS` of the net returns, turnover and exposure.

        ``turnover`` is two-way and per year, ``exposure`` the mean sum of the absolute weights.
        """
        values = {
            name: function(self.returns, periods_per_year=periods_per_year)
            if "periods_per_year" in inspect.signature(function).parameters
            else function(self.returns)
            for name, function in STATISTICS.items()
        }
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


def simulate(
    weights: PriceFrame,
    prices: PriceFrame,
    *,
    execution: str | None = None,
    costs: Costs | None = None,
    price: str = "close",
) -> Book:
    """Hold the weights and account for drift, turnover and costs exactly.

    A row of weights dated t was decided with data up to the close of t. Once filled, positions are held, without any
    trade, until the next row is. Weights are fractions of equity, negative ones short; what is left to 1 is cash, which
    earns nothing, and borrowing costs nothing. Costs shrink the equity at the fill by ``1 - rate * turnover``.

    Parameters
    ----------
    weights
        One row per decision on a date of the prices, one column per asset; a Series for a single asset.
    prices
        A frame of one asset (columns ``close`` and perhaps ``open``, in any case), a panel with the row index
        (id, date), what yfinance returns, or a Series of closes.
    execution
        ``"next_open"``, the default when there are opens: filled at the next open, so the night still belongs to the
        old position. ``"next_close"``, the default otherwise. ``"close"``: at the close of t itself, stamped in the
        caveats. ``"same_bar"``: earns bar t itself, for demonstrations only, stamped loudly. A decision with no bar
        left to fill it is not filled.
    costs
        Default: none.
    price
        The column of closes. Opens are used only beside ``"close"``.

    Raises
    ------
    ConfigError
        On an unknown execution, or ``"next_open"`` without opens.
    DataError
        On weights with NaN, unknown dates or assets; on buying an asset that has no price at the fill (one already held
        keeps its last price, at which it can be sold); on a book that loses all its equity.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> prices = pd.DataFrame({"open": [10.0, 10.0, 11.0], "close": [10.0, 11.0, 12.1]}, index=days)
    >>> book = simulate(pd.Series([1.0], index=days[:1]), prices, costs=Costs(bps=100))
    >>> book.execution, book.returns.round(4).tolist(), book.benchmark.round(4).tolist()
    ('next_open', [0.0, 0.089, 0.1], [0.0, 0.1, 0.1])
    >>> book.stats()[["total_return", "exposure"]].round(4).to_dict()
    {'total_return': 0.1979, 'exposure': 0.6667}
    """
    table = read_prices(prices, price)
    execution = _checked_execution(execution, table)
    table, decided, targets = _decisions(weights, table)
    filled = decided + execution.startswith("next")
    in_time = filled < len(table.dates)
    moves = _moves(table, execution)
    gross, drifted, held = _hold(moves, filled[in_time], targets[in_time])
    turnover = _turnover(moves.priced, drifted, filled[in_time], targets[in_time], table)
    bars = pd.DataFrame({"gross_returns": gross, "turnover": turnover}, table.dates)
    bars["costs_paid"] = (costs or Costs()).rate * turnover
    bars["returns"] = (1 + gross) * (1 - bars["costs_paid"]) - 1
    bars["benchmark"] = _buy_and_hold(moves, filled[in_time][:1])
    bars = bars.iloc[decided[0] :]
    _check_solvent(bars)
    return Book(
        returns=bars["returns"],
        gross_returns=bars["gross_returns"],
        equity=(1 + bars["returns"]).cumprod().rename("equity"),
        turnover=bars["turnover"],
        costs_paid=bars["costs_paid"],
        weights=pd.DataFrame(held, table.dates, table.assets).iloc[decided[0] :],
        benchmark=bars["benchmark"],
        execution=execution,
        caveats=_CAVEATS[execution],
    )


class _Moves(NamedTuple):
    """Returns from the last close to the point of the bar where orders fill, and from there to the close."""

    before: Floats  # (T, N)
    after: Floats  # (T, N)
    priced: NDArray[np.bool_]  # (T, N): can be bought


def _checked_execution(execution: str | None, table: PriceTable) -> str:
    if execution is None:
        return "next_close" if table.opens is None else "next_open"
    if execution not in _CAVEATS:
        raise ConfigError(f"execution is {execution!r}; it must be one of {listed(_CAVEATS, 4)}.")
    if execution == "next_open" and table.opens is None:
        raise ConfigError("execution='next_open' needs opens beside a price of 'close'. Pass them, or 'next_close'.")
    return execution


def _decisions(weights: PriceFrame, table: PriceTable) -> tuple[PriceTable, NDArray[np.intp], Floats]:
    """Return the prices of the weighted assets, and the bar and target weights (D, N) of each decision, by date."""
    if isinstance(weights, pd.Series):
        if len(table.assets) > 1:
            raise DataError(f"The weights are a Series, but the prices hold {listed(table.assets)}. Pass a DataFrame.")
        weights = weights.to_frame(table.assets[0])
    for found, known, what in ((weights.index, table.dates, "dates"), (weights.columns, table.assets, "assets")):
        if found.empty or not found.is_unique:
            raise DataError(f"The weights have no {what} or repeated ones. Pass each of them once.")
        unknown = found[known.get_indexer(found) < 0]
        if len(unknown):
            raise DataError(f"The weights have {what} that the prices lack: {listed(unknown)}; there: {listed(known)}.")
    weights = weights.iloc[np.argsort(table.dates.get_indexer(weights.index))]
    targets = to_floats(weights, "weights")
    bad = np.flatnonzero(~np.isfinite(targets).all(axis=1))
    if len(bad):
        raise DataError(f"Weights on {listed(weights.index[bad])} are NaN or infinite. Use 0 for no position.")
    columns = table.assets.get_indexer(weights.columns)
    opens = None if table.opens is None else table.opens[:, columns]
    table = PriceTable(table.dates, table.assets[columns], table.closes[:, columns], opens)
    return table, table.dates.get_indexer(weights.index), targets


def _moves(table: PriceTable, execution: str) -> _Moves:
    closes = pd.DataFrame(table.closes).ffill().to_numpy()  # (T, N): a delisted asset keeps its last price
    last = np.vstack([closes[:1], closes[:-1]])
    priced = ~np.isnan(table.closes)
    fill = last if execution == "same_bar" else closes
    if execution == "next_open" and table.opens is not None:
        priced &= ~np.isnan(table.opens)
        fill = np.where(priced, table.opens, last)
    return _Moves(np.nan_to_num(fill / last - 1), np.nan_to_num(closes / fill - 1), priced)


def _hold(moves: _Moves, filled: NDArray[np.intp], targets: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the gross return (T,) and the weights (T, N) before a fill and at the close of each bar."""
    n_bars, n_assets = moves.before.shape
    gross, drifted, held = np.empty(n_bars), np.empty((n_bars, n_assets)), np.empty((n_bars, n_assets))
    order = dict(zip(filled.tolist(), targets))
    weights = np.zeros(n_assets)
    for bar in range(n_bars):
        weights, first = _drift(weights, moves.before[bar])
        drifted[bar] = weights
        weights, second = _drift(order.get(bar, weights), moves.after[bar])
        held[bar] = weights
        gross[bar] = first * second - 1
    return gross, drifted, held


def _drift(weights: Floats, move: Floats) -> tuple[Floats, float]:
    """Let prices move: the new weights, and the growth of the equity (0 if it is lost; then nothing is held)."""
    growth = 1 + float(weights @ move)
    return (weights * (1 + move) / growth, growth) if growth > 0 else (np.zeros_like(weights), 0.0)


def _buy_and_hold(moves: _Moves, first: NDArray[np.intp]) -> Floats:
    """Gross returns of equal parts of all assets that have a price at the first fill."""
    priced = moves.priced[first]  # (1, N), or (0, N) if nothing was filled
    return _hold(moves, first, priced / np.maximum(priced.sum(axis=1, keepdims=True), 1))[0]


def _turnover(
    priced: NDArray[np.bool_], drifted: Floats, filled: NDArray[np.intp], targets: Floats, table: PriceTable
) -> Floats:
    """Two-way turnover of each bar (T,), once it is sure that nothing without a price is bought or sold short."""
    before = drifted[filled]
    reducing = (targets >= np.minimum(before, 0)) & (targets <= np.maximum(before, 0))
    rows, columns = np.nonzero(~priced[filled] & ~reducing)
    if len(rows):
        raise DataError(
            f"{table.assets[columns[0]]!r} has no price at the fill on {listed(table.dates[filled[rows[:1]]])}, so it "
            f"cannot be bought or sold short ({len(rows)} such orders). Set its weight to 0 or complete the prices."
        )
    turnover = np.zeros(len(drifted))
    turnover[filled] = np.abs(targets - before).sum(axis=1)
    return turnover


def _check_solvent(bars: pd.DataFrame) -> None:
    ruined = bars[bars["returns"] <= -1]
    if len(ruined):
        worst = ruined.iloc[0]
        raise DataError(
            f"The book loses all its equity on {listed(ruined.index[:1])}: {worst['gross_returns']:.1%} before costs, "
            f"costs of {worst['costs_paid']:.1%}. Lower the weights or the costs."
        )
