"""`goodserve models`: look at the versions of a repository and switch between them."""

import json
import sys

from cyclopts import App

from model.artifact.active import Active
from model.artifact.labels import STABLE
from model.artifact.outputs import ContractError
from model.artifact.place import absolute
from model.artifact.repository import ModelRepository
from model.artifact.runtime import graph_opener, session_opener, stage_opener
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId
from service import labels_command, provenance_command, transfer_command, upkeep_command
from service.asked_service import said_of
from service.device import serving_device
from service.predict.anytime import Early
from service.predict.loading import Further, RunSizes, load_version
from service.repository_flags import Name, Repository, Version, repository_at, repository_to_change
from service.running import records_folder
from service.settings import Settings

app = App(name="models", help="Look at the versions of a repository and switch between them.")
app.update(labels_command.app)
app.update(upkeep_command.app)
app.update(provenance_command.app)
app.update(transfer_command.app)


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
        named = ["default"] if version == (active or (None,))[0] else []
        named += _labels(state, version)
        try:
            manifest = found.manifest(version)
        except RepositoryError as error:
            print(f"{mark} {version}  broken: {error}")
            continue
        test = manifest.accuracy
        accuracy = f"{test.value:.2%} (n = {test.n})" if test else "not tested"
        created = manifest.created.date().isoformat()
        classes = f"{len(manifest.labels)} classes"
        print("  ".join([f"{mark} {version}", created, classes, accuracy, *named]))


def _labels(state: Active | None, version: VersionId) -> list[str]:
    """Say which labels name a version, beside `stable`, which the asterisk tells."""
    history = state.models.get(version.name) if state is not None else None
    if history is None:
        return []
    named = (label for label, each in history.all_labels.items() if each == version.version)
    return sorted(set(named) - {STABLE})


@app.command(name="show")
def show_model(version: Version, /, *, repository: Repository = None) -> None:
    """Print one version's manifest, and on stderr what running services say of it."""
    found, wanted = repository_at(repository), VersionId.parse(version)
    manifest = found.manifest(wanted)
    print(json.dumps(manifest.model_dump(mode="json", exclude={"golden"}), indent=2))
    for line in said_of(wanted, absolute(found.place), records_folder()):
        print(f"goodserve: {line}", file=sys.stderr)


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

    What is active under other names stays so. A damaged active.json is mended, and a copy is kept.
    """
    mended = repository_to_change(repository).activate(VersionId.parse(version))
    if mended is not None:
        print(f"goodserve: {mended}", file=sys.stderr)
    print(f"{version} is active")


@app.command(name="rollback")
def rollback_model(name: Name | None = None, /, *, repository: Repository = None) -> None:
    """Make the version active that was so before, of a model or of the default one."""
    print(f"{repository_to_change(repository).rollback(name)} is active again")


@app.command(name="default")
def default_model(name: Name, /, *, repository: Repository = None) -> None:
    """Let a model answer where a request names none."""
    repository_to_change(repository).make_default(name)
    print(f"{name} is the default model")


@app.command(name="deactivate")
def deactivate_model(name: Name, /, *, repository: Repository = None) -> None:
    """Serve a model no more; its versions stay."""
    repository_to_change(repository).deactivate(name)
    print(f"{name} is not served any more")


def _existing(place: str | None) -> ModelRepository:
    """Take a repository that holds something: a mistyped path must not look sound."""
    repository = repository_at(place)
    if not repository.versions():
        message = f"there are no versions in {repository.place}"
        raise UnknownVersionError(message)
    return repository
