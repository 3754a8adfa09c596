"""Thousands of parameter combinations of a rule at once."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from tsseq.errors import ConfigError, DataError
from tsseq.trading.book import Costs, statistics
from tsseq.trading.engines.returns import hold, view
from tsseq.trading.engines.shares import trade
from tsseq.trading.execution import (
    Bars,
    Floats,
    Market,
    Orders,
    checked_execution,
    market_of,
    orders_of,
    read_weights,
    refuse_unpriced,
)
from tsseq.trading.price_table import PriceFrame, PriceTable, listed, read_prices
from tsseq.trading.signals import expected_returns
from tsseq.trading.simulate import Engine, check_money
from tsseq.trading.statistics.deflated_sharpe import Trials
from tsseq.trading.weighting import Rule

# So many prices times combinations at a time stay in the processor's cache; an account steps bar by bar, in wider rows.
_CHUNK = {"returns": 60_000, "shares": 4_000_000}


def sweep(
    signal: pd.DataFrame | Callable[..., PriceFrame],
    prices: PriceFrame,
    grid: Mapping[str, Sequence[Any]],
    *,
    model: str | None = None,
    execution: str | None = None,
    costs: Costs | None = None,
    cash_rate: float = 0.0,
    leverage: float = 1.0,
    engine: Engine = "returns",
    price: str = "close",
    all_statistics: bool = False,
    periods_per_year: int = 252,
) -> pd.DataFrame:
    """Simulate a rule with every combination of its parameters, with the figures of one ``simulate`` after another.

    Parameters
    ----------
    signal
        The ``.forecasts`` of a backtest (with ``model``); or expected returns, dates x assets, NaN where there is none;
        or a function that takes one combination as keywords and gives its weights, on the same dates for all.
    prices, execution, costs, cash_rate, leverage, engine, price
        As for :func:`~tsseq.trading.simulate.simulate`.
    grid
        Values of parameters: of :func:`~tsseq.trading.signals.to_weights` (``rule``, ``threshold``, ``k``, ...), or
        of the function.
    model
        Whose forecasts, in the column ``model``.
    all_statistics
        All of :data:`~tsseq.trading.statistics.returns.STATISTICS` instead of two; slower.

    Returns
    -------
    DataFrame
        One row per combination: its parameters, ``total_return`` and annual ``sharpe`` after costs; NaN for a book that
        loses all its equity. ``table.attrs["trials"]`` is the ledger of the combinations, for
        :func:`~tsseq.trading.statistics.deflated_sharpe.deflated_sharpe`: the best of many is partly luck.

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
    check_money(cash_rate, leverage, engine)
    combinations = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    if not combinations:
        raise ConfigError("The grid has no combination. Pass at least one value for each parameter.")
    table, decided, targets = _decisions(signal, prices, combinations, model, price)
    execution = checked_execution(execution, table)
    market = market_of(table, execution, int(decided[0]))
    figures: list[dict[str, Floats]] = []
    while chunk := list(itertools.islice(targets, max(1, _CHUNK[engine] // market.closes.size))):
        stacked = np.stack(chunk) if leverage == 1 else np.stack(chunk) * leverage
        orders, _ = orders_of(market, decided, stacked, execution)
        growth = _net(market, orders, costs or Costs(), cash_rate, leverage, engine)[:, decided[0] :]
        figures.append(_figures(growth, all_statistics, periods_per_year))
    found = pd.DataFrame(combinations)
    for name in figures[0]:
        found[name] = np.concatenate([part[name] for part in figures])
    found.attrs["trials"] = Trials.of(found["sharpe"])
    return found


def _decisions(
    signal: pd.DataFrame | Callable[..., PriceFrame],
    prices: PriceFrame,
    combinations: Sequence[Mapping[str, Any]],
    model: str | None,
    price: str,
) -> tuple[PriceTable, Bars, Iterator[Floats]]:
    """Return prices, bars of the decisions, and the target weights (D, N) of each combination in turn."""
    table = read_prices(prices, price)
    if callable(signal):
        chosen, decided, first = read_weights(signal(**combinations[0]), table)
        others = (_alike(signal(**each), table, chosen, decided) for each in combinations[1:])
        return chosen, decided, itertools.chain([first], others)
    known = [field.name for field in fields(Rule)]
    if unknown := set(combinations[0]) - set(known):
        raise ConfigError(f"The grid has {listed(sorted(unknown))}; rules take {listed(known, 12)}.")
    if "cutoff" in signal:
        target = price if price in signal["target"].tolist() else None
        signal = expected_returns(signal, prices, _named(signal, model), target=target)
    signal = signal.sort_index()
    rules = [Rule(**each) for each in combinations]
    chosen, decided, _ = read_weights(signal.notna() * 0.0, table)
    values = signal.to_numpy(dtype=float)
    return chosen, decided, (rule.weights(signal, table, values) for rule in rules)


def _named(forecasts: pd.DataFrame, model: str | None) -> str:
    models = forecasts["model"].unique().tolist() if "model" in forecasts else []
    if model is None and len(models) != 1:
        raise ConfigError(f"The forecasts are of {listed(models)}. Name one of them as model=.")
    return models[0] if model is None else model


def _alike(weights: PriceFrame, table: PriceTable, chosen: PriceTable, decided: Bars) -> Floats:
    own, bars, targets = read_weights(weights, table)
    if not np.array_equal(bars, decided) or not own.assets.equals(chosen.assets):
        raise DataError("The function gave weights on other dates or assets than before. Give the same for all.")
    return targets


def _net(market: Market, orders: Orders, costs: Costs, cash_rate: float, leverage: float, engine: Engine) -> Floats:
    """1 + net return of each book and bar (K, T), NaN for books that lose all."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if engine == "shares":
            ledger = trade(market, orders, costs, cash_rate, leverage)
            before, growth = ledger.before, ledger.equity.copy()
            growth[:, 1:] /= ledger.equity[:, :-1]
        else:
            held = hold(market, orders, costs, cash_rate)
            before, growth = held.before, held.factors
            growth[:, view(orders.filled)] *= np.subtract(1, held.costs, out=held.costs)
    ruined = ~(growth.min(axis=1) > 0)
    if ruined.any():
        orders, before = orders._replace(targets=orders.targets[~ruined]), before[~ruined]
        growth[ruined] = np.nan
    refuse_unpriced(market, orders, before)
    return growth


def _figures(growth: Floats, all_statistics: bool, periods_per_year: int) -> dict[str, Floats]:
    """Total return and Sharpe ratio of many books (K, T), as ``performance`` defines them for one."""
    if all_statistics:
        rows = [statistics(pd.Series(row - 1), periods_per_year) for row in growth]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}
    total, returns = np.prod(growth, axis=1) - 1, growth - 1
    mean = returns.mean(axis=1)
    returns -= mean[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(np.einsum("kt,kt->k", returns, returns) / np.float64(growth.shape[1] - 1))
        still = np.flatnonzero(deviation < 1e-12)  # perhaps equal but for rounding
        deviation[still] *= np.ptp(growth[still], axis=1) > 0
        return {"total_return": total, "sharpe": mean / deviation * np.sqrt(periods_per_year)}
