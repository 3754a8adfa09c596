"""Searches for parameters: what they may see, how they end, and what they count for."""

import sys

import joblib
import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Lasso, Ridge

import tsseq
from tsseq import (
    ConformalForecaster,
    EnsembleForecaster,
    Forecaster,
    LinearForecaster,
    PurgedKFold,
    Quantiles,
    SeasonalNaive,
    Training,
    WalkForward,
    tune,
)
from tsseq.errors import ConfigError, NotEnoughHistory

QUICK = Training(max_epochs=1, max_steps=20, verbose=False)
SPACE = {"context_length": (3, 36), "regressor__alpha": (1e-3, 1e3, "log")}
TWO = WalkForward(2, test_size=30)


def ridge(horizon=3, context_length=6, **roles):
    return Forecaster(Ridge(), horizon, context_length, **roles)


def waves(n=240, seed=0):
    """A day and a night of 24 hours, in noise."""
    hours = np.arange(n)
    noise = np.random.default_rng(seed).normal(0, 1, n)
    values = 10 + 3 * np.sin(2 * np.pi * hours / 24) + noise
    return pd.Series(values, pd.date_range("2024-01-01", periods=n, freq="h", name="hour"), name="load")


def panel(n=120):
    days = pd.date_range("2024-01-01", periods=n, name="ds")
    frames = [
        pd.DataFrame({"unique_id": name, "ds": days, "y": size * waves(n, seed).to_numpy()})
        for seed, (name, size) in enumerate({"a": 1.0, "b": 1000.0}.items())
    ]
    return pd.concat(frames, ignore_index=True)


def same_search(first, second):
    """Whether two searches tried and found the same; numbers of trials apart, of which a stopped one has more."""
    pd.testing.assert_frame_equal(first.table.reset_index(drop=True), second.table.reset_index(drop=True))
    assert first.params == second.params


@pytest.mark.parametrize(
    ("model", "frame", "cv", "test_size"),
    [
        (ridge(6, 12), waves(600), None, None),
        (ridge(6, 12, log=True), tsseq.load_sample("airline"), WalkForward(3, test_size=18), 36),
    ],
    ids=["waves", "airline"],
)
def test_a_search_is_better_on_rows_that_it_never_saw(model, frame, cv, test_size):
    tuned = tune(model, frame, SPACE, 20, cv=cv, test_size=test_size)
    assert tuned.score == tuned.table["score"].min() < tuned.table.loc["default", "score"]
    assert (tuned.cutoffs >= tuned.until).all()
    scores = tsseq.backtest({"tuned": tuned.forecaster, "default": model}, frame, tuned.cutoffs).scores
    assert scores.loc["tuned", "MASE"] < 0.9 * scores.loc["default", "MASE"]


@pytest.mark.parametrize("poison", [np.nan, 1e30, -5.0])
@pytest.mark.parametrize("frame", [waves(), panel()], ids=["series", "panel"])
def test_rows_that_are_held_back_change_nothing(frame, poison):
    target = frame if isinstance(frame, pd.Series) else frame["y"]
    times = frame.index if isinstance(frame, pd.Series) else frame["ds"]
    clean = tune(ridge(), frame, SPACE, 3, cv=TWO, test_size=20)
    assert times[times > clean.until].nunique() == 20
    poisoned = target.where(np.asarray(times <= clean.until), poison)
    frame = poisoned if isinstance(frame, pd.Series) else frame.assign(y=poisoned)
    same_search(tune(ridge(), frame, SPACE, 3, cv=TWO, test_size=20), clean)


def test_nothing_is_held_back_where_that_is_asked_for():
    frame = waves(120)
    tuned = tune(ridge(), frame, SPACE, 1, cv=TWO, test_size=0)
    assert tuned.until == frame.index[-1]
    assert len(tuned.cutoffs) == 0


def test_a_score_is_that_of_a_backtest_of_the_rows_after_the_training_rows():
    frame = waves(160)
    cv = WalkForward(2, test_size=12, gap=2, max_train_size=80)
    table = tune(ridge(), frame, SPACE, 1, cv=cv, test_size=10, scoring="RMSE").table
    for name, (train, test) in zip(("fold_1", "fold_2"), cv.split(frame[:-10])):
        model, cutoffs = ridge().fit(frame.iloc[train]), frame.index[test[0] - 1 : test[-1] - 2]
        scores = tsseq.backtest({"model": model}, frame[: frame.index[test[-1]]], cutoffs).scores
        assert table.loc["default", name] == pytest.approx(scores.loc["model", "RMSE"], rel=1e-12)


def test_every_context_is_scored_on_the_same_rows():
    rows = []

    def spread(result):
        rows.append(tuple(result.forecasts.query("model == 'model'")["hour"]))
        return -result.scores.loc["model", "MAE"]

    cv = WalkForward(2, test_size=30, context_length=6)
    tune(ridge(), waves(), {"context_length": [3, 30]}, 4, cv=cv, scoring=spread)
    assert len(rows) >= 6
    assert len(set(rows)) == 2  # folds


def test_blocks_with_the_same_training_rows_are_one_fold():
    folds = [name for name in tune(ridge(), waves(), SPACE, 1, cv=WalkForward(4, test_size=10, refit=2)).table]
    assert [name for name in folds if name.startswith("fold")] == ["fold_1", "fold_2"]


def test_a_search_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    calls, last = [], [27]

    def minus_mae(result):
        calls.append(1)
        if len(calls) == last[0]:
            raise KeyboardInterrupt
        return -result.scores.loc["model", "MAE"]

    options = {"n_trials": 16, "cv": TWO, "scoring": minus_mae}
    with pytest.raises(KeyboardInterrupt):
        tune(ridge(), waves(), SPACE, **options, study=tmp_path / "search")
    last[0] = 0
    resumed = tune(ridge(), waves(), SPACE, **options, study=tmp_path / "search")
    n_resumed = len(calls)
    whole = tune(ridge(), waves(), SPACE, **options)
    n_whole = len(calls) - n_resumed
    same_search(resumed, whole)
    assert whole.table["state"].eq("pruned").any()
    assert n_whole <= n_resumed <= n_whole + 2  # the folds of the trial that was under way
    same_search(tune(ridge(), waves(), SPACE, **options, study=str(tmp_path / "search")), whole)
    assert len(calls) == n_resumed + n_whole  # nothing was left to do


def test_a_file_of_another_search_is_refused(tmp_path):
    options = {"cv": TWO, "study": tmp_path / "search"}
    tune(ridge(), waves(), SPACE, 1, **options)
    others = {
        "rows": (ridge(), waves(seed=1), SPACE, {}),
        "forecaster": (ridge(context_length=7), waves(), SPACE, {}),
        "space": (ridge(), waves(), {"context_length": (3, 9)}, {}),
        "scoring": (ridge(), waves(), SPACE, {"scoring": "MAE"}),
        "held back": (ridge(), waves(), SPACE, {"test_size": 5}),
    }
    for model, frame, space, more in others.values():
        with pytest.raises(ConfigError, match="the study is of another search"):
            tune(model, frame, space, 1, **options, **more)


def test_the_same_seed_is_the_same_search_and_another_is_not():
    first, second, other = (tune(ridge(), waves(), SPACE, 4, cv=TWO, seed=seed) for seed in (0, 0, 1))
    same_search(first, second)
    assert not first.table["context_length"].equals(other.table["context_length"])


def test_trials_side_by_side_are_those_of_any_backend():
    searches = []
    for n_jobs, backend in ((2, "threading"), (2, "loky"), (None, "threading")):
        with joblib.parallel_config(backend, n_jobs=2):
            searches.append(tune(ridge(), waves(), SPACE, 5, cv=TWO, n_jobs=n_jobs))
    same_search(searches[0], searches[1])
    same_search(searches[0], searches[2])


def test_pruned_trials_are_in_the_ledger_and_make_luck_likelier():
    tuned = tune(ridge(), waves(), SPACE, 16, cv=TWO)
    states = tuned.table["state"].value_counts()
    assert states["pruned"] > 0
    assert tuned.trials.count == len(tuned.table) == 17
    pruned = tuned.table[tuned.table["state"] == "pruned"]
    assert pruned["score"].isna().all()
    assert pruned["fold_1"].notna().all()
    prices = tsseq.load_sample("sp500")[-400:]
    book = tsseq.simulate(pd.Series(1.0, prices.index[::5]).where(np.arange(80) % 2 > 0, 0.0), prices["close"])
    alone, among = book.compare(), book.compare(tuned.trials)
    assert among["adjusted_p"] == pytest.approx(min(1.0, 17 * alone["p_value"]))


def test_a_trial_that_fails_says_why_and_the_rest_goes_on():
    tuned = tune(ridge(), waves(120), {"context_length": [6, 12, 100]}, 8, cv=WalkForward(2, test_size=10))
    failed = tuned.table[tuned.table["state"] == "failed"]
    assert set(failed["context_length"]) == {100}
    assert failed["error"].str.contains("fewer than context_length").all()
    assert tuned.params in ({}, {"context_length": 6}, {"context_length": 12})


def test_the_forecaster_stays_as_it_is_if_nothing_is_better():
    model = ridge(3, 30)
    tuned = tune(model, waves(), {"context_length": [3]}, 2, cv=TWO)
    assert tuned.params == {}
    assert tuned.forecaster.get_params()["context_length"] == 30
    assert tuned.score == tuned.table.loc["default", "score"]


def test_choices_may_be_objects():
    tuned = tune(ridge(), waves(), {"regressor": [Lasso(100.0), Ridge(10.0)], "log": [False]}, 6, cv=TWO)
    assert set(tuned.table["regressor"][1:]) == {"Lasso(alpha=100.0)", "Ridge(alpha=10.0)"}
    assert isinstance(tuned.forecaster.regressor, Ridge)


def test_a_study_of_ones_own_keeps_its_sampler_and_pruner():
    grid = {"context_length": [3, 12, 24]}
    study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid, seed=0), pruner=optuna.pruners.NopPruner())
    tuned = tune(ridge(), waves(), grid, 3, cv=TWO, study=study)
    assert sorted(tuned.table["context_length"][1:]) == [3, 12, 24]
    assert (tuned.table["state"] == "complete").all()
    assert tuned.study is study
    with pytest.raises(ConfigError, match=r"create_study\(direction='maximize'\)"):
        tune(ridge(), waves(), grid, 3, cv=TWO, study=optuna.create_study(), scoring="skill")


KINDS = {
    "network": (
        LinearForecaster(2, 8, training=QUICK),
        {"training__learning_rate": (1e-4, 1e-1, "log"), "context_length": (4, 12)},
        {},
    ),
    "quantile head": (
        LinearForecaster(2, 8, head=Quantiles([0.1, 0.9]), training=QUICK),
        {"scaling": ["last", "standard"]},
        {"scoring": "pinball", "levels": [0.1, 0.9]},
    ),
    "ensemble": (
        EnsembleForecaster({"ridge": ridge(2, 8), "season": Forecaster(SeasonalNaive(24), 2, 24)}),
        {"ridge__regressor__alpha": (0.1, 10.0), "combine": ["mean", "median"]},
        {"scoring": "skill"},
    ),
    "conformal": (
        ConformalForecaster(ridge(2, 8)),
        {"forecaster__context_length": (4, 12)},
        {"scoring": "CRPS", "levels": [0.1, 0.5, 0.9]},
    ),
}


@pytest.mark.parametrize(("model", "space", "options"), KINDS.values(), ids=KINDS)
def test_every_kind_of_forecaster_is_tuned(model, space, options):
    tuned = tune(model, waves(150), space, 2, cv=WalkForward(2, test_size=12), **options)
    assert (tuned.table["state"] == "complete").all()
    assert tuned.forecaster.fit(waves(150)).predict(levels=options.get("levels")).notna().all(axis=None)


def test_categories_are_tuned_by_their_log_loss():
    days = pd.date_range("2024-01-01", periods=150, name="day")
    regimes = pd.Series(["up", "up", "down"] * 50, days, name="regime")
    model = Forecaster(HistGradientBoostingClassifier(max_iter=2), 1, 2)
    tuned = tune(model, regimes, {"context_length": [3, 6]}, 2, cv=WalkForward(2, test_size=12))
    assert tuned.scoring == "log_loss"
    assert tuned.score <= tuned.table.loc["default", "score"]


def test_searching_says_nothing(capfd):
    tune(ridge(), waves(), SPACE, 12, cv=TWO)
    assert capfd.readouterr() == ("", "")


def test_a_search_is_told_in_a_line():
    text = repr(tune(ridge(), waves(), {"context_length": [24]}, 2, cv=TWO))
    assert text.startswith("Tuned(MASE 0.")
    assert text.endswith("2 complete; until 2024-01-09 17:00:00; {'context_length': 24})")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "must map names of parameters to values"),
        ({"space": {"regressor__alhpa": (1, 2)}}, "did you mean 'regressor__alpha'"),
        ({"space": {"horizon": (1, 2)}}, "changes what is forecast"),
        ({"space": {"context_length": 5}}, r"must be \(low, high\)"),
        ({"space": {"context_length": (9, 3)}}, r"must be \(low, high\)"),
        ({"space": {"context_length": (0, 3, "log")}}, "with low above 0"),
        ({"space": {"context_length": []}}, "a list of choices"),
        ({"model": LinearForecaster(2, 8), "space": {"training__max_epochs": (1, 2)}}, "its training is None"),
        ({"model": Ridge()}, "a forecaster such as"),
        ({"cv": PurgedKFold(3)}, "must be a WalkForward"),
        ({"cv": WalkForward(2, test_size=2)}, "hold no forecast of horizon=3"),
        ({"scoring": "neg_mean_absolute_error"}, "must be a function, or one of skill, MAE"),
        ({"scoring": "pinball"}, r"with levels=\[...\] also pinball"),
        ({"scoring": "coverage", "levels": [0.1, 0.9]}, "scoring='coverage'"),
        ({"n_trials": 0}, "n_trials=0"),
        ({"test_size": -1}, "test_size=-1"),
        ({"seed": None}, "seed=None"),
        ({"n_iter": 5}, "here it is n_trials"),
        ({"study": 5}, "study=5 must be a study of Optuna or the path"),
        ({"scoring": lambda result: np.nan}, "choose another scoring"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change, message):
    arguments = {"model": ridge(), "frame": waves(), "space": SPACE, "cv": TWO} | change
    with pytest.raises(ConfigError, match=message):
        tune(arguments.pop("model"), **arguments)


def test_too_few_rows_are_told():
    with pytest.raises(NotEnoughHistory, match="test_size=300 leaves none of 240"):
        tune(ridge(), waves(), SPACE, 1, test_size=300)
    with pytest.raises(NotEnoughHistory, match=r"too little to train on: .* fewer than context_length"):
        tune(ridge(3, 60), waves(100), SPACE, 1, cv=TWO)


def test_without_optuna_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'tsseq\[tune\]'"):
        tune(ridge(), waves(), SPACE, 1)
