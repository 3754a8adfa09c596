"""Tables read from and written to files and pipes: CSV, parquet and feather."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Hashable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer

from tsseq.data.samples import EXACT
from tsseq.errors import DataError

if TYPE_CHECKING:
    from tsseq.forecasting import BaseForecaster


STREAM = Path("-")  # standard input or output
_READERS = {b"PAR1": pd.read_parquet, b"ARROW1": pd.read_feather}  # by the first bytes


def read(
    source: Path, time_column: str | None, id_column: str | None, sep: str | None = None
) -> tuple[pd.DataFrame, dict[str, Hashable]]:
    """Read a table to fit on.

    Parameters
    ----------
    source : Path
        A CSV, parquet or feather file; "-" is standard input.
    time_column : str or None
        Column of timestamps; None takes the first that is not the id, or the index that a parquet file has.
    id_column : str or None
        Column of series ids; None if the file holds one series.
    sep : str, optional
        Separator of columns in text. Default: a tab in files that end in .tsv, else a comma.

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
    frame = _table(source, sep)
    if time_column is None and not isinstance(frame.index, pd.RangeIndex):
        return frame, {}
    time_name = _first_column(frame, id_column) if time_column is None else time_column
    _check_columns(source, frame, time_name)
    if id_column is not None:
        return frame, {"id_column": id_column, "time_column": time_name}
    return _by_time(source, frame, time_name), {}


def read_panel(source: Path, time_column: str | None, id_column: str | None, sep: str | None = None) -> pd.DataFrame:
    """Read a table with its series ids, if there are any, and times in the index."""
    frame, columns = read(source, time_column, id_column, sep)
    return indexed(source, frame, **columns) if columns else frame


def indexed(source: Path, frame: pd.DataFrame, id_column: Hashable, time_column: Hashable) -> pd.DataFrame:
    """Put the ids and times of a long frame into its index."""
    _check_columns(source, frame, id_column, time_column)
    stamps = _stamps(source, frame[time_column])
    return frame.assign(**{str(time_column): stamps}).set_index([id_column, time_column])


def read_like(source: Path, model: BaseForecaster, sep: str | None = None) -> pd.DataFrame:
    """Read a table and lay it out as the frame that a model was fitted on.

    Parameters
    ----------
    source : Path
        A CSV, parquet or feather file with the columns of that frame, its index levels among them; "-" is standard
        input.
    model : BaseForecaster
        A fitted forecaster.
    sep : str, optional
        Separator of columns in text. Default: a tab in files that end in .tsv, else a comma.

    Returns
    -------
    pandas.DataFrame
        What the model's ``predict`` takes.

    Raises
    ------
    DataError
        The file cannot be read, or lacks a column, or the time column holds no dates.
    """
    frame, layout = _table(source, sep), model.panel_.frame_layout
    if layout.kind == "wide":
        raise DataError(f"the model reads prices by ticker side by side, which {source} cannot hold; use Python.")
    if layout.kind == "long" or not isinstance(frame.index, pd.RangeIndex):
        return frame
    id_name, time_name = layout.names
    if time_name is None:
        time_name = _first_column(frame, id_name if layout.kind == "panel" else None)
    if layout.kind != "panel":
        _check_columns(source, frame, time_name)
        return _by_time(source, frame, time_name).rename_axis(columns=id_name)
    _check_columns(source, frame, id_name, time_name)
    levels = [id_name, time_name] if layout.id_level == 0 else [time_name, id_name]
    return frame.assign(**{str(time_name): _stamps(source, frame[time_name])}).set_index(levels)


def write(table: pd.DataFrame, output: Path | None, *, index: bool = False, sep: str | None = None) -> None:
    """Write a table as CSV, or as parquet if the name of the file ends so.

    Parameters
    ----------
    table : DataFrame
        What is written.
    output : Path or None
        The file; None or "-" is standard output, as CSV.
    index : bool, default False
        Whether to write the index.
    sep : str, optional
        Separator of columns in text. Default: a tab in files that end in .tsv, else a comma.
    """
    if output in (None, STREAM):
        typer.echo(without_formulas(table).to_csv(index=index, sep=_separator(STREAM, sep)), nl=False)
        return
    assert output is not None
    if output.suffix in (".parquet", ".pq"):
        table.to_parquet(output, index=index)
    else:
        without_formulas(table).to_csv(output, index=index, sep=_separator(output, sep))
    typer.echo(f"Written: {output}, {len(table)} rows", err=True)


def write_forecasts(
    model: BaseForecaster, forecasts: pd.DataFrame | pd.Series, output: Path | None, sep: str | None
) -> None:
    """Write forecasts, or rows to come, laid out as the frame of `fit` is."""
    table = forecasts.to_frame() if isinstance(forecasts, pd.Series) else forecasts
    write(table, output, index=model.panel_.frame_layout.kind != "long", sep=sep)


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


def _table(source: Path, sep: str | None) -> pd.DataFrame:
    if source != STREAM and not source.exists():
        raise DataError(f"{source} is not a file.")
    content: Any = source
    if source == STREAM or not source.is_file():  # a pipe is read once
        content = BytesIO(sys.stdin.buffer.read() if source == STREAM else source.read_bytes())
    start = content.getvalue()[:6] if isinstance(content, BytesIO) else _start(source)
    reader = next((reader for mark, reader in _READERS.items() if start.startswith(mark)), None)
    try:
        if reader is not None:
            return reader(content)
        # the numbers that were written, to the last bit
        frame = pd.read_csv(content, sep=_separator(source, sep), **EXACT)
    except (ValueError, ImportError) as error:
        name = "standard input" if source == STREAM else source
        raise DataError(f"{name} cannot be read: {str(error).splitlines()[0]}") from error
    if frame.shape[1] == 1 and (marks := [mark for mark in ";\t|" if mark in str(frame.columns[0])]):
        raise DataError(f"{source} has the single column {frame.columns[0]!r}; use --sep {marks[0]!r}.")
    return frame


def _start(source: Path) -> bytes:
    with source.open("rb") as stream:
        return stream.read(6)


def _separator(path: Path, sep: str | None) -> str:
    r"""Separator of a file's columns.

    >>> _separator(Path("a.tsv.gz"), None), _separator(Path("a.csv"), None), _separator(Path("a.csv"), r"\t")
    ('\t', ',', '\t')
    """
    if sep is None:
        return "\t" if ".tsv" in path.suffixes else ","
    return "\t" if sep == r"\t" else sep


def _first_column(frame: pd.DataFrame, id_column: Hashable) -> Hashable:
    """The first column that is not the id; None if there is none.

    >>> _first_column(pd.DataFrame(columns=["shop", "day", "sales"]), "shop")
    'day'
    """
    return next((name for name in frame if name != id_column), None)


def _check_columns(source: Path, frame: pd.DataFrame, *names: Hashable) -> None:
    for name in names:
        if name not in frame:
            raise DataError(f"column {name!r} is not in {source}; it has {list(frame.columns)}.")


def _by_time(source: Path, frame: pd.DataFrame, time_column: Hashable) -> pd.DataFrame:
    return frame.drop(columns=time_column).set_index(_stamps(source, frame[time_column]))


def _stamps(source: Path, column: pd.Series) -> pd.DatetimeIndex:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that dates of several formats take long
            return pd.DatetimeIndex(pd.to_datetime(column))
    except (ValueError, TypeError) as error:
        problem = f"column {column.name!r} of {source} holds no dates"
        raise DataError(f"{problem}; is it that of the times? {str(error).splitlines()[0]}") from error
