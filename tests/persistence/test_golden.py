"""Files of every format that was ever written load to the same arrays and the same predictions."""

import json
import zipfile
from hashlib import sha256

import numpy as np
import pytest
import safetensors.numpy
from model_files import archive, damaged_configs
from write_golden import GOLDEN, predictions

import tsseq
from tsseq.errors import ModelFileError
from tsseq.persistence.container import FORMAT, dump_json, parse_json, read
from tsseq.persistence.loading import UPGRADES
from tsseq.persistence.state import pack

EXPECTED = {
    path: expected
    for folder in sorted(GOLDEN.iterdir())
    for name, expected in json.loads((folder / "expected.json").read_text())["models"].items()
    for path in [folder / f"{name}.tsseq"]
}
every_file = pytest.mark.parametrize("path", EXPECTED, ids=lambda path: f"{path.parent.name}-{path.stem}")


def digests(arrays):
    """What the arrays hold, whatever they are called."""
    return sorted(sha256(repr((x.dtype.str, x.shape)).encode() + x.tobytes()).hexdigest() for x in arrays.values())


@every_file
def test_a_golden_file_loads_to_the_same_arrays_bit_for_bit(path):
    written = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".safetensors"):
                arrays = safetensors.numpy.load(archive.read(member))
                written |= {f"{member}/{name}": array for name, array in arrays.items()}
    _, loaded = pack(tsseq.load(path).to_state(), {})
    assert digests(loaded) == digests(written)
    assert len(written) > 5


@every_file
def test_a_golden_file_predicts_what_it_did_when_it_was_written(path):
    expected = EXPECTED[path]
    predicted = predictions(tsseq.load(path), expected["levels"])
    if not isinstance(predicted, dict):
        np.testing.assert_allclose(predicted, expected["predictions"], rtol=1e-6)
        return
    assert predicted["index"] == expected["predictions"]["index"]
    assert list(predicted["columns"]) == list(expected["predictions"]["columns"])
    for name, column in expected["predictions"]["columns"].items():
        np.testing.assert_allclose(predicted["columns"][name], column, rtol=1e-6)


@every_file
def test_a_golden_file_that_is_saved_again_predicts_the_same_bits(path, tmp_path):
    model, levels = tsseq.load(path), EXPECTED[path]["levels"]
    model.save(tmp_path / "again.tsseq")
    assert predictions(tsseq.load(tmp_path / "again.tsseq"), levels) == predictions(model, levels)


@pytest.mark.parametrize("name", ["conformal_ensemble", "lstm_covariates", "ens"])
def test_an_old_config_with_anything_lost_or_changed_is_loaded_or_a_model_file_error(tmp_path, name):
    """Digests are made anew; whatever an old config says, nothing else is raised."""
    version, members = read(GOLDEN / "v1" / f"{name}.tsseq")
    refused = 0
    for changed in damaged_configs(parse_json(members["config.json"]), np.random.default_rng(2), 100):
        content = members | {"config.json": dump_json(changed)}
        path = archive(tmp_path / "model.tsseq", content.items(), format_version=version)
        try:
            tsseq.load(path)
        except ModelFileError:
            refused += 1
    assert refused > 30


def test_every_format_has_golden_files_and_a_way_to_the_present_one():
    assert {folder.name for folder in GOLDEN.iterdir()} == {f"v{number}" for number in range(1, FORMAT + 1)}
    assert UPGRADES.keys() == set(range(1, FORMAT))
    assert {path for path in GOLDEN.glob("*/*.tsseq")} == set(EXPECTED)
