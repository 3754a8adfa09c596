"""Five shapes of frames are taken apart here, and put together again in the same shape."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.schema import Schema
from tsseq.errors import ConfigError, DataError

Kind = Literal["single", "panel", "long", "wide"]


@dataclass(frozen=True)
class Form:
    """How a frame was laid out.

    Attributes
    ----------
    kind : "single" (one series in the index), "panel" (MultiIndex rows of id and time), "long" (id and time are
        columns) or "wide" (MultiIndex columns of field and ticker, as yfinance returns them).
    names : names of the id and of the time (index levels or columns).
    id_level : which of the two levels holds the id; for "wide" a level of the columns.
    column_names : names of the two column levels of a wide frame.
    freq : the frequency that a DatetimeIndex carried.
    """

    kind: Kind
    names: tuple[Hashable | None, Hashable | None] = (None, None)
    id_level: int = 0
    column_names: tuple[Hashable | None, ...] = ()
    freq: Any = None


@dataclass(frozen=True)
class Table:
    """A frame taken apart: one row per (id, time), in the frame's own order.

    Attributes
    ----------
    form : the layout to return to.
    ids : ids, one per row; None for a single series.
    times : timestamps, one per row.
    columns : all other columns, indexed 0..n-1.
    """

    form: Form
    ids: pd.Index | None
    times: pd.Index
    columns: pd.DataFrame


def take_apart(frame: pd.Series | pd.DataFrame, schema: Schema, form: Form | None = None) -> Table:
    """Recognise the shape of ``frame`` and separate ids, times and columns; nothing is sorted or checked yet.

    A known ``form`` settles what a frame without target columns leaves open (which level holds the tickers).
    """
    if isinstance(frame, pd.Series):
        name = frame.name[0] if isinstance(frame.name, tuple) else frame.name
        frame = frame.to_frame("y" if name is None else name)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a pandas Series or DataFrame was needed, not {type(frame).__name__}.")
    if len(frame) == 0:
        raise DataError("the frame has no rows.")
    if isinstance(frame.columns, pd.MultiIndex):
        return _from_wide(frame, schema, form)
    if not frame.columns.is_unique:
        raise DataError(f"column {frame.columns[frame.columns.duplicated()][0]!r} occurs more than once.")
    if isinstance(frame.index, pd.MultiIndex):
        return _from_panel(frame)
    if schema.time_column is not None or schema.id_column is not None or {"unique_id", "ds"} <= set(frame.columns):
        return _from_long(frame, schema)
    form = Form("single", (None, frame.index.name), freq=_freq(frame.index))
    return Table(form, None, frame.index, frame.reset_index(drop=True))


def _from_panel(frame: pd.DataFrame) -> Table:
    if frame.index.nlevels != 2:
        raise DataError(f"a MultiIndex of two levels (id, time) was needed; this one has {frame.index.nlevels}.")
    id_level = 1 if _is_time(frame.index.levels[0]) and not _is_time(frame.index.levels[1]) else 0
    ids, times = frame.index.get_level_values(id_level), frame.index.get_level_values(1 - id_level)
    return Table(Form("panel", (ids.name, times.name), id_level), ids, times, frame.reset_index(drop=True))


def _from_long(frame: pd.DataFrame, schema: Schema) -> Table:
    id_column, time_column = schema.id_column, schema.time_column
    if time_column is None:
        time_column = "ds"
        id_column = "unique_id" if id_column is None else id_column
    missing = [repr(name) for name in (id_column, time_column) if name is not None and name not in frame.columns]
    if missing:
        raise DataError(f"column {', '.join(missing)} is not in the frame; it has {list(frame.columns)}.")
    times = pd.Index(frame[time_column])
    if times.dtype == object or pd.api.types.is_string_dtype(times.dtype):
        times = _parsed(times)
    ids = None if id_column is None else pd.Index(frame[id_column], dtype=frame[id_column].dtype)
    dropped = [name for name in (id_column, time_column) if name is not None]
    return Table(Form("long", (id_column, time_column)), ids, times, frame.drop(columns=dropped).reset_index(drop=True))


def _from_wide(frame: pd.DataFrame, schema: Schema, form: Form | None) -> Table:
    if frame.columns.nlevels != 2 or not frame.columns.is_unique:
        raise DataError("columns of two levels (price and ticker), each pair once, were needed.")
    level = _ticker_level(frame.columns, schema) if form is None else form.id_level
    freq = _freq(frame.index)
    check_stamps(frame.index)
    if not frame.index.is_monotonic_increasing:
        frame = frame.sort_index(kind="stable")
    tickers = frame.columns.get_level_values(level).unique()
    blocks = []
    for ticker in tickers:
        block = frame.xs(ticker, axis=1, level=level)
        begun = np.maximum.accumulate(block.notna().to_numpy().any(axis=1))
        if form is None and not begun.any():
            raise DataError(f"{ticker!r} has no value at all; drop its columns.")
        blocks.append(block[begun] if form is None else block)
    lengths = [len(block) for block in blocks]
    times = pd.Index(np.concatenate([np.flatnonzero(frame.index.isin(block.index)) for block in blocks]))
    form = Form("wide", (tickers.name, frame.index.name), level, tuple(frame.columns.names), freq)
    columns = pd.concat(blocks, ignore_index=True)
    return Table(form, tickers.repeat(lengths), frame.index.take(times), columns)


def _ticker_level(columns: pd.MultiIndex, schema: Schema) -> int:
    named = [level for level in (0, 1) if str(columns.names[level]).lower() in ("ticker", "symbol")]
    holding = [level for level in (0, 1) if schema.target and schema.target[0] in columns.get_level_values(level)]
    if len(named) == 1:
        return named[0]
    if len(holding) == 1:
        return 1 - holding[0]
    raise ConfigError(
        f"which column level holds the prices? Name the target; level 0 has {list(columns.levels[0])[:8]}."
    )


def _is_time(index: pd.Index) -> bool:
    return isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex))


def _parsed(times: pd.Index) -> pd.Index:
    try:
        return pd.DatetimeIndex(pd.to_datetime(times), name=times.name)
    except (ValueError, TypeError) as error:
        raise DataError(f"the time column {times.name!r} is no date: {error}") from error


def check_stamps(times: pd.Index) -> None:
    """Timestamps are dates, periods or whole numbers, and none is missing."""
    if not _is_time(times) and times.dtype.kind not in "iu":
        raise DataError(f"timestamps were needed (dates, periods or whole numbers), not {times.dtype}.")
    if times.hasnans:
        raise DataError(f"{int(times.isna().sum())} timestamps are missing (NaT).")


def put_together(form: Form, ids: pd.Index, times: pd.Index, columns: Mapping[Hashable, NDArray[Any]]) -> pd.DataFrame:
    """Lay rows out as ``form`` says; the inverse of `take_apart`.

    Parameters
    ----------
    form : the layout.
    ids, times : (n,) id and time of every row; series one after another.
    columns : name -> (n,) values.
    """
    id_name, time_name = form.names
    if form.kind == "single":
        return pd.DataFrame(dict(columns), index=_with_freq(times.rename(time_name), form.freq))
    if form.kind == "long":
        keys = {} if id_name is None else {id_name: pd.Series(ids, dtype=ids.dtype)}
        return pd.DataFrame({**keys, time_name: times.array, **columns})
    levels = [ids.rename(id_name), times.rename(time_name)]
    if form.kind == "panel":
        return pd.DataFrame(
            dict(columns), index=pd.MultiIndex.from_arrays(levels if form.id_level == 0 else levels[::-1])
        )
    rows = pd.DataFrame(dict(columns), index=levels[1])
    tickers = ids.unique()
    blocks = {ticker: rows[ids == ticker] for ticker in tickers}
    wide = pd.concat(blocks, axis=1, sort=True)  # columns (ticker, price)
    order = [(name, ticker) for name in columns for ticker in tickers]
    wide = wide if form.id_level == 0 else wide.swaplevel(axis=1)[order]
    return wide.set_axis(_with_freq(wide.index, form.freq)).rename_axis(columns=form.column_names)


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
