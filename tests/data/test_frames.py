"""Frames of every accepted shape hold the same prices."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge

from tsseq import DataError, Forecaster, backtest, regularize, simulate
from tsseq.data.panel import Panel
from tsseq.data.time_rules import sessions

DAYS = pd.bdate_range("2024-01-01", periods=40, name="Date")
CLOSES = pd.DataFrame(100 * np.random.default_rng(3).lognormal(0, 0.02, (40, 3)).cumprod(axis=0), DAYS, ["B", "A", "C"])
OPENS = CLOSES * 1.001


def wide() -> pd.DataFrame:
    return pd.concat({"Close": CLOSES, "Open": OPENS}, axis=1).rename_axis(columns=["Price", "Ticker"])


def long() -> pd.DataFrame:
    return wide().stack(level=1, future_stack=True).reset_index()


SHAPES = {
    "fields over tickers": wide(),
    "tickers over fields": wide().swaplevel(axis=1),
    "long, own names": long(),
    "long, unique_id and ds": long().rename(columns={"Ticker": "unique_id", "Date": "ds"}),
    "panel": long().set_index(["Ticker", "Date"]),
    "panel, time first": long().set_index(["Date", "Ticker"]),
    "Series of a panel": long().set_index(["Ticker", "Date"])["Close"],
    "closes as yfinance has them": wide()["Close"],
    "closes without a name": CLOSES.rename_axis(columns=None),
}


@pytest.mark.parametrize("frame", SHAPES.values(), ids=SHAPES)
def test_every_shape_holds_the_same_prices(frame):
    panel = Panel.from_prices(frame)
    assert panel.ids.tolist() == ["A", "B", "C"]
    for name, start, end in zip(panel.ids, panel.indptr, panel.indptr[1:]):
        assert panel.times[start:end].equals(DAYS.rename(None)) or panel.times[start:end].tolist() == DAYS.tolist()
        np.testing.assert_array_equal(panel.values[start:end, 0], CLOSES[name])
        if panel.values.shape[1] == 2:
            np.testing.assert_array_equal(panel.values[start:end, 1], OPENS[name])


def test_one_asset_is_a_series_or_a_frame_of_fields_in_any_case():
    series, frame = CLOSES["A"].rename("close"), pd.DataFrame({"OPEN": OPENS["A"], "CLOSE": CLOSES["A"]})
    for prices in (series, frame):
        panel = Panel.from_prices(prices)
        assert panel.ids.tolist() == [None]
        np.testing.assert_array_equal(panel.values[:, 0], CLOSES["A"])


def test_gaps_in_prices_are_no_error():
    panel = Panel.from_prices(CLOSES.drop(DAYS[[5, 17]]))
    assert panel.lengths.tolist() == [38] * 3


def test_opens_are_not_read_beside_an_adjusted_close():
    frame = pd.DataFrame({"open": OPENS["A"], "close": CLOSES["A"], "adj close": CLOSES["A"] / 2})
    assert Panel.from_prices(frame, "adj close").schema.dynamic == ("adj close",)


def test_prices_without_the_field_are_refused():
    with pytest.raises(DataError, match="no column 'close'; they have 'Date', 'Ticker', 'Open'"):
        Panel.from_prices(long().drop(columns="Close"))


def test_a_wide_frame_of_closes_is_forecast_as_one():
    closes = wide()["Close"]
    model = Forecaster(Ridge(), 2, 5, calendar="B").fit(closes)
    forecast = model.predict()
    assert forecast.columns.tolist() == ["B", "A", "C"]
    assert forecast.columns.name == "Ticker"
    assert forecast.index.tolist() == pd.bdate_range(DAYS[-1], periods=3)[1:].tolist()
    apart = Forecaster(Ridge(), 2, 5, calendar="B", target="Close").fit(wide()[["Close"]]).predict()["Close"]
    np.testing.assert_array_equal(forecast, apart)
    reordered = model.predict(closes[["C", "B", "A"]])
    pd.testing.assert_frame_equal(reordered[["B", "A", "C"]], forecast, check_exact=True)


def test_closes_of_two_exchanges_keep_each_to_its_own_days():
    days = {"A": sessions("XNYS", 2024, 2024), "B": sessions("XTKS", 2024, 2024)}
    series = {name: pd.Series(np.arange(len(own)) + 1.0, own) for name, own in days.items()}
    closes = pd.concat(series, axis=1, names=["Ticker"], sort=True)
    fields = pd.concat({"close": closes}, axis=1, names=["Price", "Ticker"])
    model = Forecaster(Ridge(), 2, 10, target="close", calendar={"A": "XNYS", "B": "XTKS"})
    want = model.fit(fields).predict()["close"]
    pd.testing.assert_frame_equal(model.fit(closes).predict(), want, check_exact=True)


SALES = pd.DataFrame(
    {
        "unique_id": np.repeat(["a", "b"], 40),
        "ds": np.tile(DAYS.to_numpy(), 2),
        "y": np.random.default_rng(5).normal(size=80).cumsum() + 50,
        "weather": np.tile(["rain", "sun", "sun", "rain", "rain"], 16),
    }
)


class Foreign:
    """A frame of another library: all that is known of it is the Arrow interface."""

    def __init__(self, frame):
        self.table = pa.Table.from_pandas(frame, preserve_index=False)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def arrow_categories(frame):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    weather = table["weather"].dictionary_encode()
    return table.set_column(table.schema.get_field_index("weather"), "weather", weather).to_pandas(
        types_mapper=pd.ArrowDtype
    )


KINDS = {
    "Arrow interface": Foreign,
    "pyarrow.Table": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "Arrow dates": lambda frame: pa.table(Foreign(frame.assign(ds=frame["ds"].dt.date))),
    "dtypes of Arrow": lambda frame: pa.table(Foreign(frame)).to_pandas(types_mapper=pd.ArrowDtype),
    "categories of Arrow": arrow_categories,
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_frames_of_other_libraries_forecast_as_those_of_pandas_do(kind):
    model = Forecaster(Ridge(), 3, 10, target="y", known="weather").fit(SALES)
    future = model.make_future_frame().assign(weather="sun")
    expected = model.predict(future=future)
    arrow = Forecaster(Ridge(), 3, 10, target="y", known="weather").fit(kind(SALES))
    forecast = arrow.predict(future=kind(future))
    assert list(forecast.dtypes.map(type)) == list(expected.dtypes.map(type))
    pd.testing.assert_frame_equal(forecast, expected, check_dtype=False)
    assert arrow.score(kind(SALES)) == model.score(SALES)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_text_and_dates_of_arrow_may_be_a_target_and_an_index(kind):
    frame = pd.DataFrame(pa.table(Foreign(SALES)).to_pandas())
    model = Forecaster(Ridge(), 2, 10, target="y", past="weather")
    expected = model.fit(frame).predict().set_index(["unique_id", "ds"])
    foreign = kind(SALES)
    if isinstance(foreign, pd.DataFrame):
        rows = foreign.set_index(["ds", "unique_id"])
        answer = model.fit(rows).predict()
        assert answer.index.names == ["ds", "unique_id"]
        np.testing.assert_array_equal(answer["y"], expected["y"])
        single = foreign[foreign["unique_id"] == "a"].set_index("ds")[["y"]]
        alone = Forecaster(Ridge(), 2, 10).fit(single).predict()
        assert isinstance(alone.index, pd.DatetimeIndex)
        assert alone.index[0] == DAYS[-1] + pd.offsets.BDay()


def test_backtests_prices_and_regularize_read_arrow():
    table = KINDS["pyarrow.Table"](SALES)
    model = Forecaster(Ridge(), 2, 10, target="y")
    assert backtest(model, table, n_cutoffs=3).scores.equals(backtest(model, SALES, n_cutoffs=3).scores)
    prepared = backtest(model, table, n_cutoffs=3, prepare=lambda frame: frame.assign(x=1.0))
    assert prepared.scores.equals(backtest(model, SALES, n_cutoffs=3).scores)
    assert len(regularize(table.slice(0, 40), "B")) == 40
    weights = pd.DataFrame(0.5, DAYS[5:8], ["A", "B"])
    equity = simulate(weights, long()).equity
    assert simulate(weights, KINDS["pyarrow.Table"](long())).equity.to_list() == equity.to_list()
    closes = wide()["Close"].convert_dtypes(dtype_backend="pyarrow")
    closes.index = closes.index.astype("timestamp[us][pyarrow]")
    arrow = simulate(weights.set_axis(closes.index[5:8]), closes).equity
    assert arrow.to_list() == simulate(weights, wide()["Close"]).equity.to_list()


def test_what_holds_no_frame_yet_says_what_to_do():
    lazy = type("LazyFrame", (), {"collect": None, "__module__": "polars.lazyframe.frame"})()
    with pytest.raises(DataError, match=r"not LazyFrame of polars; call .collect\(\) first"):
        Forecaster(Ridge(), 2, 10).fit(lazy)
    with pytest.raises(DataError, match=r"not a column \(pyarrow.*in a column beside it"):
        Forecaster(Ridge(), 2, 10).fit(pa.chunked_array([[1.0, 2.0]]))
