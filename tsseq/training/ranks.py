"""Processes that train together: one error of the right type ends all of them, and nothing stays behind."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from torch.multiprocessing.spawn import ProcessExitedException

from tsseq.errors import ConfigError, TsseqError
from tsseq.training.lightning_env import forget_compiler, quiet_lightning

PORT = "MASTER_PORT"
ERROR = "error"  # file of the first error


class Launcher(_MultiProcessingLauncher):
    """Lightning's launcher of processes, which says what went wrong in them and leaves none.

    Attributes
    ----------
    folder : str
        For what the processes hand to this one: the trained weights, or the first error.
    """

    folder: str

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        """Call a function in every process."""
        port = os.environ.get(PORT)
        with tempfile.TemporaryDirectory() as self.folder:
            try:
                return super().launch(function, *args, trainer=trainer, **kwargs)
            except ProcessExitedException as error:
                raise self._error(error) from None
            finally:
                self.kill(signal.SIGKILL)  # after an interrupt of this process alone
                for process in self.procs:
                    process.join()
                os.environ.pop(PORT, None)
                os.environ |= {} if port is None else {PORT: port}

    def _wrapping_function(self, process_idx: int, *args: Any, **kwargs: Any) -> None:
        """What a process runs; of several errors, the others follow from the first."""
        tempfile.tempdir = self.folder
        watch = Thread(target=_end_with_parent, args=[self.folder], daemon=True)
        watch.start()
        try:
            forget_compiler()
            with quiet_lightning():  # a new interpreter says all again
                super()._wrapping_function(process_idx, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 it is raised again, in the first process
            error.add_note(f"In process {process_idx}:\n{traceback.format_exc()}")
            with suppress(FileExistsError), open(Path(self.folder, ERROR), "xb") as file:
                file.write(_pickled(error))
            sys.exit(1)
        except (KeyboardInterrupt, SystemExit):
            watch.join(timeout=1)  # torch interrupts what has lost its parent, and the thread then ends this process
            raise

    def _error(self, error: Exception) -> Exception:
        """What happened in the process that failed first."""
        for rank, process in enumerate(self.procs):
            if process.exitcode == -signal.SIGKILL:
                advice = "Often this is the system's answer to too little memory"
                return TsseqError(f"process {rank} of {len(self.procs)} that trained was killed. {advice}.")
            if process.exitcode in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE):
                name = signal.Signals(-process.exitcode).name
                return TsseqError(f"process {rank} of {len(self.procs)} that trained crashed ({name}).")
        file = Path(self.folder, ERROR)
        first: Exception = pickle.loads(file.read_bytes()) if file.exists() else error
        return first


def use_own_launcher(trainer: pl.Trainer) -> None:
    """Let a trainer of several processes start them by `Launcher`."""
    launcher: Any = trainer.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher):
        if multiprocessing.current_process().daemon:
            advice = "use concurrent.futures.ProcessPoolExecutor or joblib, or Training(devices=1)"
            raise ConfigError(
                f"Processes of multiprocessing.Pool may not start others, which devices= needs; {advice}."
            )
        trainer.strategy._launcher = Launcher(launcher._strategy, launcher._start_method)


def _end_with_parent(folder: str) -> None:
    """Leave this process when the one that started it is gone, however it ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and os.getppid() == parent.pid:  # a later child of the parent keeps its pipe open
        parent.join(timeout=0.1)
    for _ in range(3):  # another thread, or process, may just be writing
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _pickled(error: Exception) -> bytes:
    """The error, or what it says if it cannot travel."""
    try:
        content = pickle.dumps(error)
        pickle.loads(content)
    except Exception:  # noqa: BLE001 whatever its class raises
        return pickle.dumps(TsseqError("".join(traceback.format_exception(error))))
    return content
