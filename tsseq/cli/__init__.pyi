from . import files as files
from .commands import main as main
