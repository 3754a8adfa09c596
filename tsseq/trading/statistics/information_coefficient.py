"""Do forecasts order assets as their returns turn out? Information coefficients over panels."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import DataError

Floats = NDArray[np.float64]


def information_coefficients(
    forecasts: pd.DataFrame, realised: pd.DataFrame, *, rank: bool = False
) -> "pd.Series[float]":
    """Correlation of forecasts and realised returns across assets, per date: the IC, or with ``rank`` the RankIC.

    Parameters
    ----------
    forecasts, realised
        Dates x assets, compared where both have a value, as
        :func:`~tsseq.trading.signals.expected_returns` and ``realised_returns`` give them.
    rank
        Spearman's correlation (of ranks, ties shared) instead of Pearson's.

    Returns
    -------
    Series
        A correlation in -1..1 per common date; NaN with fewer than two assets and where all forecasts are equal.

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
        raise DataError("The forecasts and the realised returns have no date and asset in common.")
    both = forecasts.notna() & realised.notna()
    forecasts, realised = forecasts.where(both), realised.where(both)
    if rank:
        forecasts, realised = forecasts.rank(axis=1), realised.rank(axis=1)
    x, y = _centred(forecasts.to_numpy(dtype=float)), _centred(realised.to_numpy(dtype=float))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return pd.Series(values, forecasts.index, name="rank_ic" if rank else "ic")


def information_coefficient(forecasts: pd.DataFrame, realised: pd.DataFrame) -> "pd.Series[float]":
    """Summarise the information coefficients of all dates, as Qlib does.

    ``ic`` and ``rank_ic`` are means over the dates (0.03 to 0.05 is good for daily returns; far above 0.1 rather is a
    leak), ``icir`` and ``rank_icir`` these over their standard deviations with ``ddof=1``, not annualised.

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


def _centred(values: Floats) -> Floats:
    """Deviations from the mean of each row, 0 where missing; a row of equal values deviates by exactly 0."""
    present = ~np.isnan(values)
    count = np.maximum(present.sum(axis=1, keepdims=True), 1)
    filled = np.where(present, values, 0.0)
    gap = np.where(present, filled - filled.sum(axis=1, keepdims=True) / count, 0.0)
    equal = np.where(present, values, -np.inf).max(axis=1) <= np.where(present, values, np.inf).min(axis=1)
    return np.where(equal[:, None], 0.0, gap)
