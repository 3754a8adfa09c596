"""Orders that wait for a price, assets that end, and orders in whole shares."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tsseq
from tsseq import Costs, simulate, sweep, target_orders
from tsseq.errors import ConfigError, DataError

ORACLES = json.loads((Path(__file__).parent / "oracles.json").read_text())["vectorbt"]
ENGINES = pytest.mark.parametrize("engine", ["returns", "shares"])
DAYS = pd.bdate_range("2020-01-01", periods=6)
SOLD = pd.Series([1.0, 1.0, 0.0, 0.0, 0.0, 0.0], DAYS)
HALT = pd.Series([10.0, 10.0, 10.0, np.nan, 5.0, 5.0], DAYS, name="close")


def padded(values, n=8):
    """Columns of prices, the last one repeated over ``n`` more days, NaN if it is NaN."""
    days = pd.bdate_range("2020-01-01", periods=len(next(iter(values.values()))) + n)
    return pd.DataFrame({name: [*column, *[column[-1]] * n] for name, column in values.items()}, days)


def waits(book):
    return [words for words in book.caveats if "no price at the fill" in words]


@ENGINES
def test_a_sale_in_a_trading_halt_fills_when_trading_resumes(engine):
    book = simulate(SOLD, HALT, execution="next_close", engine=engine)
    assert book.equity.iloc[-1] == pytest.approx(0.5)
    assert waits(book) == [
        "1 order had no price at the fill and waited for the next (first: 'close' on 2020-01-06), the longest 1 bar."
    ]
    table = sweep(lambda size: size * SOLD, HALT, {"size": [1.0, 0.5]}, execution="next_close", engine=engine)
    assert table["total_return"].tolist() == pytest.approx([-0.5, -0.25])


@ENGINES
def test_a_sale_without_an_open_fills_at_the_close_of_that_bar(engine):
    prices = pd.DataFrame({"open": [10.0, 10.0, 10.0, np.nan, 5.0, 5.0], "close": [10.0, 10.0, 12.0, 5.0, 5.0, 5.0]})
    book = simulate(SOLD, prices.set_index(DAYS), engine=engine)
    assert book.equity.iloc[-1] == pytest.approx(0.5)
    assert waits(book)[0].endswith("(first: 'close' on 2020-01-06), later on that bar.")
    if engine == "shares":
        assert book.account.trades["price"].tolist() == [10.0, 5.0]


@ENGINES
def test_a_purchase_waits_for_the_first_price(engine):
    closes = pd.DataFrame({"A": [1.0] * 6, "new": [np.nan, np.nan, np.nan, 2.0, 4.0, 4.0]}, DAYS)
    book = simulate(pd.DataFrame({"A": [0.5], "new": [0.5]}, DAYS[:1]), closes, engine=engine)
    assert book.weights["new"].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.5, 2 / 3, 2 / 3])
    assert book.equity.iloc[-1] == pytest.approx(1.5)
    assert waits(book)[0].endswith("(first: 'new' on 2020-01-02), the longest 2 bars.")


@ENGINES
def test_purchases_wait_for_the_cash_of_a_sale_that_waits(engine):
    closes = pd.DataFrame({"A": [1.0, 1.0, 1.0, np.nan, 0.5, 0.5], "B": [1.0, 1.0, 1.0, 1.0, 1.0, 2.0]}, DAYS)
    weights = pd.DataFrame({"A": [1.0, 0.0], "B": [0.0, 1.0]}, DAYS[[0, 2]])
    book = simulate(weights, closes, engine=engine)
    assert book.weights["B"].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    assert book.equity.tolist() == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.5, 1.0])


@ENGINES
def test_the_next_decision_takes_the_place_of_an_order_that_waits(engine):
    closes = pd.Series([1.0, 1.0, np.nan, np.nan, 2.0, 4.0], DAYS, name="close")
    book = simulate(pd.Series([1.0, 0.0, 1.0], DAYS[[0, 1, 3]]), closes, engine=engine)
    assert book.equity.iloc[-1] == pytest.approx(4.0)  # the sale never was
    assert book.turnover.sum() == pytest.approx(1.0)


@ENGINES
def test_an_order_that_never_gets_a_price_is_named(engine):
    closes = padded({"A": [1.0, 1.0, 1.0], "gone": [1.0, np.nan, np.nan]})
    book = simulate(pd.DataFrame({"A": [0.0], "gone": [1.0]}, DAYS[:1]), closes, engine=engine)
    assert (book.equity == 1).all()
    assert waits(book)[0].endswith("(first: 'gone' on 2020-01-02); 1 of them in vain.")


# With costs, "returns" meets the weights after them and vectorbt before.
@pytest.mark.parametrize(("name", "engine"), [("free", "returns"), ("free", "shares"), ("costs", "shares")])
@pytest.mark.parametrize("seed", range(8))
def test_random_books_with_missing_bars_equal_vectorbt(seed, name, engine):
    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(rng.normal(0, 0.02, (120, 4)).cumsum(axis=0))
    gaps = rng.random((120, 4)) < 0.1
    for start, asset in rng.integers(0, [100, 4], (6, 2)):
        gaps[start : start + 8, asset] = True
    gaps[-6:] = False
    weights = 0.3 * rng.dirichlet(np.ones(4), 120) * rng.choice([1.0, -0.5], (120, 4), p=[0.8, 0.2])
    days = pd.bdate_range("2020-01-01", periods=120)
    prices = pd.DataFrame(np.where(gaps, np.nan, closes), days, list("ABCD"))
    costs = Costs(bps=10, slippage_bps=5) if name == "costs" else None
    book = simulate(pd.DataFrame(weights, days, list("ABCD")), prices, engine=engine, costs=costs)
    np.testing.assert_allclose(book.equity.iloc[::10], ORACLES["gaps"][seed][name], rtol=1e-9)


def random_market(seed, n=40):
    """Opens and closes of three assets with gaps, and weights on some days that leave cash."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=n)
    closes = 50 * np.exp(rng.normal(0, 0.02, (n, 3)).cumsum(axis=0))
    opens = np.where(rng.random((n, 3)) < 0.2, np.nan, closes * np.exp(rng.normal(0, 0.01, (n, 3))))
    closes[rng.random((n, 3)) < 0.25] = np.nan
    decided = np.sort(rng.choice(n - 8, 8, replace=False))
    weights = rng.dirichlet(np.ones(3), 8) * rng.choice([1.0, 0.0, -0.3], (8, 3), p=[0.6, 0.2, 0.2]) * 0.4
    frames = {"open": pd.DataFrame(opens, days, list("ABC")), "close": pd.DataFrame(closes, days, list("ABC"))}
    return pd.DataFrame(weights, days[decided], list("ABC")), pd.concat(frames, axis=1)


