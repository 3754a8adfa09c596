"""Statistics of a return series: pure functions, arrays in, floats out.

``returns`` are simple returns per period (0.01 is one per cent), the oldest first. NaN is skipped. The formulas and
their edge cases are those of empyrical (Quantopian, https://github.com/stefan-jansen/empyrical-reloaded): standard
deviations have ``ddof=1``, losses are negative numbers, and a statistic that is not defined is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tsseq.trading.statistics import rows
from tsseq.trading.statistics.distribution import (
    beyond,
    conditional_value_at_risk,
    present,
    tail_ratio,
    value_at_risk,
)
from tsseq.trading.statistics.drawdowns import max_drawdown
from tsseq.typing import Array


def bars_per_year(times: pd.DatetimeIndex) -> int:
    """Bars in a year, from the usual distance between them: 252 daily, 365 with weekends, 52 weekly, 12 monthly.

    Parameters
    ----------
    times : DatetimeIndex
        Times of the bars, the oldest first.

    Returns
    -------
    int
        Bars in a year; 252 for fewer than two bars. Intraday bars are counted per day that has any.

    Examples
    --------
    >>> [bars_per_year(pd.date_range("2024-01-01", periods=30, freq=freq)) for freq in ("B", "D", "W", "MS")]
    [252, 365, 52, 12]
    """
    if len(times) < 2:
        return 252
    gap = float(np.median(np.diff(times.as_unit("s").asi8))) / 86_400
    days = 365 if (times.day_of_week >= 5).any() else 252
    if gap < 1:
        return round(days * len(times) / len(times.normalize().unique()))
    return days if gap < 4 else round(365.25 / gap)


def cash_returns(times: pd.DatetimeIndex, rate: float) -> Array:
    """Interest that a book pays on cash: ``rate * days / 365`` for the calendar days since the bar before.

    Parameters
    ----------
    times : DatetimeIndex
        Times of the bars, the oldest first.
    rate : float
        Interest per year, simple within a bar; 0.02 is 2 %.

    Returns
    -------
    ndarray of shape (n,)
        Return of each bar; 0 on the first.

    Examples
    --------
    >>> cash_returns(pd.DatetimeIndex(["2024-01-05", "2024-01-08"]), 0.0365).round(6).tolist()
    [0.0, 0.0003]
    """
    seconds = times.as_unit("s").asi8
    return np.asarray(rate * (np.diff(seconds, prepend=seconds[:1]) / 86_400 / 365))


def total_return(returns: ArrayLike) -> float:
    """Compounded return of the whole series: ``prod(1 + r) - 1``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.

    Returns
    -------
    float
        A fraction; NaN without returns.

    Examples
    --------
    >>> round(total_return([0.5, -0.5]), 4)
    -0.25
    """
    return float(rows.total_return(present(returns)))


def cagr(returns: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Compound annual growth rate: ``prod(1 + r) ** (periods_per_year / n) - 1``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period, the oldest first. Missing ones count in n, for time passes in them.
    periods_per_year : int, default 252
        Periods in a year: 252 trading days, 52 weeks, 12 months; see `bars_per_year`.

    Returns
    -------
    float
        A yearly rate; NaN without returns and for a loss of more than everything.

    Examples
    --------
    >>> round(cagr([0.1, 0.1], periods_per_year=1), 4)
    0.1
    """
    return float(rows.cagr(rows.total_return(present(returns)), np.size(returns), periods_per_year))


