"""A context filled up in front with missing rows gives what the shorter context gives, whatever the network."""

import pytest
import torch
from sklearn.base import clone
from test_contract import VARIANTS, batch_of, rows

from tsseq import Normal
from tsseq.data.layout import Layout
from tsseq.networks.batch import Batch, drop_leading, n_leading_missing
from tsseq.training.model import Model

LACKING = [0, 3, 10, 4, 3, 1, 0, 11]
LAYOUTS = [
    Layout(12, 5),
    Layout(12, 5, n_targets=2, n_past=1, n_known=2, n_static=1),
    Layout(12, 5, n_targets=2, n_past=1, n_known=2, n_static=1, missing=True),
    Layout(13, 3, n_known=1, missing=True),
]
every_network = pytest.mark.parametrize("network", VARIANTS, ids=repr)
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=repr)


def padded(layout: Layout) -> Batch:
    """A batch in which series i lacks its first LACKING[i] rows."""
    batch = batch_of(rows(layout, len(LACKING)), layout)
    parts = [[x.clone() for x in part] for part in (batch.values, batch.observed)]
    for channels in parts:
        for i, n in enumerate(LACKING):
            for block in channels[:3]:
                block[i, :n] = 0.0
    for i, n in enumerate(LACKING):
        parts[1][0][i, n] = 1.0  # the first row is there
    values, observed = (type(batch.values)(*part) for part in parts)
    return batch._replace(values=values, observed=observed)


def model_of(network, layout, train=False):
    torch.manual_seed(0)
    network = clone(network)
    given = {"dropout": 0.0, "teacher_forcing": 0.0}
    network.set_params(**{name: value for name, value in given.items() if name in network.get_params()})
    return Model(network, layout, Normal()).train(train)


def bare(model, batch):
    """The core on every series alone, without the rows that it lacks."""
    assert n_leading_missing(batch).tolist() == LACKING
    short = [drop_leading(batch, torch.tensor([i]), n) for i, n in enumerate(LACKING)]
    assert [part.values.target.shape[1] for part in short] == [model.layout.context_length - n for n in LACKING]
    return torch.cat([model.core(part) for part in short])


@every_network
@every_layout
def test_missing_rows_in_front_change_nothing(network, layout):
    model, batch = model_of(network, layout), padded(layout)
    torch.testing.assert_close(model(batch), bare(model, batch), rtol=1e-5, atol=1e-6)


@every_network
@pytest.mark.parametrize("layout", LAYOUTS[2:], ids=repr)
def test_missing_rows_in_front_change_nothing_in_training(network, layout):
    model, batch = model_of(network, layout, train=True), padded(layout)
    torch.testing.assert_close(model(batch), bare(model, batch), rtol=1e-5, atol=1e-6)
    model(batch).square().sum().backward()
    assert all(weights.grad is None or weights.grad.isfinite().all() for weights in model.parameters())


@every_network
def test_a_row_in_front_counts_where_anything_is_observed(network):
    layout = Layout(12, 5, n_past=1, missing=True)
    model, batch = model_of(network, layout), batch_of(rows(layout), layout)
    batch.observed.target[:, :6] = 0.0
    batch.values.target[:, :6] = 0.0
    batch.observed.past[:, 0] = 1.0
    assert n_leading_missing(batch).tolist() == [0] * 6
    torch.testing.assert_close(model(batch), model.core(batch))


@pytest.mark.parametrize("network", [net for net in VARIANTS if net.has_attention], ids=repr)
@every_layout
def test_attention_to_rows_that_are_there_is_that_of_the_shorter_context(network, layout):
    model, batch = model_of(network, layout), padded(layout)
    found = model.attention(batch)  # (B, H, L)
    assert found.shape == (len(LACKING), layout.horizon, layout.context_length)
    torch.testing.assert_close(found.sum(dim=2), torch.ones(found.shape[:2]))
    for i, n in enumerate(LACKING):
        assert not found[i, :, :n].any()
        own = model.attention(drop_leading(batch, torch.tensor([i]), n))[0, :, n:]
        torch.testing.assert_close(found[i, :, n:], own, rtol=1e-5, atol=1e-6)
