"""Several forecasters as one: combined by hand, of one member, of unequal contexts, in backtests."""

import pickle

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

import tsseq
from tsseq import ConfigError, ConformalForecaster, Drift, EnsembleForecaster, Forecaster, LastValue, Mean, Training

DAYS = pd.date_range("2020", periods=150, name="day")
BAND = [0.1, 0.9]


def panel():
    rng = np.random.default_rng(0)
    series = {name: pd.Series(rng.normal(size=150).cumsum() + 90, DAYS) for name in ("b", "a")}
    return pd.concat(series, names=["id"]).to_frame("y")


def members(**options):
    kinds = [(LastValue(), 4), (Drift(), 12), (Mean(), 8)]
    return [Forecaster(kind, 3, length, **options) for kind, length in kinds]


@pytest.mark.parametrize("combine", ["mean", "median"])
def test_forecasts_are_the_mean_or_median_of_the_members(combine):
    frame = panel()
    model = EnsembleForecaster(members(), combine).fit(frame)
    singles = [member.fit(frame) for member in members()]
    cutoffs = DAYS[[20, 90]]
    for ours, theirs, column in [
        (model.predict(), [one.predict() for one in singles], "y"),
        (model.predict(frame, steps=7), [one.predict(frame, steps=7) for one in singles], "y"),
        (model.predict_at(frame, cutoffs), [one.predict_at(frame, cutoffs) for one in singles], "forecast"),
    ]:
        by_hand = getattr(np, combine)([one[column] for one in theirs], axis=0)
        assert_frame_equal(ours.drop(columns=column), theirs[0].drop(columns=column))
        np.testing.assert_array_equal(ours[column], by_hand)


@pytest.mark.parametrize("combine", ["mean", "median"])
def test_an_ensemble_of_one_is_its_member(combine):
    frame, member = panel(), ConformalForecaster(Forecaster(Ridge(), 3, 8, log=True), 30)
    model, alone = EnsembleForecaster([member], combine).fit(frame), clone(member).fit(frame)
    assert_frame_equal(model.predict(levels=BAND), alone.predict(levels=BAND), check_exact=True)
    found, want = (one.predict_at(frame, DAYS[50:60], BAND) for one in (model, alone))
    assert_frame_equal(found, want, check_exact=True)
    assert model.fitted_until_ == DAYS[-1]


def test_quantiles_are_averaged_level_by_level():
    frame = panel()
    both = [ConformalForecaster(member, 30) for member in members()[:2]]
    levels = [0.9, 0.5, 0.2]
    found = EnsembleForecaster(both).fit(frame).predict(levels=levels)
    want = sum(member.fit(frame).predict(levels=levels) for member in both) / 2
    assert_frame_equal(found, want)
    assert (np.diff(found[["y_q0.2", "y_q0.5", "y_q0.9"]], axis=1) > 0).all()


def test_series_take_part_where_the_longest_context_fits():
    frame = panel().drop([("a", day) for day in DAYS[:40]])
    model = EnsembleForecaster(members()).fit(frame)
    found = model.predict_at(frame, DAYS[[45, 60]])
    assert found.groupby("cutoff")["id"].unique().map(list).tolist() == [["b"], ["b", "a"]]
    singles = [member.fit(frame).predict_at(frame, DAYS[[60]])["forecast"] for member in members()]
    np.testing.assert_array_equal(found.loc[found["cutoff"] == DAYS[60], "forecast"], np.mean(singles, axis=0))


@pytest.mark.parametrize("poison", [np.nan, 1e30])
def test_what_comes_after_a_cutoff_changes_no_bit(poison):
    frame = panel()
    bad = frame.copy()
    bad.loc[bad.index.get_level_values("day") > DAYS[100], "y"] = poison
    model = EnsembleForecaster([*members(), Forecaster(Ridge(), 3, 6)])
    runs = [tsseq.backtest({"e": model}, one, DAYS[[90, 100]], refit=True).forecasts for one in (frame, bad)]
    assert_frame_equal(*(run.drop(columns="actual") for run in runs), check_exact=True)


def test_workers_change_no_bit():
    frame, one = panel(), [Forecaster(Ridge(), 3, 6), Forecaster(Ridge(9.0), 3, 6)]
    found = [EnsembleForecaster(one, n_jobs=jobs).fit(frame).predict() for jobs in (None, 2)]
    assert_frame_equal(*found, check_exact=True)


