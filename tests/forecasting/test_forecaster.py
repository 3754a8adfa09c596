"""Forecaster around any regressor: future values, steps beyond the horizon, scores, missing values, scikit-learn."""

import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tsseq import Drift, Forecaster, LastValue, Mean, SeasonalNaive, load_sample, make_series
from tsseq.errors import ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=60, name="day")
COMING = pd.date_range("2024-03-01", periods=6, name="day")


def trees(**more):
    return MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5, **more))


def forecaster(regressor=None, *, horizon=3, context_length=8, **more):
    return Forecaster(regressor or Ridge(), horizon, context_length, **more)


def one():
    return make_series("ar1", 60, seed=4).to_numpy() * pd.Series(1.0, DAYS, name="y") + 20


def shop():
    """Two series whose sales follow the announced promotions exactly."""
    rng = np.random.default_rng(2)
    promo = rng.normal(size=60)
    series = {}
    for name, level in {"z": 5.0, "b": 50.0}.items():
        series[name] = pd.DataFrame({"sales": level + promo, "promo": promo, "visits": rng.normal(size=60)}, DAYS)
    return pd.concat(series, names=["id", "day"])


def planned(n=3):
    index = pd.MultiIndex.from_product([["z", "b"], COMING[:n]], names=["id", "day"])
    return pd.DataFrame({"promo": np.linspace(-2, 2, 2 * n)}, index)


class TestFutureValues:
    def test_known_covariates_of_the_horizon_are_used(self):
        model = forecaster(LinearRegression(), target="sales", known="promo").fit(shop())
        out = model.predict(future=planned())
        want = planned()["promo"] + [5, 5, 5, 50, 50, 50]
        np.testing.assert_allclose(out["sales"], want, rtol=1e-6)

    def test_rows_are_matched_by_id_and_time_and_not_by_position(self):
        model = forecaster(target="sales", known="promo").fit(shop())
        want = model.predict(future=planned())
        for seed in range(5):
            assert_frame_equal(
                model.predict(future=planned().sample(frac=1, random_state=seed)), want, check_exact=True
            )

    def test_more_rows_more_ids_and_more_columns_do_no_harm(self):
        model = forecaster(target="sales", known="promo").fit(shop())
        want = model.predict(future=planned())
        other = planned().rename(index={"z": "x", "b": "y"}) * 99
        past = shop()[["promo"]] * 99
        future = pd.concat([other, planned(), past]).assign(note="text").sample(frac=1, random_state=0)
        assert_frame_equal(model.predict(future=future), want, check_exact=True)

    def test_missing_rows_and_values_are_named(self):
        model = forecaster(target="sales", known="promo").fit(shop())
        lacking = r"6 coming rows; 1 values are missing \(first: 'promo' at 'b' 2024-03-02"
        with pytest.raises(DataError, match=lacking):
            model.predict(future=planned().drop(("b", COMING[1])))
        with pytest.raises(DataError, match=lacking):
            model.predict(future=planned().mask(planned()["promo"] == planned().loc[("b", COMING[1]), "promo"]))
        with pytest.raises(DataError, match=r"6 values are missing .*make_future_frame\(\)"):
            model.predict()
        with pytest.raises(DataError, match=r"column 'promo' is not in the frame"):
            model.predict(future=planned().rename(columns={"promo": "discount"}))
        with pytest.raises(DataError, match=r"occur more than once \(first: \('z', "):
            model.predict(future=pd.concat([planned(), planned()]))
        with pytest.raises(DataError, match=r"no timestamp of future= is among the 6 coming rows: .* in UTC"):
            model.predict(future=planned().tz_localize("UTC", level="day"))
        with pytest.raises(ConfigError, match=r"name them with known="):
            forecaster(target="sales").fit(shop()).predict(future=planned())

    def test_values_that_history_has_for_the_future_are_not_taken_from_it(self):
        """Rows of history end where history ends: NaN sales at its end are missing values, not the rows to forecast."""
        model = forecaster(trees(), target="sales", known="promo").fit(shop())
        longer = pd.concat([shop(), planned()]).sort_index()
        with pytest.raises(DataError, match=r"first: 'promo' at '.' 2024-03-04"):
            model.predict(longer)

    def test_the_future_frame_has_the_rows_to_come_and_empty_columns(self):
        model = forecaster(target="sales", known="promo").fit(shop())
        empty = model.make_future_frame()
        assert_index_equal(empty.index, planned().index)
        assert empty.columns.tolist() == ["promo"]
        assert empty["promo"].isna().all()
        early = shop().groupby("id", sort=False, group_keys=False).head(40)
        assert model.make_future_frame(early).index.tolist() == [(name, day) for name in "zb" for day in DAYS[40:43]]
        assert len(model.make_future_frame(steps=6)) == 12

    def test_the_future_frame_covers_whole_blocks_of_the_horizon(self):
        model = forecaster(target="sales", known="promo").fit(shop())
        future = model.make_future_frame(steps=4)
        assert len(future) == 12
        assert len(model.predict(steps=4, future=future.fillna(0.0))) == 8

    def test_history_given_to_predict_takes_the_place_of_the_fitted_one(self):
        model = forecaster(LinearRegression(), target="sales", known="promo").fit(shop())
        shifted = shop().assign(sales=lambda frame: frame["sales"] + 1000)
        want = model.predict(future=planned())["sales"] + 1000
        np.testing.assert_allclose(model.predict(shifted, future=planned())["sales"], want)


