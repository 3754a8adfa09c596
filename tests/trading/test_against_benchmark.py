"""Did it earn more than the benchmark: the interval covers, luck is recognised as luck, and an edge as an edge."""

import math

import numpy as np
import pandas as pd
import pytest

from tsseq.errors import ConfigError, DataError
from tsseq.resampling import block_length, mean_draws
from tsseq.trading import Costs, Trials, simulate, sweep
from tsseq.trading.statistics import against_benchmark, deflated_sharpe, hit_rate, information_ratio, tracking_error

KEYS = ["difference", "lower", "upper", "p_value", "adjusted_p", "alpha", "beta", "information_ratio"]
KEYS += ["tracking_error", "hit_rate", "deflated_sharpe"]


def autoregressive(random, shape, persistence):
    """Standard normal sequences (M, n), each value ``persistence`` times the last one plus news."""
    values = random.normal(size=shape)
    news = values * math.sqrt(1 - persistence**2)
    for bar in range(1, shape[1]):
        values[:, bar] = persistence * values[:, bar - 1] + news[:, bar]
    return values


def pairs(seed, count, persistence, n_bars=1000):
    """Returns of strategies and their benchmarks; the growth of both is 5 % a year, in logarithms 0.05 / 252 a bar."""
    random = np.random.default_rng(seed)
    market, other = (autoregressive(random, (count, n_bars), persistence) for _ in range(2))
    logs = 0.05 / 252 + 0.01 * np.stack([0.8 * market + 0.6 * other, market])
    return np.expm1(logs)


def walks(seed, persistence=0.0, drift=0.0, n_bars=1000, n_assets=5):
    """Daily closes with 1 % of volatility a bar."""
    moves = 0.01 * autoregressive(np.random.default_rng(seed), (n_assets, n_bars), persistence).T
    days = pd.bdate_range("2015-01-01", periods=n_bars)
    closes = pd.DataFrame(100 * np.exp((moves + drift / 252).cumsum(axis=0)), days)
    return closes.add_prefix("A")


def verdict(closes):
    """p-values of the best of 40 rules, with and without its ledger, and of the rule that follows the last move."""
    logs, n_assets = np.log(closes), closes.shape[1]
    signs = {k: np.sign(logs.diff(k)).fillna(0.0).iloc[20:] / n_assets for k in range(1, 21)}
    prices, options = pd.concat({"close": closes}, axis=1), {"costs": Costs(bps=2), "execution": "close"}

    def weights(bars, side):
        return (side * signs[bars]).clip(lower=0)

    table = sweep(weights, prices, {"bars": range(1, 21), "side": [1, -1]}, **options)
    best = table.loc[table["total_return"].idxmax()]
    figures = simulate(weights(int(best["bars"]), int(best["side"])), prices, **options).compare(table.attrs["trials"])
    oracle = simulate(weights(1, 1), prices, **options).compare()
    return figures["adjusted_p"], figures["p_value"], oracle["p_value"]


def excess_of(ours, theirs):
    return np.log1p(ours) - np.log1p(theirs)


@pytest.mark.parametrize("persistence", [0.0, 0.2])
def test_intervals_of_the_mean_cover_it(persistence):
    ours, theirs = pairs(0, 500, persistence)
    means = mean_draws(excess_of(ours, theirs), block_length(1000, 1), 1000, seed=0)
    low, high = np.quantile(means.draws, [0.025, 0.975], axis=1) * means.error
    assert 0.915 <= np.mean((means.mean - high <= 0) & (means.mean - low >= 0)) <= 0.97


@pytest.mark.proof
@pytest.mark.parametrize("persistence", [0.0, 0.2])
def test_the_interval_of_the_difference_covers_that_of_two_thousand_pairs(persistence):
    tables = [against_benchmark(r, b, n_samples=1000) for r, b in zip(*pairs(1, 2000, persistence))]
    low, high, p = (np.array([table[name] for table in tables]) for name in ("lower", "upper", "p_value"))
    assert 0.915 <= np.mean((low <= 0) & (high >= 0)) <= 0.97
    assert np.mean(p < 0.05) <= 0.07


