"""What a backtest costs beside the network itself: 1,000 series, 20 cutoffs, a fitted LSTM.

    OMP_NUM_THREADS=1 python benchmarks/rolling.py

"Alone" is the network's module on the same windows, in batches that are there already: nothing is gathered or scaled.
"Backtest" is `tsseq.backtest(model, panel, cutoffs)` on a panel that was read before: the same forecasts, three or four
naive ones, the tidy table of all of them with what happened, and the scales. Reading and checking the frame is timed
apart, and so is `result.scores`. Runs alternate; medians of wall and of CPU seconds. Takes some minutes. Writes
rolling.json and ROLLING.md.
"""

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import tsseq
from tsseq.data.windows import Windows
from tsseq.training.devices import ROWS_ON_CPU
from tsseq.training.loader import prediction_batches

HERE = Path(__file__).parent
SERIES, ROWS, CUTOFFS, REPEATS = 1000, 500, 20, 15
SETTINGS = {"defaults": {}, "no segments": {"segment_length": 1}}
SIZES = [("defaults", 5, 60), ("defaults", 12, 60), ("no segments", 5, 60)]


def panel_of_walks() -> pd.DataFrame:
    days = pd.date_range("2020-01-01", periods=ROWS)
    names = [f"s{k:04d}" for k in range(SERIES)]
    values = np.random.default_rng(0).normal(size=(SERIES, ROWS)).cumsum(axis=1) + 100
    return pd.DataFrame({"unique_id": np.repeat(names, ROWS), "ds": np.tile(days, SERIES), "y": values.ravel()})


def steps(settings: str, horizon: int, context_length: int) -> dict[str, Callable[[], object]]:
    """The things to time."""
    frame = panel_of_walks()
    days = frame["ds"].unique()
    last = len(days) - 1 - horizon
    cutoffs = days[last - horizon * (CUTOFFS - 1) : last + 1 : horizon]
    training = tsseq.Training(max_steps=20, verbose=False, seed=0)
    model = tsseq.LSTMForecaster(horizon, context_length, training=training, **SETTINGS[settings])
    model.fit(frame[frame["ds"] <= cutoffs[0]])
    panel = model.to_panel(frame)
    origins = np.flatnonzero(panel.times.isin(cutoffs))
    result = tsseq.backtest({"lstm": model}, panel, cutoffs)

    windows = Windows.of(panel, model.layout_, model.scaling_, origins)
    core = model.regressor_.network_.core
    batches = [batch for batch, _ in prediction_batches(windows, torch.device("cpu"), ROWS_ON_CPU)]

    def alone() -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([core(batch) for batch in batches])[: len(windows), :, :, 0]  # (n, H, 1)

    forecasts = result.forecasts.query("model == 'lstm'")["forecast"].to_numpy().reshape(-1, horizon)
    np.testing.assert_allclose(forecasts, windows.affine.undo(alone().numpy())[..., 0], rtol=1e-5)
    return {
        "network alone": alone,
        "backtest": lambda: tsseq.backtest({"lstm": model}, panel, cutoffs),
        "read": lambda: model.to_panel(frame.copy()),
        "backtest of a frame": lambda: tsseq.backtest({"lstm": model}, frame.copy(), cutoffs),
        "scores": lambda: result.scores,
        "by id": lambda: result.by("id"),
        "intervals": lambda: result.intervals("skill"),
    }


def timed(functions: dict[str, Callable[[], object]]) -> dict[str, dict[str, float]]:
    """Median seconds, after one run that is not counted; runs of all functions alternate."""
    wall, cpu = ({name: [] for name in functions} for _ in range(2))
    for repeat in range(REPEATS + 1):
        for name, function in functions.items():
            clocks = time.perf_counter(), time.process_time()
            function()
            if repeat:
                wall[name].append(time.perf_counter() - clocks[0])
                cpu[name].append(time.process_time() - clocks[1])
    median = statistics.median
    return {name: {"wall": median(wall[name]), "cpu": median(cpu[name])} for name in functions}


def page(found: list[dict]) -> str:
    lines = [
        "# The cost of a backtest",
        "",
        "Written by `python benchmarks/rolling.py`, which says what is timed; the network alone is its module on "
        "batches that are there already.",
        f"{SERIES:,} series of {ROWS} rows, {CUTOFFS} cutoffs; {os.cpu_count()} cores, {torch.get_num_threads()} used; "
        f"medians of {REPEATS} alternating runs, CPU seconds in brackets.",
        "",
    ]
    names = [name for name in found[0]["seconds"]]
    lines += [
        "| LSTM | horizon | context | " + " | ".join(names) + " | backtest / alone |",
        "|" + " --- |" * (len(names) + 4),
    ]
    for run in found:
        cells = [f"{part['wall']:.3f} ({part['cpu']:.3f})" for part in run["seconds"].values()]
        ratio = f"**{run['ratio']['wall']:.2f}** ({run['ratio']['cpu']:.2f})"
        lines.append("| " + " | ".join([run["lstm"], str(run["horizon"]), str(run["context"]), *cells, ratio]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    found = []
    for settings, horizon, context_length in SIZES:
        seconds = timed(steps(settings, horizon, context_length))
        ratio = {clock: seconds["backtest"][clock] / seconds["network alone"][clock] for clock in ("wall", "cpu")}
        found.append(
            {"lstm": settings, "horizon": horizon, "context": context_length, "seconds": seconds, "ratio": ratio}
        )
        print(json.dumps(found[-1]))
    (HERE / "rolling.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "ROLLING.md").write_text(page(found))


if __name__ == "__main__":
    main()
