"""Help with constructors: keywords of other libraries answered with ours, and every parameter described."""

from __future__ import annotations

import inspect
import re
from typing import Any, Self, TypeVar

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
    "training=Training(accumulate=...)": ("accumulate_grad_batches", "gradient_accumulation_steps"),
    "training=Training(devices=..., strategy=...)": (
        "devices",
        "accelerator",
        "strategy",
        "pl_trainer_kwargs",
        "trainer_kwargs",
    ),
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
