"""Every error that tsseq raises on purpose.

::

    TsseqError
    ├── DataError (ValueError)            a frame, an index or a file does not hold what is needed
    │   └── NotEnoughHistory              a series is too short for the context and the horizon
    ├── ModelFileError (ValueError)       a saved model is damaged, of a newer format, or no model
    ├── ConfigError (ValueError, TypeError)   an argument makes no sense, alone or beside another
    └── TrainingDivergedError (RuntimeError)  the loss became NaN or infinite
"""


class TsseqError(Exception):
    """Base of all errors raised by tsseq."""


class DataError(TsseqError, ValueError):
    """The data do not hold what is needed; the message names the first culprits."""


class NotEnoughHistory(DataError):
    """A series has fewer rows than the context (and, in ``fit``, the horizon) needs."""


class ConfigError(TsseqError, ValueError, TypeError):
    """An argument makes no sense, alone or together with another."""


class TrainingDivergedError(TsseqError, RuntimeError):
    """The training loss became NaN or infinite."""


class ModelFileError(TsseqError, ValueError):
    """A saved model is damaged, of a newer format, names an unknown network, or is no model file at all."""
