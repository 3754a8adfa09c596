"""Quantiles on ETTh1 and ETTm1, 96 -> 96: sharpness beside simple quantiles, and coverage.

    python benchmarks/probabilistic.py [ETTh1 ETTm1]

CRPS is twice the mean pinball loss of the levels 0.1 ... 0.9 on data standardised by the training rows, over all test
windows (every fourth on ETTm1), steps and channels. Simple quantiles are those of the errors on the training rows, by
channel and step: of a repeated last day, and of ridge. Where validation keeps no line beside the network, it is also
fitted with one. On ETTm1, networks train for 3 epochs on windows an hour apart. Conformal (ETTh1), fixed: fitted on the
training rows, calibrated once on the validation rows. Rolling: fitted before the last 720 origins of the validation
rows, and calibrated at every cutoff on the 720 origins (a month) whose targets end before it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge

from tsseq import ConformalForecaster, Forecaster, GRUForecaster, Quantiles, Training
from tsseq.forecasting.base import BaseForecaster

HERE = Path(__file__).parent
CONTEXT = HORIZON = 96
MONTH = 720
ROWS_PER_HOUR = {"ETTh1": 1, "ETTm1": 4}
EPOCHS = {"ETTh1": None, "ETTm1": 3}
LEVELS = [round(0.1 * k, 1) for k in range(1, 10)]


def actuals(values: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """(n, H, C) what followed the origins."""
    return np.lib.stride_tricks.sliding_window_view(values, HORIZON, axis=0)[origins + 1].swapaxes(1, 2)


def crps(actual: np.ndarray, quantiles: np.ndarray) -> float:
    """Twice the mean pinball loss; ``quantiles`` (n, H, C, Q)."""
    error = actual[..., None] - quantiles
    return float(2 * np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error).mean())


def forecasts(
    model: BaseForecaster, frame: pd.DataFrame, origins: np.ndarray, levels: list[float] | None, history: int = CONTEXT
) -> np.ndarray:
    """(n, H, C, Q) quantiles, or (n, H, C, 1) forecasts without levels."""
    parts, columns = [], ["forecast"] if levels is None else [f"q{level:g}" for level in levels]
    for cutoffs in np.array_split(origins, 4):
        rows = frame[cutoffs[0] - history + 1 : cutoffs[-1] + HORIZON + 1]
        table = model.predict_at(rows, cutoffs, **({} if levels is None else {"levels": levels}))
        parts.append(table[columns].to_numpy().reshape(len(cutoffs), HORIZON, -1, len(columns)))
    return np.concatenate(parts)


def with_errors(past: np.ndarray, actual: np.ndarray, future: np.ndarray) -> np.ndarray:
    """(n, H, C, Q) forecasts (n, H, C) with the quantiles of the errors of past ones."""
    return future[..., None] + np.moveaxis(np.quantile(actual - past, LEVELS, axis=0), 0, -1)


def measured(data: str, folder: Path) -> dict:
    """CRPS and coverage by model."""
    hour = ROWS_PER_HOUR[data]
    train, valid, test, season = (hour * rows for rows in (8640, 11520, 14400, 24))
    frame = pd.read_csv(folder / f"ltsf/{data}.csv.gz", index_col="date").reset_index(drop=True)[:test]
    frame = (frame - frame[:train].mean()) / frame[:train].std(ddof=0)
    values, roles = frame.to_numpy(), {"target": list(frame)}
    past, origins = np.arange(CONTEXT - 1, train - HORIZON, hour), np.arange(valid - 1, test - HORIZON, hour)
    actual, before = actuals(values, origins), actuals(values, past)
    last_day = np.arange(HORIZON) % season - season + 1
    ridge = Forecaster(Ridge(), HORIZON, CONTEXT, **roles).fit(frame[:train])
    fitted, point = (forecasts(ridge, frame, rows, None)[..., 0] for rows in (past, origins))
    share = (valid - HORIZON - train + 1) / (valid - HORIZON - CONTEXT + 1)
    training = Training(validation=share, seed=0, verbose=False, stride=hour, max_epochs=EPOCHS[data])
    model = GRUForecaster(HORIZON, CONTEXT, head=Quantiles(LEVELS), training=training, **roles).fit(frame[:valid])
    has_line = model.regressor_.network_.line is not None
    quantiles = {
        "seasonal naive": with_errors(values[past[:, None] + last_day], before, values[origins[:, None] + last_day]),
        "ridge": with_errors(fitted, before, point),
        f"GRU, quantile head{', a line kept' if has_line else ''}": forecasts(model, frame, origins, LEVELS),
    }
    if not has_line:
        model = clone(model).set_params(line=True).fit(frame[:valid])
        quantiles["GRU, quantile head, line=True"] = forecasts(model, frame, origins, LEVELS)
    scores = {name: crps(actual, values) for name, values in quantiles.items()}
    bands = {name: values[..., [0, -1]] for name, values in quantiles.items()}
    if data == "ETTh1":
        inner = GRUForecaster(HORIZON, CONTEXT, training=Training(seed=0, verbose=False), **roles)
        fixed = ConformalForecaster(inner, valid - train - HORIZON + 1, refit=False).fit(frame[:valid])
        rolling = ConformalForecaster(inner, MONTH, refit=False, rolling=True).fit(frame[:valid])
        bands["GRU, conformal, fixed"] = forecasts(fixed, frame, origins, [0.1, 0.9])
        longer = CONTEXT + HORIZON + MONTH
        bands["GRU, conformal, rolling"] = forecasts(rolling, frame, origins, [0.1, 0.9], longer)
    covered = {name: float(((actual >= x[..., 0]) & (actual <= x[..., 1])).mean()) for name, x in bands.items()}
    return {"crps": scores, "coverage of 10-90": covered}


def page(results: dict) -> str:
    """Markdown."""
    lines = [
        "# Probabilistic forecasts",
        "",
        "96 -> 96, one seed. Written by `python benchmarks/probabilistic.py`.",
        "",
    ]
    lines += ["| data | model | CRPS, 9 levels | coverage of 10-90 |", "|---|---|---|---|"]
    for data in [name for name in ROWS_PER_HOUR if name in results]:
        scores, covered = results[data]["crps"], results[data]["coverage of 10-90"]
        for name, share in covered.items():
            lines.append(f"| {data} | {name} | {f'{scores[name]:.4f}' if name in scores else ''} | {share:.1%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(ROWS_PER_HOUR))
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = HERE / "probabilistic.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results = {data: results[data] for data in ROWS_PER_HOUR if data in results} | {"torch": torch.__version__}
    for name in given.names:
        results[name] = measured(name, given.data)
        print(name, results[name], flush=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_name("PROBABILISTIC.md").write_text(page(results))
