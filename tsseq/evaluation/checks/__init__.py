"""The checks of `tsseq.audit`, by name: for leaks, and for what forecasts and data are worth."""

from tsseq.evaluation.checks.findings import FINDING_CHECKS
from tsseq.evaluation.checks.leaks import LEAK_CHECKS

__all__ = ["FINDING_CHECKS", "LEAK_CHECKS"]
