"""The report of categories: a verdict on log loss, scores, probabilities beside what came."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from test_report import EVIL, Page, browse, value

from tsseq import ConformalForecaster, Forecaster, SeasonalNaive, backtest, report

STATES = [EVIL, "flat", "up"]


def states(seed, n=240):
    """A state that mostly follows the one before it in a circle."""
    random = np.random.default_rng(seed)
    codes = np.cumsum(random.choice([1, 0, 2], n, p=[0.8, 0.1, 0.1])) % 3
    return pd.Series([STATES[code] for code in codes], pd.date_range("2024-01-01", periods=n, name="day"), name="state")


@pytest.fixture(scope="module")
def result():
    frame = pd.concat({name: states(seed) for seed, name in enumerate("ab")}, names=["id", "day"]).to_frame()
    chain = Forecaster(MultiOutputClassifier(LogisticRegression(max_iter=300)), 2, 3)
    models = {"chain": ConformalForecaster(chain, 40), "season": Forecaster(SeasonalNaive(3), 2, 3)}
    return backtest(models, frame, n_cutoffs=30, stride=2, levels=[0.9])


@pytest.fixture(scope="module")
def path(result, tmp_path_factory):
    return report(result, path=tmp_path_factory.mktemp("report") / "states.html")


@pytest.fixture(scope="module")
def page(path):
    return Page(path)


def test_the_verdict_is_on_log_loss_against_the_frequencies(result, page):
    skill = result.scores.loc["chain", "skill"]
    assert page.answers == [
        f"chain beats the frequencies of the categories: its log loss is {100 * skill:.1f} % smaller, more than luck "
        "explains (p < 0.001); but markov, which only counts, does better still."
    ]


def test_the_table_holds_the_scores(result, page):
    for name in ("frequencies", "markov", "chain"):
        skill, _, _, loss, accuracy, balanced, brier, coverage, size = map(str, page.rows[name][0])
        found = result.scores.loc[name]
        assert [value(cell) for cell in (skill, accuracy, balanced)] == pytest.approx(
            found[["skill", "accuracy", "balanced_accuracy"]].tolist(), abs=6e-4
        )
        assert [value(cell) for cell in (loss, brier, size)] == pytest.approx(
            found[["log_loss", "Brier", "set_size"]].tolist(), rel=5e-3, nan_ok=True
        )
        assert value(coverage) == pytest.approx(found["coverage"], abs=6e-4, nan_ok=True)
    assert "which should" not in page.text()
    assert "the set that should hold 90 % of what comes" in page.text()


def test_probabilities_are_drawn_a_step_ahead_under_what_came(result, page):
    figure = page.figures[-1]
    best = page.html.split("<option")[1].split("(skill")[0].split(">")[1].strip()
    table = result.forecasts
    rows = table[(table["model"] == "chain") & (table["step"] == 1) & (table["id"] == best)]
    *bars, truth = figure["data"]
    for bar, name in zip(bars, STATES):
        np.testing.assert_allclose(bar["y"], rows[f"p_{name}"], atol=1e-6)
    colours = {name: bar["marker"]["color"] for bar, name in zip(bars, STATES)}
    assert truth["marker"]["color"] == [colours[name] for name in rows["actual"]]
    assert figure["layout"]["barmode"] == "stack"


def test_a_forecast_without_probabilities_is_sure(tmp_path):
    result = backtest({"season": Forecaster(SeasonalNaive(3), 1, 3)}, states(0), n_cutoffs=12)
    page = Page(report(result, path=tmp_path / "sure.html"))
    *bars, _ = page.figures[-1]["data"]
    rows = result.forecasts[result.forecasts["model"] == "season"]
    assert [bar["y"] for bar in bars] == [[float(made == name) for made in rows["forecast"]] for name in STATES]


def test_a_browser_draws_it_without_an_error_and_shows_names_as_they_are(path):
    seen = browse(path)
    assert seen.stdout.count('class="plot js-plotly-plot"') == seen.stdout.count('class="figure"') == 2
    assert "CONSOLE" not in seen.stderr
    assert ">&lt;b&gt;&amp;\"'&lt;/b&gt;</text>" in seen.stdout
