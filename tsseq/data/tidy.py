"""Columns of the tidy table of forecasts, whose ids and times bear the names of the frame they came from."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import NamedTuple

import pandas as pd

from tsseq.errors import DataError

NUMBER = r"(0?\.\d+|\d(?:\.\d+)?e-\d+)"
LEVEL, SET = re.compile(f"q{NUMBER}"), re.compile(f"set{NUMBER}_.*", re.DOTALL)


# What skill and tests compare with, of numbers and of categories, in words.
YARDSTICKS = {"last_value": "repeating the last value", "frequencies": "the frequencies of the categories"}
NAIVE = ("last_value", "drift", "mean", "seasonal_naive", "frequencies", "markov")  # models of every backtest
RESERVED = ("model", "cutoff", "step", "target", "actual", "forecast")


def key_names(names: tuple[Hashable | None, Hashable | None]) -> tuple[Hashable, Hashable]:
    """Names of the id and time columns of a tidy table: the frame's own, else ``unique_id`` and ``ds``.

    Examples
    --------
    >>> key_names(("ticker", None)), key_names(("model", "date"))
    (('ticker', 'ds'), ('unique_id', 'date'))
    """
    taken = [name is None or name in RESERVED or LEVEL.fullmatch(str(name)) for name in names]
    return "unique_id" if taken[0] else names[0], "ds" if taken[1] else names[1]


class TidyColumns(NamedTuple):
    """Names of the columns that differ from table to table.

    Attributes
    ----------
    id : hashable or None
        Column of the series id, which stands before "cutoff"; None if the forecasts are of one series.
    time : hashable
        Column of the timestamps that were forecast, which stands behind "cutoff".
    levels : dict of str to float
        Quantile level of every quantile column: ``{"q0.1": 0.1}``.
    classes : Index or None
        The categories that are forecast, as text; the column ``p_<category>`` holds the probability of one. None where
        forecasts are numbers.
    sets : tuple of float
        Levels of sets of categories, in order: the column ``set<level>_<category>`` tells whether one is in the set.
    """

    id: Hashable | None
    time: Hashable
    levels: dict[str, float]
    classes: pd.Index | None = None
    sets: tuple[float, ...] = ()


def tidy_columns(table: pd.DataFrame) -> TidyColumns:
    """Recognise the columns of a tidy table: ``[model,] [id,] cutoff, time, step, target, [actual,] forecast, q...``.

    Parameters
    ----------
    table : DataFrame
        As `Forecaster.predict_at` and `backtest` return it; columns added behind these are left alone.

    Raises
    ------
    DataError
        The table lacks one of the columns that every forecast has.

    Examples
    --------
    >>> import pandas as pd
    >>> from tsseq.data.tidy import tidy_columns
    >>> names = ["model", "ticker", "cutoff", "date", "step", "target", "forecast", "q0.1", "quarter"]
    >>> tidy_columns(pd.DataFrame(columns=names))
    TidyColumns(id='ticker', time='date', levels={'q0.1': 0.1}, classes=None, sets=())
    """
    names = list(table.columns)
    missing = [name for name in ("cutoff", "step", "target", "forecast") if name not in names]
    if missing:
        raise DataError(f"the forecasts have no column {missing[0]!r}; pass the table of a backtest or predict_at.")
    at = names.index("cutoff")
    if at + 1 == len(names):
        raise DataError("the forecasts have no column of timestamps behind 'cutoff'; pass the table of a backtest.")
    ids = [name for name in names[:at] if name != "model"]
    levels = {name: float(name[1:]) for name in names if isinstance(name, str) and LEVEL.fullmatch(name)}
    classes, text = _classes(table), [name for name in names if isinstance(name, str)]
    sets = {float(match[1]) for name in text if classes is not None and (match := SET.fullmatch(name))}
    return TidyColumns(ids[-1] if ids else None, names[at + 1], levels, classes, tuple(sorted(sets)))


def _classes(table: pd.DataFrame) -> pd.Index | None:
    """The categories that a table has as forecasts, actual values or probabilities."""
    dtype = table["forecast"].dtype
    numeric = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    if numeric or not len(table):
        return None
    values = [table[name].dropna().unique() for name in ("forecast", "actual") if name in table]
    named = [name[2:] for name in table if isinstance(name, str) and name.startswith("p_")]
    return pd.Index(list(dict.fromkeys([*named, *(str(value) for part in values for value in part)])))
