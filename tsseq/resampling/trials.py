"""A ledger of trials: how many strategies were tried, how their Sharpe ratios spread, and what each earned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsseq.errors import ConfigError


@dataclass(frozen=True)
class Trials:
    """Count, mean and variance of the annual Sharpe ratios of everything that was tried, and the series behind them.

    Every trial counts, those that were thrown away above all. Ledgers of two searches add up with `joined`. The series
    take 4 bytes per trial and bar, 10 MB for 1,000 trials of ten years of days; they are shared, never copied, and
    ``Trials(count, mean, variance)`` drops them.

    Parameters
    ----------
    count : int
        Strategies that were tried.
    mean : float, default NaN
        Mean of their annual Sharpe ratios; NaN if none is known.
    variance : float, default NaN
        Variance of their annual Sharpe ratios, with ``ddof=1``; 0 for one alone, NaN if none is known.
    dates : ndarray of datetime64, of shape (T,), optional
        Bars of the series. Default: no series.
    excess : ndarray of shape (N, T), optional
        Logarithmic return of N of the trials beyond their benchmark on each bar, NaN where a trial has none.

    Examples
    --------
    >>> from tsseq.resampling import Trials
    >>> first = Trials.of([0.5, 1.0, 1.5])
    >>> first, first.joined(Trials.of([1.0, 2.0])).count
    (Trials(count=3, mean=1.0, variance=0.25), 5)
    """

    count: int
    mean: float = np.nan
    variance: float = np.nan
    dates: NDArray[np.datetime64] | None = field(default=None, repr=False, compare=False)
    excess: NDArray[np.floating[Any]] | None = field(default=None, repr=False, compare=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Trials:
        """A ledger is a value: tables that hold one in ``attrs`` copy that with every column that is read."""
        return self

    @classmethod
    def of(
        cls,
        sharpes: ArrayLike,
        dates: NDArray[np.datetime64] | None = None,
        excess: NDArray[np.floating[Any]] | None = None,
    ) -> Trials:
        """Record annual Sharpe ratios, and perhaps the series behind them.

        Parameters
        ----------
        sharpes : array-like
            One annual Sharpe ratio per trial. Those that are not finite count as trials, without mean and variance.
        dates : ndarray of datetime64, of shape (T,), optional
            Bars of the series.
        excess : ndarray of shape (N, T), optional
            Logarithmic returns beyond the benchmark; rows that are all NaN are left out.

        Returns
        -------
        Trials
            The ledger of these trials.
        """
        values = np.asarray(sharpes, dtype=float).ravel()
        finite = values[np.isfinite(values)]
        mean = float(finite.mean()) if len(finite) else np.nan
        variance = float(finite.var(ddof=1)) if len(finite) > 1 else mean * 0.0
        if excess is not None and (missing := np.isnan(np.fmax.reduce(excess, axis=1))).any():
            excess = excess[~missing]
        return cls(len(values), mean, variance, dates, excess)

    @classmethod
    def of_search(cls, search: Any) -> Trials:  # any of scikit-learn's
        """Count the candidates of a search of parameters; what they earned is not known.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or alike
            Fitted; its ``cv_results_`` are read.

        Returns
        -------
        Trials
            A ledger without Sharpe ratios and series.

        Raises
        ------
        ConfigError
            The search is not fitted.

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn.model_selection import GridSearchCV
        >>> X = np.arange(20.0)[:, None]
        >>> Trials.of_search(GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}).fit(X, X[:, 0])).count
        3
        """
        if not hasattr(search, "cv_results_"):
            raise ConfigError(f"{type(search).__name__} has no cv_results_. Pass a search after its fit.")
        return cls(len(search.cv_results_["params"]))

    def joined(self, other: Trials) -> Trials:
        """Merge two ledgers, as if all trials had been recorded at once (Chan, Golub and LeVeque 1983).

        Trials without a Sharpe ratio are taken to spread like the others. Series of different dates are laid on all
        dates of both, NaN where a trial has no bar.

        Parameters
        ----------
        other : Trials
            The ledger of another search.

        Returns
        -------
        Trials
            The ledger of both.
        """
        count, series = self.count + other.count, _stacked(self, other)
        if not count:
            return self
        if np.isnan(self.mean) or np.isnan(other.mean):
            known = other if np.isnan(self.mean) else self
            return Trials(count, known.mean, known.variance, *series)
        gap = other.mean - self.mean
        squares = self.variance * (self.count - 1) + other.variance * (other.count - 1)
        squares += gap**2 * self.count * other.count / count
        return Trials(count, self.mean + gap * other.count / count, squares / (count - 1), *series)


def _stacked(first: Trials, second: Trials) -> tuple[NDArray[np.datetime64] | None, NDArray[np.floating[Any]] | None]:
    """Dates and series of two ledgers together."""
    if first.excess is None or second.excess is None:
        known = second if first.excess is None else first
        return known.dates, known.excess
    if first.dates is None or second.dates is None:
        raise ConfigError("a ledger has series without dates. Pass the dates of their bars too.")
    dates = np.union1d(first.dates, second.dates)
    excess = np.full((len(first.excess) + len(second.excess), len(dates)), np.nan, dtype=first.excess.dtype)
    excess[: len(first.excess), np.searchsorted(dates, first.dates)] = first.excess
    excess[len(first.excess) :, np.searchsorted(dates, second.dates)] = second.excess
    return dates, excess
