"""Figures of empyrical-reloaded and vectorbt, which the tests compare with.

    python -m venv oracle && oracle/bin/pip install vectorbt empyrical-reloaded
    PYTHONPATH=. oracle/bin/python benchmarks/oracles.py

Writes tests/trading/oracles.json. Neither library is needed to run the tests.
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import tsseq

warnings.simplefilter("ignore")
OUT = Path(__file__).parents[1] / "tests" / "trading" / "oracles.json"
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
BENCHMARK = [0.01, -0.01, 0.02, 0.005, -0.02, 0.01, 0.0]


def series() -> dict[str, tuple[pd.Series, pd.Series]]:
    """Returns and benchmark returns by name."""
    index = tsseq.load_sample("sp500")["close"].pct_change().iloc[1:]
    apple = tsseq.load_sample("us_stocks").loc["AAPL", "close"].pct_change().iloc[1:]
    both = apple.index.intersection(index.index)
    pairs = {"sp500": (index, index), "aapl": (apple, apple), "aapl_beside_sp500": (apple[both], index[both])}
    for name, values in EDGES.items():
        days = pd.bdate_range("2024-01-01", periods=len(values))
        pairs[name] = (pd.Series(values, days), pd.Series(BENCHMARK[: len(values)], days))
    return pairs


def of_empyrical() -> dict[str, dict[str, float]]:
    import empyrical as e

    figures = {}
    for name, (r, b) in series().items():
        figures[name] = {
            "total_return": e.cum_returns_final(r),
            "cagr": e.annual_return(r),
            "annual_volatility": e.annual_volatility(r),
            "sharpe": e.sharpe_ratio(r),
            "sortino": e.sortino_ratio(r),
            "max_drawdown": e.max_drawdown(r),
            "calmar": e.calmar_ratio(r),
            "omega": e.omega_ratio(r),
            "tail_ratio": e.tail_ratio(r),
            "value_at_risk": e.value_at_risk(r.dropna()),
            "conditional_value_at_risk": e.conditional_value_at_risk(r.dropna()),
            "beta": e.beta(r, b),
            "alpha": e.alpha(r, b),
            "information_ratio": e.excess_sharpe(r, b),
        }
    return figures


def beyond_cash() -> dict[str, dict[str, float]]:
    """The same where cash earns 5 % a year by calendar days, as an array of returns."""
    import empyrical as e

    figures = {}
    for name, (r, b) in series().items():
        days = np.diff(r.index.as_unit("s").asi8, prepend=r.index.as_unit("s").asi8[:1]) / 86_400
        cash = pd.Series(0.05 * days / 365, r.index)
        figures[name] = {
            "sharpe": e.sharpe_ratio(r, risk_free=cash),
            "sortino": e.sortino_ratio(r, required_return=cash),
            "alpha": e.alpha(r, b, risk_free=cash),
            "beta": e.beta(r, b, risk_free=cash),
            "tracking_error": e.annual_volatility(r - b),
        }
    return figures


def strategies(count: int = 12) -> pd.DataFrame:
    """Daily returns of the S&P 500 held or shorted by chance, seed 0."""
    r = tsseq.load_sample("sp500")["close"].pct_change().iloc[1:1001]
    rng = np.random.default_rng(0)
    return pd.DataFrame({k: r * rng.choice([-1.0, 0.0, 1.0], len(r)) + 0.0001 * k for k in range(count)})


def of_vectorbt() -> dict[str, object]:
    import vectorbt as vbt

    vbt.settings.array_wrapper["freq"] = "1D"
    vbt.settings.returns["year_freq"] = "252 days"
    accessor = strategies().vbt.returns(freq="1D", year_freq="252 days")
    prices = tsseq.load_sample("sp500").loc["2007":"2010"]
    equity = {}
    for name, short in (("long", False), ("long_short", True)):
        weights = chosen_weights(len(prices), short)
        portfolio = vbt.Portfolio.from_orders(
            prices["close"],
            size=pd.Series(weights, prices.index).shift(),
            size_type="targetpercent",
            price=prices["open"],
            val_price=prices["open"],
            fees=0.001,
            slippage=0.0005,
            init_cash=1.0,
            freq="1D",
        )
        equity[name] = {
            "equity": portfolio.value().iloc[::50].tolist(),
            "cash": portfolio.cash().iloc[::50].tolist(),
            "fees": float(portfolio.orders.fees.sum()),
            "orders": int(portfolio.orders.count()),
        }
    return {
        "deflated_sharpe": accessor.deflated_sharpe_ratio().tolist(),
        "sharpe": accessor.sharpe_ratio().tolist(),
        "from_orders": equity,
        "gaps": [of_gaps(seed) for seed in range(8)],
        "lots": of_lots(),
    }


def of_gaps(seed: int) -> dict[str, list[float]]:
    """Equity at no cost and with fees and slippage, of four assets that lack a tenth of their closes and some runs.

    Weights are decided on every bar, so that an order without a price is replaced on the next one: vectorbt, which does
    not fill it, then trades as an order that waits.
    """
    import vectorbt as vbt

    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(rng.normal(0, 0.02, (120, 4)).cumsum(axis=0))
    gaps = rng.random((120, 4)) < 0.1
    for start, asset in rng.integers(0, [100, 4], (6, 2)):
        gaps[start : start + 8, asset] = True
    gaps[-6:] = False
    weights = 0.3 * rng.dirichlet(np.ones(4), 120) * rng.choice([1.0, -0.5], (120, 4), p=[0.8, 0.2])
    prices = pd.DataFrame(np.where(gaps, np.nan, closes), pd.bdate_range("2020-01-01", periods=120))
    books = {}
    for name, fees, slippage in (("free", 0.0, 0.0), ("costs", 0.001, 0.0005)):
        portfolio = vbt.Portfolio.from_orders(
            prices,
            size=pd.DataFrame(weights, prices.index).shift(),
            size_type="targetpercent",
            fees=fees,
            slippage=slippage,
            group_by=True,
            cash_sharing=True,
            call_seq="auto",
            init_cash=1.0,
            freq="1D",
        )
        books[name] = portfolio.value().iloc[::10].tolist()
    return books


def of_lots() -> list[float]:
    """Equity of one asset in whole shares, 10,000 at the start, weights as of `chosen_weights`."""
    import vectorbt as vbt

    closes = tsseq.load_sample("sp500").loc["2007":"2010", "close"] / 10
    weights = pd.Series(chosen_weights(len(closes), short=False), closes.index)
    options = {"size_type": "targetpercent", "size_granularity": 1, "fees": 0.001, "init_cash": 10_000.0}
    portfolio = vbt.Portfolio.from_orders(closes, size=weights.shift(), freq="1D", **options)
    return portfolio.value().iloc[::50].tolist()


def chosen_weights(n: int, short: bool) -> np.ndarray:
    """Weights of one asset that change by chance on every fifth bar, seed 1; NaN on all others."""
    rng = np.random.default_rng(1)
    weights = np.full(n, np.nan)
    weights[::5] = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0] if short else [0.0, 0.3, 0.7, 1.0], len(weights[::5]))
    return weights


if __name__ == "__main__":
    from importlib.metadata import version

    import vectorbt

    figures = {
        "versions": {"vectorbt": vectorbt.__version__, "empyrical-reloaded": version("empyrical-reloaded")},
        "empyrical": of_empyrical(),
        "empyrical_beyond_cash": beyond_cash(),
        "vectorbt": of_vectorbt(),
    }
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"wrote {OUT}")
