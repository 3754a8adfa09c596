"""What is drawn of scores, equity, losses and attention."""

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
    Forecaster,
    LinearForecaster,
    Seq2SeqForecaster,
    Training,
    load_sample,
    make_series,
    plot_forecast,
)
from tsseq.errors import ConfigError, DataError
from tsseq.plotting import plot_attention, plot_history
from tsseq.plotting.equity import plot_equity
from tsseq.plotting.scores import plot_by_step
from tsseq.plotting.style import COLOURS, time_axis

STEPS = pd.RangeIndex(1, 4, name="step")
SKILL = pd.DataFrame(
    {"last_value": 0.0, "mean": [-4.0, -3.0, -2.0], "ridge": [0.02, 0.01, -0.01], "gru": [0.01, 0.03, 0.02]}, STEPS
)
DAYS = pd.bdate_range("2020-01-01", periods=40)
RETURNS = pd.Series(np.random.default_rng(0).normal(0, 0.01, 40), DAYS)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def ticks(axis):
    low, high = sorted(axis.get_view_interval())
    return [tick for tick in axis.get_majorticklocs() if low <= tick <= high]


def test_steps_are_whole_numbers_and_zero_is_marked():
    axes = plot_by_step(SKILL, "skill", higher_is_better=True, percent=True)
    assert ticks(axes.xaxis) == [1, 2, 3]
    assert any(list(line.get_ydata()) == [0, 0] and line.get_label().startswith("_") for line in axes.lines)
    axes.figure.canvas.draw()
    assert "2 %" in [label.get_text() for label in axes.get_yticklabels()]
    assert axes.figure.legends[0].get_title().get_text() == "Skill by step"


def test_naive_forecasts_are_grey_and_dashed():
    drawn = lines(plot_by_step(SKILL, "skill", higher_is_better=True))
    assert [drawn[name].get_linestyle() for name in ("last_value", "mean", "ridge", "gru")] == ["--", "-.", "-", "-"]
    assert [to_hex(drawn[name].get_color()) for name in ("ridge", "gru")] == [*COLOURS[:2]]
    red, green, blue = matplotlib.colors.to_rgb(drawn["mean"].get_color())
    assert red == green == blue


def test_the_axis_ends_before_a_hopeless_model_and_a_note_says_so():
    axes = plot_by_step(SKILL, "skill", higher_is_better=True, percent=True)
    low, high = axes.get_ylim()
    assert -0.02 < low < -0.01
    assert 0.03 < high < 0.04
    assert axes.figure.get_supxlabel() == "Off the axis, below the rest: mean (to −400 %)."
    assert lines(axes)["mean"].get_ydata().tolist() == [-4.0, -3.0, -2.0]


def test_a_large_error_is_hopeless_and_a_small_one_is_not():
    errors = pd.DataFrame({"a": [1.0, 1.1], "b": [1.1, 1.0], "c": [1.05, 1.0], "d": [9.0, 9.0]}, [1, 2])
    axes = plot_by_step(errors, "MAE")
    assert axes.get_ylim()[1] < 1.2
    assert axes.figure.get_supxlabel() == "Off the axis, above the rest: d (to 9)."
    axes = plot_by_step(errors.assign(d=0.01), "MAE")
    assert axes.get_ylim()[0] < 0.01
    assert axes.figure.get_supxlabel() == ""


def test_equity_is_in_percent_over_its_drawdown():
    axes = plot_equity({"after costs": RETURNS, "buy and hold": -RETURNS}, "title", "A caveat.")
    upper, lower = axes.figure.axes
    equity = (1 + RETURNS).cumprod()
    assert upper is axes
    np.testing.assert_allclose(lines(upper)["after costs"].get_ydata(), equity - 1)
    deepest = (equity / equity.cummax().clip(lower=1) - 1).min()
    assert min(lower.lines[0].get_ydata()) == pytest.approx(deepest)
    axes.figure.canvas.draw()
    assert all(label.get_text().endswith(" %") for label in [*upper.get_yticklabels(), *lower.get_yticklabels()])
    assert upper.get_title() == ""
    assert axes.figure.legends[0].get_title().get_text() == "title"
    assert axes.figure.get_supxlabel() == "A caveat."


