"""Read a price frame of any accepted shape into one table of closes and opens."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import DataError

PriceFrame: TypeAlias = pd.DataFrame | pd.Series


class PriceTable(NamedTuple):
    """Prices of N assets on T dates, oldest first; NaN where an asset has no price."""

    dates: pd.DatetimeIndex
    assets: pd.Index
    closes: NDArray[np.float64]  # (T, N)
    opens: NDArray[np.float64] | None  # (T, N)


def read_prices(prices: PriceFrame, price: str = "close") -> PriceTable:
    """Read prices of one of four shapes; field names match in any case.

    1. a frame with one row per date and fields as columns: one asset, named as its price column;
    2. a frame with the row index (id, date) and fields as columns;
    3. a frame with two column levels, field and ticker in either order, as yfinance returns it;
    4. a Series of closes: one asset, named as the Series ("close" if it has no name).

    Opens are read beside a ``price`` of "close" only: next to an adjusted close, raw opens would invent moves at night.

    Raises
    ------
    DataError
        Without a column ``price``, on an index without dates or with repeated ones, on a price that is not positive.

    Examples
    --------
    >>> frame = pd.DataFrame({"Open": [9.0, 10.0], "Close": [10.0, 11.0]}, pd.date_range("2024-01-01", periods=2))
    >>> read_prices(frame).assets.tolist(), read_prices(frame).closes.tolist()
    (['Close'], [[10.0], [11.0]])
    """
    if not prices.index.is_unique or (isinstance(prices, pd.DataFrame) and not prices.columns.is_unique):
        raise DataError("The prices hold repeated dates or repeated columns. Keep one of each.")
    fields = _fields(prices, price)
    if price.lower() not in fields:
        found = listed(prices.columns, 6) if isinstance(prices, pd.DataFrame) else ""
        raise DataError(f"The prices have no column {price!r}; found {found}. Name the price column.")
    closes = fields[price.lower()].sort_index()
    if not isinstance(closes.index, pd.DatetimeIndex) or closes.index.hasnans:
        raise DataError(
            f"The prices need a DatetimeIndex, or a row index (id, date), without NaT; found {prices.index.dtype}. "
            "Convert the dates with pd.to_datetime and set them as the index."
        )
    opens = fields.get("open") if price.lower() == "close" else None
    return PriceTable(
        closes.index,
        closes.columns,
        _positive(closes, price),
        None if opens is None else _positive(opens.reindex_like(closes), "open"),
    )


def listed(values: Iterable[Any], limit: int = 3) -> str:
    """Spell the first culprits of an error message: ``'a', 'b', 'c' and 9 more``.

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2), listed(pd.DatetimeIndex(["2024-01-31"]))
    ("'a', 'b' and 1 more", '2024-01-31')
    """
    # Midnight is how a daily date looks; the clock is kept when it tells something.
    shown = [str(v).removesuffix(" 00:00:00") if isinstance(v, pd.Timestamp) else repr(v) for v in values]
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more


def to_floats(frame: pd.DataFrame, what: str) -> NDArray[np.float64]:
    """Return the values as floats, missing ones as NaN, or say that ``what`` is not numeric."""
    try:
        return frame.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"The {what} are not numeric: {error}. Convert them to float.") from error


def _fields(prices: PriceFrame, price: str) -> dict[str, pd.DataFrame]:
    """Return the frame of dates x assets of the price and of the opens, by lower-case field name."""
    if isinstance(prices, pd.Series):
        name = "close" if prices.name is None else prices.name
        return {price.lower(): prices.unstack(0) if prices.index.nlevels == 2 else prices.to_frame(name)}
    two_levels = prices.columns.nlevels == 2
    level = int(two_levels and price.lower() not in (str(name).lower() for name in prices.columns.unique(0)))
    names = {str(name).lower(): name for name in prices.columns.unique(level)}
    names = {field: names[field] for field in (price.lower(), "open") if field in names}
    if two_levels:
        return {field: pd.DataFrame(prices.xs(name, axis=1, level=level)) for field, name in names.items()}
    if prices.index.nlevels == 2:
        return {field: prices[name].unstack(0) for field, name in names.items()}
    return {field: prices[[name]].set_axis([names.get(price.lower())], axis=1) for field, name in names.items()}


def _positive(frame: pd.DataFrame, field: str) -> NDArray[np.float64]:
    values = to_floats(frame, f"{field!r} prices")
    rows, columns = np.nonzero(~(np.isfinite(values) & (values > 0)) & ~np.isnan(values))
    if len(rows):
        raise DataError(
            f"{len(rows)} prices are not positive and finite (first: {field!r} of {frame.columns[columns[0]]!r} is "
            f"{values[rows[0], columns[0]]} on {listed(frame.index[rows[:1]])}). Correct them or set them to NaN."
        )
    return values
