"""Rules of time: plain steps, pandas offsets, exchange sessions.

A `Rule` answers three questions: does one stamp follow another, which stamps lie between two, and which come next.
Nothing else in tsseq does arithmetic with time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import ConfigError, DataError

LONGEST_CLOSURE = 90
# exchanges whose closures outside their rules were not known long before (attacks, storms, state funerals); others list
# in the same place holidays that follow the moon
UNFORESEEN = ("XNYS",)


class Rule(Protocol):
    """How the timestamps of a series follow one another."""

    def follows(self, previous: pd.Index, current: pd.Index) -> NDArray[np.bool_]:
        """Whether each of ``current`` is the stamp right after its ``previous``."""

    def between(self, first: Any, last: Any) -> pd.Index:
        """All stamps from ``first`` to ``last``, both included where they fit the rule."""

    def after(self, last: Any, n: int) -> pd.Index:
        """The ``n`` stamps after ``last``."""


@dataclass(frozen=True)
class Steps:
    """A fixed step of integers, of a period index, or of elapsed time (a `pandas.Timedelta`)."""

    step: Any

    def follows(self, previous: pd.Index, current: pd.Index) -> NDArray[np.bool_]:
        """See `Rule`."""
        if isinstance(current, pd.PeriodIndex):
            return np.asarray(current.asi8 - previous.asi8 == self.step.n)
        return np.asarray(current - previous == self.step)

    def between(self, first: Any, last: Any) -> pd.Index:
        """See `Rule`."""
        if isinstance(first, pd.Period):
            return pd.period_range(first, last, freq=first.freq)
        if isinstance(first, pd.Timestamp):
            return pd.DatetimeIndex(pd.date_range(first, last, freq=self.step, unit=first.unit), freq=None)
        return pd.RangeIndex(first, last + 1, self.step)

    def after(self, last: Any, n: int) -> pd.Index:
        """See `Rule`."""
        if isinstance(last, pd.Period):
            return pd.period_range(last, periods=n + 1, freq=last.freq)[1:]
        if isinstance(last, pd.Timestamp):
            return pd.DatetimeIndex(pd.date_range(last, periods=n + 1, freq=self.step, unit=last.unit)[1:], freq=None)
        return pd.RangeIndex(last + self.step, last + self.step * (n + 1), self.step)


class _Grid:
    """Rules whose stamps are looked up in a range of dates."""

    def between(self, first: Any, last: Any) -> pd.Index:
        """See `Rule`."""
        raise AssertionError("abstract")

    def follows(self, previous: pd.Index, current: pd.Index) -> NDArray[np.bool_]:
        """See `Rule`."""
        grid = self.between(min(previous.min(), current.min()), current.max())
        left, right = grid.get_indexer(previous), grid.get_indexer(current)
        return np.asarray((left >= 0) & (right == left + 1))


@dataclass(frozen=True)
class Offsets(_Grid):
    """Any pandas offset: calendar days, month starts, business days, `CustomBusinessDay`."""

    offset: pd.DateOffset

    def between(self, first: Any, last: Any) -> pd.Index:
        """See `Rule`."""
        return self._range(start=first, end=last, unit=first.unit)

    def after(self, last: Any, n: int) -> pd.Index:
        """See `Rule`."""
        stamps = self._range(start=last, periods=n + 1, unit=last.unit)
        return stamps[stamps > last][:n]

    def _range(self, **given: Any) -> pd.DatetimeIndex:
        try:
            return pd.date_range(freq=self.offset, **given)
        except ValueError as error:
            raise DataError(
                f"timestamps cannot go on from {given['start']} by {self.offset.freqstr}: {error}"
            ) from error


@dataclass(frozen=True)
class Sessions(_Grid):
    """Trading sessions of an exchange, by its code in the library exchange_calendars.

    ``since`` is the year from which they are looked up, at the latest that of the first stamp asked for.
    """

    code: str
    since: int = field(default=9999, compare=False)

    def between(self, first: Any, last: Any) -> pd.Index:
        """See `Rule`."""
        return self._days(first, last, last.year + 1)

    def after(self, last: Any, n: int) -> pd.Index:
        """See `Rule`."""
        end = last + pd.Timedelta(days=2 * n + LONGEST_CLOSURE)
        found = self._days(last, end, max(last.year + 1, end.year))[1:]
        if len(found) < n:
            raise DataError(f"calendar {self.code!r} does not record the {n} sessions after {last.date()}.")
        return found[:n]

    def closures(self, stamps: pd.DatetimeIndex) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
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


def sessions(code: str, first_year: int, last_year: int) -> pd.DatetimeIndex:
    """Sessions of whole years, as far as they are recorded."""
    return _exchange(code, first_year, last_year).sessions


@lru_cache(maxsize=64)
def _exchange(code: str, first_year: int, last_year: int) -> Any:
    """An exchange over whole years; the range is asked for, since the library's default one moves with today's date."""
    import exchange_calendars

    start, end = pd.Timestamp(first_year, 1, 1), pd.Timestamp(last_year, 12, 31)
    try:
        return exchange_calendars.get_calendar(code, start=start, end=end)
    except exchange_calendars.errors.InvalidCalendarName as error:
        known = "neither a pandas offset nor an exchange code such as 'XNYS'"
        raise ConfigError(f"calendar={code!r} is {known}.") from error
    except ValueError:  # a part of the years is not recorded
        kind = type(exchange_calendars.get_calendar(code))
    start, end = max(start, kind.bound_min() or start), min(end, kind.bound_max() or end)
    if start > end:
        raise DataError(f"calendar {code!r} does not record {first_year} to {last_year}.")
    return exchange_calendars.get_calendar(code, start=start, end=end)


def _working(exchange: Any, days: pd.DatetimeIndex) -> NDArray[np.bool_]:
    """(n,) whether an exchange was expected to be open, holidays apart; its week may have changed over the years."""
    found = np.array(list(exchange.weekmask)) == "1"
    working = found[days.dayofweek]
    for start, end, mask in getattr(exchange, "special_weekmasks", ()):
        within = (days >= (start or days[0])) & (days <= (end or days[-1]))
        working = np.where(within, (np.array(list(mask)) == "1")[days.dayofweek], working)
    if exchange.name in UNFORESEEN:
        unforeseen = pd.DatetimeIndex([day.replace(tzinfo=None) for day in exchange.adhoc_holidays])
        working &= ~np.asarray(days.isin(unforeseen))
    return np.asarray(working)
