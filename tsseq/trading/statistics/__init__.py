"""Statistics of returns, beside another series, of forecasts, and against luck."""

__all__ = []
