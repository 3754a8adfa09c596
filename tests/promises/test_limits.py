"""Forecasts are numbers or an error, and what no machine holds is refused before it is asked for."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import poisson
from sklearn.linear_model import LinearRegression, Ridge
from torch import nn

import tsseq
from tsseq import Forecaster, LastValue, LinearForecaster, LSTMForecaster, NeuralRegressor, Normal, Poisson, Training
from tsseq.errors import ConfigError, DataError
from tsseq.networks import LSTM, Network, Transformer

AIR = tsseq.load_sample("airline")
QUICK = Training(max_epochs=1, max_steps=3, verbose=False)


class Silent(LinearRegression):
    """A regressor that forecasts nothing for some rows."""

    def predict(self, X):
        values = super().predict(X)
        values[-1:] = np.nan
        return values


class TestForecastsAreNumbers:
    def test_a_regressor_that_returns_nan_is_an_error(self):
        model = Forecaster(Silent(), 1, 12).fit(AIR)
        with pytest.raises(DataError, match=r"1 of 1 forecasts are NaN or infinite \(first: the one from 1960-12-01"):
            model.predict()
        with pytest.raises(DataError, match="1 of 3 forecasts are NaN"):
            tsseq.backtest(model, AIR, n_cutoffs=3)

    def test_counts_beyond_all_counts_are_an_error(self):
        model = LinearForecaster(2, 12, head=Poisson(), scaling="mean", training=QUICK).fit(AIR * 1e17)
        knows = np.isfinite(poisson.ppf(0.9, 5e19))  # versions of scipy differ
        with nullcontext() if knows else pytest.raises(DataError, match="NaN or infinite"):
            assert np.isfinite(model.predict(levels=[0.1, 0.9]).to_numpy()).all()

    def test_logarithms_that_grow_beyond_all_numbers_are_an_error(self):
        growing = pd.Series(np.exp(np.linspace(0, 340, 60)), pd.date_range("2024", periods=60))
        model = Forecaster(Ridge(alpha=1e-9), 40, 5, log=True, scaling="last").fit(growing)
        with np.errstate(over="ignore"), pytest.raises(DataError, match="NaN or infinite"):
            model.predict(steps=300)

    def test_a_time_zone_in_one_of_two_frames_is_an_error(self):
        model = Forecaster(LastValue(), 2, 12).fit(AIR)
        with pytest.raises(DataError, match="without a time zone, these are in UTC; convert one of them"):
            model.predict(AIR.tz_localize("UTC"))
        with pytest.raises(DataError, match="in UTC, these are without a time zone"):
            Forecaster(LastValue(), 2, 12).fit(AIR.tz_localize("UTC")).predict(AIR)


class Greedy(Network):
    """A network that asks for more memory than there is."""

    def build(self, layout, n_params):
        return GreedyNet(layout, n_params)


class GreedyNet(nn.Module):
    def __init__(self, layout, n_params):
        super().__init__()
        self.map = nn.Linear(layout.context_length, layout.n_outputs * n_params)
        self.shape = layout.horizon, layout.n_targets, n_params

    def forward(self, batch):
        if self.training or len(batch.loc):
            torch.empty(10**16)
        return self.map(batch.values.target[..., 0]).unflatten(1, self.shape)


class TestSizes:
    @pytest.mark.parametrize(
        ("network", "words"),
        [
            (LSTM(n_layers=10**9), "n_layers=1000000000"),
            (LSTM(hidden_size=10**9), "hidden_size=1000000000"),
            (Transformer(hidden_size=10**9), "hidden_size=1000000000"),
            (LSTM(hidden_size=60_000, n_layers=1000), "would take .* GB of memory, and this machine has"),
            (Transformer(hidden_size=65_536, n_layers=1000, feedforward_size=262_144), "would take .* GB of memory"),
        ],
        ids=repr,
    )
    def test_a_network_that_no_machine_holds_is_refused_before_it_is_built(self, network, words):
        with pytest.raises(ConfigError, match=words):
            NeuralRegressor(network, training=QUICK).fit(np.ones((40, 6)), np.ones(40))

    def test_forecasts_that_no_machine_holds_are_refused(self):
        model = Forecaster(LastValue(), 2, 12).fit(AIR)
        with pytest.raises(ConfigError, match="steps=10000000 must be a whole number from 1 to 100,000"):
            model.predict(steps=10**7)
        with pytest.raises(ConfigError, match="steps=10000000 must"):
            model.make_future_frame(steps=10**7)
        normal = LinearForecaster(60, 60, head=Normal(), training=QUICK).fit(AIR)
        with pytest.raises(ConfigError, match=r"n_paths=1000000 would take .* GB of memory.*Draw fewer"):
            normal.sample(n_paths=10**6, steps=3000)  # 250 years: pandas 2 counts nanoseconds up to 2262

    def test_memory_that_torch_does_not_get_is_an_error_that_says_what_to_do(self):
        with pytest.raises(ConfigError, match=r"more memory than there is.*Training\(batch_size=...\)"):
            NeuralRegressor(Greedy(line=False), training=QUICK).fit(np.ones((40, 6)), np.arange(40.0))
        model = LSTMForecaster(2, 12, hidden_size=4, training=QUICK).fit(AIR)
        model.regressor_.network_.core.forward = lambda batch: torch.empty(10**16)
        with pytest.raises(ConfigError, match=r"more memory than there is.*Predict fewer rows"):
            model.predict()
