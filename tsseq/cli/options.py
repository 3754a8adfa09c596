"""Arguments and options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsseq.cli.models import MODELS

Source = Annotated[Path, typer.Argument(help="A CSV or parquet file with a header.")]
Target = Annotated[str, typer.Option(help="Column to forecast.")]
Horizon = Annotated[int, typer.Option(help="Rows to forecast.")]
Model = Annotated[str, typer.Option(help=f"One of {', '.join(MODELS)}.")]
Models = Annotated[list[str], typer.Option("--model", help=f"One of {', '.join(MODELS)}; may be repeated.")]
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
Output = Annotated[Path | None, typer.Option(help="CSV file to write; the terminal unless told.")]
