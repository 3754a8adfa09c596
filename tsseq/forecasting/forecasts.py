"""Forecasts: what a forecast is, and the only place that lays forecasts out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.columns import Classes
from tsseq.data.panel import Panel
from tsseq.data.tidy import key_names
from tsseq.errors import ConfigError
from tsseq.typing import Array, Index


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts from origins of a panel, in the data's units.

    Attributes
    ----------
    panel : Panel
        History and, behind every origin, the rows that were forecast; what happened there where it is known.
    origins : ndarray of shape (n,)
        Row of the last observation that each forecast knows.
    values : ndarray of shape (n, steps, targets, 1 + Q)
        Point forecast, then one quantile per level. Of categories (``panel.classes``) the code of the most probable
        one, then the probability of each, and for every level whether each is in its set (1) or not (0); only the code
        where there are no probabilities.
    levels : tuple of float
        The Q quantile levels, or levels of sets of categories, in 0..1.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample
    >>> model = Forecaster(Ridge(), horizon=2, context_length=24, log=True).fit(load_sample("airline"))
    >>> forecasts = model.forecast()
    >>> forecasts.values.shape
    (1, 2, 1, 1)
    >>> forecasts.frame().round(0)
                passengers
    month
    1961-01-01       454.0
    1961-02-01       424.0
    >>> forecasts.table().columns.tolist()
    ['cutoff', 'month', 'step', 'target', 'forecast']
    """

    panel: Panel
    origins: Index
    values: Array
    levels: tuple[float, ...] = ()

    @property
    def rows(self) -> Index:
        """(n, steps) rows of the panel that were forecast."""
        return self.panel.steps_after(self.origins, self.values.shape[1])

    @property
    def point(self) -> Array:
        """(n, steps, targets) point forecasts."""
        return self.values[..., 0]

    @property
    def actual(self) -> Array:
        """(n, steps, targets) what happened; NaN where that is not known."""
        return self.panel.values[self.rows, : self.panel.n_targets]

    @property
    def has_probabilities(self) -> bool:
        """Whether every category has a probability."""
        return self.panel.classes is not None and self.values.shape[-1] > 1

    @property
    def probabilities(self) -> Array:
        """(n, steps, 1, K) probabilities of categories."""
        return self.values[..., 1 : 1 + self.panel.n_classes]

    def members(self, level: float) -> Array:
        """Tell which categories are in the set of a level.

        Parameters
        ----------
        level : float
            One of ``levels``.

        Returns
        -------
        ndarray of shape (n, steps, 1, K)
            1 in the set, 0 not.
        """
        first = 1 + (1 + self.levels.index(level)) * self.panel.n_classes
        return self.values[..., first : first + self.panel.n_classes]

    def frame(self, proba: bool = False) -> pd.DataFrame | Any:
        """Forecasts in the shape of the frame that went in, with the next timestamps.

        Parameters
        ----------
        proba : bool, default False
            Whether to add the probabilities of the target's categories.

        Returns
        -------
        DataFrame or Series
            Columns ``<target>`` and ``<target>_q<level>``; ``<target>_p_<category>`` with ``proba``, and with levels
            of categories ``<target>_set<level>_<category>``. A Series where a Series went in and there is no other
            column.

        Raises
        ------
        ConfigError
            There are no probabilities.
        """
        self._check_proba(proba)
        flat = self.values.reshape(-1, *self.values.shape[2:])  # (n * steps, targets, 1 + Q)
        columns: dict[Hashable, Any] = {}
        for k, target in enumerate(self.panel.schema.target):
            if self.panel.classes is None:
                columns[target] = flat[:, k, 0]
                columns |= {f"{target}_q{level:g}": flat[:, k, q + 1] for q, level in enumerate(self.levels)}
            else:
                columns[target] = self.panel.classes.column(flat[:, k, 0])
                columns |= {f"{target}_{name}": column for name, column in _class_columns([self], proba).items()}
        frame = self.panel.to_frame(self.rows.ravel(), columns)
        return frame.iloc[:, 0] if self.panel.frame_layout.is_series and len(columns) == 1 else frame

    def table(self, proba: bool = False) -> pd.DataFrame:
        """One row per (id, cutoff, step, target); series in the order of the frame.

        Parameters
        ----------
        proba : bool, default False
            Whether to add the probabilities of the target's categories, ``p_<category>``.

        Returns
        -------
        DataFrame
            Columns ``[id,] cutoff, time, step, target, forecast`` and ``q<level>`` for every level; of categories
            ``set<level>_<category>``. Ids and times bear the frame's own names; ``unique_id`` and ``ds`` where it has
            none.

        Raises
        ------
        ConfigError
            There are no probabilities.
        """
        self._check_proba(proba)
        return forecast_table({"": self}, proba).drop(columns=["model", "actual"])

    def _check_proba(self, proba: bool) -> None:
        if proba and self.panel.classes is None:
            raise ConfigError(
                "proba=True is for targets of categories, and the target holds numbers; use levels=[...]."
            )
        if proba and not self.has_probabilities:
            raise ConfigError("proba=True needs a classifier or a network; naive forecasts have no probabilities.")

    def with_classes(self, classes: Classes | None) -> Forecasts:
        """The same forecasts, with the codes of other classes.

        Parameters
        ----------
        classes : Classes or None
            They hold all that the forecasts have; None where targets are numbers.

        Returns
        -------
        Forecasts
            With a probability of 0 for what is not among the forecasts' own classes, and without it in sets.
        """
        known = self.panel.classes
        if known is None or classes is None or known.values.equals(classes.values):
            return self
        places = classes.values.get_indexer(known.values)
        of_each = self.values[..., 1:].reshape(*self.values.shape[:-1], -1, len(known))  # probabilities, then sets
        recoded = np.zeros((*of_each.shape[:-1], len(classes)))
        recoded[..., places[places >= 0]] = of_each[..., places >= 0]
        code = known.recoded(self.values[..., :1], classes)
        values = np.concatenate([code, recoded.reshape(*code.shape[:-1], -1)], axis=-1)
        return replace(self, panel=self.panel.with_classes(classes), values=values)

    def ordered(self) -> Forecasts:
        """The same forecasts, series in the order of the frame, then by time."""
        place = self.panel.input_order[self.panel.series_of(self.origins)]
        order = np.lexsort((self.origins, place))
        if (order[1:] > order[:-1]).all():
            return self
        return replace(self, origins=self.origins[order], values=self.values[order])

    def shares_rows_with(self, forecasts: Forecasts) -> bool:
        """Whether both forecast the same rows of equal panels, in the same order."""
        one, other = self.panel, forecasts.panel
        alike = np.array_equal(one.indptr, other.indptr) and one.times.equals(other.times) and one.ids.equals(other.ids)
        if one.classes is not None and other.classes is not None:
            alike &= one.classes.values.equals(other.classes.values)
        return (one is other or alike) and np.array_equal(self.origins, forecasts.origins)


