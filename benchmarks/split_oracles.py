"""Do the splitters split as others do? Configurations are drawn, and every training and test position is compared.

    python benchmarks/split_oracles.py [--draws 2000]     # in an environment with tsseq, skforecast and skfolio

- `WalkForward(n_splits)` against scikit-learn's `TimeSeriesSplit`.
- `WalkForward(initial=...)` against skforecast's `TimeSeriesFold` without incomplete folds.
- `PurgedKFold` without overlapping labels against scikit-learn's `KFold`.
- `CombinatorialPurged` and its paths against skfolio's `CombinatorialPurgedCV`, whose ``purged_size`` is
  ``horizon - 1``. skfolio wants two test groups or more, a purge and an embargo shorter than a group, and gives what
  remains of a division to the last group, so that lengths are drawn as multiples of the groups.

Draws go on until so many configurations have splits. Those that both refuse are counted apart; a split with nothing to
train on, which skfolio yields and we refuse, is a refusal. One that a single side refuses differs. Results go to
splits.json.
"""

import argparse
import json
import platform
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import skforecast
from skfolio.model_selection import CombinatorialPurgedCV
from skforecast.model_selection import TimeSeriesFold
from sklearn.model_selection import KFold, TimeSeriesSplit

from tsseq import CombinatorialPurged, PurgedKFold, WalkForward

HERE = Path(__file__).parent


def optional(rng, high):
    """A number from 1 to ``high``, or None."""
    return None if rng.random() < 0.4 else int(rng.integers(1, high + 1))


def positions(splits):
    """All positions as lists; None where the splitter refuses, or leaves nothing to train on."""
    try:
        found = [(train.tolist(), test.tolist()) for train, test in splits()]
    except ValueError:
        return None
    return found if all(train for train, _ in found) else None


def time_series_split(rng):
    n = int(rng.integers(5, 120))
    n_splits, test_size = int(rng.integers(2, 9)), optional(rng, 15)
    window, gap = optional(rng, 40), int(rng.integers(0, 6))
    theirs = TimeSeriesSplit(n_splits, max_train_size=window, test_size=test_size, gap=gap)
    ours = WalkForward(n_splits, test_size=test_size, max_train_size=window, gap=gap)
    return positions(lambda: ours.split(range(n))), positions(lambda: theirs.split(range(n)))


def time_series_fold(rng):
    n, steps, initial = int(rng.integers(10, 150)), int(rng.integers(1, 12)), int(rng.integers(1, 60))
    stride, gap, refit = optional(rng, 15), int(rng.integers(0, 6)), [False, True, 2, 3, 5][rng.integers(5)]
    sliding = bool(rng.random() < 0.5)
    ours = WalkForward(
        test_size=steps,
        stride=stride,
        initial=initial,
        max_train_size=initial if sliding else None,
        gap=gap,
        refit=refit,
    )

    def theirs():
        folds = TimeSeriesFold(
            steps, initial, stride, refit=refit, fixed_train_size=sliding, gap=gap, allow_incomplete_fold=False,
            verbose=False,
        )  # fmt: skip
        for fold in folds.split(pd.Series(np.arange(n, dtype=float))):
            yield np.arange(*fold[1]), np.arange(*fold[4])

    return positions(lambda: ours.split(range(n))), positions(theirs)


def k_fold(rng):
    n, n_splits = int(rng.integers(2, 120)), int(rng.integers(2, 12))
    return positions(lambda: PurgedKFold(n_splits).split(range(n))), positions(lambda: KFold(n_splits).split(range(n)))


def combinatorial(rng):
    groups = int(rng.integers(3, 9))
    tested, size = int(rng.integers(2, groups)), int(rng.integers(3, 15))
    purge = int(rng.integers(0, size - 1))
    embargo = int(rng.integers(0, size - 1 - purge))
    ours = CombinatorialPurged(groups, tested, horizon=purge + 1, embargo=embargo)
    theirs = CombinatorialPurgedCV(groups, tested, purge, embargo)
    X = np.zeros((groups * size, 1))
    found = positions(lambda: ((train, np.sort(np.concatenate(test))) for train, test in theirs.split(X)))
    paths = [ours.n_paths, ours.paths.T.tolist(), ours.test_groups.tolist()]
    other = [theirs.n_test_paths, theirs.recombined_paths.tolist(), theirs.test_set_index.tolist()]
    mine = positions(lambda: ours.split(X))
    return (None, None) if mine is found is None and paths == other else ((mine, paths), (found, other))


ORACLES = {
    "sklearn TimeSeriesSplit": time_series_split,
    "skforecast TimeSeriesFold": time_series_fold,
    "sklearn KFold": k_fold,
    "skfolio CombinatorialPurgedCV": combinatorial,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000)
    draws = parser.parse_args().draws
    warnings.simplefilter("ignore", skforecast.exceptions.IgnoredArgumentWarning)
    found = {}
    for name, draw in ORACLES.items():
        seen, first, seed = Counter(drawn=0, agreed=0, refused=0), None, -1
        while seen["drawn"] < draws:
            seed += 1
            ours, theirs = draw(np.random.default_rng(seed))
            refused = ours is None and theirs is None
            seen.update({"refused": 1} if refused else {"drawn": 1, "agreed": int(ours == theirs)})
            first = seed if first is None and ours != theirs else first
        found[name] = dict(seen)
        print(f"{name}: {found[name]}; first seed that differs: {first}")
    packages = ("scikit-learn", "skforecast", "skfolio", "numpy", "pandas")
    versions = {"python": platform.python_version()} | {name: version(name) for name in packages}
    (HERE / "splits.json").write_text(json.dumps({"versions": versions, "splits": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
