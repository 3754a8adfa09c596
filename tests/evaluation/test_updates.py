"""Backtests that update a model where others fit it anew."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

import tsseq
from tsseq import ConfigError, Forecaster, LastValue, LinearForecaster, Training, rolling_forecasts


def drifting(n: int = 420) -> pd.Series:
    """A wave whose period changes after 300 rows."""
    t = np.arange(n)
    phase = np.where(t < 300, t / 9, 300 / 9 + (t - 300) / 5)
    noise = 0.05 * np.random.default_rng(0).normal(size=n)
    return pd.Series(np.sin(2 * np.pi * phase) + noise, pd.date_range("2023-01-01", periods=n), name="y")


UPDATED = {"line": False, "training": Training(max_epochs=4, learning_rate=0.01, verbose=False)}


def test_a_model_that_is_updated_beats_one_that_is_not_where_the_world_changes():
    frame, model = drifting(), LinearForecaster(3, 18, **UPDATED)
    cutoffs = frame.index[300:415:8]
    errors = {
        refit: (table["forecast"] - table["actual"]).abs().mean()
        for refit in (False, "update")
        for table in [rolling_forecasts(model, frame, cutoffs, refit=refit)]
    }
    assert errors["update"] < 0.7 * errors[False]


def test_updates_know_nothing_of_what_comes_after_their_cutoff():
    frame, model = drifting(), LinearForecaster(3, 18, **UPDATED)
    cutoffs = frame.index[300:360:20]
    want = rolling_forecasts(model, frame, cutoffs, refit="update")
    for k, cutoff in enumerate(cutoffs):
        poisoned = frame.copy()
        poisoned[poisoned.index > cutoff] = 1e6 * np.random.default_rng(k).normal(size=(frame.index > cutoff).sum())
        found = rolling_forecasts(model, poisoned, cutoffs, refit="update")
        known = want["cutoff"] <= cutoff
        np.testing.assert_array_equal(found.loc[known, "forecast"], want.loc[known, "forecast"])
        assert k == 2 or not np.array_equal(found["forecast"], want["forecast"])


def test_updates_are_those_of_one_who_goes_on_by_hand():
    frame, model = drifting(), LinearForecaster(3, 18, **UPDATED)
    cutoffs = frame.index[[300, 320, 340, 360]]
    result = tsseq.backtest(model, frame, cutoffs, refit="update 2")
    ours = result.fits[result.fits["model"] == "LinearForecaster"]
    assert ours["fitted"].tolist() == ["here", "updated"]
    assert ours["fitted_until"].tolist() == [cutoffs[0], cutoffs[2]]
    by_hand = clone(model).fit(frame[: cutoffs[0]])
    early = by_hand.predict_at(frame, cutoffs[:2])["forecast"]
    late = by_hand.update(frame[cutoffs[0] :][1:][: cutoffs[2]]).predict_at(frame, cutoffs[2:])["forecast"]
    found = result.forecasts.loc[result.forecasts["model"] == "LinearForecaster", "forecast"]
    np.testing.assert_array_equal(found, np.concatenate([early, late]))


def test_a_fitted_model_is_updated_from_there_and_stays_as_it_was():
    frame = drifting()
    model = LinearForecaster(3, 18, **UPDATED).fit(frame[:250])
    want = model.predict()
    result = tsseq.backtest(model, frame, frame.index[[300, 340]], refit="update")
    ours = result.fits[result.fits["model"] == "LinearForecaster"]
    assert ours["fitted"].tolist() == ["before", "updated"]
    pd.testing.assert_series_equal(model.predict(), want, check_exact=True)


def test_what_cannot_be_updated_is_refused():
    with pytest.raises(ConfigError, match="Ridge cannot go on"):
        tsseq.backtest(Forecaster(Ridge(), 3, 18), drifting(), n_cutoffs=3, refit="update")
    with pytest.raises(ConfigError, match="refit='soon' is neither"):
        tsseq.backtest(Forecaster(LastValue(), 3, 18), drifting(), n_cutoffs=3, refit="update soon")
