"""What cannot be forecast is refused in our words: what was found, what was needed, what to do."""

import zoneinfo

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsseq import Forecaster, LastValue, Linear, NeuralRegressor, SeasonalNaive, load_sample
from tsseq.errors import ConfigError, DataError, NotEnoughHistory, TsseqError


def days(n=60, start="2024-01-01", **more):
    return pd.date_range(start, periods=n, name="day", **more)


def series(n=60, index=None, name="y"):
    index = days(n) if index is None else index
    return pd.Series(np.random.default_rng(3).normal(size=len(index)).cumsum() + 50, index, name=name)


def table(n=60):
    return series(n).to_frame().assign(x=np.sin(np.arange(n)), kind=1.0)


def panel(**lengths):
    return pd.concat({name: series(n) for name, n in (lengths or {"a": 60, "b": 60}).items()}, names=["who"]).to_frame()


def long():
    return panel().reset_index().rename(columns={"who": "unique_id", "day": "ds"})


def changed(frame, row, column, value):
    frame = frame.copy()
    frame.iloc[row, frame.columns.get_loc(column)] = value
    return frame


def forecaster(**more):
    return Forecaster(Ridge(), horizon=3, context_length=8, **more)


def fit(frame, **more):
    return forecaster(**more).fit(frame)


FRAMES = {
    "a list": ([1.0, 2.0], {}, r"pandas Series or DataFrame was needed, not list"),
    "an array": (np.zeros(60), {}, r"pandas Series or DataFrame was needed, not ndarray"),
    "nothing": (None, {}, r"pandas Series or DataFrame was needed, not NoneType"),
    "a frame without rows": (table()[:0], {}, r"no rows"),
    "a frame without columns": (pd.DataFrame(index=days()), {}, r"target="),
    "a panel without rows": (panel()[:0], {}, r"no rows"),
    "three levels of rows": (pd.concat({"z": panel()}), {}, r"two levels.*3"),
    "three levels of columns": (pd.concat({"z": pd.concat({"y": table()}, axis=1)}, axis=1), {}, r"two levels"),
    "two columns of one name": (pd.concat([table(), table()], axis=1), {"target": "y"}, r"'y' occurs more than once"),
    "several columns, none named": (table().rename(columns={"y": "z"}), {}, r"target=.*'z', 'x', 'kind'"),
    "an unknown target": (table(), {"target": "close"}, r"'close' is not in the frame; it has 'y', 'x', 'kind'"),
    "an unknown covariate": (table(), {"target": "y", "past": ["x", "volume"]}, r"'volume' is not in the frame"),
    "an unknown static covariate": (table(), {"target": "y", "static": "sector"}, r"'sector' is not in the frame"),
    "an unknown id column": (long(), {"id_column": "who"}, r"'who' is not in the frame"),
    "an unknown time column": (long(), {"time_column": "when"}, r"'when' is not in the frame"),
    "text": (series().astype(str), {}, r"'y' \((str|object)\) is not numeric: 60 values.*'.*' at 2024-01-01"),
    "one word": (changed(table().astype(object), 7, "y", "n/a"), {"target": "y"}, r"1 values.*'n/a' at 2024-01-08"),
    "dates as values": (series().to_frame().assign(y=days()), {}, r"'y' \(datetime64.*is not numeric"),
    "complex numbers": (series() * 1j, {}, r"'y' \(complex128\) is not numeric"),
    "infinity": (changed(panel(), 70, "y", np.inf), {}, r"'y' has 1 infinite values.*'b' 2024-01-11"),
    "minus infinity in a covariate": (
        changed(table(), 9, "x", -np.inf),
        {"target": "y", "past": "x"},
        r"'x' has 1 inf",
    ),
    "a lost timestamp": (series(index=days().where(days() != "2024-01-05")), {}, r"1 timestamps are missing \(NaT\)"),
    "a lost timestamp in a long frame": (changed(long(), 4, "ds", pd.NaT), {}, r"1 timestamps are missing \(NaT\)"),
    "a lost id": (changed(long(), 61, "unique_id", None), {}, r"1 rows have no id \(first: row 61\)"),
    "text instead of dates": (long().assign(ds="soon"), {}, r"time column 'ds' is not a date.*soon"),
    "an index of text": (series(index=pd.Index(list("abcdefghijklmnopqrst"))), {}, r"timestamps were needed"),
    "an index of fractions": (series(index=pd.Index(np.arange(20) / 2)), {}, r"timestamps were needed.*float64"),
    "a static covariate that changes": (table(), {"target": "y", "static": "x"}, r"'x'.*goes from -0\.99\d* to 0\.99"),
    "a zero under log": (changed(panel(), 65, "y", 0.0), {"log": True}, r"above 0; 1 are not.*'y' is 0 at 2024-01-06"),
    "a negative under log": (series() - 100, {"log": True}, r"log=True needs values above 0; 60 are not"),
    "a doubled day": (pd.concat([series(), series()[5:6]]), {}, r"1 timestamps occur more than once.*2024-01-06"),
    "doubled days of one series": (pd.concat([panel(), panel()[62:64]]), {}, r"2 timestamps occur.*'b' 2024-01-03"),
    "doubled days of a yahoo frame": (
        pd.concat({"y": pd.concat([table(), table()[:1]])}, axis=1, names=["Ticker", "Price"]),
        {"target": "y"},
        r"1 timestamps occur more than once.*'y' 2024-01-01",
    ),
    "local hours when clocks change": (
        series(index=pd.date_range("2024-10-26", periods=60, freq="h", tz="Europe/Berlin").tz_localize(None)),
        {},
        r"2024-10-27 02:00:00.*localize the index with its time zone",
    ),
    "a gap": (series().drop(days()[[20, 21]]), {}, r"2 timestamps are missing.*2024-01-21.*tsseq\.regularize"),
    "a gap in one series": (
        panel().drop(("b", days()[20])),
        {},
        r"1 gaps.*1 series \(first: 'b'\).*2024-01-21.*regularize",
    ),
    "a gap under a calendar": (series().drop(days()[20]), {"calendar": "D"}, r"1 gaps.*missing: 2024-01-21"),
    "a gap in whole numbers": (
        series(index=pd.Index([*range(30), *range(33, 60)])),
        {},
        r"1 gaps.*missing: 30, 31, 32",
    ),
    "a gap in periods": (series(index=days().to_period("D")).drop(pd.Period("2024-01-21")), {}, r"missing: 2024-01-21"),
    "weekends under an exchange": (series(), {"calendar": "XNYS"}, r"not on the calendar: 2024-01-"),
    "hours under an exchange": (series(index=days(freq="h")), {"calendar": "XNYS"}, r"knows days.*2024-01-01 01:00"),
    "an irregular index": (series(index=days()[np.arange(60) % 7 != 3]), {}, r"no regular step.*1 days.*2024-01-04"),
    "two rows": (
        series(index=pd.DatetimeIndex(["2024-01-01", "2024-01-02"])),
        {},
        r"no step can be learnt from 2 timestamps; pass calendar='D'",
    ),
    "a short series": (series(10), {}, r"10 rows, fewer than context_length \+ horizon = 11"),
    "short series": (panel(a=60, b=5, c=10), {}, r"2 series are shorter .* 11 rows \(first: 'b' 5, 'c' 10\)"),
    "an unknown calendar": (
        series(),
        {"calendar": "NYSX"},
        r"calendar='NYSX' is neither a pandas offset nor an exchange",
    ),
    "an empty calendar": (series(), {"calendar": ""}, r"calendar='' is neither"),
    "a number as a calendar": (series(), {"calendar": 5}, r"calendar=5 is neither"),
    "a calendar for other ids": (panel(), {"calendar": {"a": "D"}}, r"calendar= has no exchange for 'b'"),
    "dates before the calendar": (
        series(index=days(start="1930-06-02")),
        {"calendar": "XHKG"},
        r"does not record 1930",
    ),
    "one column in two roles": (table(), {"target": "y", "past": "x", "known": "x"}, r"x: a column plays one role"),
    "a target that is a covariate": (table(), {"target": "y", "static": "y"}, r"y: a column plays one role"),
    "a set of targets": (table(), {"target": {"y"}}, r"a column name or a list of names"),
    "an unknown scaling": (series(), {"scaling": "robust"}, r"scaling='robust' is unknown; .*'last', 'adaptive'"),
    "an unknown multivariate": (
        series(),
        {"multivariate": "yes"},
        r"multivariate='yes'\) must be one of 'independent', 'joint'",
    ),
}
SHOPS = pd.DataFrame(
    {"store": np.repeat(["a", "b"], 400), "date": np.tile(days(400), 2), "sales": np.arange(800.0), "price": 1.0}
)
NUMBERED = {
    "dates": (SHOPS, r"rows 0 to 799, and column 'date' holds dates; pass time_column='date' and id_column='store'"),
    "dates of one series": (SHOPS[["date", "sales", "price"]], r"pass time_column='date', or make an index of dates"),
    "text": (SHOPS.assign(date=SHOPS["date"].dt.strftime("%Y-%m-%d")), r"time_column='date' and id_column='store'"),
    "text with hours": (SHOPS.assign(date=SHOPS["date"].dt.strftime("%Y-%m-%d %H:%M")), r"time_column='date' and"),
    "objects": (SHOPS.assign(date=SHOPS["date"].dt.date), r"pass time_column='date' and id_column='store'"),
    "periods": (SHOPS.assign(date=SHOPS["date"].dt.to_period("D")), r"pass time_column='date' and"),
    "a first date that is missing": (SHOPS.assign(date=SHOPS["date"].where(SHOPS.index > 0)), r"column 'date' holds"),
    "two columns of text": (SHOPS.assign(region="x"), r"pass time_column='date', or"),
    "two columns of dates": (SHOPS.assign(due=SHOPS["date"]), r"columns 'date', 'due' hold dates; pass time_column='d"),
    "the rows of one shop": (SHOPS[SHOPS["store"] == "b"], r"rows 400 to 799, and column 'date' holds dates"),
    "sorted rows": (SHOPS.sort_values("date"), r"rows 0 to 799, and column 'date' holds dates"),
}
FRAMES |= {
    f"numbered rows beside {name}": (frame, {"target": "sales", "known": "price"}, message)
    for name, (frame, message) in NUMBERED.items()
}
ODD_FRAMES = {
    "a ticker without prices": (
        pd.concat({"y": table() * np.nan}, axis=1, names=["Ticker", "Price"]),
        {"target": "y"},
        r"\w",
    ),
    "text and numbers in the index": (
        series(index=pd.Index([1, "a"] * 30)),
        {},
        r"\w",
    ),
    "a name inside two lists": (table(), {"target": [["y"]]}, r"\w"),
    "an irregular index over a long time": (
        series(index=pd.DatetimeIndex(np.array([*range(20), 10**15], dtype="M8[us]"))),
        {},
        r"no regular step",
    ),
    "a gap of a thousand billion numbers": (
        series(index=pd.Index([*range(20), 10**15])),
        {},
        r"1 gaps",
    ),
    "a calendar beside whole numbers": (
        series(index=pd.RangeIndex(60)),
        {"calendar": "XNYS"},
        r"XNYS",
    ),
    "an unknown calendar beside periods": (
        series(index=days().to_period("D")),
        {"calendar": "NYSX"},
        r"NYSX",
    ),
    "a calendar alias that pandas has dropped or will": (series(), {"calendar": "H"}, r"'H'"),
    "fractions as times of a long frame": (
        long().assign(ds=np.tile(np.arange(60.0), 2)),
        {},
        r"\w",
    ),
}


