"""Optimisation: the only place that imports Lightning, and only at the first fit."""

from tsseq.training.settings import Training

__all__ = [
    "Training",
]
