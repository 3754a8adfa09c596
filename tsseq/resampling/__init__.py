"""Draws of blocks; NumPy only."""

__all__ = []
