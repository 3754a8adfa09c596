"""NeuralClassifier: a class for every sequence, by the networks that forecast; and what it shares with the labeller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data
from torch import Tensor

from tsseq.classification.class_weights import step_weights
from tsseq.classification.sequences import Scale, as_sequences, is_table
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows, row_weights
from tsseq.errors import DataError
from tsseq.heads import Categorical
from tsseq.hints import RejectsForeignNames, documented
from tsseq.networks import GRU, Network
from tsseq.networks.batch import Batch
from tsseq.networks.readouts import MeanReadout, has_states
from tsseq.persistence.state import State, check_arrays, save_model
from tsseq.training.devices import accelerator_of, predict_rows
from tsseq.training.settings import Training
from tsseq.training.weights import from_arrays, to_arrays
from tsseq.typing import Array, Index

DEFAULTS: dict[str, Any] = {"max_epochs": 20, "learning_rate": 3e-3, "schedule": "cosine", "validation": 0.0}
STATES = 30


class BaseSequenceClassifier(RejectsForeignNames, BaseEstimator):
    """A network that gives classes; abstract.

    Parameters
    ----------
    network : Network, optional
        The architecture.
    training : Training, optional
        How it is trained; None is 20 epochs at rates falling from 3e-3 to 0, no sequence held out.
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
    accelerator_ : str
        Kind of device that trained and predicts ("auto" is a GPU, if there is one), or as said to `tsseq.load`.
    """

    def __init__(
        self,
        network: Network | None = None,
        training: Training | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
    ) -> None:
        self.network = network
        self.training = training
        self.class_weight = class_weight

    def _fit_rows(self, network: Network, rows: Array, codes: Array, layout: Layout, weights: Array | None) -> None:
        """Fit to ``codes`` (n, horizon), the numbers of the classes, NaN where none is known; sequences may weigh."""
        from tsseq.training.fitting import fit_network

        if len(self.classes_) < 2:
            raise DataError(f"y has one class, {self.classes_.tolist()[0]!r}; at least two classes are needed.")
        training = Training(**DEFAULTS) if self.training is None else self.training
        self.layout_, self.head_, self.accelerator_ = layout, Categorical(len(self.classes_)), accelerator_of(training)
        order = _stratified_order(codes[:, 0], training.seed)
        y = np.repeat(codes[order], layout.n_targets, axis=1)  # (n, horizon * channels)
        steps = step_weights(self.class_weight, self.classes_, codes, weights)
        windows = Windows.of_rows(rows[order], y, layout, None if steps is None else steps[order]).counting()
        self.network_, losses = fit_network(network, self.head_, training, windows)
        columns = {name: pd.Series(values, dtype=float) for name, values in losses.items()}
        self.history_ = pd.DataFrame(columns).rename_axis("epoch")

    def _predict_rows(self, rows: Array, length: int) -> Array:
        """Probabilities (n, horizon, n_classes) of rows of ``length`` steps, in blocks of one size."""
        windows = Windows.of_rows(rows, None, replace(self.layout_, context_length=length))

        def probabilities(batch: Batch, numbers: Tensor) -> Tensor:
            return self.head_.probabilities(self.network_(batch).cpu().double())

        return predict_rows(self.network_, windows, self.accelerator_, probabilities)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted classifier to a file without pickle; `tsseq.load` reads it.

        Parameters
        ----------
        path : str or path-like
            The file; one that is there is replaced in one step.

        Raises
        ------
        ConfigError
            If the classifier holds something that a model file has no place for; a file that is there stays as it is.
        OSError
            If the file cannot be written.
        NotFittedError
            Before `fit`.
        """
        save_model(self, path)

    def to_state(self) -> State:
        """Everything that was learnt, for a model file.

        Returns
        -------
        State
            Parameters, layout, classes, units, losses and weights.

        Raises
        ------
        ConfigError
            If a number type of the network has no place in a model file.
        """
        check_is_fitted(self, "network_")
        names = [name for name in ("n_features_in_", "feature_names_in_") if hasattr(self, name)]
        config = {"parameters": self, "layout": self.layout_, "history": list(self.history_)}
        config |= {name: getattr(self, name) for name in names}
        arrays = {"scale/mean": self.scale_.mean, "scale/deviation": self.scale_.deviation}
        if self.classes_.dtype.kind in "OU":
            config |= {"classes": self.classes_.tolist(), "objects": self.classes_.dtype.kind == "O"}
        else:
            arrays["classes/values"] = self.classes_
        arrays["history"] = self.history_.to_numpy()
        return State(type(self), config, arrays | to_arrays(self.network_, "network/"))

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Make the classifier of a model file again.

        Parameters
        ----------
        state : State
            What `to_state` gave, as far as it was read from a file: nothing in it is trusted.

        Returns
        -------
        Self
            Fitted; it predicts the same bits.

        Raises
        ------
        ValueError
            If parts are missing, or do not fit together.
        """
        model, layout = state.value("parameters", cls), state.value("layout", Layout)
        weights, scale, classes, _ = state.split("network", "scale", "classes", "history")
        check_arrays(scale, {"mean": (layout.n_targets,), "deviation": (layout.n_targets,)})
        model.scale_ = Scale(layout.context_length, scale["mean"], scale["deviation"])
        if "classes" in state.config:
            dtype = object if state.value("objects", bool) else np.str_
            classes = {"values": np.array(state.value("classes", list), dtype=dtype)}
        items = classes["values"].tolist()
        if items != np.unique(classes["values"]).tolist() or items != state.config.get("classes", items):
            raise ValueError(f"{items} are not sorted classes")
        model.layout_, model.classes_ = layout, classes["values"]
        model.head_ = Categorical(len(model.classes_))
        model.network_ = from_arrays(model._network(), layout, model.head_, weights)
        model.accelerator_ = state.config.get("accelerator") or accelerator_of(model.training)
        model.history_ = state.frame("history").rename_axis("epoch")
        if "n_features_in_" in state.config:
            model.n_features_in_ = state.value("n_features_in_", int)
        if "feature_names_in_" in state.config:
            model.feature_names_in_ = np.array(state.value("feature_names_in_", list), dtype=object)
        return cast(Self, model)


def _stratified_order(codes: Array, seed: int | None) -> Index:
    """A random order in which every class is spread evenly, so that the last rows may validate.

    Files of classification sets are often sorted by class.

    >>> codes = np.array([0, 0, 0, 0, 1, 1])
    >>> [codes[_stratified_order(codes, seed)[-3:]].mean().round(2) for seed in (0, 1)]
    [np.float64(0.33), np.float64(0.33)]
    """
    random = np.random.default_rng(seed)
    place = random.random(len(codes))
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        place[rows] = (random.permutation(len(rows)) + 0.5) / len(rows)
    return place.argsort(kind="stable")


@documented
class NeuralClassifier(ClassifierMixin, BaseSequenceClassifier):
    """Classify whole sequences.

    Sequences come as an array (n, time) of one channel, as an array (n, time, channels), or as a list of arrays
    (time,) or (time, channels) of unequal length. NaN is a missing value. Every channel is standardised by its mean
    and deviation over all training sequences. Sequences shorter than the longest of `fit` are filled up with missing
    values at the front; of longer ones, `predict` reads the last rows.

    A recurrent network is read through the mean of its states over time. Any other forecasts one
    value per class and channel, and the channels vote.

    Parameters
    ----------
    network : Network, optional
        The architecture; None is a bidirectional `GRU` of 64 units over segments of a thirtieth of the longest
        sequence.
    training : Training, optional
        How it is trained; None is 20 epochs at rates falling from 3e-3 to 0, no sequence held out. What
        ``Training(validation=...)`` holds out has the classes in the shares that they have in y, however X is sorted.
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
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

        Returns
        -------
        NeuralClassifier
            The classifier itself, fitted.

        Raises
        ------
        DataError
            X does not hold sequences of numbers, y has a single class, or the weights are not numbers of 0 or more.
        ConfigError
            ``class_weight`` makes no sense.
        """
        if is_table(X):
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        else:
            check_consistent_length(X, y)
        sequences = as_sequences(X)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        weights = None if sample_weight is None else row_weights(sample_weight, len(sequences))
        if weights is not None:
            counts = np.flatnonzero(weights)
            sequences, codes, weights = [sequences[row] for row in counts], codes[counts], weights[counts]
        self.scale_ = Scale.of(sequences, weights)
        rows = self.scale_.table(sequences)
        layout = self.scale_.layout(1, missing=bool(np.isnan(rows).any()))
        self._fit_rows(self._network(), rows, codes[:, None].astype(np.float64), layout, weights)
        return self

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
        return self._predict_rows(self.scale_.table(as_sequences(X)), self.scale_.length)[:, 0]

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
