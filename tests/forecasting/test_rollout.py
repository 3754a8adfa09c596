"""Beyond the horizon, sampled paths and attention, as frames."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from tsseq import (
    ConfigError,
    DataError,
    DLinearForecaster,
    Forecaster,
    GRUForecaster,
    LinearForecaster,
    LSTMForecaster,
    Normal,
    PatchTSTForecaster,
    Point,
    Quantiles,
    Seq2SeqForecaster,
    Training,
    TransformerForecaster,
    make_series,
)
from tsseq.forecasting import rollout

QUICK = Training(max_epochs=1, max_steps=20, verbose=False)
DAYS = pd.date_range("2024-01-01", periods=120, name="day")
WALK = make_series("random_walk", 150, seed=1)


def long(**lengths):
    """Series that end at one day, in the order in which they are named."""
    walks = {
        name: make_series("random_walk", 120, seed=i, level=50).to_numpy() for i, name in enumerate(lengths, start=3)
    }
    parts = [pd.DataFrame({"y": walks[k][-n:], "id": k, "day": DAYS[-n:]}) for k, n in lengths.items()]
    return pd.concat(parts, ignore_index=True)


PANEL = long(z=120, a=120, m=120)
ROLES = {"target": "y", "id_column": "id", "time_column": "day"}


@pytest.fixture(scope="module")
def walker():
    """Fitted on thirty random walks, whose quantiles are known."""
    wide = pd.DataFrame({f"s{i:02}": make_series("random_walk", 200, seed=i) for i in range(30)})
    return LinearForecaster(
        4, 12, target=list(wide), head=Normal(), training=Training(max_epochs=6, verbose=False)
    ).fit(wide[:150]), wide


@pytest.fixture(scope="module")
def panels():
    return GRUForecaster(4, 16, head=Normal(), hidden_size=8, segment_length=4, training=QUICK, **ROLES).fit(PANEL)


def test_the_band_of_a_random_walk_covers_what_comes_and_widens(walker):
    model, wide = walker
    inside, widths = [], []
    for end in range(150, 186, 4):
        found = model.predict(wide[:end], steps=12, levels=[0.1, 0.9])
        low, high = (found[[f"{name}_q{level}" for name in wide]].to_numpy() for level in (0.1, 0.9))
        actual = wide[end : end + 12].to_numpy()
        inside.append((low <= actual) & (actual <= high))
        widths.append((high - low).mean(axis=1))
    assert 0.72 <= np.mean(np.stack(inside)[:, 4:]) <= 0.88
    width = np.mean(widths, axis=0)
    assert (np.diff(width[[0, 3, 6, 9, 11]]) > 0).all()
    np.testing.assert_allclose(width / np.sqrt(np.arange(1, 13)), 2 * 1.2816, rtol=0.15)


def test_within_the_horizon_quantiles_are_those_of_the_head(walker, panels):
    model, wide = walker
    for one, frame in ((model, wide), (panels, PANEL)):
        inside, beyond = (one.predict(frame, steps=steps, levels=[0.2, 0.9]) for steps in (4, 9))
        rows = slice(0, 4) if one is model else np.arange(27).reshape(3, 9)[:, :4].ravel()
        pd.testing.assert_frame_equal(beyond.iloc[rows].reset_index(drop=True), inside.reset_index(drop=True))


def test_points_beyond_the_horizon_are_the_same_with_quantiles_and_without(panels):
    plain, more = panels.predict(steps=10), panels.predict(steps=10, levels=[0.1])
    pd.testing.assert_frame_equal(plain, more[list(plain)])


@pytest.mark.parametrize("log", [False, True])
def test_quantiles_of_paths_are_those_of_predict(log):
    frame = PANEL.assign(x=1.0 + PANEL["y"] ** 2)
    roles = {**ROLES, "target": ["y", "x"], "log": log}
    model = GRUForecaster(4, 16, head=Normal(), hidden_size=8, segment_length=4, training=QUICK, **roles).fit(frame)
    paths, found = model.sample(n_paths=1500, steps=7), model.predict(steps=7, levels=[0.1, 0.9])
    assert list(paths[["id", "day"]].itertuples(index=False)) == list(found[["id", "day"]].itertuples(index=False))
    for name in ("y", "x"):
        drawn = paths[[f"{name}_path{k}" for k in range(1500)]].to_numpy()
        low, high = (found[f"{name}_q{level}"].to_numpy() for level in (0.1, 0.9))
        for level, exact in ((0.1, low), (0.9, high)):
            off = np.abs(np.quantile(drawn, level, axis=1) - exact) / (high - low)
            assert off.reshape(3, 7)[:, :4].max() < 0.08
            assert off.max() < 0.3  # predict draws 200 paths of its own
        assert not log or (drawn > 0).all()


def test_paths_repeat_with_their_seed(panels):
    pd.testing.assert_frame_equal(panels.sample(n_paths=3), panels.sample(n_paths=3), check_exact=True)
    assert not panels.sample(n_paths=3).equals(panels.sample(n_paths=3, seed=1))
    drawn = panels.sample(n_paths=2, steps=9)
    assert (drawn["y_path0"] != drawn["y_path1"]).all()


def test_paths_of_every_network_that_reads_itself_follow_its_quantiles():
    model = Seq2SeqForecaster(6, 24, head=Normal(), hidden_size=8, segment_length=2, training=QUICK).fit(WALK)
    found, paths = model.predict(steps=6, levels=[0.1, 0.9]), model.sample(n_paths=1500)
    width = (found["y_q0.9"] - found["y_q0.1"]).to_numpy()
    assert (width > 0).all()
    for level in (0.1, 0.9):
        assert (np.abs(paths.quantile(level, axis=1) - found[f"y_q{level}"]) / width).max() < 0.15
    pd.testing.assert_frame_equal(found, model.predict(steps=6, levels=[0.1, 0.9]), check_exact=True)


def test_paths_come_in_the_shape_of_the_frame(panels):
    names = [f"y_path{k}" for k in range(2)]
    found = panels.sample(n_paths=2, steps=5)
    assert list(found) == ["id", "day", *names]
    assert found["id"].tolist() == ["z"] * 5 + ["a"] * 5 + ["m"] * 5
    assert found["day"].tolist() == list(pd.date_range("2024-04-30", periods=5)) * 3
    indexed = PANEL.set_index(["id", "day"])
    model = GRUForecaster(4, 16, head=Normal(), hidden_size=8, segment_length=4, training=QUICK).fit(indexed)
    other = model.sample(n_paths=2, steps=5)
    assert other.index.names == ["id", "day"]
    pd.testing.assert_frame_equal(other, found.set_index(["id", "day"]), check_exact=True)
    wide = PANEL.pivot(index="day", columns="id", values="y")
    model = LinearForecaster(4, 16, head=Normal(), target=list(wide), training=QUICK).fit(wide)
    assert list(model.sample(n_paths=2)) == [f"{name}_path{k}" for name in wide for k in range(2)]
    assert model.sample(n_paths=2).index.equals(model.predict().index)


SHORT = {
    LinearForecaster: {},
    DLinearForecaster: {},
    GRUForecaster: {"hidden_size": 8, "segment_length": 4},
    LSTMForecaster: {"hidden_size": 8, "segment_length": None},
    TransformerForecaster: {"hidden_size": 8, "segment_length": 3},
    PatchTSTForecaster: {"hidden_size": 8, "patch_length": 5, "stride": 3},
    Seq2SeqForecaster: {"hidden_size": 8, "segment_length": 4},
}


@pytest.mark.parametrize("kind", SHORT)
def test_series_shorter_than_the_context_are_forecast_as_if_each_were_alone(kind):
    model = kind(3, 16, head=Quantiles([0.1, 0.9]), training=QUICK, **SHORT[kind], **ROLES).fit(PANEL)
    mixed = long(z=1, a=7, m=120, q=16, b=2)
    together = model.predict(mixed, steps=5, levels=[0.1, 0.9])
    assert together["id"].unique().tolist() == ["z", "a", "m", "q", "b"]
    assert together.notna().all(axis=None)
    for name, rows in mixed.groupby("id", sort=False):
        alone = model.predict(rows, steps=5, levels=[0.1, 0.9])
        ours = together[together["id"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, alone, rtol=1e-5, atol=1e-5)


def test_rows_of_nothing_in_front_change_no_forecast(panels):
    short = long(a=6)
    longer = long(a=12).assign(y=[np.nan] * 6 + short["y"].tolist())
    pd.testing.assert_frame_equal(panels.predict(short), panels.predict(longer))


def test_paths_of_short_series_are_those_of_each_alone(panels):
    spread = panels.sample(long(z=3, a=120), 400, steps=6).set_index(["id", "day"]).std(axis=1).loc["z"]
    alone = panels.sample(long(z=3), 400, steps=6).set_index(["id", "day"]).std(axis=1).loc["z"]
    np.testing.assert_allclose(spread, alone, rtol=0.2)


def test_a_regressor_of_rows_still_needs_a_whole_context():
    from tsseq.errors import NotEnoughHistory

    with pytest.raises(NotEnoughHistory, match="fewer than context_length = 12"):
        Forecaster(Ridge(), 3, 12).fit(WALK).predict(WALK[:11])


@pytest.mark.parametrize("kind", [TransformerForecaster, Seq2SeqForecaster])
def test_attention_says_where_every_step_looks(kind):
    model = kind(3, 10, hidden_size=8, segment_length=4, training=QUICK, **ROLES).fit(PANEL)
    frame = long(z=120, b=5, a=10)
    found = model.attention_weights(frame)
    assert list(found) == ["id", "day", "step", "context_time", "weight"]
    assert found["id"].unique().tolist() == ["z", "b", "a"]
    assert found.groupby("id", sort=False).size().tolist() == [30, 15, 30]
    np.testing.assert_allclose(found.groupby(["id", "step"])["weight"].sum(), 1, rtol=1e-5)
    assert (found["weight"] >= 0).all()
    last = found[found["id"] == "b"]
    assert last["context_time"].tolist() == list(DAYS[-5:]) * 3
    assert last["day"].tolist() == list(pd.date_range("2024-04-30", periods=3).repeat(5))
    assert last["step"].tolist() == [1] * 5 + [2] * 5 + [3] * 5
    alone = model.attention_weights(frame[frame["id"] == "b"])
    pd.testing.assert_frame_equal(last.reset_index(drop=True), alone, rtol=1e-5, atol=1e-6)


def test_attention_to_several_targets_names_them():
    frame = PANEL.assign(x=-(PANEL["y"] ** 2))
    roles = {**ROLES, "target": ["y", "x"]}
    model = TransformerForecaster(2, 6, hidden_size=8, segment_length=2, training=QUICK, **roles).fit(frame)
    found = model.attention_weights()
    assert list(found) == ["id", "target", "day", "step", "context_time", "weight"]
    assert list(found[["id", "target"]].drop_duplicates().itertuples(index=False, name=None)) == [
        (name, target) for name in "zam" for target in ("y", "x")
    ]
    np.testing.assert_allclose(found.groupby(["id", "target", "step"], observed=True)["weight"].sum(), 1, rtol=1e-5)
    joint = model.set_params(multivariate="joint").fit(frame).attention_weights()
    assert list(joint) == ["id", "day", "step", "context_time", "weight"]


def test_attention_and_paths_exist_only_where_a_model_has_them():
    assert hasattr(TransformerForecaster(3, 12), "attention_weights")
    assert hasattr(Seq2SeqForecaster(3, 12, attention="dot"), "attention_weights")
    for model in (Seq2SeqForecaster(3, 12, attention=None), LSTMForecaster(3, 12), Forecaster(Ridge(), 3, 12)):
        assert not hasattr(model, "attention_weights")
        assert not hasattr(model, "sample")
    assert hasattr(LSTMForecaster(3, 12, head=Quantiles()), "sample")
    assert not hasattr(LSTMForecaster(3, 12, head=Point("mse")), "sample")


def test_what_is_not_fitted_says_so():
    model = Seq2SeqForecaster(3, 12, head=Normal())
    for ask in (model.sample, model.attention_weights, model.predict):
        with pytest.raises(NotFittedError):
            ask()


def test_contexts_without_a_target_are_refused_by_all():
    model = TransformerForecaster(3, 12, head=Normal(), hidden_size=8, training=QUICK).fit(WALK)
    nothing = WALK[:20] * np.nan
    for ask in (model.sample, model.attention_weights, model.predict):
        with pytest.raises(DataError, match="contexts hold no observed target"):
            ask(nothing)


def test_past_covariates_end_at_the_horizon():
    frame = PANEL.assign(x=np.sin(PANEL["y"]))
    model = LinearForecaster(4, 16, head=Normal(), past="x", training=QUICK, **ROLES).fit(frame)
    for ask in (
        model.predict,
        lambda steps: model.predict(steps=steps, levels=[0.1]),
        lambda steps: model.sample(steps=steps),
    ):
        with pytest.raises(ConfigError, match="steps=5 goes beyond horizon=4, where the past covariates x are unknown"):
            ask(steps=5)
    assert len(model.sample(n_paths=2, steps=4)) == 12


def test_quantiles_beyond_the_horizon_need_paths():
    with pytest.raises(ConfigError, match="LinearForecaster has no quantiles"):
        LinearForecaster(4, 16, training=QUICK).fit(WALK).predict(steps=5, levels=[0.1])


@pytest.mark.parametrize("steps", [4, 5])
def test_levels_that_are_none_are_refused_at_every_step(panels, steps):
    for levels in ([0.5, 1.2], [0.0], [-1]):
        with pytest.raises(ConfigError, match="must lie between 0 and 1"):
            panels.predict(steps=steps, levels=levels)
    pd.testing.assert_frame_equal(panels.predict(steps=steps, levels=[]), panels.predict(steps=steps))


@pytest.mark.parametrize("bad", [{"n_paths": 0}, {"n_paths": 1.5}, {"steps": 0}])
def test_numbers_that_count_nothing_are_refused(panels, bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))}=.* must be a whole number from 1"):
        panels.sample(**bad)


def test_known_covariates_reach_to_the_end_of_the_last_block():
    frame = PANEL.assign(x=PANEL["day"].dt.day_of_week.astype(float))
    model = LinearForecaster(4, 16, head=Normal(), known="x", training=QUICK, **ROLES).fit(frame)
    future = model.make_future_frame(steps=6)
    with pytest.raises(DataError, match="known covariates"):
        model.sample(n_paths=2, steps=6, future=future)
    future["x"] = future["day"].dt.day_of_week.astype(float)
    assert len(model.sample(n_paths=2, steps=6, future=future)) == 18
    other = model.sample(n_paths=2, steps=6, future=future.assign(x=future["x"] + 5))
    assert (other["y_path0"] != model.sample(n_paths=2, steps=6, future=future)["y_path0"]).any()


@pytest.mark.parametrize(
    ("kind", "sizes"), [(LinearForecaster, {}), (Seq2SeqForecaster, {"hidden_size": 4, "segment_length": 4})]
)
def test_how_many_series_and_paths_are_drawn_at_once_changes_no_number(kind, sizes, monkeypatch):
    days, rng = pd.date_range("2020", periods=60), np.random.default_rng(0)
    walks = {i: rng.normal(size=(60 - i, 2)).cumsum(axis=0) for i in range(5)}
    parts = [
        pd.DataFrame(walk, days[i:], ["y", "z"]).rename_axis("ds").assign(unique_id=i) for i, walk in walks.items()
    ]
    model = kind(4, 12, **sizes, target=["y", "z"], head=Normal(), training=QUICK).fit(pd.concat(parts).reset_index())
    together = model.sample(n_paths=107, steps=7, seed=1), model.predict(steps=7, levels=[0.1, 0.9])
    monkeypatch.setattr(rollout, "SERIES_AT_ONCE", 4)
    monkeypatch.setattr(rollout, "PATHS_AT_ONCE", 100)
    apart = model.sample(n_paths=107, steps=7, seed=1), model.predict(steps=7, levels=[0.1, 0.9])
    for a, b in zip(together, apart):
        np.testing.assert_allclose(a.select_dtypes(float), b.select_dtypes(float), rtol=1e-6, atol=1e-6)


def test_paths_need_no_copy_of_the_panel_for_each():
    days, n = pd.date_range("2020", periods=60), 300
    values = np.random.default_rng(0).normal(size=(60, n)).cumsum(axis=0)
    frame = pd.DataFrame(values, index=days, columns=[f"s{i}" for i in range(n)])
    model = LinearForecaster(2, 48, target=list(frame), head=Normal(), training=Training(max_steps=5, verbose=False))
    model.fit(frame)
    model.predict(steps=4, levels=[0.1])
    tracemalloc.start()
    model.predict(steps=4, levels=[0.1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 256 * n * 52 * 8  # bytes of one such copy
