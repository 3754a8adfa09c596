"""Time rules: plain steps, pandas offsets, exchange sessions.

A `TimeRule` says whether one timestamp follows another, which ones lie between two, which come next, how short its
step is and how long its season. Nothing else in tsseq does arithmetic with time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from pytz.exceptions import InvalidTimeError

from tsseq.data.contexts import pieces
from tsseq.errors import ConfigError, DataError
from tsseq.quiet import no_warnings
from tsseq.typing import Mask

DAY = pd.Timedelta(days=1)
ZONELESS = "stamps of days need no time zone: drop it with tz_localize(None)"
SEASONS = {"h": 24, "D": 7, "MS": 12, "ME": 12, "QS": 4, "QE": 4, "M": 12, "Q": 4}
LONGEST_CLOSURE = 90
# Exchanges whose ad-hoc holidays were unscheduled (attacks, storms, funerals). Others list lunar holidays there, which
# are known in advance.
UNFORESEEN = ("XNYS",)


class TimeRule(ABC):
    """How the timestamps of a series follow one another; abstract.

    An object of a subclass may be given as ``calendar=`` wherever a calendar is asked for. Model files hold the rules
    in `TIME_RULES` only.

    Examples
    --------
    >>> from tsseq.data.time_rules import Sessions
    >>> Sessions("XNYS").after(pd.Timestamp("2024-07-03"), 2).strftime("%m-%d").tolist()
    ['07-05', '07-08']
    """

    @abstractmethod
    def follows(self, previous: pd.Index, current: pd.Index) -> Mask:
        """Compare neighbours.

        Parameters
        ----------
        previous, current : Index of shape (n,)
            Timestamps, and those that stand behind them.

        Returns
        -------
        ndarray of shape (n,)
            Whether each of ``current`` is the timestamp right after its ``previous``.
        """

    @abstractmethod
    def between(self, first: Any, last: Any) -> pd.Index:
        """List timestamps.

        Parameters
        ----------
        first, last : timestamp
            Both are included where they fit the rule.

        Returns
        -------
        Index
            In order.
        """

    @abstractmethod
    def after(self, last: Any, n: int) -> pd.Index:
        """List the timestamps to come.

        Parameters
        ----------
        last : timestamp
            It is not included.
        n : int
            How many.

        Returns
        -------
        Index of shape (n,)
            In order; shorter where no more are recorded.
        """

    @property
    @abstractmethod
    def shortest_step(self) -> pd.Timedelta:
        """The shortest time from one timestamp to the next; only asked for dates and periods."""

    def fits(self, times: pd.Index) -> bool:
        """Tell whether timestamps are of a kind that the rule can continue.

        Parameters
        ----------
        times : Index
            Whole numbers, dates or periods.

        Returns
        -------
        bool
            Dates, unless a rule says otherwise.
        """
        return isinstance(times, pd.DatetimeIndex)

    @property
    def season_length(self) -> int:
        """Default season in rows: 24 for hours, 7 for days, 12 for months, 4 for quarters; 1 where there is none."""
        return 1

    def closures(self, stamps: pd.DatetimeIndex) -> tuple[Mask, Mask] | None:
        """Tell holidays.

        Parameters
        ----------
        stamps : DatetimeIndex of shape (n,)
            In order.

        Returns
        -------
        pair of ndarrays of shape (n,), or None
            Whether a holiday lies before the next timestamp, and behind the one before; None if the rule knows of none.
        """
        return None


@dataclass(frozen=True)
class Steps(TimeRule):
    """A fixed step.

    Attributes
    ----------
    step : int, pandas.Timedelta or pandas.DateOffset
        Of integers, of elapsed time, or of a period index.
    """

    step: Any

    def __post_init__(self) -> None:
        kinds = int | np.integer | pd.Timedelta | pd.offsets.BaseOffset
        if isinstance(self.step, bool) or not isinstance(self.step, kinds):
            raise ConfigError(f"Steps({self.step!r}) needs a whole number, a Timedelta or an offset.")
        size = self.step.n if isinstance(self.step, pd.offsets.BaseOffset) else self.step
        if size <= 0 * size:
            raise ConfigError(f"Steps({self.step!r}) does not go forward in time.")

    def fits(self, times: pd.Index) -> bool:
        kind = pd.Timedelta | pd.offsets.Tick if isinstance(times, pd.DatetimeIndex) else int | np.integer
        return isinstance(self.step, pd.offsets.BaseOffset if isinstance(times, pd.PeriodIndex) else kind)

    def follows(self, previous: pd.Index, current: pd.Index) -> Mask:
        if isinstance(current, pd.PeriodIndex):
            return np.asarray(current.asi8 - previous.asi8 == self.step.n)
        if isinstance(current, pd.DatetimeIndex):  # pandas would look for missing ones three times
            step, before, stamps = self.step / pd.Timedelta(1, unit=current.unit), previous.asi8, current.asi8
            follows = np.empty(len(stamps), dtype=np.bool_)
            for part in pieces(len(stamps), 8):
                follows[part] = stamps[part] - before[part] == (step if step % 1 else int(step))
            return follows
        return np.asarray(current - previous == self.step)

    def between(self, first: Any, last: Any) -> pd.Index:
        if isinstance(first, pd.Period):
            return pd.period_range(first, last, freq=first.freq)
        if isinstance(first, pd.Timestamp):
            return pd.DatetimeIndex(pd.date_range(first, last, freq=self.step, unit=first.unit), freq=None)
        return pd.RangeIndex(first, last + 1, self.step)

    def after(self, last: Any, n: int) -> pd.Index:
        if isinstance(last, pd.Period):
            return pd.period_range(last, periods=n + 1, freq=last.freq)[1:]
        if isinstance(last, pd.Timestamp):
            return pd.DatetimeIndex(pd.date_range(last, periods=n + 1, freq=self.step, unit=last.unit)[1:], freq=None)
        return pd.RangeIndex(last + self.step, last + self.step * (n + 1), self.step)

    @property
    def shortest_step(self) -> pd.Timedelta:
        return self.step if isinstance(self.step, pd.Timedelta) else _shortest_step(self.step)

    @property
    def season_length(self) -> int:
        return 1 if isinstance(self.step, (int, np.integer)) else _season_length(self.step)


class _DateGrid(TimeRule):
    """Rules whose timestamps are looked up in a range of dates; abstract."""

    def follows(self, previous: pd.Index, current: pd.Index) -> Mask:
        grid = self.between(min(previous.min(), current.min()), current.max())
        left, right = grid.get_indexer(previous), grid.get_indexer(current)
        return np.asarray((left >= 0) & (right == left + 1))


@dataclass(frozen=True)
class Offsets(_DateGrid):
    """Any pandas offset: calendar days, month starts, business days, `CustomBusinessDay`.

    Attributes
    ----------
    offset : pandas.DateOffset
        From one timestamp to the next.
    """

    offset: pd.DateOffset

    def between(self, first: Any, last: Any) -> pd.Index:
        return self._range(start=first, end=last, unit=first.unit)

    def after(self, last: Any, n: int) -> pd.Index:
        stamps = self._range(start=last, periods=n + 1, unit=last.unit)
        return stamps[stamps > last][:n]

    @property
    def shortest_step(self) -> pd.Timedelta:
        return _shortest_step(self.offset)

    @property
    def season_length(self) -> int:
        return _season_length(self.offset)

    def _range(self, **limits: Any) -> pd.DatetimeIndex:
        try:
            return pd.date_range(freq=self.offset, **limits)
        except (ValueError, InvalidTimeError) as error:  # the latter from pandas 2
            step, advice = self.offset.freqstr, "" if limits["start"].tz is None else f"; {ZONELESS}"
            raise DataError(f"timestamps cannot go on from {limits['start']} by {step}: {error}{advice}") from error


@dataclass(frozen=True)
class Sessions(_DateGrid):
    """Trading sessions of an exchange, by its code in the library exchange_calendars.

    Attributes
    ----------
    code : str
        Code of the exchange, such as "XNYS".
    since : int
        Year from which sessions are looked up; at the latest that of the first timestamp asked for.
    """

    code: str
    since: int = field(default=9999, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.code, str) or type(self.since) is not int:
            raise ConfigError(f"Sessions({self.code!r}, {self.since!r}) needs the code of an exchange and a year.")

    def between(self, first: Any, last: Any) -> pd.Index:
        return self._days(first, last, last.year + 1)

    def after(self, last: Any, n: int) -> pd.Index:
        end = last + pd.Timedelta(days=2 * n + LONGEST_CLOSURE)
        days = self._days(last, end, max(last.year + 1, end.year))[1:]
        if len(days) < n:
            raise DataError(f"calendar {self.code!r} does not record the {n} sessions after {last.date()}.")
        return days[:n]

    @property
    def shortest_step(self) -> pd.Timedelta:
        return DAY

    def closures(self, stamps: pd.DatetimeIndex) -> tuple[Mask, Mask]:
        """(n,) whether the exchange is closed on working days between each session and the next; the one before.

        Days of `UNFORESEEN` closures do not count.
        """
        if len(stamps) == 0:
            return np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.bool_)
        days = pd.DatetimeIndex(stamps.tz_localize(None)).as_unit("s")
        reach = pd.Timedelta(days=LONGEST_CLOSURE)
        first, last = days.min() - reach, days.max() + reach
        open_days = self._days(first, last, last.year + 1)
        grid = pd.date_range(first, last, unit="s")
        exchange = _exchange(self.code, min(self.since, first.year), last.year + 1)
        closed = np.cumsum(_working(exchange, grid) & ~np.asarray(grid.isin(open_days)))  # (days,) so far
        ahead = np.append(np.diff(closed[grid.get_indexer(open_days)]) > 0, False)  # (sessions,); no more is recorded
        at = open_days.get_indexer(days)
        return ahead[at], np.append(False, ahead)[at]

    def _days(self, first: Any, last: Any, until: int) -> pd.DatetimeIndex:
        """Sessions from ``first`` to ``last``, both included, in their unit and time zone."""
        days = sessions(self.code, min(self.since, first.year), until).as_unit(first.unit).tz_localize(first.tz)
        return days[days.searchsorted(first) : days.searchsorted(last, side="right")]


@dataclass(frozen=True)
class AsRecorded(TimeRule):
    """Any order of time, gaps included: prices to trade at, which are never continued."""

    def follows(self, previous: pd.Index, current: pd.Index) -> Mask:
        return np.ones(len(current), dtype=np.bool_)

    def fits(self, times: pd.Index) -> bool:
        return True

    def between(self, first: Any, last: Any) -> pd.Index:
        return pd.Index([first, last]).unique()

    def after(self, last: Any, n: int) -> pd.Index:
        raise DataError(f"nothing says which timestamps follow {last}; pass calendar=...")

    @property
    def shortest_step(self) -> pd.Timedelta:
        return pd.Timedelta(0)


@dataclass(frozen=True)
class Rows(TimeRule):
    """Consecutive rows are neighbours, whatever their timestamps: series with pauses.

    The season is one row, since no number of rows makes a day or a week.

    Attributes
    ----------
    onward : TimeRule
        How timestamps go on beyond the last row, where nothing is recorded.

    Examples
    --------
    >>> from tsseq.data.time_rules import Rows, Steps
    >>> Rows(Steps(pd.Timedelta(minutes=5))).after(pd.Timestamp("2024-07-05 16:00"), 2).strftime("%H:%M").tolist()
    ['16:05', '16:10']
    """

    onward: TimeRule

    def follows(self, previous: pd.Index, current: pd.Index) -> Mask:
        return np.ones(len(current), dtype=np.bool_)

    def fits(self, times: pd.Index) -> bool:
        return self.onward.fits(times)

    def between(self, first: Any, last: Any) -> pd.Index:
        return pd.Index([first, last]).unique()

    def after(self, last: Any, n: int) -> pd.Index:
        return self.onward.after(last, n)

    @property
    def shortest_step(self) -> pd.Timedelta:
        return self.onward.shortest_step


TIME_RULES = (AsRecorded, Offsets, Rows, Sessions, Steps)  # those that a model file may hold


def _shortest_step(offset: pd.DateOffset) -> pd.Timedelta:
    return pd.Timedelta(np.diff(pd.date_range("2000-01-03", periods=8, freq=offset)).min())


def _season_length(step: pd.Timedelta | pd.DateOffset) -> int:
    if isinstance(step, (pd.Timedelta, pd.offsets.Tick)):
        length = pd.Timedelta(step)
        return int(DAY / length) if length < DAY else 7 if length == DAY else 1
    return SEASONS.get(step.freqstr.split("-")[0], 1)


def sessions(code: str, first_year: int, last_year: int) -> pd.DatetimeIndex:
    """Sessions of whole years, as far as they are recorded."""
    return _exchange(code, first_year, last_year).sessions


@lru_cache(maxsize=64)
def _exchange(code: str, first_year: int, last_year: int) -> Any:
    """An exchange over whole years; the range is asked for, since the library's default one moves with today's date."""
    import exchange_calendars

    if not 1800 <= first_year <= last_year <= 9999:  # no session is older, and clocks were set by the sun
        raise DataError(f"calendar {code!r} does not record {first_year} to {last_year}.")
    start, end = pd.Timestamp(first_year, 1, 1), pd.Timestamp(last_year, 12, 31)
    try:
        with no_warnings("exchange_calendars|pandas"):
            try:
                return exchange_calendars.get_calendar(code, start=start, end=end)
            except ValueError:  # a part of the years is not recorded
                kind = type(exchange_calendars.get_calendar(code))
            start, end = max(start, kind.bound_min() or start), min(end, kind.bound_max() or end)
            if start <= end:
                return exchange_calendars.get_calendar(code, start=start, end=end)
    except exchange_calendars.errors.InvalidCalendarName as error:
        known = "neither a pandas offset nor an exchange code such as 'XNYS'"
        raise ConfigError(f"calendar={code!r} is {known}.") from error
    except (ValueError, NotImplementedError) as error:  # as of 4.13 with pandas 3.1, for two exchanges
        versions = f"exchange_calendars {exchange_calendars.__version__} with pandas {pd.__version__}"
        raise DataError(f"{versions} cannot make calendar {code!r}: {error}.") from error
    raise DataError(f"calendar {code!r} does not record {first_year} to {last_year}.")


def _working(exchange: Any, days: pd.DatetimeIndex) -> Mask:
    """(n,) whether an exchange was expected to be open, holidays apart; its week may have changed over the years."""
    working = (np.array(list(exchange.weekmask)) == "1")[days.day_of_week]
    for start, end, mask in getattr(exchange, "special_weekmasks", ()):
        within = (days >= (start or days[0])) & (days <= (end or days[-1]))
        working = np.where(within, (np.array(list(mask)) == "1")[days.day_of_week], working)
    if exchange.name in UNFORESEEN:
        unforeseen = pd.DatetimeIndex([day.replace(tzinfo=None) for day in exchange.adhoc_holidays])
        working &= ~np.asarray(days.isin(unforeseen))
    return np.asarray(working)
