"""Forecasts beside what was known, and what happened."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tsseq.data.schema import Names, Schema
from tsseq.errors import ConfigError
from tsseq.hints import rejects_foreign_names
from tsseq.plotting.classes import draw_classes, holds_categories
from tsseq.plotting.frames import (
    Drawable,
    SeriesTables,
    check_least,
    quantile_columns,
    read_series,
    split_at,
    targets_of,
    values_of,
)
from tsseq.plotting.style import (
    ACTUAL,
    Line,
    add_legend,
    add_note,
    band,
    dress,
    line_of,
    new_grid,
    on_axis,
    picture,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_MARKERS = 60


class Pane(NamedTuple):
    """What one axes shows: a series and target, its values before and after the first forecast, forecasts by model."""

    series: Hashable
    target: Hashable
    past: pd.Series[float]
    future: pd.Series[float]
    forecasts: dict[str, pd.DataFrame]


@rejects_foreign_names
def plot_forecast(
    history: Drawable,
    forecast: Drawable | Mapping[str, Drawable],
    *,
    target: Names = None,
    last: int = 120,
    max_series: int = 9,
    ax: Axes | None = None,
) -> Axes:
    """Draw the end of every series, the forecasts that go on from it, and what happened, as far as that is known.

    Parameters
    ----------
    history : Series or DataFrame
        One series or several, in any shape that a forecaster takes. Rows behind the beginning of a forecast are what
        happened, and are drawn up to its end.
    forecast : Series, DataFrame or mapping of str to these
        What ``predict`` returned for it, or several of these by the name of the model. Columns ``<target>_q<level>``
        become bands inside one another, each between a level and its opposite. Categories are bands of colours, their
        probabilities (``predict(proba=True)``) shares of these.
    target : hashable or sequence of hashable, optional
        The columns to draw. Default: all that the forecast has.
    last : int
        Rows of history to draw before the forecast. Default: 120.
    max_series : int
        Axes to draw at most, one for each series and target; the figure says how many are left out. Default: 9.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on, of a single series. Default: new ones.

    Returns
    -------
    matplotlib.axes.Axes
        Those of the first series; nothing is shown or saved. ``axes.figure.savefig(path)`` writes the whole picture.

    Raises
    ------
    DataError
        A series or column that was forecast is not in the history, has no values, or another kind of index.
    ConfigError
        There is no forecast, ``ax`` is given for several series, or ``last`` or ``max_series`` is below 1.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample, plot_forecast
    >>> air = load_sample("airline")
    >>> model = Forecaster(Ridge(), 12, 24, log=True).fit(air.iloc[:-12])
    >>> axes = plot_forecast(air, {"ridge": model.predict()})
    >>> axes.get_ylabel(), [line.get_label() for line in axes.lines]
    ('passengers', ['history', 'actual', 'ridge'])
    """
    named = forecast if isinstance(forecast, Mapping) else {"forecast": forecast}
    return draw_forecasts(history, named, Schema.of(target), last, max_series, ax)


def draw_forecasts(
    history: Drawable,
    forecasts: Mapping[str, Drawable],
    schema: Schema,
    last: int,
    max_series: int,
    ax: Axes | None = None,
) -> Axes:
    """`plot_forecast` of frames whose targets, id and time columns are in a schema."""
    check_least("last", last)
    check_least("max_series", max_series)
    models, schema = _models(forecasts, schema)
    if isinstance(history, pd.Series) and len(schema.target) == 1:
        history = history.rename(schema.target[0])
    known = read_series(history, schema, "history")
    names = dict.fromkeys(name for tables in models.values() for name in tables.rows)
    keys = [(name, target) for name in names for target in schema.target]
    if holds_categories(models, schema.target[0]):
        if ax is not None:
            raise ConfigError("categories are drawn on axes of their own; leave ax= out.")
        return draw_classes(known, models, schema.target[0], last, max_series)
    if ax is not None and len(keys) > 1:
        raise ConfigError(f"there are {len(keys)} series to draw, and ax= is for one; leave it out, or select one.")
    panes = [_pane(known, models, name, target, last) for name, target in keys[:max_series]]
    grid = new_grid(len(panes)) if ax is None else [ax]
    for axes, pane in zip(grid, panes):
        _draw_pane(axes, pane)
        _label_pane(axes, pane, several=len(keys) > 1, targets=len(schema.target))
    if ax is not None:
        ax.legend(frameon=False)
        return ax
    figure = picture(grid[0])
    add_legend(figure, str(schema.target[0]) if len(keys) > 1 and len(schema.target) == 1 else "")
    if len(keys) > len(panes):
        add_note(figure, f"The first {len(panes)} of {len(keys)} series; max_series= draws more.")
    return grid[0]


def _models(forecasts: Mapping[str, Drawable], schema: Schema) -> tuple[dict[str, SeriesTables], Schema]:
    """Forecasts by model, and a schema with the targets that they have."""
    models = {str(name): read_series(frame, schema, "forecast") for name, frame in forecasts.items()}
    if not models:
        raise ConfigError("there is no forecast to draw.")
    targets = schema.target or targets_of(next(iter(models.values())).parsed.columns)
    return models, Schema.of(list(targets), id_column=schema.id_column, time_column=schema.time_column)


def _pane(known: SeriesTables, models: Mapping[str, SeriesTables], name: Hashable, target: Hashable, last: int) -> Pane:
    """Values from ``last`` rows before the first forecast to the end of the last one, and the forecasts."""
    tables = {model: _with_levels(every.table(name), target) for model, every in models.items() if name in every.rows}
    values = values_of(known.table(name), target, "history").dropna()
    first, end = min(table.index[0] for table in tables.values()), max(table.index[-1] for table in tables.values())
    past, future = split_at(values, first)
    return Pane(name, target, past.iloc[-last:], future[future.index <= end], tables)


def _with_levels(table: pd.DataFrame, target: Hashable) -> pd.DataFrame:
    """The forecast in the column "point", then its quantiles by level."""
    columns = {"point": target} | quantile_columns(table, target)
    return pd.DataFrame({name: values_of(table, column, "forecast") for name, column in columns.items()})


def _draw_pane(ax: Axes, pane: Pane) -> None:
    known, names = pd.concat([pane.past, pane.future]), list(pane.forecasts)
    ax.plot(on_axis(pane.past.index), pane.past, **Line(ACTUAL).options, label="history", zorder=3)
    if len(pane.future):
        actual, marker = known.iloc[max(len(pane.past) - 1, 0) :], "o" if len(pane.future) <= _MOST_MARKERS else None
        thin = Line(ACTUAL, width=1.2).options
        ax.plot(on_axis(actual.index), actual, **thin, marker=marker, markersize=3, label="actual", zorder=3)
    for name, table in pane.forecasts.items():
        start = known[known.index < table.index[0]].iloc[-1:]
        line = pd.concat([start.to_frame("point").reindex(columns=table.columns).ffill(axis=1), table])
        look, x = line_of(name, names), on_axis(line.index)
        ax.plot(x, line["point"], **look.options, label=name, zorder=4)
        bands = _bands([level for level in table.columns if level != "point"])
        shares = ", ".join(f"{100 * (high - low):.4g}" for low, high in bands)
        label = f"band{'s' if len(bands) > 1 else ''} of {shares} %"
        for low, high in bands:
            ax.fill_between(x, line[low], line[high], color=look.colour, alpha=band(), linewidth=0, label=label)
            label = ""


def _bands(levels: list[Any]) -> list[tuple[float, float]]:
    """Levels with their opposites, the widest band first; the lowest and highest of levels without any.

    >>> _bands([0.1, 0.25, 0.5, 0.75, 0.9]), _bands([0.1, 0.5, 0.8]), _bands([0.5])
    ([(0.1, 0.9), (0.25, 0.75)], [(0.1, 0.8)], [])
    """
    pairs = [(low, high) for low in levels for high in levels if low < high and abs(low + high - 1) < 1e-9]
    return pairs or ([(levels[0], levels[-1])] if len(levels) > 1 else [])


def _label_pane(ax: Axes, pane: Pane, *, several: bool, targets: int) -> None:
    """Name axes, times and values; among several series, only what tells them apart."""
    name = ", ".join(str(part) for part in (pane.series, pane.target if targets > 1 else None) if part is not None)
    if several:
        dress(ax, title=name)
    else:
        dress(ax, str(pane.past.index.name or "time"), str(pane.target))
    time_axis(ax, pane.past.index, most=4 if several else 9)
