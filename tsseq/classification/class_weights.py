"""Weights of the steps of sequences: those of their classes, times those of the sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsseq.errors import ConfigError
from tsseq.typing import Array


def step_weights(class_weight: Any, classes: NDArray[Any], codes: Array, weights: Array | None) -> Array | None:
    """What every step counts.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        Weights by class.
    classes : ndarray of shape (n_classes,)
        The sorted classes.
    codes : ndarray of shape (n, horizon)
        Numbers of the classes of all steps, NaN where none is known.
    weights : ndarray of shape (n,) or None
        Weights of the sequences; None if all count alike.

    Returns
    -------
    ndarray of shape (n, horizon) or None
        0 where no class is known; None if all steps count alike.

    Raises
    ------
    ConfigError
        The weights of classes make no sense.

    Examples
    --------
    >>> step_weights("balanced", np.array(["a", "b"]), np.array([[0.0], [0.0], [0.0], [1.0]]), None).ravel().round(2)
    array([0.67, 0.67, 0.67, 2.  ])
    """
    if class_weight is None and weights is None:
        return None
    steps = np.where(np.isfinite(codes), 1.0 if weights is None else weights[:, None], 0.0)  # (n, horizon)
    if class_weight is None:
        return steps
    numbers = np.nan_to_num(codes).astype(np.int64)
    counts = np.bincount(numbers.ravel(), steps.ravel(), minlength=len(classes))
    by_class = _balanced(counts) if _is_balanced(class_weight) else _listed(class_weight, classes.tolist())
    return np.asarray(steps * by_class[numbers])


def _is_balanced(class_weight: Any) -> bool:
    return isinstance(class_weight, str) and class_weight == "balanced"


def _balanced(counts: NDArray[Any]) -> Array:
    """(n_classes,) weights by which classes that count ``counts`` (n_classes,) count alike in sum."""
    return np.asarray(counts.sum() / (np.count_nonzero(counts) * np.where(counts > 0, counts, 1.0)))


def _listed(class_weight: Any, classes: list[Any]) -> Array:
    """(n_classes,) weights that a user gives by class."""
    if not isinstance(class_weight, Mapping):
        raise ConfigError(f"class_weight={class_weight!r} must be 'balanced', a dict of numbers by class, or None.")
    unknown = [name for name in class_weight if name not in classes]
    if unknown:
        raise ConfigError(f"class_weight has {unknown[0]!r}, which is none of the classes {classes}.")
    weights = np.array([class_weight.get(name, 1.0) for name in classes], dtype=np.float64)
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigError(f"class_weight={class_weight!r} must hold numbers of 0 or more.")
    return weights
