"""The commands demo, download, fit, update, predict, backtest and info."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

import tsseq
from tsseq.cli.files import read, read_like, write
from tsseq.cli.models import MODELS, forecaster
from tsseq.errors import ConfigError, TsseqError

PACKAGES = ("torch", "pytorch-lightning", "scikit-learn", "pandas", "numpy", "exchange-calendars")
# Arguments and options that several commands share.
Source = Annotated[Path, typer.Argument(help="A CSV or parquet file with a header.")]
Target = Annotated[str, typer.Option(help="Column to forecast.")]
Horizon = Annotated[int, typer.Option(help="Rows to forecast.")]
Model = Annotated[str, typer.Option(help=f"One of {', '.join(MODELS)}.")]
Models = Annotated[list[str], typer.Option("--model", help=f"One of {', '.join(MODELS)}; may be repeated.")]
Context = Annotated[int, typer.Option(help="Rows of history that a forecast reads.")]
TimeColumn = Annotated[str | None, typer.Option(help="Column of timestamps. Default: the first column.")]
IdColumn = Annotated[str | None, typer.Option(help="Column of series ids, when the file holds several series.")]
_CODES = "Exchange code (XNYS) or pandas offset (B, MS). Default: learnt from the timestamps."
Calendar = Annotated[str | None, typer.Option(help=_CODES)]
_REFIT = (
    "When to fit anew: a pandas offset (YE: each year), or k for every k-th cutoff; after 'update ', when to go on."
)
Weight = Annotated[str | None, typer.Option(help="Column of what each row counts in training. Default: all alike.")]
Log = Annotated[bool, typer.Option("--log", help="Model logarithms, as suits prices.")]
Epochs = Annotated[int, typer.Option(help="Epochs of training at most.")]
Levels = Annotated[list[float] | None, typer.Option("--level", help="Quantile level in 0..1; may be repeated.")]

app = typer.Typer(
    help="Time-series forecasting with sequence models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(report: Annotated[Path, typer.Option(help="HTML file to write the report to.")] = Path("report.html")) -> None:
    """Forecast the S&P 500 five days ahead and find out whether it was worth anything."""
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


@app.command()
def download(
    tickers: Annotated[list[str], typer.Argument(help="Yahoo's symbols, such as AAPL or ^GSPC.")],
    output: Annotated[Path, typer.Option(help="File to write; its name ends in .parquet or .csv.")],
    start: Annotated[str | None, typer.Option(help="First date, such as 2015-01-31. Default: all history.")] = None,
    end: Annotated[str | None, typer.Option(help="The date after the last one. Default: until now.")] = None,
    adjust: Annotated[bool, typer.Option(help="Adjust prices for dividends.")] = True,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder of the cache. Default: the user's cache.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail if a ticker lacks bars.")] = False,
) -> None:
    """Download daily prices from Yahoo into a file with the columns id, time and prices."""
    if output.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--output {output} must end in .parquet or .csv.")
    prices = tsseq.download_prices(tickers, start, end, adjust=adjust, cache_dir=cache_dir, strict=strict)
    table = prices.panel.reset_index()
    write_table = table.to_csv if output.suffix == ".csv" else table.to_parquet
    write_table(output, index=False)
    typer.echo(prices.report.to_string(na_rep=""), err=True)
    typer.echo(f"Prices: {output}, {len(table)} rows; read it with --id-column id --time-column time", err=True)


@app.command()
def fit(  # noqa: PLR0913 (an option each)
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
    weight: Weight = None,
    output: Annotated[Path, typer.Option(help="Model file to write.")] = Path("model.tsseq"),
) -> None:
    """Fit a model on a whole file and write it to a model file."""
    frame, columns = read(source, time_column, id_column)
    roles: dict[str, Any] = {"target": target, "calendar": calendar, "log": log, "weight": weight, **columns}
    with redirect_stdout(sys.stderr):  # where progress belongs
        fitted = forecaster(model, frame, horizon, context_length, max_epochs, level, **roles).fit(frame)
    fitted.save(output)
    typer.echo(f"Model: {output}, fitted until {fitted.fitted_until_}", err=True)


@app.command()
def update(
    model: Annotated[Path, typer.Argument(help="A model file, as fit writes it.")],
    source: Annotated[Path, typer.Argument(help="CSV or parquet file of the rows since, with the same columns.")],
    output: Annotated[Path | None, typer.Option(help="Model file to write. Default: the same one.")] = None,
) -> None:
    """Read a model file, go on from it with the rows of a file, and write it."""
    fitted, output = tsseq.load(model), model if output is None else output
    with redirect_stdout(sys.stderr):
        fitted.update(read_like(source, fitted))
    fitted.save(output)
    typer.echo(f"Model: {output}, fitted until {fitted.fitted_until_}", err=True)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model file, as fit writes it.")],
    source: Annotated[
        Path | None, typer.Argument(help="CSV or parquet file to forecast from. Default: what the model was fitted on.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Rows to forecast. Default: the model's horizon.")] = None,
    level: Levels = None,
    proba: Annotated[bool, typer.Option("--proba", help="Also write the probability of each category.")] = False,
    output: Annotated[Path | None, typer.Option(help="CSV file to write. Default: the terminal.")] = None,
) -> None:
    """Read a model file and forecast the rows after the end of a file with the same columns."""
    fitted = tsseq.load(model)
    frame = None if source is None else read_like(source, fitted)
    write(fitted, fitted.predict(frame, steps=steps, levels=level or None, proba=proba), output)


@app.command()
def backtest(  # noqa: PLR0913 (an option each)
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
    n_cutoffs: Annotated[int, typer.Option(help="Cutoffs to forecast from.")] = 20,
    stride: Annotated[int | None, typer.Option(help="Rows between cutoffs. Default: the horizon.")] = None,
    refit: Annotated[str | None, typer.Option(help=_REFIT)] = None,
    weight: Weight = None,
    report: Annotated[Path | None, typer.Option(help="HTML file to write a report to.")] = None,
) -> None:
    """Compare models and naive forecasts at past cutoffs of a file."""
    frame, columns = read(source, time_column, id_column)
    roles: dict[str, Any] = {"target": target, "calendar": calendar, "log": log, "weight": weight, **columns}
    models = {name: forecaster(name, frame, horizon, context_length, max_epochs, **roles) for name in model}
    fits = False if refit is None else int(refit) if refit.isdecimal() else refit
    result = tsseq.backtest(models, frame, n_cutoffs=n_cutoffs, stride=stride, refit=fits)
    _show(result)
    if report is not None:
        typer.echo(f"\nReport: {tsseq.report(result, path=report)}")


@app.command()
def info() -> None:
    """Show versions and devices."""
    import torch

    python = f"python {platform.python_version()} on {platform.system()} {platform.machine()}"
    packages = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    typer.echo("\n".join([f"tsseq {tsseq.__version__}", python, *packages]))
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    typer.echo(f"{torch.get_num_threads()} CPU threads; GPUs: {', '.join(gpus) or 'none'}")


def main() -> None:
    """Run the command that the process's arguments name; an error of tsseq or of the disk is one line and exit code 1.

    Raises
    ------
    SystemExit
        Always; the exit code is 0 if the command succeeded.
    """
    try:
        app(standalone_mode=True)
    except (TsseqError, OSError) as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        raise SystemExit(1) from None


def _show(result: tsseq.BacktestResult) -> None:
    """Print the score table, with p-values against the last value, and what it means or makes suspicious."""
    from tsseq.data.tidy import NAIVE, tidy_columns
    from tsseq.metrics import metrics_for

    columns = tidy_columns(result.forecasts)
    naive = "repeating the last value" if columns.classes is None else "the frequencies of the categories"
    headline = metrics_for(columns.levels.values(), 0 if columns.classes is None else len(columns.classes))
    metrics = [name for name, metric in headline.items() if metric.headline]
    p_values = result.compare(alternative="less")["p_value"]
    typer.echo(f"\n{result.scores[metrics].join(p_values.rename('p (better)')).round(4).to_string(na_rep='')}")
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
