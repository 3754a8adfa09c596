"""What scaling needs of contexts, in time that grows with the rows and not with rows times context.

A context is the stretch of one target up to an origin. Its last observed value, and whether it moves at all, follow
from the rows before the origin: each is looked at once, in blocks that fit a processor's cache. What does not follow so
is read context by context, in pieces of `PIECE` bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tsseq.data.layout import NumpyOps
from tsseq.typing import Array, Index, Mask

BLOCK = 2**15
PIECE = 2**21
ROUNDING = 1e-12


class Ends(NamedTuple):
    """Contexts by the origins at which they end.

    Attributes
    ----------
    last : ndarray of shape (n,)
        The value observed last in each context; NaN if there is none.
    changes : ndarray of shape (n,)
        Whether two observed values of a context differ.
    varies : ndarray of shape (n,)
        Whether they differ by more than rounding.
    """

    last: Array
    changes: Mask
    varies: Mask


def pieces(n: int, width: int) -> Iterator[slice]:
    """Slices that cover ``n`` rows of ``width`` numbers, `PIECE` bytes at a time."""
    step = max(PIECE // (8 * max(width, 1)), 1)
    return (slice(first, min(first + step, n)) for first in range(0, n, step))


def contexts_at(flat: Array, ends: Index, length: int) -> Array:
    """(n, length) the values of ``flat`` up to each of ``ends`` (n,)."""
    return NumpyOps().windows(flat, ends - (length - 1), length)


def ends_at(column: Array, origins: Index, length: int) -> Ends:
    """Describe the contexts of ``length`` rows of a ``column`` (T,) that end at ``origins`` (n,)."""
    if len(origins) * length < len(column):
        column = contexts_at(column, origins, length).ravel()
        origins = np.arange(1, len(origins) + 1) * length - 1
    complete = bool(np.isfinite(column).all())
    last = column if complete else np.empty_like(column)
    changes, varies = np.empty((2, len(column)), dtype=np.bool_)
    step = max(BLOCK, 4 * length)
    for first in range(0, len(column), step):
        begin, rows = max(first - length + 1, 0), slice(first, first + step)
        by_row = _complete_rows if complete else _rows_with_gaps
        block = by_row(column[begin : rows.stop], length)
        for array, part in zip((changes, varies, last), block):
            array[rows] = part[first - begin :]
    return Ends(last[origins], changes[origins], varies[origins])


def _complete_rows(values: Array, length: int) -> tuple[Mask, Mask]:
    """(n,) whether the ``length`` values up to each change, and whether they vary."""
    rows = np.arange(len(values))
    return _moves(values, length, rows, values, rows)


def _rows_with_gaps(values: Array, length: int) -> tuple[Mask, Mask, Array]:
    """The same where some values are missing, and the last one that is observed."""
    observed = np.isfinite(values)
    places, newest = np.flatnonzero(observed), np.cumsum(observed) - 1  # -1 where nothing is observed yet
    place, value = (np.append(array, none)[newest] for array, none in ((places, -length), (values[observed], np.nan)))
    last = np.where(place > np.arange(len(values)) - length, value, np.nan)
    return *_moves(values, length, places, values[observed], newest), last


def _moves(values: Array, length: int, places: Index, observed: Array, newest: Index) -> tuple[Mask, Mask]:
    """Whether contexts change, and whether they vary.

    ``places`` are the rows of the ``observed`` values, of which ``newest`` names the last one up to each row. A context
    changes if the nearest of them that differs from the next one lies in it. Steps of at least twice the rounding that
    is allowed cannot belong to a constant context; only where all are smaller, and some are not 0, is it read itself.
    """
    step, size = np.abs(np.diff(observed)), np.abs(observed)
    start = np.arange(len(values)) - (length - 1)
    change, jump = step > 0, step > 2 * ROUNDING * np.maximum(size[1:], size[:-1])
    changes = _latest(places, change)[newest] >= start
    if np.array_equal(change, jump):
        return changes, changes
    varies = _latest(places, jump)[newest] >= start
    doubtful = np.flatnonzero(changes & ~varies & (start >= 0))
    for part in pieces(len(doubtful), length):
        varies[doubtful[part]] = ~is_constant(contexts_at(values, doubtful[part], length))
    return changes, varies


def _latest(places: Index, differs: Mask) -> Index:
    """(n + 1,) the latest of ``places`` before each that ``differs`` from the next; far back if none, and last."""
    none = np.iinfo(np.int64).min
    latest = np.full(len(places) + 1, none)
    np.maximum.accumulate(np.where(differs, places[:-1], none), out=latest[1:-1])
    return latest


def is_constant(contexts: Array) -> Mask:
    """(n, L) -> (n,) whether all observed values are the same number, up to rounding."""
    observed = np.isfinite(contexts)
    high = np.where(observed, contexts, -np.inf).max(axis=1)
    low = np.where(observed, contexts, np.inf).min(axis=1)
    return np.asarray(high - low <= ROUNDING * np.maximum(np.abs(high), np.abs(low)))