def annual_volatility(returns: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Annualised standard deviation: ``std(r, ddof=1) * sqrt(periods_per_year)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    periods_per_year : int, default 252
        Periods in a year: 252 trading days, 52 weeks, 12 months; see `bars_per_year`.

    Returns
    -------
    float
        A yearly deviation (0.2 is 20 %); NaN for fewer than two returns.

    Examples
    --------
    >>> round(annual_volatility([0.01, 0.03], periods_per_year=2), 4)
    0.02
    """
    return float(rows.annual_volatility(present(returns), periods_per_year))


def sharpe(returns: ArrayLike, *, risk_free: ArrayLike = 0.0, periods_per_year: int = 252) -> float:
    """Sharpe ratio (Sharpe 1994): ``mean(r - risk_free) / std(r - risk_free, ddof=1) * sqrt(periods_per_year)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    risk_free : float or array-like of shape (n,), default 0
        Return of a riskless investment per period; two Series are matched by their index.
    periods_per_year : int, default 252
        Periods in a year: 252 trading days, 52 weeks, 12 months; see `bars_per_year`.

    Returns
    -------
    float
        Annual ratio; NaN for fewer than two returns and for those that always equal ``risk_free``, infinite for other
        constants.

    Raises
    ------
    DataError
        ``risk_free`` is an array of another length.

    Examples
    --------
    >>> round(sharpe([0.01, 0.03], periods_per_year=1), 4)
    1.4142
    """
    return float(rows.sharpe(beyond(returns, risk_free), periods_per_year))


def sortino(returns: ArrayLike, *, required_return: ArrayLike = 0.0, periods_per_year: int = 252) -> float:
    """Sortino ratio: ``mean(r - required) * A / (sqrt(mean(min(r - required, 0) ** 2)) * sqrt(A))``.

    ``A`` is ``periods_per_year``, and both means run over all returns (Sortino and Price 1994).

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    required_return : float or array-like of shape (n,), default 0
        Return per period below which a return counts as a loss; two Series are matched by their index.
    periods_per_year : int, default 252
        Periods in a year: 252 trading days, 52 weeks, 12 months; see `bars_per_year`.

    Returns
    -------
    float
        Annual ratio; NaN for fewer than two returns or where all equal ``required_return``, infinite without a loss.

    Raises
    ------
    DataError
        ``required_return`` is an array of another length.

    Examples
    --------
    >>> round(sortino([0.03, -0.01], periods_per_year=1), 4)
    1.4142
    """
    return float(rows.sortino(beyond(returns, required_return), periods_per_year))


def calmar(returns: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Calmar ratio (Young 1991): `cagr` over the absolute `max_drawdown`.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    periods_per_year : int, default 252
        Periods in a year: 252 trading days, 52 weeks, 12 months; see `bars_per_year`.

    Returns
    -------
    float
        Annual ratio; NaN without a drawdown.

    Examples
    --------
    >>> round(calmar([-0.5, 1.0, 0.1, 0.1], periods_per_year=2), 4)
    0.2
    """
    r = present(returns)
    growth = rows.cagr(rows.total_return(r), np.size(returns), periods_per_year)
    return float(rows.calmar(growth, rows.max_drawdown(r)))


def omega(returns: ArrayLike, *, required_return: float = 0.0, periods_per_year: int = 252) -> float:
    """Omega ratio (Keating and Shadwick 2002): sum of the gains over the sum of the losses, around a threshold.

    The threshold per period is ``(1 + required_return) ** (1 / periods_per_year) - 1``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    required_return : float, default 0
        Required return per year, as in empyrical.
    periods_per_year : int, default 252
        Periods in a year: 252 trading days, 52 weeks, 12 months; see `bars_per_year`.

    Returns
    -------
    float
        A ratio, 1 if gains and losses cancel; NaN for fewer than two returns and without losses.

    Examples
    --------
    >>> round(omega([0.02, 0.01, -0.02]), 4)
    1.5
    """
    if required_return <= -1:
        return np.nan
    return float(rows.omega(present(returns), required_return, periods_per_year))


_GROWTH = (total_return, cagr, annual_volatility, sharpe, sortino, max_drawdown, calmar, omega)
_TAILS = (value_at_risk, conditional_value_at_risk, tail_ratio)
STATISTICS: dict[str, Callable[..., float]] = {function.__name__: function for function in (*_GROWTH, *_TAILS)}
"""The statistics by name: keys of ``book.stats()``, in its order."""


def statistics_of(returns: ArrayLike, *, risk_free: ArrayLike = 0.0, periods_per_year: int = 252) -> dict[str, float]:
    """All of `STATISTICS` of a return series.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    risk_free : float or array-like of shape (n,), default 0
        Return of a riskless investment per period: of the Sharpe ratio, and what the Sortino ratio requires.
    periods_per_year : int, default 252
        Periods in a year: 252 trading days, 52 weeks, 12 months; see `bars_per_year`.

    Returns
    -------
    dict of str to float
        Value of every statistic by its name.

    Raises
    ------
    DataError
        ``risk_free`` is an array of another length.

    Examples
    --------
    >>> list(statistics_of([0.01, -0.01]))[:2]
    ['total_return', 'cagr']
    """
    r, excess = present(returns), beyond(returns, risk_free)
    figures = rows.statistics(r, excess, np.size(returns), periods_per_year)
    return {name: float(value) for name, value in figures.items()}
