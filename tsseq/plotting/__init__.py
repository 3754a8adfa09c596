"""Pictures of forecasts, losses and attention with matplotlib, in the style of the report."""

from tsseq.plotting.attention import plot_attention
from tsseq.plotting.forecasts import plot_forecast
from tsseq.plotting.losses import plot_history

__all__ = ["plot_attention", "plot_forecast", "plot_history"]
