"""Statistics of a return series: pure functions, arrays in, floats out.

``returns`` are simple returns per period (0.01 is one per cent), the oldest first. NaN is skipped. The formulas and
their edge cases are those of empyrical (Quantopian, https://github.com/stefan-jansen/empyrical-reloaded): standard
deviations have ``ddof=1``, losses are negative numbers, and a statistic that is not defined is NaN.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tsseq.errors import ConfigError


def total_return(returns: ArrayLike) -> float:
    """Compounded return of the whole series: ``prod(1 + r) - 1``. NaN without returns.

    Examples
    --------
    >>> round(total_return([0.5, -0.5]), 4)
    -0.25
    """
    r = _present(returns)
    return float(np.prod(1 + r)) - 1 if len(r) else np.nan


def cagr(returns: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Compound annual growth rate: ``prod(1 + r) ** (periods_per_year / n) - 1``.

    ``n`` is the number of periods, the missing ones too, for time passes in them; not calendar days.

    Examples
    --------
    >>> round(cagr([0.1, 0.1], periods_per_year=1), 4)
    0.1
    """
    growth = np.float64(1 + total_return(returns))
    with np.errstate(over="ignore"):
        return float(growth ** (periods_per_year / np.size(returns))) - 1 if growth >= 0 else np.nan


