"""regularize puts every shape of frame on its calendar and changes nothing else."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from tsseq import Forecaster, LastValue, regularize
from tsseq.data.time_rules import Sessions
from tsseq.errors import ConfigError, DataError, TsseqError

LOST = [3, 4, 9]


def days(**more):
    return pd.date_range("2024-01-01", periods=15, name="day", **more)


def series(index=None):
    index = days(freq="D") if index is None else index
    return pd.Series(np.arange(len(index), dtype=float), index, name="y")


def without(frame, rows=LOST):
    return frame.drop(index=frame.index[rows])


def emptied(frame, rows=LOST):
    found = frame.astype(float)
    found.iloc[rows] = np.nan
    return found


def panel():
    return pd.concat({"b": series(), "a": series() + 100}, names=["id", "day"]).to_frame()


INDEXES = {
    "days": days(freq="D"),
    "hours": days(freq="h"),
    "summer time": pd.date_range("2024-03-30 20:00", periods=15, freq="h", tz="Europe/Berlin", name="day"),
    "weeks": days(freq="W-WED"),
    "seconds": days(freq="D", unit="s"),
    "periods": pd.period_range("2024-01", periods=15, freq="M", name="day"),
    "whole numbers": pd.RangeIndex(5, 35, 2, name="day"),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_missing_rows_of_a_series_become_nan(index):
    found = regularize(without(series(index)))
    assert_series_equal(found, emptied(series(index)), check_freq=False, check_index_type=False)
    assert found.index.dtype == index.dtype


@pytest.mark.parametrize("freq", ["MS", "ME", "QE", "YE", "B", "W-WED"])
def test_a_calendar_fills_what_has_no_fixed_length(freq):
    whole = series(days(freq=freq))
    assert_series_equal(regularize(without(whole), freq), emptied(whole), check_freq=False)


@pytest.mark.parametrize("tz", [None, "America/New_York"])
@pytest.mark.parametrize("hours", [0, 16])
def test_business_days_with_gaps_get_no_weekends(hours, tz):
    index = pd.bdate_range("2024-02-01", periods=40, name="day") + pd.Timedelta(hours=hours)
    whole = series(index.tz_localize(tz))  # clocks change on 10 March
    assert_series_equal(regularize(without(whole)), emptied(whole), check_freq=False)


def test_sessions_are_filled_and_holidays_are_not(sp500):
    year = sp500.loc["2018", ["close"]]
    found = regularize(without(year), "XNYS")
    assert_frame_equal(found, emptied(year), check_freq=False)


def test_a_regular_frame_comes_back_as_it_was(sp500):
    year = sp500.loc["2018"]
    assert_frame_equal(regularize(year, "XNYS"), year, check_freq=False)
    whole = pd.DataFrame({"n": np.arange(15), "word": list("abcdefghijklmno")}, days(freq="D"))
    assert_frame_equal(regularize(whole), whole, check_freq=False)


def test_rows_in_any_order_are_put_in_order():
    found = regularize(without(series()).sample(frac=1, random_state=0))
    assert_series_equal(found, emptied(series()), check_freq=False)


@pytest.mark.parametrize("turned", [False, True], ids=["id first", "time first"])
def test_every_series_of_a_panel_is_filled_between_its_own_ends(turned):
    frame = without(panel(), [0, 4, 5, 20, 29])
    found = regularize(frame.swaplevel() if turned else frame)
    found = found.swaplevel() if turned else found
    assert found.index.names == ["id", "day"]
    assert_frame_equal(found, emptied(panel(), [4, 5, 20]).drop([("b", days()[0]), ("a", days()[14])]).sort_index())


@pytest.mark.parametrize("roles", [{}, {"id_column": "who", "time_column": "when"}], ids=["ds", "own names"])
def test_a_long_frame_keeps_its_columns(roles):
    names = roles.values() if roles else ("unique_id", "ds")
    whole = panel().reset_index().set_axis([*names, "y"], axis=1)[["y", *names]]
    found = regularize(without(whole, [4, 5, 20]), **roles)
    want = whole.assign(y=emptied(whole["y"], [4, 5, 20]))
    assert_frame_equal(found, pd.concat([want[15:], want[:15]], ignore_index=True))


def test_a_long_frame_of_one_series_is_filled():
    whole = series().reset_index()
    want = whole.assign(y=emptied(whole["y"]))
    assert_frame_equal(regularize(without(whole), time_column="day"), want)
    assert_frame_equal(regularize(without(whole.rename(columns={"day": "ds"}))), want.rename(columns={"day": "ds"}))


@pytest.mark.parametrize("ids", [pd.Categorical(["b"] * 15 + ["a"] * 15), [7] * 15 + [3] * 15], ids=["category", "int"])
def test_the_dtype_of_ids_survives(ids):
    whole = panel().reset_index(drop=True).assign(unique_id=ids, ds=np.tile(days(), 2))
    found = regularize(without(whole, [4, 20]))
    assert found["unique_id"].dtype == whole["unique_id"].dtype
    assert len(found) == 30


def test_a_yahoo_frame_is_filled_over_all_tickers():
    whole = pd.concat({"Close": panel()["y"].unstack("id")}, axis=1, names=["Price", "Ticker"])
    assert_frame_equal(regularize(without(whole)), emptied(whole), check_freq=False)


def test_each_exchange_fills_its_own_sessions():
    own = {
        code: Sessions(code).between(pd.Timestamp("2024-04-01"), pd.Timestamp("2024-06-28"))
        for code in ("XTKS", "XNYS")
    }
    whole = pd.concat({code: series(index) for code, index in own.items()}, names=["id", "day"]).to_frame()
    found = regularize(without(whole, [5, 6, 80]), {code: code for code in own})
    assert_frame_equal(found, emptied(whole, [5, 6, 80]).sort_index())


def test_the_input_is_not_modified():
    frame, untouched = without(panel()), without(panel())
    regularize(frame)
    assert_frame_equal(frame, untouched)


def test_what_was_filled_can_be_forecast(sp500):
    frame = without(sp500.loc["2018", ["close"]], [100])
    with pytest.raises(DataError, match="regularize"):
        Forecaster(Ridge(), 2, 5, calendar="XNYS").fit(frame)
    whole = regularize(frame, "XNYS")
    with pytest.warns(UserWarning, match=r"2 of 245 training windows"):
        model = Forecaster(make_pipeline(SimpleImputer(), Ridge()), 2, 5, calendar="XNYS").fit(whole)
    assert model.predict().index.strftime("%Y-%m-%d").tolist() == ["2019-01-02", "2019-01-03"]


def test_what_was_filled_on_sessions_needs_no_calendar_to_go_on(sp500):
    whole = regularize(sp500.loc["2018", ["close"]], "XNYS")
    out = Forecaster(LastValue(), 3, 5).fit(whole).predict()
    assert out.index.strftime("%Y-%m-%d").tolist() == ["2019-01-02", "2019-01-03", "2019-01-04"]


def test_rows_off_the_calendar_are_named():
    with pytest.raises(DataError, match=r"4 timestamps are not on the calendar \(first: 2024-01-06"):
        regularize(series(), "B")
    with pytest.raises(DataError, match=r"4 timestamps of 'a' are not on the calendar \(first: 2024-01-06"):
        regularize(panel(), "B")


def test_doubled_rows_are_named():
    with pytest.raises(DataError, match=r"1 timestamps occur more than once \(first: 2024-01-05"):
        regularize(pd.concat([series(), series()[4:5]]))


def test_days_lost_around_a_change_of_clocks_are_filled_by_a_calendar_of_days():
    whole = series(pd.date_range("2024-03-25", periods=15, freq="D", tz="Europe/Berlin", name="day"))
    assert_series_equal(regularize(without(whole), "D"), emptied(whole), check_freq=False)


def test_days_lost_around_a_change_of_clocks_are_filled_without_a_calendar():
    whole = series(pd.date_range("2024-03-25", periods=15, freq="D", tz="Europe/Berlin", name="day"))
    assert_series_equal(regularize(without(whole)), emptied(whole), check_freq=False)


@pytest.mark.parametrize(
    ("frame", "calendar"),
    [([1.0, 2.0], None), (panel(), {"a": "D"}), (series(), {"a": "D"})],
    ids=["a list", "an id without a calendar", "one series and a calendar for others"],
)
def test_what_cannot_be_read_is_refused(frame, calendar):
    with pytest.raises(TsseqError):
        regularize(frame, calendar)


@pytest.mark.parametrize("frame", [series()[:0], panel()[:0]], ids=["series", "panel"])
def test_a_frame_without_rows_is_refused(frame):
    with pytest.raises(DataError, match="no rows"):
        regularize(frame)


def carried(frame, rows=LOST):
    found = frame.copy()
    for row in rows:
        found.iloc[row] = found.iloc[row - 1]
    return found


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_new_rows_carry_the_last_value_forward(index):
    found = regularize(without(series(index)), fill="ffill")
    assert_series_equal(found, carried(series(index)), check_freq=False, check_index_type=False)


def test_each_series_of_a_panel_is_filled_from_its_own_past():
    rows = [4, 5, 20, 29]
    whole = carried(panel(), rows[:3])
    want = pd.concat([whole[15:29], whole[:15]])  # "a" ends a day earlier
    assert_frame_equal(regularize(without(panel(), rows), fill="ffill"), want)
    found = regularize(without(panel(), rows).swaplevel(), fill="ffill").swaplevel()
    assert_frame_equal(found, want)
    long = without(panel(), rows).reset_index().set_axis(["unique_id", "ds", "y"], axis=1)
    assert regularize(long, fill="ffill")["y"].tolist() == want["y"].tolist()


@pytest.mark.parametrize("kind", ["wide", "closes"])
def test_a_wide_frame_is_filled_ticker_by_ticker_between_its_own_ends(kind):
    closes = panel()["y"].unstack("id").rename_axis(columns="Ticker")
    closes.loc[days()[:3], "a"] = np.nan  # not yet listed
    closes.loc[days()[12:], "b"] = np.nan  # no longer
    closes.loc[days()[6], "a"] = np.nan  # a halt
    want = closes.copy()
    want.loc[days()[6], "a"] = closes.loc[days()[5], "a"]
    want.loc[days()[8]] = want.loc[days()[7]]
    frame, want = (pd.concat({"Close": each}, axis=1) if kind == "wide" else each for each in (closes, want))
    assert_frame_equal(regularize(without(frame, [8]), fill="ffill"), want, check_freq=False)


def test_what_was_missing_already_is_filled_never_from_the_future_nor_beyond_the_end():
    gaps = series()
    gaps.iloc[[0, 6, 14]] = np.nan
    found = regularize(without(gaps), fill="ffill")
    assert np.flatnonzero(found.isna()).tolist() == [0, 14]
    assert found.iloc[[3, 4, 6, 9]].tolist() == [2.0, 2.0, 5.0, 8.0]
    ends = regularize(pd.concat({"a": gaps, "b": gaps}, names=["id", "day"]).to_frame(), fill="ffill")["y"]
    assert np.flatnonzero(ends.isna()).tolist() == [0, 14, 15, 29]


def test_filled_columns_keep_their_dtype():
    table = {"n": np.arange(15), "open": np.arange(15) % 3 == 0, "word": list("abcdefghijklmno")}
    whole = pd.DataFrame(table, days(freq="D")).astype({"word": "category"})
    found = regularize(without(whole), fill="ffill")
    assert_frame_equal(found, carried(whole), check_freq=False)
    assert found.dtypes.tolist() == whole.dtypes.tolist()


def test_filled_prices_go_straight_into_ridge(sp500):
    prices = without(sp500.loc["2018", ["close"]], [100, 101, 180])
    model = Forecaster(Ridge(), 2, 5, calendar="XNYS")
    with pytest.raises(
        DataError, match=r"Fill them with tsseq.regularize\(frame, 'XNYS'\), prices with fill='ffill'\.$"
    ):
        model.fit(prices)
    with pytest.raises(
        DataError, match=r"fill prices in between with tsseq.regularize\(frame, calendar, fill='ffill'\)"
    ):
        model.fit(regularize(prices, "XNYS"))
    filled = regularize(prices, "XNYS", fill="ffill")
    assert model.fit(filled).predict().notna().all(axis=None)
    poisoned = prices.copy()
    poisoned.iloc[150:] = 1e6
    assert_frame_equal(regularize(poisoned, "XNYS", fill="ffill")[:150], filled[:150])


def test_a_calendar_is_advised_only_where_none_was_passed():
    frame = without(panel(), [18])  # the longer series teaches the step
    advice = r"Fill them with tsseq.regularize, or pass calendar=\.\.\. \('rows' if they are pauses\)\.$"
    with pytest.raises(DataError, match=advice):
        Forecaster(Ridge(), 2, 5).fit(frame)
    for calendar in (pd.offsets.Day(), {"a": "D", "b": "D"}):
        with pytest.raises(DataError, match=r"Fill them with tsseq.regularize\(frame, calendar\), prices"):
            Forecaster(Ridge(), 2, 5, calendar=calendar).fit(frame)


@pytest.mark.parametrize("fill", ["bfill", "nearest", 0, True])
def test_only_the_past_fills(fill):
    with pytest.raises(ConfigError, match=r"is neither None nor 'ffill': values are only filled from the past"):
        regularize(series(), fill=fill)


def test_rows_as_they_stand_have_nothing_to_fill():
    with pytest.raises(ConfigError, match="no timestamp is missing"):
        regularize(without(panel(), [18]), "rows")


def test_a_series_of_a_few_weekdays_beside_daily_ones_has_weekends_too():
    days = pd.date_range("2024-01-01", "2024-01-14")
    short = pd.date_range("2024-01-03", "2024-01-11").delete([3, 4, 7])  # a weekend and a Wednesday are missing
    frame = pd.concat({"a": pd.Series(1.0, days.delete(4)), "b": pd.Series(1.0, short)})
    filled = regularize(frame)
    assert filled.loc["b"].index.tolist() == pd.date_range("2024-01-03", "2024-01-11").tolist()
    assert len(filled.loc["a"]) == 14
