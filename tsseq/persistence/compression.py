"""Smaller models: weights in eight bits, weights left out, or one network in the place of several."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from tsseq.arguments import Range, check_value
from tsseq.data.panel import Frame, Panel
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError, DataError
from tsseq.forecasting.base import BaseForecaster, as_forecaster
from tsseq.forecasting.conformal import ConformalForecaster
from tsseq.forecasting.ensemble import EnsembleForecaster
from tsseq.forecasting.forecaster import Forecaster
from tsseq.forecasting.forecasts import Forecasts
from tsseq.forecasting.regressor import NeuralRegressor
from tsseq.forecasting.rows import fit_rows
from tsseq.hints import rejects_foreign_names
from tsseq.metrics import LEAST_CHANCE
from tsseq.networks import LSTM
from tsseq.training.weights import from_arrays, rounded, to_arrays
from tsseq.typing import Array

LEVELS = tuple((np.arange(50) + 0.5) / 50)  # of the ensemble's distribution, from which one is drawn for each target
COPIES = 4  # of every row, with other draws
CUTOFFS, RUNS = 200, 7
LITTLE, SMALLER, FASTER = 0.01, 0.9, 0.8  # of the error that may be lost, of the file and the time that should be left


@dataclass(frozen=True, repr=False)
class Compression:
    """A smaller forecaster beside the one that it was made of, as `tsseq.compress` returns it.

    Attributes
    ----------
    model : BaseForecaster
        The smaller one, fitted; it predicts and saves like any other.
    table : DataFrame
        Rows "before", "after" and "ratio"; columns ``weights`` (those that are not zero), ``file_kb`` (size of the
        saved model), ``seconds`` (of forecasts at the held-out origins) and their ``MAE``, of categories ``log_loss``.
        NaN where there are no held-out rows to forecast, or no file.
    method : str
        "quantize", "prune" or "distill".

    Examples
    --------
    >>> from tsseq import LSTMForecaster, Training, compress, load_sample
    >>> air = load_sample("airline")
    >>> model = LSTMForecaster(3, 24, log=True, training=Training(max_steps=5, verbose=False)).fit(air[:"1957"])
    >>> small = compress(model, air)
    >>> bool(small.table.loc["ratio", "file_kb"] < 0.35)
    True
    """

    model: BaseForecaster
    table: pd.DataFrame
    method: str

    def __repr__(self) -> str:
        return f"{self.sentence}\n{self.table.to_string(float_format='{:.4g}'.format)}"

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence}</p>{self.table.to_html(float_format='{:.4g}'.format)}"

    @property
    def sentence(self) -> str:
        """What was gained and lost, and whether it pays."""
        ratio = self.table.loc["ratio"]
        error, size, seconds = ratio.iloc[3], ratio["file_kb"], ratio["seconds"]
        name = self.table.columns[3]
        parts = [f"the file has {size:.0%} of its size"] if np.isfinite(size) else []
        parts += [f"forecasts take {seconds:.0%} of the time"] if np.isfinite(seconds) else []
        parts += [f"the {name} changes by {error - 1:+.2%}"] if np.isfinite(error) else []
        gains = [word for word, gained in (("size", size < SMALLER), ("time", seconds < FASTER)) if gained]
        verdict = "It pays" if gains else "It does not pay: neither the file nor the time is much smaller"
        if gains and error > 1 + LITTLE:
            verdict = f"It costs more than {LITTLE:.0%} of the error, for {' and '.join(gains)}"
        if gains and not np.isfinite(error):
            verdict = "What it costs in errors was not measured"
        return f"{self.method}: {', '.join(parts)}. {verdict}."


@rejects_foreign_names
def compress(
    model: BaseForecaster,
    frame: Frame | Panel | None = None,
    method: Literal["quantize", "prune", "distill"] = "quantize",
    *,
    share: float = 0.5,
) -> Compression:
    """Make a fitted forecaster smaller, and measure what that saves and what it costs.

    "quantize" rounds the weights of every network inside to 255 numbers for each output channel, as eight bits hold
    them, and a model file does. Forecasts are computed with the rounded weights in floating point, at the same speed.

    "prune" sets the smallest weights of every table to zero (Han et al., Learning both weights and connections, NeurIPS
    2015), without training anew; a model file then leaves them out. The zeros are multiplied as before.

    "distill" makes one network of an ensemble (Hinton, Vinyals and Dean, Distilling the knowledge in a neural network,
    2015): the first neural member goes on, as `NeuralRegressor.partial_fit` does, with what the ensemble forecasts of
    the rows that it was fitted on. Quantiles and probabilities are learnt from draws of the ensemble's distribution.

    Parameters
    ----------
    model : forecaster
        Fitted. It is not changed.
    frame : Series or DataFrame, optional
        History, of any accepted shape. Errors and times are measured on forecasts of rows that `fit` has not seen; a
        distilled network learns from those that it has. Default: nothing is measured but sizes.
    method : {"quantize", "prune", "distill"}, default "quantize"
        How it is made smaller.
    share : float, default 0.5
        Share of the weights to prune, in 0..1.

    Returns
    -------
    Compression
        Its ``model`` is the smaller forecaster; printed, it says what was gained and lost.

    Raises
    ------
    ConfigError
        There is no network inside, or no ensemble of networks to distill.
    DataError
        There is no frame to distill from, or it lacks what is needed.
    NotFittedError
        Before `fit`.

    Examples
    --------
    >>> from tsseq import EnsembleForecaster, LinearForecaster, Training, compress, load_sample
    >>> air, quick = load_sample("airline"), Training(max_steps=50, verbose=False)
    >>> ensemble = EnsembleForecaster.over_seeds(LinearForecaster(2, 24, log=True, training=quick), n=3)
    >>> small = compress(ensemble.fit(air[:"1957"]), air, "distill")
    >>> type(small.model).__name__, small.table.loc["ratio", "weights"].round(2).item()
    ('LinearForecaster', 0.33)
    """
    check_value("method", method, allowed=("quantize", "prune", "distill"))
    check_value("share", share, allowed=Range(0, 1, whole=False))
    check_is_fitted(as_forecaster(model), "fitted_until_")
    panel = None if frame is None else model.to_panel(frame)
    if method == "distill":
        small: BaseForecaster = _distilled(model, panel)
    else:
        change, kind = (rounded, "int8") if method == "quantize" else (partial(_pruned, share=share), "sparse")
        small = _with_weights(model, change, kind)
    models = {"before": model, "after": small}
    sizes = {name: [_n_weights(one), _file_size(one)] for name, one in models.items()}
    table = pd.DataFrame(sizes, ["weights", "file_kb"]).T
    error = "MAE" if model.panel_.classes is None else "log_loss"
    table[["seconds", error]] = _speed_and_error(list(models.values()), panel)
    table.loc["ratio"] = table.loc["after"] / table.loc["before"]
    return Compression(small, table, method)


def _forecasters(model: Any) -> Iterator[Forecaster]:
    """The fitted forecasters inside that hold a regressor."""
    if isinstance(model, Forecaster):
        yield model
    elif isinstance(model, ConformalForecaster):
        yield from _forecasters(model.forecaster_)
    elif isinstance(model, EnsembleForecaster):
        for member in model.forecasters_:
            yield from _forecasters(member)


def _networks(model: BaseForecaster) -> list[NeuralRegressor]:
    regressors = [part.regressor_ for part in _forecasters(model)]
    return [regressor for regressor in regressors if isinstance(regressor, NeuralRegressor)]


def _with_weights(
    model: BaseForecaster, change: Callable[[dict[str, Any]], dict[str, Any]], kind: str
) -> BaseForecaster:
    """A copy whose networks have other weights, and keep them in a way of their own in a file."""
    small = deepcopy(model)
    networks = _networks(small)
    if not networks:
        raise ConfigError(f"{type(model).__name__} holds no network whose weights could be made smaller.")
    for regressor in networks:
        before = regressor.network_
        network = LSTM() if regressor.network is None else regressor.network
        after = from_arrays(network, regressor.layout_, regressor.head_, change(to_arrays(before)))
        after.storage = tuple(dict.fromkeys([*before.storage, kind]))
        regressor.network_ = after
    return small


def _pruned(arrays: dict[str, Any], share: float) -> dict[str, Any]:
    """Tables without their smallest numbers; those of the line stay, which are few, and fitted together."""
    content = {}
    for name, array in arrays.items():
        content[name] = array.copy()
        if array.ndim > 1 and np.issubdtype(array.dtype, np.floating) and not name.startswith("line."):
            smallest = np.argsort(np.abs(array), axis=None, kind="stable")[: int(share * array.size)]
            content[name].flat[smallest] = 0
    return content


def _distilled(model: BaseForecaster, panel: Panel | None) -> Forecaster:
    """The first neural member of an ensemble, which has gone on with what all forecast of the rows that they know."""
    members = [part for part in _forecasters(model) if isinstance(part.regressor_, NeuralRegressor)]
    if not (isinstance(model, EnsembleForecaster) and members):
        raise ConfigError(f"distill makes one network of an ensemble of networks, not of a {type(model).__name__}.")
    if panel is None:
        raise DataError("a network is distilled from forecasts of the rows of fit; pass frame=.")
    student, random = deepcopy(members[0]), np.random.default_rng(0)
    known = panel.before(model.fitted_until_).with_min_length(model.task.n_rows)
    first = known.times.take(known.indptr[:-1] + int(model.task.context_length) - 1).min()
    stamps = known.stamps[known.stamps.searchsorted(first) : len(known.stamps) - int(model.task.horizon)]
    draws = model.has_quantiles and student.has_quantiles and known.classes is None
    forecasts = model.forecast_at(known, stamps, LEVELS if draws else None)
    windows = student.windows_at(known, stamps)
    windows = windows[np.isin(windows.origin, forecasts.origins)]
    copies = COPIES if forecasts.values.shape[-1] > 1 else 1
    values = [_scaled(windows, _drawn(forecasts.values, known, random)) for _ in range(copies)]
    windows = windows[np.tile(np.arange(len(windows)), copies)].with_targets(np.concatenate(values))
    fit_rows(student.regressor_, windows, student.regressor_.partial_fit)
    return student


def _drawn(values: Array, panel: Panel, random: np.random.Generator) -> Array:
    """(n, H, targets) draws from quantiles or probabilities (n, H, targets, 1 + Q); else what was forecast."""
    if values.shape[-1] == 1:
        return values[..., 0]
    if panel.classes is None:
        places = random.integers(1, values.shape[-1], (*values.shape[:-1], 1))
        return np.asarray(np.take_along_axis(values, places, axis=-1)[..., 0])
    below = values[..., 1:].cumsum(axis=-1) < random.random((*values.shape[:-1], 1))
    return np.asarray(np.minimum(below.sum(axis=-1), panel.n_classes - 1), dtype=np.float64)


def _scaled(windows: Windows, values: Array) -> Array:
    """(n_windows, n_outputs) targets from values (n, H, targets) in the data's units."""
    numbers = np.log(values) if windows.scaling.log else values
    if windows.layout.n_targets == 1:
        numbers = np.moveaxis(numbers, 2, 0)[..., None]  # (channels, n, H, 1)
    numbers = numbers.reshape(len(windows), windows.layout.horizon, -1)
    loc, scale = windows.units
    return np.asarray(((numbers - loc[:, None]) / scale[:, None]).reshape(len(windows), -1))


