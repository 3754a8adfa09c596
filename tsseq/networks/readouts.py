"""Read-outs of the states that a network passes through: of all of them together, or of each by itself.

A network that has states offers ``build_encoder(layout) -> Encoder`` beside `Network.build`.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard

from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.networks.base import Network
from tsseq.networks.batch import Batch


class Encoder(nn.Module):
    """States (B, n, size) after each of n segments of the context, the last of which ends at its end; abstract.

    Attributes
    ----------
    length : rows per segment.
    size : width of a state.
    dropout : share of a state to drop before it is read.
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


class Pooled(Network):
    """One output (B, 1, 1, n_params) per row, a linear map of the mean of the states over time."""

    def __init__(self, network: HasStates) -> None:
        self.network = network
        self.learning_rate = network.learning_rate  # type: ignore[misc]

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        return _PooledNet(self.network.build_encoder(layout), n_params)


class Stepwise(Network):
    """An output (B, L, 1, n_params) for every step of the context, a linear map of its state.

    The layout's ``horizon`` is its ``context_length``; contexts longer than that have longer outputs.
    """

    def __init__(self, network: HasStates) -> None:
        self.network = network
        self.learning_rate = network.learning_rate  # type: ignore[misc]

    def build(self, layout: Layout, n_params: int) -> nn.Module:
        """See `Network`."""
        return _StepwiseNet(self.network.build_encoder(layout), layout, n_params)


class _PooledNet(nn.Module):
    def __init__(self, encoder: Encoder, n_params: int) -> None:
        super().__init__()
        self.encoder, self.unit = encoder, encoder.length
        self.read = nn.Sequential(nn.Dropout(encoder.dropout), nn.Linear(encoder.size, n_params))

    def forward(self, batch: Batch) -> Tensor:
        values: Tensor = self.read(self.encoder(batch).mean(1))
        return values[:, None, None]  # (B, 1, 1, n_params)


class _StepwiseNet(nn.Module):
    def __init__(self, encoder: Encoder, layout: Layout, n_params: int) -> None:
        super().__init__()
        self.encoder, self.horizon, self.unit = encoder, layout.horizon, encoder.length
        self.out = (encoder.length, 1, n_params)
        self.read = nn.Sequential(nn.Dropout(encoder.dropout), nn.Linear(encoder.size, encoder.length * n_params))

    def forward(self, batch: Batch) -> Tensor:
        values = self.read(self.encoder(batch)).unflatten(2, self.out).flatten(1, 2)  # (B, n * length, 1, n_params)
        values = values[:, -batch.values.target.shape[1] :]  # (B, L, 1, n_params)
        # A context may come without its empty front, whose outputs nothing reads.
        return pad(values, (0, 0, 0, 0, max(self.horizon - values.shape[1], 0), 0))
