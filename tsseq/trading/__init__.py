"""From forecasts to weights, fills, costs and statistics of returns."""

from tsseq.trading.book import Account, Book, Costs
from tsseq.trading.costs import break_even_cost, cost_sweep
from tsseq.trading.signals import expected_returns, realised_returns, to_weights
from tsseq.trading.simulate import simulate
from tsseq.trading.sweep import sweep

__all__ = [
    "Account",
    "Book",
    "Costs",
    "break_even_cost",
    "cost_sweep",
    "expected_returns",
    "realised_returns",
    "simulate",
    "sweep",
    "to_weights",
]
