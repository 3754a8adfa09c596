"""Rows are in units of their own past; what is learnt comes from the rows that fit saw."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor

from tsseq import Forecaster, GRUForecaster, LastValue, NeuralRegressor, Training, make_series
from tsseq.data.scaling import Affine, Scaling
from tsseq.data.windows import Windows
from tsseq.training.loader import DeviceRows

KINDS = ["last", "adaptive", "standard", "mean", "none"]


def model(regressor=None, *, horizon=3, context_length=8, **more):
    return Forecaster(regressor or Ridge(), horizon, context_length, **more)


def walk(n=200, seed=0):
    return make_series("random_walk", n, seed=seed)


def last_windows(fitted, frame):
    """The windows at the end of every series, as predict reads them."""
    panel = fitted.to_panel(frame)
    return Windows.of(
        panel.extend(fitted.horizon),
        fitted.layout_,
        fitted.scaling_,
        panel.indptr[1:] - 1 + fitted.horizon * np.arange(len(panel)),
    )


numbers = st.floats(-1e12, 1e12, allow_subnormal=False)


@given(
    values=st.lists(numbers, min_size=3, max_size=12),
    loc=numbers,
    scale=st.floats(1e-6, 1e12),
)
def test_undoing_a_scale_gives_the_values_back(values, loc, scale):
    affine = Affine(np.array([[loc]]), np.array([[scale]]))
    given = np.array(values).reshape(1, -1, 1)
    found = affine.undo((given - loc) / scale)
    assert np.abs(found - given).max() <= 1e-9 * np.maximum(np.abs(given), abs(loc)).max()


@given(seed=st.integers(0, 100), level=st.floats(-1e6, 1e6), size=st.floats(1e-3, 1e6), kind=st.sampled_from(KINDS))
def test_scaled_targets_of_windows_come_back_in_the_units_of_the_frame(seed, level, size, kind):
    values = level + size * np.random.default_rng(seed).normal(size=40)
    windows = model(scaling=kind).windows(pd.Series(values))
    scaled = np.asarray(windows.targets()).reshape(len(windows), 3, 1)
    want = np.lib.stride_tricks.sliding_window_view(values, 3)[8:]
    np.testing.assert_allclose(windows.affine.undo(scaled)[..., 0], want, rtol=1e-9, atol=1e-9 * (abs(level) + size))


def test_undo_spreads_the_scale_of_each_target_over_steps_and_quantiles():
    affine = Affine(np.array([[1.0, 10.0], [2.0, 20.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    found = affine.undo(np.ones((2, 3, 2, 5)))
    assert found.shape == (2, 3, 2, 5)
    assert np.unique(found[0, :, 0]).tolist() == [2.0]
    assert np.unique(found[0, :, 1]).tolist() == [12.0]
    assert np.unique(found[1, :, 0]).tolist() == [5.0]
    assert np.unique(found[1, :, 1]).tolist() == [24.0]


def test_locations_and_scales_by_hand():
    frame = pd.Series([1.0, np.nan, 4.0, 2.0, 8.0, 6.0, np.nan, 5.0])
    windows = {kind: model(horizon=2, context_length=4, scaling=kind).windows(frame) for kind in KINDS}
    loc = {kind: found.affine.loc.ravel() for kind, found in windows.items()}
    scale = {kind: found.affine.scale.ravel() for kind, found in windows.items()}
    contexts = [[1.0, 4, 2], [4.0, 2, 8], [4.0, 2, 8, 6]]
    np.testing.assert_allclose(loc["last"], [2, 8, 6])
    changes = [2 - 4, 8 - 2, 6 - 8, 4 - 1, 8 - 4, 6 - 2, 5 - 6]  # three over one row, four over two
    np.testing.assert_allclose(scale["last"], np.sqrt(np.mean(np.square(changes))))
    np.testing.assert_allclose(loc["adaptive"], loc["last"])
    own = [
        np.mean(np.square([2 - 4, 4 - 1])),
        np.mean(np.square([-2, 6, 8 - 4])),
        np.mean(np.square([-2, 6, -2, 4, 4])),
    ]
    learnt, share = scale["last"][0] ** 2, np.array([0.75, 0.75, 1])  # three or four of four values are observed
    np.testing.assert_allclose(scale["adaptive"] ** 2, (learnt + share * own) / (1 + share))
    np.testing.assert_allclose(loc["standard"], [np.mean(context) for context in contexts])
    np.testing.assert_allclose(scale["standard"], [np.std(context) for context in contexts])
    np.testing.assert_allclose(loc["mean"], 0)
    np.testing.assert_allclose(scale["mean"], [np.mean(np.abs(context)) for context in contexts])
    np.testing.assert_allclose(loc["none"], 0)
    np.testing.assert_allclose(scale["none"], 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 5.1, -1 / 3, 1e12, 1e-300])
def test_a_constant_series_is_forecast_as_that_constant_exactly(kind, value):
    for regressor in (Ridge(), LinearRegression(), LastValue()):
        out = model(regressor, scaling=kind).fit(walk() * 0 + value).predict(steps=7)
        assert (out == value).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_context_is_forecast_as_that_constant_by_a_model_of_moving_series(kind):
    fitted = model(scaling=kind).fit(walk() + 20)
    assert (fitted.predict(walk() * 0 + 7.3) == 7.3).all()


@pytest.mark.parametrize("value", [5.1, 1 / 3, 1e12])
def test_a_constant_price_is_forecast_as_that_price_under_log(value):
    out = model(log=True).fit(walk() * 0 + value).predict()
    np.testing.assert_allclose(out, value, rtol=1e-14)


@pytest.mark.parametrize("kind", ["last", "adaptive", "standard"])
@pytest.mark.parametrize("series", ["noise", "ar1", "random_walk"])
def test_a_level_of_a_hundred_million_costs_no_accuracy(kind, series):
    low, high = (make_series(series, 400, seed=1) + level for level in (0.0, 1e8))
    out, far = (model(scaling=kind).fit(values).predict() for values in (low, high))
    np.testing.assert_allclose(far - 1e8, out, atol=1e-4)


@pytest.mark.parametrize("kind", ["last", "adaptive", "standard"])
@given(a=st.floats(1e-3, 1e3), b=st.floats(-1e3, 1e3))
def test_forecasts_shift_and_stretch_as_the_series_does(kind, a, b):
    out, other = (model(scaling=kind).fit(values).predict() for values in (walk(60), a * walk(60) + b))
    np.testing.assert_allclose(other, a * out + b, rtol=1e-7, atol=1e-6 * a)


@given(a=st.floats(1e-3, 1e3))
def test_forecasts_stretch_as_the_series_does_when_divided_by_their_mean_size(a):
    out, other = (model(scaling="mean").fit(values).predict() for values in (walk(60), a * walk(60)))
    np.testing.assert_allclose(other, a * out, rtol=1e-7)


def test_forecasts_of_logarithms_stretch_as_prices_do():
    prices = np.exp(walk() / 50)
    out, other = (model(log=True).fit(values).predict() for values in (prices, 1000 * prices))
    np.testing.assert_allclose(other, 1000 * out, rtol=1e-9)


@pytest.mark.parametrize("horizon", [1, 5, 48])
def test_scaled_targets_of_a_random_walk_have_unit_variance(horizon):
    values = 300 * make_series("random_walk", 30_000, seed=2)
    targets = np.asarray(model(horizon=horizon).windows(values).targets())
    assert np.mean(targets**2) == pytest.approx(1, rel=0.05)


def test_the_scale_of_log_returns_is_learnt_on_logarithms():
    prices = np.exp(0.02 * make_series("random_walk", 5_000, seed=2))
    targets = np.asarray(model(log=True).windows(prices).targets())
    assert np.mean(targets**2) == pytest.approx(1, rel=0.05)


def test_every_series_and_every_target_has_a_scale_of_its_own():
    frame = pd.concat(
        {
            name: walk(seed=size).to_frame().assign(z=-7 * walk(seed=size)) * size
            for name, size in {"a": 1, "b": 50}.items()
        }
    )
    scaling = model(target=["y", "z"]).windows(frame).scaling
    assert scaling.ids.tolist() == ["a", "b"]
    np.testing.assert_allclose(scaling.scale[:, 1], 7 * scaling.scale[:, 0])
    np.testing.assert_allclose(scaling.scale[1, 0] / scaling.scale[0, 0], 50, rtol=0.3)


def rms_change(values, steps):
    return np.sqrt(np.nanmean(np.concatenate([np.square(values[h:] - values[:-h]) for h in steps])))


@pytest.mark.parametrize(("context_length", "steps"), [(8, [1, 2, 3]), (3, [1, 2])])
def test_an_unknown_series_is_scaled_by_its_own_context(context_length, steps):
    fitted = model(context_length=context_length).fit(pd.concat({"a": walk(), "b": walk(seed=1)}))
    other = pd.concat({"b": walk(seed=1), "z": 1e4 * walk(seed=5)})
    windows = last_windows(fitted, other)
    assert windows.codes.tolist() == [2, 0]
    context = other.loc["z"].to_numpy()[-context_length:]
    np.testing.assert_allclose(windows.affine.scale.ravel(), [fitted.scaling_.scale[1, 0], rms_change(context, steps)])
    np.testing.assert_allclose(windows.affine.loc.ravel(), other.groupby(level=0).last())


def test_an_unknown_series_is_forecast_alike_in_any_units():
    fitted = model().fit(pd.concat({"a": walk(), "b": walk(seed=1)}))
    out = fitted.predict(pd.concat({"small": walk(seed=5), "large": 1e4 * walk(seed=5) + 3}))
    np.testing.assert_allclose(out.loc["large"], 1e4 * out.loc["small"] + 3, rtol=1e-9)


def test_a_series_on_its_own_is_unknown_to_a_model_of_a_panel():
    fitted = model().fit(pd.concat({"a": walk(), "b": walk(seed=1)}))
    assert last_windows(fitted, walk(seed=5)).codes.tolist() == [0]


COVARIATES = {"past": ["p", "flag"], "known": ["k", "yes", "level"], "static": ["size", "new"]}


def covariates(n=60, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return pd.concat(
        {
            name: pd.DataFrame(
                {
                    "y": walk(n, seed).to_numpy(),
                    "p": shift + 50 + 9 * rng.normal(size=n),
                    "flag": rng.random(n) < 0.3,
                    "k": shift + rng.normal(size=n),
                    "yes": (rng.random(n) < 0.8).astype(int),
                    "level": 42.0,
                    "size": size,
                    "new": size > 5.0,
                },
                pd.date_range("2024-01-01", periods=n),
            )
            for name, size in {"a": 3.0, "b": 5.0, "c": 10.0}.items()
        }
    )


def test_numeric_covariates_are_standardised_and_flags_are_not():
    frame = covariates()
    windows = model(target="y", context_length=1, horizon=1, **COVARIATES).windows(frame)
    rows = pd.DataFrame(
        np.asarray(windows), columns=["y", "p", "flag", "k", "k+", "yes", "yes+", "level", "level+", "size", "new"]
    )
    seen = frame.groupby(level=0, group_keys=False).head(-1)  # the context of every window

    def standard(name, values=seen):
        return ((values[name] - frame[name].mean()) / frame[name].std(ddof=0)).to_numpy()

    np.testing.assert_allclose(rows["p"], standard("p"))
    np.testing.assert_allclose(rows["k"], standard("k"))
    np.testing.assert_allclose(rows["k+"], standard("k", frame.groupby(level=0, group_keys=False).tail(-1)))
    np.testing.assert_array_equal(rows["flag"], seen["flag"])
    np.testing.assert_array_equal(rows["yes"], seen["yes"])
    np.testing.assert_array_equal(rows["new"], seen["new"])
    assert (rows["level"] == 0).all()
    np.testing.assert_allclose(rows["size"].unique(), (np.array([3.0, 5, 10]) - 6) / np.std([3.0, 5, 10]))


def test_covariates_are_scaled_by_what_fit_saw():
    fitted = model(target="y", **COVARIATES).fit(covariates())
    learnt, other = fitted.scaling_, covariates(seed=3, shift=1000.0)
    np.testing.assert_allclose(learnt.centre, [covariates()["p"].mean(), 0, covariates()["k"].mean(), 0, 42])
    np.testing.assert_allclose(learnt.spread, [covariates()["p"].std(ddof=0), 1, covariates()["k"].std(ddof=0), 1, 1])
    X, _ = last_windows(fitted, other).gather(np.array([0]))
    past = other.loc["a", "p"].to_numpy()[-8:]
    np.testing.assert_allclose(X[0, 8:16], (past - learnt.centre[0]) / learnt.spread[0])
    assert X[0, 8:16].min() > 50


def test_nothing_is_learnt_from_rows_after_those_given_to_fit():
    frame = covariates(80)
    early = frame[frame.index.get_level_values(1) < "2024-03-01"]
    fitted = model(target="y", **COVARIATES).fit(early)
    fitted.predict_at(frame, pd.Timestamp("2024-03-10"))
    again = Scaling.learn(fitted.to_panel(early), "last", log=False, horizon=3)
    for name in ("scale", "centre", "spread", "static_centre", "static_spread"):
        np.testing.assert_array_equal(getattr(fitted.scaling_, name), getattr(again, name))


def test_a_series_that_was_constant_in_fit_and_moves_later_is_scaled_by_its_own_context():
    trees = MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=5))
    fitted = model(trees).fit(pd.concat({"a": walk(), "flat": walk() * 0 + 5}))
    moving = 1e4 * walk(seed=5)
    out = fitted.predict(pd.concat({"flat": moving, "new": moving}))
    np.testing.assert_allclose(out.loc["flat"], out.loc["new"], rtol=1e-9)


def test_missing_values_leave_the_scales_as_they_are():
    values = walk()
    holes = values.where(np.random.default_rng(0).random(200) > 0.1)
    whole, part = (model().windows(series).scaling.scale[0, 0] for series in (values, holes))
    assert part == pytest.approx(rms_change(holes.to_numpy(), [1, 2, 3]))
    assert part == pytest.approx(whole, rel=0.2)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(1e-170),
        pytest.param(1e170),
        1e-100,
        1e100,
    ],
)
def test_the_smallest_and_the_largest_units_are_forecast_alike(size):
    want = model().fit(walk()).predict()
    np.testing.assert_allclose(model().fit(walk() * size).predict() / size, want, rtol=1e-9)


def pair(a, b):
    """Two series, "a" and "b"."""
    return pd.concat({"a": a, "b": b}, names=["id", "day"])


def test_an_adaptive_scale_follows_a_wild_window_in_full_and_a_quiet_one_down_to_a_bound():
    fitted = model(scaling="adaptive", context_length=50).fit(walk(400))
    learnt = fitted.scaling_.scale.item()
    units = {size: last_windows(fitted, size * walk(400)).affine.scale.item() for size in (1e-9, 1.0, 100.0, 200.0)}
    assert units[1e-9] == pytest.approx(learnt / np.sqrt(2))
    assert units[1e-9] < units[1.0] < 2 * learnt
    assert units[200.0] == pytest.approx(2 * units[100.0], rel=1e-3)


def test_an_adaptive_scale_is_that_of_the_window_where_the_series_is_unknown_or_was_constant():
    frame = pair(walk(), 0 * walk() + 5)
    adaptive, last = (model(scaling=kind).fit(frame) for kind in ("adaptive", "last"))
    new = pair(walk(), walk(seed=1)).rename({"a": "c"})
    np.testing.assert_array_equal(*(last_windows(fitted, new).affine.scale for fitted in (adaptive, last)))


def test_errors_in_training_count_alike_whether_a_scale_is_adaptive_or_not():
    frame = (
        pd.DataFrame({"a": walk(60).to_numpy(), "b": 100 * walk(60, seed=1).to_numpy()})
        .stack()
        .swaplevel()
        .sort_index()
    )
    units = []
    for kind in ("last", "adaptive"):
        rows = DeviceRows(model(NeuralRegressor(), scaling=kind).windows(frame), torch.device("cpu"))
        batch, _, weight = rows.batch(torch.arange(rows.n), training=True)
        units.append(weight[:, 0] / batch.scale)  # what an error in units of the data counts
    torch.testing.assert_close(*units)


def test_an_adaptive_scale_keeps_forecasts_good_when_the_amplitude_triples():
    rng, n = np.random.default_rng(0), 1200
    wave = np.sin(2 * np.pi * np.arange(n) / 24) * (1 + 0.3 * np.sin(np.arange(n) / 40)) + rng.normal(0, 0.1, n)
    frame = pd.Series(np.where(np.arange(n) < 900, wave, 3 * wave))
    errors = {}
    for kind in ("last", "adaptive"):
        training = Training(max_steps=150, learning_rate=5e-3, verbose=False)
        fitted = GRUForecaster(12, 48, hidden_size=16, line=False, scaling=kind, training=training).fit(frame[:900])
        table = fitted.predict_at(frame, np.arange(950, n - 12, 7))
        actual = frame.reindex(table["cutoff"] + table["step"]).to_numpy()
        errors[kind] = np.abs(table["forecast"] - actual).mean()
    assert errors["adaptive"] < 0.8 * errors["last"], errors
