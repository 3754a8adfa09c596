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
# # Movements of people
#
# Which movement does a sensor on the wrist see? Sequences with three channels, of sixteen people, made up here: everyone
# has a pace and a way to wear the watch.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score

from tsseq import GRU, NeuralClassifier, NeuralLabeller, Training

rng = np.random.default_rng(3)
MOVEMENTS = {"sit": (0.0, 0.1), "walk": (1.8, 1.0), "stairs": (1.5, 1.3), "run": (2.7, 2.2)}  # steps per second, swing


def record(movement: str, pace: float, turn: np.ndarray, n: int = 80) -> np.ndarray:
    """Four seconds of three channels at 20 Hz."""
    rate, swing = MOVEMENTS[movement]
    phase = 2 * np.pi * rate * pace * np.arange(n) / 20 + rng.uniform(0, 6)
    bounce = 0.6 if movement == "stairs" else 0.25
    body = swing * np.stack([np.sin(phase), bounce * np.sin(2 * phase), np.cos(phase) * 0.5], axis=1)
    return (body + np.array([0.0, 1.0, 0.0])) @ turn + rng.normal(0, 0.35, (n, 3))


people, X, y = [], [], []
for person in range(16):
    pace, turn = rng.uniform(0.8, 1.25), np.linalg.qr(np.eye(3) + 0.35 * rng.normal(size=(3, 3)))[0]
    for movement in MOVEMENTS:
        X += [record(movement, pace, turn) for _ in range(4)]
        y += [movement] * 4
        people += [person] * 4
X, y, people = np.stack(X), np.array(y), np.array(people)
X.shape, np.unique(y).tolist()

# %%
fig, axes = plt.subplots(1, 4, figsize=(10, 2.2), sharey=True)
for ax, movement in zip(axes, MOVEMENTS):
    ax.plot(np.arange(80) / 20, X[y == movement][0])
    ax.set_title(movement)
    ax.set_xlabel("seconds")
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## A class for every sequence
#
# Arrays of (sequences, time, channels) go in. The classifier starts from a ridge on random convolutions, and its network
# counts only where held-out sequences show that it helps.

# %%
model = NeuralClassifier(training=Training(max_epochs=1, verbose=False), n_convolutions=1000)
known = people < 10
model.fit(X[known], y[known], groups=people[known])
fig, ax = plt.subplots(figsize=(4.5, 4))
display = ConfusionMatrixDisplay.from_estimator(
    model, X[~known], y[~known], labels=list(MOVEMENTS), ax=ax, cmap="Blues", colorbar=False
)

# %%
print(
    f"{model.score(X[~known], y[~known]):.0%} right on six people who were not there; share of the network: {model.share_}"
)

# %% [markdown]
# ## New people or known ones?
#
# Folds of single sequences have the same people on both sides. Folds of people ask what is meant: does it work for
# someone new? The first number is nearly always the nicer one.

# %%
splits = {"sequences held out": StratifiedKFold(2, shuffle=True, random_state=0), "people held out": GroupKFold(2)}
folds = {name: cv.split(X, y, people if name == "people held out" else None) for name, cv in splits.items()}
scores = {name: cross_val_score(model, X, y, cv=pairs) for name, pairs in folds.items()}
pd.DataFrame(scores).round(3)

# %% [markdown]
# ## A label for every step
#
# In life, one movement follows another. A labeller says for every step which one it is.


# %%
def day(pace: float, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Three movements in a row, each of 40 to 79 steps, cut to 120 in all."""
    names = rng.choice(list(MOVEMENTS), 3, replace=False)
    pieces = [record(name, pace, turn, rng.integers(40, 80)) for name in names]
    labels = np.repeat(names, [len(piece) for piece in pieces])
    return np.concatenate(pieces)[:120], labels[:120]


days = [day(rng.uniform(0.8, 1.25), np.eye(3)) for _ in range(160)]
sequences, labels = np.stack([d[0] for d in days]), np.stack([d[1] for d in days])
labeller = NeuralLabeller(
    GRU(32, bidirectional=True, segment_length=None), Training(max_epochs=3, learning_rate=0.01, verbose=False)
)
labeller.fit(sequences[:120], labels[:120])
print(f"{labeller.score(sequences[120:], labels[120:]):.0%} of the steps are right")

# %%
order = {name: k for k, name in enumerate(MOVEMENTS)}
truth = labels[125]
guess = labeller.predict(sequences[125:126])[0]
fig, axes = plt.subplots(2, 1, figsize=(8, 3.5), sharex=True, height_ratios=[2, 1])
axes[0].plot(np.arange(120) / 20, sequences[125])
axes[1].step(np.arange(120) / 20, [order[name] for name in truth], color="#333333", label="true", where="post")
axes[1].step(
    np.arange(120) / 20, [order[name] for name in guess], "--", color="#cc6677", label="labelled", where="post"
)
axes[1].set_yticks(range(4), MOVEMENTS)
axes[1].set_xlabel("seconds")
axes[1].legend(frameon=False, ncols=2, loc="upper right", fontsize=8)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
