"""Integrated gradients: what every value of a row adds to the forecasts of a network."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from tsseq.data.windows import Windows
from tsseq.errors import ConfigError
from tsseq.heads import Categorical
from tsseq.networks.base import Autoregressive
from tsseq.networks.batch import Batch, Channels
from tsseq.training.devices import FEWER, find_device, memory_explained
from tsseq.training.loader import prediction_batches
from tsseq.training.model import Model
from tsseq.typing import Array

FEWEST_POINTS, MOST_POINTS = 16, 1024  # of the way from the baseline at which gradients are taken
MOST_MISSING = 1e-3  # of a forecast, in scaled units
ROWS_AT_ONCE = 128

Outputs: TypeAlias = Callable[[Tensor], Tensor]
Leaves: TypeAlias = dict[str, tuple[Tensor, Tensor]]  # what gradients are taken of, and its values at the end


def contributions_of_rows(model: Model, windows: Windows, accelerator: str) -> Array:
    """What columns of rows add to point forecasts, some rows after others.

    Parameters
    ----------
    model : Model
        Trained; it is put on the device and stays there.
    windows : Windows
        The rows.
    accelerator : str
        Kind of device, as `find_device` knows it.

    Returns
    -------
    ndarray of shape (n, n_outputs, width + 2)
        Of every column, of the series' vector, and the forecast of the baseline.

    Raises
    ------
    ConfigError
        The network feeds categories back into itself.
    """
    if isinstance(model.core, Autoregressive) and model.layout.n_classes and model.layout.horizon > 1:
        problem = "the network feeds categories back into itself, along which there is no gradient"
        raise ConfigError(f"{problem}; tsseq.importance(model, frame) tells what matters to any forecaster.")
    device, parts = find_device(accelerator), []
    with memory_explained(FEWER), torch.backends.cudnn.flags(enabled=False):
        model.to(device).eval()
        for batch, _ in prediction_batches(windows, device, min(ROWS_AT_ONCE, max(len(windows), 1))):
            parts.append(_contributions(model, batch))
    values = torch.cat(parts)[: len(windows)] if parts else torch.empty(0)
    worst = float(values[..., -1].max()) if len(values) else 0.0
    if worst > MOST_MISSING:
        what = f"contributions miss some forecast by {worst:.2g} of the typical change over the horizon"
        warnings.warn(f"{what}: the network is too rough between the baseline and the row.", stacklevel=6)
    return values[..., :-1].double().cpu().numpy()


def _contributions(model: Model, batch: Batch) -> Tensor:
    """(B, n_outputs, width + 3): `contributions_of_rows`, and by how much they miss the forecast."""
    outputs = _outputs(model, batch)
    with torch.no_grad():
        end, start = (outputs(_params_at(model, batch, share)[0]).double() for share in (1.0, 0.0))
    n_points = FEWEST_POINTS
    while True:
        total = _integral(model, batch, outputs, n_points)
        missing = (total.sum(dim=2) - (end - start)).abs()
        if n_points >= MOST_POINTS or missing.max() <= MOST_MISSING / 2:
            return torch.cat([total, start[..., None], missing[..., None]], dim=2)
        n_points *= 4


def _outputs(model: Model, batch: Batch) -> Outputs:
    """Point forecasts (B, n_outputs) from parameters; of categories the probability of what is most probable here."""
    head = model.head
    if not isinstance(head, Categorical):
        return lambda params: head.mean(params.float()).flatten(1)
    with torch.no_grad():
        likeliest = head.probabilities(model(batch).float()).argmax(dim=2, keepdim=True)  # (B, H, 1)
    return lambda params: head.probabilities(params.float()).gather(2, likeliest).flatten(1)


def _integral(model: Model, batch: Batch, outputs: Outputs, n_points: int) -> Tensor:
    """(B, n_outputs, width + 1) gradients along the way, by Gauss and Legendre's rule, times the values."""
    points, weights = np.polynomial.legendre.leggauss(n_points)
    total: Tensor | None = None
    for point, weight in zip(((points + 1) / 2).tolist(), (weights / 2).tolist()):
        with torch.enable_grad():
            params, leaves = _params_at(model, batch, point)
            columns = outputs(params).unbind(dim=1)
            tensors = [leaf for leaf, _ in leaves.values()]
            slopes = [
                torch.autograd.grad(column.sum(), tensors, retain_graph=True, allow_unused=True) for column in columns
            ]
        added = torch.stack([_flat(model, batch, leaves, gradients) for gradients in slopes], dim=1) * weight
        total = added if total is None else total + added
    assert total is not None
    return total


def _params_at(model: Model, batch: Batch, share: float) -> tuple[Tensor, Leaves]:
    """Parameters of a batch whose numbers, and whose vectors of categories, are multiplied by ``share``."""
    leaves: Leaves = {}
    channels = {}
    for role, values in batch.values._asdict().items():
        leaf = (values.detach() * share).requires_grad_()
        leaves[role] = leaf, values
        channels[role] = torch.where(_codes(model, role, values), values, leaf)
    with _vectors_at(model, share, leaves):
        return model(batch._replace(values=Channels(**channels))), leaves


def _codes(model: Model, role: str, values: Tensor) -> Tensor:
    """(C,) which channels of a role are codes of categories."""
    layout = model.layout
    sizes = {"past": layout.n_past, "known": layout.n_known, "static": layout.n_static}
    if role == "target":
        return torch.full(values.shape[-1:], layout.n_classes > 0, device=values.device)
    codes = [size > 0 for size in layout.categories] or [False] * sum(sizes.values())
    first = {"past": 0, "known": layout.n_past, "static": layout.n_past + layout.n_known}[role]
    return torch.tensor(codes[first : first + sizes[role]], dtype=torch.bool, device=values.device)


@contextmanager
def _vectors_at(model: Model, share: float, leaves: Leaves) -> Iterator[None]:
    """Within it, vectors of categories and series are multiplied by ``share``, and noted among the leaves by name."""

    def scaled(name: str, module: nn.Module, arguments: Any, vectors: Tensor) -> Tensor:
        leaf = (vectors.detach() * share).requires_grad_()
        leaves[name] = leaf, vectors.detach()
        return leaf

    named = [] if model.embed is None else list(model.embed.named_modules())
    tables = [(f"table.{name}", module) for name, module in named if isinstance(module, nn.Embedding)]
    handles = [module.register_forward_hook(partial(scaled, name)) for name, module in tables]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _flat(model: Model, batch: Batch, leaves: Leaves, gradients: tuple[Tensor | None, ...]) -> Tensor:
    """(B, width + 1) gradient times value of each column of a row, and of the series' vector."""
    by_name = {
        name: torch.zeros_like(values) if gradient is None else gradient * values
        for (name, (_, values)), gradient in zip(leaves.items(), gradients)
    }
    parts = []
    for role in Channels._fields:
        added = by_name[role].clone()
        for channel in range(added.shape[-1]):
            vectors = by_name.get("table.target" if role == "target" else f"table.{role}.{channel}")
            if vectors is not None:
                added[..., channel] = vectors.sum(dim=-1)
        parts.append(added.mT.flatten(1) if added.dim() == 3 else added)
    series = by_name["table.series"].sum(dim=1) if "table.series" in by_name else torch.zeros_like(parts[0][:, 0])
    return torch.cat([*parts, series[:, None]], dim=1).double()
