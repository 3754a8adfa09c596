"""Networks that write symbol by symbol: what they read while they do, and what a beam search finds."""

from dataclasses import replace
from functools import partial
from itertools import product

import pytest
import torch
from sklearn.base import clone
from test_contract import batch_of

from tsseq.data.layout import Layout
from tsseq.heads import Categorical
from tsseq.networks import Seq2Seq, Transformer
from tsseq.networks.batch import unflatten
from tsseq.networks.decoding import beam_search
from tsseq.networks.readouts import Transduction
from tsseq.training.model import Model

NETWORKS = [
    Seq2Seq("gru", hidden_size=8, bidirectional=True, attention="general", segment_length=None),
    Seq2Seq("lstm", hidden_size=8, n_layers=2, attention="additive", segment_length=None),
    Seq2Seq("rnn", hidden_size=8, attention="dot", segment_length=2),
    Seq2Seq("lstm", hidden_size=8, bidirectional=True, attention=None, segment_length=None),
    Transformer(hidden_size=8, n_heads=2, n_layers=2, segment_length=None),
    Transformer(hidden_size=8, n_heads=2, n_layers=1, norm_first=False, segment_length=3),
]
every_network = pytest.mark.parametrize("network", NETWORKS, ids=repr)
N_CLASSES = 4  # three symbols and the end
LAYOUT = Layout(6, 3, n_past=1, missing=True, categories=(5,), n_classes=N_CLASSES)


def model_of(network, layout=LAYOUT, scale=2.0):
    """A model with weights away from zero, as after training."""
    torch.manual_seed(0)
    network = clone(network).set_params(dropout=0.0)
    model = Model(Transduction(network), layout, Categorical(N_CLASSES)).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(scale)
    return model


def batch(layout=LAYOUT, lengths=(6, 1, 4, 2), future=None):
    """Sources of some lengths, filled up in front."""
    codes = torch.randint(1, 6, (len(lengths), 1, layout.context_length), generator=torch.Generator().manual_seed(1))
    source = codes[:, 0].float()
    for row, length in enumerate(lengths):
        source[row, : layout.context_length - length] = torch.nan
    rows = torch.cat([torch.full_like(source, torch.nan), source], dim=1)
    return batch_of(rows, layout, future)


@every_network
def test_what_is_forced_is_what_reading_the_truth_gives(network):
    model, truth = model_of(network), torch.randint(0, 4, (4, 3, 1)).float()
    forced = model.train()(batch(future=truth))
    fed = model.eval().params_of_paths(batch(), torch.zeros(1, 4, 3, 1), _Fixed(truth))[0]
    torch.testing.assert_close(forced, fed)


class _Fixed:
    """A head that writes given classes."""

    def __init__(self, truth):
        self.truth, self.step = truth, 0

    def icdf(self, params, level, scale):
        self.step += 1
        return self.truth[:, self.step - 1 : self.step]


@every_network
def test_a_step_reads_no_true_symbol_but_those_before_it(network):
    model, truth = model_of(network).train(), torch.zeros(4, 3, 1)
    other = truth.clone()
    other[:, 1] = 2.0
    first, second = (model(batch(future=future)) for future in (truth, other))
    assert torch.equal(first[:, :2], second[:, :2])
    assert (first[:, 2] != second[:, 2]).any(dim=2).all()


@every_network
@pytest.mark.parametrize("training", [False, True])
def test_sources_of_unequal_length_are_read_together_as_each_alone(network, training):
    truth = torch.randint(0, 4, (4, 3, 1)).float()
    model = model_of(network).train(training)
    together = model(batch(future=truth))
    for row, length in enumerate((6, 1, 4, 2)):
        whole = batch(future=truth)
        values, observed = (part.past[row : row + 1, 6 - length :] for part in (whole.values, whole.observed))
        source = torch.where(observed.bool(), values, torch.nan)[:, :, 0]
        layout = replace(LAYOUT, context_length=length)
        alone = unflatten(
            torch.cat([torch.full_like(source, torch.nan), source], dim=1),
            layout,
            torch.zeros(1, dtype=torch.long),
            torch.zeros(1, 1),
            torch.ones(1, 1),
            truth[row : row + 1],
        )
        torch.testing.assert_close(together[row : row + 1], model(alone), rtol=1e-5, atol=1e-5)


@every_network
def test_gradient_reaches_every_parameter(network):
    model = model_of(network, scale=1.0).train()
    model(batch(lengths=(6,) * 4, future=torch.ones(4, 3, 1))).square().sum().backward()
    silent = {name for name, weights in model.named_parameters() if weights.grad is None or not weights.grad.any()}
    assert silent == set()


@every_network
def test_a_wide_beam_finds_the_most_probable_of_all_sequences(network):
    model, some = model_of(network, scale=3.0), batch()
    n, end = 4, N_CLASSES - 1
    best, codes = torch.full((n,), -torch.inf), torch.full((n, 3), end)
    for symbols in product(range(N_CLASSES), repeat=3):
        stop = symbols.index(end) if end in symbols else 2
        if any(symbol != end for symbol in symbols[stop:]) and end in symbols:
            continue
        truth = torch.tensor(symbols, dtype=torch.float32).expand(n, 3)[:, :, None]
        chances = model.train()(batch(future=truth)).sum(2).log_softmax(2)  # (n, 3, K)
        score = chances.gather(2, truth.long())[:, : stop + 1].sum(dim=(1, 2))
        better = score > best
        best, codes[better] = torch.where(better, score, best), torch.tensor(symbols)
    with torch.no_grad():
        torch.testing.assert_close(model.eval().search(some, 64), codes)


@every_network
def test_a_beam_of_one_takes_the_best_symbol_of_every_step(network):
    model, some = model_of(network, scale=3.0), batch()
    with torch.no_grad():
        codes = model.head.mean(model(some))[..., 0]
        ended = (codes == N_CLASSES - 1).cumsum(dim=1) > 0
        assert torch.equal(model.search(some, 1), torch.where(ended, N_CLASSES - 1, codes))


@pytest.mark.parametrize("network", [network for network in NETWORKS if network.has_attention], ids=repr)
def test_attention_is_shared_among_what_is_there(network):
    with torch.no_grad():
        weights = model_of(network).attention(batch())  # (B, H, L)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(4, 3))
    assert not weights[1, :, :5].any()
    torch.testing.assert_close(weights[1, :, 5], torch.ones(3))
    assert (weights[0] > 0).all()


def test_a_search_ends_when_all_have_ended():
    layout = replace(LAYOUT, horizon=500)
    model = model_of(NETWORKS[0], layout)
    with torch.no_grad():
        model.core.read[1].bias[N_CLASSES - 1] += 50.0
        steps = []
        model.core.decoder.register_forward_hook(lambda *_: steps.append(1))
        found = model._by_length(batch(layout), partial(beam_search, model.core, model.embed.vectors, 3))
    assert found.shape == (4, 500)
    assert (found == N_CLASSES - 1).all()
    assert len(steps) <= 3
