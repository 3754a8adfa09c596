"""Panel: series one after another in one array, ordered, checked and immutable."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.calendar_covariates import calendar_columns
from tsseq.data.columns import (
    HOLDERS,
    Categories,
    Classes,
    check_weights,
    constant,
    filled,
    occurring,
    read_columns,
    read_weight,
    recoded,
    with_id,
)
from tsseq.data.frames import (
    ArrowFrame,
    FrameLayout,
    as_pandas,
    build_frame,
    key_columns,
    named_fields,
    parse_frame,
    row_order,
)
from tsseq.data.schema import CALENDAR, Schema, listed
from tsseq.data.time_rules import AsRecorded, Rows, TimeRule
from tsseq.data.timestamps import Calendar, check_alike, check_regular, rules_for
from tsseq.errors import ConfigError, DataError
from tsseq.persistence.codec import time_dtype, times_from
from tsseq.persistence.state import State, check_arrays
from tsseq.typing import Array, Index, Mask

PandasFrame: TypeAlias = pd.Series | pd.DataFrame
Frame: TypeAlias = PandasFrame | ArrowFrame


@dataclass(frozen=True)
class Panel:
    """Series in rows, ordered by id and time.

    Attributes
    ----------
    values : ndarray of shape (T, C)
        float64; the columns are ``schema.dynamic``; NaN is missing.
    static : ndarray of shape (S, n_static)
        Static covariates.
    indptr : ndarray of shape (S + 1,)
        Rows of series s are ``indptr[s]:indptr[s + 1]``.
    times : Index of shape (T,)
        Timestamps.
    ids : Index of shape (S,)
        Sorted ids; one None for a single series.
    input_order : ndarray of shape (S,)
        Place of each series in the frame, so that output order is input order.
    schema : Schema
        Roles of the columns.
    frame_layout : FrameLayout
        How the frame was laid out.
    rules : tuple of TimeRule
        How timestamps follow one another; one rule, or one per series.
    categories : tuple
        What the codes of every covariate stand for, in the order ``schema.covariates``, ``schema.static``; None where
        they are numbers, and () where all are. Code k is the k-th category, 0 none of them.
    weight : ndarray of shape (T,) or None
        What each row counts in training, as the frame says; None where it does not.
    classes : Classes or None
        What the codes of the target stand for; None where targets are numbers.

    Examples
    --------
    >>> from tsseq import load_sample
    >>> from tsseq.data import Panel, Schema
    >>> panel = Panel.from_frame(load_sample("airline"), Schema())
    >>> len(panel), panel.values.shape, panel.schema.target
    (1, (144, 1), ('passengers',))
    >>> panel.extend(2).times[-2:].strftime("%Y-%m").tolist()
    ['1961-01', '1961-02']
    """

    values: Array
    static: Array
    indptr: Index
    times: pd.Index
    ids: pd.Index
    input_order: Index
    schema: Schema
    frame_layout: FrameLayout
    rules: tuple[TimeRule, ...]
    categories: Categories = ()
    weight: Array | None = None
    classes: Classes | None = None

    @classmethod
    def from_frame(
        cls,
        frame: Frame,
        schema: Schema,
        calendar: Calendar = None,
        like: Panel | None = None,
        categorical: bool | None = None,
    ) -> Panel:
        """Order and check a frame.

        Parameters
        ----------
        frame : Series or DataFrame
            Of any accepted shape; it is not changed.
        schema : Schema
            Roles of the columns; an unresolved target is looked up in the frame.
        calendar : str, pandas.DateOffset, TimeRule or mapping, optional
            How timestamps follow one another; None learns the step from the frame.
        like : Panel, optional
            Reuse its time rules (unless ``calendar`` maps ids to exchanges) and its categorical columns.
        categorical : bool, optional
            Whether the target holds categories; default: as it does in ``like``, or as its dtype says.

        Returns
        -------
        Panel
            The series, ordered by id and time.

        Raises
        ------
        DataError
            Columns are missing or not numbers, timestamps are repeated, missing or off the calendar; the message names
            the first culprits.
        """
        parsed = with_id(parse_frame(frame, schema), schema.static)
        schema = schema.resolve(parsed.columns.columns)
        order, indptr, ids, input_order = row_order(parsed)
        times = parsed.times if order is None else parsed.times.take(order)
        if like is None or isinstance(calendar, Mapping):
            rules = rules_for(calendar, times, indptr, ids)
        else:
            check_alike(like.times, times)
            rules = like.rules
        if like is not None and categorical is None:
            categorical = like.classes is not None
        known = {} if like is None else like.is_category
        known |= {} if categorical is None else dict.fromkeys(schema.target, categorical)
        values, static, categories, classes = read_columns(parsed, schema, known, order)
        if classes is not None and like is not None and like.classes is not None:
            classes = classes.joined(like.classes)
        static = constant(static, indptr, ids, schema.static, categories[len(categories) - len(schema.static) :])
        rest = times, ids, input_order, schema, parsed.layout, rules
        weight = read_weight(parsed, schema, order)
        panel = _without_strangers(cls(values, static, indptr, *rest, weight=weight, classes=classes))
        panel.check_regular(calendar)
        return panel._coded(categories)._with_calendar()

    @classmethod
    def from_prices(cls, frame: Frame, field: str = "close") -> Panel:
        """Order a price frame of any accepted shape, gaps allowed; field names match in any case.

        A frame with one column per ticker and no column ``field`` holds that field of every ticker. Opens are read
        beside a ``field`` of "close" only: next to an adjusted close, raw opens would invent moves at night.

        Parameters
        ----------
        frame : Series or DataFrame
            Of any accepted shape; a long frame may name its id and time columns as it likes.
        field : str
            Which price to read.

        Returns
        -------
        Panel
            With the channels ``field`` and, if there, the open.

        Raises
        ------
        DataError
            There is no such field, or the frame cannot be ordered.
        """
        frame = as_pandas(frame)
        if isinstance(frame, pd.Series):
            frame = frame.to_frame(field if frame.name is None else frame.name)
            names = {field.lower(): frame.columns[0]}
        else:
            frame, names = named_fields(frame, field)
        if field.lower() not in names:
            raise DataError(f"the prices have no column {field!r}; they have {listed(frame.columns)}.")
        opens = [names["open"]] if field.lower() == "close" and "open" in names else None
        id_column, time_column = key_columns(frame)
        schema = Schema.of(names[field.lower()], past=opens, id_column=id_column, time_column=time_column)
        return cls.from_frame(frame, schema, AsRecorded(), categorical=False)

    def _coded(self, categories: Categories) -> Panel:
        """With the categories of its columns; 0 is the code of a missing one."""
        n = len(self.values.T) - len(self.schema.target)
        none = (None,) * len(self.schema.target)
        values, static = filled(self.values, none + categories[:n]), filled(self.static, categories[n:])
        coded = any(column is not None for column in categories)
        return replace(self, values=values, static=static, categories=categories if coded else ())

    def _with_calendar(self) -> Panel:
        """With covariates of the calendar, if the schema has them, computed for all rows."""
        if not self.schema.calendar:
            return self
        names, columns = calendar_columns(self.times, self.rules, self.indptr)
        if self.schema.calendar not in (names, (CALENDAR,)):
            raise DataError(f"the calendar has the covariates {names} here, and had {self.schema.calendar} in fit.")
        n, categories = len(self.schema.measured), self.categories
        if categories:
            before, static = len(self.schema.past + self.schema.known), len(categories) - len(self.schema.static)
            categories = (*categories[:before], *[None] * len(names), *categories[static:])
        values = np.concatenate([self.values.T[:n], columns.T]).T  # each column contiguous
        schema = replace(self.schema, calendar=names)
        return replace(self, values=values, schema=schema, categories=categories)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_targets(self) -> int:
        """Number of target columns, which come first among the values."""
        return len(self.schema.target)

    @property
    def lengths(self) -> Index:
        """(S,) rows per series."""
        return np.diff(self.indptr)

    @property
    def series_of_row(self) -> Index:
        """(T,) the series that each row belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def position(self) -> Index:
        """(T,) the place of each row in its series."""
        return np.arange(len(self.times)) - np.repeat(self.indptr[:-1], self.lengths)

    @cached_property
    def stamps(self) -> pd.Index:
        """All timestamps that occur, once each and in order."""
        return self.times.unique().sort_values()

    def series_of(self, rows: Index) -> Index:
        """The series that rows belong to.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Rows of the panel, 0..T - 1, in any order.

        Returns
        -------
        ndarray of shape (n,)
            Positions in ``ids``.
        """
        return np.searchsorted(self.indptr, rows, side="right") - 1

    def rows_at(self, stamps: pd.Index, n: int) -> Index:
        """The rows at some timestamps that have enough rows of their series behind them.

        Parameters
        ----------
        stamps : Index
            Timestamps.
        n : int
            Rows needed up to each of them, itself included.

        Returns
        -------
        ndarray of shape (n_rows,)
            In order.
        """
        rows = np.flatnonzero(self.times.isin(stamps))
        return rows[rows - self.indptr[self.series_of(rows)] >= n - 1]

    def steps_after(self, rows: Index, n: int) -> Index:
        """The rows that follow others, whether or not they lie in the same series.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Rows of the panel.
        n : int
            Rows after each of them.

        Returns
        -------
        ndarray of shape (n_rows, n)
            ``rows + 1`` to ``rows + n``.
        """
        return rows[:, None] + np.arange(1, n + 1)

    @property
    def n_categories(self) -> tuple[int, ...]:
        """How many categories every covariate has, 0 for numbers; () if all are numbers. See `Layout`."""
        sizes = tuple(0 if categories is None else len(categories) for categories in self.categories)
        return sizes if any(sizes) else ()

    @property
    def n_classes(self) -> int:
        """How many categories the target has, 0 for numbers. See `Layout`."""
        return 0 if self.classes is None else len(self.classes)

    @property
    def category_of(self) -> dict[Hashable, pd.Index]:
        """The categories of covariates that have some, by name."""
        named = zip(self.schema.covariates + self.schema.static, self.categories)
        return {name: categories for name, categories in named if categories is not None}

    @property
    def is_category(self) -> dict[Hashable, bool]:
        """Whether a covariate is categories, by name."""
        return {name: name in self.category_of for name in self.schema.covariates + self.schema.static}

    @property
    def unscaled(self) -> Mask:
        """(n,) covariates that mean the same in all data: codes, and what the calendar says."""
        fixed = [coded or name in self.schema.calendar for name, coded in self.is_category.items()]
        return np.array(fixed, dtype=np.bool_)

    def with_observed_categories(self) -> Panel:
        """The same panel with only those categories that occur in it."""
        codes = [*self.values.T[self.n_targets :], *self.static.T]
        panel = self.recoded(tuple(None if k is None else k[occurring(c)] for k, c in zip(self.categories, codes)))
        if self.classes is None:
            return panel
        return panel.with_classes(self.classes.chosen(occurring(self.values[:, 0] + 1)))

    def with_classes(self, classes: Classes | None) -> Panel:
        """The same panel with the target's codes of other classes.

        Parameters
        ----------
        classes : Classes or None
            The new ones; None where the target is numbers.

        Returns
        -------
        Panel
            Where the target is none of them, it is missing.

        Raises
        ------
        DataError
            The target holds numbers in one and categories in the other, or none of the new classes.
        """
        if self.classes is None and classes is None:
            return self
        name = self.schema.target[0]
        if self.classes is None or classes is None:
            kinds = "numbers in fit, and categories" if classes is None else "categories in fit, and numbers"
            raise DataError(f"column {name!r} held {kinds} now.")
        if self.classes.values.equals(classes.values):
            return replace(self, classes=classes)
        codes = self.classes.recoded(self.values[:, 0], classes)
        if len(self.classes) and np.isnan(codes).all() and not np.isnan(self.values[:, 0]).all():
            kinds = f"such as {classes.values.tolist()[0]!r} in fit, and now only others"
            raise DataError(f"column {name!r} held categories {kinds}, such as {self.classes.values.tolist()[0]!r}.")
        return replace(self.with_values(np.arange(len(codes)), slice(0, 1), codes[:, None]), classes=classes)

    def with_checked_weight(self, name: Hashable | None) -> Panel:
        """The same panel, ready for training.

        Parameters
        ----------
        name : hashable or None
            The column of weights.

        Returns
        -------
        Panel
            Without weights if there is no name; 0 where a weight is missing and nothing else is there to count.

        Raises
        ------
        DataError
            The frame has no such column, or it holds other than numbers of 0 or more.
        """
        if name is None:
            return self if self.weight is None else replace(self, weight=None)
        if self.weight is None:
            raise DataError(f"the column of weights, {name!r}, is not in the frame; only forecasts do without it.")
        idle = np.isnan(self.values[:, : self.n_targets]).all(axis=1) & np.isnan(self.weight)
        weight = np.where(idle, 0.0, self.weight)
        check_weights(weight, f"column {name!r}", self._place)
        return replace(self, weight=weight)

    def _place(self, row: int) -> str:
        """Where a row is, for a message."""
        name = self.ids[self.series_of(np.array([row]))[0]]
        return f"{self.times[row]}" if name is None else f"{name!r} {self.times[row]}"

    def recoded(self, categories: Categories) -> Panel:
        """The same panel with the codes of other categories.

        Parameters
        ----------
        categories : tuple of (Index or None)
            Categories of every covariate, in the order of the attribute; () where all are numbers.

        Returns
        -------
        Panel
            With the code 0 for categories that are not among the new ones.

        Raises
        ------
        DataError
            A covariate holds numbers in one and categories in the other, or text in one and numbers in the other.
        """
        if not (self.categories or categories):
            return self
        values, static = self.values.copy(), self.static.copy()
        columns = [*values.T[len(self.schema.target) :], *static.T]  # views
        nothing = (None,) * len(columns)
        names = self.schema.covariates + self.schema.static
        for column, name, present, wanted in zip(columns, names, self.categories or nothing, categories or nothing):
            column[:] = recoded(column, present, wanted, name)
        return replace(self, values=values, static=static, categories=categories)

    def check_regular(self, calendar: Calendar = None) -> None:
        """Raise a DataError that names the first missing timestamp, if there is one.

        Parameters
        ----------
        calendar : str, pandas.DateOffset, TimeRule or mapping, optional
            What the user said of the timestamps, for the advice.
        """
        blocks = [(0, len(self))] if len(self.rules) == 1 else pairwise(range(len(self) + 1))
        for rule, (first, last) in zip(self.rules, blocks):
            start, end = self.indptr[first], self.indptr[last]
            rows = self.times[start:end], self.indptr[first:last] - start, self.ids[first:last]
            check_regular(rule, *rows, calendar)

    def select(self, keep: Mask) -> Panel:
        """Some of the rows; series stay, even when empty.

        Parameters
        ----------
        keep : ndarray of shape (T,)
            True for the rows to keep.

        Returns
        -------
        Panel
            With the same series.
        """
        kept = np.concatenate([[0], np.cumsum(keep)])
        rest = {"times": self.times[keep], "indptr": kept[self.indptr], "weight": self._weight_of(keep)}
        return replace(self, values=self.values[keep], **rest)

    def before(self, cutoff: Any) -> Panel:
        """What was known at a moment; series stay, even when empty.

        Parameters
        ----------
        cutoff : timestamp
            Last timestamp to keep, of the same kind as ``times``.

        Returns
        -------
        Panel
            Rows dated up to and including the cutoff.
        """
        return self.select(np.asarray(self.times <= cutoff))

    def with_min_length(self, n: int) -> Panel:
        """The series that are long enough.

        Parameters
        ----------
        n : int
            Rows that a series must have.

        Returns
        -------
        Panel
            Without shorter series; it may be empty.
        """
        return self.chosen(self.lengths >= n)

    def chosen(self, series: Mask) -> Panel:
        """Some of the series.

        Parameters
        ----------
        series : ndarray of shape (S,)
            True for the series to keep.

        Returns
        -------
        Panel
            Without the others; it may be empty.
        """
        return self._taken(np.flatnonzero(series[self.series_of_row]), np.flatnonzero(series))

    def tail(self, n: int) -> Panel:
        """The end of every series.

        Parameters
        ----------
        n : int
            Rows to keep of each.

        Returns
        -------
        Panel
            Shorter series are kept whole.
        """
        if (self.lengths <= n).all():
            return self
        lengths = np.minimum(self.lengths, n)
        rows, indptr = stretches(self.indptr[1:] - lengths, lengths), np.concatenate([[0], np.cumsum(lengths)])
        rest = {"times": self.times.take(rows), "indptr": indptr, "weight": self._weight_of(rows)}
        return replace(self, values=_taken_rows(self.values, rows), **rest)

    def _weight_of(self, rows: Any) -> Array | None:
        return None if self.weight is None else self.weight[rows]

    def left_padded(self, n: int) -> Panel:
        """Series of a minimum length, with missing rows in front where they are shorter.

        Parameters
        ----------
        n : int
            Rows that every series has afterwards, at least.

        Returns
        -------
        Panel
            Rows in front are NaN and repeat the first timestamp of their series; without weights.
        """
        lacking = np.maximum(n - self.lengths, 0)
        if not lacking.any():
            return self
        indptr = self.indptr + np.concatenate([[0], np.cumsum(lacking)])
        front = np.repeat(self.indptr[:-1], lacking)
        rows = np.insert(np.arange(len(self.times)), front, front)
        added = np.insert(np.zeros(len(self.times), dtype=np.bool_), front, True)
        values = np.where(added[:, None], np.nan, self.values[rows])
        return replace(self, values=values, indptr=indptr, times=self.times.take(rows), weight=None)

    def tiled(self, n: int, first: int = 0, last: int | None = None) -> Panel:
        """Copies of successive series, one whole group after another.

        Parameters
        ----------
        n : int
            Number of copies.
        first : int, default 0
            The first series to copy.
        last : int or None, default None
            The one after the last series to copy; None copies up to the end.

        Returns
        -------
        Panel
            With n * (last - first) series; every id occurs n times.
        """
        last = len(self) if last is None else last
        rows = np.arange(self.indptr[first], self.indptr[last])
        return self._taken(np.tile(rows, n), np.tile(np.arange(first, last), n))

    def _taken(self, rows: Index, series: Index) -> Panel:
        """Whole series by position, as often and in the order as they are named, and their rows."""
        rules = self.rules if len(self.rules) == 1 else tuple(self.rules[s] for s in series)
        indptr = np.concatenate([[0], np.cumsum(self.lengths[series])])
        static, ids, input_order = self.static[series], self.ids.take(series), self.input_order[series]
        rest = (
            ids,
            input_order,
            self.schema,
            self.frame_layout,
            rules,
            self.categories,
            self._weight_of(rows),
            self.classes,
        )
        return Panel(_taken_rows(self.values, rows), static, indptr, self.times.take(rows), *rest)

    def with_values(self, rows: NDArray[Any], columns: slice, values: Any) -> Panel:
        """The same panel with other values in some places.

        Parameters
        ----------
        rows : ndarray of shape (n,), (n, m) or (T,)
            Rows to change, by position or as a mask.
        columns : slice
            Columns of ``values`` to change.
        values : float or ndarray
            Values for these places, in the data's units, of a shape that broadcasts to theirs.

        Returns
        -------
        Panel
            A copy; the panel itself stays as it is.
        """
        changed = self.values.copy(order="K")
        changed[rows, columns] = values
        return replace(self, values=changed)

    def extend(self, n: int) -> Panel:
        """Every series with the rows to come: the next timestamps, all values missing but those of the calendar.

        Parameters
        ----------
        n : int
            Rows to add to each series.

        Returns
        -------
        Panel
            With n more rows at the end of every series; without weights.

        Raises
        ------
        DataError
            A series is empty, or the calendar does not reach that far.
        """
        if (self.lengths == 0).any():
            raise DataError(f"series {self.ids[self.lengths == 0][0]!r} has no rows to continue.")
        last = self.times.take(self.indptr[1:] - 1)
        kind = pd.factorize(last)[0] if len(self.rules) == 1 else np.arange(len(self))
        first = np.unique(kind, return_index=True)[1]  # series that continue alike share the work
        blocks = [self.rules[series % len(self.rules)].after(last[series], n) for series in first]
        short = [str(last[series]) for series, block in zip(first, blocks) if len(block) < n]
        if short:
            raise DataError(f"the calendar records fewer than {n} timestamps after {short[0]}.")
        times = self.times.append([block.astype(self.times.dtype) for block in blocks])
        total, indptr = len(self.times), self.indptr + n * np.arange(len(self) + 1)
        known = np.ones(indptr[-1], dtype=np.bool_)
        known[self.steps_after(indptr[1:] - n - 1, n)] = False
        table = np.full((self.values.shape[1], len(known)), np.nan)
        for row, column in zip(table, self.values.T):
            row[known] = column
        source = np.cumsum(known)
        source -= 1
        source[~known] = (total + kind[:, None] * n + np.arange(n)).ravel()  # of the blocks
        return replace(self, values=table.T, indptr=indptr, times=times.take(source), weight=None)._with_calendar()

    def to_frame(self, rows: Index, columns: Mapping[Hashable, NDArray[Any]]) -> pd.DataFrame:
        """Lay out new columns in the shape of the frame that the panel was made from.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Rows of the panel, whose ids and timestamps the columns get.
        columns : mapping of hashable to ndarray of shape (n,)
            Values of every column, by name.

        Returns
        -------
        DataFrame
            Series in the order of that frame, each ordered by time.
        """
        series = self.series_of(rows)
        place = self.input_order[series]
        ahead = (place[1:] > place[:-1]) | ((place[1:] == place[:-1]) & (rows[1:] > rows[:-1]))
        order: Any = slice(None) if ahead.all() else np.lexsort((rows, place))
        ordered = {name: column[order] for name, column in columns.items()}
        return build_frame(self.frame_layout, self.ids.take(series[order]), self.times.take(rows[order]), ordered)

    def to_state(self) -> State:
        """Everything in the panel, for a model file.

        Returns
        -------
        State
            Its arrays, and the rest by name.

        Raises
        ------
        ConfigError
            If a time zone, a category or the like has no place in a model file.
        """
        config = {name: getattr(self, name) for name in ("schema", "frame_layout", "ids")}
        config |= {"rules": list(self.rules), "times": time_dtype(self.times), "times_name": self.times.name}
        config["categories"] = [None if names is None else _plain_items(names) for names in self.categories]
        if self.classes is not None:
            config["classes"] = {"values": _plain_items(self.classes.values), "dtype": self.classes.dtype}
            config["classes"] |= {"ordered": self.classes.ordered}
        stamps = self.times.asi8 if hasattr(self.times, "asi8") else self.times.to_numpy()
        arrays = {name: getattr(self, name) for name in ("values", "static", "indptr", "input_order")}
        arrays |= {} if self.weight is None else {"weight": self.weight}
        return State(type(self), config, arrays | {"times": stamps.astype(np.int64)})

    @classmethod
    def from_state(cls, state: State) -> Panel:
        """Make the panel of a model file again.

        Parameters
        ----------
        state : State
            What `to_state` gave, as far as it was read from a file: nothing in it is trusted.

        Returns
        -------
        Panel
            The series, in the same order.

        Raises
        ------
        ValueError
            If parts are missing, or do not fit together.
        """
        state.check_names(
            "schema", "frame_layout", "ids", "rules", "times", "times_name", "categories", optional=["classes"]
        )
        config, arrays = state.config, state.arrays
        roles, ids, rules = state.value("schema", Schema), state.value("ids", pd.Index), tuple(config["rules"])
        if not roles.target or not all(isinstance(rule, TimeRule) for rule in rules):
            raise ValueError("config.json does not say what is forecast, or how timestamps follow one another")
        sizes = (len(arrays["times"]), len(roles.dynamic)), (len(ids), len(roles.static))
        shapes = {"values": sizes[0], "static": sizes[1], "times": sizes[0][:1]}
        shapes |= {"indptr": (len(ids) + 1,), "input_order": (len(ids),)}
        shapes |= {"weight": sizes[0][:1]} if "weight" in arrays else {}
        check_arrays(arrays, shapes, integers=("indptr", "input_order", "times"))
        times = times_from(arrays["times"], state.value("times", str)).rename(config["times_name"])
        categories = tuple(None if items is None else _unique_items(items) for items in config["categories"])
        classes = None if config.get("classes") is None else _classes_from(config["classes"])
        rest = arrays["input_order"], roles, state.value("frame_layout", FrameLayout), rules, categories
        learnt = arrays.get("weight"), classes
        panel = cls(arrays["values"], arrays["static"], arrays["indptr"], times, ids, *rest, *learnt)
        _check_consistent(panel)
        return panel


