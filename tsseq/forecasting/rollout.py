"""Beyond the end of a panel: forecasts block after block, sampled paths, and attention weights."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tsseq.data.future import with_known
from tsseq.data.layout import Layout
from tsseq.data.panel import Frame, Panel
from tsseq.data.scaling import Scaling
from tsseq.data.tidy import key_names
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError
from tsseq.forecasting.base import check_size
from tsseq.forecasting.rows import Levels, as_needed, check_observed, forecast_rows, in_units
from tsseq.resampling.sobol import PATHS, sobol_uniforms
from tsseq.typing import Array, Index


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
    n_blocks : int
        How often ``layout.horizon`` rows come.
    layout : Layout
        Sizes of a row.
    scaling : Scaling
        What was learnt in `fit`.
    """

    panel: Panel
    origins: Index
    lengths: Index
    n_blocks: int
    layout: Layout
    scaling: Scaling

    @classmethod
    def of(cls, panel: Panel, layout: Layout, scaling: Scaling, steps: int, future: Frame | None) -> Rollout:
        """Look ``steps`` rows beyond the end of every series; ``future`` holds the known covariates to come."""
        history = panel.tail(layout.context_length)
        n_blocks = -(-steps // layout.horizon)
        n_rows = n_blocks * layout.horizon
        extended = with_known(history.extend(n_rows), n_rows, future).left_padded(layout.context_length + n_rows)
        return cls(extended, extended.indptr[1:] - n_rows - 1, history.lengths, n_blocks, layout, scaling)

    def forecast(self, regressor: Any, levels: Levels) -> Array:
        """(S, n_blocks * horizon, targets, 1 + Q): the point forecast, rolled forward, then quantiles.

        Beyond the first block, quantiles are those of sampled paths, which all series draw alike: what is forecast with
        a series does not change its quantiles.
        """
        if levels is None or self.n_blocks == 1:
            return self._roll(lambda windows: forecast_rows(regressor, windows, levels))
        first = replace(self, n_blocks=1)._roll(lambda windows: forecast_rows(regressor, windows, levels))
        point = self._roll(lambda windows: forecast_rows(regressor, windows))
        paths = self.sample(regressor, PATHS, seed=None)  # (n_paths, S, steps, targets)
        values = np.concatenate([point, np.moveaxis(np.quantile(paths, levels, axis=0), 0, -1)], axis=-1)
        values[:, : self.layout.horizon] = first
        return values

    def sample(self, regressor: Any, n_paths: int, seed: int | None) -> Array:
        """Paths (n_paths, S, n_blocks * horizon, targets) in the data's units, each going on from its own draws.

        Series are drawn independently; without a ``seed``, all by the same evenly spread numbers.
        """
        first_rows = np.arange(n_paths)[:, None] * len(self.panel.times)
        tiled = replace(self, panel=self.panel.tiled(n_paths), origins=(first_rows + self.origins).ravel())
        uniforms = self._uniforms(n_paths, seed)

        def draw(windows: Windows) -> Array:
            check_observed(windows)
            windows = as_needed(regressor, windows)
            paths = regressor.sample(windows, next(uniforms).reshape(1, len(windows), -1))
            return in_units(windows, paths[0][..., None])

        return tiled._roll(draw)[..., 0].reshape(n_paths, len(self.origins), -1, self.panel.n_targets)

    def _roll(self, predict: Callable[[Windows], Array]) -> Array:
        """(S, n_blocks * horizon, targets, K) block after block; the first of the K values becomes history."""
        panel, horizon, blocks = self.panel, self.layout.horizon, []
        for block in range(self.n_blocks):
            origins = self.origins + block * horizon
            blocks.append(predict(Windows.of(panel, self.layout, self.scaling, origins)))
            panel = panel.with_values(
                panel.steps_after(origins, horizon), slice(0, panel.n_targets), blocks[-1][..., 0]
            )
        return np.concatenate(blocks, axis=1)

    def _uniforms(self, n_paths: int, seed: int | None) -> Iterator[Array]:
        """Uniform random numbers (channels, n_paths, S, n_outputs) of block after block."""
        n_channels, n_outputs = self.panel.n_targets // self.layout.n_targets, self.layout.n_outputs
        shape = (n_channels, n_paths, len(self.origins), n_outputs)
        if seed is None:
            uniforms = sobol_uniforms(self.n_blocks * n_channels * n_outputs)
            for block in np.split(uniforms, self.n_blocks, axis=1):
                by_channel = block.reshape(n_paths, n_channels, 1, n_outputs).swapaxes(0, 1)
                yield np.broadcast_to(by_channel, shape)
        else:
            random = np.random.default_rng(seed)
            for _ in range(self.n_blocks):
                yield random.random(shape)

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


def check_steps(regressor: Any, horizon: int, past: Sequence[Hashable], steps: Any, quantiles: bool) -> None:
    """Refuse steps that cannot be known: beyond the horizon, past covariates and some regressors' quantiles are not."""
    check_size("steps", steps)
    if steps > horizon and past:
        named = ", ".join(map(str, past))
        raise ConfigError(
            f"steps={steps} goes beyond horizon={horizon}, where the past covariates {named} are unknown."
        )
    if steps > horizon and quantiles and not hasattr(regressor, "sample"):
        raise ConfigError(f"quantiles end at horizon={horizon}: beyond it they would be too narrow. Raise horizon.")
