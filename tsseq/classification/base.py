"""What the classifiers of sequences and of steps share: their loss, one fit, and probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from tsseq.classification.sequences import Array
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.errors import DataError
from tsseq.heads import Categorical
from tsseq.hints import KnowsOtherNames
from tsseq.networks import Network
from tsseq.training.loader import prediction_batches
from tsseq.training.settings import Training

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
