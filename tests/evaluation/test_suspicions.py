"""Signs of the future in a frame and in scores, where nothing else is known of how they were made."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tsseq
from tsseq import ConformalForecaster, EnsembleForecaster, Forecaster, LastValue, audit, backtest, load_sample
from tsseq.data.panel import Panel
from tsseq.data.schema import Schema
from tsseq.evaluation.foreknowledge import explained_shares, foreknown
from tsseq.evaluation.too_good import price_like

SP500 = load_sample("sp500")[-900:]
CLOSE, CHANGE = SP500["close"], np.log(SP500["close"]).diff().fillna(0.0)
KNOWS = "covariates know the next change"
UNKNOWN = "trained elsewhere, nobody here knows on which rows"


def ridge(horizon=1, **roles):
    return Forecaster(Ridge(), horizon, 20, target="close", log=True, calendar="XNYS", **roles)


def read(frame, **roles):
    return Panel.from_frame(frame, Schema.of(**roles), "XNYS" if frame is not None and "close" in frame else None)


def correlations(feature, horizon=1, role="past"):
    table = foreknown(read(SP500.assign(feature=feature), target="close", **{role: "feature"}), horizon)
    return table.set_index("step")["correlation"].abs()


def test_a_feature_of_tomorrow_knows_all_of_tomorrow():
    assert correlations(CHANGE.shift(-1).fillna(0.0))[1] == pytest.approx(1.0)
    assert correlations(CHANGE.rolling(5).sum().shift(-5).fillna(0.0), horizon=5)[5] == pytest.approx(1.0)
    assert correlations(CLOSE.rolling(5, center=True, min_periods=1).mean())[1] > 0.6


@pytest.mark.parametrize(
    "feature",
    [
        CHANGE,
        CLOSE.shift(1),
        CLOSE.rolling(50, min_periods=1).mean(),
        CHANGE.rolling(20, min_periods=2).std(),
        CHANGE.rolling(5, min_periods=1).sum(),
        SP500["volume"],
        SP500["high"],
    ],
    ids=["change", "yesterday", "average", "volatility", "momentum", "volume", "high"],
)
def test_honest_features_of_the_past_know_little(feature):
    assert (correlations(feature, horizon=5) < 0.15).all()


def test_what_follows_from_the_target_s_own_past_knows_nothing_beyond_it():
    """Of white noise, yesterday's value explains half of the next change; so does a copy of it."""
    values = pd.Series(np.random.default_rng(0).normal(size=400), name="y")
    frame = pd.DataFrame({"y": values, "copy": values, "average": values.rolling(3, min_periods=1).mean()})
    assert np.corrcoef(frame["copy"][:-1], np.diff(values))[0, 1] < -0.6
    assert foreknown(read(frame, target="y", past=["copy", "average"]), 1)["correlation"].abs().max() < 0.15


def test_known_covariates_are_read_at_the_row_to_come():
    assert correlations(CHANGE, role="known")[1] == pytest.approx(1.0)
    assert correlations(CHANGE.shift(1).fillna(0.0), role="known")[1] < 0.1


@pytest.mark.parametrize(
    ("feature", "role", "passed"),
    [
        (CHANGE.shift(-1).fillna(0.0), "past", False),
        (CLOSE.rolling(5, center=True, min_periods=1).mean(), "past", False),
        (CHANGE, "past", True),
        (CHANGE, "known", False),  # nearly determines a price
        (CHANGE + CHANGE.std() * np.random.default_rng(0).normal(size=900), "known", True),  # a note
    ],
    ids=["tomorrow", "centred", "today", "known", "noisy known"],
)
def test_the_audit_finds_covariates_that_know_the_next_change(feature, role, passed):
    model = ridge(**{role: "feature"})
    found = audit(model, SP500.assign(feature=feature), 2).set_index("check").loc[KNOWS]
    assert (found["kind"], found["passed"]) == ("finding", passed)
    assert found["meaning"].endswith("look for the future in the data") != passed
    assert f"'feature' ({role})" in found["meaning"]


def test_promotions_that_drive_sales_are_a_note():
    rng = np.random.default_rng(1)
    promo = rng.random(400) < 0.2
    sales = np.exp(3 + promo + 0.2 * rng.normal(size=400))
    frame = pd.DataFrame({"sales": sales, "promo": promo}, pd.date_range("2024", periods=400))
    checks = audit(Forecaster(Ridge(), 2, 14, target="sales", known="promo", log=True), frame, 2).set_index("check")
    assert checks["value"][KNOWS] > 0.8
    assert checks["passed"][KNOWS]
    assert pd.isna(checks["passed"]["too good to be true"])
    assert "not like a price" in checks["meaning"]["too good to be true"]


