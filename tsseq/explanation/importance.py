"""What forecasts depend on: columns and lags, by what happens to the error when their values are exchanged."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from tsseq.arguments import Range, check_value
from tsseq.data.panel import Frame, Panel
from tsseq.data.tidy import key_names
from tsseq.data.timestamps import stamps_like
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation.pretrained import forecasters_in
from tsseq.evaluation.result import naive_scales
from tsseq.explanation.contributions import (
    BASELINE,
    Inputs,
    by_lag,
    contributions_by_target,
    fitted,
    inputs_of,
    windows_apart,
    windows_at,
)
from tsseq.forecasting.base import BaseForecaster
from tsseq.forecasting.rows import Levels
from tsseq.hints import rejects_foreign_names
from tsseq.metrics import LEAST_CHANCE, Metric, metrics_for
from tsseq.plotting.importance import plot_importance
from tsseq.resampling.long_run import mean_and_error
from tsseq.typing import Array, Index

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERS_AT_ONCE = 2_000_000
WINDOWS, CUTOFFS = 1000, (10, 100)  # as many cutoffs as give so many windows, within limits
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of quantiles, for errors of these
CONFIDENCE = 0.95


@dataclass(frozen=True, repr=False)
class Importance:
    """What a forecaster's forecasts depend on, as `tsseq.importance` returns it.

    Attributes
    ----------
    table : DataFrame
        One row per column, or per (column, lag); the most important first. ``importance`` is how much larger the error
        was with exchanged values, or the mean size of a contribution; ``error`` is its standard error, and ``low`` and
        ``high`` are the ends of its 95 % interval, NaN where there are too few cutoffs for one.
    metric : str
        The error that grows, by its name in `BacktestResult.scores`; "contribution" for gradients.
    baseline : float
        The error with all values in their places; for gradients the mean size of the forecasts' difference from the
        baseline that contributions start from.
    n_windows : int
        Forecasts that it was measured on.
    n_cutoffs : int
        Origins that these have.
    in_sample : bool
        Whether some were made of rows that the forecaster was fitted on.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, importance, load_sample
    >>> air = load_sample("airline")
    >>> model = Forecaster(Ridge(), horizon=1, context_length=12, log=True).fit(air[:"1956"])
    >>> importance(model, air, by="lag").table.index[:2].tolist()
    [('passengers', 12), ('passengers', 1)]
    """

    table: pd.DataFrame
    metric: str
    baseline: float
    n_windows: int
    n_cutoffs: int
    in_sample: bool = False

    def __repr__(self) -> str:
        return f"{self.sentence}\n{self.table.head(20).to_string(float_format='{:.4g}'.format)}{self._rest}"

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence}</p>{self.table.head(20).to_html(float_format='{:.4g}'.format)}{self._rest}"

    @property
    def _rest(self) -> str:
        return f"\n... {len(self.table)} rows" if len(self.table) > 20 else ""

    @property
    def sentence(self) -> str:
        """What was measured, in words."""
        rows = f"{self.n_windows} forecasts from {self.n_cutoffs} origins"
        rows += ", some of them rows of the fit" if self.in_sample else ""
        if self.metric == "contribution":
            return f"Mean size of contributions to {rows}."
        return f"By how much the {self.metric} of {self.baseline:.4g} grows when values are exchanged; {rows}."

    def plot(self, most: int | None = None) -> Axes:
        """Draw the importance of columns as bars, or of lags as bars along the window, with 95 % intervals.

        Parameters
        ----------
        most : int, optional
            Columns to draw, the most important ones; default: 15, or 6 with lags.

        Returns
        -------
        matplotlib.axes.Axes
            Those of the most important column; nothing is shown or saved.

        Raises
        ------
        ConfigError
            ``most`` is below 1.
        """
        axis = "mean contribution" if self.metric == "contribution" else f"growth of the {self.metric}"
        return plot_importance(self.table, axis, self.sentence, most)


@rejects_foreign_names
def importance(
    model: BaseForecaster,
    frame: Frame | Panel,
    cutoffs: Any = None,
    *,
    by: Literal["column", "lag"] = "column",
    method: Literal["permutation", "gradients"] = "permutation",
    metric: str | None = None,
    n_repeats: int = 5,
    seed: int = 0,
) -> Importance:
    """Measure which columns, or which lags of them, the forecasts of any fitted forecaster depend on.

    "permutation" exchanges the values of a column between windows, those of all its lags together or of one, and
    measures how much the error grows (Breiman, Random forests, Machine Learning 45, 2001). Values of a target are
    exchanged as distances from the mean of their window in its standard deviations (of logarithms with ``log=True``),
    so that neither a trend nor the level of other series enters. Missing values stay in their places. Where columns
    carry the same information, each may seem dispensable; sine and cosine of ``known="calendar"`` are one column, such
    as "calendar_hour".

    "gradients" is the mean size of `contributions`, for networks: what moves the forecast, right or wrong.

    Parameters
    ----------
    model : forecaster
        Fitted, of any kind: networks, `Forecaster` around a regressor, ensembles.
    frame : Series or DataFrame
        History and held-out rows, of any accepted shape. Rows behind the horizon of the last cutoff are not read.
    cutoffs : sequence of timestamps, optional
        Origins of the forecasts; default: of those that `fit` has not seen, evenly spread, as many as give 1,000
        windows, 10 to 100.
    by : {"column", "lag"}, default "column"
        Whether a column is one row of the table, or each of its lags. Lag 1 is the last known row, lag 0 the first one
        that is forecast and -1 the one behind it, which only known covariates have. What does not change over time, a
        static covariate or the id (whose vector, scale and line a series has), stands at lag 0.
    method : {"permutation", "gradients"}, default "permutation"
        How importance is measured.
    metric : str, optional
        The error, by its name in `BacktestResult.scores`, averaged over windows: "MAE", "RMSE", "MASE", "sMAPE" or
        "RMSSE"; "pinball" or "CRPS" for quantiles 0.1 to 0.9; of categories "log_loss" or "Brier". Default: "MASE", of
        categories "log_loss".
    n_repeats : int, default 5
        Exchanges, over which errors are averaged.
    seed : int, default 0
        Seed of the exchanges, which are the same for all columns.

    Returns
    -------
    Importance
        Its ``table`` holds means, standard errors (over cutoffs, whose horizons may overlap) and 95 % intervals.

    Raises
    ------
    ConfigError
        There is no such metric or method for this forecaster.
    DataError
        The frame has no rows to measure errors on.
    NotFittedError
        Before `fit`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, importance
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 300))
    >>> frame = pd.DataFrame({"y": np.roll(x, 3), "x": x, "noise": noise})  # y follows x after three rows
    >>> model = Forecaster(Ridge(), horizon=1, context_length=6, target="y", past=["x", "noise"]).fit(frame[:200])
    >>> importance(model, frame, by="lag").table.index[:1].tolist()
    [('x', 3)]
    """
    check_value("by", by, allowed=("column", "lag"))
    check_value("method", method, allowed=("permutation", "gradients"))
    check_value("n_repeats", n_repeats)
    check_value("seed", seed, allowed=Range(0, np.inf))
    model = fitted(model)
    panel = model.to_panel(frame).with_classes(model.panel_.classes)
    stamps = _stamps(model, panel, cutoffs)
    if method == "gradients":
        named, sizes, total, times = _contribution_sizes(model, panel, stamps, by)
        name, baseline = "contribution", float(total.mean())
    else:
        name, score, levels = _metric(model, metric)
        sample = _Sample.of(model, panel, stamps, score, levels)
        inputs = sample.inputs(by)
        named, times = [(item.column, item.lag) for item in inputs], panel.times.take(sample.origins)
        random = np.random.default_rng(seed)
        orders = [random.permutation(len(times)) for _ in range(n_repeats)]
        errors = sample.errors([])
        sizes, baseline = sample.growth(inputs, orders, errors), float(errors.mean())
    index = pd.MultiIndex.from_tuples(named, names=["column", "lag"])
    index = index.droplevel("lag") if by == "column" else index
    apart = _rows_apart(panel, stamps)
    table = _summary(sizes, times, -(-int(model.task.horizon) // apart)).set_index(index)
    table = table.sort_values("importance", ascending=False, kind="stable")
    in_sample = bool((stamps < model.fitted_until_).any())
    return Importance(table, name, baseline, len(times), len(stamps), in_sample)


def _stamps(model: BaseForecaster, panel: Panel, cutoffs: Any) -> pd.Index:
    """The cutoffs in order; by default those whose horizon `fit` has not seen and the frame has."""
    if cutoffs is not None:
        return stamps_like(panel.times, cutoffs).sort_values().unique()
    stamps, horizon, length = panel.stamps, int(model.task.horizon), int(model.task.context_length)
    first = max(int(stamps.searchsorted(model.fitted_until_)), length - 1)
    free = stamps[first : len(stamps) - horizon]
    if len(free) < 2:
        what = f"the model was fitted until {model.fitted_until_}, and the frame has too few rows after that"
        advice = f"fit on earlier rows, or pass cutoffs=frame.index[-40:-{horizon}], say, to measure on rows of the fit"
        raise DataError(f"{what} to measure on: 2 origins with {horizon} rows; {advice}.")
    return free[:: -(-len(free) // int(np.clip(WINDOWS // len(panel), *CUTOFFS)))]


def _rows_apart(panel: Panel, stamps: pd.Index) -> int:
    """Rows between neighbouring cutoffs."""
    places = panel.stamps.get_indexer(stamps)
    return max(int(np.median(np.diff(places))), 1) if len(stamps) > 1 else 1


def _metric(model: BaseForecaster, name: str | None) -> tuple[str, Metric, Levels]:
    """The error that is measured, and the quantiles that it needs."""
    n_classes = model.panel_.n_classes
    name = ("log_loss" if n_classes else "MASE") if name is None else name
    metrics = metrics_for(LEVELS if model.has_quantiles and not n_classes else (), n_classes)
    errors = [key for key, metric in metrics.items() if metric.higher_is_better is False and not metric.relative]
    check_value("metric", name, allowed=tuple(errors))
    needed = {key for term in metrics[name].terms for key in term.inputs}
    return name, metrics[name], LEVELS if needed & set(LEVELS) else None


@dataclass(frozen=True, eq=False)
class _Sample:
    """Windows of W held-out forecasts, apart from one another, and how their errors are measured.

    Attributes
    ----------
    model : BaseForecaster
        Fitted.
    panel : Panel
        Where the windows come from.
    origins : ndarray of shape (W,)
        Rows of the last values that are known.
    values : ndarray of shape (W, L + H, C)
        What forecasts may read; NaN elsewhere.
    actual : ndarray of shape (W, H, targets)
        What happened.
    scale : DataFrame
        Units of MASE and RMSSE, "absolute" and "squared", of each series and target.
    score : Metric
        The error.
    levels : sequence of float or None
        Quantiles to forecast.
    """

    model: BaseForecaster
    panel: Panel
    origins: Index
    values: Array
    actual: Array
    scale: pd.DataFrame
    score: Metric
    levels: Levels

    @classmethod
    def of(cls, model: BaseForecaster, panel: Panel, stamps: pd.Index, score: Metric, levels: Levels) -> _Sample:
        """The windows at cutoffs that have something to measure errors on."""
        length, horizon = int(model.task.context_length), int(model.task.horizon)
        origins = panel.rows_at(stamps, length)
        origins = origins[origins + horizon < panel.indptr[panel.series_of(origins) + 1]]
        scale = naive_scales(panel, panel.rules[0].season_length, stamps[0])
        sample = cls(model, panel, origins, np.empty(0), np.empty(0), scale, score, levels)
        rows = origins[:, None] + np.arange(1 - length, horizon + 1)
        values, targets = panel.values[rows], panel.n_targets  # (W, L + H, C)
        actual = values[:, length:, :targets].copy()
        values[:, length:, : targets + len(panel.schema.past)] = np.nan
        sample = replace(sample, values=values, actual=actual)
        known = np.isfinite(actual).any(axis=(1, 2)) & np.isfinite(values[:, :length, :targets]).any(axis=1).all(axis=1)
        sample = sample._chosen(known)
        sample = sample._chosen(np.isfinite(sample.errors([]))) if len(sample.origins) else sample
        if len(sample.origins) < 2:
            what = f"{len(sample.origins)} of the windows at {len(stamps)} cutoffs have a context and known targets"
            raise DataError(f"{what}, and 2 or more are needed; name other cutoffs.")
        return sample

    def _chosen(self, keep: Any) -> _Sample:
        return replace(self, origins=self.origins[keep], values=self.values[keep], actual=self.actual[keep])

    @property
    def length(self) -> int:
        """Rows of a context."""
        return int(self.model.task.context_length)

    def inputs(self, by: str) -> list[Inputs]:
        """What is exchanged: columns or lags of them, and the id where there are several series."""
        inputs = inputs_of(self.panel.schema, self.length, int(self.model.task.horizon))
        name = key_names(self.panel.frame_layout.names)[0]
        if len(self.panel) > 1 and name not in self.panel.schema.static:
            inputs.append(Inputs(name, "id", 0, 0, 1, 0))
        names = [_moment(item.column, self.panel.schema.calendar) for item in inputs]
        inputs = [
            item._replace(column=name, width=names.count(name))
            for k, (item, name) in enumerate(zip(inputs, names))
            if name not in names[:k]  # a cosine stands behind its sine
        ]
        return by_lag(inputs) if by == "lag" else inputs

    def growth(self, inputs: list[Inputs], orders: list[Index], baseline: Array) -> Array:
        """(n_inputs, W) by how much errors with exchanged values exceed those without (W,), means over the orders."""
        changes = [(item, order) for item in inputs for order in orders]
        size = max(NUMBERS_AT_ONCE // self.values.size, 1)
        errors = [self.errors(changes[k : k + size]) for k in range(0, len(changes), size)]
        growth = np.concatenate(errors).reshape(len(inputs), len(orders), -1) - baseline
        return np.asarray(growth.mean(axis=1))

    def errors(self, changes: Sequence[tuple[Inputs, Index]]) -> Array:
        """(n_changes * W,) the error of every forecast under one change after another; with none, as it is."""
        n, n_windows = max(len(changes), 1), len(self.origins)
        values = np.broadcast_to(self.values, (n, *self.values.shape)).copy()
        series = np.tile(self.panel.series_of(self.origins), (n, 1))
        static = self.panel.static[series]  # (n, W, n_static)
        for k, (item, order) in enumerate(changes):
            if item.role == "static":
                static[k, :, item.place] = static[k, order, item.place]
            if item.role == "id" or (item.role == "static" and self._is_id(item)):
                series[k] = series[k, order]
            if item.role in ("target", "past", "known"):
                places = slice(item.place, item.place + item.width)
                values[k, :, item.first : item.last, places] = self._exchanged(item, order)
        values, static = (x.reshape(n * n_windows, *x.shape[2:]) for x in (values, static))
        panel = windows_apart(self.panel, series.ravel(), values, static)
        forecasts = self.model.forecast_at(panel, [self.length - 1], self.levels)
        return self._errors_of(forecasts.values, n)

    def _is_id(self, item: Inputs) -> bool:
        return item.column == key_names(self.panel.frame_layout.names)[0]

    def _exchanged(self, item: Inputs, order: Index) -> Array:
        """(W, n, width) the rows of a column with the values of other windows, where both are known."""
        places = slice(item.place, item.place + item.width)
        known, context = self.values[:, item.first : item.last, places], self.values[:, : self.length, places]
        if item.role != "target" or self.panel.classes is not None:
            exchanged = known[order]
        else:
            logs = any(part.models_logs for part in forecasters_in(self.model)) or self.model.models_logs
            logarithms, context = (np.log(known), np.log(context)) if logs else (known, context)
            mean, spread = np.nanmean(context, axis=1, keepdims=True), np.nanstd(context, axis=1, keepdims=True)
            exchanged = mean + spread * ((logarithms - mean) / np.where(spread > 0, spread, 1.0))[order]
            exchanged = np.exp(exchanged) if logs else exchanged
        return np.where(np.isfinite(known) & np.isfinite(exchanged), exchanged, known)

    def _errors_of(self, values: Array, n: int) -> Array:
        """(n * W,) errors of forecasts (n * W, H, targets, 1 + Q)."""
        actual = np.tile(self.actual, (n, 1, 1))
        inputs: dict[Any, Any] = {"actual": actual, "forecast": values[..., 0]}
        if self.panel.classes is None:
            inputs |= {level: values[..., q] for q, level in enumerate(() if self.levels is None else self.levels, 1)}
        else:
            if values.shape[-1] == 1:
                raise ConfigError(f"{type(self.model).__name__} gives no probabilities of categories to measure.")
            happened = np.where(np.isfinite(actual), actual, 0).astype(np.int64)
            hit = np.arange(values.shape[-1] - 1) == happened[..., None]
            lost = np.where(np.isfinite(actual), 0.0, np.nan)
            inputs["chance"] = np.maximum((values[..., 1:] * hit).sum(axis=-1), LEAST_CHANCE) + lost
            inputs["distance"] = ((values[..., 1:] - hit) ** 2).sum(axis=-1) + lost
        rows = self.panel.series_of(self.origins)
        for name, column in (("mase_scale", "absolute"), ("rmsse_scale", "squared")):
            units = self.scale[column].to_numpy().reshape(len(self.panel), -1)[rows]  # (W, targets)
            inputs[name] = np.tile(units[:, None], (n, 1, 1))
        means = [_known_mean(term.function(*(inputs[key] for key in term.inputs))) for term in self.score.terms]
        return np.asarray(self.score.finish(*means))


def _known_mean(values: Array) -> Array:
    """(n, H, targets) -> (n,) means of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    counts = known.sum(axis=(1, 2))
    sums = np.where(known, values, 0.0).sum(axis=(1, 2))
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def _contribution_sizes(
    model: Any, panel: Panel, stamps: pd.Index, by: str
) -> tuple[list[tuple[Any, int]], Array, Array, pd.Index]:
    """Names, mean sizes of contributions (n_inputs, W), of their sums (W,), and times of the origins (W,)."""
    windows = windows_at(model, panel, stamps)
    n = len(windows) // windows.n_channels
    sizes: dict[tuple[Any, int], Array] = {}
    total = np.zeros(n)
    for rows, _, inputs, values in contributions_by_target(windows, model.regressor_):
        part = slice(rows.start % n, rows.start % n + len(values))
        total[part] += np.abs(values[..., :-1].sum(axis=2)).mean(axis=1) / windows.n_channels
        for key, places in _groups(inputs, by, panel.schema.calendar):
            added = np.abs(values[..., places].sum(axis=2)).mean(axis=1)
            sizes.setdefault(key, np.zeros(n))[part] += added / windows.n_channels
    return list(sizes), np.stack(list(sizes.values())), total, windows.panel.times.take(windows.origin[:n])


