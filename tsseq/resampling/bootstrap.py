"""Block bootstrap over cutoffs: how much of a score is luck of the draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def block_length(n: int, overlap: int) -> int:
    """Cutoffs in a block, out of ``n``: ``(overlap^2 n)^(1/3)`` rounded up, which is at least the overlap.

    The best length grows so (Hall, Horowitz and Jing 1995; Politis and White 2004 for sums that overlap).

    >>> block_length(100, overlap=1), block_length(100, overlap=5), block_length(3, overlap=5)
    (5, 14, 3)
    """
    return min(max(int(np.ceil(round((overlap**2 * n) ** (1 / 3), 9))), overlap), n)


def resampled(n: int, block: int, times: int, seed: int) -> Array:
    """How often each of ``n`` neighbours is drawn (times, n), in blocks that wrap around (Politis and Romano 1992).

    >>> resampled(5, block=2, times=3, seed=0).sum(axis=1)
    array([5., 5., 5.])
    """
    n_blocks = -(-n // block)
    starts = np.random.default_rng(seed).integers(0, n, (times, n_blocks))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(times, -1)[:, :n] % n  # (times, n)
    place = drawn + n * np.arange(times)[:, None]
    return np.bincount(place.ravel(), minlength=times * n).reshape(times, n).astype(np.float64)


def percentiles(draws: Array, level: float) -> tuple[Array, Array]:
    """(M, B) -> the ends (M,) of the middle ``level`` of the draws."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=1)
    return low, high
