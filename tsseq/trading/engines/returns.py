"""The engine of returns: weights times moves, for many books of the same decisions at once.

A position that is filled at the price ``p`` and not traded is worth ``w * price / p`` of the equity at its fill, so
everything between two fills is known without walking from bar to bar. Only orders that wait for a price, and costs that
depend on the equity, are followed from fill to fill.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tsseq.trading.execution import Market
from tsseq.trading.orders import Orders, due_now
from tsseq.trading.terms import Terms
from tsseq.typing import Array, Index


class Moves(NamedTuple):
    """What prices do between fills, for all books of the same orders.

    Attributes
    ----------
    market : Market
        The prices that are traded.
    orders : Orders
        The orders that are filled.
    bars : ndarray of shape (F,) or slice
        Bars of the fills.
    n_filled : ndarray of shape (T,) or slice
        Fills until the close of each bar.
    base : ndarray of shape (F + 1, N)
        Prices of the fills; before the first, the closes of the first bar.
    at_fill : ndarray of shape (F, N)
        Gain of each asset from one fill to the next; 0.01 is one per cent.
    at_close : ndarray of shape (T, N)
        Gain since the last fill.
    """

    market: Market
    orders: Orders
    bars: Index | slice
    n_filled: Index | slice
    base: Array
    at_fill: Array
    at_close: Array

    @classmethod
    def of(cls, market: Market, orders: Orders) -> Moves:
        """Compare the prices of fills and closes with those of the fill before.

        Parameters
        ----------
        market : Market
            Prices to trade.
        orders : Orders
            Orders to fill.

        Returns
        -------
        Moves
            Gains between the fills.
        """
        bars = view(orders.filled)
        n_filled = view(np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right"))
        base = np.concatenate([market.closes[:1], market.fills[bars]])
        at_fill, at_close = market.fills[bars] / base[:-1] - 1, market.closes / base[n_filled] - 1
        return cls(market, orders, bars, n_filled, base, at_fill, at_close)


class ReturnsRun(NamedTuple):
    """K books between their fills; values are multiples of the equity after the fill before.

    Attributes
    ----------
    moves : Moves
        What the prices did.
    positions : ndarray of shape (K, F + 1, N)
        Weights after each fill; nothing before the first.
    growth : ndarray of shape (K, T)
        Equity at each close.
    at_fill : ndarray of shape (K, F)
        Equity that meets each order.
    before : ndarray of shape (K, F, N)
        Value of what meets the order.
    traded : ndarray of shape (K, F, N)
        Value of what is traded.
    paid : ndarray of shape (K, F)
        Costs of trading.
    """

    moves: Moves
    positions: Array
    growth: Array
    at_fill: Array
    before: Array
    traded: Array
    paid: Array

    def factors(self, *, net: bool) -> Array:
        """Growth of the equity from bar to bar: a ratio within a fill, and through the fill on its bar.

        Parameters
        ----------
        net : bool
            Whether the costs of trading are paid.

        Returns
        -------
        ndarray of shape (K, T)
            1 + return; 0 or less where the equity is lost.
        """
        factors = np.empty_like(self.growth)
        factors[:, 0] = self.growth[:, 0]
        np.divide(self.growth[:, 1:], self.growth[:, :-1], out=factors[:, 1:])
        left = np.subtract(self.at_fill, self.paid if net else 0.0)
        # All lost before the fill stays lost, whatever follows on that bar.
        factors[:, self.moves.bars] *= np.maximum(left, 0.0, out=left)
        return factors

    def weights(self, book: int = 0) -> Array:
        """Weights of one book at each close.

        Parameters
        ----------
        book : int, default 0
            Which of the K books.

        Returns
        -------
        ndarray of shape (T, N)
            Fractions of equity, after drift.
        """
        n_filled = self.moves.n_filled
        weights = self.positions[book, n_filled] * (1 + self.moves.at_close)
        weights /= self.growth[book, :, None]
        weights[self.moves.market.ended] = 0.0
        return np.asarray(weights)


def run_returns(moves: Moves, targets: Array, terms: Terms) -> ReturnsRun:
    """Hold target weights (K, D, N) from fill to fill; what is left to 1 is cash."""
    market, orders, bars, costs = moves.market, moves.orders, moves.bars, terms.costs
    at_once = orders.at_once and costs.proportional
    if at_once:
        nothing = np.zeros((len(targets), 1, targets.shape[2]))
        positions = np.concatenate([nothing, targets[:, view(orders.decision)]], axis=1)
    else:
        positions, traded, paid = _in_turn(moves, targets, terms)
    growth = _growth(positions[:, moves.n_filled], moves.at_close)
    at_fill = _growth(positions[:, :-1], moves.at_fill)
    if costs.has_interest(terms.cash_rate):
        starts, ends = np.concatenate([[0], orders.filled]), np.append(orders.filled, len(market.dates) - 1)
        interest = _interest(market, positions, moves.base, starts, ends, terms)
        at_fill += interest[:, bars]
        interest[:, bars] = 0.0
        growth += interest
    before = positions[:, :-1] * (1 + moves.at_fill)
    if np.count_nonzero(market.ended):
        before[:, market.ended[bars]] = 0.0
    if at_once:
        traded = positions[:, 1:] * at_fill[:, :, None]
        traded -= before
        np.abs(traded, out=traded)
        paid = costs.paid(traded)
    return ReturnsRun(moves, positions, growth, at_fill, before, traded, paid)


def _in_turn(moves: Moves, targets: Array, terms: Terms) -> tuple[Array, Array, Array]:
    """Positions (K, F + 1, N), values traded (K, F, N) and costs (K, F) of a run, one fill after another.

    What does not fill keeps its shares. Where it is a sale, purchases that need its cash wait with it.
    """
    market, orders, base = moves.market, moves.orders, moves.base
    n_books, n_fills = len(targets), len(orders.filled)
    positions, traded = np.zeros((n_books, n_fills + 1, len(market.assets))), np.zeros((n_books, *orders.due.shape))
    paid, equity, unpaid = (
        np.zeros((n_books, n_fills)),
        np.full(n_books, terms.money),
        np.zeros_like(targets[:, 0], bool),
    )
    starts, bars = np.concatenate([[0], orders.filled]), orders.filled
    for fill, decision in enumerate(orders.decision.tolist()):
        target, weights, gains = targets[:, decision], positions[:, fill], moves.at_fill[fill]
        growth = _growth(weights[:, None], gains[None])[:, 0]
        if terms.costs.has_interest(terms.cash_rate):
            span = base[fill : fill + 1], starts[fill : fill + 1], bars[fill : fill + 1]
            growth += _interest(market, weights[:, None], *span, terms)[:, bars[fill]]
        before = np.where(market.ended[bars[fill]], 0.0, weights * (1 + gains) / growth[:, None])
        due, unpaid = due_now(market, orders, fill, unpaid)
        change = np.where(due, target - before, 0.0)
        if not orders.due[fill].all():
            share = _affordable(before, change, np.maximum(terms.leverage, target.sum(axis=1)))[:, None]
            unpaid |= (change > 0) & (share < 1)
            change = np.where(change > 0, change * share, change)
        size = np.where(np.abs(change) > 1e-12, np.abs(change), 0.0)  # rounding is not an order
        equity *= growth
        fees = np.where(size.any(axis=1), terms.costs.paid(size * equity[:, None]) / equity, 0.0)
        positions[:, fill + 1] = np.where(due, before + change, before / (1 - fees)[:, None])
        equity *= 1 - fees
        traded[:, fill], paid[:, fill] = size * growth[:, None], fees * growth
    return positions, traded, paid


def _affordable(before: Array, change: Array, most: Array) -> Array:
    """Factors (K,) in 0..1 for the purchases among changes (K, N) that keep the sum of the weights at ``most``."""
    purchases = np.maximum(change, 0.0).sum(axis=1)
    excess = np.maximum((before + change).sum(axis=1) - most, 0.0)
    return np.where(excess > 1e-12, np.maximum(1 - excess / np.where(purchases > 0, purchases, 1.0), 0.0), 1.0)


def _growth(weights: Array, gains: Array) -> Array:
    """Growth of the equity when assets gain this much (T, N): ``1 + sum(weights * gains)`` (K, T)."""
    one_asset = gains.shape[1] == 1  # for which einsum would cost more than all else
    growth = weights[:, :, 0] * gains[:, 0] if one_asset else np.einsum("ktn,tn->kt", weights, gains)
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