def followed(older: Panel, newer: Panel) -> Panel:
    """Join the series of two panels: of each, the older rows that lead up to the newer ones without a gap, then these.

    Parameters
    ----------
    older : Panel
        Its rows that are as new as the first newer one of their series give way; so do all before a gap.
    newer : Panel
        Of the same columns and categories. Its static covariates count where a series is in both.

    Returns
    -------
    Panel
        All series, also those that are in one of the panels only.

    Raises
    ------
    DataError
        One holds a single series without an id, the other series with ids.

    Examples
    --------
    >>> from tsseq import load_sample
    >>> air = Panel.from_frame(load_sample("airline"), Schema())
    >>> after = air.select(air.times >= "1960-01-01")
    >>> len(followed(air.tail(24), after).times)  # a year, and the one before it
    24
    """
    if len({older.ids[0] is None, newer.ids[0] is None}) > 1:
        raise DataError("one frame holds a single series without an id, the other has ids; name the id in both.")
    ids = older.ids.append(newer.ids[~newer.ids.isin(older.ids)])
    by_time = ids.argsort() if len(ids) > 1 else np.zeros(1, dtype=np.int64)
    ids = ids.take(by_time)
    first, second = older.ids.get_indexer(ids), newer.ids.get_indexer(ids)  # -1 where there is no such series
    n_older = np.where(first < 0, 0, older.lengths[first])
    both = np.flatnonzero((first >= 0) & (second >= 0))
    n_older[both] = _lead(older, newer, first[both], second[both])
    n_newer = np.where(second < 0, 0, newer.lengths[second])
    starts = np.stack([older.indptr[first], newer.indptr[second] + len(older.times)], axis=1)  # (S, 2)
    rows = stretches(starts.ravel(), np.stack([n_older, n_newer], axis=1).ravel())
    indptr = np.concatenate([[0], np.cumsum(n_older + n_newer)])
    values = _taken_rows(np.concatenate([older.values.T, newer.values.T], axis=1).T, rows)
    static = np.where(second[:, None] < 0, older.static[first], newer.static[second])
    places = np.where(first < 0, len(older) + newer.input_order[second], older.input_order[first])
    rules = older.rules
    if len(rules) > 1:
        rules = tuple(older.rules[k] if k >= 0 else newer.rules[n % len(newer.rules)] for k, n in zip(first, second))
    weight = None if newer.weight is None else np.append(_weight_or_ones(older), newer.weight)[rows]
    rest = places.argsort().argsort(), older.schema, newer.frame_layout, rules, older.categories, weight, older.classes
    return Panel(values, static, indptr, older.times.append(newer.times).take(rows), ids, *rest)


