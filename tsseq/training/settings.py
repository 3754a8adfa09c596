"""Training: every choice about optimisation, in one small estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone

from tsseq.arguments import check_values
from tsseq.errors import ConfigError
from tsseq.hints import RejectsForeignNames

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
    accumulate : int, default 1
        Batches whose gradients make up one step: that of a batch so many times the size, in less memory.
    learning_rate : float or None, default None
        Rate of AdamW (Loshchilov and Hutter 2019) at the start; None is the network's own, and 3e-3 for classes.
    weight_decay : float, default 0.01
        Weight decay of AdamW.
    optimizer : callable or None, default None
        Makes the optimiser of the parameters it is given, such as ``torch.optim.SGD`` or ``functools.partial(
        torch.optim.SGD, momentum=0.9)``; it brings its own rate, where ``learning_rate`` is None, and weight decay.
        None is AdamW.
    schedule : {"exponential", "cosine", "constant", "plateau", "one_cycle"} or None, default None
        "exponential" lets the rate fall by a fifth per epoch, "cosine" to 0 at the end; "constant" leaves it;
        "plateau" halves it after every epoch without a better validation loss (training loss, if none is held out);
        "one_cycle" lets it rise to its full size in three tenths of the steps, and fall to 0 (Smith and Topin 2019).
        None is "exponential", and "cosine" for classes.
    warmup_steps : int, default 0
        Steps at the start over which the rate rises to what the schedule says.
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
        Whether to show on stderr how far a fit is: a bar with the name of the network and its loss on a terminal and in
        a notebook, elsewhere one line at the end.
    accelerator : str, default "auto"
        Kind of device that trains and predicts: "cpu", "gpu", "cuda", "mps" (Apple), or another that Lightning's
        Trainer takes; "auto" is a GPU, if there is one.
    devices : int or list of int, default 1
        How many devices, or which ones, as Lightning's Trainer takes it. Several train as several processes.
    num_nodes : int, default 1
        Machines that train together, ``devices`` on each: those of torchrun or SLURM.
    strategy : str or Strategy, default "auto"
        How several processes start and share gradients, as Lightning's Trainer takes it: "ddp" and its relatives, not
        those that divide the weights (FSDP, DeepSpeed). "auto" is DDP, by fork on CPUs and by spawn on GPUs.
    precision : str or int, default "32-true"
        Numbers of the network, as Lightning's Trainer takes it: "32-true", "bf16-mixed", "16-mixed".
    compile : bool, default False
        Whether to run the network through `torch.compile` while it trains; forecasts never wait for a compiler.
    callbacks : sequence of Callback, optional
        Callbacks of ``pytorch_lightning``, in which ``trainer.callback_metrics`` has ``train_loss`` and ``val_loss``
        of the epoch: to report, to prune trials, to stop.
    logger : Logger or sequence of Logger, optional
        Loggers of ``pytorch_lightning`` (CSV, TensorBoard, MLflow) that are told both losses of every epoch.
    checkpoint_dir : path-like, optional
        Folder in which the state of the fit is kept after every epoch: one file, named after the data, the network and
        the settings. None keeps none.
    resume : bool, default True
        Whether a fit goes on from the file of the same fit in ``checkpoint_dir``; False begins anew.
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

    Both losses are there from ``on_train_epoch_end`` on, and ``val_loss`` from ``on_validation_end`` on; where a model
    with a line and one without compete, they are the lower ones. What callbacks take for a batch is a run of 20 steps.
    Clones call the very objects that were passed, which keep what they counted in earlier fits; another process calls
    its copies of them. Callbacks, loggers, optimisers and ``checkpoint_dir`` are no part of a saved model: `tsseq.load`
    gives it without them.

    A fit that was killed and is run again with the same ``checkpoint_dir`` goes on after the last whole epoch, and on
    the CPU ends with the bits of one that was never stopped (in one process or two; DDP adds up those of more in an
    order that changes). Any other data, setting or version of torch is another fit, with a file of its own: folds,
    members and refits may share a folder, and one that ended is not trained again. Another number of processes is
    refused, since its sums have other last digits. The files are written in one step, hold no pickled code and are
    yours to remove. Callbacks begin anew, but for early stopping. A SIGTERM in the main thread ends a fit by
    SystemExit, Ctrl-C by KeyboardInterrupt.

    Under torchrun (``torchrun --nnodes=2 --nproc-per-node=4 script.py``) and in a job of SLURM (``srun`` with a task
    per device), the processes that are there train together, with ``devices`` per machine and ``num_nodes`` as they
    were started; each has the model afterwards. Both were tried on CPUs, with two "machines" on one; NCCL between GPUs
    was not measured. ``checkpoint_dir`` is then a folder that all machines share.

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
    accumulate: int = 1
    learning_rate: float | None = None
    weight_decay: float = 1e-2
    optimizer: Callable[..., Any] | None = None
    schedule: str | None = None
    warmup_steps: int = 0
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
    callbacks: Sequence[Any] | None = None
    logger: Any = None
    checkpoint_dir: str | PathLike[str] | None = None
    resume: bool = True
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

    unsaved: ClassVar[tuple[str, ...]] = ("optimizer", "callbacks", "logger", "checkpoint_dir")

    def __sklearn_clone__(self) -> Self:
        """Clone it with the very objects that were passed, so that a callback hears of fits of clones."""
        parameters = self.get_params(deep=False)
        return type(self)(
            **{name: x if name in self.unsaved else clone(x, safe=False) for name, x in parameters.items()}
        )

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises
        ------
        ConfigError
            A value is out of its range.
        """
        check_values(self)
        if self.optimizer is not None and not callable(self.optimizer):
            what = f"Training(optimizer={self.optimizer!r}) must be a callable, such as torch.optim.SGD"
            raise ConfigError(f"{what}, that is given the parameters; or None, AdamW.")
        if not isinstance(self.checkpoint_dir, str | PathLike | None):
            what = f"Training(checkpoint_dir={self.checkpoint_dir!r})"
            raise ConfigError(f"{what} must be the path of a folder, or None.")
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
            ``validation`` is a timestamp, there is a stride, or a value is out of its range.
        """
        self.check()
        if self.validates_from is not None:
            what = f"Training(validation={self.validation!r}) needs timestamps, and rows of an array have none"
            raise ConfigError(f"{what}; hold out a share of the last rows, from 0 to below 1.")
        if self.stride > 1:
            what = f"Training(stride={self.stride}) needs windows of series, and rows of an array are none"
            raise ConfigError(f"{what}; pass X[::{self.stride}], y[::{self.stride}].")
