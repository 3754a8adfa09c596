"""NeuralClassifier: a class for every sequence, by the networks that forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from tsseq.classification.base import DEFAULTS, BaseSequenceClassifier
from tsseq.classification.class_weights import step_weights
from tsseq.classification.convolutions import VIEWS
from tsseq.classification.sequences import Scale, as_sequences, check_axes, is_table
from tsseq.classification.start import fit_start, log_losses
from tsseq.data.layout import Layout
from tsseq.data.windows import row_weights
from tsseq.hints import documented
from tsseq.networks import GRU, Network
from tsseq.networks.readouts import Beside, MeanReadout, has_states
from tsseq.training.settings import Training
from tsseq.typing import Array, Index

VALIDATION = 0.25
STATES = 30
SHARES = (1.0, 0.5)
LEAST_GAIN, ERRORS = 0.02, 2.0  # of log loss, and in its standard errors, by which the network must help


@documented
class NeuralClassifier(ClassifierMixin, BaseSequenceClassifier):
    """Classify whole sequences.

    Sequences come as an array (n, time) of one channel, as an array (n, time, channels), or as a list of arrays
    (time,) or (time, channels) of unequal length. NaN is a missing value. Every channel is standardised by its mean
    and deviation over all training sequences. Sequences shorter than the longest of `fit` are filled up with missing
    values at the front; of longer ones, `predict` reads the last rows.

    The network starts from a ridge classifier. It reads random convolutions (MiniRocket: Dempster et al. 2021) of the
    sequences as they are and of each standardised by itself, and mean, deviation, minimum and maximum of every channel.
    The network learns what that leaves: it is trained beside the scores that every sequence has from a ridge without
    it. A quarter of the sequences is held out; the network counts in full, by half or, unless these sequences show that
    it helps, not at all. With few sequences that is the rule.

    A recurrent network is read through the mean of its states over time. Any other forecasts one value per class and
    channel, and the channels vote.

    Parameters
    ----------
    network : Network, optional
        The architecture; None is a bidirectional `GRU` of 64 units over segments of a thirtieth of the longest
        sequence.
    training : Training, optional
        How it is trained. What is None in it is 20 epochs, at rates falling from 3e-3 to 0, and a quarter of the
        sequences held out, but none without convolutions. What is held out has the classes in the shares that they
        have in y, however X is sorted; with ``validation=0`` the network counts in full.
    n_convolutions : int, default 10_000
        About how many features of random convolutions the ridge classifier reads; 0 is the network alone.
    class_weight : dict or "balanced", optional
        What an error counts by the true class, times ``sample_weight``: numbers by class, 1 where none is given.
        "balanced" makes all classes count alike in sum, however rare they are. Default: all errors count alike.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted classes.
    network_ : torch.nn.Module
        The trained network.
    history_ : DataFrame
        Columns ``train_loss`` and ``val_loss``, a row per epoch.
    start_ : Start or None
        The ridge classifier; None is the network alone.
    share_ : float
        How much of what the network says besides the ridge classifier is believed: 0, 0.5 or 1.
    n_features_in_ : int
        Columns of a table (n, time); not there after a fit on other shapes.

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

    def __init__(
        self,
        network: Network | None = None,
        training: Training | None = None,
        *,
        n_convolutions: int = 10_000,
        class_weight: Mapping[Any, float] | str | None = None,
    ) -> None:
        super().__init__(network, training, class_weight=class_weight)
        self.n_convolutions = n_convolutions

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays
            Sequences; the arrays of a list are (time,) or (time, channels), of unequal length. NaN is missing.
        y : array of shape (n,)
            Their classes: numbers, booleans or strings.
        sample_weight : array of shape (n,), optional
            What each sequence counts, 0 or more; only their ratios matter. One of weight 2 is as if it were there
            twice, one of weight 0 as if it were not there (but its class is known).
        groups : array of shape (n,), optional
            Where each sequence comes from (a person, a place, a machine), if sequences to come are from elsewhere: the
            ridge classifier is chosen, and what it leaves is measured, on groups that it has not seen. By default, on
            single sequences that it has not seen.

        Returns
        -------
        NeuralClassifier
            The classifier itself, fitted.

        Raises
        ------
        DataError
            X does not hold sequences of numbers, its axes are in another order, or y has a single class.
        """
        if is_table(X):
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        else:
            check_consistent_length(X, y)
        sequences = as_sequences(X)
        check_axes(sequences)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        places = None if groups is None else column_or_1d(groups)
        check_consistent_length(sequences, places)
        weights = None if sample_weight is None else row_weights(sample_weight, len(sequences))
        if weights is not None:
            chosen = np.flatnonzero(weights)
            sequences, codes, weights = [sequences[row] for row in chosen], codes[chosen], weights[chosen]
            places = None if places is None else places[chosen]
        self.scale_ = Scale.of(sequences, weights)
        rows = self.scale_.table(sequences)
        layout = self.scale_.layout(1, missing=bool(np.isnan(rows).any()))
        numbers = codes[:, None].astype(np.float64)
        steps = step_weights(self.class_weight, self.classes_, numbers, weights)
        self.start_ = None
        if self.n_convolutions > 0 and len(self.classes_) > 1:
            sizes = self.n_convolutions // VIEWS, self._training().seed
            counts = None if steps is None else steps[:, 0]
            self.start_, scores = fit_start(self._by_channel(rows), codes, counts, places, *sizes)
            rows, layout = np.hstack([rows, scores]), replace(layout, n_static=len(self.classes_))
        held_out = self._fit_rows(self._network(layout), rows, numbers, layout, steps, places)
        if self.start_ is not None and self._training().validation:
            self._choose_share(rows[held_out], codes[held_out], None if steps is None else steps[held_out, 0])
        return self

    def _choose_share(self, rows: Array, codes: Index, weights: Array | None) -> None:
        """Believe of the network what rows held out say: nothing, unless it gains clearly."""
        best, least, scores = 0.0, LEAST_GAIN, rows[:, -len(self.classes_) :]
        if len(rows) > 1:
            both = np.log(self._predict_rows(rows, self.scale_.length)[:, 0].clip(1e-300))
            counts = 1.0 if weights is None else weights / weights.mean()
            for share in SHARES:
                gain = counts * (log_losses(scores, codes) - log_losses((1 - share) * scores + share * both, codes))
                if gain.mean() > max(least, ERRORS * gain.std(ddof=1) / np.sqrt(len(gain))):
                    best, least = share, float(gain.mean())
        self.network_.core.share.fill_(best)  # type: ignore[operator]

    @property
    def share_(self) -> float:
        """How much of what the network says besides the ridge classifier is believed.

        Returns
        -------
        float
            0, 0.5 or 1; 1 without the ridge classifier.
        """
        return 1.0 if self.start_ is None else float(self.network_.core.share)  # type: ignore[arg-type]

    def predict_proba(self, X: Any) -> Array:
        """Probabilities of all classes.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays
            Sequences, with the channels of those in `fit`.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities in the order of ``classes_``.

        Raises
        ------
        DataError
            X does not hold sequences of numbers, or has other channels than in `fit`.
        """
        check_is_fitted(self, "network_")
        if is_table(X):
            X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        rows = self.scale_.table(as_sequences(X))
        if self.start_ is not None:
            rows = np.hstack([rows, self.start_.scores(self._by_channel(rows))])
        return self._predict_rows(rows, self.scale_.length)[:, 0]

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of every sequence.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays
            Sequences, with the channels of those in `fit`.

        Returns
        -------
        ndarray of shape (n,)
            Classes.
        """
        best = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[best])

    def _defaults(self) -> dict[str, Any]:
        return DEFAULTS | ({"validation": VALIDATION} if self.n_convolutions > 0 else {})

    def _network(self, layout: Layout) -> Network:
        network = self.network
        if network is None:
            network = GRU(64, bidirectional=True, segment_length=max(layout.context_length // STATES, 1))
        network = MeanReadout(network) if has_states(network) else network
        return Beside(network) if layout.n_static else network

    def _by_channel(self, rows: Array) -> Array:
        return rows.reshape(len(rows), len(self.scale_.mean), -1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags
