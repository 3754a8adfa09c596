"""Missing timestamps become rows, of missing values or of the last ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from tsseq.data.frames import FrameLayout, ParsedFrame, as_pandas, holds_one_field, parse_frame, row_order
from tsseq.data.panel import Frame, PandasFrame
from tsseq.data.schema import Schema
from tsseq.data.time_rules import Rows, TimeRule
from tsseq.data.timestamps import Calendar, calendar_of, inferred_freq, onward_rule, rule_for, usual_step
from tsseq.errors import ConfigError, DataError
from tsseq.typing import Index


def regularize(
    frame: Frame,
    calendar: Calendar = None,
    *,
    fill: Literal["ffill"] | None = None,
    id_column: Hashable | None = None,
    time_column: Hashable | None = None,
) -> PandasFrame:
    """Put a frame on its calendar: every missing timestamp between first and last becomes a row.

    Parameters
    ----------
    frame : Series or DataFrame
        Any frame that `tsseq.Forecaster.fit` takes; it is not changed.
    calendar : str, DateOffset, TimeRule or dict, optional
        A pandas offset or its alias ("B", "MS"), the code of an exchange ("XNYS"), a rule of time, or a dict of these
        by id. Default: the frequency that the timestamps suggest, else the most frequent step between rows; a step of
        a day skips weekends if none has a row.
    fill : {"ffill"}, optional
        "ffill" gives every missing value between the first and the last of its column and series the last one before
        it, as regressors need that take no missing values (scikit-learn's `Ridge`): those of new rows, and those that
        were missing already. Nothing is filled from the future, before a series begins or after it has ended.
        Default: new rows are NaN, and nothing else changes.
    id_column : Hashable, optional
        Column of ids in a long frame. Default: "unique_id" in a long frame with the columns "unique_id" and "ds".
    time_column : Hashable, optional
        Column of timestamps in a long frame. Default: "ds" in such a frame, and in one whose rows are numbered.

    Returns
    -------
    Series or DataFrame
        The same kind of frame, ordered by id and time.

    Raises
    ------
    ConfigError
        ``fill`` is another word.
    DataError
        It is not a frame, or rows are not on the calendar (the first is named), or occur twice.

    Notes
    -----
    A price that was carried forward was not paid, and a volume not traded: the filled frame is for a forecaster. Give
    `tsseq.simulate` the prices as they came, in which it sees that trading was halted.

    Examples
    --------
    >>> import pandas as pd
    >>> regularize(pd.Series([1.0, 2.0, 4.0], pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04"])))
    2024-01-01    1.0
    2024-01-02    2.0
    2024-01-03    NaN
    2024-01-04    4.0
    Freq: B, dtype: float64
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04"])
    >>> regularize(pd.Series([1.0, 2.0, 4.0], days), fill="ffill").tolist()
    [1.0, 2.0, 2.0, 4.0]
    """
    if fill not in (None, "ffill"):
        raise ConfigError(f"fill={fill!r} is neither None nor 'ffill': values are only filled from the past.")
    frame = as_pandas(frame)
    if isinstance(frame, pd.Series):
        return regularize(frame.to_frame("y"), calendar, fill=fill)["y"].rename(frame.name)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a pandas Series or DataFrame was needed, not {type(frame).__name__}.")
    parsed = _parsed(frame, Schema.of(id_column=id_column, time_column=time_column))
    order, indptr, ids, _ = row_order(parsed)
    order = np.arange(len(parsed.times)) if order is None else order
    grids, sources = [], []
    for name, start, end in zip(ids, indptr, indptr[1:]):
        rows = order[start:end]
        times = parsed.times.take(rows)
        grid = _grid(_rule(calendar_of(name, calendar), times, parsed.times), times, name)
        grids.append(grid)
        sources.append(np.append(rows, -1)[times.get_indexer(grid)])
    times = grids[0].append(grids[1:]).rename(parsed.times.name)
    lengths, source = [*map(len, grids)], np.concatenate(sources)
    columns = parsed.columns.reindex(source).reset_index(drop=True)
    if fill == "ffill":
        columns = _filled(columns, np.repeat(np.arange(len(ids)), lengths), parsed.columns.dtypes.to_dict())
    return _rebuilt(frame, parsed.layout, columns, ids.repeat(lengths), times)


def _parsed(frame: pd.DataFrame, schema: Schema) -> ParsedFrame:
    closes = not isinstance(frame.index, pd.MultiIndex) and holds_one_field(frame, schema)
    if closes or isinstance(frame.columns, pd.MultiIndex):
        return ParsedFrame(FrameLayout("single"), None, frame.index, frame.reset_index(drop=True))
    return parse_frame(frame, schema)


def _rule(calendar: Calendar, times: pd.Index, all_times: pd.Index) -> TimeRule:
    """The rule of one series; that of its most frequent step if no calendar and no frequency is known.

    Business days are such of all series: one that was open for some days need not have been closed at weekends.
    """
    if calendar is None and isinstance(times, pd.DatetimeIndex) and len(times) > 2 and inferred_freq(times) is None:
        return onward_rule(usual_step(times.tz_localize(None)), pd.DatetimeIndex(all_times))
    rule = rule_for(calendar, times, times)
    if isinstance(rule, Rows):
        raise ConfigError("calendar='rows' takes rows as they stand: no timestamp is missing. Pass another calendar.")
    return rule


def _grid(rule: TimeRule, times: pd.Index, name: Hashable) -> pd.Index:
    """All timestamps of a rule from the first of ``times`` to the last."""
    grid = rule.between(times[0], times[-1])
    strays = times.difference(grid)
    if len(strays):
        where = "" if name is None else f" of {name!r}"
        problem = f"{len(strays)} timestamps{where} are not on the calendar (first: {strays[0]})"
        raise DataError(f"{problem}. Pass another calendar=..., or drop them.")
    return grid


def _rebuilt(
    frame: pd.DataFrame, layout: FrameLayout, columns: pd.DataFrame, ids: pd.Index, times: pd.Index
) -> pd.DataFrame:
    """Columns in the layout of a frame."""
    if layout.kind == "single":
        return columns.set_axis(times)
    if layout.kind == "panel":
        levels = [ids.rename(layout.names[0]), times]
        return columns.set_axis(pd.MultiIndex.from_arrays(levels if layout.id_level == 0 else levels[::-1]))
    id_name, time_name = layout.names
    if id_name is not None:
        columns[id_name] = ids.array
    columns[time_name] = times.array
    return columns[list(frame.columns)]


def _filled(columns: pd.DataFrame, series: Index, dtypes: Mapping[Hashable, Any]) -> pd.DataFrame:
    """Missing values as the last one of their series, up to its end; columns that are then whole have their dtype."""
    groups = columns.groupby(series)
    columns = groups.ffill().where(groups.bfill().notna())
    return columns.astype({name: dtypes[name] for name in columns if columns[name].notna().all()})
