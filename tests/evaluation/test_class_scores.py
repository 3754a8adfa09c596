"""Backtests of categories: scores as scikit-learn computes them, and naive forecasts that can be counted by hand."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn import metrics
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from tsseq import (
    Forecaster,
    GRUForecaster,
    SeasonalNaive,
    Training,
    audit,
    backtest,
    rolling_forecasts,
)
from tsseq.errors import ConfigError

DAYS = pd.date_range("2024-01-01", periods=160, name="day")
NAMES = ["down", "flat", "up"]


def regimes(seed=0, n=160, names=NAMES):
    """What follows is likely one of two, by the two before."""
    random = np.random.default_rng(seed)
    chances = np.random.default_rng(7).dirichlet(np.full(len(names), 0.4), size=(len(names), len(names)))
    codes = [0, 1]
    while len(codes) < n:
        codes.append(random.choice(len(names), p=chances[codes[-2], codes[-1]]))
    return pd.Series([names[code] for code in codes], DAYS[:n], name="regime")


def source(n, seed, k=4):
    """Letters that follow from the two before, and the probabilities (k, k, k) of what follows."""
    random = np.random.default_rng(seed)
    chances = random.dirichlet(np.full(k, 0.5), size=(k, k))
    edges, codes = chances.cumsum(axis=-1), [0, 1]
    for level in random.random(n - 2):
        codes.append(min(int((edges[codes[-2], codes[-1]] < level).sum()), k - 1))
    return np.array(codes), chances


def panel():
    return pd.concat({name: regimes(seed) for seed, name in enumerate("zb")}, names=["id", "day"]).to_frame("regime")


def logistic(horizon=2, **more):
    model = LogisticRegression(max_iter=300)
    return Forecaster(model if horizon == 1 else MultiOutputClassifier(model), horizon, 4, **more)


MODELS = {"logistic": logistic(), "season": Forecaster(SeasonalNaive(2), 2, 4)}


@pytest.fixture(scope="module")
def result():
    return backtest(MODELS, panel(), n_cutoffs=30, stride=2)


def test_scores_are_those_of_scikit_learn(result):
    for name, table in result.common().groupby("model", observed=True):
        found, actual = result.scores.loc[name], table["actual"]
        assert found["accuracy"] == pytest.approx(metrics.accuracy_score(actual, table["forecast"]))
        balanced = metrics.balanced_accuracy_score(actual, table["forecast"])
        assert found["balanced_accuracy"] == pytest.approx(balanced)
        assert found["F1"] == pytest.approx(metrics.f1_score(actual, table["forecast"], average="macro"))
        if name in ("last_value", "season"):
            assert found[["log_loss", "Brier", "skill"]].isna().all()
            continue
        shares = table[[f"p_{value}" for value in NAMES]].to_numpy()
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert found["log_loss"] == pytest.approx(metrics.log_loss(actual, shares, labels=NAMES))
        assert found["Brier"] == pytest.approx(metrics.brier_score_loss(actual, shares, labels=NAMES))
    losses = result.scores["log_loss"]
    np.testing.assert_allclose(result.scores["skill"], 1 - losses / losses["frequencies"])
    assert result.scores.index.tolist() == ["last_value", "frequencies", "markov", "logistic", "season"]


def test_the_score_of_two_categories_is_that_of_one_probability():
    values = regimes() == "up"
    result = backtest(logistic(1), values, n_cutoffs=20)
    table = result.common().query("model == 'Forecaster'")
    assert table["forecast"].dtype == table["actual"].dtype == bool
    want = metrics.brier_score_loss(table["actual"], table["p_True"])
    assert result.scores.loc["Forecaster", "Brier"] == pytest.approx(want)


def test_naive_chances_are_counts_up_to_the_cutoff_and_one(result):
    table, frame = result.forecasts, panel()["regime"]
    for cutoff in DAYS[[115, 155]]:
        known = {name: frame[name][:cutoff] for name in "zb"}
        counts = sum(values.value_counts().sort_index() for values in known.values()) + 1
        pairs = sum(pd.crosstab(values.shift(), values) for values in known.values()) + 1
        step = pairs.div(pairs.sum(axis=1), axis=0)
        for name, values in known.items():
            rows = table[(table["cutoff"] == cutoff) & (table["id"] == name)].set_index(["model", "step"])
            shares = rows[[f"p_{value}" for value in NAMES]]
            for k in (1, 2):
                np.testing.assert_allclose(shares.loc[("frequencies", k)], counts / counts.sum())
                chain = np.linalg.matrix_power(step.to_numpy(), k)[NAMES.index(values.iloc[-1])]
                np.testing.assert_allclose(shares.loc[("markov", k)], chain)
                assert rows.loc[("markov", k), "forecast"] == NAMES[chain.argmax()]
                assert rows.loc[("last_value", k), "forecast"] == values.iloc[-1]


def test_models_are_compared_by_their_log_loss(result):
    table = result.common().query("model in ['markov', 'logistic']")
    chance = table.apply(lambda row: row[f"p_{row['actual']}"], axis=1)
    gap = -np.log(chance[table["model"] == "logistic"].to_numpy() / chance[table["model"] == "markov"].to_numpy())
    against = result.compare("markov")
    assert against.loc["logistic", "difference"] == pytest.approx(gap.mean())
    assert against.index.tolist() == ["frequencies", "logistic"]
    assert result.compare(alternative="less").index.tolist() == ["markov", "logistic"]
    assert result.compare("markov", alternative="less").loc["logistic", "p_value"] < 0.05
    for options, message in (
        ({"loss": "absolute"}, "loss='absolute' must be 'log'"),
        ({"benchmark": "last_value"}, "no probabilities to compare with"),
    ):
        with pytest.raises(ConfigError, match=message):
            result.compare(**options)
    with pytest.raises(ConfigError, match="is for forecasts of numbers"):
        result.clark_west("markov")


def test_scores_by_step_and_their_intervals_are_of_the_same_kind(result):
    by = result.by("step")["log_loss"].unstack("model")
    np.testing.assert_allclose(by.mean(), result.scores["log_loss"][by.columns])
    ends = result.intervals("log_loss").loc["logistic"]
    assert ends["lower"] < ends["log_loss"] < ends["upper"]
    pd.testing.assert_frame_equal(result.intervals(), result.intervals("log_loss"))
    assert result.intervals("F1").loc["season"].notna().all()
    assert result.suspicions() == ()
    assert len(result.plot("accuracy").lines) >= 5


def test_a_category_that_a_fit_has_not_seen_has_no_chance():
    values = regimes()
    values.iloc[130] = "crash"
    trees = Forecaster(HistGradientBoostingClassifier(max_iter=3), 1, 4)
    result = backtest(trees, values, n_cutoffs=40, refit=20)
    row = result.forecasts.query("model == 'Forecaster'").set_index("day").loc[DAYS[130]]
    assert (row["actual"], row["p_crash"]) == ("crash", 0.0)
    assert result.forecasts.filter(like="p_").dropna().sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert result.forecasts.query("model == 'Forecaster' and cutoff > @DAYS[145]")["p_crash"].max() > 0
    assert result.scores.loc["Forecaster", "log_loss"] > -np.log(np.finfo(float).eps) / 40


@pytest.mark.parametrize("poison", [None, "crash", "up"])
def test_what_comes_after_the_last_cutoff_changes_no_bit_of_a_backtest(poison):
    values, cutoffs = regimes().astype(object), DAYS[[120, 130]]
    later = values.where(cutoffs[1] >= DAYS, poison)
    found, want = (backtest(logistic(), frame, cutoffs).forecasts for frame in (later, values))
    names = ["model", "cutoff", "step", "forecast", *[f"p_{name}" for name in NAMES]]
    assert_frame_equal(found[names], want[names], check_exact=True)


def test_features_that_are_prepared_stand_beside_categories():
    def prepare(raw):
        return raw.assign(before=raw["regime"].shift(1).eq("up").astype(float))

    frame = regimes().to_frame()
    roles = {"target": "regime", "past": "before"}
    found = backtest(logistic(**roles), frame, n_cutoffs=5, prepare=prepare)
    want = backtest(logistic(**roles), prepare(frame), n_cutoffs=5)
    assert_frame_equal(found.forecasts, want.forecasts, check_exact=True)


def test_rolling_forecasts_are_those_of_the_backtest():
    values = regimes()
    result = backtest(logistic(), values, DAYS[[120, 130]], refit=True)
    table = result.forecasts.query("model == 'Forecaster'").drop(columns="model").reset_index(drop=True)
    assert_frame_equal(rolling_forecasts(logistic(), values, DAYS[[120, 130]], refit=True), table, check_exact=True)


def test_the_audit_is_of_numbers():
    with pytest.raises(ConfigError, match="the audit is of numbers"):
        audit(logistic(), regimes())


@pytest.mark.parametrize(
    ("n_train", "n_test", "most"), [(2000, 1000, 1.15), pytest.param(20_000, 10_000, 1.02, marks=pytest.mark.proof)]
)
def test_a_network_learns_what_follows_from_the_two_before(n_train, n_test, most):
    codes, chances = source(n_train + n_test, seed=1)
    letters = pd.Series(np.array(list("abcd"))[codes], name="letter")
    training = Training(max_epochs=10, learning_rate=3e-3, schedule="cosine", verbose=False)
    model = GRUForecaster(1, 4, hidden_size=64, dropout=0.0, training=training)
    result = backtest({"gru": model}, letters, cutoffs=letters.index[n_train - 1 : -1])
    last = slice(n_train, None)
    true = -np.log(chances[codes[n_train - 2 : -2], codes[n_train - 1 : -1], codes[last]]).mean()
    assert result.scores.loc["gru", "log_loss"] < most * true
    assert result.compare("markov", alternative="less").loc["gru", "p_value"] < 0.01


@pytest.mark.parametrize("n_draws", [3, pytest.param(100, marks=pytest.mark.proof)])
def test_nothing_is_learnt_of_letters_that_do_not_depend_on_one_another(n_draws):
    model, p_values = GRUForecaster(1, 8, hidden_size=16, training=Training(max_epochs=3, verbose=False)), []
    for seed in range(n_draws):
        codes = np.random.default_rng(seed).choice(3, size=500, p=[0.5, 0.3, 0.2])
        letters = pd.Series(np.array(list("abc"))[codes], name="letter")
        result = backtest({"gru": model}, letters, n_cutoffs=150)
        p_values.append(result.compare(alternative="less").loc["gru", "p_value"])
    assert np.mean(np.array(p_values) > 0.05) >= 0.9
