"""The next timestamps: plain steps, pandas offsets, sessions of exchanges, clocks that change."""

import re

import numpy as np
import pandas as pd
import pytest
from exchange_calendars import get_calendar
from exchange_calendars.exchange_calendar_xshg import XSHGExchangeCalendar

from tsseq import Forecaster, LastValue, regularize
from tsseq.data.time_rules import Offsets, Rows, Sessions, Steps
from tsseq.data.timestamps import fit_numbers, rule_for
from tsseq.errors import ConfigError, DataError

FREQS = ["15min", "h", "4h", "D", "2D", "B", "W-WED", "2W", "MS", "ME", "2ME", "BME", "QS", "QE", "YS", "YE"]


def assert_same(index, want):
    """Equal, whether an index knows its frequency or not."""
    assert (index.dtype, index.name, index.tolist()) == (want.dtype, want.name, want.tolist())


def coming(index, calendar=None, horizon=3):
    """The timestamps of a forecast from the end of ``index``."""
    series = pd.Series(np.arange(len(index), dtype=float), index)
    return Forecaster(LastValue(), horizon, 5, calendar=calendar).fit(series).predict().index


def sessions(frame, day, n):
    model = Forecaster(LastValue(), n, 5, target="close", calendar="XNYS").fit(frame)
    return model.predict(frame.loc[:day]).index.strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize("unit", ["s", "ns"])
@pytest.mark.parametrize("freq", FREQS)
def test_the_forecast_goes_on_as_the_index_does(freq, unit):
    index = pd.date_range("2024-01-31", periods=43, freq=freq, unit=unit)
    known, want = index[:40], index[40:]
    assert_same(coming(known), want)
    learnt = coming(pd.DatetimeIndex(known, freq=None))
    assert_same(learnt, pd.DatetimeIndex(want, freq=None))
    assert learnt.freq is None
    for calendar in (freq, pd.tseries.frequencies.to_offset(freq)):
        assert_same(coming(pd.DatetimeIndex(known, freq=None), calendar), want)


@pytest.mark.parametrize("freq", ["15min", "h", "D", "W-WED", "M", "2M", "Q-DEC", "Y-DEC"])
def test_periods_go_on_as_periods(freq):
    index = pd.period_range("2020-01", periods=43, freq=freq, name="when")
    assert_same(coming(index[:40]), index[40:])
    with pytest.raises(DataError, match=rf"missing: {index[20]}"):
        coming(index[:40].delete(20))


@pytest.mark.parametrize(
    ("index", "want"),
    [
        (pd.RangeIndex(20, name="row"), [20, 21, 22]),
        (pd.RangeIndex(5, 45, 2), [45, 47, 49]),
        (pd.Index([10 * i for i in range(20)]), [200, 210, 220]),
        (pd.Index(np.arange(20, dtype=np.int32) - 10), [10, 11, 12]),
        (pd.Index(np.arange(20, dtype=np.uint16)), [20, 21, 22]),
    ],
    ids=["from zero", "step 2", "step 10", "int32 from below zero", "uint16"],
)
def test_whole_numbers_go_on_by_their_step(index, want):
    out = coming(index)
    assert out.tolist() == want
    assert out.dtype == index.dtype
    assert out.name == index.name


@pytest.mark.parametrize(
    ("year", "day", "want"),
    [
        ("1999", "1999-11-24", ["1999-11-26", "1999-11-29", "1999-11-30"]),  # Thanksgiving
        ("1999", "1999-12-23", ["1999-12-27", "1999-12-28"]),  # Christmas was a Saturday
        ("1999", "1999-12-31", ["2000-01-03", "2000-01-04"]),
        ("1999", "1999-04-01", ["1999-04-05"]),  # Good Friday
        ("2018", "2018-12-04", ["2018-12-06", "2018-12-07", "2018-12-10"]),  # a day of mourning
        ("2018", "2018-12-31", ["2019-01-02", "2019-01-03", "2019-01-04", "2019-01-07"]),
        ("2018", "2018-07-03", ["2018-07-05", "2018-07-06"]),
    ],
)
def test_holidays_of_new_york_are_no_gaps_and_the_forecast_lands_on_sessions(sp500, year, day, want):
    assert sessions(sp500.loc[year], day, len(want)) == want


