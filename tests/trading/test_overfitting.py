"""The probability of overfitting: against its definition, split by split, and what it says of noise and of an edge."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from tsseq.errors import ConfigError, DataError
from tsseq.trading import probability_of_overfitting
from tsseq.trading.statistics import max_drawdown, sharpe, sortino


def noise(seed, n_bars=400, n_strategies=20):
    return np.random.default_rng(seed).normal(0, 0.01, (n_bars, n_strategies))


def split_by_split(returns, n_groups, statistic):
    """Chosen strategy, its scores in and out of sample, and its logit, for every split in turn."""
    groups = np.array_split(returns, n_groups)
    rows = []
    for half in itertools.combinations(range(n_groups), n_groups // 2):
        past = np.concatenate([groups[number] for number in half])
        rest = np.concatenate([groups[number] for number in range(n_groups) if number not in half])
        inside, outside = ([statistic(column) for column in side.T] for side in (past, rest))
        best = int(np.argmax(inside))
        relative = rankdata(outside)[best] / (returns.shape[1] + 1)
        rows.append((best, inside[best], outside[best], np.log(relative / (1 - relative))))
    return np.array(rows)


def share_of_noise(n_seeds, n_bars, n_groups):
    panels = (noise(seed, n_bars) for seed in range(n_seeds))
    return np.mean([probability_of_overfitting(panel, n_groups=n_groups).probability for panel in panels])


def edges(n_seeds, yearly):
    """Probabilities where one of 50 strategies has an edge of so many Sharpe ratios over eight years."""
    probabilities = []
    for seed in range(n_seeds):
        returns = noise(seed, 2000, 50)
        returns[:, 7] += 0.01 * yearly / np.sqrt(252)
        probabilities.append(probability_of_overfitting(returns).probability)
    return probabilities


@pytest.mark.parametrize("by", ["sharpe", "sortino", max_drawdown])
@pytest.mark.parametrize("n_bars", [48, 59], ids=["equal_groups", "unequal_groups"])
def test_splits_are_those_of_the_definition(by, n_bars):
    statistic = {"sharpe": sharpe, "sortino": sortino}.get(by, by)
    returns = noise(1, n_bars, 7)
    result = probability_of_overfitting(returns, n_groups=6, by=by)
    expected = split_by_split(returns, 6, statistic)
    np.testing.assert_allclose(result.splits, expected, rtol=1e-9, atol=1e-12)
    assert result.probability == (expected[:, 3] <= 0).mean()
    assert result.probability_of_loss == (expected[:, 2] < 0).mean()
    assert result.slope == pytest.approx(np.polyfit(expected[:, 1], expected[:, 2], 1)[0])


def test_the_best_of_pure_noise_is_overfit_half_of_the_time():
    assert 0.45 < share_of_noise(200, 200, n_groups=8) < 0.55


def test_a_strategy_with_an_edge_is_not_overfit():
    assert max(edges(4, yearly=2.5)) < 0.1


@pytest.mark.proof
def test_noise_and_edges_over_many_panels():
    assert 0.48 < share_of_noise(1000, 500, n_groups=16) < 0.52
    assert np.mean(edges(100, yearly=2.0)) < 0.05
    assert np.mean(edges(50, yearly=1.0)) > 0.1  # too little to be told from the best of 49 others


def test_strategies_bear_their_own_names():
    returns = pd.DataFrame(noise(0, 100, 3), columns=["fast", "slow", "none"])
    returns["slow"] += 0.02
    assert set(probability_of_overfitting(returns, n_groups=4).splits["chosen"]) == {"slow"}


def test_a_strategy_that_never_trades_beats_those_that_lose():
    returns = np.column_stack([noise(0, 100, 2) - 0.02, np.zeros(100)])
    for by in ("sharpe", "sortino"):
        splits = probability_of_overfitting(returns, n_groups=4, by=by).splits
        assert splits["chosen"].eq(2).all()
        assert splits["in_sample"].eq(0).all()


def test_equal_strategies_share_their_rank():
    returns = np.repeat(noise(0, 100, 1), 5, axis=1)
    assert probability_of_overfitting(returns, n_groups=4).splits["logit"].eq(0).all()


@pytest.mark.parametrize("by", ["sharpe", "total_return"])
def test_a_strategy_that_has_lost_all_is_the_worst_of_each_half_that_knows_it(by):
    returns = noise(0, 80, 4)
    returns[:, 1] += 0.05
    returns[70:, 1] = np.nan
    splits = probability_of_overfitting(returns, n_groups=4, by=by).splits
    assert splits["chosen"].eq(1).tolist() == [True, True, False, True, False, False]
    lowest = np.log((1 / 5) / (4 / 5))
    assert splits["logit"][:2].tolist() == pytest.approx([lowest, lowest])


def test_what_cannot_be_split_is_named():
    with pytest.raises(ConfigError, match="n_groups is 5"):
        probability_of_overfitting(noise(0), n_groups=5)
    with pytest.raises(DataError, match="20 bars of 20 strategies; pass at least 2 strategies and 32 bars"):
        probability_of_overfitting(noise(0, 20))
    with pytest.raises(DataError, match="400 bars of 1 strategies"):
        probability_of_overfitting(noise(0, 400, 1))
    with pytest.raises(ConfigError, match=r"by is 'annual_volatility'; .* 'total_return', 'cagr', 'sharpe'"):
        probability_of_overfitting(noise(0), by="annual_volatility")
    with pytest.raises(DataError, match="no strategy has a score"):
        probability_of_overfitting(np.full((40, 3), np.nan))
