"""Formulas of the statistics, for many series of returns at once: arrays (..., n) without missing values in between.

A series that is missing as a whole has statistics that are NaN. What each means is said where it is public.
"""

from __future__ import annotations

import numpy as np

from tsseq.typing import Array


def total_return(returns: Array) -> Array:
    """``prod(1 + r) - 1``; NaN without returns."""
    return np.asarray(np.prod(1 + returns, axis=-1) - 1 if returns.shape[-1] else np.full(returns.shape[:-1], np.nan))


def cagr(total: Array, n_bars: int, periods_per_year: int) -> Array:
    """``(1 + total) ** (periods_per_year / n_bars) - 1`` of total returns; NaN for more than everything lost."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(1 + total >= 0, (1 + total) ** (periods_per_year / max(n_bars, 1)) - 1, np.nan)


def annual_volatility(returns: Array, periods_per_year: int) -> Array:
    """``std(r, ddof=1) * sqrt(periods_per_year)``."""
    return np.asarray(_moments(returns)[1] * np.sqrt(periods_per_year))


def sharpe(excess: Array, periods_per_year: int) -> Array:
    """``mean(e) / std(e, ddof=1) * sqrt(periods_per_year)`` beyond a riskless rate; NaN for fewer than two returns."""
    return np.asarray(ratio(*_moments(excess)) * np.sqrt(periods_per_year))


def sortino(excess: Array, periods_per_year: int) -> Array:
    """``mean(e) / sqrt(mean(min(e, 0) ** 2)) * sqrt(periods_per_year)``; NaN for fewer than two returns."""
    losses = np.minimum(excess, 0.0)
    downside = np.sqrt(_mean(np.square(losses, out=losses)))
    ratios = ratio(_mean(excess), downside) * np.sqrt(periods_per_year)
    return ratios if excess.shape[-1] > 1 else np.full_like(ratios, np.nan)


def drawdown(returns: Array) -> Array:
    """``E / cummax(E) - 1`` of each period, with ``E = [1, cumprod(1 + r)]``."""
    equity = np.cumprod(1 + returns, axis=-1)
    peak = np.maximum.accumulate(np.maximum(equity, 1.0), axis=-1)
    return np.asarray(equity / peak - 1)


def max_drawdown(returns: Array) -> Array:
    """The deepest drawdown; NaN without returns."""
    return np.asarray(drawdown(returns).min(axis=-1) if returns.shape[-1] else np.full(returns.shape[:-1], np.nan))


def calmar(growth: Array, deepest: Array) -> Array:
    """Annual growth over the absolute deepest drawdown; NaN without one."""
    return ratio(growth, np.where(deepest < 0, -deepest, np.nan))


def omega(returns: Array, required_return: float, periods_per_year: int) -> Array:
    """Gains over losses around ``(1 + required_return) ** (1 / periods_per_year) - 1``; NaN without losses."""
    excess = returns - ((1 + required_return) ** (1 / periods_per_year) - 1)
    gains, losses = np.maximum(excess, 0.0).sum(axis=-1), -np.minimum(excess, 0.0).sum(axis=-1)
    return ratio(gains, np.where((losses > 0) & (excess.shape[-1] > 1), losses, np.nan))


def quantile(ordered: Array, level: float) -> Array:
    """Quantile of sorted returns, linearly interpolated; NaN without returns."""
    if not ordered.shape[-1]:
        return np.full(ordered.shape[:-1], np.nan)
    place = (ordered.shape[-1] - 1) * level
    below, above = ordered[..., int(place)], ordered[..., min(int(place) + 1, ordered.shape[-1] - 1)]
    return np.asarray(below + (above - below) * (place - int(place)))


def conditional_value_at_risk(ordered: Array, level: float) -> Array:
    """Mean of the lowest ``int((n - 1) * level) + 1`` of sorted returns."""
    return _mean(ordered[..., : int((ordered.shape[-1] - 1) * level) + 1])


def tail_ratio(ordered: Array) -> Array:
    """``abs(95th percentile) / abs(5th percentile)`` of sorted returns."""
    return ratio(np.abs(quantile(ordered, 0.95)), np.abs(quantile(ordered, 0.05)))


def statistics(returns: Array, excess: Array, n_bars: int, periods_per_year: int) -> dict[str, Array]:
    """All statistics by name, of returns, and of returns beyond a riskless rate, that span so many bars."""
    total, deepest, ordered = total_return(returns), max_drawdown(returns), np.sort(returns, axis=-1)
    growth = cagr(total, n_bars, periods_per_year)
    return {
        "total_return": total,
        "cagr": growth,
        "annual_volatility": annual_volatility(returns, periods_per_year),
        "sharpe": sharpe(excess, periods_per_year),
        "sortino": sortino(excess, periods_per_year),
        "max_drawdown": deepest,
        "calmar": calmar(growth, deepest),
        "omega": omega(returns, 0.0, periods_per_year),
        "value_at_risk": quantile(ordered, 0.05),
        "conditional_value_at_risk": conditional_value_at_risk(ordered, 0.05),
        "tail_ratio": tail_ratio(ordered),
    }


def beyond(returns: Array, rates: Array) -> Array:
    """Returns less a rate per period; what differs from the rate by rounding is 0."""
    if not rates.any():
        return returns
    excess = returns - rates
    excess[(np.abs(excess) < 1e-13) & (rates != 0)] = 0.0
    return excess


def ratio(numerator: Array | float, denominator: Array | float) -> Array:
    """Divide; 0 / 0 is NaN, any other number over 0 infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(numerator, denominator))


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan))


def _moments(r: Array) -> tuple[Array, Array]:
    """Means, and standard deviations with ``ddof=1``; NaN for fewer than two values."""
    n, mean = r.shape[-1], _mean(r)
    if n < 2:
        return mean, np.full_like(mean, np.nan)
    squares = np.vecdot(r, r) / n
    variance = np.asarray(squares - mean**2)
    vague = variance <= 1e-3 * squares  # little is left of the difference, or nothing but zeros
    if vague.any():
        centred = r[vague] - mean[vague][:, None]
        # Equal values deviate by exactly 0; rounding leaves about 1e-18, which would make a Sharpe ratio of 1e16.
        variance[vague] = np.where(np.ptp(r[vague], axis=-1) == 0, 0.0, np.vecdot(centred, centred) / n)
    return mean, np.sqrt(variance * (n / (n - 1)))
