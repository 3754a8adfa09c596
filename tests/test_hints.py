"""What a newcomer writes first is answered with what it is called here: keywords, methods, names, parts."""

import copy
import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import GridSearchCV

import tsseq
from tsseq import (
    GRU,
    ConformalForecaster,
    Costs,
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LSTMForecaster,
    NeuralRegressor,
    Normal,
    Point,
    Quantiles,
    Training,
    WalkForward,
    audit,
    backtest,
    importance,
    rolling_forecasts,
    simulate,
    to_weights,
)
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation import frame_scorer
from tsseq.hints import ALIASES, METHODS, RejectsForeignNames, rejects_foreign_names

DAYS = pd.date_range("2024-01-01", periods=120, freq="D")
WAVE = pd.Series(np.sin(np.arange(120) / 5) + np.random.default_rng(0).normal(0, 0.1, 120), DAYS, name="sales")
QUICK = Training(max_steps=2, verbose=False)


def ridge() -> Forecaster:
    return Forecaster(Ridge(), 3, 10)


class Model(RejectsForeignNames, BaseEstimator):
    def __init__(self, horizon, *, hidden_size=8):
        self.horizon = horizon
        self.hidden_size = hidden_size


CALLS = [
    Forecaster,
    Training,
    WalkForward,
    Forecaster.fit,
    Forecaster.update,
    Forecaster.predict,
    Forecaster.predict_at,
    backtest,
    rolling_forecasts,
    audit,
    to_weights,
    simulate,
    Costs,
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__qualname__)
def test_no_name_of_others_has_two_answers_or_is_a_parameter_of_ours(call):
    parameters = set(inspect.signature(call).parameters)
    ours = {answer: set(others) for answer, others in ALIASES.items() if answer.partition("=")[0] in parameters}
    names = [name for others in ours.values() for name in others if name not in parameters]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "answer", [answer for answer in ALIASES if answer.partition("=")[0] in vars(GRUForecaster(1, 2))]
)
def test_every_other_name_of_a_parameter_is_answered_with_ours(answer):
    for other in set(ALIASES[answer]) - set(inspect.signature(GRUForecaster).parameters):
        for error in (ConfigError, TypeError, ValueError):
            with pytest.raises(error) as caught:
                GRUForecaster(5, 10, **{other: 1})
            assert str(caught.value) == f"GRUForecaster has no parameter {other!r}; here it is {answer}."


def test_the_first_line_of_a_user_of_another_toolkit_is_answered_before_what_is_missing():
    with pytest.raises(ConfigError, match=r"Forecaster has no parameter 'h'; here it is horizon"):
        Forecaster(Ridge(), h=5, input_size=10, freq="D")
    with pytest.raises(
        ConfigError, match=r"Forecaster has no parameter 'input_chunk_length'; here it is context_length"
    ):
        Forecaster(Ridge(), input_chunk_length=10, output_chunk_length=5)


