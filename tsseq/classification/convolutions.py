"""Features of sequences: how often fixed kernels respond to them, and simple statistics."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from tsseq.typing import Array

KERNELS = np.array([[2.0 if place in places else -1.0 for place in range(9)] for places in combinations(range(9), 3)])
MOST_CHANNELS = 9  # that a kernel adds up
LEAST_DEVIATION = 0.1  # of a sequence, in deviations of its channel, so that no flat one is blown up
TIE = 1e-4  # responses that exceed a threshold by less do not count, whatever the rounding
NUMBERS_AT_ONCE = 2**24
STEPS_FOR_THRESHOLDS = 2**15
VIEWS, N_STATISTICS = 2, 4


class Convolutions(NamedTuple):
    """Random convolutions (MiniRocket: Dempster et al. 2021) of sequences and of sequences standardised one by one.

    A kernel is the sum of nine steps, three of which count double and the others negatively, so that a constant level
    has no response. It is dilated, and reads the sum of some channels. A feature is the share of the steps of a
    sequence at which the response exceeds a threshold.

    Attributes
    ----------
    channels : ndarray of shape (2, n_dilations, 84, n_channels)
        1 for the channels that a kernel reads, 0 for others; first for sequences as they are.
    thresholds : ndarray of shape (2, n_dilations, 84, n_thresholds)
        Quantiles of the responses to the training sequences.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(20, 2, 24))
    >>> convolutions = Convolutions.of(rows, n_features=500, seed=0)
    >>> [block.shape for block in convolutions.features(rows)]
    [(20, 504), (20, 504), (20, 8)]
    """

    channels: Array
    thresholds: Array

    @classmethod
    def of(cls, rows: Array, n_features: int, seed: int | None) -> Self:
        """Choose channels at random and thresholds by training sequences.

        Parameters
        ----------
        rows : ndarray of shape (n, n_channels, length)
            Training sequences, standardised by channel; NaN is missing.
        n_features : int
            About how many of each kind.
        seed : int or None
            Makes the choice repeatable.

        Returns
        -------
        Convolutions
            For `features`.
        """
        random, (_, n_channels, length) = np.random.default_rng(seed), rows.shape
        n_dilations = max(int(np.log2(max((length - 1) / 8, 1.0))), 0) + 1
        n_thresholds = max(round(n_features / (len(KERNELS) * n_dilations)), 1)
        shape = (VIEWS, n_dilations, len(KERNELS))
        sizes = 2 ** random.uniform(0, np.log2(min(n_channels, MOST_CHANNELS) + 1), shape)
        ranks = random.random((*shape, n_channels)).argsort(3).argsort(3)
        channels = (ranks < sizes.astype(int)[..., None]).astype(np.float64)
        levels = np.arange(1, len(KERNELS) * n_thresholds + 1) * ((np.sqrt(5) + 1) / 2) % 1  # spread evenly
        levels = levels.reshape(len(KERNELS), n_thresholds)
        thresholds = np.empty((*shape, n_thresholds))
        some = rows[:: max(rows.shape[0] * length // STEPS_FOR_THRESHOLDS, 1)]
        observed = np.isfinite(some).any(1)
        for view, dilation, responses in _responses(some, channels):
            values = np.sort(responses.transpose(0, 1).numpy()[:, observed], axis=1)  # (84, steps)
            places = (levels * max(values.shape[1] - 1, 0)).astype(int)
            thresholds[view, dilation] = np.take_along_axis(values, places, axis=1) if values.size else 0.0
        return cls(channels, thresholds)

    def features(self, rows: Array) -> list[Array]:
        """Features of every sequence.

        Parameters
        ----------
        rows : ndarray of shape (n, n_channels, length)
            Sequences, standardised as those of `of`; NaN is missing.

        Returns
        -------
        list of ndarray of shape (n, n_features)
            Convolutions of sequences as they are; convolutions of sequences standardised one by one; mean, deviation,
            minimum and maximum of every channel.
        """
        size = max(NUMBERS_AT_ONCE // (len(KERNELS) * self.thresholds.shape[3] * rows.shape[2]), 1)
        parts = [self._shares(rows[first : first + size]) for first in range(0, len(rows), size)]
        return [*np.concatenate(parts, axis=1), statistics(rows)]

    def _shares(self, rows: Array) -> Array:
        """(2, n, n_features)."""
        exists = torch.from_numpy(np.isfinite(rows).any(1))[:, None]  # (n, 1, length)
        count, limits = exists.sum(2, keepdim=True).clamp(min=1), torch.from_numpy(self.thresholds + TIE).float()
        shares: list[list[Tensor]] = [[] for _ in range(VIEWS)]
        for view, dilation, responses in _responses(rows, self.channels):
            above = responses.masked_fill(~exists, -torch.inf)[:, :, None] > limits[view, dilation][:, :, None]
            shares[view].append((above.float().sum(3) / count).flatten(1))  # (n, 84 * n_thresholds)
        return torch.stack([torch.cat(blocks, 1) for blocks in shares]).double().numpy()


def statistics(rows: Array) -> Array:
    """Mean, deviation, minimum and maximum of every channel (n, 4 * n_channels); 0 where nothing is observed.

    >>> statistics(np.array([[[1.0, 3.0, np.nan]]]))
    array([[2., 1., 1., 3.]])
    """
    mean, deviation = _moments(rows)
    observed = np.isfinite(rows)
    lowest = np.where(observed, rows, np.inf).min(2)
    highest = np.where(observed, rows, -np.inf).max(2)
    edges = [np.where(np.isfinite(edge), edge, 0.0) for edge in (lowest, highest)]
    return np.concatenate([mean, deviation, *edges], axis=1)


def _moments(rows: Array) -> tuple[Array, Array]:
    """Mean and deviation of every channel, (n, n_channels) each."""
    observed = np.isfinite(rows)
    count = observed.sum(2).clip(min=1)
    mean = np.where(observed, rows, 0.0).sum(2) / count
    return mean, np.sqrt((np.where(observed, rows - mean[:, :, None], 0.0) ** 2).sum(2) / count)


def filled(rows: Array) -> Array:
    """Rows with the last value before a missing one, or the first one after it; 0 where nothing is observed.

    >>> filled(np.array([[[np.nan, 1.0, np.nan, 2.0]]]))
    array([[[1., 1., 1., 2.]]])
    """
    observed, steps = np.isfinite(rows), np.arange(rows.shape[2])
    last = np.maximum.accumulate(np.where(observed, steps, -1), axis=2)
    places = np.where(last < 0, observed.argmax(2)[:, :, None], last)
    return np.nan_to_num(np.take_along_axis(rows, places, axis=2))


def _responses(rows: Array, channels: Array) -> Iterator[tuple[int, int, Tensor]]:
    """For every view and dilation, the responses (n, 84, length) of all kernels."""
    whole, (mean, deviation) = filled(rows), _moments(rows)
    alone = (whole - mean[:, :, None]) / np.hypot(deviation, LEAST_DEVIATION)[:, :, None]
    kernels = channels[..., None] * KERNELS[:, None]  # (2, n_dilations, 84, n_channels, 9)
    for view, values in enumerate(torch.from_numpy(np.stack([whole, alone])).float()):
        for dilation, weight in enumerate(torch.from_numpy(kernels[view]).float()):
            reach = 4 * 2**dilation
            longer = pad(values, (reach, reach), mode="replicate")
            yield view, dilation, conv1d(longer, weight, dilation=2**dilation)
