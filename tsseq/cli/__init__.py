"""The command ``tsseq``."""

from tsseq.cli.commands import main

__all__ = ["main"]
