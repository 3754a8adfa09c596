"""Losses while a network was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tsseq.errors import DataError
from tsseq.plotting.style import COLOURS, Line, add_legend, add_note, dress, new_grid, picture, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = {"train_loss": "training", "val_loss": "validation"}


def plot_history(history: pd.DataFrame) -> Axes:
    """Draw the loss of every epoch, and mark the best epoch.

    Parameters
    ----------
    history : DataFrame
        Columns ``train_loss`` and ``val_loss`` by epoch, as in ``history_`` of a network.

    Returns
    -------
    matplotlib.axes.Axes
        Nothing is shown or saved; ``axes.figure.savefig(path)`` writes it.

    Raises
    ------
    DataError
        There are no losses.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> axes = plot_history(pd.DataFrame({"train_loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.7]}))
    >>> [line.get_label() for line in axes.lines]
    ['training', 'validation', 'best epoch: 1']
    """
    losses = history[[name for name in _LABELS if name in history]].astype(float).dropna(axis=1, how="all")
    if losses.empty:
        raise DataError(f"there are no losses to draw: the table has {list(history)} and {len(history)} epochs.")
    (ax,) = new_grid(1, height=3.2)
    marker = "o" if len(losses) < 3 else None
    for (name, values), colour in zip(losses.items(), COLOURS):
        ax.plot(values.index, values, **Line(colour).options, marker=marker, label=_LABELS[str(name)])
    if "val_loss" in losses:
        best = losses["val_loss"].idxmin()
        label = f"best epoch: {best}"
        ax.plot([best], [losses["val_loss"][best]], "o", color=COLOURS[1], markersize=6, zorder=5, label=label)
    dress(ax, "epoch", "loss")
    whole_numbers(ax)
    add_legend(picture(ax), "Loss while training")
    if "val_loss" not in losses:
        add_note(picture(ax), "No rows were held out for validation.")
    return ax
