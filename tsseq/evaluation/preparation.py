"""Raw frames, the function that makes the frame of a model of them, and whether it looks ahead."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd

from tsseq.data.frames import as_pandas, key_columns
from tsseq.data.panel import Frame, PandasFrame, Panel
from tsseq.data.schema import CALENDAR, Schema
from tsseq.errors import DataError
from tsseq.evaluation.perturb import carried, cut, poisoned
from tsseq.forecasting.base import BaseForecaster
from tsseq.forecasting.forecasts import Forecasts
from tsseq.typing import Mask

Prepare: TypeAlias = Callable[[Any], Any]
ROUNDING = 1e-9


@dataclass(frozen=True)
class Preparation:
    """A raw frame, and what becomes of it.

    Attributes
    ----------
    raw : Series or DataFrame
        The whole history, of any accepted shape.
    prepare : callable
        Makes the frame of a model of such a frame. It gets copies, so that it may change them.
    schema : Schema
        Roles of the columns of the raw frame.
    horizon : int
        Rows of known covariates after a cutoff that a forecast may read.

    Examples
    --------
    >>> raw = pd.DataFrame({"y": [1.0, 2.0, 4.0]})
    >>> preparation = Preparation(raw, lambda frame: frame.assign(next=frame["y"].shift(-1)), Schema.of("y"), 1)
    >>> preparation.whole()["next"].tolist(), preparation.at(1)["next"].tolist()
    ([2.0, 4.0, nan], [2.0, nan])
    """

    raw: PandasFrame
    prepare: Prepare
    schema: Schema
    horizon: int

    @classmethod
    def of(cls, raw: Frame, prepare: Prepare, models: Sequence[BaseForecaster]) -> Self:
        """Take what models of one horizon say of a raw frame, which need not have all of their columns.

        Parameters
        ----------
        raw : Series or DataFrame
            The whole history.
        prepare : callable
            Makes the frame of the models of such a frame.
        models : sequence of BaseForecaster
            What one of them knows ahead counts as known.

        Returns
        -------
        Preparation
            With the id and time columns of the raw frame: those of the models, or else its only column of text and its
            only one of dates.
        """
        raw = as_pandas(raw)
        schema, columns = models[0].task.schema, raw.columns if isinstance(raw, pd.DataFrame) else pd.Index([])
        names = dict.fromkeys(name for model in models for name in model.task.schema.known)
        known = tuple(name for name in names if name != CALENDAR or name in columns)
        ids, times = schema.id_column, schema.time_column
        if times not in columns and isinstance(raw, pd.DataFrame):
            ids, times = key_columns(raw)
        schema = replace(schema, known=known, id_column=ids, time_column=times)
        return cls(raw, prepare, schema, models[0].task.horizon)

    def whole(self) -> Frame:
        """The frame that is made of the whole history."""
        frame: Frame = self.prepare(self.raw.copy())
        return frame

    def at(self, cutoff: Any) -> Frame:
        """The frame that could be made at a cutoff, when what came after it was not there.

        Parameters
        ----------
        cutoff : timestamp
            The last row of the raw frame.

        Returns
        -------
        Series or DataFrame
            What the function makes of `tsseq.evaluation.perturb.cut`.

        Raises
        ------
        DataError
            The function fails.
        """
        try:
            raw = cut(self.raw, self.schema, self.horizon, cutoff)
        except TypeError as error:
            what = f"the raw frame has other timestamps than {cutoff!r}, with which prepare dates its rows"
            raise DataError(f"{what}: {error}. Both need the same kind and time zone.") from error
        return self.made_of(raw, f"cut at {cutoff}, as it would have then")

    def poisoned(self, cutoff: Any, kind: str) -> Frame:
        """The frame that is made of a raw frame with another future.

        Parameters
        ----------
        cutoff : timestamp
            The last row that stays as it is.
        kind : {"missing", "huge", "noise"}
            What comes after it, as in `tsseq.evaluation.perturb.poisoned`.

        Returns
        -------
        Series or DataFrame
            What the function makes of it.

        Raises
        ------
        DataError
            The function fails.
        """
        return self.made_of(
            poisoned(self.raw, self.schema, self.horizon, cutoff, kind), f"with {kind!r} after {cutoff}"
        )

    def carried(self, cutoff: Any) -> Preparation:
        """The same of a raw frame in which series that are halted at a cutoff have their last values there.

        Parameters
        ----------
        cutoff : timestamp
            Of the same kind as those of the raw frame.

        Returns
        -------
        Preparation
            This one, if nothing is missing at the cutoff.
        """
        raw = carried(self.raw, self.schema, cutoff)
        return self if raw is self.raw else replace(self, raw=raw)

    def made_of(self, raw: PandasFrame, how: str) -> Frame:
        """The frame that is made of another raw frame.

        Parameters
        ----------
        raw : Series or DataFrame
            A frame like the raw one.
        how : str
            What was done to it, for the message.

        Returns
        -------
        Series or DataFrame
            What the function makes of it.

        Raises
        ------
        DataError
            The function fails.
        """
        try:
            frame: Frame = self.prepare(raw)
        except Exception as error:  # not ours: the user's function may raise anything, and poison makes it
            raise DataError(f"prepare fails on the raw frame {how}: {type(error).__name__}: {error}") from error
        return frame


def changed_parts(panel: Panel, other: Panel, cutoff: Any, horizon: int) -> list[str]:
    """What is known at a cutoff, and is not the same in two panels, but for rounding (1e-9 of a column's mean size).

    Parameters
    ----------
    panel, other : Panel
        Of one schema.
    cutoff : timestamp
        Rows up to it are compared; known covariates also in the next ``horizon`` rows.
    horizon : int
        Rows ahead.

    Returns
    -------
    list of str
        Names of columns; or "which rows there are", where ids or timestamps differ.

    Examples
    --------
    >>> schema = Schema.of("y", past="x")
    >>> frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "x": [1.0, 1.0, 2.0]})
    >>> panel, other = (Panel.from_frame(table, schema) for table in (frame, frame.assign(x=frame["x"] / 2)))
    >>> changed_parts(panel, other, cutoff=1, horizon=1)
    ['x']
    """
    known, present = _known_part(panel, cutoff, horizon), _known_part(other, cutoff, horizon)
    same = known.ids.equals(present.ids) and known.times.equals(present.times)
    if not (same and np.array_equal(known.indptr, present.indptr)):
        return ["which rows there are"]
    dynamic = _differs(known.values, present.values).any(axis=0)
    static = _differs(known.static, present.static).any(axis=0)
    coded = [
        name
        for name in (*known.schema.covariates, *known.schema.static)
        if not known.category_of.get(name, pd.Index([])).equals(present.category_of.get(name, pd.Index([])))
    ]
    names = (*known.schema.dynamic, *known.schema.static)
    numbers = [name for name, change in zip(names, np.concatenate([dynamic, static])) if change]
    return [str(name) for name in dict.fromkeys((*numbers, *coded))]


def is_carried(preparation: Preparation, model: BaseForecaster, panel: Panel, cutoff: Any, kind: str) -> bool:
    """Whether a frame that is cut lacks no more than values carried forward over a halt that ends later.

    Such values tell that the series goes on, which nobody knew, and nothing else.

    Parameters
    ----------
    preparation : Preparation
        The raw frame and what makes frames of it.
    model : BaseForecaster
        Reads them.
    panel : Panel
        What it reads in the frame made of the whole history.
    cutoff : timestamp
        The last row that stays.
    kind : {"cut", "missing", "huge", "noise"}
        What comes after it.

    Returns
    -------
    bool
        True if the last values, put into the raw frame at the cutoff, leave no difference.
    """
    carrying = preparation.carried(cutoff)
    if carrying is preparation:
        return False
    try:
        view = model.to_panel(carrying.at(cutoff) if kind == "cut" else carrying.poisoned(cutoff, kind))
    except ValueError:  # such as a cutoff that is no session of the series
        return False
    return not changed_parts(panel, view, cutoff, preparation.horizon if kind == "cut" else 0)


def _known_part(panel: Panel, cutoff: Any, horizon: int) -> Panel:
    """What is known at a cutoff, with zeros for what is not; without series that have not begun."""
    after = np.asarray(panel.times > cutoff)
    before = np.bincount(panel.series_of_row[~after], minlength=len(panel))[panel.series_of_row]
    coming = after & (before > 0) & (panel.position - before < (horizon if panel.schema.known else 0))
    unknown = slice(0, len(panel.schema.target + panel.schema.past))
    return panel.with_values(coming, unknown, 0.0).select(~after | coming).with_min_length(1).with_observed_categories()


def _differs(values: Any, others: Any) -> Mask:
    """(n, C) whether numbers differ by more than rounding, or one of them is missing."""
    observed = np.isfinite(values)
    size = np.where(observed, np.abs(values), 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    same = (values == others) | (np.abs(values - others) <= ROUNDING * (size + np.abs(values)))
    return np.asarray(~(same | (np.isnan(values) & np.isnan(others))), dtype=np.bool_)


def cut_views(
    preparation: Preparation, models: Mapping[str, BaseForecaster], panels: Mapping[str, Panel], cutoffs: pd.Index
) -> tuple[dict[str, dict[Any, Panel]], list[str]]:
    """Look for what only the rows after a cutoff have made as it is.

    Parameters
    ----------
    preparation : Preparation
        The raw frame and what makes frames of it: once per cutoff.
    models : mapping of str to BaseForecaster
        By name.
    panels : mapping of str to Panel
        What each of them reads in the frame made of the whole history.
    cutoffs : Index
        Timestamps.

    Returns
    -------
    views : dict of str to dict of timestamp to Panel
        What each model reads in the frame that could be made at a cutoff, where that is not the same; nothing at all if
        the function does not look ahead.
    changed : list of str
        Columns that are not the same.

    Raises
    ------
    DataError
        The function fails at a cutoff, or makes something that a model cannot read.
    """
    views: dict[str, dict[Any, Panel]] = {name: {} for name in models}
    changed: dict[str, Any] = {}
    for cutoff in cutoffs:
        frame = preparation.at(cutoff)
        for name, model in models.items():
            panel = model.to_panel(frame)
            parts = changed_parts(panels[name], panel, cutoff, preparation.horizon)
            if parts and is_carried(preparation, model, panels[name], cutoff, "cut"):
                continue
            changed |= dict.fromkeys(parts, cutoff)
            views[name] |= {cutoff: panel} if parts else {}
    if changed:
        what = f"what it makes of rows up to a cutoff is another once later ones are cut off ({', '.join(changed)})"
        warnings.warn(f"prepare looks ahead: {what}. Forecasts are made of the frames that are cut.", stacklevel=4)
    return views, list(changed)


def revised(
    forecasts: Forecasts,
    cutoffs: pd.Index,
    views: Mapping[Any, Panel],
    forecast: Callable[[Panel, pd.Index], Forecasts],
) -> Forecasts:
    """Forecast anew where other things were there to see.

    Parameters
    ----------
    forecasts : Forecasts
        Of the whole panel, at all cutoffs.
    cutoffs : Index
        Timestamps.
    views : mapping of timestamp to Panel
        What was there to see at some of them.
    forecast : callable
        Forecasts of a panel at cutoffs.

    Returns
    -------
    Forecasts
        Of the whole panel, so that they stand beside what happened; at the cutoffs of views without series that were
        not there.

    Raises
    ------
    DataError
        What was there to see at a cutoff is not enough for a forecast.
    """
    if not views:
        return forecasts
    keep, values = np.ones(len(forecasts.origins), dtype=np.bool_), forecasts.values.copy()
    times = forecasts.panel.times.take(forecasts.origins)
    ids = forecasts.panel.ids.take(forecasts.panel.series_of(forecasts.origins))
    for k, cutoff in enumerate(cutoffs):
        if cutoff in views:
            if cutoff not in views[cutoff].times:
                what = "prepare makes no row of the cutoff itself without later ones, as shift(-1) and dropna() do"
                raise DataError(f"no forecast at {cutoff}, once the raw frame ends there: {what}.")
            try:
                view = forecast(views[cutoff], cutoffs[k : k + 1])
            except ValueError as error:
                raise DataError(f"no forecast at {cutoff}, once the raw frame ends there: {error}") from error
            rows = np.flatnonzero(times == cutoff)
            places = view.panel.ids.take(view.panel.series_of(view.origins)).get_indexer(ids.take(rows))
            keep[rows] = places >= 0
            values[rows[places >= 0]] = view.values[places[places >= 0]]
    return replace(forecasts, origins=forecasts.origins[keep], values=values[keep])
