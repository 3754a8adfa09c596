"""Copies of a frame in which the future is poisoned, prices are halved or returns are shuffled; for `audit`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.frames import FrameLayout, parse_frame
from tsseq.data.panel import Frame
from tsseq.data.schema import Schema

Array = NDArray[np.float64]
Cell: TypeAlias = tuple[Hashable, Any, NDArray[np.int64]]  # field, its column, rows of one series ordered in time
Change: TypeAlias = Callable[[Array, pd.Index], Array]

PRICES = ("open", "high", "low", "close", "adj close", "adj_close", "vwap")
KINDS = ("missing", "huge", "noise")


def poisoned(frame: Frame, schema: Schema, horizon: int, cutoff: Any, kind: str) -> Frame:
    """A copy whose rows after ``cutoff`` are missing, 1e30 or noise.

    Known covariates are poisoned ``horizon`` rows later, static ones never. Series that begin after the cutoff stay as
    they are, since those without any value are refused.
    """
    rng = np.random.default_rng(0)

    def change(values: Array, times: pd.Index, start: int = 0) -> Array:
        after = np.flatnonzero(times > cutoff)[start:]
        if np.isfinite(values[times <= cutoff]).any():
            values[after] = _poison(rng, len(after), kind, bool(np.nanmin(values) >= 0))
        return values

    def later(values: Array, times: pd.Index) -> Array:
        return change(values, times, horizon)

    rest = [name for name in _fields(frame, schema) if name not in (*schema.known, *schema.static)]
    return edited(edited(frame, schema, rest, change), schema, schema.known, later)


def _poison(rng: np.random.Generator, n: int, kind: str, positive: bool) -> Array:
    if kind == "noise":
        noise = 100 * rng.normal(size=n)
        return np.abs(noise) + 1e-3 if positive else noise
    return np.full(n, np.nan if kind == "missing" else 1e30)


def halved(frame: Frame, schema: Schema, until: Any) -> Frame:
    """A copy whose prices up to ``until`` are halved, as after a later 2:1 split: targets, and open, high, low, ..."""

    def change(values: Array, times: pd.Index) -> Array:
        return np.where(times <= until, values / 2, values)

    fields = _fields(frame, schema)
    prices = [name for name in fields if name in schema.target or str(name).lower() in PRICES]
    return edited(frame, schema, prices, change)


def shuffled(frame: Frame, schema: Schema, seed: int) -> Frame:
    """A copy whose targets change as much as before but in random order, without drift: nothing can be forecast.

    Changes are relative where all values of a series are above 0.
    """
    rng = np.random.default_rng(seed)

    def change(values: Array, times: pd.Index) -> Array:
        seen = np.isfinite(values)
        relative = bool((values[seen] > 0).all())
        path = np.log(values[seen]) if relative else values[seen]
        steps = np.diff(path)
        if len(steps):
            path[1:] = path[0] + np.cumsum(rng.permutation(steps - steps.mean()))
        values[seen] = np.exp(path) if relative else path
        return values

    return edited(frame, schema, schema.target, change)


def edited(frame: Frame, schema: Schema, fields: Iterable[Hashable], change: Change) -> Frame:
    """A copy in which ``change`` was applied to the values of every series of ``fields``.

    Columns that hold no numbers become missing where ``change`` makes numbers of them anything else.
    """
    single = isinstance(frame, pd.Series)
    wanted, found = set(fields), frame.to_frame() if single else frame.copy()
    times = _apart(frame, schema)[1]
    columns: dict[Any, Any] = {}
    for field, column, rows in _cells(frame, schema):
        if field in wanted:
            own = columns.setdefault(column, _numbers(found.iloc[:, column]))
            own[rows] = change(own[rows], times.take(rows))
    parts = [_changed(found.iloc[:, k], columns.get(k)) for k in range(found.shape[1])]
    found = pd.concat(parts, axis=1).set_axis(frame.index, axis=0).set_axis(found.columns, axis=1)
    return found.iloc[:, 0].rename(frame.name) if single else found


def _changed(column: pd.Series, values: Array | None) -> pd.Series:
    if values is None:
        return column
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(values, column.index)
    return column.mask(values != 0.0)


def _numbers(column: pd.Series) -> Array:
    """(n,) a writable copy; zeros where a column holds none."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return np.zeros(len(column))
    return column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)


def _apart(frame: Frame, schema: Schema) -> tuple[pd.Index | None, pd.Index, FrameLayout]:
    """Id and time of every row, and the layout; the series of a wide frame are in its columns."""
    table = parse_frame(frame, schema)
    return (None, frame.index, table.layout) if table.layout.kind == "wide" else (table.ids, table.times, table.layout)


def _fields(frame: Frame, schema: Schema) -> list[Hashable]:
    return list(dict.fromkeys(field for field, _, _ in _cells(frame, schema)))


def _cells(frame: Frame, schema: Schema) -> Iterator[Cell]:
    """Every field of every series."""
    ids, times, form = _apart(frame, schema)
    order = np.argsort(times.to_numpy() if not hasattr(times, "asi8") else times.asi8, kind="stable")
    codes = np.zeros(len(times), dtype=np.int64) if ids is None else pd.factorize(ids)[0]
    order = order[np.argsort(codes[order], kind="stable")]
    series = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    if isinstance(frame, pd.Series):
        names: list[Hashable] = list(schema.target)
    elif form.kind == "wide":
        names = list(frame.columns.get_level_values(1 - form.id_level))
    else:
        names = list(frame.columns)
    keys = form.names if form.kind == "long" else ()
    for column, field in enumerate(names):
        if field not in keys:
            yield from ((field, column, rows) for rows in series)
