"""Downloading prices: the real yfinance against a real server on this machine."""

import json
import os
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from yahoo_stand_in import DATES, PRICES, YEAR, CurlSession, RequestsSession, Stock, stock

import tsseq
from tsseq.data.samples import EXACT
from tsseq.errors import ConfigError, DataError
from tsseq.prices.cache import path_of
from tsseq.prices.download import adjust_for_dividends


def test_prices_arrive_to_the_last_bit(download, yahoo):
    panel, report = download(["MSFT", "AAPL"])
    assert panel.index.names == ["id", "time"]
    assert list(panel) == [*PRICES, "volume"]
    assert list(panel.index.unique("id")) == list(report.index) == ["MSFT", "AAPL"]
    for name, known in yahoo.stocks.items():
        found = panel.loc[name]
        assert list(found.index) == list(known.bars.index)
        np.testing.assert_array_equal(found, known.bars)
    assert {dtype.kind for dtype in report[["first", "last"]].dtypes} == {"M"}
    assert report.loc["AAPL"].tolist() == ["ok", "", DATES[0], DATES[-1], len(DATES), "network"]


def test_a_curl_session_brings_the_same_bits(download, yahoo, tmp_path):
    with CurlSession(yahoo.address) as session:
        found = tsseq.download_prices("AAPL", **YEAR, cache_dir=tmp_path / "curl", session=session)
    pd.testing.assert_frame_equal(found.panel, download("AAPL").panel, check_exact=True)


def test_a_forecaster_takes_the_panel(download):
    panel, _ = download(["AAPL", "MSFT"])
    forecast = tsseq.Forecaster(tsseq.LastValue(), 3, 5, target="close", calendar="B").fit(panel).predict()
    last = panel["close"].groupby("id").last()
    assert forecast["close"].tolist() == np.repeat(last, 3).tolist()


def test_the_end_is_not_included_and_the_start_is(download):
    dates = download("AAPL", "2024-02-01", "2024-02-15").panel.index.get_level_values("time")
    assert (dates[0], dates[-1]) == (pd.Timestamp("2024-02-01"), pd.Timestamp("2024-02-14"))


def test_a_second_call_asks_nothing(download, yahoo):
    first = download(["AAPL", "MSFT"])
    yahoo.asked.clear()
    yahoo.trouble = {"AAPL": 500, "MSFT": 500}
    second = download(["AAPL", "MSFT"])
    assert yahoo.asked == []
    assert set(second.report["source"]) == {"cache"}
    pd.testing.assert_frame_equal(second.panel, first.panel, check_exact=True)
    shorter = download("AAPL", "2024-02-01", "2024-02-15")
    assert (yahoo.asked, shorter.report.loc["AAPL", "status"]) == ([], "ok")


def test_without_an_end_bars_come_up_to_now_and_only_once(download, yahoo):
    report = download("AAPL", end=None).report
    assert report.loc["AAPL", ["status", "why"]].tolist() == ["partial", "prices end on 2024-03-29"]
    assert download("AAPL", end=None).report.loc["AAPL", "source"] == "cache"
    assert len(yahoo.asked) == 1


def test_a_longer_range_asks_for_the_last_ten_bars_and_what_is_new(download, yahoo):
    download("AAPL", end="2024-03-01")
    yahoo.asked.clear()
    panel, _ = download("AAPL")
    assert [tuple(map(str, asked)) for asked in yahoo.asked] == [("AAPL", "2024-02-16", "2024-03-30")]
    np.testing.assert_array_equal(panel.loc["AAPL"], yahoo.stocks["AAPL"].bars)


def test_an_earlier_start_asks_for_the_whole_range(download, yahoo):
    download("AAPL", "2024-02-01")
    yahoo.asked.clear()
    panel, _ = download("AAPL", end="2024-02-15")
    assert [tuple(map(str, asked)) for asked in yahoo.asked] == [("AAPL", "2024-01-02", "2024-03-30")]
    np.testing.assert_array_equal(panel.loc["AAPL"], yahoo.stocks["AAPL"].bars[:"2024-02-14"])


