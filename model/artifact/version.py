"""The name of a model version, and what can be wrong with one."""

import errno
import re
from dataclasses import dataclass
from typing import Self

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
VERSION_PATTERN = re.compile(r"[1-9][0-9]{0,17}")


class RepositoryError(Exception):
    """The repository cannot do what was asked; the message says why.

    RepositoryError
    ├── UnknownVersionError  no such version, or none is active
    ├── BrokenVersionError   a version is incomplete, or not what its manifest says
    ├── DamagedError         `active.json` does not say what is active
    ├── NeededError          a version that was to be deleted is needed
    └── ConflictError        somebody else was there first
    """


class UnknownVersionError(RepositoryError):
    """There is no such version, or none is active."""


class BrokenVersionError(RepositoryError):
    """A version is incomplete, or its bytes are not those its manifest names."""


class DamagedError(RepositoryError):
    """`active.json` can be read, and does not say what is active; activating a version mends it."""


class NeededError(RepositoryError):
    """A version that was to be deleted is active, labelled, on trial, or was active before."""


class ConflictError(RepositoryError):
    """Somebody else was there first: a file has changed since it was read, or a number is taken."""


# What the system says of the very file; anything else may be over at the next try.
_OF_THE_FILE = frozenset(
    {
        errno.ENOENT,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.EFBIG,
        errno.EINVAL,
        errno.EPERM,
        errno.EACCES,
    }
)


def is_of_the_file(error: OSError) -> bool:
    """Tell a file that is missing or bad from a passing trouble of its medium."""
    return error.errno in _OF_THE_FILE


@dataclass(frozen=True)
class VersionId:
    """Names one version: `cifar10/3`.

    Raises:
        RepositoryError: a part has characters that a folder name should not have.
    """

    name: str
    version: str

    def __post_init__(self) -> None:
        """Refuse anything that could leave the repository's folder."""
        if not NAME_PATTERN.fullmatch(self.name):
            message = f"bad model name {self.name!r}; use a-z, 0-9, '_', '.', '-', at most 63"
            raise RepositoryError(message)
        if not VERSION_PATTERN.fullmatch(self.version):
            message = f"bad version {self.version!r}; versions are whole numbers from 1"
            raise RepositoryError(message)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name/version`."""
        name, _, version = text.partition("/")
        return cls(name, version)

    def __str__(self) -> str:
        """Write `name/version`."""
        return f"{self.name}/{self.version}"


def not_there(version: VersionId, place: str) -> UnknownVersionError:
    """Word that a repository does not hold a version."""
    return UnknownVersionError(f"there is no version {version} in {place}")
