"""NeuralLabeller: a class for every step of a sequence."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from tsseq import networks
from tsseq.classification.base import BaseLabels
from tsseq.classification.sequences import Array, Scale, as_sequences, is_table
from tsseq.errors import ConfigError, DataError
from tsseq.networks import GRU, Network
from tsseq.networks.readouts import StepReadout, has_states
from tsseq.training.settings import Training


class NeuralLabeller(BaseLabels):
    """Label every step of sequences, with what comes before it and, unless told otherwise, after it in view.

    Sequences come as an array (n, time) of one channel, as an array (n, time, channels), or as a list of arrays
    (time,) or (time, channels) of unequal length. NaN is a missing value. Every channel is standardised by its mean
    and deviation over all training sequences. Sequences to label may be longer than those of `fit`.

    Parameters
    ----------
    network : a recurrent network, whose state at every step is read; None is a bidirectional `GRU` over single steps.
        With ``bidirectional=False`` and ``segment_length=None`` a label depends on nothing that comes after it.
    training : how it is trained; None is 20 epochs at rates falling from 3e-3 to 0, no sequence held out.

    Attributes
    ----------
    classes_ : the sorted labels.
    network_ : the trained torch module.
    history_ : DataFrame with ``train_loss`` and ``val_loss`` per epoch.

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

    def __init__(self, network: Network | None = None, training: Training | None = None) -> None:
        self.network = network
        self.training = training

    def fit(self, X: Any, y: Any) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : sequences; see the class.
        y : an array (n, time) or a list of arrays (time,), the label of every step: numbers, booleans or strings.
            None or NaN is a step whose label is not known; it does not count.

        Raises
        ------
        ConfigError : the network has no states to read.
        DataError : X holds no sequences of numbers, or the labels do not fit them or are of a single class.
        """
        network = self._network()
        sequences, labels = _read(X), _labels(X, y)
        self.scale_ = Scale.of(sequences)
        self.classes_, codes = _numbered(labels, self.scale_.length)
        table = self.scale_.table(sequences)
        layout = self.scale_.layout(self.scale_.length, missing=bool(np.isnan(table).any()))
        self._train(network, table, codes, layout)
        return self

    def predict_proba(self, X: Any) -> Any:
        """Probabilities (n, time, n_classes), in the order of ``classes_``; a list of (time, n_classes) if X is one."""
        check_is_fitted(self, "network_")
        sequences = _read(X)
        # A longer sequence is a row of its own length, so that it changes nothing for the others.
        lengths = np.array([max(len(sequence), self.scale_.length) for sequence in sequences])
        found: list[Array] = [np.empty(0)] * len(sequences)
        for length in np.unique(lengths):
            chosen = np.flatnonzero(lengths == length)
            table = self.scale_._replace(length=length).table([sequences[i] for i in chosen])
            for i, steps in zip(chosen, self._probabilities(table, int(length))):
                found[i] = steps[-len(sequences[i]) :]
        return np.stack(found) if _is_array(X) else found

    def predict(self, X: Any) -> Any:
        """The most probable label of every step: an array (n, time), or a list of arrays (time,) if X is a list."""
        found = [self.classes_[steps.argmax(1)] for steps in self.predict_proba(X)]
        return np.stack(found) if _is_array(X) else found

    def score(self, X: Any, y: Any) -> float:
        """Share of the steps with a known label that are labelled right."""
        found = np.concatenate(list(self.predict(X)))
        wanted = np.concatenate(_labels(X, y))
        known = ~pd.isna(wanted)
        return float((found[known] == wanted[known]).mean())

    def _network(self) -> Network:
        network = GRU(64, bidirectional=True, segment_length=None) if self.network is None else self.network
        if has_states(network):
            return StepReadout(network)
        able = [name for name in networks.__all__ if has_states(getattr(networks, name))]
        raise ConfigError(f"{type(network).__name__} has no state at every step; {', '.join(able)} have.")


def _is_array(X: Any) -> bool:
    return is_table(X) or getattr(X, "ndim", 0) == 3


def _read(X: Any) -> list[Array]:
    return as_sequences(np.asarray(X) if is_table(X) else X)


def _labels(X: Any, y: Any) -> list[NDArray[Any]]:
    """Labels of every sequence as arrays of objects, as many as it has steps."""
    y = np.asarray(y) if isinstance(y, pd.DataFrame) else y
    check_consistent_length(X, y)
    labels = [np.asarray(sequence, dtype=object) for sequence in y]
    for i, (sequence, own) in enumerate(zip(_read(X), labels)):
        if own.shape != (len(sequence),):
            raise DataError(f"sequence {i} has {len(sequence)} steps, but its labels have shape {own.shape}.")
    return labels


def _numbered(labels: list[NDArray[Any]], length: int) -> tuple[NDArray[Any], Array]:
    """-> the sorted classes, and the number of each label (n, length): NaN where it is missing, and at the front.

    >>> _numbered([np.array(["b", None], dtype=object), np.array(["a", "b", "b"], dtype=object)], 3)
    (array(['a', 'b'], dtype='<U1'), array([[nan,  1., nan], [ 0.,  1.,  1.]]))
    """
    flat = np.concatenate(labels)
    known = ~pd.isna(flat)
    if not known.any():
        raise DataError("y has no labels; all of them are missing.")
    numbers = np.full(len(flat), np.nan)
    classes, numbers[known] = np.unique(np.array(flat[known].tolist()), return_inverse=True)
    codes = np.full((len(labels), length), np.nan)
    ends = np.cumsum([len(sequence) for sequence in labels])
    for row, own in zip(codes, np.split(numbers, ends[:-1])):
        row[length - len(own) :] = own
    return classes, codes
