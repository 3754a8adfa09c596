"""What follows from rows before an origin is what each context, read alone, says."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tsseq import Forecaster, LastValue
from tsseq.data import contexts as module
from tsseq.data.contexts import ends_at, moments_at, pieces
from tsseq.data.layout import Layout
from tsseq.data.panel import Panel
from tsseq.data.scaling import Scaling
from tsseq.data.schema import Schema
from tsseq.data.windows import Windows

LAYOUT = Layout(4, 1)
OFFSETS = [0.0, 1e8, -3e11]


def constant(context):
    """The value of a context whose observed values are one number, up to rounding; else NaN."""
    seen = context[np.isfinite(context)]
    if len(seen) and np.ptp(seen) <= 1e-12 * np.abs(seen).max():
        return seen[-1]
    return np.nan


def rms_change(values, horizon):
    """Root mean square of the changes over 1 to horizon rows."""
    changes = [values[h:] - values[:-h] for h in range(1, min(horizon, len(values) - 1) + 1)]
    changes = np.concatenate([*changes, []])
    return np.sqrt(np.nanmean(changes**2)) if np.isfinite(changes).any() else 0.0


def moments_of(seen, kind):
    """Location and scale of observed values that are standardised, divided by their mean size, or left alone."""
    if kind == "none" or len(seen) == 0:
        return 0.0, 1.0
    steps = seen - seen[-1]  # which a level makes no less exact
    return (seen[-1] + steps.mean(), steps.std()) if kind == "standard" else (0.0, np.abs(seen).mean())


def last_of(context):
    seen = context[np.isfinite(context)]
    return seen[-1] if len(seen) else np.nan


@st.composite
def columns(draw):
    """Steps, stretches that stay, tiny moves and holes, around a level."""
    n = draw(st.integers(12, 80))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    steps = random.normal(size=n) * (random.random(n) < draw(st.sampled_from([0.0, 0.1, 1.0])))
    level = draw(st.sampled_from(OFFSETS))
    tiny = np.spacing(level) * random.integers(0, 3, n) * draw(st.booleans())
    column = level + steps.cumsum() + tiny
    column[random.random(n) < draw(st.sampled_from([0.0, 0.2, 0.9]))] = np.nan
    return column


@given(column=columns(), length=st.integers(1, 12), block=st.integers(1, 30), few=st.booleans())
def test_contexts_are_described_as_they_read(column, length, block, few):
    origins = np.arange(length - 1, len(column))[:: 7 if few else 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        ends = ends_at(column, origins, length)
    contexts = [column[origin - length + 1 : origin + 1] for origin in origins]
    seen = [context[np.isfinite(context)] for context in contexts]
    assert_array_equal(ends.last, [last_of(context) for context in contexts])
    assert_array_equal(ends.changes, [len(set(values)) > 1 for values in seen])
    assert_array_equal(ends.varies, [len(v) > 0 and np.isnan(constant(v)) for v in seen])


@given(column=columns(), length=st.integers(1, 12), block=st.integers(1, 30), few=st.booleans(), leap=st.booleans())
def test_moments_are_those_of_each_context_alone(column, length, block, few, leap):
    if leap:
        column[len(column) // 2] = 1e14
    origins = np.arange(length - 1, len(column))[:: 7 if few else 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        mean, deviation = moments_at(column, origins, length)
    for origin, *moments in zip(origins, mean, deviation):
        context = column[origin - length + 1 : origin + 1]
        seen = context[np.isfinite(context)]
        want = moments_of(seen, "standard") if len(seen) else (0.0, 0.0)
        assert_allclose(moments, want, rtol=1e-9, atol=1e-300 + (1e-14 * np.ptp(seen) if len(seen) else 0))


def panel_frame(series, names=("y",)):
    parts = {}
    for k, targets in enumerate(series):
        days = pd.date_range("2024-01-01", periods=len(targets[0]))
        parts[f"s{k}"] = pd.DataFrame(dict(zip(names, targets)), days)
    return pd.concat(parts, names=["id", "day"])


@given(
    lengths=st.lists(st.integers(7, 30), min_size=1, max_size=4),
    context_length=st.integers(1, 4),
    horizon=st.integers(1, 3),
    joint=st.booleans(),
    kind=st.sampled_from(["last", "standard", "mean", "none"]),
    data=st.data(),
)
def test_the_scale_of_every_window_is_that_of_its_context(lengths, context_length, horizon, joint, kind, data):
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    level, holes = data.draw(st.sampled_from(OFFSETS)), data.draw(st.sampled_from([0.0, 0.2]))
    series = [level + random.integers(-1, 2, (2, n)).cumsum(axis=1) * 1.5 for n in lengths]
    for values in series:
        values[random.random(values.shape) < holes] = np.nan
        values[:, 0] = level  # something is observed
    frame = panel_frame(series, ("y", "z"))
    model = Forecaster(
        LastValue(), horizon, context_length, target=["y", "z"], scaling=kind, calendar="D",
        multivariate="joint" if joint else "independent",
    )  # fmt: skip
    windows = model.windows(frame)
    learnt = np.array([[rms_change(target, horizon) for target in values] for values in series])
    assert_allclose(windows.scaling.scale, learnt, rtol=1e-9)
    groups = [(0, 1)] if joint else [(0,), (1,)]
    rows = [
        (k, targets, first)
        for targets in groups
        for k, n in enumerate(lengths)
        for first in range(n - context_length - horizon + 1)
    ]
    loc, scale, still, usable = [], [], [], []
    for k, targets, first in rows:
        contexts = [series[k][target, first : first + context_length] for target in targets]
        after = slice(first + context_length, first + context_length + horizon)
        if kind == "last":
            loc.append([last_of(context) for context in contexts])
            own = [rms_change(context, horizon) for context in contexts]
            sizes = [learnt[k, target] or change for target, change in zip(targets, own)]
        else:
            seen = [context[np.isfinite(context)] for context in contexts]
            moments = [moments_of(values, kind) for values in seen]
            loc.append([centre for centre, _ in moments])
            sizes = [size for _, size in moments]
        scale.append([size or 1.0 for size in sizes])
        still.append([constant(context) if context_length > 1 else np.nan for context in contexts])
        usable.append(bool(np.isnan(still[-1]).any() and np.isfinite(loc[-1]).all()
                           and np.isfinite(series[k][list(targets), after]).any()))  # fmt: skip
    near = {"rtol": 1e-12, "atol": 1e-12} if kind in ("standard", "mean") else {"rtol": 0}
    assert_allclose(windows.affine.loc, loc, **near)
    assert_array_equal(windows.trainable(), usable)
    if context_length > 1:
        assert_array_equal(windows.affine.constant, still)
    varies = np.isnan(still) & np.isfinite(loc)
    assert_allclose(windows.affine.scale[varies], np.array(scale)[varies], rtol=1e-9)
    assert_array_equal(windows[::-1].affine.loc, windows.affine.loc[::-1])
    assert_array_equal(windows[::-1].affine.scale, windows.affine.scale[::-1])


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    horizon=st.integers(1, 40),
    level=st.sampled_from(OFFSETS),
    holes=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1000),
)
def test_learnt_scales_are_those_of_every_series_alone(lengths, horizon, level, holes, seed):
    random = np.random.default_rng(seed)
    series = [level + random.normal(size=(1, n)).cumsum(axis=1) for n in lengths]
    for values in series:
        values[random.random(values.shape) < holes] = np.nan
    panel = Panel.from_frame(panel_frame(series), Schema(), "D")
    scaling = Scaling.learn(panel, "last", log=False, horizon=horizon)
    lags = np.unique(np.linspace(1, horizon, min(horizon, 24)).astype(int))
    want = []
    for (values,) in series:
        changes = np.concatenate([values[lag:] - values[:-lag] for lag in lags if lag < len(values)] or [[np.nan]])
        want.append(np.sqrt(np.nanmean(changes**2)) if np.isfinite(changes).any() else 0.0)
    assert_allclose(scaling.scale[:, 0], want, rtol=1e-9)
    spread = np.array([np.nanstd(v) if np.isfinite(v).any() else 0.0 for v in series])
    moves = (np.array(want) > 0) & (spread > 0)
    if moves.any():
        weight = np.array(want)[moves] / spread[moves]
        assert_allclose(scaling.weight[moves, 0], weight / weight.mean(), rtol=1e-6 if level else 1e-9)
    assert (scaling.weight[~moves] == 1).all()


def test_pieces_cover_all_rows_and_are_bounded_by_bytes():
    for width in (1, 1000, 10**9):
        parts = list(pieces(10_000, width))
        assert [row for part in parts for row in range(part.start, part.stop)] == list(range(10_000))
        assert max(part.stop - part.start for part in parts) * width * 8 <= max(module.PIECE, 8 * width)
    assert list(pieces(0, 5)) == []


class TestTargetRange:
    def windows(self, values, scaling="none", **options):
        return Forecaster(LastValue(), 2, 3, scaling=scaling, **options).windows(values)

    def test_rows_that_are_never_targets_do_not_count(self):
        values = pd.Series([-9.0, 99.0, 1.0, 2.0, 4.0, 3.0, np.nan])
        assert self.windows(values).target_range() == (2.0, 4.0)
        assert self.windows(values)[:1].target_range() == (2.0, 4.0)
        assert self.windows(values)[[1]].target_range() == (3.0, 4.0)

    def test_it_is_that_of_the_targets_where_nothing_is_scaled(self):
        frame = panel_frame([np.random.default_rng(k).normal(size=(2, 12)) for k in range(3)], ("y", "z"))
        windows = self.windows(frame, target=["y", "z"])
        for part in (windows, windows[::3], windows[-4:]):
            targets = np.asarray(part.targets())
            assert part.target_range() == (targets.min(), targets.max())

    def test_it_is_on_the_same_side_of_bounds_where_windows_are_divided_by_their_mean(self):
        small = 1e-15 * (1 + np.random.default_rng(0).random((1, 20)))
        windows = self.windows(panel_frame([small, small * 1e30]), "mean")
        low, _ = windows.target_range()
        assert 1e-12 < low <= np.asarray(windows.targets()).min()
        assert self.windows(panel_frame([small, -small]), "mean").target_range()[0] < 0

    def test_it_is_that_of_other_targets(self):
        windows = Windows.of_rows(np.ones((3, 4)), np.array([5.0, np.nan, -1.0]), LAYOUT)
        assert windows.target_range() == (-1.0, 5.0)
        turned = windows.with_targets(np.array([7.0, 8.0, 9.0]))
        assert turned.target_range() == (7.0, 9.0)
