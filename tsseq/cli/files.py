"""Frames read from CSV and parquet files, and forecasts written to CSV."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer

from tsseq.data.samples import EXACT
from tsseq.errors import DataError

if TYPE_CHECKING:
    from tsseq.forecasting import BaseForecaster


def read(source: Path, time_column: str | None, id_column: str | None) -> tuple[pd.DataFrame, dict[str, Hashable]]:
    """Read a table to fit on.

    Parameters
    ----------
    source : Path
        A CSV or parquet file.
    time_column : str or None
        Column of timestamps; None takes the first column, or the index that a parquet file has.
    id_column : str or None
        Column of series ids; None if the file holds one series.

    Returns
    -------
    frame : pandas.DataFrame
        A long frame if there is an id column, else a frame with the timestamps as its index.
    columns : dict
        Arguments ``id_column`` and ``time_column`` for a forecaster of a long frame, else empty.

    Raises
    ------
    DataError
        The file cannot be read, or lacks a column, or the time column holds no dates.
    """
    frame = _table(source)
    if time_column is None and not isinstance(frame.index, pd.RangeIndex):
        return frame, {}
    time_name = frame.columns[0] if time_column is None else time_column
    _check_columns(source, frame, time_name)
    if id_column is not None:
        return frame, {"id_column": id_column, "time_column": time_name}
    return _indexed(source, frame, time_name), {}


def read_like(source: Path, model: BaseForecaster) -> pd.DataFrame:
    """Read a table and lay it out as the frame that a model was fitted on.

    Parameters
    ----------
    source : Path
        A CSV or parquet file with the columns of that frame, its index levels among them.
    model : BaseForecaster
        A fitted forecaster.

    Returns
    -------
    pandas.DataFrame
        What the model's ``predict`` takes.

    Raises
    ------
    DataError
        The file cannot be read, or lacks a column, or the time column holds no dates.
    """
    frame, layout = _table(source), model.panel_.frame_layout
    if layout.kind == "wide":
        raise DataError(f"the model reads prices by ticker side by side, which {source} cannot hold; use Python.")
    if layout.kind == "long" or not isinstance(frame.index, pd.RangeIndex):
        return frame
    id_name, time_name = layout.names
    time_name = frame.columns[0] if time_name is None else time_name
    if layout.kind != "panel":
        _check_columns(source, frame, time_name)
        return _indexed(source, frame, time_name).rename_axis(columns=id_name)
    _check_columns(source, frame, id_name, time_name)
    levels = [id_name, time_name] if layout.id_level == 0 else [time_name, id_name]
    return frame.assign(**{str(time_name): _stamps(source, frame[time_name])}).set_index(levels)


def write(model: BaseForecaster, forecasts: pd.DataFrame, output: Path | None) -> None:
    """Write forecasts as CSV.

    Parameters
    ----------
    model : BaseForecaster
        The forecaster that made them.
    forecasts : pandas.DataFrame
        What its ``predict`` returned.
    output : Path or None
        The file; None writes to the terminal.
    """
    text = without_formulas(forecasts).to_csv(index=model.panel_.frame_layout.kind != "long")
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
        typer.echo(f"Forecasts: {output}", err=True)


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before texts that a spreadsheet would run as formulas, in cells, index and names.

    Parameters
    ----------
    frame : pandas.DataFrame
        What is to be written as CSV.

    Returns
    -------
    pandas.DataFrame
        The same, where no text begins with ``= + - @``, a tab or a line break.

    Examples
    --------
    >>> without_formulas(pd.DataFrame({"id": ["=1+1", "AAPL"], "y": [-1.0, 2.0]}))["id"].tolist()
    ["'=1+1", 'AAPL']
    """
    levels = frame.index.levels if isinstance(frame.index, pd.MultiIndex) else [frame.index]
    holds_text = any(not pd.api.types.is_numeric_dtype(level.dtype) and level.dtype.kind != "M" for level in levels)
    frame = frame.rename(columns=_plain, index=_plain if holds_text else None)
    frame = frame.rename_axis(index=[_plain(name) for name in frame.index.names])
    for name, column in frame.items():
        if not pd.api.types.is_numeric_dtype(column.dtype):
            frame[name] = column.map(_plain)
    return frame


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def _table(source: Path) -> pd.DataFrame:
    if not source.is_file():
        raise DataError(f"{source} is not a file.")
    try:
        if source.suffix == ".parquet":
            return pd.read_parquet(source)
        return pd.read_csv(source, **EXACT)  # the numbers that were written, to the last bit
    except (ValueError, ImportError) as error:
        raise DataError(f"{source} cannot be read: {str(error).splitlines()[0]}") from error


def _check_columns(source: Path, frame: pd.DataFrame, *names: Hashable) -> None:
    for name in names:
        if name not in frame:
            raise DataError(f"column {name!r} is not in {source}; it has {list(frame.columns)}.")


def _indexed(source: Path, frame: pd.DataFrame, time_column: Hashable) -> pd.DataFrame:
    return frame.drop(columns=time_column).set_index(_stamps(source, frame[time_column]))


def _stamps(source: Path, column: pd.Series) -> pd.DatetimeIndex:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that dates of several formats take long
            return pd.DatetimeIndex(pd.to_datetime(column))
    except (ValueError, TypeError) as error:
        problem = f"column {column.name!r} of {source} holds no dates"
        raise DataError(f"{problem}; is it that of the times? {str(error).splitlines()[0]}") from error
