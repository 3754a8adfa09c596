from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsseq.errors import ConfigError, DataError
from tsseq.trading import Costs, simulate
from tsseq.trading.statistics import STATISTICS, sharpe

EXECUTIONS = ["next_open", "next_close", "close", "same_bar"]
DAYS = pd.date_range("2024-01-01", periods=4)
ONE = pd.DataFrame({"open": [10.0, 11.0, 12.0, 12.0], "close": [10.0, 12.0, 9.0, 18.0]}, index=DAYS)


class Market(NamedTuple):
    prices: pd.DataFrame  # as yfinance returns them
    closes: pd.DataFrame
    opens: pd.DataFrame
    weights: pd.DataFrame


def market(seed: int, n_bars: int = 60, n_assets: int = 5, n_decisions: int | None = None) -> Market:
    """Random walks with nights, and random long and short weights that add up to less than 1 in size."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=n_bars)
    names = [f"A{i}" for i in range(n_assets)]
    nights, sessions = rng.normal(0, 0.01, (2, n_bars, n_assets))
    closes = pd.DataFrame(50 * np.exp((nights + sessions).cumsum(axis=0)), days, names)
    opens = closes / np.exp(sessions)
    chosen = np.sort(rng.choice(n_bars, n_decisions or n_bars, replace=False))
    weights = pd.DataFrame(rng.uniform(-1, 1, (len(chosen), n_assets)) / n_assets, days[chosen], names)
    return Market(pd.concat({"Close": closes, "Open": opens}, axis=1), closes, opens, weights)


def shares_and_cash(data: Market, execution: str, rate: float) -> pd.Series:
    """Equity at each close of an account that counts shares and cash; written without looking at the engine."""
    at_open = execution == "next_open"
    fill_prices = data.opens if at_open else data.closes
    days = data.closes.index
    pending, shares, cash, equity = None, pd.Series(0.0, data.closes.columns), 1.0, {}
    for day in days:
        todays = data.weights.loc[day] if day in data.weights.index else None
        order = todays if execution == "close" else pending
        if order is not None:
            price = fill_prices.loc[day]
            worth = cash + shares @ price
            fee = rate * (order * worth - shares * price).abs().sum()
            shares = order * (worth - fee) / price
            cash = (worth - fee) - shares @ price
        pending = todays
        equity[day] = cash + shares @ data.closes.loc[day]
    return pd.Series(equity)


# Filled at the open of bar 1 (11), the close of bar 1 (12), the close of bar 0 (10), or before bar 0.
@pytest.mark.parametrize(
    ("execution", "equity"),
    [
        ("next_open", [1.0, 12 / 11, 9 / 11, 18 / 11]),
        ("next_close", [1.0, 1.0, 9 / 12, 18 / 12]),
        ("close", [1.0, 1.2, 0.9, 1.8]),
    ],
)
def test_one_decision_is_filled_where_the_execution_says(execution, equity):
    book = simulate(pd.Series([1.0], DAYS[:1]), ONE, execution=execution)
    np.testing.assert_allclose(book.equity, equity, rtol=1e-14)
    np.testing.assert_allclose(book.benchmark, book.returns, atol=1e-14)


def test_the_night_belongs_to_the_old_position():
    book = simulate(pd.Series([1.0, -1.0], DAYS[:2]), ONE, execution="next_open")
    # Bought at 11, marked at 12; reversed at the open of 12; short from 12 to 9 and on from 9 to 18.
    np.testing.assert_allclose(book.equity[:3], [1.0, 12 / 11, 12 / 11 * 1.25], rtol=1e-14)
    assert book.turnover.tolist()[:3] == [0.0, 1.0, 2.0]


def test_same_bar_earns_the_bar_that_decided():
    book = simulate(pd.Series([1.0, 0.0], DAYS[1:3]), ONE, execution="same_bar")
    np.testing.assert_allclose(book.returns, [0.2, 0.0, 0.0], atol=1e-14)


def test_costs_shrink_the_equity_by_rate_times_turnover():
    book = simulate(pd.Series([1.0, -1.0], DAYS[:2]), ONE, execution="close", costs=Costs(bps=60, slippage_bps=40))
    np.testing.assert_allclose(book.costs_paid, [0.01, 0.02, 0.0, 0.0], atol=1e-16)
    np.testing.assert_allclose(book.equity[:3], [0.99, 0.99 * 1.2 * 0.98, 0.99 * 1.2 * 0.98 * 1.25], rtol=1e-14)


def test_between_decisions_positions_drift_and_nothing_is_traded():
    closes = pd.DataFrame({"A": [1.0, 2.0], "B": [1.0, 1.0]}, index=DAYS[:2])
    prices = pd.concat({"close": closes}, axis=1)
    book = simulate(pd.DataFrame({"A": [0.5], "B": [0.25]}, index=DAYS[:1]), prices, execution="close")
    np.testing.assert_allclose(book.weights.iloc[1], [1.0 / 1.5, 0.25 / 1.5])
    assert book.turnover.tolist() == [0.75, 0.0]


@given(st.integers(0, 2**32))
def test_weights_of_every_day_at_the_close_earn_their_sum_times_the_next_return(seed):
    data = market(seed)
    book = simulate(data.weights, data.prices, execution="close")
    expected = (data.weights.shift() * data.closes.pct_change()).sum(axis=1)
    np.testing.assert_allclose(book.returns, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(book.weights, data.weights, rtol=0, atol=1e-12)


@given(st.integers(0, 2**32), st.sampled_from(EXECUTIONS[:3]), st.sampled_from([0.0, 0.003]))
def test_drift_equals_an_account_of_shares_and_cash(seed, execution, rate):
    data = market(seed, n_decisions=9)
    book = simulate(data.weights, data.prices, execution=execution, costs=Costs(bps=rate * 10_000))
    np.testing.assert_allclose(book.equity, shares_and_cash(data, execution, rate)[book.equity.index], rtol=1e-12)


@given(st.integers(0, 2**32), st.sampled_from(EXECUTIONS))
def test_costs_reconcile_gross_and_net(seed, execution):
    data = market(seed, n_decisions=20)
    costs = Costs(bps=5, slippage_bps=2)
    book = simulate(data.weights, data.prices, execution=execution, costs=costs)
    free = simulate(data.weights, data.prices, execution=execution)
    np.testing.assert_array_equal(book.gross_returns, free.returns)
    spent = (1 - costs.rate * book.turnover).cumprod()
    np.testing.assert_allclose(book.equity, free.equity * spent, rtol=1e-12)


@given(st.integers(0, 2**32), st.integers(0, 58), st.sampled_from(EXECUTIONS[:3]))
def test_what_comes_after_a_bar_does_not_change_its_book(seed, bar, execution):
    data = market(seed, n_decisions=20)
    poisoned = data.prices.copy()
    poisoned.iloc[bar + 1 :] *= 1.3  # not more, or short books are ruined
    until = data.prices.index[bar]
    book, other = (simulate(data.weights, p, execution=execution) for p in (data.prices, poisoned))
    for name in ("returns", "turnover", "weights", "benchmark"):
        np.testing.assert_array_equal(getattr(book, name).loc[:until], getattr(other, name).loc[:until])


def test_the_sign_of_a_random_walk_earns_only_where_it_looks_ahead():
    data = market(seed=7, n_bars=4000, n_assets=1)
    flat = pd.DataFrame({"open": data.opens["A0"], "close": data.closes["A0"]})
    sign = np.sign(data.closes["A0"].pct_change()).fillna(0.0)
    for execution, prices in (("next_open", flat), ("next_close", flat[["close"]])):
        book = simulate(sign, prices)
        t = book.returns.mean() / (book.returns.std() / np.sqrt(len(book.returns)))
        assert book.execution == execution
        assert all("borrowed" in words for words in book.caveats)
        assert abs(t) < 2
    ahead = simulate(sign, flat, execution="same_bar")
    assert sharpe(ahead.returns) > 10
    assert "LOOKS AHEAD" in ahead.caveats[0]


def test_filling_at_the_deciding_close_is_stamped():
    assert "very close" in simulate(pd.Series([1.0], DAYS[:1]), ONE, execution="close").caveats[0]


def test_a_decision_on_the_last_bar_is_not_filled():
    book = simulate(pd.Series([1.0], DAYS[-1:]), ONE)
    assert (book.returns.tolist(), book.turnover.tolist(), book.benchmark.tolist()) == ([0.0], [0.0], [0.0])
    assert repr(book) == "Book(2024-01-04..2024-01-04, execution='next_open', total_return=0.0000)"
    assert simulate(pd.Series([1.0], DAYS[-1:]), ONE, execution="close").turnover.tolist() == [1.0]


def test_the_benchmark_buys_equal_parts_of_what_has_a_price_at_the_first_fill():
    closes = pd.DataFrame({"A": [1.0, 1.0, 2.0], "B": [1.0, 1.0, 1.0], "new": [np.nan, np.nan, 5.0]}, DAYS[:3])
    weights = pd.DataFrame({"A": [0.0], "B": [1.0], "new": [0.0]}, index=DAYS[:1])
    book = simulate(weights, pd.concat({"close": closes}, axis=1), costs=Costs(bps=50))
    np.testing.assert_allclose(book.benchmark, [0.0, 0.0, 0.5])


def test_a_missing_open_costs_a_held_position_nothing():
    prices = ONE.copy()
    prices.loc[DAYS[2], "open"] = np.nan
    books = [simulate(pd.Series([1.0], DAYS[:1]), p) for p in (prices, ONE)]
    np.testing.assert_allclose(books[0].equity, books[1].equity, rtol=1e-14)


@pytest.mark.parametrize("ticker_first", [False, True])
def test_every_shape_of_one_asset_gives_the_same_book(ticker_first):
    flat = ONE.rename(columns=str.title)
    weights = pd.DataFrame({"SPX": [1.0, -0.5]}, index=DAYS[:2])
    book = simulate(weights["SPX"], flat)
    yahoo = pd.concat({"SPX": flat}, axis=1) if ticker_first else pd.concat({"SPX": flat}, axis=1).swaplevel(axis=1)
    yahoo.index = yahoo.index.as_unit("s")
    for prices in (yahoo, pd.concat({"SPX": flat}, names=["id", "date"])):
        other = simulate(weights, prices)
        np.testing.assert_array_equal(other.returns, book.returns)
        assert (other.returns.index == book.returns.index).all()
        assert other.weights.columns.tolist() == ["SPX"]
    closes = simulate(weights, flat["Close"].rename("SPX"))
    pd.testing.assert_series_equal(closes.returns, simulate(weights["SPX"], flat[["Close"]]).returns)


def test_opens_are_not_mixed_with_an_adjusted_close():
    prices = ONE.assign(**{"Adj Close": ONE["close"] / 2})
    book = simulate(pd.Series([1.0], DAYS[:1]), prices, price="adj close")
    assert (book.execution, book.weights.columns.tolist()) == ("next_close", ["Adj Close"])
    with pytest.raises(ConfigError, match="needs opens beside a price of 'close'"):
        simulate(pd.Series([1.0], DAYS[:1]), prices, price="adj close", execution="next_open")


def test_row_and_column_order_change_nothing():
    data = market(seed=3, n_decisions=9)
    book = simulate(data.weights, data.prices)
    shuffled = simulate(data.weights.sample(frac=1, random_state=0), data.prices.sample(frac=1, random_state=0))
    pd.testing.assert_series_equal(shuffled.returns, book.returns, check_freq=False)
    mirrored = simulate(data.weights.iloc[:, ::-1], data.prices.iloc[:, ::-1])
    pd.testing.assert_series_equal(mirrored.returns, book.returns, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": pd.Series([1.0], pd.DatetimeIndex(["2023-12-31"]))}, "dates that the prices lack: 2023-12-31"),
        (
            {"weights": pd.Series([1.0], DAYS[:1].tz_localize("UTC"))},
            r"lack: 2024-01-01 00:00:00\+00:00; the prices have 2024",
        ),
        (
            {"weights": pd.DataFrame({"SPX": [1.0]}, DAYS[:1])},
            "assets that the prices lack: 'SPX'; the prices have 'close'",
        ),
        ({"weights": pd.Series([np.nan], DAYS[:1])}, "weights on 2024-01-01 are NaN"),
        ({"weights": pd.Series(["long"], DAYS[:1])}, "weights are not numeric"),
        ({"weights": pd.Series([1.0, 1.0], DAYS[[0, 0]])}, "no dates or repeated ones"),
        ({"weights": pd.Series([], pd.DatetimeIndex([]), dtype=float)}, "no dates or repeated ones"),
        ({"weights": pd.Series([-3.0], DAYS[:1])}, r"loses all its equity on 2024-01-04: -100\.0% before costs"),
        ({"costs": Costs(bps=10_000)}, r"loses all its equity on 2024-01-02: 9\.1% before costs, costs of 100\.0%"),
        ({"prices": ONE.drop(columns="close")}, "no column 'close'; they have 'open'"),
        ({"prices": ONE.reset_index(drop=True)}, "need a DatetimeIndex"),
        ({"prices": pd.concat([ONE, ONE])}, "occur more than once"),
        ({"prices": ONE.replace(9.0, 0.0)}, "'close' of 'close' is 0.0 on 2024-01-03"),
        ({"prices": ONE.astype(str) + "$"}, "column 'close' .* is not numeric"),
        ({"prices": pd.concat({"A": ONE, "B": ONE})}, "weights are a Series, but the prices hold 'A', 'B'"),
    ],
)
def test_bad_data_are_named(change, message):
    with pytest.raises(DataError, match=message):
        simulate(**({"weights": pd.Series([1.0], DAYS[:1]), "prices": ONE} | change))


def test_an_unknown_execution_and_negative_costs_are_refused():
    with pytest.raises(ConfigError, match="'next_open', 'next_close', 'close', 'same_bar'"):
        simulate(pd.Series([1.0], DAYS[:1]), ONE, execution="open")
    with pytest.raises(ConfigError, match=r"bps=-1.*numbers >= 0"):
        Costs(bps=-1)
    with pytest.raises(ConfigError):
        Costs(slippage_bps=float("nan"))


def test_stats_are_the_statistics_with_turnover_and_exposure():
    data = market(seed=5)
    book = simulate(data.weights, data.prices)
    stats = book.stats(periods_per_year=12)
    assert stats.index.tolist() == [*STATISTICS, "turnover", "exposure"]
    assert stats["sharpe"] == sharpe(book.returns, periods_per_year=12)
    assert stats["turnover"] == pytest.approx(book.turnover.sum() / len(book.turnover) * 12)
    assert stats["exposure"] == pytest.approx(book.weights.abs().sum(axis=1).mean())


def test_the_plot_draws_what_is_left_after_costs_and_before_beside_the_benchmark():
    matplotlib.use("Agg")
    from matplotlib import pyplot

    book = simulate(pd.Series([1.0], DAYS[:1]), ONE, costs=Costs(bps=1000))
    axes = book.plot()
    assert [line.get_label() for line in axes.get_lines()] == ["after costs", "before costs = buy and hold"]
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), book.equity - 1)
    title = axes.figure.legends[0].get_title().get_text()
    assert title.startswith(f"{100 * (book.equity.iloc[-1] - 1):+.1f} % after costs, ".replace("-", "−"))
    pyplot.close(axes.figure)


def test_the_plot_says_the_caveats_below():
    matplotlib.use("Agg")
    from matplotlib import pyplot

    book = simulate(pd.Series([1.0], DAYS[:1]), ONE, execution="same_bar")
    axes = book.plot()
    assert axes.figure.get_supxlabel() == " ".join(book.caveats)
    assert axes.get_title() == ""
    pyplot.close(axes.figure)


def test_inputs_are_not_modified():
    data = market(seed=2)
    before = data.weights.copy(), data.prices.copy()
    simulate(data.weights, data.prices, costs=Costs(bps=5))
    pd.testing.assert_frame_equal(data.weights, before[0])
    pd.testing.assert_frame_equal(data.prices, before[1])
