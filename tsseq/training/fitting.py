"""One fit: windows in, trained network and history out."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, ProgressBar
from pytorch_lightning.plugins.environments import SLURMEnvironment, TorchElasticEnvironment  # type: ignore[attr-defined]
from pytorch_lightning.trainer.connectors import callback_connector
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from tsseq.data.windows import Windows
from tsseq.errors import ConfigError
from tsseq.heads import Categorical, Head
from tsseq.networks.base import Network
from tsseq.training.checkpoints import Checkpoints
from tsseq.training.devices import memory_explained
from tsseq.training.lightning_env import alone, forget_compiler, in_notebook, interruptible, keep_freed_memory
from tsseq.training.line import Line, fit_line, n_lines
from tsseq.training.loader import DeviceRows, Loader, Shard, epoch_plan
from tsseq.training.model import Model
from tsseq.training.module import RUN, ForecastModule, OneBar
from tsseq.training.ranks import use_own_launcher
from tsseq.training.settings import FORECASTING, Training
from tsseq.training.weights import check_weights
from tsseq.typing import Index

CLUSTERS = TorchElasticEnvironment, SLURMEnvironment  # which start the processes themselves
SHARDING = "fsdp", "xlafsdp", "deepspeed", "modelparallel"
LEAST_VALIDATION = 10
CLIP = 20.0
LEAST_PER_SERIES, MOST_VECTORS = 100, 1000


def fit_network(
    network: Network, head: Head, settings: Training, windows: Windows, start: Model | None = None
) -> tuple[Model, dict[str, list[float]]]:
    """Train a new model; the random state of the process is as before afterwards.

    Parameters
    ----------
    network : Network
        The architecture.
    head : Head
        Meaning of its last layer.
    settings : Training
        How it is trained; what is None is that of forecasters.
    windows : Windows
        Rows with targets.
    start : Model, optional
        A model to go on from, which is changed; its line and its number of vectors stay as they are. Default: new ones.

    Returns
    -------
    model : Model
        On the CPU and in evaluation mode.
    losses : dict of str to list of float
        Per epoch.

    Notes
    -----
    A model with a line and one without are trained side by side where the network does not say which. Both see the same
    batches, and the one that cannot win any more stops. Fits in several threads take turns.
    """
    settings = settings.filled(FORECASTING)
    settings.check()
    forget_compiler()
    if settings.keep_memory:
        keep_freed_memory()
    keeper = None if settings.checkpoint_dir is None else Checkpoints(network, head, settings, windows, start)
    seed = _seed(settings, keeper)
    with alone(seed):
        check_weights(network, windows.layout, head)
        data = WindowsDataModule(windows, settings, seed)
        rate = network.learning_rate if settings.learning_rate is None else settings.learning_rate
        clip = _clip(windows, head)
        models = [] if start is None else [start]
        kinds = _kinds(network, head, validates=len(data.held_out) > 0) if start is None else []
        line = fit_line(windows, data.train, data.held_out, clip, head.weighted) if any(kinds) else None
        n_vectors = _n_vectors(network, windows, len(data.train), line)
        for with_line in kinds:
            torch.manual_seed(seed)
            models.append(Model(network, windows.layout, head, deepcopy(line) if with_line else None, n_vectors))
        for model in models:
            model.ragged = windows.layout.missing and _begins_late(windows)
            if settings.compile:
                model.core.compile()
        module = ForecastModule(models, settings, rate, data.steps, clip)
        trainer = _trainer(settings, len(data.held_out) > 0, keeper, type(network).__name__)
        if keeper is not None:
            data.epoch = keeper.begin(seed, module, trainer.world_size)
        use_own_launcher(trainer)
        with interruptible(), memory_explained("Training(batch_size=...) or the network can be smaller"):
            trainer.fit(module, datamodule=data)
    winner = module.winner
    if settings.compile:
        del winner.model.core._compiled_call_impl  # or the first forecast would compile again, for its own modes
    return winner.model.cpu().float().eval(), winner.losses


def _seed(settings: Training, keeper: Checkpoints | None) -> int:
    """The seed of a fit, or of the one that goes on."""
    if keeper is not None and keeper.state is not None:
        return int(keeper.state["seed"])
    return int(np.random.SeedSequence().generate_state(1)[0]) if settings.seed is None else settings.seed


def _kinds(network: Network, head: Head, validates: bool) -> list[bool]:
    """Whether there is a line in each of the models that are trained; none forecasts categories."""
    if isinstance(head, Categorical):
        if network.line:
            raise ConfigError("line=True forecasts numbers, and the target holds categories; leave line out.")
        return [False]
    if network.line is None:
        return [False, True] if validates else [False]
    return [network.line]


def _n_vectors(network: Network, windows: Windows, n_rows: int, line: Line | None) -> int:
    """How many series have a vector of their own; none by default where lines say that series are alike."""
    n_series = len(windows.scaling.ids) * windows.n_channels
    alike = line is not None and len(line.weight) == 1 and n_lines(windows) > 1
    told_apart = 1 < n_series <= MOST_VECTORS and n_rows >= LEAST_PER_SERIES * n_series and not alike
    return n_series if (told_apart if network.series_embedding is None else network.series_embedding) else 0


class Runs:
    """Batches of a loader in runs, each of which Lightning takes for one batch."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return -(-len(self.loader) // RUN)

    def __iter__(self) -> Iterator[Iterator[list[Shard]]]:
        batches = iter(self.loader)
        return (islice(batches, RUN) for _ in range(len(self)))


