"""`tsseq.load`, which knows every class that a model file may name, and how files of older formats become new ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from inspect import isabstract, isclass
from typing import Any

from sklearn.base import BaseEstimator

from tsseq import classification, forecasting, heads, networks
from tsseq.data.frames import FrameLayout
from tsseq.data.layout import Layout
from tsseq.data.panel import Panel
from tsseq.data.scaling import LEARNT, Scaling
from tsseq.data.schema import Schema
from tsseq.data.time_rules import TIME_RULES
from tsseq.errors import ConfigError, ModelFileError
from tsseq.heads import Head
from tsseq.networks import Network
from tsseq.persistence.codec import Kinds
from tsseq.persistence.container import FORMAT, StrPath, read
from tsseq.persistence.state import Arrays, Upgrade, restore
from tsseq.training.devices import check_accelerator
from tsseq.training.settings import Training

RECORDS = (*TIME_RULES, FrameLayout, Layout, Panel, Scaling, Schema, Training)
KINDS: Kinds = {kind.__name__: kind for kind in RECORDS} | {
    name: kind
    for face in (classification, forecasting, heads, networks)
    for name in face.__all__
    if isclass(kind := getattr(face, name)) and issubclass(kind, BaseEstimator) and not isabstract(kind)
}


NEURAL = ("NeuralRegressor", "NeuralClassifier", "NeuralLabeller", "NeuralTransducer")


def load(
    path: StrPath,
    networks: Sequence[type[Network]] = (),
    heads: Sequence[type[Head]] = (),
    *,
    accelerator: str | None = None,
) -> Any:
    """Load a model that was saved with ``model.save(path)``; on the same kind of device it predicts the same bits.

    Loading runs no code from the file and unpacks nothing, so a file from elsewhere does no harm. Whether its
    forecasts are to be trusted is another question: a digest in a file says nothing about who wrote it.

    Parameters
    ----------
    path : str or path-like
        The file. Those of all older versions of tsseq are read.
    networks : sequence of Network classes, default ()
        Your own networks, since a file only names them.
    heads : sequence of Head classes, default ()
        Your own heads.
    accelerator : str, optional
        Kind of device that predicts: "cpu", "gpu", "cuda:1", "mps", "auto"; the CPU where there is none of that kind.
        Default: that of the model's `Training`.

    Returns
    -------
    BaseForecaster, NeuralRegressor, NeuralClassifier, NeuralLabeller or NeuralTransducer
        The fitted model.

    Raises
    ------
    ModelFileError
        If the file is damaged, holds something else, is of a newer format, or names an unknown network or head.
    ConfigError
        If ``networks`` or ``heads`` are not classes of that kind, or bear a name of tsseq's own, or there is no such
        kind of device.
    OSError
        If the file cannot be read.

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
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"the path of a model file was needed, not {path!r}.")
    kinds = KINDS | _by_name("networks", networks, Network) | _by_name("heads", heads, Head)
    if accelerator is not None:
        check_accelerator(accelerator)
    version, members = read(path)
    upgrades = [UPGRADES[older] for older in range(version, FORMAT)]
    try:
        return restore(members, kinds, [*upgrades, lambda tree, arrays: (_placed(tree, accelerator), arrays)])
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from error


def _by_name(argument: str, classes: Sequence[type[Any]], base: type[Any]) -> Kinds:
    if not isinstance(classes, Sequence):
        raise ConfigError(f"{argument}={classes!r} must be a sequence of classes derived from tsseq.{base.__name__}.")
    for kind in classes:
        if not (isclass(kind) and issubclass(kind, base)):
            raise ConfigError(f"{argument}={classes!r} must be classes derived from tsseq.{base.__name__}.")
        if KINDS.get(kind.__name__, kind) is not kind:
            raise ConfigError(f"{kind.__name__} is a name of tsseq's own; rename your class.")
    return {kind.__name__: kind for kind in classes}


def _placed(tree: Any, accelerator: str | None) -> Any:
    """The tree of a model whose networks know where to predict."""
    place = {"accelerator": accelerator} if tree["kind"] in NEURAL else {}
    parts = {name: _placed(inner, accelerator) for name, inner in tree["parts"].items()}
    return tree | {"config": tree["config"] | place, "parts": parts}


# What was renamed since format 1: classes and arrays; a tensor that is not named here is one of the regressor's.
CLASSES_1 = {"Form": "FrameLayout"}
ARRAYS_1 = {"rank": "panel/input_order", "history": "regressor/history"}
ARRAYS_1 |= {name: f"panel/{name}" for name in ("values", "static", "indptr", "times")}
ARRAYS_1 |= {name: f"scaling/{name}" for name in LEARNT}


def _upgrade_1(config: Any, arrays: Arrays) -> tuple[Any, Arrays]:
    """Format 1: one flat config per forecaster; arrays of the k-th forecaster inside begin with "k."."""
    config = _rename_classes(config)
    model, names = config.get("wrapper", config.get("forecaster")), ("schema", "rules", "times", "times_name")
    ids = {"frame_layout": config["form"], "ids": _index_1(config["ids"]), "categories": config.get("categories", [])}
    tree = _tree(model["kind"], {"parameters": model})
    tree["parts"]["panel"] = _tree("Panel", {name: config[name] for name in names} | ids)
    if "scaling" in config:
        scaling_ids = _index_1(config.get("scaling_ids", config["ids"]))
        tree["parts"]["scaling"] = _tree("Scaling", config["scaling"] | {"ids": scaling_ids})
    if "wrapper" not in config:
        return _upgrade_regressor_1(config, tree, arrays)
    content: Arrays = {}
    rest = dict(arrays)
    for k, inner in enumerate(config["parts"]):
        part = "forecaster" if model["kind"] == "ConformalForecaster" else str(k)
        inside = [name for name in arrays if name.startswith(f"{k}.")]
        inner_arrays = {name.removeprefix(f"{k}."): rest.pop(name) for name in inside}
        tree["parts"][part], inner_arrays = _upgrade_1(inner, inner_arrays)
        content |= {f"{part}/{name}": array for name, array in inner_arrays.items()}
    return tree, content | {ARRAYS_1.get(name, name): array for name, array in rest.items()}


def _upgrade_regressor_1(config: Any, tree: Any, arrays: Arrays) -> tuple[Any, Arrays]:
    """Give the tree of a forecaster its regressor, and all arrays their places."""
    layout, regressor = config["layout"], config["regressor"]
    tree["config"]["layout"] = layout
    learnt = {"parameters": regressor, "layout": regressor["arguments"].get("layout") or layout}
    if "head" in config:
        one_output = layout["arguments"]["horizon"] * layout["arguments"]["n_targets"] == 1
        learnt |= {"history": config["history"], "head": config["head"], "one_output_": one_output}
    tree["parts"]["regressor"] = _tree(regressor["kind"], learnt)
    return tree, {ARRAYS_1.get(name, f"regressor/network/{name}"): array for name, array in arrays.items()}


def _tree(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "config": config, "parts": {}}


def _index_1(ids: dict[str, Any]) -> dict[str, Any]:
    index = {"index" if key == "values" else key: item for key, item in ids.items()}
    return index | ({"categories": _index_1(ids["categories"])} if "categories" in ids else {})


def _rename_classes(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_rename_classes(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    content = {key: _rename_classes(item) for key, item in tree.items()}
    if content.keys() == {"kind", "arguments"}:
        content["kind"] = CLASSES_1.get(content["kind"], content["kind"])
    return content


UPGRADES: dict[int, Upgrade] = {1: _upgrade_1}
