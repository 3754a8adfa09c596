"""Splitters: no training label shares a timestamp with a test block, and scikit-learn takes them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.neighbors import KNeighborsRegressor

from tsseq import (
    LSTM,
    CombinatorialPurged,
    ConfigError,
    Forecaster,
    NeuralRegressor,
    NotEnoughHistory,
    PurgedKFold,
    Training,
    WalkForward,
    load_sample,
)

HORIZON, LENGTH = 3, 5
DAYS = pd.date_range("2024-01-01", periods=60)
AIR = load_sample("airline")


def panel() -> pd.DataFrame:
    """Series that begin and end on different days, the second one with a row on every other day only."""
    parts = {}
    for i, (name, days) in enumerate({"b": DAYS[:50], "a": DAYS[::2], "c": DAYS[15:]}.items()):
        parts[name] = pd.DataFrame({"y": np.random.default_rng(i).normal(size=len(days)).cumsum()}, days)
    return pd.concat(parts, names=["id", "day"])


def windows_of(frame):
    return Forecaster(Ridge(), HORIZON, LENGTH, target="y").windows(frame)


def walk(n=80):
    return pd.Series(np.random.default_rng(0).normal(size=n).cumsum(), pd.date_range("2024", periods=n), name="y")


def same_rate_panel():
    return panel().drop("a", level="id")


def label_days(windows):
    """First and last day of every window's targets, from the panel itself."""
    times = windows.panel.times
    return times[windows.origin + 1], times[windows.origin + windows.layout.horizon]


def splits_of(cv, X):
    return [(train.tolist(), test.tolist()) for train, test in cv.split(X)]


optional = st.none() | st.integers(1, 12)


@given(st.integers(4, 60), st.integers(2, 7), optional, optional, st.integers(0, 4))
def test_walk_forward_splits_as_scikit_learn_does(n, n_splits, test_size, window, gap):
    theirs = TimeSeriesSplit(n_splits, max_train_size=window, test_size=test_size, gap=gap)
    ours = WalkForward(n_splits, test_size=test_size, max_train_size=window, gap=gap)
    try:
        want = splits_of(theirs, range(n))
    except ValueError:
        with pytest.raises(NotEnoughHistory):
            splits_of(ours, range(n))
    else:
        assert splits_of(ours, range(n)) == want
        assert ours.get_n_splits(range(n)) == n_splits


@pytest.mark.parametrize(("n", "k"), [(12, 3), (13, 5), (40, 7)])
def test_folds_whose_labels_do_not_overlap_are_those_of_scikit_learn(n, k):
    assert splits_of(PurgedKFold(k), range(n)) == splits_of(KFold(k), range(n))


def test_blocks_begin_after_the_initial_rows_and_refits_are_shared():
    cv = WalkForward(test_size=2, initial=4, gap=1, stride=3, refit=2)
    assert splits_of(cv, range(15)) == [
        ([0, 1, 2, 3], [5, 6]),
        ([0, 1, 2, 3], [8, 9]),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [11, 12]),
    ]
    assert cv.get_n_splits(range(15)) == 3
    once = WalkForward(test_size=2, initial=4, max_train_size=3, refit=False)
    assert [train for train, _ in splits_of(once, range(10))] == [[1, 2, 3]] * 3
    assert len(splits_of(WalkForward(2, test_size=2, initial=4), range(15))) == 2


def test_labels_of_rows_that_reach_ahead_are_purged_before_and_after():
    folds = splits_of(PurgedKFold(3, horizon=3, embargo=2), range(15))
    assert folds[1] == ([0, 1, 2, 14], [5, 6, 7, 8, 9])
    assert splits_of(WalkForward(1, test_size=5, horizon=3, gap=1), range(15)) == [
        ([0, 1, 2, 3, 4, 5, 6], [10, 11, 12, 13, 14])
    ]


SPLITTERS = [
    WalkForward(3),
    WalkForward(4, test_size=6, max_train_size=10, gap=2),
    WalkForward(initial=12, test_size=5, refit=3),
    PurgedKFold(4),
    PurgedKFold(5, embargo=4),
    CombinatorialPurged(5, 2, embargo=1),
]