def kept_by_hand(weights, prices, execution):
    """Equity at each close and (bar, asset, price) of each trade; cash never binds, and nothing ends."""
    opens, closes = prices["open"].to_numpy(), prices["close"].to_numpy()
    last, shares, cash, wanted = np.ones(3), np.zeros(3), 1.0, {}
    equity, trades = [], []
    for bar in range(len(closes)):
        if prices.index[bar - 1] in weights.index and bar:
            wanted = dict(enumerate(weights.loc[prices.index[bar - 1]]))
        fills = np.where(np.isnan(opens[bar]) | (execution == "next_close"), closes[bar], opens[bar])
        fills = np.where(np.isnan(closes[bar]), last, fills)
        capital = cash + shares @ fills
        for asset in [name for name in wanted if not np.isnan(closes[bar, name])]:
            change = wanted.pop(asset) * capital / fills[asset] - shares[asset]
            if abs(change) > 1e-12:
                trades.append((bar, asset, fills[asset]))
            cash, shares[asset] = cash - change * fills[asset], shares[asset] + change
        last = np.where(np.isnan(closes[bar]), last, closes[bar])
        equity.append(cash + shares @ last)
    return np.array(equity), trades


@given(st.integers(0, 2**32), st.sampled_from(["next_open", "next_close"]))
def test_waiting_orders_fill_as_in_an_account_kept_by_hand(seed, execution):
    weights, prices = random_market(seed)
    equity, trades = kept_by_hand(weights, prices, execution)
    start = prices.index.get_loc(weights.index[0])
    books = [simulate(weights, prices, execution=execution, engine=engine) for engine in ("returns", "shares")]
    for book in books:
        np.testing.assert_allclose(book.equity, equity[start:], rtol=1e-9)
    orders = books[1].account.trades
    assert orders["date"].tolist() == [prices.index[bar] for bar, _, _ in trades]
    np.testing.assert_allclose(orders["price"], [price for _, _, price in trades], rtol=1e-12)


