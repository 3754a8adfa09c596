"""Readouts of a network's states: of their mean over time, or of each by itself.

A network that has states offers ``build_encoder(layout) -> Encoder`` beside `Network.build`.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch


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
    """

    length: int
    size: int
    dropout: float


class HasStates(Protocol):
    """A network whose states can be read."""

    learning_rate: Any

    def build_encoder(self, layout: Layout) -> Encoder:
        """Make a new encoder for rows of ``layout``."""


def has_states(network: Any) -> TypeGuard[HasStates]:
    """Whether ``network`` offers its states."""
    return hasattr(network, "build_encoder")


class _Readout(Network):
    def __init__(self, network: HasStates) -> None:
        self.network = network
        self.learning_rate = network.learning_rate  # type: ignore[misc]
        self.line = self.series_embedding = False  # states are read, not rows


class MeanReadout(_Readout):
    """One output (B, 1, 1, n_params) per row, a linear map of the mean of the states over time."""

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _MeanReadoutNet(self.network.build_encoder(layout), n_params)


class StepReadout(_Readout):
    """An output (B, L, 1, n_params) for every step of the context, a linear map of its state.

    The layout's ``horizon`` is its ``context_length``; contexts longer than that have longer outputs.
    """

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """Make a new module."""
        return _StepReadoutNet(self.network.build_encoder(layout), layout, n_params)


class _MeanReadoutNet(nn.Module):
    def __init__(self, encoder: Encoder, n_params: int) -> None:
        super().__init__()
        self.encoder, self.unit = encoder, encoder.length
        self.read = nn.Sequential(nn.Dropout(encoder.dropout), nn.Linear(encoder.size, n_params))

    def forward(self, batch: Batch) -> Tensor:
        params: Tensor = self.read(self.encoder(batch).mean(1))
        return params[:, None, None]  # (B, 1, 1, n_params)


class _StepReadoutNet(nn.Module):
    def __init__(self, encoder: Encoder, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.encoder, self.horizon, self.unit = encoder, layout.horizon, encoder.length
        self.shape = (encoder.length, 1, n_params)
        self.read = nn.Sequential(nn.Dropout(encoder.dropout), nn.Linear(encoder.size, encoder.length * n_params))

    def forward(self, batch: Batch) -> Tensor:
        params = torch.unflatten(self.read(self.encoder(batch)), 2, self.shape)  # (B, n, length, 1, n_params)
        params = params.flatten(1, 2)[:, -batch.values.target.shape[1] :]  # (B, L, 1, n_params)
        # A context may come without its empty front, whose outputs nothing reads.
        return pad(params, (0, 0, 0, 0, max(self.horizon - params.shape[1], 0), 0))
