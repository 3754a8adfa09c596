"""NeuralClassifier: a class for every sequence, by the networks that forecast."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from tsseq.classification.base import BaseLabels
from tsseq.classification.sequences import Array, Scale, as_sequences, is_table
from tsseq.networks import GRU, Network
from tsseq.networks.readouts import MeanReadout, has_states
from tsseq.training.settings import Training

STATES = 30


class NeuralClassifier(ClassifierMixin, BaseLabels):
    """Classify whole sequences.

    Sequences come as an array (n, time) of one channel, as an array (n, time, channels), or as a list of arrays
    (time,) or (time, channels) of unequal length. NaN is a missing value. Every channel is standardised by its mean
    and deviation over all training sequences. Sequences shorter than the longest of `fit` are filled up with missing
    values at the front; of longer ones, `predict` reads the last rows.

    A recurrent network is read through the mean of its states over time. Any other forecasts one
    value per class and channel, and the channels vote.

    Parameters
    ----------
    network : the architecture; None is a bidirectional `GRU` of 64 units over segments of a thirtieth of the longest
        sequence.
    training : how it is trained; None is 20 epochs at rates falling from 3e-3 to 0, no sequence held out. What
        ``Training(validation=...)`` holds out has the classes in the shares that they have in y, however X is sorted.

    Attributes
    ----------
    classes_ : the sorted classes.
    network_ : the trained torch module.
    history_ : DataFrame with ``train_loss`` and ``val_loss`` per epoch.
    n_features_in_ : columns of a table (n, time); not there after a fit on other shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from tsseq import NeuralClassifier, Training
    >>> phase = np.random.default_rng(0).uniform(0, 6, (80, 1))
    >>> speed = np.tile([[0.3], [0.6]], (40, 1))
    >>> X, y = np.sin(phase + speed * np.arange(20)), np.tile(["slow", "fast"], 40)
    >>> model = NeuralClassifier(training=Training(max_epochs=1, learning_rate=0.01, verbose=False)).fit(X[:40], y[:40])
    >>> float(model.score(X[40:], y[40:]))
    1.0
    """

    def __init__(self, network: Network | None = None, training: Training | None = None) -> None:
        self.network = network
        self.training = training

    def fit(self, X: Any, y: Any) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : sequences; see the class.
        y : (n,) their classes: numbers, booleans or strings.

        Raises
        ------
        DataError : X holds no sequences of numbers, or y a single class.
        """
        if is_table(X):
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        else:
            check_consistent_length(X, y)
        sequences = as_sequences(X)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.scale_ = Scale.of(sequences)
        table = self.scale_.table(sequences)
        layout = self.scale_.layout(1, missing=bool(np.isnan(table).any()))
        self._train(self._network(), table, codes[:, None].astype(np.float64), layout)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (n, n_classes), in the order of ``classes_``."""
        check_is_fitted(self, "network_")
        if is_table(X):
            X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return self._probabilities(self.scale_.table(as_sequences(X)), self.scale_.length)[:, 0]

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of every sequence, (n,)."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def _network(self) -> Network:
        network = self.network
        if network is None:
            network = GRU(64, bidirectional=True, segment_length=max(self.scale_.length // STATES, 1))
        return MeanReadout(network) if has_states(network) else network

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags
