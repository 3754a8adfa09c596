"""Frames of any accepted shape taken apart, ordered, and built again in the same shape."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import pandas as pd
import pyarrow as pa

from tsseq.data.schema import Schema, listed
from tsseq.errors import ConfigError, DataError
from tsseq.typing import Index, Mask

Kind = Literal["single", "panel", "long", "wide", "closes"]
MOST_CELLS = 4
TICKER_NAMES = ("ticker", "tickers", "symbol", "symbols")
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")


@runtime_checkable
class ArrowFrame(Protocol):
    """A frame of polars, Arrow, DuckDB or any other library that hands out its columns by the Arrow interface.

    Examples
    --------
    >>> isinstance(pa.table({"sales": [3]}), ArrowFrame)
    True
    """

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The columns, as a capsule of Arrow."""


@dataclass(frozen=True)
class FrameLayout:
    """How a frame is laid out.

    Attributes
    ----------
    kind : str
        "single" (one series in the index), "panel" (MultiIndex rows of id and time), "long" (id and time are columns),
        "wide" (MultiIndex columns of field and ticker, as yfinance returns them) or "closes" (one column per ticker,
        under a column axis called Ticker or Symbol).
    names : tuple
        Names of the id and of the time (index levels or columns).
    id_level : int
        Which of the two levels holds the id; a level of the columns for "wide" and "closes".
    column_names : tuple
        Names of the column levels of a wide frame.
    freq : pandas.DateOffset or None
        The frequency that a DatetimeIndex carried.
    is_series : bool
        Whether it was a Series, so that a forecast without quantiles is one too.

    Examples
    --------
    >>> import pandas as pd
    >>> from tsseq.data import Panel, Schema
    >>> frame = pd.DataFrame({"shop": "a", "day": pd.date_range("2024-01-01", periods=3), "sales": [3.0, 1.0, 2.0]})
    >>> layout = Panel.from_frame(frame, Schema.of("sales", id_column="shop", time_column="day")).frame_layout
    >>> layout.kind, layout.names
    ('long', ('shop', 'day'))
    """

    kind: Kind
    names: tuple[Hashable | None, Hashable | None] = (None, None)
    id_level: int = 0
    column_names: tuple[Hashable | None, ...] = ()
    freq: Any = None
    is_series: bool = False

    def __post_init__(self) -> None:
        flags = self.kind in get_args(Kind), len(self.names) == 2, self.id_level in (0, 1), type(self.is_series) is bool
        if not all(flags) or not isinstance(self.freq, pd.offsets.BaseOffset | None):
            raise ValueError(f"{self!r} is not the layout of a frame")


@dataclass(frozen=True)
class ParsedFrame:
    """A frame taken apart: one row per (id, time), in the frame's own order.

    Attributes
    ----------
    layout : FrameLayout
        The layout to return to.
    ids : Index or None
        Ids, one per row; None for a single series.
    times : Index
        Timestamps, one per row.
    columns : DataFrame
        All other columns, indexed 0..n-1.
    """

    layout: FrameLayout
    ids: pd.Index | None
    times: pd.Index
    columns: pd.DataFrame

    def place(self, row: int) -> str:
        """Where a row is, for a message."""
        return f"{self.times[row]}" if self.ids is None else f"{self.ids[row]!r} {self.times[row]}"


