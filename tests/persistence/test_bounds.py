"""What a model file may hold is counted before anything is made of it."""

import json
import os
import zipfile
from functools import partial
from io import BytesIO

import numpy as np
import pytest
import safetensors.numpy
from model_files import archive, write_content
from write_golden import GOLDEN

import tsseq
from tsseq import load_sample
from tsseq.errors import ConfigError, DataError, ModelFileError
from tsseq.persistence.container import MOST_CONTAINERS, dump_json, parse_json, read, replace_file
from tsseq.persistence.state import MOST_ARRAYS

NAMES = "naive", "lstm", "lstm_covariates", "conformal"
NAIVE, LSTM, COVARIATES, CONFORMAL = (read(GOLDEN / "v2" / f"{name}.tsseq")[1] for name in NAMES)


def refused(tmp_path, content, words):
    path = tmp_path / "model.tsseq"
    path.write_bytes(content if isinstance(content, bytes) else write_content(content))
    with pytest.raises(ModelFileError, match=words) as caught:
        tsseq.load(path)
    assert len(str(caught.value)) < 1000


def with_config(members, **changes):
    """The members of a file whose tree has other keys."""
    return members | {"config.json": dump_json(parse_json(members["config.json"]) | changes)}


def test_a_file_of_many_arrays_is_refused(tmp_path):
    arrays = {str(k): np.empty(0) for k in range(MOST_ARRAYS + 1)}
    refused(tmp_path, NAIVE | {"arrays.safetensors": safetensors.numpy.save(arrays)}, "more than 20000 arrays")
    header = b'{"a": ' + b"[" * 10**7
    refused(tmp_path, NAIVE | {"arrays.safetensors": len(header).to_bytes(8, "little") + header}, "arrays|JSON")


def test_a_file_of_many_lists_or_values_is_refused(tmp_path):
    for text in (b"[]", b"0"):
        config = b'{"x": [' + b",".join([text] * 11 * MOST_CONTAINERS) + b"]}"
        refused(tmp_path, NAIVE | {"config.json": config}, "more lists or values")
    ids = dump_json({"index": ["[{,}]"] * MOST_CONTAINERS, "dtype": "str", "name": None})
    assert len(parse_json(ids)["index"]) == MOST_CONTAINERS  # what stands in texts is not counted


def test_a_file_of_many_members_is_refused(tmp_path):
    buffer = BytesIO()
    archive(buffer, [*NAIVE.items(), *((str(k), b"") for k in range(1000))])
    refused(tmp_path, buffer.getvalue(), "1003 members")


@pytest.mark.parametrize("place", ["before", "behind"])
def test_nothing_stands_before_or_behind_the_archive(tmp_path, place):
    content = write_content(NAIVE)
    refused(tmp_path, b"#!/bin/sh\n" + content if place == "before" else content + b"x", "zip|added|members")


def test_a_long_comment_is_refused(tmp_path):
    buffer = BytesIO(write_content(NAIVE))
    with zipfile.ZipFile(buffer, "a") as file:
        file.comment = b"x" * 60_000
    refused(tmp_path, buffer.getvalue(), "zip file")


def test_unknown_keys_are_refused_wherever_they_stand(tmp_path):
    refused(tmp_path, with_config(NAIVE, brand_new=1), "brand_new.*pip install --upgrade")
    tree = parse_json(NAIVE["config.json"])
    for inner in (tree, *tree["parts"].values()):
        inner["config"]["brand_new"] = 1
        refused(tmp_path, NAIVE | {"config.json": dump_json(tree)}, "unknown.*brand_new.*pip install --upgrade")
        del inner["config"]["brand_new"]


def test_an_argument_of_a_newer_version_is_told_as_such(tmp_path):
    tree = parse_json(LSTM["config.json"])
    tree["config"]["parameters"]["arguments"]["warp"] = 9
    refused(tmp_path, LSTM | {"config.json": dump_json(tree)}, r"LSTMForecaster\(warp=.*newer tsseq.*--upgrade")


def test_names_of_any_length_make_no_long_message(tmp_path):
    for key in ("config", "kind"):
        refused(tmp_path, with_config(NAIVE, **{key: {"x" * 10**6: [1] * 1000}}), r"model\.tsseq")
    refused(tmp_path, with_config(NAIVE, kind="x" * 10**6), "names 'xxx")


def test_a_horizon_that_no_array_speaks_for_is_refused(tmp_path):
    text = NAIVE["config.json"].decode().replace('"horizon": 3', '"horizon": 20000000')
    refused(tmp_path, NAIVE | {"config.json": text.encode()}, "horizon=20000000.* from 1 to 100,000")


