"""Portfolio weights and expected returns from forecasts of a price."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.data.tidy import NAIVE, tidy_columns
from tsseq.errors import ConfigError, DataError
from tsseq.hints import rejects_foreign_names
from tsseq.trading.price_table import PriceTable, listed, read_prices
from tsseq.trading.weighting import RuleFunction, WeightingRule
from tsseq.typing import Array


@rejects_foreign_names
def to_weights(
    forecasts: pd.DataFrame,
    prices: Frame,
    model: str | None = None,
    rule: str | RuleFunction = "sign",
    *,
    threshold: float = 0.0,
    allow_short: bool | None = None,
    k: int | None = None,
    n_drop: int | None = None,
    target_volatility: float | None = None,
    volatility_window: int = 60,
    book_volatility: float | None = None,
    max_weight: float | None = None,
    max_gross: float | None = None,
    no_trade_band: float = 0.0,
    target: str | None = None,
) -> pd.DataFrame:
    """Turn the forecasts of one model into weights for `simulate`, a row per cutoff.

    The expected return of an asset is its forecast at the last step over its close at the cutoff, minus 1; where it has
    none, in a trading halt say, over the last one before, as in prices that were filled forward. The weights
    that a rule makes of it are held until the next cutoff.

    =================== ===========================================================================================
    rule                weight
    =================== ===========================================================================================
    ``"sign"``          +1, 0 or -1 as the expected return, over the number of assets forecast at that cutoff
    ``"threshold"``     the same where the expected return is above ``threshold`` in absolute value, else 0
    ``"rank"``          rank of the expected return around the mean rank: longs add up to 0.5, shorts to -0.5
    ``"top_k"``         the ``k`` highest with 1 / k each
    ``"top_k_dropout"`` ``k`` assets with 1 / k each, at most ``n_drop`` of them new at a cutoff (Qlib's TopkDropout)
    ``"volatility"``    sign times ``target_volatility`` over the asset's own, over the number of assets forecast
    f(expected)         what it makes of the expected returns, cutoffs x ids with NaN where there is no forecast
    f(expected, past)   what it makes, cutoff by cutoff, of the expected returns and the closes up to then
    =================== ===========================================================================================

    Parameters
    ----------
    forecasts : DataFrame
        Tidy, as ``backtest(...).forecasts``: the columns ``model, [id,] cutoff, step, target, forecast``, the id under
        the name that it bears in the frame. The forecast is a price.
    prices : DataFrame or Series
        The prices that were forecast, in any shape that `simulate` takes.
    model : str, optional
        Name in the column ``model``. May be left out if there is one model beside the naive ones.
    rule : str or callable, default "sign"
        A row of the table above. A function of two arguments is called for each cutoff, with the expected returns of
        the ids that are forecast (Series) and their closes up to the cutoff, its last row (DataFrame, bars x ids). It
        returns weights (Series; 0 for an id that is left out), and cannot see what came later: here risk models and
        optimisers go.
    threshold : float, default 0
        A return, for ``rule="threshold"``: 0.01 asks for a move of more than one per cent.
    allow_short : bool, optional
        False turns negative weights into 0 (and "rank" into a long book of 1). With "top_k", True sells the k
        lowest for half of the gross; that alone is off by default.
    k : int, optional
        Number of assets, for "top_k" and "top_k_dropout".
    n_drop : int, optional
        Number of assets that may change at a cutoff, for "top_k_dropout".
    target_volatility : float, optional
        For ``rule="volatility"``: a yearly deviation (0.1 is 10 %), met by each asset's own over the last
        ``volatility_window`` bars up to the cutoff, at as many bars a year as the prices have.
    volatility_window : int, default 60
        Returns up to the cutoff that volatilities are measured over; ids without so many get no position. Across
        missing prices, the move counts on the bar that ends the gap.
    book_volatility : float, optional
        With any rule: a yearly deviation (0.1 is 10 %) that all weights of a cutoff are scaled to. It is met by the
        deviation that the portfolio with these weights had over the last ``volatility_window`` bars, correlations
        included. ``max_weight`` and ``max_gross`` then cut what is too much: quiet markets and hedged books ask for
        leverage.
    max_weight : float, optional
        Largest absolute weight of an asset, to which larger ones are cut.
    max_gross : float, optional
        Largest sum of the absolute weights of a row, to which larger ones are scaled down.
    no_trade_band : float, default 0
        Target changes smaller than this are ignored. Drift away from the target is still rebalanced.
    target : str, optional
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
    >>> to_weights(forecasts, prices)
                close
    cutoff
    2024-01-01    1.0
    2024-01-02   -1.0

    A rule that reads past prices, here for the portfolio of the smallest variance:

    >>> def minimum_variance(expected, past):
    ...     covariance = past.pct_change().iloc[-60:].cov()
    ...     sizes = np.linalg.solve(covariance, np.ones(len(expected)))
    ...     return pd.Series(sizes / sizes.sum(), expected.index)
    >>> days = pd.date_range("2024-01-01", periods=5, name="date")
    >>> pair = pd.DataFrame({"A": [100.0, 102, 101, 103, 102], "B": [50.0, 51, 52, 52, 54]}, days)
    >>> forecasts = pd.DataFrame({"model": "lstm", "id": ["A", "B"], "cutoff": days[3], "step": 1, "target": "close",
    ...                           "forecast": [104.0, 53.0]})
    >>> to_weights(forecasts, pair.rename_axis(columns="id"), rule=minimum_variance).round(3)
                    A      B
    cutoff
    2024-01-04  0.367  0.633
    """
    options = WeightingRule(
        rule=rule,
        threshold=threshold,
        allow_short=allow_short,
        k=k,
        n_drop=n_drop,
        target_volatility=target_volatility,
        volatility_window=volatility_window,
        book_volatility=book_volatility,
        max_weight=max_weight,
        max_gross=max_gross,
        no_trade_band=no_trade_band,
    )
    rows, table = _last_steps(forecasts, prices, model, target)
    expected = _wide(rows, table, "forecast")
    return pd.DataFrame(options.weights(expected, table), expected.index, expected.columns)


def expected_returns(
    forecasts: pd.DataFrame, prices: Frame, model: str | None = None, *, target: str | None = None
) -> pd.DataFrame:
    """Compute the forecast at the last step over the close at the cutoff, minus 1.

    Parameters
    ----------
    forecasts : DataFrame
        Tidy, as ``backtest(...).forecasts``.
    prices : DataFrame or Series
        The prices that were forecast, in any shape that `simulate` takes.
    model : str, optional
        Name in the column ``model``. May be left out if there is one model beside the naive ones.
    target : str, optional
        Forecast price column; needed only if the forecasts hold several.

    Returns
    -------
    DataFrame of shape (n_cutoffs, n_ids)
        NaN where there is no forecast.

    Raises
    ------
    ConfigError
        On an unknown model or target.
    DataError
        On a missing column, forecast or price.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> forecasts = pd.DataFrame({"model": "lstm", "cutoff": days[:1], "step": 1, "target": "close", "forecast": 101.0,
    ...                           "actual": 102.0})
    >>> prices = pd.Series([100.0, 102.0], days)
    >>> expected_returns(forecasts, prices).round(4).to_numpy().tolist()
    [[0.01]]
    """
    return _wide(*_last_steps(forecasts, prices, model, target), "forecast")


def realised_returns(
    forecasts: pd.DataFrame, prices: Frame, model: str | None = None, *, target: str | None = None
) -> pd.DataFrame:
    """Compute what `expected_returns` forecast: the actual value over the close at the cutoff, minus 1.

    Parameters
    ----------
    forecasts : DataFrame
        Tidy, as ``backtest(...).forecasts``, with the column ``actual``.
    prices : DataFrame or Series
        The prices that were forecast, in any shape that `simulate` takes.
    model : str, optional
        Name in the column ``model``. May be left out if there is one model beside the naive ones.
    target : str, optional
        Forecast price column; needed only if the forecasts hold several.

    Returns
    -------
    DataFrame of shape (n_cutoffs, n_ids)
        NaN where there is no forecast or the value is not known.

    Raises
    ------
    ConfigError
        On an unknown model or target.
    DataError
        On a missing column, forecast or price.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> forecasts = pd.DataFrame({"model": "lstm", "cutoff": days[:1], "step": 1, "target": "close", "forecast": 101.0,
    ...                           "actual": 102.0})
    >>> prices = pd.Series([100.0, 102.0], days)
    >>> realised_returns(forecasts, prices).round(4).to_numpy().tolist()
    [[0.02]]
    """
    rows, table = _last_steps(forecasts, prices, model, target)
    if "actual" not in rows:
        raise DataError("the forecasts have no column 'actual'. Pass the .forecasts of a backtest.")
    return _wide(rows, table, "actual")


def chosen_rows(forecasts: pd.DataFrame, model: str | None, target: str | None) -> tuple[pd.DataFrame, str]:
    """Rows of one model and one target, by default of the only ones, and the name of the target."""
    rows = _of_model(forecasts, model)
    targets = rows["target"].unique().tolist()
    if target is None and len(targets) == 1:
        target = targets[0]
    if target not in targets:
        raise ConfigError(f"target is {target!r}; the forecasts hold {listed(targets)}. Name one of them.")
    return rows[rows["target"] == target], str(target)


def closes_at_cutoff(rows: pd.DataFrame, table: PriceTable) -> Array:
    """Last close (n,) of the asset of each row at its cutoff, as in a trading halt; NaN where there is none."""
    bar = table.dates.get_indexer(pd.Index(rows["cutoff"]))
    asset = table.assets.get_indexer(pd.Index(rows["asset"]))
    closes = pd.DataFrame(table.closes).ffill().to_numpy()
    return np.where((bar >= 0) & (asset >= 0), closes[bar, asset], np.nan)


def _wide(rows: pd.DataFrame, table: PriceTable, column: str) -> pd.DataFrame:
    """Change (cutoffs x assets) from the close at the cutoff to a column of the rows."""
    close = closes_at_cutoff(rows, table)
    if len(unknown := rows[np.isnan(close)]):
        dates = f"{listed(table.dates[:1])} to {listed(table.dates[-1:])}"
        raise DataError(
            f"{len(unknown)} forecasts have no close at their cutoff (first: {unknown['asset'].iloc[0]!r} on "
            f"{listed(unknown['cutoff'].iloc[:1])}); the prices hold {listed(table.assets)} from {dates}. "
            "Pass the prices that were forecast, or drop these forecasts."
        )
    changes = rows.assign(change=rows[column].to_numpy(dtype=float) / close - 1)
    wide = changes.pivot(index="cutoff", columns="asset", values="change")
    return wide[rows["asset"].unique()].rename_axis(columns=None)


def _last_steps(
    forecasts: pd.DataFrame, prices: Frame, model: str | None, target: str | None
) -> tuple[pd.DataFrame, PriceTable]:
    """Rows of the model and target at the last step, with ``cutoff, asset, forecast[, actual]``, and the prices."""
    id_column = tidy_columns(forecasts).id
    rows, target = chosen_rows(forecasts, model, target)
    table = read_prices(prices, target)
    if id_column is None and len(table.assets) != 1:
        raise DataError(f"the forecasts have no column of ids, but the prices hold {listed(table.assets)}. Pass one.")
    rows = rows.assign(asset=table.assets[0] if id_column is None else rows[id_column])
    keys = ["cutoff", "asset"]
    rows = rows[rows["step"] == rows.groupby(keys, observed=True)["step"].transform("max")]
    culprits = rows.loc[rows.duplicated(keys) | rows["forecast"].isna(), "cutoff"]
    if len(culprits):
        raise DataError(
            f"{len(culprits)} forecasts{'' if model is None else f' of {model!r}'} are missing or repeated (at the "
            f"cutoff {listed(culprits, 1)}). Pass one forecast per cutoff, id and step."
        )
    return rows, table


def _of_model(forecasts: pd.DataFrame, model: str | None) -> pd.DataFrame:
    """Rows of one model, by default of the only one that is not naive; all rows where no column names models."""
    if "model" not in forecasts and model is None:
        return forecasts
    names = forecasts["model"].unique().tolist() if "model" in forecasts else []
    if model is None:
        candidates = names if len(names) == 1 else [name for name in names if name not in NAIVE]
        if len(candidates) != 1:
            raise ConfigError(f"the forecasts are of {listed(candidates or names, 8)}. Name one of them as model=.")
        model = candidates[0]
    if model not in names:
        raise ConfigError(f"no forecasts of model {model!r}; there are {listed(names)}.")
    return forecasts[forecasts["model"] == model]
