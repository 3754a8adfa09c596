"""Ways to fill an order, and what the engines trade: fill prices and orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.errors import ConfigError, DataError
from tsseq.trading.price_table import PriceTable, listed, to_floats
from tsseq.typing import Array, Index, Mask


class BarPrices(NamedTuple):
    """Prices (T, N) of which an execution makes the price of a fill."""

    open: Array
    close: Array
    last_close: Array


@dataclass(frozen=True)
class Execution:
    """When and at which price orders fill.

    Parameters
    ----------
    name : str
        What ``simulate(execution=)`` takes.
    words : str
        What the report says about it.
    delay : int
        Bars from the decision to the fill.
    price : callable
        Takes `BarPrices` and returns the prices (T, N) of fills on each bar.
    needs_opens : bool, default False
        Whether it can only be used with opens.
    caveat : str, optional
        What makes it better than a trader's fill; stamped on books and reports.

    Examples
    --------
    >>> EXECUTIONS["next_open"].words, EXECUTIONS["close"].delay
    ('orders fill at the open after the decision', 0)
    """

    name: str
    words: str
    delay: int
    price: Callable[[BarPrices], Array]
    needs_opens: bool = False
    caveat: str | None = None


_THAT_CLOSE = "orders fill at the very close that decided them"
_LOOKS_AHEAD = (
    "LOOKS AHEAD: execution='same_bar' earns the bar that made the decision. Nobody can trade this; it only shows what "
    "a look-ahead error is worth."
)
_CLOSE_CAVEAT = f"execution='close': {_THAT_CLOSE}, which hardly anyone can trade."
_SAME_BAR = "orders earn the bar that decided them, which nobody can"
_WAYS = (
    Execution("next_open", "orders fill at the open after the decision", 1, attrgetter("open"), needs_opens=True),
    Execution("next_close", "orders fill at the close after the decision", 1, attrgetter("close")),
    Execution("close", _THAT_CLOSE, 0, attrgetter("close"), caveat=_CLOSE_CAVEAT),
    Execution("same_bar", _SAME_BAR, 0, attrgetter("last_close"), caveat=_LOOKS_AHEAD),
)
# The first that the prices allow is the default.
EXECUTIONS = {execution.name: execution for execution in _WAYS}


class Market(NamedTuple):
    """Prices of N assets on T bars; a missing one is the last there was, or 1.0 before the first.

    Attributes
    ----------
    dates : DatetimeIndex of shape (T,)
        The bars.
    assets : Index of shape (N,)
        The assets.
    closes : ndarray of shape (T, N)
        Prices at which positions are valued.
    fills : ndarray of shape (T, N)
        What an order of this bar is filled at.
    priced : ndarray of shape (T, N)
        Whether the asset can be bought at the fill of this bar.
    ended : ndarray of shape (T, N)
        Whether the asset has no price any more, on this bar or later.
    years : ndarray of shape (T,)
        Years of 365 days since the bar before.
    """

    dates: pd.DatetimeIndex
    assets: pd.Index
    closes: Array
    fills: Array
    priced: Mask
    ended: Mask
    years: Array


class Orders(NamedTuple):
    """Target weights of D decisions, and the bars on which they were decided and are filled.

    Attributes
    ----------
    decided, filled : ndarray of shape (D,)
        Bars.
    targets : ndarray of shape (K, D, N)
        Weights of K books.
    """

    decided: Index
    filled: Index
    targets: Array


def opened(execution: str | None, table: PriceTable, start: int) -> tuple[Execution, Market]:
    """Look up how orders fill, by default as honestly as the prices allow; and the prices from bar ``start`` on."""
    if execution is None:
        execution = next(name for name, rule in EXECUTIONS.items() if table.opens is not None or not rule.needs_opens)
    if execution not in EXECUTIONS:
        raise ConfigError(f"execution is {execution!r}; it must be one of {listed(EXECUTIONS, len(EXECUTIONS))}.")
    if EXECUTIONS[execution].needs_opens and table.opens is None:
        raise ConfigError(f"execution={execution!r} needs opens beside a price of 'close'. Pass them, or 'next_close'.")
    return EXECUTIONS[execution], market_of(table, EXECUTIONS[execution], start)


def read_weights(weights: Frame, table: PriceTable) -> tuple[PriceTable, Index, Array]:
    """Return the prices of the weighted assets, and the bar and target weights (D, N) of each decision, by date."""
    if isinstance(weights, pd.Series):
        if len(table.assets) > 1:
            raise DataError(f"the weights are a Series, but the prices hold {listed(table.assets)}. Pass a DataFrame.")
        weights = weights.to_frame(table.assets[0])
    for labels, available, what in ((weights.index, table.dates, "dates"), (weights.columns, table.assets, "assets")):
        if labels.empty or not labels.is_unique:
            raise DataError(f"the weights have no {what} or repeated ones. Pass each of them once.")
        unknown = labels[available.get_indexer(labels) < 0]
        if len(unknown):
            lack = f"the weights have {what} that the prices lack: {listed(unknown)}"
            raise DataError(f"{lack}; the prices have {listed(available)}.")
    weights = weights.iloc[np.argsort(table.dates.get_indexer(weights.index))]
    targets = to_floats(weights, "weights")
    wrong = np.flatnonzero(~np.isfinite(targets).all(axis=1))
    if len(wrong):
        raise DataError(f"the weights on {listed(weights.index[wrong])} are NaN or infinite. Use 0 for no position.")
    columns = table.assets.get_indexer(weights.columns)
    opens = None if table.opens is None else table.opens[:, columns]
    table = PriceTable(table.dates, table.assets[columns], table.closes[:, columns], opens)
    return table, table.dates.get_indexer(weights.index), targets


def market_of(table: PriceTable, execution: Execution, start: int) -> Market:
    """Fill the gaps of the prices; interest runs from bar ``start`` on."""
    # Before its first price an asset cannot be held, so any number does. Sweeps are faster by columns, as all else is.
    closes = np.asfortranarray(pd.DataFrame(table.closes).ffill().fillna(1.0), dtype=np.float64)
    last_close = np.vstack([closes[:1], closes[:-1]])
    priced = ~np.isnan(table.closes)
    ended = ~np.logical_or.accumulate(priced[::-1])[::-1]
    opens = np.full_like(closes, np.nan) if table.opens is None else table.opens
    if execution.needs_opens:
        priced &= ~np.isnan(opens)
    fills = np.where(priced, execution.price(BarPrices(opens, closes, last_close)), last_close)
    seconds = table.dates.as_unit("s").asi8
    years = np.diff(seconds, prepend=seconds[0]) / 86_400 / 365
    years[: start + 1] = 0.0
    return Market(table.dates, table.assets, closes, fills, priced, ended, years)


def orders_of(market: Market, decided: Index, targets: Array, delay: int) -> tuple[Orders, tuple[str, ...]]:
    """Date the fills, ``delay`` bars after the decisions; what ended in between is not bought, and a caveat says so."""
    filled = decided + delay
    in_time = int(np.searchsorted(filled, len(market.dates)))
    decided, filled, targets = decided[:in_time], filled[:in_time], targets[:, :in_time]
    if not market.ended.any():
        return Orders(decided, filled, targets), ()
    late = market.ended[filled] & ~market.ended[decided]  # (D, N)
    rows, columns = np.nonzero(late & (targets != 0).any(axis=0))
    caveats: tuple[str, ...] = ()
    if len(rows):
        first = f"{market.assets[columns[0]]!r} on {listed(market.dates[filled[rows[:1]]])}"
        caveats = (f"{len(rows)} orders were not filled: the price ended after the decision (first: {first}).",)
    return Orders(decided, filled, np.where(late, 0.0, targets)), caveats


def refuse_unpriced(market: Market, orders: Orders, before: Array) -> None:
    """Raise if something without a price is bought or sold short; ``before`` (K, D, N) are the weights held."""
    if market.priced.all():
        return
    reducing = (orders.targets >= np.minimum(before, 0)) & (orders.targets <= np.maximum(before, 0))
    rows, columns = np.nonzero((~market.priced[orders.filled] & ~reducing).any(axis=0))
    if len(rows):
        raise DataError(
            f"{market.assets[columns[0]]!r} has no price at the fill on {listed(market.dates[orders.filled[rows[:1]]])}"
            f", so it cannot be bought or sold short ({len(rows)} such orders). Set its weight to 0 or complete the "
            "prices."
        )


def ended_positions(market: Market, positions: Array) -> tuple[str, ...]:
    """Name the assets that ended while they were held; ``positions`` (T, N) at each close."""
    before = np.vstack([np.zeros_like(market.ended[:1]), market.ended[:-1]])
    bars, columns = np.nonzero((market.ended & ~before)[1:] & (positions[:-1] != 0))
    if not len(bars):
        return ()
    names = [f"{market.assets[column]} ({listed(market.dates[[bar]])})" for bar, column in zip(bars, columns)]
    return (f"{len(names)} assets ended while held and became cash at their last price: {', '.join(names[:3])}.",)
