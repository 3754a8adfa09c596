"""A row of X is a slice of one series up to an origin, and nothing else; a row of y is what followed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsseq import Forecaster, LastValue
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.errors import NotEnoughHistory
from tsseq.forecasting.rows import fit_rows

ROLES = {"target": ["t0", "t1"], "past": ["p0", "p1"], "known": ["k0"], "static": ["s0"]}


def frame_of(lengths, seed=0, holes=0.0):
    """Series "a", "b", ... on consecutive days, with every column of ROLES; a share of the numbers is missing."""
    rng = np.random.default_rng(seed)
    series = {}
    for name, n in zip("abcdefgh", lengths):
        numbers = rng.normal(size=(n, 6)) + 10 * np.arange(6)
        numbers[rng.random((n, 6)) < holes] = np.nan
        numbers[:, 5] = rng.normal()
        days = pd.date_range("2024-01-01", periods=n, freq="D")
        series[name] = pd.DataFrame(numbers, days, ["t0", "t1", "p0", "p1", "k0", "s0"])
    return pd.concat(series, names=["id", "day"])


def windows_of(frame, context_length=3, horizon=2, *, scaling="none", multivariate="independent", **roles):
    options = {
        "scaling": scaling,
        "multivariate": multivariate,
        "calendar": None if isinstance(frame, pd.Series) else "D",
    }
    return Forecaster(LastValue(), horizon, context_length, **options, **(roles or ROLES)).windows(frame)


def standardised(frame, name):
    values = frame[name].to_numpy()
    if name.startswith("s"):
        values = frame[name].groupby("id").first().to_numpy()
    spread = np.nanstd(values)
    return (frame[name] - np.nanmean(values)) / (spread if spread > 1e-12 * abs(np.nanmean(values)) else 1.0)


def rows_by_hand(frame, context_length, horizon, groups, roles):
    """X and y by loops over plain slices; ``groups`` are the targets of each kind of row."""
    scaled = {name: standardised(frame, name) for role in ("past", "known", "static") for name in roles.get(role, [])}
    X, y = [], []
    for targets in groups:
        for name in frame.index.levels[0]:
            own = frame.loc[name]
            for first in range(len(own) - context_length - horizon + 1):
                context = slice(first, first + context_length)
                future = slice(first + context_length, first + context_length + horizon)
                row = [own[target].to_numpy()[context] for target in targets]
                row += [scaled[past].loc[name].to_numpy()[context] for past in roles.get("past", [])]
                row += [
                    scaled[known].loc[name].to_numpy()[context.start : future.stop] for known in roles.get("known", [])
                ]
                row += [scaled[static].loc[name].to_numpy()[:1] for static in roles.get("static", [])]
                X.append(np.concatenate(row))
                y.append(own[targets].to_numpy()[future].ravel())  # (horizon, target)
    return np.array(X), np.array(y)


@given(
    extra=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    context_length=st.integers(1, 5),
    horizon=st.integers(1, 4),
    used=st.fixed_dictionaries({role: st.integers(0, len(names)) for role, names in ROLES.items() if role != "target"}),
    n_targets=st.integers(1, 2),
    joint=st.booleans(),
    holes=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 1000),
)
def test_every_window_equals_a_slice_of_its_own_series(
    extra, context_length, horizon, used, n_targets, joint, holes, seed
):
    frame = frame_of([context_length + horizon + more for more in extra], seed, holes)
    roles = {"target": ROLES["target"][:n_targets]} | {role: ROLES[role][:n] for role, n in used.items() if n}
    windows = windows_of(frame, context_length, horizon, multivariate="joint" if joint else "independent", **roles)
    groups = [roles["target"]] if joint else [[target] for target in roles["target"]]
    X, y = rows_by_hand(frame, context_length, horizon, groups, roles)
    assert len(windows) == sum(more + 1 for more in extra) * len(groups)
    assert windows.shape == X.shape == (len(windows), windows.layout.width)
    found, targets = np.asarray(windows), np.asarray(windows.targets())
    assert targets.shape == windows.targets().shape
    moves = np.array([scale.all() for scale in windows.affine.scale > 0])
    np.testing.assert_allclose(found[moves], X[moves], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(targets.reshape(y.shape)[moves], y[moves])


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    context_length=st.integers(1, 6),
    horizon=st.integers(1, 4),
)
def test_the_number_of_windows_is_what_the_lengths_allow(lengths, context_length, horizon):
    frame, needed = frame_of(lengths), context_length + horizon
    short = [(name, n) for name, n in zip("abcdefgh", lengths) if n < needed]
    if short:
        with pytest.raises(
            NotEnoughHistory, match=rf"^{len(short)} series .* = {needed} rows \(first: '{short[0][0]}' {short[0][1]}"
        ):
            windows_of(frame, context_length, horizon)
    else:
        windows = windows_of(frame, context_length, horizon, target="t0")
        assert len(windows) == sum(n - needed + 1 for n in lengths)
        assert np.bincount(windows.series).tolist() == [n - needed + 1 for n in lengths]


@pytest.mark.parametrize(
    "values", [[5.0, 5.0, 5.0, 6.0, 7.0], [np.nan, np.nan, 5.0, 6.0, 7.0]], ids=["flat", "one value"]
)
def test_unscaled_rows_hold_the_values_of_the_frame(values):
    windows = windows_of(pd.Series(values, pd.RangeIndex(5)), 3, 2, target="y")
    X, y = windows.gather(np.arange(1))
    np.testing.assert_array_equal(X[0], values[:3])
    np.testing.assert_array_equal(y[0], values[3:])


@pytest.mark.parametrize("scaling", ["last", "standard", "mean", "none"])
@pytest.mark.parametrize("multivariate", ["independent", "joint"])
def test_the_array_is_what_gather_gives(scaling, multivariate):
    windows = windows_of(frame_of([9, 7], holes=0.1), scaling=scaling, multivariate=multivariate)
    X, y = windows.gather(np.arange(len(windows)))
    np.testing.assert_array_equal(np.asarray(windows), X)
    np.testing.assert_array_equal(np.asarray(windows.targets()), y)
    assert np.asarray(windows, dtype=np.float32).dtype == np.float32
    assert np.asarray(windows.targets(), dtype=np.float32).dtype == np.float32


def test_large_sets_of_windows_are_gathered_whole():
    values = pd.Series(np.random.default_rng(0).normal(size=40_000))
    windows = windows_of(values, 2, 1, target="y")
    assert windows.shape == (39_998, 2)
    np.testing.assert_array_equal(np.asarray(windows.targets()), values[2:])
    np.testing.assert_array_equal(np.asarray(windows)[:, 1], values[1:-1])


KEYS = {
    "integers": np.array([4, 0, 4]),
    "a list": [3, 1],
    "negative integers": np.array([-1, -2]),
    "a mask": np.arange(16) % 3 == 0,
    "a slice": slice(2, 9),
    "a slice with a step": slice(None, None, -2),
    "integers and an ellipsis": (np.array([4, 0, 4]), ...),
    "a slice and all columns": (slice(2, 9), slice(None)),
    "a mask and an ellipsis": (np.arange(16) % 3 == 0, ...),
}


@pytest.mark.parametrize("first", [False, True], ids=["fresh", "after its scales are known"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_any_key_selects_whole_windows(key, first):
    windows = windows_of(frame_of([9, 7]), scaling="last")
    X, y = windows.gather(np.arange(16))
    rows = key[0] if isinstance(key, tuple) else key
    windows = windows_of(frame_of([9, 7]), scaling="last") if not first else windows
    picked, targets = windows[key], windows.targets()[key]
    assert type(picked) is type(windows)
    assert picked.shape == X[rows].shape
    assert len(picked) == len(targets) == len(X[rows])
    np.testing.assert_array_equal(np.asarray(picked), X[rows])
    np.testing.assert_array_equal(np.asarray(targets), y[rows])
    np.testing.assert_array_equal(picked.codes, windows.codes[rows])
    np.testing.assert_array_equal(picked.affine.loc, windows.affine.loc[rows])


def test_windows_read_the_values_of_their_panel_without_a_copy():
    windows = windows_of(frame_of([9, 7]), target=["t0", "t1"])
    assert np.shares_memory(windows.flat, windows.panel.values)
    assert np.shares_memory(windows[2:5].flat, windows.panel.values)
    covered = windows_of(frame_of([9, 7]), target=["t0", "t1"], past="p0", known="k0")
    assert np.shares_memory(covered.flat, covered.panel.values)


def test_windows_that_all_teach_are_fitted_without_a_copy():
    class Pupil(LastValue):
        def fit(self, X, y):
            self.rows_ = X
            return super().fit(X, y)

    steps = pd.Series([1.0, 2, 4, 3, 5, 4, 6, 7])
    assert len(Forecaster(Pupil(), 2, 3).fit(steps).regressor_.rows_) == 4
    windows, pupil = windows_of(steps, target="y", scaling="last"), Pupil()
    fit_rows(pupil, windows)
    assert pupil.rows_ is windows
    fit_rows(pupil, windows_of(steps.mask(steps.index < 3, 1.0), target="y", scaling="last"))
    assert len(pupil.rows_) == 3


def test_selecting_twice_is_selecting_once():
    windows = windows_of(frame_of([9, 7]))
    np.testing.assert_array_equal(np.asarray(windows[3:12][::2]), np.asarray(windows)[3:12][::2])


def test_no_windows_have_no_targets():
    windows = windows_of(frame_of([9, 7]))
    assert np.asarray(windows[:0]).shape == (0, windows.layout.width)
    assert np.asarray(windows[:0].targets()).shape == (0, 2)


def test_one_output_is_one_dimension():
    windows = windows_of(frame_of([9, 7]), horizon=1, target="t0")
    targets = windows.targets()
    assert (windows.ndim, targets.ndim, targets.shape, np.asarray(targets).shape) == (2, 1, (10,), (10,))
    assert windows_of(frame_of([9]), horizon=1, multivariate="joint").targets().shape == (6, 2)


def test_independent_targets_are_series_of_their_own_and_joint_ones_share_a_row():
    frame = frame_of([9, 7])
    apart, together = (windows_of(frame, multivariate=kind) for kind in ("independent", "joint"))
    assert apart.layout == Layout(3, 2, 1, 2, 1, 1)
    assert together.layout == Layout(3, 2, 2, 2, 1, 1)
    X, Z = np.asarray(apart), np.asarray(together)
    np.testing.assert_array_equal(X[:8, :3], Z[:, :3])
    np.testing.assert_array_equal(X[8:, :3], Z[:, 3:6])
    np.testing.assert_array_equal(X[:8, 3:], Z[:, 6:])
    np.testing.assert_array_equal(X[8:, 3:], Z[:, 6:])
    y = np.asarray(together.targets())
    np.testing.assert_array_equal(y[:, 0::2], np.asarray(apart.targets())[:8])
    np.testing.assert_array_equal(y[:, 1::2], np.asarray(apart.targets())[8:])


def test_codes_number_the_series_and_their_targets_from_one():
    frame = frame_of([5, 6])
    assert windows_of(frame, target="t0").codes.tolist() == [1, 2, 2]
    assert windows_of(frame, target=["t0", "t1"]).codes.tolist() == [1, 3, 3, 2, 4, 4]
    assert windows_of(frame, target=["t0", "t1"], multivariate="joint").codes.tolist() == [1, 2, 2]


@given(
    lengths=st.lists(st.integers(6, 40), min_size=1, max_size=4),
    starts=st.lists(st.integers(0, 20), min_size=4, max_size=4),
    share=st.floats(0.01, 0.99),
    horizon=st.integers(1, 3),
)
def test_no_training_window_sees_beyond_the_first_origin_of_validation(lengths, starts, share, horizon):
    series = {
        name: pd.Series(
            np.arange(n, dtype=float), pd.date_range("2024-01-01", periods=n) + pd.Timedelta(days=start), name="y"
        )
        for name, n, start in zip("abcd", lengths, starts)
    }
    windows = windows_of(pd.concat(series, names=["id", "day"]), 3, horizon, target="y")
    train, held_out = windows.split(share)
    times, origins = windows.panel.times, windows.panel.times[windows.origin]
    border = origins[held_out].min()
    assert not set(train) & set(held_out)
    assert set(held_out) == set(np.flatnonzero(origins >= border))
    assert (times[windows.origin[train] + horizon] <= border).all()
    purged = np.setdiff1d(np.arange(len(windows)), np.concatenate([train, held_out]))
    assert (origins[purged] < border).all()
    assert (times[windows.origin[purged] + horizon] > border).all()
    n_moments = origins.nunique()
    assert abs(origins[held_out].nunique() - share * n_moments) <= 1


def test_windows_that_teach_nothing_are_those_that_never_move_or_have_no_target():
    values = pd.Series([1.0, 1, 1, 1, 2, 3, 4, np.nan, np.nan, 5, 6, 7])
    windows = windows_of(values, 3, 2, target="y", scaling="last")
    by_hand = [
        len(set(context[~np.isnan(context)])) > 1 and bool((~np.isnan(future)).any())
        for context, future in ((values.to_numpy()[i : i + 3], values.to_numpy()[i + 3 : i + 5]) for i in range(8))
    ]
    assert windows.trainable().tolist() == by_hand == [False, False, True, True, False, True, False, False]


class TestScikitLearnTakesWindows:
    @pytest.fixture
    def windows(self):
        walk = pd.Series(np.sin(np.arange(200) / 5) + np.random.default_rng(0).normal(size=200) / 10)
        return windows_of(walk, 12, 3, target="y", scaling="last")

    def test_a_regressor_is_fitted_as_on_the_arrays(self, windows):
        X, y = windows.gather(np.arange(len(windows)))
        lazy, plain = LinearRegression().fit(windows, windows.targets()), LinearRegression().fit(X, y)
        np.testing.assert_array_equal(lazy.coef_, plain.coef_)
        np.testing.assert_array_equal(lazy.predict(windows), plain.predict(X))
        assert lazy.score(windows, windows.targets()) == plain.score(X, y)

    def test_a_grid_search_finds_what_it_finds_on_the_arrays(self, windows):
        X, y = windows.gather(np.arange(len(windows)))
        grid = {"alpha": [1e-3, 1.0, 1e3]}
        lazy = GridSearchCV(Ridge(), grid, cv=TimeSeriesSplit(4)).fit(windows, windows.targets())
        plain = GridSearchCV(Ridge(), grid, cv=TimeSeriesSplit(4)).fit(X, y)
        np.testing.assert_array_equal(lazy.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
        assert lazy.best_params_ == plain.best_params_
        assert lazy.best_params_["alpha"] < 1e3

    @pytest.mark.parametrize("cv", [3, TimeSeriesSplit(3), TimeSeriesSplit(3, gap=5)], ids=["folds", "time", "gap"])
    def test_cross_validation_scores_what_it_scores_on_the_arrays(self, windows, cv):
        X, y = windows.gather(np.arange(len(windows)))
        pipe = make_pipeline(StandardScaler(), Ridge())
        lazy = cross_val_score(pipe, windows, windows.targets(), cv=cv)
        np.testing.assert_array_equal(lazy, cross_val_score(pipe, X, y, cv=cv))
        assert len(lazy) == 3


def test_the_width_of_a_layout_is_the_sum_of_its_parts():
    layout = Layout(context_length=4, horizon=3, n_targets=2, n_past=3, n_known=5, n_static=7)
    assert layout.width == 4 * 2 + 4 * 3 + 7 * 5 + 7
    assert layout.n_outputs == 6


@pytest.mark.parametrize(
    "layout",
    [Layout(4, 2), Layout(4, 2, n_targets=3), Layout(3, 2, n_past=2, n_known=1, n_static=2), Layout(1, 1, 2, 1, 1, 1)],
    ids=str,
)
def test_rows_of_a_plain_array_come_back_as_they_are(layout):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(7, layout.width)), random.normal(size=(7, layout.n_outputs))
    X[2, 0] = np.nan
    windows = Windows.of_rows(X, y, layout)
    np.testing.assert_array_equal(windows, X)
    np.testing.assert_array_equal(np.asarray(windows.targets()).reshape(y.shape), y)
    np.testing.assert_array_equal(windows[[5, 1]], X[[5, 1]])
    assert windows.codes.tolist() == [0] * 7
    assert windows.split(0.3)[1].tolist() == [5, 6]


def test_windows_take_other_targets_and_keep_them_with_their_rows():
    windows = Forecaster(Ridge(), 2, 5).windows(pd.Series(np.arange(40.0) ** 2, pd.RangeIndex(40)))
    assert windows.with_targets(windows.targets()) is windows
    turned = windows.with_targets(windows.targets()[::-1])
    np.testing.assert_array_equal(turned, windows)
    np.testing.assert_array_equal(turned[3:5].targets(), np.asarray(windows.targets())[::-1][3:5])


def test_weights_given_twice_are_multiplied():
    windows = Forecaster(Ridge(), 2, 5).windows(pd.Series(np.arange(10.0), pd.RangeIndex(10)))
    twice = windows.weighted([0.0, 1.0, 2.0, 3.0]).weighted([1.0, 2.0, 3.0, 4.0])
    assert twice.weight.tolist() == [0.0, 2.0, 6.0, 12.0]
