"""What a fit promises: it repeats, leaves nothing behind, validates in time, and stops when it should."""

import gc
import io
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import warnings
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy
from sklearn.base import clone

from tsseq import (
    ConfigError,
    Forecaster,
    GRUForecaster,
    LinearForecaster,
    LSTMForecaster,
    NeuralClassifier,
    NeuralRegressor,
    Normal,
    Point,
    Quantiles,
    StudentT,
    Training,
    TrainingDivergedError,
    load_sample,
    make_series,
)
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.networks import LSTM, Linear
from tsseq.training.fitting import _split, fit_network
from tsseq.training.lightning_env import quiet_lightning
from tsseq.training.model import Model

WAVE = make_series("seasonal", 300)
QUICK = Training(max_steps=2, verbose=False)


def small(kind=LSTMForecaster, **training):
    """A small forecaster with settings of its own."""
    settings = Training(**{"max_epochs": 2, "verbose": False, **training})
    return kind(3, 24, hidden_size=8, segment_length=6, training=settings)


def weights(model) -> list[np.ndarray]:
    return [value.numpy() for value in model.regressor_.network_.state_dict().values()]


def same(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_a_fit_lets_go_of_its_rows():
    windows, model = Forecaster(NeuralRegressor(), 3, 24).windows(WAVE), NeuralRegressor(training=QUICK)
    values = weakref.ref(windows)
    gc.disable()
    try:
        model.fit(windows, windows.targets())
        del windows
        assert values() is None
    finally:
        gc.enable()


def test_same_seed_gives_the_same_bits():
    model = small()
    assert same(clone(model).fit(WAVE), clone(model).fit(WAVE))


def test_another_seed_gives_another_model():
    model = small()
    assert not same(clone(model).fit(WAVE), clone(model).set_params(training__seed=1).fit(WAVE))


def test_no_seed_gives_another_model_every_time():
    model = small(seed=None)
    assert not same(clone(model).fit(WAVE), clone(model).fit(WAVE))


def test_same_bits_in_another_process():
    code = (
        "from tsseq import *\n"
        "m = LSTMForecaster(3, 24, hidden_size=8, segment_length=6, training=Training(max_epochs=2, verbose=False))\n"
        "print(repr(m.fit(make_series('seasonal', 300)).predict().iloc[-1].item()))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert float(found.stdout) == small().fit(WAVE).predict().iloc[-1]


def test_global_random_state_is_left_alone():
    def state():
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002

    before = state()
    small(GRUForecaster).set_params(head=Normal()).fit(WAVE).predict(levels=[0.1])
    assert state() == before


def test_nothing_is_printed_or_left_on_disk(capfd, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)  # so that it is looked up anew
    small().fit(WAVE).predict()
    assert os.listdir(tmp_path) == ["temporary"]
    assert os.listdir("temporary") == []
    assert capfd.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_log_gets_one_line_of_a_fit(capfd):
    model = small(verbose=True).fit(WAVE)
    out, err = capfd.readouterr()
    name, losses = model.network.__name__, model.history_["val_loss"]
    assert out == ""
    assert err.startswith(f"{name}: epoch 2 of 2, val_loss {losses.iloc[-1]:.4g}, best {losses.min():.4g}, ")
    assert err.count("\n") == 1


def test_a_terminal_gets_one_bar_with_the_name_of_the_network_and_its_loss(capfd, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    model = small(verbose=True).fit(WAVE)
    shown, name = sys.stderr.getvalue(), model.network.__name__
    last = shown.strip().split("\r")[-1]
    assert last.startswith(f"{name}: 100%")
    assert "epoch 2 of 2, val_loss" in last
    assert shown.count("\n") == 1
    assert capfd.readouterr() == ("", "")


def test_a_bar_ends_where_training_stops_early(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    small(verbose=True, max_epochs=9, callbacks=[EarlyStopping("train_loss", patience=1, min_delta=1e9)]).fit(WAVE)
    assert "100%" in sys.stderr.getvalue().strip().split("\r")[-1]


def test_logging_and_warnings_are_as_before():
    def state():
        return [logging.getLogger(name).level for name in ("pytorch_lightning", "lightning_fabric")], list(
            warnings.filters
        )

    small().fit(WAVE)
    before = state()
    small().fit(WAVE)
    assert state() == before


def test_history_has_a_loss_per_epoch():
    history = small().fit(WAVE).history_
    assert list(history.columns) == ["train_loss", "val_loss"]
    assert history.index.name == "epoch"
    assert history.notna().all(axis=None)
    assert len(history) == 2


def test_validation_is_the_end_of_time_and_targets_do_not_cross_its_border():
    days = pd.date_range("2020", periods=60)
    frame = pd.concat([pd.DataFrame({"unique_id": i, "ds": days[i:], "y": np.arange(60.0 - i) ** 2}) for i in range(3)])
    windows = Forecaster(NeuralRegressor(Linear()), 4, 6).windows(frame)
    train, held_out = _split(windows, Training(validation=0.2))
    times, origin = windows.panel.times, windows.origin
    assert times[origin[train] + 4].max() <= times[origin[held_out]].min()
    assert times[origin[held_out]].max() == times[-1 - 4]
    assert len(set(train) & set(held_out)) == 0
    assert len(np.unique(times[origin[held_out]])) == round(0.2 * (60 - 4 - 5))


def two_series(numbers=False):
    """Two daily series of 60 and 50 rows that end on the same day."""
    days = pd.RangeIndex(60) if numbers else pd.date_range("2020", periods=60)
    values = np.arange(60.0) ** 2
    return pd.concat([pd.DataFrame({"unique_id": i, "ds": days[i:], "y": values[i:]}) for i in (0, 10)])


@pytest.mark.parametrize("stamp", ["2020-02-15", pd.Timestamp("2020-02-15"), pd.Timestamp("2020-02-14 13:00"), 45])
def test_a_timestamp_holds_out_the_origins_at_or_after_it(stamp):
    windows = Forecaster(NeuralRegressor(Linear()), 4, 6).windows(two_series(numbers=stamp == 45))
    train, held_out = _split(windows, Training(validation=stamp))
    times, origin = windows.panel.times, windows.origin
    first = 45 if stamp == 45 else pd.Timestamp("2020-02-15")
    np.testing.assert_array_equal(held_out, np.flatnonzero(times[origin] >= first))
    np.testing.assert_array_equal(train, np.flatnonzero(times[origin + 4] <= first))


def test_a_period_holds_out_few_windows_if_it_says_so():
    months = pd.Series(np.arange(40.0) ** 2, pd.period_range("2020-01", periods=40, freq="M"))
    windows = Forecaster(NeuralRegressor(Linear()), 2, 6).windows(months)
    assert len(_split(windows, Training(validation="2023-01"))[1]) == 2
    assert len(_split(windows, Training(validation=pd.Period("2023-01", "M")))[1]) == 2


@pytest.mark.parametrize(
    ("stamp", "sizes"), [("2020-05", "92 .* and 0"), ("2019-05", "0 .* and 92"), (3, "0 .* and 92")]
)
def test_a_timestamp_that_leaves_no_window_on_one_side_is_refused(stamp, sizes):
    with pytest.raises(ConfigError, match=f"leaves {sizes} .*origins, which go from 2020-01-06 00:00:00 to 2020-02-25"):
        LinearForecaster(4, 6, training=Training(validation=stamp, verbose=False)).fit(two_series())


def test_a_stride_counts_back_from_the_end_of_every_series_and_leaves_validation_whole():
    windows = Forecaster(NeuralRegressor(Linear()), 4, 6).windows(two_series())
    train = _split(windows, Training(validation=0.0, stride=7))[0]
    np.testing.assert_array_equal(windows.origin[train], [*range(6, 60 - 4, 7), *range(60 + 10, 110 - 4, 7)])
    assert {len(windows.panel.times[:60]) - 5, 110 - 5} <= set(windows.origin[train])
    all_rows, strided = (_split(windows, Training(validation=0.3, stride=stride)) for stride in (1, 7))
    np.testing.assert_array_equal(strided[1], all_rows[1])
    assert set(strided[0]) < set(all_rows[0])


def test_a_stride_thins_every_target_alike():
    frame = pd.DataFrame({"a": WAVE, "b": WAVE[::-1].to_numpy()})
    windows = Forecaster(NeuralRegressor(Linear()), 4, 6, target=["a", "b"]).windows(frame)
    origins = windows.origin[_split(windows, Training(stride=5))[0]]
    np.testing.assert_array_equal(*np.split(origins, 2))
    assert (np.diff(origins[: len(origins) // 2]) == 5).all()


@pytest.mark.parametrize("option", [{"validation": "2020-02-15"}, {"validation": 3}, {"stride": 2}])
@pytest.mark.parametrize("kind", [NeuralRegressor, NeuralClassifier])
def test_rows_of_arrays_have_no_timestamps_and_no_stride(kind, option):
    X = np.random.default_rng(0).normal(size=(40, 5))
    with pytest.raises(ConfigError, match=r"rows of an array"):
        kind(Linear(), training=Training(verbose=False, **option)).fit(X, (X[:, 0] > 0).astype(int))


def test_too_few_validation_windows_means_none():
    history = small().fit(WAVE[:100]).history_
    assert history["val_loss"].isna().all()


def test_plain_arrays_hold_out_their_last_rows():
    train, held_out = _split(Windows.of_rows(np.zeros((200, 3)), np.zeros(200), Layout(3, 1)), Training(validation=0.1))
    assert (train[-1], held_out[0], len(held_out)) == (179, 180, 20)


def test_validation_loss_is_exact():
    model = LinearForecaster(3, 24, training=Training(max_epochs=1, batch_size=7, verbose=False)).fit(WAVE)
    windows = model.windows(WAVE)
    held_out = windows[windows.split(0.1)[1]]
    error = np.abs(model.regressor_.predict(held_out) - np.asarray(held_out.targets()))
    assert model.history_["val_loss"].iloc[-1] == pytest.approx(error.mean(), rel=1e-6)


def test_the_best_weights_are_kept_and_training_stops_early():
    noise = make_series("noise", 400)
    training = Training(max_epochs=30, patience=2, learning_rate=0.05, verbose=False)
    model = LinearForecaster(3, 24, training=training).fit(noise)
    losses = model.history_["val_loss"]
    assert len(losses) == losses.idxmin() + 3
    windows = model.windows(noise)
    held_out = windows[windows.split(0.1)[1]]
    error = np.abs(model.regressor_.predict(held_out) - np.asarray(held_out.targets()))
    assert error.mean() == pytest.approx(losses.min(), rel=1e-6)


def test_max_steps_ends_training():
    model = LinearForecaster(3, 24, training=Training(max_epochs=50, max_steps=60, verbose=False)).fit(WAVE)
    assert len(model.history_) == 2


def test_steps_of_an_epoch_that_ends_early_are_validated_and_kept():
    model, shorter = (
        LinearForecaster(3, 24, line=False, training=Training(max_steps=steps, verbose=False)).fit(WAVE)
        for steps in (95, 50)
    )
    assert model.history_["val_loss"][1] < model.history_["val_loss"][0]
    assert not model.predict().equals(shorter.predict())


@pytest.mark.parametrize("steps", [1, 7, 53])
def test_a_fit_of_some_steps_takes_just_these(steps, monkeypatch):
    taken = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *args, **kwargs: (taken.append(1), step(*args, **kwargs))[1])
    LinearForecaster(3, 24, training=Training(max_epochs=50, max_steps=steps, verbose=False)).fit(WAVE)
    assert len(taken) == steps


def test_gradients_are_clipped_at_their_norm(monkeypatch):
    norms = []
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda parameters, norm: norms.append(norm))
    for clip in (None, 0.5):
        training = Training(max_steps=2, gradient_clip=clip, verbose=False)
        LinearForecaster(3, 24, line=True, training=training).fit(WAVE)
    assert norms == [0.5, 0.5]


def test_a_missing_value_changes_how_losses_are_taken_and_not_what_they_are():
    whole = pd.DataFrame({"a": WAVE.to_numpy(), "b": WAVE.to_numpy()[::-1]}, index=WAVE.index)
    training = Training(max_epochs=2, validation=0.0, verbose=False)
    windows = Forecaster(NeuralRegressor(), 3, 24, target=["a", "b"]).windows(whole)
    masked = replace(windows, flat=np.concatenate([windows.flat, [np.nan]]))  # no window reads it
    first, second = (fit_network(Linear(), Point(), training, rows) for rows in (windows, masked))
    for a, b in zip(first[0].parameters(), second[0].parameters(), strict=True):
        assert torch.equal(a, b)
    assert first[1]["train_loss"] == pytest.approx(second[1]["train_loss"], rel=1e-6)


@pytest.mark.parametrize("schedule", ["exponential", "cosine", "constant"])
def test_schedules_count_steps(schedule):
    import pytorch_lightning as pl

    seen = []

    class Rates(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            seen.append(trainer.optimizers[0].param_groups[0]["lr"])

    from tsseq.training import fitting

    settings = Training(max_epochs=2, schedule=schedule, verbose=False)
    windows = Forecaster(NeuralRegressor(), 3, 24).windows(WAVE)
    data = fitting.WindowsDataModule(windows, settings, 0)
    module = fitting.ForecastModule([Model(Linear(), windows.layout, Point())], settings, 0.1, data.steps, 20.0)
    with quiet_lightning():
        trainer = fitting._trainer(settings, validates=False)
        trainer.callbacks.append(Rates())
        trainer.fit(module, datamodule=data)
    ends = {"exponential": 0.1 * 0.8**2, "cosine": 0.0, "constant": 0.1}
    assert len(seen) == 2 * -(-data.steps // fitting.RUN)
    assert trainer.global_step == 2 * data.steps
    assert seen[-1] == pytest.approx(ends[schedule], abs=1e-4)


@pytest.mark.parametrize("head", [Point(), Normal(), StudentT()], ids=repr)
def test_divergence_is_an_error_that_says_what_to_lower(head):
    training = Training(learning_rate=1e30, gradient_clip=None, verbose=False)
    model = LinearForecaster(3, 24, head=head, training=training)
    with pytest.raises(TrainingDivergedError, match=r"epoch \d, step \d+ \(learning_rate=1e\+30, .*: lower it"):
        model.fit(1e3 * WAVE)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"max_epochs": 0}, "max_epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_steps": 0}, "max_steps"),
        ({"schedule": "steps"}, "'exponential', 'cosine', 'constant'"),
        ({"validation": 1.0}, "share"),
        ({"validation": -1}, "share"),
        ({"validation": True}, "share"),
        ({"stride": 0}, "stride"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bad, message):
    with pytest.raises(ConfigError, match=message):
        LinearForecaster(3, 24, training=Training(verbose=False, **bad)).fit(WAVE)


def test_unset_values_are_filled_and_all_others_stay():
    training = Training(max_epochs=5, seed=3).filled({"max_epochs": 20, "validation": 0.0, "learning_rate": 0.1})
    assert (training.max_epochs, training.validation, training.learning_rate, training.seed) == (5, 0.0, 0.1, 3)


def test_unset_values_of_forecasters_are_ten_epochs_with_rates_that_fall_by_a_fifth():
    full = Training(max_epochs=10, schedule="exponential", validation=0.1, verbose=False)
    bare, same = (LinearForecaster(3, 24, training=own).fit(WAVE) for own in (Training(verbose=False), full))
    pd.testing.assert_frame_equal(bare.history_, same.history_)


@pytest.mark.parametrize("rows", [137, 138])
def test_two_processes_fit_and_their_losses_are_exact(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prices = load_sample("sp500")[-rows - 64 :]
    training = Training(max_epochs=2, validation=0.2, accelerator="cpu", devices=2, batch_size=32, verbose=False)
    model = LinearForecaster(5, 60, target="close", log=True, calendar="XNYS", training=training).fit(prices)
    alone = clone(model).set_params(training__devices=1).fit(prices)
    pd.testing.assert_frame_equal(model.history_, alone.history_, rtol=1e-4)
    pd.testing.assert_frame_equal(model.predict(), alone.predict(), rtol=1e-6)
    assert threading.active_count() >= 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("devices", [1, 2])
def test_accumulated_batches_are_one_of_their_size(devices):
    holes = WAVE.where(np.random.default_rng(0).random(300) > 0.2)
    weight = np.random.default_rng(1).integers(0, 4, 300)
    frame = pd.DataFrame({"y": WAVE.to_numpy(), "holes": holes.to_numpy(), "w": weight}, WAVE.index)
    for data in ({"target": "y"}, {"target": "holes"}, {"target": "y", "weight": "w"})[:: 2 * devices - 1]:
        training = Training(max_epochs=2, batch_size=64, accelerator="cpu", devices=devices, verbose=False)
        whole = GRUForecaster(3, 24, hidden_size=6, dropout=0.0, line=False, training=training, **data).fit(frame)
        pieces = clone(whole).set_params(training__batch_size=16, training__accumulate=4).fit(frame)
        pd.testing.assert_frame_equal(pieces.predict(), whole.predict(), rtol=1e-6)
        pd.testing.assert_frame_equal(pieces.history_, whole.history_, rtol=1e-6)


def test_no_batch_at_all_is_refused():
    with pytest.raises(ConfigError, match=r"accumulate=0\) must be a whole number of at least 1"):
        small(accumulate=0).fit(WAVE)


def test_strategies_that_divide_the_weights_are_refused():
    for strategy in ("fsdp", "deepspeed_stage_2", FSDPStrategy(), ModelParallelStrategy()):
        with pytest.raises(ConfigError, match="divides the weights of a model, of which every device needs all"):
            small(strategy=strategy, devices=2).fit(WAVE)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_a_network_can_be_trained_in_bfloat16(precision):
    training = Training(max_epochs=1, max_steps=3, precision=precision, verbose=False)
    model = LinearForecaster(3, 24, training=training, head=Quantiles([0.1, 0.9])).fit(WAVE)
    assert model.predict(levels=[0.1, 0.9]).notna().all(axis=None)


def test_a_large_rough_context_does_not_stop_training():
    jumpy = WAVE.copy()
    jumpy.iloc[150] = 1e12
    model = small().fit(jumpy)
    assert np.isfinite(model.predict()).all(axis=None)


def test_missing_targets_are_masked():
    holes = WAVE.copy()
    holes.iloc[np.random.default_rng(0).integers(0, 300, 60)] = np.nan
    model = small().fit(holes)
    assert np.isfinite(model.predict()).all(axis=None)
    assert np.isfinite(model.history_["train_loss"]).all()


def test_a_constant_series_is_forecast_as_that_constant():
    flat = make_series("constant", 100, level=1234.5)
    assert (small().fit(flat).predict() == 1234.5).all(axis=None)


def test_a_high_level_does_not_blur_small_changes():
    wave = make_series("seasonal", 400)
    model = GRUForecaster(6, 24, training=Training(max_epochs=3, verbose=False))
    low, high = clone(model).fit(wave).predict(), clone(model).fit(wave + 1e8).predict()
    np.testing.assert_allclose(high - 1e8, low, atol=1e-3)


def test_normal_quantiles_cover_gaussian_noise():
    noise = make_series("noise", 6000)
    head, training = Normal(), Training(max_epochs=5, verbose=False)
    model = LinearForecaster(4, 12, head=head, training=training, scaling="standard").fit(noise[:4000])
    test = noise[4000:]
    found = model.predict_at(test, test.index[11:-4], levels=[0.1, 0.9])
    actual = test.reindex(found.iloc[:, 1]).to_numpy()
    covered = ((actual >= found["q0.1"]) & (actual <= found["q0.9"])).mean()
    assert 0.75 <= covered <= 0.85


def test_a_network_learns_a_season():
    model = LSTMForecaster(12, 48, training=Training(max_epochs=6, verbose=False)).fit(WAVE[:250])
    assert model.score(WAVE[200:]) > 0.7


def test_lstm_is_the_network_of_a_regressor_without_one():
    found = NeuralRegressor(training=Training(max_epochs=1, verbose=False)).fit(np.zeros((20, 3)), np.zeros(20))
    assert type(found.network_.core) is type(LSTM().build(found.layout_, 1))


def test_an_interrupt_is_an_interrupt_and_the_next_one_too():
    code = """
import os, signal
from tsseq import LinearForecaster, Point, Training, make_series

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell start without

class Pressed(Point):  # somebody presses Ctrl-C in the first step
    def loss(self, *rest):
        os.kill(os.getpid(), signal.SIGINT)
        return super().loss(*rest)

series, training = make_series("noise", 300), Training(max_epochs=1, verbose=False)
for _ in range(2):
    try:
        LinearForecaster(3, 24, head=Pressed(), training=training).fit(series)
    except KeyboardInterrupt:
        print("interrupted")
print(len(LinearForecaster(3, 24, training=training).fit(series).predict()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["interrupted", "interrupted", "3"], done.stderr
