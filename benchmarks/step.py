"""What an optimiser step of a fit costs beside a bare loop of the same network.

    OMP_NUM_THREADS=1 python benchmarks/step.py [pairs]

"tsseq" is `fit_network` on windows: batches gathered, Lightning, losses recorded; seconds of a fit of many steps less
those of a fit of one step, per step. "Bare" is a loop over batches that were gathered before: the same network, loss,
gradient clipping and AdamW, and nothing else. The two alternate; CPU seconds, medians of at least 15 pairs, and the
median of the pairs' ratios. The fixed cost is that of a second fit, of one step, in a process that has fitted before.
Takes some minutes. Writes step.json and STEP.md.
"""

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import tsseq
from tsseq.data.windows import Windows
from tsseq.training.fitting import fit_network
from tsseq.training.lightning_env import keep_freed_memory
from tsseq.training.loader import DeviceRows, Loader
from tsseq.training.model import Model

HERE = Path(__file__).parent
SERIES, ROWS, CONTEXT, HORIZON, BATCH = 50, 500, 96, 24, 256
PLAIN = {"gradient_clip": None, "schedule": "constant"}
CASES = {  # network, settings, steps of a run
    "Linear, plain": (tsseq.Linear(), PLAIN, 300),
    "Linear": (tsseq.Linear(), {}, 300),
    "GRU": (tsseq.GRU(), {}, 40),
    "LSTM": (tsseq.LSTM(), {}, 40),
    "LSTM over single rows, 64 units": (tsseq.LSTM(64, segment_length=None), PLAIN, 15),
}


def windows_of_walks() -> Windows:
    days = pd.date_range("2020-01-01", periods=ROWS)
    values = np.random.default_rng(0).normal(size=(SERIES, ROWS)).cumsum(axis=1)
    frame = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(SERIES), ROWS), "ds": np.tile(days, SERIES), "y": values.ravel()}
    )
    return tsseq.Forecaster(tsseq.NeuralRegressor(), HORIZON, CONTEXT).windows(frame)


def bare_loop(network: tsseq.Network, training: tsseq.Training, windows: Windows) -> Callable[[int], None]:
    """A loop as people write it, on batches that are there already."""
    head, rows = tsseq.Point("mse"), DeviceRows(windows, torch.device("cpu"))
    shards = list(itertools.islice(Loader(rows, np.arange(len(windows)), BATCH, 0), 20))
    pairs = [(shard.batch, shard.target, shard.batch.loc, shard.batch.scale) for shard in shards]
    core = Model(network, windows.layout, head).core.train()
    optimizer = torch.optim.AdamW(core.parameters(), lr=1e-3)

    def run(steps: int) -> None:
        for batch, target, loc, scale in itertools.islice(itertools.cycle(pairs), steps):
            loss = head.loss(core(batch), target, loc, scale).mean()
            optimizer.zero_grad()
            loss.backward()
            if training.gradient_clip is not None:
                torch.nn.utils.clip_grad_norm_(core.parameters(), training.gradient_clip)
            optimizer.step()

    return run


def seconds_of(function: Callable[[int], object], steps: int) -> float:
    start = time.process_time()
    function(steps)
    return time.process_time() - start


def measured(name: str, windows: Windows, pairs: int) -> dict:
    network, settings, steps = CASES[name]
    training = tsseq.Training(max_epochs=10**6, validation=0.0, verbose=False, **settings)

    def fit(steps: int) -> None:
        fit_network(network, tsseq.Point("mse"), training.set_params(max_steps=steps), windows)

    bare = bare_loop(network, training, windows)
    fit(5), bare(5)
    runs = []
    for _ in range(pairs):
        first = seconds_of(fit, 1)
        whole, alone = seconds_of(fit, steps + 1), seconds_of(bare, steps)
        runs.append((first, (whole - first) / steps, alone / steps))
    fixed, ours, alone = (statistics.median(column) for column in zip(*runs))
    ratio = statistics.median(run[1] / run[2] for run in runs)
    return {"network": name, "tsseq": ours, "bare": alone, "ratio": ratio, "fixed": fixed, "pairs": pairs}


def page(runs: list[dict]) -> str:
    lines = [
        "# The cost of an optimiser step",
        "",
        "Written by `python benchmarks/step.py`, which says what is timed.",
        f"{SERIES} series of {ROWS} rows, context {CONTEXT}, horizon {HORIZON}, {BATCH} windows a step, one thread; "
        f"CPU milliseconds, medians of {runs[0]['pairs']} alternating pairs.",
        "",
        "| network | tsseq | bare loop | tsseq : bare | a second fit of one step |",
        "| --- | --- | --- | --- | --- |",
    ]
    for run in runs:
        ours, alone, fixed = (f"{1e3 * run[key]:.2f}" for key in ("tsseq", "bare", "fixed"))
        lines.append(f"| {run['network']} | {ours} | {alone} | **{run['ratio']:.2f}** | {fixed} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    keep_freed_memory()
    torch.manual_seed(0)
    windows = windows_of_walks()
    runs = []
    for name in CASES:
        runs.append(measured(name, windows, pairs))
        print(json.dumps(runs[-1]), flush=True)
    if pairs >= 15:
        (HERE / "step.json").write_text(json.dumps(runs, indent=1) + "\n")
        (HERE / "STEP.md").write_text(page(runs))


if __name__ == "__main__":
    main()
