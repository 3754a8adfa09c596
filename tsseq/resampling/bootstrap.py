"""Block bootstrap over neighbours that depend on one another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tsseq.typing import Array

# Numbers of a matrix of draws that are in memory at a time.
_CHUNK = 2_000_000


class MeanDraws(NamedTuple):
    """Means of M sequences, and how much bootstrap samples deviate from them.

    Attributes
    ----------
    mean : ndarray of shape (M,)
        Of the values that are known.
    error : ndarray of shape (M,)
        Standard errors of the means; 0 for constant sequences.
    draws : ndarray of shape (M, B)
        Mean of each bootstrap sample less that of the sequence, in standard errors of the sample itself: about
        Student's t. Every column is one draw of the same blocks from all sequences; NaN for constant ones.

    Examples
    --------
    >>> means = mean_draws(np.array([[1.0, 2.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0]]), block=2, times=3, seed=0)
    >>> means.mean, means.error.round(3)
    (array([2., 5.]), array([0.5, 0. ]))
    """

    mean: Array
    error: Array
    draws: Array


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


def mean_draws(values: Array, block: int, times: int, seed: int) -> MeanDraws:
    """Bootstrap the means of sequences that depend on one another and on their neighbours.

    Whole blocks of the circular block bootstrap are drawn, so that means follow from sums of blocks. The standard error
    is that of block sums (Künsch 1989), with what short sequences lack added: for independent values it is unbiased.
    Each sample is divided by its own (Götze and Künsch, Annals of Statistics 24, 1996), or by half of the sequence's if
    that is more, since samples without a single move of a sequence that seldom moves would have none.

    Parameters
    ----------
    values : ndarray of shape (M, n)
        Sequences; NaN where one has no value. Missing values add nothing to a sum.
    block : int
        Neighbours in a block, 1 to n - 1.
    times : int
        Bootstrap samples.
    seed : int
        Seed of the draws: sequences of one length get the same blocks in every call.

    Returns
    -------
    MeanDraws
        Means, their standard errors, and the draws.

    Examples
    --------
    >>> draws = mean_draws(np.sin(np.arange(200.0))[None], block=6, times=500, seed=0)
    >>> draws.draws.shape, draws.draws.std().round(1).item()
    ((1, 500), 1.1)
    """
    values = np.asarray(values, dtype=np.float64)
    n_rows, n = values.shape
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    mean = np.where(known, values, 0.0).sum(axis=1) / counts
    centred = np.where(known, values - mean[:, None], 0.0)
    sums = np.cumsum(np.hstack([np.zeros((n_rows, 1)), centred, centred[:, : block - 1]]), axis=1)
    sums = sums[:, block:] - sums[:, :-block]  # (M, n): that of every block
    spread = np.sqrt(np.mean(sums**2, axis=1))
    error = spread * n / np.sqrt(block * (n - block)) / counts
    n_blocks, random = -(-n // block), np.random.default_rng(seed)
    squares, draws = sums**2, np.empty((n_rows, times))
    size = max(_CHUNK // n, 1)
    for first in range(0, times, size):
        chunk = draws[:, first : first + size]
        starts = random.integers(0, n, (chunk.shape[1], n_blocks)) + n * np.arange(chunk.shape[1])[:, None]
        drawn = np.bincount(starts.ravel(), minlength=chunk.shape[1] * n).reshape(-1, n).T.astype(np.float64)  # (n, b)
        total = sums @ drawn
        variance = (squares @ drawn - total**2 / n_blocks) / (n_blocks - 1)  # of a block's sum, within each sample
        deviation = np.sqrt(np.maximum(variance, spread[:, None] ** 2 / 4))
        with np.errstate(invalid="ignore"):
            chunk[:] = total / (np.sqrt(n_blocks) * deviation)
    return MeanDraws(mean, error, draws)


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
