"""The cache of daily bars: what is written is what is read, or nothing is."""

import os
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tsseq.errors import DataError
from tsseq.prices.cache import COLUMNS, CachedBars, no_bars, open_folder, path_of, read, write

NOW = pd.Timestamp("2024-03-01 12:00", tz="UTC")
HOSTILE = [
    "../x",
    "..",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "CON",
    "nul",
    "^GSPC",
    "BRK-B",
    "C:",
    "x" * 300,
    "\0",
    "Ä",
    "*?",
    " ",
]


@pytest.fixture
def record() -> CachedBars:
    dates = pd.bdate_range("2024-01-02", periods=40, name="time", unit="us")
    values = np.random.default_rng(0).normal(size=(40, len(COLUMNS)))
    values[3, 0] = np.nan
    bars = pd.DataFrame(values, pd.DatetimeIndex(dates, freq=None), list(COLUMNS))
    end = pd.Timestamp("2024-03-01")
    return CachedBars("^GSPC", bars, pd.Timestamp("2024-01-01"), end, pd.Timestamp("2024-03-01 21:30", tz="UTC"))


def same(found, want):
    pd.testing.assert_frame_equal(found.bars, want.bars, check_exact=True)
    assert replace(found, bars=None) == replace(want, bars=None)


@pytest.mark.parametrize("quiet", [pd.Timestamp("2024-03-01 21:30", tz="UTC"), None])
def test_a_record_is_read_as_it_was_written(tmp_path, record, quiet):
    record = replace(record, quiet_until=quiet)
    write(tmp_path, record, NOW)
    same(read(tmp_path, "^GSPC"), record)
    assert read(tmp_path, "GSPC") is None


def test_writing_leaves_the_bars_of_the_caller_as_they_were(tmp_path, record):
    before = record.bars.copy()
    write(tmp_path, record, NOW)
    pd.testing.assert_frame_equal(record.bars, before)
    assert record.bars.attrs == {}


@pytest.mark.parametrize("ticker", HOSTILE)
def test_every_ticker_has_a_file_of_its_own_inside_the_folder(tmp_path, record, ticker):
    folder = tmp_path / "cache"
    folder.mkdir()
    write(folder, replace(record, ticker=ticker), NOW)
    assert [file.parent for file in tmp_path.rglob("*.parquet")] == [folder]
    assert read(folder, ticker).ticker == ticker
    assert len({path_of(folder, name).name.lower() for name in HOSTILE}) == len(HOSTILE)
    assert len(path_of(folder, ticker).name) < 80
    assert path_of(folder, ticker).stem.upper() not in ("CON", "NUL")


def test_any_flipped_bit_and_any_cut_make_the_file_worthless(tmp_path, record):
    write(tmp_path, record, NOW)
    path = path_of(tmp_path, "^GSPC")
    good, rng = path.read_bytes(), np.random.default_rng(1)
    for place in rng.integers(len(good), size=150):
        damaged = bytearray(good)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        if (found := read(tmp_path, "^GSPC")) is not None:
            same(found, record)  # the bit lay in what nobody reads
    for length in (0, 4, 100, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        assert read(tmp_path, "^GSPC") is None
    path.write_bytes(good)
    same(read(tmp_path, "^GSPC"), record)


@pytest.mark.parametrize("change", ["value", "date", "end", "ticker", "format", "columns", "no parquet"])
def test_a_file_that_was_edited_is_not_trusted(tmp_path, record, change):
    write(tmp_path, record, NOW)
    path = path_of(tmp_path, "^GSPC")
    bars = pd.read_parquet(path)
    if change == "value":
        bars.iloc[7, 3] += 1e-12
    elif change == "date":
        bars.index = bars.index[:-1].append(bars.index[-1:] + pd.Timedelta(days=1))
    elif change == "columns":
        bars = bars.drop(columns="splits")
    elif change in bars.attrs:
        bars.attrs[change] = {"end": "2024-04-01T00:00:00", "ticker": "AAPL", "format": 99}[change]
    bars.to_parquet(path)
    if change == "no parquet":
        path.write_text("time,close\n2024-01-02,1.0\n")
    assert read(tmp_path, "^GSPC") is None


def test_a_file_of_another_program_is_not_trusted(tmp_path, record):
    record.bars.to_parquet(path_of(tmp_path, "^GSPC"))
    assert read(tmp_path, "^GSPC") is None


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, record):
    write(tmp_path, record, NOW)
    broken = replace(record, bars=record.bars.assign(close="dear"))
    with pytest.raises(ValueError):
        write(tmp_path, broken, NOW)
    same(read(tmp_path, "^GSPC"), record)
    path = path_of(tmp_path, "^GSPC")
    path.unlink()
    path.mkdir()  # nothing can be put in its place
    with pytest.raises(OSError):
        write(tmp_path, record, NOW)
    assert os.listdir(tmp_path) == [path.name]


def test_readers_beside_a_writer_see_a_whole_file(tmp_path, record):
    records = [record, replace(record, bars=record.bars * 2)]
    write(tmp_path, record, NOW)
    found, over = [], threading.Event()

    def look():
        while not over.is_set():
            found.append(read(tmp_path, "^GSPC"))

    reader = threading.Thread(target=look)
    reader.start()
    for turn in range(60):
        write(tmp_path, records[turn % 2], NOW)
    over.set()
    reader.join()
    assert found
    first = {float(each.bars["close"].iloc[0]) for each in found}  # None would be an AttributeError
    assert first <= {float(each.bars["close"].iloc[0]) for each in records}


def test_a_record_covers_what_it_holds_and_what_cannot_exist_yet(record):
    day = pd.Timestamp
    assert record.covers(day("2024-01-01"), day("2024-03-01"), NOW)
    assert not record.covers(day("2023-12-31"), day("2024-03-01"), NOW)
    assert record.covers(day("2024-01-10"), day("2024-03-05"), NOW)
    assert not record.covers(day("2024-01-10"), day("2024-03-05"), NOW + pd.Timedelta(hours=10))
    assert not replace(record, quiet_until=None).covers(day("2024-01-10"), day("2024-03-02"), NOW)
    assert list(record.between(day("2024-01-03"), day("2024-01-05")).index) == [day("2024-01-03"), day("2024-01-04")]


def test_no_bars_are_bars_too(record):
    pd.testing.assert_frame_equal(no_bars(), record.bars[:0])


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cache_dir .*file cannot be made: .* Name another folder"):
        open_folder(tmp_path / "file")
    assert open_folder(tmp_path / "a" / "b").is_dir()
