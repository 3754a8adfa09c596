"""Is one forecast better than another, or was it luck?"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from tsseq.errors import DataError

Alternative = Literal["two-sided", "less", "greater"]


class Comparison(NamedTuple):
    """Result of a test: mean loss difference, its statistic and its p-value."""

    difference: float
    statistic: float
    p_value: float


def diebold_mariano(
    loss: ArrayLike, benchmark: ArrayLike, horizon: int = 1, alternative: Alternative = "two-sided"
) -> Comparison:
    """Test of equal accuracy by Diebold and Mariano (1995), corrected for small samples by Harvey, Leybourne and
    Newbold (1997).

    Parameters
    ----------
    loss, benchmark : (n,) losses of two forecasts of the same values, ordered in time.
    horizon : steps over which forecast errors overlap; autocovariances up to ``horizon - 1`` enter the variance. Where
        that sum is not positive, Bartlett weights are used.
    alternative : "less" asks whether ``loss`` is smaller than ``benchmark``.

    Returns
    -------
    Mean of ``loss - benchmark``, the corrected statistic and its p-value from Student's t with n - 1 degrees of
    freedom. Equal losses give a statistic of 0 and a p-value of 1.

    Examples
    --------
    >>> test = diebold_mariano([1.0, 2.0, 1.0, 2.0, 1.5], [2.0, 2.5, 2.0, 2.5, 3.0])
    >>> round(test.statistic, 3), round(test.p_value, 3)
    (-4.811, 0.009)
    """
    first, second = np.asarray(loss, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) <= horizon:
        raise DataError(
            f"two series of one length above horizon={horizon} were needed, not {first.shape} and {second.shape}."
        )
    gap = first - second
    n, mean = len(gap), float(gap.mean())
    variance = _long_run_variance(gap - mean, horizon)
    if variance <= 0:
        return Comparison(mean, 0.0, 1.0) if mean == 0 else Comparison(mean, float(np.sign(mean) * np.inf), 0.0)
    correction = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = float(mean / np.sqrt(variance / n) * correction)
    lower = float(stats.t.cdf(statistic, n - 1))
    p_value = {"less": lower, "greater": 1 - lower, "two-sided": 2 * min(lower, 1 - lower)}[alternative]
    return Comparison(mean, statistic, p_value)


def _long_run_variance(centred: np.ndarray[tuple[int], np.dtype[np.float64]], horizon: int) -> float:
    n = len(centred)
    lags = np.array([centred[lag:] @ centred[: n - lag] / n for lag in range(horizon)])
    plain = float(lags[0] + 2 * lags[1:].sum())
    return plain if plain > 0 else float(lags[0] + 2 * (lags[1:] * (1 - np.arange(1, horizon) / horizon)).sum())
