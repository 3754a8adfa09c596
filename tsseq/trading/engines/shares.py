"""The engine of shares: orders in numbers of shares, paid from one cash account, for many accounts at once.

On a bar with a fill, targets are sized on the equity at the fill prices; sales come first, then all purchases, scaled
down by one factor to the cash there is. What a sale that still waits has to pay for waits with it. One asset alone
gives what vectorbt's ``Portfolio.from_orders(size_type="targetpercent")`` gives.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from tsseq.trading.book import Account
from tsseq.trading.costs import Costs, ones
from tsseq.trading.engines.returns import view
from tsseq.trading.execution import Market
from tsseq.trading.orders import Orders, due_now
from tsseq.trading.terms import Terms
from tsseq.typing import Array, Mask

Amount: TypeAlias = Array | np.float64

# Orders of less than this part of the equity are rounding.
_ROUNDING = 1e-12


class SharesRun(NamedTuple):
    """K accounts: cash and equity at each close, and what each fill traded.

    Attributes
    ----------
    cash, equity : ndarray of shape (K, T)
        At each close, in the unit of the capital.
    shares : ndarray of shape (K, F + 1, N)
        After each fill; nothing before the first.
    equity_at_fill : ndarray of shape (K, F)
        Before trading.
    traded : ndarray of shape (K, F, N)
        Shares, negative for sales.
    """

    cash: Array
    equity: Array
    shares: Array
    equity_at_fill: Array
    traded: Array


def run_shares(market: Market, orders: Orders, targets: Array, terms: Terms) -> SharesRun:
    """Trade towards target weights (K, D, N); cash may sink to ``(1 - leverage)`` times the equity."""
    # One account alone has no axis of accounts: numbers cost half of what arrays of one do.
    accounts = targets.shape[:1] if len(targets) > 1 else ()
    column = (1,) if accounts else ()
    n_fills, n_assets = orders.due.shape
    wanted = np.moveaxis(targets, 0, 1) if accounts else targets[0]  # (D, K, N) or (D, N)
    fills = np.ascontiguousarray(market.fills[view(orders.filled)])  # (F, N)
    columns = fills.reshape(n_fills, n_assets, *column)  # by which the shares of K accounts are multiplied
    fill_of_bar, decisions = dict(zip(orders.filled.tolist(), range(n_fills))), orders.decision.tolist()
    # The bar from which an asset that ended is cash.
    ending = set((np.flatnonzero((market.ended[1:] & ~market.ended[:-1]).any(axis=1)) + 1).tolist())
    cash_at_close, equity_at_fill = (np.ones((n_bars, *accounts, *column)) for n_bars in (len(market.dates), n_fills))
    holdings, traded = (np.zeros((n, *accounts, n_assets)) for n in (n_fills + 1, n_fills))
    cash, shares = np.full((*accounts, *column), terms.money)[()], holdings[0]
    at_once, unpaid = orders.at_once, np.zeros(shares.shape, dtype=np.bool_)
    has_interest = terms.costs.has_interest(terms.cash_rate)
    for bar in range(len(market.dates)):
        if bar and has_interest:
            short = -np.minimum(shares, 0.0).dot(market.closes[bar - 1].reshape(-1, *column))
            cash = cash + market.years[bar] * terms.costs.interest(cash, short, terms.cash_rate)
        if bar in ending:
            cash = cash + shares.dot(np.where(market.ended[bar], market.closes[bar], 0.0).reshape(-1, *column))
            shares = np.where(market.ended[bar], 0.0, shares)
        if bar in fill_of_bar:
            fill = fill_of_bar[bar]
            prices, target = fills[fill], wanted[decisions[fill]]
            equity = cash + shares.dot(columns[fill])
            if at_once:
                change, outlay, _ = trades(target, prices, terms, cash, shares, equity)
            else:
                due, unpaid = due_now(market, orders, fill, unpaid)
                target = np.where(due, target, shares * prices / equity)
                change, outlay, short_of_cash = trades(target, prices, terms, cash, shares, equity)
                unpaid |= short_of_cash & ~orders.due[fill].all()
            cash, shares = cash - outlay, shares + change
            equity_at_fill[fill], traded[fill], holdings[fill + 1] = equity, change, shares
        cash_at_close[bar] = cash
    return _valued(market, orders, cash_at_close, holdings, equity_at_fill, traded)


def trades(
    target: Array, prices: Array, terms: Terms, cash: Amount, shares: Array, equity: Amount
) -> tuple[Array, Amount, Mask | np.bool_]:
    """Orders that take accounts to their target weights.

    Parameters
    ----------
    target : ndarray of shape (N,) or (K, N)
        Weights to reach.
    prices : ndarray of shape (N,)
        Price of a share of each asset.
    terms : Terms
        Costs, leverage and lots.
    cash : float or ndarray of shape (K, 1)
        Cash of each account.
    shares : ndarray of shape (N,) or (K, N)
        Shares in it.
    equity : float or ndarray of shape (K, 1)
        What both are worth at the prices.

    Returns
    -------
    tuple
        Shares to trade, in the shape of the targets; the cash that all of it takes; and which purchases are cut short
        of it, False where none is.
    """
    change = target * (equity / prices)
    change -= shares
    value = change * prices
    tiny = np.abs(value) <= _ROUNDING * equity
    if np.count_nonzero(tiny):
        change[tiny] = value[tiny] = 0.0
    if terms.lot_size is not None:
        change = _in_lots(change, terms.lot_size)
        value = change * prices
    outlay = terms.costs.outlay(value, change)
    every = ones((len(prices), *cash.shape[1:]))
    total, room = outlay.dot(every), cash + (terms.leverage - 1) * equity
    lacking = total > room
    if not (lacking.any() if lacking.ndim else lacking):
        return change, total, lacking
    ruinous = (change < 0) & (outlay > 0) & lacking  # sales that cost more in fees than they bring
    if ruinous.any():
        change, outlay = np.where(ruinous, 0.0, change), np.where(ruinous, 0.0, outlay)
    room = room - np.where(change < 0, outlay, 0.0).dot(every)
    bought = np.maximum(change, 0.0)
    scale = terms.costs.affordable(bought * prices, bought, room.reshape(change.shape[:-1])).reshape(room.shape)
    short_of_cash = (change > 0) & (scale < 1)
    change = np.where(short_of_cash, _in_lots(change * scale, terms.lot_size), change)
    return change, terms.costs.outlay(change * prices, change).dot(every), short_of_cash


def _in_lots(shares: Array, lot_size: float | None) -> Array:
    """Shares rounded towards zero; what misses a lot by rounding is one."""
    return shares if lot_size is None else np.trunc(np.round(shares / lot_size, 9)) * lot_size


def _valued(market: Market, orders: Orders, cash: Array, holdings: Array, at_fill: Array, traded: Array) -> SharesRun:
    """Add what follows from cash and trades, for all fills and bars at once, and put the accounts first."""
    n_filled = np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right")
    closes = market.closes * ~market.ended if market.ended.any() else market.closes  # what ended is in the cash
    (n_fills, n_assets), n_bars = orders.due.shape, len(closes)
    shares = np.moveaxis(holdings.reshape(n_fills + 1, -1, n_assets), 1, 0)
    equity = np.einsum("ktn,tn->kt", shares[:, view(n_filled)], closes)
    equity += cash.reshape(n_bars, -1).T
    traded = np.moveaxis(traded.reshape(n_fills, -1, n_assets), 1, 0)
    return SharesRun(cash.reshape(n_bars, -1).T, equity, shares, at_fill.reshape(n_fills, -1).T, traded)


def charged(run: SharesRun, market: Market, orders: Orders, costs: Costs) -> tuple[Array, Array]:
    """Slippage and fees (F, N) of the trades of the first of the accounts."""
    value = run.traded[0] * market.fills[view(orders.filled)]
    slippage = costs.slippage(value)
    return slippage, costs.fees(value + slippage, run.traded[0])


def account_of(run: SharesRun, market: Market, orders: Orders, charges: tuple[Array, Array], start: int) -> Account:
    """Tables of the first of the accounts, from bar ``start`` on, with the slippage and fees (F, N) of its trades."""
    n_filled = np.searchsorted(orders.filled, np.arange(len(market.dates)), side="right")
    shares = np.where(market.ended, 0.0, run.shares[0, view(n_filled)])  # (T, N)
    amounts = run.traded[0], np.ascontiguousarray(market.fills[view(orders.filled)]), *charges
    cells = np.flatnonzero(run.traded[0])  # one number for each, since two would take NumPy ten times as long
    traded, prices, slippage, fees = (amount.take(cells) for amount in amounts)
    fills = np.repeat(np.arange(len(orders.filled)), np.count_nonzero(run.traded[0], axis=1))
    assets = cells - fills * len(market.assets)
    bars = orders.filled[fills]
    trades = {
        "date": market.dates[bars],
        "asset": market.assets[assets],
        "shares": traded,
        "price": prices + slippage / traded,
        "fee": fees,
    }
    dates = market.dates[start:]
    return Account(
        shares=pd.DataFrame(shares[start:], dates, market.assets, copy=False),
        positions=pd.DataFrame((shares * market.closes)[start:], dates, market.assets, copy=False),
        cash=pd.Series(run.cash[0, start:], dates, name="cash"),
        trades=pd.DataFrame(trades, copy=False),
        fees=pd.Series(np.bincount(bars, fees, len(market.dates))[start:], dates, name="fees"),
    )