def as_pandas(frame: Any) -> pd.DataFrame | Any:
    """A frame of polars, Arrow or any other library with the Arrow interface as one of pandas, dates as timestamps.

    Parameters
    ----------
    frame : object
        A frame with ``__arrow_c_stream__``; frames of pandas and all that is not a frame pass as they are.

    Returns
    -------
    object
        A DataFrame of pandas, with the index that it had if it was one before, or what was passed.

    Raises
    ------
    DataError
        It is a column rather than a frame.

    Examples
    --------
    >>> import datetime
    >>> as_pandas(pa.table({"day": [datetime.date(2024, 1, 1)], "sales": [3]})).dtypes.astype(str).tolist()
    ['datetime64[ms]', 'int64']
    """
    if isinstance(frame, (pd.Series, pd.DataFrame)):
        return frame.set_axis(_pandas_index(frame.index)) if _by_arrow(frame.index) else frame
    if not isinstance(frame, ArrowFrame):
        return frame
    try:
        return pa.table(frame).to_pandas(date_as_object=False)
    except (pa.ArrowInvalid, TypeError, ValueError) as error:
        what = f"a frame was needed, not a column ({type(frame).__module__}.{type(frame).__name__})"
        raise DataError(f"{what}; its timestamps belong in a column beside it. Arrow says: {error}") from error


def _by_arrow(values: pd.Index | pd.Series[Any]) -> bool:
    """Whether Arrow holds values that are not numbers, by a dtype of its own."""
    return isinstance(values.dtype, pd.ArrowDtype) and values.dtype.kind in "MUO"


def without_arrow(column: pd.Series[Any]) -> pd.Series[Any]:
    """Dates, text and categories by the dtypes that pandas itself has for them."""
    return pa.array(column).to_pandas(date_as_object=False) if _by_arrow(column) else column


def _pandas_index(index: pd.Index) -> pd.Index:
    return pd.Index(without_arrow(pd.Series(index)), name=index.name) if _by_arrow(index) else index


def parse_frame(
    frame: pd.Series | pd.DataFrame | ArrowFrame, schema: Schema, layout: FrameLayout | None = None
) -> ParsedFrame:
    """Recognise the shape of a frame and separate ids, times and columns; nothing is sorted or checked yet.

    Parameters
    ----------
    frame : Series, DataFrame or frame with the Arrow interface
        One of the shapes of `FrameLayout`; frames of other libraries are long.
    schema : Schema
        Roles of the columns, of which some may be unresolved.
    layout : FrameLayout, optional
        Settles what a frame without target columns leaves open (which level holds the tickers).

    Returns
    -------
    ParsedFrame
        One row per id and time.

    Raises
    ------
    DataError
        It is not a frame, is empty, has repeated columns, or counts its rows beside a column of dates without a role.
    """
    frame = as_pandas(frame)
    is_series = isinstance(frame, pd.Series)
    if isinstance(frame, pd.Series):
        name = frame.name[0] if isinstance(frame.name, tuple) else frame.name
        frame = frame.to_frame("y" if name is None else name)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a pandas Series or DataFrame was needed, not {type(frame).__name__}{_way_in(frame)}.")
    if len(frame) == 0:
        raise DataError("the frame has no rows.")
    if isinstance(frame.columns, pd.MultiIndex):
        return _from_wide(frame, schema, layout)
    if not frame.columns.is_unique:
        raise DataError(f"column {frame.columns[frame.columns.duplicated()][0]!r} occurs more than once.")
    if isinstance(frame.index, pd.MultiIndex):
        return _from_panel(frame, is_series)
    if _is_long(frame, schema):
        return _from_long(frame, schema)
    if holds_one_field(frame, schema):
        return _from_closes(frame, schema, layout)
    if not is_series:
        _check_no_dates_beside(frame, schema)
    layout = FrameLayout("single", (None, frame.index.name), freq=_freq(frame.index), is_series=is_series)
    return ParsedFrame(layout, None, frame.index, frame.reset_index(drop=True))


def _is_long(frame: pd.DataFrame, schema: Schema) -> bool:
    """Whether timestamps are a column: one that the schema names, or "ds" beside ids or numbered rows."""
    named = schema.time_column is not None or schema.id_column is not None
    return named or (len(frame.columns) > 1 and "ds" in frame and ("unique_id" in frame or _counts_rows(frame.index)))


def _counts_rows(index: pd.Index) -> bool:
    """Whether an index is what pandas numbers rows with, or what is left of it after rows were chosen or sorted."""
    return index.name is None and index.dtype.kind in "iu"


