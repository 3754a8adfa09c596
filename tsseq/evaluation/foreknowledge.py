"""How much of the next changes the past explains, and how much covariates know of them beyond it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from tsseq.data.panel import Panel, stretches
from tsseq.typing import Array, Index

LAGS = (1, 2, 3, 5)
FEWEST_ROWS, MOST_ROWS = 50, 20_000
MOST_CATEGORIES = 10
UNEXPLAINED = 0.05  # share of squared changes, at most, of what is like a price
KNOWS, KNOWS_MORE, DETERMINES, FAR = 0.3, 0.5, 0.8, 4.0  # correlations; standard errors


class Changes(NamedTuple):
    """The changes of a target over some rows, and what its own past says of them.

    Attributes
    ----------
    origins : ndarray of shape (n,)
        Rows of the panel that the changes set out from.
    step : int
        Rows until the value that they lead to.
    change : ndarray of shape (n,)
        Changes, of logarithms where all values of a series are above 0, in units of the series' deviation over a row.
    basis : ndarray of shape (n, K)
        Orthonormal columns: a constant, the level, earlier changes, and what happened a season before.

    Examples
    --------
    >>> from tsseq import load_sample
    >>> from tsseq.data import Schema
    >>> panel = Panel.from_frame(load_sample("airline"), Schema.of("passengers"))
    >>> round(Changes.of(panel, paths(panel, 0), 1).explained, 1)  # by the season, most of all
    0.8
    """

    origins: Index
    step: int
    change: Array
    basis: Array

    @classmethod
    def of(cls, panel: Panel, target: tuple[Array, Array], step: int) -> Self:
        """Read the changes of one target.

        Parameters
        ----------
        panel : Panel
            The whole history.
        target : tuple of ndarray of shape (T,)
            Its `paths`.
        step : int
            Rows ahead.

        Returns
        -------
        Changes
            At most 20,000 of them, evenly spread over the rows; none where there are fewer than 50.
        """
        (path, filled), lags = target, _lags(panel, step)
        longest = max(lags)
        origins = stretches(panel.indptr[:-1] + longest, np.maximum(panel.lengths - longest - step, 0))
        origins = origins[np.isfinite(path[origins] + path[origins + step] + filled[origins - longest])]
        origins = origins[:: 1 + len(origins) // MOST_ROWS]
        if len(origins) < FEWEST_ROWS:
            return cls(origins[:0], step, np.zeros(0), np.zeros((0, 1)))
        now = filled[origins]
        past = [np.ones(len(origins)), now, *(now - filled[origins - lag] for lag in lags)]
        return cls(origins, step, path[origins + step] - path[origins], _orthonormal(np.column_stack(past)))

    @property
    def explained(self) -> float:
        """Share of the squared changes that the past explains in hindsight, adjusted for K; NaN without rows."""
        size, (n, k) = float(self.change @ self.change), self.basis.shape
        if size == 0:
            return np.nan
        share = float(np.sum((self.basis.T @ self.change) ** 2)) / size
        return max(0.0, float(1 - (1 - share) * n / (n - k)))

    def beside(self, columns: Array) -> Changes:
        """The same changes, explained by more.

        Parameters
        ----------
        columns : ndarray of shape (n, m)
            What else is known of every change.

        Returns
        -------
        Changes
            With m more columns in the basis.
        """
        if columns.shape[1] == 0:
            return self
        return self._replace(basis=_orthonormal(np.column_stack([self.basis, columns])))

    def correlation(self, column: Array) -> float:
        """Correlation of the changes with what a column says beyond the past.

        Parameters
        ----------
        column : ndarray of shape (n,)
            A value for every change.

        Returns
        -------
        float
            Between -1 and 1; 0 for a column that follows from the past.
        """
        change, extra = (values - self.basis @ (self.basis.T @ values) for values in (self.change, column))
        total = float(column @ column)
        size = float(np.sqrt((change @ change) * (extra @ extra)))
        return float(change @ extra) / size if size > 0 and extra @ extra > 1e-10 * total else 0.0


def explained_shares(panel: Panel, horizon: int) -> pd.DataFrame:
    """How much can be known of the changes of every target, in hindsight.

    Parameters
    ----------
    panel : Panel
        The whole history.
    horizon : int
        Rows ahead; steps are the first and the last one.

    Returns
    -------
    DataFrame
        Shares of the squared changes, NaN with fewer than 50 rows; index (target, step), columns "past" (what the
        target's own past explains) and "known" (together with known covariates and the calendar).

    Examples
    --------
    >>> from tsseq import load_sample
    >>> from tsseq.data import Schema
    >>> prices = Panel.from_frame(load_sample("sp500")[["close"]], Schema.of("close"), "XNYS")
    >>> explained_shares(prices, horizon=5)["past"].round(2).to_dict()
    {('close', 1): 0.01, ('close', 5): 0.01}
    """
    shares: dict[tuple[Hashable, int], tuple[float, float]] = {}
    for k, name in enumerate(panel.schema.target):
        target = paths(panel, k)
        for step in dict.fromkeys((1, horizon)):
            changes = Changes.of(panel, target, step)
            shares[name, step] = changes.explained, changes.beside(_known_columns(panel, changes)).explained
    keys = pd.MultiIndex.from_tuples(list(shares), names=["target", "step"])
    return pd.DataFrame(list(shares.values()), keys, ["past", "known"])


def foreknown(panel: Panel, horizon: int) -> pd.DataFrame:
    """What every numeric covariate knows of the next changes beyond the target's own past.

    Past covariates are read at the origin, known ones at the row to come; each as it is and as a change. Static ones
    are held against the change over the whole history, as step 0, if there are three series or more.

    Parameters
    ----------
    panel : Panel
        The whole history.
    horizon : int
        Rows ahead; steps are the first and the last one.

    Returns
    -------
    DataFrame
        Columns ``covariate, role, target, step, correlation, explained, n`` (independent dates, about), the largest
        correlation first.

    Examples
    --------
    >>> from tsseq import load_sample
    >>> from tsseq.data import Schema
    >>> prices = load_sample("sp500")[["close"]]
    >>> prices = prices.assign(tomorrow=prices["close"].pct_change().shift(-1), today=prices["close"].pct_change())
    >>> panel = Panel.from_frame(prices, Schema.of("close", past=["tomorrow", "today"]), "XNYS")
    >>> foreknown(panel, horizon=1).set_index("covariate")["correlation"].abs().round(2).to_dict()
    {'tomorrow': 1.0, 'today': 0.04}
    """
    rows = []
    for k, name in enumerate(panel.schema.target):
        target = paths(panel, k)
        for step in dict.fromkeys((1, horizon)):
            changes = Changes.of(panel, target, step)
            n = panel.times.take(changes.origins).nunique() / step
            for role, covariate, column in _covariates(panel) if len(changes.origins) else ():
                values = paths(panel, column)[1]
                end = changes.origins + (step if role == "known" else 0)
                level, before = np.nan_to_num(values[end]), np.nan_to_num(values[end - 1])
                best = max((changes.correlation(form) for form in (level, level - before)), key=abs)
                rows.append((covariate, role, name, step, best, changes.explained, n))
        rows += [(*row, Changes.of(panel, target, 1).explained, len(panel)) for row in _static_correlations(panel, k)]
    names = ["covariate", "role", "target", "step", "correlation", "explained", "n"]
    return pd.DataFrame(rows, columns=names).sort_values("correlation", key=abs, ascending=False, ignore_index=True)


def suspects(table: pd.DataFrame) -> pd.DataFrame:
    """Select covariates that know more than they can.

    Parameters
    ----------
    table : DataFrame
        As `foreknown` returns it.

    Returns
    -------
    DataFrame
        The row of each covariate with the largest correlation, if that is above 0.3 for past ones (0.5 where the past
        explains over a twentieth of the changes, since what is no price can be led), above 0.8 for known ones of what
        is like a price, and four standard errors away from 0.
    """
    is_price = table["explained"] <= UNEXPLAINED
    bar = np.where(is_price, KNOWS, KNOWS_MORE)
    bar = np.where(table["role"] == "past", bar, np.where(is_price, DETERMINES, np.inf))
    bar = np.maximum(bar, FAR / np.sqrt(table["n"]))
    return table[table["correlation"].abs() > bar].drop_duplicates("covariate")


def in_words(table: pd.DataFrame) -> str:
    """Name covariates and what they know.

    Parameters
    ----------
    table : DataFrame
        Rows of `foreknown`.

    Returns
    -------
    str
        Part of a sentence.

    Examples
    --------
    >>> rows = [("rate", "past", -0.31, 1), ("promo", "known", 0.9, 5)]
    >>> in_words(pd.DataFrame(rows, columns=["covariate", "role", "correlation", "step"]))
    "'rate' (past) -0.31 over 1 row, 'promo' (known) +0.90 over 5 rows"
    """
    spans = {0: "all rows", 1: "1 row"}
    columns = (table[name] for name in ("covariate", "role", "correlation", "step"))
    return ", ".join(f"{c!r} ({role}) {r:+.2f} over {spans.get(n, f'{n} rows')}" for c, role, r, n in zip(*columns))


def _covariates(panel: Panel) -> Iterator[tuple[str, Hashable, int]]:
    """Role, name and column of the covariates that are numbers and stand in the frame."""
    names = panel.schema.dynamic
    for role, members in (("past", panel.schema.past), ("known", panel.schema.known)):
        for name in members:
            if not panel.is_category[name]:
                yield role, name, names.index(name)


def _static_correlations(panel: Panel, target: int) -> Iterator[tuple[Hashable, str, Hashable, int, float]]:
    """Static covariates that are numbers, and their correlation over the series with the change over all rows."""
    filled, ends = paths(panel, target)[1], panel.indptr[1:] - 1
    first = pd.Series(filled).groupby(panel.series_of_row).first().to_numpy()
    change = np.nan_to_num(filled[ends] - first)
    for name, column in zip(panel.schema.static, panel.static.T):
        if not panel.is_category[name] and len(panel) > 2 and change.std() * np.nanstd(column) > 0:
            value = np.corrcoef(change, np.nan_to_num(column, nan=float(np.nanmean(column))))[0, 1]
            yield name, "static", panel.schema.target[target], 0, float(value)


def _known_columns(panel: Panel, changes: Changes) -> Array:
    """(n, m) known covariates and the calendar at the end of every change, and how much they have changed."""
    names, end, columns = panel.schema.dynamic, changes.origins + changes.step, []
    for name in panel.schema.known + panel.schema.calendar:
        values = panel.values[:, names.index(name)]
        codes = range(1, 1 + min(MOST_CATEGORIES, len(panel.category_of.get(name, ()))))
        for series in [(values == code).astype(float) for code in codes] or [values]:
            columns += [series[end], series[end] - series[changes.origins]]
    return np.nan_to_num(np.column_stack(columns)) if columns else np.zeros((len(end), 0))


def paths(panel: Panel, column: int) -> tuple[Array, Array]:
    """A column in units of every series' changes, of logarithms where all values of a series are above 0.

    Parameters
    ----------
    panel : Panel
        The whole history.
    column : int
        Position of the column.

    Returns
    -------
    path : ndarray of shape (T,)
        Its values, less the series' mean.
    filled : ndarray of shape (T,)
        The value observed last.

    Examples
    --------
    >>> from tsseq.data import Schema
    >>> panel = Panel.from_frame(pd.Series([1.0, 2.0, np.nan, 8.0]), Schema())
    >>> path, filled = paths(panel, 0)
    >>> path.round(2), filled.round(2)
    (array([-1.63, -0.41,   nan,  2.04]), array([-1.63, -0.41, -0.41,  2.04]))
    """
    begins = np.zeros(len(panel.times), dtype=np.bool_)
    begins[panel.indptr[:-1][panel.lengths > 0]] = True
    values, starts, series = panel.values[:, column].copy(), panel.indptr[:-1][panel.lengths > 0], panel.series_of_row
    positive = np.repeat(np.fmin.reduceat(values, starts) > 0, panel.lengths[panel.lengths > 0])
    values[positive] = np.log(values[positive])
    observed = np.isfinite(values)
    latest = np.where(observed | begins, np.arange(len(values)), 0)
    filled = values[np.maximum.accumulate(latest)]
    changes = np.where(begins, np.nan, np.diff(filled, prepend=np.nan))
    known = np.isfinite(changes)
    n = np.maximum(np.bincount(series[known], minlength=len(panel)), 1)
    mean = np.bincount(series[known], changes[known], len(panel)) / n
    variance = np.bincount(series[known], (changes[known] - mean[series[known]]) ** 2, len(panel)) / n
    level = np.bincount(series[observed], values[observed], len(panel)) / np.maximum(
        np.bincount(series[observed], minlength=len(panel)), 1
    )
    unit = np.where(variance > 0, np.sqrt(variance), np.nan)
    return (values - level[series]) / unit[series], (filled - level[series]) / unit[series]


def _lags(panel: Panel, step: int) -> list[int]:
    """Rows back: the latest ones, a step, a season, and a season before what is to come."""
    season = panel.rules[0].season_length
    seasonal = [season, -(-step // season) * season - step] if season > 1 else []
    longest = max(1, int(np.median(panel.lengths)) // 4)
    return sorted({lag for lag in (*LAGS, step, *seasonal) if 0 < lag <= longest} | {1})


def _orthonormal(columns: Array) -> Array:
    """An orthonormal basis of what the columns span."""
    left, sizes, _ = np.linalg.svd(columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300), full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * sizes.max(initial=0.0)])
