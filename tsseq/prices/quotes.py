"""Daily bars from Yahoo through yfinance: one ticker at a time, and every failure with its kind.

yfinance keeps a session, a cookie, settings and answers for the whole process, errors among them. Whoever calls `fetch`
holds `ONE_AT_A_TIME`; inside, `_yfinance` lays aside what would hide or outlive an error.
"""

from __future__ import annotations

import logging
import random
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from tsseq.errors import ConfigError
from tsseq.prices.cache import COLUMNS

ONE_AT_A_TIME = threading.Lock()
TRANSIENT = ("rate limited", "server error", "timeout", "no connection")
_NAMES = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Volume": "volume",
    "Dividends": "dividends",
    "Stock Splits": "splits",
}


class FetchError(Exception):
    """Yahoo gave no bars; ``kind`` is one of `TRANSIENT`, "not found", "no prices", "refused", "unreadable"."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"{kind}: {why}")
        self.kind = kind


class Patience(NamedTuple):
    """Seconds to pause before each further try (times 0.5 to 1.5), and to wait for one answer."""

    pauses: tuple[float, ...] = (2.0, 8.0, 30.0)
    timeout: float = 10.0
    sleep: Callable[[float], None] = time.sleep


class Quotes(NamedTuple):
    """Bars as Yahoo has them, the last one possibly unfinished.

    ``zone`` is the exchange's time zone, ``closing`` the end (UTC) of its present or last session if known, and
    ``hole`` the first of the dates at the end whose bars came without a close, None if there are none.
    """

    bars: pd.DataFrame
    zone: str
    closing: pd.Timestamp | None
    hole: pd.Timestamp | None


def fetch(ticker: str, start: pd.Timestamp, end: pd.Timestamp, session: Any, patience: Patience) -> Quotes:
    """Ask Yahoo for the bars from ``start`` up to the day before ``end``.

    Raises
    ------
    FetchError
        At once where asking again is of no use, else after all tries.
    """
    for pause in patience.pauses:
        try:
            return _ask(ticker, start, end, session, patience.timeout)
        except FetchError as error:
            if error.kind not in TRANSIENT:
                raise
        patience.sleep(pause * random.Random().uniform(0.5, 1.5))  # many processes should not come back as one
    return _ask(ticker, start, end, session, patience.timeout)


@lru_cache(maxsize=1)
def _own_session() -> Any:
    """The session that yfinance would make for itself; not one per call, since yfinance keeps the last it was given."""
    from curl_cffi.requests import Session

    return Session(impersonate="chrome")


def _ask(ticker: str, start: pd.Timestamp, end: pd.Timestamp, session: Any, timeout: float) -> Quotes:
    session = _own_session() if session is None else session
    with _yfinance() as yf:
        from yfinance.exceptions import YFDataException, YFException

        try:
            # in quotes, since yfinance puts it into an address as it is
            asked = yf.Ticker(quote(ticker, safe=""), session=session)
        except YFDataException as error:
            raise ConfigError(f"session: {error}") from error
        with _watched(session, timeout) as statuses:
            try:
                frame = asked.history(
                    start=f"{start:%Y-%m-%d}", end=f"{end:%Y-%m-%d}", auto_adjust=False, keepna=True, timeout=timeout
                )
                period = asked.get_history_metadata().get("currentTradingPeriod")
            except (YFException, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
                raise _failure(error, statuses[-1] if statuses else None, timeout) from error
        return _quotes(frame, period)


@contextmanager
def _yfinance() -> Iterator[Any]:
    """The module with its errors raised instead of logged, without answers of earlier requests, and quiet."""
    logs = [logging.getLogger(name) for name in ("yfinance", "bs4")]  # bs4 reads Yahoo's pages about cookies
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about how yfinance calls it
        import yfinance as yf
        from yfinance.data import YfData

        YfData.cache_get.cache_clear()  # holds errors, too
        _move_files(yf)
        levels, hidden = [log.level for log in logs], yf.config.debug.hide_exceptions
        for log in logs:
            log.setLevel(logging.CRITICAL + 1)
        yf.config.debug.hide_exceptions = False
        try:
            yield yf
        finally:
            for log, level in zip(logs, levels):
                log.setLevel(level)
            yf.config.debug.hide_exceptions = hidden


@lru_cache(maxsize=1)
def _move_files(yf: Any) -> tempfile.TemporaryDirectory[str]:
    """Keep yfinance's files (time zones, pickled cookies) out of the user's home; they go with this process."""
    folder = tempfile.TemporaryDirectory(prefix="tsseq-", ignore_cleanup_errors=True)
    yf.set_tz_cache_location(folder.name)
    return folder


@contextmanager
def _watched(session: Any, timeout: float) -> Iterator[list[int]]:
    """The status of each answer about prices, which yfinance does not tell, with ``timeout`` for every request."""
    statuses: list[int] = []
    request, own = session.request, vars(session).get("request")

    def watched(method: str, url: str, *args: Any, **options: Any) -> Any:
        response = request(method, url, *args, **{**options, "timeout": timeout})
        if "/finance/chart/" in url:
            statuses.append(response.status_code)
        return response

    session.request = watched
    try:
        yield statuses
    finally:
        if own is None:
            del session.request
        else:
            session.request = own


def _failure(error: Exception, status: int | None, timeout: float) -> FetchError:
    """What went wrong, by the status of the last answer, else by the error."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if status == 429 or "YFRateLimitError" in names:
        return FetchError("rate limited", "Yahoo takes no more requests for now (429)")
    if status is not None and status >= 500:
        return FetchError("server error", f"Yahoo answered {status}")
    if status == 404:
        return FetchError("not found", "Yahoo knows no such ticker (404)")
    if status in (401, 403):
        return FetchError("refused", f"Yahoo answered {status}")
    if any("Timeout" in name for name in names):
        return FetchError("timeout", f"no answer within {timeout:g} s")
    if "YFTickerMissingError" in names:
        reason = getattr(error, "yahoo_reason", None)
        return FetchError("no prices", reason or "Yahoo has no bars in this range")
    if "YFDataException" in names:
        return FetchError("server error", str(error))
    if isinstance(error, OSError) and not isinstance(error, ValueError):  # a ValueError: no JSON
        return FetchError("no connection", f"Yahoo cannot be reached ({names[0]})")
    return FetchError("unreadable", f"Yahoo's answer is not what yfinance expects ({names[0]}: {error})")


