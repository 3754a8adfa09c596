"""Bars that look wrong are named in the report, and come as they are."""

import numpy as np
import pandas as pd
import pytest
from yahoo_stand_in import DATES, PRICES

import tsseq
from tsseq.errors import DataError
from tsseq.prices.suspects import suspicions


def bars_of(seed=0, dates=DATES, volatility=0.01, **columns) -> pd.DataFrame:
    closes = 100 * np.exp(np.random.default_rng(seed).normal(0, volatility, len(dates)).cumsum())
    bars = pd.DataFrame({name: closes for name in PRICES}, dates).assign(volume=1000.0, dividends=0.0, splits=0.0)
    return bars.assign(high=closes * 1.01, low=closes * 0.99, **columns)


def changed(date, factor, names=PRICES, **columns):
    bars = bars_of(**columns)
    bars.loc[date, list(names)] *= factor
    return bars


def test_a_close_100_times_too_high_is_suspect_and_comes_as_it_is(download, yahoo):
    yahoo.stocks["AAPL"].bars.loc["2024-02-01", PRICES] *= 100
    panel, report = download(["AAPL", "MSFT"])
    assert report["status"].tolist() == ["suspect", "ok"]
    assert report.loc["AAPL", "why"].startswith("2 bars are beyond a factor of 3 from the close before (first: open ")
    assert " on 2024-02-01 after " in report.loc["AAPL", "why"]
    np.testing.assert_array_equal(panel.loc["AAPL"], yahoo.stocks["AAPL"].bars)
    again = download(["AAPL", "MSFT"]).report
    assert again["source"].tolist() == ["cache", "cache"]
    assert again["why"].tolist() == report["why"].tolist()


@pytest.mark.parametrize(("new", "old"), [(4, 1), (3, 2), (1, 10)])
def test_a_listed_split_that_was_not_applied_is_suspect(download, yahoo, new, old):
    known = yahoo.stocks["AAPL"]
    known.bars.loc["2024-03-11":, PRICES] *= old / new
    known.splits["2024-03-11"] = (new, old)
    report = download("AAPL").report
    assert report.loc["AAPL", "status"] == "suspect"
    assert report.loc["AAPL", "why"].startswith("1 bars move as a listed split would (first: close ")
    assert report.loc["AAPL", "why"].endswith(f"splits: {new / old:g} on 2024-03-11)")


def test_a_split_applied_on_the_wrong_day_or_twice_is_suspect_and_a_right_one_is_not(download, yahoo):
    yahoo.stocks["AAPL"].split("2024-03-11", 2)
    yahoo.stocks["AAPL"].bars.loc["2024-03-11":, PRICES] /= 2  # what a share fetches from then on
    assert download("AAPL").report["status"].tolist() == ["ok"]
    bars = bars_of(splits=0.0)
    bars.loc["2024-03-11", "splits"] = 2.0
    assert suspicions(bars) == []
    for day, factor in {"2024-02-01": 0.5, "2024-03-10": 2.0}.items():
        (sentence,) = suspicions(
            bars.assign(**{name: bars[name].where(bars.index > day, bars[name] * factor) for name in PRICES})
        )
        assert "1 bars move as a listed split would" in sentence


@pytest.mark.parametrize("value", [0.0, -3.0])
@pytest.mark.parametrize("name", PRICES)
def test_prices_of_zero_or_below_are_suspect(download, yahoo, name, value):
    yahoo.stocks["AAPL"].bars.loc[["2024-02-01", "2024-02-02"], name] = value
    why = download("AAPL").report.loc["AAPL", "why"]
    assert f"{name} is not above 0 on 2 bars (first: {value:g} on 2024-02-01)" in why
    assert "factor of 3" not in why


def test_a_high_below_the_low_is_suspect(download, yahoo):
    yahoo.stocks["AAPL"].bars.loc["2024-02-01", ["high", "low"]] = [90.0, 95.0]
    report = download("AAPL").report
    assert report.loc["AAPL", ["status", "why"]].tolist() == [
        "suspect",
        "high is below low on 1 bars (first: 90 and 95 on 2024-02-01)",
    ]


@pytest.mark.parametrize("volume", [0.0, 5000.0])
def test_closes_that_stand_still_are_suspect(download, yahoo, volume):
    bars = yahoo.stocks["AAPL"].bars
    bars.iloc[5:45] = [*[100.0] * 4, volume]
    report = download("AAPL").report
    days = f"from {DATES[5].date()} to {DATES[44].date()}"
    assert report.loc["AAPL", ["status", "why"]].tolist() == [
        "suspect",
        f"1 runs of 10 or more bars have one close (first: 40 at 100 {days})",
    ]


def test_nine_equal_closes_are_not_suspect_and_each_run_of_ten_is():
    bars = bars_of()
    bars.iloc[3:12, bars.columns.get_loc("close")] = 100.0
    bars["high"], bars["low"] = bars["close"] + 5, bars["close"] - 5
    assert suspicions(bars) == []
    for begin in (20, 40):
        bars.iloc[begin : begin + 10, bars.columns.get_loc("close")] = 100.0
    assert suspicions(bars)[0].startswith("2 runs of 10 or more bars have one close (first: 10 at 100 from 2024-01-30 ")


@pytest.mark.parametrize("name", PRICES)
def test_one_wrong_cell_is_enough(name):
    sentences = suspicions(changed("2024-02-01", 0.01, [name]))
    assert any(f"(first: {name} " in sentence and "beyond a factor of 3" in sentence for sentence in sentences)


def test_a_large_dividend_explains_a_fall_and_a_wrong_one_is_not_a_fall():
    dates = DATES[20:]
    fallen = bars_of()
    fallen.loc[dates, list(PRICES)] *= 0.25
    assert len(suspicions(fallen)) == 1
    fallen.loc[dates[0], "dividends"] = 75.0
    assert suspicions(fallen) == []
    wrong = bars_of()
    wrong.loc[dates[0], "dividends"] = 5000.0
    assert suspicions(wrong) == []


def test_honest_prices_are_not_suspect():
    sp500 = tsseq.load_sample("sp500").assign(dividends=0.0, splits=0.0)
    assert suspicions(sp500) == []
    long = pd.bdate_range("2000-01-03", periods=5000)
    for seed in range(40):
        bars = bars_of(seed, long, volatility=0.03)
        bars.loc[long[2000], "splits"] = [1.05, 1.25, 1.5, 2.0, 4.0, 7.0, 20.0, 0.1][seed % 8]
        assert suspicions(bars) == []


def test_a_ticker_may_lack_bars_and_look_wrong_and_only_the_former_is_strict(download, yahoo):
    yahoo.stocks["AAPL"].bars.loc["2024-02-01", PRICES] *= 100
    assert download("AAPL", strict=True).report["status"].tolist() == ["suspect"]
    report = download("AAPL", start="2023-06-01").report
    assert report.loc["AAPL", "status"] == "suspect"
    assert report.loc["AAPL", "why"].startswith("prices begin on 2024-01-02; 2 bars are beyond a factor of 3 ")
    with pytest.raises(DataError, match=r"1 of 1 tickers .* \(first: 'AAPL' prices begin on 2024-01-02\)"):
        download("AAPL", start="2023-06-01", strict=True)


def test_a_single_bar_and_none_are_not_suspect():
    assert suspicions(bars_of()[:1]) == suspicions(bars_of()[:0]) == []
