"""One self-contained HTML page."""

from __future__ import annotations

from tsseq.reporting.report import report

__all__ = ["report"]
