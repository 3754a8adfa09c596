"""Costs of trading and holding."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache, cached_property

import numpy as np
import pandas as pd

from tsseq.errors import ConfigError
from tsseq.hints import RejectsForeignNames
from tsseq.typing import Array


@dataclass(frozen=True)
class Costs(RejectsForeignNames):
    """What trading and holding costs, mostly in basis points (1 bp = 0.01 %).

    Values of trades are in the unit of ``simulate(capital=)``, by default multiples of the starting capital; positive
    for purchases and negative for sales. Both engines charge `slippage` and `fees`: a subclass that overrides one of
    them, and `proportional`, is another cost model.

    Parameters
    ----------
    bps : float, default 0
        Fee per unit of traded value. Buying for 100 and selling for 100 pays twice.
    slippage_bps : float, default 0
        How much worse than the price an order fills.
    fixed : float, default 0
        Fee per order, in the unit of the capital: 5.0 of ``simulate(capital=100_000)``; without ``capital=`` a
        fraction of it, 0.00005.
    minimum : float, default 0
        Smallest fee of an order, in the same unit; ``fixed`` comes on top.
    per_share : float, default 0
        Fee per share, in the same unit, for ``engine="shares"`` with ``capital=``: the price of a share matters.
    borrow_bps : float, default 0
        Per year of 365 days, on what is held short and on cash that is owed (on top of ``cash_rate``).

    Attributes
    ----------
    rate : float
        Fee and slippage as a fraction of the traded value.
    proportional : bool
        Whether a trade of twice the value costs twice as much, so that the size of the equity does not matter.

    Raises
    ------
    ConfigError
        A cost is negative or not a number.

    Examples
    --------
    >>> from tsseq import Costs
    >>> costs = Costs(bps=5, slippage_bps=2)
    >>> costs.rate, costs.paid(np.array([1.0, -0.5])).round(6).item()
    (0.0007, 0.00105)
    >>> Costs(per_share=0.005, minimum=1.0).fees(np.array([5_000.0, 50_000.0]), shares=np.array([100.0, 1_000.0]))
    array([1., 5.])
    """

    bps: float = 0.0
    slippage_bps: float = 0.0
    fixed: float = 0.0
    minimum: float = 0.0
    per_share: float = 0.0
    borrow_bps: float = 0.0

    def __post_init__(self) -> None:
        values = [getattr(self, part.name) for part in fields(self)]
        if not all(isinstance(value, (int, float, np.number)) and value >= 0 for value in values):
            raise ConfigError(f"{self}: costs must be numbers >= 0, in basis points or in the unit of the capital.")

    @property
    def rate(self) -> float:
        """Fee and slippage as a fraction of the traded value."""
        return (self.bps + self.slippage_bps) / 10_000

    @cached_property
    def proportional(self) -> bool:
        """Whether a trade of twice the value costs twice as much, so that the size of the equity does not matter."""
        return not (self.fixed or self.minimum or self.per_share)

    def slippage(self, value: Array) -> Array:
        """Value lost by filling at a worse price.

        Parameters
        ----------
        value : ndarray
            Values of trades at the price before slippage, of any shape.

        Returns
        -------
        ndarray
            Losses of the same shape, 0 or more.
        """
        return np.abs(value) * (self.slippage_bps / 10_000) if self.slippage_bps else np.zeros(np.shape(value))

    def fees(self, value: Array, shares: Array | None = None) -> Array:
        """Fees of trades.

        Parameters
        ----------
        value : ndarray
            Values of trades, of any shape; 0 is no order and costs nothing.
        shares : ndarray, optional
            Shares that are traded, of the same shape; only ``per_share`` reads them.

        Returns
        -------
        ndarray
            Fees of the same shape.
        """
        fees = np.abs(value)
        fees *= self.bps / 10_000
        if self.proportional:
            return fees
        if self.per_share and shares is not None:
            fees = fees + self.per_share * np.abs(shares)
        return np.asarray((np.maximum(fees, self.minimum) + self.fixed) * (value != 0))

    def paid(self, value: Array) -> Array:
        """Slippage and fees of the trades of a bar together, as ``engine="returns"`` and `cost_sweep` charge them.

        Parameters
        ----------
        value : ndarray of shape (..., N)
            Values of the trades in N assets.

        Returns
        -------
        ndarray of shape (...)
            Their costs.
        """
        if type(self) is Costs and self.proportional:
            paid = over_assets(np.abs(value))
            paid *= self.rate
            return paid
        return over_assets(self.slippage(value) + self.fees(value))

    def outlay(self, value: Array, shares: Array | None = None) -> Array:
        """Cash that trades take, as ``engine="shares"`` charges them: fees count what is filled, with slippage.

        Parameters
        ----------
        value : ndarray
            Values of trades at the price before slippage, of any shape.
        shares : ndarray, optional
            Shares that are traded, of the same shape.

        Returns
        -------
        ndarray
            Cash paid for each purchase, and minus the cash received for each sale.
        """
        filled = value if type(self) is Costs and not self.slippage_bps else value + self.slippage(value)
        return filled + self.fees(filled, shares)

    def affordable(self, purchases: Array, shares: Array, room: Array) -> Array:
        """Factors that shrink purchases until the cash at hand pays for them.

        Exact for costs in proportion to the value or the shares, and for fixed ones; with a minimum, which some of the
        shrunken purchases may come to pay, a little cash is left. So it is where larger trades cost more per unit.

        Parameters
        ----------
        purchases : ndarray of shape (..., N)
            Values that accounts want to buy of N assets.
        shares : ndarray of shape (..., N)
            The shares of these purchases.
        room : ndarray of shape (...)
            Cash that each account may spend.

        Returns
        -------
        ndarray of shape (...)
            Factors in 0..1.
        """
        n_orders = np.count_nonzero(purchases, axis=-1) if self.fixed or self.minimum else 0
        needed = over_assets(self.outlay(purchases, shares)) - self.fixed * n_orders
        budget = np.maximum(room - (self.fixed + self.minimum) * n_orders, 0.0)
        return np.where(needed > budget, budget / np.where(needed > 0, needed, 1.0), 1.0)

    def has_interest(self, cash_rate: float) -> bool:
        """Whether holding earns or costs anything.

        Parameters
        ----------
        cash_rate : float
            Yearly interest on cash.

        Returns
        -------
        bool
            False if `interest` is always 0.
        """
        return bool(cash_rate or self.borrow_bps)

    def interest(self, cash: Array, short: Array, cash_rate: float) -> Array:
        """Interest on cash, less what borrowing money and shares costs.

        Parameters
        ----------
        cash : ndarray
            Cash of any shape; negative where it is owed.
        short : ndarray
            Value of the shares held short, of the same shape and not negative.
        cash_rate : float
            Yearly interest on cash, also due on cash that is owed.

        Returns
        -------
        ndarray
            Per year of 365 days, of the same shape.
        """
        return cash_rate * cash - self.borrow_bps / 10_000 * (short + np.maximum(-cash, 0.0))

    def assumptions(self, cash_rate: float) -> str:
        """State in one sentence what cash, borrowing and size cost a book; reports print it.

        Parameters
        ----------
        cash_rate : float
            Yearly interest on cash, as `simulate` takes it.

        Returns
        -------
        str
            A sentence.

        Examples
        --------
        >>> Costs().assumptions(0.0)
        'Cash earns nothing, borrowing money or shares costs nothing, and orders of any size move no price.'
        >>> Costs(borrow_bps=300).assumptions(0.05)
        'Cash earns 5 % a year, borrowed money costs 8 % and borrowed shares 3 %, and orders of any size move no price.'
        """
        cash, shares = 100 * cash_rate, self.borrow_bps / 100
        borrowing = "borrowing money or shares costs nothing"
        if self.has_interest(cash_rate):
            lent = f"{shares:.4g} %" if shares else "nothing"
            borrowing = f"borrowed money costs {cash + shares:.4g} % and borrowed shares {lent}"
        earned = f"{cash:.4g} % a year" if cash_rate else "nothing"
        return f"Cash earns {earned}, {borrowing}, and orders of any size move no price."


def financing_caveats(weights: pd.DataFrame, costs: Costs, cash_rate: float) -> tuple[str, ...]:
    """What borrowed money and borrowed shares did not cost a book.

    Parameters
    ----------
    weights : DataFrame of shape (T, N)
        Positions at each close as fractions of equity.
    costs : Costs
        What was charged.
    cash_rate : float
        Yearly interest on cash, also due on cash that was owed.

    Returns
    -------
    tuple of str
        Sentences; none where all that was borrowed had a price.

    Examples
    --------
    >>> financing_caveats(pd.DataFrame({"A": [5.0]}), Costs(), 0.0)
    ('The positions reach 5.0 times the equity, and what is borrowed for that costs nothing.',)
    >>> financing_caveats(pd.DataFrame({"A": [5.0]}), Costs(borrow_bps=300), 0.0)
    ()
    """
    if costs.borrow_bps:
        return ()
    caveats = []
    positions = weights.to_numpy()
    gross = float(np.abs(positions).sum(axis=1).max(initial=0.0))
    if gross > 1 + 1e-9 and not cash_rate:
        reach = np.ceil(100 * gross - 1e-6) / 100
        caveats.append(f"The positions reach {reach} times the equity, and what is borrowed for that costs nothing.")
    if (positions < -1e-9).any():
        proceeds = (
            f", and the proceeds of short sales earn the full {100 * cash_rate:.4g} % of cash" if cash_rate else ""
        )
        caveats.append(f"Shares are borrowed for nothing{proceeds}: see Costs(borrow_bps=).")
    return tuple(caveats)


ones = cache(np.ones)


def over_assets(values: Array) -> Array:
    """Sum (...) over the last axis of (..., N), the assets; far faster than ``sum`` where these are few."""
    return np.asarray(values[..., 0] if values.shape[-1] == 1 else values @ ones(values.shape[-1]))
