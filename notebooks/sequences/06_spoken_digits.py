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
# # Spoken digits
#
# Which digit did someone say whom the model has never heard? And which number, if the digits follow one another? The
# voices are not people but a synthesiser, espeak-ng, which says English words with many timbres, speeds and pitches.
# People differ more. The libraries of this page: `pip install 'tsseq[audio]' espeakng-loader`.

# %%
import ctypes
import warnings

import espeakng_loader
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsseq import GRU, LogMel, NeuralClassifier, NeuralTransducer, Training
from tsseq.metrics import edit_distance

warnings.filterwarnings("ignore", message="IProgress")  # of a progress bar that nobody sees
espeak = ctypes.CDLL(espeakng_loader.get_library_path())
RATE = espeak.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)  # 2: samples come to a callback
ctypes.CDLL(None).srand(0)  # the noise in its consonants is C's
pieces = []


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def receive(samples, n, events):
    pieces.append(np.ctypeslib.as_array(samples, (n,)) / 32768 if n else np.zeros(0))
    return 0


espeak.espeak_SetSynthCallback(receive)


def speak(text: str, voice: str, speed: int = 170, pitch: int = 50) -> np.ndarray:
    """Samples from -1 to 1, `RATE` a second."""
    pieces.clear()
    espeak.espeak_SetVoiceByName(voice.encode())
    espeak.espeak_SetParameter(1, speed, 0)
    espeak.espeak_SetParameter(3, pitch, 0)
    espeak.espeak_Synth(text.encode(), len(text) + 1, 0, 1, 0, 1, None, None)
    return np.concatenate(pieces)


f"{RATE} samples a second; 'seven' lasts {len(speak('seven', 'en-us')) / RATE:.2f} seconds"

# %% [markdown]
# ## What a network reads
#
# A recording becomes frames: every 20 ms, how loud each of 40 bands of pitches is, in decibels below the loudest. The
# hiss of the s stands at the top; the bars below it are the vowels, and every voice has them elsewhere.

# %%
mel = LogMel(RATE, window=0.04, hop=0.02)
voices = {"a man": "en-us+m3", "a woman": "en-us+f2", "a Scottish grandmother": "en-gb-scotland+grandma"}
fig, axes = plt.subplots(1, 3, figsize=(10, 2.6), sharey=True)
for ax, (name, voice) in zip(axes, voices.items()):
    [frames] = mel.transform([speak("seven", voice)])
    image = ax.imshow(frames.T, origin="lower", aspect="auto", extent=(0, 0.02 * len(frames), 0, 40), cmap="magma")
    ax.set_title(f"“seven”, {name}", fontsize=10)
    ax.set_xlabel("seconds")
axes[0].set_ylabel("band")
bar = fig.colorbar(image, ax=axes, label="dB", pad=0.02)

# %% [markdown]
# ## One digit
#
# Twenty speakers train, ten others test, at many speeds and pitches, under noise. The classifier is told who speaks: its
# ridge is made as strong as new voices need it. Beside it stands what is simple: a logistic regression on the mean frame
# of each recording.

# %%
WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
NAMES = """Alex Alicia Andrea Andy Annie Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen Reed
adam anika antonio aunty belinda boris caleb david ed edward grandma linda"""
random = np.random.default_rng(0)
SPEAKERS = random.permutation(NAMES.split())


