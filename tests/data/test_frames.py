"""Frames of every accepted shape hold the same prices."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from tsseq import DataError, Forecaster
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
