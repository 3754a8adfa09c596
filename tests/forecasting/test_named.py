"""Named forecasters: thin, leak-proof, equal to their parts."""

import inspect
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import tsseq
from tsseq import Forecaster, NeuralRegressor, Quantiles, Training, load_sample, make_series
from tsseq.forecasting import named

QUICK = Training(max_epochs=1, max_steps=10, verbose=False)
FORECASTERS = [
    getattr(tsseq, name)
    for name in tsseq.__all__
    if name.endswith("Forecaster") and hasattr(getattr(tsseq, name), "network")
]
every_forecaster = pytest.mark.parametrize("kind", FORECASTERS)
PRICES = load_sample("sp500")[-400:]
ROLES = {"target": "close", "log": True, "calendar": "XNYS", "training": QUICK}
COVARIATES = {
    "none": {},
    "past": {"past": ["open", "volume"]},
    "known": {"known": "weekday"},
    "all": {"past": "open", "known": "weekday"},
}
CUTOFF = PRICES.index[350]


def frame() -> pd.DataFrame:
    return PRICES.assign(weekday=PRICES.index.day_of_week.astype(float), static=3.0)


def poisoned(poison: str) -> pd.DataFrame:
    """Everything unknown at the cutoff is changed; known covariates only beyond the horizon."""
    bad = frame()
    later = bad.index > CUTOFF
    noise = np.random.default_rng(0).lognormal(size=(int(later.sum()), 5))
    values = {"nan": np.nan, "huge": 1e30, "noise": noise}[poison]
    bad.loc[later, ["open", "high", "low", "close", "volume"]] = values
    bad.loc[bad.index > PRICES.index[355], "weekday"] = np.nan
    return bad


@every_forecaster
def test_defaults_are_those_of_the_network(kind):
    ours = inspect.signature(kind.__init__).parameters
    theirs = inspect.signature(kind.network.__init__).parameters
    assert {name: ours[name].default for name in kind.network._get_param_names()} == {
        name: theirs[name].default for name in kind.network._get_param_names()
    }


@every_forecaster
def test_frame_parameters_are_those_of_forecaster(kind):
    ours, base = (inspect.signature(cls.__init__).parameters for cls in (kind, Forecaster))
    shared = [name for name in base if name not in ("self", "regressor")]
    assert [name for name in ours if name in shared] == shared
    assert all(ours[name].default == base[name].default and ours[name].kind == base[name].kind for name in shared)
    assert len(ours) - 1 <= 25


@every_forecaster
def test_it_equals_forecaster_around_its_network(kind):
    model = kind(5, 40, **ROLES).fit(PRICES)
    parts = {name: value for name, value in ROLES.items() if name != "training"}
    whole = Forecaster(NeuralRegressor(kind.network(), training=QUICK), 5, 40, **parts).fit(PRICES)
    pd.testing.assert_frame_equal(model.predict(), whole.predict(), check_exact=True)


@every_forecaster
@pytest.mark.parametrize("poison", ["nan", "huge", "noise"])
@pytest.mark.parametrize("covariates", COVARIATES)
def test_nothing_after_the_cutoff_changes_a_bit(kind, covariates, poison):
    model = kind(5, 40, head=Quantiles([0.1, 0.9]), **ROLES, **COVARIATES[covariates])
    known = frame().loc[:CUTOFF]
    truth = clone(model).fit(known).predict_at(frame(), [CUTOFF], levels=[0.1, 0.9])
    assert truth["forecast"].notna().all()
    found = clone(model).fit(known).predict_at(poisoned(poison), [CUTOFF], levels=[0.1, 0.9])
    pd.testing.assert_frame_equal(found, truth, check_exact=True)


@every_forecaster
@pytest.mark.parametrize("refit", [False, True, 2])
def test_backtests_do_not_see_the_future(kind, refit):
    cutoffs = PRICES.index[[340, 345, 350]]
    model = kind(5, 40, **ROLES, past="open")
    truth = tsseq.backtest({"net": model}, frame(), cutoffs, refit=refit).forecasts
    for poison in ("nan", "huge", "noise"):
        found = tsseq.backtest({"net": model}, poisoned(poison), cutoffs, refit=refit).forecasts
        pd.testing.assert_series_equal(found["forecast"], truth["forecast"], check_exact=True)


