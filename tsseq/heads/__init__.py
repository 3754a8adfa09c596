"""Meaning of the last layer: point forecasts, quantiles, distributions, classes, sequences of classes."""

from tsseq.heads.base import Head
from tsseq.heads.categorical import Categorical
from tsseq.heads.ctc import CTC
from tsseq.heads.distributions import Bernoulli, LogNormal, NegativeBinomial, Normal, Poisson, StudentT
from tsseq.heads.point import Point
from tsseq.heads.quantiles import Quantiles

__all__ = [
    "CTC",
    "Bernoulli",
    "Categorical",
    "Head",
    "LogNormal",
    "NegativeBinomial",
    "Normal",
    "Point",
    "Poisson",
    "Quantiles",
    "StudentT",
]
