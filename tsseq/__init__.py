"""Time-series forecasting with sequence models for people who live in pandas and scikit-learn.

Public names are listed in the stub beside this file and imported at first use: ``import tsseq`` loads neither torch
nor scikit-learn.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