def test_weeks_without_trading_are_skipped(sp500):
    assert sessions(sp500.loc["2001"], "2001-09-10", 2) == ["2001-09-17", "2001-09-18"]


def test_every_forecast_over_twenty_years_is_dated_on_the_sessions_that_came(sp500):
    model = Forecaster(LastValue(), 5, 5, target="close", calendar="XNYS").fit(sp500)
    out = model.predict_at(sp500, sp500.index[4:-5])
    for step in range(1, 6):
        assert out.loc[out["step"] == step, "date"].tolist() == sp500.index[4 + step : len(sp500) - 5 + step].tolist()


@pytest.mark.parametrize("tz", ["UTC", "America/New_York"])
@pytest.mark.parametrize("unit", ["s", "ns"])
def test_sessions_keep_the_time_zone_and_the_unit_of_the_index(sp500, tz, unit):
    index = sp500.loc["2018"].index.as_unit(unit).tz_localize(tz)
    want = pd.DatetimeIndex(["2019-01-02", "2019-01-03", "2019-01-04"], name="date").as_unit(unit).tz_localize(tz)
    assert_same(coming(index, "XNYS"), want)


def test_each_exchange_of_a_panel_goes_on_by_its_own_calendar():
    ends = {"XNYS": "2024-07-03", "XLON": "2024-08-23", "XTKS": "2024-08-09"}
    want = {
        "XNYS": ["2024-07-05", "2024-07-08"],
        "XLON": ["2024-08-27", "2024-08-28"],
        "XTKS": ["2024-08-13", "2024-08-14"],
    }
    series = {}
    for code, end in reversed(ends.items()):
        own = Sessions(code).between(pd.Timestamp("2024-04-01"), pd.Timestamp(end))
        series[f"{code} index"] = pd.Series(np.arange(len(own), dtype=float), own, name="close")
    panel = pd.concat(series, names=["id", "day"]).sample(frac=1, random_state=0)
    calendar = {f"{code} index": code for code in ends}
    model = Forecaster(LastValue(), 2, 20, calendar=calendar).fit(panel)
    out = model.predict()
    for code, days in want.items():
        assert out.loc[f"{code} index"].index.strftime("%Y-%m-%d").tolist() == days
    tidy = model.predict_at(
        panel, pd.Timestamp("2024-05-02")
    )  # Tokyo: Constitution Day and what follows; London: 6 May
    assert {name: days.dt.strftime("%m-%d").tolist() for name, days in tidy.groupby("id")["day"]} == {
        "XLON index": ["05-03", "05-07"],
        "XNYS index": ["05-03", "05-06"],
        "XTKS index": ["05-07", "05-08"],
    }
    with pytest.raises(DataError, match=r"not on the calendar|gaps"):
        Forecaster(LastValue(), 2, 20, calendar="XNYS").fit(panel)


def test_a_yahoo_frame_over_two_exchanges_takes_a_calendar_for_each():
    days = {
        code: Sessions(code).between(pd.Timestamp("2024-04-01"), pd.Timestamp("2024-07-03"))
        for code in ("XNYS", "XTKS")
    }
    closes = {code: pd.Series(np.arange(len(own), dtype=float), own) for code, own in days.items()}
    prices = pd.concat({"Close": pd.DataFrame(closes)}, axis=1, names=["Price", "Ticker"])
    model = Forecaster(LastValue(), 2, 20, target="Close", calendar={code: code for code in days}).fit(prices)
    assert model.predict()["Close", "XNYS"].dropna().index.strftime("%m-%d").tolist() == ["07-05", "07-08"]


