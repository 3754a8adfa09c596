"""Heads against torch, the definition of a quantile and their formulas."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch.nn.functional import softplus

from tsseq import (
    Bernoulli,
    ConfigError,
    DataError,
    Forecaster,
    Linear,
    LinearForecaster,
    NeuralRegressor,
    Normal,
    Point,
    Poisson,
    Quantiles,
    StudentT,
    Training,
    make_series,
)
from tsseq.heads import CTC, Categorical
from tsseq.metrics import smape

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
    assert Quantiles([0.9, 0.1]).trained_levels == [0.1, 0.5, 0.9]
    assert Quantiles([]).quantiles(PARAMS[1], [0.5], UNIT[1]).shape == (4, 3, 2, 1)


@pytest.mark.parametrize("levels", [[0.0], [1.0], [-1]])
def test_levels_outside_of_0_to_1_are_refused(levels):
    for head in (Normal(), StudentT()):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            head.quantiles(PARAMS[head.n_params], levels, UNIT[1])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Quantiles(levels).trained_levels


def test_point_has_no_quantiles_and_unknown_losses_are_refused():
    with pytest.raises(ConfigError, match="has no quantiles"):
        Point().quantiles(PARAMS[1], [0.5], UNIT[1])
    with pytest.raises(ConfigError, match="'mae', 'mse', 'huber'"):
        Point("mape").loss(PARAMS[1], TARGET, *UNIT)


@pytest.mark.parametrize("head", [Point("huber"), Quantiles([0.2]), Normal(), StudentT()], ids=repr)
def test_heads_can_be_cloned(head):
    assert clone(head).get_params() == head.get_params()


def test_smape_is_the_formula_in_units_of_the_data():
    loc, scale = torch.tensor([[100.0, -3.0]] * 4), torch.tensor([[7.0, 0.5]] * 4)
    found = Point("smape").loss(PARAMS[1], TARGET, loc, scale)
    y, f = (x.double() * scale[:, None] + loc[:, None] for x in (TARGET, PARAMS[1][..., 0]))
    torch.testing.assert_close(found.double(), (y - f).abs() / (y.abs() + f.abs()), rtol=1e-4, atol=1e-6)
    assert 200 * found.mean().item() == pytest.approx(smape(y, f), rel=1e-4)
    nothing = torch.zeros(4, 3, 2)
    assert not Point("smape").loss(nothing[..., None], nothing, *UNIT).any()


def test_smape_of_logarithms_is_refused():
    with pytest.raises(ConfigError, match="Point\\('smape'\\) is no"):
        LinearForecaster(2, 12, head=Point("smape"), log=True).fit(make_series("noise", 100).abs() + 1)


@pytest.mark.parametrize(("name", "weighs"), [("mae", True), ("mase", False), ("smape", False)])
def test_series_count_alike_where_the_loss_says_so(name, weighs):
    wide = pd.DataFrame({"a": make_series("random_walk", 120), "b": make_series("noise", 120, seed=1)})
    training = Training(max_epochs=1, verbose=False)
    windows = Forecaster(NeuralRegressor(), 2, 12, target=["a", "b"]).windows(wide)
    other = replace(windows, scaling=replace(windows.scaling, weight=np.array([[10.0, 0.1]])))
    found = [
        NeuralRegressor(Linear(), Point(name), training).fit(rows, rows.targets()).predict(windows)
        for rows in (windows, other)
    ]
    assert np.array_equal(*found) is not weighs


@pytest.mark.parametrize(
    ("head", "targets", "error", "message"),
    [
        (Bernoulli(), ("last", False, 0.0, 1.0), ConfigError, "head=Bernoulli needs scaling='none', not 'last'"),
        (Poisson(), ("standard", False, 0.0, 9.0), ConfigError, "needs scaling='mean' or 'none', not 'standard'"),
        (Poisson(), ("mean", False, -2.0, 9.0), DataError, "head=Poisson needs targets of at least 0; there is -2"),
        (Bernoulli(), ("none", False, 0.0, 3.0), DataError, "needs targets of at most 1; there is 3"),
        (Point("smape"), ("last", True, 0.0, 1.0), ConfigError, "is not an error of logarithms"),
        (
            Categorical(3),
            ("none", False, 0.0, 3.0),
            DataError,
            "head=Categorical(n_classes=3) needs targets of at most 2",
        ),
        (CTC(3), ("last", False, 0.0, 3.0), ConfigError, "head=CTC needs scaling='none', not 'last'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_head_refuses_targets_that_it_has_no_meaning_for(head, targets, error, message):
    with pytest.raises(error, match=re.escape(message)):
        head.check(*targets)


@pytest.mark.parametrize("head", [Point("mae"), Point("mse"), Quantiles(), Normal(), StudentT()], ids=repr)
def test_the_last_value_is_the_scaling_that_suits_common_heads_first(head):
    assert head.scalings[0] == "last"
    head.check("last", True, -50.0, 1e9)


def test_draws_of_categories_come_as_often_as_they_are_probable():
    params = torch.tensor([0.5, 0.2, 0.3]).log().reshape(1, 1, 1, 3)
    level = (torch.arange(1000) / 1000 + 5e-4).reshape(1000, 1, 1, 1)

    def shares(**options):
        codes = Categorical(3, **options).icdf(params, level, torch.ones(1, 1))
        return (codes.flatten().long().bincount(minlength=3) / 1000).tolist()

    assert shares() == pytest.approx([0.5, 0.2, 0.3], abs=2e-3)
    squares = [0.25 / 0.38, 0.04 / 0.38, 0.09 / 0.38]
    assert shares(temperature=0.5) == pytest.approx(squares, abs=2e-3)
    assert shares(top_k=2) == pytest.approx([0.625, 0.0, 0.375], abs=2e-3)
    assert shares(top_k=1, temperature=9.0) == [1.0, 0.0, 0.0]
    assert shares(top_k=5) == shares()


def test_the_ctc_loss_is_that_of_all_paths():
    params = torch.randn(1, 4, 1, 3, generator=torch.Generator().manual_seed(0))
    chances = params[0, :, 0].softmax(1)
    total = 0.0
    for path in product(range(3), repeat=4):
        joined = [code for code, before in zip(path, (0, *path)) if code != before and code > 0]
        total += float(torch.stack([chances[k, code] for k, code in enumerate(path)]).prod()) * (joined == [2, 1])
    target = torch.tensor([2.0, 1.0, 0.0, 0.0]).reshape(1, 4, 1)
    losses = CTC(2).loss(params, target, torch.zeros(1, 1), torch.ones(1, 1))
    assert losses.shape == (1, 4, 1)
    np.testing.assert_allclose(losses.numpy(), -np.log(total) / 2, rtol=1e-5)


def test_the_ctc_loss_of_no_symbols_is_that_of_blanks():
    params = torch.randn(2, 5, 1, 3, generator=torch.Generator().manual_seed(0))
    losses = CTC(2).loss(params, torch.zeros(2, 5, 1), torch.zeros(2, 1), torch.ones(2, 1))
    torch.testing.assert_close(losses[:, 0, 0], -params[:, :, 0].log_softmax(2)[..., 0].sum(1))
