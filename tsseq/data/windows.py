"""Windows: a row is what was known at an origin, and the next ``horizon`` values.

This is the boundary that leaks cannot cross: a row reads the context up to its origin, and beyond it only
covariates that are known in advance. Nothing is copied until rows are gathered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.columns import dummies
from tsseq.data.frames import FrameLayout
from tsseq.data.layout import Layout, NumpyOps, Store, gather_rows
from tsseq.data.panel import Panel
from tsseq.data.scaling import Affine, Scaling, logged, window_change, window_moments
from tsseq.data.schema import Schema
from tsseq.data.time_rules import Steps
from tsseq.errors import NotEnoughHistory
from tsseq.typing import Array, Index, Mask

CHUNK = 16384


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
    """

    reads_windows: bool = False
    short_contexts: bool = False
    constant_contexts: bool = False
    scaling: str = "last"

    @staticmethod
    def of(regressor: Any) -> RowNeeds:
        """Those of a regressor."""
        needs: RowNeeds = getattr(regressor, "row_needs", RowNeeds())
        return needs


@dataclass(frozen=True, eq=False)
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
        Every channel of the panel, one after another, as `tsseq.data.layout.Store` describes.
    origin : ndarray of shape (n,)
        Row of the last context value.
    channel : ndarray of shape (n,)
        Target that a window holds, or its first one.
    affine : Affine
        Location and scale of every window.
    y : ndarray of shape (n, horizon * n_targets) or None
        Targets in place of those in the panel.

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
    origin: Index
    channel: Index
    affine: Affine
    y: Array | None = None

    @classmethod
    def of(cls, panel: Panel, layout: Layout, scaling: Scaling, origins: Index | None = None) -> Windows:
        """Windows of a panel.

        With several targets and ``layout.n_targets == 1`` every target is a series of its own. A ``layout`` without
        categories reads columns of 0 and 1 where the panel has some.

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
        context_rows = None if origins is None else _contexts(origins, layout.context_length, len(panel.times))
        origins = _origins(panel, layout) if origins is None else origins
        channels = np.arange(panel.n_targets if layout.n_targets == 1 else 1)
        targets = logged(panel, scaling.log, context_rows)
        covariates = (panel.values[:, panel.n_targets :] - scaling.centre) / scaling.spread
        static = (panel.static - scaling.static_centre) / scaling.static_spread
        if panel.n_categories and not layout.categories:
            n = covariates.shape[1]
            covariates, static = dummies(covariates, panel.n_categories[:n]), dummies(static, panel.n_categories[n:])
        flat = np.concatenate([block.ravel(order="F") for block in (targets, covariates, static)])
        origin, channel = np.tile(origins, len(channels)), channels.repeat(len(origins))
        affine = _affine(panel, layout, scaling, flat, origin, channel)
        return cls(panel, layout, scaling, flat, origin, channel, affine)

    @classmethod
    def of_rows(cls, X: Array, y: Array | None, layout: Layout) -> Windows:
        """Rows of a plain array, each the only window of a series of its own, unscaled.

        Parameters
        ----------
        X : ndarray of shape (n, width)
            Rows as ``layout`` describes them.
        y : ndarray of shape (n,) or (n, horizon * n_targets) or None
            Targets; None where there are none to learn from.
        layout : Layout
            Sizes of a row.

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
        panel = Panel(table, static, bounds, rows, rows[:n], *rest)
        origin = bounds[:-1] + length - 1
        flat = np.concatenate([table.ravel(order="F"), static.ravel(order="F")])
        affine = Affine(np.zeros((n, n_targets)), np.ones((n, n_targets)))
        return cls(panel, layout, Scaling.nothing(panel), flat, origin, np.zeros(n, dtype=np.int64), affine)

    def __len__(self) -> int:
        return len(self.origin)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_windows, width)."""
        return len(self), self.layout.width

    ndim = 2
    dtype = np.dtype(np.float64)

    def __getitem__(self, key: Any) -> Windows:
        rows = key[0] if isinstance(key, tuple) else key
        y = None if self.y is None else self.y[rows]
        return replace(self, origin=self.origin[rows], channel=self.channel[rows], affine=self.affine[rows], y=y)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.gather(np.arange(len(self)))[0], dtype=dtype)

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
        same = windows.flat is self.flat and windows.y is self.y and np.array_equal(windows.origin, self.origin)
        return windows is self or (same and np.array_equal(windows.channel, self.channel))

    @property
    def start(self) -> Index:
        """(n,) row of the first context value."""
        return self.origin - (self.layout.context_length - 1)

    @cached_property
    def series(self) -> Index:
        """(n,) series of every window."""
        return self.panel.series_of(self.origin)

    @property
    def codes(self) -> Index:
        """(n,) code of every window's series, counted over those seen in training; 0 is unknown."""
        code = self.scaling.codes(self.panel.ids)[self.series]
        if self.layout.n_targets > 1:
            return code
        return np.where(code == 0, 0, (code - 1) * self.panel.n_targets + self.channel + 1)

    def without_constants(self) -> Windows:
        """The same windows for a model that forecasts constant contexts as it does any other."""
        return replace(self, affine=replace(self.affine, constant=None))

    @property
    def series_scale(self) -> Array:
        """(n, n_targets) the learnt scale of each window's series; the window's own for unknown or constant series."""
        code = self.scaling.codes(self.panel.ids)[self.series]
        learnt = self.scaling.scale[np.maximum(code - 1, 0)[:, None], self.target_columns]
        return np.where((code[:, None] > 0) & (learnt > 0), learnt, self.affine.scale)

    @property
    def target_columns(self) -> Index:
        """(n, n_targets) which of the panel's targets a window holds."""
        return self.channel[:, None] + np.arange(self.layout.n_targets)

    @cached_property
    def store(self) -> Store:
        """The arrays that `gather_rows` reads."""
        target = self.target_columns * len(self.panel.times) + self.start[:, None]
        series = np.maximum(self.scaling.codes(self.panel.ids)[self.series] - 1, 0)
        weight = self.scaling.weight[series[:, None], self.target_columns]
        return Store(self.flat, target, self.start, self.series, self.affine.loc, self.affine.scale, weight)

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
        varies = self.affine.varies.any(axis=1) & np.isfinite(self.affine.loc).all(axis=1)
        return np.asarray(varies & (self.n_observed_targets() > 0))

    def n_observed_targets(self) -> Index:
        """(n,) how many targets of each window are observed, 0 to horizon * n_targets."""
        if self.y is not None:
            return np.asarray(np.isfinite(self.y).sum(axis=1))
        observed = np.isfinite(self.panel.values[:, : self.panel.n_targets])
        counts = np.vstack([np.zeros_like(observed[:1], dtype=np.int64), np.cumsum(observed, axis=0)])  # (T + 1, C)
        first, columns = self.origin[:, None] + 1, self.target_columns
        return np.asarray((counts[first + self.layout.horizon, columns] - counts[first, columns]).sum(axis=1))

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
        moment = pd.factorize(self.panel.times, sort=True)[0]
        origins = np.unique(moment[self.origin])
        border = origins[min(int(np.ceil(len(origins) * (1 - share))), len(origins) - 1)]
        last_target = moment[self.origin + self.layout.horizon]
        return np.flatnonzero(last_target <= border), np.flatnonzero(moment[self.origin] >= border)

    def chunks(self) -> Iterator[tuple[Array, Array]]:
        """Gather (X, y) piece by piece, in order."""
        for first in range(0, len(self), CHUNK):
            yield self.gather(np.arange(first, min(first + CHUNK, len(self))))


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


