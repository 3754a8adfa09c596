import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from tsseq.data.samples import load_sample, make_series
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation.backtest import backtest
from tsseq.forecasting.forecaster import Forecaster
from tsseq.reporting import report
from tsseq.reporting.wording import percent
from tsseq.trading import Costs, simulate, to_weights
from tsseq.trading.statistics import drawdown_table, sharpe

EVIL = "<b>&\"'</b>"
SEASONAL = make_series("seasonal", 200, period=12).set_axis(pd.period_range("2000-01", periods=200, freq="M"))


class Page(HTMLParser):
    """What a reader sees of a report: its tables, its texts by class and the figures' data."""

    def __init__(self, path):
        super().__init__()
        self.html = path.read_text(encoding="utf-8")
        self.rows, self.texts, self.open = {}, [], []
        self.feed(self.html)
        self.figures = [
            json.loads(found) for found in re.findall(r'class="figure">(.*?)</script>', self.html, re.DOTALL)
        ]

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br"):
            self.open.append((tag, dict(attributes).get("class", "")))
        if tag == "tr":
            self.cells = []

    def handle_endtag(self, tag):
        if tag == "tr" and len(self.cells) > 1:
            self.rows.setdefault(self.cells[0], []).append(self.cells[1:])
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, kind = self.open[-1] if self.open else ("", "")
        if tag in ("td", "th"):
            self.cells.append(data)
        elif tag not in ("script", "style") and data.strip():
            self.texts.append((tag, kind, data))

    @property
    def answers(self):
        texts = [words for tag, kind, words in self.texts if tag == "p" and kind.startswith("answer")]
        return [words.replace("\xa0", " ") for words in texts]

    def text(self, tag="", kind=""):
        return " ".join(words for t, k, words in self.texts if tag in ("", t) and kind in ("", k)).replace("\xa0", " ")


