"""A published version cut in two, and how sure its first part must be, by validation images."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.artifact.anytime import PREFIX_FILE, SUFFIX_FILE, Anytime, Threshold, softmax
from model.artifact.checks import check_stages, golden_pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import CONTRIBUTIONS, PROBABILITIES, SCORES, ContractError, Scores
from model.artifact.repository import StoredVersion
from training.data.dataset import Split
from training.errors import ExportError
from training.fit.calibration import best_temperature
from training.publish.confidence import find_thresholds
from training.publish.runtime import onnx_session, onnx_stage
from training.publish.split import Stages, split

_BATCH = 250
_COMPARED_IMAGES = 256


@dataclass(frozen=True)
class Stopped:
    """What came of one threshold on the validation images.

    Attributes:
        threshold: a probability, with the confidence it stands for.
        share: the fraction of the images that stop early.
        agreement: the fraction of those that the whole network gives the same class.
        accuracy: of the answers to all images, early or not.
    """

    threshold: Threshold
    share: float
    agreement: float
    accuracy: float


@dataclass(frozen=True)
class Cut:
    """A version cut in two, ready to be published.

    Attributes:
        manifest: names the parts, the temperature and the thresholds.
        graphs: the parts, by file.
        n: the validation images.
        accuracy: of the whole network on them.
        stopped: what each threshold does to them.
    """

    manifest: Manifest
    graphs: Mapping[str, bytes]
    n: int
    accuracy: float
    stopped: tuple[Stopped, ...]


def cut_in_two(stored: StoredVersion, validation: Split, prefix_layers: int | None) -> Cut:
    """Cut a version after a prefix of its layers, and find out when that may answer alone.

    Args:
        stored: the version; if it is cut already, it is cut anew.
        validation: images that it did not learn from.
        prefix_layers: p; None chooses by the multiply-adds.

    Raises:
        ExportError: it cannot be cut there, or the parts do not give what the whole gives.
    """
    stages = split(stored.model, prefix_layers)
    prefix_scores, scores = _scores(stored, stages, validation)
    temperature = best_temperature(torch.from_numpy(prefix_scores), validation.labels)
    labels = validation.labels.numpy()
    early, whole = prefix_scores.argmax(axis=1), scores.argmax(axis=1)
    top = softmax(prefix_scores, temperature).max(axis=1)
    thresholds = find_thresholds(top, early == whole)
    anytime = _described(stages, temperature, thresholds)
    stopped = tuple(_stopped(each, top, early, whole, labels) for each in thresholds)
    manifest = Manifest.model_validate({**stored.manifest.model_dump(), "anytime": anytime})
    parts = {PREFIX_FILE: stages.prefix, SUFFIX_FILE: stages.suffix}
    graphs = {**stored.graphs, **parts}
    accuracy = float((whole == labels).mean())
    return Cut(manifest, graphs, len(labels), accuracy, stopped)


def cut_lines(cut: Cut) -> Iterator[str]:
    """Say what each threshold does to the validation images."""
    anytime = cut.manifest.anytime
    assert anytime is not None  # noqa: S101  that is what a cut is
    layer = cut.manifest.layers[anytime.prefix_layers - 1].name
    yield f"may stop after {layer}; accuracy {cut.accuracy:.2%} without (n = {cut.n}, validation)"
    if not cut.stopped:
        yield "  it will never stop there: no probability gives enough confidence"
    for each in cut.stopped:
        yield (
            f"  confidence {each.threshold.confidence:<5} probability "
            f"{each.threshold.probability:.3f}: {each.share:6.1%} stop, of which "
            f"{each.agreement:.2%} agree; accuracy {each.accuracy:.2%}"
        )


def _scores(stored: StoredVersion, stages: Stages, split: Split) -> tuple[Scores, Scores]:
    """Give `(N, K)` scores by the prefix and by the whole, once both parts are found sound."""
    whole = onnx_session(stored.model)
    prefix, suffix = onnx_stage(stages.prefix), onnx_stage(stages.suffix)
    try:
        compared = split.first(split.at_once(_COMPARED_IMAGES)).images.numpy()
        for pixels in (golden_pixels(stored.manifest), compared):
            check_stages(pixels, whole, prefix, suffix)
    except ContractError as error:
        raise ExportError(str(error)) from error
    wanted, of_prefix, of_whole = (SCORES, PROBABILITIES), [], []
    for part in split.passes(_BATCH):
        pixels = part.images.numpy()
        of_prefix.append(prefix(pixels)[CONTRIBUTIONS].sum(axis=1))
        of_whole.append(whole(pixels, wanted).scores)
    return np.concatenate(of_prefix), np.concatenate(of_whole)


def _described(stages: Stages, temperature: float, thresholds: tuple[Threshold, ...]) -> Anytime:
    return Anytime(
        prefix_layers=stages.prefix_layers,
        passed=stages.passed,
        prefix_sha256=hashlib.sha256(stages.prefix).hexdigest(),
        suffix_sha256=hashlib.sha256(stages.suffix).hexdigest(),
        temperature=temperature,
        thresholds=thresholds,
    )


def _stopped(
    threshold: Threshold,
    top: NDArray[np.floating],
    early: NDArray[np.int64],
    whole: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> Stopped:
    stops = top >= threshold.probability
    return Stopped(
        threshold=threshold,
        share=float(stops.mean()),
        agreement=float((early == whole)[stops].mean()),
        accuracy=float((np.where(stops, early, whole) == labels).mean()),
    )
