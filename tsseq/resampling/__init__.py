"""Blocks of neighbours that are drawn, and folds in time; NumPy only."""

from tsseq.resampling.bootstrap import block_length, percentiles, resampled
from tsseq.resampling.folds import LabelSpans

__all__ = ["LabelSpans", "block_length", "percentiles", "resampled"]
