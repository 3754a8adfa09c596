"""Daily bars from Yahoo, with its failures and a cache."""

from tsseq.prices.download import download_prices

__all__ = ["download_prices"]
