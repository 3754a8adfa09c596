"""Model files of ConformalForecaster, EnsembleForecaster and naive forecasts: the same bits, or a ModelFileError."""

import os
import re
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from model_files import (
    CHILD,
    DAYS,
    QUICK,
    WALK,
    Average,
    assert_forecasts_equal,
    damaged,
    damaged_configs,
    shop,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

import tsseq
from tsseq import (
    ConfigError,
    ConformalForecaster,
    Drift,
    EnsembleForecaster,
    Forecaster,
    LastValue,
    LinearForecaster,
    LSTMForecaster,
    Mean,
    ModelFileError,
    NeuralRegressor,
    Quantiles,
    SeasonalNaive,
    load_sample,
)
from tsseq.persistence.container import dump_json, parse_json, read, write

BAND = [0.2, 0.8]
CALM = pd.Series(WALK[:, 0], DAYS, name="y")


def lstm(length=8, **more):
    return LSTMForecaster(2, length, hidden_size=4, training=QUICK, **more)


def linear(length=8, **more):
    return LinearForecaster(2, length, training=QUICK, **more)


def conformal(*arguments, **more):
    return ConformalForecaster(*arguments, n_calibration=12, **more)


def uneven():
    """A long frame; one series is too short for the calibration rows, so that no unit of its own was learnt there."""
    frame = shop().reset_index()
    late = frame[(frame["id"] == "b") & (frame["day"] >= DAYS[66])].assign(id="late")
    return pd.concat([late, frame[frame["id"] != "b"]], ignore_index=True)


def cases():
    """Name -> (model, frame, future, levels)."""
    days = pd.MultiIndex.from_product([["z", "b"], pd.date_range("2024-03-21", periods=2)], names=["id", "day"])
    promo = {"target": "sales", "known": "promo"}
    seeds = EnsembleForecaster.over_seeds(linear(head=Quantiles((0.2, 0.8))), 3, "median")
    named = EnsembleForecaster([("net", lstm(5)), ("season", Forecaster(SeasonalNaive(7), 2, 14))])
    both = EnsembleForecaster([conformal(lstm(6)), conformal(linear(12))])
    roles = {"target": "sales", "id_column": "id", "time_column": "day"}
    prices = {"target": "close", "past": "volume", "log": True, "calendar": "XNYS"}
    return {
        "conformal": (conformal(lstm()), CALM, None, BAND),
        "conformal, one fit": (conformal(linear(), refit=False), CALM, None, BAND),
        "conformal, short series": (conformal(linear(**roles)), uneven(), None, BAND),
        "conformal, naive": (conformal(Forecaster(Drift(), 2, 5)), CALM, None, BAND),
        "conformal ensemble": (conformal(named), CALM, None, BAND),
        "conformal, prices": (conformal(linear(**prices)), load_sample("sp500")[-120:], None, BAND),
        "ensemble of seeds": (seeds, CALM, None, BAND),
        "ensemble by name": (named, shop()["sales"], None, None),
        "ensemble, covariates": (
            EnsembleForecaster((linear(4, **promo), lstm(9, **promo))),
            shop(),
            pd.DataFrame({"promo": np.arange(4.0)}, days),
            None,
        ),
        "ensemble of conformals": (both, CALM, None, BAND),
    }


CASES = cases()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Every case: the fitted model, what it forecasts, and what its file forecasts in another process."""
    folder, models, here = tmp_path_factory.mktemp("wrappers"), {}, {}
    for case, (model, frame, future, levels) in CASES.items():
        path, given = folder / f"{case}.tsseq", {"future": future, "levels": levels}
        models[case] = model = clone(model).fit(frame)
        model.save(path)
        pd.to_pickle({"frame": frame, **given}, path.with_suffix(".given"))
        here[path] = {"fitted": model.predict(**given), "frame": model.predict(frame, **given)}
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    subprocess.run([sys.executable, "-c", CHILD, *map(str, here)], check=True, cwd=folder, env=environment)
    there = {path.stem: pd.read_pickle(path.with_suffix(".found")) for path in here}
    return {path.stem: (models[path.stem], path, found, there[path.stem]) for path, found in here.items()}


@pytest.mark.parametrize("case", CASES)
def test_another_process_forecasts_the_same_bits(elsewhere, case):
    _, _, here, there = elsewhere[case]
    for way in ("fitted", "frame"):
        assert np.isfinite(here[way].drop(columns=["id", "day"], errors="ignore").to_numpy()).all()
        assert_forecasts_equal(there[way], here[way])


@pytest.mark.parametrize("case", CASES)
def test_all_that_was_learnt_comes_back(elsewhere, case):
    model, path, _, _ = elsewhere[case]
    loaded, (_, frame, _, levels) = tsseq.load(path), CASES[case]
    same(loaded, model)
    cutoffs = model.panel_.times.unique()[-4:-2]
    found, want = (one.predict_at(frame, cutoffs, levels) for one in (loaded, model))
    assert_forecasts_equal(found, want)


def passed_through(model, tmp_path, **more):
    model.save(tmp_path / "model.tsseq")
    return tsseq.load(tmp_path / "model.tsseq", **more)


def same(loaded, model):
    """Everything below ``model``, object by object."""
    assert type(loaded) is type(model)
    assert repr(loaded) == repr(model)
    assert vars(loaded).keys() == vars(model).keys()
    assert loaded.fitted_until_ == model.fitted_until_
    for name in ("values", "static", "indptr", "input_order"):
        np.testing.assert_array_equal(getattr(loaded.panel_, name), getattr(model.panel_, name), strict=True)
    for name in ("scale", "weight", "centre", "spread") if hasattr(model, "scaling_") else ():
        np.testing.assert_array_equal(getattr(loaded.scaling_, name), getattr(model.scaling_, name), strict=True)
    if isinstance(model, ConformalForecaster):
        np.testing.assert_array_equal(loaded.scores_, model.scores_, strict=True)
        pd.testing.assert_index_equal(loaded.scaling_.ids, model.scaling_.ids)
        assert loaded.layout_ == model.layout_
        same(loaded.forecaster_, model.forecaster_)
    elif isinstance(model, EnsembleForecaster):
        for ours, theirs in zip(loaded.forecasters_, model.forecasters_, strict=True):
            same(ours, theirs)
    else:
        assert vars(loaded.regressor_).keys() == vars(model.regressor_).keys()
        assert loaded.regressor_.layout_ == model.regressor_.layout_
        assert loaded.regressor_.n_features_in_ == model.regressor_.n_features_in_


@pytest.mark.parametrize("naive", [LastValue(), SeasonalNaive(7), Drift(), Mean()], ids=repr)
def test_naive_forecasts_come_back(tmp_path, naive):
    frame = shop().assign(size=2.0)
    model = Forecaster(naive, 3, 14, target=["sales", "promo"], static="size", multivariate="joint").fit(frame)
    loaded = passed_through(model, tmp_path)
    same(loaded, model)
    assert_forecasts_equal(loaded.predict(frame, steps=8), model.predict(frame, steps=8))


def test_a_loaded_model_is_fitted_again_as_it_was(tmp_path):
    model, frame, _, levels = CASES["conformal ensemble"]
    model = clone(model).fit(frame)
    again = clone(passed_through(model, tmp_path)).fit(frame)
    assert_forecasts_equal(again.predict(levels=levels), model.predict(levels=levels))


def test_what_was_set_after_the_fit_changes_no_forecast(tmp_path):
    model = EnsembleForecaster([("a", linear(4)), ("b", lstm())]).fit(CALM)
    model.set_params(a__context_length=20, n_jobs=2)
    loaded = passed_through(model, tmp_path)
    assert_forecasts_equal(loaded.predict(), model.predict())
    assert loaded.get_params()["a__context_length"] == 20


def test_own_networks_deep_inside_are_given_by_the_caller(tmp_path):
    own = Forecaster(NeuralRegressor(Average(), training=QUICK), 2, 8)
    model = conformal(EnsembleForecaster([own, linear()])).fit(CALM)
    loaded = passed_through(model, tmp_path, networks=[Average])
    assert_forecasts_equal(loaded.predict(levels=BAND), model.predict(levels=BAND))
    with pytest.raises(ModelFileError, match="names 'Average'"):
        tsseq.load(tmp_path / "model.tsseq")


class TestSaving:
    @pytest.mark.parametrize("model", [conformal(linear()), EnsembleForecaster([linear()])], ids=["one", "many"])
    def test_only_a_fitted_model_is_saved(self, tmp_path, model):
        with pytest.raises(NotFittedError):
            model.save(tmp_path / "model.tsseq")

    @pytest.mark.parametrize("wrap", [conformal, lambda inner: conformal(EnsembleForecaster([linear(), inner]))])
    def test_other_regressors_inside_are_left_to_pickle(self, tmp_path, wrap):
        model = wrap(Forecaster(Ridge(), 2, 8)).fit(CALM)
        with pytest.raises(ConfigError, match=r"Forecaster\(Ridge\) is left to joblib or pickle"):
            model.save(tmp_path / "model.tsseq")
        assert os.listdir(tmp_path) == []

    def test_a_wrapper_that_could_not_be_read_again_is_refused(self, tmp_path):
        model = EnsembleForecaster([linear()]).fit(CALM)
        for wrong, message in ({"combine": "sum"}, "combine='sum'"), ({"n_jobs": "all"}, "n_jobs='all'"):
            with pytest.raises(ConfigError, match=f"could not be loaded: .*{message}"):
                clone(model).fit(CALM).set_params(**wrong).save(tmp_path / "model.tsseq")
        assert os.listdir(tmp_path) == []


FUZZED = {"conformal": conformal(lstm()), "ensemble": EnsembleForecaster([("net", lstm(5)), ("season", linear())])}
each_wrapper = pytest.mark.parametrize("kind", FUZZED)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of each wrapper, and what the model in it forecasts."""
    found = {}
    for kind, model in FUZZED.items():
        path = tmp_path_factory.mktemp(kind) / "model.tsseq"
        model = clone(model).fit(CALM)
        model.save(path)
        found[kind] = path, model.predict()
    return found


@each_wrapper
def test_no_damaged_file_is_loaded_as_something_else(files, tmp_path, kind):
    (original, want), rng, refused = files[kind], np.random.default_rng(0), 0
    content, path = original.read_bytes(), tmp_path / "model.tsseq"
    for _ in range(400):
        path.write_bytes(damaged(content, rng))
        try:
            loaded = tsseq.load(path)
        except ModelFileError:
            refused += 1
        else:
            assert_forecasts_equal(loaded.predict(), want)
    assert refused > 380


@each_wrapper
def test_a_config_with_anything_lost_or_changed_is_loaded_or_a_model_file_error(files, tmp_path, kind):
    """Digests are made anew; whatever a config says, nothing else is raised."""
    members, rng, refused = read(files[kind][0])[1], np.random.default_rng(1), 0
    for changed in damaged_configs(parse_json(members["config.json"]), rng, 150):
        refused += refuses(lambda config, changed=changed: changed, members, tmp_path)
    assert refused > 75


def refuses(change, members, tmp_path, message=""):
    """Whether a file with another config is no model."""
    path, config = tmp_path / "model.tsseq", parse_json(members["config.json"])
    write(path, members | {"config.json": dump_json(change(config) or config)})
    try:
        tsseq.load(path)
    except ModelFileError as error:
        return bool(re.search(message, str(error))) or pytest.fail(str(error))
    return False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.update(parts={}), "nothing was needed"),
        (lambda config: config["parts"].update({"2": config["parts"]["0"]}), "parts make no sense"),
        (
            lambda config: config["parts"].update({"0": config["parts"]["1"], "1": config["parts"]["0"]}),
            "needs|describe",
        ),
        (lambda config: inside(config, "1", "panel").update(schema=other_schema(config)), "same columns"),
        (lambda config: config["parts"].pop("1") and None, "nothing was needed"),
        (lambda config: config["config"].update(parameters=inside(config, "0")["parameters"]), "where parameters"),
        (lambda config: parameters(config).update(combine="sum"), "combine='sum'"),
        (lambda config: parameters(config).update(forecasters=[1]), "forecaster such as"),
        (lambda config: config["config"]["parameters"].update(kind="os.system"), "names 'os.system'"),
        (lambda config: config.update(kind="os.system"), "names 'os.system'"),
        (lambda config: config.update(kind="Panel"), "where a model was needed"),
        (lambda config: config["parts"]["0"].update(kind="NeuralRegressor"), "where 0, a BaseForecaster, was needed"),
    ],
)
def test_an_ensemble_that_makes_no_sense_is_refused(files, tmp_path, change, message):
    assert refuses(change, read(files["ensemble"][0])[1], tmp_path, message)