def test_a_split_fetches_all_anew(download, yahoo):
    old = download("AAPL", end="2024-03-01").panel.loc["AAPL"]
    yahoo.stocks["AAPL"].split("2024-03-11", 4)
    new = download("AAPL").panel.loc["AAPL"]
    assert [str(first) for _, first, _ in yahoo.asked] == ["2024-01-02", "2024-02-16", "2024-01-02"]
    np.testing.assert_array_equal(new, yahoo.stocks["AAPL"].bars)
    np.testing.assert_allclose(new["close"].iloc[0], old["close"].iloc[0] / 4)
    assert new["volume"].iloc[5] == old["volume"].iloc[5] * 4


def test_a_split_that_is_not_yet_in_the_history_is_not_joined_to_the_old_bars(download, yahoo):
    download("AAPL", end="2024-03-01")
    yahoo.stocks["AAPL"].splits["2024-03-11"] = (4, 1)
    download("AAPL")
    assert [str(first) for _, first, _ in yahoo.asked] == ["2024-01-02", "2024-02-16", "2024-01-02"]


def test_a_dividend_entered_late_fetches_all_anew(download, yahoo):
    download("AAPL", end="2024-03-01")
    yahoo.stocks["AAPL"].dividends = {"2024-01-16": 0.5, "2024-02-27": 0.25}
    found = download("AAPL", adjust=False).panel.loc["AAPL", "dividends"]
    assert len(yahoo.asked) == 3
    assert found[found > 0].to_dict() == {pd.Timestamp("2024-01-16"): 0.5, pd.Timestamp("2024-02-27"): 0.25}


def test_a_new_dividend_adjusts_what_the_cache_holds(download, yahoo, tmp_path):
    download("AAPL", end="2024-03-01")
    yahoo.stocks["AAPL"].dividends = {"2024-03-11": 0.5}
    appended = download("AAPL").panel
    assert len(yahoo.asked) == 2
    path_of(tmp_path, "AAPL").unlink()
    pd.testing.assert_frame_equal(download("AAPL").panel, appended, check_exact=True)
    assert appended.loc[("AAPL", "2024-01-02"), "close"] < yahoo.stocks["AAPL"].bars["close"].iloc[0]


def test_adjusting_follows_the_ratio_to_the_close_before_the_ex_date(download, yahoo):
    dates = DATES[:4]
    bars = pd.DataFrame({name: [10.0, 8.0, 4.0, 5.0] for name in PRICES}, dates).assign(volume=100.0)
    yahoo.stocks["X"] = Stock(bars, dividends={"2024-01-03": 1.0, "2024-01-05": 2.0})
    found = download("X", end="2024-01-06").panel.loc["X"]
    want = [10 * 0.9 * 0.5, 8 * 0.5, 4 * 0.5, 5]  # 1 - 1 / 10 before the 3rd, 1 - 2 / 4 before the 5th
    for name in PRICES:
        np.testing.assert_allclose(found[name], want, rtol=1e-15)
    assert found["volume"].tolist() == [100.0] * 4
    assert download("X", end="2024-01-05").panel.loc["X", "close"].tolist() == [9.0, 8.0, 4.0]  # of the range alone


def test_returns_of_adjusted_closes_are_total_returns():
    bars = stock(3).bars.assign(dividends=0.0, splits=0.0)
    bars.iloc[[20, 40], bars.columns.get_loc("dividends")] = 0.7, 1.3
    found, before = adjust_for_dividends(bars)["close"], bars["close"].shift()
    # shares for the dividend are bought at the close before the ex-date less the dividend
    np.testing.assert_allclose(found.pct_change()[1:], (bars["close"] / (before - bars["dividends"]) - 1)[1:])
    assert found.iloc[-1] == bars["close"].iloc[-1]


