"""The figures of the report, as plotly figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tsseq.data.tidy import NAIVE, tidy_columns
from tsseq.reporting.html import joined
from tsseq.trading.book import Book
from tsseq.trading.statistics import drawdown, total_return

# Okabe and Ito's colours, told apart by colour-blind readers too; naive forecasts are grey and dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_GREYS = (("#444444", "dash"), ("#777777", "dot"), ("#999999", "dashdot"), ("#777777", "longdash"))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
_MOST_FANS = 8


def error_by_step(errors: Mapping[str, pd.Series[float]], targets: Sequence[str]) -> tuple[Any, list[str]]:
    """MAE over the step for every model, and the naive ones that are hidden since they would flatten the rest."""
    ceiling = 2 * errors["last_value"].max()
    hidden = [name for name, values in errors.items() if name in NAIVE[1:] and values.max() > ceiling]
    steps = len(errors["last_value"])
    mode = "lines+markers" if steps <= 30 else "lines"
    traces = [
        _trace(values, name, _line(name, list(errors)), mode=mode, visible="legendonly" if name in hidden else True)
        for name, values in errors.items()
    ]
    figure = _figure(traces, 360, f"MAE ({_label(joined(targets))})")
    figure.update_xaxes(title={"text": "rows ahead", "standoff": 6, "font": {"size": 12}})
    figure.update_xaxes(tick0=1, dtick=1 if steps <= 14 else None, tickformat="d")
    return figure.update_yaxes(rangemode="tozero"), hidden


def forecasts_and_truth(forecasts: pd.DataFrame, horizon: int, stride: int, last: int = 100) -> Any:
    """The last actual values of one series and one target, with forecasts from a few spaced cutoffs."""
    time = tidy_columns(forecasts).time
    actual = forecasts.drop_duplicates(time).set_index(time)["actual"].sort_index().dropna()
    actual = actual.iloc[-max(last, 2 * horizon) :]
    starts = forecasts[(forecasts["model"] == NAIVE[0]) & (forecasts["step"] == 1)].set_index("cutoff").sort_index()
    cutoffs = _spaced_cutoffs(starts[time], actual, horizon)
    models = [str(name) for name in forecasts["model"].unique()]
    # Where cutoffs lie further apart than the horizon, a line would bridge values that the backtest never saw.
    mode, truth = "markers" if stride > horizon else "lines", {"color": "#111111", "width": 2}
    traces = [_trace(actual, "actual", truth, marker={"color": "#111111", "size": 5}, mode=mode)]
    for name in models:
        rows = forecasts[(forecasts["model"] == name) & forecasts["cutoff"].isin(cutoffs)].sort_values("step")
        traces += _fans(rows, starts["forecast"], _line(name, models), name)
    return _figure(traces, 440, _label(str(forecasts["target"].iloc[0])))


def levels(forecasts: pd.DataFrame) -> list[float]:
    """The quantile levels that some model forecast, in order."""
    return sorted(tidy_columns(forecasts).levels.values())


def equity(book: Book) -> Any:
    """What one unit of capital became."""
    curves = _curves(book).items()
    traces = [_trace((1 + returns).cumprod().round(6), name, line) for name, (returns, line) in curves]
    return _figure(traces, 380, "equity (start = 1)")


def drawdowns(book: Book) -> Any:
    """Loss since the highest equity so far."""
    curves = _curves(book)
    del curves["before costs"]
    traces = [_trace(drawdown(returns).round(6), name, line) for name, (returns, line) in curves.items()]
    traces[0].update(fill="tozeroy", fillcolor=_faded(_COLOURS[0]))
    return _figure(traces, 260, "drawdown").update_yaxes(tickformat=".0%")


def monthly_returns(book: Book) -> Any:
    """Net returns by year and month, and of the whole year."""
    returns, index = book.returns, pd.DatetimeIndex(book.returns.index)
    by_month = returns.groupby([index.year, index.month]).agg(total_return).unstack().reindex(columns=range(1, 13))
    by_year = returns.groupby(index.year).agg(total_return)
    cells = 100 * np.column_stack([by_month.to_numpy(dtype=float), by_year.to_numpy(dtype=float)])  # (years, 13)
    bound = np.nanquantile(np.abs(cells[:, :12]), 0.95) or 1.0  # one wild month must not bleach all others
    heat = go.Heatmap(
        z=np.round(cells, 3).tolist(),
        x=[*_MONTHS, "Year"],
        y=[str(year) for year in by_year.index],
        text=[["" if np.isnan(v) else f"{v:z.1f}".replace("-", "−") for v in row] for row in cells],
        texttemplate="%{text}",
        textfont={"size": 10.5},
        hovertemplate="%{x} %{y}: %{text} %<extra></extra>",
        colorscale=[[0, "#c8553d"], [0.5, "#f7f7f5"], [1, "#2f78b0"]],
        **{"zmin": -bound, "zmax": bound, "showscale": False, "xgap": 2, "ygap": 2},
    )
    figure = _figure([heat], 60 + 30 * len(by_year), "")
    figure.update_layout(margin={"t": 30, "b": 8, "l": 44, "r": 4}, hovermode="closest")
    figure.update_xaxes(side="top", tickangle=0, showgrid=False, showline=False, ticks="", tickfont={"size": 10.5})
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False, ticks="")


def turnover(book: Book) -> Any:
    """Traded value by month as a multiple of equity."""
    index = pd.DatetimeIndex(book.turnover.index)
    traded = book.turnover.groupby([index.year, index.month]).sum()
    months = [f"{year:04d}-{month:02d}-01" for year, month in traded.index]
    bars = go.Bar(x=months, y=traded.tolist(), marker={"color": "#6b8fab"}, hovertemplate="%{y:.2f}<extra></extra>")
    style = {"hoverformat": "%b %Y", "tickformat": "%b %Y", "dtick": "M1" if len(months) <= 8 else None}
    return _figure([bars], 240, "× equity per month").update_xaxes(style)


def _figure(traces: Sequence[Any], height: int, unit: str) -> Any:
    """One quiet style for all: no box, light lines, the legend above."""
    axis = {"gridcolor": "#e9ecef", "linecolor": "#aab2ba", "zeroline": False, "automargin": True, "fixedrange": False}
    return go.Figure(
        traces,
        {
            "template": "none",
            "height": height,
            "margin": {"t": 36 if len(traces) > 1 else 12, "b": 36, "l": 8, "r": 8},
            "font": {"family": _FONT, "size": 13, "color": "#3d464f"},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
            "hovermode": "x unified",
            "xaxis": axis | {"showgrid": False, "showline": True, "ticks": "outside", "tickcolor": "#aab2ba"},
            "yaxis": axis | {"title": {"text": unit, "standoff": 8, "font": {"size": 12}}},
        },
    )


def _fans(rows: pd.DataFrame, starts: pd.Series[float], line: Mapping[str, Any], name: str) -> list[Any]:
    """Forecasts of one model as a line with gaps, each begun at the last value before its cutoff, over their band."""
    columns = tidy_columns(rows)
    bounds = sorted(columns.levels, key=lambda bound: columns.levels[bound])
    banded = len(bounds) > 1 and bool(rows[bounds].notna().all(axis=None))
    x, y, around, edge = [], [], [], []
    for cutoff, forecast in rows.groupby("cutoff"):
        times = _axis(pd.Index([cutoff]).append(pd.Index(forecast[columns.time])))
        start = float(starts[cutoff])
        x += [*times, None]
        y += [start, *forecast["forecast"], None]
        if banded:
            around += [*times, *times[:0:-1], None]
            edge += [start, *forecast[bounds[-1]], *forecast[bounds[0]][::-1], None]
    shared = {"legendgroup": name, "visible": "legendonly" if name in NAIVE[1:] else True, "mode": "lines"}
    traces = [go.Scatter(x=x, y=y, name=_label(name), line=line, **shared)]
    if banded:
        fill = {"fill": "toself", "fillcolor": _faded(line["color"]), "hoverinfo": "skip", "showlegend": False}
        traces.insert(0, go.Scatter(x=around, y=edge, line={"width": 0}, **fill, **shared))
    return traces


def _spaced_cutoffs(starts: pd.Series[Any], actual: pd.Series[float], horizon: int) -> list[Any]:
    """Cutoffs that begin within the shown values, as many as fit without touching one another."""
    cutoffs = starts.index[starts >= actual.index[0]] if len(actual) else starts.index
    most = min(len(cutoffs), _MOST_FANS, max(1, len(actual) // horizon))
    return list(cutoffs[np.unique(np.linspace(len(cutoffs) - 1, 0, most).round().astype(int))])


def _curves(book: Book) -> dict[str, tuple[pd.Series[float], dict[str, Any]]]:
    """The three return series of a book by name, with their lines."""
    return {
        "after costs": (book.returns, {"color": "#0072b2", "width": 2}),
        "before costs": (book.gross_returns, {"color": "#56b4e9", "width": 1.5, "dash": "dot"}),
        "buy and hold": (book.benchmark, {"color": "#777777", "width": 1.5}),
    }


def _trace(values: pd.Series[float], name: str, line: Mapping[str, Any], mode: str = "lines", **options: Any) -> Any:
    return go.Scatter(x=_axis(values.index), y=values.tolist(), name=_label(name), line=line, mode=mode, **options)


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


def _axis(times: pd.Index) -> list[Any]:
    """Times as plotly reads them: periods by their start, clocks as they are on the wall."""
    if isinstance(times, pd.PeriodIndex):
        times = times.to_timestamp()
    if isinstance(times, pd.DatetimeIndex):
        return [time.isoformat() for time in times.tz_localize(None)]
    return list(times)
