"""Sets of classes that hold the true one as often as asked, calibrated on validation images."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model.artifact.conformal import ConformalScale
from model.artifact.manifest import Manifest
from model.artifact.outputs import PROBABILITIES, SCORES, Scores, Session
from model.artifact.repository import StoredVersion
from training.data.dataset import Split
from training.publish.runtime import onnx_session

_BATCH = 250
_TOLD = (0.8, 0.9, 0.95, 0.99)


def conformal_scale(session: Session, validation: Split) -> ConformalScale:
    """Calibrate sets by what an exported model gives the true classes of validation images.

    Args:
        session: runs the model.
        validation: images that it did not learn from.
    """
    return ConformalScale.of(_of_true_class(_probabilities(session, validation), validation))


def calibrated(stored: StoredVersion, validation: Split) -> tuple[Manifest, list[str]]:
    """Calibrate a published version, anew if it is calibrated already.

    Args:
        stored: the version.
        validation: images that it did not learn from.

    Returns:
        Its manifest with the scale, and lines that say how large the sets are.
    """
    probabilities = _probabilities(onnx_session(stored.model), validation)
    scale = ConformalScale.of(_of_true_class(probabilities, validation))
    manifest = Manifest.model_validate({**stored.manifest.model_dump(), "conformal": scale})
    return manifest, list(_lines(scale, probabilities))


def _lines(scale: ConformalScale, probabilities: Scores) -> Iterator[str]:
    yield f"calibrated on {scale.n} validation images; all classes above {_most(scale):.4f}"
    for confidence in _TOLD:
        sizes = scale.members(probabilities, confidence).sum(axis=1)
        yield (
            f"  confidence {confidence:<5} {sizes.mean():.2f} classes on average, one alone for "
            f"{(sizes == 1).mean():.1%} of the images"
        )


def _most(scale: ConformalScale) -> float:
    """Give the highest confidence at which sets need not hold all classes."""
    return scale.n / (scale.n + 1)


def _probabilities(session: Session, split: Split) -> Scores:
    """Give `(N, K)` probabilities."""
    wanted = (SCORES, PROBABILITIES)
    parts = (part.images.numpy() for part in split.passes(_BATCH))
    return np.concatenate([session(pixels, wanted).probabilities for pixels in parts])


def _of_true_class(probabilities: Scores, split: Split) -> NDArray[np.float32]:
    found: NDArray[np.float32] = probabilities[np.arange(len(probabilities)), split.labels.numpy()]
    return found
