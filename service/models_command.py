"""`goodserve models`: look at the versions of a repository and switch between them."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from model.artifact.outputs import ContractError
from model.artifact.repository import ModelRepository
from model.artifact.runtime import graph_opener, session_opener, stage_opener
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId
from service.app import serving_device
from service.predict.anytime import Early
from service.predict.loading import Further, RunSizes, load_version
from service.settings import Settings

app = App(name="models", help="Look at the versions of a repository and switch between them.")


Repository = Annotated[
    Path | None, Parameter(help="The model repository (environment: GOODSERVE_REPOSITORY).")
]
Name = Annotated[str, Parameter(help="Name of a model, such as cifar10.")]
Version = Annotated[str, Parameter(help="NAME/VERSION, such as cifar10/1.")]


@app.command(name="list")
def list_models(*, repository: Repository = None) -> None:
    """List every version: an asterisk marks the active ones."""
    found = _existing(repository)
    try:
        state = found.state()
    except RepositoryError as error:
        print(f"goodserve: {error}", file=sys.stderr)
        state = None
    active = state.versions if state is not None else ()
    for version in found.versions():
        mark = "*" if version in active else " "
        default = "  default" if version == (active or (None,))[0] else ""
        try:
            manifest = found.manifest(version)
        except RepositoryError as error:
            print(f"{mark} {version}  broken: {error}")
            continue
        test = manifest.accuracy
        accuracy = f"{test.value:.2%} (n = {test.n})" if test else "not tested"
        created = manifest.created.date().isoformat()
        print(f"{mark} {version}  {created}  {len(manifest.labels)} classes  {accuracy}{default}")


@app.command(name="show")
def show_model(version: Version, /, *, repository: Repository = None) -> None:
    """Print one version's manifest."""
    manifest = _repository(repository).manifest(VersionId.parse(version))
    print(json.dumps(manifest.model_dump(mode="json", exclude={"golden"}), indent=2))


@app.command(name="verify")
def verify_model(version: Version | None = None, /, *, repository: Repository = None) -> None:
    """Make every check that the service makes before it swaps, on one version or on all."""
    found, settings = _existing(repository), Settings()
    device, unsound = serving_device(settings), 0
    for each in [VersionId.parse(version)] if version else found.versions():
        try:
            load_version(
                found,
                each,
                session_opener(device),
                RunSizes(settings.max_batch_size or 1),
                Further(Early(stage_opener(device), lambda: None), graph_opener(device)),
            )
        except (ContractError, RepositoryError) as error:
            unsound += 1
            print(f"goodserve: {each}: {error}", file=sys.stderr)
        else:
            print(f"{each} is sound")
    if unsound:
        message = f"{unsound} unsound"
        raise RepositoryError(message)


@app.command(name="activate")
def activate_model(version: Version, /, *, repository: Repository = None) -> None:
    """Make a version its model's active one; a running service takes it within a second.

    What is active under other names stays so.
    """
    _repository(repository).activate(VersionId.parse(version))
    print(f"{version} is active")


@app.command(name="rollback")
def rollback_model(name: Name | None = None, /, *, repository: Repository = None) -> None:
    """Make the version active that was so before, of a model or of the default one."""
    print(f"{_repository(repository).rollback(name)} is active again")


@app.command(name="default")
def default_model(name: Name, /, *, repository: Repository = None) -> None:
    """Let a model answer where a request names none."""
    _repository(repository).make_default(name)
    print(f"{name} is the default model")


@app.command(name="deactivate")
def deactivate_model(name: Name, /, *, repository: Repository = None) -> None:
    """Serve a model no more; its versions stay."""
    _repository(repository).deactivate(name)
    print(f"{name} is not served any more")


def _repository(path: Path | None) -> ModelRepository:
    return ModelRepository(path or Settings().repository)


def _existing(path: Path | None) -> ModelRepository:
    """Take a repository that holds something: a mistyped path must not look sound."""
    repository = _repository(path)
    if not repository.versions():
        message = f"there are no versions in {repository.root}"
        raise UnknownVersionError(message)
    return repository
