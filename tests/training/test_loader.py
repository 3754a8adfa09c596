"""Batches by index: the same rows as NumPy gathers, each once, however many ranks there are."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch

from tsseq import Forecaster, LastValue, make_series
from tsseq.data.layout import Layout
from tsseq.data.windows import Windows
from tsseq.training.loader import DeviceRows, Loader, epoch_plan

CPU = torch.device("cpu")


def panel_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.date_range("2020", periods=40)
    parts = []
    for name, size in (("b", 1.0), ("a", 50.0)):
        part = pd.DataFrame(
            {"unique_id": name, "ds": days, "y": size * rng.normal(size=40).cumsum(), "other": rng.normal(size=40)}
        )
        parts.append(part.assign(x=rng.normal(size=40), k=rng.normal(size=40), s=size))
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[[5, 60], "y"] = np.nan
    return frame


@pytest.mark.parametrize("multivariate", ["independent", "joint"])
def test_tensors_gather_what_numpy_gathers(multivariate):
    roles = {"target": ["y", "other"], "past": "x", "known": "k", "static": "s", "multivariate": multivariate}
    windows = Forecaster(LastValue(), 3, 8, **roles).windows(panel_frame())
    rows = DeviceRows(windows, CPU)
    picked = np.random.default_rng(1).permutation(len(windows))[:30]
    batch, target, _ = rows.batch(torch.from_numpy(picked), training=True)
    x, y = windows.gather(picked)
    layout, length = windows.layout, windows.layout.context_length
    seen = torch.from_numpy(np.isfinite(x[:, : length * layout.n_targets]))
    assert torch.equal(batch.observed.target.mT.flatten(1).bool(), seen)
    np.testing.assert_allclose(batch.values.target.mT.flatten(1), np.nan_to_num(x[:, : seen.shape[1]]), rtol=1e-6)
    np.testing.assert_allclose(batch.values.static, x[:, -1:], rtol=1e-6)
    np.testing.assert_allclose(batch.values.known[..., 0], x[:, -12:-1], rtol=1e-5)
    np.testing.assert_allclose(target.flatten(1), y, rtol=1e-5)
    np.testing.assert_array_equal(batch.codes, windows.codes[picked])
    np.testing.assert_allclose(batch.future, target.nan_to_num(0.0))


def test_targets_to_come_are_in_the_batch_only_while_training():
    windows = Forecaster(LastValue(), 3, 8).windows(make_series("random_walk", 50))
    rows = DeviceRows(windows, CPU)
    assert rows.batch(torch.arange(4), training=False)[0].future is None
    assert rows.batch(torch.arange(4), training=True)[0].future is not None


def rows_of(n: int) -> DeviceRows:
    return DeviceRows(Windows.of_rows(np.arange(n, dtype=float)[:, None], np.arange(n), Layout(1, 1)), CPU)


def seen_rows(loader: Loader) -> list[int]:
    return [int(value) for piece in chain.from_iterable(loader) if piece.share for value in piece.target.flatten()]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 7, 16, 17, 900, 1001])
def test_validation_rows_are_divided_between_ranks_without_repeats(n, world):
    loaders = [Loader(rows_of(n), np.arange(n), 16, None, rank, world) for rank in range(world)]
    assert len({len(loader) for loader in loaders}) == 1
    pieces = [list(loader) for loader in loaders]
    assert len({len(part) for part in pieces}) == 1
    assert sorted(row for loader in loaders for row in seen_rows(loader)) == list(range(n))


@pytest.mark.parametrize("world", [1, 2])
def test_an_epoch_sees_every_training_row_once(world):
    n = 1001
    loaders = [Loader(rows_of(n), np.arange(n), 16, 0, rank, world) for rank in range(world)]
    assert sorted(row for loader in loaders for row in seen_rows(loader)) == list(range(n))


def test_few_rows_are_drawn_again_to_fill_fifty_steps():
    loader = Loader(rows_of(100), np.arange(100), 256, 0)
    drawn = seen_rows(loader)
    assert len(loader) == 50
    assert np.bincount(drawn).tolist() == [8] * 100


def test_epochs_are_shuffled_anew_and_repeat_with_the_seed():
    loader, again = (Loader(rows_of(64), np.arange(64), 16, 3) for _ in range(2))
    first, second = seen_rows(loader), seen_rows(loader)
    assert first != second
    assert (seen_rows(again), seen_rows(again)) == (first, second)


def test_shares_average_to_one_over_ranks():
    loaders = [Loader(rows_of(33), np.arange(33), 16, None, rank, 2) for rank in range(2)]
    assert np.mean([[piece.share for (piece,) in loader] for loader in loaders], axis=0).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("n", [33, 900])
def test_pieces_of_a_batch_have_its_rows_and_its_share(n, world):
    whole = [[Loader(rows_of(n), np.arange(n), 16, 0, rank, world, k) for rank in range(world)] for k in (1, 3)]
    assert sorted(chain(*map(seen_rows, whole[0]))) == sorted(chain(*map(seen_rows, whole[1])))
    for batches in zip(*whole[1]):
        assert len({len(pieces) for pieces in batches}) == 1
        assert sum(piece.share for pieces in batches for piece in pieces) == pytest.approx(world)


def test_pieces_count_as_many_values_as_are_observed_in_them():
    y = np.where(np.arange(12) < 5, np.nan, 1.0)
    rows = DeviceRows(Windows.of_rows(np.ones((12, 1)), y, Layout(1, 1)), CPU)
    (pieces,) = Loader(rows, np.arange(12), 12, None, n_pieces=3)
    assert [piece.share for piece in pieces] == pytest.approx([0, 3 / 7, 4 / 7])


@pytest.mark.parametrize(
    ("n", "batch", "expected"), [(10**6, 256, (256, 3907)), (3000, 256, (60, 50)), (10, 4, (4, 50))]
)
def test_epoch_plan(n, batch, expected):
    assert epoch_plan(n, batch) == expected
