"""What forecasts depend on, as bars with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsseq.plotting.frames import check_least
from tsseq.plotting.style import (
    AXIS,
    BARS,
    COLOURS,
    GRID,
    INK,
    add_legend,
    add_note,
    dress,
    new_grid,
    new_stack,
    picture,
    tone,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS, MOST_WITH_LAGS, MOST_WHISKERS = 15, 6, 60
TITLE = "What the forecasts depend on"


def plot_importance(table: pd.DataFrame, axis: str, note: str, most: int | None = None) -> Axes:
    """Draw importance as bars with intervals: of columns one below the other, of lags along the window.

    Parameters
    ----------
    table : DataFrame
        Columns "importance", "low" and "high"; index: columns, or (column, lag).
    axis : str
        What is measured.
    note : str
        Sentence below the picture.
    most : int, optional
        Columns to draw, the most important ones; default: 15, or 6 with lags.

    Returns
    -------
    matplotlib.axes.Axes
        Those of the most important column; nothing is shown or saved.

    Raises
    ------
    ConfigError
        ``most`` is below 1.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> table = pd.DataFrame({"importance": [0.4, 0.1], "low": [0.3, 0.0], "high": [0.5, 0.2]}, ["x", "y"])
    >>> [label.get_text() for label in plot_importance(table, "growth of the MAE", "").get_yticklabels()]
    ['x', 'y']
    """
    if most is not None:
        check_least("most", most)
    if table.index.nlevels > 1:
        return _by_lag(table, axis, note, MOST_WITH_LAGS if most is None else most)
    shown = table.head(MOST_COLUMNS if most is None else most)
    (ax,) = new_grid(1, height=1.5 + 0.3 * len(shown))
    places = np.arange(len(shown))
    ax.barh(places, shown["importance"], height=0.62, color=BARS)
    _whiskers(ax, places, shown, horizontal=True)
    ax.set_yticks(places, list(map(str, shown.index)))
    ax.invert_yaxis()
    dress(ax, axis)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=tone(GRID), linewidth=0.8)
    ax.axvline(0, color=tone(AXIS), linewidth=1.2)
    add_legend(picture(ax), TITLE)
    add_note(picture(ax), note + _left_out(len(table), len(shown)))
    return ax


def _by_lag(table: pd.DataFrame, axis: str, note: str, most: int) -> Axes:
    """One row of bars for each column, the most important first; time runs to the right."""
    columns = list(dict.fromkeys(table.index.get_level_values(0)))
    names = columns[:most]
    stack = new_stack([max(1.15, 2.6 / len(names))] * len(names))
    low, high = float(table[["low", "importance"]].min(axis=None)), float(table[["high", "importance"]].max(axis=None))
    room = 0.06 * max(high - min(low, 0.0), 1e-12)
    for ax, name in zip(stack, names):
        rows = table.xs(name, level=0)
        coming = (rows.index <= 0) & (len(rows) > 1)  # what does not change over time has one row
        for part, colour, label in ((rows[~coming], BARS, "known rows"), (rows[coming], COLOURS[4], "rows to come")):
            ax.bar(part.index, part["importance"], width=0.7, color=colour, label=label if len(part) else None)
        if len(rows) <= MOST_WHISKERS:
            _whiskers(ax, rows.index, rows, horizontal=False)
        ax.axhline(0, color=tone(AXIS), linewidth=1.0, zorder=1)
        ax.set_ylim(min(low, 0.0) - room, high + room)
        dress(ax, title=str(name))
    lags = table.index.get_level_values(1)
    stack[-1].set_xlim(lags.max() + 0.6, lags.min() - 0.6)
    dress(stack[-1], "lag: rows before the first one that is forecast", title=str(names[-1]))
    whole_numbers(stack[-1])
    figure = picture(stack[0])
    add_legend(figure, f"{TITLE}: {axis}")
    add_note(figure, note + _left_out(len(columns), len(names)))
    return stack[0]


def _whiskers(ax: Axes, places: Any, rows: pd.DataFrame, *, horizontal: bool) -> None:
    """Thin lines from one end of each interval to the other."""
    reach = np.stack([rows["importance"] - rows["low"], rows["high"] - rows["importance"]])
    look: dict[str, Any] = {"fmt": "none", "ecolor": tone(INK), "elinewidth": 1.0, "capsize": 0}
    if horizontal:
        ax.errorbar(rows["importance"], places, xerr=reach, **look)
    else:
        ax.errorbar(places, rows["importance"], yerr=reach, **look)


def _left_out(n: int, shown: int) -> str:
    return f" The first {shown} of {n} columns; most= draws more." if n > shown else ""
