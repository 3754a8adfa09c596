"""Tables in CSV and parquet files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from tsseq.errors import DataError


def read(source: Path, time_column: str | None, id_column: str | None) -> tuple[pd.DataFrame, dict[str, str | None]]:
    """A table and the names of its columns: with an id column a long frame, else with the timestamps as its index."""
    frame = _table(source)
    if time_column is None and not isinstance(frame.index, pd.RangeIndex):
        return frame, {}
    time_column = frame.columns[0] if time_column is None else time_column
    _check_columns(source, frame, time_column)
    if id_column is not None:
        return frame, {"id_column": id_column, "time_column": time_column}
    return _indexed(source, frame, time_column), {}


def read_like(source: Path, model: Any) -> pd.DataFrame:
    """A table laid out as the one that ``model`` was fitted on."""
    frame, form = _table(source), model.panel_.frame_layout
    if form.kind == "wide":
        raise DataError(f"the model reads prices by ticker side by side, which {source} cannot hold; use Python.")
    if form.kind == "long" or not isinstance(frame.index, pd.RangeIndex):
        return frame
    id_name, time_name = form.names
    time_name = frame.columns[0] if time_name is None else time_name
    if form.kind == "single":
        _check_columns(source, frame, time_name)
        return _indexed(source, frame, time_name)
    _check_columns(source, frame, id_name, time_name)
    levels = [id_name, time_name] if form.id_level == 0 else [time_name, id_name]
    return frame.assign(**{time_name: _stamps(source, frame[time_name])}).set_index(levels)


def write(model: Any, forecasts: pd.DataFrame, output: Path | None) -> None:
    """Forecasts of ``model`` as CSV, into a file or onto the terminal."""
    text = forecasts.to_csv(index=model.panel_.frame_layout.kind != "long")
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
        typer.echo(f"Forecasts: {output}", err=True)


def _table(source: Path) -> pd.DataFrame:
    if not source.is_file():
        raise DataError(f"{source} is no file.")
    try:
        if source.suffix == ".parquet":
            return pd.read_parquet(source)
        return pd.read_csv(source, float_precision="round_trip")  # the numbers that were written, to the last bit
    except (ValueError, ImportError) as error:
        raise DataError(f"{source} cannot be read: {str(error).splitlines()[0]}") from error


def _check_columns(source: Path, frame: pd.DataFrame, *names: Any) -> None:
    for name in names:
        if name not in frame:
            raise DataError(f"column {name!r} is not in {source}; it has {list(frame.columns)}.")


def _indexed(source: Path, frame: pd.DataFrame, time_column: Any) -> pd.DataFrame:
    return frame.drop(columns=time_column).set_index(_stamps(source, frame[time_column]))


def _stamps(source: Path, column: pd.Series) -> pd.DatetimeIndex:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that dates of several formats take long
            return pd.DatetimeIndex(pd.to_datetime(column))
    except (ValueError, TypeError) as error:
        found = f"column {column.name!r} of {source} holds no dates"
        raise DataError(f"{found}; is it that of the times? {str(error).splitlines()[0]}") from error