def _lead(older: Panel, newer: Panel, first: Index, second: Index) -> Index:
    """(n,) rows of the series ``first`` of ``older`` that lead up to the series ``second`` of ``newer``; 0 at a gap."""
    extended, lead = older.extend(1), np.zeros(len(first), dtype=np.int64)
    begins = newer.times.take(newer.indptr[second])
    for k, series in enumerate(first):
        times = extended.times[extended.indptr[series] : extended.indptr[series + 1]]
        place = int(times.searchsorted(begins[k]))
        lead[k] = place if place < len(times) and times[place] == begins[k] else 0
    return lead


def _weight_or_ones(panel: Panel) -> Array:
    return np.ones(len(panel.times)) if panel.weight is None else panel.weight


def stretches(first: Index, lengths: Index) -> Index:
    """Rows one after another: those from each of ``first`` (n,) on, as many as ``lengths`` (n,) says.

    >>> stretches(np.array([5, 20]), np.array([3, 2])).tolist()
    [5, 6, 7, 20, 21]
    """
    rows = np.repeat(first + lengths - np.cumsum(lengths), lengths)
    rows += np.arange(len(rows))
    return rows


def _taken_rows(values: Array, rows: Index) -> Array:
    """Rows (n,) of a table (T, C), whose columns are contiguous."""
    return values.T.take(rows, axis=1).T


