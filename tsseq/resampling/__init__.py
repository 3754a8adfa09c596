"""Draws of blocks; NumPy only."""

from tsseq.resampling.bootstrap import block_length, percentiles, resampled

__all__ = ["block_length", "percentiles", "resampled"]
