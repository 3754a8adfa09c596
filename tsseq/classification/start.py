"""Where a classifier starts: a ridge regression of the classes on features of the sequences."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tsseq.classification.convolutions import KERNELS, N_STATISTICS, VIEWS, Convolutions
from tsseq.persistence.state import Arrays, check_arrays
from tsseq.typing import Array, Index

MOST_ROWS = 1500  # that the ridge is solved for
ROWS_AT_ONCE = 1000
BLOCKS = [(views, share) for views in ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0)) for share in (0.1, 1.0)]
STRENGTHS = np.logspace(1, -4, 11)  # of equal ones, the strongest
FACTORS = np.exp(np.linspace(-0.5, 2.5, 16))


class Start(NamedTuple):
    """Scores of classes, linear in the features of `Convolutions`.

    Attributes
    ----------
    convolutions : Convolutions
        The features.
    weight : ndarray of shape (n_features, n_classes)
        What they count, those of all kinds one after another.
    bias : ndarray of shape (n_classes,)
        The scores of features that are 0.
    """

    convolutions: Convolutions
    weight: Array
    bias: Array

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_channels: int, n_classes: int) -> Self:
        """Make the start of a model file again.

        Parameters
        ----------
        arrays : dict of str to ndarray
            What `to_arrays` gave, as far as it was read from a file.
        n_channels : int
            Channels of the sequences.
        n_classes : int
            Classes.

        Returns
        -------
        Start
            It scores alike.

        Raises
        ------
        ValueError
            If arrays are missing, or do not fit together.
        """
        _, n_dilations, _, n_thresholds = (*arrays.get("thresholds", np.empty(0)).shape, 0, 0, 0, 0)[:4]
        n_features = VIEWS * n_dilations * len(KERNELS) * n_thresholds + N_STATISTICS * n_channels
        kernels = VIEWS, n_dilations, len(KERNELS)
        shapes = {"channels": (*kernels, n_channels), "thresholds": (*kernels, n_thresholds)}
        check_arrays(arrays, {**shapes, "weight": (n_features, n_classes), "bias": (n_classes,)})
        return cls(Convolutions(arrays["channels"], arrays["thresholds"]), arrays["weight"], arrays["bias"])

    def to_arrays(self) -> Arrays:
        """All that was learnt.

        Returns
        -------
        dict of str to ndarray
            Arrays by name.
        """
        return {**self.convolutions._asdict(), "weight": self.weight, "bias": self.bias}

    def scores(self, rows: Array) -> Array:
        """Logits of sequences.

        Parameters
        ----------
        rows : ndarray of shape (n, n_channels, length)
            Sequences, standardised by channel; NaN is missing.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Scores.
        """
        parts = [rows[first : first + ROWS_AT_ONCE] for first in range(0, len(rows), ROWS_AT_ONCE)]
        blocks = [np.concatenate(self.convolutions.features(part), axis=1) @ self.weight for part in parts]
        return np.concatenate(blocks) + self.bias


def fit_start(
    rows: Array,
    codes: Index,
    weights: Array | None,
    groups: NDArray[Any] | None,
    n_features: int,
    seed: int | None,
) -> tuple[Start, Array]:
    """Fit to training sequences, with the kinds of features, the strength of the ridge and the size of the scores for
    which the log loss of what is left out is least.

    Parameters
    ----------
    rows : ndarray of shape (n, n_channels, length)
        Sequences, standardised by channel; NaN is missing.
    codes : ndarray of shape (n,)
        The numbers of their classes.
    weights : ndarray of shape (n,) or None
        What each sequence counts; None if all count alike.
    groups : ndarray of shape (n,) or None
        What is left out together; None leaves out every sequence by itself.
    n_features : int
        About how many of each kind of convolutions.
    seed : int or None
        Makes a fit repeatable.

    Returns
    -------
    start : Start
        Scores for any sequence.
    scores : ndarray of shape (n, n_classes)
        Those of the training sequences, each by a fit without it, so that they are as good as those of new ones.
    """
    n_classes = int(codes.max()) + 1
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS])
    counts = np.ones(len(chosen)) if weights is None else weights[chosen].clip(min=1e-12 * weights[chosen].max())
    counts = counts / counts.mean()
    convolutions = Convolutions.of(rows[chosen], n_features, seed)
    blocks, scalings = [], []
    for block in convolutions.features(rows[chosen]):
        mean, deviation = np.average(block, axis=0, weights=counts), block.std(0)
        unit = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0) / np.sqrt(max(block.shape[1], 1))
        blocks.append((block - mean) * unit)
        scalings.append((mean, unit[:, None]))
    signs = 2.0 * np.eye(n_classes)[codes[chosen]] - 1
    members = None if groups is None else np.unique(groups[chosen], return_inverse=True)[1]
    shares, solution, factor, left_out = _best_ridge([block @ block.T for block in blocks], signs, counts, members)
    maps = [share * unit * (block.T @ solution) for share, block, (_, unit) in zip(shares, blocks, scalings)]
    bias = np.average(signs, axis=0, weights=counts) - sum(mean @ part for part, (mean, _) in zip(maps, scalings))
    start = Start(convolutions, factor * np.concatenate(maps), factor * bias)
    scores = left_out if len(chosen) == len(rows) else start.scores(rows)
    scores[chosen] = left_out
    return start, scores


def _best_ridge(
    products: list[Array], signs: Array, counts: Array, members: Index | None
) -> tuple[Array, Array, float, Array]:
    """-> what each block counts, the dual solution (n, K), the factor of its scores, the scores left out (n, K)."""
    best, least, codes = None, np.inf, signs.argmax(1)
    root = np.sqrt(counts)[:, None]
    targets = root * (signs - np.average(signs, axis=0, weights=counts))
    for views, share in BLOCKS:
        shares = np.array([*views, share])
        product = root * np.tensordot(shares, products, axes=1) * root.T
        size = max(np.trace(product) / counts.sum(), 1e-12)
        values, vectors = np.linalg.eigh(product / size)
        for strength in STRENGTHS:
            inverse = 1 / (values.clip(min=0) + strength)
            left_out = signs - _left_out_errors(vectors, 1 - strength * inverse, targets, root, members) / root
            losses = [np.average(log_losses(factor * left_out, codes), weights=counts) for factor in FACTORS]
            if best is None or min(losses) < least:
                solution, factor = root * (vectors @ (inverse[:, None] * (vectors.T @ targets))), np.argmin(losses)
                best, least = (shares / size, solution, FACTORS[factor], FACTORS[factor] * left_out), min(losses)
    assert best is not None
    return best


def _left_out_errors(vectors: Array, shrinkage: Array, targets: Array, root: Array, members: Index | None) -> Array:
    """Errors (n, K) of fits without a row, or without all of its group: (1 - H)^-1 times the errors of the fit."""
    n = (root**2).sum()
    errors: Array = targets - (vectors * shrinkage) @ (vectors.T @ targets)
    if members is None:
        own = (vectors**2) @ shrinkage + root[:, 0] ** 2 / n
        return np.asarray(errors / (1 - own).clip(min=1e-6)[:, None])
    for rows in (np.flatnonzero(members == member) for member in range(members.max() + 1)):
        inner = (vectors[rows] * shrinkage) @ vectors[rows].T + root[rows] * root[rows].T / n
        errors[rows] = np.linalg.lstsq(np.eye(len(rows)) - inner, errors[rows], rcond=1e-9)[0]
    return errors


def log_losses(scores: Array, codes: Index) -> Array:
    """Cross entropy of every row.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Logits.
    codes : ndarray of shape (n,)
        The numbers of the true classes.

    Returns
    -------
    ndarray of shape (n,)
        Losses.

    Examples
    --------
    >>> log_losses(np.zeros((1, 2)), np.array([1])).round(4)
    array([0.6931])
    """
    scores = scores - scores.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(scores).sum(1)) - scores[np.arange(len(codes)), codes])
