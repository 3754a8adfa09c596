"""NeuralClassifier: a class for every sequence, by the networks that forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from tsseq.classification.base import DEFAULTS, BaseSequenceClassifier
from tsseq.classification.class_weights import step_weights
from tsseq.classification.convolutions import VIEWS
from tsseq.classification.sequences import as_sequences, check_axes, is_table
from tsseq.classification.start import fit_start, log_losses
from tsseq.classification.symbols import holds_symbols, read_symbols
from tsseq.data.layout import Layout
from tsseq.data.windows import row_weights
from tsseq.errors import DataError
from tsseq.heads import Bernoulli, Head
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

    Sequences of symbols come as texts, whose letters are the symbols, as lists of texts, such as the words of each
    sentence, or with ``symbols=True`` as lists of whole numbers. None is a missing symbol. Every symbol is a learnt
    vector. With several labels at once, ``y`` is a matrix of 0 and 1, a column for each label, and each has a
    probability of its own.

    For one class of each sequence of quantities, the network starts from a ridge classifier. It reads random
    convolutions (MiniRocket: Dempster et al. 2021) of the sequences as they are and of each standardised by itself, and
    mean, deviation, minimum and maximum of every channel. The network learns what that leaves: it is trained beside the
    scores that every sequence has from a ridge without it. A quarter of the sequences is held out; the network counts
    in full, by half or, unless these sequences show that it helps, not at all. With few sequences that is the rule.

    A recurrent network is read through the mean of its states over time. Any other forecasts one value per class and
    channel, and the channels vote. Of symbols, and for several labels, the network learns alone.

    Parameters
    ----------
    network : Network, optional
        The architecture; None is a bidirectional `GRU` of 64 units over segments of a thirtieth of the longest
        sequence, or over single symbols.
    training : Training, optional
        How it is trained. What is None in it is 20 epochs, at rates falling from 3e-3 to 0, and a quarter of the
        sequences held out, but none without convolutions. What is held out has the classes in the shares that they
        have in y, however X is sorted; with ``validation=0`` the network counts in full.
    n_convolutions : int, default 10_000
        About how many features of random convolutions the ridge classifier reads; 0 is the network alone.
    class_weight : dict or "balanced", optional
        What an error counts by the true class, times ``sample_weight``: numbers by class, 1 where none is given.
        "balanced" makes all classes count alike in sum, however rare they are. Default: all errors count alike. With
        several labels, the classes of each are 0 and 1.
    symbols : bool, default False
        Whether whole numbers are symbols, such as the numbers of words, and not quantities. Text always is symbols.
    min_count : int, default 1
        How often a symbol occurs in `fit` at least to have a learnt vector of its own; rarer ones share one, which
        unknown symbols have in `predict`. With 1, an unknown symbol adds nothing.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted classes; with several labels, the numbers of the columns of y.
    vocabulary_ : ndarray of shape (n_symbols,) or None
        The sorted symbols that have vectors of their own; None if sequences hold quantities.
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

    Words, of which the model has not seen all:

    >>> texts, moods = ["good", "bad", "very good", "so bad"] * 20, ["+", "-"] * 40
    >>> model = NeuralClassifier(training=Training(max_epochs=3, verbose=False))
    >>> model.fit([text.split() for text in texts], moods).predict([["really", "good"], ["bad"]]).tolist()
    ['+', '-']
    """

    def __init__(
        self,
        network: Network | None = None,
        training: Training | None = None,
        *,
        n_convolutions: int = 10_000,
        class_weight: Mapping[Any, float] | str | None = None,
        symbols: bool = False,
        min_count: int = 1,
    ) -> None:
        super().__init__(network, training, class_weight=class_weight, symbols=symbols, min_count=min_count)
        self.n_convolutions = n_convolutions

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays, texts or lists of symbols
            Sequences; the arrays of a list are (time,) or (time, channels), of unequal length. NaN is missing.
        y : array of shape (n,) or (n, n_labels)
            Their classes: numbers, booleans or strings; or 1 for each of several labels that applies, 0 elsewhere.
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
            X does not hold sequences of numbers or of symbols, its axes are in another order, or y has a single class.
        """
        labels = y if isinstance(y, (list, np.ndarray)) else []
        missing = [row for row, name in enumerate(labels) if name is None]
        if missing:
            raise DataError(f"y has {len(missing)} missing labels (first: row {missing[0]}); leave these rows out.")
        are_symbols = holds_symbols(X, self.symbols)
        if not are_symbols and is_table(X):
            options: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "multi_output": True}
            X, y = validate_data(self, X, y, **options)
        else:
            check_consistent_length(X, y)
        sequences: list[Any] = read_symbols(X) if are_symbols else as_sequences(X)
        if not are_symbols:
            check_axes(sequences)
        codes = self._learn_classes(y)
        places = None if groups is None else column_or_1d(groups)
        check_consistent_length(sequences, places)
        weights = None if sample_weight is None else row_weights(sample_weight, len(sequences))
        if weights is not None:
            chosen = np.flatnonzero(weights)
            sequences, codes, weights = [sequences[row] for row in chosen], codes[chosen], weights[chosen]
            places = None if places is None else places[chosen]
        rows, layout = self._learn_sequences(sequences, are_symbols, codes.shape[1], weights)
        head, steps, numbers = self._head(layout), self._step_weights(codes, weights), codes[:, 0].astype(np.int64)
        if self.n_convolutions > 0 and not are_symbols and layout.horizon == 1 and len(self.classes_) > 1:
            sizes = self.n_convolutions // VIEWS, self._training().seed
            counts = None if steps is None else steps[:, 0]
            self.start_, scores = fit_start(self._by_channel(rows), numbers, counts, places, *sizes)
            rows, layout = np.hstack([rows, scores]), replace(layout, n_static=len(self.classes_))
        held_out = self._fit_rows(self._network(layout), head, rows, codes, layout, steps, places)
        if self.start_ is not None and self._training().validation:
            self._choose_share(rows[held_out], numbers[held_out], None if steps is None else steps[held_out, 0])
        return self

    def _learn_classes(self, y: Any) -> Array:
        """The numbers of the classes (n, 1), or the 0 and 1 of several labels (n, n_labels)."""
        if type_of_target(y, input_name="y") == "multilabel-indicator":
            labels = np.asarray(y.toarray() if issparse(y) else y, dtype=np.float64)
            self.classes_ = np.arange(labels.shape[1])
            return labels
        column = column_or_1d(y, warn=True)
        check_classification_targets(column)
        self.classes_, codes = np.unique(column, return_inverse=True)
        return codes[:, None].astype(np.float64)

    def _step_weights(self, codes: Array, weights: Array | None) -> Array | None:
        """(n, n_labels) what errors count; of several labels, each has its own two classes."""
        if codes.shape[1] == 1 or self.class_weight is None:
            return step_weights(self.class_weight, self.classes_, codes, weights)
        columns = [step_weights(self.class_weight, np.arange(2), column[:, None], weights) for column in codes.T]
        return np.hstack([column for column in columns if column is not None])

    def _head(self, layout: Layout) -> Head:
        if layout.horizon == 1:
            return super()._head(layout)
        if len(self.classes_) != layout.horizon:
            raise ValueError(f"{layout} does not fit {len(self.classes_)} labels")
        return Bernoulli()

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
        X : array of shape (n, time) or (n, time, channels), or list of arrays, texts or lists of symbols
            Sequences, with the channels of those in `fit`, or of symbols as in `fit`.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities in the order of ``classes_``; those of several labels do not sum to 1.

        Raises
        ------
        DataError
            X does not hold sequences of numbers or of symbols, or has other channels than in `fit`.
        """
        check_is_fitted(self, "network_")
        if self.vocabulary_ is None and is_table(X):
            X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        rows = self._read_rows(self._read_sequences(X), self.scale_.length)
        if self.start_ is not None:
            rows = np.hstack([rows, self.start_.scores(self._by_channel(rows))])
        probabilities = self._predict_rows(rows, self.scale_.length)
        return probabilities[:, 0] if self.layout_.horizon == 1 else probabilities.mean(2)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of every sequence.

        Parameters
        ----------
        X : array of shape (n, time) or (n, time, channels), or list of arrays, texts or lists of symbols
            Sequences, with the channels of those in `fit`, or of symbols as in `fit`.

        Returns
        -------
        ndarray of shape (n,) or (n, n_labels)
            Classes; of several labels, 1 for each that is more probable than not.
        """
        probabilities = self.predict_proba(X)
        if self.layout_.horizon > 1:
            return (probabilities > 0.5).astype(np.int64)
        return np.asarray(self.classes_[probabilities.argmax(1)])

    def _defaults(self) -> dict[str, Any]:
        return DEFAULTS | ({} if self.start_ is None else {"validation": VALIDATION})

    def _network(self, layout: Layout) -> Network:
        network = self.network
        if network is None:
            length = max(layout.context_length // STATES, 1) if self.vocabulary_ is None else None
            network = GRU(64, bidirectional=True, segment_length=length)
        network = MeanReadout(network) if has_states(network) else network
        return Beside(network) if layout.n_static else network

    def _by_channel(self, rows: Array) -> Array:
        return rows.reshape(len(rows), len(self.scale_.mean), -1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.classifier_tags.multi_label = True
        return tags
