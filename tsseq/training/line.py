"""The best line: a ridge regression of the horizon on the row, beside which a network learns the rest."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.networks.batch import Batch
from tsseq.networks.layers import flatten_row
from tsseq.training.loader import DeviceRows
from tsseq.typing import Index

MOST_COLUMNS = 1024  # more covariates than that are left to the network
MOST_NUMBERS = 2**21  # of all series' lines; more series share one
MOST_PRODUCTS = 10**10  # multiplications that the normal equations may cost
ROWS_AT_ONCE = 4096
FEW_MAPS = 32  # that all of them forecast every row
STRENGTH = 1e-4  # of the ridge, relative to the mean square of a column
WORSE = 1.02  # errors of lines of their own beside those of one for all: above it, series are alike
OWN_SHARE, OWN_ROWS = 0.3, 1000  # what draws a series' line to that of all: a share of its rows, and rows


class Line(nn.Module):
    """A fixed linear map of every row to a forecast (B, H, C), scaled.

    A target's forecast is a map of its own past and of all covariates that are numbers; the past of other targets is
    left to the network. Every series that was seen in training has a map of its own, if all of them fit into
    `MOST_NUMBERS`; other series have one in common.

    Parameters
    ----------
    layout : Layout
        Sizes of a row.
    n_series : int, default 0
        Series with a map of their own.

    Attributes
    ----------
    weight : Tensor of shape (1 + n_series, n_targets, n_columns, horizon)
        The maps; the first one is that of unknown series.
    share : Tensor of shape ()
        How much of what the network says besides is believed, 0 to 1.
    """

    weight: Tensor
    share: Tensor

    def __init__(self, layout: Layout, n_series: int = 0) -> None:
        super().__init__()
        self.layout = layout
        n_others = layout.width - layout.n_targets * layout.context_length
        self.reads_covariates = layout.context_length + n_others < MOST_COLUMNS
        n_columns = layout.context_length + n_others * self.reads_covariates + 1
        self.register_buffer("weight", torch.zeros(1 + n_series, layout.n_targets, n_columns, layout.horizon))
        self.register_buffer("share", torch.ones(()))

    def forward(self, batch: Batch) -> Tensor:
        """(B, H, C)."""
        columns, codes = self.columns(batch), torch.where(batch.codes < len(self.weight), batch.codes, 0)
        if len(self.weight) > FEW_MAPS:
            return (columns[:, :, None] @ self.weight[codes]).squeeze(2).mT
        forecasts = torch.einsum("bcp,scph->bsch", columns, self.weight)  # sooner done than a copy of a map per row
        return forecasts[torch.arange(len(codes), device=codes.device), codes].mT

    def columns(self, batch: Batch) -> Tensor:
        """(B, C, n_columns) what the forecast of every target is a map of; 0 where missing, 1 at the end."""
        target = batch.values.target.mT  # (B, C, L)
        past = pad(target, (self.layout.context_length - target.shape[2], 0))
        others = flatten_row(batch, self.layout)[1:4] if self.reads_covariates else []
        shared = torch.cat([*others, past.new_ones(len(past), 1)], dim=1)
        return torch.cat([past, shared[:, None].expand(-1, past.shape[1], -1)], dim=2)

    @property
    def are_numbers(self) -> Tensor:
        """(n_columns,) whether a column is a number, and not the code of a category."""
        layout = self.layout
        both, edges = layout.context_length + layout.horizon, [layout.n_past, layout.n_past + layout.n_known]
        codes = np.array(layout.categories or (0,) * (edges[1] + layout.n_static), dtype=np.int64) > 0
        past, known, static = np.split(codes, edges)
        others = (
            [*np.tile(past, layout.context_length), *np.tile(known, both), *static] if self.reads_covariates else []
        )
        return torch.tensor([True] * layout.context_length + [not code for code in others] + [True])


def fit_line(windows: Windows, index: Index, held_out: Index, clip: float, weighted: bool = True) -> Line:
    """Solve the normal equations of some windows, of at most as many as `MOST_PRODUCTS` allows, spread evenly.

    Errors are squared. Where a target is missing, the products of its row count as many times less as values of its
    horizon are missing; where weights change within a horizon, all of it has their mean. With complete targets, of one
    weight each, the solution is exact. The line of a series is drawn to that of all,
    which is drawn to zero (partial pooling). If lines of their own forecast the held-out rows clearly worse, the series
    are alike, and have one in common.

    Parameters
    ----------
    windows : Windows
        Rows with targets.
    index : ndarray of shape (n,)
        Which of them train.
    held_out : ndarray of shape (m,)
        Which of them are held out.
    clip : float
        Bound of scaled targets.
    weighted : bool, default True
        Whether errors of a series weigh as they do in training (`Head.weighted`).

    Returns
    -------
    Line
        On the CPU.
    """
    line = Line(windows.layout, n_lines(windows))
    sums = normal_equations(line, windows, index, clip, weighted)
    pooled = _ridge(sums.squares.sum(dim=(0, 1)), sums.products.sum(dim=(0, 1)), STRENGTH)
    lines = pooled.expand_as(sums.products).clone()  # (S, C, p, H)
    for place in np.ndindex(*sums.counts.shape) if lines[..., 0, 0].numel() > 1 else ():
        if sums.counts[place] > 0:
            rest = sums.products[place] - sums.squares[place] @ pooled
            lines[place] += _ridge(sums.squares[place], rest, OWN_SHARE + OWN_ROWS / float(sums.counts[place]))
    if len(held_out) and len(lines) > 1:
        tests = normal_equations(line, windows, held_out, clip, weighted)
        if tests.error(lines) > WORSE * tests.error(pooled.expand_as(lines)):
            line = Line(windows.layout)
    line.weight.copy_(pooled)
    if len(lines) == max(len(line.weight) - 1, 1):
        line.weight[-len(lines) :] = lines
    return line


def n_lines(windows: Windows) -> int:
    """How many series can have a line of their own."""
    line, n_series = Line(windows.layout), len(windows.scaling.ids) * windows.n_channels
    return n_series if 1 < n_series <= MOST_NUMBERS // max(line.weight.numel(), line.weight.shape[2] ** 2) else 0


class Sums(NamedTuple):
    """Sums over rows, for S series with a line of their own, or S = 1 if there are none.

    Attributes
    ----------
    squares : Tensor of shape (S, C, p, p)
        Products of columns with columns.
    products : Tensor of shape (S, C, p, H)
        Products of columns with targets.
    counts : Tensor of shape (S, C)
        Rows.
    size : float
        Squares of the targets.
    """

    squares: Tensor
    products: Tensor
    counts: Tensor
    size: float

    def error(self, lines: Tensor) -> float:
        """Sum of squared errors of lines (S, C, p, H)."""
        return self.size + float((lines * (self.squares @ lines - 2 * self.products)).sum())


def normal_equations(line: Line, windows: Windows, index: Index, clip: float, weighted: bool) -> Sums:
    """What a line's solution and its errors follow from."""
    n_maps, n_targets, n_columns, horizon = line.weight.shape
    n_series, rows = max(n_maps - 1, 1), DeviceRows(windows, torch.device("cpu"))
    most = MOST_PRODUCTS / (n_targets * n_columns * (n_columns + horizon))
    chosen = torch.as_tensor(index[:: max(math.ceil(len(index) / most), 1)])
    squares = torch.zeros(n_series, n_targets, n_columns, n_columns, dtype=torch.float64)
    products = torch.zeros(n_series, n_targets, n_columns, horizon, dtype=torch.float64)
    counts, size, numbers = torch.zeros(n_series, n_targets, dtype=torch.float64), 0.0, line.are_numbers
    for part in chosen.split(ROWS_AT_ONCE):
        batch, target, weight = rows.batch(part, training=False)
        x, y = line.columns(batch).double(), target.clamp(-clip, clip).double().mT  # (B, C, p), (B, C, H)
        x = x * numbers
        unit = torch.ones_like(y[:, :, :1]) if weight is None or not weighted else weight.double().mT ** 2  # (B, C, 1)
        sample_weight = rows.sample_weight(part)
        if sample_weight is not None:
            y, emphasis = _weighted(y, sample_weight.double().mT)
            unit = unit * emphasis
        share = y.isfinite().double().mean(dim=2, keepdim=True)
        counted = share if sample_weight is None else share * emphasis
        left, right = x * (unit * share), unit * y.nan_to_num(0.0)
        size += float((right * y.nan_to_num(0.0)).sum())
        codes = batch.codes - 1 if n_maps > 1 else torch.zeros_like(batch.codes)
        for series in codes.unique().tolist():
            own = codes == series
            squares[series] += left[own].movedim(0, 2) @ x[own].movedim(0, 1)
            products[series] += x[own].movedim(0, 2) @ right[own].movedim(0, 1)
            counts[series] += counted[own].sum(dim=(0, 2))
    return Sums(squares, products, counts, size)


def _weighted(y: Tensor, sample_weight: Tensor) -> tuple[Tensor, Tensor]:
    """Targets (B, C, H), NaN where they weigh 0, and the mean weight of those of a row that count (B, C, 1)."""
    y = torch.where(sample_weight > 0, y, torch.nan)
    means = torch.where(y.isfinite(), sample_weight, torch.nan).nanmean(dim=2, keepdim=True)
    return y, means.nan_to_num(0.0)


def _ridge(squares: Tensor, products: Tensor, strength: float) -> Tensor:
    """(p, H) the solution, drawn to zero but for the last column, the intercept; 0 where the numbers are too large."""
    diagonal = squares.diagonal()
    penalty = torch.full_like(diagonal, strength * diagonal[:-1].mean().item())
    penalty[-1] = 0.0
    penalty += 1e-9 * max(diagonal.max().item(), 1.0)
    solution: Tensor = torch.linalg.solve_ex(squares + torch.diag(penalty), products)[0].float()
    return solution.double() if solution.isfinite().all() else torch.zeros_like(products)
