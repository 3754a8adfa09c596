"""The command ``tsseq``: its parts, and download and info."""

from __future__ import annotations

import importlib.metadata
import platform
import warnings
from pathlib import Path
from typing import Annotated

import typer

import tsseq
from tsseq import cli
from tsseq.cli.judging import audit, backtest, demo, report
from tsseq.cli.modelling import fit, future, plot, predict, update
from tsseq.errors import ConfigError, TsseqError

PACKAGES = ("torch", "pytorch-lightning", "scikit-learn", "pandas", "numpy", "exchange-calendars")
_CODES = "Exit codes: 0 success, 1 error, 2 wrong usage, 3 audit found the future in the data, 130 interrupted."

app = typer.Typer(
    help="Time-series forecasting with sequence models. Results go to standard output, the rest to standard error.",
    epilog=_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tsseq {tsseq.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Read the options before the name of a command."""


def download(
    tickers: Annotated[list[str], typer.Argument(help="Yahoo's symbols, such as AAPL or ^GSPC.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, .parquet or .csv; - is standard output.")
    ],
    start: Annotated[str | None, typer.Option(help="First date, such as 2015-01-31. Default: all history.")] = None,
    end: Annotated[str | None, typer.Option(help="The date after the last one. Default: until now.")] = None,
    adjust: Annotated[bool, typer.Option(help="Adjust prices for dividends.")] = True,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder of the cache. Default: the user's cache.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail if a ticker lacks bars.")] = False,
) -> None:
    """Download daily prices from Yahoo into a file with the columns id, time and prices."""
    if output.name != "-" and output.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--output {output} must end in .parquet or .csv.")
    prices = tsseq.download_prices(tickers, start, end, adjust=adjust, cache_dir=cache_dir, strict=strict)
    table = prices.panel.reset_index()
    cli.files.write(table, output)
    typer.echo(prices.report.to_string(na_rep=""), err=True)
    typer.echo("Read it with --id-column id --time-column time", err=True)


def info() -> None:
    """Show versions and devices."""
    import torch

    python = f"python {platform.python_version()} on {platform.system()} {platform.machine()}"
    packages = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    typer.echo("\n".join([f"tsseq {tsseq.__version__}", python, *packages]))
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    typer.echo(f"{torch.get_num_threads()} CPU threads; GPUs: {', '.join(gpus) or 'none'}")


for command in (demo, download, fit, update, predict, future, backtest, audit, report, plot, info):
    app.command()(command)


def main() -> None:
    """Run the command that the process's arguments name; an error of tsseq or of the disk is one line and exit code 1.

    Raises
    ------
    SystemExit
        Always; the exit code is 0 if the command succeeded.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            app(prog_name="tsseq")
        except (TsseqError, OSError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise SystemExit(1) from None


def _show_warning(message: Warning | str, *_: object) -> None:
    typer.echo(f"Warning: {message}", err=True)
