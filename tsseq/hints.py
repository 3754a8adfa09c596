"""Help at the border: names of other libraries and near misses answered with ours, and every parameter described."""

from __future__ import annotations

import inspect
import re
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Self, TypeVar

from tsseq.errors import ConfigError

# How it is written here, and what others write. The first word is a parameter of the call, or of the constructor.
ALIASES = {
    "horizon": (
        "h",
        "fh",
        "n",
        "pred_len",
        "prediction_length",
        "max_prediction_length",
        "output_chunk_length",
        "forecast_horizon",
    ),
    "steps": (
        "h",
        "fh",
        "n",
        "horizon",
        "n_steps",
        "n_periods",
        "periods",
        "prediction_length",
        "pred_len",
        "forecast_horizon",
    ),
    "context_length": (
        "input_size",
        "input_chunk_length",
        "seq_len",
        "max_encoder_length",
        "lookback",
        "window",
        "window_size",
        "lags",
    ),
    "n_cutoffs": ("n_windows", "n_splits", "n_folds", "num_windows"),
    "space": ("param_grid", "param_distributions", "param_space", "search_space"),
    "n_trials": ("n_iter", "num_samples", "n_calls"),
    "n_splits": ("n_cutoffs", "n_windows", "n_folds", "num_windows"),
    "stride": ("step_size", "step", "step_length"),
    "max_train_size": ("train_length", "train_size", "window_length"),
    "refit": ("retrain",),
    "cutoffs": ("origins", "cutoff"),
    "cutoffs=[...], timestamps of the frame to forecast from": ("n_cutoffs",),
    "levels=[0.1, 0.9]": ("level", "quantiles", "quantile_levels", "alpha", "coverage"),
    "n_paths": ("num_samples", "n_samples", "n_simulations"),
    "frame": ("df", "data", "series", "X", "train_data", "dataset"),
    "newer": ("frame", "df", "data", "series", "X"),
    "future": ("futr_df", "future_df", "X_df", "X_future", "future_covariates", "exog", "known"),
    "models": ("model", "forecaster", "forecasters", "estimator"),
    "model": ("models", "forecaster", "estimator"),
    "history": ("actual", "actuals", "train", "y_train", "frame"),
    "forecast": ("predictions", "y_pred", "predicted"),
    "costs=Costs(bps=...)": ("fees", "commission", "fee"),
    "bps": ("fees", "commission", "fee"),
    "n_jobs": ("n_workers", "num_workers"),
    "calendar": ("freq", "frequency"),
    "past": ("hist_exog_list", "past_covariates"),
    "known": ("futr_exog_list", "future_covariates", "known_covariates_names", "exog"),
    "static=[...], columns of the frame (frame.merge(statics, on=<id>))": (
        "static",
        "static_df",
        "stat_exog_list",
        "static_covariates",
    ),
    'weight="w", a column of the frame': ("sample_weight", "weights", "weight"),
    "sample_weight": ("weight", "weights"),
    "id_column": ("id", "id_col", "item_id", "group_ids"),
    "time_column": ("time", "time_col", "timestamp", "time_idx"),
    "hidden_size": ("hidden_dim", "encoder_hidden_size", "units"),
    "nonlinearity": ("activation",),
    "n_layers": ("num_layers", "n_rnn_layers", "encoder_n_layers"),
    "head=Quantiles([...])": ("quantiles", "levels", "quantile_levels", "likelihood"),
    "head=Point(...)": ("loss", "loss_fn"),
    "scaling": ("scaler", "scaler_type", "local_scaler_type", "target_normalizer"),
    "training=Training(seed=...)": ("seed", "random_state", "random_seed"),
    "training=Training(max_epochs=...)": ("max_epochs", "n_epochs", "epochs", "num_epochs"),
    "training=Training(max_steps=...)": ("max_steps",),
    "training=Training(learning_rate=...)": ("lr", "learning_rate", "optimizer_kwargs"),
    "training=Training(batch_size=...)": ("batch_size", "windows_batch_size"),
    "training=Training(validation=...)": ("val_size", "validation_split", "val_series", "validation_data"),
    "training=Training(patience=...)": (
        "early_stop_patience_steps",
        "early_stopping_rounds",
        "early_stopping",
        "early_stopping_patience",
        "es_patience",
    ),
    "scoring": ("metric", "metrics", "score", "objective"),
    "scores": ("metric", "metrics", "score", "scoring"),
    "training=Training(verbose=False)": ("verbose", "show_progress", "progress_bar"),
    "training=Training(callbacks=[...])": ("callbacks",),
    "training=Training(accumulate=...)": ("accumulate_grad_batches", "gradient_accumulation_steps"),
    "training=Training(devices=..., strategy=...)": (
        "devices",
        "accelerator",
        "strategy",
        "pl_trainer_kwargs",
        "trainer_kwargs",
    ),
}
METHODS = {
    "fit(frame)": ("train",),
    "fit(frame).predict()": ("fit_predict", "fit_transform", "fit_forecast"),
    "predict()": ("transform", "predict_future"),
    "predict(levels=[0.1, 0.9])": ("predict_interval", "predict_quantiles", "predict_intervals", "conf_int"),
    "predict(proba=True)": ("predict_proba", "predict_log_proba"),
    "sample(n_paths=100)": ("simulate", "predict_samples", "sample_paths"),
    "update(newer)": ("partial_fit", "fine_tune", "finetune", "append", "refit", "warm_start"),
    "make_future_frame()": ("make_future_dataframe", "get_missing_future"),
    "save(path)": ("save_model", "dump", "to_pickle", "to_file"),
    "history_": ("history", "losses", "loss_history"),
    "tsseq.load(path)": ("load", "load_model", "load_from_checkpoint"),
    "tsseq.backtest(model, frame)": (
        "cross_validation",
        "cross_validate",
        "historical_forecasts",
        "backtest",
        "evaluate",
    ),
    "tsseq.importance(model, frame)": ("feature_importances_", "get_feature_importances", "permutation_importance"),
    "tsseq.contributions(model)": ("explain", "interpret_output", "shap_values", "integrated_gradients"),
    "tsseq.coefficients(model)": ("coef_", "get_coefficients"),
    "tsseq.rolling_forecasts(model, frame)": ("residuals", "predict_insample", "fittedvalues", "insample"),
}
UNAVAILABLE = {
    "sample": "it needs a distribution, such as head=Normal(), StudentT() or Quantiles([0.1, 0.5, 0.9])",
    "predict_quantiles": "it needs a distribution, such as head=Normal(), StudentT() or Quantiles([0.1, 0.5, 0.9])",
    "attention_weights": "it needs a network with attention, such as TransformerForecaster or Seq2SeqForecaster",
    "attention": "it needs a network with attention, such as Transformer or Seq2Seq",
}
NAMES = {
    "Seq2SeqForecaster(..., head=Normal(), segment_length=None)": ("DeepAR", "DeepARForecaster"),
    "GRUForecaster": ("SegRNN", "SegRNNForecaster"),
    "LinearForecaster": ("NLinear", "NLinearForecaster"),
    "Forecaster(Ridge(), horizon, context_length)": ("Ridge", "LinearRegression", "LinearRegressionModel"),
    "backtest": ("cross_validation", "cross_validate", "historical_forecasts", "evaluate"),
    "WalkForward": ("TimeSeriesSplit", "SlidingWindowSplitter", "ExpandingWindowSplitter"),
    "Quantiles": ("QuantileLoss", "MQLoss", "QuantileRegression"),
    "Point": ("MAE", "MSE", "HuberLoss"),
    "Training": ("Trainer",),
    "load_sample": ("load_dataset", "load_data"),
    "importance": ("permutation_importance", "feature_importances"),
    "contributions": ("IntegratedGradients", "shap_values", "attributions"),
}
SECTIONS = ("Parameters", "Attributes", "Raises", "Notes", "Examples")

