"""Forecast errors: arrays in, floats out. Missing values are left out.

Formulas follow Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, 5.8 and 5.9, where no
other source is named. Below, y is what happened, f the forecast, and n the naive forecast of the same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import erfc, sqrt
from typing import NamedTuple

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


def rmsse(actual: ArrayLike, forecast: ArrayLike, scale: ArrayLike) -> float:
    """Root mean squared scaled error, ``sqrt(mean((y - f)^2 / scale))``, as in the M5 competition.

    Parameters
    ----------
    scale : mean of ``(y[t] - y[t - season_length])^2`` over training rows, per value or one for all (`naive_scale`
        with ``power=2``). Values whose scale is 0 are left out.

    >>> rmsse([1.0, 2.0], [2.0, 4.0], scale=2.5)
    1.0
    """
    unit = np.asarray(scale, dtype=np.float64)
    return float(np.sqrt(_mean(_errors(actual, forecast) ** 2 / np.where(unit > 0, unit, np.nan))))


def naive_scale(values: ArrayLike, season_length: int = 1, power: int = 1) -> float:
    """Mean absolute change over a season, to some power: the scale of `mase`, or of `rmsse` with ``power=2``.

    >>> naive_scale([1.0, 2.0, 4.0])
    1.5
    >>> naive_scale([1.0, 2.0, 4.0], power=2)
    2.5
    """
    if season_length < 1:
        raise ConfigError(f"season_length={season_length} must be at least 1.")
    series = np.asarray(values, dtype=np.float64)
    changes = np.abs(series[season_length:] - series[:-season_length])
    return _mean(changes**power)


def skill(actual: ArrayLike, forecast: ArrayLike, naive: ArrayLike) -> float:
    """Skill, ``1 - MAE(f) / MAE(n)``: 1 is perfect, 0 as good as the naive forecast.

    >>> skill([1.0, 2.0], [1.0, 1.0], naive=[0.0, 1.0])
    0.5
    """
    ours, theirs = _paired(actual, forecast, naive)
    return 1 - _ratio(np.abs(ours).sum(), np.abs(theirs).sum())


def theil_u2(actual: ArrayLike, forecast: ArrayLike, naive: ArrayLike) -> float:
    """Theil's U2, ``RMSE(f) / RMSE(n)``; below 1 is better than the naive forecast.

    Of errors in units of the data, not of relative changes (Theil, Applied Economic Forecasting, 1966).

    >>> theil_u2([1.0, 2.0], [1.0, 1.0], naive=[1.0, 0.0])
    0.5
    """
    ours, theirs = _paired(actual, forecast, naive)
    return float(np.sqrt(_ratio((ours**2).sum(), (theirs**2).sum())))


def r2_out_of_sample(actual: ArrayLike, forecast: ArrayLike, naive: ArrayLike) -> float:
    """Out-of-sample R2, ``1 - sum((y - f)^2) / sum((y - n)^2)`` (Campbell and Thompson 2008), which is 1 - U2^2.

    >>> r2_out_of_sample([1.0, 2.0], [1.0, 1.0], naive=[1.0, 0.0])
    0.75
    """
    ours, theirs = _paired(actual, forecast, naive)
    return 1 - _ratio((ours**2).sum(), (theirs**2).sum())


def directional_accuracy(actual: ArrayLike, forecast: ArrayLike, last: ArrayLike) -> float:
    """Share of forecasts with ``sign(f - last) == sign(y - last)``, where ``last`` is the value they set out from.

    Values that did not change are left out; a forecast of no change counts half, as a guess does.

    >>> directional_accuracy([2.0, 0.0, 1.0, 3.0], [3.0, 2.0, 5.0, 1.0], last=1.0)
    0.5
    """
    truth, found, known = _signs(actual, forecast, last)
    return _mean(np.where(known, (1 + truth * found) / 2, np.nan))


class SignTest(NamedTuple):
    """A statistic that is standard normal if signs are independent, and its one-sided p-value."""

    statistic: float
    p_value: float


def pesaran_timmermann(actual: ArrayLike, forecast: ArrayLike, last: ArrayLike = 0.0) -> SignTest:
    """Are directions forecast better than by chance? The test of Pesaran and Timmermann (1992).

    With P the share of hits, py and pf the shares of rises in y and f, and ``P* = py pf + (1 - py)(1 - pf)``::

        S = (P - P*) / sqrt(V(P) - V(P*)),      V(P) = P* (1 - P*) / N,
        V(P*) = ((2 py - 1)^2 pf (1 - pf) + (2 pf - 1)^2 py (1 - py) + 4 py pf (1 - py)(1 - pf) / N) / N

    Pairs must be independent in time; `tsseq.evaluation.significance.direction_test` takes forecasts that overlap, and
    panels. Changes of 0 are left out; where all of one kind have the same sign, S is 0 and its p-value 1.

    >>> test = pesaran_timmermann([1.0, -1.0, 2.0, -2.0, 1.0, 3.0], [0.5, -0.5, 1.0, -1.0, -1.0, 1.0])
    >>> round(test.statistic, 3), round(test.p_value, 3)
    (1.897, 0.029)
    """
    truth, found, known = _signs(actual, forecast, last)
    known &= found != 0
    n = int(known.sum())
    up, said = truth[known] > 0, found[known] > 0
    if n == 0 or up.all() or said.all() or not (up.any() and said.any()):
        return SignTest(0.0, 1.0)
    py, pf, hits = float(up.mean()), float(said.mean()), float((up == said).mean())
    chance = py * pf + (1 - py) * (1 - pf)
    own = (2 * py - 1) ** 2 * pf * (1 - pf) + (2 * pf - 1) ** 2 * py * (1 - py)
    variance = (chance * (1 - chance) - own - 4 * py * pf * (1 - py) * (1 - pf) / n) / n
    statistic = (hits - chance) / sqrt(variance) if variance > 0 else 0.0
    return SignTest(statistic, erfc(statistic / sqrt(2)) / 2)


def pinball(actual: ArrayLike, quantile: ArrayLike, level: float) -> float:
    """Mean quantile loss of the forecasts for one level in 0..1.

    >>> pinball([1.0], [0.0], level=0.9)
    0.9
    """
    if not 0 <= level <= 1:
        raise ConfigError(f"level={level} must lie in 0..1.")
    error = _errors(actual, quantile)
    return _mean(np.maximum(level * error, (level - 1) * error))


def crps(actual: ArrayLike, quantiles: Mapping[float, ArrayLike]) -> float:
    """Continuous ranked probability score from quantiles by level: twice the mean of their pinball losses.

    That is the integral of ``2 pinball`` over all levels (Gneiting and Ranjan 2011) if the levels are spread evenly.

    >>> crps([1.0], {0.25: [0.0], 0.5: [1.0], 0.75: [2.0]})
    0.3333333333333333
    """
    return 2 * float(np.mean([pinball(actual, values, level) for level, values in quantiles.items()]))


def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float:
    """Share of values within the band, ends included.

    >>> coverage([1.0, 5.0], [0.0, 0.0], [2.0, 2.0])
    0.5
    """
    value, low, high = (np.asarray(part, dtype=np.float64) for part in (actual, lower, upper))
    known = np.isfinite(value + low + high)
    return _mean(np.where(known, (value >= low) & (value <= high), np.nan))


def winkler(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: float) -> float:
    """Winkler score of a band that should hold a share ``level`` of the values, alpha = 1 - level below (1972).

    ``mean((upper - lower) + 2 / alpha * (distance of y from the band))``; smaller is better.

    >>> winkler([1.0, 5.0], [0.0, 0.0], [2.0, 2.0], level=0.5)
    8.0
    """
    if not 0 <= level < 1:
        raise ConfigError(f"level={level} must lie in 0..1.")
    value, low, high = (np.asarray(part, dtype=np.float64) for part in (actual, lower, upper))
    outside = np.maximum(np.maximum(low - value, value - high), 0)
    return _mean(high - low + 2 / (1 - level) * outside)


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


def _paired(actual: ArrayLike, forecast: ArrayLike, naive: ArrayLike) -> tuple[Array, Array]:
    """Errors of the forecast and of the naive one, where both are known."""
    ours, theirs = _errors(actual, forecast), _errors(actual, naive)
    known = np.isfinite(ours + theirs)
    return ours[known], theirs[known]


def _ratio(ours: float, theirs: float) -> float:
    return float(ours / theirs) if theirs > 0 else float("nan")


def _signs(actual: ArrayLike, forecast: ArrayLike, last: ArrayLike) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Signs of what happened and of what was forecast, and where something happened."""
    _errors(actual, forecast)
    origin = np.asarray(last, dtype=np.float64)
    truth, found = (np.sign(np.asarray(part, dtype=np.float64) - origin) for part in (actual, forecast))
    return truth, found, np.isfinite(truth + found) & (truth != 0)
