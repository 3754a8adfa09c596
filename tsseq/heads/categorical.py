"""Classes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from tsseq.heads.base import Head


@dataclass(eq=False, repr=False)
class Categorical(Head):
    """Classes: the parameters of all channels, summed, are their logits; a target is the number of its class.

    Parameters
    ----------
    n_classes : int
        Number of classes; a target is one of 0..n_classes - 1.

    Examples
    --------
    >>> import torch
    >>> Categorical(2).probabilities(torch.zeros(1, 1, 1, 2))
    tensor([[[0.5000, 0.5000]]])
    """

    n_classes: int

    @property
    def n_params(self) -> int:
        """One logit per class."""
        return self.n_classes

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Cross entropy (B, H, 1); ``target`` repeats the class for every channel."""
        logits = params.sum(2).movedim(2, 1)  # (B, n_classes, H)
        return cross_entropy(logits, target[..., 0].long(), reduction="none")[..., None]

    def mean(self, params: Tensor) -> Tensor:
        """The number of the most probable class, (B, H, 1)."""
        return params.sum(2).argmax(2)[..., None]

    def probabilities(self, params: Tensor) -> Tensor:
        """Probability of every class.

        Parameters
        ----------
        params : Tensor
            (B, H, C, n_classes) from the last layer.

        Returns
        -------
        Tensor
            (B, H, n_classes).
        """
        return params.sum(2).softmax(2)
