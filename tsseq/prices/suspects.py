"""Daily bars that look wrong: jumps, splits that were not applied, prices of 0, closes that stand still."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsseq.prices.cache import PRICES
from tsseq.typing import Array, Mask

LARGEST_MOVE = np.log(3)  # of a price from the close before
NEAR_A_RATIO = 0.15  # what else a day may bring on top of a split
USUAL_MOVES = 10  # a move like a small split's is odd where it is that many times the median one
LONG_RUN = 10  # bars with one close


def suspicions(bars: pd.DataFrame) -> list[str]:
    """Say what looks wrong about the bars of one ticker.

    Many of Yahoo's errors show without another source: a price 100 times too high, a split that was not applied to the
    bars before it or twice, a price of 0, a quote that stopped. All of that happens to real prices as well, so that
    bars are named and none is changed.

    Parameters
    ----------
    bars : DataFrame
        Index of dates; prices, dividends and splits, not adjusted for dividends.

    Returns
    -------
    list of str
        One sentence for each kind of suspicion, with how many bars and the first of them; empty if there is none.

    Examples
    --------
    >>> dates, closes = pd.bdate_range("2024-01-02", periods=4), [100.0, 101.0, 10000.0, 99.0]
    >>> bars = pd.DataFrame({name: closes for name in PRICES} | {"dividends": 0.0, "splits": 0.0}, dates)
    >>> suspicions(bars)
    ['2 bars are beyond a factor of 3 from the close before (first: open 10000 on 2024-01-04 after 101)']
    """
    sentences = [_not_positive(bars, name) for name in PRICES]
    sentences += [_upside_down(bars), *_jumps(bars), _still(bars["close"])]
    return [sentence for sentence in sentences if sentence]


def _not_positive(bars: pd.DataFrame, name: str) -> str:
    odd = bars[name][bars[name] <= 0]
    return f"{name} is not above 0 on {len(odd)} bars (first: {odd.iloc[0]:g} on {_day(odd, 0)})" if len(odd) else ""


def _upside_down(bars: pd.DataFrame) -> str:
    odd = bars[bars["high"] < bars["low"]]
    if odd.empty:
        return ""
    first = f"{odd['high'].iloc[0]:g} and {odd['low'].iloc[0]:g} on {_day(odd, 0)}"
    return f"high is below low on {len(odd)} bars (first: {first})"


def _jumps(bars: pd.DataFrame) -> list[str]:
    """Moves like those of a listed split, and others that are too large."""
    prices = bars[list(PRICES)].where(bars[list(PRICES)] > 0)
    before = prices["close"].ffill().shift()
    plain = np.log(prices.div(before, axis=0)).to_numpy()  # (T, 4)
    with_dividend = np.log(prices.add(bars["dividends"], axis=0).div(before, axis=0)).to_numpy()
    moves = np.where(np.abs(with_dividend) < np.abs(plain), with_dividend, plain)  # what was paid out explains a fall
    like_split = _like_split(moves[:, PRICES.index("close")], bars["splits"])
    large = (np.abs(moves) > LARGEST_MOVE) & ~like_split[:, None]
    sentences = []
    if like_split.any():
        row, n = int(like_split.argmax()), int(like_split.sum())
        splits = bars["splits"][~bars["splits"].isin([0, 1])]
        listed = ", ".join(f"{ratio:g} on {_day(splits, k)}" for k, ratio in enumerate(splits))
        first = f"close {bars['close'].iloc[row]:g} on {_day(bars, row)} after {before.iloc[row]:g}"
        sentences.append(f"{n} bars move as a listed split would (first: {first}; splits: {listed})")
    if large.any():
        row = int(large.any(axis=1).argmax())
        name = PRICES[int(large[row].argmax())]
        first = f"{name} {bars[name].iloc[row]:g} on {_day(bars, row)} after {before.iloc[row]:g}"
        n = int(large.any(axis=1).sum())
        sentences.append(f"{n} bars are beyond a factor of 3 from the close before (first: {first})")
    return sentences


def _like_split(moves: Array, splits: pd.Series) -> Mask:
    """(T,) whether a close moves by the ratio of a listed split, up or down."""
    ratios = np.abs(np.log(splits[splits > 0].unique()))
    sizes = np.abs(moves)
    near = np.abs(sizes[:, None] - ratios) < np.minimum(NEAR_A_RATIO, ratios / 4)  # (T, splits)
    usual = np.nanmedian(sizes) if np.isfinite(sizes).any() else 0.0
    return np.asarray(near.any(axis=1) & (sizes > USUAL_MOVES * usual))


def _still(close: pd.Series) -> str:
    run = close.ne(close.shift()).cumsum()
    sizes = run.map(run.value_counts())
    odd = close[sizes >= LONG_RUN]
    if odd.empty:
        return ""
    first = odd[run[odd.index] == run[odd.index[0]]]
    span = f"{len(first)} at {first.iloc[0]:g} from {_day(first, 0)} to {_day(first, -1)}"
    n = run[odd.index].nunique()
    return f"{n} runs of {LONG_RUN} or more bars have one close (first: {span})"


def _day(rows: pd.Series | pd.DataFrame, place: int) -> str:
    return str(rows.index[place].date())
