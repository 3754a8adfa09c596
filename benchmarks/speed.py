"""Speed and memory of tsseq beside the network alone, NeuralForecast and Darts; and how they grow.

    python benchmarks/speed.py --peers peers/bin/python    # everything, about 15 minutes
    python benchmarks/speed.py --only predict backtest     # entries whose names begin so; the others stay as they are
    python benchmarks/speed.py --quick                     # a tenth of the rows, few rounds; nothing is written
    python benchmarks/speed.py --guard                     # some ratios and their limits, in a minute: `make guard`

Every side is a process of its own with one thread, and their runs alternate; figures are medians of CPU seconds,
medians of the ratios of each round, and the peak of memory in a first run, over what the process held before. The
peers live in an environment of their own (`pip install torch==2.13.0 neuralforecast==3.3.0 darts==0.48.1`); without
`--peers`, their figures are those of the last run that had them. Writes speed.json, SPEED.md and docs/speed.png.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from speed_page import JOURNEY, draw, page
from speed_server import Side

HERE = Path(__file__).parent
SCRIPTS = {  # side: its script, and what it is told; what is measured is named "side what", or "what" if it is ours
    "tsseq": ("speed_tsseq.py", "tsseq"),
    "bare": ("speed_tsseq.py", "bare"),
    "neuralforecast": ("speed_neuralforecast.py",),
    "darts": ("speed_darts.py",),
}
PEERS = ("neuralforecast", "darts")
ONCE = ("epoch",)  # long enough
PLAIN = {"series": 2000, "rows": 500, "context": 96, "horizon": 24, "known": 0, "scaling": "last", "order": "sorted"}
PLAIN |= {"network": "Linear", "cutoffs": 1}


class Entry(NamedTuple):
    """A case, ratios with the most that they should be (None: not said), and what is measured besides."""

    job: str
    case: dict
    limits: dict[str, float | None]
    first: tuple[str, ...] = ()
    rounds: int = 5

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.first, *(name for ratio in self.limits for name in ratio.split(" : "))]))


def frames(limits: dict, *first: str, rounds: int = 5, **case) -> Entry:
    return Entry("frames", PLAIN | case, limits, first, rounds)


def steps(network: str, n: int, limit: float, *others: str, rounds: int = 15) -> Entry:
    limits = {"step : bare step": limit} | {f"step : {other} step": 1.0 for other in others}
    case = PLAIN | {"series": 50, "network": network, "steps": n}
    return Entry("step", case, limits, ("one-step fit",), rounds)


FIT = {"fit : read": 6.0}
MILLION, SHORT = {"series": 200, "rows": 5000}, {"rows": 60, "context": 24, "horizon": 12, "cutoffs": 2}
LSTM = {"network": "LSTM, plain"}
ENTRIES = {
    "fit, 1M rows": frames(FIT | {"fit : neuralforecast fit": 1.0, "read : neuralforecast read": 1.0}),
    "fit, 5M rows": frames(FIT | {"fit : neuralforecast fit": 1.7, "read : neuralforecast read": 1.0}, series=10_000),
    "fit, 1M rows shuffled": frames(FIT, order="shuffled"),
    "fit, 5M rows shuffled": frames(
        FIT | {"fit : neuralforecast fit": 1.0, "read : neuralforecast read": 1.0}, order="shuffled", series=10_000
    ),
    "step, LSTM, plain": steps("LSTM, plain", 15, 1.05, *PEERS),
    "step, LSTM": steps("LSTM", 40, 1.05),
    "step, GRU": steps("GRU", 40, 1.05),
    "step, Linear, plain": steps("Linear, plain", 100, 2.5, *PEERS),
    "step, Linear": steps("Linear", 100, 2.5),
    "predict, 10,000 series": frames(
        {
            "predict() : bare alone": 1.15,
            "predict : bare alone": 1.6,
            "predict() : neuralforecast predict()": 1.0,
            "predict : neuralforecast predict": 1.0,
        },
        "fit",
        "neuralforecast fit",
        series=10_000,
        rounds=7,
        **LSTM,
    ),
    "backtest, 20 x 1,000 series": frames(
        {
            "backtest of a panel : bare alone": 1.45,
            "backtest : bare alone": None,
            "backtest : neuralforecast backtest": 1.0,
        },
        series=1000,
        rows=700,
        cutoffs=20,
        rounds=7,
        **LSTM,
    ),
    "fit, scaling='standard'": frames(FIT, scaling="standard"),
    "fit, context 720, scaling='standard'": frames(FIT, **MILLION, context=720, scaling="standard"),
    "fit, context 720, horizon 336": frames(FIT, **MILLION, context=720, horizon=336),
}
GROWTH = {  # axis: {value: entry}
    "context": {n: frames(FIT, **MILLION, context=n) for n in (24, 96, 336, 720)},
    "horizon": {n: frames(FIT, **MILLION, horizon=n) for n in (1, 24, 96, 336)},
    "columns": {1 + n: frames(FIT, series=200, known=n) for n in (0, 1, 10, 50)},
    "rows of one series": {
        n: frames(FIT, "fit", *JOURNEY, series=1, rows=n, cutoffs=n // 500, rounds=3)
        for n in (78_125, 312_500, 1_250_000, 5_000_000)
    },
    "series of 60 rows": {
        n: frames(FIT, "fit", *JOURNEY, series=n, rounds=3, **SHORT) for n in (1_600, 6_250, 25_000, 100_000)
    },
    "combinations": {n: Entry("sweep", {"n": n}, {}, ("sweep", "sweep in shares")) for n in (10, 100, 1_000, 10_000)},
}
ENTRIES |= {f"{axis}: {n:,}": entry for axis, entries in GROWTH.items() for n, entry in entries.items()}
GUARD = {  # limits: about twice what the ratios are
    "step, Linear": steps("Linear", 100, 4.0, rounds=9),
    "step, LSTM, plain": steps("LSTM, plain", 6, 1.5, rounds=5),
    "fit, 1M rows": frames({"fit : read": 12.0}),
    "predict, 3,000 series": frames(
        {"predict() : bare alone": 2.0, "predict : bare alone": 2.5}, "fit", series=3000, **LSTM
    ),
    "backtest, 20 x 100 series": frames({"backtest : bare alone": 3.5}, series=100, rows=700, cutoffs=20, **LSTM),
}
QUICK = 10


def quick(entry: Entry) -> Entry:
    case = dict(entry.case)
    smaller = {"sweep": "n", "step": "steps", "frames": "rows" if case.get("series") == 1 else "series"}[entry.job]
    case[smaller] = max(case[smaller] // QUICK, 2)
    return entry._replace(case=case, rounds=2)


def measured(entry: Entry, sides: dict[str, Side]) -> dict:
    """Figures by name, and ratios; the first round warms up, and tells the memory."""
    runs: dict[str, list[dict]] = {}
    for k in range(entry.rounds + 1):
        for name in entry.names:
            side, _, what = name.rpartition(" ") if name.startswith(tuple(SCRIPTS)) else ("tsseq", "", name)
            if side in sides and not (k and name in ONCE):
                runs.setdefault(name, []).append(sides[side].ask(entry.job, entry.case, what))
    seconds = {name: [run["cpu"] for run in series[1:] or series] for name, series in runs.items()}
    figures = {name: series[0] | {"cpu": statistics.median(seconds[name])} for name, series in runs.items()}
    ratios = {}
    for ratio in entry.limits:
        above, below = ratio.split(" : ")
        if above in seconds and below in seconds:
            ratios[ratio] = statistics.median(a / b for a, b in zip(seconds[above], seconds[below]))
    return {"figures": figures, "ratios": ratios}


def guard(sides: dict[str, Side]) -> bool:
    """Whether all ratios are within their limits, those that were not measured once more."""
    entries = GUARD
    for _ in range(2):
        excess = {}
        for name, entry in entries.items():
            for ratio, value in measured(entry, sides)["ratios"].items():
                verdict = "" if value <= entry.limits[ratio] else "  too slow"
                print(f"{name:28}{ratio:26}{value:6.2f}   at most {entry.limits[ratio]}{verdict}", flush=True)
                if verdict:
                    excess[name] = entry
        if not excess:
            return True
        entries = excess
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="python of an environment with neuralforecast and darts")
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of the names of entries")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--guard", action="store_true")
    arguments = parser.parse_args()
    pythons = {side: arguments.peers if side in PEERS else sys.executable for side in SCRIPTS}
    if arguments.guard:
        pythons = pythons | dict.fromkeys(PEERS)
    sides = {side: Side(python, *SCRIPTS[side]) for side, python in pythons.items() if python}
    if arguments.guard:
        sys.exit(0 if guard(sides) else "slower than it was: see above")
    path = HERE / "speed.json"
    results = json.loads(path.read_text()) if path.exists() and not arguments.quick else {}
    for name, entry in ENTRIES.items():
        if name.startswith(tuple(arguments.only)):
            run = measured(quick(entry) if arguments.quick else entry, sides)
            before = results.get(name, {"figures": {}, "ratios": {}})
            results[name] = {key: before[key] | run[key] for key in run}
            print(name, json.dumps(run), flush=True)
            if not arguments.quick:
                path.write_text(json.dumps(results, indent=1) + "\n")
    results = {name: results[name] for name in ENTRIES if name in results}
    if arguments.quick:
        print(page(results, ENTRIES))
    else:
        path.write_text(json.dumps(results, indent=1) + "\n")
        (HERE / "SPEED.md").write_text(page(results, ENTRIES))
        draw(results, GROWTH, HERE.parent / "docs" / "speed.png")


if __name__ == "__main__":
    main()
