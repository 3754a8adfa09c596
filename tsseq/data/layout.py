"""Rows: how the numbers of a window lie on one line, and how they are gathered.

Everything here but `NumpyOps` is arithmetic that NumPy arrays and tensors share, so that rows are gathered in one way
wherever the numbers are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from tsseq.typing import Array, Index


@dataclass(frozen=True)
class Layout:
    """Sizes of a row, channel by channel: targets and past over the context, known over context and horizon, static.

    Parameters
    ----------
    context_length : int
        Rows of history, L.
    horizon : int
        Rows to forecast, H.
    n_targets : int, default 1
        Channels to forecast.
    n_past : int, default 0
        Covariates known up to the origin.
    n_known : int, default 0
        Covariates known through the horizon.
    n_static : int, default 0
        Covariates with one value per series.
    missing : bool, default False
        Whether rows may have missing values, so that networks read what was observed as well.
    categories : tuple of int, default ()
        A number for every covariate, past, known and static: K if it holds codes 0 to K of categories, 0 if it holds
        numbers; () if all do.
    n_classes : int, default 0
        K if the target holds codes 0 to K - 1 of categories, 0 if targets are numbers.
    target_width : int, default 1
        Channels that a network reads of every target: above 1, the past of a target of categories is that many numbers.

    Notes
    -----
    A network is built for a layout (`Network.build`): ``horizon``, ``n_targets`` and the number of parameters are the
    shape of its output, ``n_target_channels``, ``n_past``, ``n_known`` and ``n_static`` the channels of the `Batch`
    that it reads. The layout that it is given has no categories any more: they are channels of numbers by then.

    Examples
    --------
    >>> layout = Layout(context_length=3, horizon=2, n_known=1)
    >>> layout.width, layout.n_outputs  # columns of X and of y
    (8, 2)
    """

    context_length: int
    horizon: int
    n_targets: int = 1
    n_past: int = 0
    n_known: int = 0
    n_static: int = 0
    missing: bool = False
    categories: tuple[int, ...] = ()
    n_classes: int = 0
    target_width: int = 1

    @property
    def n_target_channels(self) -> int:
        """Channels of the past of all targets."""
        return self.n_targets * self.target_width

    @property
    def width(self) -> int:
        """Columns of X."""
        history = self.context_length * (self.n_target_channels + self.n_past)
        return history + (self.context_length + self.horizon) * self.n_known + self.n_static

    @property
    def n_outputs(self) -> int:
        """Columns of y, ordered (horizon, target)."""
        return self.horizon * self.n_targets


class Ops(Protocol):
    """The two operations in which NumPy and torch differ when rows are gathered."""

    def windows(self, flat: Any, start: Any, width: int) -> Any:
        """(len(start), width) stretches of ``flat``."""

    def join(self, blocks: list[Any]) -> Any:
        """Blocks side by side along the last axis."""

    def last_before(self, bounds: Any, places: Any) -> Any:
        """Which of the ascending ``bounds`` is the last one up to each of ``places``."""


class NumpyOps:
    """`Ops` on NumPy arrays."""

    def windows(self, flat: Array, start: Index, width: int) -> Array:
        return np.asarray(np.lib.stride_tricks.sliding_window_view(flat, width)[start])

    def join(self, blocks: list[Array]) -> Array:
        return np.concatenate(blocks, axis=-1)

    def last_before(self, bounds: Index, places: Index) -> Index:
        return np.searchsorted(bounds, places, side="right") - 1


class Store(NamedTuple):
    """The arrays that rows are gathered from; NumPy here, tensors on a device while training.

    Attributes
    ----------
    flat : array
        Every channel's values one after another: targets, covariates, static (already standardised).
    end : array of shape (n,)
        Position in ``flat`` of a window's last context value, of its first target.
    loc, scale : array of shape (n, n_targets)
        Location and scale of the window.
    bounds : array of shape (n_channels * S,)
        Where series begin in ``flat``; those of every target, where targets are series of their own.
    codes : array of shape (n_channels * S,)
        Their codes, counted over those seen in training.
    weight : array of shape (n_channels * S, n_targets)
        What an error of theirs counts in training.
    units : tuple
        Centre and spread of every covariate, past and known, that is standardised when it is read; None elsewhere.
    """

    flat: Any
    end: Any
    loc: Any
    scale: Any
    bounds: Any
    codes: Any
    weight: Any
    units: tuple[tuple[float, float] | None, ...]


def gather_rows(store: Store, layout: Layout, sizes: tuple[int, int, int], rows: Any, ops: Ops) -> tuple[Any, Any]:
    """Gather X (n, width) and y (n, horizon * n_targets) for ``rows``: the one place that reads values for a model.

    ``sizes`` are the panel's rows, target channels and series. Everything but ``ops`` is arithmetic that NumPy
    arrays and tensors share.
    """
    total, n_target_channels, n_series = sizes
    length, both = layout.context_length, layout.context_length + layout.horizon
    end, blocks, futures = store.end[rows], [], []
    for k in range(layout.n_targets):
        values = ops.windows(store.flat, end + (k * total - length + 1), both)
        values -= store.loc[rows, k][:, None]  # in place: fewer copies, and numbers that stay in the cache
        values /= store.scale[rows, k][:, None]  # (n, L + H)
        blocks.append(values[:, :length])
        futures.append(values[:, length:])
    row = end % total if layout.n_past + layout.n_known else end
    for channel, unit in enumerate(store.units):
        width = length if channel < layout.n_past else both
        values = ops.windows(store.flat, row + ((n_target_channels + channel) * total - length + 1), width)
        if unit is not None:
            values -= unit[0]
            values /= unit[1]
        blocks.append(values)
    static = (n_target_channels + layout.n_past + layout.n_known) * total
    if layout.n_static:
        series = ops.last_before(store.bounds, end) % n_series
    for column in range(layout.n_static):
        blocks.append(ops.windows(store.flat, series + static + column * n_series, 1))
    future = ops.join([block[..., None] for block in futures]) if len(futures) > 1 else futures[0]  # (n, H, n_targets)
    return ops.join(blocks) if len(blocks) > 1 else blocks[0], future.reshape(len(future), layout.n_outputs)
