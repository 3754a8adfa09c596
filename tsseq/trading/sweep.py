"""Thousands of parameter combinations of a rule at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.errors import ConfigError, DataError
from tsseq.resampling.trials import Trials
from tsseq.trading.benchmark import Benchmark, benchmark_returns
from tsseq.trading.costs import Costs
from tsseq.trading.engines.returns import Moves, run_returns
from tsseq.trading.engines.shares import run_shares
from tsseq.trading.execution import Market, opened
from tsseq.trading.orders import Orders, orders_of, read_weights
from tsseq.trading.price_table import PriceTable, check_frame, listed, read_prices
from tsseq.trading.signals import expected_returns
from tsseq.trading.statistics import rows
from tsseq.trading.statistics.returns import bars_per_year, cash_returns
from tsseq.trading.terms import Engine, Terms
from tsseq.trading.weighting import AT_ONCE, WeightingRule, weights_of_rules
from tsseq.typing import Array, Index

# Prices times combinations at a time where all step from bar to bar together.
_IN_TURN = 4_000_000


def sweep(
    signal: pd.DataFrame | Callable[..., Frame],
    prices: Frame,
    grid: Mapping[str, Sequence[Any]],
    *,
    model: str | None = None,
    execution: str | None = None,
    costs: Costs | None = None,
    cash_rate: float = 0.0,
    leverage: float = 1.0,
    engine: Engine = "returns",
    price: str = "close",
    benchmark: Benchmark = "equal_weight",
    delisting_return: float = 0.0,
    capital: float | None = None,
    lot_size: float | None = None,
    all_statistics: bool = False,
    periods_per_year: int | None = None,
) -> pd.DataFrame:
    """Simulate a rule with every combination of its parameters, with the figures of one `simulate` after another.

    Parameters
    ----------
    signal : DataFrame or callable
        The ``.forecasts`` of a backtest; or expected returns, dates x assets, NaN where there is none; or a function
        that takes one combination as keywords and returns its weights, on the same dates for all.
    prices : DataFrame or Series
        In any shape that `simulate` takes.
    grid : mapping of str to sequence
        Values of parameters: of `to_weights` (``rule``, ``threshold``, ``k``, ..., and ``model`` for several of the
        models of a backtest), or of the function.
    model : str, optional
        Whose forecasts, in the column ``model``. May be left out if there is one model beside the naive ones.
    execution : {"next_open", "next_close", "close", "same_bar"}, optional
        When orders fill. Default: the next open where there are opens, else the next close.
    costs : Costs, optional
        Fees, slippage and borrowing. Default: none.
    cash_rate : float, default 0
        Yearly interest on cash.
    leverage : float, default 1
        Multiplies the weights.
    engine : {"returns", "shares"}, default "returns"
        "returns" meets weights exactly; "shares" counts shares and cash, and is slower.
    price : str, default "close"
        The field to trade.
    benchmark : Series or hashable, default "equal_weight"
        What the ledger compares the combinations with, as in `simulate`.
    delisting_return : float, default 0
        What an asset whose prices end still loses or gains on its last price.
    capital : float, optional
        Money at the start, for fees in money and whole shares. Default: 1.
    lot_size : float, optional
        Shares in the smallest order, with ``engine="shares"`` and ``capital=``. Default: shares can be divided.
    all_statistics : bool, default False
        All of `tsseq.trading.statistics.STATISTICS` instead of two; slower.
    periods_per_year : int, optional
        Bars in a year. Default: as many as the dates of the prices suggest, as for ``book.stats()``.

    Returns
    -------
    DataFrame
        One row per combination: its parameters, ``total_return`` and annual ``sharpe`` after costs; NaN for a book that
        loses all its equity. ``table.attrs["trials"]`` is the ledger of the combinations, for
        ``book.compare`` and `tsseq.trading.statistics.deflated_sharpe`: the best of many is partly luck. It holds the
        returns of each beyond the benchmark, 4 bytes per bar and combination.

    Raises
    ------
    ConfigError
        On an empty grid, an unknown parameter, model, execution, engine or benchmark.
    DataError
        On weights or prices that `simulate` refuses, and on a function whose weights differ in dates or assets.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> expected = pd.DataFrame({"close": [0.01, -0.02, 0.03]}, index=days[:3])
    >>> prices = pd.Series([100.0, 101.0, 99.0, 102.0], days)
    >>> table = sweep(expected, prices, {"rule": ["threshold"], "threshold": [0.0, 0.015]})
    >>> table[["threshold", "total_return"]].round(4)
       threshold  total_return
    0      0.000       -0.0495
    1      0.015       -0.0303
    >>> table.attrs["trials"].count
    2
    """
    terms = Terms(costs or Costs(), cash_rate, leverage, engine, capital, lot_size)
    combinations = combinations_of(grid)
    all_prices = read_prices(prices, price)
    table, decided, targets = decisions_of(signal, prices, all_prices, combinations, model, price)
    start = int(decided[0])
    fill_rule, market = opened(execution, table, start, delisting_return)
    orders = orders_of(market, decided, fill_rule.delay)
    passive = benchmark_returns(benchmark, all_prices, market, fill_rule, orders, delisting_return).to_numpy()[start:]
    inverse, riskless = 1 / (1 + passive), cash_returns(market.dates[start:], cash_rate)
    per_year = bars_per_year(market.dates) if periods_per_year is None else periods_per_year
    figures: list[dict[str, Array]] = []
    excess = np.empty((len(combinations), len(riskless)), dtype=np.float32)
    rest = excess
    with short_buffer():
        for growth in growth_of(market, orders, targets, terms):
            relative = growth[:, start:]
            figures.append(_figures(relative, riskless, all_statistics, per_year))
            relative *= inverse
            relative -= 1
            np.log1p(relative, out=rest[: len(relative)], dtype=np.float32, casting="same_kind")
            rest = rest[len(relative) :]
    results = pd.DataFrame(combinations)
    for name in figures[0]:
        results[name] = np.concatenate([figure[name] for figure in figures])
    dates = market.dates[start:].to_numpy(dtype="datetime64[ns]")
    results.attrs["trials"] = Trials.of(results["sharpe"], dates, excess)
    return results


def combinations_of(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of a grid."""
    values = grid.values() if isinstance(grid, Mapping) else [None]
    if any(not np.iterable(value) or isinstance(value, str) for value in values):
        raise ConfigError(f"the grid must be a mapping of names to sequences of values, not {grid!r}.")
    combinations = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    if not combinations:
        raise ConfigError("the grid has no combination. Pass at least one value for each parameter.")
    return combinations