@pytest.mark.parametrize(
    ("frame", "roles", "message"),
    [pytest.param(*case, id=name) for name, case in FRAMES.items()]
    + [pytest.param(*case, id=name) for name, case in ODD_FRAMES.items()],
)
def test_fit_refuses_with_the_culprits(frame, roles, message):
    with pytest.raises(TsseqError, match=message):
        fit(frame, **roles)


def test_weekdays_without_rows_are_answered_with_an_exchange(sp500):
    with pytest.raises(
        DataError, match=r"185 weekdays have no row \(first: 1999-01-18 .*pass calendar='XNYS'.*holidays"
    ):
        fit(sp500, target="close")


def test_a_missing_session_is_named(sp500):
    day = pd.Timestamp("2018-06-05")
    with pytest.raises(DataError, match=r"1 gaps in the timestamps; missing: 2018-06-05.*tsseq\.regularize"):
        fit(sp500.loc["2018"].drop(day), target="close", calendar="XNYS")


def test_a_day_doubled_in_the_last_of_ten_thousand_series_is_named():
    index = pd.MultiIndex.from_product([range(10_000), days(6)])
    frame = pd.DataFrame({"y": np.arange(60_000.0)}, index)
    with pytest.raises(DataError, match=r"1 timestamps occur more than once \(first: .*9999.* 2024-01-03"):
        Forecaster(Ridge(), 2, 3).fit(pd.concat([frame, frame[-4:-3]]))


