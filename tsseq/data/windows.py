"""Windows: a row is what was known at an origin, and the next ``horizon`` values.

This is the boundary that leaks cannot cross: a row reads the context up to its origin, and beyond it only
covariates that are known in advance. Nothing is copied until rows are gathered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.columns import dummies
from tsseq.data.layout import Array, Index, Layout, NumpyOps, Store, gather_rows
from tsseq.data.panel import Panel
from tsseq.data.scaling import Affine, Scaling, logged, window_change, window_moments
from tsseq.errors import NotEnoughHistory

CHUNK = 16384


@dataclass(frozen=True, eq=False)
class Windows:
    """A lazy matrix of forecasting samples: scikit-learn's X, with its y in `targets`.

    Rows are windows; columns are described by `Layout`. NumPy reads it through ``__array__``, scaled.
    Integer arrays, masks, slices and ``(key, ...)`` select windows and give `Windows` again.
    """

    panel: Panel
    layout: Layout
    scaling: Scaling
    flat: Array
    origin: Index
    channel: Index

    @classmethod
    def of(cls, panel: Panel, layout: Layout, scaling: Scaling, origins: Index | None = None) -> Windows:
        """All windows of a panel, or those whose last context row is in ``origins`` (n,).

        With several targets and ``layout.n_targets == 1`` every target is a series of its own. A ``layout`` without
        categories reads columns of 0 and 1 where the panel has some.
        """
        n_targets = len(panel.schema.target)
        read = None if origins is None else _contexts(origins, layout.context_length, len(panel.times))
        origins = _origins(panel, layout) if origins is None else origins
        channels = np.arange(n_targets if layout.n_targets == 1 else 1)
        targets = logged(panel, scaling.log, read)
        covariates = (panel.values[:, n_targets:] - scaling.centre) / scaling.spread
        static = (panel.static - scaling.static_centre) / scaling.static_spread
        if panel.n_categories and not layout.categories:
            n = covariates.shape[1]
            covariates, static = dummies(covariates, panel.n_categories[:n]), dummies(static, panel.n_categories[n:])
        flat = np.concatenate([block.ravel(order="F") for block in (targets, covariates, static)])
        return cls(panel, layout, scaling, flat, np.tile(origins, len(channels)), channels.repeat(len(origins)))

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
        picked = replace(self, origin=self.origin[rows], channel=self.channel[rows])
        if "affine" in self.__dict__:
            picked.__dict__["affine"] = self.affine[rows]
        return picked

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        found = self.gather(np.arange(len(self)))[0]
        return found if dtype is None else found.astype(dtype, copy=False)

    def targets(self) -> Targets:
        """The future of every window, scaled like its context."""
        return Targets(self)

    @property
    def start(self) -> Index:
        """(n,) row of the first context value."""
        return self.origin - (self.layout.context_length - 1)

    @cached_property
    def series(self) -> Index:
        """(n,) series of every window."""
        return np.searchsorted(self.panel.indptr, self.origin, side="right") - 1

    @property
    def codes(self) -> Index:
        """(n,) code of every window's series, counted over those seen in training; 0 is unknown."""
        known, n_channels = self.scaling.codes(self.panel.ids)[self.series], len(self.panel.schema.target)
        if self.layout.n_targets > 1:
            return known
        return np.where(known == 0, 0, (known - 1) * n_channels + self.channel + 1)

    @cached_property
    def affine(self) -> Affine:
        """Location and scale of every window."""
        parts = [_affine(self, self.target_columns[:, k]) for k in range(self.layout.n_targets)]
        return Affine(*(np.column_stack(columns) for columns in zip(*parts)))

    def moving(self) -> Windows:
        """The same windows for a model that forecasts contexts that never move as it does any other."""
        same = replace(self)
        same.__dict__["affine"] = replace(self.affine, still=None)
        return same

    @property
    def unit(self) -> Array:
        """(n, n_targets) the learnt scale of each window's series; the window's own for unknown or constant series."""
        known = self.scaling.codes(self.panel.ids)[self.series]
        learnt = self.scaling.scale[np.maximum(known - 1, 0)[:, None], self.target_columns]
        return np.where((known[:, None] > 0) & (learnt > 0), learnt, self.affine.scale)

    @property
    def target_columns(self) -> Index:
        """(n, n_targets) which of the panel's targets a window holds."""
        first = self.channel if self.layout.n_targets == 1 else np.zeros(len(self), dtype=np.int64)
        return first[:, None] + np.arange(self.layout.n_targets)

    @cached_property
    def store(self) -> Store:
        """The arrays that `gather_rows` reads."""
        target = self.target_columns * len(self.panel.times) + self.start[:, None]
        known = np.maximum(self.scaling.codes(self.panel.ids)[self.series] - 1, 0)
        weight = self.scaling.weight[known[:, None], self.target_columns]
        return Store(self.flat, target, self.start, self.series, self.affine.loc, self.affine.scale, weight)

    def gather(self, rows: Index) -> tuple[Array, Array]:
        """X (n, width) and y (n, horizon * n_targets) of ``rows``, scaled; missing is NaN."""
        return gather_rows(self.store, self.layout, self.sizes, rows, NumpyOps())

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows, target channels and series of the panel, which place the channels in ``flat``."""
        return len(self.panel.times), len(self.panel.schema.target), len(self.panel)

    def trainable(self) -> NDArray[np.bool_]:
        """(n,) windows that can teach something: the context moves, and some target is observed."""
        observed = np.concatenate([np.isfinite(y).any(axis=1) for _, y in self.chunks()] or [np.empty(0, bool)])
        moves = self.affine.moves.any(axis=1) & np.isfinite(self.affine.loc).all(axis=1)
        return np.asarray(observed & moves)

    def split(self, share: float) -> tuple[Index, Index]:
        """Positions of training windows and of the last ``share`` of origin times, over all series.

        Training windows whose targets reach beyond the first validation origin are in neither.
        """
        moment = pd.factorize(self.panel.times, sort=True)[0]
        origins = np.unique(moment[self.origin])
        border = origins[min(int(np.ceil(len(origins) * (1 - share))), len(origins) - 1)]
        last_target = moment[self.origin + self.layout.horizon]
        return np.flatnonzero(last_target <= border), np.flatnonzero(moment[self.origin] >= border)

    def chunks(self) -> Any:
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
        found = np.concatenate([np.empty((0, self.windows.layout.n_outputs)), *(y for _, y in self.windows.chunks())])
        found = found.reshape(self.shape)
        return found if dtype is None else found.astype(dtype, copy=False)


def _origins(panel: Panel, layout: Layout) -> Index:
    """Rows that have a whole context before and a whole horizon after them; every series must have one."""
    needed = layout.context_length + layout.horizon
    check_length(panel, needed, "context_length + horizon")
    series = np.repeat(np.arange(len(panel)), panel.lengths - needed + 1)
    first = np.concatenate([[0], np.cumsum(panel.lengths - needed + 1)[:-1]])
    return np.arange(len(series)) - first[series] + panel.indptr[series] + layout.context_length - 1


def check_length(panel: Panel, needed: int, what: str) -> None:
    """Raise NotEnoughHistory if a series has fewer than ``needed`` rows; ``what`` says what they are needed for."""
    short = np.flatnonzero(panel.lengths < needed)
    if len(short):
        raise NotEnoughHistory(_short_message(panel, short, needed, what))


def _short_message(panel: Panel, short: Index, needed: int, what: str) -> str:
    if panel.ids[0] is None:
        found = f"the series has {panel.lengths[0]} rows, fewer than {what} = {needed}"
        return f"{found}. Pass more rows or lower context_length."
    named = ", ".join(f"{panel.ids[s]!r} {panel.lengths[s]}" for s in short[:5])
    found = f"{len(short)} series are shorter than {what} = {needed} rows (first: {named})"
    return f"{found}. Drop them or lower context_length."


def _contexts(origins: Index, length: int, total: int) -> NDArray[np.bool_]:
    """(total,) whether a row lies in the context of some origin."""
    edges = np.zeros(total + 1, dtype=np.int64)
    np.add.at(edges, origins - (length - 1), 1)
    np.add.at(edges, origins + 1, -1)
    return np.asarray(np.cumsum(edges[:-1]) > 0)


def _affine(windows: Windows, channel: Index) -> tuple[Array, Array, Array]:
    """Loc, scale and the constant of contexts that never move, (n,) each, for one target of each window."""
    total, length, kind = len(windows.panel.times), windows.layout.context_length, windows.scaling.kind
    start = channel * total + windows.start
    known = windows.scaling.codes(windows.panel.ids)[windows.series]  # (n,), 0 is unknown
    loc, scale = np.empty((2, len(windows)))
    still = np.full(len(windows), np.nan)
    for first in range(0, len(windows), CHUNK):
        part = slice(first, first + CHUNK)
        context = NumpyOps().windows(windows.flat, start[part], length)
        seen = np.isfinite(context)
        if kind in ("standard", "mean"):
            loc[part], scale[part] = window_moments(context, kind)
        elif kind == "last":
            loc[part] = _last_seen(context, seen)
            learnt = windows.scaling.scale[np.maximum(known[part] - 1, 0), channel[part]]
            new = (known[part] == 0) | (learnt == 0)
            learnt[new] = window_change(context[new], windows.layout.horizon)
            scale[part] = learnt
        else:
            loc[part], scale[part] = 0.0, 1.0
        if length > 1:
            still[part] = np.where(_never_moves(context, seen), _last_seen(context, seen), np.nan)
    return loc, np.where(scale > 0, scale, 1.0), still


def _last_seen(context: Array, seen: NDArray[np.bool_]) -> Array:
    """(n, L) -> (n,) the last observed value, NaN if there is none."""
    back = np.argmax(seen[:, ::-1], axis=1)
    last: Array = context[np.arange(len(context)), context.shape[1] - 1 - back]
    return last


def _never_moves(context: Array, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n, L) -> (n,) whether all observed values are the same number, up to rounding."""
    high = np.where(seen, context, -np.inf).max(axis=1)
    low = np.where(seen, context, np.inf).min(axis=1)
    still: NDArray[np.bool_] = high - low <= 1e-12 * np.maximum(np.abs(high), np.abs(low))
    return still


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
    """Raise a ValueError unless windows of ``layout`` can be made of ``panel``; categories are codes."""
    roles = panel.schema
    sizes = len(roles.past), len(roles.known + roles.calendar), len(roles.static)
    if (layout.n_past, layout.n_known, layout.n_static) != sizes:
        raise ValueError(f"{layout} does not fit the columns {roles.dynamic}")
    if layout.n_targets not in (1, len(roles.target)) or min(layout.context_length, layout.horizon) < 1:
        raise ValueError(f"{layout} does not fit the targets {roles.target}")
    if layout.categories not in ((), panel.n_categories):
        raise ValueError(f"{layout} does not fit the categories {panel.n_categories}")


def layout_of(X: Any, y: Any) -> Layout:
    """Layout of training rows: that of `Windows`, else one channel with as many outputs as y has columns."""
    if isinstance(X, Windows):
        return X.layout
    return Layout(X.shape[1], 1 if y.ndim == 1 else y.shape[1])
