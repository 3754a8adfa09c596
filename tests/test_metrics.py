"""Forecast errors against numbers worked out by hand."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, r2_score, root_mean_squared_error

from tsseq.errors import ConfigError, DataError
from tsseq.metrics import (
    bleu,
    coverage,
    crps,
    directional_accuracy,
    edit_distance,
    mae,
    mase,
    naive_scale,
    pesaran_timmermann,
    pinball,
    r2_out_of_sample,
    rmse,
    rmsse,
    skill,
    smape,
    theil_u2,
    token_accuracy,
    winkler,
)

NAN = np.nan
ACTUAL, FORECAST = [1.0, 2.0, 4.0, 8.0], [2.0, 2.0, 1.0, 10.0]
POINT = [mae, rmse, smape]

pairs = st.integers(1, 20).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-(10**9), 10**9).map(lambda i: i / 1000), min_size=n, max_size=n)] * 2)
)


def test_golden_numbers():
    assert mae(ACTUAL, FORECAST) == (1 + 0 + 3 + 2) / 4
    assert rmse(ACTUAL, FORECAST) == np.sqrt((1 + 0 + 9 + 4) / 4)
    assert smape(ACTUAL, FORECAST) == pytest.approx(200 / 4 * (1 / 3 + 0 / 4 + 3 / 5 + 2 / 18))
    assert mase(ACTUAL, FORECAST, scale=3.0) == 0.5
    assert mase(ACTUAL, FORECAST, scale=[1.0, 1.0, 3.0, 4.0]) == (1 + 0 + 1 + 0.5) / 4
    assert naive_scale(ACTUAL) == (1 + 2 + 4) / 3
    assert naive_scale(ACTUAL, season_length=2) == (3 + 6) / 2
    assert pinball(ACTUAL, FORECAST, level=0.9) == pytest.approx((0.1 * 1 + 0 + 0.9 * 3 + 0.1 * 2) / 4)
    assert pinball(ACTUAL, FORECAST, level=0.5) == mae(ACTUAL, FORECAST) / 2
    assert coverage(ACTUAL, [1.0, 0, 0, 0], [1.0, 1, 4, 9]) == 0.75


def test_a_perfect_forecast_has_no_error():
    assert [metric(ACTUAL, ACTUAL) for metric in POINT] == [0, 0, 0]
    assert mase(ACTUAL, ACTUAL, 2.0) == pinball(ACTUAL, ACTUAL, 0.3) == 0
    assert coverage(ACTUAL, ACTUAL, ACTUAL) == 1


def test_smape_runs_from_0_to_200_and_takes_zeros():
    assert smape([0.0, 0.0], [0.0, 0.0]) == 0
    assert smape([0.0], [5.0]) == 200
    assert smape([-3.0], [3.0]) == 200
    assert smape([3.0], [1.0]) == smape([1.0], [3.0]) == 100


@given(pair=pairs, level=st.floats(0.01, 0.99))
def test_scikit_learn_measures_the_same(pair, level):
    actual, forecast = pair
    assert mae(actual, forecast) == pytest.approx(mean_absolute_error(actual, forecast))
    assert rmse(actual, forecast) == pytest.approx(root_mean_squared_error(actual, forecast))
    assert pinball(actual, forecast, level) == pytest.approx(mean_pinball_loss(actual, forecast, alpha=level))


@given(pair=pairs, hole=st.sampled_from(["actual", "forecast", "both"]))
def test_missing_values_are_left_out(pair, hole):
    actual, forecast = pair
    holed = [*actual, NAN if hole != "forecast" else 1.0], [*forecast, NAN if hole != "actual" else 1.0]
    for metric in POINT:
        assert metric(*holed) == pytest.approx(metric(actual, forecast))
    assert mase(*holed, 2.0) == pytest.approx(mase(actual, forecast, 2.0))
    assert pinball(*holed, 0.3) == pytest.approx(pinball(actual, forecast, 0.3))


def test_missing_values_are_left_out_of_coverage_and_of_the_scale():
    assert coverage([1.0, NAN, 3.0, 4.0], [0.0, 0, NAN, 5], [2.0, 2, 4, 6]) == 0.5
    assert naive_scale([1.0, 2.0, NAN, 5.0, 9.0]) == (1 + 4) / 2


@given(pair=pairs, size=st.floats(0.01, 100))
def test_scaled_errors_have_no_units_and_the_others_have_those_of_the_data(pair, size):
    actual, forecast = (np.array(part) for part in pair)
    assert mae(size * actual, size * forecast) == pytest.approx(size * mae(actual, forecast))
    assert rmse(size * actual, size * forecast) == pytest.approx(size * rmse(actual, forecast))
    assert mase(size * actual, size * forecast, size) == pytest.approx(mase(actual, forecast, 1.0))
    assert mae(actual, forecast) <= rmse(actual, forecast) * (1 + 1e-12)


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=30), season_length=st.integers(1, 2))
def test_the_naive_forecast_scores_one_on_the_rows_that_its_scale_comes_from(values, season_length):
    values = np.array(values)
    scale = naive_scale(values, season_length)
    if scale > 1e-6:
        assert mase(values[season_length:], values[:-season_length], scale) == pytest.approx(1)


def test_a_series_shorter_than_a_season_has_no_scale():
    assert np.isnan(naive_scale([1.0, 2.0], season_length=2))
    assert np.isnan(naive_scale([1.0, NAN], season_length=1))


def test_the_right_quantile_has_the_least_loss():
    sample = np.random.default_rng(0).normal(size=20_000)
    losses = {
        level: pinball(sample, np.full(20_000, np.quantile(sample, level)), 0.9) for level in (0.5, 0.8, 0.9, 0.95)
    }
    assert min(losses, key=losses.get) == 0.9


def test_lists_integers_and_pandas_are_taken_alike_and_floats_come_out():
    for wrap in (
        list,
        np.array,
        pd.Series,
        lambda v: pd.Series(v, dtype="Float64"),
        lambda v: np.array(v, dtype=np.int32),
    ):
        found = mae(wrap([1, 2]), wrap([2, 4]))
        assert type(found) is float
        assert found == 1.5


def test_unsigned_integers_do_not_wrap_around():
    assert mae(np.array([1], dtype=np.uint8), np.array([2], dtype=np.uint8)) == 1


@pytest.mark.parametrize("metric", POINT)
def test_a_column_and_a_vector_are_not_spread_into_a_matrix(metric):
    """As in mae(actual["close"], model.predict()), where predict gives a frame of one column."""
    want = metric(ACTUAL, FORECAST)
    try:
        found = metric(pd.Series(ACTUAL), pd.DataFrame({"close": FORECAST}))
    except ValueError:
        return
    assert found == want


@pytest.mark.parametrize("forecast", [1.0, 2.0])
def test_a_constant_series_has_no_scaled_error_and_no_warning(forecast):
    assert not np.isfinite(mase([1.0], [forecast], naive_scale([1.0, 1.0])))


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError):
        mae([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: mae([NAN], [1.0]),
        lambda: rmse([], []),
        lambda: smape([1.0], [NAN]),
        lambda: mase([NAN], [1.0], 1.0),
        lambda: pinball([NAN], [1.0], 0.5),
        lambda: coverage([NAN], [0.0], [1.0]),
        lambda: rmsse([NAN], [1.0], 1.0),
        lambda: skill([1.0], [NAN], [1.0]),
        lambda: theil_u2([1.0], [2.0], [1.0]),
        lambda: r2_out_of_sample([], [], []),
        lambda: directional_accuracy([1.0], [2.0], 1.0),
        lambda: crps([NAN], {0.5: [1.0]}),
        lambda: winkler([NAN], [0.0], [1.0], 0.8),
    ],
    ids=[
        "mae",
        "rmse",
        "smape",
        "mase",
        "pinball",
        "coverage",
        "rmsse",
        "skill",
        "u2",
        "r2",
        "direction",
        "crps",
        "winkler",
    ],
)
def test_nothing_to_compare_is_nan_without_a_warning(call):
    assert np.isnan(call())


@pytest.mark.parametrize(
    "call",
    [
        lambda: pinball([1.0], [2.0], level=90),
        lambda: naive_scale([1.0, 2.0], season_length=0),
        lambda: winkler([1.0], [0.0], [2.0], level=1.0),
    ],
)
def test_levels_and_seasons_that_make_no_sense_are_refused(call):
    with pytest.raises(TypeError):  # a ConfigError is a ValueError and a TypeError
        call()


def test_golden_numbers_against_the_naive_forecast():
    naive = [0.0, 4.0, 2.0, 4.0]  # errors 1, -2, 2, 4; the forecast's are -1, 0, 3, -2
    assert skill(ACTUAL, FORECAST, naive) == pytest.approx(1 - 6 / 9)
    assert theil_u2(ACTUAL, FORECAST, naive) == pytest.approx(np.sqrt(14 / 25))
    assert r2_out_of_sample(ACTUAL, FORECAST, naive) == pytest.approx(1 - 14 / 25)
    assert rmsse(ACTUAL, FORECAST, scale=[1.0, 1.0, 9.0, 0.0]) == pytest.approx(np.sqrt((1 + 0 + 1) / 3))
    assert naive_scale(ACTUAL, power=2) == (1 + 4 + 16) / 3
    assert directional_accuracy(ACTUAL, FORECAST, [0.0, 3.0, 4.0, 8.0]) == 1  # two did not move
    assert directional_accuracy(ACTUAL, FORECAST, [1.5, 2.5, 1.0, 7.0]) == (0 + 1 + 0.5 + 1) / 4


@given(pair=pairs)
def test_r2_against_the_mean_is_that_of_scikit_learn(pair):
    actual, forecast = pair
    mean = np.full(len(actual), np.mean(actual))
    if np.ptp(actual) > 1e-3:
        assert r2_out_of_sample(actual, forecast, mean) == pytest.approx(r2_score(actual, forecast), rel=1e-6)
        assert theil_u2(actual, forecast, mean) ** 2 == pytest.approx(1 - r2_score(actual, forecast), rel=1e-6)


def test_crps_of_many_quantiles_is_that_of_the_distribution():
    """Of a normal distribution: y (2 cdf(y) - 1) + 2 pdf(y) - 1 / sqrt(pi) (Gneiting and Raftery 2007)."""
    levels = (np.arange(2000) + 0.5) / 2000
    for value in (-1.5, 0.0, 0.7):
        exact = value * (2 * stats.norm.cdf(value) - 1) + 2 * stats.norm.pdf(value) - 1 / np.sqrt(np.pi)
        assert crps([value], {level: [stats.norm.ppf(level)] for level in levels}) == pytest.approx(exact, rel=1e-3)


@given(value=st.floats(-5, 5), width=st.floats(0, 3), tail=st.floats(0.01, 0.4))
def test_the_winkler_score_is_the_pinball_loss_of_its_ends(value, width, tail):
    ends = pinball([value], [-width], tail) + pinball([value], [width], 1 - tail)
    assert winkler([value], [-width], [width], 1 - 2 * tail) == pytest.approx(ends / tail)


def test_pesaran_timmermann_by_hand():
    """20 pairs: 8 rises forecast, 3 missed; 7 falls forecast, 2 missed."""
    actual = np.array([1] * 8 + [1] * 3 + [-1] * 7 + [-1] * 2)
    forecast = np.array([1] * 8 + [-1] * 3 + [-1] * 7 + [1] * 2)
    hits, py, pf = 15 / 20, 11 / 20, 10 / 20
    chance = py * pf + (1 - py) * (1 - pf)
    own = ((2 * py - 1) ** 2 * pf * (1 - pf) + (2 * pf - 1) ** 2 * py * (1 - py)) / 20
    own += 4 * py * pf * (1 - py) * (1 - pf) / 20**2
    statistic = (hits - chance) / np.sqrt(chance * (1 - chance) / 20 - own)
    found = pesaran_timmermann(actual, forecast)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(stats.norm.sf(statistic))
    # Its square is the chi-squared of the table, but for a factor n / (n - 1).
    table = [[8, 3], [2, 7]]
    assert found.statistic**2 == pytest.approx(stats.chi2_contingency(table, correction=False).statistic * 20 / 19)


def test_directions_count_from_the_value_that_forecasts_set_out_from():
    last, rng = 100.0, np.random.default_rng(0)
    moves, said = rng.normal(size=(2, 50))
    assert pesaran_timmermann(last + moves, last + said, last) == pesaran_timmermann(moves, said)
    assert pesaran_timmermann([*moves, 0.0, NAN], [*said, 1.0, 1.0]) == pesaran_timmermann(moves, said)


def test_signs_that_never_change_show_nothing():
    assert pesaran_timmermann([1.0, -1.0, 2.0], [1.0, 1.0, 1.0]) == (0.0, 1.0)
    assert pesaran_timmermann([1.0, 1.0, 2.0], [1.0, -1.0, 1.0]) == (0.0, 1.0)
    assert pesaran_timmermann([1.0, -1.0], [0.0, 0.0]) == (0.0, 1.0)


def test_directions_by_luck_are_rejected_as_often_as_they_should():
    draws = np.random.default_rng(0).normal(size=(500, 2, 100))
    assert 0.03 <= np.mean([pesaran_timmermann(*pair).p_value < 0.05 for pair in draws]) <= 0.08


def test_edits_and_right_symbols_of_known_pairs():
    assert edit_distance(["kitten"], ["sitting"], normalized=False) == 3
    assert edit_distance(["flaw", "", "ab"], ["lawn", "x", ""], normalized=False) == (2 + 1 + 2) / 3
    assert edit_distance([["two", "one"], ["one"]], [["two"], ["one", "one"]]) == 2 / 3
    assert token_accuracy([["two", "one"], ["one"]], [["two"], ["one", "one"]]) == 2 / 4
    assert token_accuracy(["abc"], ["bc"]) == 0
    assert np.isnan(edit_distance([""], ["a"]))
    assert np.isnan(token_accuracy([""], [""]))


@given(*[st.lists(st.text("ab", max_size=6), min_size=3, max_size=3)] * 3)
def test_the_edit_distance_is_a_distance(first, second, third):
    def distance(a, b):
        return edit_distance(a, b, normalized=False)

    assert distance(first, first) == 0
    assert distance(first, second) == distance(second, first)
    assert distance(first, third) <= distance(first, second) + distance(second, third) + 1e-12
    gap = np.mean([abs(len(a) - len(b)) for a, b in zip(first, second)])
    assert (
        gap - 1e-12 <= distance(first, second) <= np.mean([max(map(len, pair)) for pair in zip(first, second)]) + 1e-12
    )


@pytest.mark.parametrize("metric", [edit_distance, token_accuracy, bleu])
def test_as_many_sequences_are_compared(metric):
    with pytest.raises(DataError, match="2 true sequences and 1 predicted ones"):
        metric(["a", "b"], ["a"])


def test_bleu_is_that_of_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    actual, predicted = (
        ["the cat sat on the mat", "a dog barked at it"],
        ["the cat sat on a mat", "the dog barked at it"],
    )
    want = sacrebleu.corpus_bleu(predicted, [actual]).score
    assert bleu(actual, predicted) == want
    assert bleu([text.split() for text in actual], [text.split() for text in predicted]) == pytest.approx(want)
    assert bleu(actual, actual) == pytest.approx(100)


def test_bleu_without_sacrebleu_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ConfigError, match=r"pip install 'tsseq\[text\]'"):
        bleu(["a"], ["a"])
