"""A column of weights goes with a frame of any shape, and says what its rows count in training and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

import tsseq
from tsseq import Forecaster, LastValue, LinearForecaster, Training, WalkForward
from tsseq.errors import ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=60, name="day")
LENGTH, HORIZON = 8, 2
ROLES = {"target": "sales", "calendar": "D", "weight": "w"}
QUICK = Training(max_steps=10, verbose=False)


def panel(weight=None) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.concat(
        {
            name: pd.DataFrame({"sales": random.normal(size=60).cumsum() + level, "w": random.random(60)}, DAYS)
            for name, level in {"b": 30.0, "a": 10.0}.items()
        },
        names=["shop"],
    )
    return frame if weight is None else frame.assign(w=weight)


def long(frame):
    return frame.reset_index()


def wide(frame):
    return frame.unstack("shop").rename_axis(columns=["field", "ticker"])


SHAPES = {
    "panel": (lambda frame: frame, {}),
    "panel by time": (lambda frame: frame.swaplevel().sort_index(), {}),
    "long": (long, {"id_column": "shop", "time_column": "day"}),
    "unique_id and ds": (lambda frame: long(frame).rename(columns={"shop": "unique_id", "day": "ds"}), {}),
    "wide": (wide, {}),
    "wide by ticker": (lambda frame: wide(frame).swaplevel(axis=1), {}),
    "one series": (lambda frame: frame.loc["b"], {}),
}
shapes = pytest.mark.parametrize("shape", SHAPES)


def model_of(shape="panel", regressor=None, **roles) -> Forecaster:
    return Forecaster(Ridge() if regressor is None else regressor, HORIZON, LENGTH, **ROLES | SHAPES[shape][1] | roles)


@shapes
def test_a_window_weighs_the_mean_of_its_targets(shape):
    frame = SHAPES[shape][0](panel())
    model = model_of(shape).fit(frame)
    windows = model_of(shape, weight=None, target="sales", past=None).windows(frame)
    ids = ["b"] if shape == "one series" else ["a", "b"]
    columns = [panel().loc[name, "w"].to_numpy()[LENGTH:] for name in ids]
    weights = np.concatenate([np.lib.stride_tricks.sliding_window_view(w, HORIZON).mean(axis=1) for w in columns])
    assert model.layout_ == windows.layout  # the weights are no covariate
    expected = Ridge().fit(windows, windows.targets(), sample_weight=weights / weights.mean())
    np.testing.assert_allclose(model.regressor_.coef_, expected.coef_, rtol=1e-9)


@shapes
def test_forecasts_and_backtests_do_without_the_column_or_with_any_numbers_in_it(shape):
    turn = SHAPES[shape][0]
    frame = turn(panel())
    model = model_of(shape).fit(frame)
    want = model.predict()
    pd.testing.assert_frame_equal(model.predict(frame), want, check_freq=False)
    pd.testing.assert_frame_equal(model.predict(turn(panel(-1.0))), want, check_freq=False)
    pd.testing.assert_frame_equal(model.predict(turn(panel(np.nan))), want, check_freq=False)
    pd.testing.assert_frame_equal(model.predict(turn(panel()[["sales"]])), want, check_freq=False)
    result = tsseq.backtest(model_of(shape), frame, n_cutoffs=3, refit=True)
    assert result.forecasts["forecast"].notna().all()


@shapes
def test_rows_of_weight_0_are_no_targets(shape):
    """Ten days at the end count nothing: forecasts are those of a fit that ends before them, but for the scale."""
    weight = np.where(panel().index.get_level_values("day") >= DAYS[50], 0.0, 3.0)
    turn = SHAPES[shape][0]
    weighted = model_of(shape, scaling="standard").fit(turn(panel(weight)))
    early = panel(1.0)
    early = early[early.index.get_level_values("day") < DAYS[51]]  # whose last target is half of a window's
    windows = model_of(shape, scaling="standard").windows(turn(early))
    weights = np.where(windows.panel.times[windows.origin + HORIZON] == DAYS[50], 0.5, 1.0)
    expected = Ridge().fit(windows, windows.targets(), sample_weight=weights)
    np.testing.assert_allclose(weighted.regressor_.coef_, expected.coef_, rtol=1e-6)


def test_equal_weights_are_as_good_as_none():
    roles = {"target": "sales", "training": QUICK}
    plain = LinearForecaster(HORIZON, LENGTH, **roles).fit(panel()[["sales"]])
    weighted = LinearForecaster(HORIZON, LENGTH, **roles, weight="w").fit(panel(4.0))
    pd.testing.assert_frame_equal(plain.predict(), weighted.predict(), check_exact=True)


def test_a_network_leans_to_what_weighs_more():
    """Series "a" goes up by 1 a day, "b" down: with nothing to tell them apart, the heavier one wins."""
    steps = np.random.default_rng(0).normal(1.0, 0.1, 60).cumsum()
    frame = panel().assign(sales=np.concatenate([-steps, steps]))
    change = {}
    for heavy in "ab":
        weight = np.where(frame.index.get_level_values("shop") == heavy, 1.0, 0.01)
        options = {"scaling": "none", "series_embedding": False, "line": False}
        training = Training(max_epochs=5, learning_rate=0.01, verbose=False)
        model = LinearForecaster(1, 1, target="sales", past=None, weight="w", training=training, **options)
        flat = frame.assign(w=weight, sales=frame["sales"] - frame.groupby("shop")["sales"].shift().bfill())
        change[heavy] = model.fit(flat).predict()["sales"].mean()
    assert change["a"] > 0.1
    assert change["b"] < -0.1


def test_weights_that_are_none_are_refused_with_their_place():
    frame = panel()
    frame.loc[("a", DAYS[3]), "w"] = np.nan
    with pytest.raises(DataError, match=r"column 'w' has 1 values that are no weights \(first: nan at 'a' 2024-01-04"):
        model_of().fit(frame)
    frame.loc[("a", DAYS[3]), "w"] = -2.0
    with pytest.raises(DataError, match=r"first: -2 at 'a' 2024-01-04.*0 \(which leaves a row out\) or more"):
        model_of().fit(frame)
    with pytest.raises(DataError, match="column 'w' is zero everywhere"):
        model_of().fit(panel(0.0))
    with pytest.raises(DataError, match="all 102 training windows weigh 0"):
        model_of().fit(panel(np.where(panel().index.get_level_values("day") < DAYS[5], 1.0, 0.0)))
    with pytest.raises(DataError, match="the column of weights, 'w', is not in the frame"):
        model_of().fit(frame[["sales"]])
    with pytest.raises(ConfigError, match="a column plays one role"):
        model_of(past="w").fit(panel())
    with pytest.raises(ConfigError, match="KNeighborsRegressor takes no weights"):
        model_of(regressor=KNeighborsRegressor()).fit(panel())


def test_a_row_without_a_target_needs_no_weight():
    frame = panel()
    frame.loc[("a", DAYS[20])] = np.nan
    model = model_of(regressor=make_pipeline(SimpleImputer(), Ridge()))
    with pytest.warns(UserWarning, match="lack some target"):
        model.fit(frame)
    assert np.isfinite(model.predict()["sales"]).all()


def test_the_only_other_column_is_the_target():
    assert model_of(target=None).fit(panel()).schema_.target == ("sales",)


def test_a_weight_in_a_wide_frame_does_not_begin_a_series():
    frame = wide(panel())
    frame.loc[DAYS[:9], ("sales", "a")] = np.nan
    lengths = [
        model_of(weight=weight, past=None).windows(frame[["sales", *fields]]).panel.lengths.tolist()
        for weight, fields in ((None, []), ("w", ["w"]))
    ]
    assert lengths[0] == lengths[1] == [51, 60]


@pytest.mark.parametrize("regressor", [None, make_pipeline(SimpleImputer(), Ridge()), LastValue()], ids=str)
def test_weights_outlive_clones_searches_and_ensembles(regressor):
    model = clone(model_of(regressor=regressor))
    assert model.weight == "w"
    search = GridSearchCV(model, {"context_length": [6, 8]}, cv=WalkForward(2, test_size=14))
    search.fit(panel().loc["b"])
    assert search.best_estimator_.weight == "w"
    members = tsseq.EnsembleForecaster([model, clone(model)]).fit(panel())
    assert members.forecasters_[0].schema_.weight == "w"


def test_a_weighted_network_is_saved_and_fitted_again(tmp_path):
    model = LinearForecaster(HORIZON, LENGTH, **ROLES, training=QUICK).fit(panel())
    model.save(tmp_path / "model.tsseq")
    loaded = tsseq.load(tmp_path / "model.tsseq")
    pd.testing.assert_frame_equal(loaded.predict(), model.predict(), check_exact=True)
    again = clone(loaded).fit(panel())
    pd.testing.assert_frame_equal(again.predict(), model.predict(), check_exact=True)


def test_weights_after_a_cutoff_do_not_reach_a_backtest():
    """Poison: weights of the future are huge, and no forecast changes."""
    frame, cutoff = panel(), DAYS[45]
    later = frame.index.get_level_values("day") > cutoff
    poisoned = frame.assign(w=np.where(later, 1e12, frame["w"]))
    runs = [tsseq.rolling_forecasts(model_of(), data, [cutoff], refit=True) for data in (frame, poisoned)]
    pd.testing.assert_frame_equal(*runs, check_exact=True)
