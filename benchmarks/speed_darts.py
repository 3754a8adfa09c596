"""A side of speed.py: steps of Darts, with the networks, batches and precision of the others.

pip install torch==2.13.0 darts==0.48.1
"""

import logging
import warnings

import numpy as np
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel, NLinearModel
from speed_server import BATCH, HIDDEN, Functions, frame_of, seconds_per_step, serve

LEAN = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


def model_of(case: dict, steps: int) -> BlockRNNModel | NLinearModel:
    shared = {"input_chunk_length": case["context"], "output_chunk_length": case["horizon"], "batch_size": BATCH}
    shared |= {"n_epochs": 10**6, "loss_fn": torch.nn.MSELoss(), "random_state": 0}
    shared["pl_trainer_kwargs"] = {"max_steps": steps, "accelerator": "cpu"} | LEAN
    if case["network"].startswith("Linear"):
        return NLinearModel(**shared)
    return BlockRNNModel(model="LSTM", hidden_dim=HIDDEN, **shared)


def step(case: dict) -> Functions:
    frame = frame_of(case)
    frame["y"] = frame["y"].astype(np.float32)
    series = TimeSeries.from_group_dataframe(frame, "unique_id", "ds", "y", drop_group_cols=["unique_id"])

    return {"step": lambda: seconds_per_step(lambda n: model_of(case, n).fit(series), case["steps"])}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    serve({"step": step})
