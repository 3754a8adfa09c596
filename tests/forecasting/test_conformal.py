"""Conformal quantiles cover what they say, in every unit, and know only the past."""

import pickle

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge

import tsseq
from tsseq import ConfigError, ConformalForecaster, EnsembleForecaster, Forecaster, LastValue, Mean, NotEnoughHistory

BAND = [0.1, 0.9]


def days(n):
    return pd.date_range("2000", periods=n, name="day")


def ar1(n, seed=0, phi=0.7):
    noise, values = np.random.default_rng(seed).normal(size=n), np.zeros(n)
    for t in range(1, n):
        values[t] = phi * values[t - 1] + noise[t]
    return pd.Series(values + 50, days(n), name="y")


def walk(n, seed=0):
    return pd.Series(np.random.default_rng(seed).normal(size=n).cumsum(), days(n), name="y")


def share_within(found, actual):
    """Per (id, step), the share of actual values inside the band."""
    keys = [name for name in ("id", "step") if name in found]
    inside = found["q0.1"].le(actual) & found["q0.9"].ge(actual)
    return inside.groupby([found[key] for key in keys]).mean()


def small(**options):
    return ConformalForecaster(Forecaster(Ridge(), 2, 5), 20, **options)


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("name", ["ar1", "noise"])
def test_the_band_from_10_to_90_percent_holds_80_percent_of_what_comes(name, refit):
    series = ar1(5500, phi=0.7 if name == "ar1" else 0.0)
    model = ConformalForecaster(Forecaster(Ridge(), 3, 10), 3000, refit=refit).fit(series[:3497])
    found = model.predict_at(series, series.index[3497:5497], BAND)
    share = share_within(found, found["day"].map(series))
    assert found["cutoff"].nunique() == 2000
    np.testing.assert_allclose(share, 0.8, atol=0.04)


def test_widths_grow_on_a_random_walk_as_the_root_of_the_step():
    series = walk(12000)
    model = ConformalForecaster(Forecaster(LastValue(), 8, 5), 11900).fit(series)
    found = model.predict(levels=BAND)
    widths = (found["y_q0.9"] - found["y_q0.1"]).to_numpy()
    np.testing.assert_allclose(widths / widths[0], np.sqrt(np.arange(1, 9)), rtol=0.1)
    assert widths[0] == pytest.approx(2 * 1.2816, rel=0.05)


def test_series_of_very_different_size_are_both_covered():
    small, large = ar1(1500, 1), 1e6 * ar1(1500, 2)
    frame = pd.concat({"small": small, "large": large, "new": 1e-3 * ar1(1500, 3)}, names=["id"]).to_frame("y")
    past = frame[(frame.index.get_level_values("day") < days(900)[-1]) & (frame.index.get_level_values("id") != "new")]
    model = ConformalForecaster(Forecaster(LinearRegression(), 2, 20), 400).fit(past)
    found = model.predict_at(frame, days(1500)[900:1498], BAND)
    actual = frame["y"].reindex(pd.MultiIndex.from_frame(found[["id", "day"]])).to_numpy()
    share = share_within(found, actual)
    np.testing.assert_allclose(share[["small", "large"]], 0.8, atol=0.07)
    np.testing.assert_allclose(share["new"], 0.8, atol=0.12)  # measured by its own contexts
    width = (found["q0.9"] - found["q0.1"]).groupby(found["id"]).mean()
    assert width["large"] / width["small"] == pytest.approx(1e6, rel=0.2)


def test_each_edge_is_the_error_that_the_finite_sample_rule_names():
    series, n = ar1(200), 24
    model = ConformalForecaster(Forecaster(LastValue(), 2, 4), n).fit(series)
    levels = [0.5, 0.9, 0.1, 0.02, 0.98]
    found = model.predict(levels=levels)
    for step in (1, 2):
        error = np.sort((series.shift(-step) - series).abs().iloc[-n - 2 : -2])
        row = found.iloc[step - 1]
        assert row["y_q0.5"] == row["y"]
        for level, rank in [(0.9, 20), (0.98, 24)]:  # 25 * 0.8 and 25 * 0.96
            assert row[f"y_q{level}"] - row["y"] == pytest.approx(error[rank - 1])
            assert row["y"] - row[f"y_q{1 - level:g}"] == pytest.approx(error[rank - 1])


