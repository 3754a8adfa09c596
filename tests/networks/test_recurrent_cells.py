"""Recurrent cells, ours and torch's, against their equations written out in NumPy."""

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn

import tsseq
from tsseq import Forecaster, NeuralRegressor, Training, networks
from tsseq.errors import ConfigError
from tsseq.networks import recurrent_cells as cells

SIZE, LAYERS, BATCH, TIMES, WIDTH = 5, 2, 3, 7, 4


def logistic(x):
    return 1 / (1 + np.exp(-x))


def parts(own, n):
    """W, U and the input's bias in ``n`` blocks each; torch's second bias in ``n`` blocks, or zeros."""
    other = own.get("bias_hh", np.zeros(n * SIZE))
    return [np.split(own[name], n) for name in ("weight_ih", "weight_hh", "bias")] + [np.split(other, n)]


def rnn(own, x, state):
    (W,), (U,), (b,), (b_h,) = parts(own, 1)
    return (np.tanh(W @ x + U @ state[0] + b + b_h),)


def lstm(own, x, state):
    (h, c), p = state, own.get("peepholes", np.zeros((3, SIZE)))
    i, f, g, o = (W @ x + U @ h + b + b_h for W, U, b, b_h in zip(*parts(own, 4), strict=True))
    new = logistic(f + p[1] * c) * c + logistic(i + p[0] * c) * np.tanh(g)
    return logistic(o + p[2] * new) * np.tanh(new), new


def gru(own, x, state):
    (h,), (W, U, b, b_h) = state, parts(own, 3)
    r, z = (logistic(W[k] @ x + U[k] @ h + b[k] + b_h[k]) for k in (0, 1))
    return (z * h + (1 - z) * np.tanh(W[2] @ x + b[2] + r * (U[2] @ h + b_h[2])),)


def cho(own, x, state):
    (h,), (W, U, b, _) = state, parts(own, 3)
    r, z = (logistic(W[k] @ x + U[k] @ h + b[k]) for k in (0, 1))
    return (z * h + (1 - z) * np.tanh(W[2] @ x + U[2] @ (r * h) + b[2]),)


def weights(cell, k):
    """What direction ``k`` has learnt, layer by layer, forwards before backwards; under our names."""
    if isinstance(cell, cells.PeepholeLSTM | cells.ChoGRU):
        found = cell.cells[k].state_dict()
    else:
        ways = 2 if cell.bidirectional else 1
        end = f"_l{k // ways}" + "_reverse" * (k % ways)
        names = {"weight_ih": "weight_ih", "weight_hh": "weight_hh", "bias_ih": "bias", "bias_hh": "bias_hh"}
        found = {ours: getattr(cell, name + end).detach() for name, ours in names.items()}
    return {name: tensor.double().numpy() for name, tensor in found.items()}


def by_hand(cell, step, inputs, state, ways):
    """One series, one step at a time: (T, input) and states (layers * ways, hidden) -> outputs and last states."""
    last, outputs = [], inputs
    for layer in range(LAYERS):
        sides = []
        for way in range(ways):
            k, side = layer * ways + way, []
            own, now = weights(cell, k), tuple(part[k] for part in state)
            for x in outputs[::-1] if way else outputs:
                now = step(own, x, now)
                side.append(now[0])
            sides.append(side[::-1] if way else side)
            last.append(now)
        outputs = np.concatenate(sides, axis=1)
    return outputs, [np.array(part) for part in zip(*last, strict=True)]


EQUATIONS = {nn.RNN: rnn, nn.LSTM: lstm, nn.GRU: gru, cells.PeepholeLSTM: lstm, cells.ChoGRU: cho}


def given(kind, ways):
    """A cell of two layers, inputs and a state to start from."""
    torch.manual_seed(1)
    cell = kind(WIDTH, SIZE, num_layers=LAYERS, batch_first=True, bidirectional=ways == 2)
    states = [torch.randn(LAYERS * ways, BATCH, SIZE) for _ in range(2 if EQUATIONS[kind] is lstm else 1)]
    return cell, torch.randn(BATCH, TIMES, WIDTH), tuple(states)


def plain(states):
    return states if len(states) > 1 else states[0]


