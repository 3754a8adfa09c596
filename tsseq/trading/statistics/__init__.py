"""Statistics of returns, beside a benchmark, of forecasts, and against luck."""

from tsseq.trading.statistics.against_benchmark import against_benchmark
from tsseq.trading.statistics.deflated_sharpe import deflated_sharpe, expected_best_sharpe, probabilistic_sharpe
from tsseq.trading.statistics.distribution import (
    conditional_value_at_risk,
    hit_rate,
    kurtosis,
    skewness,
    tail_ratio,
    value_at_risk,
)
from tsseq.trading.statistics.drawdowns import drawdown, drawdown_table, max_drawdown
from tsseq.trading.statistics.information_coefficient import (
    ic_decay,
    information_coefficient,
    information_coefficients,
)
from tsseq.trading.statistics.overfitting import Overfitting, probability_of_overfitting
from tsseq.trading.statistics.relative import (
    alpha,
    beta,
    exposure,
    information_ratio,
    tracking_error,
    turnover,
)
from tsseq.trading.statistics.returns import (
    STATISTICS,
    annual_volatility,
    bars_per_year,
    cagr,
    calmar,
    cash_returns,
    omega,
    sharpe,
    sortino,
    statistics_of,
    total_return,
)
from tsseq.trading.statistics.signal_quantiles import (
    quantile_returns,
    quantile_turnover,
    rank_autocorrelation,
    signal_quantiles,
)

__all__ = [
    "STATISTICS",
    "Overfitting",
    "against_benchmark",
    "alpha",
    "annual_volatility",
    "bars_per_year",
    "beta",
    "cagr",
    "calmar",
    "cash_returns",
    "conditional_value_at_risk",
    "deflated_sharpe",
    "drawdown",
    "drawdown_table",
    "expected_best_sharpe",
    "exposure",
    "hit_rate",
    "ic_decay",
    "information_coefficient",
    "information_coefficients",
    "information_ratio",
    "kurtosis",
    "max_drawdown",
    "omega",
    "probabilistic_sharpe",
    "probability_of_overfitting",
    "quantile_returns",
    "quantile_turnover",
    "rank_autocorrelation",
    "sharpe",
    "signal_quantiles",
    "skewness",
    "sortino",
    "statistics_of",
    "tail_ratio",
    "total_return",
    "tracking_error",
    "turnover",
    "value_at_risk",
]
