"""What the engines trade in: prices at which orders fill, and which orders there are."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import ConfigError, DataError
from tsseq.trading.price_table import PriceFrame, PriceTable, listed, to_floats

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bars = NDArray[np.intp]

CAVEATS = {
    "next_open": (),
    "next_close": (),
    "close": ("execution='close': orders fill at the very close that decided them, which hardly anyone can trade.",),
    "same_bar": (
        "LOOKS AHEAD: execution='same_bar' earns the bar that made the decision. Nobody can trade this; it only shows "
        "what a look-ahead error is worth.",
    ),
}


class Market(NamedTuple):
    """Prices of N assets on T bars; a missing one is the last there was, or 1.0 before the first."""

    dates: pd.DatetimeIndex
    assets: pd.Index
    closes: Floats  # (T, N)
    fills: Floats  # (T, N): what an order of this bar is filled at
    priced: Bools  # (T, N): can be bought at the fill of this bar
    ended: Bools  # (T, N): has no price any more, on this bar or later
    years: Floats  # (T,): years of 365 days since the bar before


class Orders(NamedTuple):
    """Target weights of D decisions, and the bars on which they were decided and are filled."""

    decided: Bars  # (D,)
    filled: Bars  # (D,)
    targets: Floats  # (K, D, N): of K books


def checked_execution(execution: str | None, table: PriceTable) -> str:
    """Return how orders fill, by default as honestly as the prices allow."""
    if execution is None:
        return "next_close" if table.opens is None else "next_open"
    if execution not in CAVEATS:
        raise ConfigError(f"execution is {execution!r}; it must be one of {listed(CAVEATS, 4)}.")
    if execution == "next_open" and table.opens is None:
        raise ConfigError("execution='next_open' needs opens beside a price of 'close'. Pass them, or 'next_close'.")
    return execution


def read_weights(weights: PriceFrame, table: PriceTable) -> tuple[PriceTable, Bars, Floats]:
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


def market_of(table: PriceTable, execution: str, start: int) -> Market:
    """Fill the gaps of the prices; interest runs from bar ``start`` on."""
    closes = _carried(table.closes)
    last = np.vstack([closes[:1], closes[:-1]])
    priced = ~np.isnan(table.closes)
    ended = ~np.logical_or.accumulate(priced[::-1])[::-1]
    fills = last if execution == "same_bar" else closes
    if execution == "next_open" and table.opens is not None:
        priced &= ~np.isnan(table.opens)
        fills = np.where(priced, table.opens, last)
    days = np.diff(table.dates.as_unit("s").asi8, prepend=table.dates.as_unit("s").asi8[0]) / 86_400
    days[: start + 1] = 0.0
    return Market(table.dates, table.assets, closes, fills, priced, ended, days / 365)


def orders_of(market: Market, decided: Bars, targets: Floats, execution: str) -> tuple[Orders, tuple[str, ...]]:
    """Date the fills; what ended between decision and fill is not bought, and said so."""
    filled = decided + execution.startswith("next")
    in_time = int(np.searchsorted(filled, len(market.dates)))
    decided, filled, targets = decided[:in_time], filled[:in_time], targets[:, :in_time]
    if not market.ended.any():
        return Orders(decided, filled, targets), ()
    late = market.ended[filled] & ~market.ended[decided]  # (D, N)
    rows, columns = np.nonzero(late & (targets != 0).any(axis=0))
    orders = Orders(decided, filled, np.where(late, 0.0, targets))
    if not len(rows):
        return orders, ()
    first = f"{market.assets[columns[0]]!r} on {listed(market.dates[filled[rows[:1]]])}"
    return orders, (f"{len(rows)} orders were not filled: the price ended after the decision (first: {first}).",)


def refuse_unpriced(market: Market, orders: Orders, before: Floats) -> None:
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


def held_to_the_end(market: Market, positions: Floats) -> tuple[str, ...]:
    """Name the assets that ended while they were held; ``positions`` (T, N) at each close."""
    if not market.ended.any():
        return ()
    before = np.vstack([np.zeros_like(market.ended[:1]), market.ended[:-1]])
    bars, columns = np.nonzero((market.ended & ~before)[1:] & (positions[:-1] != 0))
    if not len(bars):
        return ()
    names = [f"{market.assets[column]} ({listed(market.dates[[bar]])})" for bar, column in zip(bars, columns)]
    return (f"{len(names)} assets ended while held and became cash at their last price: {', '.join(names[:3])}.",)


def _carried(prices: Floats) -> Floats:
    if not np.isnan(prices).any():
        return prices
    # Before its first price an asset cannot be held, so any number does.
    return pd.DataFrame(prices).ffill().fillna(1.0).to_numpy()
