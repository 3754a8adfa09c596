"""Is one forecast better than another, or was it luck?"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tsseq.errors import ConfigError, DataError

Array = NDArray[np.float64]
Index = NDArray[np.int64]
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
    variance = float(_long_run_variance(gap - mean, horizon))
    if variance <= 0:
        return Comparison(mean, 0.0, 1.0) if mean == 0 else Comparison(mean, float(np.sign(mean) * np.inf), 0.0)
    correction = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    statistic = float(mean / np.sqrt(variance / n) * correction)
    lower = float(stats.t.cdf(statistic, n - 1))
    p_value = {"less": lower, "greater": 1 - lower, "two-sided": 2 * min(lower, 1 - lower)}[alternative]
    return Comparison(mean, statistic, p_value)


def clark_west(actual: ArrayLike, forecast: ArrayLike, benchmark: ArrayLike, horizon: int = 1) -> Comparison:
    """Test of Clark and West (2007) of a model that nests its benchmark, as a fitted one does the random walk.

    A larger model pays for parameters whose true value is 0; its squared error is freed of that noise,
    ``(y - f)^2 - (f - b)^2``, before it is compared with the benchmark's, ``(y - b)^2``.

    Parameters
    ----------
    actual, forecast, benchmark : (n,) what happened, and the two forecasts of it, ordered in time.
    horizon : steps over which forecast errors overlap, as in `diebold_mariano`.

    Returns
    -------
    One-sided: a small p-value says that the larger model is better; ``difference`` is then below 0.

    Examples
    --------
    >>> test = clark_west([1.0, -1.0, 2.0, -1.5, 0.5], [0.5, -0.2, 0.6, -0.1, 0.4], [0.0] * 5)
    >>> round(test.difference, 3), round(test.p_value, 3)
    (-0.9, 0.042)
    """
    y, own, theirs = (np.asarray(part, dtype=np.float64) for part in (actual, forecast, benchmark))
    return diebold_mariano((y - own) ** 2 - (own - theirs) ** 2, (y - theirs) ** 2, horizon, "less")


def confidence_set(losses: pd.DataFrame, size: float, block: int, n_samples: int, seed: int) -> pd.DataFrame:
    """See `BacktestResult.confidence_set`; ``losses`` has one row per cutoff and a column per model."""
    test = _arch().MCS(losses, size, reps=n_samples, block_size=block, bootstrap="circular", seed=seed)
    test.compute()
    found = test.pvalues["Pvalue"].rename_axis("model").sort_values(ascending=False, kind="stable")
    return pd.DataFrame({"p_value": found, "included": found.index.isin(test.included)})


def superior(losses: pd.DataFrame, benchmark: str, block: int, n_samples: int, seed: int) -> pd.Series:
    """See `BacktestResult.superior`; ``losses`` has one row per cutoff and a column per model."""
    rivals = losses.drop(columns=benchmark)
    options = {"reps": n_samples, "block_size": block, "bootstrap": "circular", "seed": seed}
    test = _arch().SPA(losses[benchmark], rivals, **options)
    test.compute()
    return pd.Series(test.pvalues, name="p_value").rename_axis("test")


def _arch() -> Any:
    try:
        return import_module("arch.bootstrap")
    except ModuleNotFoundError as error:
        raise ConfigError("this test needs the library arch: pip install 'tsseq[arch]'.") from error


def direction_test(moved: ArrayLike, said: ArrayLike, cell: ArrayLike, date: ArrayLike, overlap: int = 1) -> float:
    """P-value of a Pesaran-Timmermann test for forecasts that overlap, of one series or of several.

    What `tsseq.metrics.pesaran_timmermann` tests, P - P*, is half the covariance of the signs. Here its terms are taken
    around the means of their own cell, averaged over each date first, so that dependence between series or steps is
    no evidence, and their mean is tested with autocovariances over ``overlap`` dates, as in `diebold_mariano` (compare
    Pesaran and Timmermann 2009).

    Parameters
    ----------
    moved, said : (n,) changes that happened and that were forecast.
    cell : (n,) which series and step; a forecast that always says up in one shows nothing.
    date : (n,) when they were made.
    overlap : dates over which forecasts overlap.

    Examples
    --------
    >>> moved = [1.0, -1.0, 2.0, -2.0, 1.0, 3.0]
    >>> round(direction_test(moved, [0.5, -0.5, 1.0, -1.0, -1.0, 1.0], [0] * 6, range(6)), 3)
    0.038
    """
    cells, dates = (pd.factorize(np.asarray(part), sort=True)[0] for part in (cell, date))
    changes, own = np.asarray(moved, dtype=np.float64), np.asarray(said, dtype=np.float64)[None]
    return float(direction_tests(changes, own, cells, dates, np.zeros_like(cells), overlap)[0, 0])


def direction_tests(moved: Array, said: Array, cell: Index, date: Index, group: Index, overlap: int) -> Array:
    """P-values (M, G) of `direction_test` for M forecasts ``said`` (M, n), in G groups; NaN where dates are too few."""
    there, n_groups = moved != 0, int(group.max(initial=-1)) + 1
    truth, said = np.sign(moved[there]), np.sign(said[:, there])
    cell, date, group = cell[there], date[there], group[there]
    shape = (n_groups, int(date.max(initial=-1)) + 1)
    size = np.bincount(cell)[cell] if len(cell) else cell
    truth = truth - np.bincount(cell, truth)[cell] / size if len(cell) else truth
    place = group * shape[1] + date
    counts = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
    found = np.full((len(said), *shape), 0.0)
    for m, own in enumerate(said if len(cell) else ()):
        product = truth * (own - np.bincount(cell, own)[cell] / size)
        found[m] = np.bincount(place, product, counts.size).reshape(shape) / np.maximum(counts, 1)
    return _p_values_above(found, counts > 0, overlap)


def _p_values_above(values: Array, there: NDArray[np.bool_], overlap: int) -> Array:
    """(..., T) with gaps -> (...) one-sided p-values of a mean above 0."""
    n = there.sum(axis=-1)
    mean = values.sum(axis=-1) / np.maximum(n, 1)
    centred = np.where(there, values - mean[..., None], 0.0)
    variance = _long_run_variance(centred, overlap, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        correction = np.sqrt((n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n)
        statistic = mean / np.sqrt(variance / n) * correction
    p_values = stats.t.sf(statistic, np.maximum(n - 1, 1))
    p_values = np.where(variance > 0, p_values, np.where(mean > 0, 0.0, 1.0))
    return np.where(n > overlap, p_values, np.nan)


def _long_run_variance(centred: Array, horizon: int, n: Any = None) -> Any:
    """(..., T) -> (...) with autocovariances up to ``horizon - 1``; ``n`` values are there, all unless told."""
    length = centred.shape[-1]
    n = np.maximum(length if n is None else n, 1)
    lags = np.array(
        [(centred[..., lag:] * centred[..., : max(length - lag, 0)]).sum(axis=-1) / n for lag in range(horizon)]
    )  # (horizon, ...)
    plain = lags[0] + 2 * lags[1:].sum(axis=0)
    bartlett = 1 - np.arange(1, horizon) / horizon
    return np.where(plain > 0, plain, lags[0] + 2 * np.tensordot(bartlett, lags[1:], axes=1))
