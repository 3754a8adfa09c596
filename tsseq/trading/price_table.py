"""Prices of any accepted shape as one table of closes and opens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tsseq.data.frames import as_pandas
from tsseq.data.panel import Frame, PandasFrame, Panel
from tsseq.errors import DataError
from tsseq.typing import Array, Index

_FIELDS = {"open", "high", "low", "close", "adj close", "volume"}


class PriceTable(NamedTuple):
    """Prices of N assets on T dates, oldest first; NaN where an asset has no price.

    Attributes
    ----------
    dates : DatetimeIndex of shape (T,)
        Every date on which any asset has a row.
    assets : Index of shape (N,)
        Ids of the assets; the name of the price column for one series without an id.
    closes : ndarray of shape (T, N)
        The prices that were asked for.
    opens : ndarray of shape (T, N) or None
        Opens beside closes, if there are any.
    """

    dates: pd.DatetimeIndex
    assets: pd.Index
    closes: Array
    opens: Array | None


def read_prices(prices: Frame, price: str = "close") -> PriceTable:
    """Read prices of any shape that forecasters take, or a wide frame of closes (dates x tickers).

    Parameters
    ----------
    prices : Series or DataFrame
        As for `tsseq.simulate`. Field names match in any case.
    price : str, default "close"
        The field to read. Opens are read beside "close" only: next to an adjusted close, raw opens would invent moves
        at night.

    Returns
    -------
    PriceTable
        Dates x assets.

    Raises
    ------
    DataError
        There is no column ``price``, the times are not dates or are repeated, or a price is not positive.

    Examples
    --------
    >>> frame = pd.DataFrame({"Open": [9.0, 10.0], "Close": [10.0, 11.0]}, pd.date_range("2024-01-01", periods=2))
    >>> read_prices(frame).assets.tolist(), read_prices(frame).closes.tolist()
    (['Close'], [[10.0], [11.0]])
    """
    table = as_pandas(prices)
    check_frame(table, "prices")
    if isinstance(table, pd.Series) and table.name is None:
        table = table.rename("close")
    panel = Panel.from_prices(table, price)
    id_name, time_name = panel.frame_layout.names
    if panel.frame_layout.kind == "closes" and _is_one_asset(table, panel.ids):
        columns = listed(table.columns, 6)
        raise DataError(f"the prices have no column {price!r}; they have {columns}. Name the price column.")
    if not isinstance(panel.times, pd.DatetimeIndex):
        raise DataError(
            f"the prices need a DatetimeIndex, or dates beside the ids; found {panel.times.dtype}. Convert the dates "
            "with pd.to_datetime and set them as the index."
        )
    first = panel.times[: panel.lengths[0]]
    if (panel.lengths == len(first)).all() and (panel.times.asi8.reshape(len(panel), -1) == first.asi8).all():
        rows, dates = np.tile(np.arange(len(first)), len(panel)), first  # no need to sort the dates of all assets
    else:
        rows, dates = pd.factorize(panel.times, sort=True)
    dates = dates.rename(time_name)
    cells = rows, np.repeat(np.arange(len(panel)), panel.lengths)
    named = panel.ids[0] is not None
    assets = pd.Index(panel.ids, name=id_name) if named else pd.Index([panel.schema.target[0]])
    opens = _wide(panel.values[:, 1], cells, dates, assets, "open") if panel.schema.past else None
    return PriceTable(dates, assets, _wide(panel.values[:, 0], cells, dates, assets, price), opens)


def check_frame(values: Any, what: str) -> None:
    """Refuse what is neither a Series nor a DataFrame.

    Parameters
    ----------
    values : object
        What was passed.
    what : str
        What it is meant to be.

    Raises
    ------
    DataError
        It is something else.

    Examples
    --------
    >>> check_frame([0.5, 0.5], "weights")
    Traceback (most recent call last):
        ...
    tsseq.errors.DataError: the weights must be a pandas Series or DataFrame, not list.
    """
    if not isinstance(values, (pd.Series, pd.DataFrame)):
        raise DataError(f"the {what} must be a pandas Series or DataFrame, not {type(values).__name__}.")


def listed(values: Iterable[Any], limit: int = 3) -> str:
    """Spell the first culprits of an error message: ``'a', 'b', 'c' and 9 more``.

    Parameters
    ----------
    values : iterable
        Names or timestamps.
    limit : int, default 3
        How many to spell.

    Returns
    -------
    str
        Names in quotes, dates without the clock at midnight.

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2), listed(pd.DatetimeIndex(["2024-01-31"]))
    ("'a', 'b' and 1 more", '2024-01-31')
    """
    names = [str(v).removesuffix(" 00:00:00") if isinstance(v, pd.Timestamp) else repr(v) for v in values]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def to_floats(frame: pd.DataFrame, what: str) -> Array:
    """Values of a frame as floats, missing ones as NaN; an error says that ``what`` is not numeric."""
    try:
        return np.asarray(frame.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"the {what} are not numeric: {error}. Convert them to float.") from error


def _is_one_asset(prices: PandasFrame, columns: pd.Index) -> bool:
    """Whether columns over dates are fields of one asset rather than tickers."""
    unnamed = isinstance(prices, pd.DataFrame) and prices.columns.name is None
    return not _FIELDS.isdisjoint(str(name).lower() for name in columns) or (unnamed and len(columns) == 1)


def _wide(values: Array, cells: tuple[Index, Index], dates: pd.Index, assets: pd.Index, field: str) -> Array:
    """Positive values laid out as dates x assets (T, N)."""
    wrong = np.flatnonzero(~(values > 0) & ~np.isnan(values))
    if len(wrong):
        row, column = (int(axis[wrong[0]]) for axis in cells)
        raise DataError(
            f"{len(wrong)} prices are not positive and finite (first: {field!r} of {assets[column]!r} is "
            f"{values[wrong[0]]} on {listed(dates[[row]])}). Correct them or set them to NaN."
        )
    table = np.full((len(dates), len(assets)), np.nan)
    table[cells] = values
    return table