def test_unadjusted_prices_come_with_dividends_and_splits(download, yahoo):
    yahoo.stocks["AAPL"].dividends = {"2024-02-01": 0.24}
    yahoo.stocks["AAPL"].split("2024-03-01", 3, 2)
    found = download("AAPL", adjust=False).panel.loc["AAPL"]
    np.testing.assert_array_equal(found[[*PRICES, "volume"]], yahoo.stocks["AAPL"].bars)
    assert found["dividends"][found["dividends"] != 0].to_dict() == {pd.Timestamp("2024-02-01"): 0.24}
    assert found["splits"][found["splits"] != 0].to_dict() == {pd.Timestamp("2024-03-01"): 1.5}


def test_a_dividend_on_a_date_without_a_close_counts_on_the_next(download, yahoo):
    yahoo.stocks["AAPL"].dividends = {"2024-02-01": 0.25}
    yahoo.stocks["AAPL"].bars.loc["2024-02-01"] = np.nan
    found = download("AAPL", adjust=False).panel.loc["AAPL", "dividends"]
    assert pd.Timestamp("2024-02-01") not in found.index
    assert found[found != 0].to_dict() == {pd.Timestamp("2024-02-02"): 0.25}


def test_a_dividend_above_the_price_is_reported_instead_of_turning_prices_negative(download, yahoo):
    yahoo.stocks["AAPL"].dividends = {"2024-02-01": 1000.0}
    panel, report = download("AAPL")
    assert report.loc["AAPL", "status"] == "partial"
    assert "the dividend of 2024-02-01 is not below the close before it" in report.loc["AAPL", "why"]
    np.testing.assert_array_equal(panel.loc["AAPL"], yahoo.stocks["AAPL"].bars)


def test_strict_raises_where_anything_is_missing(download):
    assert list(download(["AAPL", "NONE"]).report["status"]) == ["ok", "failed"]
    with pytest.raises(DataError, match=r"1 of 2 tickers have no prices, or not all \(first: 'NONE' not found"):
        download(["AAPL", "NONE"], strict=True)
    with pytest.raises(DataError, match="'AAPL' prices begin on 2024-01-02"):
        download(["AAPL", "MSFT"], start="2023-06-01", strict=True)


@pytest.mark.parametrize(
    "ticker", ["../x", "CON", "^GSPC", "BRK-B", "a/b", "EURUSD=X", "x" * 300, "M&M.NS", "%2e%2e/q"]
)
def test_any_ticker_stays_inside_the_cache(download, yahoo, tmp_path, ticker):
    yahoo.stocks[ticker.upper()] = stock(5)
    panel, _ = download(ticker)
    assert panel.index.unique("id").tolist() == [ticker]
    (file,) = tmp_path.iterdir()
    assert file.name.endswith(".parquet")
    assert file.name.split(".")[0].upper() != "CON"
    assert yahoo.asked[-1][0] == ticker.upper()
    download(ticker)
    assert len(yahoo.asked) == 1


