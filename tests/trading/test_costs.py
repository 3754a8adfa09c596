"""A cost is written once: engines, sweeps and reports ask `Costs`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from tsseq.trading import Costs, break_even_cost, cost_sweep, simulate

DAYS = pd.date_range("2024-01-01", periods=4)
FLAT = pd.Series(1.0, DAYS)


@dataclass(frozen=True)
class Impact(Costs):
    """Slippage per unit grows with the square root of what is traded."""

    impact: float = 0.0

    @property
    def proportional(self):
        return False

    def slippage(self, value):
        return super().slippage(value) + self.impact * np.abs(value) ** 1.5


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_another_cost_model_is_charged_by_both_engines(engine):
    book = simulate(pd.Series([0.25, 0.0], DAYS[:2]), FLAT, execution="close", engine=engine, costs=Impact(impact=0.01))
    first = 0.01 * 0.25**1.5
    sold = 0.25 if engine == "shares" else 0.25 * (1 - first)  # a number of shares, or a share of the equity
    np.testing.assert_allclose(book.equity, [1 - first, *[1 - first - 0.01 * sold**1.5] * 3], rtol=1e-12)
    np.testing.assert_allclose((1 + book.gross_returns) * (1 - book.costs_paid), 1 + book.returns, rtol=1e-12)


@pytest.mark.parametrize("parts", [{}, {"bps": 10}, {"bps": 10, "slippage_bps": 5}, {"bps": 10, "fixed": 0.01}])
def test_a_cost_model_that_changes_nothing_costs_the_same(parts):
    @dataclass(frozen=True)
    class Same(Costs):
        pass

    values = np.random.default_rng(0).normal(size=(5, 4, 3))
    assert Same(**parts).paid(values) == pytest.approx(Costs(**parts).paid(values), rel=1e-14, abs=0)
    np.testing.assert_array_equal(Same(**parts).outlay(values), Costs(**parts).outlay(values))


def test_purchases_are_paid_from_cash_whatever_the_cost_model():
    account = simulate(
        pd.Series([1.0], DAYS[:1]),
        FLAT,
        execution="close",
        engine="shares",
        costs=Impact(bps=10, fixed=0.001, impact=0.02),
    ).account
    assert 0 <= account.cash.iloc[0] < 0.001
    (trade,) = account.trades.to_dict("records")
    assert trade["price"] == pytest.approx(1 + 0.02 * trade["shares"] ** 0.5)
    assert trade["fee"] == pytest.approx(trade["shares"] * trade["price"] * 0.001 + 0.001)


def test_fixed_fees_are_charged_beside_the_impact_on_the_equity_that_is_left():
    weights = pd.Series([0.5, 0.0], DAYS[:2])
    book = simulate(weights, FLAT, execution="close", costs=Impact(fixed=0.01, impact=0.02))
    first = 0.01 + 0.02 * 0.5**1.5
    second = (0.01 + 0.02 * (0.5 * (1 - first)) ** 1.5) / (1 - first)
    np.testing.assert_allclose(book.costs_paid, [first, second, 0, 0], rtol=1e-12)


def test_parts_of_a_cost_add_up():
    costs, value = Costs(bps=10, slippage_bps=5, fixed=0.01), np.array([1.0, -2.0, 0.0])
    np.testing.assert_allclose(costs.slippage(value), [0.0005, 0.001, 0.0])
    np.testing.assert_allclose(costs.fees(value), [0.011, 0.012, 0.0])
    assert costs.paid(value) == pytest.approx(0.0245)
    np.testing.assert_allclose(
        costs.outlay(value), [1.0005 * 1.001 + 0.01, -1.999 * 0.999 * 1.0 + 0.01, 0.0], rtol=1e-12
    )


def test_the_break_even_does_not_depend_on_the_costs_of_the_book():
    prices = pd.Series([1.0, 1.1, 1.0, 1.2], DAYS)
    weights = pd.Series([1.0, 0.0, 1.0], DAYS[:3])
    free, costly = (simulate(weights, prices, execution="close", costs=costs) for costs in (None, Costs(bps=50)))
    assert break_even_cost(costly) == break_even_cost(free)
    assert cost_sweep(free, [break_even_cost(free)])["total_return"].item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("costs", "cash_rate", "words"),
    [
        (Costs(), 0.0, "Cash earns nothing, borrowing money or shares costs nothing,"),
        (Costs(), 0.05, "Cash earns 5 % a year, borrowed money costs 5 % and borrowed shares nothing,"),
        (Costs(borrow_bps=300), 0.0, "Cash earns nothing, borrowed money costs 3 % and borrowed shares 3 %,"),
        (Costs(borrow_bps=50), 0.02, "Cash earns 2 % a year, borrowed money costs 2.5 % and borrowed shares 0.5 %,"),
    ],
)
def test_assumptions_are_stated_as_they_are(costs, cash_rate, words):
    assert costs.assumptions(cash_rate).startswith(words)


RISING = pd.Series([1.0, 1.0, 1.1, 1.1], DAYS)


def stamps(weight, costs=None, **options):
    """Caveats on what was borrowed for nothing."""
    book = simulate(pd.Series([weight], DAYS[:1]), RISING, costs=costs, **options)
    return [words for words in book.caveats if "borrowed" in words]


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_leverage_without_a_rate_is_stamped_with_its_size(engine):
    options = {"engine": engine, "leverage": 5.0}
    assert stamps(1.0, **options)[0].startswith("The positions reach 5.0 times the equity")
    assert stamps(1.0, cash_rate=0.01, **options) == []
    assert stamps(1.0, Costs(borrow_bps=50), **options) == []


@pytest.mark.parametrize("weight", [1.0, 0.5, 0.0])
def test_a_book_that_borrows_nothing_is_not_stamped(weight):
    assert stamps(weight) == []


def test_many_assets_that_fill_the_equity_are_not_leverage():
    closes = pd.DataFrame(np.exp(np.random.default_rng(0).normal(0, 0.02, (200, 7)).cumsum(axis=0)))
    closes.index = pd.bdate_range("2024-01-01", periods=200)
    for weights in (closes * 0 + 1 / 7, (closes * 0 + 1 / 7).iloc[:1]):
        assert simulate(weights, pd.concat({"close": closes}, axis=1)).caveats == ()


def test_shares_that_are_borrowed_for_nothing_are_stamped():
    assert stamps(-0.5) == ["Shares are borrowed for nothing: see Costs(borrow_bps=)."]
    (words,) = stamps(-0.5, cash_rate=0.05)
    assert "the proceeds of short sales earn the full 5 % of cash" in words
    assert stamps(-0.5, Costs(borrow_bps=30)) == []
    falling = stamps(-0.99)  # the short grows with its losses
    assert falling[0].startswith("The positions reach 1.21 times the equity")
