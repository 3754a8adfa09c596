"""Accuracy on two halves of the M4 competition: one command, results as JSON and a table.

    python benchmarks/m4.py [--data ../shared/data] [--only weekly] [--seeds 3]

Hourly (414 series, 48 rows ahead) and Weekly (359, 13), official training and test halves. sMAPE, MASE (seasons of 24
and 1 rows) and OWA follow Makridakis, Spiliotis and Assimakopoulos (2020), The M4 Competition; OWA is relative to
Naive2. Settings were chosen on the last horizon of the training half (`--dev` scores it).
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge

from tsseq import (
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LastValue,
    LSTMForecaster,
    SeasonalNaive,
    Training,
    metrics,
)

HERE = Path(__file__).parent
PUBLISHED = {
    "hourly": {
        "Naive2": (18.383, 2.395, 1.0),
        "RNN benchmark": (14.698, 3.048, 1.036),
        "FFORMA": (11.506, 0.819, 0.484),
        "ES-RNN": (9.328, 0.893, 0.440),
    },
    "weekly": {
        "Naive2": (9.161, 2.777, 1.0),
        "RNN benchmark": (15.220, 5.132, 1.755),
        "ES-RNN": (7.817, 2.356, 0.851),
        "FFORMA": (7.625, 2.108, 0.796),
    },
}


CONTEXT = {"hourly": 168, "weekly": 52}
ROWS = {"hourly": None, "weekly": 325}  # of every series, the last: else long series are most of the training windows
NETWORK = {
    "hourly": {"dropout": 0.2, "line": True},
    "weekly": {"segment_length": 13, "series_embedding": False, "scaling": "adaptive"},
}
TRAINING = {
    "hourly": {"validation": 0, "max_epochs": 5, "learning_rate": 2e-3, "schedule": "cosine"},
    "weekly": {"validation": 0, "max_epochs": 4},
}


TRIED = """
## How the settings were chosen

GRU, one seed, fitted without the last horizon of the training half and scored on it; no test row was looked at.

