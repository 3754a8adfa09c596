"""Heads against torch, scipy and the definition of a quantile."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from torch.nn.functional import softplus

from tsseq import (
    ConfigError,
    DataError,
    GRUForecaster,
    NegativeBinomial,
    Normal,
    Point,
    Poisson,
    Quantiles,
    StudentT,
    Training,
    make_series,
)

PARAMS = {n: torch.randn(4, 3, 2, n, generator=torch.Generator().manual_seed(n)) for n in (1, 2, 3, 4, 5)}
TARGET = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(9))
UNIT = torch.zeros(4, 2), torch.ones(4, 2)
LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]
every_head = pytest.mark.parametrize("head", [Quantiles(LEVELS), Normal(), StudentT()], ids=repr)


@every_head
def test_quantiles_never_cross(head):
    wild = 30 * torch.randn(500, 2, 1, head.n_params, generator=torch.Generator().manual_seed(0))
    found = head.quantiles(wild, [0.1, 0.2, 0.5, 0.6, 0.9], torch.ones(500, 1))
    assert (found.diff(dim=-1) >= 0).all()


@every_head
def test_the_median_lies_at_the_point_forecast(head):
    params = PARAMS[head.n_params]
    torch.testing.assert_close(head.quantiles(params, [0.5], UNIT[1])[..., 0], head.mean(params))


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
    low, between, middle = head.quantiles(PARAMS[3], [0.1, 0.3, 0.5], UNIT[1]).unbind(-1)
    torch.testing.assert_close(between, (low + middle) / 2)


@pytest.mark.parametrize("level", [0.05, 0.95])
def test_levels_beyond_the_trained_ones_are_refused(level):
    with pytest.raises(ConfigError, match="go beyond the trained ones"):
        Quantiles([0.1, 0.9]).quantiles(PARAMS[3], [level], UNIT[1])


def test_the_median_is_always_trained():
    assert Quantiles([0.9, 0.1]).trained == [0.1, 0.5, 0.9]
    assert Quantiles([]).quantiles(PARAMS[1], [0.5], UNIT[1]).shape == (4, 3, 2, 1)


@pytest.mark.parametrize("levels", [[0.0], [1.0], [-1]])
def test_levels_outside_of_0_to_1_are_refused(levels):
    for head in (Normal(), StudentT()):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            head.quantiles(PARAMS[head.n_params], levels, UNIT[1])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Quantiles(levels).trained


def test_normal_equals_scipy():
    mean, scale = PARAMS[2][..., 0], softplus(PARAMS[2][..., 1]) + 1e-3
    scipy = stats.norm(mean.numpy(), scale.numpy())
    np.testing.assert_allclose(Normal().loss(PARAMS[2], TARGET, *UNIT), -scipy.logpdf(TARGET.numpy()), rtol=1e-5)
    np.testing.assert_allclose(
        Normal().quantiles(PARAMS[2], [0.05], UNIT[1])[..., 0], scipy.ppf(0.05), rtol=1e-4, atol=1e-5
    )


def test_student_equals_scipy():
    freedom, scale = 2.001 + softplus(PARAMS[3][..., 2]), softplus(PARAMS[3][..., 1]) + 1e-3
    scipy = stats.t(freedom.numpy(), PARAMS[3][..., 0].numpy(), scale.numpy())
    np.testing.assert_allclose(StudentT().loss(PARAMS[3], TARGET, *UNIT), -scipy.logpdf(TARGET.numpy()), rtol=1e-4)
    np.testing.assert_allclose(
        StudentT().quantiles(PARAMS[3], [0.05], UNIT[1])[..., 0], scipy.ppf(0.05), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("head", [Normal(), StudentT()], ids=repr)
def test_samples_follow_the_quantiles(head):
    torch.manual_seed(0)
    params = PARAMS[head.n_params]
    drawn = head.sample(params, 20_000, UNIT[1])
    assert drawn.shape == (20_000, 4, 3, 2)
    share = (drawn <= head.quantiles(params, [0.9], UNIT[1])[..., 0]).float().mean(0)
    assert (share - 0.9).abs().max() < 0.015


def test_point_has_no_quantiles_and_unknown_losses_are_refused():
    with pytest.raises(ConfigError, match="has no quantiles"):
        Point().quantiles(PARAMS[1], [0.5], UNIT[1])
    with pytest.raises(ConfigError, match="'mae', 'mse', 'huber'"):
        Point("mape").loss(PARAMS[1], TARGET, *UNIT)


@pytest.mark.parametrize("head", [Point("huber"), Quantiles([0.2]), Normal(), StudentT()], ids=repr)
def test_heads_can_be_cloned(head):
    assert clone(head).get_params() == head.get_params()


COUNTS = torch.randint(0, 30, (4, 3, 2), generator=torch.Generator().manual_seed(1)).float()
SCALE = torch.tensor([[1.0, 5.0], [2.0, 0.5], [10.0, 3.0], [1.0, 1.0]])
count_heads = pytest.mark.parametrize("head", [Poisson(), NegativeBinomial()], ids=repr)


def scipy_of(head, params, scale):
    mean = (softplus(params[..., 0]) * scale[:, None] + 1e-3).double().numpy()
    if isinstance(head, Poisson):
        return stats.poisson(mean)
    number = 1 / (softplus(params[..., 1]) + 1e-3).double().numpy()
    return stats.nbinom(number, number / (number + mean))


@count_heads
def test_counts_equal_scipy_in_units_of_the_data(head):
    params, scaled = PARAMS[head.n_params], COUNTS / SCALE[:, None]
    scipy = scipy_of(head, params, SCALE)
    loss = head.loss(params, scaled, torch.zeros_like(SCALE), SCALE)
    np.testing.assert_allclose(loss, -scipy.logpmf(COUNTS.numpy()), rtol=1e-3, atol=1e-4)
    found = head.quantiles(params, [0.1, 0.5, 0.9], SCALE) * SCALE[:, None, :, None]
    expected = np.stack([scipy.ppf(level) for level in (0.1, 0.5, 0.9)], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(head.mean(params) * SCALE[:, None], scipy.mean(), rtol=1e-3, atol=2e-3)


@count_heads
def test_samples_of_counts_have_their_mean_and_variance(head):
    torch.manual_seed(0)
    params = PARAMS[head.n_params]
    drawn = (head.sample(params, 40_000, SCALE) * SCALE[:, None]).numpy()
    scipy = scipy_of(head, params, SCALE)
    np.testing.assert_allclose(drawn, drawn.round(), atol=1e-4)
    np.testing.assert_allclose(drawn.mean(0), scipy.mean(), rtol=0.1, atol=0.02)
    np.testing.assert_allclose(drawn.var(0), scipy.var(), rtol=0.2, atol=0.05)


@count_heads
def test_a_forecaster_of_counts(head):
    rng = np.random.default_rng(0)
    season = 6 + 5 * np.sin(np.arange(600) * 2 * np.pi / 24)
    series = pd.Series(rng.poisson(season).astype(float), pd.date_range("2020", periods=600, freq="h"), name="calls")
    training = Training(max_epochs=6, verbose=False)
    model = GRUForecaster(12, 48, head=head, scaling="mean", training=training).fit(series[:500])
    found = model.predict_at(series, series.index[499:588], levels=[0.05, 0.95])
    actual = series.reindex(found["time"]).to_numpy()
    np.testing.assert_allclose(found["q0.95"], found["q0.95"].round(), atol=1e-4)
    assert (found["q0.05"] >= 0).all()
    assert 0.8 <= ((actual >= found["q0.05"] - 1e-4) & (actual <= found["q0.95"] + 1e-4)).mean() <= 0.99
    assert model.score(series[400:]) > 0.2


def test_counts_refuse_what_is_none():
    series = make_series("noise", 100)
    with pytest.raises(ConfigError, match="head=Poisson needs scaling='mean' or 'none', not 'last'"):
        GRUForecaster(2, 12, head=Poisson()).fit(series.abs())
    with pytest.raises(DataError, match="head=NegativeBinomial needs targets of at least 0; there is -"):
        GRUForecaster(2, 12, head=NegativeBinomial(), scaling="mean").fit(series)
