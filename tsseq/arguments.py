"""Values of arguments: what each may be, and errors that say it."""

from __future__ import annotations

import inspect
import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from tsseq.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """Numbers that an argument may be.

    Attributes
    ----------
    low, high : float
        Smallest and largest of them.
    whole : bool
        Whether they are whole numbers.
    optional : bool
        Whether None will do as well.

    Examples
    --------
    >>> 3 in Range(1, 10), 1.5 in Range(1, 10), str(Range(1, 10, optional=True))
    (True, False, 'a whole number from 1 to 10, or None')
    """

    low: float
    high: float
    whole: bool = True
    optional: bool = False

    def __contains__(self, value: object) -> bool:
        if value is None:
            return self.optional
        kind: Any = Integral if self.whole else Real
        return isinstance(value, kind) and not isinstance(value, bool) and bool(self.low <= value <= self.high)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        limits = f"of at least {self.low:,}" if self.high >= 10**9 else f"from {self.low:,} to {self.high:,}"
        return f"{kind} {limits}{', or None' if self.optional else ''}"


Allowed: TypeAlias = Range | tuple[Any, ...]

FLAG, FLAG_OR_NONE = (True, False), (None, True, False)
COUNT, SHARE = Range(1, 10**9), Range(0, 1, whole=False)
LEVEL, PERCENT = Range(1e-6, 1 - 1e-6, whole=False), Range(1, 100, whole=False)
# What the arguments of these names may be, wherever they occur. The largest sizes are beyond what anyone trains, and
# small enough for a machine to say no before it is asked for the memory.
ALLOWED: Mapping[str, Allowed] = {
    "horizon": Range(1, 100_000),
    "steps": Range(1, 100_000),
    "context_length": Range(1, 10_000_000),
    "n_targets": Range(1, 1_000_000),
    "n_past": Range(0, 1_000_000),
    "n_known": Range(0, 1_000_000),
    "n_static": Range(0, 1_000_000),
    "log": FLAG,
    "multivariate": ("independent", "joint"),
    "combine": ("mean", "median"),
    # networks
    "hidden_size": Range(1, 65_536),
    "feedforward_size": Range(1, 262_144),
    "n_layers": Range(1, 1000),
    "n_heads": Range(1, 1024),
    "kernel_size": Range(1, 100_000),
    "patch_length": Range(1, 100_000),
    "segment_length": Range(1, 100_000, optional=True),
    "dropout": SHARE,
    "teacher_forcing": SHARE,
    "bidirectional": FLAG,
    "norm_first": FLAG,
    "line": FLAG_OR_NONE,
    "series_embedding": FLAG_OR_NONE,
    "cell": ("gru", "lstm", "rnn"),
    "nonlinearity": ("tanh", "relu"),
    "activation": ("relu", "gelu"),
    "attention": ("general", "additive", "dot", None),
    # training
    "max_epochs": Range(1, 10**9, optional=True),
    "max_steps": Range(1, 10**12, optional=True),
    "batch_size": COUNT,
    "learning_rate": Range(0, 1e38, whole=False, optional=True),
    "weight_decay": Range(0, 1e38, whole=False),
    "schedule": ("exponential", "cosine", "constant", "plateau", "one_cycle", None),
    "warmup_steps": Range(0, 10**9),
    "gradient_clip": Range(0, 1e38, whole=False, optional=True),
    "accumulate": COUNT,
    "stride": COUNT,
    "patience": Range(0, 10**9, optional=True),
    "seed": Range(0, 2**63 - 1, optional=True),
    "verbose": FLAG,
    "num_nodes": Range(1, 100_000),
    "compile": FLAG,
    "resume": FLAG,
    "keep_memory": FLAG,
    # sequences of symbols
    "symbols": FLAG,
    "min_count": COUNT,
    "beam_width": Range(1, 1000),
    "temperature": Range(1e-3, 1000, whole=False),
    "top_k": Range(1, 10**9, optional=True),
    # backtests, splits, samples
    "n_cutoffs": COUNT,
    "n_calibration": COUNT,
    "n_jobs": Range(-1000, 1000, optional=True),
    "n_paths": Range(1, 1_000_000),
    "n_samples": Range(1, 10_000_000),
    "n": Range(1, 10_000),
}


