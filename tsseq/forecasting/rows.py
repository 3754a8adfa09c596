"""Windows in, a fitted regressor or forecasts in the data's units out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from tsseq.data.panel import Panel
from tsseq.data.windows import RowNeeds, Windows
from tsseq.errors import ConfigError, DataError
from tsseq.forecasting.naive import LastValue
from tsseq.resampling.classes import drawn_classes
from tsseq.typing import Array, Index

Levels: TypeAlias = Sequence[float] | None
_OUTSIDE = "drop the rows before a series begins and after it ends (frame.stack().dropna() of a wide frame)"


def fit_rows(regressor: Any, windows: Windows, learn: Callable[..., Any] | None = None) -> int:
    """Fit a regressor on the windows that it can learn from.

    Left out are windows with a constant context or without any target; and, unless the regressor reads windows, those
    that lack some target. If none is left, it is fitted on all complete windows. A network reads what each target value
    weighs from the windows; any other regressor is given a ``sample_weight``, the mean weight of a window's targets.

    Parameters
    ----------
    regressor : estimator
        It is fitted in place.
    windows : Windows
        Training rows.
    learn : callable, optional
        What is called with the windows, their targets and perhaps ``sample_weight``; default: ``regressor.fit``.

    Returns
    -------
    int
        Number of windows left out because they lack some target.

    Raises
    ------
    DataError
        No target is observed at all, or none of the windows is complete and the regressor needs that.
    """
    windows, n_dropped = _learnable(regressor, as_needed(regressor, windows))
    windows = windows.counting()
    weights = {} if RowNeeds.of(regressor).reads_windows else _weights_for(regressor, windows.weights)
    with _explained(regressor, windows):
        (regressor.fit if learn is None else learn)(windows, windows.targets(), **weights)
    if windows.panel.classes is not None and windows.layout.horizon > 1 and hasattr(regressor, "predict_proba"):
        probabilities = None if RowNeeds.of(regressor).reads_windows else regressor.predict_proba(windows[:1])
        if isinstance(probabilities, np.ndarray):  # it took the steps for labels of a row
            raise ConfigError(_one_output(regressor, windows))
    return n_dropped


def _weights_for(regressor: Any, weights: Array | None) -> dict[str, Array]:
    """Arguments that hand weights (n,) to the ``fit`` of a regressor, or of the last step of a pipeline."""
    if weights is None:
        return {}
    name, last = "sample_weight", regressor
    while isinstance(last, Pipeline):
        step, last = last.steps[-1]
        name = f"{step}__{name}"
    if not has_fit_parameter(last, "sample_weight"):
        raise ConfigError(f"{type(last).__name__} takes no weights (its fit has no sample_weight); drop weight=.")
    return {name: weights}


def _learnable(regressor: Any, windows: Windows) -> tuple[Windows, int]:
    """The windows that `fit_rows` fits on, and how many of the others lack some target."""
    observed = windows.n_observed_targets()
    if not observed.any():
        names = ", ".join(map(repr, windows.panel.schema.target))
        raise DataError(f"the target {names} has no observed value in any of {len(windows)} training windows.")
    keep, n_dropped = windows.trainable(), 0
    if not RowNeeds.of(regressor).reads_windows:
        complete = observed == windows.layout.n_outputs
        n_dropped = int((~complete).sum())
        if not complete.any():
            none = f"none of {n_dropped} training windows has all its targets"
            raise DataError(f"{none}, which {type(regressor).__name__} needs.")
        keep = keep & complete if (keep & complete).any() else complete
    return windows[keep] if keep.any() and not keep.all() else windows, n_dropped


def forecast_rows(regressor: Any, windows: Windows, levels: Levels = None) -> Array:
    """Forecasts in the data's units.

    Parameters
    ----------
    regressor : estimator
        Fitted.
    windows : Windows
        Those at all origins for the first target, then for the second.
    levels : sequence of float, optional
        Quantile levels in 0..1.

    Returns
    -------
    ndarray of shape (n_origins, horizon, targets, 1 + Q)
        The point forecast, then quantiles; of categories the code of the most probable one, then all probabilities.

    Raises
    ------
    DataError
        A context holds no observed target.
    """
    check_observed(windows)
    windows = as_needed(regressor, windows)
    if windows.panel.classes is not None:
        return _forecast_classes(regressor, windows, levels)
    with _explained(regressor, windows):
        scaled = np.asarray(regressor.predict(windows), dtype=np.float64).reshape(len(windows), -1, 1)
    if levels is not None:
        scaled = np.concatenate([scaled, regressor.predict_quantiles(windows, levels)], axis=-1)
    return in_units(windows, scaled)


def _forecast_classes(regressor: Any, windows: Windows, levels: Levels) -> Array:
    """(n_origins, horizon, 1, 1 + K), without probabilities (n_origins, horizon, 1, 1)."""
    if levels is not None:
        raise ConfigError("the target holds categories: use predict(proba=True), or ConformalForecaster(...) for sets.")
    if hasattr(regressor, "predict_proba"):
        return with_likeliest(class_probabilities(regressor, windows)[:, :, None])
    return np.asarray(regressor.predict(windows), dtype=np.float64).reshape(len(windows), -1, 1, 1)


def with_likeliest(probabilities: Array) -> Array:
    """(..., K) -> (..., 1 + K): the code of the most probable category first."""
    return np.concatenate([probabilities.argmax(axis=-1)[..., None], probabilities], axis=-1)


def class_probabilities(regressor: Any, windows: Windows) -> Array:
    """Probabilities of the categories of the target.

    Parameters
    ----------
    regressor : estimator
        A fitted classifier, or a `NeuralRegressor`.
    windows : Windows
        At all origins.

    Returns
    -------
    ndarray of shape (n_origins, horizon, K)
        They sum to 1; 0 where a classifier has not seen the category as a target.

    Raises
    ------
    DataError
        Some are NaN or infinite.
    """
    with _explained(regressor, windows):
        found = regressor.predict_proba(windows)
    if RowNeeds.of(regressor).reads_windows:
        probabilities = np.asarray(found, dtype=np.float64)
    else:
        probabilities = np.zeros((len(windows), windows.layout.horizon, windows.panel.n_classes))
        steps = zip(found, regressor.classes_) if isinstance(found, list) else [(found, regressor.classes_)]
        for step, (columns, codes) in enumerate(steps):
            probabilities[:, step, np.asarray(codes, dtype=np.int64)] = columns
    check_finite(windows.panel, windows.origin, probabilities)
    return probabilities


def draw_rows(regressor: Any, windows: Windows, levels: Array, temperature: float, top_k: int | None) -> Array:
    """Draws (n, n_windows, horizon * n_targets), scaled, by uniform numbers of that shape.

    The last two arguments are for categories, as `drawn_classes` has them.
    """
    if windows.panel.classes is None:
        return np.asarray(regressor.sample(windows, levels))
    if RowNeeds.of(regressor).reads_windows:
        return np.asarray(regressor.sample(windows, levels, temperature, top_k))
    return drawn_classes(class_probabilities(regressor, windows), levels, temperature, top_k)


def as_needed(regressor: Any, windows: Windows) -> Windows:
    """A constant context is forecast as its constant, unless the regressor forecasts it like any other."""
    alike = RowNeeds.of(regressor).constant_contexts or windows.panel.classes is not None
    return windows.without_constants() if alike else windows


def check_observed(windows: Windows) -> None:
    """Refuse contexts that hold no observed target."""
    empty = np.flatnonzero(~np.isfinite(windows.affine.loc).all(axis=1))
    if len(empty):
        name, time = windows.panel.ids[windows.series[empty[0]]], windows.panel.times[windows.origin[empty[0]]]
        where = f"ending {time}" if name is None else f"of {name!r} ending {time}"
        problem = f"{len(empty)} contexts hold no observed target (first: the one {where})"
        raise DataError(f"{problem}. Forecast from elsewhere, or {_OUTSIDE}.")


def in_units(windows: Windows, scaled: Array) -> Array:
    """Scaled values (n_windows, horizon * n_targets, K) in the data's units, (n_origins, horizon, targets, K)."""
    layout = windows.layout
    values = windows.affine.undo(scaled.reshape(len(windows), layout.horizon, layout.n_targets, -1))
    values = windows.unlogged(values) if windows.scaling.log else values
    check_finite(windows.panel, windows.origin, values)
    channels = 1 if layout.n_targets > 1 else windows.panel.n_targets
    by_channel = values.reshape(channels, -1, *values.shape[1:])  # (channels, n_origins, H, n_targets, K)
    return np.moveaxis(by_channel, 0, 2).reshape(by_channel.shape[1], layout.horizon, -1, values.shape[-1])


