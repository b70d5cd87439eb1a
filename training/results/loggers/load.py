"""From the names of loggers to the logs of a run."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from training.errors import ConfigError
from training.results.log import RunLog

# Module and class of each: none is imported before it is asked for.
LOGGERS: Mapping[str, tuple[str, str]] = {
    "mlflow": ("training.results.loggers.mlflow", "MlflowLog"),
    "tensorboard": ("training.results.loggers.tensorboard", "TensorBoardLog"),
}


def load_loggers(names: Sequence[str], run: Path) -> list[RunLog]:
    """Make the loggers that were asked for; one that is named twice is made once.

    Args:
        names: of `LOGGERS`.
        run: the run's folder.

    Raises:
        ConfigError: a logger is unknown or not installed; the message says what to do.
    """
    return [_load(name)(run) for name in dict.fromkeys(names)]


def _load(name: str) -> Callable[[Path], RunLog]:
    if name not in LOGGERS:
        message = f"unknown logger {name!r}; --log takes one of: {', '.join(sorted(LOGGERS))}"
        raise ConfigError(message)
    module, maker = LOGGERS[name]
    try:
        made: Callable[[Path], RunLog] = getattr(import_module(module), maker)
    except ModuleNotFoundError as error:
        message = (
            f"--log {name} needs {error.name}, which is not installed; "
            f"pip install 'goodserve[{name}]'"
        )
        raise ConfigError(message) from error
    return made
