"""Statistics of returns beside those of a benchmark, and of positions.

Returns are simple, per period, the oldest first. The formulas are those of empyrical (Quantopian,
https://github.com/stefan-jansen/empyrical-reloaded): moments have ``ddof=1``, and what is not defined is NaN. Series
of returns are compared where both have a value: two Series by their index, arrays by their position.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tsseq.trading.statistics.distribution import common
from tsseq.trading.statistics.returns import annual_volatility


def beta(returns: ArrayLike, benchmark: ArrayLike, *, risk_free: ArrayLike = 0.0) -> float:
    """Slope of the returns on those of the benchmark (Sharpe 1964): ``cov(r, b) / var(b)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period.
    benchmark : array-like of shape (n,)
        Returns of the benchmark in the same periods.
    risk_free : float or array-like of shape (n,), default 0
        Return of a riskless investment per period. As in empyrical it does not enter the slope, and only periods in
        which it is known count; it is there so that `alpha` takes the same parameters.

    Returns
    -------
    float
        Return per unit of the benchmark's; NaN for fewer than two common returns and for a constant benchmark.

    Raises
    ------
    DataError
        Two arrays differ in length.

    Examples
    --------
    >>> round(beta([0.02, -0.02, 0.01], [0.01, -0.01, 0.005]), 4)
    2.0
    """
    ours, theirs, _ = common(returns, benchmark, risk_free)
    if len(ours) < 2 or np.ptp(theirs) == 0:
        return np.nan
    centred = theirs - theirs.mean()
    return float(centred @ (ours - ours.mean()) / (centred @ centred))


def alpha(
    returns: ArrayLike, benchmark: ArrayLike, *, risk_free: ArrayLike = 0.0, periods_per_year: int = 252
) -> float:
    """Annual return that `beta` does not explain (Jensen 1968), compounded as empyrical does.

    ``(1 + mean(r - risk_free - beta * (b - risk_free))) ** periods_per_year - 1``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period.
    benchmark : array-like of shape (n,)
        Returns of the benchmark in the same periods.
    risk_free : float or array-like of shape (n,), default 0
        Return of a riskless investment per period.
    periods_per_year : int, default 252
        Periods in a year.

    Returns
    -------
    float
        A yearly rate; NaN where `beta` is.

    Raises
    ------
    DataError
        Two arrays differ in length.

    Examples
    --------
    >>> round(alpha([0.03, -0.01, 0.02], [0.02, -0.02, 0.01], periods_per_year=1), 4)
    0.01
    """
    ours, theirs, riskless = common(returns, benchmark, risk_free)
    slope = beta(ours, theirs)
    if np.isnan(slope):
        return np.nan
    return float((1 + np.mean(ours - riskless - slope * (theirs - riskless))) ** periods_per_year - 1)


def information_ratio(returns: ArrayLike, benchmark: ArrayLike, *, periods_per_year: int = 1) -> float:
    """Mean over deviation of the returns beyond the benchmark (Goodwin 1998): ``mean(r - b) / std(r - b, ddof=1)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period.
    benchmark : array-like of shape (n,)
        Returns of the benchmark in the same periods.
    periods_per_year : int, default 1
        The ratio is multiplied by the square root of it. 1 is per period, as in empyrical; 252 makes daily returns
        comparable to a Sharpe ratio.

    Returns
    -------
    float
        A ratio; NaN for fewer than two common returns and for a constant difference.

    Raises
    ------
    DataError
        Two arrays differ in length.

    Examples
    --------
    >>> round(information_ratio([0.02, 0.01, 0.03], [0.01, 0.01, 0.01]), 4)
    1.0
    """
    ours, theirs = common(returns, benchmark)
    active = ours - theirs
    if len(active) < 2 or np.ptp(active) == 0:
        return np.nan
    return float(active.mean() / active.std(ddof=1) * np.sqrt(periods_per_year))


def tracking_error(returns: ArrayLike, benchmark: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Annual deviation of the returns beyond the benchmark: ``std(r - b, ddof=1) * sqrt(periods_per_year)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period.
    benchmark : array-like of shape (n,)
        Returns of the benchmark in the same periods.
    periods_per_year : int, default 252
        Periods in a year.

    Returns
    -------
    float
        A yearly deviation (0.05 is 5 %); NaN for fewer than two common returns.

    Raises
    ------
    DataError
        Two arrays differ in length.

    Examples
    --------
    >>> round(tracking_error([0.02, 0.01, 0.03], [0.01, 0.01, 0.01], periods_per_year=4), 4)
    0.02
    """
    ours, theirs = common(returns, benchmark)
    return annual_volatility(ours - theirs, periods_per_year=periods_per_year)


def turnover(traded: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Traded value a year as a multiple of equity: ``periods_per_year * mean(traded)``.

    Parameters
    ----------
    traded : array-like of shape (n,)
        Two-way traded value of each period as a fraction of equity, as ``book.turnover``.
    periods_per_year : int, default 252
        Periods in a year.

    Returns
    -------
    float
        A multiple of equity; NaN without periods.

    Examples
    --------
    >>> turnover([1.0, 0.0, 2.0], periods_per_year=2)
    2.0
    """
    values = np.asarray(traded, dtype=float)
    return float(values.mean()) * periods_per_year if len(values) else np.nan


def exposure(weights: pd.DataFrame) -> float:
    """Mean gross position as a fraction of equity, ``mean(sum(abs(w)))``: 1 is fully invested, 2 is twice that.

    Parameters
    ----------
    weights : DataFrame of shape (n, n_assets)
        Positions as fractions of equity in each period, as ``book.weights``.

    Returns
    -------
    float
        A multiple of equity; NaN without periods.

    Examples
    --------
    >>> exposure(pd.DataFrame({"A": [0.5, 0.0], "B": [-0.5, 0.0]}))
    0.5
    """
    gross = np.abs(weights.to_numpy(dtype=float)).sum(axis=1)  # (n,)
    return float(gross.mean()) if len(gross) else np.nan
