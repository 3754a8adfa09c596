"""The style that all pictures share, those of the report too: colours, fonts, lines and axes.

matplotlib takes long to import and is imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tsseq.data.tidy import NAIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers too; naive forecasts are grey and dashed.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
GREYS = (("#444444", "dash"), ("#777777", "dot"), ("#999999", "dashdot"), ("#777777", "longdash"))
ACTUAL, BENCHMARK, BARS = "#111111", "#777777", "#6b8fab"
INK, TEXT, SOFT, AXIS, GRID = "#1d2329", "#3d464f", "#5c6670", "#aab2ba", "#e9ecef"
FONTS = ("Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "Arial")
CSS_FONTS = ", ".join(["system-ui", "-apple-system", *(f'"{name}"' for name in FONTS), "sans-serif"])
BAND = 0.15  # opacity of the widest of nested bands
_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}


class Line(NamedTuple):
    """How a line looks.

    Attributes
    ----------
    colour : str
        As "#rrggbb".
    dash : str
        "solid", "dash", "dot", "dashdot" or "longdash", as plotly calls them.
    width : float
        In pixels of the report, about points of matplotlib.
    """

    colour: str
    dash: str = "solid"
    width: float = 2.0

    @property
    def options(self) -> dict[str, Any]:
        """The same as keywords of matplotlib."""
        return {"color": tone(self.colour), "linestyle": _DASHES[self.dash], "linewidth": 0.8 * self.width}


def light_on_dark() -> bool:
    """Whether matplotlib's settings write light on dark, as those of its style "dark_background" do."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb

    return sum(to_rgb(rcParams["text.color"])) > 1.5


def band() -> float:
    """Opacity of the widest of nested bands, as matplotlib draws it."""
    return 2 * BAND if light_on_dark() else BAND


def tone(colour: str) -> str:
    """A colour as matplotlib draws it: where its settings write light on dark, greys become as light as they were dark.

    >>> import matplotlib
    >>> with matplotlib.rc_context({"text.color": "white"}):
    ...     tone("#111111"), tone("#0072b2")
    ('#eeeeee', '#0072b2')
    """
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(colour)
    grey = max(red, green, blue) - min(red, green, blue) < 0.1
    return str(to_hex((1 - red, 1 - green, 1 - blue))) if grey and light_on_dark() else colour


def line_of(name: str, models: Sequence[str]) -> Line:
    """Look of a model among others, in their order.

    >>> line_of("ridge", ["last_value", "gru", "ridge"]), line_of("last_value", ["last_value", "gru"]).dash
    (Line(colour='#d55e00', dash='solid', width=2.0), 'dash')
    """
    if name in NAIVE:
        return Line(*GREYS[NAIVE.index(name) % len(GREYS)], width=1.5)
    return Line(COLOURS[[model for model in models if model not in NAIVE].index(name) % len(COLOURS)])


def new_grid(n: int, *, height: float = 4.0) -> list[Axes]:
    """Make a figure of n axes, three in a row at most; a single one is ``height`` inches high."""
    import matplotlib.pyplot as plt

    columns = 2 if n == 4 else min(n, 3)
    rows = -(-n // columns)
    size = (8.0, height) if n == 1 else (4.0 + 2.0 * columns, 2.3 * rows + 0.6)
    _, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    axes = list(grid.ravel())
    for ax in axes[n:]:
        ax.remove()
    return axes[:n]


def picture(ax: Axes) -> Figure:
    """The whole figure that axes are in."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def new_stack(heights: Sequence[float]) -> list[Axes]:
    """Make a figure of axes one below the other, over one horizontal axis."""
    import matplotlib.pyplot as plt

    size, n = (8.0, sum(heights)), len(heights)
    _, grid = plt.subplots(n, figsize=size, height_ratios=heights, sharex=True, squeeze=False, layout="constrained")
    return list(grid.ravel())


def dress(ax: Axes, xlabel: str = "", ylabel: str = "", title: str = "") -> None:
    """Draw no box, light horizontal lines behind the data, and quiet labels."""
    label: dict[str, Any] = {"color": tone(TEXT), "fontfamily": fonts(), "fontsize": 9}
    ax.set_xlabel(xlabel, **label)
    ax.set_ylabel(ylabel, **label)
    ax.set_title(title, loc="left", **label | {"color": tone(INK)})
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(tone(AXIS))
    ax.grid(axis="y", color=tone(GRID), linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(color=tone(AXIS), labelcolor=tone(TEXT), labelsize=9, labelfontfamily=fonts())
    ax.tick_params(axis="y", length=0)


def time_axis(ax: Axes, times: pd.Index, most: int = 9) -> None:
    """Put few dates on the horizontal axis, so that they never collide, or whole numbers."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if not isinstance(times, (pd.DatetimeIndex, pd.PeriodIndex)):
        whole_numbers(ax, most=most)
        return
    locator = AutoDateLocator(minticks=most // 2, maxticks=most)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    dates = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    dates.formats[2], dates.offset_formats[2] = "%b %d", "%Y"  # a day of no month says nothing
    ax.xaxis.set_major_formatter(dates)
    ax.xaxis.get_offset_text().set(color=tone(TEXT), fontsize=9, fontfamily=fonts())


def whole_numbers(ax: Axes, axis: str = "x", most: int = 12) -> None:
    """Put ticks on whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    getattr(ax, f"{axis}axis").set_major_locator(MaxNLocator(most, integer=True, steps=[1, 2, 5, 10]))


def in_percent(ax: Axes) -> None:
    """Show shares on the vertical axis as percentages."""
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %".replace("-", "\u2212"))


def add_legend(figure: Figure, title: str = "") -> None:
    """Put a title, and below it what lines mean, above all axes; a label that occurs in several stands there once."""
    entries = {label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels())}
    fits = figure.get_figwidth() * 13 > sum(len(label) + 5 for label in entries)
    legend = figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside upper left",
        ncols=len(entries) if fits else 3,
        title=title or None,
        alignment="left",
        frameon=False,
        labelcolor=tone(TEXT),
        prop={"family": fonts(), "size": 9},
        columnspacing=1.2,
        handlelength=1.6,
    )
    legend.get_title().set(color=tone(INK), fontfamily=fonts(), fontsize=11, fontweight="bold")


def add_note(figure: Figure, words: str) -> None:
    """Write a remark below all axes."""
    figure.supxlabel(words, x=0.01, ha="left", fontsize=8, color=tone(SOFT), fontfamily=fonts(), wrap=True)


def on_axis(times: pd.Index) -> pd.Index:
    """Times that matplotlib knows: periods by their start, clocks as they are on the wall."""
    if isinstance(times, pd.PeriodIndex):
        return times.to_timestamp()
    return times.tz_localize(None) if isinstance(times, pd.DatetimeIndex) else times


def fonts() -> list[str]:
    """The first of the report's fonts that is installed, then those of matplotlib's settings."""
    from matplotlib import rcParams
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return [*[name for name in FONTS if name in installed][:1], *rcParams["font.family"]]