def test_quantiles_come_in_the_order_asked_and_never_cross():
    model = ConformalForecaster(Forecaster(Ridge(), 3, 8), 60).fit(walk(300))
    levels = [0.9, 0.05, 0.5, 0.3, 0.95]
    found = model.predict(levels=levels)
    assert list(found.columns) == ["y", *(f"y_q{level}" for level in levels)]
    table = model.predict_at(walk(300), days(300)[100:200], levels)
    assert (np.diff(table[[f"q{level}" for level in sorted(levels)]], axis=1) >= 0).all()


def test_prices_stay_above_zero_under_log():
    prices = np.exp(walk(400) * 2)
    found = ConformalForecaster(Forecaster(Ridge(), 5, 10, log=True), 100).fit(prices).predict(levels=[0.01, 0.99])
    assert (found > 0).all(axis=None)
    ratio = found["y_q0.99"] / found["y"], found["y"] / found["y_q0.01"]
    np.testing.assert_allclose(*ratio)


@pytest.mark.parametrize("refit", [True, False])
def test_point_forecasts_are_those_of_the_forecaster_on_all_rows_or_on_those_before_calibration(refit):
    series = ar1(120)
    model = small(refit=refit).fit(series)
    plain = Forecaster(Ridge(), 2, 5).fit(series if refit else series[:-21])
    assert_series_equal(model.predict(series), plain.predict(series), check_exact=True)
    assert_series_equal(model.predict(levels=BAND)["y"], plain.predict(series), check_exact=True)
    assert model.fitted_until_ == series.index[-1]
    assert len(model.predict(steps=7)) == 7


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("poison", [np.nan, 1e30, -7.0])
@pytest.mark.parametrize("log", [True, False])
def test_what_comes_after_a_cutoff_changes_no_bit(poison, log, refit):
    frame = pd.concat({"a": np.exp(walk(200) / 10), "b": np.exp(walk(200, 1) / 10 + 9)}, names=["id"]).to_frame("y")
    stamps = frame.index.get_level_values("day")
    bad = frame.copy()
    bad.loc[stamps > days(200)[150], "y"] = poison
    model = ConformalForecaster(Forecaster(Ridge(), 3, 10, log=log), 30, refit=refit)
    cutoffs, levels = days(200)[[140, 150]], [0.1, 0.5, 0.9]
    want = model.fit(frame[stamps <= days(200)[130]]).predict_at(frame, cutoffs, levels)
    assert want.notna().all(axis=None)
    assert_frame_equal(model.predict_at(bad, cutoffs, levels), want, check_exact=True)
    runs = [tsseq.backtest({"c": model}, one, cutoffs, refit=True, levels=BAND).forecasts for one in (frame, bad)]
    assert_frame_equal(*(run.drop(columns="actual") for run in runs), check_exact=True)


def test_a_series_that_never_moves_gets_a_band_without_width():
    still = pd.Series(3.25, days(80), name="y")
    found = ConformalForecaster(Forecaster(Ridge(), 2, 6), 20).fit(still).predict(levels=BAND)
    assert (found == 3.25).all(axis=None)
    both = pd.concat({"still": still, "moves": walk(80)}, names=["id"]).to_frame("y")
    alone = ConformalForecaster(Forecaster(LastValue(), 2, 6), 20).fit(both.loc[["moves"]])
    model = ConformalForecaster(Forecaster(LastValue(), 2, 6), 20).fit(both)
    found = model.predict(levels=BAND)
    assert (found.loc["still"] == 3.25).all(axis=None)
    assert_frame_equal(found.loc[["moves"]], alone.predict(levels=BAND))


def test_every_target_has_widths_of_its_own():
    frame = pd.DataFrame({"a": ar1(300), "b": 1000 * walk(300)})
    for multivariate in ("independent", "joint"):
        inner = Forecaster(LastValue(), 2, 6, target=["a", "b"], multivariate=multivariate)
        found = ConformalForecaster(inner, 50).fit(frame).predict(levels=[0.9])
        for name in frame:
            one = ConformalForecaster(Forecaster(LastValue(), 2, 6, target=name), 50).fit(frame)
            assert_frame_equal(found[[name, f"{name}_q0.9"]], one.predict(levels=[0.9]))


def test_missing_values_are_left_out_of_the_errors():
    series = ar1(200)
    series.iloc[[-5, -9, -30]] = np.nan
    model = ConformalForecaster(Forecaster(LastValue(), 1, 6), 20).fit(series)
    assert np.isfinite(model.scores_).sum() == 18
    assert np.isfinite(model.predict(levels=BAND)).all(axis=None)


