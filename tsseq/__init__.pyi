"""Public names, for editors and type checkers; `tsseq.__init__` imports them lazily."""

from tsseq.backtesting.report import report as report
from tsseq.backtesting.rolling import backtest as backtest
from tsseq.backtesting.rolling import rolling_forecasts as rolling_forecasts
from tsseq.backtesting.signals import to_weights as to_weights
from tsseq.backtesting.simulate import Costs as Costs
from tsseq.backtesting.simulate import simulate as simulate
from tsseq.backtesting.sweep import sweep as sweep
from tsseq.data.regular import regularize as regularize
from tsseq.data.samples import load_sample as load_sample
from tsseq.data.samples import make_series as make_series
from tsseq.distributions import Bernoulli as Bernoulli
from tsseq.distributions import LogNormal as LogNormal
from tsseq.distributions import NegativeBinomial as NegativeBinomial
from tsseq.distributions import Normal as Normal
from tsseq.distributions import Poisson as Poisson
from tsseq.distributions import StudentT as StudentT
from tsseq.errors import ConfigError as ConfigError
from tsseq.errors import DataError as DataError
from tsseq.errors import ModelFileError as ModelFileError
from tsseq.errors import NotEnoughHistory as NotEnoughHistory
from tsseq.errors import TrainingDivergedError as TrainingDivergedError
from tsseq.errors import TsseqError as TsseqError
from tsseq.estimators.attentive import PatchTSTForecaster as PatchTSTForecaster
from tsseq.estimators.attentive import Seq2SeqForecaster as Seq2SeqForecaster
from tsseq.estimators.attentive import TransformerForecaster as TransformerForecaster
from tsseq.estimators.conformal import ConformalForecaster as ConformalForecaster
from tsseq.estimators.ensemble import EnsembleForecaster as EnsembleForecaster
from tsseq.estimators.forecaster import Forecaster as Forecaster
from tsseq.estimators.naive import Drift as Drift
from tsseq.estimators.naive import LastValue as LastValue
from tsseq.estimators.naive import Mean as Mean
from tsseq.estimators.naive import SeasonalNaive as SeasonalNaive
from tsseq.estimators.named import DLinearForecaster as DLinearForecaster
from tsseq.estimators.named import GRUForecaster as GRUForecaster
from tsseq.estimators.named import LinearForecaster as LinearForecaster
from tsseq.estimators.named import LSTMForecaster as LSTMForecaster
from tsseq.estimators.named import RNNForecaster as RNNForecaster
from tsseq.estimators.regressor import NeuralRegressor as NeuralRegressor
from tsseq.heads import Point as Point
from tsseq.heads import Quantiles as Quantiles
from tsseq.networks import GRU as GRU
from tsseq.networks import LSTM as LSTM
from tsseq.networks import RNN as RNN
from tsseq.networks import ChoGRU as ChoGRU
from tsseq.networks import DLinear as DLinear
from tsseq.networks import Linear as Linear
from tsseq.networks import PatchTST as PatchTST
from tsseq.networks import PeepholeLSTM as PeepholeLSTM
from tsseq.networks import Seq2Seq as Seq2Seq
from tsseq.networks import Transformer as Transformer
from tsseq.persistence import load as load
from tsseq.plotting import plot_forecast as plot_forecast
from tsseq.training.settings import Training as Training

__version__: str
__all__: list[str]
