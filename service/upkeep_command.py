"""`goodserve models delete`, `gc` and `diff`."""

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from model.artifact.upkeep import collect_garbage, delete_version, unneeded_versions
from model.artifact.version import RepositoryError, VersionId
from service.differences import differences
from service.repository_flags import Name, Repository, Version, repository_at, repository_to_change

app = App()

Keep = Annotated[
    int, Parameter(validator=Number(gte=1), help="The last versions that stay of each model.")
]


@app.command(name="delete")
def delete_model(*versions: Version, repository: Repository = None) -> None:
    """Delete versions; their numbers are not given again.

    What is active, labelled, on trial or next to be rolled back to is refused.
    """
    if not versions:
        message = "say which versions to delete: NAME/VERSION, such as cifar10/1"
        raise RepositoryError(message)
    found = repository_to_change(repository)
    for version in versions:
        delete_version(found, VersionId.parse(version))
        print(f"{version} is deleted")


@app.command(name="gc")
def collect_models(
    name: Name | None = None,
    /,
    *,
    keep: Keep = 5,
    dry_run: Annotated[bool, Parameter(negative=(), help="Only say what would go.")] = False,
    repository: Repository = None,
) -> None:
    """Delete old versions: all but the last ones and those that are needed.

    Active versions, the ones before them, those on trial and those with a label stay. What
    interrupted commands left is removed too.
    """
    if dry_run:
        for version in unneeded_versions(repository_at(repository), keep, name):
            print(f"{version} would be deleted")
        return
    for version in collect_garbage(repository_to_change(repository), keep, name):
        print(f"{version} is deleted")


@app.command(name="diff")
def diff_models(old: Version, new: Version, /, *, repository: Repository = None) -> None:
    """Say in what two versions differ: classes, accuracy, settings, data, sizes, hashes."""
    found = repository_at(repository)
    manifests = (found.manifest(VersionId.parse(each)) for each in (old, new))
    lines = differences(*manifests)
    print("\n".join(lines) if lines else f"{old} and {new} are alike")
