"""Forecast errors: arrays in, floats out; missing values are left out.

Every metric is written once, as a `Metric`: terms that are averaged over forecasts, and what is made of their means.
The functions below and the scores of a backtest are both computed from it; `metrics_for` lists them all.

Formulas follow Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, 5.8 and 5.9, where no
other source is named. Below, y is the actual value, f the forecast, and n the naive forecast of the same value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from math import erfc, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tsseq.errors import ConfigError, DataError
from tsseq.typing import Array

LEAST_CHANCE = float(np.finfo(np.float64).eps)  # in a log loss, as scikit-learn has it


@dataclass(frozen=True, eq=False)
class Term:
    """A quantity of every single forecast, which metrics average.

    Attributes
    ----------
    function : callable
        Elementwise function of the arrays that ``inputs`` names.
    inputs : tuple of hashable
        "actual", "forecast", "last" (the value that forecasts set out from), "mase_scale", "rmsse_scale", a quantile
        level, or "lower" and "upper". Of categories, "actual" and "forecast" are codes, and there are "chance", the
        probability of the actual one, and "distance", the sum of squares of probabilities less what happened (0 or 1);
        with sets of them "covered", whether (1 or 0) that of the highest level holds the actual one, and "members", how
        many it holds.
    where : callable, optional
        Function of the same arrays: which values count. Default: all.

    Examples
    --------
    >>> Term(lambda actual, forecast: abs(actual - forecast), ("actual", "forecast")).inputs
    ('actual', 'forecast')
    """

    function: Callable[..., Any]
    inputs: tuple[Hashable, ...]
    where: Callable[..., Any] | None = None


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric as means over forecasts, and a function of these means.

    Attributes
    ----------
    title : str
        Full name, in lower case.
    terms : tuple of Term
        What is averaged.
    finish : callable
        Function of the means, one argument per term. Default: the mean itself.
    relative : bool
        Whether every mean is divided by that of the naive forecast first. Default: False.
    percent : bool
        Whether a table shows it in percent. Default: False.
    higher_is_better : bool or None
        None: neither, as for a coverage. Default: False.
    headline : bool
        Whether short tables show it. Default: False.

    Examples
    --------
    >>> metrics_for()["RMSE"].from_means([np.array([[4.0], [9.0]])], naive=None)
    array([[2.],
           [3.]])
    """

    title: str
    terms: tuple[Term, ...]
    finish: Callable[..., Any] = np.positive
    relative: bool = False
    percent: bool = False
    higher_is_better: bool | None = False
    headline: bool = False

    def from_means(self, means: Sequence[Array], naive: int | None) -> Array:
        """Compute the metric of several models from the means of its terms.

        Parameters
        ----------
        means : sequence of ndarray of shape (M, G)
            One array per term, for M models and G groups of forecasts.
        naive : int or None
            Position of the naive forecast among the models; None makes relative metrics NaN.

        Returns
        -------
        ndarray of shape (M, G)
            The metric; a relative one is NaN where the naive forecast has no error.
        """
        if self.relative:
            bases = [np.full_like(mean, np.nan) if naive is None else mean[[naive]] for mean in means]
            means = [mean / np.where(base > 0, base, np.nan) for mean, base in zip(means, bases)]
        values: Array = self.finish(*means)
        return values


_ERROR = ("actual", "forecast")
_ABSOLUTE = Term(lambda y, f: np.abs(y - f), _ERROR)
_SQUARED = Term(lambda y, f: (y - f) ** 2, _ERROR)
_SCALED = Term(lambda y, f, s: np.abs(y - f) / s, (*_ERROR, "mase_scale"), lambda y, f, s: s > 0)
_SQUARE_SCALED = Term(lambda y, f, s: (y - f) ** 2 / s, (*_ERROR, "rmsse_scale"), lambda y, f, s: s > 0)
_HIT = Term(
    lambda y, f, last: (1 + np.sign(y - last) * np.sign(f - last)) / 2, (*_ERROR, "last"), lambda y, f, last: y != last
)


def _symmetric(y: Array, f: Array) -> Array:
    size = np.abs(y) + np.abs(f)
    return 200 * np.abs(y - f) / np.where(size == 0, 1.0, size)


