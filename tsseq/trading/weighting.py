"""From expected returns to target weights: rules over dates x assets, and limits on what they give."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import ConfigError, DataError
from tsseq.trading.price_table import PriceTable, listed

Floats = NDArray[np.float64]
RuleFunction = Callable[[pd.DataFrame], pd.DataFrame]

# exp(log(price)) differs from the price by rounding; a forecast of "no change" must not become a position.
_ROUNDING = 1e-12
_PERIODS_PER_YEAR = 252
# Which options each rule needs.
_OPTIONS = {
    "sign": (),
    "threshold": (),
    "rank": (),
    "top_k": ("k",),
    "top_k_dropout": ("k", "n_drop"),
    "volatility": ("volatility",),
}


@dataclass(frozen=True)
class Rule:
    """A rule with its options and limits; :func:`~tsseq.trading.signals.to_weights` explains them."""

    rule: str | RuleFunction = "sign"
    threshold: float = 0.0
    short: bool | None = None
    k: int | None = None
    n_drop: int | None = None
    volatility: float | None = None
    window: int = 60
    max_weight: float | None = None
    max_gross: float | None = None
    band: float = 0.0

    def __post_init__(self) -> None:
        if not callable(self.rule) and self.rule not in _OPTIONS:
            raise ConfigError(f"rule is {self.rule!r}; it must be a callable or one of {listed(_OPTIONS, 6)}.")
        if self.threshold < 0 or (self.rule != "threshold" and self.threshold > 0):
            raise ConfigError(
                f"threshold is {self.threshold} with rule {self.rule!r}; pass one >= 0 and rule='threshold'."
            )
        needed = () if callable(self.rule) else _OPTIONS[self.rule]
        for name in ("k", "n_drop", "volatility"):
            value = getattr(self, name)
            if (value is None) == (name in needed) or (value is not None and not value > 0):
                wanted = "a number above 0" if name in needed else "none"
                raise ConfigError(f"{name} is {value} with rule {self.rule!r}, which takes {wanted}.")
        if self.rule == "top_k_dropout" and (self.short or (self.n_drop or 0) > (self.k or 0)):
            raise ConfigError("rule='top_k_dropout' is never short and drops at most k assets a day.")
        bad = [n for n in ("max_weight", "max_gross") if (value := getattr(self, n)) is not None and not value > 0]
        if bad or not self.band >= 0 or self.window < 2:
            raise ConfigError("Pass max_weight and max_gross above 0, band of at least 0 and window of at least 2.")

    def weights(self, expected: pd.DataFrame, table: PriceTable, values: Floats | None = None) -> Floats:
        """Weights (D, N) of expected returns, dates x assets, NaN where an asset was not forecast.

        ``values`` are those of ``expected``, for callers that ask often.
        """
        values = expected.to_numpy(dtype=float) if values is None else values
        if callable(self.rule):
            weights = _called(self.rule, expected)
        elif self.rule in ("sign", "threshold"):
            weights = _signs(values, max(self.threshold, _ROUNDING))
        elif self.rule == "rank":
            weights = _ranks(expected)
        elif self.rule == "volatility":
            weights = _signs(values, _ROUNDING) * (self.volatility or 0.0) / _volatility(expected, table, self.window)
        elif self.rule == "top_k":
            weights = _top(values, self.k or 1, short=bool(self.short))
        else:
            weights = _dropout(values, self.k or 1, self.n_drop or 1)
        if self.short is False:
            weights = 2 * np.maximum(weights, 0.0) if self.rule == "rank" else np.maximum(weights, 0.0)
        if self.rule not in ("sign", "threshold"):
            weights = np.where(np.isnan(weights), 0.0, weights)
        return self._limited(weights)

    def _limited(self, weights: Floats) -> Floats:
        if self.max_weight is not None:
            weights = np.clip(weights, -self.max_weight, self.max_weight)
        if not self.band:
            return self._within_gross(weights)
        last = np.zeros(weights.shape[1])
        kept = np.empty_like(weights)
        for row, wanted in enumerate(weights):
            kept[row] = last = self._within_gross(np.where(np.abs(wanted - last) < self.band, last, wanted))
        return kept

    def _within_gross(self, weights: Floats) -> Floats:
        if self.max_gross is None:
            return weights
        gross = np.abs(weights).sum(axis=-1, keepdims=True)
        return weights * np.minimum(1.0, self.max_gross / np.maximum(gross, self.max_gross))


def _signs(expected: Floats, threshold: float) -> Floats:
    """+1, 0 or -1, over the number of assets forecast on the date."""
    above, below = expected > threshold, expected < -threshold
    weights = (above.view(np.int8) - below.view(np.int8)).astype(np.float64)
    if expected.shape[1] > 1:
        weights /= np.maximum(np.count_nonzero(~np.isnan(expected), axis=1), 1)[:, None]
    return weights


def _ranks(expected: pd.DataFrame) -> Floats:
    """Ranks around their mean, scaled to a gross of 1: half of it long, half short."""
    ranks = expected.rank(axis=1)
    centred = ranks.sub(ranks.mean(axis=1), axis=0).to_numpy()
    gross = np.nansum(np.abs(centred), axis=1, keepdims=True)
    return np.asarray(centred / np.where(gross > 0, gross, 1.0))


def _top(expected: Floats, k: int, *, short: bool) -> Floats:
    """The k highest in equal parts of a gross of 1; with ``short`` half of it, and minus the k lowest for the rest."""
    weights = np.zeros_like(expected)
    for sign in (1.0, -1.0) if short else (1.0,):
        best = np.argsort(-sign * expected, axis=1, kind="stable")[:, :k]  # NaN comes last
        chosen = ~np.isnan(np.take_along_axis(expected, best, axis=1))
        side = np.zeros_like(expected)
        np.put_along_axis(side, best, chosen / (k * (1 + short)), axis=1)
        weights += sign * side
    return weights


def _dropout(expected: Floats, k: int, n_drop: int) -> Floats:
    """Qlib's TopkDropout: each date, at most ``n_drop`` of the k held make way for better ones that are not held.

    Candidates are the best not held, ``n_drop`` more than there is room for; of them and the held together, the
    ``n_drop`` lowest are sold if held, and as many bought from the candidates, best first.
    """
    weights = np.zeros_like(expected)
    held = np.zeros(expected.shape[1], dtype=bool)
    for row, values in enumerate(expected):
        order = np.argsort(-values, kind="stable")  # best first, NaN last
        outside = order[~held[order] & ~np.isnan(values[order])]
        candidates = outside[: n_drop + k - held.sum()]
        together = order[held[order] | np.isin(order, candidates)]
        lowest = together[-n_drop:]
        sold = lowest[held[lowest]]
        bought = candidates[: len(sold) + k - held.sum()]
        held[sold] = False
        held[bought] = True
        held &= ~np.isnan(values)
        weights[row, held] = 1 / k
    return weights


def _volatility(expected: pd.DataFrame, table: PriceTable, window: int) -> Floats:
    """Annual deviation of the last ``window`` returns at each date (D, N); infinite while there are fewer."""
    closes = pd.DataFrame(table.closes, table.dates, table.assets)[expected.columns]
    deviation = closes.pct_change(fill_method=None).rolling(window).std() * np.sqrt(_PERIODS_PER_YEAR)
    at_cutoff = deviation.reindex(expected.index).to_numpy()
    return np.where(at_cutoff > 0, at_cutoff, np.inf)


def _called(rule: RuleFunction, expected: pd.DataFrame) -> Floats:
    weights = rule(expected.copy())
    if not isinstance(weights, pd.DataFrame) or weights.shape != expected.shape:
        raise DataError(
            f"The rule gave {type(weights).__name__} {getattr(weights, 'shape', '')}; a DataFrame of weights for the "
            f"{expected.shape} dates x assets of the expected returns was needed."
        )
    return weights.reindex_like(expected).to_numpy(dtype=float, copy=True)
