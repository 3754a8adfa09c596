"""NeuralRegressor: a network, a head and a way to train it, as a scikit-learn regressor over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from tsseq.arguments import check_kinds
from tsseq.data.layout import Layout
from tsseq.data.scaling import Scaling
from tsseq.data.windows import RowNeeds, Windows
from tsseq.errors import ConfigError, DataError
from tsseq.heads import Categorical, Head, Point
from tsseq.heads.point import LOSSES
from tsseq.hints import RejectsForeignNames, rejects_foreign_names
from tsseq.inference.gradients import contributions_of_rows
from tsseq.inference.tensors import TensorModule
from tsseq.networks import LSTM, Network
from tsseq.networks.base import Autoregressive
from tsseq.networks.batch import Batch
from tsseq.persistence.state import State, save_model
from tsseq.resampling.sobol import sobol_uniforms
from tsseq.training.devices import accelerator_of, predict_rows
from tsseq.training.settings import Training
from tsseq.training.weights import freeze_parts, from_arrays, grown, packed, to_arrays, unpacked
from tsseq.typing import Array

PATHS_AT_ONCE = 32
NUMBERS: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}  # what rows of plain arrays hold
UPDATE_RATE = 0.3  # of the learning rate, where a network goes on from what it has learnt


def _rows_of(levels: Tensor, rows: Tensor) -> Tensor:
    """Levels (n_paths, n, H, C) of some rows, on the device of the rows' numbers."""
    return levels[:, rows.cpu()].to(rows.device)


def _history(losses: dict[str, list[float]]) -> pd.DataFrame:
    columns = {name: pd.Series(values, dtype=float) for name, values in losses.items()}
    return pd.DataFrame(columns).rename_axis("epoch")


def _head(regressor: NeuralRegressor) -> Head | None:
    """The head in use, or before `fit` the one given."""
    fitted: Head | None = getattr(regressor, "head_", None)
    return regressor.head if fitted is None else fitted


def _has_draws(regressor: NeuralRegressor) -> bool:
    head = _head(regressor)
    return head is not None and type(head).icdf is not Head.icdf


def _has_classes(regressor: NeuralRegressor) -> bool:
    return isinstance(_head(regressor), Categorical)


def _has_quantiles(regressor: NeuralRegressor) -> bool:
    return _has_draws(regressor) and not _has_classes(regressor)


def check_parts(head: Any, training: Any, network: Any = None) -> None:
    """Refuse parts of the wrong kind, which nothing could clone, and say how to write them."""
    parts = ("network", network, Network, "LSTM()"), ("head", head, Head, "Normal()")
    for name, value, kind, example in (*parts, ("training", training, Training, "Training(max_epochs=5)")):
        if value is None or isinstance(value, kind):
            continue
        advice = f"write {name}={example}, say"
        if kind is Head and (value in list(LOSSES) or value == "smape"):
            advice = f"write head=Point({value!r})"
        elif isinstance(value, dict) and kind is Training:
            advice = f"write training=Training({', '.join(f'{key}={item!r}' for key, item in value.items())})"
        elif isinstance(value, type):
            advice = f"write {name}={value.__name__}()"
        raise ConfigError(f"{name}={value!r} is not a {kind.__name__}; {advice}.")


