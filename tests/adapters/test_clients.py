"""Libraries that use tsseq as they use scikit-learn, pandas or torch; `make clients` runs this with all of them."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge

from tsseq import Forecaster, GRUForecaster, LinearForecaster, NeuralRegressor, Training, WalkForward, load_sample
from tsseq.networks import Linear

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]
AIR = load_sample("airline")
QUICK = Training(max_epochs=3, verbose=False)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6))
Y = X @ [1.0, 0.0, -2.0, 0.0, 0.5, 0.0]


def regressor() -> NeuralRegressor:
    return NeuralRegressor(Linear(), training=Training(max_epochs=20, verbose=False))


def long() -> pd.DataFrame:
    frame = pd.concat({"a": AIR["passengers"], "b": 2 * AIR["passengers"]}).rename("y").reset_index()
    return frame.set_axis(["unique_id", "ds", "y"], axis=1)


def test_polars_goes_in_and_comes_back_by_one_call():
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(long()).with_columns(polars.col("ds").cast(polars.Date))
    forecast = Forecaster(Ridge(), 3, 24).fit(frame).predict()
    assert forecast["y"].tolist() == Forecaster(Ridge(), 3, 24).fit(long()).predict()["y"].tolist()
    joined = polars.from_pandas(forecast).with_columns(polars.col("ds").cast(polars.Date))
    assert polars.concat([frame, joined.select(frame.columns)]).shape == (294, 3)
    with pytest.raises(ValueError, match=r"LazyFrame of polars; call .collect\(\) first"):
        Forecaster(Ridge(), 3, 24).fit(frame.lazy())


def test_skforecast_fits_and_backtests_a_network():
    skforecast = pytest.importorskip("skforecast.recursive")
    from skforecast.direct import ForecasterDirect
    from skforecast.model_selection import TimeSeriesFold, backtesting_forecaster

    y = AIR["passengers"].asfreq("MS").astype(float)
    model = skforecast.ForecasterRecursive(estimator=regressor(), lags=12)
    model.fit(y, store_in_sample_residuals=True)
    assert np.isfinite(model.predict(steps=5)).all()
    assert model.predict_interval(steps=3, n_boot=20).shape == (3, 3)
    folds = TimeSeriesFold(steps=6, initial_train_size=120, refit=False)
    metric, _ = backtesting_forecaster(model, y, folds, metric="mean_absolute_error", show_progress=False, n_jobs=1)
    assert metric["mean_absolute_error"].iloc[0] < 150
    direct = ForecasterDirect(estimator=regressor(), lags=12, steps=3)
    direct.fit(y)
    assert np.isfinite(direct.predict()).all()


def test_mlforecast_cross_validates_a_network():
    mlforecast = pytest.importorskip("mlforecast")
    model = mlforecast.MLForecast(models={"net": regressor()}, freq="MS", lags=[1, 2, 12])
    table = model.cross_validation(long(), n_windows=2, h=6)
    assert np.isfinite(table["net"]).all()
    assert len(model.fit(long(), max_horizon=3).predict(3)) == 6


def test_mapie_puts_intervals_around_a_network():
    mapie = pytest.importorskip("mapie.regression")
    model = mapie.SplitConformalRegressor(regressor(), confidence_level=0.8, prefit=False)
    model.fit(X[:100], Y[:100]).conformalize(X[100:150], Y[100:150])
    _, bands = model.predict_interval(X[150:])
    assert ((bands[:, 0, 0] <= Y[150:]) & (Y[150:] <= bands[:, 1, 0])).mean() > 0.6


def test_optuna_searches_a_forecaster():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    splits = list(WalkForward(n_splits=2, horizon=3, context_length=24).split(AIR))

    def objective(trial):
        model = Forecaster(Ridge(trial.suggest_float("alpha", 1e-3, 1e3, log=True)), 3, 24, log=True)
        return np.mean([model.fit(AIR.iloc[train]).score(AIR.iloc[test]) for train, test in splits])

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=4)
    assert study.best_value > 0.3


def test_mlflow_records_parameters_and_losses(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    mlflow.create_experiment("tsseq", artifact_location=f"file://{tmp_path}/files")
    mlflow.set_experiment("tsseq")
    mlflow.pytorch.autolog(log_models=False, checkpoint=False)
    with mlflow.start_run() as run:
        GRUForecaster(3, 24, hidden_size=8, training=QUICK).fit(AIR)
    mlflow.pytorch.autolog(disable=True)
    assert "val_loss" in mlflow.get_run(run.info.run_id).data.metrics


def test_shap_and_captum_attribute_a_forecast_to_its_context():
    shap, captum = pytest.importorskip("shap"), pytest.importorskip("captum.attr")
    model = LinearForecaster(3, 24, scaling="none", training=Training(max_epochs=20, verbose=False)).fit(AIR)
    module = model.to_module()
    windows = np.lib.stride_tricks.sliding_window_view(AIR["passengers"].to_numpy(float), 24)
    contexts = torch.tensor(windows[:, :, None].copy())  # (B, L, C)
    rows, base = contexts[-2:], contexts[:1]

    class FirstStep(torch.nn.Module):
        def forward(self, batch):
            return module(batch)[:, :1, 0]

    first = FirstStep()
    shares = captum.IntegratedGradients(first).attribute(rows, base, target=0)
    np.testing.assert_allclose(shares.sum(dim=(1, 2)), (first(rows) - first(base))[:, 0], rtol=1e-3)
    values = shap.GradientExplainer(first, contexts[:20]).shap_values(rows, nsamples=20)
    assert np.isfinite(values).all()
    assert np.shape(values)[:2] == (2, 24)
    kernel = shap.KernelExplainer(regressor().fit(X, Y).predict, X[:10])
    assert np.shape(kernel.shap_values(X[:2], nsamples=50, silent=True)) == (2, 6)
