"""Blocks of the attention networks and of DLinear against their formulas, written out in NumPy and pandas."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from tsseq import DLinear, PatchTST, Transformer
from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.batch import unflatten
from tsseq.networks.layers import positions
from tsseq.networks.linear import moving_average
from tsseq.networks.patchtst import patches

RNG = np.random.default_rng(0)


def batch_of(layout: Layout, n: int = 4):
    """Rows as float64 NumPy arrays, and the batch made of them."""
    row = torch.from_numpy(RNG.normal(size=(n, layout.width)).astype(np.float32))
    ones = torch.ones(n, layout.n_targets)
    batch = unflatten(row, layout, torch.zeros(n, dtype=torch.long), 0 * ones, ones)
    return batch, [part.numpy().astype(float) for part in batch.values]


def built(network, layout):
    """The module with weights away from zero, as after training, and these weights in NumPy."""
    torch.manual_seed(0)
    module = network.build(layout, 1).eval()
    with torch.no_grad():
        for weights in module.parameters():
            weights += 0.1 * torch.randn_like(weights)
    return module, {name: value.numpy().astype(float) for name, value in module.state_dict().items()}


@pytest.mark.parametrize("size", [8, 7])
def test_positions_are_those_of_the_paper(size):
    truth = np.zeros((50, size))
    for place in range(50):
        for i in range(size):
            angle = place / 10000 ** (2 * (i // 2) / size)
            truth[place, i] = np.cos(angle) if i % 2 else np.sin(angle)
    np.testing.assert_allclose(positions(50, size), truth, atol=1e-5)


UNITS = {"relu": lambda x: np.maximum(x, 0), "gelu": lambda x: x * norm.cdf(x)}


class InNumPy:
    """The Transformer's blocks as in Vaswani et al. 2017, on weights of torch."""

    def __init__(self, weights: dict[str, np.ndarray], heads: int, activation: str) -> None:
        self.weights, self.heads, self.unit = weights, heads, UNITS[activation]

    def linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return unit * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def attention(self, queries, keys, name):
        """Equation 1, once per head."""
        weight, bias = (np.split(self.weights[f"{name}.in_proj_{kind}"], 3) for kind in ("weight", "bias"))
        q, k, v = (np.split(x @ w.T + b, self.heads, axis=-1) for x, w, b in zip((queries, keys, keys), weight, bias))
        found = []
        for query, key, value in zip(q, k, v):
            scores = np.exp(query @ key.swapaxes(-1, -2) / np.sqrt(key.shape[-1]))
            found.append(scores / scores.sum(-1, keepdims=True) @ value)
        return self.linear(np.concatenate(found, axis=-1), f"{name}.out_proj")

    def feedforward(self, x, name):
        """Equation 2."""
        return self.linear(self.unit(self.linear(x, f"{name}.linear1")), f"{name}.linear2")

    def block(self, x, block, norm, norm_first):
        return x + block(self.norm(x, norm)) if norm_first else self.norm(x + block(x), norm)

    def encode(self, x, name, norm_first):
        x = self.block(x, lambda z: self.attention(z, z, f"{name}.self_attn"), f"{name}.norm1", norm_first)
        return self.block(x, lambda z: self.feedforward(z, name), f"{name}.norm2", norm_first)

    def decode(self, x, memory, name, norm_first):
        x = self.block(x, lambda z: self.attention(z, z, f"{name}.self_attn"), f"{name}.norm1", norm_first)
        x = self.block(x, lambda z: self.attention(z, memory, f"{name}.multihead_attn"), f"{name}.norm2", norm_first)
        return self.block(x, lambda z: self.feedforward(z, name), f"{name}.norm3", norm_first)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_transformer_equals_the_paper_in_numpy(norm_first, activation):
    layout = Layout(6, 3, n_known=2, n_static=1)
    network = Transformer(8, n_heads=2, n_layers=1, feedforward_size=5, norm_first=norm_first, segment_length=None)
    network.set_params(activation=activation)
    module, weights = built(network, layout)
    batch, (target, _, known, static) = batch_of(layout)
    paper, place = (
        InNumPy(weights, heads=2, activation=activation),
        positions(9, 8).numpy() + static[:, None] @ weights["static.weight"].T,
    )
    context = paper.linear(np.concatenate([target, known[:, :6]], axis=2), "embed") + place[:, :6]
    horizon = paper.linear(known[:, 6:], "known") + place[:, 6:]
    context = paper.encode(context, "encoder.0", norm_first)
    context = paper.norm(context, "norms.0") if norm_first else context
    horizon = paper.decode(horizon, context, "decoder.0", norm_first)
    truth = paper.linear(paper.norm(horizon, "norms.1") if norm_first else horizon, "read")
    np.testing.assert_allclose(module(batch)[..., 0].detach(), truth, rtol=1e-5, atol=1e-5)