class TestBeyondTheHorizon:
    @pytest.mark.parametrize("log", [False, True], ids=["plain", "log"])
    @pytest.mark.parametrize("scaling", ["last", "adaptive", "standard", "mean", "none"])
    def test_steps_are_rolled_forward_as_if_forecasts_had_been_observed(self, scaling, log):
        model = forecaster(scaling=scaling, log=log).fit(one())
        history = one()
        for _ in range(3):
            history = pd.concat([history, model.predict(history)])
        out = model.predict(steps=8)
        assert_index_equal(out.index, pd.date_range("2024-03-01", periods=8, name="day"))
        np.testing.assert_allclose(out, history[60:68], rtol=1e-10)

    @pytest.mark.parametrize("multivariate", ["independent", "joint"])
    def test_series_and_targets_are_rolled_forward_side_by_side(self, multivariate):
        frame = shop()[["sales", "visits"]]
        model = forecaster(target=["visits", "sales"], multivariate=multivariate).fit(frame)
        first = model.predict()
        second = model.predict(pd.concat([frame, first[["sales", "visits"]]]))
        want = pd.concat([first, second]).sort_index(level="id", ascending=False, sort_remaining=False)
        out = model.predict(steps=6)
        assert out.index.tolist() == [(name, day) for name in "zb" for day in COMING]
        for name in "zb":
            np.testing.assert_allclose(out.loc[name], want.loc[name].sort_index(), rtol=1e-9)

    def test_known_covariates_go_on_beyond_the_horizon(self):
        model = forecaster(LinearRegression(), target="sales", known="promo").fit(shop())
        out = model.predict(steps=6, future=planned(6))
        np.testing.assert_allclose(out["sales"], planned(6)["promo"] + np.repeat([5, 50], 6), rtol=1e-5)

    def test_fewer_steps_are_the_first_of_the_horizon(self):
        model = forecaster().fit(one())
        assert_series_equal(model.predict(steps=2), model.predict()[:2], check_exact=True, check_freq=False)

    def test_past_covariates_end_at_the_horizon(self):
        model = forecaster(target="sales", past=["visits", "promo"]).fit(shop())
        with pytest.raises(ConfigError, match=r"steps=4 goes beyond horizon=3.*visits, promo"):
            model.predict(steps=4)
        assert len(model.predict(steps=3)) == 6

    def test_predicting_leaves_the_model_as_it_was(self):
        model = forecaster(target="sales", known="promo").fit(shop())
        want = model.predict(future=planned())
        model.predict(steps=6, future=planned(6))
        model.predict(
            shop()[:20].loc[["z"]], future=planned().set_axis(planned().index.set_levels(DAYS[20:23], level=1))
        )
        model.predict_at(shop(), DAYS[30:40])
        model.score(shop())
        assert_frame_equal(model.predict(future=planned()), want, check_exact=True)


