"""The id of a series as a static covariate."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from tsseq import Forecaster, Linear, NeuralRegressor, Training


def drifting(ids=("up", "down"), n=200):
    steps = {name: np.random.default_rng(i).normal(1.0 if name == "up" else -1.0, 0.5, n) for i, name in enumerate(ids)}
    times = pd.date_range("2020", periods=n, name="day")
    series = [pd.DataFrame({"y": step.cumsum()}, index=times) for step in steps.values()]
    return pd.concat(dict(zip(steps, series)), names=["ticker"])


def changes(model, frame):
    """What each series is forecast to gain in one step."""
    last = frame["y"].groupby(level=0, sort=False).last()
    return model.predict(frame)["y"].droplevel("day") - last


PLAIN = Linear(line=False, series_embedding=False)


@pytest.mark.parametrize("regressor", [Ridge(), NeuralRegressor(PLAIN, training=Training(seed=0, verbose=False))])
def test_a_model_may_learn_what_each_series_is_like_from_its_id(regressor):
    frame = drifting()
    aware = changes(Forecaster(regressor, 1, 1, target="y", static="ticker").fit(frame), frame)
    blind = changes(Forecaster(regressor, 1, 1, target="y").fit(frame), frame)
    assert aware["up"] > 0.5
    assert aware["down"] < -0.5
    assert abs(blind).max() < abs(aware).min()


def test_an_id_that_fit_has_not_seen_is_unknown():
    model = Forecaster(Ridge(), 1, 1, target="y", static="ticker").fit(drifting())
    renamed = drifting().rename(index={"up": "new"}, level=0)
    found = changes(model, renamed)
    assert abs(found["new"]) < 0.5
    assert found["down"] < -0.5


def test_the_id_of_a_long_frame_may_be_static():
    frame = drifting().reset_index().rename(columns={"ticker": "unique_id", "day": "ds"})
    model = Forecaster(Ridge(), 1, 1, static="unique_id").fit(frame)
    assert set(model.predict().columns) == {"unique_id", "ds", "y"}
    assert model.layout_.n_static == 2  # one column of 0 and 1 for each id
