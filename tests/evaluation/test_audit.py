"""The audit lets honest forecasters pass, and catches those in which a leak was planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge

import tsseq
from tsseq import (
    ConfigError,
    ConformalForecaster,
    DataError,
    EnsembleForecaster,
    Forecaster,
    LastValue,
    LSTMForecaster,
    NotEnoughHistory,
    SeasonalNaive,
    Training,
    audit,
    load_sample,
)
from tsseq.data.panel import Panel
from tsseq.data.schema import Schema
from tsseq.evaluation.perturb import KINDS, halved, poisoned, shuffled

AIR = load_sample("airline")
PRICES = load_sample("sp500")[-300:][["close", "volume"]]
DAYS = pd.date_range("2024-01-01", periods=90, name="day")
LEAKS = [
    "future at a cutoff",
    "future between cutoffs",
    "future in fit",
    "future in prepare",
    "rescaled history",
    "shuffled returns",
]
QUICK = Training(max_epochs=1, max_steps=5, verbose=False)


def panel() -> pd.DataFrame:
    rng, parts = np.random.default_rng(0), {}
    for name, begin in {"b": 0, "a": 70, "c": 5}.items():
        parts[name] = pd.DataFrame(
            {
                "y": np.exp(rng.normal(size=90).cumsum() / 10),
                "volume": rng.integers(1, 9, 90),
                "shop": rng.choice(["u", "v"], 90),
                "promo": rng.random(90) < 0.3,
                "size": float(begin),
            },
            DAYS,
        )[begin:]
    return pd.concat(parts, names=["id", "day"])


def shaped(form):
    """A panel in another shape, and the parameters that name its columns."""
    frame = panel()
    roles = {"target": "y", "past": ["volume", "shop"], "known": ["promo"], "static": "size"}
    if form == "long":
        return frame.reset_index(), roles | {"id_column": "id", "time_column": "day"}
    if form == "wide":
        return frame[["y", "volume"]].astype(float).unstack("id"), {"target": "y", "past": "volume"}
    if form == "tickers first":
        return frame[["y", "volume"]].astype(float).unstack("id").swaplevel(axis=1), {"target": "y", "past": "volume"}
    if form == "closes":
        return frame["y"].unstack("id").rename_axis(columns="Ticker"), {}
    if form == "series":
        return frame.loc["b", "y"].rename(None), {}
    return frame.sample(frac=1.0, random_state=0) if form == "shuffled" else frame, roles


FORMS = ["panel", "shuffled", "long", "wide", "tickers first", "closes", "series"]


def passed(table):
    return table.set_index("check")["passed"].to_dict()


def walk(n=150, seed=1):
    return pd.DataFrame(
        {"y": 50 + np.random.default_rng(seed).normal(size=n).cumsum()}, pd.date_range("2000", periods=n)
    )


class ScalesWithTheWholeFrame(Forecaster):
    """Honest in fit; `predict_at` standardises with the mean and deviation of all rows it is shown."""

    def fit(self, frame, y=None):
        rows = self.to_panel(frame)
        values = rows.values[:, 0]
        return super().fit(
            rows.with_values(slice(None), slice(0, 1), ((values - values.mean()) / values.std())[:, None])
        )

    def predict_at(self, frame, cutoffs, levels=None):
        centre, spread = frame["y"].mean(), frame["y"].std()
        found = super().predict_at((frame - centre) / spread, cutoffs, levels)
        return found.assign(forecast=found["forecast"] * spread + centre)


class ReadsScaled(Forecaster):
    """Standardises a frame as soon as it sees it, before it is cut at a cutoff."""

    def to_panel(self, frame):
        rows = super().to_panel(frame)
        if isinstance(frame, Panel):
            return rows
        return rows.with_values(slice(None), slice(0, 1), rows.values[:, :1] / np.nanmean(rows.values[:, 0]))


class KnowsTomorrow(Forecaster):
    """Mixes a third of what will happen into its forecasts."""

    def forecast_at(self, frame, cutoffs, levels=None):
        forecasts = super().forecast_at(frame, cutoffs, levels)
        truth, values = forecasts.actual[..., None], forecasts.values
        return replace(forecasts, values=np.where(np.isfinite(truth), (2 * values + truth) / 3, values))


class CentresOverTheCall(Forecaster):
    """Adds a little of the mean of the rows up to the last cutoff of a call, to all of its forecasts."""

    def forecast_at(self, frame, cutoffs, levels=None):
        forecasts = super().forecast_at(frame, cutoffs, levels)
        mean = np.nanmean(self.to_panel(frame).before(max(cutoffs)).values[:, 0])
        return replace(forecasts, values=forecasts.values + 1e-9 * mean)


class RefusesTheFuture(Forecaster):
    """Looks through all rows for missing values."""

    def predict_at(self, frame, cutoffs, levels=None):
        if frame["y"].isna().any():
            raise DataError("a value is missing")
        return super().predict_at(frame, cutoffs, levels)


class Blurred(RegressorMixin, BaseEstimator):
    """Nine tenths of the last value, one of the one before."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        X = np.asarray(X)
        return 0.9 * X[:, -1] + 0.1 * X[:, -2]


