"""Daily bars from Yahoo through yfinance: one ticker at a time, and every failure with its kind.

yfinance keeps a session, a cookie, settings and answers for the whole process, errors among them. Whoever calls `fetch`
holds `ONE_AT_A_TIME`; inside, `_yfinance` lays aside what would hide or outlive an error.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import pandas as pd

from tsseq.errors import ConfigError
from tsseq.prices.cache import COLUMNS

ONE_AT_A_TIME = threading.Lock()
REFUSALS = ("rate limited", "no connection", "web page", "invalid crumb")  # of this machine, whatever it asks for
TRANSIENT = (*REFUSALS, "server error", "timeout", "empty answer", "null result")

_Answer: TypeAlias = tuple[int | None, str]  # status and text


class FetchError(Exception):
    """Yahoo gave no bars.

    Parameters
    ----------
    kind : str
        One of `TRANSIENT` (which may pass), or "not found", "no prices", "refused", "unreadable".
    why : str
        What Yahoo, the network or yfinance said.

    Attributes
    ----------
    kind : str
        As above.

    Examples
    --------
    >>> str(FetchError("timeout", "no answer within 10 s"))
    'timeout: no answer within 10 s'
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"{kind}: {why}")
        self.kind = kind


class RetryPolicy(NamedTuple):
    """How often and when a failure that may pass is tried again.

    Attributes
    ----------
    pauses : tuple of float
        Seconds before each further try; times 0.5 to 1.5, so that many processes do not come back as one.
    timeout : float
        Seconds to wait for one answer.
    sleep : callable
        What waits a number of seconds.

    Examples
    --------
    >>> RetryPolicy(pauses=()).timeout
    10.0
    """

    pauses: tuple[float, ...] = (2.0, 8.0, 30.0)
    timeout: float = 10.0
    sleep: Callable[[float], None] = time.sleep


class DailyBars(NamedTuple):
    """Bars as Yahoo has them, the last one possibly unfinished.

    Attributes
    ----------
    bars : DataFrame
        Index of dates; open, high, low, close, volume, dividends, splits.
    zone : str
        Time zone of the exchange.
    closing : Timestamp or None
        End (UTC) of its present or last session, if known.
    hole : Timestamp or None
        First of the dates at the end whose bars came without a close; None if there are none.

    Examples
    --------
    >>> DailyBars(pd.DataFrame(), "America/New_York", None, None).zone
    'America/New_York'
    """

    bars: pd.DataFrame
    zone: str
    closing: pd.Timestamp | None
    hole: pd.Timestamp | None


def fetch(ticker: str, start: pd.Timestamp, end: pd.Timestamp, session: Any, policy: RetryPolicy) -> DailyBars:
    """Ask Yahoo for the bars of a ticker.

    Parameters
    ----------
    ticker : str
        Yahoo's symbol.
    start : Timestamp
        First date.
    end : Timestamp
        The date after the last one.
    session : curl_cffi or requests Session, or None
        What requests go through; None for a session as yfinance would make it.
    policy : RetryPolicy
        When to try again.

    Returns
    -------
    DailyBars
        The bars, at least one of them with a close.

    Raises
    ------
    FetchError
        At once where asking again is of no use, else after all tries.
    ConfigError
        If yfinance refuses the session.

    Examples
    --------
    >>> day, tomorrow = pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03")
    >>> fetch("AAPL", day, tomorrow, object(), RetryPolicy())
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: session: Unsupported session type ...
    """
    for pause in policy.pauses:
        try:
            return _ask(ticker, start, end, session, policy.timeout)
        except FetchError as error:
            if error.kind not in TRANSIENT:
                raise
        policy.sleep(pause * random.Random().uniform(0.5, 1.5))
    return _ask(ticker, start, end, session, policy.timeout)


@lru_cache(maxsize=1)
def _default_session() -> Any:
    """The session that yfinance would make for itself; not one per call, since yfinance keeps the last it was given."""
    from curl_cffi.requests import Session

    return Session(impersonate="chrome")


def _ask(ticker: str, start: pd.Timestamp, end: pd.Timestamp, session: Any, timeout: float) -> DailyBars:
    session = _default_session() if session is None else session
    with _yfinance() as yf:
        from yfinance.exceptions import YFDataException, YFException

        try:
            # in quotes, since yfinance puts it into an address as it is
            symbol = yf.Ticker(quote(ticker, safe=""), session=session)
        except YFDataException as error:
            raise ConfigError(f"session: {error}") from error
        dates = {"start": f"{start:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"}
        with _recorded_answers(session, timeout) as answers:
            try:
                frame = symbol.history(**dates, auto_adjust=False, keepna=True, timeout=timeout)
                period = symbol.get_history_metadata().get("currentTradingPeriod")
            except (YFException, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
                raise _failure(error, answers[-1] if answers else (None, ""), timeout) from error
        return _daily_bars(frame, period)


@contextmanager
def _yfinance() -> Iterator[Any]:
    """The module with its errors raised instead of logged, without answers of earlier requests, and quiet."""
    loggers = [logging.getLogger(name) for name in ("yfinance", "bs4")]  # bs4 reads Yahoo's pages about cookies
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about how yfinance calls it
        import yfinance as yf
        from yfinance.data import YfData

        warnings.simplefilter("ignore")  # yfinance shows its own again when it is imported
        YfData.cache_get.cache_clear()  # holds errors, too
        _move_files(yf)
        levels, hidden = [logger.level for logger in loggers], yf.config.debug.hide_exceptions
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yf.config.debug.hide_exceptions = False
        try:
            yield yf
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)
            yf.config.debug.hide_exceptions = hidden


