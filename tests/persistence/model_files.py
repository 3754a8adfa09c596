"""What the tests of model files share."""

import json
import zipfile
from copy import deepcopy
from hashlib import sha256
from io import BytesIO

import numpy as np
import pandas as pd
import torch
from torch import nn

from tsseq import Training
from tsseq.networks import Network

QUICK = Training(max_epochs=1, max_steps=3, verbose=False)
DAYS = pd.date_range("2024-01-01", periods=80, name="day")
WALK = np.random.default_rng(1).normal(size=(80, 3)).cumsum(axis=0) + 50
CHILD = """
import pathlib, sys
import pandas as pd
import tsseq

for path in map(pathlib.Path, sys.argv[1:]):
    model = tsseq.load(path)
    given = pd.read_pickle(path.with_suffix(".given"))
    found = {"fitted": model.predict(future=given["future"], levels=given["levels"])}
    found["frame"] = model.predict(given["frame"], future=given["future"], levels=given["levels"])
    pd.to_pickle(found, path.with_suffix(".found"))
"""


def assert_forecasts_equal(found, want):
    """The same bits, in a Series or in a frame."""
    assert type(found) is type(want)
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(want), check_exact=True)


def shop():
    """Two series with a covariate that is known in advance."""
    promo = np.random.default_rng(2).normal(size=80)
    series = {
        name: pd.DataFrame({"sales": level + promo, "promo": promo}, DAYS) for name, level in (("z", 5), ("b", 50))
    }
    return pd.concat(series, names=["id", "day"])


class Average(Network):
    """A network of the user's own, with a buffer that is not saved with its state."""

    def __init__(self, width: int = 3, note: str = "mine") -> None:
        self.width = width
        self.note = note

    def build(self, layout, n_params):
        return AverageNet(self.width, layout, n_params)


class AverageNet(nn.Module):
    def __init__(self, width, layout, n_params):
        super().__init__()
        self.shape = (layout.horizon, layout.n_targets, n_params)
        self.register_buffer("share", torch.full((layout.context_length,), 1 / layout.context_length), persistent=False)
        self.read = nn.Sequential(
            nn.Linear(1, width), nn.BatchNorm1d(width), nn.Linear(width, int(np.prod(self.shape)))
        )

    def forward(self, batch):
        mean = (batch.values.target[..., 0] * self.share).sum(1, keepdim=True)
        return self.read(mean).unflatten(1, self.shape)


def damaged(content, rng):
    """One truncation, flipped bit or overwritten stretch."""
    kind, at = rng.integers(3), int(rng.integers(len(content)))
    if kind == 0:
        return content[:at]
    changed = bytearray(content)
    if kind == 1:
        changed[at] ^= 1 << int(rng.integers(8))
    else:
        piece = rng.bytes(int(rng.integers(1, 64)))
        changed[at : at + len(piece)] = piece[: len(content) - at]
    return bytes(changed)


def archive(path, content_of, method=zipfile.ZIP_STORED, **manifest):
    """A file as `write` makes it, with whatever members and manifest."""
    digests = {name: {"size": len(content), "sha256": sha256(content).hexdigest()} for name, content in content_of}
    about = {"format": "tsseq-model", "format_version": 2, "written_by": {"tsseq": "9.9"}, "members": digests}
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in [("manifest.json", json.dumps(about | manifest)), *content_of]:
            file.writestr(zipfile.ZipInfo(name), content, method)  # of 1980, whenever it is written
    return path


def write_content(members):
    """The bytes of a file as `save` writes it, with digests of these members."""
    buffer = BytesIO()
    archive(buffer, members.items())
    return buffer.getvalue()


def nodes(value, path=()):
    """The paths to everything in JSON."""
    yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nodes(part, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def damaged_configs(config, rng, n):
    """``n`` copies of JSON with one thing in it lost, or something else in its place."""
    places = [place for place in nodes(config) if place]
    for _ in range(n):
        changed, place = deepcopy(config), places[rng.integers(len(places))]
        parent, value = at(changed, place[:-1]), at(config, places[rng.integers(len(places))])
        if rng.random() < 0.2:
            del parent[place[-1]]
        else:
            values = [value, None, -1, 0, 1e300, "x", [], {}, True, 10**12]
            parent[place[-1]] = values[rng.integers(len(values))]
        yield changed