def test_a_static_covariate_that_knows_how_it_ends_is_found():
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2024", periods=120, name="date")
    walks = [pd.Series(np.exp(0.02 * rng.normal(size=120).cumsum()), index) for _ in range(40)]
    frame = pd.concat({f"s{k}": walk.to_frame("close") for k, walk in enumerate(walks)}, names=["id"])
    frame["end"] = frame["close"].groupby("id").transform("last")
    frame["size"] = frame.index.get_level_values("id").str[1:].astype(float) % 7
    for static, passed in (("end", False), ("size", True)):
        model = Forecaster(Ridge(), 1, 10, target="close", static=static, log=True)
        found = audit(model, frame, 2).set_index("check").loc[KNOWS]
        assert found["passed"] == passed
        assert "over all rows" in found["meaning"]


def test_prices_are_told_from_seasons_and_from_what_covariates_drive():
    assert list(price_like(explained_shares(read(SP500, target="close"), 5)).index) == [("close", 1), ("close", 5)]
    air = Panel.from_frame(load_sample("airline"), Schema.of("passengers"))
    assert price_like(explained_shares(air, 12)).empty
    driven = CHANGE.to_numpy() + 0.01 * np.random.default_rng(0).normal(size=900)
    shares = explained_shares(read(SP500.assign(driver=driven), target="close", known="driver"), 1)
    assert shares.loc[("close", 1), "past"] < 0.05
    assert 0.2 < shares.loc[("close", 1), "known"] < 0.6
    assert price_like(shares).empty


def test_short_frames_say_nothing():
    shares = explained_shares(read(SP500[:40], target="close", past="volume"), 1)
    assert shares.isna().all(axis=None)
    assert price_like(shares).empty
    assert foreknown(read(SP500[:40], target="close", past="volume"), 1).empty


def with_forecasts(result, share):
    """The same result, whose model knows some of what happens."""
    table = result.forecasts.copy()
    last = table.loc[table["model"] == "last_value", "forecast"].to_numpy()
    rows = table["model"] == "ridge"
    table.loc[rows, "forecast"] = last + share * (table.loc[rows, "actual"].to_numpy() - last)
    return replace(result, forecasts=table)


def test_scores_that_prices_do_not_allow_are_suspicious():
    honest = backtest({"ridge": ridge()}, SP500[["close"]], n_cutoffs=150, stride=1)
    assert honest.suspicions() == ()
    (sentence,) = with_forecasts(honest, 0.5).suspicions()
    assert sentence.startswith(
        "ridge, 1 row ahead: right in 100.0 % of 150 moves, errors 50.0 % below those of the last"
    )
    assert sentence.endswith("of the changes of 'close'.")
    (sentence,) = with_forecasts(honest, 0.1).suspicions()  # errors are 10 % smaller
    assert "errors" not in sentence
    assert with_forecasts(honest, -0.5).suspicions() == ()
    assert replace(with_forecasts(honest, 0.5), explained=None).suspicions() == ()


def test_the_last_step_is_looked_at_with_its_own_limits():
    honest = backtest({"ridge": ridge(horizon=5)}, SP500[["close"]], n_cutoffs=150, stride=3)
    steps = [sentence.split(":")[0] for sentence in with_forecasts(honest, 0.5).suspicions()]
    assert honest.suspicions() == ()
    assert steps == ["ridge, 1 row ahead", "ridge, 5 rows ahead"]


def stocks():
    table = load_sample("us_stocks")["close"].unstack("ticker").iloc[-700:, :8]
    return table.stack().rename("close").to_frame().swaplevel().sort_index()


def test_an_information_coefficient_is_suspicious_in_a_panel():
    frame = stocks()
    change = np.log(frame["close"]).groupby(level=0).diff(-1).mul(-1)
    noise = np.random.default_rng(0).normal(size=len(frame)) * change.std()
    frame["feature"] = (change + 2.5 * noise).fillna(0.0)  # a correlation of 0.37
    honest, cheat = (
        backtest(
            {"ridge": Forecaster(Ridge(), 1, 10, target="close", past=past, log=True, calendar="XNYS")},
            frame,
            n_cutoffs=120,
        )
        for past in (None, "feature")
    )
    assert honest.suspicions() == ()
    sentence, hint = cheat.suspicions()
    assert "'feature' (past) +0.3" in hint
    assert "an information coefficient of 0." in sentence


