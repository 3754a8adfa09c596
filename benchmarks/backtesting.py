"""Speed of sweeps and of portfolios beside vectorbt: the same weights in, total return and Sharpe ratio out.

    python benchmarks/backtesting.py --vectorbt oracle/bin/python
    python benchmarks/backtesting.py --vectorbt oracle/bin/python --data us_40_daily.csv.gz

Writes backtesting.json and BACKTESTING.md. vectorbt runs in a process of its own, from its own environment
(``pip install vectorbt``), as does the loop of threshold_loop.py, since numba is there; runs alternate, and medians are
reported. Without it, its row says so.
"""

import argparse
import json
import statistics as stats
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
FEE_BPS = 10.0
BARS, THRESHOLDS = 2148, np.linspace(0.0, 0.03, 500)


def cases(data: str | None) -> dict[str, dict[str, np.ndarray]]:
    """Arrays of each case: closes and fill prices (T, N), weights (T, K) or (T, N)."""
    import tsseq

    prices = tsseq.load_sample("sp500").iloc[:BARS]
    change = prices["close"].pct_change().fillna(0.0).to_numpy()
    found = {"sweep": {"close": prices["close"].to_numpy(), "open": prices["open"].to_numpy(), "signal": change}}
    found["portfolio of 20"] = portfolio(tsseq.load_sample("us_stocks")["close"].unstack(0))
    if data:
        wide = pd.read_csv(data, parse_dates=["date"]).pivot(index="date", columns="ticker", values="close")
        found["portfolio of 40"] = portfolio(wide[(wide > 0).all(axis=1)])
    return found


def portfolio(closes: pd.DataFrame) -> dict[str, np.ndarray]:
    """Random long weights of every day that leave 2 % in cash, so that no purchase lacks any."""
    weights = 0.98 * np.random.default_rng(0).dirichlet(np.ones(closes.shape[1]), len(closes))
    return {"close": closes.to_numpy(), "weights": weights}


def dates(n: int) -> pd.DatetimeIndex:
    return pd.bdate_range("1990-01-01", periods=n)


def frames(name: str, case: dict[str, np.ndarray]) -> tuple:
    """Inputs as a user has them, made before the clock starts."""
    days = dates(len(case["close"]))
    if name == "sweep":
        prices = pd.DataFrame({"open": case["open"], "close": case["close"]}, days)
        return prices, pd.DataFrame({"close": case["signal"]}, days)
    columns = [f"A{i:02d}" for i in range(case["close"].shape[1])]
    return pd.DataFrame(case["close"], days, columns), pd.DataFrame(case["weights"], days, columns)


def run_tsseq(name: str, prices: pd.DataFrame, signal: pd.DataFrame, engine: str, fee: float) -> np.ndarray:
    """(2, K): total return and Sharpe ratio."""
    from tsseq import Costs, simulate, sweep
    from tsseq.trading.statistics import sharpe, total_return

    costs = Costs(bps=fee)
    if name == "sweep":
        grid = {"rule": ["threshold"], "allow_short": [True, False], "threshold": THRESHOLDS}
        return sweep(signal, prices, grid, costs=costs, engine=engine)[["total_return", "sharpe"]].to_numpy().T
    book = simulate(signal, prices, costs=costs, engine=engine)
    return np.array([[total_return(book.returns)], [sharpe(book.returns)]])


def run_vectorbt(name: str, prices: pd.DataFrame, signal: pd.DataFrame, fee: float) -> np.ndarray:
    import vectorbt as vbt

    shared = {"size_type": "targetpercent", "fees": fee / 10_000, "init_cash": 1e6, "freq": "1D"}
    if name == "sweep":
        change = signal.to_numpy()
        both = np.where(np.abs(change) > np.maximum(THRESHOLDS, 1e-12), np.sign(change), 0.0)  # (T, 500)
        sizes = np.vstack([np.full((1, 1000), np.nan), np.hstack([both, np.maximum(both, 0.0)])[:-1]])
        fill = prices["open"]
        done = vbt.Portfolio.from_orders(prices["close"], size=sizes, price=fill, val_price=fill, **shared)
        return np.stack([done.total_return().to_numpy(), done.sharpe_ratio().to_numpy()])
    options = {"group_by": True, "cash_sharing": True, "call_seq": "auto"}
    done = vbt.Portfolio.from_orders(prices, signal.shift(), **options, **shared)
    return np.array([[done.total_return()], [done.sharpe_ratio()]])


def run_loop(name: str, prices: pd.DataFrame, signal: pd.DataFrame, fee: float) -> np.ndarray:
    from threshold_loop import threshold_loop

    thresholds, shorts = np.tile(np.maximum(THRESHOLDS, 1e-12), 2), np.repeat([True, False], len(THRESHOLDS))
    columns = signal["close"].to_numpy(), prices["open"].to_numpy(), prices["close"].to_numpy()
    return threshold_loop(*columns, thresholds, shorts, fee / 10_000)


def timed(function, *arguments) -> dict:
    wall, cpu = time.perf_counter(), time.process_time()
    figures = function(*arguments)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "figures": figures.tolist()}


def serve(folder: str) -> None:
    """Answer names of cases from standard input with timings: the sides of vectorbt and numba."""
    import vectorbt as vbt

    vbt.settings.returns["year_freq"] = "252 days"
    print(json.dumps({"version": vbt.__version__}), flush=True)
    for line in sys.stdin:
        side, name, fee = json.loads(line)
        with np.load(Path(folder) / f"{name}.npz") as case:
            inputs = frames(name, dict(case))
        print(json.dumps(timed(run_loop if side == "loop" else run_vectorbt, name, *inputs, fee)), flush=True)


