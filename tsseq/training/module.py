"""The one LightningModule, and the callback that keeps the best weights in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tsseq.errors import TrainingDivergedError
from tsseq.training.loader import Shard
from tsseq.training.model import Model
from tsseq.training.settings import Training

DECAY = 0.8
RUN = 20  # steps in what Lightning takes for one batch


class ForecastModule(pl.LightningModule):
    """Loss, optimiser and history of one fit.

    Lightning is given runs of steps, since its own work on what it calls a batch costs more than a step of a small
    network. Losses are means over observed values; over an epoch they are summed and counted on every rank, so that
    they are exact however the rows divide. Scaled targets beyond ``clip`` count as ``clip``.
    """

    automatic_optimization = False

    def __init__(self, network: Model, settings: Training, rate: float, steps: int, clip: float = math.inf) -> None:
        super().__init__()
        self.network, self.head, self.settings = network, network.head, settings
        self.rate, self.steps, self.clip = rate, steps, clip
        self.last_step = min(settings.max_epochs * steps, settings.max_steps or math.inf)
        self.losses: dict[str, list[float]] = {"train_loss": [], "val_loss": []}
        self.sums: dict[str, list[tuple[Tensor, Tensor]]] = {"train_loss": [], "val_loss": []}

    def training_step(self, run: Iterator[Shard], index: int) -> None:
        """An optimiser step for every shard of a run."""
        optimizer: Any = self.optimizers()
        for step, shard in enumerate(run, self.global_step):
            if step == self.last_step:
                break
            loss = self.loss(shard, "train_loss")
            optimizer.optimizer.zero_grad()
            self.manual_backward(loss if shard.share == 1 else loss * shard.share)
            optimizer.step()
            self._set_rate(optimizer.optimizer, step + 1)

    def validation_step(self, run: Iterator[Shard], index: int) -> None:
        """Record the losses; a stand-in counts nothing."""
        for shard in run:
            if shard.share:
                self.loss(shard, "val_loss")

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Clip the gradients."""
        self.clip_gradients(optimizer, self.settings.gradient_clip or 0.0, "norm")

    def loss(self, shard: Shard, name: str) -> Tensor:
        """Mean loss of this rank's rows, recorded under ``name``; nothing here waits for the device."""
        shard = self.trainer.precision_plugin.convert_input(shard)
        params, penalty = self.network.params_and_penalty(shard.batch)
        target = shard.target if shard.observed is None else shard.target.nan_to_num(0.0)
        target = target if self.clip == math.inf else target.clamp(-self.clip, self.clip)
        losses = self.head.loss(params.float(), target, shard.batch.loc, shard.batch.scale)
        losses = losses * shard.weight if self.head.weighted and shard.weight is not None else losses
        if shard.observed is None:
            total = losses.sum()
            loss, count = total / losses.numel(), torch.tensor(losses.numel())
        else:
            total, count = torch.where(shard.observed, losses, 0.0).sum(), shard.observed.sum()
            loss = total / count.clamp(min=1)
        if shard.share:
            self.sums[name].append((total.detach(), count))
        return loss if penalty is None else loss + penalty.mean()

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's sums."""
        self.sums = {name: [] for name in self.sums}

    def on_validation_epoch_end(self) -> None:
        """Tell Lightning the validation loss, for early stopping."""
        self.log("val_loss", self._reduced("val_loss"), rank_zero_only=False)

    def on_train_epoch_end(self) -> None:
        """Stop with an error if the loss is not finite."""
        loss = self._reduced("train_loss")
        if not math.isfinite(loss):
            what = f"the loss became {loss} in epoch {self.current_epoch}"
            raise TrainingDivergedError(f"{what} with learning_rate={self.rate:g}; lower it, or gradient_clip.")

    def _reduced(self, name: str) -> float:
        """Mean over all steps and ranks; recorded."""
        columns = [torch.stack(column).cpu().double().sum() for column in zip(*self.sums[name])]
        sums = torch.stack(columns) if columns else torch.zeros(2, dtype=torch.float64)
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum")
        total, count = sums.tolist()
        self.losses[name].append(total / count if count else math.nan)
        return self.losses[name][-1]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; fused on GPUs, where it exists and nothing scales gradients."""
        device, decay = self.device.type, self.settings.weight_decay
        fused = device in ("cuda", "mps") and not str(self.settings.precision).startswith("16")
        return torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=decay, fused=fused or None)

    def _set_rate(self, optimizer: Any, step: int) -> None:
        """The learning rate of a step, counted from 0."""
        schedule = self.settings.schedule
        if schedule == "exponential":
            rate = self.rate * DECAY ** (step / self.steps)
        elif schedule == "cosine":
            rate = self.rate * ((1 + math.cos(math.pi * min(step / self.last_step, 1.0))) / 2)
        else:
            rate = self.rate
        for group in optimizer.param_groups:
            group["lr"] = rate

    def get_extra_state(self) -> Tensor:
        """The history travels with the weights when other processes trained them."""
        rows = [torch.tensor(values, dtype=torch.float64) for values in self.losses.values()]
        return pad_sequence(rows, batch_first=True, padding_value=math.nan)

    def set_extra_state(self, state: Tensor) -> None:
        """Inverse of `get_extra_state`."""
        self.losses = {name: [v for v in row.tolist() if v == v] for name, row in zip(self.losses, state)}


class KeepBest(pl.Callback):
    """Keep the weights of the best validation loss in memory, and put them back at the end."""

    def __init__(self) -> None:
        self.loss = math.inf
        self.weights: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Copy the weights if this epoch is the best."""
        loss = module.losses["val_loss"][-1]
        if loss < self.loss:
            self.loss = loss
            self.weights = {name: value.detach().clone() for name, value in module.network.state_dict().items()}

    def on_train_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Put the best weights back."""
        if self.weights is not None:
            module.network.load_state_dict(self.weights)


class OneBar(TQDMProgressBar):
    """Lightning's progress bar of the training steps, without a second one for validation."""

    @property
    def total_train_batches(self) -> int:
        """Steps of an epoch."""
        steps: int = self.trainer.lightning_module.steps  # type: ignore[assignment]
        return steps

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Show the last step of the run."""
        last = min((batch_idx + 1) * RUN, module.steps) - 1
        super().on_train_batch_end(trainer, module, outputs, batch, last)

    def init_validation_tqdm(self) -> Tqdm:
        """A bar that is not shown."""
        return Tqdm(disable=True)
