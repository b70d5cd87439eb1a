"""Where a repository is, as people write it: a folder's path, or the address of a bucket."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from model.artifact.folder import FolderStorage
from model.artifact.objects import ObjectStorage
from model.artifact.storage import Storage
from model.artifact.version import RepositoryError

# Not a Path, which would make one slash of `s3://`.
Place = Annotated[
    str, BeforeValidator(lambda given: str(given) if isinstance(given, Path) else given)
]


def is_address(place: str) -> bool:
    """Tell an address from a path."""
    return "://" in place


def storage_at(place: str | Path) -> Storage:
    """Open a repository's files; nothing is read yet.

    Raises:
        RepositoryError: the address is empty or of no known kind, or its library is not installed.
    """
    text = str(place)
    # As a path it would be the current folder, which nobody has named.
    if not text.strip():
        message = "the repository's name is empty; use a folder, or s3://BUCKET/PREFIX"
        raise RepositoryError(message)
    return ObjectStorage(text) if is_address(text) else FolderStorage(Path(text))


def without_place(text: str, place: str) -> str:
    """Word a reason for callers, whom the folder or bucket of a repository does not concern."""
    return re.sub(rf"(?<![\w./-]){re.escape(place)}(?![\w.-])", "the repository", text)


def absolute(place: str) -> str:
    """Give the same place from wherever one looks."""
    # Not `Path.resolve`, which fails where links lead in a circle: reading says so.
    return place if is_address(place) else os.path.realpath(place)
