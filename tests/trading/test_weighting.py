from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsseq.errors import ConfigError, DataError
from tsseq.trading import expected_returns, realised_returns, simulate, sweep, to_weights
from tsseq.trading.price_table import PriceTable
from tsseq.trading.statistics import information_coefficients
from tsseq.trading.weighting import WeightingRule

DAYS = pd.bdate_range("2024-01-01", periods=90, name="date")
IDS = list("ABCDEF")
CLOSES = pd.DataFrame(100 * np.exp(np.random.default_rng(0).normal(0, 0.01, (90, 6)).cumsum(axis=0)), DAYS, IDS)
PRICES = CLOSES.T.stack().to_frame("close")


def forecasts(expected):
    """Tidy forecasts whose expected returns are these, NaN for none."""
    dates = DAYS[-len(expected) :]
    wide = pd.DataFrame(np.asarray(expected, dtype=float), dates, IDS[: len(expected[0])])
    tidy = wide.stack().dropna().rename_axis(["cutoff", "id"]).rename("expected").reset_index()
    close = [CLOSES.at[cutoff, name] for cutoff, name in zip(tidy["cutoff"], tidy["id"])]
    tidy["forecast"] = (1 + tidy["expected"]) * close
    return tidy.assign(model="m", step=1, target="close")[["id", "cutoff", "step", "target", "forecast", "model"]]


def weights(expected, rule, **options):
    return to_weights(forecasts(expected), PRICES, "m", rule, **options)


def random_scores(seed, rows=25):
    scores = np.random.default_rng(seed).normal(0, 0.01, (rows, 6))
    scores[:, 0] = np.where(np.arange(rows) % 7 == 3, np.nan, scores[:, 0])
    return scores.tolist()


def assert_close(frame, expected):
    np.testing.assert_allclose(frame.to_numpy(), expected, atol=1e-12)


def test_ranks_are_centred_and_have_a_gross_of_one():
    assert_close(weights([[0.03, -0.01, 0.01]], "rank"), [[0.5, -0.5, 0.0]])
    assert_close(weights([[0.01, 0.02, 0.03, 0.04]], "rank"), [[-0.375, -0.125, 0.125, 0.375]])
    assert_close(weights([[0.01, 0.02, np.nan, 0.01], [0, 0, 0, 0]], "rank")[["C"]], [[0.0], [0.0]])
    assert_close(weights([[0.01, 0.02, 0.03, 0.04]], "rank", allow_short=False), [[0, 0, 0.25, 0.75]])


def test_the_k_best_share_the_equity_and_the_k_worst_are_sold_if_asked():
    scores = [[0.03, -0.02, 0.01, 0.04], [0.01, np.nan, np.nan, np.nan]]
    assert_close(weights(scores, "top_k", k=2), [[0.5, 0, 0, 0.5], [0.5, 0, 0, 0]])
    assert_close(weights(scores[:1], "top_k", k=1, allow_short=True), [[0, -0.5, 0, 0.5]])


def test_dropout_changes_at_most_n_drop_assets():
    scores = [[4, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4], [9, np.nan, 3, 4]]
    # Sells A, the worst held, for D, then B for C; A comes back for C, the worse of C and D.
    expected = [[0.5, 0.5, 0, 0], [0, 0.5, 0, 0.5], [0, 0, 0.5, 0.5], [0.5, 0, 0, 0.5]]
    assert_close(weights(scores, "top_k_dropout", k=2, n_drop=1), expected)


def qlib_holdings(scores, k, n_drop):
    """Qlib's TopkDropoutStrategy (method_sell="bottom", method_buy="top") in its own pandas idiom."""
    held, days = pd.Index([]), []
    for _, score in pd.DataFrame(scores, columns=IDS).iterrows():
        last = score.reindex(held).sort_values(ascending=False).index
        rest = score[~score.index.isin(last)].dropna().sort_values(ascending=False)
        today = rest.index[: n_drop + k - len(last)]
        together = score.reindex(last.union(today)).sort_values(ascending=False).index
        sold = last[last.isin(together[-n_drop:])]
        bought = today[: len(sold) + k - len(last)]
        held = last.difference(sold).union(bought)
        held = held[score[held].notna()]
        days.append(set(held))
    return days


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3))
def test_dropout_holds_what_qlib_holds(seed, k, n_drop):
    scores = random_scores(seed)
    n_drop = min(n_drop, k)
    book = weights(scores, "top_k_dropout", k=k, n_drop=n_drop)
    assert [set(row.index[row > 0]) for _, row in book.iterrows()] == qlib_holdings(scores, k, n_drop)