MAE = Metric("mean absolute error", (_ABSOLUTE,), headline=True)
RMSE = Metric("root mean squared error", (_SQUARED,), np.sqrt, headline=True)
MASE = Metric("mean absolute scaled error", (_SCALED,), headline=True)
RMSSE = Metric("root mean squared scaled error", (_SQUARE_SCALED,), np.sqrt)
SMAPE = Metric("symmetric mean absolute percentage error", (Term(_symmetric, _ERROR),), headline=True)
SKILL = Metric(
    "skill", (_ABSOLUTE,), lambda ratio: 1 - ratio, relative=True, percent=True, higher_is_better=True, headline=True
)
U2 = Metric("Theil's U2", (_SQUARED,), np.sqrt, relative=True)
R2 = Metric("out-of-sample R2", (_SQUARED,), lambda ratio: 1 - ratio, relative=True, higher_is_better=True)
DIRECTION = Metric("directional accuracy", (_HIT,), percent=True, higher_is_better=True, headline=True)


@cache
def _quantile_loss(level: float) -> Term:
    return Term(lambda y, q: np.maximum(level * (y - q), (level - 1) * (y - q)), ("actual", level))


def _pinball(levels: Iterable[float], headline: bool = False) -> Metric:
    terms = tuple(map(_quantile_loss, levels))
    return Metric("mean pinball loss", terms, lambda *means: np.mean(means, axis=0), headline=headline)


def _crps(levels: Iterable[float]) -> Metric:
    terms = tuple(map(_quantile_loss, levels))
    return Metric("continuous ranked probability score", terms, lambda *means: 2 * np.mean(means, axis=0))


def _coverage(lower: Hashable, upper: Hashable) -> Metric:
    def inside(y: Array, low: Array, high: Array) -> Array:
        return np.where(np.isfinite(y + low + high), (y >= low) & (y <= high), np.nan)

    terms = (Term(inside, ("actual", lower, upper)),)
    return Metric("coverage", terms, percent=True, higher_is_better=None, headline=True)


def _winkler(lower: Hashable, upper: Hashable, tail: float) -> Metric:
    """Of a band with the probability ``tail`` on either side; alpha is both tails."""

    def score(y: Array, low: Array, high: Array) -> Array:
        return high - low + np.maximum(np.maximum(low - y, y - high), 0) / tail

    return Metric("Winkler score", (Term(score, ("actual", lower, upper)),))


_COVERED = Metric("coverage", (Term(np.positive, ("covered",)),), percent=True, higher_is_better=None, headline=True)
_SET_SIZE = Metric("categories in a set", (Term(np.positive, ("members",)),), headline=True)
_SURPRISE = Term(lambda chance: -np.log(np.maximum(chance, LEAST_CHANCE)), ("chance",))


@cache
def _class_metrics(n_classes: int) -> dict[str, Metric]:
    """Metrics of categories, each as scikit-learn has it; skill compares log losses with the frequencies'."""

    def share(function: Callable[..., Any]) -> Term:
        return Term(lambda y, f: function(y, f).astype(float), _ERROR)

    both = tuple(share(lambda y, f, k=k: (y == k) & (f == k)) for k in range(n_classes))
    actual = tuple(share(lambda y, f, k=k: y == k) for k in range(n_classes))
    forecast = tuple(share(lambda y, f, k=k: (f == k) & np.isfinite(y)) for k in range(n_classes))

    def recall(*means: Array) -> Array:
        hits, occurrences = np.split(np.stack(means), 2)  # (K, M, G)
        return np.asarray(
            np.nanmean(np.where(occurrences > 0, hits / np.where(occurrences > 0, occurrences, 1.0), np.nan), axis=0)
        )

    def f1(*means: Array) -> Array:
        hits, occurrences, forecasts = np.split(np.stack(means), 3)
        either = occurrences + forecasts
        scores = np.where(either > 0, 2 * hits / np.where(either > 0, either, 1.0), np.nan)
        return np.asarray(np.nanmean(scores, axis=0))

    better: dict[str, Any] = {"higher_is_better": True, "headline": True, "percent": True}
    halved = 2 if n_classes == 2 else 1
    return {
        "accuracy": Metric("accuracy", (share(lambda y, f: y == f),), **better),
        "balanced_accuracy": Metric("balanced accuracy", both + actual, recall, **better),
        "log_loss": Metric("log loss", (_SURPRISE,), headline=True),
        "Brier": Metric("Brier score", (Term(np.positive, ("distance",)),), lambda mean: mean / halved, headline=True),
        "skill": Metric("skill", (_SURPRISE,), lambda ratio: 1 - ratio, relative=True, **better),
        "F1": Metric("F1 score, mean over categories", both + actual + forecast, f1, higher_is_better=True),
    }