@given(st.integers(0, 2**32))
def test_both_engines_agree_on_waiting_orders_with_interest(seed):
    weights, prices = random_market(seed)
    terms = {"cash_rate": 0.05, "costs": Costs(borrow_bps=300)}
    books = [simulate(weights, prices, engine=engine, **terms) for engine in ("returns", "shares")]
    np.testing.assert_allclose(books[0].equity, books[1].equity, rtol=1e-9)


@given(st.integers(0, 2**32), st.integers(10, 38))
def test_prices_to_come_change_nothing_of_a_book_with_gaps(seed, bar):
    weights, prices = random_market(seed)
    weights = weights[weights.index < prices.index[bar - 1]]
    if not len(weights):
        return
    later = prices.copy()
    later.iloc[bar:] *= 3.0
    for engine in ("returns", "shares"):
        books = [simulate(weights, frame, engine=engine).returns[: prices.index[bar - 1]] for frame in (prices, later)]
        np.testing.assert_array_equal(*books)


@ENGINES
def test_an_asset_that_ends_is_held_to_its_last_price_then_cash_and_stamped(engine):
    prices = padded({"gone": [1.0, 2.0, np.nan], "B": [1.0, 1.0, 1.0]})
    weights = pd.DataFrame({"gone": [0.5], "B": [0.5]}, DAYS[:1])
    book = simulate(weights, prices, execution="close", cash_rate=0.365, engine=engine)
    assert book.equity.iloc[:4].tolist() == pytest.approx([1.0, 1.5, 1.5, 1.5 + 3 * 0.001])  # over a week-end
    assert book.weights["gone"].tolist()[:4] == pytest.approx([0.5, 2 / 3, 0.0, 0.0])
    assert book.caveats[1:] == ("1 assets ended while held and became cash at their last price: gone (2020-01-02).",)


@ENGINES
def test_a_delisting_return_is_lost_on_the_bar_after_the_last_price(engine):
    prices = padded({"gone": [1.0, 2.0, np.nan], "B": [1.0, 1.0, 1.0]})
    weights = pd.DataFrame({"gone": [0.5, 0.0], "B": [0.5, 1.0]}, DAYS[[0, 2]])
    book = simulate(weights, prices, execution="close", delisting_return=-0.3, engine=engine)
    assert book.equity.tolist()[:4] == pytest.approx([1.0, 1.5, 1.2, 1.2])
    assert book.weights["B"].iloc[-1] == pytest.approx(1.0)
    assert "became cash at a return of -0.3 on their last price: gone (2020-01-02)" in book.caveats[1]
    assert book.delisting_return == -0.3
    short = simulate(-weights.iloc[:1], prices, execution="close", delisting_return=-0.3, engine=engine)
    assert short.equity.iloc[-1] == pytest.approx(1 - 0.2)
    table = sweep(lambda n: weights[:n], prices, {"n": [2]}, execution="close", delisting_return=-0.3, engine=engine)
    assert table["total_return"].item() == pytest.approx(0.2)


@ENGINES
@pytest.mark.parametrize("late", [1, 5, 6])
def test_an_asset_that_is_a_few_bars_late_has_not_ended(engine, late):
    closes = pd.DataFrame({"late": np.linspace(1.0, 2.0, 20), "B": 1.0}, pd.bdate_range("2020-01-01", periods=20))
    closes.iloc[-late:, 0] = np.nan
    book = simulate(pd.DataFrame({"late": [0.5], "B": [0.5]}, closes.index[:1]), closes, engine=engine)
    assert (book.weights["late"].iloc[-1] > 0.5) == (late <= 5)
    assert len(book.caveats) == (late > 5)


