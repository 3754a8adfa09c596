import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import tsseq
from tsseq.errors import ConfigError, DataError
from tsseq.trading.statistics import (
    ic_decay,
    information_coefficient,
    information_coefficients,
    quantile_returns,
    quantile_turnover,
    rank_autocorrelation,
    signal_quantiles,
)

ALPHALENS = json.loads((Path(__file__).parent / "alphalens.json").read_text())
N_QUANTILES = 4


@pytest.fixture(scope="module")
def momentum():
    """The signal and the returns of benchmarks/signal_oracles.py."""
    closes = tsseq.load_sample("us_stocks")["close"].unstack(0).loc["2015-01":"2015-09"]
    signal, realised = closes.pct_change(20).iloc[20:-5:5], closes.pct_change(5).shift(-5).iloc[20:-5:5]
    gaps = [(row * 7 + column * 3) % 11 == 0 for row in range(len(signal)) for column in range(signal.shape[1])]
    return signal.mask(np.reshape(gaps, signal.shape)), realised


def noise(seed, shape=(60, 12), missing=0.0):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=shape)
    return pd.DataFrame(np.where(generator.random(shape) < missing, np.nan, values)).add_prefix("S")


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("rank_ic", lambda signal, realised: information_coefficients(signal, realised, rank=True).to_frame()),
        ("quantiles", lambda signal, realised: signal_quantiles(signal, N_QUANTILES)),
        ("quantile_returns", lambda signal, realised: quantile_returns(signal, realised, N_QUANTILES)),
        ("quantile_turnover", lambda signal, realised: quantile_turnover(signal, N_QUANTILES)),
        ("rank_autocorrelation", lambda signal, realised: rank_autocorrelation(signal).to_frame()),
    ],
)
def test_figures_of_a_signal_equal_those_of_alphalens(momentum, name, figures):
    theirs = np.array(ALPHALENS[name], dtype=float)
    np.testing.assert_allclose(figures(*momentum), theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n_quantiles", [2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("decimals", [1, 9])
def test_quantiles_are_those_of_pandas_date_by_date(n_quantiles, decimals):
    signal = noise(0, (80, 23), missing=0.4).round(decimals)
    signal.iloc[3] = np.nan
    quantiles = signal_quantiles(signal, n_quantiles)
    for date, row in signal.iterrows():
        if n_quantiles % 2 and (row.count() - 1) % n_quantiles == 0:
            continue  # pandas rounds the edges, which are values here
        try:
            expected = pd.qcut(row, n_quantiles, labels=False) + 1
        except ValueError:  # edges that are not distinct
            expected = row * np.nan
        np.testing.assert_array_equal(quantiles.loc[date], expected)


def test_dates_that_cannot_be_sorted_have_no_quantiles():
    signal = pd.DataFrame([[1.0, 1, 1, 1, 2], [1, np.nan, np.nan, np.nan, np.nan], [1, 2, 3, 4, 5]])
    assert signal_quantiles(signal, 2).isna().all(axis=1).tolist() == [True, True, False]
    assert quantile_returns(signal, signal, 2).isna().all(axis=1).tolist() == [True, True, False]
    assert quantile_turnover(signal, 2).isna().all(axis=None)
    with pytest.raises(ConfigError, match="n_quantiles is 1; at least 2"):
        signal_quantiles(signal, 1)


def test_assets_are_sorted_before_it_is_known_which_returns_are_missing():
    signal = pd.DataFrame([[0.04, 0.03, 0.02, 0.01]], columns=list("ABCD"))
    realised = pd.DataFrame([[np.nan, 0.1, 0.2, 0.3]], columns=list("ABCD"))
    assert quantile_returns(signal, realised, 2).to_numpy().tolist() == [[0.25, 0.1]]
    assert quantile_returns(signal, realised[["B", "C"]], 4).fillna(9).to_numpy().tolist() == [[9, 0.2, 0.1, 9]]


def test_names_that_are_new_in_a_quantile_are_its_turnover():
    signal = pd.DataFrame([[4, 3, 2, 1], [4, 2, 3, 1], [1, 2, 3, 4], [1, 2, 3, 4]], columns=list("ABCD"))
    assert quantile_turnover(signal, 2).iloc[1:].to_numpy().tolist() == [[0.5, 0.5], [0.5, 0.5], [0, 0]]


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_signal_that_is_early_is_worth_most_when_it_is_used_late(late):
    realised = noise(1)
    table = ic_decay(realised.shift(-late), realised, 4)
    assert table["ic"].idxmax() == table["rank_ic"].idxmax() == late
    assert table.loc[late, ["ic", "rank_ic", "n_dates"]].tolist() == pytest.approx([1, 1, 60 - late])
    assert ic_decay(realised.iloc[:3], realised.iloc[:3]).index.tolist() == [0, 1, 2]


def test_the_t_value_of_an_ic_is_that_of_scipy_where_nothing_overlaps():
    signal, realised = noise(2, missing=0.1), noise(3)
    signal.iloc[[4, 40]] = np.nan
    summary = information_coefficient(signal, realised)
    for name in ("ic", "rank_ic"):
        daily = information_coefficients(signal, realised, rank=name == "rank_ic").dropna()
        assert summary[f"{name}_t"] == pytest.approx(stats.ttest_1samp(daily, 0).statistic, rel=1e-12)
        assert summary[f"{name}_t"] == pytest.approx(summary[f"{name}ir"] * np.sqrt(58), rel=1e-12)
    assert summary["n_dates"] == 58


def test_overlapping_horizons_do_not_count_as_evidence():
    """A constant signal, returns of 5 bars at every bar: t-values that ignore the overlap are twice too large."""
    naive, corrected = [], []
    for seed in range(60):
        bars, signal = noise(seed, (84, 6)), noise(seed + 1000, (1, 6))
        realised = bars.rolling(5).sum().iloc[4:]
        constant = pd.DataFrame(np.repeat(signal.to_numpy(), 80, axis=0), realised.index, realised.columns)
        naive.append(information_coefficient(constant, realised)["ic_t"])
        corrected.append(information_coefficient(constant, realised, overlap=5)["ic_t"])
    assert (np.abs(naive) > 2).mean() > 0.3
    assert (np.abs(corrected) > 2).mean() < 0.15


def test_statistics_of_too_few_dates_or_assets_are_missing():
    signal = noise(5, (3, 4))
    assert np.isnan(information_coefficient(signal, signal, overlap=3)["ic_t"])
    single = information_coefficient(signal[["S0"]], signal[["S0"]])
    assert single.drop("n_dates").isna().all()
    assert single["n_dates"] == 0
    with pytest.raises(DataError, match="no date and asset in common"):
        ic_decay(signal, signal.add_prefix("x"))
