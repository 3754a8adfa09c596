"""The engine of shares: orders in numbers of shares, paid from one cash account, for many accounts at once.

On a bar with a decision, targets are sized on the equity at the fill prices; sales come first, then all purchases,
scaled down by one factor to the cash there is. One asset alone gives what vectorbt's
``Portfolio.from_orders(size_type="targetpercent")`` gives.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsseq.trading.book import Account, Costs
from tsseq.trading.execution import Floats, Market, Orders


class Ledger(NamedTuple):
    """K accounts: cash and equity at each close, and what each decision traded."""

    cash: Floats  # (K, T)
    equity: Floats  # (K, T)
    shares: Floats  # (K, D + 1, N): after each fill; nothing before the first
    before: Floats  # (K, D, N): weights that meet the order
    worth: Floats  # (K, D): equity at the fill, before trading
    traded: Floats  # (K, D, N): shares, negative for sales
    fees: Floats  # (K, D, N)


def trade(market: Market, orders: Orders, costs: Costs, cash_rate: float = 0.0, leverage: float = 1.0) -> Ledger:
    """Trade towards target weights (K, D, N); cash may sink to ``(1 - leverage)`` times the equity."""
    n_books, n_fills, n_assets = orders.targets.shape
    fills = dict(zip(orders.filled.tolist(), range(n_fills)))
    deal = _dealer(market.fills[orders.filled], costs, leverage)
    paying = bool(cash_rate or costs.borrow_bps)
    # The bar from which an asset that ended is cash.
    ending = set((np.flatnonzero((market.ended[1:] & ~market.ended[:-1]).any(axis=1)) + 1).tolist())
    left, worth = np.ones((n_books, len(market.dates))), np.ones((n_books, n_fills))
    held, traded = np.zeros((n_books, n_fills + 1, n_assets)), np.zeros((n_books, n_fills, n_assets))
    cash, shares = np.ones(n_books), np.zeros((n_books, n_assets))
    for bar in range(len(market.dates)):
        if paying and bar:
            cash = cash + _interest(market, bar, cash, shares, cash_rate, costs.borrow_bps / 10_000)
        if bar in ending:
            cash = cash + np.where(market.ended[bar], shares * market.closes[bar], 0.0).sum(axis=1)
            shares = np.where(market.ended[bar], 0.0, shares)
        if bar in fills:
            fill = fills[bar]
            equity = worth[:, fill] = cash + shares @ market.fills[bar]
            change, paid = deal(fill, orders.targets[:, fill], cash, shares, equity)
            cash, shares = cash - paid, shares + change
            traded[:, fill], held[:, fill + 1] = change, shares
        left[:, bar] = cash
    return _closed(market, orders, costs, left, held, worth, traded)


def _closed(
    market: Market, orders: Orders, costs: Costs, cash: Floats, held: Floats, worth: Floats, traded: Floats
) -> Ledger:
    """Add what follows from cash and trades, for all fills and bars at once."""
    at = orders.filled
    now = np.searchsorted(at, np.arange(len(market.dates)), side="right")
    closes = np.where(market.ended, 0.0, market.closes)  # what ended is in the cash
    fills = np.where(market.ended[at], 0.0, market.fills[at])
    slipped = market.fills[at] * (1 + np.sign(traded) * costs.slippage_bps / 10_000)
    return Ledger(
        cash=cash,
        equity=cash + np.einsum("ktn,tn->kt", held[:, now], closes),
        shares=held,
        before=held[:, :-1] * fills / worth[:, :, None],
        worth=worth,
        traded=traded,
        fees=np.abs(traded) * slipped * (costs.bps / 10_000) + costs.fixed * (traded != 0),
    )


def account_of(ledger: Ledger, market: Market, orders: Orders, costs: Costs, start: int) -> Account:
    """Tables of the first of the accounts, from bar ``start`` on."""
    now = np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right")
    shares = np.where(market.ended, 0.0, ledger.shares[0, now])  # (T, N)
    rows, columns = np.nonzero(ledger.traded[0])
    bars, traded, fee = orders.filled[rows], ledger.traded[0][rows, columns], ledger.fees[0][rows, columns]
    trades = pd.DataFrame(
        {
            "date": market.dates[bars],
            "asset": market.assets[columns],
            "shares": traded,
            "price": market.fills[bars, columns] * (1 + np.sign(traded) * costs.slippage_bps / 10_000),
            "fee": fee,
        }
    )
    fees = np.bincount(bars, fee, len(market.dates))[start:]
    dates = market.dates[start:]
    return Account(
        shares=pd.DataFrame(shares[start:], dates, market.assets),
        positions=pd.DataFrame((shares * market.closes)[start:], dates, market.assets),
        cash=pd.Series(ledger.cash[0, start:], dates, name="cash"),
        trades=trades,
        fees=pd.Series(fees, dates, name="fees"),
    )


def _dealer(prices: Floats, costs: Costs, leverage: float) -> Callable[..., tuple[Floats, Floats]]:
    """Return a function that deals at the prices (D, N) of a fill: shares to trade (K, N), and what all cost (K,)."""
    fee, slip, fixed = costs.bps / 10_000, costs.slippage_bps / 10_000, costs.fixed
    buying, selling = prices * (1 + slip) * (1 + fee), prices * (1 - slip) * (1 - fee)

    def deal(fill: int, target: Floats, cash: Floats, shares: Floats, worth: Floats) -> tuple[Floats, Floats]:
        value = worth[:, None] / prices[fill]  # (K, N): shares that the whole equity would buy
        change = target * value
        change -= shares
        change[np.abs(change) <= 1e-12 * np.abs(value)] = 0.0
        sold, bought = np.minimum(change, 0.0), np.maximum(change, 0.0)
        income, needed = -(sold @ selling[fill]), bought @ buying[fill]  # (K,)
        paid = -income
        if fixed:
            paid += fixed * np.count_nonzero(change, axis=1)
        room = cash - paid + (leverage - 1) * worth
        if (needed > room).any():
            short = (needed > room) & (needed > 0)
            scale = np.where(short, np.maximum(room, 0.0) / np.where(short, needed, 1.0), 1.0)
            paid -= fixed * np.count_nonzero(bought, axis=1) * (scale == 0)  # nothing bought, no fee
            bought *= scale[:, None]
            needed *= scale
        sold += bought
        return sold, paid + needed

    return deal


def _interest(market: Market, bar: int, cash: Floats, shares: Floats, cash_rate: float, borrow: float) -> Floats:
    short = -np.minimum(shares, 0.0) @ market.closes[bar - 1]
    rate = cash_rate * cash - borrow * (short + np.maximum(-cash, 0.0))
    return np.asarray(market.years[bar] * rate)
