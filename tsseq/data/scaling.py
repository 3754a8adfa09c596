"""Units of the numbers that a model sees: location and scale per window, learnt on training rows.

The location of a target always comes from the window's own past. Its scale is learnt once per series
(``"last"``), comes from the window too (``"standard"``, ``"mean"``), or is between the two (``"adaptive"``);
``"none"`` leaves values alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from tsseq.data.panel import Panel
from tsseq.errors import ConfigError, DataError
from tsseq.persistence.state import State, check_arrays
from tsseq.typing import Array, Index, Mask

Kind = Literal["last", "adaptive", "standard", "mean", "none"]
BY_SERIES = ("last", "adaptive")  # relative to the last value, in a unit learnt per series
STEPS_MEASURED = 24
ROWS_AT_ONCE = 2**15
LEARNT = ("scale", "weight", "centre", "spread", "static_centre", "static_spread")


@dataclass(frozen=True)
class Affine:
    """Location and scale of every window: ``scaled = (value - loc) / scale``.

    Attributes
    ----------
    loc, scale : ndarray of shape (n, n_targets)
        float64, in the data's units; the scale is above 0.
    constant : ndarray of shape (n, n_targets) or None
        Value of a constant context, used as the forecast instead of the model's output. NaN elsewhere; None when every
        context varies.

    Examples
    --------
    >>> import numpy as np
    >>> from tsseq.data import Affine
    >>> affine = Affine(loc=np.array([[10.0]]), scale=np.array([[2.0]]))
    >>> affine.undo(np.array([[[-1.0], [0.5]]])).ravel().tolist()
    [8.0, 11.0]
    """

    loc: Array
    scale: Array
    constant: Array | None = None

    def undo(self, scaled: Array) -> Array:
        """Turn scaled values back into the data's units.

        Parameters
        ----------
        scaled : ndarray of shape (n, horizon, n_targets, ...)
            Scaled values of every window, NaN where missing.

        Returns
        -------
        ndarray of the same shape
            In the data's units; for a constant context, its constant.
        """
        shape = (len(self.loc), 1, self.loc.shape[1], *(1,) * (scaled.ndim - 3))
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
        How windows are scaled: "last", "adaptive", "standard", "mean" or "none".
    log : bool
        Whether targets are modelled as logarithms.
    ids : Index of shape (S,)
        Series that were seen.
    scale : ndarray of shape (S, n_targets)
        Typical size of a change over the horizon, per series; used by ``"last"`` and ``"adaptive"``.
    weight : ndarray of shape (S, n_targets)
        What an error in scaled units counts in training: the series' scale relative to its standard deviation, 1 on
        average. Errors of all series then count in standard deviations, as benchmarks measure them. With
        ``"adaptive"``, where every window has a scale of its own, it is divided by that of the series.
    centre, spread : ndarray of shape (n_covariates,)
        Mean and standard deviation of past and known covariates; 0 and 1 for codes.
    static_centre, static_spread : ndarray of shape (n_static,)
        The same for static ones.

    Examples
    --------
    >>> import pandas as pd
    >>> from tsseq.data import Panel, Scaling, Schema
    >>> panel = Panel.from_frame(pd.Series([1.0, 3.0, 5.0, 7.0]), Schema())
    >>> Scaling.learn(panel, "last", log=False, horizon=1).scale.tolist()
    [[2.0]]
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
        """Learn scales from every row of a panel.

        Parameters
        ----------
        panel : Panel
            Training rows only.
        kind : {"last", "adaptive", "standard", "mean", "none"}
            How windows are scaled.
        log : bool
            Whether targets are modelled as logarithms.
        horizon : int
            Rows over which changes are measured.

        Returns
        -------
        Scaling
            In the data's units, or in those of logarithms.

        Raises
        ------
        ConfigError
            The kind is unknown.
        DataError
            A target is 0 or below under ``log=True``.
        """
        if kind not in get_args(Kind):
            raise ConfigError(f"scaling={kind!r} is unknown; it is one of {', '.join(map(repr, get_args(Kind)))}.")
        n_targets = panel.n_targets
        targets = logged(panel, log, None)
        scale = change_over_horizon(targets, panel.indptr, horizon)
        n = len(panel.schema.covariates)
        centre, spread = _standard(panel.values[:, n_targets:], panel.unscaled[:n])
        static = _standard(panel.static, panel.unscaled[n:])
        weight = _weight(targets, panel.indptr, scale) if kind in BY_SERIES else np.ones_like(scale)
        if kind == "adaptive":
            weight = weight / np.where(scale > 0, scale, 1.0)
        return cls(kind, log, panel.ids, scale, weight, centre, spread, *static)  # type: ignore[arg-type]

    def extended(self, panel: Panel, horizon: int) -> Scaling:
        """The same scaling, with series that it does not know.

        Parameters
        ----------
        panel : Panel
            Series, known and new.
        horizon : int
            Rows over which changes are measured.

        Returns
        -------
        Scaling
            What was learnt stays as it is; new series come after those that were there.
        """
        strangers = panel.chosen(self.codes(panel.ids) == 0)
        if not len(strangers):
            return self
        learnt = Scaling.learn(strangers, self.kind, self.log, horizon)
        scale, weight = np.append(self.scale, learnt.scale, axis=0), np.append(self.weight, learnt.weight, axis=0)
        return replace(self, ids=self.ids.append(learnt.ids), scale=scale, weight=weight)

    @classmethod
    def nothing(cls, panel: Panel) -> Scaling:
        """The scaling that leaves every value alone and knows no series.

        Parameters
        ----------
        panel : Panel
            Series whose columns it is for.

        Returns
        -------
        Scaling
            Of kind "none".
        """
        n, n_static = len(panel.schema.covariates), len(panel.schema.static)
        one = np.ones((1, panel.n_targets))
        identity = np.zeros(n), np.ones(n), np.zeros(n_static), np.ones(n_static)
        return cls("none", False, panel.ids[:0], one, one, *identity)

    def codes(self, ids: pd.Index) -> Index:
        """Numbers of series among those seen in training.

        Parameters
        ----------
        ids : Index of shape (n,)
            Ids of series.

        Returns
        -------
        ndarray of shape (n,)
            Counted from 1; 0 is unknown.
        """
        return np.asarray(self.ids.get_indexer(ids), dtype=np.int64) + 1

    def to_state(self) -> State:
        """Everything that was learnt, for a model file.

        Returns
        -------
        State
            Its arrays, and the rest by name.
        """
        config = {"kind": self.kind, "log": bool(self.log), "ids": self.ids}
        return State(type(self), config, {name: getattr(self, name) for name in LEARNT})

    @classmethod
    def from_state(cls, state: State) -> Scaling:
        """Make the scaling of a model file again.

        Parameters
        ----------
        state : State
            What `to_state` gave, as far as it was read from a file: nothing in it is trusted.

        Returns
        -------
        Scaling
            With the same units.

        Raises
        ------
        ValueError
            If parts are missing, or do not fit together.
        """
        state.check_names("kind", "log", "ids")
        kind, log, ids, arrays = state.config["kind"], state.config["log"], state.value("ids", pd.Index), state.arrays
        if kind not in get_args(Kind) or type(log) is not bool:
            raise ValueError(f"config.json has an unknown scaling, {kind!r} with log={log!r}")
        by_series, covariates = (len(ids), arrays["scale"].shape[1]), arrays["centre"].shape
        shapes = {"scale": by_series, "weight": by_series, "centre": covariates, "spread": covariates}
        static = arrays["static_centre"].shape
        check_arrays(arrays, shapes | {"static_centre": static, "static_spread": static})
        return cls(kind, log, ids, *(arrays[name] for name in LEARNT))

    def check_panel(self, panel: Panel) -> None:
        """Check that the scaling was learnt on columns like those of a panel.

        Parameters
        ----------
        panel : Panel
            The panel.

        Raises
        ------
        ValueError
            If it was learnt on other numbers of targets or covariates, or would shift codes.
        """
        roles = panel.schema
        sizes = self.scale.shape[1], *self.centre.shape, *self.static_centre.shape
        needed = len(roles.target), len(roles.covariates), len(roles.static)
        if sizes != needed:
            raise ValueError(f"a scaling of {needed} targets, covariates and static ones was needed, not of {sizes}")
        centre, spread = np.append(self.centre, self.static_centre), np.append(self.spread, self.static_spread)
        if (centre[panel.unscaled] != 0).any() or (spread[panel.unscaled] != 1).any():
            raise ValueError("the scaling shifts covariates that are codes")


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
    return np.asarray(np.log(targets))


def change_over_horizon(targets: Array, indptr: Index, horizon: int) -> Array:
    """(S, n_targets) root mean square of ``y[t + h] - y[t]`` over rows t of a series and steps h = 1..horizon.

    Targets divided by it, after the last value is subtracted, have unit variance. At most 24 steps, spread evenly
    over the horizon, are measured.
    """
    unit = _size(targets)
    squares, counts = np.zeros((2, len(indptr) - 1, targets.shape[1]))
    for series, rows in _blocks(indptr):
        bounds = indptr[series.start : series.stop + 1] - rows.start
        for column, size in enumerate(unit):
            values = targets[rows, column] / size
            for step in measured_steps(horizon):
                total, number = _sums((values[step:] - values[:-step]) ** 2, bounds[:-1], bounds[1:] - step)
                squares[series, column] += total
                counts[series, column] += number
    return np.asarray(np.sqrt(squares / np.maximum(counts, 1)) * unit)


def measured_steps(horizon: int) -> Index:
    """Steps over which changes are measured, at most `STEPS_MEASURED`, spread evenly over the horizon."""
    return np.unique(np.linspace(1, horizon, min(horizon, STEPS_MEASURED)).astype(int))


def _blocks(indptr: Index) -> Iterator[tuple[slice, slice]]:
    """Series and their rows, about `ROWS_AT_ONCE` rows at a time, which a processor's cache holds."""
    first = 0
    while first < len(indptr) - 1:
        last = max(int(np.searchsorted(indptr, indptr[first] + ROWS_AT_ONCE, side="right")) - 1, first + 1)
        yield slice(first, last), slice(int(indptr[first]), int(indptr[last]))
        first = last