class Restless(RegressorMixin, BaseEstimator):
    """The last value and as much chance; counts its fits."""

    fits = 0

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        type(self).fits += 1
        self.noise_ = np.random.default_rng(self.random_state).normal()
        return self

    def predict(self, X):
        return np.full(len(X), self.noise_)


@pytest.mark.parametrize(
    "model",
    [
        Forecaster(Ridge(), 3, 24, log=True),
        EnsembleForecaster([Forecaster(Ridge(), 3, 24, log=True), Forecaster(SeasonalNaive(12), 3, 24, log=True)]),
        ConformalForecaster(Forecaster(Ridge(), 3, 24, log=True), n_calibration=20, rolling=True),
        LSTMForecaster(3, 24, log=True, hidden_size=4, training=QUICK),
    ],
    ids=lambda model: type(model).__name__,
)
def test_honest_forecasters_pass(model):
    table = audit(model, AIR)
    assert table.columns.tolist() == ["check", "kind", "passed", "value", "meaning"]
    assert table.loc[table["kind"] == "leak", "check"].tolist() == LEAKS
    assert table.loc[table["kind"] == "leak", "passed"].all()
    assert (table["value"][:3] == 0).all()
    assert not hasattr(model, "fitted_until_")


def test_honest_forecasts_of_a_season_are_worth_something():
    found = passed(audit(Forecaster(Ridge(), 3, 24, log=True), AIR))
    assert found["copy of the last value"]
    assert found["lags the last change"]


@pytest.mark.parametrize("form", FORMS)
def test_frames_of_any_shape_are_audited_and_left_as_they_are(form):
    frame, roles = shaped(form)
    before = frame.copy(deep=True)
    table = audit(Forecaster(Ridge(), 3, 10, log=True, **roles), frame, n_cutoffs=3)
    assert passed(table)["future at a cutoff"]
    assert passed(table)["future in fit"]
    assert frame.equals(before)


def test_a_network_with_covariates_over_a_panel_passes():
    frame, roles = shaped("panel")
    roles |= {"past": "volume", "known": ["promo", "shop", "calendar"]}
    table = audit(LSTMForecaster(3, 10, log=True, hidden_size=4, training=QUICK, **roles), frame, n_cutoffs=2)
    assert table.loc[table["kind"] == "leak", "passed"].all()
    assert table.loc[table["value"].isna(), "check"].tolist() == ["future in prepare"]


def test_a_scaler_over_the_whole_frame_is_caught():
    model = ScalesWithTheWholeFrame(Ridge(), 2, 10, scaling="none")
    table = audit(model, walk())
    assert not passed(table)["future at a cutoff"]
    assert table["value"][0] == 5 * 3 * 2  # cutoffs, kinds of poison, steps
    assert "missing, huge, noise" in table["meaning"][0]
    assert passed(audit(Forecaster(Ridge(), 2, 10, scaling="none"), walk()))["future at a cutoff"]


def test_a_scaler_learnt_before_the_frame_is_cut_is_caught_in_fit():
    frame = walk()
    found = passed(audit(ReadsScaled(Ridge(), 2, 10, scaling="none"), frame))
    assert not found["future in fit"]
    assert passed(audit(Forecaster(Ridge(), 2, 10, scaling="none"), frame))["future in fit"]


