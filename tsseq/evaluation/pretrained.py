"""Which rows a fitted forecaster has seen, as far as that can be told from it."""

from __future__ import annotations

from collections.abc import Iterator
from pickle import PicklingError
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

from tsseq.data.timestamps import stamps_like
from tsseq.forecasting.base import BaseForecaster
from tsseq.forecasting.forecaster import Forecaster

DECLARATION = "pretrained_until"


def seen_until(model: BaseForecaster) -> Any:
    """The last row that a fitted forecaster has seen.

    A regressor that was trained elsewhere says so with an attribute ``pretrained_until``: the last timestamp in its
    training data, or None for a rule that learns from no data, as the naive forecasts are. Without it, a
    `sklearn.frozen.FrozenEstimator` and a regressor that `fit` leaves as it was have seen nobody knows what. What is
    not noticed: a regressor trained elsewhere whose `fit` still changes something in it.

    Parameters
    ----------
    model : BaseForecaster
        Fitted.

    Returns
    -------
    timestamp
        Of the kind of ``fitted_until_``; missing (`pandas.NaT`, for whole numbers `pandas.NA`) if it is unknown.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import load_sample
    >>> air = load_sample("airline")
    >>> model = Forecaster(Ridge(), 3, 24).fit(air)
    >>> seen_until(model), seen_until(Forecaster(FrozenEstimator(model.regressor_), 3, 24).fit(air))
    (Timestamp('1960-12-01 00:00:00'), NaT)
    """
    until = model.fitted_until_
    for part in forecasters_in(model):
        declared = declaration(part)
        if declared is not None:
            until = max(until, stamps_like(part.panel_.times, [declared])[0])
        elif not is_declared(part) and learns_nothing(part):
            return pd.NA if isinstance(until, (int, np.integer)) else pd.NaT
    return until


def forecasters_in(model: Any) -> Iterator[Forecaster]:
    """Find the fitted forecasters that hold a regressor: the model itself, or those inside it.

    Parameters
    ----------
    model : BaseForecaster
        Fitted.

    Yields
    ------
    Forecaster
        In a fixed order, so that two fits of one model can be compared.
    """
    if isinstance(model, Forecaster):
        yield model
        return
    for name, value in vars(model).items():
        for part in value if isinstance(value, list) else [value]:
            if name.endswith("_") and isinstance(part, BaseForecaster):
                yield from forecasters_in(part)


def declaration(model: Forecaster) -> Any:
    """The last timestamp that the regressor of a fitted forecaster declares to have been trained on; None without."""
    return getattr(model.regressor_, DECLARATION, None)


def is_declared(model: Forecaster) -> bool:
    """Whether the regressor of a fitted forecaster says what it was trained on."""
    return hasattr(model.regressor_, DECLARATION)


def learns_nothing(model: Forecaster) -> bool:
    """Whether `fit` has left the regressor as it was, or something in it is frozen."""
    parts = [model.regressor_, *model.get_params().values()]
    if any(isinstance(part, FrozenEstimator) for part in parts):
        return True
    before, after = getattr(model, "regressor", None), model.regressor_
    if before is None or vars(before).keys() != vars(after).keys():
        return False
    try:
        return bool(joblib.hash(before) == joblib.hash(after))
    except (AttributeError, PicklingError, TypeError):  # it holds something that has no content to compare
        return False
