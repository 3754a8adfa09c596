"""Model files: a fitted forecaster in one file that runs no code when it is loaded.

The parts of a model are named by the keys of `KINDS`, and their arguments are checked against the constructors' own
annotations; arrays lie in safetensors, their shapes are compared with what the arguments ask for before anything is
allocated. What is saved was loaded once from memory before, so that no file is written that could not be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import isabstract
from threading import get_ident
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import SafetensorError
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from tsseq import heads, networks
from tsseq.data.frames import FrameLayout
from tsseq.data.layout import Layout
from tsseq.data.panel import Panel
from tsseq.data.schema import Schema
from tsseq.data.time_rules import Offsets, Sessions, Steps
from tsseq.data.windows import Windows
from tsseq.errors import ConfigError, ModelFileError
from tsseq.forecasting import named
from tsseq.forecasting.base import BaseForecaster
from tsseq.forecasting.conformal import ConformalForecaster
from tsseq.forecasting.ensemble import EnsembleForecaster
from tsseq.forecasting.forecaster import Forecaster
from tsseq.forecasting.naive import Drift, LastValue, Mean, SeasonalNaive
from tsseq.forecasting.regressor import NeuralRegressor
from tsseq.heads import distributions
from tsseq.networks import Network
from tsseq.persistence.codec import Kinds, decoded, encoded
from tsseq.persistence.container import StrPath, dumped, parsed, read, write
from tsseq.persistence.panels import Parts, check_arrays, panel_of, panel_parts, scaling_of, scaling_parts
from tsseq.persistence.wrappers import inside, leaves, wrapper_of, wrapper_parts
from tsseq.training.model import Model
from tsseq.training.settings import Training

NAIVE = (LastValue, SeasonalNaive, Drift, Mean)
RECORDS = (FrameLayout, Layout, NeuralRegressor, Offsets, Schema, Sessions, Steps, Training)
WRAPPERS = (ConformalForecaster, EnsembleForecaster)
KINDS: Kinds = {kind.__name__: kind for kind in (*RECORDS, *NAIVE, *WRAPPERS)} | {
    name: kind
    for module in (networks, heads, distributions, named)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, (Network, heads.Head, Forecaster))
    if not (name.startswith("_") or isabstract(kind))
}
# what parts of a model say to arguments and arrays that make no sense
NONSENSE = (SafetensorError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError)


def save(model: BaseForecaster, path: StrPath) -> None:
    """Write a fitted forecaster to one file; see `BaseForecaster.save`.

    Raises
    ------
    ConfigError : the model holds something that a model file has no place for; a file that was there stays as it was.
    """
    check_is_fitted(model, "fitted_until_")
    regressors = [leaf.regressor_ for leaf in leaves(model)]
    for regressor in regressors:
        if type(regressor) not in (NeuralRegressor, *NAIVE):
            found = f"Forecaster({type(regressor).__name__}) is left to joblib or pickle"
            raise ConfigError(f"model files hold neural and naive forecasters; {found}, which run code when loaded.")
    used = {type(regressor.network) for regressor in regressors if isinstance(regressor, NeuralRegressor)}
    kinds = _kinds([kind for kind in used if issubclass(kind, Network) and kind not in KINDS.values()])
    members = _members(_parts(model, kinds))
    try:
        _model(members, kinds)
    except NONSENSE as error:
        raise ConfigError(f"this model cannot be saved, since it could not be loaded: {_why(error)}") from error
    write(path, members)


def load(path: StrPath, networks: Sequence[type[Network]] = ()) -> BaseForecaster:
    """Load a forecaster that was saved with ``model.save(path)``; it predicts the same bits.

    Parameters
    ----------
    path : the file. Loading runs no code from it and unpacks nothing, so a file from elsewhere does no harm; whether
        its forecasts are to be trusted is another question, since a digest in a file says nothing about who wrote it.
    networks : classes of your own networks; a file only names them.

    Raises
    ------
    ModelFileError : the file is damaged, holds something else, is of a newer format, or names an unknown network.

    Examples
    --------
    >>> import tempfile
    >>> import tsseq
    >>> air, quick = tsseq.load_sample("airline"), tsseq.Training(max_epochs=2, verbose=False)
    >>> model = tsseq.LinearForecaster(6, 24, log=True, training=quick).fit(air)
    >>> path = tempfile.mkdtemp() + "/air.tsseq"
    >>> model.save(path)
    >>> bool((tsseq.load(path).predict() == model.predict()).all(axis=None))
    True
    """
    kinds, members = _kinds(networks), read(path)
    try:
        return _model(members, kinds)
    except NONSENSE as error:
        raise ModelFileError(f"{os.fspath(path)}: {_why(error)}") from error


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"its parts make no sense together ({error!r})"


def _kinds(own: Sequence[type[Network]]) -> Kinds:
    """Everything that a file may name."""
    for network in own:
        if not (isinstance(network, type) and issubclass(network, Network)):
            raise ConfigError(f"networks={own!r} must be classes derived from tsseq.networks.Network.")
        if network.__name__ in KINDS and network is not KINDS[network.__name__]:
            raise ConfigError(f"{network.__name__} is a name of tsseq's own; rename your network.")
    return KINDS | {network.__name__: network for network in own}


def _members(parts: Parts) -> dict[str, bytes]:
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in parts.weights.items()}
    return {
        "config.json": dumped(parts.config),
        "weights.safetensors": safetensors.torch.save(weights),
        "state.safetensors": safetensors.numpy.save({name: np.ascontiguousarray(x) for name, x in parts.state.items()}),
    }


def _model(members: Mapping[str, bytes], kinds: Kinds) -> BaseForecaster:
    state, weights = members["state.safetensors"], members["weights.safetensors"]
    parts = Parts(parsed(members["config.json"]), safetensors.torch.load(weights), safetensors.numpy.load(state))
    return _made_of(parts, kinds)


def _parts(model: Any, kinds: Kinds) -> Parts:
    """A forecaster taken apart."""
    if inside(model):
        return wrapper_parts(model, kinds, _parts)
    regressor = model.regressor_
    config, weights, state = panel_parts(model.panel_, kinds)
    scaling = scaling_parts(model.scaling_)
    config |= scaling.config | {"forecaster": encoded(model, kinds), "regressor": encoded(regressor, kinds)}
    config |= {"layout": encoded(model.layout_, kinds)}
    state |= scaling.state
    if isinstance(regressor, NeuralRegressor):
        config |= {"head": encoded(regressor.head_, kinds), "history": list(regressor.history_.columns)}
        state |= {"history": regressor.history_.to_numpy(dtype=np.float64)}
        weights = _tensors(regressor.network_)
    return Parts(config, weights, state)


def _made_of(parts: Parts, kinds: Kinds) -> BaseForecaster:
    """The inverse of `_parts`."""
    config, state = parts.config, parts.state
    if "wrapper" in config:
        return wrapper_of(parts, kinds, _made_of)
    model, layout = _decoded("forecaster", Forecaster, config, kinds), _decoded("layout", Layout, config, kinds)
    panel = panel_of(config, state, kinds)
    _check_layout(layout, panel)
    model.scaling_ = scaling_of(config, state, panel.ids, panel.schema)
    regressor = _decoded("regressor", (NeuralRegressor, *NAIVE), config, kinds)
    if isinstance(regressor, NeuralRegressor):
        _finish(regressor, _decoded("head", heads.Head, config, kinds), layout, parts)
    elif parts.weights:
        raise ValueError(f"{regressor!r} has no weights, and the file has {list(parts.weights)}")
    else:  # a naive forecast learns no more than how a row is laid out
        regressor.fit(Windows.of(panel, layout, model.scaling_, np.empty(0, dtype=np.int64)), None)
    model.regressor_ = regressor
    model.layout_, model.schema_, model.panel_ = layout, panel.schema, panel
    model.fitted_until_ = panel.times.max()
    return model


def _decoded(name: str, kind: Any, config: Any, kinds: Kinds) -> Any:
    """A part of config.json that must be of one ``kind``, or of one of several."""
    found = decoded(config[name], kinds)
    if not isinstance(found, kind):
        raise ValueError(f"config.json has {config[name]!r} as {name}")
    return found


def _finish(regressor: NeuralRegressor, head: heads.Head, layout: Layout, parts: Parts) -> None:
    """Give ``regressor`` all that it has learnt."""
    config, weights, state = parts
    network = networks.LSTM() if regressor.network is None else regressor.network
    regressor.layout_ = layout if regressor.layout is None else regressor.layout
    if (regressor.layout_.width, regressor.layout_.n_outputs) != (layout.width, layout.n_outputs):
        raise ValueError(f"{regressor.layout_} and {layout} describe different rows")
    regressor.head_ = head
    regressor.network_ = _network(network, regressor.layout_, regressor.head_, weights)
    if regressor.training is not None and regressor.training.compile:
        regressor.network_.core.compile()
    regressor.n_features_in_, regressor.one_output_ = layout.width, layout.n_outputs == 1
    check_arrays(state, {"history": (len(state["history"]), len(config["history"]))})
    columns = dict(zip(config["history"], state["history"].T, strict=True))
    regressor.history_ = pd.DataFrame(columns, index=range(len(state["history"]))).rename_axis("epoch")


def _network(network: Network, layout: Layout, head: heads.Head, weights: dict[str, Tensor]) -> Model:
    """The model with its weights: built without memory first, to compare shapes, then in earnest."""
    with torch.device("meta"), _at_most(2 * len(weights) + 16):
        wanted = {name: (tuple(x.shape), x.dtype) for name, x in _tensors(Model(network, layout, head)).items()}
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{network!r} needs {wanted.get(name)} as {name}, and the weights have {found.get(name)}")
    with torch.random.fork_rng(devices=[]):
        module = Model(network, layout, head)
    with torch.no_grad():
        for name, tensor in _tensors(module).items():
            tensor.copy_(weights[name])
    return module.eval()


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, those that are shared once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@contextmanager
def _at_most(limit: int) -> Iterator[None]:
    """A module of more parameters than ``limit`` is refused while it is built: a file could ask for 10**9 layers."""
    seen, thread = {}, get_ident()

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        if get_ident() == thread:
            seen[id(parameter)] = parameter
            if len(seen) > limit:
                raise ValueError(f"the network asks for more than the {limit} tensors that the weights may have")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _check_layout(layout: Layout, panel: Panel) -> None:
    """Rows of ``layout`` can be made of ``panel``."""
    roles = panel.schema
    known = len(roles.known + roles.calendar)
    if (layout.n_past, layout.n_known, layout.n_static) != (len(roles.past), known, len(roles.static)):
        raise ValueError(f"{layout} does not fit the columns {roles.dynamic}")
    if layout.n_targets not in (1, len(roles.target)) or min(layout.context_length, layout.horizon) < 1:
        raise ValueError(f"{layout} does not fit the targets {roles.target}")
    if layout.categories not in ((), panel.n_categories):
        raise ValueError(f"{layout} does not fit the categories {panel.n_categories}")
