"""Probability that the best of many strategies on the past is no better than most of them afterwards."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tsseq.errors import ConfigError, DataError
from tsseq.trading.price_table import listed
from tsseq.trading.statistics.returns import STATISTICS
from tsseq.typing import Array, Index

# A statistic by name, or a function of the returns (n,) of one strategy; the higher, the better.
Score: TypeAlias = str | Callable[[Array], float]

# Of a deviation only the highest is the worst.
_NAMES = tuple(name for name in STATISTICS if name != "annual_volatility")


@dataclass(frozen=True, eq=False, repr=False)
class Overfitting:
    """What choosing the best of N strategies on one half of the past has been worth in the other half.

    Attributes
    ----------
    probability : float
        Share of the splits in which the strategy that was best in one half is in the lower half of all strategies in
        the other (a logit of 0 or less): about 0.5 if the choice says nothing, near 0 if the best stays the best.
    slope : float
        Of the regression of the chosen one's score out of sample on that in sample; NaN if the latter is constant.
    probability_of_loss : float
        Share of the splits in which the chosen one's score is below 0 out of sample.
    splits : DataFrame
        One row per split: ``chosen`` (a column of the returns), its scores ``in_sample`` and ``out_of_sample``, and
        the ``logit`` of its relative rank out of sample.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.01, (200, 10))
    >>> probability_of_overfitting(noise, n_groups=8)
    Overfitting(probability=0.26, slope=-1.11, probability_of_loss=0.39, 70 splits)
    """

    probability: float
    slope: float
    probability_of_loss: float
    splits: pd.DataFrame

    def __repr__(self) -> str:
        figures = f"slope={self.slope:.2f}, probability_of_loss={self.probability_of_loss:.2f}"
        return f"Overfitting(probability={self.probability:.2f}, {figures}, {len(self.splits)} splits)"


def probability_of_overfitting(
    returns: pd.DataFrame | ArrayLike, *, n_groups: int = 16, by: Score = "sharpe", periods_per_year: int = 252
) -> Overfitting:
    """Estimate the probability of backtest overfitting by combinatorially symmetric cross-validation.

    Time is cut into groups. Every half of them is once the past on which the best strategy is chosen, and the other
    half is where it is ranked among all. With rank ``r`` of N, the lowest being 1, the relative rank is
    ``w = r / (N + 1)``, its logit ``log(w / (1 - w))``, and the probability is the share of logits of 0 or less
    (Bailey, Borwein, Lopez de Prado and Zhu, Journal of Computational Finance 20, 2017). Ranks of ties are their mean.

    Parameters
    ----------
    returns : DataFrame or array-like of shape (T, N)
        Simple net returns of N strategies on the same T bars: all that were tried, such as the ``returns`` of
        `tsseq.walk_forward`. A missing one, as of a strategy that has lost all, makes it the worst of each half that it
        is in. If cash earned interest, subtract it first: else a strategy of cash alone has the highest Sharpe ratio.
    n_groups : int, default 16
        An even number of groups; 16 make 12,870 splits, 10 make 252.
    by : str or callable, default "sharpe"
        A name of `tsseq.trading.statistics.STATISTICS` of which more is better, or a function that takes the returns
        of one strategy, an array of shape (n,), and gives a number. Only "sharpe" is fast for many splits. Returns that
        are all 0 score 0.
    periods_per_year : int, default 252
        Bars in a year, for statistics that are annual.

    Returns
    -------
    Overfitting
        The probability, the slope of the decay, the probability of a loss, and all splits.

    Raises
    ------
    ConfigError
        On an odd number of groups and an unknown statistic.
    DataError
        On fewer than two strategies or two bars per group, and on halves in which no strategy has a score.

    Examples
    --------
    >>> returns = np.random.default_rng(0).normal(0, 0.01, (400, 10))
    >>> returns[:, 3] += 0.003
    >>> edge = probability_of_overfitting(returns, n_groups=8)
    >>> edge.probability, edge.splits["chosen"].mode().item()
    (0.0, 3)
    """
    if n_groups < 2 or n_groups % 2:
        raise ConfigError(f"n_groups is {n_groups}; it must be an even number of at least 2.")
    score = scorer_of(by, periods_per_year)
    frame = pd.DataFrame(returns)
    values = frame.to_numpy(dtype=float)
    if len(frame.columns) < 2 or len(frame) < 2 * n_groups:
        needed = f"at least 2 strategies and {2 * n_groups} bars for n_groups={n_groups}"
        raise DataError(f"the returns have {len(frame)} bars of {len(frame.columns)} strategies; pass {needed}.")
    groups = np.array_split(values, n_groups)
    halves = np.array(list(itertools.combinations(range(n_groups), n_groups // 2)))  # (C, n_groups / 2)
    if by == "sharpe":
        scores = _sharpes_of_halves(groups, halves, periods_per_year)
    else:
        scores = np.stack([score(np.concatenate([groups[number] for number in half])) for half in halves])
    return _summary(np.where(np.isnan(scores), -np.inf, scores), frame.columns)


def scorer_of(by: Score, periods_per_year: int) -> Callable[[Array], Array]:
    """Look up what gives each column of returns (T, N) a score (N,), the higher the better.

    It is NaN where a return is missing, and 0 where all returns are: a strategy that never traded beats one that lost.
    """
    if by == "sharpe":
        return partial(_sharpes, periods_per_year=periods_per_year)
    if isinstance(by, str) and by not in _NAMES:
        raise ConfigError(f"by is {by!r}; it must be a callable or one of {listed(_NAMES, len(_NAMES))}.")
    statistic: Callable[..., float] = STATISTICS[by] if isinstance(by, str) else by
    annual = isinstance(by, str) and "periods_per_year" in inspect.signature(statistic).parameters
    options = {"periods_per_year": periods_per_year} if annual else {}

    def scores(returns: Array) -> Array:
        values = np.array([statistic(column, **options) for column in returns.T], dtype=float)
        values[~returns.any(axis=0)] = 0.0
        values[np.isnan(returns).any(axis=0)] = np.nan
        return values

    return scores


def _sharpes(returns: Array, periods_per_year: int) -> Array:
    return _sharpes_of_sums(returns.sum(axis=0), (returns**2).sum(axis=0), len(returns), periods_per_year)


def _sharpes_of_halves(groups: list[Array], halves: Index, periods_per_year: int) -> Array:
    """Sharpe ratios (C, N) of the returns in each half (C, n_groups / 2) of the groups."""
    sums = np.stack([group.sum(axis=0) for group in groups])  # (n_groups, N)
    squares = np.stack([(group**2).sum(axis=0) for group in groups])
    n_bars = np.array([len(group) for group in groups])[halves].sum(axis=1)[:, None]
    total, total_squares = (sum(by_group[numbers] for numbers in halves.T) for by_group in (sums, squares))
    return _sharpes_of_sums(total, total_squares, n_bars, periods_per_year)


def _sharpes_of_sums(total: Array, squares: Array, n_bars: Index | int, periods_per_year: int) -> Array:
    """Annual Sharpe ratios from the sums of returns and of their squares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares - total**2 / n_bars
        variance[variance <= 1e-12 * squares] = 0.0  # constant but for rounding
        ratios = total / n_bars / np.sqrt(variance / (n_bars - 1)) * np.sqrt(periods_per_year)
    ratios[squares == 0] = 0.0
    return np.asarray(ratios)


