"""Forecasts that all models have made of the same values, and the sums over groups of them that metrics need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from tsseq.data.tidy import NAIVE, TidyColumns, tidy_columns
from tsseq.errors import DataError
from tsseq.evaluation.significance import direction_tests
from tsseq.forecasting.base import BaseForecaster
from tsseq.hints import nearest
from tsseq.metrics import Metric, Term, mae, metrics_for
from tsseq.typing import Array, Index

FREQUENCIES = "frequencies"  # the naive forecast that those of categories are measured against


@dataclass(frozen=True, eq=False)
class AlignedForecasts:
    """Forecasts that all M models have made of the same n values, all of which are known.

    Attributes
    ----------
    models : list of str
        Names (M,).
    naive : int or None
        Position of the last value among the models, of categories that of their frequencies; None if it is missing.
    keys : DataFrame of shape (n, 4 or 5)
        Columns "id" (if the forecasts have ids), "cutoff", "step", "target" and "time" of each value.
    inputs : dict of hashable to ndarray
        What the terms of metrics read: "actual" (n,), "forecast" (M, n), "last" (n,), "mase_scale" (n,),
        "rmsse_scale" (n,), and quantiles (M, n) by level, NaN for models without. Of categories "actual" (n,) and
        "forecast" (M, n) are codes, with "chance" and "distance" (M, n) as `Term` has them, and with sets "covered" and
        "members" (M, n), NaN for models without.
    levels : list of float
        Quantile levels, or those of sets of categories, in order.
    n_classes : int, default 0
        Categories that are forecast; 0 for numbers.

    Examples
    --------
    >>> keys = {"model": ["a", "a", "b"], "cutoff": 0, "ds": [1, 2, 1], "step": [1, 2, 1], "target": "y"}
    >>> table = pd.DataFrame(keys | {"actual": [1.0, 2.0, 1.0], "forecast": [3.0, 3.0, 0.0]})
    >>> aligned = AlignedForecasts.of(table, pd.Series({(None, "y"): 2.0}), None)  # "b" lacks the second value
    >>> aligned.inputs["forecast"], aligned.inputs["mase_scale"]
    (array([[3.],
           [0.]]), array([2.]))
    """

    models: list[str]
    naive: int | None
    keys: pd.DataFrame
    inputs: dict[Hashable, Array]
    levels: list[float]
    n_classes: int = 0

    @property
    def metrics(self) -> dict[str, Metric]:
        """What the forecasts are scored by, by name."""
        return metrics_for(self.levels, self.n_classes)

    @classmethod
    def of(cls, forecasts: pd.DataFrame, mase_scale: pd.Series[float], rmsse_scale: pd.Series[float] | None) -> Self:
        """Align a tidy table.

        Parameters
        ----------
        forecasts : DataFrame
            The table of a backtest, whose rows may have any order and lack forecasts of some models.
        mase_scale : Series
            The unit of MASE per (id, target).
        rmsse_scale : Series or None
            The unit of RMSSE, likewise.

        Returns
        -------
        AlignedForecasts
            What all models have.

        Raises
        ------
        DataError
            They have nothing in common.
        """
        columns = tidy_columns(forecasts)
        roles, levels = key_columns(columns), columns.levels
        keys = list(roles.values())[:-1]  # the time follows from the others
        model = pd.Categorical(forecasts["model"])
        codes, present = model.codes, np.unique(model.codes)
        if not _in_blocks(forecasts[keys], codes, present):
            number = forecasts.groupby(keys, observed=True, sort=False).ngroup().to_numpy()
            order = np.lexsort((number, codes))
            complete = np.bincount(number)[number[order]] == len(present)
            forecasts = forecasts.iloc[order[complete]]
        n = len(forecasts) // max(len(present), 1)
        if columns.classes is not None:
            return cls._of_classes(forecasts, columns, list(model.categories[present]))
        values: dict[Hashable, Array] = {
            role: forecasts[name].to_numpy(dtype=float).reshape(len(present), n)
            for role, name in [("forecast", "forecast"), *((level, name) for name, level in levels.items())]
        }
        actual = forecasts["actual"].to_numpy(dtype=float)[:n]
        known = np.isfinite(actual) & np.isfinite(values["forecast"]).all(axis=0)
        if not known.any():
            raise DataError("no value that has happened was forecast by all models, so there is nothing to score.")
        selection = slice(None) if known.all() else known
        rows = forecasts[list(roles.values())].iloc[:n][selection].reset_index(drop=True).set_axis(list(roles), axis=1)
        inputs = {name: array[:, selection] for name, array in values.items()} | {"actual": actual[selection]}
        models = list(model.categories[present])
        naive = models.index(NAIVE[0]) if NAIVE[0] in models else None
        inputs["last"] = np.full(len(rows), np.nan) if naive is None else inputs["forecast"][naive]
        inputs["mase_scale"] = _scale_of(rows, mase_scale)
        inputs["rmsse_scale"] = np.full(len(rows), np.nan) if rmsse_scale is None else _scale_of(rows, rmsse_scale)
        return cls(models, naive, rows, inputs, sorted(levels.values()))

    @classmethod
    def _of_classes(cls, forecasts: pd.DataFrame, columns: TidyColumns, models: list[str]) -> Self:
        """Align forecasts of categories, whose rows are those of the first model, then the same of the second."""
        assert columns.classes is not None
        shape, classes, roles = (len(models), -1), columns.classes, key_columns(columns)
        codes = {name: _codes(forecasts[name], classes).reshape(shape) for name in ("forecast", "actual")}
        known = np.isfinite(codes["actual"][0]) & np.isfinite(codes["forecast"]).all(axis=0)
        if not known.any():
            raise DataError("no value that has happened was forecast by all models, so there is nothing to score.")
        actual, forecast = codes["actual"][0, known], codes["forecast"][:, known]
        chance, distance = np.zeros((2, *forecast.shape))
        for code, name in enumerate(classes):
            if f"p_{name}" in forecasts:
                share = forecasts[f"p_{name}"].to_numpy(dtype=float).reshape(shape)[:, known]
                chance += np.where(actual == code, share, 0.0 * share)
                distance += (share - (actual == code)) ** 2
            else:  # nobody has thought of it
                distance += actual == code
        rows = forecasts[list(roles.values())].iloc[: len(known)][known].reset_index(drop=True)
        inputs: dict[Hashable, Array] = {"actual": actual, "forecast": forecast, "chance": chance, "distance": distance}
        for level in columns.sets[-1:]:
            members = np.zeros((len(classes), *forecast.shape))
            for code, name in enumerate(classes):
                if (column := f"set{level:g}_{name}") in forecasts:
                    flags = forecasts[column].astype("boolean").to_numpy(dtype=float, na_value=np.nan)
                    members[code] = flags.reshape(shape)[:, known]
            place = actual.astype(np.int64)
            inputs |= {"covered": members[place, :, np.arange(len(place))].T, "members": members.sum(axis=0)}
        naive = models.index(FREQUENCIES) if FREQUENCIES in models else None
        return cls(models, naive, rows.set_axis(list(roles), axis=1), inputs, list(columns.sets), len(classes))


def _codes(column: pd.Series, classes: pd.Index) -> Array:
    """(n,) places of categories among ``classes``, which are text; NaN where missing."""
    numbers, present = pd.factorize(column)
    places = np.append(classes.get_indexer([str(value) for value in present]).astype(np.float64), np.nan)
    return np.asarray(places[numbers])


def key_columns(columns: TidyColumns) -> dict[str, Hashable]:
    """Columns that say which value was forecast.

    Parameters
    ----------
    columns : TidyColumns
        Names of the columns that differ from table to table.

    Returns
    -------
    dict of str to hashable
        Names by role: "id" (if there is one), "cutoff", "step", "target", "time".

    Examples
    --------
    >>> key_columns(TidyColumns("ticker", "date", {}))
    {'id': 'ticker', 'cutoff': 'cutoff', 'step': 'step', 'target': 'target', 'time': 'date'}
    """
    ids = {} if columns.id is None else {"id": columns.id}
    return {**ids, "cutoff": "cutoff", "step": "step", "target": "target", "time": columns.time}


def _in_blocks(keys: pd.DataFrame, codes: Any, present: Any) -> bool:
    """Whether the rows are those of the first model, then the same of the second, and so on."""
    n = len(codes) // max(len(present), 1)
    blocks = [slice(k * n, (k + 1) * n) for k in range(len(present))]
    if n * len(present) != len(codes) or any((codes[block] != code).any() for block, code in zip(blocks, present)):
        return False
    columns = [keys[name].array for name in keys]
    return all(pd.Index(column[:n]).equals(pd.Index(column[block])) for column in columns for block in blocks[1:])


def _scale_of(keys: pd.DataFrame, scale: pd.Series[float]) -> Array:
    """(n,) the scale of the id and target of each value."""
    codes, ids = pd.factorize(keys["id"]) if "id" in keys else (0, [None])
    columns, targets = pd.factorize(keys["target"])
    table = scale.reindex(pd.MultiIndex.from_product([ids, list(targets)])).to_numpy(dtype=float)
    return np.asarray(table.reshape(len(ids), len(targets))[codes, columns])


class MetricSums(NamedTuple):
    """Sums of the terms of metrics over G groups of forecasts.

    Attributes
    ----------
    sums : dict of Term to ndarray of shape (M, G)
        By term, for M models.
    counts : dict of Term to ndarray of shape (G,)
        How many forecasts were summed.

    Examples
    --------
    >>> metrics = {"MAE": metrics_for()["MAE"]}
    >>> term = metrics["MAE"].terms[0]
    >>> sums = MetricSums({term: np.array([[6.0, 1.0]])}, {term: np.array([3.0, 1.0])})
    >>> sums.metrics(metrics, naive=None)
    {'MAE': array([[2., 1.]])}
    >>> sums.weighted(np.ones((1, 2))).metrics(metrics, naive=None)
    {'MAE': array([[1.75]])}
    """

    sums: dict[Term, Array]
    counts: dict[Term, Any]

    @classmethod
    def of(cls, aligned: AlignedForecasts, metrics: Collection[Metric], groups: Index | None = None) -> MetricSums:
        """Sum the terms of metrics.

        Parameters
        ----------
        aligned : AlignedForecasts
            M forecasts of n values.
        metrics : collection of Metric
            Whose terms are summed.
        groups : ndarray of shape (n,), optional
            Group of each value, from 0. Default: one group of all.

        Returns
        -------
        MetricSums
            By term and group.
        """
        sums: dict[Term, Array] = {}
        counts: dict[Term, Any] = {}
        shape, size = (len(aligned.models), len(aligned.keys)), 1 if groups is None else int(groups.max()) + 1
        for term in dict.fromkeys(term for metric in metrics for term in metric.terms):
            rows = [np.broadcast_to(aligned.inputs[name], shape) for name in term.inputs]
            known = np.ones(shape[1], dtype=np.bool_) if term.where is None else term.where(*(row[0] for row in rows))
            values = np.empty((shape[0], size))
            for m, operands in enumerate(zip(*rows)):  # one model at a time stays in the cache
                with np.errstate(divide="ignore", invalid="ignore"):
                    errors = term.function(*operands)
                errors = errors if term.where is None else np.where(known, errors, 0.0)
                values[m] = errors.sum() if groups is None else np.bincount(groups, errors, size)
            sums[term] = values
            counts[term] = np.full(1, known.sum()) if groups is None else np.bincount(groups, known, size)
        return cls(sums, counts)

    def weighted(self, weights: Array) -> MetricSums:
        """Count groups more than once, or not at all.

        Parameters
        ----------
        weights : ndarray of shape (B, G)
            How often each group counts, in each of B draws.

        Returns
        -------
        MetricSums
            With B draws in the place of the groups.
        """
        return MetricSums(*({term: total @ weights.T for term, total in sums.items()} for sums in self))

    def metrics(self, metrics: Mapping[str, Metric], naive: int | None) -> dict[str, Array]:
        """Compute metrics from the sums.

        Parameters
        ----------
        metrics : mapping of str to Metric
            By name; their terms were summed.
        naive : int or None
            Position of the naive forecast among the models; None makes relative metrics NaN.

        Returns
        -------
        dict of str to ndarray of shape (M, G)
            By name.
        """
        with np.errstate(invalid="ignore"):
            means = {term: total / self.counts[term] for term, total in self.sums.items()}
        return {name: metric.from_means([means[t] for t in metric.terms], naive) for name, metric in metrics.items()}


class ScoreTable(pd.DataFrame):
    """Scores by model, which answers a name that it lacks with the nearest one; what is made of it is a plain table."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) and key not in self.columns:
            near = nearest(key, self.columns)
            advice = f"there are {', '.join(self.columns)}" if near is None else f"did you mean {near}"
            raise KeyError(f"no score {key!r}; {advice}")
        return super().__getitem__(key)


