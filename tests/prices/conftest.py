"""Stocks of a stand-in for Yahoo, for the tests of downloads."""

import socket

import pandas as pd
import pytest
from yahoo_stand_in import YEAR, RequestsSession, YahooStandIn, stock

import tsseq
from tsseq.prices.download import Source, Span, collect
from tsseq.prices.quotes import Patience


@pytest.fixture
def nothing_but_this_machine(monkeypatch):
    connect = socket.socket.connect

    def only_here(self, address):
        assert address[0] in ("127.0.0.1", "::1"), f"connection to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)


@pytest.fixture
def yahoo(nothing_but_this_machine):
    with YahooStandIn({"AAPL": stock(0), "MSFT": stock(1)}) as server:
        yield server


@pytest.fixture
def download(yahoo, tmp_path):
    """`download_prices` of the server's stocks, with a cache of its own."""
    session = RequestsSession(yahoo.address)

    def called(tickers, start=YEAR["start"], end=YEAR["end"], **options):
        return tsseq.download_prices(tickers, start, end, cache_dir=tmp_path, session=session, **options)

    yield called
    session.close()


@pytest.fixture
def at(yahoo, tmp_path):
    """The same at a given time in New York, without pauses between tries; ``at.slept`` lists what they would be."""
    session, slept = RequestsSession(yahoo.address), []

    def called(tickers, now="2024-04-20 12:00", start="2024-01-02", end=None, adjust=False, strict=False):
        clock = pd.Timestamp(now, tz="America/New_York").tz_convert("UTC")
        patience = Patience((2.0, 8.0), timeout=0.3, sleep=slept.append)
        source = Source(tmp_path, session, patience, lambda: clock)
        span = Span(*(None if day is None else pd.Timestamp(day) for day in (start, end)))
        return collect(tickers, span, source, adjust, strict)

    called.slept, called.session = slept, session
    yield called
    session.close()
