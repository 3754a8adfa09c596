import copy
import math

import numpy as np
import pandas as pd
import pytest

from tsseq.errors import ConfigError
from tsseq.resampling import Trials

DAYS = pd.date_range("2024-01-01", periods=4).to_numpy()


def test_ledgers_without_sharpe_ratios_only_count():
    searched, swept = Trials(5), Trials.of([0.5, 1.5])
    for joined in (searched.joined(swept), swept.joined(searched)):
        assert joined == Trials(7, 1.0, 0.5)
    assert Trials(2).joined(Trials(3)).count == 5
    assert math.isnan(Trials(2).joined(Trials(3)).variance)
    assert Trials.of([]).joined(swept) == swept


def test_series_of_different_dates_are_laid_on_all_of_them():
    first = Trials.of([1.0], DAYS[:3], np.array([[1.0, 2.0, 3.0]]))
    second = Trials.of([2.0, 3.0], DAYS[1:], np.array([[4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]))
    joined = first.joined(second)
    np.testing.assert_array_equal(joined.dates, DAYS)
    nan = math.nan
    np.testing.assert_array_equal(joined.excess, [[1, 2, 3, nan], [nan, 4, 5, 6], [nan, 7, 8, 9]])
    assert joined == Trials.of([1.0, 2.0, 3.0])


def test_a_ledger_without_series_keeps_those_of_the_other():
    swept = Trials.of([1.0], DAYS, np.ones((1, 4)))
    for joined in (swept.joined(Trials(3)), Trials(3).joined(swept)):
        assert joined.count == 4
        assert joined.excess is swept.excess
        assert joined.dates is swept.dates


def test_series_without_dates_are_not_joined():
    with pytest.raises(ConfigError, match="without dates"):
        Trials.of([1.0], DAYS, np.ones((1, 4))).joined(Trials.of([1.0], None, np.ones((1, 4))))


def test_tables_share_the_ledger_in_their_attributes():
    table = pd.DataFrame({"sharpe": [1.0, 2.0]})
    table.attrs["trials"] = ledger = Trials.of(table["sharpe"], DAYS, np.ones((2, 4)))
    assert table[["sharpe"]].iloc[:1].attrs["trials"].excess is ledger.excess
    assert copy.deepcopy(ledger) is ledger


def test_a_trial_without_a_series_counts_and_has_no_row():
    ledger = Trials.of([1.0, math.nan], DAYS, np.array([[1.0, 1, 1, 1], [math.nan] * 4]))
    assert ledger.count == 2
    assert ledger.excess.shape == (1, 4)


def test_a_search_is_counted_after_its_fit():
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import RandomizedSearchCV

    X = np.arange(20.0)[:, None]
    search = RandomizedSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0, 100.0]}, n_iter=3, random_state=0)
    with pytest.raises(ConfigError, match="has no cv_results_"):
        Trials.of_search(search)
    assert Trials.of_search(search.fit(X, X[:, 0])).count == 3
