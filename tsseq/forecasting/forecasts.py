"""From a fitted regressor to forecasts in the data's units, and from these to tables."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.panel import Panel
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError, DataError
from tsseq.forecasting.naive import LastValue

Array = NDArray[np.float64]
Levels = Sequence[float] | None


def fit_rows(regressor: Any, windows: Windows) -> int:
    """Fit a regressor on the windows that can teach it something.

    Left out are windows whose context never moves, or without any target; and, unless the regressor ``reads_windows``,
    those that lack some target. If that leaves none, those that are whole train it all the same.

    Returns
    -------
    How many were left out because they lack some target.
    """
    windows = as_read(regressor, windows)
    keep, dropped = windows.trainable(), 0
    if not getattr(regressor, "reads_windows", False):
        whole = np.concatenate([np.isfinite(y).all(axis=1) for _, y in windows.chunks()])
        dropped = int((~whole).sum())
        if not whole.any():
            raise DataError(
                f"none of {dropped} training windows has all its targets, which {type(regressor).__name__} needs."
            )
        keep = keep & whole if (keep & whole).any() else whole
    windows = windows[keep] if keep.any() else windows
    try:
        regressor.fit(windows, windows.targets())
    except ValueError as error:
        _explain(error, regressor, windows)
        raise
    return dropped


def forecast(regressor: Any, windows: Windows, levels: Levels = None) -> Array:
    """(n_origins, horizon, targets, 1 + Q) in the data's units: the point forecast, then quantiles."""
    check_observed(windows)
    windows = as_read(regressor, windows)
    return in_units(windows, scaled_predictions(regressor, windows, levels))


def as_read(regressor: Any, windows: Windows) -> Windows:
    """A context that never moves is forecast as its constant, unless the regressor ``reads_still_contexts``."""
    return windows.moving() if getattr(regressor, "reads_still_contexts", False) else windows


def check_observed(windows: Windows) -> None:
    """Refuse contexts that hold no observed target."""
    empty = np.flatnonzero(~np.isfinite(windows.affine.loc).all(axis=1))
    if len(empty):
        name, time = windows.panel.ids[windows.series[empty[0]]], windows.panel.times[windows.origin[empty[0]]]
        where = f"ending {time}" if name is None else f"of {name!r} ending {time}"
        raise DataError(f"{len(empty)} contexts hold no observed target (first: the one {where}).")


def in_units(windows: Windows, scaled: Array) -> Array:
    """Scaled values (n_windows, horizon * n_targets, K) in the data's units, (n_origins, horizon, targets, K).

    With independent targets, ``windows`` holds all origins of the first target, then all of the second.
    """
    layout = windows.layout
    values = windows.affine.undo(scaled.reshape(len(windows), layout.horizon, layout.n_targets, -1))
    values = np.exp(values) if windows.scaling.log else values
    channels = 1 if layout.n_targets > 1 else len(windows.panel.schema.target)
    by_channel = values.reshape(channels, -1, *values.shape[1:])  # (channels, n_origins, H, n_targets, 1 + Q)
    return np.moveaxis(by_channel, 0, 2).reshape(by_channel.shape[1], layout.horizon, -1, values.shape[-1])


def scaled_predictions(regressor: Any, windows: Windows, levels: Levels = None) -> Array:
    """Scaled predictions (n, horizon * n_targets, 1 + Q)."""
    try:
        point = np.asarray(regressor.predict(windows), dtype=np.float64).reshape(len(windows), -1, 1)
    except ValueError as error:
        _explain(error, regressor, windows)
        raise
    if levels is None:
        return point
    if not hasattr(regressor, "predict_quantiles"):
        name = type(regressor).__name__
        raise ConfigError(
            f"{name} has no quantiles; wrap the forecaster in ConformalForecaster(...), "
            "or use a neural forecaster with head=Quantiles([...])."
        )
    return np.concatenate([point, regressor.predict_quantiles(windows, levels)], axis=-1)


def skill(regressor: Any, windows: Windows) -> float:
    """Skill against repeating the last value, ``1 - MAE / MAE_naive``, in units of each series' own scale."""
    scaled = np.asarray(windows.targets()).reshape(len(windows), windows.layout.horizon, -1)
    actual = replace(windows.affine, still=None).undo(scaled)
    naive = LastValue().fit(windows, windows.targets())
    errors = []
    for model in (regressor, naive):
        windows = as_read(model, windows)
        found = windows.affine.undo(scaled_predictions(model, windows)[..., 0].reshape(scaled.shape))
        errors.append(np.abs(actual - found) / windows.unit[:, None])
    ours, theirs = (float(np.nansum(part)) for part in errors)
    return 1 - ours / theirs if theirs > 0 else 0.0


def _explain(error: ValueError, regressor: Any, windows: Windows) -> None:
    """Turn a regressor's refusal of missing values or of several outputs into advice in our words."""
    name, outputs = type(regressor).__name__, windows.layout.n_outputs
    if "NaN" in str(error) and any(np.isnan(X).any() for X, _ in windows.chunks()):
        advice = f"use make_pipeline(SimpleImputer(), {name}()) as the regressor, or a neural forecaster"
        raise DataError(f"{name} takes no missing values, and some contexts have them; {advice}.") from error
    if "1d array" in str(error) and outputs > 1:
        raise ConfigError(
            f"{name} predicts one number, and {outputs} are needed; use MultiOutputRegressor({name}())."
        ) from error


def columns(forecasts: Array, targets: Sequence[Hashable], levels: Levels) -> dict[Hashable, Array]:
    """Columns for a frame from (n, steps, targets, 1 + Q): ``<target>``, then ``<target>_q<level>``."""
    flat = forecasts.reshape(-1, *forecasts.shape[2:])
    found: dict[Hashable, Array] = {}
    for k, target in enumerate(targets):
        found[target] = flat[:, k, 0]
        found |= {f"{target}_q{level:g}": flat[:, k, q + 1] for q, level in enumerate(levels or ())}
    return found


def tidy(panel: Panel, origins: NDArray[np.int64], forecasts: Array, levels: Levels) -> pd.DataFrame:
    """One row per (id, cutoff, step, target) from (n_origins, H, targets, 1 + Q); series in the order of the frame."""
    series = np.searchsorted(panel.indptr, origins, side="right") - 1
    order = np.lexsort((origins, panel.input_order[series]))
    origins, series, forecasts = origins[order], series[order], forecasts[order]
    n, horizon, n_targets, _ = forecasts.shape
    each, step = horizon * n_targets, np.arange(1, horizon + 1)
    ids = {} if panel.ids[0] is None else {"id": pd.Series(panel.ids.take(series.repeat(each)), dtype=panel.ids.dtype)}
    found = {
        **ids,
        "cutoff": panel.times.take(origins.repeat(each)).array,
        "time": panel.times.take((origins[:, None] + step).ravel().repeat(n_targets)).array,
        "step": np.tile(step.repeat(n_targets), n),
        "target": pd.Categorical.from_codes(np.tile(np.arange(n_targets), n * horizon), list(panel.schema.target)),
        "forecast": forecasts[..., 0].ravel(),
    }
    return pd.DataFrame(found | {f"q{level:g}": forecasts[..., q + 1].ravel() for q, level in enumerate(levels or ())})
