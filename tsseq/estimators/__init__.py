"""Regressors over rows, and forecasters over frames."""