def test_a_volatility_target_divides_by_what_was_seen_up_to_the_cutoff():
    book = weights([[0.01, -0.01], [0.01, 0.01]], "volatility", target_volatility=0.1, volatility_window=20)
    own = CLOSES[["A", "B"]].pct_change().iloc[-21:-1].std() * np.sqrt(252)
    np.testing.assert_allclose(book.iloc[0], [0.1 / own["A"] / 2, -0.1 / own["B"] / 2])
    assert (weights([[0.01, -0.01]], "volatility", target_volatility=0.1, volatility_window=90) == 0).all(axis=None)


def test_a_callable_makes_its_own_weights():
    book = weights([[0.02, -0.01], [0.01, np.nan]], lambda expected: expected.clip(lower=0) * 10)
    assert_close(book, [[0.2, 0.0], [0.1, 0.0]])
    with pytest.raises(DataError, match="the rule returned ndarray"):
        weights([[0.02, -0.01]], lambda expected: expected.to_numpy())


def inverse_variance(expected, past):
    sizes = np.sign(expected) / past.pct_change().iloc[-20:].var()
    return sizes / sizes.abs().sum()


def test_a_rule_of_two_arguments_reads_closes_up_to_the_cutoff():
    calls = []

    def rule(expected, past):
        calls.append((expected, past))
        return inverse_variance(expected, past)

    book = weights([[0.02, -0.01, np.nan], [np.nan] * 3, [0.01, 0.03, -0.02]], rule)
    cutoffs = DAYS[[-3, -1]]
    assert [past.index[-1] for _, past in calls] == cutoffs.tolist()
    for cutoff, ids, (expected, past) in zip(cutoffs, (["A", "B"], ["A", "B", "C"]), calls):
        pd.testing.assert_frame_equal(past, CLOSES.loc[:cutoff, ids], check_names=False, check_freq=False)
        assert expected.index.tolist() == ids
        assert expected.name == cutoff
    variance = CLOSES.pct_change().iloc[-22:-2].var()[["A", "B"]]
    np.testing.assert_allclose(book.loc[cutoffs[0]], [*(np.array([1, -1]) / variance / (1 / variance).sum()), 0.0])
    assert book.columns.tolist() == ["A", "B", "C"]


def test_ids_that_a_rule_leaves_out_get_no_weight():
    assert_close(weights([[0.01, 0.03, 0.02]], lambda expected, past: expected.nlargest(2) * 10), [[0, 0.3, 0.2]])
    assert_close(weights([[0.01, 0.03]], lambda expected, past: expected * np.nan), [[0, 0]])
    limited = weights([[0.01, 0.03]], lambda expected, past: expected * 100, max_weight=2, max_gross=1)
    assert_close(limited, [[1 / 3, 2 / 3]])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda expected, past: expected.to_numpy(),
            "the rule returned ndarray on 2024-05-03; a Series of weights of 'A', 'B'",
        ),
        (lambda expected, past: expected.rename({"A": "Z"}), "the rule returned a Series of 'Z', 'B' on 2024-05-03"),
        (lambda expected, past: pd.concat([expected, expected]), "the rule returned a Series of 'A', 'B', 'A'"),
    ],
)
def test_answers_of_a_rule_that_are_no_weights_are_named(answer, message):
    with pytest.raises(DataError, match=message):
        weights([[0.01, 0.02]], answer)


def test_a_rule_with_options_of_its_own_still_has_one_argument():
    def scaled(expected, size=10, *rest, limit=0.5, **others):
        return (expected * size).clip(-limit, limit)

    assert_close(weights([[0.02, -0.1]], scaled), [[0.2, -0.5]])
    assert_close(weights([[0.02, -0.1]], partial(scaled, size=1)), [[0.02, -0.1]])
    assert_close(weights([[0.02, -0.1]], np.sign), [[1, -1]])
    by_row = partial(lambda expected, past, size: expected * size, size=5)
    assert_close(weights([[0.02, -0.1]], by_row), [[0.1, -0.5]])


def greedy(expected, past):
    """Tries to change what other dates see, and the prices."""
    answer = inverse_variance(expected, past)
    past.iloc[:] = 1.0
    expected.iloc[:] = -1.0
    return answer


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        (inverse_variance, {}),
        (greedy, {}),
        ("volatility", {"target_volatility": 0.1}),
        ("rank", {"book_volatility": 0.1, "max_gross": 3.0}),
        (inverse_variance, {"book_volatility": 0.2, "no_trade_band": 0.02}),
    ],
)
def test_prices_after_a_cutoff_change_no_bit_of_its_weights(rule, options):
    scores, window = random_scores(3, rows=30), {"volatility_window": 15}
    tidy = forecasts(scores)
    early = tidy[tidy["cutoff"] <= DAYS[-15]]
    before = PRICES.copy()
    book = to_weights(tidy, PRICES, "m", rule, **options, **window).loc[: DAYS[-15]]
    noise = np.random.default_rng(1).uniform(0.1, 10, CLOSES.shape)
    noise[:-14] = 1.0
    poisoned = CLOSES * noise
    other = to_weights(early, poisoned.rename_axis(columns="id"), "m", rule, **options, **window)
    pd.testing.assert_frame_equal(other, book, check_exact=True, check_freq=False)
    pd.testing.assert_frame_equal(PRICES, before)


def deviation_of(row, closes=CLOSES, window=20):
    """Annual deviation that the weights of a date had over the last returns, asset by asset and bar by bar."""
    returns = closes.loc[: row.name].pct_change().iloc[-window:]
    return (returns[row.index] * row).sum(axis=1).std() * np.sqrt(252)


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("sign", {}),
        ("threshold", {"threshold": 0.001}),
        ("rank", {}),
        ("top_k", {"k": 2}),
        ("top_k_dropout", {"k": 2, "n_drop": 1}),
        ("volatility", {"target_volatility": 0.3}),
        (lambda expected: expected * 10, {}),
        (inverse_variance, {}),
    ],
)
def test_a_book_has_the_volatility_that_was_asked_for_under_every_rule(rule, options):
    plain, book = (
        weights(random_scores(5), rule, **options, volatility_window=20, **extra)
        for extra in ({}, {"book_volatility": 0.12})
    )
    held = plain.abs().sum(axis=1) > 0
    np.testing.assert_allclose(book[held].apply(deviation_of, axis=1), 0.12, rtol=1e-10)
    np.testing.assert_allclose(book.div(book.abs().sum(axis=1), axis=0), plain.div(plain.abs().sum(axis=1), axis=0))


def test_limits_cut_a_book_that_was_scaled():
    scores = [[0.01, 0.02, 0.03, 0.04]] * 3
    free = weights(scores, "top_k", k=2, book_volatility=5.0)
    assert free.sum(axis=1).min() > 10
    assert_close(weights(scores, "top_k", k=2, book_volatility=5.0, max_weight=0.8), [[0, 0, 0.8, 0.8]] * 3)
    assert weights(scores, "top_k", k=2, book_volatility=5.0, max_gross=2).sum(axis=1).tolist() == [2, 2, 2]


def test_no_position_is_scaled_by_what_was_not_seen():
    scores = [[0.01, 0.02]]
    assert (weights(scores, "sign", book_volatility=0.1, volatility_window=90) == 0).all(axis=None)
    late = CLOSES.copy()
    late.loc[: DAYS[75], "B"] = np.nan
    tidy = forecasts(scores)
    book = to_weights(tidy, late.rename_axis(columns="id"), rule="sign", book_volatility=0.1, volatility_window=20)
    assert book["B"].tolist() == [0.0]
    assert deviation_of(book.iloc[0]) == pytest.approx(0.1)
    flat = late.assign(A=100.0).rename_axis(columns="id")
    rising = tidy[tidy["id"] == "A"].assign(forecast=101.0)
    assert to_weights(rising, flat, rule="sign", book_volatility=0.1, volatility_window=20)["A"].tolist() == [0.0]


@pytest.mark.parametrize("options", [{"rule": "volatility", "target_volatility": 0.1}, {"book_volatility": 0.1}])
def test_a_missing_bar_is_a_return_of_nothing_and_then_of_two_bars(options):
    gap = CLOSES.copy()
    gap.loc[DAYS[80], "A"] = np.nan
    tidy = forecasts([[0.01]])
    book = to_weights(tidy, gap.rename_axis(columns="id"), volatility_window=20, **options)
    filled = to_weights(tidy, gap.ffill().rename_axis(columns="id"), volatility_window=20, **options)
    assert book.iloc[0, 0] > 0
    pd.testing.assert_frame_equal(book, filled)


def test_one_series_without_an_id_is_weighed_by_its_past_too():
    tidy = forecasts([[0.01], [-0.02]]).drop(columns="id")
    prices = CLOSES["A"].rename("spx")
    book = to_weights(tidy, prices, rule=lambda expected, past: np.sign(expected) * len(past), book_volatility=0.1)
    assert book.columns.tolist() == ["spx"]
    np.testing.assert_allclose(book.apply(deviation_of, axis=1, args=(prices.to_frame(), 60)), 0.1)


def test_volatility_targets_and_rules_of_past_prices_are_swept():
    grid = {"rule": ["rank", inverse_variance], "book_volatility": [None, 0.05, 0.1], "volatility_window": [20]}
    tidy = forecasts(random_scores(4))
    table = sweep(tidy, PRICES, grid)
    for row, combination in zip(table.itertuples(), table[list(grid)].to_dict("records")):
        options = {name: None if value != value else value for name, value in combination.items()}
        book = simulate(to_weights(tidy, PRICES, **options), PRICES)
        assert row.total_return == pytest.approx(book.equity.iloc[-1] - 1, rel=1e-10)


