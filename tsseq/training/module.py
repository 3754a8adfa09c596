"""The one LightningModule, and its progress bar."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain, permutations
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from tsseq.errors import ConfigError, TrainingDivergedError
from tsseq.training.lightning_env import in_notebook
from tsseq.training.loader import Shard
from tsseq.training.model import Model
from tsseq.training.racer import Racer
from tsseq.training.schedules import rate_factor
from tsseq.training.settings import Training

RUN = 20  # steps in what Lightning takes for one batch
SHARES = (1.0, 0.5, 0.0)  # of what a network says beside its line
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}{postfix}]"


class ForecastModule(pl.LightningModule):
    """Losses, optimiser and history of one fit, of one model or of two that compete.

    Lightning is given runs of steps, since its own work on what it calls a batch costs more than a step of a small
    network. Losses are means over observed values; over an epoch they are summed and counted on every rank, so that
    they are exact however the rows divide. A value of weight w counts as w values, one of weight 0 as a missing one.
    Scaled targets beyond ``clip`` count as ``clip``.
    """

    automatic_optimization = False

    def __init__(self, models: Sequence[Model], settings: Training, rate: float, steps: int, clip: float) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.racers, self.head, self.settings = [Racer(model) for model in models], models[0].head, settings
        self.rate, self.steps, self.clip = rate, steps, clip
        assert settings.max_epochs is not None
        self.last_step = min(settings.max_epochs * steps, settings.max_steps or math.inf)
        self.monitored: list[float] = []  # losses of epochs, as Lightning is told them

    def training_step(self, run: Iterator[list[Shard]], index: int) -> None:
        """An optimiser step for every batch of a run."""
        optimizer: Any = self.optimizers()
        first = self.global_step
        for racer in self.racers:
            racer.norms = []
        for step, shards in enumerate(run, first):
            optimizer.optimizer.zero_grad()
            for shard in shards:
                self._add_gradients(self.trainer.precision_plugin.convert_input(shard))
            for racer in self.racers if len(shards) > 1 else ():
                racer.join_sums("train_loss", max(sum(shard.share > 0 for shard in shards), 1))
            optimizer.step()
            self._set_rate(optimizer.optimizer, step + 1)
            if step + 1 == self.last_step:
                self.trainer.should_stop = True  # after the validation of what there is of this epoch
                break
        for racer in self.racers:
            self._check_losses(racer, first, step + 1 - first)
            racer.join_sums("train_loss", RUN)
        if (step + 1) % self.steps == 0 or step + 1 == self.last_step:
            self._end_of_training_rows()

    def _add_gradients(self, shard: Shard) -> None:
        """Add what a batch, or a piece of one, says to the gradients."""
        losses = [self.loss(racer, shard, "train_loss") for racer in self.racers if racer.runs]
        loss = sum(losses[1:], losses[0])
        if self.trainer.world_size > 1:  # every rank waits for the gradients of all weights
            idle = [weight.sum() for racer in self.racers if not racer.runs for weight in racer.model.parameters()]
            loss = loss + 0.0 * sum(idle)
        self.manual_backward(loss if shard.share == 1 else loss * shard.share)

    def _check_losses(self, racer: Racer, first: int, n: int) -> None:
        """Stop with an error if one of the last ``n`` losses, from step ``first`` on, is not finite."""
        recent = racer.sums["train_loss"][-n:] if racer.runs else []
        finite = torch.stack([total for total, _ in recent]).isfinite().tolist() if recent else [True]
        if not all(finite):
            place = finite.index(False)
            loss, norm = recent[place][0].item(), float(racer.norms[place - 1]) if place and racer.norms else None
            rate = self.rate * rate_factor(self.settings, first + place, self.steps, self.last_step, self.monitored)
            where = f"the loss became {loss} in epoch {self.current_epoch}, step {first + place}"
            norms = "" if norm is None else f", after a gradient of norm {norm:.3g}"
            rates = f"learning_rate={self.rate:g}, there {rate:.3g}{norms}"
            raise TrainingDivergedError(
                f"{where} ({rates}): lower it, or gradient_clip; look for outliers in the data."
            )

    def validation_step(self, run: Iterator[list[Shard]], index: int) -> None:
        """Record the losses; a stand-in counts nothing."""
        for shard in chain.from_iterable(run):
            if shard.share:
                shard = self.trainer.precision_plugin.convert_input(shard)
                for racer in self.racers:
                    if racer.runs:
                        self.loss(racer, shard, "val_loss")

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Clip the gradients of every model."""
        if self.settings.gradient_clip is not None:
            for racer in self.racers:
                norm = nn.utils.clip_grad_norm_(racer.model.parameters(), self.settings.gradient_clip)
                racer.norms.append(norm)

    def loss(self, racer: Racer, shard: Shard, name: str) -> Tensor:
        """Mean loss of this rank's rows, recorded under ``name``; nothing here waits for the device."""
        params, penalty = racer.model.params_and_penalty(shard.batch)
        loss = self._loss_of(params, racer, shard, name)
        return loss if penalty is None else loss + penalty.mean()

    def _loss_of(self, params: Tensor, racer: Racer, shard: Shard, name: str) -> Tensor:
        """Mean loss of parameters (B, H, C, n_params) of this rank's rows, recorded under ``name``."""
        target = shard.target if shard.observed is None else shard.target.nan_to_num(0.0)
        target = target if self.clip == math.inf else target.clamp(-self.clip, self.clip)
        losses = self.head.loss(params.float(), target, shard.batch.loc, shard.batch.scale)
        losses = losses * shard.weight if self.head.weighted and shard.weight is not None else losses
        if shard.observed is None:
            total = losses.sum()
            loss, count = total / losses.numel(), torch.tensor(losses.numel())
        else:
            weight = shard.sample_weight
            losses = losses if weight is None else losses * weight
            total, count = torch.where(shard.observed, losses, 0.0).sum(), shard.observed.sum()
            loss = total / count.clamp(min=1)
            if weight is not None:  # the loss of an epoch is a mean; that of a step is not, or each would count alike
                count = torch.where(shard.observed, weight, 0.0).sum()
        if shard.share:
            racer.sums[name].append((total.detach(), count))
        return loss

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's sums, with the rate that follows from the epochs before."""
        optimizer: Any = self.optimizers()
        self._set_rate(optimizer.optimizer, self.global_step)
        for racer in self.racers:
            racer.begins = racer.runs
            racer.sums = {name: [] for name in racer.sums}

    def on_validation_epoch_end(self) -> None:
        """Tell Lightning the best validation loss, for early stopping, and stop models that cannot win any more."""
        loss = min(self._reduced("val_loss"))
        self.log("val_loss", loss)
        self.monitored[-1] = loss
        for racer in self.racers:
            racer.keep_best()
        for racer, rival in permutations(self.racers, 2):
            racer.runs = racer.runs and not racer.is_hopeless(rival)

    def _end_of_training_rows(self) -> None:
        """Tell Lightning the training loss of the epoch."""
        losses = self._reduced("train_loss")
        if not all(map(math.isfinite, losses)):
            raise TrainingDivergedError(f"the loss became {max(losses)} in epoch {self.current_epoch}: lower the rate.")
        self.log("train_loss", min(losses), on_step=False, on_epoch=True, batch_size=1)
        self.monitored.append(min(losses))

    def on_train_end(self) -> None:
        """Put the best weights back, and believe no more of the network beside a line than the validation rows say."""
        for racer in self.racers:
            racer.put_back()
        if self.winner.model.line is not None and self.winner.losses["val_loss"]:
            self._choose_share(self.winner, self.winner.model.line.share)

    @property
    def winner(self) -> Racer:
        """The model with the better validation loss; the first unless the other is clearly better."""
        plain, *others = self.racers
        return next((racer for racer in others if racer.beats(plain)), plain)

    def _choose_share(self, racer: Racer, share: Tensor) -> None:
        """All, half or none of what the network says besides the line: what has the best validation loss."""
        losses = {float(share): racer.best}
        names = {number: f"loss of {number}" for number in SHARES if number not in losses}
        racer.model.eval()
        racer.sums = {name: [] for name in names.values()}
        with torch.no_grad():
            for run in self.trainer.datamodule.val_dataloader():  # type: ignore[attr-defined]
                for shard in chain.from_iterable(run):
                    shard = self.trainer.precision_plugin.convert_input(shard)
                    for name, params in zip(names.values(), racer.model.params_by_share(shard.batch, [*names])):
                        self._loss_of(params, racer, shard, name)
        losses |= {number: self._means([racer], name)[0] for number, name in names.items()}
        share.fill_(min(losses, key=lambda number: losses[number]))

    def _reduced(self, name: str) -> list[float]:
        """Means over all steps and ranks of the models that this epoch began with; recorded."""
        running = [racer for racer in self.racers if racer.begins]
        means = self._means(running, name)
        for racer, loss in zip(running, means):
            racer.losses[name].append(loss)
        return means

    def _means(self, racers: Sequence[Racer], name: str) -> list[float]:
        columns = [[torch.stack(column).cpu().double().sum() for column in zip(*racer.sums[name])] for racer in racers]
        sums = torch.stack([torch.stack(pair) if pair else torch.zeros(2, dtype=torch.float64) for pair in columns])
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum")
        return [total / count if count else math.nan for total, count in sums.tolist()]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The user's optimiser, or AdamW; fused on GPUs, where it exists and nothing scales gradients."""
        device, decay = self.device.type, self.settings.weight_decay
        fused = device in ("cuda", "mps") and not str(self.settings.precision).startswith("16")
        if self.settings.optimizer is None:
            optimizer = torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=decay, fused=fused or None)
        else:
            optimizer = self.settings.optimizer(self.parameters())
            if not isinstance(optimizer, torch.optim.Optimizer):
                kind = type(optimizer).__name__
                raise ConfigError(f"Training(optimizer=) made a {kind}, not a torch.optim.Optimizer.")
            if self.settings.learning_rate is not None:
                for group in optimizer.param_groups:
                    group["lr"] = self.rate
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.rate = self.rates[0]
        self._set_rate(optimizer, 0)
        return optimizer

    def _set_rate(self, optimizer: Any, step: int) -> None:
        """The learning rates of a step, counted from 0."""
        factor = rate_factor(self.settings, step, self.steps, self.last_step, self.monitored)
        for group, rate in zip(optimizer.param_groups, self.rates):
            group["lr"] = rate * factor

    def get_extra_state(self) -> Tensor:
        """The histories travel with the weights when other processes trained them."""
        rows = [torch.tensor(values, dtype=torch.float64) for racer in self.racers for values in racer.losses.values()]
        return pad_sequence(rows, batch_first=True, padding_value=math.nan)

    def set_extra_state(self, state: Tensor) -> None:
        """Inverse of `get_extra_state`."""
        rows = iter(state)
        for racer in self.racers:
            racer.losses = {name: [v for v in row.tolist() if v == v] for name, row in zip(racer.losses, rows)}


