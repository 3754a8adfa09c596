"""Orders: when decisions are filled, those that wait for a price, and what books are stamped with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tsseq.data.frames import as_pandas
from tsseq.data.panel import PandasFrame
from tsseq.errors import DataError
from tsseq.trading.execution import Market
from tsseq.trading.price_table import PriceTable, check_frame, listed, to_floats
from tsseq.typing import Array, Index, Mask

_ROUNDING = 1e-12


class Orders(NamedTuple):
    """The fills of D decisions on F bars; all fill on their own bar where no price is missing, and F is D.

    An order without a price waits for the first bar that has one, or until the next decision takes its place.

    Attributes
    ----------
    first : ndarray of shape (D,)
        Bar on which each decision is to be filled.
    filled : ndarray of shape (F,)
        Bars on which something is filled, or would be if it had a price.
    decision : ndarray of shape (F,)
        Number of the decision that each of them fills.
    due : ndarray of shape (F, N)
        Whether an asset is filled there.
    """

    first: Index
    filled: Index
    decision: Index
    due: Mask

    @property
    def at_once(self) -> bool:
        """Whether nothing waits: every decision is filled on its own bar."""
        return len(self.filled) == len(self.first) and np.count_nonzero(self.due) == self.due.size


def read_weights(weights: PandasFrame, table: PriceTable) -> tuple[PriceTable, Index, Array]:
    """Return the prices of the weighted assets, and the bar and target weights (D, N) of each decision, by date."""
    check_frame(weights, "weights")
    weights = as_pandas(weights)
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


def orders_of(market: Market, decided: Index, delay: int) -> Orders:
    """Date the fills: ``delay`` bars after the decisions, or at the first price after that."""
    first = decided + delay
    first = first[: np.searchsorted(first, len(market.dates))]
    number = np.arange(len(first))
    if market.priced.all():
        return Orders(first, first, number, np.ones((len(first), len(market.assets)), dtype=np.bool_))
    bars = _next_price(market)[first]  # (D, N)
    replaced = np.append(first[1:], len(market.dates))
    late, assets = np.nonzero((bars > first[:, None]) & (bars < replaced[:, None]))
    filled, fills = np.unique(np.concatenate([first, bars[late, assets]]), return_inverse=True)
    decision = np.searchsorted(first, filled, side="right") - 1
    due = np.zeros((len(filled), len(market.assets)), dtype=np.bool_)
    due[fills[: len(first)]] = bars == first[:, None]
    due[fills[len(first) :], assets] = True
    return Orders(first, filled, decision, due)


def _next_price(market: Market) -> Index:
    """(T, N) the bar itself or the next one on which each asset has a price; T if there is none."""
    n_bars = len(market.dates)
    bars = np.where(market.priced, np.arange(n_bars)[:, None], n_bars)
    return np.asarray(np.minimum.accumulate(bars[::-1])[::-1])


def due_now(market: Market, orders: Orders, fill: int, unpaid: Mask) -> tuple[Mask, Mask]:
    """Which orders fill, and which still wait for cash; a new decision takes the place of the latter.

    Parameters
    ----------
    market : Market
        Prices.
    orders : Orders
        Fills.
    fill : int
        Number of the fill.
    unpaid : ndarray of shape (K, N)
        Purchases of K books that wait for the cash of a sale without a price.

    Returns
    -------
    tuple of ndarray of shape (K, N)
        Orders that fill, and purchases that cannot since they have no price now.
    """
    if not fill or orders.decision[fill] != orders.decision[fill - 1]:
        unpaid = np.zeros_like(unpaid)
    priced = market.priced[orders.filled[fill]]
    return orders.due[fill] | (unpaid & priced), unpaid & ~priced


def waiting_caveats(market: Market, orders: Orders, targets: Array, before: Array) -> tuple[str, ...]:
    """Count the orders that could not fill when they were due.

    Parameters
    ----------
    market : Market
        Prices.
    orders : Orders
        Fills.
    targets : ndarray of shape (D, N)
        Weights that were decided.
    before : ndarray of shape (F, N)
        Weights that meet the fills.

    Returns
    -------
    tuple of str
        A sentence, or none.
    """
    before = before[np.searchsorted(orders.filled, orders.first)]  # (D, N)
    traded = np.abs(targets[: len(orders.first)] - before) > _ROUNDING
    rows, assets = np.nonzero(traded & ~market.punctual[orders.first])
    if not len(rows):
        return ()
    waits = _next_price(market)[orders.first[rows], assets] - orders.first[rows]
    never = waits + orders.first[rows] == len(market.dates)
    first = f"{market.assets[assets[0]]!r} on {listed(market.dates[orders.first[rows[:1]]])}"
    words = f"{len(rows)} {_orders(len(rows))} had no price at the fill and waited for the next (first: {first})"
    if not never.all():
        longest = int(waits[~never].max())
        words += f", the longest {longest} {'bar' if longest == 1 else 'bars'}" if longest else ", later on that bar"
    words += f"; {never.sum()} of them in vain" if never.any() else ""
    return (f"{words}.",)


def _orders(n: int) -> str:
    return "order" if n == 1 else "orders"


def delisting_caveats(market: Market, positions: Array, delisting_return: float) -> tuple[str, ...]:
    """Name the assets that ended while they were held; ``positions`` (T, N) at each close."""
    begins = np.zeros_like(market.ended)
    begins[1:] = market.ended[1:] & ~market.ended[:-1]
    bars, assets = np.nonzero(begins[1:] & (positions[:-1] != 0))
    if not len(bars):
        return ()
    names = [f"{market.assets[asset]} ({listed(market.dates[[bar]])})" for bar, asset in zip(bars, assets)]
    price = "their last price" if not delisting_return else f"a return of {delisting_return:.4g} on their last price"
    return (f"{len(names)} assets ended while held and became cash at {price}: {', '.join(names[:3])}.",)
