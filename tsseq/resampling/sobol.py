"""Random numbers for sampled paths."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from tsseq.typing import Array

PATHS = 256


def sobol_uniforms(n_steps: int) -> Array:
    """Uniform random numbers for 256 paths, spread evenly over all steps together (scrambled Sobol numbers).

    Quantiles of paths drawn with them are nearer to the true ones than those of as many independent draws.

    Parameters
    ----------
    n_steps : int
        Numbers per path. Beyond 21,201, for which there are no such numbers, draws are independent.

    Returns
    -------
    ndarray of shape (256, n_steps)
        In 0..1; the same at every call.

    Examples
    --------
    >>> sobol_uniforms(2).mean(axis=0).round(3).tolist()
    [0.5, 0.5]
    """
    random = np.random.default_rng(0)
    if n_steps > qmc.Sobol.MAXDIM:
        return random.random((PATHS, n_steps))
    return np.asarray(qmc.Sobol(n_steps, scramble=True, rng=random).random(PATHS))
