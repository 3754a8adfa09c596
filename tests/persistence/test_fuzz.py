"""Thousands of files that are nearly models: each is refused, or is the model that was saved, or forecasts numbers.

    python -m pytest tests/persistence/test_fuzz.py -m proof --junitxml=fuzz.xml

draws 10,000 of them and notes what the dearest one took, in seconds of the processor and in memory.
"""

import json
import resource
import struct
import zipfile
from collections import Counter
from io import BytesIO
from time import process_time

import numpy as np
import pytest
import safetensors.numpy
from model_files import archive, damaged, damaged_configs, write_content
from write_golden import GOLDEN, predictions

import tsseq
from tsseq.errors import ModelFileError, TsseqError
from tsseq.persistence.container import dump_json, parse_json, read

MODELS = json.loads((GOLDEN / "v2" / "expected.json").read_text())["models"]
NAMES, LEVELS = tuple(MODELS), {name: model["levels"] for name, model in MODELS.items()}
SEED, PIECE, N_PIECES = 20261122, 1000, 10
VALUES = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e300, -1e300, 2**62, 1e-300)
NUMBERS = (-1, 0, 1, 2, 0.5, 10**5, 10**7, 10**12, 2**63, 1e300, -1e300)
TEXTS = ("", "x", "category", "os.system", "1000000000D", "0D", "-1D", "../../etc/passwd", "x" * 10_000)
STRANGE = (
    *(None, True, False, *NUMBERS, *TEXTS),
    *([], {}, [[]], [None], [0] * 1000, {"x": 1}, {"tuple": []}, {"dict": []}),
    *({"offset": "100000YE"}, {"nanoseconds": 0, "unit": "ns"}, {"nanoseconds": -1, "unit": "s"}),
    *({"kind": "Training", "arguments": {}}, {"index": [], "dtype": "str", "name": None}),
)


def changed_config(members, rng):
    """One value of the JSON changed for one that is none of its kind, or moved, lost or added."""
    config = parse_json(members["config.json"])
    if rng.random() < 0.4:
        (config,) = damaged_configs(config, rng, 1)
    else:
        parent = config
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            if not keys:
                return members
            key = keys[rng.integers(len(keys))]
            if not isinstance(parent[key], (dict, list)) or not parent[key] or rng.random() < 0.15:
                break
            parent = parent[key]
        strange = STRANGE[rng.integers(len(STRANGE))]
        if isinstance(parent, dict) and rng.random() < 0.15:
            parent[str(strange)[:20]] = strange
        else:
            parent[key] = strange
    return members | {"config.json": dump_json(config)}