def decisions_of(
    signal: pd.DataFrame | Callable[..., Frame],
    prices: Frame,
    table: PriceTable,
    combinations: Sequence[Mapping[str, Any]],
    model: str | None,
    price: str,
) -> tuple[PriceTable, Index, Iterator[Array]]:
    """Return prices, bars of the decisions, and the target weights (K, D, N) of some combinations at a time."""
    if callable(signal):
        subset, decided, first = read_weights(signal(**combinations[0]), table)
        rest = (_like_first(signal(**options), table, subset, decided) for options in combinations[1:])
        return subset, decided, (weights[None] for weights in itertools.chain([first], rest))
    check_frame(signal, "signal")
    options = [*(field.name for field in fields(WeightingRule)), "model"]
    if unknown := set(combinations[0]) - set(options):
        raise ConfigError(f"the grid has {listed(sorted(unknown))}; rules take {listed(options, 13)}.")
    if "model" in combinations[0] and (model is not None or "cutoff" not in signal):
        raise ConfigError("the grid names models: pass the forecasts of a backtest, and no model=.")
    models = list(dict.fromkeys(combination.get("model", model) for combination in combinations))
    signals = {name: signal for name in models}
    if "cutoff" in signal:
        target = price if price in signal["target"].tolist() else None
        signals = {name: expected_returns(signal, prices, name, target=target) for name in models}
    signals = {name: expected.sort_index() for name, expected in signals.items()}
    first = signals[models[0]]
    rules = [WeightingRule(**{name: value for name, value in c.items() if name != "model"}) for c in combinations]
    subset, decided, _ = read_weights(first.notna() * 0.0, table)
    for name, expected in signals.items():
        if not (expected.index.equals(first.index) and expected.columns.equals(first.columns)):
            raise DataError(f"{name!r} forecasts other dates or assets than {models[0]!r}. Sweep one after the other.")
    by_model = itertools.groupby(zip(rules, combinations), lambda pair: pair[1].get("model", model))
    blocks = (weights_of_rules([rule for rule, _ in pairs], signals[name], table) for name, pairs in by_model)
    return subset, decided, itertools.chain.from_iterable(blocks)


def _like_first(weights: Frame, table: PriceTable, first: PriceTable, decided: Index) -> Array:
    subset, bars, targets = read_weights(weights, table)
    if not np.array_equal(bars, decided) or not subset.assets.equals(first.assets):
        raise DataError("the function returned weights on other dates or assets than before. Return the same for all.")
    return targets


@contextmanager
def short_buffer() -> Iterator[None]:
    """Spare NumPy the copies of what it broadcasts over rows shorter than half its buffer, by default 8,192 numbers."""
    with np.errstate():  # at whose end the buffer is as before
        np.setbufsize(1024)
        yield


def growth_of(market: Market, orders: Orders, targets: Iterable[Array], terms: Terms) -> Iterator[Array]:
    """1 + net return (K, T) of some books at a time, NaN from the bar on which one has lost all."""
    moves = Moves.of(market, orders)
    at_once = terms.engine == "returns" and terms.costs.proportional and orders.at_once
    for chunk in _chunks(targets, (AT_ONCE if at_once else _IN_TURN) // market.closes.size):
        weights = chunk if terms.leverage == 1 else chunk * terms.leverage
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if terms.engine == "shares":
                growth = _growth_of_shares(moves, weights, terms)
            else:
                growth = run_returns(moves, weights, terms).factors(net=True)
        ruined = ~(growth.min(axis=1) > 0)
        if ruined.any():
            growth[ruined] = np.where(np.logical_and.accumulate(growth[ruined] > 0, axis=1), growth[ruined], np.nan)
        yield growth


def _chunks(targets: Iterable[Array], size: int) -> Iterator[Array]:
    """Target weights of at least so many books at a time, but for the last."""
    chunk: list[Array] = []
    n_books = 0
    for weights in targets:
        chunk.append(weights)
        n_books += len(weights)
        if n_books >= size:
            yield np.concatenate(chunk) if len(chunk) > 1 else weights
            chunk, n_books = [], 0
    if chunk:
        yield np.concatenate(chunk)


def _growth_of_shares(moves: Moves, targets: Array, terms: Terms) -> Array:
    equity = run_shares(moves.market, moves.orders, targets, terms).equity
    growth = equity / terms.money
    growth[:, 1:] = equity[:, 1:] / equity[:, :-1]
    return np.asarray(growth)


def _figures(growth: Array, riskless: Array, all_statistics: bool, periods_per_year: int) -> dict[str, Array]:
    """Statistics of many books (K, T)."""
    growth[np.isnan(growth[:, -1])] = np.nan
    returns = growth - 1
    excess = rows.beyond(returns, riskless)
    if all_statistics:
        return rows.statistics(returns, excess, returns.shape[1], periods_per_year)
    return {"total_return": growth.prod(axis=1) - 1, "sharpe": rows.sharpe(excess, periods_per_year)}
