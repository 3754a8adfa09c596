"""Accuracy of `NeuralClassifier()` with its defaults on public sets: one command, results as JSON and a table.

    python benchmarks/classification.py [--data ../shared/data] [--only GunPoint] [--seeds 3]

Training and test sequences are those of the archives (UCR, UEA; `.ts` files). The default setting is one for all sets;
the second one only has twice the units. Within a run nothing is chosen by the test sequences. Beside them, the class of
the nearest training sequence by Euclidean distance, which needs sequences of one length.
"""

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from tsseq import GRU, NeuralClassifier, Training

HERE = Path(__file__).parent
SETS = ("BasicMotions", "JapaneseVowels", "ItalyPowerDemand", "GunPoint")
SETTINGS = {"default": None, "128 units": 128}
DEFAULTS = {"max_epochs": 20, "learning_rate": 3e-3, "schedule": "cosine", "validation": 0.0}


def read(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences (time, channels) and labels of a `.ts` file: channels and the label are separated by colons."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data")
    cases = [line.strip().split(":") for line in lines[start + 1 :] if line.strip()]
    sequences = [np.column_stack([np.array(part.split(","), dtype=float) for part in parts]) for *parts, _ in cases]
    return sequences, np.array([label for *_, label in cases])


def nearest(train: list, y: np.ndarray, test: list, truth: np.ndarray) -> float | None:
    """Accuracy of the nearest neighbour; None for sequences of unequal length."""
    if len({len(sequence) for sequence in train + test}) > 1:
        return None
    flat = [np.stack(part).reshape(len(part), -1) for part in (train, test)]
    return float(KNeighborsClassifier(1).fit(flat[0], y).score(flat[1], truth))


def model(setting: str, length: int, seed: int) -> NeuralClassifier:
    """The classifier of one run."""
    units = SETTINGS[setting]
    network = None if units is None else GRU(units, bidirectional=True, segment_length=max(length // 30, 1))
    return NeuralClassifier(network, Training(seed=seed, verbose=False, **DEFAULTS))


def run(name: str, setting: str, folder: Path, seeds: int) -> dict:
    """Figures of one set."""
    (train, y), (test, truth) = (read(folder / f"{name}_{part}.ts.gz") for part in ("TRAIN", "TEST"))
    lengths = [len(sequence) for sequence in train + test]
    row = {
        "data": name,
        "setting": setting,
        "train": len(train),
        "test": len(test),
        "channels": train[0].shape[1],
        "steps": f"{min(lengths)}-{max(lengths)}" if min(lengths) < max(lengths) else str(lengths[0]),
        "classes": len(np.unique(y)),
        "nearest": nearest(train, y, test, truth),
        "accuracy": [],
        "fit_cpu_seconds": [],
    }
    for seed in range(seeds):
        start = time.process_time()
        fitted = model(setting, max(map(len, train)), seed).fit(train, y)
        row["fit_cpu_seconds"].append(round(time.process_time() - start, 1))
        row["accuracy"].append(float(fitted.score(test, truth)))
    print(json.dumps(row), flush=True)
    return row


def table(rows: list[dict]) -> str:
    """The rows in Markdown."""
    lines = [
        "# Accuracy of classification",
        "",
        "Written by `python benchmarks/classification.py`; the figures of every run are in `classification.json`.",
        "",
        "| set | train / test | channels | steps | classes | 1-NN | setting | accuracy | its seeds | fit, CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        near = "unequal lengths" if row["nearest"] is None else f"{row['nearest']:.3f}"
        seeds = ", ".join(f"{value:.3f}" for value in row["accuracy"])
        found, cpu = np.mean(row["accuracy"]), np.mean(row["fit_cpu_seconds"])
        lines.append(
            f"| {row['data']} | {row['train']} / {row['test']} | {row['channels']} | {row['steps']} | {row['classes']} "
            f"| {near} | {row['setting']} | **{found:.3f}** | {seeds} | {cpu:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the sets that are asked for; write the files when it is all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parent / "../shared/data")
    parser.add_argument("--only", choices=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    rows: list[dict] = []
    for setting in SETTINGS:
        for name in [given.only] if given.only else SETS:
            rows.append(run(name, setting, given.data / "classification", given.seeds))
            if not given.only:
                (HERE / "classification.json").write_text(json.dumps(rows, indent=1) + "\n")
                (HERE / "CLASSIFICATION.md").write_text(table(rows))


if __name__ == "__main__":
    main()