def _quotes(frame: pd.DataFrame, period: Any) -> Quotes:
    """Take over what yfinance read: dates without a zone, our names, no bars without a close."""
    if frame.empty or frame["Close"].isna().all():
        raise FetchError("no prices", "Yahoo's bars hold no prices")
    zone, dates = str(frame.index.tz), frame.index.tz_localize(None).as_unit("us").rename("time")
    bars = frame.rename(columns=_NAMES)[list(COLUMNS)].set_axis(dates).astype("float64")
    kept = bars[bars["close"].notna()]
    # what happened on a date without trading shows at the next trade
    traded = dates.to_series().where(bars["close"].notna()).bfill()
    dividends = bars["dividends"].groupby(traded).sum()
    splits = bars["splits"].replace(0, 1).groupby(traded).prod().replace(1, 0)
    after = dates[dates > kept.index[-1]]
    return Quotes(
        kept.assign(dividends=dividends, splits=splits), zone, _closing(period), after[0] if len(after) else None
    )


def _closing(period: Any) -> pd.Timestamp | None:
    try:
        end = period["regular"]["end"]
    except (LookupError, TypeError):
        return None
    if isinstance(end, int | float):
        return pd.Timestamp(end, unit="s", tz="UTC")
    return pd.Timestamp(end).tz_convert("UTC")
