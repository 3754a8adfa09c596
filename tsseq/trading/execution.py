"""Ways to fill an order, and the market that the engines trade on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsseq.errors import ConfigError
from tsseq.trading.price_table import PriceTable, listed
from tsseq.typing import Array, Mask


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
# An asset whose prices end so many bars before the last one, or fewer, is late and has not ended.
LATE_FEED = 5
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
        Whether the asset has a close on this bar, so that orders can fill.
    punctual : ndarray of shape (T, N)
        Whether they fill at the price of the execution, such as the open, and not only at the close.
    ended : ndarray of shape (T, N)
        Whether the asset has no price any more, on this bar or later, nor had one within `LATE_FEED` bars of the last.
    years : ndarray of shape (T,)
        Years of 365 days since the bar before.
    """

    dates: pd.DatetimeIndex
    assets: pd.Index
    closes: Array
    fills: Array
    priced: Mask
    punctual: Mask
    ended: Mask
    years: Array


def opened(
    execution: str | None, table: PriceTable, start: int, delisting_return: float = 0.0
) -> tuple[Execution, Market]:
    """Look up how orders fill, by default as honestly as the prices allow; and the prices from bar ``start`` on."""
    if execution is None:
        execution = next(name for name, rule in EXECUTIONS.items() if table.opens is not None or not rule.needs_opens)
    if execution not in EXECUTIONS:
        raise ConfigError(f"execution is {execution!r}; it must be one of {listed(EXECUTIONS, len(EXECUTIONS))}.")
    if EXECUTIONS[execution].needs_opens and table.opens is None:
        raise ConfigError(f"execution={execution!r} needs opens beside a price of 'close'. Pass them, or 'next_close'.")
    return EXECUTIONS[execution], market_of(table, EXECUTIONS[execution], start, delisting_return)


def market_of(table: PriceTable, execution: Execution, start: int, delisting_return: float = 0.0) -> Market:
    """Fill the gaps of the prices; interest runs from bar ``start`` on.

    A missing fill price, such as an open, is the close of the same bar. What ends is worth ``1 + delisting_return``
    times its last price from then on.
    """
    # Before its first price an asset cannot be held, so any number does. Sweeps are faster by columns, as all else is.
    closed = ~np.isnan(table.closes)
    filled = table.closes if closed.all() else pd.DataFrame(table.closes).ffill().fillna(1.0)
    closes = np.array(filled, dtype=np.float64, order="F")
    n_bars = len(closes)
    end = n_bars - np.argmax(closed[::-1], axis=0)  # (N,): the bar after the last price
    ended = (np.arange(n_bars)[:, None] >= end) & (end < n_bars - LATE_FEED)
    closes[ended] *= 1 + delisting_return
    last_close = np.vstack([closes[:1], closes[:-1]])
    listed_before = np.vstack([closed[:1], np.logical_or.accumulate(closed)[:-1]])
    opens = np.full_like(closes, np.nan) if table.opens is None else table.opens
    prices = execution.price(BarPrices(opens, closes, np.where(listed_before, last_close, np.nan)))
    punctual = closed & ~np.isnan(prices)
    fills = prices if punctual.all() else np.where(punctual, prices, np.where(closed | ended, closes, last_close))
    seconds = table.dates.as_unit("s").asi8
    years = np.diff(seconds, prepend=seconds[0]) / 86_400 / 365
    years[: start + 1] = 0.0
    return Market(table.dates, table.assets, closes, fills, closed, punctual, ended, years)
