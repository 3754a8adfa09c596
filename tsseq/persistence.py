"""Model files: a fitted neural forecaster in one file that runs no code when it is loaded.

The parts of a model are named by the keys of `KINDS`, and their arguments are checked against the constructors' own
annotations; arrays lie in safetensors, their shapes are compared with what the arguments ask for before anything is
allocated. What is saved was loaded once from memory before, so that no file is written that could not be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import isabstract
from itertools import pairwise
from threading import get_ident
from typing import Any, get_args

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
from tsseq.data.frames import Form
from tsseq.data.panel import Panel
from tsseq.data.rows import Layout
from tsseq.data.rules import Offsets, Sessions, Steps
from tsseq.data.scaling import Kind, Scaling
from tsseq.data.schema import Schema
from tsseq.errors import ConfigError, ModelFileError
from tsseq.estimators import named
from tsseq.estimators.forecaster import Forecaster
from tsseq.estimators.regressor import NeuralRegressor
from tsseq.modelconfig import (
    Kinds,
    categories_of,
    decoded,
    encoded,
    encoded_categories,
    encoded_ids,
    ids_of,
    time_dtype,
    times_of,
)
from tsseq.modelfile import StrPath, dumped, parsed, read, write
from tsseq.networks import Network
from tsseq.networks.embedding import embedded
from tsseq.training.settings import Training

RECORDS = (Form, Layout, NeuralRegressor, Offsets, Schema, Sessions, Steps, Training)
KINDS: Kinds = {kind.__name__: kind for kind in RECORDS} | {
    name: kind
    for module in (networks, heads, named)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, (Network, heads.Head, Forecaster))
    if not (name.startswith("_") or isabstract(kind))
}
# what parts of a model say to arguments and arrays that make no sense
NONSENSE = (SafetensorError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError)
LEARNT = ("scale", "weight", "centre", "spread", "static_centre", "static_spread")


def save(model: Forecaster, path: StrPath) -> None:
    """Write a fitted neural forecaster to one file; see `Forecaster.save`.

    Raises
    ------
    ConfigError : the model holds something that a model file has no place for; a file that was there stays as it was.
    """
    check_is_fitted(model, "regressor_")
    if type(model.regressor_) is not NeuralRegressor:
        found = f"Forecaster({type(model.regressor_).__name__}) is left to joblib or pickle"
        raise ConfigError(f"model files hold neural forecasters; {found}, which run code when they are loaded.")
    network = type(model.regressor_.network)
    own = [network] if issubclass(network, Network) and network not in KINDS.values() else []
    kinds = _kinds(own)
    members = _members(model, kinds)
    try:
        _model(members, kinds)
    except NONSENSE as error:
        raise ConfigError(f"this model cannot be saved, since it could not be loaded: {_why(error)}") from error
    write(path, members)


def load(path: StrPath, networks: Sequence[type[Network]] = ()) -> Forecaster:
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


def _members(model: Forecaster, kinds: Kinds) -> dict[str, bytes]:
    regressor, panel, scaling = model.regressor_, model.panel_, model.scaling_
    config = {
        "forecaster": encoded(model, kinds),
        "regressor": encoded(regressor, kinds),
        "head": encoded(regressor.head_, kinds),
        "layout": encoded(model.layout_, kinds),
        "schema": encoded(panel.schema, kinds),
        "form": encoded(panel.form, kinds),
        "rules": encoded(list(panel.rules), kinds),
        "times": time_dtype(panel.times),
        "times_name": encoded(panel.times.name, kinds),
        "ids": encoded_ids(panel.ids, kinds),
        "categories": [None if own is None else encoded_categories(own, kinds) for own in panel.categories],
        "scaling": {"kind": scaling.kind, "log": bool(scaling.log)},
        "history": list(regressor.history_.columns),
    }
    times = panel.times.asi8 if hasattr(panel.times, "asi8") else panel.times.to_numpy()
    state = {"values": panel.values, "static": panel.static, "indptr": panel.indptr, "rank": panel.rank}
    state |= {"times": times.astype(np.int64), "history": regressor.history_.to_numpy(dtype=np.float64)}
    state |= {name: getattr(scaling, name) for name in LEARNT}
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in _tensors(regressor.network_).items()}
    return {
        "config.json": dumped(config),
        "weights.safetensors": safetensors.torch.save(weights),
        "state.safetensors": safetensors.numpy.save({name: np.ascontiguousarray(x) for name, x in state.items()}),
    }


def _model(members: Mapping[str, bytes], kinds: Kinds) -> Forecaster:
    config = parsed(members["config.json"])
    parts = {name: decoded(config[name], kinds) for name in ("forecaster", "regressor", "head", "layout")}
    wanted = {"forecaster": Forecaster, "regressor": NeuralRegressor, "head": heads.Head, "layout": Layout}
    for name, kind in wanted.items():
        if not isinstance(parts[name], kind):
            raise ValueError(f"config.json has {config[name]!r} where a {kind.__name__} was needed")
    model, layout = parts["forecaster"], parts["layout"]
    state = safetensors.numpy.load(members["state.safetensors"])
    panel = _panel(config, state, kinds)
    _check_shapes(state, panel, layout)
    model.regressor_ = _regressor(parts, config, state, safetensors.torch.load(members["weights.safetensors"]))
    kind, log = config["scaling"]["kind"], config["scaling"]["log"]
    if kind not in get_args(Kind) or type(log) is not bool:
        raise ValueError(f"config.json has an unknown scaling, {kind!r} with log={log!r}")
    model.scaling_ = Scaling(kind, log, panel.ids, *(state[name] for name in LEARNT))
    model.layout_, model.schema_, model.panel_ = layout, panel.schema, panel
    model.fitted_until_ = panel.times.max()
    return model


def _regressor(parts: Any, config: Any, state: Any, weights: dict[str, Tensor]) -> NeuralRegressor:
    regressor, layout = parts["regressor"], parts["layout"]
    network = networks.LSTM() if regressor.network is None else regressor.network
    regressor.layout_ = layout if regressor.layout is None else regressor.layout
    if (regressor.layout_.width, regressor.layout_.n_outputs) != (layout.width, layout.n_outputs):
        raise ValueError(f"{regressor.layout_} and {layout} describe different rows")
    regressor.head_ = parts["head"]
    regressor.network_ = _network(network, regressor.layout_, regressor.head_.n_params, weights)
    if regressor.training is not None and regressor.training.compile:
        regressor.network_.compile()
    regressor.n_features_in_, regressor.one_output_ = layout.width, layout.n_outputs == 1
    columns = dict(zip(config["history"], state["history"].T, strict=True))
    regressor.history_ = pd.DataFrame(columns, index=range(len(state["history"]))).rename_axis("epoch")
    return regressor


def _network(network: Network, layout: Layout, n_params: int, weights: dict[str, Tensor]) -> nn.Module:
    """The module with its weights: built without memory first, to compare shapes, then in earnest."""
    with torch.device("meta"), _at_most(2 * len(weights) + 16):
        wanted = {name: (tuple(x.shape), x.dtype) for name, x in _tensors(embedded(network, layout, n_params)).items()}
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{network!r} needs {wanted.get(name)} as {name}, and the weights have {found.get(name)}")
    with torch.random.fork_rng(devices=[]):
        module = embedded(network, layout, n_params)
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


def _panel(config: Any, state: Any, kinds: Kinds) -> Panel:
    schema, form = decoded(config["schema"], kinds), decoded(config["form"], kinds)
    rules = tuple(decoded(config["rules"], kinds))
    if not (isinstance(schema, Schema) and isinstance(form, Form) and len(schema.target)):
        raise ValueError("config.json does not say which column plays which role")
    if not all(isinstance(rule, (Steps, Offsets, Sessions)) for rule in rules):
        raise ValueError("config.json has no rule of time")
    times = times_of(state["times"], config["times"]).rename(decoded(config["times_name"], kinds))
    ids = ids_of(config["ids"], kinds)
    if len(rules) not in (1, len(ids)):
        raise ValueError(f"there are {len(rules)} rules of time for {len(ids)} series")
    arrays = state["values"], state["static"], state["indptr"]
    categories = tuple(None if own is None else categories_of(own) for own in config.get("categories", ()))
    return Panel(*arrays, times, ids, state["rank"], schema, form, rules, categories)


def _check_shapes(state: Any, panel: Panel, layout: Layout) -> None:
    """Arrays are of the sizes that roles, ids and timestamps ask for."""
    n, rows, roles = len(panel.ids), len(panel.times), panel.schema
    targets, covariates, static = len(roles.target), len(roles.covariates), len(roles.static)
    known = len(roles.known + roles.calendar)
    if (layout.n_past, layout.n_known, layout.n_static) != (len(roles.past), known, static):
        raise ValueError(f"{layout} does not fit the columns {roles.dynamic}")
    if layout.n_targets not in (1, targets) or min(layout.context_length, layout.horizon) < 1:
        raise ValueError(f"{layout} does not fit the targets {roles.target}")
    wanted: dict[str, tuple[int, ...]] = {"values": (rows, targets + covariates), "static": (n, static)}
    wanted |= {"indptr": (n + 1,), "rank": (n,), "times": (rows,), "scale": (n, targets), "weight": (n, targets)}
    wanted |= {"centre": (covariates,), "spread": (covariates,)}
    wanted |= {"static_centre": (static,), "static_spread": (static,), "history": state["history"].shape}
    whole = ("indptr", "rank", "times")
    for name, shape in wanted.items():
        kind = np.int64 if name in whole else np.float64
        if state[name].shape != shape or state[name].dtype != kind:
            found = f"{state[name].dtype} {state[name].shape}"
            raise ValueError(f"{name} in state.safetensors is {found}, and {np.dtype(kind)} {shape} was needed")
    _check_codes(panel, layout)
    indptr = panel.indptr.tolist()
    if n == 0 or indptr[0] != 0 or indptr[-1] != rows or any(start >= end for start, end in pairwise(indptr)):
        raise ValueError("indptr in state.safetensors does not divide the rows into series")
    if sorted(panel.rank.tolist()) != list(range(n)) or not panel.ids.is_unique:
        raise ValueError("ids and their order do not fit together")


def _check_codes(panel: Panel, layout: Layout) -> None:
    """Categories are those of the layout, and every code names one of them, or none."""
    columns = [*panel.values.T[len(panel.schema.target) :], *panel.static.T]
    if layout.categories != panel.n_categories or len(panel.categories) not in (0, len(columns)):
        raise ValueError(f"{layout} does not fit the categories {panel.n_categories}")
    for column, own in zip(columns, panel.categories):
        codes = np.arange(0 if own is None else len(own) + 1)
        if own is not None and not np.isin(column[~np.isnan(column)], codes).all():
            raise ValueError(f"state.safetensors has codes beyond the {len(own)} categories")
