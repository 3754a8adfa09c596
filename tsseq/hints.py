"""Help with arguments: keywords of other libraries answered with ours, every parameter described, values checked."""

from __future__ import annotations

import inspect
import os
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np

from tsseq.errors import ConfigError

ALIASES = {
    "horizon": (
        "h",
        "fh",
        "n",
        "pred_len",
        "prediction_length",
        "max_prediction_length",
        "output_chunk_length",
        "forecast_horizon",
    ),
    "context_length": (
        "input_size",
        "input_chunk_length",
        "seq_len",
        "max_encoder_length",
        "lookback",
        "window",
        "window_size",
        "lags",
    ),
    "calendar": ("freq", "frequency"),
    "past": ("hist_exog_list", "past_covariates"),
    "known": ("futr_exog_list", "future_covariates", "known_covariates_names", "exog"),
    "static": ("stat_exog_list", "static_covariates"),
    "id_column": ("id_col", "item_id", "group_ids"),
    "time_column": ("time_col", "timestamp", "time_idx"),
    "hidden_size": ("hidden_dim", "encoder_hidden_size", "units"),
    "n_layers": ("num_layers", "n_rnn_layers", "encoder_n_layers"),
    "head=Quantiles([...])": ("quantiles", "levels", "quantile_levels", "likelihood"),
    "head=Point(...)": ("loss", "loss_fn"),
    "scaling": ("scaler", "scaler_type", "local_scaler_type", "target_normalizer"),
    "training=Training(seed=...)": ("seed", "random_state", "random_seed"),
    "training=Training(max_epochs=...)": ("max_epochs", "n_epochs", "epochs", "num_epochs"),
    "training=Training(max_steps=...)": ("max_steps",),
    "training=Training(learning_rate=...)": ("lr", "learning_rate", "optimizer_kwargs"),
    "training=Training(batch_size=...)": ("batch_size", "windows_batch_size"),
    "training=Training(devices=..., strategy=...)": (
        "devices",
        "accelerator",
        "strategy",
        "pl_trainer_kwargs",
        "trainer_kwargs",
    ),
}


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
LEVEL = Range(1e-6, 1 - 1e-6, whole=False)
# What the arguments of these names may be, wherever they occur. The largest sizes are beyond what anyone trains, and
# small enough for a machine to say no before it is asked for the memory.
ALLOWED: Mapping[str, Allowed] = {
    "horizon": Range(1, 100_000),
    "steps": Range(1, 100_000),
    "context_length": Range(1, 10_000_000),
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
    "stride": COUNT,
    "patience": Range(0, 10**9, optional=True),
    "seed": Range(0, 2**63 - 1, optional=True),
    "verbose": FLAG,
    "num_nodes": Range(1, 100_000),
    "compile": FLAG,
    "resume": FLAG,
    "keep_memory": FLAG,
    # backtests, splits, samples
    "n_cutoffs": COUNT,
    "n_calibration": COUNT,
    "n_jobs": Range(-1000, 1000, optional=True),
    "n_paths": Range(1, 1_000_000),
    "n_samples": Range(1, 10_000_000),
    "n": Range(1, 10_000),
}
SECTIONS = ("Parameters", "Attributes", "Raises", "Notes", "Examples")

Kind = TypeVar("Kind", bound=type)


class RejectsForeignNames:
    """Base of estimators whose constructor answers an unknown keyword with the name used here.

    Examples
    --------
    >>> from tsseq import LinearForecaster
    >>> LinearForecaster(h=3)
    Traceback (most recent call last):
    tsseq.errors.ConfigError: LinearForecaster has no parameter 'h'; here it is horizon.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse keywords that the constructor lacks.

        Raises
        ------
        ConfigError
            A keyword is none of the constructor's; the message says what it is called here, or lists all of them.
        """
        parameters = inspect.signature(cls.__init__).parameters
        for keyword in kwargs:
            if keyword not in parameters:
                name = next((name for name, aliases in ALIASES.items() if keyword in aliases), None)
                hint = f"here it is {name}" if name else f"it has {', '.join(list(parameters)[1:])}"
                raise ConfigError(f"{cls.__name__} has no parameter {keyword!r}; {hint}.")
        return super().__new__(cls)


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
    if not np.iterable(levels) or isinstance(levels, str) or not all(level in LEVEL for level in levels):
        within = f"a sequence of numbers from {LEVEL.low:g} to {LEVEL.high:g}"
        raise ConfigError(f"levels={reprlib.repr(levels)} must lie between 0 and 1: {within}.")


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


def documented(kind: Kind) -> Kind:
    """Describe every parameter of a class in its docstring, a class decorator.

    Descriptions are written once, in the docstring of the class that declares the parameter, one entry for each. Other
    sections that ``kind`` lacks come from these classes too.

    Parameters
    ----------
    kind : type
        A class whose constructor has the parameters of its bases, such as a dataclass.

    Returns
    -------
    type
        The class, with a section "Parameters" in the order of its signature.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Sizes:
    ...     '''Sizes.
    ...
    ...     Parameters
    ...     ----------
    ...     width : int
    ...         Number of columns.
    ...     '''
    ...
    ...     width: int
    >>> @documented
    ... class Table(Sizes):
    ...     '''A table.'''
    >>> Table.__doc__.splitlines()
    ['A table.', '', 'Parameters', '----------', 'width : int', '    Number of columns.']
    """
    inherited: dict[str, str] = {}
    entries: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        sections = _sections(vars(base).get("__doc__"))
        if "Parameters" in sections:
            inherited |= sections
            entries |= {entry.partition(" : ")[0]: entry for entry in re.split(r"\n(?=\S)", sections["Parameters"])}
    names = inspect.signature(kind).parameters
    inherited |= _sections(kind.__doc__) | {"Parameters": "\n".join(entries[name] for name in names)}
    titles = [title for title in SECTIONS if inherited.get(title)]
    blocks = [inherited[""], *(f"{title}\n{'-' * len(title)}\n{inherited[title]}" for title in titles)]
    kind.__doc__ = "\n\n".join(blocks) + "\n"
    return kind


def _sections(doc: str | None) -> dict[str, str]:
    r"""Text of every section of a docstring by its title; what comes before the first one is ''.

    >>> _sections("Sum.\n\nNotes\n-----\nExact.")
    {'': 'Sum.', 'Notes': 'Exact.'}
    """
    blocks = re.split(r"^(\w[\w ]*)\n-+\n", inspect.cleandoc(doc or ""), flags=re.MULTILINE)
    return dict(zip(["", *blocks[1::2]], [block.strip("\n") for block in blocks[::2]]))
