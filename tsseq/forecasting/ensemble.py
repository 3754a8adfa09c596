"""Several forecasters as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import product
from typing import Any, Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from tsseq.arguments import check_value, check_values
from tsseq.data.layout import Layout
from tsseq.data.panel import Frame, Panel
from tsseq.errors import ConfigError
from tsseq.forecasting.base import BaseForecaster, History, Task, as_forecaster, check_fit_call, seed_names
from tsseq.forecasting.forecasts import Forecasts
from tsseq.forecasting.rows import Levels, with_likeliest
from tsseq.hints import rejects_foreign_names
from tsseq.persistence.state import State, check_arrays
from tsseq.typing import Array

COMBINE: dict[str, Callable[..., Array]] = {"mean": np.mean, "median": np.median}


class EnsembleForecaster(BaseForecaster, _BaseComposition):
    """Forecast the mean or the median of what several forecasters forecast.

    All have one horizon and read the same columns; context, regressor, scaling and ``log`` may differ. They are
    combined in the data's units. Quantiles are combined level by level (Vincentization): they never cross, and a mean
    band is as wide as those of the members on average. Of categories, probabilities are combined. Beyond the horizon,
    members go on from their own forecasts.

    Parameters
    ----------
    forecasters : list or mapping of str to forecaster
        Forecasters, or (name, forecaster) pairs, which ``set_params(<name>__horizon=3)`` then reaches. A mapping of
        names is kept as a list of pairs.
    combine : str
        "mean" or "median".
    n_jobs : int, optional
        Fits that run side by side, through joblib; default: 1.

    Attributes
    ----------
    forecasters_ : list
        The fitted forecasters.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import EnsembleForecaster, Forecaster, SeasonalNaive, load_sample
    >>> members = [Forecaster(Ridge(), 2, 24, log=True), Forecaster(SeasonalNaive(12), 2, 24)]
    >>> EnsembleForecaster(members).fit(load_sample("airline")).predict().round(0)
                passengers
    month
    1961-01-01       435.0
    1961-02-01       408.0
    """

    def __init__(
        self, forecasters: Sequence[Any] | Mapping[str, Any], combine: str = "mean", *, n_jobs: int | None = None
    ) -> None:
        self.forecasters = list(forecasters.items()) if isinstance(forecasters, Mapping) else forecasters
        self.combine = combine
        self.n_jobs = n_jobs

    @classmethod
    def over_seeds(
        cls, forecaster: BaseForecaster, n: int = 5, combine: str = "mean", n_jobs: int | None = None
    ) -> Self:
        """Combine clones of one forecaster that differ in their seed.

        Parameters
        ----------
        forecaster : forecaster
            With some parameter called ``seed`` or ``random_state``, also a nested one.
        n : int
            Number of clones; their seeds are 0 to n - 1.
        combine : str
            "mean" or "median".
        n_jobs : int, optional
            Fits that run side by side, through joblib; default: 1.

        Returns
        -------
        EnsembleForecaster
            Not fitted.

        Raises
        ------
        ConfigError
            The forecaster has no seed.
        """
        seeds = seed_names(as_forecaster(forecaster))
        if not seeds:
            what = f"{type(forecaster).__name__} has no parameter called seed or random_state"
            raise ConfigError(f"{what}; give a neural one training=Training().")
        check_value("n", n)
        clones = [clone(forecaster).set_params(**dict.fromkeys(seeds, seed)) for seed in range(n)]
        return cls([(f"seed{seed}", copy) for seed, copy in enumerate(clones)], combine, n_jobs=n_jobs)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters, with those of named forecasters.

        Parameters
        ----------
        deep : bool
            Whether to include those of the forecasters inside.

        Returns
        -------
        dict
            By name.
        """
        return dict(self._get_params("forecasters", deep=deep))

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also of named forecasters, or replace these by name.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        self
            Changed.
        """
        self._set_params("forecasters", **params)
        return self

    @property
    def task(self) -> Task:
        return self._current[self._longest].task

    @property
    def has_quantiles(self) -> bool:
        return all(member.has_quantiles for member in self._current)

    @property
    def _band_levels(self) -> Sequence[float]:
        return self.forecasters_[0]._band_levels

    @property
    def models_logs(self) -> bool:
        return all(member.models_logs for member in self._current)

    def to_panel(self, frame: Frame | Panel) -> Panel:
        return self._current[self._longest].to_panel(frame)

    @rejects_foreign_names
    def make_future_frame(self, frame: History = None, steps: int | None = None) -> pd.DataFrame:
        return self._current[self._longest].make_future_frame(self._history(frame), steps)

    def check_parameters(self) -> None:
        check_values(self)
        members = _members(self.forecasters)
        for member in members:
            member.check_parameters()
        for name, member in product(("horizon", "schema", "calendar"), members):
            first, value = getattr(members[0].task, name), getattr(member.task, name)
            if value != first:
                what = f"one has {name}={value}, the first {first}"
                raise ConfigError(f"members forecast one horizon from the same columns: {what}.")

    @rejects_foreign_names
    def fit(self, frame: Frame | Panel, y: None = None) -> Self:
        """Fit a clone of every forecaster; see `Forecaster.fit`."""
        check_fit_call(y)
        self.check_parameters()
        members = [clone(member) for member in _members(self.forecasters)]
        panel = members[0].to_panel(frame)
        fits = (delayed(member.fit)(panel) for member in members)
        self.forecasters_: list[BaseForecaster] = Parallel(n_jobs=self.n_jobs)(fits)
        self.panel_, self.fitted_until_ = panel.tail(self.task.context_length), panel.times.max()
        return self

    @rejects_foreign_names
    def update(self, newer: Frame | Panel, *, training: Any = None, freeze: Sequence[str] = ()) -> Self:
        """Update every forecaster inside; see `Forecaster.update`."""
        panel = self._history(newer)
        members = (deepcopy(member).update(panel, training=training, freeze=freeze) for member in self.forecasters_)
        self.forecasters_ = list(members)
        self.panel_, self.fitted_until_ = self._current[self._longest].panel_, self.forecasters_[0].fitted_until_
        return self

    def forecast(
        self, frame: History = None, steps: int | None = None, levels: Levels = None, future: Frame | None = None
    ) -> Forecasts:
        panel = self._history(frame)
        return self._combined([member.forecast(panel, steps, levels, future) for member in self.forecasters_])

    def forecast_at(self, frame: Frame | Panel, cutoffs: Any, levels: Levels = None) -> Forecasts:
        """A series takes part where it has the longest context of all members."""
        panel = self._history(frame)
        return self._combined([member.forecast_at(panel, cutoffs, levels) for member in self.forecasters_])

    def _combined(self, members: list[Forecasts]) -> Forecasts:
        longest, values = members[self._longest], []
        if longest.panel.classes is not None and not all(member.has_probabilities for member in members):
            raise ConfigError("of categories, members combine their probabilities, and naive forecasts have none.")
        if longest.panel.classes is not None and longest.levels:
            raise ConfigError("sets of categories cannot be combined; put the ensemble into one ConformalForecaster.")
        for member in members:
            alike = member.values.shape == longest.values.shape
            values.append(member.values[slice(None) if alike else np.searchsorted(member.origins, longest.origins)])
        combined = COMBINE[self.combine](np.stack(values), axis=0)
        if longest.panel.classes is not None:
            shares, means = combined[..., 1:], np.mean(values, axis=0)[..., 1:]
            shares = np.where(shares.sum(axis=-1, keepdims=True) > 0, shares, means)  # medians may all be 0
            combined = with_likeliest(shares / shares.sum(axis=-1, keepdims=True))
        return replace(longest, values=combined)

    @property
    def _current(self) -> list[BaseForecaster]:
        """The fitted members, or before `fit` those given."""
        return getattr(self, "forecasters_", None) or _members(self.forecasters)

    @property
    def _longest(self) -> int:
        """Position of the member with the longest context."""
        return int(np.argmax([member.task.context_length for member in self._current]))

    @property
    def layout_(self) -> Layout:
        """Layout of the fitted member with the longest context."""
        layouts: list[Layout] = [member.layout_ for member in self.forecasters_]
        return max(layouts, key=lambda layout: layout.context_length)

    def to_state(self) -> State:
        check_is_fitted(self, "fitted_until_")
        parts = {"panel": self.panel_} | {str(k): member for k, member in enumerate(self.forecasters_)}
        return State(type(self), {"parameters": self}, parts={name: part.to_state() for name, part in parts.items()})

    @classmethod
    def from_state(cls, state: State) -> Self:
        check_arrays(state.arrays, {})
        state.check_names("parameters", parts=("panel", *map(str, range(len(state.parts) - 1))))
        model: Self = state.value("parameters", cls)
        model.check_parameters()
        panel = state.part("panel", Panel)
        members = [state.part(str(k), BaseForecaster) for k in range(len(state.parts) - 1)]
        if len({member.layout_.horizon for member in members}) != 1:
            raise ValueError("the forecasters in config.json do not forecast the same rows")
        if any(member.panel_.schema != panel.schema for member in members):
            raise ValueError("the forecasters in config.json do not forecast the same columns")
        model.forecasters_ = members
        model.panel_, model.fitted_until_ = panel, panel.times.max()
        return model


def _members(forecasters: Any) -> list[BaseForecaster]:
    """The forecasters of a list, without their names."""
    if not isinstance(forecasters, (list, tuple)) or not forecasters:
        raise ConfigError(f"a list of forecasters, or a mapping of their names, was needed, not {forecasters!r}.")
    named = [isinstance(member, tuple) and len(member) == 2 for member in forecasters]
    names = [member[0] for member, has_name in zip(forecasters, named) if has_name]
    if len(set(names)) < len(names) or any("__" in str(name) for name in names):
        raise ConfigError(f"names of forecasters differ from one another and have no '__', unlike {names}.")
    return [as_forecaster(member[1] if has_name else member) for member, has_name in zip(forecasters, named)]
