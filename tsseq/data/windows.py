"""Windows: a row is what was known at an origin, and the next ``horizon`` values.

This is the boundary that leaks cannot cross: a row reads the context up to its origin, and beyond it only
covariates that are known in advance. Nothing is copied until rows are gathered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.columns import check_weights, dummies
from tsseq.data.contexts import Ends, contexts_at, ends_at, moments_at, pieces
from tsseq.data.frames import FrameLayout
from tsseq.data.layout import Layout, NumpyOps, Store, gather_rows
from tsseq.data.panel import Panel, stretches
from tsseq.data.scaling import BY_SERIES, Affine, Scaling, blended_scale, logged, window_change
from tsseq.data.schema import Schema
from tsseq.data.time_rules import Steps
from tsseq.data.timestamps import stamps_like
from tsseq.errors import DataError, NotEnoughHistory
from tsseq.typing import Array, Index, Mask


@dataclass(frozen=True)
class RowNeeds:
    """What a regressor can do with windows; the defaults are those of any scikit-learn regressor.

    A regressor that can do more has an attribute ``row_needs``.

    Attributes
    ----------
    reads_windows : bool
        Whether it takes `Windows` as they are: categories as codes, and windows that lack some target.
    short_contexts : bool
        Whether a context may begin with missing rows.
    constant_contexts : bool
        Whether a constant context is forecast like any other, not as its constant.
    scaling : str
        How targets are scaled where ``scaling=None``.
    classes : bool
        Whether it forecasts categories.
    """

    reads_windows: bool = False
    short_contexts: bool = False
    constant_contexts: bool = False
    scaling: str = "last"
    classes: bool = False

    @staticmethod
    def of(regressor: Any) -> RowNeeds:
        """Those of a regressor, or of a classifier, which has ``predict_proba``."""
        needs: RowNeeds | None = getattr(regressor, "row_needs", None)
        return RowNeeds(classes=hasattr(regressor, "predict_proba")) if needs is None else needs


@dataclass(frozen=True, eq=False, repr=False)
class Windows:
    """A lazy matrix of forecasting samples: scikit-learn's X, with its y in `targets`.

    Rows are windows; columns are described by `Layout`. NumPy reads it through ``__array__``, scaled.
    Integer arrays, masks, slices and ``(key, ...)`` select windows and give `Windows` again.

    Attributes
    ----------
    panel : Panel
        The series.
    layout : Layout
        Sizes of a row.
    scaling : Scaling
        What was learnt for scaling.
    flat : ndarray
        Every channel of the panel, one after another, as `tsseq.data.layout.Store` describes; the panel's own array
        where that is what it holds.
    end : ndarray of shape (n,)
        Position in ``flat`` of a window's last context value, of its first target; all else follows from it.
    y : ndarray of shape (n, horizon * n_targets) or None, default None
        Targets in place of those in the panel.
    constants : bool, default True
        Whether a constant context is forecast as its constant.
    weight : ndarray of shape (n,) or None, default None
        What each window counts in training, besides the weights of the rows of the panel.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample
    >>> windows = Forecaster(Ridge(), horizon=3, context_length=24).windows(load_sample("airline"))
    >>> windows.shape, windows.targets().shape
    ((118, 24), (118, 3))
    """

    panel: Panel
    layout: Layout
    scaling: Scaling
    flat: Array
    end: Index
    y: Array | None = None
    constants: bool = True
    weight: Array | None = None

    def __repr__(self) -> str:
        return f"Windows({len(self)} rows, {self.layout})"

    @classmethod
    def of(cls, panel: Panel, layout: Layout, scaling: Scaling, origins: Index | None = None) -> Windows:
        """Windows of a panel.

        With several targets and ``layout.n_targets == 1`` every target is a series of its own. A ``layout`` without
        categories reads columns of 0 and 1 where the panel has some; without classes, such columns of the target's past
        come first among the past covariates.

        Parameters
        ----------
        panel : Panel
            The series.
        layout : Layout
            Sizes of a row.
        scaling : Scaling
            What was learnt on training rows.
        origins : ndarray of shape (n,), optional
            Rows of the last context values; default: all that have a whole context and a whole horizon.

        Returns
        -------
        Windows
            Those at all origins for the first target, then for the second.

        Raises
        ------
        NotEnoughHistory
            A series is too short for one window.
        """
        log, total = scaling.log, len(panel.times)
        context_rows = _covered(origins, layout.context_length, total) if log and origins is not None else None
        origins = _origins(panel, layout) if origins is None else origins
        flat = _flat(panel, layout, scaling, logged(panel, log, context_rows))
        channels = np.arange(panel.n_targets if layout.n_targets == 1 else 1)
        return cls(panel, layout, scaling, flat, (channels[:, None] * total + origins).ravel())

    @classmethod
    def of_rows(cls, X: Array, y: Array | None, layout: Layout, weight: Array | None = None) -> Windows:
        """Rows of a plain array, each the only window of a series of its own, unscaled.

        Parameters
        ----------
        X : ndarray of shape (n, width)
            Rows as ``layout`` describes them.
        y : ndarray of shape (n,) or (n, horizon * n_targets) or None
            Targets; None where there are none to learn from.
        layout : Layout
            Sizes of a row.
        weight : ndarray of shape (n,) or (n, horizon), optional
            What each row, or each step of it, counts in training.

        Returns
        -------
        Windows
            In the order of the rows.
        """
        n, length, horizon, n_targets = len(X), layout.context_length, layout.horizon, layout.n_targets
        sizes = [length * n_targets, length * layout.n_past, (length + horizon) * layout.n_known]
        target, past, known, static = np.split(np.asarray(X, dtype=np.float64), np.cumsum(sizes), axis=1)
        values = np.full((n, length + horizon, n_targets + layout.n_past + layout.n_known), np.nan)  # (n, L + H, C)
        values[:, :length, :n_targets] = target.reshape(n, n_targets, length).swapaxes(1, 2)
        past = past.reshape(n, layout.n_past, length).swapaxes(1, 2)
        values[:, :length, n_targets : n_targets + layout.n_past] = past
        values[:, :, n_targets + layout.n_past :] = known.reshape(n, layout.n_known, length + horizon).swapaxes(1, 2)
        if y is not None:
            values[:, length:, :n_targets] = np.asarray(y, dtype=np.float64).reshape(n, horizon, n_targets)
        edges = np.cumsum([0, n_targets, layout.n_past, layout.n_known, layout.n_static]).tolist()
        roles = Schema(*(tuple(range(first, last)) for first, last in pairwise(edges)))
        table = values.reshape(-1, values.shape[2])
        bounds, rows = np.arange(n + 1) * (length + horizon), pd.RangeIndex(len(table))
        rest = np.arange(n), roles, FrameLayout("single"), (Steps(1),)
        weights = None if weight is None else np.zeros((n, length + horizon))
        if weights is not None:
            weights[:, length:] = np.asarray(weight, dtype=np.float64).reshape(n, -1)
        panel = Panel(table, static, bounds, rows, rows[:n], *rest, weight=None if weights is None else weights.ravel())
        origin = bounds[:-1] + length - 1
        flat = np.concatenate([table.ravel(order="F"), static.ravel(order="F")])
        return cls(panel, layout, Scaling.nothing(panel), flat, origin, constants=False)

    def __len__(self) -> int:
        return len(self.end)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_windows, width)."""
        return len(self), self.layout.width

    ndim = 2
    dtype = np.dtype(np.float64)

    def __getitem__(self, key: Any) -> Windows:
        rows = key[0] if isinstance(key, tuple) else key
        y, weight = (None if array is None else array[rows] for array in (self.y, self.weight))
        return replace(self, end=self.end[rows], y=y, weight=weight)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(np.concatenate([np.empty((0, self.shape[1])), *(X for X, _ in self.chunks())]), dtype=dtype)

    def targets(self) -> Targets:
        """The future of every window, scaled like its context."""
        return Targets(self)

    def with_targets(self, y: Any) -> Windows:
        """The same windows with other targets.

        Parameters
        ----------
        y : Targets or array of shape (n,) or (n, horizon * n_targets)
            Scaled as the context is. The windows' own targets stay where they are, in the panel.

        Returns
        -------
        Windows
            With these targets.
        """
        if isinstance(y, Targets) and self.has_same_rows(y.windows):
            return self
        return replace(self, y=np.asarray(y, dtype=np.float64).reshape(len(self), self.layout.n_outputs))

    def weighted(self, sample_weight: Any) -> Windows:
        """The same windows with weights of their own, which multiply those that they have.

        Parameters
        ----------
        sample_weight : array of shape (n,) or None
            What each window counts in training, 0 or more; None leaves all as they are.

        Returns
        -------
        Windows
            With these weights.

        Raises
        ------
        DataError
            There is not one weight of 0 or more for every window, or all are 0.
        """
        if sample_weight is None:
            return self
        weight = row_weights(sample_weight, len(self))
        return replace(self, weight=weight if self.weight is None else weight * self.weight)

    @property
    def weights(self) -> Array | None:
        """(n,) what each window counts: the mean weight of its targets' rows, times its own; None if all are alike."""
        return self.weight if self.panel.weight is None else self._mean_of_targets(self.panel.weight) * self._own_weight

    @property
    def _own_weight(self) -> Array:
        return np.ones(len(self)) if self.weight is None else self.weight

    def _mean_of_targets(self, column: Array) -> Array:
        """(n,) the means of a column (T,) over the horizons of the windows."""
        means, last, horizon = np.empty(len(self)), self.origin + self.layout.horizon, self.layout.horizon
        for part in pieces(len(self), horizon):
            means[part] = contexts_at(column, last[part], horizon).mean(axis=1)
        return means

    def counting(self) -> Windows:
        """The windows that count in training, with weights that are 1 on average.

        Returns
        -------
        Windows
            Without those that weigh 0; the mean is over target values that weigh more.

        Raises
        ------
        DataError
            All weigh 0.
        """
        weights, rows = self.weights, self.panel.weight
        if weights is None:
            return self
        counts = weights > 0
        if not counts.any():
            advice = "give rows among their targets a weight above 0"
            raise DataError(f"all {len(self)} training windows weigh 0, so that there is nothing to learn; {advice}.")
        shares = np.ones(len(self)) if rows is None else self._mean_of_targets(np.where(rows > 0, 1.0, 0.0))
        typical = weights.sum() / shares[counts].sum()
        return replace(self, weight=self._own_weight / typical)[slice(None) if counts.all() else counts]

    def has_same_rows(self, windows: Windows) -> bool:
        """Whether both are the same windows in the same order, targets included.

        Parameters
        ----------
        windows : Windows
            Windows to compare with.

        Returns
        -------
        bool
            False also for equal windows of another panel.
        """
        same = windows.flat is self.flat and windows.y is self.y and np.array_equal(windows.end, self.end)
        return windows is self or same

    @property
    def n_channels(self) -> int:
        """How many targets are series of their own."""
        return self.panel.n_targets if self.layout.n_targets == 1 else 1

    @property
    def origin(self) -> Index:
        """(n,) row of the last context value."""
        return self.end if self.n_channels == 1 else self.end % len(self.panel.times)

    @property
    def series(self) -> Index:
        """(n,) series of every window."""
        return self.panel.series_of(self.origin)

    @property
    def bounds(self) -> Index:
        """(n_channels * S,) where series begin in ``flat``: all of the first target, then all of the second."""
        return (np.arange(self.n_channels)[:, None] * len(self.panel.times) + self.panel.indptr[:-1]).ravel()

    @property
    def codes(self) -> Index:
        """(n,) code of every window's series, counted over those seen in training; 0 is unknown."""
        return self._by_series(self.end, self._codes)

    @property
    def _codes(self) -> Index:
        """(n_channels * S,) the codes of all series."""
        code, channel = self.scaling.codes(self.panel.ids), np.arange(self.n_channels)[:, None]
        return np.where(code == 0, 0, (code - 1) * self.n_channels + channel + 1).ravel()

    def _by_target(self) -> Iterator[tuple[int, int, Any]]:
        """Every target of the panel, which of a window's targets it is, and the windows that hold it."""
        for column in range(self.panel.n_targets):
            if self.n_channels == 1:
                yield column, column, slice(None)
            else:
                yield column, 0, self.end // len(self.panel.times) == column

    def _learnt(self, table: Array, unknown: float) -> Array:
        """(n_channels * S, n_targets) what a table (series seen in training, targets) holds of all series."""
        code = self.scaling.codes(self.panel.ids)
        values = np.where(code[:, None] > 0, table[np.maximum(code - 1, 0)], unknown)
        return values if self.n_channels == 1 else values.T.reshape(-1, 1)

    def _by_series(self, end: Index, table: NDArray[Any]) -> NDArray[Any]:
        """(n, ...) the entries of a table (n_channels * S, ...) for windows that end at ``end`` (n,)."""
        return table[NumpyOps().last_before(self.bounds, end)]

    def without_constants(self) -> Windows:
        """The same windows for a model that forecasts constant contexts as it does any other."""
        return replace(self, constants=False) if self.constants else self

    @cached_property
    def affine(self) -> Affine:
        """Location, scale and constant of every window."""
        loc, scale = self.units
        if not self.constants or self.layout.context_length == 1:
            return Affine(loc, scale)
        return Affine(loc, scale, np.where(self._ends.varies, np.nan, self._ends.last))

    @cached_property
    def units(self) -> tuple[Array, Array]:
        """Location and scale of every window, (n, n_targets) each."""
        shape, kind, total = (len(self), self.layout.n_targets), self.scaling.kind, len(self.panel.times)
        if kind == "none":
            return np.zeros(shape), np.ones(shape)
        if kind in BY_SERIES:
            loc, scale = self._ends.last, self._learnt_scale()
            for target in range(self.layout.n_targets):
                own = np.flatnonzero(((scale[:, target] == 0) | (kind == "adaptive")) & self._ends.changes[:, target])
                for part in pieces(len(own), self.layout.context_length):
                    rows = own[part]
                    contexts = contexts_at(self.flat, self.end[rows] + target * total, self.layout.context_length)
                    change, observed = window_change(contexts, self.layout.horizon), np.isfinite(contexts).mean(axis=1)
                    scale[rows, target] = blended_scale(scale[rows, target], change, observed)
        else:
            loc, scale = np.zeros(shape), np.empty(shape)
            for column, target, chosen in self._by_target():
                values = self.flat[column * total : (column + 1) * total]
                where = self.end[chosen] % total, self.layout.context_length
                if kind == "mean":
                    scale[chosen, target] = moments_at(np.abs(values), *where)[0]
                else:
                    loc[chosen, target], scale[chosen, target] = moments_at(values, *where)
        scale[~(scale > 0)] = 1.0
        return loc, scale

    @cached_property
    def _ends(self) -> Ends:
        """What is known of every context, (n, n_targets) each."""
        total, shape = len(self.panel.times), (len(self), self.layout.n_targets)
        if self.panel.n_targets == 1:
            last, changes, varies = ends_at(self.flat[:total], self.end, self.layout.context_length)
            return Ends(last[:, None], changes[:, None], varies[:, None])
        ends = Ends(np.empty(shape), np.empty(shape, dtype=np.bool_), np.empty(shape, dtype=np.bool_))
        for column, target, chosen in self._by_target():
            part = self.flat[column * total : (column + 1) * total], self.end[chosen] % total
            for array, values in zip(ends, ends_at(*part, self.layout.context_length)):
                array[chosen, target] = values
        return ends

    def _learnt_scale(self) -> Array:
        """(n, n_targets) the scale of each window's series; 0 where it is unknown or constant."""
        table, scale = self._learnt(self.scaling.scale, 0.0), np.empty((len(self), self.layout.n_targets))
        for rows in pieces(len(self), self.layout.n_targets):
            scale[rows] = self._by_series(self.end[rows], table)
        return scale

    @property
    def series_scale(self) -> Array:
        """(n, n_targets) the learnt scale of each window's series; the window's own for unknown or constant series."""
        learnt = self._learnt_scale()
        return np.where(learnt > 0, learnt, self.affine.scale)

    def unlogged(self, values: Array) -> Array:
        """Exponentials of forecasts; where one is the logarithm of a context's last value, that value to the bit.

        Parameters
        ----------
        values : ndarray of shape (n, horizon, n_targets, K)
            Logarithms.

        Returns
        -------
        ndarray of the same shape
            In the data's units.
        """
        last, total, length = np.empty(self._ends.last.shape), len(self.panel.times), self.layout.context_length
        for column, target, chosen in self._by_target():
            targets = self.panel.values[:, column]
            last[chosen, target] = ends_at(targets, self.end[chosen] % total, length).last
        return np.where(values == self._ends.last[:, None, :, None], last[:, None, :, None], np.exp(values))

    @cached_property
    def store(self) -> Store:
        """The arrays that `gather_rows` reads."""
        weight = self._learnt(self.scaling.weight, 1.0)
        units = _covariate_units(self.panel, self.layout, self.scaling)
        return Store(self.flat, self.end, *self.units, self.bounds, self._codes, weight, units)

    def gather(self, rows: Index) -> tuple[Array, Array]:
        """Copy the numbers of some windows.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Positions of windows.

        Returns
        -------
        X : ndarray of shape (n, width)
            Scaled contexts, NaN where missing; `Layout` describes the columns.
        y : ndarray of shape (n, horizon * n_targets)
            Scaled targets, NaN where missing, ordered (horizon, target).
        """
        X, y = gather_rows(self.store, self.layout, self.sizes, rows, NumpyOps())
        return X, y if self.y is None else self.y[rows]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows, target channels and series of the panel, which place the channels in ``flat``."""
        return len(self.panel.times), self.panel.n_targets, len(self.panel)

    def trainable(self) -> Mask:
        """(n,) windows usable for training: a context that is not constant and at least one observed target."""
        usable = self.n_observed_targets() > 0
        if self.constants and self.layout.context_length > 1:
            usable = usable & (self._ends.varies | np.isnan(self._ends.last)).any(axis=1)
        return usable & np.isfinite(self._ends.last).all(axis=1) if self.scaling.kind in BY_SERIES else usable

    def n_observed_targets(self) -> Index:
        """(n,) how many targets of each window are observed, 0 to horizon * n_targets."""
        if self.y is not None:
            return np.asarray(np.isfinite(self.y).sum(axis=1))
        total = len(self.panel.times)
        observed = np.isfinite(self.flat[: self.panel.n_targets * total])
        if observed.all():
            return np.broadcast_to(np.int64(self.layout.n_outputs), len(self))
        counts, number = np.cumsum(observed), np.zeros(len(self), dtype=np.int64)
        for last in (self.end + target * total for target in range(self.layout.n_targets)):
            number += counts[last + self.layout.horizon] - counts[last]
        return number

    def target_range(self) -> tuple[float, float]:
        """The smallest and the largest target, among the rows that are targets of some window.

        Where windows are divided by their mean size, each series is divided by its largest value, which no mean
        exceeds: what is above a bound then, is above it in every window.
        """
        if self.y is not None:
            return float(np.fmin.reduce(self.y, axis=None)), float(np.fmax.reduce(self.y, axis=None))
        total, first, horizon = len(self.panel.times), self.panel.indptr[:-1], self.layout.horizon
        low, high = np.inf, -np.inf
        for column, _, chosen in self._by_target():
            values = self.flat[column * total : (column + 1) * total]
            targets = np.where(_covered(self.end[chosen] % total + horizon, horizon, total), values, np.nan)
            size = np.fmax.reduceat(np.abs(values), first) if self.scaling.kind == "mean" else np.ones(len(first))
            size = np.where(size > 0, size, 1.0)
            low = np.fmin(low, np.fmin.reduce(np.fmin.reduceat(targets, first) / size))
            high = np.fmax(high, np.fmax.reduce(np.fmax.reduceat(targets, first) / size))
        return float(low), float(high)

    def split(self, share: float) -> tuple[Index, Index]:
        """Divide windows into training and validation at one moment for all series.

        Training windows whose targets reach beyond the first validation origin are in neither.

        Parameters
        ----------
        share : float
            Share of origin times for validation, 0..1; the last ones, at least one.

        Returns
        -------
        training : ndarray of shape (n_training,)
            Positions of windows.
        validation : ndarray of shape (n_validation,)
            Positions of windows.
        """
        stamps = time_numbers(self.panel.times)
        ordered = _unique(np.concatenate([_unique(stamps[self.origin[part]]) for part in pieces(len(self), 8)]))
        return self._split_from(stamps, ordered[min(int(np.ceil(len(ordered) * (1 - share))), len(ordered) - 1)])

    def split_at(self, stamp: Any) -> tuple[Index, Index]:
        """Divide windows into training and validation at a timestamp.

        Parameters
        ----------
        stamp : timestamp
            Windows whose origin lies at or after it validate; as text, date, period or number.

        Returns
        -------
        training : ndarray of shape (n_training,)
            Positions of windows; none if no origin lies before it.
        validation : ndarray of shape (n_validation,)
            Positions of windows; none if no origin lies at or after it.

        Raises
        ------
        DataError
            It is not a timestamp like those of the panel.
        """
        times = self.panel.times
        stamp = stamps_like(times, stamp)[0]
        from_stamp = np.asarray(times >= stamp)[self.origin]
        if not from_stamp.any():
            return np.arange(len(self)), np.flatnonzero(from_stamp)
        stamps = time_numbers(times)
        return self._split_from(stamps, stamps[self.origin[from_stamp]].min())

    def _split_from(self, stamps: Index, border: Any) -> tuple[Index, Index]:
        """Windows whose targets end by the first validation origin, by the numbers of timestamps (T,), and from it."""
        ends_early = stamps[self.layout.horizon :] <= border  # by row of the origin
        return np.flatnonzero(ends_early[self.origin]), np.flatnonzero((stamps >= border)[self.origin])

    @property
    def rows_to_end(self) -> Index:
        """(n,) rows of its series behind each window's targets."""
        return self.panel.indptr[self.series + 1] - 1 - self.layout.horizon - self.origin

    def chunks(self) -> Iterator[tuple[Array, Array]]:
        """Gather (X, y) piece by piece, in order."""
        rows = np.arange(len(self))
        return (self.gather(rows[part]) for part in pieces(len(self), self.layout.width + self.layout.n_outputs))


