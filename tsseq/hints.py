"""Parameters known from other toolkits are answered with the name that they bear here."""

from __future__ import annotations

import inspect
from typing import Any, Self

from tsseq.errors import ConfigError

OURS = {
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
    "calendar": ("freq", "frequency"),
    "past": ("hist_exog_list", "past_covariates"),
    "known": ("futr_exog_list", "future_covariates", "known_covariates_names", "exog"),
    "static": ("stat_exog_list", "static_covariates"),
    "id_column": ("id_col", "item_id", "group_ids"),
    "time_column": ("time_col", "timestamp", "time_idx"),
    "hidden_size": ("hidden_dim", "encoder_hidden_size", "units"),
    "n_layers": ("num_layers", "n_rnn_layers", "encoder_n_layers"),
    "head=Quantiles([...])": ("quantiles", "levels", "quantile_levels", "likelihood"),
    "head=Point(...)": ("loss", "loss_fn"),
    "scaling": ("scaler", "scaler_type", "local_scaler_type", "target_normalizer"),
    "training=Training(seed=...)": ("seed", "random_state", "random_seed"),
    "training=Training(max_epochs=...)": ("max_epochs", "n_epochs", "epochs", "num_epochs"),
    "training=Training(max_steps=...)": ("max_steps",),
    "training=Training(learning_rate=...)": ("lr", "learning_rate", "optimizer_kwargs"),
    "training=Training(batch_size=...)": ("batch_size", "windows_batch_size"),
    "training=Training(devices=..., strategy=...)": (
        "devices",
        "accelerator",
        "strategy",
        "pl_trainer_kwargs",
        "trainer_kwargs",
    ),
}
THEIRS = {other: ours for ours, others in OURS.items() for other in others}


class KnowsOtherNames:
    """Base of estimators whose constructor explains an unknown keyword."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse a keyword that the constructor lacks, and say what it is called here."""
        known = inspect.signature(cls.__init__).parameters
        for name in kwargs:
            if name not in known:
                hint = f"here it is {THEIRS[name]}" if name in THEIRS else f"it has {', '.join(list(known)[1:])}"
                raise ConfigError(f"{cls.__name__} has no parameter {name!r}; {hint}.")
        return super().__new__(cls)


def with_parameters(kind: type, base: type) -> str:
    """The docstring of ``kind``, then that of ``base``, whose parameters it shares, without its first line."""
    rest = (base.__doc__ or "").partition("\n")[2]
    return f"{kind.__doc__}\n{rest}"