def test_a_day_missing_in_the_last_of_ten_thousand_series_is_named():
    index = pd.MultiIndex.from_product([range(10_000), days(6)])
    frame = pd.DataFrame({"y": np.arange(60_000.0)}, index)
    with pytest.raises(
        DataError, match=r"1 gaps in the timestamps in 1 series \(first: .*9999.*\); missing: 2024-01-03"
    ):
        Forecaster(Ridge(), 2, 3).fit(frame.drop((9999, days(6)[2])))


@pytest.mark.parametrize("name", ["horizon", "context_length"])
@pytest.mark.parametrize(
    "value",
    [0, -1, 2.0, "5", None, [5], np.nan, True],
)
def test_sizes_must_be_whole_numbers_of_at_least_one(name, value):
    with pytest.raises(ConfigError, match=rf"{name}=.* must be a whole number from 1"):
        Forecaster(Ridge(), **({"horizon": 3, "context_length": 8} | {name: value})).fit(series())


@pytest.mark.parametrize("size", [np.int64(3), np.int32(3), np.uint8(3)])
def test_sizes_may_be_whole_numbers_of_numpy(size):
    assert len(Forecaster(Ridge(), size, np.int64(8)).fit(series()).predict()) == 3


def test_y_is_refused_since_the_target_is_a_column():
    with pytest.raises(ConfigError, match="fit takes no y"):
        forecaster().fit(series(), series())


