"""What is wrong with a frame is said by an error of tsseq at every door, by name, or does no harm.

A table of corruptions at six doors; what an error must say is in the table.
"""

import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import tsseq
from tsseq import Forecaster, LastValue
from tsseq.cli import main
from tsseq.errors import TsseqError

DAYS = pd.date_range("2024-01-01", periods=40)
OPTIONS = {"target": "y", "past": "x", "id_column": "id", "time_column": "day"}


def good():
    """Two series with a covariate, as a long frame."""
    noise = np.random.default_rng(5).normal(size=(2, 40)).cumsum(axis=1)
    frames = [
        pd.DataFrame({"id": name, "day": DAYS, "y": level + walk, "x": np.arange(40.0)})
        for name, level, walk in zip("ba", (50, 100), noise)
    ]
    return pd.concat(frames, ignore_index=True)


def with_cell(column, value, row=60, dtype=None):
    def change(frame):
        if dtype is not None:
            frame[column] = frame[column].astype(dtype)
        frame.loc[row, column] = value
        return frame

    return change


def with_column(column, values):
    return lambda frame: frame.assign(**{column: values(frame)})


# What is done to the frame, and what the error says; None is no error. The words are those of the message's culprit.
FINE = None
FRAMES = {
    "nothing": (lambda frame: frame, FINE),
    "rows in another order": (lambda frame: frame.sample(frac=1, random_state=1), FINE),
    "an index of its own": (lambda frame: frame.set_index(np.arange(80) % 7), FINE),
    "a missing target": (with_cell("y", np.nan), FINE),
    "a missing covariate": (with_cell("x", np.nan), FINE),
    "another column": (with_column("z", lambda frame: "text"), FINE),
    "whole numbers": (with_column("y", lambda frame: np.arange(80)), FINE),
    "small whole numbers": (with_column("y", lambda frame: (np.arange(80) % 100).astype(np.int8)), FINE),
    "nullable numbers": (with_column("y", lambda frame: frame["y"].round().astype("Int64")), FINE),
    "decimals": (with_column("y", lambda frame: [Decimal(repr(value)) for value in frame["y"]]), FINE),
    "truth values": (with_column("y", lambda frame: frame["y"] > 60), FINE),
    "a constant": (with_column("y", lambda frame: 7.0), FINE),
    "tiny numbers": (with_column("y", lambda frame: frame["y"] * 1e-300), FINE),
    "large numbers": (with_column("y", lambda frame: frame["y"] * 1e100), FINE),
    "no target at all": (with_column("y", lambda frame: np.nan), "'y'|no observed"),
    "an infinite target": (with_cell("y", np.inf), "'y' has 1 infinite"),
    "a target of minus infinity": (with_cell("y", -np.inf), "'y' has 1 infinite"),
    "an infinite covariate": (with_cell("x", np.inf), "'x' has 1 infinite"),
    "the largest float": (with_cell("y", 1.7e308), "'y' has 1 values beyond 1e.200"),
    "a placeholder of 1e300": (with_cell("x", -1e300), "'x' has 1 values beyond 1e.200"),
    "text among numbers": (with_cell("y", "n/a", dtype=object), "'y'.*'n/a'|holds|not numeric"),
    "lists among numbers": (with_column("y", lambda frame: [[value] for value in frame["y"]]), "'y'"),
    "complex numbers": (with_column("y", lambda frame: frame["y"] * 1j), "'y'"),
    "dates as target": (with_column("y", lambda frame: frame["day"]), "'y'"),
    "a row twice": (lambda frame: pd.concat([frame, frame.iloc[[70]]]), "2024-01-31|twice|more than once|repeat"),
    "a timestamp that is missing": (with_cell("day", pd.NaT), "missing|NaT|no dates"),
    "a day left out": (lambda frame: frame.drop(index=60), "2024-01-2|gap|regular"),
    "timestamps that are texts": (with_column("day", lambda frame: "yesterday"), "yesterday|timestamps|dates"),
    "timestamps that are floats": (with_column("day", lambda frame: np.tile(np.arange(40) + 0.5, 2)), "timestamps"),
    "timestamps beyond int64": (
        with_column("day", lambda frame: np.tile(np.arange(40, dtype=np.uint64) + 2**63, 2)),
        r"2\*\*63|dates|timestamps",
    ),
    "an id that is missing": (with_cell("id", None), "no id"),
    "ids that are lists": (with_column("id", lambda frame: [[name] for name in frame["id"]]), "ids are|holds"),
    "no column of ids": (lambda frame: frame.drop(columns="id"), "'id'"),
    "no column of times": (lambda frame: frame.drop(columns="day"), "'day'"),
    "no column of targets": (lambda frame: frame.drop(columns="y"), "'y'"),
    "no covariate": (lambda frame: frame.drop(columns="x"), "'x'"),
    "a column twice": (lambda frame: pd.concat([frame, frame[["y"]]], axis=1), "'y'"),
    "no rows": (lambda frame: frame.iloc[:0], "row|empty|short"),
    "one row": (lambda frame: frame.iloc[:1], "1 timestamps|row"),
    "a series that is too short": (lambda frame: frame.iloc[:43], "rows"),
    "None": (lambda frame: None, "pandas"),
    "an array": (lambda frame: frame.to_numpy(), "pandas"),
    "a list": (lambda frame: [1.0, 2.0], "pandas"),
    "a dict": (lambda frame: {"y": [1.0]}, "pandas"),
    "text": (lambda frame: "prices.csv", "pandas"),
}
# Where an answer differs from that of the table: a file knows no dtypes, and what is not there leaves no file.
OTHER = {
    ("truth values", "audit"): "categories",
    ("text among numbers", "command line"): FINE,  # it is how files say that a value is missing
    ("a series that is too short", "audit"): FINE,
    ("a series that is too short", "command line"): FINE,
    ("None", "predict"): FINE,
    ("a series that is too short", "predict"): "rows",
    ("a series that is too short", "backtest"): FINE,
    ("large numbers", "audit"): FINE,
    ("lists among numbers", "command line"): "'y'",
    ("ids that are lists", "command line"): FINE,
    ("complex numbers", "command line"): "'y'",
    ("a column twice", "command line"): FINE,
    ("timestamps that are floats", "command line"): "times|dates|timestamps|step",
}
NO_FRAMES = ("None", "an array", "a list", "a dict", "text")


