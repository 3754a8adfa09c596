"""Rules that turn expected returns into target weights, and limits on these weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from tsseq.errors import ConfigError, DataError
from tsseq.trading.price_table import PriceTable, listed
from tsseq.trading.statistics.returns import bars_per_year
from tsseq.typing import Array

RuleFunction: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]

# exp(log(price)) differs from the price by rounding; a forecast of "no change" must not become a position.
_ROUNDING = 1e-12
# Options that rules need.
_OPTIONS = {"top_k": ("k",), "top_k_dropout": ("k", "n_drop"), "volatility": ("target_volatility",)}
_RULES = ("sign", "threshold", "rank", *_OPTIONS)


@dataclass(frozen=True)
class WeightingRule:
    """A rule with its options and limits.

    Parameters
    ----------
    rule : str or callable, default "sign"
        "sign", "threshold", "rank", "top_k", "top_k_dropout", "volatility", or a function that takes the expected
        returns (DataFrame, dates x assets) and returns weights of the same shape.
    threshold : float, default 0
        Smallest expected return, in absolute value, that "threshold" takes a position for.
    allow_short : bool, optional
        False turns negative weights into 0 (and "rank" into a long book of 1). With "top_k", True sells the k lowest
        for half of the gross.
    k : int, optional
        Assets held by "top_k" and "top_k_dropout".
    n_drop : int, optional
        Assets that "top_k_dropout" may exchange at a date.
    target_volatility : float, optional
        Yearly deviation that "volatility" sizes every position for (0.1 is 10 %).
    volatility_window : int, default 60
        Bars of which an asset's own volatility is the deviation.
    max_weight : float, optional
        Largest absolute weight of an asset.
    max_gross : float, optional
        Largest sum of the absolute weights of a date.
    no_trade_band : float, default 0
        Changes of a target weight smaller than this are ignored.

    Raises
    ------
    ConfigError
        An unknown rule, an option that the rule does not take or lacks, or a limit that makes no sense.

    Examples
    --------
    >>> expected = pd.DataFrame({"A": [0.02], "B": [-0.01]}, pd.DatetimeIndex(["2024-01-01"]))
    >>> table = PriceTable(expected.index, expected.columns, np.ones((1, 2)), None)
    >>> WeightingRule("sign").weights(expected, table).tolist()
    [[0.5, -0.5]]
    """

    rule: str | RuleFunction = "sign"
    threshold: float = 0.0
    allow_short: bool | None = None
    k: int | None = None
    n_drop: int | None = None
    target_volatility: float | None = None
    volatility_window: int = 60
    max_weight: float | None = None
    max_gross: float | None = None
    no_trade_band: float = 0.0

    def __post_init__(self) -> None:
        if not callable(self.rule) and self.rule not in _RULES:
            raise ConfigError(f"rule is {self.rule!r}; it must be a callable or one of {listed(_RULES, 6)}.")
        if self.threshold < 0 or (self.rule != "threshold" and self.threshold > 0):
            found = f"threshold is {self.threshold} with rule {self.rule!r}"
            raise ConfigError(f"{found}; pass one >= 0 and rule='threshold'.")
        needed = () if callable(self.rule) else _OPTIONS.get(self.rule, ())
        for name in ("k", "n_drop", "target_volatility"):
            value = getattr(self, name)
            if (value is None) == (name in needed) or (value is not None and not value > 0):
                wanted = "a number above 0" if name in needed else "none"
                raise ConfigError(f"{name} is {value} with rule {self.rule!r}, which takes {wanted}.")
        if self.rule == "top_k_dropout" and (self.allow_short or (self.n_drop or 0) > (self.k or 0)):
            raise ConfigError("rule='top_k_dropout' is never short and drops at most k assets a day.")
        positive = all(limit is None or limit > 0 for limit in (self.max_weight, self.max_gross))
        if not (positive and self.no_trade_band >= 0 and self.volatility_window >= 2):
            limits = "max_weight and max_gross above 0, no_trade_band of at least 0"
            raise ConfigError(f"pass {limits} and volatility_window of at least 2.")

    def weights(self, expected: pd.DataFrame, table: PriceTable, values: Array | None = None) -> Array:
        """Apply the rule, then the limits.

        Parameters
        ----------
        expected : DataFrame of shape (D, N)
            Expected returns, dates x assets, NaN where an asset was not forecast.
        table : PriceTable
            Prices, of which "volatility" reads the closes.
        values : ndarray of shape (D, N), optional
            Those of ``expected``, for callers that ask often.

        Returns
        -------
        ndarray of shape (D, N)
            Target weights; 0 where an asset was not forecast.
        """
        values = expected.to_numpy(dtype=float) if values is None else values
        if callable(self.rule):
            weights = _called(self.rule, expected)
        elif self.rule in ("sign", "threshold"):
            weights = _signs(values, max(self.threshold, _ROUNDING))
        elif self.rule == "rank":
            weights = _ranks(expected)
        elif self.rule == "volatility":
            deviation = _volatility(expected, table, self.volatility_window)
            weights = _signs(values, _ROUNDING) * (self.target_volatility or 0.0) / deviation
        elif self.rule == "top_k":
            weights = _top(values, self.k or 1, short=bool(self.allow_short))
        else:
            weights = _dropout(values, self.k or 1, self.n_drop or 1)
        if self.allow_short is False:
            weights = np.maximum(weights, 0.0) * (2 if self.rule == "rank" else 1)
        if self.rule not in ("sign", "threshold"):
            weights = np.where(np.isnan(weights), 0.0, weights)
        return self._limited(weights)

    def _limited(self, weights: Array) -> Array:
        if self.max_weight is not None:
            weights = np.clip(weights, -self.max_weight, self.max_weight)
        if not self.no_trade_band:
            return self._within_gross(weights)
        last = np.zeros(weights.shape[1])
        limited = np.empty_like(weights)
        for row, target in enumerate(weights):
            target = np.where(np.abs(target - last) < self.no_trade_band, last, target)
            limited[row] = last = self._within_gross(target)
        return limited

    def _within_gross(self, weights: Array) -> Array:
        if self.max_gross is None:
            return weights
        gross = np.abs(weights).sum(axis=-1, keepdims=True)
        return np.asarray(weights * np.minimum(1.0, self.max_gross / np.maximum(gross, self.max_gross)))


def _signs(expected: Array, threshold: float) -> Array:
    """+1, 0 or -1, over the number of assets forecast on the date."""
    above, below = expected > threshold, expected < -threshold
    weights = (above.view(np.int8) - below.view(np.int8)).astype(np.float64)
    if expected.shape[1] > 1:
        weights /= np.maximum(np.count_nonzero(~np.isnan(expected), axis=1), 1)[:, None]
    return np.asarray(weights)


def _ranks(expected: pd.DataFrame) -> Array:
    """Ranks around their mean, scaled to a gross of 1: half of it long, half short."""
    ranks = expected.rank(axis=1)
    centred = ranks.sub(ranks.mean(axis=1), axis=0).to_numpy()
    gross = np.nansum(np.abs(centred), axis=1, keepdims=True)
    return np.asarray(centred / np.where(gross > 0, gross, 1.0))


def _top(expected: Array, k: int, *, short: bool) -> Array:
    """The k highest in equal parts of a gross of 1; with ``short`` half of it, and minus the k lowest for the rest."""
    weights = np.zeros_like(expected)
    for sign in (1.0, -1.0) if short else (1.0,):
        best = np.argsort(-sign * expected, axis=1, kind="stable")[:, :k]  # NaN comes last
        forecast = ~np.isnan(np.take_along_axis(expected, best, axis=1))
        side = np.zeros_like(expected)
        np.put_along_axis(side, best, forecast / (k * (1 + short)), axis=1)
        weights += sign * side
    return weights


def _dropout(expected: Array, k: int, n_drop: int) -> Array:
    """Qlib's TopkDropout: on each date, at most ``n_drop`` of the k positions make way for better assets.

    Candidates are the best assets outside the portfolio, ``n_drop`` more than there is room for; of them and the
    portfolio together, the ``n_drop`` lowest are sold if held, and as many bought from the candidates, best first.
    """
    weights = np.zeros_like(expected)
    portfolio = np.zeros(expected.shape[1], dtype=bool)
    for row, values in enumerate(expected):
        order = np.argsort(-values, kind="stable")  # best first, NaN last
        outside = order[~portfolio[order] & ~np.isnan(values[order])]
        candidates = outside[: n_drop + k - portfolio.sum()]
        together = order[portfolio[order] | np.isin(order, candidates)]
        lowest = together[-n_drop:]
        sales = lowest[portfolio[lowest]]
        purchases = candidates[: len(sales) + k - portfolio.sum()]
        portfolio[sales] = False
        portfolio[purchases] = True
        portfolio &= ~np.isnan(values)
        weights[row, portfolio] = 1 / k
    return weights


def _volatility(expected: pd.DataFrame, table: PriceTable, window: int) -> Array:
    """Annual deviation of the last ``window`` returns at each date (D, N); infinite while there are fewer."""
    closes = pd.DataFrame(table.closes, table.dates, table.assets)[expected.columns]
    per_year = np.sqrt(bars_per_year(table.dates))
    deviation = closes.pct_change(fill_method=None).rolling(window).std() * per_year
    at_cutoff = deviation.reindex(expected.index).to_numpy()
    return np.where(at_cutoff > 0, at_cutoff, np.inf)


def _called(rule: RuleFunction, expected: pd.DataFrame) -> Array:
    weights = rule(expected.copy())
    if not isinstance(weights, pd.DataFrame) or weights.shape != expected.shape:
        raise DataError(
            f"the rule returned {type(weights).__name__} {getattr(weights, 'shape', '')}; a DataFrame of weights for "
            f"the {expected.shape} dates x assets of the expected returns was needed."
        )
    return np.asarray(weights.reindex_like(expected).to_numpy(dtype=float, copy=True))
