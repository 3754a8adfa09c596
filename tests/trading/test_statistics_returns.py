"""Golden values worked out by hand; the edge cases are empyrical's."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsseq.errors import ConfigError, DataError
from tsseq.trading import statistics as performance
from tsseq.trading.statistics import (
    STATISTICS,
    cagr,
    cash_returns,
    drawdown,
    max_drawdown,
    rows,
    sharpe,
    sortino,
    statistics_of,
    total_return,
)

# Equity: 1, 1.1, 0.88, 0.924, 0.97944. Mean 0.0025; squared deviations sum to 0.056075.
RETURNS = [0.1, -0.2, 0.05, 0.06]
BY_HAND = {
    "total_return": -0.02056,
    "cagr": 0.97944**0.5 - 1,
    "annual_volatility": math.sqrt(0.056075 / 3 * 2),
    "sharpe": 0.0025 / math.sqrt(0.056075 / 3) * math.sqrt(2),
    "sortino": 0.0025 / 0.1 * math.sqrt(2),
    "max_drawdown": -0.2,
    "calmar": (0.97944**0.5 - 1) / 0.2,
    "omega": 0.21 / 0.2,
    "value_at_risk": -0.2 + 0.15 * 0.25,
    "conditional_value_at_risk": -0.2,
    "tail_ratio": (0.06 + 0.04 * 0.85) / (0.2 - 0.15 * 0.25),
}
many_returns = st.lists(st.floats(-0.9, 2.0), min_size=2, max_size=30)


def value_of(name: str, returns: object) -> float:
    per_year = {"periods_per_year": 2} if name in {*list(BY_HAND)[1:5], "calmar", "omega"} else {}
    return STATISTICS[name](returns, **per_year)


def test_statistics_are_the_public_functions_in_their_order():
    assert list(STATISTICS) == list(BY_HAND)
    assert all(STATISTICS[name] is getattr(performance, name) for name in STATISTICS)


@pytest.mark.parametrize("name", BY_HAND)
def test_every_statistic_equals_the_value_worked_out_by_hand(name):
    assert value_of(name, RETURNS) == pytest.approx(BY_HAND[name], rel=1e-12)


@pytest.mark.parametrize("name", sorted(set(BY_HAND) - {"cagr", "calmar"}))
@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_missing_returns_are_skipped(name, kind):
    assert value_of(name, kind([np.nan, 0.1, -0.2, np.nan, 0.05, 0.06])) == pytest.approx(BY_HAND[name], rel=1e-12)


def test_time_passes_in_missing_periods_for_annual_growth():
    assert cagr([0.1, np.nan], periods_per_year=1) == pytest.approx(1.1**0.5 - 1)


@pytest.mark.parametrize("name", BY_HAND)
def test_no_returns_have_no_statistics(name):
    assert math.isnan(value_of(name, []))
    assert math.isnan(value_of(name, [np.nan]))


@pytest.mark.parametrize("name", ["annual_volatility", "sharpe", "sortino", "omega", "calmar"])
def test_one_gain_has_no_risk_and_no_ratio(name):
    assert math.isnan(value_of(name, [0.1]))


@pytest.mark.parametrize("name", ["sharpe", "sortino", "calmar", "omega", "tail_ratio"])
def test_a_flat_book_has_no_ratio(name):
    assert math.isnan(value_of(name, [0.0] * 5))


def test_a_constant_gain_has_no_deviation_despite_rounding():
    assert sharpe([0.1] * 10) == math.inf
    assert sharpe([-0.1] * 10) == -math.inf
    assert sortino([0.1] * 10) == math.inf


def test_losses_alone_give_the_worst_ratios():
    losses = [-0.1, -0.2]
    assert value_of("omega", losses) == 0
    assert value_of("sharpe", losses) == pytest.approx(-0.15 / math.sqrt(0.005) * math.sqrt(2))
    assert value_of("max_drawdown", losses) == pytest.approx(-0.28)
    assert value_of("calmar", losses) == pytest.approx(-1.0)


def test_losing_everything_ends_at_minus_one():
    assert total_return([0.5, -1.0, 0.5]) == cagr([0.5, -1.0, 0.5]) == max_drawdown([0.5, -1.0, 0.5]) == -1


def test_losing_more_than_everything_has_no_annual_growth():
    assert math.isnan(cagr([-1.5]))


def test_a_loss_in_the_first_period_is_a_drawdown():
    assert max_drawdown([-0.5, 0.1, 0.1]) == -0.5


def test_drawdown_keeps_the_index_and_counts_a_missing_return_as_zero():
    days = pd.date_range("2024-01-01", periods=3)
    expected = pd.Series([-0.5, -0.5, 0.0], days, name="drawdown")
    pd.testing.assert_series_equal(drawdown(pd.Series([-0.5, np.nan, 1.0], days)), expected)


def test_thresholds_are_subtracted_per_period_and_for_omega_per_year():
    assert sharpe([0.03, 0.05], risk_free=0.01, periods_per_year=1) == pytest.approx(0.03 / math.sqrt(0.0002))
    assert sortino([0.03, -0.01], required_return=0.01, periods_per_year=1) == pytest.approx(0.0, abs=1e-12)
    assert performance.omega([0.03, 0.0], required_return=0.0201, periods_per_year=2) == pytest.approx(2.0)
    assert math.isnan(performance.omega([0.03, 0.0], required_return=-1.0))


@pytest.mark.parametrize("level", [0, 1, 5])
def test_a_level_is_a_share_not_a_percentage(level):
    with pytest.raises(ConfigError, match=r"0\.05 for 5 %"):
        performance.value_at_risk(RETURNS, level=level)
    with pytest.raises(ConfigError):
        performance.conditional_value_at_risk(RETURNS, level=level)


@given(many_returns, st.floats(0.1, 0.9))
def test_the_mean_of_the_tail_is_not_above_its_quantile(returns, level):
    tail = performance.conditional_value_at_risk(returns, level=level)
    assert min(returns) - 1e-12 <= tail <= performance.value_at_risk(returns, level=level) + 1e-12


@given(many_returns)
def test_drawdowns_lie_between_total_loss_and_zero_and_bound_the_total_return(returns):
    assert drawdown(returns).between(-1, 0).all()
    assert total_return(returns) >= max_drawdown(returns) - 1e-12


@given(many_returns, st.floats(0.1, 2.0))
def test_leverage_scales_volatility_and_leaves_sharpe_alone(returns, leverage):
    volatility = performance.annual_volatility(returns)
    levered = [leverage * r for r in returns]
    assert performance.annual_volatility(levered) == pytest.approx(leverage * volatility, rel=1e-6, abs=1e-12)
    if volatility > 1e-6:
        assert sharpe(levered) == pytest.approx(sharpe(returns), rel=1e-6, abs=1e-9)


def test_inputs_are_not_modified():
    returns = pd.Series([0.1, np.nan, -0.2])
    before = returns.copy()
    for name in STATISTICS:
        value_of(name, returns)
    drawdown(returns)
    pd.testing.assert_series_equal(returns, before)


@pytest.mark.parametrize(("function", "rate"), [(sharpe, "risk_free"), (sortino, "required_return")])
def test_a_rate_of_each_period_is_matched_before_gaps_are_skipped(function, rate):
    returns = pd.Series([0.01, np.nan, 0.03, -0.02, 0.02], pd.date_range("2024-01-01", periods=5))
    rates = np.array([0.001, 0.002, 0.003, np.nan, 0.001])
    expected = function([0.009, 0.027, 0.019])
    assert function(returns, **{rate: rates}) == pytest.approx(expected)
    assert function(returns.to_numpy(), **{rate: rates}) == pytest.approx(expected)
    shuffled = pd.Series(rates, returns.index).sample(frac=1, random_state=0)
    assert function(returns, **{rate: shuffled}) == pytest.approx(expected)
    assert function(returns, **{rate: 0.001}) == pytest.approx(function(returns - 0.001))
    with pytest.raises(DataError, match="one length"):
        function(returns, **{rate: rates[1:]})


def test_returns_that_equal_the_rate_but_for_rounding_have_no_ratio():
    rates = np.random.default_rng(0).uniform(0, 0.001, 500)
    returns = (
        np.diff(np.cumprod(np.concatenate([[1.0], 1 + rates]))) / np.cumprod(np.concatenate([[1.0], 1 + rates]))[:-1]
    )
    assert 0 < np.abs(returns - rates).max() < 1e-14
    assert np.isnan(sharpe(returns, risk_free=rates))
    assert np.isnan(sortino(returns, required_return=rates))


def test_interest_runs_by_the_calendar():
    days = pd.DatetimeIndex(["2024-01-05", "2024-01-08", "2024-01-09 12:00"], tz="America/New_York")
    np.testing.assert_allclose(cash_returns(days, 0.05), [0, 3 * 0.05 / 365, 1.5 * 0.05 / 365])
    assert cash_returns(days[:1], 0.05).tolist() == [0.0]
    assert cash_returns(days[:0], 0.05).tolist() == []


def test_rows_of_returns_have_the_statistics_of_each_alone():
    rng = np.random.default_rng(0)
    returns = rng.normal(0.001, 0.01, (12, 300))
    returns[1], returns[2], returns[3], returns[4] = 0.0, 0.0001, np.nan, np.abs(returns[4])
    returns[5] = 0.05 + 1e-9 * rng.normal(size=300)
    rates = np.where(np.arange(300) % 5, 0.0001, 0.0)
    together = rows.statistics(returns, rows.beyond(returns, rates), 300, 252)
    assert list(together) == list(STATISTICS)
    for number, values in enumerate(returns):
        alone = statistics_of(values, risk_free=rates)
        for name, expected in alone.items():
            assert together[name][number] == pytest.approx(expected, rel=1e-12, nan_ok=True), (number, name)


def test_the_deviation_of_nearly_equal_returns_is_that_of_their_differences():
    spread = np.array([1.0, -1.0, 2.0, -2.0, 0.0])
    for size in (1e-3, 1e-6, 1e-9):
        expected = 0.05 / (spread * size).std(ddof=1)
        assert sharpe(0.05 + size * spread, periods_per_year=1) == pytest.approx(expected, rel=1e-6)