def _moment(column: Hashable, calendar: Sequence[Hashable]) -> Hashable:
    """What a column of the calendar tells together with its neighbour; others tell what they tell.

    >>> _moment("calendar_hour_cos", ["calendar_hour_sin", "calendar_hour_cos"]), _moment("tide_cos", [])
    ('calendar_hour', 'tide_cos')
    """
    return str(column).removesuffix("_sin").removesuffix("_cos") if column in calendar else column


def _groups(inputs: list[Inputs], by: str, calendar: Sequence[Hashable]) -> Iterator[tuple[tuple[Any, int], list[int]]]:
    """Names of columns, or of columns at lags, and the places of what belongs to each."""
    groups: dict[tuple[Any, int], list[int]] = {}
    for place, item in enumerate(inputs):
        if item.column != BASELINE or item.role:
            name = _moment(item.column, calendar)
            groups.setdefault((name, item.lag if by == "lag" else 0), []).append(place)
    yield from groups.items()


def _summary(sizes: Array, times: pd.Index, overlap: int) -> pd.DataFrame:
    """Means of (n, W) with errors and intervals, from sums over all windows of one time."""
    codes, stamps = pd.factorize(times, sort=True)
    sums: Array = np.stack([np.bincount(codes, row, len(stamps)) for row in sizes])  # (n, T)
    sums = np.asarray(sums * (len(stamps) / len(times)))
    mean, error = mean_and_error(sums, np.ones_like(sums, dtype=np.bool_), min(overlap, len(stamps)))
    error = np.where(np.isfinite(error) & (len(stamps) > 1), error, np.nan)
    reach = error * (stats.t.ppf((1 + CONFIDENCE) / 2, len(stamps) - 1) if len(stamps) > 1 else np.nan)
    return pd.DataFrame({"importance": mean, "error": error, "low": mean - reach, "high": mean + reach})
