"""Quantiles on ETTh1, 96 -> 96: sharpness against a seasonal naive, and coverage after conformal calibration.

    python benchmarks/probabilistic.py

CRPS is twice the mean pinball loss of the levels 0.1 ... 0.9 on data standardised by the training rows, over all test
windows, steps and channels. The baseline repeats the last day; its quantiles are those of its errors on the training
rows, by channel and step. Conformal, fixed: fitted on the training rows, calibrated once on the validation rows.
Rolling: fitted before the last 720 origins of the validation rows, and calibrated at every cutoff on the 720 origins (a
month) whose targets end before it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tsseq import ConformalForecaster, GRUForecaster, Quantiles, Training
from tsseq.forecasting.base import BaseForecaster

HERE = Path(__file__).parent
CONTEXT = HORIZON = 96
SEASON, MONTH = 24, 720
TRAIN, VALID, TEST = 8640, 11520, 14400
LEVELS = [round(0.1 * k, 1) for k in range(1, 10)]


def actuals(values: np.ndarray, first: int, last: int) -> np.ndarray:
    """(n, H, C) what followed the origins ``first`` ... ``last``."""
    return np.lib.stride_tricks.sliding_window_view(values[first + 1 : last + HORIZON + 1], HORIZON, axis=0).swapaxes(
        1, 2
    )


def crps(actual: np.ndarray, quantiles: np.ndarray) -> float:
    """Twice the mean pinball loss; ``quantiles`` (n, H, C, Q)."""
    error = actual[..., None] - quantiles
    return float(2 * np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error).mean())


def seasonal(values: np.ndarray, first: int, last: int) -> np.ndarray:
    """(n, H, C) the last day before every origin, again and again."""
    rows = np.arange(first, last + 1)[:, None] - SEASON + 1 + np.arange(HORIZON) % SEASON
    return values[rows]


def forecasts(model: BaseForecaster, frame: pd.DataFrame, levels: list[float], history: int = CONTEXT) -> np.ndarray:
    """(n, H, C, Q) for all test origins."""
    parts = []
    for cutoffs in np.array_split(np.arange(VALID - 1, TEST - HORIZON), 4):
        found = model.predict_at(frame[cutoffs[0] - history + 1 : cutoffs[-1] + HORIZON + 1], cutoffs, levels=levels)
        parts.append(
            found[[f"q{level:g}" for level in levels]].to_numpy().reshape(len(cutoffs), HORIZON, -1, len(levels))
        )
    return np.concatenate(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    given = parser.parse_args()
    torch.set_num_threads(1)
    frame = pd.read_csv(given.data / "ltsf/ETTh1.csv.gz", index_col="date").reset_index(drop=True)[:TEST]
    frame = (frame - frame[:TRAIN].mean()) / frame[:TRAIN].std(ddof=0)
    values, roles = frame.to_numpy(), {"target": list(frame)}
    actual = actuals(values, VALID - 1, TEST - HORIZON - 1)

    past = (CONTEXT - 1, TRAIN - HORIZON - 1)
    residuals = np.quantile(actuals(values, *past) - seasonal(values, *past), LEVELS, axis=0)  # (Q, H, C)
    naive = seasonal(values, VALID - 1, TEST - HORIZON - 1)[..., None] + np.moveaxis(residuals, 0, -1)
    share = (VALID - HORIZON - TRAIN + 1) / (VALID - HORIZON - CONTEXT + 1)
    training = Training(validation=share, seed=0, verbose=False)
    model = GRUForecaster(HORIZON, CONTEXT, head=Quantiles(LEVELS), training=training, **roles).fit(frame[:VALID])
    scores = {
        "seasonal naive": crps(actual, naive),
        "GRU, quantile head": crps(actual, forecasts(model, frame, LEVELS)),
    }
    own = forecasts(model, frame, [0.1, 0.9])
    print(scores, flush=True)

    inner = GRUForecaster(HORIZON, CONTEXT, training=Training(seed=0, verbose=False), **roles)
    fixed = ConformalForecaster(inner, VALID - TRAIN - HORIZON + 1, refit=False).fit(frame[:VALID])
    rolling = ConformalForecaster(inner, MONTH, refit=False, rolling=True).fit(frame[:VALID])
    bands = {"GRU, quantile head": own, "GRU, conformal, fixed": forecasts(fixed, frame, [0.1, 0.9])}
    bands["GRU, conformal, rolling"] = forecasts(rolling, frame, [0.1, 0.9], CONTEXT + HORIZON + MONTH)
    covered = {name: float(((actual >= x[..., 0]) & (actual <= x[..., 1])).mean()) for name, x in bands.items()}
    print(covered, flush=True)
    gain = 1 - scores["GRU, quantile head"] / scores["seasonal naive"]
    results = {"torch": torch.__version__, "crps": scores, "gain": gain, "coverage of 10-90": covered}
    (HERE / "probabilistic.json").write_text(json.dumps(results, indent=1) + "\n")
    lines = [
        "# Probabilistic forecasts",
        "",
        "ETTh1, 96 -> 96, one seed. Written by `python benchmarks/probabilistic.py`.",
        "",
    ]
    lines += ["| model | CRPS, 9 levels | coverage of 10-90 |", "|---|---|---|"]
    for name in dict.fromkeys([*scores, *covered]):
        score, share = scores.get(name), covered.get(name)
        lines.append(
            f"| {name} | {'' if score is None else f'{score:.4f}'} | {'' if share is None else f'{share:.1%}'} |"
        )
    lines += ["", f"The quantile head is {gain:.1%} better than the seasonal naive.", ""]
    (HERE / "PROBABILISTIC.md").write_text("\n".join(lines))
