"""Objects as JSON and back.

Parts of a model are named by a key of a registry; their arguments are checked against the constructor's annotations.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from tsseq.errors import ConfigError

Kinds: TypeAlias = dict[str, Any]


def encoded(value: Any, kinds: Kinds, where: str = "the model") -> Any:
    """JSON for ``value``; what has none is a ConfigError that says ``where`` it was found.

    >>> encoded({"target": ("a", "b")}, {})
    {'dict': [['target', {'tuple': ['a', 'b']}]]}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, pd.Index, np.ndarray)):
        return [encoded(item, kinds, where) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encoded(item, kinds, where) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encoded(part, kinds, where) for part in item] for item in value.items()]}
    if isinstance(value, pd.Timedelta):
        return {"nanoseconds": int(value // pd.Timedelta(1, unit="ns")), "unit": value.unit}
    if isinstance(value, pd.DateOffset):
        return {"offset": _alias(value, where)}
    name = type(value).__name__
    if kinds.get(name) is not type(value):
        raise ConfigError(f"{where} holds {value!r}, a {name}, which has no place in a model file.")
    return {"kind": name, "arguments": {key: encoded(v, kinds, f"{name}({key}=)") for key, v in _own(value).items()}}


def decoded(value: Any, kinds: Kinds) -> Any:
    """The inverse of `encoded`; what it cannot have written is a ValueError.

    >>> decoded({"offset": "W-WED"}, {})
    <Week: weekday=2>
    """
    if isinstance(value, list):
        return [decoded(item, kinds) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"tuple": list(items)} if len(value) == 1:
            return tuple(decoded(items, kinds))
        case {"dict": list(items)} if len(value) == 1:
            return dict(decoded(items, kinds))
        case {"nanoseconds": int(length), "unit": str(unit)} if len(value) == 2 and not isinstance(length, bool):
            return pd.Timedelta(length, unit="ns").as_unit(unit)
        case {"offset": str(alias)} if len(value) == 1:
            return pd.tseries.frequencies.to_offset(alias)
        case {"kind": str(name), "arguments": dict(arguments)} if len(value) == 2:
            return _made(name, {key: decoded(part, kinds) for key, part in arguments.items()}, kinds)
    raise ValueError(f"config.json has {str(value)[:80]}, which has no meaning")


def time_dtype(times: pd.Index) -> str:
    """What `times_of` needs beside the numbers; a ConfigError where text does not tell it."""
    text = str(times.dtype)
    if isinstance(times, pd.RangeIndex):
        return "range"
    if isinstance(times.dtype, (np.dtype, pd.DatetimeTZDtype, pd.PeriodDtype)):
        try:
            if pd.api.types.pandas_dtype(text) == times.dtype:
                return text
        except TypeError:
            pass
    raise ConfigError(f"timestamps of dtype {text} have no place in a model file; use a plain time zone or frequency.")


def times_of(stamps: Any, text: str) -> pd.Index:
    """Timestamps from whole numbers (n,) and the text of `time_dtype`.

    >>> times_of(np.array([0, 1]), "period[M]")
    PeriodIndex(['1970-01', '1970-02'], dtype='period[M]')
    """
    if text == "range":
        step = int(stamps[1] - stamps[0]) if len(stamps) > 1 else 1
        return pd.RangeIndex(int(stamps[0]), int(stamps[-1]) + step, step)
    dtype = pd.api.types.pandas_dtype(text)
    if isinstance(dtype, pd.PeriodDtype):
        return pd.PeriodIndex.from_ordinals(stamps, freq=dtype.freq)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(stamps.view(f"M8[{dtype.unit}]")).tz_localize("UTC").tz_convert(dtype.tz)
    if dtype.kind not in "iuM":
        raise ValueError(f"timestamps of dtype {text} are unknown")
    return pd.DatetimeIndex(stamps.view(dtype)) if dtype.kind == "M" else pd.Index(stamps.astype(dtype))


def encoded_ids(ids: pd.Index, kinds: Kinds) -> dict[str, Any]:
    """Ids, their dtype, and the categories where they are categorical."""
    config: dict[str, Any] = {"name": encoded(ids.name, kinds), "dtype": str(ids.dtype), "values": []}
    for name in ids:
        if name is not None and (isinstance(name, bool) or not isinstance(name, (str, int, np.integer))):
            raise ConfigError(f"ids in a model file are texts or whole numbers, not {name!r}.")
        config["values"].append(encoded(name, kinds))
    if isinstance(ids.dtype, pd.CategoricalDtype):
        config["categories"] = encoded_ids(ids.dtype.categories, kinds)
        config["ordered"] = bool(ids.dtype.ordered)
    return config


def ids_of(config: Any, kinds: Kinds) -> pd.Index:
    """The inverse of `encoded_ids`."""
    dtype, values = config["dtype"], decoded(config["values"], kinds)
    if dtype == "category":
        dtype = pd.CategoricalDtype(ids_of(config["categories"], kinds), config["ordered"])
    elif dtype not in ("object", "str", "string") and pd.api.types.pandas_dtype(dtype).kind not in "iu":
        raise ValueError(f"ids of dtype {dtype!r} are unknown")
    return pd.Index(values, dtype=dtype, name=decoded(config["name"], kinds))


def encoded_categories(categories: pd.Index, kinds: Kinds) -> list[Any]:
    """The categories of a covariate: texts, numbers and booleans."""
    for one in categories:
        if not isinstance(one, (bool, str, int, float, np.generic)):
            raise ConfigError(f"categories in a model file are texts, numbers or booleans, not {one!r}.")
    return [encoded(one, kinds, "a covariate") for one in categories]


def categories_of(config: Any) -> pd.Index:
    """The inverse of `encoded_categories`.

    >>> categories_of(["rain", "snow"]).tolist()
    ['rain', 'snow']
    """
    if not (isinstance(config, list) and all(isinstance(one, (bool, str, int, float)) for one in config)):
        raise ValueError(f"config.json has {str(config)[:80]} where categories were needed")
    found = pd.Index(config)
    if not found.is_unique:
        raise ValueError(f"config.json has categories that occur twice, {str(config)[:80]}")
    return found


def _made(name: str, arguments: dict[str, Any], kinds: Kinds) -> Any:
    if name not in kinds:
        advice = f"if it is a network of yours, pass its class: tsseq.load(path, networks=[{name}])"
        raise ValueError(f"config.json names {name!r}, which tsseq does not have; {advice}")
    kind = kinds[name]
    known = list(inspect.signature(kind.__init__).parameters)[1:]
    try:
        hints = get_type_hints(kind.__init__)
    except NameError:  # a network of the user's, annotated with what is imported for type checkers only
        hints = {}
    for key, value in arguments.items():
        if key not in known or not _fits(value, hints.get(key, Any)):
            raise ValueError(f"{name}({key}={value!r}) in config.json is no argument that {name} takes")
    return kind(**arguments)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says; names are texts and whole numbers."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in inner)
    if origin is Literal:
        return value in inner
    if hint in (int, float, Hashable):
        allowed: Any = {int: int, float: (int, float), Hashable: (str, int)}[hint]
        return isinstance(value, allowed) and not isinstance(value, bool)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, origin) and all(
            _fits(part, i) for item in value.items() for part, i in zip(item, inner)
        )
    if origin is not None and issubclass(origin, Sequence):
        return isinstance(value, origin) and not isinstance(value, str) and all(_fits(part, inner[0]) for part in value)
    return not isinstance(origin or hint, type) or isinstance(value, origin or hint)


def _own(value: Any) -> dict[str, Any]:
    """The arguments that make ``value``."""
    if isinstance(value, BaseEstimator):
        return value.get_params(deep=False)
    assert is_dataclass(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _alias(offset: pd.DateOffset, where: str) -> str:
    """Text from which pandas makes the same offset again."""
    try:
        if pd.tseries.frequencies.to_offset(offset.freqstr) == offset:
            return offset.freqstr
    except ValueError:
        pass
    raise ConfigError(f"{where} holds {offset!r}, which has no alias; use one such as 'MS', or an exchange code.")
