"""Readouts of a network's states: of their mean over time, or of each by itself.

A network that has states offers ``build_encoder(layout) -> Encoder`` beside `Network.build`.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch, n_leading_missing
from tsseq.networks.decoding import StepDecoder
from tsseq.networks.layers import n_segments

SURE = -1e4  # a logit beside which another is certain


class Encoder(nn.Module):
    """States (B, n, size) after each of n segments of the context, the last of which ends at its end; abstract.

    Attributes
    ----------
    length : int
        Rows per segment.
    size : int
        Width of a state.
    dropout : float
        Share of a state to drop before it is read.
    reads_ragged : bool
        Whether it reads contexts of unequal length together, by ``batch.n_missing``; states before their first row
        are zero.
    """

    length: int
    size: int
    dropout: float
    reads_ragged: bool = False


class HasStates(Protocol):
    """A network whose states can be read."""

    learning_rate: Any

    def build_encoder(self, layout: Layout) -> Encoder:
        """Make a new encoder for rows of ``layout``."""


def has_states(network: Any) -> TypeGuard[HasStates]:
    """Whether ``network`` offers its states."""
    return hasattr(network, "build_encoder")


class Transduces(Protocol):
    """A network that can write symbol by symbol."""

    learning_rate: Any

    def build_transducer(self, layout: Layout, n_params: int) -> StepDecoder:
        """Make a new module for rows of ``layout``."""


class _Readout(Network):
    def __init__(self, network: Any) -> None:
        self.network = network
        self.learning_rate = network.learning_rate  # type: ignore[misc]
        self.line = self.series_embedding = False  # states are read, not rows


class MeanReadout(_Readout):
    """Outputs (B, horizon, 1, n_params) for every row, a linear map of the mean of the states over time."""

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _MeanReadoutNet(self.network.build_encoder(layout), (layout.horizon, 1, n_params))


class StepReadout(_Readout):
    """An output (B, L, 1, n_params) for every step of the context, a linear map of its state.

    The layout's ``horizon`` is its ``context_length``; contexts longer than that have longer outputs.
    """

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _StepReadoutNet(self.network.build_encoder(layout), layout, n_params)


class AlignedReadout(_Readout):
    """`StepReadout` for the head `CTC`: steps before the context begins are blank for sure."""

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _AlignedReadoutNet(_StepReadoutNet(self.network.build_encoder(layout), layout, n_params))


class Transduction(_Readout):
    """Symbols (B, horizon, 1, n_params) one after another, as a network of `Transduces` writes them."""

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        module: nn.Module = self.network.build_transducer(layout, n_params)
        return module


class Beside(Network):
    """What another network says besides scores that come with the row, as its last ``n_params`` static channels."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.learning_rate = network.learning_rate  # type: ignore[misc]
        self.line = self.series_embedding = False

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _BesideNet(self.network.build(replace(layout, n_static=layout.n_static - n_params), n_params), n_params)


class _BesideNet(nn.Module):
    share: Tensor  # how much of what the core says is believed, 0 to 1

    def __init__(self, core: nn.Module, n_params: int) -> None:
        super().__init__()
        self.core, self.n_params = core, n_params
        self.register_buffer("share", torch.ones(()))
        self.unit, self.reads_ragged = getattr(core, "unit", 1), getattr(core, "reads_ragged", False)

    def forward(self, batch: Batch) -> Any:
        static, n = batch.values.static, self.n_params
        values, observed = (source._replace(static=source.static[:, :-n]) for source in (batch.values, batch.observed))
        output = self.core(batch._replace(values=values, observed=observed))
        params, *penalty = output if isinstance(output, tuple) else (output,)  # (B, H, C, n_params)
        scores = static[:, -n:] / params.shape[2]  # those of all channels are summed
        params = self.share * params + scores[:, None, None]
        return (params, *penalty) if penalty else params


class _MeanReadoutNet(nn.Module):
    def __init__(self, encoder: Encoder, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.encoder, self.unit, self.reads_ragged, self.shape = encoder, encoder.length, encoder.reads_ragged, shape
        self.read = nn.Sequential(nn.Dropout(encoder.dropout), nn.Linear(encoder.size, prod(shape)))

    def forward(self, batch: Batch) -> Tensor:
        states = self.encoder(batch)  # (B, n, size)
        whole = batch.n_missing is None
        mean = states.mean(1) if whole else states.sum(1) / n_segments(batch, self.unit)[:, None]
        return torch.unflatten(self.read(mean), 1, self.shape)  # (B, H, 1, n_params)


class _StepReadoutNet(nn.Module):
    def __init__(self, encoder: Encoder, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.encoder, self.horizon = encoder, layout.horizon
        self.unit, self.reads_ragged = encoder.length, encoder.reads_ragged
        self.shape = (encoder.length, 1, n_params)
        self.read = nn.Sequential(nn.Dropout(encoder.dropout), nn.Linear(encoder.size, encoder.length * n_params))

    def forward(self, batch: Batch) -> Tensor:
        params = torch.unflatten(self.read(self.encoder(batch)), 2, self.shape)  # (B, n, length, 1, n_params)
        params = params.flatten(1, 2)[:, -batch.values.target.shape[1] :]  # (B, L, 1, n_params)
        # A context may come without its empty front, whose outputs nothing reads.
        return pad(params, (0, 0, 0, 0, max(self.horizon - params.shape[1], 0), 0))


class _AlignedReadoutNet(nn.Module):
    def __init__(self, steps: _StepReadoutNet) -> None:
        super().__init__()
        self.steps, self.unit, self.reads_ragged = steps, steps.unit, steps.reads_ragged

    def forward(self, batch: Batch) -> Tensor:
        params = self.steps(batch)  # (B, T, 1, n_params)
        steps, lacking = (
            torch.arange(params.shape[1], device=params.device),
            params.shape[1] - batch.values.past.shape[1],
        )
        absent = steps < (lacking + n_leading_missing(batch))[:, None]  # (B, T)
        blank = params.new_full(params.shape[3:], SURE)
        blank[0] = 0.0
        return torch.where(absent[:, :, None, None], blank, params)
