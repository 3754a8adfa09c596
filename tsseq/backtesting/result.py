"""What a backtest found: forecasts beside what happened, scores, comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsseq import metrics
from tsseq.backtesting.compare import Alternative, diebold_mariano
from tsseq.data.panel import Panel
from tsseq.errors import ConfigError, DataError

NAIVE = ("last_value", "drift", "mean", "seasonal_naive")


@dataclass(frozen=True)
class BacktestResult:
    """Forecasts of several models at the same cutoffs.

    Attributes
    ----------
    forecasts : one row per (model, [id,] cutoff, step, target): also ``time, actual, forecast`` and quantiles ``q...``.
    fits : which fit made which forecasts: the model, the first cutoff served, the last row seen in fitting, and
        whether it was fitted "before" the backtest or "here".
    scales : mean absolute change per (id, target) up to the first cutoff: the unit of MASE.
    horizon, step : rows ahead, and rows between cutoffs.
    squares : mean squared change per (id, target), likewise: the unit of RMSSE.
    """

    forecasts: pd.DataFrame
    fits: pd.DataFrame
    scales: pd.Series
    horizon: int
    step: int
    squares: pd.Series | None = None

    @property
    def keys(self) -> list[str]:
        """Columns that tell forecasts of one model apart."""
        return [name for name in ("id", "cutoff", "step", "target") if name in self.forecasts]

    @property
    def scores(self) -> pd.DataFrame:
        """MAE, RMSE, MASE, sMAPE and skill per model, over the forecasts that all models have; naive rows first.

        Skill is ``1 - MAE / MAE`` of the last value. With quantiles, also the mean pinball loss over their levels and
        the coverage of the widest band.
        """
        common = self.common()
        table = pd.DataFrame({model: self._scores(part) for model, part in common.groupby("model", observed=True)}).T
        table.insert(4, "skill", 1 - table["MAE"] / table.loc["last_value", "MAE"])
        return table.rename_axis("model")

    def by(self, column: str) -> pd.DataFrame:
        """The scores for every value of "step", "id", "cutoff" or "target": index (column, model)."""
        if column not in self.keys:
            raise ConfigError(f"by({column!r}) must be one of {', '.join(map(repr, self.keys))}.")
        groups = self.common().groupby([column, "model"], observed=True)
        table = pd.DataFrame({key: self._scores(part) for key, part in groups}).T.rename_axis([column, "model"])
        naive = table.xs("last_value", level="model")["MAE"].reindex(table.index.get_level_values(0))
        table.insert(4, "skill", 1 - table["MAE"] / naive.to_numpy())
        return table

    def compare(
        self, benchmark: str = "last_value", loss: str = "absolute", alternative: Alternative = "two-sided"
    ) -> pd.DataFrame:
        """Diebold-Mariano test of every model against ``benchmark``.

        Losses are first averaged over ids, steps and targets for each cutoff, in units of each series' naive error, so
        that neither dependence between series nor overlap within a forecast counts as evidence; overlap between
        cutoffs enters the variance.

        Returns
        -------
        Index model; columns ``difference`` (below 0 is better than the benchmark), ``statistic``, ``p_value``.
        """
        if loss not in ("absolute", "squared"):
            raise ConfigError(f"loss={loss!r} must be 'absolute' or 'squared'.")
        common = self.common()
        error = (common["actual"] - common["forecast"]).abs() / self._scale(common)
        losses = (
            (error if loss == "absolute" else error**2)
            .groupby([common["cutoff"], common["model"]], observed=True)
            .mean()
            .unstack()
        )
        if benchmark not in losses:
            raise ConfigError(
                f"benchmark={benchmark!r} is not in the backtest; it has {', '.join(map(str, losses.columns))}."
            )
        overlap = -(-self.horizon // self.step)
        if len(losses) <= overlap:
            raise DataError(f"{len(losses)} cutoffs are too few to compare: forecasts overlap over {overlap} of them.")
        rows = {
            name: diebold_mariano(losses[name], losses[benchmark], overlap, alternative)._asdict()
            for name in losses.columns
            if name != benchmark
        }
        return pd.DataFrame(rows).T.rename_axis("model")

    def common(self) -> pd.DataFrame:
        """Forecasts of values that are known and that every model has forecast."""
        known = self.forecasts[self.forecasts["actual"].notna()]
        models = self.forecasts["model"].nunique()
        if known.empty:
            raise DataError(
                "no forecast has a known actual value: what happened after the cutoffs is not in the frame."
            )
        shared = known.groupby(self.keys, observed=True)["forecast"].transform("count") == models
        return known[shared]

    def _scores(self, part: pd.DataFrame) -> dict[str, float]:
        actual, forecast = part["actual"].to_numpy(), part["forecast"].to_numpy()
        found = {
            "MAE": metrics.mae(actual, forecast),
            "RMSE": metrics.rmse(actual, forecast),
            "MASE": metrics.mase(actual, forecast, self._scale(part).to_numpy()),
            "sMAPE": metrics.smape(actual, forecast),
        }
        levels = {float(name[1:]): part[name] for name in part if name.startswith("q")}
        if levels:
            known = part[f"q{max(levels):g}"].notna().all()
            losses = [metrics.pinball(actual, values, level) for level, values in levels.items()] if known else [np.nan]
            found["pinball"] = float(np.mean(losses))
            found["coverage"] = metrics.coverage(actual, levels[min(levels)], levels[max(levels)]) if known else np.nan
        return found

    def _scale(self, part: pd.DataFrame) -> pd.Series:
        keys = pd.MultiIndex.from_arrays([part["id"] if "id" in part else [None] * len(part), part["target"]])
        return pd.Series(self.scales.reindex(keys).to_numpy(), part.index)


def naive_scales(panel: Panel, season_length: int, until: Any) -> pd.DataFrame:
    """Mean "absolute" and "squared" seasonal change per (id, target) over rows dated up to ``until``; 0 becomes NaN."""
    n_targets, series = len(panel.schema.target), panel.series_of_row
    known = np.asarray(panel.times <= until)[season_length:]
    own = np.flatnonzero(known & (series[season_length:] == series[: len(series) - season_length]))
    change = panel.values[own + season_length, :n_targets] - panel.values[own, :n_targets]  # (n, targets)
    found = {}
    for name, size in (("absolute", np.abs(change)), ("squared", change**2)):
        there = np.isfinite(size)
        sums, counts = (
            np.column_stack([np.bincount(series[own], part[:, k], len(panel)) for k in range(n_targets)])
            for part in (np.where(there, size, 0.0), there)
        )
        found[name] = np.where(sums > 0, sums / np.maximum(counts, 1), np.nan).ravel()
    keys = [panel.ids.repeat(n_targets), np.tile(np.array(panel.schema.target, dtype=object), len(panel))]
    return pd.DataFrame(found, pd.MultiIndex.from_arrays(keys))
