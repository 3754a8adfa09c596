"""Model files of NeuralRegressor, classifiers, labellers and transducers, and of networks and heads of one's own."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from model_files import DAYS, QUICK, WALK, Average, assert_forecasts_equal
from pandas.testing import assert_frame_equal
from sklearn.exceptions import NotFittedError

import tsseq
from tsseq import Forecaster, NeuralClassifier, NeuralLabeller, NeuralRegressor, NeuralTransducer, Quantiles
from tsseq.errors import ConfigError, DataError, ModelFileError
from tsseq.heads import Head
from tsseq.networks import GRU, Linear, Seq2Seq, Transformer
from tsseq.persistence.container import dump_json, parse_json, read, write

RNG = np.random.default_rng(3)
ROWS, TARGETS = RNG.normal(size=(60, 8)), RNG.normal(size=(60, 2))
SPEED = np.tile([0.3, 0.9], 15)
SEQUENCES = np.sin(SPEED[:, None] * np.arange(12.0) + RNG.normal(size=(30, 1)))
LISTS = [np.column_stack([row[: 6 + k % 7], -row[: 6 + k % 7]]) for k, row in enumerate(SEQUENCES)]
STATES = GRU(4, segment_length=None)
TEXTS = ["ab" * (1 + k % 4) + "abc"[k % 3] for k in range(30)]
CODES = [[ord(letter) for letter in text] for text in TEXTS]
FRAME = pd.DataFrame(ROWS, columns=list("abcdefgh"))
CASES = {
    "regressor": (NeuralRegressor(GRU(4), training=QUICK), ROWS, TARGETS),
    "regressor, one output": (NeuralRegressor(training=QUICK), ROWS, TARGETS[:, 0]),
    "regressor, one column": (NeuralRegressor(GRU(4), Quantiles(), QUICK), ROWS, TARGETS[:, :1]),
    "regressor, frame": (NeuralRegressor(Linear(), training=QUICK), FRAME, TARGETS),
    "classifier": (NeuralClassifier(training=QUICK), SEQUENCES, np.where(SPEED > 0.5, "fast", "slow")),
    "classifier, numbers": (NeuralClassifier(Linear(), QUICK), SEQUENCES, (SPEED > 0.5) * np.int32(7)),
    "classifier, objects": (NeuralClassifier(STATES, QUICK), SEQUENCES, np.where(SPEED > 0.5, "a", "b").astype(object)),
    "classifier, lists": (NeuralClassifier(STATES, QUICK), LISTS, SPEED > 0.5),
    "classifier, frame": (NeuralClassifier(STATES, QUICK), FRAME, TARGETS[:, 0] > 0),
    "classifier, texts": (NeuralClassifier(STATES, QUICK), TEXTS, SPEED > 0.5),
    "classifier, rare words": (NeuralClassifier(STATES, QUICK, min_count=20), [list(x) for x in TEXTS], SPEED > 0.5),
    "classifier, codes": (NeuralClassifier(STATES, QUICK, symbols=True), CODES, SPEED > 0.5),
    "classifier, labels": (NeuralClassifier(STATES, QUICK), SEQUENCES, (TARGETS[:30] > 0) * 1),
    "labeller, texts": (NeuralLabeller(STATES, QUICK), TEXTS, TEXTS),
    "transducer": (NeuralTransducer(Seq2Seq(hidden_size=4), QUICK), TEXTS, [x[::-1] + "c" for x in TEXTS]),
    "transducer, words": (NeuralTransducer(Transformer(8, 2), QUICK, min_count=20), TEXTS, [list(x) for x in TEXTS]),
    "transducer, frames": (NeuralTransducer(Seq2Seq(hidden_size=4), QUICK), LISTS, CODES),
    "transducer, ctc": (NeuralTransducer(STATES, QUICK, loss="ctc"), LISTS, [x[:3] for x in TEXTS]),
    "labeller": (NeuralLabeller(training=QUICK), SEQUENCES, SEQUENCES > 0),
    "labeller, lists": (NeuralLabeller(STATES, QUICK), LISTS, [np.where(x[:, 0] > 0, "up", "down") for x in LISTS]),
}
CHILD = """
import pathlib, sys
import pandas as pd
import tsseq

for path in map(pathlib.Path, sys.argv[1:]):
    model, X = tsseq.load(path), pd.read_pickle(path.with_suffix(".X"))
    proba = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    pd.to_pickle((model.predict(X), proba), path.with_suffix(".predictions"))
