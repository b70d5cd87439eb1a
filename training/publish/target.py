"""Where a run is published, and under what name; nothing is written here."""

import re
from dataclasses import dataclass
from pathlib import Path

from model.artifact.place import storage_at
from model.artifact.storage import prepare
from model.artifact.version import VersionId
from training.settings.data import DataSettings


@dataclass(frozen=True)
class Target:
    """Where an export is published.

    Attributes:
        root: the model repository.
        name: of the model.
        activate: whether the service takes it at once; None: unless that would surprise.
        key: file of the private key that signs it; None: it is not signed.
    """

    root: str | Path
    name: str
    activate: bool | None
    key: Path | None = None

    def check(self) -> None:
        """Find out before the training, not after it, whether its result can be published.

        Raises:
            RepositoryError: the name is bad, or the repository cannot be made or written.
        """
        VersionId(self.name, "1")
        prepare(storage_at(self.root))


@dataclass(frozen=True)
class Publication:
    """What was asked for about publishing, before the data are known.

    Attributes:
        root: the model repository.
        name: of the model; None names it after its data.
        activate: whether the service takes it at once; None: unless that would surprise.
        key: file of the private key that signs it; None: it is not signed.
    """

    root: str | Path
    name: str | None = None
    activate: bool | None = None
    key: Path | None = None

    def target(self, data: DataSettings) -> Target:
        """Say where a model of these data goes."""
        name = self.name if self.name is not None else model_name(data)
        return Target(self.root, name, self.activate, self.key)


def model_name(data: DataSettings) -> str:
    """Name a model after its data: the kind, or for a folder the folder."""
    name = Path(data.path).resolve().name if data.kind == "folder" else data.kind
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._")[:63] or "model"
