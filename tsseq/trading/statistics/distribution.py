"""Statistics of the distribution of returns: tails, moments, the share of gains."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tsseq.errors import ConfigError, DataError
from tsseq.trading.statistics import rows
from tsseq.typing import Array


def value_at_risk(returns: ArrayLike, *, level: float = 0.05) -> float:
    """Historical value at risk: the ``level`` quantile of the returns, linearly interpolated.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    level : float, default 0.05
        Share of the worst returns, between 0 and 1.

    Returns
    -------
    float
        A return, negative for a loss; NaN without returns.

    Raises
    ------
    ConfigError
        The level is not between 0 and 1.

    Examples
    --------
    >>> value_at_risk([-0.04, -0.02, 0.0, 0.02, 0.04], level=0.25)
    -0.02
    """
    return float(rows.quantile(np.sort(present(returns)), _checked(level)))


def conditional_value_at_risk(returns: ArrayLike, *, level: float = 0.05) -> float:
    """Mean of the worst returns, the lowest ``int((n - 1) * level) + 1`` of them.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.
    level : float, default 0.05
        Share of the worst returns, between 0 and 1.

    Returns
    -------
    float
        A return, negative for a loss; NaN without returns.

    Raises
    ------
    ConfigError
        The level is not between 0 and 1.

    Examples
    --------
    >>> round(conditional_value_at_risk([-0.04, -0.02, 0.0, 0.02, 0.04], level=0.25), 4)
    -0.03
    """
    return float(rows.conditional_value_at_risk(np.sort(present(returns)), _checked(level)))


def tail_ratio(returns: ArrayLike) -> float:
    """How much larger large gains are than large losses: ``abs(95th percentile) / abs(5th percentile)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.

    Returns
    -------
    float
        A ratio; NaN without returns.

    Examples
    --------
    >>> round(tail_ratio([-0.01, 0.0, 0.02]), 4)
    2.0
    """
    return float(rows.tail_ratio(np.sort(present(returns))))


def hit_rate(returns: ArrayLike) -> float:
    """Share of gains among the returns that are not 0: periods without a position or a move are not bets.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.

    Returns
    -------
    float
        A share in 0..1; NaN if all returns are 0.

    Examples
    --------
    >>> round(hit_rate([0.01, 0.0, -0.01, 0.02]), 4)
    0.6667
    """
    r = present(returns)
    return ratio(float((r > 0).sum()), float((r != 0).sum()))


def skewness(returns: ArrayLike) -> float:
    """Third standardised moment, ``mean(z ** 3)`` with ``z = (r - mean(r)) / std(r, ddof=0)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.

    Returns
    -------
    float
        0 for a symmetric distribution; NaN for constant returns.

    Examples
    --------
    >>> round(skewness([0.0, 0.0, 0.03]), 4)
    0.7071
    """
    return _moment(returns, 3)


def kurtosis(returns: ArrayLike) -> float:
    """Fourth standardised moment, ``mean(z ** 4)`` with ``z = (r - mean(r)) / std(r, ddof=0)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.

    Returns
    -------
    float
        3 for a normal distribution (Pearson's, not the excess); NaN for constant returns.

    Examples
    --------
    >>> round(kurtosis([-0.01, 0.01]), 4)
    1.0
    """
    return _moment(returns, 4)


def present(returns: ArrayLike) -> Array:
    """Return the values (n,) that are not NaN."""
    r: Array = np.asarray(returns, dtype=float)
    return r[~np.isnan(r)]


def common(*series: ArrayLike) -> tuple[Array, ...]:
    """Return the values of each series where all have one: Series matched by index, arrays by position."""
    labelled = [values for values in series if isinstance(values, pd.Series)]
    if len(labelled) > 1:
        index = reduce(pd.Index.intersection, [values.index for values in labelled])
        series = tuple(values.loc[index] if isinstance(values, pd.Series) else values for values in series)
    arrays = [np.asarray(values, dtype=float) for values in series]
    lengths = {array.shape for array in arrays if array.ndim}
    if len(lengths) > 1 or max(array.ndim for array in arrays) > 1:
        raise DataError(f"series of one length were needed, not of {', '.join(map(str, sorted(lengths)))}.")
    known = ~np.isnan(np.broadcast_arrays(*arrays)).any(axis=0)
    return tuple(np.broadcast_to(array, known.shape)[known] for array in arrays)


def beyond(returns: ArrayLike, rate: ArrayLike) -> Array:
    """Return the values (n,) of returns less a rate per period; what differs from the rate by rounding is 0."""
    return rows.beyond(*common(returns, rate))


def ratio(numerator: float, denominator: float) -> float:
    """Divide; 0 / 0 is NaN, any other number over 0 infinite."""
    return float(rows.ratio(numerator, denominator))


def _moment(returns: ArrayLike, order: int) -> float:
    r = present(returns)
    deviation = np.sqrt(np.mean((r - r.mean()) ** 2)) if len(r) and np.ptp(r) > 0 else np.nan
    return float(np.mean(((r - r.mean()) / deviation) ** order)) if deviation > 0 else np.nan


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; it is the share of worst returns, between 0 and 1. Pass 0.05 for 5 %.")
    return level
