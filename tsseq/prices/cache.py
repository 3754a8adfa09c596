"""Daily bars kept on disk: one checked parquet file per ticker."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import platformdirs

from tsseq.errors import DataError

FORMAT = 1
PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume", "dividends", "splits")
# what pandas and pyarrow raise on damaged files; a changed length may ask for more memory than there is
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class CachedBars:
    """Finished daily bars of one ticker, and the dates that they cover.

    Attributes
    ----------
    ticker : str
        Yahoo's symbol in upper case.
    bars : DataFrame
        Index of dates, columns ``COLUMNS``, float64.
    start : Timestamp
        Date from which on every bar is here.
    end : Timestamp
        Date up to which, itself excluded, every bar is here.
    quiet_until : Timestamp or None
        Until then (UTC) no bar dated ``end`` or later is finished; None if such bars may exist.

    Examples
    --------
    >>> cached = CachedBars("AAPL", no_bars(), pd.Timestamp("2024-01-02"), pd.Timestamp("2024-02-01"))
    >>> now = pd.Timestamp("2024-03-01", tz="UTC")
    >>> [cached.covers(pd.Timestamp("2024-01-02"), pd.Timestamp(end), now) for end in ("2024-01-20", "2024-02-02")]
    [True, False]
    """

    ticker: str
    bars: pd.DataFrame
    start: pd.Timestamp
    end: pd.Timestamp
    quiet_until: pd.Timestamp | None = None

    def covers(self, start: pd.Timestamp, end: pd.Timestamp, now: pd.Timestamp) -> bool:
        """Say whether a request would bring nothing new.

        Parameters
        ----------
        start : Timestamp
            First date of the request.
        end : Timestamp
            The date after its last one.
        now : Timestamp
            Present time, UTC.

        Returns
        -------
        bool
            Whether all its finished bars are here.
        """
        quiet = self.quiet_until is not None and now < self.quiet_until
        return self.start <= start and (end <= self.end or quiet)

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return the bars of a range.

        Parameters
        ----------
        start : Timestamp
            First date.
        end : Timestamp
            The date after the last one.

        Returns
        -------
        DataFrame
            A part of ``bars``.
        """
        dates = self.bars.index
        return self.bars[(dates >= start) & (dates < end)]


def open_folder(folder: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the cache, and make it where it is missing.

    Parameters
    ----------
    folder : str, path-like or None
        Any folder; None for the user's cache folder of this platform.

    Returns
    -------
    Path
        A folder that can be written to.

    Raises
    ------
    DataError
        If it cannot be made or written to.

    Examples
    --------
    >>> open_folder(Path(tempfile.mkdtemp(), "prices")).name
    'prices'
    """
    path = platformdirs.user_cache_path("tsseq", appauthor=False) / "prices" if folder is None else Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cache_dir {path} cannot be made: {error.strerror}. Name another folder.") from error
    if not os.access(path, os.W_OK):
        raise DataError(f"cache_dir {path} cannot be written to. Name another folder.")
    return path


def path_of(folder: Path, ticker: str) -> Path:
    """Return the file of a ticker.

    Parameters
    ----------
    folder : Path
        Folder of the cache.
    ticker : str
        Any text; none leads out of the folder, and none gives a reserved name of Windows.

    Returns
    -------
    Path
        A file of its own for every ticker.

    Examples
    --------
    >>> path_of(Path("prices"), "../x").name
    '..%2Fx-d6b96a97d147.parquet'
    """
    # the hash keeps apart what differs only in case, or behind the part that is shown
    return folder / f"{quote(ticker, safe='')[:40]}-{hashlib.sha256(ticker.encode()).hexdigest()[:12]}.parquet"


def no_bars() -> pd.DataFrame:
    """Return a table of bars without rows.

    Returns
    -------
    DataFrame
        Index of dates, columns ``COLUMNS``.

    Examples
    --------
    >>> no_bars().shape
    (0, 7)
    """
    dates = pd.DatetimeIndex([], dtype="datetime64[us]", name="time")
    return pd.DataFrame({name: np.empty(0) for name in COLUMNS}, dates)


def read(folder: Path, ticker: str) -> CachedBars | None:
    """Read what the cache holds of a ticker.

    Parameters
    ----------
    folder : Path
        Folder of the cache.
    ticker : str
        Yahoo's symbol in upper case.

    Returns
    -------
    CachedBars or None
        None if there is no file, or one that is damaged, was edited, or is of another format.

    Examples
    --------
    >>> read(Path(tempfile.mkdtemp()), "AAPL") is None
    True
    """
    path = path_of(folder, ticker)
    if not path.is_file():
        return None
    try:
        bars = pd.read_parquet(BytesIO(path.read_bytes()))  # by its path it would be opened twice, replaced in between
        meta = dict(bars.attrs)
        digest = meta.pop("sha256")
        if meta["format"] != FORMAT or meta["ticker"] != ticker or digest != _digest(bars, meta):
            return None
        bars.attrs = {}
        quiet_until = None if meta["quiet_until"] is None else pd.Timestamp(meta["quiet_until"])
        return CachedBars(ticker, bars, pd.Timestamp(meta["start"]), pd.Timestamp(meta["end"]), quiet_until)
    except DAMAGE:
        return None


def write(folder: Path, cached: CachedBars, fetched: pd.Timestamp) -> None:
    """Write the file of a ticker in one step: readers see the old one or the whole new one.

    Parameters
    ----------
    folder : Path
        Folder of the cache.
    cached : CachedBars
        What to keep.
    fetched : Timestamp
        When it was fetched, UTC.

    Raises
    ------
    ValueError
        If these are not bars.
    OSError
        If the file cannot be written; the old one then stays.

    Examples
    --------
    >>> folder, day = Path(tempfile.mkdtemp()), pd.Timestamp("2024-01-02")
    >>> write(folder, CachedBars("AAPL", no_bars(), day, day), pd.Timestamp("2024-01-03", tz="UTC"))
    >>> read(folder, "AAPL").end
    Timestamp('2024-01-02 00:00:00')
    """
    meta: dict[str, Any] = {
        "format": FORMAT,
        "ticker": cached.ticker,
        "start": cached.start.isoformat(),
        "end": cached.end.isoformat(),
        "quiet_until": None if cached.quiet_until is None else cached.quiet_until.isoformat(),
        "fetched": fetched.isoformat(),
    }
    bars = cached.bars.copy()
    bars.attrs = {**meta, "sha256": _digest(bars, meta)}
    handle, name = tempfile.mkstemp(suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            bars.to_parquet(file)
        os.replace(name, path_of(folder, cached.ticker))
    finally:
        Path(name).unlink(missing_ok=True)


def _digest(bars: pd.DataFrame, meta: dict[str, Any]) -> str:
    """SHA-256 over every date and value, and over what is said about them."""
    columns = [bars.index.name, str(bars.index.dtype), *bars.columns, *map(str, bars.dtypes)]
    if columns != ["time", "datetime64[us]", *COLUMNS, *["float64"] * len(COLUMNS)]:
        raise ValueError(f"these are not bars: {columns}")
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    digest.update(np.asarray(bars.index).tobytes())
    digest.update(np.ascontiguousarray(bars.to_numpy()).tobytes())
    return digest.hexdigest()
