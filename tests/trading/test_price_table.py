"""Every shape of prices gives the same table, the same weights and the same book."""

import numpy as np
import pandas as pd
import pytest

from tsseq.errors import DataError
from tsseq.trading import expected_returns, simulate, sweep, to_weights
from tsseq.trading.execution import Execution, market_of
from tsseq.trading.price_table import read_prices

DAYS = pd.bdate_range("2024-01-01", periods=30, name="date")
CLOSES = pd.DataFrame(
    100 * np.exp(np.random.default_rng(0).normal(0, 0.01, (30, 3)).cumsum(axis=0)),
    DAYS,
    pd.Index(["A", "B", "C"], name="ticker"),
)
PANEL = CLOSES.stack().swaplevel().sort_index().to_frame("close")
SHAPES = {
    "panel": PANEL,
    "panel, time first": PANEL.swaplevel(),
    "unique_id, ds": PANEL.reset_index().rename(columns={"ticker": "unique_id", "date": "ds"}),
    "own names": PANEL.reset_index(),
    "shuffled": PANEL.reset_index().sample(frac=1, random_state=0),
    "yfinance": pd.concat({"Close": CLOSES}, axis=1, names=["Price", "Ticker"]),
    "yfinance, tickers first": pd.concat({"Close": CLOSES}, axis=1, names=["Price", "Ticker"]).swaplevel(axis=1),
    "closes": CLOSES,
    "closes without names": CLOSES.rename_axis(columns=None),
}


def forecasts():
    tidy = (CLOSES.iloc[5:25:2] * 1.01 ** np.array([1, -1, 2])).stack().rename("forecast").reset_index()
    tidy.columns = ["cutoff", "ticker", "forecast"]
    return tidy.assign(step=1, target="close", model="m")[["model", "ticker", "cutoff", "step", "target", "forecast"]]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_table(shape):
    table = read_prices(SHAPES[shape])
    assert table.assets.tolist() == ["A", "B", "C"]
    assert table.dates.equals(DAYS)
    np.testing.assert_array_equal(table.closes, CLOSES)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_weights_books_and_sweeps(shape):
    prices, tidy = SHAPES[shape], forecasts()
    weights = to_weights(tidy, prices, rule="rank")
    pd.testing.assert_frame_equal(weights, to_weights(tidy, PANEL, rule="rank"))
    pd.testing.assert_frame_equal(expected_returns(tidy, prices), expected_returns(tidy, PANEL))
    book = simulate(weights, prices)
    np.testing.assert_array_equal(book.returns, simulate(weights, PANEL).returns)
    table = sweep(tidy, prices, {"rule": ["rank"]})
    assert table["total_return"].item() == pytest.approx(book.stats()["total_return"], rel=1e-12)


def test_a_frame_without_the_price_is_not_taken_for_tickers():
    frame = pd.DataFrame({"open": 1.0, "high": 2.0, "low": 1.0}, DAYS)
    with pytest.raises(DataError, match="no column 'close'; they have 'open', 'high', 'low'"):
        read_prices(frame)


def test_an_asset_that_begins_late_or_ends_has_no_price_before_and_after():
    closes = CLOSES.copy()
    closes.iloc[:4, 0] = closes.iloc[-3:, 1] = np.nan
    np.testing.assert_array_equal(read_prices(closes).closes, closes)


def test_another_fill_price_is_one_record():
    prices = pd.DataFrame({"open": [1.0, 2.0, 3.0], "close": [2.0, 4.0, 5.0]}, DAYS[:3])
    middle = Execution("middle", "", 1, lambda bars: (bars.open + bars.close) / 2, needs_opens=True)
    assert market_of(read_prices(prices), middle, 0).fills.tolist() == [[1.5], [3.0], [4.0]]


def test_assets_with_as_many_prices_on_other_dates_meet_on_all_dates():
    table = read_prices(pd.concat([PANEL.loc[["A"]].iloc[:20], PANEL.loc[["B"]].iloc[10:]]))
    expected = CLOSES[["A", "B"]].to_numpy(copy=True)
    expected[20:, 0] = expected[:10, 1] = np.nan
    np.testing.assert_array_equal(table.dates, DAYS)
    np.testing.assert_array_equal(table.closes, expected)
