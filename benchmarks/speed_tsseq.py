"""Sides of speed.py: tsseq as a user calls it, and the same networks alone on batches that are there already."""

import itertools
import sys
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch
from speed_server import BATCH, HIDDEN, Functions, frame_of, seconds_per_step, serve
from torch import nn

import tsseq
from tsseq.data import Panel, Schema
from tsseq.data.windows import Windows
from tsseq.networks import Network
from tsseq.training.fitting import fit_network
from tsseq.training.lightning_env import keep_freed_memory
from tsseq.training.loader import DeviceRows, Loader, prediction_batches
from tsseq.training.model import Model

CPU, HEAD = torch.device("cpu"), tsseq.Point("mse")


class OneLSTM(nn.Module):
    """The LSTM that everybody means: one layer over single rows, and a linear map of its last state."""

    def __init__(self, layout):
        super().__init__()
        self.cell, self.read = nn.LSTM(1, HIDDEN, batch_first=True), nn.Linear(HIDDEN, layout.horizon)

    def forward(self, batch):
        return self.read(self.cell(batch.values.target)[0][:, -1])[:, :, None, None]  # (B, H, 1, 1)


@dataclass(eq=False, repr=False)
class OneToOne(Network):
    def build(self, layout, n_params):
        return OneLSTM(layout)


PLAIN = {"gradient_clip": None, "schedule": "constant"}
ALONE = {"line": False, "series_embedding": False}  # the network that the bare loop has
NETWORKS = {  # network, settings
    "Linear, plain": (tsseq.Linear(**ALONE), PLAIN),
    "Linear": (tsseq.Linear(**ALONE), {}),
    "GRU": (tsseq.GRU(**ALONE), {}),
    "LSTM": (tsseq.LSTM(**ALONE), {}),
    "LSTM, plain": (OneToOne(**ALONE), PLAIN),
}


def forecaster(case: dict, **settings) -> tsseq.Forecaster:
    network, own = NETWORKS[case["network"]]
    training = tsseq.Training(verbose=False, accelerator="cpu", validation=0.0, **(own | settings))
    regressor, known = tsseq.NeuralRegressor(network, HEAD, training), [f"k{k}" for k in range(case["known"])]
    sizes = case["horizon"], case["context"]
    return tsseq.Forecaster(regressor, *sizes, target="y", known=known or None, scaling=case["scaling"])


def frames(case: dict) -> Functions:
    """What is done with a frame; "predict" needs "fit" before it, since that leaves a fitted model."""
    small = frame_of(case | {"series": 1, "rows": case["context"] + case["horizon"], "order": "sorted"})
    model, epoch, early = (forecaster(case, **{key: 1}) for key in ("max_steps", "max_epochs", "max_steps"))
    early.fit(small)  # which loads and warms everything; a backtest need not fit it again
    frame = frame_of(case)
    schema = Schema.of("y", known=[f"k{k}" for k in range(case["known"])])
    panel = cache(lambda: early.to_panel(frame))

    def backtest(data: pd.DataFrame | Panel) -> None:
        tsseq.backtest({"model": early}, data, n_cutoffs=case["cutoffs"])

    return {
        "fit": lambda: model.fit(frame),
        "read": lambda: Panel.from_frame(frame, schema),
        "epoch": lambda: epoch.fit(frame),
        "predict()": lambda: model.predict(),
        "predict": lambda: model.predict(frame),
        "backtest": lambda: backtest(frame),
        "backtest of a panel": lambda: backtest(panel()),
    }


def windows_of(case: dict) -> Windows:
    return forecaster(case).windows(frame_of(case))


def step(case: dict) -> Functions:
    """A step of `fit_network` on windows; and all that a fit of one step costs where others were before."""
    network, own = NETWORKS[case["network"]]
    training = tsseq.Training(max_epochs=10**6, validation=0.0, verbose=False, accelerator="cpu", **own)
    windows = windows_of(case)

    def fit(steps: int) -> None:
        fit_network(network, HEAD, training.set_params(max_steps=steps), windows)

    return {"step": lambda: seconds_per_step(fit, case["steps"]), "one-step fit": lambda: fit(1)}


def bare_step(case: dict) -> Functions:
    """A loop as people write it: loss, clipping where tsseq clips, AdamW."""
    network, own = NETWORKS[case["network"]]
    windows = windows_of(case)
    loader = Loader(DeviceRows(windows, CPU), np.arange(len(windows)), BATCH, 0)
    shards = [shard for (shard,) in itertools.islice(loader, 20)]
    core = Model(network, windows.layout, HEAD).core.train()
    optimizer = torch.optim.AdamW(core.parameters(), lr=1e-3)
    clip = tsseq.Training(**own).gradient_clip

    def run(steps: int) -> None:
        for shard in itertools.islice(itertools.cycle(shards), steps):
            loss = HEAD.loss(core(shard.batch), shard.target, shard.batch.loc, shard.batch.scale).mean()
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(core.parameters(), clip)
            optimizer.step()

    return {"step": lambda: seconds_per_step(run, case["steps"])}


def bare_frames(case: dict) -> Functions:
    """The network alone on as many windows as there are forecasts: one for each series and cutoff."""
    windows = windows_of(case | {"rows": case["context"] + case["horizon"] + case["cutoffs"] - 1})
    core = Model(NETWORKS[case["network"]][0], windows.layout, HEAD).core.eval()
    batches = [batch for batch, _ in prediction_batches(windows, CPU, BATCH)]

    def alone() -> None:
        with torch.inference_mode():
            torch.cat([core(batch) for batch in batches])

    return {"alone": alone}


def sweep(case: dict) -> Functions:
    prices = tsseq.load_sample("sp500").iloc[:2148]
    signal = prices[["close"]].pct_change().fillna(0.0)
    grid = {"rule": ["threshold"], "allow_short": [True, False], "threshold": np.linspace(0, 0.03, case["n"] // 2)}

    def run(engine: str) -> None:
        tsseq.sweep(signal, prices, grid, costs=tsseq.Costs(bps=10), engine=engine)

    return {"sweep": lambda: run("returns"), "sweep in shares": lambda: run("shares")}


JOBS = {
    "tsseq": {"frames": frames, "step": step, "sweep": sweep},
    "bare": {"frames": bare_frames, "step": bare_step},
}

if __name__ == "__main__":
    torch.manual_seed(0)
    keep_freed_memory()  # fits do so: both sides have the same allocator
    serve(JOBS[sys.argv[1]])