def test_it_takes_part_in_backtests_beside_others():
    conformal = [ConformalForecaster(member, 40) for member in members()]
    models = {"ensemble": EnsembleForecaster(conformal), "ridge": Forecaster(Ridge(), 3, 6)}
    models["around"] = ConformalForecaster(EnsembleForecaster(members()), 40)
    result = tsseq.backtest(models, panel(), n_cutoffs=40, stride=1, levels=BAND)
    covered = result.scores["coverage"]
    assert covered[["ensemble", "around"]].between(0.5, 1).all()
    assert np.isnan(covered["ridge"])
    fitted = clone(models["ensemble"]).fit(panel())
    again = tsseq.backtest({"ensemble": fitted}, panel(), n_cutoffs=40, stride=1, levels=BAND)
    assert_frame_equal(again.scores.loc[["ensemble"]], result.scores.loc[["ensemble"]])
    assert (result.fits["fitted_until"] == result.fits["first_cutoff"]).all()


def test_named_members_are_reached_by_name_and_clones_are_unfitted():
    pairs = list(zip(("last", "drift", "ridge"), [*members()[:2], Forecaster(Ridge(), 3, 6)]))
    model = EnsembleForecaster(pairs).fit(panel())
    twin = clone(model).set_params(ridge__regressor__alpha=7.0, combine="median", last=Forecaster(Mean(), 3, 9))
    assert not hasattr(twin, "forecasters_")
    assert (twin.forecasters[2][1].regressor.alpha, model.forecasters[2][1].regressor.alpha) == (7.0, 1.0)
    assert twin.get_params()["last__context_length"] == 9
    assert not any(hasattr(member, "regressor_") for _, member in pairs)
    assert_frame_equal(pickle.loads(pickle.dumps(model)).predict(), model.predict(), check_exact=True)
    plain = EnsembleForecaster([member for _, member in pairs])
    assert set(clone(plain).get_params()) == {"forecasters", "combine", "n_jobs"}
    assert_frame_equal(plain.fit(panel()).predict(), model.predict(), check_exact=True)
    outer = ConformalForecaster(model, 20).set_params(forecaster__ridge__regressor__alpha=2.0)
    assert outer.forecaster.forecasters[2][1].regressor.alpha == 2.0


def test_one_forecaster_over_seeds():
    forest = Forecaster(RandomForestRegressor(3), 3, 6)
    model = EnsembleForecaster.over_seeds(forest, 3, "median")
    assert [member.regressor.random_state for _, member in model.forecasters] == [0, 1, 2]
    assert (forest.regressor.random_state, model.combine) == (None, "median")
    neural = tsseq.LinearForecaster(3, 6, training=Training(max_epochs=1, verbose=False))
    twins = EnsembleForecaster.over_seeds(neural, 2).fit(panel())
    singles = [clone(neural).set_params(training__seed=seed).fit(panel()).predict() for seed in (0, 1)]
    assert_frame_equal(twins.predict(), sum(singles) / 2)
    with pytest.raises(ConfigError, match="no parameter called seed or random_state; give a neural one training="):
        EnsembleForecaster.over_seeds(tsseq.LinearForecaster(3, 6), 2)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (EnsembleForecaster([]), "a list of forecasters"),
        (EnsembleForecaster(Forecaster(Ridge(), 3, 6)), "a list of forecasters"),
        (EnsembleForecaster([Ridge()]), r"was needed, not Ridge\(\)"),
        (EnsembleForecaster(members(), "max"), r"combine='max'\) must be one of 'mean', 'median'"),
        (EnsembleForecaster([*members(), Forecaster(Mean(), 2, 5)]), "one has horizon=2, the first 3"),
        (EnsembleForecaster([*members(), Forecaster(Mean(), 3, 5, past="v")]), "one has schema="),
        (EnsembleForecaster([("a", members()[0]), ("a", members()[1])]), "differ from one another"),
        (EnsembleForecaster([("a__b", members()[0])]), "have no '__'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(model, message):
    with pytest.raises(ConfigError, match=message):
        model.fit(panel())


def test_what_members_cannot_do_the_ensemble_cannot_either():
    model = EnsembleForecaster(members())
    assert not model.has_quantiles
    with pytest.raises(NotFittedError):
        model.predict()
    with pytest.raises(ConfigError, match=r"Forecaster\(LastValue\(\)\) has no quantiles"):
        model.fit(panel()).predict(levels=BAND)
    with pytest.raises(ConfigError, match="fit takes no y"):
        model.fit(panel(), panel())