def score_table(aligned: AlignedForecasts, overlap: int, groups: Index | None = None) -> pd.DataFrame:
    """All metrics, and the p-values of `tsseq.evaluation.significance.direction_test`.

    Parameters
    ----------
    aligned : AlignedForecasts
        M forecasts of n values.
    overlap : int
        Neighbouring cutoffs whose forecasts reach the same rows.
    groups : ndarray of shape (n,), optional
        Group of each value, from 0. Default: one group of all.

    Returns
    -------
    DataFrame
        A row per group and, within it, model.

    Examples
    --------
    >>> keys = {"model": ["last_value", "ridge"], "cutoff": 0, "ds": 1, "step": 1, "target": "y"}
    >>> table = pd.DataFrame(keys | {"actual": 4.0, "forecast": [2.0, 3.0]})
    >>> aligned = AlignedForecasts.of(table, pd.Series({(None, "y"): 2.0}), None)
    >>> score_table(aligned, overlap=1)[["MAE", "MASE", "skill"]]
       MAE  MASE  skill
    0  2.0   1.0    0.0
    1  1.0   0.5    0.5
    """
    metrics = aligned.metrics
    scores = MetricSums.of(aligned, metrics.values(), groups).metrics(metrics, aligned.naive)
    table = pd.DataFrame({name: values.T.ravel() for name, values in scores.items()})
    if aligned.n_classes:
        return table
    # signs are compared within every series, step and target
    change, forecast_change = (aligned.inputs[name] - aligned.inputs["last"] for name in ("actual", "forecast"))
    group = np.zeros(len(change), dtype=np.int64) if groups is None else groups
    cell = group
    for role in [role for role in ("id", "step", "target") if role in aligned.keys]:
        codes, values = pd.factorize(aligned.keys[role])
        cell = cell * len(values) + codes
    date = pd.factorize(aligned.keys["cutoff"], sort=True)[0]
    p_values = direction_tests(change, forecast_change, pd.factorize(cell)[0], date, group, overlap)  # (M, G)
    table.insert(table.columns.get_loc("direction") + 1, "direction_p", p_values.T.ravel())
    return table