@dataclass(frozen=True, eq=False)
class Targets:
    """A lazy y: the future of `Windows`, (n, horizon * n_targets), or (n,) when that is one column."""

    windows: Windows

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, n_outputs) or (n,)."""
        n, columns = len(self.windows), self.windows.layout.n_outputs
        return (n,) if columns == 1 else (n, columns)

    @property
    def ndim(self) -> int:
        """1 or 2."""
        return len(self.shape)

    dtype = np.dtype(np.float64)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, key: Any) -> Targets:
        return Targets(self.windows[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        table = np.concatenate([np.empty((0, self.windows.layout.n_outputs)), *(y for _, y in self.windows.chunks())])
        return np.asarray(table.reshape(self.shape), dtype=dtype)


def time_numbers(times: pd.Index) -> Index:
    """(T,) timestamps as whole numbers, or as the numbers that they are."""
    return np.asarray(times.asi8 if hasattr(times, "asi8") else times)


def row_weights(sample_weight: Any, n: int) -> Array:
    """What each of ``n`` rows counts, (n,), checked; a number is that of all."""
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_weight should hold numbers: {error}") from error
    weights = np.full(n, weights) if weights.ndim == 0 else weights
    if weights.shape != (n,):
        raise DataError(f"sample_weight has shape {weights.shape}; a weight for each of {n} rows was needed, ({n},).")
    check_weights(weights, "sample_weight", lambda row: f"row {row}")
    return weights


def _unique(stamps: Index) -> Index:
    """Once each and in order; what is in order is not sorted again."""
    return stamps if (stamps[1:] > stamps[:-1]).all() else np.sort(pd.unique(stamps))


def _origins(panel: Panel, layout: Layout) -> Index:
    """Rows that have a whole context before and a whole horizon after them; every series must have one."""
    needed = layout.context_length + layout.horizon
    check_length(panel, needed, "context_length + horizon")
    return stretches(panel.indptr[:-1] + layout.context_length - 1, panel.lengths - needed + 1)


def check_length(panel: Panel, needed: int, what: str) -> None:
    """Raise NotEnoughHistory if a series has fewer than ``needed`` rows; ``what`` says what they are needed for."""
    short = np.flatnonzero(panel.lengths < needed)
    if len(short) and panel.ids[0] is None:
        problem = f"the series has {panel.lengths[0]} rows, fewer than {what} = {needed}"
        raise NotEnoughHistory(f"{problem}. Pass more rows or lower context_length.")
    if len(short):
        named = ", ".join(f"{panel.ids[s]!r} {panel.lengths[s]}" for s in short[:5])
        problem = f"{len(short)} series are shorter than {what} = {needed} rows (first: {named})"
        raise NotEnoughHistory(f"{problem}. Drop them or lower context_length.")


def _covered(last: Index, length: int, total: int) -> Mask:
    """(total,) whether a row is among the ``length`` rows up to one of ``last``."""
    edges = np.bincount(last - (length - 1), minlength=total + 1) - np.bincount(last + 1, minlength=total + 1)
    return np.asarray(np.cumsum(edges[:-1]) > 0)


def _flat(panel: Panel, layout: Layout, scaling: Scaling, targets: Array) -> Array:
    """Every channel, one after another: targets, covariates, standardised static ones."""
    n_rows, values = len(panel.times) * (panel.n_targets + layout.n_past + layout.n_known), panel.values
    shared = not scaling.log and not layout.n_static and n_rows == values.size and not _splits(panel, layout)
    shared = shared and panel.n_classes == layout.n_classes
    if shared and values.flags.f_contiguous:
        return values.ravel(order="F")  # a view
    flat, first = np.empty(n_rows + len(panel) * layout.n_static), 0
    for channel in _channels(panel, layout, scaling, targets):
        flat[first : first + len(channel)] = channel
        first += len(channel)
    return flat


def _channels(panel: Panel, layout: Layout, scaling: Scaling, targets: Array) -> Iterator[Array]:
    yield from targets.T
    if panel.n_classes > layout.n_classes:
        yield from dummies(targets + 1, (panel.n_classes,)).T
    static = (panel.static - scaling.static_centre) / scaling.static_spread
    dynamic: Any = panel.values.T[panel.n_targets :] if layout.n_past + layout.n_known else ()
    sizes = _splits(panel, layout)
    for k, column in enumerate([*dynamic, *(static.T if layout.n_static else [])]):
        yield from dummies(column[:, None], sizes[k : k + 1]).T if sizes else (column,)


def _splits(panel: Panel, layout: Layout) -> tuple[int, ...]:
    """Into how many columns of 0 and 1 every covariate is split, 0 for none; () if none is."""
    return () if layout.categories else panel.n_categories


def _covariate_units(panel: Panel, layout: Layout, scaling: Scaling) -> tuple[tuple[float, float] | None, ...]:
    """Centre and spread of every channel of a covariate, past or known; None where they are 0 and 1."""
    pairs = list(zip(scaling.centre.tolist(), scaling.spread.tolist()))
    sizes = _splits(panel, layout) or (0,) * len(pairs)
    units = [None if pair == (0.0, 1.0) else pair for pair in pairs]
    shown = (None,) * (panel.n_classes - layout.n_classes)
    return shown + tuple(unit for unit, n in zip(units, sizes) for _ in range(max(n, 1)))


def layout_for(panel: Panel, context_length: int, horizon: int, joint: bool, codes: bool) -> Layout:
    """Layout of the windows of a panel; categories are ``codes``, or else columns of 0 and 1."""
    roles, n = panel.schema, panel.n_categories
    sizes = len(roles.past), len(roles.known + roles.calendar), len(roles.static)
    if n and not codes:
        past, known, static = np.split([max(k, 1) for k in n], np.cumsum(sizes)[:-1])
        sizes = int(past.sum()), int(known.sum()), int(static.sum())
    missing = bool(np.isnan(panel.values).any() or np.isnan(panel.static).any())
    n_targets = len(roles.target) if joint else 1
    if codes:
        return Layout(context_length, horizon, n_targets, *sizes, missing, n, panel.n_classes)
    return Layout(context_length, horizon, n_targets, sizes[0] + panel.n_classes, *sizes[1:], missing)


def check_layout(layout: Layout, panel: Panel) -> None:
    """Check that windows of a layout can be made of a panel.

    Parameters
    ----------
    layout : Layout
        Sizes of a row; categories are codes.
    panel : Panel
        The series.

    Raises
    ------
    ValueError
        If the columns or the categories of the panel are others.
    """
    roles = panel.schema
    sizes = len(roles.past), len(roles.known + roles.calendar), len(roles.static)
    if (layout.n_past, layout.n_known, layout.n_static) != sizes:
        raise ValueError(f"{layout} does not fit the columns {roles.dynamic}")
    if layout.n_targets not in (1, len(roles.target)) or min(layout.context_length, layout.horizon) < 1:
        raise ValueError(f"{layout} does not fit the targets {roles.target}")
    if layout.categories not in ((), panel.n_categories):
        raise ValueError(f"{layout} does not fit the categories {panel.n_categories}")
    if layout.n_classes != panel.n_classes:
        raise ValueError(f"{layout} does not fit the {panel.n_classes} classes of the target")