"""


def both(model, X):
    return model.predict(X), model.predict_proba(X) if hasattr(model, "predict_proba") else None


def assert_equal(values, want):
    if isinstance(want, list):
        assert len(values) == len(want)
        for one, other in zip(values, want, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)
    elif want is not None:
        np.testing.assert_array_equal(values, want, strict=True)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Every case: the fitted model, its file, and what the file predicts in another process."""
    folder, models = tmp_path_factory.mktemp("neural"), {}
    for case, (model, X, y) in CASES.items():
        path = folder / f"{case}.tsseq"
        models[case] = model.fit(X, y), path
        model.save(path)
        pd.to_pickle(X, path.with_suffix(".X"))
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    paths = [str(path) for _, path in models.values()]
    subprocess.run([sys.executable, "-c", CHILD, *paths], check=True, cwd=folder, env=environment)
    return {case: (*pair, pd.read_pickle(pair[1].with_suffix(".predictions"))) for case, pair in models.items()}


@pytest.mark.parametrize("case", CASES)
def test_another_process_predicts_the_same_bits(elsewhere, case):
    model, _, predictions = elsewhere[case]
    for values, want in zip(predictions, both(model, CASES[case][1]), strict=True):
        assert_equal(values, want)


@pytest.mark.parametrize("case", CASES)
def test_all_that_was_learnt_comes_back(elsewhere, case):
    model, path, _ = elsewhere[case]
    loaded = tsseq.load(path)
    assert type(loaded) is type(model)
    assert repr(loaded) == repr(model)
    assert vars(loaded).keys() == vars(model).keys()
    assert (loaded.layout_, repr(loaded.head_)) == (model.layout_, repr(model.head_))
    assert_frame_equal(loaded.history_, model.history_, check_exact=True)
    for name in ("classes_", "vocabulary_", "feature_names_in_", "n_features_in_"):
        assert_equal(getattr(loaded, name, None), getattr(model, name, None))
    if hasattr(model, "scale_"):
        assert loaded.scale_.length == model.scale_.length


@pytest.mark.parametrize("case", CASES)
def test_weights_that_are_infinite_predict_nothing(elsewhere, case):
    model = tsseq.load(elsewhere[case][1])
    with torch.no_grad():
        for weight in model.network_.parameters():
            weight.fill_(np.inf)
    for predict in (model.predict, getattr(model, "predict_proba", model.predict)):
        with pytest.raises(DataError, match="NaN or infinite"):
            predict(CASES[case][1])


def test_a_loaded_regressor_has_its_quantiles(elsewhere):
    model, path, _ = elsewhere["regressor, one column"]
    values = tsseq.load(path).predict_quantiles(ROWS, [0.2, 0.5])
    np.testing.assert_array_equal(values, model.predict_quantiles(ROWS, [0.2, 0.5]))


@pytest.mark.parametrize("model", [NeuralRegressor(), NeuralClassifier(), NeuralLabeller()], ids=repr)
def test_only_a_fitted_model_is_saved(tmp_path, model):
    with pytest.raises(NotFittedError):
        model.save(tmp_path / "model.tsseq")
    assert os.listdir(tmp_path) == []


def test_numbers_that_a_file_has_no_place_for_are_refused(tmp_path):
    model = NeuralRegressor(Linear(), training=QUICK).fit(ROWS, TARGETS)
    model.network_.bfloat16()
    with pytest.raises(ConfigError, match=r"core\.map\.weight in torch\.bfloat16, which has no place in a model file"):
        model.save(tmp_path / "model.tsseq")


