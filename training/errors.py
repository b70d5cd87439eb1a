"""What can go wrong in training and is not a bug.

TrainingError
├── ConfigError       a setting is unknown, out of range or contradicts the run
├── DataError         a data set is missing, damaged or too small
├── CheckpointError   a run cannot be started, read or resumed
├── DivergenceError   a loss is no number any more
├── LostProcessError  a process of a comparison or of a run ended without an answer
└── ExportError       the exported model does not say what the trained one says
"""


class TrainingError(Exception):
    """Anything the user of `goodserve-train` can fix; the message says how."""


class ConfigError(TrainingError):
    """A setting is unknown, out of range or contradicts the stored run."""


class DataError(TrainingError):
    """A data set is missing, damaged or too small."""


class CheckpointError(TrainingError):
    """A run cannot be started, read or resumed."""


class LostProcessError(TrainingError):
    """A process of a comparison or of a run of several ended without an answer."""


class DivergenceError(TrainingError):
    """A loss is no number any more."""


class ExportError(TrainingError):
    """The exported model does not say what the trained one says."""
