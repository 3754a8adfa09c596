"""When the labels of samples begin and end, in timestamps counted over all series."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.frames import check_stamps, parse_frame
from tsseq.data.schema import Schema
from tsseq.data.windows import Windows
from tsseq.errors import NotEnoughHistory
from tsseq.typing import Index


@dataclass(frozen=True)
class Spans:
    """The label of every sample as the first and last moment that it covers.

    Attributes
    ----------
    start, end : (n,) moments: timestamps numbered in order over all series.
    series : (n,) the series of each row of a frame; None for `Windows`, which bring their contexts along.
    """

    start: Index
    end: Index
    series: Index | None

    @classmethod
    def of(cls, X: Any, horizon: int, id_column: Hashable | None, time_column: Hashable | None) -> Spans:
        """Read `Windows`, the rows of a frame, or those of an array, which follow one another."""
        if isinstance(X, Windows):
            moment = pd.factorize(X.panel.times, sort=True)[0]
            return cls(moment[X.origin + 1], moment[X.origin + X.layout.horizon], None)
        ids, times = _keys(X, id_column, time_column)
        moment = pd.factorize(times, sort=True)[0]
        series = np.zeros(len(times), dtype=np.int64) if ids is None else pd.factorize(ids)[0]
        keys, place = _numbered(series, moment)
        last = np.searchsorted(keys, keys - keys % _per_series(moment) + _per_series(moment)) - 1
        ends = keys[np.minimum(np.arange(len(keys)) + horizon - 1, last)] % _per_series(moment)
        return cls(moment, ends[place], series)

    @property
    def moments(self) -> Index:
        """Moments at which a label begins, in order."""
        return np.unique(self.start)

    def within(self, first: int, last: int) -> NDArray[np.bool_]:
        """(n,) whether a label begins in a block."""
        return (self.start >= first) & (self.start <= last)

    def before(self, first: int, last: int, length: int) -> NDArray[np.bool_]:
        """(n,) the last ``length`` rows before a block of every series that is in it."""
        if length == 0 or self.series is None:
            return np.zeros(len(self.start), dtype=np.bool_)
        keys, place = _numbered(self.series, self.start)
        own = self.series * _per_series(self.start)
        begin, end = np.searchsorted(keys, own + first), np.searchsorted(keys, own + last, side="right")
        return (begin < end) & (place >= begin - length) & (place < begin)

    def blocks(self, n: int) -> list[tuple[int, int]]:
        """First and last moment of ``n`` blocks that make up all of time and differ by one moment at most."""
        moments = self.moments
        if len(moments) < n:
            raise NotEnoughHistory(f"{len(moments)} timestamps are fewer than {n} blocks.")
        return [(int(part[0]), int(part[-1])) for part in np.array_split(moments, n)]


def _keys(X: Any, id_column: Hashable | None, time_column: Hashable | None) -> tuple[pd.Index | None, pd.Index]:
    """Id and time of every row, in the order of the rows; all series of a wide frame share its rows."""
    if not isinstance(X, (pd.Series, pd.DataFrame)):
        return None, pd.RangeIndex(X.shape[0] if hasattr(X, "shape") else len(X))
    if isinstance(X, pd.DataFrame) and isinstance(X.columns, pd.MultiIndex):
        ids, times = None, X.index
    else:
        table = parse_frame(X, Schema(id_column=id_column, time_column=time_column))
        ids, times = table.ids, table.times
    check_stamps(times)
    return ids, times


def _per_series(moment: Index) -> int:
    return int(moment.max()) + 1


def _numbered(series: Index, moment: Index) -> tuple[Index, Index]:
    """(m,) ordered keys of all pairs of series and moment that occur; (n,) which of them a row has."""
    keys, place = np.unique(series * _per_series(moment) + moment, return_inverse=True)
    return keys, place
