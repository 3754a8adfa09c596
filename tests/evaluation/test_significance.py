"""Diebold-Mariano by hand, and how often it cries wolf."""

import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression, Ridge

import tsseq
from tsseq import ConfigError, DataError, Forecaster, make_series
from tsseq.evaluation.result import BacktestResult
from tsseq.evaluation.significance import clark_west, diebold_mariano


def by_hand(gap: np.ndarray, horizon: int) -> float:
    n = len(gap)
    centred = gap - gap.mean()
    covariance = [np.sum(centred[k:] * centred[: n - k]) / n for k in range(horizon)]
    statistic = gap.mean() / np.sqrt((covariance[0] + 2 * sum(covariance[1:])) / n)
    return statistic * np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)


@pytest.mark.parametrize("horizon", [1, 2, 4])
def test_statistic_equals_the_formula(horizon):
    first, second = np.random.default_rng(horizon).gamma(2, size=(2, 80))
    test = diebold_mariano(first, second, horizon)
    assert test.statistic == pytest.approx(by_hand(first - second, horizon), rel=1e-12)
    assert test.p_value == pytest.approx(2 * stats.t.sf(abs(test.statistic), 79), rel=1e-9)
    assert test.difference == pytest.approx((first - second).mean())


def test_one_sided_values_add_up_to_one():
    first, second = np.random.default_rng(0).gamma(2, size=(2, 50))
    less, greater = (diebold_mariano(first, second, alternative=side).p_value for side in ("less", "greater"))
    assert less + greater == pytest.approx(1)
    assert diebold_mariano(second, first, alternative="less").p_value == pytest.approx(greater)


def test_bartlett_weights_where_the_variance_is_negative():
    zigzag = np.tile([1.0, -1.0], 20) + 0.1
    plain = by_hand_variance = (
        np.sum((zigzag - 0.1) ** 2) / 40 + 2 * np.sum((zigzag[1:] - 0.1) * (zigzag[:-1] - 0.1)) / 40
    )
    assert plain <= 0
    assert np.isfinite(diebold_mariano(zigzag, np.zeros(40), 2).statistic)
    assert by_hand_variance < 0


def test_equal_forecasts_are_equal():
    loss = np.random.default_rng(0).gamma(2, size=30)
    assert diebold_mariano(loss, loss) == (0.0, 0.0, 1.0)
    assert diebold_mariano(loss, loss + 1).p_value == 0.0


def test_shapes_must_agree_and_outlast_the_horizon():
    with pytest.raises(DataError, match=r"not \(3,\) and \(4,\)"):
        diebold_mariano(np.zeros(3), np.zeros(4))
    with pytest.raises(DataError, match="horizon=5"):
        diebold_mariano(np.zeros(5), np.zeros(5), 5)


@pytest.mark.parametrize("horizon", [1, 3])
def test_equally_noisy_forecasts_differ_about_as_often_as_they_should(horizon):
    rng = np.random.default_rng(0)
    kernel = np.ones(horizon)
    rejected = 0
    for _ in range(400):
        errors = [np.convolve(rng.normal(size=120 + horizon - 1), kernel, "valid") for _ in range(2)]
        rejected += diebold_mariano(errors[0] ** 2, errors[1] ** 2, horizon).p_value < 0.05
    assert 0.02 <= rejected / 400 <= 0.09


def test_comparing_in_a_backtest_averages_over_series_before_it_counts():
    days = pd.date_range("2020", periods=200)
    one = make_series("ar1", 200, phi=0.5).to_numpy()
    copies = pd.concat([pd.DataFrame({"unique_id": i, "ds": days, "y": one}) for i in range(5)])
    model = Forecaster(LinearRegression(), 2, 10)
    alone = tsseq.backtest({"ridge": model}, copies[copies["unique_id"] == 0], n_cutoffs=40).compare()
    together = tsseq.backtest({"ridge": model}, copies, n_cutoffs=40).compare()
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_a_series_in_other_units_compares_the_same():
    wave = make_series("ar1", 300, phi=0.5)
    model = Forecaster(Ridge(), 2, 10)
    plain, large = (tsseq.backtest({"ridge": model}, 1e6**k * wave, n_cutoffs=60).compare() for k in (0, 1))
    np.testing.assert_allclose(large, plain, rtol=1e-6)


