"""Whether a version is accurate enough to take the place of the one before it."""

import logging

from model.artifact.holdout import HOLDOUT_FILE, Holdout, Labels, unpack
from model.artifact.image import Pixels
from model.artifact.outputs import PROBABILITIES, SCORES, FloorError
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.predict.loading import LoadedVersion

log = logging.getLogger("goodserve")


def check_floor(
    repository: ModelRepository,
    loaded: LoadedVersion,
    before: VersionId,
    points: float,
    batch_size: int,
) -> None:
    """Hold a version against the images that the one before it kept.

    An older version is not held against a newer one: whoever goes back does so on purpose. Where
    nothing was kept, or for other classes or another size, there is nothing to hold it against,
    which is logged.

    Args:
        repository: holds both.
        loaded: the version that is to serve.
        before: the version in whose place.
        points: the percentage points by which its accuracy on these images may be lower.
        batch_size: images in one run.

    Raises:
        FloorError: it gets fewer right.
    """
    if int(loaded.id.version) <= int(before.version):
        return
    try:
        stored = repository.read(before)
    except RepositoryError as error:
        log.warning("%s is not held against %s: %s", loaded.id, before, error)
        return
    old, new = stored.manifest, loaded.manifest
    if old.holdout is None or old.labels != new.labels or old.image_height != new.image_height:
        log.warning("%s is not held against %s, which kept no images for it", loaded.id, before)
        return
    content = stored.graphs[HOLDOUT_FILE]
    pixels, labels = unpack(content, old.holdout.n, old.image_height, old.image_width)
    correct = _count_correct(loaded, pixels, labels, batch_size)
    refusal = objection(old.holdout, correct, points)
    if refusal is not None:
        message = f"{loaded.id} {refusal} that {before} kept"
        raise FloorError(message)


def objection(before: Holdout, correct: int, points: float) -> str | None:
    """Say that so many right answers are too few; None where they are enough."""
    n = before.n
    lost = (before.correct - correct) / n * 100
    if lost <= points:
        return None
    return (
        f"gets {correct} of {n} images right, which is {lost:.1f} points fewer than "
        f"{before.correct} and over the limit of {points:g}, of those"
    )


def _count_correct(loaded: LoadedVersion, pixels: Pixels, labels: Labels, batch_size: int) -> int:
    found = 0
    for start in range(0, len(labels), batch_size):
        part = slice(start, start + batch_size)
        scores = loaded.session(pixels[part], (SCORES, PROBABILITIES)).scores
        found += int((scores.argmax(axis=1) == labels[part]).sum())
    return found
