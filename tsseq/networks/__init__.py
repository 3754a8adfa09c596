"""Sequence models: hyper-parameters, and the torch modules that they build."""

from tsseq.networks.base import Autoregressive, Network
from tsseq.networks.batch import Batch, Channels
from tsseq.networks.linear import DLinear, Linear
from tsseq.networks.patchtst import PatchTST
from tsseq.networks.recurrent import GRU, LSTM, RNN, ChoGRU, PeepholeLSTM
from tsseq.networks.seq2seq import Seq2Seq
from tsseq.networks.transformer import Transformer

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Autoregressive",
    "Batch",
    "Channels",
    "ChoGRU",
    "DLinear",
    "Linear",
    "Network",
    "PatchTST",
    "PeepholeLSTM",
    "Seq2Seq",
    "Transformer",
]
