"""Pictures answered in this process: for `goodserve predict`, `explain` and `score`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.artifact.image import Pixels, stack
from model.artifact.outputs import FAMILIARITY, PROBABILITIES, SCORES, Outputs
from model.artifact.runtime import graph_opener, session_opener
from model.artifact.version import UnknownVersionError, VersionId
from service.device import serving_device
from service.engine import decoder
from service.errors import ServiceError
from service.http.sets import check_calibrated, conformal_sets
from service.predict.loading import Further, LoadedVersion, RunSizes, load_version
from service.predict_flags import Answered, Asked
from service.repository_flags import repository_at
from service.rows import PATH, Row, name_of
from service.settings import Settings

_BATCH = 16


class Unread(NamedTuple):
    """A picture that is yet to be read.

    Attributes:
        path: what its row is called by.
        read: gives the encoded file, or raises OSError.
    """

    path: Path
    read: Callable[[], bytes]


def loaded_version(root: str | None, asked: Asked) -> LoadedVersion:
    """Load a version and make every check that the service makes.

    Raises:
        RepositoryError: there is none, or it is refused.
    """
    settings = Settings()
    repository = repository_at(root)
    wanted = VersionId.parse(asked.version) if asked.version else repository.active(asked.model)
    if wanted is None:
        message = f"no version is active in {repository.place}; name one with --version"
        raise UnknownVersionError(message)
    device = serving_device(settings)
    further = Further(open_graph=graph_opener(device))
    return load_version(repository, wanted, session_opener(device), RunSizes(_BATCH), further)


def answer(paths: Iterable[Path], root: str | None, asked: Asked) -> Iterator[Answered]:
    """Classify files, some at once, in their order.

    Args:
        paths: of the files.
        root: of the model repository; None: as the settings have it.
        asked: about each of them.

    Raises:
        RepositoryError: there is no version, or it is refused.
        ConflictError: sets are asked of a version that is not calibrated.
    """
    files = (Unread(path, path.read_bytes) for path in paths)
    yield from answer_by(loaded_version(root, asked), files, asked)


def answer_by(
    loaded: LoadedVersion, pictures: Iterable[Unread], asked: Asked
) -> Iterator[Answered]:
    """Classify pictures by a version that is loaded, some at once, in their order.

    Raises:
        ConflictError: sets are asked of a version that is not calibrated.
    """
    if asked.confidence is not None:
        check_calibrated(loaded.manifest)
    decode, rest = decoder(Settings()), iter(pictures)
    while chunk := list(islice(rest, _BATCH)):
        failed, pixels = dict[Path, str](), list[Pixels]()
        for each in chunk:
            try:
                pixels.append(decode([each.read()], *loaded.shape[:2])[0])
            except (OSError, ServiceError) as error:
                failed[each.path] = str(error)
        paths = [each.path for each in chunk]
        rows = iter(_rows([path for path in paths if path not in failed], pixels, loaded, asked))
        for path in paths:
            yield Answered(path, error=failed[path]) if path in failed else next(rows)


def _rows(
    paths: Sequence[Path], pixels: Sequence[Pixels], loaded: LoadedVersion, asked: Asked
) -> Iterator[Answered]:
    """Classify one batch."""
    if not paths:
        return
    outputs = loaded.session(stack(pixels), (SCORES, PROBABILITIES, *loaded.also))
    sets = _sets(outputs, loaded, asked)
    for place, path in enumerate(paths):
        row = {PATH: name_of(path), **_said(outputs, place, loaded, asked)}
        if sets is not None:
            row["conformal_set"] = sets[place]
        yield Answered(path, {**row, "model": str(loaded.id)})


def _said(outputs: Outputs, place: int, loaded: LoadedVersion, asked: Asked) -> Row:
    labels, scale = loaded.manifest.labels, loaded.manifest.familiarity
    order = np.argsort(-outputs.scores[place], kind="stable")[: asked.top_k]
    classes = [
        {"label": labels[k], "probability": float(outputs.probabilities[place, k])} for k in order
    ]
    found: Row = {**classes[0]}
    if scale is not None:
        found["familiarity"] = scale.percentile(float(outputs.optional[FAMILIARITY][place]))
    return {**found, "classes": classes} if asked.top_k > 1 else found


def _sets(outputs: Outputs, loaded: LoadedVersion, asked: Asked) -> list[Any] | None:
    if asked.confidence is None:
        return None
    both = outputs.scores, outputs.probabilities
    return [*conformal_sets(loaded.manifest, *both, asked.confidence)]
