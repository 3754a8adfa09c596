"""The order of rows: by id, then by time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.frames import Table, check_stamps
from tsseq.errors import DataError


def ordering(table: Table) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], pd.Index, NDArray[np.int64]]:
    """-> (row order or None when sorted, indptr, sorted ids, rank of each series in the frame)."""
    check_stamps(table.times)
    stamps = table.times.asi8 if hasattr(table.times, "asi8") else table.times.to_numpy()
    codes, ids, rank = _codes(table.ids, len(stamps))
    same = codes[1:] == codes[:-1]
    order = None
    if (codes[1:] < codes[:-1]).any() or (same & (stamps[1:] <= stamps[:-1])).any():
        order = np.lexsort((stamps, codes))
        codes, stamps = codes[order], stamps[order]
        double = np.flatnonzero((codes[1:] == codes[:-1]) & (stamps[1:] == stamps[:-1])) + 1
        if len(double):
            raise DataError(_double_message(table, order[double], codes[double], ids))
    return order, np.searchsorted(codes, np.arange(len(ids) + 1)), ids, rank


def _codes(ids: pd.Index | None, n: int) -> tuple[NDArray[np.int64], pd.Index, NDArray[np.int64]]:
    """Number the ids by their sorted order; only the first row of each run is looked at."""
    if ids is None:
        return np.zeros(n, dtype=np.int64), pd.Index([None], dtype=object), np.zeros(1, dtype=np.int64)
    if ids.hasnans:
        raise DataError(f"{int(ids.isna().sum())} rows have no id (first: row {int(np.argmax(ids.isna()))}).")
    heads = np.concatenate([[0], np.flatnonzero(np.asarray(ids[1:] != ids[:-1])) + 1])
    found, unique = pd.factorize(ids.take(heads))
    try:
        by_name = unique.argsort()
    except TypeError:
        by_name = unique.map(repr).argsort()
    sorted_code = np.empty(len(unique), dtype=np.int64)
    sorted_code[by_name] = np.arange(len(unique))
    codes = np.repeat(sorted_code[found], np.diff(np.append(heads, n)))
    return codes, unique.take(by_name), np.asarray(by_name, dtype=np.int64)


def _double_message(table: Table, rows: NDArray[np.int64], codes: NDArray[np.int64], ids: pd.Index) -> str:
    named = [
        str(table.times[row]) if table.ids is None else f"{ids[c]!r} {table.times[row]}"
        for row, c in zip(rows[:5], codes)
    ]
    hint = "Keep one row each, for example with frame.groupby([id, time]).last()."
    if (
        isinstance(table.times, pd.DatetimeIndex)
        and table.times.tz is None
        and not (table.times == table.times.normalize()).all()
    ):
        hint += " If these are local hours when clocks change, localize the index with its time zone."
    return f"{len(rows)} timestamps occur more than once (first: {', '.join(named)}). {hint}"


def reordered(table: Table, order: NDArray[np.int64]) -> Table:
    """The rows of a table in another order."""
    ids = None if table.ids is None else table.ids.take(order)
    return Table(table.form, ids, table.times.take(order), table.columns.take(order).reset_index(drop=True))
