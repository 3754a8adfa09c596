"""Models of other libraries beside those of tsseq; that of sktime is in `tsseq.adapters.sktime`, and needs sktime."""

from tsseq.adapters.local import LocalModel

__all__ = [
    "LocalModel",
]
