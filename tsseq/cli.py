"""The command ``tsseq``: demo, predict, backtest, info."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from tsseq.errors import ConfigError, DataError, TsseqError

app = typer.Typer(
    help="Time-series forecasting with sequence models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

MODELS = ("lstm", "gru", "rnn", "linear", "ridge")
Source = Annotated[Path, typer.Argument(help="A CSV or parquet file with a header.")]
Target = Annotated[str, typer.Option(help="Column to forecast.")]
Horizon = Annotated[int, typer.Option(help="Rows to forecast.")]
Context = Annotated[int, typer.Option(help="Rows of history that a forecast reads.")]
TimeColumn = Annotated[str | None, typer.Option(help="Column of timestamps; the first column unless told.")]
IdColumn = Annotated[str | None, typer.Option(help="Column of series ids, when the file holds several series.")]
Calendar = Annotated[
    str | None, typer.Option(help="Exchange code (XNYS) or pandas offset (B, MS); learnt unless told.")
]
Log = Annotated[bool, typer.Option("--log", help="Model logarithms, as suits prices.")]
Epochs = Annotated[int, typer.Option(help="Epochs of training at most.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")]
Levels = Annotated[list[float] | None, typer.Option("--level", help="Quantile level in 0..1; may be repeated.")]


@app.command()
def demo(report: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("report.html")) -> None:
    """Forecast the S&P 500 five days ahead and find out whether it was worth anything."""
    import tsseq
    from tsseq import Costs

    prices = tsseq.load_sample("sp500")
    typer.echo(f"S&P 500, {len(prices)} daily bars from {prices.index[0].date()} to {prices.index[-1].date()}.")
    shared: dict[str, Any] = {"target": "close", "log": True, "calendar": "XNYS"}
    models = {name: _forecaster(name, 5, 60, 10, None, **shared) for name in ("lstm", "gru", "ridge")}
    typer.echo(
        "Fitting LSTM, GRU and ridge on the rows up to the first of 150 cutoffs, then forecasting 5 days from each."
    )
    result = tsseq.backtest(models, prices, n_cutoffs=150, step=5)
    weights = tsseq.to_weights(result.forecasts, prices, model="lstm", rule="sign", short=False)
    book = tsseq.simulate(weights, prices, costs=Costs(bps=5, slippage_bps=2))
    _show(result)
    stats = pd.DataFrame({"long/flat by lstm, net": book.stats(), "buy and hold": _held(book)})
    typer.echo("\nTrading the LSTM's sign, long or flat, filled at the next open, 7 bp per unit traded:")
    typer.echo(stats.round(3).to_string(na_rep=""))
    typer.echo(f"\nReport: {tsseq.report(result, book, report)}")


@app.command()
def predict(
    source: Source,
    target: Target,
    horizon: Horizon,
    model: Annotated[str, typer.Option(help=f"One of {', '.join(MODELS)}.")] = "lstm",
    context_length: Context = 60,
    time_column: TimeColumn = None,
    id_column: IdColumn = None,
    calendar: Calendar = None,
    log: Log = False,
    max_epochs: Epochs = 10,
    level: Levels = None,
    output: Annotated[Path | None, typer.Option(help="CSV file to write; the terminal unless told.")] = None,
) -> None:
    """Fit on a whole file and forecast the rows after its end."""
    frame, names = _read(source, time_column, id_column)
    forecaster = _forecaster(
        model, horizon, context_length, max_epochs, level, target=target, calendar=calendar, log=log, **names
    )
    text = forecaster.fit(frame).predict(levels=level or None).to_csv(index=id_column is None)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
        typer.echo(f"Forecasts: {output}", err=True)


@app.command()
def backtest(
    source: Source,
    target: Target,
    horizon: Horizon,
    model: Annotated[list[str], typer.Option(help=f"One of {', '.join(MODELS)}; may be repeated.")] = ["lstm", "ridge"],  # noqa: B006
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

    frame, names = _read(source, time_column, id_column)
    roles: dict[str, Any] = {"target": target, "calendar": calendar, "log": log, **names}
    models = {name: _forecaster(name, horizon, context_length, max_epochs, None, **roles) for name in model}
    result = tsseq.backtest(models, frame, n_cutoffs=n_cutoffs, step=step)
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
    """Run the command; an error of ours is one line, not a traceback."""
    try:
        app(standalone_mode=True)
    except TsseqError as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        raise SystemExit(1) from None


def _read(source: Path, time_column: str | None, id_column: str | None) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """Read a file: with an id column as a long frame, else with the timestamps as its index."""
    if not source.is_file():
        raise DataError(f"{source} is no file.")
    frame = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source)
    if time_column is None and not isinstance(frame.index, pd.RangeIndex):
        return frame, {}
    time_column = frame.columns[0] if time_column is None else time_column
    if time_column not in frame:
        raise DataError(f"column {time_column!r} is not in {source}; it has {list(frame.columns)}.")
    if id_column is not None:
        return frame, {"id_column": id_column, "time_column": time_column}
    try:
        stamps = pd.to_datetime(frame[time_column])
    except (ValueError, TypeError) as error:
        raise DataError(
            f"column {time_column!r} of {source} holds no dates ({error}); name another with --time-column."
        ) from error
    return frame.drop(columns=time_column).set_index(pd.DatetimeIndex(stamps)), {}


def _forecaster(
    name: str, horizon: int, context_length: int, max_epochs: int, levels: list[float] | None, **roles: Any
) -> Any:
    import tsseq
    from tsseq import Quantiles, Training

    if name == "ridge":
        from sklearn.linear_model import Ridge

        return tsseq.Forecaster(Ridge(), horizon, context_length, **roles)
    classes = {"lstm": "LSTMForecaster", "gru": "GRUForecaster", "rnn": "RNNForecaster", "linear": "LinearForecaster"}
    if name not in classes:
        raise ConfigError(f"--model {name} is unknown; it is one of {', '.join(MODELS)}.")
    head = Quantiles(levels) if levels else None
    return getattr(tsseq, classes[name])(
        horizon, context_length, head=head, training=Training(max_epochs=max_epochs), **roles
    )


def _show(result: Any) -> None:
    """Print the score table, with p-values against the last value, and what it means."""
    from tsseq.backtesting.result import NAIVE

    table = result.scores.join(result.compare(alternative="less")["p_value"].rename("p (better)"))
    typer.echo(f"\n{table.round(4).to_string(na_rep='')}")
    typer.echo("\np: Diebold-Mariano test that the model is more accurate than the last value (one-sided).")
    better = [name for name, p in table["p (better)"].items() if p < 0.05 and name not in NAIVE]
    if better:
        typer.echo(f"Better than repeating the last value: {', '.join(better)}.")
    else:
        typer.echo("No model beats repeating the last value. That is the usual answer for prices, and worth knowing.")


def _held(book: Any) -> pd.Series:
    from tsseq.backtesting.performance import STATISTICS

    pairs = STATISTICS.items() if isinstance(STATISTICS, dict) else [(f.__name__, f) for f in STATISTICS]
    return pd.Series({name: function(book.benchmark) for name, function in pairs})


if __name__ == "__main__":
    main()
