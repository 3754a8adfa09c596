import numpy as np
import pandas as pd
import pytest

from tsseq.data.tidy import NAIVE
from tsseq.errors import ConfigError, DataError
from tsseq.trading import to_weights

DAYS = pd.date_range("2024-01-01", periods=6, name="date")
PRICES = pd.DataFrame({"Close": [100.0, 102.0, 101.0, 104.0, 103.0, 105.0]}, index=DAYS)


def forecasts(cutoffs, values, **columns):
    """Two steps per cutoff: the first points the other way, so only the last may count."""
    last = pd.DataFrame({"cutoff": cutoffs, "forecast": values, "step": 2, "model": "lstm", "target": "Close"})
    last = last.assign(**columns)[[*columns, *last]]
    return pd.concat([last, last.assign(step=1, forecast=200 - last["forecast"])], ignore_index=True)


@pytest.fixture
def single():
    return forecasts(DAYS[[0, 2, 4]], [101.0, 99.0, 103.0])


@pytest.fixture
def panel():
    closes = PRICES["Close"]
    prices = pd.concat({"B": PRICES, "A": PRICES * 2}, names=["id", "date"])
    cutoffs = [DAYS[0], DAYS[0], DAYS[2]]
    values = [closes[DAYS[0]] * 1.01, closes[DAYS[0]] * 2 * 0.99, closes[DAYS[2]] * 2 * 1.05]
    return forecasts(cutoffs, values, id=["B", "A", "A"]), prices


def test_weights_are_the_sign_of_the_move_to_the_last_step(single):
    weights = to_weights(single, PRICES, "lstm")
    expected = pd.DataFrame({"Close": [1.0, -1.0, 0.0]}, index=pd.DatetimeIndex(DAYS[[0, 2, 4]], name="cutoff"))
    pd.testing.assert_frame_equal(weights, expected, check_freq=False)


def test_weights_are_divided_by_the_number_of_assets_forecast_at_the_cutoff(panel):
    weights = to_weights(*panel, "lstm")
    assert weights.columns.tolist() == ["B", "A"]
    assert weights.to_numpy().tolist() == [[0.5, -0.5], [0.0, 1.0]]


def test_long_or_flat_books_have_no_negative_weights(panel):
    assert to_weights(*panel, "lstm", allow_short=False).to_numpy().tolist() == [[0.5, 0.0], [0.0, 1.0]]


def test_a_threshold_keeps_only_larger_moves(panel):
    weights = to_weights(*panel, "lstm", rule="threshold", threshold=0.02)
    assert weights.to_numpy().tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_rounding_of_a_logarithm_is_no_signal():
    closes = PRICES["Close"]
    naive = forecasts(DAYS, np.exp(np.log(closes.to_numpy())) * (1 + 1e-15))
    assert (to_weights(naive, PRICES, "lstm") == 0).all(axis=None)


def test_row_order_changes_nothing(panel):
    tidy, prices = panel
    shuffled = to_weights(tidy.sample(frac=1, random_state=0), prices.sample(frac=1, random_state=0), "lstm")
    pd.testing.assert_frame_equal(shuffled, to_weights(tidy, prices, "lstm"), check_like=True)


@pytest.mark.parametrize("tickers_first", [False, True])
def test_yfinance_columns_equal_a_panel(panel, tickers_first):
    tidy, prices = panel
    wide = prices.unstack("id").rename_axis(columns=["Price", "Ticker"])
    wide.index = wide.index.as_unit("s")
    wide = wide.swaplevel(axis=1) if tickers_first else wide
    pd.testing.assert_frame_equal(to_weights(tidy, wide, "lstm"), to_weights(tidy, prices, "lstm"))


def test_a_series_of_closes_gives_one_column_with_its_name(single):
    assert to_weights(single, PRICES["Close"].rename("SPX"), "lstm").columns.tolist() == ["SPX"]
    assert to_weights(single, PRICES["Close"].rename(None), "lstm").columns.tolist() == ["close"]


def test_one_of_several_targets_must_be_named(single):
    both = pd.concat([single, single.assign(target="low")])
    with pytest.raises(ConfigError, match="'Close', 'low'"):
        to_weights(both, PRICES, "lstm")
    pd.testing.assert_frame_equal(to_weights(both, PRICES, "lstm", target="Close"), to_weights(single, PRICES, "lstm"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "gru"}, "model 'gru'; there are 'lstm'"),
        ({"rule": "best"}, "rule is 'best'; it must be a callable or one of 'sign', 'threshold', 'rank'"),
        ({"threshold": 0.1}, "pass rule='threshold'"),
        ({"rule": "threshold", "threshold": -0.1}, "threshold=-0.1 must be a number of at least 0"),
        ({"target": "high"}, "target is 'high'; the forecasts hold 'Close'"),
    ],
)
def test_a_senseless_argument_is_named(single, options, message):
    with pytest.raises(ConfigError, match=message):
        to_weights(single, PRICES, **({"model": "lstm"} | options))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f, p: (f.drop(columns="step"), p), "no column 'step'"),
        (lambda f, p: (f.assign(forecast=np.nan), p), "3 forecasts of 'lstm' are missing"),
        (lambda f, p: (pd.concat([f, f]), p), "missing or repeated"),
        (lambda f, p: (f, p.iloc[3:]), "2 forecasts have no close at their cutoff .first: 'Close' on 2024-01-01"),
        (lambda f, p: (f.assign(id="SPX")[["id", *f]], p), "'SPX' on 2024-01-01"),
        (lambda f, p: (f, p.rename(columns={"Close": "last"})), "no column 'Close'; they have 'last'"),
        (lambda f, p: (f, pd.concat({"A": p, "B": p})), "no column of ids, but the prices hold 'A', 'B'"),
    ],
)
def test_missing_data_are_named(single, damage, message):
    with pytest.raises(DataError, match=message):
        to_weights(*damage(single, PRICES), "lstm")


def test_inputs_are_not_modified(panel):
    tidy, prices = panel
    before = tidy.copy(), prices.copy()
    to_weights(tidy, prices, "lstm")
    pd.testing.assert_frame_equal(tidy, before[0])
    pd.testing.assert_frame_equal(prices, before[1])


def naive_beside(tidy, *names):
    return pd.concat([tidy, *(tidy.assign(model=name) for name in names)], ignore_index=True)


def test_the_only_model_beside_the_naive_ones_need_not_be_named(single):
    weights = to_weights(single, PRICES, "lstm")
    pd.testing.assert_frame_equal(to_weights(single, PRICES), weights)
    pd.testing.assert_frame_equal(to_weights(naive_beside(single, *NAIVE), PRICES), weights)
    pd.testing.assert_frame_equal(to_weights(single.drop(columns="model"), PRICES), weights)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["gru", "drift"], r"are of 'lstm', 'gru'\. Name one"), ([], "model 'arima'; there are 'lstm'")],
)
def test_one_of_several_models_must_be_named(single, names, message):
    with pytest.raises(ConfigError, match=message):
        to_weights(naive_beside(single, *names), PRICES, None if names else "arima")


@pytest.mark.parametrize("name", ["id", "unique_id", "ticker"])
def test_ids_are_read_under_any_name(panel, name):
    tidy, prices = panel
    pd.testing.assert_frame_equal(to_weights(tidy.rename(columns={"id": name}), prices), to_weights(tidy, prices))