def _sums(values: Array, first: Index, end: Index) -> tuple[Array, Index]:
    """(n,) sum and number of the observed among ``values[first:end]``, for stretches one after another."""
    end = np.maximum(end, first)
    lengths = end - first
    if len(values) == 0 or not lengths.any():
        return np.zeros(len(first)), lengths
    bounds = np.column_stack([first, end])[lengths > 0].ravel()
    bounds = bounds[:-1] if bounds[-1] == len(values) else bounds
    totals, numbers = np.zeros(len(first)), lengths.copy()
    totals[lengths > 0] = np.add.reduceat(values, bounds)[::2]
    if np.isnan(totals).any():
        observed = np.isfinite(values)
        totals[lengths > 0] = np.add.reduceat(np.where(observed, values, 0.0), bounds)[::2]
        numbers[lengths > 0] = np.add.reduceat(observed, bounds, dtype=np.int64)[::2]
    return totals, numbers


def _size(values: Array) -> Array:
    """Size of each column, or 1: squares in this unit neither overflow nor underflow.

    It is the power of two up to the largest absolute value, so that dividing by it rounds nothing.
    """
    largest = np.array(
        [max(np.fmax.reduce(column, initial=0.0), -np.fmin.reduce(column, initial=0.0)) for column in values.T]
    )
    return np.where(largest > 0, np.exp2(np.frexp(largest)[1] - 1.0), 1.0)


