"""Information coefficients: correlations of forecasts and realised returns across assets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsseq.errors import DataError
from tsseq.typing import Array


def information_coefficients(
    forecasts: pd.DataFrame, realised: pd.DataFrame, *, rank: bool = False
) -> pd.Series[float]:
    """Correlation of forecasts and realised returns across assets, per date: the IC, or with ``rank`` the RankIC.

    Parameters
    ----------
    forecasts : DataFrame of shape (n_dates, n_assets)
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
    >>> forecasts = pd.DataFrame([[0.01, 0.02, 0.03]], columns=list("ABC"))
    >>> information_coefficients(forecasts, forecasts**3).round(4).tolist()
    [0.9663]
    >>> information_coefficients(forecasts, forecasts**3, rank=True).round(4).tolist()
    [1.0]
    """
    forecasts, realised = forecasts.align(realised, join="inner")
    if forecasts.empty:
        raise DataError("the forecasts and the realised returns have no date and asset in common.")
    complete = forecasts.notna() & realised.notna()
    forecasts, realised = forecasts.where(complete), realised.where(complete)
    if rank:
        forecasts, realised = forecasts.rank(axis=1), realised.rank(axis=1)
    x, y = _centred(forecasts.to_numpy(dtype=float)), _centred(realised.to_numpy(dtype=float))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return pd.Series(values, forecasts.index, name="rank_ic" if rank else "ic")


def information_coefficient(forecasts: pd.DataFrame, realised: pd.DataFrame) -> pd.Series[float]:
    """Summarise the information coefficients of all dates, as Qlib does.

    Parameters
    ----------
    forecasts : DataFrame of shape (n_dates, n_assets)
        Expected returns, as `expected_returns` gives them; NaN where there is no forecast.
    realised : DataFrame of shape (n_dates, n_assets)
        Returns that followed, as `realised_returns` gives them.

    Returns
    -------
    Series
        ``ic`` and ``rank_ic``: means over the dates (0.03 to 0.05 is good for daily returns; far above 0.1 suggests a
        leak). ``icir`` and ``rank_icir``: these over their standard deviations with ``ddof=1``, not annualised.

    Raises
    ------
    DataError
        The two have no date and asset in common.

    Examples
    --------
    >>> forecasts = pd.DataFrame([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    >>> realised = pd.DataFrame([[1.0, 2.0, 3.0], [2.0, 1.0, 3.0]])
    >>> information_coefficient(forecasts, realised).round(4).to_dict()
    {'ic': 0.75, 'icir': 2.1213, 'rank_ic': 0.75, 'rank_icir': 2.1213}
    """
    values = {}
    for rank in (False, True):
        daily = information_coefficients(forecasts, realised, rank=rank)
        mean, deviation = float(daily.mean()), float(daily.std())
        values[str(daily.name)] = mean
        values[f"{daily.name}ir"] = mean / deviation if deviation > 0 else np.nan
    return pd.Series(values)


def _centred(values: Array) -> Array:
    """Deviations from the mean of each row, 0 where missing; a row of equal values deviates by exactly 0."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    filled = np.where(known, values, 0.0)
    gap = np.where(known, filled - filled.sum(axis=1, keepdims=True) / count, 0.0)
    equal = np.where(known, values, -np.inf).max(axis=1) <= np.where(known, values, np.inf).min(axis=1)
    return np.where(equal[:, None], 0.0, gap)
