"""Going on from what was learnt: new rows, new series, new categories, parts that stay, and what cannot go on."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge, SGDRegressor

import tsseq
from tsseq import (
    ConformalForecaster,
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LastValue,
    LinearForecaster,
    NeuralRegressor,
    Normal,
    Training,
)
from tsseq.errors import ConfigError, DataError, NotEnoughHistory, TrainingDivergedError
from tsseq.networks import GRU, Linear

DAYS = pd.date_range("2024-01-01", periods=150, name="day")
LENGTH, HORIZON = 8, 3
BEFORE, SINCE = DAYS < "2024-04-20", DAYS >= "2024-04-20"
QUICK = Training(max_steps=10, verbose=False)
STILL = Training(max_epochs=1, max_steps=1, learning_rate=1e-30, weight_decay=0.0, validation=0.0, verbose=False)


def series(seed=0, level=10.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    columns = {"sales": random.normal(size=150).cumsum() + level, "kind": random.choice(["x", "y"], 150)}
    return pd.DataFrame(columns, DAYS)


def panel(ids="ba") -> pd.DataFrame:
    return pd.concat({name: series(ord(name)) for name in ids}, names=["shop"])


def days(frame, which):
    return frame[np.isin(frame.index.get_level_values("day"), DAYS[which])]


def long(frame):
    return frame.reset_index()


def wide(frame):
    return frame[["sales"]].unstack("shop").rename_axis(columns=["field", "ticker"])


SHAPES = {
    "panel": (lambda frame: frame[["sales"]], {}),
    "long": (lambda frame: long(frame[["sales"]]), {"id_column": "shop", "time_column": "day"}),
    "wide": (wide, {}),
    "closes": (lambda frame: wide(frame)["sales"], {}),
    "one series": (lambda frame: frame.loc["b", ["sales"]], {}),
    "Series": (lambda frame: frame.loc["b", "sales"], {}),
}
ROLES = {"target": "sales", "calendar": "D", "training": QUICK}


def weights_of(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.regressor_.network_.state_dict().items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_new_rows_alone_are_enough_in_any_shape(shape):
    """They join those of fit: the result is that of windows across the border, and forecasts begin at the new end."""
    turn, roles = SHAPES[shape]
    model = LinearForecaster(HORIZON, LENGTH, **ROLES | roles).fit(turn(days(panel(), BEFORE)))
    longer = deepcopy(model)
    scale = model.scaling_.scale.copy()
    model.update(turn(days(panel(), SINCE)))
    longer.update(turn(days(panel(), np.flatnonzero(SINCE)[0] - LENGTH - HORIZON + 1 + np.arange(50))))
    assert model.fitted_until_ == DAYS[-1]
    np.testing.assert_array_equal(model.scaling_.scale, scale)
    forecast, again, later = (
        pd.DataFrame(f) for f in (model.predict(), longer.predict(), model.predict(turn(panel())))
    )
    pd.testing.assert_frame_equal(forecast, again, check_exact=True, check_freq=False)
    pd.testing.assert_frame_equal(forecast, later, check_freq=False)
    assert len(model.history_) > len(LinearForecaster(HORIZON, LENGTH, **ROLES).fit(series()[["sales"]]).history_)


def test_a_single_new_row_completes_a_window():
    model = LinearForecaster(HORIZON, LENGTH, **ROLES).fit(series()[["sales"]][:100])
    before = weights_of(model)
    model.update(series()[["sales"]][100:101])
    assert model.fitted_until_ == DAYS[100]
    assert not torch.equal(before["core.map.weight"], weights_of(model)["core.map.weight"])


def test_what_is_learnt_from_are_the_windows_that_new_rows_complete():
    model = Forecaster(LastValue(), HORIZON, LENGTH, target="sales").fit(series()[["sales"]][:100])
    windows, whole = model._newer_windows(series()[["sales"]][100:110])
    assert len(windows) == 10
    assert whole.times.take(windows.origin + HORIZON).tolist() == DAYS[100:110].tolist()


def test_rows_after_a_gap_stand_for_themselves():
    model = LinearForecaster(HORIZON, LENGTH, **ROLES).fit(series()[["sales"]][:100])
    windows, _ = model._newer_windows(series()[["sales"]][110:130])
    assert len(windows) == 20 - LENGTH - HORIZON + 1
    with pytest.raises(NotEnoughHistory, match="the series has 5 rows"):
        model.update(series()[["sales"]][110:115])
    assert model.fitted_until_ == DAYS[99]


NETWORKS = {
    "vectors and categories": {"known": "kind", "static": "shop", "series_embedding": True, "line": False},
    "a line for each": {"known": "kind", "line": True, "series_embedding": True},
}


@pytest.mark.parametrize("roles", NETWORKS.values(), ids=NETWORKS)
def test_new_series_and_categories_change_nothing_for_old_ones_before_they_learn(roles, tmp_path):
    model = GRUForecaster(HORIZON, LENGTH, hidden_size=4, **ROLES, **roles).fit(days(panel(), BEFORE))
    newer = days(panel("bca"), SINCE).assign(kind=lambda frame: np.where(frame["kind"] == "x", "x", "new"))
    newer = newer[~((newer["kind"] == "new") & (newer.index.get_level_values("shop") != "c"))].reindex(newer.index)
    newer["sales"] = days(panel("bca"), SINCE)["sales"]
    still = deepcopy(model).update(newer, training=STILL)
    rows = days(panel(), SINCE)
    future = pd.DataFrame({"kind": "x"}, model.make_future_frame(rows).index)
    want = model.predict(rows, future=future)
    pd.testing.assert_frame_equal(still.predict(rows, future=future), want, rtol=1e-6)
    assert still.scaling_.ids.tolist() == ["a", "b", "c"]
    assert still.panel_.category_of["kind"].tolist() == ["x", "y", "new"]
    learnt = deepcopy(model).update(newer)
    vectors = weights_of(learnt)["embed.series.weight"]
    assert len(vectors) == 4
    assert vectors[3].abs().sum() > 0
    learnt.save(tmp_path / "model.tsseq")
    loaded = tsseq.load(tmp_path / "model.tsseq")
    pd.testing.assert_frame_equal(loaded.predict(rows, future=future), learnt.predict(rows, future=future))


def test_a_line_stays_and_its_network_goes_on():
    model = LinearForecaster(HORIZON, LENGTH, **ROLES, line=True).fit(days(panel(), BEFORE)[["sales"]])
    before = weights_of(model)
    model.update(days(panel(), SINCE)[["sales"]])
    after = weights_of(model)
    assert torch.equal(before["line.weight"], after["line.weight"])
    assert not torch.equal(before["core.map.weight"], after["core.map.weight"])


def test_frozen_parts_stay_as_they_are_and_learn_again_later():
    roles = {"series_embedding": True, "line": False}
    model = GRUForecaster(HORIZON, LENGTH, hidden_size=4, **ROLES, **roles).fit(days(panel(), BEFORE)[["sales"]])
    newer, before = days(panel(), SINCE)[["sales"]], weights_of(model)
    model.update(newer, freeze="core")
    after = weights_of(model)
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("core."))
    assert not torch.equal(before["embed.series.weight"], after["embed.series.weight"])
    model.update(newer)
    assert not any(torch.equal(after[name], weight) for name, weight in weights_of(model).items())
    with pytest.raises(ConfigError, match=r"names 'encoder', and the network has the parts embed\.series, core"):
        model.update(newer, freeze=["encoder"])
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        model.update(newer, freeze=["core", "embed"])


def test_a_model_that_was_saved_is_updated_as_the_one_in_memory(tmp_path):
    model = LinearForecaster(HORIZON, LENGTH, **ROLES, weight="w")
    frame = panel().drop(columns="kind").assign(w=np.random.default_rng(0).random(300))
    model.fit(days(frame, BEFORE)).save(tmp_path / "model.tsseq")
    loaded = tsseq.load(tmp_path / "model.tsseq")
    newer = days(frame, SINCE)
    assert_same = pd.testing.assert_frame_equal
    assert_same(loaded.update(newer).predict(), model.update(newer).predict(), check_exact=True)
    loaded.save(tmp_path / "model.tsseq")
    assert_same(tsseq.load(tmp_path / "model.tsseq").predict(), model.predict(), check_exact=True)


def test_a_failed_update_leaves_everything_as_it_was():
    model = LinearForecaster(HORIZON, LENGTH, **ROLES).fit(series()[["sales"]][:100])
    want = model.predict()
    with pytest.raises(TrainingDivergedError, match="the loss became"):
        model.update(series()[["sales"]][100:], training=Training(learning_rate=1e30, verbose=False))
    with pytest.raises(DataError, match="column 'sales' is not in the frame"):
        model.update(series()[["kind"]][100:])
    with pytest.raises(DataError, match="single series without an id"):
        model.update(days(panel(), SINCE)[["sales"]])
    pd.testing.assert_frame_equal(model.predict(), want, check_exact=True)


def test_naive_forecasts_and_partial_fits_go_on_and_what_cannot_is_refused():
    frame = series()[["sales"]]
    naive = Forecaster(LastValue(), HORIZON, LENGTH).fit(frame[:100]).update(frame[100:])
    assert (naive.predict()["sales"] == frame["sales"].iloc[-1]).all()
    sgd = Forecaster(SGDRegressor(random_state=0), 1, LENGTH).fit(frame[:100])
    before = sgd.regressor_.coef_.copy()
    sgd.update(frame[100:])
    assert not np.array_equal(before, sgd.regressor_.coef_)
    with pytest.raises(ConfigError, match="freeze= are for networks, and the regressor is SGDRegressor"):
        sgd.update(frame[100:], freeze="core")
    with pytest.raises(ConfigError, match=r"Ridge cannot go on from what it has learnt .*partial_fit.*fit it anew"):
        Forecaster(Ridge(), HORIZON, LENGTH).fit(frame[:100]).update(frame[100:])


def test_ensembles_and_bands_are_updated_inside():
    frame = days(panel(), BEFORE)[["sales"]]
    newer = days(panel("bac"), SINCE)[["sales"]]
    naive = Forecaster(LastValue(), HORIZON, 12, target="sales", calendar="D")
    members = [LinearForecaster(HORIZON, LENGTH, **ROLES), naive]
    ensemble = EnsembleForecaster(members).fit(frame).update(newer)
    alone = members[0].fit(frame).update(newer).predict()
    want = (alone["sales"] + naive.fit(newer).predict()["sales"]) / 2
    np.testing.assert_allclose(ensemble.predict()["sales"].sort_index(), want.sort_index())
    for rolling in (False, True):
        bands = ConformalForecaster(LinearForecaster(HORIZON, LENGTH, **ROLES), 20, rolling=rolling).fit(frame)
        updated = bands.update(newer)
        assert updated.fitted_until_ == DAYS[-1]
        found = updated.predict(levels=[0.1, 0.9])
        assert len(found) == 3 * HORIZON
        assert (found["sales_q0.1"] < found["sales_q0.9"]).all()


X = np.random.default_rng(0).normal(size=(200, 6))
Y = X @ [1.0, 0.0, -2.0, 0.0, 0.5, 0.0]


def test_partial_fit_is_fit_the_first_time_and_goes_on_afterwards():
    first = NeuralRegressor(Linear(), training=QUICK).partial_fit(X, Y)
    np.testing.assert_array_equal(first.predict(X), NeuralRegressor(Linear(), training=QUICK).fit(X, Y).predict(X))
    errors = [np.abs(first.partial_fit(X, Y).predict(X) - Y).mean() for _ in range(5)]
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(ValueError, match="6 features"):
        first.partial_fit(X[:, :4], Y)
    with pytest.raises(ConfigError, match="asked to go on with rows of"):
        first.partial_fit(X, np.column_stack([Y, Y]))


def test_partial_fit_weighs_rows():
    weight = np.arange(200) % 2
    models = [NeuralRegressor(Linear(), Normal(), QUICK).fit(X, Y) for _ in range(2)]
    models[0].partial_fit(X, Y, sample_weight=weight)
    models[1].partial_fit(X[1::2], Y[1::2])
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))


def test_a_line_that_was_believed_alone_lets_its_network_try_again():
    model = NeuralRegressor(GRU(4, line=True), training=QUICK).fit(X, Y)
    model.network_.line.share.fill_(0.0)
    want = model.predict(X)
    few = deepcopy(model).partial_fit(X[:20], Y[:20], training=Training(max_steps=5, validation=0.0, verbose=False))
    np.testing.assert_array_equal(few.predict(X), want)  # no rows say that the network is worth it
    other = Y + np.abs(X[:, 0])
    model.partial_fit(X, other, training=Training(max_epochs=10, learning_rate=0.01, verbose=False))
    assert float(model.network_.line.share) > 0


def test_rows_that_end_before_those_of_fit_are_no_update():
    frame = series()[["sales"]]
    model = LinearForecaster(HORIZON, LENGTH, training=QUICK).fit(frame[:120])
    for older in (frame[:100], frame[90:119]):
        with pytest.raises(DataError, match=r"newer rows end at .* and those that were fitted on at 2024-04-29"):
            model.update(older)
    assert model.update(frame[100:125]).fitted_until_ == DAYS[124]
