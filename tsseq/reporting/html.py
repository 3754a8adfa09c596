"""The pieces of a web page: number formats, tables, figures and the frame around them. Every text is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs

# The browser itself refuses whatever would come from outside the file.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page that needs nothing but itself: plotly.js is written into it once."""
    content = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{_resource("style.css")}</style>
</head>
<body>
<main>
{content}
</main>
<script>{get_plotlyjs()}</script>
<script>
{_resource("script.js")}</script>
</body>
</html>
"""


def text(words: str, kind: str = "", tag: str = "p") -> str:
    """A paragraph, or another element that holds plain words."""
    return _element(tag, escape(words), kind)


def section(heading: str, parts: Iterable[str], kind: str = "") -> str:
    """A part of the page under a heading."""
    return _block("section", [text(heading, tag="h2"), *parts], kind)


def bullets(items: Iterable[str]) -> str:
    """A list of plain words."""
    return _block("ul", (text(words, tag="li") for words in items))


def definitions(facts: Mapping[str, str]) -> str:
    """Terms and what they are here."""
    return _element("dl", "\n".join(text(term, tag="dt") + text(words, tag="dd") for term, words in facts.items()))


def table(header: Sequence[str], groups: Mapping[str, Sequence[Sequence[str]]], kind: str = "numbers") -> str:
    """A table that scrolls in its own box. The first cell of a row names it.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    groups : mapping of str to rows
        Rows of cells by the words above them; no words for an empty key. The first of several groups is tinted.
    kind : {"numbers", "words"}
        Numbers are aligned to the right, words to the left.

    Returns
    -------
    str
        HTML.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    parts = [f"<thead><tr>{head}</tr></thead>"]
    for name, rows in groups.items():
        above = f'<tr><th class="group" scope="rowgroup" colspan="{len(header)}">{escape(name)}</th></tr>'
        lines = [above] if name else []
        for first, *rest in rows:
            cells = "".join(text(cell, tag="td") for cell in rest)
            lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
        parts.append(_block("tbody", lines, "apart" if len(groups) > 1 and len(parts) == 1 else ""))
    return f'<div class="scroll" tabindex="0">{_block("table", parts, kind)}</div>'


def plot(figure: Any, label: str, caption: str = "", *, least_width: int = 0) -> str:
    """Place a plotly figure; ``label`` is what a screen reader says. Below ``least_width`` pixels it scrolls."""
    data = figure.to_json().replace("<", "\\u003c")
    below = text(caption, tag="figcaption") if caption else ""
    size = f"height:{figure.layout.height}px;min-width:{least_width}px"
    return (
        f'<figure><div class="scroll"><div class="plot" role="img" aria-label="{escape(label)}" style="{size}"></div>'
        f'<script type="application/json" class="figure">{data}</script></div>{below}</figure>'
    )


def number(value: float) -> str:
    """Four significant digits, or whole numbers from a thousand on; a dash where there is none.

    >>> number(21.41600), number(-0.5), number(1234567.0), number(float("nan"))
    ('21.42', '−0.5000', '1,234,567', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return (f"{value:,.0f}" if abs(value) >= 999.95 else f"{value:#.4g}").replace("-", "−")


def percent(value: float, digits: int = 2) -> str:
    r"""A share as a percentage.

    >>> percent(0.13041), percent(-0.0087, 1)
    ('13.04\xa0%', '−0.9\xa0%')
    """
    return f"{100 * value:z,.{digits}f}\u00a0%".replace("-", "−") if math.isfinite(value) else number(value)


def probability(value: float, name: str = "") -> str:
    r"""A p-value in three digits, as a statement about ``name`` if there is one.

    >>> probability(0.0123), probability(1e-9), probability(0.0123, "p"), probability(0.9999, "p")
    ('0.012', '<\xa00.001', 'p\xa0=\xa00.012', 'p\xa0>\xa00.999')
    """
    if not math.isfinite(value):
        return number(value)
    words = "< 0.001" if value < 0.001 else "> 0.999" if value > 0.999 else f"{value:.3f}"
    words = f"{name} {words if words[0] in '<>' else '= ' + words}" if name else words
    return words.replace(" ", "\u00a0")


def stamp(time: Any) -> str:
    """A timestamp, without the clock at midnight.

    >>> stamp(7), stamp("2024-01-31 00:00:00")
    ('7', '2024-01-31')
    """
    return str(time).removesuffix(" 00:00:00")


def span(times: Any) -> str:
    """The first and the last of some timestamps.

    >>> import pandas as pd
    >>> span(pd.Series([3, 1, 2])), span(pd.Series([1, 1]))
    ('1 to 3', '1')
    """
    first, last = stamp(times.min()), stamp(times.max())
    return first if first == last else f"{first} to {last}"


def count(n: int, thing: str) -> str:
    """How many of a thing.

    >>> count(1, "row"), count(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def joined(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _resource(name: str) -> str:
    return files("tsseq.reporting").joinpath(name).read_text(encoding="utf-8")


def _element(tag: str, content: str, kind: str = "") -> str:
    return f'<{tag} class="{kind}">{content}</{tag}>' if kind else f"<{tag}>{content}</{tag}>"


def _block(tag: str, lines: Iterable[str], kind: str = "") -> str:
    return _element(tag, "\n".join(["", *lines, ""]), kind)