class Huberlike(Head):
    """A head of the user's own: absolute errors, and a shift that it adds to every forecast."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    @property
    def n_params(self):
        return 1

    def loss(self, params, target, loc, scale):
        return (params[..., 0] - target).abs()

    def mean(self, params):
        return params[..., 0] + self.shift


class TestOnesOwn:
    frame = pd.Series(WALK[:, 0], DAYS, name="y")

    def test_head_is_given_by_the_caller(self, tmp_path):
        path = tmp_path / "model.tsseq"
        model = Forecaster(NeuralRegressor(Linear(), Huberlike(0.5), QUICK), 2, 8).fit(self.frame)
        model.save(path)
        loaded = tsseq.load(path, heads=[Huberlike])
        assert_forecasts_equal(loaded.predict(), model.predict())
        assert loaded.regressor_.head_.shift == 0.5
        with pytest.raises(ModelFileError, match=r"names 'Huberlike'.*networks=\[Huberlike\]\) or heads=\[Huberlike\]"):
            tsseq.load(path)

    def test_head_of_a_named_forecaster_and_network_of_a_regressor(self, tmp_path):
        path = tmp_path / "model.tsseq"
        tsseq.LinearForecaster(2, 8, head=Huberlike(2.0), training=QUICK).fit(self.frame).save(path)
        assert tsseq.load(path, heads=[Huberlike]).head.shift == 2.0
        model = NeuralRegressor(Average(), Huberlike(), QUICK).fit(ROWS, TARGETS)
        model.save(path)
        loaded = tsseq.load(path, networks=[Average], heads=[Huberlike])
        np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))

    def test_classes_are_of_the_right_kind_and_bear_names_of_their_own(self, tmp_path):
        path = tmp_path / "model.tsseq"
        for heads, message in (
            ([Average], r"heads=.* must be classes derived from tsseq\.Head"),
            ([Huberlike()], "must be classes"),
            ([type("Normal", (Huberlike,), {})], "Normal is a name of tsseq's own"),
        ):
            with pytest.raises(ConfigError, match=message):
                tsseq.load(path, heads=heads)

    @pytest.mark.parametrize("name", ["LSTM", "Quantiles", "Training"])
    def test_a_class_with_a_name_of_tsseq_is_not_saved(self, tmp_path, name):
        kind = type(name, (Average,), {})
        model = NeuralRegressor(kind(), training=QUICK).fit(ROWS, TARGETS)
        with pytest.raises(ConfigError, match=f"{name} is a name of tsseq's own.* rename your class"):
            model.save(tmp_path / "model.tsseq")
        assert os.listdir(tmp_path) == []

    def test_a_forecaster_of_ones_own_is_left_to_pickle(self, tmp_path):
        kind = type("Mine", (tsseq.LinearForecaster,), {})
        with pytest.raises(ConfigError, match="a Mine, which has no place in a model file"):
            kind(2, 8, training=QUICK).fit(self.frame).save(tmp_path / "model.tsseq")


def assert_refused(path, members, change, message):
    tree = parse_json(members["config.json"])
    change(tree)
    write(path, members | {"config.json": dump_json(tree)})
    with pytest.raises(ModelFileError, match=message):
        tsseq.load(path)


@pytest.mark.parametrize("case", ["regressor", "classifier", "labeller", "classifier, numbers"])
def test_arrays_of_other_shapes_and_dtypes_are_refused(elsewhere, tmp_path, case):
    members, path = read(elsewhere[case][1])[1], tmp_path / "model.tsseq"
    arrays = safetensors.torch.load(members["arrays.safetensors"])
    for name, array in arrays.items():
        other = torch.float16 if array.is_floating_point() else torch.int64
        for wrong in (array.to(other), array[..., None].contiguous(), None):
            if name == "classes/values" and wrong is not None and wrong.shape == array.shape:
                continue  # classes may be whole numbers of any size
            changed = {key: value for key, value in arrays.items() if key != name}
            changed |= {} if wrong is None else {name: wrong}
            write(path, members | {"arrays.safetensors": safetensors.torch.save(changed)})
            with pytest.raises(ModelFileError):
                tsseq.load(path)


@pytest.mark.parametrize(
    ("case", "change", "message"),
    [
        ("regressor", {"layout": None}, "layout, a Layout, was needed"),
        ("regressor", {"one_output_": 1}, "one_output_, a bool, was needed"),
        ("regressor", {"history": ["train_loss"]}, "the array history is"),
        ("classifier", {"classes": ["fast"]}, "needs"),
        ("classifier", {"classes": ["fast", "slow", "slow"]}, "classes"),
        ("classifier", {"classes": ["slow", "fast"]}, "classes"),
        ("classifier", {"classes": ["fast", ["slow"]]}, "classes|inhomogeneous|sequence"),
        ("classifier", {"classes": [1, 2]}, "classes"),
        ("classifier, texts", {"vocabulary": ["b", "a", "c"]}, "not a list of sorted symbols"),
        ("classifier, texts", {"vocabulary": ["a", "b", 3]}, "not a list of sorted symbols"),
        ("classifier, texts", {"vocabulary": []}, "not a list of sorted symbols"),
        ("classifier, texts", {"vocabulary": ["a"]}, "does not fit a vocabulary of 1 symbols"),
        ("classifier, codes", {"vocabulary": None}, "vocabulary, a list, was needed"),
        ("transducer", {"writes_text": 1}, "writes_text, a bool, was needed"),
        ("transducer", {"classes": ["a", "b"]}, "does not fit 2 symbols and the end"),
        ("transducer", {"vocabulary": ["a"]}, "does not fit a vocabulary of 1 symbols"),
        ("labeller", {"history": "loss"}, "history, a list, was needed"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(elsewhere, tmp_path, case, change, message):
    members = read(elsewhere[case][1])[1]
    assert_refused(tmp_path / "model.tsseq", members, lambda tree: tree["config"].update(change), message)
