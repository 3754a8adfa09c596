"""Parameters chosen on the past only: at each choice those that were best until then, held as one book."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.errors import ConfigError, DataError
from tsseq.resampling.trials import Trials
from tsseq.trading.book import Book
from tsseq.trading.costs import Costs
from tsseq.trading.execution import opened
from tsseq.trading.price_table import listed
from tsseq.trading.simulate import Engine, check_money, simulate
from tsseq.trading.statistics.overfitting import Score, scorer_of
from tsseq.trading.statistics.returns import bars_per_year, total_return
from tsseq.trading.sweep import chunks_of, combinations_of, decisions_of, growth_of
from tsseq.typing import Array, Index

# Bars that the first choice rests on, unless a window or a start is given.
_LEAST = 60


@dataclass(frozen=True, eq=False, repr=False)
class WalkForwardChoice:
    """A book whose parameters were chosen on the past only, and what it was chosen from.

    Attributes
    ----------
    book : Book
        Out of sample: begins at the first choice, and pays for every change of the parameters.
    choices : DataFrame
        One row per choice, by the date of the decision at which it was made: ``combination`` (a row of
        ``combinations``), its parameters, ``past_score``, and ``bars``, how many it served.
    combinations : DataFrame of shape (N, n_parameters)
        The parameters of all combinations.
    returns : DataFrame of shape (T, N)
        Net returns of all combinations from the first decision on, NaN once one has lost all; for
        `tsseq.trading.statistics.probability_of_overfitting`.
    hindsight : DataFrame
        ``total_return`` and annual ``sharpe``, above the interest on cash, of the book (row "walk_forward") and of the
        one combination that proved best on the same bars (row "hindsight"): what lies between, nobody could earn.
    trials : Trials
        Ledger of all combinations over all bars.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=100)
    >>> prices = pd.Series(100 + np.arange(100.0) % 7, days)
    >>> choice = walk_forward(lambda size: pd.Series(size, days), prices, {"size": [0.5, 1.0]}, every=30)
    >>> choice
    WalkForwardChoice(2 choices among 2 combinations, 2024-02-29..2024-04-09, total_return=-0.0116)
    """

    book: Book
    choices: pd.DataFrame
    combinations: pd.DataFrame
    returns: pd.DataFrame
    hindsight: pd.DataFrame
    trials: Trials

    def __repr__(self) -> str:
        dates = f"{listed(self.book.returns.index[:1])}..{listed(self.book.returns.index[-1:])}"
        counts = f"{len(self.choices)} choices among {len(self.combinations)} combinations"
        return f"WalkForwardChoice({counts}, {dates}, total_return={total_return(self.book.returns):.4f})"


def walk_forward(
    signal: pd.DataFrame | Callable[..., Frame],
    prices: Frame,
    grid: Mapping[str, Sequence[Any]],
    *,
    every: str | pd.DateOffset | timedelta | int = "YE",
    window: int | None = None,
    by: Score = "sharpe",
    start: str | date | None = None,
    model: str | None = None,
    execution: str | None = None,
    costs: Costs | None = None,
    cash_rate: float = 0.0,
    leverage: float = 1.0,
    engine: Engine = "returns",
    price: str = "close",
) -> WalkForwardChoice:
    """Choose a rule's parameters again and again on the past only, and simulate what the choices would have earned.

    At each choice the parameters are those whose simulated net returns were best until the close of that decision. The
    decisions from this one to the next choice are those of the chosen combination. All of them together are simulated
    once, so that the book pays for every change.

    Parameters
    ----------
    signal : DataFrame or callable
        The ``.forecasts`` of a backtest; or expected returns, dates x assets, NaN where there is none; or a function
        that takes one combination as keywords and returns its weights, on the same dates for all, and is called once
        more for those that are chosen. Nothing here can tell whether it reads later prices.
    prices : DataFrame or Series
        In any shape that `simulate` takes.
    grid : mapping of str to sequence
        Values of parameters: of `to_weights` (``rule``, ``threshold``, ``k``, ...), or of the function.
    every : str, offset, timedelta or int, default "YE"
        When to choose again: at the first decision on or after each date of a pandas offset ("YE", "QE", "ME", "W",
        ...), or after so many decisions.
    window : int, optional
        Bars of the past that count at a choice. Default: all since the first decision.
    by : str or callable, default "sharpe"
        What is best: a name of `tsseq.trading.statistics.STATISTICS` of which more is better, or a function that takes
        past returns, an array of shape (n,), and gives a number. Both see net returns less the interest on cash; those
        that are all 0 score 0. Among equals the first of the grid is chosen.
    start : str or date, optional
        The first choice is made at the first decision on or after it. Default: at the first of ``every``, or for a
        number the first decision, that has ``window`` bars behind it, or 60.
    model : str, optional
        Whose forecasts, in the column ``model``. May be left out if there is one model beside the naive ones.
    execution : {"next_open", "next_close", "close", "same_bar"}, optional
        When orders fill. Default: the next open where there are opens, else the next close.
    costs : Costs, optional
        Fees, slippage and borrowing. Default: none.
    cash_rate : float, default 0
        Yearly interest on cash.
    leverage : float, default 1
        Multiplies the weights.
    engine : {"returns", "shares"}, default "returns"
        "returns" meets weights exactly; "shares" counts shares and cash, and is slower.
    price : str, default "close"
        The field to trade.

    Returns
    -------
    WalkForwardChoice
        The book, the choices, and the returns of all combinations.

    Raises
    ------
    ConfigError
        On an empty grid, an unknown parameter, statistic, model, execution, engine or offset.
    DataError
        On weights or prices that `simulate` refuses, a past that is too short for a choice, and a choice at which no
        combination has a score, since all have lost everything; on a book that loses all its equity.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=400)
    >>> prices = pd.Series(100 * np.exp(np.random.default_rng(4).normal(0, 0.01, 400).cumsum()), days)
    >>> moves = prices.pct_change(5).dropna().to_frame("close")
    >>> grid = {"rule": ["threshold"], "threshold": [0.0, 0.01, 0.02]}
    >>> choice = walk_forward(moves, prices, grid, every="QE", costs=Costs(bps=10))
    >>> choice.choices[["threshold", "past_score", "bars"]].round(2)
                threshold  past_score  bars
    date
    2024-03-31       0.02       -2.20    91
    2024-06-30       0.02       -1.42    92
    2024-09-30       0.01       -0.54    92
    2024-12-31       0.02       -0.37    35
    >>> choice.hindsight["sharpe"].round(2).to_dict()  # of a random walk
    {'walk_forward': 0.04, 'hindsight': 1.22}
    """
    check_money(cash_rate, leverage, engine)
    combinations = combinations_of(grid)
    table, decided, targets = decisions_of(signal, prices, combinations, model, price)
    first = int(decided[0])
    fill_rule, market = opened(execution, table, first)
    score = scorer_of(by, bars_per_year(market.dates))
    rows = _rows_of_choices(market.dates[decided], decided - first + 1, every, window, start)
    money = (fill_rule.delay, costs or Costs(), cash_rate, leverage, engine)
    chunks = chunks_of(targets, market, engine, leverage)
    growth = np.concatenate([growth_of(market, decided, chunk, *money) for chunk in chunks])
    returns = pd.DataFrame(growth.T - 1, market.dates).iloc[first:]
    interest = pd.Series(cash_rate * market.years, market.dates).iloc[first:]
    chosen, past_scores = _choices(
        _above(returns, interest), market.dates[first:], decided[rows] - first + 1, window, score
    )
    winners, place = np.unique(chosen, return_inverse=True)
    _, _, targets = decisions_of(signal, prices, [combinations[number] for number in winners], model, price)
    serving = np.repeat(place, np.diff(rows, append=len(decided)))  # which of the winners each decision follows
    book = simulate(
        _joined(targets, serving, market.dates[decided[rows[0] :]], market.assets),
        prices,
        execution=fill_rule.name,
        costs=costs,
        cash_rate=cash_rate,
        leverage=leverage,
        engine=engine,
        price=price,
    )
    parameters = pd.DataFrame(combinations)
    bars = np.diff(decided[rows], append=len(market.dates))
    columns = {"combination": chosen}, parameters.iloc[chosen], {"past_score": past_scores, "bars": bars}
    dates = market.dates[decided[rows]].rename("date")
    return WalkForwardChoice(
        book=book,
        choices=pd.concat([pd.DataFrame(column).set_axis(dates) for column in columns], axis=1),
        combinations=parameters,
        returns=returns,
        hindsight=_hindsight(book, returns, interest, score),
        trials=Trials.of(scorer_of("sharpe", book.periods_per_year)(_above(returns, interest))),
    )


def _rows_of_choices(
    dates: pd.DatetimeIndex,
    n_known: Index,
    every: str | pd.DateOffset | timedelta | int,
    window: int | None,
    start: str | date | None,
) -> Index:
    """Which decisions choose anew; ``n_known`` (D,) bars are known at each."""
    if window is not None and window < 2:
        raise ConfigError(f"window is {window}; it must be at least 2 bars.")
    if start is None:
        least = _LEAST if window is None else window
        earliest = int(np.searchsorted(n_known, least))
    else:
        moment = pd.Timestamp(start)
        earliest = int(dates.searchsorted(moment if moment.tz else moment.tz_localize(dates.tz)))
    if isinstance(every, (int, np.integer)):
        if every < 1:
            raise ConfigError(f"every is {every}; it must be a date rule such as 'YE', or at least 1 decision.")
        rows = np.arange(earliest, len(dates), every)
    else:
        try:
            anchors = pd.date_range(dates[0].normalize(), dates[-1], freq=every)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"every is {every!r}; it must be a pandas offset, or a number of decisions.") from error
        rows = np.unique(dates.searchsorted(anchors))
        rows = rows[rows >= earliest] if start is None else np.unique([earliest, *rows[rows > earliest]])
    rows = rows[rows < len(dates)]
    if not len(rows):
        span = f"the decisions run from {listed(dates[:1])} to {listed(dates[-1:])}"
        wanted = f"at or after {start}" if start is not None else f"with {least} bars of the past"
        raise DataError(
            f"{span}, and every={every!r} leaves no choice {wanted}. Pass an earlier start= or another every=."
        )
    return np.asarray(rows, dtype=np.int64)


def _above(returns: pd.DataFrame, interest: pd.Series[float]) -> Array:
    """Returns (T, N) less the interest on cash; 0 where rounding alone is left of them."""
    excess = returns.sub(interest, axis=0).to_numpy()
    return np.where(np.abs(excess) < 1e-12, 0.0, excess)


def _choices(
    excess: Array, dates: pd.DatetimeIndex, ends: Index, window: int | None, score: Callable[[Array], Array]
) -> tuple[Index, Array]:
    """Return the combination that is best in the bars (T, N) before each end, and its score."""
    chosen, past_scores = np.zeros(len(ends), dtype=np.int64), np.zeros(len(ends))
    for row, end in enumerate(ends):
        scores = score(excess[0 if window is None else max(end - window, 0) : end])
        if np.isnan(scores).all():
            raise DataError(
                f"no combination has a score on {listed(dates[[end - 1]])}, after {end} bars: each has lost all its "
                "equity, or the statistic needs more bars. Lower the weights, or pass a later start=."
            )
        chosen[row] = _best(scores)
        past_scores[row] = scores[chosen[row]]
    return chosen, past_scores


def _best(scores: Array) -> int:
    """The first of the highest scores, equal but for rounding."""
    return int(np.isclose(scores, np.nanmax(scores), rtol=1e-12, atol=0.0).argmax())


def _joined(rules: Iterable[Array], serving: Index, dates: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame:
    """Target weights of the last decisions, each those of the rule (D, N) with its number."""
    weights = np.zeros((len(dates), len(assets)))
    for number, rule in enumerate(rules):
        weights[serving == number] = rule[-len(dates) :][serving == number]
    return pd.DataFrame(weights, dates, assets)


def _hindsight(
    book: Book, returns: pd.DataFrame, interest: pd.Series[float], score: Callable[[Array], Array]
) -> pd.DataFrame:
    """Figures of the book, and of the combination that proved best on its bars, if one has not lost all."""
    returns, interest = returns.loc[book.returns.index], interest.loc[book.returns.index]
    columns = {"walk_forward": book.returns}
    scores = score(_above(returns, interest))
    if not np.isnan(scores).all():
        columns["hindsight"] = returns[_best(scores)]
    both = pd.DataFrame(columns)
    sharpes = scorer_of("sharpe", book.periods_per_year)(_above(both, interest))
    return pd.DataFrame({"total_return": (1 + both).prod() - 1, "sharpe": sharpes})
