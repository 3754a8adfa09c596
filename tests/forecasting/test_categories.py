"""Forecasts from categories and from the calendar: the same whatever holds them, and never from the future."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.linear_model import Ridge

import tsseq
from tsseq import (
    ConformalForecaster,
    EnsembleForecaster,
    Forecaster,
    LastValue,
    LinearForecaster,
    LSTMForecaster,
    Training,
    backtest,
    regularize,
)
from tsseq.errors import ConfigError, DataError

HORIZON, LENGTH = 3, 6
DAYS = pd.date_range("2024-01-01", periods=120, name="day")
COMING = pd.date_range("2024-04-30", periods=HORIZON, name="day")
LIFT = {"fair": -4.0, "none": 0.0, "sale": 6.0}
ROLES = {"target": "y", "past": "weather", "known": "event", "static": "place"}
SLOW = Training(max_epochs=6, learning_rate=2e-2, batch_size=64, verbose=False)
QUICK = Training(max_epochs=1, max_steps=5, verbose=False)


def shops(seed=0):
    """Sales that jump with the event of the day, which nothing else tells; two shops in two places."""
    rng = np.random.default_rng(seed)
    frames = {}
    for name, place in (("z", "town"), ("b", "city")):
        event, weather = rng.choice(list(LIFT), 120), rng.choice(["rain", "snow", "sun"], 120)
        y = 50 + np.array([LIFT[one] for one in event]) + rng.normal(size=120) * 0.3
        frames[name] = pd.DataFrame({"y": y, "weather": weather, "event": event, "place": place}, DAYS)
    return pd.concat(frames, names=["id", "day"])


def plan(*events):
    rows = pd.MultiIndex.from_product([["z", "b"], COMING], names=["id", "day"])
    return pd.DataFrame({"event": [*events, *events]}, rows)


PLAN = plan("sale", "fair", "none")


def ridge(**more):
    return Forecaster(Ridge(1e-3), HORIZON, LENGTH, **(ROLES | more))


def linear(**more):
    return LinearForecaster(HORIZON, LENGTH, **({"training": QUICK, "line": False} | ROLES | more))


MODELS = {"ridge": ridge, "linear": linear}
models = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
FOLD = {"weather": "weather", "event": "event", "place": "place"}


def held(frame, dtype):
    return frame.astype({name: dtype for name in FOLD if name in frame})


def renumbered(frame):
    """Categories in another order, and one more that never occurs."""
    orders = {"weather": ["sun", "hail", "snow", "rain"], "event": ["sale", "none", "fair"], "place": ["town", "city"]}
    return frame.assign(**{n: pd.Categorical(frame[n], order) for n, order in orders.items() if n in frame})


@models
@pytest.mark.parametrize(
    "dtype", ["category", object, "string", renumbered], ids=["category", "object", "string", "other"]
)
def test_forecasts_do_not_depend_on_what_holds_the_categories(model, dtype):
    fitted = model().fit(shops())
    change = dtype if callable(dtype) and dtype is not object else lambda frame: held(frame, dtype)
    want = fitted.predict(future=PLAN)
    assert want["y"].notna().all()
    assert_frame_equal(fitted.predict(change(shops()), future=change(PLAN)), want, check_exact=True)
    if dtype is not renumbered:
        assert_frame_equal(model().fit(change(shops())).predict(future=PLAN), want, check_exact=True)


@models
def test_categories_tell_what_nothing_else_does(model):
    frame = shops()
    train, test = frame[frame.index.get_level_values("day") < DAYS[90]], frame.groupby("id").tail(30)
    more = {"training": SLOW} if model is linear else {}
    with_event = model(past=None, static=None, **more).fit(train).score(test)
    without = model(past=None, static=None, known=None, **more).fit(train).score(test)
    assert with_event > 0.85
    assert without < 0.45


def test_a_recurrent_network_learns_from_categories_too():
    fast = Training(max_epochs=5, learning_rate=1e-2, verbose=False)
    frame, losses = shops().loc["z"], {}
    for known in (None, "event"):
        model = LSTMForecaster(HORIZON, LENGTH, target="y", known=known, hidden_size=16, dropout=0.0, training=fast)
        losses[known] = model.fit(frame).history_["val_loss"].min()
    assert losses["event"] < 0.5 * losses[None]


@models
def test_unknown_and_missing_categories_of_history_are_one_and_the_same(model):
    fitted, frame = model().fit(shops()), shops()
    last = frame.index.get_level_values("day") == DAYS[-1]
    found = [
        fitted.predict(frame.assign(weather=frame["weather"].mask(last, new)), future=PLAN)
        for new in ("hail", None, "a storm")
    ]
    assert_frame_equal(found[0], found[1], check_exact=True)
    assert_frame_equal(found[0], found[2], check_exact=True)
    assert not found[0].equals(fitted.predict(future=PLAN))


@models
def test_an_unknown_category_to_come_is_taken_and_a_missing_one_refused(model):
    fitted = model().fit(shops())
    first = fitted.predict(future=plan("circus", "fair", "none"))
    assert_frame_equal(fitted.predict(future=plan("parade", "fair", "none")), first, check_exact=True)
    with pytest.raises(DataError, match=r"2 values are missing \(first: 'event' at 'b' 2024-05-01"):
        fitted.predict(future=plan("fair", None, "none"))
    with pytest.raises(DataError, match=r"6 values are missing.*make_future_frame\(\)"):
        fitted.predict(future=fitted.make_future_frame())


def test_the_empty_future_frame_takes_text():
    fitted = ridge().fit(shops())
    empty = fitted.make_future_frame()
    assert empty["event"].isna().all()
    empty.loc[("z", COMING[0]), "event"] = "sale"
    empty.iloc[1, 0] = "fair"
    empty["event"] = empty["event"].fillna("none")
    want = plan("none", "none", "none")
    want.iloc[:2, 0] = ["sale", "fair"]
    assert_frame_equal(fitted.predict(future=empty), fitted.predict(future=want), check_exact=True)


def test_a_plan_of_numbers_is_refused_where_events_were_text():
    with pytest.raises(DataError, match=r"'event' held categories such as 'fair' in fit, and now 1"):
        ridge().fit(shops()).predict(future=plan(1, 2, 3))


def test_a_frame_of_the_other_shape_gives_the_same_categories():
    frame = shops()
    wide = frame.drop(columns="place").unstack("id")
    future = PLAN.unstack("id")
    fitted = ridge(static=None).fit(wide)
    want = ridge(static=None).fit(frame.drop(columns="place")).predict(future=PLAN)
    found = fitted.predict(future=future)
    np.testing.assert_allclose(found["y"]["z"], want.loc["z", "y"])
    np.testing.assert_allclose(found["y"]["b"], want.loc["b", "y"])


def test_regularized_gaps_are_missing_categories():
    frame = held(shops().loc["z"], "category").drop(columns="place")
    filled = regularize(frame.drop(DAYS[[50, 60]]), "D")
    assert filled["event"].isna().sum() == 2
    model = LinearForecaster(HORIZON, LENGTH, target="y", past=["weather", "event"], training=QUICK).fit(filled)
    assert model.predict().notna().all(axis=None)


class TestNothingLeaks:
    CUTOFF = DAYS[80]

    def poisoned(self, weather):
        frame = shops()
        after = frame.index.get_level_values("day") > self.CUTOFF
        return frame.assign(weather=frame["weather"].mask(after, weather))

    @models
    @pytest.mark.parametrize("weather", ["sun", "a new one", None])
    def test_past_categories_after_the_origin_change_no_forecast(self, model, weather):
        frame = shops()
        fitted = model().fit(frame[frame.index.get_level_values("day") <= DAYS[70]])
        want = fitted.predict_at(frame, self.CUTOFF)
        assert_frame_equal(fitted.predict_at(self.poisoned(weather), self.CUTOFF), want, check_exact=True)

    @models
    def test_a_category_that_appears_after_the_cutoff_changes_no_fit_of_a_backtest(self, model):
        cutoffs = {"cutoffs": [DAYS[60], self.CUTOFF], "refit": True}
        want = backtest(model(), shops(), **cutoffs).forecasts
        found = backtest(model(), self.poisoned("a new one"), **cutoffs).forecasts
        assert_frame_equal(found.drop(columns="actual"), want.drop(columns="actual"), check_exact=True)

    @models
    def test_a_fit_up_to_a_cutoff_is_the_fit_of_the_frame_cut_there(self, model):
        frame = shops()
        frame.loc[("z", DAYS[100]), ["weather", "event"]] = ["hail", "circus"]
        read = model().to_panel(frame)
        cut = frame[frame.index.get_level_values("day") <= self.CUTOFF]
        found = model().fit(read.before(self.CUTOFF)).predict_at(read, self.CUTOFF)
        assert_frame_equal(found, model().fit(cut).predict_at(frame, self.CUTOFF), check_exact=True)

    def test_an_earlier_fit_leaves_no_categories_to_a_later_one(self):
        frame = shops()
        frame.loc[("z", DAYS[90:]), "event"] = "circus"
        early = ridge().fit(frame[frame.index.get_level_values("day") < DAYS[60]])
        cutoffs = {"cutoffs": DAYS[[100, 110]], "refit": True}
        want = backtest(ridge(), frame, **cutoffs).forecasts
        assert_frame_equal(backtest(early, frame, **cutoffs).forecasts, want, check_exact=True)


def test_backtests_profit_from_categories():
    scores = backtest({"with": ridge(), "without": ridge(known=None)}, shops(), n_cutoffs=8).scores
    assert scores.loc["with", "MAE"] < 0.5 * scores.loc["without", "MAE"]


def test_quantiles_and_ensembles_go_around_models_of_both_kinds():
    frame = shops()
    both = EnsembleForecaster([ridge(), linear()])
    found = ConformalForecaster(both, n_calibration=20).fit(frame).predict(future=PLAN, levels=[0.1, 0.9])
    each = [model.fit(frame).predict(future=PLAN)["y"] for model in (ridge(), linear())]
    np.testing.assert_allclose(found["y"], (each[0] + each[1]) / 2)
    assert (found["y_q0.1"] < found["y_q0.9"]).all()
    late = shops().replace("sun", "hail")
    assert both.fit(frame).predict(late, future=PLAN).notna().all(axis=None)


def test_naive_forecasts_pass_categories_over():
    frame = shops()
    want = Forecaster(LastValue(), HORIZON, LENGTH, target="y").fit(frame).predict()
    found = Forecaster(LastValue(), HORIZON, LENGTH, **ROLES).fit(frame).predict(future=PLAN)
    assert_frame_equal(found, want, check_exact=True)


def test_beyond_the_horizon_events_count_as_planned():
    fitted = ridge(past=None, static=None).fit(shops())
    future = fitted.make_future_frame(steps=6)
    future["event"] = ["none"] * 4 + ["sale"] + ["none"] * 5 + ["sale"] + ["none"]
    found = fitted.predict(steps=6, future=future)["y"].to_numpy().reshape(2, 6)
    np.testing.assert_allclose(found, 50 + 6.0 * np.eye(6)[[4, 4]], atol=1.0)


class TestCalendar:
    def shop(self, n=140):
        """Closed on Sundays, which only the calendar knows in a context of three days."""
        days = pd.date_range("2024-01-01", periods=n, name="day")
        noise = np.random.default_rng(3).normal(size=n) * 0.1
        return pd.DataFrame({"y": 20.0 - 15 * (days.day_of_week == 6) + noise, "promo": 0.0}, days)

    def model(self, known="calendar", **more):
        return Forecaster(Ridge(1e-3), 2, 3, target="y", known=known, **more)

    def test_it_tells_what_a_short_context_does_not(self):
        frame = self.shop()
        with_calendar = self.model().fit(frame[:100]).score(frame[95:])
        assert with_calendar > self.model(None).fit(frame[:100]).score(frame[95:]) + 0.2

    def test_it_needs_no_future_frame(self):
        fitted = self.model().fit(self.shop())
        out = fitted.predict(steps=7)
        assert len(out) == 7
        assert list(fitted.make_future_frame()) == []
        whole = self.shop(150)
        want = fitted.predict_at(whole, self.shop().index[-1])["forecast"]
        np.testing.assert_array_equal(out["y"][:2], want)
        with pytest.raises(ConfigError, match="future= holds known covariates"):
            fitted.predict(future=self.shop()[["promo"]])

    def test_other_known_covariates_stand_beside_it_in_any_order(self):
        fitted = self.model(["calendar", "promo"]).fit(self.shop())
        empty = fitted.make_future_frame()
        assert list(empty) == ["promo"]
        with pytest.raises(DataError, match="'promo' at"):
            fitted.predict()
        found = fitted.predict(future=empty.fillna(0.0))
        other = self.model(["promo", "calendar"]).fit(self.shop()).predict(future=empty.fillna(0.0))
        assert_frame_equal(found, other, check_exact=True)

    def test_whole_numbers_have_none(self):
        with pytest.raises(ConfigError, match="need dates"):
            self.model().fit(self.shop().reset_index(drop=True))

    def test_a_later_frame_has_the_same_ones(self):
        fitted = self.model().fit(self.shop())
        assert_frame_equal(fitted.predict(self.shop()), fitted.predict(), check_exact=True)
        with pytest.raises(DataError, match="fitted on the columns"):
            fitted.predict(self.shop().assign(calendar=1.0))

    def test_nothing_after_a_cutoff_is_read(self):
        frame, fitted = self.shop(), self.model().fit(self.shop()[:90])
        cutoffs = frame.index[[100, 110]]
        want = fitted.predict_at(frame, cutoffs[:1])
        later = frame.assign(y=frame["y"].where(frame.index <= cutoffs[0], 1e6))
        assert_frame_equal(fitted.predict_at(later, cutoffs[:1]), want, check_exact=True)
        cut = frame[frame.index <= cutoffs[0]]
        np.testing.assert_array_equal(fitted.predict(cut)["y"], want["forecast"])

    def test_an_exchange_tells_its_holidays(self, sp500):
        model = Forecaster(Ridge(), 2, 5, target="close", known="calendar", calendar="XNYS", log=True)
        fitted = model.fit(sp500.loc["2016":"2018-06"])
        assert fitted.schema_.calendar[-2:] == ("calendar_before_holiday", "calendar_after_holiday")
        forecasts = fitted.forecast_at(sp500.loc["2018-06":"2018-07-06"], "2018-07-02")
        rows = forecasts.panel.values[forecasts.origins[0] : forecasts.origins[0] + 3, -2:]
        np.testing.assert_array_equal(rows, [[0, 0], [1, 0], [0, 1]])  # 2, 3 and 5 July

    def test_exchanges_by_id_keep_categories_and_calendar(self):
        days = {code: tsseq.data.time_rules.sessions(code, 2023, 2023)[100:180] for code in ("XNYS", "XLON")}
        frame = pd.concat({
            name: pd.DataFrame({"y": np.arange(80.0) % 7, "mood": ["up", "down"] * 40, "land": name}, days[code])
            for name, code in (("VOD", "XLON"), ("SPY", "XNYS"))
        })  # fmt: skip
        calendar = {"SPY": "XNYS", "VOD": "XLON"}
        model = Forecaster(Ridge(), 2, 5, target="y", past="mood", static="land", known="calendar", calendar=calendar)
        fitted = model.fit(frame)
        want = fitted.predict()
        assert_frame_equal(fitted.predict(frame.iloc[::-1]).loc[want.index], want, check_exact=True)
        later = frame.assign(mood=pd.Categorical(frame["mood"], ["up", "flat", "down"]))
        assert_frame_equal(fitted.predict(later), want, check_exact=True)
