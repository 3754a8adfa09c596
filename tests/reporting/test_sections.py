"""What the report says beside the backtest: other costs, an audit, the number of trials."""

import re
from dataclasses import replace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.colors import to_hex
from sklearn.linear_model import Ridge
from test_report import Page

from tsseq import ConfigError, Costs, Forecaster, audit, backtest, load_sample, report, simulate, sweep, to_weights
from tsseq.plotting import style
from tsseq.reporting import charts
from tsseq.reporting.verdicts import money_verdict
from tsseq.reporting.wording import between, percent, probability, ratio
from tsseq.trading import Trials, break_even_cost, cost_sweep, signal_quality

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
        assert page.rows[f"{level:g}"][-1] == [percent(row["total_return"]), percent(row["cagr"]), ratio(row["sharpe"])]
    limit = break_even_cost(book)
    words = "Before costs nothing is earned" if np.isnan(limit) else f"At {limit:.3g} basis points nothing is left"
    assert words in page.text()


def test_skill_has_its_interval(made):
    page, result, _, _, _ = made
    lower, upper = result.intervals("skill").loc["ridge", ["lower", "upper"]]
    assert page.rows["ridge"][0][2] == between(lower, upper)


def test_scores_by_step_are_drawn_and_saved(made, tmp_path):
    matplotlib.use("Agg")
    _, result, book, _, _ = made
    axes = result.plot("MAE")
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines()}
    assert lines["ridge"] == result.by("step")["MAE"].xs("ridge", level="model").tolist()
    assert {name for name in lines if not name.startswith("_")} == set(result.scores.index)
    for name, drawn in {"scores": axes, "equity": book.plot()}.items():
        drawn.figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        plt.close(drawn.figure)
    with pytest.raises(ConfigError, match="must be one of 'skill', 'MAE'"):
        result.plot("nothing")


def test_pictures_and_page_have_the_same_colours(made):
    page, result, book, _, _ = made
    skill = {trace["name"]: trace["line"]["color"] for trace in page.figures[0]["data"]}
    assert skill == {line.get_label(): to_hex(line.get_color()) for line in result.plot().lines[: len(skill)]}
    money = {trace["name"]: trace["line"]["color"] for trace in page.figures[2]["data"]}
    assert money == {line.get_label(): to_hex(line.get_color()) for line in book.plot().lines}
    assert f"--ink: {style.INK};" in page.html
    plt.close("all")


def test_lines_that_coincide_are_drawn_once():
    book = simulate(pd.Series([1.0], PRICES.index[:1]), PRICES)
    for figure in (charts.equity(book), charts.drawdowns(book), charts.rolling_sharpe(book, 100)):
        assert [trace["name"] for trace in figure["data"]] == ["after costs = buy and hold"]


def test_every_check_of_the_audit_is_shown(made):
    page, _, _, _, findings = made
    for row in findings.itertuples():
        verdict = "not asked" if pd.isna(row.passed) else "passed" if row.passed else row.kind
        assert page.rows[row.check][0][0] == verdict
        assert page.rows[row.check][0][1] == row.meaning


def test_the_caveats_count_the_trials(made):
    page, _, _, _, _ = made
    assert "3 trials were made" in page.text()


def test_the_money_is_judged_with_a_p_for_all_trials(made):
    page, _, book, trials, _ = made
    figures = book.compare(trials)
    assert page.answers[1] == money_verdict(figures, "buy and hold", 3).answer.replace("\xa0", " ")
    assert page.rows["p, adjusted"][0][0] == probability(figures["adjusted_p"])
    assert page.rows["Beta"][0][0] == ratio(figures["beta"])
    assert between(figures["lower"], figures["upper"]) in page.rows["Difference a year"][0][1]


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
    assert "Look for the future in the data. Audit, future at a cutoff: " in page.answers[0]
    assert 'class="verdict warning"' in page.html
    assert page.rows[leaky["check"][1]][0][0] == "not asked"
    assert page.html.count(' missed"') == 1 + (~leaky["passed"][2:].astype("boolean").fillna(True)).sum()