CALLED = {
    "predict, rows": (lambda: ridge().predict(h=7), "predict has no parameter 'h'; here it is steps."),
    "predict, horizon": (lambda: ridge().predict(horizon=7), "here it is steps."),
    "predict, level": (lambda: ridge().predict(level=[80]), "here it is levels=[0.1, 0.9]."),
    "predict, future": (lambda: ridge().predict(future_covariates=WAVE), "here it is future."),
    "predict_at": (lambda: ridge().predict_at(WAVE, origins=DAYS[-9]), "here it is cutoffs."),
    "fit, epochs": (
        lambda: GRUForecaster(3, 10).fit(WAVE, epochs=3),
        "it belongs to the constructor, GRUForecaster: training=Training(max_epochs=...).",
    ),
    "fit, weights": (
        lambda: ridge().fit(WAVE, sample_weight=np.ones(120)),
        'it belongs to the constructor, Forecaster: weight="w", a column of the frame.',
    ),
    "fit, statics": (
        lambda: ridge().fit(WAVE, static=WAVE),
        "constructor, Forecaster: static=[...], columns of the frame (frame.merge(statics, on=<id>)).",
    ),
    "fit, our own": (lambda: ridge().fit(WAVE, target="y"), "it belongs to the constructor, Forecaster: target."),
    "fit, ensemble": (lambda: EnsembleForecaster([ridge()]).fit(df=WAVE), "here it is frame."),
    "fit, conformal": (lambda: ConformalForecaster(ridge()).fit(data=WAVE), "here it is frame."),
    "fit, rows": (lambda: NeuralRegressor().fit(np.ones((9, 2)), np.ones(9), weights=1), "here it is sample_weight."),
    "sample": (
        lambda: GRUForecaster(3, 10, head=Normal()).sample(num_samples=3),
        "sample has no parameter 'num_samples'; here it is n_paths.",
    ),
    "predict, paths": (
        lambda: GRUForecaster(3, 10, head=Normal()).predict(num_samples=3),
        "predict has no parameter 'num_samples'; it belongs to sample: n_paths.",
    ),
    "predict, cutoffs": (lambda: ridge().predict(cutoffs=DAYS[-9:]), "it belongs to predict_at: cutoffs."),
    "importance": (
        lambda: importance(ridge(), WAVE, n_cutoffs=3),
        "n_cutoffs'; here it is cutoffs=[...], timestamps of the frame to forecast from.",
    ),
    "backtest, metric": (
        lambda: backtest(ridge(), WAVE, metric="MAE"),
        "backtest has no parameter 'metric'; it belongs to the result, BacktestResult: scores.",
    ),
    "backtest, windows": (lambda: backtest(ridge(), WAVE, n_windows=3), "here it is n_cutoffs."),
    "backtest, sliding": (lambda: backtest(ridge(), WAVE, train_length=3), "here it is max_train_size."),
    "backtest, retrain": (lambda: backtest(ridge(), WAVE, retrain=True), "here it is refit."),
    "rolling_forecasts": (lambda: rolling_forecasts(ridge(), WAVE, n_windows=3), "here it is n_cutoffs."),
    "WalkForward": (lambda: WalkForward(n_cutoffs=3), "WalkForward has no parameter 'n_cutoffs'; here it is n_splits."),
    "Costs": (lambda: Costs(commission=3), "here it is bps."),
    "simulate": (lambda: simulate(WAVE, WAVE, fees=3), "here it is costs=Costs(bps=...)."),
    "Training": (lambda: Training(epochs=3), "Training has no parameter 'epochs'; here it is max_epochs."),
    "typo": (lambda: GRUForecaster(5, 60, hiden_size=3), "no parameter 'hiden_size'; did you mean hidden_size?"),
    "typo in a call": (lambda: backtest(ridge(), WAVE, n_cutofs=3), "did you mean n_cutoffs?"),
    "nothing near": (
        lambda: Forecaster(Ridge(), 5, 10, zzz=1),
        "no parameter 'zzz'; it has regressor, horizon, context",
    ),
}


@pytest.mark.parametrize("name", CALLED)
def test_an_unknown_keyword_is_answered(name):
    call, answer = CALLED[name]
    with pytest.raises(ConfigError) as caught:
        call()
    assert answer in str(caught.value)


def test_what_is_missing_or_too_much_is_left_to_python():
    with pytest.raises(TypeError, match="context_length"):
        Forecaster(Ridge(), 5)
    with pytest.raises(TypeError, match="positional"):
        Forecaster(Ridge(), 5, 10, "close")


def test_signatures_and_names_are_those_of_the_functions_themselves():
    @rejects_foreign_names
    def function(frame, *, steps: int = 1) -> int:
        """Docs."""
        return steps

    assert (function(1, steps=4), str(inspect.signature(function))) == (4, "(frame, *, steps: int = 1) -> int")
    assert (function.__name__, function.__doc__) == ("function", "Docs.")
    assert list(inspect.signature(ridge().predict).parameters) == ["frame", "steps", "levels", "future", "proba"]
    assert pickle.loads(pickle.dumps(backtest)) is backtest


