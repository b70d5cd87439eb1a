"""Which version is active, and which were before: the content of `active.json`."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from model.artifact.files import sweep_aside, write_atomically
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId

ACTIVE_FILE = "active.json"

_KEPT_PREVIOUS = 50


def _checked(text: str) -> str:
    try:
        return str(VersionId.parse(text))
    except RepositoryError as error:
        raise ValueError(str(error)) from error


# Checked when read: a bad name would be carried along in a history that ends in an error.
Name = Annotated[str, AfterValidator(_checked)]


class Active(BaseModel):
    """The active version and those active before it, the last one last."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    active: Name
    previous: tuple[Name, ...] = ()

    def followed_by(self, wanted: VersionId) -> Self:
        """Give the state once `wanted` is active; activating what is active changes nothing."""
        if self.active == str(wanted):
            return self
        previous = (*self.previous, self.active)[-_KEPT_PREVIOUS:]
        return type(self)(active=str(wanted), previous=previous)

    def taken_back(self) -> Self:
        """Give the state before the last activation.

        Raises:
            UnknownVersionError: none was active before.
        """
        if not self.previous:
            message = f"nothing was active before {self.active}"
            raise UnknownVersionError(message)
        return type(self)(active=self.previous[-1], previous=self.previous[:-1])


def read_active(root: Path) -> Active | None:
    """Read `active.json`; None where nothing was activated yet.

    Raises:
        RepositoryError: it is damaged or cannot be read.
    """
    path = root / ACTIVE_FILE
    try:
        return Active.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        message = f"{path} cannot be read: {error}; activate a version to replace it"
        raise RepositoryError(message) from error


def write_active(root: Path, state: Active) -> None:
    """Replace `active.json`, and sweep away what killed writers left; hold the lock.

    Raises:
        OSError: the folder cannot be written, or the disk is full; `active.json` is as it was.
    """
    # Sweeping first gives the room that a full disk may need.
    sweep_aside(root / ACTIVE_FILE)
    write_atomically(root / ACTIVE_FILE, state.model_dump_json(indent=1).encode() + b"\n")
