"""What forecasts depend on: importance, contributions, coefficients."""

from tsseq.explanation.contributions import coefficients, contributions
from tsseq.explanation.importance import Importance, importance

__all__ = ["Importance", "coefficients", "contributions", "importance"]