def test_estimators_with_other_names_are_built_cloned_copied_and_pickled_as_any_other():
    model = Model(3, hidden_size=16)
    for twin in (clone(model), copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert type(twin) is Model
        assert twin.get_params() == {"horizon": 3, "hidden_size": 16}
    with pytest.raises(ConfigError, match="Model has no parameter 'units'; here it is hidden_size"):
        Model(3, units=16)


@pytest.mark.parametrize(
    ("model", "name", "answer"),
    [
        (ridge(), "fit_predict", "here it is fit(frame).predict()"),
        (ridge(), "cross_validation", "here it is tsseq.backtest(model, frame)"),
        (ridge(), "historical_forecasts", "here it is tsseq.backtest(model, frame)"),
        (ridge(), "predic", "did you mean predict"),
        (ridge(), "sample", "Forecaster has no attribute 'sample': it needs a distribution, such as head=Normal()"),
        (
            LSTMForecaster(3, 10),
            "attention_weights",
            "it needs a network with attention, such as TransformerForecaster",
        ),
        (Training(), "zzz", "Training has no attribute 'zzz'."),
    ],
)
def test_an_unknown_method_is_answered(model, name, answer):
    assert not hasattr(model, name)
    with pytest.raises(AttributeError) as caught:
        getattr(model, name)
    assert answer in str(caught.value)


def test_a_class_answers_as_its_instances_do():
    for owner in (GRUForecaster, GRUForecaster(3, 10)):
        with pytest.raises(
            AttributeError, match=r"^GRUForecaster has no attribute 'load'; here it is tsseq\.load\(path"
        ):
            owner.load("model.tsseq")


def test_advice_that_names_another_place_works(tmp_path):
    model = GRUForecaster(3, 10, head=Normal(), training=QUICK).fit(WAVE[:100])
    assert model.sample(n_paths=5).shape == (3, 5)
    assert importance(model, WAVE, cutoffs=WAVE.index[-18:-3]).n_cutoffs == 15
    model.save(tmp_path / "m.tsseq")
    pd.testing.assert_series_equal(tsseq.load(tmp_path / "m.tsseq").predict(), model.predict())


def test_a_score_by_another_name_is_answered():
    scores = backtest({"r": ridge()}, WAVE, n_cutoffs=4).scores
    for name, answer in {
        "rmse": "no score 'rmse'; did you mean RMSE",
        "zzz": "no score 'zzz'; there are skill, MAE",
    }.items():
        with pytest.raises(KeyError, match=answer):
            scores[name]
    assert scores["RMSE"].equals(scores[["RMSE", "MAE"]]["RMSE"])
    assert type(scores.round(2)) is pd.DataFrame


def test_every_method_that_is_named_exists():
    model = GRUForecaster(3, 24, head=Normal(), training=QUICK).fit(WAVE)
    for answer in METHODS:
        owner = tsseq if answer.startswith("tsseq.") else model
        assert hasattr(owner, answer.removeprefix("tsseq.").partition("(")[0])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("LstmForecaster", "No tsseq attribute LstmForecaster; did you mean LSTMForecaster?"),
        ("NBEATSForecaster", "forecasters are ConformalForecaster, DLinearForecaster"),
        ("TimeSeriesSplit", "here it is WalkForward."),
        ("bactest", "did you mean backtest?"),
    ],
)
def test_an_unknown_public_name_is_answered(name, answer):
    with pytest.raises(AttributeError) as caught:
        getattr(tsseq, name)
    assert answer in str(caught.value)


FITTED = {"ridge": ridge().fit(WAVE)}
IRREGULAR = WAVE.set_axis(DAYS + pd.to_timedelta(np.random.default_rng(0).uniform(0, 3, 120), "h"))
WRONG = {
    "a loss for a head": (
        lambda: GRUForecaster(3, 10, head="mse").fit(WAVE),
        "head='mse' is not a Head; write head=Point('mse')",
    ),
    "a class for a head": (lambda: GRUForecaster(3, 10, head=Normal).fit(WAVE), "write head=Normal()"),
    "a dict for training": (
        lambda: GRUForecaster(3, 10, training={"max_epochs": 1}).fit(WAVE),
        "is not a Training; write training=Training(max_epochs=1)",
    ),
    "a name for a network": (
        lambda: NeuralRegressor("gru").fit(np.ones((9, 2)), np.ones(9)),
        "network='gru' is not a Network",
    ),
    "a network for a regressor": (
        lambda: Forecaster(GRU(), 3, 10).fit(WAVE),
        "not GRU(); write NeuralRegressor(GRU())",
    ),
    "a forecaster for a regressor": (lambda: Forecaster(ridge(), 3, 10).fit(WAVE), "it forecasts by itself"),
    "a regressor for a forecaster": (
        lambda: backtest(Ridge(), WAVE),
        "such as Forecaster(Ridge(), horizon, context_length)",
    ),
    "the frame first": (lambda: backtest(WAVE, {"r": ridge()}), "models come first, then the frame"),
    "a number for a frame": (lambda: FITTED["ridge"].predict(10), "not int (10); rows to forecast are steps=10"),
    "an array for a frame": (lambda: ridge().fit(WAVE.to_numpy()), "pandas.Series(values, index=dates)"),
    "percentages": (
        lambda: GRUForecaster(3, 24, head=Quantiles(), training=QUICK).fit(WAVE).predict(levels=[10, 90]),
        "for percentages write levels=[0.1, 0.9]",
    ),
    "one level": (lambda: FITTED["ridge"].predict(levels=0.9), "levels=0.9 must be a list, such as levels=[0.9]"),
    "no quantiles": (
        lambda: LSTMForecaster(3, 24, training=QUICK).fit(WAVE).predict(levels=[0.1, 0.9]),
        "LSTMForecaster has no quantiles; wrap it in ConformalForecaster(...)",
    ),
    "irregular stamps": (
        lambda: ridge().fit(IRREGULAR),
        "Bring it to a grid, as frame.resample('D').mean() does for one series, or pass calendar='rows'",
    ),
    "a scorer by name": (
        lambda: GridSearchCV(
            ridge(), {"log": [False]}, cv=WalkForward(2, context_length=10), scoring="neg_mean_absolute_error"
        ).fit(WAVE),
        "scoring='neg_mean_absolute_error' needs a y, and frames have none",
    ),
}


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores")
@pytest.mark.parametrize("name", WRONG)
def test_what_is_of_the_wrong_kind_is_told_how_to_write_it(name):
    call, advice = WRONG[name]
    with pytest.raises((ConfigError, DataError)) as caught:
        call()
    assert advice in str(caught.value)


