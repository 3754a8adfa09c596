"""Values as JSON, and back.

Classes are written as their names and looked up in a mapping that the reader hands in; their arguments are checked
against the annotations of the constructor. Nothing is imported or run because a file names it.
"""

from __future__ import annotations

import inspect
import math
import reprlib
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date
from types import UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tsseq
from tsseq.errors import ConfigError

NEWER = "A file of a newer tsseq needs that one: pip install --upgrade tsseq"
LONGEST = 200  # text of a timestamp or frequency

Kinds: TypeAlias = dict[str, type[Any]]


def encode(value: Any, kinds: Kinds, where: str = "the model") -> Any:
    """Turn a value into JSON.

    Parameters
    ----------
    value : object
        None, a boolean, text or finite number; a list, tuple, array or mapping of values; an Index, Timedelta, Period
        or offset of pandas, or a date; a record (dataclass) or an estimator of tsseq, or a network or head derived from
        one.
    kinds : dict of str to type
        Classes by name; those that the value holds are added.
    where : str, default "the model"
        What holds the value, for the message.

    Returns
    -------
    object
        What ``json.dumps`` takes.

    Raises
    ------
    ConfigError
        If there is no JSON for the value.

    Examples
    --------
    >>> encode({"target": ("a", "b")}, {})
    {'dict': [['target', {'tuple': ['a', 'b']}]]}
    """
    if isinstance(value, (date, np.datetime64, pd.Timedelta, pd.Period, pd.offsets.BaseOffset)):
        return _encode_time(value, where)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, (list, np.ndarray)):
        return [encode(item, kinds, where) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item, kinds, where) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encode(key, kinds, where), encode(item, kinds, where)] for key, item in value.items()]}
    if isinstance(value, pd.Index):
        return _encode_index(value, kinds, where)
    name = class_name(type(value), kinds, f"{where} holds {value!r}")
    arguments = {key: encode(item, kinds, f"{name}({key}=)") for key, item in _arguments(value).items()}
    return {"kind": name, "arguments": arguments}


def decode(value: Any, kinds: Kinds) -> Any:
    """Turn JSON into a value: the inverse of `encode`.

    Parameters
    ----------
    value : object
        JSON.
    kinds : dict of str to type
        The classes that it may name.

    Returns
    -------
    object
        The value.

    Raises
    ------
    ValueError
        If `encode` cannot have written it.

    Examples
    --------
    >>> decode({"offset": "W-WED"}, {})
    <Week: weekday=2>
    """
    if isinstance(value, list):
        return [decode(item, kinds) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"tuple": list(items)} if len(value) == 1:
            return tuple(decode(items, kinds))
        case {"dict": list(items)} if len(value) == 1:
            return dict(decode(items, kinds))
        case {"index": list(items), "dtype": str(dtype), "name": name, **rest}:
            index_dtype = _index_dtype(dtype, {key: decode(item, kinds) for key, item in rest.items()})
            index = pd.Index(decode(items, kinds), dtype=index_dtype, name=decode(name, kinds))
            if index.dtype == object:
                set(index)  # a TypeError for what cannot be looked up, such as a list
            return index
        case {"kind": str(name), "arguments": dict(arguments)} if len(value) == 2:
            return _build(class_named(name, kinds), {key: decode(item, kinds) for key, item in arguments.items()})
    return _decode_time(value)


def time_dtype(times: pd.Index) -> str:
    """Return what `times_from` needs beside the numbers.

    Parameters
    ----------
    times : Index
        Timestamps: dates, periods or whole numbers.

    Returns
    -------
    str
        Their dtype, or "range".

    Raises
    ------
    ConfigError
        If text does not tell the dtype, as for a time zone of one's own making.

    Examples
    --------
    >>> time_dtype(pd.period_range("1970-01", periods=2, freq="M"))
    'period[M]'
    """
    text = str(times.dtype)
    if isinstance(times, pd.RangeIndex):
        return "range"
    if isinstance(times.dtype, (np.dtype, pd.DatetimeTZDtype, pd.PeriodDtype)):
        with suppress(TypeError):
            if pd.api.types.pandas_dtype(text) == times.dtype:
                return text
    raise ConfigError(f"timestamps of dtype {text} have no place in a model file; use a plain time zone or frequency.")