@pytest.mark.parametrize("call", ["predict", "score", "predict_at", "make_future_frame"])
def test_nothing_works_before_fit(call):
    given = {"predict": (), "make_future_frame": (), "score": (series(),), "predict_at": (series(), days()[20])}
    with pytest.raises(NotFittedError):
        getattr(forecaster(), call)(*given[call])


def test_predict_after_a_fit_that_failed_says_that_nothing_is_fitted():
    model = forecaster()
    with pytest.raises(DataError):
        model.fit(changed(series().to_frame(), 30, "y", np.nan))
    with pytest.raises(NotFittedError):
        model.predict()


CUTOFFS = {
    "before the first context": "2024-01-05",
    "after the end": "2025-01-01",
    "one known, one not": [days()[30], pd.Timestamp("2030-01-01")],
    "NaT": [days()[30], pd.NaT],
    "a word": ["soon"],
    "a number": [5],
    "none": [],
    "another time zone": days()[30:32].tz_localize("UTC"),
}


@pytest.mark.parametrize(
    "cutoffs",
    [pytest.param(cutoffs, id=name) for name, cutoffs in CUTOFFS.items()],
)
def test_cutoffs_that_no_series_has_are_refused(cutoffs):
    with pytest.raises(TsseqError):
        fit(series()).predict_at(series(), cutoffs)


@pytest.mark.parametrize(
    "cutoff",
    [
        days()[30],
        days().as_unit("s")[30],
        np.datetime64("2024-01-31"),
        "2024-01-31",
        days()[30].date(),
    ],
    ids=["Timestamp", "seconds", "datetime64", "text", "date"],
)
def test_a_cutoff_may_be_written_in_any_way_that_pandas_reads(cutoff):
    fitted = fit(series())
    want = fitted.predict_at(series(), days()[[30]])
    pd.testing.assert_frame_equal(fitted.predict_at(series(), cutoff), want)
    pd.testing.assert_frame_equal(fitted.predict_at(series(), [cutoff]), want)


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        tuple,
        pd.Index,
        np.array,
        pytest.param(pd.Series),
        pytest.param(set),
    ],
)
def test_cutoffs_may_come_in_any_collection(wrap):
    fitted, cutoffs = fit(series()), days()[20:23]
    given = cutoffs.to_series() if wrap is pd.Series else wrap(cutoffs)
    pd.testing.assert_frame_equal(fitted.predict_at(series(), given), fitted.predict_at(series(), cutoffs))


@pytest.mark.parametrize("calendar", ["H", "NYSX"])
def test_an_unknown_calendar_beside_hours_is_called_unknown(calendar):
    with pytest.raises(ConfigError, match=rf"calendar='{calendar}' is neither"):
        fit(series(index=days(freq="h")), calendar=calendar)


def test_text_and_numbers_in_the_index_of_a_yahoo_frame_are_refused():
    frame = pd.concat({"a": table()}, axis=1, names=["Ticker", "Price"]).set_axis(pd.Index([1, "a"] * 30))
    with pytest.raises(DataError, match="timestamps were needed"):
        fit(frame, target="y")


