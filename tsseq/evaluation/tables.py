"""Arrays of forecasts laid out as one tidy table, beside what happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.panel import Panel

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Made(NamedTuple):
    """The forecasts of one model.

    Attributes
    ----------
    name : of the model.
    panel : what it read.
    rows : (n,) rows of the origins in the panel, ordered by series as they came, then time.
    values : (n, H, targets, 1 + Q) the point forecast first.
    levels : (Q,) of the quantiles.
    """

    name: str
    panel: Panel
    rows: Index
    values: Array
    levels: tuple[float, ...]

    @classmethod
    def of(cls, name: str, panel: Panel, rows: Index, values: Array, levels: Sequence[float] | None) -> Made:
        """With the origins in order."""
        series = np.searchsorted(panel.indptr, rows, side="right") - 1
        place = panel.input_order[series]
        if (place[1:] < place[:-1]).any() or ((place[1:] == place[:-1]) & (rows[1:] < rows[:-1])).any():
            order = np.lexsort((rows, place))
            rows, values = rows[order], values[order]
        return cls(name, panel, rows, values, tuple(map(float, levels or ())))

    def like(self, other: Made) -> bool:
        """Whether both forecast the same values."""
        same = self.panel is other.panel or (
            np.array_equal(self.panel.indptr, other.panel.indptr)
            and self.panel.times.equals(other.panel.times)
            and self.panel.ids.equals(other.panel.ids)
        )
        return same and np.array_equal(self.rows, other.rows)


def forecast_table(made: Sequence[Made]) -> pd.DataFrame:
    """One row per (model, [id,] cutoff, step, target), with the columns of `BacktestResult.forecasts`.

    Models that forecast the same values share all but their forecasts, which is most of the work.
    """
    levels = list(dict.fromkeys(level for part in made for level in part.levels))
    names = pd.Index([part.name for part in made])
    tables, first = [], 0
    for group in _alike(made):
        codes = np.arange(first, first + len(group), dtype=np.int8 if len(made) < 128 else np.int64)
        first += len(group)
        tables.append(_table(group, pd.Categorical.from_codes(codes, names), levels))
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)


def _alike(made: Sequence[Made]) -> Iterator[list[Made]]:
    """Neighbours that forecast the same values."""
    number = np.cumsum([0] + [not second.like(first) for first, second in pairwise(made)])
    for _, group in groupby(zip(number, made), key=lambda pair: pair[0]):
        yield [part for _, part in group]


def _table(group: list[Made], models: pd.Categorical, levels: list[float]) -> pd.DataFrame:
    columns = _coordinates(group[0])
    many, n = len(group), len(columns["step"])
    found: dict[str, Any] = {"model": models.repeat(n)}
    found |= {name: _repeated(column, many) for name, column in columns.items()}
    found["forecast"] = np.concatenate([part.values[..., 0].ravel() for part in group])
    for level in levels:
        at = [part.levels.index(level) + 1 if level in part.levels else 0 for part in group]
        parts = [part.values[..., q].ravel() if q else np.full(n, np.nan) for q, part in zip(at, group)]
        found[f"q{level:g}"] = np.concatenate(parts)
    return pd.DataFrame(found, copy=False)


def _repeated(column: Any, many: int) -> Any:
    """A column ``many`` times over; text is not copied where pandas can share it."""
    if isinstance(column, np.ndarray):
        return np.tile(column, many)
    return column if many == 1 else pd.concat([column] * many, ignore_index=True).array


def _coordinates(part: Made) -> dict[str, Any]:
    """What models share: ``[id,] cutoff, time, step, target, actual``, the last NaN where the panel ends before."""
    panel, (n, horizon, n_targets, _) = part.panel, part.values.shape
    each, steps = horizon * n_targets, np.arange(1, horizon + 1)
    series = np.searchsorted(panel.indptr, part.rows, side="right") - 1
    later = part.rows[:, None] + steps  # (n, H)
    there = later < panel.indptr[series + 1, None]
    times, beyond = panel.times, np.flatnonzero(~there.all(axis=1))
    at = later
    if len(beyond):
        ends = panel.tail(1).extend(horizon)  # (S * (1 + H)) rows
        times = times.append(ends.times)
        past_end = len(panel.times) + series[:, None] * (1 + horizon) + later - panel.indptr[series + 1, None] + 1
        at = np.where(there, later, past_end)
    actual = panel.values[np.where(there, later, 0), :n_targets]  # (n, H, targets)
    actual[~there] = np.nan
    codes = np.tile(np.arange(n_targets, dtype=np.int8 if n_targets < 128 else np.int64), n * horizon)
    ids = {} if panel.ids[0] is None else {"id": _ids(panel, series, each)}
    return ids | {
        "cutoff": pd.Series(panel.times.take(part.rows.repeat(each)).array),
        "time": pd.Series(times.take(at.ravel().repeat(n_targets)).array),
        "step": np.tile(steps.repeat(n_targets), n),
        "target": pd.Series(pd.Categorical.from_codes(codes, list(panel.schema.target))),
        "actual": actual.ravel(),
    }


def _ids(panel: Panel, series: Index, each: int) -> pd.Series:
    return pd.Series(panel.ids.take(series.repeat(each)), dtype=panel.ids.dtype)
