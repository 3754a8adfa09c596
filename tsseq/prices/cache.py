"""Daily bars kept on disk: one checked parquet file per ticker."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from tsseq.errors import DataError

FORMAT = 1
PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume", "dividends", "splits")
# what pandas and pyarrow raise on damaged files; a length that was hit asks for more memory than there is
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Record:
    """Finished daily bars of one ticker, and the dates that they cover.

    Attributes
    ----------
    ticker : in upper case.
    bars : index of dates, columns ``COLUMNS``.
    start, end : every bar from ``start`` up to the day before ``end`` is here.
    quiet_until : UTC; until then no bar dated ``end`` or later is finished. None if such bars may exist.
    """

    ticker: str
    bars: pd.DataFrame
    start: pd.Timestamp
    end: pd.Timestamp
    quiet_until: pd.Timestamp | None = None

    def covers(self, start: pd.Timestamp, end: pd.Timestamp, now: pd.Timestamp) -> bool:
        """Whether a request for the bars from ``start`` up to the day before ``end`` would bring nothing new."""
        quiet = self.quiet_until is not None and now < self.quiet_until
        return self.start <= start and (end <= self.end or quiet)

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """The bars from ``start`` up to the day before ``end``."""
        dates = self.bars.index
        return self.bars[(dates >= start) & (dates < end)]


def open_folder(folder: str | os.PathLike[str] | None) -> Path:
    """The folder of the cache, made where it is missing; the user's cache folder of this platform if None.

    Raises
    ------
    DataError
        If it cannot be made or written to.
    """
    if folder is None:
        import platformdirs

        found = platformdirs.user_cache_path("tsseq", appauthor=False) / "prices"
    else:
        found = Path(folder)
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cache_dir {found} cannot be made: {error.strerror}. Name another folder.") from error
    if not os.access(found, os.W_OK):
        raise DataError(f"cache_dir {found} cannot be written to. Name another folder.")
    return found


def path_of(folder: Path, ticker: str) -> Path:
    """The file of a ticker; no ticker leads out of the folder, and none is a reserved name of Windows.

    Examples
    --------
    >>> path_of(Path("prices"), "../x").name
    '..%2Fx-d6b96a97d147.parquet'
    """
    # the hash keeps apart what differs only in case, or behind the part that is shown
    return folder / f"{quote(ticker, safe='')[:40]}-{hashlib.sha256(ticker.encode()).hexdigest()[:12]}.parquet"


def nothing() -> pd.DataFrame:
    """Bars of no date at all."""
    return pd.DataFrame(
        {name: np.empty(0) for name in COLUMNS}, pd.DatetimeIndex([], dtype="datetime64[us]", name="time")
    )


def read(folder: Path, ticker: str) -> Record | None:
    """What the cache holds of a ticker; None if that is nothing, or a file that is damaged or of another format."""
    path = path_of(folder, ticker)
    if not path.is_file():
        return None
    try:
        bars = pd.read_parquet(path)
        meta = dict(bars.attrs)
        digest = meta.pop("sha256")
        if meta["format"] != FORMAT or meta["ticker"] != ticker or digest != _digest(bars, meta):
            return None
        quiet = meta["quiet_until"]
        bars.attrs = {}
        return Record(
            ticker,
            bars,
            pd.Timestamp(meta["start"]),
            pd.Timestamp(meta["end"]),
            None if quiet is None else pd.Timestamp(quiet),
        )
    except DAMAGE:
        return None


def write(folder: Path, record: Record, fetched: pd.Timestamp) -> None:
    """Put a record, fetched at that time, in the place of the ticker's file; readers see the old one or the new one."""
    meta: dict[str, Any] = {
        "format": FORMAT,
        "ticker": record.ticker,
        "start": record.start.isoformat(),
        "end": record.end.isoformat(),
        "quiet_until": None if record.quiet_until is None else record.quiet_until.isoformat(),
        "fetched": fetched.isoformat(),
    }
    bars = record.bars.copy()
    bars.attrs = {**meta, "sha256": _digest(bars, meta)}
    handle, name = tempfile.mkstemp(suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            bars.to_parquet(file)
        os.replace(name, path_of(folder, record.ticker))
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _digest(bars: pd.DataFrame, meta: dict[str, Any]) -> str:
    """SHA-256 over every date and value, and over what is said about them."""
    form = [bars.index.name, str(bars.index.dtype), *bars.columns, *map(str, bars.dtypes)]
    if form != ["time", "datetime64[us]", *COLUMNS, *["float64"] * len(COLUMNS)]:
        raise ValueError(f"these are no bars: {form}")
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    digest.update(np.asarray(bars.index).tobytes())
    digest.update(np.ascontiguousarray(bars.to_numpy()).tobytes())
    return digest.hexdigest()
