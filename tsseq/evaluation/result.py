"""What a backtest found: forecasts beside what happened, scores, comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tsseq.data.panel import Panel
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation.scores import Array, Index, Shared, metrics_of, summed
from tsseq.evaluation.significance import Alternative, confidence_set, diebold_mariano, direction_tests, superior
from tsseq.forecasting.base import check_size
from tsseq.resampling.bootstrap import block_length, percentiles, resampled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Loss = Literal["absolute", "squared"]
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
        """Metrics per model, over the forecasts that all models have; naive rows first. See `tsseq.metrics`.

        MAE, RMSE, MASE, sMAPE; skill is ``1 - MAE / MAE`` of the last value. With quantiles: the mean pinball loss over
        their levels and the coverage of the widest band. Then RMSSE; U2 and R2, both against the last value; the share
        of directions that were right, and the p-value of `direction_test`. With quantiles, also CRPS, the Winkler
        score of the widest band with equal tails, and the pinball loss per level.

        Errors are pooled: MAE, RMSE, skill, U2 and R2 of a panel weigh large series most, MASE and RMSSE do not.
        """
        shared = self._shared
        return self._scored(shared, None).set_axis(pd.Index(shared.models, name="model"))

    def by(self, column: str) -> pd.DataFrame:
        """The scores for every value of "step", "id", "cutoff" or "target": index (column, model)."""
        if column not in self.keys:
            raise ConfigError(f"by({column!r}) must be one of {', '.join(map(repr, self.keys))}.")
        shared = self._shared
        groups, values = pd.factorize(shared.keys[column], sort=True)
        values = values.astype(object) if isinstance(values, pd.CategoricalIndex) else values
        index = pd.MultiIndex.from_product([values, shared.models], names=[column, "model"])
        return self._scored(shared, groups).set_axis(index)

    def plot(self, metric: str = "skill") -> Axes:
        """Draw a score by step, a line per model, naive ones dashed; returns matplotlib's axes, which save a PNG."""
        import matplotlib.pyplot as plt

        table = self.by("step")
        if metric not in table:
            raise ConfigError(f"metric={metric!r} must be one of {', '.join(map(repr, table))}.")
        axes = plt.subplots()[1]
        for name, values in table[metric].unstack("model")[list(self._shared.models)].items():
            axes.plot(values.index, values, "--" if name in NAIVE else "-", label=name)
        axes.set(xlabel="rows ahead", ylabel=metric)
        axes.legend()
        return axes

    def intervals(
        self,
        metric: str = "MAE",
        level: float = 0.95,
        *,
        n_samples: int = 1000,
        block: int | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """How sure a score is: a block bootstrap over cutoffs, for any column of `scores` but ``direction_p``.

        All series and steps of a cutoff are drawn together, and neighbouring cutoffs in blocks, so that forecasts that
        depend on one another count as one. All models share their draws.

        Parameters
        ----------
        metric : a column of `scores`.
        level : share of the draws between the ends.
        n_samples : bootstrap samples.
        block : cutoffs in a block; None is the cube root of their number times the square of how many overlap.
        seed : of the draws.

        Returns
        -------
        Index model; columns ``metric, lower, upper``. With few cutoffs, intervals are too narrow.
        """
        if not 0 < level < 1:
            raise ConfigError(f"level={level} must lie between 0 and 1.")
        check_size("n_samples", n_samples)
        shared = self._shared
        groups, cutoffs = pd.factorize(shared.keys["cutoff"], sort=True)
        block = block_length(len(cutoffs), self.overlap) if block is None else block
        check_size("block", block)
        sums = summed(shared, self._units(shared), groups)
        draws = sums.weighted(resampled(len(cutoffs), min(block, len(cutoffs)), n_samples, seed))
        found = metrics_of(draws, shared.models, list(shared.quantiles))
        if metric not in found:
            raise ConfigError(f"metric={metric!r} must be one of {', '.join(found)}.")
        whole = metrics_of(sums.weighted(np.ones((1, len(cutoffs)))), shared.models, list(shared.quantiles))
        low, high = percentiles(found[metric], level)
        table = {metric: whole[metric][:, 0], "lower": low, "upper": high}
        return pd.DataFrame(table, pd.Index(shared.models, name="model"))

    def compare(
        self, benchmark: str = "last_value", loss: Loss = "absolute", alternative: Alternative = "two-sided"
    ) -> pd.DataFrame:
        """Diebold-Mariano test of every model against ``benchmark``.

        Losses are first averaged over ids, steps and targets for each cutoff, in units of each series' naive error, so
        that neither dependence between series nor overlap within a forecast counts as evidence; overlap between
        cutoffs enters the variance.

        Returns
        -------
        Index model; columns ``difference`` (below 0 is better than the benchmark), ``statistic``, ``p_value``.
        """
        losses = self._losses(loss, benchmark)
        rows = {
            name: diebold_mariano(losses[name], losses[benchmark], self.overlap, alternative)._asdict()
            for name in losses.columns
            if name != benchmark
        }
        return pd.DataFrame(rows).T.rename_axis("model")

    def compare_nested(self, benchmark: str = "last_value") -> pd.DataFrame:
        """Clark-West test of every model against a benchmark that it nests, such as the random walk.

        It asks whether the model has found something, where `compare` asks whether it forecasts better: parameters
        that are 0 in truth cost accuracy. Averages as `compare` does; one-sided.

        Returns
        -------
        Index model; columns ``difference`` of the adjusted squared errors, ``statistic``, ``p_value``.
        """
        losses, adjusted = self._losses("squared", benchmark), self._losses("squared", benchmark, nested=True)
        rows = {
            name: diebold_mariano(adjusted[name], losses[benchmark], self.overlap, "less")._asdict()
            for name in losses.columns
            if name != benchmark
        }
        return pd.DataFrame(rows).T.rename_axis("model")

    def confidence_set(
        self, size: float = 0.1, loss: Loss = "absolute", *, n_samples: int = 1000, seed: int = 0
    ) -> pd.DataFrame:
        """Model confidence set (Hansen, Lunde and Nason 2011): the models that may be the best, sure to ``1 - size``.

        Losses as in `compare`, blocks as in `intervals`. Needs ``pip install tsseq[arch]``.

        Returns
        -------
        Index model, the likeliest first; columns ``p_value`` and ``included``.
        """
        losses = self._losses(loss)
        return confidence_set(losses, size, block_length(len(losses), self.overlap), n_samples, seed)

    def superior(
        self, benchmark: str = "last_value", loss: Loss = "absolute", *, n_samples: int = 1000, seed: int = 0
    ) -> pd.Series:
        """Test of superior predictive ability (Hansen 2005): is the best of all models better than ``benchmark``?

        It allows for the search among many. Losses as in `compare`, blocks as in `intervals`. Needs
        ``pip install tsseq[arch]``.

        Returns
        -------
        P-values: ``lower``, ``consistent`` (the one to quote) and ``upper``.
        """
        losses = self._losses(loss, benchmark)
        return superior(losses, benchmark, block_length(len(losses), self.overlap), n_samples, seed)

    @property
    def overlap(self) -> int:
        """Neighbouring cutoffs whose forecasts reach the same rows."""
        return -(-self.horizon // self.step)

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

    @property
    def _shared(self) -> Shared:
        if self.forecasts["actual"].isna().all():
            self.common()  # raises
        return Shared.of(self.forecasts, self.keys)

    def _units(self, shared: Shared) -> tuple[Array, Array]:
        """The units of MASE and RMSSE, (n,) each."""
        first = shared.units(self.scales)
        return first, np.full(len(first), np.nan) if self.squares is None else shared.units(self.squares)

    def _scored(self, shared: Shared, groups: Index | None) -> pd.DataFrame:
        """All metrics, by group and then by model; without groups, by model."""
        found = metrics_of(summed(shared, self._units(shared), groups), shared.models, list(shared.quantiles))
        names = list(found)
        found["direction_p"] = self._directions(shared, groups)
        names.insert(names.index("direction") + 1, "direction_p")
        return pd.DataFrame({name: found[name].T.ravel() for name in names})

    def _directions(self, shared: Shared, groups: Index | None) -> Array:
        moved, said = shared.actual - shared.naive, shared.forecast - shared.naive
        group = np.zeros(len(moved), dtype=np.int64) if groups is None else groups
        cell = group
        for name in self.keys:
            if name != "cutoff":
                codes, values = pd.factorize(shared.keys[name])
                cell = cell * len(values) + codes
        date = pd.factorize(shared.keys["cutoff"], sort=True)[0]
        return direction_tests(moved, said, pd.factorize(cell)[0], date, group, self.overlap)

    def _losses(self, loss: str, benchmark: str | None = None, nested: bool = False) -> pd.DataFrame:
        """Mean loss per cutoff and model, in units of each series; ``nested`` as Clark and West adjust it."""
        if loss not in ("absolute", "squared"):
            raise ConfigError(f"loss={loss!r} must be 'absolute' or 'squared'.")
        shared = self._shared
        if benchmark is not None and benchmark not in shared.models:
            raise ConfigError(f"benchmark={benchmark!r} is not in the backtest; it has {', '.join(shared.models)}.")
        unit = shared.units(self.scales)
        error = np.abs(shared.actual - shared.forecast) / unit  # (M, n)
        error = error if loss == "absolute" else error**2
        if nested and benchmark is not None:
            error = error - ((shared.forecast - shared.forecast[shared.models.index(benchmark)]) / unit) ** 2
        groups, cutoffs = pd.factorize(shared.keys["cutoff"], sort=True)
        if len(cutoffs) <= self.overlap:
            few = f"{len(cutoffs)} cutoffs are too few to compare"
            raise DataError(f"{few}: forecasts overlap over {self.overlap} of them.")
        there = np.isfinite(unit)
        means = [np.bincount(groups[there], row[there], len(cutoffs)) for row in error]
        with np.errstate(invalid="ignore"):
            table = np.column_stack(means) / np.bincount(groups[there], minlength=len(cutoffs))[:, None]
        return pd.DataFrame(table, pd.Index(cutoffs, name="cutoff"), shared.models)


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
