"""One self-contained HTML page on a backtest, and on the book traded on it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

import tsseq
from tsseq.data.tidy import tidy_columns
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation.perturb import PRICES
from tsseq.evaluation.result import BacktestResult
from tsseq.persistence.container import replace_file
from tsseq.plotting import style
from tsseq.reporting import charts, forecasts, money
from tsseq.reporting.signals import signal_section
from tsseq.reporting.tables import to_html
from tsseq.reporting.verdicts import forecast_verdict, leader, money_verdict
from tsseq.resampling.trials import Trials
from tsseq.trading.book import Book


def report(
    result: BacktestResult,
    book: Book | None = None,
    path: str | os.PathLike[str] = "report.html",
    *,
    title: str = "Backtest",
    audit: pd.DataFrame | None = None,
    trials: Trials | None = None,
) -> Path:
    """Write a backtest, and the book traded on it, to one HTML file that loads nothing from elsewhere.

    It begins with a verdict: a model beats the last value, or the frequencies of categories, if the one-sided
    Diebold-Mariano p-value of ``result.compare(alternative="less")`` is below 0.05.

    Parameters
    ----------
    result : BacktestResult
        What `tsseq.backtest` returned.
    book : Book, optional
        What `tsseq.simulate` returned for weights made from these forecasts; None leaves money out. Costs, rates and
        bars in a year are those that it was made with.
    path : str or path, default "report.html"
        The file to write. It appears, or is replaced, only once it is complete.
    title : str, default "Backtest"
        Heading of the page.
    audit : DataFrame, optional
        What `tsseq.audit` found, shown as a section.
    trials : Trials, optional
        The ledger of everything that was tried on these prices (``sweep(...).attrs["trials"]``); the caveats then
        say what luck alone would have shown.

    Returns
    -------
    pathlib.Path
        The file, about 5 MB large, most of it plotly.js.

    Raises
    ------
    DataError
        No forecast can be scored, since nothing that was forecast has happened.
    ConfigError
        The folder of ``path`` does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster, backtest, load_sample
    >>> result = backtest({"ridge": Forecaster(Ridge(), 3, 12)}, load_sample("airline"), n_cutoffs=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report(result, path=f"{folder}/airline.html", title="Airline").name
    'airline.html'
    """
    if not isinstance(result, BacktestResult):
        raise ConfigError(f"a BacktestResult was needed, which backtest(...) returns, not {type(result).__name__}.")
    if not isinstance(book, Book | None):
        raise ConfigError(
            f"book= is a Book, which simulate(...) returns, not {type(book).__name__}; name path= as such."
        )
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"path={path!r} must be the path of a file.")
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"path={str(path)!r} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into; create it first.")
    around = {"title": title, "plotly": get_plotlyjs(), "version": tsseq.__version__, "style": style}
    template = _environment().get_template("page.html")
    content = template.render(around | _content(result, book, audit, trials))
    replace_file(path, content.encode())
    return path


def _content(
    result: BacktestResult, book: Book | None, audit: pd.DataFrame | None, trials: Trials | None
) -> dict[str, Any]:
    """What the template shows, by the names that it has there."""
    if result.common().empty:
        raise DataError("no forecast has a known actual value, so there is nothing to report; choose earlier cutoffs.")
    scores, tests = result.scores, forecasts.p_values(result)
    suspicions = [*result.suspicions(), *forecasts.leaks(audit)]
    numbers = tidy_columns(result.forecasts).classes is None
    errors = scores["MASE" if numbers else "log_loss"]
    model = leader(errors, tests)
    method = forecasts.method_section(result)
    priced = numbers and str(result.forecasts["target"].iloc[0]).lower() in PRICES
    content = {
        "subtitle": forecasts.subtitle(result),
        "verdicts": [forecast_verdict(errors, tests, suspicions, result.benchmark)],
        "model": model,
        "scores": forecasts.scores_section(result, scores, tests),
        "steps": forecasts.steps_section(result) if result.horizon > 1 else None,
        "series": forecasts.series_section(result, model),
        "signal": None if not numbers or (book is None and not priced) else signal_section(result.forecasts, model),
        "money": None,
        "audit": None if audit is None else forecasts.audit_section(audit),
        "facts": method["facts"],
        "fits": method["fits"],
        "caveats": [*suspicions, *forecasts.caveats(result)],
    }
    return content if book is None else content | _with_money(content, book, result.trials, trials, suspicions)


def _with_money(
    content: dict[str, Any], book: Book, models: Trials, rules: Trials | None, suspicions: Sequence[str]
) -> dict[str, Any]:
    """What a book adds to the page; models and rules that were tried both count."""
    trials = models if rules is None else rules if models.count < 2 else models.joined(rules)
    comparison = book.compare(trials)
    doubt = money.doubt(book) or ("Look for the future in the data first" if suspicions else "")
    return {
        "verdicts": [*content["verdicts"], money_verdict(comparison, str(book.benchmark.name), trials.count, doubt)],
        "money": money.money_section(book, comparison),
        "facts": content["facts"] | money.facts(book),
        "caveats": [*book.caveats, *content["caveats"], *money.caveats(book, rules and trials)],
    }


@cache
def _environment() -> Environment:
    """Templates that escape every text, and the filters they use."""
    environment = Environment(
        loader=PackageLoader("tsseq.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"to_html": to_html, "to_json": _to_json}
    return environment


def _to_json(figures: Sequence[charts.Figure]) -> str:
    """Figures that share the layout of the first, as JSON that can stand inside a page."""
    content = figures[0] | {"series": [figure["data"] for figure in figures[1:]]}
    return json.dumps(content, separators=(",", ":"), default=str).replace("<", "\\u003c")
