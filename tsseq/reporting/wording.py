"""How the page words numbers, times and lists of names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd


def number(value: float, digits: int = 3) -> str:
    """Significant digits, or whole numbers from a thousand on; a dash where there is none.

    >>> number(21.41600), number(-0.5), number(1234567.0), number(float("nan"))
    ('21.4', '−0.500', '1,234,567', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return (f"{value:,.0f}" if abs(value) >= 999.95 else f"{value:#.{digits}g}").replace("-", "−")


def ratio(value: float, digits: int = 2) -> str:
    """A number of size one, such as a Sharpe ratio.

    >>> ratio(-0.05199), ratio(1.0449, 3), ratio(1e-15), ratio(float("inf"))
    ('−0.05', '1.045', '0.00', '∞')
    """
    return f"{value:z,.{digits}f}".replace("-", "−") if math.isfinite(value) else number(value)


def percent(value: float, digits: int = 1) -> str:
    r"""A share as a percentage; what few bars make of a year may be beyond all sense.

    >>> percent(0.13041), percent(-0.0087, 2), percent(4e8)
    ('13.0\xa0%', '−0.87\xa0%', '>\xa01,000,000\xa0%')
    """
    if abs(value) > 1e4:
        return f"{'>' if value > 0 else '<'}\u00a0{ratio(math.copysign(1e6, value), 0)}\u00a0%"
    return f"{ratio(100 * value, digits)}\u00a0%" if math.isfinite(value) else number(value)


def between(lower: float, upper: float) -> str:
    r"""Both ends of an interval of shares.

    >>> between(-0.021, 0.034), between(-12.0, 3.0), between(float("nan"), 0.0)
    ('−2.1 to 3.4\xa0%', '−1,200 to 300\xa0%', '–')
    """
    digits = 1 if max(abs(lower), abs(upper)) < 1 else 0
    if math.isnan(lower) or math.isnan(upper):
        return "–"
    start = percent(lower, digits).removesuffix("\u00a0%")
    return f"{start} to {percent(upper, digits)}"


def probability(value: float, name: str = "") -> str:
    r"""A p-value in three digits, as a statement about ``name`` if there is one.

    >>> probability(0.0123), probability(1e-9), probability(0.0123, "p"), probability(0.9999, "p")
    ('0.012', '<\xa00.001', 'p\xa0=\xa00.012', 'p\xa0>\xa00.999')
    """
    if not math.isfinite(value):
        return number(value)
    words = "< 0.001" if value < 0.001 else "> 0.999" if value > 0.999 else f"{value:.3f}"
    words = f"{name} {words if words[0] in '<>' else '= ' + words}" if name else words
    return words.replace(" ", "\u00a0")


def stamp(time: Any) -> str:
    """A timestamp as on the wall, without the clock at midnight; a dash where there is none.

    >>> stamp(7), stamp(pd.Timestamp("2024-01-31")), stamp(pd.Timestamp("2024-01-31 15:30", tz="UTC")), stamp(pd.NaT)
    ('7', '2024-01-31', '2024-01-31 15:30', '–')
    """
    words = f"{time:%Y-%m-%d %H:%M}" if isinstance(time, pd.Timestamp) else str(time)
    return "–" if pd.isna(time) else words.removesuffix(" 00:00")


def span(times: Any) -> str:
    """The first and the last of some timestamps; "unknown" where one is missing.

    >>> span(pd.Series([3, 1, 2])), span(pd.Series([1, 1])), span(pd.Series([1, None]))
    ('1 to 3', '1', 'unknown')
    """
    if pd.isna(times).any():
        return "unknown"
    first, last = stamp(times.min()), stamp(times.max())
    return first if first == last else f"{first} to {last}"


def count(n: int, thing: str) -> str:
    """How many of a thing.

    >>> count(1, "row"), count(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def joined(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
