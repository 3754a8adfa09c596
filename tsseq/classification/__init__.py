"""Classes of whole sequences and of their steps."""

from tsseq.classification.classifier import NeuralClassifier
from tsseq.classification.labeller import NeuralLabeller

__all__ = ["NeuralClassifier", "NeuralLabeller"]