def _weight(targets: Array, indptr: Index, scale: Array) -> Array:
    """(S, n_targets) scale over standard deviation, divided by its mean; 1 where a series never moves."""
    unit = _size(targets)
    deviation = np.empty_like(scale)
    for series, rows in _blocks(indptr):
        lengths = np.diff(indptr[series.start : series.stop + 1])
        first, end = np.cumsum(lengths) - lengths, np.cumsum(lengths)
        for column, size in enumerate(unit):
            values = targets[rows, column] / size
            total, number = _sums(values, first, end)
            centred = values - np.repeat(total / np.maximum(number, 1), lengths)
            deviation[series, column] = np.sqrt(_sums(centred**2, first, end)[0] / np.maximum(number, 1))
    scale = scale / unit
    moves = (scale > 0) & (deviation > 0)
    weight = np.where(moves, scale / np.where(moves, deviation, 1.0), np.nan)
    typical = np.nanmean(weight) if moves.any() else 1.0
    return np.where(moves, weight / typical, 1.0)


def window_change(context: Array, horizon: int) -> Array:
    """(n, L) -> (n,) the same measure within each context, for series that training has not seen."""
    reach = min(horizon, context.shape[1] - 1)
    squares, counts = np.zeros((2, len(context)))
    for step in measured_steps(reach):
        change = context[:, step:] - context[:, :-step]
        squares += np.nansum(change**2, axis=1)
        counts += np.isfinite(change).sum(axis=1)
    return np.asarray(np.sqrt(squares / np.maximum(counts, 1)))


