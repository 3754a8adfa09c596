"""NeuralTransducer writes sequences of another length and alphabet: with attention, without, and by CTC."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from tsseq import ConfigError, DataError, Training
from tsseq.classification import NeuralTransducer
from tsseq.metrics import edit_distance
from tsseq.networks import GRU, ChoGRU, Linear, Seq2Seq, Transformer
from tsseq.plotting import plot_attention

QUICK = Training(max_steps=400, learning_rate=0.01, schedule="cosine", verbose=False)
FEW = Training(max_steps=30, learning_rate=0.01, verbose=False)
SMALL = Seq2Seq(hidden_size=24, bidirectional=True, dropout=0.0)


def texts(n, seed=0, longest=6):
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("abc"), random.integers(1, longest + 1))) for _ in range(n)]


def spelt(rows):
    """Backwards, and every b twice: another length and another alphabet."""
    return [row[::-1].upper().replace("B", "XX") for row in rows]


def frames(rows, seed=0):
    """Two noisy channels, some steps for every letter."""
    random = np.random.default_rng(seed)
    levels = {"a": (2.0, 0.0), "b": (-2.0, 1.0), "c": (0.0, -2.0)}
    steps = [[levels[letter] for letter in row for _ in range(random.integers(2, 5))] for row in rows]
    return [np.array(row) + 0.3 * random.normal(size=(len(row), 2)) for row in steps]


X, LATER = texts(400), texts(100, seed=1)
Y, TRUTH = spelt(X), spelt(LATER)


@pytest.fixture(scope="module")
def fitted():
    return NeuralTransducer(SMALL, QUICK).fit(X, Y)


@pytest.fixture(scope="module")
def aligned():
    network = GRU(16, bidirectional=True, segment_length=None)
    return NeuralTransducer(network, QUICK, loss="ctc").fit(frames(X), X)


def test_what_was_learnt_is_written_for_texts_that_are_new(fitted):
    assert fitted.score(LATER, TRUTH) > 0.9
    assert fitted.classes_.tolist() == ["A", "C", "X"]
    assert fitted.vocabulary_.tolist() == ["a", "b", "c"]
    assert fitted.history_["train_loss"].iloc[-1] < 0.1
    assert all(isinstance(text, str) for text in fitted.predict(LATER))


@pytest.mark.parametrize(
    "network",
    [
        Seq2Seq("lstm", hidden_size=24, attention="additive"),
        Seq2Seq("gru", hidden_size=24, attention="dot"),
        Seq2Seq("rnn", hidden_size=24, attention=None),
        Transformer(hidden_size=32, n_layers=1, dropout=0.0),
    ],
    ids=repr,
)
def test_every_network_copies_and_segments_are_single_symbols(network):
    short = texts(300, longest=3)
    model = NeuralTransducer(network, QUICK).fit(short, short)
    assert model.score(texts(50, seed=1, longest=3), texts(50, seed=1, longest=3)) > 0.9
    assert model.network_.core.length == 1


def test_lists_of_words_give_lists_of_words_and_numbers_give_numbers():
    words = [["up" if letter == "a" else "down" for letter in row] for row in X]
    model = NeuralTransducer(SMALL, FEW).fit(words, words)
    assert set(model.predict(words[:2])[0]) <= {"up", "down"}
    assert isinstance(model.predict(words)[0], list)
    numbers = [[len(word) for word in row] for row in words]
    model = NeuralTransducer(SMALL, FEW, symbols=True).fit(numbers, numbers)
    assert model.classes_.tolist() == model.vocabulary_.tolist() == [2, 4]
    assert set(model.predict(numbers[:5])[0]) <= {2, 4}


def test_the_end_may_come_at_once():
    y = ["" if "b" in row else row[:1] for row in X]
    model = NeuralTransducer(SMALL, QUICK).fit(X, y)
    assert model.score(LATER, ["" if "b" in row else row[:1] for row in LATER]) > 0.95
    assert "" in model.predict(LATER)


def test_a_beam_is_no_worse(fitted):
    beam = fitted.predict(LATER, beam_width=4)
    assert np.mean([a == b for a, b in zip(beam, TRUTH)]) >= fitted.score(LATER, TRUTH) - 0.01
    assert fitted.predict(LATER, beam_width=1) == fitted.predict(LATER)


def test_what_is_written_does_not_depend_on_its_company(fitted):
    rows = [*LATER[:20], "abcabcabcabc"]
    assert [fitted.predict([row])[0] for row in rows] == fitted.predict(rows)
    assert fitted.predict([list(row) for row in rows]) == fitted.predict(rows)


def test_longer_texts_than_those_of_fit_are_read_whole(fitted):
    weights = fitted.attention_weights(["a", "abcabcabcabcabcab"])
    assert weights.groupby("sequence")["context_time"].max().tolist() == [0, 16]
    np.testing.assert_allclose(weights.groupby(["sequence", "step"])["weight"].sum(), 1.0, rtol=1e-5)
    assert len(fitted.predict(["abcabcabcabcabcab"])[0]) <= 3 * (max(map(len, Y)) + 1)


def test_unknown_symbols_are_read_as_one(fitted):
    one, other = fitted.predict(["ab?", "ab!"])
    assert one == other
    merged = NeuralTransducer(SMALL, FEW, min_count=3).fit([*X, "z", "y"], [*Y, "A", "A"])
    assert merged.vocabulary_.tolist() == ["a", "b", "c"]
    assert merged.predict(["az"]) == merged.predict(["a~"])


def test_attention_is_a_table_of_shares_that_can_be_drawn(fitted):
    weights = fitted.attention_weights(LATER[:3])
    assert weights.columns.tolist() == ["sequence", "symbol", "step", "context_time", "context_symbol", "weight"]
    assert weights[weights["step"] == 1].groupby("sequence")["context_symbol"].sum().tolist() == LATER[:3]
    written = weights[weights["context_time"] == 0].groupby("sequence")["symbol"].agg(list)
    assert written.tolist() == [[*text, ""] for text in fitted.predict(LATER[:3])]
    np.testing.assert_allclose(weights.groupby(["sequence", "step"])["weight"].sum(), 1.0, rtol=1e-5)
    assert plot_attention(weights).images[0].get_array().shape == (len(fitted.predict(LATER[:1])[0]) + 1, len(LATER[0]))


def test_a_reversal_looks_backwards(fitted):
    weights = fitted.attention_weights(["acac"])
    looks = weights.pivot(index="step", columns="context_time", values="weight").to_numpy()[:4]
    centre = (looks * np.arange(4)).sum(axis=1)
    assert (np.diff(centre) < 0).all()


def test_without_attention_there_are_no_weights(aligned):
    plain = NeuralTransducer(Seq2Seq(hidden_size=8, attention=None), FEW).fit(X[:50], Y[:50])
    for model in (plain, aligned):
        with pytest.raises(AttributeError, match="attention_weights"):
            model.attention_weights(LATER)


def test_frames_become_symbols_without_alignment(aligned):
    later = frames(LATER, seed=1)
    assert edit_distance(LATER, aligned.predict(later)) < 0.1
    assert aligned.score(later, LATER) > 0.7
    assert aligned.vocabulary_ is None


def test_frames_become_symbols_with_attention():
    model = NeuralTransducer(Seq2Seq(hidden_size=24, bidirectional=True, segment_length=2), QUICK).fit(frames(X), X)
    assert edit_distance(LATER, model.predict(frames(LATER, seed=1))) < 0.1
    weights = model.attention_weights(frames(LATER[:2]))
    assert weights.groupby(["sequence", "step"])["weight"].sum().round(4).eq(1).all()
    assert "context_symbol" not in weights


@pytest.mark.parametrize("network", [None, ChoGRU(8, segment_length=3), GRU(8)], ids=repr)
def test_ctc_reads_frames_of_any_length_as_each_alone(network):
    model = NeuralTransducer(network, FEW, loss="ctc").fit(frames(X[:60]), X[:60])
    rows = [*frames(LATER[:10]), np.zeros((60, 2))]
    assert [model.predict([row])[0] for row in rows] == model.predict(rows)


def test_missing_frames_are_read_around_and_infinite_ones_refused(aligned):
    later = frames(LATER, seed=1)
    for row in later:
        row[len(row) // 2] = np.nan
    network = aligned.network
    holes = [np.where(np.random.default_rng(0).random(row.shape) < 0.1, np.nan, row) for row in frames(X)]
    model = NeuralTransducer(network, QUICK, loss="ctc").fit(holes, X)
    assert edit_distance(LATER, model.predict(later)) < 0.2
    later[3][0] = np.inf
    with pytest.raises(DataError, match="sequence 3 of X holds infinity"):
        model.predict(later)


def test_what_is_held_out_is_judged_by_what_is_written():
    training = Training(max_epochs=3, learning_rate=0.01, validation=0.2, verbose=False)
    model = NeuralTransducer(SMALL, training).fit(X, Y)
    assert model.history_["val_loss"].notna().all()


def test_pairs_of_weight_0_are_not_there():
    noisy = [*X, *X[:100]], [*Y, *["C"] * 100]
    weight = np.r_[np.full(400, 3.0), np.zeros(100)]
    plain = NeuralTransducer(SMALL, FEW).fit(X, Y)
    weighted = NeuralTransducer(SMALL, FEW).fit(*noisy, sample_weight=weight)
    assert weighted.predict(LATER) == plain.predict(LATER)
    assert plain.score(["a", "b"], ["?", plain.predict(["b"])[0]], sample_weight=[1.0, 3.0]) == 0.75


def test_pickles_clones_threads_and_cross_validation(fitted):
    want = fitted.predict(LATER)
    assert pickle.loads(pickle.dumps(fitted)).predict(LATER) == want
    with pytest.raises(NotFittedError):
        clone(fitted).predict(LATER)
    again = NeuralTransducer(SMALL, FEW).fit(X, Y).attention_weights(LATER)
    with ThreadPoolExecutor(1) as pool:
        threaded = pool.submit(NeuralTransducer(SMALL, FEW).fit, X, Y).result().attention_weights(LATER)
    pd.testing.assert_frame_equal(again, threaded, check_exact=True)
    assert cross_val_score(NeuralTransducer(SMALL, FEW), X, Y, cv=2).shape == (2,)


@pytest.mark.parametrize(
    ("rows", "y", "options", "error", "message"),
    [
        (["a", ""], ["b", "a"], {}, DataError, "sequence 1 of X is empty"),
        (["a"], ["", ""], {}, ValueError, "inconsistent numbers of samples"),
        (["a", "b"], ["", ""], {}, DataError, "no symbol occurs"),
        (["a", "b"], [["x", None], ["y"]], {}, DataError, "sequence 0 of y has missing symbols"),
        (["a", "b"], [1.5, 2.5], {}, DataError, "sequence 0 of y is 1.5"),
        (["ab", "ba"], ["x", "xx"], {"loss": "ctc"}, DataError, "sequence 1 of y needs 3 steps .* and X has 2"),
        (["a"], ["b"], {"loss": "mse"}, ConfigError, r"loss='mse'\) must be one of 'cross_entropy', 'ctc'"),
        (["a"], ["b"], {"network": Linear()}, ConfigError, "needs one of Seq2Seq, Transformer, not Linear"),
        (["a"], ["b"], {"network": GRU()}, ConfigError, "needs one of Seq2Seq, Transformer, not GRU"),
        (["a"], ["b"], {"network": Seq2Seq(), "loss": "ctc"}, ConfigError, "needs one of .*GRU.*, not Seq2Seq"),
    ],
)
def test_what_cannot_be_learnt_is_said_clearly(rows, y, options, error, message):
    with pytest.raises(error, match=message):
        NeuralTransducer(training=FEW, **options).fit(rows, y)


def test_a_beam_is_a_whole_number_and_not_for_ctc(fitted, aligned):
    with pytest.raises(ConfigError, match="beam_width=0"):
        fitted.predict(LATER, beam_width=0)
    with pytest.raises(ConfigError, match="CTC takes the best symbols, 1"):
        aligned.predict(frames(LATER), beam_width=2)


def strings(n, shortest, longest, seed):
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("abcdefghij"), random.integers(shortest, longest + 1))) for _ in range(n)]


@pytest.mark.proof
@pytest.mark.parametrize("turn", [lambda row: row[::-1], lambda row: row], ids=["reversed", "copied"])
def test_strings_of_5_to_20_letters_are_reversed_and_copied(turn, record_property):
    training = Training(max_epochs=10, learning_rate=6e-3, verbose=False)
    rows = strings(6000, 5, 20, seed=0)
    score = {}
    for attention in ("general", None):
        network = Seq2Seq(hidden_size=64, bidirectional=True, dropout=0.1, attention=attention)
        model = NeuralTransducer(network, training).fit(rows, [turn(row) for row in rows])
        for longest in (20, 30):
            later = strings(1000, 5 if longest == 20 else 21, longest, seed=longest)
            score[attention, longest] = model.score(later, [turn(row) for row in later])
            record_property(f"exact, attention={attention}, up to {longest}", score[attention, longest])
    assert score["general", 20] >= 0.99
    assert score[None, 20] < score["general", 20] - 0.3
    assert score["general", 30] < 0.5  # lengths that training has not seen


@pytest.mark.proof
def test_number_words_are_translated(record_property):
    num2words = pytest.importorskip("num2words").num2words
    numbers = np.random.default_rng(0).choice(1_000_000, 9000, replace=False).tolist()
    X, y = ([re.findall(r"\w+|[^\w\s]", num2words(n, lang=language)) for n in numbers] for language in ("en", "fr"))
    model = NeuralTransducer(training=Training(max_epochs=12, verbose=False)).fit(X[:8000], y[:8000])
    greedy, beam = (
        np.mean([a == b for a, b in zip(model.predict(X[8000:], beam_width=width), y[8000:])]) for width in (1, 4)
    )
    record_property("exact, greedy and beam", f"{greedy:.4f}, {beam:.4f}")
    assert greedy >= 0.97
    assert beam >= greedy - 0.002


@pytest.mark.proof
def test_strings_that_training_has_not_heard_are_heard_by_ctc(record_property):
    random = np.random.default_rng(0)
    voices = random.normal(size=(10, 12))
    words = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])

    def spoken(digits):
        parts = [voices[[digit] * random.integers(3, 8)] for digit in digits]
        silence = [np.zeros((random.integers(0, 4), 12)) for _ in digits]
        frames = np.concatenate([frame for pair in zip(silence, parts) for frame in pair])
        return frames + random.normal(size=frames.shape)

    digits = [tuple(random.integers(0, 10, random.integers(3, 8))) for _ in range(2000)]
    X, y = [spoken(row) for row in digits], [words[list(row)].tolist() for row in digits]
    new = [i for i in range(1600, 2000) if digits[i] not in set(digits[:1600])]
    network = GRU(64, bidirectional=True, segment_length=None)
    training = Training(max_epochs=10, learning_rate=5e-3, verbose=False)
    model = NeuralTransducer(network, training, loss="ctc").fit(X[:1600], y[:1600])
    errors = edit_distance([y[i] for i in new], model.predict([X[i] for i in new]))
    record_property("word error rate", f"{errors:.4f}")
    assert len(new) > 300
    assert errors <= 0.1
