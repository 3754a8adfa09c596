"""Classes."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from tsseq.heads.base import Head


class Categorical(Head):
    """Classes: the parameters of all channels, summed, are their logits; a target is the number of its class."""

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    @property
    def n_params(self) -> int:
        """See `Head`."""
        return self.n_classes

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Cross entropy (B, H, 1); ``target`` repeats the class for every channel."""
        logits = params.sum(2).movedim(2, 1)  # (B, n_classes, H)
        return cross_entropy(logits, target[..., 0].long(), reduction="none")[..., None]

    def mean(self, params: Tensor) -> Tensor:
        """The number of the most probable class, (B, H, 1)."""
        return params.sum(2).argmax(2)[..., None]

    def probabilities(self, params: Tensor) -> Tensor:
        """(B, H, n_classes)."""
        return params.sum(2).softmax(2)
