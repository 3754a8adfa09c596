from .loading import load as load