@every_forecaster
def test_a_backtest_scores_a_model_fitted_on_everything_like_one_that_was_not(kind):
    model = kind(5, 40, **ROLES)
    fresh = tsseq.backtest({"net": model}, PRICES, n_cutoffs=5)
    fitted = tsseq.backtest({"net": clone(model).fit(PRICES)}, PRICES, n_cutoffs=5)
    pd.testing.assert_frame_equal(fresh.scores, fitted.scores, check_exact=True)
    assert (fitted.fits["fitted"] == "here").all()


@every_forecaster
def test_clone_parameters_and_pickle(kind):
    model = kind(3, 24, head=Quantiles([0.2, 0.8]), training=QUICK)
    copy = clone(model).set_params(training__max_steps=3, head__levels=[0.4], horizon=2)
    assert (copy.training.max_steps, copy.head.levels, copy.horizon) == (3, [0.4], 2)
    assert (model.training.max_steps, model.horizon) == (10, 3)
    model.fit(make_series("seasonal", 120))
    pd.testing.assert_series_equal(pickle.loads(pickle.dumps(model)).predict(), model.predict(), check_exact=True)


@every_forecaster
def test_input_order_changes_no_bit(kind):
    days = pd.date_range("2020", periods=60)
    rng = np.random.default_rng(0)
    parts = {
        name: pd.DataFrame({"unique_id": name, "ds": days, "y": rng.normal(size=60).cumsum(), "x": rng.normal(size=60)})
        for name in "bca"
    }
    plain = pd.concat(parts.values())
    model = kind(3, 12, past="x", training=QUICK)
    truth = clone(model).fit(plain).predict().set_index(["unique_id", "ds"])["y"]
    shuffled = plain.sample(frac=1, random_state=0)[["x", "y", "ds", "unique_id"]]
    found = clone(model).fit(shuffled).predict().set_index(["unique_id", "ds"])["y"]
    pd.testing.assert_series_equal(found.sort_index(), truth.sort_index(), check_exact=True)
    assert found.index.get_level_values(0).unique().tolist() == shuffled["unique_id"].unique().tolist()


def test_quantile_columns_stand_in_order_around_the_forecast():
    model = named.LSTMForecaster(5, 40, head=Quantiles([0.05, 0.95]), **ROLES).fit(PRICES)
    found = model.predict(levels=[0.05, 0.2, 0.8, 0.95])
    assert list(found) == ["close", "close_q0.05", "close_q0.2", "close_q0.8", "close_q0.95"]
    ordered = found[["close_q0.05", "close_q0.2", "close", "close_q0.8", "close_q0.95"]]
    assert (ordered.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_series_at_different_levels_keep_their_own():
    days = pd.date_range("2020", periods=80)
    levels = {"10": 1e6, "A": -50.0, "2": 0.0, "1": 1e3}
    rng = np.random.default_rng(0)
    frame = pd.concat(
        [pd.DataFrame({"unique_id": i, "ds": days, "y": level + rng.normal(size=80)}) for i, level in levels.items()]
    )
    found = named.GRUForecaster(3, 12, training=QUICK).fit(frame).predict()
    assert found["unique_id"].unique().tolist() == list(levels)
    assert ((found["y"] - found["unique_id"].map(levels)).abs() < 6).all()


def test_fit_predict_and_backtest_raise_no_warning():
    model = named.LSTMForecaster(5, 40, **ROLES).fit(PRICES)  # warnings are errors in these tests
    assert len(model.predict()) == 5
    assert len(tsseq.backtest(model, PRICES, n_cutoffs=2).scores) == 4


def test_a_missing_context_length_is_named_with_the_class():
    with pytest.raises(TypeError, match=r"LSTMForecaster\.__init__\(\) missing .* 'context_length'"):
        named.LSTMForecaster(5)
    with pytest.raises(TypeError, match="positional"):
        named.LSTMForecaster(5, 60, 128)


@every_forecaster
def test_help_describes_every_parameter_in_the_order_of_the_signature(kind):
    section = kind.__doc__.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^(\w+) : \S.*\n((?: {4}\S.*(?:\n|$))+)", section, flags=re.MULTILINE)
    assert [name for name, _ in entries] == list(inspect.signature(kind).parameters)
    assert all(description.rstrip().endswith(".") for _, description in entries)


@every_forecaster
def test_a_network_takes_by_position_what_its_forecaster_takes_by_name(kind):
    parameters = inspect.signature(kind.network).parameters
    names = [name for name in parameters if parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    values = [getattr(kind.network(), name) for name in names]
    assert kind.network(*values).get_params() == kind.network().get_params()
    assert all(inspect.signature(kind).parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in names)
