"""How the learning rate goes: what it is multiplied by at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tsseq.training.racer import DECAY
from tsseq.training.settings import Training

RISE = 0.3  # share of the steps of one cycle in which the rate rises
START, END = 1 / 25, 1 / 250_000  # of one cycle, as Smith and Topin had it


def rate_factor(settings: Training, step: int, steps: int, last_step: float, losses: Sequence[float]) -> float:
    """What the learning rate is multiplied by.

    Parameters
    ----------
    settings : Training
        Its ``schedule`` and ``warmup_steps``.
    step : int
        Of the fit, counted from 0.
    steps : int
        Of an epoch.
    last_step : float
        Steps of the fit.
    losses : sequence of float
        Of the epochs that are over; for "plateau".

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> rate_factor(Training(schedule="plateau"), 150, 50, 500, [1.0, 0.8, 0.9])
    0.5
    """
    warmth = min((step + 1) / settings.warmup_steps, 1.0) if settings.warmup_steps else 1.0
    progress = min(step / last_step, 1.0)
    factor = 1.0
    match settings.schedule:
        case "exponential":
            factor = DECAY ** (step / steps)
        case "cosine":
            factor = _fall(progress)
        case "one_cycle" if progress < RISE:
            factor = 1 + (START - 1) * _fall(progress / RISE)
        case "one_cycle":
            factor = END + (1 - END) * _fall((progress - RISE) / (1 - RISE))
        case "plateau":
            factor = 0.5 ** sum(loss >= min(losses[:epoch]) for epoch, loss in enumerate(losses) if epoch)
    return factor * warmth


def _fall(progress: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * progress)) / 2
