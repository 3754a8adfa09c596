"""Contain a fit's side effects: random state, logging, warnings, signal handlers; and keep freed memory."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import torch

from tsseq.quiet import no_warnings

LOGGERS = ("pytorch_lightning", "lightning_fabric", "torch.multiprocessing.spawn")
COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

_locks = [threading.RLock()]  # one; a child that is forked in the middle of a fit gets a new one

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _locks.__setitem__(0, threading.RLock()))


@contextmanager
def alone(seed: int) -> Iterator[None]:
    """Within it, no other thread fits, and random numbers follow from ``seed``; afterwards all is as it was.

    Dropout knows only the random state of the process, and levels of loggers and filters of warnings are the process's
    too: fits in threads take turns.
    """
    with _locks[0], torch.random.fork_rng(devices=range(torch.cuda.device_count())), quiet_lightning():
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Within it, Lightning says nothing but errors; afterwards everything is as it was."""
    names = [name for name in logging.Logger.manager.loggerDict if name.startswith(LOGGERS)]
    # Those without a level of their own inherit it; setting any level empties the caches of all loggers there are.
    loggers = [logger for name in {*LOGGERS, *names} if (logger := logging.getLogger(name)).level or name in LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with no_warnings(r"pytorch_lightning|lightning_fabric"):
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, Ctrl-C raises KeyboardInterrupt and SIGTERM SystemExit; afterwards their handlers are as before.

    Lightning would end the process at Ctrl-C and ignore the next one; without a handler, SIGTERM would leave temporary
    files and processes.
    """
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if in_main and before[signal.SIGTERM] == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items() if in_main else ():
            signal.signal(number, handler)


def _end(number: int, frame: Any) -> None:
    """End the process as a shell reports it, by way of all that is to be cleared away."""
    raise SystemExit(128 + number)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__module__.startswith("ipykernel")


@cache
def forget_compiler() -> None:
    """Take back what importing torch's compiler leaves: an empty folder, and an entry in the environment."""
    folder = os.environ.get(COMPILER_CACHE, "")
    if folder.startswith(os.path.join(tempfile.gettempdir(), "torchinductor_")):
        del os.environ[COMPILER_CACHE]
        with suppress(OSError):  # it holds something
            os.rmdir(folder)


@cache
def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks for the next step, instead of asking the kernel anew; elsewhere do nothing."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
