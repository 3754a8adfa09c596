"""One self-contained HTML page."""

from tsseq.reporting.report import report

__all__ = ["report"]