def annual_volatility(returns: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Annualised standard deviation: ``std(r, ddof=1) * sqrt(periods_per_year)``. NaN for fewer than two returns.

    Examples
    --------
    >>> round(annual_volatility([0.01, 0.03], periods_per_year=2), 4)
    0.02
    """
    return _deviation(_present(returns)) * float(np.sqrt(periods_per_year))


def sharpe(returns: ArrayLike, *, risk_free: float = 0.0, periods_per_year: int = 252) -> float:
    """Sharpe ratio (Sharpe 1994): ``mean(r - risk_free) / std(r - risk_free, ddof=1) * sqrt(periods_per_year)``.

    ``risk_free`` is a rate per period. NaN for fewer than two returns and for a book that never moves; infinite for
    a constant gain or loss.

    Examples
    --------
    >>> round(sharpe([0.01, 0.03], periods_per_year=1), 4)
    1.4142
    """
    excess = _present(returns) - risk_free
    if len(excess) < 2:
        return np.nan
    return _ratio(excess.mean(), _deviation(excess)) * float(np.sqrt(periods_per_year))


def sortino(returns: ArrayLike, *, required_return: float = 0.0, periods_per_year: int = 252) -> float:
    """Sortino ratio: ``mean(r - required) * A / (sqrt(mean(min(r - required, 0) ** 2)) * sqrt(A))``.

    ``A`` is ``periods_per_year``, ``required_return`` a rate per period, and both means run over all returns
    (Sortino and Price 1994). NaN for fewer than two returns or a flat book, infinite without a shortfall.

    Examples
    --------
    >>> round(sortino([0.03, -0.01], periods_per_year=1), 4)
    1.4142
    """
    excess = _present(returns) - required_return
    if len(excess) < 2:
        return np.nan
    downside = np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2))
    return _ratio(excess.mean(), downside) * float(np.sqrt(periods_per_year))


def drawdown(returns: ArrayLike) -> "pd.Series[float]":
    """Loss since the highest equity so far, per period: ``E / cummax(E) - 1`` with ``E = [1, cumprod(1 + r)]``.

    The equity of 1 before the first return is part of the maximum, so a loss in the first period counts. A missing
    return counts as 0. The index is that of ``returns`` if it is a Series.

    Examples
    --------
    >>> drawdown([-0.5, 0.5, 1.0, -0.1]).round(4).tolist()
    [-0.5, -0.25, 0.0, -0.1]
    """
    equity = np.cumprod(1 + np.nan_to_num(np.asarray(returns, dtype=float)))
    peak = np.maximum.accumulate(np.maximum(equity, 1.0))
    index = returns.index if isinstance(returns, pd.Series) else None
    return pd.Series(equity / peak - 1, index=index, name="drawdown")


def max_drawdown(returns: ArrayLike) -> float:
    """Deepest :func:`drawdown`, a negative number or 0. NaN without returns.

    Examples
    --------
    >>> max_drawdown([-0.5, 0.1, 0.1])
    -0.5
    """
    r = _present(returns)
    return float(drawdown(r).min()) if len(r) else np.nan


def calmar(returns: ArrayLike, *, periods_per_year: int = 252) -> float:
    """Calmar ratio (Young 1991): :func:`cagr` ``/ abs(`` :func:`max_drawdown` ``)``. NaN without a drawdown.

    Examples
    --------
    >>> round(calmar([-0.5, 1.0, 0.1, 0.1], periods_per_year=2), 4)
    0.2
    """
    deepest = max_drawdown(returns)
    return cagr(returns, periods_per_year=periods_per_year) / -deepest if deepest < 0 else np.nan


def omega(returns: ArrayLike, *, required_return: float = 0.0, periods_per_year: int = 252) -> float:
    """Omega ratio (Keating and Shadwick 2002): sum of the gains over the sum of the losses, around a threshold.

    ``required_return`` is a rate per *year*, as in empyrical; the threshold is
    ``(1 + required_return) ** (1 / periods_per_year) - 1``. NaN for fewer than two returns and without losses.

    Examples
    --------
    >>> round(omega([0.02, 0.01, -0.02]), 4)
    1.5
    """
    if required_return <= -1:
        return np.nan
    excess = _present(returns) - ((1 + required_return) ** (1 / periods_per_year) - 1)
    losses = -float(excess[excess < 0].sum())
    return float(excess[excess > 0].sum()) / losses if len(excess) > 1 and losses > 0 else np.nan


def value_at_risk(returns: ArrayLike, *, level: float = 0.05) -> float:
    """Historical value at risk: the ``level`` quantile of the returns, linearly interpolated. NaN without returns.

    Examples
    --------
    >>> value_at_risk([-0.04, -0.02, 0.0, 0.02, 0.04], level=0.25)
    -0.02
    """
    r = _present(returns)
    return float(np.quantile(r, _checked(level))) if len(r) else np.nan


def conditional_value_at_risk(returns: ArrayLike, *, level: float = 0.05) -> float:
    """Mean of the worst returns, the lowest ``int((n - 1) * level) + 1`` of them. NaN without returns.

    Examples
    --------
    >>> round(conditional_value_at_risk([-0.04, -0.02, 0.0, 0.02, 0.04], level=0.25), 4)
    -0.03
    """
    r = np.sort(_present(returns))
    return float(r[: int((len(r) - 1) * _checked(level)) + 1].mean()) if len(r) else np.nan


def tail_ratio(returns: ArrayLike) -> float:
    """How much larger the good days are than the bad: ``abs(95th percentile) / abs(5th percentile)``.

    Examples
    --------
    >>> round(tail_ratio([-0.01, 0.0, 0.02]), 4)
    2.0
    """
    r = _present(returns)
    return _ratio(*np.abs(np.quantile(r, [0.95, 0.05]))) if len(r) else np.nan


def hit_rate(returns: ArrayLike) -> float:
    """Share of gains among the returns that are not 0: periods without a position or a move are no bets.

    Examples
    --------
    >>> round(hit_rate([0.01, 0.0, -0.01, 0.02]), 4)
    0.6667
    """
    r = _present(returns)
    return _ratio(float((r > 0).sum()), float((r != 0).sum()))


def skewness(returns: ArrayLike) -> float:
    """Third standardised moment, ``mean(z ** 3)`` with ``z = (r - mean(r)) / std(r, ddof=0)``. NaN if nothing moves.

    Examples
    --------
    >>> round(skewness([0.0, 0.0, 0.03]), 4)
    0.7071
    """
    return _moment(returns, 3)


def kurtosis(returns: ArrayLike) -> float:
    """Fourth standardised moment, ``mean(z ** 4)``: 3 for a normal distribution (Pearson's, not the excess).

    Examples
    --------
    >>> round(kurtosis([-0.01, 0.01]), 4)
    1.0
    """
    return _moment(returns, 4)


STATISTICS: dict[str, Callable[..., float]] = {
    function.__name__: function
    for function in (
        total_return,
        cagr,
        annual_volatility,
        sharpe,
        sortino,
        max_drawdown,
        calmar,
        omega,
        value_at_risk,
        conditional_value_at_risk,
        tail_ratio,
    )
}
"""The statistics by name: the keys of ``book.stats()``, in its order."""


def _present(returns: ArrayLike) -> NDArray[np.float64]:
    r: NDArray[np.float64] = np.asarray(returns, dtype=float)
    return r[~np.isnan(r)]


def _deviation(r: NDArray[np.float64]) -> float:
    if len(r) < 2:
        return np.nan
    # Equal values deviate by exactly 0; numpy leaves about 1e-18, which would make a Sharpe ratio of 1e16.
    return float(r.std(ddof=1)) if np.ptp(r) > 0 else 0.0


def _moment(returns: ArrayLike, order: int) -> float:
    r = _present(returns)
    spread = np.sqrt(np.mean((r - r.mean()) ** 2)) if len(r) and np.ptp(r) > 0 else np.nan
    return float(np.mean(((r - r.mean()) / spread) ** order)) if spread > 0 else np.nan


def _ratio(numerator: float, denominator: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(numerator, denominator))


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; it is the share of worst returns, between 0 and 1. Pass 0.05 for 5 %.")
    return level
