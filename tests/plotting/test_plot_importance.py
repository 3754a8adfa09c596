"""What is drawn of importance: bars in order, their intervals, and time to the right."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from sklearn.linear_model import Ridge

from tsseq import Forecaster, importance
from tsseq.errors import ConfigError
from tsseq.plotting.importance import plot_importance
from tsseq.plotting.style import BARS, COLOURS


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def table(*keys):
    size = np.arange(len(keys), 0, -1.0)
    index = pd.MultiIndex.from_tuples(keys) if isinstance(keys[0], tuple) else list(keys)
    return pd.DataFrame({"importance": size, "low": size - 0.5, "high": size + 0.5}, index)


def test_columns_are_bars_from_the_top_with_their_intervals():
    axes = plot_importance(table("x", "y", "noise"), "growth of the MAE", "A note.", most=2)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y"]
    assert [bar.get_width() for bar in axes.patches] == [3.0, 2.0]
    assert axes.yaxis_inverted()
    (whiskers,) = axes.collections
    assert [path.vertices[:, 0].tolist() for path in whiskers.get_paths()] == [[2.5, 3.5], [1.5, 2.5]]
    assert axes.get_xlabel() == "growth of the MAE"
    assert axes.figure.get_supxlabel() == "A note. The first 2 of 3 columns; most= draws more."


def test_lags_run_to_the_right_and_rows_to_come_have_a_colour_of_their_own():
    axes = plot_importance(table(("promo", 0), ("y", 1), ("promo", 2), ("promo", -1), ("size", 0)), "growth", "")
    assert [ax.get_title(loc="left") for ax in axes.figure.axes] == ["promo", "y", "size"]
    colours = {bar.get_x() + bar.get_width() / 2: to_hex(bar.get_facecolor()) for bar in axes.patches}
    assert {round(lag): colour for lag, colour in colours.items()} == {2: BARS, 0: COLOURS[4], -1: COLOURS[4]}
    assert to_hex(axes.figure.axes[2].patches[0].get_facecolor()) == BARS  # it does not change over time
    assert axes.xaxis_inverted()
    legend = axes.figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["known rows", "rows to come"]


def test_a_result_draws_itself():
    x = np.random.default_rng(0).normal(size=200)
    frame = pd.DataFrame({"y": np.roll(x, 2), "x": x})
    model = Forecaster(Ridge(), 1, 4, target="y", past="x").fit(frame[:150])
    axes = importance(model, frame, by="lag").plot(most=1)
    assert axes.get_title(loc="left") == "x"
    assert axes.figure.legends[0].get_title().get_text() == "What the forecasts depend on: growth of the MASE"
    with pytest.raises(ConfigError, match="most=0"):
        importance(model, frame).plot(most=0)