def test_a_custom_business_day_skips_its_own_holidays():
    offset = pd.offsets.CustomBusinessDay(holidays=["2024-03-08", "2024-03-20"], weekmask="Mon Tue Wed Thu Fri")
    index = pd.date_range("2024-02-01", "2024-03-19", freq=offset)
    want = ["2024-03-21", "2024-03-22", "2024-03-25"]
    assert coming(index, offset).strftime("%Y-%m-%d").tolist() == want
    assert coming(pd.DatetimeIndex(index, freq=None), offset).strftime("%Y-%m-%d").tolist() == want
    with pytest.raises(DataError, match=r"1 gaps in the timestamps; missing: 2024-03-12"):
        coming(index.drop(pd.Timestamp("2024-03-12")), offset)


def test_a_calendar_keeps_the_time_of_day():
    index = pd.date_range("2024-01-31 16:00", periods=20, freq="B")
    assert_same(coming(index, "B"), pd.date_range("2024-02-28 16:00", periods=3, freq="B"))


@pytest.mark.parametrize(("start", "end"), [("2024-03-01", "2024-03-30 22:00"), ("2024-10-01", "2024-10-26 22:00")])
@pytest.mark.parametrize("freq", ["h", "15min"])
def test_hours_go_on_through_a_change_of_clocks(start, end, freq):
    index = pd.date_range(start, end, freq=freq, tz="Europe/Berlin")
    for known in (index, pd.DatetimeIndex(index, freq=None)):
        out = coming(known, horizon=30)
        assert_same(out, pd.date_range(index[-1], periods=31, freq=freq)[1:])
        assert set(np.diff(out.asi8)) == set(np.diff(index.asi8[:2]))


@pytest.mark.parametrize("day", ["2024-03-29", "2024-03-31", "2024-10-25", "2024-10-27"])
@pytest.mark.parametrize("freq", ["D", "W-SUN", "MS"])
def test_days_begin_at_midnight_on_both_sides_of_a_change_of_clocks(freq, day):
    index = pd.date_range(end=day, periods=40, freq=freq, tz="Europe/Berlin")
    for known in (index, pd.DatetimeIndex(index, freq=None)):
        out = coming(known, horizon=5)
        assert_same(out, pd.date_range(index[-1], periods=6, freq=freq)[1:])
        assert (out == out.normalize()).all()


def test_hours_that_include_a_change_of_clocks_are_no_gap():
    hours = pd.date_range("2024-03-30", "2024-04-02", freq="h", tz="Europe/Berlin")
    assert_same(coming(pd.DatetimeIndex(hours, freq=None), horizon=2), hours[-1] + pd.to_timedelta([1, 2], "h"))


def test_days_go_on_past_a_midnight_that_does_not_exist():
    index = pd.date_range("2018-10-01", "2018-11-02", freq="D", tz="America/Sao_Paulo")
    try:
        out = coming(index)
    except DataError:
        return
    assert out.tz_localize(None).normalize().strftime("%m-%d").tolist() == ["11-03", "11-04", "11-05"]


def test_a_calendar_wins_over_the_freq_of_the_index():
    index = pd.bdate_range("2024-05-28", "2024-06-17")
    assert index.freq == "B"
    assert coming(index, "XNYS").strftime("%m-%d").tolist() == ["06-18", "06-20", "06-21"]


RECORDED = XSHGExchangeCalendar.bound_min(), XSHGExchangeCalendar.bound_max()  # a new year is added every December


def test_the_last_sessions_that_a_calendar_records_can_be_forecast():
    *index, before, last = Sessions("XSHG").between(RECORDED[1] - pd.Timedelta(days=80), RECORDED[1])
    assert coming(pd.DatetimeIndex(index), "XSHG", horizon=2).tolist() == [before, last]


def test_the_first_sessions_that_a_calendar_records_can_be_read():
    index = get_calendar("XSHG", start=RECORDED[0], end=RECORDED[0] + pd.Timedelta(days=80)).sessions
    assert coming(pd.DatetimeIndex(index[:-3], freq=None), "XSHG").tolist() == index[-3:].tolist()


def test_an_exchange_that_was_closed_for_weeks_opens_again(needs_exchange):
    needs_exchange("ASEX")
    index = Sessions("ASEX").between(pd.Timestamp("2015-05-01"), pd.Timestamp("2015-06-26"))
    assert coming(index, "ASEX").strftime("%m-%d").tolist() == ["08-03", "08-04", "08-05"]


