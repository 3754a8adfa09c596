"""Forecast errors against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

from tsseq.metrics import coverage, mae, mase, naive_scale, pinball, rmse, smape

NAN = np.nan
ACTUAL, FORECAST = [1.0, 2.0, 4.0, 8.0], [2.0, 2.0, 1.0, 10.0]
POINT = [mae, rmse, smape]

pairs = st.integers(1, 20).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-(10**9), 10**9).map(lambda i: i / 1000), min_size=n, max_size=n)] * 2)
)


def test_golden_numbers():
    assert mae(ACTUAL, FORECAST) == (1 + 0 + 3 + 2) / 4
    assert rmse(ACTUAL, FORECAST) == np.sqrt((1 + 0 + 9 + 4) / 4)
    assert smape(ACTUAL, FORECAST) == pytest.approx(200 / 4 * (1 / 3 + 0 / 4 + 3 / 5 + 2 / 18))
    assert mase(ACTUAL, FORECAST, scale=3.0) == 0.5
    assert mase(ACTUAL, FORECAST, scale=[1.0, 1.0, 3.0, 4.0]) == (1 + 0 + 1 + 0.5) / 4
    assert naive_scale(ACTUAL) == (1 + 2 + 4) / 3
    assert naive_scale(ACTUAL, season_length=2) == (3 + 6) / 2
    assert pinball(ACTUAL, FORECAST, level=0.9) == pytest.approx((0.1 * 1 + 0 + 0.9 * 3 + 0.1 * 2) / 4)
    assert pinball(ACTUAL, FORECAST, level=0.5) == mae(ACTUAL, FORECAST) / 2
    assert coverage(ACTUAL, [1.0, 0, 0, 0], [1.0, 1, 4, 9]) == 0.75


def test_a_perfect_forecast_has_no_error():
    assert [metric(ACTUAL, ACTUAL) for metric in POINT] == [0, 0, 0]
    assert mase(ACTUAL, ACTUAL, 2.0) == pinball(ACTUAL, ACTUAL, 0.3) == 0
    assert coverage(ACTUAL, ACTUAL, ACTUAL) == 1


def test_smape_runs_from_0_to_200_and_takes_zeros():
    assert smape([0.0, 0.0], [0.0, 0.0]) == 0
    assert smape([0.0], [5.0]) == 200
    assert smape([-3.0], [3.0]) == 200
    assert smape([3.0], [1.0]) == smape([1.0], [3.0]) == 100


@given(pair=pairs, level=st.floats(0.01, 0.99))
def test_scikit_learn_measures_the_same(pair, level):
    actual, forecast = pair
    assert mae(actual, forecast) == pytest.approx(mean_absolute_error(actual, forecast))
    assert rmse(actual, forecast) == pytest.approx(root_mean_squared_error(actual, forecast))
    assert pinball(actual, forecast, level) == pytest.approx(mean_pinball_loss(actual, forecast, alpha=level))


@given(pair=pairs, hole=st.sampled_from(["actual", "forecast", "both"]))
def test_missing_values_are_left_out(pair, hole):
    actual, forecast = pair
    holed = [*actual, NAN if hole != "forecast" else 1.0], [*forecast, NAN if hole != "actual" else 1.0]
    for metric in POINT:
        assert metric(*holed) == pytest.approx(metric(actual, forecast))
    assert mase(*holed, 2.0) == pytest.approx(mase(actual, forecast, 2.0))
    assert pinball(*holed, 0.3) == pytest.approx(pinball(actual, forecast, 0.3))


def test_missing_values_are_left_out_of_coverage_and_of_the_scale():
    assert coverage([1.0, NAN, 3.0, 4.0], [0.0, 0, NAN, 5], [2.0, 2, 4, 6]) == 0.5
    assert naive_scale([1.0, 2.0, NAN, 5.0, 9.0]) == (1 + 4) / 2


@given(pair=pairs, size=st.floats(0.01, 100))
def test_scaled_errors_have_no_units_and_the_others_have_those_of_the_data(pair, size):
    actual, forecast = (np.array(part) for part in pair)
    assert mae(size * actual, size * forecast) == pytest.approx(size * mae(actual, forecast))
    assert rmse(size * actual, size * forecast) == pytest.approx(size * rmse(actual, forecast))
    assert mase(size * actual, size * forecast, size) == pytest.approx(mase(actual, forecast, 1.0))
    assert mae(actual, forecast) <= rmse(actual, forecast) * (1 + 1e-12)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=30), season_length=st.integers(1, 2))
def test_the_naive_forecast_scores_one_on_the_rows_that_its_scale_comes_from(values, season_length):
    values = np.array(values)
    scale = naive_scale(values, season_length)
    if scale > 1e-6:
        assert mase(values[season_length:], values[:-season_length], scale) == pytest.approx(1)


def test_a_series_shorter_than_a_season_has_no_scale():
    assert np.isnan(naive_scale([1.0, 2.0], season_length=2))
    assert np.isnan(naive_scale([1.0, NAN], season_length=1))


def test_the_right_quantile_has_the_least_loss():
    sample = np.random.default_rng(0).normal(size=20_000)
    losses = {
        level: pinball(sample, np.full(20_000, np.quantile(sample, level)), 0.9) for level in (0.5, 0.8, 0.9, 0.95)
    }
    assert min(losses, key=losses.get) == 0.9


def test_lists_integers_and_pandas_are_taken_alike_and_floats_come_out():
    for wrap in (
        list,
        np.array,
        pd.Series,
        lambda v: pd.Series(v, dtype="Float64"),
        lambda v: np.array(v, dtype=np.int32),
    ):
        found = mae(wrap([1, 2]), wrap([2, 4]))
        assert type(found) is float
        assert found == 1.5


def test_unsigned_integers_do_not_wrap_around():
    assert mae(np.array([1], dtype=np.uint8), np.array([2], dtype=np.uint8)) == 1


@pytest.mark.parametrize("metric", POINT)
def test_a_column_and_a_vector_are_not_spread_into_a_matrix(metric):
    """As in mae(actual["close"], model.predict()), where predict gives a frame of one column."""
    want = metric(ACTUAL, FORECAST)
    try:
        found = metric(pd.Series(ACTUAL), pd.DataFrame({"close": FORECAST}))
    except ValueError:
        return
    assert found == want


@pytest.mark.parametrize("forecast", [1.0, 2.0])
def test_a_constant_series_has_no_scaled_error_and_no_warning(forecast):
    assert not np.isfinite(mase([1.0], [forecast], naive_scale([1.0, 1.0])))


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError):
        mae([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: mae([NAN], [1.0]),
        lambda: rmse([], []),
        lambda: smape([1.0], [NAN]),
        lambda: mase([NAN], [1.0], 1.0),
        lambda: pinball([NAN], [1.0], 0.5),
        lambda: coverage([NAN], [0.0], [1.0]),
    ],
    ids=["mae", "rmse", "smape", "mase", "pinball", "coverage"],
)
def test_nothing_to_compare_is_nan_without_a_warning(call):
    assert np.isnan(call())


@pytest.mark.parametrize(
    "call", [lambda: pinball([1.0], [2.0], level=90), lambda: naive_scale([1.0, 2.0], season_length=0)]
)
def test_levels_and_seasons_that_make_no_sense_are_refused(call):
    with pytest.raises(TypeError):  # a ConfigError is a ValueError and a TypeError
        call()
