"""Beyond the end of a panel: its known covariates, forecasts block after block, sampled paths, attention weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.columns import covariate, recoded
from tsseq.data.frames import parse_frame
from tsseq.data.layout import Layout
from tsseq.data.panel import Frame, Panel
from tsseq.data.scaling import Scaling
from tsseq.data.tidy import key_names
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError, DataError
from tsseq.forecasting.rows import (
    Levels,
    as_needed,
    check_observed,
    draw_rows,
    forecast_rows,
    in_units,
    with_likeliest,
)
from tsseq.resampling.sobol import PATHS, sobol_uniforms
from tsseq.typing import Array, Index

SERIES_AT_ONCE, PATHS_AT_ONCE = 256, 32


@dataclass(frozen=True)
class Rollout:
    """Origins at the end of every series, and the rows to come.

    Attributes
    ----------
    panel : Panel
        Series of equal shape: a context, in front of which a shorter series has missing rows, and the rows to come.
    origins : ndarray of shape (S,)
        Row of the last observation.
    lengths : ndarray of shape (S,)
        Observed rows of each context.
    steps : int
        Rows to forecast; the panel has them rounded up to whole blocks of ``layout.horizon``.
    layout : Layout
        Sizes of a row.
    scaling : Scaling
        What was learnt in `fit`.
    temperature : float, default 1.0
        Power of draws of categories, as in `Forecaster.sample`.
    top_k : int or None, default None
        How many of the most probable categories are drawn; None draws all.
    """

    panel: Panel
    origins: Index
    lengths: Index
    steps: int
    layout: Layout
    scaling: Scaling
    temperature: float = 1.0
    top_k: int | None = None

    def forecast(self, regressor: Any, levels: Levels) -> Array:
        """(S, steps, targets, 1 + Q): the point forecast, rolled forward, then quantiles or probabilities.

        Beyond the first block, quantiles are those of sampled paths, which all series draw alike: what is forecast with
        a series does not change its quantiles. Likewise, probabilities of categories are shares of paths.
        """
        horizon, n_classes = self.layout.horizon, self.panel.n_classes
        shares = n_classes and hasattr(regressor, "predict_proba")
        if self.steps <= horizon or not (shares or levels is not None):
            return self._roll(lambda windows: forecast_rows(regressor, windows, levels))
        first = replace(self, steps=horizon).forecast(regressor, levels)
        draws = self._paths(regressor, PATHS, seed=None)
        if levels is None:
            chances = [np.stack([(paths == k).mean(axis=0) for k in range(n_classes)], axis=-1) for paths in draws]
            values = with_likeliest(np.concatenate(chances))
        else:
            point = self.forecast(regressor, None)
            quantiles = [np.quantile(paths, levels, axis=0) for paths in draws]
            values = np.concatenate([point, np.moveaxis(np.concatenate(quantiles, axis=1), 0, -1)], axis=-1)
        values[:, :horizon] = first
        return values

    def sample(self, regressor: Any, n_paths: int, seed: int | None) -> Array:
        """Paths (n_paths, S, steps, targets) in the data's units, each going on from its own draws.

        Series are drawn independently; without a ``seed``, all by the same evenly spread numbers.
        """
        return np.concatenate(list(self._paths(regressor, n_paths, seed)), axis=1)

    def _paths(self, regressor: Any, n_paths: int, seed: int | None) -> Iterator[Array]:
        """Paths (n_paths, s, steps, targets) of some series after others, so that few are in memory at once."""
        blocks = list(self._uniforms(n_paths, seed))
        size = max(SERIES_AT_ONCE // self.panel.n_targets, 1)
        for first in range(0, len(self.origins), size):
            last = min(first + size, len(self.origins))
            yield self._tiled(1, first, last)._paths_of([block[:, :, first:last] for block in blocks], regressor)

    def _paths_of(self, blocks: list[Array], regressor: Any) -> Array:
        """Paths by the uniform numbers (channels, n_paths, S, n_outputs) of every block.

        All paths of a series begin in one context, which is read once; then each has a context of its own.
        """
        first = replace(self, steps=self.layout.horizon)
        paths = first._roll(lambda windows: self._draw(regressor, windows, blocks[0]))
        paths = np.moveaxis(paths, -1, 0)  # (n_paths, S, horizon, targets)
        if self.steps <= self.layout.horizon:
            return paths[:, :, : self.steps]
        rest = []
        for k in range(0, len(paths), PATHS_AT_ONCE):
            known = paths[k : k + PATHS_AT_ONCE]
            levels = (
                block[:, k : k + PATHS_AT_ONCE].reshape(len(block), 1, -1, block.shape[3]) for block in blocks[1:]
            )
            rest.append(self._tiled(len(known))._go_on(known, levels, regressor))
        return np.concatenate([paths, np.concatenate(rest)], axis=2)

    def _go_on(self, known: Array, levels: Iterator[Array], regressor: Any) -> Array:
        """Steps beyond the first block of paths (n, s, horizon, targets), each of which is a series of its own here."""
        values = self._roll(
            lambda windows: self._draw(regressor, windows, next(levels)), known.reshape(-1, *known.shape[2:])
        )
        return values.reshape(*known.shape[:2], -1, known.shape[3])

    def _tiled(self, n: int, first: int = 0, last: int | None = None) -> Rollout:
        """``n`` copies of successive series."""
        n_rows, origins = len(self.panel.times) // len(self.origins), self.origins[first:last]
        shift = np.arange(n)[:, None] * (n_rows * len(origins)) - first * n_rows
        lengths = np.tile(self.lengths[first:last], n)
        return replace(self, panel=self.panel.tiled(n, first, last), origins=(shift + origins).ravel(), lengths=lengths)

    def _roll(self, predict: Callable[[Windows], Array], known: Array | None = None) -> Array:
        """(S, steps, targets, K) block after block; the first of the K values becomes history.

        It begins behind the first block, where that is ``known`` (S, horizon, targets).
        """
        panel, horizon, blocks = self.panel, self.layout.horizon, []
        begin = 0 if known is None else horizon
        for first in range(begin, self.steps, horizon):
            if known is not None:
                before = panel.steps_after(self.origins + first - horizon, horizon)
                panel = panel.with_values(before, slice(0, panel.n_targets), known)
            blocks.append(predict(Windows.of(panel, self.layout, self.scaling, self.origins + first)))
            known = blocks[-1][..., 0]
        return np.concatenate(blocks, axis=1)[:, : self.steps - begin]

    def _uniforms(self, n_paths: int, seed: int | None) -> Iterator[Array]:
        """Uniform random numbers (channels, n_paths, S, n_outputs) of block after block."""
        n_channels, n_outputs = self.panel.n_targets // self.layout.n_targets, self.layout.n_outputs
        shape, n_blocks = (n_channels, n_paths, len(self.origins), n_outputs), -(-self.steps // self.layout.horizon)
        if seed is None:
            for block in np.split(sobol_uniforms(n_blocks * n_channels * n_outputs), n_blocks, axis=1):
                by_channel = block.reshape(n_paths, n_channels, 1, n_outputs).swapaxes(0, 1)
                yield np.broadcast_to(by_channel, shape)
        else:
            random = np.random.default_rng(seed)
            for _ in range(n_blocks):
                yield random.random(shape)

    def _draw(self, regressor: Any, windows: Windows, uniforms: Array) -> Array:
        """Draws (S, horizon, targets, n) in the data's units, by uniform numbers (channels, n, S, n_outputs)."""
        check_observed(windows)
        windows = as_needed(regressor, windows)
        levels = uniforms.swapaxes(0, 1).reshape(uniforms.shape[1], len(windows), -1)
        draws = draw_rows(regressor, windows, levels, self.temperature, self.top_k)
        return in_units(windows, np.moveaxis(draws, 0, -1))

    def attention_table(self, regressor: Any) -> pd.DataFrame:
        """One row per (id, target, step, row of the context), as `Forecaster.attention_weights` describes it."""
        panel, horizon, length = self.panel, self.layout.horizon, self.layout.context_length
        windows = Windows.of(panel, self.layout, self.scaling, self.origins)
        check_observed(windows)
        weights = regressor.attention(windows).reshape(-1, len(self.origins), horizon, length)  # (channels, S, H, L)
        order = np.argsort(panel.input_order)
        series, channel, step, row = (x.ravel() for x in np.indices((len(order), len(weights), horizon, length)))
        series = order[series]
        observed = row >= length - self.lengths[series]
        channel, series, step, row = channel[observed], series[observed], step[observed], row[observed]
        origin = self.origins[series]
        id_name, time_name = key_names(panel.frame_layout.names)
        columns: dict[Any, Any] = {} if panel.ids[0] is None else {id_name: panel.ids.take(series)}
        if len(weights) > 1:
            columns["target"] = pd.Categorical.from_codes(channel, list(panel.schema.target))
        columns |= {time_name: panel.times.take(origin + 1 + step), "step": step + 1}
        columns |= {"context_time": panel.times.take(origin - length + 1 + row)}
        return pd.DataFrame(columns | {"weight": weights[channel, series, step, row]})


