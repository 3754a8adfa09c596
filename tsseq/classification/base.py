"""What classifiers of sequences and of their steps share: fits to rows, probabilities of rows, model files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from tsseq.arguments import check_kinds, check_values
from tsseq.classification.sequences import Scale, as_sequences, is_table
from tsseq.classification.start import Start
from tsseq.classification.symbols import as_vocabulary, encode_symbols, learn_vocabulary, read_symbols
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.errors import DataError
from tsseq.heads import Categorical, Head
from tsseq.hints import RejectsForeignNames
from tsseq.networks import Network
from tsseq.networks.batch import Batch
from tsseq.persistence.state import State, check_arrays, save_model
from tsseq.training.devices import accelerator_of, predict_rows
from tsseq.training.settings import Training
from tsseq.training.weights import from_arrays, to_arrays
from tsseq.typing import Array, Index

DEFAULTS: dict[str, Any] = {"max_epochs": 20, "learning_rate": 3e-3, "schedule": "cosine", "validation": 0.0}


class BaseSequenceClassifier(RejectsForeignNames, BaseEstimator):
    """A network that gives classes; abstract.

    Parameters
    ----------
    network : Network, optional
        The architecture.
    training : Training, optional
        How it is trained. What is None in it is 20 epochs, at rates falling from 3e-3 to 0, and no sequence held out.
    class_weight : dict or "balanced", optional
        What an error counts by the true class, times ``sample_weight``: numbers by class, 1 where none is given.
        "balanced" makes all classes count alike in sum, however rare they are. Default: all errors count alike.
    symbols : bool, default False
        Whether whole numbers are symbols, such as the numbers of words, and not quantities. Text always is symbols.
    min_count : int, default 1
        How often a symbol occurs in `fit` at least to have a learnt vector of its own; rarer ones share one, which
        unknown symbols have in `predict`. With 1, an unknown symbol adds nothing.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted classes.
    vocabulary_ : ndarray of shape (n_symbols,) or None
        The sorted symbols that have vectors of their own; None if sequences hold quantities.
    network_ : torch.nn.Module
        The trained network.
    history_ : DataFrame
        Columns ``train_loss`` and ``val_loss``, a row per epoch.
    accelerator_ : str
        Kind of device that trained and predicts ("auto" is a GPU, if there is one), or as said to `tsseq.load`.
    """

    start_: Start | None = None
    vocabulary_: NDArray[Any] | None = None

    def __init__(
        self,
        network: Network | None = None,
        training: Training | None = None,
        *,
        class_weight: Mapping[Any, float] | str | None = None,
        symbols: bool = False,
        min_count: int = 1,
    ) -> None:
        self.network = network
        self.training = training
        self.class_weight = class_weight
        self.symbols = symbols
        self.min_count = min_count

    def _learn_sequences(
        self, sequences: list[Any], are_symbols: bool, horizon: int | None = None, weights: Array | None = None
    ) -> tuple[Array, Layout]:
        """Learn the units or the vocabulary of training sequences -> their rows, and the layout of these.

        ``horizon`` is how many outputs there are for each; by default as many as steps.
        """
        self.start_ = None
        if not are_symbols:
            self.vocabulary_, self.scale_ = None, Scale.of(sequences, weights)
            rows = self.scale_.table(sequences)
            return rows, self.scale_.layout(horizon or self.scale_.length, missing=bool(np.isnan(rows).any()))
        self.vocabulary_, n_codes = learn_vocabulary(sequences, self.min_count)
        self.scale_ = Scale(max(map(len, sequences)), np.zeros(1), np.ones(1))
        codes = self.scale_.table(encode_symbols(sequences, self.vocabulary_, n_codes))
        sizes: dict[str, Any] = {"n_past": 1, "missing": bool(np.isnan(codes).any()), "categories": (n_codes,)}
        layout = Layout(self.scale_.length, horizon or self.scale_.length, **sizes)
        return without_past(codes, layout.context_length), layout

    def _read_rows(self, sequences: list[Any], length: int) -> Array:
        """Rows of sequences, as in `fit` but over ``length`` steps."""
        if self.vocabulary_ is not None:
            sequences = encode_symbols(sequences, self.vocabulary_, self.layout_.categories[0])
        rows = self.scale_._replace(length=length).table(sequences)
        return without_past(rows, length) if self.layout_.n_past else rows

    def _read_sequences(self, X: Any) -> list[Any]:
        """Sequences to predict: symbols or arrays (time, channels)."""
        if self.vocabulary_ is not None:
            return read_symbols(X)
        return as_sequences(np.asarray(X) if is_table(X) else X)

    def _fit_rows(
        self,
        network: Network,
        head: Head,
        rows: Array,
        codes: Array,
        layout: Layout,
        weights: Array | None,
        groups: NDArray[Any] | None = None,
    ) -> Index:
        """Fit to ``codes`` (n, horizon), what the head makes of classes, NaN where none is known -> the rows held out.

        Errors count ``weights`` (n, horizon); if these are None, all count alike.
        """
        from tsseq.training.fitting import fit_network

        if isinstance(head, Categorical) and head.n_classes < 2:
            raise DataError(f"y has one class, {self.classes_.tolist()[0]!r}; at least two classes are needed.")
        training = self._training()
        training.check_for_rows()
        self.layout_, self.head_, self.accelerator_ = layout, head, accelerator_of(training)
        order = _stratified_order(codes[:, 0], training.seed) if groups is None else _by_group(groups, training.seed)
        y = np.repeat(codes[order], layout.n_targets, axis=1)  # (n, horizon * channels)
        windows = Windows.of_rows(rows[order], y, layout, None if weights is None else weights[order])
        order = order if windows.weights is None else order[windows.weights > 0]
        windows = windows.counting()
        self.network_, losses = fit_network(network, self.head_, training, windows)
        columns = {name: pd.Series(values, dtype=float) for name, values in losses.items()}
        self.history_ = pd.DataFrame(columns).rename_axis("epoch")
        return order[windows.split(training.validation or 0.0)[1]] if losses["val_loss"] else order[:0]

    def _training(self) -> Training:
        check_kinds(self, training=Training, network=Network)
        check_values(self)
        return (Training() if self.training is None else self.training).filled(self._defaults())

    def _defaults(self) -> dict[str, Any]:
        """What is None in `Training`."""
        return DEFAULTS

    def _head(self, layout: Layout) -> Head:
        """What the last layer means."""
        return Categorical(len(self.classes_))

    def _predict_rows(self, rows: Array, length: int) -> Array:
        """Probabilities (n, horizon, n_classes) of rows of ``length`` steps, in blocks of one size."""
        windows = Windows.of_rows(rows, None, replace(self.layout_, context_length=length))

        def probabilities(batch: Batch, numbers: Tensor) -> Tensor:
            params = self.network_(batch).cpu().double()
            return self.head_.probabilities(params) if isinstance(self.head_, Categorical) else self.head_.mean(params)

        predicted = predict_rows(self.network_, windows, self.accelerator_, probabilities)
        if not np.isfinite(predicted).all():
            raise DataError("probabilities are NaN or infinite: weights are, or a sequence holds such values.")
        return predicted

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
        if self.vocabulary_ is not None:
            config["vocabulary"] = self.vocabulary_.tolist()
        arrays = {"scale/mean": self.scale_.mean, "scale/deviation": self.scale_.deviation}
        if self.classes_.dtype.kind in "OU":
            config |= {"classes": self.classes_.tolist(), "objects": self.classes_.dtype.kind == "O"}
        else:
            arrays["classes/values"] = self.classes_
        arrays["history"] = self.history_.to_numpy()
        if self.start_ is not None:
            arrays |= {f"start/{name}": array for name, array in self.start_.to_arrays().items()}
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
        optional = (
            "writes_text",
            "vocabulary",
            "classes",
            "objects",
            "n_features_in_",
            "feature_names_in_",
            "accelerator",
        )
        state.check_names("parameters", "layout", "history", optional=optional)
        model, layout = state.value("parameters", cls), state.value("layout", Layout)
        weights, scale, classes, start, _ = state.split("network", "scale", "classes", "start", "history")
        n_channels = layout.n_past or layout.n_targets
        check_arrays(scale, {"mean": (n_channels,), "deviation": (n_channels,)})
        model.scale_ = Scale(layout.context_length, scale["mean"], scale["deviation"])
        if "classes" in state.config:
            dtype = object if state.value("objects", bool) else np.str_
            classes = {"values": np.array(state.value("classes", list), dtype=dtype)}
        items = classes["values"].tolist()
        if items != np.unique(classes["values"]).tolist() or items != state.config.get("classes", items):
            raise ValueError(f"{items} are not sorted classes")
        model.layout_, model.classes_ = layout, classes["values"]
        model.vocabulary_, model.head_ = _read_vocabulary(state, layout), model._head(layout)
        starts = start or layout.n_static
        model.start_ = Start.from_arrays(start, layout.n_targets, layout.n_static) if starts else None
        model.network_ = from_arrays(model._network(layout), layout, model.head_, weights)
        model.accelerator_ = state.config.get("accelerator") or accelerator_of(model.training)
        model.history_ = state.frame("history").rename_axis("epoch")
        if "n_features_in_" in state.config:
            model.n_features_in_ = state.value("n_features_in_", int)
            if model.n_features_in_ != layout.context_length:
                raise ValueError(f"{model.n_features_in_} columns are not {layout.context_length} steps")
        if "feature_names_in_" in state.config:
            model.feature_names_in_ = np.array(state.value("feature_names_in_", list), dtype=object)
        return cast(Self, model)


def without_past(rows: Array, length: int) -> Array:
    """Rows of covariates (n, width) over ``length`` steps, beside a target that has no past."""
    return np.hstack([np.full((len(rows), length), np.nan), rows])


def _read_vocabulary(state: State, layout: Layout) -> NDArray[Any] | None:
    """The vocabulary of a model file, which need not make sense."""
    if "vocabulary" not in state.config:
        return None
    symbols = state.value("vocabulary", list)
    if {type(symbol) for symbol in symbols} not in ({str}, {int}) or symbols != sorted(set(symbols)):
        raise ValueError("the vocabulary is not a list of sorted symbols")
    if layout.categories not in ((len(symbols),), (len(symbols) + 1,)):
        raise ValueError(f"{layout} does not fit a vocabulary of {len(symbols)} symbols")
    return as_vocabulary(symbols)


def _by_group(groups: NDArray[Any], seed: int | None) -> Index:
    """A random order of groups: but for one, the last rows are of groups that the first ones are not of."""
    random, numbers = np.random.default_rng(seed), np.unique(groups, return_inverse=True)[1]
    return random.permutation(numbers.max() + 1)[numbers].argsort(kind="stable")


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