def inside(config, *names):
    """The config of a part of a part."""
    for name in names:
        config = config["parts"][name]
    return config["config"]


def parameters(config):
    return config["config"]["parameters"]["arguments"]


def other_schema(config):
    schema = deepcopy(inside(config, "panel")["schema"])
    schema["arguments"]["target"] = {"tuple": ["other"]}
    return schema


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["parts"].pop("scaling") and None, r"no \['scaling'\]"),
        (lambda config: parameters(config).update(n_calibration=0), "n_calibration=0"),
        (lambda config: parameters(config).update(forecaster=None), "forecaster such as"),
        (lambda config: inside(config, "scaling")["ids"].update(index=["a", "b"]), "was needed"),
        (lambda config: inside(config, "scaling").update(kind="first"), "unknown scaling"),
        (lambda config: inside(config, "scaling").update(ids=None), "ids, a Index, was needed"),
        (lambda config: inside(config, "forecaster", "panel").update(schema=other_schema(config)), "same columns"),
    ],
)
def test_a_calibration_that_makes_no_sense_is_refused(files, tmp_path, change, message):
    assert refuses(change, read(files["conformal"][0])[1], tmp_path, message)


def test_arrays_of_other_shapes_names_and_dtypes_are_refused(files, tmp_path):
    members, path = read(files["conformal"][0])[1], tmp_path / "model.tsseq"
    arrays = safetensors.torch.load(members["arrays.safetensors"])
    for name, array in arrays.items():
        other = torch.float16 if array.is_floating_point() else torch.int32
        for wrong in (array.to(other), array[..., None].contiguous(), None):
            changed = {key: value for key, value in arrays.items() if key != name}
            changed |= {} if wrong is None else {name: wrong}
            write(path, members | {"arrays.safetensors": safetensors.torch.save(changed)})
            with pytest.raises(ModelFileError):
                tsseq.load(path)
    for name in ("weight", "7/weight", "forecaster/weight", "forecaster/regressor/weight", "scaling/weight/more"):
        strange = arrays | {name: torch.zeros(2)}
        write(path, members | {"arrays.safetensors": safetensors.torch.save(strange)})
        with pytest.raises(ModelFileError, match=r"nothing was needed|has no meaning"):
            tsseq.load(path)
