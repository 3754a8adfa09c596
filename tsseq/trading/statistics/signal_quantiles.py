"""Returns, turnover and persistence of a signal that sorts assets into quantiles.

The formulas are those of alphalens (Quantopian, https://github.com/stefan-jansen/alphalens-reloaded).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsseq.errors import ConfigError
from tsseq.trading.statistics.information_coefficient import information_coefficients
from tsseq.typing import Array, Mask


def signal_quantiles(expected: pd.DataFrame, n_quantiles: int = 5) -> pd.DataFrame:
    """Sort the assets of each date into quantiles of the signal, as `pandas.qcut` does, but for its rounding.

    A value on the edge of two quantiles belongs to the lower one.

    Parameters
    ----------
    expected : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.
    n_quantiles : int, default 5
        Groups of equal size, of at least 2.

    Returns
    -------
    DataFrame of shape (n_dates, n_assets)
        From 1, the lowest returns, to ``n_quantiles``; NaN where there is no forecast, and on dates with too few assets
        or too many equal ones to tell all quantiles apart.

    Raises
    ------
    ConfigError
        Fewer than two quantiles.

    Examples
    --------
    >>> expected = pd.DataFrame([[0.03, 0.01, 0.02, -0.01]], columns=list("ABCD"))
    >>> signal_quantiles(expected, 2).to_numpy().tolist()
    [[2.0, 1.0, 2.0, 1.0]]
    """
    if n_quantiles < 2:
        raise ConfigError(f"n_quantiles is {n_quantiles}; at least 2 were needed.")
    values = expected.to_numpy(dtype=float)
    ordered = np.sort(values, axis=1)  # NaN last
    last = np.maximum((~np.isnan(values)).sum(axis=1, keepdims=True) - 1, 0)
    positions = (
        np.arange(n_quantiles + 1) * last
    )  # of the edges, in steps of 1 / n_quantiles: (n_dates, n_quantiles + 1)
    below = np.take_along_axis(ordered, positions // n_quantiles, axis=1)
    above = np.take_along_axis(ordered, -(-positions // n_quantiles), axis=1)
    distinct = np.all(below[:, :-1] < above[:, 1:], axis=1)
    labels = 1.0 + (values[:, None, :] > below[:, 1:-1, None]).sum(axis=1)  # beyond an edge: above the value below it
    labels[np.isnan(values) | ~distinct[:, None]] = np.nan
    return pd.DataFrame(labels, expected.index, expected.columns)


def quantile_returns(expected: pd.DataFrame, realised: pd.DataFrame, n_quantiles: int = 5) -> pd.DataFrame:
    """Mean realised return of each quantile of the signal, per date.

    Assets are sorted by what was known at the date. alphalens first drops assets whose return is missing; the two are
    equal where none is.

    Parameters
    ----------
    expected : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.
    realised : DataFrame of shape (n_dates, n_assets)
        Returns that followed, as `realised_returns` gives them; missing ones do not enter a mean.
    n_quantiles : int, default 5
        Groups of equal size, of at least 2.

    Returns
    -------
    DataFrame of shape (n_dates, n_quantiles)
        Columns from 1, the lowest expected returns, to ``n_quantiles``; NaN for a quantile without a return.

    Raises
    ------
    ConfigError
        Fewer than two quantiles.

    Examples
    --------
    >>> expected = pd.DataFrame([[0.03, 0.01, 0.02, -0.01]], columns=list("ABCD"))
    >>> realised = pd.DataFrame([[0.02, 0.00, 0.04, -0.02]], columns=list("ABCD"))
    >>> quantile_returns(expected, realised, 2).round(4).to_dict("list")
    {1: [-0.01], 2: [0.03]}
    """
    members = _members(expected, n_quantiles)
    values = realised.reindex_like(expected).to_numpy(dtype=float)
    members &= ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means = np.where(members, values, 0.0).sum(axis=-1) / members.sum(axis=-1)
    return _by_quantile(means, expected)


def quantile_turnover(expected: pd.DataFrame, n_quantiles: int = 5) -> pd.DataFrame:
    """Share of the assets in a quantile that were not in it at the date before.

    Parameters
    ----------
    expected : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.
    n_quantiles : int, default 5
        Groups of equal size, of at least 2.

    Returns
    -------
    DataFrame of shape (n_dates, n_quantiles)
        From 0, the same assets, to 1, all new; NaN at the first date, and where this quantile or the one before has no
        asset.

    Raises
    ------
    ConfigError
        Fewer than two quantiles.

    Examples
    --------
    >>> expected = pd.DataFrame([[3, 1, 2, 0], [3, 2, 1, 0], [0, 1, 2, 3]], columns=list("ABCD"))
    >>> quantile_turnover(expected, 2)[2].tolist()
    [nan, 0.5, 1.0]
    """
    members = _members(expected, n_quantiles)
    shares = np.full(members.shape[:2], np.nan)
    with np.errstate(invalid="ignore"):
        shares[:, 1:] = (members[:, 1:] & ~members[:, :-1]).sum(axis=-1) / members[:, 1:].sum(axis=-1)
    shares[:, 1:][~members[:, :-1].any(axis=-1)] = np.nan
    return _by_quantile(shares, expected)


def rank_autocorrelation(expected: pd.DataFrame) -> pd.Series[float]:
    """Correlation of the signal's ranks at a date with those at the date before.

    Parameters
    ----------
    expected : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.

    Returns
    -------
    Series
        In -1..1 per date, over the assets forecast at both; near 1, the signal asks for few trades. NaN at the first
        date.

    Examples
    --------
    >>> expected = pd.DataFrame([[3, 1, 2], [30, 10, 20], [1, 3, 2]], columns=list("ABC"))
    >>> rank_autocorrelation(expected).tolist()
    [nan, 1.0, -1.0]
    """
    ranks = expected.rank(axis=1)
    return information_coefficients(ranks, ranks.shift()).rename("autocorrelation")


def _members(expected: pd.DataFrame, n_quantiles: int) -> Mask:
    """Which assets are in which quantile (Q, D, N)."""
    numbers = np.arange(1, n_quantiles + 1)[:, None, None]
    return np.asarray(signal_quantiles(expected, n_quantiles).to_numpy() == numbers)


def _by_quantile(values: Array, expected: pd.DataFrame) -> pd.DataFrame:
    """(Q, D) -> dates x quantiles."""
    return pd.DataFrame(values.T, expected.index, pd.RangeIndex(1, len(values) + 1, name="quantile"))
