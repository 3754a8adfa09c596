"""Five small datasets that come with the package, and synthetic series whose best forecast is known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsseq.errors import ConfigError
from tsseq.typing import Array

OLD_PANDAS = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
EXACT: dict[str, Any] = {"float_precision": "round_trip"} if OLD_PANDAS else {}  # later ones read no other way
_FREQ = {"sp500": None, "us_stocks": None, "aapl_raw": None, "airline": "MS", "co2": "W-SAT"}


def load_sample(name: str) -> pd.DataFrame:
    """Read one of the bundled datasets into a fresh frame of floats.

    Sources, licences and checksums are in ``datasets/README.md``.

    ========= ================================ ============================================= ======
    name      index                            columns                                       rows
    ========= ================================ ============================================= ======
    sp500     date, trading days 1999-2018     open high low close (points) volume (shares)  5031
    us_stocks 20 tickers × dates 1990-2022     close (USD, adjusted)                         166260
    aapl_raw  date, trading days 2000-2013     open high low close volume (as traded)        3270
                                               adj_close (USD, for splits and dividends)
    airline   month, 1949-1960, freq "MS"      passengers (thousands)                        144
    co2       date, 1958-2001, freq "W-SAT"    co2 (ppmv, NaN in 59 weeks)                   2284
    ========= ================================ ============================================= ======

    Parameters
    ----------
    name : str
        One of the names above.

    Returns
    -------
    pandas.DataFrame
        Sorted by its index, (ticker, date) in ``us_stocks``. No time zone; trading days have no ``freq``.

    Raises
    ------
    ConfigError
        No dataset has this name.

    Examples
    --------
    >>> load_sample("airline").head(3)
                passengers
    month
    1949-01-01       112.0
    1949-02-01       118.0
    1949-03-01       132.0
    >>> load_sample("us_stocks").loc[("AAPL", "2022-12-28"), "close"].item()
    125.674
    """
    if name not in _FREQ:
        raise ConfigError(f"there is no sample dataset {name!r}; choose one of {', '.join(_FREQ)}.")
    package = Path(__file__).resolve().parents[1]  # holds the datasets once installed from a wheel
    folder = package if (package / "datasets").is_dir() else package.parent
    path = folder / "datasets" / f"{name}.csv.gz"
    frame = pd.read_csv(path, index_col=0, parse_dates=[0], **EXACT).astype("float64")
    if name == "us_stocks":
        return pd.DataFrame({"close": frame.rename_axis(columns="ticker").T.stack()})
    return frame.asfreq(freq) if (freq := _FREQ[name]) else frame


def make_series(
    kind: str,
    n: int = 1000,
    *,
    seed: int = 0,
    phi: float = 0.9,
    period: float = 24,
    level: float = 0.0,
    scale: float = 1.0,
) -> pd.Series:
    """Draw a synthetic daily series for which the best possible forecast is known.

    ``e[t]`` is Gaussian with mean 0 and standard deviation ``scale``. No forecast of ``y[t + h]`` made at the origin
    ``t`` has a smaller mean squared error than the one given here.

    =========== ==================================== ================================ ===============================
    kind        y[t]                                 best forecast of y[t + h]        its mean squared error
    =========== ==================================== ================================ ===============================
    random_walk y[t-1] + e[t], where y[-1] is level  y[t]                             h scale²
    ar1         level + phi (y[t-1] - level) + e[t]  level + phi**h (y[t] - level)    scale² (1-phi**2h) / (1-phi²)
    seasonal    level + 10 sin(2π t / period) + e[t] level + 10 sin(2π (t+h) /period) scale²
    noise       level + e[t]                         level                            scale²
    constant    level                                level                            0
    =========== ==================================== ================================ ===============================

    Parameters
    ----------
    kind : str
        One of the kinds above.
    n : int
        Number of days.
    seed : int
        The same arguments with the same seed give the same series.
    phi : float
        Lag-1 autocorrelation of ``"ar1"``, between -1 and 1 exclusive; the series starts in its stationary state.
    period : float
        Days in one cycle of ``"seasonal"``.
    level : float
        Starting point of the random walk, mean of the other kinds.
    scale : float
        Standard deviation of ``e[t]``; 0 gives a series without noise.

    Returns
    -------
    pandas.Series
        ``n`` floats named "y" on a daily index (freq "D") from 2000-01-01.

    Raises
    ------
    ConfigError
        The kind is unknown, ``n`` or ``period`` is not positive, or ``phi`` is outside (-1, 1).

    Examples
    --------
    >>> make_series("seasonal", 4, period=4, level=20, scale=0).round(6).tolist()
    [20.0, 30.0, 20.0, 10.0]
    """
    if n < 1 or period <= 0:
        raise ConfigError(f"n is {n} and period is {period}; both must be above 0.")
    if not -1 < phi < 1:
        raise ConfigError(f"phi is {phi}; a stationary series needs -1 < phi < 1. For phi = 1 use kind 'random_walk'.")
    noise = scale * np.random.default_rng(seed).standard_normal(n)
    deviations: dict[str, Callable[[], Array]] = {
        "random_walk": lambda: np.cumsum(noise),
        "ar1": lambda: _ar1(noise, phi),
        "seasonal": lambda: 10 * np.sin(2 * np.pi * np.arange(n) / period) + noise,
        "noise": lambda: noise,
        "constant": lambda: np.zeros(n),
    }
    if kind not in deviations:
        raise ConfigError(f"{kind!r} is not a kind of series; choose one of {', '.join(deviations)}.")
    return pd.Series(level + deviations[kind](), index=pd.date_range("2000-01-01", periods=n, freq="D"), name="y")


def _ar1(noise: Array, phi: float) -> Array:
    """An AR(1) of mean 0 whose first value already has the stationary standard deviation, scale / sqrt(1 - phi²)."""
    stationary = noise.copy()
    stationary[0] /= np.sqrt(1 - phi**2)
    return np.fromiter(accumulate(stationary, lambda previous, shock: phi * previous + shock), dtype=float)
