"""Optimisation: the only place that imports Lightning."""