def check_value(name: str, value: Any, owner: str = "", allowed: Allowed | None = None) -> None:
    """Refuse an argument outside of its range.

    Parameters
    ----------
    name : str
        Its name.
    value : object
        What was passed.
    owner : str, default ""
        Class whose constructor takes it, for the message.
    allowed : Range or tuple, optional
        What it may be; default: what `ALLOWED` says, or a whole number of at least 1.

    Raises
    ------
    ConfigError
        With name, value and range.

    Examples
    --------
    >>> check_value("n_layers", 0, "LSTM")
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: LSTM(n_layers=0) must be a whole number from 1 to 1,000.
    """
    allowed = ALLOWED.get(name, COUNT) if allowed is None else allowed
    plain = value.item() if isinstance(value, np.generic) else value
    if plain in allowed if isinstance(allowed, Range) else any(_same(plain, choice) for choice in allowed):
        return
    needed = str(allowed) if isinstance(allowed, Range) else f"one of {', '.join(map(repr, allowed))}"
    what = f"{name}={reprlib.repr(value)}"
    raise ConfigError(f"{f'{owner}({what})' if owner else what} must be {needed}.")


def _same(value: Any, choice: Any) -> bool:
    return value is choice or (isinstance(value, type(choice)) and isinstance(value, str) and value == choice)


def check_values(holder: Any) -> None:
    """Refuse parameters of an estimator, or fields of a record, that are outside of their ranges.

    Parameters
    ----------
    holder : estimator or dataclass instance
        Those of its parameters that `ALLOWED` names are checked.

    Raises
    ------
    ConfigError
        With the class, the name, the value and the range of the first.

    Examples
    --------
    >>> from tsseq import GRU
    >>> check_values(GRU(hidden_size="64"))
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: GRU(hidden_size='64') must be a whole number from 1 to 65,536.
    """
    kind = type(holder)
    for name in inspect.signature(kind).parameters:
        if name in ALLOWED:
            check_value(name, getattr(holder, name), kind.__name__)


def check_kinds(holder: Any, **kinds: type) -> None:
    """Refuse parameters that are neither None nor of the class that is needed.

    Parameters
    ----------
    holder : estimator
        What has the parameters.
    **kinds : type
        Class of each, by name.

    Raises
    ------
    ConfigError
        With the name, the value and the class of the first.

    Examples
    --------
    >>> from tsseq import LSTMForecaster, Training
    >>> check_kinds(LSTMForecaster(2, 24, training="fast"), training=Training)
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: LSTMForecaster(training='fast') must be an instance of Training, or None.
    """
    for name, kind in kinds.items():
        value = getattr(holder, name)
        if value is not None and not isinstance(value, kind):
            what = f"{type(holder).__name__}({name}={reprlib.repr(value)})"
            raise ConfigError(f"{what} must be an instance of {kind.__name__}, or None.")


def check_levels(levels: Sequence[float]) -> None:
    """Refuse quantile levels that are not numbers between 0 and 1.

    Parameters
    ----------
    levels : sequence of float
        From a millionth to 1 less a millionth: further out, no model has seen anything.

    Raises
    ------
    ConfigError
        With the levels and the range.

    Examples
    --------
    >>> check_levels([0.1, 1.0])
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: levels=[0.1, 1.0] must lie between 0 and 1: a sequence of numbers from 1e-06 to 0.999999.
    """
    if not isinstance(levels, Iterable) or isinstance(levels, str) or not all(level in LEVEL for level in levels):
        if isinstance(levels, Real):
            raise ConfigError(f"levels={levels!r} must be a list, such as levels=[{levels!r}].")
        advice = f"a sequence of numbers from {LEVEL.low:g} to {LEVEL.high:g}"
        if isinstance(levels, Iterable) and all(level in PERCENT for level in levels):
            advice = f"for percentages write levels={[float(level) / 100 for level in levels]}"
        raise ConfigError(f"levels={reprlib.repr(levels)} must lie between 0 and 1: {advice}.")


def check_memory(what: str, n_bytes: float, advice: str) -> None:
    """Refuse what the memory of this machine cannot hold, before it is asked for.

    Parameters
    ----------
    what : str
        What needs it.
    n_bytes : float
        How much it needs, at least.
    advice : str
        What to do.

    Raises
    ------
    ConfigError
        There is less.

    Examples
    --------
    >>> check_memory("steps=10000 of 1000000 series", 8e15, "Forecast fewer steps")
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: steps=10000 of 1000000 series would take 8,000,000 GB of memory, and this machine has ...
    """
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else np.inf
    if n_bytes > present:
        amounts = f"{n_bytes / 1e9:,.0f} GB of memory, and this machine has {present / 1e9:,.0f}"
        raise ConfigError(f"{what} would take {amounts}. {advice}.")
