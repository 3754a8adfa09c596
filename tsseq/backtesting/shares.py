"""The engine of shares: orders in numbers of shares, paid from one cash account, for many accounts at once.

On a bar with a decision, targets are sized on the equity at the fill prices; sales come first, then all purchases,
scaled down by one factor to the cash there is. One asset alone gives what vectorbt's
``Portfolio.from_orders(size_type="targetpercent")`` gives.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tsseq.backtesting.book import Account, Costs
from tsseq.backtesting.market import Floats, Market, Orders


class Ledger(NamedTuple):
    """K accounts: cash and shares at each close, and what each decision traded."""

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
    ledger = _empty(n_books, n_fills, n_assets, len(market.dates))
    fills = dict(zip(orders.filled.tolist(), range(n_fills)))
    paying = bool(cash_rate or costs.borrow_bps)
    # The bar from which an asset that ended is cash.
    ending = set(np.flatnonzero((market.ended[1:] & ~market.ended[:-1]).any(axis=1)) + 1)
    cash, shares, fill = np.ones(n_books), np.zeros((n_books, n_assets)), None
    for bar in range(len(market.dates)):
        if paying and bar:
            cash = cash + _interest(market, bar, cash, shares, cash_rate, costs.borrow_bps / 10_000)
        if bar in ending:
            cash = cash + np.where(market.ended[bar], shares * market.closes[bar], 0.0).sum(axis=1)
            shares = np.where(market.ended[bar], 0.0, shares)
        fill = fills.get(bar)
        if fill is not None:
            target, price = orders.targets[:, fill], market.fills[bar]
            worth = cash + shares @ price
            traded, paid, fees = _orders(target, price, cash, shares, worth, costs, leverage)
            ledger.before[:, fill] = shares * price / worth[:, None]
            ledger.worth[:, fill], ledger.traded[:, fill], ledger.fees[:, fill] = worth, traded, fees
            cash, shares = cash - paid, shares + traded
            ledger.shares[:, fill + 1] = shares
        ledger.cash[:, bar] = cash
        ledger.equity[:, bar] = cash + shares @ market.closes[bar]
    return ledger


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


def _orders(
    target: Floats, price: Floats, cash: Floats, shares: Floats, worth: Floats, costs: Costs, leverage: float
) -> tuple[Floats, Floats, Floats]:
    """Shares to trade (K, N), what they cost in all (K,), fees included, and the fees (K, N)."""
    fee, slip = costs.bps / 10_000, costs.slippage_bps / 10_000
    change = target * worth[:, None] / price - shares  # (K, N)
    change[np.abs(change * price) <= 1e-12 * np.abs(worth[:, None])] = 0.0
    sold, bought = np.minimum(change, 0.0), np.maximum(change, 0.0)
    income = -sold * (price * (1 - slip))  # (K, N)
    room = cash + (income * (1 - fee) - costs.fixed * (sold < 0)).sum(axis=1) + (leverage - 1) * worth
    room -= costs.fixed * (bought > 0).sum(axis=1)
    price_up = price * (1 + slip)
    needed = (bought * price_up).sum(axis=1) * (1 + fee)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where((needed > room) & (needed > 0), np.maximum(room, 0.0) / needed, 1.0)
    bought *= scale[:, None]
    spent = bought * price_up
    fees = (income + spent) * fee + costs.fixed * ((sold < 0) | (bought > 0))
    return sold + bought, (spent - income + fees).sum(axis=1), fees


def _interest(market: Market, bar: int, cash: Floats, shares: Floats, cash_rate: float, borrow: float) -> Floats:
    short = -np.minimum(shares, 0.0) @ market.closes[bar - 1]
    rate = cash_rate * cash - borrow * (short + np.maximum(-cash, 0.0))
    return np.asarray(market.years[bar] * rate)


def _empty(n_books: int, n_fills: int, n_assets: int, n_bars: int) -> Ledger:
    each_bar, each_fill = (n_books, n_bars), (n_books, n_fills, n_assets)
    return Ledger(
        cash=np.ones(each_bar),
        equity=np.ones(each_bar),
        shares=np.zeros((n_books, n_fills + 1, n_assets)),
        before=np.zeros(each_fill),
        worth=np.ones(each_fill[:2]),
        traded=np.zeros(each_fill),
        fees=np.zeros(each_fill),
    )
