"""Rules that turn expected returns into target weights, and limits on these weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd

from tsseq.arguments import Range, check_value
from tsseq.errors import ConfigError, DataError
from tsseq.trading.price_table import PriceTable, listed
from tsseq.trading.statistics.returns import bars_per_year
from tsseq.typing import Array

RowRule: TypeAlias = Callable[["pd.Series[float]", pd.DataFrame], "pd.Series[float]"]
RuleFunction: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame] | RowRule

# exp(log(price)) differs from the price by rounding; a forecast of "no change" must not become a position.
_ROUNDING = 1e-12
# Options that rules need.
_OPTIONS = {"top_k": ("k",), "top_k_dropout": ("k", "n_drop"), "volatility": ("target_volatility",)}
_RULES = ("sign", "threshold", "rank", *_OPTIONS)
_NUMBERS = {
    **dict.fromkeys(("threshold", "no_trade_band"), Range(0, 1e18, whole=False)),
    **dict.fromkeys(("k", "n_drop"), Range(1, 1e18, optional=True)),
    **dict.fromkeys(("target_volatility", "book_volatility"), Range(1e-12, 1e18, whole=False, optional=True)),
    **dict.fromkeys(("max_weight", "max_gross"), Range(1e-12, 1e18, whole=False, optional=True)),
    "volatility_window": Range(2, 1e18),
}
# So many prices times combinations at a time stay in the processor's cache.
AT_ONCE = 48_000


@dataclass(frozen=True)
class WeightingRule:
    """A rule with its options and limits.

    Parameters
    ----------
    rule : str or callable, default "sign"
        "sign", "threshold", "rank", "top_k", "top_k_dropout", "volatility"; or a function of the expected returns
        (DataFrame, dates x assets) that returns weights of the same shape; or a function of two arguments that is
        called for each date, with the expected returns of the assets forecast at it (Series) and a copy of their closes
        up to this date, the last row (DataFrame, bars x assets), and returns a Series of weights.
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
        Returns up to the date whose deviation a volatility is. Across missing prices, the move counts on the bar that
        ends the gap. An asset without so many returns gets no position.
    book_volatility : float, optional
        Yearly deviation that all weights of a date are scaled for: that of the returns which they would have had over
        the last ``volatility_window`` bars. Limits come after it.
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
    book_volatility: float | None = None
    max_weight: float | None = None
    max_gross: float | None = None
    no_trade_band: float = 0.0

    def __post_init__(self) -> None:
        self._read_missing()
        for name, kind in _NUMBERS.items():
            check_value(name, getattr(self, name), allowed=kind)
        if not callable(self.rule) and not (isinstance(self.rule, str) and self.rule in _RULES):
            raise ConfigError(f"rule is {self.rule!r}; it must be a callable or one of {listed(_RULES, 6)}.")
        if self.rule != "threshold" and self.threshold > 0:
            raise ConfigError(f"threshold is {self.threshold} with rule {self.rule!r}; pass rule='threshold'.")
        needed = () if callable(self.rule) else _OPTIONS.get(self.rule, ())
        for name in ("k", "n_drop", "target_volatility"):
            value = getattr(self, name)
            if (value is None) == (name in needed):
                wanted = "a number above 0" if name in needed else "none"
                raise ConfigError(f"{name} is {value} with rule {self.rule!r}, which takes {wanted}.")
        if self.rule == "top_k_dropout" and (self.allow_short or (self.n_drop or 0) > (self.k or 0)):
            raise ConfigError("rule='top_k_dropout' is never short and drops at most k assets a day.")
        if callable(self.rule) and (count := _count_arguments(self.rule)) > 2:
            raise ConfigError(
                f"the rule takes {count} arguments; functions of (expected) or (expected, past) are called."
            )

    def _read_missing(self) -> None:
        """Take NaN for an option that was not named, and 3.0 for 3, as in a row of a sweep's table."""
        for name, value in vars(self).items():
            if isinstance(value, float):
                if math.isnan(value):
                    object.__setattr__(self, name, getattr(WeightingRule, name))
                elif name in ("k", "n_drop") and value.is_integer():
                    object.__setattr__(self, name, int(value))
            elif isinstance(value, np.bool_):
                object.__setattr__(self, name, bool(value))

    def weights(self, expected: pd.DataFrame, table: PriceTable, values: Array | None = None) -> Array:
        """Apply the rule, then the limits.

        Parameters
        ----------
        expected : DataFrame of shape (D, N)
            Expected returns, dates x assets, NaN where an asset was not forecast.
        table : PriceTable
            Prices, of which volatilities and functions of two arguments read the closes, none after the date.
        values : ndarray of shape (D, N), optional
            Those of ``expected``, for callers that ask often.

        Returns
        -------
        ndarray of shape (D, N)
            Target weights; 0 where an asset was not forecast.
        """
        values = expected.to_numpy(dtype=float) if values is None else values
        if callable(self.rule):
            by_row = _count_arguments(self.rule) == 2
            weights = _called_by_row(self.rule, expected, table) if by_row else _called(self.rule, expected)
        elif self.rule in ("sign", "threshold"):
            weights = _signs(values, self.threshold, self.threshold)
        elif self.rule == "rank":
            weights = _ranks(expected)
        elif self.rule == "volatility":
            deviation = _volatility(expected, table, self.volatility_window)
            weights = _signs(values, 0.0, 0.0) * (self.target_volatility or 0.0) / deviation
        elif self.rule == "top_k":
            weights = _top(values, self.k or 1, short=bool(self.allow_short))
        else:
            weights = _dropout(values, self.k or 1, self.n_drop or 1)
        if self.allow_short is False:
            weights = np.maximum(weights, 0.0) * (2 if self.rule == "rank" else 1)
        if self.rule not in ("sign", "threshold"):
            weights = np.where(np.isnan(weights), 0.0, weights)
        if self.book_volatility is not None:
            weights = _scaled(weights, expected, table, self.volatility_window, self.book_volatility)
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