def test_series_too_short_before_the_calibration_rows_are_no_obstacle():
    frame = pd.concat({"long": walk(200), "young": walk(200, 1)[-25:]}, names=["id"]).to_frame("y")
    model = ConformalForecaster(Forecaster(Ridge(), 2, 6), 30).fit(frame)
    assert list(model.scaling_.ids) == ["long"]
    assert np.isfinite(model.predict(levels=BAND)).all(axis=None)


def test_the_frame_that_comes_out_has_the_shape_of_the_one_that_went_in():
    wide = pd.concat({"B": ar1(100), "A": walk(100)}, axis=1, names=["Ticker"])
    wide.columns = pd.MultiIndex.from_product([["Close"], wide.columns], names=["Price", "Ticker"])
    inner = Forecaster(Ridge(), 2, 5, target="Close")
    found = ConformalForecaster(inner, 20).fit(wide).predict(levels=[0.9])
    assert found.columns.tolist() == [(name, ticker) for name in ("Close", "Close_q0.9") for ticker in ("B", "A")]
    assert (found["Close_q0.9"] > found["Close"]).all(axis=None)


def test_known_covariates_pass_through():
    frame = pd.DataFrame({"y": ar1(120), "promo": np.arange(120) % 7 == 0}, index=days(120)).astype(float)
    model = ConformalForecaster(Forecaster(Ridge(), 2, 5, target="y", known="promo"), 20).fit(frame)
    future = model.make_future_frame().fillna(1.0)
    assert model.predict(future=future, levels=BAND).notna().all(axis=None)


def test_backtests_score_pinball_and_coverage_and_fit_before_the_first_cutoff():
    series = ar1(600)
    plain = Forecaster(Ridge(), 2, 10)
    models = {"band": ConformalForecaster(plain, 100), "ridge": plain}
    result = tsseq.backtest(models, series, n_cutoffs=150, stride=1, levels=BAND)
    assert result.scores.loc["band", "coverage"] == pytest.approx(0.8, abs=0.08)
    assert 0 < result.scores.loc["band", "pinball"] < result.scores.loc["band", "MAE"]
    assert result.scores.loc[["ridge", "mean"], ["coverage", "pinball"]].isna().all(axis=None)
    assert result.scores.loc["band", "MAE"] == result.scores.loc["ridge", "MAE"]
    assert (result.fits["fitted_until"] == result.fits["first_cutoff"]).all()


@pytest.mark.parametrize("refit", [True, False])
def test_calibration_rows_count_as_seen_when_a_backtest_asks_what_was_fitted(refit):
    series, model = ar1(300), small(refit=refit)
    fresh = tsseq.backtest({"band": model}, series, n_cutoffs=30, levels=BAND)
    late = tsseq.backtest({"band": clone(model).fit(series)}, series, n_cutoffs=30, levels=BAND)
    assert_frame_equal(late.scores, fresh.scores, check_exact=True)
    early = tsseq.backtest({"band": clone(model).fit(series[:150])}, series, n_cutoffs=30, levels=BAND)
    assert early.fits.set_index("model").loc["band", "fitted"] == "before"


def test_clones_copies_and_parameters_behave_as_in_scikit_learn():
    model = small().fit(ar1(100))
    twin = clone(model).set_params(forecaster__horizon=3, forecaster__regressor__alpha=9.0, n_calibration=9)
    assert not hasattr(twin, "forecaster_")
    assert (model.forecaster.horizon, twin.fit(ar1(100)).scores_.shape) == (2, (9, 3, 1))
    loaded = pickle.loads(pickle.dumps(model))
    assert_frame_equal(loaded.predict(levels=BAND), model.predict(levels=BAND), check_exact=True)
    assert not hasattr(model.forecaster, "regressor_")


def test_it_goes_around_neural_forecasters_ensembles_and_itself():
    series = ar1(150)
    neural = tsseq.LinearForecaster(2, 6, training=tsseq.Training(max_epochs=1, verbose=False))
    ensemble = EnsembleForecaster([Forecaster(Ridge(), 2, 9), Forecaster(Mean(), 2, 5)])
    for inner in (neural, ensemble, small()):
        model = ConformalForecaster(inner, 20).fit(series)
        for found in (model.predict(levels=BAND), model.predict_at(series, series.index[90:95], BAND)):
            assert np.isfinite(found.select_dtypes(float)).all(axis=None)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ConformalForecaster(Ridge()), r"a forecaster such as .* was needed, not Ridge\(\)"),
        (ConformalForecaster(Forecaster), "was needed, not <class"),
        (small().set_params(n_calibration=0), "n_calibration=0 must be a whole number"),
        (small().set_params(forecaster__horizon=0), r"horizon=0\) must be a whole number"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(model, message):
    with pytest.raises(ConfigError, match=message):
        model.fit(ar1(100))


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([0.0, 0.9], "between 0 and 1"),
        ([0.01, 0.99], r"levels=\[0.01, 0.99\] need 49 errors for every step, and there are 20. Raise n_calibration"),
    ],
)
def test_levels_that_the_errors_cannot_tell_are_refused(levels, message):
    with pytest.raises(ConfigError, match=message):
        small().fit(ar1(100)).predict(levels=levels)


