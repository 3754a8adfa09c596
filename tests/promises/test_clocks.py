"""Forecasts go on at the frequency and on the clock of their frame, also where clocks change."""

import numpy as np
import pandas as pd
import pytest

import tsseq
from tsseq import Forecaster, SeasonalNaive
from tsseq.errors import DataError

STEPS, ROWS = 6, 60
FREQS = "15min", "h", "2h", "6h", "D", "B", "W-SUN", "W-WED", "MS", "ME", "BME", "QS", "QE", "YS", "YE"
# Clocks in Berlin go forward on 31 March at 2 and back on 27 October at 3; in Santiago they go forward at midnight.
CHANGES = [
    (None, "2024-03-31"),
    ("UTC", "2024-03-31"),
    ("Europe/Berlin", "2024-03-31"),
    ("Europe/Berlin", "2024-10-27"),
    ("America/Santiago", "2024-09-08"),
]


def clock(freq: str, zone: str | None, change: str, before: int) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Stamps of a series and of the steps after it, with so many of them before the clocks change."""
    if freq.endswith(("min", "h")):
        start = pd.date_range(end=pd.Timestamp(change, tz="UTC"), periods=before, freq=freq)[0]
        stamps = pd.date_range(start.tz_convert(zone), periods=ROWS + STEPS, freq=freq)
    else:
        start = pd.date_range(end=change, periods=before, freq=freq)[0]
        stamps = pd.date_range(start, periods=ROWS + STEPS, freq=freq).tz_localize(zone, nonexistent="shift_forward")
    return stamps[:ROWS], stamps[ROWS:]


def skipped(freq: str, zone: str | None) -> bool:
    """Whether a stamp of a day falls on a midnight that clocks skip."""
    return zone == "America/Santiago" and freq in ("D", "W-SUN")


def walk() -> np.ndarray:
    return np.random.default_rng(0).normal(size=ROWS).cumsum()


def model() -> Forecaster:
    return Forecaster(SeasonalNaive(4), STEPS, 8, target="y")


REFERENCE = model().fit(pd.Series(walk(), name="y"))


@pytest.mark.parametrize("before", [ROWS - 3, ROWS + 3], ids=["clocks change in the past", "in the future"])
@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("freq", FREQS)
def test_steps_follow_the_clock_and_values_do_not(freq, zone, change, before, tmp_path):
    past, later = clock(freq, zone, change, before)
    if skipped(freq, zone):
        with pytest.raises(DataError, match=r"-09-0.*stamps of days need no time zone"):
            model().fit(pd.Series(walk(), past, name="y")).predict()
        past, later = past.tz_localize(None).normalize(), later.tz_localize(None).normalize()
    fitted = model().fit(pd.Series(walk(), past, name="y"))
    out = fitted.predict()
    pd.testing.assert_index_equal(out.index, later, exact=False, check_names=False)
    np.testing.assert_array_equal(out, REFERENCE.predict())
    path = tmp_path / "model.tsseq"
    fitted.save(path)
    pd.testing.assert_series_equal(tsseq.load(path).predict(), out)
    long = pd.DataFrame({"id": "a", "ds": past, "y": walk()})
    again = Forecaster(SeasonalNaive(4), STEPS, 8, target="y", id_column="id", time_column="ds").fit(long).predict()
    assert again["ds"].tolist() == later.tolist()


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("freq", FREQS)
def test_a_backtest_forecasts_the_stamps_of_the_frame(freq, zone, change):
    past, _ = clock(freq, None if skipped(freq, zone) else zone, change, ROWS - 8)
    forecasts = tsseq.backtest(model(), pd.Series(walk(), past, name="y"), n_cutoffs=3).forecasts
    row = pd.Index(past).get_indexer
    assert (row(forecasts["ds"]) - row(forecasts["cutoff"]) == forecasts["step"]).all()
    np.testing.assert_array_equal(forecasts["actual"], walk()[row(forecasts["ds"])])
