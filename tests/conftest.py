"""Small frames that many tests share, the profiles of Hypothesis, and which tests are slow."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from tsseq import load_sample
from tsseq.data.time_rules import Sessions
from tsseq.errors import DataError

# The same examples on every run; `make proof` draws many more, and others each time.
settings.register_profile("tsseq", deadline=None, derandomize=True, database=None, max_examples=50)
settings.register_profile("proof", deadline=None, database=None, max_examples=1000)
settings.load_profile("tsseq")

SLOW_LIST = Path(__file__).parent / "slow.txt"


def pytest_addoption(parser):
    parser.addoption("--list-slow", type=float, metavar="SECONDS", help="write tests that take longer to slow.txt")


def pytest_collection_modifyitems(items):
    """Mark what slow.txt lists as slow: a line names a test, or one of its parameters."""
    slow = set(SLOW_LIST.read_text().splitlines())
    for item in items:
        if item.nodeid in slow or test_of(item.nodeid) in slow:
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter, config):
    """Write slow.txt; a test of which every third parameter is slow is slow as a whole."""
    limit = config.getoption("--list-slow")
    if limit is None:
        return
    seconds = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if hasattr(report, "duration"):
            seconds[report.nodeid] += report.duration
    parameters = Counter(test_of(name) for name in seconds)
    slow = Counter(test_of(name) for name in seconds if seconds[name] > limit)
    whole = {name for name in slow if 3 * slow[name] > parameters[name]}
    single = {name for name in seconds if seconds[name] > limit and test_of(name) not in whole}
    SLOW_LIST.write_text("\n".join(sorted(whole | single)) + "\n")


def test_of(nodeid):
    """The id of a test without its parameters."""
    return nodeid.split("[")[0]


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


@pytest.fixture
def needs_exchange():
    """Skip a test of an exchange that exchange_calendars cannot make with this version of pandas, and says so."""

    def check(code):
        try:
            Sessions(code).between(pd.Timestamp("2023-01-02"), pd.Timestamp("2023-02-01"))
        except DataError as error:
            if "exchange_calendars" not in str(error):
                raise
            pytest.skip(str(error)[:200])

    return check
