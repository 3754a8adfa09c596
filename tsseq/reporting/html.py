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
{_lines(parts)}
</main>
<script>{get_plotlyjs()}</script>
<script>
{_resource("script.js")}</script>
</body>
</html>
"""


def text(words: str, kind: str = "", tag: str = "p") -> str:
    """A paragraph, or another element that holds plain words."""
    return f'<{tag} class="{kind}">{escape(words)}</{tag}>' if kind else f"<{tag}>{escape(words)}</{tag}>"


def section(heading: str, parts: Iterable[str]) -> str:
    """A part of the page under a heading."""
    return f"<section>\n<h2>{escape(heading)}</h2>\n{_lines(parts)}\n</section>"


def caveat_box(heading: str, caveats: Iterable[str]) -> str:
    """A framed list that nobody overlooks."""
    items = "\n".join(text(words, tag="li") for words in caveats)
    return f'<section class="caveats">\n<h2>{escape(heading)}</h2>\n<ul>\n{items}\n</ul>\n</section>'


def definitions(facts: Mapping[str, str]) -> str:
    """Terms and what they are here."""
    return (
        "<dl>"
        + "\n".join(f"<dt>{escape(term)}</dt><dd>{escape(words)}</dd>" for term, words in facts.items())
        + "</dl>"
    )


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
    bodies = []
    for position, (name, rows) in enumerate(groups.items()):
        above = (
            f'<tr><th class="group" scope="rowgroup" colspan="{len(header)}">{escape(name)}</th></tr>\n' if name else ""
        )
        apart = ' class="apart"' if position == 0 and len(groups) > 1 else ""
        bodies.append(f"<tbody{apart}>\n{above}{''.join(map(_row, rows))}</tbody>")
    rows = f"<thead><tr>{head}</tr></thead>\n{_lines(bodies)}"
    return f'<div class="scroll" tabindex="0"><table class="{kind}">\n{rows}\n</table></div>'


def _row(cells: Sequence[str]) -> str:
    values = "".join(f"<td>{escape(cell)}</td>" for cell in cells[1:])
    return f'<tr><th scope="row">{escape(cells[0])}</th>{values}</tr>\n'


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


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
