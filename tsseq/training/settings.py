"""Training: every choice about optimisation, in one small estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from sklearn.base import BaseEstimator

from tsseq.errors import ConfigError
from tsseq.hints import RejectsForeignNames

SCHEDULES = ("exponential", "cosine", "constant")
FORECASTING: Mapping[str, Any] = {"max_epochs": 10, "schedule": "exponential", "validation": 0.1}


@dataclass(eq=False, repr=False, kw_only=True)
class Training(RejectsForeignNames, BaseEstimator):
    """How a network is trained. The defaults reach published accuracy on the benchmarks.

    Parameters
    ----------
    max_epochs : int or None, default None
        Passes over the training windows; an epoch has at least 50 optimiser steps, for which few windows are drawn
        again, in smaller batches. None is 10, and 20 for classes.
    max_steps : int or None, default None
        Optimiser steps at most; None sets no limit.
    batch_size : int, default 256
        Windows per step, over all devices.
    learning_rate : float or None, default None
        Rate of AdamW (Loshchilov and Hutter 2019) at the start; None is the network's own, and 3e-3 for classes.
    weight_decay : float, default 0.01
        Weight decay of AdamW.
    schedule : {"exponential", "cosine", "constant"} or None, default None
        "exponential" lets the rate fall by a fifth per epoch, "cosine" to 0 at the end; "constant" leaves it. None is
        "exponential", and "cosine" for classes.
    gradient_clip : float or None, default 1.0
        Norm at which gradients are clipped; None leaves them alone.
    validation : float, timestamp or None, default None
        Share of the last origin times that is held out, from 0 to below 1. Their loss chooses the epoch whose weights
        are kept; with fewer than 10 such windows, or 0, none are held out. A timestamp (text, a date or
        period, a whole number above 0 where those are the index) holds out the windows whose origin lies at or after
        it, however few they are. None is 0.1; of sequences with classes, 0.25 where the network is beside a ridge
        classifier, and otherwise 0.
    stride : int, default 1
        Rows between the origins of neighbouring windows of a series that train, counted back from its end: windows of
        long smooth series say nearly the same as their neighbours. Scales are learnt on all rows, and all windows that
        are held out validate.
    patience : int or None, default 3
        Epochs without a better validation loss before training stops; None never stops early.
    seed : int or None, default 0
        Makes a fit repeatable; None draws a new one. The global random state is never touched.
    verbose : bool, default True
        Whether to show a progress bar.
    accelerator : str, default "auto"
        Kind of device that trains and predicts: "cpu", "gpu", "cuda", "mps" (Apple), or another that Lightning's
        Trainer takes; "auto" is a GPU, if there is one.
    devices : int or list of int, default 1
        How many devices, or which ones, as Lightning's Trainer takes it. Several train as several processes.
    num_nodes : int, default 1
        Machines that train together, as Lightning's Trainer takes it.
    strategy : str or Strategy, default "auto"
        How several processes start and share gradients, as Lightning's Trainer takes it.
    precision : str or int, default "32-true"
        Numbers of the network, as Lightning's Trainer takes it: "32-true", "bf16-mixed", "16-mixed".
    compile : bool, default False
        Whether to run the network through `torch.compile` while it trains; forecasts never wait for a compiler.
    keep_memory : bool, default True
        Whether the C library keeps freed memory for the next step (Linux with glibc; for the whole process): long
        recurrent networks train up to 1.7 times as fast on CPUs.

    Notes
    -----
    Forecasts, samples, attention weights and classes are computed where the network was trained: on the first of
    ``devices`` of kind ``accelerator``, or as ``tsseq.load(path, accelerator=...)`` says; on the CPU where a machine
    has no such device, as after unpickling a model elsewhere. On a GPU, rows come in batches of one size that fits into
    its memory, and products have all digits of float32 (no TF32), so that figures are those of the CPU to about 1e-5;
    on the CPU they are the same bits on every run. A pickled, copied or saved model holds its weights on the CPU, so
    that processes and machines without the device read it.

    Small networks leave a GPU idle at the default ``batch_size``: some thousands of windows a step keep it busy.

    Examples
    --------
    >>> from tsseq import LinearForecaster, Training, load_sample
    >>> training = Training(max_epochs=5, schedule="cosine", seed=1, verbose=False)
    >>> model = LinearForecaster(3, 24, training=training).fit(load_sample("airline"))
    >>> len(model.history_)
    5
    """

    max_epochs: int | None = None
    max_steps: int | None = None
    batch_size: int = 256
    learning_rate: float | None = None
    weight_decay: float = 1e-2
    schedule: str | None = None
    gradient_clip: float | None = 1.0
    validation: Any = None
    stride: int = 1
    patience: int | None = 3
    seed: int | None = 0
    verbose: bool = True
    accelerator: str = "auto"
    devices: int | list[int] = 1
    num_nodes: int = 1
    strategy: Any = "auto"
    precision: str | int = "32-true"
    compile: bool = False
    keep_memory: bool = True

    def filled(self, defaults: Mapping[str, Any]) -> Training:
        """The same choices, with those that are None taken from elsewhere.

        Parameters
        ----------
        defaults : mapping of str to object
            Values by the names of parameters.

        Returns
        -------
        Training
            A new one.

        Examples
        --------
        >>> Training(max_epochs=5).filled({"max_epochs": 20, "validation": 0.0})
        Training(max_epochs=5, validation=0.0)
        """
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises
        ------
        ConfigError
            A number is out of its range, or the schedule is unknown.
        """
        for name in ("max_epochs", "batch_size", "stride"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"Training({name}={getattr(self, name)}) must be at least 1.")
        if self.max_steps is not None and self.max_steps < 1:
            raise ConfigError(f"Training(max_steps={self.max_steps}) must be at least 1, or None.")
        if self.schedule not in (None, *SCHEDULES):
            raise ConfigError(f"Training(schedule={self.schedule!r}) is one of {', '.join(map(repr, SCHEDULES))}.")
        if self.validation is not None and self.validates_from is None and not 0 <= self.validation < 1:
            whole = "a share, from 0 to below 1, or the timestamp from which origins are held out"
            raise ConfigError(f"Training(validation={self.validation}) is {whole}.")

    @property
    def validates_from(self) -> Any:
        """The timestamp from which origins are held out; None where ``validation`` is a share."""
        value = self.validation
        counts = isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0
        return None if isinstance(value, Real) and not counts else value

    def check_for_rows(self) -> None:
        """Refuse what needs timestamps, which rows of a plain array do not have.

        Raises
        ------
        ConfigError
            ``validation`` is a timestamp, or there is a stride.
        """
        if self.validates_from is not None:
            what = f"Training(validation={self.validation!r}) needs timestamps, and rows of an array have none"
            raise ConfigError(f"{what}; hold out a share of the last rows, from 0 to below 1.")
        if self.stride > 1:
            what = f"Training(stride={self.stride}) needs windows of series, and rows of an array are none"
            raise ConfigError(f"{what}; pass X[::{self.stride}], y[::{self.stride}].")
