"""Information coefficients: correlations of expected and realised returns across assets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsseq.errors import DataError
from tsseq.resampling.long_run import mean_and_error
from tsseq.typing import Array


def information_coefficients(expected: pd.DataFrame, realised: pd.DataFrame, *, rank: bool = False) -> pd.Series[float]:
    """Correlation of expected and realised returns across assets, per date: the IC, or with ``rank`` the RankIC.

    The IC is that of Qlib (https://github.com/microsoft/qlib, ``calc_ic``), the RankIC also that of alphalens
    (https://github.com/stefan-jansen/alphalens-reloaded).

    Parameters
    ----------
    expected : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.
    realised : DataFrame of shape (n_dates, n_assets)
        Returns that followed, as `realised_returns` gives them. Dates and assets that one of the two lacks are left
        out.
    rank : bool, default False
        Spearman's correlation (of ranks, ties shared) instead of Pearson's.

    Returns
    -------
    Series
        A correlation in -1..1 per common date; NaN with fewer than two assets and where all forecasts are equal.

    Raises
    ------
    DataError
        The two have no date and asset in common.

    Examples
    --------
    >>> expected = pd.DataFrame([[0.01, 0.02, 0.03]], columns=list("ABC"))
    >>> information_coefficients(expected, expected**3).round(4).tolist()
    [0.9663]
    >>> information_coefficients(expected, expected**3, rank=True).round(4).tolist()
    [1.0]
    """
    expected, realised = expected.align(realised, join="inner")
    if expected.empty:
        raise DataError("the expected and the realised returns have no date and asset in common.")
    x, y = expected.to_numpy(dtype=float), realised.to_numpy(dtype=float)
    missing = np.isnan(x) | np.isnan(y)
    x, y = (np.where(missing, np.nan, values) for values in (x, y))
    if rank:
        x, y = (pd.DataFrame(values).rank(axis=1).to_numpy() for values in (x, y))
    x, y = _centred(x), _centred(y)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return pd.Series(values, expected.index, name="rank_ic" if rank else "ic")


def information_coefficient(expected: pd.DataFrame, realised: pd.DataFrame, *, overlap: int = 1) -> pd.Series[float]:
    """Summarise the information coefficients of all dates, as Qlib does, with t-values.

    Parameters
    ----------
    expected : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.
    realised : DataFrame of shape (n_dates, n_assets)
        Returns that followed, as `realised_returns` gives them.
    overlap : int, default 1
        Neighbouring dates whose realised returns share bars: the horizon over the bars between dates, rounded up.

    Returns
    -------
    Series
        ``ic`` and ``rank_ic``: means over the dates (0.03 to 0.05 is good for daily returns; far above 0.1 suggests a
        leak). ``icir`` and ``rank_icir``: these over their standard deviations with ``ddof=1``, not annualised and, as
        everywhere, not corrected for overlap. ``ic_t`` and ``rank_ic_t``: t-values of the means that are corrected for
        it (`tsseq.resampling.mean_and_error`), NaN for no more dates than overlap. ``n_dates``: dates with an IC.

    Raises
    ------
    DataError
        The two have no date and asset in common.

    Examples
    --------
    >>> expected = pd.DataFrame([[1.0, 2.0, 3.0]] * 3)
    >>> realised = pd.DataFrame([[1.0, 2.0, 3.0], [2.0, 1.0, 3.0], [1.0, 3.0, 2.0]])
    >>> information_coefficient(expected, realised).round(2).to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'ic': 0.67, 'icir': 2.31, 'ic_t': 4.0,
     'rank_ic': 0.67, 'rank_icir': 2.31, 'rank_ic_t': 4.0, 'n_dates': 3.0}
    """
    values, n_dates = {}, 0
    for rank in (False, True):
        daily = information_coefficients(expected, realised, rank=rank)
        mean, deviation = float(daily.mean()), float(daily.std())
        values[str(daily.name)] = mean
        values[f"{daily.name}ir"] = mean / deviation if deviation > 0 else np.nan
        values[f"{daily.name}_t"] = mean_t(daily, overlap)
        n_dates = int(daily.count())
    return pd.Series(values | {"n_dates": n_dates}, dtype=float)


def ic_decay(expected: pd.DataFrame, realised: pd.DataFrame, n_lags: int = 5, *, overlap: int = 1) -> pd.DataFrame:
    """Information coefficients of signals that are used some dates late.

    Lag k is the `information_coefficient` of the returns expected at a date with those realised from k dates later on.
    While horizons overlap, neighbouring lags share bars, and the decay looks slower than it is.

    Parameters
    ----------
    expected : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.
    realised : DataFrame of shape (n_dates, n_assets)
        Returns that followed, as `realised_returns` gives them, on the same dates.
    n_lags : int, default 5
        Largest lag; no larger than there are dates.
    overlap : int, default 1
        Neighbouring dates whose realised returns share bars.

    Returns
    -------
    DataFrame
        Index ``lag`` from 0, the signal used at once; the columns of `information_coefficient`.

    Raises
    ------
    DataError
        The two have no date and asset in common.

    Examples
    --------
    >>> noise = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 20)))
    >>> ic_decay(noise, noise.shift(2), n_lags=3)["ic"].round(1).abs().tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    lags = range(min(n_lags, len(realised) - 1) + 1)
    rows = {lag: information_coefficient(expected, realised.shift(-lag), overlap=overlap) for lag in lags}
    return pd.DataFrame(rows).T.rename_axis("lag")


def mean_t(values: pd.Series[float], overlap: int) -> float:
    """T-value of the mean of a series with gaps whose neighbours overlap; NaN for no more values than overlap."""
    known = values.notna().to_numpy()
    if known.sum() <= overlap:
        return np.nan
    mean, error = mean_and_error(values.fillna(0.0).to_numpy(dtype=float), known, overlap)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(mean / error)


def _centred(values: Array) -> Array:
    """Deviations from the mean of each row, 0 where missing; a row of equal values deviates by exactly 0."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    filled = np.where(known, values, 0.0)
    gap = np.where(known, filled - filled.sum(axis=1, keepdims=True) / count, 0.0)
    equal = np.where(known, values, -np.inf).max(axis=1) <= np.where(known, values, np.inf).min(axis=1)
    return np.where(equal[:, None], 0.0, gap)