def blended_scale(learnt: Array, change: Array, observed: Array) -> Array:
    """(n,) the learnt scale of a series and the changes of a window as one; the latter where nothing was learnt.

    Mean squares are pooled as if the learnt one were that of one more context: the estimate of a variance whose prior
    is inverse gamma (Gelman et al., Bayesian Data Analysis, 2.6), with the weight of ``context_length`` rows. A window
    that is wilder than the series is followed in full, up to a factor; a quiet one at most to ``learnt / sqrt(2)``, so
    that a pause never makes a change that follows it huge. Of a context that is ``observed`` (n,) in part only, less is
    believed.

    MSE on ETTh1, 96 -> 96, of a GRU without a line after 400 steps: 0.376 with "adaptive", 0.373 with "last" (MAE 0.391
    and 0.392); with every test value three times as far from the mean, in those units, 0.390 and 0.659; a third as far,
    0.405 and 0.405. With the window's changes alone: 0.380, 0.380 and 0.380.
    """
    pooled = np.sqrt((learnt**2 + observed * change**2) / (1 + observed))
    return np.where(learnt > 0, pooled, change)


def _standard(values: Array, unscaled: Mask) -> tuple[Array, Array]:
    """Mean and standard deviation of each column over its observed values.

    They are 0 and 1 for ``unscaled`` columns (C,) and for flags (all values 0 or 1); a constant has the deviation 1.
    """
    columns = values.T  # one at a time, since temporaries of all would be as large as the frame
    centre, spread = np.array([_moments(column) for column in columns]).reshape(-1, 2).T
    flags = unscaled | np.array([((c == 0) | (c == 1) | ~np.isfinite(c)).all() for c in columns], dtype=np.bool_)
    return np.where(flags, 0.0, centre), np.where(flags | (spread <= 1e-12 * np.abs(centre)), 1.0, spread)


def _moments(values: Array) -> tuple[float, float]:
    """Mean and standard deviation of the observed values (n,); 0 where all are missing."""
    seen = np.isfinite(values)
    count = max(int(seen.sum()), 1)
    mean = np.where(seen, values, 0.0).sum() / count
    squares = np.where(seen, values - mean, 0.0) ** 2
    return mean, np.sqrt(squares.sum() / count)
