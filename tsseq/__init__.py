"""Time-series forecasting with sequence models for people who live in pandas and scikit-learn.

Public names are imported at first use: ``import tsseq`` loads neither torch nor scikit-learn.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "tsseq.backtesting.audit": ["audit"],
    "tsseq.backtesting.purged": ["CombinatorialPurged", "PurgedKFold"],
    "tsseq.backtesting.report": ["report"],
    "tsseq.backtesting.rolling": ["backtest", "rolling_forecasts"],
    "tsseq.backtesting.signals": ["to_weights"],
    "tsseq.backtesting.simulate": ["Costs", "simulate"],
    "tsseq.backtesting.sweep": ["sweep"],
    "tsseq.backtesting.splits": ["WalkForward"],
    "tsseq.data.regular": ["regularize"],
    "tsseq.data.samples": ["load_sample", "make_series"],
    "tsseq.data.yahoo": ["download_prices"],
    "tsseq.errors": [
        "ConfigError",
        "DataError",
        "ModelFileError",
        "NotEnoughHistory",
        "TrainingDivergedError",
        "TsseqError",
    ],
    "tsseq.estimators.attentive": ["PatchTSTForecaster", "Seq2SeqForecaster", "TransformerForecaster"],
    "tsseq.estimators.classifier": ["NeuralClassifier"],
    "tsseq.estimators.conformal": ["ConformalForecaster"],
    "tsseq.estimators.ensemble": ["EnsembleForecaster"],
    "tsseq.estimators.forecaster": ["Forecaster"],
    "tsseq.estimators.labeller": ["NeuralLabeller"],
    "tsseq.estimators.naive": ["Drift", "LastValue", "Mean", "SeasonalNaive"],
    "tsseq.estimators.named": [
        "DLinearForecaster",
        "GRUForecaster",
        "LSTMForecaster",
        "LinearForecaster",
        "RNNForecaster",
    ],
    "tsseq.estimators.regressor": ["NeuralRegressor"],
    "tsseq.distributions": ["Bernoulli", "LogNormal", "NegativeBinomial", "Normal", "Poisson", "StudentT"],
    "tsseq.heads": ["Point", "Quantiles"],
    "tsseq.networks": [
        "GRU",
        "LSTM",
        "RNN",
        "ChoGRU",
        "DLinear",
        "Linear",
        "PatchTST",
        "PeepholeLSTM",
        "Seq2Seq",
        "Transformer",
    ],
    "tsseq.persistence": ["load"],
    "tsseq.plotting": ["plot_forecast"],
    "tsseq.training.settings": ["Training"],
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'tsseq' has no attribute {name!r}")
    return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
