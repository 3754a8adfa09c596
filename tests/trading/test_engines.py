"""Both engines against each other, against accounts kept by hand and against vectorbt."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tsseq
from tsseq.errors import ConfigError, DataError
from tsseq.trading import Costs, simulate
from tsseq.trading.statistics import sharpe

ORACLES = json.loads((Path(__file__).parent / "oracles.json").read_text())["vectorbt"]["from_orders"]
DAYS = pd.date_range("2024-01-01", periods=6)


def market(seed, n_bars=60, n_assets=4, n_decisions=12, gross=1.0, long_only=False):
    """Prices as yfinance returns them, and random weights with the given gross at most."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=n_bars)
    names = [f"A{i}" for i in range(n_assets)]
    nights, sessions = rng.normal(0, 0.01, (2, n_bars, n_assets))
    closes = pd.DataFrame(50 * np.exp((nights + sessions).cumsum(axis=0)), days, names)
    chosen = np.sort(rng.choice(n_bars, n_decisions, replace=False))
    weights = rng.uniform(0 if long_only else -1, 1, (n_decisions, n_assets))
    weights *= gross / np.abs(weights).sum(axis=1, keepdims=True)
    return pd.DataFrame(weights, days[chosen], names), pd.concat(
        {"Close": closes, "Open": closes / np.exp(sessions)}, axis=1
    )


def alone(values):
    return pd.concat({"close": pd.DataFrame(values, DAYS[: len(next(iter(values.values())))])}, axis=1)


@pytest.mark.parametrize("name", ["long", "long_short"])
def test_one_asset_with_fees_and_slippage_equals_vectorbt(name):
    prices = tsseq.load_sample("sp500").loc["2007":"2010"]
    rng = np.random.default_rng(1)
    choices = [-1.0, -0.5, 0.0, 0.5, 1.0] if name == "long_short" else [0.0, 0.3, 0.7, 1.0]
    decided = prices.index[::5]
    weights = pd.Series(rng.choice(choices, len(decided)), decided)
    book = simulate(weights, prices, costs=Costs(bps=10, slippage_bps=5), engine="shares")
    np.testing.assert_allclose(book.equity.iloc[::50], ORACLES[name]["equity"], rtol=1e-9)
    np.testing.assert_allclose(book.account.cash.iloc[::50], ORACLES[name]["cash"], rtol=1e-9, atol=1e-12)
    assert book.account.fees.sum() == pytest.approx(ORACLES[name]["fees"], rel=1e-9)
    assert len(book.account.trades) == ORACLES[name]["orders"]


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_twenty_assets_at_no_cost_earn_the_sum_of_weights_times_returns(engine):
    closes = tsseq.load_sample("us_stocks")["close"].unstack(0)
    weights = np.random.default_rng(0).dirichlet(np.ones(20), len(closes))
    weights = pd.DataFrame(weights, closes.index, closes.columns)
    book = simulate(weights, closes.T.stack().to_frame("close"), execution="close", engine=engine)
    expected = (weights.shift() * closes.pct_change()).sum(axis=1)
    np.testing.assert_allclose(book.returns, expected, rtol=0, atol=1e-12)


def test_the_sign_of_apples_last_return_earns_only_where_it_looks_ahead():
    closes = tsseq.load_sample("us_stocks").loc["AAPL"].loc["2010":]
    sign = np.sign(closes["close"].pct_change()).fillna(0.0)
    book = simulate(sign, closes)
    t = book.returns.mean() / book.returns.std() * np.sqrt(len(book.returns))
    assert abs(t) < 2
    assert all("borrowed" in words for words in book.caveats)
    ahead = simulate(sign, closes, execution="same_bar")
    assert sharpe(ahead.returns) > 15
    assert "LOOKS AHEAD" in ahead.caveats[0]


