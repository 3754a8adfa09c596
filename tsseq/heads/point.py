"""Point forecasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from tsseq.errors import ConfigError
from tsseq.heads.base import Head

LOSSES: dict[str, Callable[..., Tensor]] = {
    "mae": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
    "mase": functional.l1_loss,
}


@dataclass(eq=False, repr=False)
class Point(Head):
    """A point forecast, without quantiles.

    Parameters
    ----------
    loss_name : {"mae", "mse", "huber", "mase", "smape"} or callable, default "mae"
        "mae" makes the forecast a median, "mse" a mean, "huber" something between; all three count in standard
        deviations of each series. "mase" is the absolute error in each series' own typical change over the horizon,
        so that all series count alike; "smape" is ``|y - f| / (|y| + |f|)`` in units of the data. A callable is a loss
        of your own: ``loss(forecast, target)`` takes two scaled tensors and returns one of their shape, as losses of
        `torch.nn.functional` do with ``reduction="none"``. No model file holds it, so that such a model cannot be
        saved; a class of your own can (see `Head`).

    Examples
    --------
    >>> from tsseq import LinearForecaster, Point, Training, load_sample
    >>> model = LinearForecaster(2, 24, head=Point("mse"), training=Training(max_steps=5, verbose=False))
    >>> model.fit(load_sample("airline")).predict().shape
    (2, 1)

    Forecasts that are too low cost three times as much as those that are too high:

    >>> def loss(forecast, target):
    ...     error = target - forecast
    ...     return error.abs() * (2 + error.sign())
    >>> model = LinearForecaster(2, 24, head=Point(loss), training=Training(max_steps=5, verbose=False))
    >>> model.fit(load_sample("airline")).predict().shape
    (2, 1)
    """

    loss_name: str | Callable[[Tensor, Tensor], Tensor] = "mae"

    n_params = 1

    @property
    def weighted(self) -> bool:
        """Whether an error counts in standard deviations of its series."""
        return self.loss_name not in ("mase", "smape")

    def loss(self, params: Tensor, target: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """The loss that is named, (B, H, C); a ConfigError if there is none of that name."""
        forecast = self.mean(params)
        if callable(self.loss_name):
            return self._own_loss(self.loss_name, forecast, target)
        if self.loss_name == "smape":
            unit, zero = scale[:, None], loc[:, None]  # (B, 1, C)
            size = (target * unit + zero).abs() + (forecast * unit + zero).abs()
            return ((target - forecast) * unit).abs() / size.clamp(min=1e-12)
        if self.loss_name not in LOSSES:
            names = ", ".join(map(repr, [*LOSSES, "smape"]))
            raise ConfigError(f"Point({self.loss_name!r}) is unknown; it is one of {names}, or a function.")
        return LOSSES[self.loss_name](forecast, target, reduction="none")

    @staticmethod
    def _own_loss(function: Callable[[Tensor, Tensor], Tensor], forecast: Tensor, target: Tensor) -> Tensor:
        """The user's loss, one for every value; a missing target does not count, whatever is made of it."""
        losses = function(forecast, target)
        if not isinstance(losses, Tensor) or losses.shape != forecast.shape:
            what = f"a tensor of shape {tuple(losses.shape)}" if isinstance(losses, Tensor) else repr(losses)
            needed = f"one loss for every value, {tuple(forecast.shape)}, was needed (reduction='none')"
            raise ConfigError(f"Point(loss) returned {what}; {needed}.")
        return losses

    def mean(self, params: Tensor) -> Tensor:
        """The only parameter, (B, H, C)."""
        return params[..., 0]

    def check(self, kind: str, log: bool, lowest: float, highest: float) -> None:
        """As for every head; "smape" is refused for logarithms too."""
        super().check(kind, log, lowest, highest)
        if self.loss_name == "smape" and log:
            raise ConfigError("Point('smape') is not an error of logarithms; with log=True, 'mae' is relative already.")
