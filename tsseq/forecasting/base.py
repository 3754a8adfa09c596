"""What all forecasters of frames share: from arrays of forecasts to frames and tables."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils.validation import check_is_fitted

from tsseq.data.panel import Frame, Panel
from tsseq.errors import ConfigError
from tsseq.forecasting.forecasts import Array, Levels, columns, tidy
from tsseq.hints import RejectsForeignNames

if TYPE_CHECKING:
    from tsseq.forecasting.forecaster import Forecaster

Found: TypeAlias = tuple[Panel, NDArray[np.int64], Array]


class BaseForecaster(RejectsForeignNames, MetaEstimatorMixin, BaseEstimator):
    """Frames in, frames out; abstract.

    A subclass fits, and forecasts in arrays: a panel with rows to come, the rows of the origins in it (n,), and
    (n, steps, targets, 1 + Q) values in the data's units, the point forecast first.

    Attributes
    ----------
    fitted_until_ : the last timestamp seen in `fit`.
    panel_ : the end of the frame given to `fit`, as much as a forecast reads.
    """

    fitted_until_: Any
    panel_: Panel

    @property
    def lead(self) -> Forecaster:
        """The `Forecaster` whose horizon, context and columns these are; the fitted one after `fit`."""
        raise AssertionError("abstract")

    @property
    def has_quantiles(self) -> bool:
        """Whether ``levels`` can be asked for."""
        raise AssertionError("abstract")

    @property
    def in_logs(self) -> bool:
        """Whether logarithms are what is forecast, so that forecasts stay above 0."""
        raise AssertionError("abstract")

    def check_parameters(self) -> None:
        """Refuse parameters that make no sense, as `fit` does."""
        raise AssertionError("abstract")

    def fit(self, frame: Frame | Panel, y: None = None) -> Self:
        """Learn from every window of ``frame``."""
        raise AssertionError("abstract")

    def arrays_ahead(self, frame: Frame | Panel | None, steps: int | None, levels: Levels, future: Any) -> Found:
        """What `predict` lays out: one origin per series, the last observed row."""
        raise AssertionError("abstract")

    def arrays_at(self, frame: Frame | Panel, cutoffs: Any, levels: Levels) -> Found:
        """What `predict_at` lays out; the panel is that of ``frame`` with ``horizon`` rows more in every series."""
        raise AssertionError("abstract")

    def read(self, frame: Frame | Panel) -> Panel:
        """Order and check a frame, as `fit` and `predict` do; a `Panel` that was read before passes as it is."""
        return self.lead.read(frame)

    def make_future_frame(self, frame: Frame | Panel | None = None, steps: int | None = None) -> pd.DataFrame:
        """The rows to come with empty known covariates: fill them in and give them to ``predict(future=)``."""
        return self.lead.make_future_frame(self._history(frame), steps)

    def _history(self, frame: Frame | Panel | None) -> Panel:
        """What to forecast from: ``frame``, or the end of the frame given to `fit`."""
        check_is_fitted(self, "fitted_until_")
        return self.panel_ if frame is None else self.read(frame)

    def predict(
        self,
        frame: Frame | Panel | None = None,
        *,
        steps: int | None = None,
        levels: Levels = None,
        future: Frame | None = None,
    ) -> pd.DataFrame:
        """Forecast the rows after the end of every series.

        Parameters
        ----------
        frame : history to forecast from; None means the frame given to `fit`.
        steps : rows to forecast, ``horizon`` unless told. Beyond it, each block of forecasts is appended as history.
        levels : quantile levels in 0..1; each adds a column ``<target>_q<level>``.
        future : the known covariates of the rows to come, as `make_future_frame` lays them out: up to the end of the
            last block of ``horizon`` rows. More rows do no harm.

        Returns
        -------
        A frame of the shape that went in, with the next timestamps; the forecast bears the target's name.
        """
        coming, origins, forecasts = self.arrays_ahead(frame, steps, levels, future)
        rows = (origins[:, None] + np.arange(1, forecasts.shape[1] + 1)).ravel()
        return coming.to_frame(rows, columns(forecasts, coming.schema.target, levels))

    def predict_at(self, frame: Frame | Panel, cutoffs: Any, levels: Levels = None) -> pd.DataFrame:
        """Forecast from many origins in one pass, each knowing only the rows up to itself.

        Parameters
        ----------
        frame : history and what came after it; nothing after a cutoff is read but known covariates.
        cutoffs : timestamps of the origins. A series takes part in those at which it has a row and a whole context.
        levels : quantile levels, as in `predict`.

        Returns
        -------
        One row per (id, cutoff, step, target), with the columns ``[id,] cutoff, time, step, target, forecast`` and a
        column ``q<level>`` for every level.
        """
        return tidy(*self.arrays_at(frame, cutoffs, levels), levels)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a fitted forecaster, neural or naive, or several of them in a wrapper, to one file without pickle.

        `tsseq.load` reads it.
        """
        from tsseq.persistence.models import save

        save(self, path)


def check_no_y(y: Any) -> None:
    """Refuse a second argument of `fit`, which is only there for pipelines."""
    if y is not None:
        raise ConfigError("the target is a column of the frame; fit takes no y.")


def as_forecaster(found: Any) -> BaseForecaster:
    """``found`` itself, or a ConfigError if it forecasts no frames."""
    if not isinstance(found, BaseForecaster):
        raise ConfigError(f"a forecaster such as Forecaster(Ridge(), 5, 60) was needed, not {found!r}.")
    return found


def check_size(name: str, value: Any) -> None:
    """Refuse a ``value`` that counts nothing."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{name}={value!r} must be a whole number of at least 1.")
