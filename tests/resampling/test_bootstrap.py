import numpy as np
import pytest

from tsseq.resampling import mean_draws


def test_draws_of_a_mean_are_in_standard_errors_around_it():
    values = np.random.default_rng(0).normal(3.0, 2.0, (50, 400))
    means = mean_draws(values, block=8, times=400, seed=0)
    np.testing.assert_allclose(means.mean, values.mean(axis=1))
    np.testing.assert_allclose(means.draws.mean(axis=1), 0.0, atol=0.25)
    np.testing.assert_allclose(means.draws.std(axis=1), 1.0, atol=0.15)


@pytest.mark.parametrize("n", [20, 100])
def test_the_standard_error_of_independent_values_is_unbiased(n):
    values = np.random.default_rng(1).normal(0.0, 1.0, (20_000, n))
    error = mean_draws(values, block=4, times=1, seed=0).error
    assert np.mean(error**2) == pytest.approx(1 / n, rel=0.02)


def test_blocks_make_up_for_values_that_depend_on_their_neighbours():
    shocks = np.random.default_rng(2).normal(0.0, 1.0, (2000, 1001))
    values = shocks[:, 1:] + 0.5 * shocks[:, :-1]  # the mean of n has a variance of 1.5^2 / n
    errors = [np.mean(mean_draws(values, block, times=1, seed=0).error ** 2) for block in (1, 20)]
    assert errors[0] == pytest.approx(1.25 / 1000, rel=0.03)
    assert errors[1] == pytest.approx(2.25 / 1000, rel=0.05)


def test_all_sequences_get_the_same_blocks_and_every_call_does():
    row = np.random.default_rng(3).normal(size=300)
    both = mean_draws(np.stack([row, 2 * row + 1]), block=7, times=50, seed=4).draws
    np.testing.assert_allclose(both[0], both[1])
    np.testing.assert_allclose(mean_draws(row[None], block=7, times=50, seed=4).draws[0], both[0])
    assert not np.allclose(mean_draws(row[None], block=7, times=50, seed=5).draws[0], both[0])


def test_missing_values_leave_mean_and_error_to_the_rest():
    row = np.random.default_rng(4).normal(size=600)
    longer = np.concatenate([np.full(300, np.nan), row, np.full(300, np.nan)])
    ours, rest = mean_draws(longer[None], 5, 2000, 0), mean_draws(row[None], 5, 2000, 0)
    assert ours.mean[0] == pytest.approx(rest.mean[0])
    assert ours.error[0] == pytest.approx(rest.error[0], rel=0.01)
    assert ours.draws.std() == pytest.approx(1.0, abs=0.05)


def test_a_constant_has_no_error_and_no_draws():
    means = mean_draws(np.zeros((1, 50)), 4, 10, 0)
    assert (means.mean[0], means.error[0]) == (0.0, 0.0)
    assert np.isnan(means.draws).all()
