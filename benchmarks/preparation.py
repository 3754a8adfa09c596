"""What a fit costs before its first step: reading the frame, and all that follows from it.

    OMP_NUM_THREADS=1 python benchmarks/preparation.py [--quick]

Every case runs in a process of its own. "Read" makes a `Panel` of the frame; "fit" is `LinearForecaster.fit` of one
step on the same frame, after a small fit that loads and warms everything. Both alternate; medians of CPU seconds. What
a small fit costs is "fixed". Values are rows times columns; "growth" is the cost of a fit per value, its fixed cost
left out, beside that of the plain case of a million rows. The peak is that of a first fit, over the process with its
frame.
Writes preparation.json and PREPARATION.md.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import tsseq
from tsseq.data import Panel, Schema

HERE = Path(__file__).parent
REPEATS = 5
PLAIN = {"series": 2000, "rows": 500, "context": 96, "horizon": 24, "known": 0, "scaling": "last", "order": "sorted"}
CASES = {
    "plain": {},
    "shuffled": {"order": "shuffled"},
    "scaling='standard'": {"scaling": "standard"},
    "one series": {"series": 1, "rows": 1_000_000},
    "context 720": {"series": 200, "rows": 5000, "context": 720},
    "context 720, standard": {"series": 200, "rows": 5000, "context": 720, "scaling": "standard"},
    "horizon 336": {"series": 200, "rows": 5000, "horizon": 336},
    "context 720, horizon 336": {"series": 200, "rows": 5000, "context": 720, "horizon": 336},
    "10 known covariates": {"series": 200, "known": 10},
    "50 known covariates": {"series": 200, "known": 50},
    "short series": {"series": 16_000, "rows": 60, "context": 24, "horizon": 12},
    "5M rows": {"series": 10_000},
    "5M rows, shuffled": {"series": 10_000, "order": "shuffled"},
}
QUICK = 10  # a tenth of the series, or of the rows of one


def frame_of(case: dict) -> pd.DataFrame:
    """A long frame of text ids, hours and random walks."""
    random, n = np.random.default_rng(0), case["series"] * case["rows"]
    names = np.array([f"s{k:05d}" for k in range(case["series"])])
    hours = pd.date_range("2000-01-01", periods=case["rows"], freq="h")
    frame = pd.DataFrame({"unique_id": names.repeat(case["rows"]), "ds": np.tile(hours, case["series"])})
    frame["y"] = random.normal(size=n).cumsum()
    frame = frame.assign(**{f"k{k}": random.normal(size=n) for k in range(case["known"])})
    return frame if case["order"] == "sorted" else frame.sample(frac=1, random_state=0, ignore_index=True)


def peak(reset: bool = False) -> float:
    """The most memory that the process has held since it was reset, in MB."""
    if reset:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def seconds(function: Callable[[], object]) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def measured(case: dict) -> dict[str, float]:
    """Figures of one case, in this process."""
    known = [f"k{k}" for k in range(case["known"])]
    training = tsseq.Training(max_steps=1, verbose=False, seed=0, accelerator="cpu")
    options = {"target": "y", "known": known or None, "scaling": case["scaling"], "training": training}
    model = tsseq.LinearForecaster(case["horizon"], case["context"], **options)
    small = frame_of(case | {"series": 1, "rows": 2 * (case["context"] + case["horizon"]), "order": "sorted"})
    fixed = statistics.median([seconds(lambda: model.fit(small)) for _ in range(REPEATS + 1)][1:])
    frame = frame_of(case)
    before = peak(reset=True)
    model.fit(frame)
    figures = {"values": len(frame) * (1 + len(known)), "fixed": fixed, "peak": peak() - before}
    figures["frame"] = frame.memory_usage(deep=True).sum() / 2**20
    steps = {"read": lambda: Panel.from_frame(frame, Schema.of("y", known=known)), "fit": lambda: model.fit(frame)}
    runs = [{name: seconds(step) for name, step in steps.items()} for _ in range(REPEATS)]
    return figures | {name: statistics.median(run[name] for run in runs) for name in steps}


def page(cases: dict[str, dict]) -> str:
    heads = [
        "case",
        "rows",
        "columns",
        "context",
        "horizon",
        "read",
        "fit",
        "fit : read",
        "growth",
        "peak MB",
        "frame MB",
    ]
    lines = [
        "# The cost of preparing a fit",
        "",
        "Written by `python benchmarks/preparation.py`, which says what is measured.",
        f"CPU seconds, medians of {REPEATS} runs that alternate, one thread.",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + " --- |" * len(heads),
    ]
    for name, case in cases.items():
        sizes = f"{case['series'] * case['rows']:,} | {1 + case['known']} | {case['context']} | {case['horizon']}"
        ratios = f"{case['read']:.3f} | {case['fit']:.3f} | {case['ratio']:.1f} | {case['growth']:.2f}"
        lines.append(f"| {name} | {sizes} | {ratios} | {case['peak']:.0f} | {case['frame']:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows; nothing is written")
    parser.add_argument("--case", help="measure one case in this process and print its figures")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measured(json.loads(arguments.case))))
        return
    cases, environment = {}, os.environ | {"OMP_NUM_THREADS": "1"}
    for name, changes in CASES.items():
        case = PLAIN | changes
        if arguments.quick:
            smaller = "rows" if case["series"] == 1 else "series"
            case[smaller] //= QUICK
        command = [sys.executable, __file__, "--case", json.dumps(case)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        figures = json.loads(run.stdout.splitlines()[-1])
        per_value = (figures["fit"] - figures["fixed"]) / figures["values"]
        plain = cases["plain"]["per_value"] if cases else per_value
        ratios = {"per_value": per_value, "ratio": figures["fit"] / figures["read"], "growth": per_value / plain}
        cases[name] = case | figures | ratios
        print(name, json.dumps({key: round(value, 4) for key, value in (figures | ratios).items()}), flush=True)
    if not arguments.quick:
        (HERE / "preparation.json").write_text(json.dumps(cases, indent=1) + "\n")
        (HERE / "PREPARATION.md").write_text(page(cases))


if __name__ == "__main__":
    main()