class Spread(Ridge):
    """A regressor of our own that has quantiles: normal ones, of a unit spread in scaled units."""

    def predict_quantiles(self, X, levels):
        point = self.predict(X).reshape(len(X), -1, 1)
        return point + np.array([{0.1: -1.28, 0.5: 0.0, 0.9: 1.28}[level] for level in levels])


class TestQuantiles:
    def test_columns_bear_the_name_of_the_target_and_the_level(self):
        out = forecaster(Spread(), target=["sales", "visits"]).fit(shop()).predict(levels=[0.1, 0.5, 0.9])
        names = [f"{target}{q}" for target in ("sales", "visits") for q in ("", "_q0.1", "_q0.5", "_q0.9")]
        assert out.columns.tolist() == names
        np.testing.assert_array_equal(out["sales_q0.5"], out["sales"])

    def test_they_are_in_the_units_of_each_series(self):
        frame = shop()[["sales"]]
        frame.loc["b"] = 30 * frame.loc["b"].to_numpy()
        model = forecaster(Spread()).fit(frame)
        out = model.predict(levels=[0.9])
        width = (out["sales_q0.9"] - out["sales"]).groupby("id").mean()
        np.testing.assert_allclose(width[["b", "z"]], 1.28 * model.scaling_.scale[:, 0])

    def test_they_are_exponentials_under_log(self):
        model = forecaster(Spread(), log=True).fit(one())
        out = model.predict(levels=[0.1, 0.9])
        ratio = np.exp(1.28 * model.scaling_.scale[0, 0])
        np.testing.assert_allclose(out["y_q0.9"] / out["y"], ratio)
        np.testing.assert_allclose(out["y"] / out["y_q0.1"], ratio)

    def test_forecasts_at_cutoffs_have_a_column_for_each(self):
        model = forecaster(Spread(), target=["sales", "visits"]).fit(shop())
        out = model.predict_at(shop(), DAYS[[59, 20]], levels=[0.1, 0.9])
        assert out.columns.tolist() == ["id", "cutoff", "day", "step", "target", "forecast", "q0.1", "q0.9"]
        assert (out["q0.1"] < out["forecast"]).all()
        assert (out["forecast"] < out["q0.9"]).all()
        last = (
            out[out["cutoff"] == DAYS[59]].pivot(index=["id", "day"], columns="target", values="q0.9").loc[["z", "b"]]
        )
        want = model.predict(levels=[0.9])[["sales_q0.9", "visits_q0.9"]]
        np.testing.assert_allclose(last, want, rtol=1e-12)

    def test_they_end_at_the_horizon(self):
        with pytest.raises(ConfigError, match=r"quantiles end at horizon=3"):
            forecaster(Spread()).fit(one()).predict(steps=4, levels=[0.5])


class TestForecastsAtCutoffs:
    def test_rows_are_ordered_by_series_cutoff_step_and_target(self):
        out = forecaster(target=["sales", "visits"]).fit(shop()).predict_at(shop(), DAYS[[30, 20]])
        want = [
            (name, DAYS[day], DAYS[day + step], step, target)
            for name in "zb"
            for day in (20, 30)
            for step in (1, 2, 3)
            for target in ("sales", "visits")
        ]
        assert list(out[["id", "cutoff", "day", "step", "target"]].itertuples(index=False, name=None)) == want

    def test_one_series_has_no_id_column(self):
        out = forecaster().fit(one()).predict_at(one(), DAYS[30])
        assert out.columns.tolist() == ["cutoff", "day", "step", "target", "forecast"]
        assert out["day"].tolist() == DAYS[31:34].tolist()

    @pytest.mark.parametrize("index", [DAYS.to_period("D"), pd.RangeIndex(60), DAYS.tz_localize("Asia/Tokyo")], ids=str)
    def test_cutoffs_are_stamps_of_any_index(self, index):
        series = one().set_axis(index)
        out = forecaster().fit(series).predict_at(series, index[[20, 40]])
        want = forecaster().fit(one()).predict_at(one(), DAYS[[20, 40]])
        assert out["cutoff"].tolist() == [index[20]] * 3 + [index[40]] * 3
        assert out.iloc[:, 1].tolist() == [*index[21:24], *index[41:44]]
        np.testing.assert_array_equal(out["forecast"], want["forecast"])

    def test_a_panel_that_was_read_before_gives_the_same(self):
        model = forecaster(target="sales").fit(shop())
        read = model.to_panel(shop())
        assert_frame_equal(model.predict_at(read, DAYS[30]), model.predict_at(shop(), DAYS[30]), check_exact=True)
        assert_frame_equal(model.predict(read), model.predict(shop()), check_exact=True)
        again = forecaster(target="sales").fit(read)
        assert_frame_equal(again.predict(), model.predict(), check_exact=True)
        assert model.score(read) == model.score(shop())


