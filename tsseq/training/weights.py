"""Weights of a model as arrays, and the model again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from tsseq.quiet import no_warnings
from tsseq.training.line import Line
from tsseq.training.model import Model

STORAGE = {"int8": "scale", "sparse": "mask"}  # what tells how an array is stored
PARTS = "mask", "shape", "scale"
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


def packed(arrays: Mapping[str, NDArray[Any]], storage: Collection[str]) -> dict[str, NDArray[Any]]:
    """Arrays of a compressed model in less room; `unpacked` makes the same bits of them.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What `to_arrays` gave.
    storage : collection of str
        "int8" keeps tables of numbers as whole numbers from -127 to 127 and ``<name>/scale``, one scale for each output
        channel. "sparse" keeps what is not zero, and ``<name>/mask``, a bit for each number, with ``<name>/shape``.

    Returns
    -------
    dict of str to ndarray
        By name; vectors and single numbers as they are.

    Examples
    --------
    >>> table = rounded({"core.map": np.array([[0.5, -1.0, 0.0], [3.0, 0.0, 0.0]], dtype=np.float32)})
    >>> small = packed(table, ["int8"])
    >>> small["core.map"].tolist(), np.array_equal(unpacked(small)[0]["core.map"], table["core.map"])
    ([[63, -127, 0], [127, 0, 0]], True)
    """
    content: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        values = array
        if storage and array.dtype == np.float32 and array.ndim > 1:
            if "int8" in storage:
                content[f"{name}/scale"] = _scale(name, array)
                values = np.rint(array / content[f"{name}/scale"]).astype(np.int8)
            if "sparse" in storage:
                content[f"{name}/mask"], content[f"{name}/shape"] = np.packbits(array != 0), np.array(array.shape)
                values = values[array != 0]
        content[name] = values
    return content


def unpacked(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """The inverse of `packed`, and how the arrays were stored.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As they were read from a file: nothing in them is trusted.

    Returns
    -------
    content : dict of str to ndarray
        What `packed` was given.
    storage : tuple of str
        In use: "int8", "sparse".

    Raises
    ------
    ValueError
        If parts do not fit together.
    """
    content = {name: array for name, array in arrays.items() if name.rpartition("/")[2] not in PARTS}
    extra = {name: array for name, array in arrays.items() if name not in content}
    storage = tuple(kind for kind, part in STORAGE.items() if any(name.endswith(f"/{part}") for name in extra))
    for name, array in content.items():
        mask, shape, scale = (extra.pop(f"{name}/{part}", None) for part in PARTS)
        if (mask is None) != (shape is None):
            raise ValueError(f"the weights {name} have a mask or a shape, and both were needed")
        if mask is not None and shape is not None:
            n = int(np.prod([int(size) for size in shape]))
            bits = np.unpackbits(np.asarray(mask, dtype=np.uint8)).astype(np.bool_)
            if not 0 <= len(bits) - n < 8 or bits[n:].any() or array.shape != (bits.sum(),):
                raise ValueError(f"the weights {name} do not fit their mask")
            array = _spread(array, bits[:n]).reshape(shape)
        if scale is not None:
            fits = scale.ndim == array.ndim and all(n in (1, m) for n, m in zip(scale.shape, array.shape))
            if array.dtype != np.int8 or scale.dtype != np.float32 or not fits:
                raise ValueError(f"the weights {name} do not fit their scale")
            array = array.astype(np.float32) * scale
        content[name] = array
    if extra:
        raise ValueError(f"the weights have {sorted(extra)[0]}, which belongs to nothing")
    return content, storage


def rounded(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays in the numbers that "int8" can keep: 255 for each output channel.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What `to_arrays` gave.

    Returns
    -------
    dict of str to ndarray
        Of the same shapes.
    """
    return unpacked(packed(arrays, ["int8"]))[0]


def _scale(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """What a step between whole numbers is worth, by output channel.

    It has so few digits that 127 steps are exact: what is unpacked has the same scale again.
    """
    axes = (-2,) if name.endswith("line.weight") else tuple(range(1, array.ndim))  # maps have their outputs last
    step = (np.abs(array).max(axis=axes, keepdims=True, initial=0.0) / np.float32(127)).astype(np.float32)
    short = ((step.view(np.uint32) + 0xFF) & ~np.uint32(0xFF)).view(np.float32)
    return np.where(short > 0, short, np.float32(1.0))


def _spread(values: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    array = np.zeros(len(mask), dtype=values.dtype)
    array[mask] = values
    return array


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
