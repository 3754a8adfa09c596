"""Categories as learnt vectors, so that networks read numbers only."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.batch import Batch, Channels

WIDEST = 50


def width_of(n_categories: int) -> int:
    """Channels of an embedding, a rule of thumb: ``1.6 * n ** 0.56``, rounded up, at most 50.

    >>> [width_of(n) for n in (1, 2, 10, 100, 10_000)]
    [2, 3, 6, 22, 50]
    """
    return min(WIDEST, int(-(-1.6 * n_categories**0.56 // 1)))


class Embedding(nn.Module):
    """Replace every channel of codes by the channels of a learnt vector per category.

    An unknown category (code 0) is a vector of zeros that never learns: it adds nothing. Embedded channels count as
    observed where the code was.

    Parameters
    ----------
    layout : layout of the rows, with categories.
    n_series : above 0, the static channels end in a vector for each series, by ``batch.codes`` in 0..n_series.

    Attributes
    ----------
    layout : layout of what `forward` returns, wider and without categories.
    """

    def __init__(self, layout: Layout, n_series: int = 0) -> None:
        super().__init__()
        first, last = layout.n_past, layout.n_past + layout.n_known
        numbers = layout.categories or (0,) * (last + layout.n_static)
        if len(numbers) != last + layout.n_static:
            raise ConfigError(f"{layout} needs a number of categories for each of {last + layout.n_static} covariates.")
        parts = numbers[:first], numbers[first:last], numbers[last:]
        self.past, self.known, self.static = tables = [nn.ModuleList(map(_table, part)) for part in parts]
        self.series = _table(n_series)
        n_past, n_known, n_static = (sum(map(_width, part)) for part in tables)
        n_static += _width(self.series) if n_series else 0
        self.layout = replace(layout, n_past=n_past, n_known=n_known, n_static=n_static, categories=())

    def forward(self, batch: Batch) -> Batch:
        """The batch with wider channels; the same shapes otherwise."""
        values, seen = batch.values, batch.observed
        past = _widened(values.past, seen.past, self.past)
        known = _widened(values.known, seen.known, self.known)
        static = _widened(values.static, seen.static, self.static)
        if isinstance(self.series, nn.Embedding):
            found = self.series(batch.codes)  # (B, width)
            familiar = (batch.codes > 0)[:, None].expand_as(found)
            static = torch.cat([static[0], found], dim=1), torch.cat([static[1], familiar.to(static[1].dtype)], dim=1)
        parts = (values.target, seen.target), past, known, static
        return batch._replace(values=Channels(*(v for v, _ in parts)), observed=Channels(*(s for _, s in parts)))


def _table(n_categories: int) -> nn.Module:
    return nn.Embedding(n_categories + 1, width_of(n_categories), padding_idx=0) if n_categories else nn.Identity()


def _width(table: nn.Module) -> int:
    return table.embedding_dim if isinstance(table, nn.Embedding) else 1


def _widened(values: Tensor, seen: Tensor, tables: nn.ModuleList) -> tuple[Tensor, Tensor]:
    """(..., C) -> (..., more): the channels of codes are looked up in their tables; so for what was observed."""
    if not any(isinstance(table, nn.Embedding) for table in tables):
        return values, seen
    found, observed = [], []
    for channel, table in enumerate(tables):
        one, own = values[..., channel : channel + 1], seen[..., channel : channel + 1]
        found.append(table(one.squeeze(-1).long()) if isinstance(table, nn.Embedding) else one)
        observed.append(own.expand_as(found[-1]))
    return torch.cat(found, dim=-1), torch.cat(observed, dim=-1)
