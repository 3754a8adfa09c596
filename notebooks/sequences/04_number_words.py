# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Number words, from English to French
#
# Two sequences of different lengths and alphabets: "ninety-one" becomes "quatre-vingt-onze". The package num2words makes
# the corpus, so that there is a right answer to everything. A network with attention reads English words and writes
# French ones.

# %%
import re

import numpy as np
import pandas as pd
from num2words import num2words

from tsseq import NeuralTransducer, Seq2Seq, Training
from tsseq.metrics import edit_distance, token_accuracy
from tsseq.plotting import plot_attention


def words(number: int, language: str) -> list[str]:
    """Words and the marks between them."""
    return re.findall(r"\w+|[^\w\s]", num2words(number, lang=language))


numbers = np.random.default_rng(0).choice(10_000, 3500, replace=False)
english, french = [[words(number, language) for number in numbers] for language in ("en", "fr")]
known, held_out = slice(0, 2500), slice(2500, None)
pd.DataFrame(
    {"English": map(" ".join, english[:4]), "French": map(" ".join, french[:4])}, index=numbers[:4].astype(str)
)

# %% [markdown]
# A quarter of the numbers below 10,000 is for training, 1,000 others are held out. Nothing is said about digits, units or
# grammar. That "deux cents" has an s and "deux cent un" has none, that seventy is sixty-ten and ninety-one is
# four-twenty-eleven, has to be learnt from pairs of sequences.

# %%
network = Seq2Seq("gru", hidden_size=64, bidirectional=True, segment_length=None)
training = Training(max_epochs=8, batch_size=50, learning_rate=6e-3, verbose=False)
model = NeuralTransducer(network, training).fit(english[known], french[known])
model.predict([words(number, "en") for number in (1291, 9975)])

# %% [markdown]
# ## Word by word, or the best of several beginnings
#
# Greedy writing takes the most probable word at every step. A beam follows the four most probable beginnings and ends
# with the best whole sequence.

# %%
truth = french[held_out]
written = {"greedy": model.predict(english[held_out]), "beam of 4": model.predict(english[held_out], beam_width=4)}
pd.DataFrame(
    {
        name: {
            "exact": np.mean([line == right for line, right in zip(lines, truth)]),
            "right words": token_accuracy(truth, lines),
            "edits per word": edit_distance(truth, lines),
        }
        for name, lines in written.items()
    }
).T.round(3)

# %% [markdown]
# The beam is worth nothing here: the network is nearly certain of every word, right or wrong, and its first choice
# belongs to the best sequence, too.
#
# More training repairs most of the rest. With numbers below a million, 8,000 of them for training, the default network
# and 12 epochs (100 seconds of one core in place of 7), 99.6 % of 1,000 others are exact, greedily and by beam.
#
# ## Where it looks
#
# English words are across, French words down; dark is where the network looks while it writes.

# %%
examples = [words(number, "en") for number in (9975, 1291)]
ax = plot_attention(model.attention_weights(examples))

# %% [markdown]
# It goes from left to right, and "seventy-five" and "ninety-one" are looked at several times for one French number. But a
# picture of attention is not a dictionary: the encoder reads in both directions, so that the state of a comma or a hyphen
# also knows the words beside it, and the network may well look there.
#
# ## What goes wrong
#
# First the errors among the held-out numbers.

# %%
wrong = [k for k, line in enumerate(written["greedy"]) if line != truth[k]]
columns = {"written": [written["greedy"][k] for k in wrong], "right": [truth[k] for k in wrong]}
pd.DataFrame(columns, index=numbers[held_out][wrong].astype(str)).map(" ".join)

# %% [markdown]
# A person would find most of these the easiest. Of 10,000 numbers only a hundred are below 100, and only one in ten has
# nothing between the thousands and the tens: the short ones are rare in training, and nothing tells the network that they
# are simple.
#
# Then numbers that are longer than any in training, of the very same words.

# %%
rows = {}
for name, (low, high) in {"five digits": (10_000, 100_000), "six digits": (100_000, 1_000_000)}.items():
    longer = np.random.default_rng(1).choice(np.arange(low, high), 200, replace=False)
    right = [words(number, "fr") for number in longer]
    lines = model.predict([words(number, "en") for number in longer])
    exact = np.mean([line == want for line, want in zip(lines, right)])
    rows[name] = {"exact": exact, "edits per word": edit_distance(right, lines), "for example": longer[0]}
    rows[name] |= {"written": " ".join(lines[0]), "right": " ".join(right[0])}
pd.DataFrame(rows)

# %% [markdown]
# It has learnt sequences of up to four digits, not what a number is. Rules that go on beyond the data are what such
# networks do not find by themselves: train on the lengths that will come.
