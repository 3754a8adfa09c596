"""Contain Lightning's side effects: logging, signal handlers, temporary files; and keep freed memory."""

from __future__ import annotations

import ctypes
import logging
import platform
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

LOGGERS = ("pytorch_lightning", "lightning_fabric")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, as everywhere; Lightning would end the process and ignore the next one."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Lightning hands weights from process to process through a file and leaves its folder behind; here it goes."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


@cache
def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks for the next step, instead of asking the kernel anew; elsewhere do nothing."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