@given(st.integers(0, 2**32), st.sampled_from(["next_open", "next_close", "close"]), st.sampled_from([0.0, 0.03]))
def test_both_engines_agree_where_nothing_but_interest_is_paid(seed, execution, rate):
    weights, prices = market(seed)
    money = {"execution": execution, "cash_rate": rate, "costs": Costs(borrow_bps=4 * rate * 10_000)}
    books = [simulate(weights, prices, engine=engine, leverage=1.5, **money) for engine in ("returns", "shares")]
    for name in ("returns", "gross_returns", "turnover", "weights"):
        np.testing.assert_allclose(getattr(books[1], name), getattr(books[0], name), atol=1e-11)


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([0.0, 0.0001]))
def test_cash_and_positions_are_the_equity_and_trades_explain_both(seed, long_only, fixed):
    weights, prices = market(seed, long_only=long_only)
    costs = Costs(bps=20, slippage_bps=10, fixed=fixed)
    book = simulate(weights, prices, costs=costs, engine="shares")
    account = book.account
    np.testing.assert_allclose(account.cash + account.positions.sum(axis=1), book.equity, rtol=1e-12)
    assert account.cash.min() >= -1e-12
    assert account.fees.sum() == pytest.approx(account.trades["fee"].sum(), rel=1e-12)
    flows = account.trades.assign(out=account.trades["shares"] * account.trades["price"] + account.trades["fee"])
    paid = flows.groupby("date")["out"].sum().reindex(book.equity.index, fill_value=0.0)
    np.testing.assert_allclose(1 - paid.cumsum(), account.cash, atol=1e-12)
    held = flows.pivot_table(index="date", columns="asset", values="shares", aggfunc="sum")
    held = held.reindex(book.equity.index).fillna(0.0).cumsum()[account.shares.columns]
    np.testing.assert_allclose(held, account.shares, atol=1e-12)
    np.testing.assert_allclose((1 + book.gross_returns) * (1 - book.costs_paid), 1 + book.returns, rtol=1e-12)


def test_purchases_are_scaled_down_by_one_factor_after_the_sales():
    prices = alone({"A": [1.0, 1.0], "B": [1.0, 1.0], "C": [1.0, 1.0]})
    weights = pd.DataFrame({"A": [1.0, 0.0], "B": [0.0, 0.25], "C": [0.0, 0.75]}, DAYS[:2])
    account = simulate(weights, prices, execution="close", costs=Costs(bps=100), engine="shares").account
    first = 1 / 1.01
    assert account.positions.iloc[0].tolist() == pytest.approx([first, 0, 0])
    spent = first * 0.99 / 1.01  # what the sale brought, fees of both sides paid
    assert account.positions.iloc[1].tolist() == pytest.approx([0, 0.25 * spent, 0.75 * spent])
    assert account.cash.tolist() == pytest.approx([0, 0], abs=1e-15)


