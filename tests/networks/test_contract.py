"""What every network promises, on every layout."""

import re

import numpy as np
import pytest
import torch
from sklearn.base import clone

from tsseq import networks
from tsseq.data.layout import Layout
from tsseq.networks.batch import Batch, unflatten

NETWORKS = [getattr(networks, name) for name in networks.__all__]
NETWORKS = [kind for kind in NETWORKS if issubclass(kind, networks.Network) and kind is not networks.Network]
VARIANTS = [kind() for kind in NETWORKS] + [
    networks.LSTM(hidden_size=8, n_layers=2, bidirectional=True, segment_length=4),
    networks.GRU(hidden_size=8, segment_length=None),
    networks.RNN(hidden_size=24, bidirectional=True, segment_length=5, nonlinearity="relu"),
    networks.PeepholeLSTM(hidden_size=8, n_layers=2, bidirectional=True, segment_length=4),
    networks.ChoGRU(hidden_size=8, bidirectional=True, segment_length=None),
    networks.Transformer(hidden_size=16, n_layers=1, norm_first=False, segment_length=5, activation="gelu"),
    networks.PatchTST(patch_length=5, stride=3, hidden_size=16),
    networks.DLinear(kernel_size=4),
    networks.Seq2Seq("lstm", hidden_size=8, n_layers=2, bidirectional=True, attention="additive", segment_length=None),
    networks.Seq2Seq("rnn", hidden_size=8, attention="dot", segment_length=4),
    networks.Seq2Seq("gru", hidden_size=8, attention=None, segment_length=5),
]
LAYOUTS = [
    Layout(12, 5),
    Layout(12, 5, n_past=2),
    Layout(12, 5, n_known=2),
    Layout(12, 5, n_static=3),
    Layout(12, 5, n_targets=3),
    Layout(30, 7, n_targets=2, n_past=1, n_known=2, n_static=1, missing=True),
    Layout(1, 1),
]
every_network = pytest.mark.parametrize("network", VARIANTS, ids=repr)
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=repr)


def rows(layout: Layout, n: int = 6, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(size=(n, layout.width)).astype(np.float32)
    if layout.missing:
        values[np.random.default_rng(1).random(values.shape) < 0.2] = np.nan
    return torch.from_numpy(values)


def batch_of(row: torch.Tensor, layout: Layout, future: torch.Tensor | None = None) -> Batch:
    n = len(row)
    codes, loc, scale = (
        torch.zeros(n, dtype=torch.long),
        torch.zeros(n, layout.n_targets),
        torch.ones(n, layout.n_targets),
    )
    return unflatten(row, layout, codes, loc, scale, future)


def built(network, layout, n_params=2):
    torch.manual_seed(0)
    return clone(network).build(layout, n_params).eval()


@every_network
@every_layout
def test_output_has_one_parameter_vector_per_step_and_target(network, layout):
    found = built(network, layout)(batch_of(rows(layout), layout))
    assert found.shape == (6, layout.horizon, layout.n_targets, 2)
    assert found.isfinite().all()


@every_network
@every_layout
def test_gradient_reaches_every_parameter(network, layout):
    module = built(network, layout)
    module(batch_of(rows(layout), layout)).square().sum().backward()
    silent = [name for name, weights in module.named_parameters() if weights.grad is None or not weights.grad.any()]
    if layout.context_length == 1:
        # one row leaves a cell no state to read, a query nothing to choose, and is its own moving average
        silent = [
            name for name in silent if not re.search(r"weight_hh|peepholes|decoder\.\d\.norm2|remainder\.weight", name)
        ]
    if isinstance(network, networks.Seq2Seq) and (network.segment_length or 1) >= layout.context_length:
        silent = [name for name in silent if not re.match(r"attend|encoder\.weight_hh", name)]  # one segment
    assert silent == []


@every_network
@every_layout
def test_forecast_does_not_read_the_future_target(network, layout):
    module, row = built(network, layout), rows(layout)
    truth = torch.randn(6, layout.horizon, layout.n_targets)
    assert torch.equal(module(batch_of(row, layout)), module(batch_of(row, layout, truth)))


@every_network
@every_layout
def test_batch_equals_singles(network, layout):
    module, row = built(network, layout), rows(layout)
    singles = torch.cat([module(batch_of(row[i : i + 1], layout)) for i in range(len(row))])
    torch.testing.assert_close(module(batch_of(row, layout)), singles, rtol=1e-5, atol=1e-6)


@every_network
def test_missing_values_do_not_spread(network):
    layout = LAYOUTS[5]
    row = rows(layout)
    assert row.isnan().any()
    assert built(network, layout)(batch_of(row, layout)).isfinite().all()


@every_network
def test_known_covariates_of_the_horizon_are_read(network):
    layout = Layout(12, 5, n_known=1)
    row = rows(layout)
    later = row.clone()
    later[:, -1] += 10.0
    module = built(network, layout)
    assert not torch.allclose(module(batch_of(row, layout))[:, -1], module(batch_of(later, layout))[:, -1])


@every_network
def test_state_dict_round_trip(network):
    layout = LAYOUTS[0]
    module, other = built(network, layout), clone(network).build(layout, 2).eval()
    other.load_state_dict(module.state_dict())
    assert torch.equal(module(batch_of(rows(layout), layout)), other(batch_of(rows(layout), layout)))


@every_network
def test_eight_windows_can_be_learnt_by_heart(network):
    layout = Layout(12, 3)
    row, truth = rows(layout, 8), torch.randn(8, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    module = built(clone(network).set_params(dropout=0.0) if "dropout" in network.get_params() else network, layout, 1)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    best = torch.inf
    for _ in range(300):
        optimizer.zero_grad()
        loss = (module(batch_of(row, layout)) - truth).square().mean()
        loss.backward()
        optimizer.step()
        best = min(best, loss.item())
    assert best < 1e-3


def test_unflatten_reads_channels_in_their_order():
    layout = Layout(2, 1, n_targets=2, n_past=1, n_known=1, n_static=1)
    row = torch.arange(layout.width, dtype=torch.float32)[None]
    values = batch_of(row, layout).values
    assert values.target[0].tolist() == [[0, 2], [1, 3]]
    assert values.past[0].tolist() == [[4], [5]]
    assert values.known[0].tolist() == [[6], [7], [8]]
    assert values.static[0].tolist() == [9]


def test_a_segmented_context_is_filled_at_the_front():
    values = torch.arange(1.0, 6.0).reshape(1, 5, 1)
    assert networks.layers.segments(values, 2, front=True).tolist() == [[[0, 1], [2, 3], [4, 5]]]
    assert networks.layers.segments(values, 2, front=False).tolist() == [[[1, 2], [3, 4], [5, 0]]]