def test_channels_that_no_array_speaks_for_are_refused(tmp_path):
    for name in ("n_past", "n_known", "n_static"):
        tree = parse_json(LSTM["config.json"])
        tree["parts"]["regressor"]["config"]["layout"]["arguments"][name] = 10**12
        refused(tmp_path, LSTM | {"config.json": dump_json(tree)}, f"{name}=1000000000000.* from 0 to 1,000,000")


@pytest.mark.parametrize("step", [-1, 3, {"nanoseconds": -(10**9), "unit": "us"}, {"offset": "MS"}])
def test_a_step_that_does_not_lead_from_one_date_to_a_later_one_is_refused(tmp_path, step):
    tree = parse_json(NAIVE["config.json"])
    tree["parts"]["panel"]["config"]["rules"] = [{"kind": "Steps", "arguments": {"step": step}}]
    refused(tmp_path, NAIVE | {"config.json": dump_json(tree)}, "forward in time|another kind of timestamps")


def test_a_step_with_other_covariates_of_the_calendar_forecasts_nothing(tmp_path):
    text = COVARIATES["config.json"].decode().replace('"nanoseconds": 86400000000000', '"nanoseconds": 1000000000')
    assert text != COVARIATES["config.json"].decode()
    (tmp_path / "model.tsseq").write_bytes(write_content(COVARIATES | {"config.json": text.encode()}))
    with pytest.raises(DataError, match=r"calendar has the covariates .* and had"):
        tsseq.load(tmp_path / "model.tsseq").predict()


def test_weights_that_are_nan_are_refused_and_huge_ones_forecast_no_numbers(tmp_path):
    arrays = safetensors.numpy.load(LSTM["arrays.safetensors"])
    name = next(name for name in arrays if name.endswith("read.1.weight"))
    for value, words in ((np.nan, "hold NaN"), (np.inf, None)):
        changed = arrays | {name: np.full_like(arrays[name], value)}
        content = LSTM | {"arrays.safetensors": safetensors.numpy.save(changed)}
        if words is not None:
            refused(tmp_path, content, words)
            continue
        path = tmp_path / "model.tsseq"
        path.write_bytes(write_content(content))
        with pytest.raises(DataError, match="NaN or infinite"):
            tsseq.load(path).predict()


@pytest.mark.parametrize("name", ["scaling/scale", "scores"])
def test_units_or_errors_that_are_infinite_make_no_quantiles(tmp_path, name):
    arrays = safetensors.numpy.load(CONFORMAL["arrays.safetensors"])
    arrays[name][: max(len(arrays[name]) // 2, 1)] = np.inf
    content = CONFORMAL | {"arrays.safetensors": safetensors.numpy.save(arrays)}
    (tmp_path / "model.tsseq").write_bytes(write_content(content))
    model, air = tsseq.load(tmp_path / "model.tsseq"), load_sample("airline")
    assert np.isfinite(model.predict().to_numpy()).all()
    for predict in (model.predict, partial(model.predict_at, air, ["1960-06-01"])):
        with pytest.raises(DataError, match="NaN or infinite"):
            predict(levels=[0.1, 0.9])


def test_no_compiler_starts_because_a_file_says_so(tmp_path):
    text = LSTM["config.json"].decode()
    changed = text.replace('"compile": false', '"compile": true')
    assert changed != text
    (tmp_path / "model.tsseq").write_bytes(write_content(LSTM | {"config.json": changed.encode()}))
    model = tsseq.load(tmp_path / "model.tsseq")
    assert model.training.compile
    assert np.isfinite(model.predict().to_numpy()).all()
    assert model.regressor_.network_.core._compiled_call_impl is None


def test_what_is_no_path_is_refused():
    for path in (None, 3, b"model.tsseq", ["model.tsseq"]):
        with pytest.raises(ConfigError, match="path of a model file"):
            tsseq.load(path)
    with pytest.raises(ConfigError, match="networks=3 must be a sequence"):
        tsseq.load("model.tsseq", networks=3)


class TestReplacing:
    def test_a_link_is_followed_and_stays_one(self, tmp_path):
        (tmp_path / "target").write_bytes(b"old")
        (tmp_path / "link").symlink_to(tmp_path / "target")
        replace_file(tmp_path / "link", b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "target").read_bytes() == b"new"

    def test_what_is_not_a_regular_file_is_not_replaced(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", "/dev/null", tmp_path):
            with pytest.raises(OSError, match="not a regular file"):
                replace_file(path, b"new")
        assert os.listdir(tmp_path) == ["pipe"]

    def test_who_may_read_a_file_stays_as_it_was(self, tmp_path):
        (tmp_path / "file").write_bytes(b"old")
        (tmp_path / "file").chmod(0o640)
        replace_file(tmp_path / "file", b"new")
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_the_golden_files_are_within_all_bounds():
    for path in GOLDEN.glob("*/*.tsseq"):
        assert json.loads(read(path)[1]["config.json"])
