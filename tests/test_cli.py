"""The command line, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import tsseq


def run(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "tsseq.cli", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def air(tmp_path) -> Path:
    tsseq.load_sample("airline").to_csv(tmp_path / "air.csv")
    return tmp_path


def test_predict_writes_the_forecast_as_csv(air):
    done = run(
        "predict",
        "air.csv",
        "--target",
        "passengers",
        "--horizon",
        3,
        "--model",
        "ridge",
        "--context-length",
        24,
        "--log",
        cwd=air,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "month,passengers"
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == ["1961-01-01", "1961-02-01", "1961-03-01"]


def test_predict_with_quantiles_into_a_file(air):
    arguments = ["--model", "gru", "--max-epochs", 1, "--level", 0.1, "--level", 0.9, "--output", "out.csv"]
    done = run(
        "predict", "air.csv", "--target", "passengers", "--horizon", 2, "--context-length", 12, *arguments, cwd=air
    )
    assert done.returncode == 0, done.stderr
    assert list(pd.read_csv(air / "out.csv")) == ["month", "passengers", "passengers_q0.1", "passengers_q0.9"]
    assert sorted(os.listdir(air)) == ["air.csv", "out.csv"]


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


def test_info_names_versions(tmp_path):
    done = run("info", cwd=tmp_path)
    assert done.returncode == 0
    assert f"tsseq {tsseq.__version__}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "none.csv", "--target", "y", "--horizon", 3], "none.csv is no file"),
        (
            ["predict", "air.csv", "--target", "sales", "--horizon", 3, "--model", "ridge"],
            "'sales' is not in the frame",
        ),
        (
            ["predict", "air.csv", "--target", "passengers", "--horizon", 3, "--model", "prophet"],
            "--model prophet is unknown",
        ),
        (
            ["predict", "air.csv", "--target", "passengers", "--horizon", 3, "--time-column", "week"],
            "'week' is not in air.csv",
        ),
        (
            ["backtest", "air.csv", "--target", "passengers", "--horizon", 3, "--n-cutoffs", 900, "--model", "ridge"],
            "leave room for",
        ),
    ],
)
def test_errors_are_one_line_and_no_traceback(air, arguments, message):
    done = run(*arguments, cwd=air)
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
