"""Every accepted shape of prices goes the whole way: backtest, weights, simulation, sweep, report, audit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Forecaster

DAYS = pd.bdate_range("2024-01-01", periods=120, name="Date")
CHANGES = np.random.default_rng(5).normal(0, 0.02, (120, 3))
CLOSES = pd.DataFrame(100 * np.exp(CHANGES.cumsum(axis=0)), DAYS, ["B", "A", "C"])
OPENS = CLOSES.shift(fill_value=100.0)


def wide() -> pd.DataFrame:
    return pd.concat({"close": CLOSES, "open": OPENS}, axis=1).rename_axis(columns=["Price", "Ticker"])


def long() -> pd.DataFrame:
    return wide().stack(level=1, future_stack=True).reset_index().rename_axis(columns=None)


PANELS = {
    "fields over tickers": (wide(), {}),
    "tickers over fields": (wide().swaplevel(axis=1), {}),
    "long, own names": (long(), {"id_column": "Ticker", "time_column": "Date"}),
    "long, unique_id and ds": (long().rename(columns={"Ticker": "unique_id", "Date": "ds"}), {}),
    "panel": (long().set_index(["Ticker", "Date"]), {}),
    "closes as yfinance has them": (wide()["close"], {}),
}
SINGLES = {
    "fields of one asset": pd.DataFrame({"open": OPENS["A"], "close": CLOSES["A"]}),
    "Series": CLOSES["A"].rename("close"),
}


def journey(frame, roles, tmp_path):
    model = Forecaster(Ridge(), 2, 10, target="close", log=True, calendar="B", **roles)
    result = tsseq.backtest({"ridge": model}, frame, n_cutoffs=12)
    weights = tsseq.to_weights(result.forecasts, frame, rule="sign")
    book = tsseq.simulate(weights, frame, costs=tsseq.Costs(bps=5))
    page = tmp_path / "report.html"
    tsseq.report(result, book, page)
    table = tsseq.sweep(result.forecasts, frame, {"rule": ["threshold"], "threshold": [0.0, 0.001]}, model="ridge")
    return result, weights, book, page.read_text(), table


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    frame, roles = PANELS["panel"]
    return journey(frame, roles, tmp_path_factory.mktemp("panel"))


@pytest.mark.parametrize(("frame", "roles"), PANELS.values(), ids=PANELS)
def test_a_panel_of_any_shape_earns_the_same(frame, roles, reference, tmp_path):
    result, weights, book, page, table = journey(frame, roles, tmp_path)
    pd.testing.assert_frame_equal(result.scores, reference[0].scores, rtol=1e-9)
    pd.testing.assert_frame_equal(
        weights[["A", "B", "C"]], reference[1][["A", "B", "C"]], check_names=False, check_freq=False
    )
    if len(frame.columns) != 3 or "open" in frame:  # without opens, orders fill at closes
        np.testing.assert_allclose(book.returns, reference[2].returns, rtol=1e-9)
        np.testing.assert_allclose(table["sharpe"], reference[4]["sharpe"], rtol=1e-9)
    assert "<html" in page
    assert len(page) > 10_000


@pytest.mark.parametrize("frame", SINGLES.values(), ids=SINGLES)
def test_one_asset_goes_the_whole_way(frame, tmp_path):
    _, weights, book, page, _ = journey(frame, {}, tmp_path)
    assert weights.shape[1] == 1
    assert np.isfinite(book.returns).all()
    assert "<html" in page


@pytest.mark.parametrize(("frame", "roles"), PANELS.values(), ids=PANELS)
def test_an_audit_reads_every_shape(frame, roles):
    model = Forecaster(Ridge(), 2, 10, target="close", log=True, calendar="B", **roles)
    checks = tsseq.audit(model, frame, n_cutoffs=3)
    assert checks.loc[checks["kind"] == "leak", "passed"].fillna(True).all()
