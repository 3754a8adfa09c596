from .compression import Compression as Compression
from .compression import compress as compress
from .loading import load as load