def _check_no_dates_beside(frame: pd.DataFrame, schema: Schema) -> None:
    """Refuse numbered rows beside dates without a role: all series would be read as one, in the order of the rows."""
    if not _counts_rows(frame.index):
        return
    free = [name for name in frame if name not in (*schema.measured, *schema.static, schema.weight)]
    texts = [name for name in free if frame[name].dtype.kind in "MUO"]
    dates = [name for name in texts if _holds_dates(frame[name])]
    if not dates:
        return
    ids = [name for name in texts if name not in dates]
    advice = f"pass time_column={dates[0]!r}" + (f" and id_column={ids[0]!r}" if len(ids) == 1 else "")
    rows = f"the index counts rows {frame.index.min()} to {frame.index.max()}"
    columns = f"column {dates[0]!r} holds" if len(dates) == 1 else f"columns {listed(dates)} hold"
    raise DataError(f"{rows}, and {columns} dates; {advice}, or make an index of dates with set_index.")


def _holds_dates(column: pd.Series[Any]) -> bool:
    """Whether the first value that is not missing reads as a date: 2024-01-31, or 2024-01-31 10:00."""
    return ISO_DATE.fullmatch(str(column.iloc[int(column.notna().argmax())])) is not None


def _way_in(content: Any) -> str:
    """What to do with what is not a frame."""
    if isinstance(content, (int, np.integer)):
        return f" ({content!r}); rows to forecast are steps={content!r}"
    way = next((way for way in ("collect", "compute", "to_pandas", "to_dataframe") if hasattr(content, way)), None)
    if way is not None:
        return f" of {type(content).__module__.partition('.')[0]}; call .{way}() first"
    if isinstance(content, (np.ndarray, list, tuple)):
        return "; one series is pandas.Series(values, index=dates), rows of numbers are for NeuralRegressor"
    return ""


def holds_one_field(frame: pd.DataFrame, schema: Schema) -> bool:
    """Whether the columns of a frame are tickers: their axis says so, and none of them is named in the schema."""
    named = str(frame.columns.name).lower() in TICKER_NAMES
    return named and not any(name in frame.columns for name in (*schema.measured, *schema.static))


def named_fields(frame: pd.DataFrame, field: str) -> tuple[pd.DataFrame, dict[str, Hashable]]:
    """A price frame and its field names in lower case -> as they stand.

    Columns that are not ``field`` and stand over dates are taken for tickers, each with its ``field``.
    """
    if frame.columns.nlevels == 2:
        levels = [frame.columns.unique(level) for level in (0, 1)]
        at = next((k for k in (0, 1) if field.lower() in (str(name).lower() for name in levels[k])), 0)
        return frame.rename_axis(columns=("field", "ticker") if at == 0 else ("ticker", "field")), _lower(levels[at])
    names = _lower(frame.columns)
    if field.lower() in names or not _is_time(frame.index) or {"unique_id", "ds"} <= set(frame.columns):
        return frame, names
    return frame.rename_axis(columns="ticker"), {field.lower(): field}


def _lower(names: pd.Index) -> dict[str, Hashable]:
    return {str(name).lower(): name for name in reversed(names)}


def key_columns(frame: pd.DataFrame) -> tuple[Hashable | None, Hashable | None]:
    """Id and time column of a long frame: its only column of text, its only one of dates; else None."""
    keys = frame.index.nlevels > 1 or _is_time(frame.index) or frame.columns.nlevels > 1
    if keys or {"unique_id", "ds"} <= set(frame.columns):
        return None, None
    times = [name for name in frame if pd.api.types.is_datetime64_any_dtype(frame[name].dtype)]
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name].dtype) and name not in times]
    return texts[0] if len(texts) == 1 and times else None, times[0] if len(times) == 1 else None


