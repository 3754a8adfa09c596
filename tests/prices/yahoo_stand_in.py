"""Yahoo's chart service on this machine, and sessions that reach nothing else.

A `Stock` is what the service would know about one symbol. Like Yahoo it answers prices that are adjusted for splits.
Symbols in ``YahooStandIn.trouble`` get no bars but a status, "hang" (no answer in time), "drop" (the line goes dead) or
one of `ANSWERS`.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pandas as pd
import requests
from curl_cffi import requests as curl


@dataclass
class Stock:
    """Bars by date, dividends by ex-date, splits by date as (new, old), and the end of the session of today."""

    bars: pd.DataFrame
    dividends: dict = field(default_factory=dict)
    splits: dict = field(default_factory=dict)
    zone: str = "America/New_York"
    closing: pd.Timestamp | None = None

    def split(self, date, new, old=1):
        """Split the shares, and rewrite all that lies before, as Yahoo does."""
        before = self.bars.index < pd.Timestamp(date)
        self.bars.loc[before, ["open", "high", "low", "close"]] *= old / new
        self.bars.loc[before, "volume"] *= new / old
        self.splits[date] = (new, old)

    def chart(self, symbol, first, end):
        """The service's answer about the seconds from ``first`` up to ``end``; None without bars."""
        seconds = [self._opening(date) for date in self.bars.index]
        asked = [place for place, second in enumerate(seconds) if first <= second < end]
        meta = {"symbol": symbol, "currency": "USD", "instrumentType": "EQUITY", "exchangeTimezoneName": self.zone}
        meta |= {"validRanges": ["1d", "max"], "dataGranularity": "1d"}
        if self.closing is not None:
            hours = {"timezone": "?", "gmtoffset": 0, "start": 0, "end": int(self.closing.timestamp())}
            meta["currentTradingPeriod"] = {name: dict(hours) for name in ("pre", "regular", "post")}
        if not asked:
            return None
        columns = {name: self._numbers(self.bars[name].iloc[asked]) for name in self.bars}
        return {
            "meta": meta,
            "timestamp": [seconds[place] for place in asked],
            "events": self._events(first, end),
            "indicators": {"quote": [columns], "adjclose": [{"adjclose": columns["close"]}]},
        }

    def _events(self, first, end):
        events = {"dividends": {}, "splits": {}}
        for date, amount in self.dividends.items():
            second = self._opening(pd.Timestamp(date))
            if first <= second < end:
                events["dividends"][str(second)] = {"date": second, "amount": amount}
        for date, (new, old) in self.splits.items():
            second = self._opening(pd.Timestamp(date))
            if first <= second < end:
                events["splits"][str(second)] = {"date": second, "numerator": new, "denominator": old}
        return events

    def _opening(self, date):
        return int((date + pd.Timedelta(hours=9, minutes=30)).tz_localize(self.zone).timestamp())

    @staticmethod
    def _numbers(column):
        return [None if np.isnan(number) else float(number) for number in column]


CRUMB = {"code": "Unauthorized", "description": "Invalid Crumb"}
ANSWERS = {
    "empty": (200, ""),
    "page": (200, "<!DOCTYPE html><html><title>Before you continue</title></html>"),
    "null": (200, {"chart": {"result": None, "error": None}}),
    "crumb": (401, {"finance": {"result": None, "error": CRUMB}}),
    "scrambled": (200, '{"chart": '),
}
PRICES = ["open", "high", "low", "close"]
DATES = pd.bdate_range("2024-01-02", "2024-03-29")
YEAR = {"start": "2024-01-02", "end": "2024-03-30"}


def stock(seed=0, dates=DATES, **known) -> Stock:
    """Prices with all 53 bits in use."""
    steps = np.random.default_rng(seed).normal(0, 0.01, (len(dates), 4))
    prices = 100 * np.exp(steps.cumsum(axis=0))
    bars = pd.DataFrame(np.sort(prices, axis=1)[:, [1, 3, 0, 2]], dates, PRICES)
    return Stock(bars.assign(volume=np.arange(len(dates)) * 1000.0), **known)


class YahooStandIn:
    """Answers about ``stocks`` while it is entered; ``asked`` lists price requests: (symbol, first date, end date)."""

    def __init__(self, stocks):
        self.stocks, self.trouble, self.asked, self.released = stocks, {}, [], threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"yahoo": self}))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    yahoo: YahooStandIn

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path.endswith("/getcrumb"):
            return self.answer(200, "a crumb")
        if "/v8/finance/chart/" not in path:
            return self.answer(404, "")
        symbol = unquote(path.split("/v8/finance/chart/")[1])
        first, end = (int(query[name][0]) if name in query else 0 for name in ("period1", "period2"))
        if end:
            self.yahoo.asked.append((symbol, *(pd.Timestamp(second, unit="s").date() for second in (first, end))))
        return self.chart(symbol, first, end or 2**40)

    def chart(self, symbol, first, end):
        trouble = self.yahoo.trouble.get(symbol)
        if trouble == "hang":
            self.yahoo.released.wait(10)
        if trouble in ("hang", "drop"):
            self.close_connection = True
            return None
        if trouble in ANSWERS:
            return self.answer(*ANSWERS[trouble])
        if isinstance(trouble, int):
            return self.answer(trouble, "<html>")
        if symbol not in self.yahoo.stocks:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return self.answer(404, {"chart": {"result": None, "error": error}})
        result = self.yahoo.stocks[symbol].chart(symbol, first, end)
        if result is None:
            error = {
                "code": "Bad Request",
                "description": f"Data doesn't exist for startDate = {first}, endDate = {end}",
            }
            return self.answer(400, {"chart": {"result": None, "error": error}})
        return self.answer(200, {"chart": {"result": [result], "error": None}})

    def answer(self, status, content):
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def local(url, address):
    """``url`` of Yahoo on the server at ``address``; any other is refused."""
    parts = urlsplit(url)
    assert (parts.hostname or "").endswith("yahoo.com"), f"{url} is not to be asked in tests"
    return address + (parts.path or "/") + (parts.query and f"?{parts.query}")


class RequestsSession(requests.Session):
    """A session of requests that takes the server at ``address`` for Yahoo."""

    def __init__(self, address):
        super().__init__()
        self.address, self.trust_env = address, False

    def request(self, method, url, **options):
        return super().request(method, local(url, self.address), **options)


class CurlSession(curl.Session):
    """The same for curl_cffi."""

    def __init__(self, address):
        super().__init__(impersonate="chrome", trust_env=False)
        self.address = address

    def request(self, method, url, **options):
        return super().request(method, local(url, self.address), **options)
