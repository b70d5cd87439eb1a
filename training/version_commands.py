"""Commands of `goodserve-train` that publish a version anew, without loading torch."""

from model.artifact.version import VersionId


def anytime(
    version: str,
    /,
    *,
    repository: str,
    data: str,
    prefix_layers: int | None = None,
    activate: bool = False,
) -> None:
    """Let a published version stop early: publish it anew, cut after its first layers.

    It stops where they are sure enough, by what the run's own validation images show.

    Args:
        version: NAME/VERSION.
        repository: The model repository.
        data: The data it was trained on, as KIND:PATH.
        prefix_layers: Layers that always run; by default those that spend at most 45 percent.
        activate: Serve the new version at once.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    wanted = VersionId.parse(version)
    commands.anytime(wanted, repository, data, prefix_layers, activate=activate)


def calibrate(version: str, /, *, repository: str, data: str, activate: bool = False) -> None:
    """Let a published version give sets of classes that hold the true one as often as asked.

    It is published anew, with a manifest that says how its validation images scored.

    Args:
        version: NAME/VERSION.
        repository: The model repository.
        data: The data it was trained on, as KIND:PATH.
        activate: Serve the new version at once.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    commands.calibrate(VersionId.parse(version), repository, data, activate=activate)


def holdout(
    version: str, /, *, repository: str, data: str, images: int = 500, activate: bool = False
) -> None:
    """Let a published version keep validation images, to hold the next one against.

    It is published anew, with the images and how many of them it gets right. A service with
    --floor-points serves no later version that gets so many points fewer of them right.

    Args:
        version: NAME/VERSION.
        repository: The model repository.
        data: The data it was trained on, as KIND:PATH.
        images: How many to keep; whoever may read the repository can see them.
        activate: Serve the new version at once.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    commands.holdout(VersionId.parse(version), repository, data, images, activate=activate)
