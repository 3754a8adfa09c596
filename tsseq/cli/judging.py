"""The commands backtest, audit, report and demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tsseq
from tsseq import cli
from tsseq.cli.modelling import check_picture, save_picture
from tsseq.cli.models import forecaster
from tsseq.cli.options import Data, Model, Models, NCutoffs, Output, Refit, Stride, reads_data
from tsseq.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from tsseq.forecasting import BaseForecaster

LEAKS = 3  # exit code


@reads_data
def backtest(  # noqa: PLR0913 (an option each)
    data: Data,
    model: Models = ["lstm", "ridge"],  # noqa: B006
    n_cutoffs: NCutoffs = 20,
    stride: Stride = None,
    refit: Refit = None,
    level: Annotated[
        list[float] | None,
        typer.Option(help="Quantile level, or level of sets of categories, to forecast; may be repeated."),
    ] = None,
    output: Output = None,
    plot: Annotated[Path | None, typer.Option(help="PNG, SVG or PDF file to draw the skill by step into.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML file to write a report to.")] = None,
) -> None:
    """Compare models and naive forecasts at past cutoffs of a file; with --output, write all forecasts."""
    if plot is not None:
        check_picture(plot)
    frame, models = data.read(model, level)
    result = _result(models, frame, n_cutoffs, stride, refit, level)
    if output is not None:
        cli.files.write(result.forecasts, output, sep=data.sep)
    if output is None or output.name != "-":
        _show(result)
    if plot is not None:
        save_picture(result.plot(), plot)
    if report is not None:
        typer.echo(f"Report: {tsseq.report(result, path=report)}", err=True)


@reads_data
def audit(
    data: Data,
    model: Model = "lstm",
    n_cutoffs: Annotated[int, typer.Option(help="Cutoffs at which the future is poisoned.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of shuffles, and of models without one.")] = 0,
    output: Output = None,
) -> None:
    """Try to catch a model or its data looking ahead, or forecasting nothing; exit code 3 if the future is in there."""
    from tsseq.reporting.forecasts import leaks

    frame, models = data.read([model])
    (leader,) = models.values()
    table = tsseq.audit(leader, frame, n_cutoffs, seed)
    if output is not None:
        cli.files.write(table, output, sep=data.sep)
    else:
        _show_audit(table)
    if leaks(table):
        raise typer.Exit(LEAKS)


@reads_data
def report(
    data: Data,
    model: Models = ["lstm", "ridge"],  # noqa: B006
    n_cutoffs: NCutoffs = 20,
    stride: Stride = None,
    refit: Refit = None,
    bps: Annotated[
        float | None,
        typer.Option(help="Also trade the first model's sign, long or flat, at so many basis points per unit traded."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Write a page about a backtest and an audit of the first model, and with --bps about money."""
    frame, models = data.read(model)
    name, leader = next(iter(models.items()))
    has_categories = leader.to_panel(frame).classes is not None
    if has_categories and bps is not None:
        raise ConfigError("--bps trades forecasts of numbers, and the target holds categories.")
    result = _result(models, frame, n_cutoffs, stride, refit, None)
    findings, book = None if has_categories else tsseq.audit(leader, frame), None
    if has_categories:
        typer.echo("No audit: it is of numbers, and the target holds categories.", err=True)
    if bps is not None:
        schema = leader.task.schema
        columns = schema.id_column, schema.time_column
        prices = frame if schema.id_column is None else cli.files.indexed(data.source, frame, *columns)
        weights = tsseq.to_weights(result.forecasts, prices, model=name, rule="sign", allow_short=False)
        book = tsseq.simulate(weights, prices, costs=tsseq.Costs(bps=bps), price=data.target)
    _show(result)
    page = tsseq.report(result, book, output, title=f"{data.target} of {data.source.stem}", audit=findings)
    typer.echo(f"Report: {page}", err=True)


