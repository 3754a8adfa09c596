"""Frames become windows: NumPy and pandas only."""