def test_whole_shares_and_fees_equal_vectorbt():
    closes = tsseq.load_sample("sp500").loc["2007":"2010", "close"] / 10
    rng = np.random.default_rng(1)
    weights = pd.Series(rng.choice([0.0, 0.3, 0.7, 1.0], len(closes[::5])), closes.index[::5])
    book = simulate(weights, closes, engine="shares", costs=Costs(bps=10), capital=10_000, lot_size=1)
    np.testing.assert_allclose(10_000 * book.equity.iloc[::50], ORACLES["lots"], rtol=1e-9)
    shares = book.account.shares["close"]
    assert (shares == shares.round()).all()
    assert shares.max() > 50


def test_fees_per_share_have_a_minimum():
    closes = pd.Series([100.0, 100.0, 100.0], DAYS[:3], name="close")
    costs = Costs(per_share=0.01, minimum=2.0)
    for weight, fee in ((0.01, 2.0), (0.5, 5.0)):
        book = simulate(
            pd.Series([weight], DAYS[:1]), closes, engine="shares", costs=costs, capital=100_000, lot_size=1
        )
        assert book.account.trades["fee"].tolist() == [fee]
        assert book.account.cash.iloc[-1] == pytest.approx(100_000 * (1 - weight) - fee)
        assert book.equity.iloc[-1] == pytest.approx(1 - fee / 100_000)


@given(st.integers(0, 2**32), st.sampled_from([None, 1.0, 10.0]))
def test_purchases_in_money_never_overdraw_the_account(seed, lot_size):
    weights, prices = random_market(seed)
    costs = Costs(bps=7, slippage_bps=3, fixed=0.5, minimum=1.0, per_share=0.005)
    options = {"engine": "shares", "costs": costs, "capital": 5_000.0, "lot_size": lot_size}
    book = simulate(3 * weights.clip(lower=0), prices, **options)
    assert book.account.cash.min() > -1e-8
    assert (book.account.cash + book.account.positions.sum(axis=1)).iloc[-1] == pytest.approx(
        5_000 * book.equity.iloc[-1]
    )
    if lot_size:
        lots = book.account.trades["shares"] / lot_size
        assert (lots == lots.round()).all()


def test_counting_shares_needs_a_capital():
    closes = pd.Series([100.0, 100.0], DAYS[:2], name="close")
    for options in (
        {"lot_size": 1},
        {"costs": Costs(per_share=0.01)},
        {"lot_size": 1, "capital": 1e4, "engine": "returns"},
    ):
        with pytest.raises(ConfigError, match="count shares: pass engine='shares' and capital="):
            simulate(pd.Series([1.0], DAYS[:1]), closes, **({"engine": "shares"} | options))
    with pytest.raises(ConfigError, match="capital=0 must be a number"):
        simulate(pd.Series([1.0], DAYS[:1]), closes, capital=0)


def test_target_orders_are_the_trades_of_the_next_simulated_fill():
    weights, prices = random_market(3)
    prices = prices.ffill().bfill()
    costs = Costs(bps=7, minimum=1.0)
    book = simulate(weights, prices, execution="close", engine="shares", costs=costs, capital=5_000.0, lot_size=1)
    date = weights.index[-1]
    day = prices.index.get_loc(date) - prices.index.get_loc(weights.index[0])
    shares, cash = book.account.shares.iloc[day - 1], book.account.cash.iloc[day - 1]
    orders = target_orders(weights, shares, prices[:date], cash=cash, costs=costs)
    trades = book.account.trades.set_index("date").loc[[date]].set_index("asset")
    assert orders.loc[orders["shares"] != 0, "shares"].to_dict() == trades["shares"].to_dict()
    assert orders["fee"].sum() == pytest.approx(trades["fee"].sum())
    assert orders["position"].tolist() == book.account.shares.iloc[day].tolist()
    assert orders["weight"].tolist() == pytest.approx(book.weights.iloc[day].tolist())


