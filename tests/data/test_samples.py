import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsseq.data.samples import load_sample, make_series
from tsseq.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ROOT / "datasets"
NAMES = ["sp500", "us_stocks", "aapl_raw", "airline", "co2"]
KINDS = ["random_walk", "ar1", "seasonal", "noise", "constant"]


def mean_squared_error_at(series, horizon, forecast):
    """Error of ``forecast(values at the origins, their positions)`` over all origins of the series."""
    values = series.to_numpy()
    origins = np.arange(len(values) - horizon)
    return np.mean((values[horizon:] - forecast(values[:-horizon], origins)) ** 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_the_checksum_and_the_row_count_of_the_readme(name):
    row = next(
        line for line in (DATASETS / "README.md").read_text("utf-8").splitlines() if line.startswith(f"| {name} ")
    )
    cells = [cell.strip(" `") for cell in row.strip("|").split("|")]
    assert cells[7] == hashlib.sha256((DATASETS / f"{name}.csv.gz").read_bytes()).hexdigest()
    assert int(cells[3]) == len(pd.read_csv(DATASETS / f"{name}.csv.gz"))


def test_the_folder_holds_no_file_that_the_readme_does_not_list():
    listed = re.findall(r"^\| (\w+) \|.*`[0-9a-f]{64}` \|$", (DATASETS / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {path.name for path in DATASETS.glob("*.gz")} == {f"{name}.csv.gz" for name in listed}


@pytest.mark.parametrize(
    ("name", "rows", "first", "last", "index_name", "columns"),
    [
        ("sp500", 5031, "1999-01-04", "2018-12-31", "date", ["open", "high", "low", "close", "volume"]),
        ("aapl_raw", 3270, "2000-03-01", "2013-03-01", "date", ["open", "high", "low", "close", "volume", "adj_close"]),
        ("airline", 144, "1949-01-01", "1960-12-01", "month", ["passengers"]),
        ("co2", 2284, "1958-03-29", "2001-12-29", "date", ["co2"]),
    ],
)
def test_single_series_have_the_documented_shape_and_range(name, rows, first, last, index_name, columns):
    frame = load_sample(name)
    assert frame.shape == (rows, len(columns))
    assert list(frame.columns) == columns
    assert (frame.dtypes == "float64").all()
    assert (frame.index[0], frame.index[-1]) == (pd.Timestamp(first), pd.Timestamp(last))
    assert frame.index.name == index_name
    assert frame.index.tz is None
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique


@pytest.mark.parametrize("name", ["sp500", "aapl_raw"])
def test_daily_bars_are_complete_and_consistent(name):
    bars = load_sample(name)
    assert bars.index.freq is None
    assert bars.notna().all(axis=None)
    assert (bars["high"] >= bars[["open", "close", "low"]].max(axis="columns")).all()
    assert (bars["low"] <= bars[["open", "close", "high"]].min(axis="columns")).all()
    assert (bars["volume"] > 0).all()


def test_sp500_keeps_every_digit_of_its_source():
    assert load_sample("sp500").loc["1999-01-04"].tolist() == [1229.22998, 1248.810059, 1219.099976, 1228.099976, 877e6]


def test_us_stocks_is_a_sorted_panel_of_20_complete_series():
    panel = load_sample("us_stocks")
    assert panel.index.names == ["ticker", "date"]
    assert list(panel.columns) == ["close"]
    assert panel.index.is_monotonic_increasing
    assert panel.index.is_unique
    assert panel.groupby("ticker").size().tolist() == [8313] * 20
    assert panel["close"].notna().all()
    assert panel.loc[("XOM", "1990-01-02"), "close"].item() == 4.068
    assert panel.loc[("AAPL", "2022-12-28"), "close"].item() == 125.674


def test_aapl_split_shows_in_the_raw_close_but_not_in_the_adjusted_close():
    returns = load_sample("aapl_raw")[["close", "adj_close"]].pct_change().loc["2005-02-28"]
    assert returns["close"] == pytest.approx(44.86 / 88.99 - 1)
    assert returns["adj_close"] == pytest.approx(2 * 44.86 / 88.99 - 1, abs=1e-6)


def test_aapl_raw_and_adjusted_returns_differ_by_more_than_dividends_on_the_two_splits_only():
    returns = load_sample("aapl_raw")[["close", "adj_close"]].pct_change()
    gap = (returns["close"] - returns["adj_close"]).abs()
    assert gap.index[gap > 0.01].strftime("%Y-%m-%d").tolist() == ["2000-06-21", "2005-02-28"]


def test_airline_is_the_monthly_series_of_box_and_jenkins():
    passengers = load_sample("airline")["passengers"]
    assert passengers.index.freqstr == "MS"
    assert passengers["1949"].tolist() == [112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118]
    assert passengers["1960"].tolist() == [417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432]
    assert passengers.sum() == 40363


def test_co2_keeps_its_gaps_on_a_regular_weekly_grid():
    co2 = load_sample("co2")["co2"]
    assert co2.index.freqstr == "W-SAT"
    assert co2.isna().sum() == 59
    assert co2["1964-01-25":"1964-05-23"].isna().all()
    assert len(co2["1964-01-25":"1964-05-23"]) == 18
    assert co2[["1958-03-29", "2001-12-29"]].tolist() == [316.1, 371.5]


@pytest.mark.parametrize("name", NAMES)
def test_changing_a_loaded_frame_does_not_change_the_next_one(name):
    changed = load_sample(name)
    untouched = changed.copy()
    changed.iloc[:] = -1.0
    pd.testing.assert_frame_equal(load_sample(name), untouched)


def test_an_unknown_sample_is_refused_with_the_known_names():
    with pytest.raises(ConfigError, match=r"no sample dataset 'nasdaq'.*sp500, us_stocks, aapl_raw, airline, co2"):
        load_sample("nasdaq")


def test_an_installed_package_reads_the_datasets_inside_it(tmp_path):
    package = tmp_path / "tsseq"
    shutil.copytree(DATASETS, package / "datasets")
    (package / "data").mkdir()
    for module in ("__init__.py", "data/__init__.py"):
        (package / module).touch()
    for module in ("errors.py", "typing.py", "data/samples.py"):
        shutil.copy(ROOT / "tsseq" / module, package / module)
    script = "from tsseq.data import samples; print(samples.__file__, len(samples.load_sample('airline')))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(package / "data" / "samples.py"), "144"]


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_series_are_daily_floats_named_y(kind):
    series = make_series(kind, 50)
    assert series.name == "y"
    assert series.dtype == "float64"
    assert series.index.equals(pd.date_range("2000-01-01", periods=50, freq="D"))
    assert series.index.freqstr == "D"


@pytest.mark.parametrize("kind", ["random_walk", "ar1", "seasonal", "noise"])
def test_the_seed_alone_decides_the_random_numbers(kind):
    pd.testing.assert_series_equal(make_series(kind, seed=3), make_series(kind, seed=3))
    assert not make_series(kind, seed=3).equals(make_series(kind, seed=4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_series_starts_with_the_shorter_one(kind):
    assert make_series(kind, 300).iloc[:100].tolist() == make_series(kind, 100).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_level_shifts_and_scale_stretches_the_noise(kind):
    quiet, loud = make_series(kind, 100, scale=0.0, level=5.0), make_series(kind, 100, scale=2.0, level=5.0)
    noise = make_series(kind, 100) - make_series(kind, 100, scale=0.0)
    np.testing.assert_allclose(loud - quiet, 2 * noise, atol=1e-12)
    np.testing.assert_allclose(quiet - make_series(kind, 100, scale=0.0), 5.0)


def test_constant_is_its_level():
    assert make_series("constant", 3, level=7).tolist() == [7.0, 7.0, 7.0]


@pytest.mark.parametrize("phi", [0.9, 0.0, -0.5])
def test_ar1_has_lag_1_autocorrelation_phi_and_its_stationary_variance(phi):
    series = make_series("ar1", 50_000, phi=phi, scale=2.0)
    assert series.autocorr(1) == pytest.approx(phi, abs=0.02)
    assert series.var() == pytest.approx(4 / (1 - phi**2), rel=0.05)


def test_ar1_starts_in_its_stationary_state():
    first_values = [make_series("ar1", 1, phi=0.9, seed=seed).iloc[0] for seed in range(2000)]
    assert np.var(first_values) == pytest.approx(1 / (1 - 0.9**2), rel=0.1)


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize(
    ("kind", "forecast", "error"),
    [
        ("random_walk", lambda y, t, h: y, lambda h: 4 * h),
        ("ar1", lambda y, t, h: 5 + 0.8**h * (y - 5), lambda h: 4 * (1 - 0.8 ** (2 * h)) / (1 - 0.8**2)),
        ("seasonal", lambda y, t, h: 5 + 10 * np.sin(2 * np.pi * (t + h) / 24), lambda h: 4),
        ("noise", lambda y, t, h: 5, lambda h: 4),
        ("constant", lambda y, t, h: 5, lambda h: 0),
    ],
)
def test_the_best_forecast_has_the_documented_error(kind, forecast, error, horizon):
    series = make_series(kind, 50_000, phi=0.8, period=24, level=5, scale=2, seed=1)
    measured = mean_squared_error_at(series, horizon, lambda y, t: forecast(y, t, horizon))
    assert measured == pytest.approx(error(horizon), rel=0.05)


def test_an_unknown_kind_is_refused_with_the_known_kinds():
    with pytest.raises(ConfigError, match="'ar2'.*" + ", ".join(KINDS)):
        make_series("ar2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"period": 0}, "period is 0"),
        ({"phi": 1.0}, "phi is 1.0"),
        ({"phi": np.nan}, "phi is nan"),
    ],
)
def test_impossible_parameters_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        make_series("ar1", **arguments)