def skill(model, frame):
    """1 - MAE / MAE of the last value, by hand, in units of each series' own scale."""
    first, last = model.context_length - 1, -model.horizon
    days = frame.loc["z"].index[first:last]
    out = model.predict_at(frame, days)
    actual = frame["sales"].loc[pd.MultiIndex.from_frame(out[["id", "day"]])].to_numpy()
    naive = frame["sales"].loc[pd.MultiIndex.from_frame(out[["id", "cutoff"]])].to_numpy()
    scale = out["id"].map(dict(zip(model.scaling_.ids, model.scaling_.scale[:, 0]))).to_numpy()
    if model.log:
        actual, naive, out["forecast"] = np.log(actual), np.log(naive), np.log(out["forecast"])
    return 1 - np.mean(np.abs(actual - out["forecast"]) / scale) / np.mean(np.abs(actual - naive) / scale)


class TestScore:
    @pytest.mark.parametrize("log", [False, True], ids=["plain", "log"])
    def test_it_is_the_skill_against_the_last_value(self, log):
        model = forecaster(target="sales", past="visits", log=log).fit(shop())
        assert model.score(shop()) == pytest.approx(skill(model, shop()), rel=1e-9)
        assert 0 < model.score(shop()) < 1

    def test_the_last_value_scores_zero_and_foresight_scores_one(self):
        assert forecaster(LastValue(), target="sales").fit(shop()).score(shop()) == 0
        model = forecaster(LinearRegression(), target="sales", known="promo").fit(shop())
        assert model.score(shop()) == pytest.approx(1)

    def test_the_scale_of_a_series_gives_it_no_weight(self):
        frame = shop()
        larger = frame.assign(sales=frame["sales"] * frame.index.get_level_values("id").map({"z": 1.0, "b": 1e6}))
        scores = [forecaster(target="sales").fit(rows).score(rows) for rows in (frame, larger)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-6)

    def test_missing_targets_are_left_out(self):
        frame = shop()[["sales"]]
        model = forecaster(trees()).fit(frame)
        holes = frame.copy()
        holes.iloc[119] = np.nan
        cut = pd.concat([frame.loc[["z"]], frame.loc[["b"]][:-1]])
        forecasts = model.predict_at(frame, DAYS[7:57])
        forecasts = forecasts[(forecasts["id"] != "b") | (forecasts["day"] != DAYS[59])]
        actual = frame["sales"].loc[pd.MultiIndex.from_frame(forecasts[["id", "day"]])].to_numpy()
        naive = frame["sales"].loc[pd.MultiIndex.from_frame(forecasts[["id", "cutoff"]])].to_numpy()
        scale = forecasts["id"].map(dict(zip(model.scaling_.ids, model.scaling_.scale[:, 0]))).to_numpy()
        want = 1 - np.sum(np.abs(actual - forecasts["forecast"]) / scale) / np.sum(np.abs(actual - naive) / scale)
        assert model.score(holes) == pytest.approx(want, rel=1e-9)
        assert model.score(cut) != pytest.approx(want, rel=1e-9)

    @pytest.mark.parametrize("scaling", ["last", "standard"])
    def test_it_scores_what_predict_forecasts_where_a_context_never_moves(self, scaling):
        values = one()
        values.iloc[20:40] = values.iloc[20]
        frame = pd.concat({"z": 1e4 * values.to_frame("sales")}, names=["id"])
        model = forecaster(scaling=scaling).fit(frame)
        out = model.predict_at(frame, DAYS[7:-3])
        actual = frame["sales"].loc["z"].loc[out["day"]].to_numpy()
        naive = frame["sales"].loc["z"].loc[out["cutoff"]].to_numpy()
        if scaling == "last":  # one scale for all windows, so it cancels out
            want = 1 - np.abs(actual - out["forecast"]).mean() / np.abs(actual - naive).mean()
            assert model.score(frame) == pytest.approx(want, rel=1e-9)
        else:  # the units of the data play no role
            assert model.score(frame) == pytest.approx(forecaster(scaling=scaling).fit(frame / 1e4).score(frame / 1e4))

    @pytest.mark.parametrize(
        "scaling",
        [
            "last",
            "standard",
            *(
                pytest.param(
                    kind,
                )
                for kind in ("mean", "none")
            ),
        ],
    )
    def test_every_scaling_scores_the_forecasts_that_it_makes(self, scaling):
        values = one().rename("sales")
        values.iloc[20:40] = values.iloc[20]
        model = forecaster(scaling=scaling).fit(values)
        out = model.predict_at(values, DAYS[7:-3])
        actual, naive = values.loc[out["day"]].to_numpy(), values.loc[out["cutoff"]].to_numpy()
        want = 1 - np.abs(actual - out["forecast"]).sum() / np.abs(actual - naive).sum()
        assert model.score(values) == pytest.approx(want, rel=1e-9)

    def test_a_target_without_a_logarithm_is_refused_and_not_left_out(self):
        model = forecaster(log=True).fit(one())
        zero = one().mask(np.arange(60) == 59, 0.0)
        with pytest.raises(DataError, match=r"'y' is 0 at 2024-02-29"):
            model.score(zero)

    def test_a_series_that_never_moves_has_no_skill_and_no_warning(self):
        constant = one() * 0 + 5
        assert not forecaster(LastValue()).fit(constant).score(constant) > 0


