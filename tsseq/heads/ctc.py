"""Connectionist temporal classification."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import ctc_loss

from tsseq.heads.base import Head


@dataclass(eq=False, repr=False)
class CTC(Head):
    """Symbols in order, without saying at which step each stands (Graves et al. 2006).

    The parameters of a step are the logits of the blank and of all symbols; those of all channels are summed. The loss
    of a sequence is minus the logarithm of the probability of all paths that give its symbols once repetitions are
    joined and blanks are dropped, divided by the number of symbols.

    Parameters
    ----------
    n_classes : int
        Number of symbols; a target is one of 1..n_classes, followed by 0 where there are no more.

    Examples
    --------
    >>> import torch
    >>> params = torch.tensor([[0.0, 9.0, 0.0], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    >>> CTC(2).mean(params[None, :, None]).flatten()
    tensor([1, 1, 0, 2])
    """

    n_classes: int

    scalings = ("none",)
    lowest = 0.0

    @property
    def n_params(self) -> int:
        """One logit per symbol, and that of the blank."""
        return self.n_classes + 1

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Loss per symbol (B, H, C) of whole sequences, the same at all their steps."""
        chances = params.sum(2).log_softmax(2).transpose(0, 1)  # (T, B, K)
        codes = target[..., 0].round().long()  # (B, H)
        n_steps, n_symbols = codes.new_full((len(codes),), len(chances)), (codes > 0).sum(1)
        losses = ctc_loss(chances, codes, n_steps, n_symbols, reduction="none", zero_infinity=True)
        return (losses / n_symbols.clamp(min=1))[:, None, None].expand_as(target)

    def mean(self, params: Tensor) -> Tensor:
        """The number of the most probable symbol of every step, (B, T, 1); 0 is the blank."""
        return params.sum(2).argmax(2)[..., None]
