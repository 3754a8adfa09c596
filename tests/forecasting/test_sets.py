"""Sets of categories hold what they say, are small, and know only the past."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.tree import DecisionTreeClassifier

import tsseq
from tsseq import (
    ConfigError,
    ConformalForecaster,
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LastValue,
    Training,
    backtest,
)

LETTERS = np.array(list("abcd"))
CHAIN = np.random.default_rng(7).dirichlet(np.ones(4), (4, 4))
TREE, LOGISTIC, PRIOR = DecisionTreeClassifier(min_samples_leaf=5), LogisticRegression(max_iter=300), DummyClassifier()
FEW = Training(max_epochs=1, max_steps=5, verbose=False)


def days(n):
    return pd.date_range("2000", periods=n, name="day")


def chain(n, seed=0):
    """What follows is told by the last two."""
    codes = [0, 1]
    for u in np.random.default_rng(seed).random(n - 2):
        codes.append(int((u > CHAIN[codes[-2], codes[-1]].cumsum()[:-1]).sum()))
    return pd.Series(LETTERS[codes], days(n), name="letter")


def noise(n, seed=0):
    codes = np.random.default_rng(seed).choice(4, n, p=[0.45, 0.3, 0.15, 0.1])
    return pd.Series(LETTERS[codes], days(n), name="letter")


def sets(classifier=TREE, n_calibration=100, horizon=1, **options):
    inner = classifier if horizon == 1 else MultiOutputClassifier(classifier)
    return ConformalForecaster(Forecaster(inner, horizon, 2), n_calibration, **options)


def members(table, level=0.9):
    """(n, K) whether each category is in the set."""
    columns = [name for name in table if str(name).startswith(f"set{level:g}_")]
    return table[columns].to_numpy()


def coverage_and_size(model, series, n_train):
    """Share of what came in the sets after ``n_train`` rows, and their mean size."""
    table = model.fit(series[:n_train]).predict_at(series, series.index[n_train - 1 : -1], [0.9])
    inside = members(table)
    came = table["day"].map(series).to_numpy()[:, None] == LETTERS
    return (inside & came).any(axis=1).mean(), inside.sum(axis=1).mean()


SOURCES = {
    "a chain": (chain, TREE, 2.75),
    "independent letters": (noise, LOGISTIC, 3.25),
    "exact ties": (noise, PRIOR, 3.25),  # every row has the same probabilities
}


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("n_draws", [4, pytest.param(100, marks=pytest.mark.proof)])
@pytest.mark.parametrize("source", SOURCES)
def test_sets_hold_nine_of_ten_and_are_small(source, n_draws, refit):
    make, classifier, most = SOURCES[source]
    n_test = 250 if n_draws == 4 else 500
    model = sets(classifier, 500, refit=refit)
    pairs = [coverage_and_size(model, make(1000 + n_test, seed), 1000) for seed in range(n_draws)]
    coverage, size = np.mean(pairs, axis=0)
    slack = 0.02 if n_draws == 100 else 0.05
    assert 0.9 - slack <= coverage <= 0.9 + slack
    assert size < most


def test_every_step_has_a_sample_of_its_own():
    series = chain(4000)
    model = sets(horizon=3, n_calibration=1000, refit=False).fit(series[:2000])
    table = model.predict_at(series, series.index[1999:-3], [0.8])
    came = table["day"].map(series).to_numpy()[:, None] == LETTERS
    inside = pd.Series((members(table, 0.8) & came).any(axis=1)).groupby(table["step"]).mean()
    np.testing.assert_allclose(inside, 0.8, atol=0.04)
    size = pd.Series(members(table, 0.8).sum(axis=1)).groupby(table["step"]).mean()
    assert size[1] < size[3]


def test_a_set_is_what_is_not_stranger_than_the_sample():
    series = noise(60)
    model = sets(LOGISTIC, 20, refit=False).fit(series)
    forecast = model.predict(proba=True, levels=[0.5, 0.9])
    errors = model.scores_[:, 0, 0]
    assert len(errors) == 20
    chances = forecast.filter(like="_p_").to_numpy()[0]
    for level in (0.5, 0.9):
        inside = forecast.filter(like=f"_set{level:g}_").to_numpy()[0]
        edge = np.sort(errors)[int(np.ceil(21 * level)) - 1]
        likeliest = chances == chances.max()
        assert inside[(1 - chances <= edge) | likeliest].all()
        assert not inside[(1 - chances - 0.05 > edge) & ~likeliest].any()


def test_sets_hold_the_forecast_and_grow_with_the_level():
    series = chain(600)
    table = sets(n_calibration=200).fit(series[:400]).predict_at(series, series.index[399:-1], [0.5, 0.8, 0.95])
    forecast = table["forecast"].to_numpy()[:, None] == LETTERS
    narrow, middle, wide = (members(table, level) for level in (0.5, 0.8, 0.95))
    assert (narrow | ~forecast).all()
    assert (middle | ~narrow).all()
    assert (wide | ~middle).all()
    assert wide.sum() > middle.sum() > narrow.sum()


def panel(names, n=220):
    return pd.concat({name: noise(n, seed) for seed, name in enumerate(names)}, names=["id", "day"]).to_frame("letter")


def test_a_set_does_not_depend_on_its_company_or_the_order_of_rows():
    frame = panel("zb")
    model = sets(PRIOR, 60).fit(frame)
    cutoffs = days(220)[150:200]
    table = model.predict_at(frame, cutoffs, [0.9])
    mixed = model.predict_at(frame.sample(frac=1.0, random_state=0), cutoffs[::-1], [0.9])
    keys = ["id", "cutoff"]
    assert_frame_equal(*(one.sort_values(keys, ignore_index=True) for one in (table, mixed)))
    alone = model.predict_at(frame.loc[["b"]], cutoffs[[30]], [0.9])
    assert_frame_equal(alone, table[(table["id"] == "b") & (table["cutoff"] == cutoffs[30])].reset_index(drop=True))
    assert len(np.unique(members(table), axis=0)) > 1  # equal probabilities, and the times differ
    finer = frame.set_index(frame.index.set_levels(frame.index.levels[1].as_unit("us"), level="day"))
    assert_frame_equal(model.predict_at(finer, cutoffs, [0.9]), table, check_dtype=False)


@pytest.mark.parametrize("rolling", [True, False])
@pytest.mark.parametrize("poison", [None, "z", "a"])
def test_what_comes_after_a_cutoff_changes_no_bit(poison, rolling):
    frame = panel("zb")
    stamps = frame.index.get_level_values("day")
    bad = frame.copy()
    bad.loc[stamps > days(220)[180], "letter"] = poison
    model, cutoffs = sets(LOGISTIC, 40, horizon=2, rolling=rolling), days(220)[[170, 180]]
    want = model.fit(frame[stamps <= days(220)[160]]).predict_at(frame, cutoffs, [0.6, 0.9], proba=True)
    assert_frame_equal(model.predict_at(bad, cutoffs, [0.6, 0.9], proba=True), want, check_exact=True)
    tables = [backtest({"sets": model}, one, cutoffs, refit=True, levels=[0.9]).forecasts for one in (frame, bad)]
    ours = [table[table["model"] == "sets"][list(tables[0])].drop(columns="actual") for table in tables]
    assert_frame_equal(*ours, check_exact=True)


def test_rolling_sets_follow_the_times():
    series = pd.concat([chain(800), noise(400).set_axis(days(1200)[800:])])
    model = sets(n_calibration=150, rolling=True, refit=False).fit(series[:600])
    late = model.predict_at(series, series.index[1000:-1], [0.9])
    steady = sets(n_calibration=150, refit=False).fit(series[:600]).predict_at(series, series.index[1000:-1], [0.9])
    inside = [
        (members(one) & (one["day"].map(series).to_numpy()[:, None] == LETTERS)).any(axis=1).mean()
        for one in (late, steady)
    ]
    assert inside[0] == pytest.approx(0.9, abs=0.06)
    assert inside[1] < inside[0] - 0.05


def test_columns_go_to_files_and_back(tmp_path):
    frame = panel("zb")
    forecast = sets(n_calibration=60).fit(frame).predict(levels=[0.9])
    assert list(forecast) == ["letter", *(f"letter_set0.9_{name}" for name in "abcd")]
    assert forecast.dtypes.iloc[1:].eq(bool).all()
    again = pd.read_csv(StringIO(forecast.to_csv()), index_col=["id", "day"], parse_dates=["day"])
    assert_frame_equal(again, forecast, check_dtype=False, check_index_type=False)
    sure = forecast[forecast.filter(like="_set0.9_").sum(axis=1) == 1]
    assert sure["letter"].notna().all()


def test_saved_copied_and_updated_sets_are_the_same(tmp_path):
    series = chain(400)
    network = GRUForecaster(2, 4, hidden_size=8, training=Training(max_steps=20, max_epochs=1, verbose=False))
    model = ConformalForecaster(network, 80).fit(series[:380])
    model.save(tmp_path / "model.tsseq")
    loaded = tsseq.load(tmp_path / "model.tsseq")
    levels = [0.8, 0.9]
    want = model.predict(proba=True, levels=levels)
    assert_frame_equal(loaded.predict(proba=True, levels=levels), want, check_exact=True)
    assert len(want.columns) == 1 + 4 + 8
    newer = loaded.update(series[380:]).predict(levels=levels)
    assert newer.index[0] == series.index[-1] + pd.Timedelta(days=1)


def test_a_backtest_scores_coverage_and_size():
    series = chain(500)
    models = {"sets": sets(n_calibration=100), "plain": Forecaster(TREE, 1, 2)}
    result = backtest(models, series, n_cutoffs=200, stride=1, levels=[0.8, 0.9])
    table = result.forecasts[result.forecasts["model"] == "sets"]
    inside = members(table).astype(bool)
    scores = result.scores
    assert scores.loc["sets", "set_size"] == inside.sum(axis=1).mean()
    assert (
        scores.loc["sets", "coverage"] == (inside & (table["actual"].to_numpy()[:, None] == LETTERS)).any(axis=1).mean()
    )
    assert scores.loc[["plain", "markov"], ["coverage", "set_size"]].isna().all(axis=None)
    assert result.forecasts["set0.8_a"].dtype == "boolean"
    assert result.by("step").loc[(1, "sets"), "coverage"] == scores.loc["sets", "coverage"]
    low, high = result.intervals("coverage").loc["sets", ["lower", "upper"]]
    assert low < scores.loc["sets", "coverage"] < high
    again = pd.read_csv(StringIO(result.forecasts.to_csv(index=False)), parse_dates=["cutoff", "day"])
    later = tsseq.BacktestResult(again, result.fits, result.mase_scale, result.horizon, result.stride)
    assert_frame_equal(later.scores.loc[scores.index], pd.DataFrame(scores), check_frame_type=False)


def test_a_category_that_the_first_fit_has_not_seen_is_an_error_of_it():
    series = noise(200)
    series = series.mask((series == "c") & (series.index >= days(200)[150]), "new")
    model = sets(PRIOR, 50).fit(series)
    assert (model.scores_ > 0.95).sum() == (series == "new").sum()
    assert list(model.predict(levels=[0.5]))[-1] == "letter_set0.5_new"


def test_it_goes_around_ensembles_and_not_the_other_way():
    series, members_ = noise(300), [Forecaster(TREE, 1, 2), Forecaster(LOGISTIC, 1, 3)]
    around = ConformalForecaster(EnsembleForecaster(members_), 60).fit(series)
    assert around.predict(levels=[0.9]).shape == (1, 5)
    assert around.plot().figure.axes
    inside = EnsembleForecaster([ConformalForecaster(member, 60) for member in members_]).fit(series)
    assert inside.predict(proba=True).shape == (1, 5)
    with pytest.raises(ConfigError, match="put the ensemble into one ConformalForecaster"):
        inside.predict(levels=[0.9])


def test_what_cannot_be_is_refused_by_name():
    series = noise(200)
    with pytest.raises(ConfigError, match="sets of categories are made of probabilities, which Forecaster does not"):
        ConformalForecaster(Forecaster(LastValue(), 1, 2), 50).fit(series)
    model = sets(n_calibration=8).fit(series)
    with pytest.raises(ConfigError, match=r"levels=\[0.9\] need 9 errors for every step, and there are 8"):
        model.predict(levels=[0.9])
    with pytest.raises(ConfigError, match="levels end at horizon=1"):
        model.predict(steps=2, levels=[0.8])
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        model.predict(levels=[1.0])
    with pytest.raises(ConfigError, match=r"use predict\(proba=True\), or ConformalForecaster\(...\) for sets"):
        Forecaster(TREE, 1, 2).fit(series).predict(levels=[0.9])


@pytest.mark.parametrize("rolling", [False, True])
def test_an_update_with_some_of_the_categories_keeps_them_apart(rolling):
    frame = pd.concat([chain(160), pd.Series(list("cdcdcdcdcd"), days(170)[160:])]).rename("letter")
    model = ConformalForecaster(GRUForecaster(1, 2, training=FEW), 20, rolling=rolling).fit(frame[:160])
    model.update(frame[160:])
    assert_frame_equal(model.predict(levels=[0.8], proba=True), model.predict(frame, levels=[0.8], proba=True))


def test_rolling_sets_of_series_that_end_at_different_times_need_no_frame():
    frame = pd.concat({"x": chain(80), "y": chain(60, seed=1)}).to_frame()
    model = sets(LOGISTIC, 15, rolling=True).fit(frame)
    assert_frame_equal(model.predict(levels=[0.5, 0.8]), model.predict(frame, levels=[0.5, 0.8]))
