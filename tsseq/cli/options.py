"""What several commands take: a table, the roles of its columns, and models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsseq import cli
from tsseq.cli.models import MODELS, forecaster

if TYPE_CHECKING:
    import pandas as pd

    from tsseq.forecasting import BaseForecaster


def _known_models() -> list[str]:
    return list(MODELS)


_NAMES = f"One of {', '.join(MODELS)}; of categories, ridge is logistic regression"
Model = Annotated[str, typer.Option(help=f"{_NAMES}.", autocompletion=_known_models)]
Models = Annotated[list[str], typer.Option("--model", help=f"{_NAMES}; may be repeated.", autocompletion=_known_models)]
ModelFile = Annotated[Path, typer.Argument(help="A model file, as fit writes it.")]
Levels = Annotated[
    list[float] | None,
    typer.Option("--level", help="Quantile level in 0..1, or level of sets of categories; may be repeated."),
]
Steps = Annotated[int | None, typer.Option(help="Rows to forecast. Default: the model's horizon.")]
Future = Annotated[
    Path | None, typer.Option(help="File of the known covariates of the rows to come, as future writes it.")
]
NCutoffs = Annotated[int, typer.Option(help="Cutoffs to forecast from.")]
Stride = Annotated[int | None, typer.Option(help="Rows between cutoffs. Default: the horizon.")]
Refit = Annotated[
    str | None,
    typer.Option(
        help="When to fit anew: a pandas offset (YE: each year), or k for every k-th cutoff; 'update k' goes on."
    ),
]
TimeColumn = Annotated[str | None, typer.Option(help="Column of timestamps. Default: the first that is not the id.")]
IdColumn = Annotated[str | None, typer.Option(help="Column of series ids, when the file holds several series.")]
Separator = Annotated[
    str | None, typer.Option("--sep", help="Separator in text files. Default: a comma, a tab in .tsv.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write; parquet if its name ends so, else CSV. Default: the terminal."),
]


@dataclass(frozen=True)
class Data:
    """A table to learn from, the roles of its columns, and the size of what is forecast."""

    source: Annotated[Path, typer.Argument(help="A CSV, parquet or feather file with a header; - is standard input.")]
    target: Annotated[str, typer.Option(help="Column to forecast.")]
    horizon: Annotated[int, typer.Option(help="Rows to forecast.")]
    context_length: Annotated[int, typer.Option(help="Rows of history that a forecast reads.")] = 60
    past: Annotated[list[str] | None, typer.Option(help="Covariate known up to the origin; may be repeated.")] = None
    known: Annotated[list[str] | None, typer.Option(help="Covariate known ahead, or 'calendar'; may be repeated.")] = (
        None
    )
    static: Annotated[list[str] | None, typer.Option(help="Covariate of a whole series; may be repeated.")] = None
    weight: Annotated[str | None, typer.Option(help="Column of what rows count in training. Default: all alike.")] = (
        None
    )
    time_column: TimeColumn = None
    id_column: IdColumn = None
    calendar: Annotated[
        str | None,
        typer.Option(help="Exchange code (XNYS) or pandas offset (B, MS). Default: learnt from the timestamps."),
    ] = None
    log: Annotated[bool, typer.Option("--log", help="Model logarithms, as suits prices.")] = False
    max_epochs: Annotated[int, typer.Option(help="Epochs of training at most, of networks.")] = 10
    sep: Separator = None

    def read(
        self, names: list[str], levels: list[float] | None = None
    ) -> tuple[pd.DataFrame, dict[str, BaseForecaster]]:
        """Read the table, and make the models of these names; of categories, ridge is called logistic."""
        frame, columns = cli.files.read(self.source, self.time_column, self.id_column, self.sep)
        roles: dict[str, Any] = {name: getattr(self, name) for name in ("target", "weight", "calendar", "log")}
        roles |= {name: getattr(self, name) or None for name in ("past", "known", "static")} | columns
        sizes = self.horizon, self.context_length, self.max_epochs
        models = {name: forecaster(name, frame, *sizes, levels, **roles) for name in names}
        if "ridge" in models and models["ridge"].to_panel(frame).classes is not None:
            models = {"logistic" if name == "ridge" else name: model for name, model in models.items()}
        return frame, models


def reads_data(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of `Data` as arguments and options, in the place of its first parameter."""
    _, *rest = signature(command, eval_str=True).parameters.values()
    names = [field.name for field in fields(Data)]

    def run(**options: Any) -> None:
        command(Data(**{name: options.pop(name) for name in names}), **options)

    parameters = [*signature(Data, eval_str=True).parameters.values(), *rest]
    by_name = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in by_name}
    run.__signature__ = Signature(by_name)  # type: ignore[attr-defined]
    return run
