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
    """Describe the contexts of ``length`` rows of a ``column`` (T,) that end at ``origins`` (n,).

    One whose last value differs from its first by twice the rounding that is allowed is known by these two.
    """
    last, known = np.empty(len(origins)), np.empty(len(origins), dtype=np.bool_)
    for part in pieces(len(origins), 8):
        end = last[part] = column[origins[part]]
        first = column[origins[part] - (length - 1)]
        known[part] = np.abs(end - first) > 2 * ROUNDING * np.maximum(np.abs(end), np.abs(first))
    ends = Ends(last, known, known.copy())
    others = np.flatnonzero(~known)
    if len(others):
        for array, values in zip(ends, _ends_by_row(column, origins[others], length)):
            array[others] = values
    return ends


def _ends_by_row(column: Array, origins: Index, length: int) -> Ends:
    column, origins = _read_part(column, origins, length)
    complete = bool(np.isfinite(column).all())
    last = column if complete else np.empty_like(column)
    changes, varies = np.empty((2, len(column)), dtype=np.bool_)
    by_row = _complete_rows if complete else _rows_with_gaps
    for begin, first, rows in _blocks(len(column), length):
        for array, part in zip((changes, varies, last), by_row(column[begin : rows.stop], length)):
            array[rows] = part[first:]
    return Ends(last[origins], changes[origins], varies[origins])


def moments_at(column: Array, origins: Index, length: int) -> tuple[Array, Array]:
    """(n,) mean and standard deviation of such contexts, missing values left out; 0 where all are missing."""
    column, origins = _read_part(column, origins, length)
    mean, deviation = np.zeros((2, len(column)))
    for begin, first, rows in _blocks(len(column), length):
        for array, part in zip((mean, deviation), _moments_by_row(column[begin : rows.stop], length)):
            array[rows] = part[first:]
    return mean[origins], deviation[origins]


def _read_part(column: Array, origins: Index, length: int) -> tuple[Array, Index]:
    """The column and the origins in it; of few origins, only their contexts, one after another."""
    if len(origins) * length >= len(column):
        return column, origins
    return contexts_at(column, origins, length).ravel(), np.arange(1, len(origins) + 1) * length - 1


def _blocks(total: int, length: int) -> Iterator[tuple[int, int, slice]]:
    """Blocks of rows that fit a cache: the row at which their contexts begin, how many rows later they do, and they."""
    step = max(BLOCK, 4 * length)
    for first in range(0, total, step):
        begin = max(first - length + 1, 0)
        yield begin, first - begin, slice(first, min(first + step, total))


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


def _moments_by_row(values: Array, length: int) -> tuple[Array, Array]:
    """(n,) mean and standard deviation of the ``length`` values up to each; 0 where there are fewer.

    Rows are divided into stretches of ``length``. A context is the end of one and the beginning of the next, each of
    which is known from running sums that start where the stretches meet; they are joined as Chan, Golub and LeVeque
    (1983) join samples. All is relative to values of the context itself, so that neither a level nor a leap before the
    context costs accuracy.
    """
    mean, deviation = np.zeros((2, len(values)))
    n = len(values) - length + 1
    if n < 1:
        return mean, deviation
    stretches = np.append(values, np.full(-len(values) % length, np.nan)).reshape(-1, length)
    ends = [part[:, ::-1].ravel()[:n] for part in _running(stretches[:, ::-1])]
    begins = [part.ravel()[length - 1 : len(values)] for part in _running(stretches)]
    before = np.where(np.arange(n) % length == 0, 0, ends[0])  # 0 where a context is a whole stretch
    after, number = begins[0], np.maximum(before + begins[0], 1)
    step = (begins[1] - ends[1]) + (begins[2] - ends[2])
    joined = begins[1] + (begins[2] - step * (before / number))
    mean[length - 1 :] = np.where(after > 0, joined, np.where(before > 0, ends[1] + ends[2], 0.0))
    squares = np.where(before > 0, ends[3], 0.0) + np.where(after > 0, begins[3], 0.0)
    squares += np.where((before > 0) & (after > 0), step**2 * (before * after / number), 0.0)
    deviation[length - 1 :] = np.sqrt(squares / number)
    return mean, deviation


def _running(stretches: Array) -> tuple[Index, Array, Array, Array]:
    """(m, L) each, of the values up to each: their number, the row's first, their mean less it, squares around it."""
    observed = np.isfinite(stretches)
    first = stretches[np.arange(len(stretches)), observed.argmax(axis=1), None]  # (m, 1)
    first = np.where(np.isfinite(first), first, 0.0)
    values = np.where(observed, stretches - first, 0.0)
    number = np.cumsum(observed, axis=1)
    mean = np.cumsum(values, axis=1) / np.maximum(number, 1)
    squares = (values - mean) * (values - np.pad(mean[:, :-1], ((0, 0), (1, 0))))  # Welford's recursion
    squares = np.cumsum(np.where(observed, squares, 0.0), axis=1)
    return number, np.broadcast_to(first, values.shape), mean, squares


def is_constant(contexts: Array) -> Mask:
    """(n, L) -> (n,) whether all observed values are the same number, up to rounding."""
    observed = np.isfinite(contexts)
    high = np.where(observed, contexts, -np.inf).max(axis=1)
    low = np.where(observed, contexts, np.inf).min(axis=1)
    return np.asarray(high - low <= ROUNDING * np.maximum(np.abs(high), np.abs(low)))
