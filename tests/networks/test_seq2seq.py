"""Seq2Seq step by step, on its own weights, as the docstring has it."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_contract import batch_of, rows

from tsseq import ConfigError, LogNormal, Normal, Seq2Seq, Seq2SeqForecaster, Training
from tsseq.data.layout import Layout
from tsseq.networks.layers import positions
from tsseq.training.model import Model

KINDS = [None, "additive", "dot", "general"]
LAYOUT = Layout(8, 7, n_targets=2, n_past=1, n_known=1, n_static=1)
CELL = {"rnn": torch.nn.RNNCell, "gru": torch.nn.GRUCell, "lstm": torch.nn.LSTMCell}


def built(layout=LAYOUT, n_params=2, **given):
    """A module with weights away from zero, as after training."""
    torch.manual_seed(0)
    given = {"hidden_size": 6, "segment_length": 4, "dropout": 0.0, **given}
    module = Seq2Seq(**given).build(layout, n_params).eval()
    with torch.no_grad():
        for weights in module.parameters():
            weights += 0.2 * torch.randn_like(weights)
    return module


def scores(weights, kind, query, keys):
    """(n,) scores of one query (hidden,) against keys (n, hidden), by the formulas of the docstring."""
    if kind == "dot":
        return torch.stack([query @ key for key in keys])
    if kind == "general":
        return torch.stack([query @ (weights["attend.key.weight"] @ key) for key in keys])
    asked = weights["attend.query.weight"] @ query + weights["attend.query.bias"]
    return torch.stack(
        [(asked + weights["attend.key.weight"] @ key).tanh() @ weights["attend.score.weight"][0] for key in keys]
    )


def cell_of(kind, module):
    """One step of the cell, with the weights of ``module`` (torch.nn.GRU and so on)."""
    cell = CELL[kind](module.input_size, module.hidden_size)
    cell.load_state_dict({name: getattr(module, f"{name}_l0") for name in cell.state_dict()})
    return cell


def by_steps(module, kind, attention, batch, i):
    """Series i of a batch: parameters (H, C, n_params), attention (H, L); segments of 4 rows, the last step cut off."""
    w = dict(module.state_dict())
    linear = lambda name, x: w[f"{name}.weight"] @ x + w.get(f"{name}.bias", 0.0)  # noqa: E731
    target, past, known, static = (part[i] for part in batch.values)
    place, about, state, memory = positions(4, 6), linear("static", static), None, []
    encoder, decoder = cell_of(kind, module.encoder), cell_of(kind, module.decoder)
    output = lambda state: state[0] if kind == "lstm" else state  # noqa: E731
    for segment in range(2):
        at = slice(4 * segment, 4 * segment + 4)
        read = torch.cat([target[at], past[at], known[at]], dim=1).flatten()
        state = encoder(linear("embed", read) + place[segment] + about, state)
        memory.append(output(state))
    memory, before, params, attended = torch.stack(memory), target[4:].flatten(), [], []
    ahead = torch.cat([known[8:], torch.zeros(1, 1)])  # 7 steps, and one to fill the segment
    for segment in range(2):
        inside = linear("known", ahead[4 * segment : 4 * segment + 4].flatten())
        state = decoder(linear("before", before) + place[2 + segment] + about + inside, state)
        hidden = output(state)
        if attention:
            share = scores(w, attention, hidden, memory).softmax(0)
            hidden = linear("join", torch.cat([share @ memory, hidden])).tanh()
            attended += [share.repeat_interleave(4) / 4] * 4
        params.append(linear("read.1", hidden).reshape(4, 2, 2))
        before = params[-1][..., 0].flatten()
    return torch.cat(params)[:7], torch.stack(attended)[:7] if attention else None


@pytest.mark.parametrize("attention", KINDS)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_it_equals_the_docstring_step_by_step(cell, attention):
    module, batch = built(cell=cell, attention=attention), batch_of(rows(LAYOUT), LAYOUT)
    with torch.no_grad():
        expected = [by_steps(module, cell, attention, batch, i) for i in range(6)]
        torch.testing.assert_close(module(batch), torch.stack([found for found, _ in expected]), rtol=1e-4, atol=1e-5)
        if attention:
            weights = torch.stack([found for _, found in expected])
            torch.testing.assert_close(module.attention(batch), weights, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(weights.sum(2), torch.ones(6, 7))


def by_first_step(module, batch, future):
    """Whether each segment of the horizon changes with the truth of the first one."""
    other = future.clone()
    other[:, 0] += 5.0
    found = [module(batch._replace(future=truth)) for truth in (future, other)]
    same = (found[0] == found[1]).all(dim=3).all(dim=2).all(dim=0)  # (H,)
    return [not part.all() for part in same.split(module.horizon_segment)]


@pytest.mark.parametrize(("length", "later"), [(4, [True]), (None, [True] * 6)])
def test_with_teacher_forcing_1_later_segments_read_the_truth(length, later):
    module, batch = built(teacher_forcing=1.0, segment_length=length), batch_of(rows(LAYOUT), LAYOUT)
    future = torch.randn(6, 7, 2)
    module.train()
    for _ in range(3):
        assert by_first_step(module, batch, future) == [False, *later]
    module.eval()
    assert by_first_step(module, batch, future) == [False] * (1 + len(later))


def test_forced_forecasts_are_those_of_feeding_back_the_truth():
    module, batch = built(teacher_forcing=1.0), batch_of(rows(LAYOUT), LAYOUT)
    future = torch.randn(6, 7, 2)
    forced = module.train()(batch._replace(future=future))
    fed = module.eval()(batch, lambda params, first: future[:, first : first + params.shape[1]])
    torch.testing.assert_close(forced, fed)


def test_with_teacher_forcing_0_the_truth_is_never_read():
    module, batch = built(teacher_forcing=0.0).train(), batch_of(rows(LAYOUT), LAYOUT)
    future = torch.randn(6, 7, 2)
    for _ in range(5):
        assert by_first_step(module, batch, future) == [False, False]


def test_the_share_of_forced_steps_decays():
    module, batch = built(teacher_forcing=0.5, n_params=1).train(), batch_of(rows(LAYOUT), LAYOUT)
    batch = batch._replace(future=torch.zeros(6, 7, 2))
    assert float(module.forced) == 1.0
    for step in range(1, 5):
        module(batch)
        assert float(module.forced) == 0.5**step
    module.eval()(batch)
    assert float(module.forced) == 0.5**4


def test_what_is_drawn_is_fed_back():
    module, batch = built(), batch_of(rows(LAYOUT), LAYOUT)
    high, low = (module(batch, lambda params, first, x=x: params.new_full(params.shape[:3], x)) for x in (3.0, -3.0))
    assert torch.equal(high[:, :4], low[:, :4])
    assert (high[:, 4:] != low[:, 4:]).all()


def test_draw_is_told_which_steps_it_draws():
    asked = []

    def draw(params, first):
        asked.append((first, params.shape[1]))
        return params[..., 0]

    module, batch = built(), batch_of(rows(LAYOUT), LAYOUT)
    torch.testing.assert_close(module(batch, draw), module(batch))
    assert asked == [(0, 4), (4, 3)]


@pytest.mark.parametrize("attention", KINDS)
def test_copies_of_a_series_stand_together_and_go_their_own_ways(attention):
    module, batch = built(attention=attention), batch_of(rows(LAYOUT), LAYOUT)
    own = torch.randn(18, 7, 2)
    draw = lambda params, first: own[:, first : first + params.shape[1]]  # noqa: E731
    found = module(batch, draw, copies=3).unflatten(0, (6, 3))
    for k in range(3):
        alone = module(batch, lambda params, first, k=k: own[k::3, first : first + params.shape[1]])
        torch.testing.assert_close(found[:, k], alone)


def test_attention_of_a_model_is_that_behind_its_forecasts():
    layout = Layout(8, 6)
    torch.manual_seed(0)
    model = Model(Seq2Seq(hidden_size=6, segment_length=2, attention="dot"), layout, LogNormal()).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(2.0)
    batch, used = batch_of(rows(layout), layout), []
    with torch.no_grad():
        model.core.attend.register_forward_hook(lambda module, given, weights: used.append(weights))
        model(batch)
        stepwise = torch.cat(used, dim=1)  # (B, m, n)
        expected = stepwise.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2) / 2
        torch.testing.assert_close(model.attention(batch), expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cell": "tcn"}, r"cell='tcn'\) must be one of 'gru', 'lstm', 'rnn'"),
        ({"attention": "self"}, r"attention='self'\) must be one of 'general', 'additive', 'dot', None"),
        ({"teacher_forcing": 1.5}, r"teacher_forcing=1.5\) must be a number from 0 to 1"),
        ({"teacher_forcing": -0.1}, r"teacher_forcing=-0.1\) must be a number from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        Seq2Seq(**given).build(LAYOUT, 1)


def test_quantiles_of_paths_are_those_of_an_autoregression():
    noise, values = np.random.default_rng(0).normal(size=4000), np.zeros(4000)
    for t in range(1, len(values)):
        values[t] = 0.8 * values[t - 1] + noise[t]
    series = pd.Series(values + 20, name="y")
    training = Training(max_epochs=6, seed=0, verbose=False)
    cell = {"cell": "lstm", "hidden_size": 24, "dropout": 0.0, "attention": None, "segment_length": None}
    model = Seq2SeqForecaster(6, 12, head=Normal(), teacher_forcing=1.0, training=training, **cell).fit(series[:3500])
    found = model.predict_at(series, series.index[3500:-6:2], levels=[0.1, 0.9])
    width = (found["q0.9"] - found["q0.1"]).groupby(found["step"]).mean()
    variance = np.cumsum(0.8 ** (2 * np.arange(6)))
    np.testing.assert_allclose(width, 2 * 1.2816 * np.sqrt(variance), rtol=0.15)