@pytest.mark.parametrize("ways", [1, 2], ids=["one direction", "both directions"])
@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_cell_does_what_its_equations_say(kind, ways):
    cell, inputs, states = given(kind, ways)
    outputs, last = cell(inputs, plain(states))
    last = last if isinstance(last, tuple) else (last,)
    assert outputs.shape == (BATCH, TIMES, ways * SIZE)
    for b in range(BATCH):
        start = [part[:, b].double().numpy() for part in states]
        want, ends = by_hand(cell, EQUATIONS[kind], inputs[b].double().numpy(), start, ways)
        np.testing.assert_allclose(outputs[b].detach(), want, rtol=0, atol=1e-5)
        for found, end in zip(last, ends, strict=True):
            np.testing.assert_allclose(found[:, b].detach(), end, rtol=0, atol=1e-5)


OURS = {cells.PeepholeLSTM: nn.LSTM, cells.ChoGRU: nn.GRU}
ours = pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)


@ours
@pytest.mark.parametrize("ways", [1, 2])
def test_a_cell_is_called_as_torch_calls_its_own(kind, ways):
    cell, inputs, states = given(kind, ways)
    model = OURS[kind](WIDTH, SIZE, num_layers=LAYERS, batch_first=True, bidirectional=ways == 2)
    zeros = tuple(torch.zeros_like(part) for part in states)
    for found, want in ((cell(inputs), model(inputs)), (cell(inputs), cell(inputs, plain(zeros)))):
        torch.testing.assert_close(found[0].shape, want[0].shape)
        assert type(found[1]) is type(want[1])
        assert [part.shape for part in found[1]] == [part.shape for part in want[1]]
    assert torch.equal(cell(inputs)[0], cell(inputs, plain(zeros))[0])
    cell.batch_first = False
    swapped, _ = cell(inputs.transpose(0, 1), plain(states))
    cell.batch_first = True
    assert torch.equal(swapped.transpose(0, 1), cell(inputs, plain(states))[0])


@ours
def test_a_cell_goes_on_from_the_state_that_it_returned(kind):
    cell, inputs, states = given(kind, 1)
    whole, last = cell(inputs, plain(states))
    first, between = cell(inputs[:, :3], plain(states))
    second, again = cell(inputs[:, 3:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(again, last, rtol=0, atol=1e-6)


@ours
def test_dropout_acts_between_layers_and_only_in_training(kind):
    torch.manual_seed(0)
    one, two = (kind(WIDTH, SIZE, num_layers=n, dropout=0.5) for n in (1, 2))
    inputs = torch.randn(BATCH, TIMES, WIDTH)
    assert torch.equal(one(inputs)[0], one(inputs)[0])
    assert not torch.equal(two(inputs)[0], two(inputs)[0])
    assert torch.equal(two.eval()(inputs)[0], two(inputs)[0])


@ours
def test_a_cell_starts_as_torch_starts_its_own(kind):
    values = torch.cat([part.flatten() for part in kind(30, 64).parameters()]).detach()
    assert values.abs().max() <= 64**-0.5
    assert values.std().item() == pytest.approx(64**-0.5 / 3**0.5, rel=0.02)


@ours
def test_sizes_below_one_are_refused(kind):
    for sizes in ((WIDTH, 0), (WIDTH, SIZE, 0)):
        with pytest.raises(ConfigError, match="must be at least 1"):
            kind(*sizes)


@pytest.mark.parametrize("ways", [1, 2])
def test_without_peepholes_it_is_the_lstm_of_torch(ways):
    cell, inputs, states = given(cells.PeepholeLSTM, ways)
    model = nn.LSTM(WIDTH, SIZE, num_layers=LAYERS, batch_first=True, bidirectional=ways == 2)
    for k, own in enumerate(cell.cells):
        theirs = weights(model, k)
        bias = theirs["bias"] + theirs["bias_hh"]
        values = {"weight_ih": theirs["weight_ih"], "weight_hh": theirs["weight_hh"], "bias": bias}
        own.load_state_dict(
            {name: torch.from_numpy(x) for name, x in values.items()} | {"peepholes": torch.zeros(3, SIZE)}
        )
    torch.testing.assert_close(cell(inputs, states), model(inputs, states), rtol=0, atol=1e-6)


@pytest.mark.parametrize("network", [networks.PeepholeLSTM(8, 2, bidirectional=True), networks.ChoGRU(8)], ids=repr)
def test_a_forecaster_with_such_a_cell_is_saved_and_loaded(tmp_path, network):
    training = Training(max_epochs=1, max_steps=3, verbose=False)
    model = Forecaster(NeuralRegressor(network, training=training), 3, 24).fit(tsseq.load_sample("airline"))
    model.save(tmp_path / "model.tsseq")
    assert_frame_equal(tsseq.load(tmp_path / "model.tsseq").predict(), model.predict(), check_exact=True)
