"""Every shape of frame gives the same numbers, and comes back in its own shape."""

from collections.abc import Callable
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from sklearn.linear_model import Ridge

import tsseq
from tsseq import ConformalForecaster, Drift, Forecaster
from tsseq.errors import ConfigError

IDS = ["10", "A", "2", "1"]
LEVELS = [10, 100, 1000, 10000]


def panel(**columns):
    """Columns (days, ids) as a panel with the levels ticker and day, series in the order of the columns."""
    names = next(iter(columns.values())).columns
    series = {name: pd.DataFrame({column: values[name] for column, values in columns.items()}) for name in names}
    return pd.concat(series, names=["ticker", "day"])


def by_day(frame, level):
    return frame.iloc[
        np.argsort(frame[level] if level in frame else frame.index.get_level_values(level), kind="stable")
    ]


def long(**columns):
    frame = panel(**columns).reset_index()
    return frame[[*frame.columns[2:], "day", "ticker"]]  # ids and times need not come first


def nixtla(**columns):
    return panel(**columns).reset_index().rename(columns={"ticker": "unique_id", "day": "ds", "close": "y"})


def wide(**columns):
    return pd.concat(columns, axis=1, names=["Price", "Ticker"])


def wide_by_ticker(**columns):
    frame = wide(**columns).swaplevel(axis=1)
    return frame[[(name, price) for name in next(iter(columns.values())) for price in columns]]


class Shape(NamedTuple):
    """A way to write columns (days, ids) as one frame, to read a series off it again, and what fit must be told."""

    write: Callable
    read: Callable
    roles: dict


def read_panel(out, name):
    return out.xs(name, level="ticker")["close"].to_numpy()