@pytest.mark.parametrize("cv", SPLITTERS, ids=lambda cv: type(cv).__name__)
@pytest.mark.parametrize("frame", [walk(), same_rate_panel()], ids=["series", "panel"])
def test_no_training_target_lies_in_the_days_of_the_test_targets(cv, frame):
    windows = windows_of(frame)
    first, last = label_days(windows)
    folds = list(cv.split(windows))
    assert len(folds) == cv.get_n_splits(windows)
    for train, test in folds:
        assert len(train) > 0
        tested = {day for a, b in zip(first[test], last[test]) for day in pd.date_range(a, b)}
        for a, b in zip(first[train], last[train]):
            assert not tested.intersection(pd.date_range(a, b))


def test_nothing_but_what_overlaps_or_is_embargoed_is_left_out():
    windows = windows_of(walk())
    first, last = label_days(windows)
    day = pd.Timedelta(days=1)
    for embargo in (0, 4):
        for train, test in PurgedKFold(4, embargo=embargo).split(windows):
            begin, end = first[test].min(), last[test].max()
            wanted = (last < begin) | (first > end + embargo * day)
            assert train.tolist() == np.flatnonzero(wanted).tolist()


def test_all_series_are_cut_on_one_day():
    windows = windows_of(same_rate_panel())
    first, last = label_days(windows)
    for train, test in WalkForward(3).split(windows):
        assert last[train].max() < first[test].min()
        assert set(windows.series[test]) == {0, 1}
    frame = panel()
    days = frame.index.get_level_values("day")
    for train, test in WalkForward(3, test_size=10).split(frame):
        assert days[train].max() == days[test].min() - pd.Timedelta(days=1)
        assert test.tolist() == np.flatnonzero(days.isin(days[test])).tolist()


def test_a_label_over_rows_of_a_sparse_series_ends_when_that_series_says():
    frame = panel()
    train, test = next(WalkForward(1, test_size=10, horizon=3).split(frame))
    days, ids = (frame.index.get_level_values(name) for name in ("day", "id"))
    lasts = pd.Series(days[train]).groupby(np.asarray(ids[train])).max()
    begin = days[test].min()
    assert begin == DAYS[50]
    assert lasts.to_dict() == {"b": DAYS[49], "a": DAYS[44], "c": DAYS[47]}


@pytest.mark.parametrize("form", ["shuffled", "long", "wide", "closes", "levels swapped"])
def test_frames_of_any_shape_are_cut_on_the_same_days(form):
    frame = same_rate_panel()
    other, names = frame, {}
    if form == "shuffled":
        other = frame.sample(frac=1.0, random_state=0)
    elif form == "levels swapped":
        other = frame.swaplevel()
    elif form == "long":
        other, names = frame.reset_index(), {"id_column": "id", "time_column": "day"}
    elif form == "closes":
        other = frame["y"].unstack("id").rename_axis(columns="Ticker")
    else:
        other = frame["y"].unstack("id").set_axis(pd.MultiIndex.from_product([["Close"], ["b", "c"]]), axis=1)
    cv = WalkForward(3, test_size=8, context_length=4, **names)
    days = other["day"] if form == "long" else other.index.get_level_values("day")
    found = [(set(days[train]), set(days[test])) for train, test in cv.split(other)]
    own = frame.index.get_level_values("day")
    assert found == [
        (set(own[train]), set(own[test])) for train, test in WalkForward(3, test_size=8, context_length=4).split(frame)
    ]


def test_a_test_part_has_the_rows_before_it_of_every_series_that_is_tested():
    frame = panel()
    train, test = next(WalkForward(1, test_size=10, context_length=3).split(frame))
    part = frame.iloc[test].reset_index()
    days = {name: own["day"].tolist() for name, own in part.groupby("id")}
    assert set(days) == {"a", "c"}  # "b" has ended
    assert days["a"] == list(DAYS[44:60:2])
    assert days["c"] == list(DAYS[47:60])
    assert frame.index.get_level_values("day")[train].max() == DAYS[49]
    _, longer = next(WalkForward(1, test_size=10, context_length=29).split(frame))
    part = frame.iloc[longer].reset_index()
    assert part.loc[part["id"] == "a", "day"].tolist() == list(DAYS[::2])  # as many as there are