Kind = TypeVar("Kind", bound=type)
P = ParamSpec("P")
T = TypeVar("T")


class AnswersForeignNames(ABCMeta):
    """Metaclass of classes that answer an attribute that they lack as their instances do."""

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> NoReturn:
            """Say what a missing attribute is called here, or why it is missing."""
            raise _lacking(cls, name)


class RejectsForeignNames(metaclass=AnswersForeignNames):
    """Base of classes that answer an unknown keyword or attribute with the name used here.

    Examples
    --------
    >>> from tsseq import LinearForecaster
    >>> LinearForecaster(h=3)
    Traceback (most recent call last):
    tsseq.errors.ConfigError: LinearForecaster has no parameter 'h'; here it is horizon.
    >>> LinearForecaster(3, 24).fit_predict
    Traceback (most recent call last):
    AttributeError: LinearForecaster has no attribute 'fit_predict'; here it is fit(frame).predict().
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse keywords that the constructor lacks.

        Raises
        ------
        ConfigError
            A keyword is none of the constructor's; the message says what it is called here.
        """
        names = list(inspect.signature(cls.__init__).parameters)[1:]
        for keyword in kwargs:
            if keyword not in names:
                raise ConfigError(f"{cls.__name__} has no parameter {keyword!r}; {_advice(keyword, names)}")
        return super().__new__(cls)

    if not TYPE_CHECKING:  # a type checker should see that an attribute is missing

        def __getattr__(self, name: str) -> NoReturn:
            """Say what a missing attribute is called here, or why it is missing."""
            raise _lacking(type(self), name)


