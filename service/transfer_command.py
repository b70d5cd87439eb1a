"""`goodserve models push` and `pull`: versions go from one repository to another."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from model.artifact.repository import ModelRepository
from model.artifact.transfer import chosen, copy_version
from model.artifact.version import RepositoryError
from service.repository_flags import (
    Repository,
    repository_at,
    repository_named,
    repository_to_change,
)

app = App()

Named = Annotated[str, Parameter(help="NAME/VERSION, or NAME for that model's active version.")]
Activate = Annotated[bool, Parameter(negative=(), help="Make them active there.")]


@app.command(name="push")
def push_models(
    *named: Named,
    to: Annotated[str, Parameter(help="Folder, or s3://BUCKET/PREFIX.")],
    activate: Activate = False,
    repository: Repository = None,
) -> None:
    """Copy versions into another repository, under their own numbers."""
    _check_named(named)
    _copy(named, repository_at(repository), repository_named(to, "--to"), activate=activate)


@app.command(name="pull")
def pull_models(
    *named: Named,
    source: Annotated[str, Parameter(name="--from", help="Folder, or s3://BUCKET/PREFIX.")],
    activate: Activate = False,
    repository: Repository = None,
) -> None:
    """Copy versions from another repository, under their own numbers."""
    _check_named(named)
    _copy(
        named,
        repository_named(source, "--from"),
        repository_to_change(repository),
        activate=activate,
    )


def _check_named(named: tuple[str, ...]) -> None:
    if not named:
        message = "say which versions to copy: NAME/VERSION, or NAME for the active one"
        raise RepositoryError(message)


def _copy(
    named: tuple[str, ...], source: ModelRepository, target: ModelRepository, *, activate: bool
) -> None:
    for version in [chosen(source, each) for each in named]:
        is_new = copy_version(source, target, version)
        done = "is copied to" if is_new else "is there already:"
        print(f"{version} {done} {target.place}")
        if activate:
            mended = target.activate(version)
            if mended is not None:
                print(f"goodserve: {mended}", file=sys.stderr)
            print(f"{version} is active there")
