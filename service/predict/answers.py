"""What a lane gives to one caller."""

import math
from dataclasses import dataclass

from model.artifact.evidence import Evidence, Floats
from model.artifact.manifest import Manifest
from model.artifact.outputs import Outputs, Scores
from model.artifact.version import VersionId
from service.predict.evidence import Question


@dataclass(frozen=True, slots=True)
class Answers:
    """What one version says of one caller's n images.

    Attributes:
        id: the version that answered.
        manifest: its labels and layers.
        outputs: n rows of each output that was asked for.
        familiarity: of each image, the percentage of validation images that are less familiar;
            None where the version, or for one image where its answer, does not say.
    """

    id: VersionId
    manifest: Manifest
    outputs: Outputs
    familiarity: list[float | None] | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """What one version says of one caller's n images, taken apart.

    Attributes:
        id: the version that answered.
        manifest: its labels and layers.
        evidence: n rows of every part.
        question: what was asked, M combinations of classes.
        assignment: `(sum of C_l, K)`, float32, how far each channel speaks for each class.
        familiarity: as of `Answers`; None also where nobody asked.
    """

    id: VersionId
    manifest: Manifest
    evidence: Evidence
    question: Question
    assignment: Floats
    familiarity: list[float | None] | None = None


def familiarity_of(manifest: Manifest, scores: Scores | None) -> list[float | None] | None:
    """Place each image among the validation images.

    Args:
        manifest: says how those scored.
        scores: `(N,)`, NaN where nothing says how familiar an image is; None: nowhere.
    """
    scale = manifest.familiarity
    if scores is None or scale is None:
        return None
    return [None if math.isnan(score) else scale.percentile(score) for score in scores.tolist()]