def metrics_for(levels: Iterable[float] = (), n_classes: int = 0) -> dict[str, Metric]:
    """List the metrics of forecasts, under the names of the columns of `BacktestResult.scores`.

    Parameters
    ----------
    levels : iterable of float
        Quantile levels that were forecast, in 0..1, or levels of sets of categories. Default: none, so that there are
        point forecasts only.
    n_classes : int
        Above 0, forecasts are of so many categories. Default: 0, numbers.

    Returns
    -------
    dict of str to Metric
        In the order of the columns. The coverage is that of the widest band, the Winkler score that of the widest
        one with equal tails. Of categories, coverage and size are those of the set of the highest level.

    Examples
    --------
    >>> list(metrics_for())
    ['skill', 'MAE', 'RMSE', 'MASE', 'sMAPE', 'RMSSE', 'U2', 'R2', 'direction']
    >>> [name for name in metrics_for([0.1, 0.9]) if name not in metrics_for()]
    ['pinball', 'coverage', 'CRPS', 'winkler', 'pinball_q0.1', 'pinball_q0.9']
    >>> list(metrics_for(n_classes=3))
    ['accuracy', 'balanced_accuracy', 'log_loss', 'Brier', 'skill', 'F1']
    >>> list(metrics_for([0.9], n_classes=3))[-2:]
    ['coverage', 'set_size']
    """
    if n_classes:
        return _class_metrics(n_classes) | ({"coverage": _COVERED, "set_size": _SET_SIZE} if list(levels) else {})
    ordered = sorted(levels)
    errors = {"skill": SKILL, "MAE": MAE, "RMSE": RMSE, "MASE": MASE, "sMAPE": SMAPE}
    others = {"RMSSE": RMSSE, "U2": U2, "R2": R2, "direction": DIRECTION}
    if not ordered:
        return errors | others
    quantiles = {"pinball": _pinball(ordered, headline=True), "coverage": _coverage(ordered[0], ordered[-1])}
    bands = [(low, high) for low in ordered for high in ordered if low < high and abs(low + high - 1) < 1e-9]
    winkler = {"winkler": _winkler(*bands[0], tail=bands[0][0])} if bands else {}
    by_level = {f"pinball_q{level:g}": _pinball([level]) for level in ordered}
    return errors | quantiles | others | {"CRPS": _crps(ordered)} | winkler | by_level


