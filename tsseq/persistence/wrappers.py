"""Forecasters around forecasters in model files.

A wrapper's config.json holds its own part and, under "parts", those of the forecasters inside, which may be wrappers
themselves; their arrays bear the number of the part in front of their name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from tsseq.data.layout import Layout
from tsseq.data.panel import Panel
from tsseq.forecasting.base import BaseForecaster
from tsseq.forecasting.conformal import ConformalForecaster
from tsseq.forecasting.ensemble import EnsembleForecaster
from tsseq.persistence.codec import Kinds, decoded, encoded, encoded_ids, ids_of
from tsseq.persistence.panels import Parts, check_arrays, panel_of, panel_parts, scaling_of, scaling_parts

Wrapper: TypeAlias = ConformalForecaster | EnsembleForecaster


def inside(model: BaseForecaster) -> list[BaseForecaster]:
    """The fitted forecasters in a wrapper; none in anything else."""
    if isinstance(model, EnsembleForecaster):
        return model.forecasters_
    return [model.forecaster_] if isinstance(model, ConformalForecaster) else []


def leaves(model: BaseForecaster) -> Iterator[Any]:
    """The fitted forecasters at the bottom of a model: itself, unless it is a wrapper."""
    members = inside(model)
    if not members:
        yield model
    for member in members:
        yield from leaves(member)


def wrapper_parts(model: BaseForecaster, kinds: Kinds, parts_of: Callable[[Any, Kinds], Parts]) -> Parts:
    """A wrapper taken apart; ``parts_of`` does so with the forecasters inside."""
    members = [parts_of(member, kinds) for member in inside(model)]
    config, weights, state = panel_parts(model.panel_, kinds)
    config |= {"wrapper": encoded(model, kinds), "parts": [member.config for member in members]}
    if isinstance(model, ConformalForecaster):
        scaling = scaling_parts(model.scaling_)
        config |= scaling.config | {"scaling_ids": encoded_ids(model.scaling_.ids, kinds)}
        state |= scaling.state | {"scores": model.scores_}
    for k, member in enumerate(members):
        weights |= {f"{k}.{name}": tensor for name, tensor in member.weights.items()}
        state |= {f"{k}.{name}": array for name, array in member.state.items()}
    return Parts(config, weights, state)


def wrapper_of(parts: Parts, kinds: Kinds, model_of: Callable[[Parts, Kinds], BaseForecaster]) -> Wrapper:
    """The inverse of `wrapper_parts`; parts that do not fit together are a ValueError."""
    config, model = parts.config, decoded(parts.config["wrapper"], kinds)
    if not isinstance(model, (ConformalForecaster, EnsembleForecaster)):
        raise ValueError(f"config.json has {config['wrapper']!r} where a wrapper was needed")
    model.check_parameters()
    panel, members = panel_of(config, parts.state, kinds), [model_of(part, kinds) for part in _taken_apart(parts)]
    layouts = [leaf.layout_ for member in members for leaf in leaves(member)]
    schemas = [member.panel_.schema for member in members]
    if len({layout.horizon for layout in layouts}) != 1 or any(schema != panel.schema for schema in schemas):
        raise ValueError("the forecasters in config.json do not forecast the same rows of the same columns")
    if isinstance(model, EnsembleForecaster):
        model.forecasters_ = members
    else:
        (model.forecaster_,) = members
        length = max(layout.context_length for layout in layouts)
        _calibrate(model, Layout(length, layouts[0].horizon, len(panel.schema.target)), parts, panel, kinds)
    model.panel_, model.fitted_until_ = panel, panel.times.max()
    return model


def _taken_apart(parts: Parts) -> list[Parts]:
    """The parts of the forecasters inside; weights of none of them are a ValueError."""
    inner = [
        Parts(config, _own(k, parts.weights), _own(k, parts.state)) for k, config in enumerate(parts.config["parts"])
    ]
    if sum(len(part.weights) for part in inner) != len(parts.weights):
        raise ValueError(f"the weights have tensors of more than {len(inner)} forecasters")
    return inner


def _own(k: int, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of part ``k`` under their own names."""
    return {name.removeprefix(f"{k}."): array for name, array in arrays.items() if name.startswith(f"{k}.")}


def _calibrate(model: ConformalForecaster, layout: Layout, parts: Parts, panel: Panel, kinds: Kinds) -> None:
    """Give ``model`` the errors that it made on held-out rows, and their units."""
    config, state = parts.config, parts.state
    n = len(state["scores"])
    check_arrays(state, {"scores": (n, layout.horizon, layout.n_targets)})
    model.layout_, model.scores_ = layout, state["scores"]
    model.scaling_ = scaling_of(config, state, ids_of(config["scaling_ids"], kinds), panel.schema)
