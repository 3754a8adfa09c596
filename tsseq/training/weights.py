"""Weights of a model as arrays, and the model again."""

from __future__ import annotations

from collections.abc import Mapping
from threading import get_ident
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from tsseq.data.layout import Layout
from tsseq.errors import ConfigError, TsseqError
from tsseq.heads import Head
from tsseq.hints import check_memory, check_values
from tsseq.networks import Network
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


def _model_for(tensors: dict[str, Tensor], network: Network, layout: Layout, head: Head) -> Model:
    """A new model with a line and vectors of series if ``tensors`` have some, for as many series."""
    n_lines, n_vectors = (
        tensors[name].shape[0] - 1 if name in tensors and tensors[name].dim() else 0
        for name in ("line.weight", "embed.series.weight")
    )
    line = Line(layout, n_lines) if "line.weight" in tensors else None
    return Model(network, layout, head, line, n_vectors)


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
