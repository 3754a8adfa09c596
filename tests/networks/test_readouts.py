"""States that networks offer, and how they are read."""

from dataclasses import replace

import pytest
import torch

from tsseq import Normal, networks
from tsseq.data.layout import Layout
from tsseq.heads import CTC
from tsseq.networks.batch import unflatten
from tsseq.networks.readouts import AlignedReadout, Beside, MeanReadout, StepReadout, has_states
from tsseq.training.model import Model

ABLE = [getattr(networks, name) for name in networks.__all__ if has_states(getattr(networks, name))]


def batch_of(rows, layout):
    zeros = torch.zeros(len(rows), layout.n_targets)
    return unflatten(rows, layout, torch.zeros(len(rows), dtype=torch.long), zeros, zeros + 1)


def test_recurrent_networks_have_states_and_linear_ones_have_none():
    assert {"GRU", "LSTM", "RNN"} <= {kind.__name__ for kind in ABLE}
    assert not has_states(networks.Linear())


@pytest.mark.parametrize("kind", ABLE)
@pytest.mark.parametrize(("length", "both"), [(None, False), (5, True)])
def test_there_is_one_state_per_segment(kind, length, both):
    layout = Layout(12, 1, n_targets=2, missing=True)
    encoder = kind(hidden_size=8, bidirectional=both, segment_length=length).build_encoder(layout)
    states = encoder(batch_of(torch.randn(3, layout.width), layout))
    assert states.shape == (3, -(-12 // encoder.length), encoder.size)
    assert encoder.length == (length or 1)


@pytest.mark.parametrize("readout", [MeanReadout, StepReadout])
def test_gradient_reaches_every_parameter(readout):
    layout = Layout(12, 12 if readout is StepReadout else 1, n_targets=2)
    module = readout(networks.GRU(hidden_size=8, bidirectional=True, segment_length=5)).build(layout, 3)
    found = module(batch_of(torch.randn(4, layout.width), layout))
    assert found.shape == (4, layout.horizon, 1, 3)
    found.square().sum().backward()
    assert all(weights.grad is not None and weights.grad.any() for weights in module.parameters())


def test_the_mean_leaves_out_segments_before_the_first_value():
    layout = Layout(6, 1, missing=True)
    model = Model(MeanReadout(networks.RNN(hidden_size=4, segment_length=2)), layout, Normal()).eval()
    rows = torch.randn(3, 6)
    rows[0, :4], rows[1, :3], rows[2, :5] = torch.nan, torch.nan, torch.nan
    found = model(batch_of(rows, layout))
    for row, first in enumerate([4, 2, 4]):
        states = model.core.encoder(batch_of(rows[row : row + 1, first:], replace(layout, context_length=6 - first)))
        torch.testing.assert_close(found[row, 0, 0], model.core.read(states[0].mean(0)))


def test_steps_are_read_from_contexts_of_any_length():
    layout = Layout(6, 6)
    module = StepReadout(networks.GRU(hidden_size=4, segment_length=None)).build(layout, 2).eval()
    rows = torch.randn(3, 9)
    longer = module(batch_of(rows, Layout(9, 6)))
    assert longer.shape == (3, 9, 1, 2)
    shorter = module(batch_of(rows[:, :4], Layout(4, 6)))
    assert shorter.shape == (3, 6, 1, 2)
    torch.testing.assert_close(shorter[:, 2:], longer[:, :4])


@pytest.mark.parametrize("readout", [MeanReadout, StepReadout])
@pytest.mark.parametrize("kind", ABLE)
@pytest.mark.parametrize(("length", "both"), [(None, True), (5, False), (5, True)])
def test_contexts_of_unequal_length_are_read_together_as_each_alone(readout, kind, length, both):
    layout = Layout(12, 12 if readout is StepReadout else 1, n_targets=2, missing=True)
    network = kind(hidden_size=8, n_layers=2, bidirectional=both, segment_length=length)
    model = Model(readout(network), layout, Normal()).eval()
    rows = torch.randn(13, 2, 12)
    for row, first in enumerate(range(13)):  # the last one is missing as a whole
        rows[row, :, :first] = torch.nan
    batch = batch_of(rows.flatten(1), layout)
    together = model(batch)
    assert model.core.reads_ragged == (kind in (networks.GRU, networks.LSTM, networks.RNN))
    model.core.reads_ragged = False
    alone = model(batch)
    for row in range(13):
        skip = row if readout is StepReadout else 0
        torch.testing.assert_close(together[row, skip:], alone[row, skip:], rtol=1e-5, atol=1e-6)


def test_gradients_of_contexts_read_together_are_those_of_each_alone():
    layout = Layout(9, 1, missing=True)
    model = Model(MeanReadout(networks.GRU(8, bidirectional=True, segment_length=2)), layout, Normal()).eval()
    rows = torch.randn(5, 9)
    rows[1, :4], rows[2, :7] = torch.nan, torch.nan
    gradients = []
    for together in (True, False):
        model.core.reads_ragged = together
        model.zero_grad()
        model(batch_of(rows, layout)).square().sum().backward()
        gradients.append([weights.grad.clone() for weights in model.parameters()])
    for first, second in zip(*gradients):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "network", [networks.Linear(), MeanReadout(networks.GRU(4)), networks.PatchTST(4, 2)], ids=repr
)
def test_scores_beside_a_network_are_added_to_what_it_says(network):
    layout = Layout(8, 1, n_targets=2, n_static=3)
    module = Beside(network).build(layout, 3).eval()
    rows = torch.randn(4, layout.width)
    bare = rows.clone()
    bare[:, -3:] = 0.0
    found, without = (module(batch_of(part, layout)).sum(2)[:, 0] for part in (rows, bare))
    torch.testing.assert_close(found - without, rows[:, -3:])


@pytest.mark.parametrize("kind", ABLE)
@pytest.mark.parametrize("length", [None, 5])
def test_steps_before_a_context_begins_are_blank_for_sure(kind, length):
    layout = Layout(12, 12, missing=True)
    model = Model(AlignedReadout(kind(hidden_size=8, segment_length=length)), layout, CTC(2)).eval()
    rows = torch.randn(12, 12)
    for row in range(12):
        rows[row, :row] = torch.nan
    chances = model(batch_of(rows, layout)).softmax(3)[:, :, 0]  # (12, 12, 3)
    for row in range(12):
        torch.testing.assert_close(chances[row, :row, 0], torch.ones(row))
        assert (chances[row, row:, 0] < 0.999).all()
