"""What attention is for: copying with a delay, and adding two marked numbers, with and without it.

    python benchmarks/attention.py

Copying: the target repeats, 16 rows later, a covariate that is pure noise; a forecast of 16 rows must recall 16 numbers
in their order. Adding (Hochreiter and Schmidhuber 1997): 100 numbers, two of them marked; the answer is their sum. Both
models are the same but for ``attention``. Writes ATTENTION.md, attention.json and attention.png: the attention of the
copying model, which should be a diagonal.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tsseq import NeuralRegressor, Point, Seq2Seq, Seq2SeqForecaster, Training
from tsseq.data.layout import Layout
from tsseq.plotting import plot_attention

HERE = Path(__file__).parent
DELAY, LENGTH = 16, 100


def training(epochs: int, rate: float) -> Training:
    options = {"batch_size": 64, "schedule": "cosine", "patience": None, "seed": 0, "verbose": False}
    return Training(max_epochs=epochs, learning_rate=rate, **options)


def delayed(n: int, seed: int) -> pd.DataFrame:
    noise = np.random.default_rng(seed).normal(size=n)
    return pd.DataFrame({"noise": noise, "copy": np.r_[np.zeros(DELAY), noise[:-DELAY]]})


def copying(attention: str | None) -> tuple[float, Seq2SeqForecaster]:
    """Mean squared error on a frame of its own; the variance of the target is 1."""
    options = {
        "hidden_size": 32,
        "dropout": 0.0,
        "segment_length": None,
        "teacher_forcing": 1.0,
        "attention": attention,
    }
    roles = {"target": "copy", "past": "noise", "scaling": "none", "head": Point("mse")}
    model = Seq2SeqForecaster(DELAY, DELAY, training=training(30, 5e-3), **roles, **options).fit(delayed(3000, 0))
    unseen = delayed(1000, 1)
    found = model.predict_at(unseen, unseen.index[2 * DELAY : -DELAY : 5])
    truth = unseen["copy"].to_numpy()[found["ds"]]
    return float(((found["forecast"] - truth) ** 2).mean()), model


def numbers(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    values, marks = random.uniform(size=(n, LENGTH)), np.zeros((n, LENGTH))
    pairs = np.array([0, LENGTH // 2]) + random.integers(0, LENGTH // 2, (n, 2))
    np.put_along_axis(marks, pairs, 1.0, axis=1)
    return np.hstack([values, marks]), np.take_along_axis(values, pairs, axis=1).sum(axis=1)


def adding(attention: str | None) -> float:
    """Mean squared error on unseen sequences; the variance of a sum is 1/6."""
    network = Seq2Seq("rnn", 32, dropout=0.0, attention=attention, segment_length=None, teacher_forcing=0.0)
    model = NeuralRegressor(network, Point("mse"), training(12, 3e-3), Layout(LENGTH, 1, n_past=1)).fit(
        *numbers(4000, 0)
    )
    X, y = numbers(1000, 1)
    return float(((model.predict(X) - y) ** 2).mean())


def draw(weights: pd.DataFrame, path: Path) -> float:
    """Draw step against row of the context; -> share of steps that look most at their own row."""
    axes = plot_attention(weights)
    axes.set_title("Copying with a delay", loc="left")
    axes.figure.savefig(path, dpi=110)
    matrix = weights.pivot(index="step", columns="context_time", values="weight").to_numpy()
    return float((matrix.argmax(axis=1) == np.arange(DELAY)).mean())


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = []
    for attention in ("additive", None):
        error, model = copying(attention)
        rows.append({"attention": attention, "copying": error, "adding": adding(attention)})
        if attention:
            rows[-1]["diagonal"] = draw(model.attention_weights(delayed(1000, 1)[-DELAY:]), HERE / "attention.png")
        print(rows[-1], flush=True)
    (HERE / "attention.json").write_text(json.dumps({"torch": torch.__version__, "runs": rows}, indent=1) + "\n")
    lines = ["# Attention", "", "Written by `python benchmarks/attention.py`: mean squared errors on unseen data.", ""]
    lines += ["| attention | copying (variance 1) | adding (variance 0.167) |", "|---|---|---|"]
    lines += [f"| {row['attention']} | {row['copying']:.4f} | {row['adding']:.4f} |" for row in rows]
    share = f"{rows[0]['diagonal']:.0%} of the steps look most at the row that they copy"
    lines += ["", f"{share}:", "", "![attention of the copying model](attention.png)", ""]
    (HERE / "ATTENTION.md").write_text("\n".join(lines))