def test_the_best_of_forty_rules_on_random_walks_is_seldom_said_to_earn_more():
    adjusted, alone, _ = np.array([verdict(walks(seed, n_bars=300)) for seed in range(6)]).T
    assert np.sum(adjusted < 0.05) <= 1
    assert (adjusted >= alone).all()


def test_an_edge_among_forty_rules_is_recognised():
    adjusted, _, oracle = verdict(walks(0, persistence=0.3, n_bars=500))
    assert oracle < 0.001
    assert adjusted < 0.01


@pytest.mark.proof
@pytest.mark.parametrize("drift", [0.0, 0.08])
def test_at_most_18_of_200_random_panels_are_said_to_earn_more(drift):
    adjusted, _, _ = np.array([verdict(walks(seed, drift=drift)) for seed in range(200)]).T
    assert np.sum(adjusted < 0.05) <= 18


@pytest.mark.proof
def test_persistence_that_its_oracle_sees_is_seen_in_nine_of_ten_panels():
    adjusted, _, oracle = np.array([verdict(walks(seed, persistence=0.15)) for seed in range(200)]).T
    assert np.mean(oracle < 0.05) >= 0.99
    assert np.mean(adjusted < 0.05) >= 0.9


def ledger_of(excess):
    days = pd.bdate_range("2015-01-01", periods=excess.shape[1]).to_numpy()
    return Trials.of(np.zeros(len(excess)), days, excess)


@pytest.mark.parametrize("seed", range(4))
def test_the_adjusted_p_of_the_best_trial_is_that_of_arch(seed):
    arch = pytest.importorskip("arch.bootstrap")
    random = np.random.default_rng(seed)
    excess = 0.006 * random.normal(size=500) + 0.008 * random.normal(size=(20, 500)) - 0.0005 * np.arange(20)[:, None]
    excess[0] += 0.001
    options = {"block_size": block_length(500, 1), "reps": 2000, "bootstrap": "circular", "seed": seed}
    test = arch.SPA(np.zeros(500), -excess.T, **options)
    test.compute()
    best = np.expm1(excess[np.argmax(excess.mean(axis=1) / excess.std(axis=1))])
    adjusted = against_benchmark(best, np.zeros(500), ledger_of(excess))["adjusted_p"]
    assert adjusted == pytest.approx(test.pvalues["consistent"], abs=0.04)


def test_more_trials_make_p_larger_and_hopeless_ones_hardly():
    ours, theirs = pairs(3, 1, 0.0)[:, 0] + np.array([[0.0006], [0.0]])
    own = excess_of(ours, theirs)
    noise = np.random.default_rng(4).normal(0, 0.006, (40, 1000))

    def adjusted(*rows):
        return against_benchmark(ours, theirs, ledger_of(np.vstack([own, *rows])))["adjusted_p"]

    alone = against_benchmark(ours, theirs)["p_value"]
    assert alone == adjusted() < adjusted(noise[:5]) < adjusted(noise)
    assert adjusted(noise - 0.01) == pytest.approx(alone, abs=0.002)
    assert adjusted(own, own, own) == pytest.approx(alone, abs=0.002)  # copies are not further trials


def test_trials_without_series_count_by_bonferroni():
    ours, theirs = pairs(3, 1, 0.0)[:, 0] + np.array([[0.0004], [0.0]])
    alone = against_benchmark(ours, theirs)["p_value"]
    for ledger, times in ((Trials(1), 1), (Trials(3), 3), (Trials(1000), 1 / alone)):
        assert against_benchmark(ours, theirs, ledger)["adjusted_p"] == pytest.approx(times * alone)
    swept = ledger_of(np.random.default_rng(5).normal(0, 0.006, (4, 1000)))
    adjusted = [against_benchmark(ours, theirs, t)["adjusted_p"] for t in (swept, swept.joined(Trials(4)))]
    assert adjusted[1] == pytest.approx(2 * adjusted[0])


def test_trials_of_other_dates_count_too():
    ours, theirs = pairs(3, 1, 0.0)[:, 0] + np.array([[0.0006], [0.0]])
    noise = np.random.default_rng(6).normal(0, 0.006, (30, 1000))
    days = pd.bdate_range("2015-01-01", periods=1500).to_numpy()
    early, late = (Trials.of([0.0] * 15, days[i : i + 1000], noise[k : k + 15]) for i, k in ((0, 0), (500, 15)))
    joined = against_benchmark(ours, theirs, early.joined(late))["adjusted_p"]
    assert joined == pytest.approx(against_benchmark(ours, theirs, ledger_of(noise))["adjusted_p"], abs=0.03)


