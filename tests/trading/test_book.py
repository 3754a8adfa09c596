"""A book remembers what it was made with, and everything annualises as it does."""

import numpy as np
import pandas as pd
import pytest

from tsseq.trading import Costs, cost_sweep, simulate, statistics, sweep, to_weights
from tsseq.trading.statistics import bars_per_year, sharpe, sortino

FREQUENCIES = [("B", 252), ("D", 365), ("W-FRI", 52), ("MS", 12), ("QS", 4)]


def walk(freq, n=120):
    returns = np.random.default_rng(0).normal(0.002, 0.01, n)
    return pd.Series(100 * np.exp(returns.cumsum()), pd.date_range("2015-01-01", periods=n, freq=freq), name="close")


@pytest.mark.parametrize(("freq", "bars"), FREQUENCIES)
def test_books_sweeps_and_costs_count_the_same_bars_to_the_year(freq, bars):
    prices = walk(freq)
    signal = prices.pct_change().dropna().to_frame()
    table = sweep(signal, prices, {"rule": ["sign"]})
    book = simulate(np.sign(signal["close"]), prices)
    assert book.periods_per_year == bars
    assert book.stats()["sharpe"] == sharpe(book.returns, periods_per_year=bars)
    assert book.stats()["turnover"] == pytest.approx(book.turnover.mean() * bars)
    assert table["sharpe"].item() == pytest.approx(book.stats()["sharpe"], rel=1e-12)
    assert cost_sweep(book, [0])["sharpe"].item() == book.stats()["sharpe"]


@pytest.mark.parametrize("engine", ["returns", "shares"])
@pytest.mark.parametrize(("freq", "bars"), FREQUENCIES)
def test_ratios_of_books_sweeps_and_costs_are_beyond_the_same_interest(freq, bars, engine):
    prices = walk(freq)
    signal = prices.pct_change().dropna().to_frame()
    terms = {"cash_rate": 0.04, "engine": engine}
    book = simulate(signal["close"].gt(0).astype(float), prices, **terms)
    grid = {"rule": ["sign"], "allow_short": [False]}
    riskless = 0.04 * book.returns.index.to_series().diff().dt.days.fillna(0) / 365
    expected = sharpe(book.returns - riskless, periods_per_year=bars)
    assert book.stats()["sharpe"] == pytest.approx(expected)
    assert book.stats()["sortino"] == pytest.approx(sortino(book.returns - riskless, periods_per_year=bars))
    assert cost_sweep(book, [0])["sharpe"].item() == pytest.approx(expected)
    for everything in (False, True):
        table = sweep(signal, prices, grid, all_statistics=everything, **terms)
        assert table["sharpe"].item() == pytest.approx(expected, rel=1e-9)
    ours, theirs = np.log1p(book.returns), np.log1p(book.benchmark)
    assert book.compare()["difference"] == pytest.approx(np.expm1(bars * (ours - theirs).mean()))
    assert book.compare()["tracking_error"] == pytest.approx((book.returns - book.benchmark).std() * np.sqrt(bars))


@pytest.mark.parametrize("engine", ["returns", "shares"])
@pytest.mark.parametrize("freq", ["B", "W-FRI", "MS"])
def test_a_book_of_nothing_but_cash_has_no_sharpe_ratio(freq, engine):
    prices = walk(freq, n=1300)
    idle = pd.Series(0.0, prices.index[::7])
    book = simulate(idle, prices, cash_rate=0.05, engine=engine)
    assert np.isnan(book.stats()[["sharpe", "sortino"]]).all()
    assert book.stats(risk_free=0.0)["sharpe"] > 5
    assert book.stats(risk_free=0.08)["sharpe"] < -5
    assert np.isnan(cost_sweep(book, [5])["sharpe"].item())
    table = sweep(lambda size: size * idle, prices, {"size": [0.0]}, cash_rate=0.05, engine=engine)
    assert np.isnan(table["sharpe"].item())


@pytest.mark.parametrize(("freq", "bars"), FREQUENCIES)
def test_a_volatility_target_is_yearly_at_any_frequency(freq, bars):
    prices = walk(freq)
    cutoff = prices.index[-2]
    forecasts = {"cutoff": [cutoff], "step": 1, "target": "close", "forecast": 1.01 * prices[cutoff]}
    weights = to_weights(
        pd.DataFrame(forecasts), prices, rule="volatility", target_volatility=0.1, volatility_window=30
    )
    deviation = prices.pct_change().iloc[-31:-1].std() * np.sqrt(bars)
    assert weights.to_numpy().item() == pytest.approx(0.1 / deviation)


def test_bars_of_a_year_may_still_be_named():
    book = simulate(pd.Series([1.0], walk("D").index[:1]), walk("D"))
    assert book.stats(252)["sharpe"] == sharpe(book.returns, periods_per_year=252)


@pytest.mark.parametrize(
    ("times", "bars"),
    [
        (pd.date_range("2024-01-01", periods=48, freq="h"), 252 * 24),
        (pd.date_range("2024-01-01", periods=24 * 7, freq="h"), 365 * 24),
        (pd.date_range("2024-01-01", periods=30, freq="D", tz="America/New_York"), 365),
        (pd.date_range("2024-01-01", periods=1), 252),
    ],
)
def test_bars_are_counted_from_their_times(times, bars):
    assert bars_per_year(times) == bars


def test_a_book_remembers_what_it_was_made_with():
    costs = Costs(bps=3, borrow_bps=100)
    prices = walk("B")
    book = simulate(
        pd.Series([1.0], prices.index[:1]), prices, costs=costs, cash_rate=0.02, leverage=1.5, engine="shares"
    )
    assert (book.costs, book.cash_rate, book.leverage) == (costs, 0.02, 1.5)
    assert (book.engine, book.price, book.execution) == ("shares", "close", "next_close")


def test_every_name_of_the_statistics_of_a_book_is_a_function():
    book = simulate(pd.Series([1.0], walk("B").index[:1]), walk("B"))
    for name in book.stats().index:
        assert callable(getattr(statistics, name))
        assert name in statistics.__all__


def test_a_notebook_shows_the_statistics_of_a_book():
    days = pd.date_range("2024-01-01", periods=40)
    prices = pd.Series(np.linspace(1, 2, 40), days)
    shown = simulate(pd.Series([1.0], days[:1]), prices)._repr_html_()
    assert "Book(2024-01-" in shown
    assert "<th>sharpe</th>" in shown
