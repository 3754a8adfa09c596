"""LogMel turns recordings into frames that a pipeline reads."""

import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from tsseq import GRU, ConfigError, DataError, LogMel, NeuralClassifier, NeuralTransducer, Training

RATE = 8000


@pytest.fixture
def librosa():
    return pytest.importorskip("librosa")


def tone(pitch, seconds=0.25, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


def frames_of(recording, **options):
    return LogMel(RATE, **options).transform([recording])[0]


def test_a_tone_is_loudest_in_the_band_of_its_pitch(librosa):
    pitches = librosa.mel_frequencies(42, fmax=RATE / 2)[1:-1]  # the middles of 40 bands
    for pitch in (300, 1000, 3000):
        bands = frames_of(tone(pitch))[2:-2].argmax(axis=1)
        assert set(bands) == {np.abs(pitches - pitch).argmin()}


@pytest.mark.usefixtures("librosa")
def test_a_frame_begins_every_hop():
    assert frames_of(tone(500, 1.0)).shape == (101, 40)
    assert frames_of(tone(500, 1.0), hop=0.02, n_mels=20).shape == (51, 20)


@pytest.mark.usefixtures("librosa")
def test_frames_do_not_depend_on_how_loud_a_recording_is():
    np.testing.assert_allclose(frames_of(tone(500)), frames_of(tone(500) / 10), atol=1e-9)


@pytest.mark.usefixtures("librosa")
def test_a_tenth_is_twenty_decibels_less_and_silence_eighty():
    frames = frames_of(np.concatenate([tone(500), tone(500) / 10, np.zeros(RATE)]))  # a quarter of a second each
    np.testing.assert_allclose(frames[[12, 37, 100]].max(axis=1), [0, -20, -80], atol=0.05)


@pytest.mark.usefixtures("librosa")
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_whole_numbers_sound_like_the_numbers_that_they_stand_for(dtype):
    loudest = 1.0 if dtype == np.float32 else -float(np.iinfo(dtype).min)
    noise = 0.1 * np.random.default_rng(0).normal(size=RATE)
    np.testing.assert_allclose(frames_of((noise * loudest).astype(dtype)), frames_of(noise), atol=0.1)


def test_files_are_read_at_the_rate_of_the_frames_and_their_channels_averaged(librosa, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "tone.wav"
    channels = [tone(1000, rate=44_100), tone(3000, rate=44_100)]
    soundfile.write(path, np.stack(channels, axis=1), 44_100)
    frames, array = *LogMel(RATE).transform([str(path)]), frames_of((tone(1000) + tone(3000)) / 2)
    assert frames.shape == array.shape
    loud = array[5:-5] > -40
    np.testing.assert_allclose(frames[5:-5][loud], array[5:-5][loud], atol=0.5)
    np.testing.assert_array_equal(LogMel(RATE).transform([path])[0], frames)


@pytest.mark.usefixtures("librosa")
@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (np.zeros(0), r"recording 1 of X has 0 samples; window=0.025 s at rate=8,000 needs 200"),
        (np.zeros(199), r"recording 1 of X has 199 samples"),
        (np.full(RATE, np.nan), r"recording 1 of X holds NaN or infinity"),
        (np.full(RATE, np.inf), r"recording 1 of X holds NaN or infinity"),
        (np.zeros((RATE, 2)), r"recording 1 of X has shape \(8000, 2\); .* of several channels one, or their mean"),
        (0.5, r"recording 1 of X has shape \(\); pass a list of arrays \(samples,\)"),
        (np.zeros(RATE, dtype=np.uint8), r"recording 1 of X has dtype uint8; give numbers from -1 to 1, int16 or"),
        (["a"], r"recording 1 of X has dtype <U1"),
        ("nowhere.wav", r"recording 1 of X: Error opening 'nowhere.wav'"),
    ],
)
def test_what_is_not_a_recording_is_refused_with_its_number(recording, message):
    with pytest.raises(DataError, match=message):
        LogMel(RATE).transform([tone(500), recording])


@pytest.mark.usefixtures("librosa")
def test_an_empty_file_and_a_path_alone_are_refused(tmp_path):
    path = tmp_path / "nothing.wav"
    pytest.importorskip("soundfile").write(path, np.zeros(0), 44_100)
    with pytest.raises(DataError, match="recording 0 of X has 0 samples"):
        LogMel().transform([path])
    with pytest.raises(DataError, match=r"nothing.wav' is one recording; pass a list"):
        LogMel().transform(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 16_000.5}, r"LogMel\(rate=16000.5\) must be a whole number from 1,000 to 1,000,000"),
        ({"n_mels": 0}, r"LogMel\(n_mels=0\) must be a whole number from 1 to 1,024"),
        ({"hop": 10}, r"LogMel\(hop=10\) must be a number from 0.001 to 1"),
    ],
)
def test_parameters_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LogMel(**options).fit([])


@pytest.mark.parametrize("library", ["librosa", "soundfile"])
def test_without_the_library_it_says_what_to_install(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=r"pip install 'tsseq\[audio\]'"):
        LogMel().transform([tone(500), "tone.wav"] if library == "librosa" else ["tone.wav"])


def test_it_is_cloned_and_pickled_and_needs_no_fit():
    mel = LogMel(RATE, hop=0.02)
    assert clone(mel).get_params() == pickle.loads(pickle.dumps(mel)).get_params() == mel.get_params()
    check_is_fitted(mel)


@pytest.fixture(scope="module")
def melodies():
    """Noisy high and low tones of unequal length, one to three in a recording."""
    random = np.random.default_rng(0)
    notes = ["".join(random.choice(list("hl"), random.integers(1, 4))) for _ in range(60)]
    parts = [[tone(1200 if note == "h" else 400, random.uniform(0.1, 0.2)) for note in text] for text in notes]
    gaps = [np.concatenate([wave for part in row for wave in (part, np.zeros(400))]) for row in parts]
    return [gap + 0.05 * random.normal(size=len(gap)) for gap in gaps], notes


@pytest.mark.usefixtures("librosa")
def test_a_classifier_hears_recordings_in_a_pipeline(melodies):
    X, notes = melodies
    begins = [text[0] for text in notes]
    training = Training(max_steps=30, learning_rate=0.01, verbose=False)
    network = GRU(8, segment_length=4)
    model = make_pipeline(LogMel(RATE, hop=0.02), NeuralClassifier(network, training, n_convolutions=0))
    assert model.fit(X[:40], begins[:40]).score(X[40:], begins[40:]) > 0.9


@pytest.mark.usefixtures("librosa")
def test_a_transducer_writes_down_recordings_in_a_pipeline_as_their_frames(melodies):
    X, notes = melodies
    mel, writer = LogMel(RATE, hop=0.02), NeuralTransducer(training=Training(max_steps=2, verbose=False), loss="ctc")
    model = make_pipeline(mel, writer).fit(X[:20], notes[:20])
    again = clone(writer).fit(mel.transform(X[:20]), notes[:20])
    assert model.predict(X[20:]) == again.predict(mel.transform(X[20:]))
    assert model.score(X[20:], notes[20:]) == again.score(mel.transform(X[20:]), notes[20:])
