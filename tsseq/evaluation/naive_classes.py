"""Naive forecasts of categories: the last one, how often each came, and what came after the last one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsseq.data.panel import Panel
from tsseq.forecasting.forecasts import Forecasts
from tsseq.forecasting.naive import LastValue
from tsseq.forecasting.rows import with_likeliest


def naive_classes(panel: Panel, cutoffs: pd.Index, context_length: int, horizon: int) -> dict[str, Forecasts]:
    """Forecasts at all cutoffs, wherever a series has a row and a whole context.

    The chances of "frequencies" and of "markov", a chain of first order, are counted over all series in the rows dated
    up to the cutoff, and one more of each category among them (the rule of succession of Laplace).

    Parameters
    ----------
    panel : Panel
        The history, whose target is categories.
    cutoffs : Index
        Timestamps, in order.
    context_length : int
        Rows of a context, in which the last category is looked for.
    horizon : int
        Rows to forecast.

    Returns
    -------
    dict of str to Forecasts
        "last_value", without probabilities, "frequencies" and "markov".

    Examples
    --------
    >>> from tsseq.data import Schema
    >>> panel = Panel.from_frame(pd.Series(["a", "b", "b", "a", "b"], name="y"), Schema.of("y"))
    >>> naive = naive_classes(panel, pd.Index([4]), context_length=2, horizon=1)
    >>> {name: forecasts.values.round(2).ravel().tolist() for name, forecasts in naive.items()}
    {'last_value': [1.0], 'frequencies': [1.0, 0.43, 0.57], 'markov': [0.0, 0.5, 0.5]}
    """
    codes, n = panel.values[:, 0], panel.n_classes
    rows = panel.rows_at(cutoffs, context_length)
    contexts = np.lib.stride_tricks.sliding_window_view(codes, context_length)[rows - (context_length - 1)]
    repeated = LastValue().fit(np.zeros((1, context_length)), np.zeros((1, horizon))).predict(contexts)
    last = repeated.reshape(len(rows), horizon)  # NaN where a context is empty
    frequencies, chain = (np.full((len(rows), horizon, 1, n), np.nan) for _ in range(2))
    stamp, numbers = panel.stamps.get_indexer(panel.times), panel.stamps.get_indexer(cutoffs)
    by_time = np.argsort(stamp, kind="stable")
    ends = np.searchsorted(stamp[by_time], numbers, side="right")
    before = np.where(panel.position > 0, np.roll(codes, 1), np.nan)
    counts, pairs = np.zeros(n), np.zeros((n, n))
    for first, end, number in zip([0, *ends[:-1]], ends, numbers):
        new = by_time[first:end]
        now, then = codes[new], before[new]
        counts += np.bincount(now[np.isfinite(now)].astype(np.int64), minlength=n)
        both = np.isfinite(now + then)
        np.add.at(pairs, (then[both].astype(np.int64), now[both].astype(np.int64)), 1.0)
        here = np.flatnonzero((stamp[rows] == number) & np.isfinite(last[:, 0]))
        known = counts > 0
        frequencies[here] = np.where(known, counts + 1, 0.0) / (counts[known] + 1).sum()
        step = np.where(known, pairs + 1, 0.0) / (pairs[:, known] + 1).sum(axis=1, keepdims=True)
        chances = step[last[here, 0].astype(np.int64)]  # (n_here, K)
        for k in range(horizon):
            chain[here, k, 0] = chances
            chances = chances @ step
    extended, origins = panel.extend(horizon), rows + horizon * panel.series_of(rows)
    values = {"last_value": last[:, :, None, None]}
    values |= {"frequencies": with_likeliest(frequencies), "markov": with_likeliest(chain)}
    return {name: Forecasts(extended, origins, array) for name, array in values.items()}
