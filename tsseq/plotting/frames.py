"""Frames as they are drawn: one table per series, ordered by time."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from tsseq.data.frames import ParsedFrame, as_pandas, key_columns, parse_frame, row_order
from tsseq.data.schema import Schema
from tsseq.errors import ConfigError, DataError
from tsseq.typing import Index

Drawable: TypeAlias = "pd.Series[Any] | pd.DataFrame"


class SeriesTables(NamedTuple):
    """The series of a frame, in its order.

    Attributes
    ----------
    parsed : ParsedFrame
        The frame taken apart.
    rows : dict of hashable to ndarray
        Its rows by id, ordered by time; under None those of a single series without an id.
    role : str
        What the frame is, for messages.
    """

    parsed: ParsedFrame
    rows: dict[Hashable, Index]
    role: str

    def table(self, name: Hashable) -> pd.DataFrame:
        """The columns of a series over its times."""
        if name in self.rows:
            return self.parsed.columns.iloc[self.rows[name]].set_axis(self.parsed.times.take(self.rows[name]))
        if name is None:
            advice = 'select one first, such as frame.loc["AAPL"]'
            what = f"the {self.role} holds {len(self.rows)} series, and the forecast is of one without an id"
            raise DataError(f"{what}; {advice}.")
        known = ", ".join(repr(series) for series in list(self.rows)[:5])
        raise DataError(f"the {self.role} has no series {name!r}; it has {known}.")


def read_series(frame: Drawable, schema: Schema, role: str) -> SeriesTables:
    """Find the series of a frame of any shape that a forecaster takes."""
    frame = as_pandas(frame)
    if not isinstance(frame, (pd.Series, pd.DataFrame)):
        raise DataError(f"the {role} must be a pandas Series or DataFrame, not {type(frame).__name__}.")
    if isinstance(frame, pd.DataFrame) and schema.time_column is None:
        id_column, time_column = key_columns(frame)
        schema = Schema.of(schema.target or None, id_column=id_column, time_column=time_column)
    parsed = parse_frame(frame, schema)
    order, bounds, ids, places = row_order(parsed)
    rows = np.arange(len(parsed.times)) if order is None else order
    by_id: dict[Hashable, Index] = {ids[k]: rows[bounds[k] : bounds[k + 1]] for k in np.argsort(places)}
    return SeriesTables(parsed, by_id, role)


def targets_of(forecast: pd.DataFrame) -> list[Hashable]:
    """The columns of a forecast that are not quantiles, probabilities or sets of another column.

    >>> targets_of(pd.DataFrame(columns=["close", "close_q0.1", "close_q0.9", "volume"]))
    ['close', 'volume']
    >>> targets_of(pd.DataFrame(columns=["move", "move_p_up", "move_set0.9_up"]))
    ['move']
    """
    additions = {column for name in forecast for column in quantile_columns(forecast, name).values()}
    for name in forecast:
        of_classes = re.compile(rf"{re.escape(str(name))}_(p|set[\d.]+)_")
        additions |= {column for column in forecast if of_classes.match(str(column))}
    return [name for name in forecast if name not in additions]


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


def split_at(history: pd.Series[Any], first: Any) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """A history before the first time of a forecast, and from it on."""
    try:
        past = history.index < first
    except TypeError as error:
        dtypes = f"the history is indexed by {history.index.dtype}, the forecast by {first!r}"
        raise DataError(f"{dtypes}; pass the history that was forecast.") from error
    return history[past], history[~past]


def check_least(name: str, value: int) -> None:
    """Refuse a limit that would leave nothing to draw."""
    if value < 1:
        raise ConfigError(f"{name}={value} must be at least 1.")
