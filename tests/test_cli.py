"""The command line: what users do as a process of its own, what may go wrong mostly in this one."""

import os
import subprocess
import sys
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import tsseq
from tsseq.cli import main
from tsseq.cli.models import MODELS, forecaster
from tsseq.data.samples import EXACT


def run(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "tsseq", *map(str, arguments)]
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
    assert call("predict", "model.tsseq", "--level", 0.1).stderr.startswith("Error: the target holds categories")
    done = call("fit", *source, "--model", "gru", "--level", 0.9)
    assert done.returncode == 0, done.stderr
    found = call("predict", "model.tsseq", "--level", 0.9, "--output", "sets.csv")
    assert found.returncode == 0, found.stderr
    assert list(pd.read_csv(tmp_path / "sets.csv")) == ["day", "regime", "regime_set0.9_down", "regime_set0.9_up"]
    done = call("backtest", *source, "--model", "gru", "--n-cutoffs", 12, "--level", 0.9)
    assert done.returncode == 0, done.stderr
    assert "set_size" in done.stdout


@pytest.mark.parametrize("horizon", [1, 2])
def test_a_report_of_categories_has_a_logistic_regression_and_no_audit(tmp_path, call, horizon):
    days = pd.date_range("2024-01-01", periods=120, name="day")
    pd.DataFrame({"sky": ["sun", "sun", "rain"] * 40}, days).to_csv(tmp_path / "sky.csv")
    source = ("sky.csv", "--target", "sky", "--context-length", 8, "--max-epochs", 1, "--n-cutoffs", 12)
    done = call("report", *source, "--horizon", horizon, "--model", "ridge")
    assert done.returncode == 0, done.stderr
    assert "\nlogistic " in done.stdout
    assert "\nridge " not in done.stdout
    assert "No audit: it is of numbers, and the target holds categories.\n" in done.stderr
    assert "log loss" in (tmp_path / "report.html").read_text()
    if horizon == 1:
        assert call("backtest", *source, "--horizon", 1).returncode == 0  # with the models that it has by default


@pytest.mark.parametrize("columns", [["shop", "day", "sales"], ["day", "shop", "sales"]])
def test_the_times_are_in_the_first_column_that_is_not_the_id(tmp_path, call, columns):
    days = pd.date_range("2024-01-01", periods=30)
    frames = [pd.DataFrame({"shop": name, "day": days, "sales": np.arange(30.0)}) for name in "ab"]
    pd.concat(frames)[columns].to_csv(tmp_path / "sales.csv", index=False)
    options = ["--target", "sales", "--horizon", 2, "--context-length", 6, "--id-column", "shop", "--model", "naive"]
    done = call("fit", "sales.csv", *options)
    assert done.returncode == 0, done.stderr
    call("predict", "model.tsseq", "-o", "forecast.csv")
    assert sorted(pd.read_csv(tmp_path / "forecast.csv")["day"]) == ["2024-01-31"] * 2 + ["2024-02-01"] * 2
    done = call("plot", "sales.csv", "--forecast", "forecast.csv", "--id-column", "shop")
    assert done.returncode == 0, done.stderr


def table(done, **more) -> pd.DataFrame:
    """What a command printed."""
    assert done.returncode == 0, done.stderr
    return pd.read_csv(StringIO(done.stdout), **EXACT, **more)


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
    found = pd.read_csv(tmp_path / "out.csv", **EXACT)
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


@pytest.mark.parametrize(("name", "column"), [("day", "day"), (None, "Unnamed: 1")])
def test_a_model_of_indexed_series_made_in_python_predicts_from_a_file(air, call, name, column):
    day = pd.date_range("2024", periods=30, name=name)
    frame = pd.concat(
        {name: pd.DataFrame({"y": np.arange(30.0) + k}, day) for k, name in enumerate("ab")}, names=["id"]
    )
    tsseq.Forecaster(tsseq.Drift(), 2, 5).fit(frame[:-2]).save(air / "drift.tsseq")
    frame.to_csv(air / "panel.csv")
    found = table(call("predict", "drift.tsseq", "panel.csv"))
    assert found["id"].tolist() == ["a", "a", "b", "b"]
    assert found[column].tolist() == ["2024-01-31", "2024-02-01"] * 2
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


