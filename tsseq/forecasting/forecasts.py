"""Forecasts: what a forecast is, and the only place that lays forecasts out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.panel import Panel
from tsseq.data.tidy import key_names
from tsseq.typing import Array, Index


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts from origins of a panel, in the data's units.

    Attributes
    ----------
    panel : Panel
        History and, behind every origin, the rows that were forecast; what happened there where it is known.
    origins : ndarray of shape (n,)
        Row of the last observation that each forecast knows.
    values : ndarray of shape (n, steps, targets, 1 + Q)
        Point forecast, then one quantile per level.
    levels : tuple of float
        The Q quantile levels in 0..1.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample
    >>> model = Forecaster(Ridge(), horizon=2, context_length=24, log=True).fit(load_sample("airline"))
    >>> forecasts = model.forecast()
    >>> forecasts.values.shape
    (1, 2, 1, 1)
    >>> forecasts.frame().round(0)
                passengers
    month
    1961-01-01       454.0
    1961-02-01       424.0
    >>> forecasts.table().columns.tolist()
    ['cutoff', 'month', 'step', 'target', 'forecast']
    """

    panel: Panel
    origins: Index
    values: Array
    levels: tuple[float, ...] = ()

    @property
    def rows(self) -> Index:
        """(n, steps) rows of the panel that were forecast."""
        return self.panel.steps_after(self.origins, self.values.shape[1])

    @property
    def point(self) -> Array:
        """(n, steps, targets) point forecasts."""
        return self.values[..., 0]

    @property
    def actual(self) -> Array:
        """(n, steps, targets) what happened; NaN where that is not known."""
        return self.panel.values[self.rows, : self.panel.n_targets]

    def frame(self) -> pd.DataFrame | Any:
        """Forecasts in the shape of the frame that went in, with the next timestamps.

        Returns
        -------
        DataFrame or Series
            Columns ``<target>`` and ``<target>_q<level>``; a Series where a Series went in and there are no quantiles.
        """
        flat = self.values.reshape(-1, *self.values.shape[2:])  # (n * steps, targets, 1 + Q)
        columns: dict[Hashable, Array] = {}
        for k, target in enumerate(self.panel.schema.target):
            columns[target] = flat[:, k, 0]
            columns |= {f"{target}_q{level:g}": flat[:, k, q + 1] for q, level in enumerate(self.levels)}
        frame = self.panel.to_frame(self.rows.ravel(), columns)
        return frame.iloc[:, 0] if self.panel.frame_layout.is_series and len(columns) == 1 else frame

    def table(self) -> pd.DataFrame:
        """One row per (id, cutoff, step, target); series in the order of the frame.

        Returns
        -------
        DataFrame
            Columns ``[id,] cutoff, time, step, target, forecast`` and ``q<level>`` for every level. Ids and times bear
            the frame's own names; ``unique_id`` and ``ds`` where it has none.
        """
        return forecast_table({"": self}).drop(columns=["model", "actual"])

    def ordered(self) -> Forecasts:
        """The same forecasts, series in the order of the frame, then by time."""
        place = self.panel.input_order[self.panel.series_of(self.origins)]
        order = np.lexsort((self.origins, place))
        if (order[1:] > order[:-1]).all():
            return self
        return replace(self, origins=self.origins[order], values=self.values[order])

    def shares_rows_with(self, forecasts: Forecasts) -> bool:
        """Whether both forecast the same rows of equal panels, in the same order."""
        one, other = self.panel, forecasts.panel
        alike = np.array_equal(one.indptr, other.indptr) and one.times.equals(other.times) and one.ids.equals(other.ids)
        return (one is other or alike) and np.array_equal(self.origins, forecasts.origins)


def forecast_table(forecasts: Mapping[str, Forecasts]) -> pd.DataFrame:
    """Lay out the forecasts of several models as one tidy table.

    Models that forecast the same rows share all but their forecasts, which is most of the work.

    Parameters
    ----------
    forecasts : mapping of str to Forecasts
        By the name of the model.

    Returns
    -------
    DataFrame
        One row per (model, id, cutoff, step, target): columns ``model, [id,] cutoff, time, step, target, actual,
        forecast`` and ``q<level>`` for every level of some model.
    """
    names = pd.Index(list(forecasts))
    ordered = [single.ordered() for single in forecasts.values()]
    levels = list(dict.fromkeys(level for single in ordered for level in single.levels))
    codes = np.arange(len(names), dtype=np.int8 if len(names) < 128 else np.int64)
    new_rows = [k > 0 and not ordered[k].shares_rows_with(ordered[k - 1]) for k in range(len(ordered))]
    tables = []
    for _, group in groupby(zip(np.cumsum(new_rows), codes, ordered), key=lambda item: item[0]):
        _, numbers, alike = zip(*group)
        tables.append(_table(alike, pd.Categorical.from_codes(np.array(numbers), names), levels))
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)


def _table(forecasts: Sequence[Forecasts], models: pd.Categorical, levels: Sequence[float]) -> pd.DataFrame:
    """The table of models that forecast the same rows."""
    coordinates = _coordinates(forecasts[0])
    n = len(coordinates["step"])
    columns: dict[Any, Any] = {"model": models.repeat(n)} | coordinates
    for name, column in coordinates.items() if len(forecasts) > 1 else ():
        if isinstance(column, np.ndarray):
            columns[name] = np.tile(column, len(forecasts))
        else:  # text is not copied where pandas can share it
            columns[name] = pd.concat([column] * len(forecasts), ignore_index=True).array
    columns["forecast"] = np.concatenate([single.point.ravel() for single in forecasts])
    for level in levels:
        at = [single.levels.index(level) + 1 if level in single.levels else 0 for single in forecasts]
        quantiles = [single.values[..., q].ravel() if q else np.full(n, np.nan) for q, single in zip(at, forecasts)]
        columns[f"q{level:g}"] = np.concatenate(quantiles)
    return pd.DataFrame(columns, copy=False)


def _coordinates(forecasts: Forecasts) -> dict[Any, Any]:
    """What models share: ``[id,] cutoff, time, step, target, actual``."""
    panel, (n, steps, n_targets, _) = forecasts.panel, forecasts.values.shape
    id_name, time_name = key_names(panel.frame_layout.names)
    repeats = steps * n_targets
    ids = panel.ids.take(panel.series_of(forecasts.origins).repeat(repeats))
    codes = np.tile(np.arange(n_targets, dtype=np.int8 if n_targets < 128 else np.int64), n * steps)
    keys = {} if panel.ids[0] is None else {id_name: pd.Series(ids, dtype=panel.ids.dtype)}
    return keys | {
        "cutoff": pd.Series(panel.times.take(forecasts.origins.repeat(repeats)).array),
        time_name: pd.Series(panel.times.take(forecasts.rows.ravel().repeat(n_targets)).array),
        "step": np.tile(np.arange(1, steps + 1).repeat(n_targets), n),
        "target": pd.Series(pd.Categorical.from_codes(codes, list(panel.schema.target))),
        "actual": forecasts.actual.ravel(),
    }
