"""Model files of forecasters that read categories or the calendar."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from model_files import archive, assert_forecasts_equal
from pandas.testing import assert_frame_equal, assert_index_equal

import tsseq
from tsseq import LinearForecaster, LSTMForecaster, Training
from tsseq.errors import ConfigError, ModelFileError
from tsseq.persistence.container import read, write

QUICK = Training(max_epochs=1, max_steps=3, verbose=False)
GOLDEN = Path(__file__).parent / "golden" / "v1"
DAYS = pd.date_range("2024-01-01", periods=60, name="day")
ROLES = {"target": "y", "past": "sky", "known": ["event", "calendar"], "static": "land"}


def frame(event=("fair", "none", "sale"), day=DAYS):
    rng = np.random.default_rng(4)
    frames = {
        name: pd.DataFrame(
            {
                "y": rng.normal(size=60).cumsum(),
                "sky": pd.Categorical(rng.choice(["snow", "rain"], 60), ["snow", "rain", "fog"]),
                "event": pd.Categorical.from_codes(rng.integers(0, len(event), 60), list(event)),
                "land": name.upper(),
            },
            day,
        )
        for name in ("z", "b")
    }
    return pd.concat(frames, names=["id", "day"])


def saved(model, path, **more):
    model.save(path)
    return tsseq.load(path, **more)


def fitted(given=None, kind=LSTMForecaster, **more):
    size = {"hidden_size": 4} if kind is LSTMForecaster else {}
    return kind(2, 8, training=QUICK, **size, **(ROLES | more)).fit(frame() if given is None else given)


KINDS = {
    "text": ("fair", "none", "sale"),
    "whole numbers": (7, 3, 5),
    "numbers": (0.5, 2.0, -1.0),
    "booleans": (True, False),
}


@pytest.mark.parametrize("event", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("kind", [LSTMForecaster, LinearForecaster])
def test_a_model_with_categories_forecasts_the_same_bits(tmp_path, event, kind):
    given = frame(event)
    model = fitted(given, kind)
    future = model.make_future_frame()
    future["event"] = [event[0], event[1]] * 2
    loaded = saved(model, tmp_path / "model.tsseq")
    for own in (None, given, given.assign(sky="hail")):
        found = loaded.predict(own, future=future)
        assert_frame_equal(found, model.predict(own, future=future), check_exact=True)
        assert found.notna().all(axis=None)
    assert (loaded.layout_, loaded.schema_) == (model.layout_, model.schema_)
    assert loaded.layout_.categories == (2, len(event), 0, 0, 0, 0, 2)
    for ours, theirs in zip(loaded.panel_.categories, model.panel_.categories, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert_index_equal(ours, theirs)
    assert_frame_equal(loaded.make_future_frame(), model.make_future_frame())


def test_the_calendar_comes_back_alone(tmp_path):
    hours = pd.date_range("2026-03-28", periods=80, freq="h", tz="Europe/Berlin")
    model = LinearForecaster(3, 8, known="calendar", training=QUICK).fit(pd.Series(np.arange(80.0) % 24, hours))
    loaded = saved(model, tmp_path / "model.tsseq")
    assert_forecasts_equal(loaded.predict(steps=9), model.predict(steps=9))


def test_categories_are_texts_numbers_or_booleans(tmp_path):
    bins = frame().assign(sky=pd.cut(frame()["y"], 3))
    with pytest.raises(ConfigError, match=r"categories in a model file are texts, numbers or booleans, not Interval"):
        fitted(bins).save(tmp_path / "model.tsseq")


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tsseq"
    fitted().save(path)
    return read(path)[1]


def test_files_written_before_there_were_categories_are_read(tmp_path):
    path = GOLDEN / "linear_normal.tsseq"
    _, members = read(path)
    config = json.loads(members["config.json"])
    del config["categories"], config["layout"]["arguments"]["categories"], config["schema"]["arguments"]["calendar"]
    content = members | {"config.json": json.dumps(config).encode()}
    old = archive(tmp_path / "old.tsseq", content.items(), format_version=1)
    assert_frame_equal(tsseq.load(old).predict(), tsseq.load(path).predict(), check_exact=True)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (["fair", "none", "none"], "occur twice"),
        (["fair", "none"], "beyond the 2 categories"),
        (None, "does not fit the categories"),
        ("fai", "where categories were needed"),
        (3, "where categories were needed"),
        (["fair", "none", ["sale"]], "where categories were needed"),
        (["fair", "none", {"a": 1}], "has no meaning"),
        (["fair", "none", None], "where categories were needed"),
    ],
    ids=repr,
)
def test_categories_that_make_no_sense_are_refused(tmp_path, members, events, message):
    config = json.loads(members["config.json"])
    categories = config["parts"]["panel"]["config"]["categories"]
    assert categories == [["snow", "rain"], ["fair", "none", "sale"], *[None] * 4, ["B", "Z"]]
    categories[1] = events
    write(tmp_path / "model.tsseq", members | {"config.json": json.dumps(config).encode()})
    with pytest.raises(ModelFileError, match=message):
        tsseq.load(tmp_path / "model.tsseq")


OTHERS = [("layout", number) for number in (4, -3, 3 * 10**9, "3", None, True)] + [("categories", 0), ("schema", 0)]


@pytest.mark.parametrize(("where", "number"), OTHERS)
def test_layouts_and_columns_that_do_not_fit_the_categories_are_refused(tmp_path, members, where, number):
    config = json.loads(members["config.json"])
    panel = config["parts"]["panel"]["config"]
    if where == "layout":
        config["config"]["layout"]["arguments"]["categories"]["tuple"][1] = number
    elif where == "categories":
        panel["categories"].insert(2, None)
    else:
        panel["schema"]["arguments"]["calendar"]["tuple"].append("more")
    write(tmp_path / "model.tsseq", members | {"config.json": json.dumps(config).encode()})
    with pytest.raises(ModelFileError, match=r"does not fit|not an argument that Layout|categories for|was needed"):
        tsseq.load(tmp_path / "model.tsseq")


@pytest.mark.parametrize("code", [-1.0, 0.5, 4.0, 1e12, np.inf])
def test_codes_without_a_category_are_refused(tmp_path, members, code):
    state = safetensors.torch.load(members["arrays.safetensors"])
    for name, column in (("panel/values", 2), ("panel/static", 0)):
        changed = state[name].clone()
        changed[-1, column] = torch.tensor(code)
        content = safetensors.torch.save(state | {name: changed})
        write(tmp_path / "model.tsseq", members | {"arrays.safetensors": content})
        with pytest.raises(ModelFileError, match="codes beyond"):
            tsseq.load(tmp_path / "model.tsseq")
