"""Fits that survive: the state of one in a file after every epoch, and going on from it bit for bit."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor, nn

from tsseq.data.windows import Windows, time_numbers
from tsseq.errors import ConfigError, ModelFileError
from tsseq.heads import Head
from tsseq.networks.base import Network
from tsseq.persistence.container import replace_file
from tsseq.training.module import ForecastModule
from tsseq.training.settings import Training

# They change no weight; but another number of processes does, which is told by name.
FREE = ("devices", "num_nodes", "strategy", "verbose", "callbacks", "logger", "keep_memory", "checkpoint_dir", "resume")


class Checkpoints(Checkpoint):
    """Writes the state of a fit after every epoch, and lets the next run of the same fit go on from it.

    Parameters
    ----------
    network : Network
        The architecture.
    head : Head
        Meaning of its last layer.
    settings : Training
        How it is trained, with ``checkpoint_dir``.
    windows : Windows
        Rows with targets.
    start : Module, optional
        A trained model that the fit goes on from; default: none.

    Attributes
    ----------
    path : Path
        The file, which bears the name of the fit: what it is made of.
    state : dict or None
        What the file holds, for this fit to go on from; None where it begins.
    """

    def __init__(
        self, network: Network, head: Head, settings: Training, windows: Windows, start: nn.Module | None = None
    ) -> None:
        self.fit = fingerprint(network, head, settings, windows, start)
        self.path = Path(settings.checkpoint_dir or ".", f"{self.fit}.fit")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.state = self._read() if settings.resume and self.path.exists() else None
        self.seed, self.start = 0, ""

    def begin(self, seed: int, module: ForecastModule, world: int) -> int:
        """Give the models the weights of the file, in as many processes; how many epochs they have seen."""
        self.seed = seed
        self.start = digest(value for racer in module.racers for value in racer.model.state_dict().values())
        if self.state is None:
            return 0
        if self.state["start"] != self.start:
            advice = "a network whose code has changed, perhaps. Remove the file, or train with resume=False"
            raise ConfigError(f"{self.path} is of a fit that began with other weights: of {advice}.")
        if self.state["world"] != world:
            why = f"and sums of gradients over {world} have other last digits"
            advice = "Train with as many devices and machines as before, remove the file, or train with resume=False"
            raise ConfigError(f"{self.path} is of a fit in {self.state['world']} processes, {why}. {advice}.")
        module.monitored = self.state["monitored"]
        for racer, memory in zip(module.racers, self.state["racers"], strict=True):
            racer.model.load_state_dict(memory["model"])
            racer.weights, racer.losses, racer.runs = memory["best"], memory["losses"], memory["runs"]
        return int(self.state["epoch"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on after the last epoch of the file, of which all machines must know."""
        epoch = -1 if self.state is None else self.state["epoch"]
        strategy = trainer.strategy
        if not strategy.reduce_boolean_decision(strategy.broadcast(epoch) == epoch):
            advice = "pass a folder that all of them share, or resume=False"
            raise ConfigError(f"Not all machines find the same state of the fit as {self.path}; {advice}.")
        if self.state is None:
            return
        loop: Any = trainer.fit_loop
        for count in (loop.epoch_progress.current, loop.epoch_progress.total):
            count.ready = count.started = count.processed = count.completed = self.state["epoch"]
        steps = loop.epoch_loop.manual_optimization.optim_step_progress.total
        steps.ready = steps.completed = self.state["step"]
        loop.epoch_loop._batches_that_stepped = self.state["batches"]
        trainer.should_stop = self.state["stops"]
        for callback in trainer.early_stopping_callbacks:
            if callback.state_key in self.state["stopping"]:
                callback.load_state_dict(self.state["stopping"][callback.state_key])
        trainer.optimizers[0].load_state_dict(self.state["optimizer"])
        torch.set_rng_state(self.state["random"][trainer.global_rank].clone())  # of a view, torch reads the wrong bytes

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write all that the next epochs follow from, in one step."""
        assert isinstance(pl_module, ForecastModule)
        random: Any = pl_module.all_gather(torch.get_rng_state().to(pl_module.device))
        state = {
            "fit": self.fit,
            "seed": self.seed,
            "start": self.start,
            "world": trainer.world_size,
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "batches": trainer.fit_loop.epoch_loop._batches_that_stepped,
            "stops": trainer.should_stop,
            "stopping": {callback.state_key: callback.state_dict() for callback in trainer.early_stopping_callbacks},
            "monitored": pl_module.monitored,
            "racers": [
                {"model": racer.model.state_dict(), "best": racer.weights, "losses": racer.losses, "runs": racer.runs}
                for racer in pl_module.racers
            ],
            "optimizer": trainer.optimizers[0].state_dict(),
            "random": random.reshape(trainer.world_size, -1).cpu(),
        }
        if trainer.is_global_zero:
            content = io.BytesIO()
            torch.save(state, content)
            replace_file(self.path, content.getvalue())
        trainer.strategy.barrier()  # or the next fit of another process would find the file of the epoch before

    def _read(self) -> dict[str, Any]:
        """What the file holds: tensors, numbers and texts, for nothing else is read."""
        advice = "Remove the file, or train with resume=False"
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, ValueError, LookupError, EOFError, TypeError) as error:
            raise ModelFileError(f"{self.path} is no state of a fit. {advice}.") from error
        if not isinstance(state, dict) or state.get("fit") != self.fit:
            what = "of another fit: of other data, another network or other settings"
            raise ConfigError(f"{self.path} is {what}. {advice}.")
        return state


def fingerprint(
    network: Network, head: Head, settings: Training, windows: Windows, start: nn.Module | None = None
) -> str:
    """Name a fit by what its weights follow from: the data, the network, the settings and the version of torch.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    records = [windows.store._asdict()]
    records += [{item.name: getattr(part, item.name) for item in fields(part)} for part in (windows, windows.panel)]
    arrays = {id(x): x for record in records for x in record.values() if isinstance(x, np.ndarray)}
    numbers = [*arrays.values(), time_numbers(windows.panel.times)]  # which decide what is held out
    chosen = {name: value for name, value in settings.get_params(deep=False).items() if name not in FREE}
    texts = [describe(part) for part in (chosen, network, head)]
    if start is not None:
        numbers += start.state_dict().values()
        texts += [name for name, weight in start.named_parameters() if weight.requires_grad]
    texts += [torch.__version__, repr((windows.layout, windows.constants, windows.store.units))]
    return digest(numbers, *texts)[:32]


