"""What a model file keeps of an object, and writing it: the part of saving that all types share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from tsseq.errors import ConfigError, ModelFileError
from tsseq.persistence.codec import NEWER, Kinds, class_name, class_named, decode, encode
from tsseq.persistence.container import StrPath, dump_json, parse_json, shortened, write

Arrays: TypeAlias = dict[str, NDArray[Any]]
Upgrade: TypeAlias = Callable[[Any, Arrays], tuple[Any, Arrays]]

MOST_ARRAYS = 20_000
# what safetensors and the parts of a model raise on content that makes no sense
NONSENSE = (SafetensorError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError)


@dataclass(frozen=True)
class State:
    """What a model file keeps of one object.

    Every class that is saved has ``to_state() -> State`` and the class method ``from_state(state)``.

    Attributes
    ----------
    kind : type
        Class of the object.
    config : dict of str to object
        Its parameters and what it has learnt, arrays apart: None, booleans, texts, finite numbers; lists, tuples and
        mappings; an Index, Timedelta or offset of pandas; records (dataclasses) and estimators of tsseq, or networks
        and heads derived from them.
    arrays : dict of str to ndarray
        Arrays by name.
    parts : dict of str to State
        States of the objects inside it; names without "/".

    Examples
    --------
    >>> state = State(pd.Series, {"name": "close"}, {"values": np.zeros(3)})
    >>> state.config["name"], state.arrays["values"].shape
    ('close', (3,))
    """

    kind: type[Any]
    config: dict[str, Any]
    arrays: Arrays = field(default_factory=dict)
    parts: dict[str, State] = field(default_factory=dict)

    def value(self, name: str, kind: type[Any]) -> Any:
        """Return a value of the config that must be of one class.

        Parameters
        ----------
        name : str
            Key in ``config``.
        kind : type
            Class that the value must be an instance of.

        Returns
        -------
        object
            The value.

        Raises
        ------
        ValueError
            If it is of another class.
        """
        value = self.config[name]
        if not isinstance(value, kind):
            raise ValueError(f"config.json has {str(value)[:80]} where {name}, a {kind.__name__}, was needed")
        return value

    def part(self, name: str, kind: type[Any]) -> Any:
        """Make an object inside this one again.

        Parameters
        ----------
        name : str
            Key in ``parts``.
        kind : type
            Class that the object must be an instance of.

        Returns
        -------
        object
            What ``from_state`` of its class makes.

        Raises
        ------
        ValueError
            If it is of another class, or its state makes no sense.
        """
        state = self.parts[name]
        if not issubclass(state.kind, kind):
            raise ValueError(f"config.json has a {state.kind.__name__} where {name}, a {kind.__name__}, was needed")
        return state.kind.from_state(state)

    def frame(self, name: str) -> pd.DataFrame:
        """Make a table of the columns and the array that bear one name.

        Parameters
        ----------
        name : str
            Key in ``config``, for the list of columns, and in ``arrays``, for the values.

        Returns
        -------
        DataFrame
            The values, float64.

        Raises
        ------
        ValueError
            If there is not one column of the array for every name.
        """
        columns, values = self.value(name, list), self.arrays[name]
        if values.ndim != 2:
            raise ValueError(f"the array {name} has {values.ndim} axes, and 2 were needed")
        check_arrays({name: values}, {name: (len(values), len(columns))})
        return pd.DataFrame(values, columns=columns)

    def check_names(self, *config: str, optional: Sequence[str] = (), parts: Sequence[str] = ()) -> None:
        """Check that there is nothing but what the class knows.

        Parameters
        ----------
        *config : str
            Keys that ``config`` has.
        optional : sequence of str, default ()
            Keys that it may have besides.
        parts : sequence of str, default ()
            Keys that ``parts`` has.

        Raises
        ------
        ValueError
            If a key is missing or unknown.
        """
        for present, needed, allowed in ((self.config, config, optional), (self.parts, parts, ())):
            unknown = sorted(present.keys() - {*needed, *allowed})
            missing = sorted(set(needed) - present.keys())
            if missing:
                raise ValueError(f"config.json has no {missing} for {self.kind.__name__}")
            if unknown:
                raise ValueError(f"config.json has unknown {unknown} for {self.kind.__name__}. {NEWER}")

    def split(self, *groups: str) -> list[Arrays]:
        """Divide the arrays by the beginnings of their names.

        Parameters
        ----------
        *groups : str
            Beginnings, without the "/" that follows.

        Returns
        -------
        list of dict of str to ndarray
            The arrays of every group by the rest of their names.

        Raises
        ------
        ValueError
            If an array is in none of the groups.
        """
        content: dict[str, Arrays] = {group: {} for group in groups}
        for name, array in self.arrays.items():
            group, _, rest = name.partition("/")
            if group not in content:
                raise ValueError(f"the array {name} of {self.kind.__name__} has no meaning")
            content[group][rest] = array
        return list(content.values())


def check_arrays(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]], integers: Sequence[str] = ()) -> None:
    """Check that there are exactly the arrays that are needed.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Arrays by name.
    shapes : mapping of str to tuple of int
        Shape of every array that is needed.
    integers : sequence of str, default ()
        Names of those that are int64; all others are float64.

    Raises
    ------
    ValueError
        If an array is missing, unknown, or of another shape or dtype.

    Examples
    --------
    >>> check_arrays({"scale": np.ones(2)}, {"scale": (3,)})
    Traceback (most recent call last):
        ...
    ValueError: the array scale is float64 (2,), and float64 (3,) was needed
    """
    for name in sorted(shapes.keys() | arrays.keys()):
        dtype = np.dtype(np.int64 if name in integers else np.float64)
        array, shape = arrays.get(name), shapes.get(name)
        if array is None or shape is None or array.shape != shape or array.dtype != dtype:
            size = "missing" if array is None else f"{array.dtype} {array.shape}"
            needed = "nothing" if shape is None else f"{dtype} {shape}"
            raise ValueError(f"the array {name} is {size}, and {needed} was needed")


def pack(state: State, kinds: Kinds) -> tuple[dict[str, Any], Arrays]:
    """Turn a state into JSON and arrays.

    Parameters
    ----------
    state : State
        What to write.
    kinds : dict of str to type
        Classes by name; those that the state holds are added.

    Returns
    -------
    tree : dict
        ``{"kind": name, "config": {...}, "parts": {name: tree}}``, ready for JSON.
    arrays : dict of str to ndarray
        All arrays; those of parts bear ``<part>/`` in front of their names.

    Raises
    ------
    ConfigError
        If the state holds something that a model file has no place for.

    Examples
    --------
    >>> pack(State(State, {"size": 2}, parts={"inner": State(State, {}, {"x": np.ones(1)})}), {})
    ({'kind': 'State', 'config': {'size': 2}, 'parts': {'inner': {'kind': 'State', 'config': {}, 'parts': {}}}},
     {'inner/x': array([1.])})
    """
    config = {name: encode(value, kinds, name) for name, value in state.config.items()}
    tree: dict[str, Any] = {"kind": class_name(state.kind, kinds, f"the model has {state.kind!r}"), "config": config}
    tree["parts"], arrays = {}, dict(state.arrays)
    for name, inner in state.parts.items():
        tree["parts"][name], inner_arrays = pack(inner, kinds)
        arrays |= {f"{name}/{key}": array for key, array in inner_arrays.items()}
    return tree, arrays


def unpack(tree: Any, arrays: Arrays, kinds: Kinds) -> State:
    """Do the inverse of `pack`.

    Parameters
    ----------
    tree : dict
        The JSON.
    arrays : dict of str to ndarray
        All arrays.
    kinds : dict of str to type
        The classes that a file may name.

    Returns
    -------
    State
        The state; whether its values make sense is for ``from_state`` of its class to say.

    Raises
    ------
    ValueError, TypeError or LookupError
        If `pack` cannot have written this.

    Examples
    --------
    >>> unpack({"kind": "State", "config": {"size": 2}, "parts": {}}, {}, {"State": State}).config
    {'size': 2}
    """
    if tree.keys() != {"kind", "config", "parts"}:
        raise ValueError(f"config.json has {sorted(tree)} where kind, config and parts were needed. {NEWER}")
    config = {name: decode(value, kinds) for name, value in tree["config"].items()}
    parts, rest = {}, dict(arrays)
    for part, inner in tree["parts"].items():
        names = [name for name in arrays if name.startswith(f"{part}/")]
        parts[part] = unpack(inner, {name.removeprefix(f"{part}/"): rest.pop(name) for name in names}, kinds)
    return State(class_named(tree["kind"], kinds), config, rest, parts)


def save_model(model: Any, path: StrPath) -> None:
    """Write a fitted model to a file.

    Parameters
    ----------
    model : object
        Has ``to_state`` and, in its class, ``from_state``.
    path : str or path-like
        The file; one that is there is replaced.

    Raises
    ------
    ConfigError
        If the model holds something that a model file has no place for; a file that was there stays as it was.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, tsseq
    >>> from pathlib import Path
    >>> model = tsseq.Forecaster(tsseq.Drift(), 2, 12).fit(tsseq.load_sample("airline"))
    >>> path = Path(tempfile.mkdtemp(), "air.tsseq")
    >>> save_model(model, path)
    >>> tsseq.load(path)
    Forecaster(context_length=12, horizon=2, regressor=Drift())
    """
    kinds: Kinds = {}
    tree, arrays = pack(model.to_state(), kinds)
    content = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    members = {"config.json": dump_json(tree), "arrays.safetensors": safetensors.numpy.save(content)}
    try:
        restore(members, kinds)
    except ModelFileError as error:
        raise ConfigError(f"this model cannot be saved, since it could not be loaded: {error}") from error
    write(path, members)


def restore(members: Mapping[str, bytes], kinds: Kinds, upgrades: Sequence[Upgrade] = ()) -> Any:
    """Make a model of the members of its file.

    Parameters
    ----------
    members : mapping of str to bytes
        One of JSON, "config.json", and others of arrays.
    kinds : dict of str to type
        The classes that the JSON may name.
    upgrades : sequence of callable, default ()
        What turns JSON and arrays of an older format into those of the present one, one format after another.

    Returns
    -------
    object
        The fitted model.

    Raises
    ------
    ModelFileError
        If this is not a model.

    Examples
    --------
    >>> restore({"config.json": b'{"kind": "LSTM", "config": {}, "parts": {}}'}, {})
    Traceback (most recent call last):
        ...
    tsseq.errors.ModelFileError: config.json names 'LSTM', which tsseq does not have; ...
    """
    arrays: Arrays = {}
    try:
        for name, content in members.items():
            arrays |= _load_arrays(content) if name.endswith(".safetensors") else {}
        tree = parse_json(members["config.json"])
        for upgrade in upgrades:
            tree, arrays = upgrade(tree, arrays)
        state = unpack(tree, arrays, kinds)
        if not hasattr(state.kind, "save"):
            raise ValueError(f"config.json has a {state.kind.__name__} where a model was needed")
        return state.kind.from_state(state)
    except ValueError as error:
        raise ModelFileError(shortened(error)) from error
    except NONSENSE as error:
        raise ModelFileError(f"its parts make no sense together ({shortened(repr(error))})") from error


def _load_arrays(content: bytes) -> Arrays:
    """The arrays of a file, whose names are counted before an object is made of each."""
    length = int.from_bytes(content[:8], "little")
    if length > 300 * MOST_ARRAYS or len(parse_json(content[8 : 8 + length])) > MOST_ARRAYS:
        raise ValueError(f"it names more than {MOST_ARRAYS} arrays")
    return safetensors.numpy.load(content)