def test_cross_validated_forecasters_are_scored_on_the_test_rows_alone():
    model = Forecaster(Ridge(), 6, 24, log=True)
    found = cross_val_score(model, AIR, cv=WalkForward(3, test_size=24, context_length=24))
    by_hand = [
        clone(model).fit(AIR[: 144 - 24 * k]).score(AIR[144 - 24 * k - 24 : 144 - 24 * k + 24]) for k in (3, 2, 1)
    ]
    np.testing.assert_array_equal(found, by_hand)
    assert found.min() > 0.5


def test_forecasters_over_panels_are_cross_validated():
    model = Forecaster(Ridge(), HORIZON, LENGTH, target="y")
    frame = same_rate_panel()[lambda rows: rows.index.get_level_values("day") < DAYS[50]]
    cv = WalkForward(2, test_size=10, context_length=LENGTH)
    search = GridSearchCV(model, {"regressor__alpha": [1.0, 1e6]}, cv=cv).fit(frame)
    days = frame.index.get_level_values("day")
    first = clone(model).fit(frame[days < DAYS[30]])
    part = frame[(days >= DAYS[25]) & (days < DAYS[40])]
    assert search.cv_results_["split0_test_score"][0] == first.score(part)


def test_a_network_is_searched_over_windows_without_overlap():
    windows = Forecaster(Ridge(), 3, 12, log=True).windows(AIR)
    network = NeuralRegressor(LSTM(4), training=Training(max_steps=3, verbose=False))
    search = GridSearchCV(network, {"network__hidden_size": [2, 4]}, cv=WalkForward(2, test_size=12), refit=False)
    found = search.fit(windows, windows.targets()).cv_results_["split1_test_score"]
    rows = np.arange(len(windows))
    train, test = windows[rows[: -12 - 2]], windows[rows[-12:]]
    by_hand = clone(network).fit(train, train.targets()).score(test, test.targets())
    assert found[1] == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("cv", SPLITTERS[1:], ids=lambda cv: type(cv).__name__)
def test_windows_are_scored_as_their_arrays(cv):
    windows = Forecaster(Ridge(), 1, 12).windows(walk())
    X, y = windows.gather(np.arange(len(windows)))
    lazy = cross_val_score(Ridge(), windows, windows.targets(), cv=cv)
    np.testing.assert_array_equal(lazy, cross_val_score(Ridge(), X, y[:, 0], cv=cv))
    assert len(lazy) == cv.get_n_splits(windows)


def test_overlapping_labels_no_longer_teach_what_is_tested():
    """The row number says nothing about a random walk; sums over 20 steps that overlap let it seem to."""
    noise = np.random.default_rng(0).normal(size=1020)
    sums = np.lib.stride_tricks.sliding_window_view(noise, 20).sum(axis=1)
    rows = np.arange(len(sums))[:, None].astype(float)
    near = KNeighborsRegressor(1)
    assert cross_val_score(near, rows, sums, cv=KFold(5, shuffle=True, random_state=0)).mean() > 0.8
    assert cross_val_score(near, rows, sums, cv=PurgedKFold(5, horizon=20)).mean() < 0


@pytest.mark.parametrize(("n", "k"), [(4, 2), (6, 2), (6, 3), (5, 1)])
def test_every_path_goes_through_all_groups_and_uses_every_test_once(n, k):
    cv = CombinatorialPurged(n, k)
    assert cv.n_paths * n == cv.get_n_splits() * k
    assert cv.paths.shape == (cv.n_paths, n)
    used = [(split, group) for path in cv.paths for group, split in enumerate(path)]
    assert sorted(used) == [(s, g) for s, groups in enumerate(cv.test_groups) for g in groups]


def test_the_paper_counts_five_paths_of_six_groups():
    cv = CombinatorialPurged(6, 2)
    assert (cv.get_n_splits(), cv.n_paths) == (15, 5)
    assert cv.paths[0].tolist() == [0, 0, 1, 2, 3, 4]


def test_a_path_scores_every_sample_once():
    cv, windows = CombinatorialPurged(5, 2), windows_of(same_rate_panel())
    group, folds = cv.group_of(windows), list(cv.split(windows))
    for path in cv.paths:
        tested = [np.intersect1d(folds[split][1], np.flatnonzero(group == g)) for g, split in enumerate(path)]
        assert sorted(np.concatenate(tested)) == list(range(len(windows)))


