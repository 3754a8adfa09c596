"""The checks of `tsseq.audit`: for leaks, and for what forecasts and data are worth."""

from tsseq.evaluation.checks.case import Case, Verdict
from tsseq.evaluation.checks.findings import FINDING_CHECKS
from tsseq.evaluation.checks.leaks import LEAK_CHECKS

__all__ = ["FINDING_CHECKS", "LEAK_CHECKS", "Case", "Verdict"]
