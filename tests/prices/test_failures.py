"""Downloads that fail or are not finished yet: told apart, reported, never kept."""

import logging

import numpy as np
import pandas as pd
import pytest
from yahoo_stand_in import CurlSession, RequestsSession, YahooStandIn, stock

from tsseq.errors import DataError
from tsseq.prices.cache import read
from tsseq.prices.client import RetryPolicy
from tsseq.prices.download import CachedYahoo, Span, collect


@pytest.mark.parametrize(
    ("trouble", "why", "tries"),
    [
        (429, "rate limited: Yahoo takes no more requests for now (429)", 3),
        (500, "server error: Yahoo answered 500", 3),
        ("hang", "timeout: no answer within 0.3 s", 3),
        ("drop", "no connection: Yahoo cannot be reached (ConnectionError)", 3),
        ("empty", "empty answer: Yahoo sent nothing (200)", 3),
        (
            "page",
            "web page: Yahoo sent a page instead of prices (200), as it does to slow down or to ask for consent",
            3,
        ),
        ("null", "null result: Yahoo's answer holds neither prices nor an error", 3),
        ("crumb", "invalid crumb: Yahoo did not take the crumb that it gave (401)", 3),
        ("scrambled", "unreadable: Yahoo's answer is not what yfinance expects (JSONDecodeError", 1),
        (403, "refused: Yahoo answered 403", 1),
        (None, "not found: Yahoo knows no such ticker (404)", 1),
    ],
)
def test_failures_are_told_apart_and_not_kept(at, yahoo, tmp_path, caplog, trouble, why, tries):
    yahoo.stocks["BAD"] = stock(2)
    yahoo.trouble["BAD"] = trouble
    if trouble is None:
        del yahoo.stocks["BAD"]
    panel, report = at(["AAPL", "BAD"], end="2024-03-30")
    assert list(panel.index.unique("id")) == ["AAPL"]
    assert report.loc["BAD", "status"] == "failed"
    assert report.loc["BAD", "why"].startswith(why)
    assert len(at.slept) == tries - 1
    assert caplog.records == []
    assert read(tmp_path, "BAD") is None
    yahoo.trouble.clear()
    yahoo.stocks["BAD"] = stock(2)
    assert at(["BAD"], end="2024-03-30").report.loc["BAD", ["status", "source"]].tolist() == ["ok", "network"]


@pytest.mark.parametrize("kind", [RequestsSession, CurlSession])
@pytest.mark.parametrize("trouble", ["empty", "page", "null", "crumb"])
def test_what_passes_is_asked_for_again_until_it_has_passed(yahoo, tmp_path, trouble, kind):
    yahoo.trouble["AAPL"] = trouble
    with kind(yahoo.address) as session:
        policy = RetryPolicy((2.0, 8.0), timeout=1.0, sleep=lambda seconds: yahoo.trouble.clear())
        span = Span(pd.Timestamp("2024-01-02"), pd.Timestamp("2024-03-30"))
        _, report = collect(["AAPL"], span, CachedYahoo(tmp_path, session, policy), adjust=True, strict=True)
    assert report.loc["AAPL", ["status", "why", "source"]].tolist() == ["ok", "", "network"]


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [("empty", "empty answer"), ("page", "web page"), ("null", "null result"), ("crumb", "invalid crumb")],
)
def test_a_failure_after_a_good_answer_is_named_too(at, yahoo, trouble, kind):
    at(["AAPL"], end="2024-03-01")
    yahoo.trouble["AAPL"] = trouble
    report = at(["AAPL"]).report
    assert report.loc["AAPL", "why"].startswith(f"{kind}: ")
    assert "the cache has 2024-01-02 to 2024-02-29" in report.loc["AAPL", "why"]
    assert len(at.slept) == 2


@pytest.mark.parametrize("trouble", ["page", "crumb"])
def test_what_yahoo_refuses_this_machine_is_not_tried_on_every_ticker(at, yahoo, trouble):
    yahoo.trouble["AAPL"] = trouble
    with pytest.raises(DataError, match=r"'MSFT' (web page|invalid crumb): not asked, since another ticker met that"):
        at(["AAPL", "MSFT"])
    assert len(at.slept) == 2


def test_pauses_between_tries_grow_and_are_scattered(at, yahoo):
    yahoo.trouble["AAPL"] = 500
    for _ in range(2):
        with pytest.raises(DataError, match="1 of 1 tickers have no prices"):
            at(["AAPL"])
    first, second, again, _ = at.slept
    assert 1 <= first <= 3
    assert 4 <= second <= 12
    assert first != again


def test_a_refusal_of_all_is_not_tried_on_every_ticker(at, yahoo):
    yahoo.trouble["AAPL"] = 429
    with pytest.raises(DataError, match="'MSFT' rate limited: not asked, since another ticker met that"):
        at(["AAPL", "MSFT"])
    assert {symbol for symbol, *_ in yahoo.asked} <= {"AAPL"}
    assert len(at.slept) == 2


def test_bars_without_a_single_price_are_a_failure(at, yahoo, tmp_path):
    yahoo.stocks["MSFT"].bars[:] = np.nan
    report = at(["AAPL", "MSFT"]).report
    assert report.loc["MSFT", ["status", "why"]].tolist() == ["failed", "no prices: Yahoo's bars hold no prices"]
    assert read(tmp_path, "MSFT") is None


def test_a_range_before_the_listing_is_a_failure(at):
    with pytest.raises(DataError, match=r"'AAPL' no prices: Data doesn't exist for startDate = 157"):
        at(["AAPL"], start="2020-01-01", end="2020-12-31")


