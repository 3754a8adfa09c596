"""The best of many trials: luck is recognised as luck, and an edge as an edge."""

import numpy as np

from tsseq.trading import Trials
from tsseq.trading.statistics import deflated_sharpe, probabilistic_sharpe, sharpe


def best_of(returns):
    """The deflated and the probabilistic Sharpe ratio of the best row."""
    sharpes = [sharpe(row) for row in returns]
    best = returns[int(np.argmax(sharpes))]
    return deflated_sharpe(best, Trials.of(sharpes)), probabilistic_sharpe(best)


def test_the_best_of_forty_strategies_without_an_edge_is_seldom_taken_for_skill():
    random = np.random.default_rng(0)
    found = np.array([best_of(random.normal(0, 0.01, (40, 500))) for _ in range(200)])
    assert (found[:, 0] > 0.95).mean() <= 0.09
    assert (found[:, 1] > 0.95).mean() > 0.8  # what a test without the ledger would say


def test_an_edge_among_forty_strategies_is_recognised():
    random = np.random.default_rng(1)
    returns = random.normal(0, 0.01, (40, 2500))
    returns[7] += 0.0015
    assert best_of(returns)[0] > 0.95


def test_many_trials_of_which_nothing_is_known_deflate_to_nothing_known():
    returns = np.random.default_rng(2).normal(0.001, 0.01, 250)
    assert np.isnan(deflated_sharpe(returns, Trials(12)))
    assert deflated_sharpe(returns, Trials(1)) == probabilistic_sharpe(returns)
    swept = Trials.of([0.5, 1.0, 1.5])
    assert deflated_sharpe(returns, swept.joined(Trials(12))) < deflated_sharpe(returns, swept)
