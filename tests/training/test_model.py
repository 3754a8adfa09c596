"""Model: series of unlike length run together, and paths are drawn from what a network forecasts."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from tsseq import GRU, Linear, Network, NeuralRegressor, Normal, Poisson, Quantiles, Seq2Seq, StudentT, Training
from tsseq.data.layout import Layout
from tsseq.networks.batch import Batch, drop_leading, unflatten
from tsseq.training.line import Line
from tsseq.training.model import Model

LAYOUT = Layout(12, 6, n_targets=2, missing=True)
LACKING = torch.tensor([5, 0, 9, 5, 3, 0, 11, 9])
NETWORKS = [Linear(), GRU(hidden_size=8, segment_length=4), Seq2Seq(hidden_size=8, segment_length=3)]
every_network = pytest.mark.parametrize("network", NETWORKS, ids=repr)


def batch_of(layout: Layout = LAYOUT, n: int = 8, lacking: torch.Tensor = LACKING) -> Batch:
    row = torch.randn(n, layout.width, generator=torch.Generator().manual_seed(0))
    for target in row.unflatten(1, (layout.n_targets, layout.context_length)).unbind(1):
        target[torch.arange(layout.context_length) < lacking[:, None]] = torch.nan
    scale = 1 + torch.rand(n, layout.n_targets, generator=torch.Generator().manual_seed(1))
    return unflatten(row, layout, torch.arange(n), torch.zeros_like(scale), scale)


def model_of(network, head, layout=LAYOUT):
    torch.manual_seed(0)
    return Model(clone(network), layout, head).eval().requires_grad_(False)


def levels(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(2)).clamp(1e-6, 1 - 1e-6)


@every_network
def test_series_keep_their_places(network):
    model, batch = model_of(network, Normal()), batch_of()
    together = model(batch)
    alone = [model(drop_leading(batch, torch.tensor([i]), 0)) for i in range(8)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-6)
    assert len(together[:, 0, 0, 0].unique()) == 8


@every_network
@pytest.mark.parametrize("head", [Normal(), StudentT(), Quantiles(), Poisson()], ids=repr)
def test_paths_of_a_series_do_not_depend_on_the_others(network, head):
    model, batch, level = model_of(network, head), batch_of(), levels(5, 8, 6, 2)
    together = model.sample(batch, level)
    assert together.shape == (5, 8, 6, 2)
    alone = [model.sample(drop_leading(batch, torch.tensor([i]), 0), level[:, i : i + 1]) for i in range(8)]
    torch.testing.assert_close(together, torch.cat(alone, dim=1), rtol=1e-4, atol=1e-4)


def test_every_step_of_a_path_has_its_own_distribution():
    head, level = Normal(), levels(4000, 8, 6, 2)
    model, batch = model_of(Linear(), head), batch_of()
    paths = model.sample(batch, level)
    for asked in (0.1, 0.5, 0.9):
        exact = head.quantiles(model(batch), [asked], batch.scale)[..., 0]
        share = (paths <= exact).double().mean(0)
        assert (share - asked).abs().max() < 0.03
        assert (share - asked).abs().mean() < 0.009


def test_steps_of_a_path_go_together_as_those_of_a_random_walk():
    paths = model_of(Linear(), Normal()).sample(batch_of(), levels(4000, 8, 6, 2))
    step = np.arange(1, 7)
    expected = np.sqrt(np.minimum.outer(step, step) / np.maximum.outer(step, step))
    for i in range(8):
        np.testing.assert_allclose(np.corrcoef(paths[:, i, :, 0].T), expected, atol=0.05)
    between = np.corrcoef(paths[:, 0, -1, 0], paths[:, 0, -1, 1])[0, 1]
    assert abs(between) < 0.05


def test_an_autoregressive_network_goes_on_from_what_was_drawn():
    head, level = Normal(), levels(3, 8, 6, 2)
    model, batch = model_of(Seq2Seq(hidden_size=8, segment_length=3), head), batch_of(lacking=0 * LACKING)
    paths = model.sample(batch, level)
    for path, own in zip(paths, level):
        params = model.core(batch, lambda params, first, path=path: path[:, first : first + params.shape[1]])
        torch.testing.assert_close(head.icdf(params, own, batch.scale), path)
    first = level.clone()
    first[:, :, :3] = 0.5
    changed = model.sample(batch, first)
    assert (changed[:, :, 3:] != paths[:, :, 3:]).any(dim=(2, 3)).all()


def test_a_forecast_reads_the_means_of_its_own():
    head = Poisson()
    model, batch = model_of(Seq2Seq(hidden_size=8, segment_length=3), head), batch_of(lacking=0 * LACKING)
    params = model(batch)
    own = head.mean(params)
    fed = model.core(batch, lambda params, first: own[:, first : first + params.shape[1]])
    torch.testing.assert_close(params, fed)


@every_network
@pytest.mark.parametrize("head", [Normal(), Quantiles(), Poisson()], ids=repr)
def test_shares_beside_a_line_are_what_setting_them_one_by_one_gives(network, head):
    torch.manual_seed(0)
    model, batch = Model(clone(network), LAYOUT, head, Line(LAYOUT)).eval().requires_grad_(False), batch_of()
    model.line.weight.copy_(torch.randn(model.line.weight.shape) / 10)
    outputs = model.params_by_share(batch, [0.5, 0.0])
    for share, params in zip([0.5, 0.0], outputs):
        model.line.share.fill_(share)
        torch.testing.assert_close(params, model(batch))
    assert not torch.equal(*outputs)


def test_a_context_without_any_value_is_run_all_the_same():
    batch = batch_of(lacking=torch.full((8,), 12))
    for network in NETWORKS:
        assert model_of(network, Normal())(batch).isfinite().all()


class Penalised(Network):
    """The last value, plus a learnt shift that the loss pulls to 2."""

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        class Shift(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.shift = nn.Parameter(torch.zeros(()))

            def forward(self, batch):
                last = batch.values.target[:, -1:, :, None] * 0.0
                params = last.expand(-1, layout.horizon, -1, n_params) + 0.0 * self.shift
                return params, (self.shift - 2.0) ** 2

        return Shift()


def test_a_network_may_add_a_loss_of_its_own():
    training = Training(
        max_epochs=30, learning_rate=0.1, schedule="constant", verbose=False, validation=0, weight_decay=0
    )
    model = NeuralRegressor(Penalised(), training=training).fit(np.ones((64, 3)), np.zeros(64))
    assert model.network_.core.shift.item() == pytest.approx(2.0, abs=0.05)
    assert model.history_["train_loss"].iloc[-1] == 0.0  # the losses of the head alone
