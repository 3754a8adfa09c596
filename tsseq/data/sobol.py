"""Quantile levels for sampled paths."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from tsseq.typing import Array

PATHS = 256


def even_levels(n_steps: int) -> Array:
    """Draw levels for 256 paths that are spread evenly over all steps together: scrambled Sobol numbers.

    Quantiles of paths drawn with them are nearer to the true ones than those of as many independent draws. Beyond
    21,201 steps, for which there are no such numbers, draws are independent.

    Parameters
    ----------
    n_steps : int
        Steps of a path.

    Returns
    -------
    ndarray of shape (256, n_steps)
        Levels in 0..1, the same on every call.

    Examples
    --------
    >>> levels = even_levels(2)
    >>> levels.shape, levels.mean(axis=0).round(2).tolist()
    ((256, 2), [0.5, 0.5])
    """
    random = np.random.default_rng(0)
    if n_steps > qmc.Sobol.MAXDIM:
        return random.random((PATHS, n_steps))
    levels: Array = qmc.Sobol(n_steps, scramble=True, rng=random).random(PATHS)
    return levels
