"""`goodserve models label`, `canary` and what ends a trial."""

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from model.artifact.labels import Canary
from model.artifact.version import VersionId
from service.repository_flags import Name, Repository, Version, repository_to_change

app = App()

Label = Annotated[str, Parameter(help="a-z, 0-9, '_', '-', a letter first.")]
Share = Annotated[float, Parameter(help="Part of the requests that name no version, in per cent.")]
Fraction = Annotated[float, Parameter(help="Part of its requests that may fail by its fault.")]
Disagreement = Annotated[
    float | None, Parameter(help="Part of the images whose first class may differ; by default any.")
]


@app.command(name="label")
def label_version(version: Version, label: Label, /, *, repository: Repository = None) -> None:
    """Let a label name a version of its model, and no other one any more."""
    repository_to_change(repository).set_label(VersionId.parse(version), label)
    print(f"{label} names {version}")


@app.command(name="unlabel")
def unlabel_model(name: Name, label: Label, /, *, repository: Repository = None) -> None:
    """Let a label of a model name nothing."""
    repository_to_change(repository).remove_label(name, label)
    print(f"{label} names no version of {name} any more")


@app.command(name="canary")
def begin_canary(  # noqa: PLR0913  each is a flag
    version: Version,
    /,
    *,
    percent: Share = 5.0,
    shadow: Annotated[
        bool, Parameter(help="Only compare: the active version answers all requests.")
    ] = False,
    max_disagreement: Disagreement = None,
    max_failures: Fraction = 0.01,
    repository: Repository = None,
) -> None:
    """Try a version on a part of the requests, until it is promoted or the trial ends."""
    wanted = VersionId.parse(version)
    canary = Canary(
        version=wanted.version,
        percent=percent,
        shadow=shadow,
        max_disagreement=max_disagreement,
        max_failures=max_failures,
        since=datetime.now(UTC),
    )
    repository_to_change(repository).begin_canary(wanted.name, canary)
    how = "is compared on" if shadow else "answers"
    print(f"{wanted} {how} {percent:g} % of the requests")


@app.command(name="promote")
def promote_canary(name: Name | None = None, /, *, repository: Repository = None) -> None:
    """Make the version active that is on trial."""
    print(f"{repository_to_change(repository).promote(name)} is active")


@app.command(name="abandon")
def abandon_canary(name: Name | None = None, /, *, repository: Repository = None) -> None:
    """End a trial; the active version answers every request again."""
    repository_to_change(repository).end_canary(name)
    print("the trial has ended")