def times_from(stamps: NDArray[np.int64], dtype: str) -> pd.Index:
    """Make timestamps from numbers.

    Parameters
    ----------
    stamps : ndarray of int64, shape (n,)
        The numbers behind the timestamps.
    dtype : str
        What `time_dtype` gave.

    Returns
    -------
    Index
        The timestamps, without a name.

    Raises
    ------
    ValueError
        If the dtype is not one of timestamps.

    Examples
    --------
    >>> times_from(np.array([0, 1]), "period[M]")
    PeriodIndex(['1970-01', '1970-02'], dtype='period[M]')
    """
    if dtype == "range":
        step = int(stamps[1] - stamps[0]) if len(stamps) > 1 else 1
        return pd.RangeIndex(int(stamps[0]), int(stamps[-1]) + step, step)
    kind = pd.api.types.pandas_dtype(dtype)
    if isinstance(kind, pd.PeriodDtype):
        return pd.PeriodIndex.from_ordinals(stamps, freq=kind.freq)
    if isinstance(kind, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(stamps.view(f"M8[{kind.unit}]")).tz_localize("UTC").tz_convert(kind.tz)
    if kind.kind not in "iuM":
        raise ValueError(f"timestamps of dtype {dtype} are unknown")
    return pd.DatetimeIndex(stamps.view(kind)) if kind.kind == "M" else pd.Index(stamps.astype(kind))


def class_name(kind: type[Any], kinds: Kinds, where: str) -> str:
    """Return the name of a class in a file.

    Parameters
    ----------
    kind : type
        A class of tsseq, or one with ``load_argument``: derived from those that users extend.
    kinds : dict of str to type
        Classes by name; this one is added.
    where : str
        What holds the object, for the message.

    Returns
    -------
    str
        Its name.

    Raises
    ------
    ConfigError
        If `tsseq.load` could not know the class, or would take another one for it.

    Examples
    --------
    >>> class_name(int, {}, "Training(strategy=) holds 3")
    Traceback (most recent call last):
        ...
    tsseq.errors.ConfigError: Training(strategy=) holds 3, a int, which has no place in a model file.
    """
    name = kind.__name__
    ours = kind.__module__.partition(".")[0] == "tsseq"
    if not (is_dataclass(kind) or hasattr(kind, "get_params") if ours else hasattr(kind, "load_argument")):
        raise ConfigError(f"{where}, a {name}, which has no place in a model file.")
    if (not ours and name in tsseq.__all__) or kinds.setdefault(name, kind) is not kind:
        raise ConfigError(f"{name} is a name of tsseq's own, or of two classes; rename your class.")
    return name


def class_named(name: Any, kinds: Kinds) -> type[Any]:
    """Return the class of a name in a file.

    Parameters
    ----------
    name : str
        Its name.
    kinds : dict of str to type
        The classes that a file may name.

    Returns
    -------
    type
        The class.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> class_named("float", {"float": float})
    <class 'float'>
    """
    if name not in kinds:
        advice = f"pass its class: tsseq.load(path, networks=[{name}]) or heads=[{name}]"
        raise ValueError(f"config.json names {name!r}, which tsseq does not have; if it is your own, {advice}")
    return kinds[name]


def _encode_time(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, pd.Timedelta):
        return {"nanoseconds": int(value // pd.Timedelta(1, unit="ns")), "unit": value.unit}
    if isinstance(value, pd.Period):
        return {"period": str(value), "freq": value.freqstr}
    if isinstance(value, pd.offsets.BaseOffset):
        return {"offset": _alias(value, where)}
    return {"timestamp": pd.Timestamp(value).isoformat()}


def _decode_time(value: dict[str, Any]) -> Any:
    if any(isinstance(item, str) and len(item) > LONGEST for item in value.values()):
        raise ValueError(f"config.json has {str(value)[:80]}..., which is too long")
    match value:
        case {"nanoseconds": int(length), "unit": str(unit)} if len(value) == 2 and not isinstance(length, bool):
            return pd.Timedelta(length, unit="ns").as_unit(unit)
        case {"period": str(text), "freq": str(freq)} if len(value) == 2:
            return pd.Period(text, freq)
        case {"offset": str(alias)} if len(value) == 1:
            return pd.tseries.frequencies.to_offset(alias)
        case {"timestamp": str(text)} if len(value) == 1:
            return pd.Timestamp(text)
    raise ValueError(f"config.json has {str(value)[:80]}, which has no meaning")


def _encode_index(index: pd.Index, kinds: Kinds, where: str) -> dict[str, Any]:
    for item in index:
        if item is not None and (isinstance(item, bool) or not isinstance(item, (str, int, np.integer))):
            raise ConfigError(f"{where} in a model file are texts or whole numbers, not {item!r}.")
    items, name = encode(list(index), kinds, where), encode(index.name, kinds, where)
    tree = {"index": items, "dtype": str(index.dtype), "name": name}
    if isinstance(index.dtype, pd.CategoricalDtype):
        tree["categories"] = _encode_index(index.dtype.categories, kinds, where)
        tree["ordered"] = bool(index.dtype.ordered)
    return tree


def _index_dtype(dtype: str, categories: Mapping[str, Any]) -> Any:
    if dtype == "category":
        return pd.CategoricalDtype(**categories)
    if categories or (dtype not in ("object", "str", "string") and pd.api.types.pandas_dtype(dtype).kind not in "iu"):
        raise ValueError(f"an index of dtype {dtype!r} is unknown")
    return dtype


def _arguments(value: Any) -> dict[str, Any]:
    """Arguments of the constructor that make ``value``, but unsaved ones; several names in an Index are a list."""
    unsaved = getattr(value, "unsaved", ())
    if hasattr(value, "get_params"):
        arguments = {name: x for name, x in value.get_params(deep=False).items() if name not in unsaved}
        return {name: list(x) if isinstance(x, pd.Index) else x for name, x in arguments.items()}
    return {item.name: getattr(value, item.name) for item in fields(value)}


def _build(kind: type[Any], arguments: dict[str, Any]) -> Any:
    name, known = kind.__name__, list(inspect.signature(kind.__init__).parameters)[1:]
    hints = _hints(kind) | _hints(kind.__init__)
    for key, value in arguments.items():
        if key not in known:
            raise ValueError(f"config.json has {name}({key}=...), which is not an argument that {name} takes. {NEWER}")
        if not _fits(value, hints.get(key, Any)):
            raise ValueError(f"{name}({key}={reprlib.repr(value)}) in config.json is not an argument that {name} takes")
    return kind(**arguments)


def _hints(annotated: Any) -> dict[str, Any]:
    try:
        return get_type_hints(annotated)
    except NameError:  # annotated with what is imported for type checkers only
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says; names are texts and whole numbers."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is Literal:
        return value in inner
    if hint in (int, float, Hashable):
        allowed: Any = {int: int, float: (int, float), Hashable: (str, int)}[hint]
        return isinstance(value, allowed) and not isinstance(value, bool)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, origin) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if origin is not None and issubclass(origin, Sequence):
        return isinstance(value, origin) and not isinstance(value, str) and all(_fits(item, inner[0]) for item in value)
    kind = pd.offsets.BaseOffset if hint is pd.DateOffset else origin or hint
    return not isinstance(kind, type) or isinstance(value, kind)


def _alias(offset: pd.DateOffset, where: str) -> str:
    """Text from which pandas makes the same offset again."""
    with suppress(ValueError):
        if pd.tseries.frequencies.to_offset(offset.freqstr) == offset:
            return str(offset.freqstr)
    raise ConfigError(f"{where} holds {offset!r}, which has no alias; use one such as 'MS', or an exchange code.")
