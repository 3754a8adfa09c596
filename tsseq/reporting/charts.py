"""The figures of the report: dictionaries that plotly.js draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tsseq.data.tidy import NAIVE, tidy_columns
from tsseq.evaluation.result import BacktestResult
from tsseq.trading.book import Book
from tsseq.trading.statistics import cash_returns, drawdown

Figure: TypeAlias = dict[str, Any]  # "data" and "layout", as plotly.graph_objects.Figure checks them

# Okabe and Ito's colours, told apart by colour-blind readers too; naive forecasts are grey and dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_GREYS = (("#444444", "dash"), ("#777777", "dot"), ("#999999", "dashdot"), ("#777777", "longdash"))
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
_MOST_FANS = 8
_ZERO = {"zeroline": True, "zerolinecolor": "#aab2ba"}


def skill_by_step(skills: pd.DataFrame) -> tuple[Figure, list[str]]:
    """Skill (step x model), and the naive forecasts that are hidden since they would flatten the rest."""
    models = [str(name) for name in skills]
    floor = 2 * min(-0.05, skills[[name for name in models if name not in NAIVE[1:]]].min(axis=None))
    hidden = [name for name in models if name in NAIVE[1:] and skills[name].min() < floor]
    mode = "lines+markers" if len(skills) <= 30 else "lines"
    traces = [
        _trace(skills[name], name, _line(name, models), mode, visible="legendonly" if name in hidden else True)
        for name in models
    ]
    ticks = {"tick0": 1, "dtick": 1 if len(skills) <= 14 else None, "tickformat": "d", "title": _title("rows ahead")}
    return _figure(traces, 340, "skill", {"tickformat": ".1~%"}, ticks), hidden


def forecasts_and_truth(forecasts: pd.DataFrame, result: BacktestResult, unit: str) -> Figure:
    """The last actual values of one series and one target, with forecasts from a few spaced cutoffs."""
    time = tidy_columns(forecasts).time
    actual = forecasts.drop_duplicates(time).set_index(time)["actual"].sort_index().dropna()
    actual = actual.iloc[-max(100, 2 * result.horizon) :]
    first = forecasts[(forecasts["model"] == NAIVE[0]) & (forecasts["step"] == 1)]
    starts = first.set_index("cutoff")["forecast"].sort_index()
    shown = forecasts[forecasts["cutoff"].isin(_spaced_cutoffs(starts.index, actual, result.horizon))]
    shown = shown.sort_values(["cutoff", "step"])
    models = [str(name) for name in forecasts["model"].unique()]
    # Where cutoffs lie further apart than the horizon, a line would bridge values that the backtest never saw.
    mode, truth = "markers" if result.stride > result.horizon else "lines", {"color": "#111111", "width": 2}
    traces = [_trace(actual, "actual", truth, mode, marker={"color": "#111111", "size": 5})]
    for name in models:
        traces += _fans(shown[shown["model"] == name], starts, _line(name, models), name)
    return _figure(traces, 440, _label(unit))


def levels(forecasts: pd.DataFrame) -> list[float]:
    """The quantile levels that some model forecast, in order."""
    return sorted(tidy_columns(forecasts).levels.values())


def equity(book: Book) -> Figure:
    """What one unit of capital became."""
    curves = _curves(book).items()
    return _figure([_trace((1 + r).cumprod(), name, line) for name, (r, line) in curves], 380, "equity (start = 1)")


def drawdowns(book: Book) -> Figure:
    """Loss since the highest equity so far."""
    curves = _curves(book)
    curves.pop("before costs", None)
    traces = [_trace(drawdown(returns), name, line) for name, (returns, line) in curves.items()]
    traces[0] |= {"fill": "tozeroy", "fillcolor": _faded(_COLOURS[0])}
    return _figure(traces, 260, "drawdown", {"tickformat": ".0%"})


def rolling_sharpe(book: Book, window: int) -> Figure:
    """Annual Sharpe ratio of the last ``window`` bars, of the strategy and its benchmark."""
    curves, traces, riskless = _curves(book), [], cash_returns(book.returns.index, book.cash_rate)
    curves.pop("before costs", None)
    for name, (returns, line) in curves.items():
        rolling = (returns - riskless).rolling(window)
        deviation = rolling.std()
        sharpe = np.sqrt(book.periods_per_year) * rolling.mean() / deviation.where(deviation > 1e-12)
        traces.append(_trace(sharpe.iloc[window - 1 :], name, line))
    return _figure(traces, 260, "Sharpe ratio", _ZERO)


def turnover(traded: pd.Series[float]) -> Figure:
    """Traded value by month, indexed by the first day of the month, as a multiple of equity."""
    months = {"hoverformat": "%b %Y", "tickformat": "%b %Y", "dtick": "M1" if len(traded) <= 8 else None}
    return _figure([_bars(traded, ".2f")], 240, "× equity per month", x=months)


def bars(values: pd.Series[float], unit: str, tickformat: str, title: str = "") -> Figure:
    """Bars, one per row, from zero up or down."""
    axis = {
        "title": _title(title),
        "dtick": 1 if len(values) <= 14 and values.index.inferred_type == "integer" else None,
    }
    return _figure([_bars(values, tickformat)], 240, unit, _ZERO | {"tickformat": tickformat}, axis)


def _bars(values: pd.Series[float], form: str) -> dict[str, Any]:
    bar = {"type": "bar", "marker": {"color": "#6b8fab"}, "hovertemplate": f"%{{y:{form}}}<extra></extra>"}
    return bar | {"x": _axis(values.index), "y": _rounded(values)}


def _figure(
    traces: Sequence[dict[str, Any]],
    height: int,
    unit: str,
    y: Mapping[str, Any] = MappingProxyType({}),
    x: Mapping[str, Any] = MappingProxyType({}),
) -> Figure:
    """One quiet style for all: no box, light lines, the legend above."""
    axis = {"gridcolor": "#e9ecef", "linecolor": "#aab2ba", "zeroline": False, "automargin": True}
    layout = {
        "height": height,
        "margin": {"t": 36 if len(traces) > 1 else 12, "b": 36, "l": 8, "r": 8},
        "font": {"family": _FONT, "size": 13, "color": "#3d464f"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "hovermode": "x unified",
        "xaxis": axis | {"showgrid": False, "showline": True, "ticks": "outside", "tickcolor": "#aab2ba"} | {**x},
        "yaxis": axis | {"title": _title(unit)} | {**y},
    }
    return {"data": [*traces], "layout": layout}


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 8, "font": {"size": 12}}


def _fans(rows: pd.DataFrame, starts: pd.Series[float], line: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Forecasts of one model as a line with gaps, each begun at the last value before its cutoff, over their band."""
    columns = tidy_columns(rows)
    bounds = sorted(columns.levels, key=lambda bound: columns.levels[bound])
    banded = len(bounds) > 1 and bool(rows[bounds].notna().all(axis=None))
    times, cutoffs = _axis(pd.Index(rows[columns.time])), _axis(pd.Index(rows["cutoff"]))
    first, values = starts.reindex(rows["cutoff"]).to_numpy(), rows[["forecast", *bounds]].to_numpy(dtype=float)
    x, y, around, edge = [], [], [], []
    ends = [*np.flatnonzero(np.diff(rows["step"]) <= 0) + 1, len(rows)]
    for begin, end in zip([0, *ends], ends):
        steps = [cutoffs[begin], *times[begin:end]]
        x += [*steps, None]
        y += [first[begin], *values[begin:end, 0], np.nan]
        if banded:
            around += [*steps, *steps[:0:-1], None]
            edge += [first[begin], *values[begin:end, -1], *values[begin:end, 1][::-1], np.nan]
    visible = "legendonly" if name in NAIVE[1:] else True
    shared: dict[str, Any] = {"type": "scatter", "legendgroup": name, "visible": visible, "mode": "lines"}
    traces = [shared | {"x": x, "y": _rounded(y), "name": _label(name), "line": dict(line)}]
    if banded:
        fill = {"fill": "toself", "fillcolor": _faded(line["color"]), "hoverinfo": "skip", "showlegend": False}
        traces.insert(0, shared | fill | {"x": around, "y": _rounded(edge), "line": {"width": 0}})
    return traces