def mae(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Mean absolute error, ``mean(|y - f|)``, in units of the data.

    Parameters
    ----------
    actual, forecast : array-like
        What happened, and the forecasts of it, in one shape.

    Returns
    -------
    float
        0 is perfect; NaN if nothing is left to compare.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> mae([1.0, 2.0], [2.0, 4.0])
    1.5
    """
    return _value(MAE, _pair(actual, forecast))


def rmse(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Root mean squared error, ``sqrt(mean((y - f)^2))``, in units of the data.

    Parameters
    ----------
    actual, forecast : array-like
        What happened, and the forecasts of it, in one shape.

    Returns
    -------
    float
        0 is perfect; NaN if nothing is left to compare.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> rmse([0.0, 0.0], [1.0, -1.0])
    1.0
    """
    return _value(RMSE, _pair(actual, forecast))


def smape(actual: ArrayLike, forecast: ArrayLike) -> float:
    """Symmetric mean absolute percentage error, ``mean(200 |y - f| / (|y| + |f|))``, as in the M4 competition.

    Parameters
    ----------
    actual, forecast : array-like
        What happened, and the forecasts of it, in one shape.

    Returns
    -------
    float
        0 (perfect) to 200. A value counts 0 where y and f are both 0.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> smape([1.0], [3.0])
    100.0
    """
    return _value(SMAPE, _pair(actual, forecast))


def mase(actual: ArrayLike, forecast: ArrayLike, scale: ArrayLike) -> float:
    """Mean absolute scaled error: errors in units of the naive forecast's error on training rows.

    Parameters
    ----------
    actual, forecast : array-like
        What happened, and the forecasts of it, in one shape.
    scale : array-like
        Mean of ``|y[t] - y[t - season_length]|`` over training rows, one for all or one per value (`naive_scale`).
        Values whose scale is 0 are left out.

    Returns
    -------
    float
        Without units; below 1 is better than the seasonal naive forecast was in training.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> mase([1.0, 2.0], [2.0, 4.0], scale=0.5)
    3.0
    """
    return _value(MASE, _pair(actual, forecast) | {"mase_scale": scale})


def rmsse(actual: ArrayLike, forecast: ArrayLike, scale: ArrayLike) -> float:
    """Root mean squared scaled error, ``sqrt(mean((y - f)^2 / scale))``, as in the M5 competition.

    Parameters
    ----------
    actual, forecast : array-like
        What happened, and the forecasts of it, in one shape.
    scale : array-like
        Mean of ``(y[t] - y[t - season_length])^2`` over training rows, one for all or one per value (`naive_scale`
        with ``power=2``). Values whose scale is 0 are left out.

    Returns
    -------
    float
        Without units; below 1 is better than the seasonal naive forecast was in training.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> rmsse([1.0, 2.0], [2.0, 4.0], scale=2.5)
    1.0
    """
    return _value(RMSSE, _pair(actual, forecast) | {"rmsse_scale": scale})


def naive_scale(values: ArrayLike, season_length: int = 1, power: int = 1) -> float:
    """Mean absolute change over a season, to some power: the scale of `mase`, or of `rmsse` with ``power=2``.

    Parameters
    ----------
    values : array-like of shape (T,)
        Training rows of one series, in order.
    season_length : int
        Rows in a season. Default: 1, changes from row to row.
    power : int
        Exponent of the changes. Default: 1.

    Returns
    -------
    float
        In units of the data to that power; NaN if there is no change to measure.

    Raises
    ------
    ConfigError
        ``season_length`` is below 1.

    Examples
    --------
    >>> naive_scale([1.0, 2.0, 4.0])
    1.5
    >>> naive_scale([1.0, 2.0, 4.0], power=2)
    2.5
    """
    if season_length < 1:
        raise ConfigError(f"season_length={season_length} must be at least 1.")
    series = np.asarray(values, dtype=np.float64)
    changes = np.abs(series[season_length:] - series[:-season_length]) ** power
    changes = changes[~np.isnan(changes)]
    return float(changes.mean()) if changes.size else float("nan")


def skill(actual: ArrayLike, forecast: ArrayLike, naive: ArrayLike) -> float:
    """Skill against a naive forecast, ``1 - MAE(f) / MAE(n)``.

    Parameters
    ----------
    actual, forecast, naive : array-like
        What happened, the forecasts of it, and the naive ones, in one shape.

    Returns
    -------
    float
        1 is perfect, 0 as good as the naive forecast; NaN if that has no error.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> skill([1.0, 2.0], [1.0, 1.0], naive=[0.0, 1.0])
    0.5
    """
    return _value(SKILL, _pair(actual, forecast), naive)


def theil_u2(actual: ArrayLike, forecast: ArrayLike, naive: ArrayLike) -> float:
    """Theil's U2, ``RMSE(f) / RMSE(n)``, of errors in units of the data, not of relative changes.

    Source: Theil, Applied Economic Forecasting, 1966.

    Parameters
    ----------
    actual, forecast, naive : array-like
        What happened, the forecasts of it, and the naive ones, in one shape.

    Returns
    -------
    float
        Below 1 is better than the naive forecast; NaN if that has no error.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> theil_u2([1.0, 2.0], [1.0, 1.0], naive=[1.0, 0.0])
    0.5
    """
    return _value(U2, _pair(actual, forecast), naive)


def r2_out_of_sample(actual: ArrayLike, forecast: ArrayLike, naive: ArrayLike) -> float:
    """Out-of-sample R2, ``1 - sum((y - f)^2) / sum((y - n)^2)``, which is ``1 - U2^2``.

    Source: Campbell and Thompson, Review of Financial Studies 21, 2008.

    Parameters
    ----------
    actual, forecast, naive : array-like
        What happened, the forecasts of it, and the naive ones, in one shape.

    Returns
    -------
    float
        1 is perfect, 0 as good as the naive forecast; NaN if that has no error.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> r2_out_of_sample([1.0, 2.0], [1.0, 1.0], naive=[1.0, 0.0])
    0.75
    """
    return _value(R2, _pair(actual, forecast), naive)


def directional_accuracy(actual: ArrayLike, forecast: ArrayLike, last: ArrayLike) -> float:
    """Share of forecasts with ``sign(f - last) == sign(y - last)``.

    Parameters
    ----------
    actual : array-like
        What happened, in any shape. Values equal to ``last`` are left out.
    forecast : array-like
        Forecasts, in the shape of ``actual``. A forecast of no change counts half, as a guess does.
    last : array-like
        Values that the forecasts set out from, one for all or one per value.

    Returns
    -------
    float
        0 to 1 (perfect).

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> directional_accuracy([2.0, 0.0, 1.0, 3.0], [3.0, 2.0, 5.0, 1.0], last=1.0)
    0.5
    """
    return _value(DIRECTION, _pair(actual, forecast) | {"last": last})


def pinball(actual: ArrayLike, quantile: ArrayLike, level: float) -> float:
    """Mean quantile loss, ``mean(max(level (y - q), (level - 1) (y - q)))``, in units of the data.

    Parameters
    ----------
    actual : array-like
        What happened, in any shape.
    quantile : array-like
        Forecast quantiles q, in the shape of ``actual``.
    level : float
        Their level, in 0..1.

    Returns
    -------
    float
        0 is perfect.

    Raises
    ------
    ConfigError
        The level is not in 0..1.
    DataError
        The shapes differ.

    Examples
    --------
    >>> pinball([1.0], [0.0], level=0.9)
    0.9
    """
    return _quantile_value(_pinball, actual, {level: quantile})


def crps(actual: ArrayLike, quantiles: Mapping[float, ArrayLike]) -> float:
    """Continuous ranked probability score from quantiles: twice the mean of their pinball losses.

    That is the integral of ``2 pinball`` over all levels (Gneiting and Ranjan, Journal of Business and Economic
    Statistics 29, 2011) if the levels are spread evenly.

    Parameters
    ----------
    actual : array-like
        What happened, in any shape.
    quantiles : mapping of float to array-like
        Forecast quantiles by level in 0..1, each in the shape of ``actual``.

    Returns
    -------
    float
        In units of the data; 0 is perfect.

    Raises
    ------
    ConfigError
        A level is not in 0..1.
    DataError
        The shapes differ.

    Examples
    --------
    >>> crps([1.0], {0.25: [0.0], 0.5: [1.0], 0.75: [2.0]})
    0.3333333333333333
    """
    return _quantile_value(_crps, actual, quantiles)


def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float:
    """Share of values within a band, ends included.

    Parameters
    ----------
    actual : array-like
        What happened, in any shape.
    lower, upper : array-like
        Ends of the band, one for all or one per value.

    Returns
    -------
    float
        0 to 1; good if it is the probability that the band claims.

    Examples
    --------
    >>> coverage([1.0, 5.0], [0.0, 0.0], [2.0, 2.0])
    0.5
    """
    return _value(_coverage("lower", "upper"), {"actual": actual, "lower": lower, "upper": upper})


def winkler(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: float) -> float:
    """Winkler score of a band: its mean width plus 2 / alpha of the distances of values outside it.

    ``mean((upper - lower) + 2 / alpha * (distance of y from the band))`` with ``alpha = 1 - level`` (Winkler, Journal
    of the American Statistical Association 67, 1972).

    Parameters
    ----------
    actual : array-like
        What happened, in any shape.
    lower, upper : array-like
        Ends of the band, one for all or one per value.
    level : float
        Probability that the band claims to hold, 0 up to but excluding 1.

    Returns
    -------
    float
        In units of the data; smaller is better.

    Raises
    ------
    ConfigError
        ``level`` is not in that range.

    Examples
    --------
    >>> winkler([1.0, 5.0], [0.0, 0.0], [2.0, 2.0], level=0.5)
    8.0
    """
    if not 0 <= level < 1:
        raise ConfigError(f"level={level} must lie in 0..1.")
    metric = _winkler("lower", "upper", tail=(1 - level) / 2)
    return _value(metric, {"actual": actual, "lower": lower, "upper": upper})


class SignTest(NamedTuple):
    """Result of a test of independence between two sequences of signs.

    Attributes
    ----------
    statistic : float
        Standard normal if the signs are independent.
    p_value : float
        Probability of a statistic at least as large, one-sided.

    Examples
    --------
    >>> SignTest(1.9, 0.029).p_value
    0.029
    """

    statistic: float
    p_value: float


def pesaran_timmermann(actual: ArrayLike, forecast: ArrayLike, last: ArrayLike = 0.0) -> SignTest:
    """Test whether directions are forecast better than by chance.

    With P the share of hits, py and pf the shares of rises in y and f, and ``P* = py pf + (1 - py)(1 - pf)``::

        S = (P - P*) / sqrt(V(P) - V(P*)),      V(P) = P* (1 - P*) / N,
        V(P*) = ((2 py - 1)^2 pf (1 - pf) + (2 pf - 1)^2 py (1 - py) + 4 py pf (1 - py)(1 - pf) / N) / N

    (Pesaran and Timmermann, Journal of Business and Economic Statistics 10, 1992). Pairs must be independent in time;
    `tsseq.evaluation.significance.direction_test` takes forecasts that overlap, and panels.

    Parameters
    ----------
    actual, forecast : array-like
        What happened, and the forecasts of it, in one shape.
    last : array-like
        Values that the forecasts set out from, one for all or one per value. Changes of 0 are left out. Default: 0,
        so that ``actual`` and ``forecast`` are changes themselves.

    Returns
    -------
    SignTest
        The statistic S and its one-sided p-value; 0 and 1 if all changes of one kind have the same sign.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> test = pesaran_timmermann([1.0, -1.0, 2.0, -2.0, 1.0, 3.0], [0.5, -0.5, 1.0, -1.0, -1.0, 1.0])
    >>> round(test.statistic, 3), round(test.p_value, 3)
    (1.897, 0.029)
    """
    pair = _pair(actual, forecast).values()
    signs = [np.sign(np.asarray(values) - np.asarray(last, dtype=np.float64)) for values in pair]
    known = np.isfinite(signs[0] + signs[1]) & (signs[0] != 0) & (signs[1] != 0)
    rises, forecast_rises = (sign[known] > 0 for sign in signs)
    n = len(rises)
    if n == 0 or rises.all() or forecast_rises.all() or not (rises.any() and forecast_rises.any()):
        return SignTest(0.0, 1.0)
    py, pf, hits = float(rises.mean()), float(forecast_rises.mean()), float((rises == forecast_rises).mean())
    chance = py * pf + (1 - py) * (1 - pf)
    marginal = (2 * py - 1) ** 2 * pf * (1 - pf) + (2 * pf - 1) ** 2 * py * (1 - py)
    variance = (chance * (1 - chance) - marginal - 4 * py * pf * (1 - py) * (1 - pf) / n) / n
    statistic = (hits - chance) / sqrt(variance) if variance > 0 else 0.0
    return SignTest(statistic, erfc(statistic / sqrt(2)) / 2)


def token_accuracy(actual: Sequence[Sequence[Any]], predicted: Sequence[Sequence[Any]]) -> float:
    """Share of the places of sequences at which the right symbol stands.

    Parameters
    ----------
    actual : sequence of sequences
        True sequences: texts, or lists of symbols.
    predicted : sequence of sequences
        As many predicted ones. Symbols that are missing at the end, or too many, are errors.

    Returns
    -------
    float
        0..1: right symbols over the lengths of the longer ones of every pair; NaN if all sequences are empty.

    Raises
    ------
    DataError
        There are not as many predicted sequences as true ones.

    Examples
    --------
    >>> token_accuracy(["abc", "de"], ["abd", "d"])
    0.6
    """
    _check_as_many(actual, predicted)
    right = sum(a == b for pair in zip(actual, predicted) for a, b in zip(*pair))
    places = sum(max(len(a), len(b)) for a, b in zip(actual, predicted))
    return right / places if places else float("nan")


def edit_distance(
    actual: Sequence[Sequence[Any]], predicted: Sequence[Sequence[Any]], *, normalized: bool = True
) -> float:
    """Insertions, deletions and substitutions that turn predicted sequences into the true ones (Levenshtein 1966).

    Parameters
    ----------
    actual : sequence of sequences
        True sequences: texts, or lists of symbols.
    predicted : sequence of sequences
        As many predicted ones.
    normalized : bool, default True
        Whether edits are counted per true symbol: the word error rate of lists of words, the character error rate of
        texts. Otherwise they are counted per sequence.

    Returns
    -------
    float
        0 or more; per symbol it may exceed 1. NaN if there is nothing to divide by.

    Raises
    ------
    DataError
        There are not as many predicted sequences as true ones.

    Examples
    --------
    >>> edit_distance(["kitten"], ["sitting"]), edit_distance(["kitten"], ["sitting"], normalized=False)
    (0.5, 3.0)
    """
    _check_as_many(actual, predicted)
    edits = sum(map(_edits, actual, predicted))
    size = sum(map(len, actual)) if normalized else len(actual)
    return edits / size if size else float("nan")


def _edits(actual: Sequence[Any], predicted: Sequence[Any]) -> int:
    """Fewest edits from one sequence to the other, row by row of the table of their beginnings."""
    row = list(range(len(actual) + 1))
    for i, symbol in enumerate(predicted, 1):
        above, row = row, [i]
        for j, true in enumerate(actual, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (symbol != true)))
    return row[-1]


