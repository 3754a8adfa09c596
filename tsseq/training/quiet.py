"""Silence that ends with the fit: Lightning's banners, tips and warnings about things done on purpose."""

from __future__ import annotations

import ctypes
import logging
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("pytorch_lightning", "lightning_fabric")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Within it, Lightning says nothing but errors; afterwards everything is as it was."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    loggers += [
        logger
        for name, logger in logging.Logger.manager.loggerDict.items()
        if name.startswith(LOGGERS) and isinstance(logger, logging.Logger)
    ]
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


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks for the next step, instead of asking the kernel anew; elsewhere do nothing."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