class TestMissingValues:
    def holes(self):
        return one().mask(np.isin(np.arange(60), [20, 21, 40]))

    def whole_windows(self):
        rows = np.lib.stride_tricks.sliding_window_view(self.holes().isna(), 11)
        return int((~rows[:, 8:].any(axis=1)).sum()), len(rows)

    def test_windows_without_whole_targets_are_left_out_with_one_warning_that_counts_them(self):
        whole, n = self.whole_windows()
        with pytest.warns(UserWarning, match=rf"^{n - whole} of {n} training windows.*left out") as caught:
            forecaster(trees()).fit(self.holes())
        assert len(caught) == 1
        assert caught[0].filename == __file__

    def test_the_regressor_is_fitted_on_the_other_windows(self):
        model = forecaster(trees())
        windows = model.windows(self.holes())
        y = np.asarray(windows.targets())
        keep = np.isfinite(y).all(axis=1)
        assert keep.sum() == self.whole_windows()[0]
        want = trees().fit(windows[keep], windows.targets()[keep])
        with pytest.warns(UserWarning, match="left out"):
            model.fit(self.holes())
        np.testing.assert_array_equal(model.regressor_.predict(windows), want.predict(windows))

    def test_a_regressor_that_takes_missing_values_gets_them(self):
        with pytest.warns(UserWarning, match="left out"):
            model = forecaster(trees()).fit(self.holes())
        assert np.isnan(np.asarray(model.windows(self.holes()))).any()
        assert model.predict(self.holes()[:43]).notna().all(axis=None)

    def test_an_imputer_helps_one_that_does_not(self):
        with pytest.warns(UserWarning, match="left out"):
            model = forecaster(make_pipeline(SimpleImputer(), Ridge())).fit(self.holes())
        assert model.predict(self.holes()[:43]).notna().all(axis=None)
        assert model.predict_at(self.holes(), DAYS[10:]).notna().all(axis=None)

    def test_naive_forecasts_take_missing_values_without_a_warning(self):
        model = forecaster(LastValue()).fit(self.holes())
        assert (model.predict(self.holes()[:22]) == one().iloc[19]).all()

    def test_missing_values_at_the_end_are_observations_and_not_rows_to_forecast(self):
        ended = one().mask(np.arange(60) > 57)
        out = forecaster(LastValue()).fit(ended).predict()
        assert_index_equal(out.index, COMING[:3])
        assert (out == one().iloc[57]).all()

    def test_missing_covariates_reach_the_regressor(self):
        frame = shop()
        frame.loc[("z", DAYS[-3:]), "visits"] = np.nan
        frame.loc[("b", DAYS[10]), "promo"] = np.nan
        model = forecaster(trees(), target="sales", past="visits", known="promo").fit(frame)
        assert model.predict(future=planned()).notna().all(axis=None)
        with pytest.raises(DataError, match="Ridge takes no missing values"):
            forecaster(target="sales", past="visits").fit(frame).predict()
        with pytest.raises(DataError, match="Ridge takes no missing values"):
            forecaster(target="sales", past="promo").fit(frame)


