"""NeuralLabeller: a class for every step of a sequence."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from tsseq import networks
from tsseq.classification.base import BaseSequenceClassifier
from tsseq.classification.class_weights import step_weights
from tsseq.classification.sequences import as_sequences, is_table
from tsseq.classification.symbols import holds_symbols, read_symbols
from tsseq.data.layout import Layout
from tsseq.errors import ConfigError, DataError
from tsseq.hints import documented
from tsseq.networks import GRU, Network
from tsseq.networks.readouts import StepReadout, has_states
from tsseq.typing import Array


@documented
class NeuralLabeller(BaseSequenceClassifier):
    """Label every step of sequences, with what comes before it and, by default, after it in view.

    Sequences come as an array (n, time) of one channel, as an array (n, time, channels), or as a list of arrays
    (time,) or (time, channels) of unequal length. NaN is a missing value. Every channel is standardised by its mean
    and deviation over all training sequences. Sequences to label may be longer than those of `fit`.

    Sequences of symbols come as texts, whose letters are the symbols, as lists of texts, such as the words of each
    sentence, or with ``symbols=True`` as lists of whole numbers. None is a missing symbol. Every symbol is a learnt
    vector.

    Parameters
    ----------
    network : Network, optional
        A recurrent network, whose state at every step is read; None is a bidirectional `GRU` over single steps. With
        ``bidirectional=False`` and ``segment_length=None`` a label depends on nothing that comes after it.

    Examples
    --------
    Has a 1 occurred so far?

    >>> import numpy as np
    >>> from tsseq import NeuralLabeller, Training
    >>> X = (np.random.default_rng(0).random((200, 12)) < 0.1) * 1.0
    >>> y = np.maximum.accumulate(X, axis=1) > 0
    >>> model = NeuralLabeller(training=Training(max_epochs=3, learning_rate=0.01, verbose=False)).fit(X, y)
    >>> model.predict([[0.0, 0.0, 1.0, 0.0, 0.0]])
    array([[False, False,  True,  True,  True]])
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays, texts or lists of symbols
            Sequences; the arrays of a list are (time,) or (time, channels), of unequal length. NaN is missing.
        y : array of shape (n, time) or list of arrays of shape (time,)
            The label of every step: numbers, booleans or strings. None or NaN is a step whose label is not known; it
            does not count.

        Returns
        -------
        NeuralLabeller
            The labeller itself, fitted.

        Raises
        ------
        ConfigError
            The network has no states to read.
        DataError
            X does not hold sequences of numbers or of symbols, or the labels do not fit them or are of a single class.
        """
        are_symbols = holds_symbols(X, self.symbols)
        sequences: list[Any] = read_symbols(X) if are_symbols else as_sequences(np.asarray(X) if is_table(X) else X)
        labels = _read_labels(sequences, y)
        rows, layout = self._learn_sequences(sequences, are_symbols)
        self.classes_, codes = _encode_labels(labels, layout.horizon)
        weights = step_weights(self.class_weight, self.classes_, codes, None)
        self._fit_rows(self._network(layout), self._head(layout), rows, codes, layout, weights)
        return self

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of all labels at every step.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays, texts or lists of symbols
            Sequences, with the channels of those in `fit`, or of symbols as in `fit`.

        Returns
        -------
        ndarray of shape (n, time, n_classes), or list of ndarray of shape (time, n_classes)
            Probabilities in the order of ``classes_``; a list if X is one.

        Raises
        ------
        DataError
            X does not hold sequences of numbers or of symbols, or has other channels than in `fit`.
        """
        check_is_fitted(self, "network_")
        sequences = self._read_sequences(X)
        # A longer sequence is a row of its own length, so that it changes nothing for the others.
        lengths = np.array([max(len(sequence), self.scale_.length) for sequence in sequences])
        probabilities: list[Array] = [np.empty(0)] * len(sequences)
        for length in np.unique(lengths):
            positions = np.flatnonzero(lengths == length)
            rows = self._read_rows([sequences[i] for i in positions], int(length))
            for i, steps in zip(positions, self._predict_rows(rows, int(length))):
                probabilities[i] = steps[-len(sequences[i]) :]
        return np.stack(probabilities) if self._is_array(X) else probabilities

    def predict(self, X: Any) -> Any:
        """The most probable label of every step.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays, texts or lists of symbols
            Sequences, with the channels of those in `fit`, or of symbols as in `fit`.

        Returns
        -------
        ndarray of shape (n, time), or list of ndarray of shape (time,)
            Labels; a list if X is one.
        """
        labels = [self.classes_[steps.argmax(1)] for steps in self.predict_proba(X)]
        return np.stack(labels) if self._is_array(X) else labels

    def score(self, X: Any, y: Any) -> float:
        """Share of the steps with a known label that are labelled right.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays, texts or lists of symbols
            Sequences, with the channels of those in `fit`, or of symbols as in `fit`.
        y : array of shape (n, time) or list of arrays of shape (time,)
            The true label of every step; None or NaN where it is not known.

        Returns
        -------
        float
            Accuracy in 0..1.

        Raises
        ------
        DataError
            The labels do not fit the sequences.
        """
        predicted = np.concatenate(list(self.predict(X)))
        actual = np.concatenate(_read_labels(self._read_sequences(X), y))
        known = ~pd.isna(actual)
        return float((predicted[known] == actual[known]).mean())

    def _is_array(self, X: Any) -> bool:
        axes = getattr(X, "ndim", 0)
        return axes >= 2 if self.vocabulary_ is not None else is_table(X) or axes == 3

    def _network(self, layout: Layout) -> Network:
        network = GRU(64, bidirectional=True, segment_length=None) if self.network is None else self.network
        if has_states(network):
            return StepReadout(network)
        names = [name for name in networks.__all__ if has_states(getattr(networks, name))]
        raise ConfigError(f"{type(network).__name__} has no state at every step; {', '.join(names)} have.")


def _read_labels(sequences: list[Any], y: Any) -> list[NDArray[Any]]:
    """Labels of every sequence as arrays of objects, as many as it has steps."""
    y = np.asarray(y) if isinstance(y, pd.DataFrame) else y
    check_consistent_length(sequences, y)
    labels = [np.array(list(names) if isinstance(names, str) else names, dtype=object) for names in y]
    for i, (sequence, names) in enumerate(zip(sequences, labels)):
        if names.shape != (len(sequence),):
            raise DataError(f"sequence {i} has {len(sequence)} steps, but its labels have shape {names.shape}.")
    return labels


def _encode_labels(labels: list[NDArray[Any]], length: int) -> tuple[NDArray[Any], Array]:
    """The sorted classes, and the number of each label (n, length): NaN where it is missing, and at the front.

    >>> _encode_labels([np.array(["b", None], dtype=object), np.array(["a", "b", "b"], dtype=object)], 3)
    (array(['a', 'b'], dtype='<U1'), array([[nan,  1., nan], [ 0.,  1.,  1.]]))
    """
    flat = np.concatenate(labels)
    known = ~pd.isna(flat)
    if not known.any():
        raise DataError("y has no labels; all of them are missing.")
    if len({isinstance(name, str) for name in flat[known]}) > 1:
        raise DataError("y holds text and numbers among its labels; they should be all of one kind.")
    numbers = np.full(len(flat), np.nan)
    classes, numbers[known] = np.unique(np.array(flat[known].tolist()), return_inverse=True)
    codes = np.full((len(labels), length), np.nan)
    steps = np.array([[len(sequence)] for sequence in labels])  # (n, 1)
    codes[np.arange(length) >= length - steps] = numbers
    return classes, codes
