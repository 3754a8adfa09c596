"""Fits killed and interrupted at many moments, in processes that have imported all there is to import."""

import hashlib
import multiprocessing
import os
import signal
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch

from tsseq import LSTMForecaster, Training, make_series

pytestmark = pytest.mark.proof
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(["tsseq.forecasting.named", "tsseq.training.fitting"])


class Fit:
    """A fit in a process of its own."""

    def __init__(self, folder: Path, devices: int):
        self.folder = folder
        self.answers, other_end = WARM.Pipe(duplex=False)
        self.process = WARM.Process(target=fit_and_tell, args=(folder, devices, other_end))
        self.process.start()
        other_end.close()

    def interrupt(self, number: int, delay: float) -> None:
        """Send a signal some time after the first state is there."""
        while self.process.is_alive() and not list(self.folder.glob("*.fit")):
            time.sleep(0.002)
        time.sleep(delay)
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def end(self) -> list:
        """What the process said; the pipe ends when the last process that holds it has ended."""
        said = []
        with suppress(EOFError):
            while self.answers.poll(60):
                said.append(self.answers.recv())
            raise AssertionError("a process outlives the fit")
        self.process.join()
        return said


def fit_and_tell(folder: Path, devices: int, answers: Connection) -> None:
    """Send the digest of the weights, or how the fit ended."""
    os.environ["TMPDIR"], tempfile.tempdir = str(folder.parent), None
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    settings = {"max_epochs": 12, "patience": None, "verbose": False, "checkpoint_dir": folder, "accelerator": "cpu"}
    model = LSTMForecaster(3, 24, hidden_size=6, dropout=0.2, training=Training(devices=devices, **settings))
    try:
        state = model.fit(make_series("seasonal", 200)).regressor_.network_.state_dict()
    except (KeyboardInterrupt, SystemExit) as error:
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        answers.send((repr(error), handlers == (signal.default_int_handler, signal.SIG_DFL)))
    else:
        answers.send(hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest())


@pytest.mark.parametrize(("devices", "n"), [(1, 20), (2, 10)])
def test_fits_killed_at_many_moments_end_with_the_same_bits(devices, n, tmp_path):
    (alone,) = Fit(tmp_path / "alone", devices).end()
    n_killed = 0
    for k, delay in enumerate(np.random.default_rng(devices).uniform(0, 0.5, n)):
        (tmp_path / str(k)).mkdir()
        fit = Fit(tmp_path / str(k) / "states", devices)
        fit.interrupt(signal.SIGKILL, delay)
        n_killed += fit.end() == []
        assert [path.name for path in fit.folder.parent.iterdir()] == ["states"]
        assert Fit(fit.folder, devices).end() == [alone]
        assert [path.suffix for path in fit.folder.iterdir()] == [".fit"]
    assert n_killed == n


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGTERM, "SystemExit(143)"), (signal.SIGINT, "KeyboardInterrupt()")]
)
def test_ten_signals_leave_the_last_state_and_nothing_else(number, said, devices, tmp_path):
    for k, delay in enumerate(np.random.default_rng(number).uniform(0, 0.3, 10)):
        (tmp_path / str(k)).mkdir()
        fit = Fit(tmp_path / str(k) / "states", devices)
        fit.interrupt(number, delay)
        assert fit.end() == [(said, True)]
        assert [path.name for path in fit.folder.parent.iterdir()] == ["states"]
        assert [path.suffix for path in fit.folder.iterdir()] == [".fit"]
        assert torch.load(next(fit.folder.iterdir()), weights_only=True)["epoch"] >= 1