REGRESSORS = {
    "ridge": Ridge(),
    "ordinary least squares": LinearRegression(),
    "scaled": make_pipeline(StandardScaler(), Ridge()),
    "trees": trees(),
    "neighbours": KNeighborsRegressor(3),
    "last value": LastValue(),
    "seasonal": SeasonalNaive(7),
    "drift": Drift(),
    "mean": Mean(),
    "grid search": GridSearchCV(Ridge(), {"alpha": [0.1, 10]}, cv=TimeSeriesSplit(2)),
}


class TestScikitLearn:
    @pytest.mark.parametrize("regressor", REGRESSORS.values(), ids=REGRESSORS)
    def test_any_regressor_forecasts_a_panel_with_covariates(self, regressor):
        model = forecaster(regressor, target=["sales", "visits"], known="promo", static="size")
        frame = shop().assign(size=np.repeat([1.0, 4.0], 60))
        out = model.fit(frame).predict(future=planned())
        assert out.shape == (6, 2)
        assert np.isfinite(out).all(axis=None)
        assert not hasattr(regressor, "n_features_in_"), "the regressor given is cloned, not fitted"

    def test_one_step_ahead_takes_a_regressor_of_one_number(self):
        out = forecaster(HistGradientBoostingRegressor(max_iter=5), horizon=1).fit(one()).predict(steps=4)
        assert len(out) == 4

    def test_a_clone_is_unfitted_and_forecasts_the_same_once_fitted(self):
        model = forecaster(target=["sales"], known="promo", calendar="D", log=True).fit(shop())
        copy = clone(model)
        assert not hasattr(copy, "regressor_")
        assert_frame_equal(
            copy.fit(shop()).predict(future=planned()), model.predict(future=planned()), check_exact=True
        )

    def test_parameters_are_read_and_set_through_the_regressor(self):
        model = forecaster(make_pipeline(StandardScaler(), Ridge(alpha=2.0)))
        assert model.get_params()["regressor__ridge__alpha"] == 2.0
        assert set(model.get_params(deep=False)) == {
            *(
                "regressor",
                "horizon",
                "context_length",
                "target",
                "past",
                "known",
                "static",
                "id_column",
                "time_column",
            ),
            *("weight", "calendar", "multivariate", "scaling", "log"),
        }
        model.set_params(horizon=5, regressor__ridge__alpha=1e9)
        assert len(model.fit(one()).predict()) == 5
        assert model.regressor_[-1].alpha == 1e9
        with pytest.raises(ValueError, match="'h'"):
            model.set_params(h=3)

    def test_the_constructor_keeps_what_it_was_given(self):
        regressor, target = Ridge(), ["a", "b"]
        model = Forecaster(regressor, 3, 8, target=target)
        assert model.regressor is regressor
        assert model.target is target
        assert Forecaster(regressor, 0, "x").get_params()["context_length"] == "x"

    @pytest.mark.parametrize(
        "copied", [lambda model: pickle.loads(pickle.dumps(model)), deepcopy], ids=["pickle", "copy"]
    )
    @pytest.mark.parametrize(
        "calendar", ["XNYS", "B", pd.offsets.CustomBusinessDay(holidays=["2024-03-12"]), None], ids=str
    )
    def test_a_copy_forecasts_the_same_bits(self, copied, calendar):
        series = make_series("ar1", 40).set_axis(pd.bdate_range("2024-01-16", periods=40))
        if calendar == "XNYS":
            series = series.drop(pd.Timestamp("2024-02-19"))
        model = forecaster(calendar=calendar).fit(series)
        assert_series_equal(copied(model).predict(), model.predict(), check_exact=True)

    def test_it_can_be_the_last_step_of_a_pipeline(self):
        pipe = Pipeline([("forecast", forecaster(target="sales"))])
        out = pipe.fit(shop()).predict(shop())
        assert_frame_equal(out, forecaster(target="sales").fit(shop()).predict(), check_exact=True)
        assert pipe.score(shop()) == forecaster(target="sales").fit(shop()).score(shop())

    def test_a_grid_search_over_forecasters_takes_a_frame(self):
        search = GridSearchCV(forecaster(), {"regressor__alpha": [0.1, 1e6]}, cv=TimeSeriesSplit(2))
        search.fit(one())
        assert search.best_params_["regressor__alpha"] in (0.1, 1e6)
        assert len(search.predict(one())) == 3

    def test_what_was_learnt_ends_in_an_underscore(self):
        model = forecaster(target="sales").fit(shop())
        assert {"regressor_", "scaling_", "fitted_until_"} <= set(vars(model))
        assert model.fitted_until_ == DAYS[-1]
        assert isinstance(model.regressor_, Ridge)
        assert forecaster().fit(one().set_axis(pd.RangeIndex(60))).fitted_until_ == 59
        with pytest.raises(AttributeError):
            model.history_

    def test_fitted_until_is_the_last_timestamp_over_all_series(self):
        early = pd.concat([shop().loc[["b"]], shop().loc[["z"]][:30]])
        assert forecaster(target="sales").fit(early).fitted_until_ == DAYS[59]

    def test_fitting_again_forgets_the_first_fit(self):
        model = forecaster(target="sales").fit(shop().assign(sales=1.0))
        assert_frame_equal(
            model.fit(shop()).predict(), forecaster(target="sales").fit(shop()).predict(), check_exact=True
        )

    def test_fitting_again_finds_the_target_again(self):
        model = forecaster().fit(one().rename("first"))
        assert model.fit(one().rename("second")).predict().name == "second"

    @pytest.mark.parametrize(
        "changed", [{"horizon": 2}, {"horizon": 4}, {"context_length": 5}, {"context_length": 9}], ids=str
    )
    def test_parameters_set_after_fit_wait_for_the_next_fit(self, changed):
        model = forecaster(trees(), target="sales").fit(shop())
        want, at = model.predict(), model.predict_at(shop(), DAYS[[7, 30]])
        model.set_params(**changed)
        assert_frame_equal(model.predict(), want, check_exact=True)
        assert_frame_equal(model.predict_at(shop(), DAYS[[7, 30]]), at, check_exact=True)

    def test_the_global_random_state_is_left_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        forecaster(trees()).fit(one()).predict()
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    def test_fit_prints_nothing(self, capsys):
        forecaster().fit(one()).predict()
        assert capsys.readouterr() == ("", "")


