"""Heads that are distributions against scipy, alone and behind a forecaster."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch.nn.functional import softplus

from tsseq import (
    Bernoulli,
    ConfigError,
    DataError,
    GRUForecaster,
    LinearForecaster,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
    Training,
    make_series,
)

PARAMS = {n: torch.randn(4, 3, 2, n, generator=torch.Generator().manual_seed(n)) for n in (1, 2, 3)}
TARGET = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(9))
UNIT = torch.zeros(4, 2), torch.ones(4, 2)


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


def test_lognormal_equals_scipy():
    params, target = PARAMS[2], TARGET.exp()
    scipy = stats.lognorm((softplus(params[..., 1]) + 1e-3).numpy(), scale=params[..., 0].exp().numpy())
    np.testing.assert_allclose(LogNormal().loss(params, target, *UNIT), -scipy.logpdf(target.numpy()), rtol=1e-4)
    np.testing.assert_allclose(LogNormal().mean(params), scipy.mean(), rtol=1e-4)
    found = LogNormal().quantiles(params, [0.05, 0.5], UNIT[1])
    np.testing.assert_allclose(found, np.stack([scipy.ppf(0.05), scipy.ppf(0.5)], -1), rtol=1e-3)


def test_bernoulli_equals_scipy():
    params, target = PARAMS[1], (TARGET > 0).float()
    scipy = stats.bernoulli(params[..., 0].sigmoid().numpy())
    np.testing.assert_allclose(Bernoulli().loss(params, target, *UNIT), -scipy.logpmf(target.numpy()), rtol=1e-4)
    np.testing.assert_allclose(Bernoulli().mean(params), scipy.mean(), rtol=1e-5)
    found = Bernoulli().quantiles(params, [0.2, 0.5, 0.8], UNIT[1])
    np.testing.assert_array_equal(found, np.stack([scipy.ppf(level) for level in (0.2, 0.5, 0.8)], -1))


def test_missing_targets_have_finite_losses_and_gradients():
    for head in (Normal(), LogNormal(), StudentT(), Bernoulli(), Poisson(), NegativeBinomial()):
        params = PARAMS[head.n_params].clone().requires_grad_()
        loss = head.loss(params, torch.zeros_like(TARGET), *UNIT)  # what a missing target is replaced by
        torch.where(torch.zeros_like(TARGET, dtype=torch.bool), loss, 0.0).sum().backward()
        assert loss.isfinite().all()
        assert not params.grad.any()


@pytest.mark.parametrize("head", [Normal(), LogNormal(), StudentT()], ids=repr)
def test_samples_follow_the_quantiles(head):
    torch.manual_seed(0)
    params = PARAMS[head.n_params]
    drawn = head.sample(params, 20_000, UNIT[1])
    assert drawn.shape == (20_000, 4, 3, 2)
    for level in (0.1, 0.9):
        share = (drawn <= head.quantiles(params, [level], UNIT[1])[..., 0]).float().mean(0)
        assert (share - level).abs().max() < 0.015


def test_samples_of_bernoulli_are_ones_as_often_as_it_says():
    torch.manual_seed(0)
    drawn = Bernoulli().sample(PARAMS[1], 20_000, UNIT[1])
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert (drawn.mean(0) - Bernoulli().mean(PARAMS[1])).abs().max() < 0.015


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
    actual = series.reindex(found["ds"]).to_numpy()
    np.testing.assert_allclose(found["q0.95"], found["q0.95"].round(), atol=1e-4)
    assert (found["q0.05"] >= 0).all()
    assert 0.8 <= ((actual >= found["q0.05"] - 1e-4) & (actual <= found["q0.95"] + 1e-4)).mean() <= 0.99
    assert model.score(series[400:]) > 0.2


def test_counts_refuse_what_is_none():
    series = make_series("noise", 100)
    with pytest.raises(ConfigError, match="head=Poisson needs scaling='mean' or 'none', not 'last'"):
        GRUForecaster(2, 12, head=Poisson(), scaling="last").fit(series.abs())
    with pytest.raises(DataError, match="head=NegativeBinomial needs targets of at least 0; there is -"):
        GRUForecaster(2, 12, head=NegativeBinomial(), scaling="mean").fit(series)


def test_a_forecaster_of_amounts_that_vary_in_proportion():
    rng = np.random.default_rng(0)
    level = 50 * (2 + np.sin(np.arange(900) * 2 * np.pi / 24))
    noise = rng.lognormal(sigma=0.5, size=900)
    series = pd.Series(level * noise, pd.date_range("2020", periods=900, freq="h"), name="load")
    training = Training(max_epochs=8, verbose=False)
    model = GRUForecaster(6, 48, head=LogNormal(), scaling="mean", hidden_size=32, training=training)
    found = model.fit(series[:700]).predict_at(series, series.index[699:890], levels=[0.1, 0.5, 0.9])
    actual = series.reindex(found["ds"]).to_numpy()
    assert (found["q0.1"] > 0).all()
    assert 0.7 <= ((actual >= found["q0.1"]) & (actual <= found["q0.9"])).mean() <= 0.9
    assert (found["forecast"] > found["q0.5"]).all()
    truth = (level * np.exp(0.5**2 / 2))[series.index.get_indexer(found["ds"])]
    assert np.abs(found["forecast"] / truth - 1).mean() < 0.2


def test_a_forecaster_of_ups_and_downs():
    rng = np.random.default_rng(0)
    chance = np.where(np.arange(900) % 6 < 3, 0.85, 0.15)
    series = pd.Series((rng.random(900) < chance).astype(float), pd.date_range("2020", periods=900), name="up")
    training = Training(max_epochs=8, verbose=False)
    model = LinearForecaster(3, 24, head=Bernoulli(), scaling="none", training=training).fit(series[:700])
    found = model.predict_at(series, series.index[699:890], levels=[0.5])
    truth = chance[series.index.get_indexer(found["ds"])]
    assert np.abs(found["forecast"] - truth).mean() < 0.12
    assert set(found["q0.5"]) == {0.0, 1.0}
    assert ((found["forecast"] > 0.5) == (found["q0.5"] == 1)).all()
    assert np.isin(model.sample(series, 20, steps=8), [0.0, 1.0]).all()


def test_large_counts_and_amounts_are_learnt_in_units_of_the_data():
    rng = np.random.default_rng(0)
    days = pd.date_range("2020", periods=400)
    rare = pd.Series(np.where(rng.random(400) < 0.03, 30.0, 0.0), days, name="y")
    training = Training(max_epochs=5, verbose=False)
    model = GRUForecaster(2, 40, head=NegativeBinomial(), scaling="mean", hidden_size=8, training=training).fit(rare)
    paths = model.sample(rare[:300], 500).to_numpy()
    assert (paths > 5).any()  # thirty in a context of one sale a month is 30 times its mean
    many = pd.Series(rng.poisson(40, 400).astype(float), days, name="y")
    training = Training(max_epochs=15, learning_rate=0.03, verbose=False)
    model = GRUForecaster(2, 24, head=Poisson(), scaling="none", hidden_size=8, training=training).fit(many)
    np.testing.assert_allclose(model.predict(), 40, atol=8)


REFUSED = [
    (LogNormal(), "mean", 0.0, "head=LogNormal needs targets of at least 1e-12; there is 0"),
    (LogNormal(), "none", -2.0, "head=LogNormal needs targets of at least 1e-12; there is -2"),
    (Bernoulli(), "none", -1.0, "head=Bernoulli needs targets of at least 0; there is -1"),
    (Bernoulli(), "none", 2.0, "head=Bernoulli needs targets of at most 1; there is 2"),
]


@pytest.mark.parametrize(("head", "scaling", "bad", "message"), REFUSED)
def test_targets_that_a_distribution_does_not_allow_are_refused(head, scaling, bad, message):
    series = (make_series("noise", 100) > 0).astype(float) + (0.0 if isinstance(head, Bernoulli) else 1.0)
    series.iloc[50] = bad
    with pytest.raises(DataError, match=message):
        GRUForecaster(2, 12, head=head, scaling=scaling).fit(series)


@pytest.mark.parametrize(("head", "needed"), [(LogNormal(), "'mean' or 'none'"), (Bernoulli(), "'none'")], ids=repr)
def test_scalings_that_move_zero_are_refused(head, needed):
    name = type(head).__name__
    for scaling in ("last", "standard"):
        with pytest.raises(ConfigError, match=f"head={name} needs scaling={needed}, not '{scaling}'"):
            GRUForecaster(2, 12, head=head, scaling=scaling).fit(make_series("noise", 100).abs() + 1)


def test_ups_in_a_row_are_no_certainty():
    ups = pd.Series((np.random.default_rng(0).random(600) < 0.6).astype(float), name="up")
    training = Training(max_epochs=3, seed=0, verbose=False)
    model = GRUForecaster(1, 4, scaling="none", head=Bernoulli(), training=training).fit(ups)
    found = model.predict(pd.Series(np.ones(4), name="up")).item()
    assert 0.4 < found < 0.8


def test_a_spell_without_demand_is_no_certainty():
    demand = pd.Series(np.random.default_rng(0).poisson(0.4, 800).astype(float), name="sold")
    training = Training(max_epochs=5, seed=0, verbose=False)
    model = GRUForecaster(2, 6, scaling="none", head=Poisson(), training=training).fit(demand)
    found = model.predict(pd.Series(np.zeros(6), name="sold"), levels=[0.9])
    assert (found["sold"] > 0.2).all()
    assert (found["sold_q0.9"] >= 1).all()
