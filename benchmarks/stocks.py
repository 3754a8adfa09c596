"""From daily prices of many stocks to a report on a strategy: CPU seconds of every step.

    OMP_NUM_THREADS=1 python benchmarks/stocks.py --data us_40_daily.csv.gz

Without --data, the 20 stocks that come with tsseq. Writes stocks.json and STOCKS.md; the median of three runs.
"""

import argparse
import json
import statistics as stats
import tempfile
import time
import warnings
from pathlib import Path

import pandas as pd
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Costs, Forecaster, GRUForecaster, Training

HERE = Path(__file__).parent
COSTS = Costs(bps=5, slippage_bps=2)
RULES = {
    "sign": {},
    "rank": {},
    "top_k": {"k": 8},
    "top_k_dropout": {"k": 8, "n_drop": 2},
    "volatility": {"target_volatility": 0.1},
}


def prices_of(data: str | None) -> pd.DataFrame:
    """Opens and closes by ticker and date, from 2012 on."""
    if data is None:
        panel = tsseq.load_sample("us_stocks")
    else:
        panel = pd.read_csv(data, parse_dates=["date"]).set_index(["ticker", "date"])[["open", "close"]]
        panel = panel.where(panel > 0)  # a price of 0 is none
    return panel[panel.index.get_level_values("date") >= "2012"]


def journey(raw: pd.DataFrame) -> tuple[dict[str, float], dict[str, object]]:
    """CPU seconds of every step, and what came out."""
    took: dict[str, float] = {}
    start = time.process_time()

    def done(step: str) -> None:
        nonlocal start
        took[step] = time.process_time() - start
        start = time.process_time()

    gaps = tsseq.regularize(raw, "XNYS")
    prices = tsseq.regularize(raw, "XNYS", fill="ffill")
    done("regularize")
    roles = {"target": "close", "log": True, "calendar": "XNYS"}
    training = Training(max_epochs=1, seed=0, verbose=False)
    models = {
        "gru": GRUForecaster(5, 40, hidden_size=16, training=training, **roles),
        "ridge": Forecaster(Ridge(), 5, 40, **roles),
    }
    result = tsseq.backtest(models, prices, n_cutoffs=97, stride=5, refit="YE")
    done("backtest of a GRU and ridge, 97 weekly cutoffs, fitted anew every year")
    scores = result.scores
    done("scores")
    books = {}
    for rule, options in RULES.items():
        weights = tsseq.to_weights(result.forecasts, prices, "gru", rule, **options)
        books[rule] = tsseq.simulate(weights, gaps, costs=COSTS)
    done("five rules, a book of each")
    grid = {"model": ["gru", "ridge"], "rule": ["top_k"], "k": list(range(1, 11))}
    swept = tsseq.sweep(result.forecasts, prices, grid, costs=COSTS)
    done("sweep of 20 rules")
    findings = tsseq.audit(models["gru"], prices)
    done("audit of the GRU")
    book, trials = books["top_k"], swept.attrs["trials"]
    with tempfile.TemporaryDirectory() as folder:
        page = tsseq.report(result, book, Path(folder) / "stocks.html", audit=findings, trials=trials)
        size = page.stat().st_size
    done("report")
    figures = {"skill of the GRU": float(scores.loc["gru", "skill"]), "report, MB": size / 1e6}
    figures |= {"leaks found": int((findings.query("kind == 'leak'")["passed"] == False).sum())}  # noqa: E712
    return took, figures | {"p, earned more than the benchmark": float(book.compare(trials)["adjusted_p"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    raw = prices_of(options.data)
    assert callable(tsseq.report)  # imports count once, before the clock starts
    runs = [journey(raw) for _ in range(options.runs)]
    steps = {step: stats.median(took[step] for took, _ in runs) for step in runs[0][0]}
    steps["in all"] = stats.median(sum(took.values()) for took, _ in runs)
    n_tickers, n_rows = raw.index.get_level_values(0).nunique(), len(raw)
    record = {"tickers": n_tickers, "rows": n_rows, "cpu_seconds": steps, "figures": runs[-1][1]}
    (HERE / "stocks.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [f"| {step} | {seconds:.1f} |" for step, seconds in steps.items()]
    words = f"{n_tickers} tickers, {n_rows:,} daily rows; CPU seconds on one thread, median of {options.runs} runs"
    table = "\n".join(["| step | CPU s |\n|---|---|", *lines])
    (HERE / "STOCKS.md").write_text(f"# From prices to a report\n\n{words}; `benchmarks/stocks.py`.\n\n{table}\n")
    print((HERE / "STOCKS.md").read_text())


if __name__ == "__main__":
    main()
