"""Parameters chosen on the past only: at each choice those that were best until then, held as one book."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.data.timestamps import Refit, fit_numbers
from tsseq.errors import ConfigError, DataError
from tsseq.resampling.trials import Trials
from tsseq.trading.benchmark import Benchmark
from tsseq.trading.book import Book
from tsseq.trading.costs import Costs
from tsseq.trading.execution import opened
from tsseq.trading.orders import orders_of
from tsseq.trading.price_table import listed, read_prices
from tsseq.trading.simulate import simulate
from tsseq.trading.statistics.overfitting import Score, scorer_of
from tsseq.trading.statistics.returns import bars_per_year, cash_returns, total_return
from tsseq.trading.sweep import combinations_of, decisions_of, growth_of, short_buffer
from tsseq.trading.terms import Engine, Terms
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
        ``combinations``), its parameters, ``past_score`` and ``bars_served``.
    combinations : DataFrame of shape (N, n_parameters)
        The parameters of all combinations.
    returns : DataFrame of shape (T, N)
        Net returns of all combinations from the first decision on, NaN once one has lost all; for
        `tsseq.trading.statistics.probability_of_overfitting`.
    hindsight : DataFrame
        ``total_return`` and annual ``sharpe``, above the interest on cash, of the book (row "walk_forward") and of the
        one combination that proved best on the same bars (row "hindsight"): what lies between, nobody could earn.
    trials : Trials
        Ledger of all combinations: Sharpe ratios over all bars, and returns beyond the benchmark on those of the book.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=100)
    >>> prices = pd.Series(100 + np.arange(100.0) % 7, days)
    >>> choice = walk_forward(lambda size: pd.Series(size, days), prices, {"size": [0.5, 1.0]}, every=30)
    >>> choice
    WalkForwardChoice(2 choices among 2 combinations, 2024-03-01..2024-04-09, total_return=-0.0164)
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
    every: Refit = "YE",
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
    benchmark: Benchmark = "equal_weight",
    delisting_return: float = 0.0,
    capital: float | None = None,
    lot_size: float | None = None,
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
    every : str, pandas.DateOffset, int or bool, default "YE"
        When to choose again: at the first decision of each new period of a pandas offset ("YE" each calendar year,
        "QE", "ME", "W-FRI", ...), after so many decisions, or False for only once, at ``start``.
    window : int, optional
        Bars of the past that count at a choice. Default: all since the first decision.
    by : str or callable, default "sharpe"
        What is best: a name of `tsseq.trading.statistics.STATISTICS` of which more is better, or a function that takes
        past returns, an array of shape (n,), and gives a number. Both see net returns less the interest on cash; those
        that are all 0 score 0. Among equals the first of the grid is chosen.
    start : str or date, optional
        The first choice is made at the first decision on or after it. Default: at the first one of ``every`` that
        knows ``window`` bars, or 60.
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
    benchmark : Series or hashable, default "equal_weight"
        What the book, and in the ledger every combination, is compared with, as in `simulate`.
    delisting_return : float, default 0
        What an asset whose prices end still loses or gains on its last price.
    capital : float, optional
        Money at the start, for fees in money and whole shares. Default: 1.
    lot_size : float, optional
        Shares in the smallest order, with ``engine="shares"`` and ``capital=``. Default: shares can be divided.

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
    >>> choice.choices[["threshold", "past_score", "bars_served"]].round(2)
                threshold  past_score  bars_served
    date
    2024-04-01       0.02       -1.72           91
    2024-07-01       0.02       -1.42           92
    2024-10-01       0.01       -0.45           92
    2025-01-01       0.02       -0.38           34
    >>> choice.hindsight["sharpe"].round(2).to_dict()  # of a random walk
    {'walk_forward': 0.09, 'hindsight': 1.17}
    """
    terms = Terms(costs or Costs(), cash_rate, leverage, engine, capital, lot_size)
    combinations = combinations_of(grid)
    all_prices = read_prices(prices, price)
    table, decided, targets = decisions_of(signal, prices, all_prices, combinations, model, price)
    first = int(decided[0])
    fill_rule, market = opened(execution, table, first, delisting_return)
    score = scorer_of(by, bars_per_year(market.dates))
    rows = _rows_of_choices(market.dates[decided], decided - first + 1, every, window, start)
    orders = orders_of(market, decided, fill_rule.delay)
    with short_buffer():
        growth = np.concatenate(list(growth_of(market, orders, targets, terms)))
    returns = pd.DataFrame(growth.T - 1, market.dates).iloc[first:]
    choices = _choices(returns, decided[rows] - first + 1, cash_rate, window, score)
    winners, place = np.unique(choices["combination"], return_inverse=True)
    chosen = [combinations[number] for number in winners]
    _, _, targets = decisions_of(signal, prices, all_prices, chosen, model, price)
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
        benchmark=benchmark,
        delisting_return=delisting_return,
        capital=capital,
        lot_size=lot_size,
    )
    parameters = pd.DataFrame(combinations)
    described = choices.join(parameters, on="combination")
    return WalkForwardChoice(
        book=book,
        choices=described[["combination", *parameters, "past_score", "bars_served"]],
        combinations=parameters,
        returns=returns,
        hindsight=_hindsight(book, returns, score),
        trials=_ledger(returns, book),
    )