class WindowsDataModule(pl.LightningDataModule):
    """Training and validation rows, divided by time and then between the ranks."""

    def __init__(self, windows: Windows, settings: Training, seed: int) -> None:
        super().__init__()
        self.windows, self.settings, self.seed, self.epoch = windows, settings, seed, 0
        self.train, self.held_out = _split(windows, settings)
        self.steps = epoch_plan(len(self.train), settings.batch_size * settings.accumulate)[1]

    def setup(self, stage: str) -> None:
        """Put the rows on this rank's device, and note which rank it is."""
        assert self.trainer is not None
        self.rows = DeviceRows(self.windows, self.trainer.strategy.root_device)
        self.place = self.trainer.global_rank, self.trainer.world_size
        self.seed = self.trainer.strategy.broadcast(self.seed)  # where each process has drawn its own

    def train_dataloader(self) -> Runs:
        """Shuffled batches, from the first epoch that is left."""
        runs = self._runs(self.train, self.seed, self.settings.accumulate)
        runs.loader.epoch = self.epoch
        return runs

    def val_dataloader(self) -> Runs | list[Any]:
        """Batches in order; none when nothing is held out."""
        return self._runs(self.held_out, None) if len(self.held_out) else []

    def teardown(self, stage: str) -> None:
        """Let go of the rows, since Lightning's objects stay until Python looks for circles."""
        vars(self.rows).clear()
        del self.windows, self.rows, self.train, self.held_out

    def _runs(self, index: Index, seed: int | None, n_pieces: int = 1) -> Runs:
        return Runs(Loader(self.rows, index, n_pieces * self.settings.batch_size, seed, *self.place, n_pieces))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Batches are gathered where they are used."""
        return batch


def _split(windows: Windows, settings: Training) -> tuple[Index, Index]:
    """Positions of training and validation rows: the last origin times."""
    train, held_out = np.arange(len(windows)), np.empty(0, dtype=np.int64)
    if settings.validates_from is not None:
        train, held_out = windows.split_at(settings.validates_from)
        _check_parts(windows, settings, train, held_out)
    elif settings.validation:
        parts = windows.split(settings.validation)
        if len(parts[1]) >= LEAST_VALIDATION and len(parts[0]):
            train, held_out = parts
    return train if settings.stride == 1 else train[windows.rows_to_end[train] % settings.stride == 0], held_out


def _check_parts(windows: Windows, settings: Training, *parts: Index) -> None:
    """Refuse a timestamp that leaves no window on one side of it."""
    if not all(map(len, parts)):
        stamps = windows.panel.times.take(windows.origin)
        sizes = f"{len(parts[0])} windows to train on and {len(parts[1])} to validate"
        what = f"Training(validation={settings.validation!r}) leaves {sizes}"
        advice = f"pass a timestamp between the origins, which go from {stamps.min()} to {stamps.max()}"
        raise ConfigError(f"{what}; {advice}, or a share.")


def _begins_late(windows: Windows) -> bool:
    """Whether some context begins with a row at which nothing is observed: only then must a step look at its batch."""
    layout, (total, n_targets, _) = windows.layout, windows.sizes
    lead, covariates = layout.context_length - 1, range(n_targets, n_targets + layout.n_past + layout.n_known)
    places = [windows.end + k * total for k in range(layout.n_targets)] + [
        windows.origin + k * total for k in covariates
    ]
    values = [windows.flat[place - lead] for place in places]
    return not np.isfinite(values).any(axis=0).all()


def _clip(windows: Windows, head: Head) -> float:
    """Bound of scaled targets, so that one outlier moves no network; none for units of the data and for counts."""
    return CLIP if windows.scaling.kind != "none" and "last" in head.scalings else math.inf


# Every Trainer looks through all installed packages for callbacks of plugins; once is enough.
_registry: Any = sys.modules[callback_connector._load_external_callbacks.__module__]  # type: ignore[attr-defined]
_registry.entry_points = cache(_registry.entry_points)


def _trainer(settings: Training, validates: bool, keeper: Checkpoints | None = None, name: str = "") -> pl.Trainer:
    callbacks = _callbacks(settings, validates, name) + ([] if keeper is None else [keeper])
    names = ("max_epochs", "accelerator", "devices", "num_nodes", "precision")  # as Lightning takes them
    places = {name: getattr(settings, name) for name in names}
    try:
        return pl.Trainer(
            **places,
            strategy=_strategy(settings),
            callbacks=callbacks,
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            logger=_loggers(settings),
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        chosen = ", ".join(f"{name}={value!r}" for name, value in {**places, "strategy": settings.strategy}.items())
        raise ConfigError(f"Lightning's Trainer refuses Training({chosen}): {error}") from error


def _callbacks(settings: Training, validates: bool, name: str) -> list[pl.Callback]:
    """The user's own callbacks, and early stopping and a progress bar."""
    if not isinstance(settings.callbacks, Sequence | None) or isinstance(settings.callbacks, str):
        raise ConfigError(f"Training(callbacks={settings.callbacks!r}) must be a sequence of callbacks, or None.")
    callbacks: list[pl.Callback] = list(settings.callbacks or ())
    for callback in callbacks:
        if not isinstance(callback, pl.Callback):
            kind, advice = type(callback), "derive it from pytorch_lightning.Callback, not that of lightning.pytorch"
            raise ConfigError(f"Training(callbacks=) holds a {kind.__module__}.{kind.__qualname__}; {advice}.")
    if validates and settings.patience is not None:
        callbacks.append(EarlyStopping("val_loss", patience=settings.patience, strict=False))
    if settings.verbose and not any(isinstance(callback, ProgressBar) for callback in callbacks):
        callbacks.append(OneBar(name))
    return callbacks


