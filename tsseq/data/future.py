"""Known covariates of the rows to come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tsseq.data.columns import covariate, recoded
from tsseq.data.frames import parse_frame
from tsseq.data.panel import Frame, Panel
from tsseq.errors import ConfigError, DataError
from tsseq.typing import Array, Index


def with_known(panel: Panel, steps: int, future: Frame | None) -> Panel:
    """Write the known covariates of ``future`` into the last ``steps`` rows of every series of ``panel``."""
    if future is not None and not panel.schema.known:
        raise ConfigError("future= holds known covariates; name them with known= first.")
    rows = panel.steps_after(panel.indptr[1:] - steps - 1, steps).ravel()
    if future is not None:
        panel = panel.with_values(rows, _columns(panel), read_known(future, panel, rows))
    check_known(panel, rows, "predict(future=...)")
    return panel


def read_known(future: Frame, panel: Panel, rows: Index) -> Array:
    """(n, n_known) known covariates of ``rows`` (n,) of ``panel`` as ``future`` gives them; NaN where it does not.

    Rows are matched by id and time, never by position. Categories that `fit` has not seen are 0.
    """
    names = panel.schema.known
    parsed = parse_frame(future, replace(panel.schema, target=()), panel.frame_layout)
    replace(panel.schema, target=names, past=(), known=(), static=(), calendar=()).resolve(parsed.columns.columns)
    keys = parsed.times if parsed.ids is None else pd.MultiIndex.from_arrays([parsed.ids, parsed.times])
    if not keys.is_unique:
        raise DataError(f"the future frame has rows that occur more than once (first: {keys[keys.duplicated()][0]}).")
    wanted = panel.times.take(rows)
    if parsed.ids is not None:
        wanted = pd.MultiIndex.from_arrays([panel.ids.take(panel.series_of_row[rows]), wanted])
    source = keys.get_indexer(wanted)
    of = panel.category_of
    columns = [recoded(*covariate(parsed, name, name in of), of.get(name), name) for name in names]
    values: Array = np.column_stack(columns)[source]
    values[source < 0] = np.nan
    return values


def _columns(panel: Panel) -> slice:
    """Where the known covariates of a frame lie among the values."""
    first = len(panel.schema.target + panel.schema.past)
    return slice(first, first + len(panel.schema.known))


def check_known(panel: Panel, rows: Index, where: str) -> None:
    """Known covariates must be there in the future ``rows``; a DataError names the first that is not."""
    empty = np.argwhere(np.isnan(panel.values[rows][:, _columns(panel)]))
    if len(empty):
        row, column = rows[empty[0, 0]], panel.schema.known[empty[0, 1]]
        series = panel.ids[panel.series_of(row)]
        place = panel.times[row] if series is None else f"{series!r} {panel.times[row]}"
        missing = f"{len(empty)} values are missing (first: {column!r} at {place})"
        needed = f"{where} needs the known covariates of {len(rows)} coming rows"
        raise DataError(f"{needed}; {missing}; make_future_frame() gives the frame to fill.")
