"""Simulate holding a portfolio: weights and prices in, a `Book` of returns out."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.errors import DataError
from tsseq.hints import rejects_foreign_names
from tsseq.trading.benchmark import Benchmark, benchmark_returns
from tsseq.trading.book import Account, Book
from tsseq.trading.costs import Costs, financing_caveats
from tsseq.trading.engines.returns import Moves, run_returns, view
from tsseq.trading.engines.shares import account_of, charged, run_shares
from tsseq.trading.execution import Market, opened
from tsseq.trading.orders import Orders, delisting_caveats, orders_of, read_weights, waiting_caveats
from tsseq.trading.price_table import listed, read_prices
from tsseq.trading.statistics.returns import bars_per_year
from tsseq.trading.terms import Engine, Terms
from tsseq.typing import Array

# One book over all bars: returns, gross_returns, turnover and costs_paid; weights (T, N), and those before each fill
# (F, N); the account.
_Outcome: TypeAlias = tuple[pd.DataFrame, Array, Array, Account | None]


@rejects_foreign_names
def simulate(
    weights: Frame,
    prices: Frame,
    *,
    execution: str | None = None,
    costs: Costs | None = None,
    cash_rate: float = 0.0,
    leverage: float = 1.0,
    engine: Engine = "returns",
    price: str = "close",
    benchmark: Benchmark = "equal_weight",
    delisting_return: float = 0.0,
    capital: float | None = None,
    lot_size: float | None = None,
) -> Book:
    """Hold the weights and account for drift, turnover and costs exactly.

    A row of weights dated t was decided with data up to the close of t. Once filled, positions are held, without any
    trade, until the next row is. Weights are fractions of equity, negative ones short; what is left to 1 is cash.

    An order without a price at its fill, in a trading halt say, waits for the next bar that has one, and purchases that
    need the cash of such a sale wait with it, unless the next decision comes first. It fills at the price of the
    execution, or at the close of that bar where only the open is missing; never at a price from before the decision.
    The caveats count these orders. An asset whose prices end more than five bars before the last one becomes cash then;
    one whose prices end later is late, and held.

    Parameters
    ----------
    weights : DataFrame or Series
        One row per decision on a date of the prices, one column per asset; a Series for a single asset.
    prices : DataFrame or Series
        Any shape that forecasters take: columns ``close`` and perhaps ``open``, in any case, over dates, a row index
        (id, date), or id and date columns; what yfinance returns; a Series of closes. Or closes of dates x tickers.
    execution : {"next_open", "next_close", "close", "same_bar"}, optional
        "next_open", the default when there are opens: filled at the next open, so the night still belongs to the
        old position. "next_close", the default otherwise. "close": at the close of t itself, stamped in the
        caveats. "same_bar": earns bar t itself, for demonstrations only, stamped loudly. A decision with no bar
        left to fill it is not filled.
    costs : Costs, optional
        Fees, slippage and borrowing. Default: none.
    cash_rate : float, default 0
        Interest per year of 365 days, simple, on cash by the calendar days since the last bar, and paid on cash that is
        owed. 0.02 is 2 %.
    leverage : float, default 1
        Multiplies the weights. With ``engine="shares"`` cash may sink to ``(1 - leverage)`` times the equity: at 1.0
        nothing is borrowed, and purchases that need more are scaled down, all by one factor.
    engine : {"returns", "shares"}, default "returns"
        "returns": weights are met exactly, and costs shrink the equity by ``1 - rate * turnover``. "shares":
        counts shares and cash, sells first and buys from the cash there is; ``book.account`` holds them.
    price : str, default "close"
        The field to trade. Opens are used only beside "close".
    benchmark : Series or hashable, default "equal_weight"
        What the book is compared with, invested from the first fill on and charged nothing. "equal_weight": equal parts
        of all weighted assets that have a price, equal again at every decision's fill, so that assets join as they
        list; for one asset, buy and hold. "buy_and_hold": equal parts at the first fill, never traded. The id of an
        asset of the prices: holding it. A Series of levels of an index, such as closes: a bar it lacks has no move.
    delisting_return : float, default 0
        What an asset whose prices end still loses or gains on its last price: -0.3 for stocks that an exchange removes
        for bad performance (Shumway, Journal of Finance 52, 1997). Stamped in the caveats.
    capital : float, optional
        Money at the start, in the currency of the prices: the unit of ``book.account`` and of the fees in money of
        `Costs`. Default: 1, so that both are fractions of it.
    lot_size : float, optional
        Shares in the smallest order: 1 for whole shares, with ``engine="shares"`` and ``capital=``. Orders are rounded
        towards zero. Default: shares can be divided.

    Returns
    -------
    Book
        Returns, turnover and weights from the first decision on, with the assumptions they rest on.

    Raises
    ------
    ConfigError
        On an unknown execution, engine or benchmark, "next_open" without opens, or shares counted without ``capital``.
    DataError
        On weights with NaN, unknown dates or assets; on a book that loses all its equity; on a benchmark that does not
        cover the book.

    Examples
    --------
    >>> from tsseq import Costs
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> prices = pd.DataFrame({"open": [10.0, 10.0, 11.0], "close": [10.0, 11.0, 12.1]}, index=days)
    >>> book = simulate(pd.Series([1.0], index=days[:1]), prices, costs=Costs(bps=100))
    >>> book.execution, book.returns.round(4).tolist(), book.benchmark.round(4).tolist()
    ('next_open', [0.0, 0.089, 0.1], [0.0, 0.1, 0.1])
    >>> book.stats()[["total_return", "exposure"]].round(4).to_dict()
    {'total_return': 0.1979, 'exposure': 0.6667}
    >>> simulate(pd.Series([1.0], index=days[:1]), prices, costs=Costs(bps=100), engine="shares").account.cash.tolist()
    [1.0, 0.0, 0.0]
    """
    terms = Terms(costs or Costs(), cash_rate, leverage, engine, capital, lot_size)
    all_prices = read_prices(prices, price)
    table, decided, targets = read_weights(weights, all_prices)
    start = int(decided[0])
    fill_rule, market = opened(execution, table, start, delisting_return)
    orders, targets = orders_of(market, decided, fill_rule.delay), leverage * targets
    with np.errstate(divide="ignore", invalid="ignore"):  # of a book that is ruined, which is refused below
        if engine == "returns":
            bars, positions, before, account = _returns(market, orders, targets, terms)
        else:
            bars, positions, before, account = _shares(market, orders, targets, terms, start)
    bars = bars.iloc[start:]
    _check_solvent(bars)
    frame = pd.DataFrame(positions[start:], market.dates[start:], market.assets, copy=False)
    stamp = () if fill_rule.caveat is None else (fill_rule.caveat,)
    return Book(
        **{str(name): values for name, values in bars.items()},
        equity=(1 + bars["returns"]).cumprod().rename("equity"),
        weights=frame,
        benchmark=benchmark_returns(benchmark, all_prices, market, fill_rule, orders, delisting_return).iloc[start:],
        caveats=(
            *stamp,
            *waiting_caveats(market, orders, targets, before),
            *delisting_caveats(market, positions, delisting_return),
            *financing_caveats(frame, terms.costs, cash_rate),
        ),
        execution=fill_rule.name,
        costs=terms.costs,
        cash_rate=cash_rate,
        leverage=leverage,
        engine=engine,
        price=price,
        periods_per_year=bars_per_year(market.dates),
        delisting_return=delisting_return,
        capital=capital,
        lot_size=lot_size,
        account=account,
    )


def _returns(market: Market, orders: Orders, targets: Array, terms: Terms) -> _Outcome:
    run = run_returns(Moves.of(market, orders), targets[None], terms)
    weights, capital = run.weights(), run.at_fill[0]
    before, traded, paid = run.before[0] / capital[:, None], run.traded[0].sum(axis=1) / capital, run.paid[0] / capital
    gross = np.maximum(run.factors(net=False)[0], 0.0) - 1
    bars = _by_bar(market, orders, turnover=traded, costs_paid=paid)
    bars["gross_returns"], bars["returns"] = gross, (1 + gross) * (1 - bars["costs_paid"]) - 1
    return bars, weights, before, None


def _shares(market: Market, orders: Orders, targets: Array, terms: Terms, start: int) -> _Outcome:
    run = run_shares(market, orders, targets[None], terms)
    equity = run.equity[0]
    returns = np.maximum(equity / np.concatenate([[terms.money], equity[:-1]]) - 1, -1.0)
    slippage, fees = charged(run, market, orders, terms.costs)
    account = account_of(run, market, orders, (slippage, fees), start)
    traded = np.abs(run.traded[0]) * market.fills[view(orders.filled)]  # (F, N)
    spent = (slippage + fees).sum(axis=1)
    capital = run.equity_at_fill[0]
    bars = _by_bar(market, orders, turnover=traded.sum(axis=1) / capital, costs_paid=spent / capital)
    bars["gross_returns"], bars["returns"] = (1 + returns) / (1 - bars["costs_paid"]) - 1, returns
    weights = np.zeros(market.closes.shape)
    weights[start:] = account.positions.to_numpy() / equity[start:, None]
    fills = np.where(market.ended[view(orders.filled)], 0.0, market.fills[view(orders.filled)])
    return bars, weights, run.shares[0, :-1] * fills / capital[:, None], account


def _by_bar(market: Market, orders: Orders, **values: Array) -> pd.DataFrame:
    """Values of each fill (F,) on its bar, 0 on all others (T,)."""
    table = np.zeros((len(market.dates), len(values)))
    table[orders.filled] = np.stack(list(values.values()), axis=1)
    return pd.DataFrame(table, market.dates, list(values))


def _check_solvent(bars: pd.DataFrame) -> None:
    ruined = np.flatnonzero(~(bars["returns"].to_numpy() > -1))
    if len(ruined):
        first = bars.iloc[ruined[:1]]
        worst = first.iloc[0]
        raise DataError(
            f"the book loses all its equity on {listed(first.index)}: {worst['gross_returns']:.1%} before costs, "
            f"costs of {worst['costs_paid']:.1%}. Lower the weights or the costs."
        )