def _origins(panel: Panel, layout: Layout) -> Index:
    """Rows that have a whole context before and a whole horizon after them; every series must have one."""
    needed = layout.context_length + layout.horizon
    check_length(panel, needed, "context_length + horizon")
    remaining = np.repeat(panel.lengths, panel.lengths) - panel.position
    return np.flatnonzero(remaining >= needed) + layout.context_length - 1


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


def _contexts(origins: Index, length: int, total: int) -> Mask:
    """(total,) whether a row lies in the context of some origin."""
    edges = np.zeros(total + 1, dtype=np.int64)
    np.add.at(edges, origins - (length - 1), 1)
    np.add.at(edges, origins + 1, -1)
    return np.asarray(np.cumsum(edges[:-1]) > 0)


def _affine(panel: Panel, layout: Layout, scaling: Scaling, flat: Array, origin: Index, channel: Index) -> Affine:
    """Location, scale and constant of every window."""
    series = scaling.codes(panel.ids)[panel.series_of(origin)]  # (n,), 0 is unknown
    start = origin - (layout.context_length - 1)
    loc, scale = np.zeros((len(start), layout.n_targets)), np.ones((len(start), layout.n_targets))
    constant = np.full_like(loc, np.nan)
    for target, first in product(range(layout.n_targets), range(0, len(start), CHUNK)):
        part = slice(first, first + CHUNK), target
        column = channel[part[0]] + target
        context = NumpyOps().windows(flat, column * len(panel.times) + start[part[0]], layout.context_length)
        observed = np.isfinite(context)
        if scaling.kind in ("standard", "mean"):
            loc[part], scale[part] = window_moments(context, scaling.kind)
        elif scaling.kind == "last":
            loc[part] = _last_observed(context, observed)
            learnt = scaling.scale[np.maximum(series[part[0]] - 1, 0), column]
            unknown = (series[part[0]] == 0) | (learnt == 0)
            learnt[unknown] = window_change(context[unknown], layout.horizon)
            scale[part] = learnt
        if layout.context_length > 1:
            constant[part] = np.where(_is_constant(context, observed), _last_observed(context, observed), np.nan)
    return Affine(loc, np.where(scale > 0, scale, 1.0), constant)


def _last_observed(context: Array, observed: Mask) -> Array:
    """(n, L) -> (n,) the last observed value, NaN if there is none."""
    back = np.argmax(observed[:, ::-1], axis=1)
    return np.asarray(context[np.arange(len(context)), context.shape[1] - 1 - back])


def _is_constant(context: Array, observed: Mask) -> Mask:
    """(n, L) -> (n,) whether all observed values are the same number, up to rounding."""
    high = np.where(observed, context, -np.inf).max(axis=1)
    low = np.where(observed, context, np.inf).min(axis=1)
    return np.asarray(high - low <= 1e-12 * np.maximum(np.abs(high), np.abs(low)))


def layout_for(panel: Panel, context_length: int, horizon: int, joint: bool, codes: bool) -> Layout:
    """Layout of the windows of a panel; categories are ``codes``, or else columns of 0 and 1."""
    roles, n = panel.schema, panel.n_categories
    sizes = len(roles.past), len(roles.known + roles.calendar), len(roles.static)
    if n and not codes:
        past, known, static = np.split([max(k, 1) for k in n], np.cumsum(sizes)[:-1])
        sizes = int(past.sum()), int(known.sum()), int(static.sum())
    missing = bool(np.isnan(panel.values).any() or np.isnan(panel.static).any())
    n_targets = len(roles.target) if joint else 1
    return Layout(context_length, horizon, n_targets, *sizes, missing, n if codes else ())


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
