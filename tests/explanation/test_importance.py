"""Importance: what a target follows comes first, what it does not follow is nothing, and no later row is read."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge

from tsseq import (
    ConformalForecaster,
    EnsembleForecaster,
    Forecaster,
    LinearForecaster,
    LSTMForecaster,
    NegativeBinomial,
    Quantiles,
    SeasonalNaive,
    Training,
    contributions,
    importance,
)
from tsseq.errors import ConfigError, DataError

DAYS = pd.date_range("2022-01-01", periods=500, name="day")
TRAIN = DAYS[349]
QUICK = Training(max_epochs=4, learning_rate=1e-2, verbose=False)
ROLES = {"target": "y", "past": ["x", "noise"]}


def follower(seed=0, lag=3, n=500):
    """A target that follows x after some rows, and nothing else; a column of noise."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, n))
    y = 2 * np.roll(x, lag) + 0.3 * rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "noise": noise}, DAYS[:n])


FRAME = follower()
MODELS = {
    "ridge": Forecaster(Ridge(), 1, 6, **ROLES),
    "trees": Forecaster(ExtraTreesRegressor(20, random_state=0), 1, 6, **ROLES),
    "lstm": LSTMForecaster(1, 6, hidden_size=16, line=False, training=QUICK, **ROLES),
    "quantiles": LinearForecaster(1, 6, head=Quantiles(), training=QUICK, **ROLES),
    "ensemble": EnsembleForecaster([Forecaster(Ridge(), 1, 6, **ROLES), Forecaster(Ridge(), 1, 9, **ROLES)]),
    "conformal": ConformalForecaster(Forecaster(Ridge(), 1, 6, **ROLES)),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    return MODELS[request.param].fit(FRAME[:TRAIN])


def ridge(frame=FRAME, horizon=1, **roles):
    return Forecaster(Ridge(), horizon, 6, **(roles or ROLES)).fit(frame[:TRAIN])


def test_what_the_target_follows_comes_first_and_noise_is_nothing(fitted):
    table = importance(fitted, FRAME).table
    assert table.index[0] == "x"
    assert table.loc["x", "low"] > 0
    assert table.loc["noise", "low"] < 0 < table.loc["noise", "high"]
    assert importance(fitted, FRAME, by="lag").table.index[0] == ("x", 3)


@pytest.mark.proof
def test_intervals_of_noise_cover_zero_nineteen_times_in_twenty():
    for horizon in (1, 3):
        frames = [follower(seed) for seed in range(100)]
        rows = [importance(ridge(frame, horizon, **ROLES), frame).table.loc["noise"] for frame in frames]
        assert 88 <= sum(row["low"] <= 0 <= row["high"] for row in rows) <= 100


def test_rows_behind_the_last_horizon_are_not_read(fitted):
    cutoffs, poisoned = DAYS[400:480:4], FRAME.copy()
    poisoned.loc[DAYS[478] :, :] = 1e6
    poisoned.loc[DAYS[477] :, ["x", "noise"]] = -1e6  # the last origin is row 476: what comes then is only its target
    honest = importance(fitted, FRAME, cutoffs, by="lag").table
    assert_frame_equal(importance(fitted, poisoned, cutoffs, by="lag").table, honest)


def test_one_seed_gives_the_same_numbers_and_another_about_the_same():
    model = ridge()
    first, again, other = (importance(model, FRAME, seed=seed).table for seed in (1, 1, 2))
    assert_frame_equal(first, again)
    assert 0 < abs(other.loc["x", "importance"] - first.loc["x", "importance"]) < 4 * first.loc["x", "error"]


def test_a_column_more_does_not_change_what_others_are_exchanged_with():
    few, many = ridge(target="y", past="x"), ridge(target="y", past=["x", "idle"], frame=FRAME.assign(idle=0.0))
    tables = importance(few, FRAME).table, importance(many, FRAME.assign(idle=0.0)).table
    assert tables[1].loc["idle", "importance"] == pytest.approx(0, abs=1e-12)
    assert_frame_equal(tables[1].drop("idle"), tables[0])


def test_a_known_covariate_matters_in_the_row_that_is_forecast():
    frame = FRAME.assign(y=FRAME["noise"].shift(-1).fillna(0.0) + np.roll(3 * FRAME["x"], 0))
    table = importance(ridge(frame, 2, target="y", known="x"), frame, by="lag").table
    assert set(table.index[:2]) == {("x", 0), ("x", -1)}
    assert table.iloc[2:]["importance"].max() < 0.4 * table["importance"].iloc[1]


def test_the_calendar_is_exchanged_like_any_other_covariate():
    frame = FRAME.assign(y=(DAYS.day_of_week == 2) * 5.0 + FRAME["noise"])[["y"]]
    model = Forecaster(ExtraTreesRegressor(20, random_state=0), 1, 3, target="y", known="calendar", scaling="none")
    table = importance(model.fit(frame[:TRAIN]), frame).table
    assert table.index[0] == "calendar_weekday"
    assert table.loc["calendar_year", "importance"] < 0.2 * table["importance"].iloc[0]


@pytest.mark.parametrize("method", ["permutation", "gradients"])
def test_sine_and_cosine_of_the_calendar_are_one_column_and_those_of_a_user_two(method):
    tide = pd.DataFrame({"tide_sin": np.sin(np.arange(500) / 5), "tide_cos": np.cos(np.arange(500) / 5)}, DAYS)
    frame = FRAME.assign(y=(DAYS.day_of_week == 2) * 5.0 + FRAME["noise"])[["y"]].join(tide)
    roles = {"target": "y", "known": ["calendar", *tide], "scaling": "none"}
    model = LinearForecaster(1, 3, training=QUICK, **roles).fit(frame[:TRAIN])
    columns, lags = (importance(model, frame, by=by, method=method).table for by in ("column", "lag"))
    assert set(columns.index) == {"y", *tide, "calendar_weekday", "calendar_year"}
    assert columns.index[0] == "calendar_weekday"
    assert set(lags.loc["calendar_weekday"].index) == {0, 1, 2, 3}


class Radius(RegressorMixin, BaseEstimator):
    """Forecasts the sum of the squares of all covariates: what turns around a circle leaves it as it is."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return (np.asarray(X)[:, 1:] ** 2).sum(axis=1)


def test_a_pair_is_exchanged_as_one():
    hours = pd.date_range("2022-01-01", periods=500, freq="h", name="hour")
    frame = pd.DataFrame({"y": np.random.default_rng(0).normal(size=500)}, hours)
    own = frame.assign(sin=np.sin(2 * np.pi * hours.hour / 24), cos=np.cos(2 * np.pi * hours.hour / 24))
    roles = {"target": "y", "scaling": "none"}
    calendar = Forecaster(Radius(), 1, 1, known="calendar", **roles).fit(frame[:350])
    together = importance(calendar, frame, metric="MAE").table.drop("y")["importance"]
    assert len(together) == 3  # hour, weekday, year
    assert together.abs().max() < 1e-9
    apart = importance(Forecaster(Radius(), 1, 1, known=["sin", "cos"], **roles).fit(own[:350]), own).table
    assert apart.loc[["sin", "cos"], "importance"].abs().min() > 0.01


def shops(n=300, levels=(1.0, 1000.0, 50.0)):
    """Series of other levels, each of which grows by a number of its own."""
    rng, frames = np.random.default_rng(0), {}
    for k, level in enumerate(levels):
        grows = level * 0.01 * (k - 1) * np.arange(n)
        y = 5 * level + grows + level * 0.01 * rng.normal(size=n)
        frames[f"s{k}"] = pd.DataFrame({"y": y, "size": float(k)}, DAYS[:n])
    return pd.concat(frames, names=["shop", "day"])


def before(frame, stamp):
    return frame[frame.index.get_level_values("day") <= stamp]


@pytest.mark.parametrize("static", ["shop", "size"])
def test_what_tells_series_apart_matters_where_they_differ(static):
    frame = shops(levels=(1.0, 1.0, 1.0))
    model = Forecaster(Ridge(1e-3), 3, 4, target="y", static=static).fit(before(frame, DAYS[200]))
    table = importance(model, frame).table
    assert table.index[0] == static
    assert table.loc[static, "low"] > 0


def test_the_scale_that_a_series_has_is_that_of_its_id():
    frame = shops()
    model = Forecaster(Ridge(1e-3), 3, 4, target="y", static="size").fit(before(frame, DAYS[200]))
    assert importance(model, frame).table.loc["shop", "low"] > 0


def test_neither_a_trend_nor_the_level_of_other_series_is_exchanged(walks):
    trend = walks + 5.0 * np.arange(80)[:, None]
    model = Forecaster(Ridge(), 1, 12, target=list(walks)).fit(trend[:60])
    assert 0 < importance(model, trend).table["importance"].max() < 3  # in units of a naive forecast's error


def test_logarithms_and_counts_stay_what_they_are():
    prices = np.exp(FRAME[["y"]].cumsum() / 20)
    model = Forecaster(Ridge(), 1, 6, log=True).fit(prices[:TRAIN])
    assert np.isfinite(importance(model, prices).table.loc["y", "importance"])
    counts = FRAME.assign(y=np.random.default_rng(0).poisson(np.exp(FRAME["x"].shift(3, fill_value=0) / 2 + 1)))
    model = LinearForecaster(1, 6, head=NegativeBinomial(), training=QUICK, **ROLES).fit(counts[:TRAIN])
    assert importance(model, counts, metric="pinball").table.index[0] == "x"


def test_of_categories_the_log_loss_grows():
    frame = FRAME.assign(y=np.where(FRAME["y"] > 0, "up", "down"))
    model = Forecaster(LogisticRegression(), 1, 6, **ROLES).fit(frame[:TRAIN])
    result = importance(model, frame, by="lag")
    assert result.metric == "log_loss"
    assert result.table.index[0] == ("x", 3)
    assert result.baseline == pytest.approx(-np.log(_chances(model, frame)).mean(), rel=0.2)
    naive = Forecaster(SeasonalNaive(2), 1, 6, **ROLES).fit(frame[:TRAIN])
    with pytest.raises(ConfigError, match="gives no probabilities"):
        importance(naive, frame)


def _chances(model, frame):
    table = model.predict_at(frame, DAYS[349:499], proba=True)
    actual = frame["y"].reindex(table["day"]).to_numpy()
    return np.where(actual == "up", table["p_up"], table["p_down"])


def test_targets_that_are_forecast_jointly_matter_to_one_another():
    frame = pd.DataFrame({"a": FRAME["y"], "b": FRAME["x"]})
    model = Forecaster(Ridge(), 1, 6, target=["a", "b"], multivariate="joint").fit(frame[:TRAIN])
    assert importance(model, frame, by="lag", metric="MAE").table.index[0] == ("b", 3)
    alone = Forecaster(Ridge(), 1, 6, target=["a", "b"], scaling="none").fit(frame[:TRAIN])
    assert importance(alone, frame, by="lag", metric="MAE").table["importance"].max() < 0.2


def test_missing_values_stay_in_their_places():
    frame = FRAME.copy()
    frame.loc[DAYS[::7], "x"] = np.nan
    model = LSTMForecaster(1, 6, hidden_size=16, line=False, training=QUICK, **ROLES).fit(frame[:TRAIN])
    assert importance(model, frame, by="lag").table.index[0] == ("x", 3)


def test_gradients_rank_columns_of_a_network_too():
    model = MODELS["lstm"].fit(FRAME[:TRAIN])
    result = importance(model, FRAME, by="lag", method="gradients")
    assert result.table.index[0] == ("x", 3)
    assert result.metric == "contribution"
    table = contributions(model, FRAME, DAYS[349:499])
    sizes = table.groupby(["column", "lag"])["contribution"].apply(lambda values: values.abs().mean())
    every = importance(model, FRAME, DAYS[349:499], by="lag", method="gradients").table["importance"]
    np.testing.assert_allclose(every, sizes.reindex(every.index), rtol=1e-5)
    by_column = importance(model, FRAME, method="gradients").table
    assert by_column.index[0] == "x"
    assert by_column.loc["noise", "importance"] < 0.2 * by_column.loc["x", "importance"]


def test_the_result_says_what_was_measured():
    model = ridge()
    result = importance(model, FRAME, metric="MAE")
    first, text, page = repr(result).partition("\n")[0], repr(result), result._repr_html_()
    assert first.startswith("By how much the MAE of 0.2")
    assert first.endswith("75 forecasts from 75 origins.")
    assert "noise" in text
    assert "<table" in page
    seen = importance(model, FRAME, DAYS[100:200:10])
    assert seen.in_sample
    assert "some of them rows of the fit" in repr(seen)


def test_one_origin_has_no_interval():
    frame = shops()
    model = Forecaster(Ridge(), 3, 4, target="y", static="size").fit(before(frame, DAYS[200]))
    table = importance(model, frame, [DAYS[250]]).table
    assert table[["error", "low", "high"]].isna().all(axis=None)
    assert table["importance"].notna().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: importance(ridge(), FRAME[:TRAIN]), DataError, "the frame has too few rows after that"),
        (lambda: importance(ridge(), FRAME, [DAYS[400]]), DataError, "1 of the windows at 1 cutoffs have"),
        (lambda: importance(ridge(), FRAME, metric="skill"), ConfigError, "metric='skill' must be one of 'MAE'"),
        (lambda: importance(ridge(), FRAME, metric="pinball"), ConfigError, "must be one of 'MAE', 'RMSE'"),
        (lambda: importance(ridge(), FRAME, by="row"), ConfigError, "by='row' must be one of 'column', 'lag'"),
        (lambda: importance(ridge(), FRAME, method="gradients"), ConfigError, "holds no network"),
        (lambda: importance(Forecaster(Ridge(), 1, 6, **ROLES), FRAME), NotFittedError, "not fitted"),
        (lambda: importance(Ridge(), FRAME), ConfigError, "a forecaster such as"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
