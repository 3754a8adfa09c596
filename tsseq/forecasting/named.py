"""Forecasters named after their network, with its hyper-parameters in their own constructor.

They hold no logic: each says which network it is, and `_new_regressor` builds a `NeuralRegressor` around it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from sklearn.base import clone

from tsseq.data.schema import Names
from tsseq.data.timestamps import Calendar
from tsseq.forecasting.forecaster import Forecaster
from tsseq.forecasting.regressor import NeuralRegressor
from tsseq.heads import Head
from tsseq.hints import with_parameters
from tsseq.networks import GRU, LSTM, RNN, DLinear, Linear, Network
from tsseq.training.settings import Training


class _Named(Forecaster):
    """A forecaster whose regressor is a network of one kind; abstract."""

    network: ClassVar[type[Network]]

    def __init__(
        self, horizon: int, context_length: int, *, head: Head | None, training: Training | None, **frame: Any
    ) -> None:
        super().__init__(None, horizon, context_length, **frame)
        del self.regressor
        self.head = head
        self.training = training

    def _new_regressor(self) -> NeuralRegressor:
        own = {name: getattr(self, name) for name in self.network._get_param_names()}
        parts = [None if part is None else clone(part) for part in (self.head, self.training)]
        return NeuralRegressor(self.network(**own), *parts)


class _Recurrent(_Named):
    """The parameters of all recurrent forecasters.

    Parameters
    ----------
    horizon, context_length : rows to forecast, and rows of history that a forecast reads.
    target, past, known, static, id_column, time_column, calendar, multivariate, scaling, log : see `Forecaster`.
    hidden_size, n_layers, dropout, bidirectional, segment_length : see `tsseq.networks.LSTM`.
    head : what is forecast: `Point` (the default), `Quantiles`, `Normal` or `StudentT`.
    training : how the network is trained, a `Training`.

    Examples
    --------
    >>> from tsseq import LSTMForecaster, Training, load_sample
    >>> model = LSTMForecaster(6, 24, log=True, training=Training(max_epochs=2, verbose=False))
    >>> list(model.fit(load_sample("airline")).predict().columns)
    ['passengers']
    """

    def __init_subclass__(cls) -> None:
        cls.__doc__ = with_parameters(cls, _Recurrent)

    def __init__(
        self,
        horizon: int,
        context_length: int,
        *,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        calendar: Calendar = None,
        multivariate: str = "independent",
        scaling: str | None = None,
        log: bool = False,
        hidden_size: int = 128,
        n_layers: int = 1,
        dropout: float = 0.3,
        bidirectional: bool = False,
        segment_length: int | None = 24,
        head: Head | None = None,
        training: Training | None = None,
    ) -> None:
        frame: dict[str, Any] = {"target": target, "past": past, "known": known, "static": static, "calendar": calendar}
        frame |= {"id_column": id_column, "time_column": time_column, "multivariate": multivariate}
        super().__init__(horizon, context_length, scaling=scaling, log=log, head=head, training=training, **frame)
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.segment_length = segment_length


class RNNForecaster(_Recurrent):
    """Forecast with a simple recurrent network."""

    network = RNN


class LSTMForecaster(_Recurrent):
    """Forecast with a long short-term memory network."""

    network = LSTM


class GRUForecaster(_Recurrent):
    """Forecast with a network of gated recurrent units."""

    network = GRU


class LinearForecaster(_Named):
    """Forecast with one linear map from the context to the horizon, trained by gradient descent.

    Parameters
    ----------
    horizon, context_length : rows to forecast, and rows of history that a forecast reads.
    target, past, known, static, id_column, time_column, calendar, multivariate, scaling, log : see `Forecaster`.
    head : what is forecast: `Point` (the default), `Quantiles`, `Normal` or `StudentT`.
    training : how the network is trained, a `Training`.
    """

    network = Linear

    def __init__(
        self,
        horizon: int,
        context_length: int,
        *,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        calendar: Calendar = None,
        multivariate: str = "independent",
        scaling: str | None = None,
        log: bool = False,
        head: Head | None = None,
        training: Training | None = None,
    ) -> None:
        frame: dict[str, Any] = {"target": target, "past": past, "known": known, "static": static, "calendar": calendar}
        frame |= {"id_column": id_column, "time_column": time_column, "multivariate": multivariate}
        super().__init__(horizon, context_length, scaling=scaling, log=log, head=head, training=training, **frame)


class DLinearForecaster(_Named):
    """Forecast with linear maps of the trend of the context and of what remains.

    Parameters
    ----------
    horizon, context_length : rows to forecast, and rows of history that a forecast reads.
    target, past, known, static, id_column, time_column, calendar, multivariate, scaling, log : see `Forecaster`.
    kernel_size : see `tsseq.networks.DLinear`.
    head : what is forecast: `Point` (the default), `Quantiles`, `Normal` or `StudentT`.
    training : how the network is trained, a `Training`.
    """

    network = DLinear

    def __init__(
        self,
        horizon: int,
        context_length: int,
        *,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        calendar: Calendar = None,
        multivariate: str = "independent",
        scaling: str | None = None,
        log: bool = False,
        kernel_size: int = 25,
        head: Head | None = None,
        training: Training | None = None,
    ) -> None:
        frame: dict[str, Any] = {"target": target, "past": past, "known": known, "static": static, "calendar": calendar}
        frame |= {"id_column": id_column, "time_column": time_column, "multivariate": multivariate}
        super().__init__(horizon, context_length, scaling=scaling, log=log, head=head, training=training, **frame)
        self.kernel_size = kernel_size
