from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import tsseq
from tsseq.data.tidy import NAIVE
from tsseq.errors import ConfigError, DataError
from tsseq.trading import expected_returns, realised_returns, signal_quality
from tsseq.trading.statistics import (
    information_coefficient,
    information_coefficients,
    quantile_returns,
    quantile_turnover,
    rank_autocorrelation,
)

DAYS = pd.bdate_range("2024-01-01", periods=140, name="date")
IDS = [f"S{number}" for number in range(10)]
CLOSES = pd.DataFrame(100 * np.exp(np.random.default_rng(0).normal(0, 0.01, (140, 10)).cumsum(axis=0)), DAYS, IDS)
HORIZON = 3


def tidy(stride=3, skill=0.3):
    """Forecasts of three steps that know a part of each move, in the columns of a backtest, with the last values."""
    cutoff, step, asset = (
        axis.ravel() for axis in np.meshgrid(range(0, 137, stride), range(1, HORIZON + 1), range(10), indexing="ij")
    )
    last, actual = CLOSES.to_numpy()[cutoff, asset], CLOSES.to_numpy()[cutoff + step, asset]
    noise = np.random.default_rng(1).normal(0, 0.01 * np.sqrt(step))
    columns = {"ticker": np.array(IDS)[asset], "cutoff": DAYS[cutoff], "date": DAYS[cutoff + step], "step": step}
    table = pd.DataFrame(columns | {"target": "close", "actual": actual})
    forecast = last * (1 + skill * (actual / last - 1) + (1 - skill) * noise)
    parts = [table.assign(forecast=last, model="last_value"), table.assign(forecast=forecast, model="lstm")]
    return pd.concat(parts, ignore_index=True)


TIDY = tidy()


def same(quality, other):
    for name in ("ic", "rank_ic", "turnover", "autocorrelation"):
        pd.testing.assert_series_equal(getattr(quality, name), getattr(other, name))
    for name in ("by_step", "by_month", "decay", "quantile_returns"):
        pd.testing.assert_frame_equal(getattr(quality, name), getattr(other, name))


def test_the_table_of_a_backtest_alone_gives_what_prices_give():
    quality = signal_quality(TIDY)
    expected, realised = (f(TIDY, CLOSES) for f in (expected_returns, realised_returns))
    tables = {
        "ic": information_coefficients(expected, realised),
        "rank_ic": information_coefficients(expected, realised, rank=True),
        "quantile_returns": quantile_returns(expected, realised),
        "turnover": quantile_turnover(expected)[5],
        "autocorrelation": rank_autocorrelation(expected),
    }
    for name, table in tables.items():
        np.testing.assert_allclose(getattr(quality, name), table, rtol=1e-9, atol=1e-12)
        assert getattr(quality, name).index.equals(expected.index)
    pd.testing.assert_series_equal(
        quality.spread, (quality.quantile_returns[5] - quality.quantile_returns[1]).rename("spread")
    )


def test_every_step_is_measured_at_its_own_distance():
    quality = signal_quality(TIDY)
    for step in range(1, HORIZON + 1):
        rows = TIDY[(TIDY["model"] == "lstm") & (TIDY["step"] == step)]
        returns = rows.assign(last=CLOSES.stack().reindex(pd.MultiIndex.from_frame(rows[["cutoff", "ticker"]])).array)
        returns = returns.set_index("cutoff")[["forecast", "actual"]].div(returns["last"].to_numpy(), axis=0)
        daily = returns.groupby(level=0).apply(lambda day: day["forecast"].corr(day["actual"]))
        assert quality.by_step.at[step, "ic"] == pytest.approx(daily.mean(), rel=1e-9)
        assert quality.by_step.at[step, "icir"] == pytest.approx(daily.mean() / daily.std(), rel=1e-9)
    pd.testing.assert_series_equal(quality.by_step.loc[3], quality.decay.loc[0], check_names=False)


def test_months_average_their_dates():
    quality = signal_quality(TIDY)
    assert quality.by_month["n_dates"].sum() == len(quality.ic)
    february = quality.ic.loc["2024-02"]
    assert quality.by_month.at[pd.Period("2024-02"), "ic"] == pytest.approx(february.mean())
    assert quality.by_month.at[pd.Period("2024-02"), "n_dates"] == len(february)


