from itertools import pairwise

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.linear_model import Ridge

from tsseq import (
    ConformalForecaster,
    EnsembleForecaster,
    Forecaster,
    LinearForecaster,
    Quantiles,
    Training,
    make_series,
)
from tsseq.errors import ConfigError, DataError
from tsseq.plotting import plot_forecast
from tsseq.plotting.style import COLOURS

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


def band_at(band, day):
    """Where a band begins and ends on a day."""
    corners = band.get_paths()[0].vertices
    heights = corners[corners[:, 0] == (day - pd.Timestamp(0)).days, 1]
    return heights.min(), heights.max()


def test_the_band_lies_between_a_quantile_and_its_opposite():
    (band,) = plot_forecast(HISTORY, FORECAST).collections
    for day, low, high in zip(DAYS[-1:].append(FORECAST.index), (9.0, 9.0, 9.5), (9.0, 11.0, 13.0)):
        assert band_at(band, day) == (low, high)
    assert band.get_label() == "band of 80 %"


def test_bands_lie_inside_one_another():
    forecast = FORECAST.assign(**{"close_q0.25": [9.5, 10.0], "close_q0.75": [10.5, 12.0]})
    wide, narrow = plot_forecast(HISTORY, forecast).collections
    assert [band_at(band, FORECAST.index[-1]) for band in (wide, narrow)] == [(9.5, 13.0), (10.0, 12.0)]
    assert wide.get_label() == "bands of 80, 50 %"


def test_quantiles_without_opposites_become_one_band():
    (band,) = plot_forecast(HISTORY, FORECAST.drop(columns="close_q0.9")).collections
    assert band_at(band, FORECAST.index[-1]) == (9.5, 11.0)
    assert band.get_label() == "band of 40 %"


def test_without_quantiles_there_is_no_band():
    assert not plot_forecast(HISTORY, FORECAST[["close"]]).collections


def test_axes_and_lines_are_labelled():
    axes = plot_forecast(HISTORY, FORECAST)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("day", "close")
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["history", "forecast", "band of 80 %"]


def test_it_draws_on_the_axes_that_it_is_given():
    axes = plt.subplots()[1]
    assert plot_forecast(HISTORY, FORECAST, ax=axes) is axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["history", "forecast", "band of 80 %"]


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


def test_what_happened_is_drawn_up_to_the_end_of_the_forecast():
    axes = plot_forecast(HISTORY, FORECAST.set_axis(DAYS[5:7]), last=3)
    expected = {"history": [2.0, 3.0, 4.0], "actual": [4.0, 5.0, 6.0], "forecast": [4.0, 10.0, 11.0]}
    assert lines(axes) == expected


def test_models_are_named_and_naive_ones_are_grey():
    axes = plot_forecast(HISTORY, {"gru": FORECAST, "ridge": FORECAST[["close"]] + 1, "drift": FORECAST[["close"]]})
    assert list(lines(axes)) == ["history", "gru", "ridge", "drift"]
    assert lines(axes)["ridge"] == [9.0, 11.0, 12.0]
    gru, ridge, drift = axes.lines[1:]
    assert [to_hex(line.get_color()) for line in (gru, ridge, drift)] == [*COLOURS[:2], "#777777"]
    assert [line.get_linestyle() for line in (gru, ridge, drift)] == ["-", "-", ":"]


def test_models_that_begin_at_different_times_start_from_their_own_last_value():
    axes = plot_forecast(HISTORY, {"early": FORECAST[["close"]].set_axis(DAYS[5:7]), "late": FORECAST[["close"]]})
    assert lines(axes)["early"] == [4.0, 10.0, 11.0]
    assert lines(axes)["late"] == [9.0, 10.0, 11.0]
    assert lines(axes)["actual"] == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


PANEL = pd.concat({name: HISTORY + k for k, name in enumerate("cab")}, names=["id", "day"])
PANEL_FORECAST = pd.concat({name: FORECAST + k for k, name in enumerate("cab")}, names=["id", "day"])


@pytest.mark.parametrize(
    "shape",
    [
        lambda frame: frame,
        lambda frame: frame.swaplevel(),
        lambda frame: frame.reset_index(names=["unique_id", "ds"]),
        lambda frame: frame.reset_index(names=["shop", "date"]),
        lambda frame: (
            frame.unstack("id").reindex(columns=["c", "a", "b"], level=1).rename_axis(columns=[None, "ticker"])
        ),
    ],
    ids=["panel", "swapped", "long", "long with other names", "wide"],
)
def test_several_series_of_any_shape_become_small_pictures(shape):
    axes = plot_forecast(shape(PANEL), shape(PANEL_FORECAST))
    drawn = {ax.get_title(loc="left"): lines(ax)["forecast"] for ax in axes.figure.axes}
    assert drawn == {"c": [9.0, 10.0, 11.0], "a": [10.0, 11.0, 12.0], "b": [11.0, 12.0, 13.0]}
    assert list(drawn) == ["c", "a", "b"]
    assert axes.figure.legends[0].get_title().get_text() == "close"
    assert len(axes.figure.legends[0].get_texts()) == 3


def test_what_is_left_out_of_many_series_is_said():
    figure = plot_forecast(PANEL, PANEL_FORECAST, max_series=2).figure
    assert len(figure.axes) == 2
    assert figure.get_supxlabel() == "The first 2 of 3 series; max_series= draws more."
    assert plot_forecast(PANEL, PANEL_FORECAST).figure.get_supxlabel() == ""