class OneBar(ProgressBar):
    """A bar for a whole fit on stderr, where that is a terminal or a notebook; elsewhere one line when it is done.

    Parameters
    ----------
    name : str
        What is trained.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.speaks, self.bar = name, True, Tqdm(disable=True)
        self.drawn = sys.stderr.isatty() or in_notebook()

    def disable(self) -> None:
        """Say nothing: of several processes one speaks."""
        self.speaks = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Begin at what was done before."""
        self.start = time.monotonic()
        options = {"dynamic_ncols": True, "smoothing": 0, "bar_format": BAR}
        hidden = not (self.speaks and self.drawn)
        self.bar = Tqdm(
            desc=self.name, total=pl_module.last_step, initial=trainer.global_step, disable=hidden, **options
        )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Show the last step of the run."""
        self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Show the losses."""
        self.bar.set_postfix_str(self._losses(trainer, pl_module))

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """End the bar, where training ended early too, or say what came of it."""
        self.bar.total = self.bar.n
        self.bar.close()
        if self.speaks and not self.drawn:
            seconds = time.monotonic() - self.start
            what = f"{self._losses(trainer, pl_module)}, {trainer.global_step} steps, {seconds:.0f} s"
            sys.stderr.write(f"{self.name}: {what}\n")

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Leave the bar as it is."""
        self.bar.close()

    @staticmethod
    def _losses(trainer: pl.Trainer, module: Any) -> str:
        """The epochs so far, and their last and best loss."""
        name = "val_loss" if "val_loss" in trainer.callback_metrics else "train_loss"
        losses = module.monitored or [math.nan]
        epochs = f"epoch {len(module.monitored)} of {module.settings.max_epochs}"
        return f"{epochs}, {name} {losses[-1]:.4g}, best {min(losses):.4g}"
