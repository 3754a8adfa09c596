"""Benchmarks that a book is compared with: an index, one asset, equal weights, or buy and hold."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

import numpy as np
import pandas as pd
from pandas.api.types import is_hashable

from tsseq.errors import ConfigError, DataError
from tsseq.trading.costs import Costs
from tsseq.trading.engines.returns import Moves, run_returns
from tsseq.trading.execution import EXECUTIONS, Execution, Market, market_of
from tsseq.trading.orders import Orders, orders_of
from tsseq.trading.price_table import PriceTable, listed, to_floats
from tsseq.trading.terms import Terms
from tsseq.typing import Index, Mask

# Share of a book's bars for which an index must have levels; other stamps would shift its returns unseen.
_OWN_LEVELS = 0.5

Benchmark: TypeAlias = "pd.Series[float] | Hashable"


def benchmark_returns(
    benchmark: Benchmark,
    prices: PriceTable,
    market: Market,
    execution: Execution,
    orders: Orders,
    delisting_return: float = 0.0,
) -> pd.Series[float]:
    """Returns of what a book is compared with, invested from the book's first fill on, without any costs.

    Parameters
    ----------
    benchmark : Series or hashable
        "equal_weight": equal parts of all assets of the market, re-set at every decision's fill. An asset joins at the
        first fill at which it has a price, one that has none for a while waits as orders do, and what has ended leaves.
        "buy_and_hold": equal parts of what has a price at the first fill, then never traded; for one asset the two are
        the same. A Series of levels of an index, such as closes, bought at the close of the first fill; a bar that it
        lacks has no move. Or the id of an asset of the prices, held from its first fill or first price on.
    prices : PriceTable
        Prices of all assets, among which an id is looked up.
    market : Market
        Prices of the assets of the book.
    execution : Execution
        How orders fill.
    orders : Orders
        Fills of the decisions of the book.
    delisting_return : float, default 0
        Return of an asset whose prices end, on its last price.

    Returns
    -------
    Series of shape (T,)
        Gross return of each bar of the market; its name is what reports call it.

    Raises
    ------
    ConfigError
        There is no such benchmark.
    DataError
        A Series that does not cover the book, has other stamps than it, or holds anything but levels above 0.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> closes = pd.DataFrame({"A": [1.0, 1.0, 2.0, 2.0], "new": [np.nan, np.nan, 5.0, 10.0]}, days)
    >>> table = PriceTable(days, closes.columns, closes.to_numpy(), None)
    >>> way = EXECUTIONS["next_close"]
    >>> market = market_of(table, way, 0)
    >>> benchmark_returns("equal_weight", table, market, way, orders_of(market, np.array([0, 1]), 1)).tolist()
    [0.0, 0.0, 1.0, 0.5]
    """
    begin = orders.first[:1]
    if isinstance(benchmark, pd.Series):
        name = "benchmark" if benchmark.name is None else str(benchmark.name)
        way = EXECUTIONS["next_close"] if execution.needs_opens else execution
        index = _index_table(benchmark, name, market.dates, orders.first)
        return _whole(market_of(index, way, 0), begin).rename(name)
    if not isinstance(benchmark, str) or benchmark not in ("equal_weight", "buy_and_hold"):
        asset = _asset_table(benchmark, prices)
        return _whole(market_of(asset, execution, 0, delisting_return), begin).rename(str(benchmark))
    if len(market.assets) == 1:
        return _whole(market, begin).rename("buy and hold")
    if benchmark == "buy_and_hold":
        return _gross_returns(market, orders_of(market, begin, 0), market.priced[begin]).rename("buy and hold")
    alive = np.logical_or.accumulate(market.priced)[orders.first] & ~market.ended[orders.first]
    return _gross_returns(market, orders, alive).rename("equal weights")


def _index_table(levels: pd.Series[float], name: str, dates: pd.DatetimeIndex, first: Index) -> PriceTable:
    """Levels of an index on the bars of a book; the last one known where a bar is missing."""
    values = to_floats(levels.to_frame(), f"levels of the benchmark {name!r}")[:, 0]
    wrong = np.flatnonzero(values <= 0)
    if len(wrong):
        problem = f"the benchmark {name!r} is {values[wrong[0]]} on {listed(levels.index[wrong[:1]])}"
        raise DataError(f"{problem}. Pass levels above 0, such as closes; of returns r, pass (1 + r).cumprod().")
    known = pd.Series(values, levels.index).dropna().sort_index()
    comparable = isinstance(known.index, pd.DatetimeIndex) and str(known.index.tz) == str(dates.tz)
    begin = dates[first[0]] if len(first) else dates[-1]
    if not (comparable and len(known) and known.index[0] <= begin and known.index[-1] >= dates[-1]):
        span = f"{listed(known.index[:1])}..{listed(known.index[-1:])}, time zone {getattr(known.index, 'tz', None)}"
        needed = f"{listed([begin])}..{listed(dates[-1:])}, time zone {dates.tz}"
        raise DataError(f"the benchmark {name!r} has levels on {span}; the book needs {needed}. Pass all of them.")
    if not known.index.is_unique:
        raise DataError(f"the benchmark {name!r} has repeated dates. Pass one level for each.")
    bars = dates[dates >= begin]
    if (share := float(bars.isin(known.index).mean())) < _OWN_LEVELS:
        problem = f"only {share:.0%} of the book's bars have a level of the benchmark {name!r} of their own"
        raise DataError(f"{problem}. Pass levels with the stamps of the prices, such as its closes on the same bars.")
    return PriceTable(dates, pd.Index([name]), known.reindex(dates, method="ffill").to_numpy()[:, None], None)


def _asset_table(asset: Hashable, prices: PriceTable) -> PriceTable:
    if not (is_hashable(asset) and asset in prices.assets):
        passed = repr(asset) if is_hashable(asset) else f"a {type(asset).__name__}"
        known = f"'equal_weight', 'buy_and_hold', an asset of the prices ({listed(prices.assets, 6)})"
        raise ConfigError(f"benchmark is {passed}; it must be {known} or a Series of levels.")
    column = [prices.assets.get_loc(asset)]
    opens = None if prices.opens is None else prices.opens[:, column]
    return PriceTable(prices.dates, prices.assets[column], prices.closes[:, column], opens)


def _whole(market: Market, begin: Index) -> pd.Series[float]:
    """Returns of the only asset of a market, bought at the first fill or, without a price, as soon as it has one."""
    return _gross_returns(market, orders_of(market, begin, 0), np.ones((len(begin), 1), dtype=np.bool_))


def _gross_returns(market: Market, orders: Orders, members: Mask) -> pd.Series[float]:
    """Returns (T,) of equal parts of the members (D, N) of each decision, at no cost."""
    weights = members / np.maximum(members.sum(axis=1, keepdims=True), 1)
    run = run_returns(Moves.of(market, orders), weights[None], Terms(Costs()))
    return pd.Series(run.factors(net=False)[0] - 1, market.dates)
