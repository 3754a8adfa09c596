"""LogMel: recordings as frames that networks read."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from tsseq.arguments import Range, check_value
from tsseq.errors import ConfigError, DataError
from tsseq.hints import RejectsForeignNames
from tsseq.typing import Array

RANGES = {
    "rate": Range(1000, 1_000_000),
    "n_mels": Range(1, 1024),
    "window": Range(0.001, 1.0, whole=False),
    "hop": Range(0.001, 1.0, whole=False),
}
WHOLE = (np.dtype(np.int16), np.dtype(np.int32))


class LogMel(RejectsForeignNames, TransformerMixin, BaseEstimator):
    """Turn recordings into frames: how loud each band of pitches is, some hundred times a second.

    It is the log-mel spectrogram of librosa, which ``pip install 'tsseq[audio]'`` installs. Bands are as wide as those
    of the ear (mel). Values are decibels below the loudest one of the recording, 0 to -80, so that it does not matter
    how near the microphone was. Nothing is learnt: it stands before a `NeuralClassifier`, a `NeuralLabeller` or a
    `NeuralTransducer` in a pipeline.

    Parameters
    ----------
    rate : int, default 16_000
        Samples per second of the arrays; files that have another rate are resampled to it.
    n_mels : int, default 40
        Bands, from 0 Hz to half the rate; the channels of the frames.
    window : float, default 0.025
        Seconds that a frame looks at.
    hop : float, default 0.01
        Seconds from one frame to the next.

    Examples
    --------
    >>> import numpy as np
    >>> from tsseq import LogMel
    >>> time = np.arange(8000) / 16_000
    >>> recordings = [np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 880 * time[:4000])]
    >>> [frames.shape for frames in LogMel().transform(recordings)]
    [(51, 40), (26, 40)]
    """

    def __init__(self, rate: int = 16_000, n_mels: int = 40, window: float = 0.025, hop: float = 0.01) -> None:
        self.rate = rate
        self.n_mels = n_mels
        self.window = window
        self.hop = hop

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learnt.

        Parameters
        ----------
        X : list of arrays or of paths
            Recordings, which are not read.
        y : object, optional
            Not used.

        Returns
        -------
        LogMel
            The transformer itself.

        Raises
        ------
        ConfigError
            A parameter is out of its range.
        """
        for name, allowed in RANGES.items():
            check_value(name, getattr(self, name), type(self).__name__, allowed)
        return self

    def transform(self, X: Any) -> list[Array]:
        """Frames of recordings.

        Parameters
        ----------
        X : list of arrays or of paths, or array of shape (n, samples)
            Recordings of any length: numbers from -1 to 1, int16 or int32; or sound files such as WAV or FLAC, whose
            channels are averaged.

        Returns
        -------
        list of ndarray of shape (1 + samples // (hop * rate), n_mels)
            Decibels, 0 to -80. The middle of the first frame is the first sample.

        Raises
        ------
        ConfigError
            A parameter is out of its range, or librosa is not installed.
        DataError
            A recording is empty, has several channels, holds NaN or infinity, or cannot be read.
        """
        self.fit(X)
        if isinstance(X, (str, os.PathLike)):
            raise DataError(f"X={os.fspath(X)!r} is one recording; pass a list of them.")
        length, hop = round(self.window * self.rate), max(round(self.hop * self.rate), 1)
        sizes = {"n_fft": 2 ** (length - 1).bit_length(), "win_length": length, "hop_length": hop}
        frames = []
        for i, recording in enumerate(X):
            waveform = _waveform(recording, i, self.rate)
            if len(waveform) < length:
                needs = f"window={self.window} s at rate={self.rate:,} needs {length}"
                raise DataError(f"recording {i} of X has {len(waveform)} samples; {needs}.")
            librosa = _library("librosa")
            power = librosa.feature.melspectrogram(y=waveform, sr=self.rate, n_mels=self.n_mels, **sizes)
            frames.append(librosa.power_to_db(power, ref=np.max).T)  # (time, n_mels)
        return frames

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _library(name: str) -> Any:
    """Import it, or say how to install it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError("LogMel needs the library librosa: pip install 'tsseq[audio]'.") from error


def _waveform(recording: Any, i: int, rate: int) -> Array:
    """Samples from -1 to 1 of an array or of a file."""
    if isinstance(recording, (str, os.PathLike)):
        return _read_file(recording, i, rate)
    samples = np.asarray(recording)
    if samples.ndim != 1:
        advice = "pass a list of arrays (samples,); of several channels one, or their mean"
        raise DataError(f"recording {i} of X has shape {samples.shape}; {advice}.")
    if samples.dtype.kind != "f" and samples.dtype not in WHOLE:
        raise DataError(f"recording {i} of X has dtype {samples.dtype}; give numbers from -1 to 1, int16 or int32.")
    if not np.isfinite(samples).all():
        raise DataError(f"recording {i} of X holds NaN or infinity; cut them out, or give 0 for silence.")
    return samples.astype(np.float64) / (1.0 if samples.dtype.kind == "f" else -float(np.iinfo(samples.dtype).min))


def _read_file(path: str | os.PathLike[str], i: int, rate: int) -> Array:
    """The mean of the channels of a file, at ``rate``."""
    librosa, soundfile = _library("librosa"), _library("soundfile")
    try:
        samples, own_rate = soundfile.read(path, always_2d=True)
    except RuntimeError as error:  # of soundfile
        raise DataError(f"recording {i} of X: {error}") from error
    waveform: Array = samples.mean(axis=1)
    return librosa.resample(waveform, orig_sr=own_rate, target_sr=rate) if len(waveform) else waveform
