"""Terms of a simulation: costs, interest, leverage and the unit of money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tsseq.arguments import Range, check_value
from tsseq.errors import ConfigError
from tsseq.trading.costs import Costs

Engine = Literal["returns", "shares"]

NUMBERS = {
    "cash_rate": Range(-1, 1000, whole=False),
    "leverage": Range(1e-9, 1e9, whole=False),
    "capital": Range(1e-12, 1e18, whole=False, optional=True),
    "lot_size": Range(1e-12, 1e18, whole=False, optional=True),
}


@dataclass(frozen=True)
class Terms:
    """What both engines need to know besides prices and weights.

    Parameters
    ----------
    costs : Costs
        Fees, slippage and borrowing.
    cash_rate : float, default 0
        Yearly interest on cash.
    leverage : float, default 1
        Multiple of the weights.
    engine : {"returns", "shares"}, default "returns"
        Which engine keeps the book.
    capital : float, optional
        Money at the start, in the currency of the prices. Default: 1, so that amounts are fractions of it.
    lot_size : float, optional
        Shares in the smallest order, 1 for whole shares. Default: shares can be divided.

    Raises
    ------
    ConfigError
        No engine can run these.

    Examples
    --------
    >>> Terms(Costs(bps=5), engine="shares", capital=10_000.0, lot_size=1).money
    10000.0
    """

    costs: Costs
    cash_rate: float = 0.0
    leverage: float = 1.0
    engine: Engine = "returns"
    capital: float | None = None
    lot_size: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.costs, Costs):
            raise ConfigError(f"costs is {self.costs!r}; it must be Costs(...), such as Costs(bps=5).")
        check_value("engine", self.engine, allowed=("returns", "shares"))
        for name, numbers in NUMBERS.items():
            check_value(name, getattr(self, name), allowed=numbers)
        shares = {"lot_size": self.lot_size, "Costs(per_share=)": self.costs.per_share}
        named = [name for name, value in shares.items() if value]
        if named and (self.engine != "shares" or self.capital is None):
            raise ConfigError(f"{' and '.join(named)} count shares: pass engine='shares' and capital=, such as 10_000.")

    @property
    def money(self) -> float:
        """Money at the start."""
        return 1.0 if self.capital is None else float(self.capital)