def _from_panel(frame: pd.DataFrame, is_series: bool) -> ParsedFrame:
    if frame.index.nlevels != 2:
        raise DataError(f"a MultiIndex of two levels (id, time) was needed; this one has {frame.index.nlevels}.")
    levels = [_pandas_index(frame.index.get_level_values(k)) for k in (0, 1)]
    id_level = 1 if _is_time(levels[0]) and not _is_time(levels[1]) else 0
    ids, times = levels[id_level], levels[1 - id_level]
    layout = FrameLayout("panel", (ids.name, times.name), id_level, is_series=is_series)
    return ParsedFrame(layout, ids, times, frame.reset_index(drop=True))


def _from_long(frame: pd.DataFrame, schema: Schema) -> ParsedFrame:
    id_column, time_column = schema.id_column, schema.time_column
    if time_column is None:
        time_column = "ds"
        id_column = "unique_id" if id_column is None and "unique_id" in frame.columns else id_column
    missing = [repr(name) for name in (id_column, time_column) if name is not None and name not in frame.columns]
    if missing:
        raise DataError(f"column {', '.join(missing)} is not in the frame; it has {list(frame.columns)}.")
    times = _pandas_index(pd.Index(frame[time_column]))
    if times.dtype == object or pd.api.types.is_string_dtype(times.dtype):
        try:
            times = pd.DatetimeIndex(pd.to_datetime(times), name=time_column)
        except (ValueError, TypeError) as error:
            raise DataError(f"the time column {time_column!r} is not a date: {error}") from error
    ids = None if id_column is None else _pandas_index(pd.Index(frame[id_column], dtype=frame[id_column].dtype))
    keys = [name for name in (id_column, time_column) if name is not None]
    columns = frame.drop(columns=keys).reset_index(drop=True)
    return ParsedFrame(FrameLayout("long", (id_column, time_column)), ids, times, columns)


def _from_wide(frame: pd.DataFrame, schema: Schema, layout: FrameLayout | None) -> ParsedFrame:
    if frame.columns.nlevels != 2 or not frame.columns.is_unique:
        raise DataError("columns of two levels (price and ticker), each pair once, were needed.")
    level = _ticker_level(frame.columns, schema) if layout is None else layout.id_level
    freq = _freq(frame.index)
    check_stamps(frame.index)
    if not frame.index.is_monotonic_increasing:
        frame = frame.sort_index(kind="stable")
    tickers, fields = (frame.columns.get_level_values(k).unique() for k in (level, 1 - level))
    blocks = {name: frame.xs(name, axis=1, level=1 - level).reindex(columns=tickers) for name in fields}
    keep = np.ones((len(frame), len(tickers)), dtype=np.bool_)
    if layout is None:  # a series begins with its first value
        present = [block.notna().to_numpy() for name, block in blocks.items() if name != schema.weight]
        keep = np.maximum.accumulate(np.any(present, axis=0))  # (T, N)
        empty = tickers[~keep.any(axis=0)]
        if len(empty):
            raise DataError(f"{empty[0]!r} has no value at all; drop its columns.")
    series, row = np.nonzero(keep.T)
    layout = FrameLayout("wide", (tickers.name, frame.index.name), level, tuple(frame.columns.names), freq)
    columns = pd.DataFrame({name: _stacked(block, keep) for name, block in blocks.items()}, copy=False)
    return ParsedFrame(layout, tickers.take(series), frame.index.take(row), columns)


def _stacked(block: pd.DataFrame, keep: Mask) -> Any:
    """The columns of a block (T, N) one under another, as far as ``keep`` (T, N) says."""
    dtypes = set(block.dtypes)
    if len(dtypes) == 1 and next(iter(dtypes)).kind in "fiu" and isinstance(next(iter(dtypes)), np.dtype):
        return block.to_numpy().T[keep.T]
    return pd.concat([block.iloc[:, k][keep[:, k]] for k in range(block.shape[1])], ignore_index=True)


