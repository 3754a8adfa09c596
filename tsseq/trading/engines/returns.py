"""The engine of returns: weights times moves, for many books of the same decisions at once.

A position that is filled at the price ``p`` and not traded is worth ``w * price / p`` of the equity at its fill, so
everything between two fills is known without walking from bar to bar.
"""

from typing import NamedTuple

import numpy as np

from tsseq.trading.book import Costs
from tsseq.trading.execution import Bars, Floats, Market, Orders


class Held(NamedTuple):
    """K books: gross growth of each bar, and costs and weights at each fill."""

    factors: Floats  # (K, T): 1 + gross return; 0 or less where the equity is lost
    costs: Floats  # (K, D): fraction of the equity at each fill
    turnover: Floats  # (K, D)
    before: Floats  # (K, D, N): weights that meet the order
    positions: Floats  # (K, D + 1, N): after each fill; nothing before the first
    growth: Floats  # (K, T): equity at the close over that after the last fill

    base: Floats  # (D + 1, N): prices of these fills

    def weights(self, market: Market, orders: Orders, book: int = 0) -> Floats:
        """Weights of one book at each close (T, N)."""
        now = view(np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right"))
        worth = self.positions[book, now] * market.closes / self.base[now]
        worth /= self.growth[book, :, None]
        worth[market.ended] = 0.0
        return np.asarray(worth)


def hold(market: Market, orders: Orders, costs: Costs, cash_rate: float = 0.0) -> Held:
    """Hold target weights (K, D, N) from fill to fill; what is left to 1 is cash."""
    targets, at = orders.targets, view(orders.filled)
    now = view(np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right"))  # (T,): fills so far
    base = np.concatenate([market.closes[:1], market.fills[at]])  # (D + 1, N)
    positions = np.concatenate([np.zeros((len(targets), 1, targets.shape[2])), targets], axis=1)
    growth = _grown(positions[:, now], market.closes / base[now])
    moves = market.fills[at] / base[:-1]  # (D, N)
    at_fill = _grown(positions[:, :-1], moves)
    if cash_rate or costs.borrow_bps:
        interest = _interest(market, positions, base, orders.filled, cash_rate, costs.borrow_bps / 10_000)
        at_fill += interest[:, at]
        interest[:, at] = 0.0
        growth += interest
    factors = np.empty_like(growth)  # over the close before: a ratio within a fill, and through the fill on its bar
    factors[:, 0] = growth[:, 0]
    np.divide(growth[:, 1:], growth[:, :-1], out=factors[:, 1:])
    factors[:, at] *= np.maximum(at_fill, 0.0)  # all lost before the fill stays lost, whatever follows on that bar
    before = positions[:, :-1] * moves
    before /= at_fill[:, :, None]
    if market.ended.any():
        before[:, market.ended[at]] = 0.0
    change = targets - before
    turnover = _total(np.abs(change, out=change))  # (K, D)
    paid = costs.rate * turnover
    if costs.fixed:
        paid = _with_fixed(factors, paid, growth, orders, change, costs.fixed)
    return Held(factors, paid, turnover, before, positions, growth, base)


def _grown(weights: Floats, moves: Floats) -> Floats:
    """Growth of the equity when prices move by these factors (T, N): ``1 + sum(weights * (moves - 1))`` (K, T)."""
    one = moves.shape[1] == 1
    grown = weights[:, :, 0] * (moves[:, 0] - 1) if one else np.einsum("ktn,tn->kt", weights, moves - 1)
    grown += 1
    return np.asarray(grown)


def _total(values: Floats) -> Floats:
    """Sum over the last axis, the assets; summing one by one would cost more than all else."""
    return np.asarray(values[..., 0] if values.shape[-1] == 1 else values.sum(axis=-1))


def view(index: Bars) -> Bars | slice:
    """A slice where the index counts up by one, for views instead of copies: decisions of every bar."""
    if len(index) and index[-1] - index[0] == len(index) - 1 and (np.diff(index) == 1).all():
        return slice(int(index[0]), int(index[-1]) + 1)
    return index


def _interest(market: Market, positions: Floats, base: Floats, filled: Bars, cash_rate: float, borrow: float) -> Floats:
    """Interest since the last fill, paid at the start of each bar on what was held at the close before (K, T)."""
    begins, ends = np.concatenate([[0], filled]), np.append(filled, len(market.dates) - 1)
    total = np.zeros((len(positions), len(market.dates)))
    earned = np.zeros(positions.shape[:2])  # (K, D + 1)
    cash = 1 - positions.sum(axis=2)  # (K, D + 1)
    for step in range(1, int((ends - begins).max(initial=0)) + 1):
        running = np.flatnonzero(begins + step <= ends)
        bars = begins[running] + step
        worth = positions[:, running] * (market.closes[bars - 1] / base[running])  # (K, R, N)
        ended = market.ended[bars - 1]
        idle = cash[:, running] + earned[:, running] + np.where(ended, worth, 0.0).sum(axis=2)
        short = -np.where(ended, 0.0, np.minimum(worth, 0.0)).sum(axis=2)
        rate = cash_rate * idle - borrow * (short + np.maximum(-idle, 0.0))
        earned[:, running] += market.years[bars] * rate
        total[:, bars] = earned[:, running]
    return total


def _with_fixed(factors: Floats, paid: Floats, growth: Floats, orders: Orders, change: Floats, fixed: float) -> Floats:
    """Add the fixed fees of each fill (K, D), which weigh the more the smaller the equity has become."""
    paid = paid.copy()
    path = np.cumprod(factors, axis=1)[:, orders.filled] / growth[:, orders.filled]  # (K, D): before costs, at fill
    count = (change > 1e-12).sum(axis=2)
    left = np.ones(len(paid))
    for fill in range(paid.shape[1]):
        with np.errstate(divide="ignore", invalid="ignore"):
            paid[:, fill] += np.where(count[:, fill] > 0, fixed * count[:, fill] / (path[:, fill] * left), 0.0)
        left *= 1 - paid[:, fill]
    return paid
