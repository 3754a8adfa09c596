"""The command line: what users do as a process of its own, what may go wrong mostly in this one."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import tsseq
from tsseq.cli import main
from tsseq.cli.models import MODELS, forecaster


def run(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "tsseq.cli", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """The command in this process, which spares the time that a new one needs to start."""

    def called(*arguments) -> subprocess.CompletedProcess:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["tsseq", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return subprocess.CompletedProcess(arguments, ended.value.code, *capsys.readouterr())

    return called


@pytest.fixture
def air(tmp_path) -> Path:
    tsseq.load_sample("airline").to_csv(tmp_path / "air.csv")
    return tmp_path


AIR = ("air.csv", "--target", "passengers")
QUICK = tsseq.Training(max_epochs=1, max_steps=3, verbose=False)


def test_fit_and_predict_write_csv_into_a_file(air, call):
    fit = ["--model", "gru", "--max-epochs", 1, "--level", 0.1, "--level", 0.9]
    assert call("fit", *AIR, "--horizon", 2, "--context-length", 12, *fit).returncode == 0
    done = call("predict", "model.tsseq", "--level", 0.1, "--level", 0.9, "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    assert list(pd.read_csv(air / "out.csv")) == ["month", "passengers", "passengers_q0.1", "passengers_q0.9"]
    assert sorted(os.listdir(air)) == ["air.csv", "model.tsseq", "out.csv"]


def test_categories_are_forecast_with_their_probabilities_and_scored(tmp_path, call):
    days = pd.date_range("2024-01-01", periods=120, name="day")
    pd.DataFrame({"regime": ["up", "up", "down"] * 40}, days).to_csv(tmp_path / "regimes.csv")
    source = ("regimes.csv", "--target", "regime", "--horizon", 1, "--context-length", 8, "--max-epochs", 1)
    assert call("fit", *source, "--model", "gru").returncode == 0
    done = call("predict", "model.tsseq", "--proba", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    forecast = pd.read_csv(tmp_path / "out.csv")
    assert list(forecast) == ["day", "regime", "regime_p_down", "regime_p_up"]
    assert forecast["regime"].isin(["up", "down"]).all()
    done = call("backtest", *source, "--model", "gru", "--n-cutoffs", 12)
    assert done.returncode == 0, done.stderr
    assert "log_loss" in done.stdout
    assert "markov" in done.stdout
    assert "the frequencies of the categories" in done.stdout
    assert call("predict", "model.tsseq", "--level", 0.1).stderr.startswith("Error: quantiles are those of numbers")


def table(done, **more) -> pd.DataFrame:
    """What a command printed."""
    assert done.returncode == 0, done.stderr
    return pd.read_csv(StringIO(done.stdout), float_precision="round_trip", **more)


def same_numbers(found: pd.DataFrame, want: pd.DataFrame) -> None:
    assert list(found) == list(want)
    np.testing.assert_array_equal(found.to_numpy(dtype=float), want.to_numpy(dtype=float))


def test_a_model_file_predicts_what_python_predicts_from_it(air):
    fit = ["--horizon", 2, "--context-length", 12, "--max-epochs", 1, "--level", 0.1, "--level", 0.9, "--log"]
    done = run("fit", *AIR, *fit, "--output", "air.tsseq", cwd=air)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Model: air.tsseq, fitted until 1960-12-01" in done.stderr
    model = tsseq.load(air / "air.tsseq")
    done = run("predict", "air.tsseq", "--level", 0.1, "--level", 0.5, cwd=air)
    found = table(done, index_col="month", parse_dates=True)
    assert list(found.index) == list(pd.date_range("1961-01", periods=2, freq="MS"))
    same_numbers(found, model.predict(levels=[0.1, 0.5]))
    assert sorted(os.listdir(air)) == ["air.csv", "air.tsseq"]


def test_a_model_file_predicts_from_a_newer_file(air):
    tsseq.LinearForecaster(2, 12, training=QUICK).fit(load_air()).save(air / "model.tsseq")
    newer = pd.concat([load_air(), pd.DataFrame({"passengers": [450.0]}, pd.DatetimeIndex(["1961-01"], name="month"))])
    newer.reset_index()[["passengers", "month"]].to_csv(air / "newer.csv", index=False)  # in another order
    done = run("predict", "model.tsseq", "newer.csv", "--steps", 5, cwd=air)
    found = table(done, index_col="month", parse_dates=True)
    assert found.index[0] == pd.Timestamp("1961-02")
    same_numbers(found, tsseq.load(air / "model.tsseq").predict(newer, steps=5))


def load_air() -> pd.DataFrame:
    return tsseq.load_sample("airline").astype(float)


def test_a_model_of_a_panel_predicts_from_a_newer_panel(tmp_path):
    stocks = tsseq.load_sample("us_stocks").loc[["AAPL", "XOM"]].groupby("ticker").tail(120).reset_index()
    stocks.groupby("ticker").head(117).to_csv(tmp_path / "old.csv", index=False)
    stocks.to_csv(tmp_path / "new.csv", index=False)
    columns = ["--time-column", "date", "--id-column", "ticker", "--calendar", "XNYS", "--log"]
    fit = ["--target", "close", "--horizon", 3, "--context-length", 20, "--model", "naive"]
    done = run("fit", "old.csv", *fit, *columns, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("predict", "model.tsseq", "new.csv", "--output", "out.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = pd.read_csv(tmp_path / "out.csv", float_precision="round_trip")
    want = tsseq.load(tmp_path / "model.tsseq").predict(stocks)
    assert list(found) == ["ticker", "date", "close"]
    assert found["ticker"].tolist() == want["ticker"].tolist() == ["AAPL"] * 3 + ["XOM"] * 3
    assert pd.to_datetime(found["date"]).tolist() == want["date"].tolist()
    np.testing.assert_array_equal(found["close"], want["close"])


def test_a_model_file_is_updated_with_the_rows_since(air, call):
    frame = load_air().assign(w=1.0)
    frame[:-12].to_csv(air / "old.csv")
    frame[-12:].to_csv(air / "since.csv")
    options = ["--target", "passengers", "--horizon", 2, "--context-length", 12, "--log", "--max-epochs", 1]
    call("fit", "old.csv", *options, "--model", "linear", "--weight", "w")
    call("update", "model.tsseq", "since.csv", "--output", "newer.tsseq")
    found = table(call("predict", "newer.tsseq"), index_col="month", parse_dates=True)
    same_numbers(found, tsseq.load(air / "model.tsseq").update(frame[-12:]).predict())
    assert found.index[0] == pd.Timestamp("1961-01")


def test_a_model_of_indexed_series_made_in_python_predicts_from_a_file(air, call):
    day = pd.date_range("2024", periods=30, name="day")
    frame = pd.concat(
        {name: pd.DataFrame({"y": np.arange(30.0) + k}, day) for k, name in enumerate("ab")}, names=["id"]
    )
    tsseq.Forecaster(tsseq.Drift(), 2, 5).fit(frame[:-2]).save(air / "drift.tsseq")
    frame.to_csv(air / "panel.csv")
    found = table(call("predict", "drift.tsseq", "panel.csv"))
    assert found["id"].tolist() == ["a", "a", "b", "b"]
    assert found["day"].tolist() == ["2024-01-31", "2024-02-01"] * 2
    assert found["y"].tolist() == [30.0, 31.0, 31.0, 32.0]


def test_a_model_of_closes_side_by_side_predicts_from_a_file(tmp_path, call):
    day = pd.date_range("2024", periods=30, name="day")
    closes = pd.DataFrame({"MSFT": np.arange(30.0), "AAPL": np.arange(30.0) + 100}, day).rename_axis(columns="Ticker")
    tsseq.Forecaster(tsseq.Drift(), 2, 5, target="close").fit(closes[:-2]).save(tmp_path / "drift.tsseq")
    closes.to_csv(tmp_path / "closes.csv")
    forecasts = table(call("predict", "drift.tsseq", "closes.csv"))
    assert forecasts["MSFT"].tolist() == [30.0, 31.0]
    assert forecasts["AAPL"].tolist() == [130.0, 131.0]


@pytest.mark.parametrize(("name", "first"), [("naive", 432.0), ("seasonal-naive", 417.0)])
def test_naive_models_are_saved_with_quantiles_from_their_errors(call, air, name, first):
    fit = ["--horizon", 2, "--context-length", 12, "--model", name, "--level", 0.1, "--level", 0.9]
    assert call("fit", *AIR, *fit).returncode == 0
    found = table(call("predict", "model.tsseq", "--level", 0.1, "--level", 0.9))
    assert found["passengers"][0] == first
    assert (found["passengers_q0.1"] < found["passengers"]).all()
    assert (found["passengers_q0.9"] > found["passengers"]).all()


@pytest.mark.parametrize("name", MODELS)
def test_every_model_that_is_named_can_be_made(name):
    frame = load_air()
    for levels in (None, [0.1, 0.9]):
        made = forecaster(name, frame, 2, 24, 1, levels, target="passengers")
        made.check_parameters()
        assert made.has_quantiles == (levels is not None)


def test_help_loads_no_torch(tmp_path):
    code = (
        "import sys\nfrom tsseq.cli import main\nsys.argv = ['tsseq', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("demo", "download", "fit", "predict", "backtest", "info"):
        assert command in done.stdout


def test_backtest_of_a_parquet_panel_writes_a_report(tmp_path):
    stocks = tsseq.load_sample("us_stocks").loc[["AAPL", "XOM"]].groupby("ticker").tail(300).reset_index()
    stocks.to_parquet(tmp_path / "stocks.parquet")
    arguments = ["--model", "ridge", "--time-column", "date", "--id-column", "ticker", "--calendar", "XNYS", "--log"]
    done = run(
        "backtest",
        "stocks.parquet",
        "--target",
        "close",
        "--horizon",
        5,
        "--n-cutoffs",
        10,
        "--report",
        "r.html",
        *arguments,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "last_value" in done.stdout
    assert "repeating the last value" in done.stdout
    assert "Survivor" in (tmp_path / "r.html").read_text() or "surviv" in (tmp_path / "r.html").read_text()


def test_a_backtest_fits_anew_by_date_or_by_number(air, call):
    cutoffs = ["--horizon", 3, "--n-cutoffs", 9, "--model", "ridge", "--context-length", 12]
    options = {False: (), "YE": ("--refit", "YE"), 4: ("--refit", "4")}
    tables = {refit: call("backtest", *AIR, *cutoffs, *option).stdout for refit, option in options.items()}
    assert len(set(tables.values())) == 3
    model = tsseq.Forecaster(Ridge(), 3, 12, target="passengers")
    for refit, text in tables.items():
        scores = tsseq.backtest({"ridge": model}, load_air(), n_cutoffs=9, refit=refit).scores
        assert str(scores.loc["ridge", "MAE"].round(4)) in text


def test_what_is_suspicious_is_said_and_not_praised(tmp_path, call):
    days, rng = pd.bdate_range("2018-01-01", periods=400, name="date"), np.random.default_rng(0)
    smooth = pd.Series(np.exp(0.01 * rng.normal(size=400).cumsum()), days).rolling(9, center=True, min_periods=1).mean()
    smooth.rename("close").to_csv(tmp_path / "smooth.csv")
    options = ["--horizon", 1, "--model", "ridge", "--context-length", 20, "--n-cutoffs", 150, "--calendar", "B"]
    text = call("backtest", "smooth.csv", "--target", "close", *options).stdout
    assert "Too good to be true: look for the future in the data." in text
    assert "'close' is named like a price, but its past explains" in text
    assert "Better than repeating" not in text


def test_info_names_versions(tmp_path):
    done = run("info", cwd=tmp_path)
    assert done.returncode == 0
    assert f"tsseq {tsseq.__version__}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "none.csv", "--target", "y", "--horizon", 3], "none.csv is not a file"),
        (
            ["fit", "air.csv", "--target", "sales", "--horizon", 3, "--model", "ridge"],
            "'sales' is not in the frame",
        ),
        (
            ["fit", *AIR, "--horizon", 3, "--model", "prophet"],
            "--model prophet is unknown; it is one of lstm, gru, rnn",
        ),
        (["fit", *AIR, "--horizon", 3, "--time-column", "week"], "'week' is not in air.csv"),
        (["fit", "words.csv", "--target", "y", "--horizon", 3], "column 'word' of words.csv holds no dates"),
        (["fit", *AIR, "--horizon", 3, "--model", "ridge"], "Forecaster(Ridge) is left to joblib or pickle"),
        (["fit", *AIR, "--horizon", 3, "--model", "naive", "--output", "no/m.tsseq"], "No such file or directory"),
        (["fit", "binary.csv", "--target", "y", "--horizon", 3], "binary.csv cannot be read"),
        (["fit", "daily.csv", "--target", "y", "--horizon", 1, "--model", "seasonal-naive"], "suggests no season"),
        (["predict", "none.tsseq"], "No such file or directory: 'none.tsseq'"),
        (["predict", "damaged.tsseq"], "damaged.tsseq: Bad CRC-32 for file 'config.json'"),
        (["predict", "air.csv"], "air.csv: File is not a zip file"),
        (["predict", "last.tsseq", "none.csv"], "none.csv is not a file"),
        (["predict", "last.tsseq", "daily.csv"], "column 'month' is not in daily.csv"),
        (["predict", "last.tsseq", "--level", 0.1], "LastValue has no quantiles"),
        (["predict", "last.tsseq", "--steps", 0], "steps=0 must be a whole number"),
        (["backtest", *AIR, "--horizon", 3, "--n-cutoffs", 900, "--model", "ridge"], "leave room for"),
        (["backtest", *AIR, "--horizon", 3, "--refit", "yearly", "--model", "ridge"], "refit='yearly' is neither"),
    ],
)
def test_errors_are_one_line_and_no_traceback(air, call, arguments, message):
    tsseq.Forecaster(tsseq.LastValue(), 2, 12).fit(load_air()).save(air / "last.tsseq")
    (air / "damaged.tsseq").write_bytes((air / "last.tsseq").read_bytes().replace(b"LastValue", b"LastSeven"))
    pd.Series(range(99), pd.bdate_range("2024", periods=99), name="y").to_csv(air / "daily.csv")
    (air / "words.csv").write_text("word,y\none,1\ntwo,2\n")
    (air / "binary.csv").write_bytes(bytes(range(256)))
    own_process = message.startswith(("--model prophet", "damaged"))
    done = run(*arguments, cwd=air) if own_process else call(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_demo_tells_the_truth_about_prices(tmp_path):
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("last_value", "lstm", "gru", "ridge", "p (better)", "repeating the last value", "buy and hold"):
        assert word in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "last_value" in page
    assert "lstm" in page
    assert os.listdir(tmp_path) == ["report.html"]
