"""What every side of speed.py shares: frames, clocks, and answers to requests that come line by line.

A side is a process. A request names a job, its case, and one of the functions that the job makes of the case; what the
job prepares (a frame, a fitted model, batches) stays until another case is asked for.
"""

import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

Functions = dict[str, Callable[[], object]]
BATCH, HIDDEN = 256, 64
LINUX = sys.platform == "linux"  # elsewhere memory is not measured


def frame_of(case: dict) -> pd.DataFrame:
    """A long frame of text ids, hours and random walks."""
    random, n = np.random.default_rng(0), case["series"] * case["rows"]
    names = np.array([f"s{k:06d}" for k in range(case["series"])])
    times = pd.date_range("2000-01-01", periods=case["rows"], freq="h")
    frame = pd.DataFrame({"unique_id": names.repeat(case["rows"]), "ds": np.tile(times, case["series"])})
    frame["y"] = random.normal(size=n).cumsum()
    frame = frame.assign(**{f"k{k}": random.normal(size=n) for k in range(case["known"])})
    return frame if case["order"] == "sorted" else frame.sample(frac=1, random_state=0, ignore_index=True)


def memory(name: str) -> float:
    """MB that the process holds ("VmRSS"), or held at most ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def seconds_per_step(run: Callable[[int], object], steps: int) -> float:
    """CPU seconds of ``steps`` steps: what a run of one more takes, less a run of one."""
    clocks = [time.process_time()]
    for n in (1, steps + 1):
        run(n)
        clocks.append(time.process_time())
    return (clocks[2] - 2 * clocks[1] + clocks[0]) / steps


def timed(function: Callable[[], object], measure_memory: bool) -> dict[str, float]:
    """CPU seconds, the function's own if it returns some; and the peak in MB over what the process held before."""
    gc.collect()
    if measure_memory:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
    start = time.process_time()
    result = function()
    seconds = result if isinstance(result, float) else time.process_time() - start
    return {"cpu": seconds} | ({"peak": memory("VmHWM") - before} if measure_memory else {})


def serve(jobs: dict[str, Callable[[dict], Functions]]) -> None:
    """Answer requests from standard input; whatever toolkits print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    current, functions, seen = None, {}, set()
    for line in sys.stdin:
        job, case, name = json.loads(line)
        if (job, case) != current:
            functions, seen = {}, set()  # nothing of the last case stays while the next one is prepared
            gc.collect()
            current, functions = (job, case), jobs[job](case)
        answers.write(json.dumps(timed(functions[name], LINUX and name not in seen)) + "\n")
        seen.add(name)


class Side:
    """The other end: a process that runs one of the scripts beside this file."""

    def __init__(self, python: str, script: str, *arguments: str) -> None:
        command = [python, str(Path(__file__).with_name(script)), *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes)

    def ask(self, job: str, case: dict, name: str) -> dict[str, float]:
        self.process.stdin.write(json.dumps([job, case, name]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a side ended at {name!r} of {job} {case}; its error is above")
        return json.loads(answer)
