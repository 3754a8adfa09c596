"""Statistics that need more than one return series: a benchmark, positions, or the dates of drawdowns.

Returns are simple, per period, the oldest first. The formulas are those of empyrical (Quantopian,
https://github.com/stefan-jansen/empyrical-reloaded): moments have ``ddof=1``, and what is not defined is NaN. Series
of returns are compared where both have a value: two Series by their index, arrays by their position.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tsseq.errors import DataError
from tsseq.trading.statistics.returns import drawdown

Floats = NDArray[np.float64]


def drawdown_table(returns: "pd.Series[float]", count: int = 5) -> pd.DataFrame:
    """Return the deepest drawdowns with their dates, the deepest first.

    A drawdown begins at the last peak of the equity and ends when that peak is reached again. The peak before the first
    return has no date, so a drawdown from there starts at the first one.

    Returns
    -------
    DataFrame
        ``depth`` (negative, a fraction of the peak), ``start`` (the peak), ``trough``, ``end`` (the first bar back at
        the peak; missing while the drawdown lasts) and ``length`` (bars from the peak to the end, or to the last bar).

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=5)
    >>> drawdown_table(pd.Series([0.1, -0.5, 0.2, 1.0, -0.1], days))
       depth      start     trough        end  length
    0   -0.5 2024-01-01 2024-01-02 2024-01-04       3
    1   -0.1 2024-01-04 2024-01-05        NaT       1
    """
    depth, times = drawdown(returns).to_numpy(), pd.Series(returns).index
    below = np.concatenate([[False], depth < 0, [False]]).astype(int)
    first, after = np.flatnonzero(np.diff(below) == 1), np.flatnonzero(np.diff(below) == -1)
    troughs = np.array([a + int(depth[a:b].argmin()) for a, b in zip(first, after)], dtype=int)
    back = [times[b] if b < len(depth) else None for b in after]
    table = pd.DataFrame(
        {
            "depth": depth[troughs],
            "start": times[np.maximum(first - 1, 0)],
            "trough": times[troughs],
            "end": pd.Index(back, dtype=times.dtype) if isinstance(times, pd.DatetimeIndex) else back,
            "length": np.minimum(after, len(depth) - 1) - first + 1,
        }
    )
    return table.sort_values("depth", kind="stable").head(count).reset_index(drop=True)


def beta(returns: ArrayLike, benchmark: ArrayLike, *, risk_free: float = 0.0) -> float:
    """Slope of the returns on those of the benchmark (Sharpe 1964): ``cov(r, b) / var(b)``.

    ``risk_free``, a rate per period, cancels; it is taken so that :func:`alpha` and this have the same parameters. NaN
    for fewer than two common returns and for a benchmark that never moves.

    Examples
    --------
    >>> round(beta([0.02, -0.02, 0.01], [0.01, -0.01, 0.005]), 4)
    2.0
    """
    own, other = _common(returns, benchmark)
    if len(own) < 2 or np.ptp(other) == 0:
        return np.nan
    centred = other - risk_free - (other - risk_free).mean()
    return float(centred @ (own - own.mean()) / (centred @ centred))


def alpha(returns: ArrayLike, benchmark: ArrayLike, *, risk_free: float = 0.0, periods_per_year: int = 252) -> float:
    """Annual return that :func:`beta` does not explain (Jensen 1968), compounded as empyrical does.

    ``(1 + mean(r - risk_free - beta * (b - risk_free))) ** periods_per_year - 1``.

    Examples
    --------
    >>> round(alpha([0.03, -0.01, 0.02], [0.02, -0.02, 0.01], periods_per_year=1), 4)
    0.01
    """
    own, other = _common(returns, benchmark)
    slope = beta(own, other, risk_free=risk_free)
    if np.isnan(slope):
        return np.nan
    return float((1 + np.mean(own - risk_free - slope * (other - risk_free))) ** periods_per_year - 1)


def information_ratio(returns: ArrayLike, benchmark: ArrayLike, *, periods_per_year: int = 1) -> float:
    """Mean over deviation of the returns beyond the benchmark (Goodwin 1998): ``mean(r - b) / std(r - b, ddof=1)``.

    Per period as in empyrical; with ``periods_per_year=252`` it is times ``sqrt(252)``, comparable to a Sharpe ratio.
    NaN for fewer than two common returns and where nothing deviates.

    Examples
    --------
    >>> round(information_ratio([0.02, 0.01, 0.03], [0.01, 0.01, 0.01]), 4)
    1.0
    """
    own, other = _common(returns, benchmark)
    active = own - other
    if len(active) < 2 or np.ptp(active) == 0:
        return np.nan
    return float(active.mean() / active.std(ddof=1) * np.sqrt(periods_per_year))


def turnover(weights: pd.DataFrame, *, periods_per_year: int = 252) -> float:
    """Two-way turnover a year of weights held exactly, without drift: ``A * mean(sum(abs(w[t] - w[t-1])))``.

    From nothing into the first row counts. A book knows its own, with drift: ``book.stats()["turnover"]``.

    Examples
    --------
    >>> turnover(pd.DataFrame({"A": [1.0, 0.0], "B": [0.0, 1.0]}), periods_per_year=2)
    3.0
    """
    held = weights.to_numpy(dtype=float)  # (T, N)
    traded = np.abs(np.diff(held, axis=0, prepend=0.0)).sum(axis=1)
    return float(traded.mean()) * periods_per_year if len(traded) else np.nan


def exposure(weights: pd.DataFrame) -> float:
    """Mean gross position as a fraction of equity, ``mean(sum(abs(w)))``: 1 is fully invested, 2 is twice that.

    Examples
    --------
    >>> exposure(pd.DataFrame({"A": [0.5, 0.0], "B": [-0.5, 0.0]}))
    0.5
    """
    held = np.abs(weights.to_numpy(dtype=float)).sum(axis=1)  # (T,)
    return float(held.mean()) if len(held) else np.nan


def _common(returns: ArrayLike, benchmark: ArrayLike) -> tuple[Floats, Floats]:
    """Both series where both have a value."""
    if isinstance(returns, pd.Series) and isinstance(benchmark, pd.Series):
        returns, benchmark = returns.align(benchmark, join="inner")
    own, other = np.asarray(returns, dtype=float), np.asarray(benchmark, dtype=float)
    if own.shape != other.shape or own.ndim != 1:
        raise DataError(f"Two series of one length were needed, not {own.shape} and {other.shape}.")
    both = ~(np.isnan(own) | np.isnan(other))
    return own[both], other[both]