def test_splitters_are_cloned_and_shown_by_their_parameters():
    for cv in SPLITTERS:
        assert str(clone(cv, safe=False)) == str(cv)
    assert str(WalkForward(3, gap=2)).startswith("WalkForward(context_length=0, gap=2, horizon=1,")


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (WalkForward(0), "n_splits=0 must be a whole number of at least 1"),
        (WalkForward(gap=-1), "gap=-1 must be a whole number"),
        (WalkForward(refit=0), "refit=0 must be a whole number of at least 1"),
        (WalkForward(refit=1.5), "refit=1.5 must be a whole number of at least 1"),
        (WalkForward(refit="YE"), "refit='YE' is a rule of dates, and the timestamps are int64; pass a whole number k"),
        (WalkForward(refit="soon"), "refit='soon' is neither True, False, a whole number, nor a pandas offset"),
        (WalkForward(initial=5), "say how long a test block is"),
        (PurgedKFold(1), "n_splits=1 must be at least 2"),
        (PurgedKFold(3, embargo=0.5), "embargo=0.5 must be a whole number"),
        (PurgedKFold(3, horizon=0), "horizon=0 must be a whole number from 1"),
        (CombinatorialPurged(4, 4), "n_test_groups=4 must be below n_groups=4"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(cv, message):
    with pytest.raises(ConfigError, match=message):
        next(cv.split(range(30)))


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (WalkForward(3, test_size=10), "30 timestamps leave no room for 3 test blocks of 10, 10 apart"),
        (WalkForward(initial=28, test_size=5), "30 timestamps leave no room for 1 test blocks of 5"),
        (PurgedKFold(31), "30 timestamps are fewer than 31 blocks"),
        (PurgedKFold(2, horizon=16), "split 0 has no training sample left"),
    ],
)
def test_too_little_history_is_an_error(cv, message):
    with pytest.raises(NotEnoughHistory, match=message):
        list(cv.split(range(30)))


def test_how_many_blocks_fit_cannot_be_told_without_data():
    cv = WalkForward(initial=5, test_size=5)
    with pytest.raises(ConfigError, match="pass X, or n_splits"):
        cv.get_n_splits()
    assert cv.get_n_splits(range(21)) == 3


YEARS = pd.date_range("2020-01-01", "2023-12-31", name="day")


@pytest.mark.parametrize("kind", ["windows", "series", "months", "zone"])
def test_a_rule_of_dates_trains_anew_for_the_first_block_of_each_year(kind):
    values = np.random.default_rng(0).normal(size=len(YEARS)).cumsum()
    index = {"months": pd.period_range("2020-01", periods=48, freq="M"), "zone": YEARS.tz_localize("Asia/Tokyo")}
    stamps = index.get(kind, YEARS)
    frame = pd.Series(values[: len(stamps)], stamps, name="y")
    X = Forecaster(Ridge(), HORIZON, LENGTH).windows(frame) if kind == "windows" else frame
    size = 5 if kind == "months" else 100
    folds = list(WalkForward(test_size=size, initial=size, refit="YE").split(X))
    first_target = stamps[X.origin + 1] if kind == "windows" else stamps
    begins = [first_target[test[0]] for _, test in folds]
    fits = [len(train) for train, _ in folds]
    assert len(set(fits)) == len({begin.year for begin in begins}) == 4
    for (train, test), before, begin in zip(folds[1:], begins, begins[1:]):
        anew = begin.year > before.year
        assert (train[-1] + 1 == test[0] - (HORIZON - 1) * (kind == "windows")) == anew


MODEL = Forecaster(Ridge(), HORIZON, LENGTH)
ALPHAS = {"regressor__alpha": [1.0, 1e6]}


def frames_of_every_shape():
    frame = same_rate_panel()
    return {
        "series": walk(),
        "single": walk().to_frame(),
        "panel": frame,
        "time first": frame.swaplevel(),
        "long": frame.reset_index().set_axis(["unique_id", "ds", "y"], axis=1),
        "closes": frame["y"].unstack("id")[DAYS[15] : DAYS[49]].rename_axis(columns="Ticker"),
        "wide": pd.concat({"y": frame["y"].unstack("id")[DAYS[15] : DAYS[49]]}, axis=1),
    }


