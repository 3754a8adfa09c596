"""The models that can be named on the command line."""

from __future__ import annotations

from typing import Any

from tsseq.data.panel import Frame
from tsseq.errors import ConfigError

NEURAL = {
    "lstm": "LSTMForecaster",
    "gru": "GRUForecaster",
    "rnn": "RNNForecaster",
    "peephole-lstm": "PeepholeLSTMForecaster",
    "seq2seq": "Seq2SeqForecaster",
    "linear": "LinearForecaster",
    "dlinear": "DLinearForecaster",
    "transformer": "TransformerForecaster",
    "patchtst": "PatchTSTForecaster",
}
MODELS = (*NEURAL, "ridge", "naive", "seasonal-naive")


def forecaster(
    name: str,
    frame: Frame,
    horizon: int,
    context_length: int,
    max_epochs: int,
    levels: list[float] | None = None,
    **roles: Any,
) -> Any:
    """The model called ``name`` for ``frame``, not fitted; ``levels`` are those of the quantiles that it has to offer.

    Networks learn them. Other models get them from the errors that they make on held-out rows.
    """
    import tsseq

    if name not in MODELS:
        raise ConfigError(f"--model {name} is unknown; it is one of {', '.join(MODELS)}.")
    if name in NEURAL:
        head, training = tsseq.Quantiles(levels) if levels else None, tsseq.Training(max_epochs=max_epochs)
        return getattr(tsseq, NEURAL[name])(horizon, context_length, head=head, training=training, **roles)
    model = tsseq.Forecaster(tsseq.LastValue(), horizon, context_length, **roles)
    if name == "ridge":
        from sklearn.linear_model import Ridge

        model.set_params(regressor=Ridge())
    elif name == "seasonal-naive":
        model.set_params(regressor=tsseq.SeasonalNaive(_season(model, frame)))
    return tsseq.ConformalForecaster(model) if levels else model


def _season(model: Any, frame: Frame) -> int:
    panel = model.to_panel(frame)
    season = panel.rules[0].season_length
    if season == 1:
        raise ConfigError("--model seasonal-naive: the step between these timestamps suggests no season; use naive.")
    return season
