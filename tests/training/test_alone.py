"""A fit beside others: threads, processes and workers give the bits of one fit alone, and leave nothing behind."""

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV

import tsseq
from tsseq import LinearForecaster, LSTMForecaster, Point, Training, TransformerForecaster, TsseqError, make_series
from tsseq.errors import TrainingDivergedError

WAVE = make_series("seasonal", 120)
RISES = (WAVE.diff() > 0).replace({True: "up", False: "down"})


def small(kind=LSTMForecaster, **training):
    settings = Training(**{"max_epochs": 1, "max_steps": 4, "verbose": False, **training})
    return kind(2, 12, hidden_size=8, segment_length=6, training=settings)


def with_dropout(seed: int, frame=WAVE) -> pd.DataFrame:
    training = small(seed=seed).training
    model = LSTMForecaster(2, 12, hidden_size=8, dropout=0.3, line=False, training=training).fit(frame)
    return model.predict(proba=frame is RISES)


def global_state():
    loggers = [logging.getLogger(name) for name in ("root", *sorted(logging.Logger.manager.loggerDict))]
    logs = [(log.level, log.disabled, log.propagate, tuple(log.handlers), tuple(log.filters)) for log in loggers]
    numbers = torch.get_rng_state().numpy().tobytes(), np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    settings = torch.get_default_dtype(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    return numbers, logs, list(warnings.filters), dict(os.environ), signals, settings, tempfile.tempdir, os.getcwd()


def run(code: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


@pytest.mark.parametrize("frame", [WAVE, RISES], ids=["numbers", "categories"])
def test_fits_in_threads_are_those_one_after_another(frame):
    alone = [with_dropout(seed, frame) for seed in range(4)]
    assert not alone[0].equals(alone[1])
    before = global_state()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: with_dropout(seed, frame), [seed % 4 for seed in range(32)]))
    assert global_state() == before
    assert all(together[k].equals(alone[k % 4]) for k in range(32))


def test_a_model_may_be_read_while_another_is_fitted(tmp_path):
    alone = with_dropout(0)
    model = small(TransformerForecaster).fit(WAVE)
    model.save(tmp_path / "model.tsseq")
    before, done = global_state(), []

    def read():
        while not done:
            done.extend([] if tsseq.load(tmp_path / "model.tsseq").predict().equals(model.predict()) else ["other"])

    thread = Thread(target=read)
    thread.start()
    fits = [with_dropout(0) for _ in range(4)]
    done.append("fits")
    thread.join()
    assert done == ["fits"]
    assert all(fit.equals(alone) for fit in fits)
    assert global_state() == before


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_fits_of_joblib_are_those_one_after_another(backend):
    together = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(with_dropout)(seed) for seed in (0, 1))
    for seed, other in enumerate(together):
        pd.testing.assert_series_equal(with_dropout(seed), other, check_exact=True, check_freq=False)


def test_a_search_in_two_processes_is_the_one_in_one():
    scores = [
        GridSearchCV(small(), {"training__seed": [0, 1]}, cv=2, n_jobs=n_jobs).fit(WAVE).cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*scores)