def rejects_foreign_names(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function or method answer an unknown keyword with the name used here, a decorator.

    Parameters
    ----------
    function : callable
        Without ``**kwargs``.

    Returns
    -------
    callable
        The same, for callers and for `inspect.signature`; an unknown keyword raises a ConfigError.

    Examples
    --------
    >>> @rejects_foreign_names
    ... def forecast(steps=1): ...
    >>> forecast(h=3)
    Traceback (most recent call last):
    tsseq.errors.ConfigError: forecast has no parameter 'h'; here it is steps.
    """
    names = list(inspect.signature(function).parameters)
    known = frozenset(names)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if not known.issuperset(kwargs):
            keyword = next(keyword for keyword in kwargs if keyword not in known)
            owner = type(args[0]) if args and names[0] == "self" else None
            result = getattr(function, "__globals__", {}).get(function.__annotations__.get("return"))
            advice = _advice(
                keyword, [name for name in names if name != "self"], _places(owner, function.__name__, result)
            )
            raise ConfigError(f"{function.__name__} has no parameter {keyword!r}; {advice}")
        return function(*args, **kwargs)

    return call


def _advice(keyword: str, parameters: Collection[str], places: Iterable[tuple[str, Collection[str]]] = ()) -> str:
    """What an unknown keyword of a call is here, or at other places that have names."""
    answer = _answer(keyword, parameters)
    if answer is not None:
        return f"here it is {answer}."
    for place, names in places:
        answer = _answer(keyword, names) or (keyword if keyword in names else None)
        if answer is not None:
            return f"it belongs to {place}: {answer}."
    near = nearest(keyword, parameters)
    return f"did you mean {near}?" if near else f"it has {', '.join(parameters)}."


def _places(owner: type | None, method: str, result: Any) -> Iterator[tuple[str, Collection[str]]]:
    """Where else a keyword of a call may belong: the class, its methods (of the same kind first), what is returned."""
    if owner is not None:
        yield f"the constructor, {owner.__name__}", inspect.signature(owner).parameters
        members = inspect.getmembers(owner, inspect.isfunction)
        for name, function in sorted(members, key=lambda member: not member[0].startswith(method)):
            if not name.startswith("_"):
                yield name, inspect.signature(function).parameters
    if inspect.isclass(result):
        yield f"the result, {result.__name__}", dir(result)


def _answer(keyword: str, parameters: Collection[str]) -> str | None:
    """What a keyword of others is among these parameters; in `Training`, the parameter alone."""
    for answer, others in ALIASES.items():
        words: list[str] = re.findall(r"\w+(?==)", answer) or [answer]
        if keyword in others and words[0] in parameters:
            return answer
        if keyword in others and "Training(" in answer and words[1] in parameters:
            return words[1]
    return None


def _lacking(kind: type, name: str) -> AttributeError:
    return AttributeError(f"{kind.__name__} has no attribute {name!r}{_about(kind, name)}.")


def _about(kind: type, name: str) -> str:
    """Why a class lacks an attribute, or what it is called here."""
    if name.startswith("_"):
        return ""
    names = [member for member in dir(kind) if not member.startswith("_")]
    if name in names:
        return f": {UNAVAILABLE[name]}" if name in UNAVAILABLE else ""
    for answer, others in METHODS.items():
        if name in others and (answer.startswith("tsseq.") or re.match(r"\w+", answer)[0] in names):  # type: ignore[index]
            return f"; here it is {answer}"
    near = None if name.endswith("_") else nearest(name, names)
    return "" if near is None else f"; did you mean {near}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that another one is a misspelling of, if there is one.

    Parameters
    ----------
    name : str
        What was written.
    names : iterable of str
        What there is.

    Returns
    -------
    str or None
        One of the names; capitals do not matter.

    Examples
    --------
    >>> nearest("hiden_size", ["horizon", "hidden_size"]), nearest("colour", ["horizon", "hidden_size"])
    ('hidden_size', None)
    """
    lower = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.8)
    return lower[near[0]] if near else None