def test_knowing_tomorrow_is_caught_by_poison_and_by_random_order():
    found = passed(audit(KnowsTomorrow(Ridge(), 2, 10), walk()))
    assert not found["future at a cutoff"]
    assert not found["future between cutoffs"]
    assert not found["shuffled returns"]


def test_a_leak_between_cutoffs_of_one_call_is_caught():
    found = passed(audit(CentresOverTheCall(Ridge(), 2, 10), walk()))
    assert found["future at a cutoff"]
    assert not found["future between cutoffs"]


def test_an_error_that_only_the_future_causes_is_a_leak():
    table = audit(RefusesTheFuture(Ridge(), 2, 10), walk())
    assert not passed(table)["future at a cutoff"]
    assert table["meaning"][0].endswith("the frame as it is does not cause: a value is missing")


def test_an_error_of_the_forecaster_itself_is_raised():
    frame = walk()
    frame.iloc[70, 0] = np.nan
    with pytest.raises(DataError, match="a value is missing"):
        audit(RefusesTheFuture(SeasonalNaive(2), 2, 10), frame)


@pytest.mark.parametrize("log", [True, False])
def test_forecasts_that_know_the_price_level_are_told_apart(log):
    level = Forecaster(Ridge(), 3, 24, log=log, scaling="none")
    table = audit(level, AIR).set_index("check").loc["rescaled history"]
    assert table["value"] > 1e-3
    assert pd.isna(table["passed"]) != log
    past = Forecaster(Ridge(), 3, 12, target="close", log=True, calendar="XNYS", past=["open"])
    prices = PRICES.assign(open=PRICES["close"].shift(1).bfill())
    assert not passed(audit(past, prices))["rescaled history"]


def test_a_planted_copy_is_a_finding_and_no_leak():
    table = audit(Forecaster(LastValue(), 2, 10, log=True), AIR)
    assert table.loc[table["kind"] == "leak", "passed"].all()
    copied = table.set_index("check").loc["copy of the last value"]
    assert (copied["kind"], copied["passed"]) == ("finding", False)
    assert copied["value"] < 1e-9
    assert copied["meaning"].endswith("this forecast is yesterday's value")


def test_a_blurred_copy_lags_the_last_change():
    table = audit(Forecaster(Blurred(), 1, 10, scaling="none"), walk())
    lagged = table.set_index("check").loc["lags the last change"]
    assert not lagged["passed"]
    assert lagged["value"] == pytest.approx(0.99, abs=0.01)
    assert table.loc[table["kind"] == "leak", "passed"].isin([True, pd.NA]).all()


def test_forecasts_that_hang_on_the_seed_are_found_in_five_fits():
    Restless.fits = 0
    model = Forecaster(Restless(), 1, 10)
    table = audit(model, walk(), seed=3).set_index("check")
    assert Restless.fits == 5
    assert not table["passed"]["spread over seeds"]
    draws = [np.random.default_rng(seed).normal() for seed in (3, 1003, 2003)]
    assert table["value"]["spread over seeds"] == pytest.approx(np.std(draws), rel=0.3)
    assert model.regressor.random_state is None
    assert pd.isna(table["passed"]["rescaled history"])


def test_the_audit_is_repeatable_and_its_seed_is_that_of_the_shuffle():
    model = Forecaster(Ridge(), 3, 24, log=True)
    one, again, other = (audit(model, AIR, 2, seed) for seed in (0, 0, 1))
    assert_frame_equal(one, again)
    differs = (one["value"] != other["value"]) & one["value"].notna()
    assert one["check"][differs].tolist() == ["shuffled returns"]


def test_too_short_a_history_and_wrong_arguments_are_errors():
    with pytest.raises(NotEnoughHistory, match="30 timestamps leave no room for 20 cutoffs after a first fit"):
        audit(Forecaster(Ridge(), 3, 12), AIR[:30], n_cutoffs=20)
    with pytest.raises(NotEnoughHistory, match="no room"):
        audit(Forecaster(Ridge(), 12, 24), AIR[:40])
    with pytest.raises(ConfigError, match="n_cutoffs=0"):
        audit(Forecaster(Ridge(), 3, 12), AIR, n_cutoffs=0)
    with pytest.raises(ConfigError, match="a forecaster such as"):
        tsseq.audit(Ridge(), AIR)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["panel", "shuffled", "long"])