def _without_strangers(panel: Panel) -> Panel:
    """Leave out rows without any value that are none of a series: pauses, or holidays where exchanges differ."""
    rules = panel.rules if len(panel.rules) > 1 else panel.rules * len(panel)
    alike = len(panel.rules) == 1 and not isinstance(rules[0], Rows)
    if panel.frame_layout.kind not in ("wide", "closes") or alike:
        return panel
    keep = np.asarray(np.isfinite(panel.values).any(axis=1))
    for rule, (start, end) in zip(rules, pairwise(panel.indptr)):
        times = panel.times[start:end]
        if not isinstance(rule, Rows):
            keep[start:end] |= times.isin(rule.between(times[0], times[-1]))
    return panel.select(keep)


def _plain_items(categories: pd.Index) -> list[Any]:
    for item in categories:
        if not isinstance(item, (bool, str, int, float, np.generic)):
            raise ConfigError(f"categories in a model file are texts, numbers or booleans, not {item!r}.")
    return list(categories)


def _unique_items(items: Any) -> pd.Index:
    if not (isinstance(items, list) and all(isinstance(item, (bool, str, int, float)) for item in items)):
        raise ValueError(f"config.json has {str(items)[:80]} where categories were needed")
    categories = pd.Index(items)
    if not categories.is_unique:
        raise ValueError(f"config.json has categories that occur twice, {str(items)[:80]}")
    return categories