@pytest.mark.parametrize(("stride", "overlaps"), [(1, [1, 2, 3]), (2, [1, 1, 2]), (3, [1, 1, 1])])
def test_cutoffs_closer_than_the_horizon_overlap(stride, overlaps):
    table = tidy(stride)
    quality = signal_quality(table)
    for step, overlap in zip((1, 2, 3), overlaps):
        part = table[table["step"] <= step]
        assert signal_quality(part).overlap == overlap
        summary = information_coefficient(
            *(f(part, CLOSES) for f in (expected_returns, realised_returns)), overlap=overlap
        )
        np.testing.assert_allclose(quality.by_step.loc[step], summary, rtol=1e-9)
    np.testing.assert_array_equal(quality.decay.loc[0], quality.by_step.loc[3])


def test_skill_is_significant_and_noise_is_not():
    skilled, unskilled = (signal_quality(tidy(skill=skill)).summary() for skill in (0.3, 0.0))
    assert skilled["ic"] > 0.2
    assert skilled["ic_lower"] < skilled["ic"] < skilled["ic_upper"]
    assert skilled[["ic_p", "rank_ic_p", "spread_p"]].max() < 0.01 < unskilled[["ic_p", "rank_ic_p", "spread_p"]].min()
    assert skilled["ic_lower"] > 0 > unskilled["ic_lower"]
    assert skilled["icir"] == pytest.approx(skilled["ic_t"] / np.sqrt(skilled["n_dates"]))


@pytest.mark.parametrize("overlap", [1, 5])
def test_intervals_of_an_ic_cover_the_truth_and_are_as_wide_as_its_error(overlap):
    quality, covered, widths = signal_quality(TIDY), [], []
    for seed in range(100):
        noise = np.random.default_rng(seed).normal(0.03, 0.15, 150 + overlap - 1)
        ic = pd.Series(np.convolve(noise, np.ones(overlap) / overlap, "valid"))
        summary = replace(quality, ic=ic, overlap=overlap).summary(n_samples=200, seed=seed)
        covered.append(summary["ic_lower"] <= 0.03 <= summary["ic_upper"])
        widths.append((summary["ic_upper"] - summary["ic_lower"]) / (summary["ic"] / summary["ic_t"]))
    assert np.mean(covered) >= 0.88
    assert np.mean(widths) == pytest.approx(2 * 1.96, rel=0.05)


def test_a_backtest_of_stocks_is_measured_for_every_model():
    stocks = tsseq.load_sample("us_stocks").loc[(["AAPL", "JPM", "KO", "XOM"], slice("2019-06", "2019")), :]
    models = {
        "weak": tsseq.Forecaster(Ridge(1e9), 5, 20, target="close", calendar="XNYS"),
        "ridge": tsseq.Forecaster(Ridge(), 5, 20, target="close", calendar="XNYS"),
    }
    forecasts = tsseq.backtest(models, stocks, n_cutoffs=10, stride=2).forecasts
    table = pd.DataFrame({name: signal_quality(forecasts, name, n_quantiles=2).summary() for name in models})
    assert table.loc["n_dates"].tolist() == [10, 10]
    assert table.loc["n_assets"].tolist() == [4, 4]
    assert table.loc["overlap"].tolist() == [3, 3]
    assert signal_quality(forecasts, "last_value").ic.isna().all()  # says nothing of one asset beside another
    with pytest.raises(ConfigError, match=r"'weak', 'ridge'\. Name one"):
        signal_quality(forecasts)


@pytest.mark.parametrize("name", ["id", "unique_id", "symbol"])
def test_ids_and_times_may_bear_any_name(name):
    same(signal_quality(TIDY.rename(columns={"ticker": name, "date": "when"})), signal_quality(TIDY))


