"""The pieces of a web page: number formats, tables, figures and the frame around them. Every text is escaped here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from plotly.offline import get_plotlyjs

# The browser itself refuses whatever would come from outside the file.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

_CSS = """
:root { color-scheme: light; --ink: #1d2329; --soft: #5c6670; --line: #dfe3e7; --tint: #f5f6f8; --calm: #5c6670; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", "Liberation Sans", Arial, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 1000px; margin: 0 auto; padding: 40px 24px 72px; overflow-wrap: anywhere; }
h1 { margin: 0 0 4px; font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em; }
h2 { margin: 52px 0 10px; font-size: 20px; line-height: 1.3; font-weight: 650; }
h3 { margin: 28px 0 2px; font-size: 15px; font-weight: 650; }
p { margin: 0 0 12px; }
.note, figcaption, footer { color: var(--soft); font-size: 14px; line-height: 1.5; }
.verdict { margin: 22px 0 0; padding: 14px 18px; border-left: 4px solid var(--calm); background: var(--tint);
  font-size: 19px; line-height: 1.45; }
.verdict.good { border-color: #00795a; background: #eef7f3; }
.caveats, .warning { border: 1px solid #e3b341; background: #fff9e8; border-radius: 6px; }
.warning { padding: 10px 16px; }
.caveats { padding: 18px 22px 10px; margin-top: 52px; }
.caveats h2 { margin-top: 0; }
.caveats ul { margin: 0; padding-left: 20px; }
.caveats li { margin-bottom: 8px; }
.scroll { overflow-x: auto; margin: 8px 0 12px; }
table { border-collapse: collapse; width: 100%; font-size: 15px; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
th, td { padding: 7px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 10px; }
thead th { color: var(--soft); font-size: 13px; font-weight: 600; border-bottom: 1.5px solid #aab2ba; }
tbody th { font-weight: 500; }
tbody th.group { padding-top: 14px; color: var(--soft); font-size: 13px; font-weight: 600; }
tbody.apart th, tbody.apart td { background: var(--tint); }
table.words td { text-align: left; white-space: normal; min-width: 6em; }
table.words th { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 24px; margin: 8px 0 18px; font-size: 15px; }
dt { color: var(--soft); }
dd { margin: 0; }
figure { margin: 0; }
figure .scroll { margin-bottom: 4px; overflow-y: hidden; }
.plot { width: 100%; }
footer { margin-top: 40px; }
@media (max-width: 600px) {
  main { padding: 24px 16px 48px; }
  h1 { font-size: 25px; }
  h2 { margin-top: 40px; }
  .verdict { font-size: 17px; padding: 12px 14px; }
  table { font-size: 14px; }
  th, td { padding: 7px 8px; }
  tbody th:first-child:not(.group), thead th:first-child { position: sticky; left: 0; background: #fff;
    white-space: normal; min-width: 7em; max-width: 10em; }
  tbody.apart th:first-child { background: var(--tint); }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 10px; }
}
@media print { h2, figure, .caveats { break-inside: avoid; } h2 { break-after: avoid; } }
"""

# Where fingers scroll, a plot that zooms would catch the page.
_SCRIPT = """
for (const data of document.querySelectorAll("script.figure")) {
  const {data: traces, layout} = JSON.parse(data.textContent);
  layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
  Plotly.newPlot(data.previousElementSibling, traces, layout, {responsive: true, displayModeBar: false});
}
"""


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page that needs nothing but itself: plotly.js is written into it once."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_CSS}</style>
</head>
<body>
<main>
{_lines(parts)}
</main>
<script>{get_plotlyjs()}</script>
<script>{_SCRIPT}</script>
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
    header : names of the columns.
    groups : rows by the words above them; no words for an empty key. The first of several groups is tinted.
    kind : "numbers" are aligned to the right, "words" to the left.
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
    shown = "< 0.001" if value < 0.001 else "> 0.999" if value > 0.999 else f"{value:.3f}"
    shown = f"{name} {shown if shown[0] in '<>' else '= ' + shown}" if name else shown
    return shown.replace(" ", "\u00a0")


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
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
