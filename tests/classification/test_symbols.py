"""Sequences of symbols, several labels at once, and what both keep of the promises about sequences of quantities."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from tsseq import ConfigError, DataError, NeuralClassifier, NeuralLabeller, Training
from tsseq.networks import GRU, Linear

QUICK = Training(max_steps=150, learning_rate=0.02, schedule="cosine", verbose=False)
SMALL = GRU(hidden_size=12, bidirectional=True, segment_length=None)


def texts(n, seed=0, letters="abc"):
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list(letters), random.integers(3, 10))) for _ in range(n)]


def has_pair(rows):
    """Whether an a is followed by a b, for which order matters."""
    return np.array(["yes" if "ab" in row else "no" for row in rows])


def numbered(rows):
    return [[ord(letter) for letter in row] for row in rows]


X, LATER = texts(200), texts(100, seed=1)
Y, TRUTH = has_pair(X), has_pair(LATER)
WHICH, LATER_WHICH = (np.array([[letter in row for letter in "abc"] for row in rows]) * 1 for rows in (X, LATER))


@pytest.fixture(scope="module")
def fitted():
    return NeuralClassifier(SMALL, QUICK).fit(X, Y)


def test_the_order_of_letters_is_learnt(fitted):
    assert fitted.score(LATER, TRUTH) > 0.95
    assert fitted.vocabulary_.tolist() == ["a", "b", "c"]
    assert fitted.start_ is None


@pytest.mark.parametrize(
    "shape",
    [
        lambda rows: [list(row) for row in rows],
        lambda rows: np.array(rows),
        lambda rows: pd.Series(rows),
        lambda rows: [np.array(list(row)) for row in rows],
    ],
    ids=["lists", "array of texts", "Series of texts", "arrays"],
)
def test_a_text_is_the_list_of_its_letters(fitted, shape):
    model = clone(fitted).fit(shape(X), Y)
    np.testing.assert_array_equal(model.predict_proba(shape(LATER)), fitted.predict_proba(LATER))


def test_whole_numbers_are_symbols_where_that_is_said(fitted):
    model = clone(fitted).set_params(symbols=True).fit(numbered(X), Y)
    assert model.vocabulary_.tolist() == [97, 98, 99]
    np.testing.assert_array_equal(model.predict_proba(numbered(LATER)), fitted.predict_proba(LATER))
    assert NeuralClassifier(SMALL, QUICK).fit(numbered(X), Y).vocabulary_ is None


def test_a_table_of_symbols_is_a_list_of_its_rows():
    table = pd.DataFrame([list(row[:3]) for row in X])
    model = NeuralClassifier(SMALL, QUICK).fit(table, has_pair([row[:3] for row in X]))
    assert model.score([row[:3] for row in LATER], has_pair([row[:3] for row in LATER])) > 0.95


def test_padding_changes_nothing(fitted):
    """A missing symbol in front is none."""
    padded = [[None] * (2 * i % 7) + list(row) for i, row in enumerate(LATER)]
    short = [row[-fitted.scale_.length :] for row in padded]
    np.testing.assert_allclose(fitted.predict_proba(short), fitted.predict_proba(LATER), rtol=0, atol=1e-7)
    singles = np.concatenate([fitted.predict_proba([row]) for row in LATER[:5]])
    np.testing.assert_allclose(fitted.predict_proba(LATER)[:5], singles, rtol=0, atol=1e-7)


def test_of_a_longer_text_the_last_letters_are_read(fitted):
    filled = [row.rjust(fitted.scale_.length, "c") for row in LATER]
    np.testing.assert_array_equal(fitted.predict_proba(["abab" + row for row in filled]), fitted.predict_proba(filled))


def test_an_unknown_symbol_adds_nothing_but_its_place(fitted):
    one, other, none = fitted.predict_proba(["aXb", "aYb", "ab"])
    np.testing.assert_array_equal(one, other)
    assert np.isfinite(one).all()
    assert not np.array_equal(one, none)


def test_rare_symbols_share_a_vector_that_unknown_ones_have():
    rows = [row + chr(0x4E00 + i) if i % 2 else row for i, row in enumerate(X)]
    y = np.arange(len(rows)) % 2
    model = NeuralClassifier(SMALL, QUICK, min_count=2).fit(rows, y)
    assert model.vocabulary_.tolist() == ["a", "b", "c"]
    unknown = [row + "!" if i % 2 else row for i, row in enumerate(LATER)]
    assert model.score(unknown, np.arange(len(LATER)) % 2) > 0.95
    np.testing.assert_array_equal(model.predict_proba(["ab!"]), model.predict_proba(["ab" + chr(0x4E00)]))


def test_rare_classes_are_weighed_up():
    hidden = np.random.default_rng(2).random(len(X)) < 0.8
    y = np.where(hidden, "no", Y)  # an ab is a yes in one of five
    plain, balanced = (
        NeuralClassifier(SMALL, QUICK, class_weight=weight).fit(X, y).predict(LATER) for weight in (None, "balanced")
    )
    assert (balanced == "yes").mean() > 2 * (plain == "yes").mean() + 0.1
    assert (balanced == TRUTH).mean() > (plain == TRUTH).mean() + 0.1


def test_networks_without_states_read_symbols():
    y = np.array([row[-1] for row in X])
    model = NeuralClassifier(Linear(), QUICK).fit(X, y)
    assert model.score(LATER, [row[-1] for row in LATER]) > 0.95


@pytest.mark.parametrize("shape", [np.array, csr_array, pd.DataFrame], ids=lambda shape: shape.__name__)
def test_several_labels_apply_at_once(shape):
    model = NeuralClassifier(SMALL, QUICK).fit(X, shape(WHICH))
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.predict(LATER) == LATER_WHICH).mean() > 0.93
    assert model.score(LATER, LATER_WHICH) > 0.8
    probabilities = model.predict_proba(LATER)
    assert probabilities.shape == (100, 3)
    assert (probabilities.sum(axis=1) > 1.5).any()
    np.testing.assert_array_equal(model.predict(LATER), (probabilities > 0.5) * 1)


@pytest.mark.parametrize("network", [SMALL, Linear()], ids=repr)
def test_several_labels_of_quantities(network):
    levels = np.random.default_rng(0).normal(size=(200, 6, 2))
    y = np.column_stack([levels[:, -1, 0] > 0, levels[:, -1, 0] > 1]) * 1
    model = NeuralClassifier(network, clone(QUICK).set_params(max_steps=300)).fit(levels, y)
    assert (model.predict(levels) == y).mean() > 0.85


def test_a_rare_label_is_weighed_up():
    y = np.column_stack([WHICH[:, 0] * (np.random.default_rng(0).random(len(X)) < 0.25), WHICH[:, 1]])
    share = {}
    for weight in (None, "balanced", {1: 6.0}):
        model = NeuralClassifier(SMALL, QUICK, class_weight=weight).fit(X, y)
        share[str(weight)] = model.predict(LATER)[:, 0].mean()
    assert min(share["balanced"], share["{1: 6.0}"]) > share["None"] + 0.2


def test_every_letter_is_labelled():
    def after_a(rows):
        return [np.array(["in" if "a" in row[:i] else "out" for i in range(len(row))]) for row in rows]

    model = NeuralLabeller(SMALL, QUICK).fit(X, after_a(X))
    assert model.score(LATER, after_a(LATER)) > 0.98
    longer = ["".join(texts(3, seed=9)), "b"]
    labels = model.predict(longer)
    assert [row.tolist() for row in labels] == [row.tolist() for row in after_a(longer)]
    assert isinstance(model.predict([["a", "b"], ["b", "b"]]), list)
    assert model.predict(np.array([["a", "b"], ["b", "b"]])).shape == (2, 2)


def test_labels_may_be_texts_as_well():
    model = NeuralLabeller(SMALL, QUICK).fit(X, [row.upper() for row in X])
    assert ["".join(row) for row in model.predict(["cab", "b"])] == ["CAB", "B"]


def test_pickles_threads_and_cross_validation(fitted):
    want = fitted.predict_proba(LATER)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(LATER), want)
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(clone(fitted).fit, X, Y).result().predict_proba(LATER), want)
    assert cross_val_score(fitted, X, Y, cv=2).min() > 0.85


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["ab", ""], "sequence 1 of X is empty; leave it out"),
        ([["a"], []], "sequence 1 of X is empty"),
        ([], "X has no sequences"),
        ([["a", 1], ["b"]], "X holds text and numbers; symbols should be all of one kind"),
        (["a", None], "sequence 1 of X is None; a text or a list of symbols was needed"),
        ([["a"], [["b"]]], r"sequence 1 of X has \['b'\] among its symbols"),
        ([["a"], [None]], "no symbol occurs min_count=2 times; the most frequent one occurs 1 times"),
    ],
)
def test_what_are_no_symbols_is_said_clearly(rows, message):
    with pytest.raises(DataError, match=message):
        NeuralClassifier(SMALL, QUICK, symbols=True, min_count=2).fit(rows, list(range(len(rows))))


def test_what_was_fitted_on_symbols_wants_symbols_of_that_kind(fitted):
    with pytest.raises(DataError, match="sequence 0 of X has 1 among its symbols; in fit they were like 'a'"):
        fitted.predict([[1, 2]])
    with pytest.raises(DataError, match=r"sequence 0 of X has 1\.5 among its symbols"):
        fitted.predict([[1.5]])
    with pytest.raises(ConfigError, match="min_count=0"):
        NeuralClassifier(min_count=0).fit(X, Y)
