"""Figures of alphalens for a momentum signal, which the tests compare with.

    python -m venv oracle && oracle/bin/pip install alphalens-reloaded lazy_loader
    PYTHONPATH=. oracle/bin/python benchmarks/signal_oracles.py

Writes tests/trading/alphalens.json. The signal is the return of the last 20 bars, every fifth bar, with gaps; it is
followed by the return of the next 5 bars.
"""

import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from alphalens.performance import (
    factor_information_coefficient,
    factor_rank_autocorrelation,
    mean_return_by_quantile,
    quantile_turnover,
)
from alphalens.utils import quantize_factor

import tsseq

OUT = Path(__file__).parents[1] / "tests" / "trading" / "alphalens.json"
N_QUANTILES = 4


def momentum() -> tuple[pd.DataFrame, pd.DataFrame]:
    closes = tsseq.load_sample("us_stocks")["close"].unstack(0).loc["2015-01":"2015-09"]
    signal, realised = closes.pct_change(20).iloc[20:-5:5], closes.pct_change(5).shift(-5).iloc[20:-5:5]
    gaps = [(row * 7 + column * 3) % 11 == 0 for row in range(len(signal)) for column in range(signal.shape[1])]
    return signal.mask(pd.Series(gaps).to_numpy().reshape(signal.shape)), realised


def figures() -> dict[str, list[list[float | None]]]:
    signal, realised = (frame.rename_axis(index="date", columns="asset") for frame in momentum())
    factor = signal.stack().rename("factor").dropna().to_frame()
    factor["5D"] = realised.stack()
    factor["factor_quantile"] = quantize_factor(factor, quantiles=N_QUANTILES)
    means, _ = mean_return_by_quantile(factor, by_date=True, demeaned=False)
    turnover = {n: quantile_turnover(factor["factor_quantile"], n) for n in range(1, N_QUANTILES + 1)}
    tables = {
        "rank_ic": factor_information_coefficient(factor),
        "quantiles": factor["factor_quantile"].unstack("asset"),
        "quantile_returns": means["5D"].unstack("factor_quantile"),
        "quantile_turnover": pd.DataFrame(turnover),
        "rank_autocorrelation": factor_rank_autocorrelation(factor).to_frame(),
    }
    return {
        name: json.loads(table.reindex(signal.index).to_json(orient="values", double_precision=15))
        for name, table in tables.items()
    }


if __name__ == "__main__":
    record = {"version": version("alphalens-reloaded")} | figures()
    OUT.write_text(json.dumps(record, indent=None).replace("]], ", "]],\n") + "\n")