def with_known(panel: Panel, steps: int, future: Frame | None) -> Panel:
    """Write the known covariates of ``future`` into the last ``steps`` rows of every series of ``panel``."""
    if future is not None and not panel.schema.known:
        raise ConfigError("future= holds known covariates; name them with known= first.")
    rows = panel.steps_after(panel.indptr[1:] - steps - 1, steps).ravel()
    if future is not None:
        panel = panel.with_values(rows, _columns(panel), read_known(future, panel, rows))
    check_known(panel, rows, "future=")
    return panel


def read_known(future: Frame, panel: Panel, rows: Index) -> Array:
    """(n, n_known) known covariates of ``rows`` (n,) of ``panel`` as ``future`` gives them; NaN where it does not.

    Rows are matched by id and time, never by position. Categories that `fit` has not seen are 0.
    """
    names = panel.schema.known
    parsed = parse_frame(future, replace(panel.schema, target=()), panel.frame_layout)
    replace(panel.schema, target=names, past=(), known=(), static=(), calendar=()).resolve(parsed.columns.columns)
    keys = parsed.times if parsed.ids is None else pd.MultiIndex.from_arrays([parsed.ids, parsed.times])
    if not keys.is_unique:
        raise DataError(f"the future frame has rows that occur more than once (first: {keys[keys.duplicated()][0]}).")
    wanted = panel.times.take(rows)
    _check_common(wanted, parsed.times)
    if parsed.ids is not None:
        wanted = pd.MultiIndex.from_arrays([panel.ids.take(panel.series_of_row[rows]), wanted])
    source = keys.get_indexer(wanted)
    of = panel.category_of
    columns = [recoded(*covariate(parsed, name, name in of), of.get(name), name) for name in names]
    values: Array = np.column_stack(columns)[source]
    values[source < 0] = np.nan
    return values


