"""Weights of a model as arrays, and the model again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import get_ident
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from tsseq.arguments import check_memory, check_values
from tsseq.data.layout import Layout
from tsseq.errors import ConfigError, TsseqError
from tsseq.heads import Head
from tsseq.networks import Network
from tsseq.networks.embedding import table_names
from tsseq.training.lightning_env import no_warnings
from tsseq.training.line import Line
from tsseq.training.model import Model

RANDOM = {
    "uniform_",
    "normal_",
    "kaiming_uniform_",
    "bernoulli_",
    "exponential_",
    "random_",
    "rand",
    "randn",
    "randperm",
}


class OwnGenerator(TorchFunctionMode):
    """Within it, this thread draws from a generator of its own: another thread may be fitting.

    Attributes
    ----------
    generator : torch.Generator
        On the CPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch."""
        kwargs = dict(kwargs or {})
        if getattr(func, "__name__", "") in RANDOM and kwargs.get("generator") is None:
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)


def to_arrays(module: nn.Module, prefix: str = "") -> dict[str, NDArray[Any]]:
    """Copy all parameters and buffers of a module to arrays.

    Parameters
    ----------
    module : torch.nn.Module
        On any device.
    prefix : str, default ""
        What to put in front of every name.

    Returns
    -------
    dict of str to ndarray
        Arrays by name; a tensor that is shared is there once.

    Raises
    ------
    ConfigError
        If NumPy has no such numbers, as for bfloat16.

    Examples
    --------
    >>> to_arrays(nn.Linear(2, 1), "map.")["map.weight"].shape
    (1, 2)
    """
    arrays = {}
    for name, tensor in _tensors(module).items():
        try:
            arrays[prefix + name] = tensor.detach().cpu().numpy().copy()
        except TypeError as error:
            problem = f"the network has {name} in {tensor.dtype}"
            raise ConfigError(f"{problem}, which has no place in a model file.") from error
    return arrays


def check_weights(network: Network, layout: Layout, head: Head) -> None:
    """Refuse a network that the memory of this machine cannot hold four times: weights, gradients and two moments.

    Parameters
    ----------
    network : Network
        The architecture; one of the user's own that cannot be built without memory is not looked at.
    layout : Layout
        Sizes of a row.
    head : Head
        What the last layer means.

    Raises
    ------
    ConfigError
        It is too large.
    """
    try:
        with torch.device("meta"), no_warnings(r"torch\b"):
            sizes = [
                weight.numel() * weight.element_size() for weight in _tensors(Model(network, layout, head)).values()
            ]
    except TsseqError:
        raise
    except (RuntimeError, TypeError, ValueError):  # it does something with numbers, which there are none of
        return
    check_memory(f"training {network!r} for {layout}", 4.0 * sum(sizes), "Choose smaller sizes")


def from_arrays(network: Network, layout: Layout, head: Head, arrays: Mapping[str, NDArray[Any]]) -> Model:
    """Build a model with given weights; the random state of the process is as before afterwards.

    It is built without memory first, so that shapes are compared before anything is allocated.

    Parameters
    ----------
    network : Network
        The architecture.
    layout : Layout
        Sizes of a row.
    head : Head
        What the last layer means.
    arrays : mapping of str to ndarray
        What `to_arrays` gave.

    Returns
    -------
    Model
        On the CPU and in evaluation mode.

    Raises
    ------
    ValueError
        If arrays are missing or unknown, or of other shapes or dtypes than the network needs.

    Examples
    --------
    >>> from tsseq import Linear, Point
    >>> layout = Layout(context_length=3, horizon=2)
    >>> model = Model(Linear(), layout, Point())
    >>> same = from_arrays(Linear(), layout, Point(), to_arrays(model))
    >>> torch.equal(same.core.map.weight, model.core.map.weight)
    True
    """
    check_values(layout)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    with torch.device("meta"), _at_most(2 * len(tensors) + 16), no_warnings(r"torch\b"):  # of empty layers
        model = _model_for(tensors, network, layout, head)
        sizes = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in _tensors(model).items()}
    for name in sorted(sizes.keys() | tensors.keys()):
        size = (tuple(tensors[name].shape), tensors[name].dtype) if name in tensors else None
        if sizes.get(name) != size:
            raise ValueError(f"{network!r} needs {sizes.get(name)} as {name}, and the weights have {size}")
        if tensors[name].is_floating_point() and tensors[name].isnan().any():
            raise ValueError(f"the weights {name} hold NaN")
    with OwnGenerator():
        model = _model_for(tensors, network, layout, head)
    with torch.no_grad():
        for name, tensor in _tensors(model).items():
            tensor.copy_(tensors[name])
    return model.eval()


def grown(model: Model, network: Network, layout: Layout, n_series: int) -> Model:
    """Copy a trained model for more series and categories than it has seen.

    Their vectors are 0 until they learn, as those of unknown ones are, so that forecasts for all others are the same.

    Parameters
    ----------
    model : Model
        As it was trained.
    network : Network
        Its architecture.
    layout : Layout
        Sizes of a row, with as many categories or more.
    n_series : int
        Series that there are now, as many or more.

    Returns
    -------
    Model
        On the CPU and in evaluation mode; vectors of series are there only if they were before.

    Examples
    --------
    >>> from tsseq import Linear, Point
    >>> model = Model(Linear(), Layout(3, 1, n_known=1, categories=(2,)), Point())
    >>> wider = grown(model, Linear(), Layout(3, 1, n_known=1, categories=(4,)), 0)
    >>> [m.embed.known[0].weight.shape for m in (model, wider)]
    [torch.Size([3, 3]), torch.Size([5, 3])]
    """
    arrays = to_arrays(model)
    sizes = dict(zip(table_names(layout), layout.categories)) | {"series": n_series}
    for name, n in sizes.items():
        table = arrays.get(f"embed.{name}.weight")
        if table is not None:
            new_rows = np.zeros((max(n + 1 - len(table), 0), table.shape[1]), dtype=table.dtype)
            arrays[f"embed.{name}.weight"] = np.concatenate([table, new_rows])
    return from_arrays(network, layout, model.head, arrays)


def freeze_parts(model: Model, names: Sequence[str]) -> None:
    """Leave some parts of a model out of the training to come.

    Parameters
    ----------
    model : Model
        Its parameters are marked.
    names : sequence of str
        Beginnings of the names of parameters, up to a dot or whole; () marks none.

    Raises
    ------
    ConfigError
        A name is unknown, or nothing would be left to train.

    Examples
    --------
    >>> from tsseq import LSTM, Point
    >>> model = Model(LSTM(4), Layout(6, 2), Point())
    >>> freeze_parts(model, ["core.cell"])
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: freeze=['core.cell'] names 'core.cell', and the network has the parts ...
    """
    weights = dict(model.named_parameters())
    for prefix in names:
        chosen = [weight for name, weight in weights.items() if f"{name}.".startswith(f"{prefix}.")]
        if not chosen:
            parts = ", ".join(dict.fromkeys(".".join(name.split(".")[:2]) for name in weights))
            raise ConfigError(f"freeze={names!r} names {prefix!r}, and the network has the parts {parts}.")
        for weight in chosen:
            weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in weights.values()):
        raise ConfigError(f"freeze={names!r} leaves nothing to train; name fewer parts.")


def _model_for(tensors: dict[str, Tensor], network: Network, layout: Layout, head: Head) -> Model:
    """A new model with a line and vectors of series if ``tensors`` have some, for as many series."""
    n_lines, n_vectors = (
        tensors[name].shape[0] - 1 if name in tensors and tensors[name].dim() else 0
        for name in ("line.weight", "embed.series.weight")
    )
    line = Line(layout, n_lines) if "line.weight" in tensors else None
    tables = {name[6:-7]: table for name, table in tensors.items() if name[:6] == "embed." and name[-7:] == ".weight"}
    widths = {name: table.shape[1] for name, table in tables.items() if table.dim() == 2}
    return Model(network, layout, head, line, n_vectors, widths)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _at_most(limit: int) -> RemovableHandle:
    """Within it, no module of more parameters than ``limit`` is built: a file could ask for 10**9 layers."""
    parameters, thread = {}, get_ident()

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        if get_ident() == thread:
            parameters[id(parameter)] = parameter
            if len(parameters) > limit:
                raise ValueError(f"the network asks for more than the {limit} tensors that the weights may have")

    return register_module_parameter_registration_hook(count)
