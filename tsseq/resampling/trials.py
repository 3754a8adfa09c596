"""A ledger of trials: how many strategies were tried, and how their Sharpe ratios spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Trials:
    """Count, mean and variance of the annual Sharpe ratios of everything that was tried.

    Every trial counts, those that were thrown away above all. Ledgers of two searches add up with `joined`.

    Parameters
    ----------
    count : int
        Strategies that were tried.
    mean : float
        Mean of their annual Sharpe ratios.
    variance : float
        Variance of their annual Sharpe ratios, with ``ddof=1``; 0 for fewer than two.

    Examples
    --------
    >>> from tsseq.resampling import Trials
    >>> first = Trials.of([0.5, 1.0, 1.5])
    >>> first, first.joined(Trials.of([1.0, 2.0])).count
    (Trials(count=3, mean=1.0, variance=0.25), 5)
    """

    count: int
    mean: float
    variance: float

    @classmethod
    def of(cls, sharpes: ArrayLike) -> Trials:
        """Record annual Sharpe ratios.

        Parameters
        ----------
        sharpes : array-like
            One annual Sharpe ratio per trial. Those that are not finite count as trials, without mean and variance.

        Returns
        -------
        Trials
            The ledger of these trials.
        """
        values = np.asarray(sharpes, dtype=float).ravel()
        finite = values[np.isfinite(values)]
        mean = float(finite.mean()) if len(finite) else 0.0
        return cls(len(values), mean, float(finite.var(ddof=1)) if len(finite) > 1 else 0.0)

    def joined(self, other: Trials) -> Trials:
        """Merge two ledgers, as if all trials had been recorded at once (Chan, Golub and LeVeque 1983).

        Parameters
        ----------
        other : Trials
            The ledger of another search.

        Returns
        -------
        Trials
            The ledger of both.
        """
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        gap = other.mean - self.mean
        squares = self.variance * (self.count - 1) + other.variance * (other.count - 1)
        squares += gap**2 * self.count * other.count / count
        return Trials(count, self.mean + gap * other.count / count, squares / (count - 1))
