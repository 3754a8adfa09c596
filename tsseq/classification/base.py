"""What the classifiers of sequences and of steps share: their loss, one fit, and probabilities."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import Any, Self, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tsseq.classification.sequences import Array, Scale
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.errors import DataError
from tsseq.heads import Categorical
from tsseq.hints import KnowsOtherNames
from tsseq.networks import Network
from tsseq.persistence.state import State, check_arrays, save_model
from tsseq.training.loader import prediction_batches
from tsseq.training.settings import Training
from tsseq.training.weights import from_arrays, to_arrays

DEFAULTS: dict[str, Any] = {"max_epochs": 20, "learning_rate": 3e-3, "schedule": "cosine", "validation": 0.0}


class BaseLabels(KnowsOtherNames, BaseEstimator):
    """A network that gives classes; abstract."""

    network: Network | None
    training: Training | None
    classes_: NDArray[Any]

    def _train(self, network: Network, rows: Array, codes: Array, layout: Layout) -> None:
        """Fit to ``codes`` (n, horizon), the numbers of the classes, NaN where none is known."""
        from tsseq.training.fitting import fit_network

        if len(self.classes_) < 2:
            raise DataError(f"y has one class, {self.classes_.tolist()[0]!r}; at least two classes are needed.")
        training = Training(**DEFAULTS) if self.training is None else self.training
        self.layout_, self.head_ = layout, Categorical(len(self.classes_))
        order = _mixed(codes[:, 0], training.seed)
        y = np.repeat(codes[order], layout.n_targets, axis=1)  # (n, horizon * channels)
        self.network_, losses = fit_network(network, self.head_, training, Windows.of_rows(rows[order], y, layout))
        self.history_ = pd.DataFrame(
            {name: pd.Series(values, dtype=float) for name, values in losses.items()}
        ).rename_axis("epoch")

    def _probabilities(self, table: Array, length: int) -> Array:
        """(n, horizon, n_classes) for rows of ``length`` steps, in blocks of one size, the last one filled up."""
        windows = Windows.of_rows(table, None, replace(self.layout_, context_length=length))
        with torch.inference_mode():
            batches = prediction_batches(windows, torch.device("cpu"))
            parts = [self.head_.probabilities(self.network_(batch).double()) for batch, _ in batches]
        return torch.cat(parts)[: len(table)].numpy()

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
        compiled = model.training is not None and model.training.compile
        model.network_ = from_arrays(model._network(), layout, model.head_, weights, compiled)
        model.history_ = state.frame("history").rename_axis("epoch")
        if "n_features_in_" in state.config:
            model.n_features_in_ = state.value("n_features_in_", int)
        if "feature_names_in_" in state.config:
            model.feature_names_in_ = np.array(state.value("feature_names_in_", list), dtype=object)
        return cast(Self, model)


def _mixed(codes: Array, seed: int | None) -> NDArray[np.int64]:
    """A random order in which every class is spread evenly, so that the last rows may validate.

    Files of classification sets are often sorted by class.

    >>> codes = np.array([0, 0, 0, 0, 1, 1])
    >>> [codes[_mixed(codes, seed)[-3:]].mean().round(2) for seed in (0, 1)]
    [np.float64(0.33), np.float64(0.33)]
    """
    random = np.random.default_rng(seed)
    place = random.random(len(codes))
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        place[own] = (random.permutation(len(own)) + 0.5) / len(own)
    return place.argsort(kind="stable")
