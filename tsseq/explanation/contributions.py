"""What a forecast is made of: the coefficients of a linear forecaster, and the contributions to that of a network."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from tsseq.data.frames import FrameLayout
from tsseq.data.panel import Frame, Panel
from tsseq.data.schema import Schema
from tsseq.data.tidy import key_names
from tsseq.data.time_rules import Steps
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError
from tsseq.forecasting.base import BaseForecaster, as_forecaster
from tsseq.forecasting.forecaster import Forecaster
from tsseq.forecasting.rows import as_needed
from tsseq.hints import rejects_foreign_names
from tsseq.typing import Array, Index

INTERCEPT, BASELINE = "intercept", "baseline"
LINEAR = 1e-3  # of the spread of forecasts: what a linear forecaster may be off, most of it rounding of networks
NUMBERS_AT_ONCE = 2_000_000


class Inputs(NamedTuple):
    """What forecasts read, by name; rows of a window are counted from the first one of its context.

    Attributes
    ----------
    column : hashable
        Name of the column.
    role : str
        "target", "past", "known", "static" or "id".
    place : int
        Which of the panel's columns that change over time it is, or which static one.
    first, last : int
        Rows of the window, from the first one up to before the last.
    lag : int
        Rows from the first of them to the first row that is forecast; 0 for what does not change over time.
    width : int
        Neighbouring columns that it stands for. Default: 1.
    """

    column: Hashable
    role: str
    place: int
    first: int
    last: int
    lag: int
    width: int = 1


def inputs_of(schema: Schema, length: int, horizon: int) -> list[Inputs]:
    """All columns that forecasts read, each over all the rows that they read of it."""
    known = schema.known + schema.calendar
    roles = ["target"] * len(schema.target) + ["past"] * len(schema.past) + ["known"] * len(known)
    dynamic = [
        Inputs(name, role, k, 0, length + (horizon if role == "known" else 0), length)
        for k, (name, role) in enumerate(zip(schema.dynamic, roles))
    ]
    return dynamic + [Inputs(name, "static", k, 0, 1, 0) for k, name in enumerate(schema.static)]


def by_lag(inputs: list[Inputs]) -> list[Inputs]:
    """The same row by row, for columns that change over time."""
    cells = []
    for item in inputs:
        rows = range(item.first, item.last) if item.lag else ()
        cells += [item._replace(first=row, last=row + 1, lag=item.lag - row) for row in rows] or [item]
    return cells


def windows_apart(panel: Panel, series: Index, values: Array, static: Array) -> Panel:
    """Windows as series of their own over the same rows, so that each may hold what no frame does.

    Covariates of the calendar are plain known ones in it, since rows have no dates any more.

    Parameters
    ----------
    panel : Panel
        Where the windows come from.
    series : ndarray of shape (W,)
        The series of each window.
    values : ndarray of shape (W, n, C)
        Rows of each window.
    static : ndarray of shape (W, n_static)
        Static covariates of each window.

    Returns
    -------
    Panel
        Its timestamps are 0 to n - 1 in every series.
    """
    n_windows, n, n_columns = values.shape
    roles = replace(panel.schema, known=panel.schema.known + panel.schema.calendar, calendar=())
    flat = np.asfortranarray(values.reshape(-1, n_columns))
    times, order = pd.Index(np.tile(np.arange(n), n_windows)), np.arange(n_windows)
    rest = times, panel.ids.take(series), order, roles, FrameLayout("single"), (Steps(1),), panel.categories
    return Panel(flat, static, np.arange(n_windows + 1) * n, *rest, classes=panel.classes)


def fitted(model: Any) -> BaseForecaster:
    """The forecaster itself, if it is one and fitted."""
    forecaster = as_forecaster(model)
    check_is_fitted(forecaster, "fitted_until_")
    return forecaster


@rejects_foreign_names
def coefficients(model: BaseForecaster) -> pd.DataFrame:
    """The coefficients of a linear forecaster, by column and lag, in units of the data.

    A forecast is the intercept plus the sum of coefficients times values, to the last digits. They are read off from
    forecasts, so that any forecaster that is linear has them: `Forecaster` around `Ridge`, `Lasso` or a pipeline,
    `LinearForecaster`, `DLinearForecaster`, their ensembles.

    Parameters
    ----------
    model : forecaster
        Fitted, with ``scaling`` "last" or "none": the other scalings measure each window by itself, which is not
        linear.

    Returns
    -------
    DataFrame
        One row per (column, lag), in order, and one column per step; (target, step) where there are several targets.
        Lag 1 is the last known row, lag 0 the first one that is forecast and -1 the one behind it, which only known
        covariates have. Static covariates and the intercept stand at lag 0. A category has a coefficient of its own,
        as ``<column>=<category>``, beside an unknown one. Where series differ in their coefficients, as those with
        scales of their own do, the index begins with the id. With ``log=True``, targets and forecasts are logarithms.

    Raises
    ------
    ConfigError
        The forecaster is not linear, or its target holds categories.
    NotFittedError
        Before `fit`.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, coefficients, load_sample
    >>> model = Forecaster(Ridge(), horizon=2, context_length=12, log=True).fit(load_sample("airline"))
    >>> coefficients(model).loc["passengers"].loc[[1, 12]].round(2)
    step     1     2
    lag
    1     0.45  0.26
    12    0.54 -0.14
    """
    panel, task = fitted(model).panel_, model.task
    if panel.classes is not None:
        raise ConfigError("coefficients are those of forecasts of numbers, and the target holds categories.")
    cells = _unit_inputs(panel, by_lag(inputs_of(panel.schema, int(task.context_length), int(task.horizon))))
    tables = [_coefficients_of(model, panel, s, cells) for s in range(len(panel))]
    labels = [f"{cell.column}={name}" if name is not None else cell.column for cell, name, _ in cells]
    rows = pd.MultiIndex.from_arrays([[*labels, INTERCEPT], [*(cell.lag for cell, *_ in cells), 0]])
    steps = pd.RangeIndex(1, int(task.horizon) + 1, name="step")
    targets = panel.schema.target
    columns = steps if len(targets) == 1 else pd.MultiIndex.from_product([targets, steps], names=["target", "step"])
    frames = [pd.DataFrame(table, rows.set_names(["column", "lag"]), columns) for table in tables]
    alike = all(np.allclose(table, tables[0], rtol=LINEAR, atol=LINEAR * np.abs(tables[0]).max()) for table in tables)
    id_name = key_names(panel.frame_layout.names)[0]
    table = frames[0] if alike else pd.concat(dict(zip(panel.ids, frames)), names=[id_name])
    with suppress(TypeError):  # names of several types have no order
        table = table.sort_index()  # in which pandas looks up quickly
    return table


def _unit_inputs(panel: Panel, cells: list[Inputs]) -> list[tuple[Inputs, Any, float]]:
    """Every input, the category that it is set to and its code; (None, 0.0) for one that is a number."""
    units: list[tuple[Inputs, Any, float]] = []
    for cell in cells:
        names = panel.category_of.get(cell.column)
        units += [(cell, None, 0.0)] if names is None else [(cell, n, code) for code, n in enumerate(names, 1)]
    return units


def _coefficients_of(model: BaseForecaster, panel: Panel, series: int, units: list[tuple[Inputs, Any, float]]) -> Array:
    """(n_inputs + 1, targets * steps) coefficients of a series; the last one is the intercept."""
    length, horizon = int(model.task.context_length), int(model.task.horizon)
    random, log = np.random.default_rng(0), model.models_logs
    numbers = panel.values[panel.indptr[series] : panel.indptr[series + 1]].copy()
    numbers[:, : panel.n_targets] = np.log(numbers[:, : panel.n_targets]) if log else numbers[:, : panel.n_targets]
    centre, spread = (np.nan_to_num(f(numbers, axis=0)) for f in (np.nanmean, np.nanstd))
    spread = np.where(spread > 0, spread, np.maximum(np.abs(centre), 1.0))
    static_spread = np.maximum(panel.static.std(axis=0), 1.0) if panel.static.size else np.ones(panel.static.shape[1])
    points = centre + spread * random.normal(size=(2, length + horizon, len(centre)))  # where it is read, and checked
    statics = panel.static[series] + static_spread * random.normal(size=(2, panel.static.shape[1]))
    for cell, _, code in units:  # unknown at first
        table = statics if cell.role == "static" else points[:, cell.first]
        table[:, cell.place] = [0.0, code] if code else table[:, cell.place]
    values, static = np.repeat(points[:1], len(units) + 2, axis=0), np.repeat(statics[:1], len(units) + 2, axis=0)
    values[-1], static[-1] = points[1], statics[1]
    changes = np.empty(len(units))
    for k, (cell, _, code) in enumerate(units):
        table, scale = (static[k], static_spread) if cell.role == "static" else (values[k, cell.first], spread)
        changes[k] = code or scale[cell.place]
        table[cell.place] += changes[k]
    forecasts = _forecasts_of(model, panel, series, values, static)  # (n + 2, targets * steps)
    base, other = forecasts[-2:]
    slopes = (forecasts[:-2] - base) / np.where([code > 0 for *_, code in units], 1.0, changes)[:, None]
    start, end = (np.array([_value(unit, points[k], statics[k]) for unit in units]) for k in range(2))
    gap = np.abs(base + (end - start) @ slopes - other).max()
    size = np.abs(forecasts[:-2] - base).max()
    if not gap <= LINEAR * max(size, np.abs(other - base).max()):
        plain = type(model) is Forecaster
        what = f"{type(model.regressor_ if plain else model).__name__} is not linear in what it reads"
        kind = getattr(getattr(model, "scaling_", None), "kind", "")
        why = f" (scaling={kind!r} measures each window by itself)" if kind in ("standard", "mean", "adaptive") else ""
        raise ConfigError(f"{what}{why}; tsseq.importance(model, frame) tells what matters to any forecaster.")
    return np.concatenate([slopes, (base - start @ slopes)[None]])


def _value(unit: tuple[Inputs, Any, float], values: Array, static: Array) -> float:
    """The value of an input in a window; of a category whether it is the one."""
    cell, _, code = unit
    value = static[cell.place] if cell.role == "static" else values[cell.first, cell.place]
    return float(value == code) if code else float(value)


def _forecasts_of(model: BaseForecaster, panel: Panel, series: int, values: Array, static: Array) -> Array:
    """(W, targets * steps) forecasts from windows (W, n, C) of a series, in logarithms if it models those."""
    length, n_targets = int(model.task.context_length), panel.n_targets
    if model.models_logs:
        values[..., :n_targets] = np.exp(values[..., :n_targets])
    parts, size = [], max(NUMBERS_AT_ONCE // values[0].size, 1)
    for first in range(0, len(values), size):
        part = slice(first, first + size)
        chosen = np.full(len(values[part]), series)
        windows = windows_apart(panel, chosen, values[part], static[part])
        parts.append(model.forecast_at(windows, [length - 1]).point)  # (w, steps, targets)
    point = np.concatenate(parts)
    point = np.log(point) if model.models_logs else point
    return np.asarray(point.swapaxes(1, 2).reshape(len(point), -1))


@rejects_foreign_names
def contributions(model: Forecaster, frame: Frame | Panel | None = None, cutoffs: Any = None) -> pd.DataFrame:
    """What every value that a network reads adds to its forecasts: integrated gradients, by column and lag.

    The values of a window are led from a baseline to what they are, and the gradient of the forecast along that way is
    added up (Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, ICML 2017). At the baseline numbers
    are 0 once they are scaled, and categories unknown: with ``scaling="last"`` a target stands still at its last value,
    and covariates are at their means. A line of a series' own is part of the baseline and of the forecast.

    Parameters
    ----------
    model : Forecaster
        Fitted, with a network inside: `LSTMForecaster`, ``Forecaster(NeuralRegressor(...), ...)``.
    frame : Series or DataFrame, optional
        History, and the known covariates of the rows to come; default: the end of the frame of `fit`.
    cutoffs : timestamp or sequence of timestamps, optional
        Origins of the forecasts, as in `Forecaster.predict_at`; default: the last timestamp.

    Returns
    -------
    DataFrame
        One row per (id, cutoff, target, step, column, lag), with the columns ``[id,] cutoff, target, step, column, lag,
        contribution``, in units of the target (of its logarithm with ``log=True``; of the probability of the category
        that is forecast). Lags are those of `coefficients`. What a series' learnt vector adds bears the name of the
        id. With the row "baseline", the contributions to a forecast sum to it.

    Raises
    ------
    ConfigError
        There is no network inside, or one that feeds categories back into itself.
    DataError
        The frame does not hold what is needed.

    Warns
    -----
    UserWarning
        Contributions and baseline miss a forecast by more than a thousandth of the typical change over the horizon.

    Examples
    --------
    >>> from tsseq import LinearForecaster, Training, contributions, load_sample
    >>> model = LinearForecaster(2, 12, training=Training(max_steps=50, verbose=False)).fit(load_sample("airline"))
    >>> table = contributions(model)
    >>> table.columns.tolist()
    ['cutoff', 'target', 'step', 'column', 'lag', 'contribution']
    >>> table.groupby("step")["contribution"].sum().round(1).tolist() == model.predict()["passengers"].round(1).tolist()
    True
    """
    windows = windows_at(model, frame, cutoffs)
    panel, layout = windows.panel, windows.layout
    id_name = key_names(panel.frame_layout.names)[0]
    tables = []
    for rows, targets, inputs, values in contributions_by_target(windows, model.regressor_):
        n, n_outputs, n_inputs = values.shape
        steps, origin = np.arange(n_outputs) // layout.n_targets + 1, windows.origin[rows].repeat(n_outputs * n_inputs)
        columns: dict[Any, Any] = {} if panel.ids[0] is None else {id_name: panel.ids.take(panel.series_of(origin))}
        columns |= {"cutoff": panel.times.take(origin), "target": np.tile(targets.repeat(n_inputs), n)}
        columns |= {"step": np.tile(steps.repeat(n_inputs), n)}
        columns |= {"column": np.tile(_objects([item.column for item in inputs]), n * n_outputs)}
        columns |= {"lag": np.tile([item.lag for item in inputs], n * n_outputs), "contribution": values.ravel()}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def windows_at(model: Any, frame: Frame | Panel | None, cutoffs: Any) -> Windows:
    """The rows that a network forecasts from at cutoffs; by default those at the last timestamp."""
    model = fitted(model)
    if not hasattr(getattr(model, "regressor_", None), "contributions"):
        what = f"{type(model).__name__} holds no network whose gradients could be followed"
        advice = "tsseq.coefficients(model) are those of a linear one, and tsseq.importance(model, frame) is for any"
        raise ConfigError(f"{what}; {advice}.")
    panel = model.panel_ if frame is None else model.to_panel(frame)
    windows: Windows = model.windows_at(panel, panel.stamps[-1:] if cutoffs is None else cutoffs)
    return as_needed(model.regressor_, windows)


def contributions_by_target(
    windows: Windows, regressor: Any, n: int = 512
) -> Iterator[tuple[Any, Any, list[Inputs], Array]]:
    """The contributions in the data's units, some windows after others.

    Parameters
    ----------
    windows : Windows
        Those at all origins for the first target, then for the second.
    regressor : NeuralRegressor
        Fitted.
    n : int, default 512
        Windows at a time.

    Yields
    ------
    rows : slice
        Which windows.
    targets : ndarray of shape (n_outputs,)
        What each output forecasts.
    inputs : list of Inputs
        What is read, then the vector of the series if there is one, and the baseline.
    values : ndarray of shape (n_windows, n_outputs, n_inputs)
        What each adds to each output.
    """
    panel, layout, per = windows.panel, windows.layout, len(windows) // windows.n_channels
    inputs = by_lag(inputs_of(panel.schema, layout.context_length, layout.horizon))
    ends = [Inputs(key_names(panel.frame_layout.names)[0], "id", 0, 0, 1, 0), Inputs(BASELINE, "", 0, 0, 1, 0)]
    for channel in range(windows.n_channels):
        places = range(layout.n_targets) if layout.n_targets > 1 else [channel]
        columns = [item for item in inputs if item.role != "target" or item.place in places]
        targets = np.tile(_objects([panel.schema.target[k] for k in places]), layout.horizon)
        for first in range(channel * per, (channel + 1) * per, n):
            rows = slice(first, min(first + n, (channel + 1) * per))
            values = _in_units(windows[rows], regressor.contributions(windows[rows]))
            has_vector = values[..., -2].any()
            keep = [*range(len(columns)), *([len(columns)] if has_vector else []), len(columns) + 1]
            yield rows, targets, [[*columns, *ends][k] for k in keep], values[..., keep]


def _in_units(windows: Windows, scaled: Array) -> Array:
    """Contributions (n, n_outputs, n_inputs), scaled, in the data's units; the last one is the baseline."""
    values = scaled.reshape(len(windows), windows.layout.horizon, windows.layout.n_targets, -1)
    affine = windows.affine  # what is forecast of a constant context is its constant
    added = np.where(affine.varies[:, None, :, None], values[..., :-1] * affine.scale[:, None, :, None], 0.0)
    return np.concatenate([added, affine.undo(values[..., -1:])], axis=-1).reshape(scaled.shape)


def _objects(names: list[Hashable]) -> Any:
    """(n,) names, of which some may be tuples."""
    array = np.empty(len(names), dtype=object)
    array[:] = names
    return array
