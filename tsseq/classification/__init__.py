"""Classes of whole sequences and of their steps, sequences of symbols from sequences, and recordings as sequences."""

from tsseq.classification.classifier import NeuralClassifier
from tsseq.classification.labeller import NeuralLabeller
from tsseq.classification.sound import LogMel
from tsseq.classification.transducer import NeuralTransducer

__all__ = ["LogMel", "NeuralClassifier", "NeuralLabeller", "NeuralTransducer"]