def test_unknown_names_are_refused():
    result = tsseq.backtest(Forecaster(Ridge(), 2, 10), make_series("ar1", 100), n_cutoffs=10)
    for call, message in [
        (lambda: result.compare("arima"), "benchmark='arima'"),
        (lambda: result.compare(loss="log"), "'absolute' or 'squared'"),
        (lambda: result.by("colour"), "'cutoff', 'step', 'target'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            call()


def test_too_few_cutoffs_to_compare_say_so():
    result = tsseq.backtest(Forecaster(Ridge(), 4, 10), make_series("ar1", 100), n_cutoffs=3, stride=1)
    with pytest.raises(DataError, match="3 cutoffs are too few to compare: forecasts overlap over 4"):
        result.compare()


def test_clark_west_by_hand():
    rng = np.random.default_rng(0)
    actual, forecast, benchmark = rng.normal(size=(3, 60))
    gain = (actual - benchmark) ** 2 - ((actual - forecast) ** 2 - (benchmark - forecast) ** 2)
    test = clark_west(actual, forecast, benchmark, 2)
    assert test.statistic == pytest.approx(-by_hand(gain, 2))
    assert test.p_value == pytest.approx(stats.t.sf(by_hand(gain, 2), 59))


def test_nested_models_are_compared_by_date_and_in_units_of_each_series():
    frame = two_walks()
    result = tsseq.backtest({"ridge": Forecaster(Ridge(), 1, 5)}, frame, n_cutoffs=50)
    common = result.common().set_index(["id", "cutoff"])
    own, naive = (common[common["model"] == name] for name in ("ridge", "last_value"))
    unit = result.scales.droplevel(1).reindex(own.index.get_level_values(0)).to_numpy()
    actual, forecast, last = own["actual"] / unit, own["forecast"] / unit, naive["forecast"] / unit
    gain = (actual - last) ** 2 - (actual - forecast) ** 2 + (forecast - last) ** 2
    expected = by_hand(gain.groupby("cutoff").mean().to_numpy(), 1)
    assert result.compare_nested().loc["ridge", "statistic"] == pytest.approx(-expected)


def test_two_equally_noisy_forecasts_of_random_walks_seldom_differ():
    rng = np.random.default_rng(0)
    noise, rejected = rng.normal(size=(200, 3, 100)), 0
    for step, one, other in noise:  # what the walk does next, and what two forecasters take it for
        rejected += diebold_mariano((step - 0.5 * one) ** 2, (step - 0.5 * other) ** 2).p_value < 0.05
    assert 0.02 <= rejected / 200 <= 0.09


@cache
def p_values_on_random_walks() -> pd.DataFrame:
    """One-sided p-values of a Ridge fitted on each of 200 random walks, against the last value."""
    found = []
    for seed in range(1000, 1200):
        walk = make_series("random_walk", 300, seed=seed)
        result = tsseq.backtest({"ridge": Forecaster(Ridge(), 1, 10)}, walk, n_cutoffs=60)
        better = result.compare(loss="squared", alternative="less").loc["ridge", "p_value"]
        found.append(
            [better, result.compare_nested().loc["ridge", "p_value"], result.scores.loc["ridge", "direction_p"]]
        )
    return pd.DataFrame(found, columns=["diebold_mariano", "clark_west", "direction"])


@pytest.mark.parametrize("test", ["diebold_mariano", "clark_west", "direction"])
def test_a_model_fitted_to_random_walks_seldom_seems_to_beat_them(test):
    assert (p_values_on_random_walks()[test] < 0.05).mean() <= 0.09


def test_a_little_memory_is_found_with_enough_data():
    """Changes are an AR(1) with phi 0.2, of which 4 % can be known."""
    walk = make_series("ar1", 3000, phi=0.2).cumsum()
    result = tsseq.backtest({"ridge": Forecaster(Ridge(), 1, 5)}, walk, n_cutoffs=1500)
    assert result.scores.loc["ridge", "R2"] == pytest.approx(0.04, abs=0.02)
    for test in (result.compare(loss="squared", alternative="less"), result.compare_nested()):
        assert test.loc["ridge", "p_value"] < 0.01
    assert result.scores.loc["ridge", "direction_p"] < 0.01


def two_walks() -> pd.DataFrame:
    days = pd.date_range("2020", periods=150)
    walks = {name: make_series("random_walk", 150, seed=name).set_axis(days) * 10**name for name in (1, 2)}
    return pd.concat(walks, names=["id", "day"]).to_frame("y")


def with_forecasts(noise: dict[str, float]) -> BacktestResult:
    """A backtest whose models are right but for so much noise."""
    result = tsseq.backtest({name: Forecaster(Ridge(), 1, 5) for name in noise}, two_walks(), n_cutoffs=100)
    table, rng = result.forecasts.copy(), np.random.default_rng(0)
    unit = result.scales.droplevel(1).reindex(table["id"]).to_numpy()
    for name, size in noise.items():
        own = (table["model"] == name).to_numpy()
        table.loc[own, "forecast"] = (table["actual"] + size * unit * rng.normal(size=len(table)))[own]
    return replace(result, forecasts=table)


def test_the_confidence_set_holds_the_best_models_and_no_others():
    pytest.importorskip("arch")
    result = with_forecasts({"good": 0.3, "as_good": 0.3, "poor": 1.5})
    table = result.confidence_set()
    assert set(table.index[table["included"]]) == {"good", "as_good"}
    assert table["p_value"].is_monotonic_decreasing
    assert ((table["p_value"] > 0.1) == table["included"]).all()
    pd.testing.assert_frame_equal(table, result.confidence_set())


def test_the_best_of_many_is_superior_only_if_it_is():
    pytest.importorskip("arch")
    assert with_forecasts({"good": 0.3, "poor": 1.5}).superior()["consistent"] < 0.01
    lucky = with_forecasts({f"m{i}": 1.25 for i in range(10)})
    p_values = lucky.superior()
    assert p_values["consistent"] > 0.05
    assert p_values["lower"] <= p_values["consistent"] <= p_values["upper"]


def test_without_arch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "arch.bootstrap", None)
    result = with_forecasts({"good": 0.3})
    for call in (result.confidence_set, result.superior):
        with pytest.raises(ConfigError, match=r"pip install 'tsseq\[arch\]'"):
            call()