def forecast_table(forecasts: Mapping[str, Forecasts], proba: bool = True) -> pd.DataFrame:
    """Lay out the forecasts of several models as one tidy table.

    Models that forecast the same rows share all but their forecasts, which is most of the work.

    Parameters
    ----------
    forecasts : mapping of str to Forecasts
        By the name of the model.
    proba : bool, default True
        Whether to add the probabilities of categories.

    Returns
    -------
    DataFrame
        One row per (model, id, cutoff, step, target): columns ``model, [id,] cutoff, time, step, target, actual,
        forecast``, ``q<level>`` for every level of some model, and of categories ``p_<category>`` where some model has
        probabilities, and ``set<level>_<category>``, missing where a model has no sets.
    """
    names = pd.Index(list(forecasts))
    ordered = [single.ordered() for single in forecasts.values()]
    levels = list(dict.fromkeys(level for single in ordered for level in single.levels))
    codes = np.arange(len(names), dtype=np.int8 if len(names) < 128 else np.int64)
    new_rows = [k > 0 and not ordered[k].shares_rows_with(ordered[k - 1]) for k in range(len(ordered))]
    tables = []
    for _, group in groupby(zip(np.cumsum(new_rows), codes, ordered), key=lambda item: item[0]):
        _, numbers, alike = zip(*group)
        tables.append(_table(alike, pd.Categorical.from_codes(np.array(numbers), names), levels, proba))
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)


