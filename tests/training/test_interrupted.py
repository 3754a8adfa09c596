"""Fits that are killed: the next run ends with the bits of one that was never stopped."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from sklearn.base import clone

import tsseq
from tsseq import (
    ConfigError,
    LinearForecaster,
    LSTMForecaster,
    ModelFileError,
    Normal,
    Training,
    TrainingDivergedError,
    backtest,
    make_series,
)
from tsseq.training.checkpoints import describe
from tsseq.training.module import ForecastModule

WAVE = make_series("seasonal", 200)


class Stopped(Exception):
    """A machine that goes down."""


def model(folder=None, line=None, kind=LSTMForecaster, **training):
    settings = Training(**{"max_epochs": 4, "verbose": False, "checkpoint_dir": folder, **training})
    sizes = {"hidden_size": 6, "dropout": 0.2} if kind is LSTMForecaster else {}
    return kind(3, 24, line=line, training=settings, **sizes)


def same(first, second) -> bool:
    a, b = (fit.regressor_.network_.state_dict() for fit in (first, second))
    return (
        a.keys() == b.keys()
        and all(torch.equal(a[name], b[name]) for name in a)
        and first.history_.equals(second.history_)
    )


def fit_until(n_steps: int, stopped, monkeypatch) -> None:
    """Fit, and stop in the run of steps after ``n_steps``."""
    step = ForecastModule.training_step

    def training_step(self, run, index):
        if self.global_step >= n_steps:
            raise Stopped
        step(self, run, index)

    with monkeypatch.context() as context:
        context.setattr(ForecastModule, "training_step", training_step)
        with pytest.raises(Stopped):
            stopped.fit(WAVE)


@pytest.mark.parametrize("n_steps", [0, 20, 50, 110, 170])
@pytest.mark.parametrize("line", [None, True, False])
def test_a_stopped_fit_goes_on_to_the_same_bits(line, n_steps, tmp_path, monkeypatch):
    alone = model(line=line).fit(WAVE)
    fit_until(n_steps, model(tmp_path, line), monkeypatch)
    assert len(list(tmp_path.iterdir())) == (n_steps >= 50)
    assert same(model(tmp_path, line).fit(WAVE), alone)


@pytest.mark.parametrize(
    "training",
    [
        {"schedule": "plateau", "learning_rate": 0.1},
        {"schedule": "one_cycle", "warmup_steps": 30},
        {"patience": 1, "learning_rate": 0.3, "max_epochs": 12},
        {"max_steps": 130},
        {"validation": 0.0},
        {"validation": "2000-06-01"},
        {"stride": 2},
        {"optimizer": torch.optim.RMSprop},
        {"precision": "bf16-true"},
    ],
    ids=str,
)
def test_every_way_to_train_goes_on_to_the_same_bits(training, tmp_path, monkeypatch):
    alone = model(**training).fit(WAVE)
    fit_until(80, model(tmp_path, **training), monkeypatch)
    assert same(model(tmp_path, **training).fit(WAVE), alone)


def test_a_fit_without_a_seed_goes_on_with_the_one_it_drew(tmp_path, monkeypatch):
    fit_until(80, model(tmp_path, seed=None), monkeypatch)
    content = next(tmp_path.iterdir()).read_bytes()
    first = model(tmp_path, seed=None).fit(WAVE)
    next(tmp_path.iterdir()).write_bytes(content)
    assert same(model(tmp_path, seed=None).fit(WAVE), first)


def test_a_fit_that_ended_is_not_trained_again(tmp_path, monkeypatch):
    alone = model(tmp_path).fit(WAVE)
    monkeypatch.setattr(torch.optim.AdamW, "step", None)
    assert same(model(tmp_path).fit(WAVE), alone)


def test_resume_false_begins_anew(tmp_path, monkeypatch):
    alone = model(tmp_path).fit(WAVE)
    steps = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *args, **kwargs: (steps.append(1), step(*args, **kwargs))[1])
    assert same(model(tmp_path, resume=False).fit(WAVE), alone)
    assert len(steps) == 200


def test_other_fits_have_files_of_their_own(tmp_path):
    base = model(tmp_path, kind=LinearForecaster, max_epochs=1)
    fits = [
        clone(base).fit(WAVE),
        clone(base).set_params(training__seed=1).fit(WAVE),
        clone(base).set_params(training__learning_rate=0.1).fit(WAVE),
        clone(base).set_params(head=Normal()).fit(WAVE),
        clone(base).set_params(scaling="standard").fit(WAVE),
        clone(base).fit(WAVE[:-1]),
        clone(base).fit(WAVE + np.where(np.arange(200) == 150, 1e-9, 0)),
    ]
    assert len(list(tmp_path.iterdir())) == len(fits)
    clone(base).set_params(training__verbose=True).fit(WAVE)
    assert len(list(tmp_path.iterdir())) == len(fits)


def test_folds_share_a_folder(tmp_path):
    base = model(tmp_path, kind=LinearForecaster, max_epochs=1)
    first = backtest(base, WAVE, n_cutoffs=2, refit=True).forecasts
    assert len(list(tmp_path.iterdir())) == 2
    assert backtest(base, WAVE, n_cutoffs=2, refit=True).forecasts.equals(first)


def test_the_state_of_another_fit_is_refused(tmp_path):
    one, other = model(tmp_path / "a", max_epochs=1), model(tmp_path / "b", max_epochs=1, seed=1)
    one.fit(WAVE)
    other.fit(WAVE)
    (path,), (foreign,) = (tmp_path / "a").iterdir(), (tmp_path / "b").iterdir()
    path.write_bytes(foreign.read_bytes())
    with pytest.raises(ConfigError, match="is of another fit: of other data, another network or other settings"):
        one.fit(WAVE)
    assert clone(one).set_params(training__resume=False).fit(WAVE).predict().notna().all(axis=None)


@pytest.mark.parametrize("content", [b"", b"no state", pickle.dumps({"fit": print}, protocol=2)])
def test_a_damaged_state_is_refused_and_nothing_in_it_is_called(content, tmp_path):
    fit = model(tmp_path, max_epochs=1).fit(WAVE)
    next(tmp_path.iterdir()).write_bytes(content)
    with pytest.raises(ModelFileError, match=r"is no state of a fit\. Remove the file"):
        fit.fit(WAVE)


def test_a_state_holds_nothing_that_must_be_unpickled(tmp_path):
    model(tmp_path, max_epochs=1, optimizer=torch.optim.SGD, learning_rate=0.1).fit(WAVE)
    state = torch.load(next(tmp_path.iterdir()), weights_only=True)
    assert {"racers", "optimizer", "random", "epoch", "step"} <= state.keys()


def test_a_parameter_without_a_name_is_refused(tmp_path):
    class Maker:
        def __call__(self, parameters):
            return torch.optim.SGD(parameters, lr=0.1)

    with pytest.raises(ConfigError, match=r"has no name by which a fit with checkpoint_dir= is known again"):
        model(tmp_path, optimizer=Maker()).fit(WAVE)


def test_functions_are_described_alike_in_every_process():
    assert " at 0x" not in describe({"a": [torch.optim.SGD, os.path.join, lambda x: x], "b": Normal()})
    assert describe(lambda x: x + 1) != describe(lambda x: x * 2)


def test_the_folder_is_no_part_of_a_model_file(tmp_path):
    fit = model(tmp_path / "states", max_epochs=1).fit(WAVE)
    fit.save(tmp_path / "model.tsseq")
    assert tsseq.load(tmp_path / "model.tsseq").training.checkpoint_dir is None


@contextmanager
def files_of_at_most(n_bytes: int):
    """Let this process write no larger files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Full(pl.Callback):
    """A disk that is full from the second epoch on."""

    def __init__(self):
        self.stack = ExitStack()

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == 1:
            self.stack.enter_context(files_of_at_most(1000))


