"""What recurrent networks start from."""

from __future__ import annotations

import pytest
import torch

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks import GRU, LSTM, RNN


@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_lstm_starts_with_open_forget_gates(bidirectional):
    net = LSTM(hidden_size=16, n_layers=2, bidirectional=bidirectional).build(Layout(8, 4), 1)
    cells = [part for part in net.modules() if isinstance(part, torch.nn.LSTM)]
    assert len(cells) == 1 + bidirectional
    for cell in cells:
        biases = [bias for name, bias in cell.named_parameters() if name.startswith("bias_ih")]
        assert len(biases) == cell.num_layers * (1 + cell.bidirectional)
        for gates in (bias.unflatten(0, (4, 16)).mean(dim=1) for bias in biases):
            torch.testing.assert_close(gates, torch.tensor([0.0, 2.0, 0.0, 0.0]), atol=0.25, rtol=0)


def test_a_gru_starts_as_torch_makes_it():
    net = GRU(hidden_size=16).build(Layout(8, 4), 1)
    assert all(bias.abs().max() <= 0.25 for name, bias in net.encoder.named_parameters() if name.startswith("bias"))


@pytest.mark.parametrize(("nonlinearity", "unit"), [("tanh", torch.tanh), ("relu", torch.relu)])
def test_a_unit_of_an_rnn_is_the_one_asked_for(nonlinearity, unit):
    cell = RNN(hidden_size=4, nonlinearity=nonlinearity).build(Layout(8, 4), 1).encoder.cell
    inputs, state = torch.randn(3, 5, 4), torch.zeros(3, 4)
    for step in range(5):
        state = unit(
            inputs[:, step] @ cell.weight_ih_l0.T + state @ cell.weight_hh_l0.T + cell.bias_ih_l0 + cell.bias_hh_l0
        )
    torch.testing.assert_close(cell(inputs)[0][:, -1], state)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ConfigError, match="must be one of 'tanh', 'relu'"):
        RNN(nonlinearity="gelu").build(Layout(8, 4), 1)