def test_a_smoothed_price_is_suspicious():
    smooth = SP500.assign(close=CLOSE.rolling(5, center=True, min_periods=1).mean())
    (sentence,) = backtest({"ridge": ridge()}, smooth, n_cutoffs=60).suspicions()
    assert sentence.startswith("'close' is named like a price, but its past explains ")
    found = audit(ridge(), smooth, 2).set_index("check").loc["too good to be true"]
    assert not found["passed"]
    assert "is it smoothed" in found["meaning"]


def frozen(**parameters):
    """A regressor that has seen the whole frame."""
    return FrozenEstimator(ridge(**parameters).fit(SP500).regressor_)


class Rule(RegressorMixin, BaseEstimator):
    """Half of what the last row has moved; learns nothing and keeps no state."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.asarray(X)[:, -2] * 0.5


class Declared(Rule):
    """The same, which says until when it was trained."""

    pretrained_until = None


class Late(Rule):
    """Trained on years that the backtest judges."""

    pretrained_until = "2018-12-03"


@pytest.mark.parametrize(
    "model",
    [
        Forecaster(frozen(), 1, 20, target="close", log=True, calendar="XNYS"),
        Forecaster(make_pipeline(StandardScaler(), frozen()), 1, 20, target="close", log=True, calendar="XNYS"),
        Forecaster(Rule(), 1, 20, target="close", log=True, calendar="XNYS"),
        EnsembleForecaster([ridge(), Forecaster(frozen(), 1, 20, target="close", log=True, calendar="XNYS")]),
        ConformalForecaster(Forecaster(frozen(), 1, 20, target="close", log=True, calendar="XNYS")),
    ],
    ids=["frozen", "pipeline", "no state", "ensemble", "conformal"],
)
def test_what_a_regressor_trained_elsewhere_has_seen_is_unknown(model):
    result = backtest({"model": model}, SP500[["close"]], n_cutoffs=6, stride=5, refit=3)
    fits = result.fits[result.fits["model"] == "model"]
    assert fits["fitted_until"].isna().all()
    assert (fits["fitted"] == "elsewhere").all()
    assert any(UNKNOWN in sentence for sentence in result.suspicions())
    naive = result.fits[result.fits["model"] == "last_value"]
    assert (naive["fitted_until"] == naive["first_cutoff"]).all()


@pytest.mark.parametrize(
    ("regressor", "passed"),
    [(frozen(), False), (Rule(), False), (Late(), False), (Declared(), pd.NA), (LastValue(), pd.NA), (Ridge(), True)],
    ids=["frozen", "rule", "late", "declared", "naive", "ridge"],
)
def test_the_audit_finds_fits_that_do_not_depend_on_their_data(regressor, passed):
    model = Forecaster(regressor, 1, 20, target="close", log=True, calendar="XNYS")
    found = audit(model, SP500, 2).set_index("check").loc["fit depends on its data"]
    assert found["passed"] is passed or found["passed"] == passed


def test_a_declaration_is_believed():
    models = {
        name: Forecaster(rule, 1, 20, target="close", calendar="XNYS")
        for name, rule in [("old", Declared()), ("new", Late())]
    }
    result = backtest(models, SP500[["close"]], n_cutoffs=20, stride=5)
    fits = result.fits.set_index("model")
    assert fits["fitted"][["old", "new"]].tolist() == ["here", "elsewhere"]
    assert fits["fitted_until"]["old"] == fits["first_cutoff"]["old"]
    assert fits["fitted_until"]["new"] == pd.Timestamp("2018-12-03")
    assert result.suspicions() == (
        "new was trained elsewhere, on rows up to 2018-12-03 00:00:00; it may have seen what it forecasts.",
    )


def test_whole_numbers_as_times_have_unknown_fits_too():
    series = pd.Series(CLOSE.to_numpy(), name="close")
    result = backtest({"rule": Forecaster(Rule(), 1, 20)}, series, n_cutoffs=3)
    assert result.fits["fitted_until"].isna().tolist() == [False] * 3 + [True]


def test_a_network_that_was_fitted_here_is_not_taken_for_another():
    quick = tsseq.Training(max_epochs=1, max_steps=2, verbose=False)
    model = tsseq.LSTMForecaster(1, 20, target="close", log=True, calendar="XNYS", hidden_size=4, training=quick)
    result = backtest({"lstm": model}, SP500[["close"]], n_cutoffs=3)
    assert result.fits["fitted"].eq("here").all()


def test_a_report_says_that_it_is_unknown_what_a_frozen_model_has_seen(tmp_path):
    model = Forecaster(frozen(), 1, 20, target="close", log=True, calendar="XNYS")
    result = backtest({"model": model}, SP500[["close"]], n_cutoffs=30)
    page = tsseq.report(result, path=tmp_path / "report.html").read_text()
    assert re.search(r">elsewhere</td>\s*<td[^>]*>unknown</td>", page)
