"""Panels and scalings in model files: names and roles in config.json, numbers in state.safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.data.frames import FrameLayout
from tsseq.data.panel import Panel
from tsseq.data.scaling import Kind, Scaling
from tsseq.data.schema import Schema
from tsseq.data.time_rules import Offsets, Sessions, Steps
from tsseq.persistence.codec import (
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

State: TypeAlias = dict[str, NDArray[Any]]

LEARNT = ("scale", "weight", "centre", "spread", "static_centre", "static_spread")
WHOLE = ("indptr", "rank", "times")


class Parts(NamedTuple):
    """A model taken apart: JSON, the tensors of its networks by name, its other arrays by name."""

    config: dict[str, Any]
    weights: dict[str, Any]
    state: State


def panel_parts(panel: Panel, kinds: Kinds) -> Parts:
    """A panel taken apart; ids and timestamps that have no place in a file are a ConfigError."""
    config = {
        "schema": encoded(panel.schema, kinds),
        "form": encoded(panel.frame_layout, kinds),
        "rules": encoded(list(panel.rules), kinds),
        "times": time_dtype(panel.times),
        "times_name": encoded(panel.times.name, kinds),
        "ids": encoded_ids(panel.ids, kinds),
        "categories": [None if own is None else encoded_categories(own, kinds) for own in panel.categories],
    }
    times = panel.times.asi8 if hasattr(panel.times, "asi8") else panel.times.to_numpy()
    state = {"values": panel.values, "static": panel.static, "indptr": panel.indptr, "rank": panel.input_order}
    return Parts(config, {}, state | {"times": times.astype(np.int64)})


def panel_of(config: Any, state: State, kinds: Kinds) -> Panel:
    """The inverse of `panel_parts`; parts that do not fit together are a ValueError."""
    schema, form = decoded(config["schema"], kinds), decoded(config["form"], kinds)
    rules = tuple(decoded(config["rules"], kinds))
    if not (isinstance(schema, Schema) and isinstance(form, FrameLayout) and len(schema.target)):
        raise ValueError("config.json does not say which column plays which role")
    if not all(isinstance(rule, (Steps, Offsets, Sessions)) for rule in rules):
        raise ValueError("config.json has no rule of time")
    times = times_of(state["times"], config["times"]).rename(decoded(config["times_name"], kinds))
    ids = ids_of(config["ids"], kinds)
    if len(rules) not in (1, len(ids)):
        raise ValueError(f"there are {len(rules)} rules of time for {len(ids)} series")
    arrays = state["values"], state["static"], state["indptr"]
    categories = tuple(None if own is None else categories_of(own) for own in config.get("categories", ()))
    panel = Panel(*arrays, times, ids, state["rank"], schema, form, rules, categories)
    _check_panel(state, panel)
    return panel


def scaling_parts(scaling: Scaling) -> Parts:
    """A scaling taken apart, without its ids."""
    return Parts(
        {"scaling": {"kind": scaling.kind, "log": bool(scaling.log)}},
        {},
        {name: getattr(scaling, name) for name in LEARNT},
    )


def scaling_of(config: Any, state: State, ids: pd.Index, roles: Schema) -> Scaling:
    """The inverse of `scaling_parts`, learnt on the series ``ids`` of columns with these ``roles``."""
    kind, log = config["scaling"]["kind"], config["scaling"]["log"]
    if kind not in get_args(Kind) or type(log) is not bool:
        raise ValueError(f"config.json has an unknown scaling, {kind!r} with log={log!r}")
    targets, covariates, static = len(roles.target), len(roles.covariates), len(roles.static)
    wanted: dict[str, tuple[int, ...]] = {"scale": (len(ids), targets), "weight": (len(ids), targets)}
    wanted |= {"centre": (covariates,), "spread": (covariates,)}
    check_arrays(state, wanted | {"static_centre": (static,), "static_spread": (static,)})
    return Scaling(kind, log, ids, *(state[name] for name in LEARNT))


def check_arrays(state: State, wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Arrays are of the shapes ``wanted``, and of 64 bits."""
    for name, shape in wanted.items():
        kind = np.int64 if name in WHOLE else np.float64
        if state[name].shape != shape or state[name].dtype != kind:
            found = f"{state[name].dtype} {state[name].shape}"
            raise ValueError(f"{name} in state.safetensors is {found}, and {np.dtype(kind)} {shape} was needed")


def _check_panel(state: State, panel: Panel) -> None:
    """Arrays are of the sizes that roles, ids and timestamps ask for."""
    n, rows, roles = len(panel.ids), len(panel.times), panel.schema
    wanted: dict[str, tuple[int, ...]] = {"values": (rows, len(roles.dynamic)), "static": (n, len(roles.static))}
    check_arrays(state, wanted | {"indptr": (n + 1,), "rank": (n,), "times": (rows,)})
    indptr = panel.indptr.tolist()
    if n == 0 or indptr[0] != 0 or indptr[-1] != rows or any(start >= end for start, end in pairwise(indptr)):
        raise ValueError("indptr in state.safetensors does not divide the rows into series")
    if sorted(panel.input_order.tolist()) != list(range(n)) or not panel.ids.is_unique:
        raise ValueError("ids and their order do not fit together")
    columns = [*panel.values.T[len(roles.target) :], *panel.static.T]
    if len(panel.categories) not in (0, len(columns)):
        raise ValueError(f"there are {len(panel.categories)} categories for {len(columns)} covariates")
    for column, own in zip(columns, panel.categories):
        codes = np.arange(0 if own is None else len(own) + 1)
        if own is not None and not np.isin(column[~np.isnan(column)], codes).all():
            raise ValueError(f"state.safetensors has codes beyond the {len(own)} categories")
