"""What is trained and predicts: a network, the head that reads it, and contexts that begin late."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tsseq.data.layout import Layout
from tsseq.heads import Categorical, Head
from tsseq.networks.base import Autoregressive, Network
from tsseq.networks.batch import Batch, drop_leading, n_leading_missing
from tsseq.networks.decoding import StepDecoder, beam_search
from tsseq.networks.embedding import Embedding
from tsseq.training.line import Line

Draw: TypeAlias = Callable[[Tensor, int], Tensor]


class Model(nn.Module):
    """A network's module, ``core``, behind the front that all networks share.

    Categories become learnt vectors before the core sees them. Rows before the first one at which anything is observed
    are not there for it: a context filled up in front with missing values gives what the shorter context gives.
    Beside a line, the core forecasts what the line does not. Above 0, ``n_series`` series have a learnt vector each.
    ``widths`` are those of the tables of an `Embedding` that has grown since it was made. ``storage`` says how a model
    file keeps the weights, as `tsseq.training.weights.packed` has it.
    """

    storage: tuple[str, ...] = ()

    def __init__(
        self,
        network: Network,
        layout: Layout,
        head: Head,
        line: Line | None = None,
        n_series: int = 0,
        widths: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.layout, self.head, self.line = layout, head, line
        embeds = any(layout.categories) or layout.n_classes or n_series
        self.embed = Embedding(layout, n_series, widths) if embeds else None
        self.core = network.build(layout if self.embed is None else self.embed.layout, head.n_params)
        self.unit: int = getattr(self.core, "unit", 1)
        self.ragged = layout.missing  # whether a context may begin late in training

    def __getstate__(self) -> dict[str, Any]:
        """Pickled with its tensors on the CPU, so that a machine without this device reads it."""
        memo: dict[int, Any] = {id(tensor): tensor.cpu() for tensor in self.buffers()}
        memo |= {id(weight): nn.Parameter(weight.detach().cpu(), weight.requires_grad) for weight in self.parameters()}
        state = super().__getstate__()  # type: ignore[no-untyped-call]
        return {name: deepcopy(value, memo) for name, value in state.items()}

    def forward(self, batch: Batch) -> Tensor:
        """(B, H, C_target, n_params)."""
        return self.params_and_penalty(batch)[0]

    def params_and_penalty(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """(B, H, C_target, n_params), and the extra training loss of every row (B,) if the core has one.

        A core whose `forward` returns a pair (params, penalty) adds the mean of its penalty to the loss. The penalty
        is a number or a tensor (B,).
        """
        penalties: list[Tensor] = []
        params = self._by_length(batch, partial(self._params, penalties=penalties), *self._lines(batch))
        return params, torch.cat(penalties) if penalties else None

    def params_of_whole(self, batch: Batch) -> Tensor:
        """`forward` for contexts that begin at their first row, without looking where they begin."""
        line = None if self.line is None else self.line(batch)
        return self._params(batch if self.embed is None else self.embed(batch), line)

    def params_by_share(self, batch: Batch, shares: Sequence[float]) -> list[Tensor]:
        """The parameters (B, H, C_target, n_params) with each of some shares of what the core says beside the line.

        The core runs once, unless it reads its own forecasts.
        """
        assert self.line is not None
        if isinstance(self.core, Autoregressive):
            outputs = []
            for share in shares:
                self.line.share.fill_(share)
                outputs.append(self(batch))
            return outputs
        params, line = self._by_length(batch, self._params), self.line(batch)
        return [self.head.shift(params, line, params.new_tensor(share)) for share in shares]

    def attention(self, batch: Batch) -> Tensor:
        """(B, H, L) how much each step of the horizon looks at each row of the context; 0 where there is none."""

        def weights(part: Batch, line: Tensor | None = None) -> Tensor:
            draw = (self._draw_beside(line),) if isinstance(self.core, Autoregressive) else ()
            looks: Tensor = self.core.attention(part, *draw)  # type: ignore[operator]
            return pad(looks, (self.layout.context_length - looks.shape[2], 0))

        return self._by_length(batch, weights, *self._lines(batch))

    def sample(self, batch: Batch, level: Tensor, head: Head | None = None) -> Tensor:
        """Paths (n, B, H, C), each value that of a probability ``level`` (n, B, H, C).

        An autoregressive network reads what was drawn before. For any other, the levels are first joined over the
        horizon as those of a random walk are (a Gaussian copula with correlations sqrt(h / k), h < k), since errors of
        neighbouring steps are alike: every step keeps its own distribution, and a path does not jump to and fro.
        Categories have no order to be joined in. ``head`` draws in the place of the model's own.
        """
        head = self.head if head is None else head
        if isinstance(self.core, Autoregressive):
            return head.icdf(self.params_of_paths(batch, level, head), level, batch.scale)
        params = self(batch).float()
        if isinstance(head, Categorical):
            return head.icdf(params, level, batch.scale)
        steps = torch.arange(1.0, level.shape[2] + 1, device=level.device)[:, None]  # (H, 1)
        walk = torch.special.ndtri(level).cumsum(dim=2) / steps.sqrt()
        return head.icdf(params, torch.special.ndtr(walk).clamp(1e-6, 1 - 1e-6), batch.scale)

    def params_of_paths(self, batch: Batch, level: Tensor, head: Head) -> Tensor:
        """Parameters (n, B, H, C, n_params) of paths that an autoregressive network draws by ``level`` (n, B, H, C)."""
        copies = len(level)
        by_row = level.transpose(0, 1)  # (B, n, H, C)

        def params_of(part: Batch, level: Tensor, line: Tensor | None = None) -> Tensor:
            flat, scale = level.flatten(0, 1), part.scale.repeat_interleave(copies, dim=0)

            def draw(params: Tensor, first: int) -> Tensor:
                return head.icdf(params, flat[:, first : first + params.shape[1]], scale)

            params = self._params(part, line, draw, copies).float()
            return torch.unflatten(params, 0, (-1, copies))  # (B, n, H, C, n_params)

        return self._by_length(batch, params_of, by_row, *self._lines(batch)).transpose(0, 1)

    def search(self, batch: Batch, width: int) -> Tensor:
        """(B, H) the most probable classes in a row that a beam search of some width finds, and the end after them."""
        assert isinstance(self.core, StepDecoder)
        vectors = self.embed.vectors if self.embed is not None else lambda values: values
        return self._by_length(batch, partial(beam_search, self.core, vectors, width))

    def _lines(self, batch: Batch) -> tuple[Tensor, ...]:
        """The line's forecast (B, H, C); nothing without a line."""
        return () if self.line is None else (self.line(batch),)

    def _params(
        self,
        batch: Batch,
        line: Tensor | None = None,
        draw: Draw | None = None,
        copies: int = 1,
        penalties: list[Tensor] | None = None,
    ) -> Tensor:
        line = line if line is None else line.repeat_interleave(copies, dim=0)
        more = (self._draw_beside(line, draw), copies) if isinstance(self.core, Autoregressive) else ()
        output = self.core(batch, *more)
        params: Tensor = output[0] if isinstance(output, tuple) else output
        if isinstance(output, tuple) and penalties is not None:
            penalties.append(torch.as_tensor(output[1]).expand(len(batch.loc)))
        return params if line is None else self._beside(line, params)

    def _beside(self, line: Tensor, params: Tensor) -> Tensor:
        """Parameters whose location is that of the line and some of their own."""
        assert self.line is not None
        return self.head.shift(params, line, self.line.share)

    def _draw_beside(self, line: Tensor | None, draw: Draw | None = None) -> Draw:
        """What an autoregressive core reads next: a draw or the mean, where the line has moved it."""

        def value(params: Tensor, first: int) -> Tensor:
            if line is not None:
                params = self._beside(line[:, first : first + params.shape[1]], params)
            values = self.head.mean(params) if draw is None else draw(params, first)
            return values if self.embed is None else self.embed.vectors(values)

        return value

    def _by_length(self, batch: Batch, run: Callable[..., Tensor], *more: Tensor) -> Tensor:
        """Run series whose contexts begin alike together, or all if the core reads them so; ``more`` are (B, ...)."""
        batch = batch if self.embed is None else self.embed(batch)
        n_missing = n_leading_missing(batch) if self.ragged or not self.training else None
        if n_missing is None or not n_missing.any():
            return run(batch, *more)
        if getattr(self.core, "reads_ragged", False):
            return run(batch._replace(n_missing=n_missing), *more)
        length = batch.values.target.shape[1]
        lengths = (-(-(length - n_missing) // self.unit) * self.unit).clamp(1, length)  # (B,) rows, in whole units
        groups = [(n, (lengths == n).nonzero()[:, 0]) for n in lengths.unique().tolist()]
        parts = [run(drop_leading(batch, rows, length - n), *(x[rows] for x in more)) for n, rows in groups]
        return torch.cat(parts)[torch.cat([rows for _, rows in groups]).argsort()]
