"""Scores of many models at once: sums of errors over groups of forecasts, and what follows from these.

Every metric here is that of `tsseq.metrics` of the same forecasts, one array operation for all groups and models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import DataError

Array = NDArray[np.float64]
Index = NDArray[np.int64]
NAIVE_NAME = "last_value"


class Shared(NamedTuple):
    """Forecasts that all M models have made of the same n values.

    Attributes
    ----------
    models : (M,) names.
    keys : (n,) rows with the columns that tell the values apart: ``[id,] cutoff, step, target``.
    actual : (n,).
    forecast : (M, n).
    quantiles : (M, n) by level, NaN for models without.
    """

    models: list[str]
    keys: pd.DataFrame
    actual: Array
    forecast: Array
    quantiles: dict[float, Array]

    @classmethod
    def of(cls, forecasts: pd.DataFrame, keys: list[str]) -> Shared:
        """From a tidy table, whose rows may have any order and lack forecasts of some models."""
        model = pd.Categorical(forecasts["model"])
        codes, present = model.codes, np.unique(model.codes)
        if not _in_blocks(forecasts[keys], codes, len(present)):
            number = forecasts.groupby(keys, observed=True, sort=False).ngroup().to_numpy()
            order = np.lexsort((number, codes))
            everywhere = np.bincount(number)[number[order]] == len(present)
            forecasts = forecasts.iloc[order[everywhere]]
        many, n = len(present), len(forecasts) // max(len(present), 1)
        levels = {float(name[1:]): name for name in forecasts if str(name).startswith("q")}
        forecast, *quantiles = (
            forecasts[name].to_numpy(dtype=float).reshape(many, n) for name in ["forecast", *levels.values()]
        )
        actual = forecasts["actual"].to_numpy(dtype=float)[:n]
        known = np.isfinite(actual) & np.isfinite(forecast).all(axis=0)
        if not known.any():
            raise DataError("no value that has happened was forecast by all models, so there is nothing to score.")
        keep = slice(None) if known.all() else known
        rows = forecasts[keys].iloc[:n][keep].reset_index(drop=True)
        by_level = {level: part[:, keep] for level, part in sorted(zip(levels, quantiles))}
        return cls(list(model.categories[present]), rows, actual[keep], forecast[:, keep], by_level)

    @property
    def naive(self) -> Array:
        """(n,) the last value that was known."""
        if NAIVE_NAME not in self.models:
            return np.full(len(self.actual), np.nan)
        found: Array = self.forecast[self.models.index(NAIVE_NAME)]
        return found

    def units(self, scales: pd.Series) -> Array:
        """(n,) what ``scales`` has for the id and target of each value."""
        codes, ids = pd.factorize(self.keys["id"]) if "id" in self.keys else (0, [None])
        columns, targets = pd.factorize(self.keys["target"])
        table = scales.reindex(pd.MultiIndex.from_product([ids, list(targets)])).to_numpy(dtype=float)
        found: Array = table.reshape(len(ids), len(targets))[codes, columns]
        return found


def _in_blocks(keys: pd.DataFrame, codes: Any, many: int) -> bool:
    """Whether the rows are those of the first model, then the same of the second, and so on."""
    n = len(codes) // max(many, 1)
    blocks = [slice(k * n, (k + 1) * n) for k in range(many)]
    if n * many != len(codes) or any((codes[block] != codes[block][:1]).any() for block in blocks):
        return False
    columns = [keys[name].array for name in keys]
    return all(pd.Index(own[:n]).equals(pd.Index(own[block])) for own in columns for block in blocks[1:])


class Sums(NamedTuple):
    """Sums (M, G) of what is averaged over forecasts, by group, and how many were summed (G,) or (M, G)."""

    sums: dict[str, Array]
    counts: dict[str, Array]

    def means(self) -> dict[str, Array]:
        """(M, G)."""
        with np.errstate(invalid="ignore"):
            return {name: total / self.counts[name] for name, total in self.sums.items()}

    def weighted(self, weights: Array) -> Sums:
        """Groups counted as often as ``weights`` (B, G) says, B times: (M, B)."""
        return Sums(*({name: part @ weights.T for name, part in kind.items()} for kind in self))


def summed(shared: Shared, units: tuple[Array, Array], groups: Index | None = None) -> Sums:
    """Sums over ``groups`` (n,) numbered from 0, or over everything; ``units`` are those of MASE and RMSSE."""
    sums, counts = {}, {}
    size = 1 if groups is None else int(groups.max()) + 1
    for name, (part, there) in _terms(shared, *units):
        if groups is None:
            sums[name], counts[name] = part.sum(axis=1)[:, None], np.array([float(there.sum())])
        else:
            sums[name] = np.array([np.bincount(groups, row, size) for row in part])
            counts[name] = np.bincount(groups, there, size)
    return Sums(sums, counts)


def _terms(shared: Shared, unit: Array, square_unit: Array) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """What is averaged: (M, n) by name, with 0 where it is left out, and where it is there (n,)."""
    actual, forecast, quantiles, naive = shared.actual, shared.forecast, shared.quantiles, shared.naive
    everywhere = np.ones(len(actual))
    error = actual - forecast
    absolute, squared = np.abs(error), error**2
    yield "absolute", (absolute, everywhere)
    yield "squared", (squared, everywhere)
    for name, part, own in (("scaled", absolute, unit), ("square_scaled", squared, square_unit)):
        yield name, (np.where(own > 0, part / np.where(own > 0, own, 1.0), 0.0), (own > 0).astype(float))
    size = np.abs(actual) + np.abs(forecast)
    yield "symmetric", (200 * absolute / np.where(size == 0, 1.0, size), everywhere)
    moved = np.sign(actual - naive)
    hits = np.where(moved != 0, (1 + moved * np.sign(forecast - naive)) / 2, 0.0)
    yield "hits", (hits, (moved != 0).astype(float))
    for level, values in quantiles.items():
        above = actual - values
        yield f"q{level:g}", (np.maximum(level * above, (level - 1) * above), everywhere)
    if quantiles:
        low, high = quantiles[min(quantiles)], quantiles[max(quantiles)]
        inside = (actual >= low) & (actual <= high)
        yield "inside", (np.where(np.isfinite(low + high), inside, np.nan), everywhere)
    if band := _band(quantiles):
        low, high = quantiles[band[0]], quantiles[band[1]]
        outside = np.maximum(np.maximum(low - actual, actual - high), 0)
        yield "winkler", (high - low + outside / band[0], everywhere)  # 2 / alpha, where alpha is both tails


def _band(levels: Iterable[float]) -> tuple[float, float] | None:
    """The widest two levels with equal tails, if there are any."""
    ordered = sorted(levels)
    pairs = ((low, high) for low in ordered for high in ordered if low < high and abs(low + high - 1) < 1e-9)
    return next(pairs, None)


def metrics_of(sums: Sums, models: list[str], levels: list[float]) -> dict[str, Array]:
    """All metrics, (M, G) by name."""
    mean = sums.means()
    naive = models.index(NAIVE_NAME) if NAIVE_NAME in models else None

    def relative(name: str) -> Array:
        part = mean[name]
        with np.errstate(invalid="ignore", divide="ignore"):
            return part / (part[naive] if naive is not None else np.full(part.shape[1], np.nan))

    found = {"MAE": mean["absolute"], "RMSE": np.sqrt(mean["squared"]), "MASE": mean["scaled"]}
    found |= {"sMAPE": mean["symmetric"], "skill": 1 - relative("absolute")}
    if levels:
        found["pinball"] = np.mean([mean[f"q{level:g}"] for level in levels], axis=0)
        found["coverage"] = mean["inside"]
    found |= {"RMSSE": np.sqrt(mean["square_scaled"]), "U2": np.sqrt(relative("squared"))}
    found |= {"R2": 1 - relative("squared"), "direction": mean["hits"]}
    if levels:
        found["CRPS"] = 2 * found["pinball"]
        found |= {"winkler": mean["winkler"]} if "winkler" in mean else {}
        found |= {f"pinball_q{level:g}": mean[f"q{level:g}"] for level in levels}
    return found
