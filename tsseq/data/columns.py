"""Columns of a frame as numbers: numeric ones as they are, categories as codes.

A covariate is categorical if its dtype is category, or if it holds text that does not read as numbers. Its codes are
1 to K; 0 is a category that was not there in fit, or none. NaN is where nothing was looked up, as in rows to come.

A target is categorical under the same conditions, or if it is boolean. Its codes are 0 to K - 1, and NaN is a missing
one or one that was not there in fit: see `Classes`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd

from tsseq.data.frames import ParsedFrame, without_arrow
from tsseq.data.schema import Schema
from tsseq.errors import ConfigError, DataError
from tsseq.typing import Array, Index

LARGEST = 1e200  # larger ones stand for a missing value, or become infinite on the way

Categories: TypeAlias = tuple[pd.Index | None, ...]
HOLDERS = ("object", "str", "string", "bool", "boolean", "category")  # dtypes of targets that come back


def read_columns(
    parsed: ParsedFrame, schema: Schema, known: Mapping[Hashable, bool], order: Index | None
) -> tuple[Array, Array, Categories, Classes | None]:
    """Columns (T, n) and static columns (T, m), each one contiguous, and the categories of covariates and target.

    ``known`` says of those in `fit` whether they have some. Row k is row ``order[k]`` of the frame.
    """
    names, categories = schema.measured + schema.static, []
    classes: Classes | None = None
    table = np.empty((len(schema.measured), len(parsed.times))), np.empty((len(schema.static), len(parsed.times)))
    for name, row in zip(names, (row for rows in table for row in rows)):
        if name in schema.target:
            column, own = target(parsed, name, known.get(name))
            classes = classes if own is None else own
        else:
            column, labels = covariate(parsed, name, known.get(name))
            categories.append(labels)
        if order is None:
            row[:] = column
        else:
            np.take(column, order, out=row, mode="clip")  # which does not buffer
    if classes is not None and len(schema.target) > 1:
        advice = "forecast such a column alone, with the others as past covariates"
        raise ConfigError(f"of several targets, {list(schema.target)}, none may hold categories; {advice}.")
    return table[0].T, table[1].T, tuple(categories), classes


def read_weight(parsed: ParsedFrame, schema: Schema, order: Index | None) -> Array | None:
    """The column of weights (T,) in the order of `read_columns`; None without one, since only training needs it."""
    if schema.weight is None or schema.weight not in parsed.columns:
        return None
    weight = numbers(parsed, schema.weight)
    return weight if order is None else weight[order]


def check_weights(weights: Array, name: str, place: Callable[[int], str]) -> None:
    """Raise a DataError unless weights (n,) are numbers of 0 or more, and one of them is above 0.

    ``name`` is what they are called, and ``place`` says where one of them is.
    """
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        first = f"{weights[bad[0]]:g} at {place(int(bad[0]))}"
        needed = "weights are numbers of 0 (which leaves a row out) or more"
        raise DataError(f"{name} has {len(bad)} values that are no weights (first: {first}); {needed}.")
    if not weights.any():
        raise DataError(f"{name} is zero everywhere, so that there is nothing to learn from; give some rows a weight.")


def with_id(parsed: ParsedFrame, static: Sequence[Hashable]) -> ParsedFrame:
    """With the ids as a column of categories, if ``static`` names them."""
    name = parsed.layout.names[0]
    if parsed.ids is None or name not in static or name in parsed.columns:
        return parsed
    columns = parsed.columns.copy()
    columns[name] = pd.Categorical(parsed.ids)
    return replace(parsed, columns=columns)


def covariate(parsed: ParsedFrame, name: Hashable, categorical: bool | None) -> tuple[Array, pd.Index | None]:
    """The numbers (T,) of a column and None; or codes, NaN where missing, and the categories that they stand for.

    ``categorical`` says which of the two; None leaves it to the column.
    """
    column = without_arrow(parsed.columns[name])
    categories = None if categorical is False else categories_of(column, bool(categorical))
    if categories is None:
        return numbers(parsed, name, " If it holds categories, use .astype('category')."), None
    codes, present = pd.factorize(column)  # -1 is missing
    return np.append(categories.get_indexer(_plain(present)) + 1.0, np.nan)[codes], categories


def target(parsed: ParsedFrame, name: Hashable, categorical: bool | None) -> tuple[Array, Classes | None]:
    """The numbers (T,) of a column and None; or codes, NaN where missing, and the classes that they stand for."""
    column = without_arrow(parsed.columns[name])
    classes = None if categorical is False else Classes.of(column, bool(categorical))
    if classes is None:
        return numbers(parsed, name, " If it holds categories, use .astype('category')."), None
    n_observed, text = column.notna().sum(), categorical is None and classes.dtype != "category"
    if text and len(classes) > max(20, n_observed / 3):  # numbers with units, dates, lists read from a file
        what = (
            f"target {name!r} holds {len(classes)} different texts in {n_observed} rows, such as {classes.values[0]!r}"
        )
        raise DataError(f"{what}; categories repeat. Convert it to numbers, or use .astype('category').")
    return classes.codes(column), classes


@dataclass(frozen=True, eq=False)
class Classes:
    """The categories that a target is one of, and what the column was that held them.

    Attributes
    ----------
    values : Index of shape (K,)
        The category that each code stands for: in the order of a categorical dtype, else sorted.
    dtype : str
        Dtype of the column, one of `HOLDERS`.
    ordered : bool, default False
        Whether a categorical dtype is ordered.

    Examples
    --------
    >>> classes = Classes.of(pd.Series(["up", "down", None, "up"]))
    >>> classes.values.tolist(), classes.codes(pd.Series(["up", "flat"])).tolist()
    (['down', 'up'], [1.0, nan])
    """

    values: pd.Index
    dtype: str
    ordered: bool = False

    @classmethod
    def of(cls, column: pd.Series, certain: bool = False) -> Self | None:
        """The categories that occur in a column; None if it holds numbers, unless ``certain`` takes them for some."""
        boolean = pd.api.types.is_bool_dtype(column.dtype)
        boolean |= column.dtype == object and pd.api.types.infer_dtype(column) == "boolean"
        values = categories_of(column, certain or boolean)
        if values is not None and len({str(value) for value in values}) < len(values):
            alike = f"categories of column {column.name!r} read alike, such as 1 and '1'"
            raise DataError(f"{alike}; make them of one kind.")
        dtype = str(column.dtype) if str(column.dtype) in HOLDERS else "object"
        return None if values is None else cls(values, dtype, bool(getattr(column.dtype, "ordered", False)))

    def __len__(self) -> int:
        return len(self.values)

    def codes(self, column: pd.Series) -> Array:
        """(n,) positions of a column's values; NaN where one is missing, or no category."""
        numbers, present = pd.factorize(column)  # -1 is missing
        codes: Array = self._places(_plain(present))[numbers]
        return codes

    def recoded(self, codes: Array, wanted: Classes) -> Array:
        """Codes of these classes as codes of others; NaN where these lack one."""
        recoded: Array = wanted._places(self.values)[np.where(np.isfinite(codes), codes, -1).astype(np.int64)]
        return recoded

    def _places(self, values: pd.Index) -> Array:
        """(n + 1,) codes of some values, then NaN."""
        places = self.values.get_indexer(values)
        return np.append(np.where(places < 0, np.nan, places), np.nan)

    def column(self, codes: Array) -> Any:
        """(n,) codes as a column of the dtype that they came in; missing where a code is NaN."""
        places = np.where(np.isfinite(codes), codes, -1).astype(np.int64)
        if self.dtype == "category":
            return pd.Categorical.from_codes(places, self.values, ordered=self.ordered)
        column = pd.Series(self.values, dtype=self.dtype).reindex(places)
        return pd.Index(column, dtype=column.dtype)

    def chosen(self, places: Index) -> Classes:
        """Some of the categories, by position."""
        return replace(self, values=self.values.take(places))

    def joined(self, older: Classes) -> Classes:
        """With the categories that only ``older`` has behind these."""
        return replace(self, values=self.values.append(older.values[~older.values.isin(self.values)]))