def weights_of_rules(rules: Sequence[WeightingRule], expected: pd.DataFrame, table: PriceTable) -> Iterator[Array]:
    """Weights (K, D, N) of some rules at a time, as `WeightingRule.weights` gives those of each."""
    values = expected.to_numpy(dtype=float)
    for of_signs, group in itertools.groupby(rules, _takes_signs):
        if not of_signs:
            yield from (rule.weights(expected, table, values)[None] for rule in group)
            continue
        while some := list(itertools.islice(group, max(1, AT_ONCE // values.size))):
            above = np.array([rule.threshold for rule in some])[:, None, None]
            shorts = np.array([rule.allow_short is not False for rule in some])[:, None, None]
            yield _signs(values, above, np.where(shorts, above, np.inf))


def _takes_signs(rule: WeightingRule) -> bool:
    """Whether a rule is a threshold without limits, of which many are one comparison."""
    unlimited = rule.book_volatility is None and rule.max_weight is None and rule.max_gross is None
    return unlimited and rule.rule in ("sign", "threshold") and not rule.no_trade_band


def _signs(expected: Array, above: Array | float, below: Array | float) -> Array:
    """+1 above a threshold, -1 below minus another, or 0, over the number of assets forecast on the date."""
    rises, falls = expected > np.maximum(above, _ROUNDING), expected < -np.maximum(below, _ROUNDING)
    weights = (rises.view(np.int8) - falls.view(np.int8)).astype(np.float64)
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


def _returns(assets: pd.Index, table: PriceTable) -> pd.DataFrame:
    """Returns (T, N) of the assets on every bar; 0 in a gap of prices, NaN before the second price."""
    closes = pd.DataFrame(table.closes, table.dates, table.assets)[assets]
    return closes.ffill().pct_change(fill_method=None)


def _volatility(expected: pd.DataFrame, table: PriceTable, window: int) -> Array:
    """Annual deviation of the last ``window`` returns at each date (D, N); infinite while there are fewer."""
    deviation = _returns(expected.columns, table).rolling(window).std() * np.sqrt(bars_per_year(table.dates))
    at_cutoff = deviation.reindex(expected.index).to_numpy()
    return np.where(at_cutoff > 0, at_cutoff, np.inf)


def _scaled(weights: Array, expected: pd.DataFrame, table: PriceTable, window: int, target: float) -> Array:
    """Weights (D, N) whose annual deviation over the last ``window`` returns at each date is the target."""
    returns, scaled = _returns(expected.columns, table).to_numpy(), np.zeros_like(weights)
    per_year = np.sqrt(bars_per_year(table.dates))
    for row, end in enumerate(table.dates.searchsorted(expected.index, side="right")):
        recent = returns[max(end - window, 0) : end]  # (window, N)
        whole = ~np.isnan(recent).any(axis=0)
        portfolio = np.where(whole, weights[row], 0.0)
        deviation = (recent[:, whole] @ portfolio[whole]).std(ddof=1) * per_year if len(recent) == window else 0.0
        if deviation > _ROUNDING:
            scaled[row] = portfolio * (target / deviation)
    return scaled


def _count_arguments(rule: Callable[..., Any]) -> int:
    """Count the arguments that a function must be given by position; 1 if it does not say."""
    try:
        parameters = signature(rule).parameters.values()
    except (TypeError, ValueError):
        return 1
    kinds = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD
    return sum(parameter.kind in kinds and parameter.default is Parameter.empty for parameter in parameters)


def _called(rule: RuleFunction, expected: pd.DataFrame) -> Array:
    weights = cast("Callable[[pd.DataFrame], pd.DataFrame]", rule)(expected.copy())
    if not isinstance(weights, pd.DataFrame) or weights.shape != expected.shape:
        raise DataError(
            f"the rule returned {type(weights).__name__} {getattr(weights, 'shape', '')}; a DataFrame of weights for "
            f"the {expected.shape} dates x assets of the expected returns was needed."
        )
    return np.asarray(weights.reindex_like(expected).to_numpy(dtype=float, copy=True))


def _called_by_row(rule: RuleFunction, expected: pd.DataFrame, table: PriceTable) -> Array:
    """Weights that a function makes of each date, for which it gets a copy of what was known then and nothing else."""
    weights = np.zeros(expected.shape)
    bars = table.dates.searchsorted(expected.index, side="right")
    for row, (end, (cutoff, returns)) in enumerate(zip(bars, expected.iterrows())):
        known = returns.notna().to_numpy()
        ids = expected.columns[known]
        if not len(ids):
            continue
        past = table.closes[:end, table.assets.get_indexer(ids)]
        answer = cast(RowRule, rule)(returns[known], pd.DataFrame(past, table.dates[:end], ids))
        if not isinstance(answer, pd.Series) or not answer.index.isin(ids).all() or answer.index.has_duplicates:
            what = f"a Series of {listed(answer.index)}" if isinstance(answer, pd.Series) else type(answer).__name__
            needed = f"a Series of weights of {listed(ids)} was needed"
            raise DataError(f"the rule returned {what} on {listed([cutoff])}; {needed}.")
        weights[row, known] = answer.reindex(ids).to_numpy(dtype=float)
    return weights