def check_finite(panel: Panel, origins: Index, values: Array) -> None:
    """Refuse forecasts (n, ...) from origins (n,) that are NaN or infinite: nothing that is made of them would tell."""
    finite = np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if not finite.all():
        first = int(finite.argmin())
        name, time = panel.ids[panel.series_of(origins[[first]])[0]], panel.times[origins[first]]
        where = f"the one from {time}" if name is None else f"that of {name!r} from {time}"
        problem = f"{int((~finite).sum())} of {len(finite)} forecasts are NaN or infinite (first: {where})"
        advice = "Look for values far beyond those of fit, or at what the regressor returns for them"
        raise DataError(f"{problem}. {advice}.")


def accuracy(regressor: Any, windows: Windows) -> float:
    """Share of the targets whose category is the most probable one."""
    actual = np.asarray(windows.targets()).reshape(len(windows), -1)
    forecast = forecast_rows(regressor, windows)[:, :, 0, 0]
    return float((forecast == actual)[np.isfinite(actual)].mean())


def skill(regressor: Any, windows: Windows) -> float:
    """Skill against repeating the last value, ``1 - MAE / MAE_naive``, in units of each series' own scale."""
    scaled = np.asarray(windows.targets()).reshape(len(windows), windows.layout.horizon, -1)
    actual = replace(windows.affine, constant=None).undo(scaled)
    errors = []
    for model in (regressor, LastValue().fit(windows, windows.targets())):
        windows = as_needed(model, windows)
        with _explained(model, windows):
            predicted = np.asarray(model.predict(windows), dtype=np.float64)
        forecast = windows.affine.undo(predicted.reshape(scaled.shape))
        errors.append(float(np.nansum(np.abs(actual - forecast) / windows.series_scale[:, None])))
    return 1 - errors[0] / errors[1] if errors[1] > 0 else 0.0


