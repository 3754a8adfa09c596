"""Draws of categories by their probabilities."""

from __future__ import annotations

import numpy as np

from tsseq.errors import DataError
from tsseq.typing import Array


def drawn_classes(probabilities: Array, levels: Array, temperature: float = 1.0, top_k: int | None = None) -> Array:
    """Draw categories: the one at which the sum of probabilities, in the order of the codes, passes a level.

    Parameters
    ----------
    probabilities : ndarray of shape (..., K)
        Of every category.
    levels : ndarray of shape (n, ...)
        Uniform random numbers in 0..1.
    temperature : float, default 1.0
        Above 0. Probabilities are raised to 1 / temperature: below 1 likely categories become likelier.
    top_k : int, optional
        Only so many most probable categories are drawn, and those that are as probable as the last of them. Default:
        all.

    Returns
    -------
    ndarray of shape (n, ...)
        Codes 0 to K - 1.

    Raises
    ------
    DataError
        Some probabilities are NaN or infinite.

    Examples
    --------
    >>> drawn_classes(np.array([0.5, 0.2, 0.3]), np.array([0.1, 0.6, 0.9])).tolist()
    [0.0, 1.0, 2.0]
    >>> drawn_classes(np.array([0.5, 0.2, 0.3]), np.array([0.1, 0.6, 0.9]), top_k=2).tolist()
    [0.0, 0.0, 2.0]
    """
    if not np.isfinite(probabilities).all():
        raise DataError("some probabilities of categories are NaN or infinite: no category can be drawn of them.")
    size = probabilities.shape[-1]
    if top_k is not None and top_k < size:
        least = np.sort(probabilities, axis=-1)[..., -top_k, None]
        probabilities = np.where(probabilities < least, 0.0, probabilities)
    weights = (probabilities / probabilities.max(axis=-1, keepdims=True)) ** (1 / temperature)
    edges = weights.cumsum(axis=-1)  # (..., K)
    passed = levels[..., None] * edges[..., -1:] >= edges  # (n, ..., K)
    return np.asarray(np.minimum(passed.sum(axis=-1), size - 1), dtype=np.float64)
