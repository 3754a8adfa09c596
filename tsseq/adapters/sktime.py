"""A forecaster of tsseq as one of sktime; this module needs sktime, which tsseq does not install."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from tsseq.forecasting.base import as_forecaster
from tsseq.forecasting.forecaster import Forecaster
from tsseq.forecasting.naive import LastValue


class SktimeForecaster(BaseForecaster):
    """Any forecaster of tsseq with the interface of sktime, for its pipelines, searches and evaluations.

    Series come as sktime has them (with periods, dates or whole numbers), and several as its panels and hierarchies,
    of which each series gets a fit of its own. There are no forecasts of rows that were fitted on, and exogenous data
    are not read: use the forecaster itself, with covariates, for these.

    Parameters
    ----------
    forecaster : forecaster
        Such as ``tsseq.LSTMForecaster(12, 36)``; it is not changed. Steps beyond its horizon follow from its own
        forecasts.

    Attributes
    ----------
    forecaster_ : forecaster
        The fitted one.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, load_sample
    >>> from tsseq.adapters.sktime import SktimeForecaster
    >>> y = load_sample("airline")["passengers"].to_period("M")
    >>> SktimeForecaster(Forecaster(Ridge(), 3, 24, log=True)).fit(y, fh=[1, 3]).predict().round(0)
    1961-01    453.0
    1961-03    473.0
    Freq: M, Name: passengers, dtype: float64
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["tsseq contributors"],
        "maintainers": ["tsseq contributors"],
        "y_inner_mtype": "pd.Series",
        "X_inner_mtype": "pd.DataFrame",
        "capability:multivariate": False,
        "capability:exogenous": False,
        "capability:insample": False,
        "capability:missing_values": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "requires-fh-in-fit": False,
    }

    def __init__(self, forecaster: Any) -> None:
        self.forecaster = forecaster
        super().__init__()
        self.set_config(remember_data=True)  # which `update` refits on
        self.set_tags(**{"capability:pred_int": bool(as_forecaster(forecaster).has_quantiles)})

    def _fit(self, y: pd.Series[Any], X: Any = None, fh: Any = None) -> Self:
        self.forecaster_ = clone(self.forecaster).fit(_named(y))
        return self

    def _predict(self, fh: ForecastingHorizon, X: Any = None) -> pd.Series[Any]:
        values = self._forecast(fh, None)[:, 0]
        return pd.Series(values, fh.to_absolute_index(self.cutoff), name=self._y.name)

    def _predict_quantiles(self, fh: ForecastingHorizon, X: Any, alpha: Sequence[float]) -> pd.DataFrame:
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        return pd.DataFrame(self._forecast(fh, alpha)[:, 1:], fh.to_absolute_index(self.cutoff), columns)

    def _forecast(self, fh: ForecastingHorizon, levels: Sequence[float] | None) -> np.ndarray[Any, Any]:
        """(n, 1 + Q) the steps of ``fh`` after the last row that was seen."""
        steps = np.asarray(fh.to_relative(self.cutoff).to_pandas(), dtype=np.int64)
        forecasts = self.forecaster_.forecast(_named(self._y), steps=int(steps.max()), levels=levels)
        return np.asarray(forecasts.values[0, steps - 1, 0])

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters for the test suite of sktime.

        Parameters
        ----------
        parameter_set : str, default "default"
            There is only one set.

        Returns
        -------
        list of dict
            Keyword arguments of the constructor.
        """
        return [{"forecaster": Forecaster(Ridge(), 2, 3)}, {"forecaster": Forecaster(LastValue(), 1, 2)}]


def _named(y: pd.Series[Any]) -> pd.Series[Any]:
    """A series under one name, whatever its own is."""
    return y.rename("y")
