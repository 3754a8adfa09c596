"""Classes of whole sequences and of their steps, and sequences of symbols from sequences."""

from tsseq.classification.classifier import NeuralClassifier
from tsseq.classification.labeller import NeuralLabeller
from tsseq.classification.transducer import NeuralTransducer

__all__ = ["NeuralClassifier", "NeuralLabeller", "NeuralTransducer"]