def test_beyond_the_recorded_end_of_a_calendar_is_refused():
    index = Sessions("XSHG").between(RECORDED[1] - pd.Timedelta(days=80), RECORDED[1])
    with pytest.raises(DataError, match=r"XSHG"):
        coming(index, "XSHG")


def test_one_calendar_serves_series_that_end_on_different_days():
    days = Sessions("XNYS").between(pd.Timestamp("2024-05-01"), pd.Timestamp("2024-07-03"))
    series = {
        name: pd.Series(np.arange(n, dtype=float), days[:n]) for name, n in {"late": len(days), "early": 20}.items()
    }
    out = Forecaster(LastValue(), 2, 5, calendar="XNYS").fit(pd.concat(series)).predict()
    assert out.loc["late"].index.strftime("%m-%d").tolist() == ["07-05", "07-08"]
    assert out.loc["early"].index.tolist() == days[20:22].tolist()


@pytest.mark.parametrize("calendar", ["NYSE", "XNYS"])
def test_an_exchange_may_be_named_by_its_alias(calendar):
    days = Sessions("XNYS").between(pd.Timestamp("2024-05-01"), pd.Timestamp("2024-07-03"))
    assert coming(days, calendar, horizon=1).strftime("%m-%d").tolist() == ["07-05"]


def test_a_word_that_is_no_calendar_is_refused():
    with pytest.raises(ConfigError, match="'M'"):
        coming(pd.date_range("2024-01-31", periods=20, freq="ME"), "M")


@pytest.mark.parametrize(
    ("freq", "tz", "want"),
    [
        ("15min", None, 96),
        ("h", None, 24),
        ("h", "Europe/Berlin", 24),
        ("4h", None, 6),
        pytest.param("D", None, 7),
        ("D", "Europe/Berlin", 7),
        ("W-WED", None, 1),
        ("MS", None, 12),
        ("ME", None, 12),
        ("QE", None, 4),
        ("YE", None, 1),
    ],
)
def test_the_season_that_comes_to_mind_is_a_day_a_week_or_a_year(freq, tz, want):
    index = pd.date_range("2020-01-01", periods=40, freq=freq, tz=tz)
    assert rule_for(None, index, index).season_length == want


@pytest.mark.parametrize(("freq", "want"), [("h", 24), ("D", 7), ("M", 12), ("Q-DEC", 4), ("Y-DEC", 1)])
def test_periods_have_the_same_seasons(freq, want):
    index = pd.period_range("2020-01-01", periods=40, freq=freq)
    assert rule_for(None, index, index).season_length == want


def test_sessions_and_whole_numbers_have_no_season(sp500):
    days = sp500.loc["2018"].index
    assert rule_for("XNYS", days, days).season_length == 1
    assert rule_for(None, pd.RangeIndex(9), pd.RangeIndex(9)).season_length == 1


def fits(stamps, refit):
    """The first timestamp that each fit serves."""
    numbers = fit_numbers(stamps, refit)
    assert (np.diff(numbers) >= 0).all()
    return stamps[np.flatnonzero(np.diff(numbers, prepend=-1))].strftime("%Y-%m-%d").tolist()


FRIDAYS = pd.date_range("2015-11-06", "2019-03-01", freq="W-FRI")


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize(
    ("refit", "firsts"),
    [
        ("YE", ["2015-11-06", "2016-01-01", "2017-01-06", "2018-01-05", "2019-01-04"]),
        ("YS", ["2015-11-06", "2016-01-01", "2017-01-06", "2018-01-05", "2019-01-04"]),
        ("BYE", ["2015-11-06", "2016-01-01", "2017-01-06", "2018-01-05", "2019-01-04"]),
        ("2YE", ["2015-11-06", "2017-01-06", "2019-01-04"]),
        ("YE-JUN", ["2015-11-06", "2016-07-01", "2017-07-07", "2018-07-06"]),
        ("365D", ["2015-11-06", "2016-11-11", "2017-11-10", "2018-11-09"]),
        (pd.Timedelta(days=365), ["2015-11-06", "2016-11-11", "2017-11-10", "2018-11-09"]),
        (pd.DateOffset(years=1), ["2015-11-06", "2016-11-11", "2017-11-10", "2018-11-09"]),
        (pd.DateOffset(months=9), ["2015-11-06", "2016-08-12", "2017-05-12", "2018-02-09", "2018-11-09"]),
        (50, ["2015-11-06", "2016-10-21", "2017-10-06", "2018-09-21"]),
        (False, ["2015-11-06"]),
    ],
    ids=str,
)
def test_a_fit_serves_a_period(refit, firsts, unit):
    assert fits(FRIDAYS.as_unit(unit), refit) == firsts


