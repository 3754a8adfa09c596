import numpy as np
import pandas as pd
import pytest

import tsseq
from tsseq.errors import ConfigError, DataError
from tsseq.trading import Costs, Trials, break_even_cost, cost_sweep, simulate, sweep, to_weights
from tsseq.trading.price_table import read_prices
from tsseq.trading.statistics import STATISTICS, deflated_sharpe, total_return
from tsseq.trading.weighting import WeightingRule

MONEY = {"costs": Costs(bps=10, slippage_bps=5, fixed=1e-5, borrow_bps=100), "cash_rate": 0.02}


@pytest.fixture(scope="module")
def index():
    return tsseq.load_sample("sp500").loc["2005":"2008"]


@pytest.fixture(scope="module")
def panel():
    """Prices of eight stocks, one of which begins late and one of which ends, and scores for every third day."""
    closes = tsseq.load_sample("us_stocks")["close"].unstack(0).loc["2007":"2009"].iloc[:, :8].copy()
    closes.iloc[:100, 1] = np.nan
    closes.iloc[-100:, 2] = np.nan
    scores = closes.pct_change(20, fill_method=None).where(closes.notna()).iloc[20::3]
    return closes.T.stack().to_frame("close"), scores


def one_by_one(signal, prices, combinations, **options):
    table, rows = read_prices(prices), []
    for combination in combinations:
        weights = pd.DataFrame(WeightingRule(**combination).weights(signal, table), signal.index, signal.columns)
        rows.append(simulate(weights, prices, **options).stats()[["total_return", "sharpe"]])
    return np.array(rows)


