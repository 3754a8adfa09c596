"""Categories become learnt vectors before any network sees them."""

import pytest
import torch
from torch import Tensor

from tsseq import Normal, Point
from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.heads import Categorical
from tsseq.networks import LSTM, DLinear, Linear, PatchTST, Seq2Seq, Transformer
from tsseq.networks.batch import unflatten
from tsseq.networks.embedding import Embedding, width_of
from tsseq.training.model import Model

# target, then past: a number and 2 categories; known: 3 categories and a number; static: 4 categories
LAYOUT = Layout(4, 2, 1, 2, 2, 1, missing=True, categories=(0, 2, 3, 0, 4))
NETWORKS = [
    Linear(),
    DLinear(3),
    LSTM(8, segment_length=2),
    Transformer(8, 2, dropout=0.0),
    PatchTST(2, 1, 8, 2),
    Seq2Seq(hidden_size=8),
]


def rows(n=3, seed=0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    blocks = [
        torch.randn(n, 4, generator=random),
        torch.randn(n, 4, generator=random),
        torch.randint(0, 3, (n, 4), generator=random),
        torch.randint(0, 4, (n, 6), generator=random),
        torch.randn(n, 6, generator=random),
        torch.randint(0, 5, (n, 1), generator=random),
    ]
    return torch.cat([block.float() for block in blocks], dim=1)


def batch(row, codes=None, layout=LAYOUT):
    n = len(row)
    codes = torch.zeros(n, dtype=torch.long) if codes is None else torch.tensor(codes)
    return unflatten(row, layout, codes, torch.zeros(n, 1), torch.ones(n, 1))


def built(layout=LAYOUT, n_series=0):
    torch.manual_seed(0)
    return Embedding(layout, n_series)


def test_the_wider_layout_has_no_categories_and_is_as_wide_as_what_comes_out():
    embed = built()
    assert embed.layout == Layout(4, 2, 1, 1 + 3, 3 + 1, 4, missing=True)
    for part in embed(batch(rows()))[:2]:
        assert [tuple(block.shape) for block in part] == [(3, 4, 1), (3, 4, 4), (3, 6, 4), (3, 4)]


def test_every_code_becomes_the_vector_of_its_category():
    embed, given = built(), batch(rows())
    found = embed(given)
    assert torch.equal(found.values.target, given.values.target)
    assert torch.equal(found.values.past[..., 0], given.values.past[..., 0])
    assert torch.equal(found.values.past[..., 1:], embed.past[1].weight[given.values.past[..., 1].long()])
    assert torch.equal(found.values.known[..., :3], embed.known[0].weight[given.values.known[..., 0].long()])
    assert torch.equal(found.values.known[..., 3], given.values.known[..., 1])
    assert torch.equal(found.values.static, embed.static[0].weight[given.values.static[:, 0].long()])
    assert torch.equal(found.codes, given.codes)


def test_what_was_missing_is_zero_and_not_observed():
    row = rows()
    row[0, 8:10] = torch.nan  # two codes of the past
    row[1, 12] = torch.nan  # one that is known
    row[2, -1] = torch.nan  # a static one
    row[0, 4] = torch.nan  # a number
    found = built()(batch(row))
    holes = [(found.values.past[0, :2, 1:], found.observed.past[0, :2, 1:])]
    holes += [(found.values.known[1, 0, :3], found.observed.known[1, 0, :3])]
    holes += [(found.values.static[2], found.observed.static[2])]
    holes += [(found.values.past[0, 0, 0], found.observed.past[0, 0, 0])]
    for values, observed in holes:
        assert (values == 0).all()
        assert (observed == 0).all()
    seen = sum(part.sum() for part in found.observed)
    assert seen == sum(part.numel() for part in found.observed) - 2 * 3 - 3 - 4 - 1


def test_the_unknown_category_adds_nothing_and_never_learns():
    embed = built()
    zero = rows()
    zero[:, 8:18] = 0
    embed(batch(zero)).values.past.pow(2).sum().backward()
    assert (embed.past[1].weight[0] == 0).all()
    assert embed.past[1].weight.grad[0].abs().sum() == 0
    assert (embed(batch(zero)).values.known[..., :3] == 0).all()
    assert (embed(batch(zero)).observed.known == 1).all()


def test_series_have_a_vector_of_their_own_behind_the_static_channels():
    embed = built(n_series=5)
    found = embed(batch(rows(), [2, 0, 5]))
    assert embed.layout.n_static == found.values.static.shape[1] == 4 + width_of(5)
    assert torch.equal(found.values.static[:, 4:], embed.series.weight[[2, 0, 5]])
    assert (found.values.static[1, 4:] == 0).all()
    assert found.observed.static[:, 4:].tolist() == [[1.0] * 4, [0.0] * 4, [1.0] * 4]


def test_series_alone_may_be_embedded():
    layout = Layout(4, 2)
    embed = built(layout, n_series=3)
    assert embed.layout == Layout(4, 2, n_static=3)
    row = torch.randn(2, 4)
    assert torch.equal(embed(batch(row, [1, 3], layout)).values.static, embed.series.weight[[1, 3]])


def test_without_categories_a_batch_passes_as_it_is():
    layout = Layout(4, 2, 1, 1, 1, 1)
    given = batch(torch.randn(3, layout.width), layout=layout)
    embed = built(layout)
    assert embed.layout == layout
    assert not list(embed.parameters())
    for ours, theirs in zip((*embed(given).values, *embed(given).observed), (*given.values, *given.observed)):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_any_network_reads_the_wider_batch_and_teaches_every_category_it_sees(network):
    torch.manual_seed(1)
    module, given = Model(network, LAYOUT, Normal()).train(), batch(rows(64))
    found = module(given)
    assert found.shape == (64, 2, 1, 2)
    (found * torch.randn_like(found)).sum().backward()
    for table in (module.embed.past[1], module.embed.known[0], module.embed.static[0]):
        assert (table.weight.grad[1:].abs().sum(dim=1) > 0).all()
        assert (table.weight.grad[0] == 0).all()


def test_a_network_behind_an_embedding_is_that_network_on_the_embedded_batch():
    model, given = Model(Linear(), LAYOUT, Point()), batch(rows())
    assert torch.equal(model(given), model.core(model.embed(given)))


def test_a_layout_counts_the_categories_of_every_covariate():
    with pytest.raises(ConfigError, match="for each of 2 covariates"):
        built(Layout(4, 2, n_known=1, n_static=1, categories=(3,)))


def test_numbers_need_no_embedding():
    assert Model(Linear(), Layout(4, 2), Point()).embed is None


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_past_of_a_target_of_categories_is_a_vector_for_each(network):
    layout = Layout(4, 2, missing=True, n_classes=3)
    torch.manual_seed(0)
    model = Model(network, layout, Categorical(3)).eval()
    row = torch.tensor([[0.0, 2.0, 1.0, 0.0], [0.0, 2.0, float("nan"), 0.0]])
    given = batch(row, layout=layout)
    found = model.embed(given._replace(future=torch.tensor([[[1.0], [-1.0]], [[0.0], [2.0]]])))
    table = model.embed.target.weight
    zeros = torch.zeros_like(table[0])
    torch.testing.assert_close(found.values.target[1], torch.stack([table[1], table[3], zeros, table[1]]))
    torch.testing.assert_close(found.future[0], torch.stack([table[2], zeros]))
    assert found.observed.target[1].all(dim=1).tolist() == [True, True, False, True]
    params = model(given)
    assert params.shape == (2, 2, 1, 3)
    with torch.no_grad():
        table[3] += 1.0
    assert not torch.allclose(model(given), params)


def test_a_network_that_reads_itself_reads_the_vectors_of_its_draws():
    torch.manual_seed(0)
    model = Model(
        Seq2Seq(hidden_size=8, segment_length=None, attention=None), Layout(4, 3, n_classes=3), Categorical(3)
    )
    given = batch(torch.tensor([[0.0, 2.0, 1.0, 0.0]]), layout=model.layout)
    levels = torch.tensor([0.01, 0.99])[:, None, None, None].expand(2, 1, 3, 1)
    with torch.no_grad():
        params = model.eval().params_of_paths(given, levels, model.head)
    assert params.shape == (2, 1, 3, 1, 3)
    torch.testing.assert_close(params[0, :, 0], params[1, :, 0])  # nothing was drawn before the first step
    assert not torch.allclose(params[0, :, 1:], params[1, :, 1:])
    assert model.sample(given, levels)[:, 0, :, 0].tolist() == [[0.0] * 3, [2.0] * 3]
