"""Draws of blocks, and the ledger of trials; NumPy only."""

from __future__ import annotations

from tsseq.resampling.bootstrap import block_length, percentiles, resampled
from tsseq.resampling.trials import Trials

__all__ = ["Trials", "block_length", "percentiles", "resampled"]
