"""Backtests, scores, tests of significance, splitters, the leak audit, and what forecasts depend on."""

from tsseq.evaluation.audit import audit
from tsseq.evaluation.backtest import backtest, rolling_forecasts
from tsseq.evaluation.contributions import coefficients, contributions
from tsseq.evaluation.importance import Importance, importance
from tsseq.evaluation.result import BacktestResult
from tsseq.evaluation.scores import frame_scorer
from tsseq.evaluation.significance import Comparison, clark_west, diebold_mariano, direction_test
from tsseq.evaluation.splits import CombinatorialPurged, PurgedKFold, WalkForward
from tsseq.evaluation.tune import Tuned, tune

__all__ = [
    "BacktestResult",
    "CombinatorialPurged",
    "Comparison",
    "Importance",
    "PurgedKFold",
    "Tuned",
    "WalkForward",
    "audit",
    "backtest",
    "clark_west",
    "coefficients",
    "contributions",
    "diebold_mariano",
    "direction_test",
    "frame_scorer",
    "importance",
    "rolling_forecasts",
    "tune",
]
