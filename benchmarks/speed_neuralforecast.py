"""A side of speed.py: NeuralForecast, with the networks, batches and precision of the others.

pip install torch==2.13.0 neuralforecast==3.3.0
"""

import logging
import warnings

from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import LSTM, NLinear
from neuralforecast.tsdataset import TimeSeriesDataset
from speed_server import BATCH, HIDDEN, Functions, frame_of, seconds_per_step, serve

LEAN = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


def model_of(case: dict, steps: int) -> NeuralForecast:
    shared = {"h": case["horizon"], "input_size": case["context"], "loss": MSE(), "max_steps": steps}
    shared |= {"scaler_type": "identity", "windows_batch_size": BATCH, "accelerator": "cpu", "devices": 1} | LEAN
    if case["network"].startswith("Linear"):
        model = NLinear(**shared)
    else:
        model = LSTM(encoder_n_layers=1, encoder_hidden_size=HIDDEN, decoder_layers=1, **shared)
    return NeuralForecast([model], freq="h")


def frames(case: dict) -> Functions:
    model = model_of(case, 1)
    model.fit(frame_of(case | {"series": 1, "rows": 2 * (case["context"] + case["horizon"]), "order": "sorted"}))
    frame = frame_of(case)

    def backtest() -> None:
        model.cross_validation(frame, n_windows=case["cutoffs"], step_size=case["horizon"], use_fitted=True)

    return {
        "fit": lambda: model.fit(frame),
        "read": lambda: TimeSeriesDataset.from_df(frame),
        "predict()": lambda: model.predict(),
        "predict": lambda: model.predict(frame),
        "backtest": backtest,
    }


def step(case: dict) -> Functions:
    frame = frame_of(case)
    return {"step": lambda: seconds_per_step(lambda n: model_of(case, n).fit(frame), case["steps"])}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    serve({"frames": frames, "step": step})
