"""The engine of shares: orders in numbers of shares, paid from one cash account, for many accounts at once.

On a bar with a fill, targets are sized on the equity at the fill prices; sales come first, then all purchases, scaled
down by one factor to the cash there is. What a sale that still waits has to pay for waits with it. One asset alone
gives what vectorbt's ``Portfolio.from_orders(size_type="targetpercent")`` gives.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tsseq.trading.book import Account
from tsseq.trading.costs import Costs, over_assets
from tsseq.trading.execution import Market
from tsseq.trading.orders import Orders, due_now
from tsseq.trading.terms import Terms
from tsseq.typing import Array, Mask


class SharesRun(NamedTuple):
    """K accounts: cash and equity at each close, and what each fill traded.

    Attributes
    ----------
    cash, equity : ndarray of shape (K, T)
        At each close, in the unit of the capital.
    shares : ndarray of shape (K, F + 1, N)
        After each fill; nothing before the first.
    before : ndarray of shape (K, F, N)
        Weights that meet the order.
    equity_at_fill : ndarray of shape (K, F)
        Before trading.
    traded : ndarray of shape (K, F, N)
        Shares, negative for sales.
    """

    cash: Array
    equity: Array
    shares: Array
    before: Array
    equity_at_fill: Array
    traded: Array


def run_shares(market: Market, orders: Orders, targets: Array, terms: Terms) -> SharesRun:
    """Trade towards target weights (K, D, N); cash may sink to ``(1 - leverage)`` times the equity."""
    n_books, n_fills, n_assets = len(targets), *orders.due.shape
    fill_of_bar = dict(zip(orders.filled.tolist(), range(n_fills)))
    # The bar from which an asset that ended is cash.
    ending = set((np.flatnonzero((market.ended[1:] & ~market.ended[:-1]).any(axis=1)) + 1).tolist())
    cash_at_close, equity_at_fill = np.ones((n_books, len(market.dates))), np.ones((n_books, n_fills))
    holdings, traded = np.zeros((n_books, n_fills + 1, n_assets)), np.zeros((n_books, n_fills, n_assets))
    cash, shares = np.full(n_books, terms.money), np.zeros((n_books, n_assets))
    at_once, unpaid = orders.at_once, np.zeros((n_books, n_assets), dtype=np.bool_)
    for bar in range(len(market.dates)):
        if bar and terms.costs.has_interest(terms.cash_rate):
            short = -np.minimum(shares, 0.0) @ market.closes[bar - 1]
            cash = cash + market.years[bar] * terms.costs.interest(cash, short, terms.cash_rate)
        if bar in ending:
            cash = cash + np.where(market.ended[bar], shares * market.closes[bar], 0.0).sum(axis=1)
            shares = np.where(market.ended[bar], 0.0, shares)
        if bar in fill_of_bar:
            fill, prices = fill_of_bar[bar], market.fills[bar]
            equity = equity_at_fill[:, fill] = cash + shares @ prices
            target = targets[:, orders.decision[fill]]
            if at_once:
                change, outlay = trades(target, prices, terms, cash, shares, equity)[:2]
            else:
                due, unpaid = due_now(market, orders, fill, unpaid)
                target = np.where(due, target, shares * prices / equity[:, None])
                change, outlay, short_of_cash = trades(target, prices, terms, cash, shares, equity)
                unpaid |= short_of_cash & ~orders.due[fill].all()
            cash, shares = cash - outlay, shares + change
            traded[:, fill], holdings[:, fill + 1] = change, shares
        cash_at_close[:, bar] = cash
    return _valued(market, orders, cash_at_close, holdings, equity_at_fill, traded)


def trades(
    target: Array, prices: Array, terms: Terms, cash: Array, shares: Array, equity: Array
) -> tuple[Array, Array, Mask]:
    """Orders that take accounts to their target weights.

    Parameters
    ----------
    target : ndarray of shape (K, N)
        Weights to reach.
    prices : ndarray of shape (N,)
        Price of a share of each asset.
    terms : Terms
        Costs, leverage and lots.
    cash : ndarray of shape (K,)
        Cash of each account.
    shares : ndarray of shape (K, N)
        Shares in it.
    equity : ndarray of shape (K,)
        What both are worth at the prices.

    Returns
    -------
    tuple
        Shares to trade (K, N), the cash that all of it takes (K,), and which purchases the cash cuts short (K, N).
    """
    most = equity[:, None] / prices  # (K, N): shares that the whole equity would buy
    change = target * most - shares
    change[np.abs(change) <= 1e-12 * np.abs(most)] = 0.0
    change = _in_lots(change, terms.lot_size)
    outlay = terms.costs.outlay(change * prices, change)
    sales, purchases = over_assets(np.where(change < 0, outlay, 0.0)), over_assets(np.where(change > 0, outlay, 0.0))
    room = cash - sales + (terms.leverage - 1) * equity
    if not (purchases > room).any():
        return change, sales + purchases, np.zeros_like(change, dtype=np.bool_)
    bought = np.maximum(change, 0.0)
    scale = terms.costs.affordable(bought * prices, bought, room)[:, None]
    short_of_cash = (change > 0) & (scale < 1)
    change = np.where(short_of_cash, _in_lots(change * scale, terms.lot_size), change)
    purchases = over_assets(np.where(change > 0, terms.costs.outlay(change * prices, change), 0.0))
    return change, sales + purchases, short_of_cash


def _in_lots(shares: Array, lot_size: float | None) -> Array:
    """Shares rounded towards zero; what misses a lot by rounding is one."""
    return shares if lot_size is None else np.trunc(np.round(shares / lot_size, 9)) * lot_size


def _valued(market: Market, orders: Orders, cash: Array, holdings: Array, at_fill: Array, traded: Array) -> SharesRun:
    """Add what follows from cash and trades, for all fills and bars at once."""
    n_filled = np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right")
    closes = np.where(market.ended, 0.0, market.closes)  # what ended is in the cash
    fills = np.where(market.ended[orders.filled], 0.0, market.fills[orders.filled])
    equity = cash + np.einsum("ktn,tn->kt", holdings[:, n_filled], closes)
    return SharesRun(cash, equity, holdings, holdings[:, :-1] * fills / at_fill[:, :, None], at_fill, traded)


def charged(run: SharesRun, market: Market, orders: Orders, costs: Costs) -> tuple[Array, Array]:
    """Slippage and fees (F, N) of the trades of the first of the accounts."""
    value = run.traded[0] * market.fills[orders.filled]
    slippage = costs.slippage(value)
    return slippage, costs.fees(value + slippage, run.traded[0])


def account_of(run: SharesRun, market: Market, orders: Orders, costs: Costs, start: int) -> Account:
    """Tables of the first of the accounts, from bar ``start`` on."""
    n_filled = np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right")
    shares = np.where(market.ended, 0.0, run.shares[0, n_filled])  # (T, N)
    rows, columns = np.nonzero(run.traded[0])
    slippage, fees = (amounts[rows, columns] for amounts in charged(run, market, orders, costs))
    bars, traded = orders.filled[rows], run.traded[0, rows, columns]
    trades = pd.DataFrame({"date": market.dates[bars], "asset": market.assets[columns], "shares": traded})
    trades = trades.assign(price=market.fills[bars, columns] + slippage / traded, fee=fees)
    dates = market.dates[start:]
    return Account(
        shares=pd.DataFrame(shares[start:], dates, market.assets),
        positions=pd.DataFrame((shares * market.closes)[start:], dates, market.assets),
        cash=pd.Series(run.cash[0, start:], dates, name="cash"),
        trades=trades,
        fees=pd.Series(np.bincount(bars, fees, len(market.dates))[start:], dates, name="fees"),
    )
