"""The forecaster of sktime keeps to its contract, and forecasts what ours does."""

import doctest
import importlib

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tsseq import ConformalForecaster, Forecaster, load_sample

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]
AIR = load_sample("airline")["passengers"].to_period("M")


def test_the_suite_of_sktime_passes():
    checks = pytest.importorskip("sktime.utils.estimator_checks")
    from tsseq.adapters.sktime import SktimeForecaster

    results = checks.check_estimator(SktimeForecaster, raise_exceptions=False, verbose=False)
    assert len(results) > 300
    assert {name: answer for name, answer in results.items() if answer != "PASSED"} == {}


def test_the_example_of_the_docstring_runs():
    pytest.importorskip("sktime")
    assert doctest.testmod(importlib.import_module("tsseq.adapters.sktime")) == (0, 5)


def test_forecasts_and_quantiles_are_those_of_the_forecaster():
    pytest.importorskip("sktime")
    from sktime.forecasting.compose import TransformedTargetForecaster
    from sktime.forecasting.model_evaluation import evaluate
    from sktime.split import ExpandingWindowSplitter
    from sktime.transformations.series.detrend import Deseasonalizer

    from tsseq.adapters.sktime import SktimeForecaster

    inner = ConformalForecaster(Forecaster(Ridge(), 3, 24), 30)
    ours = inner.fit(AIR.to_frame()).predict(levels=[0.1, 0.9])
    model = SktimeForecaster(inner).fit(AIR, fh=[1, 3])
    assert model.predict().tolist() == pytest.approx(ours["passengers"].iloc[[0, 2]].tolist())
    np.testing.assert_allclose(model.predict_quantiles(alpha=[0.1, 0.9]), ours.iloc[[0, 2], 1:])
    pipeline = TransformedTargetForecaster([Deseasonalizer(sp=12), SktimeForecaster(Forecaster(Ridge(), 3, 24))])
    splits = ExpandingWindowSplitter(fh=[1, 2, 3], initial_window=120, step_length=6)
    assert (evaluate(pipeline, splits, AIR).filter(like="test_").iloc[:, 0] < 0.2).all()
