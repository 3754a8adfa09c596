"""Weights of sequences and of classes."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import tsseq
import tsseq.training.loader
from tsseq import NeuralClassifier, NeuralLabeller, Training
from tsseq.errors import ConfigError, DataError
from tsseq.networks import GRU, Linear

RANDOM = np.random.default_rng(0)
Y = np.array(["rare", "often", "often", "often"] * 20)
X = RANDOM.normal(size=(80, 8)) + np.where(Y == "rare", 0.4, 0.0)[:, None]
WEIGHT = RANDOM.integers(0, 4, 80)
WHOLE = Training(max_epochs=15, batch_size=10_000, learning_rate=0.02, validation=0.0, verbose=False)


def network_alone(*arguments, **keywords):
    return NeuralClassifier(*arguments, n_convolutions=0, **keywords)


@pytest.fixture
def one_batch(monkeypatch):
    monkeypatch.setattr(tsseq.training.loader, "LEAST_STEPS", 1)


@pytest.mark.parametrize("network", [Linear(), GRU(4, segment_length=4, dropout=0.0)], ids=repr)
def test_a_weighted_fit_is_that_of_repeated_sequences(network, one_batch):
    weighted = network_alone(network, WHOLE).fit(X, Y, sample_weight=WEIGHT)
    repeated = network_alone(network, WHOLE).fit(np.repeat(X, WEIGHT, axis=0), np.repeat(Y, WEIGHT))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)
    plain = network_alone(network, WHOLE).fit(X, Y)
    assert np.abs(plain.predict_proba(X) - weighted.predict_proba(X)).max() > 0.001


def test_sequences_of_weight_0_are_not_there():
    models = [
        network_alone(Linear(), WHOLE).fit(X, Y, sample_weight=WEIGHT > 0),
        network_alone(Linear(), WHOLE).fit(X[WEIGHT > 0], Y[WEIGHT > 0]),
    ]
    np.testing.assert_array_equal(models[0].predict_proba(X), models[1].predict_proba(X))


def test_balanced_is_a_weight_by_the_share_of_the_class():
    balanced = network_alone(Linear(), WHOLE, class_weight="balanced").fit(X, Y)
    weights = {"rare": 80 / (2 * 20), "often": 80 / (2 * 60)}
    named = network_alone(Linear(), WHOLE, class_weight=weights).fit(X, Y)
    by_row = network_alone(Linear(), WHOLE).fit(X, Y)
    np.testing.assert_allclose(balanced.predict_proba(X), named.predict_proba(X), atol=1e-6)
    share = balanced.predict_proba(X)[:, 1].mean()
    assert share == pytest.approx(0.5, abs=0.1)
    assert by_row.predict_proba(X)[:, 1].mean() == pytest.approx(0.25, abs=0.1)


def test_weights_of_classes_and_of_sequences_multiply(one_batch):
    both = network_alone(Linear(), WHOLE, class_weight={"rare": 3}).fit(X, Y, sample_weight=WEIGHT)
    joined = WEIGHT * np.where(Y == "rare", 3, 1)
    # units of the channels are those of the sequences, whatever their class weighs
    scaled = np.repeat(X, WEIGHT, axis=0)
    one = network_alone(Linear(), WHOLE, class_weight={"rare": 3}).fit(scaled, np.repeat(Y, WEIGHT))
    np.testing.assert_allclose(both.predict_proba(X), one.predict_proba(X), atol=1e-4)
    assert joined.sum() > WEIGHT.sum()


def test_a_labeller_weighs_steps_by_their_label():
    random = np.random.default_rng(1)
    y = random.random((2, 100, 10)) < 0.1  # to fit on, and to test
    X = y + random.normal(size=y.shape)
    training = Training(max_epochs=2, learning_rate=0.003, verbose=False)
    models = [NeuralLabeller(training=training, class_weight=weight).fit(X[0], y[0]) for weight in (None, "balanced")]
    recall = [(model.predict(X[1]) & y[1]).sum() / y[1].sum() for model in models]
    assert recall[1] > recall[0] + 0.3


def test_class_weights_are_cloned_saved_and_searched(tmp_path):
    model = clone(network_alone(Linear(), Training(max_steps=5, verbose=False), class_weight={"rare": 2.0})).fit(X, Y)
    model.save(tmp_path / "model.tsseq")
    loaded = tsseq.load(tmp_path / "model.tsseq")
    assert loaded.class_weight == {"rare": 2.0}
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(model).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_val_score(routed, X, Y, cv=2, params={"sample_weight": WEIGHT}, error_score="raise")
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        ("even", "class_weight='even' must be 'balanced', a dict"),
        ({"seldom": 1.0}, r"class_weight has 'seldom', which is none of the classes \['often', 'rare'\]"),
        ({"rare": -1.0}, "must hold numbers of 0 or more"),
    ],
)
def test_class_weights_that_make_no_sense_are_refused(weight, words):
    with pytest.raises(ConfigError, match=words):
        network_alone(Linear(), WHOLE, class_weight=weight).fit(X, Y)


def test_sequences_need_weights_of_0_or_more():
    with pytest.raises(DataError, match="no weights"):
        network_alone(Linear(), WHOLE).fit(X, Y, sample_weight=-np.ones(80))