def record(words, speaker: str) -> np.ndarray:
    """The words in one phrase, somewhere in a recording, under noise."""
    wave = speak(" ".join(words), f"en-us+{speaker}", int(random.integers(130, 191)), int(random.integers(30, 71)))
    wave = np.pad(wave, random.integers(0, RATE // 4, 2))
    return wave + 0.1 * wave.std() * random.normal(size=len(wave))


def recordings(n: int, length: int, speakers):
    """Frames of n recordings, the words in each, and who speaks."""
    words, voices = WORDS[random.integers(0, 10, (n, length))], random.choice(speakers, n)
    return mel.transform([record(row, voice) for row, voice in zip(words, voices)]), words, voices


X, y, voices = recordings(400, 1, SPEAKERS[:20])
X_new, y_new, _ = recordings(200, 1, SPEAKERS[20:])
model = NeuralClassifier(GRU(16, segment_length=4), Training(max_epochs=1, verbose=False), n_convolutions=1000)
model.fit(X, y[:, 0], groups=voices)


def means(frames):
    return np.stack([frame.mean(axis=0) for frame in frames])


logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(means(X), y[:, 0])
print(f"right of new speakers: {model.score(X_new, y_new[:, 0]):.1%}; ", end="")
print(f"logistic regression on mean frames: {logistic.score(means(X_new), y_new[:, 0]):.1%}")

# %%
fig, ax = plt.subplots(figsize=(5.5, 5))
display = ConfusionMatrixDisplay.from_estimator(
    model, X_new, y_new[:, 0], labels=WORDS, ax=ax, cmap="Blues", colorbar=False, xticks_rotation=45
)

# %% [markdown]
# ## Several digits
#
# Spoken as one phrase, nothing says where one digit ends. `NeuralTransducer(loss="ctc")` does not need to know: at every
# frame it writes a word or nothing, and repetitions count once. Phrases of one to four words train, those of four from
# new speakers test. A frame every 40 ms is enough for words, and makes the search for their places shorter.

# %%
mel = LogMel(RATE, window=0.04, hop=0.04)
parts = [recordings(n, length, SPEAKERS[:20]) for length, n in enumerate([400, 300, 300, 1000], 1)]
X = [frames for part in parts for frames in part[0]]
y = [words.tolist() for part in parts for words in part[1]]
X_new, y_new, _ = recordings(200, 4, SPEAKERS[20:])
network = GRU(64, bidirectional=True, segment_length=None, dropout=0.1)
writer = NeuralTransducer(network, Training(max_epochs=5, learning_rate=0.01, verbose=False), loss="ctc").fit(X, y)
heard = writer.predict(X_new)
errors, exact = edit_distance(y_new.tolist(), heard), writer.score(X_new, y_new.tolist())
print(f"of 100 words, {100 * errors:.0f} are wrong, missing or too many; {exact:.0%} of the phrases have no error")

# %% [markdown]
# Beside it, the simple way: cut every phrase into four equal parts, and give the mean frames of all four to a logistic
# regression for each place. It is told that there are four words.


# %%
def quarters(frames):
    return np.stack([np.concatenate([part.mean(axis=0) for part in np.array_split(x, 4)]) for x in frames])


four, words = quarters(X[-1000:]), np.array(y[-1000:])
places = [make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(four, word) for word in words.T]
guesses = np.stack([place.predict(quarters(X_new)) for place in places], axis=1).tolist()
print(f"logistic regressions: {100 * edit_distance(y_new.tolist(), guesses):.0f} of 100")

# %% [markdown]
# What is heard, and when? The beginnings of a recording, each written down by itself: a word appears once enough of it was
# said.

# %%
fig, axes = plt.subplots(2, 1, figsize=(9, 4.6))
for ax, frames, said in zip(axes, X_new, y_new):
    seconds = 0.04 * len(frames)
    ax.imshow(frames.T, origin="lower", aspect="auto", extent=(0, seconds, 0, 40), cmap="magma")
    written = writer.predict([frames[:end] for end in range(3, len(frames) + 1)])
    for k, word in enumerate(written[-1], 1):
        end = next(end for end, words in enumerate(written, 3) if words[:k] == written[-1][:k])
        ax.axvline(0.04 * end, color="white", linewidth=0.8)
        ax.text(0.04 * end, 36, f" {word}", color="white", fontsize=9)
    ax.set_title(f"said: {' '.join(said)}; heard: {' '.join(written[-1])}", fontsize=10)
    ax.set_ylabel("band")
axes[-1].set_xlabel("seconds")
fig.tight_layout()

# %% [markdown]
# This is a small run, for a minute of patience. With 4,000 phrases and 2,500 single digits of 47 speakers in five
# accents, 0.4 % of the digits of fourteen new speakers are wrong, and 6 of 100 words of a phrase (logistic regressions: 19
# and 36). In an accent that training has not heard, it is 5 % and 20 words: new accents are harder than new voices. That
# run is `benchmarks/spoken_digits.py`.
