"""What users hand to a fit: callbacks, loggers, optimisers and schedules, Lightning's and torch's own."""

import csv
import functools
import io
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import tsseq
from tsseq import ConfigError, LinearForecaster, LSTMForecaster, Training, make_series
from tsseq.training.schedules import rate_factor

WAVE = make_series("seasonal", 300)


class Recorder(pl.Callback):
    """Notes both losses at the end of every epoch, and the learning rate of every epoch."""

    def __init__(self, path: Path | None = None):
        self.path, self.rows, self.rates, self.optimizer = path, [], [], None

    def on_validation_end(self, trainer, module):
        self.val_loss = trainer.callback_metrics["val_loss"].item()

    def on_train_epoch_end(self, trainer, module):
        metrics = trainer.callback_metrics
        self.rows.append({name: metrics[name].item() for name in ("train_loss", "val_loss")})
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.optimizer = trainer.optimizers[0]
        assert metrics["val_loss"].item() == self.val_loss
        if self.path is not None:
            with open(self.path, "a") as file:
                file.write(f"{trainer.current_epoch}\n")


def linear(line: bool | None = False, **training) -> LinearForecaster:
    return LinearForecaster(3, 24, line=line, training=Training(**{"max_epochs": 3, "verbose": False, **training}))


@pytest.mark.parametrize("line", [False, True])
def test_a_callback_sees_both_losses_of_every_epoch(line):
    recorder = Recorder()
    history = linear(line, callbacks=[recorder]).fit(WAVE).history_
    pd.testing.assert_frame_equal(pd.DataFrame(recorder.rows), history, check_names=False, rtol=1e-6)


def test_a_callback_of_two_models_sees_the_lower_losses():
    recorder = Recorder()
    history = linear(None, callbacks=[recorder]).fit(WAVE).history_
    seen = pd.DataFrame(recorder.rows)
    assert (seen["val_loss"] <= history["val_loss"] * (1 + 1e-6)).all()
    assert seen["val_loss"].min() == pytest.approx(history["val_loss"].min(), rel=0.011)


def test_a_callback_changes_no_bit():
    assert linear(callbacks=[Recorder()]).fit(WAVE).predict().equals(linear().fit(WAVE).predict())


def test_clones_call_the_very_objects_that_were_passed(tmp_path):
    recorder, logger = Recorder(), CSVLogger(tmp_path)
    model = linear(callbacks=[recorder], logger=logger, optimizer=torch.optim.SGD, learning_rate=0.01)
    copy = clone(clone(model))
    assert copy.training is not model.training
    assert copy.training.callbacks[0] is recorder
    assert copy.training.logger is logger
    assert copy.training.optimizer is torch.optim.SGD
    GridSearchCV(copy, {"training__seed": [0, 1]}, cv=2, refit=False).fit(WAVE)
    assert len(recorder.rows) == 2 * 2 * 3


def test_callbacks_reach_workers(tmp_path):
    model = linear(callbacks=[Recorder(tmp_path / "epochs")])
    GridSearchCV(model, {"training__seed": [0, 1]}, cv=2, n_jobs=2, refit=False).fit(WAVE)
    assert len((tmp_path / "epochs").read_text().split()) == 2 * 2 * 3


def test_a_model_file_leaves_out_what_was_handed_in(tmp_path):
    model = linear(callbacks=[Recorder()], logger=CSVLogger(tmp_path), optimizer=torch.optim.SGD, warmup_steps=5)
    model.fit(WAVE).save(tmp_path / "model.tsseq")
    loaded = tsseq.load(tmp_path / "model.tsseq")
    assert loaded.predict().equals(model.predict())
    training = loaded.training
    assert (training.callbacks, training.logger, training.optimizer, training.warmup_steps) == (None, None, None, 5)


def test_early_stopping_of_the_users_own_stops():
    stopping = EarlyStopping("train_loss", patience=1, min_delta=1e9)
    assert len(linear(max_epochs=9, callbacks=[stopping], patience=None).fit(WAVE).history_) == 2


def test_lightning_saves_checkpoints_where_told(tmp_path):
    linear(callbacks=[ModelCheckpoint(tmp_path, monitor="val_loss")], max_epochs=2).fit(WAVE)
    assert [path.suffix for path in tmp_path.iterdir()] == [".ckpt"]


@pytest.mark.parametrize("verbose", [True, False])
def test_a_progress_bar_of_the_users_own_is_the_only_one(verbose, capsys):
    linear(verbose=True).fit(WAVE)
    assert "Linear: epoch 3 of 3" in "".join(capsys.readouterr())
    linear(callbacks=[TQDMProgressBar(refresh_rate=0)], verbose=verbose).fit(WAVE)  # which shows nothing
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize("devices", [1, 2])
def test_a_csv_logger_has_both_losses_of_every_epoch(devices, tmp_path):
    model = linear(logger=CSVLogger(tmp_path, name="fit"), accelerator="cpu", devices=devices).fit(WAVE)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "fit" / "version_0" / "metrics.csv").read_text())))
    for name in ("train_loss", "val_loss"):
        losses = [float(row[name]) for row in rows if row[name]]
        assert losses == pytest.approx(model.history_[name].tolist(), rel=1e-6)
    assert sorted({row["epoch"] for row in rows}) == ["0", "1", "2"]