def _summary(scores: Array, strategies: pd.Index) -> Overfitting:
    """Choose in each half by its scores (C, N) and rank in the other; in reverse order, halves are the other ones."""
    chosen = scores.argmax(axis=1)[:, None]
    in_sample, out_of_sample = (np.take_along_axis(side, chosen, axis=1) for side in (scores, scores[::-1]))
    if np.isneginf(in_sample).any():
        raise DataError("no strategy has a score in some half of the bars. Pass returns without missing values.")
    below, equal = (compare(scores[::-1], out_of_sample).sum(axis=1) for compare in (np.less, np.equal))
    rank = below + (equal + 1) / 2
    splits = pd.DataFrame(
        {
            "chosen": strategies[chosen[:, 0]],
            "in_sample": in_sample[:, 0],
            "out_of_sample": out_of_sample[:, 0],
            "logit": np.log(rank / (len(strategies) + 1 - rank)),
        }
    )
    finite = splits[np.isfinite(splits["in_sample"]) & np.isfinite(splits["out_of_sample"])]
    variance = finite["in_sample"].var()
    slope = finite["in_sample"].cov(finite["out_of_sample"]) / variance if variance > 0 else np.nan
    shares = (splits["logit"] <= 0).mean(), (splits["out_of_sample"] < 0).mean()
    return Overfitting(float(shares[0]), float(slope), float(shares[1]), splits)
