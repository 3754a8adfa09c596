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
# # Topics of short texts
#
# What is a passage about? The texts are the help that ships with Python (`help("debugger")` shows one of them), cut into
# paragraphs of at most 25 words. A network that reads words in their order stands beside the model that everybody should
# try first: counts of words and logistic regression, which know no order.

# %%
import re
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from tsseq import GRU, NeuralClassifier, Training

NAMES = ["attribute-access", "debugger", "execmodel", "formatstrings", "import", "string-methods"]
NAMES += ["typesmapping", "typesseq"]


def passages(text: str) -> list[list[str]]:
    """Words of every paragraph of at least eight."""
    lists = [re.findall("[a-z]+", paragraph.lower())[:25] for paragraph in re.split(r"\n\s*\n", text)]
    return [words for words in lists if len(words) >= 8]


rows = [(" ".join(words), name) for name in NAMES for words in passages(topics[name])]
table = pd.DataFrame(rows, columns=["text", "topic"]).drop_duplicates("text")
table["topic"].value_counts().to_frame().T

# %%
for text, topic in table.sample(4, random_state=1).to_numpy():
    print(f"{topic:17}{text}")

# %% [markdown]
# ## The same line for all
#
# Two thirds are for training, a third is held out; every topic counts alike (`class_weight="balanced"`), in training and
# in the score. The network takes lists of words. Settings are the same in all that follows.


# %%
def counts(longest: int) -> Pipeline:
    """Logistic regression on the words, and on runs of up to so many."""
    vectors = TfidfVectorizer(token_pattern="[a-z]+", ngram_range=(1, longest))
    return make_pipeline(vectors, LogisticRegression(C=10, class_weight="balanced", max_iter=1000))


def scores(texts: list[str], labels: list[str], later: list[str], truth: list[str]) -> dict[str, float]:
    """Balanced accuracy on texts that are held out."""
    network = NeuralClassifier(
        GRU(32, bidirectional=True, segment_length=None),
        Training(max_epochs=4, learning_rate=0.01, verbose=False),
        class_weight="balanced",
        min_count=2,
    )
    written = {name: counts(n).fit(texts, labels).predict(later) for name, n in (("words", 1), ("words and pairs", 2))}
    written["GRU"] = network.fit([text.split() for text in texts], labels).predict([text.split() for text in later])
    return {name: balanced_accuracy_score(truth, classes) for name, classes in written.items()}


X, held_out, y, truth = train_test_split(
    table["text"].tolist(), table["topic"].tolist(), test_size=1 / 3, stratify=table["topic"], random_state=0
)
results = {"topic": scores(X, y, held_out, truth)}
pd.DataFrame(results).T.round(3)

# %% [markdown]
# Words win, and pairs of words add nothing. A few words give a topic away, whatever their order, and there are some 40
# texts for each: too few for a network that has to learn what each word means as well.

# %%
model = counts(1).fit(X, y)
weights = pd.DataFrame(model[-1].coef_.T, model[0].get_feature_names_out(), model[-1].classes_)
pd.Series({topic: ", ".join(weights[topic].nlargest(5).index) for topic in weights}, name="words that speak for it")

# %% [markdown]
# ## Where the order is the answer
#
# Two questions about the same texts that no count of words can answer.
#
# *Is the order its own?* Each text is there twice, as it was written and with its words shuffled.
#
# *Which of the two?* Half a passage about the debugger and half a passage about string methods, with "rather than" between
# them: what is wanted is the first. This is what negation does, too: "good, not bad" and "bad, not good" have the same
# words.

# %%
rng = np.random.default_rng(0)


def shuffled(texts: list[str]) -> tuple[list[str], list[str]]:
    """Each text as it is, and with its words in another order."""
    mixed = [" ".join(rng.permutation(text.split())) for text in texts]
    return texts + mixed, ["own"] * len(texts) + ["shuffled"] * len(texts)


def choices(texts: list[str], labels: list[str], n: int) -> tuple[list[str], list[str]]:
    """Texts of two topics, one rather than the other."""
    pair = ("debugger", "string-methods")
    parts = {name: [" ".join(t.split()[:12]) for t, label in zip(texts, labels) if label == name] for name in pair}
    wanted = rng.choice(pair, n).tolist()
    others = [pair[1 - pair.index(name)] for name in wanted]
    lines = [f"{rng.choice(parts[a])} rather than {rng.choice(parts[b])}" for a, b in zip(wanted, others)]
    return lines, wanted


results["own order?"] = scores(*shuffled(X), *shuffled(held_out))
results["which of two?"] = scores(*choices(X, y, 800), *choices(held_out, truth, 400))
comparison = pd.DataFrame(results).T
comparison.round(3)

# %%
fig, ax = plt.subplots(figsize=(7, 2.6))
for name, color in zip(comparison, ["#777777", "#cc6677", "#4477aa"]):
    ax.plot(comparison[name], range(3), "o", color=color, ms=9, label=name)
for place, chance in enumerate([1 / len(NAMES), 0.5, 0.5]):
    ax.plot([chance, chance], [place - 0.3, place + 0.3], color="#333333", label="_" if place else "guessing")
ax.set_yticks(range(3), comparison.index)
ax.invert_yaxis()
ax.set_xlim(0, 1.02)
ax.set_xlabel("balanced accuracy on texts held out")
ax.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
ax.spines[["top", "right"]].set_visible(False)
fig.tight_layout()

# %% [markdown]
# ## Verdict
#
# - **Topics**: count words. It is better, takes a hundredth of the time, and says why.
# - **Order among neighbours**: count pairs of words. "The of" is wrong wherever it stands; a network has to find that out
#   from the same few hundred texts.
# - **Order across a text**: the network. What is wanted may lie ten words from the "than" that decides, and no pair of
#   words reaches so far (the few that touch it are what pairs live on here). It also helps that two hundred texts make
#   as many such choices as one likes to draw; the topics have no such supply.
#
# So a sequence model pays where the place of a word changes its meaning and examples are many. Where they are few and the
# words say it all, it does not; and a network that was trained on a library of other texts, which this one was not, is
# another matter. One split into training and test is behind each figure: differences below 0.05 may be luck.