def digest(arrays: Iterable[NDArray[Any] | Tensor], *texts: str) -> str:
    """SHA-256 of arrays, of their types and shapes, and of texts."""
    hashed = hashlib.sha256(json.dumps(texts).encode())
    for array in arrays:
        hashed.update(f"{array.dtype}{tuple(array.shape)}".encode())
        numbers = array.detach().cpu().contiguous().view(-1).view(torch.uint8) if isinstance(array, Tensor) else array
        hashed.update(np.ascontiguousarray(numbers).data)
    return hashed.hexdigest()


def describe(value: Any) -> str:
    """What a parameter is, in a text that is the same in every process."""
    if isinstance(value, functools.partial):
        value = {"function": value.func, "arguments": value.args, **value.keywords}
    kind = value if isinstance(value, type | FunctionType) else type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, FunctionType):
        return f"{name} {value.__code__.co_code.hex()}"
    if isinstance(value, type):
        return name
    if hasattr(value, "get_params"):
        value = value.get_params(deep=False)
    if isinstance(value, Mapping):
        return f"{name}({', '.join(f'{key}={describe(item)}' for key, item in value.items())})"
    if isinstance(value, list | tuple):
        return f"{name}({', '.join(map(describe, value))})"
    if " at 0x" in repr(value):
        advice = "pass a function, a class or a functools.partial"
        raise ConfigError(f"{value!r} has no name by which a fit with checkpoint_dir= is known again; {advice}.")
    return repr(value)
