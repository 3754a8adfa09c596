"""Frames become panels, panels become windows; NumPy and pandas only."""

from tsseq.data.frames import FrameLayout
from tsseq.data.layout import Layout
from tsseq.data.panel import Frame, Panel
from tsseq.data.regularize import regularize
from tsseq.data.samples import load_sample, make_series
from tsseq.data.scaling import Affine, Scaling
from tsseq.data.schema import Schema
from tsseq.data.time_rules import TimeRule
from tsseq.data.windows import Windows

__all__ = [
    "Affine",
    "Frame",
    "FrameLayout",
    "Layout",
    "Panel",
    "Scaling",
    "Schema",
    "TimeRule",
    "Windows",
    "load_sample",
    "make_series",
    "regularize",
]
