"""The engine of returns: weights times moves, for many books of the same decisions at once.

A position that is filled at the price ``p`` and not traded is worth ``w * price / p`` of the equity at its fill, so
everything between two fills is known without walking from bar to bar.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tsseq.trading.costs import Costs, over_assets
from tsseq.trading.execution import Market, Orders
from tsseq.typing import Array, Index


class ReturnsRun(NamedTuple):
    """K books: gross growth of each bar, and costs and weights at each fill.

    Attributes
    ----------
    factors : ndarray of shape (K, T)
        1 + gross return; 0 or less where the equity is lost.
    costs : ndarray of shape (K, D)
        Costs of trading as a fraction of the equity at each fill.
    turnover : ndarray of shape (K, D)
        Traded value as a fraction of the equity at each fill.
    before : ndarray of shape (K, D, N)
        Weights that meet the order.
    positions : ndarray of shape (K, D + 1, N)
        Weights after each fill; nothing before the first.
    growth : ndarray of shape (K, T)
        Equity at the close over that after the last fill.
    base : ndarray of shape (D + 1, N)
        Prices of these fills.
    """

    factors: Array
    costs: Array
    turnover: Array
    before: Array
    positions: Array
    growth: Array
    base: Array

    def weights(self, market: Market, orders: Orders, book: int = 0) -> Array:
        """Weights of one book at each close.

        Parameters
        ----------
        market : Market
            The prices that were traded.
        orders : Orders
            The orders that were filled.
        book : int, default 0
            Which of the K books.

        Returns
        -------
        ndarray of shape (T, N)
            Fractions of equity, after drift.
        """
        n_filled = view(np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right"))
        weights = self.positions[book, n_filled] * market.closes / self.base[n_filled]
        weights /= self.growth[book, :, None]
        weights[market.ended] = 0.0
        return np.asarray(weights)


def run_returns(market: Market, orders: Orders, costs: Costs, cash_rate: float = 0.0) -> ReturnsRun:
    """Hold target weights (K, D, N) from fill to fill; what is left to 1 is cash."""
    targets, bars = orders.targets, view(orders.filled)
    n_filled = view(np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right"))  # (T,): fills so far
    base = np.concatenate([market.closes[:1], market.fills[bars]])  # (D + 1, N)
    positions = np.concatenate([np.zeros((len(targets), 1, targets.shape[2])), targets], axis=1)
    growth = _growth(positions[:, n_filled], market.closes / base[n_filled])
    moves = market.fills[bars] / base[:-1]  # (D, N)
    at_fill = _growth(positions[:, :-1], moves)
    if costs.has_interest(cash_rate):
        interest = _interest(market, positions, base, orders.filled, costs, cash_rate)
        at_fill += interest[:, bars]
        interest[:, bars] = 0.0
        growth += interest
    factors = np.empty_like(growth)  # over the close before: a ratio within a fill, and through the fill on its bar
    factors[:, 0] = growth[:, 0]
    np.divide(growth[:, 1:], growth[:, :-1], out=factors[:, 1:])
    factors[:, bars] *= np.maximum(at_fill, 0.0)  # all lost before the fill stays lost, whatever follows on that bar
    before = positions[:, :-1] * moves
    before /= at_fill[:, :, None]
    if market.ended.any():
        before[:, market.ended[bars]] = 0.0
    traded = targets - before
    np.abs(traded, out=traded)
    turnover = over_assets(traded)  # (K, D)
    paid = costs.paid(traded) if costs.proportional else _paid_in_turn(costs, traded, orders.filled, factors, growth)
    return ReturnsRun(factors, paid, turnover, before, positions, growth, base)


def _growth(weights: Array, moves: Array) -> Array:
    """Growth of the equity when prices move by these factors (T, N): ``1 + sum(weights * (moves - 1))`` (K, T)."""
    one_asset = moves.shape[1] == 1  # for which einsum would cost more than all else
    growth = weights[:, :, 0] * (moves[:, 0] - 1) if one_asset else np.einsum("ktn,tn->kt", weights, moves - 1)
    growth += 1
    return np.asarray(growth)


def view(index: Index) -> Index | slice:
    """A slice where an index of steps of at most one, or of none of zero, counts up by one: views instead of copies."""
    if len(index) and index[-1] - index[0] == len(index) - 1:
        return slice(int(index[0]), int(index[-1]) + 1)
    return index


def _interest(market: Market, positions: Array, base: Array, filled: Index, costs: Costs, cash_rate: float) -> Array:
    """Interest since the last fill, paid at the start of each bar on what was held at the close before (K, T)."""
    starts, ends = np.concatenate([[0], filled]), np.append(filled, len(market.dates) - 1)
    interest = np.zeros((len(positions), len(market.dates)))
    earned = np.zeros(positions.shape[:2])  # (K, D + 1)
    cash = 1 - positions.sum(axis=2)  # (K, D + 1)
    for age in range(1, int((ends - starts).max(initial=0)) + 1):
        running = np.flatnonzero(starts + age <= ends)
        bars = starts[running] + age
        values = positions[:, running] * (market.closes[bars - 1] / base[running])  # (K, R, N)
        ended = market.ended[bars - 1]
        idle = cash[:, running] + earned[:, running] + np.where(ended, values, 0.0).sum(axis=2)
        short = -np.where(ended, 0.0, np.minimum(values, 0.0)).sum(axis=2)
        earned[:, running] += market.years[bars] * costs.interest(idle, short, cash_rate)
        interest[:, bars] = earned[:, running]
    return interest


def _paid_in_turn(costs: Costs, traded: Array, filled: Index, factors: Array, growth: Array) -> Array:
    """Costs of each fill (K, D) as a fraction of an equity that all costs before have made smaller."""
    equity = np.cumprod(factors, axis=1)[:, filled] / growth[:, filled]  # (K, D), before costs
    traded = np.where(traded > 1e-12, traded, 0.0)  # (K, D, N); rounding is not an order
    paid = np.zeros_like(equity)
    left = np.ones(len(paid))
    for fill in range(len(paid.T)):
        capital = equity[:, fill] * left
        with np.errstate(divide="ignore", invalid="ignore"):
            fraction = costs.paid(traded[:, fill] * capital[:, None]) / capital
        paid[:, fill] = np.where(traded[:, fill].any(axis=1), fraction, 0.0)
        left *= 1 - paid[:, fill]
    return paid
