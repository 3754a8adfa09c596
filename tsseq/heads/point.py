"""Point forecasts."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from tsseq.errors import ConfigError
from tsseq.heads.base import Head


class Point(Head):
    """A point forecast.

    Parameters
    ----------
    loss_name : "mae" (the forecast is a median), "mse" (a mean) or "huber", in standard deviations of each series;
        "mase", the absolute error in each series' own typical change over the horizon, so that all series count alike;
        or "smape", ``|y - f| / (|y| + |f|)`` in units of the data.
    """

    n_params = 1

    def __init__(self, loss_name: str = "mae") -> None:
        self.loss_name = loss_name

    @property
    def weighted(self) -> bool:
        """See `Head`."""
        return self.loss_name not in ("mase", "smape")

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `Head`."""
        losses: dict[str, Any] = {"mae": functional.l1_loss, "mse": functional.mse_loss, "huber": functional.huber_loss}
        losses["mase"] = functional.l1_loss
        found = self.mean(params)
        if self.loss_name == "smape":
            unit, zero = scale[:, None], loc[:, None]  # (B, 1, C)
            size = (target * unit + zero).abs() + (found * unit + zero).abs()
            return ((target - found) * unit).abs() / size.clamp(min=1e-12)
        if self.loss_name not in losses:
            known = ", ".join(map(repr, [*losses, "smape"]))
            raise ConfigError(f"Point({self.loss_name!r}) is unknown; it is one of {known}.")
        return losses[self.loss_name](found, target, reduction="none")

    def mean(self, params: Tensor) -> Tensor:
        """See `Head`."""
        return params[..., 0]