def _from_closes(frame: pd.DataFrame, schema: Schema, layout: FrameLayout | None) -> ParsedFrame:
    field = schema.target[0] if schema.target else "close"
    columns = pd.MultiIndex.from_product([[field], frame.columns], names=[None, frame.columns.name])
    parsed = _from_wide(frame.set_axis(columns, axis=1), schema, layout)
    return replace(parsed, layout=replace(parsed.layout, kind="closes"))


def _ticker_level(columns: pd.MultiIndex, schema: Schema) -> int:
    named = [level for level in (0, 1) if str(columns.names[level]).lower() in ("ticker", "symbol")]
    holding = [level for level in (0, 1) if schema.target and schema.target[0] in columns.get_level_values(level)]
    if len(named) == 1:
        return named[0]
    if len(holding) == 1:
        return 1 - holding[0]
    first = list(columns.levels[0])[:8]
    raise ConfigError(f"which column level holds the prices? Name the target; level 0 has {first}.")


def _is_time(index: pd.Index) -> bool:
    return isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex))


def check_stamps(times: pd.Index) -> None:
    """Timestamps are dates, periods or whole numbers, and none is missing."""
    if not _is_time(times) and times.dtype.kind not in "iu":
        raise DataError(f"timestamps were needed (dates, periods or whole numbers), not {times.dtype}.")
    if times.dtype.kind == "u" and len(times) and times.max() > np.iinfo(np.int64).max:
        raise DataError(f"timestamps are whole numbers up to 2**63 - 1, and there is {times.max()}.")
    if times.hasnans:
        raise DataError(f"{int(times.isna().sum())} timestamps are missing (NaT).")


def build_frame(layout: FrameLayout, ids: pd.Index, times: pd.Index, columns: Mapping[Hashable, Any]) -> pd.DataFrame:
    """Lay rows out as ``layout`` says; the inverse of `parse_frame`.

    Parameters
    ----------
    layout : FrameLayout
        The layout. A frame of closes gets a second column level if there is more than one column.
    ids, times : Index of shape (n,)
        Id and time of every row; series one after another.
    columns : mapping of name to array of shape (n,)
        The values.

    Returns
    -------
    DataFrame
        With the given columns.
    """
    id_name, time_name = layout.names
    if layout.kind == "single":
        return pd.DataFrame(dict(columns), index=_with_freq(times.rename(time_name), layout.freq))
    if layout.kind == "long":
        keys = {} if id_name is None else {id_name: pd.Series(ids, dtype=ids.dtype)}
        return pd.DataFrame({**keys, time_name: times.array, **columns})
    levels = [ids.rename(id_name), times.rename(time_name)]
    if layout.kind == "panel":
        index = pd.MultiIndex.from_arrays(levels if layout.id_level == 0 else levels[::-1])
        return pd.DataFrame(dict(columns), index=index)
    rows = pd.DataFrame(dict(columns), index=levels[1])
    tickers = ids.unique()
    wide = pd.concat({ticker: rows[ids == ticker] for ticker in tickers}, axis=1, sort=True)  # columns (ticker, field)
    if layout.id_level == 1:
        wide = wide.swaplevel(axis=1)[[(name, ticker) for name in columns for ticker in tickers]]
    wide = wide.set_axis(_with_freq(wide.index, layout.freq)).rename_axis(columns=layout.column_names)
    return wide.droplevel(0, axis=1) if layout.kind == "closes" and len(columns) == 1 else wide


def _with_freq(times: pd.Index, freq: Any) -> pd.Index:
    if freq is None or not isinstance(times, pd.DatetimeIndex):
        return times
    try:
        return pd.DatetimeIndex(times, freq=freq)
    except ValueError:  # a calendar knows better than the freq that the index carried
        return times


def _freq(index: pd.Index) -> Any:
    freq = getattr(index, "freq", None)
    return freq if freq is None or freq.n > 0 else None


