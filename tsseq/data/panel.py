"""Panel: series one after another in one array, ordered, checked and immutable."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.calendar import Calendar, check_alike, check_regular, rules_for
from tsseq.data.calendar_covariates import calendar_columns
from tsseq.data.columns import Categories, constant, filled, occurring, read_columns, recoded, with_id
from tsseq.data.frames import Form, put_together, take_apart
from tsseq.data.ordering import ordering, reordered
from tsseq.data.schema import Schema
from tsseq.data.time_rules import Rule
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
    categories : what the codes of every covariate stand for, in the order ``schema.covariates``, ``schema.static``;
        None where they are numbers, and () where all are. Code k is the k-th category, 0 none of them.
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
    categories: Categories = ()

    @classmethod
    def from_frame(cls, frame: Frame, schema: Schema, calendar: Calendar = None, like: Panel | None = None) -> Panel:
        """Order and check a frame; an unresolved target in ``schema`` is looked up in it.

        Of the panel ``like``, if one is given, the frame takes over how timestamps follow one another, unless
        ``calendar`` tells it by id, and which covariates are categories.

        Raises
        ------
        DataError : columns are missing or not numbers, timestamps are doubled, missing or off the calendar;
            the message names the first culprits.
        """
        table = with_id(take_apart(frame, schema), schema.static)
        schema = schema.resolve(table.columns.columns)
        order, indptr, ids, rank = ordering(table)
        table = table if order is None else reordered(table, order)
        if like is None or isinstance(calendar, Mapping):
            rules = rules_for(calendar, table.times, indptr, ids)
        else:
            check_alike(like.times, table.times)
            rules = like.rules
        settled = {} if like is None else like.is_category
        values, categories = read_columns(table, schema.target, schema.past + schema.known + schema.static, settled)
        n = len(schema.measured)
        static = constant(values[:, n:], indptr, ids, schema.static, categories[n - len(schema.target) :])
        panel = cls(values[:, :n], static, indptr, table.times, ids, rank, schema, table.form, rules)
        panel = _without_strangers(panel)
        panel.check_regular()
        return panel._coded(categories)._with_calendar()

    def _coded(self, categories: Categories) -> Panel:
        """With the categories of its columns; 0 is the code of a missing one."""
        n = len(self.values.T) - len(self.schema.target)
        none = (None,) * len(self.schema.target)
        values, static = filled(self.values, none + categories[:n]), filled(self.static, categories[n:])
        own = categories if any(found is not None for found in categories) else ()
        return replace(self, values=values, static=static, categories=own)

    def _with_calendar(self) -> Panel:
        """With covariates of the calendar, if the schema has them, computed for all rows."""
        if not self.schema.calendar:
            return self
        names, found = calendar_columns(self.times, self.rules, self.indptr)
        n, own = len(self.schema.measured), self.categories
        if own:
            before, static = len(self.schema.past + self.schema.known), len(own) - len(self.schema.static)
            own = (*own[:before], *[None] * len(names), *own[static:])
        schema = replace(self.schema, calendar=names)
        return replace(self, values=np.column_stack([self.values[:, :n], found]), schema=schema, categories=own)

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

    @property
    def n_categories(self) -> tuple[int, ...]:
        """How many categories every covariate has, 0 for numbers; () if all are numbers. See `Layout`."""
        found = tuple(0 if own is None else len(own) for own in self.categories)
        return found if any(found) else ()

    @property
    def category_of(self) -> dict[Hashable, pd.Index]:
        """The categories of covariates that have some, by name."""
        named = zip(self.schema.covariates + self.schema.static, self.categories)
        return {name: own for name, own in named if own is not None}

    @property
    def is_category(self) -> dict[Hashable, bool]:
        """Whether a covariate is categories, by name."""
        own = self.category_of
        return {name: name in own for name in self.schema.covariates + self.schema.static}

    @property
    def unscaled(self) -> NDArray[np.bool_]:
        """(n,) covariates that mean the same in all data: codes, and what the calendar says."""
        own = [coded or name in self.schema.calendar for name, coded in self.is_category.items()]
        return np.array(own, dtype=np.bool_)

    def seen(self) -> Panel:
        """The same panel with only those categories that occur in it."""
        blocks = self.values[:, len(self.schema.target) :], self.static
        codes = [column for block in blocks for column in block.T]
        return self.recoded(tuple(None if k is None else k[occurring(c)] for k, c in zip(self.categories, codes)))

    def recoded(self, categories: Categories) -> Panel:
        """The same panel with the codes of other categories; 0 is what these lack."""
        if not (self.categories or categories):
            return self
        values, static = self.values.copy(), self.static.copy()
        columns = [*values.T[len(self.schema.target) :], *static.T]  # views
        nothing = (None,) * len(columns)
        names = self.schema.covariates + self.schema.static
        for column, name, own, wanted in zip(columns, names, self.categories or nothing, categories or nothing):
            column[:] = recoded(column, own, wanted, name)
        return replace(self, values=values, static=static, categories=categories)

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
        """Add ``n`` future rows to every series: the next timestamps, all values missing but those of the calendar."""
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
        return replace(self, values=values, indptr=indptr, times=times)._with_calendar()

    def to_frame(self, rows: NDArray[np.int64], columns: Mapping[Hashable, NDArray[Any]]) -> pd.DataFrame:
        """Lay out new columns over ``rows`` (n,) in the shape of the frame that this panel came from."""
        series = np.searchsorted(self.indptr, rows, side="right") - 1
        order = np.lexsort((rows, self.rank[series]))
        ordered = {name: column[order] for name, column in columns.items()}
        return put_together(self.form, self.ids.take(series[order]), self.times.take(rows[order]), ordered)


def _without_strangers(panel: Panel) -> Panel:
    """Leave out rows without any value that are no sessions: a frame over several exchanges has them on holidays."""
    if panel.form.kind != "wide" or len(panel.rules) == 1:
        return panel
    keep = np.asarray(np.isfinite(panel.values).any(axis=1))
    for rule, start, end in zip(panel.rules, panel.indptr[:-1], panel.indptr[1:]):
        own = panel.times[start:end]
        keep[start:end] |= own.isin(rule.between(own[0], own[-1]))
    return panel.select(keep)