def test_trials_of_a_study_in_two_threads_are_those_one_after_another():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    values = []
    for n_jobs in (1, 2):
        study = optuna.create_study(sampler=optuna.samplers.GridSampler({"seed": [0, 1, 2, 3]}, seed=0))
        before = global_state()
        study.optimize(lambda trial: with_dropout(trial.suggest_int("seed", 0, 3)).iloc[0], 4, n_jobs=n_jobs)
        assert global_state() == before
        values.append({trial.params["seed"]: trial.value for trial in study.trials})
    assert len(set(values[0].values())) == 4
    assert values[0] == values[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_forked_in_the_middle_of_a_fit_can_fit():
    done = run("""
        import os, warnings
        warnings.simplefilter("ignore")  # forking beside threads
        from threading import Event, Thread
        from tsseq import LinearForecaster, Point, Training, make_series

        inside, over = Event(), Event()

        class Slow(Point):
            def loss(self, *rest):
                inside.set()
                over.wait()
                return super().loss(*rest)

        def fit(head):
            training = Training(max_steps=1, verbose=False)
            return LinearForecaster(2, 12, head=head, training=training).fit(make_series("noise", 100))

        fit(Point())
        thread = Thread(target=fit, args=[Slow()])
        thread.start()
        inside.wait()
        child = os.fork()
        if not child:
            fit(Point())
            os._exit(7)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        over.set()
        thread.join()
        print(code)
    """)
    assert done.stdout.split() == ["7"], done.stderr


class Failing(Point):
    """Fails in the second process, after a few steps."""

    def loss(self, *rest):
        if os.environ.get("LOCAL_RANK") == "1" and random.random() < 0.2:
            raise KeyError("a loss of one's own")
        return super().loss(*rest)


class Killed(Point):
    """Kills the second process."""

    def loss(self, *rest):
        if os.environ.get("LOCAL_RANK") == "1":
            os.kill(os.getpid(), 9)
        return super().loss(*rest)


def on_two(head: Point, **training) -> LinearForecaster:
    settings = Training(max_epochs=5, accelerator="cpu", devices=2, verbose=False, **training)
    return LinearForecaster(3, 24, head=head, training=settings)


def test_an_error_of_one_process_is_the_error_of_the_fit():
    before = global_state()
    with pytest.raises(KeyError, match="a loss of one's own"):
        on_two(Failing()).fit(WAVE)
    with pytest.raises(TrainingDivergedError, match="lower it"):
        on_two(Point(), learning_rate=1e30, gradient_clip=None).fit(1e3 * WAVE)
    with pytest.raises(TsseqError, match="process 1 of 2 that trained was killed"):
        on_two(Killed()).fit(WAVE)
    assert global_state() == before


def test_a_fit_on_two_processes_leaves_the_environment_alone(monkeypatch):
    monkeypatch.setenv("MASTER_PORT", "29511")
    before = dict(os.environ)
    on_two(Point(), max_steps=4).fit(WAVE)
    assert dict(os.environ) == before


def test_the_first_fit_of_a_process_leaves_nothing_but_the_fonts_of_matplotlib(tmp_path):
    names = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "OMP_NUM_THREADS") if name in os.environ}
    (tmp_path / "tmp").mkdir()
    done = run(
        """
        import os
        import sklearn  # which sets variables of OpenMP
        before = dict(os.environ)
        from tsseq import LinearForecaster, Training, make_series
        training = Training(max_steps=2, verbose=False)
        LinearForecaster(3, 24, training=training).fit(make_series("noise", 100)).predict()
        print(*(name for name, value in os.environ.items() if before.get(name) != value))
    """,
        env=names | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")},
        cwd=tmp_path,
    )
    assert done.stdout.split() == ["PYTORCH_NVML_BASED_CUDA_CHECK"], done.stderr  # importing Lightning sets it
    paths = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert {path for path in paths if "matplotlib" not in path} <= {"tmp", ".cache", ".config"}


def test_an_interrupt_of_the_parent_alone_ends_all_processes(tmp_path):
    done = run(
        """
        import os, signal, threading, time
        import multiprocessing as mp
        from tsseq import LinearForecaster, Training, make_series

        signal.signal(signal.SIGINT, signal.default_int_handler)

        def stop():
            while len(mp.active_children()) < 2:
                time.sleep(0.05)
            children.extend(child.pid for child in mp.active_children())
            time.sleep(1.0)
            os.kill(os.getpid(), signal.SIGINT)

        children = []
        threading.Thread(target=stop, daemon=True).start()
        training = Training(max_epochs=10**6, patience=None, accelerator="cpu", devices=2, verbose=False)
        try:
            LinearForecaster(3, 24, training=training).fit(make_series("noise", 300))
        except KeyboardInterrupt:
            print("interrupted", len(children))
        for child in children:
            try:
                os.kill(child, 0)
                print("orphan")
            except ProcessLookupError:
                pass
        print(os.listdir(os.environ["TMPDIR"]))
    """,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.stdout.splitlines() == ["interrupted 2", "[]"], done.stderr


def test_a_pool_that_may_start_no_processes_is_told_so():
    done = run("""
        from multiprocessing import Pool
        from tsseq import ConfigError, LinearForecaster, Training, make_series

        def fit(_):
            training = Training(accelerator="cpu", devices=2, verbose=False)
            try:
                LinearForecaster(3, 24, training=training).fit(make_series("noise", 200))
            except ConfigError as error:
                return str(error)

        with Pool(1) as pool:
            print(pool.map(fit, [0])[0])
    """)
    assert "multiprocessing.Pool may not start others" in done.stdout, done.stderr
