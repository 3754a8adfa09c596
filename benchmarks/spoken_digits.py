"""Spoken digits of voices that training has not heard: one command, results as JSON.

    pip install 'tsseq[audio]' espeakng-loader
    python benchmarks/spoken_digits.py [--judge validation|test] [--only digits|strings]

A synthesiser, espeak-ng, says English digits in five accents, each with the timbre of 69 speakers, at 120 to 220 words
a minute and another pitch every time, under white noise 10 to 30 dB below the voice. 47 speakers train, 8 were there to
choose settings (`--judge validation`), 14 were heard once all was chosen, in the same accents and in a sixth one,
Scottish. A string is four digits spoken as one phrase, without pauses. Real people differ more than these voices do.

Beside the networks stand logistic regressions on mean frames: of the whole recording, or for a string of each quarter,
one for every place, which are told that there are four words. What is wrong of single digits, and word error rates of
strings (figures in `spoken_digits.json`):

| judged by | speakers | digits | logistic | strings | logistic |
|---|---|---|---|---|---|
| validation | 8 | 2.9 % | 35.8 % | 12.4 % | 42.8 % |
| test | 14 | 0.4 % | 19.2 % | 6.3 % | 35.6 % |
| test, Scottish, an accent that training has not heard | 14 | 4.7 % | 28.8 % | 20.0 % | 45.6 % |

Fits took 19 and 116 CPU seconds. What mattered for strings on validation speakers, in 600 steps: decibels below the
loudest instead of absolute ones (word errors from 70 to 51 %), frames every 40 instead of 20 ms (to 27 %), and a state
for every frame instead of every second one (to 10 %).
"""

import argparse
import ctypes
import json
import time
from pathlib import Path

import espeakng_loader
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsseq import GRU, LogMel, NeuralClassifier, NeuralTransducer, Training
from tsseq.metrics import edit_distance

FIGURES = Path(__file__).with_suffix(".json")
WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
ACCENTS, UNHEARD = ["en-us", "en", "en-029", "en-us-nyc", "en-gb-x-rp"], ["en-gb-scotland"]
SPEAKERS = """Alex Alicia Andrea Andy Annie Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen
Reed Storm Tweaky adam anika antonio aunty belinda benjamin boris caleb david ed edward f1 f2 f3 f4 f5 grandma grandpa
gustave ian iven john kaukovalta linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro quincy
rob robert sandro shelby steph travis victor zac"""
TEST, VALIDATION, TRAIN = np.split(np.random.default_rng(0).permutation(SPEAKERS.split()), [14, 22])
SYNCHRONOUS, SPEED, PITCH, UTF8 = 2, 1, 3, 1  # of espeak's speak_lib.h

espeak = ctypes.CDLL(espeakng_loader.get_library_path())
RATE = espeak.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
ctypes.CDLL(None).srand(0)  # whose noise some consonants are
pieces = []


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def receive(samples, n, events):
    """What espeak calls with the next samples."""
    pieces.append(np.ctypeslib.as_array(samples, (n,)) / 32768 if n else np.zeros(0))
    return 0


espeak.espeak_SetSynthCallback(receive)


def speak(text, voice, speed, pitch):
    """Samples from -1 to 1."""
    pieces.clear()
    assert espeak.espeak_SetVoiceByName(voice.encode()) == 0, voice
    espeak.espeak_SetParameter(SPEED, speed, 0)
    espeak.espeak_SetParameter(PITCH, pitch, 0)
    espeak.espeak_Synth(text.encode(), len(text) + 1, 0, 1, 0, UTF8, None, None)
    return np.concatenate(pieces)


def record(text, voice, random):
    """The voice somewhere in a recording, under noise."""
    wave = speak(text, voice, int(random.integers(120, 221)), int(random.integers(20, 81)))
    wave = np.pad(wave, random.integers(0, round(0.3 * RATE), 2))
    noise = np.sqrt((wave**2).mean()) * 10 ** (-random.uniform(10, 30) / 20)
    return wave + noise * random.normal(size=len(wave))


def recordings(n, speakers, accents, length, seed):
    """-> recordings, and the words in each."""
    random = np.random.default_rng(seed)
    words, voices = WORDS[random.integers(0, 10, (n, length))], random.choice(speakers, n)
    waves = [record(" ".join(row), f"{random.choice(accents)}+{who}", random) for row, who in zip(words, voices)]
    return waves, words.tolist()


def baseline(n_parts):
    """Logistic regressions on the mean frames of equal parts, and how frames become such means."""

    def means(frames):
        return np.stack([np.concatenate([part.mean(0) for part in np.array_split(x, n_parts)]) for x in frames])

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)), means


def digits(mel, judges):
    """Accuracies of single digits."""
    X, y = recordings(2500, TRAIN, ACCENTS, 1, seed=1)
    frames, y = mel.transform(X), [word for [word] in y]
    logistic, means = baseline(1)
    logistic.fit(means(frames), y)
    start = time.process_time()
    network = GRU(64, bidirectional=True, segment_length=None)
    training = Training(max_epochs=10, learning_rate=0.01, verbose=False)
    model = NeuralClassifier(network, training, n_convolutions=0).fit(frames, y)
    figures = {"cpu_s": round(time.process_time() - start)}
    for name, (speakers, accents) in judges.items():
        X, y = recordings(1000, speakers, accents, 1, seed=2)
        frames, y = mel.transform(X), [word for [word] in y]
        figures[name] = {"model": model.score(frames, y), "logistic": logistic.score(means(frames), y)}
    return figures


def strings(mel, judges):
    """Word error rates of strings of four digits, after training on these and on one to three digits."""
    sizes = {1: 500, 2: 500, 3: 500, 4: 2500}
    parts = [recordings(n, TRAIN, ACCENTS, length, seed=10 + length) for length, n in sizes.items()]
    frames, y = (
        mel.transform([wave for waves, _ in parts for wave in waves]),
        [row for _, rows in parts for row in rows],
    )
    start = time.process_time()
    network = GRU(64, bidirectional=True, segment_length=None)
    model = NeuralTransducer(network, Training(max_epochs=15, learning_rate=0.01, verbose=False), loss="ctc")
    model.fit(frames, y)
    figures = {"cpu_s": round(time.process_time() - start)}
    four, places = frames[-sizes[4] :], np.array(y[-sizes[4] :]).T
    means = baseline(4)[1]
    logistic = [baseline(4)[0].fit(means(four), place) for place in places]
    for name, (speakers, accents) in judges.items():
        X, y = recordings(500, speakers, accents, 4, seed=20)
        frames = mel.transform(X)
        placed = np.stack([one.predict(means(frames)) for one in logistic], axis=1).tolist()
        figures[name] = {"model": edit_distance(y, model.predict(frames)), "exact": model.score(frames, y)}
        figures[name]["logistic"] = edit_distance(y, placed)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", choices=["validation", "test"], default="test")
    parser.add_argument("--only", choices=["digits", "strings"])
    arguments = parser.parse_args()
    judges = {"validation": (VALIDATION, ACCENTS)}
    if arguments.judge == "test":
        judges |= {"test": (TEST, ACCENTS), "test, Scottish": (TEST, UNHEARD)}
    mel = LogMel(RATE, window=0.04, hop=0.04)
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for task in (digits, strings):
        if arguments.only in (None, task.__name__):
            figures[task.__name__] = task(mel, judges)
            FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
            print(task.__name__, json.dumps(figures[task.__name__], indent=1), flush=True)


if __name__ == "__main__":
    main()