def _table(
    forecasts: Sequence[Forecasts], models: pd.Categorical, levels: Sequence[float], proba: bool
) -> pd.DataFrame:
    """The table of models that forecast the same rows."""
    coordinates = _coordinates(forecasts[0])
    n = len(coordinates["step"])
    columns: dict[Any, Any] = {"model": models.repeat(n)} | coordinates
    for name, column in coordinates.items() if len(forecasts) > 1 else ():
        if isinstance(column, np.ndarray):
            columns[name] = np.tile(column, len(forecasts))
        else:  # text is not copied where pandas can share it
            columns[name] = pd.concat([column] * len(forecasts), ignore_index=True).array
    point, classes = np.concatenate([single.point.ravel() for single in forecasts]), forecasts[0].panel.classes
    columns["forecast"] = point if classes is None else classes.column(point)
    if classes is not None:
        return pd.DataFrame(columns | _class_columns(forecasts, proba, levels), copy=False)
    for level in levels:
        at = [single.levels.index(level) + 1 if level in single.levels else 0 for single in forecasts]
        quantiles = [single.values[..., q].ravel() if q else np.full(n, np.nan) for q, single in zip(at, forecasts)]
        columns[f"q{level:g}"] = np.concatenate(quantiles)
    return pd.DataFrame(columns, copy=False)


def _class_columns(
    forecasts: Sequence[Forecasts], proba: bool, levels: Sequence[float] | None = None
) -> dict[Hashable, Any]:
    """Probabilities, and members of sets, of forecasts one after another; default: the levels of the first."""
    names, columns = forecasts[0].panel.classes, dict[Hashable, Any]()
    empty = [np.full((*single.point.shape, single.panel.n_classes), np.nan) for single in forecasts]
    assert names is not None
    if proba and any(single.has_probabilities for single in forecasts):
        shares = [single.probabilities if single.has_probabilities else nan for single, nan in zip(forecasts, empty)]
        table = np.concatenate([part.reshape(-1, len(names)) for part in shares])
        columns |= {f"p_{value}": table[:, k] for k, value in enumerate(names.values)}
    for level in forecasts[0].levels if levels is None else levels:
        members = [single.members(level) if level in single.levels else nan for single, nan in zip(forecasts, empty)]
        sets = pd.DataFrame(np.concatenate([part.reshape(-1, len(names)) for part in members]))
        sets = sets.astype("boolean" if sets.isna().any(axis=None) else "bool")
        columns |= {f"set{level:g}_{value}": sets[k].array for k, value in enumerate(names.values)}
    return columns


def _coordinates(forecasts: Forecasts) -> dict[Any, Any]:
    """What models share: ``[id,] cutoff, time, step, target, actual``."""
    panel, (n, steps, n_targets, _) = forecasts.panel, forecasts.values.shape
    id_name, time_name = key_names(panel.frame_layout.names)
    repeats = steps * n_targets
    ids = panel.ids.take(panel.series_of(forecasts.origins).repeat(repeats))
    codes = np.tile(np.arange(n_targets, dtype=np.int8 if n_targets < 128 else np.int64), n * steps)
    keys = {} if panel.ids[0] is None else {id_name: pd.Series(ids, dtype=panel.ids.dtype)}
    actual: Any = forecasts.actual.ravel()
    return keys | {
        "cutoff": pd.Series(panel.times.take(forecasts.origins.repeat(repeats)).array),
        time_name: pd.Series(panel.times.take(forecasts.rows.ravel().repeat(n_targets)).array),
        "step": np.tile(np.arange(1, steps + 1).repeat(n_targets), n),
        "target": pd.Series(pd.Categorical.from_codes(codes, list(panel.schema.target))),
        "actual": actual if panel.classes is None else pd.Series(panel.classes.column(actual)),
    }