def test_a_full_disk_is_an_error_and_the_last_state_stays(tmp_path):
    alone = model().fit(WAVE)
    disk = Full()
    with disk.stack, pytest.raises(OSError, match="File too large"):
        model(tmp_path, callbacks=[disk]).fit(WAVE)
    assert [path.suffix for path in tmp_path.iterdir()] == [".fit"]
    assert torch.load(next(tmp_path.iterdir()), weights_only=True)["epoch"] == 1
    assert same(model(tmp_path).fit(WAVE), alone)


def test_a_model_file_is_whole_wherever_the_disk_ends(tmp_path):
    old, new = (model(max_epochs=1, seed=seed, kind=LinearForecaster).fit(WAVE) for seed in (0, 1))
    path = tmp_path / "model.tsseq"
    old.save(path)
    content = path.read_bytes()
    for size in np.linspace(0, len(content) - 1, 20, dtype=int).tolist():
        with files_of_at_most(size), pytest.raises(OSError, match="File too large"):
            new.save(path)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]
    new.save(path)
    assert tsseq.load(path).predict().equals(new.predict())


@pytest.mark.proof
def test_a_model_file_is_whole_on_a_full_disk(tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        old, new = (model(max_epochs=1, seed=seed, kind=LinearForecaster).fit(WAVE) for seed in (0, 1))
        path = tmp_path / "model.tsseq"
        old.save(path)
        content = path.read_bytes()
        for n_pages in range(len(content) // 4096 + 1):
            rest = os.statvfs(tmp_path)
            (tmp_path / "filler").write_bytes(bytes((rest.f_bavail - n_pages) * rest.f_bsize))
            with pytest.raises(OSError, match="No space left"):
                new.save(path)
            assert path.read_bytes() == content
            assert len(list(tmp_path.iterdir())) == 2
            (tmp_path / "filler").unlink()
        new.save(path)
        assert tsseq.load(path).predict().equals(new.predict())
    finally:
        subprocess.run(["umount", tmp_path], check=True)


SCRIPT = """
import signal, sys, hashlib
from tsseq import LSTMForecaster, Training, make_series

signal.signal(signal.SIGINT, signal.default_int_handler)
training = Training(max_epochs=int(sys.argv[3]), patience=None, verbose=False, checkpoint_dir=sys.argv[1], accelerator="cpu",
                    devices=int(sys.argv[2]))
model = LSTMForecaster(3, 24, hidden_size=6, dropout=0.2, training=training)
print("begins", flush=True)
try:
    model.fit(make_series("seasonal", 200))
except BaseException as error:
    print(type(error).__name__, getattr(error, "code", ""), flush=True)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    print(handlers == [signal.default_int_handler, signal.SIG_DFL], flush=True)
    raise
state = model.regressor_.network_.state_dict()
print(hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest())
"""


def start(folder: Path, devices: int = 1, epochs: int = 12) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder.parent)}
    command = [sys.executable, "-c", SCRIPT, str(folder), str(devices), str(epochs)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, start_new_session=True
    )
    process.stdout.readline()
    return process


