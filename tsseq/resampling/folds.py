"""Folds in time: when labels begin and end, and which samples may train beside test blocks; NumPy only.

A label covers timestamps. A sample may train where its label shares none of them with the test blocks; that contexts
overlap does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tsseq.errors import NotEnoughHistory
from tsseq.typing import Index, Mask

Block: TypeAlias = tuple[int, int]  # first and last moment


@dataclass(frozen=True)
class LabelSpans:
    """The label of every sample as the first and last moment that it covers.

    Attributes
    ----------
    start, end : ndarray of shape (n,)
        Moments: timestamps numbered in order over all series.
    series : ndarray of shape (n,) or None
        Series of each row of a frame; None for samples that bring their contexts along.

    Examples
    --------
    >>> spans = LabelSpans.of_rows(np.arange(6), np.zeros(6, dtype=np.int64), horizon=2)
    >>> spans.end
    array([1, 2, 3, 4, 5, 5])
    >>> spans.blocks(2)
    [(0, 2), (3, 5)]
    """

    start: Index
    end: Index
    series: Index | None

    @classmethod
    def of_rows(cls, moment: Index, series: Index, horizon: int) -> LabelSpans:
        """Spans of labels that cover a row and the next ones of its series.

        Parameters
        ----------
        moment, series : ndarray of shape (n,)
            Moment and series of every row, in any order.
        horizon : int
            Rows that a label covers, its own included.

        Returns
        -------
        LabelSpans
            Labels at the end of a series cover what is left of it.
        """
        per_series = _per_series(moment)
        keys, place = _numbered(series, moment)
        last = np.searchsorted(keys, keys - keys % per_series + per_series) - 1
        ends = keys[np.minimum(np.arange(len(keys)) + horizon - 1, last)] % per_series
        return cls(moment, ends[place], series)

    @property
    def moments(self) -> Index:
        """Moments at which a label begins, in order."""
        return np.unique(self.start)

    def within(self, block: Block) -> Mask:
        """Find the labels that begin in a block.

        Parameters
        ----------
        block : tuple of int
            First and last moment.

        Returns
        -------
        ndarray of shape (n,)
            Whether each one does.
        """
        return (self.start >= block[0]) & (self.start <= block[1])

    def before(self, block: Block, length: int) -> Mask:
        """Find the last rows before a block of every series that is in it.

        Parameters
        ----------
        block : tuple of int
            First and last moment.
        length : int
            How many rows.

        Returns
        -------
        ndarray of shape (n,)
            Whether each sample is one of them; none is if samples bring their contexts along.
        """
        if length == 0 or self.series is None:
            return np.zeros(len(self.start), dtype=np.bool_)
        keys, place = _numbered(self.series, self.start)
        offset = self.series * _per_series(self.start)
        begin, end = np.searchsorted(keys, offset + block[0]), np.searchsorted(keys, offset + block[1], side="right")
        return (begin < end) & (place >= begin - length) & (place < begin)

    def blocks(self, n: int) -> list[Block]:
        """Blocks that make up all of time and differ by one moment at most.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        list of tuple of int
            First and last moment of each block.

        Raises
        ------
        NotEnoughHistory
            There are fewer moments than blocks.
        """
        moments = self.moments
        if len(moments) < n:
            raise NotEnoughHistory(f"{len(moments)} timestamps are fewer than {n} blocks.")
        return [(int(block[0]), int(block[-1])) for block in np.array_split(moments, n)]

    def purged(self, blocks: list[Block], embargo: int) -> Mask:
        """Samples whose label meets no test block, nor begins within the embargo after one.

        Parameters
        ----------
        blocks : list of tuple of int
            First and last moment of each test block.
        embargo : int
            Moments after the last label of a test block at which no label begins.

        Returns
        -------
        ndarray of shape (n,)
            Whether each sample may train.
        """
        train = np.ones(len(self.start), dtype=np.bool_)
        for block in blocks:
            end = self.end[self.within(block)].max()
            train &= (self.start > end + embargo) | (self.end < block[0])
        return train

    def latest(self, known: Mask, length: int | None) -> Mask:
        """Select the samples that begin last.

        Parameters
        ----------
        known : ndarray of shape (n,)
            Whether each sample may be taken.
        length : int or None
            Moments at which they begin; None keeps all.

        Returns
        -------
        ndarray of shape (n,)
            Whether each sample is taken.
        """
        if length is None or not known.any():
            return known
        moments = np.unique(self.start[known])
        recent: Mask = self.start >= moments[max(len(moments) - length, 0)]
        return known & recent

    def has_hole(self, rows: Mask) -> bool:
        """Say whether samples leave out moments between them.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Whether each sample is taken.

        Returns
        -------
        bool
            Whether labels begin at some moment between those of these samples, and none of theirs does.
        """
        moments = self.moments
        taken = np.isin(moments, self.start[rows])
        return bool(taken.any()) and not taken[taken.argmax() : len(taken) - taken[::-1].argmax()].all()

    def in_long_series(self, rows: Mask, n: int) -> Mask:
        """Leave out the rows of series that have too few of them.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Whether each row of a frame is taken.
        n : int
            Rows that a series must have among these.

        Returns
        -------
        ndarray of shape (n,)
            Whether each row is taken still.
        """
        assert self.series is not None
        return rows & (np.bincount(self.series[rows], minlength=self.series.max() + 1) >= n)[self.series]


def _per_series(moment: Index) -> int:
    return int(moment.max()) + 1


def _numbered(series: Index, moment: Index) -> tuple[Index, Index]:
    """(m,) ordered keys of all pairs of series and moment that occur; (n,) which of them a row has."""
    return np.unique(series * _per_series(moment) + moment, return_inverse=True)