def bleu(actual: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """BLEU of a corpus (Papineni et al. 2002), as sacrebleu computes it.

    Parameters
    ----------
    actual : sequence of str, or sequence of sequences of str
        True sentences, which sacrebleu cuts into words; or lists of words, which stay as they are.
    predicted : sequence of str, or sequence of sequences of str
        As many predicted ones.

    Returns
    -------
    float
        0..100.

    Raises
    ------
    ConfigError
        The library sacrebleu is not installed.
    DataError
        There are not as many predicted sequences as true ones.

    Examples
    --------
    >>> bleu(["the cat sat on the mat"], ["the cat sat on the mat"])  # doctest: +SKIP
    100.0
    """
    _check_as_many(actual, predicted)
    try:
        sacrebleu = import_module("sacrebleu")
    except ModuleNotFoundError as error:
        raise ConfigError("bleu needs the library sacrebleu: pip install 'tsseq[text]'.") from error
    whole = all(isinstance(text, str) for text in [*actual, *predicted])
    references, texts = ([text if isinstance(text, str) else " ".join(text) for text in x] for x in (actual, predicted))
    score = sacrebleu.corpus_bleu(texts, [references], tokenize="13a" if whole else "none", force=True)
    return float(score.score)


def _check_as_many(actual: Sequence[Any], predicted: Sequence[Any]) -> None:
    if len(actual) != len(predicted):
        raise DataError(f"there are {len(actual)} true sequences and {len(predicted)} predicted ones; pass as many.")


def _pair(actual: ArrayLike, forecast: ArrayLike, name: Hashable = "forecast") -> dict[Hashable, ArrayLike]:
    """The two arrays as inputs of terms, or an error if their shapes differ."""
    pair = np.asarray(actual, dtype=np.float64), np.asarray(forecast, dtype=np.float64)
    if pair[0].shape != pair[1].shape:
        raise DataError(f"actual has the shape {pair[0].shape}, forecast {pair[1].shape}; they must be the same.")
    return {"actual": pair[0], name: pair[1]}


def _quantile_value(metric: Callable[..., Metric], actual: ArrayLike, quantiles: Mapping[float, ArrayLike]) -> float:
    inputs: dict[Hashable, ArrayLike] = {}
    for level, values in quantiles.items():
        if not 0 <= level <= 1:
            raise ConfigError(f"level={level} must lie in 0..1.")
        inputs |= _pair(actual, values, level)
    return _value(metric(quantiles), inputs)


def _value(metric: Metric, inputs: Mapping[Hashable, ArrayLike], naive: ArrayLike | None = None) -> float:
    """A metric of one forecast, or of it against a naive one, over the values that are not missing."""
    numbers = np.broadcast_arrays(*(np.asarray(values, dtype=np.float64) for values in inputs.values()))
    arrays = {name: values.reshape(1, -1) for name, values in zip(inputs, numbers)}
    if naive is not None:
        arrays["forecast"] = np.stack([numbers[1].ravel(), np.ravel(_pair(inputs["actual"], naive)["forecast"])])
    means = []
    for term in metric.terms:
        operands = [arrays[name] for name in term.inputs]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = term.function(*operands)  # (1 or 2, n)
        known = ~np.isnan(values).any(axis=0)
        if term.where is not None:
            known &= term.where(*operands)[0]
        values = np.compress(known, values, axis=1)
        means.append(values.mean(axis=1, keepdims=True) if known.any() else np.full((len(values), 1), np.nan))
    return float(metric.from_means(means, naive=None if naive is None else 1)[0, 0])
