"""Splitters for scikit-learn that know when a label ends: what they share, and walk-forward.

A label covers timestamps. A sample may train where its label shares none of them with the test blocks; that contexts
overlap does no harm. All cuts are made in calendar time over all series, never per row.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator

from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.evaluation.label_spans import Spans
from tsseq.forecasting.base import check_size
from tsseq.typing import Index

Mask: TypeAlias = NDArray[np.bool_]
Fold: TypeAlias = tuple[Mask, list[tuple[int, int]]]  # what may train; first and last moment of each test block


class Splitter(BaseCrossValidator):
    """From folds in time to positions; abstract. `_folds` says which they are."""

    horizon: int
    context_length: int
    id_column: Hashable | None
    time_column: Hashable | None

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Index, Index]]:
        """Yield positions of training and of test samples.

        Parameters
        ----------
        X : `Windows`, whose labels are their targets; a frame in any shape that `Forecaster.fit` takes, whose rows are
            samples; or an array, whose rows follow one another in time.
        y, groups : not read.

        Raises
        ------
        NotEnoughHistory : there are too few timestamps, or a block has nothing to train on.
        """
        self._check()
        spans = self._spans(X)
        for k, (train, blocks) in enumerate(self._folds(spans)):
            if not train.any():
                raise NotEnoughHistory(f"split {k} has no training sample left. Take fewer or shorter test blocks.")
            tested = [spans.within(*block) | spans.before(*block, self.context_length) for block in blocks]
            yield np.flatnonzero(train), np.flatnonzero(np.logical_or.reduce(tested))

    def _spans(self, X: Any) -> Spans:
        return Spans.of(X, self.horizon, self.id_column, self.time_column)

    def _folds(self, spans: Spans) -> Iterator[Fold]:
        raise AssertionError("abstract")

    def _check(self) -> None:
        check_size("horizon", self.horizon)
        check_count("context_length", self.context_length)


class WalkForward(Splitter):
    """Train on the past, test on the block that follows, move on.

    Nothing after a test block trains for it, so there is no embargo; ``gap`` keeps a distance before it.

    Parameters
    ----------
    n_splits : test blocks. They are counted back from the end, as in scikit-learn's ``TimeSeriesSplit``, unless
        ``initial`` says where they begin. None means 5, or with ``initial`` as many as fit.
    test_size : timestamps in a test block (for `Windows`, origins). None divides all into ``n_splits + 1`` parts.
    step : timestamps from one test block to the next; ``test_size`` unless told.
    initial : timestamps before the first test block, besides ``gap``.
    window : timestamps to train on, the last ones (a sliding window); None takes all (an expanding one).
    gap : timestamps left out between the last training label and the test block.
    refit : True trains anew for every block, a number k for every k-th, False once: the blocks in between have the
        training samples of the last fit.
    horizon : timestamps that the label of a row covers, itself the first. `Windows` know theirs.
    context_length : rows of each series before a test block that are put in front of it, for frames: with that of the
        forecaster, ``Forecaster.score`` then scores forecasts of the rows of the block, and no other.
    id_column, time_column : names of these columns in a long frame (``unique_id`` and ``ds`` are recognised).

    Examples
    --------
    >>> for train, test in WalkForward(2, test_size=3, window=4, gap=1).split(range(12)):
    ...     print(train, test)
    [1 2 3 4] [6 7 8]
    [4 5 6 7] [ 9 10 11]
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import cross_val_score
    >>> from tsseq import Forecaster, load_sample
    >>> cv = WalkForward(3, test_size=24, context_length=24)
    >>> cross_val_score(Forecaster(Ridge(), 6, 24, log=True), load_sample("airline"), cv=cv).round(2)
    array([0.78, 0.74, 0.83])
    """

    def __init__(
        self,
        n_splits: int | None = None,
        *,
        test_size: int | None = None,
        step: int | None = None,
        initial: int | None = None,
        window: int | None = None,
        gap: int = 0,
        refit: bool | int = True,
        horizon: int = 1,
        context_length: int = 0,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.test_size = test_size
        self.step = step
        self.initial = initial
        self.window = window
        self.gap = gap
        self.refit = refit
        self.horizon = horizon
        self.context_length = context_length
        self.id_column = id_column
        self.time_column = time_column

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many test blocks there are; with ``initial`` alone, that depends on ``X``."""
        if self.n_splits is not None or self.initial is None:
            return 5 if self.n_splits is None else self.n_splits
        if X is None:
            raise ConfigError("how many blocks fit depends on the data: pass X, or n_splits.")
        self._check()
        return len(self._starts(len(self._spans(X).moments))[0])

    def _folds(self, spans: Spans) -> Iterator[Fold]:
        moments = spans.moments
        starts, size = self._starts(len(moments))
        every = len(starts) if self.refit is False else int(self.refit)
        for k, start in enumerate(starts):
            if k % every == 0:
                train = self._latest(spans, spans.end < moments[start] - self.gap)
            yield train, [(int(moments[start]), int(moments[start + size - 1]))]

    def _starts(self, n: int) -> tuple[list[int], int]:
        """First positions of the test blocks among ``n`` timestamps, and the length of a block."""
        n_splits = 5 if self.n_splits is None and self.initial is None else self.n_splits
        size = n // ((n_splits or 0) + 1) if self.test_size is None else self.test_size
        step = size if self.step is None else self.step
        if self.initial is not None:
            first = self.initial + self.gap
            starts = [*range(first, n - size + 1, max(step, 1))][:n_splits]
        else:
            first = n - size - step * ((n_splits or 1) - 1)
            starts = [*range(first, n - size + 1, max(step, 1))]
        if size < 1 or first <= self.gap or len(starts) < (n_splits or 1):
            room = f"{n} timestamps leave no room for {n_splits or 1} test blocks of {max(size, 1)}, {step} apart"
            raise NotEnoughHistory(f"{room}, with something to train on before them.")
        return starts, size

    def _latest(self, spans: Spans, known: Mask) -> Mask:
        """Of the samples ``known``, those of the last ``window`` timestamps."""
        if self.window is None or not known.any():
            return known
        found = np.unique(spans.start[known])
        return known & (spans.start >= found[max(len(found) - self.window, 0)])

    def _check(self) -> None:
        super()._check()
        for name in ("n_splits", "test_size", "step", "initial", "window"):
            if getattr(self, name) is not None:
                check_size(name, getattr(self, name))
        check_count("gap", self.gap)
        if self.initial is not None and self.n_splits is None and self.test_size is None:
            raise ConfigError("with initial=, say how long a test block is (test_size=), or how many there are.")
        if self.refit is not False and self.refit is not True:
            check_size("refit", self.refit)


def check_count(name: str, value: Any) -> None:
    """Refuse a ``value`` that is no whole number of at least 0."""
    if value != 0 or isinstance(value, bool):
        check_size(name, value)
