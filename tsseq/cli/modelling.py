"""The commands fit, update, predict, future and plot."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tsseq
from tsseq import cli
from tsseq.cli.options import (
    Data,
    Future,
    IdColumn,
    Levels,
    Model,
    ModelFile,
    Output,
    Separator,
    Steps,
    TimeColumn,
    reads_data,
)
from tsseq.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tsseq.forecasting import BaseForecaster

History = Annotated[
    Path | None,
    typer.Argument(
        help="File to forecast from, with the same columns; - is standard input. Default: what was fitted on."
    ),
]
PICTURES = (".png", ".svg", ".pdf")


@reads_data
def fit(
    data: Data,
    model: Model = "lstm",
    level: Levels = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")] = Path("model.tsseq"),
) -> None:
    """Fit a model on a whole file and write it to a model file."""
    frame, models = data.read([model], level)
    (forecaster,) = models.values()
    fitted = forecaster.fit(frame)
    fitted.save(output)
    typer.echo(f"Model: {output}, fitted until {fitted.fitted_until_}", err=True)


def update(
    model: ModelFile,
    source: Annotated[Path, typer.Argument(help="File of the rows since, with the same columns; - is standard input.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Model file to write. Default: the same one.")
    ] = None,
    sep: Separator = None,
) -> None:
    """Read a model file, go on from it with the rows of a file, and write it."""
    fitted, output = load_forecaster(model), model if output is None else output
    fitted.update(cli.files.read_like(source, fitted, sep))
    fitted.save(output)
    typer.echo(f"Model: {output}, fitted until {fitted.fitted_until_}", err=True)


def predict(
    model: ModelFile,
    source: History = None,
    steps: Steps = None,
    level: Levels = None,
    proba: Annotated[bool, typer.Option("--proba", help="Also write the probability of each category.")] = False,
    future: Future = None,
    output: Output = None,
    sep: Separator = None,
) -> None:
    """Read a model file and forecast the rows after the end of a file with the same columns."""
    fitted = load_forecaster(model)
    frame, known = (None if path is None else cli.files.read_like(path, fitted, sep) for path in (source, future))
    forecasts = fitted.predict(frame, steps=steps, levels=level or None, future=known, proba=proba)
    cli.files.write_forecasts(fitted, forecasts, output, sep)


def future(
    model: ModelFile, source: History = None, steps: Steps = None, output: Output = None, sep: Separator = None
) -> None:
    """Write the rows to come with empty known covariates, to be filled in for predict --future."""
    fitted = load_forecaster(model)
    frame = None if source is None else cli.files.read_like(source, fitted, sep)
    cli.files.write_forecasts(fitted, fitted.make_future_frame(frame, steps), output, sep)


def plot(  # noqa: PLR0913 (an option each)
    model: Annotated[Path, typer.Argument(help="A model file, or with --forecast a file of what was known.")],
    source: History = None,
    forecast: Annotated[
        list[Path] | None, typer.Option(help="File of forecasts to draw, as predict writes it; may be repeated.")
    ] = None,
    losses: Annotated[bool, typer.Option("--losses", help="Draw the losses of training instead of forecasts.")] = False,
    steps: Steps = None,
    level: Levels = None,
    future: Future = None,
    last: Annotated[int, typer.Option(help="Rows of history to draw.")] = 120,
    max_series: Annotated[int, typer.Option(help="Series to draw at most.")] = 9,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="PNG, SVG or PDF file to write; - is standard output, as PNG.")
    ] = Path("forecast.png"),
    time_column: TimeColumn = None,
    id_column: IdColumn = None,
    sep: Separator = None,
) -> None:
    """Draw what a model forecasts, forecasts in files after what was known, or the losses of training."""
    check_picture(output)
    if forecast:
        frame, *tables = (cli.files.read_panel(path, time_column, id_column, sep) for path in (model, *forecast))
        stems = [path.stem for path in forecast]
        names = stems if len(set(stems)) == len(stems) else map(str, forecast)
        axes = tsseq.plot_forecast(frame, dict(zip(names, tables)), last=last, max_series=max_series)
    else:
        fitted = load_forecaster(model)
        paths = (source, future)
        frame, known = (None if path is None else cli.files.read_like(path, fitted, sep) for path in paths)
        options: dict[str, Any] = {"steps": steps, "levels": level or None, "future": known}
        axes = draw_losses(fitted) if losses else fitted.plot(frame, **options, last=last, max_series=max_series)
    save_picture(axes, output)


def load_forecaster(path: Path) -> BaseForecaster:
    """Read a model file of a forecaster; others predict from rows and sequences, which no command reads."""
    from tsseq.forecasting import BaseForecaster

    fitted = tsseq.load(path)
    if not isinstance(fitted, BaseForecaster):
        what = f"{path} holds a {type(fitted).__name__}, which forecasts no frames"
        raise ConfigError(f"{what}; use it in Python, with tsseq.load({str(path)!r}).predict(X).")
    return fitted


def draw_losses(fitted: BaseForecaster) -> Axes:
    """Draw the losses of a forecaster, or of the one that a conformal forecaster calibrates."""
    inner = fitted.forecaster_ if isinstance(fitted, tsseq.ConformalForecaster) else fitted
    if not isinstance(inner, tsseq.Forecaster):
        raise ConfigError(f"{type(inner).__name__} records no losses; neural forecasters do.")
    return inner.plot_history()


def check_picture(output: Path) -> None:
    """Refuse a name that says no kind of picture, before the work is done."""
    os.environ.setdefault("MPLBACKEND", "agg")  # pictures are written, whether or not there is a screen
    if output.name != "-" and output.suffix not in PICTURES:
        raise ConfigError(f"--output {output} must end in {', '.join(PICTURES)}.")


def save_picture(axes: Axes, output: Path) -> None:
    """Write the figure of axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    if output.name == "-":
        figure.savefig(sys.stdout.buffer, format="png", dpi=150)
        return
    figure.savefig(output, dpi=150)
    typer.echo(f"Picture: {output}", err=True)
