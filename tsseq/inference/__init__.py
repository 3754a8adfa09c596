"""What fitted networks are used for besides `predict`: gradients, and modules of plain tensors."""

from tsseq.inference.tensors import TensorModule

__all__ = ["TensorModule"]
