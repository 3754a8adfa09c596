"""Scores of several models by the step of the forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tsseq.plotting.style import (
    AXIS,
    add_legend,
    add_note,
    dress,
    in_percent,
    line_of,
    new_grid,
    picture,
    tone,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAR = 8.0  # times the typical distance from the middle


def plot_by_step(
    table: pd.DataFrame, name: str, *, higher_is_better: bool | None = False, percent: bool = False
) -> Axes:
    """Draw a line per model over the steps of a forecast; the axis ends before hopeless ones.

    Parameters
    ----------
    table : DataFrame
        Index: steps, in rows ahead; columns: models.
    name : str
        What is drawn.
    higher_is_better : bool or None
        Which end of the axis is bad; None: neither. Default: False.
    percent : bool
        Whether values are shares. Default: False.

    Returns
    -------
    matplotlib.axes.Axes
        Nothing is shown or saved.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> axes = plot_by_step(pd.DataFrame({"ridge": [0.3, 0.1], "mean": [0.0, 0.0]}, [1, 2]), "skill")
    >>> [line.get_linestyle() for line in axes.lines[:2]]
    ['-', '-.']
    """
    (ax,), models = new_grid(1), [str(model) for model in table]
    marker = "o" if len(table) <= 30 else None
    for model, values in table.items():
        look = line_of(str(model), models).options
        ax.plot(table.index, values, **look, marker=marker, markersize=3.5, label=str(model))
    hidden = hopeless(table, higher_is_better)
    shown = table.drop(columns=hidden)
    if hidden:
        low, high = float(shown.min(axis=None)), float(shown.max(axis=None))
        room = 0.08 * (high - low or abs(high) or 1.0)
        ax.set_ylim(low - room, high + room)
    dress(ax, "rows ahead", name)
    if table.min(axis=None) <= 0:
        ax.axhline(0, color=tone(AXIS), linewidth=1.2, zorder=1)
    whole_numbers(ax)
    if percent:
        in_percent(ax)
    add_legend(picture(ax), f"{name[:1].upper()}{name[1:]} by step")
    if hidden:
        side, worst = ("below", "min") if higher_is_better else ("above", "max")
        far = [f"{model} (to {_worded(getattr(table[model], worst)(), percent)})" for model in hidden]
        add_note(picture(ax), f"Off the axis, {side} the rest: {', '.join(far)}.")
    return ax


def hopeless(table: pd.DataFrame, higher_is_better: bool | None) -> list[str]:
    """The models so much worse than most that they would flatten the others.

    >>> skill = pd.DataFrame({"last_value": [0.0, 0.0], "ridge": [0.01, 0.02], "gru": [0.0, 0.03], "mean": [-4.0, -2]})
    >>> hopeless(skill, True), hopeless(-skill, False), hopeless(skill.assign(ridge=9.0, mean=0.0), True)
    (['mean'], ['mean'], [])
    """
    if higher_is_better is None or table.shape[1] < 3:
        return []
    loss = -table if higher_is_better else table
    behind = loss.sub(loss.median(axis=1), axis=0).max()
    typical = float(table.sub(table.median(axis=1), axis=0).abs().max().median())
    return [str(name) for name in behind.index[behind > _FAR * max(typical, 1e-12)]]


def _worded(value: float, percent: bool) -> str:
    words = f"{100 * value:.0f} %" if percent else f"{value:.3g}"
    return words.replace("-", "\u2212")