def test_a_late_beginning_and_an_early_end_are_partial(at):
    report = at(["AAPL"], start="2023-11-01", end="2024-04-19").report
    assert report.loc["AAPL", "status"] == "partial"
    assert report.loc["AAPL", "why"] == "prices begin on 2024-01-02; prices end on 2024-03-29"
    assert at(["AAPL"], start=None, end="2024-03-30").report.loc["AAPL", "status"] == "ok"


CLOSING = pd.Timestamp("2024-03-29 16:00", tz="America/New_York")


@pytest.mark.parametrize(("now", "last"), [("12:00", "2024-03-28"), ("16:05", "2024-03-28"), ("16:40", "2024-03-29")])
def test_the_bar_of_today_counts_once_it_is_finished(at, yahoo, tmp_path, now, last):
    yahoo.stocks["AAPL"].closing = CLOSING
    panel, _ = at(["AAPL"], f"2024-03-29 {now}")
    assert panel.index[-1] == ("AAPL", pd.Timestamp(last))
    assert read(tmp_path, "AAPL").bars.index[-1] == pd.Timestamp(last)
    yahoo.asked.clear()
    at(["AAPL"], f"2024-03-29 {now}")
    assert yahoo.asked == []


def test_the_bar_of_today_is_fetched_after_the_session_and_not_before(at, yahoo):
    known = yahoo.stocks["AAPL"]
    known.closing = CLOSING
    final = known.bars.loc["2024-03-29", "close"]
    known.bars.loc["2024-03-29", "close"] = 1.0  # as it stands at noon
    at(["AAPL"], "2024-03-29 12:00")
    yahoo.asked.clear()
    at(["AAPL"], "2024-03-29 16:20")
    assert yahoo.asked == []
    known.bars.loc["2024-03-29", "close"] = final
    assert at(["AAPL"], "2024-03-29 16:31").panel["close"].iloc[-1] == final
    assert len(yahoo.asked) == 1
    at(["AAPL"], "2024-03-29 23:00")
    assert len(yahoo.asked) == 1


def test_without_session_hours_a_bar_counts_on_the_next_day_of_the_exchange(at, yahoo):
    assert at(["AAPL"], "2024-03-28 23:59").panel.index[-1][1] == pd.Timestamp("2024-03-27")
    assert at(["AAPL"], "2024-03-29 00:01").panel.index[-1][1] == pd.Timestamp("2024-03-28")


def test_the_end_of_an_earlier_session_finishes_no_bar_of_today(at, yahoo):
    yahoo.stocks["AAPL"].closing = CLOSING - pd.Timedelta(days=1)
    assert at(["AAPL"], "2024-03-29 18:00").panel.index[-1][1] == pd.Timestamp("2024-03-28")


def test_over_a_weekend_nothing_is_asked_before_the_next_session_has_ended(at, yahoo):
    yahoo.stocks["AAPL"].closing = CLOSING
    at(["AAPL"], "2024-03-29 17:00")
    yahoo.stocks["AAPL"].closing = CLOSING + pd.Timedelta(days=3)
    at(["AAPL"], "2024-03-30 09:00")
    yahoo.asked.clear()
    at(["AAPL"], "2024-04-01 16:00")
    assert yahoo.asked == []
    at(["AAPL"], "2024-04-01 16:30")
    assert len(yahoo.asked) == 1


def test_a_close_that_is_still_missing_is_asked_for_again(at, yahoo):
    known = yahoo.stocks["AAPL"]
    close = known.bars.loc["2024-03-28", "close"]
    known.bars.loc["2024-03-28", "close"] = np.nan
    assert at(["AAPL"], "2024-03-29 09:00", end="2024-03-29").panel.index[-1][1] == pd.Timestamp("2024-03-27")
    known.bars.loc["2024-03-28", "close"] = close
    assert at(["AAPL"], "2024-03-29 09:10", end="2024-03-29").panel["close"].iloc[-1] == close


def test_without_a_connection_the_cache_answers_as_far_as_it_reaches(at, yahoo):
    at(["AAPL"], end="2024-03-01")
    yahoo.trouble = {"AAPL": "drop", "MSFT": "drop"}
    panel, report = at(["AAPL", "MSFT"])
    status, why, _, last, _, source = report.loc["AAPL"]
    assert (status, source, last) == ("partial", "cache", pd.Timestamp("2024-02-29"))
    assert why.startswith(
        "no connection: Yahoo cannot be reached (ConnectionError); the cache has 2024-01-02 to 2024-02-29"
    )
    assert report.loc["MSFT", ["status", "why"]].tolist() == [
        "failed",
        "no connection: not asked, since another ticker met that",
    ]
    np.testing.assert_array_equal(panel.loc["AAPL", "close"], yahoo.stocks["AAPL"].bars["close"][:"2024-02-29"])


@pytest.mark.parametrize("kind", [RequestsSession, CurlSession])
def test_a_server_that_is_gone_is_no_connection(yahoo, tmp_path, kind):
    with YahooStandIn({}) as other:
        address = other.address
    with kind(address) as session:
        source = CachedYahoo(tmp_path, session, RetryPolicy((), timeout=1.0))
        span = Span(pd.Timestamp("2024-01-02"), pd.Timestamp("2024-03-30"))
        with pytest.raises(DataError, match="'AAPL' no connection: Yahoo cannot be reached"):
            collect(["AAPL"], span, source, adjust=True, strict=False)


def test_a_failure_leaves_the_session_and_the_settings_of_yfinance_alone(at, yahoo):
    import yfinance

    yahoo.trouble["AAPL"] = 403
    with pytest.raises(DataError):
        at(["AAPL"])
    assert yfinance.config.debug.hide_exceptions is True
    assert {logging.getLogger(name).level for name in ("yfinance", "bs4")} == {logging.NOTSET}
    assert "request" not in vars(at.session)
