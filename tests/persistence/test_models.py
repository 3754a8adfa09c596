"""Model files: the same bits in another process; no damaged or hostile file is ever loaded as something else."""

import os
import struct
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from inspect import isabstract, isclass
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from model_files import CHILD, DAYS, QUICK, WALK, Average, archive, assert_forecasts_equal, damaged, shop
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Forecaster, LinearForecaster, LSTMForecaster, NeuralRegressor, Quantiles, Training, load_sample
from tsseq.errors import ConfigError, ModelFileError
from tsseq.heads import Head
from tsseq.networks import LSTM, Network
from tsseq.persistence.container import dump_json, read, write
from tsseq.persistence.loading import KINDS

PUBLIC = [getattr(tsseq, name) for name in tsseq.__all__]
FORECASTERS = [
    kind.__name__ for kind in PUBLIC if isclass(kind) and issubclass(kind, Forecaster) and kind is not Forecaster
]


def cases():
    """Name -> (arguments, frame, future, levels)."""
    prices = load_sample("sp500")[-120:]
    calm = pd.Series(WALK[:, 0], DAYS, name="y")
    after = pd.MultiIndex.from_product([["z", "b"], pd.date_range("2024-03-21", periods=3)], names=["id", "day"])
    future = pd.DataFrame({"promo": np.arange(6.0)}, after)
    return {
        "plain": ({}, calm, None, None),
        "quantiles": ({"head": Quantiles((0.1, 0.9)), "scaling": "standard"}, calm, None, (0.1, 0.4, 0.9)),
        "panel": ({"target": "sales", "known": "promo"}, shop(), future, None),
        "prices": ({"target": "close", "past": ["volume"], "log": True, "calendar": "XNYS"}, prices, None, None),
    }


