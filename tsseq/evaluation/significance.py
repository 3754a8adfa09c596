"""Tests of forecasts against one another, and of directions against chance."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from tsseq.errors import ConfigError, DataError
from tsseq.resampling.long_run import mean_and_error
from tsseq.typing import Array, Index

Alternative = Literal["two-sided", "less", "greater"]
SIGNIFICANT = 0.05  # p-values below it count as evidence


class Comparison(NamedTuple):
    """Result of a test between two forecasts.

    Attributes
    ----------
    difference : float
        Mean difference of the losses.
    statistic : float
        Statistic of the test.
    p_value : float
        Its p-value.

    Examples
    --------
    >>> Comparison(-0.8, -4.8, 0.009).p_value
    0.009
    """

    difference: float
    statistic: float
    p_value: float


def diebold_mariano(
    loss: ArrayLike, benchmark: ArrayLike, horizon: int = 1, alternative: Alternative = "two-sided"
) -> Comparison:
    """Test of equal accuracy by Diebold and Mariano, corrected for small samples.

    Sources: Diebold and Mariano, Journal of Business and Economic Statistics 13, 1995; the correction is that of
    Harvey, Leybourne and Newbold, International Journal of Forecasting 13, 1997.

    Parameters
    ----------
    loss, benchmark : array-like of shape (n,)
        Losses of two forecasts of the same values, ordered in time.
    horizon : int
        Steps over which forecast errors overlap; autocovariances up to ``horizon - 1`` enter the variance. Where that
        sum is not positive, Bartlett weights are used. Default: 1.
    alternative : {"two-sided", "less", "greater"}
        "less" tests whether ``loss`` is smaller than ``benchmark``. Default: "two-sided".

    Returns
    -------
    Comparison
        Mean of ``loss - benchmark``, the corrected statistic and its p-value from Student's t with n - 1 degrees of
        freedom. Equal losses give a statistic of 0 and a p-value of 1.

    Raises
    ------
    DataError
        The shapes differ, or n is not above ``horizon``.

    Examples
    --------
    >>> test = diebold_mariano([1.0, 2.0, 1.0, 2.0, 1.5], [2.0, 2.5, 2.0, 2.5, 3.0])
    >>> round(test.statistic, 3), round(test.p_value, 3)
    (-4.811, 0.009)
    """
    losses, baseline = np.asarray(loss, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
    if losses.shape != baseline.shape or losses.ndim != 1 or len(losses) <= horizon:
        shapes = f"{losses.shape} and {baseline.shape}"
        raise DataError(f"two series of one length above horizon={horizon} were needed, not {shapes}.")
    n = len(losses)
    mean, error = map(float, mean_and_error(losses - baseline, np.ones(n, dtype=np.bool_), horizon))
    if error <= 0:
        return Comparison(mean, 0.0, 1.0) if mean == 0 else Comparison(mean, float(np.sign(mean) * np.inf), 0.0)
    statistic = mean / error
    lower = float(stats.t.cdf(statistic, n - 1))
    p_value = {"less": lower, "greater": 1 - lower, "two-sided": 2 * min(lower, 1 - lower)}[alternative]
    return Comparison(mean, statistic, p_value)


def clark_west(actual: ArrayLike, forecast: ArrayLike, benchmark: ArrayLike, horizon: int = 1) -> Comparison:
    """Test of Clark and West of a model that nests its benchmark, as a fitted one does the random walk.

    A larger model pays for parameters whose true value is 0; its squared error is freed of that noise,
    ``(y - f)^2 - (f - b)^2``, before it is compared with the benchmark's, ``(y - b)^2`` (Clark and West, Journal of
    Econometrics 138, 2007).

    Parameters
    ----------
    actual, forecast, benchmark : array-like of shape (n,)
        What happened, and the two forecasts of it, ordered in time.
    horizon : int
        Steps over which forecast errors overlap, as in `diebold_mariano`. Default: 1.

    Returns
    -------
    Comparison
        One-sided: a small p-value says that the larger model is better; ``difference`` is then below 0.

    Raises
    ------
    DataError
        The shapes differ, or n is not above ``horizon``.

    Examples
    --------
    >>> test = clark_west([1.0, -1.0, 2.0, -1.5, 0.5], [0.5, -0.2, 0.6, -0.1, 0.4], [0.0] * 5)
    >>> round(test.difference, 3), round(test.p_value, 3)
    (-0.9, 0.042)
    """
    y, f, b = (np.asarray(values, dtype=np.float64) for values in (actual, forecast, benchmark))
    return diebold_mariano((y - f) ** 2 - (f - b) ** 2, (y - b) ** 2, horizon, "less")


def model_confidence_set(losses: pd.DataFrame, size: float, block: int, n_samples: int, seed: int) -> pd.DataFrame:
    """Model confidence set of Hansen, Lunde and Nason (Econometrica 79, 2011), computed by the library arch.

    Parameters
    ----------
    losses : DataFrame
        One row per cutoff, in order of time, and one column per model.
    size : float
        Probability that the best model is left out, in 0..1.
    block : int
        Rows in a block of the circular bootstrap.
    n_samples : int
        Bootstrap samples.
    seed : int
        Seed of the draws.

    Returns
    -------
    DataFrame
        Index model, the likeliest first; columns ``p_value`` and ``included``.

    Raises
    ------
    ConfigError
        The library arch is not installed.

    Examples
    --------
    >>> draws = np.random.default_rng(0).gamma(2, size=(60, 3))
    >>> losses = pd.DataFrame(draws * [1.0, 1.0, 3.0], columns=["ridge", "lstm", "mean"])
    >>> model_confidence_set(losses, size=0.1, block=4, n_samples=200, seed=0)["included"].to_dict()
    {'lstm': True, 'ridge': True, 'mean': False}
    """
    test = _arch().MCS(losses, size, reps=n_samples, block_size=block, bootstrap="circular", seed=seed)
    test.compute()
    p_values = test.pvalues["Pvalue"].rename_axis("model").sort_values(ascending=False, kind="stable")
    return pd.DataFrame({"p_value": p_values, "included": p_values.index.isin(test.included)})


def spa_test(losses: pd.DataFrame, benchmark: str, block: int, n_samples: int, seed: int) -> pd.Series[float]:
    """Test of superior predictive ability by Hansen (Journal of Business and Economic Statistics 23, 2005), by arch.

    Parameters
    ----------
    losses : DataFrame
        One row per cutoff, in order of time, and one column per model.
    benchmark : str
        The column that the others are tested against.
    block : int
        Rows in a block of the circular bootstrap.
    n_samples : int
        Bootstrap samples.
    seed : int
        Seed of the draws.

    Returns
    -------
    Series
        P-values "lower", "consistent" and "upper"; small ones say that the best model is better than the benchmark.

    Raises
    ------
    ConfigError
        The library arch is not installed.

    Examples
    --------
    >>> draws = np.random.default_rng(0).gamma(2, size=(60, 3))
    >>> losses = pd.DataFrame(draws * [1.0, 1.0, 3.0], columns=["ridge", "lstm", "mean"])
    >>> spa_test(losses, "mean", block=4, n_samples=200, seed=0)["consistent"].item()
    0.0
    """
    options = {"reps": n_samples, "block_size": block, "bootstrap": "circular", "seed": seed}
    test = _arch().SPA(losses[benchmark], losses.drop(columns=benchmark), **options)
    test.compute()
    return pd.Series(test.pvalues, name="p_value").rename_axis("test")


def _arch() -> Any:
    try:
        return import_module("arch.bootstrap")
    except ModuleNotFoundError as error:
        raise ConfigError("this test needs the library arch: pip install 'tsseq[arch]'.") from error


def direction_test(
    change: ArrayLike, forecast_change: ArrayLike, cell: ArrayLike, date: ArrayLike, overlap: int = 1
) -> float:
    """P-value of a Pesaran-Timmermann test for forecasts that overlap, of one series or of several.

    What `tsseq.metrics.pesaran_timmermann` tests, P - P*, is half the covariance of the signs. Here its terms are taken
    around the means of their own cell, averaged over each date first, so that dependence between series or steps is
    not evidence, and their mean is tested with autocovariances over ``overlap`` dates, as in `diebold_mariano` (compare
    Pesaran and Timmermann, Journal of the American Statistical Association 104, 2009).

    Parameters
    ----------
    change, forecast_change : array-like of shape (n,)
        Changes that happened and that were forecast. Changes of 0 are left out.
    cell : array-like of shape (n,)
        Group (series, step) within which signs are demeaned, so that a constant direction carries no evidence.
    date : array-like of shape (n,)
        When the forecasts were made.
    overlap : int
        Dates over which forecasts overlap. Default: 1.

    Returns
    -------
    float
        One-sided; NaN if there are no more dates than overlap.

    Examples
    --------
    >>> change = [1.0, -1.0, 2.0, -2.0, 1.0, 3.0]
    >>> round(direction_test(change, [0.5, -0.5, 1.0, -1.0, -1.0, 1.0], [0] * 6, range(6)), 3)
    0.038
    """
    cells, dates = (pd.factorize(np.asarray(labels), sort=True)[0] for labels in (cell, date))
    changes, forecasts = np.asarray(change, dtype=np.float64), np.asarray(forecast_change, dtype=np.float64)[None]
    return float(direction_tests(changes, forecasts, cells, dates, np.zeros_like(cells), overlap)[0, 0])


def direction_tests(
    change: Array, forecast_change: Array, cell: Index, date: Index, group: Index, overlap: int
) -> Array:
    """P-values of `direction_test` for several forecasts in several groups at once.

    Parameters
    ----------
    change : ndarray of shape (n,)
        Changes that happened. Changes of 0 are left out.
    forecast_change : ndarray of shape (M, n)
        Changes that were forecast.
    cell, date, group : ndarray of shape (n,)
        Codes from 0: within which cell signs are demeaned, when the forecasts were made, and to which of G groups
        they count.
    overlap : int
        Dates over which forecasts overlap.

    Returns
    -------
    ndarray of shape (M, G)
        One-sided; NaN where there are no more dates than overlap.

    Examples
    --------
    >>> change, zeros = np.array([1.0, -1.0, 2.0, -2.0, 1.0, -3.0]), np.zeros(6, dtype=np.int64)
    >>> direction_tests(change, np.array([change, -change]), zeros, np.arange(6), zeros, overlap=1)
    array([[0.],
           [1.]])
    """
    nonzero, n_groups = change != 0, int(group.max(initial=-1)) + 1
    signs, forecast_signs = np.sign(change[nonzero]), np.sign(forecast_change[:, nonzero])
    cell, date, group = cell[nonzero], date[nonzero], group[nonzero]
    shape = (n_groups, int(date.max(initial=-1)) + 1)
    slot = group * shape[1] + date
    counts = np.bincount(slot, minlength=shape[0] * shape[1]).reshape(shape)
    covariances = np.zeros((len(forecast_signs), *shape))
    if len(cell):
        size = np.bincount(cell)[cell]
        signs = signs - np.bincount(cell, signs)[cell] / size
        for m, row in enumerate(forecast_signs):
            products = signs * (row - np.bincount(cell, row)[cell] / size)
            covariances[m] = np.bincount(slot, products, counts.size).reshape(shape) / np.maximum(counts, 1)
    known = counts > 0
    n = known.sum(axis=-1)
    mean, error = mean_and_error(covariances, known, overlap)
    with np.errstate(invalid="ignore", divide="ignore"):
        p_values = stats.t.sf(mean / error, np.maximum(n - 1, 1))
    p_values = np.where(error > 0, p_values, np.where(mean > 0, 0.0, 1.0))
    return np.where(n > overlap, p_values, np.nan)
