"""What is wrong with an argument is said by an error of tsseq, with its name, the value and what it may be."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsseq
import tsseq.arguments
from tsseq import (
    ConformalForecaster,
    Costs,
    EnsembleForecaster,
    Forecaster,
    LastValue,
    Layout,
    LinearForecaster,
    Normal,
    Point,
    Training,
)
from tsseq.arguments import ALLOWED, Range
from tsseq.errors import ConfigError, TsseqError
from tsseq.networks import GRU, LSTM, RNN, ChoGRU, DLinear, Linear, PatchTST, PeepholeLSTM, Seq2Seq, Transformer
from tsseq.trading.weighting import WeightingRule

AIR = tsseq.load_sample("airline")
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
        refuses(Forecaster(LastValue(), 2, 6).set_params(**{name: value}).check_parameters, name, value)


LEVELS = ("x", 0.5, [0.0], [1.0], [2], ["0.5"], [None], [NAN], [1 - 1e-12], [[0.5]])
DATES = pd.date_range("2024-01-01", periods=20)
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
    labels = ((name, value, repr(value).split(" at 0x")[0]) for name in table for value in table[name])
    return [pytest.param(name, value, id=f"{name}={label}"[:40]) for name, value, label in labels]


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


@pytest.mark.parametrize("models", [None, [], {}, "naive", {"a": None}, {"a": LastValue()}], ids=repr)
def test_what_is_no_model_is_refused(models):
    with pytest.raises(ConfigError, match=r"was needed|no models"):
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


@pytest.mark.parametrize("grid", [None, [], {"threshold": 0.1}, {"threshold": []}], ids=repr)
def test_a_grid_is_a_mapping_of_sequences(grid):
    with pytest.raises(ConfigError, match="grid"):
        tsseq.sweep(WEIGHTS, PRICES, grid)


@pytest.mark.parametrize("name", ["head", "training"])
def test_parts_of_a_forecaster_are_of_their_class(name):
    for value in ("x", 3, Training if name == "head" else Point):
        with pytest.raises(
            ConfigError, match=f"{name}={re.escape(repr(value))} is not a {name.title()}; write {name}="
        ):
            LinearForecaster(2, 12, **{name: value}).fit(AIR)


@pytest.mark.parametrize("name", ["network", "head", "training", "layout"])
def test_parts_of_a_regressor_are_of_their_class(name):
    for value in ("x", 3):
        with pytest.raises(ConfigError, match=rf"{name}={value!r}\)? (is not a {name.title()}; write|must be)"):
            tsseq.NeuralRegressor(**{name: value}).fit(np.ones((30, 3)), np.ones(30))


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
    model = Forecaster(LastValue(), 2, 6)
    seeded = LinearForecaster(2, 12, training=Training())
    for value in (0, 1.5, "x", 10**10):
        refuses(lambda value=value: ConformalForecaster(model, value).fit(AIR), "n_calibration", value)
        refuses(lambda value=value: EnsembleForecaster.over_seeds(seeded, value), "n", value)
    for value in ("x", [], None):
        refuses(lambda value=value: EnsembleForecaster([model], combine=value).fit(AIR), "combine", value)


def test_no_argument_has_two_ranges():
    names = [line.split('"')[1] for line in _table().splitlines() if line.startswith('    "')]
    assert sorted(set(names)) == sorted(names)
    assert set(names) == set(ALLOWED)


def _table():
    text = Path(tsseq.arguments.__file__).read_text()
    return text[text.index("ALLOWED: Mapping") : text.index("def check_value")]


def test_the_tables_have_as_many_cells_as_is_said():
    sizes = len(cells([*NETWORKS, Training])) + sum(len(wrong_values(name)) for name in ("horizon", "context_length"))
    tables = [PREDICTIONS, SAMPLES, BACKTESTS, TRAINER, MONEY, MONEY]
    assert sizes + sum(len(values) for table in tables for values in table.values()) >= 1000
