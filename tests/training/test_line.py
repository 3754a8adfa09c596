"""The line beside a network: its solution, when it is kept, and what a network does beside it."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge

import tsseq.training.line
from tsseq import (
    GRU,
    Bernoulli,
    Forecaster,
    GRUForecaster,
    LogNormal,
    NegativeBinomial,
    NeuralRegressor,
    Normal,
    Point,
    Poisson,
    Quantiles,
    Seq2SeqForecaster,
    StudentT,
    Training,
    make_series,
)
from tsseq.networks import Autoregressive, Linear, Network
from tsseq.training.line import STRENGTH, Line, fit_line
from tsseq.training.loader import DeviceRows
from tsseq.training.model import Model
from tsseq.training.racer import Racer

HEADS = [Point(), Quantiles([0.1, 0.9]), Normal(), StudentT(), LogNormal(), Bernoulli(), Poisson(), NegativeBinomial()]
QUICK = Training(max_steps=20, verbose=False)
SMALL = {"hidden_size": 8, "segment_length": 6, "training": QUICK}


def smooth(n: int = 1200) -> pd.Series:
    """Three waves of periods that no multiple of the context fits: a line forecasts them all but exactly."""
    t = np.arange(n)
    values = sum(np.sin(2 * np.pi * t / period + period) for period in (17.3, 41.7, 93.1))
    noise = 0.02 * np.random.default_rng(0).normal(size=n)
    return pd.Series(values + noise, pd.date_range("2020", periods=n, freq="h"), name="y")


def line_of(forecaster: Forecaster, frame) -> tuple[Line, object]:
    windows = forecaster.windows(frame)
    return fit_line(windows, np.arange(len(windows)), np.empty(0, dtype=int), 20.0), windows


def forecasts_of(line: Line, windows) -> np.ndarray:
    from tsseq.training.devices import predict_rows

    return predict_rows(line, windows, "cpu", lambda batch, rows: line(batch))


def test_it_is_the_ridge_regression_of_all_windows():
    line, windows = line_of(Forecaster(NeuralRegressor(), 4, 24), smooth())
    X, y = np.asarray(windows), np.asarray(windows.targets())
    penalty = STRENGTH * np.append((X**2).sum(axis=0), len(X))[:-1].mean()
    expected = Ridge(penalty).fit(X, y).predict(X)
    np.testing.assert_allclose(forecasts_of(line, windows)[:, :, 0], expected, atol=1e-4)


def two_series() -> pd.DataFrame:
    """A wave of a day and one of five."""
    t = np.arange(900)
    waves = [np.sin(2 * np.pi * t / period) + 0.1 * np.random.default_rng(0).normal(size=900) for period in (24, 120)]
    times = pd.date_range("2020", periods=900, freq="h")
    return pd.DataFrame({"unique_id": np.repeat(["a", "b"], 900), "ds": [*times, *times], "y": np.concatenate(waves)})


def test_series_weigh_as_they_do_in_the_loss(monkeypatch):
    monkeypatch.setattr(tsseq.training.line, "MOST_NUMBERS", 0)  # one line for all
    line, windows = line_of(Forecaster(NeuralRegressor(), 3, 24), two_series())
    weight = windows.scaling.weight[windows.series, 0] ** 2
    assert len(set(weight)) == 2
    X, y = np.asarray(windows), np.asarray(windows.targets())
    penalty = STRENGTH * (X**2 * weight[:, None]).sum(axis=0).mean()
    expected = Ridge(penalty).fit(X, y, sample_weight=weight).predict(X)
    np.testing.assert_allclose(forecasts_of(line, windows)[:, :, 0], expected, atol=1e-4)


def test_series_have_lines_of_their_own_and_unknown_ones_that_of_all(monkeypatch):
    own, windows = line_of(Forecaster(NeuralRegressor(), 3, 24), two_series())
    monkeypatch.setattr(tsseq.training.line, "MOST_NUMBERS", 0)
    common, _ = line_of(Forecaster(NeuralRegressor(), 3, 24), two_series())
    assert (len(own.weight), len(common.weight)) == (3, 1)
    torch.testing.assert_close(own.weight[0], common.weight[0])
    y = np.asarray(windows.targets())
    errors = [np.abs(forecasts_of(line, windows)[:, :, 0] - y).mean() for line in (own, common)]
    assert errors[0] < 0.99 * errors[1]
    batch, _, _ = DeviceRows(windows, torch.device("cpu")).batch(torch.arange(4), training=False)
    stranger = batch._replace(codes=torch.zeros_like(batch.codes))
    torch.testing.assert_close(own(stranger), common(batch))


def test_few_maps_and_many_forecast_alike(monkeypatch):
    line, windows = line_of(Forecaster(NeuralRegressor(), 4, 12), two_series())
    line.weight.copy_(torch.randn(line.weight.shape, generator=torch.Generator().manual_seed(0)))
    few = forecasts_of(line, windows)
    monkeypatch.setattr(tsseq.training.line, "FEW_MAPS", 0)
    np.testing.assert_allclose(forecasts_of(line, windows), few, rtol=1e-4, atol=1e-5)


def test_missing_values_cost_it_little():
    whole, gaps = smooth(), smooth()
    gaps.iloc[np.random.default_rng(1).choice(1200, 60, replace=False)] = np.nan
    line, windows = line_of(Forecaster(NeuralRegressor(), 4, 24), whole)
    other, _ = line_of(Forecaster(NeuralRegressor(), 4, 24), gaps)
    y = np.asarray(windows.targets())
    errors = [np.abs(forecasts_of(each, windows)[:, :, 0] - y).mean() for each in (line, other)]
    assert errors[0] < errors[1] < 0.2 * np.abs(y).mean()


def test_it_reads_covariates_and_no_codes_of_categories():
    frame = smooth().to_frame()
    frame["push"] = np.random.default_rng(3).normal(size=len(frame))
    frame["y"] += 2 * frame["push"]
    frame["colour"] = np.where(np.arange(len(frame)) % 3, "red", "blue")
    model = Forecaster(NeuralRegressor(), 3, 24, target="y", known=["push", "colour"])
    line, windows = line_of(model, frame)
    y = np.asarray(windows.targets())
    assert np.abs(forecasts_of(line, windows)[:, :, 0] - y).mean() < 0.1 * np.abs(y).mean()
    assert line.weight[0, 0, ~line.are_numbers].abs().max() == 0
    assert int((~line.are_numbers).sum()) == 24 + 3


def test_more_covariates_than_it_can_bear_are_left_out():
    layout = tsseq.Layout(context_length=24, horizon=3, n_known=60)
    assert Line(layout).weight.shape == (1, 1, 24 + 1, 3)


def test_targets_in_one_row_have_a_line_each_of_their_own_past():
    frame = two_series().pivot(index="ds", columns="unique_id", values="y")
    joint, windows = line_of(Forecaster(NeuralRegressor(), 3, 24, target=["a", "b"], multivariate="joint"), frame)
    single, rows = line_of(Forecaster(NeuralRegressor(), 3, 24, target=["a", "b"]), frame)
    expected = forecasts_of(single, rows)[:, :, 0].reshape(2, -1, 3)
    np.testing.assert_allclose(forecasts_of(joint, windows).transpose(2, 0, 1), expected, atol=1e-4)


@pytest.mark.parametrize("head", HEADS, ids=repr)
def test_every_head_can_be_moved_to_a_forecast(head):
    params = torch.randn(2, 3, 1, head.n_params, generator=torch.Generator().manual_seed(0))
    params[..., head.location] = 0.0
    forecast = torch.tensor([0.2, 0.5, 0.9]).expand(2, 3)[..., None]
    middle = head.icdf if isinstance(head, LogNormal) else lambda params, level, scale: head.mean(params)
    moved = middle(head.shift(params, forecast, torch.ones(())), torch.full((2, 3, 1), 0.5), torch.ones(2, 1))
    torch.testing.assert_close(moved, forecast)


class Silent(Network):
    """It says nothing, so that forecasts are those of the line."""

    def build(self, layout, n_params):
        return SilentNet(layout, n_params)


class SilentNet(Autoregressive):
    def __init__(self, layout, n_params):
        super().__init__()
        self.shape, self.read = (layout.horizon, layout.n_targets, n_params), []
        self.nothing = torch.nn.Parameter(torch.zeros(()))

    def forward(self, batch, draw=None, copies=1):
        params = self.nothing.expand(len(batch.loc) * copies, *self.shape)
        self.read = [draw(params[:, step : step + 1], step) for step in range(self.shape[0])]
        return params


def test_a_network_that_reads_its_own_forecasts_reads_what_the_line_made_of_them():
    line, windows = line_of(Forecaster(NeuralRegressor(), 3, 24), smooth())
    model = Model(Silent(), windows.layout, Normal(), line)
    read = []

    def function(batch, rows):
        mean = model.head.mean(model(batch))
        read.append(torch.cat(model.core.read, dim=1))
        return mean

    from tsseq.training.devices import predict_rows

    forecasts = predict_rows(model, windows, "cpu", function)
    np.testing.assert_array_equal(forecasts, forecasts_of(line, windows))
    np.testing.assert_array_equal(torch.cat(read)[: len(windows)], forecasts)


def test_paths_are_drawn_around_the_line():
    model = Seq2SeqForecaster(4, 24, head=Normal(), line=True, **SMALL).fit(smooth())
    paths = model.sample(n_paths=400)
    mean = paths.groupby(level=-1)["y"].mean() if isinstance(paths.index, pd.MultiIndex) else paths.mean(axis=1)
    assert np.abs(mean.to_numpy() - model.predict().to_numpy()).max() < 0.5


def test_a_smooth_series_keeps_its_line_and_is_forecast_at_least_as_well():
    series = smooth()
    history, future = series[:-200], series[-224:]
    model = GRUForecaster(8, 24, hidden_size=16, training=Training(max_steps=200, verbose=False)).fit(history)
    ridge = Forecaster(Ridge(), 8, 24).fit(history)
    assert model.regressor_.network_.line is not None
    cutoffs = future.index[23:-8]
    errors = []
    for each in (model, ridge):
        table = each.predict_at(future, cutoffs)
        errors.append(np.abs(table["forecast"] - series.reindex(table["ds"]).to_numpy()).mean())
    assert errors[0] < 1.01 * errors[1]


def test_a_saturating_series_has_no_line():
    """The next value is a sine of the last one times 3: no line forecasts it, and a small network does."""
    values = [0.3]
    for _ in range(1500):
        values.append(float(np.sin(3 * values[-1])))
    series = pd.Series(values, pd.date_range("2020", periods=1501, freq="h"), name="y")
    training = Training(max_epochs=6, learning_rate=5e-3, verbose=False)
    model = GRUForecaster(1, 6, scaling="none", segment_length=None, hidden_size=16, training=training).fit(series)
    assert model.regressor_.network_.line is None
    assert model.history_["val_loss"].min() < 0.5 * model.set_params(line=True).fit(series).history_["val_loss"][0]


def test_without_validation_rows_there_is_no_line_unless_it_is_asked_for():
    training = Training(max_steps=5, validation=0.0, verbose=False)
    for line in (None, True):
        model = GRUForecaster(3, 24, hidden_size=8, line=line, training=training).fit(smooth(200))
        assert (model.regressor_.network_.line is not None) == (line is True)


def test_a_file_holds_the_line(tmp_path):
    model = GRUForecaster(3, 24, head=Quantiles([0.1, 0.9]), line=True, **SMALL).fit(smooth(300))
    model.save(tmp_path / "m.tsseq")
    copy = tsseq.load(tmp_path / "m.tsseq")
    pd.testing.assert_frame_equal(copy.predict(levels=[0.1, 0.9]), model.predict(levels=[0.1, 0.9]), check_exact=True)
    assert copy.line is True


def test_the_plain_network_is_the_same_with_and_without_a_rival(monkeypatch):
    monkeypatch.setattr(Racer, "beats", lambda racer, rival: False)
    monkeypatch.setattr(Racer, "is_hopeless", lambda racer, rival: False)
    training = Training(max_epochs=2, verbose=False)
    noise = make_series("noise", 400)
    plain, rival = (NeuralRegressor(Linear(line=line), training=training) for line in (False, None))
    windows = Forecaster(plain, 3, 24).windows(noise)
    plain.fit(windows, windows.targets()), rival.fit(windows, windows.targets())
    assert rival.network_.line is None
    pd.testing.assert_frame_equal(plain.history_, rival.history_, check_exact=True)


def test_on_two_processes_the_same_model_wins():
    results = []
    for devices in (1, 2):
        training = Training(
            max_epochs=2, validation=0.2, accelerator="cpu", devices=devices, batch_size=32, verbose=False
        )
        model = GRUForecaster(3, 24, hidden_size=8, training=training).fit(smooth(300))
        assert model.regressor_.network_.line is not None
        results.append(model.predict().to_numpy())
    np.testing.assert_allclose(*results, rtol=1e-4)


def test_the_history_of_a_winner_that_was_stopped_early_is_whole(monkeypatch):
    monkeypatch.setattr(Racer, "is_hopeless", lambda racer, rival: racer.model.line is None)
    monkeypatch.setattr(Racer, "beats", lambda racer, rival: False)
    training = Training(max_epochs=3, patience=None, verbose=False)
    model = GRUForecaster(3, 24, hidden_size=8, training=training).fit(smooth(300))
    assert model.regressor_.network_.line is None
    assert model.history_.notna().all(axis=None)
    assert len(model.history_) == 1


def racer(*losses: float) -> Racer:
    racer = Racer(torch.nn.Linear(1, 1))
    racer.losses["val_loss"] = list(losses)
    return racer


def test_a_model_is_hopeless_when_four_times_its_last_gain_would_not_do():
    assert not racer(1.0).is_hopeless(racer(0.5))  # one epoch says nothing of what is to come
    assert not racer(1.0, 0.9).is_hopeless(racer(0.55, 0.52))
    assert racer(1.0, 0.9).is_hopeless(racer(0.49, 0.48))
    assert racer(0.9, 1.0).is_hopeless(racer(0.89, 0.95))


def test_a_rival_must_be_better_by_one_percent():
    assert not racer(0.995).beats(racer(1.0))
    assert racer(0.98).beats(racer(1.0))
    assert racer(-1.02).beats(racer(-1.0))  # log-likelihoods are negative too


def test_numbers_too_large_for_a_line_have_none():
    series = 1e190 * smooth(200)
    line, _ = line_of(Forecaster(NeuralRegressor(), 3, 24, scaling="none"), series)
    assert line.weight.abs().max() == 0


def test_networks_of_ones_own_have_the_option():
    assert GRU(8).line is None
    assert Silent().line is None