@dataclass(eq=False, repr=False)
class NeuralRegressor(RejectsForeignNames, RegressorMixin, BaseEstimator):
    """Train a sequence model on rows: windows of time series, or any table of numbers.

    Parameters
    ----------
    network : Network, optional
        The architecture; default: `LSTM`.
    head : Head, optional
        What its last layer means; default: ``Point()``, which forecasts the median, or `Categorical` where the target
        of a forecaster holds categories.
    training : Training, optional
        How it is trained; default: ``Training()``.
    layout : Layout, optional
        How a row of a plain array divides into channels; default: one series, with as many outputs as y has columns.
        `Windows` bring their own.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network and head.
    head_ : Head
        The head in use.
    layout_ : Layout
        The layout of a row.
    history_ : DataFrame
        ``train_loss`` and ``val_loss`` per epoch.
    accelerator_ : str
        Kind of device that trained and predicts ("auto" is a GPU, if there is one), or as said to `tsseq.load`.

    Examples
    --------
    >>> import numpy as np
    >>> from tsseq import NeuralRegressor, Training
    >>> from tsseq.networks import Linear
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> y = X @ [1.0, 2.0, 0.0, -1.0]
    >>> model = NeuralRegressor(Linear(), training=Training(verbose=False)).fit(X, y)
    >>> round(model.score(X, y), 1)
    1.0
    """

    network: Network | None = None
    head: Head | None = None
    training: Training | None = None
    layout: Layout | None = None

    @property
    def row_needs(self) -> RowNeeds:
        """What it can do with windows; with heads of counts and shares a constant context may change."""
        check_parts(self.head, self.training, self.network)
        scalings = Point().scalings if self.head is None else self.head.scalings
        classes = self.head is None or isinstance(self.head, Categorical)
        return RowNeeds(True, True, constant_contexts="last" not in scalings, scaling=scalings[0], classes=classes)

    @rejects_foreign_names
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows; NaN is a missing value.
        y : Targets or array of shape (n,) or (n, n_outputs)
            The windows' ``targets()``, in any order, or numbers in the order (horizon, target), scaled as X is.
        sample_weight : array of shape (n,), optional
            What each row counts in training and validation, 0 or more; only their ratios matter. A row of weight 2 is
            as if it were there twice, one of weight 0 as if it were not there. Multiplies weights that `Windows` have.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        ConfigError
            Layout and data do not fit, or a parameter makes no sense.
        DataError
            The weights are not numbers of 0 or more, or all are 0.
        TrainingDivergedError
            The loss became NaN or infinite.
        """
        from tsseq.training.fitting import fit_network

        check_parts(self.head, self.training, self.network)
        check_kinds(self, layout=Layout)
        training = Training() if self.training is None else self.training
        if isinstance(X, Windows):
            windows = X.with_targets(y)
        else:
            training.check_for_rows()
            X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, **NUMBERS)
            windows = self._rows_of(X, y)
        windows = windows.weighted(sample_weight).counting()
        self.one_output_ = y.ndim == 1
        self.layout_, self.n_features_in_ = windows.layout, windows.shape[1]
        self.head_ = self._new_head(windows.layout.n_classes)
        self._check_targets(self.head_, windows)
        network = LSTM() if self.network is None else self.network
        self.accelerator_ = accelerator_of(training)
        self.network_, losses = fit_network(network, self.head_, training, windows)
        self.history_ = _history(losses)
        return self

    @rejects_foreign_names
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        training: Training | None = None,
        freeze: Sequence[str] = (),
    ) -> Self:
        """Go on from what was learnt, with other rows; the first call is a `fit`.

        A line beside the network stays as it is, while how much of the network is believed is chosen anew. If it fails,
        the regressor stays as it was.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows, with as many columns as in `fit`.
        y : Targets or array of shape (n,) or (n, n_outputs)
            Their targets, as in `fit`.
        sample_weight : array of shape (n,), optional
            What each row counts, as in `fit`.
        training : Training, optional
            How to train this time; default: as in `fit`, at 0.3 times its learning rate, so that a few new rows
            do not wipe out what many have taught.
        freeze : sequence of str, default ()
            Parts of the network to leave as they are: beginnings of the names in ``network_.named_parameters()``, such
            as "core" (all but the vectors of series and categories) or "embed" (these).

        Returns
        -------
        self
            With ``history_`` continued.

        Raises
        ------
        ConfigError
            Rows are of another layout than in `fit`, or ``freeze`` names what is not there.
        DataError
            The weights are not numbers of 0 or more, or all are 0.
        TrainingDivergedError
            The loss became NaN or infinite.
        """
        from tsseq.training.fitting import fit_network

        if not hasattr(self, "network_") and training is None and not freeze:
            return self.fit(X, y, sample_weight)
        check_is_fitted(self, "network_")
        windows = self._familiar_rows(X, y).weighted(sample_weight).counting()
        self._check_targets(self.head_, windows)
        network = LSTM() if self.network is None else self.network
        n_series = len(windows.scaling.ids) * windows.n_channels
        start = grown(self.network_, network, windows.layout, n_series)
        freeze_parts(start, [freeze] if isinstance(freeze, str) else freeze)
        if start.line is not None and start.line.share == 0.0:  # nothing reaches the network
            start.line.share.fill_(1.0)
        training = self._slower(network) if training is None else training
        model, losses = fit_network(network, self.head_, training, windows, start)
        before = self.network_.line
        if model.line is not None and before is not None and not losses["val_loss"]:
            model.line.share.copy_(before.share)  # nothing says how much of the network is to be believed now
        self.network_, self.layout_ = model.requires_grad_(True), windows.layout
        self.history_ = pd.concat([self.history_, _history(losses)], ignore_index=True).rename_axis("epoch")
        self.accelerator_ = accelerator_of(training)
        return self

    def _familiar_rows(self, X: Any, y: Any) -> Windows:
        """Rows of the layout of `fit`, though perhaps with more categories."""
        if isinstance(X, Windows):
            windows = X.with_targets(y)
        else:
            X, y = validate_data(self, X, y, reset=False, multi_output=True, y_numeric=True, **NUMBERS)
            windows = self._rows_of(X, y)
        layout = replace(self.layout_, categories=windows.layout.categories)
        if replace(windows.layout, missing=layout.missing) != layout:
            raise ConfigError(f"fitted on rows of {self.layout_}, asked to go on with rows of {windows.layout}.")
        return replace(windows, layout=layout)

    def _slower(self, network: Network) -> Training:
        """The training of `fit` at a lower rate, so that a few new rows do not wipe out what many have taught."""
        training = Training() if self.training is None else clone(self.training)
        rate = network.learning_rate if training.learning_rate is None else training.learning_rate
        training.learning_rate = UPDATE_RATE * rate
        return training

    def _new_head(self, n_classes: int) -> Head:
        """The head for a target of so many classes, or for numbers if there are none."""
        if self.head is None:
            return Categorical(n_classes) if n_classes else Point()
        if n_classes and getattr(self.head, "n_classes", None) != n_classes:
            raise ConfigError(
                f"head={self.head!r} is not for {n_classes} categories, which the target has; leave it out."
            )
        head: Head = clone(self.head)
        return head

    @staticmethod
    def _check_targets(head: Head, windows: Windows) -> None:
        """Refuse targets or scalings that the head does not allow."""
        bounded = (head.lowest, head.highest) != (-np.inf, np.inf)
        limits = windows.target_range() if bounded else (0.0, 0.0)
        head.check(windows.scaling.kind, windows.scaling.log, *limits)

    def predict(self, X: Any) -> Array:
        """Point forecasts.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows as in `fit`.

        Returns
        -------
        ndarray of shape (n, horizon * n_targets), or (n,) if y was one column
            Scaled as X is.

        Raises
        ------
        DataError
            Forecasts of a plain array are NaN or infinite.
        """
        forecasts = self._run(X, lambda batch, rows: self.head_.mean(self.network_(batch).float()))
        return forecasts.reshape(-1) if self.one_output_ else forecasts.reshape(len(forecasts), -1)

    @available_if(_has_classes)
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of categories; only there when the head is `Categorical`.

        Those of a network that reads its own forecasts are means over 256 paths.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows as in `fit`.

        Returns
        -------
        ndarray of shape (n, horizon, n_classes)
            They sum to 1.
        """
        check_is_fitted(self, "network_")
        head: Any = self.head_
        network, horizon = self.network_, self.layout_.horizon
        if not isinstance(network.core, Autoregressive) or horizon == 1:
            return self._run(X, lambda batch, rows: head.probabilities(network(batch).cpu().double()))
        levels = torch.tensor(sobol_uniforms(horizon), dtype=torch.float32)[:, None, :, None]  # (n_paths, 1, H, 1)
        levels = levels.expand(-1, len(X), -1, -1)

        def probabilities(chunk: Tensor, batch: Batch, rows: Tensor) -> Tensor:
            params = network.params_of_paths(batch, _rows_of(chunk, rows), head)
            shares: Tensor = head.probabilities(params.cpu().double())  # (n, B, H, n_classes)
            return shares.mean(dim=0)

        chunks = levels.split(PATHS_AT_ONCE)
        return np.asarray(np.mean([self._run(X, partial(probabilities, chunk)) for chunk in chunks], axis=0))

    @available_if(_has_quantiles)
    def predict_quantiles(self, X: Any, levels: Sequence[float]) -> Array:
        """Quantiles; only there when the head has them.

        Those of a network that reads its own forecasts are of 256 paths.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows as in `fit`.
        levels : sequence of float
            Quantile levels in 0..1.

        Returns
        -------
        ndarray of shape (n, horizon * n_targets, len(levels))
            Scaled as X is; they never cross.
        """
        check_is_fitted(self, "network_")
        if not isinstance(self.network_.core, Autoregressive):
            head, network = self.head_, self.network_
            quantiles = self._run(X, lambda batch, rows: head.quantiles(network(batch).float(), levels, batch.scale))
            return quantiles.reshape(len(X), self.layout_.n_outputs, len(levels))
        self.head_.quantiles(torch.zeros(1, 1, 1, self.head_.n_params), levels, torch.ones(1, 1))  # checks the levels
        paths = self.sample(X, sobol_uniforms(self.layout_.n_outputs)[:, None])
        return np.moveaxis(np.quantile(paths, levels, axis=0), 0, -1)  # (n, steps, Q)

    @available_if(_has_draws)
    def sample(self, X: Any, level: Array, temperature: float = 1.0, top_k: int | None = None) -> Array:
        """Sampled paths; only there when the head is a distribution.

        A network that reads its own forecasts goes on from each draw; any other joins its steps as those of a random
        walk are joined, or draws each category by itself.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows as in `fit`.
        level : array of shape (n_paths, n, horizon * n_targets)
            Uniform random numbers in 0..1; (n_paths, 1, ...) are shared by all rows.
        temperature : float, default 1.0
            For categories: their probabilities are raised to 1 / temperature.
        top_k : int, optional
            For categories: only so many most probable ones are drawn; default: all.

        Returns
        -------
        ndarray of shape (n_paths, n, horizon * n_targets)
            Scaled as X is; codes of categories.
        """
        check_is_fitted(self, "network_")
        head = self.head_
        if isinstance(head, Categorical):
            head = Categorical(head.n_classes, temperature, top_k)
        shape = (*level.shape[:2], self.layout_.horizon, self.layout_.n_targets)
        uniforms = torch.tensor(level, dtype=torch.float32).clamp(1e-6, 1 - 1e-6).reshape(shape)
        uniforms = uniforms.expand(-1, len(X), -1, -1)  # (n_paths, n, H, C)
        paths = [
            self._run(
                X, lambda batch, rows, chunk=chunk: self.network_.sample(batch, _rows_of(chunk, rows), head), axis=1
            )
            for chunk in uniforms.split(PATHS_AT_ONCE)
        ]
        return np.concatenate(paths).reshape(len(level), len(X), -1)

    @available_if(lambda regressor: regressor.network is not None and regressor.network.has_attention)
    def attention(self, X: Any) -> Array:
        """How much every step looks at every row of the context; only there for networks with attention.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows as in `fit`.

        Returns
        -------
        ndarray of shape (n, horizon, context_length)
            The weights of a step sum to 1.
        """
        return self._run(X, lambda batch, rows: self.network_.attention(batch))

    def contributions(self, X: Any) -> Array:
        """What every column of a row adds to its point forecasts: integrated gradients, as in `tsseq.contributions`.

        Parameters
        ----------
        X : Windows or array of shape (n, n_features)
            Rows as in `fit`.

        Returns
        -------
        ndarray of shape (n, horizon * n_targets, n_features + 2)
            Scaled as X is; then what the vector of the series adds, and the forecast of a row of zeros. They sum to the
            forecast, of categories to the probability of the most probable one.

        Raises
        ------
        ConfigError
            The network feeds categories back into itself.

        Warns
        -----
        UserWarning
            They do not sum to the forecast within 0.001.
        """
        return contributions_of_rows(self.network_, self._as_windows(X), self.accelerator_)

    def to_module(self, levels: Sequence[float] = (), scaling: Scaling | None = None) -> TensorModule:
        """The fitted network as a torch module of plain tensors, for captum, shap or ONNX.

        Parameters
        ----------
        levels : sequence of float, default ()
            Quantile levels in 0..1 that it forecasts; default: point forecasts.
        scaling : Scaling, optional
            What a forecaster has learnt for scaling; default: none, as for rows of a plain array.

        Returns
        -------
        TensorModule
            Tensors (B, L, C) in, (B, H, C) out, with levels (B, H, C, Q); a copy, on the CPU.

        Raises
        ------
        ConfigError
            The target holds categories, or such quantiles cannot be computed.
        """
        check_is_fitted(self, "network_")
        constants = scaling is not None and not self.row_needs.constant_contexts
        return TensorModule(self.network_, scaling, levels, constants)

    def _run(self, X: Any, function: Callable[..., Tensor], axis: int = 0) -> Array:
        """Call ``function(batch, rows)`` on all rows, a few at a time, and join what it returns along ``axis``."""
        windows = self._as_windows(X)
        predicted = predict_rows(self.network_, windows, self.accelerator_, function, axis)
        if windows is not X and not np.isfinite(predicted).all():  # of windows it is told which forecast
            raise DataError("forecasts are NaN or infinite: weights are, or a row holds values far beyond fit's.")
        return predicted

    def _as_windows(self, X: Any) -> Windows:
        """Rows to predict from, of a plain array too."""
        check_is_fitted(self, "network_")
        if isinstance(X, Windows):
            return X
        return Windows.of_rows(validate_data(self, X, reset=False, **NUMBERS), None, self.layout_)

    def _rows_of(self, X: Array, y: Array) -> Windows:
        """The rows of a plain array as the trivial windows of a layout."""
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        layout = Layout(X.shape[1], n_outputs) if self.layout is None else self.layout
        layout = replace(layout, missing=layout.missing or bool(np.isnan(X).any()))
        if (X.shape[1], n_outputs) != (layout.width, layout.n_outputs):
            wanted = f"{layout.width} columns of X and {layout.n_outputs} of y"
            raise ConfigError(f"{layout} needs {wanted}; there are {X.shape[1]} and {n_outputs}.")
        return Windows.of_rows(X, y, layout)

    @property
    def facts(self) -> dict[str, Any]:
        """What was trained: the network, its number of weights, epochs, and the best loss."""
        check_is_fitted(self, "network_")
        losses = self.history_["val_loss" if self.history_["val_loss"].notna().any() else "train_loss"]
        n_weights = sum(weight.numel() for weight in self.network_.parameters())
        network = "LSTM" if self.network is None else type(self.network).__name__
        return {"network": network, "weights": n_weights, "epochs": len(losses), f"best {losses.name}": losses.min()}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output, tags.input_tags.allow_nan = True, True
        return tags

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted regressor to a file without pickle; `tsseq.load` reads it.

        Parameters
        ----------
        path : str or path-like
            The file; one that is there is replaced in one step.

        Raises
        ------
        ConfigError
            If the regressor holds something that a model file has no place for; a file that is there stays as it is.
        OSError
            If the file cannot be written.
        NotFittedError
            Before `fit`.
        """
        save_model(self, path)

    def to_state(self) -> State:
        """Everything that was learnt, for a model file.

        Returns
        -------
        State
            Parameters, layout, head, losses and weights.

        Raises
        ------
        ConfigError
            If a number type of the network has no place in a model file.
        """
        check_is_fitted(self, "network_")
        config = {"parameters": self, "layout": self.layout_, "head": self.head_, "history": list(self.history_)}
        names = [name for name in ("one_output_", "feature_names_in_") if hasattr(self, name)]
        arrays = {"history": self.history_.to_numpy()}
        arrays |= packed(to_arrays(self.network_, "network/"), self.network_.storage)
        return State(type(self), config | {name: getattr(self, name) for name in names}, arrays)

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Make the regressor of a model file again.

        Parameters
        ----------
        state : State
            What `to_state` gave, as far as it was read from a file: nothing in it is trusted.

        Returns
        -------
        Self
            Fitted; it predicts the same bits.

        Raises
        ------
        ValueError
            If parts are missing, or do not fit together.
        """
        optional = "accelerator", "feature_names_in_"
        state.check_names("parameters", "layout", "head", "history", "one_output_", optional=optional)
        model: Self = state.value("parameters", cls)
        model.layout_, model.head_ = state.value("layout", Layout), state.value("head", Head)
        weights, storage = unpacked(state.split("network", "history")[0])
        network = LSTM() if model.network is None else model.network
        model.network_ = from_arrays(network, model.layout_, model.head_, weights)
        model.network_.storage = storage
        model.accelerator_ = state.config.get("accelerator") or accelerator_of(model.training)
        model.n_features_in_, model.one_output_ = model.layout_.width, state.value("one_output_", bool)
        if "feature_names_in_" in state.config:
            model.feature_names_in_ = np.array(state.value("feature_names_in_", list), dtype=object)
        model.history_ = state.frame("history").rename_axis("epoch")
        return model