SHAPES = {
    "panel": Shape(panel, read_panel, {"target": "close"}),
    "panel, time first": Shape(
        lambda **columns: by_day(panel(**columns).swaplevel(), "day"), read_panel, {"target": "close"}
    ),
    "long": Shape(nixtla, lambda out, name: out.loc[out["unique_id"] == name, "y"].to_numpy(), {"target": "y"}),
    "long, one day after another": Shape(
        lambda **columns: by_day(nixtla(**columns), "ds"),
        lambda out, name: out.loc[out["unique_id"] == name, "y"].to_numpy(),
        {"target": "y"},
    ),
    "long, own names": Shape(
        long,
        lambda out, name: out.loc[out["ticker"] == name, "close"].to_numpy(),
        {"id_column": "ticker", "time_column": "day", "target": "close"},
    ),
    "prices over tickers": Shape(wide, lambda out, name: out["close", name].to_numpy(), {"target": "close"}),
    "tickers over prices": Shape(wide_by_ticker, lambda out, name: out[name, "close"].to_numpy(), {"target": "close"}),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
both_ways = pytest.mark.parametrize("write", [wide, wide_by_ticker])


def forecaster(*, horizon=3, context_length=8, **roles):
    return Forecaster(Ridge(), horizon, context_length, **roles)


def forecasts(frame, **roles):
    return forecaster(**roles).fit(frame).predict()


@shapes
def test_all_shapes_give_the_same_numbers(walks, shape):
    want = forecasts(panel(close=walks, open=walks + 1), target="close", past="open")
    out = forecasts(shape.write(close=walks, open=walks + 1), **shape.roles, past="open")
    for name in IDS:
        np.testing.assert_array_equal(shape.read(out, name), want.loc[name, "close"])


@shapes
def test_the_input_is_not_modified(walks, shape):
    frame, untouched = (shape.write(close=walks, open=walks + 1, promo=walks % 1) for _ in range(2))
    future, untouched_future = (
        shape.write(promo=walks.set_axis(walks.index + pd.Timedelta(days=80))) for _ in range(2)
    )
    fitted = forecaster(**shape.roles, past="open", known="promo").fit(frame)
    fitted.predict(frame, future=future)
    fitted.predict_at(frame, walks.index[40:50])
    fitted.score(frame)
    assert_frame_equal(frame, untouched)
    assert_frame_equal(future, untouched_future)


@shapes
def test_forecasting_the_fitted_frame_again_gives_what_predict_without_a_frame_gives(walks, shape):
    fitted = forecaster(**shape.roles).fit(shape.write(close=walks))
    assert_frame_equal(fitted.predict(shape.write(close=walks)), fitted.predict(), check_exact=True)


@shapes
def test_future_frames_have_the_shape_of_the_fitted_frame_and_are_read_in_any_row_order(walks, shape):
    later = walks.iloc[:3].set_axis(pd.date_range("2024-03-21", periods=3, name="day")) % 1
    fitted = forecaster(**shape.roles, known="promo").fit(shape.write(close=walks, promo=walks % 1))
    future, empty = shape.write(promo=later), fitted.make_future_frame()
    assert set(empty.columns) == set(future.columns)
    assert empty.isna().sum().sum() == 12
    assert set(empty.index) == set(future.index)
    out = fitted.predict(future=future.sample(frac=1, random_state=0))
    same = forecaster(target="close", known="promo").fit(panel(close=walks, promo=walks % 1))
    want = same.predict(future=panel(promo=later))
    for name in IDS:
        np.testing.assert_array_equal(shape.read(out, name), want.loc[name, "close"])


@pytest.mark.parametrize("tz", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@shapes
def test_time_zone_and_unit_survive(walks, shape, unit, tz):
    days = walks.index.as_unit(unit).tz_localize(tz)
    out = forecasts(shape.write(close=walks.set_axis(days)), **shape.roles)
    times = pd.DatetimeIndex(
        out.index.get_level_values("day") if "day" in out.index.names else out.filter(["ds", "day"]).squeeze()
    )
    assert times.dtype == days.dtype
    assert times.unique().tolist() == pd.date_range("2024-03-21", periods=3, tz=tz, unit=unit).tolist()


def test_a_series_comes_back_with_its_name_its_index_name_and_its_freq(walks):
    out = forecasts(walks["A"])
    assert_index_equal(out.index, pd.date_range("2024-03-21", periods=3, name="day"))
    assert out.index.freq == "D"
    assert isinstance(out, pd.Series)
    assert out.name == "A"
    assert forecasts(walks["A"].rename(None)).name == "y"


def test_a_series_comes_back_as_a_frame_where_there_are_quantiles(walks):
    model = ConformalForecaster(forecaster(), 20)
    assert model.fit(walks["A"]).predict(levels=[0.2, 0.8]).columns.tolist() == ["A", "A_q0.2", "A_q0.8"]
    assert isinstance(model.predict(), pd.Series)
    assert isinstance(model.predict(walks[["A"]]), pd.DataFrame)


def test_a_loaded_model_gives_a_series_for_a_series_too(walks, tmp_path):
    model = Forecaster(Drift(), 3, 8).fit(walks["A"])
    model.save(tmp_path / "m.tsseq")
    assert_series_equal(tsseq.load(tmp_path / "m.tsseq").predict(), model.predict(), check_exact=True)


def test_an_index_without_freq_comes_back_without_freq(walks):
    assert forecasts(walks["A"].set_axis(pd.DatetimeIndex(walks.index, freq=None))).index.freq is None


def test_the_freq_of_a_yahoo_frame_survives(walks):
    assert forecasts(wide(close=walks), target="close").index.freq == "D"


def test_one_column_of_a_frame_is_forecast_like_the_series(walks):
    assert_series_equal(forecasts(walks, target="A")["A"], forecasts(walks["A"]), check_exact=True)


def test_a_target_called_y_is_found_among_other_columns(walks):
    out = forecasts(walks.rename(columns={"A": "y"}))
    assert_series_equal(out["y"], forecasts(walks["A"].rename("y")), check_exact=True)


def test_a_series_picked_from_a_yahoo_frame_is_forecast_like_any_other(walks):
    out = forecasts(wide(close=walks)["close", "A"])
    np.testing.assert_array_equal(out, forecasts(walks["A"]))


def test_a_panel_may_be_a_series(walks):
    frame = panel(close=walks)
    assert_series_equal(forecasts(frame["close"]), forecasts(frame)["close"], check_exact=True)


def test_a_panel_comes_back_with_the_names_and_the_order_of_its_levels(walks):
    frame = panel(close=walks)
    assert forecasts(frame).index.names == ["ticker", "day"]
    assert forecasts(frame.swaplevel()).index.names == ["day", "ticker"]
    assert forecasts(frame.rename_axis([None, None])).index.names == [None, None]
    assert forecasts(frame.swaplevel()).index.get_level_values("ticker").unique().tolist() == IDS


def test_a_long_frame_comes_back_long_with_its_own_column_names(walks):
    out = forecasts(long(close=walks), id_column="ticker", time_column="day")
    assert out.columns.tolist() == ["ticker", "day", "close"]
    assert out["ticker"].tolist() == np.repeat(IDS, 3).tolist()
    assert_index_equal(out.index, pd.RangeIndex(12))


def test_a_long_frame_of_one_series_needs_a_time_column_only(walks):
    out = forecasts(walks["A"].reset_index(), time_column="day")
    assert out.columns.tolist() == ["day", "A"]
    assert_series_equal(out.set_index("day")["A"], forecasts(walks["A"]), check_exact=True, check_freq=False)


@pytest.mark.parametrize("rows", [slice(None), slice(10, None)], ids=["all rows", "rows that were chosen"])
def test_a_long_frame_of_one_series_with_its_dates_in_ds_needs_no_roles(walks, rows):
    frame = walks["A"].rename_axis("ds").rename("y").reset_index()[rows]
    want = forecasts(walks["A"][rows])
    for each in (frame, frame.assign(ds=frame["ds"].dt.strftime("%Y-%m-%d"))):
        out = forecasts(each)
        assert out.columns.tolist() == ["ds", "y"]
        np.testing.assert_array_equal(out["y"], want)
        assert out["ds"].tolist() == want.index.tolist()


def test_dates_in_text_are_read_as_dates_in_a_long_frame(walks):
    frame = nixtla(close=walks)
    text = frame.assign(ds=frame["ds"].dt.strftime("%Y-%m-%d"))
    np.testing.assert_array_equal(forecasts(text)["y"], forecasts(frame)["y"])


@both_ways
def test_a_yahoo_frame_comes_back_with_both_column_levels_in_their_order(walks, write):
    frame = write(close=walks, open=walks + 1)
    out = forecasts(frame, target="close")
    assert out.columns.names == frame.columns.names
    assert out.columns.tolist() == [pair for pair in frame.columns if "close" in pair]
    assert out.index.name == "day"


@both_ways
def test_unnamed_column_levels_are_told_apart_by_the_target(walks, write):
    frame = write(close=walks, open=walks + 1)
    nameless = frame.rename_axis(columns=[None, None])
    out = forecasts(nameless, target="close")
    assert_frame_equal(out, forecasts(frame, target="close").rename_axis(columns=[None, None]), check_exact=True)
    with pytest.raises(ConfigError, match=r"which column level holds the prices\? Name the target"):
        forecasts(nameless)


ID_TYPES = {
    "str": (["b", "a", "d", "c"], "str"),
    "string": (["b", "a", "d", "c"], "string"),
    "int64": ([30, 4, 200, 1], "int64"),
    "int32": ([30, 4, 200, 1], "int32"),
    "Int64": ([30, 4, 200, 1], "Int64"),
    "category": (["b", "a", "d", "c"], pd.CategoricalDtype(["d", "c", "b", "a", "unused"])),
    "ordered category": (["b", "a", "d", "c"], pd.CategoricalDtype(["d", "a", "b", "c"], ordered=True)),
    "mixed": (["b", 3, "a", 2.5], "object"),
}


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [pytest.param(*case, id=name) for name, case in ID_TYPES.items()],
)
def test_the_dtype_and_the_order_of_ids_survive(walks, ids, dtype):
    column = pd.Series(np.repeat(np.array(ids, dtype=object), 80), dtype=dtype)
    frame = nixtla(close=walks).assign(unique_id=column)
    fitted = forecaster().fit(frame)
    out, at = fitted.predict(), fitted.predict_at(frame, walks.index[50])
    index = pd.MultiIndex.from_arrays([pd.Index(column), frame["ds"]], names=["who", "when"])
    rows = forecasts(frame[["y"]].set_axis(index))
    for found in (out["unique_id"], at["unique_id"], rows.index.get_level_values("who")):
        assert found.dtype == column.dtype
        assert found.drop_duplicates().tolist() == ids
    for name, level in zip(ids, LEVELS):
        assert abs(out.loc[out["unique_id"] == name, "y"] - level).max() < 30
    np.testing.assert_array_equal(rows["y"], out["y"])


def test_ids_are_recognised_under_other_categories(walks):
    frame = nixtla(close=walks)
    some = frame[frame["unique_id"].isin(["A", "1"])]
    fitted = forecaster().fit(frame.astype({"unique_id": pd.CategoricalDtype(["1", "2", "A", "10"])}))
    text = fitted.predict(some)
    for categories in (["A", "1"], ["1", "A"], ["new", "1", "10", "A"]):
        out = fitted.predict(some.astype({"unique_id": pd.CategoricalDtype(categories)}))
        np.testing.assert_array_equal(out["y"], text["y"])


@pytest.mark.parametrize("order", list(permutations(IDS)), ids="-".join)
def test_each_series_keeps_its_own_forecast_in_any_order_of_series(walks, order):
    want, out = forecasts(panel(close=walks)), forecasts(panel(close=walks[list(order)]))
    assert out.index.get_level_values("ticker").unique().tolist() == list(order)
    for name, level in zip(IDS, LEVELS):
        np.testing.assert_array_equal(out.loc[name, "close"], want.loc[name, "close"])
        assert abs(out.loc[name, "close"] - level).max() < 30


@pytest.mark.parametrize("seed", range(3))
@shapes
def test_the_order_of_rows_and_columns_changes_no_bit(walks, shape, seed):
    frame = shape.write(close=walks, open=walks + 1)
    shuffled = frame.sample(frac=1, random_state=seed).sample(frac=1, axis=1, random_state=seed + 1)
    out, other = (forecasts(rows, **shape.roles, past="open") for rows in (frame, shuffled))
    for name in IDS:
        np.testing.assert_array_equal(shape.read(out, name), shape.read(other, name))


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            [*range(79, -1, -1)],
        ),
        [*range(0, 80, 2), *range(1, 80, 2)],
    ],
    ids=["newest first", "odd after even"],
)
def test_the_order_of_rows_of_one_series_changes_no_bit(walks, rows):
    turned = walks["A"].iloc[slice(None, None, -1) if rows[0] else rows]
    assert_series_equal(forecasts(turned), forecasts(walks["A"]), check_exact=True, check_freq=False)