def changed_arrays(members, rng):
    """One array with other values, of another shape or dtype, lost, renamed, or in another's place."""
    arrays = dict(sorted(safetensors.numpy.load(members["arrays.safetensors"]).items()))  # read in any order
    names = list(arrays)
    name, other = (names[rng.integers(len(names))] for _ in range(2))
    array, kind = arrays[name].copy(), rng.integers(7)
    if kind < 3 and array.size:
        value = VALUES[rng.integers(len(VALUES))]
        places = slice(None) if kind == 0 else rng.integers(array.size, size=kind)
        with np.errstate(all="ignore"):
            array.reshape(-1)[places] = np.array(value).astype(array.dtype)
        arrays[name] = array
    elif kind == 3:
        arrays[name] = array[..., None] if rng.random() < 0.5 else array.reshape(-1)[: array.size // 2]
    elif kind == 4:
        arrays[name] = array.astype(("f2", "f4", "f8", "i4", "i8", "u1", "?")[rng.integers(7)])
    elif kind == 5:
        arrays[name], arrays[other] = arrays[other], arrays[name]
    else:
        content = arrays.pop(name)
        if rng.random() < 0.5:
            arrays[f"{name}x"] = content
    content = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
    return members | {"arrays.safetensors": safetensors.numpy.save(content)}


def tricks(content, members, rng):
    """An archive that is not what `save` writes: more members, packed ones, other sizes, something before or after."""
    kind = rng.integers(7)
    if kind == 0:
        return rng.bytes(rng.integers(1, 99)) + content
    if kind == 1:
        return content + rng.bytes(rng.integers(1, 99))
    if kind == 2:  # a number of the table of members
        at = int.from_bytes(content[-6:-2], "little") + int(rng.integers(len(content) // 20))
        at = min(at, len(content) - 5)
        return content[:at] + struct.pack("<L", int(rng.integers(2**32))) + content[at + 4 :]
    buffer, items = BytesIO(), list(members.items())
    if kind == 3:
        archive(buffer, items, zipfile.ZIP_DEFLATED)
    elif kind == 4:
        extra = ("../x", "/tmp/x", "x" * 60_000, "CONFIG.JSON", "weights.pkl")[rng.integers(5)]
        archive(buffer, [*items, (extra, b"{}")])
    elif kind == 5:
        archive(buffer, [*items, *((f"{k}", b"") for k in range(300))])
    else:
        manifest = {"members": ([], None, "x", {}, 3, [[]])[rng.integers(6)], "format_version": int(rng.integers(4))}
        archive(buffer, items, **manifest)
    return buffer.getvalue()


def mutant(content, members, rng):
    """Whether the digests were made anew, and the bytes of a file that is nearly the one in ``content``."""
    kind = rng.integers(10)
    if kind < 3:
        return False, damaged(content, rng)
    if kind < 4:
        return False, tricks(content, members, rng)
    return True, write_content((changed_config if kind < 8 else changed_arrays)(members, rng))


def outcome(path, want, signed):
    """What became of a file: "refused", "the same" or, of those that were signed anew, "another"; else an assertion."""
    try:
        model = tsseq.load(path)
    except ModelFileError as error:
        return "refused" if len(str(error)) < 2000 else "refused at length"
    try:
        got = predictions(model, want["levels"])
    except TsseqError:
        assert signed
        return "no forecast"
    if got == want["predictions"]:
        return "the same"
    assert signed, "a damaged file was loaded as something else"
    columns = got["columns"].values() if isinstance(got, dict) else [got]
    assert all(np.isfinite(np.asarray(column, dtype=float)).all() for column in columns)
    return "another"


def fuzz(folder, names, seed, n):
    """The outcomes of ``n`` files; seconds of the processor that the dearest took, and MB beyond the idle process."""
    rng, outcomes, seconds = np.random.default_rng(seed), Counter(), 0.0
    contents = {name: (GOLDEN / "v2" / f"{name}.tsseq").read_bytes() for name in names}
    path = folder / "model.tsseq"
    wants = {}
    for name, content in contents.items():
        path.write_bytes(content)
        model, levels = tsseq.load(path), LEVELS[name]
        wants[name] = {"levels": levels, "predictions": predictions(model, levels)}
    members = {name: read(GOLDEN / "v2" / f"{name}.tsseq")[1] for name in names}
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(n):
        name = names[rng.integers(len(names))]
        signed, file = mutant(contents[name], members[name], rng)
        path.write_bytes(file)
        begin = process_time()
        outcomes[outcome(path, wants[name], signed)] += 1
        seconds = max(seconds, process_time() - begin)
    return outcomes, seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_is_nearly_a_model_is_refused_or_forecasts_numbers(tmp_path):
    outcomes, _, _ = fuzz(tmp_path, NAMES, SEED, 300)
    assert sum(outcomes.values()) == 300
    assert outcomes["refused"] > 150
    assert not outcomes["refused at length"]


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("piece", range(N_PIECES))
def test_ten_thousand_files_that_are_nearly_models(tmp_path, record_property, piece):
    outcomes, seconds, megabytes = fuzz(tmp_path, NAMES, [SEED, piece], PIECE)
    record_property("figures", f"{dict(outcomes)}; at most {seconds:.2f} s of the processor, {megabytes:.0f} MB")
    assert sum(outcomes.values()) == PIECE
    assert not outcomes["refused at length"]
