"""Coefficients and contributions: they add up to the forecast, agree where a model is linear, and see no later row."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsseq import (
    DLinearForecaster,
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LinearForecaster,
    LSTMForecaster,
    Normal,
    PatchTSTForecaster,
    PeepholeLSTMForecaster,
    RNNForecaster,
    Seq2SeqForecaster,
    Training,
    TransformerForecaster,
    coefficients,
    contributions,
    importance,
)
from tsseq.errors import ConfigError

DAYS = pd.date_range("2022-01-01", periods=160, name="day")
QUICK = Training(max_steps=20, learning_rate=1e-2, verbose=False)
ROLES = {"target": "y", "past": ["x", "sky"], "known": ["promo", "calendar"], "static": "size"}
CUTOFFS = DAYS[120:140:9]
SMALL = {"hidden_size": 8, "segment_length": 4}
KINDS = {
    "linear": (LinearForecaster, {}),
    "dlinear": (DLinearForecaster, {"kernel_size": 5}),
    "rnn": (RNNForecaster, SMALL),
    "lstm": (LSTMForecaster, SMALL),
    "gru": (GRUForecaster, SMALL | {"head": Normal()}),
    "peephole": (PeepholeLSTMForecaster, SMALL),
    "seq2seq": (Seq2SeqForecaster, SMALL),
    "transformer": (TransformerForecaster, SMALL | {"n_heads": 2, "n_layers": 1, "feedforward_size": 8}),
    "patchtst": (PatchTSTForecaster, {"patch_length": 4, "stride": 2, "hidden_size": 8, "n_heads": 2, "n_layers": 1}),
}


def shops():
    """Two series at levels far apart, with covariates of all kinds; one begins late and has holes."""
    rng, frames = np.random.default_rng(0), {}
    for k, name in enumerate(("z", "b")):
        x, promo = rng.normal(size=160), rng.integers(0, 2, 160)
        y = np.exp(3 * k + 0.3 * np.roll(x, 3) + 0.2 * promo + 0.05 * rng.normal(size=160))
        sky = rng.choice(["sun", "rain", "snow"], 160)
        frames[name] = pd.DataFrame({"y": y, "x": x, "sky": sky, "promo": promo, "size": k}, DAYS)
    frames["b"].iloc[:114, :2] = np.nan
    frames["b"].iloc[122, :2] = np.nan
    return pd.concat(frames, names=["shop", "day"])


SHOPS = shops()


def neural(kind, **more):
    network, options = KINDS[kind]
    options = {"training": QUICK, "line": False, "series_embedding": True} | ROLES | options | more
    return network(3, 12, **options).fit(SHOPS)


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_to_a_forecast_sum_to_it(kind):
    model = neural(kind, log=kind in ("gru", "lstm"))
    table = contributions(model, SHOPS, CUTOFFS)
    names = {"y", "x", "sky", "promo", "size", "shop", "baseline"}
    assert set(table["column"]) == names | {name for name in model.schema_.calendar}
    keys = ["shop", "cutoff", "step"]
    sums = table.groupby(keys)["contribution"].sum()
    forecasts = model.predict_at(SHOPS, CUTOFFS).set_index(keys)["forecast"].reindex(sums.index)
    forecasts = np.log(forecasts) if model.log else forecasts
    np.testing.assert_allclose(sums, forecasts, rtol=1e-3)
    moves = table[table["column"] != "baseline"].groupby(keys)["contribution"].sum()
    assert moves.abs().min() > 1e-6


def test_contributions_to_categories_sum_to_the_probability():
    frame = SHOPS.assign(y=np.where(SHOPS["x"].groupby("shop").shift(3).gt(0), "up", "down"))
    model = GRUForecaster(2, 12, training=QUICK, **SMALL, **ROLES).fit(frame)
    sums = contributions(model, frame, CUTOFFS).groupby(["shop", "cutoff", "step"])["contribution"].sum()
    table = model.predict_at(frame, CUTOFFS, proba=True).set_index(["shop", "cutoff", "step"]).reindex(sums.index)
    np.testing.assert_allclose(sums, table[["p_up", "p_down"]].max(axis=1), atol=1e-3)


@pytest.mark.parametrize("multivariate", ["joint", "independent"])
def test_several_targets_have_contributions_each(multivariate):
    wide = pd.DataFrame({"a": SHOPS.loc["z", "y"], "b": SHOPS.loc["z", "x"]})
    model = LSTMForecaster(2, 12, target=["a", "b"], multivariate=multivariate, training=QUICK, **SMALL).fit(wide)
    table = contributions(model)
    sums = table.groupby(["target", "step"])["contribution"].sum().unstack("step")
    np.testing.assert_allclose(sums, model.predict().T, rtol=1e-3)
    read = table[(table["target"] == "b") & (table["column"] == "a")]
    assert len(read) == (24 if multivariate == "joint" else 0)


def test_contributions_see_nothing_behind_the_last_cutoff():
    frame = SHOPS.drop(columns="sky").assign(promo=SHOPS["promo"].astype(float))
    model = LSTMForecaster(3, 12, target="y", past="x", known="promo", training=QUICK, line=False, **SMALL).fit(frame)
    poisoned = frame.copy()
    late = poisoned.index.get_level_values("day") > CUTOFFS[-1]
    poisoned.loc[late, ["y", "x"]] = 1e9
    poisoned.loc[poisoned.index.get_level_values("day") > CUTOFFS[-1] + 3 * pd.Timedelta("1D"), "promo"] = 1e9
    assert_frame_equal(contributions(model, poisoned, CUTOFFS), contributions(model, frame, CUTOFFS))


def test_a_constant_context_is_its_baseline():
    flat = pd.Series(np.r_[np.random.default_rng(0).normal(size=80), np.full(20, 4.0)], name="y")
    table = contributions(LinearForecaster(2, 12, training=QUICK).fit(flat))
    assert table.loc[table["column"] == "y", "contribution"].eq(0).all()
    assert table.loc[table["column"] == "baseline", "contribution"].eq(4.0).all()


LINEAR = {
    "ridge": Forecaster(Ridge(), 2, 6, target="y", past=["x", "noise"]),
    "pipeline": Forecaster(make_pipeline(StandardScaler(), Ridge()), 2, 6, target="y", known="x", scaling="none"),
    "network": LinearForecaster(2, 6, target="y", past=["x", "noise"], training=QUICK),
    "dlinear": DLinearForecaster(2, 6, target="y", past=["x"], kernel_size=3, training=QUICK),
    "ensemble": EnsembleForecaster(
        [Forecaster(Ridge(), 2, 6, target="y", past="x"), Forecaster(LinearRegression(), 2, 4, target="y", past="x")]
    ),
    "logarithms": Forecaster(Ridge(), 2, 6, target="y", past="x", log=True),
}


def line(n=160):
    """A target that follows x after 3 rows, and less after 5; noise it does not follow."""
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(2, n))
    y = 20 + 2 * np.roll(x, 3) + np.roll(x, 5) + 0.1 * rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "noise": noise}, DAYS[:n])


@pytest.mark.parametrize("kind", LINEAR)
def test_a_linear_forecast_is_the_sum_of_coefficients_times_values(kind):
    frame = line()
    model = LINEAR[kind].fit(frame[:120])
    table, cutoff = coefficients(model), 130
    logs = model.models_logs
    values = frame.assign(intercept=1.0, y=np.log(frame["y"]) if logs else frame["y"])
    read = [values[name].iloc[cutoff + 1 - lag] for name, lag in table.index]
    forecast = model.predict_at(frame, DAYS[cutoff])["forecast"]
    np.testing.assert_allclose(np.array(read) @ table, np.log(forecast) if logs else forecast, rtol=1e-5)
    assert table.columns.tolist() == [1, 2]


def test_without_scaling_they_are_those_of_the_regressor():
    model = Forecaster(Ridge(), 2, 6, scaling="none").fit(line()["y"])
    table = coefficients(model)
    np.testing.assert_allclose(table.loc["y"][::-1].T, model.regressor_.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table.loc[("intercept", 0)], model.regressor_.intercept_, rtol=1e-6)


def test_series_with_scales_of_their_own_have_coefficients_of_their_own():
    frame = SHOPS.drop(columns="sky").fillna(1.0)
    model = Forecaster(Ridge(), 1, 6, target="y", past="x", known="promo", static="size").fit(frame)
    table = coefficients(model)
    assert table.index.names == ["shop", "column", "lag"]
    assert table.loc[("b", "promo", 0), 1] > 5 * table.loc[("z", "promo", 0), 1] > 0
    np.testing.assert_allclose(table.loc[("b", "y")], table.loc[("z", "y")], rtol=1e-9)  # units of the target cancel
    for shop, rows in table.groupby("shop"):
        values = frame.loc[shop].assign(intercept=1.0)
        read = [values[name].iloc[131 - lag] for _, name, lag in rows.index]
        forecast = model.predict_at(frame, DAYS[130]).set_index("shop").loc[shop, "forecast"]
        assert float(np.array(read) @ rows[1]) == pytest.approx(forecast)


@pytest.mark.parametrize("network", [False, True])
def test_a_category_has_a_coefficient_beside_an_unknown_one(network):
    frame = SHOPS.loc["z", ["y", "sky"]].assign(y=lambda rows: rows["sky"].map({"sun": 1.0, "rain": 2.0, "snow": 4.0}))
    model = Forecaster(LinearRegression(), 1, 3, target="y", known="sky", scaling="none")
    if network:
        model = LinearForecaster(1, 3, target="y", known="sky", scaling="none", training=Training(verbose=False))
    table = coefficients(model.fit(frame))[1]
    gaps = [table[(f"sky={name}", 0)] - table[("sky=rain", 0)] for name in ("sun", "snow")]
    np.testing.assert_allclose(gaps, [-1.0, 2.0], atol=0.1)


def test_on_a_linear_model_all_three_say_the_same():
    frame = line() - [20, 0, 0]  # contributions count from 0
    model = LinearForecaster(1, 6, target="y", past=["x", "noise"], scaling="none", training=QUICK).fit(frame[:120])
    rows = coefficients(model)[1].drop("intercept")
    sizes = rows.abs() * [frame[name].std() for name, _ in rows.index]
    measured = importance(model, frame, by="lag", n_repeats=20).table["importance"]
    followed = importance(model, frame, by="lag", method="gradients").table["importance"]
    assert [list(x.nlargest(2).index) for x in (sizes, measured, followed)] == [[("x", 3), ("x", 5)]] * 3
    assert followed.corr(sizes) > 0.98
    table = contributions(model, frame, DAYS[130])
    own = table[table["column"] == "x"].set_index("lag")["contribution"].sort_index()
    moved = rows.loc["x"] * np.array([frame["x"].iloc[131 - lag] - model.scaling_.centre[0] for lag in rows["x"].index])
    np.testing.assert_allclose(own, moved, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: coefficients(Forecaster(ExtraTreesRegressor(5), 1, 6).fit(line()["y"])), "is not linear in what it"),
        (lambda: coefficients(Forecaster(Ridge(), 1, 6, scaling="standard").fit(line()["y"])), "scaling='standard'"),
        (lambda: coefficients(neural("lstm")), "LSTMForecaster is not linear"),
        (lambda: coefficients(Forecaster(LogisticRegression(), 1, 6).fit(line()["y"] > 20)), "holds categories"),
        (lambda: contributions(LINEAR["ridge"].fit(line())), "Forecaster holds no network"),
        (
            lambda: contributions(Seq2SeqForecaster(8, 12, training=QUICK, **SMALL).fit(line()["y"] > 20)),
            "feeds categories back into itself",
        ),
    ],
)
def test_what_has_no_coefficients_or_gradients_says_so(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_captum_finds_the_same():
    captum = pytest.importorskip("captum.attr")
    torch = pytest.importorskip("torch")
    frame = line()
    model = LSTMForecaster(1, 6, target="y", past=["x", "noise"], line=False, training=QUICK).fit(frame[:120])
    regressor, windows = model.regressor_, model.windows_at(frame, DAYS[130:134])
    X = torch.tensor(np.asarray(windows), dtype=torch.float32)

    def forecast(rows):
        from tsseq.networks.batch import unflatten

        unit = torch.ones(len(rows), 1)
        batch = unflatten(rows, model.layout_, torch.zeros(len(rows), dtype=torch.int64), 0 * unit, unit)
        return regressor.head_.mean(regressor.network_(batch))[:, 0, 0]

    theirs = captum.IntegratedGradients(forecast).attribute(X, n_steps=200)
    np.testing.assert_allclose(regressor.contributions(windows)[:, 0, :-2], theirs.detach().numpy(), atol=1e-4)
