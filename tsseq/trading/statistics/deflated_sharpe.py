"""Probability that a Sharpe ratio is more than luck, given its length and how many strategies were tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from tsseq.errors import ConfigError
from tsseq.resampling.trials import Trials
from tsseq.trading.statistics.distribution import kurtosis, skewness
from tsseq.trading.statistics.returns import sharpe

_EULER = 0.5772156649015329


def probabilistic_sharpe(returns: ArrayLike, benchmark_sharpe: float = 0.0, *, periods_per_year: int = 252) -> float:
    """Probability that the true Sharpe ratio is above a benchmark (Bailey and Lopez de Prado 2012, eq. 11).

    ``norm.cdf((SR - SR*) * sqrt(n - 1) / sqrt(1 - skew * SR + (kurt - 1) / 4 * SR ** 2))`` with Sharpe ratios per
    period, moments with ``ddof=0`` and Pearson's kurtosis.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period; NaN is skipped.
    benchmark_sharpe : float, default 0
        Annual Sharpe ratio to beat.
    periods_per_year : int, default 252
        Periods in a year.

    Returns
    -------
    float
        A probability in 0..1; 0.95 is the usual bar. NaN where the Sharpe ratio is not finite.

    Examples
    --------
    >>> round(probabilistic_sharpe([0.01, -0.01, 0.02, 0.0, 0.01, -0.005]), 4)
    0.8001
    """
    r = np.asarray(returns, dtype=float)
    ratio = sharpe(r, periods_per_year=1)
    if not np.isfinite(ratio):
        return np.nan
    n = np.count_nonzero(~np.isnan(r))
    variance = 1 - skewness(r) * ratio + (kurtosis(r) - 1) / 4 * ratio**2
    gap = ratio - benchmark_sharpe / np.sqrt(periods_per_year)
    return float(norm.cdf(gap * np.sqrt(n - 1) / np.sqrt(variance)))


def expected_best_sharpe(trials: Trials | Sequence[float]) -> float:
    """Annual Sharpe ratio that the best of many worthless trials is expected to show.

    Bailey and Lopez de Prado (2014): ``std(SR) * ((1 - g) * Z(1 - 1 / N) + g * Z(1 - 1 / (N * e)))`` for ``N`` trials.
    ``Z`` is the normal quantile, ``g`` Euler's constant and ``std(SR)`` the deviation of the trials' annual Sharpe
    ratios.

    Parameters
    ----------
    trials : Trials or sequence of float
        The ledger of all trials, or the annual Sharpe ratio of each.

    Returns
    -------
    float
        An annual Sharpe ratio; 0 for one trial alone, which is not a selection. NaN where several trials were made and
        the Sharpe ratio of none is known.

    Raises
    ------
    ConfigError
        There are no trials.

    Examples
    --------
    >>> round(expected_best_sharpe(Trials(count=1000, mean=0.0, variance=0.25)), 4)
    1.6276
    """
    ledger = trials if isinstance(trials, Trials) else Trials.of(trials)
    if ledger.count < 1:
        raise ConfigError("there are no trials. Pass the annual Sharpe ratio of every strategy that was tried.")
    if ledger.count == 1:
        return 0.0
    quantiles = norm.ppf([1 - 1 / ledger.count, 1 - 1 / (ledger.count * np.e)])
    return float(np.sqrt(ledger.variance) * ((1 - _EULER) * quantiles[0] + _EULER * quantiles[1]))


def deflated_sharpe(returns: ArrayLike, trials: Trials | Sequence[float], *, periods_per_year: int = 252) -> float:
    """Probability that a Sharpe ratio is more than the luck of the best of many trials.

    Bailey and Lopez de Prado (2014): `probabilistic_sharpe` against `expected_best_sharpe`. Luck is measured around 0,
    so that a rising market passes for skill; ``book.compare`` deflates the returns beyond a benchmark.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period of the strategy that was chosen; NaN is skipped.
    trials : Trials or sequence of float
        The annual Sharpe ratios of all strategies that were tried, the chosen one too, or their ledger, as `sweep`
        leaves it in ``table.attrs["trials"]``.
    periods_per_year : int, default 252
        Periods in a year.

    Returns
    -------
    float
        A probability in 0..1; below 0.95 the figure may well be luck. NaN where `expected_best_sharpe` is.

    Raises
    ------
    ConfigError
        There are no trials.

    Examples
    --------
    >>> returns = [0.01, -0.01, 0.02, 0.0, 0.01, -0.005]
    >>> round(deflated_sharpe(returns, [7.0, 1.0, -2.0]), 4)
    0.6132
    """
    return probabilistic_sharpe(returns, expected_best_sharpe(trials), periods_per_year=periods_per_year)
