"""The page and the picture of speed.py."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import NullLocator

JOURNEY = "epoch", "predict", "backtest"
BOTTOM, TOP = 3e-3, 50.0  # CPU seconds
TITLES = {
    "context": "1M rows, horizon 24",
    "horizon": "1M rows, context 96",
    "columns": "100,000 rows, known covariates",
    "rows of one series": "One series, context 96, horizon 24",
    "series of 60 rows": "Short series, context 24, horizon 12",
    "combinations": "Sweep over 2,148 bars",
}
MEMORY = (
    "fit, 1M rows",
    "fit, 5M rows",
    "predict, 10,000 series",
    "backtest, 20 x 1,000 series",
    "columns: 51",
    "rows of one series: 5,000,000",
    "series of 60 rows: 100,000",
)


def table(heads: list[str], rows: Iterable[list[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def seconds_of(result: dict, name: str) -> str:
    if name not in result["figures"]:
        return ""
    return in_words(result["figures"][name]["cpu"])


def in_words(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds > 0.9994 else f"{1e3 * seconds:.3g} ms"


def ratio_rows(results: dict[str, dict], entries: dict) -> Iterator[list[str]]:
    for name, result in results.items():
        for ratio, value in result["ratios"].items() if ":" not in name else ():
            limit, (above, below) = entries[name].limits[ratio], ratio.split(" : ")
            cells = [seconds_of(result, above), seconds_of(result, below)]
            excess = limit is not None and value > limit
            yield [
                name,
                ratio,
                *cells,
                f"**{value:.2f}**" if excess else f"{value:.2f}",
                "" if limit is None else f"{limit:.2f}",
            ]


def size_rows(results: dict[str, dict], entries: dict) -> Iterator[list[str]]:
    for name, result in results.items():
        case = entries[name].case
        if "fit" in result["figures"]:
            values = case["series"] * case["rows"] * (1 + case["known"])
            sizes = [f"{case[key]:,}" for key in ("series", "rows", "context", "horizon", "known")]
            cells = [seconds_of(result, what) for what in ("read", "fit", *JOURNEY)]
            yield [name, *sizes, *cells, f"{1e9 * result['figures']['fit']['cpu'] / values:.0f}"]


def page(results: dict[str, dict], entries: dict) -> str:
    """SPEED.md: every ratio and its goal, the peaks of memory, and what grows with what."""
    steps = {name: result["figures"] for name, result in results.items() if name.startswith("step")}
    fixed = [[name, in_words(run["one-step fit"]["cpu"] - run["step"]["cpu"])] for name, run in steps.items()]
    peaks = [
        [name, what, f"{figure['peak']:.0f}"]
        for name in MEMORY
        for what, figure in results.get(name, {"figures": {}})["figures"].items()
    ]
    sizes = ["series", "rows", "context", "horizon", "known", "read", "fit to first step", *JOURNEY, "fit, ns a value"]
    lines = [
        "# Speed and memory",
        "",
        "Written by `python benchmarks/speed.py`. CPU seconds of one thread, medians; sides run in processes of their "
        "own, and alternate. Ratios are medians of those of each round; one that exceeds its goal is bold. What names "
        'no side is tsseq\'s. "bare" is the same module on batches that are there already; "fit" ends with its first '
        'step; "read" makes arrays of a frame. "Plain": no clipping and no schedule, and the LSTM is the one that all '
        "toolkits have, of 64 units over single rows.",
        "",
        *table(["case", "ratio", "above", "below", "ratio", "goal"], ratio_rows(results, entries)),
        "What a fit costs besides its steps, where others were before:",
        "",
        *table(["case", "fit"], fixed),
        "Networks are alone here, without a line: its normal equations take up to 1.5 s more, whatever the number of "
        "rows, and the fit trains a second network as long as both may win. fit : read grew as reading became four "
        "times as fast. A network compiled or in bf16, and anything on a GPU, was not measured.",
        "",
        "## Peak of memory",
        "",
        "MB over what the process held before, with its frame: 29 MB where that has 1M rows, 143 MB where 5M, and "
        "41 MB where 100,000 rows and 51 columns.",
        "",
        *table(["case", "what", "MB"], peaks),
        "## Growth",
        "",
        "![CPU seconds by size](../docs/speed.png)",
        "",
        "An epoch is one of `Linear`, in steps of 256 windows. Backtests have a cutoff for every 500 rows of one "
        "series, and two where series are short.",
        "",
        *table(["case", *sizes], size_rows(results, entries)),
    ]
    return "\n".join(lines)


def draw(results: dict[str, dict], growth: dict[str, dict], picture: Path) -> None:
    """One panel for each axis, both axes logarithmic."""
    figure, grid = plt.subplots(2, 3, figsize=(12, 7), layout="constrained", sharey=True)
    names = {"read": "read", "fit": "fit to first step", **{name: name for name in JOURNEY}}
    names |= {"sweep": 'sweep, engine="returns"', "sweep in shares": 'sweep, engine="shares"'}
    lines = {}
    for axes, (axis, entries) in zip(grid.flat, growth.items()):
        figures = {n: results[f"{axis}: {n:,}"]["figures"] for n in entries if f"{axis}: {n:,}" in results}
        for k, (name, label) in enumerate(names.items()):
            points = {n: part[name]["cpu"] for n, part in figures.items() if name in part}
            if points:
                lines[label] = axes.loglog(list(points), list(points.values()), "o-", color=f"C{k}")[0]
        low, high = min(entries), max(entries)
        lines["linear"] = axes.plot([low, high], [BOTTOM, BOTTOM * high / low], ":", color="grey")[0]
        axes.set(title=TITLES[axis], xlabel=axis, ylim=(BOTTOM, None))
        axes.set_xticks(list(entries), [f"{n:,}" for n in entries])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(axis="y", alpha=0.3)
    grid[0, 0].set_ylim(BOTTOM, TOP)
    figure.supylabel("CPU seconds on one thread")
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=8)
    figure.savefig(picture, dpi=110)
