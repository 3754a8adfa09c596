"""Arguments and options that several commands share."""

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
TimeColumn = Annotated[str | None, typer.Option(help="Column of timestamps. Default: the first column.")]
IdColumn = Annotated[str | None, typer.Option(help="Column of series ids, when the file holds several series.")]
Calendar = Annotated[
    str | None, typer.Option(help="Exchange code (XNYS) or pandas offset (B, MS). Default: learnt from the timestamps.")
]
Log = Annotated[bool, typer.Option("--log", help="Model logarithms, as suits prices.")]
Epochs = Annotated[int, typer.Option(help="Epochs of training at most.")]
Levels = Annotated[list[float] | None, typer.Option("--level", help="Quantile level in 0..1; may be repeated.")]