def test_a_fit_whose_last_row_is_not_known_says_so(made, tmp_path):
    _, result, _, _, _ = made
    fits = result.fits.assign(fitted_until=pd.NaT, fitted="elsewhere")
    page = Page(report(replace(result, fits=fits), path=tmp_path / "page.html"))
    assert page.rows["ridge"][-1] == ["1", "elsewhere", "unknown"]


def test_a_band_that_misses_its_level_is_marked(made, tmp_path):
    _, result, _, _, _ = made
    bands = {f"q{level}": result.forecasts["forecast"] + shift for level, shift in ((0.1, -1.0), (0.9, 1.0))}
    page = Page(report(replace(result, forecasts=result.forecasts.assign(**bands)), path=tmp_path / "page.html"))
    assert re.search(r"The bands of ridge are too narrow: they hold \d+\.\d % of the values, not 80 %", page.text("p"))
    assert 'class="data row3 col9 missed"' in page.html
    assert "values within the widest band, where 80 % should be" in page.text("dd")


def test_the_audit_says_what_it_cannot_see(made):
    assert "What the audit cannot see: what was in the frame before" in made[0].text("p", "note").replace("\n", " ")


def test_every_figure_is_one_that_plotly_knows(made):
    figures = [go.Figure(figure["data"], figure["layout"]) for figure in made[0].figures]  # raises on unknown keys
    assert len(figures) > 1
    assert all(figure.data for figure in figures)


def panel_of(n_series, seed=0):
    """Random walks, tidy and in one frame."""
    days = pd.bdate_range("2020-01-01", periods=90, name="date")
    steps = np.random.default_rng(seed).normal(0, 0.01, (90, n_series))
    prices = pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), days, [f"S{k:02d}" for k in range(n_series)])
    return prices.rename_axis(columns="ticker").stack().rename("close").to_frame().swaplevel().sort_index()


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    """A page on more series than can be looked at, and its result."""
    result = backtest({"ridge": Forecaster(Ridge(), 2, 10, log=True)}, panel_of(50), n_cutoffs=15)
    return Page(report(result, path=tmp_path_factory.mktemp("pages") / "walks.html")), result


def test_of_very_many_series_the_best_the_middle_and_the_worst_can_be_chosen(walks):
    page, result = walks
    skill = result.by("id")["skill"].xs("ridge", level="model").sort_values(ascending=False)
    names = [*skill.index[:10], skill.index[25], *skill.index[-10:]]
    options = [words.split(" (")[0] for tag, _, words in page.texts if tag == "option"]
    assert options == names
    assert len(page.figures[1]["series"]) == 20
    assert "the best, the middle one and the worst of 50" in page.text("p", "note")
    table = page.html.split('id="T_series"')[1].split("</table>")[0]
    assert re.findall(r">(S\d\d)<", table) == [*names[:5], *names[-5:]]


def test_what_the_signal_is_worth_is_said_of_a_panel(walks):
    page, result = walks
    quality = signal_quality(result.forecasts, "ridge")
    figures = quality.summary()
    assert page.rows["Rank IC"][0][:2] == [ratio(figures["rank_ic"], 3), probability(figures["rank_ic_p"])]
    assert f"the mean rank IC of 15 cutoffs is {ratio(figures['rank_ic'], 3)}" in page.text("p")
    month, quantiles, steps, lags = (figure["data"][0]["y"] for figure in page.figures[2:])
    assert month == pytest.approx(quality.by_month["ic"].tolist())
    assert quantiles == pytest.approx(quality.quantile_returns.mean().tolist())
    assert steps == pytest.approx(quality.by_step["rank_ic"].tolist())
    assert lags == pytest.approx(quality.decay["rank_ic"].tolist())
    assert f"{percent(figures['turnover'], 0)} of the top".replace("\xa0", " ") in page.text("dd")


@pytest.mark.parametrize(
    ("frame", "target"),
    [(panel_of(4), "close"), (panel_of(6).rename(columns={"close": "sales"}), "sales"), (panel_of(6) - 100, "close")],
    ids=["few assets", "no price", "not positive"],
)
def test_only_many_prices_are_a_signal(tmp_path, frame, target):
    result = backtest({"ridge": Forecaster(Ridge(), 2, 10, target=target)}, frame, n_cutoffs=5)
    assert "What the signal is worth" not in Page(report(result, path=tmp_path / "page.html")).text("h2")
