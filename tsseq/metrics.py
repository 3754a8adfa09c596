"""Forecast errors: arrays in, floats out. Missing values are left out.

Formulas follow Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, 5.8 and 5.9.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsseq.errors import ConfigError, DataError

Array = NDArray[np.float64]


def mae(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Mean absolute error, in units of the data.

    >>> mae([1.0, 2.0], [2.0, 4.0])
    1.5
    """
    return _mean(np.abs(_errors(actual, forecast)))


def rmse(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Root mean squared error, in units of the data.

    >>> rmse([0.0, 0.0], [1.0, -1.0])
    1.0
    """
    return float(np.sqrt(_mean(_errors(actual, forecast) ** 2)))


def smape(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Symmetric mean absolute percentage error, 0 to 200, as in the M4 competition; 0 where both are 0.

    >>> smape([1.0], [3.0])
    100.0
    """
    error, size = np.abs(_errors(actual, forecast)), np.abs(np.asarray(actual)) + np.abs(np.asarray(forecast))
    return _mean(200 * error / np.where(size == 0, 1.0, size))


def mase(actual: ArrayLike, forecast: ArrayLike, scale: ArrayLike) -> float:
    """Mean absolute scaled error: errors in units of the naive forecast's error on training rows.

    Parameters
    ----------
    scale : mean of ``|y[t] - y[t - season_length]|`` over training rows, per value or one for all (`naive_scale`).
        Values whose scale is 0 are left out.

    >>> mase([1.0, 2.0], [2.0, 4.0], scale=0.5)
    3.0
    """
    unit = np.asarray(scale, dtype=np.float64)
    return _mean(np.abs(_errors(actual, forecast)) / np.where(unit > 0, unit, np.nan))


def naive_scale(values: ArrayLike, season_length: int = 1) -> float:
    """Mean absolute change over a season: the scale of `mase`.

    >>> naive_scale([1.0, 2.0, 4.0])
    1.5
    """
    if season_length < 1:
        raise ConfigError(f"season_length={season_length} must be at least 1.")
    series = np.asarray(values, dtype=np.float64)
    changes = np.abs(series[season_length:] - series[:-season_length])
    return _mean(changes)


def pinball(actual: ArrayLike, quantile: ArrayLike, level: float) -> float:
    """Mean quantile loss of the forecasts for one level in 0..1.

    >>> pinball([1.0], [0.0], level=0.9)
    0.9
    """
    if not 0 <= level <= 1:
        raise ConfigError(f"level={level} must lie in 0..1.")
    error = _errors(actual, quantile)
    return _mean(np.maximum(level * error, (level - 1) * error))


def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float:
    """Share of values within the band, ends included.

    >>> coverage([1.0, 5.0], [0.0, 0.0], [2.0, 2.0])
    0.5
    """
    value, low, high = (np.asarray(part, dtype=np.float64) for part in (actual, lower, upper))
    known = np.isfinite(value + low + high)
    return _mean(np.where(known, (value >= low) & (value <= high), np.nan))


def _errors(actual: ArrayLike, forecast: ArrayLike) -> Array:
    truth, found = np.asarray(actual, dtype=np.float64), np.asarray(forecast, dtype=np.float64)
    if truth.shape != found.shape:
        raise DataError(f"actual has the shape {truth.shape}, forecast {found.shape}; they must be the same.")
    errors: Array = truth - found
    return errors


def _mean(values: Array) -> float:
    """Mean of what is not missing; NaN if nothing is there."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