def finish(process: subprocess.Popen) -> str:
    return process.communicate(timeout=120)[0].split()[-1]


def wait_for_a_state(folder: Path, process: subprocess.Popen) -> None:
    while process.poll() is None and not list(folder.glob("*.fit")):
        time.sleep(0.002)


def interrupt(folder: Path, number: int, delay: float, devices: int = 1, epochs: int = 12) -> subprocess.Popen:
    """Send a signal some time after the first state is there."""
    process = start(folder, devices, epochs)
    wait_for_a_state(folder, process)
    time.sleep(delay)
    process.send_signal(number)
    return process


def killed_and_resumed(n: int, tmp_path: Path) -> tuple[str, str]:
    """Digests of the weights of a fit, and of one that was killed ``n`` times at random moments."""
    alone = finish(start(tmp_path / "alone"))
    delays = np.random.default_rng(n).uniform(0, 0.1, n)
    for delay in delays:
        interrupt(tmp_path / "states", signal.SIGKILL, delay).communicate(timeout=120)
    return alone, finish(start(tmp_path / "states"))


def test_a_fit_killed_at_random_moments_ends_with_the_same_bits(tmp_path):
    alone, resumed = killed_and_resumed(5, tmp_path)
    assert resumed == alone
    assert [path.suffix for path in (tmp_path / "states").iterdir()] == [".fit"]


def test_two_processes_end_with_the_one_that_started_them(tmp_path):
    process = interrupt(tmp_path / "states", signal.SIGKILL, 0.02, devices=2, epochs=10_000)
    assert process.communicate(timeout=60)[0] == ""  # the pipe ends when the last of them has ended
    assert [path.name for path in tmp_path.iterdir()] == ["states"]


