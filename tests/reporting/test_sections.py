"""What the report says beside the backtest: other costs, an audit, the number of trials."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from test_report import Page

from tsseq import ConfigError, Costs, Forecaster, audit, backtest, load_sample, report, simulate, sweep, to_weights
from tsseq.reporting.html import number, percent
from tsseq.trading import Trials, break_even_cost, cost_sweep
from tsseq.trading.statistics import deflated_sharpe

PRICES = load_sample("sp500")[-700:]
MODEL = Forecaster(Ridge(), 5, 40, target="close", log=True, calendar="XNYS")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page with everything on it, and what it was made from."""
    result = backtest({"ridge": MODEL}, PRICES, n_cutoffs=40, stride=5)
    weights = to_weights(result.forecasts, PRICES, model="ridge", allow_short=False)
    book = simulate(weights, PRICES, costs=Costs(bps=5))
    trials = sweep(result.forecasts, PRICES, {"rule": ["threshold"], "threshold": [0, 0.01, 0.02]}, model="ridge")
    findings = audit(MODEL, PRICES)
    folder = tmp_path_factory.mktemp("pages")
    path = report(result, book, folder / "all.html", audit=findings, trials=trials.attrs["trials"])
    return Page(path), result, book, trials.attrs["trials"], findings


def test_costs_are_swept_down_to_nothing_left(made):
    page, _, book, _, _ = made
    for level, row in cost_sweep(book).iterrows():
        assert page.rows[f"{level:g}"][0] == [percent(row["total_return"]), percent(row["cagr"]), number(row["sharpe"])]
    limit = break_even_cost(book)
    words = "Before costs nothing is earned" if np.isnan(limit) else f"At {limit:.3g} basis points nothing is left"
    assert words in page.text()


def test_skill_has_its_interval(made):
    page, result, _, _, _ = made
    lower, upper = result.intervals("skill").loc["ridge", ["lower", "upper"]]
    assert page.rows["ridge"][0][-2] == f"{percent(lower, 1)[:-2]} to {percent(upper, 1)}"


def test_scores_by_step_are_drawn_and_saved(made, tmp_path):
    matplotlib.use("Agg")
    _, result, book, _, _ = made
    axes = result.plot("MAE")
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines()}
    assert lines["ridge"] == result.by("step")["MAE"].xs("ridge", level="model").tolist()
    assert set(lines) == set(result.scores.index)
    for name, drawn in {"scores": axes, "equity": book.plot()}.items():
        drawn.figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        plt.close(drawn.figure)
    with pytest.raises(ConfigError, match="must be one of 'MAE'"):
        result.plot("nothing")


def test_every_check_of_the_audit_is_shown(made):
    page, _, _, _, findings = made
    for row in findings.itertuples():
        verdict = "not asked" if pd.isna(row.passed) else "passed" if row.passed else row.kind
        assert page.rows[row.check][0][0] == verdict
        assert page.rows[row.check][0][2] == row.meaning


def test_the_caveats_count_the_trials(made):
    page, _, book, trials, _ = made
    share = percent(deflated_sharpe(book.returns, trials), 0).replace("\xa0", " ")
    assert "3 trials were made." in page.text()
    assert f"luck alone is {share} (deflated Sharpe ratio)" in page.text()


@pytest.mark.parametrize(
    ("trials", "words"), [(None, "is not known here; the best of many looks good"), (Trials.of([1.0]), "One trial")]
)
def test_unknown_trials_are_a_caveat(made, tmp_path, trials, words):
    _, result, book, _, _ = made
    page = Page(report(result, book, tmp_path / "page.html", trials=trials))
    assert words in page.text()


def test_a_found_leak_is_named_and_what_was_not_asked_is_said(made, tmp_path):
    _, result, _, _, findings = made
    leaky = findings.astype({"passed": object, "value": object})
    leaky.loc[0, "passed"], leaky.loc[1, "passed"], leaky.loc[1, "value"] = False, pd.NA, pd.NA
    page = Page(report(result, path=tmp_path / "page.html", audit=leaky))
    assert page.rows[leaky["check"][0]][0][0] == "leak"
    assert page.rows[leaky["check"][1]][0][:2] == ["not asked", "–"]