def frame_scorer(error: Callable[..., float] | None = None) -> Callable[..., float]:
    """Make the ``scoring=`` of a search over frames, where scorers by name lack a y.

    Parameters
    ----------
    error : callable, optional
        ``error(actual, forecast)`` of two arrays, the smaller the better: a function of `tsseq.metrics` or of
        ``sklearn.metrics``. Default: `tsseq.metrics.mae`.

    Returns
    -------
    callable
        ``scorer(forecaster, frame)``, minus the error of the forecasts from all rows of the frame that have a context
        before them and a horizon after them.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.metrics import mean_absolute_error
    >>> from sklearn.model_selection import cross_val_score
    >>> from tsseq import Forecaster, WalkForward, load_sample
    >>> from tsseq.evaluation import frame_scorer
    >>> model, cv = Forecaster(Ridge(), 6, 24, log=True), WalkForward(3, test_size=24, context_length=24)
    >>> cross_val_score(model, load_sample("airline"), cv=cv, scoring=frame_scorer(mean_absolute_error)).round(1)
    array([-10.9, -17.7, -14.2])
    """

    def scorer(forecaster: BaseForecaster, frame: Any, y: None = None) -> float:
        panel, task = forecaster.to_panel(frame), forecaster.task
        forecasts = forecaster.forecast_at(panel, panel.stamps[task.context_length - 1 : -task.horizon])
        known = np.isfinite(forecasts.actual)
        measure = mae if error is None else error
        return -float(measure(forecasts.actual[known], forecasts.point[known]))

    return scorer