@contextmanager
def _explained(regressor: Any, windows: Windows) -> Iterator[None]:
    """Turn a regressor's refusal of missing values or of several outputs into advice in our words."""
    try:
        yield
    except ValueError as error:
        name, n_outputs = type(regressor).__name__, windows.layout.n_outputs
        if windows.panel.classes is not None and any(words in str(error) for words in ("one class", "single class")):
            what = f"{name} needs two categories among the targets"
            raise DataError(f"{what}, and those of {len(windows)} training windows are all alike.") from error
        if "NaN" in str(error) and any(np.isnan(X).any() for X, _ in windows.chunks()):
            filled = "fill prices in between with tsseq.regularize(frame, calendar, fill='ffill')"
            other = f"or use make_pipeline(SimpleImputer(), {name}()) as the regressor, or a neural forecaster"
            unknown = "" if windows.panel.classes is None else " or categories that fit has not seen"
            problem = f"{name} takes no missing values, and some contexts have them{unknown}"
            raise DataError(f"{problem}: {_OUTSIDE}, {filled}, {other}.") from error
        if ("1d array" in str(error) or "Multioutput target" in str(error)) and n_outputs > 1:
            raise ConfigError(_one_output(regressor, windows)) from error
        raise


def _one_output(regressor: Any, windows: Windows) -> str:
    name, what = type(regressor).__name__, "number" if windows.panel.classes is None else "category"
    wrapper = "MultiOutputRegressor" if windows.panel.classes is None else "MultiOutputClassifier"
    needed = f"{name} predicts one {what}, and {windows.layout.n_outputs} are needed"
    return f"{needed}; use {wrapper}({name}())."