@pytest.mark.parametrize(
    ("frame", "roles"),
    [
        (SHOPS[["sales", "price"]], {"target": "sales"}),
        (SHOPS.assign(date="soon"), {"target": "sales"}),
        (SHOPS.assign(date=pd.NaT), {"target": "sales"}),
        (SHOPS.assign(date=SHOPS["date"].astype(str)), {"target": "sales", "past": "date"}),
        (SHOPS.rename_axis("row"), {"target": "sales"}),
        (SHOPS["sales"], {}),
    ],
    ids=["no dates", "words", "no date at all", "dates with a role", "a named index", "a Series"],
)
def test_numbered_rows_without_dates_beside_them_are_one_series(frame, roles):
    assert fit(frame, **roles).predict().index.tolist() == [800, 801, 802]


FUTURES = {
    "another time zone": (lambda index: index.tz_localize("UTC"), r"2024-03-01 00:00:00 without a time zone, future="),
    "a later week": (
        lambda index: index + pd.Timedelta(days=7),
        r"those begin at 2024-03-01 00:00:00, future= at 2024-",
    ),
    "numbers": (lambda index: pd.RangeIndex(len(index)), r"future= at 0; make_future_frame\(\)"),
}


@pytest.mark.parametrize(("move", "message"), [pytest.param(*case, id=name) for name, case in FUTURES.items()])
def test_a_future_frame_of_other_timestamps_is_told_from_one_that_was_not_filled(move, message):
    fitted = fit(table(), target="y", known="x")
    future = fitted.make_future_frame().assign(x=0.0)
    with pytest.raises(DataError, match=rf"no timestamp of future= is among the 3 coming rows: .*{message}"):
        fitted.predict(future=future.set_axis(move(future.index)))
    with pytest.raises(DataError, match="1 values are missing"):
        fitted.predict(future=future[1:])


def test_a_future_frame_may_name_its_hours_in_another_time_zone():
    fitted = fit(table().tz_localize("Europe/Berlin"), target="y", known="x")
    future = fitted.make_future_frame().assign(x=0.5)
    np.testing.assert_array_equal(fitted.predict(future=future.tz_convert("UTC")), fitted.predict(future=future))


def test_a_history_in_another_time_zone_is_refused():
    local = series(index=days(freq="h", tz="America/New_York"))
    fitted = fit(local)
    message = r"in America/New_York, these are in UTC; convert these with tz_convert\('America/New_York'\)"
    with pytest.raises(DataError, match=message):
        fitted.predict(local.tz_convert("UTC"))
    again = local.tz_convert("UTC").tz_convert(zoneinfo.ZoneInfo("America/New_York"))
    pd.testing.assert_series_equal(fitted.predict(again), fitted.predict(), check_freq=False, check_index_type=False)
    with pytest.raises(DataError, match="without a time zone; convert one of them with tz_localize"):
        fitted.predict(local.tz_localize(None))


def test_a_yahoo_future_frame_that_was_not_filled_is_told_to_be_filled():
    frame = pd.concat({"a": table(), "b": table()}, axis=1, names=["Ticker", "Price"])
    fitted = fit(frame, target="y", known="x")
    with pytest.raises(DataError, match=r"known covariates of 6 coming rows; 6 values are missing"):
        fitted.predict(future=fitted.make_future_frame())


def test_cutoffs_in_any_order_and_doubled_give_each_origin_once():
    fitted, mixed = fit(series()), days()[[40, 20, 30, 20]]
    pd.testing.assert_frame_equal(fitted.predict_at(series(), mixed), fitted.predict_at(series(), days()[[20, 30, 40]]))


@pytest.mark.parametrize(
    "steps",
    [0, -1, 2.5, "3"],
)
def test_steps_must_be_a_whole_number_of_at_least_one(steps):
    with pytest.raises(ConfigError, match="steps="):
        fit(series()).predict(steps=steps)


@pytest.mark.parametrize("steps", [-1, "3"])
def test_the_steps_of_a_future_frame_must_be_a_whole_number_of_at_least_one(steps):
    with pytest.raises(ConfigError, match="steps="):
        fit(table(), target="y", known="x").make_future_frame(steps=steps)


def test_a_frame_to_forecast_needs_a_whole_context():
    with pytest.raises(NotEnoughHistory, match=r"1 series are shorter than context_length = 8 rows \(first: 'b' 7\)"):
        fit(panel()).predict(panel(a=8, b=7))
    with pytest.raises(NotEnoughHistory, match=r"the series has 7 rows, fewer than context_length = 8"):
        fit(series()).predict(series(7))


def test_a_frame_to_forecast_needs_the_fitted_columns():
    with pytest.raises(DataError, match=r"column 'x' is not in the frame; it has 'y'"):
        fit(table(), target="y", past="x").predict(series())
    with pytest.raises(DataError, match=r"column 'y' is not in the frame; it has 'other'"):
        fit(series()).predict(series(name="other"))