def test_tickers_are_one_whatever_their_case(download, yahoo, tmp_path):
    download("aapl")
    assert download("AAPL").report["source"].tolist() == ["cache"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_file_is_fetched_again(download, yahoo, tmp_path):
    good = download("AAPL").panel
    path = path_of(tmp_path, "AAPL")
    path.write_bytes(path.read_bytes()[:-100])
    panel, report = download("AAPL")
    assert report.loc["AAPL", ["status", "source"]].tolist() == ["ok", "network"]
    pd.testing.assert_frame_equal(panel, good, check_exact=True)
    assert download("AAPL").report.loc["AAPL", "source"] == "cache"


def test_two_threads_get_what_one_gets(yahoo, tmp_path):
    alone, found = {}, {}
    yahoo.stocks |= {f"T{i}": stock(10 + i) for i in range(6)}
    names = list(yahoo.stocks)
    with RequestsSession(yahoo.address) as session:
        alone = tsseq.download_prices(names, **YEAR, cache_dir=tmp_path / "alone", session=session)
        yahoo.asked.clear()

        def work(place):
            found[place] = tsseq.download_prices(names, **YEAR, cache_dir=tmp_path / "both", session=session)

        threads = [threading.Thread(target=work, args=[place]) for place in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(symbol for symbol, *_ in yahoo.asked) == sorted(names)  # each once
    for place in range(2):
        pd.testing.assert_frame_equal(found[place].panel, alone.panel, check_exact=True)


HOME = """
import json, logging, sys
sys.path.insert(0, {tests!r})
from yahoo_stand_in import RequestsSession
import tsseq
for _ in range(2):
    prices = tsseq.download_prices("AAPL", "2024-01-02", "2024-03-30", session=RequestsSession({address!r}))
import yfinance
print(json.dumps([len(prices.panel), logging.getLogger("yfinance").level, yfinance.config.debug.hide_exceptions]))
"""


def test_nothing_is_left_in_the_home_but_the_cache(yahoo, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    (tmp_path / "tmp").mkdir()
    code = HOME.format(tests=str(Path(__file__).parent), address=yahoo.address)
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [len(DATES), 0, True]
    assert done.stderr == ""
    files = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()]
    assert [file.parent for file in files] == [Path(".cache/tsseq/prices")]
    assert len(yahoo.asked) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tickers": []}, "tickers is empty"),
        ({"tickers": ["AAPL", "aapl"]}, "tickers names 'aapl' more than once"),
        ({"tickers": [""]}, "tickers holds ''; a ticker is text"),
        ({"tickers": [".."]}, "tickers holds '..'"),
        ({"tickers": ["A B"]}, "tickers holds 'A B'"),
        ({"tickers": [7]}, "tickers holds 7"),
        ({"interval": "1h"}, "interval='1h' is unknown"),
        ({"start": "2024-03-01", "end": "2024-02-01"}, "start=2024-03-01 is not before end=2024-02-01"),
        ({"start": "2024-03-01", "end": "2024-03-01"}, "start=2024-03-01 is not before end=2024-03-01"),
        ({"start": "2999-01-01", "end": None}, "start=2999-01-01 is not before today, "),
        ({"start": "soon"}, "start='soon' is not a date"),
        ({"end": pd.NaT}, "end is missing"),
        ({"end": "1900-01-01", "start": None}, "end=1900-01-01 is not after 1927-01-01"),
        ({"session": object()}, "session: Unsupported session type"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_asked(yahoo, tmp_path, given, message):
    with pytest.raises(ConfigError, match=message):
        tsseq.download_prices(**{"tickers": "AAPL", **YEAR, "cache_dir": tmp_path, **given})
    assert yahoo.asked == []


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_command_writes_a_file_that_other_commands_read(download, yahoo, tmp_path, suffix):
    yahoo.stocks["MSFT"].bars.loc["2024-02-01", PRICES] *= 100
    panel, _ = download(["AAPL", "MSFT"])
    arguments = ["AAPL", "MSFT", "--start", YEAR["start"], "--end", YEAR["end"], "--cache-dir", "."]
    done = command("download", *arguments, "--output", f"prices{suffix}", cwd=tmp_path)  # all from the cache
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "cache" in done.stderr
    assert "suspect  2 bars are beyond a factor of 3 from the close before (first: open " in done.stderr
    columns = ["--id-column", "id", "--time-column", "time", "--calendar", "B", "--target", "close"]
    options = ["--horizon", "2", "--context-length", "5", "--model", "naive"]
    done = command("fit", f"prices{suffix}", "--output", "model.tsseq", *columns, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = command("predict", "model.tsseq", f"prices{suffix}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(StringIO(done.stdout), **EXACT)
    assert found["close"].tolist() == np.repeat(panel["close"].groupby("id").last(), 2).tolist()


def test_the_command_names_what_is_wrong_in_one_line(tmp_path):
    done = command("download", "AAPL", "--output", "prices.xlsx", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "Error: --output prices.xlsx must end in .parquet or .csv.\n")
    done = command("download", "AAPL", "--start", "soon", "--output", "prices.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "Error: start='soon' is not a date; write it as '2015-01-31'.\n")
    assert os.listdir(tmp_path) == []


def command(*arguments, cwd) -> subprocess.CompletedProcess:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    call = [sys.executable, "-W", "error", "-m", "tsseq", *arguments]
    return subprocess.run(call, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
