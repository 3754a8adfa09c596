"""Units of the numbers that a model sees: location and scale per window, learnt on training rows.

The location of a target always comes from the window's own past. Its scale is learnt once per series
(``"last"``) or comes from the window too (``"standard"``, ``"mean"``); ``"none"`` leaves values alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from tsseq.data.panel import Panel
from tsseq.errors import ConfigError, DataError
from tsseq.typing import Array, Index, Mask

Kind = Literal["last", "standard", "mean", "none"]
STEPS_MEASURED = 24


@dataclass(frozen=True)
class Affine:
    """Location and scale of every window: ``scaled = (value - loc) / scale``.

    Attributes
    ----------
    loc, scale : ndarray of shape (n, n_targets)
        float64; the scale is above 0.
    constant : ndarray of shape (n, n_targets) or None
        Value of a constant context, used as the forecast instead of the model's output. NaN elsewhere; None when every
        context varies.
    """

    loc: Array
    scale: Array
    constant: Array | None = None

    def undo(self, scaled: Array) -> Array:
        """Back to the data's units: ``scaled`` (n, horizon, n_targets, ...) -> the same shape."""
        missing = (1,) * (scaled.ndim - 3)
        shape = (len(self.loc), 1, self.loc.shape[1], *missing)
        values = scaled * self.scale.reshape(shape) + self.loc.reshape(shape)
        if self.constant is None or self.varies.all():
            return values
        return np.where(self.varies.reshape(shape), values, self.constant.reshape(shape))

    @property
    def varies(self) -> Mask:
        """(n, n_targets) whether a context has more than one value."""
        return np.ones(self.loc.shape, dtype=np.bool_) if self.constant is None else np.isnan(self.constant)

    def __getitem__(self, rows: Any) -> Affine:
        return Affine(self.loc[rows], self.scale[rows], None if self.constant is None else self.constant[rows])


@dataclass(frozen=True)
class Scaling:
    """What is learnt from the training rows.

    Attributes
    ----------
    kind : str
        How windows are scaled: "last", "standard", "mean" or "none".
    log : bool
        Whether targets are modelled as logarithms.
    ids : Index of shape (S,)
        Series that were seen.
    scale : ndarray of shape (S, n_targets)
        Typical size of a change over the horizon, per series; used by ``"last"``.
    weight : ndarray of shape (S, n_targets)
        What an error in scaled units counts in training: the series' scale relative to its standard deviation, 1 on
        average. Errors of all series then count in standard deviations, as benchmarks measure them.
    centre, spread : ndarray of shape (n_covariates,)
        Mean and standard deviation of past and known covariates; 0 and 1 for codes.
    static_centre, static_spread : ndarray of shape (n_static,)
        The same for static ones.
    """

    kind: Kind
    log: bool
    ids: pd.Index
    scale: Array
    weight: Array
    centre: Array
    spread: Array
    static_centre: Array
    static_spread: Array

    @classmethod
    def learn(cls, panel: Panel, kind: str, log: bool, horizon: int) -> Scaling:
        """Learn scales from every row of ``panel``, which must hold training rows only."""
        if kind not in get_args(Kind):
            raise ConfigError(f"scaling={kind!r} is unknown; it is one of {', '.join(map(repr, get_args(Kind)))}.")
        n_targets = panel.n_targets
        targets = logged(panel, log, None)
        scale = change_over_horizon(targets, panel.series_of_row, len(panel), horizon)
        n = len(panel.schema.covariates)
        centre, spread = _standard(panel.values[:, n_targets:], panel.unscaled[:n])
        static = _standard(panel.static, panel.unscaled[n:])
        weight = _weight(targets, panel, scale) if kind == "last" else np.ones_like(scale)
        return cls(kind, log, panel.ids, scale, weight, centre, spread, *static)  # type: ignore[arg-type]

    @classmethod
    def nothing(cls, panel: Panel) -> Scaling:
        """Leave every value of a panel alone; no series is known."""
        n, n_static = len(panel.schema.covariates), len(panel.schema.static)
        one = np.ones((1, panel.n_targets))
        identity = np.zeros(n), np.ones(n), np.zeros(n_static), np.ones(n_static)
        return cls("none", False, panel.ids[:0], one, one, *identity)

    def codes(self, ids: pd.Index) -> Index:
        """(S,) number of each series among those seen in training, counted from 1; 0 is unknown."""
        return np.asarray(self.ids.get_indexer(ids), dtype=np.int64) + 1


