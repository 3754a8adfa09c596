"""Draw a forecast behind the history that it was made from."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import pandas as pd

from tsseq.errors import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_forecast(
    history: pd.Series | pd.DataFrame,
    forecast: pd.Series | pd.DataFrame,
    *,
    target: Hashable | None = None,
    last: int = 120,
    ax: Axes | None = None,
) -> Axes:
    """Draw the end of one series, and the forecast that goes on from it.

    Parameters
    ----------
    history : a Series, or a DataFrame with the column ``target``, of a single series.
    forecast : what ``predict`` returned for it. Columns ``<target>_q<level>`` become a band from the lowest to the
        highest level.
    target : the column to draw; may be left out where the forecast has only one.
    last : rows of history to draw.
    ax : axes to draw on; None makes new ones.

    Returns
    -------
    The matplotlib axes. Nothing is shown or saved.

    Raises
    ------
    DataError : a frame holds several series or no values, lacks the target, or the two have different kinds of index.
    ConfigError : several targets and none named, or ``last`` below 1.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample, plot_forecast
    >>> air = load_sample("airline")
    >>> axes = plot_forecast(air, Forecaster(Ridge(), 12, 24, log=True).fit(air).predict())
    >>> axes.get_ylabel(), [line.get_label() for line in axes.lines]
    ('passengers', ['history', 'forecast'])
    """
    if last < 1:
        raise ConfigError(f"last={last} must be at least 1.")
    coming = _single(forecast, "forecast")
    target = _only_target(coming) if target is None else target
    ahead = _values(coming, target, "forecast")
    known = _values(_single(history, "history", target), target, "history").dropna().iloc[-last:]
    start = _start(known, ahead)
    ax = _new_axes() if ax is None else ax
    line = pd.concat([start, ahead])
    ax.plot(_axis(known), known, color="#222222", linewidth=1.5, label="history")
    ax.plot(_axis(line), line, color="#0072b2", linewidth=2, label="forecast")
    levels = _levels(coming, target)
    if len(levels) > 1:
        low, high = min(levels), max(levels)
        edges = [pd.concat([start, _values(coming, levels[level], "forecast")]) for level in (low, high)]
        ax.fill_between(
            _axis(line), *edges, color="#0072b2", alpha=0.2, linewidth=0, label=f"quantiles {low:g} to {high:g}"
        )
    ax.set(xlabel=str(known.index.name or "time"), ylabel=str(target))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax


def _single(frame: pd.Series | pd.DataFrame, what: str, name: Hashable | None = None) -> pd.DataFrame:
    """A frame with one series in its index; a Series becomes the column ``name``, or its own name, or "y"."""
    if isinstance(frame, pd.Series):
        own = "y" if frame.name is None else frame.name
        frame = frame.to_frame(own if name is None else name)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"the {what} must be a pandas Series or DataFrame, not {type(frame).__name__}.")
    advice = 'select one first, such as frame.loc["AAPL"]'
    if isinstance(frame.index, pd.MultiIndex) or isinstance(frame.columns, pd.MultiIndex):
        raise DataError(f"the {what} has a MultiIndex, so it may hold several series; {advice}.")
    if {"unique_id", "ds"} <= set(frame.columns):
        raise DataError(f'the {what} is a long frame; select the rows of one unique_id and set "ds" as the index.')
    if not frame.index.is_unique:
        raise DataError(f"the {what} has {frame.index[frame.index.duplicated()][0]} more than once; {advice}.")
    return frame


def _only_target(coming: pd.DataFrame) -> Hashable:
    targets = [name for name in coming if not any(name in _levels(coming, other).values() for other in coming)]
    if len(targets) != 1:
        raise ConfigError(f"the forecast has the columns {list(coming)}; name the one to draw with target=.")
    return targets[0]


def _levels(coming: pd.DataFrame, target: Hashable) -> dict[float, Hashable]:
    """Quantile level -> column."""
    found = {}
    for name in coming:
        level = str(name).removeprefix(f"{target}_q")
        if level != str(name) and level.replace(".", "", 1).isdigit():
            found[float(level)] = name
    return found


def _values(frame: pd.DataFrame, column: Hashable, what: str) -> pd.Series:
    if column not in frame:
        raise DataError(f"the {what} has no column {column!r}; it has {list(frame)}.")
    try:
        values = frame[column].astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {column!r} of the {what} is not numeric: {error}.") from error
    if values.isna().all():
        raise DataError(f"the {what} has no values of {column!r}.")
    return values


def _start(known: pd.Series, ahead: pd.Series) -> pd.Series:
    """The last known value before the forecast, where its line begins."""
    try:
        before: pd.Series = known[known.index < ahead.index[0]]
    except TypeError as error:
        found = f"the history is indexed by {known.index.dtype}, the forecast by {ahead.index.dtype}"
        raise DataError(f"{found}; pass the history that was forecast.") from error
    return before.iloc[-1:]


def _axis(values: pd.Series) -> pd.Index:
    """Times that matplotlib knows: a period stands at its start."""
    return values.index.to_timestamp() if isinstance(values.index, pd.PeriodIndex) else values.index


def _new_axes() -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(9, 4), layout="constrained")[1]
