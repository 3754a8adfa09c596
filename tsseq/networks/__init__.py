"""Sequence models: each is one file, named in ``__all__``."""

from tsseq.networks.base import Network
from tsseq.networks.linear import Linear
from tsseq.networks.recurrent import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "Linear", "Network"]
