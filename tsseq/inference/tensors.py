"""A fitted network as a module of plain tensors: raw values in, forecasts in the data's units out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from tsseq.data.contexts import ROUNDING
from tsseq.data.scaling import BY_SERIES, Scaling, measured_steps
from tsseq.errors import ConfigError
from tsseq.heads import Categorical
from tsseq.networks.base import Autoregressive
from tsseq.networks.batch import Batch, Channels
from tsseq.training.model import Model


class TensorModule(nn.Module):
    """A fitted network with its scaling inside, for what works on torch modules: captum, shap, ONNX.

    Values go in as they stand in a frame, NaN where one is missing, and forecasts come out in the same units, equal to
    those of `Forecaster.predict`. Scales are computed in float64, what the network does in float32.

    Parameters
    ----------
    model : Model
        The fitted network and its head; it is copied, to the CPU.
    scaling : Scaling or None
        What was learnt for scaling; None for rows of a plain array, which are not scaled.
    levels : sequence of float
        Quantile levels in 0..1 to forecast; empty for point forecasts.
    constants : bool
        Whether a constant context is forecast as its constant.

    Attributes
    ----------
    layout : Layout
        Rows of the context (L) and the horizon (H), and channels of targets (C), past (P), known (K) and static (S)
        covariates.
    n_series : int
        Series that were seen in training.

    Raises
    ------
    ConfigError
        The target holds categories, or the network draws quantiles from paths.

    Examples
    --------
    >>> import torch
    >>> from tsseq import LinearForecaster, Training, load_sample
    >>> air = load_sample("airline")
    >>> model = LinearForecaster(3, 24, training=Training(max_steps=5, verbose=False)).fit(air)
    >>> context = torch.tensor(air.to_numpy()[-24:])[None]  # (B, L, C)
    >>> forecast = model.to_module()(context)
    >>> forecast.shape, bool(torch.allclose(forecast[0], torch.tensor(model.predict().to_numpy())))
    (torch.Size([1, 3, 1]), True)
    """

    levels: Tensor
    scale: Tensor
    centres: Tensor
    spreads: Tensor

    def __init__(self, model: Model, scaling: Scaling | None, levels: Sequence[float], constants: bool) -> None:
        super().__init__()
        if isinstance(model.head, Categorical):
            raise ConfigError("the target holds categories, and modules of plain tensors forecast numbers.")
        if len(levels) and isinstance(model.core, Autoregressive):
            what = "a network that reads its own forecasts has quantiles of sampled paths, which no module draws"
            raise ConfigError(f"{what}; leave levels= out, or use predict(levels=).")
        self.model = deepcopy(model).cpu().eval().requires_grad_(False)
        if len(levels):  # which are checked here
            model.head.quantiles(torch.zeros(1, 1, 1, model.head.n_params), levels, torch.ones(1, 1))
        self.layout, self.constants = model.layout, constants
        self.register_buffer("levels", torch.tensor([float(level) for level in levels]))
        self.kind, self.log = ("none", False) if scaling is None else (scaling.kind, scaling.log)
        sizes = self.layout.n_past, self.layout.n_known, self.layout.n_static
        n_targets, centres, spreads = self.layout.n_targets, torch.zeros(sum(sizes)), torch.ones(sum(sizes))
        scale = torch.empty(0, n_targets, dtype=torch.float64)
        if scaling is not None:
            scale = torch.tensor(scaling.scale, dtype=torch.float64).reshape(-1, n_targets)
            centres = torch.tensor([*scaling.centre, *scaling.static_centre])
            spreads = torch.tensor([*scaling.spread, *scaling.static_spread])
        self.n_series = len(scale)
        self.steps: list[int] = measured_steps(min(self.layout.horizon, self.layout.context_length - 1)).tolist()
        self.register_buffer("scale", torch.cat([scale.new_zeros(1, n_targets), scale]))
        self.register_buffer("centres", centres.double())
        self.register_buffer("spreads", spreads.double())

    def forward(
        self,
        target: Tensor,
        past: Tensor | None = None,
        known: Tensor | None = None,
        static: Tensor | None = None,
        series: Tensor | None = None,
    ) -> Tensor:
        """Forecast from whole contexts.

        Parameters
        ----------
        target : Tensor
            (B, L, C) values of the targets over the context; with ``multivariate="independent"``, every target is a row
            of its own, and C is 1.
        past : Tensor, optional
            (B, L, P) past covariates; needed where the model reads some. Categories are codes: 1 for the first of
            ``forecaster.panel_.categories``, 0 for one that is unknown.
        known : Tensor, optional
            (B, L + H, K) known covariates, those of the calendar last; needed where the model reads some.
        static : Tensor, optional
            (B, S) static covariates; needed where the model reads some.
        series : Tensor, optional
            (B,) whole numbers: which series it is, 1 for the first of ``forecaster.scaling_.ids`` (with several
            independent targets, all of its targets come before the next series), 0 for one that is unknown. Default:
            the only one there is, or unknown.

        Returns
        -------
        Tensor
            (B, H, C) forecasts, with levels (B, H, C, Q), in float64 and in the data's units.

        Raises
        ------
        ConfigError
            A tensor is missing, or of the wrong shape.
        """
        inputs = dict(zip(self.shapes, (target, past, known, static)))
        for name, shape in self.shapes.items():
            tensor = inputs[name]
            if tensor is None and shape[-1]:
                raise ConfigError(f"the model reads {name}= too, of shape (B, {', '.join(map(str, shape))}).")
            if tensor is not None and tuple(tensor.shape[1:]) != shape:
                needed = f"(B, {', '.join(map(str, shape))})"
                raise ConfigError(f"{name}= must be of shape {needed}, not {tuple(tensor.shape)}.")
        codes = self._codes(target, series)
        values = target.double().log() if self.log else target.double()
        loc, scale, constant = self._units(values, codes)
        blocks, first = [(values - loc[:, None]) / scale[:, None]], 0
        for name, shape in list(self.shapes.items())[1:]:
            part, tensor = slice(first, first + shape[-1]), inputs[name]
            tensor = target.new_empty(len(target), *shape) if tensor is None else tensor
            blocks.append((tensor.double() - self.centres[part]) / self.spreads[part])
            first = part.stop
        observed = [block.isfinite() for block in blocks]
        channels = Channels(*(torch.where(mask, block, 0.0).float() for mask, block in zip(observed, blocks)))
        batch = Batch(channels, Channels(*(mask.float() for mask in observed)), codes, loc.float(), scale.float())
        return self._in_units(self._scaled(batch), loc, scale, constant)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the inputs without the batch, by name."""
        layout = self.layout
        length, both = layout.context_length, layout.context_length + layout.horizon
        covariates = {"past": (length, layout.n_past), "known": (both, layout.n_known), "static": (layout.n_static,)}
        return {"target": (length, layout.n_targets)} | covariates

    def _codes(self, target: Tensor, series: Tensor | None) -> Tensor:
        if series is None:
            return torch.full_like(target[:, 0, 0], float(self.n_series == 1)).long()
        codes = series.long()
        return torch.where((codes >= 0) & (codes <= self.n_series), codes, 0)

    def _scaled(self, batch: Batch) -> Tensor:
        """(B, H, C) or (B, H, C, Q); while it is exported, contexts are taken to be whole, since nothing may branch."""
        exports = torch.compiler.is_exporting()
        params = (self.model.params_of_whole(batch) if exports else self.model(batch)).float()
        if not len(self.levels):
            return self.model.head.mean(params)
        level = self.levels.reshape(-1, 1, 1, 1).expand(-1, *params.shape[:-1])  # (Q, B, H, C)
        return self.model.head.icdf(params, level, batch.scale).movedim(0, -1)

    def _in_units(self, scaled: Tensor, loc: Tensor, scale: Tensor, constant: Tensor) -> Tensor:
        shape = (len(loc), 1, loc.shape[1], *(1,) * (scaled.dim() - 3))
        values = scaled.double() * scale.reshape(shape) + loc.reshape(shape)
        if self.constants and self.layout.context_length > 1:
            values = torch.where(constant.isnan().reshape(shape), values, constant.reshape(shape))
        return values.exp() if self.log else values

    def _units(self, values: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Location and scale of contexts (B, L, C), and the value of a constant one or NaN, (B, C) each.

        As `Windows.affine` has them.
        """
        observed = values.isfinite()
        count = observed.sum(dim=1).clamp(min=1)
        known = torch.where(observed, values, 0.0)
        high = torch.where(observed, values, -torch.inf).amax(dim=1)
        low = torch.where(observed, values, torch.inf).amin(dim=1)
        places = torch.arange(1, values.shape[1] + 1, device=values.device)[:, None]
        last = known.gather(1, (observed * places).argmax(dim=1, keepdim=True)).squeeze(1)
        varies = high - low > ROUNDING * torch.maximum(high.abs(), low.abs())
        constant = torch.where(varies, torch.nan, last)
        loc, scale = torch.zeros_like(last), torch.ones_like(last)
        if self.kind in BY_SERIES:
            loc, learnt = last, self.scale[codes]
            change, share = self._change(values), observed.double().mean(dim=1)
            blended = _root((learnt.square() + share * change.square()) / (1 + share))
            blended = torch.where(learnt > 0, blended if self.kind == "adaptive" else learnt, change)
            scale = torch.where(high > low, blended, learnt)
        elif self.kind == "standard":
            loc = known.sum(dim=1) / count
            scale = _root(torch.where(observed, values - loc[:, None], 0.0).square().sum(dim=1) / count)
        elif self.kind == "mean":
            scale = known.abs().sum(dim=1) / count
        return loc, torch.where(scale > 0, scale, 1.0), constant

    def _change(self, values: Tensor) -> Tensor:
        """(B, C) the changes within contexts (B, L, C), as `window_change` measures them."""
        squares, counts = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
        for step in self.steps:
            change = values[:, step:] - values[:, :-step]
            observed = change.isfinite()
            squares = squares + torch.where(observed, change, 0.0).square().sum(dim=1)
            counts = counts + observed.sum(dim=1)
        return _root(squares / counts.clamp(min=1))

    def to_onnx(self, path: str | PathLike[str]) -> None:
        """Write the module to a file for onnxruntime and other runtimes of ONNX.

        Inputs are the tensors of `forward` by name, in float64: ``target``, and ``past``, ``known`` and ``static``
        where the model reads some; with several series also ``series``, in int64. The output is ``forecast``. Batches
        may have any size. Contexts must be whole: NaN is a missing value, but none may begin with rows that are missing
        altogether.

        Parameters
        ----------
        path : str or path-like
            The file.

        Raises
        ------
        ConfigError
            The packages for it are not installed, or the network or the head has a step without a form in ONNX.
        """
        generator = torch.Generator().manual_seed(0)
        sizes = {name: shape for name, shape in self.shapes.items() if shape[-1]}
        inputs = {name: 1 + torch.rand(3, *shape, generator=generator).double() for name, shape in sizes.items()}
        if self.n_series > 1:
            inputs["series"] = torch.ones(3, dtype=torch.int64)
        names: dict[str, Any] = {"input_names": list(inputs), "output_names": ["forecast"]}
        try:
            with _plain_attention(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                batch = {name: {0: torch.export.Dim("batch")} for name in inputs}
                graph = torch.export.export(self, (), inputs, dynamic_shapes=batch, strict=True)
                program = torch.onnx.export(graph, (), dynamo=True, verbose=False, **names)
        except ImportError as error:
            raise ConfigError("to_onnx needs the packages of pip install 'tsseq[onnx]'.") from error
        except (torch.onnx.OnnxExporterError, RuntimeError, ValueError) as error:
            parts = f"the module {type(self.model.core).__name__} with head={type(self.model.head).__name__}"
            what = f" and levels={self.levels.tolist()}" if len(self.levels) else ""
            reason = str(error.__cause__ or error).partition(" = ")[0].splitlines()[0]
            raise ConfigError(f"{parts}{what} has a step without a form in ONNX: {reason}") from error
        assert program is not None
        program.save(path)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Within it, torch's Transformer layers run step by step, which ONNX knows, not as one step of their own."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _root(squares: Tensor) -> Tensor:
    """Square roots whose gradient at 0 is 0."""
    above = squares > 0
    return torch.where(above, torch.where(above, squares, 1.0).sqrt(), 0.0)