def _spaced_cutoffs(cutoffs: pd.Index, actual: pd.Series[float], horizon: int) -> list[Any]:
    """Cutoffs that begin within the shown values, as many as fit without touching one another."""
    within = cutoffs[cutoffs >= actual.index[0]] if len(actual) else cutoffs
    within = within if len(within) else cutoffs[-1:]
    most = min(len(within), _MOST_FANS, max(1, len(actual) // horizon))
    return list(within[np.unique(np.linspace(len(within) - 1, 0, most).round().astype(int))])


def _curves(book: Book) -> dict[str, tuple[pd.Series[float], dict[str, Any]]]:
    """The return series of a book by name, with their lines; none before costs where there are no costs."""
    curves = {
        "after costs": (book.returns, {"color": _COLOURS[0], "width": 2}),
        "before costs": (book.gross_returns, {"color": _COLOURS[-1], "width": 1.5, "dash": "dot"}),
        str(book.benchmark.name): (book.benchmark, {"color": "#777777", "width": 1.5}),
    }
    return curves if book.costs_paid.any() else {k: v for k, v in curves.items() if k != "before costs"}


def _trace(
    values: pd.Series[float], name: str, line: Mapping[str, Any], mode: str = "lines", **options: Any
) -> dict[str, Any]:
    axes = {"x": _axis(values.index), "y": _rounded(values)}
    return {"type": "scatter", **axes, "name": _label(name), "line": dict(line), "mode": mode} | options


def _line(name: str, models: Sequence[str]) -> dict[str, Any]:
    if name in NAIVE:
        colour, dash = _GREYS[NAIVE.index(name)]
        return {"color": colour, "dash": dash, "width": 1.5}
    position = [model for model in models if model not in NAIVE].index(name)
    return {"color": _COLOURS[position % len(_COLOURS)], "width": 2}


def _faded(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgba({red},{green},{blue},0.15)"


def _label(name: str) -> str:
    """Plotly reads a few HTML tags in its texts, and quotes as they are; a name is not to be read."""
    return escape(name, quote=False)


def _rounded(values: Sequence[float] | pd.Series[float]) -> list[float | None]:
    """Seven significant digits: more are not seen, and make the file large."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values]


def _axis(times: pd.Index) -> list[Any]:
    """Times as plotly reads them: periods by their start, clocks as they are on the wall."""
    if isinstance(times, pd.PeriodIndex):
        times = times.to_timestamp()
    if isinstance(times, pd.DatetimeIndex):
        return [time.isoformat().removesuffix("T00:00:00") for time in times.tz_localize(None)]
    return list(times)
