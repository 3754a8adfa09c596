"""A weight of 2 is a row that is there twice, a weight of 0 one that is not there."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tsseq.training.loader
from tsseq import LSTM, LinearForecaster, NeuralRegressor, Normal, Point, Quantiles, Training
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.errors import DataError
from tsseq.networks import Linear
from tsseq.training.fitting import fit_network
from tsseq.training.line import fit_line

X = np.random.default_rng(0).normal(size=(90, 6))
Y = X @ [1.0, 0.0, -2.0, 0.0, 0.5, 0.0] + np.random.default_rng(1).normal(size=90)
WEIGHT = np.random.default_rng(2).integers(0, 4, 90)
WHOLE = {"batch_size": 10_000, "validation": 0.0, "verbose": False}
QUICK = Training(max_steps=10, verbose=False)


@pytest.fixture
def one_batch(monkeypatch):
    """An epoch is one step of all rows, so that their order and number do not matter."""
    monkeypatch.setattr(tsseq.training.loader, "LEAST_STEPS", 1)


@pytest.mark.parametrize("head", [Point(), Quantiles([0.1, 0.9]), Normal()], ids=repr)
@pytest.mark.parametrize("network", [Linear(), Linear(line=True), LSTM(4, dropout=0.0)], ids=repr)
def test_a_weighted_fit_is_that_of_repeated_rows(network, head, one_batch):
    training = Training(max_epochs=20, learning_rate=0.05, **WHOLE)
    weighted = NeuralRegressor(network, head, training).fit(X, Y, sample_weight=WEIGHT)
    repeated = NeuralRegressor(network, head, training).fit(np.repeat(X, WEIGHT, axis=0), np.repeat(Y, WEIGHT))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=2e-4)
    np.testing.assert_allclose(weighted.history_["train_loss"], repeated.history_["train_loss"], rtol=1e-4)


def test_unequal_weights_do_change_a_fit(one_batch):
    """Else the test above would show nothing."""
    training = Training(max_epochs=20, learning_rate=0.05, **WHOLE)
    models = [NeuralRegressor(Linear(), training=training).fit(X, Y, sample_weight=w) for w in (None, WEIGHT)]
    assert np.abs(models[0].predict(X) - models[1].predict(X)).max() > 0.01


def test_rows_of_weight_0_are_not_there():
    """The same bits: neither the number of steps nor the validation rows know of them."""
    models = [
        NeuralRegressor(Linear(), training=Training(verbose=False)).fit(X, Y, sample_weight=(WEIGHT > 0) * 7.0),
        NeuralRegressor(Linear(), training=Training(verbose=False)).fit(X[WEIGHT > 0], Y[WEIGHT > 0]),
    ]
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))
    pd.testing.assert_frame_equal(models[0].history_, models[1].history_)


def test_the_losses_of_an_epoch_are_weighted_means():
    training = Training(max_epochs=1, learning_rate=1e-30, weight_decay=0.0, validation=0.3, verbose=False)
    model = NeuralRegressor(Linear(line=False), training=training).fit(X, Y, sample_weight=WEIGHT + 1)
    errors = np.abs(model.predict(X) - Y)[-27:]
    plain = NeuralRegressor(Linear(line=False), training=training).fit(X, Y)
    unit = plain.history_["val_loss"][0] / np.abs(plain.predict(X) - Y)[-27:].mean()  # of the loss of a median
    assert model.history_["val_loss"][0] == pytest.approx(unit * np.average(errors, weights=WEIGHT[-27:] + 1), rel=1e-5)


def test_a_step_of_weight_0_is_a_missing_target():
    layout, random = Layout(6, 2, missing=True), np.random.default_rng(3)
    y = np.column_stack([Y, Y[::-1]])
    none = random.random(y.shape) < 0.2
    none[:, 0] &= ~none[:, 1]
    settings = Training(max_steps=60, verbose=False)
    fits = [
        fit_network(Linear(line=True), Point(), settings, windows.counting())
        for windows in (
            Windows.of_rows(X, y, layout, np.where(none, 0.0, 5.0)),
            Windows.of_rows(X, np.where(none, np.nan, y), layout),
        )
    ]
    for ours, theirs in zip(*(model.state_dict().values() for model, _ in fits)):
        assert torch.equal(ours, theirs)
    assert fits[0][1] == fits[1][1]


def test_the_line_is_that_of_repeated_windows():
    frame = pd.DataFrame({"y": Y.cumsum(), "w": WEIGHT}, pd.date_range("2024", periods=90))
    windows = LinearForecaster(1, 6, target="y", weight="w").windows(frame)
    times = WEIGHT[windows.origin + 1]
    rows, none = np.arange(len(windows)), np.empty(0, dtype=int)
    line = fit_line(windows, rows, none, 20.0)
    repeated = LinearForecaster(1, 6, target="y").windows(frame[["y"]])[np.repeat(rows, times)]
    expected = fit_line(repeated, np.arange(len(repeated)), none, 20.0)
    assert torch.allclose(line.weight, expected.weight, atol=1e-5)
    plain = fit_line(repeated[np.unique(np.repeat(rows, times), return_index=True)[1]], rows[times > 0][:0], none, 20.0)
    assert not torch.allclose(plain.weight, expected.weight, atol=1e-2)


def test_weights_go_through_pipelines_searches_and_metadata_routing():
    regressor = NeuralRegressor(Linear(), training=QUICK)
    direct = NeuralRegressor(Linear(), training=QUICK).fit(X, Y, sample_weight=WEIGHT).predict(X)
    piped = make_pipeline(StandardScaler(with_mean=False, with_std=False), regressor)
    np.testing.assert_array_equal(piped.fit(X, Y, neuralregressor__sample_weight=WEIGHT).predict(X), direct)
    search = GridSearchCV(regressor, {"head": [Point()]}, cv=KFold(2), error_score="raise")
    np.testing.assert_array_equal(search.fit(X, Y, sample_weight=WEIGHT).predict(X), direct)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = NeuralRegressor(Linear(), training=QUICK).set_fit_request(sample_weight=True)
        routed.set_score_request(sample_weight=True)
        search = GridSearchCV(routed, {"head": [Point()]}, cv=KFold(2), error_score="raise")
        np.testing.assert_array_equal(search.fit(X, Y, sample_weight=WEIGHT).predict(X), direct)


def test_windows_take_their_weights_along_and_more_of_them():
    frame = pd.DataFrame({"y": Y.cumsum(), "w": WEIGHT + 1.0}, pd.date_range("2024", periods=90))
    windows = LinearForecaster(2, 6, target="y", weight="w").windows(frame)
    rows = np.array([50, 3, 3, 40])
    np.testing.assert_allclose(windows[rows].weights, windows.weights[rows])
    own = np.arange(1.0, 5.0)
    np.testing.assert_allclose(windows[rows].weighted(own)[::-1].weights, (windows.weights[rows] * own)[::-1])
    regressor = NeuralRegressor(Linear(), training=QUICK)
    whole = regressor.fit(windows, windows.targets(), sample_weight=np.arange(len(windows)) % 2).predict(windows)
    half = regressor.fit(windows[1::2], windows[1::2].targets()).predict(windows)
    np.testing.assert_array_equal(whole, half)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.full(90, -1.0), r"sample_weight has 90 values that are no weights \(first: -1 at row 0\)"),
        (np.where(np.arange(90) == 7, np.nan, 1.0), r"first: nan at row 7"),
        (np.zeros(90), "sample_weight is zero everywhere"),
        (np.ones(89), r"sample_weight has shape \(89,\); a weight for each of 90 rows was needed"),
        (np.ones((90, 1)), r"shape \(90, 1\)"),
        (["heavy"] * 90, "sample_weight should hold numbers"),
    ],
)
def test_what_is_no_weight_is_refused(weight, words):
    with pytest.raises(DataError, match=words):
        NeuralRegressor(Linear(), training=QUICK).fit(X, Y, sample_weight=weight)
