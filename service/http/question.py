"""What a caller wants taken apart, by classes and contrasts; the command line asks the same way."""

import numpy as np

from model.artifact.manifest import Manifest
from service.errors import UnprocessableError
from service.http.classes import pair_of, places_of
from service.http.schemas import ExplainOptions
from service.http.sets import check_calibrated
from service.predict.evidence import Question

MOST_CLASSES = 16
# Images times classes: each is some 2,500 numbers, which take a millisecond to word.
MOST_PARTS = 64


def question(
    manifest: Manifest,
    options: ExplainOptions,
    images: int = 1,
    *,
    asks_familiarity: bool = False,
) -> Question:
    """Say what to take apart: the classes asked for, or the most probable one.

    Args:
        manifest: of the version that answers.
        options: what the caller chose.
        images: of the request.
        asks_familiarity: whether to say how familiar they are.

    Raises:
        UnprocessableError: a class or a layer is unknown, or there are too many.
        ConflictError: a set of classes is wanted of a version that is not calibrated.
    """
    labels = manifest.labels
    if options.confidence is not None:
        check_calibrated(manifest)
    if options.layer is not None and options.layer not in {each.name for each in manifest.layers}:
        known = ", ".join(each.name for each in manifest.layers)
        detail = f"there is no layer {options.layer[:50]!r}; there are {known}"
        raise UnprocessableError("unknown-layer", detail)
    wanted, pair = places_of(options.classes, labels), pair_of(options.contrast, labels)
    count = len(wanted) + bool(pair) or 1
    if count > MOST_CLASSES:
        detail = f"{count} classes are asked for, the limit is {MOST_CLASSES}"
        raise UnprocessableError("too-many-classes", detail)
    if count * images > MOST_PARTS:
        detail = (
            f"{count} classes of {images} images are {count * images} explanations, the limit for "
            f"one request is {MOST_PARTS}; send several requests"
        )
        raise UnprocessableError("too-many-classes", detail)
    by_class = np.zeros((count, len(labels)), np.float32)
    by_rank = np.zeros_like(by_class)
    for row, column in enumerate(wanted):
        by_class[row, column] = 1
    if pair:
        by_class[-1, pair[0]] += 1
        by_class[-1, pair[1]] -= 1
    elif not wanted:
        by_rank[0, 0] = 1
    return Question(by_class, by_rank, asks_familiarity)
