"""Figures of empyrical-reloaded and vectorbt, computed once by benchmarks/oracles.py."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsseq
from tsseq.trading import Trials
from tsseq.trading.statistics import STATISTICS, cash_returns, deflated_sharpe, relative, sharpe, sortino

ORACLES = json.loads((Path(__file__).parent / "oracles.json").read_text())
BENCHMARK = [0.01, -0.01, 0.02, 0.005, -0.02, 0.01, 0.0]
EDGES = {
    "first_loss": [-0.5, 0.1, 0.1],
    "flat": [0.0] * 6,
    "gaps": [math.nan, 0.02, -0.01, math.nan, 0.03, -0.02, 0.01],
    "one": [0.01],
    "two": [0.01, -0.02],
    "losses": [-0.01, -0.03, -0.02, -0.015],
    "gains": [0.01, 0.03, 0.02],
    "ruin": [0.1, -1.0, 0.2],
}


BEYOND_CASH = {
    "sharpe": lambda r, b, cash: sharpe(r, risk_free=cash),
    "sortino": lambda r, b, cash: sortino(r, required_return=cash),
    "alpha": lambda r, b, cash: relative.alpha(r, b, risk_free=cash),
    "beta": lambda r, b, cash: relative.beta(r, b, risk_free=cash),
    "tracking_error": lambda r, b, cash: relative.tracking_error(r, b),
}


@pytest.fixture(scope="module")
def series():
    index = tsseq.load_sample("sp500")["close"].pct_change().iloc[1:]
    apple = tsseq.load_sample("us_stocks").loc["AAPL", "close"].pct_change().iloc[1:]
    both = apple.index.intersection(index.index)
    pairs = {"sp500": (index, index), "aapl": (apple, apple), "aapl_beside_sp500": (apple[both], index[both])}
    for name, returns in EDGES.items():
        days = pd.bdate_range("2024-01-01", periods=len(returns))
        pairs[name] = pd.Series(returns, days), pd.Series(BENCHMARK[: len(returns)], days)
    return pairs


@pytest.mark.parametrize("name", ["sp500", "aapl", "aapl_beside_sp500", *EDGES])
@pytest.mark.parametrize("statistic", [*STATISTICS, "beta", "alpha", "information_ratio"])
def test_statistics_equal_those_of_empyrical(series, name, statistic):
    returns, benchmark = series[name]
    theirs = ORACLES["empyrical"][name][statistic]
    ours = (
        STATISTICS[statistic](returns) if statistic in STATISTICS else getattr(relative, statistic)(returns, benchmark)
    )
    assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", ["sp500", "aapl", "aapl_beside_sp500", *EDGES])
@pytest.mark.parametrize("statistic", BEYOND_CASH)
def test_statistics_beyond_a_changing_rate_equal_those_of_empyrical(series, name, statistic):
    returns, benchmark = series[name]
    cash = cash_returns(returns.index, 0.05)
    theirs = ORACLES["empyrical_beyond_cash"][name][statistic]
    assert BEYOND_CASH[statistic](returns, benchmark, cash) == pytest.approx(theirs, rel=1e-10, abs=1e-12, nan_ok=True)


def test_the_deflated_sharpe_ratio_equals_that_of_vectorbt():
    r = tsseq.load_sample("sp500")["close"].pct_change().iloc[1:1001]
    rng = np.random.default_rng(0)
    strategies = [r * rng.choice([-1.0, 0.0, 1.0], len(r)) + 0.0001 * k for k in range(12)]
    sharpes = [sharpe(s) for s in strategies]
    np.testing.assert_allclose(sharpes, ORACLES["vectorbt"]["sharpe"], rtol=1e-10)
    for trials in (sharpes, Trials.of(sharpes), Trials.of(sharpes[:5]).joined(Trials.of(sharpes[5:]))):
        ours = [deflated_sharpe(s, trials) for s in strategies]
        np.testing.assert_allclose(ours, ORACLES["vectorbt"]["deflated_sharpe"], rtol=1e-10)