def naive():
    return Forecaster(LastValue(), 2, 6, **OPTIONS)


def at_fit(frame, folder, call):
    return naive().fit(frame).predict()["y"]


def at_predict(frame, folder, call):
    return naive().fit(good()).predict(frame)["y"]


def at_backtest(frame, folder, call):
    forecasts = tsseq.backtest(naive(), frame, n_cutoffs=3).forecasts
    return forecasts["forecast"]


def at_save(frame, folder, call):
    model = naive().fit(frame)
    model.save(folder / "model.tsseq")
    return tsseq.load(folder / "model.tsseq").predict()["y"]


def at_audit(frame, folder, call):
    return tsseq.audit(naive(), frame, n_cutoffs=3)["passed"].notna().astype(float)


def at_command_line(frame, folder, call):
    frame.to_csv(folder / "rows.csv", index=False)
    columns = ("--target", "y", "--past", "x", "--id-column", "id", "--time-column", "day", "--model", "naive")
    code, error = call("backtest", "rows.csv", *columns, "--horizon", 2, "--context-length", 6, "--n-cutoffs", 3)
    assert "Traceback" not in error
    if code == 1:
        raise TsseqError(error)
    assert code == 0, error
    return pd.Series([0.0])


DOORS = {
    "fit": at_fit,
    "predict": at_predict,
    "backtest": at_backtest,
    "save": at_save,
    "audit": at_audit,
    "command line": at_command_line,
}


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    def called(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["tsseq", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return called


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_refused_by_name_or_does_no_harm(tmp_path, call, name, door):
    if door == "command line" and name in NO_FRAMES:
        pytest.skip("a file cannot hold it")
    change, words = FRAMES[name]
    words = OTHER.get((name, door), words)
    frame = change(good())
    if words is FINE:
        assert np.isfinite(np.asarray(DOORS[door](frame, tmp_path, call), dtype=float)).all()
        return
    with pytest.raises(TsseqError, match=f"(?s){words}"):
        DOORS[door](frame, tmp_path, call)


def test_the_table_has_as_many_cells_as_is_said():
    assert len(FRAMES) * len(DOORS) - len(NO_FRAMES) >= 250
