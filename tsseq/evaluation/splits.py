"""Splitters for scikit-learn that know when a label ends: walk-forward, purged k-fold, combinations of groups.

All cuts are made in calendar time over all series, never per row.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import BaseCrossValidator

from tsseq.arguments import Range, check_value
from tsseq.data.frames import as_pandas, check_stamps, holds_one_field, parse_frame
from tsseq.data.schema import Schema
from tsseq.data.timestamps import Refit, fit_numbers
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError, NotEnoughHistory
from tsseq.hints import RejectsForeignNames
from tsseq.resampling.folds import Block, LabelSpans
from tsseq.typing import Index, Mask

ACROSS_A_HOLE = (
    "takes rows with a hole between them, which no forecaster reads across. Split its windows: windows = "
    "forecaster.windows(frame), then GridSearchCV(regressor, ..., cv=...).fit(windows, windows.targets()); or use "
    "WalkForward. For an estimator that is no forecaster, pass y."
)

ANY_COUNT = Range(0, 10**9)


@dataclass(eq=False, repr=False)
class Splitter(RejectsForeignNames, BaseCrossValidator):
    """From folds in time to positions; abstract: `_folds` says which folds.

    Attributes
    ----------
    horizon : int
        Timestamps that the label of a row covers, its own included.
    context_length : int
        Rows of each series before a test block that are put in front of it, for frames. Series with fewer than
        ``context_length + horizon`` rows in a part are then left out of it.
    id_column, time_column : hashable or None
        Names of these columns in a long frame.

    Examples
    --------
    >>> issubclass(WalkForward, Splitter), issubclass(PurgedKFold, Splitter)
    (True, True)
    """

    horizon: int = field(default=1, kw_only=True)
    context_length: int = field(default=0, kw_only=True)
    id_column: Hashable | None = field(default=None, kw_only=True)
    time_column: Hashable | None = field(default=None, kw_only=True)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Index, Index]]:
        """Yield positions of training and of test samples.

        Parameters
        ----------
        X : Windows, Series, DataFrame or array-like
            `Windows`, whose labels are their targets; a frame in any shape that `Forecaster.fit` takes, whose rows are
            samples; or an array, whose rows follow one another in time.
        y : array-like, optional
            Targets, of which only matters whether there are any: the rows of a frame without y are those of a
            forecaster, which takes no y.
        groups : object
            Not read.

        Yields
        ------
        tuple of ndarray
            Positions that train, and positions that are tested.

        Raises
        ------
        ConfigError
            A parameter makes no sense; or the rows of a frame without y would have a hole, so that a forecaster could
            not learn from them and scikit-learn would take its score for NaN.
        NotEnoughHistory
            There are too few timestamps, or a block has nothing to train on.
        """
        self._check()
        X = as_pandas(X)
        spans, stamps = self._spans(X)
        for_forecaster = y is None and isinstance(X, (pd.Series, pd.DataFrame))  # other estimators learn from a y
        for k, (train, blocks) in enumerate(self._folds(spans, stamps)):
            test: Mask = np.logical_or.reduce([spans.within(block) for block in blocks])
            if for_forecaster and (spans.has_hole(train) or spans.has_hole(test)):
                raise ConfigError(f"split {k} of {type(self).__name__} {ACROSS_A_HOLE}")
            test = np.logical_or.reduce([test, *(spans.before(block, self.context_length) for block in blocks)])
            if self.context_length and spans.series is not None:
                n_rows = self.context_length + self.horizon
                train, test = spans.in_long_series(train, n_rows), spans.in_long_series(test, n_rows)
            for part, mask in {"training": train, "test": test}.items():
                if not mask.any():
                    raise NotEnoughHistory(f"split {k} has no {part} sample left. {self._remedy}")
            yield np.flatnonzero(train), np.flatnonzero(test)

    @property
    def _remedy(self) -> str:
        if self.context_length == 0:
            return "Take fewer or shorter test blocks."
        sizes = f"context_length={self.context_length} + horizon={self.horizon}"
        return f"Only series with {sizes} rows take part. Take fewer test blocks, or lower context_length."

    def _spans(self, X: Any) -> tuple[LabelSpans, pd.Index]:
        """When the labels of all samples begin and end, and the timestamps that their moments stand for."""
        if isinstance(X, Windows):
            moment, stamps = pd.factorize(X.panel.times, sort=True)
            return LabelSpans(moment[X.origin + 1], moment[X.origin + X.layout.horizon], None), stamps
        ids, times = row_keys(X, Schema(id_column=self.id_column, time_column=self.time_column))
        moment, stamps = pd.factorize(times, sort=True)
        series = np.zeros(len(times), dtype=np.int64) if ids is None else pd.factorize(ids)[0]
        return LabelSpans.of_rows(moment, series, self.horizon), stamps

    def _folds(self, spans: LabelSpans, stamps: pd.Index) -> Iterator[tuple[Mask, list[Block]]]:
        """Which samples may train, and the test blocks."""
        raise AssertionError("abstract")

    def _check(self) -> None:
        check_value("horizon", self.horizon)
        check_value("context_length", self.context_length, allowed=ANY_COUNT)


@dataclass(eq=False, repr=False)
class WalkForward(Splitter):
    """Train on the past, test on the block that follows, move on.

    Nothing after a test block trains for it, so there is no embargo; ``gap`` keeps a distance before it.

    Parameters
    ----------
    n_splits : int, optional
        Test blocks. They are counted back from the end, as in scikit-learn's ``TimeSeriesSplit``, unless ``initial``
        says where they begin. Default: 5, or with ``initial`` as many as fit.
    test_size : int, optional
        Timestamps in a test block (for `Windows`, origins). Default: those of all, divided by ``n_splits + 1``.
    stride : int, optional
        Timestamps from one test block to the next. Default: ``test_size``.
    initial : int, optional
        Timestamps before the first test block, besides ``gap``.
    max_train_size : int, optional
        Timestamps to train on, the last ones (a sliding window). Default: all (an expanding one).
    gap : int
        Timestamps left out between the last training label and the test block. Default: 0.
    refit : bool, int, str or pandas.DateOffset
        True trains anew for every block, a number k for every k-th, False once: the blocks in between have the
        training samples of the last fit. A pandas offset or its alias trains anew for the first block that begins in
        a new period, as in `backtest`: "YE" each year. Default: True.
    horizon : int
        Timestamps that the label of a row covers, its own included. `Windows` know theirs. A forecaster learns only
        from windows that lie within the training rows, so that 1 is right for it, too. Default: 1.
    context_length : int
        Rows of each series before a test block that are put in front of it, for frames: with that of the forecaster,
        ``Forecaster.score`` then scores forecasts of the rows of the block, and no other. A search over several context
        lengths needs a splitter for each: forecasters with a shorter one would be scored on training rows, too. Series
        with fewer than ``context_length + horizon`` rows in a part are left out of it. Default: 0.
    id_column, time_column : hashable, optional
        Names of these columns in a long frame (``unique_id`` and ``ds`` are recognised).

    Examples
    --------
    >>> for train, test in WalkForward(2, test_size=3, max_train_size=4, gap=1).split(range(12)):
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

    n_splits: int | None = None
    _: KW_ONLY
    test_size: int | None = None
    stride: int | None = None
    initial: int | None = None
    max_train_size: int | None = None
    gap: int = 0
    refit: Refit = True

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the test blocks.

        Parameters
        ----------
        X : Windows, Series, DataFrame or array-like, optional
            What is split; needed with ``initial`` alone, where the data say how many blocks fit.
        y, groups : object
            Not read.

        Returns
        -------
        int
            Test blocks.

        Raises
        ------
        ConfigError
            ``X`` is needed and missing.
        """
        if self._n_blocks is not None:
            return self._n_blocks
        if X is None:
            raise ConfigError("how many blocks fit depends on the data: pass X, or n_splits.")
        self._check()
        return len(self._starts(len(self._spans(X)[0].moments))[0])

    @property
    def _n_blocks(self) -> int | None:
        """Test blocks; None is as many as fit behind ``initial``."""
        return 5 if self.n_splits is None and self.initial is None else self.n_splits

    def _folds(self, spans: LabelSpans, stamps: pd.Index) -> Iterator[tuple[Mask, list[Block]]]:
        moments = spans.moments
        starts, size = self._starts(len(moments))
        numbers = fit_numbers(stamps[moments[starts]], self.refit)
        for start, is_new in zip(starts, np.diff(numbers, prepend=-1) > 0):
            if is_new:
                train = spans.latest(spans.end < moments[start] - self.gap, self.max_train_size)
            yield train, [(int(moments[start]), int(moments[start + size - 1]))]

    def _starts(self, n: int) -> tuple[range, int]:
        """First positions of the test blocks among ``n`` timestamps, and the length of a block."""
        n_blocks = self._n_blocks or 1
        size = self.test_size or n // (n_blocks + 1)
        stride = self.stride or size
        first = n - size - stride * (n_blocks - 1) if self.initial is None else self.initial + self.gap
        starts = range(first, n - size + 1, max(stride, 1))[: self._n_blocks]
        if size < 1 or first <= self.gap or len(starts) < n_blocks:
            room = f"{n} timestamps leave no room for {n_blocks} test blocks of {max(size, 1)}, {stride} apart"
            raise NotEnoughHistory(f"{room}, with something to train on before them.")
        return starts, size

    def _check(self) -> None:
        super()._check()
        for name in ("n_splits", "test_size", "stride", "initial", "max_train_size"):
            if getattr(self, name) is not None:
                check_value(name, getattr(self, name))
        check_value("gap", self.gap, allowed=ANY_COUNT)
        if self._n_blocks is None and self.test_size is None:
            raise ConfigError("with initial=, say how long a test block is (test_size=), or how many there are.")
        if isinstance(self.refit, (int, float)) and not isinstance(self.refit, bool):
            check_value("refit", self.refit)


@dataclass(eq=False, repr=False)
class PurgedKFold(Splitter):
    """Test every block of time once, and train on what lies before and after it.

    Samples train whose label meets no test block, nor begins within the embargo after one (López de Prado, Advances in
    Financial Machine Learning, 2018, chapter 7). Training on what came later is not a backtest: it shows how a model
    fares in periods that it has not seen. The rows of a frame would have a hole, which no `Forecaster` reads across, so
    that a frame without y is refused; split its ``windows(frame)`` as in the example. The unit of each series
    (``scaling="last"``) is then learnt on all its rows.

    Parameters
    ----------
    n_splits : int
        Blocks, at least 2; they differ by one timestamp at most, as in scikit-learn's ``KFold``. Default: 5.
    horizon : int
        Timestamps that the label of a row covers, its own included. `Windows` know theirs. Default: 1.
    embargo : int
        Timestamps after the last label of a test block at which no training label begins. Default: 0.
    context_length : int
        Rows of each series before a test block that are put in front of it, for frames. Default: 0.
    id_column, time_column : hashable, optional
        Names of these columns in a long frame (``unique_id`` and ``ds`` are recognised).

    Examples
    --------
    >>> for train, test in PurgedKFold(3, horizon=2, embargo=1).split(range(9)):
    ...     print(train, test)
    [5 6 7 8] [0 1 2]
    [0 1 8] [3 4 5]
    [0 1 2 3 4] [6 7 8]
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV
    >>> from tsseq import Forecaster, load_sample
    >>> windows = Forecaster(Ridge(), 6, 24, log=True).windows(load_sample("airline"))
    >>> search = GridSearchCV(Ridge(), {"alpha": [0.1, 1000.0]}, cv=PurgedKFold(4))
    >>> search.fit(windows, windows.targets()).best_params_
    {'alpha': 0.1}
    """

    n_splits: int = 5
    embargo: int = field(default=0, kw_only=True)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the test blocks.

        Parameters
        ----------
        X, y, groups : object
            Not read.

        Returns
        -------
        int
            ``n_splits``.
        """
        return self.n_splits

    def _folds(self, spans: LabelSpans, stamps: pd.Index) -> Iterator[tuple[Mask, list[Block]]]:
        for block in spans.blocks(self.n_splits):
            yield spans.purged([block], self.embargo), [block]

    def _check(self) -> None:
        super()._check()
        check_value("embargo", self.embargo, allowed=ANY_COUNT)
        check_value("n_splits", self.n_splits)
        if self.n_splits < 2:
            raise ConfigError(f"n_splits={self.n_splits} must be at least 2.")


