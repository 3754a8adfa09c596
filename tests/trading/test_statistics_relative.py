import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tsseq.errors import ConfigError, DataError
from tsseq.trading import Trials
from tsseq.trading.statistics import (
    alpha,
    beta,
    deflated_sharpe,
    drawdown_table,
    expected_best_sharpe,
    exposure,
    hit_rate,
    information_coefficient,
    information_coefficients,
    information_ratio,
    kurtosis,
    max_drawdown,
    probabilistic_sharpe,
    skewness,
    turnover,
)

DAYS = pd.date_range("2024-01-01", periods=8)


def panel(seed, missing=0.2):
    rng = np.random.default_rng(seed)
    frames = [pd.DataFrame(rng.normal(size=(30, 8)).round(1), columns=list("ABCDEFGH")) for _ in range(2)]
    return [frame.mask(rng.random(frame.shape) < missing) for frame in frames]


def test_drawdowns_are_listed_with_their_dates_the_deepest_first():
    # Equity: 0.9, 1.08, 0.54, 0.81, 1.08, 1.08, 0.972, 1.0692.
    returns = pd.Series([-0.1, 0.2, -0.5, 0.5, 1 / 3, 0.0, -0.1, 0.1], DAYS)
    table = drawdown_table(returns)
    np.testing.assert_allclose(table["depth"], [-0.5, -0.1, -0.1])
    assert table["start"].tolist() == [DAYS[1], DAYS[0], DAYS[5]]
    assert table["trough"].tolist() == [DAYS[2], DAYS[0], DAYS[6]]
    assert table["end"].tolist() == [DAYS[4], DAYS[1], pd.NaT]
    assert table["length"].tolist() == [3, 2, 2]
    assert len(drawdown_table(returns, count=1)) == 1


def test_a_book_that_only_gains_has_no_drawdowns():
    assert drawdown_table(pd.Series([0.1, 0.0, 0.2], DAYS[:3])).empty


@given(st.lists(st.floats(-0.9, 2.0), min_size=1, max_size=30))
def test_the_deepest_drawdown_of_the_table_is_the_maximum(returns):
    table = drawdown_table(pd.Series(returns))
    assert (table["depth"].min() if len(table) else 0.0) == max_drawdown(returns)


def test_series_are_compared_on_their_common_dates():
    own, other = (
        pd.Series([0.01, 0.03, -0.01, 0.5], DAYS[:4]),
        pd.Series([0.02, 0.01, -0.02, np.nan], DAYS[[1, 0, 2, 3]]),
    )
    first = own.to_numpy()[:3], np.array([0.01, 0.02, -0.02])
    for function in (beta, alpha, information_ratio):
        assert function(own, other) == pytest.approx(function(*first))
    with pytest.raises(DataError, match="one length"):
        beta([0.1], [0.1, 0.2])


def test_turnover_counts_a_year_and_exposure_the_gross():
    weights = pd.DataFrame({"A": [1.0, -1.0, -1.0], "B": [0.0, 0.5, 0.5]})
    assert turnover([1.0, 2.5, 0.0], periods_per_year=3) == pytest.approx(1 + 2.5)
    assert exposure(weights) == pytest.approx((1 + 1.5 + 1.5) / 3)


def test_gains_are_counted_among_moves_and_moments_are_those_of_scipy():
    returns = [0.02, 0.0, -0.05, 0.01, 0.03, math.nan]
    assert hit_rate(returns) == 0.75
    assert skewness(returns) == pytest.approx(stats.skew(returns[:-1]))
    assert kurtosis(returns) == pytest.approx(stats.kurtosis(returns[:-1], fisher=False))
    assert all(math.isnan(f([0.0, 0.0])) and math.isnan(f([])) for f in (hit_rate, skewness, kurtosis))


@pytest.mark.parametrize("rank", [False, True])
def test_information_coefficients_equal_scipys_date_by_date(rank):
    forecasts, realised = panel(seed=0)
    correlation = stats.spearmanr if rank else stats.pearsonr
    expected = []
    for date in forecasts.index:
        both = forecasts.loc[date].notna() & realised.loc[date].notna()
        expected.append(correlation(forecasts.loc[date][both], realised.loc[date][both])[0])
    daily = information_coefficients(forecasts, realised, rank=rank)
    np.testing.assert_allclose(daily, expected, atol=1e-14)
    summary = information_coefficient(forecasts, realised)
    name = "rank_ic" if rank else "ic"
    assert summary[name] == pytest.approx(np.mean(expected))
    assert summary[f"{name}ir"] == pytest.approx(np.mean(expected) / np.std(expected, ddof=1))


def test_equal_forecasts_have_no_correlation_and_dates_must_meet():
    forecasts, realised = panel(seed=1, missing=0.0)
    assert information_coefficients(forecasts * 0 + 0.1, realised).isna().all()
    with pytest.raises(DataError, match="no date and asset in common"):
        information_coefficients(forecasts, realised.add_prefix("x"))


def test_the_best_of_many_trials_is_that_of_the_paper():
    # Bailey and Lopez de Prado (2014): 100 trials of variance 1/2 a year, 250 days: 0.1132 a day.
    assert expected_best_sharpe(Trials(100, 0.0, 0.5)) / math.sqrt(250) == pytest.approx(0.1132, abs=5e-5)


def test_more_trials_and_worse_luck_deflate_more():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 500)
    alone = probabilistic_sharpe(returns)
    few, many = (deflated_sharpe(returns, Trials(n, 0.0, 0.25)) for n in (10, 1000))
    assert alone == deflated_sharpe(returns, [1.6]) > few > many
    with pytest.raises(ConfigError, match="no trials"):
        deflated_sharpe(returns, [])


def test_the_probabilistic_sharpe_of_normal_returns_is_that_of_the_t_statistic():
    returns = np.random.default_rng(1).normal(0.0005, 0.01, 20_000)
    t = returns.mean() / returns.std(ddof=1) * math.sqrt(len(returns) - 1)
    assert probabilistic_sharpe(returns) == pytest.approx(stats.norm.cdf(t), abs=1e-3)
    assert math.isnan(probabilistic_sharpe([0.0, 0.0, 0.0]))


def test_trials_without_a_sharpe_ratio_still_count():
    assert Trials.of([1.0, math.nan, 2.0]) == Trials(3, 1.5, 0.5)
    assert Trials.of([]).joined(Trials.of([1.0])) == Trials.of([1.0])
