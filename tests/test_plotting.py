import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tsseq.errors import ConfigError, DataError
from tsseq.plotting import plot_forecast

DAYS = pd.date_range("2024-01-01", periods=10, name="day")
HISTORY = pd.DataFrame({"close": np.arange(10.0), "volume": 1.0}, DAYS)
FORECAST = pd.DataFrame(
    {"close": [10.0, 11.0], "close_q0.1": [9.0, 9.5], "close_q0.5": [10.0, 11.0], "close_q0.9": [11.0, 13.0]},
    pd.date_range("2024-01-11", periods=2),
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def lines(axes):
    return {line.get_label(): line.get_ydata().tolist() for line in axes.lines}


def test_the_forecast_sets_out_from_the_last_known_value():
    axes = plot_forecast(HISTORY, FORECAST, last=3)
    assert lines(axes) == {"history": [7.0, 8.0, 9.0], "forecast": [9.0, 10.0, 11.0]}


def test_the_band_lies_between_the_lowest_and_the_highest_quantile():
    (band,) = plot_forecast(HISTORY, FORECAST).collections
    corners = band.get_paths()[0].vertices
    days = [(day - pd.Timestamp(0)).days for day in DAYS[-1:].append(FORECAST.index)]
    for day, low, high in zip(days, (9.0, 9.0, 9.5), (9.0, 11.0, 13.0)):
        assert {corners[corners[:, 0] == day, 1].min(), corners[corners[:, 0] == day, 1].max()} == {low, high}
    assert band.get_label() == "quantiles 0.1 to 0.9"


def test_without_quantiles_there_is_no_band():
    assert not plot_forecast(HISTORY, FORECAST[["close"]]).collections


def test_axes_and_lines_are_labelled():
    axes = plot_forecast(HISTORY, FORECAST)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("day", "close")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "history",
        "forecast",
        "quantiles 0.1 to 0.9",
    ]


def test_it_draws_on_the_axes_that_it_is_given():
    axes = plt.subplots()[1]
    assert plot_forecast(HISTORY, FORECAST, ax=axes) is axes


@pytest.mark.parametrize(
    "index",
    [pd.RangeIndex(12), pd.period_range("2024-01", periods=12, freq="M"), pd.date_range("2024", periods=12, tz="UTC")],
)
def test_a_series_on_any_index_can_be_drawn(index):
    series = pd.Series(np.arange(10.0), index[:10])
    axes = plot_forecast(series, pd.DataFrame({"y": [10.0, 11.0]}, index[10:]))
    axes.figure.canvas.draw()
    assert lines(axes)["forecast"] == [9.0, 10.0, 11.0]


def test_missing_values_at_the_end_of_the_history_are_bridged():
    history = HISTORY.assign(close=HISTORY["close"].mask(HISTORY.index == DAYS[-1]))
    assert lines(plot_forecast(history, FORECAST))["forecast"] == [8.0, 10.0, 11.0]


def test_a_history_that_goes_on_is_drawn_beside_the_forecast():
    axes = plot_forecast(HISTORY, FORECAST.set_axis(DAYS[5:7]))
    assert lines(axes) == {"history": HISTORY["close"].tolist(), "forecast": [4.0, 10.0, 11.0]}


def test_one_of_several_targets_must_be_named():
    forecast = FORECAST.assign(volume=1.0)
    with pytest.raises(ConfigError, match="target="):
        plot_forecast(HISTORY, forecast)
    assert plot_forecast(HISTORY, forecast, target="volume").get_ylabel() == "volume"


def test_several_series_are_refused_with_advice():
    panel = pd.concat({"AAPL": HISTORY, "KHC": HISTORY}, names=["id", "day"])
    with pytest.raises(DataError, match="select one"):
        plot_forecast(panel, FORECAST)
    with pytest.raises(DataError, match="unique_id"):
        plot_forecast(HISTORY.reset_index(names="ds").assign(unique_id="a"), FORECAST)
    with pytest.raises(DataError, match="more than once"):
        plot_forecast(pd.concat([HISTORY, HISTORY]), FORECAST)


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (HISTORY.drop(columns="close"), "no column 'close'"),
        (HISTORY.assign(close="a"), "not numeric"),
        (HISTORY.assign(close=np.nan), "no values"),
        (HISTORY.reset_index(drop=True), "indexed by"),
        ([1.0, 2.0], "not list"),
    ],
)
def test_an_unusable_history_is_an_error_that_says_why(history, words):
    with pytest.raises(DataError, match=words):
        plot_forecast(history, FORECAST)


def test_last_counts_rows():
    with pytest.raises(ConfigError, match="last=0"):
        plot_forecast(HISTORY, FORECAST, last=0)


def test_inputs_are_not_changed():
    history, forecast = HISTORY.copy(), FORECAST.copy()
    plot_forecast(HISTORY, FORECAST)
    pd.testing.assert_frame_equal(HISTORY, history)
    pd.testing.assert_frame_equal(FORECAST, forecast)