def test_several_targets_are_drawn_unless_one_is_named():
    forecast = FORECAST.assign(volume=1.0)
    titles = [ax.get_title(loc="left") for ax in plot_forecast(HISTORY, forecast).figure.axes]
    assert titles == ["close", "volume"]
    assert plot_forecast(HISTORY, forecast, target="volume").get_ylabel() == "volume"


def test_series_that_do_not_match_are_refused_with_advice():
    with pytest.raises(DataError, match="select one first"):
        plot_forecast(PANEL, FORECAST)
    with pytest.raises(DataError, match="the history has no series 'c'"):
        plot_forecast(HISTORY, PANEL_FORECAST)
    with pytest.raises(DataError, match="more than once"):
        plot_forecast(pd.concat([HISTORY, HISTORY]), FORECAST)
    with pytest.raises(ConfigError, match="3 series to draw, and ax= is for one"):
        plot_forecast(PANEL, PANEL_FORECAST, ax=plt.subplots()[1])
    with pytest.raises(ConfigError, match="no forecast"):
        plot_forecast(HISTORY, {})


def test_a_model_draws_its_forecast_with_nested_bands():
    series = make_series("random_walk", 80).rename("close")
    model = ConformalForecaster(Forecaster(Ridge(), 3, 10), n_calibration=30).fit(series)
    axes = model.plot()
    quantiles = model.predict(levels=[0.1, 0.25, 0.75, 0.9])
    assert lines(axes)["forecast"] == pytest.approx([series.iloc[-1], *quantiles["close"]])
    assert lines(axes)["history"] == pytest.approx(series.iloc[-10:].tolist())
    wide, narrow = axes.collections
    last = quantiles.iloc[-1]
    assert band_at(wide, quantiles.index[-1]) == pytest.approx((last["close_q0.1"], last["close_q0.9"]))
    assert band_at(narrow, quantiles.index[-1]) == pytest.approx((last["close_q0.25"], last["close_q0.75"]))
    assert len(lines(model.plot(series, last=40))["history"]) == 40


@pytest.mark.parametrize("wrapped", [lambda model: model, lambda model: EnsembleForecaster([model])])
def test_the_bands_of_a_network_are_those_it_was_trained_for(wrapped):
    series = make_series("random_walk", 80)
    training = Training(max_steps=2, verbose=False)
    model = wrapped(LinearForecaster(3, 10, head=Quantiles([0.2, 0.4, 0.6, 0.8]), training=training)).fit(series)
    axes = model.plot()
    assert len(axes.collections) == 2
    assert axes.collections[0].get_label() == "bands of 60, 20 %"
    last = model.predict(levels=[0.2, 0.8]).iloc[-1]
    corners = axes.collections[0].get_paths()[0].vertices
    assert corners[corners[:, 0] == corners[:, 0].max(), 1].max() == pytest.approx(last["y_q0.8"])
    assert not model.plot(levels=[]).collections


def test_a_model_without_quantiles_draws_no_band():
    axes = Forecaster(Ridge(), 3, 10).fit(make_series("random_walk", 80)).plot(steps=5)
    assert not axes.collections
    assert len(lines(axes)["forecast"]) == 6


def test_a_model_of_a_panel_draws_its_series_in_the_order_of_the_frame():
    frame = pd.concat([PANEL] * 1).reset_index(names=["shop", "date"]).drop(columns="volume")
    frame["shop"] = frame["shop"].map({"c": 3, "a": 1, "b": 2})
    model = Forecaster(Ridge(), 2, 3, id_column="shop", time_column="date", target="close").fit(frame)
    axes = model.plot()
    assert [ax.get_title(loc="left") for ax in axes.figure.axes] == ["3", "1", "2"]
    assert [lines(ax)["history"][-1] for ax in axes.figure.axes] == [9.0, 10.0, 11.0]


def test_dates_are_few_enough_not_to_collide():
    index = pd.bdate_range("2017-01-02", periods=700)
    history = pd.Series(np.arange(690.0), index[:690])
    axes = plot_forecast(history, pd.DataFrame({"y": np.arange(10.0)}, index[690:]), last=690)
    figure = axes.figure
    for width in (8, 4):
        figure.set_size_inches(width, 3)
        figure.canvas.draw()
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert len(boxes) >= 4
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (HISTORY.drop(columns="close"), "no column 'close'"),
        (HISTORY.assign(close="a"), "not numeric"),
        (HISTORY.assign(close=np.nan), "no values"),
        (HISTORY.reset_index(drop=True), "indexed by"),
        (HISTORY.tz_localize("UTC"), "indexed by"),
        ([1.0, 2.0], "not list"),
    ],
)
def test_an_unusable_history_is_an_error_that_says_why(history, words):
    with pytest.raises(DataError, match=words):
        plot_forecast(history, FORECAST)


def test_last_counts_rows():
    with pytest.raises(ConfigError, match="last=0"):
        plot_forecast(HISTORY, FORECAST, last=0)
    with pytest.raises(ConfigError, match="max_series=0"):
        plot_forecast(HISTORY, FORECAST, max_series=0)


def test_inputs_are_not_changed():
    history, forecast = HISTORY.copy(), FORECAST.copy()
    plot_forecast(HISTORY, FORECAST)
    pd.testing.assert_frame_equal(HISTORY, history)
    pd.testing.assert_frame_equal(FORECAST, forecast)
