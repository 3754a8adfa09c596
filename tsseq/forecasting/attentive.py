"""Forecasters named after their network, as in `tsseq.forecasting.named`: those with attention."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from tsseq.data.schema import Names
from tsseq.data.timestamps import Calendar
from tsseq.forecasting.named import _Named
from tsseq.heads import Head
from tsseq.networks import PatchTST, Seq2Seq, Transformer
from tsseq.training.settings import Training


class Seq2SeqForecaster(_Named):
    """Forecast with an encoder and a decoder of recurrent cells that reads its own forecasts.

    Parameters
    ----------
    horizon, context_length : rows to forecast, and rows of history that a forecast reads.
    target, past, known, static, id_column, time_column, calendar, multivariate, scaling, log : see `Forecaster`.
    cell, hidden_size, n_layers, dropout, bidirectional, attention, teacher_forcing, segment_length : see
        `tsseq.networks.Seq2Seq`.
    head : what is forecast: `Point` (the default), `Quantiles`, `Normal` or `StudentT`.
    training : how the network is trained, a `Training`.
    """

    network = Seq2Seq

    def __init__(
        self,
        horizon: int,
        context_length: int,
        *,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        calendar: Calendar = None,
        multivariate: str = "independent",
        scaling: str | None = None,
        log: bool = False,
        cell: str = "gru",
        hidden_size: int = 128,
        n_layers: int = 1,
        dropout: float = 0.3,
        bidirectional: bool = False,
        attention: str | None = "general",
        teacher_forcing: float = 0.99,
        segment_length: int | None = 24,
        head: Head | None = None,
        training: Training | None = None,
    ) -> None:
        frame: dict[str, Any] = {"target": target, "past": past, "known": known, "static": static, "calendar": calendar}
        frame |= {"id_column": id_column, "time_column": time_column, "multivariate": multivariate}
        super().__init__(horizon, context_length, scaling=scaling, log=log, head=head, training=training, **frame)
        self.cell = cell
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.attention = attention
        self.teacher_forcing = teacher_forcing
        self.segment_length = segment_length


class TransformerForecaster(_Named):
    """Forecast with an encoder and a decoder of multi-head attention.

    Parameters
    ----------
    horizon, context_length : rows to forecast, and rows of history that a forecast reads.
    target, past, known, static, id_column, time_column, calendar, multivariate, scaling, log : see `Forecaster`.
    hidden_size, n_heads, n_layers, feedforward_size, dropout, norm_first, segment_length : see
        `tsseq.networks.Transformer`.
    head : what is forecast: `Point` (the default), `Quantiles`, `Normal` or `StudentT`.
    training : how the network is trained, a `Training`.
    """

    network = Transformer

    def __init__(
        self,
        horizon: int,
        context_length: int,
        *,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        calendar: Calendar = None,
        multivariate: str = "independent",
        scaling: str | None = None,
        log: bool = False,
        hidden_size: int = 64,
        n_heads: int = 4,
        n_layers: int = 2,
        feedforward_size: int = 128,
        dropout: float = 0.1,
        norm_first: bool = True,
        segment_length: int | None = 24,
        head: Head | None = None,
        training: Training | None = None,
    ) -> None:
        frame: dict[str, Any] = {"target": target, "past": past, "known": known, "static": static, "calendar": calendar}
        frame |= {"id_column": id_column, "time_column": time_column, "multivariate": multivariate}
        super().__init__(horizon, context_length, scaling=scaling, log=log, head=head, training=training, **frame)
        self.hidden_size = hidden_size
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.feedforward_size = feedforward_size
        self.dropout = dropout
        self.norm_first = norm_first
        self.segment_length = segment_length


class PatchTSTForecaster(_Named):
    """Forecast with a Transformer encoder over overlapping patches of each target.

    Parameters
    ----------
    horizon, context_length : rows to forecast, and rows of history that a forecast reads.
    target, past, known, static, id_column, time_column, calendar, multivariate, scaling, log : see `Forecaster`.
    patch_length, stride, hidden_size, n_heads, n_layers, feedforward_size, dropout : see `tsseq.networks.PatchTST`.
    head : what is forecast: `Point` (the default), `Quantiles`, `Normal` or `StudentT`.
    training : how the network is trained, a `Training`.
    """

    network = PatchTST

    def __init__(
        self,
        horizon: int,
        context_length: int,
        *,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        calendar: Calendar = None,
        multivariate: str = "independent",
        scaling: str | None = None,
        log: bool = False,
        patch_length: int = 16,
        stride: int = 8,
        hidden_size: int = 64,
        n_heads: int = 4,
        n_layers: int = 2,
        feedforward_size: int = 128,
        dropout: float = 0.3,
        head: Head | None = None,
        training: Training | None = None,
    ) -> None:
        frame: dict[str, Any] = {"target": target, "past": past, "known": known, "static": static, "calendar": calendar}
        frame |= {"id_column": id_column, "time_column": time_column, "multivariate": multivariate}
        super().__init__(horizon, context_length, scaling=scaling, log=log, head=head, training=training, **frame)
        self.patch_length = patch_length
        self.stride = stride
        self.hidden_size = hidden_size
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.feedforward_size = feedforward_size
        self.dropout = dropout
