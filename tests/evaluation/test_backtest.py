"""Backtests: honest cutoffs, fits that know only the past, naive forecasts always there."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge

import tsseq
from tsseq import (
    ConfigError,
    ConformalForecaster,
    DataError,
    Drift,
    Forecaster,
    LastValue,
    Mean,
    NotEnoughHistory,
    SeasonalNaive,
    load_sample,
    make_series,
    regularize,
    rolling_forecasts,
)

PRICES = load_sample("sp500")[-600:]
MODEL = Forecaster(Ridge(), 5, 20, target="close", log=True, calendar="XNYS")


def panel() -> pd.DataFrame:
    """Three series over the same days, one of which begins late and one of which ends early."""
    parts = {}
    for i, (name, begin, end) in enumerate([("late", 60, 120), ("whole", 0, 120), ("gone", 0, 100)]):
        days = pd.date_range("2020", periods=120)[begin:end]
        parts[name] = pd.DataFrame({"y": np.random.default_rng(i).normal(size=end - begin).cumsum() + 100}, index=days)
    return pd.concat(parts, names=["name", "day"])


def test_cutoffs_are_counted_back_from_the_last_whole_horizon():
    result = tsseq.backtest(MODEL, PRICES, n_cutoffs=3, stride=10)
    cutoffs = result.forecasts["cutoff"].unique()
    assert list(cutoffs) == list(PRICES.index[[-26, -16, -6]])
    assert result.forecasts["actual"].notna().all()
    assert (result.stride, result.horizon) == (10, 5)


def test_forecasts_are_tidy_and_carry_what_happened():
    result = tsseq.backtest({"ridge": MODEL}, PRICES, n_cutoffs=4)
    table = result.forecasts
    assert list(table.columns) == ["model", "cutoff", "date", "step", "target", "actual", "forecast"]
    assert table["model"].unique().tolist() == ["last_value", "drift", "mean", "ridge"]
    assert not table.duplicated(["model", "cutoff", "step"]).any()
    np.testing.assert_array_equal(table["actual"], PRICES["close"].reindex(table["date"]))
    last = table[table["model"] == "last_value"]
    np.testing.assert_array_equal(last["forecast"], PRICES["close"].reindex(last["cutoff"]))


def test_each_forecast_is_the_one_that_a_user_would_have_made_that_day():
    cutoffs = PRICES.index[[500, 507]]
    found = rolling_forecasts(MODEL, PRICES, cutoffs, refit=True)
    for cutoff in cutoffs:
        by_hand = clone(MODEL).fit(PRICES.loc[:cutoff]).predict()
        own = found[found["cutoff"] == cutoff]
        assert own["date"].tolist() == by_hand.index.tolist()
        np.testing.assert_array_equal(own["forecast"], by_hand["close"])


def test_a_sliding_window_fits_on_its_last_rows():
    cutoff = PRICES.index[500]
    found = rolling_forecasts(MODEL, PRICES, [cutoff], refit=True, max_train_size=200)
    by_hand = clone(MODEL).fit(PRICES.loc[:cutoff][-200:]).predict()
    np.testing.assert_array_equal(found["forecast"], by_hand["close"])


@pytest.mark.parametrize(("refit", "fits"), [(False, 1), (True, 7), (3, 3)])
def test_refit_says_how_often_models_are_fitted(refit, fits):
    result = tsseq.backtest({"ridge": MODEL}, PRICES, n_cutoffs=7, refit=refit)
    own = result.fits[result.fits["model"] == "ridge"]
    assert len(own) == fits
    assert (own["fitted_until"] == own["first_cutoff"]).all()
    assert own["n_cutoffs"].sum() == 7


def test_a_model_fitted_before_the_first_cutoff_is_used_as_it_is():
    before = clone(MODEL).fit(PRICES[:300])
    result = tsseq.backtest({"ridge": before}, PRICES, n_cutoffs=3)
    own = result.fits.set_index("model").loc["ridge"]
    assert (own["fitted"], own["fitted_until"]) == ("before", PRICES.index[299])
    expected = before.predict_at(PRICES, result.forecasts["cutoff"].unique())["forecast"]
    np.testing.assert_array_equal(result.forecasts.query("model == 'ridge'")["forecast"], expected)


def test_a_rule_of_dates_fits_at_the_first_cutoff_of_each_period():
    cutoffs = PRICES.index[30:-5:7]
    quarters = cutoffs.to_period("Q")
    firsts = [cutoffs[quarters == quarter][0] for quarter in quarters.unique()]
    result = tsseq.backtest({"ridge": MODEL}, PRICES, cutoffs, refit="QE")
    fits = result.fits[result.fits["model"] == "ridge"]
    assert fits["fitted_until"].tolist() == fits["first_cutoff"].tolist() == firsts
    found = result.forecasts[result.forecasts["model"] == "ridge"]
    own = rolling_forecasts(MODEL, PRICES, cutoffs[quarters == quarters[-1]], refit=False)
    alone = rolling_forecasts(MODEL, PRICES, cutoffs, refit=pd.offsets.QuarterEnd())
    np.testing.assert_array_equal(found["forecast"], alone["forecast"])
    np.testing.assert_array_equal(found["forecast"][-len(own) :], own["forecast"])


@pytest.mark.parametrize("arguments", [{"refit": True}, {"refit": 2}, {"max_train_size": 200}])
def test_refitting_does_not_rest_on_an_earlier_fit(arguments):
    before = clone(MODEL).fit(PRICES[:300])
    result = tsseq.backtest({"ridge": before}, PRICES, n_cutoffs=3, **arguments)
    fresh = tsseq.backtest({"ridge": MODEL}, PRICES, n_cutoffs=3, **arguments)
    pd.testing.assert_frame_equal(result.forecasts, fresh.forecasts, check_exact=True)
    assert (result.fits["fitted"] == "here").all()


def test_a_model_fitted_on_the_test_period_is_fitted_anew_and_scores_the_same():
    fitted = clone(MODEL).fit(PRICES)
    fresh = tsseq.backtest({"ridge": MODEL}, PRICES, n_cutoffs=10)
    result = tsseq.backtest({"ridge": fitted}, PRICES, n_cutoffs=10)
    pd.testing.assert_frame_equal(result.scores, fresh.scores, check_exact=True)
    assert fitted.fitted_until_ == PRICES.index[-1]


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("poison", [np.nan, 1e30, 7.0])
def test_what_comes_after_the_last_cutoff_changes_no_bit(refit, poison):
    cutoffs = PRICES.index[[400, 450]]
    truth = tsseq.backtest({"ridge": MODEL}, PRICES, cutoffs, refit=refit).forecasts
    bad = PRICES.copy()
    bad.loc[bad.index > cutoffs[-1]] = poison
    found = tsseq.backtest({"ridge": MODEL}, bad, cutoffs, refit=refit).forecasts
    pd.testing.assert_series_equal(found["forecast"], truth["forecast"], check_exact=True)


def test_several_workers_give_the_same_forecasts():
    one, two = (tsseq.backtest({"ridge": MODEL}, PRICES, n_cutoffs=4, refit=True, n_jobs=jobs) for jobs in (None, 2))
    pd.testing.assert_frame_equal(one.forecasts, two.forecasts, check_exact=True)


def test_series_take_part_where_they_have_a_context():
    model = Forecaster(Ridge(), 3, 10, target="y")
    cutoffs = pd.date_range("2020", periods=120)[[50, 80, 110]]
    result = tsseq.backtest({"ridge": model}, panel(), cutoffs)
    pairs = set(zip(result.forecasts["name"], result.forecasts["cutoff"]))
    assert {(name, cutoffs.get_loc(time)) for name, time in pairs} == {
        ("whole", 0),
        ("gone", 0),
        ("late", 1),
        ("whole", 1),
        ("gone", 1),
        ("late", 2),
        ("whole", 2),
    }
    assert list(result.by("id").index.get_level_values(0).unique()) == ["gone", "late", "whole"]


def test_scores_count_only_forecasts_that_all_models_have():
    models = {"short": Forecaster(Ridge(), 3, 10, target="y"), "long": Forecaster(Ridge(), 3, 30, target="y")}
    cutoffs = pd.date_range("2020", periods=120)[[80, 110]]
    result = tsseq.backtest(models, panel(), cutoffs)
    common = result.common()
    assert set(zip(common["name"], common["cutoff"])) == {
        ("whole", cutoffs[0]),
        ("whole", cutoffs[1]),
        ("gone", cutoffs[0]),
        ("late", cutoffs[1]),
    }
    assert common.groupby("model", observed=True).size().nunique() == 1


def test_the_seasonal_naive_takes_part_where_the_season_is_known():
    air = load_sample("airline")
    result = tsseq.backtest({"ridge": Forecaster(Ridge(), 6, 24, log=True)}, air, n_cutoffs=20, stride=1)
    scores = result.scores
    assert scores.index.tolist() == ["last_value", "drift", "mean", "seasonal_naive", "ridge"]
    assert scores.loc["ridge", "skill"] > scores.loc["seasonal_naive", "skill"] > 0.2
    assert result.compare().loc["ridge", "p_value"] < 0.05


def test_quantiles_are_scored():
    model = tsseq.LinearForecaster(3, 12, head=tsseq.Normal(), training=tsseq.Training(max_epochs=2, verbose=False))
    point = clone(model).set_params(head=None)
    result = tsseq.backtest({"linear": model, "point": point}, make_series("ar1", 300), n_cutoffs=20, levels=[0.1, 0.9])
    scores = result.scores
    assert scores.loc[["last_value", "point"], ["pinball", "coverage"]].isna().all(axis=None)
    assert 0.4 < scores.loc["linear", "coverage"] <= 1
    assert scores.loc["linear", "pinball"] < scores.loc["linear", "MAE"] / 2


def test_weekends_filled_by_regularize_are_missing_values_not_zeros():
    holes = regularize(make_series("ar1", 300).drop(pd.date_range("2000-05-01", periods=4)))
    result = tsseq.backtest(Forecaster(LastValue(), 2, 10), holes, n_cutoffs=200, stride=1)
    assert result.forecasts["actual"].isna().any()
    assert result.scores.notna().all(axis=None)


@pytest.mark.parametrize(
    ("models", "arguments", "message"),
    [
        ({}, {}, "no models"),
        ({"last_value": MODEL}, {}, "rename 'last_value'"),
        ({"a": MODEL, "b": clone(MODEL).set_params(horizon=3)}, {}, "'b' has horizon=3"),
        (MODEL, {"n_cutoffs": 3, "cutoffs": PRICES.index[-9:-8]}, "not both"),
        (MODEL, {"n_cutoffs": 0}, "n_cutoffs=0 must be a whole number of at least 1"),
        (MODEL, {"refit": -1}, "refit=-1"),
        (MODEL, {"refit": "yearly"}, "refit='yearly' is neither True, False, a whole number, nor a pandas offset"),
        (MODEL, {"refit": "-1YE"}, "refit='-1YE' does not step forward"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(models, arguments, message):
    with pytest.raises(ConfigError, match=message):
        tsseq.backtest(models, PRICES, **arguments)


def test_too_many_cutoffs_say_how_many_fit():
    with pytest.raises(NotEnoughHistory, match=r"600 timestamps leave room for 115 cutoffs 5 apart, not 200"):
        tsseq.backtest(MODEL, PRICES, n_cutoffs=200)


def test_nothing_to_score_is_an_error():
    with pytest.raises(DataError, match="not in the frame"):
        tsseq.backtest(MODEL, PRICES, PRICES.index[-1:]).scores


def test_inputs_are_left_alone():
    before = PRICES.copy()
    model = clone(MODEL)
    tsseq.backtest({"ridge": model}, PRICES, n_cutoffs=3)
    pd.testing.assert_frame_equal(PRICES, before)
    assert not hasattr(model, "regressor_")


@pytest.mark.parametrize("refit", [False, 2])
def test_naive_forecasts_are_those_of_forecasters_around_naive_regressors(refit):
    """Also where values are missing, and where a context never moves."""
    frame = panel().assign(z=lambda table: table["y"] ** 2)
    rng = np.random.default_rng(0)
    frame["y"] = frame["y"].mask(rng.random(len(frame)) < 0.1)
    frame.iloc[70:95, 1] = 0.1
    cutoffs = pd.date_range("2020", periods=120)[[50, 80, 90, 110]]
    shared = {"horizon": 3, "context_length": 10, "target": ["y", "z"]}
    found = tsseq.backtest(Forecaster(LastValue(), **shared), frame, cutoffs, refit=refit).forecasts
    naive = {"last_value": LastValue(), "drift": Drift(), "mean": Mean(), "seasonal_naive": SeasonalNaive(7)}
    for name, regressor in naive.items():
        known = frame[frame.index.get_level_values("day") <= cutoffs[0]]
        expected = Forecaster(regressor, **shared).fit(known).predict_at(frame, cutoffs)
        own = found[found["model"] == name].drop(columns=["model", "actual"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(own, expected, rtol=1e-12)


def test_rows_of_the_table_have_one_order_however_often_models_are_fitted():
    model, cutoffs = Forecaster(Ridge(), 3, 10, target="y"), pd.date_range("2020", periods=120)[[50, 80, 110]]
    once, often = (tsseq.backtest(model, panel(), cutoffs, refit=refit).forecasts for refit in (False, True))
    keys = ["model", "name", "cutoff", "day", "step", "target", "actual"]
    pd.testing.assert_frame_equal(once[keys], often[keys])
    assert list(once["name"].unique()) == ["late", "whole", "gone"]


def test_models_with_contexts_of_unlike_length_share_one_table():
    models = {"short": Forecaster(Ridge(), 3, 10, target="y"), "long": Forecaster(Ridge(), 3, 30, target="y")}
    cutoffs = pd.date_range("2020", periods=120)[[80, 110]]
    table = tsseq.backtest(models, panel(), cutoffs).forecasts
    assert table["model"].cat.categories.tolist() == ["last_value", "drift", "mean", "seasonal_naive", "short", "long"]
    for name, model in models.items():
        own = table[table["model"] == name].drop(columns="model").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, rolling_forecasts(model, panel(), cutoffs))


def test_actual_values_and_times_go_on_to_the_end_of_each_series():
    """The last cutoff is 2 rows before the end of one series and 22 before that of the others."""
    cutoff = pd.Timestamp("2020-01-01") + pd.Timedelta(days=97)
    table = rolling_forecasts(Forecaster(Ridge(), 4, 10, target="y"), panel(), [cutoff])
    for name, own in table.groupby("name", observed=True):
        truth = panel().loc[name, "y"].reindex(own["day"])
        np.testing.assert_array_equal(own["actual"], truth)
        assert own["day"].tolist() == list(pd.date_range(cutoff, periods=5)[1:])
        assert own["actual"].isna().sum() == (2 if name == "gone" else 0)


def test_quantiles_stand_in_columns_of_their_own_however_models_are_ordered():
    conformal = tsseq.ConformalForecaster(Forecaster(Ridge(), 2, 10))
    models = {"plain": Forecaster(Ridge(), 2, 10), "conformal": conformal}
    table = tsseq.backtest(models, make_series("ar1", 300), n_cutoffs=5, levels=[0.9, 0.1]).forecasts
    assert list(table.columns[-3:]) == ["forecast", "q0.9", "q0.1"]
    own = table[table["model"] == "conformal"]
    assert (own["q0.1"] < own["q0.9"]).all()
    assert table.loc[table["model"] != "conformal", ["q0.1", "q0.9"]].isna().all(axis=None)


def test_a_frame_that_was_read_before_gives_the_same_result():
    model = Forecaster(Ridge(), 3, 10, target="y")
    cutoffs = pd.date_range("2020", periods=120)[[80, 90]]
    read = tsseq.backtest(model, model.to_panel(panel()), cutoffs)
    pd.testing.assert_frame_equal(read.forecasts, tsseq.backtest(model, panel(), cutoffs).forecasts)


def test_networks_fitted_side_by_side_are_those_fitted_one_after_another():
    model = tsseq.LinearForecaster(2, 12, training=tsseq.Training(max_steps=5, seed=0, verbose=False))
    wave = make_series("ar1", 200)
    one, two = (tsseq.backtest(model, wave, n_cutoffs=2, refit=True, n_jobs=jobs).forecasts for jobs in (None, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_the_ledger_of_a_backtest_counts_its_models_without_the_naive_ones():
    other = Forecaster(Ridge(100.0), 5, 20, target="close", log=True, calendar="XNYS")
    result = tsseq.backtest({"ridge": MODEL, "stiff": other}, PRICES, n_cutoffs=3)
    assert result.trials.count == 2
    assert result.trials.joined(result.trials).count == 4
    assert result.trials.excess is None


class Network(LinearRegression):
    """What looks like a network that trains."""

    def __init__(self, training="well"):
        super().__init__()
        self.training = training

    def fit(self, X, y):
        assert self.training != "not yet", "a network was fitted before the error of another model was known"
        return super().fit(np.asarray(X), y)


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_ridge_refuses_is_known_before_a_network_is_fitted(wrapped):
    halted = PRICES.copy()
    halted.iloc[100, halted.columns.get_loc("close")] = np.nan
    network = clone(MODEL).set_params(regressor=Network("not yet"))
    models = {"network": ConformalForecaster(network) if wrapped else network, "ridge": MODEL}
    advice = r"Ridge takes no missing values.*tsseq.regularize\(frame, calendar, fill='ffill'"
    with pytest.raises(DataError, match=advice):
        tsseq.backtest(models, halted, n_cutoffs=3)


def test_results_are_in_the_order_of_the_models():
    models = {"network": clone(MODEL).set_params(regressor=Network()), "ridge": MODEL}
    result = tsseq.backtest(models, PRICES, n_cutoffs=3, refit=2)
    assert result.forecasts["model"].unique().tolist()[-2:] == ["network", "ridge"]
    assert result.fits["model"].tolist()[-4:] == ["network", "network", "ridge", "ridge"]
    for name, model in models.items():
        alone = tsseq.backtest({name: model}, PRICES, n_cutoffs=3, refit=2).forecasts
        own = result.forecasts[result.forecasts["model"] == name]
        np.testing.assert_array_equal(own["forecast"], alone.loc[alone["model"] == name, "forecast"])


@pytest.mark.parametrize(
    ("shape", "gone", "words"),
    [
        ("wide", slice(150, None), "contexts hold no observed target"),
        ("panel", slice(150, None), "contexts hold no observed target"),
        ("panel", slice(60), "takes no missing values"),
    ],
)
def test_rows_outside_the_life_of_a_series_are_named_with_what_helps(shape, gone, words):
    rng, index = np.random.default_rng(0), pd.bdate_range("2020", periods=200, name="date")
    wide = pd.DataFrame(np.exp(0.02 * rng.normal(size=(200, 3)).cumsum(axis=0)), index, list("abc"))
    wide = wide.rename_axis(columns="ticker")
    wide.iloc[gone, 1] = np.nan
    models = {"ridge": Forecaster(Ridge(), 3, 10, calendar="B")}
    frame = wide if shape == "wide" else wide.stack(future_stack=True).rename("close").to_frame().swaplevel()
    cutoffs = index[65:190:4]  # soon after the one begins, and long after the other ends
    advice = r"drop the rows before a series begins and after it ends \(frame.stack\(\).dropna\(\) of a wide frame\)"
    with pytest.raises(DataError, match=f"{words}.*{advice}"):
        tsseq.backtest(models, frame, cutoffs=cutoffs)
    table = tsseq.backtest(models, wide.stack().dropna(), cutoffs=cutoffs).forecasts.query("model == 'ridge'")
    sizes = table.groupby("ticker")["cutoff"].nunique()
    assert sizes["a"] == len(cutoffs)
    assert 0 < sizes["b"] < len(cutoffs)


def test_a_result_prints_who_beats_the_last_value_and_the_scores_that_tell_most():
    wave = make_series("seasonal", 200, period=7)
    result = tsseq.backtest({"ridge": Forecaster(Ridge(), 2, 14)}, wave, n_cutoffs=12)
    verdict, size, header, *rows = repr(result).splitlines()
    cutoffs = pd.Series(result.forecasts["cutoff"].unique()).dt.date
    assert verdict == "ridge beats repeating the last value."
    assert size == f"12 cutoffs, {cutoffs.min()} to {cutoffs.max()}; 2 rows ahead."
    assert header.split() == ["skill", "p", "MAE", "RMSE", "MASE"]
    assert rows[1].startswith("ridge")  # the best first, below the name of the index
    assert max(map(len, repr(result).splitlines())) <= 80
    assert "ridge beats repeating the last value" in result._repr_html_()
    assert "<td>" in result._repr_html_()


def test_a_result_of_a_walk_says_that_no_model_is_better():
    walk = pd.Series(np.random.default_rng(0).normal(size=200).cumsum(), name="y")
    result = tsseq.backtest({"<ridge>": Forecaster(Ridge(), 2, 14)}, walk, n_cutoffs=12)
    assert repr(result).startswith("No model beats repeating the last value.")
    assert "<ridge>" not in result._repr_html_()


def test_a_result_prints_where_nothing_can_be_said():
    walk = pd.Series(np.random.default_rng(0).normal(size=60).cumsum(), name="y")
    model = Forecaster(Ridge(), 2, 14)
    assert repr(tsseq.backtest(model, walk, n_cutoffs=1)).startswith("Too few cutoffs for a test.")
    assert "no forecast has a known actual value" in repr(tsseq.backtest(model, walk, cutoffs=[59]))


@pytest.mark.parametrize(
    ("horizon", "cutoffs", "line"),
    [
        (7, range(84, 99), "6 of 15 cutoffs have fewer than 7 known rows."),
        (2, range(80, 99), "1 of 19 cutoffs has fewer than 2 known rows."),
        (1, range(80, 100), "1 of 20 cutoffs has no known row."),
    ],
)
def test_a_result_says_after_how_many_cutoffs_too_few_rows_are_known(horizon, cutoffs, line):
    walk = pd.Series(np.random.default_rng(0).normal(size=100).cumsum(), name="y")
    model = Forecaster(Ridge(), horizon, 14)
    result = tsseq.backtest(model, walk, cutoffs=[*cutoffs])
    assert repr(result).splitlines()[2] == line
    assert line in result._repr_html_()
    assert "known row" not in repr(tsseq.backtest(model, walk, n_cutoffs=8))


def test_the_skill_stands_first_in_the_scores():
    walk = pd.Series(np.random.default_rng(0).normal(size=60).cumsum(), name="y")
    assert tsseq.backtest(Forecaster(Ridge(), 2, 14), walk, n_cutoffs=2).scores.columns[0] == "skill"