def _classes_from(parts: Any) -> Classes:
    """Classes of a model file."""
    values, dtype, ordered = _unique_items(parts["values"]), parts["dtype"], parts["ordered"]
    if dtype not in HOLDERS or not isinstance(ordered, bool):
        raise ValueError(f"config.json has categories of an unknown dtype, {dtype!r}")
    return Classes(values, dtype, ordered)


def _check_consistent(panel: Panel) -> None:
    """Raise a ValueError unless rows, ids, rules and categories fit one another."""
    indptr, n = panel.indptr.tolist(), len(panel)
    if n == 0 or indptr[0] != 0 or indptr[-1] != len(panel.times) or (panel.lengths < 1).any():
        raise ValueError("indptr does not divide the rows into series")
    if sorted(panel.input_order.tolist()) != list(range(n)) or not panel.ids.is_unique:
        raise ValueError("ids and their order do not fit together")
    if panel.times.hasnans:
        raise ValueError("a timestamp is missing")
    if len(panel.rules) not in (1, n):
        raise ValueError(f"there are {len(panel.rules)} time rules for {n} series")
    if not all(rule.fits(panel.times) for rule in panel.rules):
        raise ValueError("the time rules are for another kind of timestamps")
    columns = [*panel.values.T[len(panel.schema.target) :], *panel.static.T]
    if len(panel.categories) not in (0, len(columns)):
        raise ValueError(f"there are {len(panel.categories)} categories for {len(columns)} covariates")
    for column, categories in zip(columns, panel.categories):
        codes = np.arange(0 if categories is None else len(categories) + 1)
        if categories is not None and not np.isin(column[~np.isnan(column)], codes).all():
            raise ValueError(f"the covariates have codes beyond the {len(categories)} categories")
    codes = panel.values[np.isfinite(panel.values[:, 0]), 0]
    if panel.classes is not None and (len(panel.schema.target) > 1 or not np.isin(codes, range(panel.n_classes)).all()):
        raise ValueError(f"the targets have codes beyond the {panel.n_classes} classes of one")
