"""Splitters that train on both sides of the test blocks: purged k-fold, and combinations of groups."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from tsseq.errors import ConfigError
from tsseq.evaluation.label_spans import Spans
from tsseq.evaluation.splits import Fold, Mask, Splitter, check_count
from tsseq.forecasting.base import check_size
from tsseq.typing import Index


class _Purged(Splitter):
    """Blocks that make up all of time, some of them tested; abstract.

    Samples train whose label meets no test block, nor begins within the embargo after one.
    """

    embargo: int

    def _train(self, spans: Spans, blocks: list[tuple[int, int]]) -> Mask:
        train = np.ones(len(spans.start), dtype=np.bool_)
        for first, last in blocks:
            end = spans.end[spans.within(first, last)].max()
            train &= (spans.start > end + self.embargo) | (spans.end < first)
        return train

    def _check(self) -> None:
        super()._check()
        check_count("embargo", self.embargo)


class PurgedKFold(_Purged):
    """Test every block of time once, and train on what lies before and after it (López de Prado, 2018, chapter 7).

    Training on what came later is no backtest: it asks how a model fares in periods that it has not seen. Over frames,
    the training rows have a hole, which a `Forecaster` refuses; split its ``windows(frame)`` instead. The unit of each
    series (``scaling="last"``) is then learnt on all its rows.

    Parameters
    ----------
    n_splits : blocks; they differ by one timestamp at most, as in scikit-learn's ``KFold``.
    horizon, context_length, id_column, time_column : see `WalkForward`.
    embargo : timestamps after the last label of a test block at which no training label begins.

    Examples
    --------
    >>> for train, test in PurgedKFold(3, horizon=2, embargo=1).split(range(9)):
    ...     print(train, test)
    [5 6 7 8] [0 1 2]
    [0 1 8] [3 4 5]
    [0 1 2 3 4] [6 7 8]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        horizon: int = 1,
        embargo: int = 0,
        context_length: int = 0,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.horizon = horizon
        self.embargo = embargo
        self.context_length = context_length
        self.id_column = id_column
        self.time_column = time_column

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """``n_splits``."""
        return self.n_splits

    def _folds(self, spans: Spans) -> Iterator[Fold]:
        for block in spans.blocks(self.n_splits):
            yield self._train(spans, [block]), [block]

    def _check(self) -> None:
        super()._check()
        check_size("n_splits", self.n_splits)
        if self.n_splits < 2:
            raise ConfigError(f"n_splits={self.n_splits} must be at least 2.")


class CombinatorialPurged(_Purged):
    """Test every combination of some groups of time, and train on the rest (López de Prado, 2018, chapter 12).

    Every group is tested in ``n_paths`` splits. Taking each group from one of them gives a path through all of time;
    `paths` says which split tests a group on a path, `group_of` which samples are in it.

    Parameters
    ----------
    n_groups : groups; they differ by one timestamp at most.
    n_test_groups : groups tested at once.
    horizon, context_length, id_column, time_column : see `WalkForward`.
    embargo : see `PurgedKFold`.

    Examples
    --------
    >>> cv = CombinatorialPurged(4, 2)
    >>> cv.get_n_splits(), cv.n_paths
    (6, 3)
    >>> cv.test_groups.tolist()
    [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    >>> cv.paths
    array([[0, 0, 1, 2],
           [1, 3, 3, 4],
           [2, 4, 5, 5]])
    """

    def __init__(
        self,
        n_groups: int = 6,
        n_test_groups: int = 2,
        *,
        horizon: int = 1,
        embargo: int = 0,
        context_length: int = 0,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
    ) -> None:
        self.n_groups = n_groups
        self.n_test_groups = n_test_groups
        self.horizon = horizon
        self.embargo = embargo
        self.context_length = context_length
        self.id_column = id_column
        self.time_column = time_column

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Combinations of test groups."""
        return comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """Paths through all groups: ``n_splits * n_test_groups / n_groups``."""
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    @property
    def test_groups(self) -> Index:
        """(n_splits, n_test_groups) the groups that each split tests."""
        return np.array(list(combinations(range(self.n_groups), self.n_test_groups)), dtype=np.int64)

    @property
    def paths(self) -> Index:
        """(n_paths, n_groups) the split that tests each group on each path."""
        tested = self.test_groups
        return np.column_stack([np.flatnonzero((tested == group).any(axis=1)) for group in range(self.n_groups)])

    def group_of(self, X: Any) -> Index:
        """(n,) the group of every sample of ``X``."""
        self._check()
        spans = self._spans(X)
        firsts = [first for first, _ in spans.blocks(self.n_groups)]
        return np.searchsorted(firsts, spans.start, side="right") - 1

    def _folds(self, spans: Spans) -> Iterator[Fold]:
        groups = spans.blocks(self.n_groups)
        for tested in self.test_groups:
            blocks = [groups[group] for group in tested]
            yield self._train(spans, blocks), blocks

    def _check(self) -> None:
        super()._check()
        check_size("n_groups", self.n_groups)
        check_size("n_test_groups", self.n_test_groups)
        if self.n_test_groups >= self.n_groups:
            raise ConfigError(f"n_test_groups={self.n_test_groups} must be below n_groups={self.n_groups}.")
