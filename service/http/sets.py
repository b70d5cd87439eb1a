"""Sets of classes that hold the true one as often as a caller asks."""

from model.artifact.manifest import Manifest
from model.artifact.outputs import Scores
from service.errors import ConflictError


def check_calibrated(manifest: Manifest) -> None:
    """Make sure that a version can give sets.

    Raises:
        ConflictError: it was published without calibration.
    """
    if manifest.conformal is None:
        detail = (
            "the version that answers was published without calibration, so no set of its classes "
            "has a known confidence; publish it anew (goodserve-train calibrate), or ask without "
            "confidence"
        )
        raise ConflictError("no-calibration", detail)


def conformal_sets(
    manifest: Manifest,
    scores: Scores,
    probabilities: Scores,
    confidence: float,
    layers_used: list[int] | None = None,
) -> list[list[str] | None]:
    """Name the classes in the set of each image, most probable first.

    Args:
        manifest: of a version that is calibrated.
        scores: `(N, K)`, by which classes are ranked.
        probabilities: `(N, K)`.
        confidence: that the true class is among them.
        layers_used: how many layers ran for each image; None: all of them. An answer given early
            has no set: calibration is of the whole network.
    """
    assert manifest.conformal is not None  # noqa: S101  `check_calibrated` came before
    members = manifest.conformal.members(probabilities, confidence)
    depth = len(manifest.layers)
    return [
        _named(manifest.labels, row, inside) if used == depth else None
        for row, inside, used in zip(
            scores.tolist(), members, layers_used or [depth] * len(scores), strict=True
        )
    ]


def _named(labels: tuple[str, ...], scores: list[float], inside: Scores) -> list[str]:
    order = sorted(inside.nonzero()[0].tolist(), key=scores.__getitem__, reverse=True)
    return [labels[k] for k in order]
