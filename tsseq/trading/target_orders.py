"""Orders that take an account to its target weights: what to trade tomorrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd

from tsseq.errors import DataError
from tsseq.trading.costs import Costs
from tsseq.trading.engines.shares import trades
from tsseq.trading.execution import LATE_FEED
from tsseq.trading.price_table import listed, read_prices
from tsseq.trading.terms import Terms

Amounts: TypeAlias = "Mapping[str, float] | pd.Series[float]"  # by asset


def target_orders(
    weights: Amounts | pd.DataFrame,
    positions: Amounts,
    prices: Amounts | pd.DataFrame,
    *,
    cash: float,
    costs: Costs | None = None,
    lot_size: float | None = 1.0,
    leverage: float = 1.0,
) -> pd.DataFrame:
    """List the orders that take an account to its target weights, as ``simulate(engine="shares")`` would trade.

    Targets are sized on cash and shares at the prices. Sales come first; purchases are scaled down, all by one factor,
    to the cash there is after costs.

    Parameters
    ----------
    weights : mapping, Series or DataFrame
        Target weight of each asset as a fraction of the account; of a table as `to_weights` returns it, the last row.
        What is left out has a target of 0.
    positions : mapping or Series
        Shares of each asset in the account; negative ones are short.
    prices : mapping, Series or DataFrame
        Last price of every asset that is held or wanted, in the currency of the cash; of a frame of prices as
        `simulate` takes it, the last close that there is within five bars.
    cash : float
        Cash in the account.
    costs : Costs, optional
        Fees and slippage; those in money are in the currency of the cash. Default: none.
    lot_size : float or None, default 1
        Shares in the smallest order, to which orders are rounded towards zero; None if shares can be divided.
    leverage : float, default 1
        Cash may sink to ``(1 - leverage)`` times the account; at 1 nothing is borrowed.

    Returns
    -------
    DataFrame
        Index ``asset``, in the order of the weights, then that of the positions; ``shares`` to buy (negative: to sell;
        0 where nothing is to be done), ``value`` and ``fee`` of the order, and ``position`` and ``weight`` after it.

    Raises
    ------
    ConfigError
        The leverage or the size of a lot makes no sense.
    DataError
        An asset has no price, a weight or position is not a number, or the account is worth nothing.

    Examples
    --------
    >>> orders = target_orders({"A": 0.5, "B": 0.5}, {"C": 3}, {"A": 30.0, "B": 7.0, "C": 20.0}, cash=40.0)
    >>> orders[["shares", "value", "position"]]
           shares  value  position
    asset
    A         1.0   30.0       1.0
    B         7.0   49.0       7.0
    C        -3.0  -60.0       0.0
    """
    if isinstance(prices, pd.DataFrame):
        bars = read_prices(prices)
        prices = pd.DataFrame(bars.closes, columns=bars.assets).ffill(limit=LATE_FEED).iloc[-1]
    weights = weights.iloc[-1] if isinstance(weights, pd.DataFrame) else weights
    targets, shares = pd.Series(weights, dtype=float), pd.Series(positions, dtype=float)
    assets = targets.index.append(shares.index.difference(targets.index, sort=False))
    table = pd.DataFrame({"target": targets, "shares": shares}).reindex(assets)
    table = table.assign(price=pd.Series(prices, dtype=float).reindex(assets))
    table.loc[~assets.isin(targets.index), "target"] = 0.0
    table.loc[~assets.isin(shares.index), "shares"] = 0.0
    idle = (table["target"] == 0) & (table["shares"] == 0)
    table.loc[idle & table["price"].isna(), "price"] = 1.0  # which nobody will trade at
    known = np.isfinite(table).all(axis=1) & (table["price"] > 0)
    if not known.all():
        raise DataError(f"the weight, position or price of {listed(table.index[~known])} is missing or not a number.")
    terms = Terms(costs or Costs(), leverage=leverage, engine="shares", capital=1.0, lot_size=lot_size)
    target, owned, price = (table[name].to_numpy() for name in ("target", "shares", "price"))
    equity = cash + float(owned @ price)
    if not equity > 0:
        raise DataError(f"the account is worth {equity:g}: cash of {cash:g} and positions. Nothing can be sized on it.")
    change, outlay, _ = trades(target, price, terms, np.float64(cash), owned, np.float64(equity))
    value = change * price
    fees = terms.costs.fees(value + terms.costs.slippage(value), change)
    position = owned + change
    worth = cash - float(outlay) + float(position @ price)
    columns = {"shares": change, "value": value, "fee": fees, "position": position, "weight": position * price / worth}
    return pd.DataFrame(columns, pd.Index(assets, name="asset"))
