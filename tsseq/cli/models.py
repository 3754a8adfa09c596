"""The models that can be named on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tsseq
from tsseq.errors import ConfigError

if TYPE_CHECKING:
    from tsseq.data.panel import Frame
    from tsseq.forecasting import BaseForecaster

_NETWORKS = ("LSTM", "GRU", "RNN", "Peephole-LSTM", "Seq2Seq", "Linear", "DLinear", "Transformer", "PatchTST")
NEURAL = {name.lower(): f"{name.replace('-', '')}Forecaster" for name in _NETWORKS}
MODELS = (*NEURAL, "ridge", "naive", "seasonal-naive")


def forecaster(
    name: str,
    frame: Frame,
    horizon: int,
    context_length: int,
    max_epochs: int,
    levels: list[float] | None = None,
    **roles: Any,
) -> BaseForecaster:
    """Make a model that is not fitted.

    Parameters
    ----------
    name : str
        One of `MODELS`. Of categories, "ridge" is a logistic regression, which has the same penalty.
    frame : Series or DataFrame
        What it will be fitted on; the seasonal naive model takes its season from it.
    horizon : int
        Rows to forecast.
    context_length : int
        Rows of history that a forecast reads.
    max_epochs : int
        Epochs of training at most, of a neural model.
    levels : list of float, optional
        Levels of the quantiles that it shall have. Networks learn them; other models get quantiles from their errors
        on held-out rows, as all models get sets of categories. Default: no quantiles.
    **roles : Any
        Columns, calendar and ``log``, as `tsseq.Forecaster` takes them.

    Returns
    -------
    BaseForecaster
        The forecaster.

    Raises
    ------
    ConfigError
        The name is unknown, or the frame suggests no season to a seasonal naive model.
    """
    if name not in MODELS:
        raise ConfigError(f"--model {name} is unknown; it is one of {', '.join(MODELS)}.")
    if name in NEURAL:
        roles["training"] = tsseq.Training(max_epochs=max_epochs)
        neural: BaseForecaster = getattr(tsseq, NEURAL[name])(horizon, context_length, **roles)
        if levels and neural.to_panel(frame).classes is not None:
            return tsseq.ConformalForecaster(neural)
        return neural.set_params(head=tsseq.Quantiles(levels)) if levels else neural
    model = tsseq.Forecaster(tsseq.LastValue(), horizon, context_length, **roles)
    if name == "ridge":
        model.set_params(regressor=_linear(horizon, categories=model.to_panel(frame).classes is not None))
    elif name == "seasonal-naive":
        season = model.to_panel(frame).rules[0].season_length
        if season == 1:
            step = "--model seasonal-naive: the step between these timestamps suggests no season"
            raise ConfigError(f"{step}; use naive.")
        model.set_params(regressor=tsseq.SeasonalNaive(season))
    return tsseq.ConformalForecaster(model) if levels else model


def _linear(horizon: int, *, categories: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multioutput import MultiOutputClassifier

    if not categories:
        return Ridge()
    logistic = LogisticRegression(max_iter=1000)
    return logistic if horizon == 1 else MultiOutputClassifier(logistic)
