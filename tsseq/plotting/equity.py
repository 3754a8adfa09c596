"""Equity and drawdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsseq.plotting.style import (
    BENCHMARK,
    COLOURS,
    Line,
    add_legend,
    add_note,
    band,
    dress,
    in_percent,
    new_stack,
    on_axis,
    picture,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = {"after costs": Line(COLOURS[0]), "before costs": Line(COLOURS[-1], "dot", 1.5)}
OTHER = Line(BENCHMARK, width=1.5)
_SAME = 0.004  # of the height of the axes: two lines that nobody can tell apart


def plot_equity(returns: Mapping[str, pd.Series[float]], title: str = "", note: str = "") -> Axes:
    """Draw what was earned, compounded, in percent of the capital, and below it the loss since the highest equity.

    Parameters
    ----------
    returns : mapping of str to Series
        Returns of every bar, by name: those after costs, before costs and of a benchmark. Of lines that lie on one
        another only the first is drawn, under all their names.
    title : str
        Above all axes. Default: none.
    note : str
        Below all axes. Default: none.

    Returns
    -------
    matplotlib.axes.Axes
        Those of the equity; ``axes.figure.axes[1]`` are those of the drawdown.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> rise = pd.Series([0.1, -0.05], pd.date_range("2024-01-01", periods=2))
    >>> axes = plot_equity({"after costs": rise, "before costs": rise, "buy and hold": -rise})
    >>> [line.get_label() for line in axes.lines]
    ['after costs = before costs', 'buy and hold']
    """
    curves = {name: (1 + values).cumprod() - 1 for name, values in returns.items()}
    upper, lower = new_stack([3.0, 1.3])
    for name, label in one_name_per_line(curves).items():
        look, x, equity = LINES.get(name, OTHER), on_axis(curves[name].index), 1 + curves[name]
        upper.plot(x, curves[name], **look.options, label=label)
        if name == "before costs":
            continue
        drawdown = equity / equity.cummax().clip(lower=1.0) - 1
        lower.plot(x, drawdown, **look.options)
        if name in LINES:
            lower.fill_between(x, drawdown, 0, color=look.colour, alpha=band(), linewidth=0)
    dress(upper, ylabel="earned")
    dress(lower, ylabel="drawdown")
    for ax in (upper, lower):
        in_percent(ax)
        time_axis(ax, next(iter(curves.values())).index)
    add_legend(picture(upper), title)
    if note:
        add_note(picture(upper), note)
    return upper


def one_name_per_line(curves: Mapping[str, pd.Series[float]]) -> dict[str, str]:
    """The first of the curves that lie on one another -> all their names.

    >>> rise = pd.Series([0.0, 0.1, 0.3])
    >>> one_name_per_line({"after costs": rise, "before costs": rise, "buy and hold": 2 * rise})
    {'after costs': 'after costs = before costs', 'buy and hold': 'buy and hold'}
    """
    values = {name: curve.to_numpy(dtype=float) for name, curve in curves.items()}
    height = np.ptp(np.nan_to_num(np.concatenate([np.zeros(1), *values.values()]))) or 1.0
    names: dict[str, str] = {}
    for name, curve in values.items():
        gaps = {first: float(np.nan_to_num(np.abs(values[first] - curve)).max()) / height for first in names}
        same = next((first for first, gap in gaps.items() if gap < _SAME), None)
        if same is None:
            names[name] = name
        else:
            names[same] += f" {'=' if gaps[same] < 1e-9 else '≈'} {name}"
    return names
