"""Meaning of the last layer: point forecasts, quantiles, distributions, classes."""

from tsseq.heads.base import Head
from tsseq.heads.distributions import Bernoulli, Categorical, LogNormal, NegativeBinomial, Normal, Poisson, StudentT
from tsseq.heads.point import Point
from tsseq.heads.quantiles import Quantiles

__all__ = [
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
