"""The command download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsseq.errors import ConfigError


def download(
    tickers: Annotated[list[str], typer.Argument(help="Yahoo's symbols, such as AAPL or ^GSPC.")],
    output: Annotated[Path, typer.Option(help="File to write; its name ends in .parquet or .csv.")],
    start: Annotated[str | None, typer.Option(help="First date, such as 2015-01-31; all history unless told.")] = None,
    end: Annotated[str | None, typer.Option(help="The date after the last one; until now unless told.")] = None,
    adjust: Annotated[bool, typer.Option(help="Adjust prices for dividends.")] = True,
    cache_dir: Annotated[Path | None, typer.Option(help="Folder of the cache; the user's unless told.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail unless every ticker has all its bars.")] = False,
) -> None:
    """Download daily prices from Yahoo into a file with the columns id, time and prices."""
    import tsseq

    if output.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--output {output} must end in .parquet or .csv.")
    prices = tsseq.download_prices(tickers, start, end, adjust=adjust, cache_dir=cache_dir, strict=strict)
    table = prices.panel.reset_index()
    if output.suffix == ".csv":
        table.to_csv(output, index=False)
    else:
        table.to_parquet(output, index=False)
    typer.echo(prices.report.to_string(na_rep=""), err=True)
    typer.echo(f"Prices: {output}, {len(table)} rows; read it with --id-column id --time-column time", err=True)
