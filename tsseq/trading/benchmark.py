"""Benchmarks that a book is compared with: an index, one asset, equal weights, or buy and hold."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

import numpy as np
import pandas as pd
from pandas.api.types import is_hashable

from tsseq.errors import ConfigError, DataError
from tsseq.trading.execution import EXECUTIONS, Execution, Market, market_of
from tsseq.trading.price_table import PriceTable, listed, to_floats
from tsseq.typing import Array, Index

Benchmark: TypeAlias = "pd.Series[float] | Hashable"


def benchmark_returns(
    benchmark: Benchmark, prices: PriceTable, market: Market, execution: Execution, filled: Index
) -> pd.Series[float]:
    """Returns of what a book is compared with, invested from the book's first fill on, without any costs.

    Parameters
    ----------
    benchmark : Series or hashable
        "equal_weight": equal parts of all assets of the market, re-set at every fill. An asset joins at the first fill
        at which it has a price, one without a price at a fill is not traded there, and what has ended leaves.
        "buy_and_hold": equal parts of what has a price at the first fill, then never traded; for one asset the two are
        the same. A Series of levels of an index, such as closes, bought at the close of the first fill; a bar that it
        lacks has no move. Or the id of an asset of the prices, held from its first fill or first price on.
    prices : PriceTable
        Prices of all assets, among which an id is looked up.
    market : Market
        Prices of the assets of the book.
    execution : Execution
        How orders fill.
    filled : ndarray of shape (D,)
        Bars on which the decisions are to be filled.

    Returns
    -------
    Series of shape (T,)
        Gross return of each bar of the market; its name is what reports call it.

    Raises
    ------
    ConfigError
        There is no such benchmark.
    DataError
        A Series that does not cover the book, or that holds anything but levels above 0.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> closes = pd.DataFrame({"A": [1.0, 1.0, 2.0, 2.0], "new": [np.nan, np.nan, 5.0, 10.0]}, days)
    >>> table = PriceTable(days, closes.columns, closes.to_numpy(), None)
    >>> way = EXECUTIONS["next_close"]
    >>> benchmark_returns("equal_weight", table, market_of(table, way, 0), way, np.array([1, 2])).tolist()
    [0.0, 0.0, 1.0, 0.5]
    """
    single = len(market.assets) == 1
    if isinstance(benchmark, pd.Series):
        name = "benchmark" if benchmark.name is None else str(benchmark.name)
        way = EXECUTIONS["next_close"] if execution.needs_opens else execution
        market = market_of(_index_table(benchmark, name, market.dates, filled), way, 0)
        gross = _held_alone(market, filled)
    elif isinstance(benchmark, str) and (benchmark == "buy_and_hold" or (benchmark == "equal_weight" and single)):
        name, gross = "buy and hold", _gross_returns(market, filled[:1], _equal_parts(market, filled[:1]))
    elif isinstance(benchmark, str) and benchmark == "equal_weight":
        name, gross = "equal weights", _gross_returns(market, filled, _equal_parts(market, filled))
    else:
        name = str(benchmark)
        gross = _held_alone(market_of(_asset_table(benchmark, prices), execution, 0), filled)
    return pd.Series(gross, market.dates, name=name)


def _index_table(levels: pd.Series[float], name: str, dates: pd.DatetimeIndex, filled: Index) -> PriceTable:
    """Levels of an index on the bars of a book; the last one known where a bar is missing."""
    values = to_floats(levels.to_frame(), f"levels of the benchmark {name!r}")[:, 0]
    wrong = np.flatnonzero(values <= 0)
    if len(wrong):
        found = f"the benchmark {name!r} is {values[wrong[0]]} on {listed(levels.index[wrong[:1]])}"
        raise DataError(f"{found}. Pass levels above 0, such as closes; of returns r, pass (1 + r).cumprod().")
    known = pd.Series(values, levels.index).dropna().sort_index()
    comparable = isinstance(known.index, pd.DatetimeIndex) and str(known.index.tz) == str(dates.tz)
    first = dates[filled[0]] if len(filled) else dates[-1]
    if not (comparable and len(known) and known.index[0] <= first and known.index[-1] >= dates[-1]):
        span = f"{listed(known.index[:1])}..{listed(known.index[-1:])}, time zone {getattr(known.index, 'tz', None)}"
        needed = f"{listed([first])}..{listed(dates[-1:])}, time zone {dates.tz}"
        raise DataError(f"the benchmark {name!r} has levels on {span}; the book needs {needed}. Pass all of them.")
    if not known.index.is_unique:
        raise DataError(f"the benchmark {name!r} has repeated dates. Pass one level for each.")
    return PriceTable(dates, pd.Index([name]), known.reindex(dates, method="ffill").to_numpy()[:, None], None)


def _asset_table(asset: Hashable, prices: PriceTable) -> PriceTable:
    if not (is_hashable(asset) and asset in prices.assets):
        passed = repr(asset) if is_hashable(asset) else f"a {type(asset).__name__}"
        known = f"'equal_weight', 'buy_and_hold', an asset of the prices ({listed(prices.assets, 6)})"
        raise ConfigError(f"benchmark is {passed}; it must be {known} or a Series of levels.")
    column = [prices.assets.get_loc(asset)]
    opens = None if prices.opens is None else prices.opens[:, column]
    return PriceTable(prices.dates, prices.assets[column], prices.closes[:, column], opens)


def _held_alone(market: Market, filled: Index) -> Array:
    """Gross returns of the only asset of a market, bought at the first fill or as soon as it has a price."""
    bars = np.flatnonzero(market.priced[:, 0])
    first = bars[bars >= filled[0]][:1] if len(filled) else filled
    return _gross_returns(market, first, np.ones((len(first), 1)))


def _equal_parts(market: Market, filled: Index) -> Array:
    """Equal weights (D, N) of what has a price at each fill; what waits for one keeps the weight that it has."""
    priced = market.priced[filled]
    weights = priced / np.maximum(priced.sum(axis=1, keepdims=True), 1)
    waiting = np.logical_or.accumulate(priced) & ~priced & ~market.ended[filled]
    for fill in np.flatnonzero(waiting.any(axis=1)):  # never the first one
        values = weights[fill - 1] * market.fills[filled[fill]] / market.fills[filled[fill - 1]]
        kept = np.where(waiting[fill], values, 0.0) / (1 - weights[fill - 1].sum() + values.sum())
        weights[fill] = kept + (1 - kept.sum()) * weights[fill]
    return np.asarray(weights)


def _gross_returns(market: Market, filled: Index, weights: Array) -> Array:
    """Returns (T,) of weights (D, N) that are met at each fill at no cost and then drift."""
    n_filled = np.searchsorted(filled, np.arange(len(market.dates)), side="right")  # (T,): fills so far
    base = np.concatenate([market.closes[:1], market.fills[filled]])  # (D + 1, N)
    held = np.concatenate([np.zeros((1, weights.shape[1])), weights])  # (D + 1, N)
    growth = 1 + np.einsum("tn,tn->t", held[n_filled], market.closes / base[n_filled] - 1)
    at_fill = 1 + np.einsum("dn,dn->d", held[:-1], base[1:] / base[:-1] - 1)
    factors = growth / np.concatenate([[1.0], growth[:-1]])
    factors[filled] *= at_fill
    return np.asarray(factors - 1)
