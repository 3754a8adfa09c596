"""What takes long to show: files survive kills, and many fits leave nothing behind. `make proof` runs it."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsseq
from tsseq import LinearForecaster, Training, load_sample

pytestmark = pytest.mark.proof

SAVING = """
import sys, tsseq
first, second = (tsseq.load(path) for path in sys.argv[1:3])
print("ready", flush=True)
while True:
    first.save(sys.argv[3])
    second.save(sys.argv[3])
"""


def test_a_process_killed_while_it_saves_leaves_a_whole_file(tmp_path):
    air, rng = load_sample("airline"), np.random.default_rng(0)
    training = Training(max_steps=2, verbose=False)
    models = [LinearForecaster(3, context, training=training).fit(air) for context in (24, 36)]
    paths = [tmp_path / f"{k}.tsseq" for k in range(2)]
    for model, path in zip(models, paths):
        model.save(path)
    forecasts, target, seen = [model.predict() for model in models], tmp_path / "model.tsseq", set()
    for _ in range(25):
        command = [sys.executable, "-c", SAVING, *map(str, paths), str(target)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0.05, 0.3))
            process.send_signal(signal.SIGKILL)
        loaded = tsseq.load(target).predict()
        seen |= {k for k, forecast in enumerate(forecasts) if loaded.equals(forecast)}
        assert any(loaded.equals(forecast) for forecast in forecasts)
    assert seen == {0, 1}


def test_many_fits_leave_neither_memory_nor_files_nor_threads_behind():
    air, training = load_sample("airline"), Training(max_steps=2, verbose=False)
    files, states = set(os.listdir(tempfile.gettempdir())), []
    for k in range(500):
        LinearForecaster(3, 24, training=training).fit(air).predict()
        if k in (49, 499):
            gc.collect()
            memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
            states.append((memory, threading.active_count(), len(os.listdir("/proc/self/fd"))))
    growth = (states[1][0] - states[0][0]) / 450
    print(f"{growth:.0f} bytes a cycle")  # noqa: T201
    assert growth < 20_000
    assert states[1][1:] == states[0][1:]
    assert {name for name in os.listdir(tempfile.gettempdir()) if "tsseq" in name or "lightning" in name} <= files


def test_a_panel_of_a_million_rows_goes_through_fit_and_backtest():
    rng = np.random.default_rng(0)
    days = pd.date_range("1990", periods=10_000)
    series = {name: pd.Series(rng.normal(size=10_000).cumsum(), days) for name in range(100)}
    frame = pd.concat(series, names=["id", "day"]).to_frame("y")
    model = LinearForecaster(7, 28, target="y", training=Training(max_steps=20, verbose=False))
    result = tsseq.backtest({"linear": model}, frame, n_cutoffs=50)
    assert len(result.forecasts) == 5 * 100 * 50 * 7
    assert abs(result.scores.loc["linear", "skill"]) < 0.2