def about_name(name: str, names: Collection[str]) -> str:
    """What a name that a module lacks may be here.

    Parameters
    ----------
    name : str
        What was asked for.
    names : collection of str
        What the module has.

    Returns
    -------
    str
        The end of a sentence.

    Examples
    --------
    >>> about_name("LstmForecaster", ["LSTMForecaster"]), about_name("TimeSeriesSplit", ["WalkForward"])
    ('did you mean LSTMForecaster?', 'here it is WalkForward.')
    >>> about_name("NBEATSForecaster", ["LSTMForecaster", "WalkForward"])
    'forecasters are LSTMForecaster.'
    """
    answer = next((answer for answer, others in NAMES.items() if name in others), None)
    if answer is not None:
        return f"here it is {answer}."
    ending = "Forecaster" if name.endswith("Forecaster") else ""  # which makes all forecasters look alike
    near = nearest(name.removesuffix(ending), [other.removesuffix(ending) for other in names if other.endswith(ending)])
    if near is not None:
        return f"did you mean {near}{ending}?"
    return f"forecasters are {', '.join(other for other in names if other.endswith('Forecaster'))}."


def documented(kind: Kind) -> Kind:
    """Describe every parameter of a class in its docstring, a class decorator.

    Descriptions are written once, in the docstring of the class that declares the parameter, one entry for each. Other
    sections that ``kind`` lacks come from these classes too.

    Parameters
    ----------
    kind : type
        A class whose constructor has the parameters of its bases, such as a dataclass.

    Returns
    -------
    type
        The class, with a section "Parameters" in the order of its signature.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Sizes:
    ...     '''Sizes.
    ...
    ...     Parameters
    ...     ----------
    ...     width : int
    ...         Number of columns.
    ...     '''
    ...
    ...     width: int
    >>> @documented
    ... class Table(Sizes):
    ...     '''A table.'''
    >>> Table.__doc__.splitlines()
    ['A table.', '', 'Parameters', '----------', 'width : int', '    Number of columns.']
    """
    inherited: dict[str, str] = {}
    entries: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        sections = _sections(vars(base).get("__doc__"))
        if "Parameters" in sections:
            inherited |= sections
            entries |= {entry.partition(" : ")[0]: entry for entry in re.split(r"\n(?=\S)", sections["Parameters"])}
    names = inspect.signature(kind).parameters
    inherited |= _sections(kind.__doc__) | {"Parameters": "\n".join(entries[name] for name in names)}
    titles = [title for title in SECTIONS if inherited.get(title)]
    blocks = [inherited[""], *(f"{title}\n{'-' * len(title)}\n{inherited[title]}" for title in titles)]
    kind.__doc__ = "\n\n".join(blocks) + "\n"
    return kind


def _sections(doc: str | None) -> dict[str, str]:
    r"""Text of every section of a docstring by its title; what comes before the first one is ''.

    >>> _sections("Sum.\n\nNotes\n-----\nExact.")
    {'': 'Sum.', 'Notes': 'Exact.'}
    """
    blocks = re.split(r"^(\w[\w ]*)\n-+\n", inspect.cleandoc(doc or ""), flags=re.MULTILINE)
    return dict(zip(["", *blocks[1::2]], [block.strip("\n") for block in blocks[::2]]))
