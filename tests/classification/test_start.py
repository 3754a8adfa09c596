"""The ridge a classifier starts from: its scores of training sequences are those of fits without them."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tsseq.classification.start import Start, _best_ridge, _left_out_errors, fit_start

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(30, 50))
CODES = np.arange(30) % 3
SIGNS = 2.0 * np.eye(3)[CODES] - 1
STRENGTH = 0.5


def places(n_groups, seed, size=24, length=40):
    """Sequences (n, 2, length) of four classes, by speed and by which channel is loud, each group with its own units.

    >>> places(2, seed=0)[0].shape
    (48, 2, 40)
    """
    random = np.random.default_rng(seed)
    codes, groups = np.tile(np.arange(size) % 4, n_groups), np.repeat(np.arange(n_groups), size)
    speed = np.where(codes % 2, 0.4, 0.25)[:, None] * random.uniform(0.85, 1.15, (len(codes), 1))
    phase = random.uniform(0, 6, (len(codes), 1))
    loud = np.where(codes[:, None] < 2, [1.0, 0.4], [0.4, 1.0])[:, :, None]
    waves = loud * np.sin(speed * np.arange(length) + phase)[:, None]
    noise = random.normal(0, 0.5, waves.shape)
    offset, gain = random.normal(0, 2, (n_groups, 2, 1)), np.exp(random.normal(0, 0.5, (n_groups, 2, 1)))
    return offset[groups] + gain[groups] * (waves + noise), codes, groups


@pytest.mark.parametrize("counts", [np.ones(30), RANDOM.uniform(0.1, 3, 30)], ids=["alike", "weighted"])
@pytest.mark.parametrize("members", [None, np.arange(30) // 5, RANDOM.integers(0, 4, 30)], ids=["rows", "fives", "any"])
def test_errors_left_out_are_those_of_a_ridge_fitted_without(members, counts):
    counts = counts / counts.mean()
    root = np.sqrt(counts)[:, None]
    centred = FEATURES - np.average(FEATURES, axis=0, weights=counts)
    values, vectors = np.linalg.eigh(root * (centred @ centred.T) * root.T)
    alone = np.arange(30) if members is None else members
    expected = np.empty_like(SIGNS)
    for member in np.unique(alone):
        rest = alone != member
        ridge = Ridge(alpha=STRENGTH).fit(centred[rest], SIGNS[rest], sample_weight=counts[rest])
        expected[~rest] = SIGNS[~rest] - ridge.predict(centred[~rest])
    targets = root * (SIGNS - np.average(SIGNS, axis=0, weights=counts))
    found = _left_out_errors(vectors, 1 - STRENGTH / (values.clip(0) + STRENGTH), targets, root, members) / root
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_scores_of_training_sequences_are_as_good_as_those_of_new_ones():
    rows, codes, _ = places(8, seed=0)
    random = np.random.default_rng(0)
    rows, half = rows + random.normal(0, 2, rows.shape), random.permutation(192)
    train, later = half[:96], half[96:]
    start, scores = fit_start(rows[train], codes[train], None, None, 500, seed=0)
    left_out, new, again = (
        (found.argmax(1) == codes[part]).mean()
        for found, part in ((scores, train), (start.scores(rows[later]), later), (start.scores(rows[train]), train))
    )
    assert abs(left_out - new) < 0.15
    assert again > max(left_out, new)


def test_groups_make_scores_honest_about_places_not_seen():
    rows, codes, groups = places(6, seed=0)
    later, truth, _ = places(6, seed=1)
    scale = rows.mean((0, 2), keepdims=True), rows.std((0, 2), keepdims=True)
    rows, later = ((part - scale[0]) / scale[1] for part in (rows, later))
    errors = {}
    for name, members in (("rows", None), ("groups", groups)):
        start, scores = fit_start(rows, codes, None, members, 500, seed=0)
        seen, new = (scores.argmax(1) == codes).mean(), (start.scores(later).argmax(1) == truth).mean()
        errors[name] = seen - new
    assert errors["groups"] < errors["rows"]


def test_more_rows_than_are_solved_for_are_scored_by_the_solution(monkeypatch):
    monkeypatch.setattr("tsseq.classification.start.MOST_ROWS", 30)
    rows, codes, _ = places(4, seed=0)
    start, scores = fit_start(rows, codes, None, None, 200, seed=0)
    again = np.isclose(scores, start.scores(rows)).all(1)
    assert again.sum() == 96 - 30


def test_a_start_is_the_same_after_a_file():
    rows, codes, _ = places(2, seed=0)
    start, _ = fit_start(rows, codes, None, None, 200, seed=0)
    again = Start.from_arrays(start.to_arrays(), n_channels=2, n_classes=4)
    np.testing.assert_array_equal(again.scores(rows), start.scores(rows))
    with pytest.raises(ValueError, match="the array bias is"):
        Start.from_arrays(start.to_arrays(), n_channels=2, n_classes=3)


def test_a_weighted_ridge_is_that_of_repeated_rows():
    random = np.random.default_rng(0)
    features, counts = random.normal(size=(3, 30, 6)), random.integers(1, 4, 30)
    codes = (features[0, :, 0] + random.normal(size=30) > 0).astype(int)
    again = np.repeat(np.arange(30), counts)

    def ridge(rows, weights, members):
        signs = 2.0 * np.eye(2)[codes[rows]] - 1
        blocks = [block[rows] - np.average(features[k][again], axis=0) for k, block in enumerate(features)]
        fit = _best_ridge([block @ block.T for block in blocks], signs, weights, members)
        return [block.T @ fit[1] * share for share, block in zip(fit[0], blocks)], fit[3]

    weighted, left_out = ridge(np.arange(30), counts / counts.mean(), None)
    repeated, left_out_again = ridge(again, np.full(len(again), 30 / len(again)), again)
    np.testing.assert_allclose(left_out[again], left_out_again, atol=1e-9)
    np.testing.assert_allclose(weighted, repeated, atol=1e-9)