def demo(report: Annotated[Path, typer.Option(help="HTML file to write the report to.")] = Path("report.html")) -> None:
    """Forecast the S&P 500 five days ahead and find out whether it was worth anything."""
    import pandas as pd

    from tsseq.trading.statistics import statistics_of

    prices = tsseq.load_sample("sp500")
    typer.echo(f"S&P 500, {len(prices)} daily bars from {prices.index[0].date()} to {prices.index[-1].date()}.")
    roles: dict[str, Any] = {"target": "close", "log": True, "calendar": "XNYS"}
    models = {name: forecaster(name, prices, 5, 60, 10, **roles) for name in ("lstm", "gru", "ridge")}
    rows = "the rows up to the first of 150 cutoffs"
    typer.echo(f"Fitting LSTM, GRU and ridge on {rows}, then forecasting 5 days from each.")
    result = tsseq.backtest(models, prices, n_cutoffs=150, stride=5)
    weights = tsseq.to_weights(result.forecasts, prices, model="lstm", rule="sign", allow_short=False)
    book = tsseq.simulate(weights, prices, costs=tsseq.Costs(bps=5, slippage_bps=2))
    _show(result)
    passive = pd.Series(statistics_of(book.benchmark, periods_per_year=book.periods_per_year))
    stats = pd.DataFrame({"long/flat by lstm, net": book.stats(), "buy and hold": passive})
    typer.echo("\nTrading the LSTM's sign, long or flat, filled at the next open, 7 bp per unit traded:")
    typer.echo(stats.round(3).to_string(na_rep=""))
    typer.echo(f"\nReport: {tsseq.report(result, book, report)}")


def _result(
    models: dict[str, BaseForecaster],
    frame: pd.DataFrame,
    n_cutoffs: int,
    stride: int | None,
    refit: str | None,
    levels: list[float] | None,
) -> tsseq.BacktestResult:
    fits = False if refit is None else int(refit) if refit.isdecimal() else refit
    return tsseq.backtest(models, frame, n_cutoffs=n_cutoffs, stride=stride, refit=fits, levels=levels or None)


def _show(result: tsseq.BacktestResult) -> None:
    """Print the score table, with p-values against the last value, and what it means or makes suspicious."""
    from tsseq.data.tidy import NAIVE, YARDSTICKS, tidy_columns
    from tsseq.metrics import metrics_for

    columns, naive = tidy_columns(result.forecasts), YARDSTICKS[result.benchmark]
    n_classes = 0 if columns.classes is None else len(columns.classes)
    headline = metrics_for([*columns.levels.values(), *columns.sets], n_classes)
    metrics = [name for name, metric in headline.items() if metric.headline]
    p_values = result.compare(alternative="less")["p_value"]
    typer.echo(f"{result.scores[metrics].join(p_values.rename('p (better)')).round(4).to_string(na_rep='')}")
    typer.echo(f"\np: Diebold-Mariano test that the model is more accurate than {naive} (one-sided).")
    better = [name for name, p_value in p_values.items() if p_value < 0.05 and name not in NAIVE]
    suspicions = "".join(f"\n- {sentence}" for sentence in result.suspicions())
    if suspicions:
        start = "Too good to be true: look" if better else f"No model beats {naive}. Look"
        typer.echo(f"{start} for the future in the data.{suspicions}")
        return
    usual = " That is the usual answer for prices, and worth knowing." if columns.classes is None else ""
    none = f"No model beats {naive}.{usual}"
    typer.echo(f"Better than {naive}: {', '.join(better)}." if better else none)


def _show_audit(table: pd.DataFrame) -> None:
    """Print a line per check that applies: whether it passed, and what that means."""
    applicable = table[table["passed"].notna()]
    for passed, check, meaning in applicable[["passed", "check", "meaning"]].itertuples(index=False):
        typer.echo(f"{'ok' if passed else 'LOOK':6}{check}: {meaning}")
    rest = table.loc[table["passed"].isna(), "check"]
    typer.echo(f"Not applicable: {', '.join(rest) or 'nothing'}.")