def test_quantiles_end_at_the_horizon():
    with pytest.raises(ConfigError, match="levels end at horizon=2"):
        small().fit(ar1(100)).predict(steps=3, levels=BAND)


def test_a_history_too_short_says_what_is_needed():
    with pytest.raises(NotEnoughHistory, match=r"n_calibration=20 holds out the last 21 of 27 rows, and 7 \(con"):
        small().fit(ar1(27))
    assert len(small().fit(ar1(28)).predict(levels=BAND)) == 2


def test_before_fit_and_with_a_y_it_says_so():
    for ask in (small().predict, lambda: small().predict_at(ar1(50), days(50)[20:])):
        with pytest.raises(NotFittedError):
            ask()
    with pytest.raises(ConfigError, match="fit takes no y"):
        small().fit(ar1(50), ar1(50))


def test_forecasters_without_quantiles_name_the_remedy():
    with pytest.raises(ConfigError, match=r"Forecaster\(Ridge\(\)\) has no quantiles; wrap it in Conformal"):
        Forecaster(Ridge(), 2, 5).fit(ar1(50)).predict(levels=BAND)


def storms(n, seed=0):
    """Noise whose size doubles and halves every 400 rows."""
    size = np.where(np.arange(n) // 400 % 2, 4.0, 1.0)
    return pd.Series(np.random.default_rng(seed).normal(size=n) * size, days(n), name="y")


def test_rolling_widths_follow_the_times():
    series = storms(4400)
    share, width = {}, {}
    for rolling in (False, True):
        model = ConformalForecaster(Forecaster(Mean(), 2, 5), 100, refit=False, rolling=rolling).fit(series[:2000])
        found = model.predict_at(series, series.index[2000:4398], BAND)
        within = found["q0.1"].le(found["day"].map(series)) & found["q0.9"].ge(found["day"].map(series))
        settled = found["cutoff"].isin(series.index[np.arange(len(series)) % 400 > 120])
        calm = found["cutoff"].isin(series.index[np.arange(len(series)) // 400 % 2 == 0])
        share[rolling] = within[settled].groupby(calm).mean()
        width[rolling] = (found["q0.9"] - found["q0.1"])[settled].groupby(calm).mean()
    np.testing.assert_allclose(share[True], 0.8, atol=0.05)
    assert abs(share[False] - 0.8).max() > 0.15
    assert width[True][False] / width[True][True] == pytest.approx(4, rel=0.25)


def test_a_rolling_band_is_the_one_that_was_calibrated_at_its_cutoff():
    series = ar1(300)
    fixed = ConformalForecaster(Forecaster(Mean(), 3, 5), 50, refit=False).fit(series[:200])
    rolling = ConformalForecaster(Forecaster(Mean(), 3, 5), 50, refit=False, rolling=True).fit(series[:200])
    now = series.index[[199]]
    units = rolling.scaling_.scale / fixed.scaling_.scale
    np.testing.assert_allclose(units, 1.0)
    assert_frame_equal(fixed.predict_at(series, now, BAND), rolling.predict_at(series, now, BAND))
    assert_frame_equal(fixed.predict(levels=BAND), rolling.predict(levels=BAND))


def test_a_rolling_band_ignores_rows_after_its_cutoff():
    series, poisoned = ar1(400), ar1(400)
    poisoned[300:] = 1e30
    model = small(refit=False, rolling=True).fit(series[:150])
    cutoffs = series.index[[220, 299]]
    assert_frame_equal(model.predict_at(series, cutoffs, BAND), model.predict_at(poisoned, cutoffs, BAND))


def test_a_rolling_band_asks_for_the_history_that_it_needs():
    model = small(refit=False, rolling=True).fit(ar1(150))
    with pytest.raises(NotEnoughHistory, match="rolling=True needs 7 rows or more"):
        model.predict(ar1(6), levels=BAND)
    with pytest.raises(ConfigError, match="errors for every step"):
        model.predict(ar1(9), levels=BAND)
