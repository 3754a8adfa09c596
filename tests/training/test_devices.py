"""Devices: where models predict, without a bit that depends on company, and without float64 where there is none."""

import copy
import pickle
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import tsseq
from tsseq import (
    GRU,
    LSTM,
    ConfigError,
    DLinear,
    Forecaster,
    GRUForecaster,
    Linear,
    LinearForecaster,
    LSTMForecaster,
    NeuralClassifier,
    NeuralRegressor,
    Normal,
    PatchTST,
    Point,
    Poisson,
    Quantiles,
    Seq2SeqForecaster,
    StudentT,
    Training,
    Transformer,
    TransformerForecaster,
    make_series,
)
from tsseq.data.layout import Layout, NumpyOps, gather_rows
from tsseq.data.windows import Windows
from tsseq.training import devices
from tsseq.training.devices import accelerator_of, exact_products, find_device, predict_rows
from tsseq.training.fitting import _begins_late
from tsseq.training.line import Line
from tsseq.training.loader import DeviceRows, Loader, single_store
from tsseq.training.model import Model
from tsseq.training.module import ForecastModule

WAVE = make_series("seasonal", 200)
SMALL = {"hidden_size": 8, "segment_length": 6}
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def quick(**settings) -> Training:
    return Training(**{"max_epochs": 1, "max_steps": 20, "verbose": False, **settings})


def test_a_device_that_this_machine_lacks_is_the_cpu(monkeypatch):
    monkeypatch.setattr(devices, "AVAILABLE", {"cuda": lambda: False, "mps": lambda: False})
    assert {find_device(name).type for name in ("auto", "gpu", "cuda:1", "mps", "tpu", "cpu")} == {"cpu"}


def test_auto_is_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(devices, "AVAILABLE", {"cuda": lambda: False, "mps": lambda: True})
    assert [find_device(name).type for name in ("auto", "gpu", "mps", "cuda", "cpu")] == [
        "mps",
        "mps",
        "mps",
        "cpu",
        "cpu",
    ]
    monkeypatch.setattr(devices, "AVAILABLE", {"cuda": lambda: True, "mps": lambda: False})
    assert [find_device(name) for name in ("auto", "cuda:1")] == [torch.device("cuda", 0), torch.device("cuda", 1)]


def test_a_model_predicts_on_the_first_device_that_trained_it():
    assert accelerator_of(None) == "auto"
    assert accelerator_of(Training(accelerator="cpu")) == "cpu"
    assert accelerator_of(Training(accelerator="gpu", devices=[1, 3])) == "gpu:1"
    model = LinearForecaster(3, 24, training=quick(accelerator="cpu")).fit(WAVE)
    assert model.regressor_.accelerator_ == "cpu"


@pytest.mark.parametrize("kind", ["forecaster", "wrapped", "classifier"])
def test_a_file_says_nothing_of_a_device_and_load_may(kind, tmp_path):
    training = quick()
    if kind == "classifier":
        X = np.random.default_rng(0).normal(size=(20, 8))
        model = NeuralClassifier(training=training).fit(X, np.arange(20) % 2)
    else:
        model = LinearForecaster(3, 24, training=training)
        model = (tsseq.EnsembleForecaster([model, model]) if kind == "wrapped" else model).fit(WAVE)
    model.save(tmp_path / "model.tsseq")

    def places(accelerator):
        loaded = tsseq.load(tmp_path / "model.tsseq", accelerator=accelerator)
        parts = getattr(loaded, "forecasters_", [loaded])
        return {getattr(part, "regressor_", part).accelerator_ for part in parts}

    assert places(None) == {"auto"}
    assert places("cuda:1") == {"cuda:1"}


@pytest.mark.parametrize("accelerator", ["tpu", "cuda:", "cuda:x", "gpu:-1", ""])
def test_an_unknown_device_is_refused_by_load(accelerator):
    with pytest.raises(ConfigError, match="is unknown; it is 'auto'"):
        tsseq.load("nothing.tsseq", accelerator=accelerator)


