"""From forecasts to weights, fills, costs and statistics of returns."""

from tsseq.resampling.trials import Trials
from tsseq.trading.book import Account, Book, break_even_cost, cost_sweep
from tsseq.trading.costs import Costs
from tsseq.trading.execution import EXECUTIONS, Execution
from tsseq.trading.signal_quality import SignalQuality, signal_quality
from tsseq.trading.signals import expected_returns, realised_returns, to_weights
from tsseq.trading.simulate import simulate
from tsseq.trading.statistics import Overfitting, probability_of_overfitting
from tsseq.trading.sweep import sweep
from tsseq.trading.target_orders import target_orders
from tsseq.trading.walk_forward import WalkForwardChoice, walk_forward

__all__ = [
    "EXECUTIONS",
    "Account",
    "Book",
    "Costs",
    "Execution",
    "Overfitting",
    "SignalQuality",
    "Trials",
    "WalkForwardChoice",
    "break_even_cost",
    "cost_sweep",
    "expected_returns",
    "probability_of_overfitting",
    "realised_returns",
    "signal_quality",
    "simulate",
    "sweep",
    "target_orders",
    "to_weights",
    "walk_forward",
]