def test_windows_are_what_the_regressor_is_fitted_on():
    model = forecaster(target="sales", past="visits", known="promo")
    windows = model.windows(shop())
    want = Ridge().fit(windows, windows.targets())
    np.testing.assert_array_equal(model.fit(shop()).regressor_.coef_, want.coef_)
    assert windows.shape == (100, 8 + 8 + 11)


@pytest.mark.parametrize("log", [False, True], ids=["plain", "log"])
def test_the_whole_way_from_frame_to_forecast_by_hand(log):
    values = np.log(one().to_numpy()) if log else one().to_numpy()
    rows = np.lib.stride_tricks.sliding_window_view(values, 8 + 3)
    changes = np.concatenate([values[h:] - values[:-h] for h in (1, 2, 3)])
    scale = np.sqrt(np.mean(changes**2))
    X, y = (rows[:, :8] - rows[:, 7:8]) / scale, (rows[:, 8:] - rows[:, 7:8]) / scale
    by_hand = Ridge().fit(X, y).predict((values[-8:] - values[-1])[None] / scale)[0] * scale + values[-1]
    out = forecaster(log=log).fit(one()).predict()
    np.testing.assert_allclose(out, np.exp(by_hand) if log else by_hand, rtol=1e-9)


def test_static_covariates_tell_series_apart():
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=60)
    slopes = {name: i - 2.0 for i, name in enumerate("abcde")}
    frame = pd.concat(
        {
            name: pd.DataFrame({"y": slope * np.arange(60) + rng.normal(size=60), "slope": slope}, days)
            for name, slope in slopes.items()
        }
    )
    model = forecaster(LinearRegression(), context_length=1, horizon=1, target="y", static="slope", scaling="none").fit(
        frame
    )
    change = model.predict()["y"].groupby(level=0).first() - frame["y"].groupby(level=0).last()
    np.testing.assert_allclose(np.corrcoef(change, list(slopes.values()))[0, 1], 1, atol=0.35)
    windows = model.windows(frame)
    np.testing.assert_allclose(
        np.unique(np.asarray(windows)[:, -1]), np.array([-2, -1, 0, 1, 2]) / np.std(np.arange(5))
    )