def categories_of(column: pd.Series, certain: bool = False) -> pd.Index | None:
    """The categories that occur in a column, in the order of a categorical dtype, else sorted; None if it has none.

    Text is categories, unless some of it can be read as numbers; ``certain`` takes any values for categories.

    >>> categories_of(pd.Series(["snow", "rain", None, "snow"])).tolist()
    ['rain', 'snow']
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _plain(column.cat.remove_unused_categories().cat.categories)
    text = column.dtype == object or isinstance(column.dtype, pd.StringDtype)
    if not (text or certain):
        return None
    try:
        values = _plain(column.dropna().unique())
    except TypeError:  # lists, say
        return None
    text = text and len(values) > 0 and _is_text(values) and pd.to_numeric(values, errors="coerce").isna().all()
    return _plain(pd.Categorical(values).categories) if text or certain else None


def filled(values: Array, categories: Categories) -> Array:
    """(n, m) with 0 for NaN in columns of codes."""
    if all(names is None for names in categories):
        return values
    values = values.copy(order="K")
    for column, names in zip(values.T, categories):  # views
        if names is not None:
            column[np.isnan(column)] = 0.0
    return values


def joined_categories(older: Categories, newer: Categories) -> Categories:
    """Categories of every covariate: the older ones, whose codes stay, then those that only the newer panel has.

    >>> [names.tolist() for names in joined_categories((pd.Index(["b", "d"]),), (pd.Index(["a", "b"]),))]
    [['b', 'd', 'a']]
    """
    pairs = zip(older, newer or (None,) * len(older))
    return tuple(
        names if names is None or new is None or not len(names) else names.append(new[~new.isin(names)])
        for names, new in pairs
    )


def occurring(codes: Array) -> Index:
    """Positions of the categories that codes (n,) name."""
    return np.unique(codes[codes > 0]).astype(np.int64) - 1


def recoded(codes: Array, present: pd.Index | None, wanted: pd.Index | None, name: Hashable) -> Array:
    """Codes of the categories ``present`` as codes of ``wanted``; 0 where these lack one, NaN stays."""
    if present is None and wanted is None:
        return codes
    if present is None or wanted is None:
        kinds = "numbers in fit, and categories" if wanted is None else "categories in fit, and numbers"
        raise DataError(f"column {name!r} held {kinds} now.")
    if len(present) and len(wanted) and _is_text(present) != _is_text(wanted):
        old, new = wanted.tolist()[0], present.tolist()[0]
        raise DataError(f"column {name!r} held categories such as {old!r} in fit, and now {new!r}.")
    code = np.append(0.0, wanted.get_indexer(present) + 1.0)
    return np.where(np.isnan(codes), np.nan, code[np.nan_to_num(codes).astype(np.int64)])


def dummies(values: Array, n_categories: Sequence[int]) -> Array:
    """(n, m) -> (n, more): columns of codes become a column of 0 and 1 for each category; an unknown one has only 0.

    >>> dummies(np.array([[0.5, 2.0], [1.5, 0.0]]), (0, 2))
    array([[0.5, 0. , 1. ],
           [1.5, 0. , 0. ]])
    """
    parts = [values[:, :0]]
    for column, n in zip(values.T[:, :, None], n_categories):
        parts.append(np.where(np.isnan(column), np.nan, column == np.arange(1, n + 1)) if n else column)
    return np.concatenate(parts, axis=1)


def _plain(values: Any) -> pd.Index:
    """The same values in the dtype that they themselves suggest, so that equal ones are equal whatever held them."""
    return pd.Index(list(values))


def _is_text(values: pd.Index) -> bool:
    return all(isinstance(value, str) for value in values)


def numbers(parsed: ParsedFrame, name: Hashable, advice: str = "") -> Array:
    """A column as float64, or an error that shows the first value that is not a number, and ends in ``advice``."""
    column = parsed.columns[name]
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        values: Array = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        text = column.dtype != object or pd.api.types.infer_dtype(column) == "string"  # which pandas 2 calls object
        read = pd.Series(np.nan, column.index) if text else pd.to_numeric(column, errors="coerce")
        lost = np.flatnonzero(read.isna() & column.notna())
        if len(lost):
            first = f"{column.iloc[lost[0]]!r} at {parsed.place(lost[0])}"
            what = f"{len(lost)} values are not numbers (first: {first})"
            raise DataError(f"column {name!r} ({column.dtype}) is not numeric: {what}.{advice}")
        values = read.to_numpy(dtype=np.float64, na_value=np.nan)
    endless = np.flatnonzero(np.abs(values) > LARGEST)
    if len(endless):
        kind = "infinite values" if np.isinf(values[endless]).any() else f"values beyond {LARGEST:g}"
        what = f"column {name!r} has {len(endless)} {kind} (first: {parsed.place(endless[0])})"
        raise DataError(f"{what}. If they stand for missing ones, replace them by NaN.")
    return values


def constant(values: Array, indptr: Index, ids: pd.Index, names: tuple[Hashable, ...], categories: Categories) -> Array:
    """(T, n) -> (S, n): the one value of each series; rows that are missing are passed over."""
    low = np.fmin.reduceat(values, indptr[:-1])
    high = np.fmax.reduceat(values, indptr[:-1])
    bad = np.argwhere(low < high)
    if len(bad):
        series, column = bad[0]
        labels, limits = categories[column], (low[series, column], high[series, column])
        ends = [x if labels is None else repr(labels.tolist()[int(x) - 1]) for x in limits]
        change = f"{names[column]!r} of {ids[series]!r} goes from {ends[0]} to {ends[1]}"
        raise DataError(f"a static covariate has one value per series: {change}. Name it as past or known instead.")
    return low