def test_a_tensorboard_logger_has_both_losses_of_every_epoch(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    model = linear(logger=TensorBoardLogger(tmp_path, name="fit", version=0)).fit(WAVE)
    events = accumulator.EventAccumulator(str(tmp_path / "fit" / "version_0")).Reload()
    for name in ("train_loss", "val_loss"):
        losses = [event.value for event in events.Scalars(name)]
        assert losses == pytest.approx(model.history_[name].tolist(), rel=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_mlflow_run_has_both_losses_of_every_epoch(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    logger = MLFlowLogger("fits", tracking_uri=f"sqlite:///{tmp_path / 'runs.db'}")
    model = linear(logger=logger).fit(WAVE)
    client = mlflow.tracking.MlflowClient(f"sqlite:///{tmp_path / 'runs.db'}")
    for name in ("train_loss", "val_loss"):
        losses = [metric.value for metric in client.get_metric_history(logger.run_id, name)]
        assert losses == pytest.approx(model.history_[name].tolist(), rel=1e-6)


def test_a_study_of_optuna_prunes():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    class Pruning(pl.Callback):
        def __init__(self, trial):
            self.trial = trial

        def on_validation_end(self, trainer, module):
            self.trial.report(trainer.callback_metrics["val_loss"].item(), trainer.current_epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def objective(trial):
        rate = trial.suggest_categorical("learning_rate", [3e-2, 1e-7])
        return linear(learning_rate=rate, callbacks=[Pruning(trial)]).fit(WAVE).history_["val_loss"].min()

    study = optuna.create_study(
        sampler=optuna.samplers.GridSampler({"learning_rate": [3e-2, 1e-7]}, seed=3),
        pruner=optuna.pruners.ThresholdPruner(upper=linear(learning_rate=1e-3).fit(WAVE).history_["val_loss"].max()),
    )
    study.optimize(objective, n_trials=2)
    states = {trial.params["learning_rate"]: trial.state.name for trial in study.trials}
    assert states == {3e-2: "COMPLETE", 1e-7: "PRUNED"}


def test_a_callback_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match=r"holds a builtins\.list; derive it from pytorch_lightning\.Callback"):
        linear(callbacks=[[]]).fit(WAVE)


def test_an_optimiser_of_the_users_own_trains_at_its_own_rate():
    recorder = Recorder()
    optimizer = functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9)
    model = linear(callbacks=[recorder], optimizer=optimizer, schedule="constant").fit(WAVE)
    assert type(recorder.optimizer) is torch.optim.SGD
    assert recorder.rates == [0.05] * 3
    assert not model.predict().equals(linear(schedule="constant").fit(WAVE).predict())


def test_the_learning_rate_is_that_of_any_optimiser():
    recorder = Recorder()
    linear(callbacks=[recorder], optimizer=torch.optim.Adagrad, learning_rate=0.2).fit(WAVE)
    assert recorder.rates == pytest.approx([0.2 * 0.8**epoch for epoch in (1, 2, 3)])


def test_what_is_no_optimiser_is_refused():
    with pytest.raises(ConfigError, match=r"optimizer=\) made a list, not a torch\.optim\.Optimizer"):
        linear(optimizer=list).fit(WAVE)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("exponential", [1, 0.8**0.5, 0.8**5, 0.8**10]),
        ("cosine", [1, 0.9938441703, 0.5, 0]),
        ("constant", [1, 1, 1, 1]),
        ("one_cycle", [0.04, 0.1043078, 0.8117466, 4e-6]),
    ],
)
def test_schedules_begin_and_end_where_they_say(schedule, factors):
    rates = [rate_factor(Training(schedule=schedule), step, 50, 500, []) for step in (0, 25, 250, 500)]
    assert rates == pytest.approx(factors, abs=1e-6)


def test_one_cycle_is_highest_after_three_tenths():
    rates = [rate_factor(Training(schedule="one_cycle"), step, 50, 500, []) for step in range(501)]
    assert rates.index(max(rates)) == 150
    assert max(rates) == 1.0


def test_the_rate_rises_while_it_warms_up():
    settings = Training(schedule="constant", warmup_steps=4)
    assert [rate_factor(settings, step, 50, 500, []) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_a_plateau_halves_the_rate_of_the_next_epoch():
    recorder = Recorder()
    training = {"schedule": "plateau", "learning_rate": 0.5, "max_epochs": 6, "patience": None}
    history = linear(callbacks=[recorder], **training).fit(WAVE).history_
    losses = history["val_loss"]
    worse = [epoch > 0 and losses[epoch] >= losses[:epoch].min() for epoch in range(6)]
    assert any(worse[:5])
    rates = [0.5 * 0.5 ** sum(worse[:epoch]) for epoch in range(6)]
    assert recorder.rates == rates


def test_a_schedule_beside_a_warm_up_trains_an_lstm():
    training = Training(max_steps=6, schedule="one_cycle", warmup_steps=3, verbose=False)
    assert LSTMForecaster(3, 24, hidden_size=8, training=training).fit(WAVE).predict().notna().all(axis=None)


def test_fewer_than_no_steps_to_warm_up_are_refused():
    with pytest.raises(ConfigError, match=r"warmup_steps=-1\) must be a whole number of at least 0"):
        linear(warmup_steps=-1).fit(WAVE)
