"""Covariates computed from timestamps: hour, day of the week, season, holidays; all known in advance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.time_rules import DAY, TimeRule
from tsseq.errors import ConfigError
from tsseq.typing import Array, Index


def calendar_covariates(times: pd.Index, rule: TimeRule) -> tuple[tuple[str, ...], Array]:
    """Compute what the calendar says about timestamps; what their step makes constant is left out.

    ========================== =========================== ======================================================
    name                       where                       value
    ========================== =========================== ======================================================
    calendar_hour_sin, _cos    steps below a day           local time of day
    calendar_weekday_*         steps below a week          day of the week, Monday first
    calendar_year_*            steps below four weeks      day of the year, of 365 or 366
    calendar_month_*           longer ones, below a year   month
    calendar_before_holiday    sessions of an exchange     1 if it is closed on working days before the next session
    calendar_after_holiday     sessions of an exchange     1 if it was after the session before
    ========================== =========================== ======================================================

    Sines and cosines go once around per day, week or year and begin at 0 and 1. Holidays are those that the calendar
    of the exchange records, but for the unforeseen closures of New York.

    Parameters
    ----------
    times : DatetimeIndex or PeriodIndex of shape (n,)
        Timestamps of the rows, in local time.
    rule : TimeRule
        How timestamps follow one another. A value depends on its own timestamp and on the rule, on nothing else.

    Returns
    -------
    names : tuple of str
        One name per column of ``values``.
    values : ndarray of shape (n, len(names))
        The covariates.

    Raises
    ------
    ConfigError
        Timestamps are whole numbers, or steps of a year and more, about which a calendar says nothing.

    Examples
    --------
    >>> from tsseq.data.time_rules import DAY, Steps
    >>> names, values = calendar_covariates(pd.date_range("2024-01-01", periods=3, freq="6h"), Steps(DAY / 4))
    >>> names[:2], values[:, :2].round(3).tolist()
    (('calendar_hour_sin', 'calendar_hour_cos'), [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]])
    """
    if not isinstance(times, (pd.DatetimeIndex, pd.PeriodIndex)):
        raise ConfigError(f"calendar covariates (known='calendar') need dates; the index holds {times.dtype}.")
    stamps = times.to_timestamp() if isinstance(times, pd.PeriodIndex) else times
    columns: dict[str, NDArray[Any]] = {}
    for name, turn in _turns(stamps, rule.shortest_step).items():
        angle = 2 * np.pi * np.asarray(turn, dtype=np.float64)
        columns |= {f"calendar_{name}_sin": np.sin(angle), f"calendar_{name}_cos": np.cos(angle)}
    closures = rule.closures(stamps)
    if closures is not None:
        columns |= {"calendar_before_holiday": closures[0] * 1.0, "calendar_after_holiday": closures[1] * 1.0}
    if not columns:
        raise ConfigError("calendar covariates (known='calendar') say nothing about steps of a year or more.")
    return tuple(columns), np.column_stack(list(columns.values()))


def calendar_columns(times: pd.Index, rules: tuple[TimeRule, ...], indptr: Index) -> tuple[tuple[str, ...], Array]:
    """Compute the calendar covariates of many series.

    Parameters
    ----------
    times : DatetimeIndex or PeriodIndex of shape (n,)
        Timestamps of all series, one series after another.
    rules : tuple of TimeRule
        One rule that all series share, or one rule per series.
    indptr : ndarray of shape (n_series + 1,)
        First row of each series, and the number of rows.

    Returns
    -------
    names : tuple of str
        Names of the covariates that any of the rules gives.
    values : ndarray of shape (n, len(names))
        The covariates; 0 in the rows of a series whose rule does not give that covariate.

    Raises
    ------
    ConfigError
        As `calendar_covariates` raises it for one series.

    Examples
    --------
    >>> from tsseq.data.time_rules import DAY, Steps
    >>> times = pd.date_range("2024-01-01", periods=2).append(pd.date_range("2024-01-01", periods=2, freq="7D"))
    >>> names, values = calendar_columns(times, (Steps(DAY), Steps(7 * DAY)), np.array([0, 2, 4]))
    >>> names[0], values[:, 0].round(3).tolist()
    ('calendar_weekday_sin', [0.0, 0.782, 0.0, 0.0])
    """
    if len(rules) == 1:
        return calendar_covariates(times, rules[0])
    bounds = list(pairwise(indptr))
    blocks = [calendar_covariates(times[start:end], rule) for (start, end), rule in zip(bounds, rules)]
    names = tuple(dict.fromkeys(name for block_names, _ in blocks for name in block_names))
    values = np.zeros((len(times), len(names)))
    for (block_names, block), (start, end) in zip(blocks, bounds):
        values[start:end, [names.index(name) for name in block_names]] = block
    return names, values


def _turns(stamps: pd.DatetimeIndex, step: pd.Timedelta) -> dict[str, pd.Index]:
    """Name -> share (n,) of the day, week or year that has passed."""
    turns = {}
    if step < DAY:
        turns["hour"] = (stamps.hour + stamps.minute / 60 + stamps.second / 3600) / 24
    if step < 7 * DAY:
        turns["weekday"] = stamps.day_of_week / 7
    if step < 28 * DAY:
        turns["year"] = (stamps.day_of_year - 1) / (365 + stamps.is_leap_year)
    elif step < 365 * DAY:
        turns["month"] = (stamps.month - 1) / 12
    return turns
