"""Timestamps of a frame: choosing the time rule they follow, and checking that they keep to it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Hashable, Mapping
from itertools import pairwise
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.time_rules import DAY, ZONELESS, Offsets, Rows, Sessions, Steps, TimeRule, sessions
from tsseq.errors import ConfigError, DataError
from tsseq.typing import Index

Calendar: TypeAlias = str | pd.DateOffset | TimeRule | Mapping[Hashable, Any] | None
Refit: TypeAlias = bool | int | str | pd.DateOffset

MOST_LISTED = 20
MONTHLY = ("YS", "YE", "QS", "QE", "MS", "ME")  # steps that are no number of days
NUMBERED = {"%Y%m%d": (19_000_101, 21_001_231), "%Y%m": (190_001, 210_012)}  # dates as whole numbers
GRIDS = {"s": "1s", "min": "1min", "h": "1h", "D": "1D", "W": "7D", "MS": "30.4D", "QS": "91.3D", "YS": "365.25D"}
PERIOD_ENDS = (  # offsets that name the last day of a period; all others name the first
    pd.offsets.YearEnd,
    pd.offsets.BYearEnd,
    pd.offsets.QuarterEnd,
    pd.offsets.BQuarterEnd,
    pd.offsets.MonthEnd,
    pd.offsets.BMonthEnd,
    pd.offsets.CBMonthEnd,
    pd.offsets.SemiMonthEnd,
    pd.offsets.FY5253,
    pd.offsets.FY5253Quarter,
    pd.offsets.Week,
)

_locks = [Lock()]  # one, around filters of warnings, which are the process's; a forked child gets a new one

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _locks.__setitem__(0, Lock()))


def rule_for(calendar: Calendar, times: pd.Index, longest: pd.Index) -> TimeRule:
    """Choose the rule by which timestamps follow one another.

    Parameters
    ----------
    calendar : str, pandas.DateOffset, TimeRule or None
        A pandas offset, its alias, an exchange code, a rule, "rows" for rows that follow one another as they stand, or
        None to learn the step from the data.
    times : Index
        All timestamps, for their kind.
    longest : Index
        Ordered timestamps of the longest series, from which a step is learnt.

    Returns
    -------
    TimeRule
        The rule.

    Raises
    ------
    ConfigError
        The calendar is unknown, or does not go with this kind of index.
    DataError
        The index has no regular step; the message says what was found and what to pass.
    """
    if isinstance(calendar, TimeRule):
        return calendar
    if not hasattr(times, "asi8"):
        _check_no_dates(times)
    if isinstance(calendar, str) and calendar == "rows":
        return Rows(_onward(times, longest))
    if not isinstance(times, pd.DatetimeIndex):
        if calendar is not None:
            raise ConfigError(f"calendar={calendar!r} goes with dates; the index holds {times.dtype}.")
        return Steps(times.freq if isinstance(times, pd.PeriodIndex) else _median_step(longest.to_numpy()))
    if calendar is None or isinstance(calendar, pd.offsets.BaseOffset):
        return as_rule(_inferred(longest) if calendar is None else calendar, times)
    if not isinstance(calendar, str):
        raise ConfigError(f"calendar={calendar!r} is neither a pandas offset nor an exchange code such as 'XNYS'.")
    try:
        offset = _offset(calendar)
    except (ValueError, Warning):
        return _exchange(calendar, times)
    if offset.n < 1:
        raise ConfigError(f"calendar={calendar!r} does not step forward.")
    return as_rule(offset, times)


def _onward(times: pd.Index, longest: pd.Index) -> TimeRule:
    """How rows with pauses go on: by the median step, and by weekdays where that is a day and no weekend has a row."""
    if isinstance(times, pd.PeriodIndex):
        return Steps(times.freq)
    if not isinstance(times, pd.DatetimeIndex):
        return Steps(_median_step(longest.to_numpy()))
    if len(longest) < 2:
        raise DataError(f"no step can be learnt from {len(longest)} timestamps; pass more rows, or a rule of time.")
    clock = longest.tz_localize(None)
    step = pd.Timedelta(_median_step(clock.asi8), unit=clock.unit)
    return onward_rule(step, longest)


def onward_rule(step: pd.Timedelta, stamps: pd.DatetimeIndex) -> TimeRule:
    """The rule of a step that ``stamps`` take: by weekdays where it is a day and no weekend has a row."""
    return Offsets(pd.offsets.BDay()) if step == DAY and _on_weekdays(stamps) else step_rule(step, stamps)


def _on_weekdays(stamps: pd.DatetimeIndex) -> bool:
    return bool((stamps.day_of_week < 5).all())


def _check_no_dates(times: pd.Index) -> None:
    """Refuse whole numbers that read as dates: 20240131 is not followed by 20240132, nor 202412 by 202413."""
    first, last = int(times.min()), int(times.max())
    form = next((form for form, (low, high) in NUMBERED.items() if low <= first < last <= high), None)
    if form is None or isinstance(times, pd.RangeIndex):
        return
    numbers = times.unique().sort_values()
    if form == "%Y%m" and not (np.diff(numbers) == 89).any():  # from December to January
        return
    if pd.to_datetime(numbers.astype(str), format=form, errors="coerce").notna().all():
        name = "them" if times.name is None else repr(times.name)
        advice = f'convert {name} with pd.to_datetime(..., format="{form}")'
        raise DataError(f"timestamps such as {times[0]} are whole numbers that read as dates; {advice}.")


def calendar_of(name: Hashable, calendar: Calendar) -> Calendar:
    """The calendar of one series: its own where they are given by id."""
    if not isinstance(calendar, Mapping):
        return calendar
    if name not in calendar:
        raise ConfigError(f"calendar= has no exchange for {name!r}; it has {', '.join(map(repr, calendar))}.")
    return calendar[name]


def rules_for(calendar: Calendar, times: pd.Index, indptr: NDArray[np.int64], ids: pd.Index) -> tuple[TimeRule, ...]:
    """One rule for all series, or one each when ``calendar`` is a dict of exchange codes by id."""
    if not isinstance(calendar, Mapping):
        longest = int(np.argmax(np.diff(indptr)))
        return (rule_for(calendar, times, times[indptr[longest] : indptr[longest + 1]]),)
    parts = [times[start:end] for start, end in pairwise(indptr)]
    return tuple(rule_for(calendar_of(name, calendar), part, part) for name, part in zip(ids, parts))


def check_alike(fitted: pd.Index, times: pd.Index) -> None:
    """Refuse timestamps of another kind or time zone than those of fit."""
    if any(isinstance(fitted, kind) != isinstance(times, kind) for kind in (pd.DatetimeIndex, pd.PeriodIndex)):
        raise DataError(f"the frame of fit had timestamps like {fitted[-1]!r}, this one has {times[0]!r}.")
    zones = [getattr(index, "tz", None) for index in (fitted, times)]
    if str(zones[0]) != str(zones[1]):
        kinds = ["without a time zone" if zone is None else f"in {zone}" for zone in zones]
        advice = "convert one of them with tz_localize"
        if None not in zones:
            advice = f"convert these with tz_convert('{zones[0]}')"
        raise DataError(f"the timestamps of fit were {kinds[0]}, these are {kinds[1]}; {advice}.")


def _offset(alias: Any) -> pd.DateOffset:
    """A pandas offset by its alias; one that pandas will drop is an error, and so is None."""
    with _locks[0], warnings.catch_warnings():
        warnings.simplefilter("error")
        return pd.tseries.frequencies.to_offset("" if alias is None else alias)


def _exchange(code: str, times: pd.DatetimeIndex) -> Sessions:
    sessions(code, times.min().year, times.max().year + 1)
    intraday = times[times != times.normalize()]
    if len(intraday):
        raise DataError(f"calendar {code!r} knows days; the index has times of day (first: {intraday[0]}).")
    return Sessions(code, times.min().year)


def as_rule(offset: pd.DateOffset, times: pd.DatetimeIndex) -> TimeRule:
    """Fixed lengths are compared as elapsed time; days only without a time zone, where all last 24 hours."""
    whole_days = isinstance(offset, pd.offsets.Day) or (isinstance(offset, pd.offsets.Week) and offset.weekday is None)
    if whole_days and times.tz is None:
        return Steps(pd.Timedelta(days=(7 if isinstance(offset, pd.offsets.Week) else 1) * offset.n))
    if isinstance(offset, pd.offsets.Tick) and not whole_days:  # in pandas 2 a day is a Tick
        return Steps(pd.Timedelta(offset))
    return Offsets(offset)


def step_rule(step: pd.Timedelta, times: pd.DatetimeIndex) -> TimeRule:
    """The rule of a fixed step; one of whole days keeps the time of day where clocks change."""
    days = step // DAY
    return as_rule(pd.offsets.Day(days) if step == days * DAY else pd.tseries.frequencies.to_offset(step), times)


def _median_step(stamps: Index) -> int:
    """The median difference between neighbours, of two in the middle the lower one; 1 where there is no difference."""
    steps = np.sort(np.diff(stamps))
    return int(steps[(len(steps) - 1) // 2]) if len(steps) else 1


def inferred_freq(stamps: pd.DatetimeIndex) -> Any:
    """The alias or the offset that all stamps follow; None if there is none. pandas 3.1 warns that it will change."""
    with _locks[0], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pd.infer_freq(stamps)


def _inferred(stamps: pd.DatetimeIndex) -> pd.DateOffset:
    """The offset that the stamps follow, or an error that says what is missing."""
    if stamps.freq is not None:
        return stamps.freq
    if len(stamps) < 3:
        raise DataError(f"no step can be learnt from {len(stamps)} timestamps; pass calendar='D' or the like.")
    alias = inferred_freq(stamps)
    if alias is not None:
        return pd.tseries.frequencies.to_offset(alias)
    clock = stamps.tz_localize(None)
    if stamps.tz is not None and inferred_freq(clock.normalize()) is not None:
        odd = stamps[clock - clock.normalize() != (clock - clock.normalize())[0]]
        raise DataError(f"days in {stamps.tz} begin at another hour at times {_first(odd)}; {ZONELESS}.")
    step = usual_step(stamps)
    if step == DAY and _on_weekdays(stamps):
        gaps = pd.bdate_range(stamps[0], stamps[-1], tz=stamps.tz).difference(stamps)
        advice = "pass calendar='XNYS' (or another exchange code) if they are holidays"
        raise DataError(f"{len(gaps)} weekdays have no row {_first(gaps)}; {advice}, else use tsseq.regularize.")
    calendar = next((alias for alias in MONTHLY if _all_on(stamps, alias)), None)
    if calendar is not None:
        gaps = pd.date_range(stamps[0], stamps[-1], freq=calendar).difference(stamps)
        advice = f"fill them with tsseq.regularize(frame, {calendar!r}), or pass calendar='rows' if gaps are pauses"
        raise DataError(f"{len(gaps)} timestamps are missing {_first(gaps)}; {advice}.")
    _check_some_step(stamps, step)
    irregular = f"the index has no regular step: by its usual step of {step}, "
    advice = (
        "pass calendar=... if the step is another ('rows' if gaps are pauses), or fill the rows with tsseq.regularize"
    )
    if (stamps[-1] - stamps[0]) / step > MOST_LISTED * len(stamps):
        raise DataError(f"{irregular}nearly all timestamps are missing; {advice}.")
    gaps = pd.date_range(stamps[0], stamps[-1], freq=step).difference(stamps)
    raise DataError(f"{irregular}{len(gaps)} timestamps are missing {_first(gaps)}; {advice}.")


def _all_on(stamps: pd.DatetimeIndex, alias: str) -> bool:
    """Whether an offset of months has all stamps, at one time of day."""
    offset = pd.tseries.frequencies.to_offset(alias)
    clock = stamps.tz_localize(None)
    days = clock.normalize()
    return bool((clock - days).nunique() == 1 and all(map(offset.is_on_offset, days)))


def _check_some_step(stamps: pd.DatetimeIndex, usual: pd.Timedelta) -> None:
    """Refuse stamps of which no step is the usual one: nothing can be filled in between them."""
    steps = pd.TimedeltaIndex(np.diff(stamps))
    if (steps == usual).mean() > 0.5:
        return
    ratios = {alias: np.log(pd.Timedelta(length) / steps.to_series().median()) for alias, length in GRIDS.items()}
    grid = min(ratios, key=lambda alias: abs(ratios[alias]))
    found = f"the index has no regular step: its steps go from {steps.min()} to {steps.max()}"
    advice = f"Bring it to a grid, as frame.resample({grid!r}).mean() does for one series"
    raise DataError(f"{found}. {advice}, or pass calendar='rows', which takes rows as they follow one another.")


def usual_step(stamps: pd.DatetimeIndex) -> pd.Timedelta:
    """The most frequent difference between neighbours."""
    lengths, counts = np.unique(np.diff(stamps.asi8), return_counts=True)
    return pd.Timedelta(int(lengths[counts.argmax()]), unit=stamps.unit)


def _first(stamps: pd.Index, most: int = 5) -> str:
    return f"(first: {', '.join(map(str, stamps[:most]))})"


def check_regular(
    rule: TimeRule, times: pd.Index, first_row: NDArray[np.int64], ids: pd.Index, calendar: Calendar = None
) -> None:
    """Raise a DataError that names the first gap, if any series has one.

    Parameters
    ----------
    rule : TimeRule
        How timestamps follow one another.
    times : Index of shape (T,)
        Ordered within each series.
    first_row : ndarray of shape (S,)
        The row at which each series begins.
    ids : Index of shape (S,)
        Names of the series, for the message.
    calendar : str, pandas.DateOffset, TimeRule or mapping, optional
        What the user said of the timestamps; to say it is advised only where nothing was said.

    Raises
    ------
    DataError
        A timestamp is missing, or not on the calendar.
    """
    if len(times) < 2:
        return
    broken = ~rule.follows(times[:-1], times[1:])
    broken[first_row[first_row > 0] - 1] = False
    rows = np.flatnonzero(broken) + 1
    if len(rows) == 0:
        return
    series = np.searchsorted(first_row, rows, side="right") - 1
    where = f" in {len(np.unique(series))} series (first: {ids[series[0]]!r})" if ids[0] is not None else ""
    before, after = times[rows[0] - 1], times[rows[0]]
    missing = rule.after(before, 6)
    missing = missing[missing < after]
    if len(missing) == 0:
        off_calendar = f"{len(rows)} timestamps{where} are not on the calendar: {after} after {before}"
        raise DataError(f"{off_calendar}. Pass the right calendar=...")
    lacking = f"missing: {', '.join(map(str, missing[:5]))}" + (" ..." if len(missing) > 5 else "")
    gaps = f"{len(rows)} gaps in the timestamps{where}; {lacking}"
    if calendar is None:
        raise DataError(f"{gaps}. Fill them with tsseq.regularize, or pass calendar=... ('rows' if they are pauses).")
    grid = repr(calendar) if isinstance(calendar, str) else "calendar"
    raise DataError(f"{gaps}. Fill them with tsseq.regularize(frame, {grid}), prices with fill='ffill'.")


def stamps_like(times: pd.Index, stamps: Any) -> pd.Index:
    """Timestamps of the kind of ``times`` from what a user writes: one or several dates, texts, periods or numbers."""
    stamps = [stamps] if isinstance(stamps, str) or not hasattr(stamps, "__len__") else list(stamps)
    if len(stamps) == 0:
        raise DataError("no timestamps were given.")
    try:
        if isinstance(times, pd.PeriodIndex):
            index: pd.Index = pd.PeriodIndex(stamps, freq=times.freq)
        elif isinstance(times, pd.DatetimeIndex):
            index = pd.DatetimeIndex(stamps)
            index = index.tz_localize(times.tz) if isinstance(stamps[0], str) and times.tz is not None else index
        else:
            index = pd.Index(stamps)
        times[:1].append(index).max()  # fails where they cannot be compared
    except (TypeError, ValueError) as error:
        raise DataError(f"timestamps like {times[-1]} were needed, not {stamps[0]!r}: {error}") from error
    return index


def fit_numbers(stamps: pd.Index, refit: Refit, option: str = "refit") -> Index:
    """Number the fit that serves each of ordered timestamps.

    Parameters
    ----------
    stamps : Index of shape (n,)
        In order: the cutoffs of a backtest, the beginnings of test blocks.
    refit : bool, int, str or pandas.DateOffset
        True fits at every timestamp, a number k at every k-th, False once. A pandas offset or its alias fits at the
        first timestamp of each new period, in the time zone of ``stamps``: "YE" and "YS" each calendar year, "QE" each
        quarter, "W-FRI" each week that ends on a Friday, "90D" and ``DateOffset(months=6)`` every so often after the
        first. Multiples such as "2YE" count from the first period. A `Period` counts by its end.
    option : str, default "refit"
        What errors call it.

    Returns
    -------
    ndarray of shape (n,)
        Whole numbers from 0 that rise where a new fit begins.

    Raises
    ------
    ConfigError
        ``refit`` is neither, or a rule of dates for timestamps that are not dates.

    Examples
    --------
    >>> fit_numbers(pd.DatetimeIndex(["2016-12-01", "2016-12-31 16:00", "2017-01-03"]), "YE")
    array([0, 0, 1])
    """
    refit = bool(refit) if isinstance(refit, np.bool_) else refit
    if refit is False:
        return np.zeros(len(stamps), dtype=np.int64)
    if isinstance(refit, (int, np.integer)):
        if refit < 1:
            raise ConfigError(f"{option}={refit!r} must be at least 1, or False to fit once.")
        return np.arange(len(stamps)) // int(refit)
    try:
        offset = _offset(refit)
    except (ValueError, TypeError, Warning) as error:
        dates = "a pandas offset such as 'YE', 'QE', 'MS', 'W-FRI' or '90D'"
        raise ConfigError(f"{option}={refit!r} is neither True, False, a whole number, nor {dates}.") from error
    if offset.n < 1:
        raise ConfigError(f"{option}={refit!r} does not step forward.")
    stamps = stamps.end_time if isinstance(stamps, pd.PeriodIndex) else stamps
    if not isinstance(stamps, pd.DatetimeIndex):
        advice = "pass a whole number k to fit at every k-th, or samples with dates"
        raise ConfigError(f"{option}={refit!r} is a rule of dates, and the timestamps are {stamps.dtype}; {advice}.")
    clock = stamps.tz_localize(None)
    # multiples are counted from the period of the first timestamp, where date_range would begin with a part of one
    step, n = (offset, 1) if isinstance(offset, pd.offsets.Tick) else (offset.base, offset.n)
    edges = pd.date_range(clock[0].normalize(), clock[-1], freq=step)
    if isinstance(step, PERIOD_ENDS) and getattr(step, "weekday", 0) is not None:
        edges = edges.normalize() + pd.Timedelta(days=1)
    periods = np.maximum.accumulate(edges.searchsorted(clock, side="right"))  # an hour may come twice
    return np.asarray((periods - periods[0]) // n, dtype=np.int64)