def test_advice_for_irregular_stamps_works():
    assert ridge().fit(IRREGULAR.resample("D").mean()).predict().shape == (3,)
    assert Forecaster(Ridge(), 3, 10, calendar="rows").fit(IRREGULAR).predict().shape == (3,)


def test_advice_for_scorers_works():
    scorer = frame_scorer(mean_absolute_error)
    search = GridSearchCV(
        ridge(), {"regressor__alpha": [1e-3, 1e6]}, cv=WalkForward(2, context_length=10), scoring=scorer
    )
    search.fit(WAVE)
    assert search.best_params_ == {"regressor__alpha": 1e-3}
    rows = WAVE.iloc[-30:]
    forecasts = FITTED["ridge"].predict_at(rows, rows.index[9:-3])
    actual = np.array([rows[time] for time in forecasts["ds"]])
    assert scorer(FITTED["ridge"], rows) == pytest.approx(-np.abs(forecasts["forecast"] - actual).mean())


def test_a_list_of_models_is_named_by_class():
    result = backtest([ridge(), LSTMForecaster(3, 10, training=QUICK), ridge()], WAVE, n_cutoffs=2)
    assert result.scores.index[-3:].tolist() == ["Forecaster", "LSTMForecaster", "Forecaster_2"]


def test_an_ensemble_takes_a_mapping():
    ensemble = EnsembleForecaster({"near": ridge(), "far": Forecaster(Ridge(), 3, 20)})
    expected = EnsembleForecaster([ridge(), Forecaster(Ridge(), 3, 20)]).fit(WAVE).predict()
    pd.testing.assert_series_equal(clone(ensemble).fit(WAVE).predict(), expected)
    assert ensemble.set_params(far__context_length=12).task.context_length == 12


def test_rolling_forecasts_choose_cutoffs_as_a_backtest_does():
    table = rolling_forecasts(ridge(), WAVE, n_cutoffs=4, stride=2)
    expected = backtest({"r": ridge()}, WAVE, n_cutoffs=4, stride=2).forecasts.query("model == 'r'")
    assert table["cutoff"].tolist() == expected["cutoff"].tolist()
    assert table["forecast"].tolist() == expected["forecast"].tolist()


def test_a_loss_of_ones_own_is_minimised(tmp_path):
    low, high = (
        GRUForecaster(3, 10, line=False, head=Point(loss), training=Training(max_epochs=2, verbose=False)).fit(WAVE)
        for loss in (
            lambda f, y: (y - f).abs() * (2 + (f - y).sign()),
            lambda f, y: (y - f).abs() * (2 - (f - y).sign()),
        )
    )
    assert (low.predict() < high.predict()).all()
    with pytest.raises(ConfigError, match="model file"):
        low.save(tmp_path / "m.tsseq")
    with pytest.raises(ConfigError, match=r"one loss for every value, .* was needed \(reduction='none'\)"):
        GRUForecaster(3, 10, head=Point(lambda f, y: (f - y).abs().mean()), training=QUICK).fit(WAVE)


def test_advice_for_statics_in_a_frame_of_their_own_works():
    days = pd.MultiIndex.from_product([["a", "b"], DAYS], names=["shop", "day"])
    frame = pd.DataFrame({"sales": np.r_[WAVE, WAVE]}, days)
    statics = pd.DataFrame({"size": [1.0, 2.0]}, pd.Index(["a", "b"], name="shop"))
    joined = Forecaster(Ridge(), 3, 10, target="sales", static=["size"]).fit(frame.join(statics)).predict()
    roles = {"target": "sales", "static": ["size"], "id_column": "shop", "time_column": "day"}
    merged = Forecaster(Ridge(), 3, 10, **roles).fit(frame.reset_index().merge(statics.reset_index(), on="shop"))
    np.testing.assert_array_equal(merged.predict()["sales"], joined["sales"])
