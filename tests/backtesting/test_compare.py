"""Diebold-Mariano by hand, and how often it cries wolf."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression, Ridge

import tsseq
from tsseq import ConfigError, DataError, Forecaster, make_series
from tsseq.backtesting.compare import diebold_mariano


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
    result = tsseq.backtest(Forecaster(Ridge(), 4, 10), make_series("ar1", 100), n_cutoffs=3, step=1)
    with pytest.raises(DataError, match="3 cutoffs are too few to compare: forecasts overlap over 4"):
        result.compare()
