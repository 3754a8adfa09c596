"""The commands: demo, download, fit, predict, forecast, backtest, info."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from tsseq.cli.download import download
from tsseq.cli.files import read, read_like, write
from tsseq.cli.models import forecaster
from tsseq.cli.options import (
    Calendar,
    Context,
    Epochs,
    Horizon,
    IdColumn,
    Levels,
    Log,
    Model,
    Models,
    Output,
    Report,
    Source,
    Target,
    TimeColumn,
)
from tsseq.errors import TsseqError

app = typer.Typer(
    help="Time-series forecasting with sequence models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(report: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("report.html")) -> None:
    """Forecast the S&P 500 five days ahead and find out whether it was worth anything."""
    import tsseq
    from tsseq import Costs

    prices = tsseq.load_sample("sp500")
    typer.echo(f"S&P 500, {len(prices)} daily bars from {prices.index[0].date()} to {prices.index[-1].date()}.")
    shared: dict[str, Any] = {"target": "close", "log": True, "calendar": "XNYS"}
    models = {name: forecaster(name, prices, 5, 60, 10, **shared) for name in ("lstm", "gru", "ridge")}
    typer.echo(
        "Fitting LSTM, GRU and ridge on the rows up to the first of 150 cutoffs, then forecasting 5 days from each."
    )
    result = tsseq.backtest(models, prices, n_cutoffs=150, stride=5)
    weights = tsseq.to_weights(result.forecasts, prices, model="lstm", rule="sign", short=False)
    book = tsseq.simulate(weights, prices, costs=Costs(bps=5, slippage_bps=2))
    _show(result)
    stats = pd.DataFrame({"long/flat by lstm, net": book.stats(), "buy and hold": _held(book)})
    typer.echo("\nTrading the LSTM's sign, long or flat, filled at the next open, 7 bp per unit traded:")
    typer.echo(stats.round(3).to_string(na_rep=""))
    typer.echo(f"\nReport: {tsseq.report(result, book, report)}")


app.command()(download)


@app.command()
def fit(
    source: Source,
    target: Target,
    horizon: Horizon,
    model: Model = "lstm",
    context_length: Context = 60,
    time_column: TimeColumn = None,
    id_column: IdColumn = None,
    calendar: Calendar = None,
    log: Log = False,
    max_epochs: Epochs = 10,
    level: Levels = None,
    output: Annotated[Path, typer.Option(help="Model file to write.")] = Path("model.tsseq"),
) -> None:
    """Fit a model on a whole file and write it to a model file."""
    frame, names = read(source, time_column, id_column)
    roles: dict[str, Any] = {"target": target, "calendar": calendar, "log": log, **names}
    with redirect_stdout(sys.stderr):  # where progress belongs
        fitted = forecaster(model, frame, horizon, context_length, max_epochs, level, **roles).fit(frame)
    fitted.save(output)
    typer.echo(f"Model: {output}, fitted until {fitted.fitted_until_}", err=True)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model file, as fit writes it.")],
    source: Annotated[
        Path | None, typer.Argument(help="CSV or parquet file to forecast from; what the model was fitted on, if none.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Rows to forecast; the model's horizon unless told.")] = None,
    level: Levels = None,
    output: Output = None,
) -> None:
    """Read a model file and forecast the rows after the end of a file with the same columns."""
    import tsseq

    fitted = tsseq.load(model)
    frame = None if source is None else read_like(source, fitted)
    write(fitted, fitted.predict(frame, steps=steps, levels=level or None), output)


@app.command()
def forecast(
    source: Source,
    target: Target,
    horizon: Horizon,
    model: Model = "lstm",
    context_length: Context = 60,
    time_column: TimeColumn = None,
    id_column: IdColumn = None,
    calendar: Calendar = None,
    log: Log = False,
    max_epochs: Epochs = 10,
    level: Levels = None,
    output: Output = None,
) -> None:
    """Fit and predict at once: fit a model on a whole file and forecast the rows after its end."""
    frame, names = read(source, time_column, id_column)
    roles: dict[str, Any] = {"target": target, "calendar": calendar, "log": log, **names}
    with redirect_stdout(sys.stderr):  # where progress belongs
        fitted = forecaster(model, frame, horizon, context_length, max_epochs, level, **roles).fit(frame)
    write(fitted, fitted.predict(levels=level or None), output)


@app.command()
def backtest(
    source: Source,
    target: Target,
    horizon: Horizon,
    model: Models = ["lstm", "ridge"],  # noqa: B006
    context_length: Context = 60,
    time_column: TimeColumn = None,
    id_column: IdColumn = None,
    calendar: Calendar = None,
    log: Log = False,
    max_epochs: Epochs = 10,
    n_cutoffs: Annotated[int, typer.Option(help="Origins to forecast from.")] = 20,
    step: Annotated[int | None, typer.Option(help="Rows between origins; the horizon unless told.")] = None,
    report: Report = None,
) -> None:
    """Compare models and naive forecasts at past cutoffs of a file."""
    import tsseq

    frame, names = read(source, time_column, id_column)
    roles: dict[str, Any] = {"target": target, "calendar": calendar, "log": log, **names}
    models = {name: forecaster(name, frame, horizon, context_length, max_epochs, **roles) for name in model}
    result = tsseq.backtest(models, frame, n_cutoffs=n_cutoffs, stride=step)
    _show(result)
    if report is not None:
        typer.echo(f"\nReport: {tsseq.report(result, path=report)}")


@app.command()
def info() -> None:
    """Show versions and devices."""
    import torch

    import tsseq

    names = ("torch", "pytorch-lightning", "scikit-learn", "pandas", "numpy", "exchange-calendars")
    typer.echo(
        f"tsseq {tsseq.__version__}\npython {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    for name in names:
        typer.echo(f"{name} {importlib.metadata.version(name)}")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    typer.echo(f"{torch.get_num_threads()} CPU threads; GPUs: {', '.join(gpus) or 'none'}")


def main() -> None:
    """Run the command; an error of ours, or of the disk, is one line, not a traceback."""
    try:
        app(standalone_mode=True)
    except (TsseqError, OSError) as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        raise SystemExit(1) from None


def _show(result: Any) -> None:
    """Print the score table, with p-values against the last value, and what it means."""
    from tsseq.evaluation.result import NAIVE

    shown = [name for name in ("MAE", "RMSE", "MASE", "sMAPE", "skill", "pinball", "coverage") if name in result.scores]
    table = result.scores[shown].join(result.compare(alternative="less")["p_value"].rename("p (better)"))
    typer.echo(f"\n{table.round(4).to_string(na_rep='')}")
    typer.echo("\np: Diebold-Mariano test that the model is more accurate than the last value (one-sided).")
    better = [name for name, p in table["p (better)"].items() if p < 0.05 and name not in NAIVE]
    if better:
        typer.echo(f"Better than repeating the last value: {', '.join(better)}.")
    else:
        typer.echo("No model beats repeating the last value. That is the usual answer for prices, and worth knowing.")


def _held(book: Any) -> pd.Series:
    from tsseq.trading.statistics.returns import STATISTICS

    pairs = STATISTICS.items() if isinstance(STATISTICS, dict) else [(f.__name__, f) for f in STATISTICS]
    return pd.Series({name: function(book.benchmark) for name, function in pairs})
