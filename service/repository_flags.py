"""What every command on a model repository takes, and which one it means."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.version import RepositoryError
from service.opened import opened_repository
from service.running import records_folder, served_repositories
from service.settings import Settings

Repository = Annotated[
    Path | None,
    Parameter(
        help="The model repository (environment: GOODSERVE_REPOSITORY); by default the one that a "
        "service of this user serves, or else the bundled one, which is only read."
    ),
]
Name = Annotated[str, Parameter(help="Name of a model, such as cifar10.")]
Version = Annotated[str, Parameter(help="NAME/VERSION, such as cifar10/1.")]


def repository_at(path: Path | None) -> ModelRepository:
    """Open the repository that a command reads.

    By default it is the one that the settings name, or else the one that is being served.

    Raises:
        RepositoryError: none is named, and services serve several.
    """
    return _opened(path or _named() or _served() or BUNDLED_REPOSITORY)


def repository_to_change(path: Path | None) -> ModelRepository:
    """Open the repository that a command changes: never the package's own folder by default.

    Raises:
        RepositoryError: none is named, and not exactly one is being served.
    """
    found = path or _named() or _served()
    if found is None:
        message = (
            "no repository is named, and no service of this user is running: say --repository "
            "PATH, or set GOODSERVE_REPOSITORY"
        )
        raise RepositoryError(message)
    return _opened(found)


def _opened(path: Path) -> ModelRepository:
    return opened_repository(Settings().model_copy(update={"repository": path}))


def _named() -> Path | None:
    settings = Settings()
    return settings.repository if "repository" in settings.model_fields_set else None


def _served() -> Path | None:
    found = served_repositories(records_folder())
    # The package's own folder is nobody's to change, served or not.
    served = [Path(each) for each in found if Path(each) != BUNDLED_REPOSITORY]
    if len(found) > 1:
        message = f"services serve several repositories: say --repository, one of {found}"
        raise RepositoryError(message)
    if served:
        print(f"goodserve: repository {served[0]}, which is being served", file=sys.stderr)
    return served[0] if served else None
