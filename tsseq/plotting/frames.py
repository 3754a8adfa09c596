"""What is drawn of frames: one table per series, ordered by time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tsseq.data.frames import key_columns, parse_frame, row_order
from tsseq.data.schema import Schema
from tsseq.errors import ConfigError, DataError

Drawable: TypeAlias = "pd.Series[Any] | pd.DataFrame"
Tables: TypeAlias = dict[Hashable, pd.DataFrame]  # by id, None for a series without one


def tables_of(frame: Drawable, schema: Schema, role: str) -> Tables:
    """The series of a frame of any accepted shape, in the order of the frame, each over its times."""
    if not isinstance(frame, (pd.Series, pd.DataFrame)):
        raise DataError(f"the {role} must be a pandas Series or DataFrame, not {type(frame).__name__}.")
    if isinstance(frame, pd.DataFrame) and schema.time_column is None:
        id_column, time_column = key_columns(frame)
        schema = Schema.of(schema.target or None, id_column=id_column, time_column=time_column)
    parsed = parse_frame(frame, schema)
    order, bounds, ids, places = row_order(parsed)
    rows = np.arange(len(parsed.times)) if order is None else order
    tables = {}
    for series in np.argsort(places):
        part = rows[bounds[series] : bounds[series + 1]]
        tables[ids[series]] = parsed.columns.iloc[part].set_axis(parsed.times.take(part))
    return tables


def targets_of(forecast: pd.DataFrame) -> list[Hashable]:
    """The columns of a forecast that are not quantiles of another column.

    >>> targets_of(pd.DataFrame(columns=["close", "close_q0.1", "close_q0.9", "volume"]))
    ['close', 'volume']
    """
    quantiles = {column for name in forecast for column in quantile_columns(forecast, name).values()}
    return [name for name in forecast if name not in quantiles]


def quantile_columns(forecast: pd.DataFrame, target: Hashable) -> dict[float, Hashable]:
    """Columns by quantile level, in order.

    >>> quantile_columns(pd.DataFrame(columns=["y", "y_q0.9", "y_q0.1", "y_quarter"]), "y")
    {0.1: 'y_q0.1', 0.9: 'y_q0.9'}
    """
    columns: dict[float, Hashable] = {}
    for name in forecast:
        level = str(name).removeprefix(f"{target}_q")
        if level != str(name) and level.replace(".", "", 1).isdigit():
            columns[float(level)] = name
    return dict(sorted(columns.items()))


def table_of(tables: Tables, key: Hashable, role: str) -> pd.DataFrame:
    """The table of a series that is forecast."""
    if key in tables:
        return tables[key]
    if key is None:
        advice = 'select one first, such as frame.loc["AAPL"]'
        raise DataError(f"the {role} holds {len(tables)} series, and the forecast is of one without an id; {advice}.")
    raise DataError(f"the {role} has no series {key!r}; it has {', '.join(repr(name) for name in list(tables)[:5])}.")


def values_of(table: pd.DataFrame, column: Hashable, role: str) -> pd.Series[float]:
    """A column as numbers."""
    if column not in table:
        raise DataError(f"the {role} has no column {column!r}; it has {list(table)}.")
    try:
        values = table[column].astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {column!r} of the {role} is not numeric: {error}.") from error
    if values.isna().all():
        raise DataError(f"the {role} has no values of {column!r}.")
    return values


def check_least(name: str, value: int) -> None:
    """Refuse a limit that would leave nothing to draw."""
    if value < 1:
        raise ConfigError(f"{name}={value} must be at least 1.")
