"""Panel: series one after another in one array, ordered, checked and immutable."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.calendar import Calendar, calendar_of, check_regular, rule_for
from tsseq.data.frames import Form, Table, check_stamps, put_together, take_apart
from tsseq.data.rules import Rule
from tsseq.data.schema import Schema
from tsseq.errors import DataError

Frame: TypeAlias = pd.Series | pd.DataFrame


@dataclass(frozen=True)
class Panel:
    """Series in rows, ordered by id and time.

    Attributes
    ----------
    values : (T, C) float64; the columns are ``schema.dynamic``; NaN is missing.
    static : (S, n_static) float64.
    indptr : (S + 1,) rows of series s are ``indptr[s]:indptr[s + 1]``.
    times : (T,) timestamps.
    ids : (S,) sorted ids; one None for a single series.
    rank : (S,) positions of the series in the frame, so that output order is input order.
    schema, form : roles of the columns, layout of the frame.
    rules : how stamps follow one another; one rule, or one per series.
    """

    values: NDArray[np.float64]
    static: NDArray[np.float64]
    indptr: NDArray[np.int64]
    times: pd.Index
    ids: pd.Index
    rank: NDArray[np.int64]
    schema: Schema
    form: Form
    rules: tuple[Rule, ...]

    @classmethod
    def from_frame(cls, frame: Frame, schema: Schema, calendar: Calendar = None, like: Panel | None = None) -> Panel:
        """Order and check a frame; an unresolved target in ``schema`` is looked up in it.

        Timestamps must follow one another as those of the panel ``like`` do, if one is given.

        Raises
        ------
        DataError : columns are missing or not numbers, timestamps are doubled, missing or off the calendar;
            the message names the first culprits.
        """
        table = take_apart(frame, schema)
        schema = schema.resolve(table.columns.columns)
        order, indptr, ids, rank = ordering(table)
        table = table if order is None else _reordered(table, order)
        names = [*schema.dynamic, *schema.static]
        values = np.column_stack([numbers(table, name) for name in names])
        dynamic = len(schema.dynamic)
        static = _constant(values[:, dynamic:], indptr, ids, schema.static)
        rules = _rules(calendar, table.times, indptr, ids) if like is None else _rules_like(like, table.times)
        panel = cls(values[:, :dynamic], static, indptr, table.times, ids, rank, schema, table.form, rules)
        panel = _without_strangers(panel)
        panel.check_regular()
        return panel

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(S,) rows per series."""
        return np.diff(self.indptr)

    @property
    def series_of_row(self) -> NDArray[np.int64]:
        """(T,) the series that each row belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def check_regular(self) -> None:
        """Raise a DataError that names the first missing timestamp, if there is one."""
        if len(self.rules) == 1:
            return check_regular(self.rules[0], self.times, self.indptr[:-1], self.ids)
        for series, rule in enumerate(self.rules):
            own = self.times[self.indptr[series] : self.indptr[series + 1]]
            check_regular(rule, own, np.zeros(1, dtype=np.int64), self.ids[series : series + 1])
        return None

    def select(self, keep: NDArray[np.bool_]) -> Panel:
        """Only the rows where ``keep`` (T,) is true; series stay, even when empty."""
        kept = np.concatenate([[0], np.cumsum(keep)])
        return replace(self, values=self.values[keep], times=self.times[keep], indptr=kept[self.indptr])

    def before(self, cutoff: Any) -> Panel:
        """Only what was known at ``cutoff``: rows dated up to and including it."""
        return self.select(np.asarray(self.times <= cutoff))

    def of_length(self, n: int) -> Panel:
        """Only the series that have at least ``n`` rows."""
        long = self.lengths >= n
        kept = self.select(long[self.series_of_row])
        rules = self.rules if len(self.rules) == 1 else tuple(rule for rule, ok in zip(self.rules, long) if ok)
        indptr = np.concatenate([[0], np.cumsum(self.lengths[long])])
        return replace(
            kept, indptr=indptr, ids=self.ids[long], rank=self.rank[long], static=self.static[long], rules=rules
        )

    def tail(self, n: int) -> Panel:
        """The last ``n`` rows of every series."""
        from_end = np.repeat(self.indptr[1:], self.lengths) - np.arange(len(self.times))
        return self.select(from_end <= n)

    def filled_up(self, n: int) -> Panel:
        """Missing rows, with the first timestamp, in front of every series that has fewer than ``n``."""
        lacking = np.maximum(n - self.lengths, 0)
        if not lacking.any():
            return self
        indptr = self.indptr + np.concatenate([[0], np.cumsum(lacking)])
        source = np.arange(indptr[-1]) - np.repeat(np.cumsum(lacking), np.diff(indptr))  # below first: not there
        first = np.repeat(self.indptr[:-1], np.diff(indptr))
        rows = np.maximum(source, first)
        values = np.where((source < first)[:, None], np.nan, self.values[rows])
        return replace(self, values=values, indptr=indptr, times=self.times.take(rows))

    def repeated(self, n: int) -> Panel:
        """All series ``n`` times, one whole panel after another; ids then occur more than once."""
        start = np.arange(n)[:, None] * len(self.times)
        indptr = np.append((start + self.indptr[:-1]).ravel(), n * len(self.times))
        every = np.tile(np.arange(len(self)), n)
        rules = self.rules if len(self.rules) == 1 else self.rules * n
        times = self.times.take(np.tile(np.arange(len(self.times)), n))
        values = np.tile(self.values, (n, 1))
        return replace(
            self,
            values=values,
            static=self.static[every],
            indptr=indptr,
            times=times,
            ids=self.ids.take(every),
            rank=self.rank[every],
            rules=rules,
        )

    def with_values(self, rows: NDArray[Any], columns: slice, values: Any) -> Panel:
        """The same panel with other values in ``rows`` (an index or a mask) of ``columns``."""
        changed = self.values.copy()
        changed[rows, columns] = values
        return replace(self, values=changed)

    def extend(self, n: int) -> Panel:
        """Add ``n`` future rows to every series: the next timestamps, all values missing."""
        lengths = self.lengths
        if (lengths == 0).any():
            raise DataError(f"series {self.ids[lengths == 0][0]!r} has no rows to continue.")
        last = self.times.take(self.indptr[1:] - 1)
        kind, first = np.arange(len(self)), np.arange(len(self))  # series that continue alike share the work
        if len(self.rules) == 1:
            kind, _ = pd.factorize(last)
            first = np.unique(kind, return_index=True)[1]
        blocks = [self.rules[series % len(self.rules)].after(last[series], n) for series in first]
        short = [str(last[series]) for series, block in zip(first, blocks) if len(block) < n]
        if short:
            raise DataError(f"the calendar records fewer than {n} timestamps after {short[0]}.")
        future = blocks[0].append(blocks[1:])
        return self._with_rows(future.take((kind[:, None] * n + np.arange(n)).ravel()), n)

    def _with_rows(self, future: pd.Index, n: int) -> Panel:
        """Put ``n`` rows of NaN behind every series; ``future`` (S * n,) are their timestamps."""
        total, series = len(self.times), self.series_of_row
        indptr = self.indptr + n * np.arange(len(self) + 1)
        old = np.arange(total) + n * series
        values = np.full((indptr[-1], self.values.shape[1]), np.nan)
        values[old] = self.values
        source = np.empty(indptr[-1], dtype=np.int64)
        source[old] = np.arange(total)
        source[(indptr[1:, None] - n + np.arange(n)).ravel()] = total + np.arange(len(future))
        times = self.times.append(future.astype(self.times.dtype)).take(source)
        return replace(self, values=values, indptr=indptr, times=times)

    def to_frame(self, rows: NDArray[np.int64], columns: Mapping[Hashable, NDArray[np.float64]]) -> pd.DataFrame:
        """Lay out new columns over ``rows`` (n,) in the shape of the frame that this panel came from."""
        series = np.searchsorted(self.indptr, rows, side="right") - 1
        order = np.lexsort((rows, self.rank[series]))
        ordered = {name: column[order] for name, column in columns.items()}
        return put_together(self.form, self.ids.take(series[order]), self.times.take(rows[order]), ordered)


def ordering(table: Table) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], pd.Index, NDArray[np.int64]]:
    """-> (row order or None when sorted, indptr, sorted ids, rank of each series in the frame)."""
    check_stamps(table.times)
    stamps = table.times.asi8 if hasattr(table.times, "asi8") else table.times.to_numpy()
    codes, ids, rank = _codes(table.ids, len(stamps))
    same = codes[1:] == codes[:-1]
    order = None
    if (codes[1:] < codes[:-1]).any() or (same & (stamps[1:] <= stamps[:-1])).any():
        order = np.lexsort((stamps, codes))
        codes, stamps = codes[order], stamps[order]
        double = np.flatnonzero((codes[1:] == codes[:-1]) & (stamps[1:] == stamps[:-1])) + 1
        if len(double):
            raise DataError(_double_message(table, order[double], codes[double], ids))
    return order, np.searchsorted(codes, np.arange(len(ids) + 1)), ids, rank


def _codes(ids: pd.Index | None, n: int) -> tuple[NDArray[np.int64], pd.Index, NDArray[np.int64]]:
    """Number the ids by their sorted order; only the first row of each run is looked at."""
    if ids is None:
        return np.zeros(n, dtype=np.int64), pd.Index([None], dtype=object), np.zeros(1, dtype=np.int64)
    if ids.hasnans:
        raise DataError(f"{int(ids.isna().sum())} rows have no id (first: row {int(np.argmax(ids.isna()))}).")
    heads = np.concatenate([[0], np.flatnonzero(np.asarray(ids[1:] != ids[:-1])) + 1])
    found, unique = pd.factorize(ids.take(heads))
    try:
        by_name = unique.argsort()
    except TypeError:
        by_name = unique.map(repr).argsort()
    sorted_code = np.empty(len(unique), dtype=np.int64)
    sorted_code[by_name] = np.arange(len(unique))
    codes = np.repeat(sorted_code[found], np.diff(np.append(heads, n)))
    return codes, unique.take(by_name), np.asarray(by_name, dtype=np.int64)


def _double_message(table: Table, rows: NDArray[np.int64], codes: NDArray[np.int64], ids: pd.Index) -> str:
    named = [
        str(table.times[row]) if table.ids is None else f"{ids[c]!r} {table.times[row]}"
        for row, c in zip(rows[:5], codes)
    ]
    hint = "Keep one row each, for example with frame.groupby([id, time]).last()."
    if (
        isinstance(table.times, pd.DatetimeIndex)
        and table.times.tz is None
        and not (table.times == table.times.normalize()).all()
    ):
        hint += " If these are local hours when clocks change, localize the index with its time zone."
    return f"{len(rows)} timestamps occur more than once (first: {', '.join(named)}). {hint}"


def _reordered(table: Table, order: NDArray[np.int64]) -> Table:
    ids = None if table.ids is None else table.ids.take(order)
    return Table(table.form, ids, table.times.take(order), table.columns.take(order).reset_index(drop=True))


def numbers(table: Table, name: Hashable) -> NDArray[np.float64]:
    """A column as float64, or an error that shows the first value which is no number."""
    column = table.columns[name]
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = _converted(table, column, name)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise DataError(f"column {name!r} has {len(infinite)} infinite values (first: {_place(table, infinite[0])}).")
    return values


def _converted(table: Table, column: pd.Series, name: Hashable) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce") if column.dtype == object else pd.Series(np.nan, column.index)
    lost = np.flatnonzero(numbers.isna() & column.notna())
    if len(lost):
        found = f"{column.iloc[lost[0]]!r} at {_place(table, lost[0])}"
        raise DataError(
            f"column {name!r} ({column.dtype}) is not numeric: {len(lost)} values are no numbers (first: {found})."
        )
    return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def _place(table: Table, row: int) -> str:
    return f"{table.times[row]}" if table.ids is None else f"{table.ids[row]!r} {table.times[row]}"


def _constant(
    values: NDArray[np.float64], indptr: NDArray[np.int64], ids: pd.Index, names: tuple[Hashable, ...]
) -> NDArray[np.float64]:
    """(T, n) -> (S, n): the one value of each series; rows that are missing are passed over."""
    if not names:
        return np.empty((len(ids), 0))
    low = np.fmin.reduceat(values, indptr[:-1])
    high = np.fmax.reduceat(values, indptr[:-1])
    bad = np.argwhere(low < high)
    if len(bad):
        series, column = bad[0]
        found = f"{names[column]!r} of {ids[series]!r} goes from {low[series, column]} to {high[series, column]}"
        raise DataError(f"a static covariate has one value per series: {found}. Name it as past or known instead.")
    return low


def _rules(calendar: Calendar, times: pd.Index, indptr: NDArray[np.int64], ids: pd.Index) -> tuple[Rule, ...]:
    """One rule for all series, or one each when ``calendar`` is a dict of exchange codes by id."""
    longest = int(np.argmax(np.diff(indptr)))
    if not isinstance(calendar, Mapping):
        return (rule_for(calendar, times, times[indptr[longest] : indptr[longest + 1]]),)
    parts = [times[start:end] for start, end in pairwise(indptr)]
    return tuple(rule_for(calendar_of(name, calendar), own, own) for name, own in zip(ids, parts))


def _rules_like(like: Panel, times: pd.Index) -> tuple[Rule, ...]:
    """The one rule of ``like``, for timestamps of the same kind."""
    kinds = [
        next((kind for kind in (pd.DatetimeIndex, pd.PeriodIndex) if isinstance(index, kind)), int)
        for index in (like.times, times)
    ]
    if kinds[0] is not kinds[1]:
        raise DataError(f"the frame of fit had timestamps like {like.times[-1]!r}, this one has {times[0]!r}.")
    return like.rules


def _without_strangers(panel: Panel) -> Panel:
    """Leave out rows without any value that are no sessions: a frame over several exchanges has them on holidays."""
    if panel.form.kind != "wide" or len(panel.rules) == 1:
        return panel
    keep = np.asarray(np.isfinite(panel.values).any(axis=1))
    for rule, start, end in zip(panel.rules, panel.indptr[:-1], panel.indptr[1:]):
        own = panel.times[start:end]
        keep[start:end] |= own.isin(rule.between(own[0], own[-1]))
    return panel.select(keep)