def test_an_empty_context_is_named():
    empty = panel().astype(float)
    empty.loc[("b", slice("2024-02-20", None)), "y"] = np.nan
    fitted = Forecaster(LastValue(), 3, 8).fit(panel())
    with pytest.raises(
        DataError, match=r"1 contexts hold no observed target \(first: the one of 'b' ending 2024-02-29"
    ):
        fitted.predict(empty)


def test_quantiles_of_a_plain_regressor_are_refused():
    with pytest.raises(ConfigError, match=r"Forecaster\(Ridge\(\)\) has no quantiles; wrap it"):
        fit(series()).predict(levels=[0.1, 0.9])
    with pytest.raises(ConfigError, match=r"Forecaster\(Ridge\(\)\) has no quantiles; wrap it"):
        fit(series()).predict_at(series(), days()[30], levels=[0.5])


def test_a_regressor_of_one_number_is_answered_with_a_wrapper():
    with pytest.raises(ConfigError, match=r"3 are needed; .*MultiOutputRegressor\(HistGradientBoostingRegressor"):
        Forecaster(HistGradientBoostingRegressor(), 3, 8).fit(series())


def test_a_season_longer_than_the_context_is_refused():
    with pytest.raises(ConfigError, match=r"season_length=12 must be 1 to context_length=8"):
        Forecaster(SeasonalNaive(12), 3, 8).fit(series())


def test_missing_values_that_a_regressor_refuses_are_answered_with_an_imputer():
    holes = changed(series().to_frame(), 30, "y", np.nan)
    with pytest.raises(
        DataError, match=r"Ridge takes no missing values.*make_pipeline\(SimpleImputer\(\), Ridge\(\)\)"
    ):
        fit(holes)
    with pytest.raises(
        DataError, match=r"Ridge takes no missing values.*make_pipeline\(SimpleImputer\(\), Ridge\(\)\)"
    ):
        fit(series()).predict(holes[:32])
    with pytest.raises(DataError, match=r"Pipeline takes no missing values.*SimpleImputer"):
        Forecaster(make_pipeline(StandardScaler(), Ridge()), 3, 8).fit(holes)


def test_score_answers_missing_values_as_predict_does():
    with pytest.raises(DataError, match=r"Ridge takes no missing values"):
        fit(series()).score(changed(series().to_frame(), 30, "y", np.nan))


@pytest.mark.parametrize("frame", [changed(series(11).to_frame(), 10, "y", np.nan)], ids=["one window"])
def test_a_frame_without_one_whole_target_is_refused(frame):
    with pytest.raises(DataError):
        fit(frame)


def test_a_series_without_any_value_is_refused():
    with pytest.raises(DataError):
        fit(series() * np.nan)


@pytest.mark.parametrize("regressor", [None, "ridge", Ridge], ids=["None", "a word", "a class"])
def test_something_that_is_no_regressor_is_refused(regressor):
    with pytest.raises(ConfigError):
        Forecaster(regressor, 3, 8).fit(series())


def test_what_a_regressor_refuses_for_reasons_of_its_own_is_said_in_its_own_words():
    with pytest.raises(ValueError, match=r"'alpha' parameter of Ridge"):
        Forecaster(Ridge(alpha=-1), 3, 8).fit(series())
    with pytest.raises(ValueError, match=r"n_neighbors"):
        Forecaster(KNeighborsRegressor(500), 3, 8).fit(series()).predict()


def test_errors_are_both_ours_and_pythons():
    assert issubclass(DataError, ValueError)
    assert issubclass(ConfigError, ValueError)
    assert issubclass(ConfigError, TypeError)
    assert issubclass(NotEnoughHistory, DataError)


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_scaler_before_a_forecaster_in_a_pipeline_is_refused(output):
    pipeline = make_pipeline(StandardScaler().set_output(transform=output), Forecaster(Ridge(), 3, 24))
    with pytest.raises(ConfigError, match=r"scales the target with 'standardscaler'.*scaling="):
        pipeline.fit(load_sample("airline"))


@pytest.mark.parametrize("regressor", [Ridge(), NeuralRegressor(Linear())], ids=["ridge", "neural"])
def test_a_target_without_any_value_is_named(regressor):
    frame = load_sample("airline").assign(passengers=np.nan)
    with pytest.raises(DataError, match="target 'passengers' has no observed value"):
        Forecaster(regressor, 3, 24).fit(frame)
