"""What the sentences of the report say, and when the page is green."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from test_report import Page

from tsseq import Costs, Forecaster, LastValue, backtest, load_sample, report, simulate
from tsseq.reporting.verdicts import coincidences, copies, forecast_verdict, missed_levels, money_verdict

DAYS = pd.bdate_range("2020-01-01", periods=60)
WALK = pd.Series(100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, 60))), DAYS, name="close")
ERRORS = pd.Series({"last_value": 1.0, "drift": 0.9, "ridge": 0.8})


def figures(difference, lower, upper, adjusted_p):
    return pd.Series({"difference": difference, "lower": lower, "upper": upper, "adjusted_p": adjusted_p})


def test_a_model_that_beats_all_naive_forecasts_beyond_luck_is_green():
    assert forecast_verdict(ERRORS, pd.Series({"ridge": 0.01})).tone == "good"
    assert forecast_verdict(ERRORS, pd.Series({"ridge": 0.06})).tone == "plain"
    assert forecast_verdict(ERRORS.replace(0.9, 0.7), pd.Series({"ridge": 0.01})).tone == "plain"


def test_what_is_suspicious_is_a_warning_instead():
    verdict = forecast_verdict(ERRORS, pd.Series({"ridge": 0.01}), ["One.", "Two."])
    assert verdict.tone == "warning"
    assert verdict.answer == (
        "Too good to be true: look for the future in the data. One. There is more among the caveats."
    )


def test_bad_news_stays_bad_news_where_something_is_suspicious():
    verdict = forecast_verdict(ERRORS, pd.Series({"ridge": 0.5}), ["One."])
    assert verdict.answer.startswith("No model beats repeating the last value")
    assert verdict.answer.endswith("Look for the future in the data. One.")
    assert verdict.tone == "warning"


@pytest.mark.parametrize(
    ("comparison", "start", "tone"),
    [
        (figures(0.04, 0.01, 0.07, 0.01), "Yes: 4.0 % a year more", "good"),
        (figures(0.04, -0.01, 0.09, 0.30), "Not beyond luck: 4.0 % a year more", "plain"),
        (figures(-0.04, -0.09, 0.01, 0.90), "No: 4.0 % a year less", "plain"),
        (figures(0.0, 0.0, 0.0, 1.0), "No: it earned the same", "plain"),
        (figures(0.5, np.nan, np.nan, np.nan), "It cannot be told", "plain"),
    ],
)
def test_more_than_the_benchmark_counts_only_beyond_luck(comparison, start, tone):
    verdict = money_verdict(comparison, "SPY", 20)
    assert verdict.answer.replace("\xa0", " ").startswith(start)
    assert verdict.tone == tone


def test_doubt_turns_earnings_into_a_warning_and_leaves_losses_alone():
    assert money_verdict(figures(0.04, 0.01, 0.07, 0.01), "SPY", 1, "It looks ahead").tone == "warning"
    assert money_verdict(figures(-0.04, -0.09, 0.01, 0.9), "SPY", 1, "It looks ahead").tone == "plain"


@pytest.mark.parametrize(
    ("weights", "costs", "words"),
    [
        ([1.0], Costs(bps=5), "always fully long, so its return is that of buying and holding (less costs)."),
        ([1.0], Costs(), "always fully long, so its return is that of buying and holding."),
        ([0.0], Costs(), "It never traded."),
        ([-1.0], Costs(bps=5), "always short."),
        ([0.5], Costs(bps=5), "always long."),
        ([1.0, -1.0], Costs(), ""),
    ],
)
def test_coinciding_lines_are_explained(weights, costs, words):
    book = simulate(pd.Series(weights, DAYS[: len(weights)]), WALK, costs=costs)
    assert " ".join(coincidences(book)).endswith(words)
    assert bool(coincidences(book)) == bool(words)


def test_a_panel_that_holds_what_its_benchmark_holds_says_so():
    prices = pd.DataFrame({"A": WALK, "B": WALK[::-1].to_numpy()}).rename_axis(columns="ticker")
    book = simulate(pd.DataFrame(0.5, DAYS[:1], prices.columns), prices, benchmark="buy_and_hold")
    assert coincidences(book) == ["The strategy held what buying and holding holds, so its return is the same."]


def test_a_model_that_repeats_the_last_value_is_named():
    models = {"copy": Forecaster(LastValue(), 2, 10), "ridge": Forecaster(Ridge(), 2, 10)}
    assert copies(backtest(models, WALK, n_cutoffs=5).forecasts) == ["All forecasts of copy equal the last value."]


def test_bands_are_marked_only_where_the_interval_of_their_coverage_misses_the_level():
    coverage = pd.DataFrame(
        {"coverage": [0.78, 0.7, 0.9], "lower": [0.74, 0.6, 0.85], "upper": [0.82, 0.79, 0.95]}, ["a", "b", "c"]
    )
    sentences = missed_levels(coverage, 0.8)
    assert list(sentences) == ["b", "c"]
    assert "too narrow" in sentences["b"]
    assert "too wide" in sentences["c"]


def test_a_future_in_a_covariate_turns_the_page_into_a_warning(tmp_path):
    frame = load_sample("sp500")[["close"]].iloc[-500:]
    frame["tomorrow"] = np.log(frame["close"]).diff().shift(-1)
    model = Forecaster(Ridge(1e-6), 1, 20, target="close", past=["tomorrow"], log=True, calendar="XNYS")
    page = Page(report(backtest({"ridge": model}, frame.iloc[:-1], n_cutoffs=150), path=tmp_path / "cheat.html"))
    assert page.answers[0].startswith("Too good to be true: look for the future in the data. ridge, 1 row ahead")
    assert 'class="verdict warning"' in page.html
    assert 'class="verdict good"' not in page.html


def test_cash_in_a_falling_market_is_not_green(tmp_path):
    falling = WALK.sort_values(ascending=False).set_axis(DAYS)
    result = backtest({"ridge": Forecaster(Ridge(), 2, 10)}, WALK, n_cutoffs=5)
    page = Page(report(result, simulate(pd.Series([0.0], DAYS[:1]), falling), tmp_path / "cash.html"))
    assert page.answers[1].startswith("It never traded: ")
    assert 'class="verdict good"' not in page.html


def test_a_book_that_looks_ahead_is_not_green(tmp_path):
    result = backtest({"ridge": Forecaster(Ridge(), 2, 10)}, WALK, n_cutoffs=5)
    book = simulate(np.sign(WALK.diff()).iloc[1:].clip(lower=0), WALK, execution="same_bar")
    page = Page(report(result, book, tmp_path / "ahead.html"))
    assert page.answers[1].startswith("It looks ahead: ")
    assert 'class="verdict good"' not in page.html


def test_years_without_months_have_no_column_for_them(tmp_path):
    yearly = WALK.set_axis(pd.date_range("1960", periods=60, freq="YS"))
    result = backtest({"ridge": Forecaster(Ridge(), 1, 5)}, yearly, n_cutoffs=5)
    page = Page(report(result, simulate(pd.Series([1.0], yearly.index[:1]), yearly), tmp_path / "yearly.html"))
    assert len(page.rows["1970"][0]) == 3
    assert "Returns by year, in %" in page.text("h3")
    assert "Over 20 years at a time." in page.text("figcaption")
    assert "too short" not in page.text("figcaption")


def test_the_hit_rate_counts_only_bars_that_differ(tmp_path):
    result = backtest({"ridge": Forecaster(Ridge(), 2, 10)}, WALK, n_cutoffs=5)
    page = Page(report(result, simulate(pd.Series([1.0, 0.0], WALK.index[[0, 30]]), WALK), tmp_path / "hits.html"))
    words = "bars on which it earned more than the benchmark, of those that differ"
    assert page.rows["Hit rate"][0][1] == words
