"""A model that is trained, alone or against another, and its losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tsseq.training.model import Model

DECAY = 0.8  # of the learning rate per epoch
MARGIN = 0.01  # a line that gains less is left out


class Racer:
    """A model, the losses of its epochs, and its best weights, in memory.

    Attributes
    ----------
    model : Model
        The one that is trained.
    runs : bool
        Whether it is trained on.
    begins : bool
        Whether it was when the epoch began.
    losses : dict of str to list of float
        ``train_loss`` and ``val_loss`` per epoch.
    sums : dict of str to list of pairs of Tensor
        Sum and number of the losses of the steps of an epoch.
    norms : list of Tensor
        Norms of the gradients of the last steps, where they are clipped.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.runs, self.begins = model, True, True
        self.losses: dict[str, list[float]] = {"train_loss": [], "val_loss": []}
        self.sums: dict[str, list[tuple[Tensor, Tensor]]] = {"train_loss": [], "val_loss": []}
        self.weights: dict[str, Tensor] | None = None
        self.norms: list[Tensor] = []

    @property
    def best(self) -> float:
        """The best validation loss."""
        return min(self.losses["val_loss"], default=math.inf)

    def join_sums(self, name: str, n: int) -> None:
        """Replace the last ``n`` sums by theirs: many small tensors that stay would keep the memory between them."""
        if self.runs and len(self.sums[name]) > 1:
            totals, counts = zip(*self.sums[name][-n:])
            self.sums[name][-n:] = [(torch.stack(totals).sum(), torch.stack(counts).sum())]

    def keep_best(self) -> None:
        """Copy the weights if the last epoch is the best one."""
        if self.runs and self.losses["val_loss"][-1] < min(self.losses["val_loss"][:-1], default=math.inf):
            self.weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def put_back(self) -> None:
        """Load the best weights."""
        if self.weights is not None:
            self.model.load_state_dict(self.weights)

    def beats(self, rival: Racer) -> bool:
        """Whether its best loss is better by more than `MARGIN`."""
        return self.best < rival.best - MARGIN * abs(rival.best)

    def is_hopeless(self, rival: Racer) -> bool:
        """Whether it stays behind even if it goes on to gain as it did in the last epoch, at rates that fall."""
        losses = self.losses["val_loss"]
        if len(losses) < 2:
            return False
        gain = max(min(losses[:-1]) - losses[-1], 0.0)
        return self.best - gain * DECAY / (1 - DECAY) > rival.best
