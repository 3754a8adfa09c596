"""NeuralTransducer: sequences into sequences of another length and another alphabet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from torch import Tensor

from tsseq import networks
from tsseq.arguments import check_value
from tsseq.classification.base import BaseSequenceClassifier, without_past
from tsseq.classification.class_weights import step_weights
from tsseq.classification.sequences import as_sequences, is_table
from tsseq.classification.symbols import (
    Symbols,
    encode_symbols,
    holds_symbols,
    learn_vocabulary,
    members_of,
    read_symbols,
)
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows, row_weights
from tsseq.errors import ConfigError, DataError
from tsseq.heads import CTC, Categorical, Head
from tsseq.hints import documented
from tsseq.networks import GRU, Network, Seq2Seq
from tsseq.networks.batch import Batch
from tsseq.networks.decoding import checked_logits
from tsseq.networks.readouts import AlignedReadout, Transduction, has_states
from tsseq.persistence.state import State
from tsseq.training.devices import predict_rows
from tsseq.training.model import Model
from tsseq.training.settings import Training
from tsseq.training.weights import OwnGenerator
from tsseq.typing import Array

LOSSES = ("cross_entropy", "ctc")


@documented
class NeuralTransducer(BaseSequenceClassifier):
    """Turn sequences into sequences of symbols, of another length and another alphabet: translate, transcribe, spell.

    Sequences to read are texts, whose letters are the symbols, lists of texts such as words, lists of whole numbers
    with ``symbols=True``, or arrays (time,) or (time, channels) of quantities, such as the frames of a recording; NaN
    is a missing value. Sequences to write are texts or lists of symbols, which may be empty.

    With ``loss="cross_entropy"`` a decoder writes symbol by symbol, each beside those before it, until it writes the
    end; in training it reads the true ones (teacher forcing). It writes at most as many as the longest sequence in
    `fit` had, or in proportion, where it reads a longer one.

    With ``loss="ctc"`` every step that is read gives a symbol or a blank; repetitions are joined and blanks are dropped
    (Graves et al. 2006). So the order is that of what is read, there are at most as many symbols as steps, and nothing
    says where each one lies.

    Parameters
    ----------
    network : Network, optional
        With cross entropy a `Seq2Seq` or a `Transformer`, whose ``teacher_forcing`` is 1 here; None is a `Seq2Seq` of
        GRUs with attention that reads in both directions. With CTC a recurrent network; None is a bidirectional `GRU`.
        Symbols are read one by one, whatever ``segment_length``.
    training : Training, optional
        How it is trained. What is None in it is 20 epochs, at rates falling from 3e-3 to 0, and no sequence held out.
        Sequences held out are judged by what the decoder writes on its own.
    loss : {"cross_entropy", "ctc"}, default "cross_entropy"
        What training makes small.

    Attributes
    ----------
    classes_ : ndarray of shape (n_symbols,)
        The sorted symbols that are written.
    vocabulary_ : ndarray of shape (n_symbols,) or None
        The sorted symbols that are read and have vectors of their own; None if sequences hold quantities.
    network_ : torch.nn.Module
        The trained network.
    history_ : DataFrame
        Columns ``train_loss`` and ``val_loss``, a row per epoch.
    writes_text_ : bool
        Whether `predict` gives texts, as in `fit`, and not lists of symbols.

    Examples
    --------
    >>> import numpy as np
    >>> from tsseq import Training
    >>> from tsseq.classification import NeuralTransducer
    >>> draws = np.random.default_rng(0).integers(0, 2, (300, 3))
    >>> X = ["".join("ab"[k] for k in row) for row in draws]
    >>> y = [text[::-1].upper() for text in X]
    >>> model = NeuralTransducer(training=Training(max_epochs=3, learning_rate=0.01, verbose=False)).fit(X, y)
    >>> model.predict(["abb"])
    ['BBA']
    """

    def __init__(
        self,
        network: Network | None = None,
        training: Training | None = None,
        *,
        loss: str = "cross_entropy",
        symbols: bool = False,
        min_count: int = 1,
    ) -> None:
        super().__init__(network, training, symbols=symbols, min_count=min_count)
        self.loss = loss

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : list of texts, of lists of symbols or of arrays, or array of shape (n, time) or (n, time, channels)
            Sequences to read.
        y : list of texts or of lists of symbols
            What they should become. Symbols are texts or whole numbers.
        sample_weight : array of shape (n,), optional
            What each pair counts, 0 or more; default: all alike.

        Returns
        -------
        NeuralTransducer
            The transducer itself, fitted.

        Raises
        ------
        ConfigError
            The network cannot be trained with this loss.
        DataError
            X or y does not hold sequences, or with CTC one of y has more symbols than there are steps for.
        """
        check_value("loss", self.loss, type(self).__name__, LOSSES)
        are_symbols = holds_symbols(X, self.symbols)
        sequences: list[Any] = read_symbols(X) if are_symbols else as_sequences(np.asarray(X) if is_table(X) else X)
        texts = read_symbols(y, "y", least=0)
        check_consistent_length(sequences, texts)
        weights = None if sample_weight is None else row_weights(sample_weight, len(sequences))
        if weights is not None:
            chosen = np.flatnonzero(weights)
            sequences, texts, weights = [sequences[i] for i in chosen], [texts[i] for i in chosen], weights[chosen]
        self.classes_, _ = learn_vocabulary(texts)
        self.writes_text_ = all(isinstance(member, str) for member in members_of(y))
        horizon = None if self.loss == "ctc" else max(map(len, texts)) + 1
        rows, layout = self._learn_sequences(sequences, are_symbols, horizon, weights)
        if not are_symbols:  # what is read is no past of what is written
            rows = without_past(rows, layout.context_length)
        n_classes = 0 if self.loss == "ctc" else len(self.classes_) + 1
        layout = replace(layout, n_targets=1, n_past=len(self.scale_.mean), n_classes=n_classes)
        codes = self._encode_targets(sequences, texts, layout.horizon)
        steps = step_weights(None, self.classes_, codes, weights)
        self._fit_rows(self._network(layout), self._head(layout), rows, codes, layout, steps)
        return self

    def predict(self, X: Any, beam_width: int = 1) -> list[Any]:
        """Write what sequences become.

        Parameters
        ----------
        X : list of texts, of lists of symbols or of arrays, or array of shape (n, time) or (n, time, channels)
            Sequences to read, as in `fit`.
        beam_width : int, default 1
            Beginnings that are followed at a time, in search of the most probable sequence; 1 takes the most probable
            symbol at every step. Not with CTC.

        Returns
        -------
        list of str or of list
            Texts, or lists of symbols.

        Raises
        ------
        ConfigError
            ``beam_width`` is below 1, or above with CTC.
        DataError
            X does not hold sequences like those of `fit`, or what the network finds is NaN or infinite.
        """
        check_is_fitted(self, "network_")
        check_value("beam_width", beam_width)
        if self.loss == "ctc" and beam_width > 1:
            raise ConfigError(f"beam_width={beam_width} is for loss='cross_entropy'; CTC takes the best symbols, 1.")

        def write(network: Model, batch: Batch, rows: Tensor) -> Tensor:
            if self.loss == "ctc":
                return self.head_.mean(checked_logits(network(batch)))[..., 0].double()
            return network.search(batch, beam_width).double()

        return [self._decode(codes) for codes in self._run(self._read_sequences(X), write)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the sequences that are written without an error.

        Parameters
        ----------
        X : list of texts, of lists of symbols or of arrays, or array of shape (n, time) or (n, time, channels)
            Sequences to read, as in `fit`.
        y : list of texts or of lists of symbols
            What they should become.
        sample_weight : array of shape (n,), optional
            What each pair counts; default: all alike.

        Returns
        -------
        float
            Exact matches in 0..1.

        Raises
        ------
        DataError
            X or y does not hold sequences, or not as many.
        """
        written, actual = self.predict(X), read_symbols(y, "y", least=0)
        check_consistent_length(written, actual)
        return float(np.average([list(a) == b for a, b in zip(written, actual)], weights=sample_weight))

    @available_if(lambda self: self._attends())
    def attention_weights(self, X: Any) -> pd.DataFrame:
        """How much each symbol that is written looks at each step that is read; only there for networks with attention.

        Parameters
        ----------
        X : list of texts, of lists of symbols or of arrays, or array of shape (n, time) or (n, time, channels)
            Sequences to read, as in `fit`.

        Returns
        -------
        DataFrame
            A row for each ``sequence`` (counted from 0), each ``symbol`` that `predict` writes ('' is the end; its
            ``step`` counts from 1) and each step that is read, ``context_time`` from 0 on, with ``context_symbol``
            where symbols are read: the ``weight``. Those of a symbol sum to 1. `tsseq.plotting.plot_attention` draws
            the table.

        Raises
        ------
        DataError
            X does not hold sequences like those of `fit`.
        """
        check_is_fitted(self, "network_")
        sequences = self._read_sequences(X)

        def look(network: Model, batch: Batch, rows: Tensor) -> Tensor:
            return torch.cat([network.search(batch, 1)[:, :, None], network.attention(batch)], dim=2).double()

        tables = []
        for number, (looks, sequence) in enumerate(zip(self._run(sequences, look), sequences)):
            symbols = [*self._decode(looks[:, 0]), ""][: len(looks)]
            weights = looks[: len(symbols), -len(sequence) :]  # (steps, time)
            m, n = weights.shape
            columns = {"sequence": number, "symbol": np.repeat(np.array(symbols, dtype=object), n)}
            columns |= {"step": np.repeat(np.arange(1, m + 1), n), "context_time": np.tile(np.arange(n), m)}
            if self.vocabulary_ is not None:
                columns["context_symbol"] = np.tile(np.array(sequence, dtype=object), m)
            tables.append(pd.DataFrame(columns | {"weight": weights.ravel()}))
        return pd.concat(tables, ignore_index=True)

    def to_state(self) -> State:
        """Everything that was learnt, for a model file.

        Returns
        -------
        State
            Parameters, layout, symbols, units, losses and weights.

        Raises
        ------
        ConfigError
            If a number type of the network has no place in a model file.
        """
        state = super().to_state()
        return replace(state, config=state.config | {"writes_text": self.writes_text_})

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Make the transducer of a model file again.

        Parameters
        ----------
        state : State
            What `to_state` gave, as far as it was read from a file: nothing in it is trusted.

        Returns
        -------
        NeuralTransducer
            Fitted; it writes the same.

        Raises
        ------
        ValueError
            If parts are missing, or do not fit together.
        """
        model = super().from_state(state)
        model.writes_text_ = state.value("writes_text", bool)
        return model

    def _attends(self) -> bool:
        return self.loss != "ctc" and (self.network is None or self.network.has_attention)

    def _head(self, layout: Layout) -> Head:
        if self.loss == "ctc":
            return CTC(len(self.classes_))
        if layout.n_classes != len(self.classes_) + 1:
            raise ValueError(f"{layout} does not fit {len(self.classes_)} symbols and the end")
        return Categorical(layout.n_classes)

    def _network(self, layout: Layout) -> Network:
        if self.loss == "ctc":
            network: Any = GRU(bidirectional=True, segment_length=None) if self.network is None else self.network
            able, kinds = (
                has_states(network),
                [name for name in networks.__all__ if has_states(getattr(networks, name))],
            )
        else:
            network = Seq2Seq(bidirectional=True, segment_length=None) if self.network is None else self.network
            able, kinds = hasattr(network, "build_transducer"), ["Seq2Seq", "Transformer"]
        if not able:
            raise ConfigError(f"loss={self.loss!r} needs one of {', '.join(kinds)}, not {type(network).__name__}.")
        length = network.get_params().get("segment_length")
        if length is not None:  # where longer sequences are read, too
            length = None if self.vocabulary_ is not None else min(length, self.scale_.length)
            network = clone(network).set_params(segment_length=length)
        return AlignedReadout(network) if self.loss == "ctc" else Transduction(network)

    def _encode_targets(self, sequences: list[Any], texts: list[Symbols], horizon: int) -> Array:
        """(n, horizon) codes: from 1 on and then 0 for CTC; else from 0 on, then the end, then NaN."""
        aligned = self.loss == "ctc"
        codes = np.full((len(texts), horizon), 0.0 if aligned else np.nan)
        for i, symbols in enumerate(encode_symbols(texts, self.classes_, len(self.classes_))):
            numbers, n = symbols[:, 0], len(symbols)
            n_steps = n + int((numbers[1:] == numbers[:-1]).sum())
            if np.isnan(numbers).any():
                raise DataError(f"sequence {i} of y has missing symbols; leave it out.")
            if aligned and n_steps > len(sequences[i]):
                needs = f"sequence {i} of y needs {n_steps} steps ({n} symbols, and a blank between equal ones)"
                raise DataError(
                    f"{needs}, and X has {len(sequences[i])}; CTC writes no more symbols than it reads steps."
                )
            codes[i, :n] = numbers if aligned else numbers - 1
            if not aligned:
                codes[i, n] = len(self.classes_)
        return codes

    def _decode(self, codes: Array) -> Any:
        """The text or the list of symbols of codes (horizon,)."""
        numbers = codes.astype(np.int64)
        if self.loss == "ctc":
            changes = np.diff(numbers, prepend=0) != 0
            numbers = numbers[changes & (numbers > 0)] - 1
        else:
            numbers = numbers[np.cumsum(numbers == len(self.classes_)) == 0]
        symbols = self.classes_[numbers].tolist()
        return "".join(symbols) if self.writes_text_ else symbols

    def _run(self, sequences: list[Any], function: Callable[[Model, Batch, Tensor], Tensor]) -> list[Array]:
        """What ``function(network, batch, rows)`` gives for every sequence; a longer network reads longer ones."""
        lengths = np.array([max(len(sequence), self.scale_.length) for sequence in sequences])
        answers: list[Array] = [np.empty(0)] * len(sequences)
        for length in np.unique(lengths).tolist():
            positions = np.flatnonzero(lengths == length)
            network = self._network_for(length)
            rows = self._read_rows([sequences[i] for i in positions], length)
            windows = Windows.of_rows(rows, None, network.layout)
            values = predict_rows(network, windows, self.accelerator_, partial(function, network))
            for i, value in zip(positions, values):
                answers[i] = value
        return answers

    def _network_for(self, length: int) -> Model:
        """The network for sequences of ``length`` steps; weights do not depend on it."""
        layout = self.layout_
        if length == layout.context_length:
            return self.network_
        longer = replace(layout, context_length=length, horizon=-(-layout.horizon * length // layout.context_length))
        with OwnGenerator():
            network = Model(self._network(longer), longer, self.head_)
        network.load_state_dict(self.network_.state_dict())
        return network.eval()
