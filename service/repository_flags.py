"""What every command on a model repository takes, and which one it means."""

import sys
from typing import Annotated

from cyclopts import Parameter

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.version import RepositoryError
from service.opened import opened_repository
from service.running import records_folder, served_repositories
from service.settings import Settings

Repository = Annotated[
    str | None,
    Parameter(
        help="The model repository, a folder or s3://BUCKET/PREFIX (environment: "
        "GOODSERVE_REPOSITORY); by default the one that a service of this user serves, or else "
        "the bundled one, which is only read."
    ),
]
Name = Annotated[str, Parameter(help="Name of a model, such as cifar10.")]
Version = Annotated[str, Parameter(help="NAME/VERSION, such as cifar10/1.")]


def repository_at(place: str | None) -> ModelRepository:
    """Open the repository that a command reads.

    By default it is the one that the settings name, or else the one that is being served.

    Raises:
        RepositoryError: the name is empty, or none is named and services serve several.
    """
    found = _named(place)
    return _opened(found if found is not None else _served() or str(BUNDLED_REPOSITORY))


def repository_to_change(place: str | None) -> ModelRepository:
    """Open the repository that a command changes: never the package's own folder by default.

    Raises:
        RepositoryError: the name is empty, or none is named and not exactly one is being served.
    """
    found = _named(place)
    if found is None:
        found = _served()
    if found is None:
        message = (
            "no repository is named, and no service of this user is running: say --repository "
            "PATH, or set GOODSERVE_REPOSITORY"
        )
        raise RepositoryError(message)
    return _opened(found)


def repository_named(place: str, flag: str) -> ModelRepository:
    """Open the repository that a flag names, with the keys that the settings trust.

    Raises:
        RepositoryError: its name is empty, or it is an address of no known kind.
    """
    return _opened(_checked(place, flag))


def _named(place: str | None) -> str | None:
    """Give what the flag names, or else the environment, whose empty text the settings refuse."""
    if place is not None:
        return _checked(place, "--repository")
    settings = Settings()
    return settings.repository if "repository" in settings.model_fields_set else None


def _checked(place: str, flag: str) -> str:
    """Refuse a name such as that of a variable which is not set: it would be the current folder."""
    if not place.strip():
        message = f"{flag} is empty; name a folder, or s3://BUCKET/PREFIX"
        raise RepositoryError(message)
    return place


def _opened(place: str) -> ModelRepository:
    return opened_repository(Settings().model_copy(update={"repository": place}))


def _served() -> str | None:
    found = served_repositories(records_folder())
    # The package's own folder is nobody's to change, served or not.
    served = [each for each in found if each != str(BUNDLED_REPOSITORY)]
    if len(found) > 1:
        message = f"services serve several repositories: say --repository, one of {found}"
        raise RepositoryError(message)
    if served:
        print(f"goodserve: repository {served[0]}, which is being served", file=sys.stderr)
    return served[0] if served else None