def logged(panel: Panel, log: bool, read: Mask | None) -> Array:
    """(T, n_targets) targets, or their logarithms.

    A value without a logarithm is an error that names it if its row is in ``read`` (T,), or that is None; else it is
    missing.
    """
    targets = panel.values[:, : panel.n_targets]
    if not log:
        return targets
    if read is not None:
        targets = np.where(read[:, None] | (targets > 0), targets, np.nan)
    bad = np.argwhere(targets <= 0)
    if len(bad):
        row, column = bad[0]
        first = f"{panel.schema.target[column]!r} is {targets[row, column]:g} at {panel.times[row]}"
        raise DataError(f"log=True needs values above 0; {len(bad)} are not (first: {first}).")
    logs: Array = np.log(targets)
    return logs


def change_over_horizon(targets: Array, series: Index, n_series: int, horizon: int) -> Array:
    """(n_series, n_targets) root mean square of ``y[t + h] - y[t]`` over rows t and steps h = 1..horizon.

    Targets divided by it, after the last value is subtracted, have unit variance. At most 24 steps, spread evenly
    over the horizon, are measured.
    """
    unit = _size(targets)
    targets = targets / unit
    squares, counts = np.zeros((2, n_series, targets.shape[1]))
    for step in np.unique(np.linspace(1, horizon, min(horizon, STEPS_MEASURED)).astype(int)):
        change = targets[step:] - targets[:-step]
        change[series[step:] != series[:-step]] = np.nan
        for column in range(targets.shape[1]):
            observed = np.isfinite(change[:, column])
            codes = series[step:][observed]
            squares[:, column] += np.bincount(codes, change[observed, column] ** 2, minlength=n_series)
            counts[:, column] += np.bincount(codes, minlength=n_series)
    scale: Array = np.sqrt(squares / np.maximum(counts, 1)) * unit
    return scale


def _size(values: Array) -> Array:
    """Largest absolute value of each column, or 1: squares in this unit neither overflow nor underflow."""
    largest = np.fmax.reduce(np.abs(values), axis=0, initial=0.0)
    return np.where(largest > 0, largest, 1.0)


def _weight(targets: Array, panel: Panel, scale: Array) -> Array:
    """(S, n_targets) scale over standard deviation, divided by its mean; 1 where a series never moves."""
    unit = _size(targets)
    targets, scale = targets / unit, scale / unit
    seen = np.isfinite(targets)
    filled = np.where(seen, targets, 0.0)
    first = panel.indptr[:-1]
    counts = np.maximum(np.add.reduceat(seen, first, dtype=np.int64), 1)
    mean = np.add.reduceat(filled, first) / counts
    centred = np.where(seen, targets - mean[panel.series_of_row], 0.0)
    deviation = np.sqrt(np.add.reduceat(centred**2, first) / counts)
    moves = (scale > 0) & (deviation > 0)
    weight = np.where(moves, scale / np.where(moves, deviation, 1.0), np.nan)
    typical = np.nanmean(weight) if moves.any() else 1.0
    return np.where(moves, weight / typical, 1.0)


def window_change(context: Array, horizon: int) -> Array:
    """(n, L) -> (n,) the same measure within each context, for series that training has not seen."""
    reach = min(horizon, context.shape[1] - 1)
    squares, counts = np.zeros((2, len(context)))
    for step in np.unique(np.linspace(1, reach, min(reach, STEPS_MEASURED)).astype(int)) if reach else ():
        change = context[:, step:] - context[:, :-step]
        squares += np.nansum(change**2, axis=1)
        counts += np.isfinite(change).sum(axis=1)
    scale: Array = np.sqrt(squares / np.maximum(counts, 1))
    return scale


def window_moments(context: Array, kind: Kind) -> tuple[Array, Array]:
    """(n, L) -> loc (n,), scale (n,) of contexts, missing values left out; kind "standard" or "mean"."""
    seen = np.isfinite(context)
    counts = np.maximum(seen.sum(axis=1), 1)
    filled = np.where(seen, context, 0.0)
    if kind == "mean":
        return np.zeros(len(context)), np.abs(filled).sum(axis=1) / counts
    loc = filled.sum(axis=1) / counts
    return loc, np.sqrt((np.where(seen, context - loc[:, None], 0.0) ** 2).sum(axis=1) / counts)


def _standard(values: Array, unscaled: Mask) -> tuple[Array, Array]:
    """Mean and standard deviation of each column over its observed values.

    They are 0 and 1 for ``unscaled`` columns (C,) and for flags (all values 0 or 1); a constant has the deviation 1.
    """
    seen = np.isfinite(values)
    counts = np.maximum(seen.sum(axis=0), 1)
    centre = np.where(seen, values, 0.0).sum(axis=0) / counts
    spread = np.sqrt((np.where(seen, values - centre, 0.0) ** 2).sum(axis=0) / counts)
    flags = unscaled | (~seen | (values == 0) | (values == 1)).all(axis=0)
    return np.where(flags, 0.0, centre), np.where(flags | (spread <= 1e-12 * np.abs(centre)), 1.0, spread)
