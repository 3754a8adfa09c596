"""Standard error of a mean whose neighbours overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from tsseq.typing import Array, Mask


def mean_and_error(values: Array, known: Mask, overlap: int) -> tuple[Any, Any]:
    """Mean and its standard error, from the variance of a sum in the long run.

    Autocovariances up to ``overlap - 1`` enter the variance (Hansen and Hodrick, Journal of Political Economy 88, 1980;
    Diebold and Mariano, Journal of Business and Economic Statistics 13, 1995), with Bartlett weights where their plain
    sum is not positive; the error is corrected for small samples (Harvey, Leybourne and Newbold, International Journal
    of Forecasting 13, 1997), so that mean over error suits Student's t with n - 1 degrees of freedom.

    Parameters
    ----------
    values : ndarray of shape (..., T)
        In order of time, 0 where missing.
    known : ndarray of bool of shape (..., T)
        Where a value is not missing.
    overlap : int
        Neighbours that share what they measure; 1 if none do.

    Returns
    -------
    tuple of ndarray of shape (...)
        Mean and error; the error of a constant is 0, that of no more values than overlap is not defined.

    Examples
    --------
    >>> values = np.array([0.1, 0.3, 0.2, 0.4])
    >>> mean, error = mean_and_error(values, np.ones(4, dtype=bool), overlap=1)
    >>> round(float(mean), 3), round(float(error), 4)
    (0.25, 0.0645)
    """
    length, n = values.shape[-1], known.sum(axis=-1)
    size = np.maximum(n, 1)
    mean = values.sum(axis=-1) / size
    centred = np.where(known, values - mean[..., None], 0.0)
    products = [centred[..., lag:] * centred[..., : max(length - lag, 0)] for lag in range(overlap)]
    lags = np.array([product.sum(axis=-1) / size for product in products])  # (overlap, ...)
    plain = lags[0] + 2 * lags[1:].sum(axis=0)
    bartlett = 1 - np.arange(1, overlap) / overlap
    variance = np.where(plain > 0, plain, lags[0] + 2 * np.tensordot(bartlett, lags[1:], axes=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correction = np.sqrt((n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n)
        return mean, np.sqrt(variance / n) / correction