def _rows_of_choices(
    dates: pd.DatetimeIndex, n_known: Index, every: Refit, window: int | None, start: str | date | None
) -> Index:
    """Which decisions choose anew; ``n_known`` (D,) bars are known at each."""
    if window is not None and window < 2:
        raise ConfigError(f"window is {window}; it must be at least 2 bars.")
    begin = 0
    if start is not None:
        moment = pd.Timestamp(start)
        if moment.tz and not dates.tz:
            raise ConfigError(f"start is {start!r}; the prices have no time zone. Pass a date without one.")
        begin = int(dates.searchsorted(moment if moment.tz else moment.tz_localize(dates.tz)))
    least = 0 if start is not None else window or _LEAST
    rows = np.arange(0)
    if begin < len(dates):
        rows = begin + np.flatnonzero(np.diff(fit_numbers(dates[begin:], every, "every"), prepend=-1))
    rows = rows[n_known[rows] >= least]
    if not len(rows):
        wanted = f"with {least} bars known" if start is None else f"at or after {start}"
        span = f"{listed(dates[:1])} to {listed(dates[-1:])}"
        raise DataError(
            f"the decisions from {span} leave no choice {wanted} at every={every!r}. Pass another start= or every=."
        )
    return rows


def _above(returns: pd.DataFrame, cash_rate: float) -> Array:
    """Returns (T, N) less the interest on cash; 0 where rounding alone is left of them."""
    excess = returns.to_numpy() - cash_returns(returns.index, cash_rate)[:, None]
    return np.where(np.abs(excess) < 1e-12, 0.0, excess)


def _choices(
    returns: pd.DataFrame, ends: Index, cash_rate: float, window: int | None, score: Callable[[Array], Array]
) -> pd.DataFrame:
    """Choose the best combination in the bars before each end: ``combination, past_score, bars_served``, by date."""
    excess, dates = _above(returns, cash_rate), returns.index[ends - 1].rename("date")
    chosen, past_scores = np.zeros(len(ends), dtype=np.int64), np.zeros(len(ends))
    for row, end in enumerate(ends):
        scores = score(excess[0 if window is None else max(end - window, 0) : end])
        if np.isnan(scores).all():
            raise DataError(
                f"no combination has a score on {listed(dates[[row]])}, after {end} bars: each has lost all its "
                "equity, or the statistic needs more bars. Lower the weights, or pass a later start=."
            )
        chosen[row] = _best(scores)
        past_scores[row] = scores[chosen[row]]
    bars = np.diff(ends, append=len(excess) + 1)
    return pd.DataFrame({"combination": chosen, "past_score": past_scores, "bars_served": bars}, dates)


def _best(scores: Array) -> int:
    """The first of the highest scores, equal but for rounding."""
    return int(np.isclose(scores, np.nanmax(scores), rtol=1e-12, atol=0.0).argmax())


def _joined(rules: Iterable[Array], serving: Index, dates: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame:
    """Target weights of the last decisions, each those of the rule with its number; rules come as (K, D, N)."""
    weights = np.zeros((len(dates), len(assets)))
    for number, rule in enumerate(itertools.chain.from_iterable(rules)):
        weights[serving == number] = rule[-len(dates) :][serving == number]
    return pd.DataFrame(weights, dates, assets)


def _hindsight(book: Book, returns: pd.DataFrame, score: Callable[[Array], Array]) -> pd.DataFrame:
    """Figures of the book, and of the combination that proved best on its bars, if one has not lost all."""
    returns = returns.loc[book.returns.index]
    columns = {"walk_forward": book.returns}
    scores = score(_above(returns, book.cash_rate))
    if not np.isnan(scores).all():
        columns["hindsight"] = returns[_best(scores)]
    both = pd.DataFrame(columns)
    return pd.DataFrame({"total_return": (1 + both).prod() - 1, "sharpe": _sharpes(both, book)})


def _ledger(returns: pd.DataFrame, book: Book) -> Trials:
    """All combinations, and what each earned beyond the benchmark on the bars of the book."""
    bars = book.returns.index
    excess = np.log((1 + returns.loc[bars].to_numpy().T) / (1 + book.benchmark.to_numpy()))
    return Trials.of(_sharpes(returns, book), bars.to_numpy(dtype="datetime64[ns]"), excess.astype(np.float32))


def _sharpes(returns: pd.DataFrame, book: Book) -> Array:
    """Annual Sharpe ratios of columns."""
    return scorer_of("sharpe", book.periods_per_year)(_above(returns, book.cash_rate))
