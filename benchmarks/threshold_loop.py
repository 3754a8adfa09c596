"""The yardstick of sweeps: thresholds on one asset as a loop, compiled by numba. It keeps no returns of any book."""

import numpy as np
from numba import njit


@njit
def threshold_loop(change, opens, closes, thresholds, shorts, rate):
    """(2, K): total return and Sharpe ratio of each threshold, filled at the next open."""
    n_bars, figures = len(closes), np.zeros((2, len(thresholds)))
    for book in range(len(thresholds)):
        threshold, weight, total, gains, squares = thresholds[book], 0.0, 1.0, 0.0, 0.0
        for bar in range(1, n_bars):
            night, session = opens[bar] / closes[bar - 1], closes[bar] / opens[bar]
            factor = 1 + weight * (night - 1)
            before = weight * night / factor
            target = 0.0
            if change[bar - 1] > threshold:
                target = 1.0
            elif shorts[book] and change[bar - 1] < -threshold:
                target = -1.0
            growth = 1 + target * (session - 1)
            factor *= (1 - rate * abs(target - before)) * growth
            weight = target * session / growth
            total *= factor
            gains += factor - 1
            squares += (factor - 1) ** 2
        mean = gains / n_bars
        variance = (squares - n_bars * mean**2) / (n_bars - 1)
        figures[0, book] = total - 1
        figures[1, book] = mean / np.sqrt(variance) * np.sqrt(252) if variance > 0 else np.nan
    return figures