class Vectorbt:
    """vectorbt in a process of its own; None as an answer where it is not installed."""

    def __init__(self, python: str | None, folder: str) -> None:
        command = [python or sys.executable, __file__, "--serve", folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        self.version = json.loads(first)["version"] if first else None

    def run(self, side: str, name: str, fee: float) -> dict | None:
        if self.version is None or (side == "loop" and name != "sweep"):
            return None
        self.process.stdin.write(json.dumps([side, name, fee]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def compared(name: str, case: dict[str, np.ndarray], other: Vectorbt, runs: int) -> list[dict]:
    """One row per engine and for vectorbt: medians of alternating runs after one to warm up."""
    engines = ("returns", "shares")
    work = case["close"].size * (2 * len(THRESHOLDS) if name == "sweep" else 1)
    prices, signal = frames(name, case)
    # tsseq knows one asset by its fields; of several, it reads a field over tickers, as yfinance gives them.
    panel = prices if name == "sweep" else pd.concat({"close": prices}, axis=1)
    took: dict[str, list[dict]] = {"returns": [], "shares": [], "loop": [], "vectorbt": []}
    for _ in range(runs + 1):
        for engine in engines:
            took[engine].append(timed(run_tsseq, name, panel, signal, engine, FEE_BPS))
        for side in ("loop", "vectorbt"):
            took[side].append(other.run(side, name, FEE_BPS))
    free = {engine: run_tsseq(name, panel, signal, engine, 0.0) for engine in engines}
    free["loop"], theirs_free = ((other.run(side, name, 0.0) or {}).get("figures") for side in ("loop", "vectorbt"))
    words = {"loop": "a loop in numba", "vectorbt": f"vectorbt {other.version}"}
    rows = []
    for side, results in took.items():
        if side == "loop" and results[0] is None:
            continue
        row = {"case": name, "side": words.get(side, f"tsseq, engine={side!r}")}
        if results[0] is not None:
            row |= {unit: stats.median(result[unit] for result in results[1:]) for unit in ("wall", "cpu")}
            row["million_per_second"] = work / row["wall"] / 1e6
        if results[0] is not None and took["vectorbt"][0] is not None and side != "vectorbt":
            row["times_vectorbt_wall"] = stats.median(r["wall"] for r in took["vectorbt"][1:]) / row["wall"]
            row["times_vectorbt_cpu"] = stats.median(r["cpu"] for r in took["vectorbt"][1:]) / row["cpu"]
            row["difference"] = gap(results[0]["figures"], took["vectorbt"][0]["figures"])
            row["difference_free"] = gap(free[side], theirs_free)
        rows.append(row)
    return rows


def gap(ours: object, theirs: object) -> float:
    """Largest difference of a total return or a Sharpe ratio, relative where it is above 1."""
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    both = np.isfinite(a) & np.isfinite(b)  # a book that never moves has no Sharpe ratio
    return float((np.abs(a - b) / np.maximum(1.0, np.abs(b)))[both].max())


def table(rows: list[dict], runs: int) -> str:
    lines = [
        "# Speed of backtests",
        "",
        f"Medians of {runs} alternating runs, tsseq in one process and the others in another, one thread "
        "(`python benchmarks/backtesting.py`). The sweep: 1,000 parameter sets on "
        f"{BARS:,} bars of the S&P 500, filled at the next open. Portfolios: random weights every day, cash shared, "
        "filled at the next close. Fees are 10 bp. Both sides get the same signal or weights and give total return and "
        "Sharpe ratio. Work is bars times parameter sets, or times assets. Differences are the largest of any figure "
        "from vectorbt's, with fees and without. "
        '`engine="returns"` takes fees from the equity; vectorbt and `engine="shares"` buy less where cash is short. '
        "The loop (`threshold_loop.py`) knows this one rule and no more, and keeps no returns for a ledger of trials.",
        "",
        "| case | side | wall s | CPU s | million/s | x vectorbt (wall) | (CPU) | difference | without fees |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "wall" not in row:
            lines.append(f"| {row['case']} | vectorbt | not measured | | | | | | |")
            continue
        cells = [f"{row['wall']:.4f}", f"{row['cpu']:.4f}", f"{row['million_per_second']:.2f}"]
        for name, form in (("times_vectorbt_wall", ".1f"), ("times_vectorbt_cpu", ".1f")):
            cells.append(format(row[name], form) if name in row else "")
        cells += [f"{row[name]:.0e}" if name in row else "" for name in ("difference", "difference_free")]
        lines.append(f"| {row['case']} | {row['side']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectorbt", help="python of an environment with vectorbt; default: this one")
    parser.add_argument("--data", help="daily prices as csv: ticker, date, close; adds a row")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        found = cases(arguments.data)
        for name, case in found.items():
            np.savez(Path(folder) / f"{name}.npz", **case)
        other = Vectorbt(arguments.vectorbt, folder)
        for name, case in found.items():
            rows += compared(name, case, other, arguments.runs)
        other.process.stdin.close()
        other.process.wait()
    (HERE / "backtesting.json").write_text(json.dumps(rows, indent=1) + "\n")
    (HERE / "BACKTESTING.md").write_text(table(rows, arguments.runs))
    print(table(rows, arguments.runs))


if __name__ == "__main__":
    main()
