"""Time-series forecasting with sequence models for people who live in pandas and scikit-learn.

Public names are listed in the stub beside this file and imported at first use: ``import tsseq`` loads neither torch
nor scikit-learn.
"""

from typing import Any

import lazy_loader

from tsseq.hints import about_name

__version__ = "0.1.0"
_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _public(name)
    about = "" if name.startswith("_") else f"; {about_name(name, __all__)}"
    raise AttributeError(f"No tsseq attribute {name}{about}")