class Tight(nn.Module):
    """A network with room for a few rows only."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.sizes = room, []

    def __call__(self, batch, rows):
        self.sizes.append(len(rows))
        if len(rows) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return batch.values.target.sum(dim=1)


def test_batches_are_halved_until_they_fit_and_all_are_of_one_size():
    X = np.random.default_rng(0).normal(size=(300, 4))
    network = Tight(100)
    sums = predict_rows(network, Windows.of_rows(X, None, Layout(4, 1)), "cpu", network)
    assert network.sizes == [256, 128, *[64] * 5]
    np.testing.assert_allclose(sums[:, 0], X.sum(axis=1), rtol=1e-5, atol=1e-6)


def test_a_row_that_never_fits_is_an_error():
    windows = Windows.of_rows(np.zeros((3, 4)), None, Layout(4, 1))
    with pytest.raises(ConfigError, match=r"more memory than there is, when it asked for 2\.00 GiB"):
        predict_rows(Tight(0), windows, "cpu", Tight(0))


@pytest.mark.parametrize("user", ["nothing", "high", "cudnn"])
def test_exact_products_leave_precisions_as_they_were(user):
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    def state():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    try:
        torch.set_float32_matmul_precision("high" if user == "high" else "highest")
        torch.backends.cudnn.allow_tf32 = user != "cudnn"
        chosen = state()
        with exact_products():
            with exact_products():
                pass
            assert torch.backends.cuda.matmul.fp32_precision == torch.backends.cudnn.rnn.fp32_precision == "ieee"
        assert state() == chosen
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def test_a_copy_shares_no_weights_and_predicts_the_same():
    model = GRUForecaster(3, 24, **SMALL, training=quick()).fit(WAVE)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.predict().equals(model.predict())
        pairs = zip(other.regressor_.network_.parameters(), model.regressor_.network_.parameters(), strict=True)
        assert all(a.data_ptr() != b.data_ptr() for a, b in pairs)


def test_a_compiled_fit_predicts_without_a_compiler(monkeypatch):
    monkeypatch.setattr(nn.Module, "compile", lambda module: setattr(module, "_compiled_call_impl", module._call_impl))
    model = LinearForecaster(3, 24, training=quick(compile=True)).fit(WAVE)
    assert model.regressor_.network_.core._compiled_call_impl is None
    assert model.predict().equals(LinearForecaster(3, 24, training=quick()).fit(WAVE).predict())


class Apple(TorchDispatchMode):
    """Takes the device "meta" for one without float64, whose values nobody can wait for."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "meta" and tensor.dtype == torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64, which the device does not have.")
        return output


def test_the_pretended_device_refuses_float64_and_being_waited_for():
    meta = torch.device("meta")
    with Apple(), pytest.raises(TypeError, match="float64"):
        torch.zeros(2, dtype=torch.float64).to(meta)
    with Apple(), pytest.raises(RuntimeError):
        torch.zeros(2, device=meta).sum().item()


NETWORKS = [
    Linear(),
    DLinear(kernel_size=5),
    GRU(hidden_size=8, segment_length=6),
    LSTM(hidden_size=8, segment_length=6),
    Transformer(hidden_size=8, n_heads=2, segment_length=6),
    PatchTST(hidden_size=8, n_heads=2, patch_length=6, stride=3),
]
HEADS = [Point(), Normal(), StudentT(), Quantiles([0.1, 0.9]), Poisson()]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    ("network", "head"), [*((network, Point()) for network in NETWORKS), *((GRU(8), head) for head in HEADS)], ids=repr
)
def test_a_step_needs_no_float64_and_waits_for_nothing(network, head, missing):
    scaling = head.scalings[0]
    frame = pd.DataFrame({"y": WAVE.to_numpy() + 10, "k": 1.0, "c": "a"}, index=WAVE.index)
    if missing:
        frame.iloc[::7, 0] = np.nan
    windows = Forecaster(NeuralRegressor(), 3, 24, target="y", known=["k", "c"], scaling=scaling).windows(frame)
    assert windows.layout.missing == missing
    models = [Model(network, windows.layout, head, line).to("meta") for line in (None, Line(windows.layout))]
    for model in models:
        model.ragged = _begins_late(windows)
    module = ForecastModule(models, quick(), 1e-3, 50, 20.0)
    module._trainer = SimpleNamespace(precision_plugin=SimpleNamespace(convert_input=lambda shard: shard))
    optimizer = torch.optim.AdamW(module.parameters())
    with Apple():
        shards = Loader(DeviceRows(windows, torch.device("meta")), np.arange(len(windows)), 64, 0)
        for _, (shard,) in zip(range(2), shards):
            for racer in module.racers:
                module.loss(racer, shard, "train_loss").backward()
            optimizer.step()


