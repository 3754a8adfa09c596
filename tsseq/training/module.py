"""The one LightningModule, and the callback that keeps the best weights in memory."""

from __future__ import annotations

import math
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


class ForecastModule(pl.LightningModule):
    """Loss, optimiser and history of one fit.

    Losses are means over observed values; over an epoch they are summed and counted on every rank, so that they are
    exact however the rows divide. Scaled targets beyond ``clip`` count as ``clip``.
    """

    def __init__(self, network: Model, settings: Training, rate: float, steps: int, clip: float = math.inf) -> None:
        super().__init__()
        self.network, self.head, self.settings = network, network.head, settings
        self.rate, self.steps, self.clip = rate, steps, clip
        self.losses: dict[str, list[float]] = {"train_loss": [], "val_loss": []}
        self.sums = {"train_loss": torch.zeros(2, dtype=torch.float64), "val_loss": torch.zeros(2, dtype=torch.float64)}

    def training_step(self, shard: Shard, index: int) -> Tensor:
        """Mean loss of this rank's rows, weighted by their share of the batch."""
        return self._loss(shard, "train_loss") * shard.share

    def validation_step(self, shard: Shard, index: int) -> None:
        """Add to the sums; a stand-in counts nothing."""
        if shard.share:
            self._loss(shard, "val_loss")

    def _loss(self, shard: Shard, name: str) -> Tensor:
        params, penalty = self.network.params_and_penalty(shard.batch)
        observed = shard.target.isfinite()
        target = shard.target.nan_to_num(0.0).clamp(-self.clip, self.clip)
        losses = self.head.loss(params.float(), target, shard.batch.loc, shard.batch.scale)
        losses = losses * shard.weight if self.head.weighted else losses
        total, count = torch.where(observed, losses, 0.0).sum(), observed.sum()
        if shard.share:
            sums = self.sums[name] = self.sums[name].to(total.device)
            sums += torch.stack([total.detach().double(), count.double()])
        loss = total / count.clamp(min=1)
        return loss if penalty is None else loss + penalty.mean()

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's sums."""
        self.sums = {name: torch.zeros_like(sums) for name, sums in self.sums.items()}

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
        """Mean over all ranks; recorded."""
        total, count = self.trainer.strategy.reduce(self.sums[name], reduce_op="sum").tolist()
        self.losses[name].append(total / count if count else math.nan)
        return self.losses[name][-1]

    def configure_optimizers(self) -> Any:
        """AdamW, and a schedule that counts steps."""
        settings = self.settings
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=settings.weight_decay)
        total = min(settings.max_epochs * self.steps, settings.max_steps or math.inf)
        rate = {
            "exponential": lambda step: DECAY ** (step / self.steps),
            "cosine": lambda step: (1 + math.cos(math.pi * min(step / total, 1.0))) / 2,
            "constant": lambda step: 1.0,
        }[settings.schedule]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

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

    def init_validation_tqdm(self) -> Tqdm:
        """A bar that is not shown."""
        return Tqdm(disable=True)
