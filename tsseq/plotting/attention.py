"""Attention as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tsseq.errors import DataError
from tsseq.plotting.frames import check_least
from tsseq.plotting.style import COLOURS, add_legend, add_note, dress, new_grid, picture, tone, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_attention(weights: pd.DataFrame, *, max_series: int = 9) -> Axes:
    """Draw how much each step of a forecast looks at each row of its context, dark where it looks most.

    Parameters
    ----------
    weights : DataFrame
        What ``model.attention_weights()`` returned.
    max_series : int
        Axes to draw at most, one for each series and target; the figure says how many are left out. Default: 9.

    Returns
    -------
    matplotlib.axes.Axes
        Those of the first series; nothing is shown or saved. Across are rows of the context, 0 for the last known one
        and -1 for the one before it; down are the steps of the forecast. Of a `NeuralTransducer`, what is read is
        across from left to right, and what is written down.

    Raises
    ------
    DataError
        The table lacks the columns "step", "context_time" and "weight".
    ConfigError
        ``max_series`` is below 1.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> table = {"time": 3, "step": [1, 1], "context_time": [1, 2], "weight": [0.2, 0.8]}
    >>> axes = plot_attention(pd.DataFrame(table))
    >>> axes.get_xlabel(), axes.images[0].get_array().tolist()
    ('row of the context', [[0.2, 0.8]])
    """
    from matplotlib.colors import LinearSegmentedColormap

    check_least("max_series", max_series)
    missing = [name for name in ("step", "context_time", "weight") if name not in weights]
    if missing:
        raise DataError(f"the table has no column {missing[0]!r}; pass what attention_weights() returned.")
    tables, of_symbols = _tables(weights), "symbol" in weights
    names, highest = list(tables)[:max_series], float(weights["weight"].max())
    grid, few = new_grid(len(names)), len(names) > 1
    shades = LinearSegmentedColormap.from_list("tsseq", [tone("#ffffff"), COLOURS[0]])
    for ax, name in zip(grid, names):
        matrix = tables[name].pivot(index="step", columns="context_time", values="weight")
        height, width = matrix.shape
        first = 0 if of_symbols else 1 - width
        extent = (first - 0.5, first + width - 0.5, height + 0.5, 0.5)
        image = ax.imshow(matrix, cmap=shades, vmin=0, vmax=highest, extent=extent, aspect="auto")
        dress(ax, "row of the context", "step", f"sequence {name}" if of_symbols else name)
        ax.grid(visible=False)
        whole_numbers(ax, "x", 4 if few else 12)
        whole_numbers(ax, "y", 6 if few else 12)
        if of_symbols:
            _name_symbols(ax, tables[name])
    figure = picture(grid[0])
    bar = figure.colorbar(image, ax=grid, shrink=0.8, pad=0.02)
    bar.outline.set_visible(False)
    dress(bar.ax, ylabel="weight")
    bar.ax.grid(visible=False)
    add_legend(figure, "Where each step looks")
    if len(tables) > len(names):
        add_note(figure, f"The first {len(names)} of {len(tables)} series; max_series= draws more.")
    return grid[0]


def _tables(weights: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Weights by series and target, in the order of the table."""
    keys = list(weights.columns[: max(list(weights).index("step") - 1, 0)])
    groups = weights.groupby(keys, sort=False, observed=True) if keys else [((), weights)]
    return {", ".join(map(str, name)): rows for name, rows in groups}


def _name_symbols(ax: Axes, rows: pd.DataFrame) -> None:
    """Write symbols beside the axes instead of their numbers."""
    written = rows.drop_duplicates("step")
    ax.set_yticks(written["step"], ["end" if symbol == "" else str(symbol) for symbol in written["symbol"]])
    ax.set(xlabel="step that is read", ylabel="written")
    if "context_symbol" in rows:
        read = rows.drop_duplicates("context_time")
        names = [str(symbol) for symbol in read["context_symbol"]]
        ax.set_xticks(read["context_time"], names, rotation=90 if max(map(len, names)) > 2 else 0)
        ax.set_xlabel("read")
