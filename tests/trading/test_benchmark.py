"""What a book is compared with: an index, one asset, equal weights, buy and hold."""

import numpy as np
import pandas as pd
import pytest

from tsseq.errors import ConfigError, DataError
from tsseq.trading import Costs, simulate, sweep

DAYS = pd.date_range("2024-01-01", periods=6)
NAN = np.nan


def panel(**closes):
    return pd.concat({"close": pd.DataFrame(closes, DAYS)}, axis=1)


def held(weights, prices, **options):
    return simulate(weights, prices, **options).benchmark


def every_day(*assets):
    return pd.DataFrame({asset: 0.5 for asset in assets}, DAYS[:5])


def test_equal_weights_are_equal_again_at_every_fill_of_a_decision():
    prices = panel(A=[1.0, 1, 2, 4, 8, 8], B=[1.0, 1, 1, 1, 1, 1])
    weights = pd.DataFrame({"A": [1.0, 0.0], "B": [0.0, 1.0]}, DAYS[[0, 2]])  # filled on bars 1 and 3
    benchmark = held(weights, prices)
    np.testing.assert_allclose(benchmark, [0, 0, 0.5, 2.5 / 1.5 - 1, 0.5, 0])
    assert benchmark.name == "equal weights"
    kept = held(weights, prices, benchmark="buy_and_hold")
    np.testing.assert_allclose((1 + kept).cumprod(), [1, 1, 1.5, 2.5, 4.5, 4.5])
    assert kept.name == "buy and hold"


def test_assets_join_the_equal_weights_as_they_list():
    prices = panel(A=[1.0, 1, 1, 1, 1, 1], new=[NAN, NAN, NAN, 5, 10, 10])
    weights = pd.DataFrame({"A": 1.0, "new": 0.0}, DAYS[:5])
    np.testing.assert_allclose(held(weights, prices), [0, 0, 0, 0, 0.5, 0])
    np.testing.assert_allclose(held(weights, prices, benchmark="buy_and_hold"), 0, atol=1e-15)


def test_what_has_ended_leaves_the_equal_weights():
    days = pd.date_range("2024-01-01", periods=10)
    prices = pd.DataFrame({"A": [1.0] * 8 + [2, 4], "gone": [1.0] * 3 + [NAN] * 7}, days)
    weights = pd.DataFrame({"A": 1.0, "gone": 0.0}, days[:9])
    assert held(weights, prices).iloc[-1] == pytest.approx(1.0)


def test_an_asset_without_a_price_is_not_traded_for_the_equal_weights():
    # B is halted on bar 3 while A doubles; it reopens at half. Equal weights cannot sell or buy it in between.
    prices = panel(A=[1.0, 1, 1, 2, 2, 2], B=[1.0, 1, 1, NAN, 0.5, 0.5], C=[1.0] * 6)
    weights = pd.DataFrame({"A": 0.0, "B": 0.0, "C": 0.5}, DAYS[:5])
    # After bar 2 a third each; on bar 3 worth 4/3, of it 1/3 in B, so that half of it is lost on bar 4.
    np.testing.assert_allclose((1 + held(weights, prices)).cumprod(), [1, 1, 1, 4 / 3, 7 / 6, 7 / 6])


@pytest.mark.parametrize("execution", ["next_open", "next_close", "close"])
def test_equal_weights_and_buy_and_hold_are_one_for_one_asset(execution):
    random = np.random.default_rng(0)
    opens = 50 * np.exp(random.normal(0, 0.01, 200).cumsum())
    frame = pd.DataFrame({"open": opens, "close": opens * np.exp(random.normal(0, 0.01, 200))})
    frame.index = pd.bdate_range("2024-01-01", periods=200)
    always = pd.Series(1.0, frame.index)
    books = [simulate(always, frame, execution=execution, benchmark=b) for b in ("equal_weight", "buy_and_hold")]
    pd.testing.assert_series_equal(books[0].benchmark, books[1].benchmark)
    np.testing.assert_allclose(books[0].benchmark, books[0].returns, atol=1e-14)
    assert books[0].benchmark.name == "buy and hold"


