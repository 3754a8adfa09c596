"""Modules of plain tensors forecast what their forecasters do, also as ONNX files."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge

from tsseq import (
    ConfigError,
    Forecaster,
    NegativeBinomial,
    NeuralRegressor,
    Normal,
    Point,
    Quantiles,
    Training,
)
from tsseq.networks import GRU, LSTM, ChoGRU, DLinear, Linear, PatchTST, PeepholeLSTM, Seq2Seq, Transformer

QUICK = Training(max_steps=6, max_epochs=2, verbose=False)
N_ROWS, LENGTH, HORIZON = 120, 24, 6


def shops(seed=0) -> pd.DataFrame:
    """Three shops whose sales differ in size, with covariates of all kinds."""
    rng, days = np.random.default_rng(seed), pd.date_range("2024-01-01", periods=N_ROWS)
    frames = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": days,
                "y": 20.0 * k * rng.normal(size=N_ROWS).cumsum() + 1000.0 * k,
                "promo": rng.integers(0, 2, N_ROWS) * 1.0,
                "temperature": rng.normal(10, 5, N_ROWS),
                "weather": rng.choice(["rain", "snow", "sun"], N_ROWS),
                "size": 100.0 * k,
            }
        )
        for k, name in enumerate("abc", 1)
    ]
    return pd.concat(frames, ignore_index=True)


def forecaster(network=None, head=None, **options) -> Forecaster:
    network = GRU(hidden_size=8) if network is None else network
    return Forecaster(NeuralRegressor(network, head, QUICK), HORIZON, LENGTH, **({"target": "y"} | options))


def inputs_of(model, future=None) -> dict[str, np.ndarray]:
    """The tensors by which a module forecasts what ``model.predict(future=future)`` does."""
    panel = model.forecast(future=future).panel  # rows up to the end of the horizon, categories as codes
    joint, roles = model.layout_.n_targets > 1, panel.schema
    n_targets = panel.n_targets
    rows = [slice(end - HORIZON - LENGTH, end) for end in panel.indptr[1:]]
    windows = np.stack([panel.values[part] for part in rows])  # (S, L + H, channels)
    targets = [slice(0, n_targets)] if joint else [slice(k, k + 1) for k in range(n_targets)]
    codes = model.scaling_.codes(panel.ids)[:, None] - 1
    columns = np.cumsum([n_targets, len(roles.past), len(roles.known + roles.calendar)])
    arrays = {
        "target": np.concatenate([windows[:, :LENGTH, part] for part in targets]),
        "past": np.concatenate([windows[:, :LENGTH, columns[0] : columns[1]]] * len(targets)),
        "known": np.concatenate([windows[:, :, columns[1] : columns[2]]] * len(targets)),
        "static": np.concatenate([panel.static] * len(targets)),
        "series": (codes * len(targets) + np.arange(len(targets)) + 1).T.ravel(),
    }
    return {name: array for name, array in arrays.items() if array.shape[-1]}


def forecasts_of(model, levels=(), future=None) -> np.ndarray:
    values = model.forecast(levels=list(levels) or None, future=future).values  # (S, H, targets, 1 + Q)
    values = values[..., 1:] if levels else values[..., 0]
    if model.layout_.n_targets == 1:
        values = np.concatenate([values[:, :, k : k + 1] for k in range(values.shape[2])])
    return values


def run(module, arrays) -> np.ndarray:
    return module(**{name: torch.tensor(array) for name, array in arrays.items()}).numpy()


GAPS = shops().assign(y=lambda frame: frame["y"].where(np.arange(len(frame)) % 7 != 6))
CONSTANT = shops().assign(
    y=lambda frame: frame["y"].where((frame["unique_id"] != "b") | (frame["ds"] < "2024-03-01"), 7.0)
)
PAIRS = shops().assign(z=lambda frame: 2 * frame["y"] + frame["temperature"])
COUNTS = shops().assign(y=lambda frame: frame["y"].abs().round())
CASES = {
    "several series": (forecaster(), shops()),
    "a line and vectors": (forecaster(GRU(hidden_size=8, line=True, series_embedding=True)), shops()),
    "adaptive": (forecaster(scaling="adaptive"), shops()),
    "standard, logarithms": (
        forecaster(scaling="standard", log=True),
        shops().assign(y=lambda frame: frame["y"].abs()),
    ),
    "mean": (forecaster(scaling="mean"), shops()),
    "none": (forecaster(Linear(), scaling="none"), shops()),
    "gaps": (forecaster(), GAPS),
    "a constant context": (forecaster(), CONSTANT),
    "two targets": (forecaster(target=["y", "z"]), PAIRS),
    "joint targets": (forecaster(target=["y", "z"], multivariate="joint"), PAIRS),
    "counts": (forecaster(head=NegativeBinomial()), COUNTS),
}


@pytest.mark.parametrize(("model", "frame"), CASES.values(), ids=CASES)
def test_a_module_forecasts_from_raw_values_what_predict_does(model, frame):
    model.fit(frame)
    np.testing.assert_allclose(run(model.to_module(), inputs_of(model)), forecasts_of(model), rtol=1e-6)


def test_a_module_reads_covariates_as_they_stand_in_the_frame():
    model = forecaster(known=["promo", "calendar"], past=["temperature", "weather"], static=["size", "unique_id"])
    model.fit(shops())
    future = model.make_future_frame().assign(promo=1.0)
    arrays = inputs_of(model, future)
    assert set(arrays) == {"target", "past", "known", "static", "series"}
    module = model.to_module()
    np.testing.assert_allclose(run(module, arrays), forecasts_of(model, future=future), rtol=1e-6)
    with pytest.raises(ConfigError, match=r"reads past= too, of shape \(B, 24, 2\)"):
        module(torch.tensor(arrays["target"]))
    with pytest.raises(ConfigError, match=r"target= must be of shape \(B, 24, 1\), not \(3, 23, 1\)"):
        module(torch.tensor(arrays["target"][:, 1:]))


def test_a_context_that_begins_late_is_read_as_predict_reads_it():
    model = forecaster(LSTM(hidden_size=8, segment_length=3)).fit(shops())
    late = shops().groupby("unique_id").tail(10)
    context = np.full((3, LENGTH, 1), np.nan)
    context[:, -10:, 0] = late["y"].to_numpy().reshape(3, 10)
    expected = model.predict(late)["y"].to_numpy().reshape(3, HORIZON, 1)
    np.testing.assert_allclose(run(model.to_module(), {"target": context, "series": np.arange(1, 4)}), expected)


def test_levels_are_the_quantiles_of_predict():
    for head in (Quantiles([0.1, 0.9]), Normal()):
        model = forecaster(head=head).fit(shops())
        quantiles = run(model.to_module([0.1, 0.5, 0.8]), inputs_of(model))
        assert quantiles.shape == (3, HORIZON, 1, 3)
        np.testing.assert_allclose(quantiles, forecasts_of(model, [0.1, 0.5, 0.8]), rtol=1e-6)
    with pytest.raises(ConfigError, match="has no quantiles"):
        forecaster(head=Point()).fit(shops()).to_module([0.1])
    with pytest.raises(ConfigError, match="quantiles of sampled paths"):
        forecaster(Seq2Seq(hidden_size=8), Normal()).fit(shops()).to_module([0.1])


def test_gradients_reach_every_value_of_the_context():
    model = forecaster(Linear()).fit(shops())
    context = torch.tensor(inputs_of(model)["target"]).requires_grad_()
    model.to_module()(context, series=torch.tensor([1, 2, 3])).sum().backward()
    assert context.grad.isfinite().all()
    assert (context.grad != 0).all()


def test_rows_of_a_plain_array_go_in_as_they_are():
    X = np.random.default_rng(0).normal(size=(100, 6))
    model = NeuralRegressor(Linear(), training=QUICK).fit(X, X[:, 0])
    np.testing.assert_allclose(run(model.to_module(), {"target": X[:, :, None]}).ravel(), model.predict(X), rtol=1e-6)


def test_only_networks_have_modules_and_only_of_numbers():
    assert not hasattr(Forecaster(Ridge(), 2, 12), "to_onnx")
    weather = forecaster(Linear(), target="weather").fit(shops())
    with pytest.raises(ConfigError, match="holds categories"):
        weather.to_module()


NETWORKS = [
    Linear(),
    DLinear(kernel_size=5),
    LSTM(hidden_size=8),
    GRU(hidden_size=8, n_layers=2, bidirectional=True),
    PeepholeLSTM(hidden_size=8),
    ChoGRU(hidden_size=8),
    Transformer(hidden_size=8, n_layers=1),
    PatchTST(patch_length=6, stride=3, hidden_size=8, n_layers=1),
    Seq2Seq(hidden_size=8, attention="additive"),
]


def check_onnx(model, path, arrays, levels=()):
    """The file forecasts what the module does, for batches of one, three and thirty."""
    runtime = pytest.importorskip("onnxruntime")
    model.to_onnx(path, levels)
    session = runtime.InferenceSession(path)
    assert [entry.name for entry in session.get_inputs()] == list(arrays)
    for times in (1, 10):
        batch = {name: np.concatenate([array] * times) for name, array in arrays.items()}
        forecast = session.run(["forecast"], batch)[0]
        np.testing.assert_allclose(forecast, run(model.to_module(levels), batch), rtol=1e-5)
    first = {name: array[:1] for name, array in arrays.items()}
    np.testing.assert_allclose(session.run(None, first)[0], run(model.to_module(levels), first), rtol=1e-5)


@pytest.mark.clients
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_onnxruntime_forecasts_alike_with_any_batch(network, tmp_path):
    options = {"known": ["promo", "calendar"], "past": ["temperature", "weather"], "static": ["size", "unique_id"]}
    model = forecaster(network, **options).fit(shops())
    check_onnx(model, tmp_path / "m.onnx", inputs_of(model, model.make_future_frame().assign(promo=1.0)))


@pytest.mark.clients
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a line and vectors", "adaptive", "standard, logarithms", "gaps", "joint targets"])
def test_onnxruntime_scales_alike(name, tmp_path):
    model = CASES[name][0].fit(CASES[name][1])
    check_onnx(model, tmp_path / "m.onnx", inputs_of(model))


@pytest.mark.clients
@pytest.mark.filterwarnings("ignore")
def test_onnxruntime_has_quantiles_and_says_which_it_cannot_have(tmp_path):
    model = forecaster(head=Quantiles([0.1, 0.9])).fit(shops())
    check_onnx(model, tmp_path / "m.onnx", inputs_of(model), [0.1, 0.5, 0.8])
    with pytest.raises(ConfigError, match=r"head=Normal and levels=.* without a form in ONNX"):
        forecaster(head=Normal()).fit(shops()).to_onnx(tmp_path / "m.onnx", [0.1])
