"""Whether returns are beyond those of a benchmark, for one strategy and for the one picked among many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsseq.errors import ConfigError
from tsseq.resampling.bootstrap import block_length, mean_draws
from tsseq.resampling.trials import Trials
from tsseq.trading.statistics.deflated_sharpe import deflated_sharpe
from tsseq.trading.statistics.distribution import common, hit_rate
from tsseq.trading.statistics.relative import alpha, beta, information_ratio, tracking_error
from tsseq.typing import Array

# Fewer bars are too few blocks to draw from.
_LEAST_BARS = 20
# Logarithmic returns that differ by less are equal but for rounding.
_ROUNDING = 1e-12
# Numbers of a ledger that are tested at a time, so that long ledgers fit into memory.
_CHUNK = 2_000_000


def against_benchmark(
    returns: ArrayLike,
    benchmark: ArrayLike,
    trials: Trials | None = None,
    *,
    risk_free: ArrayLike = 0.0,
    level: float = 0.95,
    n_samples: int = 2000,
    seed: int = 0,
    periods_per_year: int = 252,
) -> dict[str, float]:
    """Compare returns with those of a benchmark, and test whether they grow faster.

    What is tested is the mean of ``log(1 + r) - log(1 + b)``, so that its sign is that of the final equities. It is
    divided by its standard error, and what luck does to this ratio is read off a circular block bootstrap, in which
    blocks are as long as the cube root of the number of bars and each draw is divided by its own error. ``adjusted_p``
    is the share of draws in which the best of all trials, drawn together, has at least the ratio of the strategy: the
    reality check (White, Econometrica 68, 2000), studentised and with hopeless trials left at their means (Hansen,
    Journal of Business and Economic Statistics 23, 2005), for the strategy that was chosen, which need not be the best
    (Romano and Wolf, Econometrica 73, 2005; a single step). Trials whose series the ledger lacks count by Bonferroni's
    rule. Of returns that seldom differ from the benchmark there is little to draw: where they do on 5 bars of 100,
    intervals of 95 % may cover 89 %.

    Parameters
    ----------
    returns : array-like of shape (n,)
        Simple return of each period, after costs.
    benchmark : array-like of shape (n,)
        Returns of the benchmark in the same periods; two Series are matched by their index.
    trials : Trials, optional
        Everything that was tried before these returns were chosen, as ``sweep(...).attrs["trials"]``. Default: they
        were not chosen among several.
    risk_free : float or array-like of shape (n,), default 0
        Return of a riskless investment per period, for alpha.
    level : float, default 0.95
        Of the interval, between 0 and 1.
    n_samples : int, default 2000
        Bootstrap samples; no p-value is below ``1 / (n_samples + 1)``.
    seed : int, default 0
        Seed of the bootstrap.
    periods_per_year : int, default 252
        Periods in a year.

    Returns
    -------
    dict of str to float
        ``difference`` is the growth beyond the benchmark as a fraction per year, with the ends ``lower`` and ``upper``
        of its interval; ``p_value`` is one-sided, small if it is above 0, and ``adjusted_p`` allows for the trials.
        Then `alpha` per year, `beta`, the annual `information_ratio`, `tracking_error`, `hit_rate` of the returns
        beyond the benchmark, and ``deflated_sharpe``: that of the logarithmic returns beyond the benchmark, where the
        ledger's are of their kind too; NaN without the ledger's series. Intervals and p-values are NaN below 20 common
        returns, of which too few blocks can be drawn. For returns that equal the benchmark's, p is 1.

    Raises
    ------
    ConfigError
        The level is not between 0 and 1, or there are no samples.
    DataError
        Two arrays differ in length.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> index = random.normal(0.0003, 0.01, 1000)
    >>> figures = against_benchmark(index + random.normal(0.0008, 0.005, 1000), index)
    >>> {name: round(figures[name], 2) for name in ("difference", "lower", "upper", "p_value")}
    {'difference': 0.21, 'lower': 0.11, 'upper': 0.3, 'p_value': 0.0}
    """
    if not (0 < level < 1 and n_samples >= 1):
        raise ConfigError(f"level={level} and n_samples={n_samples}: pass a level in 0..1 and at least one sample.")
    ours, theirs, riskless = common(returns, benchmark, risk_free)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.log1p(ours) - np.log1p(theirs)
    excess[np.abs(excess) < _ROUNDING] = 0.0
    tests = _tested(excess, trials, (1 - level) / 2, n_samples, seed)
    growth = {name: float(np.expm1(periods_per_year * tests[name])) for name in ("difference", "lower", "upper")}
    options = {"periods_per_year": periods_per_year}
    return {
        **growth,
        "p_value": tests["p_value"],
        "adjusted_p": tests["adjusted_p"],
        "alpha": alpha(ours, theirs, risk_free=riskless, **options),
        "beta": beta(ours, theirs),
        "information_ratio": information_ratio(ours, theirs, **options),
        "tracking_error": tracking_error(ours, theirs, **options),
        "hit_rate": hit_rate(excess),
        "deflated_sharpe": _deflated(excess, trials, periods_per_year),
    }


def _tested(excess: Array, trials: Trials | None, tail: float, n_samples: int, seed: int) -> dict[str, float]:
    """Mean of the excess returns, its interval, and both p-values."""
    mean = float(excess.mean()) if len(excess) else np.nan
    tests = dict.fromkeys(("lower", "upper", "p_value", "adjusted_p"), np.nan) | {"difference": mean}
    if len(excess) < _LEAST_BARS or not np.isfinite(mean):
        return tests
    if np.ptp(excess) == 0:
        p_value = _share(np.full(n_samples, mean <= 0))
        return tests | {"lower": mean, "upper": mean, "p_value": p_value, "adjusted_p": p_value}
    bootstrap = mean_draws(excess[None], block_length(len(excess), 1), n_samples, seed)
    ratio, draws, error = bootstrap.mean[0] / bootstrap.error[0], bootstrap.draws[0], bootstrap.error[0]
    low, high = np.quantile(draws, [tail, 1 - tail])
    tests |= {"lower": mean - high * error, "upper": mean - low * error, "p_value": _share(draws >= ratio)}
    if trials is None or trials.count < 2:
        return tests | {"adjusted_p": tests["p_value"]}
    n_series = 1
    if trials.excess is not None and len(trials.excess):
        n_series = len(trials.excess)
        draws = np.maximum(draws, _best_draws(trials.excess, n_samples, seed))
    return tests | {"adjusted_p": min(1.0, _share(draws >= ratio) * max(1.0, trials.count / n_series))}


def _best_draws(excess: NDArray[np.floating[Any]], n_samples: int, seed: int) -> Array:
    """Largest ratio among all trials in each draw (B,); those that are hopeless stay so."""
    n, best = excess.shape[1], np.full(n_samples, -np.inf)
    bound = -np.sqrt(2 * np.log(np.log(max(n, _LEAST_BARS))))
    for some in np.array_split(excess, -(-excess.size // _CHUNK)):
        trials = mean_draws(np.where(np.abs(some) < _ROUNDING, 0.0, some), block_length(n, 1), n_samples, seed)
        varying = trials.error > 0
        ratios = trials.mean[varying] / trials.error[varying]
        draws = trials.draws[varying] + np.where(ratios <= bound, ratios, 0.0)[:, None]
        best = np.maximum(best, np.max(draws, axis=0, initial=-np.inf))
    return best


def _share(events: Array) -> float:
    """Share of draws, the sample itself counted as one: a p-value is never 0."""
    return float((1 + np.count_nonzero(events)) / (1 + len(events)))


def _deflated(excess: Array, trials: Trials | None, periods_per_year: int) -> float:
    if trials is None or trials.excess is None or not trials.excess.size:
        return np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.nanmean(trials.excess, axis=1) / np.nanstd(trials.excess, axis=1, ddof=1)
    ledger = replace(Trials.of(ratios * np.sqrt(periods_per_year)), count=trials.count)
    return deflated_sharpe(excess, ledger, periods_per_year=periods_per_year)