def test_equal_weights_equal_a_book_that_trades_them_for_nothing():
    random = np.random.default_rng(1)
    closes = pd.DataFrame(np.exp(random.normal(0, 0.02, (100, 4)).cumsum(axis=0)), columns=list("ABCD"))
    closes.index = pd.bdate_range("2024-01-01", periods=100)
    prices = pd.concat({"close": closes}, axis=1)
    equal = pd.DataFrame(0.25, closes.index[::7], closes.columns)
    book = simulate(equal, prices)
    np.testing.assert_allclose(book.benchmark, book.returns, atol=1e-13)


def test_an_index_is_bought_at_the_close_of_the_first_fill_and_a_missing_bar_has_no_move():
    prices = panel(A=[1.0] * 6)
    index = pd.Series([10.0, 11, 12, 18, 9], DAYS[[0, 1, 2, 4, 5]], name="SPY")
    benchmark = held(pd.DataFrame({"A": [1.0]}, DAYS[:1]), prices, benchmark=index)
    np.testing.assert_allclose(benchmark, [0, 0, 12 / 11 - 1, 0, 0.5, -0.5])
    assert benchmark.name == "SPY"
    later = held(pd.DataFrame({"A": [1.0]}, DAYS[2:3]), prices, benchmark=index.rename(None))
    np.testing.assert_allclose(later, [0, 0, 0.5, -0.5])
    assert later.name == "benchmark"


def test_an_index_may_begin_long_before_the_book_and_be_out_of_order():
    long = pd.Series(np.arange(10.0, 30.0), pd.date_range("2023-12-20", periods=20))
    prices = panel(A=[1.0] * 6)
    weights = pd.DataFrame({"A": [1.0]}, DAYS[:1])
    expected = long[DAYS].pct_change().fillna(0.0)
    expected.iloc[1] = 0.0
    np.testing.assert_allclose(held(weights, prices, benchmark=long.sample(frac=1, random_state=0)), expected)


def test_an_asset_of_the_prices_is_held_even_if_it_is_not_weighted():
    prices = panel(A=[1.0] * 6, SPY=[10.0, 11, 12, 12, 6, 6])
    benchmark = held(pd.DataFrame({"A": [1.0]}, DAYS[:1]), prices, benchmark="SPY")
    np.testing.assert_allclose(benchmark, [0, 0, 12 / 11 - 1, 0, -0.5, 0])
    assert benchmark.name == "SPY"
    weights = every_day("A", "SPY")
    np.testing.assert_allclose(held(weights, prices, benchmark="SPY"), benchmark)


def test_an_asset_that_lists_later_is_held_from_its_first_price_on():
    prices = panel(A=[1.0] * 6, new=[NAN, NAN, NAN, 5, 10, 5])
    np.testing.assert_allclose(held(every_day("A"), prices, benchmark="new"), [0, 0, 0, 0, 1.0, -0.5])


def test_an_asset_is_bought_at_the_open_where_orders_fill_there():
    frame = pd.DataFrame({"open": [10.0, 11, 12], "close": [10.0, 12, 9]}, DAYS[:3])
    prices = pd.concat({"A": frame, "B": frame * 2}, names=["id", "date"])
    benchmark = held(pd.DataFrame({"A": [0.0]}, DAYS[:1]), prices, benchmark="B")
    np.testing.assert_allclose((1 + benchmark).cumprod(), [1, 12 / 11, 9 / 11])


@pytest.mark.parametrize("benchmark", ["equal_weight", "buy_and_hold", "B", pd.Series(np.arange(1.0, 7), DAYS)])
def test_a_benchmark_pays_no_costs(benchmark):
    prices = panel(A=[1.0, 2, 1, 2, 1, 2], B=[1.0, 1, 2, 3, 4, 5])
    books = [held(every_day("A", "B"), prices, benchmark=benchmark, costs=Costs(bps=bps)) for bps in (0, 100)]
    pd.testing.assert_series_equal(*books)


def test_a_book_without_a_fill_has_a_benchmark_of_nothing():
    last = pd.DataFrame({"A": [1.0]}, DAYS[-1:])
    for benchmark in ("equal_weight", "buy_and_hold", "A", pd.Series(np.arange(1.0, 7), DAYS)):
        assert held(last, panel(A=[1.0, 2, 3, 4, 5, 6]), benchmark=benchmark).tolist() == [0.0]


