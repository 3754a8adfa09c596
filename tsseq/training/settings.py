"""Training: every choice about optimisation, in one small estimator."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from tsseq.errors import ConfigError
from tsseq.hints import KnowsOtherNames

SCHEDULES = ("exponential", "cosine", "constant")


class Training(KnowsOtherNames, BaseEstimator):
    """How a network is trained. The defaults reach published accuracy on the benchmarks.

    Parameters
    ----------
    max_epochs : passes over the training windows; an epoch has at least 50 optimiser steps, for which few windows are
        drawn again, in smaller batches.
    max_steps : optimiser steps at most; None sets no limit.
    batch_size : windows per step, over all devices.
    learning_rate, weight_decay : of AdamW (Loshchilov and Hutter 2019); a rate of None is the network's own.
    schedule : "exponential" lets the rate fall by a fifth per epoch, "cosine" to 0 at the end, "constant" leaves it.
    gradient_clip : norm at which gradients are clipped; None leaves them alone.
    validation : share of the last origin times that is held out. Their loss chooses the epoch whose weights are kept;
        with fewer than 10 such windows, or 0, none are held out.
    patience : epochs without a better validation loss before training stops; None never stops early.
    seed : makes a fit repeatable; None draws a new one. The global random state is never touched.
    verbose : whether to show a progress bar.
    accelerator, devices, num_nodes, strategy, precision : handed to Lightning's Trainer. Several devices train as
        several processes; only one is used unless told.
    compile : whether to run the network through `torch.compile`.
    keep_memory : whether the C library keeps freed memory for the next step (Linux with glibc; for the whole process):
        long recurrent networks train up to 1.7 times as fast on CPUs.
    """

    def __init__(
        self,
        *,
        max_epochs: int = 10,
        max_steps: int | None = None,
        batch_size: int = 256,
        learning_rate: float | None = None,
        weight_decay: float = 1e-2,
        schedule: str = "exponential",
        gradient_clip: float | None = 1.0,
        validation: float = 0.1,
        patience: int | None = 3,
        seed: int | None = 0,
        verbose: bool = True,
        accelerator: str = "auto",
        devices: int | list[int] = 1,
        num_nodes: int = 1,
        strategy: Any = "auto",
        precision: str | int = "32-true",
        compile: bool = False,
        keep_memory: bool = True,
    ) -> None:
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.gradient_clip = gradient_clip
        self.validation = validation
        self.patience = patience
        self.seed = seed
        self.verbose = verbose
        self.accelerator = accelerator
        self.devices = devices
        self.num_nodes = num_nodes
        self.strategy = strategy
        self.precision = precision
        self.compile = compile
        self.keep_memory = keep_memory

    def check(self) -> None:
        """Raise a ConfigError for values that make no sense."""
        for name in ("max_epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"Training({name}={getattr(self, name)}) must be at least 1.")
        if self.max_steps is not None and self.max_steps < 1:
            raise ConfigError(f"Training(max_steps={self.max_steps}) must be at least 1, or None.")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"Training(schedule={self.schedule!r}) is one of {', '.join(map(repr, SCHEDULES))}.")
        if not 0 <= self.validation < 1:
            raise ConfigError(f"Training(validation={self.validation}) is a share: from 0 to below 1.")
