"""The sentences that judge: what the forecasts were worth, what the money was, and where numbers coincide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tsseq.data.tidy import NAIVE, YARDSTICKS, tidy_columns
from tsseq.evaluation.significance import SIGNIFICANT
from tsseq.reporting.wording import between, joined, percent, probability
from tsseq.trading.book import Book


@dataclass(frozen=True)
class Verdict:
    """A question, its answer in one sentence, and whether that is good news or a warning.

    Examples
    --------
    >>> Verdict("Does it pay?", "No.").tone
    'plain'
    """

    question: str
    answer: str
    tone: Literal["good", "plain", "warning"] = "plain"


def forecast_verdict(
    errors: pd.Series[float], p_values: pd.Series[float], suspicions: Sequence[str] = (), benchmark: str = NAIVE[0]
) -> Verdict:
    """Say whether a model beats a naive forecast; what is suspicious turns good news into a warning.

    >>> errors = pd.Series({"last_value": 1.0, "ridge": 0.8})
    >>> forecast_verdict(errors, pd.Series({"ridge": 0.012})).answer.replace("\u00a0", " ")
    'ridge beats repeating the last value: its errors are 20.0 % smaller, more than luck explains (p = 0.012).'
    >>> forecast_verdict(errors, pd.Series({"ridge": 0.012}), ["99 % of directions are right."]).answer
    'Too good to be true: look for the future in the data. 99 % of directions are right.'
    """
    question = f"Do the forecasts beat {YARDSTICKS[benchmark]}?"
    answer, good = _answer(errors, p_values, benchmark)
    if not suspicions:
        return Verdict(question, answer, "good" if good else "plain")
    start = "Too good to be true: look" if good else f"{answer} Look"
    more = " There is more among the caveats." if len(suspicions) > 1 else ""
    return Verdict(question, f"{start} for the future in the data. {suspicions[0]}{more}", "warning")


def _answer(errors: pd.Series[float], p_values: pd.Series[float], benchmark: str) -> tuple[str, bool]:
    """One sentence in plain words, and whether it is good news."""
    tests = p_values.reindex(errors.index.drop(list(NAIVE), errors="ignore"))
    if tests.isna().all():
        return "It cannot be told: there are too few cutoffs for a test.", False
    best, winners = leader(errors, p_values), [str(name) for name in tests.index[tests < SIGNIFICANT]]
    gain = 1 - errors[best] / errors[benchmark]
    numbers = benchmark == NAIVE[0]
    measure, verb, how = ("errors", "are", "learns nothing") if numbers else ("log loss", "is", "only counts")
    size = f"{verb} {percent(abs(gain))} {'smaller' if gain >= 0 else 'larger'}"
    p_value = probability(tests[best], "p")
    if not winners:
        luck = ", which may well be luck" if gain >= 0 else ""
        words = f"the {measure} of the closest, {best}, {size}{luck} ({p_value})."
        return f"No model beats {YARDSTICKS[benchmark]}: {words}", False
    naive = errors[errors.index.isin(NAIVE)]
    but = f"; but {naive.idxmin()}, which {how}, does better still" if naive.min() < errors[best] else ""
    whose = f"its {measure}" if len(winners) == 1 else f"the {measure} of the best, {best},"
    words = f"{whose} {size}, more than luck explains ({p_value}){but}."
    return f"{joined(winners)} {'beats' if len(winners) == 1 else 'beat'} {YARDSTICKS[benchmark]}: {words}", not but


def leader(errors: pd.Series[float], p_values: pd.Series[float]) -> str:
    """Name the model with the smallest error among those that are better than luck, or among all if none is.

    >>> errors = pd.Series({"last_value": 0.1, "a": 0.8, "b": 0.9})
    >>> leader(errors, pd.Series({"a": 0.2, "b": 0.01})), leader(errors, pd.Series({"a": 0.2, "b": 0.3}))
    ('b', 'a')
    """
    models = errors.drop(labels=list(NAIVE), errors="ignore").fillna(np.inf)
    winners = models[p_values.reindex(models.index) < SIGNIFICANT]
    return str((models if winners.empty else winners).idxmin())


def money_verdict(comparison: pd.Series[float], benchmark: str, n_trials: int, doubt: str = "") -> Verdict:
    """Say whether a book earned more than its benchmark; a doubt turns good news into a warning.

    >>> figures = pd.Series({"difference": 0.042, "lower": 0.01, "upper": 0.075, "adjusted_p": 0.012})
    >>> verdict = money_verdict(figures, "SPY", 21)
    >>> verdict.question
    'Did it earn more than holding SPY, after costs?'
    >>> verdict.answer.replace("\u00a0", " ")
    'Yes: 4.2 % a year more (difference, 95 %: 1.0 to 7.5 %), beyond luck (p = 0.012, adjusted for 21 trials).'
    >>> money_verdict(figures * [-1, -1, 1, 60], "buy and hold", 1).answer.replace("\u00a0", " ")
    'No: 4.2 % a year less (difference, 95 %: −1.0 to 7.5 %; p = 0.720, as if this were the only trial).'
    """
    question = f"Did it earn more than {holding(benchmark)}, after costs?"
    gap, p_value = float(comparison["difference"]), float(comparison["adjusted_p"])
    if np.isnan(gap) or np.isnan(p_value):
        return Verdict(question, "It cannot be told: there are too few bars, or it never differed.")
    if not comparison[["difference", "lower", "upper"]].any():
        return Verdict(question, "No: it earned the same, bar by bar.")
    interval = f"difference, 95\u00a0%: {between(comparison['lower'], comparison['upper'])}"
    size = f"{percent(abs(gap))} a year {'more' if gap >= 0 else 'less'}"
    trials = "as if this were the only trial" if n_trials < 2 else f"adjusted for {n_trials:,} trials"
    tested = f"{probability(p_value, 'p')}, {trials}"
    if gap < 0:
        return Verdict(question, f"No: {size} ({interval}; {tested}).")
    if p_value >= SIGNIFICANT:
        return Verdict(question, f"Not beyond luck: {size} ({interval}; {tested}).")
    answer = f"{size} ({interval}), beyond luck ({tested})."
    return Verdict(question, f"{doubt}: {answer}", "warning") if doubt else Verdict(question, f"Yes: {answer}", "good")


def holding(benchmark: str) -> str:
    """Word what holding a benchmark is.

    >>> holding("buy and hold"), holding("equal weights"), holding("SPY")
    ('buying and holding', 'holding equal weights', 'holding SPY')
    """
    return "buying and holding" if benchmark == "buy and hold" else f"holding {benchmark}"


def coincidences(book: Book) -> list[str]:
    """Say why two lines of a book are one.

    >>> from tsseq import simulate
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> coincidences(simulate(pd.Series([1.0], days[:1]), pd.Series([1.0, 2.0, 1.0, 2.0], days)))
    ['The strategy was always fully long, so its return is that of buying and holding.']
    """
    if not book.turnover.any():
        return ["It never traded."]
    costs = " (less costs)" if book.costs_paid.any() else ""
    if np.allclose(book.gross_returns, book.benchmark, rtol=0, atol=1e-9):
        if book.weights.shape[1] == 1:
            return [f"The strategy was always fully long, so its return is that of buying and holding{costs}."]
        return [f"The strategy held what {holding(str(book.benchmark.name))} holds, so its return is the same{costs}."]
    after = book.weights.loc[(book.turnover > 0).idxmax() :].to_numpy()
    sides = {"long": (after > 0).all(), "short": (after < 0).all()}
    return [f"The strategy was always {side}." for side, always in sides.items() if always and after.shape[1] == 1]


def copies(forecasts: pd.DataFrame) -> list[str]:
    """Name the models whose every forecast is the last value.

    >>> keys = {"model": ["last_value", "ridge"], "cutoff": 0, "ds": 1, "step": 1, "target": "y"}
    >>> copies(pd.DataFrame(keys | {"forecast": [2.0, 2.0]}))
    ['All forecasts of ridge equal the last value.']
    """
    keys = [name for name in forecasts.columns[: list(forecasts).index("forecast")] if name not in ("model", "actual")]
    last = forecasts.loc[forecasts["model"] == NAIVE[0], [*keys, "forecast"]]
    table = forecasts[~forecasts["model"].isin(NAIVE)].merge(last, on=keys, suffixes=("", "_last"))
    forecast, last = table["forecast"], table["forecast_last"]
    if tidy_columns(forecasts).classes is not None:
        gap = forecast.astype(str).ne(last.astype(str)).astype(float)
    else:
        gap = (forecast - last).abs() / last.abs().clip(lower=1e-300)
    largest = gap.groupby(table["model"].astype(str)).max()
    return [f"All forecasts of {name} equal the last value." for name in largest.index[largest < 1e-9]]


def missed_levels(coverage: pd.DataFrame, level: float) -> dict[str, str]:
    """Say whose bands miss their level: it lies outside the interval of their coverage.

    >>> shares = [[0.7, 0.64, 0.75], [0.81, 0.78, 0.83]]
    >>> coverage = pd.DataFrame(shares, ["gru", "ridge"], ["coverage", "lower", "upper"])
    >>> missed_levels(coverage, 0.8)["gru"].replace("\u00a0", " ")
    'The bands of gru are too narrow: they hold 70.0 % of the values, not 80 %.'
    """
    missed = coverage[(coverage["upper"] < level) | (coverage["lower"] > level)]
    size = np.where(missed["upper"] < level, "narrow", "wide")
    share = percent(level, 0)
    return {
        str(name): f"The bands of {name} are too {kind}: they hold {percent(value)} of the values, not {share}."
        for name, kind, value in zip(missed.index, size, missed["coverage"])
    }