@both_ways
@pytest.mark.parametrize("rows", [[*range(79, -1, -1)], [*range(40, 80), *range(40)]], ids=["newest first", "halves"])
def test_a_ticker_listed_late_does_not_depend_on_the_order_of_rows(walks, write, rows):
    frame = write(close=walks.where((walks.index >= "2024-02-01")[:, None] | (walks.columns != "A")))
    out, turned = forecasts(frame, target="close"), forecasts(frame.iloc[rows], target="close")
    assert_frame_equal(turned, out, check_exact=True, check_freq=False)


@both_ways
def test_a_ticker_listed_late_begins_with_its_first_price(walks, write):
    frame = write(close=walks.where((walks.index >= "2024-02-01")[:, None] | (walks.columns != "A")))
    read = forecaster(target="close").to_panel(frame)
    assert dict(zip(read.ids, read.lengths)) == {"1": 80, "10": 80, "2": 80, "A": 49}


def test_a_ticker_without_any_price_is_not_dropped_in_silence(walks):
    frame = wide(close=walks)
    frame["close", "A"] = np.nan
    with pytest.raises(ValueError, match="'A'"):
        forecasts(frame, target="close")


@pytest.mark.parametrize("multivariate", ["independent", "joint"])
def test_several_targets_come_back_in_the_order_in_which_they_were_named(walks, multivariate):
    out = forecasts(walks, target=["2", "10"], multivariate=multivariate)
    assert out.columns.tolist() == ["2", "10"]
    assert abs(out["2"] - 1000).max() < 30
    assert abs(out["10"] - 10).max() < 30