def test_the_difference_is_that_of_the_final_equities_per_year():
    ours, theirs = pairs(7, 1, 0.0, n_bars=504)[:, 0]
    figures = against_benchmark(ours, theirs)
    assert list(figures) == KEYS
    assert figures["difference"] == pytest.approx((np.prod(1 + ours) / np.prod(1 + theirs)) ** (1 / 2) - 1)
    assert figures["lower"] < figures["difference"] < figures["upper"]
    assert figures["information_ratio"] == information_ratio(ours, theirs, periods_per_year=252)
    assert figures["tracking_error"] == tracking_error(ours, theirs)
    assert figures["hit_rate"] == pytest.approx(hit_rate(ours - theirs))


def test_the_interval_excludes_nothing_where_p_says_so():
    for seed in range(20):
        ours, theirs = pairs(seed, 1, 0.0, n_bars=300)[:, 0] + np.array([[0.001], [0.0]])
        figures = against_benchmark(ours, theirs, level=0.9)
        if abs(figures["p_value"] - 0.05) > 0.002:
            assert (figures["lower"] > 0) == (figures["p_value"] < 0.05)


def test_a_strategy_that_is_its_benchmark_is_no_better():
    index = pairs(8, 1, 0.0)[1, 0]
    figures = against_benchmark(index * (1 + 1e-15), index, ledger_of(np.zeros((3, 1000))))
    assert {name: figures[name] for name in KEYS[:5]} == {
        "difference": 0.0,
        "lower": 0.0,
        "upper": 0.0,
        "p_value": 1.0,
        "adjusted_p": 1.0,
    }
    assert figures["beta"] == pytest.approx(1.0)
    assert math.isnan(figures["deflated_sharpe"])


def test_few_bars_are_not_tested():
    ours, theirs = pairs(9, 1, 0.0, n_bars=20)[:, 0]
    assert np.isfinite(against_benchmark(ours, theirs)["p_value"])
    few = against_benchmark(ours[1:], theirs[1:], Trials(5))
    assert np.isnan([few[name] for name in ("lower", "upper", "p_value", "adjusted_p")]).all()
    assert np.isfinite(few["difference"])
    assert math.isnan(against_benchmark([], [])["difference"])


def test_the_deflated_sharpe_is_of_what_is_beyond_the_benchmark():
    ours, theirs = pairs(10, 1, 0.0)[:, 0] + np.array([[0.0006], [0.0]])
    noise = np.random.default_rng(11).normal(0, 0.006, (30, 1000))
    share = against_benchmark(ours, theirs, ledger_of(noise))["deflated_sharpe"]
    sharpes = noise.mean(axis=1) / noise.std(axis=1, ddof=1) * math.sqrt(252)
    assert share == pytest.approx(deflated_sharpe(excess_of(ours, theirs), sharpes))
    assert math.isnan(against_benchmark(ours, theirs, Trials.of(sharpes))["deflated_sharpe"])


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(ConfigError, match=r"a level in 0\.\.1"):
        against_benchmark([0.1], [0.1], level=95)
    with pytest.raises(DataError, match="one length"):
        against_benchmark([0.1, 0.2], [0.1])


def test_a_book_is_compared_at_its_own_bars_and_interest():
    closes = walks(12, n_bars=200)
    closes.index = pd.date_range("2015-01-02", periods=200, freq="W-FRI")
    weights = pd.DataFrame(0.1, closes.index[::5], closes.columns)
    book = simulate(weights, pd.concat({"close": closes}, axis=1), cash_rate=0.03)
    figures = book.compare()
    riskless = np.full(200, 0.03 * 7 / 365)
    riskless[0] = 0
    expected = against_benchmark(book.returns, book.benchmark, risk_free=riskless, periods_per_year=52)
    assert figures.to_dict() == pytest.approx(expected, nan_ok=True)
    assert figures["beta"] == pytest.approx(0.5, abs=0.1)
