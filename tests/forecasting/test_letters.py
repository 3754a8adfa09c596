"""Text, letter by letter: a network against the n-gram model of the notebook, on the text of the notebook."""

from pathlib import Path

import jupytext
import numpy as np
import pandas as pd
import pytest

from tsseq import GRUForecaster, Training

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "sequences" / "03_letters.py"


@pytest.fixture(scope="module")
def notebook():
    """The names of the notebook after its first cells: the text, and what an n-gram model is surprised of."""
    code = [cell.source for cell in jupytext.read(NOTEBOOK).cells if cell.cell_type == "code"]
    names = {}
    for source in code[:2]:
        exec(source, names)
    return names


@pytest.mark.parametrize("order", [0, 1, 3])
def test_the_chances_of_the_ngram_model_sum_to_one(notebook, order):
    train = notebook["text"][:2000]
    bits = [notebook["surprise"](train, letter, order)[0] for letter in sorted(set(train))]
    assert sum(2.0**-b for b in bits) == pytest.approx(1.0)


@pytest.mark.proof
def test_a_network_needs_fewer_bits_than_what_follows_three_letters(notebook):
    text = notebook["text"]
    n_train, letters = int(0.9 * len(text)), pd.Series(list(text), name="letter")
    training = Training(
        max_epochs=6, learning_rate=4e-3, schedule="cosine", validation=0.05, patience=None, verbose=False
    )
    model = GRUForecaster(1, 24, hidden_size=128, segment_length=4, dropout=0.1, training=training)
    forecasts = model.fit(letters[:n_train]).forecast_at(letters, np.arange(n_train - 1, len(text) - 1))
    codes = forecasts.actual[:, 0, 0].astype(int)
    bits = -np.log2(forecasts.probabilities[np.arange(len(codes)), 0, 0, codes]).mean()
    assert bits < notebook["surprise"](text[:n_train], text[n_train:], 3).mean()  # 1.86 and 1.92 in Python 3.11
