"""What the user asked of `goodserve-train fit`, before anything is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.publish.target import Publication

EXPORT_FOLDER = "export"
# The exit status of a run that was asked to stop.
INTERRUPTED = 130


@dataclass(frozen=True)
class FitRequest:
    """One call of `fit`.

    Attributes:
        folder: of the run.
        flags: the settings that were given as flags, by flat name or by section.
        config: a TOML file of settings, or none.
        resume: whether to go on with a run.
        quiet: whether to print no progress.
        publication: where to publish what comes of it, or nowhere.
        logs: loggers to tell beside the run's own log.
    """

    folder: Path
    flags: Mapping[str, Any]
    config: Path | None = None
    resume: bool = False
    quiet: bool = False
    publication: Publication | None = None
    logs: tuple[str, ...] = ()