@pytest.mark.parametrize("shape", frames_of_every_shape())
def test_searches_over_frames_of_any_shape_score_every_split(shape):
    frame = frames_of_every_shape()[shape]
    model = clone(MODEL).set_params(target="close" if shape == "closes" else "y")
    cv = WalkForward(2, test_size=5, context_length=LENGTH)
    assert np.isfinite(cross_val_score(model, frame, cv=cv, error_score="raise")).all()
    for search in (GridSearchCV(model, ALPHAS, cv=cv), RandomizedSearchCV(model, ALPHAS, n_iter=2, cv=cv)):
        assert np.isfinite(search.fit(frame).cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("shape", frames_of_every_shape())
@pytest.mark.parametrize("cv", [PurgedKFold(4), CombinatorialPurged(4, 2), CombinatorialPurged(4, 3)])
def test_a_frame_with_a_hole_is_refused_with_the_way_through_windows(shape, cv):
    frame = frames_of_every_shape()[shape]
    model = clone(MODEL).set_params(target="close" if shape == "closes" else "y")
    for search in (GridSearchCV(model, ALPHAS, cv=cv), RandomizedSearchCV(model, ALPHAS, n_iter=2, cv=cv)):
        with pytest.raises(ConfigError, match=r"a hole between them, .* windows = forecaster.windows\(frame\)"):
            search.fit(frame)
    with pytest.raises(ConfigError, match="a hole"):
        cross_val_score(model, frame, cv=cv)


@pytest.mark.parametrize("cv", [PurgedKFold(4), CombinatorialPurged(4, 2)])
def test_the_way_through_windows_works_and_so_do_features_with_a_y(cv):
    windows = windows_of(same_rate_panel())
    search = GridSearchCV(Ridge(), {"alpha": [1.0, 1e6]}, cv=cv).fit(windows, windows.targets())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    features = pd.DataFrame({"lag": walk().shift(fill_value=0.0)})
    assert np.isfinite(cross_val_score(Ridge(), features, walk(), cv=cv)).all()


def test_series_too_short_for_a_window_are_left_out_of_a_fit_and_of_a_score():
    frame = panel().drop("a", level="id")  # "c" begins on day 15, "b" ends on day 49
    days, ids = frame.index.get_level_values("day"), frame.index.get_level_values("id")
    cv = WalkForward(test_size=5, initial=20, context_length=LENGTH, horizon=HORIZON)
    for train, test in cv.split(frame):
        begin = days[test].max() - pd.Timedelta(days=4)
        assert set(ids[train]) == ({"b"} if begin < DAYS[15 + LENGTH + HORIZON + HORIZON - 1] else {"b", "c"})
        assert "b" not in ids[test] or (days[test][ids[test] == "b"]).max() >= begin + pd.Timedelta(days=HORIZON - 1)
    assert np.isfinite(cross_val_score(clone(MODEL).set_params(target="y"), frame, cv=cv, error_score="raise")).all()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("kind", [GridSearchCV, RandomizedSearchCV])
def test_a_search_whose_scores_are_nan_has_no_best_one(kind):
    options = {"n_iter": 2} if kind is RandomizedSearchCV else {}
    search = kind(MODEL, ALPHAS, cv=WalkForward(3, test_size=LENGTH), **options)  # no room for a horizon
    with pytest.raises(
        ConfigError, match=rf"the scores of {kind.__name__} are NaN: .* error_score='raise' shows where"
    ):
        search.fit(walk())


def test_a_block_that_no_series_fills_is_an_error_of_the_split():
    cv = WalkForward(2, test_size=2, context_length=LENGTH, horizon=HORIZON)
    with pytest.raises(NotEnoughHistory, match=r"no test sample left\. Only series with context_length=5"):
        GridSearchCV(MODEL, ALPHAS, cv=cv).fit(walk())


def test_a_forecaster_that_looks_further_than_the_label_of_a_row_learns_no_tested_value():
    series, poison = walk(), walk()
    for train, test in WalkForward(3, test_size=10, context_length=LENGTH).split(series):
        poison.iloc[test[LENGTH:]] = 1e6
        honest, other = (clone(MODEL).fit(frame.iloc[train]) for frame in (series, poison))
        np.testing.assert_array_equal(honest.regressor_.coef_, other.regressor_.coef_)
        poison = walk()
