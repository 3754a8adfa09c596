"""The naive forecasts of a backtest: read straight from the panel, since they learn nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.panel import Panel
from tsseq.evaluation.tables import Made
from tsseq.forecasting.naive import Drift, LastValue, Mean, SeasonalNaive

Index = NDArray[np.int64]
CHUNK = 4096  # contexts at a time, so that they stay in the cache


def naive_forecasts(panel: Panel, cutoffs: pd.Index, context_length: int, horizon: int) -> list[Made]:
    """Forecasts of all naive models at all cutoffs, wherever a series has a row and a whole context."""
    rows, models = _origins(panel, cutoffs, context_length), _fitted(season_of(panel), context_length, horizon)
    values = {name: np.empty((len(rows), horizon, len(panel.schema.target), 1)) for name in models}
    for k in range(len(panel.schema.target)):
        series = np.ascontiguousarray(panel.values[:, k])
        contexts = np.lib.stride_tricks.sliding_window_view(series, context_length)
        for first in range(0, len(rows), CHUNK):
            part = slice(first, first + CHUNK)
            context = contexts[rows[part] - (context_length - 1)]  # (n, L)
            last = values["last_value"][part, :, k, 0] = _continued(models["last_value"], context, horizon)
            context -= last[:, :1]  # what never moves is then continued as it is, to the last bit
            for name in list(models)[1:]:
                values[name][part, :, k, 0] = last + _continued(models[name], context, horizon)
    return [Made.of(name, panel, rows, found, None) for name, found in values.items()]


def season_of(panel: Panel) -> int:
    """Rows in a season, by how the timestamps follow one another."""
    return panel.rules[0].season_length


def _fitted(season: int, context_length: int, horizon: int) -> dict[str, Any]:
    named: dict[str, Any] = {"last_value": LastValue(), "drift": Drift(), "mean": Mean()}
    named |= {"seasonal_naive": SeasonalNaive(season)} if 1 < season <= context_length else {}
    sizes = np.zeros((1, context_length)), np.zeros((1, horizon))
    return {name: model.fit(*sizes) for name, model in named.items()}


def _origins(panel: Panel, cutoffs: pd.Index, context_length: int) -> Index:
    position = np.arange(len(panel.times)) - panel.indptr[panel.series_of_row]
    return np.flatnonzero(panel.times.isin(cutoffs) & (position >= context_length - 1))


def _continued(model: Any, context: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    """(n, L) -> (n, H)."""
    found: NDArray[np.float64] = model.predict(context)
    return found.reshape(len(context), horizon)