@dataclass(eq=False, repr=False)
class CombinatorialPurged(Splitter):
    """Test every combination of some groups of time, and train on the rest.

    Every group is tested in ``n_paths`` splits. Taking each group from one of them gives a path through all of time;
    `paths` says which split tests a group on a path, `group_of` which samples are in it. Samples train as in
    `PurgedKFold`, and a frame without y is refused as there: split the ``windows(frame)`` of a forecaster (López de
    Prado, Advances in Financial Machine Learning, 2018, chapter 12).

    Parameters
    ----------
    n_groups : int
        Groups; they differ by one timestamp at most. Default: 6.
    n_test_groups : int
        Groups tested at once, fewer than there are. Default: 2.
    horizon : int
        Timestamps that the label of a row covers, its own included. `Windows` know theirs. Default: 1.
    embargo : int
        Timestamps after the last label of a test group at which no training label begins. Default: 0.
    context_length : int
        Rows of each series before a test group that are put in front of it, for frames. Default: 0.
    id_column, time_column : hashable, optional
        Names of these columns in a long frame (``unique_id`` and ``ds`` are recognised).

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

    n_groups: int = 6
    n_test_groups: int = 2
    embargo: int = field(default=0, kw_only=True)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the combinations of test groups.

        Parameters
        ----------
        X, y, groups : object
            Not read.

        Returns
        -------
        int
            Splits.
        """
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
        """Number the group of every sample.

        Parameters
        ----------
        X : Windows, Series, DataFrame or array-like
            What is split.

        Returns
        -------
        ndarray of shape (n,)
            Groups, from 0.

        Raises
        ------
        ConfigError
            A parameter makes no sense.
        NotEnoughHistory
            There are fewer timestamps than groups.
        """
        self._check()
        spans, _ = self._spans(X)
        firsts = [first for first, _ in spans.blocks(self.n_groups)]
        return np.searchsorted(firsts, spans.start, side="right") - 1

    def _folds(self, spans: LabelSpans, stamps: pd.Index) -> Iterator[tuple[Mask, list[Block]]]:
        groups = spans.blocks(self.n_groups)
        for tested in self.test_groups:
            blocks = [groups[group] for group in tested]
            yield spans.purged(blocks, self.embargo), blocks

    def _check(self) -> None:
        super()._check()
        check_value("embargo", self.embargo, allowed=ANY_COUNT)
        check_value("n_groups", self.n_groups)
        check_value("n_test_groups", self.n_test_groups)
        if self.n_test_groups >= self.n_groups:
            raise ConfigError(f"n_test_groups={self.n_test_groups} must be below n_groups={self.n_groups}.")


def row_keys(X: Any, schema: Schema) -> tuple[pd.Index | None, pd.Index]:
    """Id and time of every row, in the order of the rows; all series of a wide frame share its rows."""
    if not isinstance(X, (pd.Series, pd.DataFrame)):
        return None, pd.RangeIndex(X.shape[0] if hasattr(X, "shape") else len(X))
    ids, times = None, X.index
    if not (isinstance(X, pd.DataFrame) and (X.columns.nlevels > 1 or holds_one_field(X, schema))):
        parsed = parse_frame(X, schema)
        ids, times = parsed.ids, parsed.times
    check_stamps(times)
    return ids, times
