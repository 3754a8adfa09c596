"""Scores that no honest forecast of prices has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tsseq.data.tidy import NAIVE
from tsseq.evaluation.foreknowledge import UNEXPLAINED
from tsseq.evaluation.perturb import PRICES
from tsseq.evaluation.scores import AlignedForecasts
from tsseq.evaluation.significance import diebold_mariano, direction_tests
from tsseq.typing import Array, Index

DIRECTION, SKILL, IC = 0.65, 0.2, 0.1
DETERMINED, SMOOTHED = 0.64, 0.25  # shares of squared changes
FEWEST_MOVES, FEWEST_SERIES, FEWEST_CUTOFFS = 100, 5, 10
CHANCE, FAR = 1e-3, 4.0  # p-value, and standard errors


def price_like(shares: pd.DataFrame) -> pd.Series[float]:
    """Targets and steps of which little can be known ahead, as with prices: a twentieth of the squared changes at most.

    Where known covariates say more than that, but less than two thirds, as promotions do of sales, it is no price.

    Parameters
    ----------
    shares : DataFrame
        As `tsseq.evaluation.foreknowledge.explained_shares` returns them.

    Returns
    -------
    Series
        Share that the past explains; index (target, step), without those that are no prices.

    Examples
    --------
    >>> keys = pd.MultiIndex.from_tuples([("close", 1), ("sales", 1), ("temperature", 1)])
    >>> price_like(pd.DataFrame({"past": [0.01, 0.02, 0.3], "known": [0.01, 0.4, 0.4]}, keys)).to_dict()
    {('close', 1): 0.01}
    """
    driven = (shares["known"] > UNEXPLAINED) & (shares["known"] <= DETERMINED)
    return shares.loc[(shares["past"] <= UNEXPLAINED) & ~driven, "past"]


def too_good(aligned: AlignedForecasts, shares: pd.DataFrame, stride: int) -> list[str]:
    """Sentences on forecasts that are better than prices allow, by more than luck explains.

    A direction right in more than 65 % of 100 moves or more, errors more than 20 % below those of the last value, or
    in a panel an information coefficient above 0.1 plus what the past explains. And a target named like a price whose
    past explains a quarter of its changes: prices do not move so, smoothed ones do.

    Parameters
    ----------
    aligned : AlignedForecasts
        Forecasts of several models, the last value among them.
    shares : DataFrame
        As `tsseq.evaluation.foreknowledge.explained_shares` returns them.
    stride : int
        Rows between cutoffs.

    Returns
    -------
    list of str
        One sentence per model and step; none where nothing is suspicious.

    Examples
    --------
    >>> prices = 100 + np.random.default_rng(0).normal(size=202).cumsum()
    >>> keys = {"cutoff": np.arange(201), "ds": np.arange(1, 202), "step": 1, "target": "close", "actual": prices[1:]}
    >>> tables = [pd.DataFrame({"model": "last_value", **keys, "forecast": prices[:-1]})]
    >>> tables.append(pd.DataFrame({"model": "cheat", **keys, "forecast": (prices[:-1] + prices[1:]) / 2}))
    >>> aligned = AlignedForecasts.of(pd.concat(tables), pd.Series({(None, "close"): 1.0}), None)
    >>> shares = pd.DataFrame([[0.01, 0.01]], pd.MultiIndex.from_tuples([("close", 1)]), ["past", "known"])
    >>> too_good(aligned, shares, stride=1)[0][:64]
    'cheat, 1 row ahead: right in 100.0 % of 201 moves, errors 50.0 %'
    """
    sentences: list[str] = []
    for (target, step), share in shares["past"].items():
        if step == 1 and share > SMOOTHED and str(target).lower() in PRICES:
            why = "is it smoothed, or a price that nobody paid?"
            sentences.append(f"{target!r} is named like a price, but its past explains {_percent(share)} of it; {why}")
    for (target, step), share in price_like(shares).items() if aligned.naive is not None else ():
        rows = ((aligned.keys["target"] == target) & (aligned.keys["step"] == step)).to_numpy()
        limit = f"where the past explains {_percent(share)} of the changes of {target!r}"
        for m, model in enumerate(aligned.models):
            if model not in NAIVE and rows.any():
                feats = list(_feats(aligned, m, np.flatnonzero(rows), -(-step // stride), share))
                where = f"{model}, {step} row{'s' * (step > 1)} ahead"
                sentences += [f"{where}: {', '.join(feats)}, {limit}."] if feats else []
    return sentences


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _feats(aligned: AlignedForecasts, model: int, rows: Index, overlap: int, share: float) -> Iterator[str]:
    """What is too good about the forecasts of a model in some rows."""
    keys, actual = aligned.keys.iloc[rows], aligned.inputs["actual"][rows]
    last, scale, forecast = (aligned.inputs[k][..., rows] for k in ("last", "mase_scale", "forecast"))
    change, guess, dates = actual - last, forecast[model] - last, pd.factorize(keys["cutoff"], sort=True)[0]
    series = pd.factorize(keys["id"])[0] if "id" in keys else np.zeros_like(dates)
    moved, right = change != 0, np.sign(change) == np.sign(guess)
    if moved.sum() >= FEWEST_MOVES and right[moved].mean() > DIRECTION:
        p_value = direction_tests(change, guess[None], series, dates, np.zeros_like(dates), overlap)[0, 0]
        if p_value < CHANCE:
            yield f"right in {_percent(right[moved].mean())} of {moved.sum():,} moves"
    scaled = np.isfinite(scale)
    loss, naive = (_mean_by(dates[scaled], np.abs(e / scale)[scaled]) for e in (change - guess, change))
    smaller = len(loss) > max(overlap, FEWEST_CUTOFFS) and loss.mean() < (1 - SKILL) * naive.mean()
    if smaller and diebold_mariano(loss, naive, overlap, "less").p_value < CHANCE:
        yield f"errors {_percent(1 - loss.mean() / naive.mean())} below those of the last value"
    coefficients = _information_coefficients(change / np.abs(last), guess / np.abs(last), dates)
    if len(coefficients) > max(overlap, FEWEST_CUTOFFS):
        mean, error = coefficients.mean(), coefficients.std() * np.sqrt(overlap / len(coefficients))
        if mean > max(IC + np.sqrt(share), FAR * error):
            yield f"an information coefficient of {mean:.2f}"


def _mean_by(dates: Index, values: Array) -> Array:
    """Mean of the values of every date."""
    counts = np.bincount(dates)
    return np.asarray(np.bincount(dates, values)[counts > 0] / counts[counts > 0])


def _information_coefficients(change: Array, guess: Array, dates: Index) -> Array:
    """Correlation over the series at every date that has enough of them."""
    keep = (np.bincount(dates) >= FEWEST_SERIES)[dates] & np.isfinite(change) & np.isfinite(guess)
    dates = pd.factorize(dates[keep])[0]
    x, y = (values[keep] - _mean_by(dates, values[keep])[dates] for values in (change, guess))
    size = np.sqrt(np.bincount(dates, x * x) * np.bincount(dates, y * y))
    return np.asarray(np.bincount(dates, x * y)[size > 0] / size[size > 0])
