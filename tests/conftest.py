"""Small frames that many tests share, the profiles of Hypothesis, and which tests are slow."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from tsseq import load_sample

# The same examples on every run; `make proof` draws many more, and others each time.
settings.register_profile("tsseq", deadline=None, derandomize=True, database=None, max_examples=50)
settings.register_profile("proof", deadline=None, database=None, max_examples=1000)
settings.load_profile("tsseq")

SLOW = (Path(__file__).parent / "slow.txt").read_text().splitlines()


def pytest_collection_modifyitems(items):
    """Mark what slow.txt lists as slow: a line names a file, a test, or one of a test's parameters."""
    for item in items:
        if any(item.nodeid == line or item.nodeid.startswith((f"{line}::", f"{line}[")) for line in SLOW):
            item.add_marker(pytest.mark.slow)


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
