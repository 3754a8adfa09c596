"""Every network in bfloat16 and through torch.compile, near its own numbers in float32."""

import pytest
import torch
from test_contract import LAYOUTS, VARIANTS, batch_of, built, rows

from tsseq import Normal, Seq2SeqForecaster, Training, TransformerForecaster, make_series, networks
from tsseq.training.model import Model

LAYOUT = LAYOUTS[5]
SMALL = [
    networks.RNN(hidden_size=8, segment_length=5),
    networks.LSTM(hidden_size=8, segment_length=5, bidirectional=True),
    networks.GRU(hidden_size=8, segment_length=5),
    networks.PeepholeLSTM(hidden_size=8, segment_length=5),
    networks.ChoGRU(hidden_size=8, segment_length=5),
    networks.Linear(),
    networks.DLinear(),
    networks.Transformer(hidden_size=8, n_heads=2, n_layers=1, segment_length=5),
    networks.PatchTST(patch_length=6, stride=3, hidden_size=8, n_heads=2, n_layers=1),
    networks.Seq2Seq(hidden_size=8, segment_length=5),
]


def test_every_network_is_among_the_small_ones():
    assert {type(network).__name__ for network in SMALL} == {
        name for name in networks.__all__ if issubclass(getattr(networks, name), networks.Network)
    } - {"Network"}


@pytest.mark.parametrize("network", VARIANTS, ids=repr)
@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_bfloat16_is_near_float32(network, train):
    module, batch = built(network, LAYOUT), batch_of(rows(LAYOUT), LAYOUT)
    exact = module(batch)
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    module.train(train)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(batch)
    assert found.shape == exact.shape
    assert found.isfinite().all()
    if not train:
        assert (found.float() - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's own
@pytest.mark.parametrize("network", SMALL, ids=repr)
def test_a_compiled_network_gives_the_same_numbers(network):
    torch.manual_seed(0)
    model, batch = Model(network, LAYOUT, Normal()).eval(), batch_of(rows(LAYOUT), LAYOUT)
    expected = model(batch)
    torch.compiler.reset()
    model.core.compile(backend="aot_eager")
    torch.testing.assert_close(model(batch), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("kind", [Seq2SeqForecaster, TransformerForecaster])
def test_networks_with_attention_are_trained_in_bfloat16(kind, precision):
    training = Training(max_epochs=1, max_steps=6, precision=precision, verbose=False)
    model = kind(6, 24, hidden_size=8, segment_length=3, head=Normal(), training=training)
    found = model.fit(make_series("seasonal", 200)).predict(levels=[0.1, 0.9])
    assert found.notna().all(axis=None)