def test_poison_reaches_all_rows_after_the_cutoff_and_none_before(form, kind):
    frame, roles = shaped(form)
    schema = Schema.of(**roles)
    changed = poisoned(frame, schema, 3, DAYS[50], kind)
    days = frame["day"] if form == "long" else frame.index.get_level_values("day")
    ids = frame["id"] if form == "long" else frame.index.get_level_values("id")
    days, begun = np.asarray(days), np.asarray(ids) != "a"  # "a" begins later
    for name in ("y", "volume", "shop", "promo"):
        same = (frame[name].to_numpy() == changed[name].to_numpy()) & changed[name].notna().to_numpy()
        cutoff = DAYS[53] if name == "promo" else DAYS[50]
        assert same.tolist() == ((days <= cutoff) | ~begun).tolist(), name
    assert_frame_equal(changed[["size"]], frame[["size"]])


def test_poison_of_a_wide_frame_leaves_tickers_that_begin_later():
    frame, roles = shaped("wide")
    changed = poisoned(frame, Schema.of(**roles), 3, DAYS[50], "missing")
    assert changed.loc[: DAYS[50]].equals(frame.loc[: DAYS[50]])
    assert changed.xs("b", axis=1, level=1)[51:].isna().all(axis=None)
    assert changed.xs("a", axis=1, level=1).equals(frame.xs("a", axis=1, level=1))


def test_closes_of_several_tickers_are_changed_one_ticker_at_a_time():
    frame, _ = shaped("closes")
    schema = Schema.of("close")
    changed = poisoned(frame, schema, 3, DAYS[50], "missing")
    assert_frame_equal(changed[["a"]], frame[["a"]], check_freq=False)
    assert_frame_equal(changed[: DAYS[50]], frame[: DAYS[50]], check_freq=False)
    assert changed.loc[DAYS[51] :, ["b", "c"]].isna().all(axis=None)
    np.testing.assert_array_equal(
        halved(frame, schema, DAYS[50]), np.where(np.arange(90)[:, None] <= 50, 0.5, 1) * frame
    )
    path = np.log(shuffled(frame, schema, 0))
    np.testing.assert_allclose(path.diff().mean(), 0, atol=1e-9)
    np.testing.assert_allclose(path.diff().std(), np.log(frame).diff().std())


def test_noise_is_positive_where_values_are():
    schema = Schema.of("y")
    assert (poisoned(panel()[["y"]], schema, 1, DAYS[50], "noise")["y"] > 0).all()
    assert poisoned(walk() - 50, schema, 1, pd.Timestamp("2000-03-01"), "noise")["y"].min() < -50


def test_prices_are_halved_up_to_a_date():
    frame = PRICES.assign(High=PRICES["close"] + 1)
    changed = halved(frame, Schema.of("close", past="volume"), PRICES.index[99])
    factor = np.where(np.arange(300) < 100, 0.5, 1.0)
    np.testing.assert_array_equal(changed["close"], frame["close"] * factor)
    np.testing.assert_array_equal(changed["High"], frame["High"] * factor)
    assert_frame_equal(changed[["volume"]], frame[["volume"]], check_dtype=False)


@pytest.mark.parametrize("relative", [True, False])
def test_shuffled_changes_are_those_of_the_frame_without_drift(relative):
    frame = PRICES[["close"]] if relative else PRICES[["close"]] - 4000.0
    changed = shuffled(frame, Schema.of("close"), 0)["close"]
    path, own = (np.log(part) if relative else part for part in (changed.to_numpy(), frame["close"].to_numpy()))
    np.testing.assert_allclose(np.sort(np.diff(path)), np.sort(np.diff(own) - np.diff(own).mean()), atol=1e-9)
    assert not np.allclose(np.diff(path), np.diff(own) - np.diff(own).mean())
    assert changed.iloc[0] == pytest.approx(frame["close"].iloc[0])