def test_a_seasonal_series_is_forecast_better_than_its_last_value():
    air = load_sample("airline")
    model = Forecaster(Ridge(0.1), 12, 24, log=True).fit(air[:120])
    assert model.score(air[96:]) > 0.5
    out = model.predict_at(air, air.index[119])
    actual = air["passengers"].loc[out["month"]].to_numpy()
    assert np.mean(np.abs(out["forecast"] / actual - 1)) < 0.05


@pytest.mark.parametrize(("scaling", "context_length", "loss"), [("none", 5, 0.01), ("last", 20, 0.1)])
def test_a_stationary_series_is_forecast_nearly_as_well_as_is_possible(scaling, context_length, loss):
    series = make_series("ar1", 6000, phi=0.8, seed=3)
    model = Forecaster(Ridge(), 3, context_length, scaling=scaling).fit(series[:5000])
    out = model.predict_at(series, series.index[5000:5990])
    actual, best = (
        series.loc[out["ds"]].to_numpy(),
        0.8 ** out["step"].to_numpy() * series.loc[out["cutoff"]].to_numpy(),
    )
    errors = (
        pd.DataFrame({"ours": (out["forecast"] - actual) ** 2, "best": (best - actual) ** 2})
        .groupby(out["step"])
        .mean()
    )
    assert (errors["ours"] <= (1 + loss) * errors["best"]).all()


def test_a_short_frame_goes_on_as_the_frame_of_fit_did():
    days = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=60), freq=None)
    model = forecaster(LastValue(), horizon=2, context_length=2).fit(pd.Series(np.arange(60.0), days, name="y"))
    monday_to_thursday = pd.DatetimeIndex(pd.date_range("2024-05-06", periods=4), freq=None)
    for n in (2, 3, 4):
        out = model.predict(pd.Series(np.arange(float(n)), monday_to_thursday[-n:], name="y"))
        assert out.index.strftime("%a").tolist() == ["Fri", "Mon"]


@pytest.mark.parametrize(
    "index", [pd.date_range("2024", periods=60, freq="h"), pd.RangeIndex(60)], ids=["hours", "numbers"]
)
def test_a_frame_of_another_step_than_that_of_fit_is_refused(index):
    model = forecaster().fit(one())
    with pytest.raises(DataError, match=r"not on the calendar|timestamps like|gaps"):
        model.predict(pd.Series(np.arange(60.0), index, name=one().name))


def test_the_summary_says_what_was_fitted():
    model = forecaster(target="sales").fit(shop())
    found = model.summary()
    assert found["until"] == shop().index.get_level_values(1).max()
    assert found[["model", "target", "horizon", "context", "series"]].tolist() == ["Forecaster", "sales", 3, 8, 2]


def test_a_cutoff_between_rows_is_told_as_such():
    weekdays = pd.Series(np.arange(80.0), pd.bdate_range("2023-01-02", periods=80))
    model = Forecaster(LastValue(), 2, 20).fit(weekdays)
    with pytest.raises(DataError, match=r"no rows of the frame \(first: 2023-04-01.*before it is 2023-03-31"):
        model.predict_at(weekdays, "2023-04-01")
    with pytest.raises(DataError, match="1 cutoffs have no series with 20 rows"):
        model.predict_at(weekdays, "2023-01-04")
    assert len(repr(model.windows(weekdays))) < 200
