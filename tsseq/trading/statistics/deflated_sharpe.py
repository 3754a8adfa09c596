"""Is a Sharpe ratio more than luck, given how long the series is and how many strategies were tried?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from tsseq.errors import ConfigError
from tsseq.trading.statistics.returns import kurtosis, sharpe, skewness

_EULER = 0.5772156649015329


@dataclass(frozen=True)
class Trials:
    """A ledger of everything that was tried: how many strategies, and the variance of their annual Sharpe ratios.

    Ledgers of two searches add up with :meth:`joined`. Every trial counts, those that were thrown away above all.

    Examples
    --------
    >>> first = Trials.of([0.5, 1.0, 1.5])
    >>> first, first.joined(Trials.of([1.0, 2.0])).count
    (Trials(count=3, mean=1.0, variance=0.25), 5)
    """

    count: int
    mean: float
    variance: float

    @classmethod
    def of(cls, sharpes: ArrayLike) -> "Trials":
        """Record annual Sharpe ratios, one per trial; those that are not finite count, but have no variance."""
        values = np.asarray(sharpes, dtype=float).ravel()
        finite = values[np.isfinite(values)]
        mean = float(finite.mean()) if len(finite) else 0.0
        return cls(len(values), mean, float(finite.var(ddof=1)) if len(finite) > 1 else 0.0)

    def joined(self, other: "Trials") -> "Trials":
        """Both ledgers as one, as if all trials had been recorded at once (Chan, Golub and LeVeque 1983)."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        gap = other.mean - self.mean
        spread = self.variance * (self.count - 1) + other.variance * (other.count - 1)
        spread += gap**2 * self.count * other.count / count
        return Trials(count, self.mean + gap * other.count / count, spread / (count - 1))


def probabilistic_sharpe(returns: ArrayLike, benchmark_sharpe: float = 0.0, *, periods_per_year: int = 252) -> float:
    """Probability that the true Sharpe ratio is above a benchmark (Bailey and Lopez de Prado 2012, eq. 11).

    ``norm.cdf((SR - SR*) * sqrt(n - 1) / sqrt(1 - skew * SR + (kurt - 1) / 4 * SR ** 2))`` with Sharpe ratios per
    period, moments with ``ddof=0`` and Pearson's kurtosis. NaN where the Sharpe ratio is not finite.

    Parameters
    ----------
    returns : simple returns per period; NaN is skipped.
    benchmark_sharpe : an annual Sharpe ratio.
    periods_per_year : how many returns a year has.

    Returns
    -------
    A probability in 0..1; 0.95 is the usual bar.

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
    """Annual Sharpe ratio that the best of so many worthless trials is expected to show (Bailey and Lopez de Prado
    2014): ``std(SR) * ((1 - g) * Z(1 - 1 / N) + g * Z(1 - 1 / (N * e)))``.

    ``Z`` is the normal quantile, ``g`` Euler's constant and ``std(SR)`` the deviation of the trials' annual Sharpe
    ratios. One trial alone is no selection: 0.

    Examples
    --------
    >>> round(expected_best_sharpe(Trials(count=1000, mean=0.0, variance=0.25)), 4)
    1.6276
    """
    ledger = trials if isinstance(trials, Trials) else Trials.of(trials)
    if ledger.count < 1:
        raise ConfigError("There are no trials. Pass the annual Sharpe ratio of every strategy that was tried.")
    if ledger.count == 1:
        return 0.0
    quantiles = norm.ppf([1 - 1 / ledger.count, 1 - 1 / (ledger.count * np.e)])
    return float(np.sqrt(ledger.variance) * ((1 - _EULER) * quantiles[0] + _EULER * quantiles[1]))


def deflated_sharpe(returns: ArrayLike, trials: Trials | Sequence[float], *, periods_per_year: int = 252) -> float:
    """Probability that the Sharpe ratio is more than the luck of the best of many trials (Bailey and Lopez de Prado
    2014): :func:`probabilistic_sharpe` against :func:`expected_best_sharpe`.

    Parameters
    ----------
    returns : simple returns per period of the strategy that was chosen.
    trials : the annual Sharpe ratios of all strategies that were tried, the chosen one too, or their ledger, as
        :func:`~tsseq.trading.sweep.sweep` leaves it in ``table.attrs["trials"]``.
    periods_per_year : how many returns a year has.

    Returns
    -------
    A probability in 0..1; below 0.95 the figure may well be luck.

    Examples
    --------
    >>> returns = [0.01, -0.01, 0.02, 0.0, 0.01, -0.005]
    >>> round(deflated_sharpe(returns, [7.0, 1.0, -2.0]), 4)
    0.6132
    """
    return probabilistic_sharpe(returns, expected_best_sharpe(trials), periods_per_year=periods_per_year)