def _loggers(settings: Training) -> Any:
    """The user's own loggers."""
    loggers = settings.logger or False
    for logger in loggers if isinstance(loggers, Sequence) else [loggers]:
        if logger is not False and not isinstance(logger, pl.loggers.Logger):
            raise ConfigError(
                f"Training(logger={logger!r}) must be a logger of pytorch_lightning, or several, or None."
            )
    return loggers


def _strategy(settings: Training) -> Any:
    """Several processes start by fork on CPUs, by spawn or as notebooks need it on GPUs; not where a cluster did so."""
    strategy = settings.strategy
    name = strategy if isinstance(strategy, str) else type(strategy).__name__
    if name.lower().replace("_", "").startswith(SHARDING):
        why = "divides the weights of a model, of which every device needs all: the best ones are kept, and two compete"
        raise ConfigError(f"Training(strategy={strategy!r}) {why}. Pass 'ddp', or leave it out.")
    several = settings.devices not in (1, "1", "auto") and strategy == "auto"
    if not several or any(cluster.detect() for cluster in CLUSTERS):
        return strategy
    if settings.accelerator == "cpu" or (settings.accelerator == "auto" and not torch.cuda.is_available()):
        return "ddp_fork"
    return "ddp_notebook" if in_notebook() else "ddp_spawn"
