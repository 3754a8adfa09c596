"""Tables of the page: frames, styled and escaped by pandas."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from html import escape
from typing import Any, TypeAlias

import pandas as pd
from pandas.io.formats.style import Styler

Formats: TypeAlias = dict[Hashable, Callable[[Any], str]]
_RED, _BLUE = "200,85,61", "47,120,176"


def styled(name: str, frame: pd.DataFrame, formats: Formats, axis: int = 1) -> Styler:
    """Style a frame whose columns (``axis=1``) or rows (``axis=0``) have formats; texts are escaped.

    >>> table = styled("scores", pd.DataFrame({"p": [0.5]}, index=["<b>"]), {"p": "{:.2f}".format})
    >>> "&lt;b&gt;</th>" in table.to_html(), ">0.50</td>" in table.to_html()
    (True, True)
    """
    plain = frame.rename_axis(index=None, columns=None)
    styler = Styler(plain, uuid=name, cell_ids=False).format(escape="html", na_rep="–")
    for label, words in formats.items():
        subset = pd.IndexSlice[:, [label]] if axis else pd.IndexSlice[[label], :]
        styler.format(_escaped(words), subset=subset)
    return styler.format_index(escape="html", axis=0).format_index(escape="html", axis=1)


def marked(styler: Styler, marks: Mapping[tuple[Hashable, Hashable], str]) -> Styler:
    """Give cells, by row and column, classes of the style sheet."""
    classes = pd.DataFrame("", styler.index, styler.columns)
    for cell, kind in marks.items():
        classes.loc[cell] = f"{classes.loc[cell]} {kind}".strip()
    return styler.set_td_classes(classes)


def shade(value: float, bound: float) -> str:
    """Colour of a cell between red at ``-bound`` and blue at ``bound``.

    >>> shade(0.05, 0.1), shade(-0.2, 0.1), shade(float("nan"), 0.1)
    ('background-color: rgba(47,120,176,0.35)', 'background-color: rgba(200,85,61,0.70)', '')
    """
    if pd.isna(value) or value == 0:
        return ""
    strength = 0.7 * min(abs(value) / bound, 1)
    return f"background-color: rgba({_BLUE if value > 0 else _RED},{strength:.2f})"


def to_html(table: Styler, kind: str = "numbers") -> str:
    """Render a table of a kind that the style sheet knows: "numbers" or "words"."""
    return str(table.to_html(table_attributes=f'class="{kind}"'))


def _escaped(words: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: escape("–" if pd.isna(value) else words(value))