def test_weights_are_cut_and_the_gross_is_scaled():
    assert_close(weights([[0.01, 0.02, 0.03, 0.04]], "rank", max_weight=0.2), [[-0.2, -0.125, 0.125, 0.2]])
    assert_close(weights([[0.01, 0.02, 0.03, 0.04]], "rank", max_gross=0.5), [[-0.1875, -0.0625, 0.0625, 0.1875]])


def test_small_changes_of_a_weight_are_not_made():
    book = weights([[0.10, 0.01], [0.13, 0.08], [0.30, 0.09]], lambda expected: expected, no_trade_band=0.05)
    assert_close(book, [[0.10, 0.0], [0.10, 0.08], [0.30, 0.08]])


@given(st.integers(0, 2**32), st.sampled_from([("rank", {}), ("top_k", {"k": 2, "allow_short": True}), ("sign", {})]))
def test_limits_hold_on_every_date(seed, rule):
    limits = {"max_weight": 0.15, "max_gross": 0.5, "no_trade_band": 0.05}
    book = weights(random_scores(seed), rule[0], **rule[1], **limits)
    assert book.abs().max(axis=None) <= 0.15 + 1e-12
    assert book.abs().sum(axis=1).max() <= 0.5 + 1e-12


@pytest.mark.parametrize(
    "rule", [("rank", {}), ("top_k_dropout", {"k": 2, "n_drop": 1}), ("volatility", {"target_volatility": 0.1})]
)
def test_later_dates_do_not_change_earlier_weights(rule):
    scores = random_scores(0)
    early = weights(scores, rule[0], **rule[1], no_trade_band=0.01)
    changed = forecasts(scores)
    late = changed["cutoff"] > DAYS[-10]
    changed.loc[late, "forecast"] *= np.random.default_rng(1).uniform(0.9, 1.1, late.sum())
    other = to_weights(changed, PRICES, "m", rule[0], **rule[1], no_trade_band=0.01)
    pd.testing.assert_frame_equal(other.loc[: DAYS[-10]], early.loc[: DAYS[-10]])


def test_expected_and_realised_returns_give_information_coefficients():
    scores = [[0.01, 0.02, 0.03], [0.03, 0.01, 0.02]]
    tidy = forecasts(scores)
    tidy["actual"] = tidy["forecast"] * 1.1
    expected, realised = (f(tidy, PRICES, "m") for f in (expected_returns, realised_returns))
    assert_close(expected, scores)
    assert_close(realised, np.array(scores) * 1.1 + 0.1)
    np.testing.assert_allclose(information_coefficients(expected, realised), [1.0, 1.0])
    with pytest.raises(DataError, match="no column 'actual'"):
        realised_returns(tidy.drop(columns="actual"), PRICES, "m")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "top_k"}, "k is None with rule 'top_k', which takes a number above 0"),
        ({"rule": "sign", "k": 3}, "k is 3 with rule 'sign', which takes none"),
        ({"rule": "top_k", "k": 0}, "k=0 must be a whole number of at least 1"),
        ({"rule": "top_k_dropout", "k": 2, "n_drop": 3}, "drops at most k"),
        ({"rule": "top_k_dropout", "k": 2, "n_drop": 1, "allow_short": True}, "never short"),
        ({"rule": "sign", "max_gross": -1.0}, "max_gross=-1.0 must be a number of at least"),
        ({"rule": "sign", "book_volatility": 0.0}, "book_volatility=0.0 must be a number"),
        ({"rule": "sign", "book_volatility": 0.1, "volatility_window": 1}, "volatility_window=1 must be a whole"),
        ({"rule": lambda expected, past, more: past}, "the rule takes 3 arguments"),
        ({"rule": "sign", "no_trade_band": -0.1}, "no_trade_band=-0.1 must be a number of at least 0"),
    ],
)
def test_options_that_the_rule_does_not_take_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        weights([[0.01, 0.02]], **options)


def test_a_row_of_a_sweep_is_the_rule_that_it_names():
    expected = pd.DataFrame({"A": [0.02], "B": [-0.01]}, pd.DatetimeIndex(["2024-01-01"]))
    table = PriceTable(expected.index, expected.columns, np.ones((1, 2)), None)
    row = pd.DataFrame({"rule": ["sign", "top_k"], "allow_short": [False, True], "k": [np.nan, 1], "max_gross": None})
    weights = [WeightingRule(**options).weights(expected, table).tolist() for options in row.to_dict("records")]
    assert weights == [[[0.5, 0.0]], [[0.5, -0.5]]]
    assert WeightingRule("sign", allow_short=np.False_).weights(expected, table).tolist() == [[0.5, 0.0]]