| data | setting | sMAPE | MASE | OWA |
|---|---|---|---|---|
| Hourly | no line, no vectors of series, dropout 0.1, 3 epochs | 10.868 | 1.006 | 0.487 |
| Hourly | vectors of series (the default) | 10.617 | 1.015 | 0.483 |
| Hourly | vectors, 6 epochs | 10.363 | 0.952 | 0.463 |
| Hourly | vectors, context 336 | 11.504 | 1.086 | 0.520 |
| Hourly | vectors, errors of all logarithms count alike | 10.519 | 1.187 | 0.515 |
| Hourly | vectors, a line | 10.268 | 0.913 | 0.453 |
| Hourly | vectors, a line; calendar covariates of stamps counted back from the end | 10.812 | 1.043 | 0.494 |
| Hourly | vectors, a line, scaling="adaptive" | 10.319 | 0.920 | 0.456 |
| Hourly | vectors, a line; LSTM | 10.499 | 0.961 | 0.469 |
| Hourly | vectors, a line for every series | 10.225 | 0.897 | 0.449 |
| Hourly | vectors, a line, 6 epochs | 10.094 | 0.907 | 0.447 |
| Hourly | vectors, a line, 5 epochs, dropout 0.3, rate 3e-3 | 10.112 | 0.898 | 0.446 |
| Hourly | **vectors, a line, 5 epochs, dropout 0.2** | 10.082 | 0.898 | 0.445 |
| Weekly | no line, no vectors of series, 4 epochs | 6.489 | 2.118 | 0.718 |
| Weekly | vectors of series (the default) | 6.738 | 2.228 | 0.751 |
| Weekly | a line | 7.062 | 2.193 | 0.762 |
| Weekly | context 26 | 8.269 | 2.397 | 0.863 |
| Weekly | context 39 | 7.503 | 2.391 | 0.821 |
| Weekly | context 65, short series filled up in front | 7.041 | 2.216 | 0.765 |
| Weekly | context 104, short series filled up in front | 6.727 | 2.215 | 0.748 |
| Weekly | context 104 so, scaling="adaptive" | 6.542 | 2.196 | 0.735 |
| Weekly | errors of all logarithms count alike | 6.422 | 2.147 | 0.720 |
| Weekly | 8 epochs | 6.465 | 2.084 | 0.711 |
| Weekly | LSTM | 6.876 | 2.167 | 0.748 |
| Weekly | **scaling="adaptive"** | 6.393 | 2.100 | 0.710 |
""".splitlines()


class Half(NamedTuple):
    """One frequency.

    Attributes
    ----------
    train : the training half of every series, by id.
    test : (S, horizon) what came after.
    season_length : rows in a season.
    """

    train: dict[str, np.ndarray]
    test: np.ndarray
    season_length: int

    @property
    def horizon(self) -> int:
        return self.test.shape[1]

    def frame(self, rows: int | None) -> pd.DataFrame:
        """A long frame of the last ``rows`` of every series. Rows are counted back from the end: there are no dates."""
        parts = {name: values[-(rows or len(values)) :] for name, values in self.train.items()}
        return pd.concat(
            [
                pd.DataFrame({"unique_id": name, "ds": np.arange(-len(part), 0), "y": part})
                for name, part in parts.items()
            ],
            ignore_index=True,
        )

    def without_the_last_horizon(self) -> "Half":
        """The same task one horizon earlier, on training rows alone."""
        h = self.horizon
        earlier = {name: values[:-h] for name, values in self.train.items()}
        return Half(earlier, np.array([values[-h:] for values in self.train.values()]), self.season_length)


def read(folder: Path, name: str) -> Half:
    train, test = (
        pd.read_csv(folder / "m4" / f"{name.title()}-{part}.csv.gz", index_col=0) for part in ("train", "test")
    )
    series = {name: values[~np.isnan(values)] for name, values in zip(train.index, train.to_numpy(float))}
    return Half(series, test.to_numpy(float), {"hourly": 24, "weekly": 1}[name])


def naive2(values: np.ndarray, season_length: int, horizon: int) -> np.ndarray:
    """The last value without its seasonal factor, times those of the coming rows."""
    factors = seasonal_factors(values, season_length)
    n = len(values)
    return values[-1] / factors[(n - 1) % season_length] * factors[(n + np.arange(horizon)) % season_length]


def seasonal_factors(values: np.ndarray, season_length: int) -> np.ndarray:
    """(season_length,) of the classical multiplicative decomposition; 1 unless the autocorrelation passes at 90 %."""
    n, m = len(values), season_length
    centred = values - values.mean()
    correlation = np.array([centred[lag:] @ centred[: n - lag] for lag in range(1, m + 1)]) / (centred @ centred)
    limit = 1.645 * np.sqrt((1 + 2 * (correlation[:-1] ** 2).sum()) / n)
    if m == 1 or n < 3 * m or abs(correlation[-1]) <= limit:
        return np.ones(m)
    weights = np.r_[0.5, np.ones(m - 1), 0.5] / m if m % 2 == 0 else np.ones(m) / m
    trend = np.convolve(values, weights, "valid")
    ratio = np.full(n, np.nan)
    ratio[m // 2 : m // 2 + len(trend)] = values[m // 2 : m // 2 + len(trend)] / trend
    factors = np.array([np.nanmean(ratio[phase::m]) for phase in range(m)])
    return factors / factors.mean()


def scores(half: Half, forecast: np.ndarray) -> dict[str, float]:
    """sMAPE, MASE and OWA of forecasts (S, horizon)."""

    def errors(values: np.ndarray) -> tuple[float, float]:
        return metrics.smape(half.test, values), metrics.mase(half.test, values, scale)

    scale = np.array([[metrics.naive_scale(values, half.season_length)] for values in half.train.values()])  # (S, 1)
    base = [naive2(values, half.season_length, half.horizon) for values in half.train.values()]
    (smape, mase), (smape2, mase2) = errors(forecast), errors(np.array(base))
    return {"smape": smape, "mase": mase, "owa": (smape / smape2 + mase / mase2) / 2}


def baselines(name: str, half: Half) -> dict[str, Forecaster]:
    """Forecasters without a seed."""
    h, context = half.horizon, CONTEXT[name]
    return {
        "LastValue": Forecaster(LastValue(), h, context),
        "SeasonalNaive": Forecaster(SeasonalNaive(half.season_length), h, context),
        "Ridge": Forecaster(Ridge(), h, context, log=True),
    }


def neural(name: str, half: Half) -> dict[str, Forecaster]:
    """Recurrent forecasters, to be trained from several seeds."""
    settings = {"log": True, "training": Training(verbose=False, **TRAINING[name]), **NETWORK[name]}
    return {kind.__name__: kind(half.horizon, CONTEXT[name], **settings) for kind in (GRUForecaster, LSTMForecaster)}


def ahead(model: Forecaster | EnsembleForecaster, half: Half) -> np.ndarray:
    """(S, horizon) forecasts, in the order of the series."""
    found = model.predict()
    return found.pivot(index="unique_id", columns="ds", values="y").loc[list(half.train)].to_numpy()


def run(name: str, half: Half, seeds: int) -> Iterator[dict]:
    """Fit and score every model; one row for each, one for every seed, and one for the mean of the seeds."""

    def row(model: str, forecast: np.ndarray, cpu: float | None, seed: int | None = None) -> dict:
        found = {"data": name, "model": model, "seed": seed, **scores(half, forecast), "fit_cpu_seconds": cpu}
        print(json.dumps(found), flush=True)
        return found

    frame = half.frame(ROWS[name])
    base = [naive2(values, half.season_length, half.horizon) for values in half.train.values()]
    yield row("Naive2", np.array(base), None)
    for label, model in baselines(name, half).items():
        cpu = fit_seconds(model, frame)
        yield row(label, ahead(model, half), cpu)
    for label, model in neural(name, half).items():
        ensemble = EnsembleForecaster.over_seeds(model, seeds)
        cpu = fit_seconds(ensemble, frame)
        for seed, member in enumerate(ensemble.forecasters_):
            yield row(label, ahead(member, half), cpu / seeds, seed)
        yield row(f"{label}, mean of {seeds} seeds", ahead(ensemble, half), cpu)


def fit_seconds(model: Forecaster | EnsembleForecaster, frame: pd.DataFrame) -> float:
    """CPU seconds of a fit."""
    before = time.process_time()
    model.fit(frame)
    return time.process_time() - before


def table(rows: list[dict]) -> str:
    """The means over seeds, beside published figures."""
    lines = [
        "# Accuracy on M4",
        "",
        "Written by `python benchmarks/m4.py`; the figures of every run are in `m4.json`. Scores of single seeds",
        "are averaged. OWA is relative to Naive2.",
        "",
    ]
    for name, part in pd.DataFrame(rows).groupby("data", sort=False):
        ours = part.groupby("model", sort=False)[["smape", "mase", "owa", "fit_cpu_seconds"]].mean()
        lines += [
            f"## {name.title()}",
            "",
            settings(name),
            "",
            "| model | sMAPE | MASE | OWA | fit, CPU s |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {model} | {row.smape:.3f} | {row.mase:.3f} | {row.owa:.3f} | "
            + ("|" if np.isnan(row.fit_cpu_seconds) else f"{row.fit_cpu_seconds:.1f} |")
            for model, row in ours.iterrows()
        ]
        lines += [
            f"| {model} (published) | {smape:.3f} | {mase:.3f} | {owa:.3f} | |"
            for model, (smape, mase, owa) in PUBLISHED[name].items()
        ]
        lines += [""]
    return "\n".join([*lines[:-1], *TRIED, ""])


def settings(name: str) -> str:
    """What the networks of one frequency differ in from the defaults."""
    options, training = (", ".join(f"{k}={v!r}" for k, v in x[name].items()) for x in (NETWORK, TRAINING))
    rows = "all rows" if ROWS[name] is None else f"the last {ROWS[name]} rows"
    return f"Context {CONTEXT[name]}, {rows} of every series; `log=True, {options}, training=Training({training})`."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--only", choices=[*PUBLISHED])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dev", action="store_true", help="score the last horizon of the training half; implies --dry")
    parser.add_argument("--dry", action="store_true", help="print, and leave the committed results alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results, stored = {}, HERE / "m4.json"
    if stored.exists() and not (given.dry or given.dev):
        for found in json.loads(stored.read_text())["runs"]:
            results.setdefault(found["data"], []).append(found)
    for data in [given.only] if given.only else PUBLISHED:
        half = read(given.data, data)
        results[data] = list(run(data, half.without_the_last_horizon() if given.dev else half, given.seeds))
    rows = [found for data in PUBLISHED for found in results.get(data, [])]
    if not (given.dry or given.dev):
        stored.write_text(json.dumps({"torch": torch.__version__, "threads": 1, "runs": rows}, indent=1) + "\n")
        (HERE / "M4.md").write_text(table(rows))
    print(table(rows))
