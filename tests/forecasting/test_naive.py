"""Naive forecasts against numbers worked out by hand, alone and in a Forecaster."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tsseq import Drift, Forecaster, LastValue, Mean, SeasonalNaive
from tsseq.errors import ConfigError

NAN = np.nan
NAIVES = [LastValue(), SeasonalNaive(2), Drift(), Mean()]
naives = pytest.mark.parametrize("naive", NAIVES, ids=lambda naive: type(naive).__name__)


def forecast(naive, context, horizon):
    fitted = clone(naive).fit(np.zeros((1, len(context))), np.zeros((1, horizon)))
    return fitted.predict(np.array([context], dtype=float)).ravel().tolist()


@pytest.mark.parametrize(
    ("naive", "context", "want"),
    [
        (LastValue(), [1, 2, 7, 4], [4, 4, 4]),
        (SeasonalNaive(), [1, 2, 7, 4], [4, 4, 4]),
        (SeasonalNaive(2), [1, 2, 7, 4], [7, 4, 7]),
        (SeasonalNaive(3), [1, 2, 7, 4], [2, 7, 4]),
        (SeasonalNaive(4), [1, 2, 7, 4], [1, 2, 7]),
        (Drift(), [1, 2, 7, 4], [5, 6, 7]),
        (Drift(), [4], [4, 4, 4]),
        (Mean(), [1, 2, 7, 4], [3.5, 3.5, 3.5]),
    ],
)
def test_golden_numbers(naive, context, want):
    assert forecast(naive, context, 3) == want


def test_australian_beer_as_the_textbook_forecasts_it():
    """Quarterly megalitres of 2008 to 2009: the naive methods of Forecasting: Principles and Practice, 5.2."""
    beer = [444, 386, 388, 473, 422, 394, 408, 482]
    assert forecast(SeasonalNaive(4), beer, 6) == [422, 394, 408, 482, 422, 394]
    assert forecast(LastValue(), beer, 2) == [482, 482]
    np.testing.assert_allclose(forecast(Drift(), beer, 2), [482 + 38 / 7, 482 + 76 / 7])
    np.testing.assert_allclose(forecast(Mean(), beer, 1), [np.mean(beer)])


@pytest.mark.parametrize(
    ("naive", "context", "want"),
    [
        (LastValue(), [1, 2, NAN, NAN], [2, 2, 2]),
        (LastValue(), [NAN, 5, NAN, NAN], [5, 5, 5]),
        (Mean(), [1, NAN, 7, NAN], [4, 4, 4]),
        (SeasonalNaive(2), [1, 2, NAN, 4], [1, 4, 1]),
        (SeasonalNaive(2), [NAN, NAN, NAN, 4], [4, 4, 4]),
        (Drift(), [1, NAN, 7, 4], [5, 6, 7]),
        pytest.param(
            *(Drift(), [NAN, NAN, 1, 2], [3, 4, 5]),
        ),
        pytest.param(
            *(Drift(), [1, 2, 3, NAN], [5, 6, 7]),
        ),
        pytest.param(
            *(SeasonalNaive(4), [1, 2, 3, 4, 5, NAN, 7, 8], [5, 2, 7]),
        ),
    ],
)
def test_missing_values_are_passed_over(naive, context, want):
    np.testing.assert_allclose(forecast(naive, context, 3), want)


@pytest.mark.parametrize(
    "naive",
    [
        LastValue(),
        SeasonalNaive(2),
        Drift(),
        pytest.param(Mean()),
    ],
)
def test_nothing_observed_gives_nothing(naive):
    assert np.isnan(forecast(naive, [NAN, NAN, NAN], 2)).all()


@naives
@given(
    context=st.lists(st.floats(-1e3, 1e3) | st.just(NAN), min_size=2, max_size=8).filter(
        lambda c: not np.isnan(c).all()
    ),
    a=st.floats(-100, 100),
    b=st.floats(-100, 100),
    horizon=st.integers(1, 4),
)
def test_forecasts_shift_and_stretch_as_their_context_does(naive, context, a, b, horizon):
    context = np.array(context)
    want = a * np.array(forecast(naive, context, horizon)) + b
    np.testing.assert_allclose(forecast(naive, a * context + b, horizon), want, rtol=1e-9, atol=1e-7)


@naives
@pytest.mark.parametrize("scaling", ["last", "standard", "mean", "none"])
def test_scaling_does_not_change_a_naive_forecast(naive, scaling):
    series = pd.Series(np.random.default_rng(1).normal(size=40).cumsum() + 30)
    out = Forecaster(naive, 3, 6, scaling=scaling).fit(series).predict()
    np.testing.assert_allclose(out, forecast(naive, series.to_numpy()[-6:], 3), rtol=1e-12)


def test_under_log_the_drift_is_a_rate_and_the_mean_geometric():
    series = pd.Series(2.0 ** np.arange(20))
    np.testing.assert_allclose(Forecaster(Drift(), 2, 4, log=True).fit(series).predict(), [2**20, 2**21])
    np.testing.assert_allclose(Forecaster(Mean(), 1, 3, log=True).fit(series).predict(), [2**18])
    np.testing.assert_allclose(Forecaster(LastValue(), 1, 3, log=True).fit(series).predict(), [2**19], rtol=1e-14)


@naives
@pytest.mark.parametrize("multivariate", ["independent", "joint"])
def test_covariates_are_ignored_and_targets_are_kept_apart(naive, multivariate):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=40), "b": 100 * rng.normal(size=40), "p": rng.normal(size=40), "k": 1.5})
    model = Forecaster(naive, 3, 6, target=["a", "b"], past="p", known="k", multivariate=multivariate)
    out = model.fit(frame).predict(future=pd.DataFrame({"k": [9.0] * 3}, [40, 41, 42]))
    for name in "ab":
        np.testing.assert_allclose(out[name], forecast(naive, frame[name].to_numpy()[-6:], 3), rtol=1e-12)


@naives
def test_one_step_is_one_number_for_each_row(naive):
    X = np.arange(12.0).reshape(3, 4)
    assert clone(naive).fit(X, np.zeros(3)).predict(X).shape == (3,)
    assert clone(naive).fit(X, np.zeros((3, 2))).predict(X).shape == (3, 2)


@naives
def test_nothing_is_learnt_from_the_values(naive):
    X, rng = np.arange(12.0).reshape(3, 4), np.random.default_rng(0)
    one, other = (
        clone(naive).fit(X, np.zeros((3, 2))),
        clone(naive).fit(rng.normal(size=(9, 4)), rng.normal(size=(9, 2))),
    )
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize("season_length", [0, -1, 5])
def test_a_season_must_fit_the_context(season_length):
    with pytest.raises(ConfigError, match=rf"season_length={season_length} must be 1 to context_length=4"):
        SeasonalNaive(season_length).fit(np.zeros((1, 4)), np.zeros((1, 2)))


@pytest.mark.parametrize("season_length", [2.0, "2", None])
def test_a_season_must_be_a_whole_number(season_length):
    with pytest.raises(ConfigError, match="season_length="):
        SeasonalNaive(season_length).fit(np.zeros((1, 4)), np.zeros((1, 2))).predict(np.zeros((1, 4)))


@naives
def test_rows_must_have_the_width_of_those_seen_in_fit(naive):
    with pytest.raises(NotFittedError):
        clone(naive).predict(np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"5 features, but .* expecting 4"):
        clone(naive).fit(np.zeros((1, 4)), np.zeros((1, 2))).predict(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="infinity"):
        clone(naive).fit(np.zeros((1, 4)), np.zeros((1, 2))).predict([[1.0, 2, 3, np.inf]])


@pytest.mark.parametrize("scaling", ["last", "adaptive", "none"])
def test_the_last_price_comes_back_to_the_bit_under_log(scaling):
    prices = 5000 * np.exp(np.random.default_rng(3).normal(size=(60, 2)).cumsum(axis=0))
    prices[-2:, 1] = NAN
    frame = pd.DataFrame(prices, pd.date_range("2024", periods=60), ["a", "b"])
    model = Forecaster(LastValue(), 2, 5, target=["a", "b"], log=True, scaling=scaling).fit(frame)
    assert (model.predict(steps=5) == [prices[-1, 0], prices[-3, 1]]).all(axis=None)
    table = model.predict_at(frame, frame.index[10:50])
    rows = frame.stack().reindex(pd.MultiIndex.from_frame(table[["cutoff", "target"]]))
    assert (table["forecast"].to_numpy() == rows.to_numpy()).all()