def test_target_orders_name_what_is_missing():
    with pytest.raises(DataError, match="price of 'B' is missing"):
        target_orders({"A": 0.5, "B": 0.5}, {}, {"A": 10.0}, cash=100.0)
    with pytest.raises(DataError, match="worth 0"):
        target_orders({"A": 0.5}, {}, {"A": 10.0}, cash=0.0)


@ENGINES
def test_an_asset_is_not_bought_before_its_first_price_even_where_orders_look_ahead(engine):
    closes = pd.DataFrame({"A": [10.0] * 6, "new": [np.nan] * 3 + [100.0] * 3}, DAYS)
    book = simulate(pd.DataFrame({"A": [0.5], "new": [0.5]}, DAYS[:1]), closes, execution="same_bar", engine=engine)
    np.testing.assert_allclose(book.equity, 1.0)


@ENGINES
def test_what_waits_may_borrow_as_much_as_the_leverage_says(engine):
    closes = pd.DataFrame({"A": [1.0, 1.0, 1.0, np.nan, 1.0, 1.0], "B": [1.0, 1.0, 1.0, 1.0, 1.0, 2.0]}, DAYS)
    weights = pd.DataFrame({"A": [0.6, 0.0], "B": [0.0, 0.6]}, DAYS[[0, 2]])
    book = simulate(weights, closes, leverage=1.5, engine=engine)
    assert book.weights["B"].iloc[3] == pytest.approx(0.6)  # 0.9 in A wait; 1.5 in all is the most


def test_a_sweep_of_forecasts_sees_the_halts_of_the_prices_it_trades():
    rng = np.random.default_rng(3)
    days = pd.bdate_range("2020-01-01", periods=80, name="date")
    raw = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (80, 2)).cumsum(axis=0)), days, ["A", "B"])
    raw = raw.rename_axis(columns="ticker")
    raw.iloc[50:58, 0] = np.nan
    raw.iloc[58:, 0] *= 0.5
    filled = raw.ffill().stack().rename("forecast").reset_index().rename(columns={"date": "cutoff", "ticker": "id"})
    keys = filled.assign(model="m", date=filled["cutoff"] + pd.offsets.BDay(), step=1, target="close", actual=1.0)
    forecasts = keys[["model", "id", "cutoff", "date", "step", "target", "actual", "forecast"]]

    def rule(expected):
        return (expected * 0 + 0.5).assign(A=np.where(expected.index < days[51], 0.5, 0.0))

    book = simulate(tsseq.to_weights(forecasts, raw, rule=rule), raw)
    assert waits(book)
    swept = sweep(forecasts, raw, {"rule": [rule]})
    assert swept["total_return"].item() == pytest.approx(book.equity.iloc[-1] - 1)


def test_fees_per_share_can_be_swept():
    closes = pd.Series([100.0, 100.0, 110.0, 100.0], DAYS[:4], name="close")
    options = {"engine": "shares", "costs": Costs(per_share=0.01, minimum=2.0), "capital": 10_000.0, "lot_size": 1}
    table = sweep(lambda size: pd.Series([size], DAYS[:1]), closes, {"size": [0.5, 1.0]}, **options)
    books = [simulate(pd.Series([size], DAYS[:1]), closes, **options) for size in (0.5, 1.0)]
    assert table["total_return"].tolist() == pytest.approx([book.equity.iloc[-1] - 1 for book in books])


def test_target_orders_leave_out_what_nobody_holds_and_refuse_stale_prices():
    days = pd.bdate_range("2020-01-01", periods=20)
    closes = pd.DataFrame({"A": 10.0, "stale": [5.0] * 10 + [np.nan] * 10}, days)
    orders = target_orders({"A": 0.5}, {"stale": 0}, closes, cash=100.0)
    assert orders["shares"].tolist() == [5.0, 0.0]
    with pytest.raises(DataError, match="price of 'stale' is missing"):
        target_orders({"A": 0.5, "stale": 0.5}, {}, closes, cash=100.0)
