"""The engine of returns: weights times moves, for many books of the same decisions at once.

A position that is filled at the price ``p`` and not traded is worth ``w * price / p`` of the equity at its fill, so
everything between two fills is known without walking from bar to bar. Only orders that wait for a price, and costs that
depend on the equity, are followed from fill to fill.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tsseq.trading.costs import over_assets
from tsseq.trading.execution import Market
from tsseq.trading.orders import Orders, due_now
from tsseq.trading.terms import Terms
from tsseq.typing import Array, Index


class ReturnsRun(NamedTuple):
    """K books: gross growth of each bar, and costs and weights at each fill.

    Attributes
    ----------
    factors : ndarray of shape (K, T)
        1 + gross return; 0 or less where the equity is lost.
    costs : ndarray of shape (K, F)
        Costs of trading as a fraction of the equity at each fill.
    turnover : ndarray of shape (K, F)
        Traded value as a fraction of the equity at each fill.
    before : ndarray of shape (K, F, N)
        Weights that meet the order.
    positions : ndarray of shape (K, F + 1, N)
        Weights after each fill; nothing before the first.
    growth : ndarray of shape (K, T)
        Equity at the close over that after the last fill.
    base : ndarray of shape (F + 1, N)
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


def run_returns(market: Market, orders: Orders, targets: Array, terms: Terms) -> ReturnsRun:
    """Hold target weights (K, D, N) from fill to fill; what is left to 1 is cash."""
    bars, costs = view(orders.filled), terms.costs
    n_filled = view(np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right"))  # (T,): fills so far
    base = np.concatenate([market.closes[:1], market.fills[bars]])  # (F + 1, N)
    moves = market.fills[bars] / base[:-1]  # (F, N)
    at_once = orders.at_once and costs.proportional
    if at_once:
        positions = np.concatenate([np.zeros((len(targets), 1, targets.shape[2])), targets[:, orders.decision]], axis=1)
    else:
        positions, traded, paid = _in_turn(market, orders, targets, base, terms)
    growth = _growth(positions[:, n_filled], market.closes / base[n_filled])
    at_fill = _growth(positions[:, :-1], moves)
    if costs.has_interest(terms.cash_rate):
        starts, ends = np.concatenate([[0], orders.filled]), np.append(orders.filled, len(market.dates) - 1)
        interest = _interest(market, positions, base, starts, ends, terms)
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
    if at_once:
        traded = positions[:, 1:] - before
        np.abs(traded, out=traded)
        paid = costs.paid(traded)
    return ReturnsRun(factors, paid, over_assets(traded), before, positions, growth, base)


def _in_turn(market: Market, orders: Orders, targets: Array, base: Array, terms: Terms) -> tuple[Array, Array, Array]:
    """Weights after each fill (K, F + 1, N), traded weights (K, F, N) and costs (K, F), one fill after another.

    What does not fill keeps its shares. Where it is a sale, purchases that need its cash wait with it.
    """
    n_books, n_fills = len(targets), len(orders.filled)
    positions, traded = np.zeros((n_books, n_fills + 1, len(market.assets))), np.zeros((n_books, *orders.due.shape))
    paid, equity, unpaid = (
        np.zeros((n_books, n_fills)),
        np.full(n_books, terms.money),
        np.zeros_like(targets[:, 0], bool),
    )
    starts, bars = np.concatenate([[0], orders.filled]), orders.filled
    for fill, decision in enumerate(orders.decision.tolist()):
        target, weights, moves = targets[:, decision], positions[:, fill], market.fills[bars[fill]] / base[fill]
        growth = _growth(weights[:, None], moves[None])[:, 0]
        if terms.costs.has_interest(terms.cash_rate):
            span = base[fill : fill + 1], starts[fill : fill + 1], bars[fill : fill + 1]
            growth += _interest(market, weights[:, None], *span, terms)[:, bars[fill]]
        before = np.where(market.ended[bars[fill]], 0.0, weights * moves / growth[:, None])
        due, unpaid = due_now(market, orders, fill, unpaid)
        change = np.where(due, target - before, 0.0)
        if not orders.due[fill].all():
            share = _affordable(before, change, np.maximum(terms.leverage, target.sum(axis=1)))[:, None]
            unpaid |= (change > 0) & (share < 1)
            change = np.where(change > 0, change * share, change)
        traded[:, fill] = np.where(np.abs(change) > 1e-12, np.abs(change), 0.0)  # rounding is not an order
        equity *= growth
        fees = terms.costs.paid(traded[:, fill] * equity[:, None]) / equity
        paid[:, fill] = np.where(traded[:, fill].any(axis=1), fees, 0.0)
        positions[:, fill + 1] = np.where(due, before + change, before / (1 - paid[:, fill])[:, None])
        equity *= 1 - paid[:, fill]
    return positions, traded, paid


def _affordable(before: Array, change: Array, most: Array) -> Array:
    """Factors (K,) in 0..1 for the purchases among changes (K, N) that keep the sum of the weights at ``most``."""
    purchases = np.maximum(change, 0.0).sum(axis=1)
    excess = np.maximum((before + change).sum(axis=1) - most, 0.0)
    return np.where(excess > 1e-12, np.maximum(1 - excess / np.where(purchases > 0, purchases, 1.0), 0.0), 1.0)


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


def _interest(market: Market, positions: Array, base: Array, starts: Index, ends: Index, terms: Terms) -> Array:
    """Interest since the last fill, paid at the start of each bar on what was held at the close before (K, T).

    ``positions`` (K, S, N) are the weights after the fills on the bars ``starts`` (S,), and reach to ``ends`` (S,).
    """
    interest = np.zeros((len(positions), len(market.dates)))
    earned = np.zeros(positions.shape[:2])  # (K, S)
    cash = 1 - positions.sum(axis=2)  # (K, S)
    for age in range(1, int((ends - starts).max(initial=0)) + 1):
        running = np.flatnonzero(starts + age <= ends)
        bars = starts[running] + age
        values = positions[:, running] * (market.closes[bars - 1] / base[running])  # (K, R, N)
        ended = market.ended[bars - 1]
        idle = cash[:, running] + earned[:, running] + np.where(ended, values, 0.0).sum(axis=2)
        short = -np.where(ended, 0.0, np.minimum(values, 0.0)).sum(axis=2)
        earned[:, running] += market.years[bars] * terms.costs.interest(idle, short, terms.cash_rate)
        interest[:, bars] = earned[:, running]
    return interest
