"""Known covariates of the rows to come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.columns import covariate, recoded
from tsseq.data.frames import parse_frame
from tsseq.data.panel import Frame, Panel
from tsseq.errors import ConfigError, DataError


def with_known(coming: Panel, steps: int, future: Frame | None) -> Panel:
    """Write the known covariates of ``future`` into the last ``steps`` rows of every series of ``coming``."""
    names = coming.schema.known
    if not names:
        if future is not None:
            raise ConfigError("future= holds known covariates; name them with known= first.")
        return coming
    rows = (coming.indptr[1:, None] - steps + np.arange(steps)).ravel()
    if future is not None:
        coming = coming.with_values(rows, _columns(coming), read_known(future, coming, rows))
    check_known(coming, rows, "predict(future=...)")
    return coming


def read_known(future: Frame, panel: Panel, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, n_known) known covariates of ``rows`` (n,) of ``panel`` as ``future`` gives them; NaN where it does not.

    Rows are matched by id and time, never by position. Categories that `fit` has not seen are 0.
    """
    names = panel.schema.known
    parsed = parse_frame(future, replace(panel.schema, target=()), panel.frame_layout)
    replace(panel.schema, target=names, past=(), known=(), static=(), calendar=()).resolve(parsed.columns.columns)
    given = parsed.times if parsed.ids is None else pd.MultiIndex.from_arrays([parsed.ids, parsed.times])
    if not given.is_unique:
        raise DataError(f"the future frame has rows that occur more than once (first: {given[given.duplicated()][0]}).")
    wanted = panel.times.take(rows)
    if parsed.ids is not None:
        wanted = pd.MultiIndex.from_arrays([panel.ids.take(panel.series_of_row[rows]), wanted])
    source = given.get_indexer(wanted)
    columns = []
    for name in names:
        categories = panel.category_of.get(name)
        columns.append(recoded(*covariate(parsed, name, categories is not None), categories, name))
    values = np.column_stack(columns)[source]
    values[source < 0] = np.nan
    return values


def _columns(panel: Panel) -> slice:
    """Where the known covariates of a frame lie among the values."""
    first = len(panel.schema.target + panel.schema.past)
    return slice(first, first + len(panel.schema.known))


def check_known(panel: Panel, rows: NDArray[np.int64], where: str) -> None:
    """Known covariates must be there in the future ``rows``; a DataError names the first that is not."""
    names = panel.schema.known
    if not names:
        return
    empty = np.argwhere(np.isnan(panel.values[rows][:, _columns(panel)]))
    if len(empty):
        row, column = rows[empty[0, 0]], names[empty[0, 1]]
        series = panel.ids[panel.series_of(row)]
        place = f"{panel.times[row]}" if series is None else f"{series!r} {panel.times[row]}"
        found = f"{len(empty)} values are missing (first: {column!r} at {place})"
        needed = f"{where} needs the known covariates of {len(rows)} coming rows"
        raise DataError(f"{needed}; {found}; make_future_frame() gives the frame to fill.")