def _check_common(coming: pd.Index, times: pd.Index) -> None:
    """Refuse a future frame without any of the coming rows."""
    if coming.isin(times).any():
        return
    zones = [getattr(index, "tz", None) for index in (coming, times)]
    kinds = ["", ""]
    if (zones[0] is None) != (zones[1] is None):
        kinds = [" without a time zone" if zone is None else f" in {zone}" for zone in zones]
    rows = f"no timestamp of future= is among the {len(coming)} coming rows"
    begin = f"those begin at {coming[0]}{kinds[0]}, future= at {times[0]}{kinds[1]}"
    raise DataError(f"{rows}: {begin}; make_future_frame() gives the frame to fill.")


def _columns(panel: Panel) -> slice:
    """Where the known covariates of a frame lie among the values."""
    first = len(panel.schema.target + panel.schema.past)
    return slice(first, first + len(panel.schema.known))


def check_known(panel: Panel, rows: Index, where: str) -> None:
    """Known covariates must be there in the future ``rows``; a DataError names the first that is not."""
    if not panel.schema.known:
        return
    empty = np.argwhere(np.isnan(panel.values[rows][:, _columns(panel)]))
    if len(empty):
        row, column = rows[empty[0, 0]], panel.schema.known[empty[0, 1]]
        series = panel.ids[panel.series_of(row)]
        place = panel.times[row] if series is None else f"{series!r} {panel.times[row]}"
        missing = f"{len(empty)} values are missing (first: {column!r} at {place})"
        needed = f"{where} needs the known covariates of {len(rows)} coming rows"
        raise DataError(f"{needed}; {missing}; make_future_frame() gives the frame to fill.")