def test_heads_must_divide_the_width():
    for network in (Transformer(hidden_size=30), PatchTST(hidden_size=30)):
        with pytest.raises(ConfigError, match="hidden_size=30 must be a multiple of n_heads=4"):
            network.build(Layout(12, 3), 1)


@pytest.mark.parametrize(("rows", "length", "stride", "count"), [(96, 16, 8, 12), (20, 16, 8, 2), (5, 5, 5, 2)])
def test_patches_are_slices_of_the_context_continued_by_its_last_value(rows, length, stride, count):
    values = RNG.normal(size=(3, rows, 2))
    longer = np.concatenate([values, np.repeat(values[:, -1:], stride, axis=1)], axis=1)
    found = patches(torch.from_numpy(values), length, stride).numpy()
    truth = [longer[:, start : start + length] for start in range(0, rows + stride - length + 1, stride)]
    assert found.shape == (3, count, 2 * length)
    for i, patch in enumerate(truth):
        np.testing.assert_array_equal(found[:, i], patch.swapaxes(1, 2).reshape(3, -1))


def test_patchtst_forecasts_a_target_without_the_others():
    together, alone = Layout(24, 4, n_targets=3), Layout(24, 4)
    module, _ = built(PatchTST(hidden_size=8), together)
    single, _ = built(PatchTST(hidden_size=8), alone)
    single.load_state_dict(module.state_dict())
    batch, (target, *_) = batch_of(together)
    for k in range(3):
        part = torch.from_numpy(target[:, :, k].astype(np.float32))
        ones = torch.ones(len(part), 1)
        found = single(unflatten(part, alone, torch.zeros(len(part)), ones, ones))
        torch.testing.assert_close(found[:, :, 0], module(batch)[:, :, k])


@pytest.mark.parametrize("size", [1, 4, 25])
def test_moving_average_is_that_of_pandas_on_a_context_continued_at_both_ends(size):
    values = RNG.normal(size=(2, 3, 10))
    longer = np.pad(values, ((0, 0), (0, 0), ((size - 1) // 2, size // 2)), mode="edge")
    truth = pd.DataFrame(longer.reshape(6, -1).T).rolling(size).mean().to_numpy()[size - 1 :].T.reshape(values.shape)
    np.testing.assert_allclose(moving_average(torch.from_numpy(values), size), truth, atol=1e-12)


def test_dlinear_is_one_map_of_the_trend_and_one_of_the_remainder():
    layout = Layout(10, 4, n_targets=2)
    module, weights = built(DLinear(kernel_size=3), layout)
    batch, (target, *_) = batch_of(layout)
    longer = np.pad(target, ((0, 0), (1, 1), (0, 0)), mode="edge")
    trend = (longer[:, :-2] + longer[:, 1:-1] + longer[:, 2:]) / 3
    truth = sum(
        np.einsum("blc,hl->bhc", part, weights[f"{name}.weight"]) + weights[f"{name}.bias"][:, None]
        for name, part in (("trend", trend), ("remainder", target - trend))
    )
    np.testing.assert_allclose(module(batch)[..., 0].detach(), truth, rtol=1e-5, atol=1e-5)
