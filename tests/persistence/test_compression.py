"""Compressed models: smaller files that give the same bits again, errors that hardly grow, and what does not pay."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from model_files import QUICK
from sklearn.linear_model import Ridge

import tsseq
from tsseq import (
    ConformalForecaster,
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LinearForecaster,
    LSTMForecaster,
    NeuralRegressor,
    Normal,
    PatchTSTForecaster,
    Seq2SeqForecaster,
    Training,
    TransformerForecaster,
    compress,
)
from tsseq.errors import ConfigError, DataError
from tsseq.training.weights import packed, rounded, unpacked

HOURS = pd.date_range("2024-01-01", periods=700, freq="h", name="time")
TRAIN = HOURS[549]
TRAINING = Training(max_epochs=2, learning_rate=3e-3, verbose=False, seed=0)


def wave(seed=0):
    """Days and half weeks, and noise that lasts a while."""
    t, noise = np.arange(700), np.random.default_rng(seed).normal(size=700)
    lasting = np.convolve(noise, 0.8 ** np.arange(20))[:700]
    return pd.DataFrame({"y": 8 * np.sin(t * np.pi / 12) + 3 * np.sin(t * np.pi / 42) + lasting}, HOURS)


FRAME = wave()


@pytest.fixture(scope="module")
def lstm():
    return LSTMForecaster(6, 48, training=TRAINING, line=False).fit(FRAME[:TRAIN])


@pytest.fixture(scope="module")
def ensemble():
    model = GRUForecaster(6, 48, hidden_size=16, training=TRAINING, line=False)
    return EnsembleForecaster.over_seeds(model, n=3).fit(FRAME[:TRAIN])


def saved(model, path):
    model.save(path)
    return tsseq.load(path)


def test_a_quantised_lstm_has_a_third_of_the_file_and_the_same_error(lstm, tmp_path):
    small = compress(lstm, FRAME)
    ratio = small.table.loc["ratio"]
    assert ratio["file_kb"] <= 0.35
    assert abs(ratio["MAE"] - 1) <= 0.01
    assert small.sentence.startswith("quantize: the file has 28% of its size, forecasts take ")
    small.model.save(tmp_path / "small")
    assert (tmp_path / "small").stat().st_size == pytest.approx(1000 * small.table.loc["after", "file_kb"], rel=0.01)


KINDS = {
    "lstm": LSTMForecaster(3, 12, hidden_size=8, training=QUICK),
    "line": LinearForecaster(3, 12, line=True, training=QUICK),
    "seq2seq": Seq2SeqForecaster(3, 12, hidden_size=8, segment_length=4, training=QUICK),
    "transformer": TransformerForecaster(3, 12, hidden_size=8, n_heads=2, segment_length=4, training=QUICK),
    "patchtst": PatchTSTForecaster(3, 12, hidden_size=8, n_heads=2, patch_length=4, stride=2, training=QUICK),
    "conformal": ConformalForecaster(GRUForecaster(3, 12, hidden_size=8, training=QUICK)),
    "regressor": Forecaster(NeuralRegressor(training=QUICK), 3, 12),
}


@pytest.mark.parametrize("method", ["quantize", "prune"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_smaller_model_forecasts_the_same_bits_from_its_file(kind, method, tmp_path):
    model = KINDS[kind].fit(FRAME[:100])
    before = model.predict()
    small = compress(model, method=method, share=0.6).model
    again = saved(small, tmp_path / "first")
    assert type(again) is type(model)
    pd.testing.assert_frame_equal(again.predict(), small.predict(), check_exact=True)
    saved(again, tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == (tmp_path / "first").read_bytes()
    pd.testing.assert_frame_equal(model.predict(), before, check_exact=True)


def test_series_and_categories_keep_their_vectors(tmp_path):
    frame = pd.concat({name: wave(k).assign(sky="sun" if k else "rain") for k, name in enumerate("ab")}, names=["id"])
    frame.loc[("a", HOURS[::3]), "sky"] = "snow"
    options = {"target": "y", "past": "sky", "series_embedding": True, "training": QUICK, "hidden_size": 8}
    model = GRUForecaster(3, 12, **options).fit(frame)
    small = compress(compress(model, method="prune").model).model
    again = saved(small, tmp_path / "small")
    assert set(again.regressor_.network_.storage) == {"int8", "sparse"}
    pd.testing.assert_frame_equal(again.predict(), small.predict(), check_exact=True)


def test_pruned_weights_are_zero_and_not_in_the_file(lstm):
    small = compress(lstm, FRAME, "prune", share=0.5)
    assert small.table.loc["ratio", "weights"] == pytest.approx(0.5, abs=0.02)
    assert 0.5 < small.table.loc["ratio", "file_kb"] < 0.6
    both = compress(small.model, FRAME)
    assert both.table.loc["after", "file_kb"] < 0.25 * small.table.loc["before", "file_kb"]
    gone = compress(lstm, FRAME, "prune", share=1.0)
    assert gone.table.loc["ratio", "MAE"] > 1.1
    assert "It costs more than 1% of the error, for size" in gone.sentence


def test_what_does_not_pay_says_so(lstm):
    same = compress(lstm, FRAME, "prune", share=0.0)
    assert same.table.loc["ratio", ["weights", "MAE"]].tolist() == [1.0, 1.0]
    alike = pd.DataFrame({"weights": 1.0, "file_kb": 1.0, "seconds": [2.0, 2.0, 1.0], "MAE": 1.0}, same.table.index)
    first = repr(replace(same, table=alike)).partition("\n")[0]
    assert first.startswith(
        "prune: the file has 100% of its size, forecasts take 100% of the time, the MAE changes by +0"
    )
    assert first.endswith("It does not pay: neither the file nor the time is much smaller.")
    worse = replace(same, table=alike.assign(MAE=[2.0, 3.0, 1.5]))
    assert worse.sentence.endswith("It does not pay: neither the file nor the time is much smaller.")


def test_without_held_out_rows_only_sizes_are_measured(lstm):
    for small in (compress(lstm), compress(lstm, FRAME[:TRAIN])):
        assert small.table.loc["ratio", ["seconds", "MAE"]].isna().all()
        assert small.sentence == "quantize: the file has 28% of its size. What it costs in errors was not measured."
        assert "<table" in small._repr_html_()


def test_one_network_forecasts_as_well_as_the_ensemble_that_it_was_distilled_from(ensemble, tmp_path):
    small = compress(ensemble, FRAME, "distill")
    assert type(small.model) is GRUForecaster
    assert small.table.loc["ratio", "weights"] == pytest.approx(1 / 3, abs=0.01)
    assert small.table.loc["ratio", "MAE"] <= 1.01
    pd.testing.assert_frame_equal(saved(small.model, tmp_path / "one").predict(), small.model.predict())
    member = ensemble.forecasters_[0]
    cutoffs = HOURS[550:690:3]
    gaps = [
        np.abs(model.forecast_at(FRAME, cutoffs).point - ensemble.forecast_at(FRAME, cutoffs).point).mean()
        for model in (small.model, member)
    ]
    assert gaps[0] < 0.8 * gaps[1]


def test_a_distilled_network_has_the_quantiles_of_its_ensemble():
    model = LinearForecaster(3, 24, head=Normal(), training=TRAINING, line=False)
    ensemble = EnsembleForecaster.over_seeds(model, n=3).fit(FRAME[:TRAIN])
    small, cutoffs = compress(ensemble, FRAME, "distill").model, HOURS[550:690:3]
    one, several = (x.forecast_at(FRAME, cutoffs, [0.1, 0.9]).values[..., 1:] for x in (small, ensemble))
    widths = [(band[..., 1] - band[..., 0]).mean() for band in (one, several)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


def test_a_distilled_network_has_the_probabilities_of_its_ensemble():
    frame = FRAME.assign(y=np.where(FRAME["y"].diff() > 0, "up", "down"))
    model = GRUForecaster(2, 24, hidden_size=8, training=TRAINING)
    ensemble = EnsembleForecaster.over_seeds(model, n=2).fit(frame[:TRAIN])
    small = compress(ensemble, frame, "distill")
    assert small.table.columns[3] == "log_loss"
    assert small.table.loc["ratio", "log_loss"] < 1.05
    assert compress(small.model, frame).table.loc["ratio", "log_loss"] == pytest.approx(1, abs=0.02)


def test_what_is_distilled_reads_no_held_out_row(ensemble):
    poisoned = FRAME.copy()
    poisoned.loc[HOURS[550] :, "y"] = -1e6
    honest, other = (compress(ensemble, frame, "distill").model for frame in (FRAME, poisoned))
    pd.testing.assert_frame_equal(other.predict(FRAME), honest.predict(FRAME), check_exact=True)


def test_a_quantised_model_is_updated_like_any_other(lstm):
    small = compress(lstm).model
    small.update(FRAME[TRAIN:][1:], training=QUICK)
    assert small.fitted_until_ == HOURS[-1]
    assert np.isfinite(small.predict()).all(axis=None)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compress(Forecaster(Ridge(), 2, 12).fit(FRAME)), ConfigError, "Forecaster holds no network"),
        (lambda: compress(KINDS["lstm"].fit(FRAME[:100]), FRAME, "distill"), ConfigError, "not of a LSTMForecaster"),
        (lambda: compress(KINDS["lstm"].fit(FRAME[:100]), method="int4"), ConfigError, "method='int4' must be one of"),
        (lambda: compress(KINDS["lstm"].fit(FRAME[:100]), share=2), ConfigError, "share=2 must be"),
    ],
)
def test_what_cannot_be_made_smaller_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_ensemble_is_distilled_from_a_frame(ensemble):
    with pytest.raises(DataError, match="pass frame="):
        compress(ensemble, method="distill")


numbers = st.floats(-1e3, 1e3, width=32)
tables = arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=numbers)


@given(table=tables, zeros=st.integers(0, 3))
def test_rounded_weights_are_near_and_come_back_to_the_bit(table, zeros):
    table[:, :zeros] = 0
    near = rounded({"w": table})["w"]
    assert (np.abs(near - table) <= np.abs(table).max(axis=1, keepdims=True) / 253).all()
    for storage in (["int8"], ["sparse"], ["int8", "sparse"]):
        content, kinds = unpacked(packed({"w": near, "bias": near[0]}, storage))
        assert kinds == tuple(storage)
        for name, array in (("w", near), ("bias", near[0])):
            np.testing.assert_array_equal(content[name], array)
            assert content[name].dtype == np.float32


WEIGHTS = {"w": np.arange(-3, 3, dtype=np.float32).reshape(2, 3)}
WRONG = {
    "a scale of another shape": packed(WEIGHTS, ["int8"]) | {"w/scale": np.ones((2, 3, 1), np.float32)},
    "a scale that would spread": packed(WEIGHTS, ["int8"]) | {"w/scale": np.ones((2, 9), np.float32)},
    "a scale of floats": packed(WEIGHTS, ["int8"]) | {"w": WEIGHTS["w"]},
    "a mask of other weights": packed(WEIGHTS, ["sparse"]) | {"w/mask": np.array([0], np.uint8)},
    "a larger shape": packed(WEIGHTS, ["sparse"]) | {"w/shape": np.array([1000, 1000])},
    "a mask without a shape": {name: x for name, x in packed(WEIGHTS, ["sparse"]).items() if name != "w/shape"},
    "a scale of nothing": {"w/scale": np.ones((1, 1), np.float32)},
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_weights_that_do_not_fit_together_are_refused(content):
    with pytest.raises(ValueError, match=r"the weights"):
        unpacked(content)