@pytest.mark.parametrize("engine", ["returns", "shares"])
@pytest.mark.parametrize("money", [{}, MONEY], ids=["free", "paying"])
def test_thresholds_on_one_asset_give_the_figures_of_one_simulation_each(index, engine, money):
    signal = index[["close"]].pct_change(5).dropna()
    grid = {"rule": ["threshold"], "threshold": np.linspace(0, 0.05, 40), "allow_short": [True, False]}
    table = sweep(signal, index, grid, engine=engine, **money)
    rows = table.iloc[::7]
    combinations = rows[["rule", "threshold", "allow_short"]].to_dict("records")
    expected = one_by_one(signal, index, combinations, engine=engine, **money)
    np.testing.assert_allclose(rows[["total_return", "sharpe"]], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_orders_that_wait_give_the_figures_of_one_simulation_each(panel, engine):
    prices, scores = panel
    gaps = prices.mask(np.random.default_rng(0).random(prices.shape) < 0.2)
    grid = {"rule": ["top_k"], "k": [1, 3, 5], "allow_short": [True, False]}
    table = sweep(scores, gaps, grid, engine=engine, cash_rate=0.03, costs=Costs(bps=10, fixed=1e-4))
    for _, row in table.iterrows():
        rule = WeightingRule("top_k", k=int(row["k"]), allow_short=row["allow_short"])
        weights = pd.DataFrame(rule.weights(scores, read_prices(gaps)), scores.index, scores.columns)
        book = simulate(weights, gaps, engine=engine, cash_rate=0.03, costs=Costs(bps=10, fixed=1e-4))
        assert any("had no price at the fill" in words for words in book.caveats)
        assert row["total_return"] == pytest.approx(total_return(book.returns), rel=1e-10)


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_rules_on_a_panel_give_the_figures_of_one_simulation_each(panel, engine):
    prices, scores = panel
    grid = {"rule": ["top_k"], "k": [1, 2, 3], "allow_short": [True, False], "no_trade_band": [0.0, 0.1]}
    table = sweep(scores, prices, grid, engine=engine, execution="close", leverage=1.2, **MONEY)
    combinations = table[["rule", "k", "allow_short", "no_trade_band"]].to_dict("records")
    expected = one_by_one(scores, prices, combinations, engine=engine, execution="close", leverage=1.2, **MONEY)
    np.testing.assert_allclose(table[["total_return", "sharpe"]], expected, rtol=1e-12, atol=1e-12)


def test_forecasts_of_a_backtest_are_swept_as_to_weights_reads_them(index):
    closes = index["close"].iloc[:200]
    tidy = pd.DataFrame({"cutoff": closes.index[5:150], "step": 1, "target": "close", "model": "lag"})
    tidy["forecast"] = closes.shift(5).iloc[5:150].to_numpy()
    table = sweep(tidy, index, {"rule": ["threshold"], "threshold": [0.0, 0.01]})
    for row in table.itertuples():
        book = simulate(to_weights(tidy, index, "lag", "threshold", threshold=row.threshold), index)
        assert row.total_return == pytest.approx(total_return(book.returns), rel=1e-12)
    with pytest.raises(ConfigError, match=r"'lag', 'other'\. Name one"):
        sweep(pd.concat([tidy, tidy.assign(model="other")]), index, {"rule": ["sign"]})


def test_models_of_a_backtest_are_trials_of_one_sweep(index):
    closes = index["close"].iloc[:200]
    tidy = [
        pd.DataFrame({"cutoff": closes.index[9:150], "step": 1, "target": "close", "model": f"lag {k}"}).assign(
            forecast=closes.shift(k).iloc[9:150].to_numpy()
        )
        for k in (1, 5, 9)
    ]
    forecasts = pd.concat(tidy)
    table = sweep(forecasts, index, {"rule": ["sign"], "model": ["lag 9", "lag 1"], "allow_short": [True, False]})
    assert table["model"].tolist() == ["lag 9", "lag 9", "lag 1", "lag 1"]
    assert (table.attrs["trials"].count, len(table.attrs["trials"].excess)) == (4, 4)
    for row in table.itertuples():
        book = simulate(to_weights(forecasts, index, row.model, "sign", allow_short=row.allow_short), index)
        assert row.total_return == pytest.approx(total_return(book.returns), rel=1e-12)
    with pytest.raises(ConfigError, match="pass the forecasts of a backtest, and no model="):
        sweep(forecasts, index, {"rule": ["sign"], "model": ["lag 1"]}, model="lag 5")
    with pytest.raises(ConfigError, match="pass the forecasts of a backtest"):
        sweep(index[["close"]].pct_change().dropna(), index, {"rule": ["sign"], "model": ["lag 1"]})
    later = pd.concat([tidy[0], tidy[1].iloc[3:]])
    with pytest.raises(DataError, match="'lag 5' forecasts other dates or assets than 'lag 1'"):
        sweep(later, index, {"rule": ["sign"], "model": ["lag 1", "lag 5"]})


def crossing(closes):
    def weights(fast, slow):
        return (closes.rolling(fast).mean() > closes.rolling(slow).mean()).astype(float)

    return weights


def test_a_function_of_the_parameters_gives_its_own_weights(index):
    weights = crossing(index["close"])
    table = sweep(weights, index, {"fast": [5, 10], "slow": [20, 50, 100]}, all_statistics=True)
    assert table.columns.tolist() == ["fast", "slow", *STATISTICS]
    for row in table.to_dict("records"):
        stats = simulate(weights(row["fast"], row["slow"]), index).stats()
        for name in STATISTICS:
            assert row[name] == pytest.approx(stats[name], rel=1e-10)


def test_the_trials_of_a_sweep_deflate_its_best(index):
    weights = crossing(index["close"])
    table = sweep(weights, index, {"fast": range(5, 15), "slow": [20, 50]})
    assert table.attrs["trials"] == Trials.of(table["sharpe"])
    assert table.attrs["trials"].count == 20
    best = table.loc[table["sharpe"].idxmax()]
    returns = simulate(weights(int(best["fast"]), int(best["slow"])), index).returns
    assert deflated_sharpe(returns, table.attrs["trials"]) < deflated_sharpe(returns, [best["sharpe"]])


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_a_ruined_combination_is_missing_and_still_counts(engine):
    days = pd.date_range("2024-01-01", periods=4)
    prices = pd.Series([1.0, 1.0, 3.0, 3.0], days)

    def weights(size):
        return pd.Series([size], days[:1])

    for names in (["total_return", "sharpe"], list(STATISTICS)):
        table = sweep(weights, prices, {"size": [-1.0, 0.5]}, engine=engine, all_statistics=len(names) > 2)
        assert table.loc[0, names].isna().all()
        assert table.loc[1, ["total_return", "sharpe"]].notna().all()
        assert table.attrs["trials"].count == 2
        assert len(table.attrs["trials"].excess) == 1


def test_bad_grids_and_functions_are_named(index):
    signal = index[["close"]].pct_change().dropna()
    with pytest.raises(ConfigError, match="the grid has 'size'; rules take 'rule', 'threshold'"):
        sweep(signal, index, {"size": [1.0]})
    with pytest.raises(ConfigError, match="no combination"):
        sweep(signal, index, {"rule": []})
    with pytest.raises(DataError, match="other dates or assets"):
        sweep(lambda first: pd.Series(1.0, index.index[first:]), index, {"first": [0, 1]})


def test_a_cost_sweep_gives_the_figures_of_a_simulation_at_each_cost(index):
    weights = crossing(index["close"])(5, 20)
    book = simulate(weights, index, costs=Costs(bps=3))
    table = cost_sweep(book, [0, 7.5, 40])
    for bps, row in table.iterrows():
        stats = simulate(weights, index, costs=Costs(bps=bps)).stats()
        for name in ("total_return", "cagr", "sharpe"):
            assert row[name] == pytest.approx(stats[name], rel=1e-12)


def test_nothing_is_left_at_the_break_even_cost():
    closes = tsseq.load_sample("us_stocks").loc["AAPL"].loc["2010":]
    book = simulate(crossing(closes["close"])(10, 50), closes)
    bps = break_even_cost(book)
    assert bps > 0
    assert cost_sweep(book, [bps])["total_return"].iloc[0] == pytest.approx(0.0, abs=1e-12)
    assert simulate(crossing(closes["close"])(10, 50), closes, costs=Costs(bps=bps)).equity.iloc[-1] == pytest.approx(
        1.0
    )


def test_a_book_that_never_trades_or_only_loses_has_no_break_even():
    days = pd.date_range("2024-01-01", periods=3)
    falling = pd.Series([3.0, 2.0, 1.0], days)
    for size in (0.0, 1.0):
        assert np.isnan(break_even_cost(simulate(pd.Series([size], days[:1]), falling)))


def test_ledgers_of_two_sweeps_join_over_their_dates(index):
    signal = index[["close"]].pct_change(5).dropna().tz_localize("America/New_York")
    prices = index.tz_localize("America/New_York")
    grid = {"rule": ["threshold"], "threshold": [0.0, 0.01]}
    first, second = (sweep(signal.iloc[days], prices, grid) for days in (slice(0, 300), slice(200, 400)))
    joined = first.attrs["trials"].joined(second.attrs["trials"])
    assert (joined.count, joined.excess.shape) == (4, (4, len(prices) - 5))
    assert np.isnan(joined.excess[2:, :200]).all()
    assert np.isfinite(joined.excess[:, 200:]).all()
    book = simulate(signal["close"].gt(0).astype(float), prices)
    assert book.compare(joined)["adjusted_p"] >= book.compare()["p_value"]


def test_a_grid_may_be_an_array(index):
    signal = index[["close"]].pct_change(5).dropna()
    tables = [
        sweep(signal, index, {"rule": ["sign"], "allow_short": short})
        for short in ([True, False], np.array([1, 0]) > 0)
    ]
    assert tables[0]["total_return"].tolist() == tables[1]["total_return"].tolist()
    assert tables[0]["total_return"].nunique() == 2
