"""What the page says of a signal that sorts many assets."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.tidy import tidy_columns
from tsseq.errors import DataError
from tsseq.evaluation.significance import SIGNIFICANT
from tsseq.reporting import charts
from tsseq.reporting.tables import styled
from tsseq.reporting.wording import count, percent, probability, ratio
from tsseq.trading.signal_quality import signal_quality

FEWEST_ASSETS = 5
_ROWS = {"ic": "IC", "rank_ic": "Rank IC", "spread": "Top minus bottom quantile"}


def signal_section(forecasts: pd.DataFrame, model: str) -> dict[str, Any] | None:
    """How well a model sorts the assets; None for few assets, and for what is not a price."""
    column = tidy_columns(forecasts).id
    if column is None or forecasts[column].nunique() < FEWEST_ASSETS:
        return None
    try:
        quality = signal_quality(forecasts, model, target=str(forecasts["target"].iloc[0]))
    except DataError:  # not prices, or not dates
        return None
    figures = quality.summary()
    month = quality.by_month["ic"]
    quantiles = quality.quantile_returns.mean()
    return {
        "model": model,
        "sentence": _sentence(figures),
        "table": _table(figures),
        "facts": _facts(figures, len(quantiles)),
        "plots": {
            "IC by month": charts.bars(month.set_axis(pd.PeriodIndex(month.index)), "IC", ".2f"),
            "Mean return by quantile of the signal": charts.bars(quantiles, "return", ".2~%", "1: lowest forecasts"),
            "Rank IC by step": charts.bars(quality.by_step["rank_ic"], "rank IC", ".3f", "rows ahead"),
            "Rank IC of a late signal": charts.bars(quality.decay["rank_ic"], "rank IC", ".3f", "cutoffs late"),
        },
    }


def _sentence(figures: pd.Series[float]) -> str:
    """Whether the signal sorts the assets better than luck.

    >>> figures = pd.Series({"rank_ic": 0.041, "rank_ic_p": 0.004, "n_assets": 40.0, "n_dates": 97.0})
    >>> _sentence(figures).replace("\u00a0", " ")
    'It sorts 40 assets better than luck: the mean rank IC of 97 cutoffs is 0.041 (p = 0.004).'
    """
    mean, p_value = figures["rank_ic"], figures["rank_ic_p"]
    what = f"the mean rank IC of {count(int(figures['n_dates']), 'cutoff')} is {ratio(mean, 3)}"
    if np.isnan(p_value):
        return f"Whether it sorts assets better than luck cannot be told: {what}."
    better = "better" if mean > 0 else "worse"
    verdict = f"It sorts {figures['n_assets']:.0f} assets {better} than luck"
    verdict = verdict if p_value < SIGNIFICANT else f"How it sorts {figures['n_assets']:.0f} assets may well be luck"
    return f"{verdict}: {what} ({probability(p_value, 'p')})."


def _table(figures: pd.Series[float]) -> Any:
    """Means, p-values and intervals."""
    rows = {}
    for name, title in _ROWS.items():
        form = partial(percent, digits=2) if name == "spread" else partial(ratio, digits=3)
        low, high = (form(figures[f"{name}_{end}"]) for end in ("lower", "upper"))
        rows[title] = [form(figures[name]), probability(figures[f"{name}_p"]), f"{low} to {high}"]
    return styled("signal", pd.DataFrame.from_dict(rows, orient="index", columns=["Mean", "p", "95\u00a0%"]), {})


def _facts(figures: pd.Series[float], n_quantiles: int) -> dict[str, str]:
    """Definitions, with what is one number of its own."""
    return {
        "IC": "correlation of expected and realised returns across assets, cutoff by cutoff; .03 to .05 is good for "
        "daily returns, far above .1 suggests a leak",
        "Rank IC": "the same of their ranks, which outliers do not move",
        "Quantiles": f"the assets of a cutoff in {n_quantiles} groups by their forecast; the last is the top",
        "p, 95\u00a0%": "two-sided, by a bootstrap of neighbouring cutoffs together, for horizons that overlap",
        "Turnover": f"{percent(figures['turnover'], 0)} of the top quantile are new at each cutoff, on average",
        "Autocorrelation": f"{ratio(figures['autocorrelation'])} between the ranks of a cutoff and the one before; "
        "near 1, few trades are needed",
    }
