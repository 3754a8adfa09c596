"""NeuralLabeller labels every step, with memory of what came before and sight of what comes after."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from tsseq import ConfigError, DataError, NeuralLabeller, Training
from tsseq.networks import GRU, LSTM, RNN, DLinear

QUICK = Training(max_steps=100, learning_rate=0.02, schedule="cosine", verbose=False)
BOTH = GRU(hidden_size=12, bidirectional=True, segment_length=None)


def flags(n, seed=0, length=12):
    """Some ones among zeros, (n, length)."""
    return (np.random.default_rng(seed).random((n, length)) < 0.17) * 1.0


def near(X):
    """Whether a one comes before or after, or is here: "in" between the first and the last one, else "out"."""
    before = np.maximum.accumulate(X, axis=1)
    after = np.maximum.accumulate(X[:, ::-1], axis=1)[:, ::-1]
    return np.where((before > 0) & (after > 0), "in", "out")


X, LATER = flags(200), flags(200, seed=1)
Y, TRUTH = near(X), near(LATER)


def cut(rows, seed=0):
    return [row[start:] for row, start in zip(rows, np.random.default_rng(seed).integers(0, 6, len(rows)))]


@pytest.fixture(scope="module")
def fitted():
    return NeuralLabeller(BOTH, QUICK).fit(X, Y)


def test_labels_that_need_both_directions_are_found_where_single_steps_fail(fitted):
    steps = LogisticRegression().fit(X.reshape(-1, 1), Y.ravel())
    assert steps.score(LATER.reshape(-1, 1), TRUTH.ravel()) < 0.8
    assert fitted.score(LATER, TRUTH) > 0.98


@pytest.mark.parametrize("network", [LSTM(16, segment_length=None), GRU(16, segment_length=None)], ids=repr)
def test_parity_of_the_ones_so_far_is_remembered(network):
    def parity(rows):
        return rows.cumsum(axis=1) % 2 == 1

    bits, later = (np.random.default_rng(seed).integers(0, 2, (200, 8)) * 1.0 for seed in (0, 1))
    steps = LogisticRegression().fit(bits.reshape(-1, 1), parity(bits).ravel())
    assert steps.score(later.reshape(-1, 1), parity(later).ravel()) < 0.6
    model = NeuralLabeller(network, Training(max_steps=300, learning_rate=0.02, verbose=False))
    assert model.fit(bits, parity(bits)).score(later, parity(later)) > 0.98


def test_one_direction_never_reads_later_steps():
    model = NeuralLabeller(RNN(8, segment_length=None), QUICK).fit(X, Y)
    poisoned = LATER.copy()
    poisoned[:, 7:] = 1e3
    np.testing.assert_array_equal(model.predict_proba(poisoned)[:, :7], model.predict_proba(LATER)[:, :7])


def test_segments_of_several_steps_label_each_of_them():
    model = NeuralLabeller(GRU(24, bidirectional=True, segment_length=5), QUICK).fit(X, Y)
    assert model.score(LATER, TRUTH) > 0.9
    assert model.predict(LATER).shape == LATER.shape


def test_labels_have_the_shape_of_what_was_given(fitted):
    assert fitted.predict(LATER).shape == (200, 12)
    assert fitted.predict(pd.DataFrame(LATER)).shape == (200, 12)
    assert fitted.predict(LATER[..., None]).shape == (200, 12)
    assert fitted.predict_proba(LATER[:, :5]).shape == (200, 5, 2)
    rows = cut(LATER)
    assert [len(labels) for labels in fitted.predict(rows)] == [len(row) for row in rows]
    assert [steps.shape for steps in fitted.predict_proba(rows)] == [(len(row), 2) for row in rows]


def test_sequences_of_unequal_length_are_labelled():
    rows, later = cut(X), cut(LATER, seed=1)
    model = NeuralLabeller(BOTH, QUICK).fit(rows, [near(row[None])[0] for row in rows])
    assert model.score(later, [near(row[None])[0] for row in later]) > 0.96


def test_sequences_longer_than_those_of_fit_are_labelled(fitted):
    longer = flags(100, seed=2, length=18)
    assert fitted.predict(longer).shape == (100, 18)
    assert fitted.score(longer, near(longer)) > 0.95


def test_a_label_does_not_depend_on_its_neighbours(fitted):
    rows = [*cut(LATER), np.zeros(40)]
    together = fitted.predict_proba(rows)
    for i in (3, 150, 200):
        np.testing.assert_allclose(fitted.predict_proba(rows[i : i + 1])[0], together[i], rtol=0, atol=1e-7)


def test_steps_without_a_label_do_not_count():
    hidden = np.random.default_rng(0).random(Y.shape) < 0.3
    wrong = np.where(hidden, np.where(Y == "in", "out", "in"), Y)
    none = Y.astype(object)
    none[hidden] = None
    model = NeuralLabeller(BOTH, QUICK).fit(X, none)
    assert model.classes_.tolist() == ["in", "out"]
    assert model.score(LATER, TRUTH) > 0.97
    assert model.score(X, none) > 0.97 > model.score(X, wrong)


@pytest.mark.parametrize(("zero", "one"), [(False, True), (3, 7), (-0.5, 2.0), ("b", "a")])
def test_labels_may_be_booleans_numbers_and_strings(zero, one):
    y = [np.where(row > 0, np.array(one), np.array(zero)).tolist() for row in X]
    model = NeuralLabeller(GRU(4, segment_length=None), QUICK).fit(X, y)
    assert model.classes_.tolist() == sorted([zero, one])
    assert model.predict(X[:1])[0].tolist() == y[0]


def test_numbers_with_nan_are_labels_of_which_some_are_missing():
    y = X.copy()
    y[:, ::2] = np.nan
    model = NeuralLabeller(GRU(4, segment_length=None), QUICK).fit(X, y)
    np.testing.assert_array_equal(model.predict(LATER), LATER)


def test_probabilities_are_shares_and_their_largest_is_predicted(fitted):
    found = fitted.predict_proba(LATER)
    np.testing.assert_allclose(found.sum(2), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(fitted.classes_[found.argmax(2)], fitted.predict(LATER))


def test_missing_values_of_several_channels_are_read_around():
    two = np.stack([X, np.random.default_rng(3).normal(size=X.shape)], axis=2)
    two[:, 2::4] = np.nan
    model = NeuralLabeller(BOTH, QUICK).fit(two, near(np.nan_to_num(two[..., 0])))
    assert model.score(two, near(np.nan_to_num(two[..., 0]))) > 0.95


def test_fits_of_one_seed_are_equal_and_pickles_keep_them(fitted):
    again = clone(fitted).fit(X, Y)
    for other in (again, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(other.predict_proba(LATER), fitted.predict_proba(LATER))
    with pytest.raises(NotFittedError):
        clone(fitted).predict(LATER)


def test_cross_validation_scores_by_steps():
    assert cross_val_score(NeuralLabeller(BOTH, QUICK), X, Y, cv=2).min() > 0.9


def test_networks_without_states_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"DLinear has no state at every step; .*GRU, LSTM.* have"):
        NeuralLabeller(DLinear()).fit(X, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["a"] * 12] * 199 + [["a"] * 11], r"sequence 199 has 12 steps, but its labels have shape \(11,\)"),
        (np.full((200, 12), np.nan), "y has no labels"),
        (np.full((200, 12), "a"), "y has one class, 'a'"),
        (Y[:100], "inconsistent numbers of samples"),
    ],
)
def test_labels_that_cannot_be_learnt_are_said_clearly(y, message):
    with pytest.raises((DataError, ValueError), match=message):
        NeuralLabeller(BOTH, QUICK).fit(X, y)


def test_labels_of_two_kinds_are_refused():
    X = np.random.default_rng(0).normal(size=(20, 8))
    y = np.where(X > 0, np.array(1, dtype=object), np.array("a", dtype=object))
    with pytest.raises(DataError, match="text and numbers among its labels"):
        NeuralLabeller().fit(X, y)
