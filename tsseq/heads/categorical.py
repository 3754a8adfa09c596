"""Classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tsseq.arguments import check_values
from tsseq.errors import DataError
from tsseq.heads.base import Head
from tsseq.resampling.classes import drawn_classes


@dataclass(eq=False, repr=False)
class Categorical(Head):
    """Classes: the parameters of all channels, summed, are their logits; a target is the number of its class.

    Forecasters of a target that is text, boolean or of dtype category use it by themselves.

    Parameters
    ----------
    n_classes : int
        Number of classes; a target is one of 0..n_classes - 1.
    temperature : float, default 1.0
        Power of draws, 0.001 to 1,000: probabilities are raised to 1 / temperature before.
    top_k : int or None, default None
        How many of the most probable classes are drawn; None draws all.

    Examples
    --------
    >>> import torch
    >>> Categorical(2).probabilities(torch.zeros(1, 1, 1, 2))
    tensor([[[0.5000, 0.5000]]])
    """

    n_classes: int
    temperature: float = 1.0
    top_k: int | None = None

    scalings = ("none",)
    lowest = 0.0

    def __post_init__(self) -> None:
        check_values(self)

    @property
    def n_params(self) -> int:
        """One logit per class."""
        return self.n_classes

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Cross entropy (B, H, 1); ``target`` repeats the class for every channel."""
        logits = params.sum(2).movedim(2, 1)  # (B, n_classes, H)
        return cross_entropy(logits, target[..., 0].round().long(), reduction="none")[..., None]

    def mean(self, params: Tensor) -> Tensor:
        """The number of the most probable class, (B, H, 1)."""
        return params.sum(2).argmax(2)[..., None]

    def probabilities(self, params: Tensor) -> Tensor:
        """Probability of every class.

        Parameters
        ----------
        params : Tensor
            (..., H, C, n_classes) from the last layer.

        Returns
        -------
        Tensor
            (..., H, n_classes).
        """
        return params.sum(-2).softmax(-1)

    def check(self, kind: str, log: bool, lowest: float, highest: float) -> None:
        """Refuse targets that are not among 0..n_classes - 1; see `Head.check`."""
        super().check(kind, log, lowest, highest)
        if highest > self.n_classes - 1:
            raise DataError(f"head={self!r} needs targets of at most {self.n_classes - 1}; there is {highest:g}.")

    def icdf(self, params: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Numbers of classes at probabilities ``level``, (..., B, H, 1): classes in the order of their numbers."""
        probabilities, levels = (
            x.detach().cpu().double() for x in (self.probabilities(params.double()), level[..., 0])
        )
        codes = drawn_classes(probabilities.numpy(), levels.numpy(), self.temperature, self.top_k)
        return torch.as_tensor(codes, dtype=params.dtype, device=params.device)[..., None]