def test_a_fit_serves_each_quarter_month_or_third_friday():
    for refit, names in {"QE": "Q", "QS": "Q", "ME": "M", "MS": "M", "W-THU": "W-THU", "W-FRI": "W-FRI"}.items():
        by_period = pd.Series(FRIDAYS, FRIDAYS).groupby(FRIDAYS.to_period(names)).first()
        assert fits(FRIDAYS, refit) == by_period.dt.strftime("%Y-%m-%d").tolist()
    assert fits(FRIDAYS, "WOM-3FRI")[:4] == ["2015-11-06", "2015-11-20", "2015-12-18", "2016-01-15"]
    assert fits(FRIDAYS, True) == FRIDAYS.strftime("%Y-%m-%d").tolist()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "America/Santiago", None])
def test_periods_end_at_midnight_of_the_time_zone(zone):
    hours = pd.date_range("2016-12-30", "2017-12-31 23:00", freq="h", tz=zone)
    for refit in ("YE", "YS"):
        begins = hours[np.flatnonzero(np.diff(fit_numbers(hours, refit), prepend=-1))]
        assert begins.tolist() == [hours[0], pd.Timestamp("2017-01-01", tz=zone)]
    days = pd.Series(hours, hours).groupby(hours.strftime("%Y-%m-%d")).first()
    assert fits(hours, "D") == days.index.tolist()


def test_periods_count_by_their_end():
    months = pd.period_range("2015-03", "2018-05", freq="M")
    assert [month[:7] for month in fits(months, "YE")] == ["2015-03", "2016-01", "2017-01", "2018-01"]
    days = pd.period_range("2015-03-02", "2015-03-20", freq="D")
    assert fits(days, "W-WED") == ["2015-03-02", "2015-03-05", "2015-03-12", "2015-03-19"]


def test_a_rule_of_dates_needs_dates():
    with pytest.raises(ConfigError, match="refit='YE' is a rule of dates, and the timestamps are int64; pass a whole"):
        fit_numbers(pd.RangeIndex(10), "YE")
    with pytest.raises(ConfigError, match="refit=0 must be at least 1"):
        fit_numbers(FRIDAYS, 0)
    for refit in ("0YE", "-1D"):
        with pytest.raises(ConfigError, match="does not step forward"):
            fit_numbers(FRIDAYS, refit)
    for refit in ("XNYS", 2.5, None):
        with pytest.raises(ConfigError, match="is neither True, False, a whole number, nor a pandas offset"):
            fit_numbers(FRIDAYS, refit)


SHIFTS = pd.date_range("2024-03-04 08:00", periods=9, freq="10min").append(
    pd.date_range("2024-03-06 14:00", periods=9, freq="10min")
)
AFTER = pd.date_range("2024-03-06 15:30", periods=3, freq="10min")


def march(*days):
    return pd.DatetimeIndex([pd.Timestamp(2024, 3, day) for day in days])


@pytest.mark.parametrize(
    ("index", "onward"),
    [
        (SHIFTS, AFTER),
        (SHIFTS.tz_localize("UTC"), AFTER.tz_localize("UTC")),
        (march(1, 4, 5, 7, 8, 11, 12, 14, 15), march(18, 19, 20)),
        (march(1, 2, 3, 5, 6, 7, 11, 12), march(13, 14, 15)),
    ],
    ids=["shifts", "shifts, UTC", "weekdays", "days"],
)
def test_rows_with_pauses_go_on_by_their_median_step(index, onward):
    assert coming(index, "rows").tolist() == onward.tolist()