def test_no_text_of_a_csv_is_a_formula(tmp_path, call):
    days = pd.date_range("2024-01-01", periods=30).astype(str)
    names = ("=1+1", "@SUM(A1)", "+x", "-y", "plain", "\tz")
    rows = [{"id": name, "=day": day, "y": k - 15.0} for name in names for k, day in enumerate(days)]
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    columns = ("--target", "y", "--id-column", "id", "--time-column", "=day", "--model", "naive")
    done = call("fit", "rows.csv", *columns, "--horizon", 2, "--context-length", 6)
    assert done.returncode == 0, done.stderr
    done = call("predict", "model.tsseq", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table) == ["id", "'=day", "y"]
    assert set(table["id"]) == {"'=1+1", "'@SUM(A1)", "'+x", "'-y", "plain", "'\tz"}
    assert table["y"].between(-20, 20).all()  # numbers may begin with a minus


@pytest.mark.parametrize("name", MODELS)
def test_every_model_that_is_named_can_be_made(name):
    frame = load_air()
    for levels in (None, [0.1, 0.9]):
        made = forecaster(name, frame, 2, 24, 1, levels, target="passengers")
        made.check_parameters()
        assert made.has_quantiles == (levels is not None)


def test_help_loads_no_torch(tmp_path):
    code = """
import os, sys
from tsseq.cli import main

for sys.argv in (["tsseq", "--help"], ["tsseq", "--version"], ["tsseq"]):
    if len(sys.argv) == 1:
        words = {"COMP_WORDS": "tsseq fit --model l", "COMP_CWORD": "3"}
        os.environ |= words | {"_TSSEQ_COMPLETE": "complete_bash"}
    try:
        main()
    except SystemExit as end:
        assert not end.code
assert not {"pandas", "torch"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("demo", "download", "fit", "update", "predict", "future", "backtest", "audit", "report", "plot"):
        assert command in done.stdout
    assert done.stdout.endswith(f"tsseq {tsseq.__version__}\nlstm\nlinear\n")


def test_tables_and_forecasts_go_through_pipes(air):
    load_air().assign(promo=0.0).to_csv(air / "promo.csv")
    command = f"{sys.executable} -W error -m tsseq"
    script = f"""
        set -o pipefail
        {command} fit - --target passengers --horizon 2 --context-length 12 --model linear --known promo \\
            --max-epochs 1 -o m.tsseq < promo.csv || exit
        {command} future m.tsseq <(cat promo.csv) | sed 's/,$/,1/' | {command} predict m.tsseq --future - || exit
        {command} backtest promo.csv --target passengers --horizon 2 --model ridge -o - --n-cutoffs 9 | true
        exit ${{PIPESTATUS[1]}}
    """
    done = subprocess.run(["bash", "-c", script], cwd=air, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    forecasts = table(done, index_col="month", parse_dates=True)
    future = pd.DataFrame({"promo": 1.0}, pd.DatetimeIndex(["1961-01", "1961-02"], name="month"))
    same_numbers(forecasts, tsseq.load(air / "m.tsseq").predict(future=future))
    messages = done.stderr.splitlines()
    assert messages[0].startswith("Linear: epoch 1 of 1")
    assert messages[1:] == ["Model: m.tsseq, fitted until 1960-12-01 00:00:00"]  # and nothing of the broken pipe


def test_tables_are_written_and_recognised_in_every_format(air, call, monkeypatch):
    columns = ["--horizon", 2, "--context-length", 12, "--model", "naive"]
    assert call("fit", *AIR, *columns).returncode == 0
    load_air().to_parquet(air / "air.parquet")
    load_air().reset_index().to_feather(air / "air.feather")
    load_air().to_csv(air / "air.tsv", sep="\t")
    load_air().to_csv(air / "air.tsv.gz", sep="\t")
    load_air().to_csv(air / "semicolons.csv", sep=";")
    want = table(call("predict", "model.tsseq"))
    for name in ("air.parquet", "air.feather", "air.tsv", "air.tsv.gz"):
        same_numbers(table(call("predict", "model.tsseq", name))[["passengers"]], want[["passengers"]])
    for name in ("air.parquet", "air.feather"):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO((air / name).read_bytes())))
        same_numbers(table(call("predict", "model.tsseq", "-"))[["passengers"]], want[["passengers"]])
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"")))
    assert "standard input cannot be read: No columns" in call("predict", "model.tsseq", "-").stderr
    assert "use --sep ';'" in call("predict", "model.tsseq", "semicolons.csv").stderr
    assert call("predict", "model.tsseq", "semicolons.csv", "--sep", ";").stdout.startswith("month;passengers\n")
    assert call("predict", "model.tsseq", "-o", "out.parquet").stdout == ""
    assert pd.read_parquet(air / "out.parquet").equals(tsseq.load(air / "model.tsseq").predict())
    call("predict", "model.tsseq", "-o", "out.tsv.gz")
    assert list(pd.read_csv(air / "out.tsv.gz", sep="\t")) == ["month", "passengers"]


def test_covariates_are_those_of_python(tmp_path, call):
    days, rng = pd.date_range("2024-01-01", periods=90, name="day"), np.random.default_rng(0)
    frames = [
        pd.DataFrame({"shop": name, "day": days, "sales": rng.random(90), "price": rng.random(90), "size": size})
        for name, size in (("a", 1.0), ("b", 3.0))
    ]
    frame = pd.concat(frames).assign(visitors=rng.random(180))
    frame.to_csv(tmp_path / "shops.csv", index=False)
    columns = {"past": "visitors", "known": ["price", "calendar"], "static": "size"}
    options = [text for name, value in columns.items() for item in np.atleast_1d(value) for text in (f"--{name}", item)]
    options += ["--id-column", "shop", "--time-column", "day", "--target", "sales", "--horizon", 2]
    done = call("fit", "shops.csv", *options, "--context-length", 8, "--model", "linear", "--max-epochs", 1)
    assert done.returncode == 0, done.stderr
    future = call("future", "model.tsseq", "-o", "future.csv") and pd.read_csv(tmp_path / "future.csv")
    future.assign(price=0.5).to_csv(tmp_path / "future.csv", index=False)
    forecasts = table(call("predict", "model.tsseq", "--future", "future.csv"))
    training = tsseq.Training(max_epochs=1, verbose=False)
    roles = {"target": "sales", "id_column": "shop", "time_column": "day", **columns}
    model = tsseq.LinearForecaster(2, 8, training=training, **roles).fit(frame)
    want = model.predict(future=model.make_future_frame().assign(price=0.5))
    assert forecasts["shop"].tolist() == ["a", "a", "b", "b"]
    np.testing.assert_allclose(forecasts["sales"], want["sales"], rtol=1e-12)


def test_pictures_are_drawn_of_models_forecasts_losses_and_backtests(air, call):
    fit = ["--horizon", 2, "--context-length", 12, "--model", "linear", "--max-epochs", 2]
    assert call("fit", *AIR, *fit).returncode == 0
    call("predict", "model.tsseq", "-o", "forecast.csv")
    conformal = tsseq.ConformalForecaster(tsseq.load(air / "model.tsseq"), refit=False)
    conformal.fit(load_air()).save(air / "conformal.tsseq")
    pictures = {
        "model.png": ("plot", "model.tsseq", "air.csv", "-o"),
        "forecast.svg": ("plot", "air.csv", "--forecast", "forecast.csv", "-o"),
        "losses.pdf": ("plot", "model.tsseq", "--losses", "-o"),
        "inside.png": ("plot", "conformal.tsseq", "--losses", "-o"),
        "skill.png": ("backtest", *AIR, "--horizon", 2, "--model", "ridge", "--n-cutoffs", 9, "--plot"),
    }
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for name, arguments in pictures.items():
        done = call(*arguments, name)
        assert done.returncode == 0, done.stderr
        assert f"Picture: {name}" in done.stderr
        assert (air / name).read_bytes().startswith(starts[name[-3:]])
    assert "<!-- forecast -->" in (air / "forecast.svg").read_text()
    call("predict", "model.tsseq", "-o", "forecast.parquet")
    call("plot", "air.csv", "--forecast", "forecast.csv", "--forecast", "forecast.parquet", "-o", "both.svg")
    assert "<!-- forecast.csv -->" in (air / "both.svg").read_text()
    assert (
        call("plot", "model.tsseq", "-o", "x.docx").stderr == "Error: --output x.docx must end in .png, .svg, .pdf.\n"
    )


def test_an_audit_tells_the_future_in_the_data_by_its_exit_code(air, call):
    air_model = ("--target", "passengers", "--horizon", 3, "--context-length", 12, "--model", "ridge")
    honest = call("audit", "air.csv", *air_model, "--log")
    assert honest.returncode == 0, honest.stderr
    assert honest.stdout.startswith("ok    future at a cutoff: 0 forecasts changed")
    frame = load_air()
    frame.assign(hint=frame["passengers"].diff().shift(-1).fillna(0.0)).to_csv(air / "hint.csv")
    leaking = call("audit", "hint.csv", *air_model, "--past", "hint", "-o", "audit.csv")
    assert (leaking.returncode, leaking.stdout) == (3, "")
    checks = pd.read_csv(air / "audit.csv").set_index("check")["passed"]
    assert not checks["covariates know the next change"]


def test_a_report_has_the_audit_and_the_money(tmp_path, call):
    stocks = tsseq.load_sample("us_stocks").loc[["AAPL", "XOM"]].groupby("ticker").tail(200).reset_index()
    stocks.to_parquet(tmp_path / "stocks.parquet")
    columns = ["--time-column", "date", "--id-column", "ticker", "--calendar", "XNYS", "--log", "--target", "close"]
    options = ["--horizon", 5, "--context-length", 20, "--model", "ridge", "--n-cutoffs", 12, "--bps", 7]
    done = call("report", "stocks.parquet", *columns, *options, "-o", "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "close of stocks" in page
    assert "future at a cutoff" in page
    assert "After costs" in page


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line(tmp_path, call):
    days, wave = pd.date_range("2024-01-01", periods=90, name="day"), np.sin(np.arange(90.0))
    short = pd.DataFrame({"id": "short", "day": days[:50], "y": [*wave[:49], np.nan]})
    pd.concat([pd.DataFrame({"id": "long", "day": days, "y": wave}), short]).to_csv(tmp_path / "two.csv", index=False)
    columns = ["--target", "y", "--id-column", "id", "--time-column", "day", "--horizon", 2]
    done = call("backtest", "two.csv", *columns, "--context-length", 8, "--model", "ridge", "--n-cutoffs", 9)
    assert done.returncode == 0
    assert done.stderr.startswith("Warning: 1 of 104 training windows lack some target and are left out")
    assert len(done.stderr.splitlines()) == 1


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
        (["predict", "rows.tsseq"], "rows.tsseq holds a NeuralRegressor, which forecasts no frames; use it in Python"),
        (["update", "rows.tsseq", "air.csv"], "rows.tsseq holds a NeuralRegressor, which forecasts no frames"),
        (["plot", "rows.tsseq"], "rows.tsseq holds a NeuralRegressor, which forecasts no frames"),
        (["plot", "conformal.tsseq", "--losses"], "LastValue records no losses; neural forecasters do"),
        (["plot", "ensemble.tsseq", "--losses"], "EnsembleForecaster records no losses; neural forecasters do"),
        (["predict", "last.tsseq", "none.csv"], "none.csv is not a file"),
        (["predict", "last.tsseq", "daily.csv"], "column 'month' is not in daily.csv"),
        (["predict", "last.tsseq", "--level", 0.1], "Forecaster(LastValue()) has no quantiles"),
        (["predict", "last.tsseq", "--steps", 0], "steps=0 must be a whole number"),
        (["report", "moods.csv", "--target", "mood", "--horizon", 1, "--bps", 5], "--bps trades forecasts of numbers"),
        (["backtest", *AIR, "--horizon", 3, "--n-cutoffs", 900, "--model", "ridge"], "leave room for"),
        (["backtest", *AIR, "--horizon", 3, "--refit", "yearly", "--model", "ridge"], "refit='yearly' is neither"),
    ],
)
def test_errors_are_one_line_and_no_traceback(air, call, arguments, message):
    last = tsseq.Forecaster(tsseq.LastValue(), 2, 12).fit(load_air())
    last.save(air / "last.tsseq")
    tsseq.ConformalForecaster(last, refit=False).fit(load_air()).save(air / "conformal.tsseq")
    tsseq.EnsembleForecaster([last]).fit(load_air()).save(air / "ensemble.tsseq")
    tsseq.NeuralRegressor(tsseq.Linear(), training=QUICK).fit(np.eye(9), np.arange(9.0)).save(air / "rows.tsseq")
    (air / "damaged.tsseq").write_bytes((air / "last.tsseq").read_bytes().replace(b"LastValue", b"LastSeven"))
    pd.Series(range(99), pd.bdate_range("2024", periods=99), name="y").to_csv(air / "daily.csv")
    pd.Series(["up", "down"] * 50, pd.date_range("2024", periods=100), name="mood").to_csv(air / "moods.csv")
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
