"""Models that take in new categories and series, and parts of them that stay."""

import pytest
import torch

from tsseq import GRU, Point
from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.batch import unflatten
from tsseq.training.line import Line
from tsseq.training.model import Model
from tsseq.training.weights import freeze_parts, from_arrays, grown, to_arrays

SMALL = Layout(4, 2, n_known=2, n_static=1, categories=(2, 0, 3))
LARGE = Layout(4, 2, n_known=2, n_static=1, categories=(5, 0, 300))


def model_of(layout=SMALL, n_series=3) -> Model:
    torch.manual_seed(0)
    return Model(GRU(4), layout, Point(), Line(layout, n_series), n_series).eval()


def batch(layout, kind, code):
    random = torch.Generator().manual_seed(0)
    blocks = [torch.randn(5, 4, generator=random), torch.full((5, 6), kind), torch.randn(5, 6, generator=random)]
    row = torch.cat([*blocks, torch.ones(5, 1)], dim=1)
    return unflatten(row, layout, torch.full((5,), code), torch.zeros(5, 1), torch.ones(5, 1))


def test_what_was_there_is_forecast_as_before_and_what_is_new_as_the_unknown():
    model = model_of()
    wider = grown(model, GRU(4), LARGE, 7)
    assert wider.embed.series.weight.shape[0] == 8
    assert wider.embed.static[0].weight.shape == (301, model.embed.static[0].weight.shape[1])
    with torch.no_grad():
        for kind, code in ((1.0, 2), (2.0, 0), (0.0, 3)):
            assert torch.equal(wider(batch(LARGE, kind, code)), model(batch(SMALL, kind, code)))
        assert torch.equal(wider(batch(LARGE, 4.0, 1)), wider(batch(LARGE, 0.0, 1)))
    wider.embed.static[0].weight.sum().backward()  # new vectors learn
    assert (wider.embed.static[0].weight.grad[4:] == 1).all()


def test_a_grown_model_is_built_again_from_its_arrays():
    wider = grown(model_of(), GRU(4), LARGE, 7)
    again = from_arrays(GRU(4), LARGE, Point(), to_arrays(wider))
    assert torch.equal(again(batch(LARGE, 4.0, 6)), wider(batch(LARGE, 4.0, 6)))


def test_a_model_without_vectors_of_series_gets_none():
    layout = Layout(4, 2)
    torch.manual_seed(0)
    assert grown(Model(GRU(4), layout, Point()), GRU(4), layout, 7).embed is None


def test_parts_are_frozen_by_whole_names():
    model = model_of()
    freeze_parts(model, ["core", "embed.series"])
    assert [name for name, weight in model.named_parameters() if weight.requires_grad] == [
        "embed.known.0.weight",
        "embed.static.0.weight",
    ]
    with pytest.raises(ConfigError, match="names 'cor', and the network has the parts"):
        freeze_parts(model_of(), ["cor"])