def test_a_loss_on_the_first_bar_is_a_drawdown():
    axes = plot_equity({"after costs": pd.Series([-0.5, 0.0], DAYS[:2])})
    assert axes.figure.axes[1].lines[0].get_ydata().tolist() == [-0.5, -0.5]


def test_lines_on_one_another_are_drawn_once_under_all_their_names():
    nearly = RETURNS.copy()
    nearly.iloc[5] -= 1e-5
    axes = plot_equity({"after costs": nearly, "before costs": RETURNS, "buy and hold": RETURNS})
    assert list(lines(axes)) == ["after costs ≈ before costs ≈ buy and hold"]
    assert len(axes.figure.axes[1].lines) == 1
    axes = plot_equity({"after costs": RETURNS, "before costs": RETURNS, "buy and hold": -RETURNS})
    assert list(lines(axes)) == ["after costs = before costs", "buy and hold"]


@pytest.mark.parametrize("end", ["2017-03-01", "2019-01-01"])
def test_dates_below_the_equity_do_not_collide(end):
    days = pd.bdate_range("2017-01-02", end)
    axes = plot_equity({"after costs": pd.Series(0.001, days)})
    lower = axes.figure.axes[1]
    for width in (8, 4):
        axes.figure.set_size_inches(width, 4)
        axes.figure.canvas.draw()
        boxes = [label.get_window_extent() for label in lower.get_xticklabels() if label.get_text()]
        assert len(boxes) >= 4
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_the_best_epoch_is_marked():
    losses = pd.DataFrame({"train_loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.7]}).rename_axis("epoch")
    axes = plot_history(losses)
    drawn = lines(axes)
    assert list(drawn) == ["training", "validation", "best epoch: 1"]
    assert drawn["validation"].get_ydata().tolist() == [0.8, 0.6, 0.7]
    assert (list(drawn["best epoch: 1"].get_xdata()), list(drawn["best epoch: 1"].get_ydata())) == ([1], [0.6])
    assert all(tick == round(tick) for tick in ticks(axes.xaxis))


def test_without_validation_only_the_training_is_drawn():
    losses = pd.DataFrame({"train_loss": [0.9, 0.5], "val_loss": np.nan})
    assert list(lines(plot_history(losses))) == ["training"]
    with pytest.raises(DataError, match="no losses"):
        plot_history(losses[["val_loss"]])


def test_a_fitted_network_draws_its_losses():
    model = LinearForecaster(2, 8, training=Training(max_epochs=2, verbose=False)).fit(make_series("random_walk", 80))
    drawn = lines(model.plot_history())
    assert drawn["training"].get_ydata() == pytest.approx(model.history_["train_loss"])
    with pytest.raises(ConfigError, match="Ridge records no losses"):
        Forecaster(Ridge(), 2, 8).fit(make_series("random_walk", 80)).plot_history()


def weights_of(n_series):
    """A table of attention: two steps, three rows of context."""
    index = pd.MultiIndex.from_product([[f"s{k}" for k in range(n_series)], [1, 2], [4, 5, 6]])
    table = index.to_frame(index=False, name=["id", "step", "context_time"])
    table.insert(1, "time", table["step"] + 6)
    return table.assign(weight=np.arange(len(table)) / 10)


def test_attention_is_a_picture_of_steps_by_rows_with_whole_ticks():
    axes = plot_attention(weights_of(1))
    (image,) = axes.images
    np.testing.assert_allclose(image.get_array(), [[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]])
    assert image.get_extent() == [-2.5, 0.5, 2.5, 0.5]
    assert ticks(axes.xaxis) == [-2, -1, 0]
    assert ticks(axes.yaxis) == [1, 2]
    assert axes.get_title(loc="left") == "s0"


def test_attention_of_many_series_shares_one_scale_and_says_what_is_left_out():
    axes = plot_attention(weights_of(5), max_series=4)
    *pictures, bar = axes.figure.axes
    assert [ax.get_title(loc="left") for ax in pictures] == ["s0", "s1", "s2", "s3"]
    assert {ax.images[0].get_clim() for ax in pictures} == {(0.0, 2.9)}
    assert axes.figure.get_supxlabel() == "The first 4 of 5 series; max_series= draws more."
    assert bar.get_ylabel() == "weight"


def test_attention_of_symbols_is_labelled_by_what_is_written_and_read():
    index = pd.MultiIndex.from_product([[0, 1], [1, 2, 3], [0, 1]], names=["sequence", "step", "context_time"])
    table = index.to_frame(index=False).assign(weight=0.5)
    table.insert(1, "symbol", table["step"].map({1: "deux", 2: "cent", 3: ""}))
    axes = plot_attention(table)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["deux", "cent", "end"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("written", "step that is read")
    assert axes.get_title(loc="left") == "sequence 0"
    assert axes.images[0].get_extent() == [-0.5, 1.5, 3.5, 0.5]
    axes = plot_attention(table.assign(context_symbol=table["context_time"].map({0: "two", 1: "hundred"})))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["two", "hundred"]
    assert axes.get_xlabel() == "read"


def test_other_tables_are_no_attention():
    with pytest.raises(DataError, match="no column 'step'"):
        plot_attention(pd.DataFrame({"weight": [1.0]}))


def test_a_model_draws_its_attention():
    training = Training(max_steps=2, verbose=False)
    model = Seq2SeqForecaster(3, 12, hidden_size=8, segment_length=None, training=training).fit(load_sample("airline"))
    image = model.plot_attention().images[0]
    weights = model.attention_weights()["weight"].to_numpy().reshape(3, 12)
    np.testing.assert_allclose(image.get_array(), weights)
    assert not hasattr(LinearForecaster(3, 12), "plot_attention")


def test_losses_without_validation_say_so():
    history = pd.DataFrame({"train_loss": [0.9, 0.5], "val_loss": [np.nan, np.nan]})
    assert plot_history(history).figure.get_supxlabel() == "No rows were held out for validation."
    assert plot_history(history.fillna(0.7)).figure.get_supxlabel() == ""


def contrast(colour, ground):
    """Of two colours, as the WCAG measure it: 1 to 21."""
    shades = np.array([matplotlib.colors.to_rgb(colour), matplotlib.colors.to_rgb(ground)])
    linear = np.where(shades > 0.03928, ((shades + 0.055) / 1.055) ** 2.4, shades / 12.92)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_words_and_lines_are_read_on_a_light_ground_and_on_a_dark_one(style):
    with plt.style.context(style):
        figures = [
            plot_by_step(SKILL, "skill", higher_is_better=True).figure,
            plot_equity({"after costs": RETURNS, "before costs": 2 * RETURNS, "buy and hold": -RETURNS}).figure,
            plot_forecast(pd.Series(1.0, DAYS[:30], name="y"), pd.Series(1.0, DAYS[20:], name="y")).figure,
        ]
        ground = plt.rcParams["figure.facecolor"]
        for figure in figures:
            figure.canvas.draw()
            words = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
            drawn = [line for ax in figure.axes for line in ax.lines if not line.get_label().startswith("_")]
            assert min(contrast(text.get_color(), ground) for text in words) > 5
            assert min(contrast(line.get_color(), ground) for line in drawn) > 2.2


def test_the_ground_of_attention_is_that_of_the_axes():
    table = pd.DataFrame({"time": 3, "step": [1, 1], "context_time": [1, 2], "weight": [0.0, 0.8]})
    for style in ("default", "dark_background"):
        with plt.style.context(style):
            axes = plot_attention(table)
            assert to_hex(axes.images[0].cmap(0.0)) == to_hex(axes.get_facecolor())


def test_a_tick_at_a_day_names_its_month():
    for first, most in (("2024-02-20", 4), ("2024-02-05", 9)):
        _, ax = plt.subplots()
        days = pd.date_range(first, periods=12)
        ax.plot(days, range(12))
        time_axis(ax, days, most)
        ax.figure.canvas.draw()
        assert {label.get_text()[:3] for label in ax.get_xticklabels()} <= {"Feb", "Mar"}
        assert ax.xaxis.get_offset_text().get_text() == "2024"
