"""Small frames that many tests share; Hypothesis repeats the same examples on every run."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from tsseq import load_sample

settings.register_profile("tsseq", deadline=None, derandomize=True, database=None)
settings.load_profile("tsseq")


@pytest.fixture(scope="session")
def sp500():
    """Daily bars of 1999 to 2018."""
    return load_sample("sp500")


@pytest.fixture
def walks():
    """Four daily random walks at levels far apart, one column each; ids that sort unlike they are written."""
    noise = np.random.default_rng(7).normal(size=(80, 4)).cumsum(axis=0)
    days = pd.date_range("2024-01-01", periods=80, freq="D", name="day")
    return pd.DataFrame(noise + np.array([10, 100, 1000, 10000]), days, ["10", "A", "2", "1"])
