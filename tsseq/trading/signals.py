"""From forecasts of a price to portfolio weights."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import ConfigError, DataError
from tsseq.trading.price_table import PriceFrame, PriceTable, listed, read_prices
from tsseq.trading.weighting import Rule, RuleFunction


def to_weights(
    forecasts: pd.DataFrame,
    prices: PriceFrame,
    model: str,
    rule: str | RuleFunction = "sign",
    *,
    threshold: float = 0.0,
    short: bool | None = None,
    k: int | None = None,
    n_drop: int | None = None,
    volatility: float | None = None,
    window: int = 60,
    max_weight: float | None = None,
    max_gross: float | None = None,
    band: float = 0.0,
    target: str | None = None,
) -> pd.DataFrame:
    """Turn the forecasts of one model into weights for :func:`~tsseq.trading.simulate.simulate`, a row per cutoff.

    The expected return of an asset is its forecast at the last step over its close at the cutoff, minus 1. The weights
    that a rule makes of it are held until the next cutoff.

    =================== ===========================================================================================
    rule                weight
    =================== ===========================================================================================
    ``"sign"``          +1, 0 or -1 as the expected return, over the number of assets forecast at that cutoff
    ``"threshold"``     the same where the expected return is above ``threshold`` in absolute value, else 0
    ``"rank"``          rank of the expected return around the mean rank: longs add up to 0.5, shorts to -0.5
    ``"top_k"``         the ``k`` highest with 1 / k each
    ``"top_k_dropout"`` ``k`` assets with 1 / k each, at most ``n_drop`` of them new at a cutoff (Qlib's TopkDropout)
    ``"volatility"``    sign times ``volatility`` over the asset's own, over the number of assets forecast
    a callable          what it makes of the expected returns, cutoffs x ids with NaN where there is no forecast
    =================== ===========================================================================================

    Parameters
    ----------
    forecasts
        Tidy, as ``backtest(...).forecasts``: the columns ``model, [id,] cutoff, step, target, forecast``. The forecast
        is a price.
    prices
        The prices that were forecast, in any shape that ``simulate`` takes.
    model
        Name in the column ``model``.
    threshold
        A return, for ``rule="threshold"``: 0.01 asks for a move of more than one per cent.
    short
        False turns negative weights into 0 (and ``"rank"`` into a long book of 1). With ``"top_k"``, True sells the k
        lowest for half of the gross; that alone is off by default.
    k, n_drop
        Numbers of assets, for the two rules of that name.
    volatility, window
        For ``rule="volatility"``: a yearly deviation (0.1 is 10 %), met by each asset's own over the last ``window``
        bars up to the cutoff, at 252 bars a year; without so many bars, no position.
    max_weight, max_gross
        Largest absolute weight of an asset, which is cut, and sum of all, to which the row is scaled down.
    band
        A weight that would change by less than this stays what it was; drift is still traded back.
    target
        Forecast price column; needed only if the forecasts hold several.

    Returns
    -------
    DataFrame
        Index ``cutoff``; one column per id, 0 where an id was not forecast. Without ids, one column named as the price
        column.

    Raises
    ------
    ConfigError
        On an unknown model, rule or target, and on options that the rule does not take.
    DataError
        On a missing column, forecast or price.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=3, name="date")
    >>> prices = pd.DataFrame({"close": [100.0, 102.0, 101.0]}, index=days)
    >>> forecasts = pd.DataFrame({"model": "lstm", "cutoff": days[:2], "step": 1, "target": "close",
    ...                           "forecast": [101.0, 101.5]})
    >>> to_weights(forecasts, prices, "lstm")
                close
    cutoff
    2024-01-01    1.0
    2024-01-02   -1.0
    """
    chosen = Rule(rule, threshold, short, k, n_drop, volatility, window, max_weight, max_gross, band)
    rows, table = _last_steps(forecasts, prices, model, target)
    expected = _wide(rows, table, "forecast")
    return pd.DataFrame(chosen.weights(expected, table), expected.index, expected.columns)


def expected_returns(
    forecasts: pd.DataFrame, prices: PriceFrame, model: str, *, target: str | None = None
) -> pd.DataFrame:
    """Return the forecast at the last step over the close at the cutoff, minus 1: cutoffs x ids, NaN without forecast.

    Parameters are those of :func:`to_weights`.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> forecasts = pd.DataFrame({"model": "lstm", "cutoff": days[:1], "step": 1, "target": "close", "forecast": 101.0,
    ...                           "actual": 102.0})
    >>> prices = pd.Series([100.0, 102.0], days)
    >>> expected_returns(forecasts, prices, "lstm").round(4).to_numpy().tolist()
    [[0.01]]
    """
    return _wide(*_last_steps(forecasts, prices, model, target), "forecast")


def realised_returns(
    forecasts: pd.DataFrame, prices: PriceFrame, model: str, *, target: str | None = None
) -> pd.DataFrame:
    """Return what :func:`expected_returns` forecast: the actual value over the close at the cutoff, minus 1.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> forecasts = pd.DataFrame({"model": "lstm", "cutoff": days[:1], "step": 1, "target": "close", "forecast": 101.0,
    ...                           "actual": 102.0})
    >>> prices = pd.Series([100.0, 102.0], days)
    >>> realised_returns(forecasts, prices, "lstm").round(4).to_numpy().tolist()
    [[0.02]]
    """
    rows, table = _last_steps(forecasts, prices, model, target)
    if "actual" not in rows:
        raise DataError("The forecasts have no column 'actual'. Pass the .forecasts of a backtest.")
    return _wide(rows, table, "actual")


def _wide(rows: pd.DataFrame, table: PriceTable, column: str) -> pd.DataFrame:
    change = rows[column].to_numpy(dtype=float) / _closes_at_cutoff(rows, table) - 1
    wide = rows.assign(change=change).pivot(index="cutoff", columns="id", values="change")
    return wide[rows["id"].unique()].rename_axis(columns=None)


def _last_steps(
    forecasts: pd.DataFrame, prices: PriceFrame, model: str, target: str | None
) -> tuple[pd.DataFrame, PriceTable]:
    """Return the rows of the model and target at the last step of each (cutoff, id), and the prices."""
    missing = [name for name in ("model", "cutoff", "step", "target", "forecast") if name not in forecasts]
    if missing:
        raise DataError(f"The forecasts have no column {listed(missing)}. Pass the .forecasts of a backtest.")
    rows = forecasts[forecasts["model"] == model]
    if rows.empty:
        raise ConfigError(f"No forecasts of model {model!r}; there are {listed(forecasts['model'].unique())}.")
    targets = rows["target"].unique().tolist()
    if target is None and len(targets) == 1:
        target = targets[0]
    if target not in targets:
        raise ConfigError(f"target is {target!r}; the forecasts hold {listed(targets)}. Name one of them.")
    rows = rows[rows["target"] == target]
    keys = [name for name in ("cutoff", "id") if name in rows]
    rows = rows[rows["step"] == rows.groupby(keys)["step"].transform("max")]
    culprits = rows.loc[rows.duplicated(keys) | rows["forecast"].isna(), "cutoff"]
    if len(culprits):
        raise DataError(
            f"{len(culprits)} forecasts of {model!r} are missing or repeated (at the cutoff {listed(culprits, 1)}). "
            "Pass one forecast per cutoff, id and step."
        )
    table = read_prices(prices, str(target))
    if "id" not in rows:
        if len(table.assets) != 1:
            raise DataError(f"The forecasts have no column 'id', but the prices hold {listed(table.assets)}. Pass one.")
        rows = rows.assign(id=table.assets[0])
    return rows, table


def _closes_at_cutoff(rows: pd.DataFrame, table: PriceTable) -> NDArray[np.float64]:
    bar = table.dates.get_indexer(pd.Index(rows["cutoff"]))
    column = table.assets.get_indexer(pd.Index(rows["id"]))
    close = np.where((bar >= 0) & (column >= 0), table.closes[bar, column], np.nan)
    if np.isnan(close).any():
        first = rows[np.isnan(close)].iloc[0]
        raise DataError(
            f"{np.isnan(close).sum()} forecasts have no close at their cutoff (first: {first['id']!r} on "
            f"{listed([first['cutoff']])}); the prices hold {listed(table.assets)} from {listed(table.dates[:1])} to "
            f"{listed(table.dates[-1:])}. Pass the prices that were forecast, or drop these forecasts."
        )
    return close
