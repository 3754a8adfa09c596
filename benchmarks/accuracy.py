"""Accuracy of the defaults on published benchmarks: one command, results as JSON and a table.

    python benchmarks/accuracy.py [--data ../shared/data] [--only etth1] [--seeds 3]

Protocol of the long-term forecasting literature: borders of 12/4/4 months for ETT, errors on data standardised by the
training rows, every test window (no dropped last batch). Weights are trained on the training rows; the validation rows
choose the epoch. `sp500` is the data set that ships with tsseq: mean absolute error against repeating the last value.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Forecaster, GRUForecaster, LastValue, LSTMForecaster, SeasonalNaive, Training

HERE = Path(__file__).parent
BORDERS = {"etth1": (8640, 11520, 14400)}
FILES = {"etth1": "ltsf/ETTh1.csv.gz"}
PUBLISHED = {
    "etth1": {
        "PatchTST (L=96)": (0.414, 0.419),
        "iTransformer": (0.386, 0.405),
        "SegRNN": (0.368, 0.395),
        "GRU, plain": (1.135, 0.844),
    }
}
CONTEXT, HORIZON = 96, 96


def models(share: float, seed: int, **roles) -> dict:
    training = Training(validation=share, seed=seed, verbose=False)
    return {
        "GRUForecaster": GRUForecaster(HORIZON, CONTEXT, training=training, **roles),
        "LSTMForecaster": LSTMForecaster(HORIZON, CONTEXT, training=training, **roles),
    }


def baselines(**roles) -> dict:
    return {
        "LastValue": Forecaster(LastValue(), HORIZON, CONTEXT, **roles),
        "SeasonalNaive(24)": Forecaster(SeasonalNaive(24), HORIZON, CONTEXT, **roles),
        "Ridge": Forecaster(Ridge(), HORIZON, CONTEXT, **roles),
    }


def long_term(name: str, folder: Path, seeds: int, only_model: str | None) -> list[dict]:
    train_end, valid_end, test_end = BORDERS[name]
    frame = pd.read_csv(folder / FILES[name], index_col="date", parse_dates=True)
    train = frame[:train_end]
    unit = train.std(ddof=0)
    origins = valid_end - HORIZON - CONTEXT + 1
    share = (valid_end - HORIZON - train_end + 1) / origins
    rows = []
    jobs = [(label, model, None) for label, model in baselines(target=list(frame)).items()]
    jobs += [
        (label, model, seed)
        for seed in range(seeds)
        for label, model in models(share, seed, target=list(frame)).items()
    ]
    for label, model, seed in jobs:
        if only_model and only_model not in label:
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        model.fit(frame[:valid_end] if seed is not None else train)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        test = frame[valid_end - CONTEXT : test_end]
        windows = len(test) - CONTEXT - HORIZON + 1
        found = model.predict_at(test, test.index[CONTEXT - 1 : CONTEXT - 1 + windows])
        forecast = found["forecast"].to_numpy().reshape(windows, HORIZON, -1)
        actual = np.stack([test.to_numpy()[CONTEXT + i : CONTEXT + i + HORIZON] for i in range(windows)])
        error = (forecast - actual) / unit.to_numpy()
        rows.append(
            {
                "data": name,
                "model": label,
                "seed": seed,
                "mse": float((error**2).mean()),
                "mae": float(np.abs(error).mean()),
                "windows": windows,
                "fit_seconds": wall,
                "fit_cpu_seconds": cpu,
                "epochs": len(model.history_) if seed is not None else None,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def sp500(seeds: int) -> list[dict]:
    """Five days ahead of daily log prices: train on the first 70 %, test on every origin after."""
    prices = tsseq.load_sample("sp500")
    border = round(0.7 * len(prices))
    roles = {"target": "close", "log": True, "calendar": "XNYS"}
    naive = None
    rows = []
    jobs = [
        ("LastValue", Forecaster(LastValue(), 5, 60, **roles), None),
        ("Ridge", Forecaster(Ridge(), 5, 60, **roles), None),
    ]
    for seed in range(seeds):
        training = Training(seed=seed, verbose=False)
        jobs += [
            (cls.__name__, cls(5, 60, training=training, **roles), seed) for cls in (GRUForecaster, LSTMForecaster)
        ]
    for label, model, seed in jobs:
        wall, cpu = time.perf_counter(), time.process_time()
        model.fit(prices[:border])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found = model.predict_at(prices, prices.index[border - 1 : -5])
        close = prices["close"].reindex(found["time"]).to_numpy()
        mae = float(np.abs(found["forecast"] - close).mean())
        naive = mae if naive is None else naive
        rows.append(
            {
                "data": "sp500",
                "model": label,
                "seed": seed,
                "mae": mae,
                "ratio": mae / naive,
                "fit_seconds": wall,
                "fit_cpu_seconds": cpu,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def table(rows: list[dict]) -> str:
    frame = pd.DataFrame(rows)
    lines = [
        "# Accuracy",
        "",
        "Written by `python benchmarks/accuracy.py`; the figures of every run are in `accuracy.json`.",
        "",
    ]
    for name, part in frame.groupby("data", sort=False):
        ours = part.groupby("model", sort=False).mean(numeric_only=True)
        runs = part.groupby("model", sort=False).size()
        if name == "sp500":
            lines += [
                "## sp500, log prices, 60 -> 5",
                "",
                "| model | MAE | relative to last value | fit, CPU s | runs |",
                "|---|---|---|---|---|",
            ]
            lines += [
                f"| {m} | {r.mae:.3f} | {r.ratio:.4f} | {r.fit_cpu_seconds:.1f} | {runs[m]} |"
                for m, r in ours.iterrows()
            ]
        else:
            lines += [f"## {name}, 96 -> 96", "", "| model | MSE | MAE | fit, CPU s | runs |", "|---|---|---|---|---|"]
            lines += [
                f"| {m} | {r.mse:.4f} | {r.mae:.4f} | {r.fit_cpu_seconds:.1f} | {runs[m]} |" for m, r in ours.iterrows()
            ]
            lines += [f"| {m} (published) | {mse:.3f} | {mae:.3f} | | |" for m, (mse, mae) in PUBLISHED[name].items()]
        lines += [""]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--only", choices=[*BORDERS, "sp500"])
    parser.add_argument("--model", help="only models whose name contains this")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print, and leave the committed results alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for data in [given.only] if given.only else [*BORDERS, "sp500"]:
        results += sp500(given.seeds) if data == "sp500" else long_term(data, given.data, given.seeds, given.model)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if not given.dry:
        (HERE / "accuracy.json").write_text(
            json.dumps({"torch": torch.__version__, "threads": 1, "peak_mb": peak, "runs": results}, indent=1) + "\n"
        )
        (HERE / "ACCURACY.md").write_text(table(results))
    print(table(results))
