"""The command ``tsseq``; ``--help`` and completion load neither pandas nor a model."""

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["main"]
