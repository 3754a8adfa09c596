"""Forecasts of categories: bands of colours that fade into probabilities."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tsseq.errors import DataError
from tsseq.plotting.frames import SeriesTables, split_at
from tsseq.plotting.style import (
    COLOURS,
    INK,
    SOFT,
    add_legend,
    add_note,
    dress,
    in_percent,
    new_grid,
    on_axis,
    picture,
    time_axis,
    tone,
)
from tsseq.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OTHERS = "others"


class Strip(NamedTuple):
    """What one axes shows: how much of each category there is at each time, certain until the origin.

    Attributes
    ----------
    title : str
        The series and the model.
    shares : DataFrame
        Over times, a column for each category, with sums of 1, or of 0 where nothing is known.
    n_known : int
        Rows of them that were observed.
    level : str
        Of the largest sets that were forecast; "" without sets.
    outside : DataFrame
        Over the same times, 1 for each category that is not in its set, else 0.
    """

    title: str
    shares: pd.DataFrame
    n_known: int
    level: str
    outside: pd.DataFrame


def holds_categories(models: Mapping[str, SeriesTables], target: Hashable) -> bool:
    """Whether a column of forecasts holds categories, not numbers."""
    columns = (tables.parsed.columns.get(target) for tables in models.values())
    return any(
        column is not None and (pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column))
        for column in columns
    )


def draw_classes(
    known: SeriesTables, models: Mapping[str, SeriesTables], target: Hashable, last: int, max_series: int
) -> Axes:
    """Draw the categories that were observed, and the probabilities of those to come, one axes per series and model."""
    keys = [(model, series) for model, tables in models.items() for series in tables.rows]
    strips = [
        _strip(known.table(series), models[model].table(series), target, last, _title(model, series, len(models)))
        for model, series in keys[:max_series]
    ]
    names = _most_frequent([strip.shares for strip in strips])
    grid = new_grid(len(strips), height=2.6)
    for ax, strip in zip(grid, strips):
        _draw_strip(ax, strip, names, alone=len(keys) == 1)
    figure = picture(grid[0])
    add_legend(figure, str(target) if len(keys) == 1 else f"{target}, probability")
    if len(keys) > len(strips):
        add_note(figure, f"The first {len(strips)} of {len(keys)} series; max_series= draws more.")
    return grid[0]


def _title(model: str, series: Hashable, n_models: int) -> str:
    return ", ".join([*([] if series is None else [str(series)]), *([model] if n_models > 1 else [])])


def _strip(history: pd.DataFrame, forecast: pd.DataFrame, target: Hashable, last: int, title: str) -> Strip:
    if target not in history:
        raise DataError(f"the history has no column {target!r}; it has {list(history)}.")
    past = split_at(history[target], forecast.index[0])[0].iloc[-last:]
    start = f"{target}_p_"
    probabilities = forecast[[name for name in forecast if str(name).startswith(start)]]
    if len(probabilities.columns):
        probabilities = probabilities.rename(columns=lambda name: str(name).removeprefix(start))
    else:
        probabilities = _one_of_all(forecast[target])
    shares = pd.concat([_one_of_all(past), probabilities.astype(float)]).fillna(0.0)
    level, members = _largest_sets(forecast, target)
    outside = 1.0 - members.astype(float).reindex(index=shares.index, columns=shares.columns, fill_value=1.0)
    return Strip(title, shares.sort_index(axis=1), len(past), level, outside)


def _largest_sets(forecast: pd.DataFrame, target: Hashable) -> tuple[str, pd.DataFrame]:
    """The highest level of sets, and a column for each category that says whether it is in; "" and none without sets.

    >>> level, members = _largest_sets(pd.DataFrame({"sky_set0.5_sun": [False], "sky_set0.9_sun": [True]}), "sky")
    >>> level, members.to_dict("list")
    ('0.9', {'sun': [True]})
    """
    columns: dict[str, dict[str, Hashable]] = {}
    for name in forecast:
        match = re.fullmatch(rf"{re.escape(str(target))}_set([\d.]+)_(.*)", str(name), re.DOTALL)
        if match:
            columns.setdefault(match[1], {})[match[2]] = name
    level = max(columns, key=float, default="")
    members = columns.get(level, {})
    return level, forecast[list(members.values())].set_axis(list(members), axis=1)


def _one_of_all(column: pd.Series[Any]) -> pd.DataFrame:
    """1 where a category is, else 0.

    >>> _one_of_all(pd.Series(["sun", "rain", None])).to_numpy().tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    """
    return pd.get_dummies(column.map(str, na_action="ignore").astype(object), dtype=float)


def _most_frequent(tables: list[pd.DataFrame]) -> list[str]:
    """Names that get a colour; the rest are drawn as one."""
    totals = pd.concat([table.sum() for table in tables], axis=1).sum(axis=1)
    chosen = totals.nlargest(len(COLOURS) if len(totals) <= len(COLOURS) else len(COLOURS) - 1).index
    return [name for name in totals.index if name in chosen]


def _draw_strip(ax: Axes, strip: Strip, names: list[str], *, alone: bool) -> None:
    shares = strip.shares.reindex(columns=names, fill_value=0.0)
    colours = [*COLOURS[: len(names)]]
    rest = strip.shares.sum(axis=1) - shares.sum(axis=1)
    if rest.max() > 1e-9:
        shares, colours = shares.assign(**{OTHERS: rest}), [*colours, tone(SOFT)]
    edges, rows = _edges(shares.index), [*range(len(shares)), -1]  # the last step ends at an edge of its own
    outside = strip.outside.reindex(columns=shares.columns, fill_value=0.0)
    tops, lows, gaps = (table.to_numpy()[rows].T for table in _layers(shares, outside))
    steps: dict[str, Any] = {"step": "post", "linewidth": 0.0}
    for name, colour, low, high in zip(shares, colours, lows, tops):
        ax.fill_between(edges, low, high, label=name, color=colour, alpha=0.85, **steps)
    for low, high in zip(gaps, tops) if strip.level else ():
        label = f"not in the set of {100 * float(strip.level):g} %"
        ax.fill_between(edges, low, high, label=label, hatch="////", facecolor="none", **steps)
    if 0 < strip.n_known < len(shares):
        ax.axvline(edges[strip.n_known], color=tone(INK), linewidth=1.0)
    xlabel, ylabel = (str(shares.index.name or "time"), "probability") if alone else ("", "")
    dress(ax, xlabel, ylabel, strip.title)
    ax.set_ylim(0.0, 1.0)
    ax.set_yticks(np.linspace(0.0, 1.0, 3))
    ax.margins(x=0.0)
    in_percent(ax)
    time_axis(ax, shares.index, most=9 if alone else 4)


def _edges(times: pd.Index) -> Array:
    """Where the bands of n times begin, on matplotlib's axis, and where the last one ends: halfway to the neighbours.

    >>> _edges(pd.Index([1, 2, 4])).tolist()
    [0.5, 1.5, 3.0, 5.0]
    """
    from matplotlib.dates import date2num

    places = on_axis(times)
    to_number: Any = date2num
    x = np.asarray(to_number(places) if isinstance(places, pd.DatetimeIndex) else places, dtype=np.float64)
    inner = (x[1:] + x[:-1]) / 2
    first, last = (x[0] - 0.5, x[0] + 0.5) if len(x) == 1 else (2 * x[0] - inner[0], 2 * x[-1] - inner[-1])
    return np.array([first, *inner, last])


def _layers(shares: pd.DataFrame, outside: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Where each band ends and begins, and where what is outside of a set begins in it."""
    tops = shares.cumsum(axis=1)
    return tops, tops - shares, tops - shares * outside
