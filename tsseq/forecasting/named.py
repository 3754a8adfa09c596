"""Forecasters named after their network, with its hyper-parameters in their own constructor.

They hold no logic: each names its network, and `_NeuralForecaster` builds a `NeuralRegressor` around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, get_type_hints

from sklearn.base import clone

from tsseq.forecasting.forecaster import Forecaster
from tsseq.forecasting.regressor import NeuralRegressor, check_parts
from tsseq.heads import Head
from tsseq.hints import documented
from tsseq.networks import GRU, LSTM, RNN, DLinear, Linear, Network, PatchTST, PeepholeLSTM, Seq2Seq, Transformer
from tsseq.networks.base import StartOptions
from tsseq.networks.linear import DLinearOptions
from tsseq.networks.patchtst import PatchTSTOptions
from tsseq.networks.recurrent import RecurrentOptions, RNNOptions
from tsseq.networks.seq2seq import Seq2SeqOptions
from tsseq.networks.transformer import TransformerOptions
from tsseq.training.lightning_env import keep_freed_memory
from tsseq.training.settings import Training


@dataclass(eq=False, repr=False, kw_only=True)
class NeuralOptions(StartOptions):
    """What stands around a network.

    Parameters
    ----------
    head : Head, optional
        What is forecast: `Point` (the default, a median), `Quantiles`, or a distribution such as `Normal`, `StudentT`
        or, for counts, `NegativeBinomial`; `Categorical` by itself where the target holds categories.
    training : Training, optional
        How the network is trained; None is ``Training()``.
    """

    head: Head | None = None
    training: Training | None = None


@dataclass(eq=False, repr=False)
class _NeuralForecaster(Forecaster):
    """A forecaster whose regressor is a network of one kind; abstract."""

    network: ClassVar[type[Network]]
    regressor: Any = field(init=False, default=None)

    def __init_subclass__(cls) -> None:
        # A network takes its hyper-parameters by position too, a forecaster all options by name only: they become
        # fields of its own.
        options = [base for base in cls.__mro__ if is_dataclass(base) and not issubclass(base, Forecaster | Network)]
        hints = get_type_hints(cls)
        cls.__annotations__ = {option.name: hints[option.name] for base in options for option in fields(base)}

    def _new_regressor(self) -> NeuralRegressor:
        check_parts(self.head, self.training)
        options = {name: getattr(self, name) for name in self.network._get_param_names()}
        head, training = (None if part is None else clone(part) for part in (self.head, self.training))
        if training is None or training.keep_memory:
            keep_freed_memory()  # before the rows are prepared, which gains by it too
        return NeuralRegressor(self.network(**options), head, training)


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class RNNForecaster(NeuralOptions, RNNOptions, _NeuralForecaster):
    """Forecast with a simple recurrent network.

    Examples
    --------
    >>> from tsseq import load_sample, RNNForecaster, Training
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = RNNForecaster(3, 24, hidden_size=16, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = RNN


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class LSTMForecaster(NeuralOptions, RecurrentOptions, _NeuralForecaster):
    """Forecast with a long short-term memory network.

    Examples
    --------
    >>> from tsseq import LSTMForecaster, Training, load_sample
    >>> model = LSTMForecaster(6, 24, log=True, training=Training(max_epochs=2, verbose=False))
    >>> list(model.fit(load_sample("airline")).predict().columns)
    ['passengers']
    """

    network = LSTM


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class PeepholeLSTMForecaster(NeuralOptions, RecurrentOptions, _NeuralForecaster):
    """Forecast with a long short-term memory network whose gates see the cell state.

    Examples
    --------
    >>> from tsseq import load_sample, PeepholeLSTMForecaster, Training
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = PeepholeLSTMForecaster(3, 24, hidden_size=16, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = PeepholeLSTM


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class GRUForecaster(NeuralOptions, RecurrentOptions, _NeuralForecaster):
    """Forecast with a network of gated recurrent units.

    Examples
    --------
    >>> from tsseq import GRUForecaster, load_sample, Training
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = GRUForecaster(3, 24, hidden_size=16, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = GRU


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class LinearForecaster(NeuralOptions, _NeuralForecaster):
    """Forecast with one linear map from the context to the horizon, trained by gradient descent.

    Examples
    --------
    >>> from tsseq import LinearForecaster, load_sample, Training
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = LinearForecaster(3, 24, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = Linear


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class DLinearForecaster(NeuralOptions, DLinearOptions, _NeuralForecaster):
    """Forecast with linear maps of the trend of the context and of what remains.

    Examples
    --------
    >>> from tsseq import DLinearForecaster, load_sample, Training
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = DLinearForecaster(3, 24, kernel_size=13, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = DLinear


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class Seq2SeqForecaster(NeuralOptions, Seq2SeqOptions, _NeuralForecaster):
    """Forecast with an encoder and a decoder of recurrent cells that reads its own forecasts.

    Examples
    --------
    >>> from tsseq import load_sample, Seq2SeqForecaster, Training
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = Seq2SeqForecaster(3, 24, hidden_size=16, segment_length=6, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = Seq2Seq


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class TransformerForecaster(NeuralOptions, TransformerOptions, _NeuralForecaster):
    """Forecast with an encoder and a decoder of multi-head attention.

    Examples
    --------
    >>> from tsseq import load_sample, Training, TransformerForecaster
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = TransformerForecaster(3, 24, segment_length=6, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = Transformer


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class PatchTSTForecaster(NeuralOptions, PatchTSTOptions, _NeuralForecaster):
    """Forecast with a Transformer encoder over overlapping patches of each target.

    Examples
    --------
    >>> from tsseq import load_sample, PatchTSTForecaster, Training
    >>> training = Training(max_steps=5, verbose=False)
    >>> model = PatchTSTForecaster(3, 24, patch_length=6, stride=3, training=training)
    >>> model.fit(load_sample("airline")).predict().shape
    (3, 1)
    """

    network = PatchTST
