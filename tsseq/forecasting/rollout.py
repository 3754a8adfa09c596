"""Beyond the end of a panel: forecasts block after block, sampled paths, and what a forecast looked at."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.future import with_known
from tsseq.data.layout import Layout
from tsseq.data.panel import Frame, Panel
from tsseq.data.scaling import Scaling
from tsseq.data.sobol import PATHS, even_levels
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError
from tsseq.forecasting.base import check_size
from tsseq.forecasting.forecasts import Array, Levels, as_read, check_observed, forecast, in_units

Index = NDArray[np.int64]


class Ahead(NamedTuple):
    """Origins at the end of every series, and the rows to come.

    Attributes
    ----------
    panel : series of equal shape: a context, in front of which a shorter series has missing rows, and the rows to come.
    origins : (S,) row of the last observation.
    lengths : (S,) rows of each context that are really there.
    n_blocks : how often ``layout.horizon`` rows come.
    """

    panel: Panel
    origins: Index
    lengths: Index
    n_blocks: int
    layout: Layout
    scaling: Scaling

    @classmethod
    def of(cls, panel: Panel, layout: Layout, scaling: Scaling, steps: int, future: Frame | None) -> Ahead:
        """Look ``steps`` rows beyond the end of every series; ``future`` holds the known covariates to come."""
        panel = panel.tail(layout.context_length)
        n_blocks = -(-steps // layout.horizon)
        rows = n_blocks * layout.horizon
        coming = with_known(panel.extend(rows), rows, future).left_padded(layout.context_length + rows)
        return cls(coming, coming.indptr[1:] - rows - 1, panel.lengths, n_blocks, layout, scaling)


def check_steps(regressor: Any, horizon: int, past: Sequence[Hashable], steps: Any, quantiles: bool) -> None:
    """Refuse steps that cannot be known: beyond the horizon, past covariates and some regressors' quantiles are not."""
    check_size("steps", steps)
    if steps > horizon and past:
        named = ", ".join(map(str, past))
        where = f"steps={steps} goes beyond horizon={horizon}"
        raise ConfigError(f"{where}, where the past covariates {named} are unknown.")
    if steps > horizon and quantiles and not hasattr(regressor, "sample"):
        raise ConfigError(f"quantiles end at horizon={horizon}: beyond it they would be too narrow. Raise horizon.")


def forecasts_ahead(regressor: Any, ahead: Ahead, levels: Levels) -> Array:
    """(S, n_blocks * horizon, targets, 1 + Q): the point forecast, rolled forward, then quantiles.

    Beyond the first block, quantiles are those of sampled paths, which all series draw alike: what is forecast with a
    series does not change its quantiles.
    """
    if levels is None or ahead.n_blocks == 1:
        return rolled(ahead, lambda windows: forecast(regressor, windows, levels))
    within = rolled(ahead._replace(n_blocks=1), lambda windows: forecast(regressor, windows, levels))
    whole = rolled(ahead, lambda windows: forecast(regressor, windows))
    paths = sampled(regressor, ahead, PATHS, seed=None)  # (n_paths, S, steps, targets)
    found = np.concatenate([whole, np.moveaxis(np.quantile(paths, levels, axis=0), 0, -1)], axis=-1)
    found[:, : ahead.layout.horizon] = within
    return found


def rolled(ahead: Ahead, forecast: Callable[[Windows], Array]) -> Array:
    """(S, n_blocks * horizon, targets, K): what ``forecast`` gives block after block.

    The first of the K values becomes history for the next block.
    """
    panel, horizon, found = ahead.panel, ahead.layout.horizon, []
    for block in range(ahead.n_blocks):
        at = ahead.origins + block * horizon
        found.append(forecast(Windows.of(panel, ahead.layout, ahead.scaling, at)))
        own = slice(0, len(panel.schema.target))
        panel = panel.with_values(at[:, None] + np.arange(1, horizon + 1), own, found[-1][..., 0])
    return np.concatenate(found, axis=1)


def sampled(regressor: Any, ahead: Ahead, n_paths: int, seed: int | None) -> Array:
    """Paths (n_paths, S, n_blocks * horizon, targets) in the data's units, each going on from its own draws.

    Series are drawn independently; without a ``seed``, all by the same evenly spread numbers.
    """
    rows = np.arange(n_paths)[:, None] * len(ahead.panel.times)
    many = ahead._replace(panel=ahead.panel.tiled(n_paths), origins=(rows + ahead.origins).ravel())
    levels = _levels(ahead, n_paths, seed)

    def draw(windows: Windows) -> Array:
        check_observed(windows)
        windows = as_read(regressor, windows)
        return in_units(windows, regressor.sample(windows, next(levels).reshape(1, len(windows), -1))[0][..., None])

    return rolled(many, draw)[..., 0].reshape(n_paths, len(ahead.origins), -1, len(ahead.panel.schema.target))


def _levels(ahead: Ahead, n_paths: int, seed: int | None) -> Iterator[Array]:
    """Random numbers (channels, n_paths, S, n_outputs) of block after block; see `sampled`."""
    n_channels, n_outputs = len(ahead.panel.schema.target) // ahead.layout.n_targets, ahead.layout.n_outputs
    shape = (n_channels, n_paths, len(ahead.origins), n_outputs)
    if seed is None:
        for block in np.split(even_levels(ahead.n_blocks * n_channels * n_outputs), ahead.n_blocks, axis=1):
            by_channel = block.reshape(n_paths, n_channels, 1, n_outputs).swapaxes(0, 1)
            yield np.broadcast_to(by_channel, shape)
    else:
        random = np.random.default_rng(seed)
        for _ in range(ahead.n_blocks):
            yield random.random(shape)


def attention_table(regressor: Any, ahead: Ahead) -> pd.DataFrame:
    """One row per (id, target, step, row of the context)."""
    windows = Windows.of(ahead.panel, ahead.layout, ahead.scaling, ahead.origins)
    check_observed(windows)
    horizon, length = ahead.layout.horizon, ahead.layout.context_length
    weights = regressor.attention(windows).reshape(-1, len(ahead.origins), horizon, length)  # (channels, S, H, L)
    targets = list(ahead.panel.schema.target) if len(weights) > 1 else [None]
    order = np.argsort(ahead.panel.input_order)
    series, channel, step, row = (x.ravel() for x in np.indices((len(order), len(weights), horizon, length)))
    series = order[series]
    real = row >= length - ahead.lengths[series]
    channel, series, step, row = channel[real], series[real], step[real], row[real]
    times, ids, origin = ahead.panel.times, ahead.panel.ids, ahead.origins[series]
    found: dict[str, Any] = {} if ids[0] is None else {"id": ids.take(series)}
    found |= {} if targets == [None] else {"target": pd.Categorical.from_codes(channel, targets)}
    found |= {"time": times.take(origin + 1 + step), "step": step + 1}
    found |= {"context_time": times.take(origin - length + 1 + row), "weight": weights[channel, series, step, row]}
    return pd.DataFrame(found)
