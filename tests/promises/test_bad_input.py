"""What is wrong with a frame or an argument is said by an error of tsseq at every door, with its name, or does no harm.

Two tables: corruptions of a frame at six doors, and values of arguments. What an answer must hold is in the table.
"""

import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import tsseq
from tsseq import (
    ConformalForecaster,
    Costs,
    EnsembleForecaster,
    Forecaster,
    LastValue,
    Layout,
    LinearForecaster,
    Normal,
    Training,
)
from tsseq.cli import main
from tsseq.errors import ConfigError, TsseqError
from tsseq.hints import ALLOWED, Range
from tsseq.networks import (
    GRU,
    LSTM,
    RNN,
    ChoGRU,
    DLinear,
    Linear,
    PatchTST,
    PeepholeLSTM,
    Seq2Seq,
    Transformer,
)
from tsseq.trading import WeightingRule

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
    "the largest float": (with_cell("y", 1.7e308), "'y' has 1 values beyond 1e.150"),
    "a placeholder of 1e300": (with_cell("x", -1e300), "'x' has 1 values beyond 1e.150"),
    "text among numbers": (with_cell("y", "n/a", dtype=object), "'y'.*'n/a'|holds|not numeric"),
    "lists among numbers": (with_cell("y", [1, 2], dtype=object), "'y'"),
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
    "one row": (lambda frame: frame.iloc[:1], "row"),
    "a series that is too short": (lambda frame: frame.iloc[:43], "rows"),
    "None": (lambda frame: None, "pandas"),
    "an array": (lambda frame: frame.to_numpy(), "pandas"),
    "a list": (lambda frame: [1.0, 2.0], "pandas"),
    "a dict": (lambda frame: {"y": [1.0]}, "pandas"),
    "text": (lambda frame: "prices.csv", "pandas"),
}
# Where an answer differs from that of the table: a file knows no dtypes, and what is not there leaves no file.
OTHER = {
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
    columns = ("--target", "y", "--id-column", "id", "--time-column", "day", "--model", "naive")
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


NAN, HUGE = float("nan"), 10**30
WRONG = ("x", NAN, 1.5, -1, HUGE, True, [], {}, b"", object())
NETWORKS = (RNN, LSTM, PeepholeLSTM, GRU, ChoGRU, Linear, DLinear, Seq2Seq, Transformer, PatchTST)


def wrong_values(name):
    """Values that an argument cannot have, by its range."""
    allowed = ALLOWED[name]
    if not isinstance(allowed, Range):
        return [value for value in (*WRONG, 0, 2) if not any(value is choice for choice in allowed)]
    values = [value for value in (*WRONG, allowed.low - 1, allowed.high * 2) if value not in allowed]
    return values if allowed.optional else [*values, None]


def cells(kinds):
    """(class, name of a parameter, value) of everything that is not in range."""
    parameters = [(kind, name) for kind in kinds for name in kind._get_param_names() if name in ALLOWED]
    return [(kind, name, value) for kind, name in parameters for value in wrong_values(name)]


def by_parameter(kinds):
    table = cells(kinds)
    names = list(dict.fromkeys((kind, name) for kind, name, _ in table))
    return [pytest.param(kind, name, id=f"{kind.__name__}-{name}") for kind, name in names]


def refuses(function, name, value):
    """Whether it is an error that names the argument, shows the value and says what it may be."""
    with pytest.raises(ConfigError) as caught:
        function()
    text = str(caught.value)
    shown = repr(value) if len(repr(value)) < 30 else repr(value)[:10]
    assert name in text, (name, value, text)
    assert shown in text, (name, value, text)
    assert "must" in text, (name, value, text)


@pytest.mark.parametrize(("kind", "name"), by_parameter(NETWORKS))
def test_a_size_of_a_network_out_of_range_is_refused_before_anything_is_built(kind, name):
    for value in wrong_values(name):
        network = kind(**{name: value})
        refuses(lambda network=network: network.build(Layout(12, 2), 1), name, value)


@pytest.mark.parametrize(("kind", "name"), by_parameter([Training]))
def test_a_setting_of_training_out_of_range_is_refused(kind, name):
    for value in wrong_values(name):
        refuses(Training(**{name: value}).check, name, value)


@pytest.mark.parametrize("name", ["horizon", "context_length", "multivariate", "log"])
def test_a_size_of_a_forecaster_out_of_range_is_refused(name):
    for value in wrong_values(name):
        refuses(naive().set_params(**{name: value}).check_parameters, name, value)


AIR = tsseq.load_sample("airline")
LEVELS = ("x", 0.5, [0.0], [1.0], [2], ["0.5"], [None], [NAN], [1 - 1e-12], [[0.5]])
DATES = DAYS[:20]
WEIGHTS = pd.DataFrame(0.5, DATES, ["A", "B"])
PRICES = pd.DataFrame({"A": np.arange(10.0, 30), "B": np.arange(30.0, 50)}, DATES)


@pytest.fixture(scope="module")
def normal():
    training = Training(max_epochs=1, max_steps=3, verbose=False)
    return LinearForecaster(2, 12, head=Normal(), training=training).fit(AIR)


PREDICTIONS = {
    "steps": [0, -1, 1.5, "x", True, 10**7, NAN],
    "levels": LEVELS,
}
SAMPLES = {"n_paths": [0, -1, 1.5, "x", True, 10**9], "seed": [-1, 1.5, "x", None]}
BACKTESTS = {
    "n_cutoffs": [0, -1, 1.5, "5", True, []],
    "stride": [0, -1, 1.5, "x", True],
    "refit": [0, -1, 1.5, "x", [], object()],
    "max_train_size": [0, -5, 1.5, "x"],
    "levels": LEVELS,
    "n_jobs": ["x", 1.5],
}
MONEY = {
    "costs": [5.0, "5", [5]],
    "leverage": ["2", 0, -1, NAN, None],
    "cash_rate": ["x", NAN, None],
    "engine": ["x", None, 3],
    "capital": ["x", 0, -1, NAN],
    "lot_size": ["x", 0, NAN],
}


def named(table):
    return [pytest.param(name, value, id=f"{name}={value!r}"[:40]) for name in table for value in table[name]]


@pytest.mark.parametrize(("name", "value"), named(PREDICTIONS))
def test_what_cannot_be_predicted_is_refused(normal, name, value):
    with pytest.raises(ConfigError, match=f"{name}.*must"):
        normal.predict(**{name: value})


@pytest.mark.parametrize(("name", "value"), named(SAMPLES))
def test_what_cannot_be_sampled_is_refused(normal, name, value):
    with pytest.raises(ConfigError, match=f"{name}.*must"):
        normal.sample(**{name: value})


@pytest.mark.parametrize(("name", "value"), named(BACKTESTS))
def test_what_cannot_be_backtested_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        tsseq.backtest(Forecaster(LastValue(), 2, 12), AIR, **({"n_cutoffs": 3} | {name: value}))


@pytest.mark.parametrize("models", [None, [], {}, [naive()], "naive", {"a": None}, {"a": LastValue()}], ids=repr)
def test_what_is_no_model_is_refused(models):
    with pytest.raises(ConfigError, match="was needed"):
        tsseq.backtest(models, AIR)


@pytest.mark.parametrize("engine", ["returns", "shares"])
@pytest.mark.parametrize(("name", "value"), named(MONEY))
def test_what_cannot_be_traded_is_refused(name, value, engine):
    with pytest.raises(ConfigError, match=name):
        tsseq.simulate(WEIGHTS, PRICES, **({"engine": engine} | {name: value}))


@pytest.mark.parametrize("value", [None, 3, "x", [0.5], WEIGHTS.to_numpy()], ids=lambda value: type(value).__name__)
def test_weights_and_prices_are_frames(value):
    with pytest.raises(TsseqError, match="weights must be"):
        tsseq.simulate(value, PRICES)
    with pytest.raises(TsseqError, match="prices must be"):
        tsseq.simulate(WEIGHTS, value)


@pytest.mark.parametrize("name", ["bps", "slippage_bps", "fixed", "minimum", "per_share", "borrow_bps"])
def test_costs_are_numbers_of_at_least_0(name):
    for value in ("5", NAN, -1, None, []):
        with pytest.raises(ConfigError, match=name):
            Costs(**{name: value})


@pytest.mark.parametrize("name", ["k", "n_drop", "threshold", "max_weight", "max_gross", "volatility_window"])
def test_options_of_a_rule_are_numbers(name):
    for value in ("5", [], -1):
        with pytest.raises(ConfigError, match=name):
            WeightingRule("sign", **{name: value})


@pytest.mark.parametrize("grid", [None, [], {}, {"threshold": 0.1}, {"threshold": []}], ids=repr)
def test_a_grid_is_a_mapping_of_sequences(grid):
    with pytest.raises(ConfigError, match="grid"):
        tsseq.sweep(WEIGHTS, PRICES, grid)


@pytest.mark.parametrize("name", ["head", "training"])
def test_parts_of_a_forecaster_are_of_their_class(name):
    for value in ("x", 3, Training):
        refuses(lambda value=value: LinearForecaster(2, 12, **{name: value}).fit(AIR), name, value)


@pytest.mark.parametrize("name", ["network", "head", "training", "layout"])
def test_parts_of_a_regressor_are_of_their_class(name):
    for value in ("x", 3):
        model = tsseq.NeuralRegressor(**{name: value})
        refuses(lambda model=model: model.fit(np.ones((30, 3)), np.ones(30)), name, value)


TRAINER = {
    "accelerator": ["zz", 3],
    "devices": [0, -5, "x", None, []],
    "precision": ["zz", 3],
    "strategy": ["zz", 3],
    "optimizer": ["x", 3],
    "callbacks": [3, "x"],
    "logger": [3, "x"],
    "checkpoint_dir": [3],
    "validation": ["x", 1.0, -0.5],
}


@pytest.mark.parametrize(("name", "value"), named(TRAINER))
def test_what_training_cannot_use_is_refused(name, value):
    training = Training(max_epochs=1, max_steps=1, verbose=False).set_params(**{name: value})
    with pytest.raises(TsseqError, match=f"{name}|timestamp"):
        LinearForecaster(2, 12, training=training).fit(AIR)


def test_other_sizes_are_in_range_too():
    model = naive()
    for value in (0, 1.5, "x", 10**10):
        refuses(lambda value=value: ConformalForecaster(model, value).fit(good()), "n_calibration", value)
        refuses(lambda value=value: EnsembleForecaster.over_seeds(LinearForecaster(2, 12), value), "n", value)
    for value in ("x", [], None):
        refuses(lambda value=value: EnsembleForecaster([model], combine=value).fit(good()), "combine", value)


def test_no_argument_has_two_ranges():
    names = [line.split('"')[1] for line in _table().splitlines() if line.startswith('    "')]
    assert sorted(set(names)) == sorted(names)
    assert set(names) == set(ALLOWED)


def _table():
    source = (tsseq.__path__[0] + "/hints.py",)
    text = open(source[0]).read()  # noqa: SIM115
    return text[text.index("ALLOWED: Mapping") : text.index("SECTIONS = ")]


def test_the_tables_have_as_many_cells_as_is_said():
    frames = len(FRAMES) * len(DOORS) - len(NO_FRAMES)
    sizes = len(cells([*NETWORKS, Training])) + sum(len(wrong_values(name)) for name in ("horizon", "context_length"))
    tables = [PREDICTIONS, SAMPLES, BACKTESTS, TRAINER, MONEY, MONEY]
    assert frames >= 250
    assert sizes + sum(len(values) for table in tables for values in table.values()) >= 1000
