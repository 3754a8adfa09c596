"""Series with pauses under calendar="rows": every shape of frame, every way to forecast."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Forecaster, LastValue, LinearForecaster, Training, backtest

MINUTES = pd.DatetimeIndex(
    [day + pd.Timedelta(minutes=5 * k) for day in pd.bdate_range("2024-03-01 09:00", periods=8) for k in range(12)],
    name="at",
)
VALUES = pd.DataFrame(np.random.default_rng(4).normal(size=(96, 2)).cumsum(axis=0), MINUTES, ["b", "a"])
LONG = VALUES.rename_axis(columns="id").stack().rename("y").reset_index().sort_values(["id", "at"])
SHAPES = {
    "long": (LONG, {"id_column": "id", "time_column": "at"}),
    "unique_id and ds": (LONG.rename(columns={"id": "unique_id", "at": "ds"}), {}),
    "panel": (LONG.set_index(["id", "at"]), {}),
    "wide": (pd.concat({"y": VALUES}, axis=1).rename_axis(columns=["field", "ticker"]), {"target": "y"}),
    "closes": (VALUES.rename_axis(columns="ticker"), {}),
}


def by_time(forecast, name):
    """One series of a forecast of any shape."""
    if isinstance(forecast.columns, pd.MultiIndex):
        forecast = forecast["y"]
    if name in forecast:
        return forecast[name].to_numpy()
    keys = forecast.reset_index()
    return keys[(keys.filter(regex="id$") == name).to_numpy().ravel()].iloc[:, -1].to_numpy()


@pytest.mark.parametrize(("frame", "roles"), SHAPES.values(), ids=SHAPES)
def test_pauses_change_no_forecast_in_any_shape(frame, roles):
    rows = VALUES.set_axis(pd.RangeIndex(96))
    model = Forecaster(Ridge(), 3, 10, calendar="rows", **roles).fit(frame)
    want = Forecaster(Ridge(), 3, 10).fit(rows.stack().swaplevel().sort_index()).predict(steps=6)
    for name in VALUES:
        np.testing.assert_allclose(by_time(model.predict(steps=6), name), want.loc[name].to_numpy().ravel())
    table = model.predict_at(frame, MINUTES[[20, 35]])
    stamps = pd.DatetimeIndex(table[table.columns[2]])
    np.testing.assert_array_equal(stamps[:3], MINUTES[21:24])
    assert stamps[3:6].equals(MINUTES[36:39])  # beyond a pause: the rows that came


def test_a_backtest_over_pauses_scores_the_rows_that_came():
    model = Forecaster(Ridge(), 3, 10, calendar="rows")
    result = backtest({"ridge": model}, VALUES[["a"]], n_cutoffs=10)
    rows = backtest({"ridge": Forecaster(Ridge(), 3, 10)}, VALUES[["a"]].set_axis(pd.RangeIndex(96)), n_cutoffs=10)
    assert result.forecasts["actual"].notna().all()
    assert_frame_equal(result.scores, rows.scores)


@pytest.mark.parametrize("kind", ["naive", "network"])
def test_a_model_file_goes_on_beyond_pauses_as_the_model_did(kind, tmp_path):
    if kind == "naive":
        model = Forecaster(LastValue(), 3, 10, calendar="rows")
    else:
        training = Training(max_steps=2, validation=MINUTES[60], verbose=False)
        model = LinearForecaster(3, 10, calendar="rows", scaling="adaptive", training=training)
    model.fit(VALUES["a"]).save(tmp_path / "model.tsq")
    assert_series_equal(tsseq.load(tmp_path / "model.tsq").predict(steps=5), model.predict(steps=5))
    assert model.predict().index[0] == MINUTES[-1] + pd.Timedelta(minutes=5)


def test_rows_without_a_value_are_none_of_a_series_in_a_frame_with_a_column_each():
    paused = VALUES.mask(np.column_stack([np.arange(96) % 24 > 20, np.arange(96) % 24 < 3]))
    model = Forecaster(Ridge(), 3, 10, calendar="rows").fit(paused.rename_axis(columns="ticker"))
    assert model.panel_.values.size == 2 * (10 + 3 - 1)
    assert np.isfinite(model.panel_.values).all()
    long = Forecaster(Ridge(), 3, 10, calendar="rows").fit(
        paused.stack().dropna().swaplevel().sort_index().to_frame("y")
    )
    for name in VALUES:
        one = model.predict()[name].dropna()
        np.testing.assert_allclose(one, long.predict().loc[name, "y"])


def test_exchanges_and_rows_go_together():
    frame = VALUES["a"].groupby(MINUTES.normalize()).last().to_frame("y")
    both = pd.concat({"a": frame, "b": frame.iloc[[0, 1, 2, 3, 5, 6, 7]]})
    model = Forecaster(LastValue(), 2, 3, calendar={"a": "XNYS", "b": "rows"}).fit(both)
    days = model.predict().reset_index(level=1).iloc[:, 0].dt.strftime("%m-%d").tolist()
    assert days == ["03-13", "03-14", "03-13", "03-14"]
