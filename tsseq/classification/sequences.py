"""Whole sequences as rows: reading them in their shapes, padding and standardising them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from tsseq.data.layout import Layout
from tsseq.errors import DataError
from tsseq.typing import Array

MOST_CHANNELS = 8  # for every step; data sets that have more are rare


def is_table(X: Any) -> bool:
    """Whether X is to be read as a table, (n, time), and not as a 3-D array or a list of sequences.

    Parameters
    ----------
    X : array or list
        Sequences.

    Returns
    -------
    bool
        True for arrays and frames but those with three axes, and for lists of equally long lists.

    Examples
    --------
    >>> is_table(np.zeros((5, 3))), is_table(np.zeros((5, 3, 2))), is_table([[1, 2], [3, 4]]), is_table([[1, 2], [3]])
    (True, False, True, False)
    """
    if isinstance(X, (list, tuple)):
        return not any(hasattr(member, "shape") for member in X) and len({np.size(member) for member in X}) <= 1
    axes = getattr(X, "ndim", 2)
    return not (axes == 3 or (axes == 1 and X.dtype == object))


def as_sequences(X: Any) -> list[Array]:
    """Each sequence as an array (time, channels), NaN where a value is missing.

    Parameters
    ----------
    X : array of shape (n, time) or (n, time, channels), or list of arrays
        Sequences; the arrays of a list are (time,) or (time, channels), of unequal length.

    Returns
    -------
    list of ndarray of shape (time, channels)
        The sequences, in float64.

    Raises
    ------
    DataError
        There is no sequence, one is empty or does not hold finite numbers, or they differ in channels.

    Examples
    --------
    >>> as_sequences([[1, 2, 3], [4]])[1]
    array([[4.]])
    """
    sequences = [_as_sequence(member, i) for i, member in enumerate(X)]
    if not sequences:
        raise DataError("X has no sequences; at least one was needed.")
    for i, sequence in enumerate(sequences):
        if sequence.shape[1] != sequences[0].shape[1]:
            raise DataError(f"sequence {i} has {sequence.shape[1]} channels, the first one {sequences[0].shape[1]}.")
    return sequences


def check_axes(sequences: Sequence[Array]) -> None:
    """Refuse, or doubt, sequences with their axes as sktime and aeon have them: (channels, time).

    Parameters
    ----------
    sequences : sequence of ndarray of shape (time, channels)
        What `as_sequences` returned.

    Raises
    ------
    DataError
        All have one step of several channels.

    Warns
    -----
    UserWarning
        They have far more channels than steps.

    Examples
    --------
    >>> check_axes([np.zeros((1, 24))])
    Traceback (most recent call last):
        ...
    tsseq.errors.DataError: X is read as 1 step of 24 channels. The axes are (sequence, time, channel); if X has ...
    """
    steps, channels = max(map(len, sequences)), sequences[0].shape[1]
    what = f"X is read as {steps} step{'s' if steps > 1 else ''} of {channels} channels"
    advice = "if X has them as sktime and aeon do, (sequence, channel, time), pass X.transpose(0, 2, 1)"
    if steps == 1 < channels:
        raise DataError(f"{what}. The axes are (sequence, time, channel); {advice}.")
    if channels > MOST_CHANNELS * steps:
        warnings.warn(f"{what}. The axes are (sequence, time, channel); {advice}.", stacklevel=3)


def _as_sequence(member: Any, i: int) -> Array:
    try:
        values = np.asarray(member, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sequence {i} of X is not an array (time,) or (time, channels) of numbers: {error}") from error
    if values.ndim not in (1, 2) or not values.size:
        raise DataError(f"sequence {i} of X has shape {values.shape}; it should be (time,) or (time, channels).")
    if np.isinf(values).any():
        raise DataError(f"sequence {i} of X holds infinity; give finite numbers, or NaN where one is missing.")
    return values.reshape(len(values), -1)


class Scale(NamedTuple):
    """Length, mean and deviation of the training sequences, by which all are padded and standardised.

    Attributes
    ----------
    length : int
        Steps of the longest one.
    mean : ndarray of shape (channels,)
        Mean over all steps of all sequences.
    deviation : ndarray of shape (channels,)
        Standard deviation over all steps of all sequences; 1 where it is 0.

    Examples
    --------
    >>> Scale.of([np.array([[1.0], [3.0]])])
    Scale(length=2, mean=array([2.]), deviation=array([1.]))
    """

    length: int
    mean: Array
    deviation: Array

    @classmethod
    def of(cls, sequences: Sequence[Array], weights: Array | None = None) -> Self:
        """Learn from the training sequences.

        Parameters
        ----------
        sequences : sequence of ndarray of shape (time, channels)
            The training sequences; NaN is missing.
        weights : ndarray of shape (n,), optional
            What each sequence counts, above 0; default: all alike.

        Returns
        -------
        Scale
            Their length, mean and deviation.
        """
        steps = np.concatenate(sequences)  # (all steps, channels)
        observed = np.isfinite(steps)
        weight = np.ones(1) if weights is None else np.repeat(weights, [len(sequence) for sequence in sequences])
        counts = np.where(observed, weight[:, None], 0.0)  # (all steps, channels)
        totals = np.where(observed.any(0), counts.sum(0), 1.0)
        mean = (counts * np.where(observed, steps, 0.0)).sum(0) / totals
        deviation = np.sqrt((counts * np.where(observed, steps - mean, 0.0) ** 2).sum(0) / totals)
        varies = deviation > 1e-12 * np.abs(mean)  # up to rounding
        return cls(max(map(len, sequences)), mean, np.where(varies, deviation, 1.0))

    def table(self, sequences: Sequence[Array]) -> Array:
        """Standardised rows, NaN before shorter sequences; of longer ones, the last steps.

        Parameters
        ----------
        sequences : sequence of ndarray of shape (time, channels)
            Sequences; NaN is missing.

        Returns
        -------
        ndarray of shape (n, channels * length)
            One row per sequence, channel by channel.

        Raises
        ------
        DataError
            The sequences have other channels than those of `of`.

        Examples
        --------
        >>> Scale(3, np.zeros(1), np.ones(1)).table([np.ones((2, 1)), np.arange(4.0)[:, None]])
        array([[nan,  1.,  1.],
               [ 1.,  2.,  3.]])
        """
        if sequences[0].shape[1] != len(self.mean):
            raise DataError(f"X has {sequences[0].shape[1]} channels; the sequences of fit had {len(self.mean)}.")
        rows = np.full((len(sequences), self.length, len(self.mean)), np.nan)
        for row, sequence in zip(rows, sequences):
            last = sequence[-self.length :]
            row[self.length - len(last) :] = (last - self.mean) / self.deviation
        return rows.transpose(0, 2, 1).reshape(len(rows), -1)

    def layout(self, horizon: int, missing: bool) -> Layout:
        """Layout of the rows of `table`.

        Parameters
        ----------
        horizon : int
            Outputs per row.
        missing : bool
            Whether rows may have missing values.

        Returns
        -------
        Layout
            One target per channel.
        """
        return Layout(self.length, horizon, n_targets=len(self.mean), missing=missing)