@lru_cache(maxsize=1)
def _move_files(yf: Any) -> tempfile.TemporaryDirectory[str]:
    """Keep yfinance's files (time zones, pickled cookies) out of the user's home; they go with this process."""
    folder = tempfile.TemporaryDirectory(prefix="tsseq-", ignore_cleanup_errors=True)
    yf.set_tz_cache_location(folder.name)
    return folder


@contextmanager
def _recorded_answers(session: Any, timeout: float) -> Iterator[list[_Answer]]:
    """Each answer about prices, which yfinance does not tell, with ``timeout`` for every request."""
    answers: list[_Answer] = []
    request, attribute = session.request, vars(session).get("request")

    def recorded(method: str, url: str, *args: Any, **options: Any) -> Any:
        response = request(method, url, *args, **{**options, "timeout": timeout})
        if "/finance/chart/" in url:
            answers.append((response.status_code, response.text.strip()))
        return response

    session.request = recorded
    try:
        yield answers
    finally:
        if attribute is None:
            del session.request
        else:
            session.request = attribute


def _failure(error: Exception, answer: _Answer, timeout: float) -> FetchError:
    """What went wrong, by the last answer, else by the error."""
    status, text = answer
    names = [kind.__name__ for kind in type(error).__mro__]
    # an error of JSON is a ValueError, whatever else it may be
    unreachable = isinstance(error, OSError) and not isinstance(error, ValueError)
    no_bars = getattr(error, "yahoo_reason", None) or "Yahoo has no bars in this range"
    crumb = "Yahoo did not take the crumb that it gave (401)"
    page = "Yahoo sent a page instead of prices (200), as it does to slow down or to ask for consent"
    failures = (
        (status == 429 or "YFRateLimitError" in names, "rate limited", "Yahoo takes no more requests for now (429)"),
        (status is not None and status >= 500, "server error", f"Yahoo answered {status}"),
        (status == 404, "not found", "Yahoo knows no such ticker (404)"),
        (status == 401 and "Invalid Crumb" in text, "invalid crumb", crumb),
        (status in (401, 403), "refused", f"Yahoo answered {status}"),
        (any("Timeout" in name for name in names), "timeout", f"no answer within {timeout:g} s"),
        ("YFDataException" in names, "server error", str(error)),
        (unreachable, "no connection", f"Yahoo cannot be reached ({names[0]})"),
        (status == 200 and not text, "empty answer", "Yahoo sent nothing (200)"),
        (status == 200 and text.startswith("<"), "web page", page),
        (_is_null(text), "null result", "Yahoo's answer holds neither prices nor an error"),
        ("YFTickerMissingError" in names, "no prices", no_bars),
        (True, "unreadable", f"Yahoo's answer is not what yfinance expects ({names[0]}: {error})"),
    )
    return next(FetchError(kind, why) for applies, kind, why in failures if applies)


def _is_null(text: str) -> bool:
    """Whether an answer holds neither bars nor an error."""
    try:
        chart = json.loads(text)["chart"]
        return not chart["result"] and not chart["error"]
    except (ValueError, LookupError, TypeError):
        return False


def _daily_bars(frame: pd.DataFrame, period: Any) -> DailyBars:
    """What yfinance read, with dates without a zone, our names, and no bars without a close."""
    if frame.empty or frame["Close"].isna().all():
        raise FetchError("no prices", "Yahoo's bars hold no prices")
    zone, dates = str(frame.index.tz), frame.index.tz_localize(None).as_unit("us").rename("time")
    names = {name: name.lower().removeprefix("stock ") for name in frame}
    table = frame.rename(columns=names)[list(COLUMNS)].set_axis(dates).astype("float64")
    bars = table[table["close"].notna()]
    # what happened on a date without trading shows at the next trade
    trade = dates.to_series().where(table["close"].notna()).bfill()
    dividends = table["dividends"].groupby(trade).sum()
    splits = table["splits"].replace(0, 1).groupby(trade).prod().replace(1, 0)
    after = dates[dates > bars.index[-1]]
    hole = after[0] if len(after) else None
    return DailyBars(bars.assign(dividends=dividends, splits=splits), zone, _closing(period), hole)


def _closing(period: Any) -> pd.Timestamp | None:
    try:
        end = period["regular"]["end"]
    except (LookupError, TypeError):
        return None
    if isinstance(end, int | float):
        return pd.Timestamp(end, unit="s", tz="UTC")
    return pd.Timestamp(end).tz_convert("UTC")
