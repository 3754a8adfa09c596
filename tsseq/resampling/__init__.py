"""Draws of blocks, the error of a mean, folds in time, the ledger of trials, and even uniforms; NumPy only."""

from tsseq.resampling.bootstrap import MeanDraws, block_length, mean_draws, percentiles, resampled
from tsseq.resampling.folds import LabelSpans
from tsseq.resampling.long_run import mean_and_error
from tsseq.resampling.sobol import sobol_uniforms
from tsseq.resampling.trials import Trials

__all__ = [
    "LabelSpans",
    "MeanDraws",
    "Trials",
    "block_length",
    "mean_and_error",
    "mean_draws",
    "percentiles",
    "resampled",
    "sobol_uniforms",
]
