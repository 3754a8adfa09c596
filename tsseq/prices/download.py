"""Daily prices from Yahoo, kept in a cache of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tsseq.errors import ConfigError, DataError
from tsseq.prices import cache
from tsseq.prices.cache import PRICES, CachedBars
from tsseq.prices.client import ONE_AT_A_TIME, REFUSALS, DailyBars, FetchError, RetryPolicy, fetch
from tsseq.prices.suspects import suspicions

OLDEST = pd.Timestamp("1927-01-01")  # Yahoo's longest series, ^GSPC, begins in that year
OVERLAP = 10  # bars asked for again, to see whether the rest still holds
GAP = pd.Timedelta(days=10)  # no exchange is closed for longer, but for wars
SETTLED = pd.Timedelta(minutes=30)  # after the session's end; many exchanges' quotes come 15 minutes late
ONE_DAY = pd.Timedelta(days=1)


class Prices(NamedTuple):
    """What `download_prices` returns.

    Attributes
    ----------
    panel : DataFrame
        Index (id, time) with dates as times; columns open, high, low, close, volume and, unless adjusted, dividends
        and splits.
    report : DataFrame
        Index id, one row for each ticker asked for; columns ``status`` ("ok", "partial", "suspect" or "failed"),
        ``why``, ``first``, ``last`` (dates), ``rows`` and ``source`` ("network" or "cache").

    Examples
    --------
    >>> panel, report = Prices(pd.DataFrame({"close": [1.0]}), pd.DataFrame({"status": ["ok"]}))
    >>> report["status"].tolist()
    ['ok']
    """

    panel: pd.DataFrame
    report: pd.DataFrame


def download_prices(
    tickers: str | Iterable[str],
    start: Any = None,
    end: Any = None,
    interval: str = "1d",
    *,
    adjust: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
    strict: bool = False,
    session: Any = None,
) -> Prices:
    """Download daily bars from Yahoo as a panel that forecasters take; what was downloaded before comes from a cache.

    Yahoo's bars are adjusted for all splits up to the day of the download, volumes as well. Dividends are adjusted for
    here: prices before an ex-date are multiplied by 1 - dividend / (close before the ex-date), as CRSP does. Only
    ex-dates inside of the range count, so the last close is the one that was paid, whatever the cache holds.

    Bars that are not finished are left out, and so are those without a close. The cache adds to what it holds and asks
    for the last bars again; if these changed, or shares were split, it fetches all anew. Answers that are errors are
    never kept. Failures that may pass are tried three times more, after about 2, 8 and 30 seconds. If Yahoo then gives
    nothing, the cache is all there is, and the report says how far it reaches.

    Bars that look wrong are "suspect" in the report, which names the first of them, and stay in the panel as they are:
    prices of 0 or below, a high below the low, moves beyond a factor of 3 or like that of a listed split, and ten or
    more bars with one close. Look at them before training on them; all of that happens to real prices, too.

    Parameters
    ----------
    tickers : str or iterable of str
        Yahoo's symbols, such as "AAPL", "BRK-B", "^GSPC", "EURUSD=X"; the ids of the panel, in this order.
    start : date-like, optional
        First date (default: all history).
    end : date-like, optional
        The date after the last one, as in yfinance (default: until now).
    interval : str, default "1d"
        "1d", the only one. For weeks and months, resample.
    adjust : bool, default True
        Adjust prices for dividends; False leaves Yahoo's prices and adds the columns ``dividends`` (per share) and
        ``splits`` (new shares per old one; 0 where there was none).
    cache_dir : str or path-like, optional
        Folder of the cache (default: the user's cache folder). Nothing else is left on disk.
    strict : bool, default False
        Raise if any ticker lacks bars, whatever its status. What only looks wrong does not raise.
    session : curl_cffi or requests Session, optional
        For proxies or certificates; yfinance keeps it as the one it uses.

    Returns
    -------
    Prices
        ``(panel, report)``. "partial" in the report: bars are missing at the beginning (as before a listing) or at the
        end, or a dividend could not be adjusted for. "suspect": bars look wrong; ``why`` then also says what is
        missing. Failed tickers are left out of the panel.

    Raises
    ------
    ConfigError
        No or repeated tickers, a start that is not before the end, another interval.
    DataError
        No ticker gave bars, or with ``strict`` not all of them all bars; the message names the first. The cache cannot
        be written to.

    Notes
    -----
    Yahoo's terms allow personal use. yfinance asks one ticker after another, as it is not made for threads.

    Examples
    --------
    >>> panel, report = download_prices(["AAPL", "^GSPC"], start="2015-01-01")  # doctest: +SKIP
    >>> LSTMForecaster(5, 60, target="close", log=True, calendar="XNYS").fit(panel)  # doctest: +SKIP
    >>> download_prices("AAPL", start="2024-03-01", end="2024-02-01")
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: start=2024-03-01 is not before end=2024-02-01.
    """
    if interval != "1d":
        raise ConfigError(f"interval={interval!r} is unknown; bars are daily ('1d'). For others, resample the panel.")
    names, span = _tickers(tickers), _span(start, end)
    return collect(names, span, CachedYahoo(cache.open_folder(cache_dir), session), adjust, strict)


class Span(NamedTuple):
    """A range of dates.

    Attributes
    ----------
    start : Timestamp or None
        First date; all history if None.
    end : Timestamp or None
        The date after the last one; until now if None.

    Examples
    --------
    >>> Span(pd.Timestamp("2024-01-02"), None).start.year
    2024
    """

    start: pd.Timestamp | None
    end: pd.Timestamp | None


class TickerBars(NamedTuple):
    """Bars of one ticker, and how they were come by.

    Attributes
    ----------
    bars : DataFrame
        Index of dates; prices, volume, dividends, splits.
    source : str
        "network" or "cache".
    problem : str
        What was wrong; "" if nothing.

    Examples
    --------
    >>> len(TickerBars(cache.no_bars(), "network", "not found").bars)
    0
    """

    bars: pd.DataFrame
    source: str
    problem: str


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC")


@dataclass
class CachedYahoo:
    """The cache in front of Yahoo, during one call; once Yahoo refuses all, it is not asked again.

    Attributes
    ----------
    folder : Path
        Folder of the cache.
    session : curl_cffi or requests Session, or None
        What requests go through; None for one as yfinance would make it.
    policy : RetryPolicy
        When to try again.
    now : callable
        Gives the present time, UTC.
    refusal : FetchError or None
        What made Yahoo useless for all tickers, if anything.

    Examples
    --------
    >>> CachedYahoo(Path("prices"), None).policy.pauses
    (2.0, 8.0, 30.0)
    """

    folder: Path
    session: Any
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    now: Callable[[], pd.Timestamp] = _now
    refusal: FetchError | None = None

    def find(self, ticker: str, span: Span) -> TickerBars:
        """Return the bars of one ticker, from the cache where it covers the span.

        Parameters
        ----------
        ticker : str
            Yahoo's symbol in upper case.
        span : Span
            Dates asked for.

        Returns
        -------
        TickerBars
            The bars, or none and the reason.
        """
        with ONE_AT_A_TIME:
            cached, now = cache.read(self.folder, ticker), self.now()
            start = OLDEST if span.start is None else span.start
            soon = now.tz_localize(None).normalize() + 2 * ONE_DAY  # no exchange is ahead of that
            end = soon if span.end is None else min(span.end, soon)
            if cached is not None and cached.covers(start, end, now):
                return TickerBars(cached.between(start, end), "cache", "")
            try:
                current = self._updated(cached, ticker, start, end)
            except FetchError as error:
                self.refusal = error if error.kind in REFUSALS else self.refusal
                if cached is None or cached.between(start, end).empty:
                    return TickerBars(cache.no_bars(), "network", str(error))
                reach = f"the cache has {cached.start.date()} to {(cached.end - ONE_DAY).date()}"
                return TickerBars(cached.between(start, end), "cache", f"{error}; {reach}")
            cache.write(self.folder, current, now)
            return TickerBars(current.between(start, end), "network", "")

    def _updated(self, cached: CachedBars | None, ticker: str, start: pd.Timestamp, end: pd.Timestamp) -> CachedBars:
        """Bars that cover the span and what was cached."""
        if cached is None:
            return self._ask(ticker, start, end)
        if cached.start <= start:
            overlap = cached.bars[-OVERLAP:]
            recent = self._ask(ticker, overlap.index[0], max(end, cached.end))
            if _agree(overlap, recent.bars):
                bars = pd.concat([cached.bars[:-OVERLAP], recent.bars])
                return CachedBars(ticker, bars, cached.start, recent.end, recent.quiet_until)
        return self._ask(ticker, min(start, cached.start), max(end, cached.end))

    def _ask(self, ticker: str, start: pd.Timestamp, end: pd.Timestamp) -> CachedBars:
        if self.refusal is not None:
            raise FetchError(self.refusal.kind, "not asked, since another ticker met that")
        return _finished(ticker, fetch(ticker, start, end, self.session, self.policy), start, end, self.now())


def collect(names: list[str], span: Span, yahoo: CachedYahoo, adjust: bool, strict: bool) -> Prices:
    """Collect the bars of all tickers in a panel and a report.

    Parameters
    ----------
    names : list of str
        Tickers.
    span : Span
        Dates asked for.
    yahoo : CachedYahoo
        Where bars come from.
    adjust : bool
        Whether to adjust prices for dividends.
    strict : bool
        Whether to raise if any ticker lacks bars.

    Returns
    -------
    Prices
        The panel and the report.

    Raises
    ------
    DataError
        If no ticker gave bars, or with ``strict`` not all of them all bars.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> yahoo = CachedYahoo(Path(mkdtemp()), None, refusal=FetchError("no connection", ""))
    >>> collect(["AAPL"], Span(None, None), yahoo, adjust=True, strict=False)
    Traceback (most recent call last):
        ...
    tsseq.errors.DataError: 1 of 1 tickers have no prices, or not all (first: 'AAPL' no connection: not asked, ...).
    """
    answers = {name: yahoo.find(name.upper(), span) for name in names}
    gaps = {name: _gaps(answer, span, yahoo.now()) for name, answer in answers.items()}
    lacking = [name for name in names if gaps[name] and (strict or answers[name].bars.empty)]
    if (strict and lacking) or len(lacking) == len(names):
        first = ", ".join(f"{name!r} {'; '.join(gaps[name])}" for name in lacking[:3])
        raise DataError(f"{len(lacking)} of {len(names)} tickers have no prices, or not all (first: {first}).")
    lines = {name: _report_line(answers[name], gaps[name]) for name in names}
    report = pd.DataFrame.from_dict(lines, orient="index").rename_axis("id")
    tables = {name: answer.bars for name, answer in answers.items() if len(answer.bars)}
    if adjust:
        tables = {name: adjust_for_dividends(bars) for name, bars in tables.items()}
    return Prices(pd.concat(tables, names=["id", "time"]), report)


def adjust_for_dividends(bars: pd.DataFrame) -> pd.DataFrame:
    """Multiply prices by 1 - dividend / (close before) for every later ex-date.

    Parameters
    ----------
    bars : DataFrame
        Prices, dividends and splits by date.

    Returns
    -------
    DataFrame
        The bars without dividends and splits; a dividend that is not below the close before it is passed over.

    Examples
    --------
    >>> bars = pd.DataFrame({name: [10.0, 8.0] for name in PRICES} | {"dividends": [0.0, 1.0], "splits": 0.0})
    >>> adjust_for_dividends(bars)["close"].tolist()
    [9.0, 8.0]
    """
    factor = (1 - bars["dividends"] / bars["close"].shift()).where(_adjustable(bars), 1.0)
    scale = factor[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)  # a factor holds for the bars before its date
    return bars.assign(**{name: bars[name] * scale for name in PRICES}).drop(columns=["dividends", "splits"])


def _adjustable(bars: pd.DataFrame) -> pd.Series[bool]:
    return (bars["dividends"] > 0) & (bars["dividends"] < bars["close"].shift())


def _finished(ticker: str, daily: DailyBars, start: pd.Timestamp, end: pd.Timestamp, now: pd.Timestamp) -> CachedBars:
    """The finished bars of an answer, and up to which date they are all there is."""
    today = now.tz_convert(daily.zone).tz_localize(None).normalize()
    settled = None if daily.closing is None else daily.closing + SETTLED
    done = settled is not None and settled <= now and settled.tz_convert(daily.zone).date() == today.date()
    unfinished = today + ONE_DAY if done else today
    bars = daily.bars[daily.bars.index < unfinished]
    if bars.empty:
        raise FetchError("no prices", "Yahoo has no finished bar in this range")
    covered = min(end, unfinished)
    if daily.hole is not None and daily.hole > today - GAP:  # it may still be filled
        return CachedBars(ticker, bars, start, min(covered, daily.hole))
    if end <= unfinished:
        return CachedBars(ticker, bars, start, covered)
    if settled is None or settled <= now:  # of the next session nothing is known
        tomorrow = (today + ONE_DAY).tz_localize(daily.zone, ambiguous=True, nonexistent="shift_forward")
        settled = tomorrow.tz_convert("UTC")
    return CachedBars(ticker, bars, start, covered, settled)


def _agree(old: pd.DataFrame, new: pd.DataFrame) -> bool:
    """Whether the newer bars hold the older ones as they were, and shares were not split since."""
    same = new.reindex(old.index)
    columns = [*PRICES, "dividends", "splits"]
    # Yahoo's prices are single-precision numbers in disguise
    unchanged = np.isclose(old[columns], same[columns], rtol=1e-5, atol=1e-9, equal_nan=True).all()
    return bool(unchanged and same["close"].notna().all() and (new["splits"][new.index > old.index[-1]] == 0).all())


def _gaps(answer: TickerBars, span: Span, now: pd.Timestamp) -> list[str]:
    """What a ticker lacks, and why."""
    bars = answer.bars
    if bars.empty:
        return [answer.problem or "no prices: the range holds no bars"]
    first, last = bars.index[0], bars.index[-1]
    until = now.tz_localize(None) if span.end is None else min(span.end, now.tz_localize(None))
    gaps = [answer.problem] if answer.problem else []
    if span.start is not None and first - span.start > GAP:
        gaps.append(f"prices begin on {first.date()}")
    if until - last > GAP:
        gaps.append(f"prices end on {last.date()}")
    odd = bars.index[(bars["dividends"] > 0) & ~_adjustable(bars)].difference(bars.index[:1])
    if len(odd):
        gaps.append(f"the dividend of {odd[0].date()} is not below the close before it, and not adjusted for")
    return gaps


def _report_line(answer: TickerBars, gaps: list[str]) -> dict[str, Any]:
    """The row of the report on one ticker."""
    bars, source = answer.bars, answer.source
    if bars.empty:
        return {"status": "failed", "why": gaps[0], "first": pd.NaT, "last": pd.NaT, "rows": 0, "source": source}
    doubts = suspicions(bars)
    status, why = "suspect" if doubts else "partial" if gaps else "ok", "; ".join(gaps + doubts)
    first, last = bars.index[0], bars.index[-1]
    return {"status": status, "why": why, "first": first, "last": last, "rows": len(bars), "source": source}


def _tickers(tickers: str | Iterable[str]) -> list[str]:
    names = [tickers] if isinstance(tickers, str) else list(tickers)
    if not names:
        raise ConfigError("tickers is empty; name at least one, such as 'AAPL'.")
    odd = [name for name in names if not (isinstance(name, str) and re.fullmatch(r"\S*\w\S*", name))]
    if odd:
        raise ConfigError(f"tickers holds {odd[0]!r}; a ticker is text without blanks, such as 'AAPL' or '^GSPC'.")
    twice = pd.Index(names)[pd.Index(names).str.upper().duplicated()]
    if len(twice):
        raise ConfigError(f"tickers names {twice[0]!r} more than once; name each ticker once.")
    return names


def _span(start: Any, end: Any) -> Span:
    span = Span(_date(start, "start"), _date(end, "end"))
    if span.start is not None and span.start >= (until := span.end or _now().tz_localize(None)):
        raise ConfigError(f"start={span.start.date()} is not before {'end=' if span.end else 'today, '}{until.date()}.")
    if span.end is not None and span.end <= OLDEST:
        raise ConfigError(f"end={span.end.date()} is not after {OLDEST.date()}, before which Yahoo has no prices.")
    return span


def _date(date: Any, name: str) -> pd.Timestamp | None:
    if date is None:
        return None
    try:
        stamp = pd.Timestamp(date)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{name}={date!r} is not a date; write it as '2015-01-31'.") from error
    if stamp is pd.NaT:
        raise ConfigError(f"{name} is missing (NaT); write a date as '2015-01-31', or None.")
    return stamp.tz_localize(None).normalize()
