"""Plots of arrays and frames with matplotlib, which is imported when something is drawn."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import TYPE_CHECKING, Any

import pandas as pd

from tsseq.errors import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_forecast(
    history: pd.Series[Any] | pd.DataFrame,
    forecast: pd.Series[Any] | pd.DataFrame,
    *,
    target: Hashable | None = None,
    last: int = 120,
    ax: Axes | None = None,
) -> Axes:
    """Draw the end of one series, and the forecast that goes on from it.

    Parameters
    ----------
    history : Series or DataFrame
        A single series; a frame holds it in the column ``target``.
    forecast : Series or DataFrame
        What ``predict`` returned for it. Columns ``<target>_q<level>`` become a band from the lowest to the highest
        level.
    target : hashable, optional
        The column to draw. Default: the only one that the forecast has.
    last : int
        Rows of history to draw. Default: 120.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on. Default: new ones.

    Returns
    -------
    matplotlib.axes.Axes
        Nothing is shown or saved.

    Raises
    ------
    DataError
        A frame holds several series or no values, lacks the target, or the two have different kinds of index.
    ConfigError
        There are several targets and none is named, or ``last`` is below 1.

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
    table = _single(forecast, "forecast")
    target = _only_target(table) if target is None else target
    future = _values(table, target, "forecast")
    known = _values(_single(history, "history", target), target, "history").dropna().iloc[-last:]
    start = _start(known, future)
    ax = _new_axes() if ax is None else ax
    line = pd.concat([start, future])
    ax.plot(_axis(known), known, color="#222222", linewidth=1.5, label="history")
    ax.plot(_axis(line), line, color="#0072b2", linewidth=2, label="forecast")
    quantiles = _quantile_columns(table, target)
    if len(quantiles) > 1:
        low, high = min(quantiles), max(quantiles)
        edges = [pd.concat([start, _values(table, quantiles[level], "forecast")]) for level in (low, high)]
        label = f"quantiles {low:g} to {high:g}"
        ax.fill_between(_axis(line), *edges, color="#0072b2", alpha=0.2, linewidth=0, label=label)
    return _labelled(ax, str(known.index.name or "time"), str(target))


def plot_by_step(table: pd.DataFrame, ylabel: str, dashed: Collection[Hashable] = ()) -> Axes:
    """Draw a line per column over the steps of a forecast.

    Parameters
    ----------
    table : DataFrame
        Index: steps, in rows ahead; columns: what is drawn, by label.
    ylabel : str
        Label of the vertical axis.
    dashed : collection of hashable
        Columns with dashed lines. Default: none.

    Returns
    -------
    matplotlib.axes.Axes
        Nothing is shown or saved.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> axes = plot_by_step(pd.DataFrame({"ridge": [0.3, 0.1], "mean": [0.0, 0.0]}, [1, 2]), "skill", dashed=["mean"])
    >>> [line.get_linestyle() for line in axes.lines]
    ['-', '--']
    """
    ax = _new_axes()
    for name, values in table.items():
        ax.plot(values.index, values, "--" if name in dashed else "-", label=name)
    return _labelled(ax, "rows ahead", ylabel)


def plot_equity(curves: pd.DataFrame, title: str = "") -> Axes:
    """Draw a line per column over dates.

    Parameters
    ----------
    curves : DataFrame
        Index: dates; columns: equity, as a multiple of the starting capital, by label.
    title : str
        Title of the axes. Default: none.

    Returns
    -------
    matplotlib.axes.Axes
        Nothing is shown or saved.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> axes = plot_equity(pd.DataFrame({"net": [1.0, 1.1]}, pd.date_range("2024-01-01", periods=2)))
    >>> axes.get_ylabel()
    'equity'
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    ax = _new_axes()
    for name, values in curves.items():
        ax.plot(curves.index, values, label=name)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.set_title(title, wrap=True)
    return _labelled(ax, "", "equity")


def _single(frame: pd.Series[Any] | pd.DataFrame, role: str, name: Hashable | None = None) -> pd.DataFrame:
    """A frame with one series in its index; a Series becomes the column ``name``, or its own name, or "y"."""
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(name if name is not None else "y" if frame.name is None else frame.name)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"the {role} must be a pandas Series or DataFrame, not {type(frame).__name__}.")
    advice = 'select one first, such as frame.loc["AAPL"]'
    if isinstance(frame.index, pd.MultiIndex) or isinstance(frame.columns, pd.MultiIndex):
        raise DataError(f"the {role} has a MultiIndex, so it may hold several series; {advice}.")
    if {"unique_id", "ds"} <= set(frame.columns):
        raise DataError(f'the {role} is a long frame; select the rows of one unique_id and set "ds" as the index.')
    if not frame.index.is_unique:
        raise DataError(f"the {role} has {frame.index[frame.index.duplicated()][0]} more than once; {advice}.")
    return frame


def _only_target(forecast: pd.DataFrame) -> Hashable:
    quantiles = {column for name in forecast for column in _quantile_columns(forecast, name).values()}
    targets: list[Hashable] = [name for name in forecast if name not in quantiles]
    if len(targets) != 1:
        raise ConfigError(f"the forecast has the columns {list(forecast)}; name the one to draw with target=.")
    return targets[0]


def _quantile_columns(forecast: pd.DataFrame, target: Hashable) -> dict[float, Hashable]:
    """Columns by quantile level."""
    columns: dict[float, Hashable] = {}
    for name in forecast:
        level = str(name).removeprefix(f"{target}_q")
        if level != str(name) and level.replace(".", "", 1).isdigit():
            columns[float(level)] = name
    return columns


def _values(frame: pd.DataFrame, column: Hashable, role: str) -> pd.Series[float]:
    if column not in frame:
        raise DataError(f"the {role} has no column {column!r}; it has {list(frame)}.")
    try:
        values = frame[column].astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {column!r} of the {role} is not numeric: {error}.") from error
    if values.isna().all():
        raise DataError(f"the {role} has no values of {column!r}.")
    return values


def _start(known: pd.Series[float], future: pd.Series[float]) -> pd.Series[float]:
    """The last known value before the forecast, where its line begins."""
    try:
        return known[known.index < future.index[0]].iloc[-1:]
    except TypeError as error:
        dtypes = f"the history is indexed by {known.index.dtype}, the forecast by {future.index.dtype}"
        raise DataError(f"{dtypes}; pass the history that was forecast.") from error


def _axis(values: pd.Series[float]) -> pd.Index:
    """Times that matplotlib knows: a period stands at its start."""
    return values.index.to_timestamp() if isinstance(values.index, pd.PeriodIndex) else values.index


def _new_axes() -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(9, 4), layout="constrained")[1]


def _labelled(ax: Axes, xlabel: str, ylabel: str) -> Axes:
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax
