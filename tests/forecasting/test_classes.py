"""Targets of categories: forecast, drawn, kept and saved as whole journeys."""

from contextlib import nullcontext
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

import tsseq
from tsseq import (
    Bernoulli,
    DLinearForecaster,
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LastValue,
    LinearForecaster,
    Mean,
    PatchTSTForecaster,
    Quantiles,
    SeasonalNaive,
    Seq2SeqForecaster,
    Training,
    TransformerForecaster,
)
from tsseq.errors import ConfigError, DataError
from tsseq.heads import Categorical

QUICK = Training(max_epochs=1, max_steps=20, verbose=False)
TRAINED = Training(max_epochs=5, learning_rate=1e-2, verbose=False)
DAYS = pd.date_range("2024-01-01", periods=240, name="day")
CYCLE = ["up", "flat", "down", "flat"]


def regimes(n=240, noise=0.0, seed=0, names=CYCLE):
    """A cycle, in which what follows "flat" is told by what came before it."""
    random = np.random.default_rng(seed)
    steps = np.arange(n) % len(names)
    steps = np.where(random.random(n) < noise, random.integers(0, len(names), n), steps)
    return pd.Series([names[step] for step in steps], DAYS[:n], name="regime")


def panel(n=240, noise=0.1):
    columns = {name: regimes(n, noise, seed) for seed, name in enumerate(("z", "b"))}
    return pd.concat(columns, names=["id", "day"]).to_frame("regime")


def gru(horizon=1, context_length=8, **more):
    return GRUForecaster(horizon, context_length, **({"hidden_size": 16, "training": QUICK} | more))


def seq2seq(horizon=4, **more):
    options = {"hidden_size": 16, "dropout": 0.0, "segment_length": None, "training": QUICK}
    return Seq2SeqForecaster(horizon, 8, **(options | more))


NETWORKS = {
    "gru": gru(3, dropout=0.0, training=TRAINED),
    "seq2seq": seq2seq(3, training=TRAINED),
    "transformer": TransformerForecaster(3, 8, hidden_size=16, training=TRAINED),
    "patches": PatchTSTForecaster(3, 16, hidden_size=16, dropout=0.0, training=TRAINED),
    "linear": LinearForecaster(3, 8, training=TRAINED),
    "dlinear": DLinearForecaster(3, 8, training=TRAINED),
}
CLASSIFIERS = {
    "trees": Forecaster(MultiOutputClassifier(HistGradientBoostingClassifier(max_iter=5)), 3, 8),
    "forest": Forecaster(RandomForestClassifier(5, random_state=0), 3, 8),
    "logistic": Forecaster(MultiOutputClassifier(LogisticRegression()), 3, 8),
}


@pytest.mark.parametrize("model", [*NETWORKS.values(), *CLASSIFIERS.values()], ids=[*NETWORKS, *CLASSIFIERS])
def test_every_model_learns_what_follows_from_the_last_two(model):
    model.fit(regimes())
    coming = pd.date_range("2024-08-28", periods=3, name="day", freq="D")
    want = pd.Series(["up", "flat", "down"], coming, name="regime")
    forecast = model.predict(proba=True)
    assert_series_equal(forecast["regime"], want)
    assert forecast.columns.tolist() == ["regime", "regime_p_down", "regime_p_flat", "regime_p_up"]
    np.testing.assert_allclose(forecast.iloc[:, 1:].sum(axis=1), 1.0)
    assert (forecast.to_numpy()[np.arange(3), [3, 2, 1]] > 0.5).all()
    assert model.score(regimes()) == 1.0
    assert model.predict(steps=8).tolist() == CYCLE * 2


def as_ordered(values):
    return values.astype(pd.CategoricalDtype(["up", "flat", "down"], ordered=True))


DTYPES = {
    "text": lambda values: values,
    "objects": lambda values: values.astype(object),
    "strings": lambda values: values.astype("string"),
    "categories": lambda values: values.astype("category"),
    "ordered": as_ordered,
    "booleans": lambda values: values == "up",
    "nullable booleans": lambda values: (values == "up").astype("boolean"),
    "numbers as categories": lambda values: values.map({"up": 10, "flat": 20, "down": 5}).astype("category"),
}


@pytest.mark.parametrize("change", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(
    "model", [gru(), Forecaster(HistGradientBoostingClassifier(max_iter=2), 1, 8)], ids=["gru", "trees"]
)
def test_forecasts_have_the_dtype_of_the_target(model, change):
    values = change(regimes())
    model.fit(values)
    assert model.predict().dtype == values.dtype
    assert model.predict_at(values, DAYS[50])["forecast"].dtype == values.dtype
    assert model.sample(n_paths=1)["regime_path0"].dtype == values.dtype
    assert set(model.predict()) <= set(values)
    codes = model.panel_.classes.values.tolist()
    assert codes == (["up", "flat", "down"] if change is as_ordered else sorted(set(values)))


def test_numbers_stay_numbers():
    for values in (pd.Series([0.0, 1.0] * 60, DAYS[:120]), pd.Series([0, 1, 2, 3] * 30, DAYS[:120])):
        assert LinearForecaster(1, 8, training=QUICK).fit(values).panel_.classes is None


def shapes():
    frame = panel()
    wide = pd.concat({"regime": frame["regime"].unstack("id")[["z", "b"]]}, axis=1)
    return {
        "a MultiIndex": (frame, {}),
        "a long frame": (frame.reset_index(), {"id_column": "id", "time_column": "day", "target": "regime"}),
        "columns of every series": (wide, {"target": "regime"}),
    }


@pytest.mark.parametrize("shape", shapes())
def test_panels_of_every_shape_give_the_same_forecasts_in_their_own(shape):
    frame, roles = shapes()[shape]
    model = Forecaster(HistGradientBoostingClassifier(max_iter=5), 1, 8, **roles).fit(frame)
    forecast = model.predict(proba=True)
    want = Forecaster(HistGradientBoostingClassifier(max_iter=5), 1, 8).fit(panel()).predict(proba=True)
    values = forecast.stack(level="id", future_stack=True) if shape == "columns of every series" else forecast
    for name in want:
        assert values[name].tolist() == want[name].tolist()
    assert len(forecast.columns) == {"a MultiIndex": 4, "a long frame": 6, "columns of every series": 8}[shape]


def test_a_forecast_does_not_depend_on_its_company_or_the_order_of_rows():
    frame = panel()
    shuffled = frame.sample(frac=1.0, random_state=0)
    for model in (gru(2), seq2seq(2)):
        model.fit(frame)
        want = model.predict(proba=True)
        assert_frame_equal(model.predict(shuffled, proba=True).loc[want.index], want, check_exact=True)
        np.testing.assert_allclose(
            model.predict(frame.loc[["b"]], proba=True).iloc[:, 1:], want.loc[["b"]].iloc[:, 1:], atol=1e-6
        )


def test_missing_values_are_read_as_missing_and_are_no_targets():
    values = regimes()
    holes = values.where(np.random.default_rng(1).random(240) > 0.2)
    for model in (gru(dropout=0.0, training=TRAINED), Forecaster(HistGradientBoostingClassifier(max_iter=9), 1, 8)):
        with pytest.warns(UserWarning, match="lack some target") if type(model) is Forecaster else nullcontext():
            model.fit(holes)
        assert model.predict(holes.fillna(values)).tolist() == ["up"]
        assert model.predict(holes, proba=True).iloc[:, 1:].sum(axis=1).tolist() == pytest.approx([1.0])
    with pytest.raises(DataError, match="takes no missing values"):
        Forecaster(LogisticRegression(), 1, 8).fit(holes)


@pytest.mark.parametrize("make", [gru, seq2seq])
def test_a_category_that_fit_has_not_seen_is_a_missing_one(make):
    model = make(training=TRAINED).fit(regimes().where(np.arange(240) != 3))
    new, missing = regimes(), regimes()
    new.iloc[-3], missing.iloc[-3] = "crash", None
    found, want = (model.predict(frame, proba=True) for frame in (new, missing))
    assert_frame_equal(found, want, check_exact=True)
    with pytest.raises(DataError, match="'regime' held categories such as 'down' in fit, and now only others"):
        model.predict(regimes().map(lambda name: name.upper()))


def test_paths_go_on_from_their_own_draws():
    """After the first "flat" of a cycle comes what came before it, mirrored: no path may leave the cycle."""
    follows = {("up", "flat"): "down", ("flat", "down"): "flat", ("down", "flat"): "up", ("flat", "up"): "flat"}
    for model in (gru(1, dropout=0.0, training=TRAINED), seq2seq(4, training=TRAINED)):
        paths = model.fit(regimes(noise=0.02)).sample(n_paths=20, steps=12, temperature=0.3)
        for name in paths:
            path = ["down", "flat", *paths[name]]
            hits = [follows.get(pair) == after for pair, after in zip(pairwise(path), path[2:])]
            assert np.mean(hits) > 0.7, path
    again = model.sample(n_paths=20, steps=12, temperature=0.3)
    assert_frame_equal(again, paths, check_exact=True)
    assert not model.sample(n_paths=20, steps=12, seed=1).equals(paths)


@pytest.mark.parametrize(
    "model",
    [gru(2), seq2seq(2), Forecaster(RandomForestClassifier(9, random_state=0), 2, 8)],
    ids=["gru", "seq2seq", "forest"],
)
def test_shares_of_paths_are_the_probabilities(model):
    frame = regimes(noise=0.5)
    shares = model.fit(frame).sample(n_paths=600)
    want = model.predict(proba=True)
    for name in ("down", "flat", "up"):
        np.testing.assert_allclose((shares == name).mean(axis=1), want[f"regime_p_{name}"], atol=0.08)
    likeliest = [model.sample(n_paths=500, temperature=t).iloc[0].eq(want["regime"].iloc[0]).mean() for t in (0.2, 1.0)]
    assert likeliest[0] > likeliest[1]
    one = model.sample(n_paths=50, steps=1, top_k=1)
    assert set(one.to_numpy().ravel()) == {want["regime"].iloc[0]}


def test_probabilities_beyond_the_horizon_are_shares_of_paths():
    model = gru(2, training=TRAINED).fit(regimes(noise=0.3))
    far = model.predict(steps=6, proba=True)
    assert_frame_equal(far[:2], model.predict(proba=True), check_freq=False)
    np.testing.assert_allclose(far.iloc[:, 1:].sum(axis=1), 1.0)
    paths = model.sample(n_paths=600, steps=6)
    np.testing.assert_allclose((paths == "flat").mean(axis=1)[2:], far["regime_p_flat"][2:], atol=0.1)


def test_covariates_of_every_kind_stand_beside_a_target_of_categories():
    frame = regimes(noise=0.0).sample(frac=1.0, random_state=2).set_axis(DAYS).to_frame()
    frame["hint"] = frame["regime"].map({"up": 1.0, "flat": 0.0, "down": -1.0})
    frame["sky"] = np.where(frame["hint"] > 0, "sun", "rain")
    future = frame[["hint", "sky"]][-1:]
    roles = {"target": "regime", "known": ["hint", "sky"]}
    for model in (
        gru(dropout=0.0, training=TRAINED, **roles),
        Forecaster(HistGradientBoostingClassifier(max_iter=9), 1, 8, **roles),
    ):
        assert model.fit(frame[:-1]).predict(future=future)["regime"].tolist() == frame["regime"][-1:].tolist()


def test_naive_forecasts_repeat_categories_without_probabilities():
    assert Forecaster(LastValue(), 2, 8).fit(regimes()).predict().tolist() == ["flat", "flat"]
    model = Forecaster(SeasonalNaive(4), 4, 8).fit(regimes())
    assert model.predict(steps=8).tolist() == CYCLE * 2
    with pytest.raises(ConfigError, match="naive forecasts have no probabilities"):
        model.predict(proba=True)


def test_an_ensemble_has_the_mean_of_the_probabilities():
    members = [gru(2), seq2seq(2), gru(2, 12)]
    frame = panel()
    ensemble = EnsembleForecaster(members).fit(frame)
    each = [model.fit(frame).predict(proba=True).iloc[:, 1:] for model in members]
    found = ensemble.predict(proba=True)
    np.testing.assert_allclose(found.iloc[:, 1:], sum(each) / 3)
    names = np.array(["down", "flat", "up"])
    assert found["regime"].tolist() == names[found.iloc[:, 1:].to_numpy().argmax(axis=1)].tolist()
    with pytest.raises(ConfigError, match="naive forecasts have none"):
        EnsembleForecaster([gru(2), Forecaster(LastValue(), 2, 8)]).fit(frame).predict()


@pytest.mark.parametrize("change", ["text", "ordered", "booleans"])
@pytest.mark.parametrize(
    "model",
    [gru(2), seq2seq(2), EnsembleForecaster([gru(), gru(1, 4)]), Forecaster(LastValue(), 1, 4)],
    ids=["gru", "seq2seq", "ensemble", "last value"],
)
def test_a_saved_model_forecasts_the_same_bits_in_the_same_dtype(model, change, tmp_path):
    model.fit(DTYPES[change](regimes(noise=0.2)))
    model.save(tmp_path / "m.tsseq")
    loaded = tsseq.load(tmp_path / "m.tsseq")
    proba = "LastValue" not in str(model)
    forecasts = (pd.DataFrame(each.predict(proba=proba)) for each in (loaded, model))
    assert_frame_equal(*forecasts, check_exact=True)
    if hasattr(model, "sample"):
        assert_frame_equal(loaded.sample(n_paths=3), model.sample(n_paths=3), check_exact=True)


def test_an_update_goes_on_and_learns_of_no_new_category():
    model = gru(training=TRAINED, dropout=0.0).fit(regimes()[:160])
    want = model.predict(regimes()[:160])
    model.update(regimes()[160:])
    assert model.fitted_until_ == DAYS[-1]
    assert model.predict().tolist() == ["up"]
    assert model.predict(regimes()[:160]).tolist() == want.tolist()
    with pytest.raises(DataError, match=r"1 categories of 'regime' were not there in fit \(first: 'crash'\)"):
        model.update(pd.Series(["crash"] * 9, pd.date_range("2024-08-28", periods=9, name="day"), name="regime"))


TWO = regimes().to_frame().assign(close=np.arange(240.0))
BAD = {
    "two targets": (gru(target=["regime", "close"]), TWO, ConfigError, "forecast such a column alone"),
    "two targets in one row": (
        gru(target=["regime", "close"], multivariate="joint"),
        TWO,
        ConfigError,
        "forecast such a column alone",
    ),
    "logarithms": (gru(log=True), regimes(), ConfigError, "log=True is for numbers"),
    "scaling": (gru(scaling="last"), regimes(), ConfigError, "scaling='last' is for numbers"),
    "a line": (gru(line=True), regimes(), ConfigError, "line=True forecasts numbers"),
    "quantiles": (gru(head=Quantiles([0.1])), regimes(), ConfigError, "head=Quantiles forecasts numbers"),
    "chances of a 1": (gru(head=Bernoulli()), regimes() == "up", ConfigError, r"head=Bernoulli .*\.astype\(float\)"),
    "other classes": (gru(head=Categorical(2)), regimes(), ConfigError, "is not for 3 categories"),
    "a regressor": (Forecaster(Ridge(), 1, 8), regimes(), ConfigError, "Ridge forecasts numbers: use a classifier"),
    "a mean": (Forecaster(Mean(), 1, 8), regimes(), ConfigError, "Mean forecasts numbers"),
    "numbers for a classifier": (
        Forecaster(HistGradientBoostingClassifier(), 1, 8),
        TWO["close"],
        ConfigError,
        "HistGradientBoostingClassifier forecasts categories, and the target holds numbers",
    ),
    "one category": (gru(), regimes(names=["up"]), DataError, "only 'up' in the rows to fit on"),
    "several steps": (
        Forecaster(HistGradientBoostingClassifier(), 2, 8),
        regimes(),
        ConfigError,
        "use MultiOutputClassifier",
    ),
}


@pytest.mark.parametrize(("model", "frame", "error", "message"), BAD.values(), ids=BAD)
def test_what_makes_no_sense_of_categories_is_refused_by_name(model, frame, error, message):
    with pytest.raises(error, match=message):
        model.fit(frame)


def test_what_makes_no_sense_of_a_fitted_model_is_refused_by_name():
    numbers = LinearForecaster(1, 8, head=Quantiles([0.1]), training=QUICK).fit(pd.Series(np.arange(60.0), DAYS[:60]))
    with pytest.raises(ConfigError, match="proba=True is for targets of categories"):
        numbers.predict(proba=True)
    with pytest.raises(ConfigError, match="temperature= and top_k= are for targets of categories"):
        numbers.sample(temperature=0.5)
    with pytest.raises(DataError, match="is not numeric"):
        numbers.predict(regimes().rename("y"))
    model = gru().fit(regimes())
    with pytest.raises(ConfigError, match=r"holds categories: use predict\(proba=True\)"):
        model.predict(levels=[0.1])
    for option in ({"temperature": 0.0}, {"top_k": 0}):
        with pytest.raises(ConfigError, match=next(iter(option))):
            model.sample(**option)
        with pytest.raises(ConfigError, match=f"Categorical.{next(iter(option))}="):
            Categorical(3, **option)
    with pytest.raises(DataError, match="held categories"):
        model.predict(pd.Series(np.arange(60.0), DAYS[:60], name="regime"))


def test_probabilities_that_are_no_numbers_are_refused_and_no_category_is_made_of_them():
    class Unsure(LogisticRegression):
        def predict_proba(self, X):
            return super().predict_proba(X) * np.nan

    network = gru().fit(regimes())
    with torch.no_grad():
        for parameter in network.regressor_.network_.parameters():
            parameter.fill_(np.inf)
    for model in (Forecaster(Unsure(), 1, 8).fit(regimes()), network):
        for predict in (model.predict, partial(model.predict, proba=True), model.sample):
            with pytest.raises(DataError, match="NaN or infinite"):
                predict()


@pytest.mark.parametrize("classifier", [MLPClassifier((4,), max_iter=3000), OneVsRestClassifier(LogisticRegression())])
def test_a_classifier_that_takes_steps_for_labels_of_a_row_is_refused_with_advice(classifier):
    for target in (regimes(), regimes().eq("flat")):
        with pytest.raises(ConfigError, match=r"predicts one category, and 2 are needed; use MultiOutputClassifier\("):
            Forecaster(classifier, 2, 3).fit(target)


def test_medians_that_are_all_0_give_way_to_means():
    random = pd.Series(np.random.default_rng(3).choice(list("abc"), 240), DAYS, name="regime")
    trees = [Forecaster(DecisionTreeClassifier(random_state=k), 1, k) for k in (8, 12, 15)]
    ensemble = EnsembleForecaster(trees, combine="median").fit(random[:150])
    shares = ensemble.predict_at(random, random.index[150:230], proba=True).filter(like="p_")
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares.round(3) == 0.333).all(axis=1).any()  # each tree is sure of another one


def test_categories_that_read_alike_are_refused():
    mixed = pd.Categorical([{"up": 1, "down": "1", "flat": 2}[name] for name in regimes()], categories=[1, "1", 2])
    with pytest.raises(DataError, match="read alike, such as 1 and '1'"):
        gru().fit(pd.Series(mixed, DAYS, name="regime"))


def test_targets_that_are_all_alike_are_told_as_such():
    with pytest.raises(DataError, match="two categories among the targets, and those of 50 training windows are all"):
        Forecaster(LogisticRegression(), 1, 3).fit(pd.Series(["a"] * 3 + ["b"] * 50, name="regime"))


def test_a_category_that_fit_has_not_seen_is_named_among_the_reasons():
    model = Forecaster(LogisticRegression(max_iter=500), 1, 3).fit(regimes())
    with pytest.raises(DataError, match="or categories that fit has not seen"):
        model.predict(regimes().replace({"down": "fog"}))