def row_order(parsed: ParsedFrame) -> tuple[Index | None, Index, pd.Index, Index]:
    """Order rows by id, then by time.

    Returns
    -------
    order : ndarray of shape (T,) or None
        Row of the frame at each place; None when it is sorted.
    indptr : ndarray of shape (S + 1,)
        Bounds of the series.
    ids : Index of shape (S,)
        Sorted ids.
    input_order : ndarray of shape (S,)
        Place of each series in the frame.

    Raises
    ------
    DataError
        Timestamps are missing, of the wrong kind or repeated; ids are missing.
    """
    check_stamps(parsed.times)
    stamps = parsed.times.asi8 if hasattr(parsed.times, "asi8") else parsed.times.to_numpy()
    bounds, codes, ids, input_order = _runs(parsed.ids, len(stamps))
    if (codes[1:] > codes[:-1]).all():
        back = np.flatnonzero(stamps[1:] <= stamps[:-1]) + 1
        if (bounds[np.searchsorted(bounds, back)] == back).all():
            return None, bounds, ids, input_order
    codes = codes.repeat(np.diff(bounds))
    order, repeated = _sorted_rows(codes, stamps, len(ids))
    if len(repeated):
        raise DataError(_repeated_message(parsed, repeated))
    return order, np.append(0, np.cumsum(np.bincount(codes, minlength=len(ids)))), ids, input_order


def _sorted_rows(codes: Index, stamps: Index, n_series: int) -> tuple[Index, Index]:
    """Rows by series, then by time, and those whose series and time occurred before.

    Each row is written to its cell of a table (series, time) where many of the cells are filled. Elsewhere, and where
    two rows have one cell, the numbers of the cells are sorted.
    """
    cell = stamps
    if n_series > 1:
        moment, moments = pd.factorize(stamps)
        cell = codes * len(moments) + np.argsort(np.argsort(moments))[moment]
        if n_series * len(moments) <= MOST_CELLS * len(cell) < 2**31:
            rows = np.full(n_series * len(moments), -1, dtype=np.int32)
            rows[cell] = np.arange(len(cell), dtype=np.int32)
            order = rows[rows >= 0].astype(np.int64)
            if len(order) == len(cell):
                return order, order[:0]
    order = np.argsort(cell)
    cell = cell[order]
    return order, order[np.flatnonzero(cell[1:] == cell[:-1]) + 1]


def _runs(ids: pd.Index | None, n: int) -> tuple[Index, Index, pd.Index, Index]:
    """Runs of rows with one id: their bounds (m + 1,), their ids by number (m,), sorted; the ids, and their order."""
    if ids is None:
        first = np.zeros(1, dtype=np.int64)
        return np.array([0, n]), first, pd.Index([None], dtype=object), first
    if ids.hasnans:
        raise DataError(f"{int(ids.isna().sum())} rows have no id (first: row {int(np.argmax(ids.isna()))}).")
    if ids.dtype == object and not all(isinstance(name, Hashable) for name in ids.array[:1]):
        raise DataError(f"ids are texts, numbers or dates, and there is {reprlib.repr(ids[0])}.")
    heads = np.concatenate([[0], np.flatnonzero(np.asarray(ids[1:] != ids[:-1])) + 1])
    if len(heads) > n // 2:  # hardly any runs: every row is taken for one
        heads = np.arange(n)
    codes, unique = pd.factorize(ids if len(heads) == n else ids.take(heads))
    try:
        by_name = unique.argsort()
    except TypeError:
        by_name = unique.map(repr).argsort()
    places = np.asarray(by_name, dtype=np.int64)
    return np.append(heads, n), np.argsort(by_name)[codes], unique.take(by_name), places


def _repeated_message(parsed: ParsedFrame, rows: Index) -> str:
    times, named = parsed.times, ", ".join(map(parsed.place, rows[:5]))
    hint = "Keep one row each, for example with frame.groupby([id, time]).last()."
    if isinstance(times, pd.DatetimeIndex) and times.tz is None and not times.is_normalized:
        hint += " If these are local hours when clocks change, localize the index with its time zone."
    return f"{len(rows)} timestamps occur more than once (first: {named}). {hint}"