@pytest.mark.parametrize(
    "prices",
    [
        CLOSES,
        CLOSES.rename_axis(columns="ticker"),
        CLOSES.T.stack().rename_axis(["ticker", "date"]).to_frame("close"),
        CLOSES.T.stack().rename_axis(["ticker", "date"]).rename("close").reset_index(),
        pd.concat({"Close": CLOSES}, axis=1, names=["Price", "Ticker"]),
    ],
    ids=["wide", "named", "MultiIndex", "long", "yfinance"],
)
def test_prices_of_any_shape_stand_in_for_last_values(prices):
    alone = TIDY[~TIDY["model"].isin(NAIVE)]
    same(signal_quality(alone, prices=prices), signal_quality(TIDY))
    same(signal_quality(alone.drop(columns="model"), prices=prices), signal_quality(TIDY))


def test_dates_may_have_a_time_zone():
    zoned = TIDY.assign(cutoff=TIDY["cutoff"].dt.tz_localize("America/New_York"))
    zoned["date"] = zoned["date"].dt.tz_localize("America/New_York")
    quality, plain = signal_quality(zoned), signal_quality(TIDY)
    np.testing.assert_array_equal(quality.ic, plain.ic)
    assert str(quality.ic.index.tz) == "America/New_York"
    pd.testing.assert_frame_equal(quality.by_month, plain.by_month)


def test_the_order_of_rows_and_other_targets_change_nothing():
    same(signal_quality(TIDY.sort_values("ticker", kind="stable").iloc[::-1]), signal_quality(TIDY))
    both = pd.concat([TIDY, TIDY.assign(target="high", forecast=TIDY["forecast"] * 2)])
    same(signal_quality(both, target="close"), signal_quality(TIDY))
    with pytest.raises(ConfigError, match="'close', 'high'"):
        signal_quality(both)


def test_missing_forecasts_and_assets_that_list_late_are_left_out():
    late = TIDY[(TIDY["ticker"] != "S3") | (TIDY["cutoff"] > DAYS[60])]
    missing = TIDY.copy()
    missing.loc[(TIDY["ticker"] == "S3") & (TIDY["cutoff"] <= DAYS[60]) & (TIDY["model"] == "lstm"), "forecast"] = (
        np.nan
    )
    same(signal_quality(late), signal_quality(missing))
    early = signal_quality(TIDY[TIDY["ticker"] != "S3"]).ic.loc[: DAYS[60]]
    pd.testing.assert_series_equal(signal_quality(late).ic.loc[: DAYS[60]], early)
    assert 9 < signal_quality(late).n_assets < 10


def test_rounding_of_the_price_is_not_ranked():
    same_price = TIDY[TIDY["model"] == "last_value"].assign(model="log")
    same_price["forecast"] = np.exp(np.log(same_price["forecast"])) * (1 + 1e-15)
    assert signal_quality(pd.concat([TIDY, same_price]), "log").ic.isna().all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda table: table[table["ticker"] == "S0"], "are of one series"),
        (lambda table: table[table["ticker"] == "S0"].drop(columns="ticker"), "are of one series"),
        (lambda table: table[table["model"] == "lstm"], r"no forecasts of 'last_value' .* Pass prices="),
        (lambda table: table.drop(columns="actual"), "no column 'actual'"),
        (lambda table: table.drop(columns="step"), "no column 'step'"),
        (lambda table: table[table["model"] == "lstm"].assign(cutoff=DAYS[0]), "no forecasts of 'last_value'"),
        (lambda table: pd.concat([table, table]), "forecasts are repeated"),
        (lambda table: table.assign(cutoff=table["cutoff"].dt.year), "the cutoffs are int"),
        (lambda table: table.assign(forecast=table["forecast"] - 200), "missing or not positive"),
    ],
)
def test_forecasts_that_cannot_be_measured_are_named(damage, message):
    with pytest.raises(DataError, match=message):
        signal_quality(damage(TIDY), "lstm")


def test_senseless_arguments_are_named():
    with pytest.raises(ConfigError, match="n_quantiles is 0"):
        signal_quality(TIDY, n_quantiles=0)
    with pytest.raises(ConfigError, match="level is 95"):
        signal_quality(TIDY).summary(95)
    with pytest.raises(ConfigError, match="target is 'high'"):
        signal_quality(TIDY, target="high")


def test_inputs_are_not_modified():
    before = TIDY.copy()
    signal_quality(TIDY)
    pd.testing.assert_frame_equal(TIDY, before)