def _n_weights(model: BaseForecaster) -> float:
    """Weights that are not zero, of all networks inside."""
    arrays = [array for regressor in _networks(model) for array in to_arrays(regressor.network_).values()]
    return float(sum(np.count_nonzero(array) for array in arrays))


def _speed_and_error(models: list[BaseForecaster], panel: Panel | None) -> Array:
    """(n_models, 2) seconds, the shortest of runs that take turns, and error of held-out forecasts; NaN without any."""
    cutoffs: Any = () if panel is None else _held_out(panel, models[0])
    if panel is None or not len(cutoffs):
        return np.full((len(models), 2), np.nan)
    forecasts = [model.forecast_at(panel, cutoffs) for model in models]
    seconds = np.empty((RUNS, len(models)))
    for run, k in np.ndindex(*seconds.shape):
        start = time.perf_counter()
        models[k].forecast_at(panel, cutoffs)
        seconds[run, k] = time.perf_counter() - start
    return np.column_stack([seconds.min(axis=0), [_error(each) for each in forecasts]])


def _error(forecasts: Forecasts) -> float:
    """Mean absolute error, or log loss of categories, over what is known."""
    errors = np.abs(forecasts.point - forecasts.actual)
    if forecasts.has_probabilities:
        happened = np.nan_to_num(forecasts.actual).astype(np.int64)[..., None]
        chance = np.take_along_axis(forecasts.values[..., 1:], happened, axis=-1)[..., 0]
        errors = np.where(np.isfinite(forecasts.actual), -np.log(np.maximum(chance, LEAST_CHANCE)), np.nan)
    return float(np.nanmean(errors))


def _held_out(panel: Panel, model: BaseForecaster) -> pd.Index:
    """Origins whose horizon `fit` has not seen and the panel has, at most `CUTOFFS`, evenly spread."""
    stamps = panel.stamps
    first = max(int(stamps.searchsorted(model.fitted_until_)), int(model.task.context_length) - 1)
    free = stamps[first : len(stamps) - int(model.task.horizon)]
    return free[:: max(-(-len(free) // CUTOFFS), 1)]


def _file_size(model: BaseForecaster) -> float:
    """Of the saved model, in kilobytes; NaN if no file can hold it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.tsseq")
        try:
            model.save(path)
        except ConfigError:
            return np.nan
        return os.path.getsize(path) / 1000
