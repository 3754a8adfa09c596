"""NeuralClassifier is a scikit-learn classifier, on tables, on several channels and on sequences of unequal length."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from tsseq import DataError, NeuralClassifier, Training
from tsseq.networks import GRU, LSTM, RNN, DLinear, Linear, PatchTST, Transformer

QUICK = Training(max_steps=40, learning_rate=0.02, schedule="cosine", verbose=False)
SMALL = GRU(hidden_size=8, bidirectional=True, segment_length=4)


def waves(n, seed=0, length=24):
    """Sines of a slow and of a fast kind, sorted by class."""
    phase = np.random.default_rng(seed).uniform(0, 6, (n, 1))
    y = np.repeat(["slow", "fast"], n // 2)
    return np.sin(phase + np.where(y == "slow", 0.3, 0.9)[:, None] * np.arange(length)), y


X, Y = waves(60)
LATER, TRUTH = waves(60, seed=1)


def cut(rows, seed=0):
    """The ends of rows, of unequal length."""
    return [row[start:] for row, start in zip(rows, np.random.default_rng(seed).integers(0, 9, len(rows)))]


# Repeated rows fall into other batches than weighted ones; tests of weights compare them in batches of all rows.
SHUFFLED = {"check_sample_weight_equivalence_on_dense_data": "batches are drawn at random"}


@pytest.mark.parametrize("network", [GRU(hidden_size=8, segment_length=2), Linear()], ids=repr)
def test_check_estimator_passes_but_for_the_order_of_batches(network):
    model = NeuralClassifier(network, training=Training(max_steps=40, learning_rate=0.05, verbose=False))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = check_estimator(model, on_skip=None, on_fail=None, expected_failed_checks=SHUFFLED)
    assert [result for result in results if result["status"] == "failed"] == []
    assert {result["check_name"] for result in results if result["status"] == "xfail"} <= SHUFFLED.keys()
    assert {result["check_name"] for result in results if result["status"] == "skipped"} <= {
        "check_array_api_input",
        "check_classifiers_multilabel_output_format_decision_function",  # there are probabilities
    }
    assert sum(result["status"] == "passed" for result in results) >= 50
    assert not model.__sklearn_tags__().classifier_tags.poor_score


@pytest.mark.parametrize(
    "network",
    [
        None,
        RNN(8, segment_length=2),
        LSTM(16, segment_length=4),
        PatchTST(8, 4, hidden_size=16),
    ],
    ids=repr,
)
def test_networks_tell_waves_of_any_phase_apart(network):
    training = clone(QUICK).set_params(max_steps=100)
    assert NeuralClassifier(network, training, n_convolutions=0).fit(X, Y).score(LATER, TRUTH) > 0.9


@pytest.mark.parametrize("network", [Linear(), DLinear(), Transformer(16, segment_length=2)], ids=repr)
def test_other_networks_tell_levels_apart(network):
    noise = np.random.default_rng(0).normal(size=(80, 6, 2))
    y = np.arange(80) % 3
    noise += 3 * y[:, None, None]
    assert NeuralClassifier(network, QUICK, n_convolutions=0).fit(noise, y).score(noise, y) > 0.9


@pytest.mark.parametrize(
    "labels",
    [np.array([False, True]), np.array([3, -1]), np.array(["b", "a"], dtype=object)],
    ids=lambda x: str(x.dtype),
)
def test_classes_may_be_booleans_numbers_and_strings(labels):
    y = np.where(Y == "slow", labels[0], labels[1])
    model = NeuralClassifier(SMALL, QUICK).fit(X, y)
    assert model.classes_.tolist() == sorted(labels.tolist())
    assert model.predict(LATER).dtype == y.dtype
    assert model.score(LATER, np.where(TRUTH == "slow", labels[0], labels[1])) > 0.9


def test_more_than_forty_classes_keep_their_numbers():
    y = np.arange(100) % 50
    levels = np.repeat(y[:, None], 3, axis=1).astype(float)
    model = NeuralClassifier(Linear(), Training(max_steps=400, learning_rate=0.1, validation=0, verbose=False))
    found = model.fit(levels, y).predict_proba(levels)
    assert found.shape == (100, 50)
    assert found[y == 49, 49].min() > 5 * found[y == 20, 49].max()


def test_probabilities_are_shares_and_their_largest_is_predicted():
    model = NeuralClassifier(SMALL, QUICK).fit(X, Y)
    found = model.predict_proba(LATER)
    assert found.shape == (60, 2)
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-12)
    assert (found >= 0).all()
    np.testing.assert_array_equal(model.classes_[found.argmax(1)], model.predict(LATER))


def test_a_probability_does_not_depend_on_its_neighbours():
    model = NeuralClassifier(SMALL, QUICK).fit(cut(X), Y)
    rows = cut(np.tile(LATER, (6, 1)))
    singles = np.concatenate([model.predict_proba(rows[i : i + 1]) for i in range(280, 290)])
    np.testing.assert_allclose(model.predict_proba(rows)[280:290], singles, rtol=0, atol=1e-7)


def test_sequences_of_unequal_length_are_told_apart():
    model = NeuralClassifier(SMALL, QUICK).fit(cut(X), Y)
    assert model.scale_.length == max(map(len, cut(X)))
    assert model.score(cut(LATER, seed=1), TRUTH) > 0.9
    assert not hasattr(model, "n_features_in_")


def test_an_array_a_list_and_one_channel_in_three_axes_are_the_same():
    table = NeuralClassifier(SMALL, QUICK).fit(X, Y)
    found = table.predict_proba(LATER)
    for train, test in [
        (list(X), list(LATER)),
        (X[..., None], LATER[..., None]),
        (X.tolist(), LATER.tolist()),
        (pd.DataFrame(X), pd.DataFrame(LATER)),
    ]:
        np.testing.assert_array_equal(NeuralClassifier(SMALL, QUICK).fit(train, Y).predict_proba(test), found)


def test_rows_before_the_last_ones_of_a_longer_sequence_are_not_read():
    model = NeuralClassifier(SMALL, QUICK).fit(X, Y)
    longer = [np.concatenate([np.full(i % 3, 1e6), row]) for i, row in enumerate(LATER)]
    np.testing.assert_array_equal(model.predict_proba(longer), model.predict_proba(LATER))


def test_front_padding_with_nan_is_a_shorter_sequence():
    rows = cut(X)
    padded = np.full((60, 24), np.nan)
    for row, sequence in zip(padded, rows):
        row[24 - len(sequence) :] = sequence
    lists, table = NeuralClassifier(SMALL, QUICK).fit(rows, Y), NeuralClassifier(SMALL, QUICK).fit(padded, Y)
    np.testing.assert_array_equal(lists.predict_proba(rows), table.predict_proba(padded))


def test_missing_values_are_read_around():
    holes, later = X.copy(), LATER.copy()
    holes[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    later[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    later[0] = np.nan
    model = NeuralClassifier(GRU(16, bidirectional=True, segment_length=4), clone(QUICK).set_params(max_steps=120))
    model.fit(holes, Y)
    assert model.score(later[1:], TRUTH[1:]) > 0.85
    assert np.isfinite(model.predict_proba(later)).all()


def test_units_of_a_channel_do_not_matter():
    two = np.stack([X, X[::-1]], axis=2)
    model = NeuralClassifier(SMALL, QUICK).fit(two, Y)
    other = NeuralClassifier(SMALL, QUICK).fit(two * [1e6, 1e-6] + [1e7, 3.0], Y)
    np.testing.assert_allclose(other.predict_proba(two * [1e6, 1e-6] + [1e7, 3.0]), model.predict_proba(two), atol=1e-3)


def test_a_constant_channel_does_no_harm():
    model = NeuralClassifier(SMALL, QUICK).fit(np.stack([X, np.full_like(X, 0.1)], axis=2), Y)
    assert model.scale_.deviation[1] == 1.0
    assert model.score(np.stack([LATER, np.full_like(X, 0.1)], axis=2), TRUTH) > 0.9


def test_what_is_held_out_has_every_class_though_rows_are_sorted():
    training = clone(QUICK).set_params(validation=0.2, max_steps=None, max_epochs=3)
    model = NeuralClassifier(SMALL, training).fit(X, Y)
    assert model.history_["val_loss"].iloc[-1] < 0.3
    assert model.score(LATER, TRUTH) > 0.9


def test_fits_of_one_seed_are_equal_and_of_another_are_not():
    whole = clone(QUICK).set_params(validation=0.0)  # the network counts in full
    first, again = (NeuralClassifier(SMALL, whole).fit(X, Y).predict_proba(LATER) for _ in range(2))
    other = NeuralClassifier(SMALL, clone(whole).set_params(seed=1)).fit(X, Y).predict_proba(LATER)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pickle_and_clone_keep_what_they_should():
    model = NeuralClassifier(SMALL, QUICK).fit(X, Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(LATER), model.predict_proba(LATER))
    with pytest.raises(NotFittedError):
        clone(model).predict(LATER)


def test_grid_search_and_cross_validation_take_every_shape():
    grid = {"network__hidden_size": [2, 8], "training__learning_rate": [1e-6, 1e-2]}
    search = GridSearchCV(NeuralClassifier(SMALL, QUICK, n_convolutions=0), grid, cv=2).fit(X[..., None], Y)
    assert search.best_params_["training__learning_rate"] == 1e-2
    assert search.score(LATER[..., None], TRUTH) > 0.9
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    assert cross_val_score(NeuralClassifier(SMALL, QUICK), cut(X), Y, cv=folds).min() > 0.8


def test_columns_of_a_table_are_those_of_fit():
    model = NeuralClassifier(Linear(), QUICK).fit(X, Y)
    assert model.n_features_in_ == 24
    with pytest.raises(ValueError, match="X has 23 features"):
        model.predict(LATER[:, 1:])
    model.fit(pd.DataFrame(X).add_prefix("t"), Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pd.DataFrame(LATER[:, ::-1]).add_prefix("t").iloc[:, ::-1])


@pytest.mark.parametrize(
    ("rows", "y", "message"),
    [
        (X, ["a"] * 60, "y has one class, 'a'; at least two"),
        (np.zeros((0, 5, 2)), [], "X has no sequences"),
        ([np.ones(3), np.ones((3, 2))], [0, 1], "sequence 1 has 2 channels, the first one 1"),
        ([np.ones(3), np.ones(0)], [0, 1], r"sequence 1 of X has shape \(0,\)"),
        ([np.ones(3), np.array([1.0, np.inf])], [0, 1], "sequence 1 of X holds infinity"),
        ([np.ones(3), np.array([1, object()])], [0, 1], "sequence 1 of X is not an array"),
        ([np.ones(3), np.array(["a", "b"])], [0, 1], "X holds text and numbers"),
        ([np.ones(3), np.ones(2)], [0, 1, 1], "inconsistent numbers of samples"),
        ([np.ones(3), np.ones(2)], [0.5, 0.1], "Unknown label type"),
    ],
)
def test_what_cannot_be_learnt_from_is_said_clearly(rows, y, message):
    with pytest.raises(ValueError, match=message):
        NeuralClassifier(SMALL, QUICK).fit(rows, y)


def test_channels_of_predict_are_those_of_fit():
    model = NeuralClassifier(SMALL, QUICK).fit(X[..., None], Y)
    with pytest.raises(DataError, match="X has 2 channels; the sequences of fit had 1"):
        model.predict(np.stack([X, X], axis=2))


def test_names_from_elsewhere_are_explained():
    with pytest.raises(TypeError, match=r"here it is training=Training\(max_epochs=...\)"):
        NeuralClassifier(n_epochs=3)


def test_unset_values_of_training_are_those_of_the_classifier():
    bare = NeuralClassifier(SMALL, Training(max_steps=40, verbose=False), n_convolutions=0).fit(X, Y)
    full = Training(max_steps=40, max_epochs=20, learning_rate=3e-3, schedule="cosine", validation=0.0, verbose=False)
    same = NeuralClassifier(SMALL, full, n_convolutions=0).fit(X, Y)
    np.testing.assert_array_equal(bare.predict_proba(LATER), same.predict_proba(LATER))
    assert bare.history_["val_loss"].isna().all()
    assert bare.training.max_epochs is None
    own = NeuralClassifier(SMALL, Training(max_epochs=1, validation=0.2, verbose=False)).fit(X, Y)
    assert len(own.history_) == 1
    assert own.history_["val_loss"].notna().all()


def test_it_starts_from_a_ridge_and_learns_what_that_leaves():
    idle = Training(max_steps=1, learning_rate=1e-9, verbose=False)
    model = NeuralClassifier(SMALL, idle).fit(X, Y)
    assert model.score(LATER, TRUTH) > 0.9
    alone = NeuralClassifier(SMALL, idle, n_convolutions=0).fit(X, Y)
    assert alone.start_ is None
    assert alone.score(LATER, TRUTH) < 0.9


def test_groups_are_of_the_sequences():
    assert NeuralClassifier(SMALL, QUICK).fit(X, Y, groups=np.arange(60) % 5).score(LATER, TRUTH) > 0.9
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        NeuralClassifier(SMALL, QUICK).fit(X, Y, groups=np.arange(59))


def spikes(n, seed=0):
    """Noise with one spike, in the first half or in the second: convolutions do not say where."""
    random = np.random.default_rng(seed)
    late = np.arange(n) % 2
    rows = random.normal(0, 0.2, (n, 60))
    rows[np.arange(n), 6 + 30 * late + random.integers(0, 18, n)] += 2.0
    return rows, np.where(late, "late", "early")


def test_the_network_counts_where_it_helps_and_not_where_it_does_not():
    training = Training(max_epochs=4, learning_rate=0.03, verbose=False)
    later, truth = spikes(200, seed=1)
    helped = NeuralClassifier(Linear(), training, n_convolutions=1000).fit(*spikes(200))
    assert helped.share_ > 0
    assert helped.score(later, truth) > 0.9
    noise = np.random.default_rng(0).normal(size=(100, 8))
    assert NeuralClassifier(Linear(), training, n_convolutions=1000).fit(noise, np.arange(100) % 2).share_ == 0
    assert NeuralClassifier(SMALL, QUICK, n_convolutions=0).fit(X, Y).share_ == 1


def test_axes_in_the_order_of_sktime_are_recognised():
    rng = np.random.default_rng(0)
    model, y = NeuralClassifier(training=Training(max_epochs=1, verbose=False)), np.arange(20) % 2
    with pytest.raises(DataError, match=r"1 step of 24 channels.*X.transpose\(0, 2, 1\)"):
        model.fit(rng.normal(size=(20, 1, 24)), y)
    with pytest.warns(UserWarning, match="2 steps of 24 channels"):
        model.fit(rng.normal(size=(20, 2, 24)), y)


def test_labels_that_are_missing_are_counted():
    X = np.random.default_rng(0).normal(size=(40, 8))
    labels = ["a", "b", None, "a"] * 10
    for y in (labels, np.array(labels, dtype=object)):
        with pytest.raises(DataError, match=r"10 missing labels \(first: row 2\)"):
            NeuralClassifier().fit(X, y)
