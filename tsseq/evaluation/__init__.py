"""Backtests, scores, tests of significance, splitters, the leak audit, a search for parameters."""

from tsseq.evaluation.audit import audit
from tsseq.evaluation.backtest import backtest, rolling_forecasts
from tsseq.evaluation.result import BacktestResult
from tsseq.evaluation.scores import frame_scorer
from tsseq.evaluation.significance import Comparison, clark_west, diebold_mariano, direction_test
from tsseq.evaluation.splits import CombinatorialPurged, PurgedKFold, WalkForward
from tsseq.evaluation.tune import Tuned, tune

__all__ = [
    "BacktestResult",
    "CombinatorialPurged",
    "Comparison",
    "PurgedKFold",
    "Tuned",
    "WalkForward",
    "audit",
    "backtest",
    "clark_west",
    "diebold_mariano",
    "direction_test",
    "frame_scorer",
    "rolling_forecasts",
    "tune",
]
