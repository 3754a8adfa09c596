"""Scores of all models and groups at once are those of the plain functions; intervals that hold the truth."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import tsseq
from tsseq import ConfigError, DataError, Forecaster, make_series, metrics
from tsseq.evaluation.result import BacktestResult
from tsseq.evaluation.significance import direction_test
from tsseq.resampling.bootstrap import block_length, percentiles, resampled

LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]


@cache
def result() -> BacktestResult:
    """Three series of unlike size, two targets, one model with quantiles made up around its forecasts."""
    days = pd.date_range("2020", periods=160)
    rng = np.random.default_rng(0)
    walks = {
        name: pd.DataFrame({k: size * rng.normal(size=160).cumsum() for k in ("a", "b")}, days)
        for name, size in (("small", 1), ("large", 100), ("late", 10))
    }
    walks["late"] = walks["late"][100:]
    frame = pd.concat(walks, names=["id", "day"])
    found = tsseq.backtest({"ridge": Forecaster(Ridge(), 3, 10, target=["a", "b"])}, frame, n_cutoffs=25, stride=2)
    table, spread = found.forecasts.copy(), found.forecasts["id"].map({"small": 1.0, "large": 100.0, "late": 10.0})
    for level in LEVELS:
        table[f"q{level:g}"] = np.where(
            table["model"] == "ridge", table["forecast"] + 4 * spread * (level - 0.5), np.nan
        )
    return replace(found, forecasts=table)


def by_hand(part: pd.DataFrame, whole: BacktestResult) -> dict[str, float]:
    """One row of the score table from the functions in `tsseq.metrics`."""
    own = part[part["model"] == "ridge"]
    naive = part.loc[part["model"] == "last_value", "forecast"].to_numpy()
    actual, forecast = own["actual"], own["forecast"]
    keys = pd.MultiIndex.from_frame(own[["id", "target"]].astype(object))
    unit, square = whole.mase_scale.reindex(keys).to_numpy(), whole.rmsse_scale.reindex(keys).to_numpy()
    quantiles = {level: own[f"q{level:g}"] for level in LEVELS}
    ends = quantiles[0.1], quantiles[0.9]
    return {
        "skill": metrics.skill(actual, forecast, naive),
        "MAE": metrics.mae(actual, forecast),
        "RMSE": metrics.rmse(actual, forecast),
        "MASE": metrics.mase(actual, forecast, unit),
        "sMAPE": metrics.smape(actual, forecast),
        "pinball": metrics.crps(actual, quantiles) / 2,
        "coverage": metrics.coverage(actual, *ends),
        "RMSSE": metrics.rmsse(actual, forecast, square),
        "U2": metrics.theil_u2(actual, forecast, naive),
        "R2": metrics.r2_out_of_sample(actual, forecast, naive),
        "direction": metrics.directional_accuracy(actual, forecast, naive),
        "CRPS": metrics.crps(actual, quantiles),
        "winkler": metrics.winkler(actual, *ends, level=0.8),
        **{f"pinball_q{level:g}": metrics.pinball(actual, quantiles[level], level) for level in LEVELS},
    }


def test_scores_are_those_of_the_plain_functions():
    expected = by_hand(result().common(), result())
    found = result().scores.loc["ridge"].drop("direction_p")
    assert list(found.index) == list(expected)
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-12)


@pytest.mark.parametrize("column", ["id", "step", "target", "cutoff"])
def test_scores_of_every_group_are_those_of_its_own_forecasts(column):
    table = result().by(column).xs("ridge", level="model").drop(columns="direction_p")
    groups = dict(list(result().common().groupby(column, observed=True)))
    assert list(table.index) == list(groups)
    expected = [list(by_hand(part, result()).values()) for part in groups.values()]
    np.testing.assert_allclose(table, expected, rtol=1e-12)


def test_the_order_of_the_rows_and_rows_that_some_model_lacks_change_nothing():
    table = result().forecasts
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(replace(result(), forecasts=shuffled).scores, result().scores)
    gone = (table["model"] == "drift") & (table["id"] == "large")
    less = replace(result(), forecasts=table[~gone]).scores
    pd.testing.assert_frame_equal(less, replace(result(), forecasts=table[table["id"] != "large"]).scores)


def test_models_keep_their_names_when_the_table_comes_from_a_file():
    """Text has no order of its own, so that names sort otherwise than their rows."""
    found = result()
    plain = replace(found, forecasts=found.forecasts.astype({"model": object}))
    pd.testing.assert_frame_equal(found.scores, plain.scores.loc[found.scores.index])


def test_columns_that_a_user_added_change_no_score():
    more = result().forecasts.assign(quarter=1, q=2.0, quality="good")
    pd.testing.assert_frame_equal(replace(result(), forecasts=more).scores, result().scores)


def test_ids_and_times_are_grouped_by_their_role_and_by_the_names_of_the_frame():
    named = replace(result(), forecasts=result().forecasts.rename(columns={"id": "ticker", "day": "date"}))
    pd.testing.assert_frame_equal(named.scores, result().scores)
    for role, name in {"id": "ticker", "time": "date"}.items():
        assert named.by(role).index.names == [name, "model"]
        pd.testing.assert_frame_equal(named.by(name), named.by(role))
        np.testing.assert_array_equal(named.by(role), result().by(role))
    assert named.keys == ["ticker", "cutoff", "step", "target"]


def test_scores_by_time_are_those_of_the_forecasts_of_that_day():
    day = result().forecasts["day"].max()
    part = result().common()
    expected = by_hand(part[part["day"] == day], result())
    found = result().by("time").loc[(day, "ridge")].drop("direction_p")
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-12)


def test_relative_scores_are_missing_where_the_last_value_has_no_error():
    table = result().forecasts
    still = replace(result(), forecasts=table.assign(actual=table["actual"].mask(table["id"] == "small", 5.0)))
    wrong = still.forecasts["forecast"].mask(
        (still.forecasts["id"] == "small") & (still.forecasts["model"] == "last_value"), 5.0
    )
    found = replace(still, forecasts=still.forecasts.assign(forecast=wrong)).by("id").loc[("small", "ridge")]
    assert found[["skill", "U2", "R2"]].isna().all()
    assert found["MAE"] > 0
    assert np.isnan(metrics.skill([5.0], [4.0], [5.0]))


def test_columns_of_the_scores_are_the_listed_metrics():
    listed = metrics.metrics_for(LEVELS)
    assert list(result().scores.columns.drop("direction_p")) == list(listed)
    shares = [name for name, metric in listed.items() if metric.percent]
    assert shares == ["skill", "coverage", "direction"]


def test_units_are_learnt_up_to_the_first_cutoff():
    wave = make_series("seasonal", 200, period=7)
    found = tsseq.backtest(Forecaster(Ridge(), 2, 10), wave, n_cutoffs=10)
    known = wave.loc[: found.forecasts["cutoff"].min()]
    assert found.mase_scale.iloc[0] == pytest.approx(metrics.naive_scale(known, 7))
    assert found.rmsse_scale.iloc[0] == pytest.approx(metrics.naive_scale(known, 7, power=2))


def test_quantiles_are_scored_only_where_there_are_some():
    plain = tsseq.backtest(Forecaster(Ridge(), 2, 10), make_series("ar1", 100), n_cutoffs=10).scores
    assert not {"CRPS", "winkler", "coverage", "pinball"} & set(plain)
    assert result().scores.loc["last_value", ["CRPS", "winkler", "pinball_q0.1"]].isna().all()
    lopsided = result().forecasts.drop(columns=["q0.9", "q0.75"])
    assert "winkler" not in replace(result(), forecasts=lopsided).scores


def test_forecasts_of_one_constant_direction_show_nothing():
    scores = result().scores
    assert (scores.loc["last_value", "direction"], scores.loc["last_value", "direction_p"]) == (0.5, 1.0)
    drifting = make_series("ar1", 300, phi=0.0).cumsum() + 3 * np.arange(300)
    up = tsseq.backtest(Forecaster(Ridge(), 1, 10), drifting, n_cutoffs=100).scores.loc["drift"]
    assert up["direction"] > 0.95
    assert up["direction_p"] == 1.0


def test_directions_that_are_known_are_found():
    rng = np.random.default_rng(0)
    moved = rng.normal(size=300)
    said = moved + 3 * rng.normal(size=300)
    cells, dates = np.tile(np.arange(3), 100), np.repeat(np.arange(100), 3)
    assert direction_test(moved, said, cells, dates) < 0.05 < direction_test(moved, rng.normal(size=300), cells, dates)


@pytest.mark.parametrize("overlap", [1, 4])
def test_directions_by_luck_are_found_as_often_as_they_should(overlap):
    rng = np.random.default_rng(1)
    kernel, found = np.ones(overlap), []
    for _ in range(300):
        moved, said = (np.convolve(rng.normal(size=120 + overlap - 1), kernel, "valid") for _ in range(2))
        copies = np.repeat(moved, 5), np.repeat(said, 5)  # five series that move as one are no more evidence than one
        found.append(direction_test(*copies, np.tile(np.arange(5), 120), np.repeat(np.arange(120), 5), overlap))
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.09


def test_a_still_series_has_no_direction_and_no_scaled_error():
    still = pd.Series(1.0, pd.date_range("2020", periods=60))
    scores = tsseq.backtest(Forecaster(Ridge(), 2, 10), still, n_cutoffs=5).scores
    assert (scores[["MAE", "RMSE"]] == 0).all(axis=None)
    assert scores[["MASE", "RMSSE", "skill", "U2", "direction"]].isna().all(axis=None)


def test_every_draw_has_as_many_cutoffs_as_there_are_in_blocks_of_neighbours():
    draws = resampled(30, block=7, times=500, seed=0)
    assert (draws.sum(axis=1) == 30).all()
    np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.25)
    together = np.corrcoef(draws.T)
    assert together[10, 11] > 0.7 > 0.2 > together[10, 20]
    np.testing.assert_array_equal(draws, resampled(30, 7, 500, seed=0))
    assert (draws != resampled(30, 7, 500, seed=1)).any()


def test_blocks_are_at_least_as_long_as_forecasts_overlap():
    assert [block_length(n, 1) for n in (1, 8, 27, 28, 1000)] == [1, 2, 3, 4, 10]
    assert (block_length(100, 20), block_length(10, 20)) == (35, 10)


@pytest.mark.parametrize("overlap", [1, 5])
def test_intervals_hold_the_true_mean_about_as_often_as_they_say(overlap):
    rng, held = np.random.default_rng(0), 0
    for seed in range(300):
        losses = 3 + np.convolve(rng.normal(size=400 + overlap - 1), np.ones(overlap), "valid")
        low, high = percentiles((losses @ resampled(400, block_length(400, overlap), 400, seed).T / 400)[None], 0.9)
        held += low[0] <= 3 <= high[0]
    assert 0.8 <= held / 300 <= 0.94


def test_intervals_surround_every_score_and_are_the_same_every_time():
    for metric in result().scores.columns.drop("direction_p"):
        table = result().intervals(metric).dropna()
        np.testing.assert_allclose(table[metric], result().scores[metric].dropna(), rtol=1e-12)
        assert ((table["lower"] <= table[metric] + 1e-9) & (table[metric] <= table["upper"] + 1e-9)).all(), metric
    pd.testing.assert_frame_equal(result().intervals(), result().intervals())
    narrow, wide = (result().intervals(level=level).loc["ridge"] for level in (0.5, 0.99))
    assert wide["lower"] < narrow["lower"] < narrow["upper"] < wide["upper"]
    assert result().intervals("skill").loc["last_value"].eq(0).all()


def test_interval_arguments_that_make_no_sense_are_refused():
    for arguments, message in [
        ({"metric": "direction_p"}, "metric='direction_p' must be one of skill, MAE, RMSE"),
        ({"level": 95}, "level=95 must lie between 0 and 1"),
        ({"block": 0}, "block=0"),
        ({"n_samples": 0}, "n_samples=0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            result().intervals(**arguments)


def test_forecasts_without_a_value_in_common_are_an_error():
    table = result().forecasts
    halves = table["cutoff"] > table["cutoff"].median()
    apart = table[(table["model"] == "ridge") == halves]
    with pytest.raises(DataError, match="forecast by all models"):
        replace(result(), forecasts=apart).scores
