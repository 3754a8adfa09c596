"""From forecasts of a price to portfolio weights."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.backtesting.prices import PriceFrame, PriceTable, listed, read_prices
from tsseq.errors import ConfigError, DataError

# exp(log(price)) differs from the price by rounding; a forecast of "no change" must not become a position.
_ROUNDING = 1e-12


def to_weights(
    forecasts: pd.DataFrame,
    prices: PriceFrame,
    model: str,
    rule: str = "sign",
    *,
    threshold: float = 0.0,
    short: bool = True,
    target: str | None = None,
) -> pd.DataFrame:
    """Turn the forecasts of one model into weights for :func:`~tsseq.backtesting.simulate.simulate`, a row per cutoff.

    The expected return of an asset is its forecast at the last step over its close at the cutoff, minus 1. The weight
    is +1, 0 or -1, divided by the number of assets forecast at that cutoff, and held until the next cutoff.

    Parameters
    ----------
    forecasts
        Tidy, as ``backtest(...).forecasts``: the columns ``model, [id,] cutoff, step, target, forecast``. The forecast
        is a price.
    prices
        The prices that were forecast, in any shape that ``simulate`` takes.
    model
        Name in the column ``model``.
    rule
        ``"sign"``: the sign of the expected return. ``"threshold"``: its sign where it is larger than ``threshold`` in
        absolute value, else 0.
    threshold
        A return, for ``rule="threshold"``: 0.01 asks for a move of more than one per cent.
    short
        False turns negative weights into 0.
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
        On an unknown model, rule or target.
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
    if rule not in ("sign", "threshold"):
        raise ConfigError(f"rule is {rule!r}; it must be 'sign' or 'threshold'.")
    if threshold < 0 or (rule == "sign" and threshold > 0):
        raise ConfigError(f"threshold is {threshold} with rule {rule!r}; pass one >= 0 and rule='threshold'.")
    rows = _last_steps(forecasts, model, target)
    table = read_prices(prices, str(rows["target"].iloc[0]))
    if "id" not in rows:
        if len(table.assets) != 1:
            raise DataError(f"The forecasts have no column 'id', but the prices hold {listed(table.assets)}. Pass one.")
        rows = rows.assign(id=table.assets[0])
    expected = rows["forecast"].to_numpy(dtype=float) / _closes_at_cutoff(rows, table) - 1
    weight = np.where(np.abs(expected) > max(threshold, _ROUNDING), np.sign(expected), 0.0)
    rows["weight"] = weight if short else np.maximum(weight, 0.0)
    rows["weight"] /= rows.groupby("cutoff")["id"].transform("size")
    wide = rows.pivot(index="cutoff", columns="id", values="weight").fillna(0.0)
    return wide[rows["id"].unique()].rename_axis(columns=None)


def _last_steps(forecasts: pd.DataFrame, model: str, target: str | None) -> pd.DataFrame:
    """Return the rows of the model and target at the last step of each (cutoff, id)."""
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
    return rows


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
