"""Categories, those of covariates and of the target's past, as learnt vectors: networks read numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError
from tsseq.networks.batch import Batch, Channels

MAX_WIDTH = 50


def width_of(n_categories: int) -> int:
    """Channels of an embedding, a rule of thumb: ``1.6 * n ** 0.56``, rounded up, at most 50.

    Parameters
    ----------
    n_categories : int
        Categories to embed, at least 1.

    Returns
    -------
    int
        Width of the vector of each category.

    Examples
    --------
    >>> [width_of(n) for n in (1, 2, 10, 100, 10_000)]
    [2, 3, 6, 22, 50]
    """
    return min(MAX_WIDTH, int(-(-1.6 * n_categories**0.56 // 1)))


class Embedding(nn.Module):
    """Replace every channel of codes by the channels of a learnt vector per category.

    An unknown category (code 0) is a vector of zeros that never learns: it adds nothing. Embedded channels count as
    observed where the code was. The classes of a target are counted from 0; a missing one is such a vector of zeros.

    Parameters
    ----------
    layout : Layout
        Layout of the rows, with categories.
    n_series : int, default 0
        Above 0, the static channels end in a vector for each series, by ``batch.codes`` in 0..n_series.
    widths : mapping of str to int, optional
        Widths of tables by their names, as in ``state_dict``: "past.0", "series", "target". Default: `width_of` their
        sizes.

    Attributes
    ----------
    layout : Layout
        Layout of the batches that `forward` returns, wider and without categories.

    Raises
    ------
    ConfigError
        The layout does not give a number of categories for every covariate.

    Examples
    --------
    >>> from tsseq import Layout
    >>> Embedding(Layout(12, 3, n_known=2, categories=(7, 0))).layout.n_known  # 5 for the categories, 1 number
    6
    """

    def __init__(self, layout: Layout, n_series: int = 0, widths: Mapping[str, int] | None = None) -> None:
        super().__init__()
        first, last = layout.n_past, layout.n_past + layout.n_known
        sizes = layout.categories or (0,) * (last + layout.n_static)
        if len(sizes) != last + layout.n_static:
            raise ConfigError(f"{layout} needs a number of categories for each of {last + layout.n_static} covariates.")
        names, widths = table_names(layout), {} if widths is None else widths
        built = [_table(n, widths.get(name)) for name, n in zip(names, sizes)]
        roles = built[:first], built[first:last], built[last:]
        self.past, self.known, self.static = tables = [nn.ModuleList(role) for role in roles]
        self.series, self.target = (
            _table(n_series, widths.get("series")),
            _table(layout.n_classes, widths.get("target")),
        )
        n_past, n_known, n_static = (sum(map(_width, role)) for role in tables)
        n_static += _width(self.series) if n_series else 0
        wider = replace(layout, n_past=n_past, n_known=n_known, n_static=n_static, target_width=_width(self.target))
        self.layout = replace(wider, categories=(), n_classes=0)

    def forward(self, batch: Batch) -> Batch:
        """The batch with wider channels; the same shapes otherwise."""
        values, observed = batch.values, batch.observed
        covariates = zip(values[1:], observed[1:], (self.past, self.known, self.static))
        past, known, static = (_look_up(*role) for role in covariates)
        if isinstance(self.series, nn.Embedding):
            vectors = self.series(batch.codes)  # (B, width)
            familiar = (batch.codes > 0)[:, None].expand_as(vectors).to(static[1].dtype)
            static = torch.cat([static[0], vectors], dim=1), torch.cat([static[1], familiar], dim=1)
        target, future = values.target, batch.future
        if isinstance(self.target, nn.Embedding):
            target = self.vectors(target - (1 - observed.target))
            future = None if future is None else self.vectors(future)
        roles = (target, observed.target.expand_as(target)), past, known, static
        values, observed = Channels(*(v for v, _ in roles)), Channels(*(o for _, o in roles))
        return batch._replace(values=values, observed=observed, future=future)

    def vectors(self, values: Tensor) -> Tensor:
        """Classes (B, n, 1) of a target, -1 where missing, as (B, n, width); targets that are numbers as they are."""
        if not isinstance(self.target, nn.Embedding):
            return values
        vectors: Tensor = self.target((values.squeeze(-1) + 1).round().long())
        return vectors


def table_names(layout: Layout) -> list[str]:
    """Names of the tables of all covariates, in the order of ``layout.categories``.

    >>> table_names(Layout(12, 3, n_past=1, n_known=2))
    ['past.0', 'known.0', 'known.1']
    """
    roles = {"past": layout.n_past, "known": layout.n_known, "static": layout.n_static}
    return [f"{role}.{k}" for role, n in roles.items() for k in range(n)]


def _table(n_categories: int, width: int | None) -> nn.Module:
    if not n_categories:
        return nn.Identity()
    return nn.Embedding(n_categories + 1, width_of(n_categories) if width is None else width, padding_idx=0)


def _width(table: nn.Module) -> int:
    return table.embedding_dim if isinstance(table, nn.Embedding) else 1


def _look_up(values: Tensor, observed: Tensor, tables: nn.ModuleList) -> tuple[Tensor, Tensor]:
    """Values (..., C), and what was observed of them, with every channel of codes replaced by its vectors."""
    if not any(isinstance(table, nn.Embedding) for table in tables):
        return values, observed
    vectors, masks = [], []
    for channel, table in enumerate(tables):
        column, mask = values[..., channel : channel + 1], observed[..., channel : channel + 1]
        vectors.append(table(column.squeeze(-1).long()) if isinstance(table, nn.Embedding) else column)
        masks.append(mask.expand_as(vectors[-1]))
    return torch.cat(vectors, dim=-1), torch.cat(masks, dim=-1)