SIGNALS = [(signal.SIGTERM, "SystemExit 143"), (signal.SIGINT, "KeyboardInterrupt")]


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize(("number", "said"), SIGNALS)
def test_a_signal_leaves_the_last_state_and_nothing_else(number, said, devices, tmp_path):
    process = interrupt(tmp_path / "states", number, 0.02, devices)
    out = process.communicate(timeout=60)[0]
    assert [line.strip() for line in out.splitlines()] == [said, "True"]
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: -signal.SIGINT}[number]
    assert [path.suffix for path in (tmp_path / "states").iterdir()] == [".fit"]
    assert [path.name for path in tmp_path.iterdir()] == ["states"]
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert torch.load(next((tmp_path / "states").iterdir()), weights_only=True)["epoch"] >= 1


@pytest.mark.parametrize("line", [True, False])
def test_a_stopped_fit_in_two_processes_goes_on_to_the_same_bits(line, tmp_path, monkeypatch):
    two = {"line": line, "accelerator": "cpu", "devices": 2}
    alone = model(**two).fit(WAVE)
    fit_until(110, model(tmp_path, **two), monkeypatch)
    assert torch.load(next(tmp_path.iterdir()), weights_only=True)["epoch"] == 2
    assert same(model(tmp_path, **two).fit(WAVE), alone)
    assert same(model(tmp_path, **two).fit(WAVE), alone)


def test_a_stopped_fit_in_three_processes_goes_on_to_the_same_forecasts(tmp_path, monkeypatch):
    three = {"line": True, "accelerator": "cpu", "devices": 3}
    fit_until(60, model(tmp_path, **three), monkeypatch)
    forecasts = [model(folder, **three).fit(WAVE).predict() for folder in (tmp_path, None)]
    pd.testing.assert_series_equal(*forecasts, rtol=1e-3)


@pytest.mark.parametrize(("first", "second"), [(2, 1), (1, 2)])
def test_a_fit_in_another_number_of_processes_is_refused(first, second, tmp_path):
    fit = model(tmp_path, kind=LinearForecaster, max_epochs=1, accelerator="cpu", devices=first).fit(WAVE)
    message = rf"is of a fit in {first} processes, and sums of gradients over {second} have other last digits"
    with pytest.raises(ConfigError, match=message):
        clone(fit).set_params(training__devices=second).fit(WAVE)


def test_a_file_that_was_there_is_whole_when_saving_is_killed(tmp_path):
    code = """
import sys, tsseq
model = tsseq.load(sys.argv[1])
print("begins", flush=True)
while True:
    model.save(sys.argv[1])
"""
    path = tmp_path / "model.tsseq"
    saved = model(max_epochs=1).fit(WAVE)
    saved.save(path)
    for delay in np.random.default_rng(0).uniform(0, 0.1, 3):
        process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert tsseq.load(path).predict().equals(saved.predict())
    saved.save(path)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_behind_is_removed(tmp_path):
    code = "import os; from tsseq.persistence.container import MACHINE; print(MACHINE, os.getpid())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    machine, process = done.stdout.split()
    stale, busy, other = (
        tmp_path / f".0123-{name}.tmp"
        for name in (f"{machine}-{process}", f"{machine}-{os.getpid()}", f"other-{process}")
    )
    for path in (stale, busy, other):
        path.write_bytes(b"half")
    model(max_epochs=1, kind=LinearForecaster).fit(WAVE).save(tmp_path / "model.tsseq")
    assert {path.name for path in tmp_path.iterdir()} == {busy.name, other.name, "model.tsseq"}


def test_a_loss_that_is_not_finite_stops_the_run_of_steps_it_is_in(tmp_path):
    class Breaks(Normal):
        """Its loss is NaN from the 66th step on."""

        n = 0

        def loss(self, *rest):
            Breaks.n += torch.is_grad_enabled()
            return super().loss(*rest) * (float("nan") if Breaks.n > 65 else 1.0)

    fit = model(tmp_path, line=False, learning_rate=0.01).set_params(head=Breaks())
    message = (
        r"nan in epoch 1, step 65 \(learning_rate=0\.01, there 0\.00748, after a gradient of norm [\d.]+\): lower it"
    )
    with pytest.raises(TrainingDivergedError, match=message):
        fit.fit(WAVE)
    assert Breaks.n == 70  # runs of 20, 20 and 10 steps an epoch
    state = torch.load(next(tmp_path.iterdir()), weights_only=True)
    assert state["epoch"] == 1
    assert all(value.isfinite().all() for value in state["racers"][0]["model"].values())
