"""Losses since the highest equity so far."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tsseq.trading.statistics import rows
from tsseq.trading.statistics.distribution import present


def drawdown(returns: ArrayLike) -> pd.Series[float]:
    """Loss since the highest equity so far, per period: ``E / cummax(E) - 1`` with ``E = [1, cumprod(1 + r)]``.

    The equity of 1 before the first return is part of the maximum, so a loss in the first period counts.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period, the oldest first. A missing one counts as 0.

    Returns
    -------
    Series of shape (n,)
        0 or a negative fraction, on the index of ``returns`` if it is a Series.

    Examples
    --------
    >>> drawdown([-0.5, 0.5, 1.0, -0.1]).round(4).tolist()
    [-0.5, -0.25, 0.0, -0.1]
    """
    index = returns.index if isinstance(returns, pd.Series) else None
    losses = rows.drawdown(np.nan_to_num(np.asarray(returns, dtype=float)))
    return pd.Series(losses, index=index, name="drawdown")


def max_drawdown(returns: ArrayLike) -> float:
    """Deepest `drawdown`: ``min(E / cummax(E) - 1)``.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period (0.01 is one per cent), the oldest first. NaN is skipped.

    Returns
    -------
    float
        A negative fraction or 0; NaN without returns.

    Examples
    --------
    >>> max_drawdown([-0.5, 0.1, 0.1])
    -0.5
    """
    return float(rows.max_drawdown(present(returns)))


def drawdown_table(returns: pd.Series[float], count: int = 5) -> pd.DataFrame:
    """List the deepest drawdowns with their dates, the deepest first.

    A drawdown begins at the last peak of the equity and ends when that peak is reached again. The peak before the first
    return has no date, so a drawdown from there starts at the first one.

    Parameters
    ----------
    returns : Series of shape (n,)
        Simple return of each period, the oldest first, indexed by time. A missing one counts as 0.
    count : int, default 5
        Rows at most.

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
    starts, ends = np.flatnonzero(np.diff(below) == 1), np.flatnonzero(np.diff(below) == -1)
    troughs = np.array([start + int(depth[start:end].argmin()) for start, end in zip(starts, ends)], dtype=int)
    recoveries = [times[end] if end < len(depth) else None for end in ends]
    table = pd.DataFrame(
        {
            "depth": depth[troughs],
            "start": times[np.maximum(starts - 1, 0)],
            "trough": times[troughs],
            "end": pd.Index(recoveries, dtype=times.dtype) if isinstance(times, pd.DatetimeIndex) else recoveries,
            "length": np.minimum(ends, len(depth) - 1) - starts + 1,
        }
    )
    return table.sort_values("depth", kind="stable").head(count).reset_index(drop=True)