@pytest.mark.parametrize(
    ("benchmark", "error", "message"),
    [
        ("SPX", ConfigError, "'SPX'; it must be 'equal_weight', 'buy_and_hold', an asset of the prices \\('A', 'B'\\)"),
        (pd.DataFrame({"close": [1.0]}), ConfigError, "benchmark is a DataFrame; it must be"),
        (pd.Series([0.1, -0.2], DAYS[:2]), DataError, r"-0.2 on 2024-01-02. Pass levels above 0"),
        (pd.Series(1.0, DAYS[2:]), DataError, r"2024-01-03..2024-01-06, .* needs 2024-01-02..2024-01-06"),
        (pd.Series(1.0, DAYS[:5]), DataError, r"2024-01-01..2024-01-05, .* needs 2024-01-02..2024-01-06"),
        (pd.Series(1.0, DAYS.tz_localize("UTC")), DataError, "time zone UTC; the book needs .* time zone None"),
        (pd.Series(1.0, range(6)), DataError, "the book needs 2024-01-02"),
        (pd.Series([NAN] * 6, DAYS), DataError, "the book needs 2024-01-02"),
        (pd.Series(1.0, DAYS[[0, 1, 1, 5]]), DataError, "repeated dates"),
        (pd.Series(["high"] * 6, DAYS), DataError, "not numeric"),
    ],
)
def test_a_benchmark_that_does_not_fit_is_named(benchmark, error, message):
    with pytest.raises(error, match=message):
        simulate(every_day("A", "B"), panel(A=[1.0] * 6, B=[1.0] * 6), benchmark=benchmark)


def test_the_plot_names_the_benchmark():
    index = pd.Series(np.arange(1.0, 7), DAYS, name="SPY")
    axes = simulate(every_day("A"), panel(A=[1.0] * 6), benchmark=index).plot()
    assert [line.get_label() for line in axes.lines][:2] == ["after costs", "SPY"]


def test_a_sweep_compares_with_the_same_benchmark_as_a_book():
    random = np.random.default_rng(2)
    closes = pd.DataFrame(np.exp(random.normal(0, 0.02, (60, 3)).cumsum(axis=0)), columns=list("ABC"))
    closes.index = pd.bdate_range("2024-01-01", periods=60)
    prices, expected = pd.concat({"close": closes}, axis=1), closes.pct_change().iloc[5:]
    for benchmark in ("equal_weight", "buy_and_hold", "B", closes["C"] ** 2):
        table = sweep(expected, prices, {"rule": ["top_k"], "k": [1, 2]}, benchmark=benchmark, costs=Costs(bps=5))
        ledger = table.attrs["trials"]
        for k, excess in zip((1, 2), ledger.excess):
            top = expected.rank(axis=1, ascending=False) <= k
            book = simulate(top / k, prices, benchmark=benchmark, costs=Costs(bps=5))
            np.testing.assert_allclose(excess, np.log1p(book.returns) - np.log1p(book.benchmark), atol=1e-7)
            np.testing.assert_array_equal(ledger.dates, book.returns.index)


def test_the_asset_that_is_the_benchmark_is_delisted_like_the_book():
    days = pd.date_range("2024-01-01", periods=12)
    prices = pd.DataFrame({"A": [1.0] * 12, "B": [1.0] * 4 + [NAN] * 8}, days)
    book = simulate(pd.DataFrame({"B": [1.0]}, days[:1]), prices, benchmark="B", delisting_return=-0.3)
    np.testing.assert_allclose(book.benchmark, book.returns)
    assert book.equity.iloc[-1] == pytest.approx(0.7)


@pytest.mark.parametrize("stamps", ["16h", "weekly"])
def test_an_index_with_other_stamps_is_refused(stamps):
    days = pd.date_range("2024-01-01", periods=60)
    prices = pd.Series(np.linspace(1.0, 2.0, 60), days, name="close")
    index = prices.rename("index")
    index = index.set_axis(days + pd.Timedelta("16h")) if stamps == "16h" else index.iloc[::7]
    index = pd.concat([pd.Series([1.0], [pd.Timestamp("2023-12-31")]), index, pd.Series([2.0], [days[-1]])])
    index = index[~index.index.duplicated()].rename("index")
    with pytest.raises(DataError, match="of the book's bars have a level of the benchmark 'index' of their own"):
        simulate(pd.Series([1.0], days[:1]), prices, benchmark=index)