def test_a_purchase_without_any_cash_is_no_order_and_pays_no_fee():
    prices = alone({"A": [1.0, 1.0], "B": [1.0, 1.0]})
    weights = pd.DataFrame({"A": [1.0, 1.0], "B": [0.0, 0.5]}, DAYS[:2])
    book = simulate(weights, prices, execution="close", costs=Costs(fixed=0.01), engine="shares")
    assert book.account.trades["asset"].tolist() == ["A"]
    assert book.account.fees.tolist() == [0.01, 0.0]
    np.testing.assert_allclose(book.account.cash, [0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(book.equity, [0.99, 0.99], rtol=1e-14)


def test_leverage_multiplies_weights_and_lets_the_shares_engine_borrow():
    prices = alone({"A": [1.0, 1.1, 1.21]})
    held = pd.Series([1.0], DAYS[:1])
    for engine in ("returns", "shares"):
        book = simulate(held, prices["close"]["A"], execution="close", leverage=2.0, engine=engine)
        np.testing.assert_allclose(book.equity, [1.0, 1.2, 1.42])
    greedy = simulate(2 * held, prices["close"]["A"], execution="close", engine="shares")
    np.testing.assert_allclose(greedy.equity, [1.0, 1.1, 1.21])


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_cash_earns_by_calendar_days_from_the_first_decision_on(engine):
    days = pd.DatetimeIndex(["2024-01-04", "2024-01-05", "2024-01-08"])  # a weekend between the last two
    flat = pd.Series([1.0, 1.0, 1.0], days)
    book = simulate(pd.Series([0.4], days[1:2]), flat, execution="close", cash_rate=0.0365, engine=engine)
    np.testing.assert_allclose(book.equity, [1.0, 1 + 0.6 * 3e-4], rtol=1e-14)
    book = simulate(pd.Series([-1.0], days[:1]), flat, execution="close", costs=Costs(borrow_bps=365), engine=engine)
    np.testing.assert_allclose(book.equity, [1.0, 1 - 1e-4, 1 - 4e-4], rtol=1e-14)


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_a_fixed_fee_weighs_more_on_a_smaller_equity(engine):
    prices = pd.Series([1.0, 0.5, 0.5], DAYS[:3])
    weights = pd.Series([0.5, 0.0], DAYS[:2])
    book = simulate(weights, prices, execution="close", costs=Costs(fixed=0.01), engine=engine)
    held = 0.5 if engine == "shares" else 0.5 * 0.99  # the share account buys what was asked of the equity before fees
    np.testing.assert_allclose(book.equity, [0.99, 0.99 - held / 2 - 0.01, 0.99 - held / 2 - 0.01], rtol=1e-14)
    assert book.costs_paid.iloc[1] == pytest.approx(0.01 / (0.99 - held / 2))


def test_a_ruined_account_is_named():
    prices = alone({"A": [1.0, 1.0, 3.0, 3.0]})["close"]["A"]
    with pytest.raises(DataError, match="loses all its equity on 2024-01-03"):
        simulate(pd.Series([-1.0], DAYS[:1]), prices, engine="shares")


@pytest.mark.parametrize("engine", ["returns", "shares"])
@pytest.mark.parametrize("bps", [5000, 10_000])
def test_a_ruin_is_said_once_and_by_no_warning_of_numpy(engine, bps):
    prices = pd.DataFrame({"A": [1, 2, 0.5, 3, 0.1, 5.0], "B": [1, 0.5, 4, 0.2, 8, 1.0]}, DAYS)
    weights = pd.DataFrame(np.tile([[-3.0, 3.0], [3.0, -3.0]], (2, 1)), DAYS[:4], ["A", "B"])
    with pytest.raises(DataError, match="loses all its equity"):
        simulate(weights, prices, costs=Costs(bps=bps), engine=engine, execution="close")


def test_what_is_lost_before_a_fill_is_not_won_back_on_its_bar():
    prices = pd.DataFrame({"open": [1.0, 1.0, 3.0], "close": [1.0, 1.0, 9.0]}, DAYS[:3])
    with pytest.raises(DataError, match="loses all its equity on 2024-01-03"):
        simulate(pd.Series([-1.0, -1.0], DAYS[:2]), prices)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "orders"}, "engine='orders' must be one of 'returns', 'shares'"),
        ({"leverage": 0.0}, "leverage=0.0 must be a number"),
        ({"cash_rate": np.nan}, "cash_rate=nan must be a number"),
    ],
)
def test_senseless_money_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        simulate(pd.Series([1.0], DAYS[:1]), pd.Series([1.0, 2.0], DAYS[:2]), **options)


def test_a_sale_that_costs_more_than_it_brings_borrows_nothing():
    days = pd.date_range("2024", periods=3)
    weights = pd.DataFrame([[1.7, 0.2], [1.2, 0.1]], days[:2], ["A", "B"])
    prices = pd.concat({name: pd.DataFrame({"close": 1.0}, days) for name in "AB"}, names=["id", "date"])
    for books in (weights, weights[["B", "A"]]):
        account = simulate(books, prices, costs=Costs(fixed=0.01), engine="shares").account
        assert (account.cash >= 0).all()
    rich = simulate(weights / 4, prices, costs=Costs(fixed=0.01), engine="shares").account
    assert (rich.trades["shares"] < 0).any()  # with cash to pay for it, an order is an order


@given(st.integers(0, 10**6), st.floats(0.001, 0.2))
def test_without_leverage_fixed_fees_never_make_the_cash_negative(seed, fee):
    weights, prices = _small(seed)
    account = simulate(weights, prices, costs=Costs(fixed=fee, bps=10), engine="shares").account
    assert (account.cash >= -1e-9).all()


def _small(seed):
    rng = np.random.default_rng(seed)
    days = pd.date_range("2024", periods=8)
    weights = pd.DataFrame(rng.dirichlet(np.ones(3), 6), days[:6], list("ABC"))
    closes = pd.DataFrame(np.exp(rng.normal(0, 0.02, (8, 3)).cumsum(axis=0)), days, list("ABC"))
    prices = pd.concat({name: closes[[name]].set_axis(["close"], axis=1) for name in "ABC"}, names=["id", "date"])
    return weights, prices
