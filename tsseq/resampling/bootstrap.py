"""Block bootstrap over neighbours that depend on one another."""

from __future__ import annotations

import numpy as np

from tsseq.typing import Array


def block_length(n: int, overlap: int) -> int:
    """Length of a block: ``(overlap^2 n)^(1/3)`` rounded up, and at least the overlap.

    The best length grows so (Hall, Horowitz and Jing, Biometrika 82, 1995; Politis and White, Econometric Reviews 23,
    2004, for sums that overlap).

    Parameters
    ----------
    n : int
        Length of the sequence; a block is never longer.
    overlap : int
        Neighbours that depend on one another; 1 if none do.

    Returns
    -------
    int
        From 1 to n.

    Examples
    --------
    >>> block_length(100, overlap=1), block_length(100, overlap=5), block_length(3, overlap=5)
    (5, 14, 3)
    """
    return min(max(int(np.ceil(round((overlap**2 * n) ** (1 / 3), 9))), overlap), n)


def resampled(n: int, block: int, times: int, seed: int) -> Array:
    """Draw how often each of ``n`` neighbours counts, in blocks that wrap around.

    The circular block bootstrap of Politis and Romano (in: Exploring the Limits of Bootstrap, 1992).

    Parameters
    ----------
    n : int
        Length of the sequence.
    block : int
        Neighbours in a block, 1 to n.
    times : int
        Bootstrap samples.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray of shape (times, n)
        Whole numbers; every row sums to n.

    Examples
    --------
    >>> resampled(5, block=2, times=3, seed=0).sum(axis=1)
    array([5., 5., 5.])
    """
    n_blocks = -(-n // block)
    starts = np.random.default_rng(seed).integers(0, n, (times, n_blocks))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(times, -1)[:, :n] % n  # (times, n)
    place = drawn + n * np.arange(times)[:, None]
    return np.bincount(place.ravel(), minlength=times * n).reshape(times, n).astype(np.float64)


def percentiles(draws: Array, level: float) -> tuple[Array, Array]:
    """Ends of the middle part of bootstrap draws.

    Parameters
    ----------
    draws : ndarray of shape (M, B)
        B draws of M numbers.
    level : float
        Share of the draws between the ends, in 0..1.

    Returns
    -------
    tuple of ndarray of shape (M,)
        Lower and upper ends.

    Examples
    --------
    >>> low, high = percentiles(np.arange(101.0)[None], 0.5)
    >>> low.tolist(), high.tolist()
    ([25.0], [75.0])
    """
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=1)
    return low, high