def value(cell):
    """The number that a cell shows, percentages as shares."""
    text = cell.replace("−", "-").replace(",", "").replace("\xa0", "").removesuffix("×")
    return np.nan if text == "–" else float(text[:-1]) / 100 if text.endswith("%") else float(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def sp500(folder):
    prices = load_sample("sp500").iloc[-1500:]
    models = {"ridge": Forecaster(Ridge(), 5, 60, target="close", log=True, calendar="XNYS")}
    result = backtest(models, prices, n_cutoffs=100)
    weights = to_weights(result.forecasts, prices, "ridge", allow_short=False)
    book = simulate(weights, prices, costs=Costs(bps=5, slippage_bps=2))
    path = report(result, book, folder / "sp500.html", title="S&P 500")
    return SimpleNamespace(prices=prices, result=result, weights=weights, book=book, path=path, page=Page(path))


@pytest.fixture(scope="module")
def panel(folder):
    days = pd.date_range("2020-01-01", periods=200)
    walks = {
        name: make_series("random_walk", 200, seed=seed, level=100).set_axis(days)
        for seed, name in enumerate([EVIL, "b"])
    }
    frame = pd.concat(walks, names=["id", "day"]).to_frame("price")
    models = {EVIL: Forecaster(Ridge(), 2, 10), "other": Forecaster(Ridge(10.0), 2, 10)}
    result = backtest(models, frame, n_cutoffs=20)
    path = report(result, path=folder / "panel.html", title=EVIL)
    return SimpleNamespace(result=result, path=path, page=Page(path))


def verdict(folder, model, series, **options):
    page = Page(report(backtest({"ridge": model}, series, **options), path=folder / "verdict.html"))
    return page.answers[0]


def test_skill_and_p_stand_first_in_the_score_table(sp500):
    tests = sp500.result.compare(alternative="less")["p_value"]
    for name, scores in sp500.result.scores.iterrows():
        skill, p_value, _, mase, direction, mae, rmse, smape = sp500.page.rows[name][0]
        assert [value(cell) for cell in (skill, direction)] == pytest.approx(
            scores[["skill", "direction"]].tolist(), abs=6e-4
        )
        errors = [value(cell) for cell in (mase, mae, rmse)]
        assert errors == pytest.approx(scores[["MASE", "MAE", "RMSE"]].tolist(), rel=5e-3)
        assert 100 * value(smape) == pytest.approx(scores["sMAPE"], rel=5e-3)
        assert p_value == (
            "–" if name == "last_value" else f"{tests[name]:.3f}" if tests[name] < 0.999 else ">\xa00.999"
        )


def test_naive_forecasts_are_tinted(sp500):
    table = sp500.page.html.split('id="T_scores"')[1].split("</table>")[0]
    tinted = {re.search(r"<th[^>]*>(\w+)</th>", row)[1]: "naive" in row for row in table.split("<tr>")[2:]}
    assert tinted == {"last_value": True, "drift": True, "mean": True, "ridge": False}


def test_skill_by_step_is_that_of_the_result(sp500):
    expected = sp500.result.by("step")["skill"]
    for trace in sp500.page.figures[0]["data"]:
        assert trace["x"] == [1, 2, 3, 4, 5]
        assert trace["y"] == pytest.approx(expected.xs(trace["name"], level="model").tolist())


def test_a_naive_forecast_far_off_is_hidden_and_the_page_says_so(sp500):
    hidden = [trace["name"] for trace in sp500.page.figures[0]["data"] if trace["visible"] == "legendonly"]
    assert hidden == ["mean"]
    assert "hidden until a click on its name: mean" in sp500.page.text("figcaption")


def test_forecasts_are_drawn_as_they_were_made_from_the_value_at_the_cutoff(sp500):
    actual, *models = sp500.page.figures[1]["data"]
    closes = sp500.prices["close"]
    assert actual["y"] == pytest.approx(closes.iloc[-100:].tolist())
    assert [trace["name"] for trace in models] == ["last_value", "drift", "mean", "ridge"]
    made = sp500.result.forecasts.query("model == 'ridge'").set_index(["cutoff", "step"])["forecast"]
    ridge = models[-1]
    starts = range(0, len(ridge["x"]), 7)  # the cutoff, five steps and a gap
    assert len(starts) == 8
    assert sp500.page.figures[1]["series"] == []
    for start in starts:
        cutoff = pd.Timestamp(ridge["x"][start])
        assert ridge["y"][start : start + 6] == pytest.approx([closes[cutoff], *made[cutoff]])
        assert ridge["y"][start + 6] is None


def test_quantiles_become_a_band(folder, sp500):
    forecasts = sp500.result.forecasts.copy()
    own = forecasts["model"] == "ridge"
    for level, shift in ((0.1, -30), (0.5, 0), (0.9, 30)):
        forecasts[f"q{level}"] = (forecasts["forecast"] + shift).where(own)
    page = Page(report(replace(sp500.result, forecasts=forecasts), path=folder / "band.html"))
    (band,) = (trace for trace in page.figures[1]["data"] if trace.get("fill") == "toself")
    line = page.figures[1]["data"][-1]
    middle = np.array(line["y"][1:6])
    assert band["y"][1:11] == pytest.approx([*(middle + 30), *(middle - 30)[::-1]])
    coverage = replace(sp500.result, forecasts=forecasts).scores.loc["ridge", "coverage"]
    assert value(page.rows["ridge"][0][-1]) == pytest.approx(coverage, abs=5e-4)
    assert "where 80 % should be" in page.text("dd")


def test_a_random_walk_is_not_beaten_and_the_verdict_says_so(folder):
    found = verdict(folder, Forecaster(Ridge(), 2, 10), make_series("random_walk", 300), n_cutoffs=50)
    words = "the errors of the closest, ridge, are 3.6 % larger (p = 0.949)."
    assert found == f"No model beats repeating the last value: {words}"


def test_a_model_that_beats_the_last_value_is_named_in_the_verdict(folder):
    found = verdict(folder, Forecaster(Ridge(), 3, 24), SEASONAL, n_cutoffs=40)
    words = r"its errors are 8\d\.\d % smaller, more than luck explains \(p < 0\.001\)\."
    assert re.fullmatch(f"ridge beats repeating the last value: {words}", found)
    assert 'class="verdict good"' in (folder / "verdict.html").read_text()


def test_a_winner_behind_another_naive_forecast_is_no_good_news(folder):
    found = verdict(folder, Forecaster(Ridge(3000.0), 3, 24), SEASONAL, n_cutoffs=40)
    assert found.startswith("ridge beats repeating the last value")
    assert found.endswith("but seasonal_naive, which learns nothing, does better still.")
    assert 'class="verdict good"' not in (folder / "verdict.html").read_text()


def test_too_few_cutoffs_give_no_verdict(folder):
    found = verdict(folder, Forecaster(Ridge(), 3, 24), SEASONAL, n_cutoffs=1)
    assert found == "It cannot be told: there are too few cutoffs for a test."


def test_key_statistics_are_those_of_the_book(sp500):
    book = sp500.book
    columns = zip(
        book.stats(),
        replace(book, returns=book.benchmark).stats().drop(["turnover", "exposure"]).reindex(book.stats().index),
        replace(book, returns=book.gross_returns).stats(),
    )
    names = {"cagr": "Annual growth (CAGR)", "value_at_risk": "Value at risk, 5\xa0%"}
    names["conditional_value_at_risk"] = "Mean of the worst 5\xa0%"
    ratios = ("sharpe", "sortino", "calmar", "omega", "tail_ratio")
    for name, expected in zip(book.stats().index, columns):
        cells = sp500.page.rows[names.get(name, name.replace("_", " ").capitalize())][0]
        digits = 0.051 if name == "turnover" else 5.1e-3 if name in ratios else 5.1e-4
        assert [value(cell) for cell in cells] == pytest.approx(expected, abs=digits, nan_ok=True)


def test_money_figures_follow_the_book(sp500):
    book, (net, gross, passive) = sp500.book, sp500.page.figures[2]["data"]
    assert net["y"] == pytest.approx((book.equity - 1).tolist(), abs=1e-6)
    assert gross["y"] == pytest.approx(((1 + book.gross_returns).cumprod() - 1).tolist(), abs=1e-6)
    assert passive["y"] == pytest.approx(((1 + book.benchmark).cumprod() - 1).tolist(), abs=1e-6)
    assert min(sp500.page.figures[3]["data"][0]["y"]) == pytest.approx(book.stats()["max_drawdown"], abs=1e-6)
    assert sum(sp500.page.figures[5]["data"][0]["y"]) == pytest.approx(book.turnover.sum())


def test_returns_of_years_and_months_compound_to_the_whole(sp500):
    book, growth = sp500.book, np.ones(2)
    for year in book.returns.index.year.unique():
        ours, theirs, difference, *months = (value(cell) / 100 for cell in sp500.page.rows[str(year)][0])
        assert np.nanprod(1 + np.array(months)) == pytest.approx(1 + ours, abs=8e-3)
        assert ours - theirs == pytest.approx(difference, abs=2e-3)
        growth *= 1 + np.array([ours, theirs])
    assert growth == pytest.approx([book.equity.iloc[-1], (1 + book.benchmark).prod()], rel=8e-3)


def test_the_worst_drawdowns_are_listed(sp500):
    table = drawdown_table(sp500.book.returns)
    for rank, row in table.iterrows():
        depth, peak, trough, recovered, bars = sp500.page.rows[str(rank + 1)][0]
        assert value(depth) == pytest.approx(row["depth"], abs=5.1e-4)
        assert [peak, trough] == [f"{row[name]:%Y-%m-%d}" for name in ("start", "trough")]
        assert recovered == ("not yet" if pd.isna(row["end"]) else f"{row['end']:%Y-%m-%d}")
        assert int(bars) == row["length"]


def test_the_rolling_sharpe_ratio_is_that_of_the_last_bars(sp500):
    book, (strategy, passive) = sp500.book, sp500.page.figures[4]["data"]
    window = len(book.returns) // 2
    assert strategy["y"][-1] == pytest.approx(sharpe(book.returns.iloc[-window:]))
    assert passive["y"][0] == pytest.approx(sharpe(book.benchmark.iloc[:window]))
    assert f"Over {window} bars at a time, since the book is too short" in sp500.page.text("figcaption")


def test_the_page_says_how_it_was_made(sp500):
    words = sp500.page.text("dd")
    first, last = sp500.result.forecasts["cutoff"].agg(["min", "max"]).dt.strftime("%Y-%m-%d")
    assert f"100: {first} to {last}, 5 rows apart" in words
    assert "500 of 500 forecasts per model" in words
    assert "next_open: orders fill at the open after the decision" in words
    assert "7 basis points" in words
    assert sp500.page.rows["ridge"][1] == ["1", "in the backtest", first]


@pytest.mark.parametrize(
    ("times", "bars"),
    [
        (pd.bdate_range("2024-01-01", periods=40), 252),
        (pd.date_range("2024-01-01", periods=40, freq="D"), 365),
        (pd.date_range("2024-01-01", periods=40, freq="W"), 52),
        (pd.date_range("2024-01-01", periods=40, freq="MS"), 12),
        (pd.date_range("2024-01-01", periods=48, freq="h"), 252 * 24),
        (pd.bdate_range("2024-01-01", periods=1), 252),
    ],
)
def test_statistics_are_annualised_with_the_bars_that_a_year_has(folder, sp500, times, bars):
    prices = pd.Series(np.linspace(100, 110, len(times)), times)
    book = simulate(pd.Series([1.0], times[:1]), prices)
    page = Page(report(sp500.result, book, folder / "bars.html"))
    assert f"count {bars} bars to the year" in page.text("p", "note")
    assert value(page.rows["Exposure"][0][0]) == pytest.approx(book.stats()["exposure"], abs=5.1e-4)


@pytest.mark.parametrize("freq", ["W-FRI", "MS", "D"])
def test_the_page_annualises_as_the_book_does(folder, sp500, freq):
    times = pd.date_range("2015-01-01", periods=60, freq=freq)
    prices = make_series("random_walk", 60, level=100).set_axis(times)
    book = simulate(pd.Series([1.0, -0.5], times[[0, 30]]), prices)
    page = Page(report(sp500.result, book, folder / "annual.html"))
    for name in ("sharpe", "sortino", "annual_volatility", "turnover"):
        figure = value(page.rows[name.replace("_", " ").capitalize()][0][0])
        assert figure == pytest.approx(book.stats()[name], abs=5.1e-3 if name in ("sharpe", "sortino") else 0.051)


@pytest.mark.parametrize(
    ("options", "words", "absent"),
    [
        ({}, ["Cash earns nothing, borrowing money or shares costs nothing", "No costs were charged"], ["Leverage"]),
        (
            {"cash_rate": 0.05, "leverage": 2.0, "costs": Costs(borrow_bps=300)},
            ["Cash earns 5 % a year, borrowed money costs 8 % and borrowed shares 3 %", "weights times 2"],
            ["Cash earns nothing", "costs nothing"],
        ),
        ({"costs": Costs(bps=5)}, ["Cash earns nothing", "5 basis points of what"], ["No costs were charged"]),
        ({"engine": "shares"}, ["counted in shares and cash"], []),
        ({"execution": "next_close"}, ["next_close: orders fill at the close after"], ["next_open"]),
    ],
    ids=["free", "borrowed", "fees", "shares", "next_close"],
)
def test_what_the_page_takes_for_granted_is_what_the_book_was_made_with(folder, sp500, options, words, absent):
    book = simulate(sp500.weights, sp500.prices, **options)
    text = Page(report(sp500.result, book, folder / "assumptions.html")).text()
    assert [phrase for phrase in words if phrase not in text] == []
    assert [phrase for phrase in absent if phrase in text] == []


SHAPES = {
    "panel": lambda panel: panel,
    "long": lambda panel: panel.reset_index().rename(columns={"ticker": "unique_id", "date": "ds"}),
    "yfinance": lambda panel: panel.unstack("ticker").rename_axis(columns=["Price", "Ticker"]),
    "closes": lambda panel: panel["close"].unstack("ticker").rename_axis(columns="Ticker"),
    "one frame": lambda panel: panel.xs("A"),
    "one series": lambda panel: panel.xs("A")["close"],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_prices_goes_from_backtest_to_report(folder, shape):
    days = pd.date_range("2020-01-01", periods=120, name="date")
    walks = {name: make_series("random_walk", 120, seed=seed, level=100) for seed, name in enumerate("AB")}
    series = {name: walk.set_axis(days) for name, walk in walks.items()}
    prices = SHAPES[shape](pd.concat(series, names=["ticker"]).rename("close").to_frame())
    result = backtest({"ridge": Forecaster(Ridge(), 2, 10, target="close")}, prices, n_cutoffs=20)
    book = simulate(to_weights(result.forecasts, prices), prices)
    page = Page(report(result, book, folder / "shape.html"))
    assert len(page.figures) == 5
    assert page.rows["Total return"][0][0] == percent(book.stats()["total_return"])


def test_looking_ahead_is_stamped_beside_the_money_and_in_the_caveats(folder, sp500):
    book = simulate(sp500.weights, sp500.prices, execution="same_bar")
    page = Page(report(sp500.result, book, folder / "ahead.html"))
    assert "LOOKS AHEAD" in page.text("p", "warning")
    assert "LOOKS AHEAD" in page.text("li")
    assert "No costs were charged" in page.text("li")


def test_every_series_of_a_panel_can_be_chosen_from_the_most_to_the_least_skilful(panel):
    skill = panel.result.by("id")["skill"].xs("other", level="model").sort_values(ascending=False)
    options = [words for tag, _, words in panel.page.texts if tag == "option"]
    assert options == [f"{name} (skill {percent(value)})" for name, value in skill.items()]
    figure = panel.page.figures[1]
    for name, traces in zip(skill.index, [figure["data"], *figure["series"]]):
        actual = panel.result.forecasts.query("id == @name").drop_duplicates("day").sort_values("day")["actual"]
        assert traces[0]["y"] == pytest.approx(actual.tolist())
        assert percent(skill[name]) in [row[0] for row in panel.page.rows[name]]


def test_a_panel_warns_of_survivorship(panel):
    caveats = panel.page.text("li")
    assert "survivorship bias" in caveats
    assert "20 cutoffs: too little" in caveats
    assert "2 models were tried" in caveats


def test_names_are_shown_as_they_are_and_never_read_as_html(panel):
    assert "<b>" not in panel.page.html.split("<script>")[0]
    assert panel.page.text("h1") == EVIL
    assert EVIL in panel.page.rows
    assert "&lt;b&gt;&amp;\"'&lt;/b&gt;" in [trace["name"] for trace in panel.page.figures[0]["data"]]


def test_forecasts_without_a_known_value_are_counted_as_unscored(folder, sp500):
    forecasts = sp500.result.forecasts
    last = forecasts["date"] == forecasts["date"].max()
    gap = replace(sp500.result, forecasts=forecasts.assign(actual=forecasts["actual"].mask(last)))
    page = Page(report(gap, path=folder / "gap.html"))
    assert "499 of 500 forecasts per model" in page.text("dd")
    assert "4 forecasts are not scored" in page.text("li")


def test_nothing_to_score_is_an_error_that_says_so(tmp_path, sp500):
    nothing = replace(sp500.result, forecasts=sp500.result.forecasts.assign(actual=np.nan))
    with pytest.raises(DataError, match="known actual value"):
        report(nothing, path=tmp_path / "report.html")


def test_a_missing_folder_is_an_error_that_names_it(tmp_path, sp500):
    with pytest.raises(ConfigError, match="nowhere"):
        report(sp500.result, path=tmp_path / "nowhere" / "report.html")


def test_what_is_no_backtest_book_or_file_is_an_error_that_says_so(tmp_path, sp500):
    for wrong in (None, 3, "report.html", sp500.book):
        with pytest.raises(ConfigError, match="a BacktestResult was needed"):
            report(wrong, path=tmp_path / "report.html")
    result = sp500.result
    with pytest.raises(ConfigError, match="book= is a Book"):
        report(result, tmp_path / "report.html")
    for path, words in ((3, "path=3"), (None, "path=None"), (tmp_path, "is a folder")):
        with pytest.raises(ConfigError, match=words):
            report(result, path=path)


def test_a_link_is_followed_and_what_is_not_a_file_is_left_alone(tmp_path, sp500):
    (tmp_path / "target.html").write_text("old")
    (tmp_path / "link.html").symlink_to(tmp_path / "target.html")
    report(sp500.result, path=tmp_path / "link.html")
    assert (tmp_path / "link.html").is_symlink()
    assert "</html>" in (tmp_path / "target.html").read_text(encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        report(sp500.result, path=tmp_path / "pipe")
    assert not (tmp_path / "pipe").is_file()


def test_integers_as_times_are_drawn_as_they_are(folder):
    series = make_series("ar1", 200).reset_index(drop=True)
    result = backtest({"ridge": Forecaster(Ridge(), 2, 10)}, series, n_cutoffs=10, stride=5)
    page = Page(report(result, path=folder / "integers.html"))
    actual = page.figures[1]["data"][0]
    assert actual["mode"] == "markers"  # cutoffs further apart than the horizon leave gaps
    assert actual["y"] == pytest.approx(series[actual["x"]].tolist())


@pytest.mark.parametrize("spoil", ["rendering", "writing"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, sp500, spoil):
    path = tmp_path / "report.html"
    path.write_text("old")
    book = replace(sp500.book, execution="unheard of") if spoil == "rendering" else sp500.book
    title = "\udc80 cannot be encoded" if spoil == "writing" else "Backtest"
    with pytest.raises((KeyError, UnicodeEncodeError)):
        report(sp500.result, book, path, title=title)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_one_file_leave_a_whole_one(tmp_path, sp500):
    path = tmp_path / "report.html"
    with ThreadPoolExecutor(4) as threads:
        paths = list(threads.map(lambda _: report(sp500.result, path=path), range(4)))
    assert paths == [path] * 4
    assert path.read_text().rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_input_gives_the_same_bytes(tmp_path, sp500):
    again = report(sp500.result, sp500.book, tmp_path / "again.html", title="S&P 500")
    assert again.read_bytes() == sp500.path.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def test_nothing_is_loaded_from_elsewhere(sp500):
    html = sp500.page.html
    assert html.count("<script>") == 2
    assert not re.search(r"<link|@import|<script [^>]*src", html)
    assert 'src="http' not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)  # plotly's may say so
    assert "default-src 'none'" in html


def browse(path, *options):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--virtual-time-budget=5000",
    ]
    return subprocess.run(
        [*command, *options, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=50, check=True
    )


def test_a_browser_draws_every_plot_without_an_error(sp500):
    seen = browse(sp500.path)
    n_plots = seen.stdout.count('class="figure"')
    assert n_plots == 6
    assert seen.stdout.count('class="plot js-plotly-plot"') == n_plots
    assert seen.stdout.count('class="main-svg"') >= 2 * n_plots
    assert "CONSOLE" not in seen.stderr


def test_a_browser_shows_names_in_legends_as_they_are(panel):
    assert browse(panel.path).stdout.count(">&lt;b&gt;&amp;\"'&lt;/b&gt;</text>") == 2


def test_a_screen_of_400_pixels_needs_no_scrolling_sideways(folder, sp500):
    frame = folder / "frame.html"
    measure = "const page = phone.contentDocument.documentElement; phone.title = [page.scrollWidth, page.clientWidth]"
    phone = f'<iframe id="phone" src="{sp500.path.name}" width="400" height="900" frameborder="0"></iframe>'
    frame.write_text(f"{phone}<script>setTimeout(() => {{ {measure} }}, 3000)</script>")
    seen = browse(frame, "--allow-file-access-from-files").stdout
    content, screen = map(int, re.search(r'title="(\d+),(\d+)"', seen).groups())
    assert content == screen <= 400


def test_choosing_another_series_draws_it(folder, panel):
    """Through the page's own select box, in a browser."""
    path, script = folder / "chosen.html", "choice.selectedIndex = 0; choice.dispatchEvent(new Event('change'));"
    look = "document.title = JSON.stringify(choice.parentElement.parentElement.querySelector('.plot').data[0].y)"
    wait = f"setTimeout(() => {{ const choice = document.querySelector('select'); {script} {look} }}, 1000)"
    path.write_text(panel.path.read_text().replace("</body>", f"<script>{wait}</script></body>"))
    shown = re.search(r"<title>(.*?)</title>", browse(path).stdout)[1]
    assert json.loads(shown) == panel.page.figures[1]["data"][0]["y"]
    assert panel.page.html.count(" selected>") == 1


def test_a_table_that_goes_on_shows_so_on_a_screen_of_400_pixels(folder, sp500):
    frame = folder / "shadow.html"
    look = "phone.title = [...phone.contentDocument.querySelectorAll('.wide')].map(box => box.matches('.more') ? 1 : 0)"
    phone = f'<iframe id="phone" src="{sp500.path.name}" width="400" height="900" frameborder="0"></iframe>'
    frame.write_text(f"{phone}<script>setTimeout(() => {{ {look} }}, 3000)</script>")
    seen = re.search(r'title="([\d,]+)"', browse(frame, "--allow-file-access-from-files").stdout)[1]
    ids = re.findall(r'<table id="T_(\w+)"', sp500.page.html)
    hidden = [name for name, more in zip(ids, seen.split(","), strict=True) if more == "1"]
    assert {"scores", "returns"} <= set(hidden)
    assert not {"money", "against", "costs", "fits"} & set(hidden)
