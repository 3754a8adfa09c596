"""What the signal of a panel is worth before any rule, cost or fill: a `SignalQuality` from a backtest's forecasts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.data.tidy import tidy_columns
from tsseq.errors import ConfigError, DataError
from tsseq.resampling.bootstrap import block_length, percentiles, resampled
from tsseq.resampling.long_run import mean_and_error
from tsseq.trading.price_table import PriceTable, read_prices
from tsseq.trading.signals import chosen_rows, closes_at_cutoff
from tsseq.trading.statistics.information_coefficient import (
    ic_decay,
    information_coefficient,
    information_coefficients,
    mean_t,
)
from tsseq.trading.statistics.signal_quantiles import quantile_returns, quantile_turnover, rank_autocorrelation
from tsseq.typing import Array

# A forecast of "no change" differs from the price by rounding, which must not be ranked.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class SignalQuality:
    """How well forecasts sort the assets of a panel, date by date.

    The signal is the expected return up to the last step, as in `to_weights`; the dates are the cutoffs.

    Attributes
    ----------
    ic : Series of shape (D,)
        Information coefficient of each date: the correlation of expected and realised returns across assets; NaN with
        fewer than two.
    rank_ic : Series of shape (D,)
        The same of their ranks.
    by_step : DataFrame
        One row per step of the horizon: `information_coefficient` of the return expected up to this step.
    by_month : DataFrame
        One row per month: means ``ic`` and ``rank_ic`` of its dates, and their number ``n_dates``.
    decay : DataFrame
        One row per lag: `ic_decay`, the signal used so many dates late.
    quantile_returns : DataFrame of shape (D, n_quantiles)
        Mean realised return of each quantile of the signal, from 1, the lowest.
    turnover : Series of shape (D,)
        Share of the assets in the top quantile that were not in it at the date before.
    autocorrelation : Series of shape (D,)
        Correlation of the signal's ranks with those at the date before.
    n_assets : float
        Mean number of assets that were forecast at a date.
    overlap : int
        Neighbouring dates whose horizons share bars; t-values, intervals and p-values allow for it.

    Examples
    --------
    >>> import tsseq
    >>> from sklearn.linear_model import Ridge
    >>> stocks = tsseq.load_sample("us_stocks").loc[(slice(None), slice("2018", "2019")), :]
    >>> model = tsseq.Forecaster(Ridge(), horizon=5, context_length=20, target="close", calendar="XNYS")
    >>> quality = signal_quality(tsseq.backtest(model, stocks, n_cutoffs=40).forecasts)
    >>> quality
    SignalQuality(40 dates, 20 assets, ic=-0.045, rank_ic=-0.005)
    >>> bool(quality.summary()["ic_p"] < 0.05)  # none of it is distinct from luck
    False
    """

    ic: pd.Series[float]
    rank_ic: pd.Series[float]
    by_step: pd.DataFrame
    by_month: pd.DataFrame
    decay: pd.DataFrame
    quantile_returns: pd.DataFrame
    turnover: pd.Series[float]
    autocorrelation: pd.Series[float]
    n_assets: float
    overlap: int

    def __repr__(self) -> str:
        size = f"{len(self.ic)} dates, {self.n_assets:.0f} assets"
        return f"SignalQuality({size}, ic={self.ic.mean():.3f}, rank_ic={self.rank_ic.mean():.3f})"

    @property
    def spread(self) -> pd.Series[float]:
        """Return of the top quantile minus that of the bottom one, per date."""
        return (self.quantile_returns.iloc[:, -1] - self.quantile_returns.iloc[:, 0]).rename("spread")

    def summary(self, level: float = 0.95, *, n_samples: int = 1000, seed: int = 0) -> pd.Series[float]:
        """Compute the means over all dates, and how sure they are.

        Parameters
        ----------
        level : float, default 0.95
            Share of the bootstrap draws between the ends of an interval, in 0..1.
        n_samples : int, default 1000
            Bootstrap samples.
        seed : int, default 0
            Seed of the draws.

        Returns
        -------
        Series
            ``n_dates, n_assets, overlap``; for ``ic``, ``rank_ic`` and ``spread`` the mean, its t-value (``ic_t``), the
            ends of its interval (``ic_lower, ic_upper``) and a two-sided p-value (``ic_p``), from a block bootstrap
            over dates; ``icir`` and ``rank_icir``, mean over deviation, which no overlap corrects; the means
            ``turnover`` and ``autocorrelation``. Below some 100 dates, intervals are a little
            too narrow.

        Raises
        ------
        ConfigError
            The level is not between 0 and 1, or there are no bootstrap samples.
        """
        if not (0 < level < 1 and n_samples >= 1):
            raise ConfigError(
                f"level is {level} and n_samples {n_samples}; between 0 and 1, and at least 1 were needed."
            )
        figures: dict[str, float] = {"n_dates": self.ic.count(), "n_assets": self.n_assets, "overlap": self.overlap}
        for name, values in {"ic": self.ic, "rank_ic": self.rank_ic, "spread": self.spread}.items():
            figures |= {name: values.mean(), f"{name}_t": mean_t(values, self.overlap)}
            ends = _bootstrap(values.dropna().to_numpy(), self.overlap, level, n_samples, seed)
            figures |= dict(zip((f"{name}_lower", f"{name}_upper", f"{name}_p"), ends))
        figures |= {"icir": self.decay.at[0, "icir"], "rank_icir": self.decay.at[0, "rank_icir"]}
        figures |= {"turnover": self.turnover.mean(), "autocorrelation": self.autocorrelation.mean()}
        return pd.Series(figures, dtype=float)


def signal_quality(
    forecasts: pd.DataFrame,
    model: str | None = None,
    *,
    target: str | None = None,
    n_quantiles: int = 5,
    prices: Frame | None = None,
) -> SignalQuality:
    """Measure how well the forecasts of one model sort the assets of a panel.

    For a table of models: ``pd.DataFrame({name: signal_quality(forecasts, name).summary() for name in names})``.

    Parameters
    ----------
    forecasts : DataFrame
        Tidy, as ``backtest(...).forecasts``, of several series, with the column ``actual``. What was forecast is a
        price. Missing forecasts and values are left out.
    model : str, optional
        Name in the column ``model``. May be left out if there is one model beside the naive ones.
    target : str, optional
        Forecast price column; needed only if the forecasts hold several.
    n_quantiles : int, default 5
        Groups that assets are sorted into.
    prices : DataFrame or Series, optional
        The prices that were forecast, in any shape that `simulate` takes. Default: the naive forecasts ``last_value``,
        which are in the forecasts of every backtest, say what the price at the cutoff was.

    Returns
    -------
    SignalQuality
        Information coefficients by date, step, month and lag, returns of quantiles, turnover and persistence of the
        signal; `SignalQuality.summary` averages them and says how sure they are.

    Raises
    ------
    ConfigError
        On an unknown model or target, or fewer than two quantiles.
    DataError
        On forecasts of one series, repeated ones, or cutoffs that are not dates; a missing column; no price at the
        cutoff, or one that is not positive.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", periods=3)
    >>> table = pd.DataFrame({"id": list("ABAB"), "cutoff": days[[0, 0, 1, 1]], "date": days[[1, 1, 2, 2]], "step": 1,
    ...                       "target": "close", "actual": [11.0, 9.0, 12.0, 10.0], "forecast": [12.0, 10, 10, 11]})
    >>> prices = pd.DataFrame({"A": [10.0, 11.0, 12.0], "B": [10.0, 9.0, 10.0]}, days).rename_axis(columns="ticker")
    >>> signal_quality(table, prices=prices, n_quantiles=2).ic.round(6).tolist()
    [1.0, 1.0]
    """
    rows, target = chosen_rows(forecasts, model, target)
    names = tidy_columns(forecasts)
    if names.id is None or rows[names.id].nunique() < 2:
        raise DataError("the forecasts are of one series; to sort assets by their forecasts, several were needed.")
    if "actual" not in rows:
        raise DataError("the forecasts have no column 'actual'. Pass the .forecasts of a backtest.")
    rows = rows.assign(asset=rows[names.id], time=rows[names.time])
    table = _last_values(forecasts, target, names.id) if prices is None else read_prices(prices, target)
    expected, realised, overlaps = _returns_by_step(rows, closes_at_cutoff(rows, table))
    by_step = {
        step: information_coefficient(expected[step], realised[step], overlap=overlap)
        for step, overlap in overlaps.items()
    }
    signal, outcome, overlap = expected[max(overlaps)], realised[max(overlaps)], overlaps[max(overlaps)]
    ic, rank_ic = (information_coefficients(signal, outcome, rank=rank) for rank in (False, True))
    return SignalQuality(
        ic=ic,
        rank_ic=rank_ic,
        by_step=pd.DataFrame(by_step).T.rename_axis("step"),
        by_month=_by_month(ic, rank_ic),
        decay=ic_decay(signal, outcome, overlap=overlap),
        quantile_returns=quantile_returns(signal, outcome, n_quantiles),
        turnover=quantile_turnover(signal, n_quantiles)[n_quantiles].rename("turnover"),
        autocorrelation=rank_autocorrelation(signal),
        n_assets=float(signal.count(axis=1).mean()),
        overlap=overlap,
    )


def _last_values(forecasts: pd.DataFrame, target: str, id_column: Hashable) -> PriceTable:
    """Prices at the cutoffs, which the naive forecasts repeat."""
    rows = forecasts[(forecasts["target"] == target) & ("model" in forecasts and forecasts["model"] == "last_value")]
    if rows.empty:
        raise DataError("no forecasts of 'last_value' say what the prices at the cutoffs were. Pass prices=.")
    first = rows[rows["step"] == rows["step"].min()].drop_duplicates(["cutoff", id_column])
    closes = first.pivot(index="cutoff", columns=id_column, values="forecast")
    return PriceTable(closes.index, closes.columns, closes.to_numpy(dtype=float), None)


def _returns_by_step(
    rows: pd.DataFrame, close: Array
) -> tuple[dict[int, pd.DataFrame], dict[int, pd.DataFrame], dict[int, int]]:
    """Expected and realised returns (dates x assets) up to each step, and how many dates then overlap."""
    if np.isnan(close).all() or (close <= 0).any():
        raise DataError("the prices at the cutoffs are missing or not positive. Pass forecasts of prices, and prices=.")
    (step, steps), (date, dates), (asset, assets) = (
        pd.factorize(rows[name], sort=name != "asset") for name in ("step", "cutoff", "asset")
    )
    dates = pd.Index(dates, name="cutoff")
    if not isinstance(dates, pd.DatetimeIndex):
        raise DataError(f"the cutoffs are {dates.dtype}; dates were needed. Convert them with pd.to_datetime.")
    shape = len(steps), len(dates), len(assets)
    cells = np.ravel_multi_index((step, date, asset), shape)
    if len(repeated := np.flatnonzero(np.bincount(cells)[cells] > 1)):
        raise DataError(f"{len(repeated)} forecasts are repeated. Pass one per cutoff, id and step.")
    returns = np.full((2, *shape), np.nan)
    changes = rows[["forecast", "actual"]].to_numpy(dtype=float).T / close - 1
    returns.reshape(2, -1)[:, cells] = np.where(np.abs(changes) < _ROUNDING, 0.0, changes)
    expected, realised = ({k: pd.DataFrame(r, dates, assets) for k, r in zip(steps, cube)} for cube in returns)
    reach = dates.searchsorted(pd.DatetimeIndex(rows["time"])) - date  # dates from this one to what is forecast
    return expected, realised, {k: max(1, int(reach[step == code].max())) for code, k in enumerate(steps)}


def _by_month(ic: pd.Series[float], rank_ic: pd.Series[float]) -> pd.DataFrame:
    """Mean coefficients of each month."""
    daily = pd.DataFrame({"ic": ic, "rank_ic": rank_ic, "n_dates": ic.notna()})
    months = daily.index.tz_localize(None).to_period("M").rename("month")
    return daily.groupby(months).agg({"ic": "mean", "rank_ic": "mean", "n_dates": "sum"})


def _bootstrap(values: Array, overlap: int, level: float, n_samples: int, seed: int) -> tuple[float, float, float]:
    """Ends of an interval for the mean, and how likely a mean so far from 0 is if the true one is 0.

    Draws deviate too little where blocks are few; they are scaled to the standard error of the long run.
    """
    n = len(values)
    if n <= overlap:
        return np.nan, np.nan, np.nan
    mean, error = mean_and_error(values, np.ones(n, dtype=np.bool_), overlap)
    draws = resampled(n, block_length(n, overlap), n_samples, seed) @ values / n - mean
    if draws.std() > 0:
        draws *= error / draws.std()
    low, high = percentiles(mean - draws[None], level)
    return float(low[0]), float(high[0]), float((1 + (np.abs(draws) >= abs(mean)).sum()) / (1 + n_samples))
