"""Copies of a frame in which the future is cut off or poisoned, prices are halved or returns are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tsseq.data.frames import build_frame, parse_frame
from tsseq.data.panel import PandasFrame
from tsseq.data.schema import Schema
from tsseq.typing import Array, Index

Change: TypeAlias = Callable[[Array, pd.Index], Array]  # values of a series and their times -> other values

PRICES = ("open", "high", "low", "close", "adj close", "adj_close", "vwap")
KINDS = ("missing", "huge", "noise")


def poisoned(frame: PandasFrame, schema: Schema, horizon: int, cutoff: Any, kind: str) -> PandasFrame:
    """Replace the rows after a cutoff.

    Parameters
    ----------
    frame : Series or DataFrame
        Any shape that `Forecaster.fit` takes; it is not changed.
    schema : Schema
        Roles of its columns. Known covariates are poisoned ``horizon`` rows later, static ones never.
    horizon : int
        Rows of known covariates after the cutoff that a forecast may read.
    cutoff : timestamp
        The last row that stays as it is. Series that begin after it stay as well, since those without any value are
        refused.
    kind : {"missing", "huge", "noise"}
        NaN, 1e30, or noise of mean size 100, positive where the series is.

    Returns
    -------
    Series or DataFrame
        A copy in the same shape.

    Examples
    --------
    >>> poisoned(pd.Series([1.0, 2.0, 3.0], name="y"), Schema.of("y"), 1, 1, "missing").tolist()
    [1.0, 2.0, nan]
    """
    rng = np.random.default_rng(0)

    def change(values: Array, times: pd.Index, start: int = 0) -> Array:
        after = np.flatnonzero(times > cutoff)[start:]
        if np.isfinite(values[times <= cutoff]).any():
            noise = 100 * rng.normal(size=len(after))
            noise = np.abs(noise) + 1e-3 if np.nanmin(values) >= 0 else noise
            poisons: dict[str, float | Array] = {"missing": np.nan, "huge": 1e30, "noise": noise}
            values[after] = poisons[kind]
        return values

    def choose(name: Hashable) -> Change | None:
        changes = partial(change, start=horizon) if name in schema.known else change
        return None if name in schema.static else changes

    return _edited(frame, schema, choose)


def cut(frame: PandasFrame, schema: Schema, horizon: int, cutoff: Any) -> PandasFrame:
    """Leave out what was not known at a cutoff.

    Parameters
    ----------
    frame : Series or DataFrame
        Any shape that `Forecaster.fit` takes; it is not changed.
    schema : Schema
        Roles of its columns.
    horizon : int
        Rows of known covariates after the cutoff that a forecast may read.
    cutoff : timestamp
        The last row that stays.

    Returns
    -------
    Series or DataFrame
        The rows up to the cutoff. With known covariates also the next ``horizon`` rows of the series that have begun:
        known covariates, static ones, ids and times as they are, and in all other columns the last value again, which
        says nothing of what is to come.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0], "promo": [0, 1, 0, 1]})
    >>> cut(frame, Schema.of("y", known="promo"), horizon=1, cutoff=1).to_dict("list")
    {'y': [1.0, 2.0, 2.0], 'promo': [0, 1, 0]}
    """
    parsed = parse_frame(frame, schema)
    wide = parsed.layout.kind in ("wide", "closes")
    times = frame.index if wide else parsed.times
    series = 0 if wide or parsed.ids is None else pd.factorize(parsed.ids)[0]
    rows = pd.DataFrame({"series": series, "time": times}).sort_values(["series", "time"], kind="stable")
    past = rows[rows["time"] <= cutoff]
    last = pd.Series({name: group.index[-1] for name, group in past.groupby("series")}, dtype=np.int64)
    coming = rows[(rows["time"] > cutoff) & rows["series"].isin(last.index)]
    coming = coming.groupby("series").head(horizon if schema.known else 0)
    source = pd.concat([pd.Series(past.index, past.index), pd.Series(last[coming["series"]].array, coming.index)])
    source = source.sort_index()
    places = source.index.to_numpy()
    copy = frame.iloc[source.to_numpy()].copy()
    copy.index = frame.index[: len(places)] if len(places) == places.max(initial=-1) + 1 else frame.index[places]
    if isinstance(frame, pd.Series):
        return copy
    field = 1 - parsed.layout.id_level if copy.columns.nlevels == 2 else 0
    same = (*schema.known, *schema.static, *parsed.layout.names)
    for name, column in frame.items() if len(coming) else ():
        if (name[field] if copy.columns.nlevels == 2 else name) in same:
            copy[name] = column.array.take(places)
    if wide:  # tickers that have not begun are unknown
        observed = frame.iloc[past.index].notna().any()
        tickers = copy.columns.get_level_values(parsed.layout.id_level if copy.columns.nlevels == 2 else 0)
        copy = copy.loc[:, observed.groupby(tickers).transform("any").to_numpy()]
    return copy


def carried(frame: PandasFrame, schema: Schema, cutoff: Any) -> PandasFrame:
    """Repeat the last values at a cutoff that lies in a gap of a series, which was halted and goes on later.

    Whoever fills gaps (`tsseq.regularize`) has rows there that no frame has which is cut at it, since it ends before.

    Parameters
    ----------
    frame : Series or DataFrame
        Any shape that `Forecaster.fit` takes; it is not changed.
    schema : Schema
        Roles of its columns.
    cutoff : timestamp
        Where the values are repeated, of all columns and series that have some before and after it.

    Returns
    -------
    Series or DataFrame
        A copy in the same shape; the frame itself if nothing is missing at the cutoff.

    Examples
    --------
    >>> carried(pd.Series([1.0, 2.0, 4.0], [0, 1, 5], name="y"), Schema.of("y"), 3).to_dict()
    {0: 1.0, 1: 2.0, 3: 2.0, 5: 4.0}
    """
    parsed = parse_frame(frame, schema)
    n, early = len(parsed.times), np.asarray(parsed.times <= cutoff)
    series = np.zeros(n, dtype=np.int64) if parsed.ids is None else pd.factorize(parsed.ids)[0]
    at = np.asarray(parsed.times == cutoff)
    halted = np.setdiff1d(np.intersect1d(series[early], series[~early]), series[at])
    if not len(halted) and parsed.columns[at].notna().all(axis=None):
        return frame
    last = pd.Series(np.flatnonzero(early)).groupby(series[early]).max()[halted].to_numpy()
    series = np.insert(series, last + 1, halted)  # a new row comes after the earlier ones of its series
    times = parsed.times.insert(n, cutoff).take(np.insert(np.arange(n), last + 1, n))
    ids = times if parsed.ids is None else parsed.ids.take(np.insert(np.arange(n), last + 1, last))
    columns = parsed.columns.reindex(np.insert(np.arange(n), last + 1, n)).reset_index(drop=True)
    groups = columns.iloc[np.argsort(pd.factorize(times, sort=True)[0], kind="stable")].groupby(lambda row: series[row])
    filled = groups.ffill().where(groups.bfill().notna()).sort_index()
    columns = columns.mask(np.asarray(times == cutoff)[:, None] & np.ones(columns.shape, dtype=np.bool_), filled)
    whole = {name: parsed.columns[name].dtype for name in columns if columns[name].notna().all()}
    arrays = {name: column.array for name, column in columns.astype(whole).items()}
    copy = build_frame(parsed.layout, ids, times, arrays)
    return copy.iloc[:, 0].rename(frame.name) if isinstance(frame, pd.Series) else copy


def halved(frame: PandasFrame, schema: Schema, until: Any) -> PandasFrame:
    """Halve the prices up to a date, as after a later 2:1 split: targets, and open, high, low, ...

    Parameters
    ----------
    frame : Series or DataFrame
        Any shape that `Forecaster.fit` takes; it is not changed.
    schema : Schema
        Roles of its columns.
    until : timestamp
        The last row that is halved.

    Returns
    -------
    Series or DataFrame
        A copy in the same shape.

    Examples
    --------
    >>> halved(pd.Series([1.0, 2.0, 3.0], name="y"), Schema.of("y"), 1).tolist()
    [0.5, 1.0, 3.0]
    """

    def change(values: Array, times: pd.Index) -> Array:
        return np.where(times <= until, values / 2, values)

    def choose(name: Hashable) -> Change | None:
        return change if name in schema.target or str(name).lower() in PRICES else None

    return _edited(frame, schema, choose)


def shuffled(frame: PandasFrame, schema: Schema, seed: int) -> PandasFrame:
    """Put the changes of the targets in random order, without drift, so that nothing can be forecast.

    Parameters
    ----------
    frame : Series or DataFrame
        Any shape that `Forecaster.fit` takes; it is not changed.
    schema : Schema
        Roles of its columns. Changes are relative where all values of a series are above 0.
    seed : int
        Seed of the order.

    Returns
    -------
    Series or DataFrame
        A copy in the same shape.

    Examples
    --------
    >>> shuffled(pd.Series([0.0, 1.0, 3.0, 3.0], name="y"), Schema.of("y"), seed=0).round(2).tolist()
    [0.0, -1.0, -1.0, 0.0]
    """
    rng = np.random.default_rng(seed)

    def change(values: Array, times: pd.Index) -> Array:
        observed = np.isfinite(values)
        relative = bool((values[observed] > 0).all())
        path = np.log(values[observed]) if relative else values[observed]
        steps = np.diff(path)
        if len(steps):
            path[1:] = path[0] + np.cumsum(rng.permutation(steps - steps.mean()))
        values[observed] = np.exp(path) if relative else path
        return values

    return _edited(frame, schema, lambda name: change if name in schema.target else None)


def _edited(frame: PandasFrame, schema: Schema, choose: Callable[[Hashable], Change | None]) -> PandasFrame:
    """Apply to every series of a column the change that ``choose`` has for the name of the column."""
    parsed = parse_frame(frame, schema)
    stamps = pd.factorize(parsed.times, sort=True)[0]
    codes = np.zeros(len(stamps), dtype=np.int64) if parsed.ids is None else pd.factorize(parsed.ids)[0]
    order = np.lexsort((stamps, codes))
    blocks = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)  # the rows of every series, in order of time
    columns = {name: _changed(column, choose(name), blocks, parsed.times) for name, column in parsed.columns.items()}
    ids = parsed.times if parsed.ids is None else parsed.ids  # a single series is laid out without ids
    copy = build_frame(parsed.layout, ids, parsed.times, columns)
    return copy.iloc[:, 0].rename(frame.name) if isinstance(frame, pd.Series) else copy


def _changed(column: pd.Series[Any], change: Change | None, blocks: list[Index], times: pd.Index) -> Any:
    """Values of a column; where it does not hold numbers, those that a change of zeros reaches are missing."""
    if change is None:
        return column.array
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    values = column.to_numpy(np.float64, na_value=np.nan, copy=True) if numeric else np.zeros(len(column))
    for rows in blocks:
        values[rows] = change(values[rows], times.take(rows))
    return values if numeric else column.mask(values != 0.0).array
