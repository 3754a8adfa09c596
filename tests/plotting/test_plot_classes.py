"""Pictures of categories: certain until the origin, shares of a band after it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import date2num
from numpy.testing import assert_allclose
from sklearn.ensemble import RandomForestClassifier

from tsseq import ConfigError, ConformalForecaster, DataError, Forecaster, plot_forecast
from tsseq.forecasting.naive import LastValue

DAYS = pd.date_range("2024-01-01", periods=60, name="day")
SKY = pd.Series(np.random.default_rng(0).choice(["fog", "rain", "sun"], 60), DAYS, name="sky")
MODEL = Forecaster(RandomForestClassifier(9, random_state=0), 3, 4).fit(SKY[:57])


def top(ax, name, when) -> float:
    """Share of a category that is drawn at a time."""
    x = date2num(when)
    paths = [band.get_paths()[0] for band in ax.collections if band.get_label() == name]
    return sum(path.contains_point((x, y)) for path in paths for y in np.linspace(0.0005, 0.9995, 1000)) / 1000


@pytest.mark.parametrize("draw", [lambda: MODEL.plot(), lambda: plot_forecast(SKY, MODEL.predict(proba=True))])
def test_a_category_takes_all_of_the_band_while_known_and_its_probability_afterwards(draw):
    ax, forecast = draw(), MODEL.predict(proba=True)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("day", "probability")
    for name in ("fog", "rain", "sun"):
        assert top(ax, name, DAYS[55]) == (1.0 if SKY.iloc[55] == name else 0.0)
        for when in forecast.index:
            assert_allclose(top(ax, name, when), forecast.loc[when, f"sky_p_{name}"], atol=2e-3)


def test_forecasts_without_probabilities_and_of_several_series_have_a_band_each():
    frame = pd.concat({"a": SKY.to_frame(), "b": SKY[::-1].set_axis(DAYS).to_frame()}, names=["place"])
    model = Forecaster(LastValue(), 3, 4).fit(frame)
    figure = model.plot().figure
    assert [ax.get_title("left") for ax in figure.axes] == ["a", "b"]
    assert figure.legends[0].get_title().get_text() == "sky, probability"
    last = {"a": SKY.iloc[-1], "b": SKY.iloc[0]}
    assert all(top(ax, last[ax.get_title("left")], DAYS[-1] + pd.Timedelta("2D")) == 1.0 for ax in figure.axes)


def test_the_rarest_of_many_categories_share_a_colour():
    letters = pd.Series([*"abcdefgh" * 7, *"abcd"], DAYS, name="letter")
    ax = Forecaster(LastValue(), 3, 56).fit(letters).plot()
    assert [band.get_label() for band in ax.collections] == ["a", "b", "c", "d", "e", "others"]


def test_what_is_not_in_the_largest_set_is_hatched():
    model = ConformalForecaster(Forecaster(RandomForestClassifier(9, random_state=0), 3, 4), 20).fit(SKY[:57])
    ax, forecast = model.plot(levels=[0.4, 0.2]), model.predict(levels=[0.4, 0.2], proba=True)
    hatched = 0.0
    for when, row in forecast.iterrows():
        share = sum(row[f"sky_p_{name}"] for name in ("fog", "rain", "sun") if not row[f"sky_set0.4_{name}"])
        assert_allclose(top(ax, "not in the set of 40 %", when), share, atol=3e-3)
        hatched += share
    assert 0.0 < hatched < 3.0
    assert top(ax, "not in the set of 40 %", DAYS[55]) == 0.0


def test_axes_of_ones_own_are_refused():
    ax = MODEL.plot()
    with pytest.raises(ConfigError, match="categories are drawn on axes of their own"):
        plot_forecast(SKY, MODEL.predict(), ax=ax)


@pytest.mark.parametrize("history", [SKY.tz_localize("UTC"), SKY.to_period("D")])
def test_a_history_with_another_kind_of_index_is_an_error_that_says_so(history):
    with pytest.raises(DataError, match=r"the history is indexed by .*; pass the history that was forecast"):
        plot_forecast(history, MODEL.predict(proba=True))
