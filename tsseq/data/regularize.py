"""Fill missing timestamps with rows of missing values."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.frames import FrameLayout, ParsedFrame, holds_one_field, parse_frame, row_order
from tsseq.data.panel import Frame
from tsseq.data.schema import Schema
from tsseq.data.time_rules import TimeRule
from tsseq.data.timestamps import Calendar, as_rule, calendar_of, rule_for, usual_step
from tsseq.errors import DataError


def regularize(
    frame: Frame,
    calendar: Calendar = None,
    *,
    id_column: Hashable | None = None,
    time_column: Hashable | None = None,
) -> Frame:
    """Put a frame on its calendar: every missing timestamp between first and last becomes a row of NaN.

    Parameters
    ----------
    frame : any frame that `Forecaster.fit` takes; it is not changed.
    calendar : a pandas offset or its alias, an exchange code, or a dict of codes by id. None takes the most frequent
        step between rows.
    id_column, time_column : names of these columns in a long frame.

    Returns
    -------
    The same kind of frame, ordered by id and time.

    Raises
    ------
    DataError : rows lie off the calendar (they are named), or occur twice.

    Examples
    --------
    >>> import pandas as pd
    >>> regularize(pd.Series([1.0, 2.0, 4.0], pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04"])))
    2024-01-01    1.0
    2024-01-02    2.0
    2024-01-03    NaN
    2024-01-04    4.0
    dtype: float64
    """
    if isinstance(frame, pd.Series):
        filled = regularize(frame.to_frame("y"), calendar)
        return filled.iloc[:, 0].rename(frame.name)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a pandas Series or DataFrame was needed, not {type(frame).__name__}.")
    parsed = _apart(frame, Schema.of(id_column=id_column, time_column=time_column))
    order, indptr, ids, _ = row_order(parsed)
    order = np.arange(len(parsed.times)) if order is None else order
    times = parsed.times.take(order)
    grids, sources = [], []
    for series, name in enumerate(ids):
        own = times[indptr[series] : indptr[series + 1]]
        chosen = calendar_of(name, calendar)
        grids.append(_grid(_rule(chosen, own), own, name))
        positions = grids[-1].get_indexer(own)
        source = np.full(len(grids[-1]), -1)
        source[positions] = order[indptr[series] : indptr[series + 1]]
        sources.append(source)
    lengths = [len(grid) for grid in grids]
    stamps = grids[0].append(grids[1:]).rename(parsed.times.name)
    return _together(frame, parsed, ids.repeat(lengths), stamps, np.concatenate(sources))


def _apart(frame: pd.DataFrame, schema: Schema) -> ParsedFrame:
    if isinstance(frame.columns, pd.MultiIndex) or (
        not isinstance(frame.index, pd.MultiIndex) and holds_one_field(frame, schema)
    ):
        return ParsedFrame(FrameLayout("single"), None, frame.index, frame.reset_index(drop=True))
    return parse_frame(frame, schema)


def _rule(calendar: Calendar, own: pd.Index) -> TimeRule:
    if calendar is None and isinstance(own, pd.DatetimeIndex) and len(own) > 2 and pd.infer_freq(own) is None:
        step = usual_step(own.tz_localize(None))
        days = step // pd.Timedelta(days=1)
        return as_rule(
            pd.offsets.Day(days) if step == pd.Timedelta(days=days) else pd.tseries.frequencies.to_offset(step), own
        )
    return rule_for(calendar, own, own)


def _grid(rule: TimeRule, own: pd.Index, name: Hashable) -> pd.Index:
    grid = rule.between(own[0], own[-1])
    off = own.difference(grid)
    if len(off):
        where = "" if name is None else f" of {name!r}"
        found = f"{len(off)} timestamps{where} are not on the calendar (first: {off[0]})"
        raise DataError(f"{found}. Pass another calendar=..., or drop them.")
    return grid


def _together(
    frame: pd.DataFrame, parsed: ParsedFrame, ids: pd.Index, times: pd.Index, source: NDArray[np.int64]
) -> pd.DataFrame:
    columns = parsed.columns.reindex(source)
    if parsed.layout.kind == "single":
        return columns.set_axis(times)
    if parsed.layout.kind == "panel":
        levels = [ids.rename(parsed.layout.names[0]), times]
        return columns.set_axis(pd.MultiIndex.from_arrays(levels if parsed.layout.id_level == 0 else levels[::-1]))
    id_name, time_name = parsed.layout.names
    keys = {time_name: times.array} if id_name is None else {id_name: ids.array, time_name: times.array}
    found = columns.reset_index(drop=True)
    for name, values in keys.items():
        found[name] = values
    return found[list(frame.columns)]