@pytest.mark.parametrize("head", [Point(), Normal(), Quantiles([0.1, 0.9])], ids=repr)
def test_a_forecast_needs_no_float64(head):
    windows = Forecaster(NeuralRegressor(), 3, 24).windows(WAVE)
    model = Model(GRU(8), windows.layout, head).to("meta").eval()
    with Apple(), torch.inference_mode():
        batch, *_ = DeviceRows(windows, torch.device("meta")).batch(torch.arange(8, device="meta"), training=False)
        params = model.core(batch)
        forecasts = [head.mean(params)]
        if not isinstance(head, Point):
            forecasts.append(head.quantiles(params, [0.1, 0.5], batch.scale))
    assert {forecast.dtype for forecast in forecasts} == {torch.float32}
    assert {forecast.shape[:2] for forecast in forecasts} == {(8, 3)}


@pytest.mark.parametrize("multivariate", ["independent", "joint"])
def test_float32_rows_of_a_high_level_are_those_of_float64(multivariate):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 2)).cumsum(axis=0), index=WAVE.index[:80], columns=["a", "b"])
    frame["b"] += 1e8
    frame["c"] = frame["b"] + rng.normal(size=80)
    frame.iloc[10, 0] = np.nan
    options = {"target": ["a", "b"], "known": "c", "multivariate": multivariate}
    windows = Forecaster(NeuralRegressor(), 3, 24, **options).windows(frame)
    rows = np.arange(len(windows))
    x, y = gather_rows(single_store(windows), windows.layout, windows.sizes, rows, NumpyOps())
    exact = windows.gather(rows)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_allclose(x, exact[0], atol=1e-5)
    np.testing.assert_allclose(y, exact[1], atol=1e-5)


@on_a_gpu
@pytest.mark.parametrize("kind", [LinearForecaster, LSTMForecaster, Seq2SeqForecaster, TransformerForecaster])
def test_a_gpu_forecasts_what_the_cpu_forecasts(kind, tmp_path):
    model = kind(3, 24, head=Normal(), training=quick(accelerator="gpu")).fit(WAVE)
    model.save(tmp_path / "model.tsseq")
    elsewhere = tsseq.load(tmp_path / "model.tsseq", accelerator="cpu")
    assert next(model.regressor_.network_.parameters()).device.type == "cpu"
    ours, theirs = (m.predict(steps=6, levels=[0.1, 0.9]) for m in (model, elsewhere))
    assert next(model.regressor_.network_.parameters()).device.type == "cuda"
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert pickle.loads(pickle.dumps(model)).predict().equals(model.predict())
    results: list[pd.DataFrame] = []
    threads = [Thread(target=lambda: results.append(model.predict())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result.equals(model.predict()) for result in results)


def test_a_fit_knows_whether_contexts_begin_late():
    frame = pd.DataFrame({"a": WAVE.to_numpy(), "b": 1.0 + np.arange(200.0)}, index=WAVE.index)
    for holes, late in (([0], False), ([190], False), ([0, 1, 2, 50], False)):
        frame.iloc[holes, 0] = np.nan
        assert _begins_late(Forecaster(NeuralRegressor(), 3, 24, target="a", past="b").windows(frame)) == late
    windows = Forecaster(NeuralRegressor(), 3, 24, target="a").windows(frame[["a"]])
    assert _begins_late(windows)
    assert not _begins_late(windows[60:100])