def test_days_with_pauses_keep_the_time_of_day_when_clocks_change():
    index = pd.date_range("2024-03-01 09:00", "2024-03-30", freq="D", tz="Europe/Berlin").delete([3, 4, 11])
    assert {stamp.hour for stamp in coming(index, "rows")} == {9}


def test_numbers_and_periods_with_pauses_go_on_by_one_step():
    assert coming(pd.Index([0, 5, 10, 40, 45, 50, 55, 90]), "rows").tolist() == [95, 100, 105]
    days = march(1, 2, 5, 8, 9, 10, 14, 16).to_period("D")
    assert coming(days, "rows").astype(str).tolist() == ["2024-03-17", "2024-03-18", "2024-03-19"]


def test_rows_have_the_season_of_one_row_and_neighbours_at_any_distance():
    assert rule_for("rows", SHIFTS[:2], SHIFTS[:2]) == rule_for("rows", SHIFTS, SHIFTS)
    rule = rule_for("rows", SHIFTS, SHIFTS)
    assert rule == Rows(Steps(pd.Timedelta(minutes=10)))
    assert rule.season_length == 1
    assert rule.follows(SHIFTS[:-1], SHIFTS[1:]).all()
    weekdays = pd.bdate_range("2024-01-01", periods=20).delete(7)
    assert rule_for("rows", weekdays, weekdays) == Rows(Offsets(pd.offsets.BDay()))


@pytest.mark.parametrize("calendar", [None, "D", "rows"])
def test_whole_numbers_that_read_as_dates_are_refused_with_the_way_to_convert_them(calendar):
    days = pd.date_range("2024-01-20", periods=30).strftime("%Y%m%d").astype(int)
    frame = pd.DataFrame({"day": days, "y": np.arange(30.0)})
    advice = r"such as 20240120 .*read as dates; convert {} with pd.to_datetime\(..., format=\"%Y%m%d\"\)"
    with pytest.raises(DataError, match=advice.format("'day'")):
        Forecaster(LastValue(), 2, 5, time_column="day", calendar=calendar).fit(frame)
    with pytest.raises(DataError, match=advice.format("them")):
        coming(pd.Index(days), calendar)


def test_whole_numbers_that_read_as_months_are_refused_with_the_way_to_convert_them():
    months = pd.period_range("2022-11", periods=20, freq="M").strftime("%Y%m").astype(int)
    advice = r"such as 202211 .*read as dates; convert 'month' with pd.to_datetime\(..., format=\"%Y%m\"\)"
    panel = pd.DataFrame({"id": np.repeat([1, 0], 20), "month": np.tile(months[::-1], 2), "y": np.arange(40.0)})
    for frame in (panel[:20], panel):
        ids = {"id_column": "id"} if len(frame) == 40 else {"target": "y"}
        with pytest.raises(DataError, match=advice.replace("202211", r"20\d{4}")):
            Forecaster(LastValue(), 2, 5, time_column="month", **ids).fit(frame)
    assert coming(pd.Index(range(202_401, 202_413)))[0] == 202_413  # one year may be anything


@pytest.mark.parametrize("first", [20_240_120, 1_990, 19_000_101, 202_301])
def test_whole_numbers_that_do_not_read_as_dates_are_numbers(first):
    assert coming(pd.Index(np.arange(first, first + 50)))[0] == first + 50


@pytest.mark.parametrize("freq", ["MS", "ME", "QS", "QE", "YS", "YE"])
def test_a_month_that_is_missing_is_named_with_the_way_to_fill_it(freq):
    whole = pd.Series(1.0, pd.date_range("2000-01-01 06:00", periods=60, freq=freq), name="y")
    frame = whole.drop(whole.index[40])
    with pytest.raises(DataError, match="1 timestamps are missing") as caught:
        Forecaster(LastValue(), 1, 2).fit(frame)
    advice = re.search(r"regularize\(frame, '(\w+)'\)", str(caught.value)).group(1)
    assert regularize(frame, advice).index.equals(whole.index)
