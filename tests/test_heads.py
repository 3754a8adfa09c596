"""Heads against torch, scipy and the definition of a quantile."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from torch.nn.functional import softplus

from tsseq import ConfigError, Normal, Point, Quantiles, StudentT

PARAMS = {n: torch.randn(4, 3, 2, n, generator=torch.Generator().manual_seed(n)) for n in (1, 2, 3, 4, 5)}
TARGET = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(9))
UNIT = torch.zeros(4, 2), torch.ones(4, 2)
LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]
every_head = pytest.mark.parametrize("head", [Quantiles(LEVELS), Normal(), StudentT()], ids=repr)


@every_head
def test_quantiles_never_cross(head):
    wild = 30 * torch.randn(500, 2, 1, head.n_params, generator=torch.Generator().manual_seed(0))
    found = head.quantiles(wild, [0.1, 0.2, 0.5, 0.6, 0.9])
    assert (found.diff(dim=-1) >= 0).all()


@every_head
def test_the_median_lies_at_the_point_forecast(head):
    params = PARAMS[head.n_params]
    torch.testing.assert_close(head.quantiles(params, [0.5])[..., 0], head.mean(params))


@pytest.mark.parametrize(("name", "loss"), [("mse", torch.square), ("mae", torch.abs)])
def test_point_loss_is_the_one_that_was_named(name, loss):
    torch.testing.assert_close(Point(name).loss(PARAMS[1], TARGET, *UNIT), loss(PARAMS[1][..., 0] - TARGET))


def test_pinball_loss_by_hand():
    head = Quantiles([0.1, 0.9])
    params = torch.tensor([0.0, 2.0, 0.0]).reshape(1, 1, 1, 3)
    step = float(softplus(torch.tensor(0.0)))
    low, middle, high = 2 - step, 2.0, 2 + step
    expected = (0.1 * (5 - low) + 0.5 * (5 - middle) + 0.9 * (5 - high)) / 3
    assert float(head.loss(params, torch.full((1, 1, 1), 5.0), *UNIT)) == pytest.approx(expected)


def test_levels_between_trained_ones_are_interpolated():
    head = Quantiles([0.1, 0.5, 0.9])
    low, between, middle = head.quantiles(PARAMS[3], [0.1, 0.3, 0.5]).unbind(-1)
    torch.testing.assert_close(between, (low + middle) / 2)


@pytest.mark.parametrize("level", [0.05, 0.95])
def test_levels_beyond_the_trained_ones_are_refused(level):
    with pytest.raises(ConfigError, match="go beyond the trained ones"):
        Quantiles([0.1, 0.9]).quantiles(PARAMS[3], [level])


def test_the_median_is_always_trained():
    assert Quantiles([0.9, 0.1]).trained == [0.1, 0.5, 0.9]
    assert Quantiles([]).quantiles(PARAMS[1], [0.5]).shape == (4, 3, 2, 1)


@pytest.mark.parametrize("levels", [[0.0], [1.0], [-1]])
def test_levels_outside_of_0_to_1_are_refused(levels):
    for head in (Normal(), StudentT()):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            head.quantiles(PARAMS[head.n_params], levels)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Quantiles(levels).trained


def test_normal_equals_scipy():
    mean, scale = PARAMS[2][..., 0], softplus(PARAMS[2][..., 1]) + 1e-3
    scipy = stats.norm(mean.numpy(), scale.numpy())
    np.testing.assert_allclose(Normal().loss(PARAMS[2], TARGET, *UNIT), -scipy.logpdf(TARGET.numpy()), rtol=1e-5)
    np.testing.assert_allclose(Normal().quantiles(PARAMS[2], [0.05])[..., 0], scipy.ppf(0.05), rtol=1e-4, atol=1e-5)


def test_student_equals_scipy():
    freedom, scale = 2.001 + softplus(PARAMS[3][..., 2]), softplus(PARAMS[3][..., 1]) + 1e-3
    scipy = stats.t(freedom.numpy(), PARAMS[3][..., 0].numpy(), scale.numpy())
    np.testing.assert_allclose(StudentT().loss(PARAMS[3], TARGET, *UNIT), -scipy.logpdf(TARGET.numpy()), rtol=1e-4)
    np.testing.assert_allclose(StudentT().quantiles(PARAMS[3], [0.05])[..., 0], scipy.ppf(0.05), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("head", [Normal(), StudentT()], ids=repr)
def test_samples_follow_the_quantiles(head):
    torch.manual_seed(0)
    params = PARAMS[head.n_params]
    drawn = head.sample(params, 20_000)
    assert drawn.shape == (20_000, 4, 3, 2)
    share = (drawn <= head.quantiles(params, [0.9])[..., 0]).float().mean(0)
    assert (share - 0.9).abs().max() < 0.015


def test_point_has_no_quantiles_and_unknown_losses_are_refused():
    with pytest.raises(ConfigError, match="has no quantiles"):
        Point().quantiles(PARAMS[1], [0.5])
    with pytest.raises(ConfigError, match="'mse', 'mae', 'huber'"):
        Point("mape").loss(PARAMS[1], TARGET, *UNIT)


@pytest.mark.parametrize("head", [Point("huber"), Quantiles([0.2]), Normal(), StudentT()], ids=repr)
def test_heads_can_be_cloned(head):
    assert clone(head).get_params() == head.get_params()