def named(kind, **more):
    small = {"hidden_size": 8} if "hidden_size" in kind._get_param_names() else {}
    return kind(3, 16, training=QUICK, **small, **more)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Every named forecaster in every case: what it forecasts here, and what its file forecasts in another process."""
    folder, here = tmp_path_factory.mktemp("models"), {}
    for name in FORECASTERS:
        for case, (arguments, frame, future, levels) in cases().items():
            model = named(getattr(tsseq, name), **arguments).fit(frame)
            path = folder / f"{name}-{case}.tsseq"
            model.save(path)
            given = {"future": future, "levels": levels}
            pd.to_pickle({"frame": frame, **given}, path.with_suffix(".given"))
            here[path] = {"fitted": model.predict(**given), "frame": model.predict(frame, **given)}
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    subprocess.run([sys.executable, "-c", CHILD, *map(str, here)], check=True, cwd=folder, env=environment)
    return {path.stem: (found, pd.read_pickle(path.with_suffix(".found"))) for path, found in here.items()}


@pytest.mark.parametrize("case", cases())
@pytest.mark.parametrize("name", FORECASTERS)
def test_another_process_forecasts_the_same_bits(elsewhere, name, case):
    here, there = elsewhere[f"{name}-{case}"]
    for way in ("fitted", "frame"):
        assert np.isfinite(here[way].to_numpy()).all()
        assert_forecasts_equal(there[way], here[way])


def passed_through(model, tmp_path, **more):
    path = tmp_path / "model.tsseq"
    model.save(path)
    return tsseq.load(path, **more)


def linear(frame, **more):
    return LinearForecaster(3, 8, training=QUICK, **more).fit(frame)


def small():
    return LSTMForecaster(2, 8, hidden_size=4, training=QUICK).fit(pd.Series(WALK[:, 0], DAYS, name="y"))


SHAPES = {
    "a time zone": pd.Series(WALK[:, 0], pd.date_range("2026-03-28", periods=80, freq="h", tz="Europe/Berlin")),
    "a fixed offset": pd.Series(WALK[:, 0], pd.date_range("2026-03-28 00:00+02:00", periods=80, freq="15min")),
    "nanoseconds": pd.Series(WALK[:, 0], DAYS.as_unit("ns")),
    "months": pd.Series(WALK[:, 0], pd.period_range("2000-01", periods=80, freq="M", name="month")),
    "quarters": pd.Series(WALK[:, 0], pd.period_range("2000-01", periods=80, freq="Q-NOV")),
    "Wednesdays": pd.Series(WALK[:, 0], pd.date_range("2020", periods=80, freq="W-WED")),
    "whole numbers": pd.Series(WALK[:, 0], pd.RangeIndex(10, 10 + 80 * 5, 5)),
    "short whole numbers": pd.Series(WALK[:, 0], pd.Index(np.arange(80, dtype=np.int32), name="row")),
    "numbered columns": pd.DataFrame({3: WALK[:, 0]}, DAYS),
}


@pytest.mark.parametrize("frame", SHAPES.values(), ids=SHAPES)
def test_timestamps_of_every_kind_come_back(tmp_path, frame):
    model = linear(frame)
    loaded = passed_through(model, tmp_path)
    assert_forecasts_equal(loaded.predict(steps=5), model.predict(steps=5))
    assert_same(loaded, model)


def long_frame(ids):
    long = shop().reset_index()
    return long.assign(id=pd.Series(ids(long["id"]), dtype=None))


LONG = {
    "texts": lambda ids: ids,
    "objects": lambda ids: ids.astype(object),
    "numbers": lambda ids: ids.map({"z": 9, "b": 10}).astype("int32"),
    "categories": lambda ids: pd.Categorical(ids, ["z", "other", "b"], ordered=True),
    "nullable texts": lambda ids: ids.astype("string"),
}


@pytest.mark.parametrize("ids", LONG.values(), ids=LONG)
def test_ids_of_every_kind_come_back(tmp_path, ids):
    model = linear(long_frame(ids), target=["sales", "promo"], id_column="id", time_column="day", multivariate="joint")
    loaded = passed_through(model, tmp_path)
    assert_forecasts_equal(loaded.predict(), model.predict())
    assert_same(loaded, model)


def test_an_exchange_for_every_ticker_comes_back(tmp_path):
    days = {code: tsseq.data.time_rules.sessions(code, 2023, 2024)[100:180] for code in ("XNYS", "XLON")}
    series = {"SPY": pd.Series(WALK[:, 0], days["XNYS"]), "VOD": pd.Series(WALK[:, 1], days["XLON"])}
    prices = pd.concat(
        {("Close", name): one for name, one in series.items()}, axis=1, sort=True, names=["Price", "Ticker"]
    )
    model = linear(prices, target="Close", calendar={"SPY": "XNYS", "VOD": "XLON"})
    loaded = passed_through(model, tmp_path)
    assert_forecasts_equal(loaded.predict(), model.predict())
    assert_same(loaded, model)


def test_missing_values_and_static_covariates_come_back(tmp_path):
    frame = shop().assign(size=lambda frame: (frame["sales"] > 25).groupby("id").transform("max") * 1.5)
    frame.iloc[[3, 75], 0] = np.nan
    head = tsseq.StudentT()
    model = LSTMForecaster(3, 8, hidden_size=4, n_layers=2, bidirectional=True, target="sales", static="size")
    model.set_params(head=head, training=QUICK).fit(frame)
    loaded = passed_through(model, tmp_path)
    levels = (0.2, 0.9)
    assert_forecasts_equal(loaded.predict(levels=levels), model.predict(levels=levels))
    assert_same(loaded, model)


def assert_same(loaded, model):
    """All that was learnt, and all that it was told."""
    assert vars(loaded).keys() == vars(model).keys()
    assert vars(loaded.regressor_).keys() == vars(model.regressor_).keys()
    assert repr(clone(loaded)) == repr(clone(model))
    assert repr(clone(loaded.regressor_)) == repr(clone(model.regressor_))
    assert (loaded.layout_, loaded.schema_) == (model.layout_, model.schema_)
    assert (loaded.panel_.frame_layout, loaded.panel_.rules) == (model.panel_.frame_layout, model.panel_.rules)
    assert loaded.fitted_until_ == model.fitted_until_
    assert isinstance(loaded.fitted_until_, type(model.fitted_until_) | np.integer)
    for ours, theirs in ((loaded.panel_.times, model.panel_.times), (loaded.scaling_.ids, model.scaling_.ids)):
        assert (ours.dtype, ours.name, ours.tolist()) == (theirs.dtype, theirs.name, theirs.tolist())
    for name in ("values", "static", "indptr", "input_order"):
        np.testing.assert_array_equal(getattr(loaded.panel_, name), getattr(model.panel_, name), strict=True)
    for name in ("scale", "weight", "centre", "spread", "static_centre", "static_spread"):
        np.testing.assert_array_equal(getattr(loaded.scaling_, name), getattr(model.scaling_, name), strict=True)
    assert_frame_equal(loaded.history_, model.history_, check_exact=True)


def test_a_forecaster_around_a_network_and_its_refit(tmp_path):
    frame = shop()
    model = Forecaster(NeuralRegressor(LSTM(4), Quantiles(), QUICK), 3, 8, target=("sales", "promo")).fit(frame)
    loaded = passed_through(model, tmp_path)
    assert_same(loaded, model)
    assert_forecasts_equal(clone(loaded).fit(frame).predict(), model.predict())
    assert loaded.score(frame) == model.score(frame)
    cutoffs = DAYS[[40, 60]]
    assert_frame_equal(loaded.predict_at(frame, cutoffs), model.predict_at(frame, cutoffs), check_exact=True)


def test_what_was_set_after_the_fit_changes_no_forecast(tmp_path):
    model = small()
    model.set_params(hidden_size=64, calendar=pd.offsets.Day(1))
    loaded = passed_through(model, tmp_path)
    assert_forecasts_equal(loaded.predict(), model.predict())
    assert loaded.get_params()["hidden_size"] == 64
    assert loaded.calendar == pd.offsets.Day(1)


def test_loading_leaves_random_numbers_alone(tmp_path):
    model = small()
    model.save(tmp_path / "model.tsseq")
    before = torch.get_rng_state()
    tsseq.load(tmp_path / "model.tsseq")
    assert torch.equal(torch.get_rng_state(), before)


class TestAnOwnNetwork:
    def test_it_is_given_by_the_caller(self, tmp_path):
        frame = pd.Series(WALK[:, 0], DAYS, name="y")
        model = Forecaster(NeuralRegressor(Average(width=5), training=QUICK), 2, 8).fit(frame)
        loaded = passed_through(model, tmp_path, networks=[Average])
        assert_forecasts_equal(loaded.predict(), model.predict())
        assert loaded.regressor_.network.width == 5
        with pytest.raises(ModelFileError, match=r"names 'Average'.*tsseq\.load\(path, networks=\[Average\]\)"):
            tsseq.load(tmp_path / "model.tsseq")

    def test_it_bears_a_name_of_its_own(self, tmp_path):
        with pytest.raises(ConfigError, match="LSTM is a name of tsseq's own"):
            tsseq.load(tmp_path / "model.tsseq", networks=[type("LSTM", (Average,), {})])
        with pytest.raises(ConfigError, match="must be classes"):
            tsseq.load(tmp_path / "model.tsseq", networks=[Average()])


class TestSaving:
    def test_only_a_fitted_model_is_saved(self, tmp_path):
        with pytest.raises(NotFittedError):
            LinearForecaster(2, 8).save(tmp_path / "model.tsseq")

    def test_other_regressors_are_left_to_pickle(self, tmp_path):
        with pytest.raises(
            ConfigError, match=r"neural and naive forecasters; Forecaster\(Ridge\) is left to joblib or pickle"
        ):
            Forecaster(Ridge(), 2, 8).fit(pd.Series(WALK[:, 0], DAYS)).save(tmp_path / "model.tsseq")

    def test_a_model_that_cannot_be_saved_leaves_the_old_file(self, tmp_path):
        path, model = tmp_path / "model.tsseq", small()
        model.save(path)
        before = path.read_bytes()
        holidays = pd.offsets.CustomBusinessDay(holidays=["2024-01-01"])
        frame = pd.Series(WALK[:, 0], pd.date_range("2024-01-02", periods=80, freq=holidays))
        with pytest.raises(ConfigError, match=r"CustomBusinessDay.* has no alias"):
            linear(frame, calendar=holidays).save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["model.tsseq"]

    def test_a_save_that_fails_on_disk_leaves_nothing(self, tmp_path):
        (tmp_path / "model.tsseq").mkdir()
        with pytest.raises(OSError):
            small().save(tmp_path / "model.tsseq")
        assert os.listdir(tmp_path) == ["model.tsseq"]
        with pytest.raises(FileNotFoundError):
            small().save(tmp_path / "nowhere" / "model.tsseq")

    def test_a_second_save_takes_the_place_of_the_first(self, tmp_path):
        model, other = small(), linear(pd.Series(WALK[:, 1], DAYS))
        other.save(tmp_path / "model.tsseq")
        assert_forecasts_equal(passed_through(model, tmp_path).predict(), model.predict())
        assert os.listdir(tmp_path) == ["model.tsseq"]

    def test_the_same_model_gives_the_same_bytes(self, tmp_path):
        model = small()
        model.save(tmp_path / "one.tsseq")
        model.save(str(tmp_path / "two.tsseq"))
        assert (tmp_path / "one.tsseq").read_bytes() == (tmp_path / "two.tsseq").read_bytes()

    @pytest.mark.parametrize("name", [1.5, True, ("a", "b"), pd.Timestamp("2024")], ids=repr)
    def test_columns_are_texts_or_whole_numbers(self, tmp_path, name):
        frame = pd.Series(WALK[:, 0], DAYS).to_frame()
        frame.columns = pd.Index([name], dtype=object, tupleize_cols=False)
        with pytest.raises(ConfigError):
            linear(frame).save(tmp_path / "model.tsseq")

    def test_ids_are_texts_or_whole_numbers(self, tmp_path):
        frame = long_frame(lambda ids: ids.map({"z": pd.Timestamp("2024"), "b": pd.Timestamp("2025")}))
        model = linear(frame, target="sales", id_column="id", time_column="day")
        with pytest.raises(ConfigError, match=r"ids in a model file are texts or whole numbers, not Timestamp"):
            model.save(tmp_path / "model.tsseq")

    def test_arguments_that_could_not_be_read_again_are_refused(self, tmp_path):
        with pytest.raises(ConfigError, match=r"Training\(strategy=\) holds <object"):
            small().set_params(training=Training(strategy=object())).save(tmp_path / "model.tsseq")
        with pytest.raises(ConfigError, match=r"could not be loaded: LSTMForecaster\(log=1\)"):
            small().set_params(log=1).save(tmp_path / "model.tsseq")
        with pytest.raises(ConfigError, match=r"LSTMForecaster\(dropout=\) holds inf"):
            small().set_params(dropout=float("inf")).save(tmp_path / "model.tsseq")
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("n_files", [2000, pytest.param(50_000, marks=pytest.mark.proof)])
def test_no_damaged_file_is_loaded_as_something_else(tmp_path, n_files):
    model, path, rng = small(), tmp_path / "model.tsseq", np.random.default_rng(n_files)
    model.save(path)
    content, want, refused = path.read_bytes(), model.predict(), 0
    for _ in range(n_files):
        path.write_bytes(damaged(content, rng))
        try:
            loaded = tsseq.load(path)
        except ModelFileError:
            refused += 1
        else:
            assert_forecasts_equal(loaded.predict(), want)
    assert refused > 0.95 * n_files


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tsseq"
    small().save(path)
    return read(path)[1]


class TestHostileFiles:
    def test_a_faithful_copy_is_loaded(self, tmp_path, members):
        """The other tests fail for the reason that they name."""
        assert tsseq.load(archive(tmp_path / "model.tsseq", members.items())).horizon == 2

    @pytest.mark.parametrize(
        "name", ["../evil.py", "/tmp/evil.py", "weights.pkl", "weights.safetensors", "config.json"]
    )
    def test_members_beyond_the_three_are_refused(self, tmp_path, members, name):
        with pytest.warns(UserWarning, match="Duplicate") if name in members else nullcontext():
            path = archive(tmp_path / "model.tsseq", [*members.items(), (name, b"{}")])
        with pytest.raises(ModelFileError, match="each once"):
            tsseq.load(path)
        assert os.listdir(tmp_path) == ["model.tsseq"]

    def test_a_missing_member_is_refused(self, tmp_path, members):
        with pytest.raises(ModelFileError, match="each once"):
            tsseq.load(archive(tmp_path / "model.tsseq", list(members.items())[:1]))

    def test_a_bomb_is_refused_unopened(self, tmp_path, members):
        bomb = members | {"arrays.safetensors": bytes(50_000_000)}
        path = archive(tmp_path / "model.tsseq", bomb.items(), zipfile.ZIP_DEFLATED)
        with pytest.raises(ModelFileError, match=r"manifest\.json is compressed"):
            tsseq.load(path)

    def test_a_size_beyond_the_file_is_refused(self, tmp_path, members):
        path = archive(tmp_path / "model.tsseq", members.items())
        content, length = path.read_bytes(), len(members["arrays.safetensors"])
        huge = content.replace(struct.pack("<LL", length, length), struct.pack("<LL", 2**32 - 2, 2**32 - 2))
        assert huge != content
        path.write_bytes(huge)
        with pytest.raises(ModelFileError):
            tsseq.load(path)

    def test_a_newer_format_says_what_to_do(self, tmp_path, members):
        path = archive(tmp_path / "model.tsseq", [("other.bin", b"")], format_version=3)
        with pytest.raises(ModelFileError, match=r"format 3 by tsseq 9\.9.* up to format 2: pip install --upgrade"):
            tsseq.load(path)
        for version in ("1", 0, None, True, 1.0):
            with pytest.raises(ModelFileError, match="is not a version"):
                tsseq.load(archive(path, members.items(), format_version=version))

    @pytest.mark.parametrize("content", [b"", b"text", BytesIO().getvalue(), b"PK\x05\x06" + bytes(18)], ids=repr)
    def test_other_files_are_refused(self, tmp_path, content):
        (tmp_path / "model.tsseq").write_bytes(content)
        with pytest.raises(ModelFileError):
            tsseq.load(tmp_path / "model.tsseq")

    def test_a_file_that_is_not_there_is_the_usual_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            tsseq.load(tmp_path / "model.tsseq")

    @pytest.mark.parametrize("digests", [[], None, "x", {"config.json": []}], ids=repr)
    def test_a_manifest_without_digests_is_refused(self, tmp_path, members, digests):
        with pytest.raises(ModelFileError):
            tsseq.load(archive(tmp_path / "model.tsseq", members.items(), members=digests))

    @pytest.mark.parametrize("digest", ["0" * 64, None])
    def test_a_member_that_is_not_as_it_was_written_is_refused(self, tmp_path, members, digest):
        about = {name: {"size": len(content), "sha256": digest} for name, content in members.items()}
        with pytest.raises(ModelFileError, match=r"config\.json is not as it was written"):
            tsseq.load(archive(tmp_path / "model.tsseq", members.items(), members=about))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('"kind": "LSTM"', '"kind": "os.system"', "names 'os.system'"),
            ('"kind": "LSTM"', '"kind": "Ridge"', "names 'Ridge'"),
            ('"kind": "LSTM"', '"kind": "GRU"', "the weights have"),
            ('"kind": "LSTM"', '"kind": "Training"', "not an argument that Training takes"),
            ('"hidden_size": 4', '"hidden_size": 1000000000', "from 1 to 65,536"),
            ('"hidden_size": 4', '"hidden_size": 60000', "needs"),
            ('"hidden_size": 4', '"hidden_size": "4"', "not an argument that LSTM"),
            ('"hidden_size": 4', '"hidden_size": true', "not an argument that LSTM"),
            ('"hidden_size": 4', '"hidden_size": NaN', "NaN is not JSON"),
            ('"hidden_size": 4', f'"hidden_size": {"9" * 5000}', "integer string conversion"),
            ('"hidden_size": 4', '"hidden_size": ' + "[" * 100_000, "parts make no sense|more lists"),
            ('"hidden_size": 4', '"hidden_size": {"python": "exit()"}', "has no meaning"),
            ('"n_layers": 1', '"n_layers": 1000000000', "from 1 to 1,000"),
            ('"horizon": 2', '"horizon": 2000000000', "from 1 to 100,000"),
            ('"context_length": 8', '"context_length": -8', "from 1 to 10,000,000"),
            ('"n_known": 0', '"n_known": 3', "does not fit the columns"),
            ('"seed": 0', '"__class__": 0', "not an argument that Training takes"),
            ('"times": "datetime64[', '"times": "complex64[', "parts make no sense|unknown"),
            ('"kind": "last"', '"kind": "first"', "unknown scaling"),
            ('"parameters"', '"other"', r"no \['parameters'\] for LSTMForecaster"),
            ('"seed": 0', '"seed": 0, "brand_new": 1', r"Training\(brand_new=.*pip install --upgrade tsseq"),
            ('"n_layers": 1', '"n_layers": 900', "more than the"),
            ('"seed": 0', '"seed": 0, "seed": 1', "occurs twice"),
        ],
        ids=lambda value: value[:40],
    )
    def test_a_config_that_asks_for_something_else_is_refused(self, tmp_path, members, old, new, message):
        text = members["config.json"].decode().replace(old, new)
        assert text.encode() != members["config.json"]
        path = tmp_path / "model.tsseq"
        write(path, members | {"config.json": text.encode()})
        with pytest.raises(ModelFileError, match=message):
            tsseq.load(path)

    def test_arrays_of_other_shapes_and_dtypes_are_refused(self, tmp_path, members):
        path, arrays = tmp_path / "model.tsseq", safetensors.torch.load(members["arrays.safetensors"])
        for name, array in arrays.items():
            other = torch.float16 if array.is_floating_point() else torch.int32
            for wrong in (array.to(other), array[..., None].contiguous(), None):
                changed = {key: wrong if key == name else value for key, value in arrays.items()}
                changed = {key: value for key, value in changed.items() if value is not None}
                write(path, members | {"arrays.safetensors": safetensors.torch.save(changed)})
                with pytest.raises(ModelFileError):
                    tsseq.load(path)

    def test_series_that_overlap_or_end_elsewhere_are_refused(self, tmp_path, members):
        path, state = tmp_path / "model.tsseq", safetensors.torch.load(members["arrays.safetensors"])
        n = len(state["panel/times"])
        for name, wrong in (("indptr", [0, n - 1]), ("indptr", [1, n]), ("indptr", [0, n + 1]), ("input_order", [5])):
            changed = state | {f"panel/{name}": torch.tensor(wrong)}
            write(path, members | {"arrays.safetensors": safetensors.torch.save(changed)})
            with pytest.raises(ModelFileError, match=r"indptr|ids and their order"):
                tsseq.load(path)


def test_every_part_that_tsseq_offers_may_be_in_a_file():
    parts = [part for part in PUBLIC if isclass(part) and issubclass(part, (Network, Head, Forecaster))]
    assert {part.__name__ for part in parts if not isabstract(part)} <= KINDS.keys()
    assert not {"Network", "Head", "_Named", "_Counts"} & KINDS.keys()


def test_json_is_strict():
    with pytest.raises(ValueError):
        dump_json({"loss": float("nan")})
