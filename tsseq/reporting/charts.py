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
from tsseq.plotting import style
from tsseq.plotting.equity import LINES, OTHER, one_name_per_line
from tsseq.plotting.scores import hopeless
from tsseq.trading.book import Book, drawn_returns
from tsseq.trading.statistics import cash_returns, drawdown

Figure: TypeAlias = dict[str, Any]  # "data" and "layout", as plotly.graph_objects.Figure checks them

_MOST_FANS = 8
_ZERO = {"zeroline": True, "zerolinecolor": style.AXIS}


def skill_by_step(skills: pd.DataFrame) -> tuple[Figure, list[str]]:
    """Skill (step x model), and the models that are hidden since they would flatten the rest."""
    models, hidden = [str(name) for name in skills], hopeless(skills, higher_is_better=True)
    mode = "lines+markers" if len(skills) <= 30 else "lines"
    traces = [
        _trace(
            skills[name],
            name,
            _plotly(style.line_of(name, models)),
            mode,
            visible="legendonly" if name in hidden else True,
        )
        for name in models
    ]
    ticks = {"tick0": 1, "dtick": 1 if len(skills) <= 14 else None, "tickformat": "d", "title": _title("rows ahead")}
    return _figure(traces, 340, "skill", _ZERO | {"tickformat": ".1~%"}, ticks), hidden


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
    mode, truth = "markers" if result.stride > result.horizon else "lines", _plotly(style.Line(style.ACTUAL))
    traces = [_trace(actual, "actual", truth, mode, marker={"color": style.ACTUAL, "size": 5})]
    for name in models:
        traces += _fans(shown[shown["model"] == name], starts, _plotly(style.line_of(name, models)), name)
    return _figure(traces, 440, _label(unit))


def chances_and_truth(forecasts: pd.DataFrame, model: str, classes: pd.Index) -> Figure:
    """Probabilities of categories that a model gave a step ahead in one series, and above them what came."""
    rows = forecasts[(forecasts["model"] == model) & (forecasts["step"] == 1)].sort_values("cutoff").iloc[-100:]
    chances = pd.DataFrame({name: rows.get(f"p_{name}", np.nan) for name in classes})
    chances = chances.fillna(pd.DataFrame({name: rows["forecast"].eq(name) for name in classes}).astype(float))
    colours = dict(zip(classes, [*style.COLOURS, *[style.SOFT] * len(classes)]))
    times = _axis(pd.Index(rows[tidy_columns(forecasts).time]))
    bars = [
        {
            "type": "bar",
            "x": times,
            "y": _rounded(chances[name]),
            "name": _label(str(name)),
            "marker": {"color": colours[name]},
        }
        for name in classes
    ]
    came = rows["actual"].map(colours).astype(object).fillna("rgba(0,0,0,0)").tolist()
    look = {"mode": "markers", "marker": {"color": came, "symbol": "square", "size": 6}, "showlegend": False}
    words = {"text": [_label(str(name)) for name in rows["actual"]], "hovertemplate": "came: %{text}<extra></extra>"}
    truth = {"type": "scatter", "x": times, "y": [1.05] * len(rows), "name": "actual"} | look | words
    figure = _figure([*bars, truth], 440, "probability", {"range": [0, 1.1], "tickformat": ".0%"})
    figure["layout"] |= {"barmode": "stack", "bargap": 0}
    return figure


def levels(forecasts: pd.DataFrame) -> list[float]:
    """The quantile levels that some model forecast, in order."""
    return sorted(tidy_columns(forecasts).levels.values())


def equity(book: Book) -> Figure:
    """What was earned, as a share of the capital."""
    curves = {name: (1 + returns).cumprod() - 1 for name, returns in drawn_returns(book).items()}
    traces = [_trace(curves[name], label, _money_line(name)) for name, label in one_name_per_line(curves).items()]
    return _figure(traces, 380, "earned", _ZERO | {"tickformat": ".0%"})


def drawdowns(book: Book) -> Figure:
    """Loss since the highest equity so far."""
    losses = {name: drawdown(returns) for name, returns in drawn_returns(book).items() if name != "before costs"}
    traces = [_trace(losses[name], label, _money_line(name)) for name, label in one_name_per_line(losses).items()]
    traces[0] |= {"fill": "tozeroy", "fillcolor": _faded(style.COLOURS[0])}
    return _figure(traces, 260, "drawdown", {"tickformat": ".0%"})


def rolling_sharpe(book: Book, window: int) -> Figure:
    """Annual Sharpe ratio of the last ``window`` bars, of the strategy and its benchmark."""
    sharpes, riskless = {}, cash_returns(book.returns.index, book.cash_rate)
    for name, returns in drawn_returns(book).items():
        if name == "before costs":
            continue
        rolling = (returns - riskless).rolling(window)
        deviation = rolling.std()
        sharpe = np.sqrt(book.periods_per_year) * rolling.mean() / deviation.where(deviation > 1e-12)
        sharpes[name] = sharpe.iloc[window - 1 :]
    traces = [_trace(sharpes[name], label, _money_line(name)) for name, label in one_name_per_line(sharpes).items()]
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
    bar = {"type": "bar", "marker": {"color": style.BARS}, "hovertemplate": f"%{{y:{form}}}<extra></extra>"}
    return bar | {"x": _axis(values.index), "y": _rounded(values)}


def _figure(
    traces: Sequence[dict[str, Any]],
    height: int,
    unit: str,
    y: Mapping[str, Any] = MappingProxyType({}),
    x: Mapping[str, Any] = MappingProxyType({}),
) -> Figure:
    """One quiet style for all: no box, light lines, the legend above."""
    axis = {"gridcolor": style.GRID, "linecolor": style.AXIS, "zeroline": False, "automargin": True}
    layout = {
        "height": height,
        "margin": {"t": 36 if len(traces) > 1 else 12, "b": 36, "l": 8, "r": 8},
        "font": {"family": style.CSS_FONTS, "size": 13, "color": style.TEXT},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "hovermode": "x unified",
        "xaxis": axis | {"showgrid": False, "showline": True, "ticks": "outside", "tickcolor": style.AXIS} | {**x},
        "yaxis": axis | {"showline": False, "title": _title(unit)} | {**y},
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


def _money_line(name: str) -> dict[str, Any]:
    return _plotly(LINES.get(name, OTHER))


def _trace(
    values: pd.Series[float], name: str, line: Mapping[str, Any], mode: str = "lines", **options: Any
) -> dict[str, Any]:
    axes = {"x": _axis(values.index), "y": _rounded(values)}
    return {"type": "scatter", **axes, "name": _label(name), "line": dict(line), "mode": mode} | options


def _plotly(line: style.Line) -> dict[str, Any]:
    return {"color": line.colour, "dash": line.dash, "width": line.width}


def _faded(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgba({red},{green},{blue},{style.BAND})"


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
