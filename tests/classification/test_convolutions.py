"""Features of sequences say how often kernels respond, whatever the level and however sequences are filled up."""

import numpy as np
import pytest

from tsseq.classification.convolutions import KERNELS, Convolutions, filled, statistics

ROWS = np.random.default_rng(0).normal(size=(12, 2, 30))
CONVOLUTIONS = Convolutions.of(ROWS, n_features=400, seed=0)


def by_hand(row, channels, dilation, kernel):
    """Responses of a kernel to one sequence (n_channels, length), continued by its first and last values."""
    reach = 4 * dilation
    whole = np.pad(row[channels > 0].sum(0), reach, mode="edge")
    return np.array([whole[i : i + 2 * reach + 1 : dilation] @ kernel for i in range(row.shape[1])])


def test_there_are_84_kernels_that_a_level_leaves_cold():
    assert len({tuple(kernel) for kernel in KERNELS}) == 84
    assert (KERNELS.sum(1) == 0).all()


@pytest.mark.parametrize(("dilation", "kernel"), [(0, 0), (1, 41)])
def test_a_feature_is_the_share_of_steps_above_a_threshold(dilation, kernel):
    responses = by_hand(ROWS[3], CONVOLUTIONS.channels[0, dilation, kernel], 2**dilation, KERNELS[kernel])
    n = CONVOLUTIONS.thresholds.shape[3]
    share = (responses > CONVOLUTIONS.thresholds[0, dilation, kernel, 0] + 1e-4).mean()
    feature = CONVOLUTIONS.features(ROWS)[0][3, (dilation * 84 + kernel) * n]
    assert feature == pytest.approx(share, abs=1e-6)


def test_thresholds_spread_over_the_responses():
    raw = CONVOLUTIONS.features(ROWS)[0]
    assert 0.4 < raw.mean() < 0.6
    assert raw.mean(0).std() > 0.2


def test_a_level_changes_no_convolution_and_a_gain_none_of_sequences_by_themselves():
    raw, alone, _ = CONVOLUTIONS.features(ROWS)
    raised, raised_alone, _ = CONVOLUTIONS.features(ROWS + np.array([[5.0], [-3.0]]))
    np.testing.assert_allclose(raised, raw, atol=0.05)
    assert np.abs(raised - raw).mean() < 1e-4
    assert np.abs(raised_alone - alone).mean() < 1e-4
    louder, louder_alone, _ = CONVOLUTIONS.features(4 * ROWS)
    assert np.abs(louder_alone - alone).mean() < 0.01 < np.abs(louder - raw).mean()


def test_missing_steps_in_front_change_nothing_but_the_first_value_is_continued():
    shorter = ROWS[:, :, 6:]
    padded = np.concatenate([np.full((12, 2, 6), np.nan), shorter], axis=2)
    for block, other in zip(CONVOLUTIONS.features(padded), CONVOLUTIONS.features(shorter)):
        np.testing.assert_allclose(block, other, atol=1e-6)


def test_a_sequence_has_its_features_whoever_is_with_it():
    many = np.tile(ROWS, (40, 1, 1))
    for block, other in zip(CONVOLUTIONS.features(many), CONVOLUTIONS.features(ROWS[2:3])):
        np.testing.assert_allclose(block[2::12], np.repeat(other, 40, axis=0), atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 1, 1), (4, 12, 5), (5, 1, 400)])
def test_sequences_of_every_size_have_features(shape):
    rows = np.random.default_rng(1).normal(size=shape)
    rows[0] = np.nan
    blocks = Convolutions.of(rows, 100, seed=0).features(rows)
    assert all(np.isfinite(block).all() for block in blocks)
    assert (blocks[0][0] == 0).all()


def test_holes_are_filled_by_the_value_before_and_do_not_count_in_statistics():
    row = np.array([[[np.nan, 1.0, np.nan, 4.0, np.nan]]])
    assert filled(row).tolist() == [[[1.0, 1.0, 1.0, 4.0, 4.0]]]
    assert statistics(row).tolist() == [[2.5, 1.5, 1.0, 4.0]]
